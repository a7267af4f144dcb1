"""Servers that stream unasked are read; those that answer nothing else are asked to."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.dialects.types import AuthHeader, Call, Capability, Enforcement, ResponseFormat
from llmwidgets.engine import capability, event_loop
from llmwidgets.engine.network import transport
from llmwidgets.engine.network.retry import PERHAPS_ANSWERED_TRIES
from llmwidgets.errors import FailureCode, Unreachable
from llmwidgets.secret import Secret
from llmwidgets.widgets.comparison.detail_view import request_curl
from tests.engine.conftest import Model, Seen, Wire, serving

SCHEMA = {
    "title": "Bill",
    "type": "object",
    "properties": {"total": {"type": "number"}},
    "required": ["total"],
    "additionalProperties": False,
}
RECORD = {"total": 12.5}
KEY = "made-up-key-0004711-aa55cc"
INSISTS = "This model only support stream mode, please enable the stream parameter."


def chunks(text: str, finish: str | None = "stop", usage: bool = True) -> list[dict[str, Any]]:
    def chunk(delta: dict[str, Any], ending: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": ending}
        return {"id": "r", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}

    counts = {"usage": {"prompt_tokens": 100, "completion_tokens": 10}} if usage else {}
    said = [chunk({"content": text[at : at + 3]}) for at in range(0, len(text), 3)]
    return [*said, chunk({}, finish), {**chunk({}), "choices": [], **counts}]


def sse(events: list[Any]) -> bytes:
    return "".join(f"data: {json.dumps(each)}\n\n" for each in [*events]).encode()


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def framed(piece: bytes) -> bytes:
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


class Streamed(Wire):
    """The end of a connection on which every answer of a chat is streamed."""

    def __init__(self, wire: Wire) -> None:
        self.write, self.drain, self.close = wire.write, wire.drain, wire.close

    def chat(self, content: object, finish: str = "stop", **_usage: int) -> None:
        """Write the answer in pieces."""
        text = content if isinstance(content, str) else json.dumps(content)
        self.write(HEAD + framed(sse(chunks(text, finish)) + DONE) + b"0\r\n\r\n")


class Streaming(Model):
    """A model that streams what it says, and may insist on being asked to."""

    def __init__(self, insists: str = "", takes_options: bool = True) -> None:
        super().__init__()
        self.insists, self.takes_options = insists, takes_options
        self.bodies: list[dict[str, Any]] = []

    async def __call__(self, seen: Seen, wire: Wire) -> None:
        if seen.body:
            self.bodies.append(seen.json)
            if self.insists and not seen.json.get("stream"):
                wire.answer({"error": {"message": self.insists, "param": None}}, 400)
                return
            if "stream_options" in seen.json and not self.takes_options:
                wire.answer({"error": {"message": "Unknown parameter: 'stream_options'."}}, 400)
                return
        await super().__call__(seen, Streamed(wire))


def connect(end: Any, **more: Any) -> lw.Connection:
    return lw.Connection("custom", name="m", endpoint=end.url, **more)


def test_a_server_that_streams_unasked_is_read_and_never_asked_to(far_end):
    streaming = Streaming()
    streaming.record = RECORD
    told = lw.extract(SCHEMA, "Bill", connect(far_end(streaming)), journal=False)
    assert (told.status, told.record, told.mode) == ("ok", RECORD, Enforcement.SCHEMA)
    assert (told.usage.input_tokens, told.usage.output_tokens) == (100, 10)
    assert told.request["body"] == streaming.bodies[-1]
    assert not any("stream" in each for each in streaming.bodies)
    assert not told.notes


@pytest.mark.parametrize("takes_options", [True, False])
def test_a_server_that_insists_on_a_stream_is_asked_for_one_and_it_is_learnt(
    far_end, takes_options, tmp_path
):
    streaming = Streaming(INSISTS, takes_options)
    streaming.record = RECORD
    connection = connect(far_end(streaming))
    told = lw.extract(SCHEMA, "Bill", connection, journal=tmp_path / "j.db")
    assert (told.status, told.record, told.mode) == ("ok", RECORD, Enforcement.SCHEMA)
    # The probe met it: the texts are asked rightly from the first on, in this run and in others.
    plain = [each for each in streaming.bodies if not each.get("stream")]
    assert len(plain) == 1
    assert told.tries == 1
    assert any("only as a stream" in note for note in told.notes)
    sent = streaming.bodies[-1]
    assert sent["stream"] is True
    assert sent.get("stream_options") == ({"include_usage": True} if takes_options else None)
    assert told.request["body"] == sent
    assert '"stream": true' in request_curl(told)
    lw.compare(
        SCHEMA, ["a", "b"], [lw.Variant(connection, effort="low")], journal=False, progress=False
    )
    assert [each for each in streaming.bodies if not each.get("stream")] == plain
    # It changes what is sent, and not what a text is known by.
    asked = len(streaming.bodies)
    again = lw.extract(SCHEMA, "Bill", connection, journal=tmp_path / "j.db")
    assert (again.record, len(streaming.bodies)) == (RECORD, asked)
    assert again.request["body"] == sent
    capability.forget_capabilities()
    assert lw.extract(SCHEMA, "Bill", connection, journal=tmp_path / "j.db").paid_before


def test_what_the_greeting_of_a_cold_model_met_holds_for_the_texts(far_end):
    streaming = Streaming(INSISTS)
    connection = connect(far_end(streaming))
    known = Capability(ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)
    capability.record_of(connection, "m").capability = known
    assert lw.extract(SCHEMA, "Bill", connection, journal=False).tries == 1
    assert [each.get("stream") for each in streaming.bodies] == [None, True, True]


def test_a_check_passes_on_such_a_server(far_end):
    report = lw.check(connect(far_end(Streaming(INSISTS))))
    assert (report.ok, report.mode) == (True, Enforcement.SCHEMA)


def test_a_server_that_insists_whatever_it_is_sent_is_asked_once_more_alone(far_end):
    bodies: list[dict[str, Any]] = []

    async def stubborn(seen: Seen, wire: Wire) -> None:
        bodies.append(seen.json)
        wire.answer({"error": {"message": INSISTS}}, 400)

    connection = connect(far_end(stubborn))
    known = Capability(ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)
    record = capability.record_of(connection, "m")
    # So that neither a probe nor a greeting asks.
    record.capability, record.answered_at = known, time.monotonic()
    told = lw.extract(SCHEMA, "Bill", connection, journal=False)
    assert (told.status, told.failure.code) == ("BadRequest", FailureCode.STREAM_ONLY)
    assert [each.get("stream") for each in bodies] == [None, True]
    assert INSISTS[:40] in told.failure.message
    assert told.failure.hint


@pytest.mark.parametrize(
    ("kind", "fields", "model"),
    [
        ("anthropic", {"api_key": "sk-ant-api03-made-up-0000"}, "claude-haiku-5-5"),
        ("gemini", {"api_key": "AQ.made-up-0000"}, "gemini-3.8-flash"),
    ],
)
def test_the_other_formats_are_asked_for_a_stream_in_their_own_way(far_end, kind, fields, model):
    """A gateway of that format can insist too."""
    lines: list[tuple[str, Any]] = []
    said = json.dumps(RECORD)
    message = [
        {"type": "message_start", "message": {"id": "r", "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": said}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ]
    content = [{"candidates": [{"content": {"parts": [{"text": said}]}, "finishReason": "STOP"}]}]

    async def behave(seen: Seen, wire: Wire) -> None:
        lines.append((seen.line, seen.json))
        if seen.json.get("stream") or "streamGenerateContent" in seen.line:
            events = message if kind == "anthropic" else content
            wire.write(HEAD + framed(sse(events)) + b"0\r\n\r\n")
        else:
            wire.answer({"error": {"message": "Non-streaming requests are not supported."}}, 400)

    base = far_end(behave).url.removesuffix("/v1")
    connection = lw.Connection(kind, **fields, base_url=base)
    told = lw.extract(SCHEMA, "Bill", (connection, model), journal=False)
    assert (told.status, told.record, told.tries) == ("ok", RECORD, 2)
    line, body = lines[-1]
    streamed = body.get("stream") is True or line.split()[1].endswith(
        f"{model}:streamGenerateContent?alt=sse"
    )
    assert streamed
    assert told.request["body"] == body


@pytest.mark.parametrize("finish", [None, "stop"])
def test_a_stream_that_breaks_off_is_asked_for_once_more_and_never_taken_for_whole(
    far_end, model, finish
):
    async def cut(wire: Wire) -> None:
        events = sse(chunks(json.dumps(RECORD), finish, usage=False)[: -1 if finish else -2])
        wire.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + events)
        await wire.drain()
        wire.close()

    model.replies["Cut"] = cut
    told = lw.extract(SCHEMA, "Cut", connect(far_end(model)), journal=False)
    if finish:
        assert told.record == RECORD
    else:
        assert (told.status, told.failure.code) == ("Overloaded", FailureCode.BROKE_OFF)
        assert told.tries == PERHAPS_ANSWERED_TRIES


@pytest.mark.parametrize("after", ["open", "pings", "reset"])
@pytest.mark.parametrize(
    "last", [DONE, b'event: message_stop\ndata: {"type": "message_stop"}\n\n', b"data:[DONE]\r\n"]
)
def test_a_stream_that_said_its_last_word_is_whole_whatever_the_server_does_then(last, after):
    """It is not waited for, as one that says nothing more would be."""
    raw = sse(chunks(json.dumps(RECORD))) + last

    async def behave(_seen: Seen, wire: Wire) -> None:
        wire.write(HEAD + framed(raw[:-5]))
        await wire.drain()
        wire.write(framed(raw[-5:]))
        await wire.drain()
        while after == "pings":
            await asyncio.sleep(0.05)
            wire.write(framed(b": ping\n\n"))
            await wire.drain()
        if after == "open":
            await asyncio.sleep(3600)
        wire.close()

    with serving(behave) as end:
        call = Call("POST", end.url, body={})
        received = event_loop.run_blocking(transport.send_call(call, stall=20, total=30))
    assert received.body.startswith(raw)


def test_a_last_word_inside_a_text_is_none():
    """In JSON a line end is escaped, so a line of its own is the server's."""
    text = json.dumps({"note": "\ndata: [DONE]\n"})
    raw = sse(chunks(text))

    async def behave(_seen: Seen, wire: Wire) -> None:
        wire.write(HEAD + framed(raw))
        await wire.drain()
        wire.close()

    with serving(behave) as end, pytest.raises(Unreachable) as caught:
        event_loop.run_blocking(
            transport.send_call(Call("POST", end.url, body={}), stall=20, total=30)
        )
    assert caught.value.code == FailureCode.CUT_SHORT


