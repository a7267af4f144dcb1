"""Runs on Dask whose workers, driver, client or scheduler end in the middle of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llmwidgets.comparison.cluster import dask_adapter, driver, lease
from llmwidgets.comparison.cluster.replies.folder import RunFolder
from tests.clocks import busy_seconds
from tests.comparison.cluster.busy_server import (
    PATIENCE,
    BusyServer,
    cluster_run,
    plan,
    results,
    wait_until,
)
from tests.servers import serving_models

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

ROOT = Path(__file__).parents[3]
AT_ONCE = 6


@pytest.fixture
def server() -> Iterator[BusyServer]:
    with serving_models(BusyServer, seconds=0.1) as started:
        yield started
        # What a test that failed still holds, the workers would wait for.
        started.let_go()


ANSWERED = 4
"""How many texts of each of the two chunks are answered before the rest is held."""


def begun(run: Any, server: BusyServer) -> None:
    """Start it, and wait until some texts are answered, and as many calls as can be wait."""
    chunk = run.chunks[0].stop
    assert len(run.chunks) == 2
    server.hold(lambda at: at % chunk >= ANSWERED)
    run.start()
    wait_until(lambda: server.held == AT_ONCE and run.progress[0].done == 2 * ANSWERED)


def complete(run: Any, planned: Any, server: BusyServer, *, repeated: int) -> None:
    """Wait for the end: everything is answered, and few calls were made twice."""
    assert run.wait(PATIENCE)
    found = results(run, planned)
    assert found.notes == planned.notes
    assert {each.status for each in found} == {"ok"}
    asked = server.asked_texts
    assert asked.total() - len(asked) <= repeated


def idle(client: Client) -> bool:
    """Whether no worker is at work, not even on what nobody waits for any more."""
    return not any(client.run(lambda dask_worker: len(dask_worker.state.tasks)).values())


def kill(client: Client, worker: str, process: int) -> None:
    """Kill a worker, and wait until the scheduler has seen it."""
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: worker not in client.nthreads())


def test_a_killed_worker_costs_what_it_had_under_way(client, server, tmp_path) -> None:
    planned = plan(120, server.variant())
    run = cluster_run(planned, client, tmp_path / "run", concurrency=AT_ONCE)
    first, second = client.run(os.getpid).items()
    begun(run, server)
    kill(client, *first)
    server.let_go()
    complete(run, planned, server, repeated=AT_ONCE)
    assert server.most_at_once <= AT_ONCE
    asked = server.asked_texts.total()

    # After the end nothing lies on a worker that could be lost.
    kill(client, *second)
    assert all(each.ok for each in results(run, planned))
    again = cluster_run(planned, client, tmp_path / "run", concurrency=AT_ONCE)
    again.start()
    complete(again, planned, server, repeated=AT_ONCE)
    assert server.asked_texts.total() == asked
    assert again.progress[0].reused == 120


def test_a_worker_that_dies_too_often_is_named_in_rows(
    cluster: LocalCluster, client, server, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    planned = plan(80, server.variant())
    run = cluster_run(planned, client, tmp_path / "run", concurrency=AT_ONCE)
    worker, _ = client.run(os.getpid).items()
    begun(run, server)
    kill(client, *worker)
    server.let_go()
    assert run.wait(PATIENCE)
    found = list(results(run, planned))

    ended = Counter(each.status for each in found)
    answered = 40 + ANSWERED
    assert ended == {"ok": answered, "InternalError": 80 - answered}, "the other chunk is whole"
    failed = next(each.failure for each in found if not each.ok)
    assert worker[0] in str(failed)
    assert failed.code == "cluster"


def test_a_stop_ends_every_call_within_two_seconds(client, server, tmp_path) -> None:
    planned = plan(400, server.variant())
    run = cluster_run(planned, client, tmp_path / "run", concurrency=AT_ONCE)
    begun(run, server)
    began = time.monotonic()
    assert run.end(PATIENCE)
    assert time.monotonic() - began < busy_seconds(4.0), "the promise is 2 s"
    wait_until(lambda: idle(client))
    server.let_go()
    wait_until(lambda: server.at_once == 0)

    answered = 2 * ANSWERED
    ended = Counter(each.status for each in results(run, planned))
    assert ended == {"ok": answered, "Stopped": 400 - answered}
    assert server.asked_texts.total() == answered + AT_ONCE, "nothing is asked afterwards"


def test_two_runs_of_one_client_do_not_mix(client, server, tmp_path, monkeypatch) -> None:
    heard = []
    hear = driver.ClusterRun._hear
    monkeypatch.setattr(
        driver.ClusterRun, "_hear", lambda run, news: (heard.append((run, news)), hear(run, news))
    )
    plans = [plan(many, server.variant(f"busy-{many}")) for many in (30, 60)]
    runs = [
        cluster_run(each, client, tmp_path / str(at), concurrency=3)
        for at, each in enumerate(plans)
    ]
    for run in runs:
        run.start()
    for run, planned in zip(runs, plans, strict=True):
        assert run.wait(PATIENCE)
        found = results(run, planned)
        assert {each.status for each in found} == {"ok"}
        assert len(found) == len(planned.plan.texts)
        own = {(chunk.stop - chunk.start) for chunk in run.chunks}
        assert all(news.done <= max(own) for other, news in heard if other is run)
    assert {id(run) for run, _ in heard} <= {id(run) for run in runs}


def test_a_closed_client_leaves_what_was_answered(cluster, client, server, tmp_path) -> None:
    from distributed import Client

    planned = plan(200, server.variant())
    with Client(cluster) as own:
        run = cluster_run(planned, own, tmp_path / "run", concurrency=AT_ONCE)
        begun(run, server)
    assert run.wait(PATIENCE)
    wait_until(lambda: idle(client))
    server.let_go()
    wait_until(lambda: server.at_once == 0)
    found = results(run, planned)

    answered = 2 * ANSWERED
    ended = Counter(each.status for each in found)
    assert ended == {"ok": answered, "InternalError": 200 - answered}
    assert any("The cluster is gone" in note and "same journal" in note for note in found.notes)
    rest = cluster_run(planned, client, tmp_path / "run", concurrency=AT_ONCE)
    rest.start()
    complete(rest, planned, server, repeated=AT_ONCE)


def test_a_scheduler_that_ends_leaves_what_was_answered(server, tmp_path, monkeypatch) -> None:
    from distributed import Client, LocalCluster, Status

    planned = plan(400, server.variant())
    local = LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp", host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    )  # fmt: skip
    client = Client(local.scheduler_address)
    run = cluster_run(planned, client, tmp_path / "run", concurrency=AT_ONCE)
    begun(run, server)
    monkeypatch.setattr(dask_adapter, "_GONE_SECONDS", 0.5)
    local.sync(local.scheduler.close)
    assert run.wait(PATIENCE)
    client.close()
    server.let_go()
    wait_until(lambda: server.at_once == 0)
    found = results(run, planned)
    # To close it would wait for the answer of its scheduler.
    local.status = Status.closed

    ended = Counter(each.status for each in found)
    assert ended.keys() == {"ok", "InternalError"}
    assert any("The cluster is gone" in note for note in found.notes)
    wait_until(lambda: "llmwidgets-cluster" not in {each.name for each in threading.enumerate()})


DRIVER = """
import sys
from distributed import Client
from llmwidgets.comparison.cluster import lease
from tests.comparison.cluster.busy_server import BusyServer, cluster_run, plan
lease.LEASE_SECONDS, lease.RENEW_SECONDS = float(sys.argv[4]), 0.2
scheduler, url, folder = sys.argv[1:4]
with Client(scheduler) as client:
    run = cluster_run(plan(300, BusyServer(url).variant()), client, folder, concurrency=6)
    run.start()
    run.wait()
