"""A cluster of two processes on this machine, started once for the files of this folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

WORKERS = 2
START_SECONDS = 120
_HERE = Path(__file__).parent
_KEPT = contextlib.ExitStack()
_RUNNING: list[LocalCluster] = []


@contextlib.contextmanager
def start_cluster(folder: Path, *, dashboard: bool = False) -> Iterator[LocalCluster]:
    """A scheduler in this process and two workers of one thread each, all on loopback.

    What they write is in `folder`. The workers have the environment of this moment, with a home
    of their own. A worker that is killed is started again.
    """
    home = folder / "home"
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("DASK_", "XDG_")):
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        from distributed import LocalCluster

        with LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tcp",
            # The scheduler answers HTTP in any case: by default at a port that may be taken.
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": dashboard},
            memory_limit=0,
            local_directory=str(folder / "workers"),
        ) as started:
            yield started


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> LocalCluster:
    """The cluster that the tests of this folder share."""
    if not _RUNNING:
        folder = tmp_path_factory.mktemp("cluster")
        _RUNNING.append(_KEPT.enter_context(start_cluster(folder)))
    return _RUNNING[0]


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    """A client of the shared cluster, once both workers are there, whatever a test before did."""
    from distributed import Client

    with Client(cluster) as connected:
        connected.wait_for_workers(WORKERS, timeout=START_SECONDS)
        yield connected


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Generator[None, None, None]:
    """The cluster ends where the next test is not of this folder."""
    yield
    if nextitem is None or not nextitem.path.is_relative_to(_HERE):
        _RUNNING.clear()
        _KEPT.close()
