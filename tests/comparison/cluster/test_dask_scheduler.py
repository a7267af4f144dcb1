"""What is refused as a cluster before anything is sent: no client, or a way that others hear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import llmwidgets as lw
from llmwidgets.comparison.cluster import dask_scheduler
from llmwidgets.comparison.cluster.dask_scheduler import check_scheduler, find_exposed
from llmwidgets.demo import invoices
from llmwidgets.errors import FieldError

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

PRIVATE = ["tls://10.0.0.5:8786", "wss://10.0.0.5:8786", "inproc://10.0.0.5/7/1",
           "gateway://hub.example:443/7", "tcp://127.0.0.1:8786", "tcp://127.8.9.10:8786",
           "tcp://[::1]:8786", "tcp://localhost:8786", "ws://127.0.0.1:8786", "127.0.0.1:8786",
           "ucx://127.0.0.1:13337"]  # fmt: skip
EXPOSED = ["tcp://10.0.0.5:8786", "ws://10.0.0.5:8786", "ucx://10.0.0.5:13337",
           "ucxx://10.0.0.5:13337", "tcp://0.0.0.0:8786", "tcp://[::]:8786", "tcp://[fe80::1]:8786",
           "tcp://scheduler:8786", "tcp://127.0.0.1.example.com:8786", "10.0.0.5:8786",
           "tcp://localhost.example.com:8786", "carrier-pigeon://10.0.0.5"]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_what_only_this_machine_or_nobody_hears_is_fine(address: str) -> None:
    assert find_exposed([address]) is None


@pytest.mark.parametrize("address", EXPOSED)
def test_a_way_that_others_can_listen_to_is_found(address: str) -> None:
    assert find_exposed([*PRIVATE, address]) == address


def refusal(cluster: Any) -> FieldError:
    """Why `compare` does not begin; no text is read, nothing asked, and no folder made."""
    texts = "/nowhere/*.parquet"
    with pytest.raises(FieldError) as refused:
        lw.compare(invoices.Schema, texts, "demo", cluster=cluster, journal="/nowhere/run")
    assert list(refused.value.problems) == ["cluster"]
    return refused.value


def test_a_cluster_is_no_client(cluster: LocalCluster) -> None:
    refused = refusal(cluster)

    assert refused.message == "cluster: is a LocalCluster, not a Client."
    assert "cluster=Client(cluster)" in refused.hint


@pytest.mark.parametrize(
    ("value", "named"), [("tcp://127.0.0.1:8786", "a str"), (4, "an int"), ([], "a list")]
)
def test_what_is_no_client_is_named_by_its_type(value: object, named: str) -> None:
    refused = refusal(value)

    assert refused.message == f"cluster: is {named}, not a Client."
    assert "from dask.distributed import Client" in refused.hint


def test_a_closed_client_is_refused(cluster: LocalCluster) -> None:
    from distributed import Client

    with Client(cluster, set_as_default=False) as client:
        pass

    assert "the client is closed" in refusal(client).message


def test_an_asynchronous_client_is_refused(cluster: LocalCluster) -> None:
    from distributed import Client

    async def connected() -> FieldError:
        async with Client(cluster.scheduler_address, asynchronous=True, set_as_default=False) as c:
            with pytest.raises(FieldError) as refused:
                check_scheduler(c)
            return refused.value

    assert "is an asynchronous Client" in asyncio.run(connected()).message


def test_without_dask_the_line_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_scheduler, "find_spec", lambda _: None)

    refused = refusal(object())

    assert "dask.distributed, which is not installed" in refused.message
    assert "llmwidgets[dask]" in refused.hint
    assert "pip install distributed" in refused.hint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda known: {**known, "address": "tcp://10.0.0.5:8786"},
         "cluster: the scheduler is reached at tcp://10.0.0.5:8786 without TLS"),
        (lambda known: {**known, "workers": {"tcp://10.0.0.6:41001": {}}},
         "cluster: a worker is reached at tcp://10.0.0.6:41001 without TLS"),
    ],
)  # fmt: skip
def test_what_others_can_connect_to_counts(
    change: Callable[[Any], Any], said: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler bound to every address, reached by loopback, says where others find it."""
    known = client.scheduler_info()
    monkeypatch.setattr(client, "scheduler_info", lambda: change(known))

    refused = refusal(client)

    assert said in refused.message
    for part in ("Security(", "require_encryption=True", "Security.temporary()", "--tls-ca-file"):
        assert part in refused.hint
    assert (Path(__file__).parents[3] / "docs" / "cluster_security.md").is_file()


def test_a_cluster_with_tls_runs_a_comparison(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster
    from distributed.security import Security

    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, protocol="tls", host="127.0.0.1",
            security=Security.temporary(), dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False}, local_directory=str(tmp_path / "workers"),
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        assert client.scheduler.address.startswith("tls://")
        result = lw.compare(
            invoices.Schema, invoices.texts[:2], "demo-careful", cluster=client, progress=False,
            journal=str(tmp_path / "run"),
        )  # fmt: skip

    assert len(result) == 2
    assert list(result.scoreboard()["valid"]) == [1.0]


@contextmanager
def open_scheduler(host: str) -> Iterator[int]:
    """The port of a scheduler that is reached by this address."""
    from distributed import Scheduler
    from distributed.utils import LoopRunner

    async def start() -> Scheduler:
        return await Scheduler(host=host, port=0, dashboard=False, dashboard_address="127.0.0.1:0")

    runner = LoopRunner(asynchronous=False)
    runner.start()
    scheduler = runner.run_sync(start)
    try:
        yield scheduler.port
    finally:
        runner.run_sync(scheduler.close)
        runner.stop()


def test_a_scheduler_bound_to_every_address_is_refused_by_loopback_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`dask scheduler` without --host listens to the whole network."""
    from distributed import Client

    # What Dask finds to be this machine's address, by a look at the way out of it.
    monkeypatch.setattr("distributed.comm.utils.get_ip", lambda: "192.0.2.7")

    with open_scheduler("0.0.0.0") as port, Client(f"tcp://127.0.0.1:{port}") as other:
        refused = refusal(other)

    assert f"the scheduler is reached at tcp://192.0.2.7:{port} without TLS" in refused.message
