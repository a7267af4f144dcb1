"""What a probe may conclude of a reply that was cut, or that has no word in it: nothing."""

from __future__ import annotations

import json

import pytest

from llmwidgets.connections import Connection, Policy
from llmwidgets.dialects.types import Enforcement, ResponseFormat
from llmwidgets.engine import event_loop
from llmwidgets.engine.check import check_connection
from tests.engine.scripts import (
    Script,
    Waits,
    checked,
    greeted,
    hang_up,
    nothing_kept,
    obey,
    probed,
    refuse,
    say,
)
from tests.servers import serving_models

AT_ONCE = 2_048

# -- cut ---------------------------------------------------------------------------------------


def thinking(tokens: int, *, how: str = "empty", most: int = 10**6) -> Script:
    """A server that spends this many tokens on thinking before its answer."""

    def act(body: dict, wire) -> None:
        limit = body["max_tokens"]
        if limit > most:
            told = f"max_tokens is too large: {limit}; this server takes at most {most}"
            wire.answer({"error": {"message": told}}, 400)
        elif limit < tokens:
            thought = "<think>Well, the weather" if how == "tag" else ""
            say(thought, "length", reasoning_content="Well, the weather")(body, wire)
        else:
            obey(body, wire)

    return Script(act)


@pytest.mark.parametrize("how", ["empty", "tag"])
@pytest.mark.parametrize("tokens", [3_000, 30_000])
def test_a_server_that_thinks_long_is_given_room(far_end, tokens, how):
    script = thinking(tokens, how=how)
    report = checked(far_end(script))
    assert (report.ok, report.mode) == (True, Enforcement.SCHEMA)
    assert script.limits[0] == AT_ONCE
    assert script.limits[-1] >= tokens


@pytest.mark.parametrize("most", [4_096, 10_000, 40_000])
def test_the_room_is_what_the_server_takes(far_end, most):
    script = thinking(3_000, most=most)
    assert checked(far_end(script)).mode is Enforcement.SCHEMA
    taken = [each for each in script.limits if each <= most]
    assert max(taken) >= 3_000


def test_the_room_stays_below_the_window_that_the_list_tells(far_end):
    class Windowed(Script):
        async def __call__(self, seen, wire) -> None:
            if seen.line.startswith("GET"):
                wire.answer({"data": [{"id": "m", "max_model_len": 8_192}]})
            else:
                await super().__call__(seen, wire)

    script = Windowed(thinking(3_000).acts[0])
    assert checked(far_end(script)).mode is Enforcement.SCHEMA
    assert max(script.limits) < 8_192


def test_a_window_smaller_than_the_first_room_is_found(far_end):
    def act(body: dict, wire) -> None:
        if body["max_tokens"] > 1_500:
            refuse(400, "This model's maximum context length is 1600 tokens.")(body, wire)
        else:
            obey(body, wire)

    assert checked(far_end(Script(act))).mode is Enforcement.SCHEMA


def test_an_answer_that_is_always_cut_proves_nothing(far_end):
    script = thinking(10**7)
    end = far_end(script)
    report = checked(end)
    assert (report.mode, report.capability) == (None, None)
    assert "could not be determined" in report.sentence
    assert "65,536 tokens" in report.sentence
    assert report.hint
    assert not report.ok, "it never said a word"
    assert nothing_kept(end)


def test_a_cut_answer_with_words_is_an_answer(far_end):
    end = far_end(Script(say("The weather is nice and", "length")))
    report = checked(end)
    assert (report.ok, report.mode) == (True, None)
    assert "could not be determined" in report.sentence
    assert nothing_kept(end)


def test_a_whole_record_that_ends_at_the_limit_is_obedience(far_end):
    """Some engines write blanks behind the record until the limit."""

    def act(body: dict, wire) -> None:
        schema = body["response_format"]["json_schema"]["schema"]
        record = {name: rule["enum"][0] for name, rule in schema["properties"].items()}
        say(json.dumps(record) + "   ", "length")(body, wire)

    script = Script(act)
    assert checked(far_end(script)).mode is Enforcement.SCHEMA
    assert script.limits == [AT_ONCE]


