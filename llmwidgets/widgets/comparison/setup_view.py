"""What the panel shows before the run: models, fields, texts, options, the estimate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.verdict import expected_sentence
from llmwidgets.comparison.runs import measure_trial
from llmwidgets.connections.catalog import own_price
from llmwidgets.engine import defaults
from llmwidgets.engine.estimate import Estimate, cost_words, estimate
from llmwidgets.errors import LLMWidgetsError, StoreLocked
from llmwidgets.formatting import count, duration
from llmwidgets.providers.prices import price_changes
from llmwidgets.widgets.comparison.grid_model import text_title
from llmwidgets.widgets.comparison.model_picker import ModelGroup, picker_groups
from llmwidgets.widgets.comparison.setup import (
    ActionState,
    RunOptions,
    Setup,
    SetupProblem,
    offered_models,
)
from llmwidgets.widgets.panel import Sentence

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.connections.connection import Connection
    from llmwidgets.schemas import Leaf


TRIAL = 5
SAMPLES = ("invoices", "emails", "jobs")
_LINES = 3
_LOSSES = 3
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "boolean": "yes or no",
    "datetime": "date and time",
    "email": "e-mail",
}


class ProblemState(Sentence):
    """Something that keeps a run from starting."""

    where: str
    action: ActionState | None


class _LeafState(TypedDict):
    path: str
    type: str
    description: str
    loss: str


class _SchemaView(TypedDict):
    said: str
    fields: list[_LeafState]
    losses: list[str]
    edit: str
    hint: str


class _TextLine(TypedDict):
    id: str
    line: str


class _SampleState(TypedDict):
    name: str
    label: str


class _TextsView(TypedDict):
    said: str
    first: list[_TextLine]
    samples: list[_SampleState]


class _OptionsView(TypedDict):
    said: str
    instructions: str
    crossed: str
    repeats: int
    concurrency: int | Literal[""]
    pace: str
    defaults: list[str]


class _EstimateState(TypedDict):
    head: str
    rest: str
    lines: list[str]


class SetupState(TypedDict):
    """The whole screen."""

    said: str
    code: bool
    problems: list[ProblemState]
    empty: Sentence | None
    ticked: str
    groups: list[ModelGroup]
    schema: _SchemaView
    texts: _TextsView
    options: _OptionsView
    estimate: _EstimateState
    budget: str
    trial: str
    run: str
    missing: str
    expected: str
    matters: str


def setup_view(
    setup: Setup, cost: CostEstimate, *, ran: bool, matters: float, deviation: float | None
) -> SetupState:
    """Models, fields, texts, options, the estimate, and what is still missing.

    `ran` where something was run before; `matters` and `deviation` as for `expected_words`.
    """
    calls = setup.columns * (len(setup.documents) - setup.shown) * setup.options.repeats
    groups = picker_groups(setup, cost.price)
    total = sum(len(group["rows"]) for group in groups)
    expected = expected_words(setup, matters, deviation)
    return {
        "said": "" if ran else "nothing has been sent yet",
        "code": bool(setup.picks.listed),
        "problems": [_problem_view(each) for each in _problems(setup, cost)],
        "empty": None if total else _empty(setup),
        "ticked": _ticked(setup, total),
        "groups": groups,
        "schema": _schema_view(setup),
        "texts": _texts_view(setup),
        "options": _options_view(setup.options),
        "estimate": _estimate_view(setup, cost, calls),
        "budget": "" if setup.options.budget is None else f"{setup.options.budget:.2f}",
        "trial": f"Try {TRIAL} texts first" if len(setup.documents) > TRIAL else "",
        "run": f"Run {count(calls, 'call')}" if calls else "Run",
        "missing": setup.missing() or _obstacle(setup, cost),
        "expected": expected,
        "matters": f"{100 * matters:g}" if expected else "",
    }


def expected_words(
    setup: Setup, matters: float, deviation: float | None, first: int | None = None
) -> str:
    """What a run of all texts, or of the first few, can show; empty without truth or a pair.

    `deviation` is how much a difference varied from text to text in an earlier run.
    """
    return _expected(setup.labelled(first), setup.columns, matters, deviation)


_expected = lru_cache(maxsize=64)(expected_sentence)


def _ticked(setup: Setup, total: int) -> str:
    listed = setup.picks.listed
    ticked = len({pick.ref for pick in listed if pick.plain})
    columns = f", {count(len(listed), 'column')}" if len(listed) != ticked else ""
    return f"{ticked} ticked of {total}{columns}"


def _problem_view(problem: SetupProblem) -> ProblemState:
    return {
        "where": f"{problem.where} {problem.ref}".strip(),
        "sentence": problem.sentence,
        "hint": problem.hint,
        "action": problem.action,
    }


def _problems(setup: Setup, cost: CostEstimate) -> list[SetupProblem]:
    problems = list(setup.problems)
    closed = setup.policy().notice
    if closed:
        problems.append(SetupProblem("policy", closed))
    if setup.store.locked:
        problems.append(
            SetupProblem(
                "store",
                "The store is locked, so its connections are not listed.",
                "Unlock it in the connection panel; connections given in code work without it.",
                {"label": "Open connections", "type": "setup.connections"},
            )
        )
    if cost.trouble is not None and not _waits_for_store(setup, cost):
        problems.append(SetupProblem("estimate", cost.trouble.message, cost.trouble.hint))
    return problems


def _waits_for_store(setup: Setup, cost: CostEstimate) -> bool:
    return setup.store.locked and isinstance(cost.trouble, StoreLocked)


def _obstacle(setup: Setup, cost: CostEstimate) -> str:
    if _waits_for_store(setup, cost):
        return "Unlock the store first: the organization's rules are in it."
    if cost.trouble is not None:
        return "Fix the problem above first."
    if cost.estimate is None or setup.options.budget is not None:
        return ""
    high = cost.estimate.cost_high
    if high is None or high <= defaults.ASK_BUDGET_ABOVE:
        return ""
    return (
        f"This may cost more than ${defaults.ASK_BUDGET_ABOVE:.0f}: set a limit at “Stop before”."
    )


def _empty(setup: Setup) -> Sentence:
    where = f"The store {setup.store.organization} has no connection."
    if setup.store.locked:
        where = f"The store {setup.store.organization} is locked, and nothing else is connected."
    elif not setup.store.exists:
        where = "Nothing is connected yet."
    return {"sentence": "No model to compare", "hint": where}


def _schema_view(setup: Setup) -> _SchemaView:
    schemas = list(dict.fromkeys(text.schema for text in setup.documents))
    schema = setup.schema or (schemas[0] if schemas else None)
    if schema is None:
        return {
            "said": "none yet",
            "fields": [],
            "losses": [],
            "edit": "Write the fields",
            "hint": "Write them here, give a schema in code, lw.ComparisonPanel(Schema, texts), "
            "or use a sample.",
        }
    losses = losses_of(setup)
    lossy: dict[str, str] = {}
    for loss in losses:
        lossy.setdefault(loss.path, str(loss))
    summary = f"{len(schema.leaves)}, from {schema.name}"
    if len(schemas) > 1:
        summary = f"{len(schemas)} schemas; the first is {schema.name}"
    words = list(dict.fromkeys(str(loss) for loss in losses))
    more = len(words) - _LOSSES
    return {
        "said": summary,
        "fields": [
            {
                "path": leaf.path or "value",
                "type": type_words(leaf),
                "description": leaf.description,
                "loss": lossy.get(leaf.path, ""),
            }
            for leaf in schema.leaves
        ],
        "losses": words[:_LOSSES]
        + ([f"{more} more, all checked in every reply."] if more > 0 else []),
        "edit": "Edit a copy" if len(schemas) < 2 else "",
        "hint": "",
    }


def losses_of(setup: Setup) -> list[Any]:
    """What the chosen models' dialects cannot enforce of the schemas."""
    found: dict[str, Any] = {}
    dialects = {id(pick.connection.dialect): pick for pick in setup.picks.listed}
    for pick in dialects.values():
        for schema in dict.fromkeys(text.schema for text in setup.documents):
            try:
                compiled = schema.compile(pick.connection.dialect.SUBSET)
            except LLMWidgetsError:
                continue
            for loss in compiled.losses:
                found.setdefault(str(loss), loss)
    return list(found.values())


