"""Loaders: every way to write a schema, read into JSON Schema and a name."""

from __future__ import annotations

import ast
import json
import re
import sys
import typing
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import Any

from llmwidgets.errors import FieldError, read_file, read_json
from llmwidgets.formatting import join_listed
from llmwidgets.schemas.canonical import KEYWORDS, REMARKS, listed_types

_HINT = (
    "Give a pydantic class, a TypedDict, a dataclass, list[…], a JSON Schema (dict, text or a "
    'Path to .json), or field rows such as [{"name": "total", "type": "number"}].'
)


@dataclass(frozen=True, slots=True)
class LoadedSchema:
    """A schema as read: its JSON Schema, its name and, for Python types, the adapter and the type.

    `judged` is the JSON Schema without the formats that the type itself reads.
    """

    json: dict[str, Any]
    name: str
    adapter: Any = None
    judged: dict[str, Any] | None = None
    type: Any = None


UNNAMED = "Record"
"""The name of a schema that has none."""
_TEXT = "The schema text"


def load_schema(source: Any) -> LoadedSchema:
    """Read a schema from any source; FieldError names what it is instead and what to give."""
    if isinstance(source, Path):
        return _from_file(source)
    if isinstance(source, str):
        return _from_text(source)
    if isinstance(source, Mapping):
        return from_json(_with_keywords(dict(source)))
    if isinstance(source, Sequence) and not isinstance(source, bytes | bytearray):
        return from_json(schema_from_rows(source))
    plain = bool | int | float | bytes | FunctionType | BuiltinFunctionType
    if source is None or source is Any or isinstance(source, plain):
        kind = "Any" if source is Any else f"A value of type {type(source).__name__}"
        raise FieldError(f"{'None' if source is None else kind} is not a schema.", _HINT)
    return _from_type(source)


def _from_file(path: Path) -> LoadedSchema:
    hint = "Give the path of a .json file with a JSON Schema in it."
    if path.suffix == ".py" and path.is_file():
        raise _python_file(path)
    if not path.exists() or path.is_dir():
        raise FieldError(f"There is no schema file {path}.", hint)
    try:
        text = read_file(path).decode("utf-8-sig")
    except (UnicodeDecodeError, OSError):
        message = f"The schema file {path} cannot be read as UTF-8 text."
        raise FieldError(message, hint) from None
    return _from_text(text, named=f"The schema file {path}")


def _python_file(path: Path) -> FieldError:
    """What to give in place of a file of Python: one of its classes, by name; it is not run."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError, OSError, RecursionError):
        body = []
    names = [each.name for each in body if isinstance(each, ast.ClassDef)]
    if not names:
        return FieldError(f"{path} is a Python file without a class.", _HINT)
    return FieldError(
        f"{path} is a Python file; its {'class is' if len(names) == 1 else 'classes are'} "
        f"{join_listed(names)}.",
        f"Name one: {path}:{names[0]} in the shell, the class itself in Python.",
    )


def _from_text(text: str, named: str = _TEXT) -> LoadedSchema:
    if named == _TEXT and re.fullmatch(r"[^{}\n]+\.json", text.strip()):
        path = Path(text.strip()).expanduser()
        if path.is_file():
            return _from_file(path)
        raise FieldError(
            "A text is read as JSON, and this is a path where no file is.", "Check the path."
        )
    data = read_json(text, named, "Check commas, quotes and brackets.")
    if isinstance(data, list):
        return from_json(schema_from_rows(data))
    if not isinstance(data, dict):
        raise FieldError(f"{named} is JSON, but not a JSON Schema: it must be an object.", _HINT)
    return from_json(_with_keywords(data))


def _with_keywords(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema; FieldError for a dict that is not one, by which any reply would be valid.

    Words that JSON Schema does not know are common further inside, where other tools read them.
    """
    record: Any = schema
    while isinstance(record, dict) and isinstance(record.get("items"), dict):
        record = record["items"]
    unknown = [key for key in map(str, record) if key not in KEYWORDS and key[:2] != "x-"]
    known = record.keys() & KEYWORDS
    is_nothing = known <= REMARKS if record is schema else not known and unknown
    if record and (is_nothing or (unknown and _is_one_row_or_bare(record, known))):
        raise _without_keyword(record, unknown)
    return schema


