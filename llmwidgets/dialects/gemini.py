"""Google's content format: the Gemini API and Vertex AI.

What differs between models and between the two are options of the target:

- `levels`: the model takes its thinking level as a word, as one without `budgets` does.
- `budgets`: the levels that it takes as a number of tokens, each with that number.
- `models_url`: where models are listed, else beside them; `page_size`: how many at once.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urlsplit

from llmwidgets.dialects.error_body import parse_body, read_count, read_word, request_id
from llmwidgets.dialects.error_rules import (
    ErrorResponse,
    ErrorRule,
    bad_request,
    broke_off,
    explain_by_rules,
    forbidden,
    form_refused,
    no_model,
    overloaded,
    parameter_not_taken,
    parameter_refused,
    rate_limited,
    read_error_response,
    schema_refused,
    too_long,
    unfinished,
)
from llmwidgets.dialects.error_rules import nothing_answers as nothing_of
from llmwidgets.dialects.prompt import system_text, turns
from llmwidgets.dialects.requests import build_call, next_page
from llmwidgets.dialects.types import (
    Call,
    Ending,
    HTTPResponse,
    ListedModel,
    Reply,
    Request,
    ResponseFormat,
    Target,
    Usage,
)
from llmwidgets.errors import (
    BadRequest,
    CallError,
    Failure,
    Forbidden,
    QuotaExhausted,
    Unauthorized,
)
from llmwidgets.schemas import Compiled, SchemaCapabilities

NAME = "gemini_content"
SAMPLING = True
LADDER = (ResponseFormat.JSON_SCHEMA, ResponseFormat.JSON_OBJECT, ResponseFormat.TEXT)
"""The forms a server of this format is asked for, strictest first."""

_PAGE = 1000
_KEYS = frozenset({"candidates", "promptFeedback", "usageMetadata"})
_ENDINGS: dict[str, Ending] = {
    "MAX_TOKENS": "truncated",
    "CONTINUATION": "truncated",
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "OTHER",
         "MODEL_ARMOR", "ESCALATION", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT",
         "IMAGE_RECITATION"),
        "filtered",
    ),
}  # fmt: skip
_CONTINUED = (
    "The model reached the limit of one call and offers to go on in another, which is not asked"
    " for: the record is not whole."
)


def form_for(form: ResponseFormat, schema: Compiled) -> ResponseFormat:
    """The form in which this schema travels: JSON alone where it is beyond what can be enforced."""
    return (
        ResponseFormat.JSON_OBJECT if form is ResponseFormat.JSON_SCHEMA and schema.excess else form
    )


def encode(request: Request, target: Target) -> Call:
    """The request as one POST to the model's generateContent."""
    instructions = system_text(request)
    body: dict[str, Any] = {
        **({"systemInstruction": {"parts": [{"text": instructions}]}} if instructions else {}),
        "contents": _contents(request),
        "generationConfig": {
            **_format(request, target),
            "maxOutputTokens": request.max_output_tokens,
            **_thinking(request, target),
            **({} if request.temperature is None else {"temperature": request.temperature}),
        },
    }
    return build_call(target, "POST", f"{_model_url(target)}:generateContent", body)


def _contents(request: Request) -> list[dict[str, Any]]:
    spoken = {"user": "user", "assistant": "model"}
    return [{"role": spoken[who], "parts": [{"text": said}]} for who, said in turns(request)]


def _format(request: Request, target: Target) -> dict[str, Any]:
    if request.form is ResponseFormat.JSON_SCHEMA:
        schema = request.schema.schema
        return {"responseMimeType": "application/json", "responseJsonSchema": schema}
    if request.form is ResponseFormat.JSON_OBJECT:
        return {"responseMimeType": "application/json"}
    if request.form is ResponseFormat.TEXT:
        return {}
    raise BadRequest(
        f"Google's format has no {request.form}.",
        "Test the connection anew: it finds the form that the model takes.",
        label=target.label,
        model=target.model,
        code="response_format",
    )


def _thinking(request: Request, target: Target) -> dict[str, Any]:
    level, budgets = request.effort_sent, target.options.get("budgets", {})
    if level is None:
        return {}
    # The two stand for the same and are refused together.
    if level in budgets:
        return {"thinkingConfig": {"thinkingBudget": budgets[level]}}
    # A model of which nothing is known takes its level as a word, as all do since Gemini 3.
    by_word = target.options.get("levels", not budgets)
    return {"thinkingConfig": {"thinkingLevel": level.upper()}} if by_word else {}


def _model_url(target: Target) -> str:
    return f"{target.url}/models/{quote(target.model.removeprefix('models/'), safe='@')}"


