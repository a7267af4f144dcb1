"""Leaf: one scalar place of a schema, the unit that is shown, scored and counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from llmwidgets.schemas.canonical import NEVER, Canonical, Node, ref_name
from llmwidgets.schemas.paths import any_name, item_path, property_path

MAX_LEAVES = 5000
"""A schema's leaves are listed up to here."""

_FORMATS = {
    "date": "date", "date-time": "datetime", "time": "time", "email": "email",
    "idn-email": "email",
}  # fmt: skip
_NUMBERS = {"integer", "number"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar place. `path` is a pattern: `policy.number`, `lines[].total`, `tags[]`, `*`.

    `type` is one of string number integer boolean date datetime time email enum array other.
    `values` are the allowed values of an enum. The root of a scalar schema has the path "".
    """

    path: str
    type: str
    nullable: bool = False
    required: bool = False
    description: str = ""
    values: tuple[Any, ...] | None = None
    format: str | None = None


def read_leaves(schema: Canonical) -> tuple[Leaf, ...]:
    """Every scalar place in the order of the schema; a recursive part ends in `other`."""
    found: dict[str, Leaf] = {}
    for leaf in _walk(schema, schema.root, Leaf("", "other", required=True), frozenset()):
        known = found.get(leaf.path)
        found[leaf.path] = leaf if known is None else _either(known, leaf)
        if len(found) >= MAX_LEAVES:
            break
    return tuple(found.values())


def _either(one: Leaf, other: Leaf) -> Leaf:
    """What holds for a place that two branches of a union describe."""
    kind = one.type
    if one.type != other.type:
        kinds = {one.type, other.type}
        texts = {"string", "date", "datetime", "time", "email"}
        kind = "number" if kinds <= _NUMBERS else "string" if kinds <= texts else "other"
    values = None
    if kind == "enum":
        values = tuple(dict.fromkeys((one.values or ()) + (other.values or ())))
    return replace(
        one,
        type=kind,
        nullable=one.nullable or other.nullable,
        required=one.required and other.required,
        values=values,
        format=one.format if one.format == other.format else None,
    )


def _walk(schema: Canonical, node: Node, at: Leaf, inside: frozenset[str]) -> Iterator[Leaf]:
    """`at` carries the path and what is known of the place from outside."""
    at = replace(at, description=str(node.get("description") or at.description))
    if "$ref" in node:
        name = ref_name(node)
        others = {key: value for key, value in node.items() if key != "$ref"}
        if name in inside:
            yield replace(at, type="other")
        else:
            yield from _walk(schema, {**schema.defs[name], **others}, at, inside | {name})
        return
    inner = list(_structure(schema, node, at, inside))
    for each in node.get("allOf", ()):
        if says_something(each):
            inner += _walk(schema, each, at, inside)
    for keyword in ("anyOf", "oneOf"):
        inner += _options(schema, node, keyword, at, inside)
    yield from inner or [_scalar(node, at)]


def _options(
    schema: Canonical, node: Node, keyword: str, at: Leaf, inside: frozenset[str]
) -> Iterator[Leaf]:
    options = [each for each in node.get(keyword, ()) if each != NEVER]
    real = [each for each in options if not _is_null(schema.resolve(each))]
    inner = replace(at, nullable=at.nullable or len(real) < len(options))
    kind = {"type": node["type"]} if "type" in node else {}
    for each in real:
        if says_something(each):
            yield from _walk(schema, {**kind, **each}, inner, inside)


_SAYING = frozenset({
    "$ref", "type", "properties", "items", "prefixItems", "enum", "const", "anyOf", "oneOf",
    "allOf", "additionalProperties", "patternProperties", "format",
})  # fmt: skip


def says_something(node: Node) -> bool:
    """Whether a schema tells what a value is, and not only what must be there."""
    return not _SAYING.isdisjoint(node)


def _is_null(node: Node) -> bool:
    return types_of(node) == {"null"} or node.get("const", "") is None


def types_of(node: Node) -> set[str]:
    """The types that `type` names; none where it is absent."""
    named = node.get("type", ())
    return {named} if isinstance(named, str) else set(named)


def _structure(schema: Canonical, node: Node, at: Leaf, inside: frozenset[str]) -> Iterator[Leaf]:
    types = types_of(node)
    at = replace(at, nullable=at.nullable or "null" in types)
    inner = Leaf("", "other", required=at.required, nullable=at.nullable)
    if not types or "object" in types:
        properties = node.get("properties", {})
        required = node.get("required", ())
        for name, each in properties.items():
            if each != NEVER:
                here = replace(
                    inner,
                    path=property_path(at.path, name),
                    required=name in required and at.required,
                    nullable=False,
                )
                yield from _walk(schema, each, here, inside)
        for each in _open_parts(node, types):
            here = replace(inner, path=any_name(at.path), required=False, nullable=False)
            yield from _walk(schema, each, here, inside)
    if not types or "array" in types:
        for each in [*node.get("prefixItems", ()), *_items(node)]:
            if each != NEVER:
                here = replace(inner, path=item_path(at.path), nullable=False)
                yield from _walk(schema, each, here, inside)


def _items(node: Node) -> list[Node]:
    return [node["items"]] if isinstance(node.get("items"), dict) else []


def _open_parts(node: Node, types: set[str]) -> list[Node]:
    parts = list(node.get("patternProperties", {}).values())
    rest = node.get("additionalProperties")
    if isinstance(rest, dict) and (rest or not node.get("properties")):
        parts.append(rest)
    nothing_listed = not node.get("properties") and not parts and rest is None
    if nothing_listed and types & {"object"} and _SAYING.isdisjoint(set(node) - {"type"}):
        parts.append({})
    return parts


def _scalar(node: Node, at: Leaf) -> Leaf:
    types = types_of(node)
    nullable = at.nullable or "null" in types
    values = node["enum"] if "enum" in node else [node["const"]] if "const" in node else None
    if values is not None:
        nullable = at.nullable or (None in values and (not types or "null" in types))
        plain = tuple(each for each in values if each is not None)
        simple = all(isinstance(each, str | int | float) for each in plain)
        if plain and simple:
            return replace(at, type="enum", nullable=nullable, values=plain)
        return replace(at, type="other", nullable=nullable)
    kind, text_format = _kind(types - {"null"}), node.get("format")
    if not isinstance(text_format, str):
        text_format = None
    if kind == "string" and text_format in _FORMATS:
        kind = _FORMATS[text_format]
    return replace(at, type=kind, nullable=nullable, format=text_format)


def _kind(types: set[str]) -> str:
    if len(types) == 1:
        (only,) = types
        return "other" if only == "object" else only
    return "number" if types and types <= _NUMBERS else "other"
