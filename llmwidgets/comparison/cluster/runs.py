"""A comparison on a cluster, from what it is given to its results: texts, chunks, parts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import platformdirs

from llmwidgets.comparison.cluster.dask_adapter import DaskCluster
from llmwidgets.comparison.cluster.driver import Cluster, ClusterRun
from llmwidgets.comparison.cluster.folder import RunFolder
from llmwidgets.comparison.cluster.manifest import Manifest, claim_folder, identify_texts
from llmwidgets.comparison.cluster.parts import find_variants
from llmwidgets.comparison.cluster.spec import (
    Chunk,
    RunSpec,
    SchemaNumbers,
    describe_policy,
    describe_text,
    describe_variants,
    digest_of,
    documents_name,
    pack,
    spec_name,
)
from llmwidgets.comparison.cluster.stored_replies import StoredReplies
from llmwidgets.comparison.cluster.text_files import StoredDocument, files_of
from llmwidgets.comparison.core import CellKey, ResultIndex, Results, Rules
from llmwidgets.comparison.runs import RunOptions, RunPlan, watch_run
from llmwidgets.engine.extraction import Extraction, read_extraction
from llmwidgets.engine.journal import Row
from llmwidgets.engine.request_builder import Document, Plan
from llmwidgets.store.store import Store

_TEXTS_A_CHUNK = 500


def run_on_cluster(
    kind: type[Results], planned: RunPlan, rules: Rules, options: RunOptions, cluster: Any,
    store: Store | None = None,
) -> Results:  # fmt: skip
    """Ask everything on the cluster's workers; what is left unasked is a row."""
    adapter: Cluster = DaskCluster(cluster)
    plan = planned.plan
    folder = RunFolder(_place(options.journal))
    files = files_of(plan.texts)
    claim_folder(folder, Manifest(identify_texts(plan.texts, files), _TEXTS_A_CHUNK, plan.repeats))
    schemas = SchemaNumbers()
    chunks = list(_write_chunks(folder, plan, schemas))
    variants = describe_variants(plan.columns, schemas, store, find_variants(folder))
    spec = pack(
        RunSpec(variants, schemas.specs, plan.repeats, rules, describe_policy(planned.policy),
                files)
    )  # fmt: skip
    folder.write(spec_name(digest_of(spec)), spec)

    def words(chunk: Chunk) -> tuple[str, ...]:
        return tuple(each.text for each in plan.texts[chunk.start : chunk.stop])

    run = ClusterRun(
        plan, chunks, adapter, folder, digest_of(spec), concurrency=options.concurrency,
        texts=words if files is None else None,
    )  # fmt: skip
    watch_run(run, shown=options.progress)
    if run.error is not None:
        raise run.error
    return _results(kind, run, planned, rules, [each.name for each in variants])


def _place(journal: Any) -> str:
    if journal in (None, True, False):
        base = Path(platformdirs.user_cache_dir("llmwidgets")) / "runs"
        return str(base / secrets.token_hex(8))
    return str(journal)


def _write_chunks(folder: RunFolder, plan: Plan, schemas: SchemaNumbers) -> list[Chunk]:
    """What is told of the texts besides their words, a file for each chunk."""
    chunks = []
    for number, start in enumerate(range(0, len(plan.texts), _TEXTS_A_CHUNK)):
        texts = list(islice(plan.texts, start, start + _TEXTS_A_CHUNK))
        specs = [(_at(each, start + at), describe_text(each, schemas))
                 for at, each in enumerate(texts)]  # fmt: skip
        data = pack(specs)
        digest = digest_of(data)
        folder.write(documents_name(number, digest), data)
        chunks.append(Chunk(number, start, start + len(texts), digest))
    return chunks


def _at(text: Document, place: int) -> int:
    return text.at if isinstance(text, StoredDocument) else place


def _results(
    kind: type[Results], run: ClusterRun, planned: RunPlan, rules: Rules, names: Sequence[str]
) -> Results:
    plan = run.plan
    replies = StoredReplies(run.folder, names, len(run.chunks))
    rows = ResultIndex(len(plan.columns), len(plan.texts), plan.repeats)
    for variant, summaries in enumerate(run.summaries):
        for each in summaries:
            chunk = run.chunks[each.progress.chunk]
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
        notes=planned.notes, columns=plan.columns,
    )  # fmt: skip
