"""Where a key and a text turn up on a Dask cluster: a scheduler of its own, its wire tapped.

What workers find for themselves is nowhere but in them. Beside each word that may not be found, one
goes the way that leaks (a task's argument, an exception, a text by value), and has to be found.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import llmwidgets as lw
from llmwidgets.known_keys import known_key
from llmwidgets.secret import Secret
from tests.servers import ModelServer, Seen, serving_models

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 120
"""Seconds that a busy machine may take for what is over in two or three."""
VARIABLE = "MADE_UP_API_KEY"
BY_VARIABLE = "made-up-Canary/7Q2vXw9KpLr4TzB8n"
BY_FILE = "made-up-Filed/3Wd6uYb1NsGt0HcF5j"
DOCUMENT = "Quillfeather Marmalade Consortium"
ID, TRUTH, ASKED = "letter-Zanzibar-9", "Obsidian Parasol Guild", "Heed the Vermilion Handbook."
ANSWER = "Thistledown Gasket Emporium"
NOWHERE = (BY_VARIABLE, BY_FILE, DOCUMENT, ID, TRUTH, ASKED, ANSWER)
"""What workers read by themselves, and what models answer."""

ARGUMENT = "made-up-Argument/5Hd8sYq3MfWj6Nc2"
FAILING = "made-up-Raised/9Kp2LmVx7Rt4Zq6Bd"
BY_VALUE = "Persimmon Lighthouse Trust"


KEYS = (BY_VARIABLE, BY_FILE, ARGUMENT, FAILING)


def count_in(data: bytes, word: str) -> int:
    """How often its first two thirds are there, and of a key the whole in base64 or as in a URL."""
    begun = word[: len(word) * 2 // 3].encode()
    known = known_key("", Secret(word)) if word in KEYS else ()
    spelled = {bytes(view) for each in known for _, view in each.spellings}
    # What is spelled with the same beginning is counted by that.
    return sum(map(data.count, {begun, *(each for each in spelled if begun not in each)}))


# -- The wire: a proxy in front of the scheduler, and one in front of each worker.


@dataclass
class Tap:
    """What was sent through, both ways, to a process that says in its log where it listens."""

    port: int
    log: Path
    heard: list[bytes] = field(default_factory=list)

    def connect(self) -> socket.socket:
        """A connection to the process, once it listens."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            said = self.log.read_bytes() if self.log.exists() else b""
            if found := re.search(rb"(?:Scheduler at|Bound to):\s+tcp://127.0.0.1:(\d+)", said):
                return socket.create_connection(("127.0.0.1", int(found[1])))
            time.sleep(0.05)
        raise TimeoutError(self.log)


@contextmanager
def tapping(log: Path) -> Iterator[Tap]:
    """A port of loopback that leads to the process of this log."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        tap = Tap(server.getsockname()[1], log)

        def pump(source: socket.socket, sink: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(1 << 16):
                    tap.heard.append(data)
                    sink.sendall(data)
            for each in (source, sink):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

        def lead(near: socket.socket) -> None:
            with near, tap.connect() as far:
                back = threading.Thread(target=pump, args=(far, near), daemon=True)
                back.start()
                pump(near, far)
                back.join()

        def accept() -> None:
            with suppress(OSError):  # closed at the end
                while True:
                    near, _ = server.accept()
                    threading.Thread(target=lead, args=(near,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield tap
        server.shutdown(socket.SHUT_RDWR)


# -- The cluster: three processes that log all they can.


@dataclass
class Cluster:
    """A cluster whose every surface is in reach."""

    client: Client
    scheduler: int
    taps: list[Tap]
    logs: list[Path]
    folder: Path


def start(folder: Path, name: str, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A part of the cluster as a process that logs all it can."""
    variables = {**os.environ, "HOME": str(folder), "DASK_LOGGING__DISTRIBUTED": "debug",
                 "DASK_DISTRIBUTED__ADMIN__LOG_LENGTH": "100000",
                 "DASK_TEMPORARY_DIRECTORY": str(folder)}  # fmt: skip
    if name == "worker":
        variables[VARIABLE] = BY_VARIABLE
    shared = ("--dashboard-address", "127.0.0.1:0")
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{name}", *arguments, *shared],
            env=variables, cwd=folder, stdout=out, stderr=out,
        )  # fmt: skip


