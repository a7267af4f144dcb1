"""CPU of one extraction: `compare()` as a whole, its layers, and what others take for the same.

python -m benchmarks.transport [--calls N] [--rounds N] [--at-once N …] [--latency SECONDS …]

Every way of asking is a process of its own, which asks once to warm up and once to be measured,
against one loopback server in a process of its own; rounds are interleaved, in shuffled order.
All of them send the same question about 500 characters and read ten fields and a list of three
rows into the same pydantic class. `compare` has its journal on disk and judges each reply;
`scored` has truth as well, and a scoreboard. Ratios are taken within a round; the medians count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

RECORD = {"number": "R-1", "date": "2026-11-23", "total": 12.5, "currency": "EUR"}
"""What the server answers to `/v1`, for whoever needs a short record."""

INVOICE: dict[str, Any] = {
    "number": "R-1",
    "vendor": "Acme and Sons",
    "customer": "Ada Wolf",
    "city": "Ljubljana",
    "issued": "2026-11-23",
    "due": "2026-12-31",
    "currency": "EUR",
    "net": 40.5,
    "tax": 8.1,
    "total": 48.6,
    "lines": [
        {"item": "Paper, 500 sheets", "quantity": 2, "amount": 12.5},
        {"item": "Ink, black", "quantity": 1, "amount": 18.0},
        {"item": "Delivery", "quantity": 1, "amount": 10.0},
    ],
}
DOCUMENT = (
    "Acme and Sons, Ljubljana. Invoice R-1 of 23 November 2026, due on 31 December 2026, to Ada"
    " Wolf. Paper, 500 sheets: 2, EUR 12.50. Ink, black: 1, EUR 18.00. Delivery: 1, EUR 10.00. Net"
    " EUR 40.50, tax EUR 8.10, total EUR 48.60. "
    "Thank you for your order: we are glad to see you again, and so is the cat. Please name the"
    " invoice's number with your payment; a reminder costs nothing the first time. The goods stay"
    " ours until then. Questions are answered from nine to five, except on holidays."
)
MODEL = "gpt-6-luna"
KEY = "made-up-key-0001"


class Line(BaseModel):
    item: str
    quantity: int
    amount: float


class Invoice(BaseModel):
    number: str
    vendor: str
    customer: str | None
    city: str | None
    issued: date
    due: date | None
    currency: Literal["EUR", "USD"]
    net: float
    tax: float
    total: float
    lines: list[Line]


# -- The server.


class _Server(asyncio.Protocol):
    """Answers every whole request with the reply of its path, as cheaply as asyncio can."""

    def __init__(self, answers: dict[bytes, bytes], seconds: float) -> None:
        self.answers, self.seconds, self.data = answers, seconds, b""

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
            answer = self.answers[head.split(b"/", 2)[1]]
            if self.seconds:
                asyncio.get_running_loop().call_later(self.seconds, self._reply, answer)
            else:
                self._reply(answer)

    def _reply(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)


def _answer(model: str, record: dict[str, Any]) -> bytes:
    choice = {"index": 0, "finish_reason": "stop"} | {
        "message": {"role": "assistant", "content": json.dumps(record)}
    }
    usage = {"prompt_tokens": 300, "completion_tokens": 140, "total_tokens": 440}
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": model}
    body = json.dumps({**whole, "choices": [choice], "usage": usage}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def _serve(ports: Any, seconds: float) -> None:
    answers = {
        b"v1": _answer("m", RECORD),
        b"own": _answer("m", INVOICE),
        b"vendor": _answer(MODEL, INVOICE),
    }

    async def main() -> None:
        running = asyncio.get_running_loop()
        server = await running.create_server(
            lambda: _Server(answers, seconds), "127.0.0.1", 0, backlog=2048
        )
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

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


# -- What others take. Imports are inside, so that no process has more than it measures.


async def _many(once: Callable[[int], Awaitable[object]], calls: int, at_once: int) -> None:
    left = iter(range(calls))

    async def work() -> None:
        for number in left:
            await once(number)

    await asyncio.gather(*(work() for _ in range(at_once)))


async def _measured(once: Callable[[int], Awaitable[object]], calls: int, at_once: int) -> float:
    """CPU seconds of the calls, after some that open the connections."""
    await _many(once, 2 * at_once, at_once)
    begun = time.process_time()
    await _many(once, calls, at_once)
    return time.process_time() - begun


class _Bench:
    """The ways to ask, each for itself: CPU seconds of `calls` calls.

    `body` is that of a question as the engine sends it: the others send the same.
    """

    def __init__(self, port: int, calls: int, at_once: int, body: dict[str, Any]) -> None:
        self.address, self.calls, self.at_once = f"http://127.0.0.1:{port}", calls, at_once
        self.body, self.url = body, f"{self.address}/own/v1/chat/completions"

    @cached_property
    def custom(self) -> Any:
        import llmwidgets as lw
        from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat

        given = lw.Connection("custom", name="m", endpoint=f"{self.address}/own/v1", api_key=KEY)
        known = Capability(ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)
        return given.with_capability("m", known)

    @cached_property
    def vendor(self) -> Any:
        import llmwidgets as lw

        address = f"{self.address}/vendor/v1"
        return lw.Connection("openai", api_key=KEY, base_url=address), MODEL

    def call(self) -> Any:
        """The question about one text, as the engine puts it."""
        from llmwidgets.engine.request_builder import Document, RequestBuilder, ResolvedVariant
        from llmwidgets.schemas import read_schema

        schema, connection = read_schema(Invoice), self.custom
        text, capability = Document("0", DOCUMENT, schema, None), connection.capability("m")
        builder = RequestBuilder(ResolvedVariant("m", connection, "m"), schema)
        return connection.dialect.encode(builder.build(text, capability), builder.target)

    def _messages(self, number: int) -> list[dict[str, str]]:
        *before, last = self.body["messages"]
        return [*before, {**last, "content": f"{number} {last['content']}"}]

    def _body(self, number: int) -> dict[str, Any]:
        return {**self.body, "messages": self._messages(number)}

    # Each of these is a way to ask.

    def aiohttp(self) -> float:
        """One session, a body made for each text, the reply read and validated."""
        import aiohttp

        headers = {"Authorization": f"Bearer {KEY}"}

        async def main() -> float:
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

                async def once(number: int) -> Invoice:
                    async with session.post(self.url, json=self._body(number)) as reply:
                        body = json.loads(await reply.read())
                    return Invoice.model_validate_json(body["choices"][0]["message"]["content"])

                return await _measured(once, self.calls, self.at_once)

        return asyncio.run(main())

    def httpx(self) -> float:
        """The same through httpx's own pool."""
        import httpx

        async def main() -> float:
            limits = httpx.Limits(max_connections=self.at_once)
            headers = {"Authorization": f"Bearer {KEY}"}
            async with httpx.AsyncClient(
                limits=limits, timeout=120, trust_env=False, headers=headers
            ) as client:

                async def once(number: int) -> Invoice:
                    reply = await client.post(self.url, json=self._body(number))
                    content = reply.json()["choices"][0]["message"]["content"]
                    return Invoice.model_validate_json(content)

                return await _measured(once, self.calls, self.at_once)

        return asyncio.run(main())

    def openai(self) -> float:
        """The vendor's own client, asked for the class."""
        from openai import AsyncOpenAI

        async def main() -> float:
            address = f"{self.address}/vendor/v1"
            async with AsyncOpenAI(
                api_key=KEY, base_url=address, max_retries=0, timeout=600
            ) as client:

                async def once(number: int) -> Invoice | None:
                    reply = await client.chat.completions.parse(
                        model=MODEL, messages=self._messages(number),
                        response_format=Invoice, store=False,
                        max_completion_tokens=4184,
                    )  # fmt: skip
                    return reply.choices[0].message.parsed

                return await _measured(once, self.calls, self.at_once)

        return asyncio.run(main())

    def transport(self) -> float:
        """Our transport alone, with a call that is made once."""
        from llmwidgets.engine import event_loop
        from llmwidgets.engine.network import transport

        call = self.call()

        async def once(_: int) -> object:
            return await transport.send_call(call)

        return event_loop.run_blocking(_measured(once, self.calls, self.at_once))

    def custom_compared(self) -> float:
        """`compare` on the kind custom."""
        return self._compare(self.custom, scored=False)

    def custom_scored(self) -> float:
        """`compare` on the kind custom, with truth, and its scoreboard."""
        return self._compare(self.custom, scored=True)

    def openai_compared(self) -> float:
        """`compare` on the kind openai."""
        return self._compare(self.vendor, scored=False)

    def openai_scored(self) -> float:
        """`compare` on the kind openai, with truth, and its scoreboard."""
        return self._compare(self.vendor, scored=True)

    def _compare(self, model: Any, *, scored: bool) -> float:
        import llmwidgets as lw

        def ask(calls: int, name: str) -> Any:
            texts = [f"{name} {number} {DOCUMENT}" for number in range(calls)]
            result = lw.compare(
                Invoice, texts, model, truth=[INVOICE] * calls if scored else None,
                concurrency=self.at_once, budget=None, progress=False,
                journal=Path(folder) / "journal.sqlite",
            )  # fmt: skip
            if scored:
                assert list(result.scoreboard()["accuracy"]) == [1.0], result
            return result

        with tempfile.TemporaryDirectory() as folder:
            ask(2 * self.at_once, "before")
            begun = time.process_time()
            result = ask(self.calls, "text")
            spent = time.process_time() - begun
            failed = [each.status for each in result if not each.ok]
            assert not failed, failed[0]
            return spent


