"""The rules of Anthropic's `output_config.format`, written down apart from the compiler."""

from __future__ import annotations

from collections.abc import Iterator

_ALLOWED = {
    "$defs", "$ref", "type", "enum", "const", "anyOf", "allOf", "description", "title",
    "properties", "required", "additionalProperties", "items", "minItems", "format",
}  # fmt: skip
_FORMATS = {
    "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6",
    "uuid",
}  # fmt: skip
_SAYING = {"type", "anyOf", "allOf", "enum", "const", "$ref"}


def broken(schema: dict) -> list[str]:
    """Every rule of form that a sent schema breaks, with its place."""
    found = [] if schema.get("type") == "object" else ["root: no object"]
    if {"$ref", "anyOf"} & set(schema):
        found.append("root: a union or a reference")
    defs = schema.get("$defs", {})
    tops = {"root": schema, **{f"$defs/{name}": node for name, node in defs.items()}}
    for top, start in tops.items():
        for place, node in _reached(top, start):
            found += [f"{place}: {said}" for said in _broken_here(node, defs)]
    return found


def over_limits(schema: dict) -> list[str]:
    """Every limit of size that a sent schema exceeds; what `$defs` hold does not count."""
    optional = unions = 0
    for _, node in _reached("root", schema):
        for name, each in node.get("properties", {}).items():
            optional += name not in node.get("required", ())
            unions += "anyOf" in each or isinstance(each.get("type"), list)
    found = []
    if optional > 24:
        found.append(f"{optional} optional properties")
    if unions > 16:
        found.append(f"{unions} properties with unions")
    if _recursive(schema):
        found.append("recursion")
    return found


def _recursive(schema: dict) -> bool:
    leads = {
        name: {each["$ref"] for _, each in _reached("", node) if "$ref" in each}
        for name, node in schema.get("$defs", {}).items()
    }
    left = set(leads)
    while left:
        ends = {name for name in left if not any(f"#/$defs/{o}" in leads[name] for o in left)}
        if not ends:
            return True
        left -= ends
    return False


def _reached(top: str, start: dict) -> Iterator[tuple[str, dict]]:
    waiting = [(top, start)]
    while waiting:
        place, node = waiting.pop()
        yield place, node
        waiting += [(f"{place}/{name}", each) for name, each in node.get("properties", {}).items()]
        waiting += [(f"{place}|", each) for each in node.get("anyOf", ())]
        if "items" in node:
            waiting.append((f"{place}[]", node["items"]))


def _broken_here(node: dict, defs: dict) -> list[str]:
    found = [f"{keyword} is not permitted" for keyword in set(node) - _ALLOWED]
    if not _SAYING & set(node):
        found.append("says nothing")
    if "$ref" in node:
        if len(node) > 1:
            found.append("$ref with siblings")
        if node["$ref"].removeprefix("#/$defs/") not in defs:
            found.append("$ref to nowhere")
    types = node.get("type", [])
    types = [types] if isinstance(types, str) else types
    if "object" in types and node.get("additionalProperties") is not False:
        found.append("open object")
    if not set(node.get("required", ())) <= set(node.get("properties", ())):
        found.append("required and not listed")
    if node.get("minItems", 0) not in {0, 1}:
        found.append("minItems above 1")
    if "format" in node and node["format"] not in _FORMATS:
        found.append(f"format {node['format']}")
    listed = [*node.get("enum", ()), *([node["const"]] if "const" in node else [])]
    if any(isinstance(each, list | dict) for each in listed):
        found.append("a listed value that is no scalar")
    if listed and "type" in node:
        found.append("type beside enum or const")
    return found
