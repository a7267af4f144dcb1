"""A run from what it is given to its end: inputs read, the plan, budget, progress, results."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.analysis.comparators import check_weights, places_of, read_rule
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.rules import RECORD, Rule
from llmwidgets.comparison.core import ResultData, Results, Rules, results_of_run
from llmwidgets.comparison.files import read_labels
from llmwidgets.comparison.files.hugging_face import is_data_set, read_data_set
from llmwidgets.comparison.files.names import names_file
from llmwidgets.comparison.history import record_run
from llmwidgets.comparison.measures.text_result import DOCUBENCH, rule_of, write_rule
from llmwidgets.comparison.records import (
    follow_ids,
    is_frame,
    label_column,
    only_fields,
    read_annotated,
    read_truth_columns,
)
from llmwidgets.comparison.texts import read_groups, read_sources
from llmwidgets.comparison.truth import Blank, read_truth
from llmwidgets.comparison.variants import (
    ConnectionResolver,
    Variant,
    check_fields,
    is_number,
    resolve_variants,
)
from llmwidgets.connections import Policy
from llmwidgets.connections.catalog import model_notes
from llmwidgets.dialects.types import Example, Usage
from llmwidgets.engine.estimate import ASK_BUDGET_ABOVE, TrialMeasure
from llmwidgets.engine.estimate import estimate as estimate_plan
from llmwidgets.engine.estimate.memory import needed_memory, tell_of_memory
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.journal_file import journal_location
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant
from llmwidgets.engine.run import Run
from llmwidgets.engine.runs.watch import watch_run
from llmwidgets.errors import FieldError, PolicyError, StoreLocked
from llmwidgets.formatting import join_truncated
from llmwidgets.schemas import read_schema

if TYPE_CHECKING:
    from llmwidgets.comparison.variants import Examples
    from llmwidgets.schemas import Schema
    from llmwidgets.store.store import Store


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A plan, and the variants it came from, in the order of its columns."""

    plan: Plan
    variants: tuple[Variant, ...]
    policy: Policy
    notes: tuple[str, ...] = ()


def build_plan(
    texts: Sequence[Document],
    models: Any,
    *,
    instructions: str | Mapping[str, str] | None = None,
    examples: Examples | None = None,
    repeats: int = 1,
    store: Store | None = None,
) -> RunPlan:
    """The plan of these texts on these models; FieldError or StoreError before any call."""
    repeats = read_repeats(repeats)
    resolver = ConnectionResolver(store)
    resolved = resolve_variants(models, resolver, instructions=instructions, examples=examples)
    check_fields((each for each, _ in resolved), list(dict.fromkeys(each.schema for each in texts)))
    policy = _read_policy(resolver, [column for _, column in resolved])
    for _, column in resolved:
        policy.permit(column.connection, column.model)
    variants, columns = [each for each, _ in resolved], [each for _, each in resolved]
    counts = [each.examples if isinstance(each.examples, int) else 0 for each in variants]
    pool, rest = _split(texts, max(counts)) if any(counts) else ((), tuple(texts))
    for at, taken in enumerate(counts):
        if taken:
            shots = tuple(Example(text.text, text.truth) for text in pool[:taken])
            variants[at] = replace(variants[at], examples=shots)
            columns[at] = replace(columns[at], examples=shots)
    notes = list(
        dict.fromkeys(note for each in columns for note in model_notes(each.connection, each.model))
    )
    notes[:0] = _demo_notes(columns)
    if pool:
        notes.append(f"Shown as examples and left out: {join_truncated(text.id for text in pool)}.")
    return RunPlan(Plan(tuple(columns), rest, repeats), tuple(variants), policy, tuple(notes))


def _demo_notes(columns: Sequence[ResolvedVariant]) -> list[str]:
    """What the demo's models are; they have no price but one that the user gives."""
    demo = [each for each in columns if each.connection.origin == "demo"]
    if not demo:
        return []
    priced = all(each.price is not None for each in demo)
    return [f"Rule-based demo models, no LLM; {'prices as given' if priced else 'cost unknown'}."]


