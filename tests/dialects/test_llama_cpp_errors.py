"""What llama-cpp-python's server says in place of an answer, recorded; and its siblings."""

from __future__ import annotations

import json
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.dialects import openai
from llmwidgets.dialects.types import Call, HTTPResponse, Reply, Request, ResponseFormat, TextPart
from llmwidgets.dialects.types import Usage as Tokens
from llmwidgets.engine.endings import classify_ending
from llmwidgets.errors import FailureCode
from llmwidgets.schemas import read_schema
from tests.dialects.strict import payload_of, recorded
from tests.engine.conftest import FarEnd, Seen, Wire, serving

DOCUMENT = "Marigold Trading owes 1234 EUR to Peter Quill since the third of May."


def a_call() -> Call:
    connection = lw.Connection("custom", name="m", endpoint="http://127.0.0.1:1/v1", label="mine")
    schema = read_schema({"type": "object", "properties": {"a": {"type": "string"}}})
    compiled = schema.compile(openai.SUBSET)
    request = Request(
        "m", "Extract.", (TextPart(DOCUMENT),), compiled, ResponseFormat.JSON_SCHEMA, 100
    )
    return openai.encode(request, connection.target("m"))


def explained(body: Any, status: int = 500) -> Any:
    said = HTTPResponse(status, {}, json.dumps(body).encode(), 0.1)
    return openai.explain(said, call=a_call())


@pytest.mark.parametrize("row", recorded("llama_cpp_errors"), ids=lambda row: row["what"])
def test_each_recorded_error_is_told(row):
    failure = openai.explain(payload_of(row), call=a_call())
    assert type(failure).__name__ == row["failure"]
    assert row["says"] in str(failure)
    assert getattr(failure, "code", None) == row.get("code", failure.code)
    assert "site-packages" not in str(failure)


@pytest.mark.parametrize(
    "message",
    [
        # FastAPI before it wrote its rows out.
        "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), 'msg': \"Input"
        " should be 'text' or 'json_object'\", 'input': 'json_schema'}]",
        # pydantic's own words, of a server that reads the body itself.
        "1 validation error for ChatRequest\nresponse_format.type\n  Input should be 'text' or"
        " 'json_object' [type=literal_error, input_value='json_schema', input_type=str]",
        "2 validation errors:\n  {'type': 'missing', 'loc': ('body', 'x'), 'msg': 'Field required',"
        " 'input': {}}\n  {'type': 'extra_forbidden', 'loc': ('body', 'response_format',"
        " 'json_schema'), 'msg': 'Extra inputs are not permitted', 'input': {}}",
    ],
    ids=["list", "pydantic", "two rows"],
)
def test_a_form_that_is_not_taken_is_refused_however_it_is_spelled(message):
    failure = explained({"error": {"message": message, "type": "internal_server_error"}})
    assert failure.code == FailureCode.RESPONSE_FORMAT


@pytest.mark.parametrize(
    ("place", "said", "parameter"),
    [
        ("('body', 'reasoning_effort')", "Extra inputs are not permitted", "reasoning_effort"),
        ("('body', 'stream_options')", "Extra inputs are not permitted", "stream_options"),
        ("('body', 'max_tokens')", "Extra inputs are not permitted", "max_tokens"),
    ],
)
def test_a_parameter_that_is_not_taken_is_named(place, said, parameter):
    message = f"1 validation error:\n  {{'type': 'x', 'loc': {place}, 'msg': '{said}', 'input': 1}}"
    failure = explained({"error": {"message": message}})
    assert type(failure).__name__ == "BadRequest"
    assert failure.parameter == parameter


def test_what_the_server_repeats_of_the_text_is_not_shown():
    message = (
        "1 validation error:\n  {'type': 'string_type', 'loc': ('body', 'messages', 0, 'content'),"
        f" 'msg': 'Input should be a valid string', 'input': ['{DOCUMENT}']}}"
    )
    failure = explained({"error": {"message": message}})
    assert type(failure).__name__ == "BadRequest"
    assert "messages.0.content" in str(failure)
    assert "Marigold" not in str(failure)


@pytest.mark.parametrize(
    "message", ["Internal server error", "validation error", "KeyError: 'loc'", "'loc': ('query',)"]
)
def test_another_500_is_the_servers_own(message):
    assert type(explained({"error": {"message": message}})).__name__ == "Overloaded"


def test_a_form_answered_with_500_costs_no_wait_and_no_second_try():
    """From the check's side: the next form is asked for at once."""
    body = recorded("llama_cpp_errors")[0]["body"]

    async def behave(seen: Seen, wire: Wire) -> None:
        if seen.line.startswith("GET"):
            wire.answer({"object": "list", "data": [{"id": "tiny"}]})
        elif seen.json["response_format"]["type"] == "json_schema":
            wire.answer(body, 500)
        else:
            rules = seen.json["response_format"]["schema"]["properties"]
            wire.chat({name: rule["enum"][0] for name, rule in rules.items()})

    told: list[str] = []
    with serving(behave) as end:
        report = lw.check(connected(end, "tiny"), tell=told.append)
    assert report.mode == "schema enforced"
    assert len([each for each in end.seen if each.line.startswith("POST")]) == 2
    assert told == []
    assert report.hint == ""


def connected(end: FarEnd, name: str) -> lw.Connection:
    return lw.Connection("custom", name=name, endpoint=end.url)


@pytest.mark.parametrize(
    ("name", "listed", "told"),
    [
        ("tinny", ["tiny"], True),
        ("tiny", ["tiny"], False),
        ("llama3.2", ["llama3.2:latest", "qwen3"], False),
        ("any", ["models/tiny.gguf"], True),
        ("tiny", [], False),
    ],
)
def test_a_check_says_that_the_server_lists_another_name(name, listed, told):
    """The server answers by any name, and repeats it: its list alone tells."""

    async def behave(seen: Seen, wire: Wire) -> None:
        if seen.line.startswith("GET"):
            wire.answer({"object": "list", "data": [{"id": each} for each in listed]})
        else:
            form = seen.json["response_format"]
            rules = form.get("json_schema", form)["schema"]["properties"]
            wire.chat({key: rule["enum"][0] for key, rule in rules.items()})

    with serving(behave) as end:
        report = lw.check(connected(end, name))
    assert report.ok
    assert (f"does not list {name}" in report.hint) is told
    assert ("let another model answer" in report.hint) is told


@pytest.mark.parametrize(
    ("used", "limit", "window"),
    [(74, 4000, True), (1114, 20104, True), (20, 20, False), (19, 20, False), (None, 20, False),
     (0, 20, False)],
)  # fmt: skip
def test_an_answer_cut_before_its_limit_is_not_told_to_raise_it(used, limit, window):
    """Recorded: 8,118 tokens of input and 74 of output in a window of 8,192."""
    reply = Reply('{"name": "', "truncated", Tokens(8118, used))
    failure = classify_ending(reply, limit, None)
    assert failure is not None
    assert ("window is full" in failure.message) is window
    assert ("max_output_tokens" in str(failure.hint)) is not window
