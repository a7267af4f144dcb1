"""What all Stores of one folder share in this process."""

from __future__ import annotations

import logging
import os
import re
import threading
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from llmwidgets.connections.connection import Connection
from llmwidgets.connections.opening import autolock
from llmwidgets.connections.storage import known
from llmwidgets.connections.storage.payload_lines import Payload
from llmwidgets.errors import AlreadyConnected, FieldError
from llmwidgets.providers.overrides import FACTS, FactMisfit, Told, read_told
from llmwidgets.secret import Secret
from llmwidgets.store import identity_sources
from llmwidgets.store.document import Contents, read_connection
from llmwidgets.store.file import StoreFile
from llmwidgets.store.identity_sources import Unlocked

logger = logging.getLogger(__name__)

_ORGANIZATION = re.compile(r"\w(?:[\w. -]{0,62}\w)?")


class Session:
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
        self.unlocked: Unlocked | None = None
        self.locked_by_hand = False
        self.last: Contents | None = None
        self.seen: bytes | None = None
        self.recovery: Secret | None = None
        self.rolled_back: int | None = None
        self.deleted: tuple[Payload | Connection, int] | None = None
        self.why, self.trouble = "", ""
        self.looked = False
        self.used, self.holds = autolock.clock(), 0
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

    def keep(self, contents: Contents, seen: bytes | None) -> None:
        """Remember contents that were read or written."""
        self.last, self.seen, self._made = contents, seen, {}

    def connection(self, payload: Payload) -> Connection | None:
        """The connection of a remembered payload, made once; None where it cannot be read."""
        if id(payload) not in self._made:
            made = read_connection(payload)
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

    def open_by(self, found: Unlocked) -> None:
        """Take an identity that opened the store; one from a passphrase is left after an hour."""
        self.unlocked, self.locked_by_hand, self.why = found, False, ""
        autolock.touch(self)
        if found.by == identity_sources.PASSPHRASE:
            autolock.watch(self)

    def lock_if_idle(self, now: float) -> None:
        """Lock what a passphrase opened and nothing used for the chosen time; never in a run."""
        if (
            self.folder is None
            or self.unlocked is None
            or self.unlocked.by != identity_sources.PASSPHRASE
        ):
            return
        idle = now - self.used
        if self.holds or autolock.is_held() or idle < min(filter(None, autolock.MINUTES)) * 60:
            return
        minutes = known.folder(self.folder).auto_lock
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


_sessions: dict[Path, Session] = {}
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


def session_of(folder: Path) -> Session:
    """The one session of a folder, whatever path leads to it."""
    real = Path(os.path.realpath(folder))
    with _guard:
        if real not in _sessions:
            _sessions[real] = Session(real)
        _sessions[real].by_link = os.path.islink(folder)
        return _sessions[real]


def _after_fork() -> None:
    global _guard
    _guard = threading.Lock()
    for session in _sessions.values():
        session.start_anew()
    autolock.start_anew()
    identity_sources.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
