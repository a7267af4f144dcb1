"""Passes: what a dialect takes of JSON Schema as data, and the passes over a whole sent schema."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from llmwidgets.schemas.canonical import (
    NEVER,
    Node,
    item_path,
    listed_types,
    property_path,
    ref_name,
    type_of,
)


@dataclass(frozen=True, slots=True)
class SchemaSubset:
    """The part of JSON Schema that a dialect enforces. Each dialect has one, named `SUBSET`.

    `keywords` are the constraints and annotations it takes as they are; the structure
    (`type properties required additionalProperties items anyOf enum $ref $defs`) is always
    taken. `formats` are the string formats it takes. A limit that is None does not exist.
    """

    name: str
    """The provider, as the reader of a loss knows it."""
    keywords: frozenset[str] = frozenset({"description"})
    """Constraints and annotations taken as they are."""
    formats: frozenset[str] = frozenset()
    """String formats taken, if `format` is among the keywords."""
    all_required: bool = False
    """Every property must be required: an optional one is sent as nullable."""
    closed: bool = False
    """Every object lists its properties: an open one is sent as a list of key and value."""
    root_object: bool = False
    """The root must be an object and not a union: anything else is wrapped in one."""
    distinct_first_keys: bool = False
    """The objects of a union may not begin with the same property."""
    recursion: bool = True
    """A definition may refer to itself; if not, a recursive schema has an excess."""
    required_cycles: bool = True
    """A definition may lead back to itself through required properties alone."""
    ref_siblings: bool = False
    """`$ref` may have other keywords next to it."""
    look_around: bool = False
    """Patterns may look ahead and behind."""
    min_items_up_to: int | None = None
    """The largest `minItems` taken, if it is among the keywords."""
    enum_types: frozenset[str] = frozenset({"string", "number", "integer", "boolean", "null"})
    """The types of values that an enum may list."""
    enum_with_type: bool = True
    """`type` is sent with `enum` and `const`; if not, they are alone."""
    notes: bool = True
    """A constraint that is not taken is written into the description for the model."""
    max_depth: int | None = None
    max_properties: int | None = None
    max_enum_values: int | None = None
    """Enum values in the whole schema."""
    large_enum: int | None = None
    """An enum of more values than this may hold `max_large_enum_chars` characters in all."""
    max_large_enum_chars: int | None = None
    max_chars: int | None = None
    """Characters of all names of properties and definitions, enum values and constants."""
    max_optional: int | None = None
    """Properties that may be absent, those inside definitions not counted."""
    max_unions: int | None = None
    """Properties that are a union or of several types, those inside definitions not counted."""

    def takes(self, keyword: str, value: Any) -> bool:
        """Whether the dialect takes this constraint with this value as it is."""
        if keyword not in self.keywords:
            return False
        if keyword == "format":
            return value in self.formats
        if keyword == "pattern":
            return self.look_around or not _LOOK_AROUND.search(value)
        most = self.min_items_up_to
        return not (keyword == "minItems" and most is not None and value > most)

    def keeps(self, keyword: str, value: Any) -> bool:
        """Whether the sent schema keeps to the constraint though the keyword itself is gone."""
        if keyword == "unevaluatedProperties":
            return value == {} or (self.closed and value == NEVER)
        if keyword in {"minLength", "minItems", "minProperties"}:
            return bool(value == 0)
        return keyword in {"uniqueItems", "dependentRequired"} and not value


# -- Keywords: which constraints are about which type.

BY_TYPE = {
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
BY_TYPE |= {"integer": BY_TYPE["number"], "boolean": set(), "null": set()}
STRUCTURE = {"items", "properties", "additionalProperties", "required"}
ANY_TYPE = {"not", "if", "then", "else"}
CONSTRAINTS = frozenset().union(*BY_TYPE.values(), ANY_TYPE, {"enum", "const", "anyOf", "oneOf"})
_LOOK_AROUND = re.compile(r"\(\?<?[=!]")


def implied(node: Node) -> list[str]:
    """The type that the other keywords are about, if `type` is absent."""
    names = ("object", "array", "string", "number")
    return next(([name] for name in names if not BY_TYPE[name].isdisjoint(node)), [])


def is_of(value: Any, types: Collection[str]) -> bool:
    """Whether a value is of one of these types, or there are none; 1.0 is an integer as well."""
    kind = type_of(value)
    whole = isinstance(value, float) and value.is_integer() and "integer" in types
    return not types or kind in types or (kind == "integer" and "number" in types) or whole


# -- Limits: how large a schema a dialect takes.

_LIMITS = {
    "max_optional": "properties that may be absent",
    "max_unions": "properties of several types",
    "max_properties": "properties",
    "max_chars": "characters of names and values",
    "max_enum_values": "allowed values",
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much a sent schema has of what a dialect limits.

    `counts` are by the names of the limits; `name_chars` are the characters of the names alone.
    """

    counts: Counter[str]
    name_chars: int
    subset: SchemaSubset

    @classmethod
    def of(cls, schema: Node, subset: SchemaSubset) -> Size:
        """The size of a sent schema, definitions included, except where a limit leaves them out."""
        counts: Counter[str] = Counter()
        definitions = schema.get("$defs", {})
        names = [*definitions]
        for part in (schema, *definitions.values()):
            for node in nodes_reached(part):
                properties, values = node.get("properties", {}), node.get("enum", ())
                names += properties
                counts["max_properties"] += len(properties)
                counts["max_enum_values"] += len(values)
                constant = [node["const"]] if "const" in node else []
                counts["max_chars"] += sum(len(str(each)) for each in (*values, *constant))
                if part is schema:
                    optional = properties.keys() - set(node.get("required", ()))
                    counts["max_optional"] += len(optional)
                    counts["max_unions"] += sum(map(is_union, properties.values()))
        name_chars = sum(map(len, names))
        counts["max_chars"] += name_chars
        return cls(counts, name_chars, subset)

    def exceeds(self, *limits: str) -> str:
        """What there is more of than the dialect takes, in words; empty if nothing."""
        for limit in limits or _LIMITS:
            most, number = getattr(self.subset, limit), self.counts[limit]
            if most is not None and number > most:
                what = f"{most:,} {_LIMITS[limit]}, and there are {number:,}"
                return f"{self.subset.name} takes at most {what}"
        return ""


