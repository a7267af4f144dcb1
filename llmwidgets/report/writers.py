"""Files at a path the user named: CSV with formulas escaped, JSONL, Parquet and text."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from llmwidgets.errors import FieldError, read_path

if TYPE_CHECKING:
    import pandas as pd

    Frames = pd.DataFrame | Iterable[pd.DataFrame]
    """A table: whole, or as one frame after the other, of which one is in memory at a time."""


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_NEW |= getattr(os, "O_BINARY", 0)
_FORMULA = ("=", "+", "-", "@")


def write_text(path: str | os.PathLike[str], text: str | Iterable[str]) -> Path:
    """Write the text as UTF-8, whole or not at all; FieldError if it cannot be written.

    A text in parts is written while they are made.
    """
    parts = [text] if isinstance(text, str) else text

    def write(file: BinaryIO) -> None:
        for part in parts:
            # Half a pair of surrogates, which a text may contain, has no bytes.
            file.write(part.encode("utf-8", "replace"))

    return _write_whole(path, write)


def write_json(path: str | os.PathLike[str], value: Any) -> Path:
    """Write the value as JSON; an iterator, in it or in its place, is a list written as it goes."""
    return write_text(path, chain(_json_parts(value), ["\n"]))


def _json_parts(value: Any, margin: str = "\n") -> Iterator[str]:
    """What `json.dumps` with an indent of 1 writes, in parts; `margin` begins a line."""
    inner = f"{margin} "
    if isinstance(value, Iterator):
        before = "["
        for each in value:
            yield before + inner
            yield from _json_parts(each, inner)
            before = ","
        yield f"{margin}]" if before == "," else "[]"
    elif isinstance(value, dict) and any(isinstance(each, Iterator) for each in value.values()):
        before = "{"
        for name, each in value.items():
            yield f"{before}{inner}{json.dumps(name, ensure_ascii=False)}: "
            yield from _json_parts(each, inner)
            before = ","
        yield f"{margin}}}"
    else:
        # A line end inside a text is escaped: those that are left begin a line.
        yield json.dumps(value, ensure_ascii=False, indent=1).replace("\n", margin)


def _write_whole(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> Path:
    """Write a file next to the target, then put it in its place; on failure the old one stays."""
    target = read_path(path)
    _refuse_no_file(target)
    part = _part_of(target)
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


def refuse_unwritable(path: str | os.PathLike[str]) -> None:
    """FieldError if no file can be written there, known before anything is paid for."""
    target = read_path(path)
    _refuse_no_file(target)
    part = _part_of(target)
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "")
        target.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(part, _NEW, 0o666))
    except OSError as error:
        raise _not_written(target, error) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _refuse_no_file(target: Path) -> None:
    """FieldError for a pipe or a device, such as /dev/null: a new file would take its place."""
    try:
        mode = target.stat().st_mode
        # /dev/stdout leads there, also where what is behind it is a file.
        leads = target.is_symlink() and os.readlink(target).startswith("/proc/")
    except OSError:
        return  # said where it is written
    if leads or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise FieldError(
            {"path": f"{target} is a pipe or a device, and a new file would take its place."},
            "Name a file.",
        )


def _part_of(target: Path) -> Path:
    # A new file of a name that nobody can foresee: a link put there, or in place of the target,
    # is not followed.
    return target.parent / f".{target.name}.{secrets.token_hex(4)}.part"


def _not_written(target: Path, error: OSError) -> FieldError:
    hint = "Name a file in a folder that exists and may be written."
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        hint = "Free space, or name a file on another disk; what was there is unchanged."
    # The messages of pyarrow's own errors are longer than the reason.
    why = os.strerror(error.errno) if error.errno else type(error).__name__
    return FieldError({"path": f"{target} cannot be written: {why}."}, hint)


def _each_frame(table: Frames) -> Iterator[pd.DataFrame]:
    return iter((cast("pd.DataFrame", table),) if hasattr(table, "columns") else table)


def write_csv(table: Frames, path: str | os.PathLike[str]) -> Path:
    """Write the table as CSV (see `format_csv`)."""
    return write_text(path, _csv_lines(table))


_SEPARATING = re.compile('["\r\n,;\t|]')
"""What parts cells in some country's spreadsheet, next to what parts them in this file."""


def format_csv(frame: pd.DataFrame) -> str:
    """The frame as CSV; a cell that a spreadsheet would run as a formula gets a ' in front.

    A cell with a separator of any locale is in quotes, whichever of them a reader looks for.
    """
    return "".join(_csv_lines(frame))


def _csv_lines(table: Frames) -> Iterator[str]:
    for number, frame in enumerate(_each_frame(table)):
        if number == 0:
            yield _format_row(str(name) for name in frame.columns)
        columns = [frame.iloc[:, at].astype(object) for at in range(frame.shape[1])]
        yield from map(_format_row, zip(*columns, strict=True))


def _format_row(row: Iterable[Any]) -> str:
    cells = [_quote(_cell_text(safe_cell(value))) for value in row]
    return (",".join(cells) if cells != [""] else '""') + "\r\n"


def _cell_text(value: Any) -> str:
    missing = type(value).__name__ in {"NoneType", "NAType", "NaTType"} or value != value
    return "" if missing else str(value)


def _quote(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _SEPARATING.search(cell) else cell


def safe_cell(value: Any) -> Any:
    """The value as a cell: text that starts like a formula gets a ', lists become JSON."""
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, str) and _is_run(value.lstrip("'")):
        return f"'{value}"
    return value


