"""A server that obeys the probe and not the user's schema loses the word for that schema."""

from __future__ import annotations

import json

import pytest

import llmwidgets as lw
from llmwidgets.connections import Connection
from llmwidgets.dialects.types import Capability, Enforcement, Reply, ResponseFormat, Usage
from llmwidgets.engine import capability
from llmwidgets.engine.endings import parse_reply
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.request_builder import Document, Plan, RequestBuilder, ResolvedVariant
from llmwidgets.schemas import read_schema
from tests.engine.test_every_kind import KINDS, LISTED, connected
from tests.engine.test_run import SCHEMA, columns, ran, statuses, texts
from tests.servers import serving_models

WRONG = {"weather": "fine"}


def custom(end) -> Connection:
    return Connection("custom", name="m", endpoint=end.url)


def modes(run) -> list[Enforcement | None]:
    return [run.extraction(0, at).mode for at in range(len(run.plan.texts))]


def in_prompt(body: dict) -> bool:
    return '"total"' in json.dumps(body["messages"][0]).replace('\\"', '"')


def asked_in_turn(end, *words: str, journal: Journal | None = None):
    """A run of one question at a time."""
    plan = Plan(columns(custom(end)), texts(*words))
    return ran(plan, journal, concurrency=1)


def questions(model) -> list[dict]:
    return [each for each in model.asked if each["max_tokens"] != 16]


def test_a_server_that_ignores_the_schema_of_the_texts_is_json_only(far_end, model):
    model.record = WRONG
    run = asked_in_turn(far_end(model), "one", "two", "three")
    assert statuses(run) == ["InvalidRecord"] * 3
    assert modes(run) == [Enforcement.JSON] * 3
    assert [in_prompt(each) for each in questions(model)] == [False, True, True]
    (note,) = run.notes
    assert "1 of 3 replies did not keep to the schema that was sent" in note
    assert "JSON only" in note


def test_each_request_is_shown_as_it_was_sent(far_end, model):
    model.record = WRONG
    run = asked_in_turn(far_end(model), "one", "two")
    shown = [run.extraction(0, at).request["body"] for at in range(2)]
    assert shown == questions(model)


def test_the_replies_of_before_are_called_the_same(far_end, model):
    """One column has one mode; what was paid stays as it is."""
    model.replies = {"third": WRONG}
    run = asked_in_turn(far_end(model), "first", "second", "third", "fourth")
    assert statuses(run) == ["ok", "ok", "InvalidRecord", "ok"]
    assert modes(run) == [Enforcement.JSON] * 4
    said = [run.extraction(0, at).notes[-1] for at in range(4)]
    assert said[0] == said[1]
    assert "other replies showed" in said[0]
    assert "did not keep to the schema that was sent" in said[2]
    assert any("put into the prompt" in note for note in run.extraction(0, 3).notes)
    assert [run.extraction(0, at).request["body"] for at in range(4)] == questions(model)


def test_the_scoreboard_has_one_mode_and_the_comparison_a_note(far_end, model):
    model.replies = {"third": WRONG}
    result = lw.compare(
        SCHEMA, ["first", "second", "third"], [custom(far_end(model))], journal=False,
        progress=False, concurrency=1,
    )  # fmt: skip
    assert result.scoreboard()["mode"].tolist() == ["JSON only"]
    assert any("1 of 3 replies did not keep to the schema" in note for note in result.notes)


def test_another_schema_of_the_same_server_keeps_the_word(far_end, model):
    model.replies = {"bad": WRONG}
    other = read_schema([{"name": "name", "type": "string", "required": True}])
    end = far_end(model)
    model.replies["Ada"] = {"name": "Ada"}
    both = (Document("a", "bad", SCHEMA, None), Document("b", "Ada", other, None))
    run = ran(Plan(columns(custom(end)), both), concurrency=1)
    assert modes(run) == [Enforcement.JSON, Enforcement.SCHEMA]
    assert capability.record_of(custom(end), "m").capability.mode is Enforcement.SCHEMA


