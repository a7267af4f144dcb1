"""What the panel shows before the run: models, fields, texts, options, the estimate."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypedDict

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.statistics.verdict_sentences import expected_sentence
from llmwidgets.comparison.texts import file_notes
from llmwidgets.comparison.variants import reference_of
from llmwidgets.connections.connection import example_model, named_by, variables_of
from llmwidgets.engine import request_builder
from llmwidgets.engine.estimate import (
    ASK_BUDGET_ABOVE,
    Estimate,
    answered_words,
    cost_words,
    time_words,
    token_words,
)
from llmwidgets.engine.estimate.memory import memory_words
from llmwidgets.engine.network import egress, retry
from llmwidgets.errors import LLMWidgetsError, StoreLocked
from llmwidgets.formatting import count, format_day, format_days_until
from llmwidgets.widgets.comparison.column_view import (
    CopyState,
    PlaceState,
    copy_view,
    list_places,
    type_words,
)
from llmwidgets.widgets.comparison.grid_model import text_title
from llmwidgets.widgets.comparison.setup import (
    ActionState,
    RunOptions,
    Setup,
    SetupProblem,
    group_of,
)
from llmwidgets.widgets.comparison.table_columns import ColumnState, list_uses
from llmwidgets.widgets.panel import Sentence

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.providers.base import ModelFacts
    from llmwidgets.schemas.mapping import Loss
    from llmwidgets.widgets.comparison.setup_controller import CostEstimate


_SOON_DAYS = 90

Tone = Literal["muted", "warn", "fail"]


class _NoteState(TypedDict):
    tone: Tone
    text: str


class ModelRow(TypedDict):
    """One model that can be ticked."""

    ref: str
    id: str
    ticked: bool
    enabled: bool
    letter: str
    mode: str
    price: str
    notes: list[_NoteState]
    spoken: str
    copies: list[CopyState]


class _AskState(TypedDict):
    """A connection that serves any model: `asks` is what is to be named behind its label."""

    label: str
    asks: str
    example: str
    source: str


class ModelGroup(TypedDict):
    """The models of one connection, or of one kind."""

    label: str
    title: str
    said: str
    count: int
    pickable: int
    rows: list[ModelRow]
    asks: list[_AskState]


def _groups(setup: Setup, cost: CostEstimate) -> list[ModelGroup]:
    """The models that can be ticked; connections that name one model are grouped by kind."""
    policy = setup.policy()
    groups: dict[str, list[Connection]] = {}
    connections = setup.connections()
    for each in sorted(connections, key=_place):
        groups.setdefault(group_of(each), []).append(each)
    views = []
    for label, members in groups.items():
        models = [(each, model) for each in members for model in setup.offered(each, policy)]
        rows = [_row(setup, each, model, cost) for each, model in models]
        ticked = sum(row["ticked"] for row in rows)
        view: ModelGroup = {
            "label": label,
            "title": _title(label, members),
            "said": f"{ticked} of {len(rows)}" if rows else "",
            "count": ticked,
            "pickable": sum(row["enabled"] for row in rows),
            "rows": rows,
            "asks": [_ask(each) for each in members if each.any_model],
        }
        views += [view] if rows or view["asks"] else []
    return views


def _place(connection: Connection) -> tuple[bool, bool]:
    """The user's own come first, and of those the ones that list their models."""
    return connection.origin == "demo", connection.provider.model_field is not None


def _title(label: str, members: Sequence[Connection]) -> str:
    first = members[0]
    if first.origin == "demo":
        return "Demo: rules on this computer, no LLM"
    if first.provider.model_field is None and label != first.kind:
        return label
    return first.title if first.any_model else first.provider.title


def _ask(connection: Connection) -> _AskState:
    return {
        "label": connection.label,
        "asks": named_by(connection.provider),
        "example": example_model(connection),
        "source": variables_of(connection),
    }


