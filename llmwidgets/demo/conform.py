"""Making a proposed record obey any schema, as a server that decodes under a grammar would."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from llmwidgets.demo.scalars import fit_number, fit_string
from llmwidgets.demo.shapes import Disobeyed, Node, branches, merge, resolve, types
from llmwidgets.errors import FieldError
from llmwidgets.schemas import Schema, read_schema

_ATTEMPTS = 12
_DEEPEST = 24


def obey(schema: Any, proposal: Any) -> Any:
    """The record nearest to the proposal that obeys the schema; raises Disobeyed for none.

    Every record is judged by the whole schema before it is given away.
    """
    root: Node = {} if schema is True else schema
    if not isinstance(root, Mapping):
        raise Disobeyed("The schema allows no value.")
    judge = _judge(json.dumps(root, sort_keys=True))
    refused: set[str] = set()
    reason = "The demo cannot obey this schema."
    for turn in range(_ATTEMPTS):
        try:
            record = _Fitting(root, turn).fit(root, proposal, 0)
        except Disobeyed as error:
            reason = str(error)
            continue
        except (TypeError, ValueError, AttributeError, RecursionError):
            raise Disobeyed("A keyword of the schema has a value of the wrong type.") from None
        seen = json.dumps(record)
        if seen not in refused:
            problems = judge.problems(record)
            if not problems:
                return record
            reason = f"The demo cannot obey this schema at {problems[0].path or 'its root'}."
            refused.add(seen)
    raise Disobeyed(reason)


@lru_cache(maxsize=64)
def _judge(schema: str) -> Schema:
    try:
        return read_schema(json.loads(schema))
    except FieldError as error:
        raise Disobeyed(f"The schema cannot be read: {error.message}") from None


class _Fitting:
    """One attempt; each turn takes other branches of the unions than the turn before."""

    def __init__(self, root: Node, turn: int) -> None:
        self.root = root
        self.turn = turn

    def fit(self, node: Any, value: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            raise Disobeyed("The schema is nested too deeply for the demo.")
        inner = self._conditional(resolve(node, self.root))
        if "const" in inner:
            return inner["const"]
        if "enum" in inner:
            return self._one_of(inner["enum"], value)
        alternatives = branches(inner)
        if alternatives:
            return self.fit(self._branch(inner, alternatives, value), value, depth + 1)
        return self._typed(inner, value, depth)

    def _conditional(self, node: Node) -> Node:
        if "if" not in node:
            return node
        taken = node.get("else" if self.turn % 2 == 0 else "then", True)
        rest = {key: node[key] for key in node if key not in ("if", "then", "else")}
        extra = resolve(node["if"], self.root) if self.turn % 2 else {}
        return merge(merge(rest, extra), resolve(taken, self.root))

    def _one_of(self, allowed: list[Any], value: Any) -> Any:
        if not allowed:
            raise Disobeyed("A part of the schema has no value to choose from.")
        same = [each for each in allowed if each == value and type(each) is type(value)]
        return same[0] if same else allowed[self.turn % len(allowed)]

    def _branch(self, node: Node, alternatives: list[Any], value: Any) -> Node:
        around = {key: node[key] for key in node if key not in ("anyOf", "oneOf")}
        ordered = sorted(
            (resolve(branch, self.root) for branch in alternatives),
            key=lambda branch: 0 if _accepts(branch, value) else 1,
        )
        return merge(around, ordered[self.turn % len(ordered)])

    def _typed(self, node: Node, value: Any, depth: int) -> Any:
        allowed = types(node)
        kind = next((each for each in allowed if _is(each, value)), None)
        if kind is None:
            others = [each for each in allowed if each != "null"] or allowed
            if not others:
                return {} if isinstance(value, list | Mapping) else value
            kind = others[self.turn % len(others)]
        match kind:
            case "object":
                return self._object(node, value if isinstance(value, Mapping) else {}, depth)
            case "array":
                return self._array(node, value, depth)
            case "string":
                return fit_string(node, value, self.turn)
            case "number" | "integer":
                return fit_number(node, value, whole=kind == "integer")
            case "boolean":
                return value is True
            case _:
                return None

    def _object(self, node: Node, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = node.get("properties", {})
        required = list(node.get("required", ()))
        most = node.get("maxProperties", len(properties) + len(required))
        record: dict[str, Any] = {}
        for name in [*required, *(name for name in properties if name not in required)]:
            must = name in required
            if not must and (name not in value or len(record) >= most):
                continue
            try:
                record[name] = self.fit(_property(node, name), value.get(name), depth + 1)
            except Disobeyed:
                if must:
                    raise
        self._add_properties(node, record, depth)
        return {name: record[name] for name in [*properties, *record] if name in record}

    def _add_properties(self, node: Node, record: dict[str, Any], depth: int) -> None:
        spare = [name for name in node.get("properties", {}) if name not in record]
        spare += [f"field{number}" for number in range(node.get("minProperties", 0))]
        for name in spare:
            if len(record) >= node.get("minProperties", 0):
                return
            record[name] = self.fit(_property(node, name), None, depth + 1)

    def _array(self, node: Node, value: Any, depth: int) -> list[Any]:
        given = list(value) if isinstance(value, list | tuple) else []
        first = node.get("prefixItems", node["items"] if _is("array", node.get("items")) else [])
        rest = node.get("items", True) if not _is("array", node.get("items")) else True
        least = max(
            node.get("minItems", 0), node.get("minContains", 1) if "contains" in node else 0
        )
        most = node.get("maxItems", max(len(given), least))
        length = min(max(len(given), least, len(first) if least else 0), most)
        fitted: list[Any] = []
        for place in range(length):
            inner = first[place] if place < len(first) else rest
            if "contains" in node and place < node.get("minContains", 1):
                inner = {"allOf": [inner, node["contains"]]}
            proposed = given[place] if place < len(given) else None
            item = _Fitting(self.root, self.turn + self._apart(node, place)).fit(
                inner, proposed, depth + 1
            )
            if not node.get("uniqueItems") or item not in fitted or len(fitted) < least:
                fitted.append(item)
        return fitted

    def _apart(self, node: Node, place: int) -> int:
        return place if node.get("uniqueItems") else 0


def _property(node: Node, name: str) -> Any:
    properties = node.get("properties", {})
    if name in properties:
        return properties[name]
    return node.get("additionalProperties", True)


def _is(kind: str, value: Any) -> bool:
    match kind:
        case "object":
            return isinstance(value, Mapping)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "integer":
            return not isinstance(value, bool) and (
                isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            )
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return False


def _accepts(node: Node, value: Any) -> bool:
    if "const" in node:
        return bool(node["const"] == value)
    if "enum" in node:
        return value in node["enum"]
    if not any(_is(kind, value) for kind in types(node)):
        return False
    if isinstance(value, Mapping):
        return all(name in value for name in node.get("required", ()))
    return True


__all__ = [
    "Disobeyed",
    "obey",
]
