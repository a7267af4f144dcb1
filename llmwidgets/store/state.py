"""One process's view of the store in a folder: open or locked and why, and what was read of it."""

from __future__ import annotations

import logging
import os
import re
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from enum import Enum
from pathlib import Path

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import (
    AlreadyConnected,
    FieldError,
    StoreLocked,
    check_type,
    read_path,
    unpicklable,
)
from llmwidgets.formatting import count
from llmwidgets.secret import Secret
from llmwidgets.store import identity_sources, trust
from llmwidgets.store.auto_lock import IdleTimer
from llmwidgets.store.document import StoredConnection, StoreDocument, UnreadableConnection
from llmwidgets.store.file import StoreFile, modified_at, writable
from llmwidgets.store.identity_sources import IdentitySource

logger = logging.getLogger(__name__)

_ORGANIZATION = re.compile(r"\w(?:[\w. -]{0,62}\w)?")

IDENTITY = "identity.age"
CONNECTIONS = "connections.age"


class Status(Enum):
    """Whether a store is open in this process; if not, what locked it."""

    OPEN = "open"
    LOCKED = "locked"
    """Nothing has opened it yet."""
    LOCKED_BY_USER = "locked by the user"
    """It stays locked, even if a variable or key file would open it again at once."""
    LOCKED_WHEN_IDLE = "locked when idle"


process_bound = unpicklable(
    "A store cannot be pickled: it is joined to this process, and what opens it stays here. "
    "Name it where it is needed: lw.Store(organization), or lw.Store(path=FOLDER)."
)


@process_bound
class StoreState:
    """What all Stores of one folder share in this process; `folder` is None in memory.

    `source` is the identity that opened it. `document` is the newest that was read, valid while
    the file's bytes are `seen`. `recovery` is the second identity of a store made here, until it
    was taken once. `rolled_back` is the higher revision that this computer saw before. `deleted`
    is the connection deleted last, with its place in the file, until the store is locked.
    `trouble` is what kept a remembered identity from opening it. `by_link` says that a link was
    followed to the folder.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder, self.by_link = folder, False
        self.guard = threading.RLock()
        self.status = Status.LOCKED if folder else Status.OPEN
        self.idle_minutes = 0
        self.source: IdentitySource | None = None
        self.document: StoreDocument | None = None if folder else StoreDocument()
        self.seen: bytes | None = None
        self.recovery: Secret | None = None
        self.rolled_back: int | None = None
        self.deleted: tuple[StoredConnection, int | None] | None = None
        self.trouble, self.keyring_asked = "", False
        self.idle = IdleTimer(folder, self._lock_when_idle)
        self.temporary: dict[str, Connection] = {}
        names = (IDENTITY, CONNECTIONS)
        self._files = {name: StoreFile(folder / name) for name in names} if folder else {}
        self._observers: dict[object, Callable[[], object]] = {}

    @property
    def name(self) -> str:
        """The store in words: `The store in ~/.config/llmwidgets/acme`."""
        if self.folder is None:
            return "The store in memory"
        inside = self.folder.is_relative_to(Path.home())
        path = Path("~") / self.folder.relative_to(Path.home()) if inside else self.folder
        return f"The store in {path}"

    @property
    def argument(self) -> str:
        """What `lw.Store` is called with to name this store: `"acme"`, `path="…"`."""
        if self.folder is not None and self.in_default_folder:
            return f'"{self.folder.name}"'
        return f'path="{self.folder}"'

    @property
    def in_default_folder(self) -> bool:
        """Whether an organization's name alone leads to this folder."""
        return self.folder is not None and self.folder.parent == default_folder("x").parent

    @property
    def lock_reason(self) -> str:
        """Why the store locked itself; empty for any other lock."""
        idle = self.status is Status.LOCKED_WHEN_IDLE
        return f"it was idle for {count(self.idle_minutes, 'minute')}" if idle else ""

    @property
    def exists(self) -> bool:
        return self.folder is None or self.file(CONNECTIONS).exists

    @property
    def has_passphrase(self) -> bool:
        """Whether a passphrase can open the store; one made by a key file has none."""
        return self.folder is not None and self.file(IDENTITY).exists

    @property
    def read_only(self) -> bool:
        """Whether nothing can be saved: the folder takes no files, or the store is newer."""
        if self.folder is None:
            return False
        newer = self.document is not None and self.document.is_newer
        return newer or not writable(self.file(CONNECTIONS).target.parent)

    @property
    def notice(self) -> str:
        """What a user should know about this store, in one or two sentences; often empty."""
        if self.folder is None:
            return "This store lives in memory only: its connections end with the kernel."
        if self.document is not None and self.document.is_newer:
            return "This store was written by a newer llmwidgets; it is read-only here."
        notes = [self.trouble]
        if self.rolled_back is not None:
            old = "The store's file is older than this computer saw it, so nothing is saved in it."
            notes += [old, trust.ROLLBACK_HINT]
        if self.read_only:
            notes.append("The store's folder is read-only: new connections last for this session.")
        listed = self.document.connections if self.document else ()
        odd = [each.label for each in listed if isinstance(each, UnreadableConnection)]
        if odd:
            notes.append(f"This version cannot read {', '.join(odd)}; it is kept as it is.")
        return " ".join(filter(None, notes))

    @property
    def changed_at(self) -> datetime | None:
        """When the store's file was last modified, by any process; None in memory or before it."""
        with suppress(OSError):
            return None if self.folder is None else modified_at(self.file(CONNECTIONS).path)
        return None

    @property
    def deleted_label(self) -> str:
        """The label of the connection deleted last, while `undelete` can help; else empty."""
        return self.deleted[0].label if self.deleted else ""

    def file(self, name: str) -> StoreFile:
        """One of the folder's files; a store in memory has none."""
        return self._files[name]

    def keep(self, document: StoreDocument, seen: bytes | None) -> None:
        """Remember a document that was read or written."""
        self.document, self.seen = document, seen
        if seen is not None:
            self.rolled_back = trust.note_revision(self.folder, document)

    def rename_temporary(self, old: str, renamed: Connection) -> None:
        """Give a session's connection its new label, in the same order; AlreadyConnected."""
        if renamed.label != old and renamed.label in self.temporary:
            message = f"There is a connection {renamed.label} already."
            raise AlreadyConnected(message, "Choose another label.")
        kept = (renamed if each.label == old else each for each in self.temporary.values())
        self.temporary = {each.label: each for each in kept}

    def open_by(self, source: IdentitySource) -> None:
        """Take an identity that opened the store; one from a passphrase is dropped when idle."""
        self.source, self.status = source, Status.OPEN
        if source.by == identity_sources.PASSPHRASE:
            self.idle.start()
        else:
            self.idle.stop()

    def lock(self, status: Status) -> None:
        """Drop the identity and everything it opened; a store in memory stays open."""
        if self.folder is not None:
            self.idle.stop()
            self.source, self.document, self.seen, self.status = None, None, None, status
            self.recovery, self.rolled_back, self.deleted = None, None, None

    def _lock_when_idle(self, minutes: int) -> None:
        with self.guard:
            self.lock(Status.LOCKED_WHEN_IDLE)
            self.idle_minutes = minutes
        self.notify()

    def locked_error(self) -> StoreLocked:
        """The error for a store that nothing here can unlock, with the ways out."""
        again = f" again: {self.lock_reason}" if self.lock_reason else ""
        return StoreLocked(f"{self.name} is locked{again}.", identity_sources.REMEDIES)

    def observe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back after every change, on the thread that made it, until unsubscribed."""
        ticket = object()
        self._observers[ticket] = callback

        def unsubscribe() -> None:
            self._observers.pop(ticket, None)

        return unsubscribe

    def notify(self) -> None:
        """Call every observer; one that fails does not undo what was saved."""
        for callback in list(self._observers.values()):
            try:
                callback()
            except Exception:
                logger.exception("An observer of the store failed.")

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the guard during a change, then call every observer."""
        with self.guard:
            yield
        self.notify()

    def restart(self) -> None:
        """After a fork: no identity, no observers of the parent's page, a free lock."""
        self.guard = threading.RLock()
        self._observers.clear()
        self.keyring_asked = False
        self.lock(Status.LOCKED)


