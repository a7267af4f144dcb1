"""Exported: connections in one age file to carry elsewhere, looked at before they are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from llmwidgets.connections.connection import Connection
from llmwidgets.connections.storage import payload_lines
from llmwidgets.errors import (
    DamagedStore,
    FieldError,
    NewerStore,
    StoreError,
    StoreLocked,
    WrongPassphrase,
)
from llmwidgets.secret import Secret
from llmwidgets.store import document as content
from llmwidgets.store import file, members
from llmwidgets.store.document import Contents, Recipient

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity
    from llmwidgets.store.repository import Spell


_LARGEST = 16 * 1024 * 1024

_Opened = TypeVar("_Opened")
State = Literal["new", "same label", "same kind"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A connection in an exported file, and whether its place here is free."""

    label: str
    kind: str
    host: str
    tail: str
    state: State


@dataclass(frozen=True, slots=True)
class Preview:
    """What an exported file holds; nothing is taken before `store.take`.

    `caution` is a sentence where anybody who knows the recipient could have made the file.
    """

    path: Path
    offers: tuple[Offer, ...]
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
            raise content.unknown(missing[0], there)
        return [there[label] for label in wanted]


def export(
    contents: Contents,
    path: Path,
    *,
    identity: Identity,
    seal_to: Secret | str,
    spell: Spell,
) -> None:
    """Write the connections to a new file of mode 0600, sealed to a passphrase or a recipient."""
    from llmwidgets.store import age as sealing

    readers = [] if isinstance(seal_to, Secret) else [members.check_recipient(seal_to)]
    carried = content.with_recipients(
        replace(contents, schema=content.SCHEMA),
        [Recipient("reader", each) for each in readers],
        [],
    )
    plain = content.write(carried, identity, spell)
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


def preview(
    path: Path, here: Contents, *, passphrase: Secret | None, identities: list[Identity]
) -> Preview:
    """What the file holds beside what is here; DamagedStore, WrongPassphrase, StoreLocked."""
    from llmwidgets.store import age as sealing
    from llmwidgets.store import writer_auth as authors

    data = _read(path)
    if passphrase is not None:
        plain = _opened(path, lambda: sealing.decrypt_passphrase(data, passphrase))
        writer = "a holder of the passphrase"
    else:
        plain = _opened(path, lambda: sealing.decrypt(data, identities))
        signed = [authors.author(plain, each) for each in identities]
        own = {each.recipient for each in identities}
        writer = next((each for each in signed if each in own), None) or ""
    contents = _contents(path, plain)
    made = [(each["label"], content.read_connection(each)) for each in contents.payloads]
    there = [connection for _, connection in made if connection is not None]
    caution = (
        ""
        if writer
        else (
            "Whoever knows your recipient can have made this file: look at each address before you "
            "take a connection."
        )
    )
    return Preview(
        path,
        tuple(_offer(each, here) for each in there),
        tuple(label for label, connection in made if connection is None),
        caution,
        tuple(there),
    )


def by_passphrase(path: Path) -> bool:
    """Whether a passphrase opens the file; DamagedStore where it is no age file."""
    from llmwidgets.connections.storage import age_format

    data = _read(path)
    return _opened(path, lambda: age_format.read_header(data))[0].stanzas[0].kind == "scrypt"


def _opened(path: Path, how: Callable[[], _Opened]) -> _Opened:
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


def _offer(connection: Connection, here: Contents) -> Offer:
    labels, kinds = set(here.labels), {each["kind"] for each in here.payloads}
    state: State = "new"
    if connection.label in labels:
        state = "same label"
    elif connection.provider.single and connection.kind in kinds:
        state = "same kind"
    return Offer(connection.label, connection.kind, connection.host, connection.tail, state)


def _contents(path: Path, plain: memoryview) -> Contents:
    document = payload_lines.read(plain)
    if document is not None and document.get("format") == content.FORMAT:
        schema = document.get("schema")
        if isinstance(schema, int) and schema > content.SCHEMA:
            message = f"{path} was exported by a newer llmwidgets."
            raise NewerStore(message, "Update llmwidgets.")
        contents = content.described(document)
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
