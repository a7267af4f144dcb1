"""ConnectionPanel: the kinds with their state, the form of one, what this computer offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmwidgets.widgets.connection.connection_list import ConnectionList, ListState
from llmwidgets.widgets.connection.discovery import Discovery, OffersState
from llmwidgets.widgets.connection.form_controller import FormController
from llmwidgets.widgets.connection.form_draft import OpenForms
from llmwidgets.widgets.connection.form_view import FormState
from llmwidgets.widgets.panel import Panel
from llmwidgets.widgets.secret_field import SecretInbox
from llmwidgets.widgets.store.gate import StoreGate, StoreState
from llmwidgets.widgets.store.settings import StoreSettings

if TYPE_CHECKING:
    from llmwidgets.store.store import Store


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
        super().__init__()
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

    @property
    def store(self) -> Store:
        """The store that the panel works on."""
        return self._gate.store

    async def hello(self) -> None:
        """A view was drawn: look what the environment holds, then send the state."""
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
