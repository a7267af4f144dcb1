"""Rows: where each extraction of a comparison stands in its journal."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.comparators import (
    RECORD,
    LostFunction,
    Rule,
    ScoringFunction,
    read_scoring,
)
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.scoring import Cell, Rows, TextScore, WithRows, failed_score, score
from llmwidgets.comparison.jsonable import to_jsonable
from llmwidgets.errors import FAILURES, FieldError

if TYPE_CHECKING:
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.request_builder import Document
    from llmwidgets.schemas import Schema


@dataclass(frozen=True, slots=True)
class CellKey:
    """One extraction of a comparison, counted from 0."""

    variant: int
    text: int
    repeat: int


class ResultIndex:
    """Journal ids by place, 9 bytes each; 0 where nothing was put down.

    >>> rows = Rows(2, 3, 1)
    >>> rows.put(Place(1, 2, 0), 7)
    >>> rows.id(Place(1, 2, 0)), rows.id(Place(0, 0, 0)), len(rows)
    (7, 0, 6)
    """

    __slots__ = ("_ids", "_reused", "repeats", "texts", "variants")

    def __init__(self, variants: int, texts: int, repeats: int) -> None:
        self.variants, self.texts, self.repeats = variants, texts, repeats
        self._ids = array("q", bytes(8 * variants * texts * repeats))
        self._reused = bytearray(len(self._ids))

    def __len__(self) -> int:
        return len(self._ids)

    def id(self, place: CellKey) -> int:
        """The journal's id of this place, 0 where there is none."""
        return self._ids[self._at(place)]

    @property
    def ids(self) -> frozenset[int]:
        """All ids of the journal."""
        return frozenset(self._ids)

    @property
    def open(self) -> bool:
        """Whether something is still to come."""
        return 0 in self._ids

    def reused(self, place: CellKey) -> bool:
        """Whether an earlier run paid for this place's reply."""
        return bool(self._reused[self._at(place)])

    def all_reused(self, text: int) -> bool:
        """Whether earlier runs paid for every reply to this text."""
        return all(
            self.reused(CellKey(variant, text, repeat))
            for variant in range(self.variants)
            for repeat in range(self.repeats)
        )

    def put(self, place: CellKey, row: int, *, reused: bool = False) -> None:
        """Note that this place's extraction is the journal's row of this id."""
        at = self._at(place)
        self._ids[at], self._reused[at] = row, reused

    def places(self) -> Iterator[CellKey]:
        """Every place: variant by variant, each text with its repeats."""
        for variant in range(self.variants):
            for text in range(self.texts):
                for repeat in range(self.repeats):
                    yield CellKey(variant, text, repeat)

    def _at(self, place: CellKey) -> int:
        return (place.variant * self.texts + place.text) * self.repeats + place.repeat


# -- Marks: how one extraction is scored, whatever way it ended.

Rules = Mapping[str, Any] | None
"""Rules by place, "" for the whole record; None for the default rules."""

Scoring = Rules | Callable[..., Any]
"""The same, or a function that scores the whole record."""


@dataclass(frozen=True, slots=True)
class ScoredExtraction(WithRows):
    """The cells of one extraction and its share right.

    `accuracy` is None where the text is not labelled or the model could not be reached. `notes`
    says what was too large to compare in full. `lists` has the rows of each list, by pattern. Of a
    labelled text, `lost` says that the model's own failure left no usable record, `unanswered` that
    it was asked and no answer came.
    """

    cells: tuple[Cell, ...] = ()
    accuracy: float | None = None
    perfect: bool = False
    invented: int = 0
    missed: int = 0
    nulls_in_words: int = 0
    notes: tuple[str, ...] = ()
    lists: Mapping[str, Rows] = field(default_factory=dict)
    lost: bool = False
    unanswered: bool = False


def score_extraction(extraction: Extraction, text: Document, scoring: Rules) -> ScoredExtraction:
    """The extraction against its text's truth, by the rules of what counts as right.

    The model's own failures leave labelled fields not right; an invalid record is scored field
    by field; a call that brought no reply of the model is not scored.
    """
    if has_data(extraction):
        return _read(_scored(text.schema, data_to_compare(extraction, text), text.truth, scoring))
    failure = FAILURES.get(extraction.status)
    if failure is None or text.truth is NOTHING:
        return ScoredExtraction()
    failed = _read(failed_score(text.schema, text.truth))
    labelled = failed.accuracy is not None
    if failure.scored:
        return replace(failed, lost=labelled)
    return ScoredExtraction(unanswered=labelled and extraction.asked)


def is_labelled(text: Document) -> bool:
    """Whether the text's truth says anything of a field."""
    if text.truth is NOTHING:
        return False
    return failed_score(text.schema, text.truth).accuracy is not None


def data_to_compare(extraction: Extraction, text: Document) -> Any:
    """What is compared with truth: the reply, or the record it is where truth came as one."""
    as_record = text.by_record and extraction.status == "ok"
    return to_jsonable(extraction.record) if as_record else extraction.data


def score_against(schema: Schema, data: Any, reference: Any, scoring: Rules) -> TextScore:
    """The data against a record that stands in for the truth, field by field."""
    fields = {name: how for name, how in (scoring or {}).items() if name != RECORD}
    return _scored(schema, data, reference, fields)


def _scored(schema: Schema, data: Any, truth: Any, scoring: Rules) -> TextScore:
    """The data against the truth, by those rules that this schema has the fields for."""
    if not scoring:
        return score(schema, data, truth)
    # A function of the user's need not be hashable by itself.
    rules = (
        (name, ScoringFunction(how) if callable(how) else how) for name, how in scoring.items()
    )
    return score(schema, data, truth, scoring=_rules(tuple(rules), schema))


@lru_cache(maxsize=1024)
def _rules(scoring: tuple[tuple[str, Any], ...], schema: Schema) -> dict[str, Any]:
    return {name: rule for name, how in scoring if (rule := rule_of(name, how, schema)) is not None}


def spelled(rule: Any) -> str:
    """A rule as a reader knows it: its text, or the name of the user's function."""
    return str(ScoringFunction(rule)) if callable(rule) else str(rule)


def name_in_code(place: str, rule: Any) -> str:
    """The name of a function in Python; where it has none, one that says what it is for."""
    name = rule.name if isinstance(rule, LostFunction) else spelled(rule)
    usual = re.sub(r"\W+", "_", f"compare_{place or 'records'}").strip("_")
    return name if name.isidentifier() and not iskeyword(name) else usual


def rule_of(name: str, how: Any, schema: Schema) -> Rule | None:
    """One rule as this schema reads it; None where it does not have the fields for it."""
    try:
        return read_scoring({name: how}, schema)[name]
    except FieldError:
        return None


def has_data(extraction: Extraction) -> bool:
    """Whether there is a record to look at, valid or not."""
    return extraction.status == "ok" or (
        extraction.status == "InvalidRecord" and extraction.data is not None
    )


def _read(scored: TextScore) -> ScoredExtraction:
    return ScoredExtraction(
        scored.cells, scored.accuracy, scored.perfect, scored.invented, scored.missed,
        scored.nulls_in_words, scored.notes, scored.lists,
    )  # fmt: skip
