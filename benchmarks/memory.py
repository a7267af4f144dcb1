"""How much memory saving, exporting and reading take, and a row of the journal on disk.

python -m benchmarks.memory [--size EXTRACTIONS]

One line for each way out of a comparison, each in a process of its own: by how much the memory
grows at its highest over what was there before the call, CPU seconds, and the size of the file.
Beside them, on the same records: `json.dumps` of a list and `to_csv` of a whole pandas frame.
Below: the bytes of a journal's row on disk, CPU to write one, and `extract` called in a loop.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import llmwidgets as lw
from benchmarks.transport import RECORD as SHORT
from benchmarks.transport import serving
from llmwidgets.dialects.types import Enforcement, ResponseFormat, Usage
from llmwidgets.engine.journal import Journal, Row

FIELDS = [
    *({"name": name, "type": "string"} for name in ("number", "vendor", "street", "city", "iban")),
    *({"name": name, "type": "date"} for name in ("issued", "due")),
    *({"name": name, "type": "number"} for name in ("net", "tax", "total")),
]
VARIANTS = 2
ROWS = 100_000
CALLS = 300


def record(number: int, variant: int = 0) -> dict[str, Any]:
    """Ten fields; the second variant has one of them otherwise."""
    return {
        "number": f"R-{number}",
        "vendor": f"Acme {number % 997} and Sons",
        "street": f"{number % 89} Long Road",
        "city": "Ljubljana",
        "iban": f"SI56 1910 0000 {number:08}",
        "issued": f"2026-{1 + number % 12:02}-{1 + number % 28:02}",
        "due": "2026-12-31",
        "net": number % 5000 + 0.5,
        "tax": variant,
        "total": number % 5000 + 0.5 + variant,
    }


def comparison(size: int) -> lw.Comparison:
    """Two variants on texts of some 300 characters, all of them labelled."""
    numbers = range(size // VARIANTS)
    texts = [
        {
            "id": f"invoice-{number}",
            "text": ". ".join(map(str, record(number).values())) + "." * 150,
        }
        for number in numbers
    ]
    outputs = {
        f"model {variant}": [record(number, variant) for number in numbers]
        for variant in range(VARIANTS)
    }
    return lw.Comparison.from_outputs(FIELDS, texts, outputs, [record(each) for each in numbers])


# -- The memory of one way out, in a process of its own.


def resident(peak: bool = False) -> float:
    """The memory of this process in MB: now, or at its highest. Linux counts it in kB."""
    wanted = "VmHWM" if peak else "VmRSS"
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(wanted):
            return int(line.split()[1]) / 1024
    return 0.0


def forget_the_peak() -> None:
    """What is free goes back to the system, and the highest memory is counted anew."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def ways(size: int, file: Path) -> dict[str, Callable[[], Callable[[], object]]]:
    """What is measured: each makes what is there before, and gives the call."""

    def export(name: str, **more: Any) -> Callable[[], Callable[[], object]]:
        def prepare() -> Callable[[], object]:
            made = comparison(size)
            return lambda: made.export(file, format=name, **more)

        return prepare

    def saved() -> Callable[[], object]:
        comparison(size).save(file)
        return lambda: lw.load(file)

    def frame() -> Callable[[], object]:
        return comparison(size).to_frame

    def dumps() -> Callable[[], object]:
        rows = [record(number) for number in range(size)]
        return lambda: file.write_text(json.dumps(rows, indent=1))

    def pandas_csv() -> Callable[[], object]:
        made = comparison(size)
        return lambda: made.to_frame().to_csv(file)

    return {
        "save": export("json"),
        **{name: export(name) for name in ("csv", "jsonl", "parquet", "label_studio")},
        "csv of differences": export("csv", table="differences"),
        "html": export("html", values=True),
        "load": saved,
        "to_frame": frame,
        "baseline: json.dumps of a list": dumps,
        "baseline: to_csv of a whole frame": pandas_csv,
    }


