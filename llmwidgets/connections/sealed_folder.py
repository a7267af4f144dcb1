"""The two files of a store: made, unlocked, read, and changed one operation at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from llmwidgets.connections import contents as content
from llmwidgets.connections import store_file, unlock
from llmwidgets.connections.contents import Contents, Recipient
from llmwidgets.connections.session import Session
from llmwidgets.connections.unlock import Unlocked
from llmwidgets.errors import DamagedStore, NewerStore, StoreError, StoreLocked
from llmwidgets.secret import Secret

if TYPE_CHECKING:
    from llmwidgets.connections.sealing import Identity

IDENTITY = "identity.age"
CONNECTIONS = "connections.age"

Operation = Callable[[Contents], Contents]
Spell = Callable[[Secret], str]


def exists(session: Session) -> bool:
    """Whether the folder holds a store."""
    return session.folder is None or session.file(CONNECTIONS).exists


def is_open(session: Session) -> bool:
    """Whether the store is unlocked, or the surroundings unlock it now."""
    if session.folder is None:
        return True
    with session.guard:
        try:
            _unlocked(session)
        except StoreError:
            return False
        return True


def create(session: Session, passphrase: Secret | None, spell: Spell) -> None:
    """Make the two files, or the connections' alone where the surroundings hold an identity."""
    from llmwidgets.connections import sealing

    if session.folder is None:
        return
    _check_free(session)
    found = (
        unlock.headless_identity()
        if passphrase is None
        else Unlocked(sealing.Identity.generate(), "passphrase")
    )
    if found is None:
        message = "A new store needs a passphrase, and nothing here can ask for one."
        raise StoreLocked(
            message,
            "Make it in lw.ConnectionPanel(), or call lw.Store.create(…, passphrase=…). "
            + unlock.WITHOUT_A_SCREEN,
        )
    wrapped = sealing.wrap_identity(found.identity, passphrase) if passphrase else None
    store_file.make_folder(session.folder)
    with session.guard, session.file(CONNECTIONS).locked():
        _check_free(session)
        if wrapped is not None:
            session.file(IDENTITY).replace(wrapped)
        owner = Recipient("owner", found.identity.recipient)
        _write(session, Contents(recipients=(owner,), revision=1), found.identity, spell)
        session.unlocked, session.locked_by_hand = found, False


def open_up(session: Session, passphrase: Secret | None) -> None:
    """Unlock for the whole process; StoreLocked, WrongPassphrase, DamagedStore or NewerStore."""
    if session.folder is None or (passphrase is None and session.unlocked is not None):
        return
    _check_there(session)
    found = (
        unlock.headless_identity()
        if passphrase is None
        else Unlocked(_by_passphrase(session, passphrase), "passphrase")
    )
    if found is None:
        raise unlock.locked(session.name)
    with session.guard:
        _accept(session, found)


def read(session: Session) -> Contents | None:
    """The contents as they are on disk now, None where there is no store."""
    with session.guard:
        if session.folder is None:
            return session.last
        if not exists(session):
            _check_not_lost(session)
            return None
        found = _unlocked(session)
        data = session.file(CONNECTIONS).read()
        seen = hashlib.sha256(data).digest()
        if session.last is None or seen != session.seen:
            session.keep(_opened(session, data, found.identity), seen)
        return session.last


def change(session: Session, operation: Operation, spell: Spell) -> None:
    """Apply one operation, under the lock, to the contents as they are on disk then."""
    with session.guard:
        if session.folder is None:
            session.keep(operation(session.last or Contents()), None)
        else:
            _check_there(session)
            found, file = _unlocked(session), session.file(CONNECTIONS)
            if not store_file.writable(file.target.parent):
                raise _read_only(session)
            with file.locked():
                now = _opened(session, file.read(), found.identity)
                if now.schema > content.SCHEMA:
                    message = f"{session.name} was written by a newer llmwidgets."
                    raise NewerStore(
                        message, "It is read-only here. Update: pip install -U llmwidgets."
                    )
                new = replace(operation(now), revision=now.revision + 1)
                _write(session, new, found.identity, spell)


