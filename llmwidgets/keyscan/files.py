"""Searches files: every leak below a path, with the cell, row or line it is in."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from llmwidgets.keyscan.patterns import LONGEST, Leak, find_leaks, find_literals
from llmwidgets.known_keys import KnownKey

_CHUNK = 1 << 20
_LARGEST_NOTEBOOK = 256 << 20
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class FoundLeak:
    """A leak in a file: where, what kind of key, its last four characters; never the key."""

    path: Path
    place: str
    kind: str
    tail: str

    def __str__(self) -> str:
        ends = f", ends in {self.tail}" if self.tail else ""
        line = f"{self.path}: {self.place}: {self.kind}{ends}"
        # A name can contain what moves a terminal's cursor, or a line that looks like one of ours.
        return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


@dataclass(frozen=True, slots=True)
class UnreadFile:
    """A file that could not be searched, and why."""

    path: Path
    reason: str


def files_below(path: Path) -> Iterator[Path | UnreadFile]:
    """The path, or every plain file below it; not what git keeps in `.git`, no link followed."""
    if not path.is_dir():
        yield path
        return
    shut: list[OSError] = []
    for folder, names, files in os.walk(path, onerror=shut.append):
        names[:] = sorted(name for name in names if name != ".git")
        yield from (Path(folder) / name for name in sorted(files))
    for error in shut:
        yield UnreadFile(Path(error.filename), _reason(error))


def search_files(path: Path, known: Sequence[KnownKey]) -> Iterator[FoundLeak | UnreadFile]:
    """Every leak in one file, once for each place; pipes, devices and dangling links are passed."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return
        with path.open("rb") as file:
            found = list(dict.fromkeys(_in_file(path, file, known)))
    except FileNotFoundError:
        return
    except OSError as error:
        yield UnreadFile(path, _reason(error))
        return
    yield from found


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def texts_in(notebook: Any) -> Iterator[tuple[str, str, bool]]:
    """Each place of a notebook (cell source, output, metadata, widget state), its text, if code."""
    cells = notebook.get("cells")
    for number, cell in enumerate(cells if isinstance(cells, list) else [], 1):
        parts = dict(cell) if isinstance(cell, dict) else {"": cell}
        outputs = parts.pop("outputs", None)
        for name, part in parts.items():
            for text in _strings(part):
                yield f"cell {number}, {name}", text, name == "source"
        for at, output in enumerate(outputs if isinstance(outputs, list) else [], 1):
            for text in _strings(output):
                yield f"cell {number}, output {at}", text, False
    metadata = notebook.get("metadata")
    rest = dict(metadata) if isinstance(metadata, dict) else {"": metadata}
    for text in _strings(rest.pop("widgets", None)):
        yield "widget state", text, False
    for text in _strings([rest, {k: v for k, v in notebook.items() if k not in _PARTS}]):
        yield "metadata", text, False


_PARTS = ("cells", "metadata")


def _in_file(path: Path, file: BinaryIO, known: Sequence[KnownKey]) -> Iterator[FoundLeak]:
    if path.suffix == ".ipynb" and path.stat().st_size <= _LARGEST_NOTEBOOK:
        notebook = read_notebook(file)
        if notebook is not None:
            yield from _in_notebook(path, notebook, known)
            return
        file.seek(0)
    database = file.read(16) == _SQLITE
    rows = _in_tables(path, known) if database else []
    yield from rows
    reported = {(found.kind, found.tail) for found in rows}
    file.seek(0)
    for line, leak in _in_stream(file, known):
        if (leak.kind, leak.tail) not in reported:
            place = "a page that is no longer used" if database else f"line {line}"
            yield FoundLeak(path, place, leak.kind, leak.tail)


def read_notebook(file: BinaryIO) -> dict[str, Any] | None:
    """The notebook in the file; None for any other file."""
    try:
        notebook = json.loads(file.read())
    except (ValueError, RecursionError):
        return None
    return notebook if isinstance(notebook, dict) else None


def _in_notebook(path: Path, notebook: Any, known: Sequence[KnownKey]) -> Iterator[FoundLeak]:
    for place, text, code in texts_in(notebook):
        data = text.encode("utf-8", "replace")
        for leak in leaks_of_text(data, known, code=code):
            yield FoundLeak(path, place, leak.kind, leak.tail)


def leaks_of_text(data: bytes, known: Sequence[KnownKey], *, code: bool) -> list[Leak]:
    """The leaks of a text; of code also the literals that are not among them."""
    found = find_leaks(data, known)
    written = find_literals(data) if code else []
    return sorted(
        found
        + [
            each
            for each in written
            if not any(leak.start < each.end and each.start < leak.end for leak in found)
        ]
    )


def _strings(node: Any) -> Iterator[str]:
    """Every text below a JSON value, names too; the lines of a multi-line string as one."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for name, value in node.items():
            yield name
            yield from _strings(value)
    elif isinstance(node, list):
        strings = bool(node) and all(isinstance(each, str) for each in node)
        if strings:
            yield "".join(node)
        if not strings or not are_lines([each.encode("utf-8", "replace") for each in node]):
            for each in node:
                yield from _strings(each)


def are_lines(strings: Sequence[bytes]) -> bool:
    """Whether a list of strings is one text in lines: words in a list begin anew each."""
    return all(each.endswith(b"\n") for each in strings[:-1])


def _in_tables(path: Path, known: Sequence[KnownKey]) -> list[FoundLeak]:
    """The leaks in the rows of a database; none if it cannot be opened as one."""
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=1.0)) as database:
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return [
                found
                for (table,) in names.fetchall()
                for found in _in_table(path, database, table, known)
            ]
    except sqlite3.Error:
        return []


def _in_table(
    path: Path, database: sqlite3.Connection, table: str, known: Sequence[KnownKey]
) -> Iterator[FoundLeak]:
    quoted = table.replace('"', '""')
    rows = database.execute(f'SELECT * FROM "{quoted}"')
    for number, row in enumerate(rows, 1):
        for cell in row:
            data = cell if isinstance(cell, bytes) else str(cell).encode("utf-8", "replace")
            for leak in leaks_of_text(data, known, code=table == "history"):
                yield FoundLeak(path, f"{table}, row {number}", leak.kind, leak.tail)


def _in_stream(file: BinaryIO, known: Sequence[KnownKey]) -> Iterator[tuple[int, Leak]]:
    """The leaks of a file of any size, each once, with its line."""
    kept, line = b"", 1
    while True:
        chunk = file.read(_CHUNK)
        data = kept + chunk
        # What starts in the last stretch may go on in the next chunk, and is looked at then.
        end = len(data) - LONGEST if chunk else len(data)
        at = 0
        for leak in find_leaks(data, known):
            if leak.start < max(end, 0):
                line += data.count(b"\n", at, leak.start)
                at = leak.start
                yield line, leak
        if not chunk:
            return
        kept = data[max(end, 0) :]
        line += data.count(b"\n", at, max(end, 0))
