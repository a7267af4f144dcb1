"""The driver of a run: limits, money, Stop, errors and progress, on threads instead of workers."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.comparison.cluster import driver
from llmwidgets.comparison.cluster.grants import Grant
from llmwidgets.comparison.cluster.replies import storage
from llmwidgets.comparison.cluster.replies.parts import read_log
from llmwidgets.comparison.cluster.worker import open_run, run_chunk
from llmwidgets.comparison.cluster.workers import WorkersLost
from llmwidgets.engine.journal_rows import Row
from llmwidgets.engine.run import VariantState
from llmwidgets.engine.runs.watch import watch_run
from llmwidgets.errors import FieldError
from tests.clocks import busy_seconds
from tests.comparison.cluster.busy_server import (
    MARK,
    PATIENCE,
    SCHEMA,
    BusyServer,
    cluster_run,
    figures,
    plan,
    results,
    texts,
    truth,
    wait_until,
)
from tests.comparison.cluster.pool_adapter import PoolCluster
from tests.servers import serving_models

PRICE = 1000.0
"""US dollars for a million tokens."""
BUDGET = 2.0
A_CALL = 99 * PRICE / 1e6
"""What the server's answer costs: 90 tokens of input, 9 of output."""


class ThreadCluster(PoolCluster):
    """Threads of this process, which can tell how far they are and lose what they did."""

    def __init__(self, pool: ThreadPoolExecutor, slots: int = 2) -> None:
        super().__init__(pool, slots)
        self.news: list[Any] = []
        self.names: list[tuple[Any, ...]] = []
        self.lost: dict[int, Exception] = {}
        self._report: Any = None

    def submit(self, name: tuple[Any, ...], work: Any, *args: Any, avoid: Any = ()) -> Any:
        self.names.append(name)
        if work is not run_chunk:
            return super().submit(name, work, *args)
        if (error := self.lost.get(args[3].number)) is not None:
            return super().submit(name, _raise, error)
        return super().submit(name, work, *args, self._hear)

    def listen(self, report: Any) -> None:
        self._report = report

    def _hear(self, progress: Any) -> None:
        self.news.append(progress)
        self._report(progress)


def _raise(error: Exception) -> None:
    raise error


@pytest.fixture
def server() -> Iterator[BusyServer]:
    with serving_models(BusyServer) as started:
        yield started
    open_run.cache_clear()


@pytest.fixture
def cluster(server) -> Iterator[ThreadCluster]:
    with ThreadPoolExecutor(2) as pool:
        yield ThreadCluster(pool)
        # What a test that failed still holds, the threads would wait for.
        server.let_go()


def finished(run: Any) -> None:
    run.start()
    check_end(run)


def check_end(run: Any) -> None:
    assert run.wait(PATIENCE)
    assert run.error is None


def test_it_ends_as_a_run_of_one_process_does(server, cluster, tmp_path) -> None:
    planned = plan(12, server.variant("a"), server.variant("b"), repeats=2)
    run = cluster_run(planned, cluster, tmp_path / "run")
    finished(run)
    many = results(run, planned)
    one = lw.compare(
        SCHEMA, texts(12), [server.variant("a"), server.variant("b")], truth=truth(12), repeats=2,
        journal=False, progress=False,
    )  # fmt: skip

    assert figures(many).equals(figures(one))
    assert [each.state for each in run.progress] == [VariantState.DONE] * 2
    assert [(each.done, each.total) for each in run.progress] == [(24, 24)] * 2


def test_its_notes_on_replies_are_those_of_one_process(server, cluster, tmp_path) -> None:
    server.fault, server.faulty = "ignore", f"{MARK} 7."
    planned = plan(12, server.variant("a"))
    run = cluster_run(planned, cluster, tmp_path / "run")
    finished(run)
    # Of this server it is known by now.
    with serving_models(BusyServer, fault=server.fault, faulty=server.faulty) as other:
        one = lw.compare(SCHEMA, texts(12), other.variant("a"), journal=False, progress=False)

    assert "1 of 12 replies did not keep to the schema" in str(one.notes)
    assert results(run, planned).notes == one.notes


def test_no_id_of_a_text_is_in_the_name_of_a_task(server, cluster, tmp_path) -> None:
    finished(cluster_run(plan(8, server.variant("busy")), cluster, tmp_path / "run"))

    names = [each for each in cluster.names if each[0] != "look"]
    assert names == [("busy", "probe", 1), ("busy", 0, 2), ("busy", 1, 3)]