def _read_policy(resolver: ConnectionResolver, columns: Sequence[ResolvedVariant]) -> Policy:
    """The rules of the store; where it is locked, what the shipped ones say is said as well."""
    try:
        return resolver.policy()
    except StoreLocked as error:
        locked, shipped = error, Policy()
    for each in columns:
        try:
            shipped.permit(each.connection, each.model)
        except PolicyError as refusal:
            raise StoreLocked(f"{locked.message} {refusal.message}", locked.hint) from None
    raise locked


def read_repeats(repeats: Any) -> int:
    """The number of repeats; FieldError for what is not one."""
    if not is_number(repeats, 1, kind=Integral):
        raise FieldError({"repeats": "must be a whole number, 1 or more."}, "Give repeats=1.")
    return int(repeats)


def _split(
    texts: Sequence[Document], shown: int
) -> tuple[tuple[Document, ...], tuple[Document, ...]]:
    """The first `shown` texts with a whole valid truth, which serve as examples, and the rest."""
    whole = [
        text for text in texts if text.truth is not NOTHING and not text.schema.problems(text.truth)
    ]
    if len(whole) < shown or len(texts) <= shown:
        labelled = formatting.count(len(whole), "text has", "texts have")
        raise FieldError(
            {"examples": f"{shown} asked for, but {labelled} a whole truth."},
            "Label more texts in full, ask for fewer, or give (text, record) pairs.",
        )
    pool = tuple(whole[:shown])
    taken = {text.id for text in pool}
    return pool, tuple(text for text in texts if text.id not in taken)


def read_documents(
    schema: Any,
    texts: Any,
    truth: Any = None,
    *,
    group: Any = None,
    blank: Blank = None,
    allow_empty: bool = False,
    given: Any = None,
) -> tuple[Document, ...]:
    """The texts with schema, truth and group, each read and checked; FieldError names misfits.

    `given` is what the texts were read from, if they were read before: truth can be in it too.
    """
    column = truth if isinstance(truth, str) and not names_file(truth, "truth") else None
    named = group if isinstance(group, str) else None
    sources = read_sources(texts, allow_empty=allow_empty, group=named, truth=column)
    own = [schema if source.schema is None else source.schema for source in sources]
    bare = next((source for source, each in zip(sources, own, strict=True) if each is None), None)
    if bare is not None:
        raise FieldError(
            {bare.id: "has no schema."},
            "Give a schema for all texts, or one in each text's key schema.",
        )
    distinct = {id(each): each for each in (schema, *own) if each is not None}
    known = {key: read_schema(each) for key, each in distinct.items()}
    schemas = [known[id(each)] for each in own]
    if column is not None:
        truth = label_column(column, [source.truth for source in sources], known.values())
    origin, ids = texts if given is None else given, [each.id for each in sources]
    truth, assumed = _read_given(truth, origin, list(known.values()), ids)
    sources, truth = read_annotated(sources, truth, schemas, blank)
    labels = read_truth(truth, sources, schemas, blank)
    groups = [""] * len(sources) if group is None else read_groups(group, sources)
    return tuple(
        Document(
            source.id, source.text, schemas[at], labels[at].truth, by_record=labels[at].by_record,
            group=groups[at], blanks=labels[at].blanks,
            notes=tuple(filter(None, (source.note, *assumed))), metadata=source.metadata,
        )
        for at, source in enumerate(sources)
    )  # fmt: skip


def _read_given(
    truth: Any, texts: Any, schemas: Sequence[Schema], ids: Sequence[str]
) -> tuple[Any, tuple[str, ...]]:
    """The truth out of its file, table or data set, and what was assumed when it was read."""
    note = ""
    is_own = _is_same(texts, truth)
    if names_file(truth, "truth"):
        truth, note = read_labels(truth)
    truth = read_data_set(truth, "truth")
    truth = only_fields(truth, schemas) if is_own else truth
    truth = follow_ids(truth, schemas, ids, "truth", "truth")
    truth = read_truth_columns(truth, schemas)
    return truth, (note, *getattr(truth, "attrs", {}).get("assumed", ()))


def _is_same(texts: Any, truth: Any) -> bool:
    """Whether the truth is in the columns of what the texts are."""
    if isinstance(texts, str | PathLike) and isinstance(truth, str | PathLike):
        with suppress(OSError, ValueError):
            return bool(os.path.samefile(texts, truth))
    return truth is texts and (is_frame(texts) or is_data_set(texts))


