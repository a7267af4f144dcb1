"""Journal: every extraction on disk before it is shown; hashes of requests, never texts or keys."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from array import array
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from weakref import WeakValueDictionary

from llmwidgets.engine.journal import file as places
from llmwidgets.engine.journal.file import (
    BUSY_SECONDS,
    RETRY_BUSY_SECONDS,
    Change,
    JournalFile,
    is_damage,
    is_locked,
    reason,
)
from llmwidgets.engine.journal.row import Packed, Row, pack_output, read_row
from llmwidgets.errors import FailureCode, InternalError

_LOOK_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_OPEN_SECONDS = 2.0
_GENERATION = 1 << 40
"""Ids of a file that took the place of another begin anew behind this many."""
_KEPT_BYTES = 4_000_000
"""The newest rows stay in memory too, up to this size: no damage to the file takes them."""


class Journal:
    """An append-only table of rows in one SQLite file, or in memory; safe from any thread.

    `path=None` is the user's cache folder, `path=False` memory. Rows that the disk does not take
    stay in memory and are put down as soon as it does; `notice` tells of that, and says where
    the rows are when that is not where they were wanted.

    >>> journal = Journal(False)
    >>> journal.get(journal.put(Row(key="a", status="ok", reply="{}"))).reply
    '{}'
    """

    def __init__(self, path: str | Path | bool | None = None) -> None:
        self._wanted, self._place = places.journal_location(path)
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._told: list[str] = []
        self._changes: list[str] = []
        self._file: JournalFile | None = None
        self._waiting = WaitingRows() if self._wanted is None else waiting_for(self._wanted)
        self._ids = array("q")
        self._newest: tuple[int, Packed] | None = None
        self._kept: dict[int, Packed] = {}
        self._kept_bytes = 0
        self._rescued: dict[int, Packed | None] = {}
        self._generation = 0
        self._looked = self._tried = time.monotonic()
        self._open(_OPEN_SECONDS)
        self._found_at_opening = list(self._changes)

    # -- what is said ----------------------------------------------------------------------------

    @property
    def path(self) -> Path | None:
        """The file that takes the rows; None where they are in memory."""
        return self._wanted if self._file is not None and self._file.writable else None

    @property
    def notice(self) -> str:
        """Where the rows are when that is not where they were wanted, and why; else empty."""
        with self._lock:
            sentence, hint = self.trouble
            made = "" if sentence else "; it was made again with the replies of this session"
            lost = sum(each is None for each in self._rescued.values())
            made += f", except {lost:,} that could not be read." if lost else "."
            parts = [self._place, *(f"{each}{made}" for each in self._changes), *self._told]
            return " ".join(part for part in (*parts, sentence, hint) if part)

    @property
    def trouble(self) -> tuple[str, str]:
        """What keeps rows from the disk now, with the next step; two empty strings: nothing."""
        return self._waiting.told() if self._wanted is not None else ("", "")

    def begin(self) -> None:
        """A run begins: what was mended before is not told again, but for what opening found."""
        with self._lock:
            if not self.trouble[0]:
                self._told, self._changes, self._found_at_opening = [], self._found_at_opening, []

    # -- rows ------------------------------------------------------------------------------------

    def put(self, row: Row) -> int:
        """Put the row down; it is committed, or in memory, when this returns. The row's id."""
        packed = pack_output(row)
        with self._lock:
            file, now = self._now(), time.monotonic()
            if now - self._looked > _LOOK_SECONDS:
                self._look()
                file = self._file
            if file is not None and file.writable and not self._waiting:
                try:
                    return self._given(file.insert(packed), packed, put=True)
                except sqlite3.DatabaseError as error:
                    self._failed(error)
            at = self._waiting.add(packed)
            if not self._waiting.why[0] or now - self._tried > _RETRY_SECONDS:
                self._put_down(RETRY_BUSY_SECONDS)
        return at

    def get(self, id: int) -> Row:  # noqa: A002
        """The row of this id; KeyError where there is none.

        One that the file has no more, or broken, is an InternalError, so that the others can be
        looked at.
        """
        with self._lock:
            packed = self._rescued.get(id) or self._waiting.rows.get(id) or self._on_disk(id)
            found = read_row(id, packed) or read_row(id, self._kept.get(id))
        return found or replace(self._lost(), id=id)

    def find(self, key: str) -> Row | None:
        """The newest row of this question that the model answered, or None."""
        with self._lock:
            found = self._waiting.find(key) or self._found(key)
        return None if found is None else read_row(*found)

    def put_look(self, scored: int, keys: Sequence[Sequence[str]]) -> None:
        """Put down that a verdict on so many texts was looked at, with some keys of each variant.

        Where the disk does not take it the count is lost, nothing else.
        """
        with self._lock, suppress(sqlite3.Error):
            file = self._now()
            if keys and file is not None and file.writable:
                file.put_look(scored, keys)

    def looks(self, ids: Collection[int]) -> set[int]:
        """On how many texts verdicts were looked at that had these rows in them."""
        with self._lock, suppress(sqlite3.Error, ValueError):
            file, behind = self._now(), self._generation * _GENERATION
            if file is not None:
                return file.looks(lambda rowid: rowid + behind in ids)
        return set()

    def __len__(self) -> int:
        with self._lock:
            file = self._now()
            try:
                return len(self._waiting) + (file.count() if file is not None else 0)
            except sqlite3.DatabaseError as error:
                self._failed(error)
                return len(self._ids) + len(self._waiting.rows)

    def __bool__(self) -> bool:
        # An empty journal is still one: `journal or Journal()` must not swap it.
        return True

    def settle(self) -> None:
        """A run ends: what waits is put down if the disk takes it, and the newest row looked for.

        The look is from outside, so that a file that was overwritten under our hands is noticed.
        """
        with self._lock:
            self._look()
            if self._waiting:
                self._put_down(BUSY_SECONDS)
            elif self._file is not None and self._newest is not None:
                changed = self._file.change(self._newest)
                self._newest = None
                if changed is not None:
                    self._begin_again(changed)

    def close(self) -> None:
        """Close the file; the journal cannot be used afterwards."""
        with self._lock:
            if self._file is not None:
                self._file.close()

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None and self._pid == os.getpid():
            self._database.close()

    # -- memory and disk -------------------------------------------------------------------------

    @property
    def _database(self) -> sqlite3.Connection:
        assert self._file is not None
        return self._file.connection

    def _now(self) -> JournalFile | None:
        """The open file, which is this process's own; None where it could not be opened."""
        # SQLite's handles must not cross a fork; the child opens the file anew and never touches
        # its parent's handle.
        if self._pid != os.getpid():
            _left_by_parents.append(self._file)
            self._pid, self._file = os.getpid(), None
            self._open(BUSY_SECONDS)
        return self._file

    def _given(self, rowid: int, packed: Packed, *, put: bool = False) -> int:
        """Note a row that somebody has the id of, so that no damage to the file takes it."""
        at = rowid + self._generation * _GENERATION
        if self._wanted is None:
            return at
        if put:
            self._newest = (rowid, packed)
        self._ids.append(at)
        if at not in self._kept:
            self._kept[at] = packed
            self._kept_bytes += _size(packed)
            while self._kept_bytes > _KEPT_BYTES:
                self._kept_bytes -= _size(self._kept.pop(next(iter(self._kept))))
        return at

    def _on_disk(self, at: int) -> Packed | None:
        """The row as the file has it, or as it was kept; KeyError for an unknown id."""
        generation, rowid = divmod(at, _GENERATION)
        file, found = self._now(), None
        if file is not None and generation == self._generation:
            try:
                found = file.get(rowid)
            except sqlite3.DatabaseError as error:
                self._failed(error)
        found = found or self._rescued.get(at) or self._kept.get(at)
        if found is None and at not in self._rescued and at not in self._ids:
            raise KeyError(at)
        return found

    def _found(self, key: str) -> tuple[int, Packed] | None:
        file = self._now()
        if file is None:
            return None
        try:
            found = file.find(key)
        except sqlite3.DatabaseError as error:
            self._failed(error)
            return None
        return None if found is None else (self._given(*found), found[1])

    def _lost(self) -> Row:
        failure = InternalError(
            f"The journal {self._wanted} no longer has this reply.",
            "Run the comparison again to ask for what is missing.",
            code=FailureCode.JOURNAL,
        )
        return Row.of_failure("", failure)

    # -- trouble ---------------------------------------------------------------------------------

    def _open(self, seconds: float) -> None:
        """Open the file; where that fails, read it if possible, and keep new rows in memory."""
        if self._wanted is None:
            self._file = JournalFile(None)
            return
        try:
            try:
                self._file = JournalFile(self._wanted, seconds)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._set_aside("journal: {} is damaged", self._wanted)
                self._file = JournalFile(self._wanted, seconds)
        except (OSError, sqlite3.DatabaseError) as error:
            self._waiting.why = reason(error, self._wanted)
            # While another process writes it, what is read without a lock may be half of two.
            self._file = None if is_locked(error) else self._to_read(self._wanted)

    def _to_read(self, path: Path) -> JournalFile | None:
        try:
            return JournalFile(path, to_read=True)
        except (OSError, sqlite3.DatabaseError):
            return None

    def _look(self) -> None:
        """Notice what became of the file under our hands: deleted, replaced, cut short."""
        self._looked = time.monotonic()
        if self._file is None or self._wanted is None:
            return
        changed = self._file.change()
        if changed is not None:
            self._begin_again(changed)
        elif self._file.writable and self._file.siblings_gone():
            self._copy_over(self._file)

    def _copy_over(self, file: JournalFile) -> None:
        said = f"journal: a part of {self._wanted} was deleted while it was in use"
        try:
            file.copy_over()
        except (OSError, sqlite3.DatabaseError) as error:
            self._failed(error)
        else:
            self._changes.append(said)

    def _failed(self, error: OSError | sqlite3.DatabaseError) -> None:
        """The disk did not do what it was asked to: rows go to memory, or a new file is begun."""
        if isinstance(error, sqlite3.ProgrammingError) or self._wanted is None:
            raise error
        changed = self._file.change() if self._file is not None else None
        if changed is not None or is_damage(error):
            self._begin_again(changed or "damaged")
            return
        self._waiting.why = reason(error, self._wanted)
        self._tried = time.monotonic()

    def _begin_again(self, changed: Change) -> None:
        """The file is not what it was: rows of this session are saved from it into a new one."""
        assert self._wanted is not None
        for at in self._ids:
            if at not in self._rescued:
                self._rescue(at)
        old, self._file = self._file, None
        self._generation += 1
        self._ids, self._newest = array("q"), None
        try:
            if changed == "damaged":
                self._set_aside("journal: {} was damaged while it was in use", self._wanted)
            else:
                self._changes.append(f"journal: {self._wanted} was {changed} while it was in use")
        except OSError as error:
            self._waiting.why = reason(error, self._wanted)
        # Only now: closed before, it would be written to once more.
        if old is not None:
            old.close()
        self._put_down(BUSY_SECONDS)

    def _rescue(self, at: int) -> None:
        packed = self._kept.get(at)
        if packed is None and self._file is not None:
            try:
                packed = self._file.get(at % _GENERATION)
            except sqlite3.DatabaseError:
                packed = None
        self._rescued[at] = packed
        if packed is not None:
            self._waiting.add(packed)

    def _set_aside(self, said: str, path: Path) -> None:
        self._changes.append(f"{said.format(path)}, and kept as {places.set_aside(path).name}")

    def _put_down(self, seconds: float) -> None:
        """Put down what waits, as far as the disk takes it by now; wait so long for a lock."""
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
            many = self._waiting.put_down(file)
            file.busy_timeout(BUSY_SECONDS)
        except sqlite3.DatabaseError as error:
            self._waiting.why = reason(error, self._wanted)
            return
        if why:
            told = f" ({many:,} were in memory)" if many else ""
            self._told.append(
                f"journal: {why}; that is over, and every reply is on disk now{told}."
            )


