"""Making a proposed record obey any schema, as a server that decodes under a grammar would."""

from __future__ import annotations

import importlib
import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from llmwidgets.errors import FieldError
from llmwidgets.schemas import Schema, read_schema
from llmwidgets.schemas.canonical import (
    NEVER,
    Canonical,
    ConflictError,
    Node,
    listed_types,
    merge,
    ref_name,
)
from llmwidgets.schemas.passes import implied, is_of

_ATTEMPTS = 12
_DEEPEST = 24


class Disobeyed(Exception):
    """No record can be made that obeys the schema."""


def conform(schema: Any, proposal: Any) -> Any:
    """The record nearest to the proposal that obeys the schema; raises Disobeyed if there is none.

    Every record is validated against the whole schema before it is returned.
    """
    validator, root = read_canonical(schema)
    refused: set[str] = set()
    reason = "The demo cannot obey this schema."
    for turn in range(_ATTEMPTS):
        try:
            record = _Attempt(root, turn).fit(root.root, proposal, 0)
        except Disobeyed as error:
            reason = str(error)
            continue
        except (TypeError, ValueError, AttributeError, RecursionError):
            raise Disobeyed("A keyword of the schema has a value of the wrong type.") from None
        text = json.dumps(record)
        if text not in refused:
            problems = validator.problems(record)
            if not problems:
                return record
            reason = f"The demo cannot obey this schema at {problems[0].path or 'its root'}."
            refused.add(text)
    raise Disobeyed(reason)


def read_canonical(schema: Any) -> tuple[Schema, Canonical]:
    """The schema as the judge of records and in its canonical form; raises Disobeyed."""
    if schema is True:
        schema = {}
    if not isinstance(schema, Mapping):
        raise Disobeyed("The schema allows no value.")
    return _read(json.dumps(schema))


@lru_cache(maxsize=64)
def _read(text: str) -> tuple[Schema, Canonical]:
    try:
        schema = read_schema(json.loads(text))
        return schema, schema.canonical
    except FieldError as error:
        raise Disobeyed(f"The schema cannot be read: {error.message}") from None


def flatten(node: Any, schema: Canonical) -> Node:
    """The node with its `$ref` and `allOf` merged in; raises Disobeyed if it allows no value."""
    if node is False or node == NEVER:
        raise Disobeyed("A part of the schema allows no value.")
    flat = {key: node[key] for key in node if key not in ("$ref", "allOf")}
    referred = [schema.defs[ref_name(node)]] if "$ref" in node else []
    for part in (*referred, *node.get("allOf", ())):
        flat = _both(flat, flatten(part, schema))
    return flat


def _both(one: Node, other: Node) -> Node:
    try:
        return merge(one, other)[0]
    except ConflictError:
        raise Disobeyed("Two parts of the schema contradict each other.") from None


def list_types(node: Node) -> list[str]:
    """The JSON types a node allows, inferred from its keywords if it names none."""
    return listed_types(node) or list(implied(node))


