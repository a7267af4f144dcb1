"""Earlier runs: what a journal notes of each when it ends, and two of them beside each other.

A journal has no text and no truth. Two of its runs are compared by their replies under the texts
and the truth at hand, or, where there are none, by the shares right that they had.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product, starmap
from typing import TYPE_CHECKING

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.statistics.changes import ChangeVerdict, VariantChange
from llmwidgets.analysis.statistics.significance import Scores, compare_runs, level_after
from llmwidgets.analysis.statistics.verdict import MATTERS
from llmwidgets.comparison.core import CellKey, ResultData, ResultIndex, Rules
from llmwidgets.comparison.measures import changes
from llmwidgets.comparison.measures.changes import FoundChanges, match_texts
from llmwidgets.comparison.measures.scores import digest_rules
from llmwidgets.comparison.run_settings import describe_asked, describe_changes, match_variants
from llmwidgets.comparison.variants import Variant
from llmwidgets.dialects.types import Example
from llmwidgets.engine import journal_runs
from llmwidgets.engine.extraction import AnsweredVariant, Extraction, read_extraction
from llmwidgets.engine.journal_runs import (
    RunFacts,
    RunRecord,
    RunScores,
    RunVariant,
    digest,
    hash_words,
)
from llmwidgets.errors import FAILURES, NotAsked
from llmwidgets.formatting import dollars, join_truncated, percent
from llmwidgets.providers import PROVIDERS

if TYPE_CHECKING:
    from llmwidgets.engine.journal import Journal, Row
    from llmwidgets.engine.request_builder import Document, ResolvedVariant
    from llmwidgets.engine.run import Run


# -- a run that ends -------------------------------------------------------------------------------


def record_run(run: Run, scoring: Rules) -> None:
    """Note a run that ended in its journal; one of a single call is not a comparison."""
    plan = run.plan
    size = len(plan.columns), len(plan.texts), plan.repeats
    rows = array("q", (id_ for id_, _ in starmap(run.cell, product(*map(range, size)))))
    if len(rows) < 2:
        return
    progress = run.progress
    unasked = (
        number
        for each in progress
        for name, number in each.failures.items()
        if issubclass(FAILURES[name], NotAsked)
    )
    reused = sum(each.reused for each in progress)
    facts = RunFacts(
        schema=name_schemas(plan.texts),
        digest=_digest_schemas(plan.texts),
        rules=digest_rules(scoring),
        texts=len(plan.texts),
        labelled=sum(text.truth is not NOTHING for text in plan.texts),
        repeats=plan.repeats,
        calls=sum(each.done for each in progress) - reused - sum(unasked),
        reused=reused,
        cost=sum(each.cost or 0.0 for each in progress),
        unpriced=any(each.cost is None for each in progress),
        variants=tuple(map(_variant, plan.columns)),
    )
    journal = run.journal
    journal_runs.put_run(
        journal.query, time.time(), journal_runs.token_of(rows), facts, _hash_texts(plan.texts),
        array("q", (_row_in_file(journal, row) for row in rows)),
    )  # fmt: skip


def _row_in_file(journal: Journal, row: int) -> int:
    """The number of a row in the journal's file; 0 if it is not there."""
    if row > journal.offset:
        return row - journal.offset
    # It waited in memory, or was written into a file that took the place of another.
    known = journal.find(journal.get(row).key) if row else None
    return max(0, known.id - journal.offset) if known else 0


def _variant(column: ResolvedVariant) -> RunVariant:
    return RunVariant(
        label=column.label,
        model=column.model,
        kind=column.connection.kind,
        instructions=digest(column.instructions),
        examples=digest([asdict(each) for each in column.examples]) if column.examples else "",
        effort=column.effort,
        temperature=column.temperature,
        max_output_tokens=column.max_output_tokens,
    )


def _hash_texts(texts: Iterable[Document]) -> Iterator[tuple[bytes, bytes]]:
    return ((hash_words(text.id), hash_words(text.text)) for text in texts)


