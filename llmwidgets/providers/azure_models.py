"""Azure's own days and limits for models of OpenAI and Anthropic, which it serves by contracts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from llmwidgets.providers.anthropic import ANTHROPIC
from llmwidgets.providers.base import ModelFacts
from llmwidgets.providers.openai import OPENAI

_SOURCE = "litellm 1.110.2 (azure/*, azure_ai/*); read 2026-11-28"

ENDS: dict[str, date] = {
    "gpt-4o": date(2027, 4, 14),
    "gpt-4o-mini": date(2027, 4, 14),
    "gpt-4.1": date(2027, 4, 14),
    "gpt-4.1-mini": date(2027, 4, 14),
    "gpt-5": date(2027, 2, 9),
    "gpt-5-mini": date(2027, 7, 13),
    "gpt-5-nano": date(2027, 2, 9),
    "gpt-5.1": date(2027, 7, 13),
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
"""By the model's id; for the ids that are missing here no source names a day."""

CLAUDE_ENDS: dict[str, date] = {
    "claude-haiku-4-5": date(2026, 11, 15),
    "claude-opus-4-5": date(2026, 11, 24),
    "claude-sonnet-4-5": date(2026, 11, 30),
    "claude-opus-4-6": date(2027, 2, 2),
    "claude-sonnet-4-6": date(2027, 2, 10),
    "claude-opus-4-7": date(2027, 4, 6),
    "claude-sonnet-5": date(2027, 6, 30),
    "claude-opus-5": date(2027, 7, 8),
    "claude-opus-4-8": date(2027, 9, 1),
    "claude-opus-5-5": date(2027, 9, 18),
    "claude-sonnet-5-5": date(2027, 9, 29),
    "claude-haiku-5-5": date(2027, 9, 29),
    "claude-fable-5": date(2027, 12, 5),
    "claude-fable-5-1": date(2027, 12, 5),
}
"""What litellm says of Claude in Foundry. Anthropic's page says that its own days apply there, so
neither is taken as the end where they differ: the model is *ending*, and its note names both."""

INPUT_LIMITS = {"gpt-5.4": 922_000, "gpt-5.5": 922_000}
"""Where Azure takes shorter texts than OpenAI."""

NOT_OFF = frozenset({"gpt-6.1-terra"})
"""Models whose level `none` Azure refuses, by litellm alone; OpenAI takes it."""


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
    facts = OPENAI.facts(model)
    if facts is None:
        return _claude(model)
    alias = OPENAI.alias(model)
    ends = ENDS.get(alias)
    kept = tuple(level for level in facts.efforts if level != "none" or alias not in NOT_OFF)
    return replace(
        facts,
        efforts=kept,
        input_limit=INPUT_LIMITS.get(alias, facts.input_limit),
        status="ending" if ends else "active",
        ends=ends,
        successor=facts.successor if ends else None,
        note="" if kept != facts.efforts else facts.note,
        source=f"{facts.source}; {_SOURCE}",
    )


def _claude(model: str) -> ModelFacts | None:
    facts = ANTHROPIC.facts(model)
    if facts is None:
        return None
    told = CLAUDE_ENDS.get(ANTHROPIC.alias(model))
    if told is None:
        return replace(facts, note=f"{facts.note} No source lists it for Foundry.".strip())
    if told == facts.ends:
        return facts
    own = f"on {facts.ends:%Y-%m-%d}" if facts.ends else "on no day yet"
    return replace(
        facts,
        status="ending",
        ends=None,
        note=f"Ends in Foundry on {told:%Y-%m-%d} by litellm, {own} by Anthropic.",
        source=f"{facts.source}; {_SOURCE}",
    )
