"""ResultPanel: a comparison in a widget. Grid, text, scores, requests, exports, static output."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from llmwidgets import formatting
from llmwidgets.analysis.grounding import get_ready
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.verdict import MATTERS
from llmwidgets.comparison import view_model
from llmwidgets.comparison.aggregate import aggregate
from llmwidgets.comparison.core import CellKey
from llmwidgets.report import html
from llmwidgets.report.writers import safe_cell
from llmwidgets.visible import escape_html
from llmwidgets.widgets.comparison.detail_view import (
    detail_view,
    request_curl,
    request_view,
    text_view,
)
from llmwidgets.widgets.comparison.grid_model import Filter, GridIndex, Shown
from llmwidgets.widgets.comparison.grid_view import Metrics, block_of, blocks, heights, nothing_view
from llmwidgets.widgets.comparison.run_options import read_points
from llmwidgets.widgets.comparison.score_view import grounding_view, score_view
from llmwidgets.widgets.panel import Buffers, Content, Panel, StaticOutput

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison


T = TypeVar("T")

CHUNK = 10
FIRST = "first"
"""The turn of the rows that a view is sent with its first state; later ones answer a question."""

_LAYOUTS = 8
_FIRST_SECONDS = 0.4
_NEXT_SECONDS = 0.1
_SAY_EVERY = 8


class ResultPanel(Panel):
    """A widget that shows a comparison: the page asks by message for what comes into sight."""

    def __init__(self) -> None:
        super().__init__()
        self.comparison: Comparison | None = None
        self._index: GridIndex | None = None
        self._edition = 0
        self._revision = 0
        self._layouts: dict[int, tuple[list[Shown], Metrics]] = {}
        self._laid = 0
        self._is_told = True
        self._static = StaticOutput()
        self._verdict = ""
        self._matters = MATTERS
        self._foretold = ""
        self._deviation: float | None = None
        self._first: tuple[GridIndex, int, tuple[Content, list[bytes]]] | None = None
        self._grounding: tuple[tuple[int, int, bool], Content] | None = None
        self._counting = threading.Lock()
        self._answering = 0
        self.submit(self._get_ready())

    async def _get_ready(self) -> None:
        """Load now, while nobody waits, what the first rows of a result need."""
        await asyncio.to_thread(get_ready)

    def show_result(self, comparison: Comparison, *, live: bool = False) -> None:
        """Take a comparison in: everything the page asks for from now on is about it.

        Its first texts are read while the page is drawn, the others and the static output later.
        """
        index = GridIndex(comparison, live=live)
        self._index, self.comparison = index, comparison
        self._verdict = ""
        self._edition += 1
        self._layouts, self._first = {}, None
        self.submit(self._read_on(index))

    async def _read_on(self, index: GridIndex) -> None:
        await asyncio.to_thread(self._get_first_ready, index)
        if not index.whole:
            # The first rows come before everything else; reading takes their time away.
            await asyncio.sleep(_FIRST_SECONDS)
        turn = 0
        while not index.whole and index is self._index:
            if self.busy():
                await asyncio.sleep(_NEXT_SECONDS)
                continue
            await asyncio.to_thread(index.grow, _NEXT_SECONDS)
            turn += 1
            if turn % _SAY_EVERY == 0 or index.whole:
                self.push_soon()
        if index is self._index:
            await asyncio.to_thread(self._show_static, index.comparison)

    def result_view(self) -> Content:
        """What the page knows of the comparison before it asks for more; no value, no text."""
        comparison, index = self.comparison, self._index
        assert comparison is not None
        assert index is not None
        index.first(CHUNK)
        self._is_told = index.whole
        return {
            "run": self._edition,
            "revision": self._revision,
            "variants": [
                {
                    "letter": formatting.variant_letter(at),
                    "label": label,
                    "title": comparison.models[at],
                }
                for at, label in enumerate(comparison.labels)
            ],
            "truth": _is_labelled(index),
            "texts": index.total,
            "unlabelled": index.unlabelled,
            "read": index.answered,
            "live": index.live,
            "counts": index.counts(),
            "fields": index.patterns(),
        }

    def busy(self) -> bool:
        """Whether something else is wanted now; reading on waits."""
        return self._answering > 0

    async def work(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run what the page waits for in a thread; reading on pauses meanwhile."""
        self._answering += 1
        try:
            return await asyncio.to_thread(function, *arguments)
        finally:
            self._answering -= 1
            # Scores read what is left themselves: nobody else tells then that all is read.
            if self._index is not None and self._index.whole and not self._is_told:
                self.push_soon()

    def answer(self, kind: str, content: Content, buffers: list[bytes] | None = None) -> None:
        """Send what the page asked for; one that belongs to an older result is ignored there."""
        self.send({"type": kind, "run": self._edition, **content}, buffers)

    # -- the grid ------------------------------------------------------------------------------

    async def act_grid(self, content: Content, _buffers: Buffers) -> None:
        """Lay the grid out by a filter: heights of all texts, rows of the first ones."""
        if self._index is not None:
            turn = str(content.get("turn"))
            wanted, metrics = Filter.read(content), Metrics.read(content)
            await self.work(self._lay, self._index, turn, wanted, metrics)

    async def lay_first(self) -> None:
        """Send a new view its first rows, as wide as most pages are, before it can ask for them."""
        index = self._index
        if index is None:
            return
        if self._first is None or self._first[:2] != (index, index.changes):
            await self.work(self._get_first_ready, index)
        if self._first is not None:
            self.answer("grid", *self._first[2])

    def _get_first_ready(self, index: GridIndex) -> None:
        """Lay out what `lay_first` sends, while the page is still drawn."""
        index.first(CHUNK)
        changes, columns = index.changes, len(index.comparison.variants)
        metrics = Metrics.guessed(columns, index.patterns(), truth=_is_labelled(index))
        self._first = (index, changes, self._laid_out(index, FIRST, Filter(), metrics))

    def _lay(self, index: GridIndex, turn: str, wanted: Filter, metrics: Metrics) -> None:
        index.first(CHUNK)
        self.answer("grid", *self._laid_out(index, turn, wanted, metrics))

    def _laid_out(
        self, index: GridIndex, turn: str, wanted: Filter, metrics: Metrics
    ) -> tuple[Content, list[bytes]]:
        layout = index.layout(wanted)
        with self._turn:
            self._laid += 1
            laid = self._laid
        self._layouts[laid] = (layout, metrics)
        for old in sorted(self._layouts)[:-_LAYOUTS]:
            del self._layouts[old]
        lines = sum(1 + len(each.loud) + bool(each.quiet) for each in layout)
        return (
            {
                "layout": laid,
                "turn": turn,
                "chars": metrics.chars,
                "texts": len(layout),
                "lines": lines,
                "said": wanted.said,
                "read": index.answered,
                "empty": None if layout or not index.whole else nothing_view(index, wanted),
                "from": 0,
                "blocks": list(blocks(index, layout, metrics, 0, CHUNK)),
            },
            [heights(index, layout, metrics)],
        )

    async def act_blocks(self, content: Content, _buffers: Buffers) -> None:
        """Rows that come into sight."""
        laid = self._layouts.get(content.get("layout", 0))
        if self._index is not None and laid is not None:
            await self.work(self._send_blocks, self._index, laid, content)

    def _send_blocks(
        self, index: GridIndex, laid: tuple[list[Shown], Metrics], content: Content
    ) -> None:
        start, many = int(content.get("from", 0)), int(content.get("count", CHUNK))
        found = list(blocks(index, *laid, start, many))
        self.answer("blocks", {"layout": content["layout"], "from": start, "blocks": found})

    async def act_detail(self, content: Content, _buffers: Buffers) -> None:
        """One cell, with the words its value came from."""
        if self._index is not None and (at := self._unit(content)) is not None:
            path, column = str(content.get("path") or ""), int(content.get("column", -1))
            view = await self.work(detail_view, self._index, at, path, column)
            self.answer("detail", view)

    def _unit(self, content: Content) -> int | None:
        at = content.get("index")
        known = self._index is not None and isinstance(at, int) and 0 <= at < self._index.total
        return at if known else None

    # -- the other views -----------------------------------------------------------------------

    async def act_text(self, content: Content, _buffers: Buffers) -> None:
        """One text with the spans of every variant."""
        if self._index is not None and (at := self._unit(content)) is not None:
            self.answer("text", await self.work(text_view, self._index, at))

    async def act_scores(self, _content: Content, _buffers: Buffers) -> None:
        """The scoreboard and the charts."""
        if self.comparison is not None:
            matters = self._matters
            scores = await self.work(self._scores, self.comparison)
            if matters == self._matters:  # else the answer to a newer question is on its way
                self.answer("scores", scores)

    def _scores(self, comparison: Comparison) -> Content:
        self._sum_up(comparison)
        matters = self._matters
        self._deviation = view_model.deviation(comparison.verdict(matters))
        return {**score_view(comparison, matters), "foretold": self._foretold}

    async def act_matters(self, content: Content, _buffers: Buffers) -> None:
        """The smallest difference that counts, in fields of 100; every sentence follows."""
        self._matters = read_points(content.get("points"))
        self.push()
        await self.act_scores(content, _buffers)
        if self._index is not None and self._index.whole and not self._index.live:
            await self.work(self._show_static, self._index.comparison)

    async def act_grounding(self, _content: Content, _buffers: Buffers) -> None:
        """How many values of each variant stand nowhere in their text, or in an example alone."""
        if self._index is not None and self.comparison is not None:
            said = await self.work(self._grounded, self._index, self.comparison)
            self.answer("grounding", said)

    def _grounded(self, index: GridIndex, comparison: Comparison) -> Content:
        # Labels move no value: only replies that came since make another answer.
        key = (self._edition, index.answered, index.live)
        if self._grounding is None or self._grounding[0] != key:
            self._grounding = key, grounding_view(comparison)
        return self._grounding[1]

    def _sum_up(self, comparison: Comparison) -> None:
        """Give the comparison the sums that the grid makes while it reads the same texts."""
        index = self._index
        # Two threads must not make them twice.
        with self._counting:
            if index is not None and index.comparison is comparison:
                comparison.cached(aggregate, lambda _: index.reading())

    async def act_request(self, content: Content, _buffers: Buffers) -> None:
        """The exact request of one call, secrets cut."""
        at, column = self._unit(content), self._column(content)
        if self._index is not None and at is not None and column is not None:
            self.answer("request", await self.work(request_view, self._index, at, column))

    def _column(self, content: Content) -> int | None:
        column = content.get("column")
        if self.comparison is None or not isinstance(column, int):
            return None
        return column if 0 <= column < len(self.comparison.variants) else None

    async def act_curl(self, content: Content, _buffers: Buffers) -> None:
        """The request as a curl command, to be copied."""
        at, column = self._unit(content), self._column(content)
        if self._index is None or self.comparison is None or at is None or column is None:
            return
        unit = self._index.place(at)
        extraction = self.comparison.extraction(CellKey(column, unit.text, unit.repeat))
        self.answer(
            "code",
            {
                "title": "This request as curl",
                "text": request_curl(extraction),
                "said": "It holds the text; KEY stands for the key.",
                "from": "curl",
            },
        )

    # -- what leaves ---------------------------------------------------------------------------

    def code(self) -> str:
        """The call that makes the same comparison; empty where there is none."""
        return ""

    async def act_code(self, _content: Content, _buffers: Buffers) -> None:
        """The same comparison as code, to be copied."""
        self.send({"type": "code", "title": "The same comparison as code", "text": self.code()})

    async def act_csv(self, _content: Content, _buffers: Buffers) -> None:
        """Every value as a CSV file that no spreadsheet runs."""
        if self.comparison is None:
            return
        frame = await self.work(self.comparison.to_frame)
        words = frame.map(safe_cell).to_csv(index=False)
        file = {"name": "comparison.csv", "mime": "text/csv;charset=utf-8"}
        self.answer("file", file, [words.encode("utf-8-sig")])

    async def act_html(self, content: Content, _buffers: Buffers) -> None:
        """The report as one HTML file; values only where they were asked for."""
        if self.comparison is None:
            return
        words = await self.work(self._page, self.comparison, bool(content.get("values")))
        self.answer("file", {"name": "comparison.html", "mime": "text/html"}, [words.encode()])

    def _page(self, comparison: Comparison, values: bool) -> str:
        self._sum_up(comparison)
        return view_model.render_page(comparison, values=values, matters=self._matters)

    # -- without a kernel ----------------------------------------------------------------------

    def _fallback_html(self) -> str:
        if self._static.fragment:
            return self._static.fragment
        sentence = escape_html(self.summary()[0])
        return f"<p><b>Comparison:</b> {sentence}. Run this cell to open the panel.</p>"

    def _show_static(self, comparison: Comparison) -> None:
        self._sum_up(comparison)
        summary = view_model.summarize(comparison, matters=self._matters)
        self._verdict = summary.headline
        self._static.update(html.fragment(summary))

    def _ipython_display_(self) -> None:
        """Two outputs: the widget, and the result as HTML where the widget cannot be shown."""
        data, metadata = self._repr_mimebundle_()
        data.pop("text/html", None)
        self._static.display(data, metadata, self._fallback_html())