def test_a_key_that_comes_in_pieces_is_masked(far_end, model):
    """No piece has enough of it to be known; the text that they make has."""

    async def echo(wire: Wire) -> None:
        events = chunks(json.dumps({"total": 1, "note": KEY}))
        assert not any(KEY[:8] in json.dumps(each) for each in events)
        wire.write(HEAD + framed(sse(events) + DONE) + b"0\r\n\r\n")

    model.replies["Echo"] = echo
    told = lw.extract(SCHEMA, "Echo", connect(far_end(model), api_key=KEY), journal=False)
    assert "••••" in told.reply_text
    assert KEY not in told.reply_text


def test_wherever_the_network_cuts_a_stream_the_reply_is_the_same():
    text = json.dumps({"total": 12.5, "note": "Zürich — 総額"}, ensure_ascii=False)
    whole = "".join(
        f"data: {json.dumps(each, ensure_ascii=False)}\r\n\r\n" for each in chunks(text)
    )
    raw = whole.encode() + DONE
    cuts: list[int] = []

    async def behave(_seen: Seen, wire: Wire) -> None:
        wire.write(HEAD)
        for one, two in zip([0, *cuts], [*cuts, len(raw)], strict=True):
            wire.write(framed(raw[one:two]))
            await wire.drain()
            await asyncio.sleep(0)
        wire.write(b"0\r\n\r\n")

    with serving(behave) as end:
        call = Call("POST", end.url, body={})

        @settings(max_examples=30, deadline=None)
        @given(st.sets(st.integers(1, len(raw) - 1), max_size=20))
        def anywhere(places: set[int]) -> None:
            cuts[:] = sorted(places)
            assert event_loop.run_blocking(transport.send_call(call)).body == raw

        anywhere()


