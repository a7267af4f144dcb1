"""Scoring: what in a record is right, differs, is missing or invented, compared with truth."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

from llmwidgets.analysis.alignment import LeafPair, State, align, state_of
from llmwidgets.analysis.comparators import FieldComparator, comparator_for, read_scoring
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.rules import (
    RECORD,
    FieldWeights,
    FunctionFailed,
    ReadRules,
    ScoringFunction,
    weighted_share,
)
from llmwidgets.schemas import Schema
from llmwidgets.schemas.canonical import prefixes

_RIGHT, _MISSED, _INVENTED, _WRONG = 1, 2, 4, 8
_MISSING = ("missing", "failed")
_MARKS = {"agree": _RIGHT, "missing": _MISSED, "failed": _MISSED, "invented": _INVENTED}
_ENDS_A_ROW = re.compile(r"\[\d*\]$")


class Rows(NamedTuple):
    """The rows of one list: of truth in all, wholly right, without an answer; and invented ones."""

    total: int = 0
    right: int = 0
    missed: int = 0
    invented: int = 0

    def plus(self, other: Rows, times: int = 1) -> Rows:
        """The sum of both; `times` -1 subtracts the other."""
        return Rows(*(one + times * more for one, more in zip(self, other, strict=True)))


class WithRows:
    """The rows of all lists together, for a class with `lists`: the rows of each, by pattern."""

    __slots__ = ()
    lists: Mapping[str, Rows]

    @property
    def rows(self) -> int:
        """Rows of truth in all."""
        return sum(each.total for each in self.lists.values())

    @property
    def rows_right(self) -> int:
        """Rows of truth that are wholly right."""
        return sum(each.right for each in self.lists.values())

    @property
    def rows_missed(self) -> int:
        """Rows of truth without an answer."""
        return sum(each.missed for each in self.lists.values())

    @property
    def rows_invented(self) -> int:
        """Rows that truth does not have."""
        return sum(each.invented for each in self.lists.values())


def rows_of(cells: Iterable[Cell]) -> dict[str, Rows]:
    """The rows of each list of a record, by pattern (`lines[]`); a list in a list has its own.

    A row counts if truth labels any of its leaves. It is missed if none of it was given, and
    invented if truth has none of it.
    """
    lists: dict[str, dict[str, int]] = {}
    for cell in cells:
        if cell.right is None or "[]" not in cell.pattern:
            continue
        path, pattern, state = cell.path, cell.pattern, _MARKS.get(cell.state, _WRONG)
        for row, around in _around(path, pattern):
            rows = lists.setdefault(around, {})
            rows[row] = rows.get(row, 0) | state
    return {pattern: _counted(rows.values()) for pattern, rows in lists.items()}


# The places of short lists are the same in most records.
@lru_cache(maxsize=8192)
def _around(path: str, pattern: str) -> list[tuple[str, str]]:
    """Each row that a leaf is in, and the pattern of its list."""
    if pattern.count("[]") == 1 and '"' not in path:
        return [(path[: path.index("]") + 1], pattern[: pattern.index("]") + 1])]
    places = zip(prefixes(path), prefixes(pattern), strict=False)
    return [(row, each) for row, each in places if _ENDS_A_ROW.search(row) and each.endswith("[]")]


def _counted(rows: Iterable[int]) -> Rows:
    states = list(rows)
    invented = states.count(_INVENTED)
    return Rows(len(states) - invented, states.count(_RIGHT), states.count(_MISSED), invented)


# -- one record ------------------------------------------------------------------------------------


class Cell(NamedTuple):
    """One leaf of one text: its truth, the value that a model gave, and the outcome.

    `right` is None if truth does not label the leaf. `truth` and `value` are NOTHING if there is
    none. `part`, under 1, is how much of a value that is not right the user's own function counts.
    """

    path: str
    pattern: str
    value: Any
    truth: Any
    state: State
    right: bool | None
    part: float = 0.0


@dataclass(frozen=True, slots=True)
class TextScore(WithRows):
    """The cells of one text and their sums.

    `labelled` counts the leaves that truth labels, and those that a value adds where truth has
    nothing: under a null, and in items beyond the truth's list. Each of these is
    labelled and not right, so an invented item costs as many leaves as it has. A row of truth
    without an answer has nothing right, not even its nulls. `accuracy` is
    right / labelled, None if nothing is labelled; `share` takes its place where the user's own
    functions score the record or some of its leaves, or leaves count by weight. It `counts` unless
    all that is labelled has the weight 0.
    `missed` counts values of truth that were not given, `invented` values given if truth has
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
    counts: bool = True
    notes: tuple[str, ...] = ()
    lists: Mapping[str, Rows] = field(default_factory=dict)

    @property
    def accuracy(self) -> float | None:
        if self.share is not None or not self.counts:
            return self.share
        return self.right / self.labelled if self.labelled else None

    @property
    def perfect(self) -> bool:
        """Whether every labelled leaf that counts is right; False if nothing is labelled."""
        if self.share is not None or not self.counts:
            return self.share == 1.0
        return 0 < self.labelled == self.right


