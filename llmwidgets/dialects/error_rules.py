"""One payload without an answer, with what is known about its call, on the way to an error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from llmwidgets.dialects.error_body import (
    ErrorBody,
    parse_body,
    parse_error_body,
    quoted,
    request_id,
)
from llmwidgets.dialects.types import Call, HTTPResponse
from llmwidgets.dialects.waits import format_wait, read_wait
from llmwidgets.errors import (
    BadRequest,
    CallError,
    Failure,
    Forbidden,
    Overloaded,
    RateLimited,
    TooLong,
    UnknownModel,
    Unreachable,
)


class ErrorResponse:
    """One payload to explain, with what is known about the call."""

    def __init__(
        self, payload: HTTPResponse, said: ErrorBody, label: str, model: str, call: Call | None
    ) -> None:
        self.payload, self.said, self.label, self.model, self.call = (
            payload, said, label, model, call,
        )  # fmt: skip
        self.who = label or "The server"
        self.model_words = f"the model {model}" if model else "the model"
        self.words = f"{said.code} {said.type} {said.inner} {said.param} {said.message}"

    def error(
        self,
        kind: type[CallError],
        message: str,
        hint: str = "",
        *,
        code: str = "",
        quote: bool = False,
        after: float | None = None,
        perhaps_answered: bool = False,
    ) -> CallError:
        words = quoted(self.said.message, self.call) if quote else ""
        error = kind(
            f"{message} It says: {words}" if words else message,
            hint,
            label=self.label,
            model=self.model,
            status=self.payload.status,
            request_id=request_id(self.payload, parse_body(self.payload)),
            code=code or self.said.code or self.said.type,
            retry_after=after,
            perhaps_answered=perhaps_answered,
        )
        error.limits = read_limits(self.said.message)
        return error


# -- What every dialect says alike about a payload without an answer; each adds rules of its own.

_SLOW_DOWN = re.compile(r"rate.?limit|too many requests", re.I)
_TROUBLE = re.compile(
    r"overloaded|upstream|provider returned|internal (?:server )?error|server error|timed? ?out"
    r"|temporarily|service unavailable|bad gateway",
    re.I,
)
"""Words of an error that comes under the status of a success, without a code."""

ErrorRule = Callable[[ErrorResponse, int], Failure | None]
"""Gives the failure that a payload of this status stands for, or None where it is another's."""

_SPEAKING = frozenset({401, 402, 403, 408, 413, 429})


def explain_by_rules(
    case: ErrorResponse, rules: Sequence[ErrorRule], elsewhere: Callable[[ErrorResponse], Failure]
) -> Failure:
    """The failure by the first rule that fits; `elsewhere` is for a page where JSON was due."""
    status = case.said.status or case.payload.status
    if 300 <= status < 400:
        return _redirected(case)
    if case.said.page and status < 500 and status not in _SPEAKING:
        return elsewhere(case)
    return next(found for found in (rule(case, status) for rule in rules) if found is not None)


def read_error_response(
    payload: HTTPResponse, label: str, model: str, call: Call | None
) -> ErrorResponse:
    """The payload with its words read, and what its call tells."""
    return ErrorResponse(
        payload,
        parse_error_body(payload),
        label or (call.label if call else ""),
        model or (call.model if call else ""),
        call,
    )


def nothing_answers(case: ErrorResponse, form: str, hint: str) -> CallError:
    """The error for a web page, or JSON of another kind, where an answer was asked for."""
    return Unreachable(
        f"Nothing of {form} format answers at {_address(case.call) or case.label or 'this address'}"
        ".",
        hint,
        label=case.label,
        model=case.model,
        status=case.payload.status,
        request_id=request_id(case.payload, None),
        code=f"no {form} format",
    )


