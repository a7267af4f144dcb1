"""Drift: our tables of models against the vendors' own, read from pinned packages.

`python -m tests.drift` prints each difference and ends with status 1 where there is one, or where
the tables were compared too long ago (`FACTS_OF` in providers/model_facts.py, by the clock).
`--newest` takes the newest packages instead of the pinned ones. It needs a package index, so it is
no part of the tests.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from llmwidgets.providers import PROVIDERS, azure_openai
from llmwidgets.providers.base import ModelFacts
from llmwidgets.providers.model_facts import FACTS_OF, today
from tests import drift_sources
from tests.drift_sources import Sources

_NO_USE = re.compile(
    r"audio|search|codex|realtime|image|tts|-pro\b|-latest$|-preview$|^gpt-(?:3|4)|^o\d|mythos"
    r"|-\d{4}-\d{2}-\d{2}$|-\d{8}$|-\d{4}$|gemma|embedding|live|robotics|lyria|veo|computer-use"
    r"|omni|banana|transcribe|customtools"
)
"""Ids that no table of ours wants: other uses, gated ones, moving names; snapshots have a rule."""

OLDEST_DAYS = 35
"""Facts that were compared longer ago than this are too old to stand."""

LEFT_OUT = {
    "gpt-5.1-mini": "no model that is served, by the words of the SDK",
}
"""Ids that are left out on purpose, each with its reason."""

ACCEPTED = {
    ("anthropic", "claude-fable-5-2", "id", "litellm"): "newer than the table",
    **{
        ("openai", model, what, source): "newer than the table"
        for model in ("gpt-6.2-sol", "gpt-6.2-astra")
        for what, source in (
            ("id", "litellm"),
            ("thinks", "pydantic-ai profile"),
            ("takes sampling", "pydantic-ai profile"),
        )
    },
    ("gemini", "gemini-4-hydrogen", "levels", "pydantic-ai profile"): "newer than the profiles",
    ("gemini", "gemini-4-neon", "levels", "pydantic-ai profile"): "newer than the profiles",
    ("vertex_ai", "gemini-3-flash-preview", "output limit", "litellm"): "one token of 65,536",
    ("vertex_ai", "gemini-3.5-flash", "output limit", "litellm"): "one token of 65,536",
}
"""Differences that were looked at and are right as they are, each with its reason."""

_TO_HIGH = frozenset({"low", "medium", "high"})


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One thing that a source says otherwise."""

    kind: str
    model: str
    what: str
    ours: str
    theirs: str
    source: str


def differences(sources: Sources) -> list[Difference]:
    """Everything in which our tables and the sources differ, in a stable order."""
    found = [
        *_ids("openai", sources.openai_ids, "openai ChatModel"),
        *_ids("anthropic", sources.anthropic_ids, "anthropic Model"),
        *_ids("gemini", _google(sources.known_names), "pydantic-ai known names", whole=False),
        *_ids("gemini", _gemini(sources.google_ids), "google-genai Model", whole=False),
        *_snapshots("openai", sources.openai_ids, sources.openai_ends, "openai ChatModel"),
        *_snapshots("anthropic", sources.anthropic_ids, sources.anthropic_ends, "anthropic Model"),
        *_ends("openai", sources.openai_ends, "openai ChatModel"),
        *_ends("anthropic", sources.anthropic_ends, "anthropic DEPRECATED_MODELS"),
        *_efforts_of_openai(sources.profiles["openai"]),
        *_efforts_of_anthropic(sources.profiles["anthropic"]),
        *_efforts_of_gemini(sources.profiles["gemini"]),
        *_azure(sources.litellm),
        *_foundry(sources.litellm),
    ]
    for kind, names in _LITELLM.items():
        found += _litellm(kind, sources.litellm, names)
    return sorted(
        each
        for each in set(found)
        if (each.kind, each.model, each.what, each.source) not in ACCEPTED
    )


_LITELLM = {
    "openai": ("{}",),
    "anthropic": ("{}",),
    "gemini": ("gemini/{}",),
    "vertex_ai": ("vertex_ai/{}", "{}"),
}


def _google(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.removeprefix("google:") for name in names if name.startswith("google:gemini"))


