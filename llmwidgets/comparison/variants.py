"""Variant: one column of a comparison, a model together with how it is asked."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast, get_args

from llmwidgets.comparison.values import find_repeated, to_jsonable, whole_text
from llmwidgets.connections import Policy, environment_connections, resolve
from llmwidgets.connections.connection import Connection, nearest_reference
from llmwidgets.connections.discovery import explain_variables
from llmwidgets.dialects.types import Effort, Example
from llmwidgets.engine.request_builder import DEFAULT_INSTRUCTIONS, EFFORT, ResolvedVariant
from llmwidgets.errors import FieldError, StoreError, StoreLocked, UnknownConnection
from llmwidgets.formatting import count, join_listed, join_truncated, with_article
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import PRICES
from llmwidgets.schemas import read_schema
from llmwidgets.schemas.difference import ORDER, SPELLING, find_changes, find_misfits
from llmwidgets.schemas.loaders import UNNAMED
from llmwidgets.secret import refuse_key
from llmwidgets.store.store import Store, choose_store

if TYPE_CHECKING:
    from llmwidgets.schemas import Schema
    from llmwidgets.schemas.difference import Change

    Model: TypeAlias = str | Connection | tuple[Connection, str]
    Examples = int | Sequence[Example | tuple[str, Any]]
    Price = float | tuple[float, float] | tuple[float, float, float] | Mapping[str, float]


SETTINGS = ("instructions", "effort", "temperature", "max_output_tokens", "price")
"""How a model is asked, besides the examples: the names in Variant and in ResolvedVariant."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A model and how it is asked; what is None follows the comparison's own defaults.

    `model` is a reference ("openai/gpt-6-luna"), a Connection or a pair (Connection, model id).
    `price` is in US dollars for a million tokens: one number, (input, output), or a dict with
    `input`, `output` and, where input from a cache costs less, `cached`; without it that counts
    as other input. 0 for a server of your own. `schema` has the same fields as the comparison's in
    other words (descriptions, order, rules), in any form that `compare` takes: it is asked and
    judged by it, and scored by the comparison's. FieldError for a setting that is not right.

    >>> Variant("openai/gpt-6-luna", effort="high").effort
    'high'
    """

    model: Model
    """A reference, a Connection or a pair (Connection, model id)."""
    label: str | None = field(default=None, kw_only=True)
    """What its column is called; by default the reference and what is set here."""
    instructions: str | None = field(default=None, kw_only=True)
    """In place of the default instructions."""
    examples: Examples | None = field(default=None, kw_only=True, hash=False)
    """(text, record) pairs, or a number n to take n labelled texts."""
    effort: Effort | None = field(default=None, kw_only=True)
    """How much it thinks: least (the default), vendor, low, medium or high."""
    temperature: float | None = field(default=None, kw_only=True)
    """From 0 to 2; None sends none."""
    max_output_tokens: int | None = field(default=None, kw_only=True)
    """The most tokens of an answer, thinking included; 1 or more."""
    price: Price | None = field(default=None, kw_only=True, hash=False)
    """US dollars for a million tokens."""
    schema: Any = field(default=None, kw_only=True)
    """The same fields in other words."""

    def __post_init__(self) -> None:
        if not isinstance(self.model, str | Connection) and not _is_pair(self.model):
            raise FieldError(
                {"models": f"contains {with_article(type(self.model).__name__)}."},
                'Give references such as "openai/gpt-6-luna", Connections, pairs (Connection, '
                '"model id"), Variants, or "demo".',
            )
        for setting, name in (("model", self.model), ("label", self.label)):
            if isinstance(name, str):
                refuse_key(setting, name)
        blank, efforts = "is empty or not a text", (None, *get_args(Effort))
        limit = self.max_output_tokens
        checks = (
            ("label", is_text(self.label), f"{blank}."),
            (
                "instructions", is_text(self.instructions),
                f"{blank}; leave it out for the default instructions.",
            ),
            ("effort", self.effort in efforts, f"must be one of {', '.join(efforts[1:])}."),
            (
                "temperature", self.temperature is None or is_number(self.temperature, 0, 2),
                "must be a number from 0 to 2.",
            ),
            (
                "max_output_tokens", limit is None or is_number(limit, 1, kind=int),
                "must be a whole number, 1 or more.",
            ),
        )  # fmt: skip
        problems = {name: problem for name, right, problem in checks if not right}
        if problems:
            raise FieldError(problems, "Correct these settings of the Variant.")
        object.__setattr__(self, "label", self.label and whole_text(self.label))
        object.__setattr__(self, "examples", read_examples(self.examples))
        if self.schema is not None:
            object.__setattr__(self, "schema", _read_own(self.schema))
        if self.price is not None:
            object.__setattr__(self, "price", read_price(self.price))

    @property
    def reference(self) -> str:
        """The model as a reference that a store can answer."""
        if isinstance(self.model, str):
            return self.model
        if isinstance(self.model, tuple):
            return reference_of(*self.model)
        return reference_of(self.model, "")

    def settings(self) -> str:
        """What is set here besides the model, in a few words for a default label."""
        named = ("effort", self.effort), ("temperature", self.temperature)
        words = [f"{name} {value}" for name, value in named if value is not None]
        if self.max_output_tokens:
            words.append(f"at most {count(self.max_output_tokens, 'token')}")
        if self.examples:
            words.append(count(count_examples(self.examples), "example"))
        if self.schema is not None:
            named = self.schema.name != UNNAMED
            words.append(f"schema {self.schema.name}" if named else "other schema")
        return ", ".join(words)

    def resolved(self, connection: Connection, model: str) -> ResolvedVariant:
        """What the engine asks for this variant: everything filled in, and who answers."""
        return ResolvedVariant(
            label=self.label or "",
            connection=connection,
            model=model,
            instructions=self.instructions or DEFAULT_INSTRUCTIONS,
            examples=self.examples if isinstance(self.examples, tuple) else (),
            effort=self.effort or EFFORT,
            temperature=self.temperature,
            max_output_tokens=self.max_output_tokens,
            price=cast("Mapping[str, float] | None", self.price),
            schema=self.schema,
        )


def reference_of(connection: Connection, model: str) -> str:
    """How code refers to a model: `openai/gpt-6-luna`, or the label where it names one model."""
    single = len(connection.models) == 1
    return connection.label if single or not model else f"{connection.label}/{model}"


_EXAMPLES = "Give (text, record) pairs, or a number n to take n labelled texts."


def read_examples(examples: Examples | None) -> int | tuple[Example, ...] | None:
    """n, or (text, record) pairs as Examples; FieldError for anything else."""
    if examples is None or isinstance(examples, bool):
        return None
    if isinstance(examples, int):
        if examples < 0:
            raise FieldError({"examples": "is a negative number."}, "Give 0 or more.")
        return examples or None
    if not isinstance(examples, Iterable):
        raise FieldError(
            {"examples": f"is {with_article(type(examples).__name__)}."},
            _EXAMPLES,
        )
    read = []
    for at, each in enumerate(examples, 1):
        pair = isinstance(each, Sequence) and len(each) == 2 and isinstance(each[0], str)
        if not pair and not isinstance(each, Example):
            raise FieldError(
                {"examples": f"example {at} is not a pair of a text and its record."},
                _EXAMPLES,
            )
        read.append(each if isinstance(each, Example) else Example(each[0], to_jsonable(each[1])))
    return tuple(read) or None


def count_examples(examples: Examples) -> int:
    return examples if isinstance(examples, int) else len(examples)


def read_price(price: Price) -> dict[str, float]:
    """US dollars for a million tokens: "input", "output" and perhaps "cached"; else FieldError."""
    prices: Mapping[str, Any] = {"input": price, "output": price}
    if isinstance(price, Mapping):
        prices = price
    elif isinstance(price, tuple):
        prices = dict(zip(PRICES, price, strict=False)) if len(price) in (2, 3) else {}
    right = {*PRICES[:2]} <= prices.keys() <= {*PRICES}
    if not right or not all(is_number(each, 0, 1e6) for each in prices.values()):
        raise FieldError(
            {"price": "is not a price."},
            'Give US dollars for a million tokens: {"input": 0.2, "output": 1.2}, with "cached" '
            "where input from a cache costs less, or 0.",
        )
    return {name: float(prices[name]) for name in PRICES if name in prices}


def _read_own(schema: Any) -> Schema:
    try:
        return read_schema(schema)
    except FieldError as error:
        raise FieldError({"schema": error.message}, error.hint) from None


def check_fields(variants: Iterable[Variant], schemas: Sequence[Schema]) -> None:
    """FieldError unless each variant's schema has the fields of a text's: rows are aligned by them.

    Texts of other types, whose fields it does not have, are asked by their own schema.
    """
    problems = {}
    for variant in variants:
        own = variant.schema
        if own is None or any(own.paths == each.paths for each in schemas):
            continue
        lacks, adds = min((find_misfits(own, each) for each in schemas), key=_size)
        parts = (f"lacks {join_truncated(lacks)}" if lacks else "",
                 f"adds {join_truncated(adds)}" if adds else "")  # fmt: skip
        problems[f"schema of {variant.label}"] = f"{' and '.join(filter(None, parts))}."
    if problems:
        raise FieldError(
            problems,
            "A Variant's schema describes the comparison's fields in other words: give it the same "
            "names in the same groups and lists.",
        )


def _size(misfits: tuple[list[str], list[str]]) -> int:
    return sum(map(len, misfits))


_ASPECTS = {
    "description": ("description", "descriptions"), "title": ("title", "titles"),
    "type": ("type", "types"), "enum": ("list of values", "lists of values"),
    ORDER: ("order of fields", "orders of fields"),
}  # fmt: skip


def schema_words(changes: Sequence[Change]) -> str:
    """How a column's own schema differs from the comparison's: "schema: 2 descriptions differ"."""
    if not changes:
        return ""
    if changes[0].aspect == SPELLING:
        return "schema: written another way"
    aspects = Counter(_ASPECTS.get(each.aspect, ("rule", "rules")) for each in changes)
    words = join_listed([count(times, *nouns) for nouns, times in aspects.items()])
    return f"schema: {words} {'differs' if len(changes) == 1 else 'differ'}"


def own_schema_words(variant: Variant, schemas: Iterable[Schema]) -> str:
    """The same of a variant, beside the first of the texts' schemas whose fields it has."""
    own = variant.schema
    if own is None:
        return ""
    usual = next((each for each in schemas if each.paths == own.paths), own)
    return schema_words(find_changes(usual, own))


