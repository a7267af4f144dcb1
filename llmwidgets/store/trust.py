"""Authors: who wrote a store's contents and who vouched for its members, by codes that only a
holder of an identity can make.

age says who can read, not who wrote. A code is made for each reader, with a key that only the
writer and that reader can work out from their identities, so that nothing secret is shared and a
removed member has nothing to forge with.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmwidgets.errors import FieldError, StoreError
from llmwidgets.store.document import RECOVERY, StoreDocument

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity
    from llmwidgets.store.state import StoreState


_HEAD, _BREAK = b'{"auth": ', b",\n"
_FIRST_HEAD, _FIRST_TAIL, _FIRST_TAG = b'{"auth": "', b'", ', 64
_LONGEST_HEAD = 1 << 20
_BODY, _ROSTER = "body", "roster"

RosterTag = Mapping[str, Any]
"""Who signed (`by`, a recipient) and the code for each reader (`tags`, by recipient)."""


def sign_body(body: memoryview, identity: Identity, readers: Iterable[str]) -> memoryview:
    """The JSON object with a first line in which its writer signs the rest for every reader."""
    voucher = _voucher(identity, readers, hashlib.sha256(body).digest(), _BODY)
    return memoryview(b"".join((_HEAD, json.dumps(voucher).encode("ascii"), _BREAK, body[1:])))


def read_author(plain: memoryview, identity: Identity) -> str | None:
    """The recipient of whoever signed these contents for this identity; None where nobody did."""
    end = bytes(plain[:_LONGEST_HEAD]).find(b"\n") - 1
    if plain[: len(_HEAD)] != _HEAD or end < 0 or plain[end : end + 2] != _BREAK:
        return identity.recipient if _signed_as_first(plain, identity) else None
    try:
        voucher = json.loads(bytes(plain[len(_HEAD) : end]))
    except (ValueError, RecursionError):
        return None
    whole = hashlib.sha256(b"{")
    whole.update(plain[end + 2 :])
    return voucher["by"] if _holds(voucher, identity, whole.digest(), _BODY) else None


def sign_roster(
    identity: Identity, store_id: str, number: int, members: list[list[str]]
) -> RosterTag:
    """A code for every member that this identity stands for the list of them."""
    readers = [recipient for _, recipient in members]
    return _voucher(identity, readers, _roster(store_id, number, members), _ROSTER)


def roster_signer(
    vouchers: Iterable[RosterTag],
    identity: Identity,
    store_id: str,
    number: int,
    members: list[list[str]],
) -> set[str]:
    """The recipients of those whose code for this list of members is right."""
    digest = _roster(store_id, number, members)
    return {each["by"] for each in vouchers if _holds(each, identity, digest, _ROSTER)}


def _roster(store_id: str, number: int, members: list[list[str]]) -> bytes:
    return hashlib.sha256(json.dumps([store_id, number, members]).encode("ascii")).digest()


def _voucher(
    identity: Identity, readers: Iterable[str], digest: bytes, what: str
) -> dict[str, Any]:
    tags = {}
    for reader in dict.fromkeys((identity.recipient, *readers)):
        tag = _tag(identity, reader, digest, f"{what} {identity.recipient} {reader}")
        if tag is None:
            raise FieldError({"recipient": "is no age recipient."}, "It starts with age1.")
        tags[reader] = tag
    return {"by": identity.recipient, "tags": tags}


def _holds(voucher: object, identity: Identity, digest: bytes, what: str) -> bool:
    if not isinstance(voucher, dict) or not isinstance(voucher.get("tags"), dict):
        return False
    writer, said = voucher.get("by"), voucher["tags"].get(identity.recipient)
    if not isinstance(writer, str) or not isinstance(said, str) or not said.isascii():
        return False
    tag = _tag(identity, writer, digest, f"{what} {writer} {identity.recipient}")
    return tag is not None and hmac.compare_digest(tag, said)


def _tag(identity: Identity, other: str, digest: bytes, purpose: str) -> str | None:
    key = identity.key_shared_with(other, f"llmwidgets/store/v2/{purpose}".encode())
    return None if key is None else hmac.digest(bytes(key), digest, "sha256").hex()


def _signed_as_first(plain: memoryview, identity: Identity) -> bool:
    """Whether the identity itself signed the contents as schema 1 did it."""
    end = len(_FIRST_HEAD) + _FIRST_TAG
    if plain[: len(_FIRST_HEAD)] != _FIRST_HEAD or plain[end : end + 3] != _FIRST_TAIL:
        return False
    body = memoryview(b"".join((b"{", plain[end + 3 :])))
    tag = identity.tag(body).encode("ascii")
    return hmac.compare_digest(tag, bytes(plain[len(_FIRST_HEAD) : end]))


# -- Whom this computer takes a store's contents from, and whether an older file was put back.


def is_trusted(session: StoreState, identity: Identity) -> Callable[[StoreDocument, str], bool]:
    """Whether a writer other than the reader is believed.

    Believed are the members of the store as this computer last read it, whom the user named
    (`store.trust`), whom one of these or the reader vouches for in a list of members that is no
    older than the last one read, and, for the recovery identity, every member: its recipient
    stands nowhere but in the sealed file, so whoever signs for it has read that.
    """

    def judge(contents: StoreDocument, writer: str) -> bool:
        members = {each.recipient: each.name for each in contents.recipients}
        last, named = _before(session, contents.store_id)
        sure = {identity.recipient, *last.writers, *named}
        if writer in sure:
            return True
        if writer not in members or identity.recipient not in members:
            return False
        if members[identity.recipient] == RECOVERY:
            return True
        vouched = roster_signer(
            contents.vouchers, identity, contents.store_id, contents.roster, contents.members
        )
        return contents.roster >= last.roster and not vouched.isdisjoint(sure)

    return judge


def is_older(contents: StoreDocument) -> bool:
    """Whether this computer has seen a higher revision of the store."""
    return contents.revision < recall_store(contents.store_id).revision


def note_revision(session: StoreState, contents: StoreDocument) -> None:
    """Remember contents that were read or written; an older revision is only told."""
    last = recall_store(contents.store_id)
    session.rolled_back = last.revision if contents.revision < last.revision else None
    if session.rolled_back is None:
        writers = tuple(sorted(each.recipient for each in contents.recipients))
        seen = StoreMemory(contents.revision, contents.roster, writers)
        if seen != last:
            remember_store(contents.store_id, seen)
    if session.folder is not None:
        before = recall_folder(session.folder)
        now = replace(before, store_id=contents.store_id, trusted=())
        if now != before:
            remember_folder(session.folder, now)


def trust_author(session: StoreState, recipient: str) -> None:
    """Take the next file of this writer."""
    if session.folder is not None:
        before = recall_folder(session.folder)
        named = tuple(dict.fromkeys((*before.trusted, recipient)))
        remember_folder(session.folder, replace(before, trusted=named))


def accept_rollback(session: StoreState) -> None:
    """Go on from the older file: its revision is the highest from now on."""
    if session.last is not None:
        remember_store(
            session.last.store_id,
            replace(recall_store(session.last.store_id), revision=session.last.revision, roster=0),
        )
        note_revision(session, session.last)


def rollback_error(session: StoreState) -> StoreError:
    """The error for a change to a file that is older than one seen before."""
    message = f"{session.name} is older than this computer saw it; nothing is changed."
    return StoreError(message, ROLLBACK_HINT)


ROLLBACK_HINT = (
    "If you put an older copy back yourself, go on with store.accept_rollback(); else look for "
    "the newer file, and revoke keys that were replaced meanwhile."
)

ROLLED_BACK = (
    "The store's file is older than this computer saw it, so nothing is saved in it. "
    + ROLLBACK_HINT
)


def _before(session: StoreState, store_id: str) -> tuple[StoreMemory, tuple[str, ...]]:
    """What is known of the store that lay in this folder; a file cannot name another one."""
    if session.folder is None:
        return StoreMemory(), ()
    there = recall_folder(session.folder)
    return recall_store(there.store_id or store_id), there.trusted


# -- What this computer remembers of stores: the highest revision seen, the members, the choices.
#
# It holds no secret. It lies in the user's state folder and not beside the store, so that who can
# put an old file back cannot put the memory back with it; where it cannot be written, nothing is
# remembered and nothing fails.

AUTO_LOCK = 60
"""Idle minutes after which a store that a passphrase opened locks itself."""


@dataclass(frozen=True, slots=True)
class StoreMemory:
    """The highest revision seen, the number of its list of members, and who may write."""

    revision: int = 0
    roster: int = 0
    writers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FolderMemory:
    """Which store lay in a folder, where its identity is remembered, and when it locks itself.

    `trusted` are writers the user named, until a file of theirs was read.
    """

    store_id: str = ""
    trusted: tuple[str, ...] = ()
    remembered: tuple[str, ...] = ()
    auto_lock: int = AUTO_LOCK


def recall_store(store_id: str) -> StoreMemory:
    """What is remembered of a store, by its id."""
    said = _read(f"store {store_id}")
    return StoreMemory(**_fitting(StoreMemory, said))


def recall_folder(path: Path) -> FolderMemory:
    """What is remembered of a folder."""
    said = _read(f"folder {path}")
    return FolderMemory(**_fitting(FolderMemory, said))


def remember_store(store_id: str, now: StoreMemory) -> None:
    """Keep what is known of a store."""
    _write(f"store {store_id}", asdict(now))


def remember_folder(path: Path, now: FolderMemory) -> None:
    """Keep what is known of a folder."""
    _write(f"folder {path}", asdict(now))


def memory_folder() -> Path:
    """The folder of this memory."""
    return Path(_place())


def _place() -> str:
    import platformdirs

    return os.path.join(platformdirs.user_state_dir("llmwidgets", False), "stores")


def _file(what: str) -> str:
    # A text, since each opening of a store looks here twice and a Path costs as much as the read.
    return os.path.join(_place(), f"{hashlib.sha256(os.fsencode(what)).hexdigest()[:32]}.json")


def _read(what: str) -> dict[str, Any]:
    try:
        with open(_file(what), "rb", buffering=0) as opened:
            said = json.loads(opened.read())
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _fitting(kind: type, said: dict[str, Any]) -> dict[str, Any]:
    """The remembered values whose type is that of the default; a list stands for a tuple."""
    there = {
        name: tuple(value) if isinstance(value, list) else value for name, value in said.items()
    }
    return {
        each.name: there[each.name]
        for each in fields(kind)
        if type(there.get(each.name)) is type(each.default)
    }


def _write(what: str, said: dict[str, Any]) -> None:
    file = Path(_file(what))
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
    # Not brought to the disk: a memory lost with the power only warns less, and a save stays quick.
    with suppress(OSError):
        try:
            _put(temporary, said)
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)


def _put(temporary: Path, said: dict[str, Any]) -> None:
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileNotFoundError:
        temporary.parent.mkdir(0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(json.dumps(said))  # `dump` writes each comma by itself
