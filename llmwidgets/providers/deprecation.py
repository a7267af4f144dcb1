"""Deprecation: what a model's dates mean today, and what a live list has instead of the table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from llmwidgets.dialects.types import ListedModel
from llmwidgets.providers.base import Ended, ModelFacts, Status

FACTS_OF = date(2026, 11, 28)
"""The day on which the tables of models were last compared with their sources."""

SOON_DAYS = 60
"""There is a warning of an end within this many days."""

_WORDS: dict[str, Status] = {
    "active": "active",
    "generally_available": "active",
    "preview": "preview",
    "deprecated": "ending",
    "deprecating": "ending",
    "legacy": "ending",
    "retired": "retired",
}


def today() -> date:
    """The day by which models end."""
    return datetime.now(UTC).date()


def as_of(facts: ModelFacts, day: date) -> ModelFacts:
    """The facts on a day: a model whose end has passed is retired.

    >>> as_of(ModelFacts("m", status="ending", ends=date(2026, 12, 11)), date(2026, 12, 12)).status
    'retired'
    """
    if facts.ends is None or facts.ends >= day:
        return facts
    return replace(facts, status="retired")


def ended(facts: ModelFacts | None, successor: str | None) -> Ended | None:
    """That a model is past its end, by its facts as of today.

    Without any, `successor` is what replaces it among the retired ids. None while it lives, and
    if nothing is known of it.
    """
    if facts is None:
        return None if successor is None else Ended(None, successor)
    return Ended(facts.ends, facts.successor or "") if facts.status == "retired" else None


def merged(shipped: ModelFacts | None, listed: ListedModel, day: date) -> ModelFacts:
    """The facts, with what a provider's live list has in place of the table's.

    For a model that no table knows, the list has limits and end only. A model that is listed
    after its shipped end, without an end, lives on.
    """
    facts = shipped or ModelFacts(listed.id, sampling=True, source="the provider's live list")
    ends = _day(listed.ends) or facts.ends
    if ends is not None and ends < day and _day(listed.ends) is None:
        ends = None
    status: Status = "ending" if ends else ("preview" if facts.status == "preview" else "active")
    return as_of(
        replace(
            facts,
            form=listed.form or facts.form,
            efforts=() if listed.thinks is False else facts.efforts,
            thinking=facts.thinking if listed.thinks is None else listed.thinks,
            input_limit=listed.input_limit or facts.input_limit,
            output_limit=listed.output_limit or facts.output_limit,
            ends=ends,
            status=_WORDS.get(listed.lifecycle.lower(), status) if not ends else status,
        ),
        day,
    )


def ending(facts: ModelFacts, day: date) -> str:
    """A sentence if the model has ended or ends soon; empty otherwise."""
    instead = f" {facts.successor} replaces it." if facts.successor else ""
    if facts.status == "retired":
        since = f" since {facts.ends:%Y-%m-%d}" if facts.ends else ""
        return f"{facts.id} is retired{since}.{instead}"
    if facts.ends is None and facts.status == "ending":
        return f"{facts.id} is ending. {facts.note}{instead}".strip()
    if facts.ends is None or (facts.ends - day).days > SOON_DAYS:
        return ""
    return f"{facts.id} ends on {facts.ends:%Y-%m-%d}.{instead}"


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        return None
