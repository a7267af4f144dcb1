"""One text as all variants answered it: each answer scored, and the fields side by side."""

from __future__ import annotations

import marshal
import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from llmwidgets.analysis.comparators import FieldComparator, comparator_for, read_rule
from llmwidgets.analysis.grounding import ExampleLeakage, Grounding, SourceText, ground
from llmwidgets.analysis.leaves import NOTHING, is_empty, says_no_value
from llmwidgets.analysis.rules import (
    RECORD,
    LostFunction,
    ReadRules,
    Rule,
    ScoringFunction,
    Weighted,
    plain_digits,
    split_weight,
)
from llmwidgets.analysis.same_values import group_values
from llmwidgets.analysis.scoring import TextScore, failed_score, score
from llmwidgets.comparison.core import ResultData, Rules, measure_once, read_extractions
from llmwidgets.comparison.measures.kept_scores import (
    Among,
    Facts,
    Outcome,
    Scored,
    VariantValue,
    kept_scores,
    pack_facts,
    unpack_facts,
)
from llmwidgets.comparison.values import to_jsonable
from llmwidgets.dialects.types import Example
from llmwidgets.errors import FAILURES, FieldError
from llmwidgets.report.scoreboard import State
from llmwidgets.schemas.canonical import pattern_of
from llmwidgets.schemas.python_code import python_name

if TYPE_CHECKING:
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.request_builder import Document
    from llmwidgets.schemas import Leaf, Schema


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
    return failed_score(text.schema, text.truth, rules_for(text.schema, scoring).weights)


def has_data(extraction: Extraction | Outcome) -> bool:
    """Whether there is a record to look at, valid or not."""
    if isinstance(extraction, Outcome):
        return extraction.has_data
    return extraction.status == "ok" or (
        extraction.status == "InvalidRecord" and extraction.data is not None
    )


def _is_lost(status: str, has_data: bool) -> bool:
    """Whether the model answered and its own failure left no record."""
    failure = FAILURES.get(status)
    return failure is not None and failure.scored and not has_data


def is_labelled(text: Document, scoring: Rules = None) -> bool:
    """Whether the text's truth labels any field that counts."""
    if text.truth is NOTHING:
        return False
    weights = rules_for(text.schema, scoring).weights
    return failed_score(text.schema, text.truth, weights).accuracy is not None


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
    return score(schema, data, truth, scoring=rules_for(schema, scoring))


def comparator_of(schema: Schema, scoring: Rules) -> FieldComparator:
    """Tells which values of a field are the same, by the same rules."""
    return comparator_for(schema, rules_for(schema, scoring))


def rules_for(schema: Schema, scoring: Rules) -> ReadRules:
    """The rules that this schema has the fields for."""
    rules = tuple([(name, _hashable(how)) for name, how in (scoring or {}).items()])
    return _rules(rules, schema) if scoring else _NO_RULES


_NO_RULES = ReadRules()


def _hashable(how: Any) -> Any:
    """A rule by which it is known again; a function of the user's need not be hashable."""
    if isinstance(how, str):
        return how
    if isinstance(how, Mapping):
        rule, weight = split_weight(how)
        return Weighted(weight or 0.0, _hashable(rule))
    return ScoringFunction(how) if callable(how) else how


@lru_cache(maxsize=1024)
def _rules(scoring: tuple[tuple[str, Any], ...], schema: Schema) -> ReadRules:
    read = ((name, rule_of(name, how, schema)) for name, how in scoring)
    return ReadRules({name: rule for name, rule in read if rule is not None}, schema)


def rule_of(name: str, how: Any, schema: Schema) -> Rule | None:
    """One rule as this schema reads it; None where it does not have the fields for it."""
    try:
        return read_rule(name, how, schema)
    except FieldError:
        return None


def rule_text(rule: Any) -> str:
    """A rule as a reader knows it: its text, or the name of the user's function."""
    bare, weight = (rule, None) if isinstance(rule, str) else split_weight(rule)
    text = str(ScoringFunction(bare)) if callable(bare) else str(bare)
    return text if weight is None else f"{text}, weight:{plain_digits(weight)}"


def write_rule(written: Any, rule: Rule) -> Any:
    """A rule that was read from what the user wrote, as results keep it.

    It is a text, or a function as it is; one with a weight is {"rule": …, "weight": …}.
    """
    bare, weight = split_weight(written)
    bare = bare.function if isinstance(bare, ScoringFunction) else bare
    if not (callable(bare) or isinstance(bare, LostFunction)):
        return str(rule)
    return bare if weight is None else {"rule": bare, "weight": weight}


DOCUBENCH = (
    "take docubench from benchmarks/docubench.py of the repository, and give scoring=docubench."
)
"""How to score by DocuBench's rules, which once were in this package."""


# -- Names and literals of code that users copy.

_NAMES_OF_SCRIPTS = re.compile(
    r"json|lw|schema(_\d+)?|texts|outputs|truth|group|examples|result|print|len|globals"
    r"|invoices|emails|jobs"
)
"""What the code of a comparison names itself, or uses."""


