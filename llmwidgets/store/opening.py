"""What opens a store, in which order, for how long, and how that is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace as changed
from pathlib import Path
from typing import TYPE_CHECKING, overload

from llmwidgets.errors import FieldError, StoreError, StoreLocked
from llmwidgets.known_keys import warn_if_typed
from llmwidgets.secret import Secret
from llmwidgets.store import identity_cache, identity_sources, recipients, repository, state, trust
from llmwidgets.store import identity_sources as passphrase_field
from llmwidgets.store import identity_sources as words
from llmwidgets.store.state import StoreState

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity


class StoreOpening:
    """The part of a Store that unlocks and locks it."""

    organization: str
    _session: StoreState
    _spell: Callable[[Secret], str]

    @property
    def unlocked_by(self) -> str | None:
        """What opened the store, None while locked.

        `passphrase`, the name of the variable, `identity` (given by code), `this server`, or
        `system keyring`.
        """
        return self._session.unlocked.by if self._session.unlocked else None

    @property
    def why_locked(self) -> str:
        """Why the store locked itself, in the words of `StoreLocked`; empty for any other lock."""
        return self._session.why.removeprefix(" again: ")

    def unlock(
        self,
        passphrase: str | Secret | None = None,
        *,
        identity: str | Secret | StoreOpening | None = None,
    ) -> None:
        """Unlock the store for the whole process.

        `identity` is AGE-SECRET-KEY-1…, `env:NAME`, `file:PATH`, or another store that is open
        and whose identity is a member of this one. Without either, key file, variable, this
        server and the system keyring are tried, then the notebook's or terminal's secret field
        asks. WrongPassphrase, StoreLocked with the ways out where nobody can be asked,
        DamagedStore.
        """
        # Under the same name: what was given in clear stands in no frame of what fails below.
        passphrase = closed(passphrase)
        identity = identity if isinstance(identity, StoreOpening) else closed(identity)
        given = None if identity is None else _given(identity)
        try:
            repository.unlock_with(self._session, passphrase, given)
        except StoreLocked:
            asks = passphrase is None and given is None
            if asks and repository.has_passphrase(self._session):
                passphrase = passphrase_field.ask_passphrase("Passphrase: ")
            if not asks or passphrase is None:
                raise
            repository.unlock_with(self._session, passphrase)
        self._session.changed()

    def lock(self) -> None:
        """Forget the identity and everything it opened, for every Store and panel."""
        session = self._session
        if session.folder is None:
            return
        with session.guard:
            if session.unlocked is not None and session.unlocked.by == identity_sources.KEY:
                identity_sources.forget_identity()
            session.forget()
            session.locked_by_hand = True
        session.changed()

    @staticmethod
    def proposed_passphrase() -> Secret:
        """Six made-up words from the system's random source, 74 bits; show them once."""
        return words.propose_passphrase()

    @staticmethod
    def proposed_recovery() -> Secret:
        """A new identity to keep elsewhere and to make a store with: `Store.create(recovery=…)`."""
        from llmwidgets.store.age import Identity

        return Identity.generate().secret

    def take_recovery(self) -> Secret | None:
        """The recovery identity of a store made in this process, once; then None.

        It opens the store where the passphrase is forgotten: `store.unlock(identity=…)`. It
        belongs on paper or in a password manager, and never beside the store.
        """
        with self._session.guard:
            recovery, self._session.recovery = self._session.recovery, None
        return recovery

    def remember(self, place: str) -> None:
        """Open this store without a question from now on: `"keyring"` or `"server"`.

        `"keyring"` is the system's (macOS, Windows, GNOME, KDE; the package keyring);
        `"server"` lasts until the Jupyter server stops, in memory. StoreError where that cannot
        be, and nothing else is used instead; StoreLocked while the store is locked.
        """
        identity_cache.remember_identity(self._require_folder(), place, self._identity())
        self._session.changed()

    def forget(self, place: str) -> None:
        """Take back `remember`; the store stays open in this process until it is locked."""
        identity_cache.forget_remembered(self._require_folder(), place)
        self._session.changed()

    @property
    def has_passphrase(self) -> bool:
        """Whether a passphrase can open the store; one made by a key file has none."""
        return repository.has_passphrase(self._session)

    @property
    def remembered(self) -> tuple[str, ...]:
        """Where this store's identity is remembered: `"server"`, `"keyring"`, both or neither."""
        return identity_cache.identity_caches(self._session.folder) if self._session.folder else ()

    @property
    def can_remember(self) -> tuple[str, ...]:
        """The places that `remember` would take here; the keyring is asked, for up to 3 s."""
        return identity_cache.available_caches() if self._session.folder else ()

    @property
    def auto_lock(self) -> int:
        """The idle minutes after which a passphrase is needed again: 60, 15, or 0 for never.

        It holds for this computer, and only for what a passphrase opened; never during a run.
        """
        return trust.recall_folder(self._session.folder).auto_lock if self._session.folder else 0

    @auto_lock.setter
    def auto_lock(self, minutes: int) -> None:
        if minutes not in state.MINUTES:
            raise FieldError({"auto_lock": "is 0 (never), 15 or 60 idle minutes."})
        before = trust.recall_folder(self._require_folder())
        trust.remember_folder(self._require_folder(), changed(before, auto_lock=int(minutes)))
        self._session.changed()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the store from locking itself while something goes on."""
        session = self._session
        with session.guard:
            session.holds += 1
        try:
            yield
        finally:
            with session.guard:
                session.holds = max(0, session.holds - 1)
                state.touch(session)

    def change_passphrase(
        self, old: str | Secret | None = None, new: str | Secret | None = None
    ) -> None:
        """Seal the identity by another passphrase; the secret field asks for what is not given.

        The old one is not needed where a key file, a variable or the recovery identity opened the
        store. WrongPassphrase, FieldError for one that is too short; then nothing has changed.
        """
        old, new = closed(old), closed(new)
        self._require_folder()
        if new is None:
            asked = passphrase_field.ask_passphrase("Passphrase now: ") if old is None else None
            old, new = old or asked, passphrase_field.ask_new_passphrase(self.organization)
        if new is None:
            message = "Nobody can be asked for the new passphrase here."
            raise StoreLocked(message, "Call store.change_passphrase(old, new).")
        recipients.change_passphrase(self._session, old, new, self._spell)
        self._session.changed()

    def new_identity(self, passphrase: str | Secret, *, purge_backups: bool = True) -> None:
        """Give the owner a new identity and seal the store to it: for when the old one leaked.

        The passphrase is the present one, or the new one after a recovery. Backups are deleted
        unless told otherwise, since the old identity opens them. Keys that leaked with it are to
        be revoked at their provider: no new seal takes them back.
        """
        passphrase = closed(passphrase)
        self._require_folder()
        recipients.rotate_identity(
            self._session, passphrase, self._spell, purge_backups=purge_backups
        )
        self._session.changed()

    def _identity(self) -> Identity:
        """The identity that is open now; a store in memory makes one for the moment."""
        if self._session.folder is None:
            from llmwidgets.store.age import Identity

            return Identity.generate()
        repository.check_there(self._session)
        return repository.unlock_headless(self._session).identity

    def _require_folder(self) -> Path:
        if self._session.folder is None:
            message = "A store in memory is open to this process alone and ends with it."
            raise StoreError(message, "Make one on disk: lw.Store.create(…).")
        return self._session.folder


@overload
def closed(spelled: None) -> None: ...
@overload
def closed(spelled: str | Secret) -> Secret: ...
def closed(spelled: str | Secret | None) -> Secret | None:
    """A passphrase or identity that code gave, as a Secret; one typed in a cell is warned of.

    What is no text becomes an empty one, which opens nothing: an error raised here would show it
    in the frame of the caller.
    """
    if spelled is None or isinstance(spelled, Secret):
        return spelled
    secret = Secret(spelled if isinstance(spelled, str) else "")
    warn_if_typed("identity" if secret.begins("AGE-") else "passphrase", secret)
    return secret


def _given(identity: Secret | StoreOpening) -> identity_sources.IdentitySource:
    if not isinstance(identity, StoreOpening):
        return identity_sources.read_given_identity(identity)
    found = identity._session.unlocked
    if found is None:
        raise identity_sources.locked_error(identity._session.name)
    return identity_sources.IdentitySource(found.identity, identity_sources.GIVEN)