def _gemini(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(each for each in ids if each.startswith("gemini-"))


def _snapshots(
    kind: str, theirs: Iterable[str], ends: Mapping[str, date], source: str
) -> Iterator[Difference]:
    """Dated snapshots of our models: each has our facts and our end, or is among the retired."""
    provider = PROVIDERS[kind]  # type: ignore[index]
    for model in theirs:
        facts = provider.facts(model)
        if facts is None or model in {each.id for each in provider.models}:
            continue
        if facts.ends != ends.get(model):
            told = ends.get(model)
            yield Difference(kind, model, "end", str(facts.ends), str(told), source)


def _ids(
    kind: str, theirs: tuple[str, ...], source: str, *, whole: bool = True
) -> Iterator[Difference]:
    provider = PROVIDERS[kind]  # type: ignore[index]
    known = {facts.id for facts in provider.models} | set(provider.retired) | set(LEFT_OUT)
    for model in theirs:
        if model not in known and not _NO_USE.search(model):
            yield Difference(kind, model, "id", "missing", "listed", source)
    for facts in provider.models if whole else ():
        if facts.id not in theirs:
            yield Difference(kind, facts.id, "id", "listed", "missing", source)


def _ends(kind: str, theirs: Mapping[str, Any], source: str) -> Iterator[Difference]:
    provider = PROVIDERS[kind]  # type: ignore[index]
    for facts in provider.models:
        if facts.ends != theirs.get(facts.id):
            told = theirs.get(facts.id)
            yield Difference(kind, facts.id, "end", str(facts.ends), str(told), source)


def _efforts_of_openai(profiles: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    for facts in PROVIDERS["openai"].models:
        told = profiles[facts.id]
        off = "none" in facts.efforts
        reasons = bool(told.get("openai_supports_reasoning"))
        yield from _same("openai", facts, "can be off", off, told.get(
            "openai_supports_reasoning_effort_none", False))  # fmt: skip
        yield from _same("openai", facts, "thinks", bool(facts.efforts), reasons)
        pinned = set(told.get("openai_reasoning_efforts", ())) - {"max"}
        if pinned:
            yield from _same("openai", facts, "levels", set(facts.efforts), pinned)
        always = bool(told.get("thinking_always_enabled"))
        yield from _same("openai", facts, "takes sampling", facts.sampling, not always)


def _efforts_of_anthropic(profiles: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    for facts in PROVIDERS["anthropic"].models:
        told = profiles[facts.id]
        levels = set(_TO_HIGH)
        if told.get("anthropic_supports_effort"):
            levels |= {"xhigh"} if told.get("anthropic_supports_xhigh_effort") else set()
            levels |= {"max"} if told.get("anthropic_supports_max_effort", True) else set()
        levels |= set() if told.get("thinking_always_enabled") else {"none"}
        yield from _same("anthropic", facts, "levels", set(facts.efforts), levels)
        adaptive = facts.options.get("thinking_on") == "adaptive"
        theirs = told.get("anthropic_supports_adaptive_thinking", False)
        yield from _same("anthropic", facts, "adaptive", adaptive, theirs)
        between = facts.options.get("thinking_off") == "between_tools"
        yield from _same("anthropic", facts, "off by between_tools", between, told.get(
            "anthropic_disables_thinking_with_between_tools", False))  # fmt: skip
        forced = bool(facts.options.get("forced_tool"))
        theirs = told.get("supports_forced_tool_choice", True)
        yield from _same("anthropic", facts, "forced tool", forced, theirs)
        most = told.get("anthropic_max_output_tokens")
        yield from _same("anthropic", facts, "output limit", facts.output_limit, most)


def _efforts_of_gemini(profiles: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    for facts in PROVIDERS["gemini"].models:
        told = profiles[facts.id]
        by_level = bool(told.get("google_supports_thinking_level", True))
        yield from _same("gemini", facts, "by level", bool(facts.options.get("levels")), by_level)
        if by_level:
            scale = {"MINIMAL", "LOW", "MEDIUM", "HIGH"}
            levels = set(told.get("google_thinking_levels", scale))
            yield from _same("gemini", facts, "levels", set(facts.efforts), levels)
        else:
            always = bool(told.get("thinking_always_enabled"))
            yield from _same("gemini", facts, "can be off", "none" in facts.efforts, not always)


def _same(
    kind: str, facts: ModelFacts, what: str, ours: object, theirs: object
) -> Iterator[Difference]:
    if ours != theirs:
        yield Difference(kind, facts.id, what, _said(ours), _said(theirs), "pydantic-ai profile")


def _litellm(
    kind: str, table: Mapping[str, Mapping[str, Any]], names: tuple[str, ...]
) -> Iterator[Difference]:
    for facts in PROVIDERS[kind].models:  # type: ignore[index]
        row = next(
            (table[n] for n in (name.format(facts.id) for name in names) if n in table), None
        )
        if row is None:
            if facts.input_limit is not None:
                yield Difference(kind, facts.id, "id", "listed", "missing", "litellm")
            continue
        pairs: list[tuple[str, object, object]] = [
            ("input limit", facts.input_limit, row.get("max_input_tokens")),
            ("output limit", facts.output_limit, row.get("max_output_tokens")),
            *_prices(facts, row),
            ("JSON Schema", True, row.get("supports_response_schema", False)),
        ]
        if "deprecation_date" in row:
            pairs.append(("end", str(facts.ends), row["deprecation_date"]))
        if kind != "anthropic" and row.get("supports_sampling_params") is False:
            pairs.append(("takes sampling", facts.sampling, False))
        for level in ("none", "minimal", "xhigh"):
            said = row.get(f"supports_{level}_reasoning_effort")
            if said is not None and facts.efforts:
                mine = level in {each.lower() for each in facts.efforts}
                pairs.append((f"level {level}", mine, said))
        for what, ours, theirs in pairs:
            if ours != theirs:
                yield Difference(kind, facts.id, what, _said(ours), _said(theirs), "litellm")


def _prices(facts: ModelFacts, row: Mapping[str, Any]) -> list[tuple[str, object, object]]:
    """What the table says where the price list has nothing, at its first day."""
    names = ("input_cost_per_token", "output_cost_per_token")
    theirs = tuple(round(row.get(name, 0) * 1_000_000, 6) for name in names)
    return [("price", facts.prices[0][1:], theirs)] if facts.prices else []


def _azure(table: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    for facts in PROVIDERS["openai"].models:
        row = table.get(f"azure/{facts.id}", {})
        here = azure_openai.find_facts(facts.id)
        assert here is not None
        pairs = [("end", str(here.ends), str(row.get("deprecation_date")))]
        if "max_input_tokens" in row:
            pairs.append(("input limit", str(here.input_limit), str(row["max_input_tokens"])))
        if here.efforts and "supports_none_reasoning_effort" in row:
            off = row["supports_none_reasoning_effort"]
            pairs.append(("level none", str("none" in here.efforts), str(off)))
        for what, ours, theirs in pairs:
            if ours != theirs:
                yield Difference("azure", facts.id, what, ours, theirs, "litellm")


def _foundry(table: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    for facts in PROVIDERS["anthropic"].models:
        theirs = table.get(f"azure_ai/{facts.id}", {}).get("deprecation_date")
        ours = azure_openai.CLAUDE_ENDS.get(facts.id)
        if str(ours) != str(theirs):
            yield Difference("foundry", facts.id, "end", str(ours), str(theirs), "litellm")


def aged(on: date) -> str:
    """A sentence where the tables were compared too long before this day; empty otherwise."""
    days = (on - FACTS_OF).days
    if days <= OLDEST_DAYS:
        return ""
    return (
        f"The facts are of {FACTS_OF:%Y-%m-%d}, {days} days ago: compare them with --newest, then "
        "set FACTS_OF in llmwidgets/providers/model_facts.py."
    )


def _said(value: object) -> str:
    return " ".join(sorted(map(str, value))) if isinstance(value, set | frozenset) else str(value)


def main(arguments: list[str]) -> int:
    """Print the differences; 1 where there are any, or where the facts are too old."""
    site = drift_sources.install(newest="--newest" in arguments)
    kinds = ("openai", "anthropic", "gemini")
    asked = {kind: [facts.id for facts in PROVIDERS[kind].models] for kind in kinds}
    found = differences(drift_sources.read(site, asked))
    rows = [("kind", "model", "what", "ours", "theirs", "by")]
    rows += [(d.kind, d.model, d.what, d.ours, d.theirs, d.source) for d in found]
    widths = [max(len(row[at]) for row in rows) for at in range(6)]
    for row in rows if found else ():
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    said = f"{len(found)} differences" if found else "No differences"
    sys.stdout.write(f"{said}; {len(ACCEPTED)} known ones are accepted.\n")
    old = aged(today())
    sys.stdout.write(f"{old}\n" if old else "")
    return 1 if found or old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
