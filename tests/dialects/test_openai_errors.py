"""What servers say when they refuse becomes one class, one sentence and one next step."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets import errors
from llmwidgets.connections import Connection
from llmwidgets.dialects import openai as openai_chat
from llmwidgets.dialects.error_meanings import form_refused, parameter_refused
from llmwidgets.dialects.openai import SUBSET, explain
from llmwidgets.dialects.types import Call, HTTPResponse, Request, ResponseFormat, TextPart
from llmwidgets.schemas import read_schema
from llmwidgets.secret import Secret

DOCUMENT = "Marigold Trading owes 1234 EUR to Peter Quill since the third of May."
COMPILED = read_schema({"type": "object", "properties": {"a": {"type": "string"}}}).compile(SUBSET)


def a_payload(status: int, body: Any, **headers: str) -> HTTPResponse:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTPResponse(status, named, raw, 0.1)


def a_call(key: str | None = "sk-proj-canary-canary") -> Call:
    connection = Connection("custom", name="m", endpoint="https://h.example/v1", api_key=key)
    request = Request(
        "m", "Extract.", (TextPart(DOCUMENT),), COMPILED, ResponseFormat.JSON_SCHEMA, 100
    )
    return openai_chat.encode(request, connection.target("m"))


def openai(message: str, code: str | None = None, kind: str = "invalid_request_error",
           param: str | None = None) -> dict[str, Any]:  # fmt: skip
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


AZURE_FILTER = {
    "error": {
        "message": "The response was filtered due to the prompt triggering the policy.",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {
                "hate": {"filtered": False, "severity": "safe"},
                "violence": {"filtered": True, "severity": "high"},
            },
        },
    }
}

CASES = [
    # (status, body, class, words that the sentence or hint holds)
    (401, openai("Incorrect API key provided: sk-proj-********abcd.", "invalid_api_key"),
     errors.Unauthorized, "The key was not accepted by h.example."),
    (401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key or "
                     "wrong API endpoint."}}, errors.Unauthorized, "another resource"),
    (401, {"statusCode": 401, "message": "Unauthorized. Access token is missing."},
     errors.Unauthorized, "not accepted"),
    (401, {"error": "Unauthorized"}, errors.Unauthorized, "not accepted"),
    (401, "<html>sign in</html>", errors.Unauthorized, "not accepted"),
    (400, openai("API key not valid. Please pass a valid API key.", "API_KEY_INVALID"),
     errors.Unauthorized, "not accepted"),
    (403, openai("Project `p` does not have access to model `m`", "model_not_found"),
     errors.Forbidden, "no access to the model m"),
    (403, openai("Your account is deactivated.", "account_deactivated"), errors.Forbidden,
     "deactivated"),
    (403, "<html>blocked</html>", errors.Forbidden, "proxy or firewall"),
    (404, openai("The model `m` does not exist or you do not have access to it.",
                 "model_not_found"), errors.UnknownModel, "no model m"),
    (404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this "
                     "resource does not exist."}}, errors.UnknownModel, "deployment's name"),
    (404, openai('model "m" not found, try pulling it first', None, "not_found_error"),
     errors.UnknownModel, "ollama pull m"),
    (400, {"error": {"code": "unknown_model", "message": "Unknown model: m"}},
     errors.UnknownModel, "no model m"),
    (404, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError",
           "param": None, "code": 404}, errors.UnknownModel, "no model"),
    (404, {"error": {"code": "404", "message": "Resource not found"}}, errors.Unreachable, "/v1"),
    (404, {"detail": "Not Found"}, errors.Unreachable, "/v1"),
    (404, "404 page not found", errors.Unreachable, "/v1"),
    (405, {"detail": "Method Not Allowed"}, errors.Unreachable, "/v1"),
    (404, "<!doctype html><title>404</title>", errors.Unreachable, "https://h.example/v1/chat"),
    (429, openai("Rate limit reached", "rate_limit_exceeded", "requests"), errors.RateLimited,
     "no more requests"),
    (429, {"error": {"code": "RateLimitReached", "message": "Please retry after 26 seconds."}},
     errors.RateLimited, "Wait 26 s"),
    (429, openai("You exceeded your current quota, check your plan.", "insufficient_quota"),
     errors.QuotaExhausted, "no credit or quota"),
    (402, {"error": "Payment required"}, errors.QuotaExhausted, "no credit or quota"),
    (400, AZURE_FILTER, errors.Filtered, "violence"),
    (400, openai("Your request was rejected.", "content_policy_violation"), errors.Filtered,
     "safety filter"),
    (400, openai("This model's maximum context length is 128000 tokens.",
                 "context_length_exceeded"), errors.TooLong, "longer than the model m can read"),
    (400, openai("Input tokens exceed the configured limit of 922000 tokens."), errors.TooLong,
     "longer"),
    (400, {"error": {"code": 400, "message": "the request exceeds the available context size",
                     "type": "exceed_context_size_error"}}, errors.TooLong, "longer"),
    (413, "<html>Request Entity Too Large</html>", errors.TooLong, "longer"),
    (302, "<html>moved</html>", errors.Unreachable, "redirect"),
    (413, {"error": "too large"}, errors.TooLong, "longer"),
    (400, openai("Could not finish the message because max_tokens or model output limit was "
                 "reached."), errors.Truncated, "output limit"),
    (503, openai("The engine is overloaded", None, "server_error"), errors.Overloaded, "503"),
    (500, "Internal Server Error", errors.Overloaded, "500"),
    (529, {"error": "overloaded"}, errors.Overloaded, "529"),
    (502, "<html>Bad Gateway</html>", errors.Overloaded, "502"),
    (408, {}, errors.Overloaded, "408"),
    (400, openai("API version not supported"), errors.BadRequest, "api-version"),
    (400, {"detail": [{"loc": ["body", "messages"], "msg": "field required", "type": "missing"}]},
     errors.BadRequest, "body.messages field required"),
    (418, {}, errors.BadRequest, "418"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind", "words"), CASES)
def test_each_shape_of_refusal_has_its_class_and_sentence(status, body, kind, words):
    error = explain(a_payload(status, body), call=a_call())
    assert type(error) is kind
    assert words in str(error)
    assert error.hint
    assert "canary" not in str(error)
    if isinstance(error, errors.CallError):
        assert (error.label, error.model, error.status) == ("m", "m", status)


FORMS = [
    (400, {"error": "'response_format.type' must be 'json_schema' or 'text'"}, "response_format"),
    (400, openai("Unknown parameter: 'response_format.schema'", "unknown_parameter",
                 param="response_format.schema"), "response_format"),
    (422, {"detail": "json_schema is not supported by this model"}, "response_format"),
    (501, {"error": {"message": "grammar not implemented", "code": 501}}, "response_format"),
    (404, {"error": "No endpoint supports structured outputs"}, "response_format"),
    (400, openai("Invalid schema for response_format 'x': In context=('properties','a'), "
                 "'default' is not permitted.", None, param="response_format"), "invalid_schema"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "code"), FORMS)
def test_a_form_that_a_server_does_not_take_is_told_from_other_mistakes(status, body, code):
    """So that a probe climbs down the ladder, and only then."""
    error = explain(a_payload(status, body))
    assert isinstance(error, errors.BadRequest)
    assert error.code == code
    assert form_refused(error)


@pytest.mark.parametrize(("status", "body", "kind", "words"), CASES)
def test_no_other_refusal_is_taken_for_the_form(status, body, kind, words):
    assert not form_refused(explain(a_payload(status, body)))


@pytest.mark.parametrize(
    ("message", "param", "name"),
    [
        ("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
         "'max_completion_tokens' instead.", "max_tokens", "max_tokens"),
        ("Unsupported value: 'temperature' does not support 0.5 with this model.", "temperature",
         "temperature"),
        ("Unrecognized request argument supplied: store", None, "store"),
        ("Extra inputs are not permitted: reasoning_effort", None, "reasoning_effort"),
        ("Something else", None, None),
    ],
)  # fmt: skip
def test_the_parameter_that_is_not_taken_is_named(message, param, name):
    error = explain(a_payload(400, openai(message, None, param=param)))
    assert parameter_refused(error) == name


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry_after_ms": "1500", "retry_after": "9"}, "", 1.5),
        ({"retry_after": "2.5"}, "", 2.5),
        ({"retry_after": "Mon, 23 Nov 2026 10:00:30 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"},
         "", 30.0),
        ({"retry_after": "Mon, 23 Nov 2026 09:00:00 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"},
         "", 0.0),
        ({}, "Please try again in 20s.", 20.0),
        ({}, "Please try again in 120ms.", 0.12),
        ({}, "Please retry in 37.8s", 37.8),
        ({"retry_after": "soon"}, "", None),
        ({"retry_after": "-5"}, "", None),
        ({"retry_after": "nan"}, "", None),
        ({}, "", None),
    ],
)  # fmt: skip
def test_the_wait_that_a_server_asks_for_is_read(headers, message, seconds):
    error = explain(a_payload(429, openai(message), **headers))
    assert isinstance(error, errors.RateLimited)
    assert error.retry_after == (pytest.approx(seconds) if seconds is not None else None)


def test_a_server_that_forbids_a_retry_is_heard():
    error = explain(a_payload(503, {}, x_should_retry="false"))
    assert isinstance(error, errors.Overloaded)
    assert error.code == "x-should-retry: false"


def test_a_gateway_that_timed_out_may_have_been_answered():
    late = explain(a_payload(504, "<html>"))
    busy = explain(a_payload(503, {}))
    assert isinstance(late, errors.CallError)
    assert isinstance(busy, errors.CallError)
    assert (late.perhaps_answered, busy.perhaps_answered) == (True, False)


def test_a_redirect_names_the_host_and_is_not_followed():
    error = explain(a_payload(307, "", location="https://user:pw@other.example/v1?key=canary"))
    assert isinstance(error, errors.Unreachable)
    assert "https://other.example" in error.message
    assert "canary" not in str(error)
    assert "pw" not in str(error)


def test_a_server_without_a_key_that_wants_one_asks_for_it():
    error = explain(a_payload(401, {"error": "Unauthorized"}), call=a_call(None))
    assert "fill in the API key" in error.hint


@pytest.mark.parametrize("status", [400, 403, 404, 422, 429, 500, 503])
@pytest.mark.parametrize("shape", [
    lambda said: {"error": {"message": f"Bad value: {said}", "code": None}},
    lambda said: {"error": f"cannot read {said[:40]}"},
    lambda said: {"error": "Invalid value: 'Marigold' in `Peter Quill`."},
    lambda said: {"detail": [{"loc": ["body"], "msg": "wrong", "input": said}]},
    lambda said: {"message": f"schema: 1 validation error [type=x, input_value='{said}']"},
    lambda said: f"could not parse {said}",
])  # fmt: skip
def test_a_server_that_repeats_the_document_is_not_quoted(status, shape):
    """No text of the user stands in an error message."""
    error = explain(a_payload(status, shape(DOCUMENT)), call=a_call())
    assert "Marigold" not in str(error)
    assert "Quill" not in str(error)


@pytest.mark.parametrize("key", ["sk-proj-canary0123456789", "hf_canary0123456789"])
def test_a_server_that_repeats_the_key_is_quoted_without_it(key):
    kept = Secret("plain-canary-value")
    said = f"no scope for {key} and {'plain-canary-value'}"
    error = explain(a_payload(403, {"error": said}))
    assert "no scope for" in error.message
    assert "canary" not in str(error)
    assert kept.reference is None


def test_azure_is_told_to_paste_the_target_uri():
    connection = Connection("azure_openai", deployment="d", endpoint="https://r.example",
                            api_key="k")  # fmt: skip
    request = Request(
        "d", "Extract.", (TextPart(DOCUMENT),), COMPILED, ResponseFormat.JSON_SCHEMA, 100
    )
    call = openai_chat.encode(request, connection.target("d"))
    error = explain(
        a_payload(404, {"error": {"code": "404", "message": "Resource not found"}}), call=call
    )
    assert "https://r.example/openai/v1/chat/completions" in error.message
    assert "target URI" in error.hint


def test_a_huge_message_is_read_in_no_time():
    """A server cannot hold up a run by its words."""
    started = time.process_time()
    explain(a_payload(400, {"error": "model 'x " * 200_000}), call=a_call())
    assert time.process_time() - started < 1


def test_a_long_message_is_cut():
    error = explain(a_payload(400, {"error": "word " * 500}))
    assert len(error.message) < 400
    assert error.message.endswith("…")


@given(status=st.integers(200, 599), body=st.binary(max_size=60), header=st.text(max_size=8))
def test_every_payload_is_explained(status, body, header):
    payload = HTTPResponse(status, {"retry-after": header, "content-type": header}, body, 0.1)
    error = explain(payload, label="mine", model="m")
    assert isinstance(error, errors.Failure)
    assert error.message.endswith((".", "…")) or "It says:" in error.message
