"""A journal's SQLite file: opened, watched, replaced; what is wrong with it, in words."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Literal
from urllib.parse import quote
from weakref import WeakValueDictionary

from llmwidgets.engine.journal_rows import Packed, repeated_id
from llmwidgets.errors import read_path

Change = Literal["deleted", "replaced", "emptied", "damaged"]

# The engine's loop waits for as long, so a lock that lasts means memory, and another try later.
BUSY_SECONDS = 0.5
RETRY_BUSY_SECONDS = 0.05
_MOST_FACTS = 1_000
# SQLite needs 32 kB for the memory that its connections share, and some pages for a row.
_ROOM = 65_536

CREATE_FACTS = (
    "CREATE TABLE IF NOT EXISTS fact (id BLOB PRIMARY KEY, words TEXT NOT NULL) WITHOUT ROWID"
)
# The table that tells a journal comes first: another process can open the file in between.
_TABLE = f"""
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
{CREATE_FACTS};
CREATE TABLE IF NOT EXISTS look (
    id INTEGER PRIMARY KEY,
    scored INTEGER NOT NULL,
    keys TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS run (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    token TEXT NOT NULL,
    facts TEXT NOT NULL,
    cells BLOB NOT NULL,
    scored TEXT,
    scores BLOB
);
"""
# Answers "delete" instead of "wal" if the file system cannot share memory; both are safe.
_SETUP = f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;{_TABLE}"
_COLUMNS = "key, at, status, answered, reply, facts"
# The row goes in only next to the facts that it shares: somebody may have deleted them.
_INSERT = (
    f"INSERT INTO extraction ({_COLUMNS}) SELECT ?1, ?2, ?3, ?4, ?5, ?6"
    " WHERE ?7 IS NULL OR EXISTS (SELECT 1 FROM fact WHERE id = ?7)"
)
_INSERT_FACT = "INSERT OR IGNORE INTO fact (id, words) VALUES (?, ?)"
SELECT_ID = "SELECT id FROM extraction WHERE id = ?"
SELECT_ROW = f"SELECT {_COLUMNS} FROM extraction WHERE id = ?"
# A hash is bytes; version 0.1.0 wrote it as text. The sign keeps SQLite to the index of keys.
SELECT_ANSWERS = "SELECT id FROM extraction WHERE key IN (?, ?) AND answered"
SELECT_NEWEST = (
    f"SELECT id, {_COLUMNS} FROM extraction WHERE key IN (?, ?) AND answered"
    " ORDER BY +id DESC LIMIT 1"
)
DELETE_BEFORE = "DELETE FROM extraction WHERE at < ?"
DELETE_UNUSED_FACTS = (
    "DELETE FROM fact WHERE id NOT IN"
    " (SELECT substr(facts, 2, 8) FROM extraction WHERE typeof(facts) = 'blob')"
)
# Two processes, or two journals of one process, can write the same waiting row.
_INSERT_ONCE = (
    f"INSERT INTO extraction ({_COLUMNS}) SELECT ?1, ?2, ?3, ?4, ?5, ?6"
    " WHERE NOT (?4 AND EXISTS (SELECT 1 FROM extraction WHERE key = ?1 AND answered AND at = ?2))"
)
_SIBLINGS = ("-wal", "-shm")
_SUFFIXES = frozenset({".sqlite", ".sqlite3", ".db"})
_DAMAGED = frozenset({"SQLITE_CORRUPT", "SQLITE_NOTADB"})
_LOCKED = frozenset({"SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL"})


class NotAJournal(sqlite3.DatabaseError):
    """The file is somebody's own: a text, or a database with other tables. It stays as it is."""


class JournalFile:
    """One open file, or memory where `path` is None; raises sqlite3.Error and OSError.

    With `to_read` the file is read although nothing can be written next to it (a full disk, a
    file system without the right to write).
    """

    def __init__(
        self, path: Path | None, seconds: float = BUSY_SECONDS, *, to_read: bool = False
    ) -> None:
        self.path, self.writable = path, not to_read
        if path is None:
            self.connection = _open(":memory:", _SETUP)
        elif to_read:
            # Without the shared memory of a log there is only this way.
            self.connection = _open(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
        else:
            make_private(path)
            try:
                self.connection = _open(str(path), _SETUP, seconds)
            except sqlite3.DatabaseError as error:
                # What is named like a database may be a journal that was damaged.
                if _primary(error) == "SQLITE_NOTADB" and path.suffix.lower() not in _SUFFIXES:
                    raise NotAJournal from None
                raise
        self._seen = _stats(path) if path else {}
        self._facts: dict[bytes, str] = {}

    def close(self) -> None:
        self.connection.close()

    def busy_timeout(self, seconds: float) -> None:
        """Wait this long for another process's lock."""
        self.connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")

    def rows(self, ids: Sequence[int]) -> dict[int, Packed]:
        """The rows of these ids, as far as there are any; none if the file fails."""
        marks = ", ".join("?" * len(ids))
        select = f"SELECT id, {_COLUMNS} FROM extraction WHERE id IN ({marks})"
        with suppress(sqlite3.Error):
            found = self.connection.execute(select, ids).fetchall()
            return {row[0]: (*row[1:], self._repeated(row[-1])) for row in found}
        return {}

    def first(self, select: str, *values: object) -> Any:
        """The first row of the answer, with the facts that it shares where it is one; or None."""
        row = self.connection.execute(select, values).fetchone()
        return row and (*row, self._repeated(row[-1]))

    def _repeated(self, facts: str | bytes) -> str:
        known = repeated_id(facts)
        if known is None:
            return ""
        if known not in self._facts:
            found = self.connection.execute("SELECT words FROM fact WHERE id = ?", (known,))
            row = found.fetchone()
            if row is None:
                return ""
            if len(self._facts) >= _MOST_FACTS:
                self._facts.clear()
            (self._facts[known],) = row
        return self._facts[known]

    def insert(self, rows: Sequence[Packed]) -> list[int]:
        """Write all rows and commit them, or write none; their ids."""
        if len(rows) == 1:
            # By itself a statement is a transaction, and nearly always the facts are there.
            cursor = self.connection.execute(_INSERT, _values_of(rows[0]))
            if cursor.rowcount:
                return [cursor.lastrowid or 0]
        with self._transaction() as cursor:
            return [_insert(cursor, row) for row in rows]

    def insert_all(self, rows: Sequence[Packed]) -> None:
        """Write all rows, or none; those that are there already are left."""
        facts = {known: row[6] for row in rows if (known := repeated_id(row[5]))}
        with self._transaction() as cursor:
            cursor.executemany(_INSERT_FACT, facts.items())
            cursor.executemany(_INSERT_ONCE, (row[:6] for row in rows))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        with closing(self.connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise

    def change(self, newest: tuple[int, Packed] | None = None) -> Change | None:
        """What has become of the file since it was opened: None if it is as it was.

        `newest` is a row that must be in it: a second connection, which shares no memory with
        the first, looks for it. A few microseconds without; opening a file of SQLite's in any
        other way would take its locks away.
        """
        if self.path is None:
            return None
        try:
            now = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return "deleted"
        except OSError:
            return None
        before = self._seen.get("")
        if before is None or not os.path.samestat(now, before):
            return "replaced"
        shrunk, self._seen[""] = now.st_size < before.st_size, now
        return self._seen_from_outside(newest) if shrunk or newest else None

    def siblings_gone(self) -> bool:
        """Whether a file that SQLite keeps next to it was deleted or replaced."""
        now = _stats(self.path) if self.path else {}
        kept = (end for end in _SIBLINGS if end in self._seen)
        return any(
            end not in now or not os.path.samestat(now[end], self._seen[end]) for end in kept
        )

    def copy_over(self) -> None:
        """Put a whole copy, log included, in the file's place and go on with it.

        The open file still has every row; whoever opens it by its name would miss those of the
        log, and two logs would damage it.
        """
        assert self.path is not None
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        try:
            make_private(part)
            with closing(sqlite3.connect(part)) as copy:
                self.connection.backup(copy)
            for end in _SIBLINGS:
                self.path.with_name(self.path.name + end).unlink(missing_ok=True)
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)
        old, self.connection = self.connection, _open(str(self.path), _SETUP)
        old.close()
        self._seen = _stats(self.path)

    def _seen_from_outside(self, newest: tuple[int, Packed] | None) -> Change | None:
        address = f"file:{quote(str(self.path))}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)) as other:
                kept = None
                if newest is not None:
                    kept = other.execute(
                        "SELECT key FROM extraction WHERE id = ?", newest[:1]
                    ).fetchone()
                other.execute("SELECT id FROM extraction ORDER BY id DESC LIMIT 1").fetchone()
        except sqlite3.DatabaseError as error:
            return "damaged" if is_damage(error) or "no such" in str(error) else None
        return "emptied" if newest is not None and kept != (newest[1][0],) else None


def _insert(cursor: sqlite3.Cursor, row: Packed) -> int:
    cursor.execute(_INSERT, _values_of(row))
    if not cursor.rowcount:
        cursor.execute(_INSERT_FACT, (repeated_id(row[5]), row[6]))
        cursor.execute(_INSERT, _values_of(row))
    return cursor.lastrowid or 0


def _values_of(row: Packed) -> tuple[Any, ...]:
    return (*row[:6], repeated_id(row[5]))


def is_damage(error: BaseException) -> bool:
    """Whether SQLite says that the file's content is broken."""
    return _primary(error) in _DAMAGED


def is_locked(error: BaseException) -> bool:
    """Whether another process has the file."""
    return _primary(error) in _LOCKED


def reason(error: sqlite3.Error | OSError, path: Path) -> tuple[str, str]:
    """What is wrong with the journal at this path, and what fixes it."""
    if isinstance(error, NotAJournal):
        return f"{path} is a file of another kind, and was left as it is", "Name another file"
    code = error.errno if isinstance(error, OSError) else None
    name = _primary(error)
    if name == "SQLITE_CANTOPEN" and path.is_dir():
        return f"{path} is a folder; without cluster= a journal is a file", "Name a file"
    if name in {"SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_FULL"}:
        # SQLite reports a full disk and a quota in three ways; the file system knows.
        code = _of_file_system(path) or code
    if code == errno.ENOSPC or (code is None and name == "SQLITE_FULL"):
        return f"no space left on {path}", "Free space"
    if code in {errno.EDQUOT, errno.EFBIG}:
        return f"no space left on {path} (a quota or a limit is reached)", "Free space"
    if name in _LOCKED:
        return f"{path} is locked by another process", "End the process that uses it"
    if code == errno.EROFS or name == "SQLITE_READONLY":
        return f"{path} is read-only", "Make it writable"
    if code in {errno.EACCES, errno.EPERM}:
        return f"{path} may not be written", "Allow yourself to write there"
    # SQLite adds the text that it could not decode, which is a part of somebody's document.
    why = getattr(error, "strerror", None) or str(error).partition(" with text ")[0]
    return f"{path} cannot be used ({why})", "Correct that"


def _primary(error: BaseException) -> str:
    # Extended codes, such as SQLITE_BUSY_SNAPSHOT, begin with the primary one.
    return "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])


def _of_file_system(path: Path) -> int | None:
    """What the file system says to a small nameless file that is as long as the journal."""
    try:
        with TemporaryFile(dir=path.parent, buffering=0) as probe:
            probe.seek(max((stat.st_size for stat in _stats(path).values()), default=0))
            probe.write(bytes(_ROOM))
    except OSError as error:
        return error.errno
    return None


def _stats(path: Path) -> dict[str, os.stat_result]:
    """What the file system knows of the file ("") and of those next to it, if they exist."""
    stats = {}
    for end in ("", *_SIBLINGS):
        with suppress(OSError):
            stats[end] = os.stat(f"{path}{end}")
    return stats


def _open(
    path: str, setup: str = "", seconds: float = BUSY_SECONDS, *, uri: bool = False
) -> sqlite3.Connection:
    database = sqlite3.connect(
        path, timeout=seconds, isolation_level=None, check_same_thread=False, uri=uri
    )
    try:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        if setup and tables and ("extraction",) not in tables:
            raise NotAJournal
        database.executescript(setup)
        database.execute(f"SELECT {_COLUMNS} FROM extraction LIMIT 1")
        database.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
    except sqlite3.Error:
        database.close()
        raise
    return database


# -- Where the journal is: the user's cache folder, local temporary space, or memory.

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "lustre", "gpfs", "beegfs", "ceph"}
    | {"glusterfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.gcsfuse"}
    | {"fuse.rclone", "fuse.blobfuse", "fuse.blobfuse2"}
)
_BESIDE = ("-wal", "-shm", "-journal")


