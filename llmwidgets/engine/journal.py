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
from pathlib import Path
from typing import Any

from llmwidgets.engine import journal_file
from llmwidgets.engine.journal_file import (
    BUSY_SECONDS,
    RETRY_BUSY_SECONDS,
    SELECT_ANSWERS,
    SELECT_ID,
    SELECT_NEWEST,
    SELECT_ROW,
    Change,
    JournalFile,
    NotAJournal,
    WaitingRows,
    is_damage,
    is_locked,
    reason,
    waiting_for,
)
from llmwidgets.engine.journal_rows import (
    NO_OUTPUT,
    Packed,
    Row,
    current_status,
    is_sound,
    pack_key,
    pack_output,
    read_row,
)
from llmwidgets.errors import FailureCode, FieldError, InternalError
from llmwidgets.formatting import count

__all__ = ["NO_OUTPUT", "Journal", "Row", "current_status", "is_sound"]

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
    def on_disk(self) -> bool:
        """Whether a file is to take the rows, also while it does not."""
        return self._wanted is not None

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

    def is_sound_at(self, path: Path) -> bool:
        """Whether it writes to this file, which is as it was, and there was no trouble with it."""
        with self._lock:
            file = self._own_file() if self._wanted == path else None
            if file is None or not file.writable or self.trouble[0] or self._waiting.waiting:
                return False
            were = self._changes or self._recovered or self._rescued
            return not were and file.change() is None and not file.siblings_gone()

    def reopened(self) -> Journal:
        """The journal of another run that is to find these rows."""
        return self

    # -- rows ------------------------------------------------------------------------------------

    def put(self, row: Row) -> int:
        """Write the row; it is committed, or in memory, when this returns. The row's id."""
        return self.put_all([row])[0]

    def put_all(self, rows: Sequence[Row]) -> list[int]:
        """Write the rows in one transaction, as `put` writes one. Their ids."""
        packed = [pack_output(row) for row in rows]
        with self._lock:
            file, now = self._own_file(), time.monotonic()
            if now - self._looked > _LOOK_SECONDS:
                self._look()
                file = self._file
            in_memory = self._waiting.waiting or self._waiting.why[0]
            if packed and file is not None and file.writable and not in_memory:
                try:
                    rowids = file.insert(packed)
                except sqlite3.DatabaseError as error:
                    self._fail(error)
                else:
                    self._newest = (rowids[-1], packed[-1])
                    return list(map(self._remember, rowids, packed))
            waiting_ids = [self._waiting.add(each) for each in packed]
            if not self._waiting.why[0] or now - self._tried > _RETRY_SECONDS:
                self._write_waiting(RETRY_BUSY_SECONDS)
        return waiting_ids

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
            file, start = self._own_file(), self.offset
            plain = [each - start for each in ids if each not in self._rescued]
            found = file.rows(plain) if file is not None else {}
        return [read_row(id_, found.get(id_ - start)) or self.get(id_) for id_ in ids]

    def find(self, key: str) -> Row | None:
        """The newest row of this question that the model answered, or None."""
        packed_key = pack_key(key)
        with self._lock:
            waiting_id = self._waiting.by_key.get(packed_key)
            if waiting_id is not None:
                return read_row(waiting_id, self._waiting.rows[waiting_id])
            row = self._select(SELECT_NEWEST, packed_key, key)
            return None if row is None else read_row(self._remember(row[0], row[1:]), row[1:])

    @property
    def offset(self) -> int:
        """What the ids of rows have beyond their numbers in the file as it is now."""
        return self._generation * _GENERATION

    def query(self, statement: str, *values: object) -> list[Any]:
        """The file's answer to a statement about a table beside the rows; none if it fails."""
        with self._lock, suppress(sqlite3.Error):
            file = self._own_file()
            if file is not None:
                return file.connection.execute(statement, values).fetchall()
        return []

    def put_look(self, scored: int, keys: Sequence[Sequence[str]]) -> None:
        """Note that a verdict on `scored` texts was looked at, with some keys of each variant.

        If the disk does not take it, the count is lost, nothing else.
        """
        if keys:
            self.query("INSERT INTO look (scored, keys) VALUES (?, ?)", scored, json.dumps(keys))

    def looks(self, ids: Collection[int]) -> set[int]:
        """On how many texts verdicts were looked at that had these rows in them.

        Two variants of a look are enough, or its only one: they were compared.
        """
        looks = set[int]()
        with self._lock, suppress(sqlite3.Error, ValueError, TypeError, RecursionError):
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
        rows = file.connection.execute(SELECT_ANSWERS, (pack_key(key), key))
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
            return file and file.first(select, *values)
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
        known = packed or id_ in self._rescued or id_ in self._ids
        if not known and not (own and self._select(SELECT_ID, rowid)):
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
                    packed = self._file.first(SELECT_ROW, id_ % _GENERATION)
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


_of_last_call: list[Journal] = []


def open_for_call(path: str | Path | bool | None = None) -> Journal:
    """The journal for one call of many: that of the last one, if it is the same file and sound.

    Whoever closes a file as the last one moves its log into it, which takes as long as a call.
    """
    wanted, _ = journal_file.journal_location(path)
    if wanted is None:
        return Journal(path)
    last = [each for each in _of_last_call if each.is_sound_at(wanted)]
    _of_last_call[:] = last  # another file is closed before this one is opened
    journal = last[0] if last else Journal(path)
    _of_last_call[:] = [journal]
    return journal


def _size(packed: Packed) -> int:
    return 400 + len(packed[4] or "") + len(packed[5])
