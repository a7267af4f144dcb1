"""The shipped tables say what their sources say: each row written out a second time."""

from __future__ import annotations

from datetime import date

import pytest

from llmwidgets.connections import Connection
from llmwidgets.providers import PROVIDERS, azure_models
from llmwidgets.providers.base import ModelFacts

# id, most tokens in, most tokens out, last day, thinking levels, whether sampling may be sent;
# read from the vendors' SDKs and from litellm 1.109.1 and pydantic-ai 2.68.0 on 2026-11-23.
ROWS = {
    "openai": """
        gpt-6-astra     922000   128000  -           low-xhigh      no
        gpt-6.2-astra   -        -       -           -              no
        gpt-6.1-sol     922000   128000  -           low-xhigh      no
        gpt-6.2-sol     -        -       -           -              no
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
        claude-opus-5-5    1000000  128000  -           low-max     no
        claude-opus-5      1000000  128000  -           none-max    no
        claude-opus-4-8    1000000  128000  -           none-max    no
        claude-opus-4-7    1000000  128000  -           none-max    no
        claude-opus-4-6    1000000  128000  -           none-max    no
        claude-opus-4-5    200000   64000   -           none-high   no
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
    gpt-5 2027-02-09  gpt-5-mini 2027-02-09  gpt-5-nano 2027-02-09  gpt-5.1 2027-05-15
    gpt-5.2 2027-06-08  gpt-5.4 2027-09-02  gpt-5.4-mini 2027-09-21  gpt-5.4-nano 2027-09-21
    gpt-5.5 2027-10-26  gpt-5.6-sol 2028-01-11  gpt-5.6-terra 2028-01-11
    gpt-5.6-luna 2028-01-11  gpt-6-astra 2028-01-11  gpt-6-sol 2028-03-11  gpt-6-luna 2028-03-11
    gpt-6.1-sol 2028-03-11  o3 2026-11-19
"""
RETIRED = {
    "openai": "gpt-4.5-preview gpt-4.1-nano gpt-4 gpt-4-turbo o3-mini o1",
    "gemini": "gemini-2.5-pro-preview-03-25 gemini-2.0-flash gemini-2.0-flash-lite"
    " gemini-1.5-flash gemini-1.5-flash-8b gemini-1.5-pro",
    "vertex_ai": "gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite gemini-3.6-flash"
    " gemini-2.0-flash",
    "anthropic": "claude-3-5-haiku-latest claude-3-7-sonnet-latest claude-3-5-sonnet-latest",
}


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
        assert "2026-11-23" in facts.source
        assert (facts.status == "ending") == (facts.ends is not None)
        assert facts.status != "preview" or facts.id.endswith("-preview")
        places = [scale.index(level.lower()) for level in facts.efforts]
        assert places == sorted(places)
        assert {"low", "medium", "high"} <= {each.lower() for each in facts.efforts} or not places


def test_what_the_models_of_azure_end_on_is_as_its_source_has_it():
    words = AZURE.split()
    told = {
        model: date.fromisoformat(day) for model, day in zip(words[::2], words[1::2], strict=True)
    }
    assert told == azure_models.ENDS
    assert set(told) <= {facts.id for facts in PROVIDERS["openai"].models}


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
        assert (here.efforts, here.sampling, here.input_limit) == (
            there.efforts, there.sampling, there.input_limit,
        )  # fmt: skip
    assert azure.facts("claims") is None
