"""Found: what this computer offers to connect. Keys in the environment, servers on a click."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmwidgets.connections.connection import Connection
from llmwidgets.connections.import_sources import Offer, found_elsewhere
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.custom import PROVIDER as CUSTOM
from llmwidgets.secret import redact

if TYPE_CHECKING:
    from llmwidgets.engine.checks.local_servers import LocalServer


class Found:
    """What was found on this computer since the panel was made; nothing is looked for unasked."""

    def __init__(self) -> None:
        self.looking = False
        self.looked = False
        self._environment: list[Connection] = []
        self._servers: list[LocalServer] = []
        self._offers: list[Offer] | None = None

    def look_around(self) -> None:
        """Read which connections the environment holds; no call is made."""
        from llmwidgets.connections.environment import environment_connections

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
        self._offers = [each for each in found_elsewhere() if each.plain is not None]

    def offer(self, number: object) -> Offer | None:
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


def local_rows(found: Found, connections: Sequence[Connection]) -> list[dict[str, Any]]:
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
