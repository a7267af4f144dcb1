"""Cleaning: a notebook or an IPython history without the keys in it, replaced in one step."""

from __future__ import annotations

import json
import os
import re
import secrets
import sqlite3
import stat
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from llmwidgets.connections.known_keys import KnownKey
from llmwidgets.connections.leaks import leaks_in, written_in
from llmwidgets.connections.searched_files import leaks_of_text, read_notebook, texts_of
from llmwidgets.connections.store_file import sync_folder, write_new
from llmwidgets.errors import LLMWidgetsError

MASK = "key-removed"
"""What stands in place of a key afterwards."""

_Words = set[bytes]


def can_clean(path: Path) -> bool:
    """Whether the file is a notebook or a history that can be cleaned."""
    return path.suffix == ".ipynb" or path.name == "history.sqlite"


def clean(path: Path, known: Sequence[KnownKey]) -> str:
    """Replace every key in a notebook or in IPython's history; a sentence on what was kept.

    A notebook is replaced as a whole, and as it was kept beside it with mode 0600. A history
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
        message = f"{path} is no notebook that can be read."
        raise LLMWidgetsError(message, "Mend its JSON, or make the cell anew.")
    words = _typed(notebook)
    text = json.dumps(_without(notebook, known, words), ensure_ascii=False, indent=1) + "\n"
    backup = _free(real)
    temporary = real.with_name(f".{real.name}.{secrets.token_hex(4)}.tmp")
    write_new(backup, real.read_bytes())
    try:
        write_new(temporary, text.encode("utf-8"))
        os.chmod(temporary, stat.S_IMODE(real.stat().st_mode))
        os.replace(temporary, real)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(real.parent)
    return (
        f"As it was, with the key, it is kept in {backup}: delete that file when this one is right."
    )


def _free(real: Path) -> Path:
    """A name beside the notebook that nothing has yet."""
    first = real.with_name(f"{real.name}.with-key.bak")
    more = (real.with_name(f"{real.name}.with-key-{n}.bak") for n in range(2, 1000))
    return next(each for each in (first, *more) if not each.exists())


def _typed(notebook: Any) -> _Words:
    """The literals of the cells: where one was printed it goes as well."""
    sources = [
        text.encode("utf-8", "replace")
        for place, text in texts_of(notebook)
        if place.endswith("source")
    ]
    return {source[leak.start : leak.end] for source in sources for leak in written_in(source)}


def _without(node: Any, known: Sequence[KnownKey], words: _Words) -> Any:
    if isinstance(node, str):
        return _masked(node, known, words)
    if isinstance(node, dict):
        return {
            _masked(name, known, words): _without(value, known, words)
            for name, value in node.items()
        }
    if not isinstance(node, list):
        return node
    if node and all(isinstance(each, str) for each in node):
        whole = "".join(node)
        masked = _masked(whole, known, words)
        # As one text, so that what goes over the end of a line goes as well.
        return node if masked == whole else masked.splitlines(keepends=True)
    return [_without(each, known, words) for each in node]


def _masked(text: str, known: Sequence[KnownKey], words: _Words) -> str:
    data = text.encode("utf-8", "surrogatepass")
    for leak in reversed(leaks_in(data, known)):
        data = data[: leak.start] + MASK.encode() + data[leak.end :]
    for word in words:
        data = data.replace(word, MASK.encode())
    return _whole_block(data).decode("utf-8", "surrogatepass")


def _whole_block(data: bytes) -> bytes:
    """Of a private key the lines after the first go as well."""
    return re.sub(rb"key-removed[A-Za-z0-9+/=\\\s]{40,}?-----END [A-Z ]+-----", MASK.encode(), data)


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
    for leak in reversed(leaks_of_text(data, known, code=True)):
        data = data[: leak.start] + MASK.encode() + data[leak.end :]
    return _whole_block(data).decode("utf-8", "surrogatepass")
