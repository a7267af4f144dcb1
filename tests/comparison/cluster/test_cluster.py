"""The cluster of these tests: two processes of their own, reached by loopback alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.comparison.cluster.conftest import WORKERS

if TYPE_CHECKING:
    from distributed import Client


def test_the_workers_are_two_other_processes(client: Client) -> None:
    processes = set(client.run(os.getpid).values())

    assert len(processes) == WORKERS
    assert os.getpid() not in processes
    assert client.submit(sum, [1, 2]).result() == 3


def test_nothing_of_it_is_reached_from_another_machine(client: Client) -> None:
    addresses = [client.scheduler.address, *client.scheduler_info()["workers"]]

    assert {urlsplit(each).hostname for each in addresses} == {"127.0.0.1"}
    assert {urlsplit(each).scheme for each in addresses} == {"tcp"}
