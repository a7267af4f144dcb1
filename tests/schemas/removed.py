"""What a sent schema no longer says: both schemas walked side by side, apart from the compiler."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_SPOKEN_OF = {
    "minLength": "string", "maxLength": "string", "pattern": "string", "format": "string",
    "minimum": "number", "maximum": "number", "exclusiveMinimum": "number",
    "exclusiveMaximum": "number", "multipleOf": "number", "minItems": "array",
    "maxItems": "array", "uniqueItems": "array", "contains": "array", "prefixItems": "array",
    "minProperties": "object", "maxProperties": "object", "propertyNames": "object",
    "patternProperties": "object", "dependentRequired": "object", "dependentSchemas": "object",
    "enum": "", "const": "", "not": "", "if": "",
}  # fmt: skip
_TYPES = {"string", "number", "array", "object", "boolean", "null"}
_MOST = 20_000
"""Places walked of one schema; recursion and repetition beyond them teach nothing new."""


def types_of(node: dict) -> set[str]:
    """The types that a node names, integers counted as numbers; all where it names none."""
    named = node.get("type", list(_TYPES))
    named = [named] if isinstance(named, str) else named
    return {"number" if each == "integer" else each for each in named}


def place(path: str, name: str) -> str:
    if not name or set(name) & set(".[]*\"' \n\t"):
        return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
    return f"{path}.{name}" if path else name


@dataclass(slots=True)
class Place:
    """A node of the user's schema: where it is reached, for which types, inside which unions."""

    node: dict
    types: set[str]
    paths: set[str] = field(default_factory=set)
    unions: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Constraint:
    keyword: str
    value: Any
    paths: set[str]
    unions: set[tuple[str, str]]
    """The unions around it, whose loss is the loss of all that stands in them."""


