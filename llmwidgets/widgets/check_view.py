"""What the page shows of a check: the sentence, the change that mends it, models, probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from llmwidgets.dialects.messages import Capability, Mode
from llmwidgets.secret import redact
from llmwidgets.widgets.form_fields import label_of

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.engine.check import CheckReport
    from llmwidgets.providers.base import ModelFacts

_LIMITS = {
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
_SOON_DAYS = 60


def report_view(
    report: CheckReport, connection: Connection, values: Mapping[str, Any]
) -> dict[str, Any]:
    """The report as JSON: a bold first sentence, the rest, the fix as old and new values."""
    title, rest = _split(redact(report.sentence))
    limit, why = _LIMITS.get(report.mode, ("", "")) if report.mode else ("", "")
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
        "limit": limit if report.ok else "",
        "limit_text": why if report.ok else "",
        "tried": _tried(report.capability),
    }


def endings(connection: Connection, models: Sequence[str], today: date) -> list[dict[str, Any]]:
    """A sentence for each day on which models in use are shut down soon, earliest first."""
    by_day: dict[date, list[ModelFacts]] = {}
    for model in models:
        facts = connection.facts(model)
        if facts and facts.ends and (facts.ends - today).days <= _SOON_DAYS:
            by_day.setdefault(facts.ends, []).append(facts)
    return [_ending(end, by_day[end], today) for end in sorted(by_day)]


def _ending(end: date, ended: Sequence[ModelFacts], today: date) -> dict[str, Any]:
    names = [facts.id for facts in ended]
    when = f"shut down on {day(end)}, {_in_days(end, today)}."
    if len(names) > 1:
        return {"models": names, "text": f"are {when} The table names what replaces them."}
    successor = f" {ended[0].successor} replaces it." if ended[0].successor else ""
    return {"models": names, "text": f"is {when}{successor}"}


def model_rows(
    connection: Connection,
    allowed: Sequence[str],
    reachable: Sequence[str] | None,
    today: date,
) -> list[dict[str, Any]]:
    """A row a model: what its reply is held to, its price, what is to be known of it.

    `reachable` is None where no check has told yet. Models the key cannot use come last.
    """
    rows = [_model_row(connection, model, reachable, today) for model in allowed]
    return sorted(rows, key=lambda row: bool(row["off"]))


def _model_row(
    connection: Connection, model: str, reachable: Sequence[str] | None, today: date
) -> dict[str, Any]:
    facts = connection.facts(model)
    seen = connection.capability(model)
    off = reachable is not None and model not in reachable
    ended = bool(facts and facts.ends and facts.ends <= today)
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

    own = connection.fields.price
    if own:
        return f"{_dollars(own['input'])} / {_dollars(own['output'])}"
    known = price_per_million(connection.provider, model, datetime.now(UTC))
    return f"{_dollars(known[0])} / {_dollars(known[1])}" if known else "unknown"


def day(moment: date) -> str:
    """A day as 11 Dec 2026."""
    return f"{moment.day} {moment:%b %Y}"


def since(moment: datetime | None, now: datetime) -> str:
    """`just now`, or the day."""
    if moment is None:
        return ""
    return "just now" if (now - moment).total_seconds() < 120 else day(moment.astimezone())


def _dollars(amount: float) -> str:
    return f"{amount:.2f}" if amount >= 0.1 or amount == 0 else f"{amount:.3g}"


def _in_days(end: date, today: date) -> str:
    days = (end - today).days
    if days < 0:
        return "so it no longer answers"
    return {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")


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
            "accepted": "refused" not in said,
            "obeyed": obeyed,
            "used": form == capability.form,
            "schema": form.name.endswith("SCHEMA"),
        }
        for form, said, obeyed in capability.tried
    ]