def test_a_cut_that_is_not_called_one_is_seen_by_the_tokens(far_end):
    def act(body: dict, wire) -> None:
        if body["max_tokens"] < 3_000:
            wire.chat("", completion_tokens=body["max_tokens"])
        else:
            obey(body, wire)

    assert checked(far_end(Script(act))).mode is Enforcement.SCHEMA


def test_anthropic_and_gemini_are_given_room_too():
    """max_tokens and MAX_TOKENS are the same cut."""
    key = "0123456789abcdef0123456789abcdef"
    with serving_models(models=("mistral-large-3",), fault="truncate") as server:
        connection = Connection(
            "azure_ai_foundry",
            model="claude-made-up-9",
            endpoint=f"{server.url}/anthropic",
            api_key=key,
        )
        report = event_loop.run_blocking(
            check_connection(connection, policy=Policy(), clock=Waits().clock)
        )
        limits = [each.body["max_tokens"] for each in server.asked("anthropic")]
    assert limits[:3] == [2_048, 16_384, 65_536]
    assert report.mode is None
    assert "could not be determined" in report.sentence


# -- without a word ----------------------------------------------------------------------------

SILENT = {
    "empty": say(""),
    "blank": say(" \n"),
    "null": say("", content=None),
    "thinking in a field": say("", reasoning_content="I wonder."),
    "thinking in tags": say("<think>I wonder.</think>"),
    "thinking without end": say("<think>I wonder."),
}


@pytest.mark.parametrize("act", SILENT.values(), ids=list(SILENT))
def test_a_server_without_a_word_does_not_pass(far_end, act):
    end = far_end(Script(act))
    report = checked(end)
    assert not report.ok
    assert (report.mode, report.capability) == (None, None)
    assert "without any text" in report.sentence
    assert report.hint
    assert nothing_kept(end)


def test_a_server_that_refuses_every_question_does_not_pass(far_end):
    end = far_end(Script(say("", refusal="I will not.")))
    report = checked(end)
    assert (report.ok, report.mode, report.status) == (False, None, "Refused")
    assert nothing_kept(end)


@pytest.mark.parametrize(
    "act", [refuse(500), refuse(400, "odd"), hang_up, lambda _b, w: w.answer(b"<html>hi</html>")]
)
def test_a_server_whose_every_reply_is_an_error_does_not_pass(far_end, act):
    end = far_end(Script(act))
    report = checked(end)
    assert (report.ok, report.mode) == (False, None)
    assert report.sentence
    assert report.hint
    assert nothing_kept(end)


def test_one_empty_reply_is_asked_for_again(far_end):
    report = checked(far_end(Script(say(""), obey)))
    assert report.capability.form is ResponseFormat.JSON_SCHEMA


def test_a_form_that_brings_no_word_is_not_used(far_end):
    end = far_end(Script(obey, json_schema=[say("")], beside=[say("")]))
    report = checked(end)
    assert (report.mode, report.capability.form) == (Enforcement.JSON, ResponseFormat.JSON_OBJECT)
    assert report.capability.tried[0] == (ResponseFormat.JSON_SCHEMA, "no answer", False)


def test_a_model_that_is_cut_while_it_thinks_answers_a_greeting(far_end):
    """Sixteen tokens are spent on thinking: the model is there."""
    assert greeted(far_end(Script(say("", "length"), listed=("gpt-6-luna",)))).ok
    out_of_room = refuse(400, "Could not finish the message because max_tokens was reached.")
    assert greeted(far_end(Script(out_of_room, listed=("gpt-6-luna",)))).ok


@pytest.mark.parametrize("act", [say(""), say("", refusal="No.")])
def test_a_greeting_without_a_word_does_not_pass(far_end, act):
    report = greeted(far_end(Script(act, listed=("gpt-6-luna",))))
    assert not report.ok
    assert report.hint


def test_a_run_asks_on_where_a_probe_was_cut_and_says_so(far_end):
    """Nothing is known of the server: the schema stands in the prompt, and nothing is kept."""
    end = far_end(thinking(10**7))
    found = probed(end)
    assert (found.form, found.mode) == (ResponseFormat.JSON_SCHEMA, Enforcement.JSON)
    assert "could not be determined" in found.doubt
    assert nothing_kept(end)
