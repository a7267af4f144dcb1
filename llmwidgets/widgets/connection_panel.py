"""ConnectionPanel: the kinds with their state, the form of one, what this computer offers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, NotRequired, TypedDict

from llmwidgets.connections.catalog import key_notes, local_today
from llmwidgets.connections.connection import Connection
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import Provider
from llmwidgets.widgets.connection.discovery import Discovery, OffersState
from llmwidgets.widgets.connection.form_controller import FormController
from llmwidgets.widgets.connection.form_draft import FormDraft, Icon, OpenForms, connection_fact
from llmwidgets.widgets.connection.form_view import FormState
from llmwidgets.widgets.panel import Content, Page, Panel
from llmwidgets.widgets.secret_field import SecretInbox
from llmwidgets.widgets.store.gate import StoreGate, StoreState
from llmwidgets.widgets.store.settings import StoreSettings

if TYPE_CHECKING:
    from llmwidgets.store.store import Store


class RowState(TypedDict):
    """One connection, or the form of one that is not saved."""

    label: str
    name: str
    icon: Icon
    fact: str
    selected: bool


class _KindState(TypedDict):
    """One kind. One that can be connected once is a row itself; the others have `rows`."""

    kind: str
    title: str
    single: bool
    label: NotRequired[str]
    name: NotRequired[str]
    icon: NotRequired[Icon]
    fact: NotRequired[str]
    selected: NotRequired[bool]
    count: NotRequired[int]
    rows: NotRequired[list[RowState]]


class ListState(TypedDict):
    """The list; `deleted` was removed last and can come back."""

    kinds: list[_KindState]
    connected: int
    demo: bool
    deleted: str


class ConnectionList:
    """The list at the left of the connection panel, and what is done with a connection in it."""

    def __init__(self, page: Page, gate: StoreGate, forms: OpenForms) -> None:
        self._page, self._gate, self._forms = page, gate, forms
        gate.events.opened.append(self._follow_opened)
        gate.events.turned.append(forms.clear)

    async def _follow_opened(self) -> None:
        """The store is open: a form that waits has its stored secrets before it is saved."""
        self.follow()

    def follow(self) -> list[Connection]:
        """Bring the forms in line with the connections that there are now."""
        connections, store = self._gate.connections(), self._gate.store
        self._forms.follow(connections, locked=store.exists and store.locked)
        return connections

    def _addressed(self, content: Content) -> FormDraft | None:
        """The form that is shown, if the message is for it and it can be changed."""
        draft = self._forms.current
        if draft is None or draft.busy or draft.read_only or content.get("form") != draft.key:
            return None
        return draft

    async def show_current(self) -> None:
        """Look up what the form that is shown needs, then show it."""
        if draft := self._forms.current:
            await draft.look_up(self._gate.policy)
        self._page.push()

    # -- messages ------------------------------------------------------------------------------

    async def act_select(self, content: Content) -> None:
        """Open the form of a connection, or a fresh one of its kind."""
        kind, label = content.get("kind"), content.get("label")
        if not isinstance(kind, str) or kind not in PROVIDERS:
            return
        of_label = (each for each in self._gate.connections() if each.label == label)
        self._forms.open(kind, next((each for each in of_label if each.kind == kind), None))
        await self.show_current()

    async def act_remove(self, content: Content) -> None:
        """Delete the connection of the open form; the panel offers to put it back."""
        draft = self._addressed(content)
        if draft is not None and draft.connection is not None:
            await asyncio.to_thread(self._gate.store.__delitem__, draft.connection.label)
            self._forms.drafts.pop(draft.key, None)
            self.follow()
            self._page.push()

    async def act_undelete(self, _content: Content) -> None:
        """Put back the connection removed last, and open its form."""
        label = await asyncio.to_thread(self._gate.store.undelete)
        connection = self._gate.store[label]
        self._forms.open(connection.kind, connection)
        await self.show_current()

    async def act_rename(self, content: Content) -> None:
        """Give the connection of the open form another label."""
        draft, store = self._addressed(content), self._gate.store
        label = str(content.get("label") or "").strip()
        if draft is None or draft.connection is None or label == draft.connection.label:
            return
        await asyncio.to_thread(store.rename, draft.connection.label, label)
        self._forms.settle(draft, store[label], "")
        self._page.push()

    async def act_move(self, content: Content) -> None:
        """Take a received key to the kind it seems to belong to."""
        draft, kind = self._addressed(content), content.get("kind")
        if draft is None or not isinstance(kind, str) or kind not in PROVIDERS:
            return
        moved = next((each.received for each in draft.secrets.values() if each.received), None)
        target = self._forms.open(kind, self._gate.find_single(kind))
        if moved is not None:
            for name in list(draft.secrets):
                draft.clear(name)
            target.receive(target.provider.key_field, moved)
            await target.read_credentials()
        self._page.push()

    async def act_demo(self, _content: Content) -> None:
        """Start the keyless demo server; its models are connected for this session."""
        from llmwidgets.demo import start_demo

        demo = await asyncio.to_thread(start_demo)
        known = {each.label for each in self._gate.connections()}
        for connection in demo:
            if connection.label not in known:
                self._gate.store.add_for_session(connection)
        self._gate.screen = ""
        first = self._gate.store[demo[0].label]
        self._forms.open(first.kind, first)
        self._page.push()

    # -- to the page ---------------------------------------------------------------------------

    def view(self, connections: Sequence[Connection]) -> ListState:
        """Every kind with its connections."""
        return {
            "kinds": [_kind(provider, connections, self._forms) for provider in PROVIDERS.values()],
            "connected": len(connections),
            "demo": any(each.origin == "demo" for each in connections),
            "deleted": self._gate.store.state.deleted_label,
        }


def _kind(provider: Provider, connections: Sequence[Connection], forms: OpenForms) -> _KindState:
    own = [each for each in connections if each.kind == provider.kind]
    rows = [_row(each, forms) for each in own]
    fresh, shown = f"{provider.kind}/", forms.current
    if shown and shown.provider is provider and shown.connection is None:
        fresh = shown.key  # the form of what was removed elsewhere keeps its name
    draft = forms.drafts.get(fresh)
    kind: _KindState = {
        "kind": provider.kind,
        "title": provider.title,
        "single": provider.single,
    }
    if provider.single:
        return {**kind, **(rows[0] if rows else _fresh_row(draft, fresh == forms.selected))}
    if draft is not None and fresh == forms.selected:
        rows.append({**_fresh_row(draft, True), "name": "New connection", "fact": "not saved"})
    return {**kind, "count": len(own), "rows": rows}


def _row(connection: Connection, forms: OpenForms) -> RowState:
    key = f"{connection.kind}/{connection.label}"
    draft = forms.drafts.get(key)
    icon, fact = draft.fact if draft else connection_fact(connection)
    if draft and draft.report and draft.passed and connection.provider.single:
        count = len(draft.report.models)
        fact = f"{count} model{'' if count == 1 else 's'}"
    if connection.origin == "session":
        fact = fact or "this session"
    if connection.origin == "policy":
        fact = fact if icon in {"warn", "fail"} else "provided"
    notes = key_notes(connection, local_today())
    if notes and icon != "fail":
        icon, fact = "warn", notes[0].brief
    return {
        "label": connection.label,
        "name": connection.label,
        "icon": icon,
        "fact": fact,
        "selected": key == forms.selected,
    }


def _fresh_row(draft: FormDraft | None, selected: bool) -> RowState:
    icon: Icon = "none"
    fact = ""
    if draft is not None:
        icon, fact = draft.fact
    return {"label": "", "name": "", "icon": icon, "fact": fact, "selected": selected}


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
        """The store that the panel works on."""
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
        count = {0: "no connection", 1: "1 connection"}.get(len(known), f"{len(known)} connections")
        locked = ", locked" if self.store.exists and self.store.locked else ""
        return f"{self.store.organization}{locked}, {count}", lines
