"""What a worker does: asks a chunk of one variant, learns what a model enforces; free of Dask."""

from __future__ import annotations

import os
import socket
import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import import_module
from itertools import product
from typing import TYPE_CHECKING, Any, cast

from llmwidgets.comparison.cluster.chunk_progress import ChunkProgress, ChunkSummary, ProbeSummary
from llmwidgets.comparison.cluster.grants import Grant
from llmwidgets.comparison.cluster.lease import LOOK_SECONDS, LeaseReader
from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.replies.part_journal import PartJournal
from llmwidgets.comparison.cluster.sent.failure_words import STOPPED, FailureWords, describe_error
from llmwidgets.comparison.cluster.spec import (
    Chunk,
    RunSpec,
    TextSpec,
    read_policy,
    rebuild_schema,
    resolve_variant,
    spec_name,
    unpack,
)
from llmwidgets.connections import Policy
from llmwidgets.engine import event_loop
from llmwidgets.engine.capability import record_of
from llmwidgets.engine.endings import FENCED, to_failure
from llmwidgets.engine.extraction import BROKE, Extractor
from llmwidgets.engine.network.pacing import Pace
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant
from llmwidgets.engine.run import Run
from llmwidgets.errors import Failure, LLMWidgetsError
from llmwidgets.schemas import Schema

if TYPE_CHECKING:
    from llmwidgets.engine.journal import Journal
    from llmwidgets.engine.journal_rows import Row

Report = Callable[[ChunkProgress], None]
_SPREAD = 0.25
_opening = threading.Lock()


class WorkerPace(Pace):
    """A pace beside those of other workers, which were asked to wait at the same moment."""

    def limited(self, wait: float, *, fewer: bool = True) -> None:
        """The server asked for a pause, after which the workers begin one after the other."""
        super().limited(wait * (1 + _SPREAD * self.clock.jitter()), fewer=fewer)

    def change_most(self, most: int) -> None:
        """The most calls at once from now on; a pace that was at its most before stays there."""
        self.limit = min(most, most if self.limit == self.most else self.limit)
        self.most = most


@dataclass(frozen=True, slots=True)
class DriverSession:
    """What a process keeps from chunk to chunk of one driver: its lease, and the paces."""

    lease: LeaseReader
    paces: dict[tuple[str, str], Pace] = field(default_factory=dict)
    _shares: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    _sharing: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def shared_pace(self, column: ResolvedVariant, grant: Grant) -> Iterator[list[int]]:
        """Let the connection's calls be as many at once as the chunks under way here may have.

        Gives what each of them may have.
        """
        key, most = (column.connection.label, column.target.url), grant.concurrency or 1
        with self._sharing:
            shares = self._shares.setdefault(key, [])
            shares.append(most)
            new = WorkerPace(grant.first or most, most)
            pace = cast("WorkerPace", self.paces.setdefault(key, new))
            pace.change_most(sum(shares))
        try:
            yield shares
        finally:
            with self._sharing:
                shares.remove(most)
                if shares:
                    pace.change_most(sum(shares))


@dataclass(frozen=True, slots=True)
class RunContext:
    """A run as this process has read it, and what it keeps from chunk to chunk."""

    folder: RunFolder
    spec: RunSpec
    schemas: tuple[Schema, ...]
    policy: Policy
    variants: dict[int, ResolvedVariant] = field(default_factory=dict)
    _sessions: dict[str, DriverSession] = field(default_factory=dict)

    def variant(self, number: int) -> ResolvedVariant:
        """A variant with the connection of this machine, which is looked up once."""
        if number not in self.variants:
            self.variants[number] = resolve_variant(self.spec.variants[number], self.schemas)
        return self.variants[number]

    def session(self, grant: Grant) -> DriverSession:
        """What this process keeps while the driver of this grant lives."""
        if grant.lease not in self._sessions:
            lease = LeaseReader(self.folder, grant.lease, grant.lease_seconds)
            self._sessions[grant.lease] = DriverSession(lease)
        return self._sessions[grant.lease]

    def journal(self, variant: int, chunk: Chunk) -> PartJournal:
        """A journal of this variant's replies to a chunk, for one more attempt."""
        return PartJournal(self.folder, self.spec.variants[variant].name, chunk.number)

    def documents(self, chunk: Chunk, texts: Any = None) -> list[Document]:
        """The texts of a chunk; `texts` are the words where they come by value."""
        data = self.folder.read(chunk.documents)
        specs: list[tuple[int, TextSpec]] = unpack(data, chunk.digest)
        if texts is None:
            assert self.spec.files is not None
            texts = self.spec.files.words([at for at, _ in specs])
        return [
            Document(each.id, words, self.schemas[each.schema], each.truth,
                     by_record=each.by_record, group=each.group, blanks=each.blanks)
            for (_, each), words in zip(specs, texts, strict=True)
        ]  # fmt: skip