def _digest_schemas(texts: Sequence[Document]) -> str:
    return digest(sorted({text.schema.digest for text in texts}))


def name_schemas(texts: Sequence[Document]) -> str:
    """The name of the schema, or the first of its fields where it has none."""
    schemas = {text.schema.digest: text.schema for text in texts}.values()
    names = (
        each.name or join_truncated((leaf.path for leaf in each.leaves), 3) for each in schemas
    )
    return join_truncated(sorted(set(names)), 3)


# -- what is known of earlier runs -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """How a run asked, as `describe_asked` compares it: words are in it as their hashes alone."""

    labels: tuple[str, ...]
    models: tuple[str, ...]
    variants: tuple[Variant, ...]
    repeats: int
    digest: str

    @classmethod
    def of_record(cls, record: RunRecord) -> Asked:
        each, facts = record.facts.variants, record.facts
        return cls(
            tuple(one.label for one in each), tuple(one.model for one in each),
            tuple(map(stand_in, each)), facts.repeats, facts.digest,
        )  # fmt: skip

    @classmethod
    def of_results(cls, results: ResultData) -> Asked:
        variants = tuple(
            stand_in(
                RunVariant(
                    label=each.label or "", model=model, kind="",
                    instructions=digest(each.instructions or ""),
                    examples=digest([asdict(one) for one in each.examples])
                    if isinstance(each.examples, tuple) else "",
                    effort=each.effort or "", temperature=each.temperature,
                    max_output_tokens=each.max_output_tokens,
                )
            )
            for each, model in zip(results.variants, results.models, strict=True)
        )  # fmt: skip
        return cls(
            results.labels, results.models, variants, results.repeats,
            _digest_schemas(results.texts),
        )  # fmt: skip


def stand_in(variant: RunVariant) -> Variant:
    """A variant with the settings of one that is known by its hashes; nobody can ask it."""
    return Variant(
        variant.label or "?",
        label=variant.label or None,
        instructions=variant.instructions or None,
        examples=(Example(variant.examples, None),) if variant.examples else None,
        effort=variant.effort or None,  # type: ignore[arg-type]
        temperature=variant.temperature,
        max_output_tokens=variant.max_output_tokens,
    )


def changes_between(now: Asked, before: Asked) -> tuple[str, ...]:
    """What differs besides texts, truth and answers, in sentences."""
    schema = ["The schema is another."] if now.digest != before.digest else []
    return (*schema, *describe_asked(now, before))


def texts_words(record: RunRecord) -> str:
    """How many texts there were, and how many of them with truth."""
    texts, labelled = record.facts.texts, record.labelled
    with_truth = "all" if labelled == texts else f"{labelled:,}" if labelled else "none"
    return f"{texts:,}, {with_truth} with truth" if labelled else f"{texts:,}, no truth"


def cost_words(record: RunRecord) -> tuple[str, str]:
    """What was paid as far as it is known, and what to add to it."""
    facts = record.facts
    if facts.unpriced and not facts.cost:
        return "unknown", ""
    return dollars(facts.cost), "+ unknown" if facts.unpriced else ""


def best_words(record: RunRecord) -> str:
    """Who got most fields right, as it was scored last."""
    if record.best is None:
        return "unknown"
    label, share = record.best
    return f"{label}, {percent(share)}\u00a0%"


# -- two of them -----------------------------------------------------------------------------------


def compare_with_earlier(
    now: ResultData,
    earlier: ResultData,
    margin: float = MATTERS,
    changed: tuple[str, ...] | None = None,
) -> FoundChanges:
    """Every variant of now tested against itself in the earlier results, and what flipped.

    `changed` says what else differs, where the results themselves do not know it.
    """
    changed = describe_changes(now, earlier) if changed is None else changed
    return changes.compare_with_earlier(now, earlier, match_variants(now, earlier), changed, margin)


