"""Validation: a reply is read and judged, in sentences that name places and rules, never values."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

from llmwidgets.errors import FieldError, InvalidJSON, InvalidRecord, LLMWidgetsError
from llmwidgets.schemas.canonical import (
    LISTS,
    MAPS,
    SINGLES,
    Canonical,
    Node,
    any_name,
    display_path,
    item_path,
    outside,
    property_path,
)

MAX_PROBLEMS = 50
"""More problems than this in one record are not listed."""
_SHOWN = 5
_HINT = "The raw reply is kept with the extraction."


@dataclass(frozen=True, slots=True)
class Problem:
    """A place of a record that breaks a rule; `rule` never holds the value.

    >>> str(Problem("lines[0].total", "must be a number"))
    'lines[0].total must be a number'
    """

    path: str
    rule: str

    def __str__(self) -> str:
        return f"{display_path(self.path)} {self.rule}"


def make_validator(schema: dict[str, Any], *, formats: bool = True) -> Any:
    """The jsonschema-rs validator; FieldError if the schema is not valid.

    Formats are asserted if `formats` is on, the draft is `$schema`'s or else 2020-12, and
    nothing is fetched.
    """
    import jsonschema_rs

    refused: list[str] = []

    def refuse(uri: str) -> NoReturn:
        refused.append(uri)
        message = f"{uri} is outside the schema"
        raise ValueError(message)

    try:
        return jsonschema_rs.validator_for(schema, validate_formats=formats, retriever=refuse)
    except (
        jsonschema_rs.ValidationError,
        jsonschema_rs.ReferencingError,
        ValueError,
        TypeError,
        RecursionError,
    ) as error:
        problem = outside(refused[0]) if refused else _schema_problem(error)
    raise problem


def _schema_problem(error: Exception) -> FieldError:
    place = "".join(f"/{part}" for part in getattr(error, "instance_path", ()) or ())
    hint = "Check it against json-schema.org, or give a pydantic class or field rows instead."
    if place:
        keyword = place.rpartition("/")[2]
        return FieldError(f"The JSON Schema is not valid at {place}: {keyword} is wrong.", hint)
    # The library's own first line names the reference or the draft that it cannot find.
    reason = str(error).partition("\n")[0].rstrip(".")
    return FieldError(f"The JSON Schema is not valid: {reason}.", hint)


_RULES = {
    "additionalItems": "has more items than the schema lists",
    "const": "is not the one value allowed",
    "contains": "lacks an item that the schema asks for",
    "dependentRequired": "lacks a property that another one requires",
    "enum": "is not one of the allowed values",
    "falseSchema": "must not be present",
    "not": "is what the schema rules out",
    "oneOf": "fits none, or more than one, of the forms allowed",
    "anyOf": "fits none of the forms allowed",
    "pattern": "does not match the pattern",
    "propertyNames": "has a property whose name is not allowed",
    "required": "is required and missing",
    "unevaluatedItems": "has more items than the schema lists",
    "unevaluatedProperties": "has a property that the schema does not list",
    "additionalProperties": "has a property that the schema does not list",
    "uniqueItems": "has the same item twice",
}
_LIMITS = {
    "exclusiveMaximum": "must be below {}",
    "exclusiveMinimum": "must be above {}",
    "maximum": "must be at most {}",
    "minimum": "must be at least {}",
    "maxItems": "may have at most {} items",
    "minItems": "must have at least {} items",
    "maxLength": "may have at most {} characters",
    "minLength": "must have at least {} characters",
    "maxProperties": "may have at most {} properties",
    "minProperties": "must have at least {} properties",
    "multipleOf": "must be a multiple of {}",
    "format": "is not in the format {}",
}
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "an object",
    "string": "a text",
}


def find_problems(validator: Any, data: Any, names: frozenset[str]) -> Iterator[Problem]:
    """Each broken rule, at most MAX_PROBLEMS; `names` are the property names in a schema.

    A key that the schema does not name can be what the model read, so it is shown as `*`.
    """
    import jsonschema_rs

    try:
        for count, error in enumerate(validator.iter_errors(data)):
            if count == MAX_PROBLEMS:
                return
            yield _problem(error, names)
    except (ValueError, TypeError, OverflowError, RecursionError, jsonschema_rs.ValidationError):
        yield Problem("", "is not a JSON value")


def _format_path(parts: Iterable[str | int], names: frozenset[str]) -> str:
    """The place that a list of keys and indices leads to, unlisted keys shown as `*`."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path = item_path(path, part)
        else:
            path = property_path(path, part) if part in names else any_name(path)
    return path


