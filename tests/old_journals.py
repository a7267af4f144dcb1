"""Journals as version 0.1.0 wrote them: keys as text, every fact of a row as JSON text."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from llmwidgets.engine.journal import Row

_WRITTEN = (Path(__file__).parent / "engine" / "journal_0_1_0.sql").read_text("utf-8")
_COLUMNS = ("id", "key", "at", "status", "reply")


def write_old_journal(path: Path) -> None:
    """A file that version 0.1.0 wrote: two answers to 1…, one cut to 2…, none to 3…, a look."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(f"PRAGMA journal_mode = WAL; {_WRITTEN}")


def write_as_before(database: sqlite3.Connection, row: Row) -> None:
    """Give a row that is in the file the form that it had in version 0.1.0."""
    facts = {name: value for name, value in asdict(row).items() if name not in _COLUMNS}
    database.execute(
        "UPDATE extraction SET key = ?, facts = ? WHERE id = ?",
        (row.key, json.dumps(facts), row.id),
    )
