"""A store shared with others: its members, and connections carried elsewhere in one file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import (
    DamagedStore,
    FieldError,
    NewerStore,
    StoreError,
    StoreLocked,
    UnknownConnection,
    WrongPassphrase,
)
from llmwidgets.secret import Secret
from llmwidgets.store import document as documents
from llmwidgets.store import identity_sources, repository, trust
from llmwidgets.store.document import StoreDocument, UnreadableConnection, with_recipients
from llmwidgets.store.file import explain_error, sync_folder, write_new
from llmwidgets.store.state import StoreState
from llmwidgets.store.trust import OWNER, RECOVERY, Recipient

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity


@dataclass(frozen=True, slots=True)
class Member:
    """Who can open the store; `fingerprint` is what two people compare by voice."""

    name: str
    recipient: str
    fingerprint: str
    you: bool


@dataclass(frozen=True, slots=True)
class Invitation:
    """What an invited person does next; it contains no secret and can be sent by mail."""

    name: str
    fingerprint: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Removal:
    """Who was removed, and the connections whose keys that person has seen."""

    name: str
    revoke: tuple[str, ...]

    def __str__(self) -> str:
        if not self.revoke:
            return f"{self.name} can no longer open the store; it contains no key to revoke."
        return (
            f"{self.name} can no longer open the store, but has seen its keys and can keep "
            f"old copies of the file. Make new keys at the provider, save them here and revoke "
            f"the old ones: {', '.join(self.revoke)}."
        )


def fingerprint(recipient: str) -> str:
    """Twenty hex digits of a recipient's SHA-256, in groups of four."""
    digits = hashlib.sha256(recipient.encode("utf-8")).hexdigest()[:20]
    return " ".join(digits[at : at + 4] for at in range(0, 20, 4))


def list_members(document: StoreDocument, own: str) -> tuple[Member, ...]:
    """Everyone who can open the store, the recovery identity too."""
    return tuple(
        Member(each.name, each.recipient, fingerprint(each.recipient), each.recipient == own)
        for each in document.recipients
    )


def check_recipient(recipient: str) -> str:
    """The recipient without blanks around it; FieldError for anything but `age1…`."""
    from llmwidgets.store import age

    bare = recipient.strip() if isinstance(recipient, str) else ""
    if age.read_recipient(bare):
        return bare
    secret = bare.upper().startswith("AGE-SECRET-KEY-")
    problem = "is a secret identity: nobody else may have it." if secret else "is not an age key."
    raise FieldError(
        {"recipient": problem}, "It starts with age1; age-keygen prints it as the public key."
    )


def with_member(document: StoreDocument, new: Recipient, by: Identity) -> StoreDocument:
    """The document that one more person can open; FieldError if name or key is there already."""
    if new.name in {OWNER, RECOVERY} or not new.name.strip():
        raise FieldError({"name": "is empty or kept for the store's own."}, "Name the person.")
    if any(new.name == each.name for each in document.recipients):
        raise FieldError({"name": f"{new.name} is a member already."}, "Take another name.")
    if any(new.recipient == each.recipient for each in document.recipients):
        raise FieldError({"recipient": "can open the store already."})
    return with_recipients(document, [*document.recipients, new], [by])


def without_member(document: StoreDocument, name: str, by: Identity) -> StoreDocument:
    """The document that this person can no longer open; UnknownConnection, StoreError for you."""
    gone = next((each for each in document.recipients if each.name == name), None)
    if gone is None:
        names = ", ".join(each.name for each in document.recipients)
        raise UnknownConnection(f"There is no member {name!r}.", f"There are: {names}.")
    if gone.recipient == by.recipient or gone.name == OWNER:
        message = f"{name} keeps the store and cannot be removed from it."
        raise StoreError(message, "store.new_identity(passphrase) gives the owner a new identity.")
    kept = [each for each in document.recipients if each != gone]
    return with_recipients(document, kept, [by])


def seen_keys(document: StoreDocument) -> tuple[str, ...]:
    """The labels whose key is in the file itself, and not as a reference."""
    return tuple(
        each.label
        for each in document.connections
        if any(secret.reference is None for secret in _secrets_of(each))
    )


def _secrets_of(connection: Connection | UnreadableConnection) -> list[Secret]:
    if isinstance(connection, Connection):
        return [secret for _, _, secret in connection.secrets]
    fields = connection.json.get("fields") or {}
    values = [*fields.values(), *(fields.get("headers") or {}).values()]
    return [value for value in values if isinstance(value, Secret)]


def write_invitation(store: str, name: str, recipient: str, inviter: str) -> Invitation:
    """The lines that a new member runs."""
    text = (
        f"{name} can open a shared store of connections from now on "
        f"(fingerprint {fingerprint(recipient)}).\n"
        f"Its folder was {store}. With its folder on your computer, run:\n"
        f"    import llmwidgets as lw\n"
        f'    team = lw.Store(path="THE FOLDER")\n'
        f'    team.trust("{inviter}")\n'
        f'    team.unlock(identity="file:YOUR KEY FILE")\n'
        f"Before that, compare the inviter's fingerprint by voice: {fingerprint(inviter)}"
    )
    return Invitation(name, fingerprint(recipient), text)


# -- Connections carried elsewhere in one age file, and backups that are put back.

_LARGEST = 16 * 1024 * 1024
_BINARY = "Name a file that store.export(path, …) or age wrote, without age's --armor."

ImportState = Literal["new", "same label", "same kind"]


