"""Variant: one column of a comparison, a model together with how it is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast, get_args

from llmwidgets.comparison.texts import join_truncated
from llmwidgets.connections import Policy, environment_connections, resolve
from llmwidgets.connections.connection import Connection
from llmwidgets.connections.discovery import empty_variable
from llmwidgets.dialects.types import Effort, Example
from llmwidgets.engine.defaults import DEFAULT_INSTRUCTIONS, EFFORT
from llmwidgets.engine.request_builder import ResolvedVariant
from llmwidgets.errors import FieldError, StoreError, StoreLocked, UnknownConnection
from llmwidgets.providers.base import PRICES
from llmwidgets.secret import refuse_key
from llmwidgets.store.store import Store

if TYPE_CHECKING:
    Model: TypeAlias = str | Connection | tuple[Connection, str]
    Examples = int | Sequence[Example | tuple[str, Any]]
    Price = float | tuple[float, float] | tuple[float, float, float] | Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Variant:
    """A model and how it is asked; what is None follows the comparison's own defaults.

    `model` is a reference ("openai/gpt-6-luna"), a Connection or a pair (Connection, model id).
    `price` is in US dollars for a million tokens: one number, (input, output), or a dict with
    `input`, `output` and, where input from a cache costs less, `cached`; without it that counts
    as other input. 0 for a server of your own. FieldError for a setting that is not right.

    >>> Variant("openai/gpt-6-luna", effort="high").effort
    'high'
    """

    model: Model
    label: str | None = field(default=None, kw_only=True)
    instructions: str | None = field(default=None, kw_only=True)
    examples: Examples | None = field(default=None, kw_only=True, hash=False)
    effort: Effort | None = field(default=None, kw_only=True)
    temperature: float | None = field(default=None, kw_only=True)
    max_output_tokens: int | None = field(default=None, kw_only=True)
    price: Price | None = field(default=None, kw_only=True, hash=False)

    def __post_init__(self) -> None:
        for place, name in (("model", self.model), ("label", self.label)):
            if isinstance(name, str):
                refuse_key(place, name)
        problems = {
            name: said
            for name, said in (
                ("label", _of_label(self.label)),
                ("instructions", _of_instructions(self.instructions)),
                ("effort", _of_effort(self.effort)),
                ("temperature", _of_number(self.temperature, 0, 2)),
                ("max_output_tokens", _of_limit(self.max_output_tokens)),
            )
            if said
        }
        if problems:
            raise FieldError(problems, "Correct these settings of the Variant.")
        object.__setattr__(self, "examples", read_examples(self.examples))
        object.__setattr__(self, "price", read_price(self.price))

    @classmethod
    def of_column(cls, column: ResolvedVariant) -> Variant:
        """The variant that a plan's column stands for."""
        return cls(
            (column.connection, column.model),
            label=column.label,
            instructions=column.instructions,
            examples=column.examples or None,
            effort=column.effort,
            temperature=column.temperature,
            max_output_tokens=column.max_output_tokens,
            price=column.price,
        )

    @property
    def reference(self) -> str:
        """The model as a reference that a store can answer."""
        if isinstance(self.model, str):
            return self.model
        if isinstance(self.model, tuple):
            return reference_of(*self.model)
        return reference_of(self.model, "")

    def settings(self) -> str:
        """What is set here beside the model, in a few words for a default label."""
        words = [
            f"{name} {value}"
            for name, value in (
                ("effort", self.effort),
                ("temperature", self.temperature),
                ("at most", f"{self.max_output_tokens} tokens" if self.max_output_tokens else None),
            )
            if value is not None
        ]
        if self.examples:
            words.append(f"{count_examples(self.examples)} examples")
        return ", ".join(words)

    def on(self, model: Model) -> Variant:
        """The same settings on another model."""
        return replace(self, model=model)


def reference_of(connection: Connection, model: str) -> str:
    """How code refers to a model: `openai/gpt-6-luna`, or the label where it names one model."""
    single = len(connection.models) == 1
    return connection.label if single or not model else f"{connection.label}/{model}"


def read_examples(examples: Examples | None) -> int | tuple[Example, ...] | None:
    """n, or (text, record) pairs as Examples; FieldError for anything else."""
    if examples is None or isinstance(examples, bool):
        return None
    if isinstance(examples, int):
        if examples < 0:
            raise FieldError({"examples": "is a negative number."}, "Give 0 or more.")
        return examples or None
    return tuple(_example(each, at) for at, each in enumerate(examples, 1)) or None


def count_examples(examples: Examples) -> int:
    """How many examples this is."""
    return examples if isinstance(examples, int) else len(examples)