def _address(call: Call | None) -> str:
    if call is None:
        return ""
    parts = urlsplit(call.url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _redirected(case: ErrorResponse) -> CallError:
    parts = urlsplit(case.payload.headers.get("location", ""))
    to = f" to {parts.scheme}://{parts.hostname}" if parts.scheme and parts.hostname else ""
    return case.error(
        Unreachable,
        f"{case.who} answers with a redirect{to}, and a key travels to its own host only.",
        "Use the address it leads to as the endpoint.",
    )


def rate_limited(case: ErrorResponse, status: int) -> Failure | None:
    """Too many requests, and when the server takes them again."""
    if status != 429 and not (status == 200 and _SLOW_DOWN.search(case.said.message)):
        return None
    after = read_wait(case.payload, case.said, limited=True)
    hint = "Wait, or ask with less at a time."
    if after and after >= 120:
        hint = f"It accepts requests again in {format_wait(after)}: ask again then."
    elif after:
        hint = f"Wait {format_wait(after)}, then ask again."
    return case.error(
        RateLimited, f"{case.who} accepts no more requests for now.", hint, after=after,
        code=_no_retry(case),
    )  # fmt: skip


def _no_retry(case: ErrorResponse) -> str:
    refused = case.payload.headers.get("x-should-retry", "").lower() == "false"
    return "x-should-retry: false" if refused else ""


def overloaded(case: ErrorResponse, status: int) -> Failure | None:
    """The server is overloaded, or had an error of its own."""
    if status < 500 and status not in {408, 409, 425}:
        return None
    return _failed(case, status)


def _failed(case: ErrorResponse, status: int) -> Failure:
    after = read_wait(case.payload, case.said)
    return case.error(
        Overloaded,
        f"{case.who} is overloaded or has an error of its own ({status}).",
        f"Try again in {format_wait(after)}."
        if after and after >= 120
        else "Try again in a minute.",
        after=after,
        code=_no_retry(case),
        perhaps_answered=status == 504,
    )


def forbidden(case: ErrorResponse, status: int) -> Failure | None:
    """The key is valid, and has no right to this; or a firewall answers."""
    if status != 403:
        return None
    if case.said.page:
        return case.error(
            Forbidden,
            f"{case.who} answers 403 with a web page: a proxy or firewall stands in between.",
            "Ask the administrator of the network, or set a base URL that it lets through.",
        )
    return case.error(
        Forbidden, f"The key is valid but has no right to {case.model_words}.",
        "Ask the owner of the account for access.", quote=True,
    )  # fmt: skip


def no_deployment(case: ErrorResponse) -> Failure:
    """Azure has no deployment of this name, which most often is the model's name."""
    return case.error(
        UnknownModel,
        f"There is no deployment called {case.model or 'this'} on this resource.",
        "Azure expects the deployment's name, not the model's: look it up in the Foundry portal "
        "(ai.azure.com) under Deployments. One made within the last 5 minutes needs another "
        "moment.",
        code="DeploymentNotFound",
    )


def no_model(case: ErrorResponse, hint: str, where: str = "") -> Failure:
    """The server has no model of this name, or not for this key."""
    return case.error(
        UnknownModel,
        f"{case.who} has no model {case.model}".rstrip()
        + f"{where} (misspelled, or without access).",
        hint or "Check the name against the provider's list of models.",
        code=case.said.type if case.said.code.isdigit() else "",
    )


def too_long(case: ErrorResponse) -> Failure:
    """The text does not fit into the model's window."""
    return case.error(
        TooLong,
        f"The text is longer than {case.model_words} can read.",
        "Take a model with a larger window, or split the text.",
    )


def schema_refused(case: ErrorResponse) -> Failure:
    """The server cannot take this schema."""
    return case.error(
        BadRequest, f"{case.who} cannot take this schema.",
        "The schema can go into the prompt instead.", code="invalid_schema", quote=True,
    )  # fmt: skip


def parameter_not_taken(case: ErrorResponse, name: str) -> Failure:
    """The server does not take one parameter, which is left out from then on."""
    return case.error(
        BadRequest, f"{case.who} does not take {name} for {case.model_words}.",
        f"Leave {name} out.", code=f"unsupported_parameter:{name}", quote=True,
    )  # fmt: skip


def bad_request(case: ErrorResponse, status: int, hint: str = "") -> Failure:
    """The server does not take the request, for a reason of its own: the last rule."""
    if status == 200 and _TROUBLE.search(case.said.message):
        return _failed(case, status)
    return case.error(
        BadRequest, f"{case.who} does not take the request ({status}).",
        hint or "The exact request can be looked at in the result.", quote=True,
    )  # fmt: skip


def form_refused(error: Failure) -> bool:
    """Whether the server does not take this form of answer, or not this schema in it."""
    return isinstance(error, BadRequest) and error.code in {"response_format", "invalid_schema"}


def parameter_refused(error: Failure) -> str | None:
    """The name of the one parameter that the server does not take, or None."""
    if isinstance(error, BadRequest) and error.code.startswith("unsupported_parameter:"):
        return error.code.partition(":")[2]
    return None


# -- Upstream: failures behind a server that come under the status of a success.
#
# One that is told (an error object, an ending that means one) is an answer like any refusal, so the
# usual tries hold. One that only shows, in an answer that breaks off without a word, was perhaps
# answered and paid: it is asked at most once more.

_AGAIN = "Try again in a minute."
_FENCE = re.compile(r"```\w*\s*")
_FAILED = re.compile(
    r"error|fail|abort|cancel|time_?out|insufficient_system_resource", re.IGNORECASE
)
"""Endings of a model that failed: OpenRouter and Mistral, vLLM and sglang, Zhipu, DeepSeek."""


def ended_in_failure(reason: Any) -> bool:
    """Whether the word for how an answer ended means that the model failed.

    >>> ended_failed("network_error"), ended_failed("stop"), ended_failed(None)
    (True, False, False)
    """
    return isinstance(reason, str) and _FAILED.search(reason) is not None


def find_upstream_error(
    payload: HTTPResponse, error: Any, rules: Sequence[ErrorRule], *, call: Call | None
) -> Failure:
    """The failure that an error inside a reply stands for: what its code says, else Overloaded."""
    inside = {"error": error if isinstance(error, dict) else {"message": str(error or "")}}
    outer = json.loads(payload.body)
    named = {name: outer[name] for name in ("id", "request_id") if name in outer}
    case = read_error_response(
        replace(payload, body=json.dumps({**named, **inside}).encode()), "", "", call
    )  # fmt: skip
    if case.said.status is not None:
        return explain_by_rules(case, rules, lambda each: each.error(Overloaded, "", _AGAIN))
    said = f"The model behind {case.who} failed before its answer was complete."
    return case.error(Overloaded, said, _AGAIN, code=case.said.code or "upstream", quote=True)


def broke_off(payload: HTTPResponse, *, call: Call | None) -> Failure:
    """The failure that an answer without its end stands for, where nothing says why."""
    case = read_error_response(payload, "", "", call)
    return case.error(
        Overloaded,
        f"{case.who} sent an answer that breaks off, and gave no reason.",
        _AGAIN,
        code="broke off",
        perhaps_answered=True,
    )


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


# -- Token limits: how much room a server's refusal says that there is, read out of its words.


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """What a refusal tells in tokens; None for what it does not.

    `window` is for question and answer together, `prompt` what the question takes of it,
    `requested` both with the answer asked for, `output` the most that one answer can have.
    """

    window: int | None = None
    prompt: int | None = None
    requested: int | None = None
    output: int | None = None

    def room(self, asked: int) -> int | None:
        """The most that an answer can ask for, where `asked` was refused; None where untold."""
        prompt = self.prompt
        if prompt is None and self.requested is not None and self.requested > asked:
            prompt = self.requested - asked
        rooms = [self.output] if self.output is not None else []
        if self.window is not None and prompt is not None:
            rooms.append(self.window - prompt)
        return min(rooms, default=None)


_LONGEST = 2000
_N = r"`?(\d[\d,]{0,11})`?"
_NAME = r"[`']?max[_ ](?:completion_|output_|new_)?tokens[`']?"
_WINDOWS = (
    rf"maximum context length (?:is|of) {_N}",
    rf"context (?:window|length|size|limit)(?: is| of|:)? {_N}",
    rf"max_model_len(?:gth)?(?: is| of|[=:])? ?{_N}",
)
_PROMPTS = (
    rf"{_N} (?:tokens )?(?:in|from) (?:the|your) (?:input )?(?:messages|prompt|input)",
    rf"(?:prompt|request|input|messages) (?:contains?|has|have|resulted in)(?: at least)? {_N}",
)
_REQUESTED = (rf"requested (?:a total of )?{_N} tokens",)
_OUTPUTS = (
    rf"supports at most {_N} (?:completion|output) tokens",
    rf"max_tokens: [\d,]+ > {_N}, which is the maximum",
    rf"range of {_NAME} (?:is|should be) \[\d+, ?{_N}\]",
    rf"{_NAME} must be (?:less than or equal to|at most|<=) {_N}",
    rf"{_NAME}.{{0,80}}? expected a value <= {_N}",
    rf"maximum tokens you requested exceeds the model limit of {_N}",
)
_SUM = re.compile(rf"context limit: {_N} \+ {_N} > {_N}", re.I)
_TGI = re.compile(rf"`?max_new_tokens`? must be <= {_N}\. Given: {_N} `inputs`", re.I)
_BELOW = re.compile(rf"supported range is from \d+ \(inclusive\) to {_N} \(exclusive\)", re.I)


def read_limits(message: str) -> TokenLimits | None:
    """The limits in a server's words, by the phrases of servers that are known; None without one.

    >>> read_limits("This model's maximum context length is 8192 tokens. However, you requested "
    ...     "20500 tokens (404 in the messages, 20096 in the completion).").room(20096)
    7788
    """
    said = " ".join(message[:_LONGEST].split())
    total = _SUM.search(said)
    if total:
        return TokenLimits(window=_number(total[3]), prompt=_number(total[1]))
    given = _TGI.search(said)
    if given:
        return TokenLimits(window=_number(given[1]), prompt=_number(given[2]))
    below = _BELOW.search(said)
    output = _number(below[1]) - 1 if below else _first(_OUTPUTS, said)
    window = _first(_WINDOWS, said)
    if window is None and output is None:
        return None
    return TokenLimits(window, _first(_PROMPTS, said), _first(_REQUESTED, said), output)


def _first(patterns: tuple[str, ...], said: str) -> int | None:
    found = (re.search(pattern, said, re.I) for pattern in patterns)
    return next((_number(each[1]) for each in found if each), None)


def _number(text: str) -> int:
    return int(text.replace(",", ""))
