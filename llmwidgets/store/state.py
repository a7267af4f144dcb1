"""What all Stores of one folder share in this process."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
import unicodedata
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import AlreadyConnected, FieldError
from llmwidgets.providers.overrides import FACTS, FactMisfit, Told, read_told
from llmwidgets.secret import Secret
from llmwidgets.store import identity_sources, trust
from llmwidgets.store.document import StoredConnection, StoreDocument, parse_connection
from llmwidgets.store.file import StoreFile
from llmwidgets.store.identity_sources import IdentitySource

logger = logging.getLogger(__name__)

_ORGANIZATION = re.compile(r"\w(?:[\w. -]{0,62}\w)?")


class StoreState:
    """The shared state of one folder; `folder` is None for a store that lives in memory.

    `locked_by_hand` keeps a store locked that a variable or key file would open again at once.
    `last` is the newest contents read, valid while the file's bytes are `seen`. `recovery` is
    the second identity of a store made here, until it was taken once. `rolled_back` is the higher
    revision that this computer saw before. `deleted` is the connection deleted last, and where it
    stood, until the store is locked. `why` tells why it is locked, `trouble` what stood in
    the way of a remembered identity. `used` and `holds` say when the store was used last, and how
    many runs use it. `by_link` tells that a link was followed to the folder.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder, self.by_link = folder, False
        self.guard = threading.RLock()
        self.unlocked: IdentitySource | None = None
        self.locked_by_hand = False
        self.last: StoreDocument | None = None
        self.seen: bytes | None = None
        self.recovery: Secret | None = None
        self.rolled_back: int | None = None
        self.deleted: tuple[StoredConnection | Connection, int] | None = None
        self.why, self.trouble = "", ""
        self.looked = False
        self.used, self.holds = clock(), 0
        self.temporary: dict[str, Connection] = {}
        self._made: dict[int, Connection | None] = {}
        self._files: dict[str, StoreFile] = {}
        self._observers: dict[object, Callable[[], object]] = {}

    @property
    def name(self) -> str:
        """The store in words: `The store in ~/.config/llmwidgets/acme`."""
        if self.folder is None:
            return "The store in memory"
        shown, home = str(self.folder), str(Path.home())
        return f"The store in {shown.replace(home, '~', 1) if shown.startswith(home) else shown}"

    @property
    def argument(self) -> str:
        """What `lw.Store` is called with to name this store: `"acme"`, `path="…"`."""
        if self.folder is not None and self.in_default_place:
            return f'"{self.folder.name}"'
        return f'path="{self.folder}"'

    @property
    def in_default_place(self) -> bool:
        """Whether an organization's name alone leads to this folder."""
        return self.folder is not None and self.folder.parent == default_folder("x").parent

    def file(self, name: str) -> StoreFile:
        """One of the folder's files."""
        if self.folder is None:
            message = "A store in memory has no files."
            raise ValueError(message)
        if name not in self._files:
            self._files[name] = StoreFile(self.folder / name)
        return self._files[name]

    def keep(self, contents: StoreDocument, seen: bytes | None) -> None:
        """Remember contents that were read or written."""
        self.last, self.seen, self._made = contents, seen, {}

    def connection(self, payload: StoredConnection) -> Connection | None:
        """The connection of a remembered payload, made once; None where it cannot be read."""
        if id(payload) not in self._made:
            made = parse_connection(payload)
            self._made[id(payload)] = made and made.with_told(self.told(made))
        return self._made[id(payload)]

    def told(self, connection: Connection) -> dict[str, Told]:
        """What the remembered contents tell of a connection's models; what is new is left out."""
        found: dict[str, Told] = {}
        for label, model, said in self.last.facts if self.last else ():
            if label == connection.label:
                with suppress(FactMisfit):
                    known = {name: value for name, value in said.items() if name in FACTS}
                    found[model] = read_told(connection.kind, known)
        return found

    def unreadable(self) -> list[str]:
        """The labels of remembered connections that this version cannot read."""
        payloads = self.last.payloads if self.last else ()
        return [each["label"] for each in payloads if self.connection(each) is None]

    def rename(self, old: str, twin: Connection) -> None:
        """Put a session's connection in its own place under its new label; AlreadyConnected."""
        if twin.label != old and twin.label in self.temporary:
            message = f"There is a connection {twin.label} already."
            raise AlreadyConnected(message, "Choose another label.")
        self.temporary = dict(
            (twin.label, twin) if label == old else (label, each)
            for label, each in self.temporary.items()
        )

    def forget(self) -> None:
        """Drop the identity and everything it opened."""
        if self.folder is not None:
            self.unlocked, self.last, self.seen, self._made = None, None, None, {}
            self.recovery, self.rolled_back, self.deleted = None, None, None

    def open_by(self, found: IdentitySource) -> None:
        """Take an identity that opened the store; one from a passphrase is left after an hour."""
        self.unlocked, self.locked_by_hand, self.why = found, False, ""
        touch(self)
        if found.by == identity_sources.PASSPHRASE:
            watch_store(self)

    def lock_if_idle(self, now: float) -> None:
        """Lock what a passphrase opened and nothing used for the chosen time; never in a run."""
        if (
            self.folder is None
            or self.unlocked is None
            or self.unlocked.by != identity_sources.PASSPHRASE
        ):
            return
        idle = now - self.used
        if self.holds or is_held() or idle < min(filter(None, MINUTES)) * 60:
            return
        minutes = trust.recall_folder(self.folder).auto_lock
        if not minutes or idle < minutes * 60:
            return
        with self.guard:
            self.forget()
            self.why = f" again: it was idle for {minutes} minutes"
        self.changed()

    def observe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back after every change, on the thread that made it, until unsubscribed."""
        ticket = object()
        self._observers[ticket] = callback

        def unsubscribe() -> None:
            self._observers.pop(ticket, None)

        return unsubscribe

    def changed(self) -> None:
        """Tell every observer; one that fails does not undo what was saved."""
        for callback in list(self._observers.values()):
            try:
                callback()
            except Exception:
                logger.exception("An observer of the store failed.")

    def start_anew(self) -> None:
        """After a fork: no identity, no observers of the parent's page, a lock nobody holds."""
        self.guard = threading.RLock()
        self._observers.clear()
        self.holds, self.looked = 0, False
        self.forget()