def measure(way: str, size: int, file: Path) -> dict[str, float]:
    """By how many MB one call makes memory grow, its CPU seconds, and the file it leaves."""
    call = ways(size, file)[way]()
    forget_the_peak()
    before, begun = resident(), time.process_time()
    kept = call()
    seconds, grown = time.process_time() - begun, resident(peak=True) - before
    del kept
    megabytes = file.stat().st_size / 2**20 if file.exists() else 0.0
    return {"grown": grown, "seconds": seconds, "file": megabytes, "before": before}


def measured_apart(way: str, size: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        words = ["--way", way, "--size", str(size), "--file", f"{folder}/file"]
        module = [sys.executable, "-m", "benchmarks.memory", *words]
        done = subprocess.run(module, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


# -- The journal, and a loop of single calls.


def journal_row(number: int) -> Row:
    """The row of a call to a model that costs something; the reply of `benchmarks/transport.py`."""
    return Row(
        key=f"{number:064x}", status="ok", at=1_790_000_000 + number / 7, reply=json.dumps(SHORT),
        usage=Usage(300 + number % 90, 40, 0, 0), seconds=0.8 + number % 100 / 997,
        waiting_seconds=0.001 * (number % 7), cost=0.00012 + number % 90 / 1e6,
        form=ResponseFormat.JSON_SCHEMA, mode=Enforcement.SCHEMA, schema_shown=False,
        served_model="gpt-6-luna-2026-08-01", request_id=f"req_{number:032x}", tries=1,
        known_as="gpt-6-luna", output_limit=4096,
    )  # fmt: skip


def journal_figures(rows: int = ROWS) -> tuple[float, float, float]:
    """Bytes of a row on disk with its index, and CPU in µs to write one and to read one."""
    made = [journal_row(number) for number in range(rows)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        journal = Journal(path)
        begun = time.process_time()
        ids = [journal.put(row) for row in made]
        wrote = time.process_time() - begun
        begun = time.process_time()
        for each, row in zip(ids[:10_000], made, strict=False):
            assert journal.get(each) == replace(row, id=each)
        read = time.process_time() - begun
        journal.close()
        size = path.stat().st_size
    return size / rows, wrote / rows * 1e6, read / min(rows, 10_000) * 1e6


def extract_milliseconds(calls: int = CALLS) -> tuple[float, float]:
    """CPU of this process for one `extract` of a loop: in memory, and with a journal on disk."""
    with serving(0.0) as port, tempfile.TemporaryDirectory() as folder:
        connection = lw.Connection(
            "custom", name="m", endpoint=f"http://127.0.0.1:{port}/v1", api_key="made-up-key-0001"
        )
        schema = [{"name": name, "type": "string"} for name in SHORT]
        schema[2]["type"] = "number"

        def spent(journal: Any) -> float:
            for number in range(-5, calls):
                if number == 0:
                    begun = time.process_time()
                found = lw.extract(schema, f"Invoice {number}", connection, journal=journal)
                assert found.ok, found
            return (time.process_time() - begun) / calls * 1000

        return spent(False), spent(Path(folder) / "journal.sqlite")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=200_000, help="extractions (200,000)")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        sys.stdout.write(json.dumps(measure(given.way, given.size, given.file)))
        return
    title = f"{given.size:,} extractions of ten fields"
    table = Table(title=title, title_justify="left")
    for heading in ("what", "grows by MB", "CPU s", "file MB", "there before MB"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for way in ways(0, Path()):
        found = measured_apart(way, given.size)
        figures = (f"{found[name]:,.1f}" for name in ("grown", "seconds", "file", "before"))
        table.add_row(way, *figures)
    size, wrote, read = journal_figures()
    memory, disk = extract_milliseconds()
    Console().print(
        table,
        f"A row of the journal: {size:,.0f} bytes on disk; {wrote:.0f} µs to write,"
        f" {read:.0f} µs to read",
        f"extract() in a loop, CPU: {memory:.2f} ms without a journal, {disk:.2f} ms with one",
    )


if __name__ == "__main__":
    main()
