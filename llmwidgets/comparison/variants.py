"""Variant: one column of a comparison, a model together with how it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from llmwidgets.dialects.types import Effort, Example
from llmwidgets.errors import FieldError
from llmwidgets.providers.base import PRICES
from llmwidgets.secret import refuse_key

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.engine.plan import Column


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
    def of_column(cls, column: Column) -> Variant:
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
        from llmwidgets.comparison.jsonable import plain

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
