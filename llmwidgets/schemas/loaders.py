"""Sources: every way to write a schema, read into JSON Schema and a name."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import Any

from llmwidgets.errors import FieldError
from llmwidgets.schemas.field_rows import schema_of_rows
from llmwidgets.schemas.typed_dicts import readable_by_pydantic

_HINT = (
    "Give a pydantic class, a TypedDict, a dataclass, list[…], a JSON Schema (dict, text or a "
    'Path to .json), or field rows such as [{"name": "total", "type": "number"}].'
)


@dataclass(frozen=True, slots=True)
class Source:
    """A schema as read: its JSON Schema, its name and, for Python types, the adapter."""

    json: dict[str, Any]
    name: str
    adapter: Any = None


def read_source(source: Any) -> Source:
    """Read any source; FieldError says what it is instead and what to give."""
    if isinstance(source, Path):
        return _from_file(source)
    if isinstance(source, str):
        return _from_text(source)
    if isinstance(source, Mapping):
        return _from_json(dict(source))
    if isinstance(source, Sequence) and not isinstance(source, bytes | bytearray):
        return _from_json(schema_of_rows(source))
    plain = bool | int | float | bytes | FunctionType | BuiltinFunctionType
    if source is None or source is Any or isinstance(source, plain):
        raise FieldError(f"{_kind(source)} is no schema.", _HINT)
    return _from_type(source)


def _kind(source: Any) -> str:
    if source is None or source is Any:
        return "None" if source is None else "Any"
    return f"A value of type {type(source).__name__}"


def _from_file(path: Path) -> Source:
    hint = "Give the path of a .json file with a JSON Schema in it."
    if not path.is_file():
        raise FieldError(f"There is no schema file {path}.", hint)
    try:
        text = path.read_text("utf-8-sig")
    except (UnicodeDecodeError, OSError):
        text = None
    if text is None:
        raise FieldError(f"The schema file {path} cannot be read as UTF-8 text.", hint)
    return _from_text(text, named=f"The schema file {path}")


def _from_text(text: str, named: str = "The schema text") -> Source:
    try:
        data = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        data = None
    if data is None:
        if named == "The schema text" and re.fullmatch(r"[^{}\n]+\.json", text.strip()):
            raise FieldError("A text is read as JSON, and this is a path.", "Wrap it: Path(…).")
        raise FieldError(f"{named} is not valid JSON.", "Check commas, quotes and brackets.")
    if isinstance(data, list):
        return _from_json(schema_of_rows(data))
    if not isinstance(data, dict):
        raise FieldError(f"{named} is JSON, but no JSON Schema: it must be an object.", _HINT)
    return _from_json(data)


def _from_json(schema: dict[str, Any]) -> Source:
    copy = _plain_copy(schema)
    title = copy.get("title")
    name = title.strip() if isinstance(title, str) else ""
    return Source(copy, name or "Record")


def _plain_copy(schema: dict[str, Any]) -> dict[str, Any]:
    """A copy through JSON, so that nothing outside can change a schema once it is read."""
    try:
        copy: dict[str, Any] = json.loads(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        copy = {}
    if not copy:
        if schema:
            raise FieldError("The schema holds values that JSON cannot hold.", _HINT)
        raise FieldError("The schema is empty: it names no field.", _HINT)
    return copy


def _from_type(source: Any) -> Source:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

    try:
        adapter = TypeAdapter[Any](readable_by_pydantic(source))
        schema = adapter.json_schema(mode="validation")
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError, NameError) as error:
        reason = f"{_name(source)} cannot be turned into a JSON Schema ({type(error).__name__})."
    else:
        return Source(_plain_copy(schema), _name(source), adapter)
    raise FieldError(reason, _HINT)


def _name(source: Any) -> str:
    if isinstance(source, type) and not typing.get_args(source):
        return source.__name__
    own = [
        each for each in typing.get_args(source) if getattr(each, "__module__", "") != "builtins"
    ]
    named = [_name(each) for each in own if isinstance(each, type)]
    return named[0] if named else "Record"
