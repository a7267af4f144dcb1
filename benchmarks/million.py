"""What one machine needs for many texts, from reading them to the verdict: memory, CPU and disk.

python -m benchmarks.million [TEXTS …] [--models MODELS] [--parquet]

One line for each number of texts, each in a process of its own, against a loopback server in
another: texts of some 500 characters with a truth of ten fields, a journal on disk. `--parquet`
has texts and truth read from files. The highest memory is that of the process until then; what is
needed is how much more that is at the end than when the run began, and what was estimated then.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

FIELDS = [
    *({"name": name, "type": "string"} for name in ("number", "vendor", "street", "city", "iban")),
    *({"name": name, "type": "date"} for name in ("issued", "due")),
    *({"name": name, "type": "number"} for name in ("net", "tax", "total")),
]
ANSWERS = 1000
AT_ONCE = 64
LENGTH = 500


def record(number: int) -> dict[str, Any]:
    """Ten fields; a number and that number more the `ANSWERS` differ in some of them."""
    return {
        "number": f"R-{number}",
        "vendor": f"Acme {number % 97} and Sons",
        "street": f"{number % 89} Long Road",
        "city": "Ljubljana",
        "iban": f"SI56 1910 0000 {number % 7:08}",
        "issued": f"2026-{1 + number % 12:02}-{1 + number % 28:02}",
        "due": "2026-12-31",
        "net": number % 500 + 0.5,
        "tax": 22,
        "total": number % 500 + 22.5,
    }


def document(number: int) -> str:
    """The text of a record, filled up to `LENGTH` characters."""
    words = ". ".join(map(str, record(number).values()))
    return f"{words}. {'Payable within thirty days. ' * 20}"[:LENGTH]


# -- A server in a process of its own, as cheap as asyncio can be.


class _Answering(asyncio.Protocol):
    """Answers every whole request with the next of its replies."""

    def __init__(self, replies: Iterator[bytes]) -> None:
        self.replies, self.data = replies, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, found, rest = self.data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if found and len(rest) >= length:
            self.data = rest[length:]
            self.transport.write(next(self.replies))


def _reply(number: int) -> bytes:
    choice = {"finish_reason": "stop", "message": {"content": json.dumps(record(number))}}
    usage = {"prompt_tokens": 300, "completion_tokens": 90}
    body = json.dumps({"model": "m", "choices": [choice], "usage": usage}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def _serve(ports: Any) -> None:
    kept = [_reply(number) for number in range(ANSWERS)]

    def replies() -> Iterator[bytes]:
        while True:
            yield from kept

    async def main() -> None:
        running, each = asyncio.get_running_loop(), replies()
        server = await running.create_server(lambda: _Answering(each), "127.0.0.1", 0, backlog=2048)
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def serving() -> Iterator[int]:
    """The port of the server."""
    spawn = multiprocessing.get_context("spawn")
    ports: Any = spawn.Queue()
    server = spawn.Process(target=_serve, args=(ports,))
    server.start()
    try:
        yield ports.get(timeout=30)
    finally:
        server.terminate()
        server.join()


# -- One comparison, in a process of its own.


def resident(peak: bool = True) -> float:
    """The memory of this process in MB: at its highest, or now. Linux counts it in kB."""
    wanted = "VmHWM" if peak else "VmRSS"
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(wanted):
            return int(line.split()[1]) / 1024
    return 0.0


def write_tables(count: int, folder: Path) -> None:
    """Texts and truth as Parquet files."""
    import pyarrow
    from pyarrow import parquet

    for name, make in (
        ("texts", lambda at: {"id": f"invoice-{at}", "text": document(at)}),
        ("truth", lambda at: {"id": f"invoice-{at}", **record(at)}),
    ):
        writer = None
        for start in range(0, count, 10_000):
            rows = [make(at) for at in range(start, min(count, start + 10_000))]
            part = pyarrow.Table.from_pylist(rows)
            writer = writer or parquet.ParquetWriter(folder / f"{name}.parquet", part.schema)
            writer.write_table(part)
        if writer is not None:
            writer.close()


def measure(port: int, count: int, models: int, folder: Path) -> dict[str, Any]:
    """Every figure of one comparison: MB, seconds and µs."""
    import llmwidgets as lw
    from llmwidgets.comparison import runs
    from llmwidgets.engine.estimate.memory import needed_memory

    connections = [
        lw.Connection(
            "custom", name=f"m{at}", endpoint=f"http://127.0.0.1:{port}/v1",
            api_key="made-up-key-0001",
        )
        for at in range(models)
    ]  # fmt: skip
    if (folder / "texts.parquet").exists():
        import pandas  # noqa: F401

        texts: Any = folder / "texts.parquet"
        truth: Any = folder / "truth.parquet"
    else:
        texts, truth = [document(at) for at in range(count)], [record(at) for at in range(count)]
    found: dict[str, Any] = {}
    clock = [time.perf_counter(), time.process_time()]

    def note(stage: str) -> None:
        now = [time.perf_counter(), time.process_time()]
        wall, cpu = (each - before for each, before in zip(now, clock, strict=True))
        found[stage] = {"peak": resident(), "now": resident(peak=False), "wall": wall, "cpu": cpu}
        clock[:] = time.perf_counter(), time.process_time()

    note("given")
    run_plan = runs.run_plan

    def noted(*arguments: Any) -> Any:
        found["estimated"] = needed_memory(arguments[1].plan) / 2**20
        note("read")
        return run_plan(*arguments)

    runs.run_plan = noted
    journal = folder / "journal.sqlite"
    result = lw.compare(
        FIELDS, texts, connections, truth=truth, journal=journal, progress=False,
        concurrency=AT_ONCE,
    )  # fmt: skip
    note("run")
    assert len(result) == count * models
    board = result.scoreboard()
    note("scoreboard")
    assert not board.unanswered.any(), board
    result.verdict()
    note("verdict")
    found["disk"] = sum(each.stat().st_size for each in folder.glob("journal*")) / 2**20
    return found


def measure_apart(count: int, models: int, parquet: bool) -> dict[str, Any]:
    """The same, in another process, with a server and files that are gone afterwards."""
    with tempfile.TemporaryDirectory() as folder, serving() as port:
        if parquet:
            write_tables(count, Path(folder))
        words = [str(count), "--models", str(models), "--port", str(port), "--folder", folder]
        module = [sys.executable, "-m", "benchmarks.million", *words]
        done = subprocess.run(module, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


_STAGES = ("given", "read", "run", "scoreboard", "verdict")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("texts", type=int, nargs="*", default=[10_000], help="10000")
    parser.add_argument("--models", type=int, default=1, help="1")
    parser.add_argument("--parquet", action="store_true", help="texts and truth as files")
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder:
        found = measure(given.port, given.texts[0], given.models, given.folder)
        sys.stdout.write(json.dumps(found))
        return
    table = Table(title="Highest memory in MB after each step", title_justify="left")
    table.add_column("texts × models")
    for stage in _STAGES:
        table.add_column(stage, justify="right")
    for heading in ("needed", "estimated", "minutes", "µs CPU a call", "µs scoring", "journal MB"):
        table.add_column(heading, justify="right")
    for count in given.texts:
        found = measure_apart(count, given.models, given.parquet)
        calls = count * given.models
        figures = (
            found["verdict"]["peak"] - found["read"]["now"],
            found["estimated"],
            sum(found[stage]["wall"] for stage in _STAGES[1:]) / 60,
            found["run"]["cpu"] / calls * 1e6,
            (found["scoreboard"]["cpu"] + found["verdict"]["cpu"]) / calls * 1e6,
            found["disk"],
        )
        steps = (f"{found[stage]['peak']:,.0f}" for stage in _STAGES)
        table.add_row(
            f"{count:,} × {given.models}", *steps, *(f"{figure:,.1f}" for figure in figures)
        )
        sys.stderr.write(json.dumps(found) + "\n")
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
