"""What an error response means: each refusal is worded once, with its class, code and next step.

The rows of `error_table.py` and of each format say which responses mean it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from llmwidgets.dialects.error_body import (
    ErrorBody,
    parse_error_body,
    quoted,
    read_limits,
    redirect_target,
    request_id,
)
from llmwidgets.dialects.response_body import read_body
from llmwidgets.dialects.types import Call, HTTPResponse
from llmwidgets.dialects.waits import format_wait, read_wait
from llmwidgets.errors import (
    BadRequest,
    CallError,
    Failure,
    FailureCode,
    Filtered,
    Forbidden,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    TooLong,
    Unauthorized,
    UnknownModel,
    Unreachable,
    name_server,
)


@dataclass(frozen=True)
class ErrorResponse:
    """A response without an answer, together with the request that caused it."""

    payload: HTTPResponse
    body: ErrorBody
    label: str
    model: str
    call: Call | None

    @classmethod
    def read(
        cls, payload: HTTPResponse, call: Call | None, label: str = "", model: str = ""
    ) -> ErrorResponse:
        """The response with its body parsed; label and model are the call's if not given."""
        label = label or (call.label if call else "")
        return cls(
            payload, parse_error_body(payload), label, model or (call.model if call else ""), call
        )

    @cached_property
    def status(self) -> int:
        """The status that counts: one in the body of a success is more than the success."""
        return self.body.status or self.payload.status

    @cached_property
    def words(self) -> str:
        """All that the server says, in one text for the patterns of the rows."""
        body = self.body
        return f"{body.code} {body.type} {body.inner} {body.param} {body.message}"

    @property
    def url(self) -> str:
        return self.call.url if self.call else ""

    @property
    def principal(self) -> str:
        """Whose token was sent, by the token itself, else by what the server says; perhaps empty.

        It can be put into a command: of other signs than those of accounts it has none.
        """
        said = re.search(r"principal[ :]+[`'\"]?([\w-]{20,})", self.body.message, re.I)
        named = self.payload.account or (said[1] if said else "")
        return named if re.fullmatch(r"[^\W_][\w.@#+'-]{0,253}", named) else ""

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What a row's sentence and hint can name."""
        address = urlsplit(self.url)._replace(query="", fragment="").geturl()
        target = redirect_target(self.payload.headers.get("location", ""), self.call)
        categories = ", ".join(self.body.categories)
        host = urlsplit(self.url).netloc
        server = name_server(self.label, self.model, host)
        who = server or "The server"
        if self.body.upstream:
            who = f"{who}'s provider {self.body.upstream}"
        return {
            "status": self.status,
            "who": who,
            "owner": server or "the server",
            "account": server or "this key",
            "principal": self.principal or "the account that you are signed in to",
            "assignee": self.principal or "ACCOUNT",
            "host": host,
            "model": self.model,
            "named": f" {self.model}" if self.model else "",
            "the_model": f"the model {self.model}" if self.model else "the model",
            "address": address or self.label or "this address",
            "redirected": f" to {target}" if target else "",
            "categories": f" ({categories})" if categories else "",
        }


Words = str | Callable[[ErrorResponse], str]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a response means. Sentence and hint name its facts: `{who}`, `{model}`, …

    `code` is a code of ours; if it is empty, the server's own counts. With `quote`, the server's
    words follow. `waits` gives the hint instead, by the seconds that the server asks to wait.
    `command` is a line for the shell of whoever can put it right.
    """

    kind: type[Failure]
    sentence: str
    hint: Words = ""
    code: Words = ""
    quote: bool = False
    waits: Callable[[float | None], str] | None = None
    perhaps_answered: bool = False
    parameter: str = ""
    command: str = ""

    def failure(self, response: ErrorResponse, named: dict[str, str]) -> Failure:
        """The failure itself; `named` are more facts, by the groups of the row's patterns."""
        facts = {**response.facts, **named}
        sentence, wait = self.sentence.format(**facts), None
        payload, body = response.payload, response.body
        if self.waits:
            wait = read_wait(payload, body, limited=self.kind is RateLimited)
            hint = self.waits(wait)
        else:
            # What a function returns can hold the server's words, braces among them.
            hint = self.hint.format(**facts) if isinstance(self.hint, str) else self.hint(response)
        if not issubclass(self.kind, CallError):
            return self.kind(sentence, hint)
        words = quoted(body.message, response.call) if self.quote else ""
        code = self.code if isinstance(self.code, str) else self.code(response)
        if self.waits and payload.headers.get("x-should-retry", "").lower() == "false":
            code = FailureCode.NO_RETRY
        error = self.kind(
            f"{sentence} It says: {words}" if words else sentence,
            hint,
            label=response.label,
            model=response.model,
            status=payload.status,
            request_id=request_id(payload, read_body(payload)),
            code=code or body.code or body.type,
            retry_after=wait,
            perhaps_answered=self.perhaps_answered,
            parameter=self.parameter,
        )
        error.limits = read_limits(body.message)
        error.command = self.command.format(**facts)
        return error


BARE_BASE_URL = "Check the base URL: enter it without /v1."
OPEN_IN_BROWSER = (
    "Open the address in a browser: a login page, a proxy or another program may sit there."
)
PASTE_TARGET_URI = "Paste the target URI again: it is under Details of the deployment."
_AGAIN = "Try again in a minute."
_LONG_WAIT = 120
_AZURE_KEY = re.compile(r"wrong API endpoint|PermissionDenied|subscription key", re.I)


def _limit_step(wait: float | None) -> str:
    if not wait:
        return "Wait, or ask with less at a time."
    if wait < _LONG_WAIT:
        return f"Wait {format_wait(wait)}, then ask again."
    return f"It accepts requests again in {format_wait(wait)}: ask again then."


