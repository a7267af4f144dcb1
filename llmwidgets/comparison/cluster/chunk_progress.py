"""How far the chunks of a variant are, told in numbers by workers and added up by the driver."""

from __future__ import annotations

import threading
from bisect import insort
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from llmwidgets.comparison.cluster.sent.failure_words import FailureWords
from llmwidgets.dialects.types import Capability
from llmwidgets.engine.run import VariantProgress, VariantState

_UNDER_WAY = (
    VariantState.ASKING, VariantState.LIMITED, VariantState.AWAY, VariantState.PROBING,
)  # fmt: skip
"""What a variant is said to be doing if its chunks do different things: the first that one does."""


@dataclass(frozen=True, slots=True)
class ChunkProgress:
    """How far a chunk is: numbers alone, since any client of a cluster can read them.

    `attempt` is the number under which the driver handed it out; `broken` and `fenced`, known at
    the end, are the replies that kept to no form. The rest is as in VariantProgress.
    """

    variant: int
    chunk: int
    attempt: int = 0
    done: int = 0
    reused: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    cost: float | None = 0.0
    paid_before: float = 0.0
    median_seconds: float | None = None
    state: str = VariantState.WAITING
    at_once: int = 0
    seconds_left: int = 0
    broken: int = 0
    fenced: int = 0


@dataclass(frozen=True, slots=True)
class ChunkSummary:
    """How a chunk ended, and on which worker.

    `reused` has a bit for each extraction that an earlier run paid; it is empty where there is no
    part, and then `error` is what all of them end in. `of_worker` says that the worker could not
    begin at all. `given_up` is why the rest of the chunk was not asked, `spent` what was paid from
    its reserve in US dollars. `unenforced` are the digests of schemas that a reply showed not to be
    enforced.
    """

    progress: ChunkProgress
    reused: bytes = b""
    spent: float = 0.0
    unenforced: tuple[str, ...] = ()
    stopped: bool = False
    given_up: FailureWords | None = None
    error: FailureWords | None = None
    of_worker: bool = False
    worker: str = ""


@dataclass(frozen=True, slots=True)
class ProbeSummary:
    """What a probe found, or why it found nothing."""

    capability: Capability | None = None
    error: FailureWords | None = None
    of_worker: bool = False
    worker: str = ""


class ColumnProgress:
    """One variant's chunks: those under way by their last word, ended ones added up."""

    def __init__(self, label: str, total: int, chunks: int) -> None:
        self.label, self.total, self.probing = label, total, False
        self.ended: dict[int, ChunkSummary] = {}
        self._chunks, self._shown, self._stopped = chunks, 0, False
        self._under_way: dict[int, ChunkProgress] = {}
        self._sums = ChunkProgress(0, 0)
        self._paid: dict[int, float | None] = {}
        self._lock = threading.Lock()
        self._medians: list[tuple[float, int]] = []

    @property
    def finished(self) -> bool:
        """Whether every chunk has ended."""
        return len(self.ended) == self._chunks

    @property
    def sums(self) -> ChunkProgress:
        """The chunks that have ended, added up."""
        return self._sums

    def begin(self, variant: int, chunk: int, attempt: int) -> None:
        """A chunk is handed out; only news of this attempt count from now on."""
        self._under_way[chunk] = ChunkProgress(variant, chunk, attempt)

    def hear(self, news: ChunkProgress) -> None:
        """What a worker says; late words on a chunk that ended, or of another attempt, are left."""
        with self._lock:
            known = self._under_way.get(news.chunk)
            if known is not None and known.attempt == news.attempt and news.done >= known.done:
                self._under_way[news.chunk] = news

    def put_back(self, chunk: int, summary: ChunkSummary | None = None) -> None:
        """A chunk is to be handed out again: until it ends, what it cost so far counts."""
        with self._lock:
            self._under_way.pop(chunk, None)
            if summary is not None:
                self._paid[chunk] = summary.progress.cost

    def end(self, summary: ChunkSummary) -> None:
        """A chunk has ended."""
        news = summary.progress
        with self._lock:
            self._under_way.pop(news.chunk, None)
            self._paid.pop(news.chunk, None)
            self.ended[news.chunk] = summary
            self._stopped = self._stopped or summary.stopped
            self._sums = _added([self._sums, news])
            if news.median_seconds is not None:
                insort(self._medians, (news.median_seconds, news.done))

    def progress(self, *, waiting_for_workers: bool = False) -> VariantProgress:
        """The variant as a run of one process would tell it."""
        with self._lock:
            chunks = list(self._under_way.values())
            sums = _added([self._sums, *chunks])
            costs = [sums.cost, *self._paid.values()]
            medians = sorted([*self._medians, *_medians(chunks)])
            # A chunk that is asked again begins with what was answered, which is not undone.
            done = self._shown = max(self._shown, min(sums.done, self.total))
            state = self._state(chunks)
        if waiting_for_workers and not self.finished:
            state = VariantState.NO_WORKERS
        left = [each.seconds_left for each in chunks if each.state == state]
        return VariantProgress(
            label=self.label, total=self.total, done=done, failures=sums.failures,
            reused=sums.reused, median_seconds=_median(medians),
            cost=None if None in costs else sum(each or 0.0 for each in costs),
            paid_before=sums.paid_before, state=state, finished=self.finished,
            at_once=sum(each.at_once for each in chunks), seconds_left=max(left, default=0),
        )  # fmt: skip

    def _state(self, chunks: Sequence[ChunkProgress]) -> VariantState:
        if self.finished:
            return VariantState.STOPPED if self._stopped else VariantState.DONE
        states = {each.state for each in chunks}
        found = next((each for each in _UNDER_WAY if each in states), None)
        if found is not None:
            return found
        if self.probing:
            return VariantState.PROBING
        return VariantState.ASKING if self._shown else VariantState.WAITING


def _added(parts: Sequence[ChunkProgress]) -> ChunkProgress:
    failures, costs = Counter[str](), [each.cost for each in parts]
    for each in parts:
        failures.update(each.failures)
    return ChunkProgress(
        0, 0,
        done=sum(each.done for each in parts),
        reused=sum(each.reused for each in parts),
        failures=dict(failures),
        cost=None if None in costs else sum(each or 0.0 for each in costs),
        paid_before=sum(each.paid_before for each in parts),
        broken=sum(each.broken for each in parts),
        fenced=sum(each.fenced for each in parts),
    )  # fmt: skip


def _medians(chunks: Sequence[ChunkProgress]) -> list[tuple[float, int]]:
    found = ((each.median_seconds, each.done) for each in chunks)
    return [(seconds, many) for seconds, many in found if seconds is not None]


def _median(medians: Sequence[tuple[float, int]]) -> float | None:
    """The median of the chunks' medians, each as often as it has answers."""
    half, passed = sum(many for _, many in medians) / 2, 0
    for seconds, many in medians:
        passed += many
        if passed >= half:
            return seconds
    return None
