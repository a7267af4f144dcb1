"""FormController: what is done in a form. Fill in, test, fix, save, keep for the session."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from llmwidgets.connections import catalog
from llmwidgets.connections.connection import Connection
from llmwidgets.errors import StoreError
from llmwidgets.widgets.connection.form_draft import FormDraft, OpenForms
from llmwidgets.widgets.connection.form_view import FormState, form_view
from llmwidgets.widgets.panel import Content, Page, values_in, words_in
from llmwidgets.widgets.secret_field import open_secret
from llmwidgets.widgets.store.gate import StoreGate


class FormController:
    """The form that is shown, over a store: what is typed is tested, then saved or kept."""

    def __init__(self, page: Page, gate: StoreGate, forms: OpenForms) -> None:
        self._page, self._gate, self._forms = page, gate, forms
        self.waiting: FormDraft | None = None
        """The form whose connection waits for the store to open."""
        gate.events.opened.append(self._save_waiting)
        for events in (gate.events.left, gate.events.turned):
            events.append(self._stop_waiting)

    @property
    def draft(self) -> FormDraft | None:
        """The form that is shown."""
        return self._forms.current

    def _addressed(self, content: Content, *, change: bool = True) -> FormDraft | None:
        """The open form, if the message is for it, it is not busy and takes the change."""
        draft = self._forms.current
        if draft is None or draft.busy or content.get("form") != draft.key:
            return None
        return None if change and draft.read_only else draft

    # -- filling in ----------------------------------------------------------------------------

    async def act_secret(self, content: Content) -> None:
        """A secret arrives for a field; the form keeps it."""
        secret = open_secret(content, content["buffers"])
        draft = self._forms.current
        if draft is not None and not draft.read_only and content.get("form") == draft.key:
            name = str(content.get("field"))
            draft.receive(name, secret, str(content.get("header") or ""))
            if name == "credentials":
                self._page.submit(self._look_at_credentials(draft))
        self._page.push()

    async def _look_at_credentials(self, draft: FormDraft) -> None:
        await draft.read_credentials()
        self._page.push()

    async def act_clear(self, content: Content) -> None:
        """Drop a secret that was received."""
        if draft := self._addressed(content):
            draft.clear(str(content.get("field")), str(content.get("header") or ""))
            self._page.push()

    async def act_typing(self, content: Content) -> None:
        """Something is being typed into the form; what it is stays in the page until it is left."""
        draft = self._forms.current
        if draft is not None and content.get("form") == draft.key:
            draft.touched = True

    async def act_edit(self, content: Content) -> None:
        """A field was left: keep its value, and show where the key would go."""
        if draft := self._addressed(content):
            draft.take(values_in(content, "values"))
            draft.look()
            self._page.push()

    async def act_preset(self, content: Content) -> None:
        """Fill in the address of a server that is often connected as Custom."""
        if draft := self._addressed(content):
            draft.take(values_in(content, "values"))
            draft.use_preset(str(content.get("title")))
            draft.look()
            self._page.push()

    # -- testing and keeping -------------------------------------------------------------------

    async def act_test(self, content: Content) -> None:
        """Test the form as it is; then save it, keep it for the session, or neither."""
        if draft := self._addressed(content, change=False):
            draft.take({} if draft.read_only else values_in(content, "values"))
            draft.intent = "save"
            if draft.read_only or content.get("intent") == "none":
                draft.intent = "none"
            elif content.get("intent") == "session":
                draft.intent = "session"
            await self.test(draft, certain=bool(content.get("certain")))

    async def act_fix(self, content: Content) -> None:
        """Put the proposed values in, and test again."""
        if draft := self._addressed(content):
            draft.apply_fix()
            await self.test(draft)

    async def act_keep(self, content: Content) -> None:
        """Keep a connection whose test failed, where it replaces no working one."""
        if draft := self._addressed(content):
            connection = draft.build()
            if connection is not None and not draft.replaces_working:
                await self._keep(draft, connection)
            self._page.push()

    async def act_allow(self, content: Content) -> None:
        """Allow a model for this organization, then look at the connection anew."""
        draft = self._addressed(content, change=False)
        if draft is None or draft.connection is None:
            return
        model = str(content.get("model"))
        await asyncio.to_thread(self._gate.store.allow, draft.connection.label, model)
        draft.rows = None
        if draft.report is not None and not draft.report.ok:
            await self.test(draft)
            return
        await draft.look_up(self._gate.policy)
        self._page.push()

    async def act_add_listed(self, content: Content) -> None:
        """Connect further models that the server of the open form lists; none is called."""
        draft, store = self._addressed(content), self._gate.store
        if draft is None or draft.connection is None:
            return
        connections = self._gate.connections()
        new = set(unconnected_models(draft.connection, connections))
        models = [each for each in words_in(content, "models") if each in new]
        siblings = sibling_connections(draft.connection, models, connections)
        for sibling in siblings:
            if draft.connection.origin == "store":
                await asyncio.to_thread(store.save, sibling)
            else:
                store.add_for_session(sibling)
        count = "1 model is" if len(siblings) == 1 else f"{len(siblings)} models are"
        draft.added = f"{count} connected, untested: each is looked at when it is first used."
        self._page.push()

    async def test(self, draft: FormDraft, *, certain: bool = False) -> None:
        """Check the draft and show each step; what passes is kept as intended."""
        if draft.out_of_reach:
            # Asked without its stored secrets, it would be saved without them as well.
            self._wait_for_store(draft)
            return
        connection = draft.build()
        if connection is None or (not certain and draft.doubt()):
            draft.report = None
            self._page.push()
            return

        def show(step: str) -> None:
            draft.busy = step
            self._page.push()

        draft.doubts = []
        show(f"Asking {connection.host}")
        try:
            report = await draft.check(connection, self._gate.policy, show)
            if report.ok and draft.tested is not None:
                await self._keep(draft, draft.tested)
            await draft.look_up(self._gate.policy)
        finally:
            draft.busy = ""
        self._page.push()

    async def _keep(self, draft: FormDraft, connection: Connection) -> None:
        """Save it, or add it for the session, or ask for the store first."""
        store, kept = self._gate.store, draft.connection
        if draft.intent == "none":
            return
        if draft.intent == "session":
            if kept is not None and kept.origin == "demo":
                connection = connection.with_origin("demo")
            store.add_for_session(connection)
            said = "Ready for this session." if draft.passed else "Kept for this session, untested."
        elif not self._gate.usable:
            self._wait_for_store(draft)
            return
        else:
            replace = kept is not None and kept.origin == "store"
            await asyncio.to_thread(store.save, connection, replace=replace)
            said = "Saved." if draft.passed else "Saved untested."
        self._forms.settle(draft, store[connection.label], said)

    # -- the store -----------------------------------------------------------------------------

    def _wait_for_store(self, draft: FormDraft) -> None:
        self.waiting = draft
        self._gate.ask()
        self._page.push()

    async def _save_waiting(self) -> None:
        """The store is open: save what waited for it, once it has passed a check."""
        draft, self.waiting = self.waiting, None
        if draft is None:
            return
        if draft.report is None:
            await self.test(draft)
            return
        connection = (draft.tested if draft.passed else None) or draft.build()
        if connection is not None:
            await self._keep(draft, connection)

    def _stop_waiting(self) -> None:
        """The connection that waited stays in its form, not saved."""
        self.waiting = None

    # -- to the page ---------------------------------------------------------------------------

    def view(self, connections: list[Connection]) -> FormState | None:
        """The form that is shown, with what may be done with it."""
        draft = self._forms.current
        if draft is None:
            return None
        kept = draft.connection if draft.passed and not draft.read_only else None
        return form_view(
            draft,
            {
                "reference": _reference(draft.connection),
                "waits": self.waiting is draft,
                "may_keep": not draft.replaces_working and not draft.read_only,
                "may_allow": self._may_allow(draft),
                "listed": unconnected_models(kept, connections) if kept is not None else [],
            },
        )

    def _may_allow(self, draft: FormDraft) -> bool:
        """Whether the organization's own rules can be changed from here."""
        try:
            usable = self._gate.usable and not self._gate.store.read_only
            return usable and draft.connection is not None
        except StoreError:
            return False


def _reference(connection: Connection | None) -> str:
    """How code refers to a connection."""
    if connection is None:
        return ""
    example = connection.provider.single or connection.any_model
    label = connection.label
    return f"{label}/{next(iter(connection.models), '…')}" if example else label


# -- Models that a server lists besides the one that is connected.


def unconnected_models(connection: Connection, known: Sequence[Connection]) -> list[str]:
    """The models that its server listed and that no connection at the same address names."""
    if connection.provider.single:
        return []
    connected = {
        model
        for each in (*known, connection)
        if each.kind == connection.kind and each.address == connection.address
        for model in each.models
    }
    return [model for model in catalog.listed_models(connection) if model not in connected]


def sibling_connections(
    connection: Connection, models: Sequence[str], known: Sequence[Connection]
) -> list[Connection]:
    """A connection for each of these models, filled in like the given one, none of them tested."""
    own = connection.provider.model_field or ""
    fields = connection.plain_fields.items()
    plain = {name: value for name, value in fields if name not in {own, "price"}}
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
