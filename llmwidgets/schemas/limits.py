"""Limits: how large a schema a dialect takes, and what is left out where one is larger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from llmwidgets.schemas.canonical import Node
from llmwidgets.schemas.subset import Subset

if TYPE_CHECKING:
    from llmwidgets.schemas.compiling import Compiling


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


def enum_reason(work: Compiling) -> str:
    """Why an enum is not sent."""
    return f"{work.subset.name} does not take so many or so long allowed values"


def enum_chars_allowed(schema: Node, subset: Subset) -> int | None:
    """How many characters enums may hold beside the names; None where all fit as they are."""
    if subset.max_chars is None:
        return None
    names = sum(len(name) for name in schema.get("$defs", ()))
    values = 0
    for node in nodes_in(schema):
        names += sum(len(name) for name in node.get("properties", ()))
        values += sum(len(str(each)) for each in node.get("enum", ()))
        values += len(str(node["const"])) if "const" in node else 0
    if names + values <= subset.max_chars:
        return None
    return max(0, subset.max_chars - names)


def too_many_properties(work: Compiling, schema: Node) -> int:
    """How many properties a sent schema has, where that is more than are taken; else 0."""
    count = sum(len(node.get("properties", ())) for node in nodes_in(schema))
    most = work.subset.max_properties
    return count if most is not None and count > most else 0


def report(work: Compiling, schema: Node) -> None:
    """Add a loss where the schema has more properties than are taken."""
    count = too_many_properties(work, schema)
    if count:
        most = f"{work.subset.name} takes at most {work.subset.max_properties:,}"
        work.lose("properties", "", f"{most} and there are {count:,}")


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
    """A sent node and every node inside it, references not followed."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(each.get("properties", {}).values())
        waiting.extend(each.get("$defs", {}).values())
        waiting.extend(each.get("anyOf", ()))
        for keyword in ("items", "additionalProperties"):
            if isinstance(each.get(keyword), dict):
                waiting.append(each[keyword])
