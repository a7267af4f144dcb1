"""The two files of a store: made, unlocked, read, and changed one operation at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from llmwidgets.errors import DamagedStore, NewerStore, StoreError, StoreLocked
from llmwidgets.secret import Secret
from llmwidgets.store import document as documents
from llmwidgets.store import file as store_file
from llmwidgets.store import identity_sources, trust
from llmwidgets.store import state as states
from llmwidgets.store.document import StoreDocument
from llmwidgets.store.identity_sources import GIVEN, PASSPHRASE, IdentitySource
from llmwidgets.store.state import CONNECTIONS, IDENTITY, Status, StoreState
from llmwidgets.store.trust import OWNER, RECOVERY, Recipient

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity


_AGE = b"age-encryption.org/"

Operation = Callable[[StoreDocument], StoreDocument]


def is_open(state: StoreState) -> bool:
    """Whether the store is unlocked, or something at hand unlocks it now."""
    with state.guard:
        with suppress(StoreError):
            return state.folder is None or bool(unlock_headless(state))
        return False


def create_store(
    state: StoreState, passphrase: Secret | None, recovery: Identity | None = None
) -> None:
    """Make the two files, or the connections' alone if the surroundings have an identity.

    The second recipient is the recovery identity: the one given, or for a store made with a
    passphrase a new one.
    """
    from llmwidgets.store import age

    if state.folder is None:
        return
    _check_free(state)
    source = (
        identity_sources.find_headless_identity()
        if passphrase is None
        else IdentitySource(age.Identity.generate(), PASSPHRASE)
    )
    if source is None:
        message = "A new store needs a passphrase, and nothing here can ask for one."
        raise StoreLocked(
            message,
            "Make it in lw.ConnectionPanel(), or call lw.Store.create(…, passphrase=…). "
            + identity_sources.WITHOUT_A_SCREEN,
        )
    wrapped = age.wrap_identity(source.identity, passphrase) if passphrase else None
    made = age.Identity.generate() if passphrase and recovery is None else None
    spare = recovery or made
    recipients = [Recipient(OWNER, source.identity.recipient)]
    recipients += [Recipient(RECOVERY, spare.recipient)] if spare else []
    first = documents.with_recipients(StoreDocument(), recipients, [source.identity])
    # A link to an empty folder can be planted as well.
    store_file.make_folder(state.folder, close=not state.by_link)
    with state.guard, state.file(CONNECTIONS).locked():
        _check_free(state)
        if wrapped is not None:
            write_identity(state, wrapped)
        write_store(state, replace(first, revision=1), source.identity)
        state.open_by(source)
        state.recovery = made.secret if made else None


def unlock_store(
    state: StoreState, passphrase: Secret | None, given: IdentitySource | None = None
) -> None:
    """Unlock for the whole process; StoreLocked, WrongPassphrase, DamagedStore or NewerStore."""
    asked = passphrase is not None or given is not None
    if state.folder is None or (not asked and state.source is not None):
        return
    check_exists(state)
    if passphrase is not None:
        given = IdentitySource(open_by_passphrase(state, passphrase), PASSPHRASE)
    elif given is None:
        state.keyring_asked = False
    with state.guard:
        source = given or find_identity(state)
        if source is None:
            raise state.locked_error()
        _accept(state, source)


def lock_store(state: StoreState) -> None:
    """Forget the identity and everything it opened; nothing at hand opens it again by itself."""
    with state.guard:
        if state.source is not None and state.source.by == identity_sources.KEY:
            identity_sources.forget_identity()
        state.lock(Status.LOCKED_BY_USER)


def read_store(state: StoreState) -> StoreDocument:
    """The document as it is on disk now; an empty one if there is no store. StoreLocked."""
    with state.guard:
        if state.folder is None:
            return state.document or StoreDocument()
        data = state.file(CONNECTIONS).read_if_exists()
        if data is None:
            _check_not_lost(state)
            return StoreDocument()
        source = unlock_headless(state)
        state.used = states.clock()
        if state.document is None or data != state.seen:
            _take_in(state, data, source.identity)
        assert state.document is not None
        return state.document


def change_store(state: StoreState, operation: Operation) -> None:
    """Apply one operation, under the lock, to the document as it is on disk then."""
    with state.guard:
        if state.folder is None:
            state.keep(operation(read_store(state)), None)
        else:
            with store_operation(state) as (document, source):
                new = operation(document)
                write_store(state, next_revision(new, document), source.identity)


def next_revision(new: StoreDocument, old: StoreDocument) -> StoreDocument:
    """The document as the revision that follows another."""
    return replace(new, revision=old.revision + 1, schema=documents.SCHEMA)


@contextmanager
def store_operation(state: StoreState) -> Iterator[tuple[StoreDocument, IdentitySource]]:
    """Hold guard and lock, with the document as it is on disk and the identity.

    StoreLocked, NewerStore, or StoreError if the store is read-only or older than it was.
    """
    with state.guard:
        check_exists(state)
        source, file = unlock_headless(state), state.file(CONNECTIONS)
        state.used = states.clock()
        if not store_file.writable(file.target.parent):
            message = f"{state.name} is read-only: its folder takes no new files."
            hint = "Use the connection for this session only: store.add_for_session."
            raise StoreError(message, hint)
        with file.locked():
            data = file.read()
            document = state.document if data == state.seen else None
            document = document or open_document(state, data, source.identity)
            if document.is_newer:
                message = f"{state.name} was written by a newer llmwidgets."
                raise NewerStore(message, "It is read-only here. Update llmwidgets.")
            if document.revision < trust.recall_store(document.store_id).revision:
                message = f"{state.name} is older than this computer saw it; nothing is changed."
                raise StoreError(message, trust.ROLLBACK_HINT)
            yield document, source


def write_store(state: StoreState, document: StoreDocument, identity: Identity) -> None:
    """Seal the document to its recipients, open it again, and put it in place."""
    from llmwidgets.store import age

    plain = documents.serialize_document(document, identity)
    sealed = age.encrypt(plain, [each.recipient for each in document.recipients])
    if age.digest(age.decrypt(sealed, [identity])) != age.digest(plain):
        message = "The sealed connections did not open again, so nothing was written."
        raise StoreError(message, "Try again; if it comes back, this computer's memory is failing.")
    state.file(CONNECTIONS).replace(sealed)
    state.keep(document, sealed)


def write_identity(state: StoreState, wrapped: bytes) -> None:
    """Put a sealed identity in place; StoreError if a link leads to what is not a store's."""
    file = state.file(IDENTITY)
    if file.path.is_symlink() and file.exists and not file.read().startswith(_AGE):
        message = f"{file.path} is a link to {file.target}, which does not belong to a store."
        raise StoreError(message, "Delete the link, then try again.")
    file.replace(wrapped)


