"""ShownResult: the comparison that a panel shows, its labels, requests and files."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.verdict import MATTERS
from llmwidgets.comparison.aggregate import adopt_aggregates
from llmwidgets.comparison.core import CellKey
from llmwidgets.comparison.summary import deviation, render_page, summarize
from llmwidgets.comparison.text_result import FieldResult
from llmwidgets.comparison.truth import get_at_path, list_without_truth
from llmwidgets.errors import FieldError
from llmwidgets.report import html
from llmwidgets.report.writers import safe_cell
from llmwidgets.widgets.comparison.detail_view import request_curl, request_view, text_view
from llmwidgets.widgets.comparison.grid_model import GridIndex, display_value, leaf_at
from llmwidgets.widgets.comparison.score_view import (
    GroundingState,
    ScoresState,
    grounding_view,
    score_view,
)
from llmwidgets.widgets.panel import Content, Page

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.truth import Correction
    from llmwidgets.schemas import Leaf
    from llmwidgets.widgets.comparison.grid import GridController


T = TypeVar("T")

VIEWS = {
    "differences": "",
    "text": "",
    "scoreboard": "",
    "charts": "",
    "request": "",
}
"""The tabs of a result in their order: each drawn by the file of its name in
`javascript/src/comparison/tabs/`. One that a class of its own answers names it, as `module:Class`;
the others are answered by the controllers of the panel."""

CHUNK = 10
"""How many texts the page is sent at once."""


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

    `run` grows with each other comparison, `revision` with each label and each news of a run.
    """

    run: int
    revision: int
    views: list[str]
    variants: list[_VariantState]
    truth: bool
    texts: int
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
        self.page.send({"type": kind, "run": self.edition, **content}, buffers)

    def send_file(self, name: str, mime: str, content: bytes) -> None:
        """Send a file that the page saves."""
        self.answer("file", {"name": name, "mime": mime}, [content])

    def send_csv(self, name: str, frame: pd.DataFrame) -> None:
        """Send a table as a file, spreadsheet formulas escaped."""
        text = frame.map(safe_cell).to_csv(index=False)
        self.send_file(name, "text/csv;charset=utf-8", text.encode("utf-8-sig"))

    def find_text(self, content: Content) -> int | None:
        """The text (and repeat) that a message is about."""
        at = content.get("index")
        known = self.index is not None and isinstance(at, int) and 0 <= at < self.index.total
        return at if known else None

    def find_cell(self, content: Content) -> CellKey | None:
        """The cell that a message is about."""
        at, column = self.find_text(content), content.get("column")
        if self.index is None or at is None or not isinstance(column, int):
            return None
        if not 0 <= column < len(self.index.comparison.variants):
            return None
        place = self.index.place(at)
        return CellKey(column, place.text, place.repeat)

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
        index.first(CHUNK)
        self._page_knows_all = index.whole
        return {
            "run": self.edition,
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
            "unlabelled": index.unlabelled,
            "read": index.answered,
            "live": index.live,
            "counts": index.counts(),
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
    """Whether any text has truth."""
    return any(text.truth is not NOTHING for text in comparison.texts)


class ResultController:
    """Answers for one text, one request, and the result as code or as a file.

    `code` gives the call that makes the same comparison.
    """

    def __init__(self, result: ShownResult, code: Callable[[], str]) -> None:
        self._result, self._code = result, code

    async def act_text(self, content: Content) -> None:
        """One text with the spans of every variant."""
        at, index = self._result.find_text(content), self._result.index
        if index is not None and at is not None:
            self._result.answer("text", await self._result.work(text_view, index, at))

    async def act_request(self, content: Content) -> None:
        """The exact request of one call, secrets cut."""
        cell, index = self._result.find_cell(content), self._result.index
        if index is not None and cell is not None:
            at, column = content["index"], cell.variant
            self._result.answer("request", await self._result.work(request_view, index, at, column))

    async def act_curl(self, content: Content) -> None:
        """The request as a curl command, to be copied."""
        cell, comparison = self._result.find_cell(content), self._result.comparison
        if comparison is not None and cell is not None:
            code = {
                "title": "This request as curl",
                "text": request_curl(comparison.extraction(cell)),
                "said": "It contains the text; KEY is in the place of the key.",
                "from": "curl",
            }
            self._result.answer("code", code)

    async def act_code(self, _content: Content) -> None:
        """The same comparison as code, to be copied."""
        title = "The same comparison as code"
        self._result.page.send({"type": "code", "title": title, "text": self._code()})

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
        self._grounding: tuple[tuple[int, int, bool], GroundingState] | None = None

    async def act_show(self, _content: Content) -> None:
        """The scoreboard and the charts."""
        result = self.result
        if result.comparison is not None:
            matters = result.matters
            scores = await result.work(self._scores, result.comparison, matters)
            if matters == result.matters:  # else the answer to a newer question is on its way
                result.answer("scores", scores)

    def _scores(self, comparison: Comparison, matters: float) -> ScoresState:
        self.result.sum_up(comparison)
        self.result.deviation = deviation(comparison.verdict(matters))
        return score_view(comparison, matters, self.result.foretold)

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

    def _count_grounding(self, index: GridIndex) -> GroundingState:
        # Labels move no value: only replies that came since make another answer.
        key = (self.result.edition, index.answered, index.live)
        if self._grounding is None or self._grounding[0] != key:
            self._grounding = key, grounding_view(index.comparison)
        return self._grounding[1]


def _read_points(given: object) -> float:
    """A difference in fields of 100 as a share, 0–1; FieldError for anything else."""
    try:
        points = float(str(given or "").strip().replace(",", "."))
    except ValueError:
        points = -1.0
    if not 0.1 <= points <= 50:
        raise FieldError(
            {"A difference matters from": "This is not a number from 0.1 to 50."},
            "Write how many fields in 100 make a difference to you, such as 2.",
        )
    return points / 100


_REST_SECONDS = 0.4
TYPED, EMPTY = "typed", "not in the text"


class LabelController:
    """Labels that are made next to the values; every score follows.

    Each label is a correction of the comparison, so `.comparison.corrections()` lists them.
    """

    def __init__(self, result: ShownResult, grid: GridController) -> None:
        self._result, self.grid, self._page = result, grid, result.page
        self._labels: tuple[Correction, ...] = ()
        self._before: list[Comparison] = []

    def show(self, comparison: Comparison, *, live: bool = False) -> None:
        """Show a comparison; labels made here on texts of the same id stay."""
        self._before = []
        for each in self._labels:
            if each in comparison.label_log:
                continue
            try:
                corrected = comparison.correct(each.text_id, each.field, each.new, by=each.by)
            except FieldError:
                continue
            self._before.append(comparison)
            comparison = corrected
        self.grid.show(comparison, live=live)
        self._name_labels()

    def forget(self) -> None:
        """Other texts or other truth: the labels made here belong to nothing any more."""
        self._labels, self._before = (), []
        self._result.deviation, self._result.foretold = None, ""

    @property
    def undo(self) -> str:
        """What Undo takes back; empty where no label was made here."""
        if not self._before or self._result.comparison is None:
            return ""
        last = self._result.comparison.label_log[-1]
        return f"Undo {last.field or 'value'} of {last.text_id}"

    async def act_set(self, content: Content) -> None:
        """Take a column's value as truth, one that was typed, or none."""
        at = self._result.find_text(content)
        if at is not None:
            await self._result.work(self._set, at, str(content.get("path") or ""), content)
            self._push()

    async def act_undo(self, _content: Content) -> None:
        """Take the newest label back."""
        if self._before and self._result.comparison is not None:
            last, before = self._result.comparison.label_log[-1], self._before.pop()
            await self._result.work(self._put, before, last.text_id)
            self._push()

    async def act_export(self, content: Content) -> None:
        """The labels made since the run as a file: CSV, or one JSON object per line."""
        if self._result.comparison is None:
            return
        frame = await self._result.work(self._result.comparison.corrections)
        if content.get("format") != "jsonl":
            self._result.send_csv("corrections.csv", frame)
            return
        rows = frame.to_dict("records")
        lines = [json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows]
        self._result.send_file("corrections.jsonl", "application/jsonl", "".join(lines).encode())

    def _set(self, at: int, path: str, content: Mapping[str, Any]) -> None:
        index = self._result.index
        assert index is not None
        comparison, place = index.comparison, index.place(at)
        fields = index.answers(at).values
        field = next((each for each in fields if each.path == path), None)
        if field is None:
            return
        text = comparison.texts[place.text]
        path, new, by = _read_label(comparison, field, place, content)
        old = get_at_path(text.truth, path)
        if old is new or (type(old) is type(new) and old == new):
            return
        corrected = comparison.correct(text.id, path, new, by=by)
        self._before.append(comparison)
        self._put(corrected, text.id)

    def _put(self, comparison: Comparison, text_id: str) -> None:
        """Show a comparison in which one text has other truth; the rest stays as it is."""
        index, self._labels = self._result.index, comparison.label_log
        assert index is not None
        texts = [at for at, text in enumerate(comparison.texts) if text.id == text_id]
        units = index.again(comparison, texts)
        # Only now: who asks for the scores of this revision must get the new ones.
        self._result.verdict = ""
        self._result.revision += 1
        self._name_labels()
        self.grid.send_changed(units)

    def _name_labels(self) -> None:
        if (index := self._result.index) is None:
            return
        places = {text.id: at for at, text in enumerate(index.comparison.texts)}
        index.labels = {
            (places[each.text_id], each.field): _origin(each)
            for each in index.comparison.label_log
            if each.text_id in places
        }

    def _push(self) -> None:
        self._page.push()
        self._page.submit(self._rest(self._result.revision))

    async def _rest(self, revision: int) -> None:
        """Bring the static output up to date once labelling pauses."""
        await asyncio.sleep(_REST_SECONDS)
        if revision == self._result.revision:
            await self._result.refresh_static()


def _read_label(
    comparison: Comparison, field: FieldResult, place: CellKey, content: Mapping[str, Any]
) -> tuple[str, Any, str]:
    """The path to label, the value, and where it comes from; FieldError if there is no value."""
    text = comparison.texts[place.text]
    whole = list_without_truth(text.truth, field.path)
    column = content.get("column")
    if isinstance(column, int) and 0 <= column < len(field.values):
        cell, label = field.values[column], comparison.labels[column]
        if cell.state == "failed":
            raise FieldError({label: "There is no usable reply to take a value from."})
        if whole:
            # One item alone would make the others invented, so the list is taken whole.
            data = comparison.extraction(replace(place, variant=column)).data
            value = get_at_path(data, whole)
            return whole, None if value is NOTHING else value, label
        return field.path, None if cell.value is NOTHING else cell.value, label
    if whole:
        raise FieldError(
            {whole: "The list has no truth yet."},
            "Take the list of a column first (keys 1 to 9), then correct its items.",
        )
    if content.get("none"):
        return field.path, None, EMPTY
    return field.path, parse_edit(str(content.get("value") or ""), leaf_at(field, text)), TYPED


def _origin(made: Correction) -> str:
    """Where a label came from, and what was there before."""
    sources = {TYPED: "typed here", EMPTY: "set here", "": "corrected"}
    source = sources.get(made.by, f"taken from {made.by}")
    before = "no label" if made.old is NOTHING else display_value(made.old, "none")
    return f"{source}; before: {formatting.shorten(before, 80)}"


_YES = {"yes": True, "true": True, "no": False, "false": False}


def parse_edit(words: str, leaf: Leaf | None) -> Any:
    """What was typed, as the field's type; empty takes the label away; FieldError else."""
    typed = words.strip()
    if not typed:
        return NOTHING
    kind = leaf.type if leaf is not None else "other"
    name = leaf.path if leaf is not None else "this field"
    if kind in ("integer", "number"):
        try:
            return float(typed) if kind == "number" and "." in typed else int(typed)
        except ValueError:
            example = "4180" if kind == "integer" else "4180.50"
            raise FieldError({name: "This is not a number."}, f"Type it like {example}.") from None
    if kind == "boolean":
        if typed.casefold() not in _YES:
            raise FieldError({name: "This is neither yes nor no."}, "Type yes or no.")
        return _YES[typed.casefold()]
    if kind == "enum" and leaf is not None:
        return _one_of(typed, leaf)
    if kind in ("array", "other"):
        try:
            return json.loads(typed)
        except ValueError:
            return typed
    return typed


def _one_of(typed: str, leaf: Leaf) -> Any:
    for value in leaf.values or ():
        if typed.casefold() == str(value).casefold():
            return value
    listed = ", ".join(str(value) for value in (leaf.values or ())[:12])
    raise FieldError({leaf.path: "This is not one of the allowed values."}, f"They are {listed}.")
