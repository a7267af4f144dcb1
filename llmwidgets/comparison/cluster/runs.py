"""A comparison on a cluster, from what it is given to its results: texts, chunks, parts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import platformdirs

from llmwidgets.comparison.cluster.dask_adapter import DaskCluster
from llmwidgets.comparison.cluster.driver import Cluster, ClusterRun
from llmwidgets.comparison.cluster.folder import RunFolder
from llmwidgets.comparison.cluster.part_results import index_replies, results_of_parts
from llmwidgets.comparison.cluster.scoring import AnsweredSpec, ScoringRun, ScoringSpec
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
from llmwidgets.comparison.core import ResultData, Results, Rules
from llmwidgets.comparison.measures.aggregate import adopt_aggregates
from llmwidgets.comparison.runs import RunOptions, RunPlan, read_documents, watch_run
from llmwidgets.engine.request_builder import Document, Plan
from llmwidgets.store.store import Store

_TEXTS_A_CHUNK = 500


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
    adapter: Cluster = DaskCluster(cluster)
    plan = planned.plan
    folder = RunFolder(_place(options.journal))
    files = _files_of(plan.texts)
    schemas = SchemaNumbers()
    chunks = list(_write_chunks(folder, plan, schemas))
    variants = tuple(describe_variant(each, schemas, store) for each in plan.columns)
    spec = pack(
        RunSpec(variants, schemas.specs, plan.repeats, rules, describe_policy(planned.policy),
                files)
    )  # fmt: skip
    folder.write(SPEC, spec)

    def words(chunk: Chunk) -> tuple[str, ...]:
        return tuple(each.text for each in plan.texts[chunk.start : chunk.stop])

    run = ClusterRun(
        plan, chunks, adapter, folder, digest_of(spec), concurrency=options.concurrency,
        texts=words if files is None else None,
    )  # fmt: skip
    watch_run(run, shown=options.progress)
    if run.error is not None:
        raise run.error
    results = _results(kind, run, planned, rules)
    _sum_up(results, run, adapter, schemas)
    return results


def _place(journal: Any) -> str:
    if journal in (None, True, False):
        base = Path(platformdirs.user_cache_dir("llmwidgets")) / "runs"
        return str(base / secrets.token_hex(8))
    return str(journal)


def _files_of(texts: Sequence[Document]) -> TextFiles | None:
    words = getattr(texts[0], "_words", None)
    return words.files if isinstance(words, TextPlace) else None


def _write_chunks(folder: RunFolder, plan: Plan, schemas: SchemaNumbers) -> list[Chunk]:
    """What is told of the texts besides their words, a file for each chunk."""
    chunks = []
    for number, start in enumerate(range(0, len(plan.texts), _TEXTS_A_CHUNK)):
        texts = list(islice(plan.texts, start, start + _TEXTS_A_CHUNK))
        specs = [(_at(each, start + at), describe_text(each, schemas))
                 for at, each in enumerate(texts)]  # fmt: skip
        data = pack(specs)
        folder.write(f"documents/part-{number:05}", data)
        chunks.append(Chunk(number, start, start + len(texts), digest_of(data)))
    return chunks


def _at(text: Document, place: int) -> int:
    words = getattr(text, "_words", None)
    return words.at if isinstance(words, TextPlace) else place


def _results(kind: type[Results], run: ClusterRun, planned: RunPlan, rules: Rules) -> Results:
    plan = run.plan
    replies = StoredReplies(run.folder, len(run.chunks))
    index = index_replies(replies, run.chunks, _reused(run), plan.repeats)
    return results_of_parts(
        kind, plan.columns, plan.texts, index, replies, variants=planned.variants, scoring=rules,
        notes=planned.notes, columns=plan.columns,
    )  # fmt: skip


def _reused(run: ClusterRun) -> list[list[bytes]]:
    """By variant and chunk, what its summary says of each extraction."""
    reused = [[b""] * len(run.chunks) for _ in run.plan.columns]
    for own, summaries in zip(reused, run.summaries, strict=True):
        for each in summaries:
            own[each.progress.chunk] = each.reused
    return reused


def _sum_up(results: ResultData, run: ClusterRun, cluster: Cluster, schemas: SchemaNumbers) -> None:
    """Have the workers score what they asked; what was stopped is scored where it is looked at."""
    if run.stopped:
        return
    plan = run.plan
    variants = tuple(
        AnsweredSpec(
            each.label, each.model, None if each.schema is None else schemas.number(each.schema),
            each.dialect,
        )
        for each in plan.columns
    )  # fmt: skip
    spec = ScoringSpec(variants, schemas.specs, plan.repeats, len(run.chunks), results.scoring)
    scoring = ScoringRun(cluster, run.folder, spec, run.chunks, plan.texts)
    sums = scoring.run(_reused(run))
    if sums is not None:
        adopt_aggregates(results, lambda: sums)
