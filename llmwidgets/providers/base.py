"""Provider: one kind of connection as data. Fields, links, steps, dialect and model facts."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from types import ModuleType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from llmwidgets.dialects.messages import Form, Target
from llmwidgets.secret import Secret

Kind = Literal[
    "openai", "gemini", "vertex_ai", "anthropic", "azure_openai", "azure_ai_foundry", "custom"
]


def _day(value: object) -> date | None:
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        with contextlib.suppress(ValueError):
            return date.fromisoformat(value)
    message = "takes a day, written as 2026-12-11."
    raise ValueError(message)


class Fields(BaseModel):
    """What a form asks. A field's title is its label, its description the help line.

    Walk `model_fields`: `Secret` type = secret field, `date` = a day, `is_required()` = required,
    `examples[0]` = placeholder, `json_schema_extra={"advanced": True}` = folded away.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: Annotated[
        str | None,
        Field(
            title="Base URL",
            description="Only for a company gateway or a region: as in the provider's own SDK.",
            json_schema_extra={"advanced": True},
        ),
    ] = None
    headers: Annotated[
        dict[str, Secret],
        Field(
            title="Extra headers",
            description="Sent with every call; the values are kept like keys.",
            json_schema_extra={"advanced": True},
        ),
    ] = {}
    ca_bundle: Annotated[
        str | None,
        Field(
            title="CA bundle",
            description="A PEM file with your company's certificate authority.",
            json_schema_extra={"advanced": True},
        ),
    ] = None
    allow_plain_http: Annotated[
        bool,
        Field(
            title="Allow plain http",
            description="The key would cross the network unencrypted.",
            json_schema_extra={"advanced": True},
        ),
    ] = False
    price: Annotated[
        dict[str, float] | None,
        Field(
            title="Own price",
            description="US dollars for a million tokens: input, output. 0 for your own server. In "
            "code also cached: input from a cache, which else counts as other input.",
            json_schema_extra={"advanced": True},
        ),
    ] = None
    expires: Annotated[
        date | None,
        BeforeValidator(_day),
        Field(
            title="Key ends on",
            description="You are reminded from 14 days before it on. The day is never sent.",
            json_schema_extra={"advanced": True},
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Link:
    """A page a user needs: to make an account, to get a key."""

    text: str
    url: str


Status = Literal["active", "preview", "ending", "retired"]

PRICES = ("input", "output", "cached")
"""What an own price can name, in US dollars for a million tokens; the last may be left out."""

DatedPrice = tuple[date | None, float, float]
"""The first day of a price (None: from the start), and US dollars for a million tokens of input
and of output."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of one model id, dated, with its source; never guessed from the name.

    `efforts` are the levels the model takes, weakest first, by the provider's own words;
    `("none", …)` means thinking can be off. Where there are none, `thinking` False says that the
    model never thinks, and None that nothing is known: then it may.
    `sampling` says whether a temperature may be sent, `sampling_thinking` whether also while the
    model thinks. Limits are in tokens. `options` are the arguments of the dialect for this model:
    how it spells the levels, say. `prices` are those that the price list lacks, in order;
    `own_price` (input, output, perhaps cached input) is the organization's and takes precedence
    over every list.
    """

    id: str
    form: Form = Form.JSON_SCHEMA
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


@dataclass(frozen=True, slots=True)
class Provider:
    """A kind of connection: what its form asks, where it leads, which models it may call.

    `target(fields, model)` says where a model answers. `dialect` is a module of
    `llmwidgets.dialects`; `speaks(fields)` is another one where the address asks for it.
    `lists` says that the live list holds what a key may call. `single` kinds exist once per
    organization and give a whitelist; the others name one model each, in the field `model_field`.
    `warn(field, value)` returns a sentence for a value of the wrong shape (a key of another
    provider, say), or None. It sees the value of a secret only inside the one expression
    that calls it and never quotes more than a public prefix. `snapshots` is how this vendor
    writes the day behind the id of a dated snapshot; empty where it has none.
    """

    kind: Kind
    title: str
    fields: type[Fields]
    links: tuple[Link, ...]
    steps: tuple[str, ...]
    dialect: ModuleType
    target: Callable[[Fields, str], Target]
    models: tuple[ModelFacts, ...] = ()
    retired: Mapping[str, str] = field(default_factory=dict)
    single: bool = False
    model_field: str | None = None
    warn: Callable[[str, str], str | None] = lambda _field, _value: None
    environment: Mapping[str, str] = field(default_factory=dict)
    price_provider: str | None = None
    speaks: Callable[[Fields], ModuleType | None] = lambda _fields: None
    lists: bool = True
    snapshots: Literal["", "%Y-%m-%d", "%Y%m%d"] = ""

    def facts(self, model: str) -> ModelFacts | None:
        """The facts of a whitelisted model, or None.

        A dated snapshot has those of its alias, with the alias's end: the vendors end both on one
        day, and a snapshot that went before is among the retired.
        """
        alias = self.alias(model)
        found = next((facts for facts in self.models if facts.id in (model, alias)), None)
        if found is None or found.id == model:
            return found
        return None if model in self.retired else replace(found, id=model)

    def alias(self, model: str) -> str:
        """The id of which this is a dated snapshot; the id itself where it is none.

        >>> from llmwidgets.providers import PROVIDERS
        >>> PROVIDERS["openai"].alias("gpt-4o-2024-08-06")
        'gpt-4o'
        """
        found = _SNAPSHOT.fullmatch(model)
        if found is None or not self.snapshots:
            return model
        try:
            datetime.strptime(found["day"], self.snapshots)
        except ValueError:
            return model
        return found["alias"]

    def successor(self, model: str) -> str | None:
        """What replaces a retired model or a snapshot of one; None for any other."""
        return self.retired.get(model) or self.retired.get(self.alias(model))


_SNAPSHOT = re.compile(r"(?P<alias>.+)-(?P<day>\d{4}-\d\d-\d\d|\d{8})", re.ASCII)
