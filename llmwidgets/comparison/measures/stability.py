"""Repeats: what a variant says most often to one text, and how far its repeats say the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb, nan
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.same_values import group_values, same_value
from llmwidgets.comparison.core import ResultData, measure_once
from llmwidgets.comparison.measures.kept_scores import VariantValue
from llmwidgets.comparison.measures.text_result import (
    FieldResult,
    TextResult,
    comparator_of,
    compare_fields,
    data_to_compare,
    has_data,
    no_value,
    read_text_results,
    score_against,
)
from llmwidgets.formatting import count

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.analysis.comparators import FieldComparator
    from llmwidgets.analysis.scoring import Cell, TextScore
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.request_builder import Document


# -- One text: the value that most repeats have, the others behind it.


def at_repeat(value: VariantValue, repeat: int) -> VariantValue:
    """What a variant gives for a field in one of its repeats."""
    return value.given[repeat] if value.given else value


@dataclass(frozen=True, slots=True)
class RepeatedText:
    """One text with its fields; each value is a VariantValue where there are repeats."""

    document: Document
    values: tuple[FieldResult, ...]


def read_repeated(results: ResultData, text: int) -> RepeatedText:
    """What every variant says to one text, in all repeats."""
    return merge_repeats(results, read_text_results(results, text))


def merge_repeats(results: ResultData, answers: Sequence[TextResult]) -> RepeatedText:
    """One text, of which these are all repeats."""
    document = answers[0].document
    if len(answers) == 1:
        return RepeatedText(document, answers[0].values)
    variants = range(len(results.variants))
    extractions = [each.extractions[variant] for variant in variants for each in answers]
    scores = [each.scores[variant] for variant in variants for each in answers]
    answered = {at: each for at, each in enumerate(extractions) if has_data(each)}
    silent = [no_value(each) for each in extractions]
    comparing = comparator_of(document.schema, results.scoring)
    compared = list(compare_fields(document, answered, scores, results.scoring, len(answers)))
    fields = []
    for path, truth, values in compared or _as_given(answered, scores):
        whole = FieldResult(path, truth, ())
        given = [values.get(at, other) for at, other in enumerate(silent)]
        merged = tuple(
            _most_frequent(given[at : at + len(answers)], whole.pattern, comparing)
            for at in range(0, len(given), len(answers))
        )
        fields.append(FieldResult(path, truth, merged))
    return RepeatedText(document, tuple(fields))


def _as_given(
    answered: Iterable[int], scores: Sequence[TextScore]
) -> Iterator[tuple[str, Any, dict[int, VariantValue]]]:
    """Values with nothing to compare them with."""
    for at in answered:
        for cell in scores[at].cells:
            yield cell.path, NOTHING, {at: VariantValue("agree", cell.value)}


def _most_frequent(
    given: Sequence[VariantValue], pattern: str, comparing: FieldComparator
) -> VariantValue:
    there = [at for at, each in enumerate(given) if each.state != "failed"]
    if not there:
        return VariantValue("failed", failure=given[0].failure, given=tuple(given))
    found = group_values([given[at].value for at in there], pattern, comparing)
    groups = sorted((tuple(there[at] for at in group) for group in found), key=len, reverse=True)
    first = given[groups[0][0]]
    return VariantValue(first.state, first.value, given=tuple(given), groups=tuple(groups))


# -- All texts: the share of pairs of repeats that say the same.

ALL_FIELDS = "all fields"
"""The name of the row of a variant that has all its fields together."""

ASKED_ONCE = "Each text was asked once: give repeats=3 or more."


@dataclass(slots=True)
class PairCount:
    """Pairs of repeats that say the same, and all; texts, and those where all say the same."""

    same: int = 0
    pairs: int = 0
    steady: int = 0
    texts: int = 0

    def add(self, same: int, pairs: int) -> None:
        """Count one text."""
        self.same += same
        self.pairs += pairs
        self.steady += same == pairs
        self.texts += 1

    @property
    def stability(self) -> float | None:
        """The share of pairs that say the same; None without any."""
        return self.same / self.pairs if self.pairs else None


@dataclass(slots=True)
class VariantStability:
    """One variant's pairs by field and of all fields together; `failed` are without a record."""

    fields: dict[str, PairCount] = field(default_factory=dict)
    whole: PairCount = field(default_factory=PairCount)
    failed: int = 0

    def add(self, places: Iterable[tuple[str, int, int]]) -> None:
        """Count one text: the pattern of each of its places, pairs that say the same, and all."""
        sums: dict[str, list[int]] = {}
        for pattern, same, pairs in places:
            of_field = sums.setdefault(pattern, [0, 0])
            of_field[0] += same
            of_field[1] += pairs
        for pattern, (same, pairs) in sums.items():
            self.fields.setdefault(pattern, PairCount()).add(same, pairs)
        self.whole.add(sum(same for same, _ in sums.values()), sum(of for _, of in sums.values()))


@measure_once
def measure_stability(results: ResultData) -> tuple[VariantStability, ...]:
    """How far the repeats of each variant say the same, in one pass over all texts."""
    columns = tuple(VariantStability() for _ in results.variants)
    for text in range(len(results.texts) if results.repeats > 1 else 0):
        answers = [(each, each.statuses) for each in read_text_results(results, text)]
        for variant, column in enumerate(columns):
            there = [
                each for each, statuses in answers if _has_record(statuses[variant], each, variant)
            ]
            column.failed += len(answers) - len(there)
            if len(there) > 1:
                column.add(_count_pairs(there, variant, results))
    return columns


