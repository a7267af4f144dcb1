"""What the page shows of a check: the sentence, the change that fixes it, models, probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

from llmwidgets import formatting
from llmwidgets.connections import catalog
from llmwidgets.connections.catalog import own_price
from llmwidgets.connections.connection import Connection
from llmwidgets.connections.policy import Policy
from llmwidgets.connections.policy_file import machine_rules
from llmwidgets.dialects.types import Enforcement, ResponseFormat
from llmwidgets.errors import PolicyError
from llmwidgets.formatting import format_day, format_days_until
from llmwidgets.secret import redact

if TYPE_CHECKING:
    from llmwidgets.engine.check import CheckReport
    from llmwidgets.providers.base import ModelFacts


class _FixState(TypedDict):
    label: str
    old: str
    new: str


class ReportState(TypedDict):
    """The report: a bold first sentence, the rest, the fix as old and new values.

    `apply` is what the button says that fixes it, `command` what somebody else can run to fix it.
    """

    ok: bool
    title: str
    text: str
    hint: str
    seconds: float | None
    code: str
    details: list[list[str]]
    fix: list[_FixState]
    apply: str
    command: str
    notes: list[str]


class _TriedState(TypedDict):
    form: str
    said: str
    accepted: bool
    obeyed: bool | None
    used: bool
    schema: bool


class ModeState(TypedDict):
    """What the server enforces."""

    icon: Literal["ok", "warn"]
    sentence: str
    text: str
    tried: list[_TriedState]


class ModelRow(TypedDict):
    """One model: what its reply is held to, its price, what is to be known of it.

    `allow` is there for a model that may not be called: whether one click can allow it.
    """

    model: str
    reply: str
    price: str
    note: str
    loud: bool
    off: bool
    allow: NotRequired[bool]


class EndingState(TypedDict):
    """Models in use that are shut down on one day."""

    models: list[str]
    text: str
    successor: str


class RefusedState(TypedDict):
    """Why the connection's own model may not be called."""

    model: str
    rule: str
    allow: bool


_MODES = {
    Enforcement.SCHEMA: (
        "Schema enforced: this server holds every reply to the schema.",
        "",
    ),
    Enforcement.JSON: (
        "JSON only: this server ignores schemas; replies are still checked.",
        "Expect more invalid records than from a server that enforces the schema. "
        "Nothing is hidden: each one is counted.",
    ),
    Enforcement.TEXT: (
        "Text only: this server does not promise JSON; replies are still checked.",
        "Expect invalid replies. Nothing is hidden: each one is counted.",
    ),
}
_UNKNOWN: ModeState = {
    "icon": "warn",
    "sentence": "Not determined: the last test could not tell what this server enforces.",
    "text": "Test again later; until then each run finds out by itself.",
    "tried": [],
}
_KNOWN = "Schema enforced: the provider promises it for this model."
_APPLY = "Apply fix and test"
_WITH_SCHEMA = (ResponseFormat.JSON_SCHEMA, ResponseFormat.JSON_OBJECT_SCHEMA)
_SOON_DAYS = 60


def proposed_changes(report: CheckReport) -> dict[str, str]:
    """The fields that a check proposes to change, with their new values; mostly none."""
    left = {"sign_in": report.sign_in} if report.sign_in else {}
    return {**(report.fix or {}), **left}


def report_view(
    report: CheckReport, connection: Connection, values: Mapping[str, Any]
) -> ReportState:
    """The report of a check of this connection; `values` are those of its form."""
    title, stop, rest = redact(report.sentence).partition(". ")
    fields, ways = connection.provider.all_fields, connection.provider.ways
    changes, way = proposed_changes(report), values.get("sign_in") or "key"
    values = {**values, "sign_in": ways.get(str(way))}
    if "sign_in" in changes:
        changes["sign_in"] = ways.get(changes["sign_in"], changes["sign_in"])
    return {
        "ok": report.ok,
        "title": f"{title}." if stop else title,
        "text": f"{rest} {report.sent}".strip(),
        "hint": redact(report.hint),
        "seconds": report.seconds,
        "code": redact(report.code),
        "details": [[name, redact(str(value))] for name, value in report.details],
        "fix": [
            {
                "label": fields[name].title or name if name in fields else name,
                "old": str(values.get(name) or "nothing"),
                "new": str(new),
            }
            for name, new in changes.items()
        ],
        "apply": f"Sign in with {changes['sign_in']}" if [*changes] == ["sign_in"] else _APPLY,
        "command": redact(report.command),
        "notes": _notes(report, connection),
    }


def mode_view(connection: Connection) -> ModeState | None:
    """What the one model of a connection was seen to do with a schema; None before any test.

    Only for the kinds that are probed: elsewhere it is in the table of models.
    """
    if not connection.provider.probes or not connection.models:
        return None
    seen = connection.capability(connection.models[0])
    if seen is None:
        return _UNKNOWN if connection.checked_at else None
    sentence, why = _MODES[seen.mode]
    full = seen.mode is Enforcement.SCHEMA
    return {
        "icon": "ok" if full else "warn",
        "sentence": sentence if seen.tried or not full else _KNOWN,
        "text": why,
        "tried": [
            {
                "form": form.value,
                "said": redact(outcome),
                "accepted": outcome == "accepted",
                "obeyed": obeyed,
                "used": form == seen.form,
                "schema": form in _WITH_SCHEMA,
            }
            for form, outcome, obeyed in seen.tried
        ],
    }


def _notes(report: CheckReport, connection: Connection) -> list[str]:
    """Notes of the live list about the one model that is connected."""
    if not report.ok or connection.provider.single:
        return []
    known = {facts.id for facts in report.facts}
    notes = [catalog.end_note(connection, each) for each in report.models if each not in known]
    notes += [catalog.unlisted_note(connection, each) for each in report.models]
    return [redact(note) for note in notes if note]