def read_price(price: Price | None) -> dict[str, float] | None:
    """US dollars for a million tokens: "input", "output" and perhaps "cached"; else FieldError."""
    if price is None:
        return None
    given: Mapping[str, Any] = {"input": price, "output": price}
    if isinstance(price, Mapping):
        given = price
    elif isinstance(price, tuple):
        given = dict(zip(PRICES, price, strict=False)) if len(price) in (2, 3) else {}
    right = {*PRICES[:2]} <= given.keys() <= {*PRICES}
    if not right or any(each is None or _of_number(each, 0, 1e6) for each in given.values()):
        raise FieldError(
            {"price": "is not a price."},
            'Give US dollars for a million tokens: {"input": 0.2, "output": 1.2}, with "cached" '
            "where input from a cache costs less, or 0.",
        )
    return {name: float(given[name]) for name in PRICES if name in given}


def _example(each: object, at: int) -> Example:
    if isinstance(each, Example):
        return each
    if isinstance(each, Sequence) and len(each) == 2 and isinstance(each[0], str):
        from llmwidgets.comparison.jsonable import to_jsonable as plain

        return Example(each[0], plain(each[1]))
    raise FieldError(
        {"examples": f"example {at} is not a pair of a text and its record."},
        "Give (text, record) pairs, or a number n to take n labelled texts.",
    )


def _of_label(label: object) -> str:
    if label is None or (isinstance(label, str) and label.strip()):
        return ""
    return "is empty or not a text."


def _of_instructions(instructions: object) -> str:
    if instructions is None or (isinstance(instructions, str) and instructions.strip()):
        return ""
    return "is empty or not a text; leave it out for the default instructions."


def _of_effort(effort: object) -> str:
    known = get_args(Effort)
    return "" if effort is None or effort in known else f"is none of {', '.join(known)}."


def _of_number(value: object, least: float, most: float) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return "is not a number."
    return "" if least <= value <= most else f"is not between {least:g} and {most:g}."


def _of_limit(value: object) -> str:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return ""
    return "is not a whole number above 0."


# -- The columns of a comparison: models and instructions as variants, each with its connection.

DEMO = "demo"
_EFFORT = cast("Effort", EFFORT)


@dataclass(frozen=True, slots=True)
class ChosenVariant:
    """A variant with everything filled in, and the connection that answers for it."""

    variant: Variant
    connection: Connection
    model: str

    def column(self, examples: tuple[Example, ...]) -> ResolvedVariant:
        """What the engine asks for this variant."""
        variant = self.variant
        return ResolvedVariant(
            label=variant.label or "",
            connection=self.connection,
            model=self.model,
            instructions=variant.instructions or DEFAULT_INSTRUCTIONS,
            examples=examples,
            effort=variant.effort or _EFFORT,
            temperature=variant.temperature,
            max_output_tokens=variant.max_output_tokens,
            price=read_price(variant.price),
        )


def read_models(
    models: Any,
    lookup: ConnectionResolver,
    *,
    instructions: str | Mapping[str, str] | None = None,
    examples: Examples | None = None,
) -> tuple[ChosenVariant, ...]:
    """Every variant to ask, in order, labels unique; instructions by name cross with the models.

    `models` holds references, Connections, pairs (Connection, model id), Variants or "demo".
    """
    listed = _listed(models)
    lookup.given.extend(_connections(listed))
    named = _instructions(instructions)
    shots = read_examples(examples)
    chosen = []
    for each in listed:
        for variant in _variants(each):
            found, model = _connect(variant.model, lookup)
            connection = lookup.informed(found)
            for name, words in named:
                filled = _filled(variant, name, words, shots, connection, model)
                chosen.append(ChosenVariant(filled, connection, model))
    return _labelled(chosen)


def _listed(models: Any) -> list[Any]:
    if isinstance(models, str | Connection | Variant) or _is_pair(models):
        return [models]
    if not isinstance(models, Iterable) or isinstance(models, Mapping | bytes):
        raise FieldError(
            {"models": f"is a {type(models).__name__}."},
            'Give references such as "openai/gpt-6-luna", Connections, Variants, or "demo".',
        )
    listed = list(models)
    if not listed:
        raise FieldError({"models": "is empty."}, 'Name at least one model, or give "demo".')
    return listed


def _is_pair(model: Any) -> bool:
    return (
        isinstance(model, tuple)
        and len(model) == 2
        and isinstance(model[0], Connection)
        and isinstance(model[1], str)
    )


def _connections(listed: Sequence[Any]) -> list[Connection]:
    models = [each.model if isinstance(each, Variant) else each for each in listed]
    given = [model for model in models if isinstance(model, Connection)]
    return given + [model[0] for model in models if isinstance(model, tuple) and _is_pair(model)]


def _variants(each: Any) -> list[Variant]:
    if isinstance(each, Variant):
        return [each.on(model) for model in _demo_variants()] if each.model == DEMO else [each]
    if isinstance(each, str) and each == DEMO:
        return [Variant(model) for model in _demo_variants()]
    if isinstance(each, str | Connection) or _is_pair(each):
        return [Variant(each)]
    raise FieldError(
        {"models": f"holds a {type(each).__name__}."},
        'Give references such as "openai/gpt-6-luna", Connections, pairs (Connection, "model id"), '
        'Variants, or "demo".',
    )


