"""The rules of OpenAI's strict mode, written down from its guide and apart from the compiler."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ALLOWED = {
    "type", "properties", "required", "additionalProperties", "items", "anyOf", "enum",
    "$ref", "$defs", "description", "const", "pattern", "format", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems",
}  # fmt: skip
_FORMATS = {
    "date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid",
}  # fmt: skip


def broken(schema: dict) -> list[str]:
    """Every rule of form that a sent schema breaks, with its place."""
    found: list[str] = []
    if schema.get("type") != "object" or "anyOf" in schema or "$ref" in schema:
        found.append("root: no plain object")
    defs = schema.get("$defs", {})
    for place, node, level in _nodes(schema):
        found += [f"{place}: {said}" for said in _broken_here(node, defs, root=place == "root")]
        if level > 10:
            found.append(f"{place}: nested {level} levels")
    return found


def over_limits(schema: dict) -> list[str]:
    """Every limit of size that a sent schema exceeds."""
    properties = values = 0
    chars = sum(map(len, schema.get("$defs", ())))
    for _, node, _ in _nodes(schema):
        properties += len(node.get("properties", ()))
        values += len(node.get("enum", ()))
        chars += sum(map(len, node.get("properties", ())))
        chars += sum(len(str(each)) for each in node.get("enum", ()))
        chars += len(str(node["const"])) if "const" in node else 0
    figures = {"properties": (properties, 5000), "enum values": (values, 1000)}
    figures["characters"] = (chars, 120_000)
    return [f"{n} {name}, more than {most}" for name, (n, most) in figures.items() if n > most]


def _nodes(schema: dict) -> Iterator[tuple[str, dict, int]]:
    """Each node with its place and its nesting level, definitions counted on their own."""
    waiting = [("root", schema, 1)]
    waiting += [(f"$defs/{name}", node, 1) for name, node in schema.get("$defs", {}).items()]
    while waiting:
        place, node, level = waiting.pop()
        yield place, node, level
        for name, each in node.get("properties", {}).items():
            waiting.append((f"{place}/{name}", each, level + 1))
        if "items" in node:
            waiting.append((f"{place}[]", node["items"], level + 1))
        waiting.extend((f"{place}|", each, level) for each in node.get("anyOf", ()))


def _broken_here(node: dict, defs: dict, *, root: bool) -> list[str]:
    if "$ref" in node:
        known = node["$ref"] == "#" or node["$ref"].removeprefix("#/$defs/") in defs
        return ([] if set(node) == {"$ref"} else ["$ref with siblings"]) + (
            [] if known else [f"{node['$ref']} is nowhere"]
        )
    found = [f"{keyword} is not permitted" for keyword in set(node) - _ALLOWED]
    if "$defs" in node and not root:
        found.append("$defs below the root")
    if "type" not in node and "anyOf" not in node:
        found.append("no type")
    types = node.get("type", [])
    types = [types] if isinstance(types, str) else types
    if "object" in types:
        if node.get("additionalProperties") is not False or "properties" not in node:
            found.append("open object")
        if list(node.get("required", ())) != list(node.get("properties", ())):
            found.append("not all properties are required")
    if "array" in types and not isinstance(node.get("items"), dict):
        found.append("array without items")
    if "format" in node and node["format"] not in _FORMATS:
        found.append(f"format {node['format']}")
    if re.search(r"\(\?<?[=!]", node.get("pattern", "")):
        found.append("look-around")
    if len(node.get("enum", ())) > 250 and sum(map(len, map(str, node["enum"]))) > 15_000:
        found.append("large enum")
    if "anyOf" in node:
        firsts = [key for each in node["anyOf"] for key in _first_keys(each, defs)]
        if len(firsts) != len(set(firsts)):
            found.append(f"branches share a first key of {sorted(firsts)}")
    return found


def _first_keys(node: dict, defs: dict) -> set[str]:
    seen: set[str] = set()
    waiting, keys = [node], set()
    while waiting:
        each = waiting.pop()
        if "$ref" in each:
            name = each["$ref"].removeprefix("#/$defs/")
            if name not in seen:
                seen.add(name)
                waiting.append(defs[name])
        waiting.extend(each.get("anyOf", ()))
        keys.update(list(each.get("properties", {}))[:1])
    return keys