def journal_location(wanted: str | Path | bool | None) -> tuple[Path | None, str]:
    """The journal's file (None: memory), and a sentence if it is not in the usual place."""
    if wanted is False:
        return None, "The journal is in memory: results last as long as this process."
    if wanted is not None and wanted is not True:
        return read_path(wanted, "journal").absolute(), ""
    if "BINDER_SERVICE_HOST" in os.environ:
        return None, "On Binder the journal is in memory: save the comparison to keep it."
    usual = default_journal_path()
    if not is_on_network(usual):
        return usual, ""
    local = _own_folder() / usual.name
    return local, (
        f"The cache folder {usual.parent} is on a network file system, so the journal is at"
        f" {local}; give journal=PATH to keep it elsewhere."
    )


def default_journal_path() -> Path:
    """The journal in the user's cache folder."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("llmwidgets", appauthor=False)) / "journal.sqlite"


def is_on_network(path: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether the path lies on a network file system, where SQLite's locks cannot be trusted.

    Read from the list of mounts; False if the system has no such list.
    """
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    kinds = {}
    for line in lines:
        parts = line.split(" ")
        if len(parts) > 2:
            kinds[parts[1].replace("\\040", " ")] = parts[2]
    place = Path(os.path.realpath(path))
    for folder in (place, *place.parents):
        if str(folder) in kinds:
            return kinds[str(folder)] in _NETWORK
    return False


