"""Making a proposed record obey any schema, as a server that decodes under a grammar would."""

from __future__ import annotations

import importlib
import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeGuard

from llmwidgets.errors import FieldError
from llmwidgets.schemas import Schema, read_schema

_ATTEMPTS = 12
_DEEPEST = 24


def conform(schema: Any, proposal: Any) -> Any:
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


# -- Strings and numbers that obey a node: length, pattern, format, bounds, steps.

_BY_FORMAT = {
    "date": "1970-01-01",
    "date-time": "1970-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "P0D",
    "email": "nobody@demo.example",
    "idn-email": "nobody@demo.example",
    "hostname": "demo.example",
    "idn-hostname": "demo.example",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://demo.example/",
    "uri-reference": "https://demo.example/",
    "iri": "https://demo.example/",
    "iri-reference": "https://demo.example/",
    "url": "https://demo.example/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "regex": "",
    "json-pointer": "",
    "relative-json-pointer": "0",
    "uri-template": "",
}
_SHAPES = {
    "date": r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])",
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "time": r"\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "email": r"[\w.+-]+@[\w-]+(\.[\w-]+)+",
    "uri": r"https?://[!-~]+",
}


def fit_string(node: Node, value: Any, turn: int = 0) -> str:
    """The value as a string that obeys format, pattern and length."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    form, pattern = node.get("format"), node.get("pattern")
    least, most = node.get("minLength", 0), node.get("maxLength", math.inf)
    if form in _BY_FORMAT and not re.fullmatch(_SHAPES.get(form, "(?!)"), text):
        text = _BY_FORMAT[form]
    if isinstance(pattern, str) and not _matches(pattern, text):
        text = example(pattern, least + turn)
    if len(text) < least:
        text += "-" * (least - len(text))
    if turn and node.get("uniqueItems") is None and form is None and pattern is None and not text:
        text = "-" * min(turn, int(most) if most != math.inf else turn)
    return text if len(text) <= most else text[: int(most)]


def fit_number(node: Node, value: Any, *, whole: bool) -> int | float:
    """The value as a number within the node's bounds and steps."""
    number: int | float = 0
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = value
    low, high = _bounds(node)
    step = node.get("multipleOf", 1 if whole else None)
    nudge = step or (1 if high - low > 2 else (high - low) / 2)
    if number < low or (number == low and _open(node, "exclusiveMinimum", low)):
        number = low + (nudge if _open(node, "exclusiveMinimum", low) else 0)
    if number > high or (number == high and _open(node, "exclusiveMaximum", high)):
        number = high - (nudge if _open(node, "exclusiveMaximum", high) else 0)
    if step:
        number = round(number / step) * step
        if number < low:
            number += step
        if number > high:
            number -= step
    return round(number) if whole else number


def _bounds(node: Node) -> tuple[float, float]:
    lows = (node.get("minimum"), node.get("exclusiveMinimum"))
    highs = (node.get("maximum"), node.get("exclusiveMaximum"))
    low = max((float(each) for each in lows if _number(each)), default=-math.inf)
    high = min((float(each) for each in highs if _number(each)), default=math.inf)
    return low, high


def _open(node: Node, keyword: str, bound: float) -> bool:
    said = node.get(keyword)
    return said is True or (_number(said) and said == bound)


def _number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def example(pattern: str, least: int = 0) -> str:
    """A text that a regular expression matches, at least so long where the pattern can grow."""
    parser: Any = importlib.import_module("re._parser")
    try:
        tree = parser.parse(pattern)
    except (re.error, RecursionError):
        raise Disobeyed("The demo cannot read a pattern of the schema.") from None
    text = _spell_all(tree, 0)
    return text if len(text) >= least else _spell_all(tree, least - len(text))


def _spell_all(tree: Any, spare: int) -> str:
    return "".join(_spell(operation, argument, spare) for operation, argument in tree)


def _spell(operation: Any, argument: Any, spare: int) -> str:
    match str(operation):
        case "LITERAL":
            return chr(argument)
        case "NOT_LITERAL":
            return "a" if argument != ord("a") else "b"
        case "ANY":
            return "a"
        case "IN":
            return _member(argument)
        case "BRANCH":
            return _spell_all(argument[1][0], spare)
        case "SUBPATTERN":
            return _spell_all(argument[3], spare)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            low, high, inner = argument
            times = min(low + spare, int(high), low + 1000)
            return _spell_all(inner, 0) * int(times)
        case _:
            return ""


def _member(choices: Any) -> str:
    negated = str(choices[0][0]) == "NEGATE"
    allowed = [candidate for candidate in _CANDIDATES if _in(choices, candidate) != negated]
    if not allowed:
        first = next((arg for op, arg in choices if str(op) in ("LITERAL", "RANGE")), ord("a"))
        return chr(first[0] if isinstance(first, tuple) else first)
    return allowed[0]


_CANDIDATES = "aA1 _-./:@#+" + "".join(chr(code) for code in range(33, 127))


def _in(choices: Any, letter: str) -> bool:
    for operation, argument in choices:
        match str(operation):
            case "LITERAL" if ord(letter) == argument:
                return True
            case "RANGE" if argument[0] <= ord(letter) <= argument[1]:
                return True
            case "CATEGORY" if _of_category(str(argument), letter):
                return True
    return False