def _overload_step(wait: float | None) -> str:
    return f"Try again in {format_wait(wait)}." if wait and wait >= _LONG_WAIT else _AGAIN


def _key_step(response: ErrorResponse) -> str:
    if response.call is not None and not response.call.auth:
        return "The server asks for a key: fill in the API key or the auth token."
    azure = _AZURE_KEY.search(response.words)
    other = ", or it belongs to another resource than this endpoint" if azure else ""
    return f"Check that it was copied whole{other}."


def _model_code(response: ErrorResponse) -> str:
    """The server's word for it: its code, unless that only repeats the status."""
    return response.body.type if response.body.code.isdigit() else ""


def wrong_format(name: str, hint: Words) -> Meaning:
    """What answers at the address is not an API of this format."""
    sentence = f"No {name}-compatible API found at {{address}}."
    return Meaning(Unreachable, sentence, hint, FailureCode.WRONG_FORMAT)


def parameter_not_taken(name: str) -> Meaning:
    """The server does not take one parameter, which is left out from then on."""
    return Meaning(
        BadRequest, f"{{who}} does not take {name} for {{the_model}}.", f"Leave {name} out.",
        f"unsupported_parameter:{name}", quote=True, parameter=name,
    )  # fmt: skip


KEY_REFUSED = Meaning(Unauthorized, "The key was not accepted by {owner}.", _key_step)
NO_CREDIT = Meaning(
    QuotaExhausted,
    "The account of {account} has no credit or quota left.",
    "Add credit, or raise the limit, on the provider's billing page.",
    lambda response: response.body.code or FailureCode.INSUFFICIENT_QUOTA,
)
FILTERED = Meaning(
    Filtered,
    "The provider's safety filter stopped this text{categories}.",
    "Leave the text out, or ask a model of another provider.",
)
TOO_LONG = Meaning(
    TooLong,
    "The text is longer than {the_model} can read.",
    "Take a model with a larger window, or split the text.",
)
NO_MODEL = Meaning(
    UnknownModel,
    "{who} has no model{named} (misspelled, or without access).",
    "Check the name against the provider's list of models.",
    _model_code,
)
NO_DEPLOYMENT = Meaning(
    UnknownModel,
    "There is no deployment called {model} on this resource.",
    "Azure expects the deployment's name, not the model's: look it up in the Foundry portal "
    "(ai.azure.com) under Deployments. One made within the last 5 minutes needs another moment.",
    FailureCode.NO_DEPLOYMENT,
)
FORM_REFUSED = Meaning(
    BadRequest,
    "{who} does not take this response_format.",
    "A test of the connection finds the form it takes.",
    FailureCode.RESPONSE_FORMAT,
    quote=True,
)
SCHEMA_REFUSED = Meaning(
    BadRequest,
    "{who} cannot take this schema.",
    "The schema can go into the prompt instead.",
    FailureCode.INVALID_SCHEMA,
    quote=True,
)
BAD_REQUEST = Meaning(
    BadRequest,
    "{who} does not take the request ({status}).",
    "The exact request can be looked at in the result.",
    quote=True,
)
RATE_LIMITED = Meaning(RateLimited, "{who} accepts no more requests for now.", waits=_limit_step)
OVERLOADED = Meaning(
    Overloaded,
    "{who} is overloaded or has an error of its own ({status}).",
    waits=_overload_step,
)
NO_RIGHT = Meaning(
    Forbidden,
    "The key is valid but has no right to {the_model}.",
    "Ask the owner of the account for access.",
    quote=True,
)
BLOCKED = Meaning(
    Forbidden,
    "{who} answers 403 with a web page: a proxy or firewall is in between.",
    "Ask the administrator of the network, or set a base URL that it lets through.",
)
REDIRECTED = Meaning(
    Unreachable,
    "{who} answers with a redirect{redirected}, and a key is sent to its own host only.",
    "Use the address it leads to as the endpoint.",
)
UPSTREAM = Meaning(
    Overloaded,
    "The model behind {who} failed before its answer was complete.",
    _AGAIN,
    lambda response: response.body.code or FailureCode.UPSTREAM,
    quote=True,
)
BROKE_OFF = Meaning(
    Overloaded,
    "{who} sent an answer that breaks off, and gave no reason that is known.",
    _AGAIN,
    FailureCode.BROKE_OFF,
    perhaps_answered=True,
)
"""It was perhaps answered and paid: it is asked at most once more."""
DAMAGED = replace(
    BROKE_OFF,
    sentence="{who} sent a reply that is not valid JSON, though it begins as JSON.",
    hint="Look at the server, or at a proxy in front of it that changes replies.",
    code=FailureCode.DAMAGED,
)
NESTED = replace(DAMAGED, sentence="{who} sent a reply whose JSON is nested too deeply to be read.")
STREAM_ONLY = Meaning(
    BadRequest,
    "{who} answers {the_model} only as a stream.",
    "Look into the server's own log: it was asked for a stream as well.",
    FailureCode.STREAM_ONLY,
    quote=True,
    parameter="stream",
)


def broke_off(payload: HTTPResponse, *, call: Call | None) -> Failure:
    """The failure of an answer without its end, if nothing says why."""
    return BROKE_OFF.failure(ErrorResponse.read(payload, call), {})


def form_refused(error: Failure) -> bool:
    """Whether the server does not take this form of answer, or not this schema in it."""
    refused = {FailureCode.RESPONSE_FORMAT, FailureCode.INVALID_SCHEMA}
    return isinstance(error, BadRequest) and error.code in refused


def parameter_refused(error: Failure) -> str | None:
    """The name of the one parameter that the server does not take, or None."""
    return (error.parameter or None) if isinstance(error, BadRequest) else None