def _problem(error: Any, names: frozenset[str]) -> Problem:
    keyword = error.kind.name
    path = _format_path(error.instance_path, names)
    if keyword == "required":
        return Problem(property_path(path, str(error.kind.property)), _RULES["required"])
    if keyword == "type":
        types = [error.kind.value] if isinstance(error.kind.value, str) else error.kind.value
        named = (_TYPES.get(str(name), str(name)) for name in types)
        return Problem(path, f"must be {' or '.join(named)}")
    if keyword in {"anyOf", "oneOf"} and (only := _only_branch_but_null(error.kind)):
        inner = _problem(only, names)
        null = " or null" if inner.path == path and inner.rule.startswith("must be") else ""
        return Problem(inner.path, inner.rule + null)
    if keyword in _LIMITS:
        return Problem(path, _LIMITS[keyword].format(error.kind.value))
    return Problem(path, _RULES.get(keyword, f"breaks the rule {keyword}"))


def _only_branch_but_null(kind: Any) -> Any:
    """The first error of a union's one branch besides null; None if it has more."""
    branches = []
    for errors in getattr(kind, "context", ()):
        first = errors[0].kind if len(errors) == 1 else None
        is_null = first and first.name == "type" and first.value in ("null", ["null"])
        if not is_null:
            branches.append(errors)
    return branches[0][0] if len(branches) == 1 and branches[0] else None


def judge_record(
    data: Any, validator: Any, names: frozenset[str], adapter: Any, type_name: str
) -> Any:
    """The record: what pydantic's `adapter` makes of it if there is one, else the JSON itself.

    InvalidRecord names the places and rules broken: JSON Schema's first, then the type's.
    """
    record, problems = data, list(find_problems(validator, data, names))
    if not problems and adapter is not None:
        record, problems = _build(adapter, data, names, type_name)
    if not problems:
        return record
    listed = "; ".join(str(each) for each in problems[:_SHOWN])
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    raise InvalidRecord(f"The record does not fit the schema: {listed}{more}.", _HINT)


def _build(
    adapter: Any, data: Any, names: frozenset[str], type_name: str
) -> tuple[Any, list[Problem]]:
    from pydantic import ValidationError

    try:
        spelled = json.dumps(data)
        record = adapter.validate_json(spelled)
        if _BEYOND_FLOATS.search(spelled):
            # Where the type wants a float, pydantic makes an infinite one of it.
            _check(adapter.dump_python(record))
        return record, []
    except ValidationError as error:
        refused = error.errors(include_url=False, include_context=False, include_input=False)
    except LLMWidgetsError:
        # A validator that asks a model itself does not make the reply wrong.
        raise
    except BaseException as error:
        # A validator may raise anything; a Ctrl-C of the user's arrives on the main thread.
        on_main_thread = threading.current_thread() is threading.main_thread()
        if isinstance(error, KeyboardInterrupt) and on_main_thread:
            raise
        return None, [Problem("", f"is refused by {type_name}: its own check failed")]
    problems = []
    for each in refused:
        # The names of union branches and validators are not part of the place.
        steps = [step for step in each["loc"] if isinstance(step, int) or step in names]
        rule = f"is refused by {type_name}: {each['type'].replace('_', ' ')}"
        problems.append(Problem(_format_path(steps, names), rule))
    return None, problems


@dataclass
class LazyValidator:
    """Tells whether a value satisfies a canonical schema; its validator is made on first use."""

    schema: Canonical
    node: Node

    @cached_property
    def _validator(self) -> Any:
        return make_validator(self.schema.alone(self.node))

    def __call__(self, data: Any) -> bool:
        try:
            return bool(self._validator.is_valid(data))
        except (ValueError, TypeError, OverflowError):
            return False


