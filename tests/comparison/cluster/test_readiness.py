"""Every worker is looked at before it is given texts, and the others are named with the reason."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import create_model

import llmwidgets as lw
from llmwidgets.comparison.cluster import dask_adapter, runs
from llmwidgets.comparison.cluster.dask_adapter import DaskCluster
from llmwidgets.comparison.cluster.readiness import (
    Look,
    Version,
    WorkerLooks,
    look_at_worker,
    own_version,
)
from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.spec import (
    RunSpec,
    SchemaNumbers,
    describe_policy,
    describe_variant,
    digest_of,
    pack,
    spec_name,
)
from llmwidgets.connections import Policy
from llmwidgets.engine.capability import forget_capabilities
from llmwidgets.engine.request_builder import ResolvedVariant
from llmwidgets.errors import FieldError
from llmwidgets.schemas import read_schema
from tests.servers import OPENAI, ModelServer, serving_models

if TYPE_CHECKING:
    from distributed import Client

KEY = "made-up-key-0001-3fQz7Lm2"
NAME = "MADE_UP_API_KEY"
SCHEMA = [{"name": "name"}, {"name": "total", "type": "number"}]


def connected(url: str = "http://127.0.0.1:9", **more: Any) -> lw.Connection:
    fields = {"api_key": f"env:{NAME}", **more}
    return lw.Connection("custom", name="m", endpoint=f"{url}/v1", label="mine", **fields)


def written(folder: Path, connection: lw.Connection, schema: Any = None) -> tuple[str, str]:
    """A run's folder with what workers are told: the place and the digest."""
    schemas = SchemaNumbers()
    schemas.number(read_schema(schema or SCHEMA))
    variant = describe_variant(ResolvedVariant("A", connection, "m"), "a-1a2b3c4d", schemas)
    data = pack(RunSpec((variant,), schemas.specs, 1, None, describe_policy(Policy())))
    RunFolder(str(folder)).write(spec_name(digest_of(data)), data)
    return str(folder), digest_of(data)


def look(folder: Path, connection: lw.Connection, **more: Any) -> Look:
    return look_at_worker(*written(folder, connection, **more), own_version())


# -- What a worker finds of itself.


def test_a_worker_that_has_everything_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, KEY)
    assert look(tmp_path, connected()) == Look()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, f"api_key of mine: The variable {NAME} is not set."),
        ("", f"api_key of mine: The variable {NAME} is empty."),
        ("  ", f"api_key of mine: The variable {NAME} is empty."),
        (f"{KEY}\n{KEY}", "has several lines"),
    ],
)
def test_a_key_that_is_not_there_is_told(
    value: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv(NAME, value)
    found = look(tmp_path, connected())

    assert said in found.reason
    assert found.hint
    assert KEY not in repr(found)


def test_a_file_and_a_header_that_are_not_there_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "There is no file /nowhere/key." in look(
        tmp_path, connected(api_key="file:/nowhere/key")
    ).reason  # fmt: skip
    monkeypatch.setenv(NAME, KEY)
    missing = look(tmp_path, connected(headers={"X-Team": "env:NO_SUCH_NAME"}))
    assert missing.reason == "header X-Team of mine: The variable NO_SUCH_NAME is not set."


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    found = look_at_worker(str(tmp_path), "0" * 64, own_version())

    assert "this worker does not find the run's files" in found.reason
    assert "journal=" in found.hint


def test_a_changed_file_is_told(tmp_path: Path) -> None:
    place, digest = written(tmp_path, connected())
    RunFolder(place).write(spec_name(digest), b"cos\nsystem\n(S'exit 1'\ntR.")

    assert "was changed since" in look_at_worker(place, digest, own_version()).reason


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (
            own_version()._replace(package="99.0"),
            f"llmwidgets is {lw.__version__} there, not 99.0.",
        ),
        (own_version()._replace(python="3.99"), "there, not 3.99."),
    ],
)
def test_another_version_is_told(version: Version, said: str, tmp_path: Path) -> None:
    assert said in look_at_worker(*written(tmp_path, connected()), version).reason


