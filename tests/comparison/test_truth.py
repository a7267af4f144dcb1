"""Truth comes in many shapes and is read against the schema before the first call."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.runs import read_documents
from llmwidgets.errors import FieldError


class Policy(BaseModel):
    number: str | None
    valid: bool | None = None


class Claim(BaseModel):
    claim_number: str | None
    amount: float | None = None
    count: int | None = None
    day: dt.date | None = None
    policy: Policy | None = None
    tags: list[str] = []


TEXTS = ["first document", "second document"]


def truths(truth, texts=TEXTS, schema=Claim):
    return [each.truth for each in read_documents(schema, texts, truth)]


def test_no_truth_is_not_labelled() -> None:
    assert truths(None) == [NOTHING, NOTHING]


SHAPES = {
    "list": [{"claim_number": "A"}, None],
    "by id": {"text-01": {"claim_number": "A"}},
    "Series": pd.Series([{"claim_number": "A"}, None]),
    "DataFrame": pd.DataFrame({"claim_number": ["A", None]}),
    "DataFrame by id": pd.DataFrame({"id": ["text-01"], "claim_number": ["A"]}),
    "JSON text": ['{"claim_number": "A"}', None],
    "pydantic": [Claim(claim_number="A"), None],
}


@pytest.mark.parametrize("truth", SHAPES.values(), ids=SHAPES.keys())
def test_every_shape_gives_the_same_truth(truth) -> None:
    assert truths(truth) == [{"claim_number": "A"}, NOTHING]


def test_truth_in_the_rows_of_the_texts() -> None:
    rows = [{"text": "x", "truth": {"claim_number": "A"}}, {"text": "y"}]
    assert truths(None, rows) == [{"claim_number": "A"}, NOTHING]


def test_null_is_a_label_and_an_absent_key_is_none() -> None:
    assert truths([{"claim_number": None}, {}]) == [{"claim_number": None}, {}]


def test_null_labels_also_a_field_that_may_not_be_null() -> None:
    """The text holds no value: that is true whatever the schema would like."""
    schema = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}
    assert truths([{"n": None}], ["x"], schema) == [{"n": None}]


def test_a_blank_cell_is_not_labelled() -> None:
    frame = pd.DataFrame(
        {
            "claim_number": ["A", " "],
            "amount": [1.5, float("nan")],
            "policy.number": [None, "P"],
            "day": [pd.NaT, pd.Timestamp("2026-11-23")],
        }
    )
    assert truths(frame) == [
        {"claim_number": "A", "amount": 1.5},
        {"policy": {"number": "P"}, "day": "2026-11-23"},
    ]
    assert truths([{"claim_number": float("nan"), "amount": 2}, None])[0] == {"amount": 2}


def test_cells_of_a_table_take_the_type_of_their_field() -> None:
    """Tables know text and floats; a JSON Schema knows integers, booleans and digits as text."""
    frame = pd.DataFrame(
        {
            "claim_number": [12345, 678],
            "count": [3.0, float("nan")],
            "amount": ["12.50", ""],
            "policy.valid": ["TRUE", "false"],
            "tags": ['["a", "b"]', ""],
        }
    )
    assert truths(frame) == [
        {
            "claim_number": "12345", "count": 3, "amount": 12.5,
            "policy": {"valid": True}, "tags": ["a", "b"],
        },
        {"claim_number": "678", "policy": {"valid": False}},
    ]  # fmt: skip


def test_a_table_labels_null_by_its_name() -> None:
    assert truths(pd.DataFrame({"claim_number": ["null", "A"]}))[0] == {"claim_number": None}


def test_values_of_python_become_json() -> None:
    record = {"day": dt.date(2026, 11, 23), "amount": Decimal("1.5"), "count": np.int64(3)}
    assert truths([record, None])[0] == {"day": "2026-11-23", "amount": 1.5, "count": 3}


SECRET_VALUE = "Birkenweg-8-Ulm"

MISFITS = {
    "another length": ([{"claim_number": "A"}], "3 texts", "Give one for each text"),
    "an unknown id": ({"text-99": {}}, "text-99", "ids of the texts"),
    "one record": ({"claim_number": "A"}, "claim_number", "put it in a list"),
    "a wrong value": (
        [{"amount": SECRET_VALUE}, None, None], "truth of text-01, amount", "Correct",
    ),
    "a nested one": (
        [None, {"policy": {"number": 7}}, None], "truth of text-02, policy", "Correct",
    ),
    "a misspelled field": ([{"claim_numbre": SECRET_VALUE}, None, None], "claim_number", "Correct"),
    "a misspelled column": (
        pd.DataFrame({"claim_numbre": [SECRET_VALUE] * 3}), "claim_number", "named like a field",
    ),
    "a table's wrong value": (
        pd.DataFrame({"amount": [1, 2, SECRET_VALUE]}), "truth of text-03, amount", "Correct",
    ),
    "ids twice": (
        pd.DataFrame({"id": ["text-01"] * 2, "amount": [1, 2]}), "text-01", "one row of truth",
    ),
    "no truth": ("truth.csv", "is a str", "a list as long"),
    "no record": (["plain words", None, None], "truth of text-01", "Correct"),
}  # fmt: skip


@pytest.mark.parametrize(("truth", "named", "step"), MISFITS.values(), ids=MISFITS.keys())
def test_a_misfit_names_row_field_and_why_but_never_the_value(truth, named, step) -> None:
    with pytest.raises(FieldError) as caught:
        truths(truth, ["one", "two", "three"])
    assert named in caught.value.message
    assert step in caught.value.hint
    assert SECRET_VALUE not in str(caught.value)
    assert SECRET_VALUE not in str(caught.value.problems)


def test_many_misfits_are_counted() -> None:
    with pytest.raises(FieldError) as caught:
        truths([{"tags": [7] * 9}], ["text"])
    assert len(caught.value.problems) == 5
    assert "4 more" in caught.value.hint


LISTED = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "city": {"type": "string"},
        "kind": {"anyOf": [{"enum": ["red", "green"]}, {"type": "null"}]},
        "one": {"const": "only"},
        "day": {"type": "string", "format": "date"},
        "code": {"type": "string", "pattern": "^[A-Z]{2}$"},
        "lines": {"type": "array", "items": {
            "type": "object", "properties": {"total": {"type": "number"}},
            "additionalProperties": False}},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"citty": "x"}, "truth of 12 texts: citty → city (text-01, text-02, text-03 and 9 more)."),
        ({"CITY": "x"}, "12 texts: CITY → city"),
        ({"lines": [{"totl": 1}]}, "12 texts: lines[].totl → lines[].total"),
        ({"zzz": 1}, "12 texts: zzz: the schema has no field of this name"),
        ({"kind": "blue"}, "12 texts: kind: is not one of the allowed values: red, green ("),
        ({"one": "other"}, "12 texts: one: is not the one value allowed: only ("),
        ({"day": "soon"}, "12 texts: day: is not in the format date, such as 2026-11-28 ("),
        ({"code": "x"}, "12 texts: code: does not match the pattern: ^[A-Z]{2}$ ("),
        (
            {"lines": [{"total": "a"}, {"total": "b"}]},
            "12 texts: lines[].total: must be a number (",
        ),
    ],
)
def test_what_is_wrong_in_several_texts_is_said_once(record, said) -> None:
    with pytest.raises(FieldError) as caught:
        truths([record] * 12, ["text"] * 12, LISTED)
    assert said in caught.value.message
    assert len(caught.value.problems) == 1


def test_one_text_names_the_place_and_what_would_fit() -> None:
    record = {"citty": "x", "kind": "blue", "lines": [{"total": 1}, {"total": "b"}]}
    with pytest.raises(FieldError) as caught:
        truths([record, None], ["text"] * 2, LISTED)
    assert caught.value.problems == {
        "truth of text-01, citty": ("the schema has no field of this name; the nearest is city."),
        "truth of text-01, kind": "is not one of the allowed values: red, green.",
        "truth of text-01, lines[1].total": "must be a number.",
    }


def test_what_several_texts_share_is_apart_from_what_one_has() -> None:
    with pytest.raises(FieldError) as caught:
        truths([{"citty": 1, "kind": 5}, {"citty": 1, "totl": 1}, {"citty": 1}], ["t"] * 3, LISTED)
    assert set(caught.value.problems) == {
        "truth of 3 texts", "truth of text-01, kind", "truth of text-02, totl",
    }  # fmt: skip


def test_long_lists_of_allowed_values_are_cut() -> None:
    many = {"type": "object", "properties": {"n": {"enum": [f"v{n}" for n in range(40)]}}}
    with pytest.raises(FieldError, match="v11 and 28 more"):
        truths([{"n": "x"}], ["t"], many)


def test_texts_of_several_schemas() -> None:
    other = {"type": "object", "properties": {"subject": {"type": "string"}}}
    rows = [
        {"text": "a", "schema": Claim, "truth": {"amount": 1}},
        {"text": "b", "schema": other, "truth": {"subject": "s"}},
    ]
    first, second = read_documents(None, rows)
    assert [first.schema.name, len(second.schema.leaves)] == ["Claim", 1]
    with pytest.raises(FieldError, match="has no schema"):
        read_documents(None, [{"text": "a", "schema": Claim}, {"text": "b"}])


def test_open_objects_take_any_key() -> None:
    schema = {
        "type": "object",
        "properties": {"totals": {"type": "object", "additionalProperties": {"type": "number"}}},
    }
    assert truths([{"totals": {"anything": 1}}], ["x"], schema) == [{"totals": {"anything": 1}}]
    # Next to one, the other names are still those of the schema.
    with pytest.raises(FieldError, match=r"totls: the schema has no field .* nearest is totals"):
        truths([{"totls": {}}], ["x"], schema)
    open_one = {**schema, "additionalProperties": True}
    assert truths([{"totls": {}}], ["x"], open_one) == [{"totls": {}}]
