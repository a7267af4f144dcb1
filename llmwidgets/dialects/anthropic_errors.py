"""What a server of Anthropic's format says instead of an answer: one class, one sentence.

Codes count before types, types before words; Anthropic asks not to rely on its words, and some
things (no credit left, a text too long) stand in them alone.
"""

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
    Unauthorized,
)

__all__ = ["RULES", "explain", "form_refused", "nothing_answers", "parameter_refused"]

_SPENT = frozenset({
    "enforced_spend_limit_reached", "contract_spend_limit_reached",
    "linked_organization_spend_limit_reached", "linked_organization_billing_unavailable",
    "user_profile_not_billable",
})  # fmt: skip
_NO_CREDIT = re.compile(r"credit balance|insufficient credit|usage limits?", re.I)
_LONG = re.compile(
    r"prompt is too long|input is too long|too many tokens|request_too_large"
    r"|exceeds? the maximum (?:size|number of bytes|context)|context window",
    re.I,
)
_SCHEMA = re.compile(
    r"output_config\.format\.schema|output_format\.schema|schema is too complex"
    r"|compiled grammar is too large|input_schema|too many optional|union.?type|invalid schema",
    re.I,
)
_FORM = re.compile(r"output_config\.format|output_format|structured.?outputs?", re.I)
_PARAMETERS = ("tool_choice", "temperature", "top_p", "top_k", "thinking", "effort")
_NOT_TAKEN = re.compile(
    r"not permitted|not supported|does not support|deprecated|unexpected|unknown|not compatible"
    r"|not available|not allowed|must be|may not|cannot be|unsupported",
    re.I,
)
_POLICY = re.compile(r"content filtering policy|blocked by .*polic", re.I)


def explain(
    payload: Payload, *, label: str = "", model: str = "", call: Call | None = None
) -> Failure:
    """The failure that a payload without an answer stands for.

    With the `call`, words that repeat the document are left out, and the address is named.
    """
    return explained(read_case(payload, label, model, call), RULES, _elsewhere)


def nothing_answers(payload: Payload, *, call: Call | None = None) -> CallError:
    """The error for a web page, or JSON of another kind, where a message was asked for."""
    return _elsewhere(read_case(payload, "", "", call))


def _elsewhere(case: Case) -> CallError:
    azure = case.call is not None and "/anthropic/" in case.call.url
    paste = "Paste the Target URI anew: it stands under Details of the deployment."
    return nothing_of(
        case, "Anthropic", paste if azure else "Check the base URL: it stands without /v1."
    )


def _error_code(case: Case) -> str:
    details = case.said.details
    code = details.get("error_code") if isinstance(details, dict) else None
    return code if isinstance(code, str) else ""


def _quota(case: Case, status: int) -> Failure | None:
    spent = _error_code(case) in _SPENT or case.said.type == "billing_error" or status == 402
    if not spent and not (status in {400, 403, 429} and _NO_CREDIT.search(case.said.message)):
        return None
    return case.error(
        QuotaExhausted,
        f"The account of {case.label or 'this key'} has no credit or quota left.",
        "Add credit, or raise the spend limit, in the Claude Console under Billing.",
        code=_error_code(case) or case.said.type,
    )


def _on_hold(case: Case, status: int) -> Failure | None:
    if _error_code(case) != "organization_on_hold":
        return None
    return case.error(
        Forbidden,
        "The organization of this key is on hold.",
        "The Claude Console says why, and how to appeal.",
        code="organization_on_hold",
        quote=True,
    )


def _unauthorized(case: Case, status: int) -> Failure | None:
    if case.said.type != "authentication_error" and status != 401:
        return None
    return case.error(
        Unauthorized,
        f"The key was not accepted by {case.label or 'the server'}.",
        "Check that it was copied whole.",
    )


def _filtered(case: Case, status: int) -> Failure | None:
    if status != 400 or not _POLICY.search(case.said.message):
        return None
    return Filtered(
        "The provider's safety filter stopped this text.",
        "Leave the text out, or ask a model of another provider.",
    )


def _long(case: Case, status: int) -> Failure | None:
    words = f"{_error_code(case)} {case.words}"
    if status >= 500 or (status != 413 and not _LONG.search(words)):
        return None
    return too_long(case)


def _form(case: Case, status: int) -> Failure | None:
    if status != 400:
        return None
    if _SCHEMA.search(case.said.message):
        return schema_refused(case)
    if not _FORM.search(case.said.message):
        return None
    return case.error(
        BadRequest, f"{case.who} does not take output_config.format.",
        "The schema can go into a tool instead.", code="response_format", quote=True,
    )  # fmt: skip


def _parameter(case: Case, status: int) -> Failure | None:
    if status != 400 or not _NOT_TAKEN.search(case.said.message):
        return None
    for name in _PARAMETERS:
        if re.search(rf"\b{name}\b", case.said.message):
            return parameter_not_taken(case, name)
    return None


def _unknown_model(case: Case, status: int) -> Failure | None:
    if case.said.type != "not_found_error" and status != 404:
        return None
    deployment = "deployment" in f"{case.said.code} {case.said.message}".lower()
    if not deployment and "model" not in case.said.message.lower():
        return _elsewhere(case)
    return no_deployment(case) if deployment else no_model(case, "")


def _refused(case: Case, status: int) -> Failure:
    version = "anthropic-version" in case.said.message
    hint = "A gateway on the way drops the header anthropic-version." if version else ""
    return refused(case, status, hint)


RULES: tuple[Rule, ...] = (
    _quota, _on_hold, limited, _unauthorized, _filtered, _long, _form, _parameter,
    _unknown_model, overloaded, forbidden, _refused,
)  # fmt: skip
"""Tried in this order."""
