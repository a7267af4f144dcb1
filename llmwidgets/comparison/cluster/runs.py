"""A comparison on a cluster, from what it is given to its results: texts, chunks, parts."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import platformdirs

from llmwidgets.comparison.cluster.dask_adapter import DaskCluster
from llmwidgets.comparison.cluster.dask_scheduler import check_scheduler
from llmwidgets.comparison.cluster.driver import ClusterRun
from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.replies.manifest import Manifest, claim_folder, identify_texts
from llmwidgets.comparison.cluster.replies.part_journal import count_paid_twice
from llmwidgets.comparison.cluster.replies.parts import find_variants
from llmwidgets.comparison.cluster.replies.saved_run import (
    RunEnd,
    note_end,
    note_run,
    stored_results,
)
from llmwidgets.comparison.cluster.replies.stored_replies import StoredReplies
from llmwidgets.comparison.cluster.scoring import ScoringRun
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
    pack_run,
    spec_name,
)
from llmwidgets.comparison.cluster.texts.text_files import StoredDocument, files_of, texts_to_count
from llmwidgets.comparison.cluster.workers import Cluster, slots_of
from llmwidgets.comparison.core import ResultData, Results, Rules
from llmwidgets.comparison.measures.aggregate import adopt_aggregates
from llmwidgets.comparison.runs import RunOptions, RunPlan, ask_for_budget
from llmwidgets.engine.journal import Row
from llmwidgets.engine.request_builder import Document, Plan
from llmwidgets.engine.runs.watch import watch_run
from llmwidgets.errors import FieldError, LLMWidgetsError
from llmwidgets.formatting import join_truncated


def name_folder(options: RunOptions) -> RunOptions:
    """The options with the run's folder by its name, a new one where none was given.

    FieldError for False: what workers answer is handed over in a folder.
    """
    journal = options.journal
    if journal is False:
        raise FieldError(
            {"journal": "is False, and the workers of a cluster hand their answers over in a "
                        "folder."},
            "Give journal= a folder that all of them reach, and delete it afterwards, or leave "
            "cluster= out.",
        )  # fmt: skip
    if journal is None or journal is True:
        base = Path(platformdirs.user_cache_dir("llmwidgets")) / "runs"
        journal = base / secrets.token_hex(8)
    return replace(options, journal=str(journal))


def folder_of(results: ResultData, *, reuse: bool = True) -> str:
    """The folder in which another run finds these replies; a new one where it is to find none.

    A folder has the replies of all its texts, and of no others.
    """
    journal = results.journal
    if reuse and isinstance(journal, StoredReplies) and not results.slice_by:
        return journal.folder.place
    return str(name_folder(RunOptions()).journal)


def run_on_cluster(
    kind: type[Results], planned: RunPlan, rules: Rules, options: RunOptions, cluster: Any
) -> Results:
    """Ask everything on the cluster's workers, and have them score it; what is unasked is a row."""
    ask_for_budget(planned, options.budget, texts_to_count(planned.plan.texts))
    run = make_run(planned, rules, options, cluster)
    watch_run(run, shown=options.progress)
    if isinstance(run.error, FieldError):
        raise run.error
    # A folder in trouble was told of with the rows; the replies that it took are counted later.
    with suppress(LLMWidgetsError):
        run.paid_twice = count_paid_twice(run.folder, run.names)
    results = read_results(kind, run, planned, rules)
    if not run.stopped:
        # What workers cannot score, since their folder or scheduler has gone, is scored here.
        with suppress(Exception):
            _score(results, run, cluster)
    return results


def check_cluster(cluster: Any) -> None:
    """FieldError for what is not a cluster: before many texts are read for it."""
    if not isinstance(cluster, Cluster):
        check_scheduler(cluster)


def _score(results: ResultData, run: ClusterRun, cluster: Any) -> None:
    """Have the workers score the results, if they can."""
    # The run has closed what it submitted with.
    scoring = ScoringRun(_adapt(cluster), run.folder, run.digest, run.chunks, run.plan, run.unready)
    sums = scoring.run(_end_of(run))
    if sums is not None:
        adopt_aggregates(results, lambda: sums)


def _adapt(cluster: Any) -> Cluster:
    """A client of Dask, or what another engine has in the place of `DaskCluster`."""
    check_cluster(cluster)
    return cluster if isinstance(cluster, Cluster) else DaskCluster(cluster)


