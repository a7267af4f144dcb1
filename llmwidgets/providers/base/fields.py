"""The form of a kind: its fields, and the ways to sign in, each with a form of its own."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
)

from llmwidgets.providers.urls import read_address
from llmwidgets.secret import Secret


def read_day(value: object) -> date | None:
    """The day that a value is, or spells as 2026-12-11; else None."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        with contextlib.suppress(ValueError):
            return date.fromisoformat(value)
    return None


def _last_day(value: object) -> date | None:
    day = read_day(value)
    if value is None or day is not None:
        return day
    message = "must be a day, written as 2026-12-11."
    raise ValueError(message)


Way = Literal["key", "entra", "machine", "gcloud", "federation"]
"""A way to sign in; which of them a kind has, its provider says."""


def base_url_field(description: str, *examples: str) -> Any:
    """The field `base_url` of a form, with what goes there."""
    return Field(
        default=None,
        title="Base URL",
        description=description,
        examples=[*examples] or None,
        json_schema_extra={"advanced": True},
    )


class Fields(BaseModel):
    """The fields of a form. A field's title is its label, its description the help line.

    Walk `model_fields`: `Secret` type = secret field, `date` = a day, `is_required()` = required,
    `examples[0]` = placeholder, `json_schema_extra={"advanced": True}` = folded away; with
    `"preset": "groq"` as well not while that preset is on. `read_url` is how the kind reads its
    base URL: ValueError with a sentence if that cannot be one.
    """

    # A form is built when a connection is first made of it: of most kinds nobody makes any.
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True
    )

    base_url: str | None = base_url_field(
        "Only for a company gateway or a region: as in the provider's own SDK."
    )
    headers: dict[str, Secret] = Field(
        default={},
        title="Extra headers",
        description="Sent with every call; the values are kept like keys.",
        json_schema_extra={"advanced": True},
    )
    ca_bundle: str | None = Field(
        default=None,
        title="CA bundle",
        description="A PEM file with your company's certificate authority.",
        json_schema_extra={"advanced": True},
    )
    allow_plain_http: bool = Field(
        default=False,
        title="Allow plain http",
        description="The key would cross the network unencrypted.",
        json_schema_extra={"advanced": True},
    )
    price: dict[str, float] | None = Field(
        default=None,
        title="Own price",
        description="US dollars per million tokens: input, output. 0 for your own server. In "
        "code also cached: input from a cache, which otherwise costs as much as other input.",
        json_schema_extra={"advanced": True},
    )
    expires: Annotated[date | None, BeforeValidator(_last_day)] = Field(
        default=None,
        title="Key ends on",
        description="You are reminded from 14 days before. The day is never sent.",
        json_schema_extra={"advanced": True},
    )

    read_url: ClassVar[Callable[[str], str]] = lambda value: read_address(value).url

    @field_validator("base_url")
    @classmethod
    def _read_base_url(cls, value: str | None) -> str | None:
        return cls.read_url(value) if value else None

    @property
    def way(self) -> Way:
        """How the connection signs in."""
        return getattr(self, "sign_in", "key")

    @property
    def key_ends(self) -> date | None:
        """The last day of the key: the one saved with it, or one that it tells itself."""
        return self.expires

    def notes(self) -> list[str]:
        """Sentences about what the address contains and the form does not."""
        return []

    def key_notes(self) -> list[str]:
        """Sentences about what the key tells of itself; most keys tell nothing."""
        return []

    def address_parts(self) -> list[tuple[str, str]]:
        """What was read from a pasted address, as names and values; most kinds read nothing."""
        return []


def spelled(pattern: str | re.Pattern[str], problem: str, *, lower: bool = False) -> AfterValidator:
    """Takes only a text of this pattern, with `lower` in small letters; nothing stays nothing."""

    def read(value: str | None) -> str | None:
        text = value.lower() if value and lower else value
        if text is None or re.fullmatch(pattern, text):
            return text
        raise ValueError(problem)

    return AfterValidator(read)


class EndpointFields(Fields):
    """The fields of a kind whose form asks for the endpoint."""

    base_url: str | None = base_url_field(
        "Only for a gateway in front of the endpoint: calls go there instead."
    )


def sign_in_field(way: Way) -> Any:
    """The field `sign_in` of a form that signs in in this way."""
    return Field(
        default=way,
        title="Sign in with",
        description="How the connection signs in.",
        json_schema_extra={"advanced": True},
    )


class SignInFields(Fields):
    """The fields of a kind with several ways to sign in; each way has a class of its own."""

    sign_in: Way = sign_in_field("key")

    @field_validator("sign_in")
    @classmethod
    def _is_own_way(cls, value: Way) -> Way:
        if value != way_of(cls):
            message = "belongs to another form."
            raise ValueError(message)
        return value


def way_of(form: type[Fields]) -> Way:
    """How connections of this form sign in."""
    asked = form.model_fields.get("sign_in")
    return asked.default if asked else "key"


@dataclass(frozen=True, slots=True)
class Link:
    """A page a user needs: to make an account, to get a key."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """A way to sign in beside the key: its name in code, its words in the form, what it asks for.

    `fields` is the whole form in this way. `steps` are what to do first, `links` the pages needed;
    without any those of the kind hold. `note` is what becomes of keys and tokens, below the choice.
    """

    name: Way
    title: str
    fields: type[Fields]
    steps: tuple[str, ...] = ()
    note: str = ""
    links: tuple[Link, ...] = ()
