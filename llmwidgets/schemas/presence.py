"""Nulls: whether a sent schema takes null, and the same schema made to take it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmwidgets.schemas.canonical import ANY_JSON, LISTS, MAPS, SINGLES, Canonical, Node, ref_name
from llmwidgets.schemas.fields import types_of
from llmwidgets.schemas.mapping import ENTRIES, KEY, VALUE

NULL: Node = {"type": "null"}


def accepts_null(node: Node, defs: Mapping[str, Node], seen: frozenset[str] = frozenset()) -> bool:
    """Whether null satisfies a sent schema; a definition still being made is taken not to."""
    if "$ref" in node:
        name = ref_name(node)
        return name not in seen and name in defs and accepts_null(defs[name], defs, seen | {name})
    if "anyOf" in node:
        return any(accepts_null(each, defs, seen) for each in node["anyOf"])
    if "const" in node:
        return node["const"] is None
    if "enum" in node:
        return None in node["enum"]
    types = types_of(node)
    return not types or "null" in types


def nullable(node: Node) -> Node:
    """A sent schema that also takes null, its description kept outside."""
    outside = {"description": node["description"]} if "description" in node else {}
    inside = {key: value for key, value in node.items() if key != "description"}
    if set(inside) == {"anyOf"}:
        return {"anyOf": [*inside["anyOf"], NULL], **outside}
    if "type" not in inside and ("enum" in inside or "const" in inside):
        listed = inside["enum"] if "enum" in inside else [inside["const"]]
        rest = {key: value for key, value in node.items() if key not in {"enum", "const"}}
        return {"enum": [*listed, None], **rest}
    types = types_of(node)
    if types and not types & {"object", "array"} and "const" not in node:
        named = [node["type"]] if isinstance(node["type"], str) else node["type"]
        more = {"enum": [*node["enum"], None]} if "enum" in node else {}
        return {**node, "type": [*named, "null"], **more}
    return {"anyOf": [inside, NULL], **outside}


def is_union(node: Node) -> bool:
    """Whether a sent schema is a union by its own words, or names several types."""
    return "anyOf" in node or isinstance(node.get("type"), list)


def without_null(node: Node) -> Node:
    """A sent schema that takes null, made to refuse it; no union where one branch is left."""
    if "anyOf" in node:
        rest = [each for each in node["anyOf"] if each != NULL]
        outside = {key: value for key, value in node.items() if key != "anyOf"}
        if len(rest) == 1 and not ("$ref" in rest[0] and outside):
            return {**rest[0], **outside}
        return {**node, "anyOf": rest}
    if isinstance(node.get("type"), list):
        types = [each for each in node["type"] if each != "null"]
        return {**node, "type": types[0] if len(types) == 1 else types}
    return node


# -- Sent forms: the objects that only the sent schema has, spelled once.


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


# -- Partial: the schema without its rules of presence, for truth that labels only some fields.

_PRESENCE = frozenset({
    "required", "dependentRequired", "dependentSchemas", "minProperties", "not", "if", "then",
    "else",
})  # fmt: skip


def without_presence(schema: Canonical) -> Node:
    """The schema with no property required, at any depth.

    `oneOf` becomes `anyOf`, since branches told apart by what is present no longer are.
    """
    fewer: Node = _without(schema.alone(schema.root))
    return fewer


def _without(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    fewer: Node = {}
    for key, value in node.items():
        if key in _PRESENCE:
            continue
        if key in MAPS:
            fewer[key] = {name: _without(each) for name, each in value.items()}
        elif key == "oneOf" and "anyOf" not in node:
            fewer["anyOf"] = [_without(each) for each in value]
        elif key in LISTS:
            fewer[key] = [_without(each) for each in value]
        elif key in SINGLES:
            fewer[key] = _without(value)
        else:
            fewer[key] = value
    return fewer