def _row(setup: Setup, connection: Connection, model: str, cost: CostEstimate) -> ModelRow:
    ref = reference_of(connection, model)
    tick = setup.find_tick(ref)
    letters = {pick.key: formatting.variant_letter(at) for at, pick in enumerate(setup.picks)}
    capability = connection.capability(model)
    words, moves = cost.price(connection, model)
    notes = model_notes(connection, model) + ([_note("warn", moves)] if moves else [])
    mode = str(capability.mode) if capability else "not probed yet"
    return {
        "ref": ref,
        "id": model if connection.provider.model_field is None else ref,
        "ticked": tick is not None,
        "enabled": True,
        "letter": letters[tick.key] if tick else "",
        "mode": mode,
        "price": words,
        "notes": notes,
        "spoken": ", ".join([ref, mode, f"price {words}", *(note["text"] for note in notes)]),
        "copies": [
            copy_view(pick, letters[pick.key], setup)
            for pick in setup.picks
            if pick.ref == ref and not pick.plain
        ],
    }


def model_notes(connection: Connection, model: str) -> list[_NoteState]:
    """What a user should know before ticking: end of life, where it answers, what is unchecked."""
    notes: list[_NoteState] = []
    facts = connection.facts(model)
    if facts is not None and facts.status in ("ending", "retired", "preview"):
        notes.append(_lifetime(facts, date.today()))
    if connection.provider.model_field is not None and connection.origin != "demo":
        named = [] if model == connection.label or connection.any_model else [model]
        notes.append(_note("muted", " on ".join([*named, connection.host])))
    if connection.origin == "environment":
        notes.append(_note("muted", "from the environment"))
    elif connection.origin == "policy":
        notes.append(_note("muted", "provided by your administrator"))
    elif connection.origin == "store" and connection.checked_at is None:
        notes.append(_note("warn", "saved untested"))
    return notes


def _lifetime(facts: ModelFacts, today: date) -> _NoteState:
    instead = f"; {facts.successor} replaces it" if facts.successor else ""
    if facts.status == "preview":
        return _note("muted", "preview")
    if facts.ends is None:
        return _note("warn", f"{facts.status}{instead}")
    day, left = format_day(facts.ends), (facts.ends - today).days
    if left <= 0:
        return _note("fail", f"retired on {day}{instead}")
    tone: Tone = "warn" if left <= _SOON_DAYS else "muted"
    return _note(tone, f"ends {day}, {format_days_until(facts.ends, today)}{instead}")


def _note(tone: Tone, text: str) -> _NoteState:
    return {"tone": tone, "text": text}


TRIAL = 5
SAMPLES = ("invoices", "emails", "jobs")
_LINES = 3
_LOSSES = 3


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
    notes: list[str]
    first: list[_TextLine]
    samples: list[_SampleState]
    columns: list[ColumnState]
    uses: list[list[str]]


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
    places: list[PlaceState]
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
    groups = _groups(setup, cost)
    total = sum(len(group["rows"]) for group in groups)
    expected = expected_words(setup, matters, deviation)
    columns, ticked = len(setup.picks), sum(pick.plain for pick in setup.picks)
    more = f", {count(columns, 'column')}" if columns != ticked else ""
    return {
        "said": "" if ran else "nothing has been sent yet",
        "code": bool(setup.picks),
        "problems": [
            {
                "where": f"{problem.where} {problem.ref}".strip(),
                "sentence": problem.sentence,
                "hint": problem.hint,
                "action": problem.action,
            }
            for problem in _problems(setup, cost, listed=bool(groups))
        ],
        "empty": None if groups else _empty(setup),
        "ticked": f"{ticked} ticked of {total}{more}" if total else "name a model below",
        "groups": groups,
        "places": list_places(setup),
        "schema": _schema_view(setup),
        "texts": _texts_view(setup),
        "options": _options_view(setup.options),
        "estimate": _estimate_view(setup, cost, calls),
        "budget": "" if setup.options.budget is None else f"{setup.options.budget:.2f}",
        "trial": f"Try {TRIAL} texts first" if len(setup.documents) > TRIAL else "",
        "run": _run_words(calls, cost.estimate),
        "missing": setup.missing() or _obstacle(setup, cost),
        "expected": expected,
        "matters": f"{100 * matters:g}" if expected else "",
    }


