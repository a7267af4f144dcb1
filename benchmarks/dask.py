"""What a call costs on a cluster, in CPU and memory, beside one process.

python benchmarks/dask.py [TEXTS]

One line a way of running the same texts on one model of a loopback server: this process alone, then
a LocalCluster of two processes with texts by reference and by value. The scheduler runs in the
driver's process. CPU is user and system time a call; the server is a process of its own.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

if __name__ == "__main__":
    # The folder of a script comes first on the path, and this one is called as the package is.
    sys.path.remove(str(Path(__file__).parent))

import pandas as pd
from distributed import Client, LocalCluster

import llmwidgets as lw
from benchmarks.transport import DOCUMENT, Invoice, serving

WORKERS = 2
AT_ONCE = 200


def _megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def _usage() -> tuple[float, float]:
    """CPU seconds and megabytes of this process; runs on workers too."""
    return time.process_time(), _megabytes(os.getpid())


class _Bench:
    def __init__(self, port: int, texts: int, folder: Path) -> None:
        self.connection = lw.Connection(
            "custom", name="m", endpoint=f"http://127.0.0.1:{port}/own/v1", label="m"
        )
        self.frame = pd.DataFrame({"id": map(str, range(texts)), "text": [
            f"{number} {DOCUMENT}" for number in range(texts)]})  # fmt: skip
        self.folder, self.file = folder, folder / "texts.parquet"
        self.frame.to_parquet(self.file, row_group_size=1000)

    def compare(self, texts: Any, name: str, client: Client | None = None) -> None:
        result = lw.compare(
            Invoice, texts, [self.connection], journal=self.folder / name, progress=False,
            cluster=client, concurrency=AT_ONCE,
        )  # fmt: skip
        board = result.scoreboard()
        assert board["valid"][0] == 1.0, board


def _measure(work: Callable[[], None], client: Client | None) -> tuple[list[float], float]:
    """CPU milliseconds of this process and of all workers together, wall seconds."""
    begun, wall = _usage()[0], time.perf_counter()
    before = client.run(_usage) if client else {}
    work()
    wall = time.perf_counter() - wall
    after = client.run(_usage) if client else {}
    workers = sum(after[each][0] - before[each][0] for each in after)
    return [_usage()[0] - begun, workers], wall


def main() -> None:
    texts = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    head = f"{'way':<34} {'driver ms':>9} {'workers ms':>10} {'calls/s':>8} {'driver MB':>9}"
    sys.stdout.write(f"{texts:,} texts, {WORKERS} workers\n{head} {'worker MB':>9}\n")
    with serving(0.2) as port, TemporaryDirectory() as folder:
        bench = _Bench(port, texts, Path(folder))
        # What a process loads for its first call is not the cost of a call.
        bench.compare(bench.frame.head(AT_ONCE), "first")
        alone = _measure(lambda: bench.compare(bench.frame, "one"), None)
        _line("one process", texts, *alone, None)
        cluster = LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        )
        with cluster, Client(cluster) as client:
            bench.compare(bench.frame.head(WORKERS * AT_ONCE), "before", client)
            for name, given in (("by reference", bench.file), ("by value", bench.frame)):
                found = _measure(lambda: bench.compare(given, name, client), client)  # noqa: B023
                _line(f"cluster, texts {name}", texts, *found, client)


def _line(
    name: str, calls: int, cpu: list[float], wall: float, client: Client | None
) -> None:  # fmt: skip
    mine, workers = (each / calls * 1000 for each in cpu)
    most = max((each[1] for each in client.run(_usage).values()), default=0.0) if client else 0.0
    sys.stdout.write(
        f"{name:<34} {mine:>9.3f} {workers:>10.3f} {calls / wall:>8.0f} {_usage()[1]:>9.0f}"
        f" {most:>9.0f}\n"
    )


if __name__ == "__main__":
    main()