def _has_record(status: str, result: TextResult, variant: int) -> bool:
    """Whether a repeat brought a record, valid or not: told without reading it."""
    return status == "ok" or (
        status == "InvalidRecord"
        and any(cell.state != "failed" for cell in result.scores[variant].cells)
    )


def _count_pairs(
    answers: Sequence[TextResult], variant: int, results: ResultData
) -> Iterator[tuple[str, int, int]]:
    """Each place of one text: its pattern, the pairs of repeats that say the same, and all."""
    pairs = comb(len(answers), 2)
    cells = [each.scores[variant].cells for each in answers]
    if _are_alike(cells):
        for cell in cells[0]:
            if cell.value is not NOTHING:
                yield cell.pattern, pairs, pairs
        return
    document = answers[0].document
    comparing = comparator_of(document.schema, results.scoring)
    lists = [[each for each in own if "[]" in each.pattern] for own in cells]
    if not _are_alike(lists):
        lists = _aligned(answers, [each.extractions[variant] for each in answers], results)
    places: dict[str, tuple[str, list[Any]]] = {}
    for at, (own, in_lists) in enumerate(zip(cells, lists, strict=True)):
        for cell in (*(each for each in own if "[]" not in each.pattern), *in_lists):
            place = places.get(cell.path)
            if place is None:
                place = places[cell.path] = (cell.pattern, [NOTHING] * len(answers))
            place[1][at] = cell.value
    for pattern, given in places.values():
        if any(value is not NOTHING for value in given):
            yield pattern, _count_same(given, pattern, comparing), pairs


def _are_alike(cells: Sequence[Sequence[Cell]]) -> bool:
    """Whether all these repeats have the same values in the same places."""
    first, *others = ([(cell.path, cell.value) for cell in own] for own in cells)
    # 1 and True are equal, and not the same.
    return all(each == first for each in others) and all(
        type(cell.value) is type(other.value)
        for own in cells[1:]
        for cell, other in zip(cells[0], own, strict=True)
    )


def _aligned(
    answers: Sequence[TextResult], extractions: Sequence[Extraction], results: ResultData
) -> list[list[Cell]]:
    """The cells inside lists, each row in the place of the row it answers in one of the repeats.

    That one is the record which most repeats give, whichever came first.
    """
    document = answers[0].document
    data = [data_to_compare(each, document) for each in extractions]
    written = [json.dumps(each, sort_keys=True, default=str) for each in data]
    counts = Counter(written)
    most = max(counts, key=lambda each: (counts[each], len(each), each))
    reference = data[written.index(most)]
    scores = (score_against(document.schema, own, reference, results.scoring) for own in data)
    return [[cell for cell in each.cells if "[]" in cell.pattern] for each in scores]


def _count_same(values: Sequence[Any], pattern: str, comparing: FieldComparator) -> int:
    """How many pairs of these values say the same; values that are written alike do."""
    first = values[0]
    if all(each == first and type(each) is type(first) for each in values):
        return comb(len(values), 2)
    keys = [(type(each), repr(each)) for each in values]
    some, alike = dict(zip(keys, values, strict=True)), Counter(keys)
    return sum(comb(times, 2) for times in alike.values()) + sum(
        alike[one] * alike[other]
        for one, other in combinations(some, 2)
        if same_value(some[one], some[other], pattern, comparing)
    )


def stability_frame(results: ResultData) -> pd.DataFrame:
    """One row per field and variant: texts, repeats, stability and all_same (shares, 0–1).

    `stability` is the share of pairs of repeats that say the same: of the n repeats of a text
    that brought a record, each of the n(n − 1)/2 pairs is compared in each place of the field, by
    the rules of scoring; two that say nothing say the same. It is the observed agreement of
    Fleiss (Psychological Bulletin 76, 1971), over the pairs of all texts together. `all_same` is
    the share of texts in which every pair says the same, `texts` the number of texts with a place
    of the field and at least two records. The items of lists are paired with those of the
    record that most repeats give, whatever their order. A row per variant has `all fields`.

    `.attrs["notes"]` says how many repeats brought no record; with one repeat the table is empty,
    and it says so.
    """
    import pandas as pd

    columns = measure_stability(results)
    names = dict.fromkeys(
        [leaf.path for text in results.texts for leaf in text.schema.leaves]
        + [name for each in columns for name in each.fields]
    )
    counts = [(name, label, each.fields.get(name)) for name in names
              for label, each in zip(results.labels, columns, strict=True)]  # fmt: skip
    counts += [
        (ALL_FIELDS, label, each.whole if results.repeats > 1 else None)
        for label, each in zip(results.labels, columns, strict=True)
    ]
    rows = [
        (name, label, each.texts, results.repeats, each.stability, _share(each))
        for name, label, each in counts
        if each is not None
    ]
    head = ("field", "variant", "texts", "repeats", "stability", "all_same")
    frame = pd.DataFrame(rows, columns=pd.Index(head))
    frame = frame.astype({"stability": float, "all_same": float})
    frame.attrs["notes"] = list(stability_notes(results))
    return frame


def _share(counted: PairCount) -> float:
    return counted.steady / counted.texts if counted.texts else nan


def stability_notes(results: ResultData) -> tuple[str, ...]:
    """What a reader of the stability has to know besides it, in sentences."""
    if results.repeats == 1:
        return (ASKED_ONCE,)
    asked = len(results.texts) * results.repeats
    return tuple(
        f"{label}: {each.failed:,} of {count(asked, 'repeat')} brought no record and "
        f"{'is' if each.failed == 1 else 'are'} in no pair."
        for label, each in zip(results.labels, measure_stability(results), strict=True)
        if each.failed
    )