def model_endings(connection: Connection, models: Sequence[str], on: date) -> list[EndingState]:
    """A sentence for each day on which models in use are shut down soon, earliest first."""
    by_day: dict[date, list[ModelFacts]] = {}
    for model in models:
        facts = connection.facts(model)
        if facts and facts.ends and (facts.ends - on).days <= _SOON_DAYS:
            by_day.setdefault(facts.ends, []).append(facts)
    return [_ending(end, by_day[end], on) for end in sorted(by_day)]


def _ending(end: date, ended: Sequence[ModelFacts], on: date) -> EndingState:
    names = [facts.id for facts in ended]
    when = f"shut down on {format_day(end)}, {format_days_until(end, on)}."
    if len(names) > 1:
        text = f"are {when} The table names what replaces them."
        return {"models": names, "text": text, "successor": ""}
    return {"models": names, "text": f"is {when}", "successor": ended[0].successor or ""}


def model_rows(
    connection: Connection,
    allowed: Sequence[str],
    reachable: Sequence[str] | None,
    on: date,
) -> list[ModelRow]:
    """One row per allowed model; those that the key cannot use come last.

    `reachable` is None before a check.
    """
    rows = [_model_row(connection, model, reachable, on) for model in allowed]
    return sorted(rows, key=lambda row: bool(row["off"]))


def _model_row(
    connection: Connection, model: str, reachable: Sequence[str] | None, on: date
) -> ModelRow:
    facts = connection.facts(model)
    seen = connection.capability(model)
    off = reachable is not None and model not in reachable
    ended = bool(facts and facts.ends and facts.ends <= on)
    note, loud = (facts.note if facts else ""), False
    if facts and facts.ends:
        then = f", then {facts.successor}" if facts.successor else ""
        note, loud = f"{'ended' if ended else 'ends'} {format_day(facts.ends)}{then}", True
    if off:
        note, loud = "this key has no access", False
    return {
        "model": model,
        "reply": seen.mode.value if seen and not off else "–",
        "price": price_text(connection, model),
        "note": note,
        "loud": loud,
        "off": off or ended,
    }


def price_text(connection: Connection, model: str) -> str:
    """US dollars for a million tokens, in and out; `unknown` where no price is known."""
    from llmwidgets.providers.prices import price_per_million

    own = own_price(connection, model)
    if own:
        return f"{formatting.money(own['input'])} / {formatting.money(own['output'])}"
    known = price_per_million(connection.provider, model, datetime.now(UTC))
    return f"{formatting.money(known[0])} / {formatting.money(known[1])}" if known else "unknown"


def refused_rows(connection: Connection, policy: Policy) -> list[ModelRow]:
    """One row per known model that may not be called: denied by a rule, retired, or not yet."""
    allowed, provider = set(policy.allowed(connection)), connection.provider
    shipped = [model for model in connection.models if model not in allowed]
    others = [
        model for model in (*provider.not_yet, *provider.retired)
        if model not in {*allowed, *shipped}
    ]  # fmt: skip
    return [_refused_row(connection, policy, model) for model in (*shipped, *others)]


def _refused_row(connection: Connection, policy: Policy, model: str) -> ModelRow:
    ended = _ended(connection, model)
    refusal = _refusal(connection, policy, model)
    later = connection.provider.not_yet.get(model, "")
    note = f"not allowed by {refusal.rule}" if refusal else ""
    return {
        "model": model,
        "reply": "–",
        "price": "–",
        "note": redact(ended or (f"not yet: {later}" if later else note)),
        "loud": False,
        "off": True,
        "allow": not (ended or later) and is_liftable(policy, refusal),
    }


def _ended(connection: Connection, model: str) -> str:
    """`retired 23 Oct 2026, then gpt-6-sol`; empty for a model that lives."""
    gone = catalog.find_end(connection, model)
    if gone is None:
        return ""
    then = f", then {gone.successor}" if gone.successor else ""
    return f"retired {format_day(gone.since)}{then}" if gone.since else f"retired{then}"


def off_whitelist(connection: Connection, policy: Policy) -> list[str]:
    """Models that the key can use besides the whitelist; none where none may be added."""
    if not connection.provider.single or policy.closed_by:
        return []
    listed, shipped = catalog.listed_models(connection), {*policy.allowed(connection)}
    return [
        model
        for model in listed
        if model not in shipped
        and model not in connection.models
        and model not in connection.provider.not_yet
        and is_liftable(policy, _refusal(connection, policy, model))
    ]


def refused_view(connection: Connection, policy: Policy, *, kept: bool) -> RefusedState | None:
    """Why the connection's own model may not be called, and whether one click can allow it."""
    model = next(iter(connection.models), None)
    if connection.provider.single:
        model = None
    refusal = _refusal(connection, policy, model)
    if refusal is None:
        return None
    may = kept and model is not None and is_liftable(policy, refusal)
    return {"model": model or "", "rule": redact(refusal.rule), "allow": may}


def keeper_of(connection: Connection) -> str:
    """Whose connection this is, where a policy file provides it."""
    if connection.origin != "policy":
        return ""
    for rules in machine_rules():
        if connection.label in {each.label for each in rules.connections}:
            return redact(rules.whose)
    return "a policy file"


def _refusal(connection: Connection, policy: Policy, model: str | None) -> PolicyError | None:
    try:
        policy.permit(connection, model)
    except PolicyError as error:
        return error
    return None


def is_liftable(policy: Policy, refusal: PolicyError | None) -> bool:
    """Whether the organization can allow it: no policy file denies it or forbids additions."""
    files = {rules.whose for rules in policy.layers}
    return refusal is not None and not policy.closed_by and refusal.rule not in files
