"""Strings and numbers that obey a node: length, pattern, format, bounds, steps."""

from __future__ import annotations

import importlib
import math
import re
from typing import Any, TypeGuard

from llmwidgets.demo.shapes import Disobeyed, Node

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
