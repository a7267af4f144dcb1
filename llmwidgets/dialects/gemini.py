"""Google's content format: the Gemini API and Vertex AI.

What differs between models and between the two are options of the target:

- `levels`: the model takes its thinking level as a word, as one without `budgets` does.
- `budgets`: the levels that it takes as a number of tokens, each with that number.
- `stream`: the server answers only what is to be streamed.
- `models_url`: where models are listed, else next to them; `page_size`: how many at once.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

from llmwidgets.dialects import error_meanings, error_table
from llmwidgets.dialects.answer import separate_thinking
from llmwidgets.dialects.error_body import (
    dicts,
    read_count,
    read_day,
    read_path,
    read_word,
    request_id,
    rows_of,
    unfinished,
)
from llmwidgets.dialects.error_meanings import ErrorResponse, Meaning
from llmwidgets.dialects.error_table import ErrorRule, ErrorTable
from llmwidgets.dialects.reply_shapes import may_be_record, name_ending, read_call, read_ending
from llmwidgets.dialects.requests import build_call, next_page, no_such_form, system_text, turns
from llmwidgets.dialects.response_body import join_stream, read_body
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
from llmwidgets.errors import FailureCode, Forbidden, QuotaExhausted, Unauthorized
from llmwidgets.schemas import Compiled, SchemaSubset

NAME = "gemini_content"
SAMPLING = True
LADDER = (ResponseFormat.JSON_SCHEMA, ResponseFormat.JSON_OBJECT, ResponseFormat.TEXT)
"""The forms a server of this format is asked for, strictest first."""

_PAGE = 1000
_KEYS = frozenset({"candidates", "promptFeedback", "usageMetadata"})
_FILTERS = frozenset({"LANGUAGE", "OTHER", "ESCALATION"})
"""Words for a filter that mean one in this format alone."""
_CONTINUED = (
    "The model reached the limit of one call and offers to go on in another, which is not asked"
    " for: the record is not whole."
)


def form_for(form: ResponseFormat, schema: Compiled) -> ResponseFormat:
    """The form in which this schema is sent: JSON alone if it is beyond what can be enforced."""
    beyond = form is ResponseFormat.JSON_SCHEMA and schema.excess
    return ResponseFormat.JSON_OBJECT if beyond else form


def encode(request: Request, target: Target) -> Call:
    """The request as one POST to the model's generateContent."""
    instructions = system_text(request)
    body: dict[str, Any] = {
        **({"systemInstruction": {"parts": [{"text": instructions}]}} if instructions else {}),
        "contents": [
            {"role": "model" if who == "assistant" else who, "parts": [{"text": text}]}
            for who, text in turns(request)
        ],
        "generationConfig": {
            **_format(request, target),
            "maxOutputTokens": request.max_output_tokens,
            **_thinking(request, target),
            **({} if request.temperature is None else {"temperature": request.temperature}),
        },
    }
    if target.options.get("stream"):
        return build_call(
            target, "POST", f"{_model_url(target)}:streamGenerateContent", body, alt="sse"
        )
    return build_call(target, "POST", f"{_model_url(target)}:generateContent", body)


def _format(request: Request, target: Target) -> dict[str, Any]:
    if request.form is ResponseFormat.JSON_SCHEMA:
        schema = request.schema.schema
        return {"responseMimeType": "application/json", "responseJsonSchema": schema}
    if request.form is ResponseFormat.JSON_OBJECT:
        return {"responseMimeType": "application/json"}
    if request.form is ResponseFormat.TEXT:
        return {}
    raise no_such_form(target, f"Google's format has no {request.form}.")


def _thinking(request: Request, target: Target) -> dict[str, Any]:
    level, budgets = request.effort_sent, target.options.get("budgets", {})
    if level is None:
        return {}
    # The two mean the same and are refused together.
    if level in budgets:
        return {"thinkingConfig": {"thinkingBudget": budgets[level]}}
    # A model of which nothing is known takes its level as a word, as all do since Gemini 3.
    by_word = target.options.get("levels", not budgets)
    return {"thinkingConfig": {"thinkingLevel": level.upper()}} if by_word else {}


def _model_url(target: Target) -> str:
    return f"{target.url}/models/{quote(target.model.removeprefix('models/'), safe='@')}"


