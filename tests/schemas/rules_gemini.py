"""The rules of Gemini's `responseJsonSchema`, written down apart from the compiler."""

from __future__ import annotations

from collections.abc import Iterator

_ALLOWED = {
    "$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum",
    "items", "prefixItems", "minItems", "maxItems", "minimum", "maximum", "anyOf",
    "properties", "additionalProperties", "required", "propertyOrdering",
}  # fmt: skip
_FORMATS = {"date-time", "date", "time"}


def broken(schema: dict) -> list[str]:
    """Every rule of form that a sent schema breaks, with its place."""
    found = [] if schema.get("type") == "object" and "anyOf" not in schema else ["root: no object"]
    defs = schema.get("$defs", {})
    tops = {"root": schema, **{f"$defs/{name}": node for name, node in defs.items()}}
    for top, start in tops.items():
        for place, node in _inside(top, start):
            found += [f"{place}: {said}" for said in _broken_here(node, defs)]
    return found


def over_limits(schema: dict) -> list[str]:
    """The definitions that lead back to themselves through required places alone."""
    defs = schema.get("$defs", {})
    leads = {name: _needed(node) & set(defs) for name, node in defs.items()}
    while True:
        further = {
            name: names.union(*(leads[each] for each in names)) for name, names in leads.items()
        }
        if further == leads:
            return sorted(name for name, names in leads.items() if name in names)
        leads = further


def _needed(node: dict) -> set[str]:
    """The definitions that a node refers to outside properties that may be absent."""
    if "$ref" in node:
        return {node["$ref"].removeprefix("#/$defs/")}
    inner = [each for name, each in node.get("properties", {}).items() if name in node["required"]]
    inner += [*node.get("anyOf", ()), *node.get("prefixItems", ())]
    inner += [node[key] for key in ("items", "additionalProperties") if _is_node(node, key)]
    return set().union(*map(_needed, inner))


def _is_node(node: dict, keyword: str) -> bool:
    return isinstance(node.get(keyword), dict)


def _inside(top: str, start: dict) -> Iterator[tuple[str, dict]]:
    waiting = [(top, start)]
    while waiting:
        place, node = waiting.pop()
        yield place, node
        waiting += [(f"{place}/{name}", each) for name, each in node.get("properties", {}).items()]
        for keyword in ("anyOf", "prefixItems"):
            waiting += [(f"{place}|", each) for each in node.get(keyword, ())]
        for keyword in ("items", "additionalProperties"):
            if _is_node(node, keyword):
                waiting.append((f"{place}.{keyword}", node[keyword]))


def _broken_here(node: dict, defs: dict) -> list[str]:
    found = [f"{keyword} is not permitted" for keyword in set(node) - _ALLOWED]
    if "$ref" in node:
        if any(not key.startswith("$") for key in node):
            found.append("$ref with siblings")
        if node["$ref"].removeprefix("#/$defs/") not in defs:
            found.append("$ref to nowhere")
    if "enum" in node:
        if not node["enum"] or "type" not in node:
            found.append("enum that is empty or has no type")
        if any(
            isinstance(each, bool) or not isinstance(each, str | int | float)
            for each in node["enum"]
        ):
            found.append("enum of other than texts and numbers")
    if "format" in node and node["format"] not in _FORMATS:
        found.append(f"format {node['format']}")
    if "properties" in node and not node["properties"]:
        found.append("properties without one")
    if not set(node.get("required", ())) <= set(node.get("properties", ())):
        found.append("required and not listed")
    return found
