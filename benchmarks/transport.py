"""CPU of this process per call at 50 and 500 calls at once: ours beside plain httpx.

python benchmarks/transport.py [CALLS]

One line a way of calling, measured in turns in the same run against the same loopback server (a
process of its own). `extraction` is the whole path: question, request, transport, reply, judged
record, journal row.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from llmwidgets.connections import Connection, Policy
from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat
from llmwidgets.engine import event_loop
from llmwidgets.engine.capability import record_of
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.network import transport
from llmwidgets.engine.request_builder import Document, Plan, RequestBuilder, ResolvedVariant
from llmwidgets.engine.run import Run
from llmwidgets.schemas import read_schema

FIELDS = [
    {"name": "number", "type": "string"},
    {"name": "date", "type": "date"},
    {"name": "total", "type": "number"},
    {"name": "currency", "type": "string", "values": ["EUR", "USD"]},
]
RECORD = {"number": "R-1", "date": "2026-11-23", "total": 12.5, "currency": "EUR"}
DOCUMENT = "Invoice R-1 of 23 November 2026. Total due 12.50 EUR. " * 9
ROUNDS = 3


class _Server(asyncio.Protocol):
    """Answers every whole request with the same reply, as cheaply as asyncio can."""

    def __init__(self, answer: bytes, seconds: float) -> None:
        self.answer, self.seconds, self.data = answer, seconds, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, found, rest = self.data.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if len(rest) >= length:
            self.data = rest[length:]
            asyncio.get_running_loop().call_later(self.seconds, self._reply)

    def _reply(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.answer)


def _serve(ports: Any, seconds: float) -> None:
    choice = {"finish_reason": "stop", "message": {"content": json.dumps(RECORD)}}
    usage = {"prompt_tokens": 300, "completion_tokens": 40}
    body = json.dumps({"model": "m", "choices": [choice], "usage": usage}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"

    async def main() -> None:
        running = asyncio.get_running_loop()
        answer = head.encode() + b"\r\n\r\n" + body
        server = await running.create_server(
            lambda: _Server(answer, seconds), "127.0.0.1", 0, backlog=2048
        )
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


async def _many(once: Callable[[], Awaitable[object]], calls: int, at_once: int) -> None:
    left = iter(range(calls))

    async def work() -> None:
        for _ in left:
            await once()

    await asyncio.gather(*(work() for _ in range(at_once)))


def _cpu(work: Callable[[], object], calls: int) -> float:
    begun = time.process_time()
    work()
    return (time.process_time() - begun) / calls * 1000


class _Bench:
    def __init__(self, port: int, calls: int, at_once: int) -> None:
        self.calls, self.at_once = calls, at_once
        self.connection = Connection(
            "custom", name="m", endpoint=f"http://127.0.0.1:{port}/v1", api_key="made-up-key-0001"
        )
        capability = Capability(ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)
        record_of(self.connection, "m").capability = capability
        self.schema = read_schema(FIELDS)
        self.column = ResolvedVariant(
            "m", self.connection, "m", price={"input": 1.0, "output": 1.0}
        )
        text = Document("0", DOCUMENT, self.schema, None)
        request = RequestBuilder(self.column, self.schema).build(text, capability)
        dialect = self.connection.dialect
        self.call = dialect.encode(request, self.connection.target("m"))

    def extraction(self) -> None:
        texts = tuple(
            Document(str(n), f"{n} {DOCUMENT}", self.schema, None) for n in range(self.calls)
        )
        run = Run(
            Plan((self.column,), texts),
            journal=Journal(False),
            policy=Policy(),
            concurrency=self.at_once,
        )
        run.start()
        run.wait()
        assert run.progress[0].failures == {}, run.progress

    def ours(self) -> None:
        event_loop.run_blocking(
            _many(lambda: transport.send_call(self.call), self.calls, self.at_once)
        )

    def plain_httpx(self) -> None:
        async def main() -> None:
            limits = httpx.Limits(max_connections=self.at_once)
            async with httpx.AsyncClient(limits=limits, timeout=120, trust_env=False) as client:
                await _many(
                    lambda: client.post(self.call.url, json=self.call.body),
                    self.calls,
                    self.at_once,
                )

        asyncio.run(main())


@contextmanager
def serving(seconds: float) -> Iterator[int]:
    """The port of a loopback server in a process of its own, which answers after `seconds`."""
    ports: Any = multiprocessing.get_context("spawn").Queue()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(ports, seconds))
    server.start()
    try:
        yield ports.get(timeout=30)
    finally:
        server.terminate()
        server.join()


def _line(text: str) -> None:
    sys.stdout.write(text + "\n")


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    _line(f"{'at once':>8} {'latency':>8} {'way':<12} {'CPU ms a call':>14} {'x ours':>7}")
    for at_once, seconds in ((50, 0.0), (500, 0.2)):
        with serving(seconds) as port:
            bench = _Bench(port, calls, at_once)
            ways = {"ours": bench.ours, "extraction": bench.extraction, "httpx": bench.plain_httpx}
            found: dict[str, list[float]] = {way: [] for way in ways}
            bench.ours()
            for _ in range(ROUNDS):
                for way, work in ways.items():
                    found[way].append(_cpu(work, calls))
        ours = statistics.median(found["ours"])
        for way, each in found.items():
            middle = statistics.median(each)
            _line(
                f"{at_once:>8} {seconds * 1000:>5.0f} ms {way:<12} {middle:>14.3f}"
                f" {middle / ours:>7.1f}"
            )


if __name__ == "__main__":
    main()