"""


LEASE = 3.0


def test_a_killed_driver_stops_its_workers_and_another_goes_on(client, server, tmp_path) -> None:
    planned = plan(300, server.variant())
    server.hold(lambda at: at % 150 >= ANSWERED)
    child = subprocess.Popen(
        [sys.executable, "-c", DRIVER, client.scheduler.address, server.url, tmp_path / "run",
         str(LEASE)],
        cwd=ROOT,
    )  # fmt: skip
    try:
        wait_until(lambda: server.held == AT_ONCE or child.poll() is not None, 2 * PATIENCE)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()
    killed = time.monotonic()
    asked = server.asked_texts.total()
    folder = RunFolder(str(tmp_path / "run"))
    # Who ends a chunk writes its part; the calls under way would wait for ever.
    wait_until(lambda: len(folder.names("replies")) == 2)
    taken = time.monotonic() - killed
    server.let_go()

    assert taken < lease.LEASE_SECONDS, f"the usual lease: that of this driver is {LEASE} s"
    run = cluster_run(planned, client, tmp_path / "run", concurrency=AT_ONCE)
    run.start()
    complete(run, planned, server, repeated=AT_ONCE)
    assert asked == 2 * ANSWERED + AT_ONCE


def test_an_interrupt_of_the_whole_group_does_not_reach_the_workers(client) -> None:
    """Jupyter and a terminal send it to every process of the kernel's or the script's group."""
    workers = dask_adapter.DaskCluster(client)
    here = os.getpgrp()
    workers.submit(("group",), os.getpgrp)
    ended: list[Any] = []
    wait_until(lambda: bool(ended.extend(workers.ended(0.1)) or ended))
    assert ended[0][1] != here
    assert os.getpgrp() == here

    # A worker in this process, as of LocalCluster(processes=False), stays where it is.
    dask_adapter._leave_group(os.getpid())
    assert os.getpgrp() == here
