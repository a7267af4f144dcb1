"""What a server of the OpenAI format says instead of an answer: one class, one sentence."""

from __future__ import annotations

import re

from llmwidgets.dialects.error_rules import Case
from llmwidgets.dialects.refusals import (
    Rule,
    explained,
    forbidden,
    form_refused,
    limited,
    no_deployment,
    no_model,
    overloaded,
    parameter_not_taken,
    parameter_refused,
    read_case,
    refused,
    schema_refused,
    too_long,
)
from llmwidgets.dialects.refusals import nothing_answers as nothing_of
from llmwidgets.dialects.types import Call, Payload
from llmwidgets.errors import (
    BadRequest,
    CallError,
    Failure,
    Filtered,
    Forbidden,
    QuotaExhausted,
    Truncated,
    Unauthorized,
    UnknownModel,
)

__all__ = ["RULES", "explain", "form_refused", "nothing_answers", "parameter_refused"]

_QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|credit balance|billing|out of credits"
    r"|enforced_spend_limit|depleted your|payment required"
    r"|insufficient (?:account )?(?:balance|funds|credits?)|top up",
    re.I,
)
_LENGTH = re.compile(
    r"context[ _]length|maximum context|context window|context size|input tokens? exceed"
    r"|prompt is too long|input is too long|too many tokens|reduce the length|input token count"
    r"|longer than the model|request entity too large",
    re.I,
)
_FILTER = re.compile(r"content_filter|content_policy_violation|ResponsibleAIPolicyViolation", re.I)
_BAD_KEY = re.compile(
    r"invalid_api_key|api key not valid|invalid api key|API_KEY_INVALID|incorrect api key", re.I
)
_BAD_SCHEMA = re.compile(
    r"invalid schema|schema is too|unsupported schema|invalid json ?schema", re.I
)
_FORM = re.compile(
    r"response_format|json_schema|json_object|\bschema\b|\bgrammar\b|structured.?outputs?|guided",
    re.I,
)
_NO_MODEL = re.compile(
    r"model_not_found|unknown_model|DeploymentNotFound|not_found_error|no such model"
    r"|model .{0,120}?(?:not found|does ?n[o']t exist|not exist|is not available|not loaded)"
    r"|deployment .{0,80}?does not exist|unknown model|invalid model|model_not_supported",
    re.I | re.S,
)
_NO_DEPLOYMENT = re.compile(r"deployment .{0,80}?does not exist", re.I | re.S)
_REGION = re.compile(
    r"\b(?:not|n['o]t)\b.{0,40}\b(?:in|for) (?:the |this |your )?(?:[\w-]+ )?(region|location)\b",
    re.I,
)
_KEYS_OFF = re.compile(r"AuthenticationTypeDisabled|key.based authentication is", re.I)
_ON_HOLD = re.compile(
    r"account_deactivated|(?:account|organization)\b.{0,80}\b(?:deactivated|suspended|on hold)",
    re.I | re.S,
)
_FIREWALL = re.compile(r"virtual network|firewall|public access is disabled|private endpoint", re.I)
_PARAMETERS = ("temperature", "reasoning_effort", "max_completion_tokens", "max_tokens", "store")
_NOT_TAKEN = re.compile(
    r"unsupported|not supported|does not support|unrecognized|unknown|not permitted|extra"
    r"|deprecated|only the default|unexpected",
    re.I,
)
_OUT_OF_ROOM = re.compile(r"could not finish the message because max_tokens", re.I)


def explain(
    payload: Payload, *, label: str = "", model: str = "", call: Call | None = None
) -> Failure:
    """The failure that a payload without an answer stands for.

    A CallError, except where the provider judged the text or the answer: Filtered, Truncated.
    With the `call`, words that repeat the document are left out, and the address is named.
    """
    return explained(read_case(payload, label, model, call), RULES, _elsewhere)


def nothing_answers(payload: Payload, *, call: Call | None = None) -> CallError:
    """The error for a web page, or JSON of another kind, where a chat answer was asked for."""
    return _elsewhere(read_case(payload, "", "", call))


def _elsewhere(case: Case) -> CallError:
    azure = case.call is not None and "/openai/" in case.call.url
    paste = "Paste the Target URI anew: it stands under Details of the deployment."
    return nothing_of(case, "OpenAI", paste if azure else "Check that the endpoint ends in /v1.")


def _quota(case: Case, status: int) -> Failure | None:
    if status != 402 and not (status in {400, 403, 429} and _QUOTA.search(case.words)):
        return None
    return case.error(
        QuotaExhausted,
        f"The account of {case.label or 'this key'} has no credit or quota left.",
        "Add credit, or raise the limit, on the provider's billing page.",
        code=case.said.code or "insufficient_quota",
    )


