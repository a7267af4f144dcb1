"""GridController: the grid of values. Heights first, then the rows that come into sight."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypedDict

from llmwidgets.analysis.grounding import get_ready
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.formatting import count
from llmwidgets.widgets.comparison.detail_view import detail_view
from llmwidgets.widgets.comparison.grid_model import (
    CHUNK,
    UNSTABLE,
    Filter,
    GridIndex,
    Shown,
)
from llmwidgets.widgets.comparison.grid_rows import BlockState, Metrics, block_of, heights
from llmwidgets.widgets.comparison.results import ShownResult, is_labelled
from llmwidgets.widgets.panel import Content, Sentence, whole_in

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison


FIRST = "first"
"""The turn of the rows that a view is sent with its first state; later ones answer a question."""

FIRST_SECONDS = 0.4
_NEXT_SECONDS = 0.1
_BATCH_SECONDS = 0.05
_PUSH_EVERY = 8
_COUNT_EVERY = 10
_QUICK = 2000
_LAYOUTS = 8
_AT_ONCE = 200
_ONLY = {"all": "", "unlabelled": " without truth"}


class _FilterChange(TypedDict, total=False):
    """A change of the filter."""

    only: str
    states: list[str]
    field: str
    query: str
    sort: str


class _WayState(TypedDict):
    label: str
    filter: _FilterChange


class NothingState(Sentence):
    """Why no row is shown, and what leads on; `good` where nothing is wrong."""

    good: bool
    ways: list[_WayState]


class ReviewState(TypedDict):
    """The order of review: its number, of which revision it is, and what is known of it.

    `next` is how many rows to ask for to see more.
    """

    order: int
    revision: int
    next: int
    head: str
    found: str
    random: str
    foot: str


GridAnswer = TypedDict(
    "GridAnswer",
    {
        "layout": int,
        "turn": str,
        "chars": int,
        "texts": int,
        "lines": int,
        "said": str,
        "slice": str,
        "read": int,
        "empty": NothingState | None,
        "review": ReviewState | None,
        "from": int,
        "blocks": list[BlockState],
    },
)
"""A layout, whose heights come as a buffer, and its first texts."""


@dataclass(slots=True)
class Layout:
    """What the page was sent by one filter; `sent` are the chunks of it that the page has."""

    texts: list[Shown]
    metrics: Metrics
    number: int = 0
    sent: set[int] = field(default_factory=lambda: {0})

    def blocks(self, index: GridIndex, start: int, count: int) -> Iterator[BlockState]:
        """Its texts from `start` on, with their rows, for the page to draw."""
        start = max(0, start)
        for at in range(start, min(start + min(count, _AT_ONCE), len(self.texts))):
            yield self.block(index, at)

    def block(self, index: GridIndex, at: int) -> BlockState:
        """One of its texts with its rows."""
        return block_of(index, self.texts[at], self.metrics)

    def follow(self, index: GridIndex, at: int) -> None:
        """One of its texts changed: what was open stays open."""
        self.texts[at] = self.texts[at].after(index.units[self.texts[at].unit])


class GridController:
    """The grid: laid out by a filter, sent row by row, kept up to date while a run goes on.

    A view is sent its first rows with its first state, before it can ask for them; later ones
    answer a question. What was sent is sent again when it changes, where it is.
    """

    def __init__(self, result: ShownResult) -> None:
        self.result, self._page = result, result.page
        self._turn = threading.Lock()
        self._layouts: dict[int, Layout] = {}
        self._laid = 0
        self._first: tuple[GridIndex, int, str, GridAnswer, bytes] | None = None
        self._grown: set[int] = set()
        self._growing = False
        # Loaded now, while nobody waits: what the first rows of a result need.
        self._page.submit(asyncio.to_thread(get_ready))

    def show(self, comparison: Comparison, *, live: bool = False) -> None:
        """Show a comparison; `live` where its replies are still coming (see `grew`).

        Its first texts are read while the page is drawn, the others and the static output later.
        """
        index = self.result.show(comparison, live=live)
        self._layouts, self._first = {}, None
        self._page.submit(self._read_on(index))

    async def _read_on(self, index: GridIndex) -> None:
        await asyncio.to_thread(self._prepare_first, index)
        if not index.whole:
            # The first rows come before everything else; reading takes their time away.
            await asyncio.sleep(FIRST_SECONDS)
        turn = 0
        while not index.whole and index is self.result.index:
            if self._growing or self.result.busy:
                await asyncio.sleep(_NEXT_SECONDS)
                continue
            await asyncio.to_thread(index.grow, _NEXT_SECONDS)
            turn += 1
            if turn % _PUSH_EVERY == 0 or index.whole:
                self._page.push_soon()
        if index is self.result.index:
            await asyncio.to_thread(self.result.update_static, index.comparison)
            self._page.refresh_static()

    async def act_lay(self, content: Content) -> None:
        """Lay the grid out by a filter: heights of all texts, rows of the first ones."""
        if self.result.index is not None:
            turn = str(content.get("turn"))
            wanted, metrics = self._narrowed(Filter.read(content)), Metrics.read(content)
            answer, pixels = await self.result.work(
                self._lay, self.result.index, turn, wanted, metrics
            )
            self.result.answer("grid", answer, [pixels])

    async def act_blocks(self, content: Content) -> None:
        layout = self._layouts.get(whole_in(content, "layout"))
        if self.result.index is not None and layout is not None:
            await self.result.work(self._send_blocks, self.result.index, layout, content)

    async def act_detail(self, content: Content) -> None:
        """One cell, with the words its value came from."""
        at, index = self.result.find_text(content), self.result.index
        if index is not None and at is not None:
            path, column = str(content.get("path") or ""), whole_in(content, "column")
            if not -1 <= column < len(index.comparison.variants):
                return
            repeat = self.result.find_repeat(content)
            view = await self.result.work(detail_view, index, at, path, column, repeat)
            self.result.answer("detail", view)

    async def send_first(self) -> None:
        """Send a new view its first rows, as wide as most pages are, before it can ask for them."""
        index = self.result.index
        if index is None:
            return
        if self._first is None or self._first[:3] != self._now(index):
            await self.result.work(self._prepare_first, index)
        if self._first is not None:
            self.result.answer("grid", self._first[3], [self._first[4]])

    def _prepare_first(self, index: GridIndex) -> None:
        """Lay out what `send_first` sends, while the page is still drawn."""
        index.read_first()
        now, comparison = self._now(index), index.comparison
        metrics = Metrics.guessed(
            len(comparison.variants), index.patterns(), truth=is_labelled(comparison)
        )
        wanted = self._narrowed(Filter())
        self._first = (*now, *self._lay(index, FIRST, wanted, metrics))

    def _now(self, index: GridIndex) -> tuple[GridIndex, int, str]:
        """What the first rows depend on."""
        return index, index.changes, self.result.slices.words

    def _narrowed(self, wanted: Filter) -> Filter:
        """The filter for the slice that is shown."""
        chosen = self.result.slices.chosen
        return replace(wanted, texts=chosen.places) if chosen is not None else wanted

    def _lay(
        self, index: GridIndex, turn: str, wanted: Filter, metrics: Metrics
    ) -> tuple[GridAnswer, bytes]:
        index.read_first()
        layout = self.keep(Layout(index.layout(wanted), metrics))
        texts, only = layout.texts, wanted.only
        return {
            "layout": layout.number,
            "turn": turn,
            "chars": metrics.chars,
            "texts": len(texts),
            "lines": sum(1 + len(each.loud) + bool(each.quiet) for each in texts),
            "said": _ONLY.get(only, " with a disagreement"),
            "slice": self.result.slices.words if wanted.texts is not None else "",
            "read": index.answered,
            "empty": None if texts or not index.whole else nothing_view(index, wanted),
            "review": None,
            "from": 0,
            "blocks": list(layout.blocks(index, 0, CHUNK)),
        }, heights(index, texts, metrics)

    def keep(self, layout: Layout) -> Layout:
        """Number a layout, so that the page can ask for its rows and they follow what changes."""
        with self._turn:
            self._laid += 1
            layout.number = self._laid
            self._layouts[layout.number] = layout
            for old in sorted(self._layouts)[:-_LAYOUTS]:
                del self._layouts[old]
        return layout

    def _send_blocks(self, index: GridIndex, layout: Layout, content: Content) -> None:
        start = max(0, whole_in(content, "from", 0))
        number = min(whole_in(content, "count", CHUNK), len(layout.texts))
        layout.sent.update(range(start // CHUNK, -(-(start + max(1, number)) // CHUNK)))
        rows = list(layout.blocks(index, start, number))
        self.result.answer("blocks", {"layout": layout.number, "from": start, "blocks": rows})

    def send_changed(self, units: Iterable[int]) -> None:
        """Send the rows of these texts anew, where the page has them."""
        index, changed = self.result.index, set(units)
        assert index is not None
        for layout in list(self._layouts.values()):
            rows = []
            for chunk in sorted(layout.sent):
                for n, each in enumerate(layout.texts[chunk * CHUNK : (chunk + 1) * CHUNK]):
                    if each.unit in changed:
                        at = chunk * CHUNK + n
                        layout.follow(index, at)
                        rows.append([at, layout.block(index, at)])
            if rows:
                self.result.answer("changed", {"layout": layout.number, "blocks": rows})

    def grew(self, texts: Iterable[int]) -> None:
        """These texts have new replies; callable from any thread, cheap, read a moment later."""
        with self._turn:
            self._grown.update(texts)
            if self._growing:
                return
            self._growing = True
        self._page.submit(self._follow_growth())

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
                self._push_growth()
        self._push_growth()

    def _push_growth(self) -> None:
        """New counts; new scores too, where summing up is quick or nothing more comes."""
        index = self.result.index
        if index is not None and (not index.live or len(index.comparison) <= _QUICK):
            self.result.revision += 1
        self._page.push()

    def _take_growth(self, texts: list[int]) -> None:
        if (index := self.result.index) is None:
            return
        # A comparison sums its replies up once: one with new replies is a new value.
        index.comparison = replace(index.comparison)
        for first in range(0, len(texts), CHUNK):
            some = texts[first : first + CHUNK]
            index.again(index.comparison, some)
            self.send_changed(some)

    def end_growth(self) -> None:
        """The run is over: what was never asked is a failure from now on."""
        index = self.result.index
        if index is None or not index.live:
            return
        waiting = [unit.text for unit in index.units if unit.waiting or unit.to_come]
        index.live = False
        self.send_changed(index.again(index.comparison, dict.fromkeys(waiting)))
        self.result.revision += 1
        self._page.submit(self._read_on(index))


def nothing_view(index: GridIndex, wanted: Filter) -> NothingState:
    """A sentence, why, and what leads on, as a change of the filter each."""
    counts = index.counts(wanted.texts)
    whole: _FilterChange = {"only": "all", "states": [], "field": "", "query": ""}
    if wanted.query:
        where = f" in {wanted.field}" if wanted.field else ""
        elsewhere = index.matching_elsewhere(wanted) if wanted.field else 0
        ways: list[_WayState] = [{"label": "Clear search", "filter": {"query": ""}}]
        if elsewhere:
            ways.insert(0, {"label": "Search all fields", "filter": {"field": ""}})
        rows = count(elsewhere, "row matches", "rows match")
        hint = f"{rows} in other fields." if elsewhere else ""
        return {"good": False, "sentence": f"No row matches the search{where}", "hint": hint,
                "ways": ways}  # fmt: skip
    everything: _WayState = {"label": f"Show all {count(counts['rows'], 'row')}", "filter": whole}
    if counts["disagree"] or counts["failed"] or not counts["rows"]:
        return {"good": False, "sentence": "No row fits these filters", "hint": "",
                "ways": [everything] if counts["rows"] else []}  # fmt: skip
    if counts[UNSTABLE]:
        unstable: _FilterChange = {**whole, "states": [UNSTABLE]}
        rows = count(counts[UNSTABLE], "row")
        return {"good": False, "sentence": "Models agree in what they say most often",
                "hint": f"In {rows} the repeats of a model differ.",
                "ways": [{"label": f"Show {rows}", "filter": unstable}, everything]}  # fmt: skip
    labelled = any(text.truth is not NOTHING for text in index.comparison.texts)
    hint = "They also agree with the truth. " if labelled else ""
    return {
        "good": True,
        "sentence": f"All models agree on all {count(counts['rows'], 'value')}",
        "hint": f"{hint}Harder texts would tell more than more texts of this sort.",
        "ways": [everything],
    }