# -- Partial: the schema without its rules of presence, for truth that labels only some fields.

_PRESENCE = frozenset({
    "required", "dependentRequired", "dependentSchemas", "minProperties", "not", "if", "then",
    "else",
})  # fmt: skip


def without_presence(node: Any) -> Any:
    """A canonical schema with no property required, at any depth.

    `oneOf` becomes `anyOf`, since what is present no longer tells branches apart.
    """
    if not isinstance(node, dict):
        return node
    fewer: Node = {}
    for key, value in node.items():
        if key in _PRESENCE:
            continue
        if key in MAPS:
            fewer[key] = {name: without_presence(inner) for name, inner in value.items()}
        elif key in LISTS:
            alike = key == "oneOf" and "anyOf" not in node
            fewer["anyOf" if alike else key] = [without_presence(inner) for inner in value]
        else:
            fewer[key] = without_presence(value) if key in SINGLES else value
    return fewer


# -- Replies: the one reading of a model's answer, strict, with nothing repaired.

_BEYOND_FLOATS = re.compile(r"[0-9]{309}")
MAX_DEPTH = 100
"""A deeper answer is refused: nothing that is extracted from a text is nested so deeply."""

_OPENING = re.compile(r"\s*+```(?:json)?[ \t]*+\r?\n", re.IGNORECASE)
_FENCE = "```"


def parse_json(text: str) -> Any:
    """The JSON value that the text is.

    One ```` ```json ```` fence around the whole is taken off. Anything else that is not JSON
    raises InvalidJSON: words around it, a doubled key, NaN, a number out of range.

    >>> parse_json('{"total": 12.5}')
    {'total': 12.5}
    """
    bare, opening, end = text, _OPENING.match(text), text.rstrip()
    # Each character of a reply is looked at once or twice, whatever it is.
    if opening and end.endswith(_FENCE) and len(end) >= opening.end() + len(_FENCE):
        inside = end.removesuffix(_FENCE)[opening.end() :].rstrip(" \t")
        bare = inside.removesuffix("\n").removesuffix("\r")
    bare = bare.removeprefix("\ufeff")
    try:
        data = json.loads(bare, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except _NotStrictError as error:
        raise InvalidJSON(f"The reply is not strict JSON: {error}.", _HINT) from None
    except RecursionError:
        raise InvalidJSON("The reply is nested too deeply to be a record.", _HINT) from None
    except json.JSONDecodeError as error:
        raise InvalidJSON(_where(bare, error), _HINT) from None
    except ValueError:
        raise InvalidJSON("The reply contains a number with too many digits.", _HINT) from None
    _check(data)
    if "\\u" in bare:
        _check_unicode(data)
    return data


class _NotStrictError(ValueError):
    """Raised inside the decoder with a reason that names no value."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) < len(pairs):
        message = "an object has the same key twice"
        raise _NotStrictError(message)
    return whole


def _refuse_constant(name: str) -> NoReturn:
    raise _NotStrictError(f"{name} is not a JSON number")


def _where(text: str, error: json.JSONDecodeError) -> str:
    if not text.strip():
        return "The reply is empty."
    if error.msg == "Extra data":
        return f"The reply goes on after the JSON ends, from character {error.pos + 1}."
    if error.pos >= len(text.rstrip()):
        return "The reply ends before the JSON does."
    return f"The reply is not JSON from character {error.pos + 1} on."


def _check(data: Any) -> None:
    level: list[Any] = [data]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                deeper.extend(each.values())
            elif isinstance(each, list):
                deeper.extend(each)
            elif isinstance(each, float) and not math.isfinite(each):
                raise InvalidJSON("The reply contains a number that is too large.", _HINT)
        if not deeper:
            return
        level = deeper
    raise InvalidJSON("The reply is nested too deeply to be a record.", _HINT)


def _check_unicode(data: Any) -> None:
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidJSON("The reply contains a character that is not Unicode.", _HINT) from None
