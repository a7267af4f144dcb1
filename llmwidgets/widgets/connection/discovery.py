"""Discovery: what this computer offers to connect. The environment, other tools, local servers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from llmwidgets.connections.connection import Connection
from llmwidgets.connections.discovery import (
    KeyCandidate,
    environment_connections,
    find_keys_of_other_tools,
)
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.custom import PROVIDER as CUSTOM
from llmwidgets.secret import Secret, redact
from llmwidgets.widgets.connection.form_controller import FormController
from llmwidgets.widgets.connection.form_draft import FormDraft, OpenForms
from llmwidgets.widgets.panel import Content, Page
from llmwidgets.widgets.store.gate import StoreGate

if TYPE_CHECKING:
    from llmwidgets.engine.check import LocalServer
    from llmwidgets.providers.base import Kind


class _FoundState(TypedDict):
    label: str
    title: str
    source: str
    where: str


class _LocalState(TypedDict):
    endpoint: str
    title: str
    host: str
    models: list[str]


class _ElsewhereState(TypedDict):
    number: int
    title: str
    where: str
    note: str
    tail: str
    reference: str | None


class OffersState(TypedDict):
    """What this computer offers to connect; `elsewhere` is None before anybody looked."""

    found: list[_FoundState]
    local: list[_LocalState]
    elsewhere: list[_ElsewhereState] | None
    looking: bool
    looked: bool


class Discovery:
    """What was found on this computer since the panel was made; nothing is looked for unasked.

    `form` opens and tests what is connected.
    """

    def __init__(self, page: Page, gate: StoreGate, forms: OpenForms, form: FormController) -> None:
        self._page, self._gate, self._forms, self._form = page, gate, forms, form
        self._looking = False
        self._environment: list[Connection] = []
        self._servers: list[LocalServer] | None = None
        self._elsewhere: list[KeyCandidate] | None = None

    async def look_around(self) -> None:
        """Read which connections the environment has; no call is made."""
        found = await asyncio.to_thread(environment_connections)
        # What a policy file provides is there to be used and is not copied into a store.
        self._environment = [each for each in found if each.origin == "environment"]

    async def act_look_elsewhere(self, _content: Content) -> None:
        """Read the files in which other tools keep keys in clear; only ever on a click."""
        candidates = await asyncio.to_thread(find_keys_of_other_tools)
        # Those of the environment are known.
        self._elsewhere = [each for each in candidates if each.plain is not None]
        self._page.push()

    async def act_discover(self, _content: Content) -> None:
        """Ask the ports where servers of models usually listen; only ever on a click."""
        from llmwidgets.engine.check import discover

        self._looking = True
        self._page.push()
        try:
            self._servers = list(await discover())
        finally:
            self._looking = False
        self._page.push()

    # -- connecting ----------------------------------------------------------------------------

    def _fill(
        self, kind: Kind, known: Connection | None, plain: Mapping[str, Any], **secrets: Secret
    ) -> FormDraft:
        """The form of a kind, filled in with what was found."""
        draft = self._forms.open(kind, known)
        draft.take(plain)
        for name, secret in secrets.items():
            draft.receive(name, secret)
        draft.rev += 1
        draft.intent = "save" if self._gate.usable else "session"
        return draft

    async def act_add(self, content: Content) -> None:
        """Connect what the environment has; the reference is kept, not the value."""
        label = content.get("label")
        found = next((each for each in self._environment if each.label == label), None)
        if found is None:
            return
        draft = self._fill(found.kind, None, found.plain_fields, **found.secret_fields)
        if found.any_model:
            # The variables name a resource and no deployment, which only the user knows.
            draft.values.pop(found.provider.model_field or "", None)
            self._page.push()
            return
        await self._form.test(draft)

    async def act_add_elsewhere(self, content: Content) -> None:
        """Connect what another tool keeps: by a reference to its file, or by a sealed copy."""
        candidates, number = self._elsewhere or [], content.get("number")
        if not isinstance(number, int) or not 0 <= number < len(candidates):
            return
        found, as_reference = candidates[number], bool(content.get("reference"))
        known = self._gate.find_single(found.kind)
        secret = {found.field: found.closed(as_reference=as_reference)}
        draft = self._fill(found.kind, known, found.beside, **secret)
        draft.look()
        if draft.preview() is None or draft.problems or found.incomplete:
            self._page.push()
            return
        await self._form.test(draft)
        if draft.passed and draft.connection is not None:
            draft.added = found.afterwards(draft.connection.label, as_reference=as_reference)
            self._page.push()

    async def act_add_local(self, content: Content) -> None:
        """Connect every model of a server found on this computer, each tested."""
        endpoint = content.get("endpoint")
        servers = self._servers or []
        server = next((each for each in servers if each.endpoint == endpoint), None)
        for model in server.models if server is not None else ():
            assert server is not None
            connection = Connection(
                CUSTOM.kind, name=model, endpoint=server.endpoint, api_key=server.key or None
            )
            if any(each.label == connection.label for each in self._gate.connections()):
                continue
            plain, secrets = connection.plain_fields, connection.secret_fields
            draft = self._fill(connection.kind, None, plain, **secrets)
            await self._form.test(draft)
            if not draft.passed:
                return

    # -- to the page ---------------------------------------------------------------------------

    def view(self, connections: Sequence[Connection]) -> OffersState:
        """What can be added to these connections."""
        return {
            "found": self._found_view({each.kind for each in connections}),
            "local": self._local_view(connections),
            "elsewhere": self._elsewhere_view(),
            "looking": self._looking,
            "looked": self._servers is not None,
        }

    def _found_view(self, connected: set[Kind]) -> list[_FoundState]:
        return [
            {
                "label": each.label,
                "title": each.provider.title,
                "source": " and ".join(_variables(each)),
                "where": "in the environment",
            }
            for each in self._environment
            if each.kind not in connected
        ]

    def _local_view(self, connections: Sequence[Connection]) -> list[_LocalState]:
        connected = {
            model for each in connections if each.kind == CUSTOM.kind for model in each.models
        }
        new = {
            server.endpoint: [model for model in server.models if model not in connected]
            for server in self._servers or ()
        }
        return [
            {
                "endpoint": server.endpoint,
                "title": redact(server.title),
                "host": server.endpoint.partition("://")[2].partition("/")[0],
                "models": [redact(model) for model in new[server.endpoint]],
            }
            for server in self._servers or ()
            if new[server.endpoint]
        ]

    def _elsewhere_view(self) -> list[_ElsewhereState] | None:
        if self._elsewhere is None:
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
            for number, each in enumerate(self._elsewhere)
        ]


def _variables(connection: Connection) -> list[str]:
    references = [secret.reference or "" for secret in connection.secret_fields.values()]
    return [reference.partition(":")[2] for reference in references if reference]
