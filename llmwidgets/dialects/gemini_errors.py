"""What Google says instead of an answer, on the Gemini API and on Vertex AI: one class each.

The reason among the details counts before the status word, the status word before the message.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from llmwidgets.dialects.error_rules import Case
from llmwidgets.dialects.refusals import (
    Rule,
    explained,
    forbidden,
    form_refused,
    limited,
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
    Forbidden,
    QuotaExhausted,
    Unauthorized,
)

__all__ = ["RULES", "explain", "form_refused", "nothing_answers", "parameter_refused"]

_BAD_KEY = frozenset({
    "API_KEY_INVALID", "ACCESS_TOKEN_TYPE_UNSUPPORTED", "ACCESS_TOKEN_EXPIRED",
    "CREDENTIALS_MISSING", "ACCOUNT_STATE_INVALID", "API_KEY_EXPIRED",
})  # fmt: skip
_KEY_WORDS = re.compile(
    r"API key (?:not valid|expired|not found)|multiple authentication credentials", re.I
)
_RESTRICTED = frozenset({
    "API_KEY_SERVICE_BLOCKED", "API_KEY_HTTP_REFERRER_BLOCKED", "API_KEY_IP_ADDRESS_BLOCKED",
    "API_KEY_ANDROID_APP_BLOCKED", "API_KEY_IOS_APP_BLOCKED",
})  # fmt: skip
_COUNTRY = re.compile(r"user location is not supported|not available in your country", re.I)
_BILLING = re.compile(
    r"enable billing|prepayment credits|credits are depleted|billing account", re.I
)
_LONG = re.compile(
    r"input token count|exceeds the maximum number of tokens|context window|payload size exceeds",
    re.I,
)
_SCHEMA = re.compile(
    r"too many states|response_?json_?schema|response_?schema|\bschema\b|\$ref|additionalProperties"
    r"|request contains an invalid argument",
    re.I,
)
_FORM = re.compile(r"json mode is not enabled|response_?mime_?type|response mime type", re.I)
_PARAMETERS = {
    "thinkingConfig": re.compile(
        r"thinking|\bbudget \d+ is invalid|thinking_?level|thinking_?budget", re.I
    ),
    "temperature": re.compile(r"\btemperature\b", re.I),
    "maxOutputTokens": re.compile(r"max_?output_?tokens", re.I),
}
_CONSOLE = frozenset({"console.developers.google.com", "console.cloud.google.com"})


def explain(
    payload: Payload, *, label: str = "", model: str = "", call: Call | None = None
) -> Failure:
    """The failure that a payload without an answer stands for.

    With the `call`, words that repeat the document are left out, and project and location named.
    """
    return explained(read_case(payload, label, model, call), RULES, _elsewhere)


def nothing_answers(payload: Payload, *, call: Call | None = None) -> CallError:
    """The error for a web page, or JSON of another kind, where an answer was asked for."""
    return _elsewhere(read_case(payload, "", "", call))


def _elsewhere(case: Case) -> CallError:
    place = _place(case)
    return nothing_of(
        case,
        "Gemini",
        f"Check the location {place[1]}: global serves every model."
        if place
        else "Check the base URL: it stands without /v1.",
    )


def _place(case: Case) -> tuple[str, str] | None:
    """Project and location, where the call went to Vertex AI."""
    found = re.search(r"/projects/([^/]+)/locations/([^/]+)/", case.call.url if case.call else "")
    return (found[1], found[2]) if found else None


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _rows(case: Case, kind: str) -> list[dict[str, Any]]:
    return [
        each
        for each in _dicts(case.said.details)
        if str(each.get("@type", "")).endswith(f"google.rpc.{kind}")
    ]


def _reason(case: Case) -> str:
    return next((str(row["reason"]) for row in _rows(case, "ErrorInfo") if row.get("reason")), "")


def _quota(case: Case, status: int) -> Failure | None:
    account = case.label or "this key"
    if _reason(case) == "BILLING_DISABLED" or (
        status in {400, 403, 429} and _BILLING.search(case.said.message)
    ):
        return case.error(
            QuotaExhausted,
            f"The project of {account} has no billing.",
            "Turn on billing for the project in the Google Cloud console.",
            code=_reason(case) or "BILLING_DISABLED",
        )
    if status != 429:
        return None
    for row in _rows(case, "QuotaFailure"):
        for broken in _dicts(row.get("violations")):
            daily = "PerDay" in str(broken.get("quotaId", ""))
            if daily or str(broken.get("quotaValue", "")) == "0":
                return case.error(
                    QuotaExhausted,
                    f"The daily quota of {account} is used up." if daily else
                    f"The free tier of {account} does not include {case.model_words}.",
                    "It starts anew at midnight Pacific time; billing raises it." if daily else
                    "Turn on billing for the project, or take another model.",
                    code="RESOURCE_EXHAUSTED",
                )  # fmt: skip
    return None


def _unauthorized(case: Case, status: int) -> Failure | None:
    reason = _reason(case)
    if status != 401 and reason not in _BAD_KEY and not _KEY_WORDS.search(case.said.message):
        return None
    owner = case.label or "the server"
    if _place(case):
        return case.error(
            Unauthorized, f"The credentials were not accepted by {owner}.",
            "Make a new key of the service account, and paste the whole file.",
            code=reason or case.said.type,
        )  # fmt: skip
    hint = "Check that it was copied whole."
    if reason == "ACCESS_TOKEN_TYPE_UNSUPPORTED":
        hint = "Gemini wants a key of Google AI Studio, sent as it is: a gateway may change it."
    return case.error(
        Unauthorized, f"The key was not accepted by {owner}.", hint, code=reason or case.said.type
    )


def _switched_off(case: Case, status: int) -> Failure | None:
    if _reason(case) != "SERVICE_DISABLED":
        return None
    url = _activation(case)
    return case.error(
        Forbidden,
        f"The project of {case.label or 'this key'} has not turned on the API.",
        f"Turn it on: {url}" if url else "Turn it on in the Google Cloud console.",
        code="SERVICE_DISABLED",
    )


def _activation(case: Case) -> str:
    links = [each.get("url") for row in _rows(case, "Help") for each in _dicts(row.get("links"))]
    metadata = [row.get("metadata") for row in _rows(case, "ErrorInfo")]
    told = [each.get("activationUrl") for each in _dicts(metadata)]
    for url in (*told, *links):
        if isinstance(url, str) and urlsplit(url).netloc in _CONSOLE and url.startswith("https://"):
            return url[:300]
    return ""


def _restricted(case: Case, status: int) -> Failure | None:
    reason = _reason(case)
    if reason in _RESTRICTED:
        said = "The key is restricted, and this use of it is not among what it allows."
        hint = "Change the restrictions of the key in Google AI Studio, or make a key without."
    elif _COUNTRY.search(case.said.message):
        said = "Google does not offer this API where this computer is."
        hint = "Vertex AI serves more countries: connect by that kind."
    elif reason == "CONSUMER_SUSPENDED":
        said, hint = "Google has suspended the project of this key.", "Its console says why."
    else:
        return None
    return case.error(Forbidden, said, hint, code=reason or case.said.type, quote=True)


def _forbidden(case: Case, status: int) -> Failure | None:
    place = _place(case)
    if status != 403 or not place or case.said.page:
        return forbidden(case, status)
    return case.error(
        Forbidden,
        f"The service account has no right to {case.model_words}.",
        f"It needs the role Vertex AI User in the project {place[0]}.",
        code=_reason(case) or case.said.type,
    )


def _long(case: Case, status: int) -> Failure | None:
    if status >= 500 or (status != 413 and not _LONG.search(case.said.message)):
        return None
    return too_long(case)


def _form(case: Case, status: int) -> Failure | None:
    config = case.call.body.get("generationConfig", {}) if case.call and case.call.body else {}
    if status != 400 or not (case.call is None or "responseMimeType" in config):
        return None
    if _FORM.search(case.said.message):
        return case.error(
            BadRequest, f"{case.who} does not take JSON output for {case.model_words}.",
            "The schema can go into the prompt instead.", code="response_format", quote=True,
        )  # fmt: skip
    # A schema that is too large or too deep is refused without a word about it.
    return schema_refused(case) if _SCHEMA.search(case.said.message) else None


def _parameter(case: Case, status: int) -> Failure | None:
    if status != 400:
        return None
    for name, words in _PARAMETERS.items():
        if words.search(case.said.message):
            return parameter_not_taken(case, name)
    return None


def _unknown_model(case: Case, status: int) -> Failure | None:
    if status != 404:
        return None
    if "model" not in case.said.message.lower():
        return _elsewhere(case)
    place = _place(case)
    where = f" in {place[1]}" if place else ""
    elsewhere = "Try the location global, which serves every model."
    return no_model(case, elsewhere if place and place[1] != "global" else "", where)


RULES: tuple[Rule, ...] = (
    _quota, limited, _unauthorized, _switched_off, _restricted, _long, _parameter, _form,
    _unknown_model, overloaded, _forbidden, refused,
)  # fmt: skip
"""Tried in this order."""