def is_text(value: object) -> bool:
    """Whether a setting is left out, or a text that is not blank."""
    return value is None or (isinstance(value, str) and bool(value.strip()))


def is_number(value: Any, least: float, most: float = math.inf, kind: Any = int | float) -> bool:
    """Whether this is a number of the kind and in the range; True and False are not numbers."""
    return isinstance(value, kind) and not isinstance(value, bool) and least <= value <= most


# -- Models and instructions as variants, each with its connection.

DEMO = "demo"


def resolve_variants(
    models: Any,
    resolver: ConnectionResolver,
    *,
    instructions: str | Mapping[str, str] | None = None,
    examples: Examples | None = None,
) -> tuple[tuple[Variant, ResolvedVariant], ...]:
    """Every variant with all settings filled in, and as the engine asks it; labels are unique.

    `models` are references, Connections, pairs (Connection, model id), Variants or "demo".
    Instructions by name cross with the models. Of examples that are a number, the engine's side
    has none yet.
    """
    variants = _read_models(models)
    handed = (each.model for each in variants if not isinstance(each.model, str))
    resolver.given += (each[0] if isinstance(each, tuple) else each for each in handed)
    texts = _instructions(instructions)
    shots = read_examples(examples)
    chosen, taken = [], dict[str, Any]()
    for variant in variants:
        connection, model = _connect(variant.model, resolver)
        connection = choose_store(resolver.store).informed(connection)
        named = isinstance(variant.model, str)
        reference = variant.reference if named else reference_of(connection, model)
        label = variant.label or " · ".join(filter(None, (reference, variant.settings())))
        if variant.label is None and variant.schema is not None:
            label = free_label(label, variant.schema, taken)
        taken[label] = variant.schema
        for name, text in texts:
            filled = replace(
                variant,
                label=f"{label} · {name}" if name else label,
                instructions=variant.instructions or text or DEFAULT_INSTRUCTIONS,
                examples=variant.examples if variant.examples is not None else shots,
                effort=variant.effort or EFFORT,
            )
            chosen.append((filled, filled.resolved(connection, model)))
    if twice := find_repeated(column.label for _, column in chosen):
        raise FieldError(
            {"models": f"these variants have the same label: {join_truncated(twice)}."},
            "Leave out what is asked twice, or give each Variant a label of its own.",
        )
    return tuple(chosen)


