"""Members: who can open a store, invited by a public recipient and removed by name."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmwidgets.errors import FieldError, StoreError, UnknownConnection
from llmwidgets.secret import Secret
from llmwidgets.store import age, document, identity_cache, identity_sources, repository
from llmwidgets.store import identity_sources as passphrase_field
from llmwidgets.store.document import Recipient, StoredConnection, StoreDocument
from llmwidgets.store.identity_sources import IdentitySource
from llmwidgets.store.repository import CONNECTIONS, IDENTITY, Spell
from llmwidgets.store.state import StoreState

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


# -- Another passphrase, another identity: what opens a store is changed, and never lost between.

_PROVEN = {identity_sources.KEY, identity_sources.KEY_FILE, identity_sources.GIVEN}


def change_passphrase(session: StoreState, old: Secret | None, new: Secret, spell: Spell) -> None:
    """Seal the identity by another passphrase; the connections stay as they are.

    The old one is tried first and the new file is opened before it takes the place of the old,
    whose backups go: the old passphrase would open them.
    """
    passphrase_field.check_passphrase(new)
    repository.check_there(session)
    if old is None and _by_recovery(session):
        return rotate_identity(session, new, spell, purge_backups=False)
    identity = _proven(session) if old is None else repository.open_by_passphrase(session, old)
    wrapped = _wrapped(identity, new)
    with session.guard, session.file(CONNECTIONS).locked():
        repository.write_identity(session, wrapped)
        _purge(session, IDENTITY)
    return None


def rotate_identity(
    session: StoreState, passphrase: Secret, spell: Spell, *, purge_backups: bool
) -> None:
    """Put a new identity in the place of the owner's and seal the store to it alone.

    The store is sealed to both while identity.age changes over, so that a crash at any point
    leaves a pair that opens.
    """
    from llmwidgets.store import age as sealing

    _check_passphrase(session, passphrase)
    made = sealing.Identity.generate()
    wrapped = _wrapped(made, passphrase)
    with repository.store_operation(session) as (now, found):
        before = _own(now, found.identity)
        owner = Recipient(document.OWNER, made.recipient)
        kept = [each for each in now.recipients if each != before]
        # The new identity signs and the old one vouches for it: either opens and believes this.
        both = _for(now, [owner, *now.recipients], [found.identity, made])
        repository.write_store(session, both, made, spell)
        repository.write_identity(session, wrapped)
        alone = _for(both, [owner, *kept], [found.identity, made])
        repository.write_store(session, alone, made, spell)
        session.open_by(IdentitySource(made, identity_sources.PASSPHRASE))
        _purge(session, IDENTITY)
        if purge_backups:
            _purge(session, CONNECTIONS)
    identity_cache.renew_remembered(session, made)


def _for(now: StoreDocument, recipients: list[Recipient], by: list[Identity]) -> StoreDocument:
    new = document.with_recipients(now, recipients, by)
    return replace(new, revision=now.revision + 1, schema=document.SCHEMA)


def _own(now: StoreDocument, identity: Identity) -> Recipient:
    """The entry that gives way: the owner's own, or the lost one after a recovery."""
    names = {each.recipient: each for each in now.recipients}
    own = names.get(identity.recipient)
    if own is not None and own.name == document.RECOVERY:
        own = next((each for each in now.recipients if each.name == document.OWNER), None)
        return own or Recipient(document.OWNER, "")
    if own is None or own.name != document.OWNER:
        message = "Only the owner of the store gives it a new identity."
        raise StoreError(message, "A member makes one with age-keygen and is invited with it.")
    return own


def _by_recovery(session: StoreState) -> bool:
    now, found = session.last, session.unlocked
    if now is None or found is None:
        return False
    own = Recipient(document.RECOVERY, found.identity.recipient)
    return own in now.recipients


def _proven(session: StoreState) -> Identity:
    """The identity that a key file, a variable or code gave: as good as the old passphrase."""
    if session.unlocked is None or session.unlocked.by not in _PROVEN:
        raise FieldError(
            {"old": "is needed: the passphrase that opens the store now."},
            "Or unlock the store with the recovery identity: store.unlock(identity=…).",
        )
    if session.last is not None:
        _own(session.last, session.unlocked.identity)
    return session.unlocked.identity


def _check_passphrase(session: StoreState, passphrase: Secret) -> None:
    """WrongPassphrase where identity.age has another; after a recovery it is a new one."""
    passphrase_field.check_passphrase(passphrase)
    if session.file(IDENTITY).exists and not _by_recovery(session):
        repository.open_by_passphrase(session, passphrase)


def _wrapped(identity: Identity, passphrase: Secret) -> bytes:
    from llmwidgets.store import age as sealing

    wrapped = sealing.wrap_identity(identity, passphrase)
    if identity_sources.passphrase_identity(wrapped, passphrase).recipient != identity.recipient:
        message = "The newly sealed identity did not open again, so nothing was written."
        raise StoreError(message, "Try again; if it comes back, this computer's memory is failing.")
    return wrapped


def _purge(session: StoreState, name: str) -> None:
    file = session.file(name)
    for old in (*file.backups(), *file.leftovers()):
        with suppress(OSError):
            old.unlink()
