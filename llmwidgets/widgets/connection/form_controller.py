"""FormPanel: what a form does in a widget. Fill in, test, mend, save, keep for the session."""

from __future__ import annotations

import asyncio
from typing import Any

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import StoreError
from llmwidgets.secret import Secret
from llmwidgets.store.store import Store
from llmwidgets.widgets.connection.discovery_view import sibling_connections, unconnected_models
from llmwidgets.widgets.connection.form_state import FormState
from llmwidgets.widgets.connection.form_view import form_view
from llmwidgets.widgets.panel import Buffers, Content
from llmwidgets.widgets.store.unlock_screen import StoreGate

INTENTS = ("save", "session", "none")


class FormPanel(StoreGate):
    """A widget with one form open at a time, over a store."""

    def __init__(self, store: Store | None = None) -> None:
        super().__init__(store)
        self._waiting: FormState | None = None

    def draft(self) -> FormState | None:
        """The form that is open."""
        return None

    def _meant(self, content: Content, *, change: bool = True) -> FormState | None:
        """The open form, if the message is for it, it is not busy and takes the change."""
        draft = self.draft()
        if draft is None or draft.busy or content.get("form") != draft.key:
            return None
        return None if change and draft.read_only else draft

    # -- filling in ----------------------------------------------------------------------------

    def receive(self, content: Content, secret: Secret) -> None:
        """Keep a secret for the form it was typed in."""
        draft = self.draft()
        if draft is None or draft.read_only or content.get("form") != draft.key:
            return
        name = str(content.get("field"))
        draft.receive(name, secret, str(content.get("header") or ""))
        if name == "credentials":
            self.submit(self._look_at_credentials(draft))

    async def _look_at_credentials(self, draft: FormState) -> None:
        await draft.read_credentials()
        self.push()

    async def act_clear(self, content: Content, _buffers: Buffers) -> None:
        """Drop a secret that was received."""
        if draft := self._meant(content):
            draft.clear(str(content.get("field")), str(content.get("header") or ""))
            self.push()

    async def act_typing(self, content: Content, _buffers: Buffers) -> None:
        """Something is being typed into the form; what it is stays in the page until it is left."""
        draft = self.draft()
        if draft is not None and content.get("form") == draft.key:
            draft.touched = True

    async def act_edit(self, content: Content, _buffers: Buffers) -> None:
        """A field was left: keep what it says, and tell where the key would go."""
        if draft := self._meant(content):
            draft.take(content.get("values") or {})
            draft.look()
            self.push()

    async def act_preset(self, content: Content, _buffers: Buffers) -> None:
        """Fill in the address of a server that is often connected as Custom."""
        if draft := self._meant(content):
            draft.take(content.get("values") or {})
            draft.use_preset(str(content.get("title")))
            draft.look()
            self.push()

    # -- testing and keeping -------------------------------------------------------------------

    async def act_test(self, content: Content, _buffers: Buffers) -> None:
        """Test the form as it stands; then save it, keep it for the session, or neither."""
        if draft := self._meant(content, change=False):
            draft.take({} if draft.read_only else content.get("values") or {})
            intent = "none" if draft.read_only else content.get("intent")
            draft.intent = intent if intent in INTENTS else "save"
            await self.test(draft, certain=bool(content.get("certain")))

    async def act_fix(self, content: Content, _buffers: Buffers) -> None:
        """Put the proposed values in, and test again."""
        if draft := self._meant(content):
            draft.apply_fix()
            await self.test(draft)

    async def act_keep(self, content: Content, _buffers: Buffers) -> None:
        """Keep a connection whose test failed, where it replaces no working one."""
        draft = self._meant(content)
        if draft is None:
            return
        connection = draft.build()
        if connection is not None and not self.replaces_working(draft):
            await self.keep(draft, connection)
        self.push()

    async def act_allow(self, content: Content, _buffers: Buffers) -> None:
        """Allow a model for this organization, then look at the connection anew."""
        draft = self._meant(content, change=False)
        if draft is None or draft.connection is None:
            return
        model = str(content.get("model"))
        await asyncio.to_thread(self.store.allow, draft.connection.label, model)
        draft.rows = None
        if draft.report is not None and not draft.report.ok:
            await self.test(draft)
            return
        await draft.look_up(self.policy)
        self.push()

    async def act_add_listed(self, content: Content, _buffers: Buffers) -> None:
        """Connect further models that the server of the open form lists; none is called."""
        draft = self._meant(content)
        if draft is None or draft.connection is None:
            return
        new = set(unconnected_models(draft.connection, self.connections()))
        models = [each for each in content.get("models") or [] if each in new]
        twins = sibling_connections(draft.connection, models, self.connections())
        for twin in twins:
            if draft.connection.origin == "store":
                await asyncio.to_thread(self.store.save, twin)
            else:
                self.store.add_for_session(twin)
        count = "1 model is" if len(twins) == 1 else f"{len(twins)} models are"
        draft.added = f"{count} connected, untested: each is looked at when it is first used."
        self.push()

    async def test(self, draft: FormState, *, certain: bool = False) -> None:
        """Check the draft on the engine's loop and show each step."""
        if draft.out_of_reach:
            # Asked without its stored secrets, it would be saved without them as well.
            self._waiting = draft
            self.show_gate("unlock")
            self.push()
            return
        connection = draft.build()
        if connection is None or (not certain and draft.doubt()):
            draft.report = None
            self.push()
            return
        draft.doubts, draft.busy = [], f"Asking {connection.host}"
        self.push()

        def waits(said: str) -> None:
            draft.busy = said
            self.push()

        try:
            report = await draft.check(connection, self.policy, waits)
            if report.ok and draft.tested is not None:
                await self.keep(draft, draft.tested)
            await draft.look_up(self.policy)
        finally:
            draft.busy = ""
        self.push()

    @property
    def policy(self) -> Any:
        """The organization's policy, or None while the store is closed."""
        return self.store.policy if self.usable else None

    def replaces_working(self, draft: FormState) -> bool:
        """Whether keeping the draft would put it in place of a connection that passed a check."""
        kept = draft.connection
        return kept is not None and kept.checked_at is not None

    async def keep(self, draft: FormState, connection: Connection) -> None:
        """Save it, or add it for the session, or open the gate of the store first."""
        if draft.intent == "none":
            return
        passed = draft.report is not None and draft.report.ok
        if draft.intent == "session":
            if draft.connection is not None and draft.connection.origin == "demo":
                connection = connection.with_origin("demo")
            self.store.add_for_session(connection)
            said = "Ready for this session." if passed else "Kept for this session, untested."
            self.kept(draft, self.store[connection.label], said)
            return
        if not self.usable:
            self._waiting = draft
            self.show_gate("unlock" if self.store.exists else "create")
            return
        replace = draft.connection is not None and draft.connection.origin == "store"
        await asyncio.to_thread(self.store.save, connection, replace=replace)
        self.kept(draft, self.store[connection.label], "Saved." if passed else "Saved untested.")

    def kept(self, draft: FormState, connection: Connection, said: str) -> None:
        """The connection is in the store or the session now."""
        draft.settle(connection, said)

    async def after_gate(self) -> None:
        """Save what waited for the store, once it has passed a check."""
        draft, self._waiting = self._waiting, None
        if draft is None:
            return
        if draft.report is None:
            await self.test(draft)
            return
        connection = (draft.tested if draft.report.ok else None) or draft.build()
        if connection is not None:
            await self.keep(draft, connection)

    def gate_left(self) -> None:
        """The connection that waited stays in its form, not saved."""
        self._waiting = None

    def form_view(self, draft: FormState) -> dict[str, Any]:
        """The open form for the page, with what may be done with it."""
        kept, known = draft.connection, self.connections()
        passed = draft.report is not None and draft.report.ok
        listed = unconnected_models(kept, known) if kept is not None and not draft.read_only else []
        return {
            **form_view(draft),
            "reference": self.reference_of(draft),
            "waits": self._waiting is draft,
            "may_keep": not self.replaces_working(draft) and not draft.read_only,
            "may_allow": self._may_allow(draft),
            "listed": listed if passed else [],
        }

    def _may_allow(self, draft: FormState) -> bool:
        """Whether the organization's own rules can be changed from here."""
        try:
            return self.usable and draft.connection is not None and not self.store.read_only
        except StoreError:
            return False

    def reference_of(self, draft: FormState) -> str:
        """How code refers to the connection."""
        kept = draft.connection
        if kept is None:
            return ""
        example = kept.provider.single or kept.any_model
        return f"{kept.label}/{next(iter(kept.models), '…')}" if example else kept.label
