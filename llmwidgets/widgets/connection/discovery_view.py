"""Found: what this computer offers to connect. Keys in the environment, servers on a click."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmwidgets.connections import catalog
from llmwidgets.connections.connection import Connection
from llmwidgets.connections.discovery import KeyCandidate, find_keys_of_other_tools
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.custom import PROVIDER as CUSTOM
from llmwidgets.secret import redact

if TYPE_CHECKING:
    from llmwidgets.engine.checks.local_servers import LocalServer


class Discovery:
    """What was found on this computer since the panel was made; nothing is looked for unasked."""

    def __init__(self) -> None:
        self.looking = False
        self.looked = False
        self._environment: list[Connection] = []
        self._servers: list[LocalServer] = []
        self._offers: list[KeyCandidate] | None = None

    def look_around(self) -> None:
        """Read which connections the environment holds; no call is made."""
        from llmwidgets.connections.discovery import environment_connections

        # What a policy file provides is there to be used and is not copied into a store.
        self._environment = [
            each for each in environment_connections() if each.origin == "environment"
        ]

    async def discover(self) -> None:
        """Ask the ports where servers of models usually listen on this computer."""
        from llmwidgets.engine.checks.local_servers import discover

        self._servers = list(await discover())
        self.looked = True

    def look_elsewhere(self) -> None:
        """Read the files in which other tools keep keys; those of the environment are known."""
        self._offers = [each for each in find_keys_of_other_tools() if each.plain is not None]

    def offer(self, number: object) -> KeyCandidate | None:
        """The key of another tool with this number."""
        there = self._offers or []
        return there[number] if isinstance(number, int) and 0 <= number < len(there) else None

    def elsewhere_rows(self) -> list[dict[str, Any]] | None:
        """A row for each key that another tool keeps; None before anybody looked."""
        if self._offers is None:
            return None
        return [
            {
                "number": number,
                "title": PROVIDERS[each.kind].title,
                "where": redact(each.where),
                "note": redact(each.note),
                "tail": each.tail,
                "reference": each.reference,
            }
            for number, each in enumerate(self._offers)
        ]

    def environment(self, label: str) -> Connection | None:
        """The connection of the environment with this label."""
        return next((each for each in self._environment if each.label == label), None)

    def local(self, endpoint: str) -> list[Connection]:
        """A connection for each model of the server at this address."""
        server = next((each for each in self._servers if each.endpoint == endpoint), None)
        if server is None:
            return []
        return [
            Connection(
                CUSTOM.kind, name=model, endpoint=server.endpoint, api_key=server.key or None
            )
            for model in server.models
        ]

    def rows(self, connections: Sequence[Connection]) -> list[dict[str, Any]]:
        """A row for each key of the environment whose kind is not connected yet."""
        taken = {each.kind for each in connections}
        return [
            {
                "label": each.label,
                "title": each.provider.title,
                "source": " and ".join(_sources(each)),
                "where": "in the environment",
            }
            for each in self._environment
            if each.kind not in taken
        ]


def local_rows(found: Discovery, connections: Sequence[Connection]) -> list[dict[str, Any]]:
    """A row for each server found on this computer that has a model not yet connected."""
    known = {(each.kind, model) for each in connections for model in each.models}
    rows = []
    for server in found._servers:
        new = [model for model in server.models if (CUSTOM.kind, model) not in known]
        if new:
            rows.append(
                {
                    "endpoint": server.endpoint,
                    "title": redact(server.title),
                    "host": server.endpoint.partition("://")[2].partition("/")[0],
                    "models": [redact(model) for model in new],
                }
            )
    return rows


def _sources(connection: Connection) -> list[str]:
    references = [secret.reference or "" for secret in connection.secret_fields.values()]
    return [reference.partition(":")[2] for reference in references if reference]


# -- Listed: models that a server lists beside the one that is connected.


def unconnected_models(connection: Connection, known: Sequence[Connection]) -> list[str]:
    """The models that its server listed and that no connection at the same address names."""
    if connection.provider.single:
        return []
    there = {
        model
        for each in (*known, connection)
        if each.kind == connection.kind and each.address == connection.address
        for model in each.models
    }
    return [model for model in catalog.listed_models(connection) if model not in there]


def sibling_connections(
    connection: Connection, models: Sequence[str], known: Sequence[Connection]
) -> list[Connection]:
    """A connection for each of these models, filled in as the given one, none of them tested."""
    own = connection.provider.model_field or ""
    kept = connection.plain_fields.items()
    plain = {name: value for name, value in kept if name not in {own, "price"}}
    shared = {**plain, **connection.secret_fields, "headers": dict(connection.fields.headers)}
    taken = {each.label for each in known}
    return [
        Connection(
            connection.kind,
            label=f"{model} ({connection.host})" if model in taken else model,
            **{**shared, own: model},
        )
        for model in models
    ]