def test_a_class_that_cannot_be_imported_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schema's class is in a module that the worker does not have."""
    (tmp_path / "made_up_bills.py").write_text(
        "from pydantic import BaseModel\nclass Bill(BaseModel):\n    name: str\n"
    )
    monkeypatch.setenv(NAME, KEY)
    monkeypatch.syspath_prepend(tmp_path)
    import made_up_bills

    place, digest = written(tmp_path / "run", connected(), made_up_bills.Bill)
    monkeypatch.delitem(sys.modules, "made_up_bills")
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each != str(tmp_path)])
    found = look_at_worker(place, digest, own_version())

    assert found.reason == "made_up_bills cannot be imported there."
    assert "client.upload_file" in found.hint


def test_a_class_of_a_notebook_comes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, KEY)
    bill = create_model("Bill", name=(str, ...), __module__="__main__")

    assert look(tmp_path, connected(), schema=bill) == Look()


def test_a_policy_of_the_worker_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policy.toml").write_text('[hosts]\ndeny = ["127.0.0.1"]')
    monkeypatch.setenv(NAME, KEY)
    place = written(tmp_path / "run", connected())
    monkeypatch.setenv("LLMWIDGETS_POLICY", str(tmp_path / "policy.toml"))

    found = look_at_worker(*place, own_version())

    assert found.reason == (
        f"The host 127.0.0.1:9 is not allowed by the file {tmp_path}/policy.toml."
    )


# -- Which workers are given texts.


class ScriptedCluster:
    """Workers that come and go, and answer as they are told."""

    def __init__(self, **looks: Any) -> None:
        self.looks, self.asked = looks, list[tuple[str, str]]()
        self.workers: Mapping[str, int] | None = dict.fromkeys(looks, 1)
        self._open: dict[str, str] = {}

    def submit(
        self, name: tuple[str | int, ...], work: Callable[..., Any], *args: Any,
        avoid: Collection[str] = (),
    ) -> Any:  # fmt: skip
        (worker,) = set(self.workers or ()) - set(avoid)
        self.asked.append((work.__name__, worker))
        self._open["-".join(map(str, name))] = worker
        return "-".join(map(str, name))

    def ended(self, seconds: float) -> Iterator[tuple[Any, Any]]:
        for key, worker in list(self._open.items()):
            del self._open[key]
            said = self.looks[worker]
            yield key, replace(said, worker=worker) if isinstance(said, Look) else said


NO_KEY = Look("OPENAI_API_KEY is not set.", "Set it.")


def test_each_worker_is_looked_at_once_and_those_that_join_as_well() -> None:
    cluster: Any = ScriptedCluster(a=Look(), b=NO_KEY)
    looks = WorkerLooks(cluster, "place", "digest")

    def see(here: str) -> None:
        cluster.workers = dict.fromkeys(here, 1)
        looks.begin(cluster.workers)

    def answer() -> None:
        assert all(looks.take(*each) for each in cluster.ended(0))

    see("ab")
    assert looks.unready == {"a", "b"}
    answer()
    assert looks.unready == {"b"}

    cluster.looks |= {"c": NO_KEY, "d": Look()}
    see("abcd")
    assert looks.unready == {"b", "c", "d"}, "who joins waits for the look"
    answer()
    see("abcd")

    assert looks.unready == {"b", "c"}
    assert sorted(cluster.asked) == [("look_at_worker", each) for each in "abcd"]
    assert looks.notes == tuple(f"{each} was not used: {NO_KEY.reason}" for each in "bc")
    assert looks.reasons == {"a": "", "b": NO_KEY.reason, "c": NO_KEY.reason, "d": ""}
    assert not looks.take("another", object())


def look_at_workers(cluster: Any) -> dict[str, str]:
    """Every worker that is there, with why it is not ready; the error if none is."""
    looks = WorkerLooks(cluster, "place", "digest")
    looks.begin(cluster.workers or ())
    while looks.waiting:
        for each in cluster.ended(0):
            looks.take(*each)
        looks.begin(cluster.workers or ())
    if looks.refusal is not None:
        raise looks.refusal
    return looks.reasons


