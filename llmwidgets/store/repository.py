"""The two files of a store: made, unlocked, read, and changed one operation at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from llmwidgets.errors import DamagedStore, NewerStore, StoreError, StoreLocked
from llmwidgets.secret import Secret
from llmwidgets.store import document, identity_cache, identity_sources, state, trust
from llmwidgets.store import file as store_file
from llmwidgets.store.document import Recipient, StoreDocument
from llmwidgets.store.identity_sources import IdentitySource
from llmwidgets.store.state import StoreState

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity


IDENTITY = "identity.age"
CONNECTIONS = "connections.age"
_AGE = b"age-encryption.org/"

Operation = Callable[[StoreDocument], StoreDocument]
Spell = Callable[[Secret], str]


def store_exists(session: StoreState) -> bool:
    """Whether the folder holds a store."""
    return session.folder is None or session.file(CONNECTIONS).exists


def has_passphrase(session: StoreState) -> bool:
    """Whether a passphrase can open the store."""
    return session.folder is not None and session.file(IDENTITY).exists


def is_open(session: StoreState) -> bool:
    """Whether the store is unlocked, or the surroundings unlock it now."""
    if session.folder is None:
        return True
    with session.guard:
        try:
            unlock_headless(session)
        except StoreError:
            return False
        return True


def create_store(
    session: StoreState, passphrase: Secret | None, spell: Spell, spare: Identity | None = None
) -> None:
    """Make the two files, or the connections' alone where the surroundings hold an identity.

    The second recipient is the recovery identity: the spare one given, or for a store made with a
    passphrase a new one.
    """
    from llmwidgets.store import age as sealing

    if session.folder is None:
        return
    _check_free(session)
    found = (
        identity_sources.find_headless_identity()
        if passphrase is None
        else IdentitySource(sealing.Identity.generate(), identity_sources.PASSPHRASE)
    )
    if found is None:
        message = "A new store needs a passphrase, and nothing here can ask for one."
        raise StoreLocked(
            message,
            "Make it in lw.ConnectionPanel(), or call lw.Store.create(…, passphrase=…). "
            + identity_sources.WITHOUT_A_SCREEN,
        )
    wrapped = sealing.wrap_identity(found.identity, passphrase) if passphrase else None
    made = sealing.Identity.generate() if passphrase and spare is None else None
    recovery = spare or made
    recipients = [Recipient(document.OWNER, found.identity.recipient)]
    recipients += [Recipient(document.RECOVERY, recovery.recipient)] if recovery else []
    first = document.with_recipients(StoreDocument(), recipients, [found.identity])
    # A link to an empty folder can be planted as well.
    store_file.make_folder(session.folder, close=not session.by_link)
    with session.guard, session.file(CONNECTIONS).locked():
        _check_free(session)
        if wrapped is not None:
            write_identity(session, wrapped)
        write_store(session, replace(first, revision=1), found.identity, spell)
        session.open_by(found)
        session.recovery = made.secret if made else None


def unlock_with(
    session: StoreState, passphrase: Secret | None, given: IdentitySource | None = None
) -> None:
    """Unlock for the whole process; StoreLocked, WrongPassphrase, DamagedStore or NewerStore."""
    asked = passphrase is not None or given is not None
    if session.folder is None or (not asked and session.unlocked is not None):
        return
    check_there(session)
    if passphrase is not None:
        given = IdentitySource(open_by_passphrase(session, passphrase), identity_sources.PASSPHRASE)
    elif given is None:
        session.looked = False
    with session.guard:
        found = given or find_identity(session)
        if found is None:
            raise identity_sources.locked_error(session.name, session.why)
        _accept(session, found)


def read_store(session: StoreState) -> StoreDocument | None:
    """The contents as they are on disk now, None where there is no store."""
    with session.guard:
        if session.folder is None:
            return session.last
        if not store_exists(session):
            _check_not_lost(session)
            return None
        found = unlock_headless(session)
        state.touch(session)
        data = session.file(CONNECTIONS).read()
        if session.last is None or data != session.seen:
            _take_in(session, data, found.identity)
        return session.last


def change_store(session: StoreState, operation: Operation, spell: Spell) -> None:
    """Apply one operation, under the lock, to the contents as they are on disk then."""
    with session.guard:
        if session.folder is None:
            session.keep(operation(session.last or StoreDocument()), None)
        else:
            with store_operation(session) as (now, found):
                new = replace(operation(now), revision=now.revision + 1, schema=document.SCHEMA)
                write_store(session, new, found.identity, spell)


@contextmanager
def store_operation(session: StoreState) -> Iterator[tuple[StoreDocument, IdentitySource]]:
    """Hold guard and lock, with the contents as they are on disk and the identity.

    StoreLocked, NewerStore, or StoreError where the store is read-only or older than it was.
    """
    with session.guard:
        check_there(session)
        found, file = unlock_headless(session), session.file(CONNECTIONS)
        state.touch(session)
        if not store_file.writable(file.target.parent):
            raise _read_only(session)
        with file.locked():
            now = open_document(session, file.read(), found.identity)
            if now.schema > document.SCHEMA:
                message = f"{session.name} was written by a newer llmwidgets."
                raise NewerStore(message, "It is read-only here. Update llmwidgets.")
            if trust.is_older(now):
                raise trust.rollback_error(session)
            yield now, found


def write_store(
    session: StoreState, contents: StoreDocument, identity: Identity, spell: Spell
) -> None:
    """Seal the contents to their recipients, open them again, and put them in place."""
    from llmwidgets.store import age as sealing

    plain = document.serialize_document(contents, identity, spell)
    sealed = sealing.encrypt(plain, [each.recipient for each in contents.recipients])
    if sealing.recipient_digest(sealing.decrypt(sealed, [identity])) != sealing.recipient_digest(
        plain
    ):
        message = "The sealed connections did not open again, so nothing was written."
        raise StoreError(message, "Try again; if it comes back, this computer's memory is failing.")
    session.file(CONNECTIONS).replace(sealed)
    session.keep(contents, sealed)
    trust.note_revision(session, contents)


def write_identity(session: StoreState, wrapped: bytes) -> None:
    """Put a sealed identity in place; StoreError where a link leads to what is not of a store."""
    file = session.file(IDENTITY)
    if file.path.is_symlink() and file.exists and not file.read().startswith(_AGE):
        message = f"{file.path} is a link to {file.target}, which does not belong to a store."
        raise StoreError(message, "Delete the link, then try again.")
    file.replace(wrapped)


def find_identity(session: StoreState) -> IdentitySource | None:
    """The identity that opens the store without a question: surroundings, server, keyring."""
    return identity_sources.find_headless_identity() or identity_cache.find_remembered(session)


def unlock_headless(session: StoreState) -> IdentitySource:
    """The identity that is open, or that opens the store now; StoreLocked."""
    session.lock_if_idle(state.clock())
    if session.unlocked is None and not session.locked_by_hand:
        found = find_identity(session)
        if found is not None:
            _accept(session, found)
    if session.unlocked is None:
        raise identity_sources.locked_error(session.name, session.why)
    return session.unlocked


def _accept(session: StoreState, found: IdentitySource) -> None:
    """Take an identity for the process once it has opened the store."""
    data = session.file(CONNECTIONS).read()
    if not _is_sealed_to(data, found.identity):
        raise _foreign(session, found)
    _take_in(session, data, found.identity)
    session.open_by(found)


def _is_sealed_to(data: bytes, identity: Identity) -> bool:
    """Whether the file names this identity; one that breaks a rule is told by who reads it."""
    from llmwidgets.store import age as sealing

    try:
        sealing.decrypt(data, [identity])
    except StoreLocked:
        return False
    except DamagedStore:
        return True
    return True


def _foreign(session: StoreState, found: IdentitySource) -> StoreError:
    """The error for an identity that the file does not name, or names no more where damaged."""
    if found.by == identity_sources.PASSPHRASE:
        return damaged_error(session, "It is not sealed to the identity in identity.age.")
    if _kept_by(session, found.identity):
        return damaged_error(session, _OTHERS)
    message = f"{session.name} does not open with the identity in {found.by}."
    if found.by == identity_sources.GIVEN:
        message = f"{session.name} does not open with this identity."
    return StoreLocked(
        message, "It belongs to another store, was removed from this one, or the file is damaged."
    )


_OTHERS = "It is damaged, or it was given another identity: then unlock it again with that."


def _kept_by(session: StoreState, identity: Identity) -> bool:
    """Whether the store was this identity's own, which nobody removes: then the file is damaged.

    A member can have been removed since the last backup; without any nothing was changed since.
    """
    if session.folder is None:
        return False
    backups = session.file(CONNECTIONS).backups()
    for path in backups:
        with suppress(OSError, StoreError):
            there = open_document(session, path.read_bytes(), identity)
            own = {each.name for each in there.recipients if each.recipient == identity.recipient}
            return not own.isdisjoint({document.OWNER, document.RECOVERY})
    before = trust.recall_store(trust.recall_folder(session.folder).store_id)
    return not backups and identity.recipient in before.writers


def _take_in(session: StoreState, data: bytes, identity: Identity) -> None:
    contents = open_document(session, data, identity)
    trust.note_revision(session, contents)
    if session.rolled_back is not None:
        # Another process may have saved between this read and its note of the revision.
        data = session.file(CONNECTIONS).read()
        contents = open_document(session, data, identity)
        trust.note_revision(session, contents)
    session.keep(contents, data)


def open_document(session: StoreState, data: bytes, identity: Identity) -> StoreDocument:
    """The contents in the bytes of the store's file; DamagedStore or NewerStore."""
    from llmwidgets.store import age as sealing

    try:
        plain = sealing.decrypt(data, [identity])
        return document.parse_document(plain, identity, trust.is_trusted(session, identity))
    except StoreLocked:
        fault = damaged_error(session, _OTHERS)
    except DamagedStore as error:
        fault = damaged_error(session, error.message, hint=error.hint)
    raise fault


