"""Field rows: a schema as a table, a row a field, as the schema editor writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmwidgets.errors import FieldError

TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "string": {"type": "string"},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "time": {"type": "string", "format": "time"},
    "email": {"type": "string", "format": "email"},
    "url": {"type": "string", "format": "uri"},
}
"""What a row's `type` may say, and the JSON Schema it means."""

_KEYS = ("name", "type", "description", "required", "list", "values")
_HINT = 'A row looks like {"name": "total", "type": "number", "description": "…"}.'


def schema_of_rows(rows: Sequence[Any]) -> dict[str, Any]:
    """The JSON Schema of field rows; FieldError with a sentence for each row that is not right.

    Keys of a row: name; type (text by default); description; required (no by default: then null
    is allowed); list; values (the only ones allowed). A dot in a name makes a nested object:
    `policy.number`, `lines[].total`.
    """
    if not rows:
        raise FieldError("The schema has no field rows.", _HINT)
    problems: dict[str, str] = {}
    schema: dict[str, Any] = _object()
    for number, row in enumerate(rows, 1):
        said = _misfit(row)
        if not said and not _put(schema, row):
            said = "stands twice, or is also the beginning of another field's name."
        if said:
            name = row.get("name") if isinstance(row, Mapping) else None
            problems[f"row {number} ({name})" if isinstance(name, str) else f"row {number}"] = said
    if problems:
        raise FieldError(problems, _HINT)
    return schema


def _object() -> dict[str, Any]:
    return {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def _misfit(row: Any) -> str:
    if not isinstance(row, Mapping):
        return "is no mapping of name, type and so on."
    unknown = [str(key) for key in row if key not in _KEYS]
    if unknown:
        return f"has {', '.join(unknown)}; a row knows {', '.join(_KEYS)}."
    name = row.get("name")
    if not isinstance(name, str) or not all(part.strip("[] ") for part in name.split(".")):
        return "has no name."
    if row.get("type", "text") not in TYPES:
        return f"has an unknown type; the types are {', '.join(TYPES)}."
    values = row.get("values") or []
    if isinstance(values, str) or not isinstance(values, Sequence):
        return "has values that are no list."
    if not all(isinstance(each, str | int | float) for each in values):
        return "has values that are neither texts nor numbers."
    return ""


def _put(schema: dict[str, Any], row: Mapping[str, Any]) -> bool:
    *outer, last = str(row["name"]).strip().split(".")
    here = schema
    for part in outer:
        name = part.removesuffix("[]").strip()
        fresh: dict[str, Any] = _object()
        if part.endswith("[]"):
            fresh = {"type": "array", "items": fresh}
        inner = here["properties"].setdefault(name, fresh)
        if name not in here["required"]:
            here["required"].append(name)
        inner = inner.get("items", inner)
        if "properties" not in inner:
            return False
        here = inner
    name = last.removesuffix("[]").strip()
    if name in here["properties"]:
        return False
    here["properties"][name] = _field(row, is_list=last.endswith("[]") or bool(row.get("list")))
    if row.get("required"):
        here["required"].append(name)
    return True


def _field(row: Mapping[str, Any], *, is_list: bool) -> dict[str, Any]:
    field: dict[str, Any] = dict(TYPES[row.get("type", "text")])
    if row.get("values"):
        field = {"enum": list(row["values"])}
    if is_list:
        field = {"type": "array", "items": field}
    elif not row.get("required"):
        field = {"anyOf": [field, {"type": "null"}]}
    if row.get("description"):
        field["description"] = str(row["description"])
    return field