def decode(payload: HTTPResponse, *, call: Call | None = None) -> Reply:
    """The reply of the model; CallError if the answer is not of Google's content format.

    A failure behind the server is raised as what it is, whatever text came with it.
    """
    payload, body = join_stream(payload, _join)
    if not isinstance(body, dict) or body.get("error"):
        raise explain(payload, call=call)
    if _KEYS.isdisjoint(body):
        raise _TABLE.nothing_answers(payload, call=call)
    candidates = body.get("candidates")
    first = candidates[0] if isinstance(candidates, list) and candidates else candidates
    answered, blocked = isinstance(first, dict), read_path(body, "promptFeedback", "blockReason")
    parts = dicts(read_path(first, "content", "parts"))
    said, unasked = _spoken(parts)
    text, thinking = separate_thinking(said)
    if not text.strip() and any(part.get("thought") is True for part in parts):
        thinking = thinking or "thought"
    # Nothing says how the reply ended, and it is not whole.
    cut = read_path(first, "finishReason") is None and unfinished(text)
    if cut if answered else not blocked:
        raise error_meanings.broke_off(payload, call=call)
    reason = (read_word(first, "finishReason") if answered else read_word(blocked)) or ""
    known = "filtered" if reason.upper() in _FILTERS else read_ending(reason)
    ending: Ending = (known or "complete") if answered else "filtered"
    unasked = unasked or ("" if text.strip() else name_ending(reason))
    continued = _CONTINUED if reason.upper() == "CONTINUATION" else unasked
    return Reply(
        text=text,
        ending=ending,
        usage=_usage(body.get("usageMetadata")),
        served_model=read_word(body, "modelVersion"),
        request_id=request_id(payload, body),
        explanation=reason if ending in ("filtered", "refused") else continued,
        thinking=thinking,
    )


def _spoken(parts: list[dict[str, Any]]) -> tuple[str, str]:
    """What was said aloud; else what was handed to a function, though none was offered."""
    aloud = [part for part in parts if part.get("thought") is not True]
    text = "".join(part["text"] for part in aloud if isinstance(part.get("text"), str))
    calls = dicts([part.get("functionCall") for part in aloud])
    for each in [] if may_be_record(text) else calls:
        return read_call(each.get("name"), each.get("args"))
    return text, ""


def _join(events: list[dict[str, Any]], _done: bool) -> dict[str, Any]:
    """The reply of which the events of a stream are the pieces; without candidates if cut."""
    whole, first = dict[str, Any](), dict[str, Any]()
    parts = list[dict[str, Any]]()
    for event in events:
        whole |= {name: value for name, value in event.items() if value is not None}
        for each in dicts(event.get("candidates"))[:1]:
            parts += dicts(read_path(each, "content", "parts"))
            first |= {name: value for name, value in each.items() if value is not None}
    if "candidates" in whole:
        ended = first.get("finishReason") or whole.get("error")
        whole["candidates"] = [{**first, "content": {"parts": parts}}] if ended else []
    return whole


def _usage(usage: Any) -> Usage:
    spoken = read_count(usage, "candidatesTokenCount")
    thought = read_count(usage, "thoughtsTokenCount")
    # A reply that was all thinking has no count of candidates.
    whole = None if spoken is None and thought is None else (spoken or 0) + (thought or 0)
    return Usage(
        input_tokens=read_count(usage, "promptTokenCount"),
        output_tokens=whole,
        cached_tokens=read_count(usage, "cachedContentTokenCount"),
        reasoning_tokens=thought,
    )


def count_call(target: Target) -> Call | None:
    """The free POST that counts the tokens of a word: it proves key, model and right to it."""
    body = {"contents": [{"role": "user", "parts": [{"text": "OK"}]}]}
    return build_call(target, "POST", f"{_model_url(target)}:countTokens", body)


def models_call(target: Target) -> Call:
    """The free GET that lists models; at Vertex AI all that exist, not those one may call."""
    url = target.options.get("models_url") or f"{target.url}/models"
    page = target.options.get("page_size", _PAGE)
    return build_call(target, "GET", url, pageSize=str(page))