def _is_one_row_or_bare(node: dict[str, Any], known: Set[str]) -> bool:
    """Whether this is a field row, or says of an object or a list only that it is one."""
    types = listed_types(node)
    is_bare = not types or not {"object", "array"}.isdisjoint(types)
    return ("name" in node and node.keys() <= {*_KEYS}) or (
        is_bare and known <= {"type", "required"}
    )


def _without_keyword(node: dict[str, Any], unknown: list[str]) -> FieldError:
    """What the dict is instead of a schema: one row, rows under a name, fields with their types."""
    if "name" in unknown and node.keys() <= {*_KEYS}:
        return FieldError("This is one field row, not a schema.", f"Put it in a list. {_ROWS_HINT}")
    if not unknown:
        return FieldError("The schema has only remarks: it names no field.", _HINT)
    listed = next((key for key in unknown if isinstance(node.get(key), list)), None)
    rows = (
        f"the list under {listed} itself"
        if listed
        else (f'field rows such as [{{"name": "{unknown[0]}", "type": "text"}}]')
    )
    is_not = "is not a keyword" if len(unknown) == 1 else "are not keywords"
    return FieldError(
        f"{', '.join(unknown[:5])} {is_not} of JSON Schema, so any value would fit the schema.",
        f"Give {rows}, or a JSON Schema with the fields under properties.",
    )


def from_json(schema: dict[str, Any], name: str = "", adapter: Any = None) -> LoadedSchema:
    """The schema, copied through JSON, so that nothing outside can change it once it is read."""
    try:
        copy: dict[str, Any] = json.loads(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        copy = {}
    if not copy:
        if schema:
            raise FieldError("The schema contains values that JSON cannot represent.", _HINT)
        raise FieldError("The schema is empty: it names no field.", _HINT)
    title = copy.get("title")
    name = name or (title.strip() if isinstance(title, str) else "")
    return LoadedSchema(copy, name or UNNAMED, adapter)


def adapter_of(source: Any) -> Any:
    """What reads values as a Python type."""
    from pydantic import TypeAdapter

    return TypeAdapter[Any](readable_by_pydantic(source))


def _from_type(source: Any) -> LoadedSchema:
    from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

    try:
        adapter = adapter_of(source)
        schema, judge = _generate(adapter)
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError, NameError) as error:
        reason = f"{_name(source)} cannot be turned into a JSON Schema ({type(error).__name__})."
    else:
        return replace(from_json(schema, _name(source), adapter), judged=judge, type=source)
    raise FieldError(reason, _HINT)


_MOST_KEPT = 64
_generated: dict[tuple[str, ...], str] = {}
"""The JSON Schemas of types by what they are made of; no type is kept alive by it."""


