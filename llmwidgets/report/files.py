"""Exports to a path the user named: CSV that no spreadsheet runs, JSONL and Parquet."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmwidgets.errors import FieldError

if TYPE_CHECKING:
    import pandas as pd

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_NEW |= getattr(os, "O_BINARY", 0)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """The text as UTF-8 in a file that is there whole or not at all; FieldError where it cannot."""
    return _write(path, text.encode("utf-8", "replace"))


def _write(path: str | os.PathLike[str], data: bytes) -> Path:
    target = Path(path).expanduser()
    # A new file of a name that nobody can foresee: a link put there, or in place of the target,
    # is not followed.
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(part, _NEW, 0o666), "wb") as file:
                file.write(data)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise FieldError(
            {"path": f"{target} cannot be written: {error.strerror or type(error).__name__}."},
            "Name a file in a folder that exists and may be written.",
        ) from None
    return target


def write_csv(frame: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """The frame as CSV; a cell that a spreadsheet would run as a formula gets a ' in front."""
    safe = frame.map(safe_cell)
    safe.columns = [safe_cell(str(name)) for name in frame.columns]
    return write_text(path, safe.to_csv(index=False, lineterminator="\r\n"))


def safe_cell(value: Any) -> Any:
    """The value as a cell: text that starts like a formula is quoted, lists become JSON."""
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def write_jsonl(rows: Iterable[Mapping[str, Any]], path: str | os.PathLike[str]) -> Path:
    """One JSON object a line."""
    lines = (
        json.dumps(row, ensure_ascii=False, default=str, allow_nan=False) + "\n" for row in rows
    )
    return write_text(path, "".join(lines))


def write_parquet(frame: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """The frame as Parquet, values as JSON text; FieldError where pyarrow is not installed."""
    if find_spec("pyarrow") is None:
        raise FieldError(
            {"path": "Parquet needs the package pyarrow."},
            "Install it with: pip install pyarrow. CSV and JSONL need nothing more.",
        )
    safe = frame.copy()
    for name in safe.columns:
        if safe[name].dtype == object:
            safe[name] = [_json_text(value) for value in safe[name]]
    return _write(path, safe.to_parquet(index=False))


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
