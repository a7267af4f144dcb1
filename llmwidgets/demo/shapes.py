"""Reading a JSON Schema: local references, merged allOf, the branches of a union."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Node = Mapping[str, Any]

_DEEPEST = 40


class Disobeyed(Exception):
    """No record can be made that obeys the schema."""


def resolve(node: Any, root: Node) -> Node:
    """The node with its local `$ref` and `allOf` merged in; raises Disobeyed for what is no node.

    `true` reads as the empty schema.
    """
    return _resolve(node, root, 0)


def _resolve(node: Any, root: Node, depth: int) -> Node:
    if node is True:
        return {}
    if not isinstance(node, Mapping):
        raise Disobeyed("A part of the schema allows no value.")
    if depth > _DEEPEST:
        raise Disobeyed("A part of the schema refers to itself without end.")
    merged: dict[str, Any] = {key: node[key] for key in node if key not in ("$ref", "allOf")}
    if isinstance(node.get("$ref"), str):
        merged = merge(_resolve(pointed(node["$ref"], root), root, depth + 1), merged)
    parts = node.get("allOf")
    for part in parts if isinstance(parts, list) else ():
        merged = merge(merged, _resolve(part, root, depth + 1))
    return merged


def pointed(reference: str, root: Node) -> Any:
    """What a local reference (`#`, `#/$defs/Line`, `#anchor`) names; raises Disobeyed."""
    if reference == "#":
        return root
    if reference.startswith("#/"):
        place: Any = root
        for step in reference[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~").replace("%24", "$")
            if isinstance(place, Mapping) and key in place:
                place = place[key]
            elif isinstance(place, list) and key.isdecimal() and int(key) < len(place):
                place = place[int(key)]
            else:
                raise Disobeyed("The schema refers to a part that it does not have.")
        return place
    raise Disobeyed("The schema refers to a part outside itself; the demo reads local ones alone.")


def merge(one: Node, other: Node) -> dict[str, Any]:
    """Both schemas at once, as far as that can be said in one."""
    merged = dict(one)
    for key, value in other.items():
        if key not in merged:
            merged[key] = value
        elif key in ("properties", "patternProperties", "$defs", "definitions"):
            merged[key] = _both(merged[key], value)
        elif key == "required":
            merged[key] = [*merged[key], *(name for name in value if name not in merged[key])]
        elif key == "type":
            allowed = [kind for kind in types(one) if kind in types(other)]
            merged[key] = allowed or value
        elif key == "enum":
            merged[key] = [each for each in merged[key] if each in value]
        elif key in ("minimum", "minLength", "minItems", "exclusiveMinimum", "minProperties"):
            merged[key] = max(merged[key], value)
        elif key in ("maximum", "maxLength", "maxItems", "exclusiveMaximum", "maxProperties"):
            merged[key] = min(merged[key], value)
        elif key == "additionalProperties":
            merged[key] = False if False in (merged[key], value) else value
        else:
            merged[key] = value
    return merged


def _both(one: Any, other: Any) -> dict[str, Any]:
    shared = {
        name: {"allOf": [one[name], other[name]]} if one[name] != other[name] else one[name]
        for name in one.keys() & other.keys()
    }
    return {**one, **other, **shared}


def types(node: Node) -> list[str]:
    """The JSON types a node allows, told by its keywords where it names none."""
    said = node.get("type")
    if isinstance(said, str):
        return [said]
    if isinstance(said, list):
        return [str(each) for each in said]
    if "properties" in node or "required" in node or "additionalProperties" in node:
        return ["object"]
    if "items" in node or "prefixItems" in node or "minItems" in node:
        return ["array"]
    if {"minLength", "maxLength", "pattern", "format"} & node.keys():
        return ["string"]
    if {"minimum", "maximum", "multipleOf", "exclusiveMinimum"} & node.keys():
        return ["number"]
    return []


def branches(node: Node) -> list[Any]:
    """The alternatives of anyOf or oneOf; none where the node is no union."""
    for key in ("anyOf", "oneOf"):
        if isinstance(node.get(key), list) and node[key]:
            return list(node[key])
    return []


def nullable(node: Node, root: Node) -> bool:
    """Whether null is allowed by type, enum or a branch."""
    if "enum" in node:
        return None in node["enum"]
    if "null" in types(node):
        return True
    return any(nullable(resolve(branch, root), root) for branch in branches(node))


def value_branch(node: Node, root: Node) -> Node:
    """The node that says how a value other than null looks: the first such branch of a union."""
    for branch in branches(node):
        inner = resolve(branch, root)
        if types(inner) != ["null"] and inner.get("const", ...) is not None:
            around = {key: node[key] for key in node if key not in ("anyOf", "oneOf")}
            return value_branch(merge(inner, around), root)
    return node
