"""A comparison on a cluster, from what it is given to its results: texts, chunks, parts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any

import platformdirs

from llmwidgets.comparison.cluster.chunk_progress import ChunkSummary
from llmwidgets.comparison.cluster.dask_adapter import DaskCluster
from llmwidgets.comparison.cluster.driver import Cluster, ClusterRun
from llmwidgets.comparison.cluster.folder import RunFolder
from llmwidgets.comparison.cluster.grants import texts_a_chunk
from llmwidgets.comparison.cluster.spec import (
    Chunk,
    RunSpec,
    SchemaNumbers,
    describe_policy,
    describe_text,
    describe_variant,
    digest_of,
    pack,
)
from llmwidgets.comparison.cluster.stored_replies import StoredReplies
from llmwidgets.comparison.cluster.text_files import (
    StoredDocument,
    TextFiles,
    TextPlace,
    find_text_files,
)
from llmwidgets.comparison.cluster.worker import SPEC
from llmwidgets.comparison.core import CellKey, ResultIndex, Results, Rules
from llmwidgets.comparison.runs import RunOptions, RunPlan, read_documents, watch_run
from llmwidgets.engine.extraction import Extraction, read_extraction
from llmwidgets.engine.journal import Row
from llmwidgets.engine.request_builder import Document, Plan
from llmwidgets.store.store import Store


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Where chunks run and what outlives them; see `compare`."""

    cluster: Any
    store: Store | None = None


def read_stored_documents(schema: Any, texts: Any, truth: Any, **more: Any) -> tuple[Document, ...]:
    """The texts, their words left in their files where they are given by reference."""
    files = find_text_files(texts)
    if files is None:
        return read_documents(schema, texts, truth, **more)
    width = max(2, len(str(len(files))))
    rows = [
        {"id": f"text-{at:0{width}}", **row, "text": ""} for at, row in enumerate(files.rows(), 1)
    ]
    documents = read_documents(schema, rows, truth, allow_empty=True, **more)
    return tuple(
        StoredDocument(each.id, TextPlace(files, at), each.schema, each.truth,  # type: ignore[arg-type]
                       each.by_record, each.group, each.blanks, each.notes, each.metadata)
        for at, each in enumerate(documents)
    )  # fmt: skip


def run_on_cluster(
    kind: type[Results], planned: RunPlan, rules: Rules, options: RunOptions, cluster: Any,
    store: Store | None = None,
) -> Results:  # fmt: skip
    """Ask everything on the cluster's workers; what is left unasked is a row."""
    run = make_run(planned, rules, options, cluster, store)
    watch_run(run, shown=options.progress)
    return read_results(kind, run, planned, rules)


def make_run(
    planned: RunPlan, rules: Rules, options: RunOptions, cluster: Any, store: Store | None = None
) -> ClusterRun:
    """The run of a plan, not begun: its folder has what workers are told.

    `cluster` is a client of Dask, or what another engine has in the place of `DaskCluster`.
    """
    adapter = cluster if isinstance(cluster, Cluster) else DaskCluster(cluster)
    plan = planned.plan
    folder = RunFolder(_place(options.journal))
    files = _files_of(plan.texts)
    schemas = SchemaNumbers()
    slots = sum((adapter.workers or {}).values())
    # Decided once: a run that goes on finds the same texts in a chunk, whatever workers it has.
    folder.write_new("chunk-size", b"%d" % texts_a_chunk(len(plan.texts), plan.repeats, slots))
    size = int(folder.read("chunk-size") or b"1")
    chunks = list(_write_chunks(folder, plan, schemas, size))
    variants = tuple(describe_variant(each, schemas, store) for each in plan.columns)
    spec = pack(
        RunSpec(variants, schemas.specs, plan.repeats, rules, describe_policy(planned.policy),
                files)
    )  # fmt: skip
    folder.write(SPEC, spec)

    def words(chunk: Chunk) -> tuple[str, ...]:
        return tuple(each.text for each in plan.texts[chunk.start : chunk.stop])

    return ClusterRun(
        plan, chunks, adapter, folder, digest_of(spec), policy=planned.policy,
        concurrency=options.concurrency, budget=options.budget,
        texts=words if files is None else None,
    )  # fmt: skip


def _place(journal: Any) -> str:
    if journal in (None, True, False):
        base = Path(platformdirs.user_cache_dir("llmwidgets")) / "runs"
        return str(base / secrets.token_hex(8))
    return str(journal)


def _files_of(texts: Sequence[Document]) -> TextFiles | None:
    words = getattr(texts[0], "_words", None)
    return words.files if isinstance(words, TextPlace) else None


def _write_chunks(folder: RunFolder, plan: Plan, schemas: SchemaNumbers, size: int) -> list[Chunk]:
    """What is told of the texts besides their words, a file for each chunk."""
    chunks = []
    for number, start in enumerate(range(0, len(plan.texts), size)):
        texts = list(islice(plan.texts, start, start + size))
        specs = [(_at(each, start + at), describe_text(each, schemas))
                 for at, each in enumerate(texts)]  # fmt: skip
        data = pack(specs)
        folder.write(f"documents/part-{number:05}", data)
        chunks.append(Chunk(number, start, start + len(texts), digest_of(data)))
    return chunks


def _at(text: Document, place: int) -> int:
    words = getattr(text, "_words", None)
    return words.at if isinstance(words, TextPlace) else place


def read_results(kind: type[Results], run: ClusterRun, planned: RunPlan, rules: Rules) -> Results:
    """What a run has come to so far; what is still open is `Stopped`."""
    plan = run.plan
    replies = StoredReplies(run.folder, len(run.chunks))
    rows = ResultIndex(len(plan.columns), len(plan.texts), plan.repeats)
    for variant, summaries in enumerate(run.summaries):
        for each in summaries:
            chunk = run.chunks[each.progress.chunk]
            if not each.reused:
                _put_unasked(rows, replies, run, variant, each)
            for number, again in enumerate(each.reused):
                text, repeat = divmod(number, plan.repeats)
                cell = CellKey(variant, chunk.start + text, repeat)
                row_id = replies.row_id(variant, chunk.number, number)
                rows.put(cell, row_id, reused=bool(again))

    def read(row: Row, cell: CellKey) -> Extraction:
        column, document = plan.columns[cell.variant], plan.texts[cell.text]
        again = rows.reused(cell)
        return read_extraction(column, document, cell.repeat, row, reused=again)

    return kind(
        variants=planned.variants, models=tuple(each.model for each in plan.columns),
        texts=plan.texts, rows=rows, journal=replies, read=read, scoring=rules,
        notes=(*planned.notes, *run.notes), columns=plan.columns,
    )  # fmt: skip


def _put_unasked(
    rows: ResultIndex, replies: StoredReplies, run: ClusterRun, variant: int, summary: ChunkSummary
) -> None:
    """A chunk without a part: all of it ended in one failure."""
    assert summary.error is not None
    chunk, row = run.chunks[summary.progress.chunk], Row.of_failure("", summary.error.failure())
    row_id = replies.put(row)
    for text, repeat in product(range(chunk.start, chunk.stop), range(run.plan.repeats)):
        rows.put(CellKey(variant, text, repeat), row_id)
