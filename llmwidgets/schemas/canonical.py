"""Canonical: any draft of JSON Schema rewritten as draft 2020-12 with all references in `$defs`.

Compiling and reading leaves work on this one form. The user's own schema stays the judge.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from itertools import count
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
_INDEX = re.compile("0|[1-9][0-9]{0,8}")
_PARTS = re.compile(r'\[\d*\]|\["(?:[^"\\]|\\.)*"\]|\.?[^.\[\]]+')


@lru_cache(maxsize=8192)
def property_path(path: str, name: str) -> str:
    """The place of property `name` inside the object at `path`.

    >>> property_path("policy", "number"), property_path("policy", "a.b")
    ('policy.number', 'policy["a.b"]')
    """
    if not name or not _SPECIAL.isdisjoint(name):
        return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
    return f"{path}.{name}" if path else name


def item_path(path: str, index: int | None = None) -> str:
    """The place of an item of the list at `path`; without `index`, the place of every item."""
    return f"{path}[]" if index is None else f"{path}[{index}]"


_NUMBERED = re.compile(r"\[\d+\]")


def pattern_of(path: str) -> str:
    """The schema's path of a place in a record.

    >>> pattern_of("lines[2].total")
    'lines[].total'
    """
    return _NUMBERED.sub(item_path(""), path)


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


def find_meant(name: str, known: Iterable[str]) -> list[str]:
    """The names or paths that were meant: the same but for case and marks, else the most similar.

    >>> find_meant("Lines.total", ["lines[].total", "lines[].sku"]), find_meant("citty", ["city"])
    (['lines[].total'], ['city'])
    """
    listed = list(known)
    bare = "".join(path_words(name)).replace("_", "")
    same = [each for each in listed if "".join(path_words(each)).replace("_", "") == bare]
    return same or get_close_matches(name, listed, 1)


def path_words(path: str) -> tuple[str, ...]:
    """The names in a path, without its case, its marks and the numbers of items."""
    return tuple(word for word in re.findall(r"\w+", path.casefold()) if not word.isdecimal())


# -- Vocabulary: what a canonical node is about.

MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords whose value maps names to schemas."""
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
"""Keywords whose value lists schemas."""
SINGLES = (
    "items", "additionalItems", "additionalProperties", "contains", "propertyNames", "not", "if",
    "then", "else", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
"""Keywords whose value is a schema."""
VALUE_KEYWORDS = frozenset({
    "$ref", "type", "properties", "items", "prefixItems", "enum", "const", "anyOf", "oneOf",
    "allOf", "additionalProperties", "patternProperties", "format",
})  # fmt: skip
"""Keywords that say what a value is, and not only what must be present."""


def subschemas(node: dict[str, Any]) -> Iterator[Any]:
    """Every schema directly inside this one, under whatever keyword."""
    for name in (*MAPS, "dependencies"):
        if isinstance(node.get(name), dict):
            yield from node[name].values()
    for name in (*LISTS, *SINGLES):
        if isinstance(node.get(name), list):
            yield from node[name]
        elif name in SINGLES and name in node:
            yield node[name]


def ref_name(node: Node) -> str:
    """The definition's name in `{"$ref": "#/$defs/NAME"}`."""
    return str(node["$ref"]).removeprefix("#/$defs/")


def listed_types(node: Node) -> list[str]:
    """The types that `type` names, in its order; none if it is absent."""
    named = node.get("type", [])
    return [named] if isinstance(named, str) else list(named)


_VALUES = (
    (type(None), "null"), (bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"),
    (list, "array"), (dict, "object"),
)  # fmt: skip


def type_of(value: Any) -> str:
    return next(name for kind, name in _VALUES if isinstance(value, kind))


@dataclass(frozen=True)
class Canonical:
    """The root and its definitions, references written `#/$defs/NAME`.

    `formats` is off where a type of the user's reads them by its own rules.
    """

    root: Node
    defs: dict[str, Node]
    formats: bool = True

    def resolve(self, node: Node) -> Node:
        """The node itself, or what its bare reference names, however long the chain."""
        for _ in range(len(self.defs) + 1):
            if set(node) != {"$ref"}:
                return node
            node = self.defs[ref_name(node)]
        return NEVER

    def alone(self, node: Node) -> Node:
        """The node as a schema document of its own."""
        draft = "https://json-schema.org/draft/2020-12/schema"
        return {"$schema": draft, "$defs": self.defs, **node}


# -- Rewriting: any draft becomes draft 2020-12, each reference found in its own document.

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_BOOKKEEPING = frozenset({
    "$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$vocabulary",
    "$comment", "$defs", "definitions", *_REFERENCES,
})  # fmt: skip
ANNOTATIONS = frozenset({
    "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
    "contentMediaType", "contentEncoding", "contentSchema",
})  # fmt: skip
"""Keywords that constrain nothing."""
REMARKS = (ANNOTATIONS | _BOOKKEEPING | {"format"}) - {*_REFERENCES}
"""Keywords that leave every object valid."""
KEYWORDS = frozenset({
    *MAPS, *LISTS, *SINGLES, *VALUE_KEYWORDS, *_BOOKKEEPING, *ANNOTATIONS, "dependencies",
    "dependentRequired", "required", "minProperties", "maxProperties", "minItems", "maxItems",
    "uniqueItems", "minContains", "maxContains", "minLength", "maxLength", "pattern", "minimum",
    "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "nullable",
})  # fmt: skip
"""What JSON Schema knows, in any draft, and OpenAPI's word for null."""

_SINCE = {
    "const": 6, "contains": 6, "propertyNames": 6, "if": 7, "then": 7, "else": 7,
    "dependentRequired": 2019, "dependentSchemas": 2019, "unevaluatedItems": 2019,
    "unevaluatedProperties": 2019, "minContains": 2019, "maxContains": 2019,
    "prefixItems": 2020,
}  # fmt: skip
_UNTIL = {"additionalItems": 2019}
"""`dependencies` is missing here, since the judge of replies heeds it in every draft."""
_OF_ITEMS = {"items", "prefixItems", "contains", "unevaluatedItems", "additionalItems"}
_OF_OTHERS = {"additionalProperties", "patternProperties", "unevaluatedProperties"}


def canonical(schema: Any) -> Canonical:
    """Rewrite a schema that passed its meta-schema; FieldError for a reference that leads out."""
    rewriter = _Rewriter(schema)
    root = rewriter.rewrite(schema, "", "")
    defs: dict[str, Node] = {}
    while rewriter.waiting:
        name, node, base, path = rewriter.waiting.pop()
        defs[name] = rewriter.rewrite(node, base, path)
    try:
        TopologicalSorter({name: _names_at_once(node) for name, node in defs.items()}).prepare()
    except CycleError as error:
        name = next(name for name in defs if name in error.args[1])
    else:
        return Canonical(root, dict(sorted(defs.items())))
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


def outside(reference: str, place: str = "") -> FieldError:
    """The error for a `$ref` to another document, on the net or on the disk."""
    return FieldError(
        f"$ref{place} leads outside the schema, to {reference}.",
        "Copy what it names under $defs and point there; nothing is fetched.",
    )


class _Rewriter:
    """One schema document, its identifiers and anchors indexed, its references collected."""

    def __init__(self, schema: Any) -> None:
        draft = schema.get("$schema") if isinstance(schema, dict) else None
        match = re.search(r"draft-0?(4|6|7)\b|draft/(2019|2020)", draft or "")
        self.draft = int(match[1] or match[2]) if match else 2020
        self.identifier = "id" if self.draft == 4 else "$id"
        self.names: dict[int, str] = {}
        self.waiting: list[tuple[str, Any, str, str]] = []
        """The definitions to be rewritten: name, node, base, and the path of its first use."""
        self.resources: dict[str, Any] = {}
        self.anchors: dict[tuple[str, str], Any] = {}
        waiting = [(schema, "")]
        while waiting:
            node, base = waiting.pop()
            if not isinstance(node, dict):
                continue
            inner = self._base_of(node, base)
            if inner != base:
                self.resources.setdefault(inner, node)
            own = node.get(self.identifier)
            anchor = own[1:] if isinstance(own, str) and own.startswith("#") else None
            for name in (node.get("$anchor"), node.get("$dynamicAnchor"), anchor):
                if isinstance(name, str):
                    self.anchors.setdefault((inner, name), node)
            waiting.extend((child, inner) for child in subschemas(node))
        self.resources[""] = schema

    def _base_of(self, node: Any, base: str) -> str:
        """The base of references in `node`: another one if the node has an identifier."""
        own = node.get(self.identifier) if isinstance(node, dict) else None
        if not isinstance(own, str) or own.startswith("#"):
            return base
        return urljoin(base, own).partition("#")[0]

    def rewrite(self, node: Any, base: str, path: str) -> Node:
        """A node of any draft in draft 2020-12."""
        if not isinstance(node, dict):
            return {} if node is True else NEVER
        base = self._base_of(node, base)
        whole: Node = {}
        for keyword in _REFERENCES:
            if isinstance(node.get(keyword), str):
                whole["$ref"] = self._refer(node[keyword], base, path)
                break
        if whole and self.draft <= 7:
            return whole
        for keyword, value in node.items():
            known = _SINCE.get(keyword, 0) <= self.draft <= _UNTIL.get(keyword, 9999)
            if known and keyword not in _BOOKKEEPING:
                self._put(whole, keyword, value, base, path)
        for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            if isinstance(whole.get(exclusive), bool) and whole.pop(exclusive) and bound in whole:
                whole[exclusive] = whole.pop(bound)
        rest = whole.pop("additionalItems", None)
        if rest is not None and "prefixItems" in whole:
            whole["items"] = rest
        return whole

    def _put(self, whole: Node, keyword: str, value: Any, base: str, path: str) -> None:
        """Put a keyword into a node, the schemas in its value rewritten."""
        inner = path
        if keyword in _OF_ITEMS or keyword in _OF_OTHERS:
            inner = item_path(path) if keyword in _OF_ITEMS else any_name(path)
        if keyword == "items" and isinstance(value, list):
            keyword = "prefixItems"
        if keyword == "dependencies":
            for name, each in value.items() if isinstance(value, dict) else ():
                if isinstance(each, list):
                    whole.setdefault("dependentRequired", {})[name] = each
                else:
                    rewritten = self.rewrite(each, base, path)
                    whole.setdefault("dependentSchemas", {})[name] = rewritten
        elif keyword in MAPS and isinstance(value, dict):
            named = keyword == "properties"
            whole[keyword] = {
                name: self.rewrite(each, base, property_path(path, name) if named else inner)
                for name, each in value.items()
            }
        elif keyword in LISTS and isinstance(value, list):
            whole[keyword] = [self.rewrite(each, base, inner) for each in value]
        elif keyword == "additionalProperties" and value is False:
            whole[keyword] = False
        elif keyword in SINGLES and isinstance(value, dict | bool):
            whole[keyword] = self.rewrite(value, base, inner)
        elif keyword not in {*MAPS, *LISTS, *SINGLES}:
            whole[keyword] = value

    def _refer(self, reference: str, base: str, path: str) -> str:
        """The canonical reference to what a reference names, which is named and rewritten later."""
        target, _, fragment = reference.partition("#")
        base, fragment = urljoin(base, target) if target else base, unquote(fragment)
        if base not in self.resources:
            raise outside(reference, f" at {display_path(path)}")
        if fragment and not fragment.startswith("/"):
            node = self.anchors.get((base, fragment))
        else:
            node = self.resources[base]
            for part in fragment.split("/")[1:]:
                key = part.replace("~1", "/").replace("~0", "~")
                if isinstance(node, list):
                    node = (
                        node[int(key)] if _INDEX.fullmatch(key) and int(key) < len(node) else None
                    )
                else:
                    node = node.get(key) if isinstance(node, dict) else None
                base = self._base_of(node, base)
        if not isinstance(node, dict | bool):
            message = f"$ref at {display_path(path)} points to {reference}"
            raise FieldError(
                f"{message}, which the schema does not have.",
                "Add it under $defs, or correct the reference.",
            )
        if id(node) not in self.names:
            last = re.split("[/#]", reference)[-1]
            name = unique = re.sub(r"[^A-Za-z0-9_-]+", "_", last).strip("_") or "Record"
            numbers = count(2)
            while unique == ANY_JSON or unique in self.names.values():
                unique = f"{name}_{next(numbers)}"
            self.names[id(node)] = unique
            self.waiting.append((unique, node, base, path))
        return f"#/$defs/{self.names[id(node)]}"


# -- Merging: two canonical schemas that both hold, written as one, as far as that can be.

_FROM_ONE = ANNOTATIONS | {"properties", "enum", "const"}
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
        elif whole[keyword] == value or keyword in _FROM_ONE:
            continue
        elif keyword in _MERGERS:
            whole[keyword] = _MERGERS[keyword](whole[keyword], value)
        elif (free := _OTHER_UNION.get(keyword, keyword)) in {*whole, *other}:
            lost.append(keyword)
        else:
            whole[free] = value
    listed = [node["enum"] for node in (one, other) if isinstance(node.get("enum"), list)]
    listed += [[node["const"]] for node in (one, other) if "const" in node]
    if len(listed) > 1:
        common = set.intersection(*({key_of(each) for each in values} for values in listed))
        if not common:
            raise ConflictError
        if "const" not in whole:
            whole["enum"] = [each for each in listed[0] if key_of(each) in common]
        elif "enum" in whole:
            del whole["enum"]
    if "properties" in whole:
        left, right = one.get("properties", {}), other.get("properties", {})
        merged = _both_maps(left, right)
        for closed, own in ((one, left), (other, right)):
            if closed.get("additionalProperties") is False and not closed.get("patternProperties"):
                merged = {name: node for name, node in merged.items() if name in own}
        whole["properties"] = merged
    return whole, lost


def _both_types(one: Any, other: Any) -> list[str]:
    left, right = (
        {*types, "integer"} if "number" in types else set(types)
        for types in (listed_types({"type": one}), listed_types({"type": other}))
    )
    common = left & right
    if "number" in common:
        common -= {"integer"}
    if not common:
        raise ConflictError
    return [name for name in _TYPES if name in common]


def _all_of(one: Any, other: Any) -> Any:
    """Both at once, to be merged when that place is compiled."""
    return one if one == other else {"allOf": [one, other]}


def any_of(options: list[Node]) -> Node:
    """What satisfies one of these schemas."""
    unique = list({key_of(each): each for each in options}.values())
    return {"anyOf": unique} if len(unique) > 1 else unique[0] if unique else NEVER


def _both_maps(one: Node, other: Node) -> Node:
    return {**one, **{k: _all_of(one[k], v) if k in one else v for k, v in other.items()}}


_MERGERS: dict[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(_LARGEST, max),
    **dict.fromkeys(_SMALLEST, min),
    "type": _both_types,
    "required": lambda one, other: list(dict.fromkeys([*one, *other])),
    "items": _all_of,
    "propertyNames": _all_of,
    "additionalProperties": lambda one, other: False not in (one, other) and _all_of(one, other),
    "patternProperties": _both_maps,
    "allOf": lambda one, other: [*one, *other],
}
_OTHER_UNION = {"anyOf": "oneOf", "oneOf": "anyOf"}
"""Two unions of a kind are written as one of each kind."""