def compare_records(now: RunRecord, before: RunRecord, margin: float = MATTERS) -> ChangeVerdict:
    """Two runs by the shares right that each had: for a shell, which has no texts and no truth."""
    new, old = now.scores(), before.scores()
    one, other = Asked.of_record(now), Asked.of_record(before)
    columns = match_variants(one, other)
    texts = match_texts(now.texts(), before.texts())
    sides = [
        (
            _scores(one.labels[at], now.facts.texts, at, new, [n for n, _ in texts]),
            _scores(one.labels[at], before.facts.texts, then, old, [b for _, b in texts]),
        )
        for at, then in columns
    ]
    groups = (
        {str(n): str(new.groups[at]) for n, (at, _) in enumerate(texts)}
        if new and new.groups
        else None
    )
    looks = new.looks if new else ()
    tested = []
    for here, there in sides:
        both = here.scores.keys() & there.scores.keys()
        tested.append(
            VariantChange(
                label=here.label,
                texts=len(both),
                now=_mean(here.scores[text] for text in both),
                before=_mean(there.scores[text] for text in both),
                lost_now=len(here.lost & both),
                lost_before=len(there.lost & both),
                unanswered_now=len(here.unanswered),
                unanswered_before=len(there.unanswered),
                to_wrong=sum(here.scores[text] < there.scores[text] for text in both),
                to_right=sum(here.scores[text] > there.scores[text] for text in both),
            )
        )
    verdict = ChangeVerdict(
        since=before.when,
        until=now.when,
        level=level_after(looks),
        grouped=groups is not None,
        changes=tuple(tested),
        texts=len(texts),
        repeats=(before.facts.repeats, now.facts.repeats),
        whole_records=True,
        changed=changes_between(one, other),
        tests=compare_runs(sides, groups=groups, looks=looks),
    )
    return verdict.at(margin)


def _scores(
    label: str, count: int, column: int, scores: RunScores | None, texts: Sequence[int]
) -> Scores:
    """One side of a variant, on these texts, which are named by their order."""
    if scores is None:
        return Scores(label, {})
    known = {str(n): scores.shares[column * count + at] for n, at in enumerate(texts)}
    return Scores(
        label,
        {name: share for name, (share, _) in known.items() if share is not None and share >= 0},
        lost=frozenset(name for name, (_, lost) in known.items() if lost),
        unanswered=frozenset(name for name, (share, _) in known.items() if share == -1.0),
    )


def _mean(shares: Iterable[float]) -> float | None:
    some = list(shares)
    return sum(some) / len(some) if some else None


def results_of_record(
    record: RunRecord, journal: Journal, documents: Sequence[Document], scoring: Rules
) -> ResultData:
    """The replies of an earlier run to those of these texts that it had, scored by their truth."""
    facts = record.facts
    pairs = match_texts(list(_hash_texts(documents)), record.texts())
    texts = tuple(documents[at] for at, _ in pairs)
    rows, there = record.rows(), {row for (row,) in journal.query("SELECT id FROM extraction")}
    index = ResultIndex(len(facts.variants), len(texts), facts.repeats)
    for cell in index.cells():
        at = (cell.variant * facts.texts + pairs[cell.text][1]) * facts.repeats + cell.repeat
        if rows[at] in there:
            index.put(cell, rows[at] + journal.offset)

    answered = [
        AnsweredVariant(each.label, each.model, None, PROVIDERS[each.kind].dialect_for(each.model))
        for each in facts.variants
    ]

    def read(row: Row, cell: CellKey) -> Extraction:
        return read_extraction(answered[cell.variant], texts[cell.text], cell.repeat, row)

    return ResultData(
        variants=tuple(map(stand_in, facts.variants)),
        models=tuple(each.model for each in facts.variants),
        texts=texts, rows=index, journal=journal, read=read, scoring=scoring,
        made_at=record.when,
    )  # fmt: skip
