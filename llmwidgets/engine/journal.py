"""The journal: every extraction on disk before it is shown; hashes of requests, never texts."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from array import array
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from llmwidgets.dialects.types import Enforcement, ResponseFormat, Usage
from llmwidgets.engine import journal_file
from llmwidgets.engine.journal_file import (
    BUSY_SECONDS,
    INSERT,
    RETRY_BUSY_SECONDS,
    SELECT_NEWEST,
    SELECT_ROW,
    Change,
    JournalFile,
    NotAJournal,
    Packed,
    WaitingRows,
    is_damage,
    is_locked,
    reason,
    waiting_for,
)
from llmwidgets.errors import (
    FAILURES,
    CallError,
    Failure,
    FailureCode,
    FieldError,
    InternalError,
    NotAsked,
)
from llmwidgets.formatting import count

NO_OUTPUT = "no output"
"""The code of a row for a text to which a model asked elsewhere gave no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one question ended. `at` is seconds since 1970; `id` is 0 until it is put down.

    A row contains no text and no id of a text: rows that say the same (all those that a stop left
    unasked) are one row. `schema_shown` is False if the schema was not in the prompt although the
    mode says that it was not enforced, which only the replies showed. `known_as` is the served
    model by whose facts the question was put, `output_limit` the tokens that its answer could
    have; `timed_out` of the `tries` took too long.
    """

    key: str
    status: str
    at: float = field(default_factory=time.time)
    reply: str | None = None
    usage: Usage = field(default_factory=Usage)
    seconds: float | None = None
    waiting_seconds: float | None = None
    cost: float | None = None
    form: ResponseFormat | None = None
    mode: Enforcement | None = None
    schema_shown: bool | None = None
    served_model: str | None = None
    request_id: str | None = None
    tries: int = 0
    timed_out: int = 0
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
    def asked(self) -> bool:
        """Whether the question was put, here or elsewhere; it may have had no answer."""
        if issubclass(FAILURES.get(self.status, object), NotAsked):
            return self.code == NO_OUTPUT
        return self.answered or self.tries > 0 or self.status == "InternalError"

    @property
    def when(self) -> datetime:
        """When the question ended, in UTC."""
        return datetime.fromtimestamp(self.at, UTC)

    def failure(self) -> Failure | None:
        """The failure as it was, or None for `ok`."""
        kind = FAILURES.get(self.status)
        if kind is None:
            return None
        more: dict[str, Any] = {}
        if issubclass(kind, CallError | InternalError):
            names = ("label", "model", "code", "perhaps_answered")
            more = {name: getattr(self, name) for name in names}
        if issubclass(kind, CallError):
            more |= {"status": self.http_status, "request_id": self.request_id}
        return kind(self.message, self.hint, **more)

    def ended_in(self, failure: Failure) -> Row:
        """The row of the same reply, which turned out to be this failure."""
        return replace(
            self,
            status=type(failure).__name__,
            message=failure.message,
            hint=failure.hint,
            label=getattr(failure, "label", ""),
            model=getattr(failure, "model", ""),
            code=getattr(failure, "code", ""),
        )

    @classmethod
    def of_failure(cls, key: str, failure: Failure, **more: Any) -> Row:
        """The row of a question that ended in `failure`."""
        row = cls(
            key=key,
            status="",
            http_status=getattr(failure, "status", None),
            request_id=getattr(failure, "request_id", None),
            perhaps_answered=getattr(failure, "perhaps_answered", False),
        )
        return replace(row.ended_in(failure), **more)


_FACTS = tuple(
    each.name for each in fields(Row) if each.name not in ("id", "key", "at", "status", "reply")
)
_TOKENS = tuple(each.name for each in fields(Usage))
_NUMBERS = ("at", "seconds", "waiting_seconds", "cost", "tries", "timed_out")
_LARGEST = 1e11


def _kinds_of(hint: Any) -> tuple[type, ...]:
    kinds = tuple(get_origin(each) or each for each in get_args(hint) or (hint,))
    return (*kinds, int) if float in kinds else kinds


_KINDS = {
    name: (tuple,) if get_origin(hint) is tuple else _kinds_of(hint)
    for name, hint in get_type_hints(Row).items()
}


def is_sound(row: Row) -> bool:
    """Whether a row can be one of ours: a file can be edited by hand, and says anything then."""
    numbers = [getattr(row, name) for name in _NUMBERS]
    tokens = [getattr(row.usage, name, "") for name in _TOKENS]
    return (
        all(isinstance(getattr(row, name), kinds) for name, kinds in _KINDS.items())
        and (row.status == "ok" or row.status in FAILURES)
        and all(each is None or 0 <= each < _LARGEST for each in numbers)
        and all(each is None or (type(each) is int and 0 <= each < _LARGEST) for each in tokens)
        and all(isinstance(each, str) for each in (*row.notes, *row.dropped))
    )


def pack_output(row: Row) -> Packed:
    """The row as the file has it."""
    facts = {name: getattr(row, name) for name in _FACTS}
    facts["usage"] = {name: getattr(row.usage, name) for name in _TOKENS}
    reply = row.reply
    if reply is not None and not reply.isascii():
        # Half a pair of surrogates, which a server may well send, has no bytes.
        reply = reply.encode("utf-8", "replace").decode()
    return row.key, row.at, row.status, int(row.answered), reply, json.dumps(facts)


def read_row(id: int, packed: Packed | None) -> Row | None:  # noqa: A002
    """The row, or None if somebody else's hand has broken it."""
    if packed is None:
        return None
    try:
        key, at, status, _, reply, words = packed
        facts = _read_facts(words)
        status = current_status(status, facts.get("code", ""))
        sound = isinstance(key, str) and isinstance(at, float | int) and 0 <= at < _LARGEST
        sound = sound and isinstance(reply, str | None) and status in ("ok", *FAILURES)
        return Row(id=id, key=key, at=at, status=status, reply=reply, **facts) if sound else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