_states: dict[Path, StoreState] = {}
_guard = threading.Lock()


def default_folder(organization: str) -> Path:
    """Where an organization's store lies unless a path is given; FieldError for a wrong name."""
    import platformdirs

    organization = unicodedata.normalize("NFC", organization)
    if not _ORGANIZATION.fullmatch(organization):
        raise FieldError(
            {"organization": "is not a name of an organization."},
            "Use letters, digits, dots, blanks, - and _, at most 64, no dot or blank at the ends.",
        )
    return Path(os.path.realpath(platformdirs.user_config_dir("llmwidgets", False))) / organization


def organizations() -> tuple[str, ...]:
    """The organizations that have a store in the default folder, by name."""
    folder = default_folder("x").parent
    listed = folder.iterdir() if folder.is_dir() else ()
    return tuple(sorted(each.name for each in listed if (each / CONNECTIONS).exists()))


def find_state(organization: str, path: str | Path | None) -> StoreState:
    """The state of an organization's store, or of the one in the folder of this path."""
    check_type("organization", organization, str, "a name as text")
    return state_of(default_folder(organization) if path is None else read_path(path))


def state_of(folder: Path) -> StoreState:
    """The one state of a folder, whatever path leads to it."""
    real = Path(os.path.realpath(folder))
    with _guard:
        state = _states.get(real) or _states.setdefault(real, StoreState(real))
        state.by_link = os.path.islink(folder)
        return state


def find_home(connection: Connection) -> StoreState | None:
    """The store on disk, open in this process, that has this connection with this key; or None.

    Of several that have the same, the one that this very connection was read from.
    """
    with _guard:
        opened = [each for each in _states.values() if each.document is not None]
    stored = [(each, each.document and each.document.find(connection.label)) for each in opened]
    same = [
        (state, found.fields is connection.fields)
        for state, found in stored
        if isinstance(found, Connection) and found.is_same_as(connection)
    ]
    return max(same, key=lambda each: each[1])[0] if same else None


def _after_fork() -> None:
    global _guard
    _guard = threading.Lock()
    for state in _states.values():
        state.restart()
    identity_sources.forget_identity()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
