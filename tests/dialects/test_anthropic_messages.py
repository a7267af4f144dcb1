"""A request becomes one Messages call, and what comes back is read without repair."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmwidgets import errors
from llmwidgets.connections import Connection
from llmwidgets.dialects import anthropic
from llmwidgets.dialects.anthropic import SUBSET
from llmwidgets.dialects.error_meanings import form_refused
from llmwidgets.dialects.types import (
    Call,
    Example,
    HTTPResponse,
    Request,
    ResponseFormat,
    TextPart,
    Usage,
)
from llmwidgets.providers import PROVIDERS
from llmwidgets.schemas import read_schema
from tests.dialects.strict import payload_of, recorded

SCHEMA = read_schema(
    {
        "title": "Invoice",
        "type": "object",
        "properties": {"name": {"type": "string"}, "total": {"type": "number", "minimum": 0}},
        "required": ["name"],
    }
)
COMPILED = SCHEMA.compile(SUBSET)
CONNECTION = Connection("anthropic", api_key="sk-ant-api03-made-up-key-0001", label="mine")


def a_request(
    form: ResponseFormat = ResponseFormat.JSON_SCHEMA, schema: Any = COMPILED, **rest: Any
) -> Request:
    return Request("m", "Extract.", (TextPart("Bolt bills 3."),), schema, form, 4112, **rest)


def encoded(model: str = "claude-sonnet-5-5", **rest: Any) -> Call:
    return anthropic.encode(a_request(**rest), CONNECTION.target(model))


def test_the_body_is_the_one_of_the_messages_format():
    call = encoded()
    assert (call.method, call.url) == ("POST", "https://api.anthropic.com/v1/messages")
    assert call.headers == {"anthropic-version": "2026-10-21"}
    assert [header.name for header in call.auth] == ["x-api-key"]
    assert call.body == {
        "model": "claude-sonnet-5-5",
        "max_tokens": 4112,
        "system": "Extract.",
        "messages": [
            {"role": "user", "content": "<document>\nBolt bills 3.\n</document>"},
        ],
        "output_config": {"format": {"type": "json_schema", "schema": COMPILED.schema}},
    }


def test_a_login_token_goes_as_bearer_and_a_key_as_x_api_key():
    token = Connection("anthropic", api_key="sk-ant-oat01-made-up-0001").target("m")
    assert [(each.name, each.template) for each in token.auth] == [("Authorization", "Bearer {}")]


@pytest.mark.parametrize(
    ("model", "level", "thinking", "effort"),
    [
        ("claude-haiku-5-5", "none", {"type": "disabled"}, None),
        ("claude-sonnet-5-5", "none", {"type": "between_tools"}, None),
        ("claude-opus-5-5", "low", {"type": "adaptive"}, "low"),
        ("claude-opus-4-8", "none", {"type": "disabled"}, None),
        ("claude-opus-4-8", "high", {"type": "adaptive"}, "high"),
        ("claude-opus-4-5", "low", {"type": "enabled", "budget_tokens": 2048}, "low"),
        ("claude-sonnet-4-5", "medium", {"type": "enabled", "budget_tokens": 3088}, None),
        ("claude-haiku-4-5", None, None, None),
        ("claude-of-tomorrow", None, None, None),
    ],
)
def test_each_model_hears_of_thinking_in_its_own_words(model, level, thinking, effort):
    body = encoded(model, effort_sent=level).body
    assert body.get("thinking") == thinking
    assert body["output_config"].get("effort") == effort


def test_the_least_thinking_is_off_wherever_a_model_can_be_without():
    least = {facts.id: facts.efforts[0] for facts in PROVIDERS["anthropic"].models}
    always = {model for model, level in least.items() if level != "none"}
    assert always == {"claude-opus-5-5", "claude-fable-5", "claude-fable-5-1", "claude-fable-5-2"}


def test_a_budget_is_always_below_the_output_limit():
    """The server refuses a limit that is not larger than the budget."""
    for limit in (16, 1024, 1025, 3000, 30_000):
        request = Request(
            "m", "", (TextPart("x"),), COMPILED, ResponseFormat.TEXT, limit, effort_sent="high"
        )
        body = anthropic.encode(request, CONNECTION.target("claude-haiku-4-5")).body
        assert 1024 <= body["thinking"]["budget_tokens"] < body["max_tokens"]
        assert body["max_tokens"] <= max(limit, 1025)


def test_no_sampling_parameter_is_ever_sent():
    body = encoded(temperature=0.0).body
    assert not {"temperature", "top_p", "top_k"} & set(body)
    assert anthropic.SAMPLING is False


@pytest.mark.parametrize(
    ("model", "level", "choice"),
    [
        ("claude-haiku-5-5", None, {"type": "tool", "name": "record"}),
        ("claude-opus-4-8", "high", {"type": "tool", "name": "record"}),
        ("claude-opus-5-5", None, {"type": "auto"}),
        ("claude-sonnet-5-5", None, {"type": "auto"}),
        ("claude-fable-5-2", None, {"type": "auto"}),
        ("claude-haiku-4-5", "high", {"type": "auto"}),
        ("claude-of-tomorrow", None, {"type": "auto"}),
    ],
)
def test_a_tool_is_forced_only_where_the_model_lets_it_be(model, level, choice):
    body = encoded(model, form=ResponseFormat.TOOL, effort_sent=level).body
    assert body["tool_choice"] == choice
    (tool,) = body["tools"]
    assert tool == {
        "name": "record", "description": "Record the extraction", "input_schema": COMPILED.schema,
    }  # fmt: skip
    assert "strict" not in tool
    assert "Call the tool record once" in body["system"]
    assert "format" not in body.get("output_config", {})


def a_large_schema(optional: int, unions: int) -> Any:
    some = {f"o{i}": {"type": "string"} for i in range(optional)}
    more = {f"u{i}": {"type": ["string", "number"]} for i in range(unions)}
    schema = {"type": "object", "properties": {**some, **more}, "required": list(more)}
    return read_schema(schema).compile(SUBSET)


@pytest.mark.parametrize(
    ("optional", "unions", "form"),
    [
        (24, 16, ResponseFormat.JSON_SCHEMA),
        (2, 17, ResponseFormat.TOOL),
        (0, 0, ResponseFormat.JSON_SCHEMA),
    ],
)
def test_a_schema_beyond_the_limits_travels_as_a_tool(optional, unions, form):
    compiled = a_large_schema(optional, unions)
    assert anthropic.form_for(ResponseFormat.JSON_SCHEMA, compiled) is form
    assert anthropic.form_for(ResponseFormat.TEXT, compiled) is ResponseFormat.TEXT


def test_examples_are_turns_and_the_last_turn_is_the_users():
    """A prefilled answer is refused by newer models."""
    examples = (Example("Bill 6.", {"name": "Nut"}),)
    messages = encoded(examples=examples).body["messages"]
    assert [each["role"] for each in messages] == ["user", "assistant", "user"]
    assert json.loads(messages[1]["content"])["name"] == "Nut"


@pytest.mark.parametrize("form", [ResponseFormat.JSON_OBJECT, ResponseFormat.JSON_OBJECT_SCHEMA])
def test_a_form_of_another_format_is_refused_before_it_is_sent(form):
    with pytest.raises(errors.BadRequest) as caught:
        encoded(form=form)
    assert form_refused(caught.value)


@pytest.mark.parametrize("row", recorded("anthropic_replies"), ids=lambda row: row["what"])
def test_each_recorded_reply_is_read(row):
    reply = anthropic.decode(payload_of(row), call=encoded())
    want = dict(row["reply"])
    assert reply.usage == Usage(*want.pop("usage"))
    assert {name: getattr(reply, name) for name in want} == want


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'"x"', b"{}", b'{"content": []}', b'{"choices": []}', b"\xff"]
)
def test_what_is_no_message_is_unreachable_and_says_where(body):
    with pytest.raises(errors.Unreachable, match=r"api\.anthropic\.com/v1/messages"):
        anthropic.decode(HTTPResponse(200, {}, body, 0.1), call=encoded())


def test_the_list_of_models_tells_limits_and_ends_and_is_read_over_all_pages():
    call = anthropic.models_call(CONNECTION.target("m"))
    assert call.url == "https://api.anthropic.com/v1/models?limit=1000"
    rows = [
        {"id": "claude-a", "type": "model", "lifecycle": "deprecated", "max_tokens": 64_000,
         "max_input_tokens": 200_000, "retires_at": "2026-11-30T00:00:00Z"},
        {"id": "claude-b", "type": "model", "lifecycle": "active", "retires_at": None},
        {"name": "no id"},
    ]  # fmt: skip
    body = {"data": rows, "has_more": True, "first_id": "claude-a", "last_id": "claude b&c"}
    page = HTTPResponse(200, {}, json.dumps(body).encode(), 0.1)
    listed, following = anthropic.listed_models(page, call)
    first = listed[0]
    assert (first.id, first.ends, first.lifecycle) == ("claude-a", "2026-11-30", "deprecated")
    assert (first.input_limit, first.output_limit) == (200_000, 64_000)
    assert [each.id for each in listed] == ["claude-a", "claude-b"]
    assert following is not None
    assert following.url.endswith("/v1/models?limit=1000&after_id=claude%20b%26c")
    assert following.auth == call.auth
    last = HTTPResponse(200, {}, b'{"data": [], "has_more": false, "last_id": "x"}', 0.1)
    assert anthropic.listed_models(last, following) == ([], None)


def test_a_list_that_is_none_is_an_error():
    with pytest.raises(errors.Unreachable):
        anthropic.listed_models(HTTPResponse(200, {}, b"<html>", 0.1))
    with pytest.raises(errors.Overloaded):
        anthropic.listed_models(
            HTTPResponse(500, {}, b'{"error": {"type": "api_error", "message": "x"}}', 0.1)
        )
