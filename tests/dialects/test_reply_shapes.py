"""An answer is read in every shape that a server hands it on in, and a body in every encoding."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets import errors
from llmwidgets.dialects import anthropic, gemini, openai
from llmwidgets.dialects.response_body import to_utf8
from llmwidgets.dialects.types import Enforcement, HTTPResponse, Usage
from llmwidgets.engine.endings import read_reply
from llmwidgets.errors import FailureCode, InvalidJSON, Unreachable
from llmwidgets.schemas import parse_json

RECORD = {"total": 12.5, "name": "Zürich"}
TEXT = json.dumps(RECORD, ensure_ascii=False)
DIALECTS = {"openai": openai, "anthropic": anthropic, "gemini": gemini}
EACH = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))


def chat(said: Any = TEXT, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": finish, "message": {"content": said, **more}}
    return {"id": "c-1", "object": "chat.completion", "model": "m", "choices": [choice]}


def message(said: Any = TEXT, stop: Any = "end_turn") -> dict[str, Any]:
    blocks = [{"type": "text", "text": said}] if isinstance(said, str) else said
    return {"id": "c-1", "type": "message", "content": blocks, "stop_reason": stop}


def content(said: Any = TEXT, finish: Any = "STOP") -> dict[str, Any]:
    parts = [{"text": said}] if isinstance(said, str) else said
    return {"candidates": [{"content": {"parts": parts}, "finishReason": finish}]}


BODIES = {openai: chat, anthropic: message, gemini: content}


def decoded(dialect: Any, body: Any, kind: str = "application/json") -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return dialect.decode(HTTPResponse(200, {"content-type": kind}, raw, 0.1))


@pytest.mark.parametrize(
    "said",
    [
        [{"type": "text", "text": TEXT}],
        [{"type": "output_text", "text": TEXT, "annotations": []}],
        [{"type": "text", "text": {"value": TEXT, "annotations": []}}],
        [{"type": "thinking", "thinking": [{"type": "text", "text": "{}"}]},
         {"type": "text", "text": TEXT}],
        [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": TEXT}],
        [{"text": TEXT}], [TEXT], [TEXT[:5], TEXT[5:]], {"type": "text", "text": TEXT}, RECORD,
        [{"type": "tool_use", "input": {}}, TEXT],
        [{"type": "text", "text": TEXT}, {"type": "citation", "url": "x"}, None],
        [{"type": "reasoning_content", "text": "{}"}, {"type": "TEXT", "text": TEXT}],
        [{"type": "output_text", "content": TEXT}],
    ],
)  # fmt: skip
def test_parts_and_objects_are_the_text_that_they_stand_for(said):
    assert parse_json(decoded(openai, chat(said)).text) == RECORD


@pytest.mark.parametrize(
    "said", [12.5, 0, True, False, [RECORD], [1, 2], {"text": "a"}, {"type": "bill", "text": "a"},
             {"type": "refusal", "reason": "x"}, [{"type": "bill"}], {}, {"a": None}],
)  # fmt: skip
def test_what_a_server_parsed_already_is_that_json(said):
    assert parse_json(decoded(openai, chat(said)).text) == said


def test_a_refusal_among_the_parts_is_one():
    reply = decoded(openai, chat([{"type": "refusal", "refusal": "I cannot."}]))
    assert (reply.ending, reply.explanation) == ("refused", "I cannot.")


def test_parsed_json_and_text_are_taken_for_a_message_of_claude_too():
    for said in ({"type": "text", "text": TEXT}, RECORD):
        assert parse_json(decoded(anthropic, message([]) | {"content": said}).text) == RECORD
    assert decoded(anthropic, message() | {"content": TEXT}).text == TEXT


@pytest.mark.parametrize("whole", [TEXT, RECORD])
def test_a_tool_that_nobody_offered_is_read_and_named(whole):
    handed = {"name": "save_bill", "arguments": whole}
    calls = {"tool_calls": [{"id": "t", "type": "function", "function": handed}]}
    block = {"type": "tool_use", "name": "save_bill", "input": whole}
    part = {"functionCall": {"name": "save_bill", "args": whole}}
    for dialect, body in (
        (openai, chat(None, "tool_calls", **calls)),
        (openai, chat("", "function_call", function_call=handed)),
        (openai, chat(None, "tool_calls", tool_calls=calls["tool_calls"][0])),
        (openai, chat(None, "tool_calls", tool_calls=[handed])),
        (openai, chat(None, tool_calls=[{"custom": {"name": "save_bill", "input": whole}}])),
        (anthropic, message([block], "tool_use")),
        (gemini, content([part])),
    ):
        reply = decoded(dialect, body)
        assert parse_json(reply.text) == RECORD
        assert "not offered (save_bill)" in reply.explanation


def test_words_beside_a_tool_that_nobody_offered_are_not_the_answer():
    said = "I'll record that for you."
    handed = {"name": "save_bill", "arguments": TEXT}
    block = {"type": "tool_use", "name": "save_bill", "input": RECORD}
    for dialect, body in (
        (openai, chat(said, "tool_calls", tool_calls=[{"function": handed}])),
        (anthropic, message([{"type": "text", "text": said}, block], "tool_use")),
        (gemini, content([{"text": said},
                          {"functionCall": {"name": "save_bill", "args": RECORD}}])),
    ):  # fmt: skip
        reply = decoded(dialect, body)
        assert parse_json(reply.text) == RECORD
        assert "not offered (save_bill)" in reply.explanation


def test_an_empty_answer_says_the_odd_word_that_it_ended_with():
    for dialect, body, word in (
        (anthropic, message([], "compaction"), "compaction"),
        (gemini, content([], "UNEXPECTED_TOOL_CALL"), "UNEXPECTED_TOOL_CALL"),
    ):
        reply = decoded(dialect, body)
        parsed, _ = read_reply(reply, Enforcement.JSON, self_hosted=True)
        assert isinstance(parsed, InvalidJSON)
        assert parsed.message == f"The reply is empty. The server ended it with {word}."
        assert decoded(dialect, BODIES[dialect](TEXT, word)).explanation == ""


def test_what_was_said_counts_before_such_a_tool_and_our_own_tool_before_both():
    other, ours = ({"type": "tool_use", "name": name, "input": RECORD} for name in ("x", "record"))
    said = {"type": "text", "text": "{}"}
    assert decoded(anthropic, message([said, other])).text == "{}"
    assert decoded(anthropic, message([said, other, ours])) == decoded(anthropic, message([ours]))
    assert decoded(anthropic, message([ours])).explanation == ""
    spelled = {**ours, "input": TEXT}
    assert decoded(anthropic, message([spelled])).text == TEXT
    calls = {"tool_calls": [{"function": {"name": "x", "arguments": "{}"}}]}
    assert decoded(openai, chat(TEXT, **calls)).text == TEXT


def test_choices_in_other_shapes_are_read():
    whole = chat()
    assert decoded(openai, {**whole, "choices": whole["choices"][0]}).text == TEXT
    old = {"text": TEXT, "finish_reason": "stop"}
    assert decoded(openai, {**whole, "choices": [old]}).text == TEXT
    assert decoded(gemini, {"candidates": content()["candidates"][0]}).text == TEXT


WORDS = [
    ("length", "truncated"), ("LENGTH", "truncated"), ("max_tokens", "truncated"),
    ("MAX_TOKENS", "truncated"), ("maxTokens", "truncated"), ("max-output-tokens", "truncated"),
    ("FinishReason.MAX_TOKENS", "truncated"), ("model_length", "truncated"),
    ("model_context_window_exceeded", "truncated"), ("LENGTH_LIMIT_REACHED", "truncated"),
    ("max_length", "truncated"), ("incomplete", "truncated"),
    ("content_filter", "filtered"), ("CONTENT_FILTER", "filtered"), ("contentFilter", "filtered"),
    ("SAFETY", "filtered"), ("safety", "filtered"), ("guardrail_intervened", "filtered"),
    ("refusal", "refused"), ("REFUSAL", "refused"),
    ("stop", "complete"), ("STOP", "complete"), ("end_turn", "complete"), ("eos", "complete"),
    ("stop_sequence", "complete"), ("TOOL_USE", "complete"), ("tool_calls", "complete"),
]  # fmt: skip


@EACH
@pytest.mark.parametrize(("word", "ending"), WORDS)
def test_the_word_for_an_ending_is_read_in_any_spelling_and_of_any_format(dialect, word, ending):
    """Gateways hand on the words of the format behind them."""
    assert decoded(dialect, BODIES[dialect](TEXT, word)).ending == ending


@EACH
@pytest.mark.parametrize("word", [None, 5, [], {}, True, "weird"])
def test_another_word_leaves_a_whole_answer_whole(dialect, word):
    assert decoded(dialect, BODIES[dialect](TEXT, word)).ending == "complete"


@pytest.mark.parametrize("odd", ["7", -1, 1.5, True, None, [], {}, float("inf"), float("nan"),
                                 10**13, 10**400])  # fmt: skip
def test_a_count_that_cannot_be_one_is_unknown(odd):
    """The journal takes whole numbers of 64 bits."""
    for dialect, names in ((openai, ("usage", "prompt_tokens", "completion_tokens")),
                           (anthropic, ("usage", "input_tokens", "output_tokens")),
                           (gemini, ("usageMetadata", "promptTokenCount",
                                     "candidatesTokenCount"))):  # fmt: skip
        usage = dict.fromkeys(names[1:], odd)
        assert decoded(dialect, BODIES[dialect]() | {names[0]: usage}).usage == Usage()


@EACH
def test_a_number_of_thousands_of_digits_spoils_no_reply(dialect):
    body = json.dumps({**BODIES[dialect](), "created": 1}).replace(
        '"created": 1', '"x": ' + "7" * 5000
    )
    assert decoded(dialect, body.encode()).text == TEXT


@pytest.mark.parametrize(
    ("number", "named"),
    [("1e400", "too large"), ("-1e400", "too large"), ("NaN", "NaN"), ("Infinity", "too large"),
     ("7" * 5000, "too large")],
)  # fmt: skip
def test_a_number_that_is_none_is_called_so_where_a_server_parsed_it(number, named):
    body = json.dumps(chat({"total": 0, "name": "Infinity"})).replace(
        '"total": 0', f'"total": {number}'
    )
    with pytest.raises(InvalidJSON, match=named):
        parse_json(decoded(openai, body.encode()).text)


ENCODED = {
    "UTF-8": ("utf-8", ""), "UTF-8 with a mark": ("utf-8-sig", ""),
    "UTF-16": ("utf-16", ""), "UTF-16-LE": ("utf-16-le", ""), "UTF-16-BE": ("utf-16-be", ""),
    "UTF-32": ("utf-32", ""),
    "Latin-1": ("latin-1", ""), "Latin-1 declared": ("latin-1", "iso-8859-1"),
    "cp1252 declared": ("cp1252", "Windows-1252"), "as Latin-1 declared": ("utf-8", "ISO-8859-1"),
    "as ASCII declared": ("latin-1", "us-ascii"), "of no codec": ("latin-1", "klingon"),
    "of a codec that unpacks": ("latin-1", "zip"), "as UTF-8 declared": ("latin-1", "utf-8"),
}  # fmt: skip


@EACH
@pytest.mark.parametrize(("encoding", "charset"), ENCODED.values(), ids=list(ENCODED))
def test_a_body_is_read_in_every_encoding(dialect, encoding, charset):
    body = json.dumps(BODIES[dialect](), ensure_ascii=False).encode(encoding)
    kind = f"application/json; charset={charset}" if charset else "application/json"
    assert decoded(dialect, body, kind).text == TEXT


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("gb18030", "总额"), ("shift_jis", "合計"), ("koi8-r", "Итого"), ("cp1251", "Итого")],
)
def test_a_declared_encoding_of_another_script_is_read(encoding, text):
    assert to_utf8(text.encode(encoding), f'text/plain; charset="{encoding}"').decode() == text


def test_letters_that_were_broken_on_the_way_spoil_no_others():
    body = json.dumps(chat("Zürich ü"), ensure_ascii=False).encode()
    at = body.rindex(b"\xc3")
    assert decoded(openai, body[:at] + body[at + 1 :]).text == "Zürich \ufffd"


@given(st.binary(max_size=40), st.text(max_size=20))
def test_any_bytes_become_utf8(body, declared):
    to_utf8(body, f"text/plain; charset={declared}").decode()


@EACH
@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b'{"choices": [{"message": {"content": "a', errors.Overloaded, "broke off"),
        (b'[{"candidates": [', errors.Overloaded, "broke off"),
        (b'{"choices"; 1}', errors.Overloaded, "damaged"),
        (b'{"a": ' + b"[" * 200_000, errors.Overloaded, "damaged"),
        (b"", errors.Unreachable, "empty"), (b" \n", errors.Unreachable, "empty"),
        (b"<html><pre>{}</pre></html>", errors.Unreachable, "wrong_format"),
        (b"Hello", errors.Unreachable, "wrong_format"), (b"42", errors.Unreachable, "wrong_format"),
    ],
)  # fmt: skip
def test_what_is_no_json_is_called_by_its_name(dialect, body, kind, code):
    with pytest.raises(kind) as caught:
        decoded(dialect, body)
    assert caught.value.code == code
    assert caught.value.hint
    assert "web page" not in caught.value.message


KEYS = [
    "choices", "message", "delta", "content", "error", "usage", "code", "refusal", "finish_reason",
    "prompt_filter_results", "text", "type", "tool_calls", "function", "arguments", "index",
    "stop_reason", "content_block", "input", "partial_json", "candidates", "parts", "finishReason",
    "functionCall", "promptFeedback", "blockReason", "usageMetadata", "id", "model", "name",
]  # fmt: skip
WORD = st.sampled_from(["text", "message", "message_start", "content_block_delta", "tool_use",
                        "error", "stop", "record", "STOP", "refusal", ""])  # fmt: skip
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | WORD,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=14,
)


def spelled(value: Any, how: str) -> bytes:
    rows = value if isinstance(value, list) else [value]
    if how == "events":
        return "".join(f"data: {json.dumps(each)}\n\n" for each in rows).encode()
    return ("\n".join(map(json.dumps, rows)) if how == "lines" else json.dumps(value)).encode()


@EACH
@given(
    value=ANY, how=st.sampled_from(["whole", "events", "lines"]), status=st.sampled_from([200, 400])
)
def test_whatever_json_a_server_answers_is_a_reply_or_a_failure_of_ours(
    dialect, value, how, status
):
    payload = HTTPResponse(status, {}, spelled(value, how), 0.1)
    for read in (dialect.decode, dialect.explain, dialect.listed_models):
        try:
            read(payload)
        except errors.Failure as failure:
            assert failure.message  # noqa: PT017


@EACH
@given(body=st.binary(max_size=60) | st.text('{}[]":,data: \n01e', max_size=60).map(str.encode))
def test_whatever_bytes_come_are_a_reply_or_a_failure_of_ours(dialect, body):
    payload = HTTPResponse(200, {"content-type": "text/event-stream"}, body, 0.1)
    with pytest.raises(errors.Failure):
        dialect.decode(payload)


@pytest.mark.parametrize("field", ["thoughts", "reasoning_text", "thinking_blocks", "thought"])
def test_thinking_is_known_by_the_name_of_its_field(field):
    body = chat(None)
    body["choices"][0]["message"][field] = "Hm."
    assert decoded(openai, body).thinking == field


@pytest.mark.parametrize(
    "body",
    [
        {"object": "response", "status": "completed", "output": []},
        {"type": "message", "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn"},
        {"type": "welcome"},
    ],
)
def test_the_answer_of_another_api_is_called_so_and_not_a_refused_request(body):
    with pytest.raises(Unreachable) as caught:
        decoded(openai, body)
    assert caught.value.code == FailureCode.WRONG_FORMAT


def test_a_tool_without_anything_handed_over_is_named():
    reply = decoded(openai, chat(None, tool_calls=[{"function": {"name": "save_bill"}}]))
    assert (reply.text, "not offered (save_bill)" in reply.explanation) == ("", True)
