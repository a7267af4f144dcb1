"""The table that turns a response without an answer into one failure, and its shared rows.

A row names the responses that it covers, and what they mean: a class, a code, a sentence and a next
step. Each format puts its own rows before, between and after the shared ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from llmwidgets.dialects.error_body import (
    ErrorBody,
    format_wait,
    parse_body,
    parse_error_body,
    quoted,
    read_wait,
    request_id,
)
from llmwidgets.dialects.types import Call, HTTPResponse
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

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What a row's sentence and hint can name."""
        address = urlsplit(self.url)._replace(query="", fragment="").geturl()
        target = urlsplit(self.payload.headers.get("location", ""))
        redirected = f"{target.scheme}://{target.hostname}"
        categories = ", ".join(self.body.categories)
        return {
            "status": self.status,
            "who": self.label or "The server",
            "owner": self.label or "the server",
            "account": self.label or "this key",
            "model": self.model,
            "deployment": self.model or "this",
            "named": f" {self.model}" if self.model else "",
            "the_model": f"the model {self.model}" if self.model else "the model",
            "address": address or self.label or "this address",
            "redirected": f" to {redirected}" if target.scheme and target.hostname else "",
            "categories": f" ({categories})" if categories else "",
        }


Words = str | Callable[[ErrorResponse], str]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a response means. Sentence and hint name its facts: `{who}`, `{model}`, …

    `code` is a code of ours; if it is empty, the server's own counts. With `quote`, the server's
    words follow. `waits` gives the hint instead, by the seconds that the server asks to wait.
    """

    kind: type[Failure]
    sentence: str
    hint: Words = ""
    code: Words = ""
    quote: bool = False
    waits: Callable[[float | None], str] | None = None
    perhaps_answered: bool = False
    parameter: str = ""

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
            request_id=request_id(payload, parse_body(payload)),
            code=code or body.code or body.type,
            retry_after=wait,
            perhaps_answered=self.perhaps_answered,
            parameter=self.parameter,
        )
        error.limits = read_limits(body.message)
        return error


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One row: it covers a response that is all that it names.

    `words` is looked for in everything the server says, `message` in its message alone, `url` in
    the address called; their named groups are facts for the sentence. `reasons`, `types` and
    `param` are the body's own words for what happened.
    """

    meaning: Meaning
    statuses: Container[int] = range(1000)
    words: re.Pattern[str] | None = None
    message: re.Pattern[str] | None = None
    url: re.Pattern[str] | None = None
    reasons: Container[str] | None = None
    types: Container[str] | None = None
    param: str = ""
    when: Callable[[ErrorResponse], bool] | None = None

    def explain(self, response: ErrorResponse) -> Failure | None:
        """The failure, or None if the row does not cover the response."""
        body = response.body
        if response.status not in self.statuses:
            return None
        if self.reasons is not None and body.reason not in self.reasons:
            return None
        if self.types is not None and body.type not in self.types:
            return None
        if self.param and body.param != self.param:
            return None
        named: dict[str, str] = {}
        for pattern, text in (
            (self.words, response.words), (self.message, body.message), (self.url, response.url),
        ):  # fmt: skip
            if pattern is None:
                continue
            match = pattern.search(text)
            if match is None:
                return None
            named |= match.groupdict()
        if self.when is not None and not self.when(response):
            return None
        return self.meaning.failure(response, named)


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """The rows of one format, tried in their order; `wrong_format` is for what is not of it."""

    wrong_format: Meaning
    rules: tuple[ErrorRule, ...]

    def explain(
        self, payload: HTTPResponse, *, label: str = "", model: str = "", call: Call | None = None
    ) -> Failure:
        """The failure that a payload without an answer means.

        A CallError, except if the provider judged the text or the answer: Filtered, Truncated.
        With the `call`, words that repeat the document are left out, and the address is named.
        """
        return self._explain(ErrorResponse.read(payload, call, label, model))

    def nothing_answers(self, payload: HTTPResponse, *, call: Call | None = None) -> Failure:
        """The error for a web page, or JSON of another kind, in place of an answer."""
        return self.wrong_format.failure(ErrorResponse.read(payload, call), {})

    def explain_upstream(
        self, payload: HTTPResponse, error: Any, *, call: Call | None = None
    ) -> Failure:
        """The failure that an error inside a reply means: what its code says, else Overloaded.

        It came under the status of a success, and is an answer like any other refusal: the usual
        tries hold.
        """
        inside = {"error": error if isinstance(error, dict) else {"message": str(error or "")}}
        outer = json.loads(payload.body)
        named = {name: outer[name] for name in ("id", "request_id") if name in outer}
        payload = replace(payload, body=json.dumps({**named, **inside}).encode())
        response = ErrorResponse.read(payload, call)
        if response.body.status is None:
            return _UPSTREAM.failure(response, {})
        return self._explain(response)

    def _explain(self, response: ErrorResponse) -> Failure:
        page = ErrorRule(self.wrong_format, _PAGES, when=lambda response: response.body.page)
        rows = (ErrorRule(_REDIRECTED, range(300, 400)), page, *self.rules, *_LAST)
        return next(failure for row in rows if (failure := row.explain(response)))