def name_in_code(path: str, rule: Any) -> str:
    """The name of a function in Python; if it has none, one that shows what it is for."""
    bare = split_weight(rule)[0]
    name = bare.name if isinstance(bare, LostFunction) else rule_text(bare)
    return name if is_free_name(name) else python_name(f"compare_{path or 'records'}")


def function_in_code(name: str, weight: float | None) -> str:
    """A rule that is a function of this name, as Python."""
    return name if weight is None else f'{{"rule": {name}, "weight": {plain_digits(weight)}}}'


def is_free_name(name: str) -> bool:
    """Whether a class or function of this name keeps it in the code of a comparison."""
    return python_name(name) == name and not _NAMES_OF_SCRIPTS.fullmatch(name)


# -- The fields of one text, side by side.

DISAGREEING = frozenset({"differ", "missing", "invented", "null in words"})
"""The states of a value that is not the truth, or not what the other variants have."""


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
        return pattern_of(self.path)

    @property
    def disagreeing(self) -> int:
        """How many variants have another value."""
        return sum(each.state in DISAGREEING for each in self.values)


@dataclass(frozen=True, slots=True)
class Difference(FieldResult):
    """A field where variants disagree or differ from the truth, with its text."""

    text_id: str
    repeat: int


class TextResult:
    """One text (and repeat): for each variant how it ended, its score, and the fields.

    It is made of the scores that are kept. `extractions` are read from the journal where somebody
    asks for them.
    """

    def __init__(
        self, results: ResultData, text: int, repeat: int, scored: Scored,
        extractions: tuple[Extraction, ...] | None = None,
    ) -> None:  # fmt: skip
        self.text, self.repeat, self.document = text, repeat, results.texts[text]
        self.outcomes, self._facts, self.scores, self._among = scored
        self._results, self._read = results, extractions

    @property
    def extractions(self) -> tuple[Extraction, ...]:
        """What each variant answered, in full."""
        if self._read is None:
            self._read = read_extractions(self._results, [(self.text, self.repeat)])
        return self._read

    @property
    def facts(self) -> tuple[Facts, ...]:
        """What each variant's sums count besides its score."""
        pairs = zip(self.outcomes, self._facts, strict=True)
        return tuple([unpack_facts(outcome.status, packed) for outcome, packed in pairs])

    @property
    def statuses(self) -> tuple[str, ...]:
        """How each variant ended: `ok`, or the class of its failure."""
        return tuple([each.status for each in self.outcomes])

    @cached_property
    def fields(self) -> tuple[FieldResult, ...]:
        """Every field that can be compared, in the order of the schema, with what each gives."""
        return (*self._labelled(), *(FieldResult(at, NOTHING, given) for at, given in self._among))

    @cached_property
    def differences(self) -> list[Difference]:
        """The fields that differ, in the order of the schema; failures are in every row.

        Where nothing else differs, a failure of the model's own has a row.
        """
        paths = {
            cell.path
            for scored, outcome in zip(self.scores, self.outcomes, strict=True)
            if outcome.has_data and scored.right < len(scored.cells)
            for cell in scored.cells
            if cell.right is False
        }
        among = [
            FieldResult(path, NOTHING, given)
            for path, given in self._among
            if any(each.state not in ("agree", "failed") for each in given)
        ]
        differing = [*self._labelled(paths), *among]
        if not differing and any(_is_lost(each.status, each.has_data) for each in self.outcomes):
            differing = [FieldResult("", NOTHING, tuple(self._silent))]
        return [
            Difference(each.path, each.truth, each.values, self.document.id, self.repeat)
            for each in differing
        ]

    @property
    def values(self) -> tuple[FieldResult, ...]:
        """The fields; values with nothing to compare them with as they are."""
        if self.fields or not self._answered:
            return self.fields
        values = [{cell.path: cell.value for cell in each.cells} for each in self.scores]
        return tuple(
            FieldResult(
                path,
                NOTHING,
                tuple(
                    each._replace(value=own.get(path, NOTHING))
                    for own, each in zip(values, self._silent, strict=True)
                ),
            )
            for path in dict.fromkeys(path for each in values for path in each)
        )

    @cached_property
    def _answered(self) -> dict[int, TextScore]:
        """The scores of the variants that gave a record."""
        pairs = enumerate(zip(self.outcomes, self.scores, strict=True))
        return {at: score for at, (outcome, score) in pairs if outcome.has_data}

    @cached_property
    def _silent(self) -> list[VariantValue]:
        """What each variant gives for a field that is not in its answer, or without an answer."""
        return [
            VariantValue("agree") if each.has_data else VariantValue("failed", failure=each.status)
            for each in self.outcomes
        ]

    def _labelled(self, paths: Container[str] | None = None) -> Iterator[FieldResult]:
        """The fields with a label; of these paths alone, where they are given."""
        found: dict[str, tuple[Any, list[VariantValue]]] = {}
        known: dict[int, list[tuple[str, Any, VariantValue]]] = {}
        for at, scored in self._answered.items() if paths is None or paths else ():
            own = known.get(id(scored))
            if own is None:
                own = known[id(scored)] = [
                    (path, truth, VariantValue("agree", value) if right else _wrong(state, value))
                    for path, _, value, truth, state, right, _ in scored.cells
                    if right is not None and (paths is None or path in paths)
                ]
            for path, truth, given in own:
                if path not in found:
                    found[path] = truth, self._silent.copy()
                found[path][1][at] = given
        for path, (truth, values) in found.items():
            yield FieldResult(path, truth, tuple(values))


