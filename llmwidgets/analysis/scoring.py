"""Scoring: what of a record is right, differs, is missing or invented, against truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from llmwidgets.analysis.alignment import NOTHING, Row, align, state_of
from llmwidgets.analysis.comparators import FieldComparator
from llmwidgets.analysis.grounding import Grounding, Source, ground
from llmwidgets.analysis.list_rows import Rows, WithRows, rows_of
from llmwidgets.analysis.scoring_rules import (
    RECORD,
    Comparator,
    FunctionFailed,
    ListRule,
    ScoringFunction,
    read_scoring,
)
from llmwidgets.schemas import Schema

State = Literal[
    "agree", "differ", "missing", "invented", "null in words", "unlabelled", "failed"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One leaf of one text: its truth, the value a model gave, and what that makes.

    `right` is None where truth does not label the leaf. `truth` and `value` are NOTHING where
    there is none. `grounding` says where in the text the value stands, if the text was given.
    `part`, under 1, is how much of a value that is not right the user's own function counts.
    """

    path: str
    pattern: str
    value: Any
    truth: Any
    state: State
    right: bool | None
    grounding: Grounding | None = None
    part: float = 0.0


@dataclass(frozen=True, slots=True)
class TextScore(WithRows):
    """The cells of one text and their sums.

    `labelled` counts the leaves that truth labels, and those that a value adds where truth says
    there is nothing: under a null, and in items beyond the truth's list. Each of these is
    labelled and not right, so an invented item costs as many leaves as it has. A row of truth
    without an answer has nothing right, not even where truth is null. `accuracy` is
    right / labelled, None where nothing is labelled; `share` is what the user's own functions make
    it, of the record or of some of its leaves.
    `missed` counts values of truth that were not given, `invented` values given where truth has
    none, `nulls_in_words` words for nothing ("N/A") in their place. `lists` has the rows of each
    list, by pattern; `rows` counts those of truth in all. `notes` has a sentence for each place
    that was too large to compare in full.
    """

    cells: tuple[Cell, ...]
    labelled: int
    right: int
    invented: int
    missed: int
    nulls_in_words: int = 0
    share: float | None = None
    notes: tuple[str, ...] = ()
    lists: Mapping[str, Rows] = field(default_factory=dict)

    @property
    def accuracy(self) -> float | None:
        if self.share is not None:
            return self.share
        return self.right / self.labelled if self.labelled else None

    @property
    def perfect(self) -> bool:
        """Whether every labelled leaf is right; False where nothing is labelled."""
        if self.share is not None:
            return self.share == 1.0
        return 0 < self.labelled == self.right


def score(
    schema: Schema | None,
    value: Any,
    truth: Any,
    *,
    scoring: Mapping[str, Any] | Callable[..., Any] | None = None,
    text: str | Source | None = None,
) -> TextScore:
    """Score one record against truth. Never fails on a value, however little it fits the schema.

    `scoring` overrides how leaves are compared, rows of lists recognised and whole records scored
    (see `read_scoring`; pass what it returned to read it once). With `text`, each value is also
    located in it. Where `schema` is None, every leaf is compared by what its values read as.

    >>> score(None, {"total": "1,250.00", "city": "koln"}, {"total": 1250, "city": "Köln"}).accuracy
    1.0
    """
    leaves = {leaf.path: leaf for leaf in schema.leaves} if schema is not None else {}
    rules = read_scoring(scoring, schema) if scoring else {}
    lists = {path: each for path, each in rules.items() if isinstance(each, ListRule)}
    chosen = {
        path: each
        for path, each in rules.items()
        if isinstance(each, Comparator | ScoringFunction) and path != RECORD
    }
    comparing = FieldComparator(leaves, chosen)
    own = frozenset(path for path, each in chosen.items() if isinstance(each, ScoringFunction))
    source = Source(text) if isinstance(text, str) else text
    cells, notes = [], list[str]()
    for row in align(schema, value, truth, comparing.same, notes, lists, own):
        state = state_of(row, comparing.same)
        found = None
        if source is not None:
            found = ground(row.value, source, leaves.get(row.pattern))
        asked = state == "differ" and row.pattern in own
        part = comparing.share(row.pattern, row.truth, row.value) if asked else 0.0
        cells.append(_cell(row, _STATES[state], found, part))
    scored = replace(_sum(cells), notes=(*notes, *comparing.notes))
    whole = rules.get(RECORD)
    if isinstance(whole, ScoringFunction) and scored.labelled:
        return _by_function(scored, whole, schema, value, truth)
    return scored


def _by_function(
    scored: TextScore, whole: ScoringFunction, schema: Schema | None, value: Any, truth: Any
) -> TextScore:
    """The same cells, and the share that the user's function gives the record as a whole."""
    given = deepcopy((None if value is NOTHING else value, truth, schema and schema.json))
    try:
        return replace(scored, share=whole.share_of_record(*given))
    except FunctionFailed as failed:
        note = f"the record: {failed}, so the record counts as wrong."
        return replace(scored, share=0.0, notes=(*scored.notes, note))


def failed_score(schema: Schema | None, truth: Any) -> TextScore:
    """The score of a reply without a record: each labelled leaf is not right, state `failed`."""
    rows = align(schema, NOTHING, truth, lambda *_: False)
    return _sum(
        [
            Cell(row.path, row.pattern, NOTHING, row.truth, "failed", False)
            for row in rows
            if row.truth is not NOTHING
        ]
    )


_STATES: dict[str, State] = {
    "agree": "agree",
    "differ": "differ",
    "missing": "missing",
    "invented": "invented",
    "null in words": "null in words",
    "unlabelled": "unlabelled",
}


def _cell(row: Row, state: State, found: Grounding | None, part: float) -> Cell:
    right = None if state == "unlabelled" else state == "agree"
    return Cell(row.path, row.pattern, row.value, row.truth, state, right, found, part)


def _sum(cells: list[Cell]) -> TextScore:
    labelled = sum(cell.right is not None for cell in cells)
    right = sum(cell.right is True for cell in cells)
    parts = math.fsum(cell.part for cell in cells)
    return TextScore(
        tuple(cells),
        labelled=labelled,
        right=right,
        invented=sum(cell.state == "invented" for cell in cells),
        missed=sum(_is_missed(cell) for cell in cells),
        nulls_in_words=sum(cell.state == "null in words" for cell in cells),
        share=(right + parts) / labelled if parts else None,
        lists=rows_of(cells),
    )


def _is_missed(cell: Cell) -> bool:
    return cell.state in {"missing", "failed"} and cell.truth is not None and cell.truth != []
