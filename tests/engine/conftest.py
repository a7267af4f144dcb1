"""A far end of the wire that can be told how to behave, byte by byte."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from llmwidgets.engine import capability, event_loop


@dataclass
class Seen:
    """One request as it reached the server."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class FarEnd:
    """A running server: where it is, and what it saw."""

    port: int
    scheme: str = "http"
    seen: list[Seen] = field(default_factory=list, repr=False)
    at_once: int = 0
    most_at_once: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"


class Wire:
    """The server's end of one connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.write, self.drain, self.close = writer.write, writer.drain, writer.close

    def answer(self, body: object = None, status: int = 200, headers: str = "") -> None:
        """Write a whole HTTP answer with a JSON body."""
        said = body if isinstance(body, bytes) else json.dumps({} if body is None else body)
        said = said if isinstance(said, bytes) else said.encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}"
        self.write(f"{head}content-length: {len(said)}\r\n\r\n".encode() + said)

    def chat(self, content: object, finish: str = "stop", **usage: int) -> None:
        """Write an answer in the OpenAI chat format."""
        text = content if isinstance(content, str) else json.dumps(content)
        tokens = {"prompt_tokens": 100, "completion_tokens": 10, **usage}
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": finish, "message": message}
        self.answer({"id": "r", "model": "served-m", "choices": [choice], "usage": tokens})


Behaviour = Callable[[Seen, Wire], Awaitable[None]]


async def _read_request(reader: asyncio.StreamReader) -> Seen | None:
    first = await reader.readexactly(1)
    # A client that speaks TLS here would wait for ever; real servers answer or hang up.
    if first == b"\x16":
        return None
    head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head.strip().split("\r\n")
    headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in rest)}
    return Seen(line, headers, await reader.readexactly(int(headers.get("content-length", 0))))


@contextmanager
def serving(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[FarEnd]:
    """Serve on a free port, on a thread and loop of its own, until the block ends."""
    own, begun, end = asyncio.new_event_loop(), threading.Event(), FarEnd(0)
    end.scheme = "https" if tls else "http"
    writers: set[asyncio.StreamWriter] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            while not writer.is_closing():
                seen = await _read_request(reader)
                if seen is None:
                    writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
                    break
                end.seen.append(seen)
                end.at_once += 1
                end.most_at_once = max(end.most_at_once, end.at_once)
                try:
                    await behave(seen, Wire(writer))
                    await writer.drain()
                finally:
                    end.at_once -= 1
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            writers.discard(writer)
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls, backlog=1024)
        end.port = server.sockets[0].getsockname()[1]
        stopped.set_result(asyncio.Event())
        begun.set()
        await stopped.result().wait()
        server.close()
        # A connection that was just accepted has no writer yet; some rounds of the loop later it
        # has, and only an aborted transport lets go of its socket before the loop is closed.
        for _ in range(10):
            await asyncio.sleep(0)
            for writer in list(writers):
                writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for _ in range(10):
            await asyncio.sleep(0)

    stopped: concurrent.futures.Future[asyncio.Event] = concurrent.futures.Future()
    thread = threading.Thread(target=lambda: own.run_until_complete(main()), daemon=True)
    thread.start()
    assert begun.wait(10)
    try:
        yield end
    finally:
        own.call_soon_threadsafe(stopped.result().set)
        thread.join(10)
        own.close()


@pytest.fixture
def far_end() -> Iterator[Callable[..., FarEnd]]:
    """Starts servers that behave as told; all are ended with the test."""
    with ExitStack() as stack:
        yield lambda behave, tls=None: stack.enter_context(serving(behave, tls))


@pytest.fixture(autouse=True)
def fresh_engine() -> Iterator[None]:
    """Each test has an engine of its own."""
    yield
    event_loop.stop_engine()


@pytest.fixture(autouse=True, scope="module")
def nothing_left_open() -> Iterator[None]:
    """A socket or a file that a test left open is found here, as a warning and so an error."""
    yield
    gc.collect()


class Model:
    """A model behind the wire: obeys schemas, or not; answers texts as told.

    `replies` maps a word of the document to what happens: a status, a text, or a coroutine.
    """

    def __init__(self) -> None:
        self.enforces = {"json_schema"}
        self.takes = {"json_schema", "json_object", "text"}
        self.schema_beside_object = False
        self.record: object = {"total": 12.5}
        self.replies: dict[str, object] = {}
        self.asked: list[dict] = []
        self.probes: list[dict] = []

    async def __call__(self, seen: Seen, wire: Wire) -> None:
        if seen.line.startswith("GET"):
            wire.answer({"object": "list", "data": [{"id": "m"}]})
            return
        form = seen.json.get("response_format", {"type": "text"})
        schema = form.get("json_schema", form).get("schema", {})
        document = seen.json["messages"][-1]["content"]
        probe = "weather" in document
        (self.probes if probe else self.asked).append(seen.json)
        if form["type"] not in self.takes:
            wire.answer({"error": {"message": "response_format is not supported"}}, 400)
            return
        beside = self.schema_beside_object and form["type"] == "json_object" and bool(schema)
        obeys = form["type"] in self.enforces or beside
        if probe:
            record = {n: p["enum"][0] for n, p in schema.get("properties", {}).items()}
            said = {"weather": "fine"} if form["type"] != "text" else "Sunny, I think."
            wire.chat(record if obeys and record else said)
            return
        for word, happens in self.replies.items():
            if word in document:
                await self._happen(happens, wire)
                return
        wire.chat(self.record)

    async def _happen(self, happens: object, wire: Wire) -> None:
        if isinstance(happens, int):
            wire.answer({"error": {"message": "no"}}, happens)
        elif isinstance(happens, bytes):
            wire.write(happens)
            await wire.drain()
            wire.close()
        elif callable(happens):
            await happens(wire)
        else:
            wire.chat(happens)


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture(autouse=True)
def forget_probes() -> None:
    capability.forget_capabilities()
