"""The two files of a store: made, unlocked, read, changed, sealed anew, and put back from backups.

What opens a store is changed in an order that no crash between two files leaves it closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llmwidgets.errors import DamagedStore, FieldError, NewerStore, StoreError, StoreLocked
from llmwidgets.formatting import count, format_moment
from llmwidgets.secret import Secret
from llmwidgets.store import auto_lock, identity_sources, trust
from llmwidgets.store import document as documents
from llmwidgets.store import file as store_file
from llmwidgets.store.document import StoreDocument
from llmwidgets.store.identity_sources import GIVEN, KEY, KEY_FILE, PASSPHRASE, IdentitySource
from llmwidgets.store.state import CONNECTIONS, IDENTITY, Status, StoreState
from llmwidgets.store.trust import OWNER, RECOVERY, Recipient

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity


_AGE = b"age-encryption.org/"
_OTHERS = "It is damaged, or it was given another identity: then unlock it again with that."
_FAILING = "Try again; if it comes back, this computer's memory is failing."

Operation = Callable[[StoreDocument], StoreDocument]


def try_unlock(state: StoreState) -> bool:
    """Unlock the store by what is at hand, unless it is unlocked; whether it is then."""
    with state.guard:
        with suppress(StoreError):
            return state.folder is None or bool(unlock_headless(state))
        return False


def create_store(
    state: StoreState, passphrase: Secret | None, recovery: Identity | None = None
) -> None:
    """Make the two files, or the connections' alone if the surroundings have an identity."""
    from llmwidgets.store import age

    if state.folder is None:
        return
    _check_free(state)
    wrapped, made = b"", None
    if passphrase is None:
        source = identity_sources.find_headless_identity()
    else:
        source = IdentitySource(age.Identity.generate(), PASSPHRASE)
        wrapped = age.wrap_identity(source.identity, passphrase)
        made = None if recovery else age.Identity.generate()
    if source is None:
        message = "A new store needs a passphrase, and nothing here can ask for one."
        hint = "Make it in lw.ConnectionPanel(), or call lw.Store.create(…, passphrase=…). "
        raise StoreLocked(message, hint + identity_sources.WITHOUT_A_SCREEN)
    spare = recovery or made
    recipients = [Recipient(OWNER, source.identity.recipient)]
    recipients += [Recipient(RECOVERY, spare.recipient)] if spare else []
    first = documents.with_recipients(StoreDocument(), recipients, [source.identity])
    # A link to an empty folder can be planted as well.
    store_file.make_folder(state.folder, close=not state.by_link)
    with state.guard, state.file(CONNECTIONS).locked():
        _check_free(state)
        if wrapped:
            write_identity(state, wrapped)
        write_store(state, first, source.identity, revision=1)
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
        source = given or _find_identity(state)
        if source is None:
            raise state.locked_error()
        _accept(state, source)


def lock_store(state: StoreState) -> None:
    """Forget the identity and everything it opened; nothing at hand opens it again by itself."""
    with state.guard:
        if state.source is not None and state.source.by == KEY:
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
        state.idle.used = auto_lock.clock()
        document = state.document if data == state.seen else None
        return document or _take_in(state, data, source.identity)


def change_store(state: StoreState, operation: Operation) -> None:
    """Apply one operation, under the lock, to the document as it is on disk then."""
    with state.guard:
        if state.folder is None:
            state.keep(operation(read_store(state)), None)
        else:
            with _store_operation(state) as (document, source):
                new, revision = operation(document), document.revision + 1
                write_store(state, new, source.identity, revision=revision)


@contextmanager
def _store_operation(state: StoreState) -> Iterator[tuple[StoreDocument, IdentitySource]]:
    """Hold guard and lock, with the document as it is on disk and the identity.

    StoreLocked, NewerStore, or StoreError if the store is read-only or older than it was.
    """
    with state.guard:
        check_exists(state)
        source, file = unlock_headless(state), state.file(CONNECTIONS)
        state.idle.used = auto_lock.clock()
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


def write_store(
    state: StoreState, new: StoreDocument, identity: Identity, *, revision: int
) -> StoreDocument:
    """Seal this revision to its recipients, open it again, and put it in place."""
    from llmwidgets.store import age

    document = replace(new, revision=revision, schema=documents.SCHEMA)
    plain = documents.serialize_document(document, identity)
    sealed = age.encrypt(plain, [each.recipient for each in document.recipients])
    if age.decrypt(sealed, [identity]) != plain:
        message = "The sealed connections did not open again, so nothing was written."
        raise StoreError(message, _FAILING)
    state.file(CONNECTIONS).replace(sealed)
    state.keep(document, sealed)
    return document


def write_identity(state: StoreState, wrapped: bytes) -> None:
    """Put a sealed identity in place; StoreError if a link leads to what is not a store's."""
    file = state.file(IDENTITY)
    if file.path.is_symlink() and file.exists and not file.read().startswith(_AGE):
        message = f"{file.path} is a link to {file.target}, which does not belong to a store."
        raise StoreError(message, "Delete the link, then try again.")
    file.replace(wrapped)


