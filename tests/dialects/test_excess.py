"""A schema beyond what a model can enforce is never said to be enforced."""

from __future__ import annotations

import pytest

from llmwidgets import Connection
from llmwidgets.dialects import anthropic, gemini, openai
from llmwidgets.dialects.anthropic import SUBSET
from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat
from llmwidgets.engine.request_builder import RequestBuilder, ResolvedVariant
from llmwidgets.schemas import read_schema

TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["name", "children"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}
MANY = {
    "type": "object",
    "properties": {f"field_{n}": {"enum": [f"{n}-{k}" for k in range(60)]} for n in range(40)},
}


def test_a_recursive_schema_reaches_anthropic_as_a_tool() -> None:
    compiled = read_schema(TREE).compile(SUBSET)
    assert compiled.excess
    assert anthropic.form_for(ResponseFormat.JSON_SCHEMA, compiled) is ResponseFormat.TOOL


@pytest.mark.parametrize(
    ("dialect", "lower"),
    [
        (anthropic, ResponseFormat.TOOL),
        (openai, ResponseFormat.JSON_OBJECT),
        (gemini, ResponseFormat.JSON_OBJECT),
    ],
    ids=lambda each: getattr(each, "NAME", each),
)
@pytest.mark.parametrize("schema", [TREE, MANY], ids=["tree", "many enums"])
def test_the_form_goes_down_exactly_where_a_limit_is_passed(dialect, lower, schema) -> None:
    compiled = read_schema(schema).compile(dialect.SUBSET)
    expected = lower if compiled.excess else ResponseFormat.JSON_SCHEMA
    assert dialect.form_for(ResponseFormat.JSON_SCHEMA, compiled) is expected


def test_what_cannot_be_enforced_is_said_and_put_into_the_prompt() -> None:
    """The mode is no longer *schema enforced*, the schema stands in the prompt, a note says why."""
    connection = Connection("anthropic", api_key="sk-ant-made-up-0000000000000001")
    builder = RequestBuilder(
        ResolvedVariant("a", connection, "claude-haiku-5-5"), read_schema(TREE)
    )
    form, mode = builder.form_and_mode(Capability(ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA))
    assert form is ResponseFormat.TOOL
    assert mode is not Enforcement.SCHEMA
    assert any("The schema is not enforced" in note for note in builder.notes)