def test_another_column_of_the_model_loses_the_word_in_the_same_run(far_end, model):
    """What a server holds to does not depend on the words of the question."""
    told: list[object] = [WRONG]

    async def once(wire) -> None:
        wire.chat(told.pop() if told else model.record)

    model.replies = {"first": once}
    connection = custom(far_end(model))
    both = tuple(
        ResolvedVariant(f"c{at}", connection, "m", instructions=f"As {at}.") for at in range(2)
    )
    run = ran(Plan(both, texts("first", "second", "third")), concurrency=1)
    found = [[run.extraction(at, text).mode for text in range(3)] for at in range(2)]
    assert found == [[Enforcement.JSON] * 3] * 2
    assert sum("JSON only" in note for note in run.notes) == 2


def test_the_next_run_asks_with_the_schema_at_once(far_end, model):
    model.replies = {"bad": WRONG}
    end = far_end(model)
    asked_in_turn(end, "bad")
    run = asked_in_turn(end, "good")
    assert in_prompt(questions(model)[-1])
    assert modes(run) == [Enforcement.JSON]
    assert "Earlier replies did not keep" in run.notes[0]


def test_a_new_test_of_the_connection_looks_at_all_schemas_anew(far_end, model):
    model.replies = {"bad": WRONG}
    end = far_end(model)
    asked_in_turn(end, "bad")
    assert lw.check(custom(end)).mode is Enforcement.SCHEMA
    assert modes(asked_in_turn(end, "good")) == [Enforcement.SCHEMA]


def test_a_rerun_pays_nothing_and_says_the_same(far_end, model):
    model.replies = {"bad": WRONG}
    journal, end = Journal(False), far_end(model)
    asked_in_turn(end, "first", "bad", "third", journal=journal)
    capability.forget_capabilities()
    paid = len(model.asked)
    again = asked_in_turn(end, "first", "bad", "third", journal=journal)
    assert len(model.asked) == paid
    assert not model.probes[1:]
    assert modes(again) == [Enforcement.JSON] * 3
    assert all(again.cell(0, at)[1] for at in range(3))
    assert "1 of 3 replies did not keep" in again.notes[0]
    more = asked_in_turn(end, "first", "bad", "fourth", journal=journal)
    assert in_prompt(questions(model)[-1])
    assert modes(more) == [Enforcement.JSON] * 3


UNTOLD = {
    "cut": lambda wire: wire.chat('{"tot', "length"),
    "whole, at the limit": lambda wire: wire.chat(WRONG, "length"),
    "cut without a word": lambda wire: wire.chat('{"tot'),
    "empty": lambda wire: wire.chat(""),
    "filtered": lambda wire: wire.chat("", "content_filter"),
    "refused": lambda wire: wire.answer(
        {"choices": [{"finish_reason": "stop", "message": {"content": "", "refusal": "No."}}]}
    ),
}


@pytest.mark.parametrize("told", UNTOLD)
def test_a_reply_that_did_not_come_whole_shows_nothing(far_end, model, told):
    async def happens(wire) -> None:
        UNTOLD[told](wire)

    model.replies = {"odd": happens}
    run = asked_in_turn(far_end(model), "first", "odd", "third")
    assert modes(run) == [Enforcement.SCHEMA] * 3
    assert run.notes == ()


def test_a_run_asks_on_where_the_probe_was_cut_and_says_so(far_end, model):
    """The model thinks too long for the test question, and answers the texts."""

    class Ponders(type(model)):
        async def __call__(self, seen, wire) -> None:
            if seen.line.startswith("POST") and "weather" in seen.body.decode():
                wire.chat("", "length")
            else:
                await super().__call__(seen, wire)

    ponders = Ponders()
    end = far_end(ponders)
    run = asked_in_turn(end, "one", "two")
    assert statuses(run) == ["ok", "ok"]
    assert modes(run) == [Enforcement.JSON] * 2
    assert all(in_prompt(each) for each in questions(ponders))
    assert "could not be determined" in run.notes[0]
    assert any("could not be determined" in note for note in run.extraction(0, 1).notes)
    assert run.extraction(0, 1).request["body"] == questions(ponders)[-1]
    assert capability.record_of(custom(end), "m").capability is None


