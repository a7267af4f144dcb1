"""Parquet files as a user names them, and what their rows have besides the words."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time
from fnmatch import fnmatchcase
from glob import glob
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from llmwidgets.comparison.cluster.texts.text_files import (
    TextFile,
    TextFiles,
    as_words,
    changed_error,
    describe_file,
    open_parquet,
    open_source,
    reading,
    refuse_changed,
)
from llmwidgets.comparison.files.names import names_data_set, refuse_other_table
from llmwidgets.comparison.files.tables import match_names, missing_text
from llmwidgets.comparison.values import is_blank, is_empty_cell
from llmwidgets.errors import FieldError
from llmwidgets.schemas import Schema, read_schema

SUFFIX = ".parquet"
_INDEX = re.compile(r"__index_level_\d+__")
"""A column that pandas writes of an index without a name: nothing that the user knows."""

_ROWS_A_BATCH = 10_000
_SCANNED_ROWS = 1_000


# -- Which files are named.


def find_places(given: Any) -> tuple[str, ...]:
    """The paths and URLs of the Parquet files that texts or truth name, sorted; none for others.

    FieldError for a glob or a folder without such files.
    """
    listed = list(given) if isinstance(given, list | tuple) else [given]
    if not listed or not all(map(_is_reference, listed)):
        return ()
    places = chain.from_iterable(map(_expand, listed))
    return tuple(sorted(dict.fromkeys(places), key=_by_number))


def _is_reference(given: Any) -> bool:
    if not isinstance(given, str | os.PathLike):
        return False
    name = os.fspath(given)
    if not isinstance(name, str) or "\n" in name or len(name) > 1_000:
        return False
    path = Path(name).expanduser()
    return (
        names_data_set(given)
        or (path.suffix.casefold() == SUFFIX and path.exists())
        or (path.is_dir() and bool(_list_folder(path)))
    )


def _list_folder(folder: Path) -> list[str]:
    return [
        str(each) for each in folder.iterdir()
        if each.suffix.casefold() == SUFFIX and each.name[0] not in "._"
    ]  # fmt: skip


def _expand(given: str | os.PathLike[str]) -> list[str]:
    name = os.fspath(given).strip()
    if "://" in name:
        with reading(name):
            return _expand_url(name)
    # Workers have folders of their own that they are in.
    path = Path(os.path.abspath(Path(name).expanduser()))
    if path.is_dir():
        return _list_folder(path)
    found = [str(path)] if path.exists() else glob(str(path), recursive=True)
    if not found:
        raise _no_files(name)
    return found


def _expand_url(url: str) -> list[str]:
    from pyarrow import fs

    address, mark, query = url.partition("?")
    refuse_other_table(address, "texts")
    fixed = re.split(r"[*\[]", address, maxsplit=1)[0]
    base = address if fixed == address else fixed.rpartition("/")[0]
    system, root = open_source(base + mark + query)
    info = system.get_file_info(root)
    if base == address and info.type is fs.FileType.File:
        return [url]
    pattern = address[len(base) :].strip("/") or f"*{SUFFIX}"
    selector = fs.FileSelector(root, allow_not_found=True, recursive="/" in pattern)
    names = (
        each.path[len(root) :].strip("/")
        for each in system.get_file_info(selector)
        if each.type is fs.FileType.File
    )
    depth = pattern.count("/")
    found = [
        f"{base.rstrip('/')}/{quote(name)}{mark}{query}"
        for name in names
        if fnmatchcase(name, pattern) and ("**" in pattern or name.count("/") == depth)
        and name.rpartition("/")[2][0] not in "._"
    ]  # fmt: skip
    if not found:
        raise _no_files(url)
    return found


def _no_files(name: str) -> FieldError:
    return FieldError({"texts": f"there is no Parquet file {name}."}, "Check the name.")


def _by_number(place: str) -> tuple[list[tuple[int, str]], str]:
    """As people sort: part.2 comes before part.10."""
    steps = re.findall(r"(\d*)(\D*)", place)
    return [(int(digits or 0), rest) for digits, rest in steps], place


# -- The texts of these files: which column has the words, and where none is.


def read_text_files(places: Sequence[str]) -> TextFiles:
    """The texts of Parquet files; no word of them is read.

    FieldError for a file without a column of texts, and where there is no row.
    """
    files = TextFiles(tuple(map(_read_text_file, places)))
    if not len(files):
        raise FieldError({"texts": "is empty."}, "Give at least one text.")
    return files


def _read_text_file(place: str) -> TextFile:
    with reading(place):
        size, changed = describe_file(place)
        opened = open_parquet(place)
        column = _text_column(place, opened)
        groups = tuple(
            opened.metadata.row_group(at).num_rows for at in range(opened.num_row_groups)
        )
    return TextFile(place, groups, column, size, changed)


def _text_column(place: str, opened: Any) -> str:
    import pyarrow as pa

    schema = opened.schema_arrow
    found, unclear = match_names(schema.names)
    if not unclear and "text" not in found.values():
        # Of each text its beginning alone, to find the column that may be meant.
        head = next(opened.iter_batches(20), None)
        rows = [] if head is None else head.to_pylist()
        unclear, likely = missing_text(rows or [dict.fromkeys(schema.names)])
        hint = "Name the column that contains the document text."
        if likely:
            renamed = f'frame.rename(columns={{{likely}: "text"}})'
            hint = f"Rename {likely} to text in the file: {renamed}."
        raise FieldError(f"{place} {unclear}", hint)
    if unclear:
        raise FieldError(f"{place} {unclear}", "Rename the others.")
    (name,) = (each for each, key in found.items() if key == "text")
    kind = schema.field(name).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_nested(kind):
        raise FieldError(
            f"The column {name} of {place} is {kind}, not text.", "Give one string in each row."
        )
    return str(name)


def find_empty(files: TextFiles) -> set[int]:
    """The places whose words are missing, where the files say that some may be.

    Looked through are only row groups with nulls, or whose least text is blank. What is found
    empty on a worker all the same is a row of the comparison.
    """
    empty, start = set[int](), 0
    for file in files.files:
        with reading(file.place):
            opened = open_parquet(file.place)
            for group, rows in enumerate(file.groups):
                if _may_have_empty(opened.metadata.row_group(group), file.column):
                    empty.update(start + at for at in _empty_rows(opened, group, file.column))
                start += rows
            refuse_changed(file)
    return empty


def _may_have_empty(about: Any, column: str) -> bool:
    for at in range(about.num_columns):
        chunk = about.column(at)
        known = chunk.statistics if chunk.path_in_schema == column else None
        if known is None:
            continue
        if known.has_null_count and known.null_count:
            return True
        if known.has_min_max and isinstance(known.min, str | bytes) and not known.min.strip():
            return True
    return False


def _empty_rows(opened: Any, group: int, column: str) -> Iterator[int]:
    batches = opened.iter_batches(_SCANNED_ROWS, row_groups=[group], columns=[column])
    cells = chain.from_iterable(batch.column(column) for batch in batches)
    for at, cell in enumerate(cells):
        if is_blank(as_words(cell.as_py(), "a text")):
            yield at


# -- What rows have besides.


def read_rows(files: TextFiles) -> Iterator[dict[str, Any]]:
    """Every row without its words, by the names of texts: id, truth, schema, and its own.

    A row without an id has the number of its text through all files, as texts in a list do.
    """
    counted = f"text-%0{max(2, len(str(len(files))))}d"
    number, schemas = 0, dict[str, Schema]()
    for file in files.files:
        before = number
        for row in _read_columns(file.place, {file.column}):
            number += 1
            name = row.get("id")
            if name is None or is_empty_cell(name):
                row["id"] = counted % number
            if row.get("schema") is not None:
                row["schema"] = _read_once(row["schema"], schemas)
            yield row
        refuse_changed(file)
        if number - before != sum(file.groups):
            raise changed_error(file.place)


def _read_columns(place: str, apart: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The rows of a file without these columns; names of texts are spelled as they should be."""
    apart = set(apart)
    with reading(place):
        opened = open_parquet(place)
        kinds = {each.name: each.type for each in opened.schema_arrow}
        found, _ = match_names(kinds)
        names = [each for each in kinds if each not in apart and not _INDEX.fullmatch(each)]
        if not names:
            yield from ({} for _ in range(opened.metadata.num_rows))
            return
        for batch in opened.iter_batches(_ROWS_A_BATCH, columns=names):
            rows = batch.select(names).rename_columns([found.get(name, name) for name in names])
            days = [name for name in rows.schema.names if _has_days(rows.schema.field(name).type)]
            for row in rows.to_pylist():
                for name in days:
                    row[name] = _as_day(row[name])
                yield row


def _has_days(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_timestamp(kind) and kind.tz is None


def _as_day(value: Any) -> Any:
    """Tables made of a column of dates have midnights."""
    return value.date() if isinstance(value, datetime) and value.time() == time() else value


def _read_once(schema: Any, known: dict[str, Schema]) -> Schema:
    key = json.dumps(schema, default=str)
    if key not in known:
        known[key] = read_schema(schema)
    return known[key]


def read_truth_files(truth: Any, fields: Iterable[str] = ()) -> Any:
    """The rows of Parquet files that truth names as one DataFrame; anything else as it is.

    Words are left in their files, unless one of the schema's `fields` is called text.
    """
    places = find_places(truth)
    if not places:
        return truth
    import pandas as pd

    frames = []
    for place in places:
        with reading(place):
            opened = open_parquet(place)
            found, _ = match_names(opened.schema_arrow.names)
            names = [
                each for each in opened.schema_arrow.names
                if (found.get(each) != "text" or each in fields) and not _INDEX.fullmatch(each)
            ]  # fmt: skip
            rows = opened.read(names).to_pandas(ignore_metadata=True)
            frames.append(rows.astype(object))
    return pd.concat(frames, ignore_index=True)
