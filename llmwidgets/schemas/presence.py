"""Nulls: whether a sent schema takes null, and the same schema made to take it."""

from __future__ import annotations

from collections.abc import Mapping

from llmwidgets.schemas.canonical import Node, ref_name
from llmwidgets.schemas.fields import types_of

NULL: Node = {"type": "null"}


def takes_null(node: Node, defs: Mapping[str, Node], seen: frozenset[str] = frozenset()) -> bool:
    """Whether null satisfies a sent schema; a definition still being made is taken not to."""
    if "$ref" in node:
        name = ref_name(node)
        return name not in seen and name in defs and takes_null(defs[name], defs, seen | {name})
    if "anyOf" in node:
        return any(takes_null(each, defs, seen) for each in node["anyOf"])
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
