"""A server without a model: retired is said of what is retired there today, and of no other."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.connections import catalog
from llmwidgets.dialects.types import HTTPResponse, ListedModel
from llmwidgets.engine.troubleshooting import Diagnosis, diagnose
from llmwidgets.errors import Forbidden, UnknownModel
from tests.engine.conftest import Seen, Wire
from tests.engine.set_ups.set_up import NO_DEPLOYMENT, anthropic, google, openai

ACCOUNT = json.dumps({"type": "service_account", "project_id": "acme-1"})


@pytest.fixture(autouse=True)
def on_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "today", lambda: date(2026, 11, 28))


def connected(kind: str, model: str, **more: Any) -> lw.Connection:
    made: dict[str, dict[str, Any]] = {
        "openai": {"api_key": "sk-proj-made-up-0001"},
        "anthropic": {"api_key": "sk-ant-api03-made-up-0001"},
        "gemini": {"api_key": "AQ.made-up-0001"},
        "vertex_ai": {"credentials": ACCOUNT},
        "azure_openai": {"deployment": model, "endpoint": "https://r.example/openai/v1"},
        "azure_ai_foundry": {"model": model, "endpoint": "https://r.example/models"},
        "bedrock": {"api_key": "ABSKmade-up-0001", "region": "us-east-1"},
        "custom": {"name": model, "endpoint": "http://localhost:8000/v1"},
    }
    key = {"api_key": "0123456789abcdef"} if "endpoint" in made[kind] else {}
    return lw.Connection(kind, label="mine", **{**key, **made[kind], **more})


def told(connection: lw.Connection, model: str, body: Any, status: int = 404) -> Diagnosis:
    payload = HTTPResponse(status, {}, json.dumps(body).encode(), 0.1)
    failure = connection.dialect_for(model).explain(payload, label="mine", model=model)
    return diagnose(failure, connection, model=model)


# kind: alive, ending, retired by a day or a list of the kind
MODELS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "openai": (("gpt-6-luna",), ("gpt-4o", "gpt-5"), ("gpt-4-turbo", "o1", "gpt-4.1-nano")),
    "anthropic": (("claude-haiku-5-5",), ("claude-sonnet-4-5",), ("claude-3-7-sonnet-latest",)),
    "gemini": (("gemini-3.8-flash",), ("gemini-2.5-pro",), ("gemini-2.0-flash",)),
    "vertex_ai": (("gemini-3.8-flash",), ("gemini-3.7-flash",),
                  ("gemini-2.5-pro", "gemini-2.0-flash")),
    "azure_openai": (("gpt-6-luna", "gpt-4.1-nano", "claude-3-7-sonnet-latest"),
                     ("gpt-4o", "gpt-5", "gpt-4o-mini"), ("o3", "o1", "gpt-4-turbo")),
    "azure_ai_foundry": (("gpt-6-luna", "mistral-large-3"), ("gpt-4o",),
                         ("o3", "claude-3-7-sonnet-latest")),
    "bedrock": (("anthropic.claude-haiku-5-5", "openai.gpt-oss-safeguard-20b"), (), ()),
    "custom": (("gpt-6-luna", "llama3.2", "gpt-4-turbo", "claude-3-7-sonnet-latest"), (), ()),
}  # fmt: skip

BODIES: dict[str, list[tuple[int, Any]]] = {
    "openai": [
        (404, openai("The model `m` does not exist or you do not have access to it.",
                     "model_not_found")),
        (404, openai("The model `m` has been deprecated.", "model_not_found")),
        (404, openai("The model `m` does not exist", None)),
        (400, openai("invalid model ID", None)),
    ],
    "anthropic": [
        (404, anthropic("not_found_error", "model: m")),
        (404, {"error": {"type": "not_found_error", "message": "The model m was not found."}}),
    ],
    "gemini": [
        (404, google(404, "NOT_FOUND", "models/m is not found for API version v1, or is not "
                     "supported for generateContent.")),
        (404, google(404, "NOT_FOUND", "This model models/m is no longer available to new users.")),
    ],
    "vertex_ai": [
        (404, google(404, "NOT_FOUND", "Publisher Model `projects/p/locations/global/publishers/"
                     "google/models/m` was not found or your project does not have access to it.")),
        (404, [google(404, "NOT_FOUND", "Publisher Model was not found.")]),
    ],
    "azure_openai": [
        (404, NO_DEPLOYMENT),
        (404, {"error": {"code": "DeploymentNotFound", "message": "No."}}),
        (404, openai("The model `m` does not exist.", "model_not_found")),
    ],
    "azure_ai_foundry": [
        (404, NO_DEPLOYMENT),
        (400, {"error": {"code": "unknown_model", "message": "Unknown model: m"}}),
    ],
    "bedrock": [
        (404, {"type": "error", **openai("The model 'm' does not exist", "model_not_found",
                                         type_="not_found_error")}),
        (404, {"message": "Could not resolve the foundation model.",
               "__type": "ResourceNotFoundException"}),
    ],
    "custom": [
        (404, openai('model "m" not found, try pulling it first', type_="not_found_error")),
        (404, {"object": "error", "message": "The model `m` does not exist.", "code": 404}),
        (404, {"error": "model 'm' not found"}),
    ],
}  # fmt: skip

MATRIX = [
    (kind, model, state, status, body)
    for kind, groups in MODELS.items()
    for state, models in zip(("alive", "ending", "retired"), groups, strict=True)
    for model in models
    for status, body in BODIES[kind]
] + [(kind, "a-name-of-nothing", "unknown", *row) for kind in BODIES for row in BODIES[kind]]


@pytest.mark.parametrize(("kind", "model", "state", "status", "body"), MATRIX)
def test_retired_is_said_of_what_is_retired_there_today_alone(kind, model, state, status, body):
    connection = connected(kind, model)
    found = told(connection, model, body, status)
    assert found.status == "UnknownModel"
    said = f"{found.sentence} {found.hint}"
    assert ("retired" in said.lower()) is (state == "retired"), said
    assert model in found.sentence
    assert found.hint
    if kind == "azure_openai":
        assert f"no deployment called {model} on this resource" in found.sentence
        assert "Deployments" in found.hint
        assert "5 minutes" in found.hint


@pytest.mark.parametrize(
    ("kind", "model", "day"),
    [("openai", "gpt-4o", date(2027, 1, 15)), ("azure_openai", "gpt-4o", date(2027, 4, 15)),
     ("gemini", "gemini-2.5-pro", date(2026, 12, 2))],
)  # fmt: skip
def test_an_end_that_has_passed_is_said_with_its_day_and_what_replaces_it(
    kind, model, day, monkeypatch
):
    status, body = BODIES[kind][0]
    monkeypatch.setattr(catalog, "today", lambda: day)
    found = told(connected(kind, model), model, body, status)
    assert (
        f"has retired {'the model ' if kind == 'azure_openai' else ''}{model} on 20"
        in found.sentence
    )
    assert connected(kind, model).facts(model).successor in found.hint


def test_a_deployment_that_bears_a_models_name_is_told_apart_from_the_model():
    found = told(connected("azure_openai", "gpt-4o"), "gpt-4o", NO_DEPLOYMENT)
    assert "gpt-4o is the name of a model" in found.sentence
    assert "ai.azure.com" in found.hint


@pytest.mark.parametrize(
    ("kind", "model", "words", "step"),
    [
        ("openai", "gpt-6-luna", "no access to gpt-6-luna", "project can limit"),
        ("openai", "gpt-6-lunar", "The nearest name is gpt-6-luna", "Check the name"),
        ("anthropic", "claude-haiku-5-5", "no access to claude-haiku-5-5", "workspace"),
        ("gemini", "gemini-3.8-flash", "does not offer gemini-3.8-flash", "version v1"),
        ("gemini", "gemini-2.5-pro", "ends on 2026-12-01. gemini-3.8-flash replaces it", "lists"),
        ("vertex_ai", "gemini-3.8-flash", "no access to gemini-3.8-flash in global", "policy"),
        ("azure_ai_foundry", "mistral-large-3", "no model mistral-large-3 is deployed",
         "5 minutes"),
    ],
)  # fmt: skip
def test_a_key_without_access_and_a_name_that_is_none_have_their_own_sentences(
    kind, model, words, step
):
    status, body = BODIES[kind][0]
    found = told(connected(kind, model), model, body, status)
    assert words in found.sentence
    assert step in found.hint


def test_a_project_without_the_model_is_told_where_its_limits_are():
    body = openai("Project `p` does not have access to model `gpt-6-luna`", "model_not_found")
    found = told(connected("openai", "gpt-6-luna"), "gpt-6-luna", body, 403)
    assert (found.status, "no access to gpt-6-luna" in found.sentence) == ("Forbidden", True)
    assert "Limits" in found.hint


@pytest.mark.parametrize(
    ("model", "words"),
    [("gemini-3.8-flash", "gemini-3.8-flash is not offered in europe-west4"),
     ("gemini-9", "europe-west4 has no model gemini-9: it is misspelled, or not offered there")],
)  # fmt: skip
def test_a_location_without_the_model_is_named(model, words):
    status, body = BODIES["vertex_ai"][0]
    found = told(connected("vertex_ai", model, location="europe-west4"), model, body, status)
    assert words in found.sentence
    assert "global" in found.hint


@pytest.mark.parametrize("kind", ["azure_openai", "azure_ai_foundry", "custom"])
@pytest.mark.parametrize("place", ["region", "location"])
def test_a_region_without_the_model_is_told(kind, place):
    body = {"error": {"code": "404", "message": f"The model m is not available in this {place}."}}
    found = told(connected(kind, "m"), "m", body)
    assert f"does not offer the model m in this {place}" in found.sentence
    assert f"another {place}" in found.hint


def test_a_region_without_a_retired_model_is_not_told_as_a_deployment_that_is_missing():
    body = {"error": {"code": "404", "message": "The model gpt-4 is not available in this region."}}
    found = told(connected("azure_openai", "gpt-4"), "gpt-4", body)
    assert found.sentence == "Azure has retired gpt-4."


@pytest.mark.parametrize("kind", ["azure_openai", "azure_ai_foundry", "custom"])
def test_a_server_that_says_that_a_model_is_gone_is_quoted(kind):
    body = {"error": {"code": "ModelDeprecated", "message": "The model m has been retired."}}
    found = told(connected(kind, "m"), "m", body, 410)
    assert "The model m has been retired." in found.sentence
    assert "at this address" not in found.sentence


def test_a_custom_server_is_told_by_its_list_also_in_a_run():
    connection = connected("custom", "llama3.1")
    catalog.remember_models(connection, [ListedModel("llama3.2"), ListedModel("qwen3")])
    try:
        found = told(connection, "llama3.1", BODIES["custom"][1][1])
    finally:
        catalog.forget_models()
    assert "The nearest it has is llama3.2" in found.sentence


def test_a_custom_connection_at_a_providers_own_address_has_its_days():
    connection = connected("custom", "gpt-4-turbo", endpoint="https://eu.api.openai.com/v1")
    status, body = BODIES["openai"][0]
    found = told(connection, "gpt-4-turbo", body, status)
    assert (found.sentence, found.hint) == (
        "OpenAI has retired gpt-4-turbo.", "Use gpt-6-luna instead.",
    )  # fmt: skip


def test_what_a_live_list_still_has_is_not_called_retired():
    """An account can keep a model longer than the tables know."""
    connection = connected("openai", "gpt-4-turbo")
    assert "has retired" in refusal(connection, "gpt-4-turbo")
    catalog.remember_models(connection, [ListedModel("gpt-4-turbo")])
    try:
        found = told(connection, "gpt-4-turbo", *reversed(BODIES["openai"][0]))
        said = refusal(connection, "gpt-4-turbo")
    finally:
        catalog.forget_models()
    assert "retired" not in found.sentence + said
    assert "no access to gpt-4-turbo" in found.sentence


def refusal(connection: lw.Connection, model: str) -> str:
    from llmwidgets.connections import Policy
    from llmwidgets.errors import PolicyError

    with pytest.raises(PolicyError) as caught:
        Policy().permit(connection, model)
    return str(caught.value)


def test_a_run_and_a_check_say_the_same_of_a_deployment(far_end):
    async def behave(seen: Seen, wire: Wire) -> None:
        if seen.line.startswith("GET"):
            wire.answer({"data": [{"id": "gpt-4o"}]})
        else:
            wire.answer(NO_DEPLOYMENT, 404)

    url = far_end(behave).url.removesuffix("/v1")
    connection = connected("azure_openai", "gpt-4o", endpoint=f"{url}/openai/v1")
    report = lw.check(connection)
    row = lw.extract({"type": "object", "properties": {}}, "Bill", connection, journal=False)
    assert report.status == row.status == "UnknownModel"
    assert isinstance(row.failure, UnknownModel)
    assert not isinstance(row.failure, Forbidden)
    # What a run says stands alone, and names the connection and the host as well.
    assert row.failure.message == f"{report.sentence} The call was to mine at {connection.host}."
    assert "no deployment called gpt-4o" in report.sentence
    assert "retired" not in f"{report} {row.failure}".lower()
