"""ConnectionForm: the form of one kind, and beside it what its check found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmwidgets.providers import find_provider
from llmwidgets.widgets.connection.form_controller import FormPanel
from llmwidgets.widgets.connection.form_state import FormState

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.store.store import Store


class ConnectionForm(FormPanel):
    """One kind's form; *Test and save* puts the connection into the store.

    `.connection` is the connection once it is saved or ready for the session, else None.
    FieldError for a kind that does not exist.

        form = lw.ConnectionForm("openai")
        form
    """

    bundle = "connection_form"
    heading = "Connection"

    def __init__(self, kind: str, store: Store | None = None) -> None:
        provider = find_provider(kind)
        super().__init__(store)
        self._provider = provider
        self._draft = FormState(provider.kind, self._existing())

    @property
    def connection(self) -> Connection | None:
        """The connection of this form, as the store or the session has it."""
        return self._draft.connection

    def draft(self) -> FormState:
        """The one form."""
        return self._draft

    def _existing(self) -> Connection | None:
        """The store's connection of a single kind: the form is then about that one."""
        if not self._provider.single:
            return None
        return next((each for each in self.connections() if each.kind == self._provider.kind), None)

    async def after_gate(self) -> None:
        """Save what waited; an untouched form turns to what the store already has."""
        waits = self._waiting is not None
        await super().after_gate()
        if not waits and self._draft.connection is None and self._existing() is not None:
            self._draft = FormState(self._provider.kind, self._existing())

    def state(self) -> dict[str, Any]:
        return {"store": self.store_view(), "form": self.form_view(self._draft)}

    def summary(self) -> tuple[str, list[str]]:
        kept = self.connection
        if kept is None:
            return f"{self._provider.title}: not connected", []
        return f"{self._provider.title}: {kept.label} at {kept.host}", []
