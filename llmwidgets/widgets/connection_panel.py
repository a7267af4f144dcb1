"""ConnectionPanel: the kinds with their state, the form of one, what this computer offers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from llmwidgets.providers import PROVIDERS
from llmwidgets.widgets.connection.discovery_view import Discovery, local_rows
from llmwidgets.widgets.connection.form_controller import FormPanel
from llmwidgets.widgets.connection.form_state import FormState
from llmwidgets.widgets.connection.form_view import kinds_view
from llmwidgets.widgets.panel import Buffers, Content
from llmwidgets.widgets.store.settings_screen import StoreSettings

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.providers.base import Kind
    from llmwidgets.store.store import Store


class ConnectionPanel(StoreSettings, FormPanel):
    """Connect providers: fill in a form, test it, keep it in the store or for this session.

        lw.ConnectionPanel()                    # the default organization
        lw.ConnectionPanel(lw.Store("acme"))

    `.store` is the store the panel works on; another organization can be chosen in its head.
    """

    bundle = "connection_panel"
    heading = "Connections"

    def __init__(self, store: Store | None = None) -> None:
        super().__init__(store)
        self._drafts: dict[str, FormState] = {}
        self._selected: str | None = None
        self._found = Discovery()

    # -- which form is open --------------------------------------------------------------------

    def draft(self) -> FormState | None:
        """The form that is open, if one is."""
        return self._drafts.get(self._selected or "")

    def _open(self, kind: Kind, connection: Connection | None) -> FormState:
        draft = FormState(kind, connection)
        draft = self._drafts.setdefault(draft.key, draft)
        self._selected = draft.key
        return draft

    def _follow(self, connections: list[Connection]) -> None:
        """Bring the forms in line with connections that changed outside this panel."""
        present = {f"{each.kind}/{each.label}": each for each in connections}
        for key, draft in list(self._drafts.items()):
            now, kept = present.get(key), draft.connection
            in_hand = draft.touched and key == self._selected
            if now is not None and not draft.busy and (draft.apart or _differs(now, kept)):
                self._drafts[key] = _following(draft, now)
            elif now is None and draft.named and not in_hand:
                del self._drafts[key]
            elif now is None and kept is not None:
                draft.part(locked=self.store.exists and self.store.locked)
        if self._selected and self._selected not in self._drafts:
            self._selected = None
        if self._selected is None and connections:
            self._open(connections[0].kind, connections[0])

    async def act_hello(self, content: Content, buffers: Buffers) -> None:
        """A view was drawn: look what the environment holds, then send the state."""
        await super().act_hello(content, buffers)
        await asyncio.to_thread(self._found.look_around)
        self._follow(self.connections())
        if draft := self.draft():
            await draft.look_up(self.policy)
        self.push()

    async def act_select(self, content: Content, _buffers: Buffers) -> None:
        """Open the form of a connection, or a fresh one of its kind."""
        kind, label = content.get("kind"), content.get("label")
        if kind not in PROVIDERS:
            return
        known = next(
            (each for each in self.connections() if each.label == label and each.kind == kind), None
        )
        draft = self._open(kind, known)
        await draft.look_up(self.policy)
        self.push()

    def kept(self, draft: FormState, connection: Connection, said: str) -> None:
        """A form that was new is now the form of its connection."""
        old = draft.key
        super().kept(draft, connection, said)
        if self._drafts.get(old) is draft:
            del self._drafts[old]
        self._drafts[draft.key] = draft
        if self._selected == old:
            self._selected = draft.key

    async def after_gate(self) -> None:
        """The form that waited has its stored secrets again before it is saved."""
        self._follow(self.connections())
        await super().after_gate()

    def turned(self) -> None:
        """Another organization: its connections, and none of the forms of the one before."""
        self._drafts, self._selected, self._waiting = {}, None, None

    # -- what is done with a connection --------------------------------------------------------

    async def act_undelete(self, _content: Content, _buffers: Buffers) -> None:
        """Put back the connection removed last, and open its form."""
        label = await asyncio.to_thread(self.store.undelete)
        back = self.store[label]
        await self._open(back.kind, back).look_up(self.policy)
        self.push()

    async def act_remove(self, content: Content, _buffers: Buffers) -> None:
        """Delete the connection of the open form; the panel offers to put it back."""
        draft = self._meant(content)
        if draft is not None and draft.connection is not None:
            await asyncio.to_thread(self.store.__delitem__, draft.connection.label)
            self._drafts.pop(draft.key, None)
            self._follow(self.connections())
            self.push()

    async def act_rename(self, content: Content, _buffers: Buffers) -> None:
        """Give the connection of the open form another label."""
        draft = self._meant(content)
        label = str(content.get("label") or "").strip()
        if draft is None or draft.connection is None or label == draft.connection.label:
            return
        old = draft.key
        await asyncio.to_thread(self.store.rename, draft.connection.label, label)
        self._drafts.pop(old, None)
        draft.settle(self.store[label], "")
        self._drafts[draft.key] = draft
        self._selected = draft.key
        self.push()

    async def act_move(self, content: Content, _buffers: Buffers) -> None:
        """Take a received key to the kind it seems to belong to."""
        draft, kind = self._meant(content), content.get("kind")
        if draft is None or kind not in PROVIDERS:
            return
        moved = next((kept.received for kept in draft.secrets.values() if kept.received), None)
        single = PROVIDERS[kind].single
        known = next((each for each in self.connections() if single and each.kind == kind), None)
        target = self._open(kind, known)
        if moved is not None:
            for name in list(draft.secrets):
                draft.clear(name)
            target.receive(target.provider.key_field, moved)
            await target.read_credentials()
        self.push()

    # -- what this computer offers -------------------------------------------------------------

    async def act_demo(self, _content: Content, _buffers: Buffers) -> None:
        """Start the keyless demo server; its models are connected for this session."""
        from llmwidgets.demo import start_demo

        connections = await asyncio.to_thread(start_demo)
        known = {each.label for each in self.connections()}
        for connection in connections:
            if connection.label not in known:
                self.store.add_for_session(connection)
        self.gate = ""
        first = self.store[connections[0].label]
        self._open(first.kind, first)
        self.push()

    async def act_add_found(self, content: Content, _buffers: Buffers) -> None:
        """Connect what the environment holds; the reference is kept, not the value."""
        found = self._found.environment(str(content.get("label")))
        if found is None:
            return
        draft = self._open(found.kind, None)
        draft.take(found.plain_fields)
        for name, secret in found.secret_fields.items():
            draft.receive(name, secret)
        draft.rev += 1
        draft.intent = "save" if self.usable else "session"
        if found.any_model:
            # The variables name a resource and no deployment, which only the user knows.
            draft.values.pop(found.provider.model_field or "", None)
            self.push()
            return
        await self.test(draft)

    async def act_look_elsewhere(self, _content: Content, _buffers: Buffers) -> None:
        """Look for keys that other tools keep in clear; only ever on a click."""
        await asyncio.to_thread(self._found.look_elsewhere)
        self.push()

    async def act_add_elsewhere(self, content: Content, _buffers: Buffers) -> None:
        """Connect what another tool keeps: by a reference to its file, or by a sealed copy."""
        offer = self._found.offer(content.get("number"))
        if offer is None:
            return
        as_reference = bool(content.get("reference"))
        known = next((each for each in self.connections() if each.kind == offer.kind), None)
        single = PROVIDERS[offer.kind].single
        draft = self._open(offer.kind, known if single else None)
        draft.take(offer.beside)
        draft.receive(offer.field, offer.closed(as_reference=as_reference))
        draft.rev += 1
        draft.intent = "save" if self.usable else "session"
        draft.look()
        if draft.preview() is None or draft.problems or offer.incomplete:
            self.push()
            return
        await self.test(draft)
        if draft.report is not None and draft.report.ok and draft.connection is not None:
            draft.added = offer.afterwards(draft.connection.label, as_reference=as_reference)
            self.push()

    async def act_discover(self, _content: Content, _buffers: Buffers) -> None:
        """Look for servers of models on this computer; only ever on a click."""
        self._found.looking = True
        self.push()
        try:
            await self._found.discover()
        finally:
            self._found.looking = False
        self.push()

    async def act_add_local(self, content: Content, _buffers: Buffers) -> None:
        """Connect every model of a server found on this computer, each tested."""
        for connection in self._found.local(str(content.get("endpoint"))):
            if any(each.label == connection.label for each in self.connections()):
                continue
            draft = self._open(connection.kind, None)
            draft.take(connection.plain_fields)
            for name, secret in connection.secret_fields.items():
                draft.receive(name, secret)
            draft.rev += 1
            draft.intent = "save" if self.usable else "session"
            await self.test(draft)
            if draft.report is None or not draft.report.ok:
                return

    # -- to the page ---------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        connections = self.connections()
        self._follow(connections)
        draft = self.draft()
        return {
            "store": self.store_view(),
            "kinds": kinds_view(connections, self._drafts, self._selected),
            "connected": len(connections),
            "demo": any(each.origin == "demo" for each in connections),
            "form": self.form_view(draft) if draft else None,
            "found": self._found.rows(connections),
            "local": local_rows(self._found, connections),
            "elsewhere": self._found.elsewhere_rows(),
            "looking": self._found.looking,
            "looked": self._found.looked,
            "deleted": self.store.state.deleted_label,
        }

    def summary(self) -> tuple[str, list[str]]:
        known = self.connections()
        lines = [f"{each.label}: {each.provider.title}, {each.host}" for each in known]
        count = {0: "no connection", 1: "1 connection"}.get(len(known), f"{len(known)} connections")
        locked = ", locked" if self.store.exists and self.store.locked else ""
        return f"{self.store.organization}{locked}, {count}", lines


def _differs(now: Connection, then: Connection | None) -> bool:
    return then is not None and (now.saved_at, now.origin) != (then.saved_at, then.origin)


def _following(draft: FormState, now: Connection) -> FormState:
    """The form of what another hand saved; one into which something was typed goes on with it."""
    if draft.touched:
        draft.follow(now)
        return draft
    fresh = FormState(draft.provider.kind, now)
    fresh.rev = draft.rev + 1
    return fresh
