"""The look at a Dask client and its scheduler before anything is sent: a client, open, by TLS."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from llmwidgets.errors import FieldError
from llmwidgets.formatting import with_article
from llmwidgets.providers.urls import is_loopback

_GUARDED = frozenset({"tls", "wss", "inproc", "gateway"})
"""Ways that are encrypted, or that leave no process; `gateway` is Dask Gateway's, TLS as well."""

WITH_TLS = (
    "Start the scheduler and the workers with --tls-ca-file, --tls-cert and --tls-key, and connect "
    'by Client("tls://HOST:8786", security=Security(tls_ca_file="ca.pem", tls_client_cert='
    '"cert.pem", tls_client_key="key.pem", require_encryption=True)). On one machine: '
    "LocalCluster(security=Security.temporary()), or one that only this machine reaches: "
    'LocalCluster(host="127.0.0.1") (docs/cluster_security.md).'
)


def check_scheduler(client: Any) -> None:
    """FieldError unless it is an open client of a scheduler that nobody else can listen to.

    What counts is what scheduler and workers can be reached by, not only how this process does.
    """
    _check_client(client)
    known = client.scheduler_info()
    addresses = [client.scheduler.address, known["address"], *known["workers"]]
    exposed = find_exposed(addresses)
    if exposed is not None:
        who = "a worker" if exposed in known["workers"] else "the scheduler"
        raise FieldError(
            {"cluster": f"{who} is reached at {exposed} without TLS: others on the network could "
                        "read what is sent, and whoever connects there can read the workers' "
                        "keys."},
            WITH_TLS,
        )  # fmt: skip


def find_exposed(addresses: Iterable[str]) -> str | None:
    """The first address that leads out of this machine without encryption; None if none does.

    >>> find_exposed(["inproc://10.0.0.5/7/1", "tls://10.0.0.5:8786", "tcp://127.0.0.1:8786"])
    >>> find_exposed(["tcp://localhost:8786", "tcp://10.0.0.5:8786"])
    'tcp://10.0.0.5:8786'
    """
    for address in addresses:
        scheme, parted, place = address.rpartition("://")
        # An address without a scheme is tcp's.
        if (scheme if parted else "tcp") not in _GUARDED and not is_loopback(place):
            return address
    return None


def _check_client(client: Any) -> None:
    if find_spec("distributed") is None:
        raise FieldError(
            {"cluster": "needs dask.distributed, which is not installed."},
            "The extra llmwidgets[dask] has it, and so has: pip install distributed pyarrow.",
        )
    from distributed import Client

    connect = (
        "from dask.distributed import Client, and then cluster=Client(…) with the scheduler's "
        "address, or cluster=Client(LocalCluster()) on this machine (docs/scale.md)."
    )
    if not isinstance(client, Client):
        kind = type(client).__name__
        # Clusters of Dask have an address as well, and a client is made of them.
        if hasattr(client, "scheduler_address"):
            connect = "Give cluster=Client(cluster)."
        elif isinstance(client, str) and "://" in client:
            connect = "from dask.distributed import Client, and then cluster=Client(…) with it."
        raise FieldError({"cluster": f"is {with_article(kind)}, not a Client."}, connect)
    if client.asynchronous:
        raise FieldError(
            {"cluster": "is an asynchronous Client, and compare blocks."},
            "Give one that was made without asynchronous=True, outside an async function.",
        )
    if client.status != "running":
        raise FieldError(
            {"cluster": f"the client is {client.status}, so it reaches no workers."},
            "Connect again: cluster=Client(…).",
        )
