"""A blocking call that somebody awaits says so before it asks anything."""

from __future__ import annotations

import ast
import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.errors import FieldError

SCHEMA = [{"name": "city"}]
REPLY = {"choices": [{"finish_reason": "stop", "message": {"content": '{"city": "Ulm"}'}}]}


class Server(http.server.ThreadingHTTPServer):
    """Answers everything with one reply, and counts what it was asked."""

    asked = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Server)
        self.server.asked += 1
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(REPLY).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=started.serve_forever, args=(0.02,))
    thread.start()
    yield started
    started.shutdown()
    thread.join()
    started.server_close()


def run_cell(code: str, server: Server) -> dict[str, Any]:
    """Run code as a notebook runs a cell: `await` may stand outside of a function."""
    connection = lw.Connection(
        "custom", name="m", endpoint=f"http://127.0.0.1:{server.server_port}/v1"
    )
    names: dict[str, Any] = {
        "lw": lw, "asyncio": asyncio, "schema": SCHEMA, "connection": connection,
        "options": {"journal": False, "progress": False},
    }  # fmt: skip
    cell = compile(code, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def run() -> None:
        value = eval(cell, names)
        if value is not None:
            await value

    asyncio.run(run())
    return names


COMPARE = 'lw.compare(schema, ["text"], connection, **options)'


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (f"result = await {COMPARE}", "compare"),
        ('result = await lw.compare(schema, ["text"], connection, journal=False)', "compare"),
        (f"print((await {COMPARE}).scoreboard())", "compare"),
        (f"results = [await {COMPARE} for _ in range(2)]", "compare"),
        (f"async def ask():\n    return await {COMPARE}\nawait ask()", "compare"),
        ('await lw.extract(schema, "text", connection, journal=False)', "extract"),
        ("await lw.check(connection)", "check"),
    ],
)
def test_a_call_that_is_awaited_asks_nothing(server: Server, code: str, name: str) -> None:
    with pytest.raises(FieldError) as caught:
        run_cell(code, server)
    assert f"{name} waits by itself" in caught.value.message
    assert "Leave await out" in caught.value.hint
    assert server.asked == 0


def test_a_rerun_that_is_awaited_asks_nothing(server: Server) -> None:
    names = run_cell(f"result = {COMPARE}", server)
    asked = server.asked
    with pytest.raises(FieldError, match="rerun waits by itself"):
        asyncio.run(_rerun(names["result"]))
    assert server.asked == asked


async def _rerun(result: Any) -> Any:
    return await result.rerun(reuse=False)


@pytest.mark.parametrize(
    "code",
    [
        f"result = {COMPARE}",
        f"result = await asyncio.sleep(0, {COMPARE})",
        f"result, _ = {COMPARE}, await asyncio.sleep(0)",
        'result = await asyncio.to_thread(lw.compare, schema, ["text"], connection, **options)',
        f"async def ask():\n    return {COMPARE}\nresult = await ask()",
        f"ask = lambda: {COMPARE}\nresult = ask()",
        f"async def ask():\n    yield {COMPARE}\nasync for result in ask(): pass",
        f"for result in map(lambda _: {COMPARE}, [1]): await asyncio.sleep(0)",
    ],
)
def test_a_call_that_is_not_awaited_is_made(server: Server, code: str) -> None:
    result = run_cell(code, server)["result"]
    assert [each.data for each in result] == [{"city": "Ulm"}]