def unmark_cell(cell: Any) -> Any:
    """The text that `safe_cell` made this cell of; anything but a text stays as it is."""
    marked = isinstance(cell, str) and cell.startswith("'") and _is_run(cell.lstrip("'"))
    return cell[1:] if marked else cell


def _is_run(text: str) -> bool:
    """Whether a spreadsheet may take it for a formula, or at the top of a file for its separator.

    Blanks, marks and unseen characters are passed, since spreadsheets cut some of them, and an
    East Asian one reads = in its full width as well. A tab or a line end begins a cell anew.
    """
    first = next((each for each in text if unicodedata.category(each)[0] not in "CMZ"), "")
    formula = unicodedata.normalize("NFKC", first) in _FORMULA
    return formula or text.startswith(("\t", "\r", "\n")) or text[:4].lower() == "sep="


def write_jsonl(rows: Iterable[Mapping[Any, Any]], path: str | os.PathLike[str]) -> Path:
    """Write one JSON object per line (see `format_jsonl`)."""
    return write_text(path, map(_json_line, rows))


def format_jsonl(rows: Iterable[Mapping[Any, Any]]) -> str:
    """One JSON object per line; what is unknown is null."""
    return "".join(map(_json_line, rows))


def _json_line(row: Mapping[Any, Any]) -> str:
    plain = {str(name): _json_value(value) for name, value in row.items()}
    return json.dumps(plain, ensure_ascii=False, default=str, allow_nan=False) + "\n"


def _json_value(value: Any) -> Any:
    """A cell as JSON: no NaN, no numpy number."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def refuse_without_package(package: str, argument: str, needs: str = "needs") -> None:
    """FieldError, about `argument`, where a package that some formats need is not installed."""
    if find_spec(package) is None:
        raise FieldError(
            {argument: f"{needs} the package {package}."},
            f"Install it with: pip install {package}. CSV and JSONL need nothing more.",
        )


_SHEET_ROWS, _CELL = 1_048_576, 32_767
"""What a sheet of Excel has room for: rows, and characters in a cell."""


def write_excel(table: Frames, path: str | os.PathLike[str]) -> Path:
    """Write the table as an Excel workbook of one sheet, in which nothing is a formula.

    FieldError where openpyxl is not installed, or the table has more rows than a sheet.
    """
    refuse_without_package("openpyxl", "path", "Excel needs")
    return _write_whole(path, lambda file: _write_sheet(_excel_rows(table), file))


def _write_sheet(rows: Iterable[list[Any]], file: BinaryIO) -> None:
    # Its own stubs are not among what this package is checked with.
    excel: Any = import_module("openpyxl")
    book = excel.Workbook(write_only=True)
    sheet = book.create_sheet("llmwidgets")
    try:
        for number, row in enumerate(rows, 1):
            if number > _SHEET_ROWS:
                raise FieldError(
                    {"path": f"the table has more than the {_SHEET_ROWS:,} rows of a sheet."},
                    "Write it as CSV or Parquet.",
                )
            sheet.append(row)
        book.save(file)
    except BaseException:
        # It has a temporary file open, and cannot even close it where the disk is full.
        with suppress(Exception):
            sheet.close()
        raise


def _excel_rows(table: Frames) -> Iterator[list[Any]]:
    for number, frame in enumerate(_each_frame(table)):
        if number == 0:
            yield [str(name) for name in frame.columns]
        columns = [frame.iloc[:, at].astype(object) for at in range(frame.shape[1])]
        yield from ([*map(_excel_cell, row)] for row in zip(*columns, strict=True))


def _excel_cell(value: Any) -> Any:
    """A number, a text safe from formulas, or None; controls that XML cannot write are left out."""
    value = _json_value(safe_cell(value))
    if value is None or isinstance(value, bool | int | float):
        return value
    shown = _cell_text(value)
    return _NO_XML.sub("", shown)[:_CELL]


_NO_XML = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\ud800-\\udfff\\ufffe\\uffff]")


def write_parquet(table: Frames, path: str | os.PathLike[str]) -> Path:
    """The table as Parquet, values as JSON text; FieldError where pyarrow is not installed.

    Each frame is a group of rows.
    """
    refuse_without_package("pyarrow", "path", "Parquet needs")
    return _write_whole(path, lambda file: _write_groups(_each_frame(table), file))


def _write_groups(frames: Iterator[pd.DataFrame], file: BinaryIO) -> None:
    # Their own names carry no types.
    arrow: Any = import_module("pyarrow")
    first = _with_json_text(next(frames))
    schema = arrow.Schema.from_pandas(first, preserve_index=False)
    for at, dtype in enumerate(first.dtypes):
        if dtype.kind == "O":  # which a later frame may have a text in, if this one has none
            schema = schema.set(at, schema.field(at).with_type(arrow.string()))
    with import_module("pyarrow.parquet").ParquetWriter(file, schema) as out:
        for frame in chain([first], map(_with_json_text, frames)):
            out.write_table(arrow.Table.from_pandas(frame, schema, preserve_index=False))


def _with_json_text(frame: pd.DataFrame) -> pd.DataFrame:
    safe = frame.copy()
    for name in safe.columns:
        if safe[name].dtype == object:
            safe[name] = [_json_text(value) for value in safe[name]]
    return safe


def _json_text(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    # As in every other file, half a pair of surrogates has no bytes.
    return text.encode("utf-8", "replace").decode()