def find_identity(state: StoreState) -> IdentitySource | None:
    """The identity that opens the store without a question: surroundings, server, keyring."""
    return identity_sources.find_headless_identity() or identity_sources.find_remembered(state)


def unlock_headless(state: StoreState) -> IdentitySource:
    """The identity that is open, or that opens the store now; StoreLocked."""
    state.lock_if_idle()
    if state.source is None and state.status is not Status.LOCKED_BY_USER:
        found = find_identity(state)
        if found is not None:
            _accept(state, found)
    if state.source is None:
        raise state.locked_error()
    return state.source


def _accept(state: StoreState, source: IdentitySource) -> None:
    """Take an identity for the process once it has opened the store."""
    data = state.file(CONNECTIONS).read()
    if not _is_sealed_to(data, source.identity):
        raise _foreign_error(state, source)
    _take_in(state, data, source.identity)
    state.open_by(source)


def _is_sealed_to(data: bytes, identity: Identity) -> bool:
    """Whether the file names this identity; reading one that breaks a rule says so itself."""
    from llmwidgets.store import age

    try:
        age.decrypt(data, [identity])
    except StoreLocked:
        return False
    except DamagedStore:
        return True
    return True


def _foreign_error(state: StoreState, source: IdentitySource) -> StoreError:
    """The error for an identity that the file does not name, or no longer names if damaged."""
    if source.by == PASSPHRASE:
        return damaged_error(state, "It is not sealed to the identity in identity.age.")
    if _was_own(state, source.identity):
        return damaged_error(state, _OTHERS)
    with_it = "with this identity" if source.by == GIVEN else f"with the identity in {source.by}"
    return StoreLocked(
        f"{state.name} does not open {with_it}.",
        "It belongs to another store, was removed from this one, or the file is damaged.",
    )


