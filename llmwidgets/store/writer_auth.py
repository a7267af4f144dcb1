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
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from llmwidgets.errors import FieldError

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity


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