# -- Opening what is on disk.


def _find_identity(state: StoreState) -> IdentitySource | None:
    """The identity that opens the store without a question: surroundings, server, keyring."""
    return identity_sources.find_headless_identity() or identity_sources.find_remembered(state)


def unlock_headless(state: StoreState) -> IdentitySource:
    """The identity that is open, or that opens the store now; StoreLocked."""
    state.idle.check()
    if state.source is None and state.status is not Status.LOCKED_BY_USER:
        source = _find_identity(state)
        if source is not None:
            _accept(state, source)
    if state.source is None:
        raise state.locked_error()
    return state.source


def _accept(state: StoreState, source: IdentitySource) -> None:
    """Take an identity for the process once it has opened the store."""
    _take_in(state, state.file(CONNECTIONS).read(), source.identity, source.by)
    state.open_by(source)


def _take_in(state: StoreState, data: bytes, identity: Identity, by: str = "") -> StoreDocument:
    document = open_document(state, data, identity, by)
    state.keep(document, data)
    if state.rolled_back is not None:
        # Another process may have saved between this read and its note of the revision.
        data = state.file(CONNECTIONS).read()
        document = open_document(state, data, identity)
        state.keep(document, data)
    return document


def open_document(
    state: StoreState, data: bytes, identity: Identity, by: str = ""
) -> StoreDocument:
    """The document in the bytes of the store's file; DamagedStore or NewerStore.

    StoreLocked for a foreign identity of the source `by`, which had not opened the store yet.
    """
    from llmwidgets.store import age

    try:
        plain = age.decrypt(data, [identity])
        return documents.parse_document(plain, identity, state.folder)
    except StoreLocked:
        fault = _foreign_error(state, identity, by)
    except DamagedStore as error:
        fault = damaged_error(state, error.message, hint=error.hint)
    raise fault


def _foreign_error(state: StoreState, identity: Identity, by: str) -> StoreError:
    """The error for an identity that the file does not name, or no longer names if damaged."""
    if by == PASSPHRASE:
        return damaged_error(state, "It is not sealed to the identity in identity.age.")
    if not by or _was_own(state, identity):
        return damaged_error(state, _OTHERS)
    with_it = "with this identity" if by == GIVEN else f"with the identity in {by}"
    return StoreLocked(
        f"{state.name} does not open {with_it}.",
        "It belongs to another store, was removed from this one, or the file is damaged.",
    )


def _was_own(state: StoreState, identity: Identity) -> bool:
    """Whether the store was this identity's own, which nobody removes: then the file is damaged.

    A member can have been removed since the last backup; without any nothing was changed since.
    """
    backups = state.file(CONNECTIONS).backups()
    for path in backups:
        document = _open_backup(state, path, identity)
        if document is not None:
            own = {r.name for r in document.recipients if r.recipient == identity.recipient}
            return not own.isdisjoint({OWNER, RECOVERY})
    before = trust.recall_store(trust.recall_folder(state.folder).store_id)
    return not backups and identity.recipient in before.writers


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
        saved = format_moment(store_file.modified_at(backup))
        hint = (
            f"{backup.name} in the same folder is what was saved on {saved}: "
            "store.restore() goes back to it."
        )
    hint = hint or "There is no backup: put back a copy of your own."
    return DamagedStore(f"{file.path} does not open and is kept as it is. {reason}", hint)


# -- Another passphrase, another identity of the owner's.


def change_passphrase(state: StoreState, old: Secret | None, new: Secret) -> None:
    """Seal the identity by another passphrase; the connections stay as they are.

    The old one is tried first and the new file is opened before it replaces the old, whose backups
    go: the old passphrase would open them.
    """
    identity_sources.check_passphrase(new)
    check_exists(state)
    if old is None and _is_opened_by_recovery(state):
        return rotate_identity(state, new, purge_backups=False)
    identity = _proven_owner(state) if old is None else open_by_passphrase(state, old)
    wrapped = _wrap(identity, new)
    with state.guard, state.file(CONNECTIONS).locked():
        write_identity(state, wrapped)
        _purge(state, IDENTITY)
    return None


def rotate_identity(state: StoreState, passphrase: Secret, *, purge_backups: bool) -> None:
    """Put a new identity in place of the owner's and seal the store to it alone.

    The store is sealed to both while identity.age changes over, so that a crash at any point
    leaves a pair that opens.
    """
    from llmwidgets.store import age

    identity_sources.check_passphrase(passphrase)
    if state.file(IDENTITY).exists and not _is_opened_by_recovery(state):
        open_by_passphrase(state, passphrase)
    made = age.Identity.generate()
    wrapped = _wrap(made, passphrase)
    with _store_operation(state) as (document, source):
        before = _owner_of(document, source.identity)

        def seal(old: StoreDocument, members: Iterable[Recipient]) -> StoreDocument:
            # The new identity signs and the old one vouches for it: either opens and believes this.
            sealed_to = [Recipient(OWNER, made.recipient), *members]
            new = documents.with_recipients(old, sealed_to, [source.identity, made])
            return write_store(state, new, made, revision=old.revision + 1)

        both = seal(document, document.recipients)
        write_identity(state, wrapped)
        seal(both, (each for each in document.recipients if each != before))
        state.open_by(IdentitySource(made, PASSPHRASE))
        _purge(state, IDENTITY)
        if purge_backups:
            _purge(state, CONNECTIONS)
    identity_sources.renew_remembered(state, made)


