"""What the page shows of a check: the sentence, the change that mends it, models, probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.connections import live_list
from llmwidgets.connections.catalog import own_price
from llmwidgets.connections.days import day, in_days
from llmwidgets.dialects.types import Capability, Mode
from llmwidgets.secret import redact
from llmwidgets.widgets.connection.form_fields import label_of

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.engine.checks.check import CheckReport
    from llmwidgets.providers.base import ModelFacts


_MODES = {
    Mode.SCHEMA: (
        "Schema enforced: this server holds every reply to the schema.",
        "",
    ),
    Mode.JSON: (
        "JSON only: this server ignores schemas; replies are still checked.",
        "Expect more invalid records than from a server that enforces the schema. "
        "Nothing is hidden: each one is counted.",
    ),
    Mode.TEXT: (
        "Text only: this server does not promise JSON; replies are still checked.",
        "Expect invalid replies. Nothing is hidden: each one is counted.",
    ),
}
_UNKNOWN = {
    "icon": "warn",
    "sentence": "Not determined: the last test could not tell what this server enforces.",
    "text": "Test again later; until then each run finds out by itself.",
    "tried": [],
}
_KNOWN = "Schema enforced: the provider promises it for this model."
_SOON_DAYS = 60


def report_view(
    report: CheckReport, connection: Connection, values: Mapping[str, Any]
) -> dict[str, Any]:
    """The report as JSON: a bold first sentence, the rest, the fix as old and new values."""
    title, rest = _split(redact(report.sentence))
    return {
        "ok": report.ok,
        "title": title,
        "text": rest,
        "hint": redact(report.hint),
        "seconds": report.seconds,
        "code": redact(report.code),
        "details": [[name, redact(str(said))] for name, said in report.details],
        "fix": [
            {
                "label": label_of(connection.provider, name),
                "old": str(values.get(name) or "nothing"),
                "new": str(new),
            }
            for name, new in (report.fix or {}).items()
        ],
        "notes": _notes(report, connection),
    }


def mode_view(connection: Connection) -> dict[str, Any] | None:
    """What the one model of a connection was seen to do with a schema; None before any test.

    Only of the kinds that are probed: elsewhere the table of models says it.
    """
    if not connection.provider.probes or not connection.models:
        return None
    seen = connection.capability(connection.models[0])
    if seen is None:
        return dict(_UNKNOWN) if connection.checked_at else None
    sentence, why = _MODES[seen.mode]
    full = seen.mode is Mode.SCHEMA
    return {
        "icon": "ok" if full else "warn",
        "sentence": sentence if seen.tried or not full else _KNOWN,
        "text": why,
        "tried": _tried(seen),
    }


def _notes(report: CheckReport, connection: Connection) -> list[str]:
    """What the live list says of the one model that is connected."""
    if not report.ok or connection.provider.single:
        return []
    told = {facts.id for facts in report.facts}
    said = [live_list.end_note(connection, each) for each in report.models if each not in told]
    said += [live_list.unlisted_note(connection, each) for each in report.models]
    return [redact(note) for note in said if note]


def endings(connection: Connection, models: Sequence[str], on: date) -> list[dict[str, Any]]:
    """A sentence for each day on which models in use are shut down soon, earliest first."""
    by_day: dict[date, list[ModelFacts]] = {}
    for model in models:
        facts = connection.facts(model)
        if facts and facts.ends and (facts.ends - on).days <= _SOON_DAYS:
            by_day.setdefault(facts.ends, []).append(facts)
    return [_ending(end, by_day[end], on) for end in sorted(by_day)]


def _ending(end: date, ended: Sequence[ModelFacts], on: date) -> dict[str, Any]:
    names = [facts.id for facts in ended]
    when = f"shut down on {day(end)}, {in_days(end, on)}."
    if len(names) > 1:
        text = f"are {when} The table names what replaces them."
        return {"models": names, "text": text, "successor": ""}
    return {"models": names, "text": f"is {when}", "successor": ended[0].successor or ""}


def model_rows(
    connection: Connection,
    allowed: Sequence[str],
    reachable: Sequence[str] | None,
    on: date,
) -> list[dict[str, Any]]:
    """A row a model: what its reply is held to, its price, what is to be known of it.

    `reachable` is None where no check has told yet. Models the key cannot use come last.
    """
    rows = [_model_row(connection, model, reachable, on) for model in allowed]
    return sorted(rows, key=lambda row: bool(row["off"]))


def _model_row(
    connection: Connection, model: str, reachable: Sequence[str] | None, on: date
) -> dict[str, Any]:
    facts = connection.facts(model)
    seen = connection.capability(model)
    off = reachable is not None and model not in reachable
    ended = bool(facts and facts.ends and facts.ends <= on)
    note, loud = (facts.note if facts else ""), False
    if facts and facts.ends:
        then = f", then {facts.successor}" if facts.successor else ""
        note, loud = f"{'ended' if ended else 'ends'} {day(facts.ends)}{then}", True
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


def _split(sentence: str) -> tuple[str, str]:
    head, stop, rest = sentence.partition(". ")
    return (head + ".", rest) if stop else (sentence, "")


def _tried(capability: Capability | None) -> list[dict[str, Any]]:
    if capability is None:
        return []
    return [
        {
            "form": form.value,
            "said": redact(said),
            "accepted": said == "accepted",
            "obeyed": obeyed,
            "used": form == capability.form,
            "schema": form.name.endswith("SCHEMA"),
        }
        for form, said, obeyed in capability.tried
    ]
