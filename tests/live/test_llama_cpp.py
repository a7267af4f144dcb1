"""llama.cpp's server, asked as a user's own: check, schema, window, stop, name, key, loss."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.dialects.types import ResponseFormat
from llmwidgets.engine.capability import STREAM, record_of
from tests.live.server import NAME, PYTHON, RealServer, running

pytestmark = pytest.mark.live


@pytest.fixture(autouse=True)
def no_waits() -> None:
    """A real server is waited for in real seconds."""


BILL = {
    "title": "Bill",
    "type": "object",
    "properties": {"name": {"type": "string"}, "total": {"type": "number"}},
    "required": ["name", "total"],
}
LONG = {
    "title": "Rows",
    "type": "object",
    "properties": {"rows": {"type": "array", "items": {"type": "string"}, "minItems": 300}},
    "required": ["rows"],
}
"""A record that takes the model minutes, so that there is a middle of its answer."""
TEXT = "Bolt & Sons bill Ada Lovelace 12.50 EUR."


def connected(server: RealServer, **given: Any) -> lw.Connection:
    return lw.Connection("custom", **{"name": NAME, "endpoint": server.url, **given})


def in_mid_answer(server: RealServer, act: Callable[[], object]) -> threading.Thread:
    """Do `act` once the server has worked on an answer for a while."""

    def wait() -> None:
        server.wait_until_busy(0.5)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def doomed(model: Path, tmp_path: Path):
    """A server of the test's own, which it may kill or leave at work."""
    own = tmp_path / "tiny.gguf"
    own.write_bytes(model.read_bytes())
    with running(os.environ[PYTHON], own, "--n_ctx", "8192") as started:
        yield started


def test_a_check_finds_the_model_and_the_form_that_is_enforced(server):
    told: list[str] = []
    report = lw.check(connected(server), tell=told.append)
    assert report.ok, report
    assert report.mode == "schema enforced"
    assert report.capability is not None
    assert report.capability.form is ResponseFormat.JSON_OBJECT_SCHEMA
    assert ("Models of the server", NAME) in report.details
    assert report.hint == ""
    assert told == [], "a form that is refused is no sign that the server is overloaded"


@pytest.mark.parametrize(
    "schema",
    [
        BILL,
        {
            "type": "object",
            "properties": {"kind": {"type": "string", "enum": ["invoice", "receipt"]}},
            "required": ["kind"],
        },
        {"type": "object", "properties": {"paid": {"type": ["boolean", "null"]}}},
        {
            "type": "object",
            "properties": {
                "rows": {
                    "type": "array",
                    "minItems": 2,
                    "maxItems": 3,
                    "items": {"type": "object", "properties": {"n": {"type": "integer"}}},
                }
            },
        },
    ],
    ids=["flat", "enum", "nullable", "rows"],
)
def test_even_random_weights_keep_to_an_enforced_schema(server, schema):
    texts = [f"{TEXT} No. {number}" for number in range(5)]
    models = [(connected(server), NAME)]
    result = lw.compare(schema, texts, models, journal=False, progress=False)
    assert [each.status for each in result] == ["ok"] * 5, list(result)
    assert {each.mode for each in result} == {"schema enforced"}
    assert all(each.usage.input_tokens and each.usage.output_tokens for each in result)


def test_a_schema_that_the_server_reads_in_part_is_not_called_enforced(server):
    """It drops the values of an optional choice, which other servers keep to."""
    choice = {"type": "object", "properties": {"kind": {"enum": ["invoice", "receipt"]}}}
    texts = [f"{TEXT} No. {number}" for number in range(8)]
    models = [(connected(server), NAME)]
    result = lw.compare(choice, texts, models, journal=False, progress=False)
    assert {each.status for each in result} <= {"ok", "InvalidRecord"}
    assert any(each.status == "InvalidRecord" for each in result)
    assert {each.mode for each in result} == {"JSON only"}


