"""Rows that the disk has not taken yet: shared by all journals of one file in this process."""

from __future__ import annotations

import os
import threading
from collections import deque
from itertools import islice
from pathlib import Path
from weakref import WeakValueDictionary

from llmwidgets.engine.journal.file import JournalFile
from llmwidgets.engine.journal.row import Packed

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
