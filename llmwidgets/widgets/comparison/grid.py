"""GridController: the grid of values. Heights first, then the rows that come into sight."""

from __future__ import annotations

import asyncio
import threading
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from llmwidgets import formatting
from llmwidgets.analysis.grounding import get_ready
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.core import CellKey
from llmwidgets.comparison.measures.kept_scores import VariantValue
from llmwidgets.comparison.measures.text_result import (
    FLAGS,
    FieldResult,
    TextGrounding,
    ground_text,
)
from llmwidgets.formatting import count, join_truncated
from llmwidgets.widgets.comparison.detail_view import detail_view
from llmwidgets.widgets.comparison.grid_model import (
    CHUNK,
    LONGEST,
    UNSTABLE,
    WHOLE,
    Filter,
    GridIndex,
    Shown,
    TextRow,
    grounding_flag,
    may_ask_again,
    share_of_repeats,
    text_name,
    text_title,
    truth_cell,
    value_words,
)
from llmwidgets.widgets.comparison.results import ShownResult, is_labelled
from llmwidgets.widgets.panel import Content, Sentence, values_in, whole_in

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
_ONLY = {"all": "", "unlabelled": " without truth"}
_WIDTH, _LETTER = 960, 7.4
"""Pixels: of a page's panel, and of one character of a cell."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Heights in pixels, and how many characters fit in a cell; the page measures them."""

    line: int = 16
    pad: int = 9
    group: int = 29
    fold: int = 25
    failed: int = 74
    chars: int = 20
    truth_chars: int = 20

    @classmethod
    def guessed(cls, columns: int, names: Sequence[str], *, truth: bool) -> Metrics:
        """The measures of a page that has not been asked, which has 960 pixels.

        The page measures its own columns the same way (`measureColumns`), and asks again where
        the guess is off by more than two characters.
        """
        longest = max(map(len, names), default=0)
        field = max(0.17 * _WIDTH, min(0.22 * _WIDTH, longest * 7.3 + 42))
        labels = max(110.0, 0.15 * _WIDTH) if truth else 0.0
        each = max(150.0, (_WIDTH - field - labels) / max(1, columns))
        return cls(
            chars=max(8, int((each - 34) / _LETTER)),
            truth_chars=max(8, int((labels - 17) / _LETTER)),
        )

    @classmethod
    def read(cls, content: Content) -> Metrics:
        """The measures out of a message of the page; anything odd falls back."""
        measured = {**content, **values_in(content, "metrics")}
        numbers = {each.name: whole_in(measured, each.name) for each in fields(cls)}
        return cls(**{name: number for name, number in numbers.items() if 0 < number < 2000})

    def row(self, lines: int) -> int:
        """The height of a row, by its lines of text."""
        return self.pad + self.line * lines


class _RepeatsState(TypedDict):
    """How often the value came, what failed, and the states of the other values."""

    of: str
    failed: str
    others: list[str]


# A variant's cell: its state, its words, the number of a note on it; what its repeats say.
Cell = Annotated[list[Any], _RepeatsState]


class RowState(TypedDict):
    """One field of one text: path, name, truth, cells, whether folded away, height in pixels."""

    p: str
    name: str
    t: list[str]
    c: list[Cell]
    q: int
    h: int


class _FailureState(TypedDict):
    name: str
    said: str
    again: bool


class _BlockState(TypedDict):
    """One text with its rows; `h` is its height while it is folded."""

    id: str
    index: int
    title: str
    said: str
    failed: dict[int, _FailureState] | None
    fold: str
    rows: list[RowState]
    h: int


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
        "from": int,
        "blocks": list[_BlockState],
    },
)
"""A layout, whose heights come as a buffer, and its first texts."""


