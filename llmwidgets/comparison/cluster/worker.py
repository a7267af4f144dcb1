"""What a worker does: asks a chunk of one variant, learns what a model enforces; free of Dask."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, cast

from llmwidgets.comparison.cluster.folder import RunFolder
from llmwidgets.comparison.cluster.lease import LeaseReader
from llmwidgets.comparison.cluster.part_journal import PartJournal
from llmwidgets.comparison.cluster.spec import (
    Chunk,
    Grant,
    RunSpec,
    TextSpec,
    read_policy,
    rebuild_schema,
    resolve_variant,
    unpack,
)
from llmwidgets.connections import Policy
from llmwidgets.dialects.types import Capability
from llmwidgets.engine import event_loop
from llmwidgets.engine.capability import record_of
from llmwidgets.engine.extraction import Extractor
from llmwidgets.engine.network.pacing import Pace
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant
from llmwidgets.engine.run import ProgressEvent, Run
from llmwidgets.errors import LLMWidgetsError
from llmwidgets.schemas import Schema

if TYPE_CHECKING:
    from llmwidgets.engine.journal import Journal

SPEC = "spec"
"""The file of the run's folder that has its RunSpec."""

Report = Callable[["ChunkProgress"], None]


@dataclass(frozen=True, slots=True)
class ChunkProgress:
    """How far a chunk is: numbers alone, since any client of a cluster can read them."""

    variant: int
    chunk: int
    done: int
    reused: int
    failures: dict[str, int]
    cost: float | None
    paid_before: float
    at_once: int


@dataclass(frozen=True, slots=True)
class ChunkSummary:
    """How a chunk ended. `reused` has a bit for each extraction; `error` is why nothing was asked.

    `unenforced` are the digests of schemas that a reply showed not to be enforced.
    """

    progress: ChunkProgress
    reused: bytes = b""
    seconds: tuple[float, ...] = ()
    unenforced: tuple[str, ...] = ()
    stopped: bool = False
    error: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class RunContext:
    """A run as this process has read it, and what it keeps from chunk to chunk."""

    folder: RunFolder
    spec: RunSpec
    schemas: tuple[Schema, ...]
    policy: Policy
    paces: dict[tuple[str, str], Pace] = field(default_factory=dict)
    variants: dict[int, ResolvedVariant] = field(default_factory=dict)

    def variant(self, number: int) -> ResolvedVariant:
        """A variant with the connection of this machine, which is looked up once."""
        if number not in self.variants:
            self.variants[number] = resolve_variant(self.spec.variants[number], self.schemas)
        return self.variants[number]

    def documents(self, chunk: Chunk, texts: Any = None) -> list[Document]:
        """The texts of a chunk; `texts` are the words where they come by value."""
        data = self.folder.read(f"documents/part-{chunk.number:05}")
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
    spec: RunSpec = unpack(folder.read(SPEC), digest)
    schemas = tuple(map(rebuild_schema, spec.schemas))
    return RunContext(folder, spec, schemas, read_policy(spec.policy))


def probe_variant(place: str, digest: str, variant: int) -> Capability:
    """What the model of a variant enforces, found out by this worker; raises as a call does."""
    context = open_run(place, digest)
    column = context.variant(variant)
    context.policy.permit(column.connection, column.model)
    extractor = Extractor(column, policy=context.policy, pace=Pace(1))
    return event_loop.run_blocking(extractor.learn())


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

    Nothing that it returns or raises has a text, an answer or a secret in it.
    """
    nothing = ChunkProgress(variant, chunk.number, 0, 0, {}, None, 0.0, 0)
    try:
        return _run_chunk(open_run(place, digest), variant, chunk, grant, texts, report)
    except LLMWidgetsError as error:
        failed = type(error).__name__, error.message, error.hint
    except Exception as error:  # noqa: BLE001 - its words may contain a text
        failed = type(error).__name__, "", ""
    return ChunkSummary(nothing, error=failed)


def _run_chunk(
    context: RunContext, variant: int, chunk: Chunk, grant: Grant, texts: Any,
    report: Report | None,
) -> ChunkSummary:  # fmt: skip
    column, repeats = context.variant(variant), context.spec.repeats
    known = record_of(column.connection, column.model, column.target)
    known.capability = known.capability or grant.capability
    known.unenforced.update(grant.unenforced)
    documents = tuple(context.documents(chunk, texts))
    journal = PartJournal(context.folder, variant, chunk.number)

    def observe(event: ProgressEvent) -> None:
        if report is not None:
            report(_progress(run, variant, chunk.number))

    run = Run(
        Plan((column,), documents, repeats), journal=cast("Journal", journal),
        policy=context.policy, concurrency=grant.concurrency, budget=grant.budget, observer=observe,
        paces=context.paces,
    )  # fmt: skip
    lease = LeaseReader(context.folder, grant.lease)
    run.start()
    while not run.wait(lease.LOOK_SECONDS):
        if lease.over():
            run.stop()
    if run.error is not None:
        raise run.error
    cells = [run.cell(0, *each) for each in product(range(len(documents)), range(repeats))]
    journal.finish(array("q", [row for row, _ in cells]), [each.id for each in documents], repeats)
    return ChunkSummary(
        _progress(run, variant, chunk.number),
        bytes(again for _, again in cells),
        unenforced=tuple(known.unenforced),
        stopped=run.stopped,
    )


def _progress(run: Run, variant: int, chunk: int) -> ChunkProgress:
    (now,) = run.progress
    return ChunkProgress(
        variant, chunk, now.done, now.reused, dict(Counter(now.failures)), now.cost,
        now.paid_before, now.at_once,
    )  # fmt: skip
