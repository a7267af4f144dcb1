"""The open form as the page draws it; of a secret only its last characters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal, NotRequired, TypedDict

from pydantic.fields import FieldInfo

from llmwidgets.connections.catalog import KeyNote, key_age_note, key_end_note, local_today
from llmwidgets.connections.connection import Connection, to_json_value
from llmwidgets.dialects.requests import add_query, curl_command
from llmwidgets.dialects.types import Call
from llmwidgets.formatting import format_day, format_since, join_listed
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import Fields, Preset
from llmwidgets.providers.model_facts import FACTS_OF
from llmwidgets.secret import Secret, redact
from llmwidgets.widgets.connection.check_view import (
    EndingState,
    ModelRow,
    ModeState,
    RefusedState,
    ReportState,
    keeper_of,
    mode_view,
    model_endings,
    report_view,
)
from llmwidgets.widgets.connection.form_draft import FormDraft, Intent, may_list_upstreams
from llmwidgets.widgets.connection.portal_drawing import Picture, pictures_of
from llmwidgets.widgets.connection.preset_view import ChosenState, PresetState
from llmwidgets.widgets.connection.sending_view import describe_sending
from llmwidgets.widgets.connection.sign_in_view import (
    SignInState,
    own_fields,
    sign_in_view,
)
from llmwidgets.widgets.secret_field import SecretField, SecretState


class HeaderState(SecretState):
    """One header whose value is a secret."""

    name: str


class _PriceState(TypedDict, total=False):
    """US dollars for a million tokens, as typed."""

    input: float | str
    output: float | str


FieldType = Literal["text", "date", "bool", "price", "secret", "headers"]
_TYPES: dict[Any, FieldType] = {
    Secret: "secret",
    Secret | None: "secret",
    bool: "bool",
    date | None: "date",
    dict[str, Secret]: "headers",
    dict[str, float] | None: "price",
}
"""How a field is asked, by its annotation; everything else is a text."""


class FieldState(TypedDict):
    """One field; `type` says whether it has a value, a secret or rows of headers.

    `lists` is what the button says that reads its choices from the server.
    """

    name: str
    label: str
    help: str
    placeholder: str
    choices: list[str]
    optional: bool
    multiline: bool
    address: bool
    error: str
    filled: bool
    lists: str
    type: FieldType
    value: NotRequired[str | bool | _PriceState | None]
    secret: NotRequired[SecretState]
    rows: NotRequired[list[HeaderState]]
    facts: NotRequired[list[list[str]]]


class _GroupState(TypedDict):
    """Fields that are shown together: `main`, then what signs in, then what is folded."""

    name: str
    title: str
    fields: list[FieldState]
    open: bool


class _AddressState(TypedDict):
    parts: list[list[str]]
    calls: str


class _KeyNoteState(TypedDict):
    said: str
    fix: str


class _LinkState(TypedDict):
    text: str
    url: str


class _PictureState(TypedDict):
    """A picture of where things are found; it is sent when the page asks for it."""

    name: str
    title: str


class _OwnerState(TypedDict):
    kind: str
    title: str


class _RequestState(TypedDict):
    line: str
    text: str
    curl: str


class _RequestsState(TypedDict):
    before: int
    shown: list[_RequestState]


class _FormHead(TypedDict):
    key: str
    rev: str
    kind: str
    title: str
    label: str
    about: str
    costs: str
    labelled: bool
    typed_label: str
    origin: str
    read_only: bool
    keeper: str
    saved: str
    checked: str
    busy: str
    intent: Intent
    said: str
    apart: str


class _FormFields(TypedDict):
    host: str
    address: _AddressState | None
    notes: list[str]
    key_notes: list[_KeyNoteState]
    warnings: list[str]
    presets: list[PresetState]
    preset: ChosenState | None
    sign_in: SignInState | None
    groups: list[_GroupState]
    problem: str
    hint: str
    links: list[_LinkState]
    steps: list[str]
    pictures: list[_PictureState]
    doubts: list[str]
    owners: list[_OwnerState]


class _FormCheck(TypedDict):
    report: ReportState | None
    endings: list[EndingState]
    mode: ModeState | None
    requests: _RequestsState
    refused: RefusedState | None
    rows: list[ModelRow] | None
    facts_of: str
    off_whitelist: list[str]
    added: str


class _FormActions(TypedDict):
    reference: str
    waits: bool
    may_keep: bool
    may_allow: bool
    listed: list[str]


class FormState(_FormHead, _FormFields, _FormCheck, _FormActions):
    """The open form."""


def form_view(draft: FormDraft, actions: _FormActions) -> FormState:
    """What the form asks, what is wrong in it, what the check found, what can be done."""
    return {**_head(draft), **_fields(draft), **_check(draft), **actions}


def _head(draft: FormDraft) -> _FormHead:
    provider, kept, now = draft.provider, draft.connection, datetime.now(UTC)
    named = "deployment" if provider.model_field == "deployment" else "model"
    speaks = "any server that speaks the OpenAI format; " if provider.presets else ""
    return {
        "key": draft.key,
        "rev": f"{draft.key}:{draft.rev}",
        "kind": provider.kind,
        "title": provider.title,
        "label": kept.label if kept else "",
        "about": "" if provider.single else f"{speaks}one connection per {named}",
        "costs": describe_sending(draft),
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


def _fields(draft: FormDraft) -> _FormFields:
    preset, preview = draft.presets.current(draft.values), draft.preview()
    return {
        "host": preview.host if preview else "",
        "address": _address(preview) if preview and draft.values.get("endpoint") else None,
        "notes": [redact(note) for note in preview.fields.notes()] if preview else [],
        "key_notes": [{"said": note.said, "fix": note.fix} for note in _key_notes(draft, preview)],
        "warnings": _warnings(draft, preview),
        "presets": [] if draft.connection else draft.presets.rows(draft.values),
        "preset": draft.presets.view(draft.values),
        "sign_in": sign_in_view(draft, preview),
        "groups": _groups(draft),
        "problem": draft.problems.get("") or draft.problems.get("label") or "",
        "hint": draft.hint,
        "links": [
            {"text": link.text, "url": link.url}
            for link in draft.provider.links_for(draft.way)
            if preset is None or preset.title in link.text
        ],
        "steps": list(preset.steps if preset else draft.provider.steps_for(draft.way)),
        "pictures": [{"name": each.name, "title": each.title} for each in find_pictures(draft)],
        "doubts": [each.sentence for each in draft.doubts],
        "owners": [
            {"kind": each.owner, "title": PROVIDERS[each.owner].title}
            for each in draft.doubts
            if each.owner in PROVIDERS
        ],
    }


def find_pictures(draft: FormDraft) -> list[Picture]:
    """The pictures of where things are found that the form asks for as it signs in now."""
    preset, asked = draft.presets.current(draft.values), {*draft.asked}
    pictures = pictures_of(preset, draft.provider)
    return [each for each in pictures if asked & {step.field for step in each.steps}]


def _warnings(draft: FormDraft, preview: Connection | None) -> list[str]:
    """Of the plain fields as the form has them now, of the secrets as they were typed or stored."""
    real = draft.tested or draft.connection
    plain, closed = preview.field_warnings if preview else [], real.field_warnings if real else []
    secret = set(draft.provider.secret_fields)
    sentences = [redact(each.sentence) for each in plain if each.field not in secret]
    # These quote a public prefix, which a mask would take for a key, and nothing else.
    asked = draft.asked_secrets
    sentences += [
        each.sentence for each in closed if each.field in asked and each not in draft.doubts
    ]
    sentences += real.fields.key_notes() if real else []
    cut = [name for name, each in asked.items() if each.received and each.received.is_cut_out]
    sentences += [
        f"{draft.provider.all_fields[name].title}: only the key was taken from the line "
        "that was pasted."
        for name in cut
    ]
    return list(dict.fromkeys(sentences))


def _key_notes(draft: FormDraft, preview: Connection | None) -> list[KeyNote]:
    """The end of the key by the day in the form, and the age of the key while it is kept."""
    kept, on = draft.connection, local_today()
    if "expires" not in draft.asked:
        return []
    shown = kept if draft.read_only else preview or kept
    replaced = any(each.received for each in draft.secrets.values())
    # The preview has no key: what one tells of itself is known once it was tested or kept.
    real = draft.tested or kept
    if real and shown and real.fields.expires is shown.fields.expires is None:
        shown = real
    notes = (
        key_end_note(shown, on) if shown else None,
        key_age_note(kept, on) if kept and not replaced else None,
    )
    return [note for note in notes if note is not None]


def _check(draft: FormDraft) -> _FormCheck:
    report = draft.report
    shown = None
    if report is not None and draft.tested is not None:
        shown = report_view(report, draft.tested, draft.values)
    failed = report is not None and not report.ok
    connection = None if failed else draft.tested or draft.connection
    used = report.models if report is not None else _listed(draft)
    return {
        "report": shown,
        "endings": model_endings(connection, used, local_today()) if connection else [],
        "mode": mode_view(connection) if connection else None,
        "requests": _requests(draft.calls),
        "refused": draft.refused if failed else None,
        "rows": draft.rows,
        "facts_of": f"Facts of {format_day(FACTS_OF)}.",
        "off_whitelist": draft.off_whitelist,
        "added": draft.added,
    }


def _listed(draft: FormDraft) -> list[str]:
    if draft.provider.single:
        return [row["model"] for row in draft.rows or [] if not row["off"]]
    return list(draft.connection.models) if draft.connection else []


_ROUTES = {"anthropic_messages": "/messages", "openai_chat": "/chat/completions"}


def _address(connection: Connection) -> _AddressState | None:
    """The address in parts and the URL that is called; None for a kind without an address."""
    if "endpoint" not in type(connection.fields).model_fields:
        return None
    target = connection.first_target
    route = _ROUTES.get(str(connection.dialect.NAME), "")
    return {
        "parts": [list(part) for part in connection.fields.address_parts()],
        "calls": redact(add_query(target.url + route, dict(target.query))),
    }


_MOST_REQUESTS = 6


def _requests(calls: Sequence[Call]) -> _RequestsState:
    """The last requests of a check, newest last, and how many came before; every secret is cut."""
    shown = [_request(call) for call in calls[-_MOST_REQUESTS:]]
    return {"before": len(calls) - len(shown), "shown": shown}


def _request(call: Call) -> _RequestState:
    shown = call.shown()
    headers = "\n".join(f"{name}: {value}" for name, value in shown["headers"].items())
    body = "" if call.body is None else json.dumps(call.body, indent=2, ensure_ascii=False)
    return {
        "line": redact(f"{call.method} {call.url}"),
        "text": redact("\n\n".join(part for part in (headers, body) if part)),
        "curl": redact(curl_command(call)),
    }


def _groups(draft: FormDraft) -> list[_GroupState]:
    """The form in parts: what is needed, also to sign in, what is optional, what is advanced."""
    fix = draft.report.fix if draft.report is not None and not draft.report.ok else None
    errors = {name: f"The check proposes {new}." for name, new in (fix or {}).items()}
    errors |= draft.problems
    parts: dict[str, list[FieldState]] = {"main": [], "sign_in": [], "optional": [], "advanced": []}
    preset = draft.presets.current(draft.values)
    infos = {name: info for name, info in draft.asked.items() if name != "sign_in"}
    own = own_fields(draft)
    # The kind's own fields come first, then those that every kind has, then those of one preset.
    for name in sorted(infos, key=lambda name: (_owner(infos[name]), name in Fields.model_fields)):
        field = _field(draft, name, infos[name], errors.get(name, ""))
        parts["sign_in" if name in own else _part(infos[name], field, preset)].append(field)
    parts["sign_in"].sort(key=lambda field: field["optional"])
    return [
        {
            "name": name,
            "title": _title(name, fields),
            "fields": fields,
            "open": any(field["error"] for field in fields),
        }
        for name, fields in parts.items()
        if fields
    ]


def _field(draft: FormDraft, name: str, info: FieldInfo, error: str) -> FieldState:
    examples = [str(each) for each in info.examples or []]
    placeholder = examples[0] if examples else ""
    optional = not info.is_required()
    preset = draft.presets.current(draft.values)
    if preset is not None and name in {"name", "api_key"}:
        placeholder = preset.name if name == "name" else preset.key
        optional = optional and not (name == "api_key" and draft.presets.needs_key(draft.values))
    kind = _TYPES.get(info.annotation, "text")
    field: FieldState = {
        "name": name,
        "label": info.title or name,
        "help": info.description or "",
        "placeholder": placeholder,
        "choices": examples if len(examples) > 1 else [],
        "optional": optional,
        "type": kind,
        "multiline": name == "credentials",
        "address": name in {"endpoint", "base_url"},
        "error": error,
        "filled": False,
        "lists": "",
    }
    if kind == "secret":
        secret = draft.secrets.get(name, SecretField())
        field["secret"] = secret.view(told=not field["multiline"])
        field["filled"] = secret.secret is not None
    elif kind == "headers":
        field["rows"] = [{"name": key, **kept.view()} for key, kept in draft.headers.items()]
        field["filled"] = bool(field["rows"])
    else:
        field["value"] = to_json_value(draft.values.get(name))
        field["filled"] = bool(field["value"])
    if name == "routed_to" and not draft.read_only:
        names, said = draft.presets.upstreams(draft.values)
        field["choices"], field["help"] = names, said or field["help"]
        field["lists"] = "List providers" if may_list_upstreams(draft) else ""
    if name == "credentials" and draft.credentials is not None:
        field["facts"] = draft.credentials.facts
    return field


def _part(info: FieldInfo, field: FieldState, preset: Preset | None) -> str:
    if preset is not None and preset.slug == _owner(info):
        return "main"
    if _extra(info, "advanced"):
        return "advanced"
    return "optional" if field["optional"] and field["type"] != "secret" else "main"


def _owner(info: FieldInfo) -> str:
    """The preset that alone has the field; empty if it is not of one."""
    return str(_extra(info, "preset") or "")


def _extra(info: FieldInfo, name: str) -> object:
    """What a field says of itself besides its title, its help and its examples."""
    extra = info.json_schema_extra
    return extra.get(name) if isinstance(extra, dict) else None


def _title(part: str, fields: list[FieldState]) -> str:
    if part in {"main", "sign_in"}:
        return ""
    labels = [field["label"] for field in fields if field["type"] != "bool"]
    lower = (each if each[:2].isupper() else each[:1].lower() + each[1:] for each in labels[1:])
    words = [labels[0], *lower]
    return join_listed(words) if part == "optional" else ", ".join(words[:3])
