"""Keywords: which constraints speak of which type, and which of them a dialect takes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from llmwidgets.schemas.canonical import NEVER, Node, ref_name
from llmwidgets.schemas.fields import types_of
from llmwidgets.schemas.paths import item_path, property_path
from llmwidgets.schemas.presence import is_union, without_null
from llmwidgets.schemas.subset import SchemaCapabilities

if TYPE_CHECKING:
    from llmwidgets.schemas.compiler import Compiling


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


def taken(keyword: str, value: Any, subset: SchemaCapabilities) -> bool:
    """Whether the dialect takes this constraint with this value as it is."""
    if keyword not in subset.keywords:
        return False
    if keyword == "format":
        return value in subset.formats
    if keyword == "pattern":
        return subset.look_around or not _LOOK_AROUND.search(value)
    most = subset.min_items_up_to
    return not (keyword == "minItems" and most is not None and value > most)


def held(keyword: str, value: Any, subset: SchemaCapabilities) -> bool:
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


# -- Limits: how large a schema a dialect takes, and what is left out where one is larger.

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


def enum_reason(subset: SchemaCapabilities) -> str:
    """Why an enum is not sent."""
    return f"{subset.name} does not take so many or so long allowed values"


def enum_chars_allowed(schema: Node, subset: SchemaCapabilities) -> int | None:
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


def too_many_properties(subset: SchemaCapabilities, schema: Node) -> bool:
    """Whether a sent schema has more properties than are taken, or than make sense."""
    return _properties(schema) > (subset.max_properties or _MANY)


def _properties(schema: Node) -> int:
    return sum(len(node.get("properties", ())) for node in nodes_in(schema))


def too_many_choices(subset: SchemaCapabilities, schema: Node) -> bool:
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


def excess(subset: SchemaCapabilities, schema: Node) -> str:
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


# -- Economy: optional properties spread over two limits, where one of them does not hold them all.
#
# A provider may limit how many properties are optional and how many are unions. A property that
# may be absent counts towards the first; required, with null for absence, it counts towards the
# second. An enum counts towards neither when null is one of its values.

Way = Literal["absent", "null"]


@dataclass(slots=True)
class Economy:
    """What is left of each limit."""

    optional: int
    unions: int

    @classmethod
    def left_by(cls, schema: Node, subset: SchemaCapabilities) -> Economy:
        """What the properties that cannot be spread leave of the limits."""
        fixed = 0
        for node in nodes_reached(schema):
            for name, each in node.get("properties", {}).items():
                needed = name in node.get("required", ()) or is_union(without_null(each))
                fixed += is_union(each) and needed
        return cls(subset.max_optional or 0, max(0, (subset.max_unions or 0) - fixed))

    def way_of(self, sent: Node) -> Way:
        """How an optional property is sent, paid from what is left."""
        if "enum" in sent or "const" in sent or is_union(without_null(sent)):
            return "null"
        if self.optional > 0 or self.unions <= 0:
            self.optional -= 1
            return "absent"
        self.unions -= 1
        return "null"


# -- Cycles: definitions that lead back to themselves, in a sent schema.


@dataclass(frozen=True, slots=True)
class Link:
    """A reference inside a definition, with the innermost required property around it."""

    target: str
    holder: Node | None = None
    name: str = ""
    path: str = ""


def is_recursive(schema: Node) -> bool:
    """Whether a definition of a sent schema leads back to itself by any way."""
    defs = schema.get("$defs", {})
    return _cycle({name: list(_links(node, loose=True)) for name, node in defs.items()}) is not None


def loosen(work: Compiling, schema: Node) -> str:
    """Open every cycle of required properties, with losses; the excess where one has none.

    The innermost required property on the cycle becomes optional.
    """
    if work.subset.required_cycles:
        return ""
    defs: Mapping[str, Node] = schema.get("$defs", {})
    links = {
        name: list(_links(node, path=work.places.get(name, ""))) for name, node in defs.items()
    }
    only = f"{work.subset.name} takes recursion only where it may be absent"
    while (cycle := _cycle(links)) is not None:
        link = next((each for each in reversed(cycle) if each.holder is not None), None)
        if link is None or link.holder is None:
            return only
        link.holder["required"] = [each for each in link.holder["required"] if each != link.name]
        work.lose("required", link.path, only)
        for name, node in defs.items():
            links[name] = list(_links(node, path=work.places.get(name, "")))
    return ""


def _links(node: Node, *, path: str = "", loose: bool = False) -> Iterator[Link]:
    """The references in a node; those inside optional properties only where `loose`."""
    waiting = [(node, Link("", path=path), path)]
    while waiting:
        each, link, here = waiting.pop()
        if "$ref" in each:
            yield Link(ref_name(each), link.holder, link.name, link.path)
            continue
        for name, inner in each.get("properties", {}).items():
            there = property_path(here, name)
            if name in each.get("required", ()):
                waiting.append((inner, Link("", each, name, there), there))
            elif loose:
                waiting.append((inner, link, there))
        waiting.extend((inner, link, here) for inner in each.get("anyOf", ()))
        waiting.extend((inner, link, item_path(here)) for inner in each.get("prefixItems", ()))
        if "items" in each:
            waiting.append((each["items"], link, item_path(here)))
        if isinstance(each.get("additionalProperties"), dict):
            waiting.append((each["additionalProperties"], link, here))


def _cycle(links: Mapping[str, list[Link]]) -> list[Link] | None:
    """The links of one cycle, None where there is none."""
    done: set[str] = set()
    for start in links:
        if start in done:
            continue
        trail: list[Link] = []
        waiting = [iter(links[start])]
        inside = [start]
        while waiting:
            link = next(waiting[-1], None)
            if link is None:
                waiting.pop()
                done.add(inside.pop())
                if trail:
                    trail.pop()
            elif link.target in inside:
                return [*trail[inside.index(link.target) :], link]
            elif link.target not in done and link.target in links:
                trail.append(link)
                inside.append(link.target)
                waiting.append(iter(links[link.target]))
    return None


# -- Merging: two canonical schemas that both hold, written as one, as far as that can be.

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
