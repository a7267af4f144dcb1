"""Who wrote a store's file, whether to believe them, and whether it is older than one seen before.

age tells who can read, not who wrote. So a writer adds a code for each reader, made with a key that
only the writer and that reader can work out from their identities: nothing secret is shared, and a
removed member has nothing to forge with. What this computer saw of a store before is remembered
away from its folder.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmwidgets.errors import FieldError

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity
    from llmwidgets.store.document import StoreDocument


OWNER, RECOVERY = "owner", "recovery"
"""The names of the store's own two recipients."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who can open a store."""

    name: str
    recipient: str


_HEAD, _BREAK = b'{"auth": ', b",\n"
_FIRST_HEAD, _FIRST_TAIL, _FIRST_TAG = b'{"auth": "', b'", ', 64
_LONGEST_HEAD = 1 << 20
_BODY, _ROSTER = "body", "roster"

RosterTag = Mapping[str, Any]
"""Who signed (`by`, a recipient) and the code for each reader (`tags`, by recipient)."""


# -- Who wrote it: the codes of writers.


def sign_body(body: memoryview, identity: Identity, readers: Iterable[str]) -> memoryview:
    """The JSON object with a first line in which its writer signs the rest for every reader."""
    tag = _sign(identity, readers, hashlib.sha256(body).digest(), _BODY)
    return memoryview(b"".join((_HEAD, json.dumps(tag).encode("ascii"), _BREAK, body[1:])))


def read_author(plain: memoryview, identity: Identity) -> str | None:
    """The recipient of whoever signed this file for this identity; None if nobody did."""
    end = bytes(plain[:_LONGEST_HEAD]).find(b"\n") - 1
    if plain[: len(_HEAD)] != _HEAD or end < 0 or plain[end : end + 2] != _BREAK:
        return identity.recipient if _is_signed_as_schema_1(plain, identity) else None
    try:
        tag = json.loads(bytes(plain[len(_HEAD) : end]))
    except (ValueError, RecursionError):
        return None
    whole = hashlib.sha256(b"{")
    whole.update(plain[end + 2 :])
    return tag["by"] if _is_signed(tag, identity, whole.digest(), _BODY) else None


def sign_roster(document: StoreDocument, identity: Identity) -> RosterTag:
    """A code for every member, by which this identity vouches for the list of them."""
    readers = [each.recipient for each in document.recipients]
    return _sign(identity, readers, _roster_digest(document), _ROSTER)


def _roster_digest(document: StoreDocument) -> bytes:
    members = [[each.name, each.recipient] for each in document.recipients]
    listed = [document.store_id, document.roster, members]
    return hashlib.sha256(json.dumps(listed).encode("ascii")).digest()


def _sign(identity: Identity, readers: Iterable[str], digest: bytes, what: str) -> dict[str, Any]:
    tags = {}
    for reader in dict.fromkeys((identity.recipient, *readers)):
        tag = _tag(identity, reader, digest, f"{what} {identity.recipient} {reader}")
        if tag is None:
            raise FieldError({"recipient": "is not an age recipient."}, "It starts with age1.")
        tags[reader] = tag
    return {"by": identity.recipient, "tags": tags}


def _is_signed(signed: object, identity: Identity, digest: bytes, what: str) -> bool:
    if not isinstance(signed, dict) or not isinstance(signed.get("tags"), dict):
        return False
    writer, own = signed.get("by"), signed["tags"].get(identity.recipient)
    if not isinstance(writer, str) or not isinstance(own, str) or not own.isascii():
        return False
    tag = _tag(identity, writer, digest, f"{what} {writer} {identity.recipient}")
    return tag is not None and hmac.compare_digest(tag, own)


def _tag(identity: Identity, other: str, digest: bytes, purpose: str) -> str | None:
    key = identity.key_shared_with(other, f"llmwidgets/store/v2/{purpose}".encode())
    return None if key is None else hmac.digest(bytes(key), digest, "sha256").hex()


def _is_signed_as_schema_1(plain: memoryview, identity: Identity) -> bool:
    end = len(_FIRST_HEAD) + _FIRST_TAG
    if plain[: len(_FIRST_HEAD)] != _FIRST_HEAD or plain[end : end + 3] != _FIRST_TAIL:
        return False
    body = memoryview(b"".join((b"{", plain[end + 3 :])))
    tag = identity.tag(body).encode("ascii")
    return hmac.compare_digest(tag, bytes(plain[len(_FIRST_HEAD) : end]))


# -- Whom this computer believes, and whether an older file was put back.


