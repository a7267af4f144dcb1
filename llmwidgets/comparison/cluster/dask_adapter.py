"""Dask: the workers behind a `distributed.Client`, as the driver of a run uses them."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from llmwidgets.comparison.cluster.spec import Chunk, Grant
from llmwidgets.comparison.cluster.worker import ChunkProgress, ChunkSummary, run_chunk

_TOPIC = "llmwidgets"


class DaskCluster:
    """The workers of a client. Results are released as soon as they are here."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._futures: dict[str, Any] = {}
        self._done: queue.Queue[Any] = queue.Queue()

    @property
    def slots(self) -> int:
        """How many threads the workers have."""
        return sum(self._client.nthreads().values())

    def submit(self, work: Callable[..., Any], *args: Any) -> Any:
        """Have a worker call this, which is never repeated on its own."""
        work = _run_reporting if work is run_chunk else work
        future = self._client.submit(work, *args, pure=False, retries=0)
        self._futures[future.key] = future
        future.add_done_callback(self._done.put)
        return future.key

    def ended(self, seconds: float) -> Iterator[tuple[Any, Any]]:
        """The futures that ended within so many seconds, each with its result or its error."""
        try:
            future = self._done.get(timeout=seconds)
        except queue.Empty:
            return
        result = future.result()
        del self._futures[future.key]
        future.release()
        yield future.key, result

    def listen(self, report: Callable[[ChunkProgress], None]) -> None:
        """Hear the numbers that workers log as events."""

        def hear(event: tuple[float, dict[str, Any]]) -> None:
            report(ChunkProgress(**event[1]["chunk"]))

        self._client.subscribe_topic(_TOPIC, hear)


def _run_reporting(
    place: str, digest: str, variant: int, chunk: Chunk, grant: Grant,
    texts: tuple[str, ...] | None = None,
) -> ChunkSummary:  # fmt: skip
    from distributed import get_worker

    worker = get_worker()

    def report(progress: ChunkProgress) -> None:
        worker.log_event(_TOPIC, {"chunk": asdict(progress)})

    return run_chunk(place, digest, variant, chunk, grant, texts, report)