def type_words(leaf: Leaf) -> str:
    """The type of a field in a reader's words: `text or none`, `one of 6`."""
    words = _TYPES.get(leaf.type, leaf.type)
    if leaf.type == "enum":
        words = f"one of {len(leaf.values or ())}"
    if leaf.path.endswith("[]"):
        words = f"list of {words}"
    return f"{words} or none" if leaf.nullable else words


def _texts_view(setup: Setup) -> _TextsView:
    texts = setup.documents
    if not texts:
        samples: list[_SampleState] = [
            {"name": name, "label": f"Use the sample {name}"} for name in SAMPLES
        ]
        wrong = any(each.where in ("schema", "texts") for each in setup.problems)
        return {"said": "none yet", "first": [], "samples": [] if wrong else samples}
    labelled = sum(text.truth is not NOTHING for text in texts)
    truth = "all with truth" if labelled == len(texts) else f"{labelled:,} with truth"
    if not labelled:
        truth = "without truth"
    tokens = sum(len(text.text) for text in texts) / len(texts) / 4
    return {
        "said": f"{len(texts):,}, {truth} · about {_round(tokens):,} tokens each",
        "first": [{"id": text.id, "line": text_title(text)} for text in texts[:_LINES]],
        "samples": [],
    }


def _round(tokens: float) -> int:
    return max(10, int(round(tokens, -1)))


