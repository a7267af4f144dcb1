"""Lookup: where a reference's connection is found, nearest first."""

from __future__ import annotations

from dataclasses import dataclass, field

from llmwidgets.connections import Connection, Policy, environment_connections, resolve
from llmwidgets.connections.environment import empty_variable
from llmwidgets.errors import StoreError, StoreLocked, UnknownConnection
from llmwidgets.store.store import Store


@dataclass(slots=True)
class Lookup:
    """Connections in the order they are looked up: given, session, store, environment, demo.

    The store is opened only for a reference that nothing given answers; a locked one counts only
    where the reference is found nowhere else.
    """

    store: Store | None = None
    given: list[Connection] = field(default_factory=list)
    _found: list[Connection] | None = None
    _locked: StoreLocked | None = None

    def resolve(self, reference: str) -> tuple[Connection, str]:
        """The connection and model id; StoreLocked or UnknownConnection with the nearest."""
        try:
            return resolve(reference, _first_of_label(self.given))
        except UnknownConnection:
            known = _first_of_label([*self.given, *self._elsewhere(), *_demo(reference)])
        try:
            return resolve(reference, known)
        except UnknownConnection as error:
            if self._locked is None:
                raise _unset(reference, error) from None
            locked = self._locked
        raise StoreLocked(
            f"{reference} is not among the connections at hand, and the store is locked.",
            locked.hint,
        )

    def informed(self, connection: Connection) -> Connection:
        """The connection, knowing what the store's organization tells of its models."""
        try:
            return (self.store or Store()).informed(connection)
        except StoreError:
            return connection

    def policy(self) -> Policy:
        """The rules of the store's organization; the shipped whitelist without a store.

        A default store that cannot be opened does not stand in the way of connections that
        were handed over and need no store.
        """
        if self.store is not None or (self._found is not None and self._locked is None):
            return (self.store or Store()).policy
        try:
            return Store().policy
        except StoreError:
            return Policy()

    def _elsewhere(self) -> list[Connection]:
        if self._found is None:
            self._found = [*self._stored(), *environment_connections()]
        return self._found

    def _stored(self) -> list[Connection]:
        store = self.store or Store()
        try:
            return list(store)
        except StoreLocked as error:
            self._locked = error
            return store.for_session


def _unset(reference: str, error: UnknownConnection) -> UnknownConnection:
    """The error, naming the variable that would have answered if it were not empty."""
    variable = empty_variable(reference.partition("/")[0])
    if not variable:
        return error
    return UnknownConnection(
        f"{error.message} The variable {variable} is set but empty.",
        f"Put the key into {variable} before Jupyter starts. {error.hint}",
    )


def _demo(reference: str) -> list[Connection]:
    if not reference.startswith("demo"):
        return []
    from llmwidgets.demo import start_demo

    return list(start_demo())


def _first_of_label(connections: list[Connection]) -> list[Connection]:
    first: dict[str, Connection] = {}
    for connection in connections:
        first.setdefault(connection.label, connection)
    return list(first.values())
