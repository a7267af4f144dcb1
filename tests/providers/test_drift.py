"""`python -m tests.drift` sees where a table of ours and a source differ."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.model_facts import FACTS_OF
from tests import drift, drift_sources
from tests.drift_sources import Sources

DOCSTRING = '''
ChatModel: TypeAlias = Literal["gpt-6-luna", "gpt-4o"]
"""Deprecated values:

- "gpt-5.4-nano", "gpt-5.1",
  "gpt-5.1-2025-11-13": Announced shutdown date:
  2027-04-01. See https://example.com for details.
- "gpt-5.1-mini": Not a supported model ID.
- "gpt-4o": Announced shutdown date: 2027-01-14. See
"""
'''


def sources() -> Sources:
    """Sources that say of ids and days what the shipped tables say."""
    ids = {kind: tuple(f.id for f in PROVIDERS[kind].models) for kind in ("openai", "anthropic")}
    ends = {
        kind: {f.id: f.ends for f in PROVIDERS[kind].models if f.ends}
        for kind in ("openai", "anthropic")
    }
    profiles = {
        kind: {facts.id: {} for facts in PROVIDERS[kind].models}
        for kind in ("openai", "anthropic", "gemini")
    }
    return Sources(
        ids["openai"], ends["openai"], ids["anthropic"], ends["anthropic"], {}, profiles, ()
    )


def told(changed: Sources) -> set[tuple[str, str, str]]:
    before = {(d.model, d.what, d.source) for d in drift.differences(sources())}
    return {(d.model, d.what, d.source) for d in drift.differences(changed)} - before


def test_a_new_id_is_seen_and_a_dated_snapshot_is_not():
    more = (*sources().openai_ids, "gpt-7-luna", "gpt-6-luna-2026-09-22", "gpt-7-audio")
    assert told(replace(sources(), openai_ids=more)) == {("gpt-7-luna", "id", "openai ChatModel")}


def test_an_id_that_is_gone_is_seen():
    fewer = tuple(each for each in sources().anthropic_ids if each != "claude-opus-5")
    found = told(replace(sources(), anthropic_ids=fewer))
    assert found == {("claude-opus-5", "id", "anthropic Model")}


def test_another_day_is_seen():
    ends = {**sources().openai_ends, "gpt-6-luna": date(2028, 1, 1)}
    found = told(replace(sources(), openai_ends=ends))
    assert found == {("gpt-6-luna", "end", "openai ChatModel")}


def test_other_limits_and_days_of_azure_are_seen():
    table = {
        "gpt-6-luna": {"max_input_tokens": 1, "max_output_tokens": 128000,
                       "supports_response_schema": True},
        "azure/gpt-6.1-terra": {"deprecation_date": "2028-01-01"},
    }  # fmt: skip
    found = told(replace(sources(), litellm=table))
    assert found == {
        ("gpt-6-luna", "input limit", "litellm"),
        ("gpt-6.1-terra", "end", "litellm"),
    }


def test_other_levels_are_seen():
    profiles = dict(sources().profiles)
    profiles["gemini"] = {
        **profiles["gemini"],
        "gemini-3.8-flash": {"google_thinking_levels": ["LOW"]},
    }
    found = drift.differences(replace(sources(), profiles=profiles))
    told_of = [each for each in found if (each.model, each.what) == ("gemini-3.8-flash", "levels")]
    assert [(each.ours, each.theirs) for each in told_of] == [("HIGH LOW MEDIUM", "LOW")]


def test_the_sources_are_read_from_their_text():
    assert drift_sources._literals(DOCSTRING) == ("gpt-6-luna", "gpt-4o")
    assert drift_sources._shutdowns(DOCSTRING) == {
        "gpt-5.4-nano": date(2027, 4, 1), "gpt-5.1": date(2027, 4, 1),
        "gpt-5.1-2025-11-13": date(2027, 4, 1), "gpt-4o": date(2027, 1, 14),
    }  # fmt: skip
    source = 'DEPRECATED_MODELS = {"a": "November 30th, 2026", "b": "July 21st, 2025"}'
    assert drift_sources._deprecated(source) == {"a": date(2026, 11, 30), "b": date(2025, 7, 21)}
    with pytest.raises(SystemExit):
        drift_sources._deprecated("")


@pytest.mark.parametrize(
    ("days", "status"), [(0, 0), (drift.OLDEST_DAYS, 0), (drift.OLDEST_DAYS + 1, 1), (400, 1)]
)
def test_facts_that_were_compared_too_long_ago_are_too_old(days, status, monkeypatch, capsys):
    monkeypatch.setattr(drift_sources, "install", lambda newest: None)
    monkeypatch.setattr(drift_sources, "read", lambda _site, _asked: sources())
    monkeypatch.setattr(drift, "differences", lambda _sources: [])
    monkeypatch.setattr(drift, "today", lambda: FACTS_OF + timedelta(days=days))
    assert drift.main([]) == status
    assert (f"{days} days ago" in capsys.readouterr().out) is bool(status)


def test_a_snapshot_that_ends_on_another_day_than_its_alias_is_seen():
    ends = {**sources().openai_ends, "gpt-4o-2024-08-06": date(2026, 12, 24)}
    ids = (*sources().openai_ids, "gpt-4o-2024-08-06", "gpt-4o-2024-05-13")
    found = told(replace(sources(), openai_ids=ids, openai_ends=ends))
    assert found == {("gpt-4o-2024-08-06", "end", "openai ChatModel")}


def test_a_new_id_of_google_and_other_words_of_azure_are_seen():
    table = {
        "azure/gpt-5.4": {"max_input_tokens": 1, "deprecation_date": "2027-09-02"},
        "azure/gpt-6.1-terra": {"supports_none_reasoning_effort": True},
        "azure_ai/claude-opus-5": {"deprecation_date": "2028-01-01"},
    }
    changed = replace(
        sources(), litellm=table, google_ids=("gemini-9-xenon", "gemini-omni-1-flash", "lyria-9")
    )
    whole = told(changed)
    assert ("gemini-9-xenon", "id", "google-genai Model") in whole
    assert {model for model, what, _ in whole if what == "id"} == {"gemini-9-xenon"}
    assert {("gpt-5.4", "input limit", "litellm"), ("gpt-6.1-terra", "level none", "litellm")} < (
        whole
    )
    ends = [d for d in drift.differences(changed) if (d.kind, d.model) == (
        "foundry", "claude-opus-5")]  # fmt: skip
    assert [each.theirs for each in ends] == ["2028-01-01"]
