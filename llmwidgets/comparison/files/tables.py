"""Tables: the rows of CSV, JSON, Excel and Parquet, and which of their names are text, id, truth.

A row that may have been read wrongly (a cell too many, an open quote) is refused with its line: a
text that is cut in silence would be judged as if it were whole.
"""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from llmwidgets.comparison.values import find_repeated, is_nothing
from llmwidgets.errors import FieldError, read_json
from llmwidgets.formatting import count, file_size, join_listed, join_truncated
from llmwidgets.report.writers import unmark_cell

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("text", "id", "truth", "schema")
"""What a row of texts may have, besides a group."""

LARGEST = 1_000_000_000
"""Bytes that a packed file may unpack to; a larger one can be unpacked by its owner."""


class Row(dict[str, Any]):
    """One row of texts out of a file; `note` says what its reader assumed.

    `path` is the file of which it is the whole text.
    """

    note = ""
    path: PurePath | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file, each with its place for messages; `note` says what was assumed.

    `code` is how pandas reads the same, `noun` what the names of its values are.
    """

    name: str
    rows: Iterable[tuple[Any, str]]
    code: str
    noun: str = "column"
    note: str = ""

    def frame(self) -> pd.DataFrame:
        """The rows as a DataFrame whose cells are what they are in the file."""
        import pandas as pd

        return pd.DataFrame([row for row, _ in self.rows], dtype=object)


# -- Names: which column or key is the text, the id, the truth, the schema.


def match_names(names: Iterable[Any]) -> tuple[dict[Any, str], str]:
    """The names that are one of KEYS but for case and blanks, and what is unclear about them.

    A name that is spelled exactly so comes first.

    >>> match_names(["ID", " Text ", "total"])
    ({' Text ': 'text', 'ID': 'id'}, '')
    """
    plain = {name: name.strip(" \t\r\n\xa0\u200b\ufeff").casefold() for name in names
             if isinstance(name, str)}  # fmt: skip
    found: dict[Any, str] = {}
    for key in KEYS:
        alike = [key] if key in plain else [name for name in plain if plain[name] == key]
        if len(alike) > 1:
            return found, f"has {join_listed(alike)}: which of them is {key}?"
        found |= dict.fromkeys(alike, key)
    return found, ""


def missing_text(rows: Sequence[Mapping[Any, Any]], noun: str = "column") -> tuple[str, str]:
    """That rows have no text, in words with the names they have, and the name that may be meant.

    The name is written as Python does; it is that of the longest strings, or empty.
    """
    known, _ = match_names(name for row in rows[:20] for name in row)
    lengths: Counter[Any] = Counter()
    for row in rows[:20]:
        lengths.update(
            {
                name: len(cell) if isinstance(cell, str) else 0
                for name, cell in row.items()
                if name != ""
            }
        )
    names = f"; it has {join_truncated(lengths, 12)}" if lengths else ""
    lengths = Counter({name: n for name, n in lengths.items() if n and name not in known})
    likely = lengths.most_common(1)
    code = _as_python(likely[0][0]) if likely else ""
    return f"has no {noun} text{names}.", code if len(code) <= _LONGEST_NAME else ""


_LONGEST_NAME = 100
"""A longer name is a text: that of a table without a header."""


def _as_python(name: Any) -> str:
    return json.dumps(name, ensure_ascii=False) if isinstance(name, str) else str(name)


# -- Text with separators: CSV of any country, TSV.

_SEPARATORS = ",;\t|"
_NAMED_SEPARATOR = re.compile(r'"?sep=([^\w"\r\n])"?[,;\t| ]*(?:\r\n?|\n|$)', re.IGNORECASE)
"""The first line by which Excel reads a table; what saved it again may have added empty cells."""


def read_delimited(text: str, name: str, usual: str = ",") -> Table:
    """The rows of a table whose cells are separated by commas, semicolons, tabs or bars.

    The separator is that of the header, outside quotes, or what a first line `sep=;` names. A
    row with more cells than the header has is refused, and so is one with fewer: either is most
    often a text with a separator or a line end in it and no quotes around.
    """
    csv.field_size_limit(2**31 - 1)  # the most that every platform takes
    skipped = 0
    if named := _NAMED_SEPARATOR.match(text):
        text, skipped, separator = text[named.end() :], 1, named[1]
    else:
        separator = _separator_of(_header_of(text), usual)
    header = _header_of(text).split(separator)
    blank = len(header) > 1 and all(cell[:1] == " " for cell in header[1:])
    lines = _read_cells(text, name, separator, blank, skipped)
    rows = list(_tabulate(lines, name, "line"))
    apart = "" if separator == "," else f", sep={separator!r}"
    begin = f", skiprows={skipped}" if skipped else ""
    return Table(name, rows, f"pd.read_csv({name!r}{apart}{begin})")


read_tabbed = partial(read_delimited, usual="\t")
"""The same for files whose names say that tabs separate."""


def _header_of(text: str) -> str:
    """The first line with something in it; line ends inside quotes belong to it."""
    quoted, begin = False, len(text) - len(text.lstrip("\r\n"))
    for at, each in enumerate(islice(text, begin, None), begin):
        if each == '"':
            quoted = not quoted
        elif each in "\r\n" and not quoted:
            return text[begin:at]
    return text[begin:]


def _separator_of(header: str, usual: str) -> str:
    """The separator by which the header has a known name, else the one that it has most of."""
    bare = "".join(header.split('"')[::2])

    def fits(separator: str) -> tuple[bool, int, bool]:
        cells = [cell.strip().strip('"') for cell in header.split(separator)]
        times = bare.count(separator)
        return bool(times) and bool(match_names(cells)[0]), times, separator == usual

    return max(_SEPARATORS, key=fits)


def _read_cells(
    text: str, name: str, separator: str, blank: bool, skipped: int
) -> Iterator[tuple[int, list[str]]]:
    """Each row's cells with the line it begins in; FieldError for quotes that do not close."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=blank, strict=True
    )
    while True:
        line = reader.line_num + skipped + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise _at_line(
                name, line, "has a quote that is not closed, or text behind one that is"
            ) from None
        yield line, list(map(unmark_cell, cells))