def test_an_answer_at_its_limit_is_truncated(server):
    asked = lw.Variant((connected(server), NAME), max_output_tokens=20)
    extraction = lw.extract(BILL, TEXT, asked)
    assert extraction.status == "Truncated"
    assert "output limit of 20 tokens" in str(extraction.failure)
    assert extraction.usage.output_tokens == 20


def test_an_answer_that_fills_the_window_is_told_from_one_at_its_limit(server):
    extraction = lw.extract(LONG, "x" * 6900, (connected(server), NAME))
    assert extraction.status == "Truncated"
    assert extraction.failure is not None
    assert "window is full" in extraction.failure.message
    assert f"{extraction.usage.output_tokens:,} tokens" in extraction.failure.message


def test_a_text_beyond_the_window_is_too_long(server):
    extraction = lw.extract(BILL, TEXT * 300, (connected(server), NAME))
    assert extraction.status == "TooLong"
    assert TEXT not in str(extraction.failure)


def test_a_name_that_the_server_does_not_list_is_told(server):
    """It answers by any name, and repeats that name as its own."""
    connection = connected(server, name="tinny")
    report = lw.check(connection)
    assert "does not list tinny" in report.hint
    assert ("Models of the server", NAME) in report.details
    extraction = lw.extract(BILL, TEXT, (connection, "tinny"))
    assert extraction.served_model == "tinny"
    assert any("let another model answer" in note for note in extraction.notes)


def test_a_key_that_is_wrong_or_missing_is_told(model, tmp_path):
    own = tmp_path / "tiny.gguf"
    own.write_bytes(model.read_bytes())
    key = "made-up-word-0047"
    with running(os.environ[PYTHON], own, "--n_ctx", "2048", "--api_key", key) as server:
        assert lw.check(connected(server)).status == "Unauthorized"
        assert lw.check(connected(server, api_key="made-up-word-0048")).status == "Unauthorized"
        assert lw.check(connected(server, api_key=key)).ok


def test_an_interrupt_in_mid_answer_ends_at_once_and_the_server_finishes_alone(doomed):
    """It does not notice that the caller has gone, and answers the next question after that."""
    connection = connected(doomed)
    assert lw.check(connection).ok
    pressed: list[float] = []
    in_mid_answer(doomed, lambda: (pressed.append(time.monotonic()), interrupt()))
    asked = lw.Variant((connection, NAME), max_output_tokens=4000)
    extraction = lw.extract(LONG, TEXT, asked)
    # The promise is 2 s; a busy machine gets more.
    assert time.monotonic() - pressed[0] < 4
    assert extraction.status == "Stopped"
    assert lw.extract(BILL, TEXT, (connection, NAME)).ok
    doomed.wait_until_idle()


def test_a_server_killed_in_mid_answer_is_unreachable_and_asked_no_more_than_twice(doomed):
    connection = connected(doomed)
    assert lw.check(connection).ok
    in_mid_answer(doomed, doomed.process.kill)
    extraction = lw.extract(LONG, TEXT, (connection, NAME))
    assert extraction.status == "Unreachable", extraction
    assert any("perhaps answered" in note for note in extraction.notes)
    report = lw.check(connection)
    assert not report.ok
    assert report.status == "Unreachable"


def test_a_stream_is_read_whole_and_one_that_breaks_off_is_a_failure(doomed):
    """Of a text beyond the window the server finds out after it has said 200: nothing follows."""
    connection = connected(doomed)
    assert lw.check(connection).ok
    record_of(connection, NAME).refused |= {STREAM}
    whole = lw.extract(BILL, TEXT, (connection, NAME))
    assert whole.ok, whole.failure
    assert whole.request["body"]["stream"] is True
    extraction = lw.extract(BILL, TEXT * 300, (connection, NAME))
    assert not extraction.ok
    assert extraction.failure is not None
    assert extraction.failure.message