# Its log has the address that others are told.
TELL_PORT = """
def dask_setup(worker):
    print("Bound to:", worker.listeners[0].listen_address, flush=True)
"""


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A scheduler and two workers, whatever they exchange being heard."""
    from distributed import Client

    logs = [folder / f"{name}.log" for name in ("scheduler", "worker1", "worker2")]
    with ExitStack() as stack:
        taps = [stack.enter_context(tapping(log)) for log in logs]
        address, *told = [f"tcp://127.0.0.1:{tap.port}" for tap in taps]
        place = ("--host", "127.0.0.1", "--port", "0")
        processes = [start(folder, "scheduler", logs[0], *place)]
        for log, contact in zip(logs[1:], told, strict=True):
            place = ("--listen-address", "tcp://127.0.0.1:0", "--contact-address", contact)
            rest = ("--no-nanny", "--nthreads", "1", "--memory-limit", "0", "--preload", TELL_PORT)
            processes.append(start(folder, "worker", log, address, *place, *rest))
        try:
            with Client(address, timeout=PATIENCE) as client:
                client.get_task_stream()  # from now on it is kept
                client.wait_for_workers(2, timeout=PATIENCE)
                yield Cluster(client, processes[0].pid, taps, logs, folder)
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.wait()


class EchoingServer(ModelServer):
    """A server that says back the key of a model that it does not serve."""

    def answer(self, seen: Seen) -> tuple[int, Any]:
        if isinstance(seen.body, dict) and seen.body.get("model") == "echo":
            said = f"Incorrect API key: {seen.headers['authorization']}"
            return 401, {"error": {"message": said, "code": "invalid_api_key"}}
        return super().answer(seen)


SCHEMA = [{"name": "customer"}]


def ask(cluster: Cluster, url: str) -> lw.Comparison:
    """Texts by reference to three models, each with a key that only the workers have."""
    (cluster.folder / "key").write_text(BY_FILE)
    rows = [{"id": f"{ID}-{n}", "text": f"{DOCUMENT}, bill {n}", "customer": TRUTH}
            for n in range(6)]  # fmt: skip
    pd.DataFrame(rows).to_parquet(cluster.folder / "texts.parquet")
    keys = {"m": f"env:{VARIABLE}", "n": f"file:{cluster.folder}/key", "echo": f"env:{VARIABLE}"}
    models = [
        lw.Connection("custom", name=name, endpoint=f"{url}/v1", label=name, api_key=key,
                      headers={"X-Team": key})
        for name, key in keys.items()
    ]  # fmt: skip
    return lw.compare(
        SCHEMA, cluster.folder / "texts.parquet", models, instructions=ASKED,
        cluster=cluster.client, journal=str(cluster.folder / "run"), progress=False,
    )  # fmt: skip


def leak(cluster: Cluster, url: str) -> list[Any]:
    """The same by the ways that leak: an argument, an exception, texts by value."""

    def fail(word: str) -> None:
        raise ValueError(word)

    futures = [
        cluster.client.submit(len, ARGUMENT, pure=False),
        cluster.client.submit(fail, FAILING, pure=False, key="failing"),
    ]
    assert futures[0].result() == len(ARGUMENT)
    assert FAILING in str(futures[1].exception())
    model = lw.Connection("custom", name="m", endpoint=f"{url}/v1", api_key=f"env:{VARIABLE}")
    lw.compare(SCHEMA, [f"{BY_VALUE}, bill 1"], [model], cluster=cluster.client, progress=False,
               journal=str(cluster.folder / "by-value"))  # fmt: skip
    return futures


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, lw.Comparison]]:
    """A cluster after a run, and after what leaks; its result."""
    folder = tmp_path_factory.mktemp("canaries")
    serving = serving_models(EchoingServer, record={"customer": ANSWER})
    with running(folder) as cluster, serving as server:
        result = ask(cluster, server.url)
        kept = leak(cluster, server.url)
        yield cluster, result
        del kept


# -- The surfaces.


def wire(cluster: Cluster) -> bytes:
    return b"".join(b"".join(tap.heard) for tap in cluster.taps)


_PAGE = 4096


def memory(cluster: Cluster) -> bytes:
    """What the scheduler's process holds, as root of its machine sees it."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux shows a process's memory as a file")
    parts = []
    with (
        Path(f"/proc/{cluster.scheduler}/maps").open() as maps,
        Path(f"/proc/{cluster.scheduler}/mem").open("rb", 0) as held,
    ):
        for row in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", row)
            if found is None:
                continue
            start, end = (int(each, 16) for each in found.groups())
            try:
                held.seek(start)
                whole = held.read(end - start)
            except OSError:  # pages of the system
                continue
            pages = (whole[at : at + _PAGE] for at in range(0, len(whole), _PAGE))
            parts += [page for page in pages if page.strip(b"\0")]
            parts.append(b"\0")
    return b"".join(parts)