def is_trusted(
    document: StoreDocument, writer: str, identity: Identity, folder: Path | None
) -> bool:
    """Whether the writer of a document is believed, who is not its reader.

    Believed are the members of the store as this computer last read it, whoever the user named
    (`store.trust`), whoever one of these or the reader vouches for in a list of members that is no
    older than the last one read, and, for the recovery identity, every member: its recipient
    appears nowhere but in the sealed file, so whoever signs for it has read that.
    """
    names = {each.recipient: each.name for each in document.recipients}
    # What lay in this folder counts: a file cannot name another store.
    before = recall_folder(folder)
    last = recall_store(before.store_id or document.store_id)
    sure = {identity.recipient, *last.writers, *before.trusted}
    if writer in sure:
        return True
    if writer not in names or identity.recipient not in names:
        return False
    if names[identity.recipient] == RECOVERY:
        return True
    digest = _roster_digest(document)
    vouching = {t["by"] for t in document.vouchers if _is_signed(t, identity, digest, _ROSTER)}
    return document.roster >= last.roster and not vouching.isdisjoint(sure)


def note_revision(folder: Path | None, document: StoreDocument) -> int | None:
    """Remember a document that was read or written; returns the higher revision seen before."""
    last = recall_store(document.store_id)
    older = document.revision < last.revision
    if not older:
        writers = tuple(sorted(each.recipient for each in document.recipients))
        seen = StoreMemory(document.revision, document.roster, writers)
        if seen != last:
            _write(f"store {document.store_id}", seen)
    before = recall_folder(folder)
    if (before.store_id, before.trusted) != (document.store_id, ()):
        remember_folder(folder, store_id=document.store_id, trusted=())
    return last.revision if older else None


def trust_author(folder: Path | None, recipient: str) -> None:
    """Take the next file of this writer."""
    named = (*recall_folder(folder).trusted, recipient)
    remember_folder(folder, trusted=tuple(dict.fromkeys(named)))


def accept_rollback(document: StoreDocument) -> None:
    """Go on from an older file: its revision is the highest from now on."""
    last = recall_store(document.store_id)
    _write(f"store {document.store_id}", replace(last, revision=document.revision, roster=0))


ROLLBACK_HINT = (
    "If you put an older copy back yourself, go on with store.accept_rollback(); else look for "
    "the newer file, and revoke keys that were replaced meanwhile."
)


# -- What this computer remembers of stores: the highest revision seen, the members, the choices.
#
# It contains no secret. It lies in the user's state folder and not in the store's, so that who
# can put an old file back cannot put the memory back with it; if it cannot be written, nothing is
# remembered and nothing fails.


@dataclass(frozen=True, slots=True)
class StoreMemory:
    """The highest revision seen, the number of its list of members, and who may write."""

    revision: int = 0
    roster: int = 0
    writers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FolderMemory:
    """Which store lay in a folder, where its identity is remembered, and when it locks itself.

    `trusted` are writers the user named, until a file of theirs was read. `auto_lock` are the idle
    minutes of `auto_lock.py`.
    """

    store_id: str = ""
    trusted: tuple[str, ...] = ()
    remembered: tuple[str, ...] = ()
    auto_lock: int = 60


def recall_store(store_id: str) -> StoreMemory:
    """What is remembered of a store, by its id."""
    return StoreMemory(**_read(f"store {store_id}", StoreMemory))


def recall_folder(folder: Path | None) -> FolderMemory:
    """What is remembered of a folder; nothing of a store in memory."""
    return FolderMemory(**_read(f"folder {folder}", FolderMemory)) if folder else FolderMemory()


def remember_folder(folder: Path | None, **changes: Any) -> None:
    """Change what is remembered of a folder."""
    if folder is not None:
        _write(f"folder {folder}", replace(recall_folder(folder), **changes))


def memory_folder() -> str:
    """The folder of this memory."""
    # A text, since each opening of a store looks here twice and a Path costs as much as the read.
    import platformdirs

    return os.path.join(platformdirs.user_state_dir("llmwidgets", False), "stores")


def _path_of(what: str) -> str:
    name = f"{hashlib.sha256(os.fsencode(what)).hexdigest()[:32]}.json"
    return os.path.join(memory_folder(), name)


def _read(what: str, kind: type) -> dict[str, Any]:
    """The remembered values whose type is that of the default; a list becomes a tuple."""
    try:
        with open(_path_of(what), "rb", buffering=0) as opened:
            values = json.loads(opened.read())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return {
        each.name: values[each.name]
        for each in fields(kind)
        if type(values.get(each.name)) is type(each.default)
    }


def _write(what: str, memory: StoreMemory | FolderMemory) -> None:
    file = Path(_path_of(what))
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    # Not brought to the disk: a memory lost with the power only warns less, and a save stays quick.
    with suppress(OSError):
        try:
            if not file.parent.exists():
                file.parent.mkdir(0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="ascii") as opened:
                opened.write(json.dumps(asdict(memory)))  # `dump` writes each comma by itself
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
