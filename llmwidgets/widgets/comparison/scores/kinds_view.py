"""Kinds of error in the scoreboard: how many of each, and the wrong values behind a count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from llmwidgets import formatting
from llmwidgets.analysis.error_kinds import ERROR_KINDS
from llmwidgets.comparison.measures.aggregate import aggregate
from llmwidgets.comparison.measures.error_kinds import WrongValue, find_errors
from llmwidgets.comparison.measures.kept_scores import VariantValue
from llmwidgets.comparison.measures.kind_words import KIND_WORDS
from llmwidgets.comparison.measures.text_result import (
    FieldResult,
    TextGrounding,
    ground_text,
    read_text_result,
)
from llmwidgets.formatting import count
from llmwidgets.report.scoreboard import State
from llmwidgets.widgets.comparison.detail_view import EvidenceState, add_evidence
from llmwidgets.widgets.comparison.grid_model import (
    spell_out,
    text_name,
    truth_cell,
    value_words,
)
from llmwidgets.widgets.panel import Content, whole_in

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.widgets.comparison.results import ShownResult

AT_ONCE = 20
"""How many wrong values are sent with a question; the page asks for more by as many."""

_LONGEST = 200
_ONCE = "Each wrong value is counted once, by the first kind that fits."


class _KindState(TypedDict):
    """One kind with its count for each variant, in the order of the columns."""

    name: str
    happened: str
    advice: str
    counts: list[int]


class _FieldState(TypedDict):
    """One field: for each kind that is shown, its count for each variant."""

    path: str
    name: str
    counts: list[list[int]]


class KindsState(TypedDict):
    """The counts of a comparison, the most frequent kind first; `of` is what they are parts of."""

    said: str
    kinds: list[_KindState]
    fields: list[_FieldState]
    of: str
    foot: str


class _ErrorState(EvidenceState):
    """One wrong value; `pattern` is its field in the schema, `text` the name of its text."""

    path: str
    pattern: str
    name: str
    text: str
    id: str
    truth: str
    value: str


class KindRowsState(TypedDict):
    """The wrong values behind one count: the first of `total`."""

    kind: str
    field: str
    column: int
    total: int
    rows: list[_ErrorState]


def kinds_view(comparison: Comparison) -> KindsState:
    """Every kind that occurs, and the fields that it occurs in; no value."""
    errors, variants = find_errors(comparison), range(len(comparison.variants))
    counts = Counter((each.kind, each.variant) for each in errors)
    totals = Counter(each.kind for each in errors)
    kinds = sorted(totals, key=lambda kind: (-totals[kind], ERROR_KINDS.index(kind)))
    by_field = Counter((each.pattern, each.kind, each.variant) for each in errors)
    fields = Counter(each.pattern for each in errors)
    labelled = [stats.total.labelled for stats in aggregate(comparison).stats]
    view: KindsState = {
        "said": _said(comparison, labelled),
        "kinds": [
            {
                "name": kind,
                "happened": KIND_WORDS[kind].happened,
                "advice": KIND_WORDS[kind].advice,
                "counts": [counts[kind, variant] for variant in variants],
            }
            for kind in kinds
        ],
        "fields": [
            {
                "path": field,
                "name": field or "value",
                "counts": [[by_field[field, kind, at] for at in variants] for kind in kinds],
            }
            for field, _ in fields.most_common()
        ],
        "of": f"of {_each(labelled)}, {sum(labelled):,} in all",
        "foot": _foot(comparison, counts.total()),
    }
    return spell_out(view)


def _said(comparison: Comparison, labelled: Sequence[int]) -> str:
    columns = aggregate(comparison).stats
    texts = len({text for stats in columns for text in stats.scores})
    return f"wrong values on the {count(texts, 'text')} with truth, {_each(labelled, ' values')}"


def _each(labelled: Sequence[int], values: str = "") -> str:
    """How many values were compared for each model."""
    least, most = min(labelled), max(labelled)
    number = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    return f"{number}{values} for each model" if len(labelled) > 1 else f"{number}{values}"


def _foot(comparison: Comparison, wrong: int) -> str:
    statuses = Counter[str]()
    for stats in aggregate(comparison).stats:
        statuses.update(stats.statuses)
    whole = statuses.total() == statuses["ok"]
    parts = [_ONCE if wrong else "", "No reply failed in this run." if whole else ""]
    return " ".join(part for part in parts if part)


def rows_view(comparison: Comparison, wanted: Content) -> KindRowsState:
    """The wrong values of a kind, of one variant and field or of all, with their passages."""
    kind, field = str(wanted.get("kind") or ""), wanted.get("field")
    column, most = whole_in(wanted, "column"), max(whole_in(wanted, "most"), AT_ONCE)
    found = [
        each
        for each in find_errors(comparison)
        if each.kind == kind
        and column in (each.variant, -1)
        and (not isinstance(field, str) or each.pattern == field)
    ]
    grounds: dict[int, TextGrounding] = {}
    for each in found[:most]:
        if each.text not in grounds:
            grounds[each.text] = ground_text(comparison, each.text)
    return {
        "kind": kind,
        "field": field if isinstance(field, str) else "",
        "column": column,
        "total": len(found),
        "rows": [spell_out(_error(comparison, each, grounds[each.text])) for each in found[:most]],
    }


def _error(comparison: Comparison, wrong: WrongValue, grounds: TextGrounding) -> _ErrorState:
    column = wrong.variant
    answers = read_text_result(comparison, wrong.text, wrong.repeat)
    cell = next(each for each in answers.scores[column].cells if each.path == wrong.path)
    state: State = "differ" if cell.state == "unlabelled" else cell.state
    repeat = f" · {wrong.repeat + 1}" if comparison.repeats > 1 else ""
    value = VariantValue(state, cell.value)
    view: _ErrorState = {
        "column": column,
        "path": wrong.path,
        "pattern": wrong.pattern,
        "name": wrong.path or "value",
        "text": answers.document.id,
        "id": text_name(answers.document) + repeat,
        "truth": formatting.shorten(truth_cell(cell.truth)[0], _LONGEST),
        "value": formatting.shorten(value_words(value), _LONGEST),
    }
    if state == "failed":
        view["value"] = "no usable reply"
    field = FieldResult(wrong.path, cell.truth, (value,) * len(comparison.variants))
    add_evidence(view, field, grounds, answers.document)
    return view


class KindsController:
    """Answers for the kinds of error in the texts that are shown, and the values behind a count."""

    def __init__(self, result: ShownResult) -> None:
        self._result = result

    async def act_show(self, _content: Content) -> None:
        """The counts; not while replies are still coming."""
        index = self._result.index
        if index is not None and not index.live:
            self._result.answer("kinds", await self._result.work(self._view, index.comparison))

    def _view(self, comparison: Comparison) -> KindsState:
        self._result.sum_up(comparison)
        return kinds_view(self._result.slices.selected(comparison))

    async def act_rows(self, content: Content) -> None:
        """The wrong values behind one count."""
        index = self._result.index
        if index is not None and not index.live:
            rows = await self._result.work(self._rows, index.comparison, content)
            self._result.answer("kind_rows", rows)

    def _rows(self, comparison: Comparison, content: Content) -> KindRowsState:
        return rows_view(self._result.slices.selected(comparison), content)
