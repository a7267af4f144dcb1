"""Marks: how one extraction is scored, whatever way it ended."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
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
from llmwidgets.comparison.jsonable import plain
from llmwidgets.errors import FAILURES, FieldError

if TYPE_CHECKING:
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.plan import Text
    from llmwidgets.schemas import Schema


Rules = Mapping[str, Any] | None
"""Rules by place, "" for the whole record; None for the default rules."""

Scoring = Rules | Callable[..., Any]
"""The same, or a function that scores the whole record."""


@dataclass(frozen=True, slots=True)
class Mark(WithRows):
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


def mark(extraction: Extraction, text: Text, scoring: Rules) -> Mark:
    """The extraction against its text's truth, by the rules of what counts as right.

    The model's own failures leave labelled fields not right; an invalid record is scored field
    by field; a call that brought no reply of the model is not scored.
    """
    if has_data(extraction):
        return _read(_scored(text.schema, compared(extraction, text), text.truth, scoring))
    failure = FAILURES.get(extraction.status)
    if failure is None or text.truth is NOTHING:
        return Mark()
    failed = _read(failed_score(text.schema, text.truth))
    labelled = failed.accuracy is not None
    if failure.scored:
        return replace(failed, lost=labelled)
    return Mark(unanswered=labelled and extraction.asked)


def is_labelled(text: Text) -> bool:
    """Whether the text's truth says anything of a field."""
    if text.truth is NOTHING:
        return False
    return failed_score(text.schema, text.truth).accuracy is not None


def compared(extraction: Extraction, text: Text) -> Any:
    """What is compared with truth: the reply, or the record it is where truth came as one."""
    as_record = text.by_record and extraction.status == "ok"
    return plain(extraction.record) if as_record else extraction.data


def against(schema: Schema, data: Any, reference: Any, scoring: Rules) -> TextScore:
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


def _read(scored: TextScore) -> Mark:
    return Mark(
        scored.cells, scored.accuracy, scored.perfect, scored.invented, scored.missed,
        scored.nulls_in_words, scored.notes, scored.lists,
    )  # fmt: skip