def test_small_runs_are_cut_so_that_every_slot_has_work(server, cluster, tmp_path) -> None:
    planned = plan(40, server.variant())
    assert [chunk.stop for chunk in cluster_run(planned, cluster, tmp_path / "run").chunks] == [
        20, 40,
    ]  # fmt: skip
    cluster.workers = {"pool": 8}
    again = cluster_run(planned, cluster, tmp_path / "run")
    assert len(again.chunks) == 2, "a run that goes on has the chunks of before"


def test_calls_at_once_are_those_of_the_whole_cluster(server, cluster, tmp_path) -> None:
    server.hold(lambda _: True)
    # In one process the same question would be one call of both.
    other = replace(server.variant("b"), instructions="Read on.")
    planned = plan(30, server.variant("a"), other)
    run = cluster_run(planned, cluster, tmp_path / "run", concurrency=3)
    run.start()
    wait_until(lambda: server.held == 3)
    server.let_go()
    check_end(run)

    assert server.most_at_once == 3
    assert all(each.ok for each in results(run, planned))


def test_a_budget_is_not_passed_by_all_together(server, cluster, tmp_path) -> None:
    variant = server.variant(price=PRICE)
    planned = plan(40, variant)
    run = cluster_run(planned, cluster, tmp_path / "run", budget=BUDGET)
    finished(run)
    found = results(run, planned)

    paid = sum(each.cost or 0.0 for each in found)
    assert 0 < paid <= BUDGET
    assert sum(server.asked_texts.values()) * A_CALL == pytest.approx(paid)
    ended = Counter(each.status for each in found)
    assert ended.keys() == {"ok", "OverBudget"}
    assert sum(ended.values()) == 40
    assert all("is spent" in str(each.failure) for each in found if not each.ok)
    assert run.progress[0].cost == pytest.approx(paid)

    rest = cluster_run(plan(40, variant), cluster, tmp_path / "run", budget=100.0)
    finished(rest)
    assert all(each.ok for each in results(rest, planned))
    assert set(server.asked_texts.values()) == {1}, "what was answered is not paid again"
    assert rest.progress[0].paid_before == pytest.approx(paid)


def test_a_chunk_that_ran_out_goes_on_while_there_is_money(server, cluster, tmp_path) -> None:
    server.tokens = 2000
    planned = plan(24, server.variant(price=PRICE))
    run = cluster_run(planned, cluster, tmp_path / "run", budget=500.0)
    finished(run)
    found = results(run, planned)

    assert all(each.ok for each in found)
    assert len(cluster.names) > 3, "some chunk was handed out again"
    assert set(server.asked_texts.values()) == {1}
    assert not any(each.paid_before for each in found), "all of it was paid by this run"
    assert run.progress[0].cost == pytest.approx(sum(each.cost or 0.0 for each in found))


def test_an_unknown_price_is_not_held_back(server, cluster, tmp_path) -> None:
    planned = plan(8, server.variant())
    run = cluster_run(planned, cluster, tmp_path / "run", budget=0.01)
    finished(run)

    assert all(each.ok for each in results(run, planned))
    assert run.progress[0].cost is None


def test_an_interrupt_stops_every_call_within_two_seconds(server, cluster, tmp_path) -> None:
    # Of each chunk of 200 texts three are answered, and two wait for the server.
    server.hold(lambda at: at % 200 >= 3)
    planned = plan(400, server.variant())
    run = cluster_run(planned, cluster, tmp_path / "run", concurrency=4)
    began = []

    def interrupt() -> None:
        wait_until(lambda: server.held == 4 and run.progress[0].done == 6)
        began.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    watch_run(run, shown=False)
    wait_until(run._finished.is_set)
    taken = time.monotonic() - began[0]
    wait_until(lambda: all(each.done() for each in cluster._open))
    server.let_go()
    wait_until(lambda: server.at_once == 0)
    found = results(run, planned)

    assert taken < busy_seconds(4.0), "the promise is 2 s"
    assert Counter(each.status for each in found) == {"ok": 6, "Stopped": 394}
    assert run.progress[0].state is VariantState.STOPPED
    assert server.asked_texts.total() == 6 + 4, "nothing is asked afterwards"

    rest = cluster_run(planned, cluster, tmp_path / "run")
    finished(rest)
    assert all(each.ok for each in results(rest, planned))
    assert server.asked_texts.total() == 400 + 4


