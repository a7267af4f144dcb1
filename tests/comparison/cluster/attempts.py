"""An attempt at a chunk as a worker makes it, here or in a process that can be killed."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.replies.part_journal import PartJournal
from llmwidgets.comparison.cluster.spec import name_variant
from llmwidgets.connections import Connection, Policy
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant
from llmwidgets.engine.run import Run
from llmwidgets.schemas import read_schema
from tests.servers import ModelServer, Seen

SCHEMA = read_schema([{"name": "number", "type": "integer", "required": True}])
AT_ONCE = 4
PRICE = {"input": 1.0, "output": 10.0}
DOLLARS = (90 * 1.0 + 9 * 10.0) / 1e6
"""What a call costs."""


@dataclass
class CountingServer(ModelServer):
    """Answers the number in a document, and counts by number how often it was asked.

    Once `answered` reaches `hold_after`, calls wait until `go` is set; what is `refused` fails.
    """

    calls: Counter[int] = field(default_factory=Counter)
    hold_after: int = 10**9
    refused: frozenset[int] = frozenset()
    held: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def answer(self, seen: Seen) -> tuple[int, Any]:
        """Status and body for a request."""
        found = re.search(r"The number (\d+)\.", str(seen.body))
        if found is None:
            return super().answer(seen)
        number = int(found[1])
        with self.changed:
            self.calls[number] += 1
            if sum(self.calls.values()) > self.hold_after:
                self.held += 1
                self.changed.notify_all()
                assert self.changed.wait_for(lambda: self.hold_after == 10**9, 30)
            if number in self.refused:
                return 400, {"error": {"message": "no", "code": "no"}}
            self.record = {"number": number}
            return super().answer(seen)

    def wait_until_held(self, many: int) -> None:
        """Wait until so many calls wait."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.held >= many, 60)

    def go(self) -> None:
        """Answer all that wait, and hold nothing any more."""
        with self.changed:
            self.hold_after = 10**9
            self.changed.notify_all()


def chunk_of(url: str, many: int, repeats: int = 1) -> tuple[Plan, str]:
    """The plan of a chunk, and its variant's name."""
    connection = Connection("custom", name="m", endpoint=f"{url}/v1", label="own")
    column = ResolvedVariant("own", connection, "m", price=PRICE)
    texts = tuple(Document(f"t{at}", f"The number {at}.", SCHEMA, None) for at in range(many))
    return Plan((column,), texts, repeats), name_variant(column, [SCHEMA])


@dataclass
class Attempt:
    """An attempt that has ended."""

    run: Run
    journal: PartJournal

    @property
    def reused(self) -> list[bool]:
        """Of each extraction, whether it was paid before."""
        return [self.run.cell(0, at)[1] for at in range(len(self.run.plan.texts))]


def attempt(place: str, url: str, many: int, **more: Any) -> Attempt:
    """Ask a chunk, and write its part."""
    plan, name = chunk_of(url, many)
    journal = PartJournal(RunFolder(place), name, 0)
    run = Run(plan, journal=cast(Any, journal), policy=Policy(), **{"concurrency": AT_ONCE, **more})
    run.start()
    assert run.wait(60)
    assert run.error is None
    ids = array("q", [run.cell(0, at)[0] for at in range(many)])
    journal.finish(ids, [each.id for each in plan.texts], 1)
    return Attempt(run, journal)


@contextmanager
def attempting_elsewhere(place: str, url: str, many: int) -> Iterator[subprocess.Popen[str]]:
    """The same in another process, which says `done` and stays; it is killed with the block."""
    command = [sys.executable, "-m", __name__, place, url, str(many)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    done = attempt(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    sys.stdout.write(f"done {done.journal.paid_twice.rows}\n")
    sys.stdout.flush()
    sys.stdin.read()
