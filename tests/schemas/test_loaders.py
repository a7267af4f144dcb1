"""Every way to write a schema is read; what is no schema is told so, with the next step."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Literal, TypedDict

import pytest
from pydantic import BaseModel

from llmwidgets.errors import FieldError
from llmwidgets.schemas import Schema, read_schema


class Invoice(BaseModel):
    number: str
    day: date | None = None
    kind: Literal["invoice", "credit"] = "invoice"


class Row(TypedDict):
    name: str


class Sheet(TypedDict, total=False):
    rows: list[Row]


@dataclasses.dataclass
class Person:
    name: str
    age: int = 0


class Colour(Enum):
    RED = "red"


JSON_SCHEMA = {"title": "Thing", "type": "object", "properties": {"a": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("source", "name", "paths"),
    [
        (Invoice, "Invoice", ["number", "day", "kind"]),
        (Row, "Row", ["name"]),
        (Sheet, "Sheet", ["rows[].name"]),
        (list[Row], "Row", ["[].name"]),
        (Person, "Person", ["name", "age"]),
        (list[Invoice], "Invoice", ["[].number", "[].day", "[].kind"]),
        (dict[str, int], "Record", ["*"]),
        (Colour, "Colour", [""]),
        (Invoice | Person, "Invoice", ["number", "day", "kind", "name", "age"]),
        (JSON_SCHEMA, "Thing", ["a"]),
        (json.dumps(JSON_SCHEMA), "Thing", ["a"]),
        ("\ufeff" + json.dumps(JSON_SCHEMA), "Thing", ["a"]),
        ([{"name": "a"}, {"name": "b.c", "type": "date"}], "Record", ["a", "b.c"]),
        (json.dumps([{"name": "lines[].total", "type": "number"}]), "Record", ["lines[].total"]),
    ],
)
def test_each_source_is_read(source, name, paths):
    schema = read_schema(source)
    assert schema.name == name
    assert [leaf.path for leaf in schema.leaves] == paths


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path, mark):
    path = tmp_path / "größe.json"
    path.write_bytes(mark + json.dumps(JSON_SCHEMA).encode())
    assert read_schema(path) == read_schema(JSON_SCHEMA)


def test_a_schema_comes_back_as_it_is():
    schema = read_schema(JSON_SCHEMA)
    assert isinstance(schema, Schema)
    assert read_schema(schema) is schema


def test_a_schema_is_equal_and_hashed_by_content_and_deaf_to_later_changes():
    mutable = json.loads(json.dumps(JSON_SCHEMA))
    schema = read_schema(mutable)
    mutable["properties"]["b"] = {}
    assert schema == read_schema(JSON_SCHEMA)
    assert len({schema, read_schema(JSON_SCHEMA)}) == 1
    assert schema != read_schema(mutable)
    assert schema.digest != read_schema(mutable).digest


def test_key_order_does_not_change_the_digest():
    turned = dict(reversed(JSON_SCHEMA.items()))
    assert read_schema(turned).digest == read_schema(JSON_SCHEMA).digest


NO_KEYWORD = [
    ({"city": "str"}, "city is not a keyword of JSON Schema"),
    ({"city": "str", "zip": "int"}, "city, zip are not keywords"),
    ({"city": {"type": "string"}}, "city is not a keyword"),
    ({"fields": [{"name": "city"}]}, "fields is not a keyword"),
    ({"title": "str", "author": "str"}, "author is not a keyword"),
    ({"type": "object", "city": "str"}, "city is not a keyword"),
    ({"type": "object", "required": ["city"], "city": "str"}, "city is not a keyword"),
    ({"type": "array", "item": {"type": "string"}}, "item is not a keyword"),
    ({"type": "array", "items": {"city": "str"}}, "city is not a keyword"),
    ({"name": "total", "type": "number"}, "one field row"),
    ({"name": "total"}, "one field row"),
    ({"title": "Invoice", "description": "str"}, "only remarks"),
    ({"$defs": {"a": {"type": "object"}}}, "only remarks"),
    ({"x-order": 1}, "only remarks"),
    ({1: "str"}, "1 is not a keyword"),
    ('{"city": "str"}', "city is not a keyword"),
]
"""Dicts by which any reply would be valid, and what is said of them."""


def test_a_file_without_any_keyword_is_refused_too(tmp_path):
    path = tmp_path / "schema.json"
    path.write_text('{"city": "str"}', "utf-8")
    with pytest.raises(FieldError) as caught:
        read_schema(path)
    assert '[{"name": "city", "type": "text"}]' in caught.value.hint


def test_the_list_under_fields_is_pointed_at():
    with pytest.raises(FieldError) as caught:
        read_schema({"fields": [{"name": "city"}]})
    assert "the list under fields itself" in caught.value.hint


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"properties": {}},
        {"properties": {"a": {}}, "owner": "me"},
        {"required": ["a"]},
        {"type": "string", "owner": "me"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}},
        {"properties": {"name": {"type": "string"}}, "name": "Invoice"},
        {"anyOf": [{"type": "object"}, {"type": "null"}]},
    ],
)
def test_a_schema_that_says_something_is_read(schema):
    assert read_schema(schema).json == schema


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({}, "is empty"),
        ("", "is not valid JSON"),
        ("{", "is not valid JSON"),
        ("3", "must be an object"),
        ("schema.json", "this is a path"),
        (None, "None is not a schema"),
        (7, "type int is not a schema"),
        ([], "has no field rows"),
        ({"type": "objekt"}, "/type"),
        ({"type": "string", "pattern": "("}, "/pattern"),
        ({"properties": {"a": 3}}, "/properties/a"),
        ({"$schema": "https://example.org/own", "type": "object"}, "https://example.org/own"),
        ({"properties": {"a": {1, 2}}}, "JSON cannot represent"),
        (Path("nowhere/schema.json"), "no schema file"),
        (object(), "cannot be turned"),
        (lambda: None, "type function is not a schema"),
        *NO_KEYWORD,
    ],
)
def test_what_is_no_schema_is_said_so_with_the_next_step(source, said):
    with pytest.raises(FieldError) as caught:
        read_schema(source)
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "reference",
    [
        "https://example.org/other.json",
        "file:///etc/passwd",
        "other.json#/definitions/a",
        "http://json-schema.org/draft-07/schema#",
    ],
)
def test_a_reference_that_leads_outside_is_named_and_never_fetched(reference):
    with pytest.raises(FieldError) as caught:
        read_schema({"type": "object", "properties": {"a": {"$ref": reference}}})
    assert reference.partition("#")[0] in caught.value.message


def test_a_reference_to_nowhere_is_said():
    with pytest.raises(FieldError):
        read_schema({"properties": {"a": {"$ref": "#/$defs/none"}}})


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}},
        {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}},
         "$ref": "#/$defs/a"},
    ],
)  # fmt: skip
def test_a_definition_that_is_nothing_but_itself_is_refused(schema):
    with pytest.raises(FieldError, match="leads back to itself"):
        read_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n"}}},
        {
            "$id": "https://example.org/s.json",
            "$defs": {"n": {"type": "integer"}},
            "properties": {"a": {"$ref": "https://example.org/s.json#/$defs/n"}},
        },
        {
            "$id": "https://example.org/s.json",
            "$defs": {"n": {"$anchor": "whole", "type": "integer"}},
            "properties": {"a": {"$ref": "#whole"}},
        },
        {
            "$id": "https://example.org/s.json",
            "$defs": {"n": {"$id": "n.json", "type": "integer"}},
            "properties": {"a": {"$ref": "n.json"}},
        },
        {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "id": "https://example.org/s",
            "definitions": {"a b/c": {"type": "integer"}},
            "properties": {"a": {"$ref": "#/definitions/a%20b~1c"}},
        },
    ],
)
def test_local_references_are_followed(schema):
    read = read_schema({"type": "object", **schema})
    assert [leaf.type for leaf in read.leaves] == ["integer"]
    assert read.problems({"a": "x"}) != []
    assert read.problems({"a": 1}) == []


def test_field_rows_say_what_each_field_is():
    schema = read_schema(
        [
            {"name": "total", "type": "number", "required": True, "description": "in euro"},
            {"name": "kind", "values": ["a", "b"]},
            {"name": "tags", "list": True},
            {"name": "lines[].name"},
            {"name": "lines[].price", "type": "number"},
        ]
    )
    kinds = {leaf.path: (leaf.type, leaf.nullable) for leaf in schema.leaves}
    assert kinds == {
        "total": ("number", False),
        "kind": ("enum", True),
        "tags[]": ("string", False),
        "lines[].name": ("string", True),
        "lines[].price": ("number", True),
    }
    assert schema.leaves[0].description == "in euro"
    assert schema.problems({"total": 3, "lines": [{"name": None}]}) == []
    assert schema.problems({"kind": "a", "lines": []}) != []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"type": "text"}], "row 1: has no name"),
        ([{"name": "a", "type": "money"}], "unknown type"),
        ([{"name": "a", "requird": True}], "has requird"),
        ([{"name": "a"}, {"name": "a"}], "appears twice"),
        ([{"name": "a"}, {"name": "a.b"}], "row 2 (a.b)"),
        ([{"name": "a", "values": "xy"}], "values that are not a list"),
        (["a"], "not a mapping"),
    ],
)
def test_each_wrong_field_row_gets_its_sentence(rows, said):
    with pytest.raises(FieldError) as caught:
        read_schema(rows)
    assert said in caught.value.message


def test_importing_schemas_loads_neither_validator_nor_pydantic():
    heavy = "jsonschema_rs", "pydantic", "numpy", "rapidfuzz", "pandas"
    code = f"import sys, llmwidgets.schemas; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout.strip() == "[]"
