"""One text as all variants answered it: each answer scored, and the fields side by side."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from llmwidgets.analysis.comparators import (
    RECORD,
    FieldComparator,
    LostFunction,
    Rule,
    ScoringFunction,
    read_scoring,
)
from llmwidgets.analysis.grounding import ExampleLeakage, Grounding, SourceText, ground
from llmwidgets.analysis.leaves import NOTHING, is_empty, says_no_value
from llmwidgets.analysis.same_values import group_values
from llmwidgets.analysis.scoring import TextScore, failed_score, score
from llmwidgets.comparison.core import CellKey, ResultData, Rules, measure_once
from llmwidgets.comparison.values import to_jsonable
from llmwidgets.dialects.types import Example
from llmwidgets.errors import FAILURES, FieldError
from llmwidgets.report.scoreboard import State
from llmwidgets.schemas.python_code import python_name

if TYPE_CHECKING:
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.request_builder import Document
    from llmwidgets.schemas import Schema


# -- How one extraction is scored, whichever way it ended.

_UNSCORED = TextScore((), labelled=0, right=0, invented=0, missed=0)


def score_extraction(extraction: Extraction, text: Document, scoring: Rules) -> TextScore:
    """The extraction against its text's truth, by the rules of what counts as right.

    The model's own failures leave labelled fields not right; an invalid record is scored field
    by field; a call that brought no reply of the model is not scored.
    """
    if has_data(extraction):
        return _score(text.schema, data_to_compare(extraction, text), text.truth, scoring)
    failure = FAILURES.get(extraction.status)
    if text.truth is NOTHING or failure is None or not failure.scored:
        return _UNSCORED
    return failed_score(text.schema, text.truth)


def has_data(extraction: Extraction) -> bool:
    """Whether there is a record to look at, valid or not."""
    return extraction.status == "ok" or (
        extraction.status == "InvalidRecord" and extraction.data is not None
    )


def is_lost(extraction: Extraction) -> bool:
    """Whether the model answered and its own failure left no record."""
    failure = FAILURES.get(extraction.status)
    return failure is not None and failure.scored and not has_data(extraction)


def is_labelled(text: Document) -> bool:
    """Whether the text's truth labels any field."""
    if text.truth is NOTHING:
        return False
    return failed_score(text.schema, text.truth).accuracy is not None


def data_to_compare(extraction: Extraction, text: Document) -> Any:
    """What is compared with truth: the reply, or the record it is where truth came as one."""
    as_record = text.by_record and extraction.status == "ok"
    return to_jsonable(extraction.record) if as_record else extraction.data


def score_against(schema: Schema, data: Any, reference: Any, scoring: Rules) -> TextScore:
    """The data against a record that serves as the truth, field by field."""
    fields = {name: how for name, how in (scoring or {}).items() if name != RECORD}
    return _score(schema, data, reference, fields)


def _score(schema: Schema, data: Any, truth: Any, scoring: Rules) -> TextScore:
    """The data against the truth, by those rules that this schema has the fields for."""
    return score(schema, data, truth, scoring=_rules_of(schema, scoring))


def comparator_of(schema: Schema, scoring: Rules) -> FieldComparator:
    """Tells which values of a field are the same, by the same rules."""
    return FieldComparator.of(schema, _rules_of(schema, scoring))


def _rules_of(schema: Schema, scoring: Rules) -> dict[str, Any]:
    # A function of the user's need not be hashable by itself.
    rules = (
        (name, ScoringFunction(how) if callable(how) else how)
        for name, how in (scoring or {}).items()
    )
    return _rules(tuple(rules), schema) if scoring else {}


@lru_cache(maxsize=1024)
def _rules(scoring: tuple[tuple[str, Any], ...], schema: Schema) -> dict[str, Any]:
    return {name: rule for name, how in scoring if (rule := rule_of(name, how, schema)) is not None}


def rule_of(name: str, how: Any, schema: Schema) -> Rule | None:
    """One rule as this schema reads it; None where it does not have the fields for it."""
    try:
        return read_scoring({name: how}, schema)[name]
    except FieldError:
        return None


def rule_text(rule: Any) -> str:
    """A rule as a reader knows it: its text, or the name of the user's function."""
    return str(ScoringFunction(rule)) if callable(rule) else str(rule)


DOCUBENCH = (
    "take docubench from benchmarks/docubench.py of the repository, and give scoring=docubench."
)
"""How to score by DocuBench's rules, which once were in this package."""


# -- Names and literals of code that users copy.

_NAMES_OF_SCRIPTS = frozenset(
    ["json", "lw", "schema", "texts", "outputs", "truth", "group", "examples", "result", "print"]
)
"""What the code of a comparison names itself."""


def name_in_code(path: str, rule: Any) -> str:
    """The name of a function in Python; if it has none, one that shows what it is for."""
    name = rule.name if isinstance(rule, LostFunction) else rule_text(rule)
    return name if is_free_name(name) else python_name(f"compare_{path or 'records'}")


