"""Files at a path the user named: CSV with formulas escaped, JSONL, Parquet and text."""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from llmwidgets.errors import FieldError, read_path

if TYPE_CHECKING:
    import pandas as pd


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_NEW |= getattr(os, "O_BINARY", 0)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write the text as UTF-8, whole or not at all; FieldError if it cannot be written."""
    # Half a pair of surrogates, which a text may contain, has no bytes.
    data = text.encode("utf-8", "replace")
    return _write_whole(path, lambda file: file.write(data))


def _write_whole(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> Path:
    """Write a file next to the target, then put it in its place; on failure the old one stays."""
    target = read_path(path)
    # A new file of a name that nobody can foresee: a link put there, or in place of the target,
    # is not followed.
    part = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(part, _NEW, 0o666), "wb") as file:
            write(file)
        os.replace(part, target)
    except OSError as error:
        raise _not_written(target, error) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return target


def _not_written(target: Path, error: OSError) -> FieldError:
    hint = "Name a file in a folder that exists and may be written."
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        hint = "Free space, or name a file on another disk; what was there is unchanged."
    # The messages of pyarrow's own errors are longer than the reason.
    why = os.strerror(error.errno) if error.errno else type(error).__name__
    return FieldError({"path": f"{target} cannot be written: {why}."}, hint)


def write_csv(frame: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write the frame as CSV (see `format_csv`)."""
    return write_text(path, format_csv(frame))


def format_csv(frame: pd.DataFrame) -> str:
    """The frame as CSV; a cell that a spreadsheet would run as a formula gets a ' in front."""
    safe = frame.map(safe_cell)
    safe.columns = [safe_cell(str(name)) for name in frame.columns]
    return safe.to_csv(index=False, lineterminator="\r\n")


def safe_cell(value: Any) -> Any:
    """The value as a cell: text that starts like a formula is quoted, lists become JSON."""
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def write_jsonl(rows: Iterable[Mapping[Any, Any]], path: str | os.PathLike[str]) -> Path:
    """Write one JSON object per line (see `format_jsonl`)."""
    return write_text(path, format_jsonl(rows))


def format_jsonl(rows: Iterable[Mapping[Any, Any]]) -> str:
    """One JSON object per line; what is unknown is null."""
    plain = ({str(name): _json_value(value) for name, value in row.items()} for row in rows)
    return "".join(
        json.dumps(row, ensure_ascii=False, default=str, allow_nan=False) + "\n" for row in plain
    )


def _json_value(value: Any) -> Any:
    """A cell as JSON: no NaN, no numpy number."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
    return _write_whole(path, lambda file: safe.to_parquet(file, index=False))


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
