"""Store: an organization's connections, sealed in one file that every panel and run shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import (
    FieldError,
    PolicyError,
    StoreError,
    StoreLocked,
    UnknownConnection,
    check_type,
    read_path,
)
from llmwidgets.providers.model_facts import check_declared
from llmwidgets.secret import Secret, refuse_key
from llmwidgets.store import auto_lock, identity_sources, repository, sharing, trust
from llmwidgets.store import document as documents
from llmwidgets.store.identity_sources import IdentitySource, close_typed
from llmwidgets.store.repository import Backup
from llmwidgets.store.sharing import ImportPreview, Invitation, Member, Removal
from llmwidgets.store.state import StoreState, find_state, process_bound

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy
    from llmwidgets.store.age import Identity

_CONNECTION = 'a connection, such as lw.Connection("openai", api_key="env:OPENAI_API_KEY")'


@process_bound
class Store:
    """The connections of one organization: saved in an encrypted file, or for this session.

    All Stores, panels and runs of a process that name the same folder share one state: what one
    unlocks or saves, the others see. The file opens with `age -d -i identity.age connections.age`.

    >>> store = Store.in_memory()
    >>> store.save(Connection("openai", api_key="env:OPENAI_API_KEY"))
    >>> [connection.label for connection in store]
    ['openai']
    """

    def __init__(self, organization: str = "default", *, path: str | Path | None = None) -> None:
        self.organization, self.state = organization, find_state(organization, path)

    @classmethod
    def create(
        cls,
        organization: str = "default",
        *,
        passphrase: str | Secret | None = None,
        path: str | Path | None = None,
        recovery: str | Secret | None = None,
    ) -> Self:
        """Make a store on disk and return it unlocked.

        Without a passphrase the identity of LLMWIDGETS_STORE_KEY_FILE or LLMWIDGETS_STORE_KEY
        is used, else the notebook's or terminal's secret field asks; StoreLocked if nobody can
        be asked. `recovery` is an identity that you keep elsewhere and that opens the store if
        the passphrase is forgotten; without it one is made, for `take_recovery`. FieldError for a
        passphrase under 12 characters, StoreError if the folder contains a store already.
        """
        passphrase, recovery = close_typed(passphrase), close_typed(recovery)
        spare = None if recovery is None else identity_sources.read_given_identity(recovery)
        store = cls(organization, path=path)
        if passphrase is not None:
            identity_sources.check_passphrase(passphrase)
        elif not store.exists and identity_sources.find_headless_identity() is None:
            passphrase = identity_sources.ask_new_passphrase(organization)
        repository.create_store(store.state, passphrase, spare.identity if spare else None)
        store.state.notify()
        return store

    @classmethod
    def in_memory(cls) -> Self:
        """A store that touches no disk, is never locked and ends with the process."""
        store = cls.__new__(cls)
        store.organization, store.state = "memory", StoreState(None)
        return store

    # -- What it is.

    @property
    def path(self) -> Path | None:
        """The folder of the store's files; None in memory."""
        return self.state.folder

    @property
    def exists(self) -> bool:
        """Whether the store has been made."""
        return self.state.exists

    @property
    def read_only(self) -> bool:
        """Whether nothing can be saved: the folder takes no files, or the store is newer."""
        return self.state.read_only

    @property
    def notice(self) -> str:
        """What a user should know about this store, in one or two sentences; often empty."""
        return self.state.notice

    def __repr__(self) -> str:
        if self.path is None:
            return "Store(in memory)"
        status = f"unlocked by {self.unlocked_by}" if self.unlocked_by else "locked"
        return f"Store({self.state.argument}, {status if self.exists else 'not made yet'})"

    def observe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Be called after every change in this process, on the thread that made it.

        Returns the function that ends it. FieldError for what cannot be called.
        """
        if not callable(callback):
            raise FieldError({"callback": "must be a function without arguments."})
        return self.state.observe(callback)

    # -- Its connections.

    def __getitem__(self, label: str) -> Connection:
        """The connection of this label; UnknownConnection with the nearest, StoreLocked."""
        with self.state.guard:
            if isinstance(label, str) and label in self.state.temporary:
                return self.informed(self.state.temporary[label])
            document = repository.read_store(self.state)
            stored = document.find(label) if isinstance(label, str) else None
        if isinstance(stored, Connection):
            return stored
        if stored is None:
            raise documents.unknown_label(label, document.labels)
        message = f"The connection {label} was saved by another version and cannot be read here."
        raise StoreError(message, "It is kept as it is. Update llmwidgets, or replace it.")

    def __iter__(self) -> Iterator[Connection]:
        """The saved connections, then those of this session; StoreLocked."""
        with self.state.guard:
            stored, temporary = repository.read_store(self.state).connections, self.state.temporary
            saved = [c for c in stored if isinstance(c, Connection) and c.label not in temporary]
            return iter(saved + self.for_session)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __bool__(self) -> bool:
        return True

    def __contains__(self, label: object) -> bool:
        if not isinstance(label, str) or label in self.state.temporary:
            return isinstance(label, str)
        return repository.read_store(self.state).find(label) is not None

    def __delitem__(self, label: str) -> None:
        """Delete a connection; UnknownConnection, StoreLocked, or StoreError."""
        self._find_changeable(label)
        with self.state.changing():
            if label in self.state.temporary:
                self.state.deleted = self.state.temporary.pop(label), None
                return
            place, deleted = documents.find_place(repository.read_store(self.state), label)
            self._change(lambda now: documents.without_connection(now, label))
            self.state.deleted = deleted, place

    def undelete(self) -> str:
        """Put back the connection deleted last, as and where it was; returns its label.

        Until the store is locked or the process ends. AlreadyConnected if its place was taken
        since, StoreError if nothing was deleted.
        """
        with self.state.changing():
            if self.state.deleted is None:
                message = "Nothing was deleted from this store since it was unlocked."
                raise StoreError(message, "store.backups() lists what was saved before.")
            old, place = self.state.deleted
            if place is not None:
                self._change(lambda now: documents.with_restored(now, old, place))
            elif isinstance(old, Connection):
                self.state.temporary.setdefault(old.label, old)
            self.state.deleted = None
        return old.label

    @property
    def for_session(self) -> list[Connection]:
        """The connections of this session only; they need no unlocked store."""
        return [self.informed(each) for each in self.state.temporary.values()]

    def save(self, connection: Connection, *, replace: bool = False) -> None:
        """Keep a connection in the store.

        AlreadyConnected if its label, or the one place of its kind, is taken, unless `replace`;
        StoreLocked if the store is locked, StoreError for one of the environment or a policy.
        """
        check_type("connection", connection, Connection, _CONNECTION)
        if connection.read_only:
            message = f"{connection.label} comes from {_source(connection)}; it is not kept twice."
            raise StoreError(message, 'Save a reference instead: api_key="env:NAME".')
        with self.state.changing():
            self._change(lambda now: documents.with_connection(now, connection, over=replace))
            self.state.temporary.pop(connection.label, None)

    def add_for_session(self, connection: Connection) -> None:
        """Use a connection in this process only; nothing is written, and no store is needed.

        It takes precedence over a saved one of the same label.
        """
        check_type("connection", connection, Connection, _CONNECTION)
        if connection.origin in {"given", "store"}:
            connection = connection.with_origin("session")
        with self.state.changing():
            self.state.temporary[connection.label] = connection

    def rename(self, old: str, new: str) -> None:
        """Give a connection another label; the model it sends stays as it is."""
        with self.state.changing():
            renamed = self._find_changeable(old).with_label(new)
            if old in self.state.temporary:
                self.state.rename_temporary(old, renamed)
            else:
                self._change(lambda now: documents.with_renamed(now, old, renamed.label))

    # -- Which models may be called.

    @property
    def policy(self) -> Policy:
        """Which models may be called: the whitelist, this organization's additions and denials."""
        from llmwidgets.connections.policy import Policy

        document = repository.read_store(self.state)
        return Policy(document.allowed, document.denied, organization=self.organization)

    def allow(self, label: str, model: str, **facts: Any) -> None:
        """Add a model to those that this organization calls through a connection.

        `facts` are what is known of it and is not yet in a table: `efforts`, `thinking`,
        `sampling`, `sampling_thinking`, `input_limit`, `output_limit`, `price`, `ends`,
        `successor`, `note`. PolicyError if a policy file lets no models be added, FieldError
        for a fact that is not right.

        >>> store = Store.in_memory()
        >>> store.save(Connection("openai", api_key="env:OPENAI_API_KEY"))
        >>> store.allow("openai", "gpt-6.3-luna", output_limit=128_000, efforts=["none", "low"])
        >>> store["openai"].facts("gpt-6.3-luna").output_limit
        128000
        """
        closed_by = self.policy.closed_by
        if closed_by:
            message = f"{closed_by[0].upper()}{closed_by[1:]} lets no models be added."
            raise PolicyError(message, "Ask whoever keeps that file.", rule=closed_by)
        self._rule(label, model, facts)

    def deny(self, label: str, model: str) -> None:
        """Forbid a model to this organization, also one on the shipped whitelist."""
        self._rule(label, model, None)

    def informed(self, connection: Connection) -> Connection:
        """Add what this store knows of its models, if it is open; FieldError for another type."""
        if not isinstance(connection, Connection):
            raise FieldError({"connection": f"must be {_CONNECTION}."})
        with suppress(StoreError):
            return documents.inform(connection, repository.read_store(self.state).facts)
        return connection

    # -- What opens it.

    @property
    def locked(self) -> bool:
        """Whether a store exists that nothing at hand opens; a key file or variable is tried."""
        return self.exists and not repository.try_unlock(self.state)

    @property
    def unlocked_by(self) -> str | None:
        """What opened the store, None while locked.

        `passphrase`, the name of the variable, `identity` (given by code), `this server`, or
        `system keyring`.
        """
        return self.state.source.by if self.state.source else None

    def unlock(
        self,
        passphrase: str | Secret | None = None,
        *,
        identity: str | Secret | Store | None = None,
    ) -> None:
        """Unlock the store for the whole process.

        `identity` is AGE-SECRET-KEY-1…, `env:NAME`, `file:PATH`, or another store that is open
        and whose identity is a member of this one. Without either, key file, variable, this
        server and the system keyring are tried, then the notebook's or terminal's secret field
        asks. WrongPassphrase, StoreLocked with the ways out if nobody can be asked, DamagedStore.
        """
        # Under the same name: what was given in clear is in no frame of what fails below.
        passphrase = close_typed(passphrase)
        identity = identity if isinstance(identity, Store) else close_typed(identity)
        given = None
        if isinstance(identity, Store):
            if identity.state.source is None:
                raise identity.state.locked_error()
            given = IdentitySource(identity.state.source.identity, identity_sources.GIVEN)
        elif identity is not None:
            given = identity_sources.read_given_identity(identity)
        try:
            repository.unlock_store(self.state, passphrase, given)
        except StoreLocked:
            asks = passphrase is None and given is None
            if asks and self.state.has_passphrase:
                passphrase = identity_sources.ask_passphrase("Passphrase: ")
            if not asks or passphrase is None:
                raise
            repository.unlock_store(self.state, passphrase)
        self.state.notify()

    def lock(self) -> None:
        """Forget the identity and everything it opened, for every Store and panel."""
        if self.path is not None:
            repository.lock_store(self.state)
            self.state.notify()

    def take_recovery(self) -> Secret | None:
        """The recovery identity of a store made in this process, once; then None.

        It opens the store if the passphrase is forgotten: `store.unlock(identity=…)`. It
        belongs on paper or in a password manager, and never with the store.
        """
        with self.state.guard:
            recovery, self.state.recovery = self.state.recovery, None
        return recovery

    def remember(self, place: str) -> None:
        """Open this store without a question from now on: `"keyring"` or `"server"`.

        `"keyring"` is the system's (macOS, Windows, GNOME, KDE; the package keyring);
        `"server"` lasts until the Jupyter server stops, in memory. StoreError if that cannot
        be, and nothing else is used instead; StoreLocked while the store is locked.
        """
        identity_sources.remember_identity(self._folder(), place, self._identity())
        self.state.notify()

    def forget(self, place: str) -> None:
        """Take back `remember`; the store stays open in this process until it is locked."""
        identity_sources.forget_remembered(self._folder(), place)
        self.state.notify()

    @property
    def remembered(self) -> tuple[str, ...]:
        """Where this store's identity is remembered: `"server"`, `"keyring"`, both or neither."""
        return identity_sources.identity_caches(self.path) if self.path else ()

    @property
    def can_remember(self) -> tuple[str, ...]:
        """The places that `remember` would take here; the keyring is asked, for up to 3 s."""
        return identity_sources.available_caches() if self.path else ()

    @property
    def auto_lock(self) -> int:
        """The idle minutes after which a passphrase is needed again: 60, 15, or 0 for never.

        It holds for this computer, and only for what a passphrase opened; never during a run.
        """
        return auto_lock.idle_minutes(self.path)

    @auto_lock.setter
    def auto_lock(self, minutes: int) -> None:
        auto_lock.choose_idle_minutes(self._folder(), minutes)
        self.state.notify()

    def change_passphrase(
        self, old: str | Secret | None = None, new: str | Secret | None = None
    ) -> None:
        """Seal the identity by another passphrase; the secret field asks for what is not given.

        The old one is not needed if a key file, a variable or the recovery identity opened the
        store. WrongPassphrase, FieldError if it is too short, StoreLocked if nobody can be asked.
        """
        old, new = close_typed(old), close_typed(new)
        self._folder()
        if new is None:
            asked = identity_sources.ask_passphrase("Passphrase now: ") if old is None else None
            old, new = old or asked, identity_sources.ask_new_passphrase(self.organization)
        if new is None:
            message = "Nobody can be asked for the new passphrase here."
            raise StoreLocked(message, "Call store.change_passphrase(old, new).")
        repository.change_passphrase(self.state, old, new)
        self.state.notify()

    def new_identity(self, passphrase: str | Secret, *, purge_backups: bool = True) -> None:
        """Give the owner a new identity and seal the store to it: for when the old one leaked.

        The passphrase is the present one, or the new one after a recovery. Backups are deleted
        unless `purge_backups` is False, since the old identity opens them. Keys that leaked with
        it are to be revoked at their provider: no new seal takes them back.
        """
        passphrase = close_typed(passphrase) or Secret("")
        self._folder()
        repository.rotate_identity(self.state, passphrase, purge_backups=purge_backups)
        self.state.notify()

    # -- Who else opens it.

    @property
    def recipient(self) -> str:
        """The public name, `age1…`, of the identity that opened the store; StoreLocked."""
        return self._identity().recipient

    @property
    def members(self) -> tuple[Member, ...]:
        """Everyone who can open the store, with fingerprints to compare; StoreLocked."""
        document = repository.read_store(self.state)
        return sharing.list_members(document, self.recipient) if document.recipients else ()

    @property
    def held_keys(self) -> tuple[str, ...]:
        """The labels whose key is in the file itself, so that all who opened it have seen it."""
        return sharing.seen_keys(repository.read_store(self.state))

    def invite(self, recipient: str, name: str) -> Invitation:
        """Let one more person open the store, by the public key that age-keygen printed.

        Returns the lines to send. FieldError for a key or a name that is wrong or there already.
        """
        folder, by = self._folder(), self._identity()
        check_type("name", name, str, "the person's name as text")
        new = trust.Recipient(name.strip(), sharing.check_recipient(recipient))
        with self.state.changing():
            self._change(lambda now: sharing.with_member(now, new, by))
        return sharing.write_invitation(str(folder), new.name, new.recipient, by.recipient)

    def remove(self, name: str) -> Removal:
        """Seal the store to everyone but this member; returns which provider keys to revoke.

        UnknownConnection if nobody has the name, StoreError for the owner.
        """
        check_type("name", name, str, "a member's name as text")
        self._folder()
        by = self._identity()
        with self.state.changing():
            self._change(lambda now: sharing.without_member(now, name, by))
        return Removal(name, self.held_keys)

    def trust(self, recipient: str) -> None:
        """Take this store from a writer whom this computer does not know, after comparing names.

        Needed once if somebody else made the store that was shared with you.
        """
        trust.trust_author(self.path, sharing.check_recipient(recipient))
        self.state.notify()

    def accept_rollback(self) -> None:
        """Go on from a file that is older than one seen before: a copy you put back yourself."""
        if self.path is not None:
            document = repository.read_store(self.state)
            trust.accept_rollback(document)
            self.state.keep(document, self.state.seen)
        self.state.notify()

    # -- Backups, and files to carry elsewhere.

    def backups(self) -> tuple[Backup, ...]:
        """What was saved before, newest first: date and count; the count needs an open store."""
        return repository.list_backups(self.state)

    def restore(
        self, backup: Backup | None = None, *, passphrase: str | Secret | None = None
    ) -> Backup:
        """Go back to a backup, by default the newest that opens; what is there now is kept.

        A damaged store is locked: then the passphrase is needed unless a key file or variable is
        there. Returns the backup. StoreError if none opens.
        """
        passphrase = close_typed(passphrase)
        check_type("backup", backup, Backup | None, "one of store.backups()")
        self._folder()
        restored = repository.restore_backup(self.state, backup, passphrase)
        self.state.notify()
        return restored

    def export(
        self,
        path: str | Path,
        *,
        passphrase: str | Secret | None = None,
        recipient: str | None = None,
    ) -> None:
        """Write the connections to one new file, sealed to a passphrase or to an `age1…`.

        References stay references. FieldError for both or neither, StoreError for a file that is
        there already.
        """
        passphrase = close_typed(passphrase)
        if (passphrase is None) == (recipient is None):
            raise FieldError({"passphrase": "or recipient: give exactly one to seal the file to."})
        if passphrase is not None:
            identity_sources.check_passphrase(passphrase)
        sharing.export_connections(
            repository.read_store(self.state),
            read_path(path),
            identity=self._identity(),
            seal_to=passphrase or recipient or "",
        )

    def preview(
        self,
        path: str | Path,
        *,
        passphrase: str | Secret | None = None,
        identity: str | Secret | None = None,
    ) -> ImportPreview:
        """What an exported file would bring, by label, host and key end; nothing is saved.

        WrongPassphrase, StoreLocked if nothing at hand opens the file, DamagedStore.
        """
        passphrase, identity = close_typed(passphrase), close_typed(identity)
        path = read_path(path)
        return sharing.preview_import(self.state, path, passphrase=passphrase, identity=identity)

    def take(
        self, preview: ImportPreview, labels: Iterable[str] | None = None, *, replace: bool = False
    ) -> tuple[str, ...]:
        """Save what a preview offers: these labels, or all that are new; all or nothing.

        AlreadyConnected if a place is taken, unless `replace`. Returns the labels.
        """
        check_type("preview", preview, ImportPreview, "what store.preview(path) returned")
        check_type("labels", labels, Iterable | None, "a list of labels")
        chosen = preview.chosen(labels, replace=replace)

        def add(document: documents.StoreDocument) -> documents.StoreDocument:
            for connection in chosen:
                document = documents.with_connection(document, connection, over=replace)
            return document

        if chosen:
            with self.state.changing():
                self._change(add)
        return tuple(each.label for each in chosen)

    # -- What the methods share.

    def _change(self, operation: repository.Operation) -> None:
        repository.change_store(self.state, operation)

    def _rule(self, label: str, model: str, facts: dict[str, Any] | None) -> None:
        """Allow the model with these facts, or deny it for None."""
        check_type("model", model, str, "a model's id as text")
        refuse_key("model", model)
        declared = check_declared(self._find(label).kind, facts or {})
        rule, allow = (label, model), facts is not None
        with self.state.changing():
            self._change(lambda now: documents.with_rule(now, rule, allow=allow, facts=declared))

    def _find(self, label: str) -> Connection:
        """The connection of this label here or in the environment; UnknownConnection."""
        from llmwidgets.connections.discovery import environment_connections

        try:
            return self[label]
        except UnknownConnection:
            for connection in environment_connections():
                if connection.label == label:
                    return connection
            raise

    def _find_changeable(self, label: str) -> Connection:
        """The connection of this label if it is the store's or the session's to change."""
        connection = self._find(label)
        if connection.read_only:
            message = f"{label} comes from {_source(connection)} and is read-only."
            raise StoreError(message, "Save a connection of the same label to use that instead.")
        return connection

    def _identity(self) -> Identity:
        """The identity that is open now; a store in memory makes one for the moment."""
        if self.path is None:
            from llmwidgets.store.age import Identity

            return Identity.generate()
        repository.check_exists(self.state)
        return repository.unlock_headless(self.state).identity

    def _folder(self) -> Path:
        if self.path is None:
            message = "A store in memory is open to this process alone and ends with it."
            raise StoreError(message, "Make one on disk: lw.Store.create(…).")
        return self.path


def _source(connection: Connection) -> str:
    return "a policy file" if connection.origin == "policy" else "the environment"


def choose_store(store: Store | None) -> Store:
    """The store that code named, else the default one; FieldError for what is not a store."""
    if store is not None and not isinstance(store, Store):
        raise FieldError({"store": 'must be a store, such as lw.Store("acme").'})
    return Store() if store is None else store