def decode(payload: HTTPResponse, *, call: Call | None = None) -> Reply:
    """What the model said; CallError where the answer is not of Google's content format.

    A failure behind the server is raised as what it is, whatever text came with it.
    """
    body = parse_body(payload)
    if isinstance(body, list) or (isinstance(body, dict) and body.get("error")):
        raise explain(payload, call=call)
    if not isinstance(body, dict) or not {"candidates", "promptFeedback", "usageMetadata"} & {
        *body
    }:
        raise nothing_answers(payload, call=call)
    candidates = body.get("candidates")
    first = candidates[0] if isinstance(candidates, list) and candidates else None
    if _broke_off(first, body):
        raise broke_off(payload, call=call)
    ending, explanation = _ending(first, body)
    return Reply(
        text=_spoken(first),
        ending=ending,
        usage=_usage(body.get("usageMetadata")),
        served_model=read_word(body.get("modelVersion")),
        request_id=request_id(payload, body),
        explanation=explanation,
    )


def _broke_off(candidate: Any, body: dict[str, Any]) -> bool:
    """Whether nothing says how the reply ended, and it is not whole."""
    if isinstance(candidate, dict):
        return candidate.get("finishReason") is None and unfinished(_spoken(candidate))
    feedback = body.get("promptFeedback")
    return not (isinstance(feedback, dict) and feedback.get("blockReason"))


def _ending(candidate: Any, body: dict[str, Any]) -> tuple[Ending, str]:
    """How the reply ended, and the category or sentence that explains it."""
    if not isinstance(candidate, dict):
        feedback = body.get("promptFeedback")
        said = feedback.get("blockReason") if isinstance(feedback, dict) else None
        return "filtered", read_word(said) or ""
    reason = read_word(candidate.get("finishReason")) or ""
    ending = _ENDINGS.get(reason, "complete")
    if ending == "filtered":
        return ending, reason
    return ending, _CONTINUED if reason == "CONTINUATION" else ""


def _spoken(candidate: Any) -> str:
    content = candidate.get("content") if isinstance(candidate, dict) else None
    parts = content.get("parts") if isinstance(content, dict) else None
    return "".join(
        part["text"]
        for part in parts or []
        if isinstance(part, dict)
        and isinstance(part.get("text"), str)
        and part.get("thought") is not True
    )


def _usage(said: Any) -> Usage:
    if not isinstance(said, dict):
        return Usage()
    spoken, thought = (
        read_count(said.get("candidatesTokenCount")),
        read_count(said.get("thoughtsTokenCount")),
    )
    # A reply that was all thinking has no count of candidates.
    whole = None if spoken is None and thought is None else (spoken or 0) + (thought or 0)
    return Usage(
        input_tokens=read_count(said.get("promptTokenCount")),
        output_tokens=whole,
        cached_tokens=read_count(said.get("cachedContentTokenCount")),
        reasoning_tokens=thought,
    )


def count_call(target: Target) -> Call | None:
    """The free POST that counts the tokens of a word: it proves key, model and right to it."""
    body = {"contents": [{"role": "user", "parts": [{"text": "OK"}]}]}
    return build_call(target, "POST", f"{_model_url(target)}:countTokens", body)


def models_call(target: Target) -> Call:
    """The free GET that lists models; at Vertex AI those that there are, not those one may call."""
    url = target.options.get("models_url") or f"{target.url}/models"
    page = target.options.get("page_size", _PAGE)
    return build_call(target, "GET", url, pageSize=str(page))


def listed_models(
    payload: HTTPResponse, call: Call | None = None
) -> tuple[list[ListedModel], Call | None]:
    """The models in one page that answer texts, and the call for the next page."""
    body = parse_body(payload)
    if not isinstance(body, dict) or body.get("error"):
        raise explain(payload, call=call)
    rows = body.get("models", body.get("publisherModels", [] if not body else None))
    if not isinstance(rows, list):
        raise nothing_answers(payload, call=call)
    found = [_listed(row) for row in rows if isinstance(row, dict) and _answers(row)]
    return found, next_page(call, pageToken=read_word(body.get("nextPageToken")))


def _answers(row: dict[str, Any]) -> bool:
    methods = row.get("supportedGenerationMethods")
    able = not isinstance(methods, list) or "generateContent" in methods
    return able and read_word(row.get("name")) is not None


def _listed(row: dict[str, Any]) -> ListedModel:
    status = row.get("modelStatus")
    ends = status.get("retirementTime") if isinstance(status, dict) else None
    found = re.match(r"\d{4}-\d{2}-\d{2}", read_word(ends) or "")
    return ListedModel(
        row["name"].rpartition("/")[2],
        found.group() if found else None,
        read_count(row.get("inputTokenLimit")),
        read_count(row.get("outputTokenLimit")),
        thinks=row.get("thinking") if isinstance(row.get("thinking"), bool) else None,
    )


# -- What Gemini's `responseJsonSchema` takes of JSON Schema; optional properties stay optional.
#
# Properties are answered in the order they are sent in, so `propertyOrdering` is left out.
# Source: the provider's SDK, November 2026.