def _run_words(calls: int, likely: Estimate | None) -> str:
    """The words of the button: how many calls a run has, and how many of them are answered."""
    if not calls:
        return "Run"
    words = f"Run {count(calls, 'call')}"
    if likely is None or likely.calls != calls or not likely.answered:
        return words
    return f"{words}, {f'{likely.answered:,}' if likely.left else 'all'} answered before"


def expected_words(
    setup: Setup, matters: float, deviation: float | None, first: int | None = None
) -> str:
    """What a run of all texts, or of the first few, can show; empty without truth or a pair.

    `deviation` is how much a difference varied from text to text in an earlier run.
    """
    return _expected(setup.labelled(first), setup.columns, matters, deviation)


_expected = lru_cache(maxsize=64)(expected_sentence)


def _problems(setup: Setup, cost: CostEstimate, *, listed: bool) -> list[SetupProblem]:
    """What is wrong; where no model is listed, their place says that the store is locked."""
    problems = list(setup.problems)
    closed = setup.policy().notice
    if closed:
        problems.append(SetupProblem("policy", closed))
    if setup.store.locked and listed:
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
    if high is None or high <= ASK_BUDGET_ABOVE:
        return ""
    return f"This may cost more than ${ASK_BUDGET_ABOVE:.0f}: set a limit at “Stop before”."


def _empty(setup: Setup) -> Sentence:
    where = f"The store {setup.store.organization} has no connection."
    if setup.store.locked:
        where = (
            f"The store {setup.store.organization} is locked, and nothing else is connected. "
            "Unlock it in the connection panel; connections given in code work without it."
        )
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
    losses = _losses(setup)
    lossy: dict[str, str] = {}
    for words, loss in losses.items():
        lossy.setdefault(loss.path, words)
    summary = f"{len(schema.leaves)}, from {schema.name}"
    if len(schemas) > 1:
        summary = f"{count(len(schemas), 'schema')}; the first is {schema.name}"
    more = len(losses) - _LOSSES
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
        "losses": list(losses)[:_LOSSES]
        + ([f"{more} more, all checked in every reply."] if more > 0 else []),
        "edit": "Edit a copy" if len(schemas) < 2 else "",
        "hint": "",
    }


def _losses(setup: Setup) -> dict[str, Loss]:
    """What the chosen models' dialects cannot enforce of the schemas, by its words."""
    losses: dict[str, Loss] = {}
    spoken = (pick.connection.dialect_for(pick.model) for pick in setup.picks)
    for dialect in {id(each): each for each in spoken}.values():
        for schema in dict.fromkeys(text.schema for text in setup.documents):
            with suppress(LLMWidgetsError):
                for loss in schema.compile(dialect.SUBSET).losses:
                    losses.setdefault(str(loss), loss)
    return losses