def listed_models(
    payload: HTTPResponse, call: Call | None = None
) -> tuple[list[ListedModel], Call | None]:
    """The models in one page that answer texts, and the call for the next page."""
    body = read_body(payload)
    if not isinstance(body, dict) or body.get("error"):
        raise explain(payload, call=call)
    rows = body.get("models", body.get("publisherModels", [] if not body else None))
    if not isinstance(rows, list):
        raise _TABLE.nothing_answers(payload, call=call)
    listed = []
    for row in dicts(rows):
        methods, name = row.get("supportedGenerationMethods"), read_word(row, "name")
        if name and (not isinstance(methods, list) or "generateContent" in methods):
            model = ListedModel(
                name.rpartition("/")[2],
                read_day(row, "modelStatus", "retirementTime"),
                read_count(row, "inputTokenLimit"),
                read_count(row, "outputTokenLimit"),
                thinks=row.get("thinking") if isinstance(row.get("thinking"), bool) else None,
            )
            listed.append(model)
    return listed, next_page(call, pageToken=read_word(body, "nextPageToken"))


# -- What Gemini's `responseJsonSchema` takes of JSON Schema; optional properties stay optional.
#
# Properties are answered in the order they are sent in, so `propertyOrdering` is left out.
# Source: the provider's SDK, November 2026.

