"""Facts that an organization tells are newer than the tables; they never lift a denial."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.comparison.variants import ConnectionResolver, resolve_variants
from llmwidgets.connections import Connection, Policy, catalog
from llmwidgets.connections.catalog import own_price
from llmwidgets.connections.policy_file import Rules, machine_rules
from llmwidgets.dialects.types import ListedModel
from llmwidgets.engine.estimate import estimate
from llmwidgets.engine.request_builder import Document, Plan, RequestBuilder, ResolvedVariant
from llmwidgets.errors import FieldError, PolicyError
from llmwidgets.providers.model_facts import FACTS, FactMisfit, check_declared, read_declared
from llmwidgets.schemas import read_schema
from llmwidgets.store.store import Store

OPENAI = Connection("openai", api_key="sk-proj-test-000")
NEW = "gpt-6.3-luna"
SCHEMA = read_schema([{"name": "total", "type": "number"}])
TOLD = """
[facts.openai."gpt-6.3-luna"]
efforts = ["none", "low", "medium", "high"]
sampling = true
sampling_thinking = false
input_limit = 900_000
output_limit = 3000
price = {input = 0.05, output = 0.25}
ends = 2028-03-11
successor = "gpt-7-luna"
note = "Newest."
"""


@pytest.fixture(autouse=True)
def the_day(monkeypatch):
    monkeypatch.setattr(catalog, "today", lambda: date(2026, 11, 28))


@pytest.fixture
def policy_file(monkeypatch, tmp_path):
    """Writes the policy file of this machine."""
    path = tmp_path / "policy.toml"

    def write(text: str) -> None:
        path.write_text(text, "utf-8")
        monkeypatch.setenv("LLMWIDGETS_POLICY", str(path))

    return write


def test_what_a_policy_file_tells_of_a_model_counts_everywhere(policy_file):
    assert OPENAI.facts(NEW) is None
    policy_file(TOLD)
    facts = OPENAI.facts(NEW)
    assert facts.efforts == ("none", "low", "medium", "high")
    assert (facts.input_limit, facts.output_limit, facts.ends, facts.status, facts.note) == (
        900_000, 3000, date(2028, 3, 11), "ending", "Newest.",
    )  # fmt: skip
    column = ResolvedVariant("c", OPENAI, NEW, temperature=0.5, effort="high")
    assert RequestBuilder(column, SCHEMA).max_output_tokens == 3000
    assert RequestBuilder(column, SCHEMA).temperature is None
    assert (
        RequestBuilder(ResolvedVariant("c", OPENAI, NEW, temperature=0.5), SCHEMA).temperature
        == 0.5
    )
    assert RequestBuilder(ResolvedVariant("c", OPENAI, NEW), SCHEMA).effort_sent == "none"
    guess = estimate(
        Plan((ResolvedVariant("c", OPENAI, NEW),), (Document("t", "x" * 4000, SCHEMA, None),))
    )
    assert 0 < guess.cost_high < 0.001
    assert NEW in Policy().allowed(OPENAI)
    Policy().permit(OPENAI, NEW)
    Policy().permit(OPENAI, f"{NEW}-2026-12-03")


def test_what_is_told_of_an_unknown_model_says_nothing_of_what_is_not_told(policy_file):
    def sent():
        column = ResolvedVariant("c", OPENAI, NEW, temperature=0.5, effort="low")
        manner = RequestBuilder(column, SCHEMA)
        return manner.temperature, manner.effort_sent, manner.thinking, manner.notes

    policy_file(f'[models.openai]\nadd = ["{NEW}"]\n')
    before = sent()
    policy_file(f'[facts.openai."{NEW}"]\nprice = {{input = 0.05, output = 0.25}}\n')
    assert OPENAI.facts(NEW) is not None
    assert sent() == before


def test_a_told_model_is_on_no_list_where_a_rule_denies_it(policy_file):
    policy_file(f'{TOLD}\n[models.openai]\ndeny = ["*luna"]\n')
    assert NEW not in Policy().allowed(OPENAI)
    with pytest.raises(PolicyError):
        Policy().permit(OPENAI, NEW)
    policy_file(f'{TOLD}\n[models.openai]\nallow = ["gpt-6-*"]\n')
    with pytest.raises(PolicyError):
        Policy().permit(OPENAI, NEW)
    policy_file(TOLD)
    with pytest.raises(PolicyError):
        Policy(denials=[("openai", NEW)]).permit(OPENAI, NEW)


def test_a_told_end_retires_a_model_and_a_later_one_keeps_it(policy_file):
    policy_file('[facts.openai."gpt-6-luna"]\nends = 2026-11-27\nsuccessor = "gpt-6.3-luna"\n')
    with pytest.raises(PolicyError, match="has retired gpt-6-luna on 2026-11-27"):
        Policy().permit(OPENAI, "gpt-6-luna")
    policy_file('[facts.vertex_ai."gemini-3.7-flash"]\nends = "2029-01-01"\n')
    vertex = Connection("vertex_ai", credentials='{"type": "service_account"}')
    assert vertex.facts("gemini-3.7-flash").ends == date(2029, 1, 1)
    # What is not told stays as the table has it.
    assert vertex.facts("gemini-3.7-flash").efforts == ("LOW", "MEDIUM", "HIGH")


def test_a_live_list_is_newer_than_what_was_told(policy_file):
    policy_file(TOLD)
    catalog.remember_models(OPENAI, [ListedModel(NEW, output_limit=5000)])
    try:
        assert OPENAI.facts(NEW).output_limit == 5000
        assert OPENAI.facts(NEW).input_limit == 900_000
    finally:
        catalog.forget_models()


def test_a_deployment_and_a_server_of_ones_own_can_be_told_of(policy_file):
    policy_file(
        "[facts.azure_openai.claims]\nthinking = false\noutput_limit = 2000\n"
        '[facts.custom."qwen3"]\nefforts = ["low", "high"]\n'
        '[facts.gemini."gemini-5"]\nefforts = ["none", "low"]\n'
    )
    azure = Connection(
        "azure_openai", deployment="claims", endpoint="https://r.example", api_key="k"
    )
    assert RequestBuilder(ResolvedVariant("c", azure, "claims"), SCHEMA).max_output_tokens == 2000
    assert not RequestBuilder(ResolvedVariant("c", azure, "claims"), SCHEMA).thinking
    custom = Connection("custom", name="qwen3", endpoint="http://localhost:1/v1")
    assert RequestBuilder(ResolvedVariant("c", custom, "qwen3"), SCHEMA).effort_sent == "low"
    # What a server enforces is not told by facts: it is probed.
    assert custom.capability("qwen3") is None
    gemini = Connection("gemini", api_key="AQ.k")
    assert gemini.facts("gemini-5").efforts == ("none", "LOW")
    assert gemini.target("gemini-5").options == {"levels": True, "budgets": {"none": 0}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[facts.openia."m"]\nnote = "x"\n', "facts.openia (line 1) is not known"),
        ('[facts.openai."m"]\n\neffort = ["low"]\n', "facts.openai.m.effort (line 3) is not known"),
        ('[facts.openai."m"]\nefforts = ["lowest"]\n', "efforts (line 2) must be a list of levels"),
        ('[facts.openai."m"]\nefforts = ["high", "low"]\n', "from the weakest"),
        ('[facts.openai."m"]\nefforts = "low"\n', "efforts (line 2) must be a list of levels"),
        ('[facts.openai."m"]\noutput_limit = 0\n', "output_limit (line 2) is not a number"),
        ('[facts.openai."m"]\noutput_limit = true\n', "output_limit (line 2) is not a number"),
        ('[facts.openai."m"]\nprice = 3\n', "price (line 2) is not in US dollars"),
        ('[facts.openai."m"]\nprice = {input = -1, output = 2}\n', "is not in US dollars"),
        ('[facts.openai."m"]\nprice = {input = 1}\n', "is not in US dollars"),
        ('[facts.openai."m"]\nends = "soon"\n', "ends (line 2) is not a day"),
        ('[facts.openai."m"]\nends = 2026-01-01T00:00:00\n', "ends (line 2) is not a day"),
        ('[facts.openai."m"]\nsampling = "yes"\n', "sampling (line 2) must be true or false"),
        ('[facts.openai."m"]\nthinking = false\nefforts = ["low"]\n', "thinking (line 2) is false"),
        ('[facts.openai."gpt-*"]\nnote = "x"\n', "(line 1) contains a pattern"),
        ('[facts]\nopenai = 3\n', "is not a table"),
    ],
)  # fmt: skip
def test_a_file_with_facts_that_cannot_be_read_is_not_followed(policy_file, text, said):
    policy_file(text)
    ((message, _),) = (rules.damage for rules in machine_rules() if rules.damage)
    assert said in message
    with pytest.raises(PolicyError):
        Policy().permit(OPENAI, "gpt-6-luna")


def test_a_store_tells_of_the_models_that_it_allows():
    store = Store.in_memory()
    store.save(OPENAI)
    store.allow(
        "openai", NEW, efforts=["none", "low"], output_limit=3000, ends="2028-03-11",
        price={"input": 0.05, "output": 0.25},
    )  # fmt: skip
    kept = store["openai"]
    assert kept.facts(NEW).efforts == ("none", "low")
    assert own_price(kept, NEW) == {"input": 0.05, "output": 0.25}
    store.policy.permit(kept, NEW)
    assert [each.facts(NEW).output_limit for each in store] == [3000]
    # Connections that were handed over or found elsewhere are asked by the same facts.
    assert OPENAI.facts(NEW) is None
    ((_, column),) = resolve_variants((OPENAI, NEW), ConnectionResolver(store=store))
    assert column.facts.output_limit == 3000
    store.rename("openai", "mine")
    assert store["mine"].facts(NEW).output_limit == 3000
    store.deny("mine", NEW)
    with pytest.raises(PolicyError):
        store.policy.permit(store["mine"], NEW)


@pytest.mark.parametrize("cached", [{}, {"cached": 0.01}])
def test_a_price_of_its_own_for_input_from_a_cache_can_be_told(cached):
    store, price = Store.in_memory(), {"input": 0.05, "output": 0.25, **cached}
    store.save(OPENAI)
    store.allow("openai", NEW, price=price)
    assert own_price(store["openai"], NEW) == price


def test_a_file_goes_before_the_store_fact_by_fact(policy_file):
    policy_file(f'[facts.openai."{NEW}"]\noutput_limit = 7\n')
    store = Store.in_memory()
    store.save(OPENAI)
    store.allow("openai", NEW, output_limit=9, input_limit=8)
    facts = store["openai"].facts(NEW)
    assert (facts.output_limit, facts.input_limit) == (7, 8)


def test_the_first_file_has_the_last_word_on_a_fact():
    first = Rules(path=Path("a"), facts={("openai", NEW): {"output_limit": 1}})
    second = Rules(path=Path("b"), facts={("openai", NEW): {"output_limit": 2, "input_limit": 3}})
    facts = OPENAI.facts(NEW, (first, second))
    assert (facts.output_limit, facts.input_limit) == (1, 3)


def test_a_store_on_disk_keeps_what_it_tells(tmp_path):
    made = Store.create(path=tmp_path / "s", passphrase="correct horse battery staple")
    made.save(OPENAI)
    made.allow("openai", NEW, efforts=["low"], price={"input": 0, "output": 0}, note="Ours.")
    made.lock()
    assert made.informed(OPENAI) is OPENAI
    made.unlock("correct horse battery staple")
    facts = made["openai"].facts(NEW)
    assert (facts.efforts, facts.own_price, facts.note) == (("low",), (0, 0), "Ours.")


def test_a_wrong_fact_is_named_and_nothing_is_allowed():
    store = Store.in_memory()
    store.save(OPENAI)
    with pytest.raises(FieldError, match="output_limit") as caught:
        store.allow("openai", NEW, output_limit="many")
    assert "many" not in str(caught.value)
    with pytest.raises(FieldError, match="outputlimit"):
        store.allow("openai", NEW, outputlimit=3)
    assert NEW not in store.policy.allowed(OPENAI)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**7), st.floats(), st.text(max_size=9),
    st.lists(st.sampled_from(["none", "low", "high", "x", 3]), max_size=4),
    st.dates(), st.dictionaries(st.sampled_from(["input", "output", "x"]), st.floats(), max_size=3),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from([*FACTS, "other"]), VALUES, max_size=4))
def test_whatever_is_told_is_read_and_written_alike_or_refused_by_name(said):
    try:
        told = read_declared("openai", said)
    except FactMisfit as misfit:
        refused = misfit.name
    else:
        refused = ""
    if refused:
        assert refused in said
        with pytest.raises(FieldError) as caught:
            check_declared("openai", said)
        assert list(caught.value.problems) == [refused]
        return
    assert read_declared("openai", check_declared("openai", said)) == told
