"""What flows between a question and an answer: the frozen values of every dialect.

Request ─encode→ Call ─transport→ HTTPResponse ─decode→ Reply
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol

from llmwidgets.schemas import Compiled
from llmwidgets.secret import Secret

if TYPE_CHECKING:
    from llmwidgets.errors import Failure
    from llmwidgets.schemas import SchemaSubset

Effort = Literal["least", "vendor", "low", "medium", "high"]
"""How much thinking a variant asks for; `least` is off if the model allows it."""


class ResponseFormat(StrEnum):
    """How the schema is sent in the request, strictest first: the ladder a probe climbs down."""

    JSON_SCHEMA = "json_schema"
    JSON_OBJECT_SCHEMA = "json_object + schema"
    JSON_OBJECT = "json_object"
    TOOL = "tool"
    TEXT = "text"


class Enforcement(StrEnum):
    """What the server was seen to do with the form; it is shown on every result."""

    SCHEMA = "schema enforced"
    JSON = "JSON only"
    TEXT = "text only"


BEST: dict[ResponseFormat, Enforcement] = {
    ResponseFormat.JSON_SCHEMA: Enforcement.SCHEMA,
    ResponseFormat.JSON_OBJECT_SCHEMA: Enforcement.SCHEMA,
    ResponseFormat.JSON_OBJECT: Enforcement.JSON,
    ResponseFormat.TOOL: Enforcement.JSON,
    ResponseFormat.TEXT: Enforcement.TEXT,
}
"""The most that a form can bring, if the server obeys it."""


@dataclass(frozen=True, slots=True)
class Capability:
    """What one model of one connection was seen, or is known, to enforce.

    `tried` has a row for each form a probe sent: (form, what the server did, obeyed). `doubt` is
    why a probe could not tell: form and mode are then only how to ask meanwhile, and not kept.
    """

    form: ResponseFormat
    mode: Enforcement
    tried: tuple[tuple[ResponseFormat, str, bool], ...] = ()
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of the document; there can be other kinds of part one day."""

    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """A text and the record it should give, shown to the model before the document."""

    text: str
    record: Any


@dataclass(frozen=True, slots=True)
class Request:
    """One question to one model, before it is spelled in a dialect.

    `schema` is already compiled for the dialect's subset. `effort_sent` is the provider's own
    word for the thinking level, or None if nothing is sent.
    """

    model: str
    instructions: str
    parts: tuple[TextPart, ...]
    schema: Compiled
    form: ResponseFormat
    max_output_tokens: int
    examples: tuple[Example, ...] = ()
    schema_in_prompt: bool = False
    effort_sent: str | None = None
    temperature: float | None = None