@lru_cache(maxsize=4)
def open_run(place: str, digest: str) -> RunContext:
    """The run of a folder, read once in each process."""
    folder = RunFolder(place)
    spec: RunSpec = unpack(folder.read(spec_name(digest)), digest)
    schemas = tuple(map(rebuild_schema, spec.schemas))
    return RunContext(folder, spec, schemas, read_policy(spec.policy))


def probe_variant(place: str, digest: str, variant: int, grant: Grant) -> ProbeSummary:
    """What the model of a variant enforces, found out here; ends early as a chunk does."""
    readable = False
    try:
        with _opening:
            context = open_run(place, digest)
        column = context.variant(variant)
        readable = True
        context.policy.permit(column.connection, column.model)
        extractor = Extractor(column, policy=context.policy, pace=Pace(1))
        found = event_loop.submit_task(extractor.learn())
        lease = context.session(grant).lease
        try:
            while not wait([found], LOOK_SECONDS).done:
                if lease.over():
                    break
        finally:
            found.cancel()
        try:
            return ProbeSummary(found.result(), worker=worker_name())
        except Failure as error:
            raise to_failure(error, column) from None
    except CancelledError:
        return ProbeSummary(error=STOPPED, worker=worker_name())
    except Exception as error:  # noqa: BLE001 - what it raises is a failure of the variant
        words = describe_error(error)
    return ProbeSummary(error=words, of_worker=not readable, worker=worker_name())


def run_chunk(
    place: str,
    digest: str,
    variant: int,
    chunk: Chunk,
    grant: Grant,
    texts: tuple[str, ...] | None = None,
    report: Report | None = None,
) -> ChunkSummary:
    """Ask a chunk of a variant, and write its part; ends early where the driver's lease does.

    Nothing that it returns has a text, an answer or a secret in it, and it raises nothing.
    """
    nothing = ChunkProgress(variant, chunk.number, grant.attempt)
    readable = False
    try:
        with _opening:
            context = open_run(place, digest)
        journal = context.journal(variant, chunk)
        if grant.failure is not None and not (journal.had_part or journal.logs):
            return ChunkSummary(nothing, error=grant.failure, worker=worker_name())
        column = context.variant(variant)
        readable = True
        documents = tuple(context.documents(chunk, texts))
        work = _ChunkWork(context, chunk, column, documents, journal, grant, nothing, report)
        return work.run()
    except Exception as error:  # noqa: BLE001 - the driver has a row for every error
        words = describe_error(error)
    return ChunkSummary(nothing, error=words, of_worker=not readable, worker=worker_name())


