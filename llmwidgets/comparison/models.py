"""The columns of a comparison: models and instructions as variants, each with its connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from llmwidgets.comparison.lookup import Lookup
from llmwidgets.comparison.texts import few
from llmwidgets.comparison.variants import Variant, read_examples, read_price, reference_of
from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.types import Example
from llmwidgets.engine.defaults import DEFAULT_INSTRUCTIONS, EFFORT
from llmwidgets.engine.plan import Column
from llmwidgets.errors import FieldError, UnknownConnection
from llmwidgets.secret import refuse_key

if TYPE_CHECKING:
    from llmwidgets.comparison.variants import Examples, Model
    from llmwidgets.dialects.types import Effort


DEMO = "demo"
_EFFORT = cast("Effort", EFFORT)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A variant with everything filled in, and the connection that answers for it."""

    variant: Variant
    connection: Connection
    model: str

    def column(self, examples: tuple[Example, ...]) -> Column:
        """What the engine asks for this variant."""
        variant = self.variant
        return Column(
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
    lookup: Lookup,
    *,
    instructions: str | Mapping[str, str] | None = None,
    examples: Examples | None = None,
) -> tuple[Chosen, ...]:
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
                chosen.append(Chosen(filled, connection, model))
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
        return [each.on(model) for model in _demo()] if each.model == DEMO else [each]
    if isinstance(each, str) and each == DEMO:
        return [Variant(model) for model in _demo()]
    if isinstance(each, str | Connection) or _is_pair(each):
        return [Variant(each)]
    raise FieldError(
        {"models": f"holds a {type(each).__name__}."},
        'Give references such as "openai/gpt-6-luna", Connections, pairs (Connection, "model id"), '
        'Variants, or "demo".',
    )


def _demo() -> list[Connection]:
    from llmwidgets.demo import start_demo

    return list(start_demo())


def _connect(model: Model, lookup: Lookup) -> tuple[Connection, str]:
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
            {"instructions": f"{few(empty)}: empty or not a text."},
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


def _labelled(chosen: Sequence[Chosen]) -> tuple[Chosen, ...]:
    labels = [each.variant.label or "" for each in chosen]
    twice = [label for label in dict.fromkeys(labels) if labels.count(label) > 1]
    if twice:
        raise FieldError(
            {"models": f"these variants have the same label: {few(twice)}."},
            "Leave out what is asked twice, or give each Variant a label of its own.",
        )
    return tuple(chosen)
