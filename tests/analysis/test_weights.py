"""Weights of fields, and a tolerance in per cent: what holds for every weight and every number."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llmwidgets.analysis.comparators import read_scoring
from llmwidgets.analysis.rules import (
    Comparator,
    ListRule,
    ScoringFunction,
    Weighted,
    split_weight,
)
from llmwidgets.analysis.scoring import failed_score, score
from llmwidgets.errors import FieldError
from llmwidgets.schemas import read_schema

SCHEMA = read_schema([
    {"name": "name"}, {"name": "total", "type": "number"}, {"name": "notes"},
    {"name": "policy.number"}, {"name": "policy.kind"},
    {"name": "lines[].sku"}, {"name": "lines[].amount", "type": "number"},
])  # fmt: skip
FLAT = ("name", "total", "notes")
PLACES = (*FLAT, "policy", "policy.kind", "lines[]", "lines[].amount")
WEIGHTS = st.integers(0, 9) | st.floats(0, 1e300, allow_subnormal=True)
SOME = st.none() | st.sampled_from(["a", "b", "c"])
SUMS = st.none() | st.sampled_from([0, 1, 99, 100.5])
LINES = st.fixed_dictionaries({"sku": SOME}, optional={"amount": SUMS})
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "name": SOME, "notes": SOME, "total": SUMS,
        "policy": st.none() | st.fixed_dictionaries({}, optional={"number": SOME, "kind": SOME}),
        "lines": st.lists(LINES, max_size=3),
    },
)  # fmt: skip
RULES = st.dictionaries(st.sampled_from(PLACES), WEIGHTS, min_size=1)


def by_weights(weights: dict[str, float]) -> dict[str, Any]:
    return {place: {"weight": weight} for place, weight in weights.items()}


def half(value: Any, truth: Any) -> float:
    return 0.3


@given(RECORDS, RECORDS, st.floats(1e-300, 1e300), st.sampled_from([{}, {"name": half}]))
def test_equal_weights_change_nothing(value, truth, weight: float, rules) -> None:
    equal = {leaf.path: {"rule": rules.get(leaf.path), "weight": weight} for leaf in SCHEMA.leaves}
    own = score(SCHEMA, value, truth, scoring=equal)
    usual = score(SCHEMA, value, truth, scoring=rules)
    assert (own.accuracy, own.perfect, own.cells) == (usual.accuracy, usual.perfect, usual.cells)


@given(RECORDS, RECORDS, st.dictionaries(st.sampled_from(PLACES), st.integers(0, 9)),
       st.sampled_from([2.0**-60, 0.25, 8.0, 2.0**600]))  # fmt: skip
def test_only_how_large_weights_are_beside_each_other_matters(value, truth, weights, by) -> None:
    every = {**{leaf.path: 1 for leaf in SCHEMA.leaves}, **weights}
    # The nearest place decides, so what an object weighs is said where it is not overruled.
    every = {at: each for at, each in every.items() if at in weights or _outside(at, weights)}
    try:
        scoring = read_scoring(by_weights(every), SCHEMA)
    except FieldError:
        assume(False)
    larger = by_weights({at: each * by for at, each in every.items()})
    assert score(SCHEMA, value, truth, scoring=scoring).accuracy == (
        score(SCHEMA, value, truth, scoring=larger).accuracy
    )


def _outside(leaf: str, weights: dict[str, Any]) -> bool:
    return not any(leaf.startswith((f"{at}.", at)) for at in weights)


@given(RECORDS, RECORDS, RULES, st.sampled_from(FLAT))
def test_a_field_that_weighs_nothing_is_as_if_it_were_not_labelled(
    value, truth, weights, name: str
) -> None:
    weights = {**weights, name: 0.0}
    assume(any(weights.get(each, 1) for each in FLAT))
    without = {key: each for key, each in truth.items() if key != name}
    scoring = by_weights(weights)
    own = score(SCHEMA, value, truth, scoring=scoring)
    other = score(SCHEMA, value, without, scoring=scoring)
    assert own.accuracy == other.accuracy
    assert own.perfect == other.perfect
    lost = failed_score(SCHEMA, truth, read_scoring(scoring, SCHEMA).weights)
    assert (lost.accuracy is None) == (own.accuracy is None) or not without


@given(RECORDS, RECORDS, RULES)
def test_a_text_is_perfect_if_all_that_counts_is_right(value, truth, weights) -> None:
    assume(any(weights.get(each, 1) for each in FLAT))
    scoring = read_scoring(by_weights(weights), SCHEMA)
    found = score(SCHEMA, value, truth, scoring=scoring)
    weighs = scoring.weights
    counted = [each for each in found.cells if each.right is not None and weighs[each.pattern]]
    assert found.perfect == (bool(counted) and all(each.right for each in counted))
    assert (found.accuracy is None) == (not counted)
    assert found.accuracy is None or 0 <= found.accuracy <= 1
    assert found.perfect == (found.accuracy == 1)
    # What is counted, is counted without weights.
    usual = score(SCHEMA, value, truth)
    assert (found.labelled, found.right, found.invented, found.missed, found.lists) == (
        usual.labelled, usual.right, usual.invented, usual.missed, usual.lists
    )  # fmt: skip


@pytest.mark.parametrize(
    ("weights", "share"),
    [
        ({"total": 5}, 6 / 11),  # of name, total, notes, 2 of policy, 2 of a line
        ({"policy": 2}, 7 / 9),
        ({"policy": 2, "policy.kind": 0}, 6 / 7),
        ({"lines[]": 3}, 8 / 11),
        ({"lines[]": 3, "lines[].amount": 0}, 8 / 8),
        ({"policy": 0, "lines[]": 0}, 3 / 3),
        ({"lines[].amount": 0.5}, 6 / 6.5),
    ],
)
def test_the_nearest_place_that_has_a_weight_decides(weights, share) -> None:
    truth = {"name": "a", "total": 1, "notes": "n", "policy": {"number": "1", "kind": "k"},
             "lines": [{"sku": "s", "amount": 7}]}  # fmt: skip
    wrong = {"total": {"total": 2}, "policy": {"policy": {"number": "1", "kind": "x"}}}
    value = {**truth, "lines": [{"sku": "s", "amount": 8}]}
    if "total" in weights or weights.keys() == {"policy"}:
        value = {**truth, **(wrong["total"] if "total" in weights else wrong["policy"])}
    assert score(SCHEMA, value, truth, scoring=by_weights(weights)).accuracy == pytest.approx(share)


def test_a_list_without_rows_weighs_what_a_field_of_a_row_does_on_average() -> None:
    value, truth = {"name": "a", "lines": [{"sku": "s", "amount": 1}]}, {"name": "a", "lines": []}
    assert score(SCHEMA, value, truth, scoring={"lines[]": "weight:0"}).accuracy == 1
    assert score(SCHEMA, {"name": "a", "lines": []}, {"name": "b", "lines": []},
                 scoring={"lines[]": "weight:3"}).accuracy == 0.75  # fmt: skip
    weights = {"lines[].sku": "weight:5", "lines[].amount": "weight:1", "policy.kind": "weight:0"}
    truth = {"name": "b", "lines": [], "policy": None}
    value = {**truth, "name": "a"}
    assert score(SCHEMA, value, truth, scoring=weights).accuracy == pytest.approx(3.5 / 4.5)


def test_a_share_that_a_function_gives_counts_as_that_part_of_the_weight() -> None:
    scoring = {"name": {"rule": half, "weight": 4}}
    found = score(SCHEMA, {"name": "x", "notes": "n"}, {"name": "a", "notes": "n"}, scoring=scoring)
    assert found.accuracy == pytest.approx((4 * 0.3 + 1) / 5)


NUMBERS = st.integers(-(10**6), 10**6) | st.decimals(-1000, 1000, places=2).map(float)
PERCENT = st.sampled_from(["0.5", "1", "2.5", "50", "99.9"])


@given(NUMBERS, NUMBERS, PERCENT)
def test_a_tolerance_in_per_cent_is_of_the_truth_whatever_its_sign(truth, value, percent) -> None:
    rules = {"total": f"number:{percent}%"}
    right = score(SCHEMA, {"total": value}, {"total": truth}, scoring=rules).right
    turned = score(SCHEMA, {"total": -value}, {"total": -truth}, scoring=rules).right
    exact = abs(Decimal(repr(value)) - Decimal(repr(truth)))
    allowed = abs(Decimal(repr(truth))) * Decimal(percent) / 100
    # Binary floats may add a digit of their own behind the twelfth.
    assume(abs(exact - allowed) > Decimal("1e-9") or exact == allowed)
    assert right == turned == (exact <= allowed)


@pytest.mark.parametrize(
    ("truth", "value", "percent", "same"),
    [
        (100, 101, "1", True), (100, 99, "1", True), (100, 101.01, "1", False),
        (101, 100, "1", True), (99, 100, "1", False),  # of the truth, not of the value
        (-100, -101, "1", True), (-100, 100, "50", False),
        (0, 0, "1", True), (0, 0.0001, "99", False), (0, "0.00 €", "1", True),
        ("1.000 €", "$1,005.00", "1", False), ("1.000 €", "1.005,00 EUR", "1", True),
        (1000, "US$ 1,005.00", "1", True), (201, "two hundred", "1", True),
        (0.05, "5.04 %", "1", True), ("5 %", 0.0504, "1", True), ("5 %", 0.0506, "1", False),
        (5, "5.04%", "1", True), (10**20, 10**20 + 10**18, "1", True),
        (10**20, 10**20 + 10**18 + 1, "1", False), (0.3, 0.1 + 0.2, "0.5", True),
        ("about right", "about right", "1", True), ("a", "b", "1", False), (7, None, "1", False),
    ],
)  # fmt: skip
def test_a_tolerance_in_per_cent_reads_numbers_as_the_field_of_a_number_does(
    truth, value, percent, same
) -> None:
    found = score(
        SCHEMA, {"total": value}, {"total": truth}, scoring={"total": f"number:{percent}%"}
    )
    assert found.right == same


AMOUNTS = st.floats(0, 1e300, allow_nan=False, allow_infinity=False)
ALL_RULES = st.one_of(
    st.sampled_from(["exact", "text", "number", "date"]).map(Comparator),
    AMOUNTS.map(lambda each: Comparator("number", each)),
    st.floats(0, 100, exclude_min=True, exclude_max=True).map(lambda a: Comparator("percent", a)),
    st.floats(0, 1, exclude_min=True).map(lambda each: Comparator("similar", each)),
    st.floats(0, 1, exclude_min=True).map(lambda each: ListRule(share=each)),
    st.sampled_from([ListRule(("sku",)), ListRule(("sku", "unit price"))]),
)


@given(st.none() | ALL_RULES, AMOUNTS)
def test_a_rule_reads_as_what_it_is_written_as(rule, weight: float) -> None:
    place = "lines[]" if isinstance(rule, ListRule) else "total"
    for each in (rule, Weighted(weight, rule)):
        if each is not None:
            assert read_scoring({place: str(each)}, None)[place] == each


@pytest.mark.parametrize(
    ("written", "rule", "weight"),
    [
        ("weight:5", None, 5), ("number:0.01 weight:5", "number:0.01", 5),
        ("weight:5 number:0.01", "number:0.01", 5),
        ("number: 1 %  weight: 0.50", "number: 1 %", 0.5),
        ("key:sku, date weight:2", "key:sku, date", 2), ("key:weight", "key:weight", None),
        ({"rule": "number:1%", "weight": 3}, "number:1%", 3), ({"weight": 0}, None, 0),
        ({"rule": half}, half, None), ({"rule": half, "weight": np.int64(2)}, half, 2),
        ({"rule": "exact weight:4"}, "exact", 4), ({"weight": Decimal("1.5")}, None, 1.5),
        ({"weight": np.float32(2)}, None, 2), ({"weight": "2e1"}, None, 20),
        ("exact", "exact", None),
    ],
)  # fmt: skip
def test_how_a_weight_may_be_written(written, rule, weight) -> None:
    assert split_weight(written) == (rule, weight)


def test_a_function_in_a_mapping_is_a_function() -> None:
    read = read_scoring({"total": {"rule": half, "weight": 5}}, SCHEMA)["total"]
    assert read == Weighted(5.0, ScoringFunction(half))
    assert str(read) == "half weight:5"
    assert read_scoring({"total": read}, SCHEMA)["total"] == read


NOTHING_COUNTS = {leaf.path: "weight:0" for leaf in SCHEMA.leaves}


@pytest.mark.parametrize(
    ("scoring", "said"),
    [
        ({"total": "weight:-1"}, "total: '-1' is not a weight; give a number, 0 or more."),
        ({"total": "weight:nan"}, "total: 'nan' is not a weight"),
        ({"total": "weight:5%"}, "'5%' is not a weight"),
        ({"total": "weight:"}, "'' is not a weight"),
        ({"total": {"weight": -0.1}}, "-0.1 is not a weight"),
        ({"total": {"weight": float("inf")}}, "inf is not a weight"),
        ({"total": {"weight": True}}, "True is not a weight"),
        ({"total": {"weight": None}}, "None is not a weight"),
        ({"total": {"weight": 10**400}}, "is not a weight"),
        ({"total": "weight:1 weight:2"}, "has more than one weight"),
        ({"total": {"rule": "number weight:1", "weight": 2}}, "has more than one weight"),
        ({"total": {"weigth": 2}}, 'must be a rule, or as in {"rule": a function, "weight": 5}.'),
        ({"total": {}}, "must be a rule"),
        ({"total": "fuzzy weight:2"}, "total: unknown comparator 'fuzzy'"),
        ({"totl": "weight:2"}, "totl: The schema has no such field. Nearest is total."),
        ({"polcy": "weight:2"}, "Nearest is policy."),
        ({"lines": "weight:2"}, "The items of a list are written with []: lines[], lines[].sku"),
        ({"policy": "exact weight:2"}, "policy: The schema has no such field. Its fields are"),
        ({"": "weight:2"}, "The whole record has no weight"),
        ({"": {"rule": half, "weight": 2}}, "The whole record has no weight"),
        ({"": half, "total": "weight:2", "name": "exact"},
         "so the weight of total would do nothing. Give one of the two: the function, or weights."),
        (NOTHING_COUNTS, "Every field has the weight 0, so nothing counts."),
        ({"name": "weight:0", "total": "weight:0", "notes": "weight:0", "policy": "weight:0",
          "lines[]": "weight:0"}, "Every field has the weight 0"),
        ({"total": "number:100%"}, "'number:100%' is not a tolerance; give one under 100 %"),
        ({"total": "number:250%"}, "is not a tolerance"),
        ({"total": "number:-1%"}, "is not a tolerance"),
        ({"total": "number:nan%"}, "is not a tolerance"),
        ({"total": "number:%"}, "is not a tolerance"),
        ({"total": "exact:1%"}, "unknown comparator"),
    ],
)  # fmt: skip
def test_what_is_not_a_weight_is_said(scoring, said: str) -> None:
    with pytest.raises(FieldError) as caught:
        read_scoring(scoring, SCHEMA)
    assert said in str(caught.value)