@dataclass(slots=True)
class Layout:
    """What the page was sent by one filter; `sent` are the chunks of it that the page has."""

    number: int
    texts: list[Shown]
    metrics: Metrics
    sent: set[int] = field(default_factory=lambda: {0})


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
        with self._turn:
            self._laid += 1
            number = self._laid
        layout = Layout(number, index.layout(wanted), metrics)
        self._layouts[number] = layout
        for old in sorted(self._layouts)[:-_LAYOUTS]:
            del self._layouts[old]
        texts, only = layout.texts, wanted.only
        return {
            "layout": number,
            "turn": turn,
            "chars": metrics.chars,
            "texts": len(texts),
            "lines": sum(1 + len(each.loud) + bool(each.quiet) for each in texts),
            "said": _ONLY.get(only, " with a disagreement"),
            "slice": self.result.slices.words if wanted.texts is not None else "",
            "read": index.answered,
            "empty": None if texts or not index.whole else nothing_view(index, wanted),
            "from": 0,
            "blocks": list(blocks(index, texts, metrics, 0, CHUNK)),
        }, heights(index, texts, metrics)

    def _send_blocks(self, index: GridIndex, layout: Layout, content: Content) -> None:
        start = max(0, whole_in(content, "from", 0))
        number = min(whole_in(content, "count", CHUNK), len(layout.texts))
        layout.sent.update(range(start // CHUNK, -(-(start + max(1, number)) // CHUNK)))
        rows = list(blocks(index, layout.texts, layout.metrics, start, number))
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
                        layout.texts[at] = each.after(index.units[each.unit])
                        rows.append([at, block_of(index, layout.texts[at], layout.metrics)])
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
            self.send_changed(index.again(index.comparison, texts[first : first + CHUNK]))

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


def heights(index: GridIndex, layout: Sequence[Shown], metrics: Metrics) -> bytes:
    """A height for every text, as 32-bit numbers: what is not loaded counts as one line per row."""
    pixels = array("I")
    for each in layout:
        rows = metrics.row(1) * len(each.loud)
        if index.units[each.unit].failed:
            rows = max(rows, metrics.failed)
        pixels.append(metrics.group + rows + (metrics.fold if each.quiet else 0))
    return pixels.tobytes()


def blocks(
    index: GridIndex, layout: Sequence[Shown], metrics: Metrics, start: int, count: int
) -> Iterator[_BlockState]:
    """The texts of a layout from `start` on, with their rows, for the page to draw."""
    for each in layout[max(0, start) : max(0, start) + min(count, 200)]:
        yield block_of(index, each, metrics)


def block_of(index: GridIndex, each: Shown, metrics: Metrics) -> _BlockState:
    """One text of a layout with its rows."""
    comparison, unit = index.comparison, index.units[each.unit]
    text = comparison.texts[unit.text]
    by_path = {field.path: field for field in index.answers(each.unit).values}
    quiet = set(each.quiet)
    grounds = ground_text(comparison, unit.text)
    rows = [
        _row(by_path.get(path), path in quiet, grounds, unit, metrics, len(comparison.variants))
        for path in (*each.loud, *each.quiet)
    ]
    for row in rows:
        if origin := index.labels.get((unit.text, row["p"])):
            row["t"].append(origin)
    opened = sum(row["h"] for row in rows if not row["q"])
    if unit.failed and opened < metrics.failed:
        # The failed cell spans the open rows and needs room for its sentence.
        rows[len(each.loud) - 1]["h"] += metrics.failed - opened
        opened = metrics.failed
    height = metrics.group + opened
    return {
        "id": text_name(text),
        "index": each.unit,
        "title": text_title(text),
        "said": _said(unit),
        "failed": {at: _failure(comparison, at, unit.text) for at in unit.failed} or None,
        "fold": _fold(each, unit, len(comparison.variants)),
        "rows": rows,
        "h": height + (metrics.fold if each.quiet else 0),
    }


def _row(
    field: FieldResult | None,
    quiet: bool,
    grounds: TextGrounding,
    unit: TextRow,
    metrics: Metrics,
    variants: int,
) -> RowState:
    if field is None:
        cells = [["failed" if at in unit.failed else "agree", "", 0] for at in range(variants)]
        return {"p": "", "name": WHOLE, "t": ["", "blank"], "c": cells, "q": 0, "h": metrics.row(1)}
    cells = [
        ["waiting", "", 0] if at in unit.waiting else _cell(field, at, grounds, unit)
        for at in range(len(field.values))
    ]
    truth = truth_cell(field.truth)
    lines = [
        min(2, 1 + len(str(cell[1])) // metrics.chars) + bool(cell[2]) + len(cell[3:])
        for cell in cells
    ]
    most = max([*lines, min(2, 1 + len(truth[0]) // metrics.truth_chars)])
    return {
        "p": field.path,
        "name": field.path or "value",
        "t": truth,
        "c": cells,
        "q": int(quiet),
        "h": metrics.row(most),
    }


def _cell(field: FieldResult, at: int, grounds: TextGrounding, unit: TextRow) -> Cell:
    value = field.values[at]
    if value.state == "failed":
        return ["failed", "", 0]
    flag = FLAGS.index(grounding_flag(field, at, grounds))
    cell: Cell = [value.state, formatting.shorten(value_words(value), LONGEST), flag]
    if value.given:
        cell.append(_repeats_state(value, unit.to_come[at] if unit.to_come else 0))
    return cell


def _repeats_state(value: VariantValue, to_come: int) -> _RepeatsState:
    failed = sum(each.state == "failed" for each in value.given) - to_come
    others = (value.given[group[0]].state for group in value.groups[1:])
    return {
        "of": share_of_repeats(value, to_come),
        "failed": f"{failed} failed" if failed else "",
        "others": list(dict.fromkeys(others)),
    }


def _said(unit: TextRow) -> str:
    words = []
    if unit.fields:
        verb = "disagrees" if unit.disagreeing == 1 else "disagree"
        words.append(f"{unit.disagreeing} of {count(len(unit.fields), 'field')} {verb}")
    if unit.unstable:
        words.append(f"{unit.unstable} unstable")
    if unit.failed:
        words.append(f"{count(len(unit.failed), 'model')} failed")
    return ", ".join(words)


def _fold(each: Shown, unit: TextRow, variants: int) -> str:
    if not each.quiet:
        return ""
    known = {field.path: field for field in unit.fields}
    if any(known[path].disagreeing or known[path].unstable for path in each.quiet):
        return f"{count(len(each.quiet), 'more field')}"
    answered = variants - len(unit.failed) - len(unit.waiting)
    whom = "the one model that answered" if answered == 1 else f"the {answered} that answered"
    if not unit.failed and not unit.waiting:
        whom = "the one model" if variants == 1 else f"all {count(variants, 'model')}"
    verb = "agrees" if len(each.quiet) == 1 else "agree"
    return f"{count(len(each.quiet), 'field')} {verb} in {whom}"


def _failure(comparison: Comparison, variant: int, text: int) -> _FailureState:
    repeats = comparison.repeats
    failed = [comparison.extraction(CellKey(variant, text, each)) for each in range(repeats)]
    names = dict.fromkeys(formatting.format_count_words(each.status) for each in failed)
    name = join_truncated(names)
    said = failed[0].failure.message if failed[0].failure is not None else ""
    return {
        "name": name[:1].upper() + name[1:],
        "said": f"In all {count(repeats, 'repeat')}; the first: {said}" if repeats > 1 else said,
        "again": any(may_ask_again(each.status) for each in failed),
    }


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