SUBSET = SchemaCapabilities(
    name="Gemini",
    keywords=frozenset({
        "description", "format", "minItems", "maxItems", "minimum", "maximum", "prefixItems",
    }),
    # Of formats the documents name these three; any other may be answered with a bare 400.
    formats=frozenset({"date-time", "time", "date"}),
    root_object=True,
    required_cycles=False,
    enum_types=frozenset({"string", "number", "integer"}),
)  # fmt: skip


# -- What Google says instead of an answer, on the Gemini API and on Vertex AI: one class each.
#
# The reason among the details counts before the status word, the status word before the message.

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
    payload: HTTPResponse, *, label: str = "", model: str = "", call: Call | None = None
) -> Failure:
    """The failure that a payload without an answer stands for.

    With the `call`, words that repeat the document are left out, and project and location named.
    """
    return explain_by_rules(read_error_response(payload, label, model, call), RULES, _elsewhere)


def nothing_answers(payload: HTTPResponse, *, call: Call | None = None) -> CallError:
    """The error for a web page, or JSON of another kind, where an answer was asked for."""
    return _elsewhere(read_error_response(payload, "", "", call))


def _elsewhere(case: ErrorResponse) -> CallError:
    place = _place(case)
    return nothing_of(
        case,
        "Gemini",
        f"Check the location {place[1]}: global serves every model."
        if place
        else "Check the base URL: it stands without /v1.",
    )


def _place(case: ErrorResponse) -> tuple[str, str] | None:
    """Project and location, where the call went to Vertex AI."""
    found = re.search(r"/projects/([^/]+)/locations/([^/]+)/", case.call.url if case.call else "")
    return (found[1], found[2]) if found else None


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _rows(case: ErrorResponse, kind: str) -> list[dict[str, Any]]:
    return [
        each
        for each in _dicts(case.said.details)
        if str(each.get("@type", "")).endswith(f"google.rpc.{kind}")
    ]


def _reason(case: ErrorResponse) -> str:
    return next((str(row["reason"]) for row in _rows(case, "ErrorInfo") if row.get("reason")), "")


def _quota(case: ErrorResponse, status: int) -> Failure | None:
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


def _unauthorized(case: ErrorResponse, status: int) -> Failure | None:
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


def _switched_off(case: ErrorResponse, status: int) -> Failure | None:
    if _reason(case) != "SERVICE_DISABLED":
        return None
    url = _activation(case)
    return case.error(
        Forbidden,
        f"The project of {case.label or 'this key'} has not turned on the API.",
        f"Turn it on: {url}" if url else "Turn it on in the Google Cloud console.",
        code="SERVICE_DISABLED",
    )


def _activation(case: ErrorResponse) -> str:
    links = [each.get("url") for row in _rows(case, "Help") for each in _dicts(row.get("links"))]
    metadata = [row.get("metadata") for row in _rows(case, "ErrorInfo")]
    told = [each.get("activationUrl") for each in _dicts(metadata)]
    for url in (*told, *links):
        if isinstance(url, str) and urlsplit(url).netloc in _CONSOLE and url.startswith("https://"):
            return url[:300]
    return ""


def _restricted(case: ErrorResponse, status: int) -> Failure | None:
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


def _forbidden(case: ErrorResponse, status: int) -> Failure | None:
    place = _place(case)
    if status != 403 or not place or case.said.page:
        return forbidden(case, status)
    return case.error(
        Forbidden,
        f"The service account has no right to {case.model_words}.",
        f"It needs the role Vertex AI User in the project {place[0]}.",
        code=_reason(case) or case.said.type,
    )


def _long(case: ErrorResponse, status: int) -> Failure | None:
    if status >= 500 or (status != 413 and not _LONG.search(case.said.message)):
        return None
    return too_long(case)


def _form(case: ErrorResponse, status: int) -> Failure | None:
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


def _parameter(case: ErrorResponse, status: int) -> Failure | None:
    if status != 400:
        return None
    for name, words in _PARAMETERS.items():
        if words.search(case.said.message):
            return parameter_not_taken(case, name)
    return None


def _unknown_model(case: ErrorResponse, status: int) -> Failure | None:
    if status != 404:
        return None
    if "model" not in case.said.message.lower():
        return _elsewhere(case)
    place = _place(case)
    where = f" in {place[1]}" if place else ""
    elsewhere = "Try the location global, which serves every model."
    return no_model(case, elsewhere if place and place[1] != "global" else "", where)


RULES: tuple[ErrorRule, ...] = (
    _quota, rate_limited, _unauthorized, _switched_off, _restricted, _long, _parameter, _form,
    _unknown_model, overloaded, _forbidden, bad_request,
)  # fmt: skip
"""Tried in this order."""


__all__ = [
    "LADDER",
    "NAME",
    "RULES",
    "SAMPLING",
    "SUBSET",
    "count_call",
    "decode",
    "encode",
    "explain",
    "form_for",
    "form_refused",
    "listed_models",
    "models_call",
    "nothing_answers",
    "parameter_refused",
]
