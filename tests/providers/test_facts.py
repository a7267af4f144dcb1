"""The shipped tables say what their sources say: each row written out a second time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from llmwidgets.connections import Connection, Policy, catalog
from llmwidgets.connections.policy_file import Patterns, Rules
from llmwidgets.errors import PolicyError
from llmwidgets.providers import PROVIDERS, azure_openai
from llmwidgets.providers.base import ModelFacts
from llmwidgets.providers.model_facts import FACTS_OF, as_of, describe_end

# id, most tokens in, most tokens out, last day, thinking levels, whether sampling may be sent;
# read from the vendors' SDKs, from litellm 1.110.2 and pydantic-ai 2.68.0, and for the newest from
# pages of others, on 2026-11-28.
ROWS = {
    "openai": """
        gpt-6-astra     922000   128000  -           low-xhigh      no
        gpt-6.2-astra   922000   128000  -           low-xhigh      no
        gpt-6.1-sol     922000   128000  -           low-xhigh      no
        gpt-6.2-sol     922000   128000  -           low-xhigh      no
        gpt-6-sol       922000   128000  -           none-xhigh     yes
        gpt-6.1-terra   922000   128000  -           none-xhigh     yes
        gpt-6-luna      922000   128000  -           none-xhigh     yes
        gpt-5.6-sol     922000   128000  -           none-xhigh     yes
        gpt-5.6-terra   922000   128000  -           none-xhigh     yes
        gpt-5.6-luna    922000   128000  -           none-xhigh     yes
        gpt-5.5         1050000  128000  -           none-xhigh     yes
        gpt-5.4         1050000  128000  -           none-xhigh     yes
        gpt-5.4-mini    272000   128000  -           none-xhigh     yes
        gpt-5.4-nano    272000   128000  2027-04-01  none-xhigh     yes
        gpt-5.2         272000   128000  -           none-xhigh     yes
        gpt-5.1         272000   128000  2027-04-01  none-high      yes
        gpt-5           272000   128000  2026-12-11  minimal-high   no
        gpt-5-mini      272000   128000  2026-12-11  minimal-high   no
        gpt-5-nano      272000   128000  2026-12-11  minimal-high   no
        o3              200000   100000  2026-12-11  low-high       no
        gpt-4.1         1047576  32768   2027-01-14  -              yes
        gpt-4.1-mini    1047576  32768   2027-01-14  -              yes
        gpt-4o          128000   16384   2027-01-14  -              yes
        gpt-4o-mini     128000   16384   2027-01-14  -              yes
    """,
    "anthropic": """
        claude-fable-5-2   1000000  128000  -           low-max     no
        claude-fable-5-1   1000000  128000  -           low-max     no
        claude-fable-5     1000000  128000  -           low-max     no
        claude-opus-5-5    1000000  128000  -           low-max     no
        claude-opus-5      1000000  128000  -           none-max    no
        claude-opus-4-8    1000000  128000  -           none-max    no
        claude-opus-4-7    1000000  128000  -           none-max    no
        claude-opus-4-6    1000000  128000  -           none-max    no
        claude-opus-4-5    200000   64000   2027-01-22  none-high   no
        claude-sonnet-5-5  1000000  128000  -           none-max    no
        claude-sonnet-5    1000000  128000  -           none-max    no
        claude-sonnet-4-6  1000000  128000  -           none-max    no
        claude-sonnet-4-5  200000   64000   2026-11-30  none-high   no
        claude-haiku-5-5   1000000  128000  -           none-max    no
        claude-haiku-4-5   200000   64000   -           none-high   no
    """,
    "gemini": """
        gemini-4-argon          1048576  1048576  -           LOW-HIGH      no
        gemini-4-carbon         -        -        -           LOW-HIGH      no
        gemini-4-hydrogen       1048576  1048576  -           LOW-XHIGH     no
        gemini-4-neon           -        -        -           LOW-XHIGH     no
        gemini-3.8-flash        1048576  65536    -           LOW-HIGH      no
        gemini-3.7-flash        1048576  65536    -           LOW-HIGH      no
        gemini-3.6-flash        1048576  65536    -           MINIMAL-HIGH  no
        gemini-3.5-flash        1048576  65536    -           MINIMAL-HIGH  yes
        gemini-3.5-flash-lite   1048576  65536    -           MINIMAL-HIGH  no
        gemini-3.1-pro-preview  1048576  65536    -           LOW-HIGH      yes
        gemini-3.1-flash-lite   1048576  65536    2027-05-07  MINIMAL-HIGH  yes
        gemini-3-flash-preview  1048576  65536    -           MINIMAL-HIGH  yes
        gemini-2.5-flash-lite   1048576  65536    -           none-high     yes
        gemini-2.5-pro          1048576  65536    2026-12-01  minimal-high  yes
        gemini-2.5-flash        1048576  65536    2026-12-01  none-high     yes
    """,
    "vertex_ai": """
        gemini-4-argon          1048576  1048576  -           LOW-HIGH      no
        gemini-4-carbon         -        -        -           LOW-HIGH      no
        gemini-4-hydrogen       1048576  1048576  -           LOW-XHIGH     no
        gemini-4-neon           -        -        -           LOW-XHIGH     no
        gemini-3.8-flash        1048576  65536    -           LOW-HIGH      no
        gemini-3.7-flash        1048576  65536    2027-01-28  LOW-HIGH      no
        gemini-3.5-flash        1048576  65536    2027-05-19  MINIMAL-HIGH  yes
        gemini-3.5-flash-lite   1048576  65536    2027-07-21  MINIMAL-HIGH  no
        gemini-3.1-pro-preview  1048576  65536    -           none-HIGH     yes
        gemini-3.1-flash-lite   1048576  65536    2027-05-07  MINIMAL-HIGH  yes
        gemini-3-flash-preview  1048576  65536    -           MINIMAL-HIGH  yes
    """,
}
AZURE = """
    gpt-4o 2027-04-14  gpt-4o-mini 2027-04-14  gpt-4.1 2027-04-14  gpt-4.1-mini 2027-04-14
    gpt-5 2027-02-09  gpt-5-mini 2027-07-13  gpt-5-nano 2027-02-09  gpt-5.1 2027-07-13
    gpt-5.2 2027-06-08  gpt-5.4 2027-09-02  gpt-5.4-mini 2027-09-21  gpt-5.4-nano 2027-09-21
    gpt-5.5 2027-10-26  gpt-5.6-sol 2028-01-11  gpt-5.6-terra 2028-01-11
    gpt-5.6-luna 2028-01-11  gpt-6-astra 2028-01-11  gpt-6-sol 2028-03-11  gpt-6-luna 2028-03-11
    gpt-6.1-sol 2028-03-11  o3 2026-11-19