def is_free_name(name: str) -> bool:
    """Whether a class or function of this name keeps it in the code of a comparison."""
    return python_name(name, _NAMES_OF_SCRIPTS) == name


# -- The fields of one text, side by side.

DISAGREEING = frozenset({"differ", "missing", "invented", "null in words"})
"""The states of a value that is not the truth, or not what the other variants have."""

_INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class VariantValue:
    """What one variant gives for a field; NOTHING if it gives nothing, with its failure if any."""

    state: State
    value: Any = NOTHING
    failure: str = ""


@dataclass(frozen=True, slots=True)
class FieldResult:
    """One field of one text: its truth, NOTHING if it is not labelled, and each variant's value.

    `path` is empty where a variant failed and no field differs otherwise.
    """

    path: str
    truth: Any
    values: tuple[VariantValue, ...]

    @property
    def pattern(self) -> str:
        """The schema's path: `lines[].total` for `lines[2].total`."""
        return _INDEX.sub("[]", self.path)

    @property
    def disagreeing(self) -> int:
        """How many variants have another value."""
        return sum(each.state in DISAGREEING for each in self.values)


@dataclass(frozen=True, slots=True)
class Difference(FieldResult):
    """A field where variants disagree or differ from the truth, with its text."""

    text_id: str
    repeat: int


@dataclass(frozen=True)
class TextResult:
    """One text (and repeat): for each variant an extraction and its score, and the fields."""

    text: int
    repeat: int
    document: Document
    extractions: tuple[Extraction, ...]
    scores: tuple[TextScore, ...]
    fields: tuple[FieldResult, ...]

    @property
    def statuses(self) -> tuple[str, ...]:
        """How each extraction ended."""
        return tuple(each.status for each in self.extractions)

    @cached_property
    def differences(self) -> list[Difference]:
        """The fields that differ, in the order of the schema; failures are in every row.

        Where nothing else differs, a failure of the model's own has a row.
        """
        fields = [
            each
            for each in self.fields
            if any(one.state not in ("agree", "failed") for one in each.values)
        ]
        if not fields and any(map(is_lost, self.extractions)):
            fields = [FieldResult("", NOTHING, tuple(map(no_value, self.extractions)))]
        return [
            Difference(each.path, each.truth, each.values, self.document.id, self.repeat)
            for each in fields
        ]

    @property
    def values(self) -> tuple[FieldResult, ...]:
        """The fields; values with nothing to compare them with as they are."""
        if self.fields or not any(map(has_data, self.extractions)):
            return self.fields
        values = [{cell.path: cell.value for cell in each.cells} for each in self.scores]
        return tuple(
            FieldResult(
                path,
                NOTHING,
                tuple(
                    replace(no_value(each), value=own.get(path, NOTHING))
                    for own, each in zip(values, self.extractions, strict=True)
                ),
            )
            for path in dict.fromkeys(path for each in values for path in each)
        )


def no_value(extraction: Extraction) -> VariantValue:
    """What a variant gives for a field that is not in its answer, or without an answer."""
    if has_data(extraction):
        return VariantValue("agree")
    return VariantValue("failed", failure=extraction.status)


def read_text_result(results: ResultData, text: int, repeat: int) -> TextResult:
    """Read and score what every variant answered to one text."""
    document, scoring = results.texts[text], results.scoring
    extractions = tuple(
        results.extraction(CellKey(variant, text, repeat))
        for variant in range(len(results.variants))
    )
    scores = tuple(score_extraction(each, document, scoring) for each in extractions)
    answered = {at: each for at, each in enumerate(extractions) if has_data(each)}
    silent = [no_value(each) for each in extractions]
    fields = tuple(
        FieldResult(path, truth, tuple(values.get(at, other) for at, other in enumerate(silent)))
        for path, truth, values in compare_fields(document, answered, scores, scoring)
    )
    return TextResult(text, repeat, document, extractions, scores, fields)


def read_text_results(results: ResultData, text: int) -> list[TextResult]:
    """The answers to one text, one for each repeat."""
    return [read_text_result(results, text, repeat) for repeat in range(results.repeats)]


def read_all_results(results: ResultData) -> Iterator[TextResult]:
    """The answers to every text in its order, its repeats one after the other."""
    for at in range(len(results.texts)):
        yield from read_text_results(results, at)


_Values = Iterator[tuple[str, Any, dict[int, VariantValue]]]


def compare_fields(
    text: Document,
    answered: Mapping[int, Extraction],
    scores: Sequence[TextScore],
    scoring: Rules,
    repeats: int = 1,
) -> _Values:
    """Every field that can be compared: its path, its truth, and the values by answer.

    Answers are numbered variant by variant, each with that many repeats.
    """
    labelled: dict[str, tuple[Any, dict[int, VariantValue]]] = {}
    patterns: set[str] = set()
    unlabelled = False
    for at in answered:
        for cell in scores[at].cells:
            if cell.state == "unlabelled":
                unlabelled = True
                continue
            patterns.add(cell.pattern)
            state: State = "differ"
            if cell.right or cell.state in ("missing", "invented", "null in words"):
                state = "agree" if cell.right else cell.state
            field = labelled.setdefault(cell.path, (cell.truth, {}))
            field[1][at] = VariantValue(state, cell.value)
    for path, (truth, values) in labelled.items():
        yield path, truth, values
    if unlabelled and len(answered) > 1:
        yield from _among_themselves(text, answered, patterns, scoring, repeats)