def _is_labelled(index: GridIndex) -> bool:
    return any(text.truth is not NOTHING for text in index.comparison.texts)


# -- GrowingPanel: a result that changes under the eyes; only the rows that changed are sent.

_BATCH_SECONDS = 0.05
_COUNT_EVERY = 10
_QUICK = 2000


class GrowingPanel(ResultPanel):
    """A widget whose rows follow a run, about 20 times a second, and stay where they are."""

    def __init__(self) -> None:
        super().__init__()
        self._grown: set[int] = set()
        self._growing = False
        self._sent: dict[int, set[int]] = defaultdict(lambda: {0})

    def show_live(self, comparison: Comparison) -> None:
        """Take in a comparison whose rows are still coming; `grew` says which came."""
        self.show_result(comparison, live=True)

    def grew(self, texts: Iterable[int]) -> None:
        """These texts have new replies; callable from any thread, cheap, read a moment later."""
        with self._turn:
            self._grown.update(texts)
            if self._growing:
                return
            self._growing = True
        self.submit(self._follow_growth())

    def busy(self) -> bool:
        """Whether something else is wanted now, new replies among it."""
        return self._growing or super().busy()

    async def _follow_growth(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(_BATCH_SECONDS)
            with self._turn:
                texts, self._grown = self._grown, set()
                if not texts:
                    self._growing = False
                    break
            await asyncio.to_thread(self._take_growth, sorted(texts))
            turn += 1
            if turn % _COUNT_EVERY == 0:
                self._say_growth()
        self._say_growth()

    def _say_growth(self) -> None:
        """New counts; new scores too, where summing up is quick or nothing more comes."""
        index = self._index
        if index is not None and (not index.live or len(index.comparison) <= _QUICK):
            self._revision += 1
        self.push()

    def _take_growth(self, texts: list[int]) -> None:
        index = self._index
        if index is None or self.comparison is None:
            return
        # A comparison sums its replies up once: one with new replies is a new value.
        self.comparison = replace(self.comparison)
        index.comparison = self.comparison
        for first in range(0, len(texts), CHUNK):
            self.send_changed(index.again(index.comparison, texts[first : first + CHUNK]))

    def send_changed(self, units: list[int]) -> None:
        """Send the rows of these texts anew, where the page has them."""
        index, changed = self._index, set(units)
        assert index is not None
        for laid, (layout, metrics) in list(self._layouts.items()):
            found = []
            for chunk in sorted(self._sent[laid]):
                for n, each in enumerate(layout[chunk * CHUNK : (chunk + 1) * CHUNK]):
                    if each.unit in changed:
                        at = chunk * CHUNK + n
                        layout[at] = each.after(index.units[each.unit])
                        found.append([at, block_of(index, layout[at], metrics)])
            if found:
                self.answer("changed", {"layout": laid, "blocks": found})

    def end_growth(self) -> None:
        """The run is over: what was never asked is a failure from now on."""
        index = self._index
        if index is None or not index.live:
            return
        waiting = [unit.text for unit in index.units if unit.waiting]
        index.live = False
        self.send_changed(index.again(index.comparison, dict.fromkeys(waiting)))
        self._revision += 1
        self.submit(self._read_on(index))

    def _send_blocks(
        self, index: GridIndex, laid: tuple[list[Shown], Metrics], content: Content
    ) -> None:
        start, many = int(content.get("from", 0)), int(content.get("count", CHUNK))
        chunks = range(start // CHUNK, -(-(start + max(1, many)) // CHUNK))
        self._sent[content["layout"]].update(chunks)
        super()._send_blocks(index, laid, content)