def _texts_view(setup: Setup) -> _TextsView:
    texts = setup.documents
    columns = setup.table.view(setup.schema) if setup.table is not None else []
    uses = list_uses(setup.schema, columns)
    if not texts:
        samples: list[_SampleState] = [
            {"name": name, "label": f"Use the sample {name}"} for name in SAMPLES
        ]
        wrong = any(each.where in ("schema", "texts") for each in setup.problems)
        shown = [] if wrong else samples
        return {
            "said": "none yet",
            "notes": [],
            "first": [],
            "samples": shown,
            "columns": columns,
            "uses": uses,
        }
    labelled = sum(text.truth is not NOTHING for text in texts)
    truth = "all with truth" if labelled == len(texts) else f"{labelled:,} with truth"
    if not labelled:
        truth = "without truth"
    tokens = formatting.rough_count(
        max(10, sum(len(text.text) for text in texts) // len(texts) // 4)
    )
    return {
        "said": f"{len(texts):,}, {truth} · about {tokens} tokens each",
        "notes": list(file_notes(texts)),
        "first": [{"id": text.id, "line": text_title(text)} for text in texts[:_LINES]],
        "samples": [],
        "columns": columns,
        "uses": uses,
    }


def _options_view(options: RunOptions) -> _OptionsView:
    changed = []
    if options.instructions != request_builder.DEFAULT_INSTRUCTIONS or options.crossed:
        changed.append("own instructions")
    if options.repeats > 1:
        changed.append(count(options.repeats, "repeat"))
    if options.concurrency:
        changed.append(f"{options.concurrency} at a time")
    names = ", ".join(options.crossed or ())
    crossed = len(options.crossed or ())
    sets = count(crossed, "set of instructions crosses", "sets of instructions cross")
    return {
        "said": ", ".join(changed) or "defaults",
        "instructions": options.instructions,
        "crossed": f"{sets} with the models: {names}." if names else "",
        "repeats": options.repeats,
        "concurrency": options.concurrency or "",
        "pace": (
            f"From {egress.CONCURRENCY_LOOPBACK} on this computer, {egress.CONCURRENCY_CUSTOM} "
            f"for Custom, {egress.CONCURRENCY} elsewhere, growing while it helps"
        ),
        "defaults": [
            "Thinking: off where the model allows it, else its lowest level.",
            "No temperature is sent. Where a vendor can be told not to keep the texts, it is.",
            f"A reply has at most {request_builder.OUTPUT_TOKENS:,} tokens + "
            f"{request_builder.OUTPUT_TOKENS_PER_FIELD} a field, "
            f"{request_builder.OUTPUT_TOKENS_THINKING:,} more with thinking.",
            f"A call may take {retry.TOTAL_SECONDS:.0f} s, {egress.PATIENT_SECONDS:.0f} s "
            "on your own servers and with thinking.",
        ],
    }


def _estimate_view(setup: Setup, cost: CostEstimate, calls: int) -> _EstimateState:
    likely = cost.estimate
    if setup.missing() or likely is None:
        return {"head": "", "rest": "", "lines": []}
    columns, texts = setup.columns, len(setup.documents) - setup.shown
    before = answered_words(likely)
    nothing = bool(before) and not likely.left
    head, rest = ("Nothing to pay", "") if nothing else cost_words(likely)
    product = f"{count(columns, 'column')} × {count(texts, 'text')}"
    if setup.options.repeats > 1:
        product += f" × {count(setup.options.repeats, 'repeat')}"
    takes = before if nothing else time_words(likely)
    lines = [f"{product} = {count(calls, 'call')} · {takes}"]
    hosts = hosts_words(likely.hosts, setup.connections())
    if nothing:
        return {"head": head, "rest": rest, "lines": [*lines, hosts]}
    if before:
        lines.append(f"{before}.")
    if setup.shown:
        lines.append(f"{count(setup.shown, 'text')} shown as examples and left out of scoring.")
    if likely.tried:
        tried = count(likely.tried, "answer took that was", "answers took that were")
        lines.append(f"By what {tried} tried.")
    lines += [f"! {change}" for change in likely.price_changes]
    lines.append(hosts)
    if tokens := token_words(likely):
        lines.append(tokens)
    if likely.too_long:
        lines.append(f"! {count(len(likely.too_long), 'call')} too long for the model's window.")
    if words := memory_words(likely.memory):
        lines.append(f"! {words}")
    return {"head": head, "rest": rest, "lines": lines}


def hosts_words(hosts: Sequence[str], connections: Sequence[Connection]) -> str:
    """Where the texts go, every host named."""
    listed = list(dict.fromkeys(hosts))
    if not listed:
        return ""
    demo = {each.host for each in connections if each.origin == "demo"}
    here = " on this computer" if set(listed) <= demo else ""
    return f"The texts go to {formatting.join_listed(listed)}{here}, and to no other host."
