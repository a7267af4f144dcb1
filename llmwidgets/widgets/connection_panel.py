"""The widgets of connections: the panel, what this computer offers, and the form of one kind."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from llmwidgets.connections.connection import (
    Connection,
    example_model,
    named_by,
    variables_of,
)
from llmwidgets.connections.discovery import (
    KeyCandidate,
    environment_connections,
    find_keys_of_other_tools,
)
from llmwidgets.connections.validation import unknown_way
from llmwidgets.errors import FieldError
from llmwidgets.formatting import count
from llmwidgets.providers import find_provider
from llmwidgets.providers.custom import PROVIDER as CUSTOM
from llmwidgets.secret import Secret, redact
from llmwidgets.widgets.connection.form_controller import ConnectionList, FormController, ListState
from llmwidgets.widgets.connection.form_draft import FormDraft, OpenForms
from llmwidgets.widgets.connection.form_view import FormState
from llmwidgets.widgets.connection.store_gate import StoreGate, StoreState
from llmwidgets.widgets.connection.store_settings import StoreSettings
from llmwidgets.widgets.panel import Content, Page, Panel
from llmwidgets.widgets.secret_field import SecretInbox

if TYPE_CHECKING:
    from llmwidgets.engine.check import LocalServer
    from llmwidgets.providers.base import Kind
    from llmwidgets.store.store import Store


class _FoundState(TypedDict):
    """A connection of the environment; `asks` is what it leaves open, with an example.

    Such a connection serves every model: code names one behind the label, as in `groq/MODEL`.
    """

    label: str
    title: str
    source: str
    where: str
    asks: str
    example: str


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
        connections = await asyncio.to_thread(environment_connections)
        # What a policy file provides is there to be used and is not copied into a store.
        self._environment = [each for each in connections if each.origin == "environment"]

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

    def _fill(
        self, kind: Kind, known: Connection | None, plain: Mapping[str, Any], **secrets: Secret
    ) -> FormDraft:
        """The form of a kind, filled in with what was found; nothing else goes where that leads."""
        draft = self._forms.open(kind, known, anew=known is None)
        draft.take({"sign_in": "key", **plain})
        for name, secret in secrets.items():
            draft.receive(name, secret)
        draft.rev += 1
        draft.intent = "save" if self._gate.usable else "session"
        return draft

    async def act_add(self, content: Content) -> None:
        """Connect what the environment has; the reference is kept, not the value."""
        label = content.get("label")
        known = next((each for each in self._environment if each.label == label), None)
        if known is None:
            return
        draft = self._fill(known.kind, None, known.plain_fields, **known.secret_fields)
        if known.any_model:
            # The variables name a server and no model, which only the user knows.
            model = str(content.get("model") or "").strip()
            draft.values[known.provider.model_field or ""] = model or None
            if not model:
                self._page.push()
                return
        await self._form.test(draft)

    async def act_add_elsewhere(self, content: Content) -> None:
        """Connect what another tool keeps: by a reference to its file, or by a sealed copy."""
        candidates, number = self._elsewhere or [], content.get("number")
        if not isinstance(number, int) or not 0 <= number < len(candidates):
            return
        candidate, as_reference = candidates[number], bool(content.get("reference"))
        known = self._gate.find_single(candidate.kind)
        secret = {candidate.field: candidate.closed(as_reference=as_reference)}
        draft = self._fill(candidate.kind, known, candidate.beside, **secret)
        draft.look()
        if draft.preview() is None or draft.problems or candidate.incomplete:
            self._page.push()
            return
        await self._form.test(draft)
        if draft.passed and draft.connection is not None:
            label = draft.connection.label
            draft.added = candidate.afterwards(label, as_reference=as_reference)
            self._page.push()

    async def act_add_local(self, content: Content) -> None:
        """Connect every model of a server found on this computer, each tested."""
        endpoint = content.get("endpoint")
        servers = self._servers or ()
        chosen = next((server for server in servers if server.endpoint == endpoint), None)
        if chosen is None:
            return
        for model in chosen.models:
            connection = Connection(
                CUSTOM.kind, name=model, endpoint=chosen.endpoint, api_key=chosen.key or None
            )
            if any(each.label == connection.label for each in self._gate.connections()):
                continue
            plain, secrets = connection.plain_fields, connection.secret_fields
            draft = self._fill(connection.kind, None, plain, **secrets)
            await self._form.test(draft)
            if not draft.passed:
                return

    def view(self, connections: Sequence[Connection]) -> OffersState:
        """What can be added to these connections."""
        elsewhere = self._elsewhere
        return {
            "found": self._environment_view(connections),
            "local": self._local_view(connections),
            "elsewhere": None if elsewhere is None else _elsewhere_view(elsewhere),
            "looking": self._looking,
            "looked": self._servers is not None,
        }

    def _environment_view(self, connections: Sequence[Connection]) -> list[_FoundState]:
        kinds = {each.kind for each in connections if each.provider.single}
        places = {(each.kind, each.address) for each in connections}
        return [
            _found_view(each)
            for each in self._environment
            # What serves every model takes one more whatever is connected.
            if each.any_model
            or (each.kind not in kinds and (each.kind, each.address) not in places)
        ]

    def _local_view(self, connections: Sequence[Connection]) -> list[_LocalState]:
        connected = {
            model for each in connections if each.kind == CUSTOM.kind for model in each.models
        }
        return [
            {
                "endpoint": server.endpoint,
                "title": redact(server.title),
                "host": server.endpoint.partition("://")[2].partition("/")[0],
                "models": [redact(model) for model in new],
            }
            for server in self._servers or ()
            if (new := [model for model in server.models if model not in connected])
        ]


def _found_view(connection: Connection) -> _FoundState:
    any_model = connection.any_model
    return {
        "label": connection.label,
        "title": connection.title,
        "source": variables_of(connection),
        "where": "in the environment",
        "asks": named_by(connection.provider) if any_model else "",
        "example": example_model(connection) if any_model else "",
    }


def _elsewhere_view(candidates: Sequence[KeyCandidate]) -> list[_ElsewhereState]:
    return [
        {
            "number": number,
            "title": each.title,
            "where": redact(each.where),
            "note": redact(each.note),
            "tail": each.tail,
            "reference": each.reference,
        }
        for number, each in enumerate(candidates)
    ]


class ConnectionPanelState(ListState, OffersState):
    """The whole panel."""

    store: StoreState
    form: FormState | None


class ConnectionPanel(Panel):
    """Connect providers: fill in a form, test it, keep it in the store or for this session.

        lw.ConnectionPanel()                    # the default organization
        lw.ConnectionPanel(lw.Store("acme"))

    `.store` is the store the panel works on; another organization can be chosen in its head.
    """

    bundle = "connection_panel"
    heading = "Connections"

    def __init__(self, store: Store | None = None) -> None:
        page, inbox, forms = self.page, SecretInbox(self.page), OpenForms()
        self._gate = gate = StoreGate(page, inbox, store)
        self._settings = StoreSettings(page, inbox, gate)
        self._list = ConnectionList(page, gate, forms)
        self._form = FormController(page, gate, forms)
        self._discovery = Discovery(page, gate, forms, self._form)
        self.controllers = {
            "secret": inbox,
            "store": gate,
            "settings": self._settings,
            "connections": self._list,
            "form": self._form,
            "found": self._discovery,
        }
        super().__init__()

    @property
    def store(self) -> Store:
        """The store that the panel works on: that of the organization chosen in its head."""
        return self._gate.store

    async def hello(self) -> None:
        """A view was drawn: look what the environment has, then send the state."""
        await self._gate.hello()
        await self._discovery.look_around()
        self._list.follow()
        await self._list.show_current()

    def state(self) -> ConnectionPanelState:
        connections = self._list.follow()
        return {
            "store": self._gate.view(self._settings.view()),
            "form": self._form.view(connections),
            **self._list.view(connections),
            **self._discovery.view(connections),
        }

    def summary(self) -> tuple[str, list[str]]:
        known = self._gate.connections()
        lines = [f"{each.label}: {each.provider.title}, {each.host}" for each in known]
        number = count(len(known), "connection") if known else "no connection"
        locked = ", locked" if self._gate.locked else ""
        return f"{self.store.organization}{locked}, {number}", lines


class ConnectionFormState(TypedDict):
    """The whole widget."""

    store: StoreState
    form: FormState | None


class ConnectionForm(Panel):
    """One kind's form; *Test and save* puts the connection into the store.

    `.connection` is the connection once it is saved or ready for the session, else None.
    `sign_in` chooses another way than the key beforehand. FieldError for a kind or a way that does
    not exist.

        form = lw.ConnectionForm("openai")
        form
    """

    bundle = "connection_form"
    heading = "Connection"

    def __init__(self, kind: str, store: Store | None = None, sign_in: str = "key") -> None:
        self._provider, self._sign_in = find_provider(kind), sign_in
        if sign_in not in [*self._provider.ways]:
            raise FieldError({"sign_in": unknown_way(self._provider, sign_in)})
        inbox, self._forms = SecretInbox(self.page), OpenForms()
        self._gate = StoreGate(self.page, inbox, store)
        self._gate.events.opened.append(self._follow_store)
        self._form = FormController(self.page, self._gate, self._forms)
        self.controllers = {"secret": inbox, "store": self._gate, "form": self._form}
        self._begin(self._gate.find_single(kind))
        super().__init__()

    def _begin(self, existing: Connection | None) -> None:
        """Open the form; of a kind that is connected once it is about the store's connection."""
        self._forms.clear()
        draft = self._forms.open(self._provider.kind, existing)
        if self._sign_in != "key" and not draft.read_only:
            draft.choose_way(self._sign_in)

    async def _follow_store(self) -> None:
        """The store is open: a form without a connection turns to what the store already has."""
        existing = self._gate.find_single(self._provider.kind)
        if self._form.waiting is None and self.connection is None and existing:
            self._begin(existing)

    @property
    def store(self) -> Store:
        """The store that the connection is saved in."""
        return self._gate.store

    @property
    def connection(self) -> Connection | None:
        """The connection of this form, as the store or the session has it."""
        draft = self._forms.current
        return draft.connection if draft is not None else None

    async def hello(self) -> None:
        await self._gate.hello()

    def state(self) -> ConnectionFormState:
        return {"store": self._gate.view(), "form": self._form.view(self._gate.connections())}

    def summary(self) -> tuple[str, list[str]]:
        kept = self.connection
        if kept is None:
            return f"{self._provider.title}: not connected", []
        return f"{self._provider.title}: {kept.label} at {kept.host}", []
