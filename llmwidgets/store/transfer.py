"""Exported: connections in one age file to carry elsewhere, looked at before they are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import (
    DamagedStore,
    FieldError,
    NewerStore,
    StoreError,
    StoreLocked,
    WrongPassphrase,
)
from llmwidgets.secret import Secret
from llmwidgets.store import document, file, identity_sources, recipients, repository, trust
from llmwidgets.store import document as content
from llmwidgets.store import document as payload_lines
from llmwidgets.store.document import Recipient, StoreDocument
from llmwidgets.store.identity_sources import IdentitySource
from llmwidgets.store.repository import CONNECTIONS, Spell
from llmwidgets.store.state import StoreState

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity


_LARGEST = 16 * 1024 * 1024

_Opened = TypeVar("_Opened")
ImportState = Literal["new", "same label", "same kind"]


@dataclass(frozen=True, slots=True)
class ImportableConnection:
    """A connection in an exported file, and whether its place here is free."""

    label: str
    kind: str
    host: str
    tail: str
    state: ImportState


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """What an exported file holds; nothing is taken before `store.take`.

    `caution` is a sentence where anybody who knows the recipient could have made the file.
    """

    path: Path
    offers: tuple[ImportableConnection, ...]
    unreadable: tuple[str, ...] = ()
    caution: str = ""
    connections: tuple[Connection, ...] = field(default=(), repr=False)

    def chosen(self, labels: Iterable[str] | None, *, replace: bool) -> list[Connection]:
        """The connections of these labels; without labels the new ones, or all with `replace`."""
        if labels is None:
            free = {each.label for each in self.offers if replace or each.state == "new"}
            return [each for each in self.connections if each.label in free]
        there = {each.label: each for each in self.connections}
        wanted = list(labels)
        missing = [label for label in wanted if label not in there]
        if missing:
            raise content.unknown_label(missing[0], there)
        return [there[label] for label in wanted]


def export_connections(
    contents: StoreDocument,
    path: Path,
    *,
    identity: Identity,
    seal_to: Secret | str,
    spell: Spell,
) -> None:
    """Write the connections to a new file of mode 0600, sealed to a passphrase or a recipient."""
    from llmwidgets.store import age as sealing

    readers = [] if isinstance(seal_to, Secret) else [recipients.check_recipient(seal_to)]
    carried = content.with_recipients(
        replace(contents, schema=content.SCHEMA),
        [Recipient("reader", each) for each in readers],
        [],
    )
    plain = content.serialize_document(carried, identity, spell)
    if isinstance(seal_to, Secret):
        sealed = sealing.encrypt_passphrase(plain, seal_to, work_factor=sealing.WORK_FACTOR)
    else:
        sealed = sealing.encrypt(plain, readers)
    try:
        file.write_new(path, sealed)
        file.sync_folder(path.parent)
    except FileExistsError:
        reason = "it is there already"
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
    else:
        return
    message = f"{path} could not be written: {reason}."
    raise StoreError(message, "Name another file.")


def preview_import(
    path: Path, here: StoreDocument, *, passphrase: Secret | None, identities: list[Identity]
) -> ImportPreview:
    """What the file holds beside what is here; DamagedStore, WrongPassphrase, StoreLocked."""
    from llmwidgets.store import age as sealing
    from llmwidgets.store import trust as authors

    data = _read(path)
    if passphrase is not None:
        plain = _decrypt_file(path, lambda: sealing.decrypt_passphrase(data, passphrase))
        writer = "a holder of the passphrase"
    else:
        plain = _decrypt_file(path, lambda: sealing.decrypt(data, identities))
        signed = [authors.read_author(plain, each) for each in identities]
        own = {each.recipient for each in identities}
        writer = next((each for each in signed if each in own), None) or ""
    contents = _contents(path, plain)
    made = [(each["label"], content.parse_connection(each)) for each in contents.payloads]
    there = [connection for _, connection in made if connection is not None]
    caution = (
        ""
        if writer
        else (
            "Whoever knows your recipient can have made this file: look at each address before you "
            "take a connection."
        )
    )
    return ImportPreview(
        path,
        tuple(_offer(each, here) for each in there),
        tuple(label for label, connection in made if connection is None),
        caution,
        tuple(there),
    )


def decrypt_export(path: Path) -> bool:
    """Whether a passphrase opens the file; DamagedStore where it is no age file."""
    from llmwidgets.store import age as age_format

    data = _read(path)
    return _decrypt_file(path, lambda: age_format.read_header(data))[0].stanzas[0].kind == "scrypt"


def _decrypt_file(path: Path, how: Callable[[], _Opened]) -> _Opened:
    """What opening the file gives; the same errors, with the file's name and the next step."""
    try:
        return how()
    except WrongPassphrase as error:
        fault: StoreError = WrongPassphrase(f"The passphrase does not open {path}.", error.hint)
    except StoreLocked:
        fault = StoreLocked(
            f"{path} is not sealed to an identity at hand.",
            "Unlock the store it was exported for, or give identity=….",
        )
    except DamagedStore as error:
        fault = DamagedStore(f"{path} does not open. {error.message}", error.hint or _BINARY)
    raise fault


