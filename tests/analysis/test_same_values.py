"""Values that say the same, by one rule wherever several answers are put side by side."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.analysis.comparators import FieldComparator, comparator_for, read_scoring
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.same_values import group_values, same_value
from llmwidgets.widgets.comparison.grid_model import GridIndex

ROWS = [{"name": "total", "type": "number"}, {"name": "code", "type": "string"}]
SCHEMA = lw.Comparison.from_outputs(ROWS, ["x"], {"A": [{}]}).texts[0].schema


def comparing(scoring: Any = None) -> FieldComparator:
    return comparator_for(SCHEMA, read_scoring(scoring, SCHEMA))


@pytest.mark.parametrize(
    ("values", "groups"),
    [
        ([5, "5.00", 6, "five or so"], [[0, 1], [2], [3]]),
        ([None, NOTHING, "", " ", [], {}], [[0, 1, 2, 3, 4, 5]]),
        ([None, "N/A", "n/a"], [[0], [1, 2]]),
        ([True, 1, 1.0], [[0], [1, 2]]),
        ([[1], [1], {"a": 1}], [[0, 1], [2]]),
        ([], []),
    ],
)
def test_values_are_grouped_by_the_first_that_says_the_same(values: Any, groups: Any) -> None:
    assert group_values(values, "total", comparing()) == groups


def test_the_users_rules_hold() -> None:
    assert group_values([1, 1.4, 1.8], "total", comparing({"total": "number:0.5"})) == [[0, 1], [2]]
    assert group_values(["AB", "ab"], "code", comparing({"code": "exact"})) == [[0], [1]]
    assert group_values(["AB", "ab"], "code", comparing()) == [[0, 1]]


@given(*[st.sampled_from([None, "", "a", "A", "1.0", 1, True, "N/A", [1], {"a": None}])] * 2)
def test_which_value_comes_first_does_not_matter(one: Any, other: Any) -> None:
    rules = comparing({"code": lambda value, truth: str(truth) in str(value)})
    for pattern in ("total", "code"):
        assert same_value(one, one, pattern, rules)
        assert same_value(one, other, pattern, rules) == same_value(other, one, pattern, rules)


def test_models_that_agree_against_the_truth_need_not_write_alike() -> None:
    """In the doubtful labels and in the grid alike, by the rules of scoring."""
    said = {"A": [{"total": 1250.4}], "B": [{"total": "1,250.40"}], "C": [{"total": 1250.8}]}
    for scoring, together in (({"total": "number:0.5"}, 3), (None, 2)):
        result = lw.Comparison.from_outputs(ROWS, ["x"], said, [{"total": 9}], scoring)
        assert result.doubtful_labels().variants.tolist() == [together]
        index = GridIndex(result)
        index.grow()
        counts = index.counts()
        assert (counts["against"], counts["among"]) == ((1, 0) if together == 3 else (0, 1))
