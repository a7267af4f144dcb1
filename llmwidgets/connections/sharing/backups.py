"""Backups of a store: listed with what is in them, and put back as the newest revision."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llmwidgets.connections.storage import known
from llmwidgets.errors import StoreError
from llmwidgets.secret import Secret
from llmwidgets.store import document, identity_sources, repository
from llmwidgets.store.document import Contents
from llmwidgets.store.identity_sources import Unlocked
from llmwidgets.store.repository import CONNECTIONS, Spell
from llmwidgets.store.state import Session

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity


@dataclass(frozen=True, slots=True)
class Backup:
    """What was saved before; `connections` is None where the identity at hand does not open it."""

    path: Path
    saved_at: datetime
    connections: int | None
    revision: int | None

    def __str__(self) -> str:
        count = (
            "cannot be opened" if self.connections is None else f"{self.connections} connections"
        )
        return f"{self.path.name}: {self.saved_at:%d %b %Y at %H:%M}, {count}"


def listed(session: Session) -> tuple[Backup, ...]:
    """The backups, newest first; the counts need an unlocked store."""
    if session.folder is None:
        return ()
    identity = session.unlocked.identity if session.unlocked else None
    return tuple(
        _described(session, path, identity) for path in session.file(CONNECTIONS).backups()
    )


def restore(
    session: Session, backup: Backup | None, passphrase: Secret | None, spell: Spell
) -> Backup:
    """Put a backup back as a new revision, and keep what it takes the place of as a backup.

    The members stay those of the current file where that opens. Without a backup named, the
    newest that opens. StoreError where none does, StoreLocked, WrongPassphrase.
    """
    with session.guard:
        if session.folder is None:
            message = "A store in memory has no backups."
            raise StoreError(message)
        found = _identity(session, passphrase)
        with session.file(CONNECTIONS).locked():
            each, old = _chosen(session, backup, found.identity)
            current = _current(session, found.identity)
            there = current or old
            highest = max(there.revision, old.revision, known.store(old.store_id).revision)
            new = replace(
                old,
                recipients=there.recipients,
                vouchers=there.vouchers,
                roster=there.roster,
                revision=highest + 1,
                schema=document.SCHEMA,
            )
            repository.write(session, new, found.identity, spell)
            session.open_by(found)
    return each


def _identity(session: Session, passphrase: Secret | None) -> Unlocked:
    if passphrase is not None:
        identity = repository.by_passphrase(session, passphrase)
        return Unlocked(identity, identity_sources.PASSPHRASE)
    found = session.unlocked
    if found is None and not session.locked_by_hand:
        found = repository.found_identity(session)
    if found is None:
        raise identity_sources.locked(session.name)
    return found


def _chosen(session: Session, backup: Backup | None, identity: Identity) -> tuple[Backup, Contents]:
    for each in listed(session) if backup is None else (backup,):
        old = _opened(session, each.path, identity)
        if old is not None:
            return _described(session, each.path, identity), old
    named = "None of the backups" if backup is None else backup.path.name
    message = f"{named} opens with the store's identity."
    if backup is not None:
        message = f"{named} does not open with the store's identity."
    raise StoreError(message, "It was sealed to an earlier identity, or it is damaged.")


def _current(session: Session, identity: Identity) -> Contents | None:
    return _opened(session, session.file(CONNECTIONS).path, identity)


def _opened(session: Session, path: Path, identity: Identity) -> Contents | None:
    with suppress(OSError, StoreError):
        return repository.opened(session, path.read_bytes(), identity)
    return None


def _described(session: Session, path: Path, identity: Identity | None) -> Backup:
    moment = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
    old = None if identity is None else _opened(session, path, identity)
    count = None if old is None else len(old.payloads)
    return Backup(path, moment, count, None if old is None else old.revision)