def _of_category(category: str, letter: str) -> bool:
    word = letter.isalnum() or letter == "_"
    return {
        "CATEGORY_DIGIT": letter.isdigit(),
        "CATEGORY_NOT_DIGIT": not letter.isdigit(),
        "CATEGORY_SPACE": letter.isspace(),
        "CATEGORY_NOT_SPACE": not letter.isspace(),
        "CATEGORY_WORD": word,
        "CATEGORY_NOT_WORD": not word,
    }.get(category, False)


# -- Reading a JSON Schema: local references, merged allOf, the branches of a union.

Node = Mapping[str, Any]

_DEEPEST_REFERENCE = 40


class Disobeyed(Exception):
    """No record can be made that obeys the schema."""


def resolve(node: Any, root: Node) -> Node:
    """The node with its local `$ref` and `allOf` merged in; raises Disobeyed for what is no node.

    `true` reads as the empty schema.
    """
    return _resolve(node, root, 0)


def _resolve(node: Any, root: Node, depth: int) -> Node:
    if node is True:
        return {}
    if not isinstance(node, Mapping):
        raise Disobeyed("A part of the schema allows no value.")
    if depth > _DEEPEST_REFERENCE:
        raise Disobeyed("A part of the schema refers to itself without end.")
    merged: dict[str, Any] = {key: node[key] for key in node if key not in ("$ref", "allOf")}
    if isinstance(node.get("$ref"), str):
        merged = merge(_resolve(pointed(node["$ref"], root), root, depth + 1), merged)
    parts = node.get("allOf")
    for part in parts if isinstance(parts, list) else ():
        merged = merge(merged, _resolve(part, root, depth + 1))
    return merged


def pointed(reference: str, root: Node) -> Any:
    """What a local reference (`#`, `#/$defs/Line`, `#anchor`) names; raises Disobeyed."""
    if reference == "#":
        return root
    if reference.startswith("#/"):
        place: Any = root
        for step in reference[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~").replace("%24", "$")
            if isinstance(place, Mapping) and key in place:
                place = place[key]
            elif isinstance(place, list) and key.isdecimal() and int(key) < len(place):
                place = place[int(key)]
            else:
                raise Disobeyed("The schema refers to a part that it does not have.")
        return place
    raise Disobeyed("The schema refers to a part outside itself; the demo reads local ones alone.")


def merge(one: Node, other: Node) -> dict[str, Any]:
    """Both schemas at once, as far as that can be said in one."""
    merged = dict(one)
    for key, value in other.items():
        if key not in merged:
            merged[key] = value
        elif key in ("properties", "patternProperties", "$defs", "definitions"):
            merged[key] = _both(merged[key], value)
        elif key == "required":
            merged[key] = [*merged[key], *(name for name in value if name not in merged[key])]
        elif key == "type":
            allowed = [kind for kind in types(one) if kind in types(other)]
            merged[key] = allowed or value
        elif key == "enum":
            merged[key] = [each for each in merged[key] if each in value]
        elif key in ("minimum", "minLength", "minItems", "exclusiveMinimum", "minProperties"):
            merged[key] = max(merged[key], value)
        elif key in ("maximum", "maxLength", "maxItems", "exclusiveMaximum", "maxProperties"):
            merged[key] = min(merged[key], value)
        elif key == "additionalProperties":
            merged[key] = False if False in (merged[key], value) else value
        else:
            merged[key] = value
    return merged


def _both(one: Any, other: Any) -> dict[str, Any]:
    shared = {
        name: {"allOf": [one[name], other[name]]} if one[name] != other[name] else one[name]
        for name in one.keys() & other.keys()
    }
    return {**one, **other, **shared}


def types(node: Node) -> list[str]:
    """The JSON types a node allows, told by its keywords where it names none."""
    said = node.get("type")
    if isinstance(said, str):
        return [said]
    if isinstance(said, list):
        return [str(each) for each in said]
    if "properties" in node or "required" in node or "additionalProperties" in node:
        return ["object"]
    if "items" in node or "prefixItems" in node or "minItems" in node:
        return ["array"]
    if {"minLength", "maxLength", "pattern", "format"} & node.keys():
        return ["string"]
    if {"minimum", "maximum", "multipleOf", "exclusiveMinimum"} & node.keys():
        return ["number"]
    return []


def branches(node: Node) -> list[Any]:
    """The alternatives of anyOf or oneOf; none where the node is no union."""
    for key in ("anyOf", "oneOf"):
        if isinstance(node.get(key), list) and node[key]:
            return list(node[key])
    return []


def nullable(node: Node, root: Node) -> bool:
    """Whether null is allowed by type, enum or a branch."""
    if "enum" in node:
        return None in node["enum"]
    if "null" in types(node):
        return True
    return any(nullable(resolve(branch, root), root) for branch in branches(node))


def value_branch(node: Node, root: Node) -> Node:
    """The node that says how a value other than null looks: the first such branch of a union."""
    for branch in branches(node):
        inner = resolve(branch, root)
        if types(inner) != ["null"] and inner.get("const", ...) is not None:
            around = {key: node[key] for key in node if key not in ("anyOf", "oneOf")}
            return value_branch(merge(inner, around), root)
    return node
