"""What is known of a model: its limits, its levels of thinking, its end and its price."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from llmwidgets.dialects.types import ResponseFormat


@dataclass(frozen=True, slots=True)
class Ended:
    """That a model is past its end: who announced it, since when, and what to use instead."""

    since: date | None
    successor: str
    whose: str = ""


Status = Literal["active", "preview", "ending", "retired"]

PRICES = ("input", "output", "cached")
"""What an own price can name, in US dollars per million tokens; the last may be left out."""


def is_price(price: object) -> bool:
    """Whether it is a table of an own price: known names, and amounts that can be paid."""
    return (
        isinstance(price, Mapping)
        and {*PRICES[:2]} <= price.keys() <= {*PRICES}
        and all(map(is_amount, price.values()))
    )


def is_amount(value: object) -> bool:
    """Whether it is a number of US dollars."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value <= sys.float_info.max
    )


DatedPrice = tuple[date | None, float, float]
"""The first day of a price (None: from the start), and US dollars per million tokens of input
and of output."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of one model id, dated, with its source; never guessed from the name.

    `efforts` are the levels the model takes, weakest first, by the provider's own words;
    `("none", …)` means thinking can be off. If there are none, `thinking` False means that the
    model never thinks, and None that nothing is known: then it may.
    `sampling` is whether a temperature may be sent, `sampling_thinking` whether also while the
    model thinks. Limits are in tokens. `options` are the arguments of the dialect for this model:
    how it spells the levels, say. `prices` are those that the price list lacks, in order;
    `own_price` (input, output, perhaps cached input) is the organization's and takes precedence
    over every list. `regions` are some in which the model is known to be served.
    """

    id: str
    form: ResponseFormat = ResponseFormat.JSON_SCHEMA
    efforts: tuple[str, ...] = ()
    thinking: bool | None = None
    sampling: bool = False
    sampling_thinking: bool = True
    input_limit: int | None = None
    output_limit: int | None = None
    status: Status = "active"
    ends: date | None = None
    successor: str | None = None
    note: str = ""
    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    prices: tuple[DatedPrice, ...] = ()
    own_price: tuple[float, ...] | None = None
    regions: tuple[str, ...] = ()
