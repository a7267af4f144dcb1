"""Definitions written out in place mean the same, and what cannot be written out stays."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.dialects import openai
from llmwidgets.schemas import inline_definitions, read_schema
from tests.schemas.instances import Instances

LEAVES = st.sampled_from([{"type": "string"}, {"type": "number"}, {"enum": ["a", "b"]}])
NAMES = ["A", "B", "C"]


def places(known: list[str]) -> st.SearchStrategy[dict]:
    """A schema that refers to these definitions only."""
    leaves = LEAVES | (st.sampled_from(known).map(lambda name: {"$ref": f"#/$defs/{name}"})
                       if known else LEAVES)  # fmt: skip
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            inner.map(lambda each: {"type": "array", "items": each}),
            st.dictionaries(st.sampled_from(["x", "y", "$ref", "items"]), inner, min_size=1).map(
                lambda each: {
                    "type": "object",
                    "properties": each,
                    "required": list(each),
                    "additionalProperties": False,
                }
            ),
            st.lists(inner, min_size=1, max_size=2).map(lambda each: {"anyOf": each}),
        ),
        max_leaves=6,
    )


@st.composite
def schemas(draw: st.DrawFn) -> dict:
    """A schema whose definitions refer to those before them."""
    defs = {name: draw(places(NAMES[:at])) for at, name in enumerate(NAMES)}
    root = draw(st.dictionaries(st.sampled_from(["p", "q"]), places(NAMES), min_size=1))
    return {"type": "object", "properties": root, "required": list(root), "$defs": defs}


def refers(schema: dict) -> bool:
    return '"$ref": "#/' in json.dumps(schema)


@given(schemas(), st.integers(0, 9))
@settings(max_examples=50)
def test_it_means_the_same(schema, seed):
    before = json.dumps(schema)
    whole = inline_definitions(schema)
    assert json.dumps(schema) == before
    assert not refers(whole)
    assert "$defs" not in whole
    made = Instances(schema, seed).make(schema)
    for value in (made, {"p": 1}, {"p": {"x": "a"}, "q": []}):
        assert jsonschema_rs.is_valid(whole, value) == jsonschema_rs.is_valid(schema, value)


def test_what_leads_back_to_itself_stays():
    node = {"type": "object", "properties": {"next": {"anyOf": [
        {"$ref": "#/$defs/Node"}, {"type": "null"}]}}}  # fmt: skip
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/Node"}},
        "$defs": {"Node": node},
    }
    assert inline_definitions(schema) is schema


@pytest.mark.parametrize("depth", [30, 900])
def test_what_would_be_too_large_or_deep_stays(depth):
    """Each definition names the one before it twice: written out they are beyond counting."""
    pair = depth < 100
    defs = {"D0": {"type": "string"}}
    for at in range(1, depth):
        ref = {"$ref": f"#/$defs/D{at - 1}"}
        defs[f"D{at}"] = {
            "type": "object",
            "properties": {"a": ref, **({"b": ref} if pair else {})},
        }
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": f"#/$defs/D{depth - 1}"}},
        "$defs": defs,
    }
    assert inline_definitions(schema) is schema


def test_a_schema_without_definitions_is_itself():
    schema = read_schema({"type": "object", "properties": {"a": {"type": "string"}}})
    sent = schema.compile(openai.SUBSET).schema
    assert inline_definitions(sent) is sent
