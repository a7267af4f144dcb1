"""What the store costs with 100 connections: python benchmarks/store.py [CONNECTIONS]."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from llmwidgets.connections import Connection
from llmwidgets.store.store import Store

PASSPHRASE = "a made-up passphrase for a benchmark"


def connections(count: int) -> list[Connection]:
    """Keys of the usual length, all of the kind that can exist many times."""
    return [
        Connection(
            "custom",
            name="llama3.2",
            endpoint="http://localhost:11434/v1",
            api_key=f"made-up-{number:04}-" + "k" * 150,
            label=f"server {number}",
        )
        for number in range(count)
    ]


def milliseconds(
    use: Callable[[], object], turns: int = 50, before: Callable[[], object] = lambda: None
) -> list[float]:
    spent = []
    for _ in range(turns):
        before()
        start = time.perf_counter()
        use()
        spent.append((time.perf_counter() - start) * 1000)
    return spent


def peak_megabytes() -> float:
    """The highest memory of this process so far; Linux counts it in kB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextmanager
def another_writer(folder: Path, state: Path) -> Iterator[Callable[[], None]]:
    """A process of its own that saves a connection each time it is told to."""
    with subprocess.Popen(
        [sys.executable, __file__, "--saves", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_STATE_HOME": str(state)},
    ) as process:
        wanted, done = process.stdin, process.stdout
        assert wanted is not None
        assert done is not None

        def save() -> None:
            wanted.write("save\n")
            wanted.flush()
            assert done.readline() == "saved\n"

        yield save
        wanted.close()


def saves(folder: Path) -> None:
    """Save the first connection anew for each line that comes in."""
    store = Store(path=folder)
    store.unlock(PASSPHRASE)
    first = connections(1)[0]
    for _ in sys.stdin:
        store.save(first, replace=True)
        sys.stdout.write("saved\n")
        sys.stdout.flush()


def opened_after_another(store: Store, state: Path) -> list[float]:
    """What it takes to open one connection of a revision that another process has just saved."""
    assert store.path is not None
    with another_writer(store.path, state) as save:
        before = store.state.document
        save()
        spent = milliseconds(lambda: store["server 0"], before=save)
    assert before is not None
    assert store.state.document is not None
    assert store.state.document.revision == before.revision + 51
    return spent


def measured(count: int, folder: Path) -> tuple[dict[str, tuple[list[float], str]], float]:
    store = Store.create(path=folder, passphrase=PASSPHRASE)
    kept = connections(count)
    for connection in kept:
        store.save(connection)

    def reopened() -> None:
        store.lock()
        store.unlock(PASSPHRASE)

    def read_anew() -> None:
        store.state.document = None
        _ = store["server 0"]

    unlocks = milliseconds(reopened, 5)
    rows = {
        "unlock by passphrase": (unlocks, "600"),
        "open one, file read and unsealed": (milliseconds(read_anew), "1"),
        "open one, file unchanged": (milliseconds(lambda: store["server 0"]), "1"),
        "open one that another process saved": (
            opened_after_another(store, Path(os.environ["XDG_STATE_HOME"])),
            "1",
        ),
        "open one that another computer saved": (
            opened_after_another(store, folder.parent / "state there"),
            "1",
        ),
        "list all, file unchanged": (milliseconds(lambda: list(store)), ""),
        "save one, to the disk": (milliseconds(lambda: store.save(kept[0], replace=True)), "10"),
    }
    return rows, peak_megabytes()


def main(count: int = 100) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # What this computer remembers of the store is no business of the user's own memory.
        os.environ["XDG_STATE_HOME"] = str(Path(folder) / "state")
        rows, peak = measured(count, Path(folder) / "store")
        size = (Path(folder) / "store" / "connections.age").stat().st_size
    table = Table(title=f"A store of {count} connections, {size:,} bytes", title_justify="left")
    for heading in ("what", "median ms", "slowest ms", "bar ms"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for what, (spent, bar) in rows.items():
        table.add_row(what, f"{statistics.median(spent):.2f}", f"{max(spent):.2f}", bar)
    Console().print(table, f"Peak memory of the process: {peak:.0f} MB (bar 200)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--saves"]:
        saves(Path(sys.argv[2]))
    else:
        main(*(int(word) for word in sys.argv[1:]))
