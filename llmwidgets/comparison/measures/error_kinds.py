"""Kinds of error over a whole comparison: every wrong value once, by the first kind that fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.error_kinds import ERROR_KINDS, ErrorKind, RecordTruth, kind_of_error
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.core import ResultData, measure_once
from llmwidgets.comparison.measures.aggregate import aggregate
from llmwidgets.comparison.measures.text_result import TextResult, ground_text, read_all_results
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
    return tuple(place for place, _, _ in _errors(results))


def _errors(results: ResultData) -> Iterator[tuple[WrongValue, Cell, TextResult]]:
    names: dict[str, str] = {}
    for answers in read_all_results(results):
        source = record = None
        for variant, score in enumerate(answers.scores):
            for cell in score.cells:
                if cell.right is not False:
                    continue
                if source is None or record is None:
                    # The truth is that of all variants, the text is read where a kind asks for it.
                    source = _Text(results, answers.text)
                    record = RecordTruth(score.cells, source.holds)
                kind = kind_of_error(cell, record, source.leaves.get(cell.pattern))
                # One string for each path, however many replies have it.
                path, pattern = (names.setdefault(each, each) for each in (cell.path, cell.pattern))
                place = WrongValue(kind, variant, answers.text, answers.repeat, path, pattern)
                yield place, cell, answers


class _Text:
    """The text that wrong values are looked for in, read when the first one is."""

    def __init__(self, results: ResultData, text: int) -> None:
        self.leaves = {leaf.path: leaf for leaf in results.texts[text].schema.leaves}
        self._grounds = ground_text(results, text)

    def holds(self, value: Any, pattern: str) -> bool:
        """Whether a value is in the text, as it is or in another writing."""
        found = self._grounds.locate(value, pattern)
        return found is not None and found.kind in {"exact", "normalised"}


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
    for place, cell, answers in _errors(results):
        start = (results.labels[place.variant], answers.document.id, place.repeat, place.path)
        values = (None if each is NOTHING else each for each in (cell.value, cell.truth))
        by_variant[place.variant].append((*start, place.kind, *values))
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