_states: dict[Path, StoreState] = {}
_guard = threading.Lock()


def default_folder(organization: str) -> Path:
    """Where an organization's store lies unless a path is given; FieldError for no such name."""
    import platformdirs

    organization = unicodedata.normalize("NFC", organization)
    if not _ORGANIZATION.fullmatch(organization):
        raise FieldError(
            {"organization": "is no name of an organization."},
            "Use letters, digits, dots, blanks, - and _, at most 64, no dot or blank at the ends.",
        )
    return Path(os.path.realpath(platformdirs.user_config_dir("llmwidgets", False))) / organization


def state_of(folder: Path) -> StoreState:
    """The one session of a folder, whatever path leads to it."""
    real = Path(os.path.realpath(folder))
    with _guard:
        if real not in _states:
            _states[real] = StoreState(real)
        _states[real].by_link = os.path.islink(folder)
        return _states[real]


def _after_fork() -> None:
    global _guard
    _guard = threading.Lock()
    for session in _states.values():
        session.start_anew()
    restart_watch()
    identity_sources.forget_identity()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# -- Auto-lock: a store that a passphrase opened forgets its identity after an idle hour.
#
# A run takes a hold, so that nothing locks while it goes on. Time asleep counts as idle time.

MINUTES = (0, 15, 60)
"""What can be chosen; 0 is never."""

_LOOK_SECONDS = 20.0


class Lockable(Protocol):
    """What locks itself when it was idle."""

    def lock_if_idle(self, now: float) -> None:
        """Lock, if nothing used it for its own time."""


def clock() -> float:
    """Seconds that go on while the computer sleeps, where the system counts them."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


_watched: weakref.WeakSet[Lockable] = weakref.WeakSet()
_watch_guard = threading.Lock()
_watcher: threading.Thread | None = None
_holds = 0


@contextmanager
def hold_open() -> Iterator[None]:
    """Keep every store of this process open while a run goes on."""
    global _holds
    with _watch_guard:
        _holds += 1
    try:
        yield
    finally:
        with _watch_guard:
            _holds = max(0, _holds - 1)
            there = list(_watched)
        for each in there:
            touch(each)


def is_held() -> bool:
    """Whether a run goes on."""
    return _holds > 0


def touch(used: object) -> None:
    """Start the idle time of a store anew."""
    used.used = clock()  # type: ignore[attr-defined]


def watch_store(store: Lockable) -> None:
    """Look at this store from time to time until the process ends."""
    global _watcher
    with _watch_guard:
        _watched.add(store)
        if _watcher is None:
            _watcher = threading.Thread(target=_look_on, name="llmwidgets auto-lock", daemon=True)
            _watcher.start()


def lock_idle() -> None:
    """Lock every watched store that is idle for too long."""
    with _watch_guard:
        there = list(_watched)
    for store in there:
        store.lock_if_idle(clock())


def restart_watch() -> None:
    """After a fork: no watcher, no run of the parent's."""
    global _watch_guard, _watcher, _holds
    _watch_guard, _watcher, _holds = threading.Lock(), None, 0
    _watched.clear()


def _look_on() -> None:
    pause = threading.Event()
    while not pause.wait(_LOOK_SECONDS):
        lock_idle()