def test_a_run_whose_probe_met_a_busy_server_asks_no_text_and_looks_anew_later(far_end, model):
    class Busy(type(model)):
        busy = True

        async def __call__(self, seen, wire) -> None:
            if seen.line.startswith("POST") and self.busy:
                wire.answer({"error": {"message": "busy"}}, 503)
            else:
                await super().__call__(seen, wire)

    server, journal = Busy(), Journal(False)
    end = far_end(server)
    assert statuses(asked_in_turn(end, "one", "two", journal=journal)) == ["Overloaded"] * 2
    assert not server.asked
    server.busy = False
    run = asked_in_turn(end, "one", "two", journal=journal)
    assert (statuses(run), modes(run)) == (["ok"] * 2, [Enforcement.SCHEMA] * 2)


def reply(text: str, used: int = 9) -> Reply:
    return Reply(text, "complete", Usage(90, used))


STRICT = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 3},
        "day": {"type": "string", "format": "date"},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "note": {"type": "string"},
    },
    "required": ["name", "kind"],
    "additionalProperties": False,
}
FINE = {"name": "Ada", "day": "2026-11-28", "kind": "a", "note": ""}


def broken_by(answer: Reply) -> bool:
    """Whether the answer shows that a server of OpenAI format does not enforce the schema."""
    connection = Connection("custom", name="m", endpoint="http://localhost:9/v1")
    builder = RequestBuilder(ResolvedVariant("c", connection, "m"), read_schema(STRICT))
    return builder.broken_by(answer, 4096, parse_reply(answer.text))


@pytest.mark.parametrize(
    ("said", "broken"),
    [
        (FINE, False),
        ({**FINE, "name": "Adalbert"}, False),  # the user's own rule, which is not sent
        ({**FINE, "day": "28 November"}, False),  # a format binds nobody
        ({**FINE, "kind": "c"}, True),
        ({**FINE, "extra": 1}, True),
        ({**FINE, "name": 7}, True),
        ({"name": "Ada"}, True),
        ([FINE], True),
    ],
)
def test_the_schema_as_it_was_sent_is_the_judge(said, broken):
    assert broken_by(reply(json.dumps(said))) is broken


@pytest.mark.parametrize(
    ("text", "used", "broken"),
    [
        ("Here it is: ...", 9, True),
        ("```json\n" + json.dumps(FINE) + "\n```", 9, False),
        ('{"name": "A', 9, False),
        ("Here it is: ...", 4096, False),
        ("", 9, False),
        ("   ", 9, False),
        ("null", 9, True),
    ],
)
def test_prose_breaks_a_schema_and_a_beginning_does_not(text, used, broken):
    assert broken_by(reply(text, used)) is broken


@pytest.mark.parametrize("kind", KINDS)
def test_every_dialect_loses_the_word(kind):
    schema = {
        "title": "Bill", "type": "object", "required": ["name", "total"],
        "properties": {"name": {"type": "string"}, "total": {"type": "number"}},
    }  # fmt: skip
    with serving_models(models=LISTED) as server:
        connection, name = connected(kind, server.url)
        known = Capability(ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)
        capability.record_of(connection, name).capability = known
        server.fault = "ignore"
        found = lw.extract(schema, "Bolt bills 12.50.", lw.Variant((connection, name)))
    assert (found.status, found.mode) == ("InvalidRecord", Enforcement.JSON)
    assert capability.record_of(connection, name).capability.mode is Enforcement.SCHEMA
