"""What every dialect says alike about a payload without an answer; each adds rules of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from llmwidgets.dialects.error_body import read_said, request_id
from llmwidgets.dialects.error_rules import Case
from llmwidgets.dialects.types import Call, Payload
from llmwidgets.dialects.waits import in_words, wait
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

_SLOW_DOWN = re.compile(r"rate.?limit|too many requests", re.I)
_TROUBLE = re.compile(
    r"overloaded|upstream|provider returned|internal (?:server )?error|server error|timed? ?out"
    r"|temporarily|service unavailable|bad gateway",
    re.I,
)
"""Words of an error that comes under the status of a success, without a code."""

Rule = Callable[[Case, int], Failure | None]
"""Gives the failure that a payload of this status stands for, or None where it is another's."""

_SPEAKING = frozenset({401, 402, 403, 408, 413, 429})


def explained(case: Case, rules: Sequence[Rule], elsewhere: Callable[[Case], Failure]) -> Failure:
    """The failure by the first rule that fits; `elsewhere` is for a page where JSON was due."""
    status = case.said.status or case.payload.status
    if 300 <= status < 400:
        return _redirected(case)
    if case.said.page and status < 500 and status not in _SPEAKING:
        return elsewhere(case)
    return next(found for found in (rule(case, status) for rule in rules) if found is not None)


def read_case(payload: Payload, label: str, model: str, call: Call | None) -> Case:
    """The payload with its words read, and what its call tells."""
    return Case(
        payload,
        read_said(payload),
        label or (call.label if call else ""),
        model or (call.model if call else ""),
        call,
    )


def nothing_answers(case: Case, form: str, hint: str) -> CallError:
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


def _redirected(case: Case) -> CallError:
    parts = urlsplit(case.payload.headers.get("location", ""))
    to = f" to {parts.scheme}://{parts.hostname}" if parts.scheme and parts.hostname else ""
    return case.error(
        Unreachable,
        f"{case.who} answers with a redirect{to}, and a key travels to its own host only.",
        "Use the address it leads to as the endpoint.",
    )


def limited(case: Case, status: int) -> Failure | None:
    """Too many requests, and when the server takes them again."""
    if status != 429 and not (status == 200 and _SLOW_DOWN.search(case.said.message)):
        return None
    after = wait(case.payload, case.said, limited=True)
    hint = "Wait, or ask with less at a time."
    if after and after >= 120:
        hint = f"It accepts requests again in {in_words(after)}: ask again then."
    elif after:
        hint = f"Wait {in_words(after)}, then ask again."
    return case.error(
        RateLimited, f"{case.who} accepts no more requests for now.", hint, after=after,
        code=_no_retry(case),
    )  # fmt: skip


def _no_retry(case: Case) -> str:
    refused = case.payload.headers.get("x-should-retry", "").lower() == "false"
    return "x-should-retry: false" if refused else ""


def overloaded(case: Case, status: int) -> Failure | None:
    """The server is overloaded, or had an error of its own."""
    if status < 500 and status not in {408, 409, 425}:
        return None
    return _failed(case, status)


def _failed(case: Case, status: int) -> Failure:
    after = wait(case.payload, case.said)
    return case.error(
        Overloaded,
        f"{case.who} is overloaded or has an error of its own ({status}).",
        f"Try again in {in_words(after)}." if after and after >= 120 else "Try again in a minute.",
        after=after,
        code=_no_retry(case),
        perhaps_answered=status == 504,
    )


def forbidden(case: Case, status: int) -> Failure | None:
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


def no_deployment(case: Case) -> Failure:
    """Azure has no deployment of this name, which most often is the model's name."""
    return case.error(
        UnknownModel,
        f"There is no deployment called {case.model or 'this'} on this resource.",
        "Azure expects the deployment's name, not the model's: look it up in the Foundry portal "
        "(ai.azure.com) under Deployments. One made within the last 5 minutes needs another "
        "moment.",
        code="DeploymentNotFound",
    )


def no_model(case: Case, hint: str, where: str = "") -> Failure:
    """The server has no model of this name, or not for this key."""
    return case.error(
        UnknownModel,
        f"{case.who} has no model {case.model}".rstrip()
        + f"{where} (misspelled, or without access).",
        hint or "Check the name against the provider's list of models.",
        code=case.said.type if case.said.code.isdigit() else "",
    )


def too_long(case: Case) -> Failure:
    """The text does not fit into the model's window."""
    return case.error(
        TooLong,
        f"The text is longer than {case.model_words} can read.",
        "Take a model with a larger window, or split the text.",
    )


def schema_refused(case: Case) -> Failure:
    """The server cannot take this schema."""
    return case.error(
        BadRequest, f"{case.who} cannot take this schema.",
        "The schema can go into the prompt instead.", code="invalid_schema", quote=True,
    )  # fmt: skip


def parameter_not_taken(case: Case, name: str) -> Failure:
    """The server does not take one parameter, which is left out from then on."""
    return case.error(
        BadRequest, f"{case.who} does not take {name} for {case.model_words}.",
        f"Leave {name} out.", code=f"unsupported_parameter:{name}", quote=True,
    )  # fmt: skip


def refused(case: Case, status: int, hint: str = "") -> Failure:
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