def test_a_worker_without_the_package_is_named() -> None:
    cluster: Any = ScriptedCluster(a=Look(), b=ModuleNotFoundError("No module named 'llmwidgets'"))

    assert look_at_workers(cluster) == {
        "a": "", "b": "llmwidgets cannot be used there (ModuleNotFoundError)."
    }  # fmt: skip


def test_a_look_that_was_lost_is_made_again() -> None:
    cluster: Any = ScriptedCluster(a=Look(), b=CancelledError())
    looks = WorkerLooks(cluster, "place", "digest")
    for tries in (1, 2, 3):
        looks.begin(cluster.workers)
        assert all(looks.take(*each) for each in cluster.ended(0))
        assert looks.unready == {"b"}
        assert len(looks.notes) == (tries == 3)

    assert cluster.asked.count(("look_at_worker", "b")) == 3
    assert cluster.asked.count(("look_at_worker", "a")) == 1


def test_texts_wait_for_every_look_but_not_for_a_busy_worker_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster: Any = ScriptedCluster(a=Look(), b=Look())
    looks = WorkerLooks(cluster, "place", "digest")
    assert not looks.settled
    looks.begin(cluster.workers)
    looks.take(*next(cluster.ended(0)))
    assert not looks.settled

    now = time.monotonic()
    monkeypatch.setattr("llmwidgets.comparison.cluster.readiness.time.monotonic", lambda: now + 60)

    assert looks.settled


def test_no_ready_worker_is_an_error_with_the_first_reason_and_what_to_do() -> None:
    cluster: Any = ScriptedCluster(a=NO_KEY, b=NO_KEY)

    with pytest.raises(FieldError) as refused:
        look_at_workers(cluster)

    assert refused.value.problems == {
        "cluster": "no worker is ready. a: OPENAI_API_KEY is not set. So it is with 1 other."
    }
    assert refused.value.hint.startswith("Set it.")
    assert "docs/cluster_security.md" in refused.value.hint


@pytest.mark.parametrize("workers", [{}, None])
def test_no_worker_yet_is_no_error(workers: Any) -> None:
    cluster: Any = ScriptedCluster()
    cluster.workers = workers

    assert look_at_workers(cluster) == {}


def test_a_worker_that_ended_is_not_waited_for() -> None:
    cluster: Any = ScriptedCluster(a=Look(), b=Look())
    looks = WorkerLooks(cluster, "place", "digest")
    looks.begin(cluster.workers)
    looks.begin(())

    assert not looks.waiting


# -- On a real cluster, with a server that counts.


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving_models() as running:
        yield running


def set_key(client: Client, value: str, workers: list[str]) -> None:
    """Have these workers find a made-up key in their environment, or none."""
    line = f"os.environ[{NAME!r}] = {value!r}" if value else f"os.environ.pop({NAME!r}, None)"
    client.run(exec, f"import os; {line}", workers=workers)


@pytest.fixture
def workers(client: Client) -> Iterator[list[str]]:
    """The two workers, without the key."""
    found = list(client.scheduler_info()["workers"])
    yield found
    set_key(client, "", found)


def compare(url: str, folder: Path | bool, cluster: Any = None, **more: Any) -> lw.Comparison:
    texts = [f"Bolt costs {number}." for number in range(12)]
    return lw.compare(SCHEMA, texts, [connected(url, **more)], cluster=cluster, progress=False,
                      journal=folder)  # fmt: skip


def questions(server: ModelServer) -> list[Any]:
    """What was asked, without the word by which each machine's own server loads its model."""
    return [each.body for each in server.asked(OPENAI) if "Reply with OK" not in str(each.body)]


@pytest.fixture
def alone(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], tuple[lw.Comparison, int]]:
    """The same run in one process, and how many questions it asks."""

    def run() -> tuple[lw.Comparison, int]:
        monkeypatch.setenv(NAME, KEY)
        forget_capabilities()
        one = compare(server.url, False)
        asked = len(questions(server))
        server.seen.clear()
        forget_capabilities()
        monkeypatch.delenv(NAME)
        return one, asked

    return run