def worker_name() -> str:
    """This machine and process, where the cluster has no name for its workers."""
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(frozen=True, slots=True)
class _ChunkWork:
    """A chunk as it is asked here; `nothing` is the progress that it begins with."""

    context: RunContext
    chunk: Chunk
    column: ResolvedVariant
    documents: tuple[Document, ...]
    journal: PartJournal
    grant: Grant
    nothing: ChunkProgress
    report: Report | None

    def run(self, *, alone: bool = False) -> ChunkSummary:
        """Ask it, write the part, and say how it ended."""
        _load_writers()
        grant, session = self.grant, self.context.session(self.grant)
        known = record_of(self.column.connection, self.column.model, self.column.target)
        known.capability = known.capability or grant.capability
        known.unenforced.update(grant.unenforced)
        settled = grant.failure or (STOPPED if session.lease.over() else None)
        run, spent_before = self._ask(session, settled)
        spent = run.budget.spent - spent_before
        stopped = run.stopped or (settled is STOPPED)
        if run.stopped and (self.journal.had_part or self.journal.logs):
            # The stop can have come before all that is known was found.
            run, _ = self._ask(session, STOPPED)
        try:
            written, progress, reused = self._write(run)
        except LLMWidgetsError as error:
            # What the folder did not take is paid all the same.
            words = describe_error(error)
            return ChunkSummary(self.nothing, spent=spent, error=words, worker=worker_name())
        if settled is not None and not (written or alone):
            # Another attempt has written the part meanwhile: what it answered is in there.
            journal = self.context.journal(self.nothing.variant, self.chunk)
            return replace(self, journal=journal).run(alone=True)
        (over,) = run.given_up
        return ChunkSummary(
            progress, reused, spent, tuple(known.unenforced), stopped,
            given_up=None if over is None or settled or stopped else FailureWords.of(over),
            worker=worker_name(),
        )  # fmt: skip

    def _ask(self, session: DriverSession, settled: FailureWords | None) -> tuple[Run, float]:
        """The run at its end, and what counted as spent before it."""
        grant, context = self.grant, self.context
        with session.shared_pace(self.column, grant) as shares:
            run = Run(
                Plan((self.column,), self.documents, context.spec.repeats),
                journal=cast("Journal", self.journal), policy=context.policy,
                concurrency=grant.concurrency, budget=grant.budget, paces=session.paces,
            )  # fmt: skip
            before = _limit_budget(run, grant, self.journal)
            if settled is not None:
                run.ask_nothing(settled.failure())
            self.journal.on_trouble = run.stop
            run.start()
            try:
                while not run.wait(LOOK_SECONDS):
                    if self.report is not None:
                        self.report(self._progress(run, len(shares)))
                    if settled is None and session.lease.over():
                        run.stop()
            finally:
                self.journal.on_trouble = None
                if not run.finished:
                    run.stop()
        if run.error is not None:
            raise run.error
        return run, before

    def _write(self, run: Run) -> tuple[bool, ChunkProgress, bytes]:
        """Write the part, if no other attempt has; the progress with what lost ones paid."""
        journal, repeats = self.journal, self.context.spec.repeats
        places = product(range(len(self.documents)), range(repeats))
        cells = [run.cell(0, *each) for each in places]
        ids = array("q", [row for row, _ in cells])
        first = journal.finish(ids, [each.id for each in self.documents], repeats)
        rows = list(map(journal.get, ids))
        reused = [
            again and row.at < self.grant.begun for row, (_, again) in zip(rows, cells, strict=True)
        ]
        return first, _with_rows(self._progress(run), rows, reused), bytes(reused)

    def _progress(self, run: Run, chunks: int = 1) -> ChunkProgress:
        (now,) = run.progress
        return replace(
            self.nothing, done=now.done, reused=now.reused, failures=dict(now.failures),
            cost=now.cost, paid_before=now.paid_before, median_seconds=now.median_seconds,
            state=now.state.value, at_once=-(-now.at_once // chunks), seconds_left=now.seconds_left,
        )  # fmt: skip


def _load_writers() -> None:
    """Load what writes a part, so that a stop need not wait for it; pyarrow looks for pandas."""
    for name in ("pyarrow.parquet", "pandas"):
        import_module(name)


def _limit_budget(run: Run, grant: Grant, journal: PartJournal) -> float:
    """Leave the run its reserve, less what a lost attempt has spent; what counts as spent before.

    The rest counts as spent, so that a refusal names the budget of the whole run.
    """
    limit = run.budget.dollars
    before = 0.0 if limit is None or grant.reserve is None else max(0.0, limit - grant.reserve)
    run.budget.spent = before + journal.paid_since(grant.since)
    return before


def _with_rows(
    progress: ChunkProgress, rows: Sequence[Row], reused: Sequence[bool]
) -> ChunkProgress:
    """The progress with what the rows say: what this run paid, also by attempts that were lost."""
    now = [row for row, before in zip(rows, reused, strict=True) if not before]
    unpriced = any(row.answered and row.cost is None for row in now)
    before = sum(row.cost or 0.0 for row, again in zip(rows, reused, strict=True) if again)
    cost = None if unpriced else sum(row.cost or 0.0 for row in now)
    return replace(
        progress, reused=sum(reused), cost=cost, paid_before=before,
        broken=sum(BROKE in row.notes for row in rows),
        fenced=sum(FENCED in row.notes for row in rows),
    )  # fmt: skip
