"""A reply that is lost in thinking is called so, with the server's own switch for it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

import llmwidgets as lw
from llmwidgets.dialects.types import Enforcement
from llmwidgets.engine import capability
from llmwidgets.engine.journal import Journal
from tests.engine.scripts import Script, checked, greeted, say
from tests.engine.test_run import SCHEMA
from tests.old_journals import write_as_before

RIGHT = {"total": 12.5}
DRAFT, ANSWER = json.dumps({"total": 1}), json.dumps(RIGHT)


def asked(end, **more):
    connection = lw.Connection("custom", name="m", endpoint=end.url)
    return lw.extract(SCHEMA, "Bill of Bolt", connection, **{"journal": False, **more})


LOST = {
    "reasoning_content": say("", content=None, reasoning_content=DRAFT),
    "reasoning": say("", content=None, reasoning=f"The total is 1. {DRAFT}"),
    "reasoning_details": say("", reasoning_details=[{"type": "reasoning.text", "text": DRAFT}]),
    "thinking": say("", content=[{"type": "thinking", "thinking": DRAFT}]),
    "<think>": say(f"<think>{DRAFT}</think>"),
    "[THINK]": say(f"[THINK]{DRAFT}"),
    "<thought>": say(f"<thought>```json\n{DRAFT}\n```</thought>"),
    "<|channel|>analysis": say(f"<|channel|>analysis<|message|>{DRAFT}<|end|>"),
}


@pytest.mark.parametrize("where", LOST)
def test_a_reply_that_is_all_thinking_names_the_reasoning_parser(far_end, where):
    told = asked(far_end(Script(LOST[where])))
    assert (told.status, told.data) == ("InvalidJSON", None)
    assert f"nothing but thinking ({where})" in told.failure.message
    for switch in ("--reasoning-parser", "--reasoning-format", "Ollama"):
        assert switch in told.failure.hint


@pytest.mark.parametrize("where", LOST)
def test_the_check_says_the_same(far_end, where):
    report = checked(far_end(Script(LOST[where])))
    assert not report.ok
    assert f"nothing but thinking ({where})" in report.sentence
    assert "--reasoning-parser" in report.hint


def test_a_vendor_has_no_reasoning_parser_to_set(far_end):
    report = greeted(far_end(Script(LOST["reasoning"], listed=("gpt-6-luna",))))
    assert "nothing but thinking" in report.sentence
    assert "--reasoning-parser" not in report.hint
    assert "thinking" in report.hint


def test_an_answer_with_thinking_behind_it_is_not_read(far_end):
    told = asked(far_end(Script(say(f"{DRAFT}<think>No, wait"))))
    assert told.status == "InvalidJSON"
    assert "thinking" in told.failure.message.lower()
    assert "--reasoning-parser" in told.failure.hint


@pytest.mark.parametrize("where", LOST)
def test_thinking_that_used_up_the_output_limit_is_truncated(far_end, where):
    def cut(body: dict, wire) -> None:
        message: dict = {}

        class Heard:
            def answer(self, said: dict) -> None:
                message.update(said["choices"][0]["message"])

        LOST[where](body, Heard())
        wire.answer({"choices": [{"finish_reason": "length", "message": message}]})

    told = asked(far_end(Script(cut)))
    assert told.status == "Truncated"
    assert told.failure.message.startswith("Thinking used up the output limit of ")
    assert "lower its thinking" in told.failure.hint


def test_an_empty_answer_at_the_limit_is_not_called_thinking_if_nothing_says_so(far_end):
    told = asked(far_end(Script(say("", "length"))))
    assert told.status == "Truncated"
    assert "without a word" in told.failure.message

    def thought(_body: dict, wire) -> None:
        choice = {"finish_reason": "length", "message": {"content": ""}}
        details = {"reasoning_tokens": 500}
        usage = {"completion_tokens": 500, "completion_tokens_details": details}
        wire.answer({"choices": [choice], "usage": usage})

    told = asked(far_end(Script(thought)))
    assert told.failure.message.startswith("Thinking used up")


# -- text only ----------------------------------------------------------------------------------

PROSE = f"Here is the record:\n```json\n{ANSWER}\n```\nIs there anything else?"


def answering(says: str, *enforces: str) -> Callable:
    """A server that takes every form, holds answers to some, and says this to each text."""

    def act(body: dict, wire) -> None:
        form = body.get("response_format", {"type": "text"})
        schema = form.get("json_schema", form).get("schema", {})
        if "weather" not in json.dumps(body["messages"]):
            say(says)(body, wire)
        elif form["type"] in enforces:
            riddle = {name: rule["enum"][0] for name, rule in schema.get("properties", {}).items()}
            wire.chat(riddle or {"weather": "fine"})
        else:
            wire.chat("Sunny.")

    return act


def test_in_text_only_one_block_in_prose_is_read_and_said(far_end):
    told = asked(far_end(Script(answering(PROSE))))
    assert (told.status, told.mode, told.record) == ("ok", Enforcement.TEXT, RIGHT)
    assert told.reply_text == PROSE
    assert any("only the block was read" in note for note in told.notes)


@pytest.mark.parametrize(
    "says",
    [
        f"```json\n{DRAFT}\n```\nor\n```json\n{ANSWER}\n```",
        f"First {DRAFT}, so:\n```json\n{ANSWER}\n```",
        f"The record is {ANSWER}.",
        f"Well <think>\n```json\n{DRAFT}\n```",
        "Here it is:\n```json\n{'total': 1}\n```",
    ],
)
def test_in_text_only_nothing_that_may_be_a_draft_is_read(far_end, says):
    told = asked(far_end(Script(answering(says))))
    assert (told.status, told.mode, told.notes) == ("InvalidJSON", Enforcement.TEXT, ())


def test_in_text_only_bare_json_is_read_without_a_remark(far_end):
    for says in (ANSWER, f"```json\n{ANSWER}\n```", f"<think>{DRAFT}</think>\n{ANSWER}"):
        told = asked(far_end(Script(answering(says))))
        assert (told.status, told.record, told.notes) == ("ok", RIGHT, ())


@pytest.mark.parametrize("enforces", ["json_schema", "json_object"])
def test_where_a_server_promises_json_prose_is_not_read(far_end, enforces):
    told = asked(far_end(Script(answering(PROSE, enforces))))
    assert told.mode in {Enforcement.SCHEMA, Enforcement.JSON}
    assert told.status == "InvalidJSON"


def test_what_was_read_out_of_prose_is_kept_counted_and_read_again(far_end, tmp_path):
    end = far_end(Script(answering(PROSE)))
    connection = lw.Connection("custom", name="m", endpoint=end.url)
    journal = tmp_path / "journal.sqlite"

    def compared(journal) -> lw.Comparison:
        return lw.compare(
            SCHEMA, ["one", "two"], [connection], truth=[RIGHT, RIGHT], journal=journal,
            progress=False,
        )  # fmt: skip

    first = compared(journal)
    paid = len(end.seen)
    first.save(tmp_path / "kept.lw")
    capability.forget_capabilities()
    for result in (first, compared(journal), lw.load(tmp_path / "kept.lw")):
        assert [each.status for each in result] == ["ok", "ok"]
        assert [each.record for each in result] == [RIGHT, RIGHT]
        assert all("only the block was read" in " ".join(each.notes) for each in result)
        assert result.scoreboard()["accuracy"].tolist() == [1.0]
        assert any("2 of 2 replies were prose around one fenced block" in n for n in result.notes)
    assert len(end.seen) == paid


def test_one_such_reply_is_told_in_the_singular(far_end):
    end = far_end(Script(answering(PROSE)))
    connection = lw.Connection("custom", name="m", endpoint=end.url)
    result = lw.compare(SCHEMA, ["one"], [connection], journal=False, progress=False)
    assert any("1 of 1 reply was prose" in note for note in result.notes)


def test_a_block_that_was_kept_unread_is_read_and_not_paid_again(far_end, tmp_path):
    """A journal can be from before blocks in prose were read: then it says not JSON."""
    end = far_end(Script(answering(PROSE)))
    connection = lw.Connection("custom", name="m", endpoint=end.url)
    journal = tmp_path / "journal.sqlite"

    def compared() -> lw.Comparison:
        return lw.compare(SCHEMA, ["one"], [connection], journal=journal, progress=False)

    compared()
    with closing(sqlite3.connect(journal)) as kept, kept:
        write_as_before(kept, Journal(journal).get(1))
        changed = kept.execute(
            "UPDATE extraction SET status = 'InvalidJSON',"
            " facts = json_replace(facts, '$.notes', json('[]'))"
        )
        assert changed.rowcount == 1
    paid = len(end.seen)
    again = next(iter(compared()))
    assert (again.status, again.record, len(end.seen)) == ("ok", RIGHT, paid)
    assert again.paid_before is not None
    assert "only the block was read" in " ".join(again.notes)
