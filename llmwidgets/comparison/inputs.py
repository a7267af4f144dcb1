"""What was asked: schema, texts, truth, rules and models read together, before the first call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.comparators import RECORD, Comparator, ListRule, places_of, read_scoring
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.text_result import rule_of
from llmwidgets.comparison.texts import TextSource, join_truncated, read_groups, read_sources
from llmwidgets.comparison.truth import Blank, read_truth
from llmwidgets.comparison.variants import ConnectionResolver, Variant, is_count, resolve_variants
from llmwidgets.connections import Policy
from llmwidgets.connections.catalog import model_notes
from llmwidgets.dialects.types import Example
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant
from llmwidgets.errors import FieldError
from llmwidgets.schemas import Schema, read_schema

if TYPE_CHECKING:
    from llmwidgets.comparison.variants import Examples
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
    if not is_count(repeats):
        raise FieldError({"repeats": "must be a whole number, 1 or more."}, "Give repeats=1.")
    resolver = ConnectionResolver(store)
    resolved = resolve_variants(models, resolver, instructions=instructions, examples=examples)
    policy = resolver.policy()
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
    plan = Plan(tuple(columns), rest, repeats)
    return RunPlan(plan, tuple(variants), policy, _notes(columns, pool))


def _split(
    texts: Sequence[Document], shown: int
) -> tuple[tuple[Document, ...], tuple[Document, ...]]:
    """The first `shown` texts with a whole valid truth, which serve as examples, and the rest."""
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


def _notes(columns: Sequence[ResolvedVariant], pool: Sequence[Document]) -> tuple[str, ...]:
    notes = []
    if any(each.connection.origin == "demo" for each in columns):
        notes.append("Rule-based demo models, no LLM; cost unknown.")
    notes += dict.fromkeys(
        note for each in columns for note in model_notes(each.connection, each.model)
    )
    if pool:
        notes.append(f"Shown as examples and left out: {join_truncated(text.id for text in pool)}.")
    return tuple(notes)


def read_documents(
    schema: Any,
    texts: Any,
    truth: Any = None,
    *,
    group: Any = None,
    blank: Blank = None,
    allow_empty: bool = False,
) -> tuple[Document, ...]:
    """The texts with schema, truth and group, each read and checked; FieldError names misfits."""
    named = group if isinstance(group, str) else None
    sources = read_sources(texts, allow_empty=allow_empty, group=named)
    schemas = _read_schemas(schema, sources)
    truth = list(truth) if isinstance(truth, Iterator) else truth
    labels = read_truth(truth, sources, schemas, blank)
    groups = read_groups(group, sources)
    return tuple(
        Document(
            source.id, source.text, schemas[at], labels[at].truth, by_record=labels[at].by_record,
            group=groups[at], blanks=labels[at].blanks,
        )
        for at, source in enumerate(sources)
    )  # fmt: skip


def _read_schemas(schema: Any, sources: Sequence[TextSource]) -> list[Schema]:
    """The schema of each text: its own, or the common one; each is read once."""
    common = None if schema is None else read_schema(schema)
    known: dict[int, Schema] = {}
    schemas = []
    for source in sources:
        own = common if source.schema is None else known.get(id(source.schema))
        if own is None and source.schema is None:
            raise FieldError(
                {source.id: "has no schema."},
                "Give a schema for all texts, or one in each text's key schema.",
            )
        schemas.append(own or known.setdefault(id(source.schema), read_schema(source.schema)))
    return schemas


def read_rules(scoring: Any, texts: Sequence[Document]) -> dict[str, Any] | None:
    """The scoring rules by path, each known to a schema of the texts; FieldError otherwise.

    Rules are texts; the user's functions stay what they are. A function alone scores the record.
    """
    if scoring is None:
        return None
    if callable(scoring):
        scoring = {RECORD: scoring}
    if not isinstance(scoring, Mapping):
        kind = repr(scoring) if isinstance(scoring, str) else type(scoring).__name__
        raise FieldError(
            {"scoring": f"must be rules by field or a function, not {kind}."},
            'Give {"total": "number:0.01", "address": "similar:0.9"}, or a function of '
            "(value, truth) that scores a whole record.",
        )
    schemas = list(dict.fromkeys(text.schema for text in texts))
    rules: dict[str, Any] = {}
    for name, rule in scoring.items():
        known = [each for each in schemas if name in places_of(each)]
        fitting = (each for each in known if rule_of(name, rule, each) is not None)
        home = next(fitting, known[0] if known else schemas[0])
        how = read_scoring({name: rule}, home)[name]
        rules[name] = str(how) if isinstance(how, Comparator | ListRule) else rule
    return rules