def _options_view(options: RunOptions) -> _OptionsView:
    changed = []
    if options.instructions != defaults.DEFAULT_INSTRUCTIONS or options.crossed:
        changed.append("own instructions")
    if options.repeats > 1:
        changed.append(f"{options.repeats} repeats")
    if options.concurrency:
        changed.append(f"{options.concurrency} at a time")
    crossed = ""
    if options.crossed:
        names = ", ".join(options.crossed)
        crossed = (
            f"{count(len(options.crossed), 'set')} of instructions cross with the models: {names}."
        )
    return {
        "said": ", ".join(changed) or "defaults",
        "instructions": options.instructions,
        "crossed": crossed,
        "repeats": options.repeats,
        "concurrency": options.concurrency or "",
        "pace": (
            f"From {defaults.CONCURRENCY_LOOPBACK} on this computer, {defaults.CONCURRENCY_CUSTOM} "
            f"for Custom, {defaults.CONCURRENCY} elsewhere, growing while it helps"
        ),
        "defaults": [
            "Thinking: off where the model allows it, else its lowest level.",
            "No temperature is sent. Where a vendor can be told not to keep the texts, it is.",
            f"A reply has at most {defaults.OUTPUT_TOKENS:,} tokens + "
            f"{defaults.OUTPUT_TOKENS_PER_FIELD} a field, "
            f"{defaults.OUTPUT_TOKENS_THINKING:,} more with thinking.",
            f"A call may take {defaults.TOTAL_SECONDS:.0f} s, {defaults.PATIENT_SECONDS:.0f} s "
            "on your own servers and with thinking.",
        ],
    }


def _estimate_view(setup: Setup, cost: CostEstimate, calls: int) -> _EstimateState:
    likely = cost.estimate
    if setup.missing() or likely is None:
        return {"head": "", "rest": "", "lines": []}
    columns, texts = setup.columns, len(setup.documents) - setup.shown
    head, rest = cost_words(likely)
    product = f"{count(columns, 'column')} × {count(texts, 'text')}"
    if setup.options.repeats > 1:
        product += f" × {setup.options.repeats} repeats"
    lines = [f"{product} = {count(calls, 'call')} · {duration(likely.seconds)}"]
    if setup.shown:
        lines.append(f"{count(setup.shown, 'text')} shown as examples and left out of scoring.")
    if likely.tried:
        lines.append(f"By what {count(likely.tried, 'answer')} took that were tried.")
    lines += [f"! {change}" for change in likely.price_changes]
    lines.append(hosts_words(likely.hosts, setup.connections()))
    if likely.too_long:
        lines.append(f"! {count(len(likely.too_long), 'call')} too long for the model's window.")
    return {"head": head, "rest": rest, "lines": lines}


