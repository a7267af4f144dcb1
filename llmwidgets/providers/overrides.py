"""Overrides: an organization's own facts about models, newer than the tables; read strictly.

Neither a policy file nor a store is read here: both pass a table of plain values.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from llmwidgets.dialects import gemini
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import PRICES, Kind, ModelFacts

Told = Mapping[str, Any]
"""Overriding facts, by the names of `ModelFacts`; all others stay as they were."""

NOTHING: Told = MappingProxyType({})

_LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class FactMisfit(ValueError):
    """What is wrong with one fact, as the end of a sentence; never the value itself."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"{name} {reason}")


def read_told(kind: Kind, said: Mapping[str, Any]) -> Told:
    """The facts in a table of plain values; FactMisfit for the first that is not right.

    >>> read_told("openai", {"output_limit": 128_000, "ends": "2028-03-11"})["ends"]
    datetime.date(2028, 3, 11)
    """
    for name in said:
        if name not in FACTS:
            close = difflib.get_close_matches(str(name), FACTS, n=1, cutoff=0.6)
            nearest = f" The nearest is {close[0]}." if close else ""
            raise FactMisfit(str(name), f"is not known; choose from {', '.join(FACTS)}.{nearest}")
    read = {name: FACTS[name](name, value) for name, value in said.items()}
    if read.get("efforts"):
        if read.get("thinking") is False:
            raise FactMisfit("thinking", "is false, and efforts names levels of thinking.")
        if _in_capitals(kind):
            read["efforts"] = tuple(
                level if level == "none" else level.upper() for level in read["efforts"]
            )
    if "price" in read:
        read["own_price"] = read.pop("price")
    return MappingProxyType(read)


def with_told(kind: Kind, model: str, shipped: ModelFacts | None, *told: Told) -> ModelFacts | None:
    """The facts of a model, with the overrides in place of the table's; the last one counts."""
    changes = {name: value for each in told for name, value in each.items()}
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


def plain_told(told: Told) -> dict[str, Any]:
    """The facts as JSON, for a store to keep; `read_told` reads them again."""
    plain = {name: value for name, value in told.items() if name != "own_price"}
    if "own_price" in told:
        plain["price"] = dict(zip(PRICES, told["own_price"], strict=False))
    if "ends" in told:
        plain["ends"] = told["ends"].isoformat()
    if "efforts" in told:
        plain["efforts"] = [level.lower() for level in told["efforts"]]
    return plain


def _levels(name: str, value: object) -> tuple[str, ...]:
    words = [str(each).lower() for each in value] if isinstance(value, list | tuple) else None
    if words is None or any(word not in _LEVELS for word in words):
        raise FactMisfit(name, f"must be a list of levels from {', '.join(_LEVELS)}.")
    places = [_LEVELS.index(word) for word in words]
    if places != sorted(set(places)):
        raise FactMisfit(name, "must be written from the weakest to the strongest, each once.")
    return tuple(words)


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise FactMisfit(name, "must be true or false.")
    return value


def _limit(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise FactMisfit(name, "is not a number of tokens: write it as 128000.")
    return value


def _price(name: str, value: object) -> tuple[float, ...]:
    given = value if isinstance(value, Mapping) else {}
    right = {*PRICES[:2]} <= given.keys() <= {*PRICES} and all(
        isinstance(each, int | float) and not isinstance(each, bool)
        and math.isfinite(each) and each >= 0
        for each in given.values()
    )  # fmt: skip
    if not right:
        told = (
            "is not in US dollars per million tokens: write it as {input = 0.1, output = 0.5}, "
            "with cached = 0.01 if input from a cache costs less."
        )
        raise FactMisfit(name, told)
    return tuple(float(given[each]) for each in PRICES if each in given)


def _day(name: str, value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise FactMisfit(name, "is not a day: write it as 2028-03-11.")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise FactMisfit(name, "must be one line of text.")
    return value.strip()


FACTS: dict[str, Callable[[str, object], Any]] = {
    "efforts": _levels,
    "thinking": _switch,
    "sampling": _switch,
    "sampling_thinking": _switch,
    "input_limit": _limit,
    "output_limit": _limit,
    "price": _price,
    "ends": _day,
    "successor": _text,
    "note": _text,
}
"""What can be overridden, and how each is read."""
