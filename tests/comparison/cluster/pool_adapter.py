"""Another engine in the place of Dask: an executor of the standard library, in a few lines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from typing import Any


class PoolCluster:
    """The workers of an executor, as the driver of a run uses them."""

    most_slots = 0

    def __init__(self, pool: Executor, slots: int = 2) -> None:
        self.workers: dict[str, int] | None = {"pool": slots}
        self._pool, self._open = pool, set[Future[Any]]()

    def submit(
        self, _name: tuple[str | int, ...], work: Callable[..., Any], *args: Any,
        avoid: Collection[str] = (),
    ) -> Any:  # fmt: skip
        future = self._pool.submit(work, *args)
        self._open.add(future)
        return future

    def ended(self, seconds: float) -> Iterator[tuple[Any, Any]]:
        done, self._open = wait(self._open, seconds, FIRST_COMPLETED)
        for each in done:
            try:
                yield each, each.result()
            except (CancelledError, Exception) as error:  # noqa: BLE001
                yield each, error

    def listen(self, report: Callable[[Any], None]) -> None: ...

    def close(self) -> None:
        for each in self._open:
            each.cancel()