"""
CLAUDE_IN_FOUNDRY = """
    claude-haiku-4-5 2026-11-15  claude-opus-4-5 2026-11-24  claude-sonnet-4-5 2026-11-30
    claude-opus-4-6 2027-02-02  claude-sonnet-4-6 2027-02-10  claude-opus-4-7 2027-04-06
    claude-sonnet-5 2027-06-30  claude-opus-5 2027-07-08  claude-opus-4-8 2027-09-01
    claude-opus-5-5 2027-09-18  claude-sonnet-5-5 2027-09-29  claude-haiku-5-5 2027-09-29
    claude-fable-5 2027-12-05  claude-fable-5-1 2027-12-05
"""
RETIRED = {
    "openai": "gpt-4.5-preview gpt-4.1-nano gpt-4 gpt-4-turbo o3-mini o1",
    "gemini": "gemini-2.5-pro-preview-03-25 gemini-2.0-flash gemini-2.0-flash-lite"
    " gemini-1.5-flash gemini-1.5-flash-8b gemini-1.5-pro",
    "vertex_ai": "gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite gemini-3.6-flash"
    " gemini-2.0-flash",
    "anthropic": "claude-3-5-haiku-latest claude-3-7-sonnet-latest claude-3-5-sonnet-latest",
}


@pytest.fixture(autouse=True)
def the_day(monkeypatch):
    """The day of the facts: what is in the tables ends on later ones."""
    monkeypatch.setattr(catalog, "today", lambda: FACTS_OF)


def written(facts: ModelFacts) -> list[str]:
    """The facts as a row spells them."""
    levels = f"{facts.efforts[0]}-{facts.efforts[-1]}" if facts.efforts else "-"
    return [
        facts.id,
        str(facts.input_limit or "-"),
        str(facts.output_limit or "-"),
        facts.ends.isoformat() if facts.ends else "-",
        levels,
        "yes" if facts.sampling else "no",
    ]


@pytest.mark.parametrize("kind", list(ROWS))
def test_each_row_of_a_table_is_as_its_source_has_it(kind):
    rows = sorted(line.split() for line in ROWS[kind].strip().splitlines())
    assert sorted(written(facts) for facts in PROVIDERS[kind].models) == rows


@pytest.mark.parametrize("kind", list(ROWS))
def test_each_row_is_whole(kind):
    """A source, a status that fits its end, and levels in rising order without a gap."""
    scale = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]
    for facts in PROVIDERS[kind].models:
        assert FACTS_OF.isoformat() in facts.source
        assert (facts.status == "ending") == (facts.ends is not None)
        assert facts.status != "preview" or facts.id.endswith("-preview")
        places = [scale.index(level.lower()) for level in facts.efforts]
        assert places == sorted(places)
        assert {"low", "medium", "high"} <= {each.lower() for each in facts.efforts} or not places


@pytest.mark.parametrize(
    ("rows", "table", "kind"),
    [
        (AZURE, azure_openai.ENDS, "openai"),
        (CLAUDE_IN_FOUNDRY, azure_openai.CLAUDE_ENDS, "anthropic"),
    ],
)
def test_what_the_models_of_azure_end_on_is_as_its_source_has_it(rows, table, kind):
    words = rows.split()
    told = {
        model: date.fromisoformat(day) for model, day in zip(words[::2], words[1::2], strict=True)
    }
    assert told == table
    assert set(told) <= {facts.id for facts in PROVIDERS[kind].models}


@pytest.mark.parametrize("kind", list(RETIRED))
def test_every_retired_id_leads_to_one_that_is_served(kind):
    provider = PROVIDERS[kind]
    assert set(RETIRED[kind].split()) <= set(provider.retired)
    for model, successor in provider.retired.items():
        facts = provider.facts(successor)
        assert facts is not None
        assert facts.status == "active" or facts.ends is not None
        assert provider.facts(model) is None


def test_a_successor_is_itself_no_ending_model_of_this_year():
    for provider in PROVIDERS.values():
        for successor in {*provider.retired.values(), *(f.successor for f in provider.models)}:
            facts = provider.facts(successor) if successor else None
            assert facts is None or facts.ends is None or facts.ends.year > 2026


def test_a_deployment_has_the_facts_of_the_model_it_bears_the_name_of():
    azure = Connection("azure_openai", deployment="o", endpoint="https://r.example", api_key="k")
    openai = Connection("openai", api_key="k")
    for facts in PROVIDERS["openai"].models:
        here, there = azure.facts(facts.id), openai.facts(facts.id)
        assert here is not None
        assert there is not None
        if facts.id in {"gpt-5.4", "gpt-5.5", "gpt-6.1-terra"}:
            continue  # Azure's own
        assert (here.efforts, here.sampling, here.input_limit) == (
            there.efforts, there.sampling, there.input_limit,
        )  # fmt: skip
    assert azure.facts("claims") is None


def test_azure_has_limits_and_levels_of_its_own():
    for model in ("gpt-5.4", "gpt-5.5"):
        assert azure_openai.find_facts(model).input_limit == 922_000
        assert PROVIDERS["openai"].facts(model).input_limit == 1_050_000
    assert azure_openai.find_facts("gpt-6.1-terra").efforts[0] == "low"
    assert PROVIDERS["openai"].facts("gpt-6.1-terra").efforts[0] == "none"


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-opus-4-5-20251101"])
def test_where_sources_name_different_ends_the_model_is_ending_and_both_are_told(model):
    facts = azure_openai.find_facts(model)
    assert (as_of(facts, date(2030, 1, 1)).status, facts.ends) == ("ending", None)
    told = azure_openai.CLAUDE_ENDS[PROVIDERS["anthropic"].alias(model)]
    assert told.isoformat() in describe_end(facts, date(2026, 11, 28))
    assert "Anthropic" in describe_end(facts, date(2026, 11, 28))


def test_where_sources_agree_the_end_counts():
    facts = azure_openai.find_facts("claude-sonnet-4-5")
    assert as_of(facts, date(2026, 11, 30)).status == "ending"
    assert as_of(facts, date(2026, 12, 1)).status == "retired"


# Snapshots by the id lists of the vendors' SDKs: (kind, id, alias).
SNAPSHOTS = [
    ("openai", "gpt-4o-2024-08-06", "gpt-4o"),
    ("openai", "gpt-4o-2024-11-20", "gpt-4o"),
    ("openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
    ("openai", "gpt-4.1-mini-2025-04-14", "gpt-4.1-mini"),
    ("openai", "gpt-5.4-nano-2026-03-17", "gpt-5.4-nano"),
    ("openai", "gpt-5.5-2026-04-23", "gpt-5.5"),
    ("openai", "o3-2025-04-16", "o3"),
    ("anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5"),
    ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-4-5-20251101", "claude-opus-4-5"),
]


def permits(policy: Policy, connection: Connection, model: str) -> bool:
    try:
        policy.permit(connection, model)
    except PolicyError:
        return False
    return True


@pytest.mark.parametrize(("kind", "model", "alias"), SNAPSHOTS)
def test_a_dated_snapshot_has_the_facts_of_its_alias_and_is_allowed_where_that_is(
    kind, model, alias
):
    connection = Connection(kind, api_key="k")
    assert replace(connection.facts(model), id=alias) == connection.facts(alias)
    policy = Policy()
    assert permits(policy, connection, model) is permits(policy, connection, alias)
    # How it spells thinking travels with it.
    assert connection.target(model).options == connection.target(alias).options


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("openai", "gpt-4o-20240806"),
        ("openai", "gpt-4o-2024-13-06"),
        ("openai", "gpt-4o-2024-8-6"),
        ("openai", "gpt-4o-2024-08-06-custom"),
        ("openai", "gpt-4o-२०२४-०८-०६"),
        ("openai", "gpt-4o-audio-preview-2024-12-17"),
        ("openai", "gpt-4o2024-08-06"),
        ("anthropic", "claude-haiku-4-5-2025-10-01"),
        ("anthropic", "claude-haiku-4-5-20251301"),
        ("gemini", "gemini-3.8-flash-2026-01-01"),
        ("gemini", "gemini-3.8-flash-001"),
    ],
)
def test_what_is_not_written_as_the_vendor_writes_days_is_no_snapshot(kind, model):
    connection = Connection(kind, api_key="AQ.k")
    assert connection.facts(model) is None
    with pytest.raises(PolicyError):
        Policy().permit(connection, model)


def test_a_snapshot_that_ended_before_its_alias_is_retired():
    openai = Connection("openai", api_key="k")
    assert openai.facts("gpt-4o-2024-05-13") is None
    with pytest.raises(PolicyError, match="has retired gpt-4o-2024-05-13"):
        Policy().permit(openai, "gpt-4o-2024-05-13")
    with pytest.raises(PolicyError, match="has retired o3-mini-2025-01-31"):
        Policy().permit(openai, "o3-mini-2025-01-31")


@pytest.mark.parametrize("denied", ["gpt-4o", "gpt-4o-2024-08-06"])
def test_a_denied_alias_denies_its_snapshots_and_a_denied_snapshot_itself(denied):
    openai = Connection("openai", api_key="k")
    policy = Policy(denials=[("openai", denied)])
    with pytest.raises(PolicyError, match=f'store.allow\\("openai", "{denied}"\\)'):
        policy.permit(openai, "gpt-4o-2024-08-06")
    policy.permit(openai, "gpt-4o-2024-11-20") if denied != "gpt-4o" else None
    files = Rules(path=Path("x"), models=(("openai", Patterns(None, (denied,))),))
    with pytest.raises(PolicyError, match="the file x"):
        Policy(layers=(files,)).permit(openai, "gpt-4o-2024-08-06")


def test_what_is_allowed_by_a_file_is_allowed_with_its_snapshots():
    openai = Connection("openai", api_key="k")
    files = Rules(path=Path("x"), models=(("openai", Patterns(("gpt-4o",), ())),))
    Policy(layers=(files,)).permit(openai, "gpt-4o-2024-08-06")
