"""Validation: the verdict of JSON Schema in sentences that hold places and rules, never values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from llmwidgets.errors import FieldError
from llmwidgets.schemas.canonical import Canonical, Node, outside
from llmwidgets.schemas.paths import any_name, display_path, item_path, property_path

MAX_PROBLEMS = 50
"""More problems than this in one record are not listed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A place of a record that breaks a rule; `said` names the rule and never the value.

    >>> str(Problem("lines[0].total", "is no number"))
    'lines[0].total is no number'
    """

    path: str
    said: str

    def __str__(self) -> str:
        return f"{display_path(self.path)} {self.said}"


def make_validator(schema: dict[str, Any], *, formats: bool = True) -> Any:
    """The jsonschema-rs validator; FieldError where the schema is no schema.

    Formats are asserted where `formats` is on, the draft is `$schema`'s or else 2020-12, and
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


_SAID = {
    "additionalItems": "has more items than the schema lists",
    "const": "is not the one value allowed",
    "contains": "lacks an item that the schema asks for",
    "dependentRequired": "lacks a property that another one requires",
    "enum": "is none of the allowed values",
    "falseSchema": "must not be there",
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
_CALLED = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "an object",
    "string": "a text",
}


def find_problems(validator: Any, data: Any, names: frozenset[str]) -> Iterator[Problem]:
    """Each broken rule, at most MAX_PROBLEMS; `names` are the property names a schema speaks of.

    A key that the schema does not name may hold what the model read, so it is shown as `*`.
    """
    import jsonschema_rs

    try:
        for count, error in enumerate(validator.iter_errors(data)):
            if count == MAX_PROBLEMS:
                return
            yield _problem(error, names)
    except (ValueError, TypeError, OverflowError, RecursionError, jsonschema_rs.ValidationError):
        yield Problem("", "is no JSON value")


def format_path(parts: Iterable[str | int], names: frozenset[str]) -> str:
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
    path = format_path(error.instance_path, names)
    if keyword == "required":
        return Problem(property_path(path, str(error.kind.property)), _SAID["required"])
    if keyword == "type":
        return Problem(path, _type_said(error.kind))
    if keyword in {"anyOf", "oneOf"} and (only := _only_branch_but_null(error.kind)):
        inner = _problem(only, names)
        null = " or null" if inner.path == path and inner.said.startswith("must be") else ""
        return Problem(inner.path, inner.said + null)
    if keyword in _LIMITS:
        return Problem(path, _LIMITS[keyword].format(error.kind.value))
    return Problem(path, _SAID.get(keyword, f"breaks the rule {keyword}"))


def _type_said(kind: Any) -> str:
    wanted = [kind.value] if isinstance(kind.value, str) else kind.value
    return f"must be {' or '.join(_CALLED.get(str(each), str(each)) for each in wanted)}"


def _only_branch_but_null(kind: Any) -> Any:
    """The first error of a union's one branch beside null; None where there are more branches."""
    branches = [
        errors
        for errors in getattr(kind, "context", ())
        if not (len(errors) == 1 and errors[0].kind.name == "type" and _is_null(errors[0].kind))
    ]
    return branches[0][0] if len(branches) == 1 and branches[0] else None


def _is_null(kind: Any) -> bool:
    return list(kind.value) == ["null"] or kind.value == "null"


# -- Judge: whether a value satisfies one part of a schema, made when it is first asked.


class LazyValidator:
    """Tells whether a value satisfies a canonical schema; its validator is made on first use."""

    def __init__(self, schema: Canonical, node: Node) -> None:
        self._schema = schema
        self._node = node
        self._validator: Any = None

    def __call__(self, data: Any) -> bool:
        if self._validator is None:
            self._validator = make_validator(self._schema.alone(self._node))
        try:
            return bool(self._validator.is_valid(data))
        except (ValueError, TypeError, OverflowError):
            return False