WAYS = {
    "aiohttp": "bare aiohttp, with validation",
    "transport": "our transport alone",
    "custom_compared": "compare(), custom",
    "openai_compared": "compare(), openai",
    "custom_scored": "compare() and scoreboard(), custom",
    "openai_scored": "compare() and scoreboard(), openai",
    "openai": "the OpenAI SDK",
    "httpx": "plain httpx",
}
SLOW = {"openai", "httpx"}
GOALS = (
    ("the OpenAI SDK / compare(), custom", "openai", "custom_compared", 8.0),
    ("the OpenAI SDK / compare() and scoreboard(), custom", "openai", "custom_scored", 5.5),
    ("compare(), custom / bare aiohttp", "custom_compared", "aiohttp", -2.7),
    ("compare(), openai / compare(), custom", "openai_compared", "custom_compared", -1.3),
)
"""What is divided by what, and the least of it; below 0: the most."""


# -- The measurement.


def _ask_in_process(way: str, given: dict[str, Any]) -> float:
    """CPU ms of one call, in a process of its own."""
    if way in SLOW:
        given = given | {"calls": max(given["at_once"], given["calls"] // 5)}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.transport", "--way", way],
        input=json.dumps(given), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout) / given["calls"] * 1000


def measure(calls: int, rounds: int, at_once: int, seconds: float) -> list[dict[str, float]]:
    """CPU ms a call of each way, one dict a round."""
    found: list[dict[str, float]] = []
    with serving(seconds) as port:
        given: dict[str, Any] = {"port": port, "calls": calls, "at_once": at_once, "body": {}}
        given["body"] = _Bench(**given).call().body
        for _ in range(rounds):
            order = random.sample(list(WAYS), len(WAYS))
            found.append({way: _ask_in_process(way, given) for way in order})
    return found


def _line(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def report(found: list[dict[str, float]], at_once: int, seconds: float) -> None:
    """The table of one measurement, and what is asked of it."""

    def ratio(one: str, other: str) -> float:
        return statistics.median(each[one] / each[other] for each in found)

    _line(f"\n{at_once} at once, server {seconds * 1000:.0f} ms, {len(found)} rounds")
    _line(f"{'':<40} {'CPU ms a call':>14} {'least':>7} {'most':>7} {'x aiohttp':>10}")
    for way, title in WAYS.items():
        each = [row[way] for row in found]
        _line(
            f"{title:<40} {statistics.median(each):>14.3f} {min(each):>7.3f} {max(each):>7.3f}"
            f" {ratio(way, 'aiohttp'):>10.2f}"
        )
    for title, one, other, goal in GOALS:
        share, most = ratio(one, other), goal < 0
        met = "met" if (share <= -goal if most else share >= goal) else "missed"
        asked = f"at {'most' if most else 'least'} {abs(goal)}"
        _line(f"{title:<56} {share:>6.2f}  {asked:<13} {met}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", type=int, nargs="+", default=[50, 500])
    parser.add_argument("--latency", type=float, nargs="+", default=[0.0])
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        spent: float = getattr(_Bench(**json.load(sys.stdin)), asked.way)()
        return _line(str(spent))
    for seconds in asked.latency:
        for at_once in asked.at_once:
            report(measure(asked.calls, asked.rounds, at_once, seconds), at_once, seconds)
    return None


if __name__ == "__main__":
    main()
