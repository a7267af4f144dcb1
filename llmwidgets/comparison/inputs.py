"""What was asked: schema, texts, truth, rules and models read together, before the first call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.comparators import RECORD, Comparator, ListRule, places_of, read_scoring
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.blanks import Blank, count_blanks, read_blank
from llmwidgets.comparison.groups import read_groups
from llmwidgets.comparison.lookup import Lookup
from llmwidgets.comparison.marks import rule_of
from llmwidgets.comparison.models import Chosen, read_models
from llmwidgets.comparison.texts import Source, few, read_sources
from llmwidgets.comparison.truth import given_as_records, read_truth
from llmwidgets.comparison.variants import Variant
from llmwidgets.connections import Policy
from llmwidgets.connections.live_list import model_notes
from llmwidgets.dialects.types import Example
from llmwidgets.engine.plan import Plan, Text
from llmwidgets.errors import FieldError
from llmwidgets.schemas import Schema, read_schema
from llmwidgets.store.store import Store

if TYPE_CHECKING:
    from llmwidgets.comparison.variants import Examples


@dataclass(frozen=True, slots=True)
class Asked:
    """A plan, and the variants it came from, in the order of its columns."""

    plan: Plan
    variants: tuple[Variant, ...]
    policy: Policy
    notes: tuple[str, ...] = ()


def read_asked(
    texts: Sequence[Text],
    models: Any,
    *,
    instructions: str | Mapping[str, str] | None = None,
    examples: Examples | None = None,
    repeats: int = 1,
    store: Store | None = None,
) -> Asked:
    """The plan of these texts on these models; FieldError or StoreError before any call."""
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise FieldError({"repeats": "is not a whole number of 1 or more."}, "Give repeats=1.")
    lookup = Lookup(store)
    chosen = read_models(models, lookup, instructions=instructions, examples=examples)
    policy = lookup.policy()
    for each in chosen:
        policy.permit(each.connection, each.model)
    shown = max((_taken(each.variant) for each in chosen), default=0)
    pool, rest = _split(texts, shown)
    columns = tuple(each.column(_examples(each.variant, pool)) for each in chosen)
    variants = tuple(
        replace(each.variant, examples=column.examples or None)
        for each, column in zip(chosen, columns, strict=True)
    )
    return Asked(Plan(columns, rest, repeats), variants, policy, _notes(chosen, pool))


def read_documents(
    schema: Any,
    texts: Any,
    truth: Any = None,
    *,
    group: Any = None,
    blank: Blank = None,
    allow_empty: bool = False,
) -> tuple[Text, ...]:
    """The texts with schema, truth and group, each read and checked; FieldError names misfits."""
    named = group if isinstance(group, str) else None
    sources = read_sources(texts, allow_empty=allow_empty, group=named)
    schemas = _schemas(schema, sources)
    truth = list(truth) if isinstance(truth, Iterator) else truth
    nulls = read_blank(blank)
    labels = read_truth(truth, sources, schemas, nulls=nulls)
    records = given_as_records(truth, sources)
    groups = read_groups(group, sources)
    blanks = [0] * len(sources) if nulls else count_blanks(truth, sources)
    return tuple(
        Text(
            source.id,
            source.text,
            schemas[at],
            labels[at],
            by_record=records[at],
            group=groups[at],
            blanks=blanks[at],
        )
        for at, source in enumerate(sources)
    )


def read_rules(scoring: Any, texts: Sequence[Text]) -> dict[str, Any] | None:
    """The scoring rules by place, each known to a schema of the texts; FieldError otherwise.

    Rules are texts; the user's functions stay what they are. A function alone scores the record.
    """
    if scoring is None:
        return None
    if callable(scoring):
        scoring = {RECORD: scoring}
    if not isinstance(scoring, Mapping):
        given = repr(scoring) if isinstance(scoring, str) else type(scoring).__name__
        raise FieldError(
            {"scoring": f"must be rules by field or a function, not {given}."},
            'Give {"total": "number:0.01", "address": "similar:0.9"}, or a function of '
            "(value, truth) that scores a whole record.",
        )
    schemas = list(dict.fromkeys(text.schema for text in texts))
    read: dict[str, Any] = {}
    for name, rule in scoring.items():
        known = [each for each in schemas if name in places_of(each)]
        fitting = (each for each in known if rule_of(name, rule, each) is not None)
        home = next(fitting, known[0] if known else schemas[0])
        how = read_scoring({name: rule}, home)[name]
        read[name] = str(how) if isinstance(how, Comparator | ListRule) else rule
    return read


def _schemas(schema: Any, sources: Sequence[Source]) -> list[Schema]:
    common = None if schema is None else read_schema(schema)
    known: dict[int, Schema] = {}
    read = []
    for source in sources:
        if source.schema is None and common is None:
            raise FieldError(
                {source.id: "has no schema."},
                "Give a schema for all texts, or one in each text's key schema.",
            )
        if source.schema is None:
            read.append(common)
            continue
        if id(source.schema) not in known:
            known[id(source.schema)] = read_schema(source.schema)
        read.append(known[id(source.schema)])
    return [each for each in read if each is not None]


def _taken(variant: Variant) -> int:
    return variant.examples if isinstance(variant.examples, int) else 0


def _split(texts: Sequence[Text], shown: int) -> tuple[tuple[Text, ...], tuple[Text, ...]]:
    """The first `shown` texts with a whole valid truth, which serve as examples, and the rest."""
    if not shown:
        return (), tuple(texts)
    whole = [
        text for text in texts if text.truth is not NOTHING and not text.schema.problems(text.truth)
    ]
    if len(whole) < shown or len(texts) <= shown:
        raise FieldError(
            {"examples": f"{shown} asked for, but {len(whole)} texts have a whole truth."},
            "Label more texts in full, ask for fewer, or give (text, record) pairs.",
        )
    pool = tuple(whole[:shown])
    taken = {text.id for text in pool}
    return pool, tuple(text for text in texts if text.id not in taken)


def _examples(variant: Variant, pool: Sequence[Text]) -> tuple[Example, ...]:
    if isinstance(variant.examples, int):
        return tuple(Example(text.text, text.truth) for text in pool[: variant.examples])
    return tuple(each for each in variant.examples or () if isinstance(each, Example))


def _notes(chosen: Sequence[Chosen], pool: Sequence[Text]) -> tuple[str, ...]:
    notes = []
    if any(each.connection.origin == "demo" for each in chosen):
        notes.append("Rule-based demo models, no LLM; cost unknown.")
    notes += dict.fromkeys(
        note for each in chosen for note in model_notes(each.connection, each.model)
    )
    if pool:
        notes.append(f"Shown as examples and left out: {few(text.id for text in pool)}.")
    return tuple(notes)