def _generate(adapter: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON Schema that is sent, and the one by which replies are judged.

    Generating takes a hundred times as long as the rest of reading a class, and a loop of calls
    reads the same one each time.
    """
    known = _fingerprint(adapter.core_schema)
    made = _generated.get(known) if known else None
    if made is None:
        made = json.dumps(
            [
                adapter.json_schema(mode="validation", schema_generator=each)
                for each in _schema_generators()
            ]
        )
        if known:
            if len(_generated) >= _MOST_KEPT:
                _generated.clear()
            _generated[known] = made
    schema, judged = json.loads(made)
    return schema, judged


def _fingerprint(core_schema: Any) -> tuple[str, ...]:
    """All that the JSON Schema of a type is made of; empty where code of the user's makes it.

    A class that was changed and built again has another one, and so has one of the same name.
    """
    parts = [repr(core_schema)]
    waiting = [core_schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list | tuple):
            waiting.extend(node)
        if not isinstance(node, dict):
            continue
        makers = (*node.get("pydantic_js_functions", ()), node.get("pydantic_js_extra"))
        cls = node.get("cls")
        config = getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None)
        makers += ((config or {}).get("json_schema_extra"),)
        if any(callable(each) and not _is_pydantics(each) for each in makers):
            return ()
        parts += [f"{cls.__doc__}", f"{config}"] if cls is not None else []
        waiting.extend(node.values())
    return tuple(parts)


def _is_pydantics(function: Any) -> bool:
    return getattr(function, "__module__", "").partition(".")[0] == "pydantic"


_READERS = frozenset({
    "date", "datetime", "time", "timedelta", "uuid", "url", "multi-host-url", "bytes",
    "json-or-python", "lax-or-strict", "function-after", "function-before", "function-plain",
    "function-wrap",
})  # fmt: skip
"""The kinds of type that read a text by rules of their own: a `datetime` needs no zone."""


@cache
def _schema_generators() -> tuple[Any, Any]:
    """What makes the JSON Schema that is sent, and the one by which replies are judged.

    The first says `date-time` of no NaiveDatetime, since a server that holds to it writes a zone,
    and the second has no format that a type itself reads.
    """
    from pydantic.json_schema import GenerateJsonSchema

    class Sent(GenerateJsonSchema):
        def datetime_schema(self, schema: Any) -> dict[str, Any]:
            if schema.get("tz_constraint") != "naive":
                return super().datetime_schema(schema)
            written = "Date and time without a zone, such as 2026-11-28T09:30:00"
            return {"type": "string", "description": written}

    class Judged(Sent):
        def generate_inner(self, schema: Any) -> dict[str, Any]:
            node = super().generate_inner(schema)
            if schema["type"] not in _READERS:
                return node
            return {key: value for key, value in node.items() if key != "format"}

    return Sent, Judged


def _name(source: Any) -> str:
    if isinstance(source, type) and not typing.get_args(source):
        return source.__name__
    named = (each for each in typing.get_args(source) if isinstance(each, type))
    return next((_name(each) for each in named if each.__module__ != "builtins"), UNNAMED)


# -- TypedDicts in a form that pydantic reads on every Python.


def readable_by_pydantic(source: Any, known: dict[Any, Any] | None = None) -> Any:
    """The type itself, with any `typing.TypedDict` that pydantic does not take rebuilt.

    Before Python 3.12 the standard TypedDict lacks what pydantic needs.
    """
    if sys.version_info >= (3, 12):
        return source
    import typing_extensions as te

    known = {} if known is None else known
    if typing.is_typeddict(source):
        if source not in known:
            known[source] = source
            fields: dict[str, Any] = {}
            for name, hint in typing.get_type_hints(source, include_extras=True).items():
                if typing.get_origin(hint) in {typing.Required, typing.NotRequired}:
                    (hint,) = typing.get_args(hint)
                presence: Any = te.NotRequired
                if name in source.__required_keys__:
                    presence = te.Required
                fields[name] = presence[readable_by_pydantic(hint, known)]
            typed_dict: Any = te.TypedDict
            known[source] = typed_dict(source.__name__, fields)
        return known[source]
    parts = typing.get_args(source)
    if parts and typing.get_origin(source) in {list, tuple, dict}:
        rebuilt = tuple(readable_by_pydantic(each, known) for each in parts)
        return typing.get_origin(source)[rebuilt]
    return source


# -- Field rows: a schema as a table, one row per field, as the schema editor writes it.

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
"""What a row's `type` may be, and the JSON Schema it means."""

_KEYS = ("name", "type", "description", "required", "list", "values")
_ROWS_HINT = 'A row looks like {"name": "total", "type": "number", "description": "…"}.'


def schema_from_rows(rows: Sequence[Any]) -> dict[str, Any]:
    """The JSON Schema of field rows; FieldError with a sentence for each row that is not right.

    Keys of a row: name; type (text by default); description; required (no by default: then null
    is allowed); list; values (the only ones allowed). A dot in a name makes a nested object:
    `policy.number`, `lines[].total`.
    """
    if not rows:
        raise FieldError("The schema has no field rows.", _ROWS_HINT)
    problems: dict[str, str] = {}
    schema: dict[str, Any] = _object()
    for number, row in enumerate(rows, 1):
        problem = _misfit(row)
        if not problem and not _put(schema, row):
            problem = "appears twice, or is also the beginning of another field's name."
        if problem:
            name = row.get("name") if isinstance(row, Mapping) else None
            where = f"row {number} ({name})" if isinstance(name, str) else f"row {number}"
            problems[where] = problem
    if problems:
        raise FieldError(problems, _ROWS_HINT)
    return schema


def _object() -> dict[str, Any]:
    return {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def _misfit(row: Any) -> str:
    if not isinstance(row, Mapping):
        return "is not a mapping of name, type and so on."
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
        return "has values that are not a list."
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
    here["properties"][name] = _row_field(row, is_list=last.endswith("[]") or bool(row.get("list")))
    if row.get("required"):
        here["required"].append(name)
    return True


def _row_field(row: Mapping[str, Any], *, is_list: bool) -> dict[str, Any]:
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