def open_by_passphrase(session: StoreState, passphrase: Secret) -> Identity:
    """The identity in identity.age; WrongPassphrase, DamagedStore, StoreLocked without it."""
    file = session.file(IDENTITY)
    if not file.exists:
        message = f"{session.name} has no identity.age, so no passphrase opens it."
        raise StoreLocked(message, identity_sources.WITHOUT_A_SCREEN)
    sealed = file.read()
    try:
        return identity_sources.passphrase_identity(sealed, passphrase)
    except DamagedStore as error:
        fault = DamagedStore(
            f"{file.path} does not open and is kept as it is. {error.message}",
            error.hint or "Put back a copy of identity.age.",
        )
    raise fault


def _check_free(session: StoreState) -> None:
    if store_exists(session):
        message = f"{session.name} exists already."
        raise StoreError(message, "Open it with lw.Store(…) and unlock it.")
    for file in (session.file(IDENTITY), session.file(CONNECTIONS)):
        if file.path.is_symlink():
            message = f"{session.name} cannot be made: {file.path} is a link."
            raise StoreError(message, "Delete the link, or name another folder.")
    _check_not_lost(session)


def check_there(session: StoreState) -> None:
    """StoreError where there is no store, DamagedStore where only its backups are left."""
    if store_exists(session):
        return
    _check_not_lost(session)
    message = f"{session.name} does not exist yet."
    raise StoreError(
        message,
        f"Make it in lw.ConnectionPanel(), or with lw.Store.create({session.argument}).",
    )


def _check_not_lost(session: StoreState) -> None:
    if session.file(CONNECTIONS).backups():
        raise damaged_error(session, "The file is missing.")


def damaged_error(session: StoreState, reason: str, *, hint: str = "") -> DamagedStore:
    """The error for a file that does not open, with the newest backup to go back to."""
    file = session.file(CONNECTIONS)
    for backup in [] if hint else file.backups()[:1]:
        moment = datetime.fromtimestamp(backup.stat().st_mtime).astimezone()
        hint = (
            f"{backup.name} beside it is what was saved on {moment:%d %b %Y at %H:%M}: "
            "store.restore() goes back to it."
        )
    hint = hint or "No backup is there: put back a copy of your own."
    return DamagedStore(f"{file.path} does not open and is kept as it is. {reason}", hint)


def _read_only(session: StoreState) -> StoreError:
    message = f"{session.name} is read-only: its folder takes no new files."
    return StoreError(message, "Use the connection for this session only: store.add_for_session.")
