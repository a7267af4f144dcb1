"""What is done in a form and in the list of connections: fill in, test, save, rename, remove."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NotRequired, TypedDict

from llmwidgets.connections import catalog
from llmwidgets.connections.connection import Connection
from llmwidgets.connections.policy import Policy
from llmwidgets.formatting import count
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import Provider
from llmwidgets.widgets.connection.form_draft import (
    FormDraft,
    Icon,
    Intent,
    OpenForms,
    connection_fact,
    may_list_upstreams,
)
from llmwidgets.widgets.connection.form_view import FormState, find_pictures, form_view
from llmwidgets.widgets.connection.portal_drawing import describe_picture, draw_picture
from llmwidgets.widgets.connection.store_gate import StoreGate
from llmwidgets.widgets.panel import Content, Page, values_in, words_in
from llmwidgets.widgets.secret_field import open_secret


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
        return self._forms.current

    async def act_secret(self, content: Content) -> None:
        """A secret arrives for a field; the form keeps it."""
        secret, draft = open_secret(content, content["buffers"]), self.draft
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
        if draft := self._forms.find_addressed(content):
            draft.clear(str(content.get("field")), str(content.get("header") or ""))
            self._page.push()

    async def act_typing(self, content: Content) -> None:
        """Something is being typed into the form; what it is stays in the page until it is left."""
        if self.draft is not None and content.get("form") == self.draft.key:
            self.draft.touched = True

    async def act_edit(self, content: Content) -> None:
        """A field was left, or a preset chosen: keep it, and show where the key would go."""
        if draft := self._forms.find_addressed(content):
            draft.take(values_in(content, "values"))
            replace = bool(content.get("replace"))
            if draft.presets.choose(draft.values, content.get("title"), replace=replace):
                draft.rev += 1
            draft.look()
            self._page.push()

    act_preset = act_edit

    async def act_picture(self, content: Content) -> None:
        """A picture was opened: send it, drawn anew, with what it says in words."""
        draft = self._forms.find_addressed(content, change=False)
        if draft is None:
            return
        for picture in find_pictures(draft):
            if picture.name == content.get("name"):
                drawn = draw_picture(picture, draft.provider)
                said = describe_picture(picture, draft.provider)
                sent = {"type": "picture", "name": picture.name, "svg": drawn, "said": said}
                self._page.send(sent)

    async def act_upstreams(self, content: Content) -> None:
        """Read who offers the model of the form, where its server hands calls on to others."""
        draft = self._forms.find_addressed(content)
        if draft is None:
            return
        draft.take(values_in(content, "values"))
        draft.look()
        connection = draft.preview()
        if connection is not None and may_list_upstreams(draft):
            draft.busy = f"Asking {connection.host}"
            self._page.push()
            try:
                await draft.presets.read_upstreams(connection, self._gate.policy or Policy())
            finally:
                draft.busy = ""
        self._page.push()

    async def act_test(self, content: Content) -> None:
        """Test the form as it is; then save it, keep it for the session, or neither."""
        if draft := self._forms.find_addressed(content, change=False):
            draft.take({} if draft.read_only else values_in(content, "values"))
            asked = "none" if draft.read_only else content.get("intent")
            intents: dict[str, Intent] = {"none": "none", "session": "session"}
            draft.intent = intents.get(str(asked), "save")
            await self.test(draft, certain=bool(content.get("certain")))

    async def act_fix(self, content: Content) -> None:
        """Put the proposed values in, and test again."""
        if draft := self._forms.find_addressed(content):
            draft.apply_fix()
            await self.test(draft)

    async def act_keep(self, content: Content) -> None:
        """Keep a connection whose test failed, where it replaces no working one."""
        if draft := self._forms.find_addressed(content):
            connection = draft.build()
            if connection is not None and not draft.replaces_working:
                await self._keep(draft, connection)
            self._page.push()

    async def act_allow(self, content: Content) -> None:
        """Allow a model for this organization, then look at the connection anew."""
        draft = self._forms.find_addressed(content, change=False)
        if draft is None or draft.connection is None:
            return
        model = str(content.get("model"))
        await asyncio.to_thread(self._gate.store.allow, draft.connection.label, model)
        draft.forget_rows()
        if draft.report is not None and not draft.report.ok:
            await self.test(draft)
            return
        await draft.look_up(self._gate.policy)
        self._page.push()

    async def act_add_listed(self, content: Content) -> None:
        """Connect further models that the server of the open form lists; none is called."""
        draft, store = self._forms.find_addressed(content), self._gate.store
        if draft is None or draft.connection is None:
            return
        connections = self._gate.connections()
        new = set(_unconnected_models(draft.connection, connections))
        models = [model for model in words_in(content, "models") if model in new]
        siblings = _sibling_connections(draft.connection, models, connections)
        for sibling in siblings:
            if draft.connection.origin == "store":
                await asyncio.to_thread(store.save, sibling)
            else:
                store.add_for_session(sibling)
        connected = count(len(siblings), "model is", "models are")
        draft.added = f"{connected} connected, untested: each is looked at when it is first used."
        self._page.push()

    async def test(self, draft: FormDraft, *, certain: bool = False) -> None:
        """Check the draft and show each step; what passes is kept as intended."""
        if draft.out_of_reach:
            # Asked without its stored secrets, it would be saved without them as well.
            self._wait_for_store(draft)
            return
        if certain:
            draft.insist()
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
        finally:
            # Before it is looked up further: what is done meanwhile in a form that is saved counts.
            draft.busy = ""
        await draft.look_up(self._gate.policy)
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
            done = "Ready for this session." if draft.passed else "Kept for this session, untested."
        elif not self._gate.usable:
            self._wait_for_store(draft)
            return
        else:
            replace = kept is not None and kept.origin == "store"
            await asyncio.to_thread(store.save, connection, replace=replace)
            done = "Saved." if draft.passed else "Saved untested."
        self._forms.settle(draft, store[connection.label], done)

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

    def view(self, connections: list[Connection]) -> FormState | None:
        """The form that is shown, with what may be done with it."""
        draft = self.draft
        if draft is None:
            return None
        kept = draft.connection if draft.passed and not draft.read_only else None
        usable = self._gate.usable and not self._gate.store.read_only
        return form_view(
            draft,
            {
                "reference": _reference(draft.connection),
                "waits": self.waiting is draft,
                "may_keep": not draft.replaces_working and not draft.read_only,
                "may_allow": usable and draft.connection is not None,
                "listed": _unconnected_models(kept, connections) if kept is not None else [],
            },
        )


def _reference(connection: Connection | None) -> str:
    """How code refers to a connection."""
    if connection is None:
        return ""
    example = connection.provider.single or connection.any_model
    label = connection.label
    return f"{label}/{next(iter(connection.models), '…')}" if example else label


def _unconnected_models(connection: Connection, known: Sequence[Connection]) -> list[str]:
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


def _sibling_connections(
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


class RowState(TypedDict):
    """One connection, or the form of one that is not saved; those of the demo come last."""

    label: str
    name: str
    icon: Icon
    fact: str
    selected: bool
    demo: bool


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
    demo: NotRequired[bool]
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
        connections = self._gate.connections()
        self._forms.follow(connections, locked=self._gate.locked)
        if self._forms.current is None:
            self._gate.ask_if_locked()
        return connections

    async def show_current(self) -> None:
        """Look up what the form that is shown needs, then show it."""
        if draft := self._forms.current:
            await draft.look_up(self._gate.policy)
        self._page.push()

    async def act_select(self, content: Content) -> None:
        """Open the form of a connection, or a fresh one of its kind."""
        kind, label = content.get("kind"), content.get("label")
        if isinstance(kind, str) and kind in PROVIDERS:
            known = self._gate.connections()
            chosen = (each for each in known if (each.kind, each.label) == (kind, label))
            self._forms.open(kind, next(chosen, None))
            await self.show_current()

    async def act_remove(self, content: Content) -> None:
        """Delete the connection of the open form; the panel offers to put it back."""
        draft = self._forms.find_addressed(content)
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
        draft, store = self._forms.find_addressed(content), self._gate.store
        label = str(content.get("label") or "").strip()
        if draft is None or draft.connection is None or label == draft.connection.label:
            return
        await asyncio.to_thread(store.rename, draft.connection.label, label)
        self._forms.settle(draft, store[label], "")
        self._page.push()

    async def act_move(self, content: Content) -> None:
        """Take a received key to the kind it seems to belong to."""
        draft, kind = self._forms.find_addressed(content), content.get("kind")
        if draft is None or not isinstance(kind, str) or kind not in PROVIDERS:
            return
        moved = next((each.received for each in draft.secrets.values() if each.received), None)
        target = self._forms.open(kind, self._gate.find_single(kind))
        if moved is not None:
            for name in list(draft.secrets):
                draft.clear(name)
            target.choose_way("key")
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
    own.sort(key=lambda each: each.origin == "demo")
    rows = [_row(each, forms) for each in own]
    fresh, shown = f"{provider.kind}/", forms.current
    if shown and shown.provider is provider and shown.connection is None:
        fresh = shown.key  # the form of what was removed elsewhere keeps its name
    draft, selected = forms.drafts.get(fresh), fresh == forms.selected
    icon, fact = draft.fact if draft is not None else ("none", "")
    unsaved: RowState = {
        "label": "", "name": "", "icon": icon, "fact": fact, "selected": selected, "demo": False,
    }  # fmt: skip
    kind: _KindState = {
        "kind": provider.kind,
        "title": provider.title,
        "single": provider.single,
    }
    if provider.single:
        return {**kind, **(rows[0] if rows else unsaved)}
    if draft is not None and selected:
        new: RowState = {**unsaved, "name": "New connection", "fact": "not saved"}
        rows.insert(sum(not row["demo"] for row in rows), new)
    return {**kind, "count": len(own), "rows": rows}


def _row(connection: Connection, forms: OpenForms) -> RowState:
    key = f"{connection.kind}/{connection.label}"
    draft = forms.drafts.get(key)
    icon, fact = draft.fact if draft else connection_fact(connection)
    if draft and draft.report and draft.passed and connection.provider.single:
        fact = count(len(draft.report.models), "model")
    if connection.origin == "session":
        fact = fact or "this session"
    fact = fact or connection.signed_in_by
    if connection.origin == "policy":
        fact = fact if icon in {"warn", "fail"} else "provided"
    notes = catalog.key_notes(connection, catalog.local_today())
    if notes and icon != "fail":
        icon, fact = "warn", notes[0].brief
    return {
        "label": connection.label,
        "name": connection.label,
        "icon": icon,
        "fact": fact,
        "selected": key == forms.selected,
        "demo": connection.origin == "demo",
    }