_left_by_parents: list[JournalFile | None] = []


def _size(packed: Packed) -> int:
    return 400 + len(packed[4] or "") + len(packed[5])


# -- Rows that the disk has not taken yet: shared by all journals of one file in this process.

_BATCH = 500
_HOW = "in this session: they are then written, not asked for again; or save() the comparison."


class WaitingRows:
    """Rows in memory, by ids below 0; `why` is what kept them from the disk.

    They can be read for as long as a journal of this file is used, and are kept for the next
    one while any of them waits.
    """

    def __init__(self) -> None:
        self.rows: dict[int, Packed] = {}
        self.waiting: deque[Packed] = deque()
        self.why = ("", "")
        self.lock = threading.RLock()
        self._by_key: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.waiting)

    def __bool__(self) -> bool:
        return bool(self.waiting or self.why[0])

    def told(self) -> tuple[str, str]:
        """What keeps rows from the disk, and the next step; empty strings where nothing does."""
        why, step = self.why
        if not why:
            return "", ""
        many = len(self.waiting)
        kept = f"{many:,} {'reply is' if many == 1 else 'replies are'}" if many else "Replies are"
        said = f"journal: {why}. {kept} kept in memory until this process ends."
        return said, f"{step} and run again {_HOW}"

    def add(self, row: Packed) -> int:
        """Keep a row until the disk takes it; its id."""
        with self.lock:
            at = -len(self.rows) - 1
            self.rows[at] = row
            self.waiting.append(row)
            if row[3]:
                self._by_key[row[0]] = at
            _unwritten.add(self)
        return at

    def find(self, key: str) -> tuple[int, Packed] | None:
        """The id and the row that answered this question last, of those that wait."""
        with self.lock:
            at = self._by_key.get(key)
            return None if at is None else (at, self.rows[at])

    def put_down(self, file: JournalFile) -> int:
        """Put every row into the file, in order, as far as it takes them; raises what it raises.

        How many were put down.
        """
        done = 0
        with self.lock:
            while self.waiting:
                some = list(islice(self.waiting, _BATCH))
                file.insert_all(some)
                for _ in some:
                    self.waiting.popleft()
                done += len(some)
            self._by_key.clear()
            _unwritten.discard(self)
        return done


_by_path: WeakValueDictionary[str, WaitingRows] = WeakValueDictionary()
_unwritten: set[WaitingRows] = set()
_lock = threading.Lock()


def waiting_for(path: Path) -> WaitingRows:
    """The rows of this process that wait for the file."""
    with _lock:
        return _by_path.setdefault(os.path.realpath(path), WaitingRows())


__all__ = [
    "Journal",
    "Row",
]