def test_one_probe_serves_all_workers_and_chunks(
    server: ModelServer, workers: list[str], client: Client, tmp_path: Path,
    alone: Callable[[], tuple[lw.Comparison, int]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(runs, "_TEXTS_A_CHUNK", 3, raising=False)
    one, asked = alone()
    set_key(client, KEY, workers)

    many = compare(server.url, tmp_path / "run", client)

    assert len(questions(server)) == asked
    assert all(each.headers["authorization"] == f"Bearer {KEY}" for each in server.seen)
    assert list(many.scoreboard()["valid"]) == list(one.scoreboard()["valid"]) == [1.0]
    assert not [each for each in many.notes if "was not used" in each]


def test_a_worker_without_the_key_is_named_and_gets_no_texts(
    server: ModelServer, workers: list[str], client: Client, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(runs, "_TEXTS_A_CHUNK", 3, raising=False)
    set_key(client, KEY, workers[:1])

    result = compare(server.url, tmp_path / "run", client)

    assert list(result.scoreboard()["valid"]) == [1.0]
    (note,) = [each for each in result.notes if "was not used" in each]
    assert note == (f"{workers[1]} was not used: api_key of mine: The variable {NAME} is not set.")


def test_no_worker_with_the_key_is_an_error_before_any_call(
    server: ModelServer, workers: list[str], client: Client, tmp_path: Path
) -> None:
    with pytest.raises(FieldError, match=f"no worker is ready.*{NAME} is not set") as refused:
        compare(server.url, tmp_path / "run", client)

    assert "read where the workers run, and never sent" in refused.value.hint
    assert server.seen == []


def test_a_probe_that_fails_is_rows_as_in_a_single_run(
    server: ModelServer, workers: list[str], client: Client, tmp_path: Path,
    alone: Callable[[], tuple[lw.Comparison, int]],
) -> None:  # fmt: skip
    server.fault = "key"
    one, _ = alone()
    set_key(client, KEY, workers)

    many = compare(server.url, tmp_path / "run", client)

    def failures(result: lw.Comparison) -> set[tuple[str, str]]:
        rows = (result.row(cell) for cell in result.rows.cells())
        return {(row.status, row.message) for row in rows}

    assert {status for status, _ in failures(many)} == {"Unauthorized"}
    ((_, said),) = failures(many)
    assert {status for status, _ in failures(one)} == {"Unauthorized"}
    assert all(each.startswith(said) for _, each in failures(one))


def test_a_task_whose_workers_have_all_ended_is_given_back(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask keeps it for workers that never come back."""
    adapter = DaskCluster(client)
    with monkeypatch.context() as patch:
        patch.setattr(DaskCluster, "workers", property(lambda _: {"tcp://127.0.0.1:1": 1}))
        key = adapter.submit(("stuck",), own_version, avoid=["tcp://127.0.0.1:2"])
    assert list(adapter.ended(0.2)) == []

    assert len(adapter.workers or ()) == 2
    ((ended, error),) = adapter.ended(10)

    assert ended == key
    assert isinstance(error, CancelledError)
    adapter.close()


def test_a_worker_that_joins_later_without_tls_is_given_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others on the network could connect to it, and read its keys."""
    address = "tcp://10.0.0.6:41001"
    monkeypatch.setattr("distributed.get_worker", lambda: SimpleNamespace(address=address))
    monkeypatch.setenv(NAME, KEY)
    asked = written(tmp_path, connected())

    exposed = dask_adapter._call_named(None, None, look_at_worker, *asked, own_version())
    address = "tls://10.0.0.6:41001"
    guarded = dask_adapter._call_named(None, None, look_at_worker, *asked, own_version())

    assert exposed.reason == "it is reached without TLS."
    assert "--tls-ca-file" in exposed.hint
    assert guarded == Look(worker=address)