def make_private(path: Path) -> None:
    """The file exists and only its owner can read it, from its first byte on.

    OSError if the file, or one that SQLite keeps next to it, is a link: what it points to would
    be written into.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in (path, *(path.with_name(path.name + end) for end in _BESIDE)):
        if each.is_symlink():
            raise OSError(errno.ELOOP, f"{each.name} is a link")
    # Another process may make it in the same moment.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def set_aside(path: Path) -> Path:
    """Rename a damaged file so that it is kept; its new place."""
    name = f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    kept = next(each for each in map(path.with_name, names) if not each.exists())
    path.replace(kept)
    for suffix in ("-wal", "-shm"):
        extra = path.with_name(path.name + suffix)
        if extra.exists():
            extra.replace(kept.with_name(kept.name + suffix))
    return kept


def _own_folder() -> Path:
    if not hasattr(os, "getuid"):
        return Path(tempfile.gettempdir()) / "llmwidgets"
    folder = Path(tempfile.gettempdir()) / f"llmwidgets-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        # The name can be foreseen, so on a shared machine somebody else may have made the folder.
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return Path(tempfile.mkdtemp(prefix="llmwidgets-"))
    except OSError:
        # Reported when the journal is opened there, with what is wrong.
        pass
    return folder


# -- Rows that the disk has not taken yet: shared by all journals of one file in this process.

_BATCH = 500


@dataclass(eq=False)
class WaitingRows:
    """Rows in memory, by ids below 0; `why` is what kept them from the disk, and the next step.

    They can be read for as long as a journal of this file is used, and are kept for the next
    one while any of them waits.
    """

    rows: dict[int, Packed] = field(default_factory=dict)
    waiting: deque[Packed] = field(default_factory=deque)
    by_key: dict[str | bytes, int] = field(default_factory=dict)
    """The newest of those that wait, by its key, if the model answered."""
    why: tuple[str, str] = ("", "")
    lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, row: Packed) -> int:
        """Keep a row until the disk takes it; its id."""
        with self.lock:
            at = -len(self.rows) - 1
            self.rows[at] = row
            self.waiting.append(row)
            if row[3]:
                self.by_key[row[0]] = at
            _unwritten.add(self)
        return at

    def write(self, file: JournalFile) -> int:
        """Write every row, in order, as far as the file takes them; raises what it raises.

        How many were written.
        """
        count = 0
        with self.lock:
            while self.waiting:
                batch = list(islice(self.waiting, _BATCH))
                file.insert_all(batch)
                for _ in batch:
                    self.waiting.popleft()
                count += len(batch)
            self.by_key.clear()
            _unwritten.discard(self)
        return count


_by_path: WeakValueDictionary[str, WaitingRows] = WeakValueDictionary()
_unwritten: set[WaitingRows] = set()
_lock = threading.Lock()


def waiting_for(path: Path) -> WaitingRows:
    """The rows of this process that wait for the file."""
    with _lock:
        return _by_path.setdefault(os.path.realpath(path), WaitingRows())
