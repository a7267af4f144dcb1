"""Facts about models: what their dates mean today, and what takes precedence over the tables.

A live list of the provider takes precedence over an organization's own facts, and these over the
shipped tables. Neither a policy file nor a store is read here: both pass a table of plain values.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any

from llmwidgets.dialects import gemini
from llmwidgets.dialects.types import ListedModel
from llmwidgets.errors import FieldError
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import PRICES, Ended, Kind, ModelFacts, Status, is_price, read_day

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


def find_end_in_facts(facts: ModelFacts | None, successor: str | None) -> Ended | None:
    """That a model is past its end, by its facts as of today.

    Without any, `successor` is what replaces it among the retired ids. None while it lives, and
    if nothing is known of it.
    """
    if facts is None:
        return None if successor is None else Ended(None, successor)
    return Ended(facts.ends, facts.successor or "") if facts.status == "retired" else None


def merge_listed(shipped: ModelFacts | None, listed: ListedModel, day: date) -> ModelFacts:
    """The facts, with what a provider's live list has in place of the table's.

    For a model that no table knows, the list has limits and end only. A model that is listed
    after its shipped end, without an end, lives on.
    """
    facts = shipped or ModelFacts(listed.id, sampling=True, source="the provider's live list")
    ends = read_day((listed.ends or "")[:10])
    if ends is None and facts.ends is not None and facts.ends >= day:
        ends = facts.ends
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


def describe_end(facts: ModelFacts, day: date) -> str:
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


DeclaredFacts = Mapping[str, Any]
"""An organization's own facts, by the names of `ModelFacts`; all others stay as they were."""

_LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class FactMisfit(ValueError):
    """What is wrong with one fact, as the end of a sentence; never the value itself."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"{name} {reason}")


def read_declared(kind: Kind, table: Mapping[str, Any]) -> DeclaredFacts:
    """The facts in a table of plain values; FactMisfit for the first that is not right.

    >>> read_declared("openai", {"output_limit": 128_000, "ends": "2028-03-11"})["ends"]
    datetime.date(2028, 3, 11)
    """
    facts: dict[str, Any] = {}
    for name, value in table.items():
        if name not in FACTS:
            close = difflib.get_close_matches(str(name), FACTS, n=1, cutoff=0.6)
            nearest = f" The nearest is {close[0]}." if close else ""
            raise FactMisfit(str(name), f"is not known; choose from {', '.join(FACTS)}.{nearest}")
        read, reason = FACTS[name]
        facts[name] = read(value)
        if facts[name] is None:
            raise FactMisfit(name, reason)
    if facts.get("efforts"):
        if facts.get("thinking") is False:
            raise FactMisfit("thinking", "is false, and efforts names levels of thinking.")
        if _in_capitals(kind):
            levels = facts["efforts"]
            facts["efforts"] = tuple(each if each == "none" else each.upper() for each in levels)
    if "price" in facts:
        facts["own_price"] = facts.pop("price")
    return MappingProxyType(facts)


def with_declared(
    kind: Kind, model: str, shipped: ModelFacts | None, *declared: DeclaredFacts
) -> ModelFacts | None:
    """The facts of a model, with the organization's in place of the table's; the last counts."""
    changes = {name: value for facts in declared for name, value in facts.items()}
    if not changes:
        return shipped
    # No source says that a model outside the tables takes no temperature: its server will tell.
    facts = shipped or ModelFacts(model, sampling=True, source="the organization")
    if changes.get("ends"):
        changes["status"] = "ending"
    if changes.get("thinking") is False:
        changes["efforts"] = ()
    if changes.get("efforts") and _in_capitals(kind):
        off = {"budgets": {"none": 0}} if "none" in changes["efforts"] else {}
        changes["options"] = {"levels": True, **off}
    source = f"{facts.source}; the organization" if shipped else facts.source
    return replace(facts, source=source, **changes)


def _in_capitals(kind: Kind) -> bool:
    """Whether the kind's format writes the levels of thinking in capitals."""
    return PROVIDERS[kind].dialect is gemini


def check_declared(kind: Kind, table: Mapping[str, Any]) -> dict[str, Any]:
    """The facts in a table as JSON, for a store to keep; FieldError for the first not right.

    `read_declared` reads them again.
    """
    try:
        declared = read_declared(kind, table)
    except FactMisfit as misfit:
        raise FieldError({misfit.name: misfit.reason}) from None
    plain = {name: value for name, value in declared.items() if name != "own_price"}
    if "own_price" in declared:
        plain["price"] = dict(zip(PRICES, declared["own_price"], strict=False))
    if "ends" in declared:
        plain["ends"] = declared["ends"].isoformat()
    if "efforts" in declared:
        plain["efforts"] = [level.lower() for level in declared["efforts"]]
    return plain


def _read_levels(value: Any) -> tuple[str, ...] | None:
    levels = tuple(str(each).lower() for each in value) if isinstance(value, list | tuple) else None
    in_order = tuple(level for level in _LEVELS if levels and level in levels)
    return levels if levels == in_order else None


def _read_limit(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _read_price(value: Any) -> tuple[float, ...] | None:
    return (
        tuple(float(value[name]) for name in PRICES if name in value) if is_price(value) else None
    )


def _read_text(value: Any) -> str | None:
    return (value.strip() or None) if isinstance(value, str) and value.isprintable() else None


_LIMIT = (_read_limit, "is not a number of tokens: write it as 128000.")
_SWITCH = (lambda value: value if isinstance(value, bool) else None, "must be true or false.")
_TEXT = (_read_text, "must be one line of text.")

FACTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "efforts": (
        _read_levels,
        f"must be a list of levels from {', '.join(_LEVELS)}, written from the weakest to the "
        "strongest, each once.",
    ),
    "thinking": _SWITCH,
    "sampling": _SWITCH,
    "sampling_thinking": _SWITCH,
    "input_limit": _LIMIT,
    "output_limit": _LIMIT,
    "price": (
        _read_price,
        "is not in US dollars per million tokens: write it as {input = 0.1, output = 0.5}, "
        "with cached = 0.01 if input from a cache costs less.",
    ),
    "ends": (read_day, "is not a day: write it as 2028-03-11."),
    "successor": _TEXT,
    "note": _TEXT,
}
"""What can be overridden: how each is read (None for a misfit), and what it must be."""
