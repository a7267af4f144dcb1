"""The user's schema judges every record, in words that hold no value."""

from __future__ import annotations

import json
from datetime import date
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, field_validator

from llmwidgets.errors import InvalidRecord
from llmwidgets.schemas import Problem, read_schema

CANARY = "canary-7341"
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


class Line(BaseModel):
    name: str
    total: float | None = None


class Invoice(BaseModel):
    number: str
    day: date
    kind: Literal["invoice", "credit"] = "invoice"
    lines: list[Line] = []

    @field_validator("number")
    @classmethod
    def known(cls, value: str) -> str:
        if value.startswith("bad"):
            raise ValueError(f"{value} is bad")
        return value


def test_a_valid_record_becomes_the_pydantic_object():
    record = read_schema(Invoice).judge({"number": "1", "day": "2024-02-29"})
    assert record == Invoice(number="1", day=date(2024, 2, 29))


def test_a_valid_record_of_a_json_schema_is_the_json():
    data = {"a": 1}
    assert read_schema({"type": "object", "properties": {"a": {}}}).judge(data) is data


def test_json_schema_judges_first():
    """Pydantic would turn "1.5" into a number; the JSON Schema asks for one."""
    with pytest.raises(InvalidRecord) as caught:
        read_schema(Line).judge({"name": "x", "total": "1.5"})
    assert "total must be a number or null" in caught.value.message


def test_the_pydantic_class_judges_too_and_its_words_are_not_repeated():
    with pytest.raises(InvalidRecord) as caught:
        read_schema(Invoice).judge({"number": f"bad {CANARY}", "day": "2024-02-29"})
    assert caught.value.message == (
        "The record does not fit the schema: number is refused by Invoice: value error."
    )


def test_formats_are_asserted():
    problems = read_schema(Invoice).problems({"number": "1", "day": "29 Feb"})
    assert problems == [Problem("day", "is not in the format date")]


def test_problems_name_places_and_rules():
    problems = read_schema(Invoice).problems(
        {"number": 1, "day": "2024-02-29", "kind": "x", "lines": [{"name": "a"}, {}]}
    )
    assert {str(each) for each in problems} == {
        "number must be a text",
        "kind is not one of the allowed values",
        "lines[1].name is required and missing",
    }


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {CANARY: "x"}),
        ({"type": "object", "additionalProperties": False}, {CANARY: CANARY}),
        ({"properties": {"a": {"enum": ["b"]}}}, {"a": CANARY}),
        ({"properties": {"a": {"const": "b"}}}, {"a": CANARY}),
        ({"properties": {"a": {"pattern": "^b"}}}, {"a": CANARY}),
        ({"properties": {"a": {"maxLength": 2}}}, {"a": CANARY}),
        ({"properties": {"a": {"anyOf": [{"type": "null"}, {"maxLength": 1}]}}}, {"a": CANARY}),
        ({"propertyNames": {"maxLength": 2}}, {CANARY: 1}),
        ({"not": {"required": [CANARY[:3] + "x"]}, "items": {"type": "null"}}, [CANARY]),
        (Invoice, {"number": f"bad{CANARY}", "day": "2024-01-01"}),
    ],
)
def test_no_problem_holds_a_value(schema, data):
    with pytest.raises(InvalidRecord) as caught:
        read_schema(schema).judge(data)
    shown = f"{caught.value}{caught.value!r}{caught.value.__context__!r}{caught.value.__cause__!r}"
    assert CANARY not in shown


def test_a_nullable_field_is_judged_by_its_own_rule():
    """`anyOf` with null says what the other branch asks for."""
    problems = read_schema(Line).problems({"name": "x", "total": "much"})
    assert problems == [Problem("total", "must be a number or null")]


@given(any_json)
@settings(max_examples=150, deadline=None)
def test_any_reply_is_judged_without_a_crash(data):
    schema = read_schema(Invoice)
    problems = schema.problems(data)
    if problems:
        with pytest.raises(InvalidRecord, match="does not fit"):
            schema.judge(data)
    else:
        assert isinstance(schema.judge(data), Invoice)


def test_values_json_cannot_hold_are_a_problem_and_no_crash():
    schema = read_schema({"type": "object", "properties": {"a": {"type": "string"}}})
    assert schema.problems({"a": object()}) == [Problem("", "is not a JSON value")]
    assert schema.problems(float("nan")) != []


def test_truth_may_leave_fields_out():
    schema = read_schema(Invoice)
    assert schema.judge_partial({"lines": [{"total": 3}]}) == []
    assert schema.judge_partial({}) == []
    assert schema.judge_partial({"lines": [{"total": "x"}]}) != []
    assert schema.judge_partial({"kind": "other"}) != []


def test_a_property_called_required_is_still_judged_in_truth():
    schema = read_schema({"type": "object", "properties": {"required": {"type": "integer"}}})
    assert schema.judge_partial({"required": "x"}) != []


def test_real_claims_fit_their_schema(shared_data):
    folder = shared_data / "insurance-claims"
    schema = read_schema(folder / "schema.json")
    for line in (folder / "claims.jsonl").read_text("utf-8").splitlines():
        assert schema.problems(json.loads(line)["truth"]) == []
    assert len(schema.leaves) > 10


@pytest.mark.parametrize(
    ("keyword", "limit", "value", "said"),
    [
        ("maxItems", 1, [1, 2], "may have at most 1 item"),
        ("minItems", 2, [], "must have at least 2 items"),
        ("maxLength", 1, "ab", "may have at most 1 character"),
        ("minLength", 3, "ab", "must have at least 3 characters"),
        ("minProperties", 1, {}, "must have at least 1 property"),
        ("maxProperties", 2, {"a": 1, "b": 2, "c": 3}, "may have at most 2 properties"),
    ],
)
def test_a_limit_agrees_with_its_number(keyword, limit, value, said):
    schema = read_schema({"properties": {"x": {keyword: limit}}})
    assert [str(each) for each in schema.problems({"x": value})] == [f"x {said}"]
