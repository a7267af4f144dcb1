"""Leaves are the scalar places of a schema, by pattern, type and presence."""

from __future__ import annotations

from llmwidgets.schemas import read_schema


def leaves(schema: dict) -> dict:
    return {leaf.path: leaf for leaf in read_schema({"type": "object", **schema}).leaves}


def test_each_type_is_known():
    found = leaves(
        {
            "properties": {
                "s": {"type": "string"},
                "n": {"type": ["number", "null"]},
                "i": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                "b": {"type": "boolean"},
                "d": {"type": "string", "format": "date"},
                "dt": {"type": "string", "format": "date-time"},
                "t": {"type": "string", "format": "time"},
                "e": {"type": "string", "format": "email"},
                "u": {"type": "string", "format": "uri"},
                "k": {"enum": ["x", None]},
                "c": {"const": 3},
                "a": {"type": "array"},
                "any": {},
                "o": {"type": "object"},
            }
        }
    )
    assert {path: leaf.type for path, leaf in found.items()} == {
        "s": "string", "n": "number", "i": "integer", "b": "boolean", "d": "date",
        "dt": "datetime", "t": "time", "e": "email", "u": "string", "k": "enum", "c": "enum",
        "a": "array", "any": "other", "o.*": "other",
    }  # fmt: skip
    assert {path for path, leaf in found.items() if leaf.nullable} == {"n", "i", "k"}
    assert found["k"].values == ("x",)
    assert found["u"].format == "uri"


def test_presence_needs_every_object_around():
    found = leaves(
        {
            "properties": {
                "a": {"properties": {"x": {}}, "required": ["x"], "type": "object"},
                "b": {"properties": {"x": {}}, "required": ["x"], "type": "object"},
            },
            "required": ["a"],
        }
    )
    assert found["a.x"].required
    assert not found["b.x"].required


def test_lists_objects_and_unions_are_walked_in_order():
    found = leaves(
        {
            "properties": {
                "tags": {"type": "array", "items": {"type": "string"}},
                "m": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
                "pet": {
                    "oneOf": [
                        {"type": "object", "properties": {"lives": {"type": "integer"}}},
                        {"type": "object", "properties": {"lives": {"type": "number"}, "x": {}}},
                    ]
                },
                "a.b": {"type": "string"},
            }
        }
    )
    assert list(found) == ["tags[]", "m[][]", "pet.lives", "pet.x", '["a.b"]']
    assert found["pet.lives"].type == "number"


def test_a_recursive_schema_ends_in_other():
    node = {"type": "object", "properties": {"v": {"type": "string"}}}
    node["properties"]["next"] = {"$ref": "#/$defs/node"}
    found = leaves({"$defs": {"node": node}, "properties": {"first": {"$ref": "#/$defs/node"}}})
    assert {path: leaf.type for path, leaf in found.items()} == {
        "first.v": "string", "first.next": "other",
    }  # fmt: skip


def test_a_description_beside_a_reference_wins():
    found = leaves(
        {
            "$defs": {"n": {"type": "number", "description": "inner"}},
            "properties": {
                "a": {"$ref": "#/$defs/n", "description": "outer"},
                "b": {"$ref": "#/$defs/n"},
            },
        }
    )
    assert (found["a"].description, found["b"].description) == ("outer", "inner")
