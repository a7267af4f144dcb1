"""Scoring: what of a record is right, differs, is missing or invented, against truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from llmwidgets.analysis import docubench
from llmwidgets.analysis.alignment import NOTHING, Row, align, state_of
from llmwidgets.analysis.comparators import Comparator, Comparing, Rule, read_preset, read_scoring
from llmwidgets.analysis.grounding import Grounding, Source, ground
from llmwidgets.analysis.list_rows import Rows, WithRows, rows_of
from llmwidgets.analysis.list_rules import ListRule
from llmwidgets.schemas import Schema

State = Literal[
    "agree", "differ", "missing", "invented", "null in words", "unlabelled", "failed"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One leaf of one text: its truth, the value a model gave, and what that makes.

    `right` is None where truth does not label the leaf. `truth` and `value` are NOTHING where
    there is none. `grounding` says where in the text the value stands, if the text was given.
    """

    path: str
    pattern: str
    value: Any
    truth: Any
    state: State
    right: bool | None
    grounding: Grounding | None = None


@dataclass(frozen=True, slots=True)
class TextScore(WithRows):
    """The cells of one text and their sums.

    `labelled` counts the leaves that truth labels, and those that a value adds where truth says
    there is nothing: under a null, and in items beyond the truth's list. Each of these is
    labelled and not right, so an invented item costs as many leaves as it has. A row of truth
    without an answer has nothing right, not even where truth is null. `accuracy` is
    right / labelled, None where nothing is labelled; a preset of rules sets it as `share`.
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
    scoring: Mapping[str, str | Rule] | str | None = None,
    text: str | Source | None = None,
) -> TextScore:
    """Score one record against truth. Never fails on a value, however little it fits the schema.

    `scoring` overrides how leaves are compared and rows of lists are recognised (see
    `read_scoring`; pass what it returned to read it once), or is "docubench", the rules of that
    benchmark. With `text`, each value is also located in it. Where `schema` is None, every leaf is
    compared by what its values read as.

    >>> score(None, {"total": "1,250.00", "city": "koln"}, {"total": 1250, "city": "Köln"}).accuracy
    1.0
    """
    leaves = {leaf.path: leaf for leaf in schema.leaves} if schema is not None else {}
    lists: Mapping[str, ListRule] = {}
    if isinstance(scoring, str):
        comparing = Comparing(leaves, read_preset(scoring, leaves), Comparator(docubench.NAME))
    else:
        rules = read_scoring(scoring, schema)
        lists = {path: each for path, each in rules.items() if isinstance(each, ListRule)}
        chosen = {path: each for path, each in rules.items() if isinstance(each, Comparator)}
        comparing = Comparing(leaves, chosen)
    source = Source(text) if isinstance(text, str) else text
    cells, notes = [], list[str]()
    for row in align(schema, value, truth, comparing.same, notes, lists):
        state = state_of(row, comparing.same)
        found = None
        if source is not None:
            found = ground(row.value, source, leaves.get(row.pattern))
        cells.append(_cell(row, _STATES[state], found))
    scored = replace(_sum(cells), notes=(*notes, *comparing.notes))
    if isinstance(scoring, str) and schema is not None and truth is not NOTHING:
        share = docubench.docubench_share(schema.json, _json(value), truth)
        return replace(scored, share=share)
    return scored


def _json(value: Any) -> Any:
    return None if value is NOTHING else value


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


def _cell(row: Row, state: State, found: Grounding | None) -> Cell:
    right = None if state == "unlabelled" else state == "agree"
    return Cell(row.path, row.pattern, row.value, row.truth, state, right, found)


def _sum(cells: list[Cell]) -> TextScore:
    return TextScore(
        tuple(cells),
        labelled=sum(cell.right is not None for cell in cells),
        right=sum(cell.right is True for cell in cells),
        invented=sum(cell.state == "invented" for cell in cells),
        missed=sum(_is_missed(cell) for cell in cells),
        nulls_in_words=sum(cell.state == "null in words" for cell in cells),
        lists=rows_of(cells),
    )


def _is_missed(cell: Cell) -> bool:
    return cell.state in {"missing", "failed"} and cell.truth is not None and cell.truth != []
