"""Dask: the workers behind a `distributed.Client`, as the driver of a run uses them."""

from __future__ import annotations

import os
import queue
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from llmwidgets.comparison.cluster.chunk_progress import ChunkProgress
from llmwidgets.comparison.cluster.dask_scheduler import WITH_TLS, find_exposed
from llmwidgets.comparison.cluster.readiness import Look, look_at_worker
from llmwidgets.comparison.cluster.worker import run_chunk
from llmwidgets.comparison.cluster.workers import WorkersLost

_ANSWER_SECONDS = 2.0
"""How long the scheduler is waited for in one question."""
_GONE_SECONDS = 10.0
"""A scheduler that has not answered for so long is taken for gone."""
_RUNNING = "running"
_CLOSED = {"closing", "closed"}


class DaskCluster:
    """The workers of a client. Results are released as soon as they are here.

    The names of tasks have a mark of this run, and so has the topic under which its workers tell
    how far they are: another run of the same client hears nothing of it.
    """

    def __init__(self, client: Any) -> None:
        from distributed import LocalCluster

        self._client, self._mark = client, secrets.token_hex(4)
        self._has_children = isinstance(client.cluster, LocalCluster)
        self._topic = f"llmwidgets-{self._mark}"
        self._futures: dict[Any, Any] = {}
        self._only: dict[Any, frozenset[str]] = {}
        self._done: queue.Queue[tuple[Any, Any]] = queue.Queue()
        self._answered_at = time.monotonic()
        self._workers: Mapping[str, int] = {}
        self._listening = False

    @property
    def workers(self) -> Mapping[str, int] | None:
        """The threads of each worker by its address; None once the scheduler is gone."""
        if self._client.status == _RUNNING:
            # A scheduler that is busy for a moment has the workers that it had.
            with suppress(Exception):
                self._workers = self._client.sync(
                    self._client.scheduler.ncores, callback_timeout=_ANSWER_SECONDS
                )
                self._answered_at = time.monotonic()
                self._free_stuck(self._workers)
        lost = time.monotonic() - self._answered_at > _GONE_SECONDS
        return None if lost or self._client.status in _CLOSED else self._workers

    def _free_stuck(self, here: Collection[str]) -> None:
        """Cancel what none of the workers that are there may take: nobody would ever begin it."""
        stuck = [key for key, only in self._only.items() if only.isdisjoint(here)]
        futures = [self._futures[key] for key in stuck if key in self._futures]
        for key in stuck:
            del self._only[key]
        if futures:
            self._client.cancel(futures)

    @property
    def most_slots(self) -> int:
        """The threads that an adaptive cluster grows to; 0 for another one."""
        adaptive = getattr(self._client.cluster, "_adaptive", None)
        most = getattr(adaptive, "maximum", 0)
        if not isinstance(most, int):
            return 0
        spec = getattr(self._client.cluster, "new_spec", {})
        return most * (spec.get("options", {}).get("nthreads") or 1)

    def submit(
        self, name: tuple[str | int, ...], work: Callable[..., Any], *args: Any,
        avoid: Collection[str] = (),
    ) -> Any:  # fmt: skip
        """Have a worker call this, which is never repeated after an error."""
        key, topic = ("lw", self._mark, *name), self._topic if work is run_chunk else None
        parent = os.getpid() if self._has_children else None
        try:
            only = frozenset(self.workers or ()).difference(avoid) if avoid else None
            future = self._client.submit(
                _call_named, topic, parent, work, *args, key=key, retries=0, pure=False,
                workers=sorted(only) if only else None,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - a client that was closed: the driver will see
            self._done.put((key, error))
            return key
        self._futures[key] = future
        if only:
            self._only[key] = only
        future.add_done_callback(lambda _: self._done.put((key, None)))
        return key

    def ended(self, seconds: float) -> Iterator[tuple[Any, Any]]:
        """The tasks that ended, each with its result or its exception; waits for the first one."""
        with suppress(queue.Empty):
            while True:
                key, error = self._done.get(timeout=seconds)
                seconds = 0.0
                if error is not None:
                    yield key, error
                elif (future := self._futures.pop(key, None)) is not None:
                    yield from self._result(key, future)

    def _result(self, key: Any, future: Any) -> Iterator[tuple[Any, Any]]:
        from distributed import KilledWorker

        if self._client.status != _RUNNING:
            yield key, CancelledError()
            return
        try:
            yield key, future.result(timeout=_ANSWER_SECONDS)
        except TimeoutError:
            # The worker that had the result ended just now: another one makes it again.
            self._futures[key] = future
            future.add_done_callback(lambda _: self._done.put((key, None)))
            return
        except KilledWorker as error:
            last = error.last_worker
            yield key, WorkersLost(getattr(last, "address", str(last)), error.allowed_failures + 1)
        except (CancelledError, Exception) as error:  # noqa: BLE001 - every end is the driver's
            yield key, error
        self._only.pop(key, None)
        with suppress(Exception):
            future.release()

    def listen(self, report: Callable[[ChunkProgress], None]) -> None:
        """Hear the numbers that workers log as events."""

        def hear(event: tuple[float, dict[str, Any]]) -> None:
            report(ChunkProgress(**event[1]["chunk"]))

        self._client.subscribe_topic(self._topic, hear)
        self._listening = True

    def close(self) -> None:
        """Cancel what is open, and hear nothing any more."""
        futures, self._futures = list(self._futures.values()), {}
        if self._client.status != _RUNNING:
            return
        with suppress(Exception):
            if futures:
                self._client.cancel(futures)
            if self._listening:
                self._client.unsubscribe_topic(self._topic)


def _call_named(topic: str | None, parent: int | None, work: Callable[..., Any], *args: Any) -> Any:
    """What the work returns, with the name that the cluster has for its worker."""
    from distributed import get_worker

    worker = get_worker()
    _leave_group(parent)
    if work is look_at_worker and find_exposed([worker.address]) is not None:
        # Those that were there before were looked at by the driver.
        return Look("it is reached without TLS.", WITH_TLS, worker.address)

    def report(progress: ChunkProgress) -> None:
        worker.log_event(topic or "", {"chunk": asdict(progress)})

    result = work(*args) if topic is None else work(*args, report)
    return replace(result, worker=worker.address) if hasattr(result, "worker") else result


def _leave_group(parent: int | None) -> None:
    """Have a worker that this driver started be in a process group of its own.

    Jupyter and terminals interrupt the whole group: the worker would end in the midst of what it
    still has to write. It ends with its parent all the same, which distributed sees to.
    """
    if parent is not None and hasattr(os, "setpgid") and os.getppid() == parent:
        with suppress(OSError):
            os.setpgid(0, 0)