def read_rules(scoring: Any, texts: Sequence[Document]) -> dict[str, Any] | None:
    """The scoring rules by path, each known to a schema of the texts; FieldError otherwise.

    Rules are texts; the user's functions stay what they are. A function alone scores the record.
    """
    if scoring is None:
        return None
    if callable(scoring):
        scoring = {RECORD: scoring}
    if not isinstance(scoring, Mapping):
        text = isinstance(scoring, str)
        kind = repr(scoring) if text else type(scoring).__name__
        hint = (
            'Give {"total": "number:0.01", "address": "similar:0.9"}, or a function of '
            "(value, truth) that scores a whole record."
        )
        if text and scoring.casefold() == "docubench":
            hint = f"Its rules are a function now: {DOCUBENCH}"
        raise FieldError({"scoring": f"must be rules by field or a function, not {kind}."}, hint)
    schemas = list(dict.fromkeys(text.schema for text in texts))
    read: dict[str, Rule] = {}
    for name, rule in scoring.items():
        known = [each for each in schemas if name in places_of(each, rule)]
        fitting = (each for each in known if rule_of(name, rule, each) is not None)
        home = next(fitting, known[0] if known else schemas[0])
        read[name] = read_rule(name, rule, home)
    check_weights(read, schemas)
    return {name: write_rule(scoring[name], rule) for name, rule in read.items()}


# -- A plan run to its end: budget, interrupt, and the results it leaves.

_FEW = 500
"""Extractions that fit into any memory: nothing is looked up for a single call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run goes about its calls; see `compare`."""

    journal: Journal | str | Path | bool | None = None
    concurrency: int | None = None
    budget: float | None = None
    reuse: bool = True
    progress: bool = True

    def __post_init__(self) -> None:
        problems = {}
        if self.concurrency is not None and not is_number(self.concurrency, 1, kind=int):
            problems["concurrency"] = "must be a whole number, 1 or more."
        if self.budget is not None and not _is_amount(self.budget):
            problems["budget"] = "must be a number of US dollars, 0 or more."
        if problems:
            raise FieldError(problems, "Correct these before the run.")


def _is_amount(value: Any) -> bool:
    try:
        return bool(value >= 0)
    except TypeError:
        return False


def run_plan(kind: type[Results], planned: RunPlan, rules: Rules, options: RunOptions) -> Results:
    """Ask everything, as far as the budget allows and until an interrupt."""
    ask_for_budget(planned, options.budget)
    journal = options.journal
    journal = journal if isinstance(journal, Journal) else Journal(journal)
    if planned.plan.asked * len(planned.plan.columns) > _FEW:
        tell_of_memory(needed_memory(planned.plan, journal_on_disk=journal.on_disk))
    run = Run(
        planned.plan, journal=journal, policy=planned.policy, concurrency=options.concurrency,
        budget=options.budget, reuse=options.reuse,
    )  # fmt: skip
    watch_run(run, shown=options.progress)
    record_run(run, rules)
    notes = planned.notes
    if journal.notice and options.journal is not False:
        notes += (journal.notice,)
    return results_of_run(kind, run, variants=planned.variants, scoring=rules, notes=notes)


def run_again(
    before: Results, models: Any = None, *, store: Store | None = None,
    run: Callable[..., Results] = run_plan, **options: Any,
) -> Results:  # fmt: skip
    """The texts, truth and rules of earlier results on their own or on other models.

    Plain references take over the instructions and examples that all its variants share; `run`
    asks the plan.
    FieldError for an option that RunOptions does not have.
    """
    known = [option.name for option in fields(RunOptions)]
    if unknown := options.keys() - known:
        raise FieldError(
            dict.fromkeys(sorted(unknown), "is not an argument of rerun."),
            f"It takes models, store, cluster, {', '.join(known)}; for anything else call compare.",
        )
    # Of texts in files, none is read for this: they have words.
    silent = [each.id for each in before.texts if type(each) is Document and not each.text.strip()]
    if silent:
        have = "has" if len(silent) == 1 else "have"
        raise FieldError(
            {"texts": f"{len(silent)} of {len(before.texts)} {have} no text to ask about."},
            "This comparison was made from outputs; compare texts instead.",
        )
    instructions = {variant.instructions for variant in before.variants}
    shots = [variant.examples for variant in before.variants]
    planned = build_plan(
        before.texts,
        before.variants if models is None else models,
        instructions=instructions.pop() if len(instructions) == 1 else None,
        examples=shots[0] if all(each == shots[0] for each in shots) else None,
        repeats=before.repeats,
        store=store,
    )
    # Rows without a key were loaded or made elsewhere: no question can find them again.
    if options.get("journal") is None and any(before.row(cell).key for cell in before.rows.cells()):
        options["journal"] = before.journal.reopened()
    results = run(type(before), planned, before.scoring, RunOptions(**options))
    asked_again = {text.id for text in results.texts}
    label_log = tuple(each for each in before.label_log if each.text_id in asked_again)
    looks = before.looks if models is None else results.looks
    return replace(results, label_log=label_log, looks=looks, slice_by=before.slice_by)


