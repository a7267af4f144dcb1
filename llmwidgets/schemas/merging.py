"""Merging: two canonical schemas that both hold, written as one, as far as that can be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from llmwidgets.schemas.canonical import Node
from llmwidgets.schemas.fields import types_of

ANNOTATIONS = frozenset({
    "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
    "contentMediaType", "contentEncoding", "contentSchema",
})  # fmt: skip
"""Keywords that constrain nothing."""

_LARGEST = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"}
_SMALLEST = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
_TYPES = ("string", "number", "integer", "boolean", "null", "array", "object")


class ConflictError(Exception):
    """Nothing satisfies both schemas."""


def key_of(value: Any) -> str:
    """A text that is the same for equal JSON values, and tells true from 1."""
    return json.dumps(value, sort_keys=True)


def merge(one: Node, other: Node) -> tuple[Node, list[str]]:
    """What satisfies both, and the keywords of `other` that could not be taken over.

    Annotations of `one` win. ConflictError where nothing satisfies both.
    """
    whole: Node = dict(one)
    lost: list[str] = []
    for keyword, value in other.items():
        if keyword not in whole:
            whole[keyword] = value
        elif whole[keyword] == value or keyword in ANNOTATIONS or keyword == "properties":
            continue
        elif keyword in _MERGERS:
            whole[keyword] = _MERGERS[keyword](whole[keyword], value)
        elif keyword in {"anyOf", "oneOf"}:
            free = "oneOf" if keyword == "anyOf" else "anyOf"
            if free in whole or free in other:
                lost.append(keyword)
            else:
                whole[free] = value
        else:
            lost.append(keyword)
    _merge_values(whole, one, other)
    _merge_properties(whole, one, other)
    return whole, lost


def _both_types(one: Any, other: Any) -> list[str]:
    left, right = _widened({"type": one}), _widened({"type": other})
    common = left & right
    if "number" in common:
        common -= {"integer"}
    if not common:
        raise ConflictError
    return [name for name in _TYPES if name in common]


def _widened(node: Node) -> set[str]:
    types = types_of(node)
    return types | {"integer"} if "number" in types else types


def _merge_values(whole: Node, one: Node, other: Node) -> None:
    lists = [node["enum"] for node in (one, other) if isinstance(node.get("enum"), list)]
    lists += [[node["const"]] for node in (one, other) if "const" in node]
    if len(lists) < 2:
        return
    common = {key_of(each) for each in lists[0]}
    for each in lists[1:]:
        common &= {key_of(value) for value in each}
    if not common:
        raise ConflictError
    if "const" not in whole:
        whole["enum"] = [each for each in lists[0] if key_of(each) in common]
    elif "enum" in whole:
        del whole["enum"]


def _merge_properties(whole: Node, one: Node, other: Node) -> None:
    if "properties" not in one and "properties" not in other:
        return
    left, right = one.get("properties", {}), other.get("properties", {})
    merged = dict(left)
    for name, node in right.items():
        merged[name] = all_of(merged[name], node) if name in merged else node
    for closed, own in ((one, left), (other, right)):
        if closed.get("additionalProperties") is False and not closed.get("patternProperties"):
            merged = {name: node for name, node in merged.items() if name in own}
    whole["properties"] = merged


def all_of(one: Any, other: Any) -> Any:
    """Both at once, to be merged when that place is compiled."""
    if one == other:
        return one
    return {"allOf": [one, other]}


def _both_open(one: Any, other: Any) -> Any:
    return False if one is False or other is False else all_of(one, other)


def _both_patterns(one: Node, other: Node) -> Node:
    return {**other, **{k: all_of(v, other[k]) if k in other else v for k, v in one.items()}}


_MERGERS: dict[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(_LARGEST, max),
    **dict.fromkeys(_SMALLEST, min),
    "type": _both_types,
    "required": lambda one, other: list(dict.fromkeys([*one, *other])),
    "items": all_of,
    "propertyNames": all_of,
    "additionalProperties": _both_open,
    "patternProperties": _both_patterns,
    "enum": lambda one, _: one,
    "const": lambda one, _: one,
    "allOf": lambda one, other: [*one, *other],
}