def _at_line(name: str, number: int, problem: str, unit: str = "line") -> FieldError:
    return FieldError(f"{name}, {unit} {number} {problem}.", "Correct the file.")


def _tabulate(
    lines: Iterator[tuple[int, Sequence[Any]]], name: str, unit: str
) -> Iterator[tuple[dict[str, Any], str]]:
    """The rows below the header as dicts; a column without a name is left out."""
    filled = ((at, cells) for at, cells in lines if cells and (unit == "line" or any(cells)))
    number, header = next(filled, (1, ()))
    names = ["" if is_nothing(cell) else str(cell).strip() for cell in header]
    if not any(names):
        raise _at_line(name, number, "is empty, and should name the columns", unit)
    if twice := find_repeated(filter(None, names)):
        raise _at_line(name, number, f"has the column {join_listed(twice)} twice", unit)
    for number, cells in lines:
        if all(map(is_nothing, cells)):
            continue
        width = len(cells)
        while width > len(names) and is_nothing(cells[width - 1]):
            width -= 1
        if width > len(names) or any(names[width:]):
            raise FieldError(
                f"{name}, {unit} {number} has {count(width, 'cell')}, and the header {len(names)}.",
                "Put quotes around a text with a separator or a line end in it, and write the "
                "separators of empty cells too.",
            )
        yield (
            {each: cell for each, cell in zip(names, cells, strict=False) if each},
            f"{name}, {unit} {number}",
        )


# -- JSON: a list of rows, or one row per line.


def read_list(text: str, name: str) -> Table:
    """The entries of a JSON list; an object alone is one row."""
    whole = read_json(text, name)
    rows = whole if isinstance(whole, list) else [whole]
    listed = [(row, f"{name}, entry {number}") for number, row in enumerate(rows, 1)]
    return Table(name, listed, f"pd.read_json({name!r})", "key")


def read_lines(text: str, name: str) -> Table:
    """One JSON value per line; blank lines are left out."""
    # Not `splitlines`: JSON may contain other line ends inside of a string.
    lines = ((at, line) for at, line in enumerate(text.split("\n"), 1) if line.strip())
    rows = [(read_json(line, name, line=at), f"{name}, line {at}") for at, line in lines]
    return Table(name, rows, f"pd.read_json({name!r}, lines=True)", "key")


# -- Files of pandas: its own engines read them, each an extra.