def test_progress_comes_to_all_and_never_back(server, cluster, tmp_path, monkeypatch) -> None:
    from llmwidgets.comparison.cluster import worker

    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.01)
    run = cluster_run(plan(60, server.variant()), cluster, tmp_path / "run", concurrency=4)
    seen = []

    def shown(done: int) -> bool:
        seen.append(run.progress[0])
        return seen[-1].done == done

    # Two chunks of 30 texts, whose calls wait until what was answered before is told.
    for begin, answered in enumerate((1, 7, 20)):
        server.hold(lambda at, answered=answered: at % 30 >= answered)
        if not begin:
            run.start()
        wait_until(lambda answered=answered: shown(2 * answered))
        wait_until(lambda: run.progress[0].at_once == 4)
        assert run.progress[0].state is VariantState.ASKING
    server.let_go()
    wait_until(lambda: shown(60))
    assert run.wait(PATIENCE)

    seen.append(run.progress[0])
    done = [each.done for each in seen]
    assert done == sorted(done)
    assert done[-1] == seen[-1].total == 60
    assert seen[-1].median_seconds is not None
    words = {word for each in cluster.news for word in vars_of(each) if isinstance(word, str)}
    assert words <= set(VariantState)


def vars_of(progress: Any) -> list[Any]:
    return [getattr(progress, name) for name in type(progress).__slots__]


def test_a_chunk_that_kills_its_workers_is_a_row_each_and_the_rest_goes_on(
    server, cluster, tmp_path
) -> None:
    cluster.lost = {1: WorkersLost("tcp://10.0.0.7:4711", 4)}
    planned = plan(12, server.variant())
    run = cluster_run(planned, cluster, tmp_path / "run")
    finished(run)
    found = list(results(run, planned))

    assert [each.status for each in found] == ["ok"] * 6 + ["InternalError"] * 6
    said = str(found[-1].failure)
    assert "Chunk 1 of busy" in said
    assert "tcp://10.0.0.7:4711" in said
    assert found[-1].failure.code == "cluster"
    assert run.progress[0].failures == {"InternalError": 6}


def test_a_task_that_was_lost_otherwise_is_handed_out_again(server, cluster, tmp_path) -> None:
    cluster.lost = {1: ConnectionResetError()}
    planned = plan(12, server.variant())
    run = cluster_run(planned, cluster, tmp_path / "run")
    finished(run)

    assert [name[1] for name in cluster.names].count(1) == 3
    assert Counter(each.status for each in results(run, planned)) == {"ok": 6, "InternalError": 6}


def test_a_cluster_that_is_gone_leaves_what_was_answered(server, cluster, tmp_path) -> None:
    server.seconds = 0.05
    planned = plan(300, server.variant())
    run = cluster_run(planned, cluster, tmp_path / "run", concurrency=8)
    run.start()
    wait_until(lambda: len(server.asked_texts) >= 20)
    cluster.workers = None
    assert run.wait(PATIENCE)
    found = results(run, planned)
    wait_until(lambda: server.at_once == 0)

    ended = Counter(each.status for each in found)
    assert ended["ok"] >= 12
    assert ended.keys() == {"ok", "InternalError"}
    failed = next(each.failure for each in found if not each.ok)
    assert failed.code == "cluster"
    assert "same journal" in str(failed)
    assert any("The cluster is gone" in note for note in found.notes)


