"""The rows of the grid as the page draws them: cells, failures, folds, and their heights."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict

from llmwidgets import formatting
from llmwidgets.comparison.core import CellKey
from llmwidgets.comparison.measures.kept_scores import VariantValue
from llmwidgets.comparison.measures.text_result import (
    FLAGS,
    FieldResult,
    TextGrounding,
    ground_text,
)
from llmwidgets.formatting import count, join_truncated
from llmwidgets.widgets.comparison.grid_model import (
    LONGEST,
    WHOLE,
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
from llmwidgets.widgets.panel import Content, values_in, whole_in

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison


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


class DoubtedState(TypedDict):
    """What a row says in the order of review: its text, its rank or "" where chances are known,
    what set its truth, and for each variant the chance that its value is wrong, in percent.
    """

    text: str
    rank: str
    set: str
    doubts: list[int | None]


class RowState(TypedDict):
    """One field of one text: path, name, truth, cells, whether folded away, height in pixels.

    A truth is its words and its kind; if it was made here, where it came from and which it changed.
    """

    p: str
    name: str
    t: list[str]
    c: list[Cell]
    q: int
    h: int
    d: NotRequired[DoubtedState]


class _FailureState(TypedDict):
    name: str
    said: str
    again: bool


class BlockState(TypedDict):
    """One text with its rows; `h` is its height while it is folded."""

    id: str
    index: int
    title: str
    said: str
    failed: dict[int, _FailureState] | None
    fold: str
    rows: list[RowState]
    h: int


def heights(index: GridIndex, layout: Sequence[Shown], metrics: Metrics) -> bytes:
    """A height for every text, as 32-bit numbers: what is not loaded counts as one line per row."""
    pixels = array("I")
    for each in layout:
        rows = metrics.row(1) * len(each.loud)
        if index.units[each.unit].failed:
            rows = max(rows, metrics.failed)
        pixels.append(metrics.group + rows + (metrics.fold if each.quiet else 0))
    return pixels.tobytes()


def block_of(index: GridIndex, each: Shown, metrics: Metrics) -> BlockState:
    """One text of a layout with its rows."""
    comparison, unit = index.comparison, index.units[each.unit]
    text = comparison.texts[unit.text]
    by_path = {field.path: field for field in index.answers(each.unit).values}
    quiet = set(each.quiet)
    grounds = ground_text(comparison, unit.text)
    rows = [
        row_of(by_path.get(path), path in quiet, grounds, unit, metrics, len(comparison.variants))
        for path in (*each.loud, *each.quiet)
    ]
    for row in rows:
        if origin := index.labels.get((unit.text, row["p"])):
            row["t"] += origin
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
        "failed": {at: failure_of(comparison, at, unit.text) for at in unit.failed} or None,
        "fold": _fold(each, unit, len(comparison.variants)),
        "rows": rows,
        "h": height + (metrics.fold if each.quiet else 0),
    }


def row_of(
    field: FieldResult | None,
    quiet: bool,
    grounds: TextGrounding,
    unit: TextRow,
    metrics: Metrics,
    variants: int,
) -> RowState:
    """One field of a text; None is the one row that carries a failure."""
    if field is None:
        cells = [["failed" if at in unit.failed else "agree", "", 0] for at in range(variants)]
        return {"p": "", "name": WHOLE, "t": ["", "blank"], "c": cells, "q": 0, "h": metrics.row(1)}
    cells = [
        ["waiting", "", 0] if at in unit.waiting else _cell(field, at, grounds, unit)
        for at in range(len(field.values))
    ]
    truth = truth_cell(field.truth)
    lines = [value_lines(cell, metrics) + len(cell[3:]) for cell in cells]
    most = max([*lines, min(2, 1 + len(truth[0]) // metrics.truth_chars)])
    return {
        "p": field.path,
        "name": field.path or "value",
        "t": truth,
        "c": cells,
        "q": int(quiet),
        "h": metrics.row(most),
    }


def value_lines(cell: Cell, metrics: Metrics) -> int:
    """How many lines a value and the note on it need."""
    return min(2, 1 + len(str(cell[1])) // metrics.chars) + bool(cell[2])


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


def failure_of(comparison: Comparison, variant: int, text: int) -> _FailureState:
    """Why a variant gave no record for a text."""
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
