"""Another passphrase, another identity: what opens a store is changed, and never lost between."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from llmwidgets.errors import FieldError, StoreError
from llmwidgets.secret import Secret
from llmwidgets.store import document, identity_cache, identity_sources, repository
from llmwidgets.store import identity_sources as passphrase_field
from llmwidgets.store.document import Recipient, StoreDocument
from llmwidgets.store.identity_sources import IdentitySource
from llmwidgets.store.repository import CONNECTIONS, IDENTITY, Spell
from llmwidgets.store.state import StoreState

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity


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
