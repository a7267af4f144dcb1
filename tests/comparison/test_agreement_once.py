"""Agreement compares no two values twice, and counts as comparing every two records would."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings

from llmwidgets.analysis import comparators
from llmwidgets.analysis.leaves import NOTHING, is_empty
from llmwidgets.comparison.comparison import Comparison
from llmwidgets.comparison.measures.aggregate import measure_agreement
from llmwidgets.comparison.measures.text_result import has_data, read_all_results, score_against
from tests.comparison.test_kept_scores import SCHEMA, made


def every_two_records(
    comparison: Comparison,
) -> dict[tuple[int, int], tuple[Counter[str], Counter[str]]]:
    """For every two variants the cells that are the same, and all, by pattern."""
    counted = {pair: (Counter[str](), Counter[str]()) for pair in combinations(range(3), 2)}
    for result in read_all_results(comparison):
        data = [each.data if has_data(each) else NOTHING for each in result.extractions]
        for (a, b), (same, of) in counted.items():
            if NOTHING in (data[a], data[b]):
                continue
            written = {json.dumps(data[at], sort_keys=True) for at in (a, b)}
            for truth, value in permutations((data[a], data[b])):
                schema, rules = result.document.schema, comparison.scoring
                for cell in score_against(schema, value, truth, rules).cells:
                    silent = cell.value is NOTHING and is_empty(cell.truth)
                    if not silent and not (cell.truth is NOTHING and is_empty(cell.value)):
                        same[cell.pattern] += len(written) == 1 or bool(cell.right)
                        of[cell.pattern] += 1
    return counted


@given(made())
@settings(max_examples=120, deadline=None)
def test_agreement_is_that_of_every_two_records(comparison: Comparison) -> None:
    """Lists, blanks, words for nothing, rules of one's own, and records without truth included."""
    pairs = measure_agreement(comparison).pairs
    assert {pair: (each.same, each.of) for pair, each in pairs.items()} == every_two_records(
        comparison
    )


def test_equal_values_never_meet_a_comparator(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = {label: [{"name": "Ada", "total": 1.5}] * 50 for label in "ABCD"}
    outputs["D"] = [{"name": "Bob", "total": 1.5}] * 50
    comparison = Comparison.from_outputs(SCHEMA, ["x"] * 50, outputs)
    comparison.scoreboard()
    met = []
    same = comparators.FieldComparator.same

    def watched(self: object, pattern: str, truth: object, value: object) -> bool:
        met.append((truth, value))
        return same(self, pattern, truth, value)

    monkeypatch.setattr(comparators.FieldComparator, "same", watched)
    agreement = comparison.agreement()
    assert agreement.loc["A", "D"] == 0.5
    assert sorted(met) == [("Ada", "Bob"), ("Bob", "Ada")]