def test_the_limits_of_time_and_size_hold_between_the_pieces(far_end):
    async def drip(seen: Seen, wire: Wire) -> None:
        wire.write(HEAD)
        while True:
            wire.write(framed(b": keep-alive\n\n"))
            await wire.drain()
            await asyncio.sleep(0.02)

    async def pause(seen: Seen, wire: Wire) -> None:
        wire.write(HEAD + framed(sse(chunks("{}")[:1])))
        await asyncio.sleep(30)

    async def flood(seen: Seen, wire: Wire) -> None:
        wire.write(HEAD)
        piece = framed(sse(chunks("word " * 30_000)))
        for _ in range(9):
            wire.write(piece)
            await wire.drain()

    auth = (AuthHeader("Authorization", Secret(KEY), "Bearer {}"),)
    for behave, limits, code in (
        (drip, {"total": 0.3}, FailureCode.TOO_SLOW),
        (pause, {"stall": 0.3}, FailureCode.STALLED),
        (flood, {}, FailureCode.TOO_BIG),
    ):
        call = Call("POST", far_end(behave).url, auth, body={})
        with pytest.raises(Unreachable) as caught:
            event_loop.run_blocking(transport.send_call(call, **limits))
        assert caught.value.code == code


def test_a_call_that_streams_can_be_cancelled(far_end):
    async def endless(seen: Seen, wire: Wire) -> None:
        wire.write(HEAD)
        while True:
            wire.write(framed(sse(chunks("word")[:1])))
            await wire.drain()
            await asyncio.sleep(0.02)

    end = far_end(endless)

    async def stopped() -> bool:
        task = asyncio.ensure_future(transport.send_call(Call("POST", end.url, body={})))
        while not end.seen:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert event_loop.run_blocking(stopped())
