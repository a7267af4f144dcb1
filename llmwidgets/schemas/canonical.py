"""Canonical: any draft of JSON Schema rewritten as draft 2020-12 with all references in `$defs`.

Compiling and reading leaves work on this one form. The user's own schema stays the judge.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urljoin

from llmwidgets.errors import FieldError

Node = dict[str, Any]
ANY_JSON = "AnyJSON"
"""The name kept free for the definition of any JSON value."""
NEVER: Node = {"not": {}}
"""The schema that nothing satisfies; JSON Schema writes `false`."""


# -- Paths: places inside a record, written the way a user reads them: `lines[0].total`.

_SPECIAL = frozenset(".[]*\"' \n\t")
_PARTS = re.compile(r'\[\d*\]|\["(?:[^"\\]|\\.)*"\]|\.?[^.\[\]]+')


def property_path(path: str, name: str) -> str:
    """The place of property `name` inside the object at `path`.

    >>> step("policy", "number"), step("policy", "a.b")
    ('policy.number', 'policy["a.b"]')
    """
    if not name or not _SPECIAL.isdisjoint(name):
        return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
    return f"{path}.{name}" if path else name


def item_path(path: str, index: int | None = None) -> str:
    """The place of an item of the list at `path`; without `index`, the place of every item."""
    return f"{path}[]" if index is None else f"{path}[{index}]"


def any_name(path: str) -> str:
    """The place of every property of the open object at `path`: `totals.*`."""
    return f"{path}.*" if path else "*"


def display_path(path: str) -> str:
    """The place in a sentence; the root has no path, so it is called the record."""
    return path or "the record"


def prefixes(path: str) -> list[str]:
    """The path and every place around it, outermost first.

    >>> prefixes("lines[].total")
    ['lines', 'lines[]', 'lines[].total']
    """
    return [path[: part.end()] for part in _PARTS.finditer(path)] or [path]


# -- Vocabulary: what a canonical node is about.


def ref_name(node: Node) -> str:
    """The definition's name in `{"$ref": "#/$defs/NAME"}`."""
    return str(node["$ref"]).removeprefix("#/$defs/")


def listed_types(node: Node) -> list[str]:
    """The types that `type` names, in its order; none if it is absent."""
    named = node.get("type", [])
    return [named] if isinstance(named, str) else list(named)


def types_of(node: Node) -> set[str]:
    """The types that `type` names; none if it is absent."""
    return set(listed_types(node))


SAYING = frozenset({
    "$ref", "type", "properties", "items", "prefixItems", "enum", "const", "anyOf", "oneOf",
    "allOf", "additionalProperties", "patternProperties", "format",
})  # fmt: skip


def says_something(node: Node) -> bool:
    """Whether a schema says what a value is, and not only what must be present."""
    return not SAYING.isdisjoint(node)


# -- Rewriting: any draft becomes draft 2020-12.

_BOOKKEEPING = frozenset({
    "$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$vocabulary",
    "$comment", "$defs", "definitions", "$ref", "$dynamicRef", "$recursiveRef",
})  # fmt: skip
_SINCE = {
    "const": 6, "contains": 6, "propertyNames": 6, "if": 7, "then": 7, "else": 7,
    "dependentRequired": 2019, "dependentSchemas": 2019, "unevaluatedItems": 2019,
    "unevaluatedProperties": 2019, "minContains": 2019, "maxContains": 2019,
    "prefixItems": 2020,
}  # fmt: skip
_UNTIL = {"additionalItems": 2019}
"""`dependencies` is missing here, since the judge of replies heeds it in every draft."""


def draft_of(schema: Any) -> int:
    """The draft that `$schema` names: 4, 6, 7, 2019 or 2020; 2020 if it names none."""
    name = schema.get("$schema") if isinstance(schema, dict) else None
    match = re.search(r"draft-0?(4|6|7)\b|draft/(2019|2020)", name or "")
    return int(match[1] or match[2]) if match else 2020


@dataclass(frozen=True)
class Canonical:
    """The root and its definitions, references written `#/$defs/NAME`."""

    root: Node
    defs: dict[str, Node]

    def resolve(self, node: Node) -> Node:
        """The node itself, or what its bare reference names, however long the chain."""
        for _ in range(len(self.defs) + 1):
            if set(node) != {"$ref"}:
                return node
            node = self.defs[ref_name(node)]
        return NEVER

    @cached_property
    def recursive(self) -> frozenset[str]:
        """Names of definitions that lead back to themselves."""
        edges = {name: _names_in(node) for name, node in self.defs.items()}
        return frozenset(name for name in edges if name in _reachable(name, edges))

    def alone(self, node: Node) -> Node:
        """The node as a schema document of its own."""
        draft = "https://json-schema.org/draft/2020-12/schema"
        return {"$schema": draft, "$defs": self.defs, **node}


