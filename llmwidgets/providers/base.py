"""Provider: one kind of connection as data. Fields, links, steps, dialect and model facts."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic.fields import FieldInfo

from llmwidgets.dialects.types import Dialect, ResponseFormat, Target
from llmwidgets.providers.urls import read_address
from llmwidgets.secret import Secret

Kind = str
"""A kind of connection: a name of the registry, which `find_provider` looks up."""

OPENAI_VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
"""What OpenAI's SDK, and with it most clients of its format, read from the environment."""


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


class Fields(BaseModel):
    """The fields of a form. A field's title is its label, its description the help line.

    Walk `model_fields`: `Secret` type = secret field, `date` = a day, `is_required()` = required,
    `examples[0]` = placeholder, `json_schema_extra={"advanced": True}` = folded away; with
    `"preset": "groq"` as well not while that preset is on. `read_url`
    is how the kind reads its base URL: ValueError with a sentence if that cannot be one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: str | None = Field(
        default=None,
        title="Base URL",
        description="Only for a company gateway or a region: as in the provider's own SDK.",
        json_schema_extra={"advanced": True},
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


class EndpointFields(Fields):
    """The fields of a kind whose form asks for the endpoint."""

    base_url: str | None = Field(
        default=None,
        title="Base URL",
        description="Only for a gateway in front of the endpoint: calls go there instead.",
        json_schema_extra={"advanced": True},
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


@dataclass(frozen=True, slots=True)
class FieldWarning:
    """What looks wrong in one field but may be right.

    `owner` is whose key the value seems to be: a kind, or the name of a service that is not one.
    """

    field: str
    sentence: str
    owner: str = ""


@dataclass(frozen=True, slots=True)
class KeyPrefix:
    """How keys of one service begin, which is public and can be quoted.

    `shape` is a regular expression for the rest of a whole key, by which files are searched;
    `issuer` names a hit if others of the vendor's services accept such keys too.
    `problem` is a sentence about such a key in its own provider's form; `step` says what to do
    about it, there and when the server refuses it. `manages` keys run no model, whatever the
    server replies. If this is not a lasting key, `what` says what it is; with `never`, no server
    at all accepts it.
    """

    start: str
    shape: str = ""
    issuer: str = ""
    what: str = ""
    never: bool = False
    problem: str = ""
    step: str = ""
    manages: bool = False


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment variables of a kind.

    The first of `keys` that is set connects it, or the credentials file that `file` names.
    `beside` are the plain fields by the variables that the vendor's clients read, found there and
    set there: a key set up for a gateway must not be sent to the vendor's host. A variable that is
    not set has what another says by `stand_ins`. `others` are what else those clients read.
    `signs_in` has the way to sign in by the variable that shows it.
    """

    keys: tuple[str, ...] = ()
    beside: Mapping[str, str] = field(default_factory=dict, hash=False)
    stand_ins: Mapping[str, str] = field(default_factory=dict, hash=False)
    file: str = ""
    others: tuple[str, ...] = OPENAI_VARIABLES
    signs_in: Mapping[str, Way] = field(default_factory=dict, hash=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Every variable that is set or removed while a connection's environment is in force."""
        file = (self.file,) if self.file else ()
        plain = (*self.beside.values(), *self.stand_ins.values())
        return tuple(dict.fromkeys((*self.keys, *plain, *file, *self.others)))

    def plain_fields(self, read: Callable[[str], str]) -> dict[str, str]:
        """The plain fields that have a value where `read` looks variables up by their names."""
        values = {
            name: read(variable) or read(self.stand_ins.get(variable, ""))
            for name, variable in self.beside.items()
        }
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class SDK:
    """The vendor's own client for one connection, and its arguments besides the secrets.

    `client` is a class of `module`; `attributes` are set on what was made. With `sends_auth` it
    gets the headers that carry the key as well, since its own would differ. With `needs_address`
    it does not know the kind's usual address by itself. `keys` and `variables` are the environment
    variables for the key and for plain values. `token_argument` takes a function that fetches a
    token, where that takes the place of a key.
    """

    module: str = "openai"
    client: str = "OpenAI"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    sends_auth: bool = False
    needs_address: bool = False
    keys: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    token_argument: str = "api_key"

    @property
    def package(self) -> str:
        """What pip calls it."""
        return self.module.replace(".", "-")


def openai_sdk(_fields: Fields, target: Target) -> SDK:
    """OpenAI's client, which serves every server of its format."""
    return SDK(
        arguments={"base_url": target.url, "default_query": dict(target.query) or None},
        # As arguments, None would mean: whatever the user's variables contain.
        attributes={
            "organization": target.headers.get("OpenAI-Organization"),
            "project": target.headers.get("OpenAI-Project"),
        },
        sends_auth=True,
        keys=OPENAI_VARIABLES[:1],
        variables={"OPENAI_BASE_URL": target.url},
    )


@dataclass(frozen=True, slots=True)
class Advice:
    """A sentence and the next step, as templates: `{model}`, `{title}`, `{location}` and others."""

    sentence: str
    step: str


@dataclass(frozen=True, slots=True)
class Preset:
    """A server that many connect as this kind: what its form contains, and what to do there first.

    `key` is the placeholder of the key field; it is sent only if it is typed. `key_page` is where
    the key is found, `variable` the environment variable that contains it, `issuer` whose keys it
    takes by the table of key shapes, if that is not the title.

    `enforces` is what it is known to do with a schema, in a few words, `level` whether that holds
    for all its models, `watch_out` its trap; a probe decides. `options` are the arguments of the
    dialect for this server, and `sent` says what they change in a call.

    `extra` are the placeholders in the endpoint, with what to put there; `place_variable` is the
    variable that contains it. `hosts` are the patterns of its hosts, if the endpoint's is not the
    only one, `paths` the other paths where it speaks the format. With `public_list` its list of
    models proves no key.
    """

    title: str
    endpoint: str
    name: str
    key: str
    steps: tuple[str, ...]
    key_page: str = ""
    variable: str = ""
    issuer: str = ""
    enforces: str = ""
    level: Literal["ok", "warn"] = "ok"
    watch_out: str = ""
    sent: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)
    place_variable: str = ""
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    public_list: bool = False

    @property
    def key_start(self) -> str:
        """How its keys begin; empty if they have no beginning of their own."""
        start, shortened, _ = self.key.partition("…")
        return start if shortened else ""

    @property
    def slug(self) -> str:
        """Its name in code and in references.

        >>> Preset("Hugging Face", "https://router.huggingface.co/v1", "", "", ()).slug
        'huggingface'
        """
        return spell_slug(self.title)


