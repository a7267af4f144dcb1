"""Saves under SIGKILL and races between processes, counted; with controls that lose.

    python store_torture.py FOLDER kills 40        a kill in the midst of a save, forty times
    python store_torture.py FOLDER plain 40        the same with a plain write: the control
    python store_torture.py FOLDER races 2 100     two processes, a hundred updates each
    python store_torture.py FOLDER unlocked 2 100  the same without the lock: the control

It prints one JSON object. Everything is loaded once and each process is a fork.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from llmwidgets.connections import unlock
from llmwidgets.connections.connection import Connection
from llmwidgets.connections.sealing import Identity
from llmwidgets.connections.store import Store
from llmwidgets.connections.store_file import StoreFile
from llmwidgets.errors import StoreError

IDENTITY = Identity.generate()


def opened(folder: Path) -> Store:
    os.environ[unlock.KEY] = IDENTITY.secret.reveal()
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


def kill_once(folder: Path, seconds: float, turn: int) -> str:
    """Let a child save and acknowledge until it is killed; the last label it acknowledged."""
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
    return said.decode().splitlines()[-1] if said else ""


def kills(folder: Path, count: int) -> dict[str, int]:
    acknowledged = lost = unreadable = 0
    for turn in range(count):
        last = kill_once(folder, random.uniform(0.0005, 0.035), turn)
        acknowledged += bool(last)
        try:
            lost += bool(last) and last not in opened(folder)
        except StoreError:
            unreadable += 1
            (folder / "connections.age").unlink()
            for backup in folder.glob("*.bak*"):
                backup.unlink()
            os.environ[unlock.KEY] = IDENTITY.secret.reveal()
            Store.create(path=folder)
    return {"kills": count, "acknowledged": acknowledged, "lost": lost, "unreadable": unreadable}


def races(folder: Path, processes: int, updates: int) -> dict[str, int]:
    def update(number: int) -> None:
        store = opened(folder)
        for turn in range(updates):
            # Without the lock a rename may find its file gone: that update is lost, and counted.
            with suppress(StoreError):
                store.save(custom(f"process {number} update {turn}"))

    children = [forked(partial(update, number)) for number in range(processes)]
    for child in children:
        os.waitpid(child, 0)
    store = opened(folder)
    return {"updates": processes * updates, "lost": processes * updates - len(store)}


@contextmanager
def no_lock(_file: StoreFile) -> Iterator[None]:
    yield


def main(place: str, what: str, *counts: str) -> None:
    folder, numbers = Path(place), [int(count) for count in counts]
    os.environ[unlock.KEY] = IDENTITY.secret.reveal()
    Store.create(path=folder)
    if what == "plain":
        StoreFile.replace = plainly  # type: ignore[method-assign]
    if what == "unlocked":
        StoreFile.locked = no_lock  # type: ignore[method-assign,assignment]
    count = kills if what in {"kills", "plain"} else races
    sys.stdout.write(json.dumps(count(folder, *numbers)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