def canonical(schema: Any) -> Canonical:
    """Rewrite a schema that passed its meta-schema; FieldError for a reference that leads out."""
    return _Rewriting(schema).run()


def _names_in(node: Any) -> set[str]:
    names: set[str] = set()
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            if isinstance(each.get("$ref"), str):
                names.add(ref_name(each))
            waiting.extend(value for key, value in each.items() if key not in {"enum", "const"})
        elif isinstance(each, list):
            waiting.extend(each)
    return names


def _reachable(name: str, edges: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(edges[name])
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            waiting.extend(edges.get(each, ()))
    return seen


class _Rewriting:
    def __init__(self, schema: Any) -> None:
        self.draft = draft_of(schema)
        self.document = Document(schema, "id" if self.draft == 4 else "$id")
        self.defs: dict[str, Node] = {}
        self.names: dict[int, str] = {}
        self.waiting: list[tuple[str, Found, str]] = []

    def run(self) -> Canonical:
        root = self.rewrite(self.document.root, "", "")
        while self.waiting:
            name, found, path = self.waiting.pop()
            self.defs[name] = self.rewrite(found.node, found.base, path)
        _refuse_circles(self.defs)
        return Canonical(root, dict(sorted(self.defs.items())))

    def rewrite(self, node: Any, base: str, path: str) -> Node:
        if not isinstance(node, dict):
            return {} if node is True else NEVER
        base = self.document.base_of(node, base)
        whole: Node = {}
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(node.get(keyword), str):
                whole["$ref"] = self.refer(node[keyword], base, path)
                break
        if whole and self.draft <= 7:
            return whole
        for keyword, value in node.items():
            if keyword not in _BOOKKEEPING and self.known(keyword):
                self.put(whole, keyword, value, base, path)
        return _with_rest_of_tuple(_with_numeric_bounds(whole))

    def known(self, keyword: str) -> bool:
        return _SINCE.get(keyword, 0) <= self.draft <= _UNTIL.get(keyword, 9999)

    def put(self, whole: Node, keyword: str, value: Any, base: str, path: str) -> None:
        if keyword in {"properties", "patternProperties", "dependentSchemas"}:
            if isinstance(value, dict):
                whole[keyword] = self.each_name(keyword, value, base, path)
        elif keyword in {"anyOf", "oneOf", "allOf"}:
            if isinstance(value, list):
                whole[keyword] = [self.rewrite(each, base, path) for each in value]
        elif keyword == "prefixItems" or (keyword == "items" and isinstance(value, list)):
            if isinstance(value, list):
                whole["prefixItems"] = [self.rewrite(each, base, item_path(path)) for each in value]
        elif keyword == "dependencies":
            self.put_dependencies(whole, value, base, path)
        elif keyword == "additionalProperties" and value is False:
            whole[keyword] = False
        elif keyword in SINGLES:
            if isinstance(value, dict | bool):
                whole[keyword] = self.rewrite(value, base, _inner(keyword, path))
        else:
            whole[keyword] = value

    def each_name(self, keyword: str, value: Node, base: str, path: str) -> Node:
        def inner(name: str) -> str:
            return property_path(path, name) if keyword == "properties" else _inner(keyword, path)

        return {name: self.rewrite(each, base, inner(name)) for name, each in value.items()}

    def put_dependencies(self, whole: Node, value: Any, base: str, path: str) -> None:
        for name, each in value.items() if isinstance(value, dict) else ():
            if isinstance(each, list):
                whole.setdefault("dependentRequired", {})[name] = each
            else:
                rewritten = self.rewrite(each, base, path)
                whole.setdefault("dependentSchemas", {})[name] = rewritten

    def refer(self, reference: str, base: str, path: str) -> str:
        found = self.document.find(reference, base, path)
        key = id(found.node)
        if key not in self.names:
            self.names[key] = self.new_name(reference)
            self.waiting.append((self.names[key], found, path))
        return f"#/$defs/{self.names[key]}"

    def new_name(self, reference: str) -> str:
        last = reference.rpartition("/")[2].rpartition("#")[2]
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", last).strip("_") or "Record"
        taken = {*self.names.values(), ANY_JSON}
        count = 1
        while (unique := name if count == 1 else f"{name}_{count}") in taken:
            count += 1
        return unique


def _refuse_circles(defs: dict[str, Node]) -> None:
    """FieldError if a definition is, or may be, nothing but itself."""
    edges = {name: _names_at_once(node) for name, node in defs.items()}
    for name in edges:
        if name in _reachable(name, edges):
            raise FieldError(
                f"$ref to {name} leads back to itself without any value on the way.",
                "Let it pass through a property or an item, or say what the value is.",
            )


def _names_at_once(node: Node) -> set[str]:
    """The definitions that a value of this one has to satisfy at the same place."""
    names = {ref_name(node)} if "$ref" in node else set()
    for keyword in ("anyOf", "oneOf", "allOf"):
        names.update(*(_names_at_once(each) for each in node.get(keyword, ())))
    return names


def _inner(keyword: str, path: str) -> str:
    if keyword in {"items", "contains", "unevaluatedItems", "additionalItems"}:
        return item_path(path)
    if keyword in {"additionalProperties", "patternProperties", "unevaluatedProperties"}:
        return any_name(path)
    return path


def _with_numeric_bounds(node: Node) -> Node:
    for bound, keyword in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(node.get(keyword), bool) and node.pop(keyword) and bound in node:
            node[keyword] = node.pop(bound)
    return node


def _with_rest_of_tuple(node: Node) -> Node:
    rest = node.pop("additionalItems", None)
    if rest is not None and "prefixItems" in node:
        node["items"] = rest
    return node


# -- References: finding what a `$ref` names inside its own document, and nowhere else.

MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords whose value maps names to schemas."""
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
"""Keywords whose value lists schemas."""
SINGLES = (
    "items", "additionalItems", "additionalProperties", "contains", "propertyNames", "not", "if",
    "then", "else", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
"""Keywords whose value is a schema."""


def outside(reference: str, place: str = "") -> FieldError:
    """The error for a `$ref` to another document, on the net or on the disk."""
    return FieldError(
        f"$ref{place} leads outside the schema, to {reference}.",
        "Copy what it names under $defs and point there; nothing is fetched.",
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What a reference names, with the base that references inside it are relative to."""

    node: Any
    base: str


@dataclass(slots=True)
class Document:
    """One schema document with its identifiers and anchors indexed."""

    root: Any
    identifier: str = "$id"
    resources: dict[str, Any] = field(default_factory=dict)
    anchors: dict[tuple[str, str], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._index(self.root, "")
        self.resources[""] = self.root

    def base_of(self, node: Any, base: str) -> str:
        """The base inside `node`, which changes if the node has an identifier of its own."""
        own = node.get(self.identifier) if isinstance(node, dict) else None
        if not isinstance(own, str) or own.startswith("#"):
            return base
        return urljoin(base, own).partition("#")[0]

    def find(self, reference: str, base: str, path: str) -> Found:
        """The schema that `reference` names; FieldError if it is outside or nowhere."""
        target, _, fragment = reference.partition("#")
        uri = urljoin(base, target) if target else base
        if uri not in self.resources:
            raise outside(reference, f" at {display_path(path)}")
        fragment = unquote(fragment)
        if fragment and not fragment.startswith("/"):
            if (uri, fragment) in self.anchors:
                return Found(self.anchors[uri, fragment], uri)
            raise _nowhere(reference, path)
        return self._follow(Found(self.resources[uri], uri), fragment, reference, path)

    def _follow(self, start: Found, pointer: str, reference: str, path: str) -> Found:
        node, base = start.node, start.base
        for part in pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and key in node:
                node = node[key]
            elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            else:
                raise _nowhere(reference, path)
            base = self.base_of(node, base)
        if not isinstance(node, dict | bool):
            raise _nowhere(reference, path)
        return Found(node, base)

    def _index(self, root: Any, base: str) -> None:
        waiting = [(root, base)]
        while waiting:
            node, base = waiting.pop()
            if not isinstance(node, dict):
                continue
            inner = self.base_of(node, base)
            if inner != base:
                self.resources.setdefault(inner, node)
            for name in ("$anchor", "$dynamicAnchor"):
                if isinstance(node.get(name), str):
                    self.anchors.setdefault((inner, node[name]), node)
            own = node.get(self.identifier)
            if isinstance(own, str) and own.startswith("#"):
                self.anchors.setdefault((inner, own[1:]), node)
            waiting.extend((child, inner) for child in subschemas(node))


def subschemas(node: dict[str, Any]) -> Iterator[Any]:
    """Every schema directly inside this one, under whatever keyword."""
    for name in (*MAPS, "dependencies"):
        if isinstance(node.get(name), dict):
            yield from node[name].values()
    for name in LISTS:
        if isinstance(node.get(name), list):
            yield from node[name]
    for name in SINGLES:
        if name in node:
            yield from node[name] if isinstance(node[name], list) else [node[name]]


def _nowhere(reference: str, path: str) -> FieldError:
    return FieldError(
        f"$ref at {display_path(path)} points to {reference}, which the schema does not have.",
        "Add it under $defs, or correct the reference.",
    )


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

    Annotations of `one` win. ConflictError if nothing satisfies both.
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


def any_of(options: list[Node]) -> Node:
    """What satisfies one of these schemas."""
    unique = list({key_of(each): each for each in options}.values())
    return {"anyOf": unique} if len(unique) > 1 else unique[0] if unique else NEVER


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
