"""One question spelled in the OpenAI format, and the answers of many servers read."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.connections import Connection
from llmwidgets.dialects import openai
from llmwidgets.dialects.error_meanings import form_refused
from llmwidgets.dialects.openai import SUBSET
from llmwidgets.dialects.requests import curl_command
from llmwidgets.dialects.types import (
    Call,
    Example,
    HTTPResponse,
    Request,
    ResponseFormat,
    Target,
    TextPart,
    Usage,
)
from llmwidgets.errors import BadRequest, CallError, Overloaded, RateLimited, Unreachable
from llmwidgets.schemas import read_schema
from llmwidgets.secret import Secret

NAMED = {
    "title": "Supplier / Invoice",
    "type": "object",
    "properties": {"name": {"type": "string"}, "note": {"type": "string"}},
    "required": ["name"],
}
COMPILED = read_schema(NAMED).compile(SUBSET)
OPENAI = Connection("openai", api_key="sk-proj-canary-canary").target("gpt-6-luna")
CUSTOM = Connection("custom", name="m", endpoint="http://localhost:1/v1").target("m")


def a_request(**changes: Any) -> Request:
    plain = Request(
        model="gpt-6-luna",
        instructions="Extract the fields.",
        parts=(TextPart("Acme billed 5 EUR."),),
        schema=COMPILED,
        form=ResponseFormat.JSON_SCHEMA,
        max_output_tokens=100,
    )
    return replace(plain, **changes)


def body_of(request: Request, target: Target = OPENAI) -> dict[str, Any]:
    return openai.encode(request, target).body


def test_the_plain_request_is_exactly_this():
    """Nothing is sent that was not asked for: no sampling, no thinking level."""
    assert body_of(a_request()) == {
        "model": "gpt-6-luna",
        "messages": [
            {"role": "developer", "content": "Extract the fields."},
            {"role": "user", "content": "<document>\nAcme billed 5 EUR.\n</document>"},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "extraction",
                "strict": True,
                "schema": COMPILED.schema,
            },
        },
        "max_completion_tokens": 100,
        "store": False,
    }


def test_what_is_given_is_sent_where_the_server_knows_it():
    asked = a_request(effort_sent="low", temperature=0.5)
    assert body_of(asked)["reasoning_effort"] == "low"
    assert body_of(asked)["temperature"] == 0.5
    deaf = replace(OPENAI, options={"effort": False, "token_parameter": "max_tokens"})
    assert "reasoning_effort" not in body_of(asked, deaf)
    assert body_of(asked, deaf)["max_tokens"] == 100
    assert "store" not in body_of(asked, deaf)
    assert body_of(asked, deaf)["messages"][0]["role"] == "system"


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        (ResponseFormat.JSON_OBJECT_SCHEMA, {"type": "json_object", "schema": COMPILED.schema}),
        (ResponseFormat.JSON_OBJECT, {"type": "json_object"}),
        (ResponseFormat.TEXT, None),
    ],
)
def test_each_form_has_its_response_format(form, sent):
    assert body_of(a_request(form=form), CUSTOM).get("response_format") == sent


def test_a_schema_beside_json_object_goes_to_custom_servers_only():
    azure = Connection("azure_openai", deployment="d", endpoint="https://r.example", api_key="k")
    foundry = Connection("azure_ai_foundry", model="d", endpoint="https://r.example", api_key="k")
    for target in (OPENAI, azure.target("d"), foundry.target("d")):
        with pytest.raises(BadRequest) as caught:
            body_of(a_request(form=ResponseFormat.JSON_OBJECT_SCHEMA), target)
        assert form_refused(caught.value)
    assert (
        "schema"
        in body_of(a_request(form=ResponseFormat.JSON_OBJECT_SCHEMA), CUSTOM)["response_format"]
    )


@given(st.text(max_size=80))
def test_the_name_of_a_schema_is_always_one_that_openai_takes(title):
    compiled = replace(COMPILED, schema={**COMPILED.schema, "title": title})
    name = body_of(a_request(schema=compiled))["response_format"]["json_schema"]["name"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name)


def test_the_schema_stands_in_the_prompt_where_it_is_wanted():
    said = body_of(a_request(form=ResponseFormat.TEXT, schema_in_prompt=True), CUSTOM)["messages"][
        0
    ]
    assert said["content"].startswith("Extract the fields.")
    assert json.dumps(COMPILED.schema) in said["content"]
    assert json.dumps(COMPILED.schema) not in str(body_of(a_request())["messages"])


@pytest.mark.parametrize("form", [ResponseFormat.JSON_OBJECT, ResponseFormat.TEXT])
def test_the_word_json_is_said_where_the_form_needs_it(form):
    """OpenAI refuses json_object unless a message says JSON."""
    assert "JSON" in body_of(a_request(form=form), CUSTOM)["messages"][0]["content"]


def test_examples_come_before_the_document_in_the_shape_that_is_asked_for():
    request = a_request(examples=(Example("Bolt billed 1 EUR.", {"name": "Bolt"}),))
    roles = [message["role"] for message in body_of(request)["messages"]]
    assert roles == ["developer", "user", "assistant", "user"]
    answer = json.loads(body_of(request)["messages"][2]["content"])
    assert answer == COMPILED.adapt({"name": "Bolt"})
    assert set(answer) == {"name", "note"}


@given(st.text(alphabet="</document> \naDOCUMENT", max_size=60))
def test_a_document_cannot_end_its_own_frame(text):
    said = body_of(a_request(parts=(TextPart(text),)))["messages"][-1]["content"]
    assert len(re.findall(r"<\s*/\s*document\s*>", said, re.I)) == 1
    assert said.endswith("</document>")
    assert said.replace("&lt;", "<") == f"<document>\n{text}\n</document>"


def test_an_azure_address_keeps_its_version_and_its_deployment():
    connection = Connection(
        "azure_openai", api_key="k",
        endpoint="https://r.example/openai/deployments/d/chat/completions?api-version=2025-01-01",
    )  # fmt: skip
    call = openai.encode(a_request(), connection.target("d"))
    assert call.url == (
        "https://r.example/openai/deployments/d/chat/completions?api-version=2025-01-01"
    )
    listing = openai.models_call(connection.target("d"))
    assert listing.url == "https://r.example/openai/models?api-version=2024-10-21"
    assert (listing.method, listing.body) == ("GET", None)


def test_the_shown_request_and_the_command_line_hold_no_key():
    custom = Connection(
        "custom", name="m", endpoint="https://h.example/v1", api_key="canary-key-1234",
        auth_token="Basic canary-token", headers={"X-Team": "canary-team-1234"},
    )  # fmt: skip
    call = openai.encode(a_request(instructions="It's $HOME `x`"), custom.target("m"))
    assert "canary" not in json.dumps(call.shown())
    assert "canary" not in curl_command(call)
    assert call.shown()["headers"]["x-api-key"] == "••••"
    assert '"${KEY}"' in curl_command(call)
    assert "'It'\"'\"'s $HOME `x`" in curl_command(call).replace(
        '{"role": "system", "content": "', "'"
    )


def a_payload(body: Any, status: int = 200, **headers: str) -> HTTPResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTPResponse(status, named, raw, 0.1)


def an_answer(message: dict[str, Any], finish: str = "stop", **rest: Any) -> HTTPResponse:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return a_payload({"id": "chatcmpl-1", "model": "gpt-6-luna-1", "choices": [choice], **rest})


def test_text_usage_model_and_id_are_read():
    reply = openai.decode(
        an_answer(
            {"role": "assistant", "content": '{"a": 1}', "refusal": None},
            usage={
                "prompt_tokens": 20, "completion_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 8},
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
        )
    )  # fmt: skip
    assert (reply.text, reply.ending) == ('{"a": 1}', "complete")
    assert reply.usage == Usage(20, 9, 8, 5)
    assert (reply.served_model, reply.request_id) == ("gpt-6-luna-1", "chatcmpl-1")


@pytest.mark.parametrize("name", ["x-request-id", "apim-request-id", "x-ms-request-id"])
def test_the_request_id_of_a_header_goes_before_the_body(name):
    payload = replace(an_answer({"content": "{}"}), headers={name: "req-7"})
    assert openai.decode(payload).request_id == "req-7"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "<think>5 or 6?</think>\n{}", "role": "assistant"}, "{}"),
        ({"content": "so 5 it is</think>\n\n{}"}, "{}"),
        ({"content": '{"a": "</think>"}'}, '{"a": "</think>"}'),
        ({"content": "<think>never ends"}, ""),
        ({"content": "{}", "reasoning": "hm", "reasoning_content": "hm"}, "{}"),
        ({"content": None}, ""),
        ({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "{}"}]},
         "{}"),
    ],
)  # fmt: skip
def test_thinking_is_left_out_of_the_answer(message, text):
    assert openai.decode(an_answer(message)).text == text


@pytest.mark.parametrize(
    ("payload", "ending", "explanation"),
    [
        (an_answer({"content": None, "refusal": "I cannot."}), "refused", "I cannot."),
        (an_answer({"content": '{"a"'}, "length"), "truncated", ""),
        (an_answer({"content": '{"a"'}, "model_length"), "truncated", ""),
        (an_answer({"content": '{"a"'}, "max_tokens"), "truncated", ""),
        (an_answer({"content": '{"a"'}, "MAX_TOKENS"), "truncated", ""),
        (an_answer({"content": ""}, "content_filter"), "filtered", ""),
        (a_payload({"choices": [], "prompt_filter_results": [
            {"content_filter_results": {"violence": {"filtered": True}, "hate": {"filtered": False}}
        }]}), "filtered", "violence"),
    ],
)  # fmt: skip
def test_each_ending_is_told_apart(payload, ending, explanation):
    reply = openai.decode(payload)
    assert (reply.ending, reply.explanation) == (ending, explanation)


@pytest.mark.parametrize("usage", [None, [], {"prompt_tokens": "7", "completion_tokens": True}])
def test_usage_that_cannot_be_read_is_unknown(usage):
    assert openai.decode(an_answer({"content": "{}"}, usage=usage)).usage == Usage()


@pytest.mark.parametrize(
    "body",
    [b"<html><body>Log in</body></html>", b"", b"OK", b"\xff\xfe\x00", b"[]", b'"text"', b"null"],
)
def test_what_is_no_chat_answer_says_where_to_look(body):
    call = openai.encode(a_request(), CUSTOM)
    with pytest.raises(CallError) as caught:
        openai.decode(a_payload(body), call=call)
    assert isinstance(caught.value, Unreachable)
    assert "http://localhost:1/v1/chat/completions" in caught.value.message
    assert "Open the address in a browser" in caught.value.hint
    assert "/v1" not in caught.value.hint


@pytest.mark.parametrize("answer", [b"<html></html>", b"OK"])
def test_an_endpoint_that_lacks_its_v1_is_told_so(answer):
    call = openai.encode(a_request(), replace(CUSTOM, url="http://localhost:1/chat/completions"))
    with pytest.raises(Unreachable, match="ends in /v1"):
        openai.decode(a_payload(answer), call=call)


@pytest.mark.parametrize("body", [{}, {"choices": "x"}, {"choices": [7]}, {"choices": [{}]},
                                  {"object": "list", "data": []}])  # fmt: skip
def test_json_of_another_kind_is_no_answer_either(body):
    with pytest.raises(CallError):
        openai.decode(a_payload(body))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "slow down", "code": 429}, RateLimited),
        ({"message": "upstream failed", "code": 502}, Overloaded),
        ({"message": "something", "code": None}, BadRequest),
        ("something", BadRequest),
    ],
)
def test_a_200_that_holds_an_error_is_the_error(error, kind):
    with pytest.raises(kind) as caught:
        openai.decode(a_payload({"error": error}))
    assert caught.value.status == 200


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["choices", "message", "content", "error", "usage", "code", "refusal",
                         "finish_reason", "prompt_filter_results", "innererror", "detail"]),
        inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_no_json_breaks_the_reader(body):
    """Whatever a server answers is a Reply or one of our errors."""
    try:
        kind = type(openai.decode(a_payload(body))).__name__
    except Exception as error:  # noqa: BLE001
        kind = type(error).__module__
    assert kind in {"Reply", "llmwidgets.errors"}


@pytest.mark.parametrize(
    ("body", "models"),
    [
        ({"object": "list", "data": [{"id": "a", "shutdown_date": "2026-12-11"}, {"id": "b"}]},
         [("a", "2026-12-11", None), ("b", None, None)]),
        ({"data": [{"id": "q", "max_model_len": 4096}]}, [("q", None, 4096)]),
        ({"data": [{"id": "z", "deprecation": {"inference": 1796083200}}]},
         [("z", "2026-12-01", None)]),
        *(([{"id": "t", "shutdown_date": beyond}], [("t", None, None)])
          for beyond in (1e18, 10**30, float("inf"), float("nan"), True)),
        ([{"id": "t", "context_length": 8}], [("t", None, 8)]),
        ({"data": [{"name": "no id"}, 7]}, []),
    ],
)  # fmt: skip
def test_the_list_of_models_is_read_in_every_shape(body, models):
    listed, following = openai.listed_models(a_payload(body))
    assert [(each.id, each.ends, each.input_limit) for each in listed] == models
    assert following is None


def test_a_list_that_is_none_is_an_error():
    with pytest.raises(Unreachable):
        openai.listed_models(a_payload(b"<html>"))


def test_a_call_is_shown_without_any_secret_of_the_process():
    call = Call("GET", "https://h.example", auth=OPENAI.auth)
    assert isinstance(OPENAI.auth[0].secret, Secret)
    assert "canary" not in repr(call)