def measure_trial(results: ResultData, plan: Plan) -> dict[str, list[TrialMeasure]]:
    """What the calls to the plan's columns took, by label, for an estimate of more texts.

    A column that is asked in another way by now learns nothing from them.
    """
    columns = {column.label: column for column in plan.columns}
    measures: dict[str, list[TrialMeasure]] = {}
    for at, label in enumerate(results.labels):
        column = columns.get(label)
        if column is None or column.model != results.models[at]:
            continue
        before = results.variants[at].resolved(column.connection, column.model)
        if replace(before, temperature=column.temperature, price=column.price) != column:
            continue
        measures[label] = [
            TrialMeasure(results.texts[cell.text], row.usage, row.seconds)
            for cell in results.rows.cells()
            if cell.variant == at and (row := results.row(cell)).answered
        ]
    return measures


def find_answers(planned: RunPlan, journal: Any) -> dict[str, list[TrialMeasure]]:
    """The answers that a journal has to these very questions, by label; nothing is asked.

    A journal that is not there is not made.
    """
    own = not isinstance(journal, Journal)
    if own:
        place, _ = journal_location(journal)
        if place is None or not place.exists():
            return {}
        journal = Journal(journal)
    try:
        found = Run(planned.plan, journal=journal, policy=planned.policy).answered_before()
    finally:
        if own:
            journal.close()
    texts, repeats = planned.plan.texts, planned.plan.repeats
    return {
        column.label: [
            TrialMeasure(texts[at // repeats], row.usage, row.seconds) for at, row in rows.items()
        ]
        for column, rows in zip(planned.plan.columns, found, strict=True)
    }


def measure_known(
    planned: RunPlan, journal: Any, after: ResultData | None = None
) -> tuple[dict[str, list[TrialMeasure]], int]:
    """What is known of a plan's calls by label, for an estimate, and how many are answered.

    Answers to these very questions say most; else those of the comparison `after`.
    """
    answers = find_answers(planned, journal)
    known = {} if after is None else measure_trial(after, planned.plan)
    known |= {label: measures for label, measures in answers.items() if measures}
    return known, sum(map(len, answers.values()))


def _costs_nothing(column: ResolvedVariant) -> bool:
    """Whether no estimate can say a price: of the demo, and of a model that is in no list."""
    if column.connection.origin == "demo":
        return column.price is None
    # A deployment has the price of the model that is found to answer for it.
    named = not column.connection.provider.deployments
    return named and column.cost(Usage(1, 1)) is None


def ask_for_budget(
    planned: RunPlan, budget: float | None, counted: Sequence[Document] | None = None
) -> None:
    """FieldError for a run without a budget that may cost much; `counted` stand for all texts."""
    if budget is not None or all(map(_costs_nothing, planned.plan.columns)):
        return
    likely = estimate_plan(planned.plan, counted=counted)
    if likely.cost_high is None or likely.cost_high <= ASK_BUDGET_ABOVE:
        return
    most, whose = planned.policy.budget(likely.cost_high)
    limit = f" {whose[0].upper()}{whose[1:]} allows {most:g} a run." if whose else ""
    low, high = map(formatting.dollars, (likely.cost_low, likely.cost_high))
    calls = formatting.count(likely.calls, "call is", "calls are")
    raise FieldError(
        {"budget": f"{calls} estimated at {low} to {high}.{limit}"},
        f"Give budget={most:{'g' if whose else '.0f'}} to go on, or a smaller one to stop there.",
    )
