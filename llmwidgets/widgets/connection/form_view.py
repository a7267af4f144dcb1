"""The open form as the page draws it; of a secret only its last characters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from llmwidgets.connections.catalog import (
    KeyNote,
    key_age_note,
    key_end_note,
    key_notes,
    local_today,
)
from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.requests import add_query, curl_command
from llmwidgets.dialects.types import Call
from llmwidgets.formatting import format_since
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import Provider
from llmwidgets.secret import redact
from llmwidgets.widgets.connection.check_view import (
    facts_date,
    keeper_of,
    mode_view,
    model_endings,
    report_view,
)
from llmwidgets.widgets.connection.form_fields import field_groups, secret_names
from llmwidgets.widgets.connection.form_state import FormState, connection_fact


def form_view(draft: FormState) -> dict[str, Any]:
    """The form as JSON: what it asks, what it says, what the check found."""
    preview = draft.preview()
    return {**_who(draft), **_asked(draft, preview), **_found(draft)}


def _who(draft: FormState) -> dict[str, Any]:
    provider, kept, now = draft.provider, draft.connection, datetime.now(UTC)
    named = "deployment" if provider.model_field == "deployment" else "model"
    return {
        "key": draft.key,
        "rev": f"{draft.key}:{draft.rev}",
        "kind": provider.kind,
        "title": provider.title,
        "label": kept.label if kept else "",
        "about": "" if provider.single else f"one connection per {named}",
        "costs": _costs(draft),
        "labelled": not provider.single and kept is None,
        "typed_label": draft.values.get("label") or "",
        "origin": kept.origin if kept else "",
        "read_only": draft.read_only,
        "keeper": keeper_of(kept) if kept else "",
        "saved": format_since(kept.saved_at, now) if kept else "",
        "checked": format_since(draft.checked_at, now),
        "busy": draft.busy,
        "intent": draft.intent,
        "said": draft.said,
        "apart": draft.apart,
    }


def _costs(draft: FormState) -> str:
    """What a test of this kind asks for."""
    if not draft.provider.single:
        return "Testing asks the model one short question."
    if draft.provider.lists:
        return "Testing reads the list of models and asks one of them for a word."
    return "Testing costs nothing: it has one word counted by each model."


def _asked(draft: FormState, preview: Connection | None) -> dict[str, Any]:
    provider, preset = draft.provider, draft.preset
    typed = str(draft.values.get("endpoint") or "")
    real = draft.tested or draft.connection
    fields = field_groups(provider, draft.values, draft.secrets, draft.headers, _problems(draft))
    for field in (each for group in fields for each in group["fields"]):
        if preset is not None and field["name"] in {"name", "api_key"}:
            field["placeholder"] = preset.name if field["name"] == "name" else preset.key
        if field["name"] == "credentials" and draft.credentials is not None:
            field["facts"] = draft.credentials.facts
    return {
        "host": preview.host if preview else "",
        "address": _address(preview, typed),
        "notes": [redact(said) for said in preview.fields.notes()] if preview else [],
        "key_notes": [{"said": each.said, "fix": each.fix} for each in _key_notes(draft, preview)],
        "warnings": _warnings(draft, preview, real),
        "presets": [
            {"title": each.title, "on": each is preset}
            for each in (() if draft.connection else provider.presets)
        ],
        "groups": fields,
        "problem": draft.problems.get("") or draft.problems.get("label") or "",
        "hint": draft.hint,
        "links": [{"text": link.text, "url": link.url} for link in provider.links],
        "steps": list(preset.steps if preset else provider.steps),
        "doubts": [each.sentence for each in draft.doubts],
        "owners": [
            {"kind": each.owner, "title": PROVIDERS[each.owner].title}
            for each in draft.doubts
            if each.owner in PROVIDERS
        ],
    }


def _warnings(draft: FormState, preview: Connection | None, real: Connection | None) -> list[str]:
    """Of the plain fields what the form says now, of the secrets what is said of real ones."""
    plain, closed = preview.field_warnings if preview else [], real.field_warnings if real else []
    secret = set(secret_names(draft.provider))
    said = [redact(each.sentence) for each in plain if each.field not in secret]
    # These quote a public prefix, which a mask would take for a key, and nothing else.
    said += [each.sentence for each in closed if each.field in secret and each not in draft.doubts]
    return list(dict.fromkeys(said))


def _key_notes(draft: FormState, preview: Connection | None) -> list[KeyNote]:
    """The end of the key by the day in the form, and the age of the key while it is kept."""
    kept, on = draft.connection, local_today()
    shown = kept if draft.read_only else preview or kept
    replaced = any(each.received for each in draft.secrets.values())
    notes = (
        key_end_note(shown, on) if shown else None,
        key_age_note(kept, on) if kept and not replaced else None,
    )
    return [note for note in notes if note is not None]


def _problems(draft: FormState) -> dict[str, str]:
    """What is wrong with each field: by its own rule, or by what the check proposes."""
    report = draft.report
    fix = (report.fix if report is not None and not report.ok else None) or {}
    return {name: f"The check proposes {new}." for name, new in fix.items()} | draft.problems


def _found(draft: FormState) -> dict[str, Any]:
    connection = draft.tested or draft.connection
    report = draft.report
    shown = None
    if report is not None and draft.tested is not None:
        shown = report_view(report, draft.tested, draft.values)
    failed = report is not None and not report.ok
    used = report.models if report is not None else _listed(draft)
    today = datetime.now().astimezone().date()
    return {
        "report": shown,
        "endings": model_endings(connection, used, today) if connection and not failed else [],
        "mode": mode_view(connection) if connection and not failed else None,
        "requests": _requests(draft.calls),
        "refused": draft.refused if failed else None,
        "rows": draft.rows,
        "facts_of": facts_date(),
        "off_whitelist": draft.off_whitelist,
        "added": draft.added,
    }


def _listed(draft: FormState) -> list[str]:
    if draft.provider.single:
        return [str(row["model"]) for row in draft.rows or [] if not row["off"]]
    return list(draft.connection.models) if draft.connection else []


_ROUTES = {"anthropic_messages": "/messages", "openai_chat": "/chat/completions"}


def _address(connection: Connection | None, typed: str) -> dict[str, Any] | None:
    """The address in parts and the URL that is called; None while nothing readable is typed."""
    if connection is None or not typed or "endpoint" not in type(connection.fields).model_fields:
        return None
    target = connection.target(next(iter(connection.models), "*"))
    route = _ROUTES.get(str(connection.dialect.NAME), "")
    return {
        "parts": [list(part) for part in connection.fields.address_parts()],
        "calls": redact(add_query(target.url + route, dict(target.query))),
    }


_MOST_REQUESTS = 6


def _requests(calls: Sequence[Call]) -> dict[str, Any]:
    """The last requests of a check, newest last, and how many came before; every secret is cut."""
    shown = [_request(call) for call in calls[-_MOST_REQUESTS:]]
    return {"before": len(calls) - len(shown), "shown": shown}


def _request(call: Call) -> dict[str, str]:
    shown = call.shown()
    headers = "\n".join(f"{name}: {value}" for name, value in shown["headers"].items())
    body = "" if call.body is None else json.dumps(call.body, indent=2, ensure_ascii=False)
    return {
        "line": redact(f"{call.method} {call.url}"),
        "text": redact("\n\n".join(part for part in (headers, body) if part)),
        "curl": redact(curl_command(call)),
    }


# -- The list at the left of the connection panel: every kind, its connections, their state.


def kinds_view(
    connections: Sequence[Connection], drafts: Mapping[str, FormState], selected: str | None
) -> list[dict[str, Any]]:
    """A row a kind; kinds that can be connected many times carry a row a connection."""
    return [_kind(provider, connections, drafts, selected) for provider in PROVIDERS.values()]


def _kind(
    provider: Provider,
    connections: Sequence[Connection],
    drafts: Mapping[str, FormState],
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


def _row(connection: Connection, draft: FormState | None, selected: str | None) -> dict[str, Any]:
    icon, fact = draft.fact if draft else connection_fact(connection)
    if draft and draft.report and draft.report.ok and connection.provider.single:
        count = len(draft.report.models)
        fact = f"{count} model{'' if count == 1 else 's'}"
    if connection.origin == "session":
        fact = fact or "this session"
    if connection.origin == "policy":
        fact = "provided" if icon in {"none", "ok"} else fact
    notes = key_notes(connection, local_today())
    if notes and icon != "fail":
        icon, fact = "warn", notes[0].brief
    return {
        "label": connection.label,
        "name": connection.label,
        "icon": icon,
        "fact": fact,
        "selected": f"{connection.kind}/{connection.label}" == selected,
    }


def _fresh(draft: FormState | None, selected: bool) -> dict[str, Any]:
    icon, fact = draft.fact if draft else ("none", "")
    return {"label": "", "name": "", "icon": icon, "fact": fact, "selected": selected}
