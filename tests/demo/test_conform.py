"""What the models answer obeys any schema sent, or is refused as an unsupported schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.demo import invoices
from llmwidgets.demo.conform import Disobeyed, conform, example
from llmwidgets.demo.extractor import fill
from llmwidgets.demo.field import CAREFUL, HASTY
from llmwidgets.schemas import read_schema

TEXT = invoices.texts[0]["text"]
NAMES = st.sampled_from(["number", "date", "total", "supplier", "urgent", "lines", "x", "dueDate"])
DESCRIPTIONS = st.sampled_from(["", "Total amount", "Date the payment is due", "E-mail address"])


def _strings() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.builds(lambda form: {"type": "string", "format": form}, st.sampled_from(
            ["date", "date-time", "email", "uri", "uuid", "time", "ipv4", "hostname"])),
        st.builds(lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
                  st.integers(0, 9), st.integers(0, 9)),
        st.builds(lambda pattern: {"type": "string", "pattern": pattern}, st.sampled_from(
            [r"^[A-Z]{2}\d{4}$", r"^(a|b)+$", r"^\S+@\S+$", r"^[^x]{3,}$", r"\d"])),
        st.builds(lambda values: {"enum": values}, st.lists(
            st.one_of(st.none(), st.text(max_size=5), st.integers()), min_size=1, max_size=3)),
        st.builds(lambda value: {"const": value}, st.one_of(st.text(max_size=5), st.integers())),
    )  # fmt: skip


def _numbers() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda kind, low, more: {"type": kind, "minimum": low, "maximum": low + more},
        st.sampled_from(["integer", "number"]),
        st.integers(-50, 50),
        st.integers(0, 50),
    )


def _around(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    def an_object(properties: dict[str, Any], share: float, closed: bool) -> dict[str, Any]:
        names = list(properties)
        required = names[: round(share * len(names))]
        schema = {"type": "object", "properties": properties, "required": required}
        return {**schema, "additionalProperties": False} if closed else schema

    return st.one_of(
        st.builds(an_object, st.dictionaries(NAMES, inner, max_size=4), st.floats(0, 1),
                  st.booleans()),
        st.builds(lambda items, least, more: {
            "type": "array", "items": items, "minItems": least, "maxItems": least + more},
            inner, st.integers(0, 3), st.integers(0, 3)),
        st.builds(lambda one: {"anyOf": [one, {"type": "null"}]}, inner),
        st.builds(lambda one, said: {**one, "description": said}, inner, DESCRIPTIONS),
    )  # fmt: skip


SCHEMAS = st.recursive(
    st.one_of(_strings(), _numbers(), st.just({"type": "boolean"}), st.just({"type": "string"})),
    _around,
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(SCHEMAS, st.sampled_from([CAREFUL, HASTY]))
def test_every_small_schema_is_obeyed(schema: dict[str, Any], profile: Any) -> None:
    """Whatever the fields, types, bounds, patterns and nesting, the record is valid."""
    record = conform(schema, fill(schema, TEXT, profile))
    assert read_schema(schema).problems(record) == []
    json.dumps(record, allow_nan=False)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_no_text_breaks_the_rules(text: str) -> None:
    """Every text gives a valid record of the invoice schema."""
    schema = invoices.Schema.model_json_schema()
    record = conform(schema, fill(schema, text, CAREFUL))
    assert read_schema(invoices.Schema).problems(record) == []


@pytest.mark.parametrize("every", [4])
def test_real_schemas_are_obeyed_or_refused(shared_data: Path, every: int) -> None:
    """A sample of real JSON Schemas: valid records, or Disobeyed for under one in twenty."""
    files = sorted((shared_data / "json-schemas").glob("*/*.json"))[::every]
    refused = 0
    for file in files:
        schema = json.loads(file.read_text(encoding="utf-8"))
        try:
            record = conform(schema, fill(schema, TEXT, CAREFUL))
        except Disobeyed:
            refused += 1
        else:
            assert read_schema(schema).problems(record) == [], file.name
    assert refused < len(files) / 20


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "required": ["a"], "properties": {"a": False}},
        {"type": "string", "enum": []},
        {"$ref": "https://schemas.example/far.json"},
        {"$ref": "#/$defs/absent"},
        {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"type": 7},
        False,
    ],
)
def test_an_impossible_schema_is_refused(schema: Any) -> None:
    """A schema that nothing satisfies, or that cannot be read, raises Disobeyed."""
    with pytest.raises(Disobeyed):
        conform(schema, fill(schema, TEXT, CAREFUL))


def test_a_recursive_schema_is_obeyed() -> None:
    """A tree whose children are optional ends after the first node."""
    node = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "child": {"$ref": "#/$defs/node"}},
        "required": ["name"],
        "additionalProperties": False,
    }
    schema = {"$defs": {"node": node}, "$ref": "#/$defs/node"}
    record = conform(schema, fill(schema, TEXT, CAREFUL))
    assert read_schema(schema).problems(record) == []


@given(st.integers(1, 6), st.integers(0, 6))
def test_an_example_matches_its_pattern(least: int, more: int) -> None:
    """The example of a pattern has the repetitions that the pattern wants."""
    text = example(rf"[A-F0-9]{{{least},{least + more}}}")
    assert least <= len(text) <= least + more


def test_a_choice_of_numbers_takes_nothing_from_the_other_fields() -> None:
    """Values of an enum that are not texts are weighed as they are written."""
    schema = {
        "type": "object",
        "properties": {
            "invoice_number": {"type": "string"},
            "copies": {"enum": [1, 2, 3]},
            "paid": {"enum": [True, None, {"by": "card"}]},
        },
    }
    record = fill(schema, "Invoice number: A-17\nPlease send 3 copies.", CAREFUL)
    assert record == {"invoice_number": "A-17", "copies": 3, "paid": None}


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [{"type": "string"}, {"type": "null"}],
         "oneOf": [{"type": "string", "minLength": 80}, {"type": "integer"}]},
        {"$schema": "http://json-schema.org/draft-04/schema#", "type": "number",
         "minimum": 3, "exclusiveMinimum": True},
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "array",
         "items": [{"type": "integer"}, {"const": "x"}], "additionalItems": False, "minItems": 2},
        {"$ref": "#code", "$defs": {"a": {"$anchor": "code", "pattern": "^[A-Z]{3}$"}}},
        {"allOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}]},
    ],
    ids=["two unions", "draft 4", "draft 7", "anchor", "two enums"],
)  # fmt: skip
def test_every_draft_and_way_to_combine_is_obeyed(schema: dict[str, Any]) -> None:
    """Unions side by side, older drafts, anchors and merged enums give a valid record."""
    record = conform(schema, fill(schema, TEXT, CAREFUL))
    assert read_schema(schema).problems(record) == []
