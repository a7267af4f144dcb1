"""One schema, cut to OpenAI's strict subset: inside the rules, losses told, replies mapped back."""

from __future__ import annotations

from typing import Annotated, Literal

import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from llmwidgets.dialects import anthropic, gemini, openai
from llmwidgets.schemas import SchemaSubset, read_schema
from tests.schemas.rules_openai import broken as broken_rules

OPENAI = openai.SUBSET
ANTHROPIC = anthropic.SUBSET
GEMINI = gemini.SUBSET


def compiled(schema: dict):
    return read_schema(schema).compile(OPENAI)


def an_object(**properties) -> dict:
    return {"type": "object", "properties": properties}


def test_optional_properties_are_sent_nullable_and_null_means_absent():
    result = compiled(an_object(name={"type": "string"}, note={"type": ["string", "null"]}))
    assert result.schema["required"] == ["name", "note"]
    assert result.schema["properties"]["name"]["type"] == ["string", "null"]
    assert result.restore({"name": None, "note": None}) == {"note": None}
    assert result.adapt({}) == {"name": None, "note": None}


def test_null_is_dropped_where_the_object_is_only_right_without():
    """A property that takes null stays null, unless its presence breaks the object's own rule."""
    text_or_null = {"type": ["string", "null"]}
    schema = an_object(card=text_or_null, address={"type": "string"})
    schema["dependentRequired"] = {"card": ["address"]}
    result = compiled(schema)
    assert result.restore({"card": None, "address": None}) == {}
    assert result.restore({"card": None, "address": "x"}) == {"card": None, "address": "x"}


def test_null_is_dropped_for_a_dialect_of_open_objects_as_well():
    schema = an_object(card={"type": ["string", "null"]}, address={"type": "string"})
    schema["dependentRequired"] = {"card": ["address"]}
    result = read_schema(schema).compile(SchemaSubset("Open", all_required=True))
    assert result.restore({"card": None, "address": None}) == {}
    assert result.restore({"card": None, "address": "x"}) == {"card": None, "address": "x"}


def test_a_root_that_is_no_object_is_wrapped_and_unwrapped():
    result = compiled({"type": "array", "items": {"type": "string"}})
    assert result.wrapped
    assert broken_rules(result.schema) == []
    assert result.adapt(["a"]) == {"value": ["a"]}
    assert result.restore({"value": ["a"]}) == ["a"]


def test_a_root_union_is_wrapped():
    result = compiled({"anyOf": [an_object(a={}), an_object(b={})]})
    assert result.wrapped
    assert result.restore({"value": {"a": 1}}) == {"a": 1}


def test_open_dicts_travel_as_key_and_value():
    schema = an_object(totals={"type": "object", "additionalProperties": {"type": "number"}})
    result = compiled({**schema, "required": ["totals"]})
    sent = result.schema["properties"]["totals"]
    assert sent["type"] == "array"
    assert list(sent["items"]["properties"]) == ["key", "value"]
    record = {"totals": {"net": 1.5, "tax": 0.5}}
    assert result.adapt(record)["totals"][0] == {"key": "net", "value": 1.5}
    assert result.restore(result.adapt(record)) == record


def test_an_object_with_listed_and_open_properties_keeps_both():
    schema = {**an_object(a={"type": "string"}), "additionalProperties": {"type": "integer"}}
    result = compiled(schema)
    assert result.restore(result.adapt({"a": "x", "b": 2})) == {"a": "x", "b": 2}
    assert broken_rules(result.schema) == []


def test_a_constraint_not_enforced_is_a_loss_and_told_to_the_model():
    name = {"type": "string", "maxLength": 10, "description": "Name."}
    result = compiled(an_object(name=name))
    assert [str(loss) for loss in result.losses] == [
        "maxLength at name: OpenAI does not enforce it; the reply is still checked."
    ]
    assert result.schema["properties"]["name"]["description"] == "Name. {maxLength: 10}"


def test_annotations_are_no_losses():
    field = {"type": "integer", "default": 3, "title": "N", "examples": [1]}
    result = compiled({**an_object(n=field), "title": "T", "$comment": "c"})
    assert result.losses == ()
    assert result.schema["properties"]["n"] == {"type": ["integer", "null"]}


def test_all_of_is_merged():
    schema = {
        "allOf": [
            {**an_object(a={"type": "string"}), "required": ["a"]},
            an_object(b={"type": "integer", "minimum": 1}, a={"pattern": "x"}),
        ],
        "type": "object",
        "required": ["b"],
    }
    result = compiled(schema)
    assert result.losses == ()
    assert result.schema["required"] == ["a", "b"]
    assert result.schema["properties"]["a"] == {"type": "string", "pattern": "x"}


