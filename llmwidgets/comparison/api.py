"""compare, extract and estimate: the calls that ask models about texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmwidgets.comparison.comparison import Comparison
from llmwidgets.comparison.inputs import RunPlan, build_plan, read_documents, read_rules
from llmwidgets.comparison.progress_bar import watch_run
from llmwidgets.comparison.scored import Rules, Scoring
from llmwidgets.comparison.truth import Blank
from llmwidgets.engine import defaults
from llmwidgets.engine.estimate import Estimate, TrialMeasure
from llmwidgets.engine.estimate import estimate as estimate_plan
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.run import Run
from llmwidgets.errors import FieldError
from llmwidgets.formatting import dollars

if TYPE_CHECKING:
    from llmwidgets.comparison.variants import Examples
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.request_builder import Plan, ResolvedVariant
    from llmwidgets.store.store import Store


def compare(
    schema: Any,
    texts: Any,
    models: Any,
    *,
    truth: Any = None,
    group: Any = None,
    blank: Blank = None,
    instructions: str | Mapping[str, str] | None = None,
    examples: Examples | None = None,
    repeats: int = 1,
    scoring: Scoring = None,
    store: Store | None = None,
    concurrency: int | None = None,
    budget: float | None = None,
    journal: str | Path | bool | None = None,
    reuse: bool = True,
    progress: bool = True,
) -> Comparison:
    """Ask every model about every text, and compare the records.

    Blocks with a progress bar; an interrupt stops cleanly and gives what is there. `budget` is
    in US dollars for new calls; a run estimated above 5 asks for one. `scoring` has rules by
    field ({"total": "number:0.01"}) and by list: {"lines[]": "key:sku"} pairs rows whose key is
    right and no others, {"lines[]": "match:0.7"} those with at least that share of fields right.
    A rule can be a function of (value, truth) that returns True, False or a share from 0 to 1;
    a function in place of all rules scores whole records. `journal` is a path, False for memory,
    or the user's cache folder. What cannot be asked raises before the first call (FieldError,
    UnknownConnection, StoreLocked, PolicyError); what fails later is a row.

    `group` says which texts belong together (pages of one document, mails of one sender), so that
    ten copies do not count as ten: the name of a column or key of the texts, a list as long as
    they are, or a dict by id. A blank label ("" or an empty cell) is not labelled; with
    `blank="null"` it says that the text holds no value.

    >>> from llmwidgets.demo import invoices                                   # doctest: +SKIP
    >>> compare(invoices.Schema, invoices.texts, "demo", truth=invoices.truth)  # doctest: +SKIP
    """
    documents = read_documents(schema, texts, truth, group=group, blank=blank)
    rules = read_rules(scoring, documents)
    asked = build_plan(
        documents, models, instructions=instructions, examples=examples, repeats=repeats,
        store=store,
    )  # fmt: skip
    return _run(
        asked, rules, journal=journal, concurrency=concurrency, budget=budget, reuse=reuse,
        progress=progress,
    )  # fmt: skip


def compare_again(
    before: Comparison,
    models: Any = None,
    *,
    store: Store | None = None,
    concurrency: int | None = None,
    budget: float | None = None,
    journal: str | Path | bool | None = None,
    reuse: bool = True,
    progress: bool = True,
) -> Comparison:
    """The texts, truth and rules of a comparison on its own or on other models.

    Plain references take over the instructions and examples that all its variants share.
    """
    silent = [text.id for text in before.texts if not text.text.strip()]
    if silent:
        raise FieldError(
            {"texts": f"{len(silent)} of {len(before.texts)} have no text to ask about."},
            "This comparison was made from outputs; compare texts instead.",
        )
    words = {variant.instructions for variant in before.variants}
    shots = [variant.examples for variant in before.variants]
    asked = build_plan(
        before.texts,
        before.variants if models is None else models,
        instructions=words.pop() if len(words) == 1 else None,
        examples=shots[0] if all(each == shots[0] for each in shots) else None,
        repeats=before.repeats,
        store=store,
    )
    if journal is None and any(before.row(place).key for place in before.places()):
        kept: Journal | str | Path | bool | None = before.journal
    else:
        # Rows without a key were loaded or made elsewhere: no question can find them again.
        kept = journal
    result = _run(
        asked, before.scoring, journal=kept, concurrency=concurrency, budget=budget, reuse=reuse,
        progress=progress,
    )  # fmt: skip
    asked_again = {text.id for text in result.texts}
    made = tuple(each for each in before.made if each.text_id in asked_again)
    return replace(result, made=made, looks=before.looks if models is None else result.looks)


def extract(
    schema: Any,
    text: Any,
    model: Any,
    *,
    instructions: str | None = None,
    examples: Examples | None = None,
    store: Store | None = None,
    journal: str | Path | bool | None = None,
    reuse: bool = True,
) -> Extraction:
    """One text, one model: .record .data .failure .status .mode .usage .seconds .request.

    A failure is in `.failure`, not raised; what cannot be asked raises as in `compare`.

    >>> from llmwidgets.demo import invoices                                   # doctest: +SKIP
    >>> extract(invoices.Schema, invoices.texts[0], "demo-careful").record     # doctest: +SKIP
    """
    compared = compare(
        schema, [text], model, instructions=instructions, examples=examples, store=store,
        journal=journal, reuse=reuse, progress=False,
    )  # fmt: skip
    if len(compared) != 1:
        raise FieldError(
            {"model": f"stands for {len(compared)} models."}, "Name one, or use compare."
        )
    found = next(iter(compared))
    # There is no comparison that could tell of a journal in trouble.
    told = (*found.notes, *(note for note in compared.notes if note not in found.notes))
    return replace(found, notes=told)


def estimate(
    schema: Any,
    texts: Any,
    models: Any,
    *,
    truth: Any = None,
    group: Any = None,
    blank: Blank = None,
    instructions: str | Mapping[str, str] | None = None,
    examples: Examples | None = None,
    repeats: int = 1,
    scoring: Scoring = None,
    store: Store | None = None,
    concurrency: int | None = None,
    budget: float | None = None,
    journal: str | Path | bool | None = None,
    reuse: bool = True,
    progress: bool = True,
    after: Comparison | None = None,
) -> Estimate:
    """What the same `compare` would take: tokens, US dollars, seconds, hosts; calls nothing.

    `after` is a comparison of a few of the texts on the same variants, which narrows the range.
    """
    documents = read_documents(schema, texts, truth, group=group, blank=blank)
    read_rules(scoring, documents)
    asked = build_plan(
        documents, models, instructions=instructions, examples=examples, repeats=repeats,
        store=store,
    )  # fmt: skip
    return estimate_plan(asked.plan, None if after is None else tried_in(after, asked.plan))


def tried_in(comparison: Comparison, plan: Plan) -> dict[str, list[TrialMeasure]]:
    """What answers to the plan's columns took, by label, for an estimate of more texts.

    A column that is asked in another way by now learns nothing from them.
    """
    columns = {column.label: column for column in plan.columns}
    found: dict[str, list[TrialMeasure]] = {}
    for at, label in enumerate(comparison.labels):
        column = columns.get(label)
        if column is None or not _alike(column, comparison, at):
            continue
        rows = ((place.text, comparison.row(place)) for place in comparison.places(at))
        found[label] = [
            TrialMeasure(comparison.texts[text], row.usage, row.seconds)
            for text, row in rows
            if row.answered
        ]
    return found


def _alike(column: ResolvedVariant, comparison: Comparison, at: int) -> bool:
    variant = comparison.variants[at]
    before = (
        comparison.models[at], variant.instructions, variant.examples or (), variant.effort,
        variant.max_output_tokens,
    )  # fmt: skip
    return before == (
        column.model, column.instructions, column.examples, column.effort,
        column.max_output_tokens,
    )  # fmt: skip


def _run(
    asked: RunPlan,
    rules: Rules,
    *,
    journal: Journal | str | Path | bool | None,
    concurrency: int | None,
    budget: float | None,
    reuse: bool,
    progress: bool,
) -> Comparison:
    _check(concurrency, budget)
    _ask_for_budget(asked, budget)
    kept = journal if isinstance(journal, Journal) else Journal(journal)
    run = Run(
        asked.plan, journal=kept, policy=asked.policy, concurrency=concurrency, budget=budget,
        reuse=reuse,
    )  # fmt: skip
    watch_run(run, shown=progress)
    notes = asked.notes
    if kept.notice and journal is not False:
        notes += (kept.notice,)
    return Comparison.of_run(run, variants=asked.variants, scoring=rules, notes=notes)


def _check(concurrency: int | None, budget: float | None) -> None:
    problems = {}
    if concurrency is not None and (isinstance(concurrency, bool) or concurrency < 1):
        problems["concurrency"] = "is not a whole number of 1 or more."
    if budget is not None and not budget >= 0:
        problems["budget"] = "is no amount of US dollars."
    if problems:
        raise FieldError(problems, "Correct these before the run.")


def _ask_for_budget(asked: RunPlan, budget: float | None) -> None:
    free = all(
        column.connection.origin == "demo" and column.price is None for column in asked.plan.columns
    )
    if budget is not None or free:
        return
    likely = estimate_plan(asked.plan)
    if likely.cost_high is None or likely.cost_high <= defaults.ASK_BUDGET_ABOVE:
        return
    most, whose = asked.policy.budget(likely.cost_high)
    limit = f" {whose[0].upper()}{whose[1:]} allows {most:g} a run." if whose else ""
    raise FieldError(
        {
            "budget": f"{likely.calls:,} calls are estimated at {dollars(likely.cost_low)} to "
            f"{dollars(likely.cost_high)}.{limit}"
        },
        f"Give budget={most:{'g' if whose else '.0f'}} to go on, or a smaller one to stop there.",
    )
