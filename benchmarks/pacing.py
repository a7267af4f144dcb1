"""How long a server that refuses some calls keeps us: llmwidgets beside the OpenAI SDK.

python benchmarks/pacing.py [SERVER…]

One line a server and a way of calling, in one run, 100 calls at once, each server a process of its
own. `llmwidgets` is `compare` whole, with the journal in memory; the SDK has 8 retries. Two
servers refuse by chance, however slowly they are asked; the others limit the rate.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

import llmwidgets as lw
from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat
from llmwidgets.engine.capability import record_of

AT_ONCE = 100
FIELDS = [{"name": "number", "type": "string"}, {"name": "total", "type": "number"}]
RECORD = {"number": "R-1", "total": 12.5}
DOCUMENT = "Invoice R-1 of 23 November 2026. Total due 12.50 EUR. " * 9
KEY = "sk-test-000000000000000000000000"


@dataclass(frozen=True)
class Server:
    """A server's habits: its latency in seconds, what it refuses, and how many texts to ask.

    `rate` calls a second are let in, `burst` of them at once; `window` lets in as many in each
    so many seconds. `best` is the least number of seconds in which the texts can be answered.
    """

    name: str
    texts: int
    seconds: float
    limited: float = 0.0
    broken: float = 0.0
    rate: float = 0.0
    burst: float = 0.0
    window: tuple[int, float] = (0, 0.0)
    wait: str = "retry-after: 1"
    refuses_after: float = 0.0

    @property
    def best(self) -> float:
        if self.rate:
            return (self.texts - self.burst) / self.rate
        if self.window[0]:
            return (self.texts - 1) // self.window[0] * self.window[1]
        return self.texts * self.seconds / AT_ONCE


SERVERS = (
    Server("2 % 429", 2000, 0.2, limited=0.02, refuses_after=0.2),
    Server("20 % 429, 5 % 500", 2000, 0.05, limited=0.2, broken=0.05, refuses_after=0.05),
    Server("200/s", 3000, 0.05, rate=200, burst=200),
    Server("200/s, slow to refuse", 3000, 0.05, rate=200, burst=200, refuses_after=0.05),
    Server("200/s, names no wait", 3000, 0.05, rate=200, burst=200, wait=""),
    Server("100 in each 2 s", 1000, 0.05, window=(100, 2.0)),
)


class _Habits:
    """Decides, call by call, and counts."""

    def __init__(self, server: Server) -> None:
        self.server, self.chance = server, random.Random(11)
        self.tokens, self.looked, self.window, self.inside = server.burst, 0.0, -1, 0
        self.requests = self.refused = 0

    def status(self) -> int:
        self.requests += 1
        now, server = time.monotonic(), self.server
        if not self._lets_in(now) or self.chance.random() < server.limited:
            self.refused += 1
            return 429
        return 500 if self.chance.random() < server.broken else 200

    def _lets_in(self, now: float) -> bool:
        server = self.server
        if server.window[0]:
            window = int(now // server.window[1])
            self.inside = 1 if window != self.window else self.inside + 1
            self.window = window
            return self.inside <= server.window[0]
        if not server.rate:
            return True
        self.tokens = min(server.burst, self.tokens + (now - self.looked) * server.rate)
        self.looked = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class _Connection(asyncio.Protocol):
    def __init__(self, habits: _Habits, answers: dict[int, bytes]) -> None:
        self.habits, self.answers, self.data = habits, answers, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, found, rest = self.data.partition(b"\r\n\r\n")
        if not found:
            return
        if head.startswith(b"GET"):
            counts = {"requests": self.habits.requests, "refused": self.habits.refused}
            self.transport.write(_answer(200, counts))
            self.transport.close()
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return
        self.data, server = rest[length:], self.habits.server
        status = self.habits.status()
        seconds = server.refuses_after if status == 429 else server.seconds
        answer = self.answers[status]
        asyncio.get_running_loop().call_later(seconds, self._reply, answer)

    def _reply(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)


def _answer(status: int, body: object, header: str = "") -> bytes:
    said = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{header}"
    return f"{head}content-length: {len(said)}\r\n\r\n".encode() + said


def _serve(ports: Any, server: Server) -> None:
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": json.dumps(RECORD)},
    }
    usage = {"prompt_tokens": 300, "completion_tokens": 40, "total_tokens": 340}
    whole = {"id": "r", "object": "chat.completion", "created": 1, "model": "m"}
    error = {"error": {"message": "no", "type": "x", "code": None}}
    answers = {
        200: _answer(200, {**whole, "choices": [choice], "usage": usage}),
        429: _answer(429, error, f"{server.wait}\r\n" if server.wait else ""),
        500: _answer(500, error),
    }

    async def main() -> None:
        habits = _Habits(server)
        listening = await asyncio.get_running_loop().create_server(
            lambda: _Connection(habits, answers), "127.0.0.1", 0, backlog=2048
        )
        ports.put(listening.sockets[0].getsockname()[1])
        await listening.serve_forever()

    asyncio.run(main())


@contextmanager
def _running(server: Server) -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    ports: Any = context.Queue()
    process = context.Process(target=_serve, args=(ports, server))
    process.start()
    try:
        yield f"http://127.0.0.1:{ports.get(timeout=30)}"
    finally:
        process.terminate()
        process.join()


def _ours(address: str, texts: list[str]) -> int:
    """How many texts llmwidgets answers."""
    connection = lw.Connection("custom", name="m", endpoint=f"{address}/v1", api_key=KEY)
    known = Capability(ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)
    record_of(connection, "m").capability = known
    compared = lw.compare(
        FIELDS, texts, [connection], concurrency=AT_ONCE, journal=False, progress=False
    )
    return sum(each.ok for each in compared)


def _sdk(address: str, texts: list[str]) -> int:
    """How many texts the OpenAI SDK answers."""
    from openai import AsyncOpenAI, OpenAIError

    async def main() -> int:
        left, answered = iter(texts), 0
        async with AsyncOpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=8) as client:

            async def work() -> None:
                nonlocal answered
                for text in left:
                    try:
                        reply = await client.chat.completions.create(
                            model="m", messages=[{"role": "user", "content": text}]
                        )
                    except OpenAIError:
                        continue
                    answered += reply.choices[0].message.content is not None

            await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        return answered

    return asyncio.run(main())


def _measure(server: Server, way: Callable[[str, list[str]], int]) -> str:
    texts = [f"{number} {DOCUMENT}" for number in range(server.texts)]
    with _running(server) as address:
        begun = time.perf_counter()
        answered = way(address, texts)
        seconds = time.perf_counter() - begun
        with urlopen(f"{address}/counts") as told:
            counts = json.loads(told.read())
    share = counts["refused"] / counts["requests"]
    return (
        f"{seconds:>7.1f} {counts['requests']:>9} {counts['refused']:>8} {share:>6.1%}"
        f" {len(texts) - answered:>5} {server.best / seconds:>8.0%}"
    )


def main() -> None:
    only = sys.argv[1:]
    columns = f"{'wall s':>7} {'requests':>9} {'refused':>8} {'':>6} {'lost':>5} {'of best':>8}"
    sys.stdout.write(f"{'server':<24} {'way':<11} {columns}\n")
    for server in SERVERS:
        if only and server.name not in only:
            continue
        for name, way in (("llmwidgets", _ours), ("OpenAI SDK", _sdk)):
            sys.stdout.write(f"{server.name:<24} {name:<11} {_measure(server, way)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
