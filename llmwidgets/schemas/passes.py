"""Keywords: which constraints speak of which type, and which of them a dialect takes."""

from __future__ import annotations

import re
from typing import Any

from llmwidgets.schemas.canonical import NEVER, Node
from llmwidgets.schemas.subset import Subset

_BY_TYPE = {
    "string": {"minLength", "maxLength", "pattern", "format"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "array": {
        "minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains",
        "unevaluatedItems", "items", "prefixItems",
    },
    "object": {
        "minProperties", "maxProperties", "propertyNames", "dependentRequired",
        "dependentSchemas", "unevaluatedProperties", "properties", "patternProperties",
        "additionalProperties", "required",
    },
}  # fmt: skip
_BY_TYPE["integer"] = _BY_TYPE["number"]
_STRUCTURE = {"items", "properties", "additionalProperties", "required"}
ANY_TYPE = {"not", "if", "then", "else"}
CONSTRAINTS = frozenset().union(*_BY_TYPE.values(), ANY_TYPE, {"enum", "const", "anyOf", "oneOf"})
_LOOK_AROUND = re.compile(r"\(\?<?[=!]")


def relevant(types: set[str]) -> set[str]:
    """The constraints that speak of values of these types, structure left out."""
    return set().union(*(_BY_TYPE.get(each, set()) for each in types)) - _STRUCTURE


def taken(keyword: str, value: Any, subset: Subset) -> bool:
    """Whether the dialect takes this constraint with this value as it is."""
    if keyword not in subset.keywords:
        return False
    if keyword == "format":
        return value in subset.formats
    if keyword == "pattern":
        return subset.look_around or not _LOOK_AROUND.search(value)
    most = subset.min_items_up_to
    return not (keyword == "minItems" and most is not None and value > most)


def held(keyword: str, value: Any, subset: Subset) -> bool:
    """Whether the sent schema holds the constraint though the keyword itself is gone."""
    if keyword == "unevaluatedProperties":
        return value == {} or (subset.closed and value == NEVER)
    if keyword in {"minLength", "minItems", "minProperties"}:
        return bool(value == 0)
    return keyword in {"uniqueItems", "dependentRequired"} and not value


def implied(node: Node) -> set[str]:
    """The type that the other keywords speak of, where `type` is absent."""
    for name in ("object", "array", "string", "number"):
        if not _BY_TYPE[name].isdisjoint(node):
            return {name}
    return set()


def listed_types(node: Node) -> list[str]:
    named = node.get("type", [])
    return [named] if isinstance(named, str) else list(named)


def only(node: Node, kind: str) -> Node:
    """The node's keywords that speak of values of one type."""
    mine = _BY_TYPE.get(kind, set()) | ANY_TYPE
    return {key: value for key, value in node.items() if key in mine}


def type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def is_of(value: Any, types: set[str]) -> bool:
    kind = type_of(value)
    whole = isinstance(value, float) and value.is_integer() and "integer" in types
    return not types or kind in types or (kind == "integer" and "number" in types) or whole