# -- What a run is expected to cost and take, and where its texts would go.


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a run is expected to cost; `estimate` is None while it is reckoned or cannot be.

    `prices` are US dollars for 1,000 texts like these, by label and model; None is unknown.
    `moves` says of the same models what their price does within 60 days.
    """

    estimate: Estimate | None = None
    trouble: LLMWidgetsError | None = None
    prices: Mapping[tuple[str, str], float | None] = field(default_factory=dict)
    moves: Mapping[tuple[str, str], str] = field(default_factory=dict)
    about: tuple[Any, ...] = ()

    def again(self, setup: Setup, after: Comparison | None = None) -> CostEstimate:
        """Estimate anew for what is chosen now; prices that still apply are kept. Calls nothing.

        `after` is what was run before: its answers narrow the range.
        """
        about = (setup.documents, setup.options.instructions)
        prices = dict(self.prices) if about == self.about else {}
        moves = dict(self.moves)
        policy = setup.policy()
        for connection in setup.connections() if setup.documents else []:
            for model in offered_models(connection, policy, setup.picks):
                if (connection.label, model) not in prices:
                    prices[connection.label, model] = _per_1000(setup, connection, model)
                    moves[connection.label, model] = _moves(connection, model)
        known = CostEstimate(None, None, prices, moves, about)
        if setup.missing():
            return known
        try:
            plan = setup.asked().plan
            tried = measure_trial(after, plan) if after is not None else None
            return replace(known, estimate=estimate(plan, tried))
        except LLMWidgetsError as error:
            return replace(known, trouble=error)

    def price(self, connection: Connection, model: str) -> tuple[str, str]:
        """The price for 1,000 texts as the picker shows it, and what it does soon."""
        key = (connection.label, model)
        if key not in self.prices:
            return "–", ""
        return formatting.money(self.prices[key]), self.moves.get(key, "")


def _moves(connection: Connection, model: str) -> str:
    """How the vendor's price changes within 60 days; empty where it does not."""
    if own_price(connection, model):
        return ""
    url, now = connection.target(model).url, datetime.now(UTC)
    changes = price_changes(connection.provider, model, now, url)
    return "; ".join(price_change_words(*each, now.date()) for each in changes)


def price_change_words(
    day: date, old: tuple[float, float], new: tuple[float, float], today: date
) -> str:
    """A change of price in words: price doubles on 1 Jan 2027."""
    before, after = sum(old), sum(new)
    ahead, past = ("rises", "rose") if after > before else ("falls", "fell")
    if after == 2 * before:
        ahead, past = "doubles", "doubled"
    return f"price {ahead if day > today else past} on {day.day} {day:%b %Y}"


def _per_1000(setup: Setup, connection: Connection, model: str) -> float | None:
    try:
        plan = setup.one(connection, model)
        likely = estimate(plan.plan)
    except LLMWidgetsError:
        return None
    if likely.unpriced or likely.cost is None:
        return None
    return likely.cost / max(1, likely.calls) * 1000


def whole_words(likely: Estimate | None, texts: int) -> str:
    """What all texts would cost, by the answers that were tried; empty without them."""
    if likely is None or not likely.tried or likely.cost is None:
        return ""
    head, rest = cost_words(likely)
    cost = f"{head[:1].lower()}{head[1:]}{f', {rest}' if rest else ''}"
    answers = "1 answer" if likely.tried == 1 else f"{likely.tried:,} answers"
    return f"All {texts:,} texts: {cost}; by what {answers} took."


def hosts_words(hosts: Sequence[str], connections: Sequence[Connection]) -> str:
    """Where the texts go, every host named."""
    listed = list(dict.fromkeys(hosts))
    if not listed:
        return ""
    demo = {each.host for each in connections if each.origin == "demo"}
    here = " on this computer" if set(listed) <= demo else ""
    return f"The texts go to {formatting.join_listed(listed)}{here}, and to no other host."