@dataclass(frozen=True, slots=True)
class ImportableConnection:
    """A connection in an exported file, and whether its place here is free.

    `tail` is the end of its key, `sign_in` what signs it in without one.
    """

    label: str
    kind: str
    host: str
    tail: str
    state: ImportState
    sign_in: str = ""


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """What an exported file contains; nothing is taken before `store.take`.

    `caution` is a sentence if anybody who knows the recipient could have made the file.
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
        offered = {each.label: each for each in self.connections}
        wanted = list(labels)
        for label in wanted:
            if not isinstance(label, str) or label not in offered:
                raise documents.unknown_label(label, offered)
        return [offered[label] for label in wanted]


def export_connections(
    document: StoreDocument, path: Path, *, identity: Identity, seal_to: Secret | str
) -> None:
    """Write the connections to a new file of mode 0600, sealed to a passphrase or a recipient."""
    from llmwidgets.store import age

    readers = [] if isinstance(seal_to, Secret) else [check_recipient(seal_to)]
    carried = with_recipients(
        replace(document, schema=documents.SCHEMA), [Recipient("reader", r) for r in readers], []
    )
    plain = documents.serialize_document(carried, identity)
    if isinstance(seal_to, Secret):
        sealed = age.encrypt_passphrase(plain, seal_to, work_factor=age.WORK_FACTOR)
    else:
        sealed = age.encrypt(plain, readers)
    try:
        write_new(path, sealed)
        sync_folder(path.parent)
    except OSError as error:
        taken = isinstance(error, FileExistsError)
        reason = "it is there already" if taken else explain_error(error)
    else:
        return
    raise StoreError(f"{path} could not be written: {reason}.", "Name another file.")


def preview_import(
    state: StoreState,
    path: Path,
    *,
    passphrase: Secret | None,
    identity: Secret | None,
    data: bytes | None = None,
) -> ImportPreview:
    """What the file would bring to this store; the secret field asks for a passphrase it needs.

    With its content, `data`, nothing is read and the path is only its name.

    DamagedStore, WrongPassphrase, StoreLocked.
    """
    from llmwidgets.store import age

    data, caution = _read(path) if data is None else data, ""
    identities = []
    if identity is not None:
        identities.append(identity_sources.read_given_identity(identity).identity)
    if state.source is not None:
        identities.append(state.source.identity)
        repository.read_store(state)
    if asks_for_passphrase(path, data):
        passphrase = passphrase or identity_sources.ask_passphrase("Passphrase of the file: ")
        if passphrase is None:
            message = f"{path} opens with a passphrase, and nobody can be asked for it here."
            raise StoreLocked(message, "Call store.preview(path, passphrase=…).")
        with _naming(path):
            plain = age.decrypt_passphrase(data, passphrase)
    else:
        with _naming(path):
            plain = age.decrypt(data, identities)
        own = {each.recipient for each in identities}
        if own.isdisjoint(trust.read_author(plain, each) for each in identities):
            caution = (
                "Whoever knows your recipient can have made this file: look at each address "
                "before you take a connection."
            )
    exported, here = _exported(path, plain).connections, state.document or StoreDocument()
    read = tuple(each for each in exported if isinstance(each, Connection))
    return ImportPreview(
        path,
        tuple(_offer(each, here) for each in read),
        tuple(each.label for each in exported if not isinstance(each, Connection)),
        caution,
        read,
    )


def asks_for_passphrase(path: Path, data: bytes | None = None) -> bool:
    """Whether a passphrase opens the file; DamagedStore if it is not an age file."""
    from llmwidgets.store import age

    with _naming(path):
        data = _read(path) if data is None else data
        return age.read_header(data).takes_passphrase


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Give what opening the file raises the file's name and the next step."""
    try:
        yield
    except WrongPassphrase as error:
        raise WrongPassphrase(f"The passphrase does not open {path}.", error.hint) from None
    except StoreLocked:
        message = f"{path} is not sealed to an identity at hand."
        hint = "Unlock the store it was exported for, or give identity=…."
        raise StoreLocked(message, hint) from None
    except DamagedStore as error:
        message = f"{path} does not open. {error.message}"
        raise DamagedStore(message, error.hint or _BINARY) from None


def _offer(connection: Connection, here: StoreDocument) -> ImportableConnection:
    state: ImportState = "new"
    if here.find(connection.label) is not None:
        state = "same label"
    elif connection.provider.single and any(e.kind == connection.kind for e in here.connections):
        state = "same kind"
    return ImportableConnection(
        connection.label,
        connection.kind,
        connection.host,
        connection.tail,
        state,
        connection.signed_in_by,
    )


def _exported(path: Path, plain: memoryview) -> StoreDocument:
    message = f"{path} was exported by a newer llmwidgets."
    fault: StoreError = NewerStore(message, "Update llmwidgets.")
    try:
        exported = documents.read_document(plain)
        if not exported.is_newer:
            return exported
    except NewerStore:
        pass
    except DamagedStore:
        message = f"{path} opens, but contains no exported connections."
        fault = DamagedStore(message, "Export them with store.export(path, …).")
    raise fault


def _read(path: Path) -> bytes:
    try:
        if path.is_file() and path.stat().st_size <= _LARGEST:
            return path.read_bytes()
        reason = "it is not a file" if not path.is_file() else "it is larger than 16 MB"
    except OSError as error:
        reason = explain_error(error)
    raise FieldError({"path": f"{path} cannot be read: {reason}."}, "Name an exported file.")