def _wrong(state: str, value: Any) -> VariantValue:
    return VariantValue(_AS_THEY_ARE.get(state, "differ"), value)


_AS_THEY_ARE: dict[str, State] = {
    "missing": "missing", "invented": "invented", "null in words": "null in words",
}  # fmt: skip
"""The states of a cell that is not right and that a reader is told as they are."""


def no_value(extraction: Extraction) -> VariantValue:
    """What a variant gives for a field that is not in its answer, or without an answer."""
    if has_data(extraction):
        return VariantValue("agree")
    return VariantValue("failed", failure=extraction.status)


def read_text_result(results: ResultData, text: int, repeat: int) -> TextResult:
    """What every variant answered to one text: scored now, or read from what is kept of it."""
    return next(_read_units(results, [text * results.repeats + repeat]))


def read_text_results(results: ResultData, text: int) -> list[TextResult]:
    """The answers to one text, one for each repeat."""
    first = text * results.repeats
    return list(_read_units(results, range(first, first + results.repeats)))


def read_all_results(results: ResultData, *, keep: bool = True) -> Iterator[TextResult]:
    """The answers to every text in its order, its repeats one after the other.

    Without `keep`, what is scored on the way is not kept for further views.
    """
    return _read_units(results, range(len(results.texts) * results.repeats), keep=keep)


_AT_ONCE = 200
"""How many extractions are read from the journal at once."""


def _read_units(
    results: ResultData, units: Sequence[int], *, keep: bool = True
) -> Iterator[TextResult]:
    kept, rows = kept_scores(results), results.rows
    step = max(1, _AT_ONCE // len(results.variants))
    for first in range(0, len(units), step):
        some = units[first : first + step]
        # Looked up before replies are read: where one comes meanwhile, the text is scored again.
        versions = {at: rows.version(at) for at in some}
        fresh = [at for at in some if not kept.has(at, versions[at])]
        places = {at: divmod(at, results.repeats) for at in some}
        read = iter(read_extractions(results, [places[at] for at in fresh]))
        answers = {at: tuple(islice(read, len(results.variants))) for at in fresh}
        for at in some:
            scored, own = kept.get(at, versions[at]), answers.get(at)
            if scored is None:
                own = own or read_extractions(results, [places[at]])
                scored = _score_answers(results.texts[places[at][0]], own, results.scoring)
                if keep:
                    kept.put(at, versions[at], scored)
            yield TextResult(results, *places[at], scored, own)


def _score_answers(text: Document, extractions: Sequence[Extraction], scoring: Rules) -> Scored:
    """What every variant answered to one text, scored; the same data is scored once."""
    outcomes, scores, known = [], [], dict[Any, TextScore]()
    plain = not text.by_record and (text.truth is NOTHING or _is_flat(text.truth))
    for each in extractions:
        flat = plain and _is_flat(each.data)
        outcomes.append(Outcome(each.status, has_data(each), each.asked, flat))
        key = (each.status, marshal.dumps(each.data, 2))
        if text.by_record or key not in known:
            known[key] = score_extraction(each, text, scoring)
        scores.append(known[key])
    answered = {at: each for at, each in enumerate(extractions) if outcomes[at].has_data}
    cells = [cell for at in answered for cell in scores[at].cells]
    among: Among = ()
    if len(answered) > 1 and any(cell.right is None for cell in cells):
        labelled = {cell.pattern for cell in cells if cell.right is not None}
        silent = {
            at: VariantValue("failed", failure=each.status) for at, each in enumerate(extractions)
        }
        among = tuple(
            (path, tuple((silent | values).values()))
            for path, _, values in _among_themselves(text, answered, labelled, scoring, 1)
        )
    facts = tuple([pack_facts(each) for each in extractions])
    return Scored(tuple(outcomes), facts, tuple(scores), among)


def _is_flat(data: Any) -> bool:
    """Whether this is an object of plain values."""
    return isinstance(data, dict) and _FOLDED.isdisjoint(map(type, data.values()))


_FOLDED = frozenset({dict, list, tuple})


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


@lru_cache(maxsize=64)
def leaves_by_path(schema: Schema) -> Mapping[str, Leaf]:
    """The leaves of a schema by their patterns."""
    return {leaf.path: leaf for leaf in schema.leaves}


class TextGrounding:
    """One text in which values are looked for; each is looked for once, whoever gave it."""

    def __init__(self, text: Document, copying: Sequence[ExampleLeakage] = ()) -> None:
        try:
            self._source = SourceText(text.text)
        except FieldError:
            # Its file is gone: nothing is said of what is in it.
            self._source = SourceText("")
        self._leaves = leaves_by_path(text.schema)
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
