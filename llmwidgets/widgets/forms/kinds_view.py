"""The list at the left of the connection panel: every kind, its connections, their state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmwidgets.connections.connection import Connection
from llmwidgets.connections.key_expiry import key_notes, today
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import Provider
from llmwidgets.widgets.connection.form_state import Draft, fact_of


def kinds_view(
    connections: Sequence[Connection], drafts: Mapping[str, Draft], selected: str | None
) -> list[dict[str, Any]]:
    """A row a kind; kinds that can be connected many times carry a row a connection."""
    return [_kind(provider, connections, drafts, selected) for provider in PROVIDERS.values()]


def _kind(
    provider: Provider,
    connections: Sequence[Connection],
    drafts: Mapping[str, Draft],
    selected: str | None,
) -> dict[str, Any]:
    own = [each for each in connections if each.kind == provider.kind]
    rows = [_row(each, drafts.get(f"{each.kind}/{each.label}"), selected) for each in own]
    fresh = f"{provider.kind}/"
    open_one = drafts.get(selected or "")
    if open_one and open_one.provider is provider and open_one.connection is None:
        fresh = open_one.key  # the form of what was removed elsewhere keeps its name
    draft = drafts.get(fresh)
    kind = {"kind": provider.kind, "title": provider.title, "single": provider.single}
    if provider.single:
        one = rows[0] if rows else _fresh(draft, fresh == selected)
        return {**kind, **one, "label": one["label"]}
    if draft is not None and fresh == selected:
        rows.append({**_fresh(draft, True), "name": "New connection", "fact": "not saved"})
    return {**kind, "count": len(own), "rows": rows}


def _row(connection: Connection, draft: Draft | None, selected: str | None) -> dict[str, Any]:
    icon, fact = draft.fact if draft else fact_of(connection)
    if draft and draft.report and draft.report.ok and connection.provider.single:
        count = len(draft.report.models)
        fact = f"{count} model{'' if count == 1 else 's'}"
    if connection.origin == "session":
        fact = fact or "this session"
    if connection.origin == "policy":
        fact = "provided" if icon in {"none", "ok"} else fact
    notes = key_notes(connection, today())
    if notes and icon != "fail":
        icon, fact = "warn", notes[0].brief
    return {
        "label": connection.label,
        "name": connection.label,
        "icon": icon,
        "fact": fact,
        "selected": f"{connection.kind}/{connection.label}" == selected,
    }


def _fresh(draft: Draft | None, selected: bool) -> dict[str, Any]:
    icon, fact = draft.fact if draft else ("none", "")
    return {"label": "", "name": "", "icon": icon, "fact": fact, "selected": selected}