def test_a_connection_that_no_worker_has_is_told_before_any_call(
    server, cluster, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("MADE_UP_KEY", "made-up-key-0001")
    keyed = lw.Connection(
        "custom", name="m", endpoint=f"{server.url}/v1", api_key="env:MADE_UP_KEY", label="keyed"
    )
    planned = plan(8, lw.Variant(keyed, label="keyed"), server.variant())
    run = cluster_run(planned, cluster, tmp_path / "run")
    monkeypatch.delenv("MADE_UP_KEY")
    run.start()

    assert run.wait(PATIENCE)
    assert isinstance(run.error, FieldError)
    assert "api_key of keyed: The variable MADE_UP_KEY is not set." in run.error.message
    assert server.asked_texts.total() == 0


def test_a_refused_key_is_not_asked_with_for_ever(server, cluster, tmp_path) -> None:
    planned = plan(60, server.variant())
    run = cluster_run(planned, cluster, tmp_path / "run")
    server.fault, server.faulty = "key", "Invoice"
    finished(run)

    assert {each.status for each in results(run, planned)} == {"Unauthorized"}
    assert server.asked_texts.total() <= 60 + 2 * 2 * 10


def test_a_cluster_without_workers_is_said_and_can_be_stopped(
    server, cluster, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(driver, "_NO_WORKERS_SECONDS", 0.0)
    monkeypatch.setattr(driver, "_STOP_SECONDS", 0.2)
    held = threading.Event()
    cluster._pool.submit(held.wait)
    cluster._pool.submit(held.wait)
    cluster.workers = {}
    planned = plan(12, server.variant())
    run = cluster_run(planned, cluster, tmp_path / "run")
    run.start()
    wait_until(lambda: run.progress[0].state is VariantState.NO_WORKERS)
    assert run.end(PATIENCE)
    held.set()

    assert {each.status for each in results(run, planned)} == {"Stopped"}
    assert not server.asked_texts


def test_workers_that_come_later_get_the_work(server, cluster, tmp_path) -> None:
    cluster.workers = {}
    planned = plan(12, server.variant())
    run = cluster_run(planned, cluster, tmp_path / "run")
    run.start()
    wait_until(lambda: cluster.names)
    cluster.workers = {"pool": 2}
    assert run.wait(PATIENCE)

    assert all(each.ok for each in results(run, planned))


def test_a_disk_that_becomes_full_ends_what_would_be_paid_and_lost(
    server, cluster, tmp_path, monkeypatch
) -> None:
    append, kept = storage._FileLog.append, list[Row]()

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def append_some(log: Any, data: bytes) -> None:
        if len(kept) >= 6:
            monkeypatch.setattr(storage.LocalStorage, "write_new", full)
            full()
        append(log, data)
        # On a busy machine an entry has several answers, which came in one turn of the loop.
        kept.extend(read_log(data))

    server.seconds = 0.05
    planned = plan(80, server.variant(price=PRICE))
    run = cluster_run(planned, cluster, tmp_path / "run", concurrency=4, budget=100)
    monkeypatch.setattr(storage._FileLog, "append", append_some)
    finished(run)

    asked = server.asked_texts.total()
    assert asked <= len(kept) + 2 * 4, "besides what it took: what was under way, or had begun"
    assert run._money.spent >= len(kept) * A_CALL
    told = {str(each.failure) for each in results(run, planned) if not each.ok}
    assert "no space left on" in str(told)


def test_an_error_of_the_driver_ends_the_run_and_its_thread(
    server, cluster, tmp_path, monkeypatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(cluster, "ended", broken)
    planned = plan(6, server.variant())
    run = cluster_run(planned, cluster, tmp_path / "run")
    run.start()
    assert run.wait(PATIENCE)
    wait_until(lambda: "llmwidgets-cluster" not in {each.name for each in threading.enumerate()})
    found = results(run, planned)

    assert {each.status for each in found} == {"InternalError"}
    assert any("ZeroDivisionError" in note for note in found.notes)
    assert "llmwidgets-lease" not in {each.name for each in threading.enumerate()}


def test_a_driver_that_died_leaves_a_folder_that_another_goes_on_with(
    server, cluster, tmp_path: Path, monkeypatch
) -> None:
    from llmwidgets.comparison.cluster import lease

    later = 0.0
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + later)
    monkeypatch.setattr(lease, "time", clock)
    server.hold(lambda at: at % 100 >= 4)
    planned = plan(200, server.variant())
    run = cluster_run(planned, cluster, tmp_path / "run", concurrency=4)
    run.start()
    wait_until(lambda: server.held == 4 and run.progress[0].done == 8)
    asked = [each for each in cluster.names if each[0] != "look"]
    # As if this process were frozen: nothing is renewed, and nothing is told.
    run._lease._over.set()
    run._lease._thread.join(PATIENCE)
    later = 2 * lease.LEASE_SECONDS
    # What comes back is handed out again, by a driver that nobody believes to be there.
    wait_until(lambda: len([each for each in cluster.names if each[0] != "look"]) >= len(asked) + 2)
    run.stop()
    assert run.wait(PATIENCE)
    server.let_go()

    rest = cluster_run(planned, cluster, tmp_path / "run")
    finished(rest)
    assert all(each.ok for each in results(rest, planned))
    assert server.asked_texts.total() == 200 + 4


def test_what_was_paid_twice_is_said(server, cluster, tmp_path) -> None:
    planned = plan(4, server.variant())
    run = cluster_run(planned, cluster, tmp_path / "run")
    finished(run)
    run.paid_twice = 3, 0.01

    why = "a worker was lost, or another run asked too."
    assert f"3 answers were paid twice ($0.01): {why}" in results(run, planned).notes


def test_a_stop_loses_no_answer_of_an_earlier_run(server, cluster, tmp_path) -> None:
    planned = plan(12, server.variant(price=PRICE))
    finished(cluster_run(planned, cluster, tmp_path / "run"))
    asked = len(server.seen)
    again = cluster_run(planned, cluster, tmp_path / "run")
    again.folder.write("lease/over", b"stop")
    chunk = again.chunks[0]
    late = run_chunk(
        again.folder.place, again.digest, 0, chunk, Grant("lease/over", begun=time.time()),
        tuple(texts(12)[chunk.start : chunk.stop]),
    )  # fmt: skip

    assert late.stopped, "a task that begins after the stop"
    assert late.reused == bytes([1] * 6)
    again.stop()
    finished(again)
    found = results(again, planned)
    assert all(each.ok and each.paid_before for each in found)
    assert again.progress[0].paid_before == pytest.approx(12 * A_CALL)
    assert len(server.seen) == asked
