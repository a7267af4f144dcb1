"""Cleans a notebook or an IPython history of keys, in one step."""

from __future__ import annotations

import json
import os
import re
import secrets
import sqlite3
import stat
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from typing import Any

from llmwidgets.errors import LLMWidgetsError
from llmwidgets.keyscan.files import are_lines, leaks_of_text, read_notebook, texts_in
from llmwidgets.keyscan.patterns import find_leaks, find_literals
from llmwidgets.known_keys import KnownKey
from llmwidgets.store.file import sync_folder, write_new

MASK = "key-removed"
"""What replaces a key."""

_Words = Set[bytes]
_Span = tuple[int, int]


def can_clean(path: Path) -> bool:
    """Whether the file is a notebook or a history that can be cleaned."""
    return path.suffix == ".ipynb" or path.name == "history.sqlite"


def clean_file(path: Path, known: Sequence[KnownKey]) -> str:
    """Replace every key in a notebook or in IPython's history; a sentence on what was kept.

    A notebook is replaced as a whole; the old one is kept in its folder with mode 0600. A history
    loses the words in place. LLMWidgetsError where the file cannot be read or written.
    """
    try:
        return _clean_history(path, known) if path.suffix == ".sqlite" else _cleaned(path, known)
    except (OSError, sqlite3.Error) as error:
        reason = (getattr(error, "strerror", None) or type(error).__name__).lower()
    message = f"{path} could not be cleaned: {reason}."
    raise LLMWidgetsError(message, "Close what uses it, then try again.")


def _cleaned(path: Path, known: Sequence[KnownKey]) -> str:
    real = Path(os.path.realpath(path))
    with real.open("rb") as file:
        notebook = read_notebook(file)
    if notebook is None:
        message = f"{path} is not a notebook that can be read."
        raise LLMWidgetsError(message, "Correct its JSON, or make the cell anew.")
    before = real.read_bytes()
    after = _without_keys(before, known, _typed(notebook))
    backup = _free(real)
    temporary = real.with_name(f".{real.name}.{secrets.token_hex(4)}.tmp")
    write_new(backup, before)
    try:
        write_new(temporary, after)
        os.chmod(temporary, stat.S_IMODE(real.stat().st_mode))
        os.replace(temporary, real)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(real.parent)
    return (
        f"As it was, with the key, it is kept in {backup}: delete that file when this one is right."
    )


def _free(real: Path) -> Path:
    """A free name in the notebook's folder."""
    first = real.with_name(f"{real.name}.with-key.bak")
    more = (real.with_name(f"{real.name}.with-key-{n}.bak") for n in range(2, 1000))
    return next(each for each in (first, *more) if not each.exists())


def _typed(notebook: Any) -> _Words:
    """The literals of the cells: where one was printed it goes as well."""
    sources = [text.encode("utf-8", "replace") for _, text, code in texts_in(notebook) if code]
    return {source[leak.start : leak.end] for source in sources for leak in find_literals(source)}


def _without_keys(raw: bytes, known: Sequence[KnownKey], words: _Words) -> bytes:
    """The notebook's bytes with other strings where a key was, and all else as it was."""
    encoding = json.detect_encoding(raw)
    text = raw.decode(encoding, "surrogatepass")
    kept, at = [], 0
    for lines in _joined(text):
        for start, end, new in _replaced(lines, known, words):
            parted = text[lines[0].end() : lines[1].start()] if len(lines) > 1 else ""
            kept += [text[at:start], parted.join(_spelled(each, text) for each in new)]
            at = end
    return "".join([*kept, text[at:]]).encode(encoding, "surrogatepass")


_STRING = re.compile(r'(?<!\\)"[^"\\]*+(?:\\.[^"\\]*+)*+"')


def _joined(text: str) -> Iterator[list[re.Match[str]]]:
    """Each string of a JSON text by itself, and those of a list together: they are one's lines."""
    lines: list[re.Match[str]] = []
    at, in_list = 0, False
    for string in _STRING.finditer(text):
        between = text[at : string.start()].strip()
        if not in_list or between != ",":
            if lines:
                yield lines
            lines, in_list = [], between.endswith("[")
        lines.append(string)
        at = string.end()
    if lines:
        yield lines