def list_branches(node: Node, schema: Canonical) -> list[Node]:
    """The alternatives of the node's union that can be, with what is around the union merged in."""
    branches: list[Node] = []
    for key in ("anyOf", "oneOf"):
        if node.get(key) and not branches:
            around = {name: value for name, value in node.items() if name != key}
            for branch in node[key]:
                with suppress(Disobeyed):
                    branches.append(flatten({"allOf": [around, branch]}, schema))
    return branches


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt; each turn takes other branches of the unions than the turn before."""

    schema: Canonical
    turn: int

    def fit(self, node: Any, value: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            raise Disobeyed("The schema is nested too deeply for the demo.")
        flat = self._conditional(flatten(node, self.schema))
        if "const" in flat:
            return flat["const"]
        if "enum" in flat:
            same = [each for each in flat["enum"] if each == value and type(each) is type(value)]
            return same[0] if same else self._pick(flat["enum"])
        branches = sorted(
            list_branches(flat, self.schema), key=lambda branch: not _accepts(branch, value)
        )
        if branches:
            return self.fit(self._pick(branches), value, depth + 1)
        return self._typed(flat, value, depth)

    def _pick(self, choices: list[Any]) -> Any:
        if not choices:
            raise Disobeyed("A part of the schema has no value to choose from.")
        return choices[self.turn % len(choices)]

    def _conditional(self, node: Node) -> Node:
        if "if" not in node:
            return node
        rest = {key: node[key] for key in node if key not in ("if", "then", "else")}
        holds = self.turn % 2
        parts = [node["if"], node.get("then", {})] if holds else [node.get("else", {})]
        return flatten({"allOf": [rest, *parts]}, self.schema)

    def _typed(self, node: Node, value: Any, depth: int) -> Any:
        types = list_types(node)
        kind = next((each for each in types if is_of(value, {each})), None)
        if kind is None:
            if not types:
                return {} if isinstance(value, list | Mapping) else value
            kind = self._pick([each for each in types if each != "null"] or types)
        match kind:
            case "object":
                return self._object(node, value if isinstance(value, Mapping) else {}, depth)
            case "array":
                return self._array(node, value if isinstance(value, list) else [], depth)
            case "string":
                return fit_string(node, value, self.turn)
            case "number" | "integer":
                return fit_number(node, value, whole=kind == "integer")
            case "boolean":
                return value is True
            case _:
                return None

    def _object(self, node: Node, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties, required = node.get("properties", {}), node.get("required", [])
        rest = node.get("additionalProperties", {})
        most = node.get("maxProperties", len(properties) + len(required))
        record: dict[str, Any] = {}
        for name in dict.fromkeys((*required, *properties)):
            if name not in required and (name not in value or len(record) >= most):
                continue
            try:
                record[name] = self.fit(properties.get(name, rest), value.get(name), depth + 1)
            except Disobeyed:
                if name in required:
                    raise
        least = node.get("minProperties", 0)
        for name in (*properties, *(f"field{number}" for number in range(least))):
            if len(record) < least and name not in record:
                record[name] = self.fit(properties.get(name, rest), None, depth + 1)
        return {name: record[name] for name in dict.fromkeys((*properties, *record))
                if name in record}  # fmt: skip

    def _array(self, node: Node, value: list[Any], depth: int) -> list[Any]:
        first, rest = node.get("prefixItems", []), node.get("items", {})
        containing = node.get("minContains", 1) if "contains" in node else 0
        least = max(node.get("minItems", 0), containing)
        length = max(len(value), least, len(first) if least else 0)
        unique = bool(node.get("uniqueItems"))
        items: list[Any] = []
        for index in range(min(length, node.get("maxItems", length))):
            inner = first[index] if index < len(first) else rest
            if index < containing:
                inner = {"allOf": [inner, node["contains"]]}
            proposed = value[index] if index < len(value) else None
            # The items of a set are each made by another turn, so that they differ.
            attempt = _Attempt(self.schema, self.turn + index * unique)
            item = attempt.fit(inner, proposed, depth + 1)
            if not unique or item not in items or len(items) < least:
                items.append(item)
        return items


def _accepts(node: Node, value: Any) -> bool:
    if "const" in node:
        return bool(node["const"] == value)
    if "enum" in node:
        return value in node["enum"]
    if not any(is_of(value, {kind}) for kind in list_types(node)):
        return False
    return not isinstance(value, Mapping) or all(name in value for name in node.get("required", ()))


# -- Strings and numbers: length, pattern, format, bounds, steps.

_ADDRESS = "https://demo.example/"
_BY_FORMAT = {
    "date": "1970-01-01", "date-time": "1970-01-01T00:00:00Z", "time": "00:00:00Z",
    "duration": "P0D", "email": "nobody@demo.example", "idn-email": "nobody@demo.example",
    "hostname": "demo.example", "idn-hostname": "demo.example", "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1", "uri": _ADDRESS, "uri-reference": _ADDRESS, "iri": _ADDRESS,
    "iri-reference": _ADDRESS, "url": _ADDRESS, "uuid": "00000000-0000-4000-8000-000000000000",
    "regex": "", "json-pointer": "", "relative-json-pointer": "0", "uri-template": "",
}  # fmt: skip
_SHAPES = {
    "date": r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])",
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "time": r"\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "email": r"[\w.+-]+@[\w-]+(\.[\w-]+)+",
    "uri": r"https?://[!-~]+",
}


def fit_string(node: Node, value: Any, turn: int = 0) -> str:
    """The value as a string that obeys format, pattern and length."""
    text = "" if value is None else str(value)
    text_format, pattern = node.get("format"), node.get("pattern")
    least, most = node.get("minLength", 0), node.get("maxLength")
    if text_format in _BY_FORMAT and not re.fullmatch(_SHAPES.get(text_format, "(?!)"), text):
        text = _BY_FORMAT[text_format]
    if isinstance(pattern, str) and not _matches(pattern, text):
        text = example(pattern, least + turn)
    if not text and text_format is pattern is None:
        text = "-" * turn
    return text.ljust(least, "-")[:most]


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def fit_number(node: Node, value: Any, *, whole: bool) -> int | float:
    """The value as a number within the node's bounds and steps."""
    above, below = node.get("exclusiveMinimum", -math.inf), node.get("exclusiveMaximum", math.inf)
    low, high = max(node.get("minimum", above), above), min(node.get("maximum", below), below)
    step = node.get("multipleOf", 1 if whole else None)
    nudge = step or (1 if high - low > 2 else (high - low) / 2)
    number: int | float = value if is_of(value, {"number"}) else 0
    if number < low or number == above:
        number = low + nudge * (low == above)
    if number > high or number == below:
        number = high - nudge * (high == below)
    if step:
        number = round(number / step) * step
        number += step if number < low else -step if number > high else 0
    return round(number) if whole else number


def example(pattern: str, least: int = 0) -> str:
    """A text that a regular expression matches, at least that long if the pattern can grow."""
    parser: Any = importlib.import_module("re._parser")
    try:
        tree = parser.parse(pattern)
    except (re.error, RecursionError):
        raise Disobeyed("The demo cannot read a pattern of the schema.") from None
    text = _spell(tree, 0)
    return text if len(text) >= least else _spell(tree, least - len(text))


def _spell(tree: Any, spare: int) -> str:
    text = ""
    for part in tree:
        operation, argument = str(part[0]), part[1]
        match operation:
            case "LITERAL":
                text += chr(argument)
            case "NOT_LITERAL" | "ANY" | "IN":
                text += _letter_of(tree, part)
            case "BRANCH":
                text += _spell(argument[1][0], spare)
            case "SUBPATTERN":
                text += _spell(argument[3], spare)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                low, high, inner = argument
                text += _spell(inner, 0) * min(low + spare, int(high), low + 1000)
    return text


_LETTERS = "aA1 _-./:@#+" + "".join(map(chr, range(33, 127)))


def _letter_of(tree: Any, part: Any) -> str:
    """A letter that one part of a parsed expression matches, a plain one if it can be."""
    compiler: Any = importlib.import_module("re._compiler")
    expression = compiler.compile(type(tree)(tree.state, [part]))
    bounds = re.findall(r"\d+", str(part[1]))
    letters = _LETTERS + "".join(chr(int(each)) for each in bounds if int(each) < 0x110000)
    return next(filter(expression.match, letters), "a")