_PACKAGES = {"openpyxl": ("excel", "an Excel workbook"), "pyarrow": ("parquet", "a Parquet file")}
_ROWS = 10_000
_ENCRYPTED = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""How the container begins in which Office puts a workbook that it encrypts."""


def read_excel(data: bytes, name: str) -> Table:
    """The rows of the first sheet, by the values that were last computed."""
    if data.startswith(_ENCRYPTED):
        raise FieldError(
            f"{name} is locked with a password, or is an old workbook by a new name.",
            "Open it in Excel or LibreOffice and save it as .xlsx without a password.",
        )
    _refuse_bomb(data, name)

    def read(**how: bool) -> tuple[list[str], list[Sequence[Any]]]:
        # As pandas does: what a sheet says of its own size is often wrong.
        book = import_module("openpyxl").load_workbook(io.BytesIO(data), read_only=True, **how)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        return [each.title for each in book.worksheets], list(sheet.iter_rows())

    titles, sheet = _by_package("openpyxl", name, lambda: read(data_only=True))
    width = max(map(len, sheet), default=0)
    cells = [
        [_from_excel(cell, name) for cell in row] + [None] * (width - len(row)) for row in sheet
    ]
    rows = list(_tabulate(iter(enumerate(cells, 1)), name, "row"))
    if any(is_nothing(cell) for row, _ in rows for cell in row.values()):
        _, written = _by_package("openpyxl", name, read)
        for cell, value in zip(chain(*written), chain(*sheet), strict=False):
            if cell.data_type == "f" and value.value is None:
                raise _without_value(name, cell.coordinate, "a formula that was never computed")
    note = f"{name} has {len(titles)} sheets; only the first, {titles[0]}, was read."
    code = f"pd.read_excel({name!r})"
    return Table(name, rows, code, note=note if len(titles) > 1 else "")


def _without_value(name: str, cell: str, what: str) -> FieldError:
    return FieldError(
        f"{name}, cell {cell} has {what}.", "Correct it in Excel or LibreOffice and save the file."
    )


def _from_excel(cell: Any, name: str) -> Any:
    """Excel has no days and no whole numbers: midnight is a day, and 7.0 is 7."""
    value = cell.value
    if cell.data_type == "e":
        raise _without_value(name, cell.coordinate, f"the error {value}")
    if isinstance(value, datetime) and value.time() == time():
        return value.date()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _refuse_bomb(data: bytes, name: str) -> None:
    """FieldError for a workbook that would fill the memory; a zip's sizes are kept to."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            size = sum(each.file_size for each in packed.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        size = 0
    if size > LARGEST:
        raise FieldError(
            f"{name} unpacks to {file_size(size)}; at most {file_size(LARGEST)} are read.",
            "Save the sheet as CSV UTF-8, which has no limit.",
        )


def read_parquet(data: bytes, name: str) -> Table:
    """The rows of a Parquet file; an index that has a name is a column."""
    import pandas as pd

    def read() -> Any:
        frame = pd.read_parquet(io.BytesIO(data), engine="pyarrow")
        return frame.reset_index() if any(frame.index.names) else frame

    frame = _by_package("pyarrow", name, read)
    return Table(name, _take_rows(frame, name), f"pd.read_parquet({name!r})")


def parquet_size(path: Path) -> int:
    """Bytes that a Parquet file unpacks to; those that it has where that is not known."""
    with suppress(ImportError, ValueError, OSError):
        known = import_module("pyarrow.parquet").read_metadata(path)
        return sum(known.row_group(at).total_byte_size for at in range(known.num_row_groups))
    return path.stat().st_size


def _take_rows(frame: Any, name: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The rows of a DataFrame, some at a time: all of them as dicts need more than their texts."""
    for start in range(0, len(frame), _ROWS):
        some = frame.iloc[start : start + _ROWS].to_dict("records")
        for number, row in enumerate(some, start + 1):
            yield {str(key): cell for key, cell in row.items()}, f"{name}, row {number}"
    del frame
    # Arrow keeps what it needed, as much as the texts again, for a file that never comes.
    import_module("pyarrow").default_memory_pool().release_unused()


def _by_package(package: str, name: str, read: Callable[[], Any]) -> Any:
    extra, noun = _PACKAGES[package]
    if find_spec(package) is None:
        raise FieldError(
            f"{name} is {noun}, which only {package} reads.",
            f"The extra llmwidgets[{extra}] has it, and so has: pip install {package}. "
            "Or save the table as CSV in UTF-8.",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except Exception as error:  # noqa: BLE001 - a damaged file raises anything in those packages
        raise FieldError(
            f"{name} cannot be read as {noun}: {type(error).__name__}.",
            "Open it in the program that wrote it and save it again, or save it as CSV in UTF-8.",
        ) from None