def broke_off(payload: HTTPResponse, *, call: Call | None) -> Failure:
    """The failure of an answer without its end, if nothing says why."""
    return _BROKE_OFF.failure(ErrorResponse.read(payload, call), {})


def form_refused(error: Failure) -> bool:
    """Whether the server does not take this form of answer, or not this schema in it."""
    refused = {FailureCode.RESPONSE_FORMAT, FailureCode.INVALID_SCHEMA}
    return isinstance(error, BadRequest) and error.code in refused


def parameter_refused(error: Failure) -> str | None:
    """The name of the one parameter that the server does not take, or None."""
    return (error.parameter or None) if isinstance(error, BadRequest) else None


# -- Meanings: each refusal is worded once.

BARE_BASE_URL = "Check the base URL: enter it without /v1."
PASTE_TARGET_URI = "Paste the target URI again: it is under Details of the deployment."
_AGAIN = "Try again in a minute."


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


def parameter_rules(
    names: Iterable[str], statuses: Container[int], refused: re.Pattern[str]
) -> list[ErrorRule]:
    """Rows for a parameter that is not taken: the one named as such, else the first mentioned."""
    meanings = [parameter_not_taken(name) for name in names]
    return [
        *(ErrorRule(each, statuses, words=refused, param=each.parameter) for each in meanings),
        *(
            ErrorRule(each, statuses, refused, re.compile(rf"\b{each.parameter}\b"))
            for each in meanings
        ),
    ]


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
    "There is no deployment called {deployment} on this resource.",
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
_NO_RIGHT = Meaning(
    Forbidden,
    "The key is valid but has no right to {the_model}.",
    "Ask the owner of the account for access.",
    quote=True,
)
_BLOCKED = Meaning(
    Forbidden,
    "{who} answers 403 with a web page: a proxy or firewall is in between.",
    "Ask the administrator of the network, or set a base URL that it lets through.",
)
_REDIRECTED = Meaning(
    Unreachable,
    "{who} answers with a redirect{redirected}, and a key is sent to its own host only.",
    "Use the address it leads to as the endpoint.",
)
_UPSTREAM = Meaning(
    Overloaded,
    "The model behind {who} failed before its answer was complete.",
    _AGAIN,
    lambda response: response.body.code or FailureCode.UPSTREAM,
    quote=True,
)
_BROKE_OFF = Meaning(
    Overloaded,
    "{who} sent an answer that breaks off, and gave no reason.",
    _AGAIN,
    FailureCode.BROKE_OFF,
    perhaps_answered=True,
)
"""It was perhaps answered and paid: it is asked at most once more."""


# -- Rows: what every format has in common.

_LONG_WAIT = 120
_PAGES = frozenset(range(500)) - {401, 402, 403, 408, 413, 429}
"""Statuses of a web page that say nothing but that the address is a wrong one."""
_AZURE_KEY = re.compile(r"wrong API endpoint|PermissionDenied|subscription key", re.I)
_SLOW_DOWN = re.compile(r"rate.?limit|too many requests", re.I)
_TROUBLE = re.compile(
    r"overloaded|upstream|provider returned|internal (?:server )?error|server error|timed? ?out"
    r"|temporarily|service unavailable|bad gateway",
    re.I,
)
"""Words of an error that comes under the status of a success, without a code."""

LIMITED = (
    ErrorRule(RATE_LIMITED, {429}),
    ErrorRule(RATE_LIMITED, {200}, message=_SLOW_DOWN),
)
FAILED = (
    ErrorRule(replace(OVERLOADED, perhaps_answered=True), {504}),
    ErrorRule(OVERLOADED, {408, 409, 425, *range(500, 1000)}),
)
FORBIDDEN = (
    ErrorRule(_BLOCKED, {403}, when=lambda response: response.body.page),
    ErrorRule(_NO_RIGHT, {403}),
)
_LAST = (ErrorRule(OVERLOADED, {200}, message=_TROUBLE), ErrorRule(BAD_REQUEST))


# -- Whole or cut: how an answer ended, by the server's word for it or by its look.

_FENCE = re.compile(r"```\w*\s*")
_FAILED = re.compile(
    r"error|fail|abort|cancel|time_?out|insufficient_system_resource", re.IGNORECASE
)
"""Endings of a model that failed: OpenRouter and Mistral, vLLM and sglang, Zhipu, DeepSeek."""


