"""Sent forms: the objects that only the sent schema has, spelled once."""

from __future__ import annotations

from llmwidgets.schemas.canonical import ANY_JSON, Node
from llmwidgets.schemas.mapping import ENTRIES, KEY, VALUE


def closed(properties: Node) -> Node:
    """An object with exactly these properties, all of them required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def entries(value: Node) -> Node:
    """A list of key and value, as which an open object travels."""
    return {"type": "array", "items": closed({KEY: {"type": "string"}, VALUE: value})}


def any_json() -> Node:
    """Any JSON value; an object in it is told from a list by its one property."""
    again: Node = {"$ref": f"#/$defs/{ANY_JSON}"}
    scalars: list[Node] = [{"type": name} for name in ("string", "number", "boolean", "null")]
    listed: Node = {"type": "array", "items": again}
    return {"anyOf": [*scalars, listed, closed({ENTRIES: entries(again)})]}