@lru_cache(maxsize=1024)  # rows that no call made all have the same facts
def _read_facts(words: str) -> dict[str, Any]:
    """The facts of a row, those that this version knows; ValueError and its like if not sound."""
    saved = json.loads(words)
    facts = {name: saved[name] for name in _FACTS if name in saved}
    facts["usage"] = Usage(**facts["usage"])
    facts["form"] = facts["form"] and ResponseFormat(facts["form"])
    facts["mode"] = facts["mode"] and Enforcement(facts["mode"])
    for name in ("notes", "dropped"):
        facts[name] = tuple(facts[name]) if isinstance(facts[name], list) else None
    if not is_sound(Row(key="", status="ok", **facts)):
        raise ValueError
    return facts


def current_status(status: str, code: str) -> str:
    """The class of a row as it is called now: failures of this package were bad requests once."""
    return "InternalError" if (status, code) == ("BadRequest", "internal") else status


# -- The journal: rows by their ids and keys, on disk or, while that fails, in memory.

_LOOK_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_OPEN_SECONDS = 2.0
_GENERATION = 1 << 40
"""Ids of a file that took the place of another begin anew after this many."""
_KEPT_BYTES = 4_000_000
"""The newest rows stay in memory too, up to this size: no damage to the file takes them."""


class Journal:
    """An append-only table of rows in one SQLite file, or in memory; safe from any thread.

    `path=None` is the user's cache folder, `path=False` memory. Rows that the disk does not take
    stay in memory and are written as soon as it does; `notice` says so, and where the rows are if
    that is not where they were wanted.

    >>> journal = Journal(False)
    >>> journal.get(journal.put(Row(key="a", status="ok", reply="{}"))).reply
    '{}'
    """

    def __init__(self, path: str | Path | bool | None = None) -> None:
        self._wanted, self._place = journal_file.journal_location(path)
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._recovered: list[str] = []
        self._changes: list[str] = []
        self._file: JournalFile | None = None
        self._waiting = WaitingRows() if self._wanted is None else waiting_for(self._wanted)
        self._ids = array("q")
        self._newest: tuple[int, Packed] | None = None
        self._kept: dict[int, Packed] = {}
        self._kept_bytes = 0
        self._rescued: dict[int, Packed | None] = {}
        self._generation = 0
        self._foreign = False
        self._looked = self._tried = time.monotonic()
        self._open(_OPEN_SECONDS)
        if self._foreign:
            why, step = self._waiting.why
            self._waiting.why = ("", "")
            raise FieldError({"journal": f"{why}."}, f"{step}, one that is new or a journal.")
        self._changed_at_opening = list(self._changes)

    @property
    def path(self) -> Path | None:
        """The file that takes the rows; None if they are in memory."""
        return self._wanted if self._file is not None and self._file.writable else None

    @property
    def notice(self) -> str:
        """Where the rows are if that is not where they were wanted, and why; else empty."""
        with self._lock:
            sentence, hint = self.trouble
            made = "" if sentence else "; it was made again with the replies of this session"
            lost = sum(each is None for each in self._rescued.values())
            made += f", except {lost:,} that could not be read." if lost else "."
            parts = [self._place, *(f"{each}{made}" for each in self._changes), *self._recovered]
            return " ".join(part for part in (*parts, sentence, hint) if part)

    @property
    def trouble(self) -> tuple[str, str]:
        """What keeps rows from the disk now, with the next step; two empty strings: nothing."""
        why, step = self._waiting.why
        if not why:
            return "", ""
        waiting = len(self._waiting.waiting)
        kept = count(waiting, "reply is", "replies are") if waiting else "Replies are"
        return (
            f"journal: {why}. {kept} kept in memory until this process ends.",
            f"{step} and run again in this session: they are then written, not asked for again; or"
            " save() the comparison.",
        )

    def begin(self) -> None:
        """A run begins: what was fixed before is not reported again, but for what opening found."""
        with self._lock:
            if not self.trouble[0]:
                self._recovered, self._changes = [], self._changed_at_opening
                self._changed_at_opening = []

    # -- rows ------------------------------------------------------------------------------------

    def put(self, row: Row) -> int:
        """Write the row; it is committed, or in memory, when this returns. The row's id."""
        packed = pack_output(row)
        with self._lock:
            file, now = self._own_file(), time.monotonic()
            if now - self._looked > _LOOK_SECONDS:
                self._look()
                file = self._file
            in_memory = self._waiting.waiting or self._waiting.why[0]
            if file is not None and file.writable and not in_memory:
                try:
                    rowid = int(file.connection.execute(INSERT, packed).lastrowid or 0)
                except sqlite3.DatabaseError as error:
                    self._fail(error)
                else:
                    self._newest = (rowid, packed)
                    return self._remember(rowid, packed)
            waiting_id = self._waiting.add(packed)
            if not self._waiting.why[0] or now - self._tried > _RETRY_SECONDS:
                self._write_waiting(RETRY_BUSY_SECONDS)
        return waiting_id

    def get(self, id: int) -> Row:  # noqa: A002
        """The row of this id; KeyError if there is none.

        One that the file has no more, or broken, is an InternalError, so that the others can be
        looked at.
        """
        with self._lock:
            packed = self._rescued.get(id) or self._waiting.rows.get(id) or self._on_disk(id)
            row = read_row(id, packed) or read_row(id, self._kept.get(id))
        if row is not None:
            return row
        failure = InternalError(
            f"The journal {self._wanted} no longer has this reply.",
            "Run the comparison again to ask for what is missing.",
            code=FailureCode.JOURNAL.value,
        )
        return Row.of_failure("", failure, id=id)

    def get_all(self, ids: Sequence[int]) -> list[Row]:
        """The rows of these ids, read at once; each as `get` has it, which looks closer."""
        with self._lock:
            file, start = self._own_file(), self._generation * _GENERATION
            plain = [each - start for each in ids if each not in self._rescued]
            found = file.rows(plain) if file is not None else {}
        return [read_row(id_, found.get(id_ - start)) or self.get(id_) for id_ in ids]

    def find(self, key: str) -> Row | None:
        """The newest row of this question that the model answered, or None."""
        with self._lock:
            waiting_id = self._waiting.by_key.get(key)
            if waiting_id is not None:
                return read_row(waiting_id, self._waiting.rows[waiting_id])
            row = self._select(SELECT_NEWEST, key)
            return None if row is None else read_row(self._remember(row[0], row[1:]), row[1:])

    def put_look(self, scored: int, keys: Sequence[Sequence[str]]) -> None:
        """Note that a verdict on `scored` texts was looked at, with some keys of each variant.

        If the disk does not take it, the count is lost, nothing else.
        """
        with self._lock, suppress(sqlite3.Error):
            file = self._own_file()
            if keys and file is not None and file.writable:
                file.connection.execute(
                    "INSERT INTO look (scored, keys) VALUES (?, ?)", (scored, json.dumps(keys))
                )

    def looks(self, ids: Collection[int]) -> set[int]:
        """On how many texts verdicts were looked at that had these rows in them.

        Two variants of a look are enough, or its only one: they were compared.
        """
        looks = set[int]()
        with self._lock, suppress(sqlite3.Error, ValueError, TypeError):
            file = self._own_file()
            if file is None:
                return looks
            for scored, keys in file.connection.execute("SELECT scored, keys FROM look"):
                variants = json.loads(keys)
                here = sum(all(self._answers(file, key, ids) for key in each) for each in variants)
                if here >= min(2, len(variants)):
                    looks.add(int(scored))
            return looks
        return set()

    def _answers(self, file: JournalFile, key: str, ids: Collection[int]) -> bool:
        rows = file.connection.execute(
            "SELECT id FROM extraction WHERE key = ? AND answered", (key,)
        )
        return any(rowid + self._generation * _GENERATION in ids for (rowid,) in rows)

    def __len__(self) -> int:
        with self._lock:
            select = "SELECT count(*) FROM extraction"
            # A damaged file is replaced by one with the same rows when it fails.
            counted = self._select(select) or self._select(select)
            on_disk = counted[0] if counted else len(self._ids)
            return len(self._waiting.waiting) + int(on_disk)

    def __bool__(self) -> bool:
        # An empty journal is still one: `journal or Journal()` must not swap it.
        return True

    def settle(self) -> None:
        """A run ends: what waits is written if the disk takes it, and the newest row looked for.

        The look is from outside, so that a file that was overwritten under our hands is noticed.
        """
        with self._lock:
            self._look()
            if self._waiting.waiting or self._waiting.why[0]:
                self._write_waiting(BUSY_SECONDS)
            elif self._file is not None and self._newest is not None:
                change = self._file.change(self._newest)
                self._newest = None
                if change is not None:
                    self._begin_again(change)

    def close(self) -> None:
        """Close the file; the journal cannot be used afterwards."""
        with self._lock:
            if self._file is not None:
                self._file.close()

    def __del__(self) -> None:
        file = getattr(self, "_file", None)
        if file is not None and self._pid == os.getpid():
            file.close()

    # -- memory and disk -------------------------------------------------------------------------

    def _own_file(self) -> JournalFile | None:
        """The open file, which is this process's own; None if it could not be opened."""
        # SQLite's handles must not cross a fork; the child opens the file anew and never touches
        # its parent's handle.
        if self._pid != os.getpid():
            _left_by_parents.append(self._file)
            self._pid, self._file = os.getpid(), None
            self._open(BUSY_SECONDS)
        return self._file

    def _select(self, select: str, *values: object) -> Any:
        """The first row of the file's answer; None without one, and if the file fails."""
        file = self._own_file()
        try:
            return file and file.connection.execute(select, values).fetchone()
        except sqlite3.DatabaseError as error:
            self._fail(error)
            return None

    def _remember(self, rowid: int, packed: Packed) -> int:
        """The id of a row that somebody now has, so that no damage to the file takes it."""
        id_ = rowid + self._generation * _GENERATION
        if self._wanted is None:
            return id_
        self._ids.append(id_)
        if id_ not in self._kept:
            self._kept[id_] = packed
            self._kept_bytes += _size(packed)
            while self._kept_bytes > _KEPT_BYTES:
                self._kept_bytes -= _size(self._kept.pop(next(iter(self._kept))))
        return id_

    def _on_disk(self, id_: int) -> Packed | None:
        """The row as the file has it, or as it was kept; KeyError for an unknown id."""
        generation, rowid = divmod(id_, _GENERATION)
        own = generation == self._generation
        packed: Packed | None = self._select(SELECT_ROW, rowid) if own else None
        packed = packed or self._rescued.get(id_) or self._kept.get(id_)
        if packed is None and id_ not in self._rescued and id_ not in self._ids:
            raise KeyError(id_)
        return packed

    # -- trouble ---------------------------------------------------------------------------------

    def _open(self, seconds: float) -> None:
        """Open the file; if that fails, read it if possible, and keep new rows in memory."""
        if self._wanted is None:
            self._file = JournalFile(None)
            return
        try:
            try:
                self._file = JournalFile(self._wanted, seconds)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._set_aside("is damaged")
                self._file = JournalFile(self._wanted, seconds)
        except (OSError, sqlite3.DatabaseError) as error:
            self._waiting.why = reason(error, self._wanted)
            self._file = None
            self._foreign = isinstance(error, NotAJournal)
            # While another process writes it, what is read without a lock may be half of two.
            if not is_locked(error):
                with suppress(OSError, sqlite3.DatabaseError):
                    self._file = JournalFile(self._wanted, to_read=True)

    def _look(self) -> None:
        """Notice what became of the file under our hands: deleted, replaced, cut short."""
        self._looked = time.monotonic()
        file = self._file
        if file is None or self._wanted is None:
            return
        change = file.change()
        if change is not None:
            self._begin_again(change)
        elif file.writable and file.siblings_gone():
            try:
                file.copy_over()
            except (OSError, sqlite3.DatabaseError) as error:
                self._fail(error)
            else:
                self._changes.append(
                    f"journal: a part of {self._wanted} was deleted while it was in use"
                )

    def _fail(self, error: OSError | sqlite3.DatabaseError) -> None:
        """The disk did not do what it was asked to: rows go to memory, or a new file is begun."""
        if isinstance(error, sqlite3.ProgrammingError) or self._wanted is None:
            raise error
        change = self._file.change() if self._file is not None else None
        if change is not None or is_damage(error):
            self._begin_again(change or "damaged")
            return
        self._waiting.why = reason(error, self._wanted)
        self._tried = time.monotonic()

    def _begin_again(self, change: Change) -> None:
        """The file is not what it was: rows of this session are saved from it into a new one."""
        assert self._wanted is not None
        for id_ in self._ids:
            if id_ in self._rescued:
                continue
            packed = self._kept.get(id_)
            if packed is None and self._file is not None:
                with suppress(sqlite3.DatabaseError):
                    select = self._file.connection.execute
                    packed = select(SELECT_ROW, (id_ % _GENERATION,)).fetchone()
            self._rescued[id_] = packed
            if packed is not None:
                self._waiting.add(packed)
        old, self._file = self._file, None
        self._generation += 1
        self._ids, self._newest = array("q"), None
        try:
            if change == "damaged":
                self._set_aside("was damaged while it was in use")
            else:
                self._changes.append(f"journal: {self._wanted} was {change} while it was in use")
        except OSError as error:
            self._waiting.why = reason(error, self._wanted)
        # Only now: closed before, it would be written to once more.
        if old is not None:
            old.close()
        self._write_waiting(BUSY_SECONDS)

    def _set_aside(self, what: str) -> None:
        assert self._wanted is not None
        kept = journal_file.set_aside(self._wanted)
        self._changes.append(f"journal: {self._wanted} {what}, and kept as {kept.name}")

    def _write_waiting(self, seconds: float) -> None:
        """Write what waits, as far as the disk takes it by now; wait this long for a lock."""
        assert self._wanted is not None
        self._tried = time.monotonic()
        why, self._waiting.why = self._waiting.why[0], ("", "")
        if self._file is None or not self._file.writable:
            self._open(seconds)
        file = self._file
        if file is None or not file.writable:
            return
        try:
            file.busy_timeout(seconds)
            written = self._waiting.write(file)
            file.busy_timeout(BUSY_SECONDS)
        except sqlite3.DatabaseError as error:
            self._waiting.why = reason(error, self._wanted)
            return
        if why:
            were = f" ({written:,} were in memory)" if written else ""
            self._recovered.append(
                f"journal: {why}; that is over, and every reply is on disk now{were}."
            )


_left_by_parents: list[JournalFile | None] = []


def _size(packed: Packed) -> int:
    return 400 + len(packed[4] or "") + len(packed[5])
