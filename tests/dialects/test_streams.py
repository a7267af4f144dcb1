"""A streamed reply is read as the whole one that it would have been, or as what broke it off."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets import errors
from llmwidgets.dialects import anthropic, gemini, openai
from llmwidgets.dialects.error_meanings import parameter_refused
from llmwidgets.dialects.types import HTTPResponse, Usage

RECORD = '{"total": 12.5, "name": "Zürich\u2028\x85 Bolt"}'
STREAM = {"content-type": "text/event-stream"}


def pieces(text: str = RECORD, size: int = 4) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def chunk(delta: Any = None, finish: Any = None, index: int = 0, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    return {"id": "c-1", "object": "chat.completion.chunk", "model": "m-1", "choices": [choice],
            **more}  # fmt: skip


def chat(parts: list[str], finish: Any = "stop", usage: bool = True) -> list[dict[str, Any]]:
    counts = {"prompt_tokens": 90, "completion_tokens": 9}
    return [
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "Hm."}),
        *(chunk({"content": each}) for each in parts),
        *([chunk({}, finish)] if finish else []),
        *([{**chunk(), "choices": [], "usage": counts}] if usage else []),
    ]


def message(parts: list[str], stop: Any = "end_turn", usage: bool = True) -> list[dict[str, Any]]:
    begun = {"id": "c-1", "type": "message", "role": "assistant", "model": "m-1", "content": [],
             "stop_reason": None, "usage": {"input_tokens": 90, "output_tokens": 1}}  # fmt: skip
    if not usage:
        del begun["usage"]
    counts = {"usage": {"output_tokens": 9}} if usage else {}
    ending = [{"type": "message_delta", "delta": {"stop_reason": stop}, **counts},
              {"type": "message_stop"}] if stop else []  # fmt: skip
    said = [{"type": "text_delta", "text": each} for each in parts]
    return [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}},
        {"type": "content_block_delta", "index": 0,
         "delta": {"type": "thinking_delta", "thinking": "Hm."}},
        {"type": "ping"},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 1, "delta": each} for each in said),
        {"type": "content_block_stop", "index": 1},
        *ending,
    ]  # fmt: skip


def content(parts: list[str], finish: Any = "STOP", usage: bool = True) -> list[dict[str, Any]]:
    def part(said: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"parts": [said]}, "index": 0, **more}],
                "modelVersion": "m-1", "responseId": "c-1"}  # fmt: skip

    counts = {"usageMetadata": {"promptTokenCount": 90, "candidatesTokenCount": 9}}
    said = [part({"text": "Hm.", "thought": True}), *(part({"text": each}) for each in parts)]
    last = part({"text": ""}, **({"finishReason": finish} if finish else {}))
    return [*said, {**last, **(counts if usage else {})}]


FORMATS = {"openai": (openai, chat), "anthropic": (anthropic, message), "gemini": (gemini, content)}
EACH = pytest.mark.parametrize(("dialect", "events_of"), FORMATS.values(), ids=list(FORMATS))


def sse(events: list[Any], end: str = "\n", *, named: bool = True, done: bool = True) -> str:
    lines = []
    for each in events:
        lines += [f"event: {each.get('type', 'message')}"] if named else []
        lines += [f"data: {json.dumps(each, ensure_ascii=False)}", ""]
    return end.join([*lines, *(["data: [DONE]", "", ""] if done else [""])])


def decoded(dialect: Any, body: str | bytes, status: int = 200, **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else body.encode()
    return dialect.decode(HTTPResponse(status, headers or STREAM, raw, 0.1))


def failed(dialect: Any, body: str) -> errors.Failure:
    with pytest.raises(errors.Failure) as caught:
        decoded(dialect, body)
    return caught.value


SPELLINGS = {
    "as it should be": lambda events: sse(events),
    "with CRLF": lambda events: sse(events, "\r\n"),
    "with CR": lambda events: sse(events, "\r"),
    "without names": lambda events: sse(events, named=False),
    "without the mark of its end": lambda events: sse(events, done=False),
    "with remarks": lambda events: ": keep-alive\n\n" + sse(events).replace("\n\n", "\n\n:\n\n"),
    "with fields": lambda events: "retry: 5\nid: 1\n\n" + sse(events).replace("data: ", "data:"),
    "with a mark in front": lambda events: "\ufeff" + sse(events),
    "without blank lines": lambda events: sse(events, named=False).replace("\n\n", "\n"),
    "with data in several lines": lambda events: "".join(
        "".join(f"data: {line}\n" for line in json.dumps(each, indent=1).splitlines()) + "\n"
        for each in events
    ),
    "without the last blank line": lambda events: sse(events, done=False).rstrip(),
    "with remarks as data": lambda events: sse(events).replace("data: {", "data: ping\n\ndata: {"),
    "as lines of JSON": lambda events: "\n".join(map(json.dumps, events)),
    "as JSON in a row": lambda events: "".join(map(json.dumps, events)),
    "as lines of JSON with an end": lambda events: "\n".join(
        [*map(json.dumps, events), "data: [DONE]", ""]
    ),
    "as an array": lambda events: json.dumps(events),
    "as an array over lines": lambda events: "[" + ",\r\n".join(map(json.dumps, events)) + "]\n",
}


@EACH
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=list(SPELLINGS))
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json", ""])
def test_every_spelling_of_a_stream_is_the_whole_reply(dialect, events_of, spell, kind):
    reply = decoded(dialect, spell(events_of(pieces())), **{"content-type": kind})
    assert (reply.text, reply.ending) == (RECORD, "complete")
    assert reply.usage == Usage(90, 9, None, None)
    assert (reply.served_model, reply.request_id) == ("m-1", "c-1")


@EACH
@given(data=st.data())
def test_where_the_text_is_cut_into_pieces_makes_no_difference(dialect, events_of, data):
    text = data.draw(st.text(st.characters(exclude_categories=["Cs"])))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    parts = [text[one:two] for one, two in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = decoded(dialect, sse(events_of([text])))
    assert decoded(dialect, sse(events_of(parts))) == whole


@EACH
def test_a_stream_without_usage_has_none(dialect, events_of):
    assert decoded(dialect, sse(events_of(pieces(), usage=False))).usage == Usage()


@EACH
@pytest.mark.parametrize("text", [RECORD, RECORD[:9], "OK", ""])
def test_a_stream_that_ends_before_its_server_says_so_breaks_off(dialect, events_of, text):
    """Also where what came so far looks whole: nobody said that it was all."""
    body = sse(events_of(pieces(text), None, usage=False), done=False)
    failure = failed(dialect, body)
    assert (type(failure), failure.perhaps_answered) == (errors.Overloaded, True)
    assert failure.request_id == "c-1"
    assert failure.code == errors.FailureCode.BROKE_OFF


@EACH
@given(data=st.data())
def test_a_stream_cut_anywhere_is_whole_or_breaks_off(dialect, events_of, data):
    body = sse(events_of(pieces(), usage=False), done=False)
    cut = data.draw(st.integers(1, len(body) - 1))
    try:
        read = decoded(dialect, body[:cut]).text
    except errors.CallError as error:
        read = error.code
    # Before its first event nothing tells that it is of this format.
    assert read in (RECORD, errors.FailureCode.BROKE_OFF, errors.FailureCode.WRONG_FORMAT)


@EACH
def test_a_cut_answer_and_a_filtered_one_say_so_in_a_stream_as_well(dialect, events_of):
    for word, ending in (("max_tokens", "truncated"), ("SAFETY", "filtered")):
        assert decoded(dialect, sse(events_of(pieces(RECORD[:9]), word))).ending == ending


PROVIDER = {"message": "Slow down", "code": 429, "type": "rate_limit_error"}


@EACH
@pytest.mark.parametrize("before", [0, 4, 9])
@pytest.mark.parametrize("named", [True, False])
def test_an_error_among_the_events_is_that_error(dialect, events_of, before, named):
    events = [*events_of(pieces())[:before], {"type": "error", "error": PROVIDER}]
    assert type(failed(dialect, sse(events, named=named, done=False))) is errors.RateLimited


@EACH
def test_an_error_event_of_words_alone_is_one_too(dialect, events_of):
    for said in ('{"message": "Internal server error"}', "Internal server error"):
        body = sse(events_of(pieces())[:4], done=False) + f"\nevent: error\ndata: {said}\n\n"
        failure = failed(dialect, body)
        assert type(failure) is errors.Overloaded
        assert not failure.perhaps_answered


def test_an_error_of_another_status_is_read_out_of_its_stream():
    said = {"error": {"message": "maximum context length is 4096 tokens"}}
    failure = openai.explain(HTTPResponse(400, STREAM, sse([said]).encode(), 0.1))
    assert type(failure) is errors.TooLong


def test_of_several_choices_the_first_one_counts():
    others = [chunk({"content": "other"}, index=1), *chat(pieces()), chunk({}, "length", index=1)]
    assert decoded(openai, sse(chat(pieces())[:1] + others)).text == RECORD


def test_what_a_filter_stopped_before_the_first_word_is_filtered():
    results = [{"content_filter_results": {"violence": {"filtered": True}}}]
    reply = decoded(openai, sse([{**chunk(), "choices": [], "prompt_filter_results": results}]))
    assert (reply.ending, reply.explanation) == ("filtered", "violence")
    passed = [{"content_filter_results": {"violence": {"filtered": False}}}]
    begun = [{**chunk(), "choices": [], "prompt_filter_results": passed}, *chat(pieces(), None)]
    assert type(failed(openai, sse(begun, done=False))) is errors.Overloaded


def test_a_whole_reply_can_be_sent_as_a_stream_of_one():
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": RECORD}}
    whole = {"id": "c-1", "object": "chat.completion", "model": "m-1", "choices": [choice]}
    told = json.dumps(whole)
    bodies = (f"data: {told}\n\n", f"{told}\n\ndata: [DONE]\n\n", f"{told}\n{told}\n",
              json.dumps(whole, indent=1) + "\ndata: [DONE]")  # fmt: skip
    for body in bodies:
        assert decoded(openai, body).text == RECORD
    message = {"type": "message", "content": [{"type": "text", "text": RECORD}],
               "stop_reason": "end_turn"}  # fmt: skip
    assert decoded(anthropic, sse([message])).text == RECORD


def test_the_pieces_of_a_tool_call_are_put_together():
    function = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": each}}]})
                for each in pieces()]  # fmt: skip
    begun = chunk({"tool_calls": [{"index": 0, "id": "t", "function": {"name": "record"}}]})
    other = chunk({"tool_calls": [{"index": 1, "function": {"name": "x", "arguments": "{}"}}]})
    events = [begun, *function, other, chunk({}, "tool_calls")]
    assert decoded(openai, sse(events)).text == RECORD
    begun = {"type": "tool_use", "id": "t", "name": "record", "input": {}}
    events = message([])
    events[4:5] = [
        {"type": "content_block_start", "index": 1, "content_block": begun},
        *({"type": "content_block_delta", "index": 1,
           "delta": {"type": "input_json_delta", "partial_json": each}} for each in pieces()),
    ]  # fmt: skip
    assert decoded(anthropic, sse(events)).text == RECORD


def test_a_refusal_comes_in_pieces_as_well():
    events = [*(chunk({"refusal": each}) for each in ("I ", "cannot.")), chunk({}, "stop")]
    reply = decoded(openai, sse(events))
    assert (reply.ending, reply.explanation) == ("refused", "I cannot.")


def test_what_is_no_stream_of_any_format_is_not_a_reply():
    for body in ("data: hello\n\n", "event: hello\ndata: {}\n\n", 'data: {"hello": 1}\n\n', ":\n"):
        for dialect in (openai, anthropic, gemini):
            assert type(failed(dialect, body)) is errors.Unreachable


INSISTING = [
    "This model only support stream mode, please enable the stream parameter to access the model. ",
    "Stream must be set to true",
    "`stream` must be `true`.",
    "'stream' must be true for this model",
    'Validation error: Invalid input: expected true at "params.stream"',
    "parameter.enable_thinking must be set to false for non-streaming calls",
    "Anthropic non-streaming is not supported in v1. Please set stream=true.",
    "Non-streaming requests are not supported.",
    "Non-stream mode is currently unsupported",
    "This deployment does not support non-streaming responses",
    "This model only supports streaming.",
    "Only streaming is supported for this model",
    "only stream=true is supported",
    "Streaming is required for operations that may take longer than 10 minutes.",
    "stream is required",
    "The model requires streaming",
    "Responses of this model must be streamed.",
    "stream=false is not supported",
    "current user api does not support http call",
    "该模型仅支持流式输出",
]
NOT_INSISTING = [
    "Streaming completion is not support yet, please remove 'stream' key value in the request.",
    "stream is not supported",
    "stream=true is not supported with this model",
    "Unknown parameter: 'stream'",
    "The upstream server must be restarted",
    "json_schema is not supported",
    "No streams here",
    "The 'stream_options' parameter is only allowed when 'stream' is enabled",
]


@pytest.mark.parametrize("dialect", [openai, anthropic, gemini])
@pytest.mark.parametrize("words", INSISTING)
def test_a_server_that_answers_streams_alone_is_known_by_its_words(dialect, words):
    for said in ({"error": {"message": words}}, {"detail": words}, {"message": words}):
        failure = dialect.explain(HTTPResponse(400, {}, json.dumps(said).encode(), 0.1))
        assert parameter_refused(failure) == "stream", failure.message


@pytest.mark.parametrize("words", NOT_INSISTING)
def test_other_words_about_streams_mean_something_else(words):
    body = json.dumps({"error": {"message": words}}).encode()
    failure = openai.explain(HTTPResponse(400, {}, body, 0.1))
    assert parameter_refused(failure) != "stream"


def test_codes_and_rows_of_validation_are_read_for_it_too():
    coded = {"error": {"code": "non_streaming_not_supported", "message": "No."}}
    checked = {"detail": [{"loc": ["body", "stream"], "msg": "Input should be True"}]}
    for said in (coded, checked):
        failure = openai.explain(HTTPResponse(422, {}, json.dumps(said).encode(), 0.1))
        assert parameter_refused(failure) == "stream"


def test_a_character_that_came_in_two_halves_is_one():
    events = [
        {"choices": [{"delta": {"content": half}, "finish_reason": ending}]}
        for half, ending in (('{"a": "\ud83d', None), ('\ude00"}', "stop"))
    ]
    body = "".join(f"data: {json.dumps(each)}\n\n" for each in events)
    reply = openai.decode(HTTPResponse(200, {}, body.encode(), 0.1))
    assert reply.text == '{"a": "\U0001f600"}'
