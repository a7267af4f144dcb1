"""Rows of one turn of the loop: one transaction, before anybody hears of one of them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

from llmwidgets.connections import Connection, Policy
from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat
from llmwidgets.engine.journal import Journal, Row
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant
from llmwidgets.engine.run import Run
from llmwidgets.engine.runs.commits import TurnCommits
from llmwidgets.errors import Stopped
from llmwidgets.schemas import read_schema
from tests.clocks import hurry

KNOWN = Capability(ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)
SCHEMA = read_schema([{"name": "total", "type": "number", "required": True}])


def row(key: str) -> Row:
    return Row(key=key, status="ok", reply=f'{{"total": "{key}"}}')


class Noting:
    """A journal that notes what it is given at a time."""

    def __init__(self, error: Exception | None = None) -> None:
        self.given: list[list[str]] = []
        self.error = error

    def put_all(self, rows):
        self.given.append([each.key for each in rows])
        if self.error is not None:
            raise self.error
        return [int(each.key) for each in rows]


def test_rows_of_one_turn_are_put_down_together_and_each_gets_its_id():
    journal = Noting()

    async def main():
        commits = TurnCommits(journal)
        first = await asyncio.gather(*(commits.put(row(str(n))) for n in range(1, 6)))
        return first, await commits.put(row("9"))

    assert asyncio.run(main()) == ([1, 2, 3, 4, 5], 9)
    assert journal.given == [["1", "2", "3", "4", "5"], ["9"]]


def test_who_waits_gets_the_error_and_the_next_turn_is_another():
    journal = Noting(sqlite3.ProgrammingError("made up"))

    async def main():
        commits = TurnCommits(journal)
        ended = await asyncio.gather(
            *(commits.put(row(str(n))) for n in range(3)), return_exceptions=True
        )
        journal.error = None
        return ended, await commits.put(row("7"))

    ended, after = asyncio.run(main())
    assert [type(each) for each in ended] == [sqlite3.ProgrammingError] * 3
    assert after == 7


def test_a_row_is_kept_whose_asker_was_cancelled_meanwhile():
    journal = Noting()

    async def main():
        commits = TurnCommits(journal)
        waiting = [asyncio.ensure_future(commits.put(row(str(n)))) for n in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        commits.flush()
        return await asyncio.gather(*waiting, return_exceptions=True)

    cancelled, kept = asyncio.run(main())
    assert isinstance(cancelled, asyncio.CancelledError)
    assert kept == 1
    assert journal.given == [["0", "1"]]


def test_rows_put_down_together_are_one_transaction(tmp_path):
    journal, statements = Journal(tmp_path / "j.sqlite"), []
    journal.put(row("before"))
    journal._file.connection.set_trace_callback(statements.append)
    ids = journal.put_all([row(str(n)) for n in range(20)])
    begun = [each for each in statements if each.split()[0] in {"BEGIN", "COMMIT"}]
    assert begun == ["BEGIN IMMEDIATE", "COMMIT"]
    assert len(set(ids)) == 20
    assert [each.key for each in journal.get_all(ids)] == [str(n) for n in range(20)]
    assert journal.put_all([]) == []


def test_rows_that_share_no_facts_yet_are_put_down_together(tmp_path):
    journal = Journal(tmp_path / "j.sqlite")
    failures = [
        Row.of_failure(str(n), Stopped(f"Stopped for the reason {n}.", "Go on.")) for n in range(5)
    ]
    ids = journal.put_all(failures)
    again = Journal(tmp_path / "j.sqlite")
    assert [again.get(each).message for each in ids] == [each.message for each in failures]


def test_rows_that_the_disk_does_not_take_wait_in_memory_in_order(tmp_path):
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ids = journal.put_all([row(str(n)) for n in range(4)])
        assert "locked" in journal.trouble[0]
        assert [journal.get(each).key for each in ids] == ["0", "1", "2", "3"]
        assert journal.find("2").key == "2"
        other.execute("ROLLBACK")
    journal.settle()
    assert not journal.trouble[0]
    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("SELECT key FROM extraction ORDER BY id").fetchall() == [
            ("0",), ("1",), ("2",), ("3",),
        ]  # fmt: skip


def test_what_was_put_down_together_outlives_a_kill(tmp_path):
    path = tmp_path / "j.sqlite"
    code = (
        "import os, sys; from llmwidgets.engine.journal import Journal, Row\n"
        "Journal(sys.argv[1]).put_all([Row(key=str(n), status='ok', reply='') for n in range(9)])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, os.fspath(path)], check=False)
    assert killed.returncode == -9
    assert len(Journal(path)) == 9


class Counting(Journal):
    """A journal on disk that counts its transactions, and looks from outside before an end."""

    def __init__(self, path) -> None:
        super().__init__(path)
        self.times = 0

    def put_all(self, rows):
        self.times += 1
        return super().put_all(rows)


def test_a_run_commits_a_turn_at_once_and_before_it_shows_a_row(far_end, model, tmp_path):
    """Whatever the observer hears of is read by another connection to the file."""
    held, most, path = asyncio.Event(), 40, tmp_path / "j.sqlite"
    waiting: list[object] = []

    async def all_at_once(seen, wire):
        # The model is greeted before it is asked.
        if b"of the run" in seen.body:
            waiting.append(seen)
            if len(waiting) >= most:
                held.set()
            await held.wait()
        await model(seen, wire)

    end = far_end(all_at_once)
    connection = Connection("custom", name="m", endpoint=end.url, api_key="made-up-key-0001")
    known = ResolvedVariant("m", connection.with_capability("m", KNOWN), "m")
    journal, shown, told = Counting(path), [], threading.Event()

    def observe(news):
        with closing(sqlite3.connect(path)) as reader:
            for place in news.ended:
                row_id, _ = run.cell(*place)
                found = reader.execute("SELECT status FROM extraction WHERE id = ?", (row_id,))
                shown.append(found.fetchone())
        if news.finished:
            told.set()

    texts = tuple(Document(str(n), f"Total {n} of the run.", SCHEMA, None) for n in range(most))
    run = Run(
        Plan((known,), texts), journal=journal, policy=Policy(), concurrency=most,
        observer=observe, clock=hurry(),
    )  # fmt: skip
    run.start()
    assert run.wait(30)
    assert run.error is None
    # The last news are told once the run is over.
    assert told.wait(30)
    assert shown == [("ok",)] * most
    assert journal.times < most
    assert len(Journal(path)) == most


def test_a_known_pace_is_taken_over_and_a_new_one_handed_on(far_end, model):
    end = far_end(model)
    connection = Connection("custom", name="m", endpoint=end.url, api_key="made-up-key-0001")
    column, paces = ResolvedVariant("m", connection, "m"), {}
    plan = Plan((column,), (Document("0", "Total 1.", SCHEMA, None),))

    def make(concurrency: int) -> Run:
        return Run(
            plan, journal=Journal(False), policy=Policy(), concurrency=concurrency, paces=paces
        )

    first, second = make(3), make(7)
    (pace,) = paces.values()
    assert list(paces) == [(connection.label, column.target.url)]
    assert pace.limit == 3
    for run in (first, second):
        run.start()
        assert run.wait(30)
        assert run.progress[0].at_once == pace.limit