def _among_themselves(
    text: Document,
    answered: Mapping[int, Extraction],
    labelled: set[str],
    scoring: Rules,
    repeats: int,
) -> _Values:
    """Fields without a label: the first answer serves as the truth, to line arrays up."""
    data = {at: data_to_compare(each, text) for at, each in answered.items()}
    reference = next(iter(data.values()))
    comparing = comparator_of(text.schema, scoring)
    patterns: dict[str, str] = {}
    values: dict[str, dict[int, Any]] = {}
    for at, own in data.items():
        for cell in score_against(text.schema, own, reference, scoring).cells:
            if cell.pattern not in labelled:
                patterns[cell.path] = cell.pattern
                values.setdefault(cell.path, {})[at] = cell.value
    for path, given in values.items():
        listed = [given.get(at, NOTHING) for at in answered]
        groups = group_values(listed, patterns[path], comparing)
        yield path, NOTHING, _by_majority(listed, groups, list(answered), repeats)


def _by_majority(
    values: Sequence[Any], groups: Sequence[Sequence[int]], answers: Sequence[int], repeats: int
) -> dict[int, VariantValue]:
    """Without truth a value agrees if more than half of the variants have it.

    A variant has the value that most of its repeats have, the first of them where several do.
    """
    group_of = {at: n for n, group in enumerate(groups) for at in group}
    own: dict[int, Counter[int]] = {}
    for at, answer in enumerate(answers):
        own.setdefault(answer // repeats, Counter())[group_of[at]] += 1
    votes = Counter(each.most_common(1)[0][0] for each in own.values())
    common, count = votes.most_common(1)[0]
    agreed = count * 2 > len(own)
    given = {}
    for at, (answer, value) in enumerate(zip(answers, values, strict=True)):
        state: State = "missing" if is_empty(value) else "differ"
        agrees = agreed and group_of[at] == common
        given[answer] = VariantValue("agree" if agrees else state, value)
    return given


# -- Grounding: which values are in their text, and which were copied or made up.

Flag = Literal["", "absent", "copied"]
FLAGS: tuple[Flag, ...] = ("", "absent", "copied")
FLAG_WORDS: dict[Flag, str] = {
    "": "", "absent": "not in the text", "copied": "copied from an example"
}  # fmt: skip
"""A fact besides a value's state: it is nowhere in the text, or in an example alone."""
KINDS = ("exact", "normalised", "fuzzy", "absent")


class TextGrounding:
    """One text in which values are looked for; each is looked for once, whoever gave it."""

    def __init__(self, text: Document, copying: Sequence[ExampleLeakage] = ()) -> None:
        self._source = SourceText(text.text)
        self._leaves = {leaf.path: leaf for leaf in text.schema.leaves}
        self._copying = copying
        self._groundings: dict[tuple[type, Any, str], Grounding] = {}

    def locate(self, value: Any, pattern: str) -> Grounding | None:
        """Where a field's value is; None if there is nothing to look for, or in."""
        unreadable = value is None or value is NOTHING or isinstance(value, list | dict)
        # Words for nothing are not a value that the text could hold.
        if unreadable or says_no_value(value) or not self._source.text:
            return None
        key = (type(value), value, pattern)
        if key not in self._groundings:
            self._groundings[key] = ground(value, self._source, self._leaves.get(pattern))
        return self._groundings[key]

    def page(self, value: Any, pattern: str) -> int | None:
        """The page of a text with pages on which a field's value is."""
        grounding = self.locate(value, pattern)
        return grounding.page if grounding else None

    def flag(self, value: Any, pattern: str, variant: int) -> Flag:
        """Whether the value is nowhere in the text, or in this variant's examples alone."""
        grounding = self.locate(value, pattern)
        if grounding is None or grounding.kind != "absent":
            return ""
        own = self._copying[variant] if variant < len(self._copying) else None
        leaf = self._leaves.get(pattern)
        return "copied" if own and own.is_copied(value, self._source, leaf) else "absent"


@measure_once
def read_leakage(results: ResultData) -> tuple[ExampleLeakage, ...]:
    """For each variant: tells whether a value was copied from the examples it was shown."""
    shown = [each.examples if isinstance(each.examples, tuple) else () for each in results.variants]
    return tuple(
        ExampleLeakage.of((each.text, each.record) for each in shots if isinstance(each, Example))
        for shots in shown
    )


def ground_text(results: ResultData, text: int) -> TextGrounding:
    """One text, in which the values of all variants can be looked for."""
    return TextGrounding(results.texts[text], read_leakage(results))