def hoist(root: Node, defs: dict[str, Node], most: int, reserved: Collection[str]) -> None:
    """Move what is nested more than `most` deep into `defs`, where nesting starts anew."""
    waiting = [(node, 1) for node in (root, *defs.values())]
    while waiting:
        node, level = waiting.pop()
        if level == most and (node.get("properties") or "items" in node or "anyOf" in node):
            count = 1 + sum(name.startswith("Inner_") for name in defs)
            while (name := f"Inner_{count}") in defs or name in reserved:
                count += 1
            inner = dict(node)
            defs[name] = inner
            node.clear()
            node["$ref"] = f"#/$defs/{name}"
            waiting.append((inner, 1))
            continue
        waiting.extend((each, level) for each in node.get("anyOf", ()))
        waiting.extend((each, level + 1) for each in node.get("properties", {}).values())
        if "items" in node:
            waiting.append((node["items"], level + 1))


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


_MOST_INLINE, _DEEPEST_INLINE = 10_000, 100


def inline_definitions(schema: Node) -> Node:
    """A sent schema with each definition written out in place of what refers to it.

    It stays as it is if a definition leads back to itself, or if it would become too large.
    """
    defs, whole = schema.get("$defs"), Node()
    if not defs or is_recursive(schema):
        return schema
    waiting, places = [(schema, whole, 0)], 0
    while waiting:
        node, copy, level = waiting.pop()
        places += 1
        if places > _MOST_INLINE or level > _DEEPEST_INLINE:
            return schema
        while "$ref" in node:
            node = defs[ref_name(node)]
        inner: list[tuple[Node, Node]] = []
        for keyword, value in node.items():
            if keyword == "properties":
                copy[keyword] = {name: Node() for name in value}
                inner += [(each, copy[keyword][name]) for name, each in value.items()]
            elif keyword in ("anyOf", "prefixItems"):
                copy[keyword] = [Node() for _ in value]
                inner += zip(value, copy[keyword], strict=True)
            elif keyword in ("items", "additionalProperties") and isinstance(value, dict):
                copy[keyword] = Node()
                inner.append((value, copy[keyword]))
            elif keyword != "$defs":
                copy[keyword] = value
        waiting += [(*each, level + 1) for each in inner]
    return whole


# -- Economy: optional properties spread over two limits, if one of them is too small for all.
#
# A provider may limit how many properties are optional and how many are unions. A property that
# may be absent counts towards the first; required, with null for absence, it counts towards the
# second. An enum counts towards neither when null is one of its values.