def _replaced(
    lines: Sequence[re.Match[str]], known: Sequence[KnownKey], words: _Words
) -> Iterator[tuple[int, int, list[str]]]:
    """From where to where the text has lines with a key, and what replaces them.

    They are searched as one text, so that what goes over the end of a line goes as well, and
    each by itself if they are words and not lines.
    """
    pieces = [json.loads(each[0]).encode("utf-8", "surrogatepass") for each in lines]
    ends = list(accumulate(map(len, pieces)))
    data = b"".join(pieces)
    found = list(_found(data, known, words))
    if not are_lines(pieces):
        for piece, end in zip(pieces, ends, strict=True):
            before = end - len(piece)
            found += [(before + a, before + b) for a, b in _found(piece, known, words)]
    touched: dict[int, tuple[int, list[_Span]]] = {}
    for span in _apart(found, data):
        first, last = bisect_right(ends, span[0]), bisect_left(ends, span[1])
        open_ = next(reversed(touched), None)
        if open_ is not None and first <= touched[open_][0]:
            first, spans = open_, touched[open_][1]
        else:
            spans = []
        touched[first] = (last, [*spans, span])
    for first, (last, spans) in touched.items():
        start = ends[first] - len(pieces[first])
        moved = [(a - start, b - start) for a, b in spans]
        new = _masked(data[start : ends[last]], moved).decode("utf-8", "surrogatepass")
        rows = new.splitlines(keepends=True) if last > first else [new]
        yield lines[first].start(), lines[last].end(), rows


def _spelled(new: str, text: str) -> str:
    """A string as JSON: with letters beyond ASCII only if the file has them too."""
    lone = any("\ud800" <= letter <= "\udfff" for letter in new)
    return json.dumps(new, ensure_ascii=lone or text.isascii())


def _found(data: bytes, known: Sequence[KnownKey], words: _Words) -> Iterator[_Span]:
    yield from ((leak.start, leak.end) for leak in find_leaks(data, known))
    for word in words:
        yield from (each.span() for each in re.finditer(re.escape(word), data))


def _apart(found: Iterable[_Span], data: bytes) -> list[_Span]:
    """From where to where there are keys, in order, none over another: one can be found twice."""
    apart: list[_Span] = []
    for start, end in sorted(found):
        rest = _REST_OF_BLOCK.match(data, end)
        end = rest.end() if rest else end
        if apart and start < apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((start, end))
    return apart


# Of a private key the lines after the first go as well.
_REST_OF_BLOCK = re.compile(rb"[A-Za-z0-9+/=\\\s]{40,20000}?-----END [A-Z ]+-----")


def _masked(data: bytes, spans: Sequence[_Span]) -> bytes:
    for start, end in reversed(spans):
        data = data[:start] + MASK.encode() + data[end:]
    return data


def _clean_history(path: Path, known: Sequence[KnownKey]) -> str:
    with closing(sqlite3.connect(path, timeout=5.0)) as database:
        database.execute("PRAGMA secure_delete = ON")
        with database:
            for table, column in _COLUMNS:
                _clean_column(database, table, column, known)
        database.execute("VACUUM")
    return "The lines stay, without the keys; nothing was kept of them."


_COLUMNS = (("history", "source"), ("history", "source_raw"), ("output_history", "output"))


def _clean_column(
    database: sqlite3.Connection, table: str, column: str, known: Sequence[KnownKey]
) -> None:
    for rowid, text in database.execute(f"SELECT rowid, {column} FROM {table}").fetchall():
        new = _line(text, known)
        if new != text:
            database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (new, rowid))


def _line(text: Any, known: Sequence[KnownKey]) -> Any:
    if not isinstance(text, str):
        return text
    data = text.encode("utf-8", "surrogatepass")
    found = [(leak.start, leak.end) for leak in leaks_of_text(data, known, code=True)]
    return _masked(data, _apart(found, data)).decode("utf-8", "surrogatepass")
