"""Workers of another engine: two processes of the standard library, without Dask."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import pytest

import llmwidgets as lw
from llmwidgets.errors import FieldError
from tests.comparison.cluster.busy_server import (
    SCHEMA,
    BusyServer,
    cluster_run,
    plan,
    results,
    texts,
    truth,
    wait_until,
)
from tests.comparison.cluster.pool_adapter import PoolCluster
from tests.comparison.cluster.test_driver import figures
from tests.servers import serving_models


@pytest.fixture(scope="module")
def pool() -> Iterator[PoolCluster]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
        yield PoolCluster(processes)


def test_figures_are_those_of_one_process(pool: PoolCluster, tmp_path) -> None:
    with serving_models(BusyServer) as server:
        models = [server.variant("a", price=1.0), server.variant("b")]
        shared = {"truth": truth(20), "progress": False}
        one = lw.compare(SCHEMA, texts(20), models, journal=False, **shared)
        many = lw.compare(
            SCHEMA, texts(20), models, journal=str(tmp_path / "run"), cluster=pool, **shared
        )

    assert figures(many).equals(figures(one))
    assert many.verdict().sentence == one.verdict().sentence


def test_without_reuse_all_is_asked_again_in_another_folder(pool: PoolCluster, tmp_path) -> None:
    shared = {"cluster": pool, "journal": tmp_path / "run", "progress": False}
    with serving_models(BusyServer) as server:
        first = lw.compare(SCHEMA, texts(4), server.variant("a"), reuse=False, **shared)
        with pytest.raises(FieldError, match="has replies of a, which are reused"):
            first.rerun(reuse=False, **shared)
        assert server.asked_texts.total() == 4
        # Of another variant there are none.
        first.rerun(replace(server.variant("b"), instructions="Read on."), reuse=False, **shared)
        again = first.rerun(reuse=False, cluster=pool, progress=False)

    assert server.asked_texts.total() == 12
    assert {each.paid_before for each in again} == {None}


def test_a_limited_server_refuses_few_of_all_workers(pool: PoolCluster, tmp_path) -> None:
    """Two processes find the rate that the server takes of both."""
    with serving_models(BusyServer, seconds=0.02, rate=250.0) as server:
        planned = plan(1000, server.variant())
        run = cluster_run(planned, pool, tmp_path / "run", concurrency=16)
        run.start()
        wait_until(lambda: run.finished)
        later = server.refused[len(server.refused) // 2 :]

    assert all(each.ok for each in results(run, planned))
    assert server.most_at_once <= 16
    assert any(server.refused), "the limit was met"
    assert sum(later) / len(later) <= 0.05