def log_files(cluster: Cluster) -> bytes:
    return b"".join(log.read_bytes() for log in cluster.logs)


def dump(cluster: Cluster) -> bytes:
    file = cluster.folder / "dump"
    cluster.client.dump_cluster_state(str(file), format="yaml")
    return Path(f"{file}.yaml").read_bytes()


def task_stream(cluster: Cluster) -> bytes:
    return repr(cluster.client.get_task_stream(start=0)).encode()


def kept_logs(cluster: Cluster) -> bytes:
    client = cluster.client
    return repr([client.get_worker_logs(), client.get_scheduler_logs()]).encode()


def exceptions(cluster: Cluster) -> bytes:
    """What is left of the errors of tasks on the scheduler."""

    def read(dask_scheduler: Any) -> list[str]:
        tasks = dask_scheduler.tasks.values()
        return [repr((each.exception_text, each.traceback_text)) for each in tasks]

    return repr(cluster.client.run_on_scheduler(read)).encode()


def pages(cluster: Cluster) -> bytes:
    """Every page of the scheduler's and the workers' HTTP servers that a click leads to."""
    info = cluster.client.scheduler_info()
    ports = [info["services"]["dashboard"]]
    ports += [each["services"]["dashboard"] for each in info["workers"].values()]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    said = []
    for port in ports:
        site = f"http://127.0.0.1:{port}"
        waiting = ["/info/main/workers.html", "/info/main/logs.html", "/json/index.html",
                   "/metrics", "/health", "/sitemap.json", "/individual-plots.json",
                   "/info/task/failing.html", "/json/identity.json"]  # fmt: skip
        seen = set(waiting)
        while waiting:
            try:
                with opener.open(site + waiting.pop(), timeout=PATIENCE) as page:
                    body = page.read()
            except OSError:
                continue
            said.append(body)
            for link in re.findall(rb'href="(?:\.\./)*/?((?:info|json)/[^"#]+)"', body):
                path = f"/{link.decode()}"
                if path not in seen and len(seen) < 80:
                    seen.add(path)
                    waiting.append(path)
    assert len(said) > len(ports)
    return b"".join(said)


def events(cluster: Cluster) -> bytes:
    return repr(cluster.client.get_events()).encode()


SURFACES: dict[str, tuple[Callable[[Cluster], bytes], tuple[str, ...]]] = {
    "wire": (wire, (ARGUMENT, FAILING, BY_VALUE)),
    "memory of the scheduler": (memory, (ARGUMENT, FAILING, BY_VALUE)),
    "log files at DEBUG": (log_files, (FAILING,)),
    "dump_cluster_state": (dump, (FAILING,)),
    "get_task_stream": (task_stream, (FAILING,)),
    "logs that are kept": (kept_logs, (FAILING,)),
    "exceptions": (exceptions, (FAILING,)),
    "pages": (pages, (FAILING,)),
    "events": (events, ()),
}
"""How each is read, and which of the words that leak are found there."""


@pytest.mark.parametrize("surface", SURFACES)
def test_a_key_and_a_text_are_nowhere_but_on_the_workers(
    surface: str, asked: tuple[Cluster, lw.Comparison]
) -> None:
    read, leaking = SURFACES[surface]
    data = read(asked[0])

    assert {word: count_in(data, word) for word in NOWHERE} == dict.fromkeys(NOWHERE, 0)
    for word in leaking:
        assert count_in(data, word) > 0, f"{surface} is not seen: {word} is there"


def test_the_run_was_one_in_which_all_of_it_was_used(asked: tuple[Cluster, lw.Comparison]) -> None:
    """Keys were sent, texts were read, models answered, and a key came back and was masked."""
    cluster, result = asked
    rows = [result.row(cell) for cell in result.rows.cells()]

    assert {row.status for row in rows} == {"ok", "Unauthorized"}, {row.failure for row in rows}
    assert sum(row.status == "ok" for row in rows) == 12
    assert not [row for row in rows if BY_VARIABLE in repr(row)]
    stored = b"".join(each.read_bytes() for each in (cluster.folder / "run").rglob("*.parquet"))
    assert count_in(stored, BY_VARIABLE) == 0
    assert any(ANSWER in repr(row) for row in rows)
