"""Saves under SIGKILL, races between processes and full disks, counted; with controls that lose.

    python store_torture.py FOLDER kills 40        a kill in the midst of a save, forty times
    python store_torture.py FOLDER plain 40        the same with a plain write: the control
    python store_torture.py FOLDER races 4 50      four processes, fifty updates each
    python store_torture.py FOLDER unlocked 4 50   the same without the lock: the control
    unshare -rm python store_torture.py FOLDER full 40   forty saves on a disk of 64 kB
    python store_torture.py all                    the long form, which `make torture` runs

It prints one JSON object. Everything is loaded once and each process is a fork.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import StoreError
from llmwidgets.store import identity_sources
from llmwidgets.store.age import Identity
from llmwidgets.store.file import StoreFile
from llmwidgets.store.store import Store

IDENTITY = Identity.generate()
ROUND = 100
"""After so many kills or updates a new store is made: a store of thousands only takes longer."""


def opened(folder: Path) -> Store:
    os.environ[identity_sources.KEY] = IDENTITY.secret.reveal()
    store = Store(path=folder)
    store.unlock()
    return store


def custom(label: str) -> Connection:
    return Connection("custom", name="m", endpoint="http://localhost:1/v1", label=label)


def forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    return child


def plainly(self: StoreFile, data: bytes) -> None:
    """The control: open and write, as most programs do."""
    with open(self.path, "wb") as file:
        for at in range(0, len(data), 256):
            file.write(data[at : at + 256])
            file.flush()
            os.fsync(file.fileno())


def kill_once(folder: Path, seconds: float, turn: int) -> list[str]:
    """Let a child save and acknowledge until it is killed; the labels that it acknowledged."""
    reader, writer = os.pipe()

    def save_on() -> None:
        store = opened(folder)
        for number in range(1000):
            label = f"kill {turn} save {number}"
            store.save(custom(label))
            os.write(writer, f"{label}\n".encode())

    child = forked(save_on)
    os.close(writer)
    select.select([reader], [], [], 10)
    select.select([], [], [], seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    said = b"".join(iter(lambda: os.read(reader, 65536), b""))
    os.close(reader)
    return said.decode().splitlines()


def made(folder: Path) -> Path:
    os.environ[identity_sources.KEY] = IDENTITY.secret.reveal()
    Store.create(path=folder)
    return folder


def labels(store: Store) -> set[str]:
    """The labels of what is saved."""
    return {each.label for each in store}


def kills(place: Path, count: int) -> dict[str, int]:
    acknowledged = lost = unreadable = 0
    folder, there = place, set()
    for turn in range(count):
        if turn % ROUND == 0:
            folder, there = made(place / str(turn)), set()
        said = kill_once(folder, random.uniform(0.0005, 0.035), turn)
        acknowledged += len(said)
        there |= set(said)
        try:
            # All that was ever acknowledged, not only the last: none may go with a later kill.
            lost += len(there - labels(opened(folder)))
        except StoreError:
            unreadable += 1
            (folder / "connections.age").unlink()
            for backup in folder.glob("*.bak*"):
                backup.unlink()
            made(folder)
            there = set()
    return {"kills": count, "acknowledged": acknowledged, "lost": lost, "unreadable": unreadable}


def races(place: Path, processes: int, updates: int) -> dict[str, int]:
    lost = 0
    for turn in range(0, updates, ROUND):
        folder = made(place / str(turn))
        lost += raced(folder, processes, min(ROUND, updates - turn))
    return {"updates": processes * updates, "lost": lost}


def raced(folder: Path, processes: int, updates: int) -> int:
    def update(number: int) -> None:
        store = opened(folder)
        for turn in range(updates):
            # Without the lock a rename may find its file gone: that update is lost, and counted.
            with suppress(StoreError):
                store.save(custom(f"process {number} update {turn}"))

    children = [forked(partial(update, number)) for number in range(processes)]
    for child in children:
        os.waitpid(child, 0)
    return processes * updates - len(opened(folder))


def full(place: Path, count: int) -> dict[str, int]:
    """Save on a disk of 64 kB until nothing fits, and look after each save."""
    folder = made(place / "store")
    refused = lost = unreadable = 0
    store, there = opened(folder), set()
    for number in range(count):
        label = f"save {number} {'x' * 400}"
        try:
            store.save(custom(label))
            there.add(label)
        except StoreError:
            refused += 1
        try:
            lost += len(there - {each.label for each in elsewhere(store)})
        except StoreError:
            unreadable += 1
    left = len(list(folder.glob(".*.tmp")))
    return {
        "saves": count, "refused": refused, "lost": lost, "unreadable": unreadable, "left": left
    }  # fmt: skip


def elsewhere(store: Store) -> Store:
    """The same files, nothing remembered of them."""
    store.state.document = store.state.seen = None
    return store


def long_form() -> int:
    """2,000 kills, 4 processes with 1,000 updates each, 200 full disks, and the controls."""
    tests = {
        "kills": ["kills", "2000"],
        "kills, plain write (control)": ["plain", "200"],
        "races": ["races", "4", "1000"],
        "races, no lock (control)": ["unlocked", "4", "100"],
        "full disk": ["full", "200"],
    }
    fine = True
    for name, words in tests.items():
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as place:
            wrapper = ["unshare", "-rm"] if words[0] == "full" else []
            command = [*wrapper, sys.executable, __file__, f"{place}/store", *words]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = json.loads(done.stdout) if not done.returncode else {"failed": done.stderr[-300:]}
        sys.stdout.write(f"{name}: {said} in {time.monotonic() - start:.0f} s\n")
        sys.stdout.flush()
        bad = said.get("lost", 1) + said.get("unreadable", 0) + said.get("left", 0)
        fine &= bool(bad) == ("control" in name) and "failed" not in said
    return 0 if fine else 1


@contextmanager
def no_lock(_file: StoreFile) -> Iterator[None]:
    yield


def main(place: str, what: str, *counts: str) -> None:
    folder, numbers = Path(place), [int(count) for count in counts]
    if what == "full":
        folder.mkdir(parents=True)
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
        subprocess.run(mount, check=True)
    if what == "plain":
        StoreFile.replace = plainly  # type: ignore[method-assign]
    if what == "unlocked":
        StoreFile.locked = no_lock  # type: ignore[method-assign,assignment]
    count = {"kills": kills, "plain": kills, "full": full}.get(what, races)
    sys.stdout.write(json.dumps(count(folder, *numbers)) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["all"]:
        sys.exit(long_form())
    main(*sys.argv[1:])