@dataclass(slots=True)
class Economy:
    """What is left of each limit."""

    optional: int
    unions: int

    @classmethod
    def left_by(cls, schema: Node, subset: SchemaSubset) -> Economy:
        """What the properties that cannot be spread leave of the limits."""
        fixed = 0
        for node in nodes_reached(schema):
            for name, each in node.get("properties", {}).items():
                needed = name in node.get("required", ()) or is_union(without_null(each))
                fixed += is_union(each) and needed
        return cls(subset.max_optional or 0, max(0, (subset.max_unions or 0) - fixed))

    def pay(self, sent: Node) -> Literal["absent", "null"]:
        """How the absence of an optional property is sent, paid from what is left."""
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
    """Whether a definition of a sent schema leads back to itself."""
    links = {
        name: [Link(ref_name(node)) for node in nodes_reached(definition) if "$ref" in node]
        for name, definition in schema.get("$defs", {}).items()
    }
    return _cycle(links) is not None


def loosen(
    schema: Node,
    subset: SchemaSubset,
    places: Mapping[str, str],
    lose: Callable[[str, str, str], None],
) -> str:
    """Open every cycle of required properties, with losses; the excess if one has none.

    The innermost required property on the cycle becomes optional. `places` are the paths of the
    definitions.
    """
    defs: Mapping[str, Node] = schema.get("$defs", {})
    only = f"{subset.name} takes recursion only where it may be absent"
    while cycle := _cycle({name: list(_links(defs[name], places.get(name, ""))) for name in defs}):
        link = next((each for each in reversed(cycle) if each.holder is not None), None)
        if link is None or link.holder is None:
            return only
        link.holder["required"] = [each for each in link.holder["required"] if each != link.name]
        lose("required", link.path, only)
    return ""


def _links(node: Node, path: str) -> Iterator[Link]:
    """The references in a node that are not inside optional properties."""
    waiting = [(node, Link("", path=path), path)]
    while waiting:
        each, link, here = waiting.pop()
        if "$ref" in each:
            yield Link(ref_name(each), link.holder, link.name, link.path)
            continue
        for name, inner in each.get("properties", {}).items():
            if name in each.get("required", ()):
                inner_path = property_path(here, name)
                waiting.append((inner, Link("", each, name, inner_path), inner_path))
        waiting.extend((inner, link, here) for inner in each.get("anyOf", ()))
        waiting.extend((inner, link, item_path(here)) for inner in each.get("prefixItems", ()))
        if "items" in each:
            waiting.append((each["items"], link, item_path(here)))
        if isinstance(each.get("additionalProperties"), dict):
            waiting.append((each["additionalProperties"], link, here))


def _cycle(links: Mapping[str, list[Link]]) -> list[Link] | None:
    """The links of one cycle; None if there is none."""
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


# -- Null: a sent schema made to take it, or to refuse it.

NULL: Node = {"type": "null"}


def nullable(node: Node) -> Node:
    """A sent schema that also takes null, its description kept outside."""
    outside = {"description": node["description"]} if "description" in node else {}
    inside = {key: value for key, value in node.items() if key != "description"}
    if set(inside) == {"anyOf"}:
        return {"anyOf": [*inside["anyOf"], NULL], **outside}
    if "type" not in inside and ("enum" in inside or "const" in inside):
        listed = inside["enum"] if "enum" in inside else [inside["const"]]
        rest = {key: value for key, value in node.items() if key not in {"enum", "const"}}
        return {"enum": [*listed, None], **rest}
    types = listed_types(node)
    if types and not {"object", "array"} & {*types} and "const" not in node:
        more = {"enum": [*node["enum"], None]} if "enum" in node else {}
        return {**node, "type": [*types, "null"], **more}
    return {"anyOf": [inside, NULL], **outside}


def is_union(node: Node) -> bool:
    """Whether a sent schema is a union by its own words, or names several types."""
    return "anyOf" in node or isinstance(node.get("type"), list)


def without_null(node: Node) -> Node:
    """A sent schema that takes null, made to refuse it; not a union if one branch is left."""
    if "anyOf" in node:
        rest = [each for each in node["anyOf"] if each != NULL]
        outside = {key: value for key, value in node.items() if key != "anyOf"}
        if len(rest) == 1 and not ("$ref" in rest[0] and outside):
            return {**rest[0], **outside}
        return {**node, "anyOf": rest}
    if isinstance(node.get("type"), list):
        types = [each for each in node["type"] if each != "null"]
        return {**node, "type": types[0] if len(types) == 1 else types}
    return node


def first_keys(node: Node, defs: Mapping[str, Node]) -> set[str]:
    """The names of the first properties of every object that a sent union can be."""
    waiting, seen, firsts = [node], set(), set()
    while waiting:
        each = waiting.pop()
        if "$ref" in each:
            name = ref_name(each)
            if name not in seen and name in defs:
                seen.add(name)
                waiting.append(defs[name])
        elif "anyOf" in each:
            waiting.extend(each["anyOf"])
        elif each.get("properties"):
            firsts.add(next(iter(each["properties"])))
    return firsts