class Written:
    """Every constraint of the user's schema, with each place it speaks of."""

    def __init__(self, schema: dict) -> None:
        self.schema = schema
        self.draft = str(schema.get("$schema", "2020"))
        self.places: dict[int, Place] = {}
        self.foreign = False
        self.left = _MOST
        self._walk(schema, "", (), set(_TYPES))

    def constraints(self) -> Iterator[Constraint]:
        """Each of them; what can never fail, or never be met, is left out."""
        for at in self.places.values():
            for keyword, value in _modern(at.node).items():
                if keyword == "required":
                    for name in value if "object" in at.types and isinstance(value, list) else ():
                        paths = {place(path, name) for path in at.paths}
                        yield Constraint(keyword, True, paths, at.unions)
                elif keyword in _SPOKEN_OF and not _says_nothing(keyword, value):
                    value = _possible(keyword, value, at)
                    spoken = _SPOKEN_OF[keyword]
                    if value is not None and self._known(keyword) and spoken in {"", *at.types}:
                        yield Constraint(keyword, value, at.paths, at.unions)

    def _known(self, keyword: str) -> bool:
        older = any(f"draft-0{number}" in self.draft for number in (3, 4, 6))
        return not (keyword == "if" and older)

    def _walk(
        self,
        node: object,
        path: str,
        inside: tuple[str, ...],
        types: set[str],
        unions: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.left -= 1
        if not isinstance(node, dict) or self.left < 0:
            return
        if isinstance(node.get("$ref"), str):
            reference = node["$ref"]
            if reference not in inside:
                self._walk(self._find(reference), path, (*inside, reference), types, unions)
            if "draft-0" in self.draft:
                return
        mine = types & types_of(node)
        at = self.places.setdefault(id(node), Place(node, mine))
        at.paths.add(path)
        at.unions.update(unions)
        for there, each in _inner(node, path, mine):
            self._walk(each, there, inside, set(_TYPES), unions)
        for keyword in ("allOf", "anyOf", "oneOf"):
            for each in node.get(keyword, ()):
                self._walk(each, path, inside, mine, (*unions, (keyword, path)))

    def _find(self, reference: str) -> object:
        node: Any = self.schema
        if not reference.startswith("#"):
            self.foreign = True
            return None
        for part in reference[1:].split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~").replace("%24", "$").replace("%20", " ")
            try:
                node = node[int(key)] if isinstance(node, list) else node[key]
            except (KeyError, ValueError):
                self.foreign = True
                return None
        self.foreign |= reference[1:2] not in {"", "/"}
        return node


def _inner(node: dict, path: str, types: set[str]) -> Iterator[tuple[str, object]]:
    """The nodes for what an object or a list holds, where the node can be one."""
    if "object" in types:
        for name, each in _map(node, "properties"):
            yield place(path, name), each
        for each in dict(_map(node, "patternProperties")).values():
            yield _any(path), each
        yield _any(path), node.get("additionalProperties")
    items = node.get("items") if "array" in types else None
    for each in [*(items if isinstance(items, list) else [items]), *node.get("prefixItems", ())]:
        yield f"{path}[]", each


def _possible(keyword: str, value: Any, at: Place) -> Any:
    """The value without what `type` rules out; None where nothing is left."""
    if keyword == "not":
        return value or None
    if keyword not in {"enum", "const"}:
        return value
    listed = [each for each in (value if keyword == "enum" else [value]) if _is_of(each, at.types)]
    return listed or None


def _is_of(value: object, types: set[str]) -> bool:
    names = {str: "string", bool: "boolean", list: "array", dict: "object", type(None): "null"}
    return names.get(type(value), "number") in types


def _map(node: dict, keyword: str) -> list[tuple[str, object]]:
    return list(node[keyword].items()) if isinstance(node.get(keyword), dict) else []


def _any(path: str) -> str:
    return f"{path}.*" if path else "*"


def _says_nothing(keyword: str, value: object) -> bool:
    if keyword in {"minLength", "minItems", "minProperties", "uniqueItems"}:
        return not value
    return keyword in {"patternProperties", "dependentRequired", "dependentSchemas"} and not value


def _modern(node: dict) -> dict:
    """Constraints of older drafts in the words of 2020-12."""
    whole = dict(node)
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(whole.get(exclusive), bool) and whole.pop(exclusive) and bound in whole:
            whole[exclusive] = whole.pop(bound)
    if isinstance(whole.get("items"), list):
        whole["prefixItems"] = whole.pop("items")
    for name, each in _map(whole, "dependencies"):
        keyword = "dependentRequired" if isinstance(each, list) else "dependentSchemas"
        whole[keyword] = {**whole.get(keyword, {}), name: each}
    return whole


class Sent:
    """What a sent schema says of each place of the user's record."""

    def __init__(self, schema: dict, *, wrapped: bool) -> None:
        self.defs = schema.get("$defs", {})
        self.said: set[tuple[str, str, str]] = set()
        self.values: dict[str, set[str]] = defaultdict(set)
        self.left = 4 * _MOST
        self._walk(schema["properties"]["value"] if wrapped else schema, "", ())

    def holds(self, keyword: str, value: Any, path: str) -> bool:
        """Whether the constraint, or one that means the same, stands at the place."""
        if keyword in {"enum", "const"}:
            texts = {json.dumps(each) for each in value}
            bools = self.values[path] & {"true", "false"} if texts & {"true", "false"} else set()
            return texts <= self.values[path] and bools <= texts
        if keyword == "prefixItems":
            return (keyword, "", path) in self.said
        return (keyword, json.dumps(value), path) in self.said

    def _walk(self, node: dict, path: str, inside: tuple[str, ...]) -> None:
        self.left -= 1
        if self.left < 0:
            return
        if "$ref" in node:
            name = node["$ref"].removeprefix("#/$defs/")
            if name not in inside and not name.startswith("AnyJSON"):
                self._walk(self.defs[name], path, (*inside, name))
            return
        for keyword, value in node.items():
            if keyword in _SPOKEN_OF:
                said = "" if keyword == "prefixItems" else json.dumps(value)
                self.said.add((keyword, said, path))
        for name in node.get("required", ()):
            self.said.add(("required", "true", place(path, name)))
        self._list(node, path)
        for each in node.get("anyOf", ()):
            self._walk(each, path, inside)
        for name, each in node.get("properties", {}).items():
            self._walk(each, place(path, name), inside)
            if name.startswith("additional_properties"):
                self._walk(each, path, inside)
            if name.startswith("option_") or name == "entries":
                self._walk(each, path, inside)
        for each in [*node.get("prefixItems", ()), *([node["items"]] if "items" in node else [])]:
            self._walk(each, f"{path}[]", inside)
            if list(each.get("properties", ())) == ["key", "value"]:
                self._walk(each["properties"]["value"], _any(path), inside)
        if isinstance(node.get("additionalProperties"), dict):
            self._walk(node["additionalProperties"], _any(path), inside)

    def _list(self, node: dict, path: str) -> None:
        listed = [*node.get("enum", ()), *([node["const"]] if "const" in node else [])]
        if not listed and "type" in node:
            listed += [None] if "null" in types_of(node) else []
            listed += [True, False] if "boolean" in types_of(node) else []
        self.values[path] |= {json.dumps(each) for each in listed}