def _owner_of(document: StoreDocument, identity: Identity) -> Recipient:
    """The entry that is replaced: the owner's own, or the lost one after a recovery."""
    if Recipient(RECOVERY, identity.recipient) in document.recipients:
        owners = (each for each in document.recipients if each.name == OWNER)
        return next(owners, Recipient(OWNER, ""))
    own = Recipient(OWNER, identity.recipient)
    if own not in document.recipients:
        message = "Only the owner of the store gives it a new identity."
        raise StoreError(message, "A member makes one with age-keygen and is invited with it.")
    return own


def _is_opened_by_recovery(state: StoreState) -> bool:
    if state.document is None or state.source is None:
        return False
    return Recipient(RECOVERY, state.source.identity.recipient) in state.document.recipients


def _proven_owner(state: StoreState) -> Identity:
    """The identity that a key file, a variable or code gave: as good as the old passphrase."""
    if state.source is None or state.source.by not in {KEY, KEY_FILE, GIVEN}:
        raise FieldError(
            {"old": "is needed: the passphrase that opens the store now."},
            "Or unlock the store with the recovery identity: store.unlock(identity=…).",
        )
    if state.document is not None:
        _owner_of(state.document, state.source.identity)
    return state.source.identity


def _wrap(identity: Identity, passphrase: Secret) -> bytes:
    from llmwidgets.store import age

    wrapped = age.wrap_identity(identity, passphrase)
    if identity_sources.passphrase_identity(wrapped, passphrase).recipient != identity.recipient:
        message = "The newly sealed identity did not open again, so nothing was written."
        raise StoreError(message, _FAILING)
    return wrapped


def _purge(state: StoreState, name: str) -> None:
    file = state.file(name)
    for path in (*file.backups(), *file.leftovers()):
        with suppress(OSError):
            path.unlink()


# -- Backups: listed with what is in them, and put back as the newest revision.


@dataclass(frozen=True, slots=True)
class Backup:
    """What was saved before; `connections` is None if the identity at hand does not open it."""

    path: Path
    saved_at: datetime
    connections: int | None
    revision: int | None

    def __str__(self) -> str:
        connections = self.connections
        content = "cannot be opened" if connections is None else count(connections, "connection")
        return f"{self.path.name}: {format_moment(self.saved_at)}, {content}"


def list_backups(state: StoreState) -> tuple[Backup, ...]:
    """The backups, newest first; the counts need an unlocked store."""
    if state.folder is None:
        return ()
    identity = state.source.identity if try_unlock(state) and state.source else None
    paths = state.file(CONNECTIONS).backups()
    return tuple(_describe(path, _open_backup(state, path, identity)) for path in paths)


def restore_backup(state: StoreState, backup: Backup | None, passphrase: Secret | None) -> Backup:
    """Put a backup back as a new revision; the members stay those of a current file that opens."""
    with state.guard:
        source, file = state.source, state.file(CONNECTIONS)
        if not file.backups():
            check_exists(state)
        if passphrase is not None:
            source = IdentitySource(open_by_passphrase(state, passphrase), PASSPHRASE)
        elif source is None and state.status is not Status.LOCKED_BY_USER:
            source = _find_identity(state)
        if source is None:
            raise state.locked_error()
        with file.locked():
            path, old = _choose(state, backup, source.identity)
            chosen = _describe(path, old)
            current = _open_backup(state, file.path, source.identity) or old
            seen = trust.recall_store(old.store_id).revision
            revision = max(current.revision, old.revision, seen) + 1
            new = replace(
                old, recipients=current.recipients, vouchers=current.vouchers, roster=current.roster
            )
            write_store(state, new, source.identity, revision=revision)
            state.open_by(source)
    return chosen


def _choose(
    state: StoreState, backup: Backup | None, identity: Identity
) -> tuple[Path, StoreDocument]:
    for path in [backup.path] if backup else state.file(CONNECTIONS).backups():
        document = _open_backup(state, path, identity)
        if document is not None:
            return path, document
    message = "None of the backups opens with the store's identity."
    if backup is not None:
        message = f"{backup.path.name} does not open with the store's identity."
    raise StoreError(message, "It was sealed to an earlier identity, or it is damaged.")


def _open_backup(state: StoreState, path: Path, identity: Identity | None) -> StoreDocument | None:
    # By `StoreFile`, which waits for nothing: a pipe can be in the place of any of them.
    with suppress(StoreError):
        data = store_file.StoreFile(path).read()
        return open_document(state, data, identity) if identity else None
    return None


def _describe(path: Path, document: StoreDocument | None) -> Backup:
    counts = (len(document.connections), document.revision) if document else (None, None)
    return Backup(path, store_file.modified_at(path), *counts)
