"""Servers of presets as they behave: the mode is what a test question showed, the class is right.

The address of a preset is connected, and a gateway on loopback stands in front of it.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

import llmwidgets as lw
from llmwidgets.connections import Connection, Policy, environment_connections
from llmwidgets.connections.connection import replace_parts
from llmwidgets.dialects.types import Enforcement, ResponseFormat
from llmwidgets.engine import capability, event_loop, probe
from llmwidgets.engine.check import check_connection
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.pacing import Pace
from llmwidgets.store.store import Store
from tests.engine.conftest import Model
from tests.engine.scripts import Waits

BILL = {
    "type": "object",
    "properties": {"total": {"type": "number"}},
    "required": ["total"],
}
NESTED = {
    "type": "object",
    "properties": {"from": {"$ref": "#/$defs/Party"}, "to": {"$ref": "#/$defs/Party"}},
    "required": ["from", "to"],
    "$defs": {"Party": {"type": "object", "properties": {"name": {"type": "string"}},
                        "required": ["name"]}},
}  # fmt: skip
ENDPOINTS = {
    "deepseek": "https://api.deepseek.com",
    "snowflake": "https://acme-prod.snowflakecomputing.com",
    "openrouter": "https://openrouter.ai/api/v1",
    "together": "https://api.together.xyz/v1",
    "databricks": "https://adb-1.2.azuredatabricks.net",
    "mistral": "https://api.mistral.ai/v1",
    "groq": "https://api.groq.com/openai/v1",
    "fireworks": "https://api.fireworks.ai/inference/v1",
}


def at(preset: str, end: Any, model: str = "m", **more: Any) -> Connection:
    return Connection("custom", name=model, endpoint=ENDPOINTS[preset], base_url=end.url,
                      api_key="made-up-key-0001", **more)  # fmt: skip


def probed(connection: Connection):
    pace = Pace(4, clock=Waits().clock)
    ask = probe.find_capability(connection, "m", policy=Policy(), pace=pace)
    return event_loop.run_blocking(ask)


def checked(connection: Connection):
    ask = check_connection(connection, policy=Policy(), clock=Waits().clock)
    return event_loop.run_blocking(ask)


def compared(connection: Connection, schema: Any = BILL, **more: Any) -> lw.Extraction:
    return lw.extract(schema, "Bolt bills 12.50 EUR.", (connection, "m"), **more)


def refusing(*forms: str, message: str):
    """A model behind a server that refuses these forms in these words."""
    inner = Model()
    inner.enforces = {"json_schema"}

    async def behave(seen, wire):
        form = (seen.json if seen.body else {}).get("response_format", {}).get("type", "text")
        if seen.body and form in forms:
            inner.probes.append(seen.json)
            word = "invalid_request_error"
            error = {"message": message, "type": word, "param": None, "code": word}
            wire.answer({"error": error}, 400)
            return
        await inner(seen, wire)

    return inner, behave


# -- DeepSeek: no schema at all

UNAVAILABLE = "This response_format type is unavailable now"


def test_deepseek_is_asked_for_json_alone(far_end):
    inner, behave = refusing("json_schema", message=UNAVAILABLE)
    connection = at("deepseek", far_end(behave))
    found = probed(connection)
    assert (found.form, found.mode) == (ResponseFormat.JSON_OBJECT, Enforcement.JSON)
    assert [body["response_format"] for body in inner.probes] == [{"type": "json_object"}]
    answer = compared(connection)
    assert (answer.status, answer.mode) == ("ok", Enforcement.JSON)
    (sent,) = inner.asked
    assert sent["response_format"] == {"type": "json_object"}
    # It ignores the other name of the limit without a word.
    assert "max_tokens" in sent
    assert "max_completion_tokens" not in sent
    assert checked(connection).mode is Enforcement.JSON


def test_its_refusal_behind_another_address_gives_the_same_mode(far_end):
    inner, behave = refusing("json_schema", message=UNAVAILABLE)
    found = probed(Connection("custom", name="m", endpoint=far_end(behave).url))
    assert (found.form, found.mode) == (ResponseFormat.JSON_OBJECT, Enforcement.JSON)
    assert found.tried[0] == (ResponseFormat.JSON_SCHEMA, "refused, 400", False)
    assert len(inner.probes) == 3


# -- Snowflake: silence


@pytest.mark.parametrize("takes_json", [True, False])
def test_snowflake_s_silence_is_not_taken_for_enforcement(far_end, model, takes_json):
    model.enforces = set()

    async def silent(seen, wire):
        body = seen.json if seen.body else {}
        if not takes_json:
            body.pop("response_format", None)
        seen.body = json.dumps(body).encode() if body else b""
        await model(seen, wire)

    connection = at("snowflake", far_end(silent))
    report = checked(connection)
    assert report.mode is (Enforcement.JSON if takes_json else Enforcement.TEXT)
    answer = compared(connection)
    assert answer.status == "ok"
    assert answer.mode is report.mode
    assert "JSON Schema" in model.asked[-1]["messages"][0]["content"]


def test_a_model_of_snowflake_s_that_obeys_is_schema_enforced(far_end, model):
    assert probed(at("snowflake", far_end(model))).mode is Enforcement.SCHEMA


# -- OpenRouter: all that is asked is required, and who answers can be pinned


@pytest.mark.parametrize("pinned", ["", "fireworks"])
def test_every_question_to_openrouter_requires_its_parameters(far_end, model, pinned):
    more = {"routed_to": pinned} if pinned else {}
    connection = at("openrouter", far_end(model), **more)
    assert checked(connection).ok
    assert compared(connection).status == "ok"
    wanted: dict[str, Any] = {"require_parameters": True}
    wanted |= {"order": ["fireworks"], "allow_fallbacks": False} if pinned else {}
    bodies = [*model.probes, *model.asked]
    assert bodies
    assert all(body["provider"] == wanted for body in bodies)
    # Nobody else is told about providers.
    compared(at("groq", far_end(model)))
    assert "provider" not in model.asked[-1]


def test_each_pinned_provider_is_asked_anew(far_end, model):
    """What one enforces, and what it answered, says nothing of another."""
    end, journal = far_end(model), None
    for pinned in ("fireworks", "together", "fireworks"):
        compared(at("openrouter", end, routed_to=pinned), journal=journal)
    assert [body["provider"]["order"] for body in model.asked] == [["fireworks"], ["together"]]
    assert [body["provider"]["order"] for body in model.probes] == [["fireworks"], ["together"]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"endpoint": "{}?route=a"}, {"endpoint": "{}?route=b"}),
        ({"endpoint": "{}"}, {"endpoint": "{}?route=b"}),
        ({"endpoint": "https://api.deepseek.com", "base_url": "{}"}, {"endpoint": "{}"}),
        ({"endpoint": "https://openrouter.ai/api/v1", "base_url": "{}"}, {"endpoint": "{}"}),
        ({"endpoint": "https://api.together.ai/v1", "base_url": "{}"}, {"endpoint": "{}"}),
    ],
)
def test_what_is_asked_in_another_way_is_asked_anew(far_end, model, one, other):
    """A gateway can hand on by what follows the question mark; a preset has forms of its own."""
    end = far_end(model)
    model.enforces = {"json_schema"}
    asked = 0
    for fields in (one, other, one):
        known = {name: value.format(end.url) for name, value in fields.items()}
        found = probed(Connection("custom", name="m", api_key="made-up-key-0001", **known))
        of_deepseek = "deepseek" in known["endpoint"]
        assert found.mode is (Enforcement.JSON if of_deepseek else Enforcement.SCHEMA)
        assert (len(model.probes) > asked) == (asked == 0 or fields is other)
        asked = len(model.probes)


PARAMETERS = "No endpoints found that can handle the requested parameters. To learn more about " \
             "provider routing, visit: https://openrouter.ai/docs/provider-routing"  # fmt: skip


def routing(message: str, status: int = 404, *, forms: tuple[str, ...] = ("json_schema",)):
    inner = Model()

    async def behave(seen, wire):
        body = seen.json if seen.body else {}
        if body and body.get("response_format", {}).get("type", "text") in forms:
            wire.answer({"error": {"message": message, "code": status}}, status)
            return
        await inner(seen, wire)

    return behave


def test_a_form_that_no_provider_takes_is_refused_and_the_next_one_asked(far_end):
    found = probed(at("openrouter", far_end(routing(PARAMETERS))))
    assert (found.form, found.mode) == (ResponseFormat.JSON_OBJECT, Enforcement.JSON)
    assert found.tried[0] == (ResponseFormat.JSON_SCHEMA, "refused, 404", False)


@pytest.mark.parametrize(
    ("message", "status", "kind", "words"),
    [
        ("No allowed providers are available for the selected model.", 404, "UnknownModel",
         "pinned provider does not offer"),
        ("No endpoints found for acme/none.", 404, "UnknownModel", "no model"),
        ("acme/none is not a valid model ID", 400, "UnknownModel", "no model"),
        ("Insufficient credits. Add more.", 402, "QuotaExhausted", "credit"),
    ],
)  # fmt: skip
def test_what_openrouter_refuses_has_its_own_class(far_end, message, status, kind, words):
    every = ("json_schema", "json_object", "text")
    connection = at("openrouter", far_end(routing(message, status, forms=every)), routed_to="x")
    answer = compared(connection)
    assert answer.status == kind
    assert words in str(answer.failure)


UPSTREAM: list[tuple[int, int, Any, str, str]] = [
    (200, 502, "Bad gateway", "Overloaded", ""),
    (502, 502, {"error": {"message": "boom"}}, "Overloaded", ""),
    (200, 429, "slow down", "RateLimited", ""),
    (429, 429, json.dumps({"error": {"message": "slow down"}}), "RateLimited", ""),
    (200, 400, json.dumps({"error": {"message": "maximum context length is 8192 tokens"}}),
     "TooLong", ""),
    (400, 400, {"message": "some odd thing"}, "BadRequest", "some odd thing"),
    (200, 503, "<html>busy</html>", "Overloaded", ""),
    (200, 403, None, "Forbidden", "Provider returned error"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code", "raw", "kind", "words"), UPSTREAM)
def test_an_error_of_the_provider_behind_has_its_class_and_names_it(
    far_end, status, code, raw, kind, words
):
    error = {"message": "Provider returned error", "code": code,
             "metadata": {"provider_name": "Fireworks", "raw": raw}}  # fmt: skip

    async def behind(_seen, wire):
        wire.answer({"error": error, "user_id": "u"}, status)

    connection = at("openrouter", far_end(behind), label="router")
    known = capability.Capability(ResponseFormat.JSON_OBJECT, Enforcement.JSON)
    answer = compared(connection.with_capability("m", known))
    assert answer.status == kind
    said = str(answer.failure)
    assert words in said
    assert "<html" not in said
    if kind != "TooLong":
        assert "router's provider Fireworks" in said or "Provider returned error" in said


@pytest.mark.parametrize(
    "name", ["Fireworks", "Google AI Studio", "x" * 99, "<b>\u202e\n", 7, None]
)
def test_the_name_of_the_provider_behind_is_data(far_end, name):
    error = {"message": "Provider returned error", "code": 502, "metadata": {"provider_name": name}}

    async def behind(_seen, wire):
        wire.answer({"error": error}, 502)

    said = str(compared(at("openrouter", far_end(behind))).failure)
    assert "\u202e" not in said
    assert "<b>" not in said
    assert len(said) < 400


# -- Together: a list without a name, and a schema without one


def test_together_s_bare_list_is_read(far_end, model):
    rows = [
        {"id": "meta-llama/Llama-3.3-70B-Instruct-Turbo", "object": "model", "type": "chat",
         "context_length": 131072},
        {"id": "m", "object": "model", "context_length": 8192},
    ]  # fmt: skip

    async def bare(seen, wire):
        if seen.line.startswith("GET"):
            wire.answer(rows)
            return
        await model(seen, wire)

    connection = at("together", far_end(bare))
    listed = event_loop.run_blocking(egress.list_models(connection, "m", policy=Policy()))
    assert [(each.id, each.input_limit) for each in listed] == [
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", 131072), ("m", 8192),
    ]  # fmt: skip
    report = checked(connection)
    assert report.mode is Enforcement.SCHEMA
    assert ("Models of the server", f"{rows[0]['id']}, m") in report.details


def test_together_s_schema_has_no_name_around_it(far_end, model):
    compared(at("together", far_end(model)))
    for body in (*model.probes, *model.asked):
        form = body["response_format"]
        assert form.keys() == {"type", "schema"}
        assert form["type"] == "json_schema"
        assert form["schema"]["type"] == "object"


# -- Mistral: definitions in place


def test_mistral_is_sent_no_reference(far_end, model):
    model.record = {"from": {"name": "A"}, "to": {"name": "B"}}
    answer = compared(at("mistral", far_end(model)), NESTED)
    assert (answer.status, answer.data) == ("ok", model.record)
    assert "$ref" not in json.dumps(model.asked[-1])
    sent = model.asked[-1]["response_format"]["json_schema"]["schema"]
    assert jsonschema_rs.is_valid(sent, model.record)
    assert not jsonschema_rs.is_valid(sent, {"from": {"name": "A"}, "to": {"name": 7}})
    compared(at("groq", far_end(model)), NESTED)
    assert "$ref" in json.dumps(model.asked[-1])


# -- Databricks: Claude takes a tool


def claude_of_databricks(seen_bodies: list[Any], *, auto: bool = False):
    async def behave(seen, wire):
        if seen.line.startswith("GET"):
            assert seen.line.split()[1] == "/api/2.0/serving-endpoints"
            wire.answer({"endpoints": [{"name": "m", "state": {"ready": "READY"}}]})
            return
        body = seen.json
        seen_bodies.append(body)
        if "response_format" in body:
            wire.answer({"error_code": "BAD_REQUEST", "message":
                         "response_format is not supported for this model"}, 400)  # fmt: skip
            return
        if auto and isinstance(body.get("tool_choice"), dict):
            wire.answer({"error": {"message": "tool_choice is not supported: use auto"}}, 400)
            return
        record = {"total": 12.5} if "12.50" in json.dumps(body["messages"]) else {"weather": "fine"}
        call = {"id": "c", "type": "function",
                "function": {"name": "record", "arguments": json.dumps(record)}}  # fmt: skip
        message = {"role": "assistant", "content": "I call {it}.", "tool_calls": [call]}
        if "tools" not in body:
            message = {"role": "assistant", "content": "Sunny."}
        wire.answer({"id": "r", "model": "claude", "choices": [
            {"index": 0, "finish_reason": "tool_calls", "message": message}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 9}})  # fmt: skip

    return behave


@pytest.mark.parametrize("auto", [False, True])
def test_claude_on_databricks_hands_its_record_to_a_tool(far_end, auto):
    bodies: list[Any] = []
    connection = at("databricks", far_end(claude_of_databricks(bodies, auto=auto)))
    found = probed(connection)
    assert (found.form, found.mode) == (ResponseFormat.TOOL, Enforcement.JSON)
    answer = compared(connection)
    assert (answer.status, answer.data) == ("ok", {"total": 12.5})
    assert not any("not offered" in note for note in answer.notes)
    tool = bodies[-1]["tools"][0]["function"]
    assert tool["name"] == "record"
    assert tool["parameters"]["properties"]["total"]
    assert (bodies[-1]["tool_choice"] == "auto") is auto
    listed = event_loop.run_blocking(egress.list_models(connection, "m", policy=Policy()))
    assert [each.id for each in listed] == ["m"]


# -- variables: what a reference names is asked, estimated, listed and checked


def by_variable(monkeypatch, name: str, end: Any) -> Connection:
    """The connection of a variable, with the gateway in front of it."""
    monkeypatch.setenv(name, "made-up-key-0001")
    (connection,) = environment_connections()
    fields = connection.fields.model_copy(update={"base_url": end.url})
    return replace_parts(connection, fields=fields)


@pytest.mark.parametrize("name", ["GROQ_API_KEY", "OPENROUTER_API_KEY", "TOGETHER_API_KEY"])
def test_a_variable_s_connection_is_compared_and_estimated(far_end, model, monkeypatch, name):
    connection = by_variable(monkeypatch, name, far_end(model))
    models = [(connection, "maker/a:x"), (connection, "b")]
    plan = lw.estimate(BILL, ["Bolt bills 12.50 EUR."], models=models, store=Store.in_memory())
    assert "127.0.0.1" in str(plan)
    result = lw.compare(BILL, ["Bolt bills 12.50 EUR."], models=models, store=Store.in_memory())
    assert [each.status for each in result] == ["ok", "ok"]
    assert {body["model"] for body in model.asked} == {"maker/a:x", "b"}


@pytest.mark.parametrize(
    ("name", "listing", "said"),
    [
        ("GROQ_API_KEY", True, "Key accepted."),
        ("OPENROUTER_API_KEY", True, "only a question to a model shows"),
        ("HF_TOKEN", True, "only a question to a model shows"),
        ("GROQ_API_KEY", False, "only a question to a model shows"),
    ],
)
def test_its_check_says_what_the_list_proves(far_end, model, monkeypatch, name, listing, said):
    async def behave(seen, wire):
        if not listing and seen.line.startswith("GET"):
            wire.answer(b"<html>nothing</html>", 404)
            return
        await model(seen, wire)

    report = checked(by_variable(monkeypatch, name, far_end(behave)))
    assert report.ok
    assert said in report.sentence
    assert "Each reference names its model." in report.sentence


def test_its_check_tells_a_key_that_is_refused(far_end, monkeypatch):
    async def refuse(_seen, wire):
        wire.answer({"error": {"message": "Invalid API Key", "code": "invalid_api_key"}}, 401)

    report = checked(by_variable(monkeypatch, "GROQ_API_KEY", far_end(refuse)))
    assert (report.ok, report.status) == (False, "Unauthorized")