def _demo_variants() -> list[Connection]:
    from llmwidgets.demo import start_demo

    return list(start_demo())


def _connect(model: Model, lookup: ConnectionResolver) -> tuple[Connection, str]:
    if isinstance(model, str | tuple):
        found, named = lookup.resolve(model) if isinstance(model, str) else model
        refuse_key("models", named, *found.secret_fields.values())
        return found, named
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
    if instructions is None or isinstance(instructions, str):
        named: list[tuple[str, str | None]] = [("", instructions)]
    elif isinstance(instructions, Mapping) and instructions:
        named = [(str(name), words) for name, words in instructions.items()]
    else:
        raise FieldError(
            {"instructions": "are neither a text nor texts by name."},
            'Give one text, or {"name": "text"} to compare several.',
        )
    empty = [
        name or "instructions"
        for name, words in named
        if words is not None and not (isinstance(words, str) and words.strip())
    ]
    if empty:
        raise FieldError(
            {"instructions": f"{join_truncated(empty)}: empty or not a text."},
            "Leave instructions out for the default ones.",
        )
    return named


def _filled(
    variant: Variant,
    name: str,
    words: str | None,
    shots: int | tuple[Example, ...] | None,
    connection: Connection,
    model: str,
) -> Variant:
    label = variant.label or _label(variant, connection, model)
    return replace(
        variant,
        label=f"{label} · {name}" if name else label,
        instructions=variant.instructions or words or DEFAULT_INSTRUCTIONS,
        examples=variant.examples if variant.examples is not None else shots,
        effort=variant.effort or _EFFORT,
    )


def _label(variant: Variant, connection: Connection, model: str) -> str:
    named = isinstance(variant.model, str)
    reference = variant.reference if named else reference_of(connection, model)
    settings = variant.settings()
    return f"{reference} · {settings}" if settings else reference


def _labelled(chosen: Sequence[ChosenVariant]) -> tuple[ChosenVariant, ...]:
    labels = [each.variant.label or "" for each in chosen]
    twice = [label for label in dict.fromkeys(labels) if labels.count(label) > 1]
    if twice:
        raise FieldError(
            {"models": f"these variants have the same label: {join_truncated(twice)}."},
            "Leave out what is asked twice, or give each Variant a label of its own.",
        )
    return tuple(chosen)


# -- Lookup: where a reference's connection is found, nearest first.


@dataclass(slots=True)
class ConnectionResolver:
    """Connections in the order they are looked up: given, session, store, environment, demo.

    The store is opened only for a reference that nothing given answers; a locked one counts only
    where the reference is found nowhere else.
    """

    store: Store | None = None
    given: list[Connection] = field(default_factory=list)
    _found: list[Connection] | None = None
    _locked: StoreLocked | None = None

    def resolve(self, reference: str) -> tuple[Connection, str]:
        """The connection and model id; StoreLocked or UnknownConnection with the nearest."""
        try:
            return resolve(reference, _first_of_label(self.given))
        except UnknownConnection:
            known = _first_of_label([*self.given, *self._elsewhere(), *_demo(reference)])
        try:
            return resolve(reference, known)
        except UnknownConnection as error:
            if self._locked is None:
                raise _unset(reference, error) from None
            locked = self._locked
        raise StoreLocked(
            f"{reference} is not among the connections at hand, and the store is locked.",
            locked.hint,
        )

    def informed(self, connection: Connection) -> Connection:
        """The connection, knowing what the store's organization tells of its models."""
        try:
            return (self.store or Store()).informed(connection)
        except StoreError:
            return connection

    def policy(self) -> Policy:
        """The rules of the store's organization; the shipped whitelist without a store.

        A default store that cannot be opened does not stand in the way of connections that
        were handed over and need no store.
        """
        if self.store is not None or (self._found is not None and self._locked is None):
            return (self.store or Store()).policy
        try:
            return Store().policy
        except StoreError:
            return Policy()

    def _elsewhere(self) -> list[Connection]:
        if self._found is None:
            self._found = [*self._stored(), *environment_connections()]
        return self._found

    def _stored(self) -> list[Connection]:
        store = self.store or Store()
        try:
            return list(store)
        except StoreLocked as error:
            self._locked = error
            return store.for_session


def _unset(reference: str, error: UnknownConnection) -> UnknownConnection:
    """The error, naming the variable that would have answered if it were not empty."""
    variable = empty_variable(reference.partition("/")[0])
    if not variable:
        return error
    return UnknownConnection(
        f"{error.message} The variable {variable} is set but empty.",
        f"Put the key into {variable} before Jupyter starts. {error.hint}",
    )


def _demo(reference: str) -> list[Connection]:
    if not reference.startswith("demo"):
        return []
    from llmwidgets.demo import start_demo

    return list(start_demo())


def _first_of_label(connections: list[Connection]) -> list[Connection]:
    first: dict[str, Connection] = {}
    for connection in connections:
        first.setdefault(connection.label, connection)
    return list(first.values())