_BINARY = "Name a file that store.export(path, …) or age wrote, without age's --armor."


def _offer(connection: Connection, here: StoreDocument) -> ImportableConnection:
    labels, kinds = set(here.labels), {each["kind"] for each in here.payloads}
    state: ImportState = "new"
    if connection.label in labels:
        state = "same label"
    elif connection.provider.single and connection.kind in kinds:
        state = "same kind"
    return ImportableConnection(
        connection.label, connection.kind, connection.host, connection.tail, state
    )


def _contents(path: Path, plain: memoryview) -> StoreDocument:
    document = payload_lines.read_lines(plain)
    if document is not None and document.get("format") == content.FORMAT:
        schema = document.get("schema")
        if isinstance(schema, int) and schema > content.SCHEMA:
            message = f"{path} was exported by a newer llmwidgets."
            raise NewerStore(message, "Update llmwidgets.")
        contents = content.describe_document(document)
        if contents is not None:
            return contents
    message = f"{path} opens, but holds no exported connections."
    raise DamagedStore(message, "Export them with store.export(path, …).")


def _read(path: Path) -> bytes:
    try:
        if path.is_file() and path.stat().st_size <= _LARGEST:
            return path.read_bytes()
        reason = "it is no file" if not path.is_file() else "it is larger than 16 MB"
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
    raise FieldError({"path": f"{path} cannot be read: {reason}."}, "Name an exported file.")


# -- Backups of a store: listed with what is in them, and put back as the newest revision.


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


def list_backups(session: StoreState) -> tuple[Backup, ...]:
    """The backups, newest first; the counts need an unlocked store."""
    if session.folder is None:
        return ()
    identity = session.unlocked.identity if session.unlocked else None
    return tuple(
        _described(session, path, identity) for path in session.file(CONNECTIONS).backups()
    )


def restore_backup(
    session: StoreState, backup: Backup | None, passphrase: Secret | None, spell: Spell
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
            highest = max(there.revision, old.revision, trust.recall_store(old.store_id).revision)
            new = replace(
                old,
                recipients=there.recipients,
                vouchers=there.vouchers,
                roster=there.roster,
                revision=highest + 1,
                schema=document.SCHEMA,
            )
            repository.write_store(session, new, found.identity, spell)
            session.open_by(found)
    return each


def _identity(session: StoreState, passphrase: Secret | None) -> IdentitySource:
    if passphrase is not None:
        identity = repository.open_by_passphrase(session, passphrase)
        return IdentitySource(identity, identity_sources.PASSPHRASE)
    found = session.unlocked
    if found is None and not session.locked_by_hand:
        found = repository.find_identity(session)
    if found is None:
        raise identity_sources.locked_error(session.name)
    return found


def _chosen(
    session: StoreState, backup: Backup | None, identity: Identity
) -> tuple[Backup, StoreDocument]:
    for each in list_backups(session) if backup is None else (backup,):
        old = _open_backup(session, each.path, identity)
        if old is not None:
            return _described(session, each.path, identity), old
    named = "None of the backups" if backup is None else backup.path.name
    message = f"{named} opens with the store's identity."
    if backup is not None:
        message = f"{named} does not open with the store's identity."
    raise StoreError(message, "It was sealed to an earlier identity, or it is damaged.")


def _current(session: StoreState, identity: Identity) -> StoreDocument | None:
    return _open_backup(session, session.file(CONNECTIONS).path, identity)


def _open_backup(session: StoreState, path: Path, identity: Identity) -> StoreDocument | None:
    with suppress(OSError, StoreError):
        return repository.open_document(session, path.read_bytes(), identity)
    return None


def _described(session: StoreState, path: Path, identity: Identity | None) -> Backup:
    moment = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
    old = None if identity is None else _open_backup(session, path, identity)
    count = None if old is None else len(old.payloads)
    return Backup(path, moment, count, None if old is None else old.revision)
