"""Members: who can open a store, invited by a public recipient and removed by name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmwidgets.errors import FieldError, StoreError, UnknownConnection
from llmwidgets.secret import Secret
from llmwidgets.store import age, document
from llmwidgets.store.document import Recipient, StoredConnection, StoreDocument

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
    """What an invited person does next; it holds no secret and can be sent by mail."""

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
            return f"{self.name} cannot open the store from now on; it holds no key to revoke."
        return (
            f"{self.name} cannot open the store from now on, but has seen its keys and can keep "
            f"old copies of the file. Make new keys at the provider, save them here and revoke "
            f"the old ones: {', '.join(self.revoke)}."
        )


def fingerprint(recipient: str) -> str:
    """Twenty hex digits of a recipient's SHA-256, in groups of four."""
    digits = hashlib.sha256(recipient.encode("utf-8")).hexdigest()[:20]
    return " ".join(digits[at : at + 4] for at in range(0, 20, 4))


def list_members(contents: StoreDocument, own: str) -> tuple[Member, ...]:
    """Everyone who can open the store, the recovery identity too."""
    return tuple(
        Member(each.name, each.recipient, fingerprint(each.recipient), each.recipient == own)
        for each in contents.recipients
    )


def check_recipient(recipient: str) -> str:
    """The recipient without blanks around it; FieldError for anything but `age1…`."""
    bare = recipient.strip()
    raw = age.bech32_decode("age", bare)
    if raw is None or len(raw) != 32:
        secret = bare.upper().startswith("AGE-SECRET-KEY-")
        said = "is a secret identity: nobody else may have it." if secret else "is none."
        raise FieldError(
            {"recipient": said}, "It starts with age1; age-keygen prints it as the public key."
        )
    return bare


def with_member(contents: StoreDocument, new: Recipient, by: Identity) -> StoreDocument:
    """The contents that one more person can open; FieldError where name or key is there already."""
    if new.name in {document.OWNER, document.RECOVERY} or not new.name.strip():
        raise FieldError({"name": "is empty or kept for the store's own."}, "Name the person.")
    if any(new.name == each.name for each in contents.recipients):
        raise FieldError({"name": f"{new.name} is a member already."}, "Take another name.")
    if any(new.recipient == each.recipient for each in contents.recipients):
        raise FieldError({"recipient": "can open the store already."})
    return document.with_recipients(contents, [*contents.recipients, new], [by])


def without_member(contents: StoreDocument, name: str, by: Identity) -> StoreDocument:
    """The contents that this person can open no more; UnknownConnection, StoreError for oneself."""
    gone = next((each for each in contents.recipients if each.name == name), None)
    if gone is None:
        there = ", ".join(each.name for each in contents.recipients)
        message = f"There is no member {name!r}."
        raise UnknownConnection(message, f"There are: {there}.")
    if gone.recipient == by.recipient or gone.name == document.OWNER:
        message = f"{name} keeps the store and cannot be removed from it."
        raise StoreError(message, "store.new_identity(passphrase) gives the owner a new identity.")
    kept = [each for each in contents.recipients if each != gone]
    return document.with_recipients(contents, kept, [by])


def seen_keys(contents: StoreDocument) -> tuple[str, ...]:
    """The labels whose key stands in the file itself, and not as a reference."""
    return tuple(each["label"] for each in contents.payloads if _holds_key(each))


def invitation(store: str, name: str, recipient: str, inviter: str) -> Invitation:
    """The lines that a new member runs."""
    text = (
        f"{name} can open a shared store of connections from now on "
        f"(fingerprint {fingerprint(recipient)}).\n"
        f"Its folder was {store}. Where it lies on your computer, run:\n"
        f"    import llmwidgets as lw\n"
        f'    team = lw.Store(path="THE FOLDER")\n'
        f'    team.trust("{inviter}")\n'
        f'    team.unlock(identity="file:YOUR KEY FILE")\n'
        f"Before that, compare the inviter's fingerprint by voice: {fingerprint(inviter)}"
    )
    return Invitation(name, fingerprint(recipient), text)


def _holds_key(payload: StoredConnection) -> bool:
    fields = payload.get("fields") or {}
    values = [*fields.values(), *(fields.get("headers") or {}).values()]
    return any(isinstance(value, Secret) and value.reference is None for value in values)