def ended_in_failure(reason: Any) -> bool:
    """Whether the word for how an answer ended means that the model failed.

    >>> ended_in_failure("network_error"), ended_in_failure("stop"), ended_in_failure(None)
    (True, False, False)
    """
    return isinstance(reason, str) and _FAILED.search(reason) is not None


def unfinished(text: str) -> bool:
    """Whether an answer that nothing calls ended is cut: it is empty, or JSON without its end.

    Other words can be all that was meant to be said.

    >>> unfinished('{"total": 12'), unfinished('{"total": 12}'), unfinished("OK")
    (True, False, False)
    """
    fence = _FENCE.match(bare := text.strip())
    bare = bare[fence.end() :].removesuffix("```").rstrip() if fence else bare
    if not bare.startswith(("{", "[")):
        return not bare
    try:
        json.loads(bare)
    except json.JSONDecodeError as error:
        ended = bare.endswith("}" if bare[0] == "{" else "]")
        cut = not ended or error.pos >= len(bare) or error.msg.startswith("Unterminated string")
        return cut and error.msg != "Extra data"
    except (ValueError, RecursionError):
        return False
    return False


# -- Token limits: how much room is left, as far as a server's refusal names it.


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """The numbers of tokens that a refusal names; None for those it does not.

    `window` is for question and answer together, `prompt` what the question takes of it,
    `requested` both with the answer asked for, `output` the most that one answer can have.
    """

    window: int | None = None
    prompt: int | None = None
    requested: int | None = None
    output: int | None = None

    def room(self, asked: int) -> int | None:
        """The most that an answer can ask for, after `asked` was refused; None if unknown."""
        prompt = self.prompt
        if prompt is None and self.requested is not None and self.requested > asked:
            prompt = self.requested - asked
        rooms = [self.output] if self.output is not None else []
        if self.window is not None and prompt is not None:
            rooms.append(self.window - prompt)
        return min(rooms, default=None)


_READ = 2000
"""Characters of a message that are read."""
_N = r"`?(?P<{}>\d[\d,]{{0,11}})`?"
_NAME = r"[`']?max[_ ](?:completion_|output_|new_)?tokens[`']?"
_WINDOW, _PROMPT, _OUTPUT = (_N.format(each) for each in ("window", "prompt", "output"))
_SUMS = (
    rf"context limit: {_PROMPT} \+ [\d,]+ > {_WINDOW}",
    rf"`?max_new_tokens`? must be <= {_WINDOW}\. Given: {_PROMPT} `inputs`",
)
"""Limits of question and answer together: what they name, other phrases would misread."""
_PHRASES = (
    rf"maximum context length (?:is|of) {_WINDOW}",
    rf"context (?:window|length|size|limit)(?: is| of|:)? {_WINDOW}",
    rf"max_model_len(?:gth)?(?: is| of|[=:])? ?{_WINDOW}",
    rf"{_PROMPT} (?:tokens )?(?:in|from) (?:the|your) (?:input )?(?:messages|prompt|input)",
    r"(?:prompt|request|input|messages) (?:contains?|has|have|resulted in)(?: at least)? "
    + _PROMPT,
    rf"requested (?:a total of )?{_N.format('requested')} tokens",
    rf"supports at most {_OUTPUT} (?:completion|output) tokens",
    rf"max_tokens: [\d,]+ > {_OUTPUT}, which is the maximum",
    rf"range of {_NAME} (?:is|should be) \[\d+, ?{_OUTPUT}\]",
    rf"{_NAME} must be (?:less than or equal to|at most|<=) {_OUTPUT}",
    rf"{_NAME}.{{0,80}}? expected a value <= {_OUTPUT}",
    rf"maximum tokens you requested exceeds the model limit of {_OUTPUT}",
    rf"supported range is from \d+ \(inclusive\) to {_N.format('above_output')} \(exclusive\)",
)
"""How known servers word their limits; the first phrase counts for each number."""


def read_limits(message: str) -> TokenLimits | None:
    """The limits in a server's words, by the phrases of known servers; None if it names none.

    >>> read_limits("This model's maximum context length is 8192 tokens. However, you requested "
    ...     "20500 tokens (404 in the messages, 20096 in the completion).").room(20096)
    7788
    """
    words = " ".join(message[:_READ].split())
    matches = _search(_SUMS, words) or _search(_PHRASES, words)
    numbers: dict[str, int] = {}
    for match in reversed(matches):
        numbers |= {name: int(text.replace(",", "")) for name, text in match.groupdict().items()}
    if "above_output" in numbers:
        numbers["output"] = numbers.pop("above_output") - 1
    return TokenLimits(**numbers) if {"window", "output"} & numbers.keys() else None


def _search(phrases: tuple[str, ...], words: str) -> list[re.Match[str]]:
    return [match for each in phrases if (match := re.search(each, words, re.I))]
