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
from llmwidgets.keyscan.literals import find_literals, find_named
from llmwidgets.keyscan.search import (
    are_lines,
    find_all_leaks,
    find_leaks,
    read_notebook,
    texts_in,
)
from llmwidgets.known_keys import KnownKey
from llmwidgets.store.file import sync_folder, write_new

MASK = "key-removed"
"""What replaces a key."""

_Span = tuple[int, int]


def can_clean(path: Path) -> bool:
    """Whether the file is a notebook or a history that can be cleaned."""
    return path.suffix == ".ipynb" or path.name == "history.sqlite"


def clean_file(path: Path, known: Sequence[KnownKey]) -> str:
    """Replace every key in a notebook or in IPython's history; a sentence on what was kept.

    A notebook is replaced as a whole; the old one is kept in its folder with mode 0600. A history
    loses the words in place. LLMWidgetsError where the file cannot be read or written.
    """
    clean = _clean_history if path.suffix == ".sqlite" else _clean_notebook
    try:
        return clean(path, known)
    except (OSError, sqlite3.Error) as error:
        reason = (getattr(error, "strerror", None) or type(error).__name__).lower()
    message = f"{path} could not be cleaned: {reason}."
    raise LLMWidgetsError(message, "Close what uses it, then try again.")


def _clean_notebook(path: Path, known: Sequence[KnownKey]) -> str:
    real = Path(os.path.realpath(path))
    with real.open("rb") as file:
        notebook = read_notebook(file)
    if notebook is None:
        message = f"{path} is not a notebook that can be read."
        raise LLMWidgetsError(message, "Correct its JSON, or make the cell again.")
    sources = [text for _, text, code in texts_in(notebook) if code]
    # A literal of a cell goes wherever it was printed as well.
    words = {
        text[leak.start : leak.end]
        for text in sources
        for leak in (*find_literals(text), *find_named(text))
    }
    before = real.read_bytes()
    after = _without_keys(before, known, words)
    numbers = ("", *(f"-{number}" for number in range(2, 1000)))
    backups = (real.with_name(f"{real.name}.with-key{number}.bak") for number in numbers)
    backup = next(path for path in backups if not path.exists())
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


def _without_keys(raw: bytes, known: Sequence[KnownKey], words: Set[bytes]) -> bytes:
    """The notebook's bytes with other strings where a key was, and all else as it was."""
    encoding = json.detect_encoding(raw)
    text = raw.decode(encoding, "surrogatepass")
    kept, at = [], 0
    for lines in _group_strings(text):
        for start, end, new in _replace_keys(lines, known, words):
            parted = text[lines[0].end() : lines[1].start()] if len(lines) > 1 else ""
            kept += [text[at:start], parted.join(_to_json(each, text) for each in new)]
            at = end
    return "".join([*kept, text[at:]]).encode(encoding, "surrogatepass")


_STRING = re.compile(r'(?<!\\)"[^"\\]*+(?:\\.[^"\\]*+)*+"')


def _group_strings(text: str) -> Iterator[list[re.Match[str]]]:
    """Each string of a JSON text, those of a list together: they can be the lines of one text."""
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


def _replace_keys(
    lines: Sequence[re.Match[str]], known: Sequence[KnownKey], words: Set[bytes]
) -> Iterator[tuple[int, int, list[str]]]:
    """From where to where the text has lines with a key, and what replaces them.

    They are searched as one text, so that what goes over the end of a line goes as well, and
    each by itself if they are words and not lines.
    """
    pieces = [json.loads(each[0]).encode("utf-8", "surrogatepass") for each in lines]
    ends = list(accumulate(map(len, pieces)))
    data = b"".join(pieces)
    spans = _find_spans(data, known, words)
    if not are_lines(pieces):
        for piece, end in zip(pieces, ends, strict=True):
            before = end - len(piece)
            spans += [(before + a, before + b) for a, b in _find_spans(piece, known, words)]
    groups: list[tuple[int, int, list[_Span]]] = []
    for span in _merge_spans(spans, data):
        first, last = bisect_right(ends, span[0]), bisect_left(ends, span[1])
        together: list[_Span] = []
        if groups and first <= groups[-1][1]:
            first, _, together = groups.pop()
        together.append(span)
        groups.append((first, last, together))
    for first, last, together in groups:
        start = ends[first] - len(pieces[first])
        moved = [(a - start, b - start) for a, b in together]
        new = _mask(data[start : ends[last]], moved).decode("utf-8", "surrogatepass")
        rows = new.splitlines(keepends=True) if last > first else [new]
        yield lines[first].start(), lines[last].end(), rows


def _to_json(new: str, text: str) -> str:
    """A string as JSON: with letters beyond ASCII only if the file has them too."""
    lone = any("\ud800" <= letter <= "\udfff" for letter in new)
    return json.dumps(new, ensure_ascii=lone or text.isascii())


def _find_spans(data: bytes, known: Sequence[KnownKey], words: Set[bytes]) -> list[_Span]:
    spans = [(leak.start, leak.end) for leak in find_leaks(data, known)]
    return spans + [match.span() for word in words for match in re.finditer(re.escape(word), data)]


def _merge_spans(spans: Iterable[_Span], data: bytes) -> list[_Span]:
    """The spans in order, none over another: one key can be found twice."""
    merged: list[_Span] = []
    for start, end in sorted(spans):
        rest = _REST_OF_BLOCK.match(data, end)
        end = rest.end() if rest else end
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


# Of a private key the lines after the first go as well.
_REST_OF_BLOCK = re.compile(rb"[A-Za-z0-9+/=\\\s]{40,20000}?-----END [A-Z ]+-----")


def _mask(data: bytes, spans: Sequence[_Span]) -> bytes:
    for start, end in reversed(spans):
        data = data[:start] + MASK.encode() + data[end:]
    return data


_COLUMNS = (("history", "source"), ("history", "source_raw"), ("output_history", "output"))


def _clean_history(path: Path, known: Sequence[KnownKey]) -> str:
    with closing(sqlite3.connect(path, timeout=5.0)) as database:
        database.execute("PRAGMA secure_delete = ON")
        with database:
            for table, column in _COLUMNS:
                rows = database.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
                changed = ((_clean_text(text, known), row) for row, text in rows)
                database.executemany(
                    f"UPDATE {table} SET {column} = ? WHERE rowid = ?",
                    [(text, row) for text, row in changed if text is not None],
                )
        database.execute("VACUUM")
    return "The lines stay, without the keys; nothing was kept of them."


def _clean_text(text: Any, known: Sequence[KnownKey]) -> str | None:
    """The text without keys; None if it has none."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else b""
    spans = [(leak.start, leak.end) for leak in find_all_leaks(data, known, code=True)]
    cleaned = _mask(data, _merge_spans(spans, data))
    return cleaned.decode("utf-8", "surrogatepass") if spans else None