def score(
    schema: Schema | None,
    value: Any,
    truth: Any,
    *,
    scoring: Mapping[str, Any] | Callable[..., Any] | None = None,
) -> TextScore:
    """Score one record against truth. Never fails on a value, however little it fits the schema.

    `scoring` overrides how leaves are compared, rows of lists recognised and whole records scored
    (see `read_scoring`; pass what it returned to read it once). Without `schema`, every leaf is
    compared by what its values read as.

    >>> score(None, {"total": "1,250.00", "city": "koln"}, {"total": 1250, "city": "Köln"}).accuracy
    1.0
    """
    rules = read_scoring(scoring, schema) if scoring else _NO_RULES
    comparing = comparator_for(schema, rules)
    own = comparing.own
    notes = list[str]()
    rows = align(schema, value, truth, comparing.same, notes, rules.lists, own)
    scored = _sum([_cell(row, comparing, own) for row in rows], rules.weights)
    if notes or comparing.notes:
        scored = replace(scored, notes=(*notes, *comparing.notes))
    whole = rules.get(RECORD)
    if isinstance(whole, ScoringFunction) and scored.labelled:
        return _by_function(scored, whole, schema, value, truth)
    return scored


_NO_RULES = ReadRules()


def _cell(row: LeafPair, comparing: FieldComparator, own: frozenset[str]) -> Cell:
    path, pattern, truth, value, alone = row
    # By every rule of ours the truth itself is right, and most answers are that.
    if value is truth and truth is not NOTHING and not alone and pattern not in own:
        return Cell(path, pattern, value, truth, "agree", True)
    state = state_of(row, comparing.same)
    part = 0.0
    if state == "differ" and pattern in own:
        part = comparing.share(pattern, truth, value)
    right = None if state == "unlabelled" else state == "agree"
    return Cell(path, pattern, value, truth, state, right, part)


def _by_function(
    scored: TextScore, whole: ScoringFunction, schema: Schema | None, value: Any, truth: Any
) -> TextScore:
    """The same cells, and the share that the user's function gives the record as a whole."""
    value, truth, json_schema = deepcopy(
        (None if value is NOTHING else value, truth, schema and schema.json)
    )
    try:
        return replace(scored, share=whole.share(value, truth, schema=json_schema))
    except FunctionFailed as failed:
        note = f"the record: {failed}, so the record counts as wrong."
        return replace(scored, share=0.0, notes=(*scored.notes, note))


def failed_score(
    schema: Schema | None, truth: Any, weights: FieldWeights | None = None
) -> TextScore:
    """The score of a reply without a record: each labelled leaf is not right, state `failed`."""
    rows = align(schema, NOTHING, truth, lambda *_: False)
    return _sum(
        [
            Cell(row.path, row.pattern, NOTHING, row.truth, "failed", False)
            for row in rows
            if row.truth is not NOTHING
        ],
        weights,
    )


def _sum(cells: list[Cell], weights: FieldWeights | None) -> TextScore:
    states = [cell.state for cell in cells]
    labelled, right = len(cells) - states.count("unlabelled"), states.count("agree")
    parts = [cell.part for cell in cells if cell.part]
    share = math.fsum([right, *parts]) / labelled if parts else None
    if weights is not None and labelled:
        share = weighted_share(
            (weights[cell.pattern], 1.0 if cell.right else cell.part, 1.0)
            for cell in cells
            if cell.right is not None
        )
    return TextScore(
        tuple(cells),
        labelled=labelled,
        right=right,
        invented=states.count("invented"),
        missed=len(
            [
                cell
                for cell in cells
                if cell.state in _MISSING and cell.truth is not None and cell.truth != []
            ]
        ),
        nulls_in_words=states.count("null in words"),
        share=share,
        counts=weights is None or share is not None,
        lists=rows_of(cells),
    )
