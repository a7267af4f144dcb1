"""ConnectionForm: the form of one kind, over a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from llmwidgets.providers import find_provider
from llmwidgets.widgets.connection.form_controller import FormController
from llmwidgets.widgets.connection.form_draft import OpenForms
from llmwidgets.widgets.connection.form_view import FormState
from llmwidgets.widgets.panel import Panel
from llmwidgets.widgets.secret_field import SecretInbox
from llmwidgets.widgets.store.gate import StoreGate, StoreState

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.store.store import Store


class ConnectionFormState(TypedDict):
    """The whole widget."""

    store: StoreState
    form: FormState | None


class ConnectionForm(Panel):
    """One kind's form; *Test and save* puts the connection into the store.

    `.connection` is the connection once it is saved or ready for the session, else None.
    FieldError for a kind that does not exist.

        form = lw.ConnectionForm("openai")
        form
    """

    bundle = "connection_form"
    heading = "Connection"

    def __init__(self, kind: str, store: Store | None = None) -> None:
        self._provider = find_provider(kind)
        inbox, self._forms = SecretInbox(self.page), OpenForms()
        self._gate = StoreGate(self.page, inbox, store)
        self._gate.events.opened.append(self._follow_store)
        self._form = FormController(self.page, self._gate, self._forms)
        self.controllers = {"secret": inbox, "store": self._gate, "form": self._form}
        self._begin()
        super().__init__()

    def _find_existing(self) -> Connection | None:
        """The store's connection of a kind that has only one: the form is then about that one."""
        return self._gate.find_single(self._provider.kind)

    def _begin(self) -> None:
        self._forms.clear()
        self._forms.open(self._provider.kind, self._find_existing())

    async def _follow_store(self) -> None:
        """The store is open: a form without a connection turns to what the store already has."""
        if self._form.waiting is None and self.connection is None and self._find_existing():
            self._begin()

    @property
    def store(self) -> Store:
        """The store that the form works on."""
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
