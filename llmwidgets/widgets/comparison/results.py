"""ShownResult: the comparison that a panel shows, its scores, requests and files."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.statistics.verdict import MATTERS
from llmwidgets.comparison.core import CellKey
from llmwidgets.comparison.measures.aggregate import adopt_aggregates
from llmwidgets.comparison.summary import deviation, render_page, summarize
from llmwidgets.errors import FieldError
from llmwidgets.report import html
from llmwidgets.report.writers import format_csv
from llmwidgets.widgets.comparison.detail_view import request_curl, request_view, text_view
from llmwidgets.widgets.comparison.grid_model import GridIndex
from llmwidgets.widgets.comparison.scores.doubt_view import doubt_view
from llmwidgets.widgets.comparison.scores.score_view import (
    GroundingState,
    ScoresState,
    grounding_view,
    partial_view,
    score_view,
)
from llmwidgets.widgets.comparison.scores.slice_view import SliceChoice
from llmwidgets.widgets.panel import Content, Page

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.comparison.comparison import Comparison


T = TypeVar("T")

_REFINE_SECONDS = 0.3

VIEWS = {
    "differences": "",
    "text": "",
    "scoreboard": "",
    "charts": "",
    "request": "",
}
"""The tabs of a result in their order: each drawn by the file of its name in
`javascript/src/comparison/tabs/`, the differences by `grid/`. One that a class of its own answers
names it, as `module:Class`; the others are answered by the controllers of the panel."""


class _VariantState(TypedDict):
    letter: str
    label: str
    title: str


class Remainder(TypedDict):
    """Where the result of a run is not whole: facts, what went wrong, the label of what is next."""

    facts: list[str]
    notes: list[str]
    resume: str


class ResultState(Remainder):
    """What is known of a comparison before the page asks for more; no value, no text.

    `edition` grows with each other comparison, `revision` with each label and each news of a run.
    """

    edition: int
    revision: int
    views: list[str]
    variants: list[_VariantState]
    truth: bool
    texts: int
    repeats: int
    unlabelled: int
    read: int
    live: bool
    counts: dict[str, int]
    fields: list[str]
    labels: int
    undo: str


class ShownResult:
    """The comparison that is shown, how far it is read, and what matters in it.

    `matters` is the smallest difference that counts; `foretold` what was expected of the run, and
    `deviation` how much differences varied from text to text in the one before.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.index: GridIndex | None = None
        self.edition = self.revision = 0
        self.matters = MATTERS
        self.deviation: float | None = None
        self.foretold = self.verdict = self.fragment = ""
        self.slices = SliceChoice()
        self._answering = 0
        self._page_knows_all = True
        self._counting = threading.Lock()

    @property
    def comparison(self) -> Comparison | None:
        """The comparison with the replies and the labels that it has now."""
        return self.index.comparison if self.index is not None else None

    def show(self, comparison: Comparison, *, live: bool) -> GridIndex:
        """Take a comparison in: everything the page asks for from now on is about it."""
        self.index = GridIndex(comparison, live=live)
        self.verdict = ""
        self.slices.begin(comparison)
        self.edition += 1
        return self.index

    @property
    def busy(self) -> bool:
        """Whether the page waits for an answer; reading on pauses."""
        return self._answering > 0

    async def work(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run what the page waits for in a thread; reading on pauses meanwhile."""
        self._answering += 1
        try:
            return await asyncio.to_thread(function, *arguments)
        finally:
            self._answering -= 1
            # Scores read what is left themselves: nobody else shows then that all is read.
            if self.index is not None and self.index.whole and not self._page_knows_all:
                self.page.push_soon()

    def answer(
        self, kind: str, content: Mapping[str, Any], buffers: list[bytes] | None = None
    ) -> None:
        """Send what the page asked for; one that belongs to an older result is ignored there."""
        self.page.send({"type": kind, "edition": self.edition, **content}, buffers)

    def send_file(self, name: str, mime: str, content: bytes) -> None:
        self.answer("file", {"name": name, "mime": mime}, [content])

    def send_csv(self, name: str, frame: pd.DataFrame) -> None:
        """Send a table as a file, spreadsheet formulas escaped."""
        self.send_file(name, "text/csv;charset=utf-8", format_csv(frame).encode("utf-8-sig"))

    def find_text(self, content: Content) -> int | None:
        """The text that a message is about, all its repeats."""
        at = content.get("index")
        known = self.index is not None and isinstance(at, int) and 0 <= at < self.index.total
        return at if known else None

    def find_repeat(self, content: Mapping[str, Any]) -> int | None:
        """The repeat that a message names."""
        repeat, comparison = content.get("repeat"), self.comparison
        if comparison is None or not isinstance(repeat, int):
            return None
        return repeat if 0 <= repeat < comparison.repeats else None

    def find_cell(self, content: Content) -> CellKey | None:
        """The cell that a message is about."""
        at, column = self.find_text(content), content.get("column")
        if self.index is None or at is None or not isinstance(column, int):
            return None
        if not 0 <= column < len(self.index.comparison.variants):
            return None
        return CellKey(column, self.index.place(at).text, self.find_repeat(content) or 0)

    def sum_up(self, comparison: Comparison) -> None:
        """Give the comparison the sums that the grid makes while it reads the same texts."""
        index = self.index
        with self._counting:  # two threads must not make them twice
            if index is not None and index.comparison is comparison:
                adopt_aggregates(comparison, index.reading)

    def update_static(self, comparison: Comparison) -> None:
        """Make the HTML that shows where the widget cannot be shown."""
        self.sum_up(comparison)
        summary = summarize(comparison, matters=self.matters)
        self.verdict, self.fragment = summary.headline, html.fragment(summary)

    async def refresh_static(self) -> None:
        """Make it anew where all is read and nothing more comes."""
        if self.index is not None and self.index.whole and not self.index.live:
            await self.work(self.update_static, self.index.comparison)
            self.page.refresh_static()

    def view(self, undo: str, remainder: Remainder) -> ResultState:
        """What the page is sent; `undo` names the newest label."""
        index = self.index
        assert index is not None
        comparison = index.comparison
        texts = None if self.slices.chosen is None else self.slices.chosen.places
        index.read_first()
        self._page_knows_all = index.whole
        return {
            "edition": self.edition,
            "revision": self.revision,
            "views": list(VIEWS),
            "variants": [
                {
                    "letter": formatting.variant_letter(at),
                    "label": label,
                    "title": comparison.models[at],
                }
                for at, label in enumerate(comparison.labels)
            ],
            "truth": is_labelled(comparison),
            "texts": index.total,
            "repeats": comparison.repeats,
            "unlabelled": index.unlabelled(texts),
            "read": index.answered,
            "live": index.live,
            "counts": index.counts(texts),
            "fields": index.patterns(),
            "labels": len(comparison.label_log),
            "undo": undo,
            **remainder,
        }


def make_views(result: ShownResult) -> dict[str, object]:
    """The controllers of the tabs that have one of their own, by the names of the tabs."""
    controllers = {}
    for name, home in VIEWS.items():
        module, _, controller = home.partition(":")
        if controller:
            views = import_module(f"llmwidgets.widgets.comparison.{module}")
            controllers[name] = getattr(views, controller)(result)
    return controllers


def is_labelled(comparison: Comparison) -> bool:
    return any(text.truth is not NOTHING for text in comparison.texts)


class ResultController:
    """Answers for one text, one request, and the result as code or as a file.

    `code` gives the call that makes the same comparison.
    """

    def __init__(self, result: ShownResult, code: Callable[[], str]) -> None:
        self._result, self._code = result, code

    async def act_text(self, content: Content) -> None:
        """One text with the spans of every variant, in one repeat."""
        at, index = self._result.find_text(content), self._result.index
        if index is not None and at is not None:
            repeat = self._result.find_repeat(content) or 0
            self._result.answer("text", await self._result.work(text_view, index, at, repeat))

    async def act_request(self, content: Content) -> None:
        cell, index = self._result.find_cell(content), self._result.index
        if index is not None and cell is not None:
            view = await self._result.work(
                request_view, index, content["index"], cell.variant, cell.repeat
            )
            self._result.answer("request", view)

    async def act_curl(self, content: Content) -> None:
        """The request as a curl command, to be copied."""
        cell, comparison = self._result.find_cell(content), self._result.comparison
        if comparison is not None and cell is not None:
            code = {
                "title": "This request as curl",
                "text": request_curl(comparison.extraction(cell)),
                "said": "For bash, zsh and their like (on Windows in Git Bash or WSL). It contains "
                "the text; KEY is in the place of the key.",
                "from": "curl",
            }
            self._result.answer("code", code)

    async def act_code(self, _content: Content) -> None:
        """The same comparison as code, to be copied."""
        title = "The same comparison as code"
        comparison = self._result.comparison
        labels = comparison.labels if comparison is not None and comparison.columns else ()
        alone = [{"column": at, "label": label} for at, label in enumerate(labels)]
        code = {"type": "code", "title": title, "text": self._code(), "alone": alone}
        self._result.page.send(code)

    async def act_plain(self, content: Content) -> None:
        """One column as code of its own, by its vendor's client."""
        comparison, column = self._result.comparison, content.get("column")
        if comparison is None or not isinstance(column, int):
            return
        if 0 <= column < len(comparison.labels):
            label = comparison.labels[column]
            text = await self._result.work(lambda: comparison.code(label, plain=True))
            asked = comparison.columns[column]
            package = asked.connection.provider.sdk(asked.connection.fields, asked.target).package
            said = (
                f"It asks what the comparison asked, by {package}; its key is in the environment."
            )
            code = {"title": f"{label} as code", "text": text, "said": said, "from": "code"}
            self._result.answer("code", code)

    async def act_csv(self, _content: Content) -> None:
        """Every value as a CSV file, spreadsheet formulas escaped."""
        if self._result.comparison is not None:
            frame = await self._result.work(self._result.comparison.to_frame)
            self._result.send_csv("comparison.csv", frame)

    async def act_html(self, content: Content) -> None:
        """The report as one HTML file; values only where they were asked for."""
        comparison, values = self._result.comparison, bool(content.get("values"))
        if comparison is not None:
            page = await self._result.work(self._report, comparison, values)
            self._result.send_file("comparison.html", "text/html", page.encode())

    def _report(self, comparison: Comparison, values: bool) -> str:
        self._result.sum_up(comparison)
        return render_page(comparison, values=values, matters=self._result.matters)


class ScoresController:
    """Answers for the scoreboard, and takes the smallest difference that counts."""

    def __init__(self, result: ShownResult) -> None:
        self.result = result
        self._grounding: tuple[tuple[int, int, bool, str], GroundingState] | None = None
        self._asked = 0

    async def act_show(self, _content: Content) -> None:
        """The scoreboard and the charts: at once of what was read, then of ever more texts."""
        result, self._asked = self.result, self._asked + 1
        asked, matters = self._asked, result.matters
        while result.index is not None and (index := result.index):
            started = time.monotonic()
            first = await result.work(self._first_scores, index)
            if asked != self._asked or index is not result.index:
                return  # the answer to a newer question is on its way, or nobody looks any more
            if first is None:
                break
            result.answer("scores", first)
            # Counting takes at most a third of the time; what else the page asks for comes first.
            pause = max(_REFINE_SECONDS, 2 * (time.monotonic() - started))
            await (asyncio.sleep(pause) if result.busy else asyncio.to_thread(index.grow, pause))
            if asked != self._asked:
                return
        if result.comparison is not None:
            scores = await result.work(self._scores, result.comparison, matters)
            if asked == self._asked:
                result.answer("scores", scores)

    async def act_leave(self, _content: Content) -> None:
        """Nobody looks at the scores any more: they are refined no further."""
        self._asked += 1

    def _first_scores(self, index: GridIndex) -> ScoresState | None:
        """The figures of what was read so far; None once that is all, or nothing more is read."""
        index.read_first()
        slices = self.result.slices
        part = None if index.live or slices.words else index.so_far()
        if part is None:
            return None
        view = partial_view(part, len(index.comparison.texts))
        return {**view, "slicing": slices.slicing(index.comparison)}

    def _scores(self, comparison: Comparison, matters: float) -> ScoresState:
        self.result.sum_up(comparison)
        slices, foretold = self.result.slices, self.result.foretold
        shown = slices.selected(comparison)
        if shown is comparison:
            self.result.deviation = deviation(comparison.verdict(matters))
        scores = score_view(shown, matters, foretold if shown is comparison else "")
        view = slices.view(comparison, scores["order"])
        return {**scores, "slicing": slices.slicing(comparison), "slices": view}

    async def act_slice(self, content: Content) -> None:
        """By which column the scores are shown, and of which slice alone."""
        result = self.result
        if result.comparison is not None:
            result.slices.take(result.comparison, content)
            result.page.push()
            await self.act_show(content)
            if self._grounding is not None:
                await self.act_grounding(content)

    async def act_matters(self, content: Content) -> None:
        """The smallest difference that counts, in fields of 100; every sentence follows."""
        self.result.matters = _read_points(content.get("points"))
        self.result.page.push()
        await self.act_show(content)
        await self.result.refresh_static()

    async def act_grounding(self, _content: Content) -> None:
        """How many values of each variant are not in their text, or in an example alone."""
        if self.result.index is not None:
            view = await self.result.work(self._count_grounding, self.result.index)
            self.result.answer("grounding", view)

    async def act_doubt(self, _content: Content) -> None:
        """How far the doubt of values can be relied on."""
        if self.result.comparison is not None:
            view = await self.result.work(doubt_view, self.result.comparison)
            self.result.answer("doubt", view)

    def _count_grounding(self, index: GridIndex) -> GroundingState:
        # Labels move no value: only replies that came since make another answer.
        slices = self.result.slices
        key = (self.result.edition, index.answered, index.live, slices.words)
        if self._grounding is None or self._grounding[0] != key:
            self._grounding = key, grounding_view(slices.selected(index.comparison))
        return self._grounding[1]


def _read_points(given: object) -> float:
    """A difference in fields of 100 as a share, 0–1; FieldError for anything else."""
    try:
        points = formatting.parse_number(str(given or "").strip().replace(",", "."))
    except ValueError:
        points = -1.0
    if not 0.1 <= points <= 50:
        raise FieldError(
            {"A difference matters from": "This is not a number from 0.1 to 50."},
            "Write how many fields in 100 make a difference to you, such as 2.",
        )
    return points / 100
