"""Limits: how large a schema a dialect takes, and what is left out where one is larger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from llmwidgets.schemas.canonical import Node
from llmwidgets.schemas.cycles import is_recursive
from llmwidgets.schemas.presence import is_union
from llmwidgets.schemas.subset import Subset

if TYPE_CHECKING:
    from llmwidgets.schemas.compiler import Compiling


_MANY = 5000
"""More properties than this come of unions multiplied out, and no model minds them all."""


def enum_fits(work: Compiling, values: list[Any]) -> bool:
    """Whether these enum values may still be sent; counts them where they may."""
    subset = work.subset
    chars = sum(len(str(each)) for each in values)
    if subset.max_enum_values is not None:
        if work.enum_values + len(values) > subset.max_enum_values:
            return False
        large = subset.large_enum is not None and len(values) > subset.large_enum
        most = subset.max_large_enum_chars
        if large and most is not None and chars > most:
            return False
    if work.enum_chars is not None:
        if chars > work.enum_chars:
            return False
        work.enum_chars -= chars
    work.enum_values += len(values)
    return True


def enum_reason(subset: Subset) -> str:
    """Why an enum is not sent."""
    return f"{subset.name} does not take so many or so long allowed values"


def enum_chars_allowed(schema: Node, subset: Subset) -> int | None:
    """How many characters enums may hold beside the names; None where all fit as they are."""
    if subset.max_chars is None:
        return None
    names, values = _chars(schema)
    return None if names + values <= subset.max_chars else max(0, subset.max_chars - names)


def _chars(schema: Node) -> tuple[int, int]:
    """The characters of all names, and of all enum values and constants."""
    names = sum(len(name) for name in schema.get("$defs", ()))
    values = 0
    for node in nodes_in(schema):
        names += sum(len(name) for name in node.get("properties", ()))
        values += sum(len(str(each)) for each in node.get("enum", ()))
        values += len(str(node["const"])) if "const" in node else 0
    return names, values


def too_many_properties(subset: Subset, schema: Node) -> bool:
    """Whether a sent schema has more properties than are taken, or than make sense."""
    return _properties(schema) > (subset.max_properties or _MANY)


def _properties(schema: Node) -> int:
    return sum(len(node.get("properties", ())) for node in nodes_in(schema))


def too_many_choices(subset: Subset, schema: Node) -> bool:
    """Whether a sent schema has more optional properties, or more unions, than are taken."""
    optional, unions = _choices(schema)
    return _beyond(optional, subset.max_optional) or _beyond(unions, subset.max_unions)


def _choices(schema: Node) -> tuple[int, int]:
    """How many properties may be absent, and how many are unions, references not followed."""
    optional = unions = 0
    for node in nodes_reached(schema):
        required = node.get("required", ())
        for name, each in node.get("properties", {}).items():
            optional += name not in required
            unions += is_union(each)
    return optional, unions


def _beyond(count: int, most: int | None) -> bool:
    return most is not None and count > most


def excess(subset: Subset, schema: Node) -> str:
    """What a sent schema has more of than the dialect takes, in words; empty where nothing."""
    if not subset.recursion and is_recursive(schema):
        return f"{subset.name} takes no recursion"
    optional, unions = _choices(schema)
    counted = (
        (optional, subset.max_optional, "properties that may be absent"),
        (unions, subset.max_unions, "properties of several types"),
        (_properties(schema), subset.max_properties, "properties"),
        (sum(_chars(schema)), subset.max_chars, "characters of names and values"),
        (_enum_values(schema), subset.max_enum_values, "allowed values"),
    )
    for count, most, what in counted:
        if most is not None and count > most:
            return f"{subset.name} takes at most {most:,} {what}, and there are {count:,}"
    return ""


def _enum_values(schema: Node) -> int:
    return sum(len(node.get("enum", ())) for node in nodes_in(schema))


def hoist(work: Compiling, root: Node) -> None:
    """Move what is nested too deeply into `$defs`, where nesting starts anew."""
    most = work.subset.max_depth
    if most is None:
        return
    waiting = [(node, 1) for node in (root, *work.defs.values())]
    while waiting:
        node, level = waiting.pop()
        if level == most and _has_inside(node):
            count = 1 + sum(name.startswith("Inner_") for name in work.defs)
            while (name := f"Inner_{count}") in work.defs or name in work.schema.defs:
                count += 1
            inner = dict(node)
            work.defs[name] = inner
            node.clear()
            node["$ref"] = f"#/$defs/{name}"
            waiting.append((inner, 1))
            continue
        waiting.extend((each, level) for each in node.get("anyOf", ()))
        waiting.extend((each, level + 1) for each in node.get("properties", {}).values())
        if "items" in node:
            waiting.append((node["items"], level + 1))


def _has_inside(node: Node) -> bool:
    return bool(node.get("properties") or "items" in node or "anyOf" in node)


def nodes_in(node: Node) -> Iterator[Node]:
    """A sent node and every node inside it, definitions included, references not followed."""
    for each in (node, *node.get("$defs", {}).values()):
        yield from nodes_reached(each)


def nodes_reached(node: Node) -> Iterator[Node]:
    """A sent node and every node inside it, definitions left out."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(each.get("properties", {}).values())
        waiting.extend(each.get("anyOf", ()))
        waiting.extend(each.get("prefixItems", ()))
        for keyword in ("items", "additionalProperties"):
            if isinstance(each.get(keyword), dict):
                waiting.append(each[keyword])