_OTHERS = "It is damaged, or it was given another identity: then unlock it again with that."


def _was_own(state: StoreState, identity: Identity) -> bool:
    """Whether the store was this identity's own, which nobody removes: then the file is damaged.

    A member can have been removed since the last backup; without any nothing was changed since.
    """
    if state.folder is None:
        return False
    backups = state.file(CONNECTIONS).backups()
    for path in backups:
        with suppress(OSError, StoreError):
            document = open_document(state, path.read_bytes(), identity)
            own = {r.name for r in document.recipients if r.recipient == identity.recipient}
            return not own.isdisjoint({OWNER, RECOVERY})
    before = trust.recall_store(trust.recall_folder(state.folder).store_id)
    return not backups and identity.recipient in before.writers


def _take_in(state: StoreState, data: bytes, identity: Identity) -> None:
    state.keep(open_document(state, data, identity), data)
    if state.rolled_back is not None:
        # Another process may have saved between this read and its note of the revision.
        data = state.file(CONNECTIONS).read()
        state.keep(open_document(state, data, identity), data)


def open_document(state: StoreState, data: bytes, identity: Identity) -> StoreDocument:
    """The document in the bytes of the store's file; DamagedStore or NewerStore."""
    from llmwidgets.store import age

    try:
        plain = age.decrypt(data, [identity])
        return documents.parse_document(plain, identity, state.folder)
    except StoreLocked:
        fault = damaged_error(state, _OTHERS)
    except DamagedStore as error:
        fault = damaged_error(state, error.message, hint=error.hint)
    raise fault


def open_by_passphrase(state: StoreState, passphrase: Secret) -> Identity:
    """The identity in identity.age; WrongPassphrase, DamagedStore, StoreLocked without it."""
    file = state.file(IDENTITY)
    sealed = file.read_if_exists()
    if sealed is None:
        message = f"{state.name} has no identity.age, so no passphrase opens it."
        raise StoreLocked(message, identity_sources.WITHOUT_A_SCREEN)
    try:
        return identity_sources.passphrase_identity(sealed, passphrase)
    except DamagedStore as error:
        fault = DamagedStore(
            f"{file.path} does not open and is kept as it is. {error.message}",
            error.hint or "Put back a copy of identity.age.",
        )
    raise fault


def _check_free(state: StoreState) -> None:
    if state.exists:
        message = f"{state.name} exists already."
        raise StoreError(message, "Open it with lw.Store(…) and unlock it.")
    for file in (state.file(IDENTITY), state.file(CONNECTIONS)):
        if file.path.is_symlink():
            message = f"{state.name} cannot be made: {file.path} is a link."
            raise StoreError(message, "Delete the link, or name another folder.")
    _check_not_lost(state)


def check_exists(state: StoreState) -> None:
    """StoreError if there is no store, DamagedStore if only its backups are left."""
    if state.exists:
        return
    _check_not_lost(state)
    message = f"{state.name} does not exist yet."
    hint = f"Make it in lw.ConnectionPanel(), or with lw.Store.create({state.argument})."
    raise StoreError(message, hint)


def _check_not_lost(state: StoreState) -> None:
    if state.file(CONNECTIONS).backups():
        raise damaged_error(state, "The file is missing.")


def damaged_error(state: StoreState, reason: str, *, hint: str = "") -> DamagedStore:
    """The error for a file that does not open, with the newest backup to go back to."""
    file = state.file(CONNECTIONS)
    for backup in [] if hint else file.backups()[:1]:
        moment = datetime.fromtimestamp(backup.stat().st_mtime).astimezone()
        hint = (
            f"{backup.name} in the same folder is what was saved on "
            f"{moment:%d %b %Y at %H:%M}: store.restore() goes back to it."
        )
    hint = hint or "There is no backup: put back a copy of your own."
    return DamagedStore(f"{file.path} does not open and is kept as it is. {reason}", hint)
