"""Validation: a reply is read and judged, in sentences that name places and rules, never values."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from typing import Any, NoReturn

from llmwidgets.errors import FieldError, InvalidJSON, InvalidRecord, LLMWidgetsError
from llmwidgets.formatting import count
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


OwnFormats = dict[str, Callable[[str], bool]]
"""Formats by name, each with what tells whether a text is in it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A place of a record that breaks a rule; `rule` never holds the value.

    `takes` is what the rule would take: the allowed values, an example of the format.

    >>> str(Problem("lines[0].total", "must be a number"))
    'lines[0].total must be a number'
    """

    path: str
    rule: str
    takes: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return f"{display_path(self.path)} {self.rule}"


def make_validator(
    schema: dict[str, Any], *, formats: bool = True, own_formats: OwnFormats | None = None
) -> Any:
    """The jsonschema-rs validator; FieldError if the schema is not valid.

    Formats are asserted if `formats` is on, `own_formats` in place of the library's; the draft is
    `$schema`'s or else 2020-12, and nothing is fetched.
    """
    import jsonschema_rs

    refused: list[str] = []

    def refuse(uri: str) -> NoReturn:
        refused.append(uri)
        message = f"{uri} is outside the schema"
        raise ValueError(message)

    try:
        return jsonschema_rs.validator_for(
            schema, validate_formats=formats, formats=own_formats, retriever=refuse
        )
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
    "maxItems": "may have at most {}",
    "minItems": "must have at least {}",
    "maxLength": "may have at most {}",
    "minLength": "must have at least {}",
    "maxProperties": "may have at most {}",
    "minProperties": "must have at least {}",
    "multipleOf": "must be a multiple of {}",
    "format": "is not in the format {}",
}
_COUNTED = {
    "Items": ("item",), "Length": ("character",), "Properties": ("property", "properties"),
}  # fmt: skip
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
        for number, error in enumerate(validator.iter_errors(data)):
            if number == MAX_PROBLEMS:
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
        return replace(inner, rule=inner.rule + null)
    takes = _takes(keyword, getattr(error.kind, "value", None))
    if keyword in _LIMITS:
        limit, noun = error.kind.value, _COUNTED.get(keyword[3:])
        return Problem(path, _LIMITS[keyword].format(count(limit, *noun) if noun else limit), takes)
    return Problem(path, _RULES.get(keyword, f"breaks the rule {keyword}"), takes)


_EXAMPLES = {
    "date": "2026-11-28", "date-time": "2026-11-28T09:30:00Z", "time": "09:30:00Z",
    "duration": "PT2H30M", "email": "name@example.org", "hostname": "example.org",
    "uri": "https://example.org", "uuid": "550e8400-e29b-41d4-a716-446655440000",
    "ipv4": "192.0.2.1", "ipv6": "2001:db8::1",
}  # fmt: skip
_LISTED = 12


def _takes(keyword: str, value: Any) -> str:
    """What a rule takes, from its value in the schema, as the end of a sentence."""
    if keyword == "format":
        return f", such as {_EXAMPLES[value]}" if value in _EXAMPLES else ""
    if keyword not in {"enum", "const", "pattern"}:
        return ""
    values = value if keyword == "enum" else [value]
    names = [each if isinstance(each, str) else json.dumps(each) for each in values]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f": {', '.join(names[:_LISTED])}{more}"


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
        return None, list(_refusals(error, names, type_name))
    except LLMWidgetsError:
        # A validator that asks a model itself does not make the reply wrong.
        raise
    except BaseException as error:
        # A validator may raise anything; a Ctrl-C of the user's arrives on the main thread.
        on_main_thread = threading.current_thread() is threading.main_thread()
        if isinstance(error, KeyboardInterrupt) and on_main_thread:
            raise
        return None, [Problem("", f"is refused by {type_name}: its own check failed")]


def _refusals(error: Any, names: frozenset[str], type_name: str) -> Iterator[Problem]:
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        # The names of union branches and validators are not part of the place.
        steps = [step for step in each["loc"] if isinstance(step, int) or step in names]
        rule = f"is refused by {type_name}: {each['type'].replace('_', ' ')}"
        yield Problem(_format_path(steps, names), rule)


def refused_paths(data: Any, adapter: Any, names: frozenset[str]) -> set[str]:
    """The places that the type refuses, whole records or not."""
    return {each.path for each in _build(adapter, data, names, "")[1]}


@dataclass
class LazyValidator:
    """Tells whether a value satisfies a canonical schema; its validator is made on first use."""

    schema: Canonical
    node: Node

    @cached_property
    def _validator(self) -> Any:
        return make_validator(self.schema.alone(self.node), formats=self.schema.formats)

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


def make_partial_validator(schema: Canonical, *, zones: bool = True) -> Any:
    """The validator of truth; without `zones` it takes a date and time that names no zone."""
    whole = without_presence(schema.alone(schema.root))
    own: OwnFormats = {name: partial(_fits_format, name) for name in _ZONELESS}
    return make_validator(whole, formats=schema.formats, own_formats=None if zones else own)


_ZONELESS = {"date-time": ("", "Z", ":00Z", "T00:00:00Z"), "time": ("", "Z", ":00Z")}
"""What makes a text one of the format if it names no zone, no seconds, no time of day."""


def _fits_format(name: str, text: str) -> bool:
    strict, whole = _of_format(name), text.replace(" ", "T", 1)
    return any(strict.is_valid(whole + end) for end in _ZONELESS[name])


@cache
def _of_format(name: str) -> Any:
    return make_validator({"format": name})


# -- Replies: the one reading of a model's answer, strict, with nothing repaired.

_BEYOND_FLOATS = re.compile(r"[0-9]{309}")
_MAY_BE_INFINITE = re.compile(r"[0-9](?:[eE]|[0-9]{308})")
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
        data = _STRICT.decode(bare)
    except _NotStrictError as error:
        raise InvalidJSON(f"The reply is not strict JSON: {error}.", _HINT) from None
    except RecursionError:
        raise InvalidJSON("The reply is nested too deeply to be a record.", _HINT) from None
    except json.JSONDecodeError as error:
        raise InvalidJSON(_where(bare, error), _HINT) from None
    except ValueError:
        raise InvalidJSON("The reply contains a number with too many digits.", _HINT) from None
    # Few replies have what makes a number too large, or brackets enough to be too deep.
    if bare.count("[") + bare.count("{") >= MAX_DEPTH or _MAY_BE_INFINITE.search(bare):
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


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


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
