"""What a provider says of its models today goes before the shipped table, and dates are kept."""

from __future__ import annotations

import json
from datetime import date

import pytest

from llmwidgets.connections import Connection, Policy, catalog
from llmwidgets.connections.catalog import model_notes, remember_models
from llmwidgets.dialects import anthropic
from llmwidgets.dialects.types import Enforcement, HTTPResponse, ListedModel, ResponseFormat
from llmwidgets.errors import PolicyError

OPENAI = Connection("openai", api_key="sk-proj-a")
AZURE = Connection("azure_openai", deployment="gpt-5", endpoint="https://r.example", api_key="k")
CUSTOM = Connection("custom", name="m", endpoint="http://localhost:1/v1")


@pytest.fixture(autouse=True)
def forget_lists():
    catalog.forget_models()
    yield
    catalog.forget_models()


@pytest.fixture
def on(monkeypatch):
    """Let it be another day."""

    def move(day: date) -> None:
        monkeypatch.setattr(catalog, "today", lambda: day)

    return move


def ended(connection: Connection, model: str) -> bool:
    facts = connection.facts(model)
    assert facts is not None
    return facts.status == "retired"


def test_a_model_is_retired_after_its_day_and_not_before(on):
    on(date(2026, 12, 11))
    assert not ended(OPENAI, "gpt-5")
    assert "gpt-5" in Policy().allowed(OPENAI)
    on(date(2026, 12, 12))
    assert ended(OPENAI, "gpt-5")
    assert "gpt-5" not in Policy().allowed(OPENAI)


def test_what_one_policy_permitted_holds_for_the_day_and_the_lists_of_then(on):
    policy = Policy()
    on(date(2026, 12, 11))
    policy.permit(OPENAI, "gpt-5")
    policy.permit(OPENAI, "gpt-5")
    remember_models(OPENAI, [ListedModel("gpt-5", ends="2026-12-01")])
    with pytest.raises(PolicyError, match="retired"):
        policy.permit(OPENAI, "gpt-5")
    catalog.forget_models()
    policy.permit(OPENAI, "gpt-5")
    on(date(2026, 12, 12))
    with pytest.raises(PolicyError, match="retired"):
        policy.permit(OPENAI, "gpt-5")
    with pytest.raises(PolicyError):
        policy.permit(OPENAI, "gpt-nonsense")


def test_an_ended_model_is_answered_with_its_successor_and_can_be_allowed(on):
    on(date(2027, 1, 1))
    with pytest.raises(PolicyError, match="has retired gpt-5 on 2026-12-11") as caught:
        Policy().permit(OPENAI, "gpt-5")
    assert "openai/gpt-6-sol" in caught.value.hint
    assert 'store.allow("openai", "gpt-5")' in caught.value.hint
    Policy([("openai", "gpt-5")]).permit(OPENAI, "gpt-5")


def test_a_deployment_outlives_the_table(on):
    """A connection that names its model is its keeper's matter; it is told, not refused."""
    on(date(2028, 1, 1))
    assert ended(AZURE, "gpt-5")
    Policy().permit(AZURE, "gpt-5")
    assert Policy().allowed(AZURE) == ("gpt-5",)
    assert "retired" in model_notes(AZURE, "gpt-5")[0]


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (date(2026, 10, 11), ()),
        (date(2026, 10, 12), ("gpt-5 ends on 2026-12-11. gpt-6-sol replaces it.",)),
        (date(2026, 12, 11), ("gpt-5 ends on 2026-12-11. gpt-6-sol replaces it.",)),
        (date(2026, 12, 12), ("gpt-5 is retired since 2026-12-11. gpt-6-sol replaces it.",)),
    ],
)
def test_an_end_is_warned_of_sixty_days_before(on, day, said):
    on(day)
    assert model_notes(OPENAI, "gpt-5") == said