ExchangeSource = Literal["google", "google_machine", "entra"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is exchanged for a token before a call is sent: by which source, and what it is for.

    `source` names the engine's part that asks for the token. `scope` is what the token gives
    access to, `second_scope` what is tried once if a server refuses that one. `hosts` are the
    services that are asked as a rule. `options` are plain values of the form that the source
    reads, a tenant say.
    """

    source: ExchangeSource
    scope: str = ""
    options: tuple[tuple[str, str], ...] = ()
    second_scope: str = ""
    hosts: tuple[str, ...] = ()

    def given(self, **options: str | None) -> Exchange:
        """The exchange with those of these options that have a value."""
        named = tuple((name, value) for name, value in options.items() if value)
        return replace(self, options=named)

    def option(self, name: str) -> str:
        """The value of an option; empty if the form leaves it out."""
        return dict(self.options).get(name, "")


@dataclass(frozen=True, slots=True)
class AuthHeader:
    """A header with a secret in its value; `template` has `{}` where the secret goes.

    With `exchange`, the secret itself is not sent: the engine exchanges it for a token first. It is
    empty where nothing typed is exchanged, as with the sign-in of a machine.
    """

    name: str
    secret: Secret
    template: str = "{}"
    exchange: Exchange | None = None

    @classmethod
    def bearer(cls, secret: Secret, exchange: Exchange | None = None) -> AuthHeader:
        """The header of most servers."""
        return cls("Authorization", secret, "Bearer {}", exchange)


def exchange_of(auth: Iterable[AuthHeader], source: str = "") -> Exchange | None:
    """What is exchanged for a token among these headers, by this source if one is named."""
    exchanges = (each.exchange for each in auth if each.exchange is not None)
    return next((each for each in exchanges if source in {"", each.source}), None)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a model of a connection answers, and what its requests have to look like.

    `url` is the base to which the dialect adds its route. `options` are the differences inside
    a dialect, by the names that dialect documents; in any of them `forms` are those that this
    server is asked for, and `answered_by` names who answers, if one address leads to several.
    """

    url: str
    model: str
    auth: tuple[AuthHeader, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    ca_bundle: str | None = None
    allow_plain_http: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, secrets still closed.

    `body` is JSON, a Secret that is sent as a form (for a token), or None for a GET. `question` is
    whether a model is to answer it. With `brings_token`, a good reply is a token, perhaps the one
    that is in use already: nothing in it is masked. `account` is whose token the call carries.
    """

    method: Literal["GET", "POST"]
    url: str
    auth: tuple[AuthHeader, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    ca_bundle: str | None = None
    allow_plain_http: bool = False
    label: str = ""
    model: str = ""
    brings_token: bool = False
    account: str = ""
    question: bool = False
    spelled: bytes | None = field(default=None, repr=False, compare=False)

    def shown(self) -> dict[str, Any]:
        """The request as a user may look at it: every secret cut."""
        secret = {header.name: header.template.format("••••") for header in self.auth}
        return {
            "method": self.method,
            "url": self.url,
            "headers": {**self.headers, **secret},
            "body": self.body,
        }


@dataclass(frozen=True, slots=True)
class HTTPResponse:
    """An HTTP reply as it came: status, headers in lower case, body, seconds it took.

    `first_byte_seconds` is the part of `seconds` spent waiting for the reply's head, `account`
    whose token the call carried.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    seconds: float
    first_byte_seconds: float = 0.0
    account: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call; None if the server does not report them. Output includes reasoning."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def total_tokens(self) -> int | None:
        """Input and output together; None if one of them is not reported."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


Ending = Literal["complete", "refused", "filtered", "truncated"]


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a model, read out of a payload: thinking left out, nothing repaired.

    `ending` is why it stopped; `explanation` has the provider's words for a refusal or a
    filter category, and of a whole answer what is odd about it. `thinking` is the mark or field of
    thinking that has taken the answer's place, or cannot be told apart from it.
    """

    text: str
    ending: Ending
    usage: Usage
    served_model: str | None = None
    request_id: str | None = None
    explanation: str = ""
    thinking: str = ""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model in the provider's live list; `ends` is an ISO day or None.

    `lifecycle` is the provider's own word, empty if it gives none. Limits are in tokens.
    `form` is the strictest form that the model takes by the list, `thinks` whether it can think at
    all; None if the list is silent.
    """

    id: str
    ends: str | None = None
    input_limit: int | None = None
    output_limit: int | None = None
    lifecycle: str = ""
    form: ResponseFormat | None = None
    thinks: bool | None = None


def forms_asked(dialect: Dialect, target: Target) -> tuple[ResponseFormat, ...]:
    """The forms that this server is asked for, strictest first: all of the format, or some."""
    forms: tuple[ResponseFormat, ...] = target.options.get("forms", dialect.LADDER)
    if target.options.get("object_schema"):
        return forms
    return tuple(each for each in forms if each is not ResponseFormat.JSON_OBJECT_SCHEMA)


class Dialect(Protocol):
    """What a module of `dialects/` gives: how a request is spelled, and how replies are read.

    Pure functions. `LADDER` are the forms a server is asked for, strictest first; `SUBSET` is what
    it enforces of JSON Schema; `SAMPLING`, whether it takes a temperature along with thinking.
    """

    @property
    def NAME(self) -> str: ...
    @property
    def SAMPLING(self) -> bool: ...
    @property
    def LADDER(self) -> tuple[ResponseFormat, ...]: ...
    @property
    def SUBSET(self) -> SchemaSubset: ...

    def form_for(self, form: ResponseFormat, schema: Compiled) -> ResponseFormat:
        """The form that can be asked for with this schema: the one given, or a looser one."""

    def encode(self, request: Request, target: Target) -> Call:
        """The request as an HTTP call."""

    def decode(self, payload: HTTPResponse, *, call: Call | None = None) -> Reply:
        """The reply in a payload; a Failure where it has none."""

    def explain(
        self, payload: HTTPResponse, *, label: str = "", model: str = "", call: Call | None = None
    ) -> Failure:
        """What a payload without an answer means, with the next step."""

    def count_call(self, target: Target) -> Call | None:
        """The free call that counts tokens; None if the format has none."""

    def models_call(self, target: Target) -> Call:
        """The free call that lists models."""

    def listed_models(
        self, payload: HTTPResponse, call: Call | None = None
    ) -> tuple[list[ListedModel], Call | None]:
        """The models in a page of the list, and the call for the next page."""