def test_one_of_becomes_any_of_with_distinct_first_keys():
    """Branches that begin alike are reordered, or wrapped where they have nothing else."""
    cat = {**an_object(kind={"const": "cat"}, lives={"type": "integer"}), "required": ["kind"]}
    dog = {**an_object(kind={"const": "dog"}, bark={"type": "string"}), "required": ["kind"]}
    fox = {**an_object(kind={"const": "fox"}), "required": ["kind"]}
    result = compiled({**an_object(pet={"oneOf": [cat, dog, fox]}), "required": ["pet"]})
    assert broken_rules(result.schema) == []
    for pet in ({"kind": "cat", "lives": 9}, {"kind": "dog", "bark": "u"}, {"kind": "fox"}):
        adapted = result.adapt({"pet": pet})
        assert jsonschema_rs.is_valid(result.schema, adapted)
        assert result.restore(adapted) == {"pet": pet}


def test_what_stands_beside_a_union_is_merged_into_its_branches():
    schema = {
        **an_object(id={"type": "integer"}),
        "required": ["id"],
        "anyOf": [an_object(a={"type": "string"}), an_object(b={"type": "string"})],
    }
    result = compiled(schema)
    branches = result.schema["properties"]["value"]["anyOf"]
    assert {"id"} < set(branches[0]["properties"])
    assert result.losses == ()


def test_a_union_of_mere_presence_is_a_loss():
    schema = {**an_object(a={"type": "string"}, b={"type": "string"})}
    result = compiled({**schema, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]})
    assert [loss.keyword for loss in result.losses] == ["anyOf"]
    assert result.restore({"a": "x", "b": None}) == {"a": "x"}


def test_recursion_is_kept_where_taken_and_an_excess_where_not():
    tree = {**an_object(name={"type": "string"}), "required": ["name"]}
    tree["properties"]["children"] = {"type": "array", "items": {"$ref": "#"}}
    record = {"name": "a", "children": [{"name": "b", "children": []}]}
    for subset, excess in ((OPENAI, ""), (ANTHROPIC, "Anthropic takes no recursion")):
        result = read_schema(tree).compile(subset)
        assert result.excess == excess
        assert result.losses == ()
        assert result.restore(result.adapt(record)) == record
        assert jsonschema_rs.is_valid(result.schema, result.adapt(record))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_json_goes_there_and_back(value):
    """A place without a type carries every JSON value, objects and empty ones included."""
    schema = read_schema({**an_object(any={}), "required": ["any"]})
    for subset in (OPENAI, SchemaSubset(name="Flat", closed=True, recursion=False)):
        result = schema.compile(subset)
        adapted = result.adapt({"any": value})
        assert jsonschema_rs.is_valid(result.schema, adapted)
        assert result.restore(adapted) == {"any": value}


def test_a_definition_of_the_users_may_be_called_like_ours():
    schema = an_object(a={"$ref": "#/$defs/AnyJSON"}, b={})
    result = compiled({**schema, "$defs": {"AnyJSON": {"type": "integer"}}})
    record = {"a": 3, "b": {"x": [1]}}
    assert result.restore(result.adapt(record)) == record
    assert jsonschema_rs.is_valid(result.schema, result.adapt(record))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["a", "key", "value", "tags", "x"]), inner, max_size=3
            )
        ),
        max_leaves=12,
    )
)
@settings(max_examples=100, deadline=None)
def test_ill_shaped_replies_never_crash_the_way_back(reply):
    class Inner(BaseModel):
        a: str
        x: int | None = None

    class Outer(BaseModel):
        a: Inner | list[Inner] | None = None
        tags: dict[str, Inner] = {}
        value: Literal["u", "v"] | int

    schema = read_schema(Outer)
    schema.problems(schema.compile(OPENAI).restore(reply))


def test_large_enums_become_plain_text_with_a_loss():
    values = [f"value number {each}" for each in range(1001)]
    result = compiled({**an_object(e={"enum": values}), "required": ["e"]})
    assert result.schema["properties"]["e"]["type"] == "string"
    assert [loss.keyword for loss in result.losses] == ["enum"]


def test_deep_nesting_moves_into_definitions():
    node: dict = {"type": "string"}
    for level in range(25):
        node = {**an_object(**{f"p{level}": node}), "required": [f"p{level}"]}
    result = compiled(node)
    assert broken_rules(result.schema) == []
    assert result.losses == ()


def test_pydantic_models_compile_without_a_loss_of_sense():
    class Line(BaseModel):
        name: str
        total: Annotated[float, Field(ge=0)]

    class Invoice(BaseModel):
        """An invoice."""

        number: str
        kind: Literal["invoice", "credit"] = "invoice"
        lines: list[Line] = []
        pair: tuple[int, str] | None = None

    result = read_schema(Invoice).compile(OPENAI)
    assert broken_rules(result.schema) == []
    assert {loss.keyword for loss in result.losses} == {"prefixItems"}
    sent = {"number": "1", "kind": None, "lines": None, "pair": None}
    record = read_schema(Invoice).judge(result.restore(sent))
    assert record == Invoice(number="1")


def test_compiling_happens_once_for_each_subset():
    schema = read_schema(an_object(a={"type": "string"}))
    assert schema.compile(OPENAI) is schema.compile(OPENAI)
    assert schema.compile(OPENAI) is not schema.compile(SchemaSubset(name="Other"))