def test_the_live_list_goes_before_the_table(on):
    on(date(2026, 11, 23))
    shipped = OPENAI.facts("gpt-6-luna")
    remember_models(OPENAI, [ListedModel("gpt-6-luna", "2026-12-24", 100_000, 4096)])
    facts = OPENAI.facts("gpt-6-luna")
    assert facts is not None
    assert shipped is not None
    assert (facts.ends, facts.input_limit, facts.output_limit) == (
        date(2026, 12, 24),
        100_000,
        4096,
    )
    assert facts.status == "ending"
    assert (facts.efforts, facts.sampling) == (shipped.efforts, shipped.sampling)
    assert model_notes(OPENAI, "gpt-6-luna") == ("gpt-6-luna ends on 2026-12-24.",)
    catalog.forget_models()
    assert OPENAI.facts("gpt-6-luna") == shipped


def test_a_model_that_is_still_listed_after_its_day_lives_on(on):
    on(date(2027, 1, 1))
    remember_models(OPENAI, [ListedModel("gpt-5")])
    assert not ended(OPENAI, "gpt-5")
    Policy().permit(OPENAI, "gpt-5")


@pytest.mark.parametrize(
    ("lifecycle", "status"),
    [("active", "active"), ("deprecated", "ending"), ("retired", "retired"), ("odd", "active")],
)
def test_the_providers_word_for_the_lifecycle_counts(lifecycle, status):
    connection = Connection("anthropic", api_key="sk-ant-api03-a")
    remember_models(connection, [ListedModel("claude-haiku-5-5", lifecycle=lifecycle)])
    assert connection.facts("claude-haiku-5-5").status == status  # type: ignore[union-attr]


def test_a_model_missing_from_the_list_is_a_warning_and_no_refusal():
    remember_models(OPENAI, [ListedModel("gpt-6-luna")])
    assert model_notes(OPENAI, "gpt-6-luna") == ()
    assert model_notes(OPENAI, "gpt-6-sol") == (
        "api.openai.com does not list gpt-6-sol: it may refuse the calls.",
    )
    Policy().permit(OPENAI, "gpt-6-sol")
    assert model_notes(OPENAI.with_label("other"), "gpt-6-sol") == ()


@pytest.mark.parametrize(
    ("supported", "form", "mode"),
    [
        (True, ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA),
        (False, ResponseFormat.TOOL, Enforcement.JSON),
    ],
)
def test_anthropics_list_tells_what_a_model_can(supported, form, mode):
    """Structured outputs and thinking by the list's word, for models in the table and others."""
    rows = [
        {
            "id": name,
            "capabilities": {
                "structured_outputs": {"supported": supported},
                "thinking": {"supported": supported},
            },
        }
        for name in ("claude-haiku-5-5", "claude-of-tomorrow")
    ]
    body = json.dumps({"data": rows, "has_more": False}).encode()
    listed, _ = anthropic.listed_models(HTTPResponse(200, {}, body, 0.1))
    connection = Connection("anthropic", api_key="sk-ant-made-up-0000000000000001")
    shipped = connection.facts("claude-haiku-5-5")
    remember_models(connection, listed)
    for name in ("claude-haiku-5-5", "claude-of-tomorrow"):
        told = connection.capability(name)
        assert (told.form, told.mode) == (form, mode)
    assert connection.facts("claude-haiku-5-5").efforts == (shipped.efforts if supported else ())


def test_a_list_that_is_silent_changes_nothing():
    body = json.dumps({"data": [{"id": "claude-haiku-5-5", "capabilities": None}]}).encode()
    listed, _ = anthropic.listed_models(HTTPResponse(200, {}, body, 0.1))
    assert (listed[0].form, listed[0].thinks) == (None, None)


def test_of_a_model_no_table_knows_the_list_tells_limits_and_what_is_enforced_stays_unknown():
    remember_models(CUSTOM, [ListedModel("m", input_limit=8192)])
    facts = CUSTOM.facts("m")
    assert facts is not None
    assert (facts.input_limit, facts.sampling, facts.efforts) == (8192, True, ())
    assert CUSTOM.capability("m") is None


def test_a_list_of_a_regions_models_says_nothing_of_deployments():
    remember_models(AZURE, [ListedModel("gpt-4o")])
    remember_models(Connection("vertex_ai", credentials="{}"), [ListedModel("gemini-3.8-flash")])
    assert catalog._lists == {}
