"""A request becomes one generateContent call, and what comes back is read without repair."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmwidgets import errors
from llmwidgets.connections import Connection
from llmwidgets.dialects import gemini
from llmwidgets.dialects.error_meanings import form_refused
from llmwidgets.dialects.gemini import SUBSET
from llmwidgets.dialects.requests import curl_command
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
CREDENTIALS = json.dumps({"type": "service_account", "project_id": "p-1", "private_key": "canary"})
GEMINI = Connection("gemini", api_key="AQ.made-up-key-0001", label="mine")
VERTEX = Connection("vertex_ai", credentials=CREDENTIALS, label="mine")


def a_request(form: ResponseFormat = ResponseFormat.JSON_SCHEMA, **rest: Any) -> Request:
    return Request("m", "Extract.", (TextPart("Bolt bills 3."),), COMPILED, form, 4112, **rest)


def encoded(model: str = "gemini-3.8-flash", connection: Connection = GEMINI, **rest: Any) -> Call:
    return gemini.encode(a_request(**rest), connection.target(model))


@pytest.mark.parametrize("connection", [GEMINI, VERTEX], ids=["gemini", "vertex_ai"])
def test_the_body_is_the_same_for_both_services(connection):
    assert encoded(connection=connection).body == {
        "systemInstruction": {"parts": [{"text": "Extract."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "<document>\nBolt bills 3.\n</document>"}]}
        ],
        "generationConfig": {
            "responseMimeType": "application/json",
            "responseJsonSchema": COMPILED.schema,
            "maxOutputTokens": 4112,
        },
    }


def test_the_key_goes_in_its_own_header_and_nowhere_else():
    call = encoded()
    base = "https://generativelanguage.googleapis.com/v1/models"
    assert call.url == f"{base}/gemini-3.8-flash:generateContent"
    assert [(each.name, each.template) for each in call.auth] == [("x-goog-api-key", "{}")]
    assert call.headers == {}


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ({}, "https://aiplatform.googleapis.com/v1beta1/projects/p-1/locations/global"),
        ({"location": "eu"},
         "https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/p-1/locations/eu"),
        ({"location": "europe-west4", "project": "other"},
         "https://europe-west4-aiplatform.googleapis.com/v1beta1/projects/other/locations/"
         "europe-west4"),
        ({"base_url": "https://gw.example/vertex/v1"},
         "https://gw.example/vertex/v1beta1/projects/p-1/locations/global"),
    ],
)  # fmt: skip
def test_vertex_is_called_by_project_and_location(fields, start):
    """The project comes from the form, else from the credentials; nothing of them is a header."""
    connection = Connection("vertex_ai", credentials=CREDENTIALS, **fields)
    call = encoded(connection=connection)
    assert call.url == f"{start}/publishers/google/models/gemini-3.8-flash:generateContent"
    (header,) = call.auth
    assert (header.name, header.template, header.exchange.source) == (
        "Authorization", "Bearer {}", "google",
    )  # fmt: skip
    assert "canary" not in repr(call)
    assert '"Authorization: Bearer "' in curl_command(call).replace("'", '"')
    assert "${TOKEN}" in curl_command(call)


def test_credentials_without_a_project_take_the_one_that_is_billed():
    user = '{"type": "authorized_user", "quota_project_id": "p-2"}'
    assert "/projects/p-2/" in encoded(connection=Connection("vertex_ai", credentials=user)).url


@pytest.mark.parametrize(
    ("model", "level", "config"),
    [
        ("gemini-3.8-flash", "LOW", {"thinkingLevel": "LOW"}),
        ("gemini-3.6-flash", "MINIMAL", {"thinkingLevel": "MINIMAL"}),
        ("gemini-4-carbon", "HIGH", {"thinkingLevel": "HIGH"}),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-flash", "high", {"thinkingBudget": 24_576}),
        ("gemini-2.5-pro", "minimal", {"thinkingBudget": 128}),
        ("gemini-3.8-flash", None, None),
        ("gemini-of-tomorrow", "LOW", {"thinkingLevel": "LOW"}),
    ],
)
def test_each_model_hears_of_thinking_as_a_level_or_a_budget_never_both(model, level, config):
    sent = encoded(model, effort_sent=level).body["generationConfig"]
    assert sent.get("thinkingConfig") == config


def test_a_budget_of_nothing_turns_thinking_off_for_one_model_at_vertex_alone():
    model = "gemini-3.1-pro-preview"
    assert PROVIDERS["gemini"].facts(model).efforts[0] == "LOW"
    assert PROVIDERS["vertex_ai"].facts(model).efforts[0] == "none"
    sent = encoded(model, VERTEX, effort_sent="none").body["generationConfig"]
    assert sent["thinkingConfig"] == {"thinkingBudget": 0}
    sent = encoded(model, VERTEX, effort_sent="HIGH").body["generationConfig"]
    assert sent["thinkingConfig"] == {"thinkingLevel": "HIGH"}


@pytest.mark.parametrize(
    ("form", "keys"),
    [
        (ResponseFormat.JSON_SCHEMA, {"responseMimeType", "responseJsonSchema"}),
        (ResponseFormat.JSON_OBJECT, {"responseMimeType"}),
        (ResponseFormat.TEXT, set()),
    ],
)
def test_each_form_sends_its_own_keys(form, keys):
    sent = encoded(form=form).body["generationConfig"]
    assert set(sent) - {"maxOutputTokens"} == keys


@pytest.mark.parametrize("form", [ResponseFormat.TOOL, ResponseFormat.JSON_OBJECT_SCHEMA])
def test_a_form_of_another_format_is_refused_before_it_is_sent(form):
    with pytest.raises(errors.BadRequest) as caught:
        encoded(form=form)
    assert form_refused(caught.value)


def test_a_temperature_is_sent_only_where_one_is_given():
    assert "temperature" not in encoded().body["generationConfig"]
    assert encoded(temperature=0.0).body["generationConfig"]["temperature"] == 0.0


def test_examples_are_turns_of_the_model_and_the_last_turn_is_the_users():
    contents = encoded(examples=(Example("Bill 6.", {"name": "Nut"}),)).body["contents"]
    assert [each["role"] for each in contents] == ["user", "model", "user"]
    assert json.loads(contents[1]["parts"][0]["text"])["name"] == "Nut"


@pytest.mark.parametrize("row", recorded("gemini_replies"), ids=lambda row: row["what"])
def test_each_recorded_reply_is_read(row):
    reply = gemini.decode(payload_of(row), call=encoded())
    want = dict(row["reply"])
    assert reply.usage == Usage(*want.pop("usage"))
    assert {name: getattr(reply, name) for name in want} == want


@pytest.mark.parametrize("parts", [5, 1.5, True, "text", {"text": "{}"}, [5, None]], ids=str)
def test_parts_of_another_type_say_nothing(parts):
    body = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    assert gemini.decode(payload_of({"body": body})).text == ""


def test_every_way_to_stop_that_the_vendor_documents_has_an_ending():
    """What filters stands in two of its lists; none of those words passes as a whole answer."""
    from google.genai import types

    harmless = {
        "FINISH_REASON_UNSPECIFIED", "STOP", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "NO_IMAGE",
        "IMAGE_OTHER", "PUP_LIMITED_DISABLED",
    }  # fmt: skip
    for reason in types.FinishReason:
        body = {"candidates": [{"finishReason": reason.value}]}
        ending = gemini.decode(payload_of({"body": body})).ending
        assert (ending == "complete") is (reason.value in harmless), reason
    for reason in types.BlockedReason:
        body = {"promptFeedback": {"blockReason": reason.value}}
        reply = gemini.decode(payload_of({"body": body}))
        assert (reply.ending, reply.explanation) == ("filtered", reason.value)


@pytest.mark.parametrize(
    "body", [b"<html>", b'"x"', b"{}", b'{"choices": []}', b'{"content": []}', b"\xff"]
)
def test_what_is_no_answer_of_google_is_unreachable_and_says_where(body):
    with pytest.raises(errors.Unreachable, match=r"googleapis\.com/v1/models/gemini"):
        gemini.decode(HTTPResponse(200, {}, body, 0.1), call=encoded())


def test_the_list_of_models_keeps_those_that_answer_texts_over_all_pages():
    call = gemini.models_call(GEMINI.target("m"))
    assert call.url == "https://generativelanguage.googleapis.com/v1/models?pageSize=1000"
    rows = [
        {"name": "models/gemini-3.8-flash", "inputTokenLimit": 1_048_576,
         "outputTokenLimit": 65_536,
         "supportedGenerationMethods": ["generateContent", "countTokens"]},
        {"name": "models/embedder", "supportedGenerationMethods": ["embedContent"]},
        {"displayName": "no name"},
    ]  # fmt: skip
    body = json.dumps({"models": rows, "nextPageToken": "a/b="}).encode()
    (listed,), following = gemini.listed_models(HTTPResponse(200, {}, body, 0.1), call)
    assert (listed.id, listed.input_limit, listed.output_limit) == (
        "gemini-3.8-flash", 1_048_576, 65_536,
    )  # fmt: skip
    assert following is not None
    assert following.url.endswith("?pageSize=1000&pageToken=a%2Fb%3D")
    again = gemini.listed_models(HTTPResponse(200, {}, body, 0.1), following)[1]
    assert again is not None
    assert again.url.count("pageToken") == 1
    last = HTTPResponse(200, {}, b'{"models": []}', 0.1)
    assert gemini.listed_models(last, following) == ([], None)


def test_vertex_lists_the_publishers_models_and_counts_tokens_for_free():
    call = gemini.models_call(VERTEX.target("m"))
    assert call.url == (
        "https://aiplatform.googleapis.com/v1beta1/publishers/google/models?pageSize=100"
    )
    body = b'{"publisherModels": [{"name": "publishers/google/models/gemini-x"}]}'
    (listed,), _ = gemini.listed_models(HTTPResponse(200, {}, body, 0.1), call)
    assert listed.id == "gemini-x"
    counted = gemini.count_call(VERTEX.target("gemini-x"))
    assert counted is not None
    assert counted.url.endswith("/publishers/google/models/gemini-x:countTokens")
    assert set(counted.body) == {"contents"}
