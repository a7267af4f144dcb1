"""Vendors' own request types, made strict: unknown keys refused, lazy parts run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import typing_extensions
from pydantic import ConfigDict, TypeAdapter

from llmwidgets.dialects.types import HTTPResponse

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> list[dict[str, Any]]:
    """The rows of a file of recorded bodies."""
    rows: list[dict[str, Any]] = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))
    return rows


def payload_of(row: dict[str, Any]) -> HTTPResponse:
    """The payload that a recorded row stands for."""
    text = row["text"] if "text" in row else json.dumps(row["body"], ensure_ascii=False)
    return HTTPResponse(row.get("status", 200), row.get("headers", {}), text.encode(), 0.1)


def judge_of(typed_dict: Any) -> Callable[[Any], None]:
    """Raises ValidationError for a body that the TypedDict does not allow."""
    _close(typed_dict, set())
    adapter = TypeAdapter(typed_dict)
    return lambda body: _run_lazy_parts(adapter.validate_python(body))


def _close(annotation: Any, seen: set[Any]) -> None:
    if annotation in seen if isinstance(annotation, type) else False:
        return
    if typing_extensions.is_typeddict(annotation):
        seen.add(annotation)
        annotation.__pydantic_config__ = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
        for inner in typing_extensions.get_type_hints(annotation, include_extras=True).values():
            _close(inner, seen)
    for inner in get_args(annotation):
        _close(inner, seen)


def _run_lazy_parts(value: Any) -> None:
    if isinstance(value, Mapping):
        for inner in value.values():
            _run_lazy_parts(inner)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for inner in value:
            _run_lazy_parts(inner)
