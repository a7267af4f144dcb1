"""Journal: every extraction on disk before it is shown; hashes of requests, never texts or keys."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llmwidgets.dialects.messages import Form, Mode, Usage
from llmwidgets.engine import places
from llmwidgets.errors import FAILURES, CallError, Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one question ended. `at` is seconds since 1970; `id` is 0 until it is put down.

    A row holds no text and no id of a text: rows that say the same (all those a stop left
    unasked) are one row. `schema_shown` is False where the schema did not stand in the prompt
    although the mode says that it was not enforced, which only the replies showed. `known_as` is
    the served model by whose facts the question was put, `output_limit` the tokens that its answer
    could have.
    """

    key: str
    status: str
    at: float = field(default_factory=time.time)
    reply: str | None = None
    usage: Usage = field(default_factory=Usage)
    seconds: float | None = None
    waiting_seconds: float | None = None
    cost: float | None = None
    form: Form | None = None
    mode: Mode | None = None
    schema_shown: bool | None = None
    served_model: str | None = None
    request_id: str | None = None
    tries: int = 0
    notes: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    known_as: str = ""
    output_limit: int | None = None
    message: str = ""
    hint: str = ""
    label: str = ""
    model: str = ""
    code: str = ""
    http_status: int | None = None
    perhaps_answered: bool = False
    id: int = 0

    @property
    def answered(self) -> bool:
        """Whether the model itself answered: such a row is never asked again."""
        return self.status == "ok" or getattr(FAILURES.get(self.status), "scored", False)

    @property
    def when(self) -> datetime:
        """When the question ended, in UTC."""
        return datetime.fromtimestamp(self.at, UTC)

    def failure(self) -> Failure | None:
        """The failure as it was, or None for `ok`."""
        kind = FAILURES.get(self.status)
        if kind is None:
            return None
        if not issubclass(kind, CallError):
            return kind(self.message, self.hint)
        return kind(
            self.message,
            self.hint,
            label=self.label,
            model=self.model,
            status=self.http_status,
            request_id=self.request_id,
            code=self.code,
            perhaps_answered=self.perhaps_answered,
        )

    @classmethod
    def of_failure(cls, key: str, failure: Failure, **more: Any) -> Row:
        """The row of a question that ended in `failure`."""
        told = Row(
            key=key,
            status=type(failure).__name__,
            message=failure.message,
            hint=failure.hint,
            label=getattr(failure, "label", ""),
            model=getattr(failure, "model", ""),
            code=getattr(failure, "code", ""),
            http_status=getattr(failure, "status", None),
            request_id=getattr(failure, "request_id", None),
            perhaps_answered=getattr(failure, "perhaps_answered", False),
        )
        return replace(told, **more)


_TABLE = """
CREATE TABLE IF NOT EXISTS extraction (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    at REAL NOT NULL,
    status TEXT NOT NULL,
    answered INTEGER NOT NULL,
    reply TEXT,
    facts TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS answered_by_key ON extraction (key) WHERE answered;
"""
_COLUMNS = ("id", "key", "at", "status", "reply")
_FACTS = tuple(each.name for each in fields(Row) if each.name not in _COLUMNS)
_TOKENS = tuple(each.name for each in fields(Usage))


class Journal:
    """An append-only table of rows in one SQLite file, or in memory; safe from any thread.

    `path=None` is the user's cache folder, `path=False` memory. `notice` says where the rows
    are when that is not where they were wanted.

    >>> journal = Journal(False)
    >>> journal.get(journal.put(Row(key="a", status="ok", reply="{}"))).reply
    '{}'
    """

    def __init__(self, path: str | Path | bool | None = None) -> None:
        self.path, self.notice = places.journal_place(path)
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._database = self._open()

    def put(self, row: Row) -> int:
        """Put the row down; it is committed when this returns. The row's id."""
        facts = {name: getattr(row, name) for name in _FACTS}
        usage = row.usage
        facts["usage"] = {name: getattr(usage, name) for name in _TOKENS}
        with self._lock:
            cursor = self._now().execute(
                "INSERT INTO extraction (key, at, status, answered, reply, facts)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (row.key, row.at, row.status, row.answered, row.reply, json.dumps(facts)),
            )
        return int(cursor.lastrowid or 0)

    def get(self, id: int) -> Row:  # noqa: A002
        """The row of this id; KeyError where there is none."""
        found = self._one("SELECT * FROM extraction WHERE id = ?", id)
        if found is None:
            raise KeyError(id)
        return found

    def find(self, key: str) -> Row | None:
        """The newest row of this question that the model answered, or None."""
        return self._one(
            "SELECT * FROM extraction WHERE key = ? AND answered ORDER BY id DESC LIMIT 1", key
        )

    def __len__(self) -> int:
        with self._lock:
            return int(self._now().execute("SELECT count(*) FROM extraction").fetchone()[0])

    def __bool__(self) -> bool:
        # An empty journal is still one: `journal or Journal()` must not swap it.
        return True

    def close(self) -> None:
        """Close the file; the journal cannot be used afterwards."""
        with self._lock:
            self._database.close()

    def __del__(self) -> None:
        if hasattr(self, "_database") and self._pid == os.getpid():
            self._database.close()

    def _one(self, query: str, value: object) -> Row | None:
        with self._lock:
            found = self._now().execute(query, (value,)).fetchone()
        return None if found is None else _row(found)

    def _now(self) -> sqlite3.Connection:
        # SQLite's handles must not cross a fork; the child opens the file anew and never touches
        # its parent's handle.
        if self._pid != os.getpid():
            _left_by_parents.append(self._database)
            self._pid = os.getpid()
            self._database = self._open()
        return self._database

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            return _connect(":memory:")
        try:
            places.make_private(self.path)
            return _connect(str(self.path))
        except (OSError, sqlite3.OperationalError) as error:
            why = getattr(error, "strerror", None) or str(error)
        except sqlite3.DatabaseError:
            return self._begin_anew(self.path)
        self.notice = f"The journal {self.path} cannot be used ({why}); rows are kept in memory."
        self.path = None
        return _connect(":memory:")

    def _begin_anew(self, path: Path) -> sqlite3.Connection:
        kept = places.set_aside(path)
        self.notice = (
            f"The journal {path} is damaged; it is kept as {kept.name} and a new one is begun."
        )
        places.make_private(path)
        return _connect(str(path))


_left_by_parents: list[sqlite3.Connection] = []


def _connect(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        database.row_factory = sqlite3.Row
        # Answers "delete" instead of "wal" where the file system cannot share memory; both hold.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_TABLE)
        database.execute("SELECT key, at, status, answered, reply, facts FROM extraction LIMIT 1")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _row(found: sqlite3.Row) -> Row:
    told = json.loads(found["facts"])
    # A row of another version of this package has other facts: what is known here is read.
    facts = {name: told[name] for name in _FACTS if name in told}
    facts["usage"] = Usage(**facts["usage"])
    facts["form"] = facts["form"] and Form(facts["form"])
    facts["mode"] = facts["mode"] and Mode(facts["mode"])
    facts["notes"] = tuple(facts["notes"])
    facts["dropped"] = tuple(facts["dropped"])
    return Row(**{name: found[name] for name in _COLUMNS}, **facts)
