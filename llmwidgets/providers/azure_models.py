"""Azure's own days: how long it serves OpenAI's models, which is longer than OpenAI itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from llmwidgets.providers.anthropic import ANTHROPIC
from llmwidgets.providers.base import ModelFacts
from llmwidgets.providers.openai import OPENAI

_SOURCE = "litellm 1.109.1 (azure/*); read 2026-11-23"

ENDS: dict[str, date] = {
    "gpt-4o": date(2027, 4, 14),
    "gpt-4o-mini": date(2027, 4, 14),
    "gpt-4.1": date(2027, 4, 14),
    "gpt-4.1-mini": date(2027, 4, 14),
    "gpt-5": date(2027, 2, 9),
    "gpt-5-mini": date(2027, 2, 9),
    "gpt-5-nano": date(2027, 2, 9),
    "gpt-5.1": date(2027, 5, 15),
    "gpt-5.2": date(2027, 6, 8),
    "gpt-5.4": date(2027, 9, 2),
    "gpt-5.4-mini": date(2027, 9, 21),
    "gpt-5.4-nano": date(2027, 9, 21),
    "gpt-5.5": date(2027, 10, 26),
    "gpt-5.6-luna": date(2028, 1, 11),
    "gpt-5.6-terra": date(2028, 1, 11),
    "gpt-5.6-sol": date(2028, 1, 11),
    "gpt-6-astra": date(2028, 1, 11),
    "gpt-6-luna": date(2028, 3, 11),
    "gpt-6-sol": date(2028, 3, 11),
    "gpt-6.1-sol": date(2028, 3, 11),
    "o3": date(2026, 11, 19),
}
"""By the model's id; the ids that stand nowhere here have no day that a source names."""


GONE: dict[str, date | None] = {
    "o1": date(2026, 11, 19),
    "o3-mini": date(2026, 11, 19),
    "o4-mini": date(2026, 11, 19),
    "gpt-4": None,
    "gpt-4-turbo": None,
}
"""What Azure served and serves no longer; OpenAI's other retired ids can live on here."""


def azure_facts(model: str) -> ModelFacts | None:
    """What is known of a deployment that bears the name of OpenAI's or Anthropic's model.

    The end is Azure's own.
    """
    facts = OPENAI.facts(model) or ANTHROPIC.facts(model)
    if facts is None:
        return None
    ends = ENDS.get(model)
    return replace(
        facts,
        status="ending" if ends else "active",
        ends=ends,
        successor=facts.successor if ends else None,
        source=f"{facts.source}; {_SOURCE}" if ends else facts.source,
    )
