"""What counts as right: the rules by example, in the documentation and on judged pairs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.analysis import comparators
from llmwidgets.analysis.scoring import score
from llmwidgets.schemas import Schema, read_schema
from tests.analysis.what_counts import DOCUMENT, RULES, table, written

_KINDS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"}, "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "time": {"type": "string", "format": "time"}, "uuid": {"type": "string", "format": "uuid"},
    "uri": {"type": "string", "format": "uri"},
    "duration": {"type": "string", "format": "duration"}, "enum": {"enum": ["car", "bike"]},
    "list": {"type": "array", "items": {}},
}  # fmt: skip
REMAINING: dict[tuple[str, str, str], str] = {}
"""Judged pairs that are scored against their judgement, each with the reason: none is left."""


def a_schema(kind: str) -> Schema:
    kind = "text" if kind == "string" else kind
    return read_schema({"type": "object", "properties": {"x": _KINDS.get(kind, {"type": kind})}})


def is_right(kind: str, truth: Any, value: Any) -> bool:
    scored = score(a_schema(kind), {"x": value}, {"x": truth})
    return scored.right == scored.labelled


def examples(*, right: bool) -> list[tuple[str, Any, Any]]:
    return [(rule.field, *pair) for rule in RULES for pair in (rule.right if right else rule.wrong)]


@pytest.mark.parametrize(("kind", "truth", "value"), examples(right=True))
def test_an_example_of_the_same_is_right(kind: str, truth: Any, value: Any) -> None:
    assert is_right(kind, truth, value)
    assert kind != "text" or is_right(kind, value, truth)


@pytest.mark.parametrize(("kind", "truth", "value"), examples(right=False))
def test_an_example_of_another_value_is_wrong(kind: str, truth: Any, value: Any) -> None:
    assert not is_right(kind, truth, value)
    assert kind != "text" or not is_right(kind, value, truth)


def test_the_table_of_the_documentation_is_current() -> None:
    """`python -m tests.analysis.what_counts` has been run after the last change of an example."""
    text = DOCUMENT.read_text("utf-8")
    assert written(text) == text
    assert table() in text


def test_judged_pairs_are_scored_as_judged(shared_data) -> None:
    """Of those judged wrong at most 1.5 % are right, of those judged right at most 5 % wrong."""
    judged = json.loads((shared_data / "pairs.json").read_text("utf-8"))
    against: dict[int, list[tuple[str, str, str]]] = {0: [], 1: []}
    count = {0: 0, 1: 0}
    for kind, truth, value, right in judged:
        if right is None:
            continue
        count[right] += 1
        labelled = truth != "" or value != ""
        if labelled and is_right(kind, truth, value) != bool(right):
            against[right].append((kind, json.dumps(truth), json.dumps(value)))
    assert count[0] > 100
    assert count[1] > 100
    assert len(against[0]) <= 0.015 * count[0]
    assert len(against[1]) <= 0.05 * count[1]
    assert {*against[0], *against[1]} == set(REMAINING)


@given(
    st.floats(-1e16, 1e16) | st.integers(-(10**18), 10**18),
    st.floats(-1e16, 1e16) | st.integers(-100, 100),
    st.sampled_from([0.0, 0.01, 1.0, 1e3]),
    st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_numbers_far_apart_are_told_apart_as_their_decimals_would_be(one, other, amount, near):
    other = one + other * 1e-15 if near else other
    if comparators._are_far_apart(one, other, amount):
        parsed = comparators.parse_value(one), comparators.parse_value(other)
        assert not comparators._number(*parsed, (one, other), amount)