def free_label(label: str, schema: Schema, taken: Mapping[str, Schema | None]) -> str:
    """The label, with a number where a column with another schema has it."""
    for each in (label, *(f"{label} · {number}" for number in range(2, len(taken) + 3))):
        other = taken.get(each)
        if each not in taken or (other is not None and not find_changes(other, schema)):
            return each
    return label


def _read_models(models: Any) -> list[Variant]:
    """Each model as a variant; "demo" as one for each connection of the demo."""
    single = isinstance(models, str | Connection | Variant) or _is_pair(models)
    if not single and (not isinstance(models, Iterable) or isinstance(models, Mapping | bytes)):
        raise FieldError(
            {"models": f"is {with_article(type(models).__name__)}."},
            'Give references such as "openai/gpt-6-luna", Connections, Variants, or "demo".',
        )
    variants: list[Variant] = []
    for each in [models] if single else models:
        variant = each if isinstance(each, Variant) else Variant(each)
        demo = _demo_connections() if variant.model == DEMO else ()
        variants += [replace(variant, model=model) for model in demo] or [variant]
    if not variants:
        raise FieldError({"models": "is empty."}, 'Name at least one model, or give "demo".')
    return variants


def _is_pair(model: Any) -> bool:
    return (
        isinstance(model, tuple)
        and len(model) == 2
        and isinstance(model[0], Connection)
        and isinstance(model[1], str)
    )


