"""A failure that comes under the status of a success is that failure, and no answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets import errors
from llmwidgets.dialects import anthropic, gemini, openai
from llmwidgets.dialects.error_body import unfinished
from llmwidgets.dialects.types import HTTPResponse

WHOLE = '{"total": 12.5, "name": "Bolt"}'
PARTIAL = '{"total": 12.5, "na'


def chat(finish: Any = "stop", content: Any = WHOLE, **choice: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    first = {"index": 0, "finish_reason": finish, "message": message, **choice}
    return {"id": "gen-1", "object": "chat.completion", "model": "m", "choices": [first],
            "usage": {"prompt_tokens": 9, "completion_tokens": 4}}  # fmt: skip


def message(stop: Any = "end_turn", text: str = WHOLE, **more: Any) -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "text", "text": text}], "stop_reason": stop, **more}  # fmt: skip


def content(finish: Any = "STOP", text: str = WHOLE, **more: Any) -> dict[str, Any]:
    first = {"content": {"parts": [{"text": text}]}, "finishReason": finish}
    return {"candidates": [first], "usageMetadata": {"promptTokenCount": 9}, **more}


def decoded(dialect: Any, body: Any) -> Any:
    return dialect.decode(HTTPResponse(200, {}, json.dumps(body).encode(), 0.1))


def failed(dialect: Any, body: Any) -> errors.CallError:
    with pytest.raises(errors.CallError) as caught:
        decoded(dialect, body)
    assert caught.value.hint
    return caught.value


PROVIDER = {"code": 502, "message": "Provider returned error", "metadata": {"provider_name": "X"}}
CODES = [
    (502, errors.Overloaded), (500, errors.Overloaded), (529, errors.Overloaded),
    (408, errors.Overloaded), (429, errors.RateLimited), (401, errors.Unauthorized),
    (403, errors.Forbidden), (402, errors.QuotaExhausted), (400, errors.BadRequest),
    ("502", errors.Overloaded), ("rate_limit_exceeded", errors.RateLimited),
    ("server_error", errors.Overloaded), (None, errors.Overloaded), (0, errors.Overloaded),
    ("weird", errors.Overloaded), (True, errors.Overloaded), ([], errors.Overloaded),
]  # fmt: skip


@pytest.mark.parametrize(("code", "kind"), CODES)
@pytest.mark.parametrize("text", [WHOLE, PARTIAL, "", None])
def test_an_error_inside_a_choice_is_what_its_code_says(code, kind, text):
    told = {**PROVIDER, "code": code}
    for body in (chat("error", text, error=told), chat("stop", text, error=told)):
        failure = failed(openai, body)
        assert type(failure) is kind
        assert (failure.status, failure.request_id) == (200, "gen-1")
        # It was told, so that nothing is unknown about it.
        assert failure.perhaps_answered is False


def test_the_words_of_the_provider_behind_are_quoted_and_the_wait_is_read():
    assert "Provider returned error" in failed(openai, chat("error", error="Provider returned "
                                                                 "error")).message  # fmt: skip
    told = {"code": 429, "message": "Slow down.", "metadata": {"headers": {"Retry-After": "7"}}}
    assert failed(openai, chat("error", error=told)).retry_after == 7


FAILURES = [
    "error", "ERROR", "server_error", "network_error", "engine_failed", "abort", "aborted",
    "cancelled", "timeout", "timed_out_error", "insufficient_system_resource",
]  # fmt: skip


@pytest.mark.parametrize("finish", FAILURES)
@pytest.mark.parametrize("text", [WHOLE, PARTIAL, "", None])
def test_an_ending_that_means_a_failure_is_one_whatever_was_said(finish, text):
    failure = failed(openai, chat(finish, text))
    assert type(failure) is errors.Overloaded
    assert failure.perhaps_answered is False


@pytest.mark.parametrize("stop", FAILURES)
def test_claude_s_format_knows_such_an_ending_too(stop):
    assert type(failed(anthropic, message(stop))) is errors.Overloaded


def test_an_error_inside_the_message_counts_before_its_text():
    body = chat("stop")
    body["choices"][0]["message"]["error"] = {"code": 429, "message": "Slow down."}
    assert type(failed(openai, body)) is errors.RateLimited


@pytest.mark.parametrize("finish", ["unknown", "weird", "", 7, [], {}])
@pytest.mark.parametrize("text", [PARTIAL, "", None])
def test_an_ending_that_nobody_knows_says_nothing_of_an_answer_that_is_cut(finish, text):
    failure = failed(openai, chat(finish, text))
    assert (type(failure), failure.perhaps_answered) == (errors.Overloaded, True)
    assert decoded(openai, chat(finish, WHOLE)).text == WHOLE


@pytest.mark.parametrize("finish", ["stop", "STOP", "eos_token", "tool_calls", "length", "LENGTH"])
def test_an_ending_of_the_models_own_leaves_a_cut_answer_its_own(finish):
    assert decoded(openai, chat(finish, PARTIAL)).text == PARTIAL


def test_an_error_beside_choices_counts_before_them():
    body = {**chat(), "error": {"code": 503, "message": "No provider is available."}}
    assert type(failed(openai, body)) is errors.Overloaded


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "Internal server error"}, errors.Overloaded),
        ({"message": "Rate limit exceeded: free-models-per-min."}, errors.RateLimited),
        ({"message": "x", "type": "server_error"}, errors.Overloaded),
        ({"message": "x", "type": "rate_limit_error"}, errors.RateLimited),
        ({"message": "x", "code": "invalid_api_key"}, errors.Unauthorized),
        ("Upstream request timed out", errors.Overloaded),
        ({"message": "x", "code": 14, "status": "UNAVAILABLE"}, errors.Overloaded),
        ({"message": "model `m` not found"}, errors.UnknownModel),
    ],
)  # fmt: skip
def test_an_error_at_the_top_is_told_by_code_type_or_words(error, kind):
    assert type(failed(openai, {"error": error})) is kind


@pytest.mark.parametrize(
    "type_", ["overloaded_error", "api_error", "timeout_error", "strange", None]
)
def test_claude_tells_of_an_error_under_200(type_):
    body = {"type": "error", "error": {"type": type_, "message": "Words."}, "request_id": "req_1"}
    failure = failed(anthropic, body)
    assert type(failure) is errors.Overloaded
    assert failure.request_id == "req_1"


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (openai, chat(None, PARTIAL)), (openai, chat(None, "")),
        (openai, chat(None, None)), (openai, {**chat(), "choices": None}),
        (openai, {**chat(), "choices": []}), (openai, {"choices": None}),
        (openai, {"object": "chat.completion", "model": "m"}),
        (openai, {**chat(), "choices": [None]}),
        (openai, {**chat(), "choices": [{"finish_reason": None, "message": None}]}),
        (anthropic, message(None, PARTIAL)), (anthropic, message(None, "")),
        (anthropic, {**message(), "content": None}),
        (gemini, content(None, PARTIAL)), (gemini, content(None, "")),
        (gemini, {"candidates": [], "usageMetadata": {}}),
        (gemini, {"candidates": None, "promptFeedback": {}}),
        (gemini, {"usageMetadata": {"promptTokenCount": 9}, "modelVersion": "m"}),
    ],
)  # fmt: skip
def test_an_answer_that_breaks_off_without_a_word_was_perhaps_paid(dialect, body):
    failure = failed(dialect, body)
    assert (type(failure), failure.perhaps_answered) == (errors.Overloaded, True)


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (openai, chat(None)), (openai, chat(None, "Here it is.")),
        (openai, chat(None, f"```json\n{WHOLE}\n```")), (openai, chat("eos", PARTIAL)),
        (openai, chat("stop", PARTIAL)), (openai, chat("stop", "", error=None)),
        (anthropic, message(None)), (anthropic, message("end_turn", PARTIAL)),
        (gemini, content(None)), (gemini, content("STOP", PARTIAL)),
    ],
)  # fmt: skip
def test_a_whole_answer_and_one_that_says_how_it_ended_is_the_models(dialect, body):
    assert decoded(dialect, body).ending == "complete"


def test_a_filter_and_a_refusal_are_not_taken_for_a_failure():
    refused = chat(None, None)
    refused["choices"][0]["message"]["refusal"] = "I will not."
    assert decoded(openai, refused).ending == "refused"
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}}
    assert decoded(gemini, blocked).ending == "filtered"


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=4), inner, max_size=3),
).filter(lambda value: isinstance(value, dict | list)), st.data())  # fmt: skip
def test_json_is_unfinished_at_every_cut_and_at_its_end_no_longer(value, data):
    whole = json.dumps(value)
    assert not unfinished(whole)
    assert not unfinished(f"```json\n{whole}\n```")
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert unfinished(whole[:cut])
    assert unfinished(f"```json\n{whole[:cut]}")


@pytest.mark.parametrize("text", ["OK", "No.", '{"a": 1} and more', '{"a": NaN}', "{a: 1}", "[1,]"])
def test_what_is_wrong_in_another_way_is_not_called_cut(text):
    assert not unfinished(text)
