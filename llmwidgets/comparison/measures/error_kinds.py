"""Kinds of error over a whole comparison: every wrong value once, by the first kind that fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.error_kinds import ERROR_KINDS, ErrorKind, RecordTruth, kind_of_error
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.core import ResultData, measure_once
from llmwidgets.comparison.measures.aggregate import aggregate
from llmwidgets.comparison.measures.groundings import WORDS, known_groundings
from llmwidgets.comparison.measures.text_result import (
    TextGrounding,
    TextResult,
    ground_text,
    leaves_by_path,
    read_all_results,
)
from llmwidgets.errors import FieldError

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.analysis.scoring import Cell


@dataclass(frozen=True, slots=True)
class WrongValue:
    """Where a wrong value is, and of which kind; the value itself is read when it is shown."""

    kind: ErrorKind
    variant: int
    text: int
    repeat: int
    path: str
    pattern: str


@measure_once
def find_errors(results: ResultData) -> tuple[WrongValue, ...]:
    """Every wrong value of every variant, text by text; what is not labelled is not wrong."""
    names: dict[str, str] = {}
    found = []
    for answers in read_all_results(results):
        text: _Text | None = None
        for variant, cell in _wrong_cells(answers):
            if text is None:
                # The truth is that of all variants, the text is read where a kind asks for it.
                text = _Text(results, answers, variant)
            kind = text.kind(cell)
            # One string for each path, however many replies have it.
            path, pattern = (names.setdefault(each, each) for each in (cell.path, cell.pattern))
            found.append(WrongValue(kind, variant, answers.text, answers.repeat, path, pattern))
    return tuple(found)


def _wrong_cells(answers: TextResult) -> Iterator[tuple[int, Cell]]:
    for variant, score in enumerate(answers.scores):
        if score.right < score.labelled:
            for cell in score.cells:
                if cell.right is False:
                    yield variant, cell


class _Text:
    """One text's kinds of error; the text is read when the first wrong value is looked for in it.

    Values of several variants are looked at once where they are the same.
    """

    def __init__(self, results: ResultData, answers: TextResult, variant: int) -> None:
        self._results, self._answers = results, answers
        self._record = RecordTruth(answers.scores[variant].cells, self._holds)
        self._kinds: dict[tuple[str, ...], ErrorKind] = {}

    def kind(self, cell: Cell) -> ErrorKind:
        """Why this cell is wrong."""
        key = cell.path, cell.state, repr(cell.value)
        if key not in self._kinds:
            leaf = leaves_by_path(self._answers.document.schema).get(cell.pattern)
            self._kinds[key] = kind_of_error(cell, self._record, leaf)
        return self._kinds[key]

    @cached_property
    def _known(self) -> dict[tuple[Any, ...], bool]:
        """Where another view has looked for the values: whether each is in the text."""
        found = known_groundings(self._results, self._answers)
        if found is None:
            return {}
        return {
            (cell.pattern, type(cell.value), cell.value): WORDS[code] in _IN_TEXT
            for score, codes in zip(self._answers.scores, found.codes, strict=True)
            for cell, code in zip(score.cells, codes, strict=True)
            if cell.right is False and not isinstance(cell.value, list | dict)
        }

    @cached_property
    def _grounds(self) -> TextGrounding:
        return ground_text(self._results, self._answers.text)

    def _holds(self, value: Any, pattern: str) -> bool:
        """Whether a value is in the text, as it is or in another writing."""
        key = pattern, type(value), value
        if key in self._known:
            return self._known[key]
        found = self._grounds.locate(value, pattern)
        return found is not None and found.kind in _IN_TEXT


_IN_TEXT = frozenset({"exact", "normalised"})


def _notes(results: ResultData) -> list[str]:
    """Where nothing is wrong because nothing was scored."""
    scored = any(stats.scores for stats in aggregate(results).stats)
    return [] if scored else ["No text has truth, so nothing is known to be wrong; see review()."]


def error_frame(results: ResultData) -> pd.DataFrame:
    """One row per wrong value: variant, text_id, repeat, field, kind, value, truth.

    A list of wrong values with their kind, in the order of the variants (see `error_kinds`). What
    truth does not label is not in it, nor what a failed call left without an answer.
    """
    import pandas as pd

    by_variant: list[list[tuple[Any, ...]]] = [[] for _ in results.variants]
    places, labels = iter(find_errors(results)), results.labels
    for answers in read_all_results(results):
        for variant, cell in _wrong_cells(answers):
            place = next(places)
            start = (labels[variant], answers.document.id, place.repeat, place.path)
            values = [None if each is NOTHING else each for each in (cell.value, cell.truth)]
            by_variant[variant].append((*start, place.kind, *values))
    names = ("variant", "text_id", "repeat", "field", "kind", "value", "truth")
    rows = [row for rows in by_variant for row in rows]
    frame = pd.DataFrame(rows, columns=pd.Index(names), dtype=object).astype({"repeat": int})
    frame.attrs["notes"] = _notes(results)
    return frame


def kind_frame(results: ResultData, by: str | None = None) -> pd.DataFrame:
    """How many wrong values of each kind: one row per kind, a column for each variant, and all.

    Each wrong value is counted once, by the first kind that fits, in the order of the rows. `by`
    "field" has one row per field and kind that occurs. FieldError for another `by`.
    """
    import pandas as pd

    if by not in (None, "field"):
        raise FieldError(
            {"by": "is not a way to split kinds of error."}, 'Leave it out, or give "field".'
        )
    errors = find_errors(results)
    counts = Counter((each.kind, each.pattern if by else "", each.variant) for each in errors)
    fields = dict.fromkeys(leaf.path for text in results.texts for leaf in text.schema.leaves)
    fields |= dict.fromkeys(each.pattern for each in errors)
    rows = []
    for field in fields if by else [""]:
        for kind in ERROR_KINDS:
            own = [counts[kind, field, variant] for variant in range(len(results.variants))]
            if not by or any(own):
                rows.append((*([field] if by else []), kind, *own, sum(own)))
    names = [*(["field"] if by else []), "kind", *results.labels, "all"]
    frame = pd.DataFrame(rows, columns=pd.Index(names))
    frame.attrs["notes"] = _notes(results)
    return frame