def _demo_connections() -> list[Connection]:
    from llmwidgets.demo import start_demo

    return list(start_demo())


def _connect(model: Model, resolver: ConnectionResolver) -> tuple[Connection, str]:
    if isinstance(model, str | tuple):
        connection, named = resolver.resolve(model) if isinstance(model, str) else model
        refuse_key("models", named, *connection.secret_fields.values())
        return connection, named
    if len(model.models) == 1:
        return model, model.models[0]
    raise UnknownConnection(
        f"The connection {model.label} gives access to several models.",
        f"Name one: (connection, {model.models[0]!r})."
        if model.models
        else "Name one: (connection, model id).",
    )


def _instructions(
    instructions: str | Mapping[str, str] | None,
) -> list[tuple[str, str | None]]:
    named: list[tuple[str, str | None]]
    if instructions is None or isinstance(instructions, str):
        named = [("", instructions)]
    elif isinstance(instructions, Mapping) and instructions:
        named = [(str(name), text) for name, text in instructions.items()]
    else:
        raise FieldError(
            {"instructions": "are neither a text nor texts by name."},
            'Give one text, or {"name": "text"} to compare several.',
        )
    empty = [name or "instructions" for name, text in named if not is_text(text)]
    if empty:
        raise FieldError(
            {"instructions": f"{join_truncated(empty)}: empty or not a text."},
            "Leave instructions out for the default ones.",
        )
    return named


# -- Lookup: where a reference's connection is found, nearest first.


@dataclass(slots=True)
class ConnectionResolver:
    """Connections in the order they are looked up: given, session, store, environment, demo.

    The store is opened only for a reference that nothing given answers; a locked one counts only
    where the reference is found nowhere else.
    """

    store: Store | None = None
    given: list[Connection] = field(default_factory=list)
    _known: list[Connection] | None = None
    _locked: StoreLocked | None = None

    def resolve(self, reference: str) -> tuple[Connection, str]:
        """The connection and model id; StoreLocked or UnknownConnection with the nearest."""
        try:
            return resolve(reference, _first_of_label(self.given))
        except UnknownConnection:
            demo = _demo_connections() if reference.startswith(DEMO) else []
            known = _first_of_label([*self.given, *self._elsewhere(), *demo])
        try:
            return resolve(reference, known)
        except UnknownConnection as error:
            if self._locked is None:
                raise _unset(reference, error) from None
            locked = self._locked
        near = nearest_reference(reference, known)
        known_as = f" The nearest known name is {near}." if near not in {"", reference} else ""
        raise StoreLocked(
            f"{reference} is not among the connections at hand, and the store is locked.{known_as}",
            locked.hint,
        )

    def policy(self) -> Policy:
        """The rules of the store's organization; the shipped whitelist without a store.

        A default store that cannot be opened is not in the way of connections that were handed
        over and need no store.
        """
        if self.store is not None or (self._known is not None and self._locked is None):
            return choose_store(self.store).policy
        try:
            return Store().policy
        except StoreError:
            return Policy()

    def _elsewhere(self) -> list[Connection]:
        if self._known is None:
            store = choose_store(self.store)
            try:
                stored = list(store)
            except StoreLocked as error:
                self._locked, stored = error, store.for_session
            self._known = [*stored, *environment_connections()]
        return self._known


def with_stand_ins(models: Any) -> Any:
    """The models with a connection of no key for each whitelisted vendor that is only named.

    It is for what calls nothing.
    """
    named = [models] if isinstance(models, str) else models
    return [_stand_in(each) for each in named] if isinstance(named, list | tuple) else models


def _stand_in(model: Any) -> Any:
    kind, slash, name = model.partition("/") if isinstance(model, str) else ("", "", "")
    provider = PROVIDERS.get(kind)
    if provider is None or not slash or not provider.single or not provider.environment.keys:
        return model
    key = f"env:{provider.environment.keys[0]}"
    try:
        return Connection(kind, **{provider.key_field: key}), name
    except FieldError:  # its form asks for more than a key
        return model


def _unset(reference: str, error: UnknownConnection) -> UnknownConnection:
    """The error, with why variables that would have answered connect nothing."""
    said, step = explain_variables(reference.partition("/")[0])
    step = f"{step} Or connect it in ConnectionPanel()."
    return UnknownConnection(f"{error.message} {said}", step) if said else error


def _first_of_label(connections: list[Connection]) -> list[Connection]:
    first: dict[str, Connection] = {}
    for connection in connections:
        first.setdefault(connection.label, connection)
    return list(first.values())
