"""The driver of a run on a cluster: hands out chunks, follows them, knows how each one ended."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from llmwidgets.comparison.cluster import lease as leases
from llmwidgets.comparison.cluster.chunk_progress import (
    ChunkProgress,
    ChunkSummary,
    ColumnProgress,
    ProbeSummary,
)
from llmwidgets.comparison.cluster.grants import (
    RESERVED,
    CallShare,
    Grant,
    SharedBudget,
    SharedConcurrency,
)
from llmwidgets.comparison.cluster.readiness import WorkerLooks
from llmwidgets.comparison.cluster.replies.capabilities import (
    keep_capability,
    recall_capability,
)
from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.sent.failure_words import STOPPED, FailureWords
from llmwidgets.comparison.cluster.spec import Chunk, RunSpec
from llmwidgets.comparison.cluster.worker import probe_variant, run_chunk
from llmwidgets.comparison.cluster.workers import Cluster, WorkersLost, room_for_tasks, slots_of
from llmwidgets.connections import Policy
from llmwidgets.dialects.types import Capability
from llmwidgets.engine.estimate import estimate, over_budget
from llmwidgets.engine.network import egress
from llmwidgets.engine.request_builder import Plan, ResolvedVariant
from llmwidgets.engine.run import VariantProgress
from llmwidgets.engine.runs.background import BackgroundRun
from llmwidgets.engine.runs.progress import describe_form
from llmwidgets.errors import FailureCode
from llmwidgets.formatting import count, dollars

_TRIES = 3
"""How often a chunk is tried that fails, each time on another worker where there is one."""
_AGAIN_AT_ONCE = 8
_STOP_SECONDS = 2.0
"""What has not ended so long after a stop is left behind: its worker is stuck, or gone."""
_LOOK_SECONDS = 0.5
_NO_WORKERS_SECONDS = 5.0
_GO_ON = "Run it again with the same journal to go on: what was answered is not asked again."


@dataclass(slots=True, eq=False)
class _Task:
    """A chunk of a variant to be asked; without a chunk, a variant to be probed."""

    variant: int
    chunk: Chunk | None
    tries: int = 0
    avoid: set[str] = field(default_factory=set)
    attempt: int = 0
    reserve: float | None = None
    likely: float | None = None
    above: float = -1.0
    """What was not enough for the next call."""
    last: ChunkSummary | None = None


@dataclass(slots=True)
class _Column:
    """What the driver knows of one variant. `over` is why nothing more of it is handed out."""

    number: int
    variant: ResolvedVariant
    progress: ColumnProgress
    left: deque[_Task]
    under_way: int = 0
    probe: _Task | None = None
    capability: Capability | None = None
    unenforced: set[str] = field(default_factory=set)
    avoid: set[str] = field(default_factory=set)
    over: FailureWords | None = None
    paid: float = 0.0
    answers: int = 0

    @property
    def connection(self) -> tuple[str, str]:
        return self.variant.connection.label, self.variant.target.url


class ClusterRun(BackgroundRun):
    """A run whose chunks workers ask; it is followed and stopped like a `Run`.

    `concurrency` is the most calls at once of each connection over all workers, `budget` in US
    dollars for all of them; the policy's own limit counts if it is smaller.
    """

    def __init__(
        self, plan: Plan, chunks: Sequence[Chunk], cluster: Cluster, folder: RunFolder,
        digest: str, *, spec: RunSpec, policy: Policy, concurrency: int | None = None,
        budget: float | None = None,
    ) -> None:  # fmt: skip
        self.plan, self.chunks, self.folder, self.spec = plan, tuple(chunks), folder, spec
        super().__init__()
        self.paid_twice: tuple[int, float] = 0, 0.0
        """How many answers were paid twice, and what for in US dollars; known after the end."""
        self._cluster, self.digest = cluster, digest
        self._budget, (limit, self._whose) = budget, policy.budget(budget)
        self._money, self._concurrency = SharedBudget(limit), SharedConcurrency(concurrency)
        self._strict = concurrency is not None
        self._columns = [
            _Column(at, each, ColumnProgress(each.label, plan.asked, len(self.chunks)),
                    deque(_Task(at, chunk) for chunk in self.chunks))
            for at, each in enumerate(plan.columns)
        ]  # fmt: skip
        self._under_way: dict[Any, _Task] = {}
        self._attempt, self._began_at = 0, time.time()
        self._workers: Mapping[str, int] = {}
        """Those that may be given tasks."""
        self._looks = WorkerLooks(cluster, folder.place, digest)
        self._looked_at = self._slots_at = self._stopped_at = 0.0
        self._gone: FailureWords | None = None
        self._lease: leases.LeaseKeeper | None = None
        self._starting = threading.Lock()

    # -- What is told of it, from any thread.

    @property
    def unready(self) -> frozenset[str]:
        """The workers that were found not to be ready, and are given nothing."""
        return self._looks.unready

    @property
    def names(self) -> tuple[str, ...]:
        """The names under which the variants have their replies in the folder."""
        return tuple(each.name for each in self.spec.variants)

    @property
    def progress(self) -> tuple[VariantProgress, ...]:
        """How far each variant is; safe from any thread."""
        since = self._slots_at or time.monotonic()
        idle = self.begun and not self._workers and not self.finished
        waiting = idle and time.monotonic() - since >= _NO_WORKERS_SECONDS
        return tuple(each.progress.progress(waiting_for_workers=waiting) for each in self._columns)

    @property
    def summaries(self) -> list[list[ChunkSummary]]:
        """How each chunk ended, by variant; what is still open counts as stopped."""
        return [
            [
                column.progress.ended.get(chunk.number)
                or ChunkSummary(ChunkProgress(at, chunk.number), error=STOPPED, stopped=True)
                for chunk in self.chunks
            ]
            for at, column in enumerate(self._columns)
        ]

    @property
    def unenforced(self) -> list[set[str]]:
        """The digests of schemas that replies to a variant showed not to be enforced."""
        return [column.unenforced for column in self._columns]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of the run besides its rows."""
        notes = [
            f"{column.variant.label}: {column.capability.doubt}"
            for column in self._columns
            if column.capability is not None and column.capability.doubt
        ]
        for column in self._columns:
            sums, relabelled = column.progress.sums, bool(column.unenforced)
            notes += describe_form(
                column.variant.label, sums.done, broken=sums.broken, fenced=sums.fenced,
                relabelled=relabelled,
            )  # fmt: skip
        notes += self._looks.notes
        rows, paid = self.paid_twice
        if rows:
            were = count(rows, "answer was", "answers were")
            notes.append(
                f"{were} paid twice ({dollars(paid)}): a worker was lost, or another run asked too."
            )
        if self._gone is not None:
            notes.append(f"{self._gone.message} {self._gone.hint}")
        if self.error is not None:
            kind = type(self.error).__name__
            notes.append(f"The run ended early by an internal error, {kind}. {_GO_ON}")
        return tuple(notes)

    def start(self) -> None:
        """Begin on a thread of its own and return."""
        threading.Thread(target=self._main, name="llmwidgets-cluster", daemon=True).start()

    def stop(self) -> None:
        """Have every worker stop; what is open ends as Stopped. Returns at once."""
        with self._starting:
            self._stopped_at = self._stopped_at or time.monotonic()
            self.stopped, lease = True, self._lease
        if lease is not None and not self.finished:
            lease.stop()

    # -- The driver's thread.

    def _main(self) -> None:
        self.begun = True
        try:
            with self._starting:
                self._lease = leases.LeaseKeeper(self.folder)
            self._cluster.listen(self._hear)
            for column in self._columns:
                column.capability = recall_capability(self.folder, column.variant)
            self._run()
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of the end
            self.error = error
        finally:
            with suppress(Exception):
                self._end_rest()
            self._finished.set()

    def _run(self) -> None:
        while not self._is_over():
            self._see_workers()
            if self._gone is not None:
                return
            if not self.stopped and self._looks.settled:
                self._hand_out()
            for key, result in self._cluster.ended(0.1):
                if self._looks.take(key, result):
                    self._looked_at = 0.0
                    continue
                task = self._under_way.pop(key, None)
                if task is not None:
                    self._columns[task.variant].under_way -= 1
                    self._handle_result(task, result)

    def _is_over(self) -> bool:
        if self.stopped:
            patience = time.monotonic() - self._stopped_at < _STOP_SECONDS
            return not (self._under_way and patience)
        return not self._under_way and not any(column.left for column in self._columns)

    def _see_workers(self) -> None:
        """See which workers there are, now and then."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_SECONDS:
            return
        found = self._cluster.workers
        self._looked_at = time.monotonic()
        if found is None:
            self._gone = FailureWords.of_cluster(
                "The cluster is gone: its scheduler ended, or the client was closed.", _GO_ON
            )
            return
        self._looks.begin(found)
        self._workers = {at: n for at, n in found.items() if at not in self._looks.unready}
        if (refusal := self._looks.refusal) is not None:
            if not self._attempt:
                raise refusal
            self._gone = FailureWords.of_cluster(refusal.message, refusal.hint)
        if found or not self._slots_at:
            self._slots_at = now

    def _end_rest(self) -> None:
        """Stop the workers, and give every chunk that has not ended the rows that it can have."""
        lease = self._lease
        if lease is not None:
            lease.stop()
        failure = self._gone or STOPPED
        if self.error is not None:
            failure = FailureWords.of_cluster(
                "The driver of the run ended by an internal error.", _GO_ON
            )
        if self._gone is not None and self._under_way:
            # Workers that are still there write what they have.
            time.sleep(2 * leases.LOOK_SECONDS)
        with suppress(Exception):
            self._cluster.close()
        for column in self._columns:
            mine = (task for task in self._under_way.values() if task.variant == column.number)
            for task in (*mine, *column.left):
                self._end_unasked(task, column.over or failure)

    # -- Handing out.

    def _hand_out(self) -> None:
        """Hand out as much as slots, calls and money allow; the variants take turns."""
        room = room_for_tasks(self._workers, len(self._under_way))
        waiting: list[_Column] = []
        while room > 0:
            ready = [each for each in self._columns if each.left and each not in waiting]
            if not ready:
                return
            column = min(ready, key=lambda each: each.under_way)
            if self._hand_out_of(column):
                room -= 1
            else:
                waiting.append(column)

    def _hand_out_of(self, column: _Column) -> bool:
        """Hand out a variant's next task, if it may go; whether something was handed out."""
        if column.capability is None:
            if column.under_way:
                return False
            column.probe = column.probe or _Task(column.number, None)
        task = column.left[0] if column.capability is not None else column.probe
        assert task is not None
        avoid = column.avoid | task.avoid
        if self._workers and not set(self._workers) - avoid:
            # There is no other worker to try it on.
            avoid = set()
        avoid |= self._looks.unready
        grant = self._grant(column, task)
        if grant is None:
            return False
        label, place = column.variant.label, (self.folder.place, self.digest, column.number)
        if (chunk := task.chunk) is None:
            name: tuple[str | int, ...] = (label, "probe", task.attempt)
            key = self._cluster.submit(name, probe_variant, *place, grant, avoid=avoid)
            column.progress.probing = True
        else:
            column.left.popleft()
            words = self._words_of(chunk)
            name = (label, chunk.number, task.attempt)
            column.progress.begin(column.number, chunk.number, task.attempt)
            key = self._cluster.submit(name, run_chunk, *place, chunk, grant, words, avoid=avoid)
        self._under_way[key] = task
        column.under_way += 1
        return True

    def _words_of(self, chunk: Chunk) -> tuple[str, ...] | None:
        """The words of a chunk; None where workers read them in their files."""
        if self.spec.files is not None:
            return None
        return tuple(each.text for each in self.plan.texts[chunk.start : chunk.stop])

    def _grant(self, column: _Column, task: _Task) -> Grant | None:
        """What the task may use; None if it has to wait, or the variant's money is used up."""
        assert self._lease is not None
        self._attempt += 1
        task.attempt = self._attempt
        grant = Grant(
            self._lease.name, leases.LEASE_SECONDS, task.attempt, begun=self._began_at,
            since=time.time(), capability=column.capability, budget=self._budget,
            unenforced=tuple(column.unenforced),
        )  # fmt: skip
        if task.chunk is None:
            return grant
        reserve = None
        if self._money.limit is not None:
            reserve = self._money.reserve(task.attempt, self._wanted(column, task), task.above)
            if reserve is None:
                if self._money.exhausted(task.above):
                    self._end_for_money(column)
                return None
        share = self._concurrency.acquire(
            column.connection, task.attempt, at_once=self._at_once(),
            left=sum(len(each.left) for each in self._alike(column)),
            usual=egress.first_concurrency(column.variant.connection),
        )  # fmt: skip
        if share is None:
            self._money.release(task.attempt, 0.0)
            return None
        task.reserve = reserve
        if task.tries:
            # If it fails here too, few calls will show it.
            share = CallShare(min(share.first, _AGAIN_AT_ONCE), min(share.most, _AGAIN_AT_ONCE))
        return grant._replace(concurrency=share.most, first=share.first, reserve=reserve)

    def _alike(self, column: _Column) -> list[_Column]:
        return [each for each in self._columns if each.connection == column.connection]

    def _at_once(self) -> int:
        """How many tasks of one connection can run at once, beside those of the others."""
        slots = max(slots_of(self._workers), self._cluster.most_slots if self._strict else 0)
        open_ = {each.connection for each in self._columns if each.left or each.under_way}
        return max(1, -(-slots // max(1, len(open_))))

    def _wanted(self, column: _Column, task: _Task) -> float:
        """What is to be set aside for a chunk in US dollars; 0 if its price is unknown."""
        assert task.chunk is not None
        texts = self.plan.texts[task.chunk.start : task.chunk.stop]
        if column.answers:
            likely = column.paid / column.answers * len(texts) * self.plan.repeats
        else:
            if task.likely is None:
                plan = Plan((column.variant,), tuple(texts), self.plan.repeats)
                task.likely = estimate(plan).cost or 0.0
            likely = task.likely
        if task.reserve is None:
            return RESERVED * likely
        # It ran out of it once: what one call could cost is more than was left.
        return max(RESERVED * likely, 2 * task.reserve, self._money.free / 8)

    def _end_for_money(self, column: _Column) -> None:
        """Nothing more of the variant can be paid: what ran out keeps its rows."""
        if column.over is None:
            limit = self._money.limit or 0.0
            column.over = FailureWords.of(
                over_budget(self._money.spent, limit, self._whose, "more than the rest")
            )
        self._end_column(column)

    def _end_column(self, column: _Column) -> None:
        assert column.over is not None
        while column.left:
            self._end_unasked(column.left.popleft(), column.over)

    def _end_unasked(self, task: _Task, failure: FailureWords) -> None:
        """End a chunk without asking: what is answered is in its part, the rest is this failure."""
        if task.chunk is None or task.chunk.number in self._columns[task.variant].progress.ended:
            return
        column, summary = self._columns[task.variant], task.last
        if summary is None or not summary.reused or failure.kind != "OverBudget":
            summary = self._assemble(column, task, task.chunk, failure)
        column.progress.end(summary)

    def _assemble(
        self, column: _Column, task: _Task, chunk: Chunk, failure: FailureWords
    ) -> ChunkSummary:
        """Make the part of a chunk here; where nothing of it is answered there is none."""
        grant = Grant(
            "", begun=self._began_at, attempt=task.attempt, capability=column.capability,
            unenforced=tuple(column.unenforced), failure=failure,
        )  # fmt: skip
        words = self._words_of(chunk)
        made = run_chunk(self.folder.place, self.digest, task.variant, chunk, grant, words)
        if made.reused:
            return made
        size = chunk.size * self.plan.repeats
        nothing = ChunkProgress(
            task.variant, chunk.number, done=size, failures={failure.kind: size}
        )
        return ChunkSummary(nothing, error=failure, stopped=failure.kind == "Stopped")

    # -- What comes back.

    def _handle_result(self, task: _Task, result: Any) -> None:
        column = self._columns[task.variant]
        if task.chunk is None:
            column.progress.probing = False
            self._handle_probe(column, task, result)
            return
        self._concurrency.release(column.connection, task.attempt)
        known = isinstance(result, ChunkSummary)
        # What a lost worker has spent is not known: all that it had counts.
        self._money.release(task.attempt, result.spent if known else task.reserve or 0.0)
        if not known:
            column.progress.put_back(task.chunk.number)
            # Perhaps more than this task is lost: that is seen before it is handed out again.
            self._looked_at = 0.0
            words = self._explain(task, result)
            self._try_again(column, task, words, again=not isinstance(result, WorkersLost))
            return
        column.paid += result.spent
        now = result.progress
        column.answers += max(0, now.done - now.reused - sum(now.failures.values()))
        column.unenforced.update(result.unenforced)
        task.last = result
        if result.error is not None:
            column.progress.put_back(task.chunk.number)
            # A worker that cannot even begin is none for this variant.
            (column.avoid if result.of_worker else task.avoid).add(result.worker)
            self._try_again(column, task, result.error)
        elif result.given_up is not None:
            self._handle_given_up(column, task, result, result.given_up)
        elif result.stopped and not self.stopped:
            # Its worker took this driver for dead, which it was not.
            column.progress.put_back(task.chunk.number, result)
            self._try_again(column, task, STOPPED)
        else:
            column.progress.end(result)

    def _handle_probe(self, column: _Column, task: _Task, result: Any) -> None:
        if isinstance(result, ProbeSummary) and result.capability is not None:
            column.capability, column.probe = result.capability, None
            keep_capability(self.folder, column.variant, result.capability)
            return
        error = self._explain(task, result)
        if isinstance(result, ProbeSummary) and result.error is not None:
            error = result.error
            column.avoid.add(result.worker)
        task.tries += 1
        if self.stopped or self._may_try(column, task, error):
            return
        column.over = error
        self._end_column(column)

    def _handle_given_up(
        self, column: _Column, task: _Task, result: ChunkSummary, given_up: FailureWords
    ) -> None:
        assert task.chunk is not None
        if given_up.kind == "OverBudget":
            task.above = (task.reserve or 0.0) - result.spent
            if self._money.limit is not None and not self._money.exhausted(task.above):
                column.progress.put_back(task.chunk.number, result)
                column.left.appendleft(task)
                return
        else:
            column.avoid.add(result.worker)
            task.tries += 1
            if not self.stopped and self._may_try(column, task, given_up):
                column.progress.put_back(task.chunk.number, result)
                column.left.appendleft(task)
                return
        column.progress.end(result)
        column.over = column.over or given_up
        self._end_column(column)

    def _try_again(
        self, column: _Column, task: _Task, failure: FailureWords, *, again: bool = True
    ) -> None:
        """Have another worker try it; if there is none, or it was tried enough, it ends."""
        task.tries += 1
        if self.stopped:
            column.left.appendleft(task)
        elif again and self._may_try(column, task, failure):
            column.left.append(task)
        else:
            self._end_unasked(task, failure)

    def _may_try(self, column: _Column, task: _Task, failure: FailureWords) -> bool:
        """Whether another worker could fare better."""
        others = set(self._workers) - column.avoid - task.avoid
        elsewhere = failure.kind not in _EVERYWHERE and failure.code != FailureCode.POLICY
        return task.tries < _TRIES and elsewhere and bool(others)

    def _explain(self, task: _Task, error: Any) -> FailureWords:
        """Why there is no summary of a task, in words."""
        which = "The probe" if task.chunk is None else f"Chunk {task.chunk.number}"
        label = self._columns[task.variant].variant.label
        if isinstance(error, WorkersLost):
            message = (
                f"{which} of {label} was given up: {count(error.times, 'worker')} ended while"
                f" asking it, the last one {error.worker}."
            )
            hint = f"See its log (is there enough memory?). {_GO_ON}"
        else:
            message = f"{which} of {label} was lost by the cluster ({type(error).__name__})."
            hint = _GO_ON
        return FailureWords.of_cluster(message, hint)

    def _hear(self, news: ChunkProgress) -> None:
        if 0 <= news.variant < len(self._columns):
            self._columns[news.variant].progress.hear(news)


_EVERYWHERE = frozenset({"UnknownModel", "QuotaExhausted", "RateLimited", "OverBudget"})
"""Failures that no other worker would be spared."""
