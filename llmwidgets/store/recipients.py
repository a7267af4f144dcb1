"""Who can open a store: its members, and the owner's passphrase and identity.

What opens a store is changed in an order that no crash between two files leaves it closed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import FieldError, StoreError, UnknownConnection
from llmwidgets.secret import Secret
from llmwidgets.store import identity_cache, identity_sources, repository
from llmwidgets.store.document import StoreDocument, UnreadableConnection, with_recipients
from llmwidgets.store.identity_sources import GIVEN, KEY, KEY_FILE, PASSPHRASE, IdentitySource
from llmwidgets.store.state import CONNECTIONS, IDENTITY, StoreState
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

    bare = recipient.strip()
    if age.is_recipient(bare):
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


# -- Another passphrase, another identity of the owner's.


def change_passphrase(state: StoreState, old: Secret | None, new: Secret) -> None:
    """Seal the identity by another passphrase; the connections stay as they are.

    The old one is tried first and the new file is opened before it replaces the old, whose backups
    go: the old passphrase would open them.
    """
    identity_sources.check_passphrase(new)
    repository.check_exists(state)
    if old is None and _is_opened_by_recovery(state):
        return rotate_identity(state, new, purge_backups=False)
    identity = _proven_owner(state) if old is None else repository.open_by_passphrase(state, old)
    wrapped = _wrap(identity, new)
    with state.guard, state.file(CONNECTIONS).locked():
        repository.write_identity(state, wrapped)
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
        repository.open_by_passphrase(state, passphrase)
    made = age.Identity.generate()
    wrapped = _wrap(made, passphrase)
    with repository.store_operation(state) as (document, source):
        before = _owner_of(document, source.identity)

        def seal(old: StoreDocument, members: Iterable[Recipient]) -> StoreDocument:
            # The new identity signs and the old one vouches for it: either opens and believes this.
            sealed_to = [Recipient(OWNER, made.recipient), *members]
            new = with_recipients(old, sealed_to, [source.identity, made])
            new = repository.next_revision(new, old)
            repository.write_store(state, new, made)
            return new

        both = seal(document, document.recipients)
        repository.write_identity(state, wrapped)
        seal(both, (each for each in document.recipients if each != before))
        state.open_by(IdentitySource(made, PASSPHRASE))
        _purge(state, IDENTITY)
        if purge_backups:
            _purge(state, CONNECTIONS)
    identity_cache.renew_remembered(state, made)


def _owner_of(document: StoreDocument, identity: Identity) -> Recipient:
    """The entry that is replaced: the owner's own, or the lost one after a recovery."""
    own = next((r for r in document.recipients if r.recipient == identity.recipient), None)
    if own is not None and own.name == RECOVERY:
        owner = next((each for each in document.recipients if each.name == OWNER), None)
        return owner or Recipient(OWNER, "")
    if own is None or own.name != OWNER:
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
        raise StoreError(message, "Try again; if it comes back, this computer's memory is failing.")
    return wrapped


def _purge(state: StoreState, name: str) -> None:
    file = state.file(name)
    for old in (*file.backups(), *file.leftovers()):
        with suppress(OSError):
            old.unlink()
