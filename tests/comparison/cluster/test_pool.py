"""Workers of another engine: two processes of the standard library, without Dask."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.comparison.cluster.texts.inputs import read_stored_documents
from llmwidgets.comparison.runs import build_plan
from llmwidgets.errors import FieldError
from llmwidgets.store.age import Identity
from tests.comparison.cluster.busy_server import (
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
from tests.servers import FAULTS, OPENAI, ModelServer, Seen, serving_models


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


def test_a_limited_server_is_asked_by_all_workers_until_it_answers(
    pool: PoolCluster, tmp_path
) -> None:
    """How few it refuses is told by `test_grants`, on a clock that no busy machine holds up."""
    with serving_models(BusyServer, seconds=0.02, rate=100.0) as server:
        planned = plan(400, server.variant())
        run = cluster_run(planned, pool, tmp_path / "run", concurrency=16)
        run.start()
        wait_until(lambda: run.finished)

    assert all(each.ok for each in results(run, planned))
    assert server.most_at_once <= 16
    assert any(server.refused), "the limit was met"


class StrictServer(ModelServer):
    """It takes the newer of two keys."""

    def answer(self, seen: Seen) -> tuple[int, Any]:
        if NEWER in str(seen.headers.get("authorization")):
            return super().answer(seen)
        return FAULTS[OPENAI]["key"]


NEWER = "made-up-key-0002-3fQz7Lm2"


def test_a_worker_reads_its_keys_anew_for_each_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was wrong the first time is put right in the store, and the same run goes on."""
    identity, file = Identity.generate(), tmp_path / "identity"
    identity.give(lambda spelled: file.write_text(spelled))
    file.chmod(0o600)
    monkeypatch.setenv("LLMWIDGETS_STORE_KEY_FILE", str(file))
    store = lw.Store.create("acme")
    with (
        serving_models(StrictServer, record={"name": "Bolt"}) as server,
        ThreadPoolExecutor(2) as threads,
    ):
        ended = []
        for key in ("made-up-key-0001-3fQz7Lm2", NEWER):
            connection = lw.Connection(
                "custom", name="m", endpoint=f"{server.url}/v1", label="mine", api_key=key
            )
            store.save(connection, replace=True)
            result = lw.compare(
                SCHEMA, texts(2), "mine", store=store, cluster=PoolCluster(threads),
                journal=str(tmp_path / "run"), progress=False,
            )  # fmt: skip
            ended.append({result.row(cell).status for cell in result.rows.cells()})

    assert ended == [{"Unauthorized"}, {"ok"}]


def test_a_loaded_folder_reads_replies_in_the_format_of_the_address(tmp_path, monkeypatch) -> None:
    """That of a Foundry connection is its address's, which its kind alone does not tell."""
    monkeypatch.setenv("MADE_UP_KEY", "made-up-key-0001")
    claude = lw.Connection(
        "azure_ai_foundry", api_key="env:MADE_UP_KEY", model="claude-sonnet-5",
        endpoint="https://acme.services.ai.azure.com/anthropic/v1/messages",
    )  # fmt: skip
    total = {"type": "number", "minimum": 0}
    schema = {"type": "object", "properties": {"total": total}, "required": ["total"]}
    planned = build_plan(read_stored_documents(schema, texts(2)), [claude])
    with ThreadPoolExecutor(1) as threads:
        run = cluster_run(planned, PoolCluster(threads), tmp_path / "run")
    made, loaded = results(run, planned), lw.load(tmp_path / "run")

    assert made.columns[0].dialect.NAME == "anthropic_messages"
    assert [each.losses for each in loaded] == [each.losses for each in made]
    assert all(each.losses for each in made), "it is not held to the minimum"
