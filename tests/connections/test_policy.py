"""Only allowed models are called, and a refusal says whose rule it is."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.connections import Connection, Policy, catalog
from llmwidgets.connections.connection import replace_parts
from llmwidgets.errors import PolicyError

OPENAI = Connection("openai", api_key="sk-proj-a")
WORK = OPENAI.with_label("work")
CUSTOM = Connection("custom", name="m", endpoint="http://localhost:1/v1")
SHIPPED = "the shipped whitelist of llmwidgets"


@pytest.fixture(autouse=True)
def the_day(monkeypatch):
    """The tables were read on this day; models end on later ones."""
    monkeypatch.setattr(catalog, "today", lambda: date(2026, 11, 23))


def test_the_shipped_whitelist_is_allowed():
    Policy().permit(OPENAI, "gpt-6-luna")
    assert Policy().allowed(OPENAI) == OPENAI.models


def test_a_model_off_the_whitelist_is_refused_with_the_way_to_allow_it():
    with pytest.raises(PolicyError, match=SHIPPED) as caught:
        Policy().permit(OPENAI, "gpt-6.3-luna")
    assert caught.value.rule == SHIPPED
    assert 'store.allow("openai", "gpt-6.3-luna")' in caught.value.hint
    assert "openai/gpt-6" in caught.value.message


def test_a_retired_model_is_answered_with_its_successor():
    with pytest.raises(PolicyError, match="retired o1") as caught:
        Policy().permit(OPENAI, "o1")
    assert "openai/gpt-6.1-terra" in caught.value.hint


def test_an_addition_counts_for_its_connection_only():
    policy = Policy(additions=[("openai", "gpt-6.3-luna")])
    policy.permit(OPENAI, "gpt-6.3-luna")
    assert policy.allowed(OPENAI) == (*OPENAI.models, "gpt-6.3-luna")
    with pytest.raises(PolicyError):
        policy.permit(WORK, "gpt-6.3-luna")


def test_a_denial_goes_before_everything_and_names_the_organization():
    policy = Policy(
        additions=[("openai", "gpt-4o")],
        denials=[("openai", "gpt-4o"), ("m", "m")],
        organization="acme",
    )
    for connection, model in ((OPENAI, "gpt-4o"), (CUSTOM, "m")):
        with pytest.raises(PolicyError, match="The organization acme does not allow") as caught:
            policy.permit(connection, model)
        assert caught.value.rule == "the organization acme"
    assert "gpt-4o" not in policy.allowed(OPENAI)
    assert policy.allowed(CUSTOM) == ()


@pytest.mark.parametrize("given_as", [tuple, list, set, iter, lambda pairs: map(list, pairs)])
def test_a_denial_counts_each_time_however_it_is_given(given_as):
    policy = Policy([("openai", "gpt-4o")], given_as([("openai", "gpt-4o"), ("m", "m")]))
    for connection, model in 2 * ((OPENAI, "gpt-4o"), (CUSTOM, "m")):
        with pytest.raises(PolicyError, match="This store does not allow"):
            policy.permit(connection, model)
        assert model not in policy.allowed(connection)


def test_a_kind_that_names_one_model_is_allowed_that_model_alone():
    Policy().permit(CUSTOM, "m")
    with pytest.raises(PolicyError, match="serves m and no other"):
        Policy().permit(CUSTOM, "n")
    with pytest.raises(PolicyError):
        Policy(additions=[("m", "n")]).permit(CUSTOM, "n")


def test_a_resource_whose_deployment_the_reference_names_takes_any():
    named = Connection("azure_openai", deployment="*", endpoint="https://r.example", api_key="k")
    azure = replace_parts(named.with_label("azure_openai"), any_model=True)
    Policy().permit(azure, "claims-luna")
    with pytest.raises(PolicyError):
        Policy().permit(azure, "")
    with pytest.raises(PolicyError):
        Policy(denials=[("azure_openai", "claims-luna")]).permit(azure, "claims-luna")


@given(
    model=st.sampled_from(["gpt-6-luna", "gpt-4o", "new-1", "o1", "x"]),
    additions=st.sets(st.sampled_from(["gpt-4o", "new-1", "o1"])),
    denials=st.sets(st.sampled_from(["gpt-4o", "new-1", "gpt-6-luna"])),
)
def test_allowed_is_shipped_and_added_without_denied(model, additions, denials):
    """The rule of the policy, for every mix; `allowed` and `permit` say the same."""
    policy = Policy(
        additions=[("openai", each) for each in additions],
        denials=[("openai", each) for each in denials],
    )
    right = model in (set(OPENAI.models) | additions) - denials
    assert (model in policy.allowed(OPENAI)) == right
    refused = False
    try:
        policy.permit(OPENAI, model)
    except PolicyError:
        refused = True
    assert refused is not right
