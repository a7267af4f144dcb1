"""The driver of a run on a cluster: hands out chunks, follows them, and knows what every row is."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from llmwidgets.comparison.cluster.folder import RunFolder
from llmwidgets.comparison.cluster.lease import LeaseKeeper
from llmwidgets.comparison.cluster.spec import Chunk, Grant
from llmwidgets.comparison.cluster.worker import (
    ChunkProgress,
    ChunkSummary,
    probe_variant,
    run_chunk,
)
from llmwidgets.dialects.types import Capability
from llmwidgets.engine.request_builder import Plan
from llmwidgets.engine.run import VariantProgress, VariantState

_WAVE = 2
"""Tasks handed out for each slot: what is not handed out needs no cancel."""


class Cluster(Protocol):
    """What a driver needs of a cluster; one adapter for each engine."""

    @property
    def slots(self) -> int:
        """How many chunks can run at once."""

    def submit(self, work: Callable[..., Any], *args: Any) -> Any:
        """Have a worker call this; a future."""

    def ended(self, seconds: float) -> Iterator[tuple[Any, Any]]:
        """The futures that ended within so many seconds, each with its result or its error."""

    def listen(self, report: Callable[[ChunkProgress], None]) -> None:
        """Hear how far chunks are, where workers can tell."""


class _Task(NamedTuple):
    variant: int
    chunk: Chunk


@dataclass(slots=True)
class _Column:
    """What is known of one variant: chunks under way by their last word, ended ones added up."""

    ended: list[ChunkSummary]
    under_way: dict[int, ChunkProgress]
    capability: Capability | None = None


class ClusterRun:
    """A run whose chunks workers ask; it is followed and stopped like a `Run`.

    >>> run.start(); run.wait(); run.progress[0].done   # doctest: +SKIP
    """

    def __init__(
        self, plan: Plan, chunks: Sequence[Chunk], cluster: Cluster, folder: RunFolder,
        digest: str, *, concurrency: int | None = None,
        texts: Callable[[Chunk], tuple[str, ...]] | None = None,
    ) -> None:  # fmt: skip
        self.plan, self.chunks, self.folder = plan, tuple(chunks), folder
        self.begun = self.stopped = False
        self.error: BaseException | None = None
        self._cluster, self._digest, self._texts = cluster, digest, texts
        self._concurrency = concurrency
        self._columns = [_Column([], {}) for _ in plan.columns]
        self._left = deque(
            _Task(variant, chunk) for chunk in self.chunks for variant in range(len(plan.columns))
        )
        self._finished = threading.Event()
        self._lease: LeaseKeeper | None = None

    @property
    def finished(self) -> bool:
        """Whether every chunk has ended."""
        return self._finished.is_set()

    @property
    def progress(self) -> tuple[VariantProgress, ...]:
        """How far each variant is; safe from any thread."""
        return tuple(map(self._progress, range(len(self._columns))))

    @property
    def summaries(self) -> list[list[ChunkSummary]]:
        """The chunks that ended, by variant."""
        return [list(each.ended) for each in self._columns]

    def start(self) -> None:
        """Begin on a thread of its own and return."""
        threading.Thread(target=self._main, name="llmwidgets-cluster", daemon=True).start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether the run is over."""
        return self._finished.wait(timeout)

    def stop(self) -> None:
        """Have every worker stop; what is open ends as Stopped. Returns at once."""
        self.stopped = True
        if self._lease is not None:
            self._lease.stop()

    def end(self, patience: float) -> bool:
        """Stop, and wait at most `patience` seconds for the end. Whether the run is over."""
        self.stop()
        return self._finished.wait(patience)

    def _main(self) -> None:
        self.begun = True
        self._lease = LeaseKeeper(self.folder)
        try:
            self._cluster.listen(self._hear)
            self._probe()
            self._run_chunks()
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of the end
            self.error = error
        finally:
            self._lease.close()
            self._finished.set()

    def _probe(self) -> None:
        place = self.folder.place
        asked = {
            self._cluster.submit(probe_variant, place, self._digest, at): at
            for at in range(len(self._columns))
        }
        while asked:
            for future, result in self._cluster.ended(1.0):
                self._columns[asked.pop(future)].capability = result

    def _run_chunks(self) -> None:
        under_way: dict[Any, _Task] = {}
        slots = max(1, self._cluster.slots)
        assert self._lease is not None
        while (self._left and not self.stopped) or under_way:
            while self._left and not self.stopped and len(under_way) < _WAVE * slots:
                task = self._left.popleft()
                grant = Grant(
                    self._lease.name,
                    None if self._concurrency is None else max(1, self._concurrency // slots),
                    capability=self._columns[task.variant].capability,
                )
                texts = None if self._texts is None else self._texts(task.chunk)
                future = self._cluster.submit(
                    run_chunk, self.folder.place, self._digest, *task, grant, texts
                )
                under_way[future] = task
            for future, result in self._cluster.ended(0.2):
                task = under_way.pop(future)
                column = self._columns[task.variant]
                column.under_way.pop(task.chunk.number, None)
                column.ended.append(result)

    def _hear(self, progress: ChunkProgress) -> None:
        self._columns[progress.variant].under_way[progress.chunk] = progress

    def _progress(self, at: int) -> VariantProgress:
        column = self._columns[at]
        parts = [each.progress for each in column.ended] + list(column.under_way.values())
        costs = [each.cost for each in parts]
        failures = Counter[str]()
        for each in parts:
            failures.update(each.failures)
        over = self.finished or len(column.ended) == len(self.chunks)
        state = VariantState.DONE if over else VariantState.ASKING
        return VariantProgress(
            label=self.plan.columns[at].label,
            total=self.plan.asked,
            done=sum(each.done for each in parts),
            failures=dict(failures),
            reused=sum(each.reused for each in parts),
            median_seconds=None,
            cost=None if None in costs else sum(filter(None, costs)),
            paid_before=sum(each.paid_before for each in parts),
            state=state if column.capability or over else VariantState.PROBING,
            finished=over,
            at_once=sum(each.at_once for each in column.under_way.values()),
        )