def spell_slug(name: str) -> str:
    """The name of a preset as it is looked up: small letters and digits alone."""
    return re.sub("[^a-z0-9]+", "", name.lower())


@dataclass(frozen=True, slots=True, eq=False)
class Provider:
    """A kind of connection: its form, its address, the models it may call.

    `target(fields, model)` is where a model answers. `dialect` is a module of
    `llmwidgets.dialects`; `speaks(fields, model)` is another one if the address or the model needs
    it. `sdk` is the vendor's own client for the same fields.

    `fields` is the form that signs in by a key, called `key_title`; `sign_ins` are the other ways.

    `single` kinds exist once per organization and have a whitelist; the others name one model each,
    in the field `model_field`. `lists` means that the live list has what a key may call, `probes`
    that only a probe shows what a model enforces. With `deployments` the name in the form is the
    deployment's own, and says nothing about its model. A `self_hosted` server is slow to start,
    takes few calls at once, cuts long texts silently and accepts any key.

    `key_hint` ends a sentence about a key of another provider; if `keys_start_with` is set, every
    key must. `warn(field, value)` returns a sentence for a value of the wrong shape that
    no key prefix tells, or None. It sees the value of a secret only inside the one expression
    that calls it and never quotes it.

    `host` is the vendor's own, by which a gateway's models are recognised; `vendor` names who
    announces the ends of its models. `find_facts` takes the place of `models` if it serves another
    provider's models, `ended(model)` is what is known of a model that is gone. `snapshots` is how
    this vendor writes the day behind the id of a dated snapshot; empty if it has none. `not_yet`
    are models that the vendor serves and this package cannot call, each with the reason, and
    `served_as(model)` is the id that this kind's address knows a model by.
    `llm_names` are those under which the tool LLM keeps its keys. `no_access` is the advice if the
    key may not use a model that exists, `unknown_model` if the server has no such model,
    `rotation` is how an old key is replaced.
    """

    kind: Kind
    title: str
    fields: type[Fields]
    links: tuple[Link, ...]
    steps: tuple[str, ...]
    dialect: Dialect
    target: Callable[[Fields, str], Target]
    sdk: Callable[[Fields, Target], SDK] = openai_sdk
    key_title: str = "API key"
    sign_ins: tuple[SignIn, ...] = ()
    models: tuple[ModelFacts, ...] = ()
    retired: Mapping[str, str] = field(default_factory=dict)
    single: bool = False
    model_field: str | None = None
    deployments: bool = False
    self_hosted: bool = False
    probes: bool = False
    lists: bool = True
    key_prefixes: tuple[KeyPrefix, ...] = ()
    keys_start_with: str = ""
    key_hint: str = ""
    warn: Callable[[str, str], str | None] = lambda _field, _value: None
    environment: Environment = Environment()
    llm_names: tuple[str, ...] = ()
    price_provider: str | None = None
    not_yet: Mapping[str, str] = field(default_factory=dict)
    served_as: Callable[[str], str] = lambda model: model
    speaks: Callable[[Fields | None, str], Dialect | None] = lambda _fields, _model: None
    host: str = ""
    vendor: str = ""
    find_facts: Callable[[str], ModelFacts | None] | None = None
    ended: Callable[[str], Ended | None] = lambda _model: None
    snapshots: Literal["", "%Y-%m-%d", "%Y%m%d"] = ""
    presets: tuple[Preset, ...] = ()
    no_access: Advice | None = None
    unknown_model: Advice | None = None
    rotation: str = ""

    secret_fields: tuple[str, ...] = field(init=False)
    """The fields that take one secret each."""
    key_field: str = field(init=False)
    """The secret field that the key belongs in: the first one of the form."""

    forms: Mapping[str, type[Fields]] = field(init=False)
    """The form of each way to sign in."""

    def __post_init__(self) -> None:
        forms = {"key": self.fields, **{way.name: way.fields for way in self.sign_ins}}
        object.__setattr__(self, "forms", forms)
        secret = [
            name
            for form in forms.values()
            for name, info in form.model_fields.items()
            if info.annotation in (Secret, Secret | None)
        ]
        object.__setattr__(self, "secret_fields", tuple(dict.fromkeys(secret)))
        object.__setattr__(self, "key_field", next(iter(secret), ""))

    @property
    def ways(self) -> dict[str, str]:
        """Every way to sign in, today's first: its name in code, and its title."""
        return {"key": self.key_title, **{way.name: way.title for way in self.sign_ins}}

    def form(self, sign_in: object) -> type[Fields]:
        """The fields of the form that signs in in this way; of an unknown one, by the key."""
        return self.forms.get(sign_in, self.fields) if isinstance(sign_in, str) else self.fields

    @property
    def all_fields(self) -> dict[str, FieldInfo]:
        """The fields of the forms of every way to sign in, by name."""
        merged: dict[str, FieldInfo] = {}
        for form in reversed([*self.forms.values()]):
            merged |= form.model_fields
        return merged

    def dialect_for(self, model: str, fields: Fields | None = None) -> Dialect:
        """The format in which a model is asked, as far as can be told without the fields."""
        return self.speaks(fields, model) or self.dialect

    def read_key(self, name: str, secret: Secret) -> Secret:
        """The secret of this field, of a key field the key alone; a token keeps its scheme."""
        if name not in self.secret_fields or self.environment.file:
            return secret
        return secret.as_key(scheme=name != self.key_field)

    @property
    def required(self) -> list[str]:
        """The plain fields that must be filled in."""
        needed = [name for name, info in self.fields.model_fields.items() if info.is_required()]
        return [name for name in needed if name not in self.secret_fields]

    def facts(self, model: str) -> ModelFacts | None:
        """The facts of a whitelisted model, or None.

        A dated snapshot has those of its alias, with the alias's end: the vendors end both on one
        day, and a snapshot that ended earlier is among the retired.
        """
        if self.find_facts is not None:
            return self.find_facts(model)
        alias = self.alias(model)
        known = next((facts for facts in self.models if facts.id in (model, alias)), None)
        if known is None or known.id == model:
            return known
        return None if model in self.retired else replace(known, id=model)

    def alias(self, model: str) -> str:
        """The id of which this is a dated snapshot; the id itself if it is not one.

        >>> from llmwidgets.providers import PROVIDERS
        >>> PROVIDERS["openai"].alias("gpt-4o-2024-08-06")
        'gpt-4o'
        """
        match = _SNAPSHOT.fullmatch(model)
        if match is None or not self.snapshots:
            return model
        try:
            datetime.strptime(match["day"], self.snapshots)
        except ValueError:
            return model
        return match["alias"]

    def successor(self, model: str) -> str | None:
        """What replaces a retired model or a snapshot of one; None for any other."""
        return self.retired.get(model) or self.retired.get(self.alias(model))


_SNAPSHOT = re.compile(r"(?P<alias>.+)-(?P<day>\d{4}-\d\d-\d\d|\d{8})", re.ASCII)