def _write(session: Session, contents: Contents, identity: Identity, spell: Spell) -> None:
    from llmwidgets.connections import sealing

    plain = content.write(contents, identity, spell)
    sealed = sealing.encrypt(plain, [each.recipient for each in contents.recipients])
    if sealing.digest(sealing.decrypt(sealed, [identity])) != sealing.digest(plain):
        message = "The sealed connections did not open again, so nothing was written."
        raise StoreError(message, "Try again; if it comes back, this computer's memory is failing.")
    session.file(CONNECTIONS).replace(sealed)
    session.keep(contents, hashlib.sha256(sealed).digest())


def _unlocked(session: Session) -> Unlocked:
    if session.unlocked is None and not session.locked_by_hand:
        found = unlock.headless_identity()
        if found is not None:
            _accept(session, found)
    if session.unlocked is None:
        raise unlock.locked(session.name)
    return session.unlocked


def _accept(session: Session, found: Unlocked) -> None:
    """Take an identity for the process once it has opened the store."""
    data = session.file(CONNECTIONS).read()
    try:
        contents = _opened(session, data, found.identity)
    except _Foreign:
        contents = None
    if contents is not None:
        session.keep(contents, hashlib.sha256(data).digest())
        session.unlocked, session.locked_by_hand = found, False
    elif found.by == "passphrase":
        raise _damaged(session, "It is not sealed to the identity in identity.age.")
    else:
        message = f"{session.name} does not open with the identity in {found.by}."
        raise StoreLocked(message, "It belongs to another store, or connections.age is damaged.")


class _Foreign(DamagedStore):
    """The file is sealed to other identities alone, or damaged so that it seems so."""


def _opened(session: Session, data: bytes, identity: Identity) -> Contents:
    from llmwidgets.connections import sealing

    try:
        return content.read(sealing.decrypt(data, [identity]), identity)
    except StoreLocked:
        fault = _damaged(session, "It is not sealed to the store's identity.", _Foreign)
    except DamagedStore as error:
        fault = _damaged(session, error.message)
    raise fault


def _by_passphrase(session: Session, passphrase: Secret) -> Identity:
    file = session.file(IDENTITY)
    if not file.exists:
        message = f"{session.name} has no identity.age, so no passphrase opens it."
        raise StoreLocked(message, unlock.WITHOUT_A_SCREEN)
    sealed = file.read()
    try:
        return unlock.passphrase_identity(sealed, passphrase)
    except DamagedStore as error:
        fault = DamagedStore(
            f"{file.path} does not open and is kept as it is. {error.message}",
            error.hint or "Put back a copy of identity.age.",
        )
    raise fault


def _check_free(session: Session) -> None:
    if exists(session):
        message = f"{session.name} exists already."
        raise StoreError(message, "Open it with lw.Store(…) and unlock it.")
    _check_not_lost(session)


def _check_there(session: Session) -> None:
    if exists(session):
        return
    _check_not_lost(session)
    message = f"{session.name} does not exist yet."
    raise StoreError(
        message,
        f"Make it in lw.ConnectionPanel(), or with lw.Store.create({session.argument}).",
    )


def _check_not_lost(session: Session) -> None:
    if session.file(CONNECTIONS).backups():
        raise _damaged(session, "The file is missing.")


def _damaged(
    session: Session, reason: str, kind: type[DamagedStore] = DamagedStore
) -> DamagedStore:
    file = session.file(CONNECTIONS)
    hint = "No backup is there: put back a copy of your own."
    for backup in file.backups()[:1]:
        moment = datetime.fromtimestamp(backup.stat().st_mtime).astimezone()
        hint = (
            f"{backup.name} beside it is what was saved on {moment:%d %b %Y at %H:%M}: "
            "copy it over the damaged file to go back to it."
        )
    return kind(f"{file.path} does not open and is kept as it is. {reason}", hint)


def _read_only(session: Session) -> StoreError:
    message = f"{session.name} is read-only: its folder takes no new files."
    return StoreError(message, "Use the connection for this session only: store.add_for_session.")