SUBSET = SchemaSubset(
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


# -- Errors: what Google sends instead of an answer, on the Gemini API and on Vertex AI.
#
# The reason among the details counts before the status word, the status word before the message.

_BAD_KEY = frozenset({
    "API_KEY_INVALID", "ACCESS_TOKEN_TYPE_UNSUPPORTED", "ACCESS_TOKEN_EXPIRED",
    "CREDENTIALS_MISSING", "ACCOUNT_STATE_INVALID", "API_KEY_EXPIRED",
})  # fmt: skip
_KEY_WORDS = re.compile(
    r"API key (?:not valid|expired|not found)|multiple authentication credentials", re.I
)
_BLOCKED = frozenset({
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


_VERTEX = re.compile(r"/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/")
_OPEN = re.compile(r"/projects/-/locations/")
"""Of a call whose project is only known where it signs in."""
_REGIONAL = re.compile(r"/projects/[^/]+/locations/(?P<location>(?!global/)[^/]+)/")
_MODEL = re.compile("model", re.I)


def _own_code(response: ErrorResponse) -> str:
    return response.body.reason or response.body.type


_NO_BILLING = Meaning(
    QuotaExhausted,
    "The project of {account} has no billing.",
    "Turn on billing for the project in the Google Cloud console.",
    lambda response: response.body.reason or FailureCode.NO_BILLING,
)
_DAY_USED_UP = Meaning(
    QuotaExhausted,
    "The daily quota of {account} is used up.",
    "It starts anew at midnight Pacific time; billing raises it.",
    FailureCode.DAILY_QUOTA,
)
_NOT_FREE = Meaning(
    QuotaExhausted,
    "The free tier of {account} does not include {the_model}.",
    "Turn on billing for the project, or take another model.",
    FailureCode.DAILY_QUOTA,
)
_CREDENTIALS_REFUSED = Meaning(
    Unauthorized,
    "The credentials were not accepted by {owner}.",
    "Make a new key of the service account, and paste the whole file.",
    _own_code,
)
_SWITCHED_OFF = Meaning(
    Forbidden,
    "The project of {account} has not turned on the API.",
    lambda response: _activation_step(response),
    FailureCode.SWITCHED_OFF,
)
_RESTRICTED = Meaning(
    Forbidden,
    "The key is restricted, and this use of it is not among what it allows.",
    "Change the restrictions of the key in Google AI Studio, or make a key without.",
    _own_code,
    quote=True,
)
_NO_ROLE = Meaning(
    Forbidden,
    "The account that signs in has no right to {the_model}.",
    "It needs the role Vertex AI User in the project {project}.",
    _own_code,
)
_NO_ROLE_HERE = replace(
    _NO_ROLE, hint="It needs the role Vertex AI User in the project of the machine."
)
_NO_JSON = replace(
    error_meanings.FORM_REFUSED,
    sentence="{who} does not take JSON output for {the_model}.",
    hint=error_meanings.SCHEMA_REFUSED.hint,
)
_NOT_IN_LOCATION = replace(
    error_meanings.NO_MODEL,
    sentence="{who} has no model{named} in {location} (misspelled, or without access).",
)


def _refused_key(response: ErrorResponse) -> bool:
    named = response.body.reason in _BAD_KEY or _KEY_WORDS.search(response.body.message)
    return response.status == 401 or bool(named)


def _broken_limit(response: ErrorResponse) -> str:
    """The first limit that waiting does not help against: `daily`, `free` or none."""
    for row in rows_of(response.body.details, "QuotaFailure"):
        for violation in dicts(row.get("violations")):
            if "PerDay" in str(violation.get("quotaId", "")):
                return "daily"
            if str(violation.get("quotaValue", "")) == "0":
                return "free"
    return ""


def _activation_step(response: ErrorResponse) -> str:
    details = response.body.details
    urls = [read_path(row, "metadata", "activationUrl") for row in rows_of(details, "ErrorInfo")]
    for row in rows_of(details, "Help"):
        urls += [link.get("url") for link in dicts(row.get("links"))]
    for url in urls:
        if isinstance(url, str) and urlsplit(url).netloc in _CONSOLE and url.startswith("https://"):
            return f"Turn it on: {url[:300]}"
    return "Turn it on in the Google Cloud console."


def _asked_for_json(response: ErrorResponse) -> bool:
    call = response.call
    return call is None or "responseMimeType" in (read_path(call.body, "generationConfig") or {})


def _endpoint_step(response: ErrorResponse) -> str:
    vertex = _VERTEX.search(response.url)
    if vertex:
        return f"Check the location {vertex['location']}: global serves every model."
    return "Check the base URL, and the version at its end: without one, /v1 is added."


_WRONG_FORMAT = error_meanings.wrong_format("Gemini", _endpoint_step)

_TABLE = ErrorTable(_WRONG_FORMAT, (
    ErrorRule(_NO_BILLING, reasons={FailureCode.NO_BILLING}),
    ErrorRule(_NO_BILLING, {400, 403, 429}, message=_BILLING),
    ErrorRule(_DAY_USED_UP, {429}, when=lambda response: _broken_limit(response) == "daily"),
    ErrorRule(_NOT_FREE, {429}, when=lambda response: _broken_limit(response) == "free"),
    *error_table.LIMITED,
    error_table.STREAMED,
    ErrorRule(_CREDENTIALS_REFUSED, url=_VERTEX, when=_refused_key),
    ErrorRule(
        replace(
            error_meanings.KEY_REFUSED,
            hint="Gemini requires a key of Google AI Studio, sent as it is: a gateway may change"
            " it.",
            code=_own_code,
        ),
        reasons={"ACCESS_TOKEN_TYPE_UNSUPPORTED"},
    ),
    ErrorRule(replace(error_meanings.KEY_REFUSED, code=_own_code), when=_refused_key),
    ErrorRule(_SWITCHED_OFF, reasons={FailureCode.SWITCHED_OFF}),
    ErrorRule(_RESTRICTED, reasons=_BLOCKED),
    ErrorRule(
        replace(
            _RESTRICTED,
            sentence="Google does not offer this API where this computer is.",
            hint="Vertex AI serves more countries: connect by that kind.",
        ),
        message=_COUNTRY,
    ),
    ErrorRule(
        replace(
            _RESTRICTED,
            sentence="Google has suspended the project of this key.",
            hint="Its console says why.",
        ),
        reasons={"CONSUMER_SUSPENDED"},
    ),
    ErrorRule(error_meanings.TOO_LONG, {413}),
    ErrorRule(error_meanings.TOO_LONG, range(500), message=_LONG),
    *(ErrorRule(error_meanings.parameter_not_taken(name), {400}, message=words)
      for name, words in _PARAMETERS.items()),
    ErrorRule(_NO_JSON, {400}, message=_FORM, when=_asked_for_json),
    # A schema that is too large or too deep is refused without a word about it.
    ErrorRule(error_meanings.SCHEMA_REFUSED, {400}, message=_SCHEMA, when=_asked_for_json),
    ErrorRule(
        replace(_NOT_IN_LOCATION, hint="Try the location global, which serves every model."),
        {404}, message=_MODEL, url=_REGIONAL,
    ),
    ErrorRule(_NOT_IN_LOCATION, {404}, message=_MODEL, url=_VERTEX),
    ErrorRule(error_meanings.NO_MODEL, {404}, message=_MODEL),
    ErrorRule(_WRONG_FORMAT, {404}),
    *error_table.FAILED,
    ErrorRule(_NO_ROLE_HERE, {403}, url=_OPEN, when=lambda response: not response.body.page),
    ErrorRule(_NO_ROLE, {403}, url=_VERTEX, when=lambda response: not response.body.page),
    *error_table.FORBIDDEN,
))  # fmt: skip
"""The reason among the details counts before the status word, that before the message."""

explain = _TABLE.explain
