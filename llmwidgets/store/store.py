"""Store: an organization's connections, sealed in one file that every panel and run shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import FieldError, PolicyError, StoreError, UnknownConnection
from llmwidgets.providers.overrides import NOTHING, FactMisfit, Told, plain_told, read_told
from llmwidgets.secret import Secret, refuse_key
from llmwidgets.store import document, file, identity_sources, repository, trust
from llmwidgets.store import identity_sources as passphrase_field
from llmwidgets.store.document import StoredConnection, StoreDocument, find_stored
from llmwidgets.store.opening import closed
from llmwidgets.store.sharing import StoreSharing
from llmwidgets.store.state import StoreState, default_folder, state_of

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy


class Store(StoreSharing):
    """The connections of one organization: saved in an encrypted file, or for this session.

    All Stores, panels and runs of a process that name the same folder share one state: what one
    unlocks or saves, the others see. The file opens with `age -d -i identity.age connections.age`.

    >>> store = Store.in_memory()
    >>> store.save(Connection("openai", api_key="env:OPENAI_API_KEY"))
    >>> [connection.label for connection in store]
    ['openai']
    """

    def __init__(self, organization: str = "default", *, path: str | Path | None = None) -> None:
        self.organization = organization
        self._session = state_of(
            default_folder(organization) if path is None else Path(path).expanduser()
        )

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
        is used, else the notebook's or terminal's secret field asks; StoreLocked where nobody can
        be asked. `recovery` is an identity that you keep elsewhere and that opens the store where
        the passphrase is forgotten; without it one is made, for `take_recovery`. FieldError for a
        passphrase under 12 characters, StoreError where the folder holds a store already.
        """
        passphrase, recovery = closed(passphrase), closed(recovery)
        spare = (
            None if recovery is None else identity_sources.read_given_identity(recovery).identity
        )
        store = cls(organization, path=path)
        if passphrase is not None:
            passphrase_field.check_passphrase(passphrase)
        elif not store.exists and identity_sources.find_headless_identity() is None:
            passphrase = passphrase_field.ask_new_passphrase(organization)
        repository.create_store(store._session, passphrase, cls._spell, spare)
        store._session.changed()
        return store

    @classmethod
    def in_memory(cls) -> Self:
        """A store that touches no disk, is never locked and ends with the process."""
        store = cls.__new__(cls)
        store.organization = "memory"
        store._session = StoreState(None)
        store._session.keep(StoreDocument(), None)
        return store

    @property
    def path(self) -> Path | None:
        """The folder of the store's files; None in memory."""
        return self._session.folder

    @property
    def in_default_place(self) -> bool:
        """Whether the organization's name alone leads to this store."""
        return self._session.in_default_place

    @property
    def rolled_back(self) -> bool:
        """Whether the file is older than this computer saw it; then nothing is saved in it."""
        return self._session.rolled_back is not None

    @property
    def exists(self) -> bool:
        """Whether the store has been made."""
        return repository.store_exists(self._session)

    @property
    def locked(self) -> bool:
        """Whether a store is there that nothing at hand opens; a key file or variable is tried."""
        return self.exists and not repository.is_open(self._session)

    @property
    def read_only(self) -> bool:
        """Whether nothing can be saved: the folder takes no files, or the store is newer."""
        last = self._session.last
        newer = last is not None and last.schema > document.SCHEMA
        if self.path is None:
            return False
        return newer or not file.writable(self._session.file(repository.CONNECTIONS).target.parent)

    @property
    def changed_at(self) -> datetime | None:
        """When the store's file was last written, by whoever; None in memory or before it is."""
        return None if self.path is None else self._session.file(repository.CONNECTIONS).moment

    @property
    def notice(self) -> str:
        """What a user should know about this store, in one or two sentences; often empty."""
        last = self._session.last
        if self.path is None:
            return "This store lives in memory only: its connections end with the kernel."
        if last is not None and last.schema > document.SCHEMA:
            return "This store was written by a newer llmwidgets; it is read-only here."
        said = [self._session.trouble] if self._session.trouble else []
        if self._session.rolled_back is not None:
            said.append(trust.ROLLED_BACK)
        if self.read_only:
            said.append("The store's folder is read-only: new connections last for this session.")
        lost = self._session.unreadable()
        if lost:
            said.append(f"This version cannot read {', '.join(lost)}; it is kept as it is.")
        return " ".join(said)

    def __getitem__(self, label: str) -> Connection:
        """The connection of this label; UnknownConnection with the nearest, StoreLocked."""
        session = self._session
        with session.guard:
            if label in session.temporary:
                return self.informed(session.temporary[label])
            payloads = self._payloads()
            payload = find_stored(payloads, label)
            if payload is None:
                raise document.unknown_label(label, [each["label"] for each in payloads])
            return _readable(session.connection(payload), label)

    def __iter__(self) -> Iterator[Connection]:
        """The saved connections, then those of this session; StoreLocked."""
        session = self._session
        with session.guard:
            saved = [
                session.connection(payload)
                for payload in self._payloads()
                if payload["label"] not in session.temporary
            ]
            listed = [each for each in saved if each is not None] + self.for_session
        return iter(listed)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __bool__(self) -> bool:
        return True

    def __contains__(self, label: object) -> bool:
        if label in self._session.temporary:
            return True
        return isinstance(label, str) and find_stored(self._payloads(), label) is not None

    def __delitem__(self, label: str) -> None:
        """Delete a connection; UnknownConnection, StoreLocked, or StoreError."""
        self._changeable(label)
        session = self._session
        with session.guard:
            gone: StoredConnection | Connection
            if label in session.temporary:
                gone, place = session.temporary.pop(label), 0
            else:
                there = self._payloads()
                place = next(n for n, each in enumerate(there) if each["label"] == label)
                gone = there[place]
                self._apply(lambda now: document.without_connection(now, label))
            session.deleted = gone, place
        session.changed()

    @property
    def deleted(self) -> str:
        """The label of the connection deleted last in this process, while `undelete` can help."""
        gone = self._session.deleted
        if gone is None:
            return ""
        return gone[0].label if isinstance(gone[0], Connection) else str(gone[0]["label"])

    def undelete(self) -> str:
        """Put back the connection deleted last, as and where it was; returns its label.

        Until the store is locked or the process ends. AlreadyConnected where its place was taken
        since, StoreError where nothing was deleted.
        """
        session, label = self._session, self.deleted
        with session.guard:
            if session.deleted is None:
                message = "Nothing was deleted from this store since it was unlocked."
                raise StoreError(message, "store.backups() lists what was saved before.")
            gone, place = session.deleted
            if isinstance(gone, Connection):
                session.temporary.setdefault(label, gone)
            else:
                payload = gone
                self._apply(lambda now: document.with_restored(now, payload, place))
            session.deleted = None
        session.changed()
        return label

    def __repr__(self) -> str:
        if self.path is None:
            state = "in memory"
        elif not self.exists:
            state = "not made yet"
        else:
            state = f"unlocked by {self.unlocked_by}" if self.unlocked_by else "locked"
        return f"Store({self._session.argument}, {state})" if self.path else f"Store({state})"

    @property
    def for_session(self) -> list[Connection]:
        """The connections of this session only; they need no unlocked store."""
        return [self.informed(each) for each in self._session.temporary.values()]

    @property
    def policy(self) -> Policy:
        """Which models may be called: the whitelist, this organization's additions and denials."""
        from llmwidgets.connections.policy import Policy

        now = repository.read_store(self._session) or StoreDocument()
        return Policy(now.allowed, now.denied, organization=self.organization)

    def save(self, connection: Connection, *, replace: bool = False) -> None:
        """Keep a connection in the store.

        AlreadyConnected where its label, or the one place of its kind, is taken, unless
        `replace`; StoreLocked where the store is locked.
        """
        if connection.read_only:
            message = f"{connection.label} comes from {_source(connection)}; it is not kept twice."
            raise StoreError(message, 'Save a reference instead: api_key="env:NAME".')
        with self._session.guard:
            self._apply(lambda now: document.with_connection(now, connection, over=replace))
            self._session.temporary.pop(connection.label, None)
        self._session.changed()

    def add_for_session(self, connection: Connection) -> None:
        """Use a connection in this process only; nothing is written, and no store is needed.

        It stands before a saved one of the same label.
        """
        if connection.origin in {"given", "store"}:
            connection = connection.with_origin("session")
        with self._session.guard:
            self._session.temporary[connection.label] = connection
        self._session.changed()

    def rename(self, old: str, new: str) -> None:
        """Give a connection another label; the model it sends stays as it is."""
        session = self._session
        with session.guard:
            twin = self._changeable(old).with_label(new)
            if old in session.temporary:
                session.rename(old, twin)
            else:
                self._apply(lambda now: document.with_renamed(now, old, twin.label))
        session.changed()

    def allow(self, label: str, model: str, **facts: Any) -> None:
        """Add a model to those that this organization calls through a connection.

        `facts` are what is known of it and is in no table yet: `efforts`, `thinking`,
        `sampling`, `sampling_thinking`, `input_limit`, `output_limit`, `price`, `ends`,
        `successor`, `note`. PolicyError where a policy file lets no models be added, FieldError
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
        kind = self._found(label).kind
        try:
            told = plain_told(read_told(kind, facts))
        except FactMisfit as misfit:
            raise FieldError({misfit.name: misfit.reason}) from None
        self._rule(label, model, allow=True, told=told)

    def deny(self, label: str, model: str) -> None:
        """Forbid a model to this organization, also one on the shipped whitelist."""
        self._rule(label, model, allow=False)

    def observe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Be called after every change in this process, on the thread that made it.

        Returns the function that ends it.
        """
        return self._session.observe(callback)

    @staticmethod
    def _spell(secret: Secret) -> str:
        """How a secret stands in the sealed payload: a reference as such, a value as it is."""
        return secret.reference or secret.reveal()

    def informed(self, connection: Connection) -> Connection:
        """The connection, knowing what this store tells of its models; as it was while locked."""
        try:
            repository.read_store(self._session)
        except StoreError:
            return connection
        return connection.with_told(self._session.told(connection))

    def _rule(self, label: str, model: str, *, allow: bool, told: Told = NOTHING) -> None:
        refuse_key("model", model)
        self._found(label)

        def change(now: StoreDocument) -> StoreDocument:
            ruled = document.with_rule(now, (label, model), allow=allow)
            return document.with_facts(ruled, (label, model), told) if told else ruled

        self._apply(change)
        self._session.changed()

    def _payloads(self) -> Sequence[StoredConnection]:
        now = repository.read_store(self._session)
        return now.payloads if now else ()

    def _changeable(self, label: str) -> Connection:
        """The connection of this label if it is the store's or the session's to change."""
        connection = self._found(label)
        if connection.read_only:
            message = f"{label} comes from {_source(connection)} and is read-only."
            raise StoreError(message, "Save a connection of the same label to use that instead.")
        return connection

    def _found(self, label: str) -> Connection:
        """The connection of this label here or in the environment; UnknownConnection."""
        try:
            return self[label]
        except UnknownConnection:
            found = _in_environment(label)
            if found is None:
                raise
        return found


def _source(connection: Connection) -> str:
    return "a policy file" if connection.origin == "policy" else "the environment"


def _in_environment(label: str) -> Connection | None:
    from llmwidgets.connections.discovery import environment_connections

    return next((each for each in environment_connections() if each.label == label), None)


def _readable(connection: Connection | None, label: str) -> Connection:
    if connection is None:
        message = f"The connection {label} was saved by another version and cannot be read here."
        raise StoreError(message, "It is kept as it is. Update llmwidgets, or replace it.")
    return connection