def make_run(planned: RunPlan, rules: Rules, options: RunOptions, cluster: Any) -> ClusterRun:
    """The run of a plan, not begun: its folder has what workers are told, and what a load needs."""
    adapter, plan = _adapt(cluster), planned.plan
    folder = RunFolder(str(name_folder(options).journal))
    files, schemas = files_of(plan.texts), SchemaNumbers()
    for text in plan.texts:
        schemas.number(text.schema)
    # What cannot be sent is found out before anything of the texts is written.
    there = find_variants(folder)
    variants = describe_variants(plan.columns, schemas, there)
    if not options.reuse and (kept := [each.label for each in variants if each.name in there]):
        raise FieldError(
            {"reuse": f"{folder.place} has replies of {join_truncated(kept)}, which are reused."},
            "Give another folder as journal= to ask everything again.",
        )
    spec = RunSpec(
        variants, schemas.specs, plan.repeats, rules, describe_policy(planned.policy), files
    )
    packed = pack_run(spec, plan)
    size = texts_a_chunk(len(plan.texts), plan.repeats, slots_of(adapter.workers))
    size = claim_folder(folder, Manifest(identify_texts(plan.texts, files), size, plan.repeats))
    chunks = list(_write_chunks(folder, plan, schemas, size))
    folder.write(spec_name(digest_of(packed)), packed)

    run = ClusterRun(
        plan, chunks, adapter, folder, digest_of(packed), spec=spec, policy=planned.policy,
        concurrency=options.concurrency, budget=options.budget,
    )  # fmt: skip
    # What a loaded folder shows of a run whose driver dies.
    unasked = _results(ResultData, run, planned, rules, RunEnd({}, {}))
    note_run(folder, unasked, run.names, chunks)
    return run


def read_results(kind: type[Results], run: ClusterRun, planned: RunPlan, rules: Rules) -> Results:
    """What a run has come to, noted for whoever loads its folder; what is open is `Stopped`."""
    end = _end_of(run)
    with suppress(LLMWidgetsError):
        note_end(run.folder, run.names, end)
    return _results(kind, run, planned, rules, end)


def texts_a_chunk(texts: int, repeats: int, slots: int) -> int:
    """How many texts a chunk has: some 500 questions, fewer if slots were idle otherwise."""
    return max(1, min(500 // repeats, -(-texts // max(1, slots))))


def _write_chunks(folder: RunFolder, plan: Plan, schemas: SchemaNumbers, size: int) -> list[Chunk]:
    """What is told of the texts besides their words, a file for each chunk."""
    chunks = []
    for number, start in enumerate(range(0, len(plan.texts), size)):
        texts = list(islice(plan.texts, start, start + size))
        specs = [(_at(each, start + at), describe_text(each, schemas))
                 for at, each in enumerate(texts)]  # fmt: skip
        data = pack(specs)
        digest = digest_of(data)
        folder.write(documents_name(number, digest), data)
        chunks.append(Chunk(number, start, start + len(texts), digest))
    return chunks


def _at(text: Document, place: int) -> int:
    return text.at if isinstance(text, StoredDocument) else place


def _end_of(run: ClusterRun) -> RunEnd:
    """How the chunks ended: with a part, or all of it in one failure."""
    parts, rest = {}, {}
    words: dict[Any, Row] = {}
    for variant, summaries in enumerate(run.summaries):
        for each in summaries:
            at = variant, each.progress.chunk
            if each.reused or each.error is None:
                parts[at] = each.reused
            else:
                if each.error not in words:
                    words[each.error] = Row.of_failure("", each.error.failure())
                rest[at] = words[each.error]
    return RunEnd(parts, rest, [frozenset(each) for each in run.unenforced], run.notes)


def _results(
    kind: type[Results], run: ClusterRun, planned: RunPlan, rules: Rules, end: RunEnd
) -> Results:
    plan = planned.plan
    return stored_results(
        kind, run.folder, run.names, [each.size for each in run.chunks], end,
        plan.columns, variants=planned.variants, texts=plan.texts, repeats=plan.repeats,
        scoring=rules, notes=planned.notes, columns=plan.columns,
    )  # fmt: skip
