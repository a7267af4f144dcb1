"""The workers of a cluster as a driver uses them, whatever engine runs them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from llmwidgets.comparison.cluster.chunk_progress import ChunkProgress


class WorkersLost(Exception):
    """Every worker that had this task has ended."""

    def __init__(self, worker: str, times: int) -> None:
        super().__init__(worker, times)
        self.worker, self.times = worker, times


@runtime_checkable
class Cluster(Protocol):
    """What a driver needs of a cluster; one adapter for each engine.

    `workers` has the threads of each worker by its name, and None once the cluster is gone for
    good. `most_slots` is how many threads there can be, where the cluster grows by itself.
    """

    @property
    def workers(self) -> Mapping[str, int] | None: ...
    @property
    def most_slots(self) -> int: ...
    def submit(
        self,
        name: tuple[str | int, ...],
        work: Callable[..., Any],
        *args: Any,
        avoid: Collection[str] = (),
    ) -> Any:
        """Have a worker call this, if possible none of those to avoid; what tells the task."""

    def ended(self, seconds: float) -> Iterator[tuple[Any, Any]]:
        """The tasks that end within this time, each with its result or its exception."""

    def listen(self, report: Callable[[ChunkProgress], None]) -> None:
        """Hear how far chunks are, where workers can tell."""

    def close(self) -> None:
        """Nothing is handed out any more: forget what is open."""


def slots_of(workers: Mapping[str, int] | None) -> int:
    """How many tasks these can run at once."""
    return sum((workers or {}).values())


_WAVE = 2


def room_for_tasks(workers: Mapping[str, int] | None, under_way: int) -> int:
    """How many more tasks to hand out: two a slot, since what is not handed out needs no cancel."""
    return _WAVE * max(1, slots_of(workers)) - under_way