def _switched_off(case: Case, status: int) -> Failure | None:
    if status not in {401, 403}:
        return None
    if _KEYS_OFF.search(case.words):
        return case.error(
            Forbidden if status == 403 else Unauthorized,
            f"The resource of {case.label or 'this key'} has keys turned off.",
            "Ask its owner to turn key access (local authentication) on, or take a resource that "
            "has it on.",
            code="AuthenticationTypeDisabled",
        )
    if _ON_HOLD.search(case.words):
        return case.error(
            Forbidden,
            f"The account of {case.label or 'this key'} is deactivated or on hold.",
            "Log in to the provider's console: it says why, and what the account needs.",
            code=case.said.code or "account_deactivated",
        )
    if _FIREWALL.search(case.said.message):
        return case.error(
            Forbidden,
            f"The resource of {case.label or 'this key'} takes no calls from this network.",
            "Ask its owner to let this network through the resource's firewall, or connect by VPN.",
            code="firewall",
        )
    return None


def _unauthorized(case: Case, status: int) -> Failure | None:
    if status != 401 and not (status in {400, 403} and _BAD_KEY.search(case.words)):
        return None
    azure = re.search(r"wrong API endpoint|PermissionDenied|subscription key", case.words, re.I)
    other = ", or it belongs to another resource than this endpoint" if azure else ""
    owner = case.label or "the server"
    return case.error(
        Unauthorized,
        f"The key was not accepted by {owner}.",
        f"Check that it was copied whole{other}." if case.call is None or case.call.auth else
        "The server asks for a key: fill in the API key or the auth token.",
    )  # fmt: skip


def _filtered(case: Case, status: int) -> Failure | None:
    if not (status in {400, 403, 422} or status == 200) or not _FILTER.search(case.words):
        return None
    category = f" ({', '.join(case.said.categories)})" if case.said.categories else ""
    return Filtered(
        f"The provider's safety filter stopped this text{category}.",
        "Leave the text out, or ask a model of another provider.",
    )


def _truncated(case: Case, status: int) -> Failure | None:
    if not _OUT_OF_ROOM.search(case.said.message):
        return None
    return Truncated(
        "The answer reached the output limit before its end.",
        "Raise the limit or lower the thinking level.",
    )


def _too_long(case: Case, status: int) -> Failure | None:
    if status >= 500 or (status != 413 and not _LENGTH.search(case.words)):
        return None
    return too_long(case)


def _unknown_model(case: Case, status: int) -> Failure | None:
    named = _NO_MODEL.search(case.words)
    if status == 403 and named:
        return case.error(
            Forbidden,
            f"The key is valid but has no access to {case.model_words}.",
            "Ask the owner of the account for access, or take another model.",
            code="model_not_found",
        )
    if status not in {200, 400, 404, 422} or not named:
        return None
    if "DeploymentNotFound" in case.words or _NO_DEPLOYMENT.search(case.said.message):
        return no_deployment(case)
    region = _REGION.search(case.said.message)
    if region:
        return case.error(
            UnknownModel,
            f"{case.who} does not offer {case.model_words} in this {region[1].lower()}.",
            f"Take another {region[1].lower()}, or a model that this one has.",
            code="region",
        )
    pull = f"Run: ollama pull {case.model}" if "try pulling" in case.said.message else ""
    return no_model(case, pull)


def _form(case: Case, status: int) -> Failure | None:
    if status not in {200, 400, 404, 422, 501} or not _FORM.search(case.words):
        return None
    if _BAD_SCHEMA.search(case.said.message):
        return schema_refused(case)
    return case.error(
        BadRequest, f"{case.who} does not take this response_format.",
        "A test of the connection finds the form it takes.", code="response_format", quote=True,
    )  # fmt: skip


def _parameter(case: Case, status: int) -> Failure | None:
    if status not in {200, 400, 422} or not _NOT_TAKEN.search(case.words):
        return None
    named = (name for name in _PARAMETERS if name == case.said.param)
    mentioned = (name for name in _PARAMETERS if re.search(rf"\b{name}\b", case.said.message))
    name = next(named, None) or next(mentioned, None)
    if name is None:
        return None
    return parameter_not_taken(case, name)


def _no_route(case: Case, status: int) -> Failure | None:
    # What a server says of a thing that is gone is said of the model, and not of the address.
    if status not in {404, 405, 410} or (status == 410 and case.said.message):
        return None
    return _elsewhere(case)


def _refused(case: Case, status: int) -> Failure:
    if status == 200 and not case.words.strip():
        # JSON that is neither an answer nor an error: another program's.
        return _elsewhere(case)
    version = "api-version" in case.said.message or "API version" in case.said.message
    hint = "Paste the target URI anew: its api-version is not known there." if version else ""
    return refused(case, status, hint)


RULES: tuple[Rule, ...] = (
    _quota, limited, _switched_off, _unauthorized, _filtered, _truncated, _too_long, _form,
    _parameter, _unknown_model, overloaded, forbidden, _no_route, _refused,
)  # fmt: skip
"""Tried in this order: what a code says before what a status says."""
