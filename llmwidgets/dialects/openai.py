"""The OpenAI chat format: OpenAI, Azure, some models of Amazon Bedrock and every Custom server.

What differs between servers are options of the target, not branches on their names:

- `token_parameter`: `max_completion_tokens`, or `max_tokens` if a server knows no other.
- `system_role`: `developer` or `system`.
- `store`: send `"store": false`, so that the provider keeps neither text nor answer.
- `effort`: the server knows `reasoning_effort`.
- `stream`: the server answers only what is to be streamed; `stream_options`: and takes what belongs
  to it.
- `object_schema`: the server takes a schema with `{"type": "json_object"}`; `bare_schema`: and
  one of `json_schema` without a name around it; `inline_definitions`: with its `$defs` in place.
- `forced_tool`: the model lets itself be made to call a tool.
- `body`: what else every question contains, for a router say.
- `route`: what is added to the URL; `models_url`: where models are listed, or
  `models_path` of the same host, else next to the route.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from llmwidgets.dialects import error_meanings, error_table, sign_in_errors
from llmwidgets.dialects.answer import separate_thinking
from llmwidgets.dialects.error_body import (
    ErrorBody,
    dicts,
    ended_in_failure,
    filtered_categories,
    read_count,
    read_day,
    read_path,
    read_word,
    request_id,
    unfinished,
)
from llmwidgets.dialects.error_meanings import ErrorResponse, Meaning
from llmwidgets.dialects.error_table import ErrorRule, ErrorTable
from llmwidgets.dialects.reply_shapes import (
    may_be_record,
    read_call,
    read_content,
    read_ending,
)
from llmwidgets.dialects.requests import TOOL, build_call, no_such_form, system_text, turns
from llmwidgets.dialects.response_body import Pieces, join_stream, read_body
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
    FailureCode,
    Forbidden,
    Truncated,
    UnknownModel,
)
from llmwidgets.schemas import Compiled, SchemaSubset, inline_definitions

NAME = "openai_chat"
SAMPLING = True
LADDER = (
    ResponseFormat.JSON_SCHEMA,
    ResponseFormat.JSON_OBJECT_SCHEMA,
    ResponseFormat.JSON_OBJECT,
    ResponseFormat.TEXT,
)
"""The forms a server of this format is asked for, strictest first."""

_THOUGHT = re.compile("reasoning|think|thought")
"""Names of what a message or a part says of thinking: `reasoning_content`, `thinking_blocks`, …"""


def form_for(form: ResponseFormat, schema: Compiled) -> ResponseFormat:
    """The form in which this schema is sent: JSON alone if it is beyond what can be enforced."""
    beyond = form is ResponseFormat.JSON_SCHEMA and schema.excess
    return ResponseFormat.JSON_OBJECT if beyond else form


def encode(request: Request, target: Target) -> Call:
    """The request as one POST to the target's chat route."""
    options = target.options
    role, instructions = options.get("system_role", "system"), system_text(request)
    messages = [{"role": role, "content": instructions}] if instructions else []
    messages += [{"role": who, "content": text} for who, text in turns(request)]
    body: dict[str, Any] = {"model": target.model, "messages": messages}
    body |= options.get("body", {})
    body |= _form(request, target)
    body[options.get("token_parameter", "max_tokens")] = request.max_output_tokens
    if request.effort_sent is not None and options.get("effort"):
        body["reasoning_effort"] = request.effort_sent
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if options.get("store"):
        body["store"] = False
    if options.get("stream"):
        body["stream"] = True
        if options.get("stream_options", True):
            body["stream_options"] = {"include_usage": True}
    return build_call(target, "POST", target.url + options.get("route", "/chat/completions"), body)


def _form(request: Request, target: Target) -> dict[str, Any]:
    """What holds the answer to the schema; nothing for a text."""
    options, schema = target.options, request.schema.schema
    if options.get("inline_definitions"):
        schema = inline_definitions(schema)
    if request.form is ResponseFormat.JSON_SCHEMA:
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", str(schema.get("title") or "")).strip("_")[:64]
        strict = {"name": name or "extraction", "strict": True, "schema": schema}
        held = {"schema": schema} if options.get("bare_schema") else {"json_schema": strict}
        return {"response_format": {"type": "json_schema", **held}}
    if request.form is ResponseFormat.JSON_OBJECT_SCHEMA:
        if not options.get("object_schema"):
            sentence = f"{target.label or 'This connection'} takes no schema with json_object."
            raise no_such_form(target, sentence, "This form is for Custom servers only.")
        return {"response_format": {"type": "json_object", "schema": schema}}
    if request.form is ResponseFormat.JSON_OBJECT:
        return {"response_format": {"type": "json_object"}}
    if request.form is ResponseFormat.TOOL:
        tool = {"name": TOOL, "description": "Record the extraction", "parameters": schema}
        forced = {"type": "function", "function": {"name": TOOL}}
        chosen = forced if options.get("forced_tool", True) else "auto"
        return {"tools": [{"type": "function", "function": tool}], "tool_choice": chosen}
    return {}


def decode(payload: HTTPResponse, *, call: Call | None = None) -> Reply:
    """The reply of the model; CallError if the answer is not of the OpenAI chat format.

    A failure behind the server is raised as what it is, whatever text came with it.
    """
    payload, body = join_stream(payload, _join)
    if not isinstance(body, dict) or body.get("error"):
        raise explain(payload, call=call)
    choices = body.get("choices")
    choices = [choices] if isinstance(choices, dict) else choices
    others = {"id", "object", "created", "model", "usage"} & body.keys()
    # It is of the format even if its choices are missing.
    named = "choices" in body and (choices is None or bool(others))
    of_chat = named or body.get("object") == "chat.completion"
    if not isinstance(choices, list) and not of_chat:
        raise explain(payload, call=call)
    if not choices and body.get("prompt_filter_results"):
        return _reply(payload, body, {"finish_reason": "content_filter"}, {}, call)
    first = choices[0] if isinstance(choices, list) and choices else None
    choice = first if isinstance(first, dict) else {}
    message = choice.get("message")
    error = choice.get("error") or read_path(message, "error") or None
    if error or ended_in_failure(choice.get("finish_reason")):
        raise _TABLE.explain_upstream(payload, error, call=call)
    if message is None and isinstance(choice.get("text"), str):
        message = {"content": choice["text"]}
    if not isinstance(message, dict):
        raise (error_meanings.broke_off if of_chat else _TABLE.nothing_answers)(payload, call=call)
    return _reply(payload, body, choice, message, call)


def _reply(
    payload: HTTPResponse,
    body: dict[str, Any],
    choice: dict[str, Any],
    message: dict[str, Any],
    call: Call | None,
) -> Reply:
    content, refused = read_content(message.get("content"))
    refusal = (read_word(message, "refusal") or refused).strip()
    offered = call is not None and isinstance(call.body, dict) and "tools" in call.body
    said, explanation = (content, "")
    if offered or not may_be_record(content):
        said, explanation = _handed_over(message, offered=offered)
    text, thinking = separate_thinking(said or content)
    if not text.strip() and not thinking:
        named = (name for name, said in message.items() if said and _THOUGHT.search(name))
        thinking = next(named, "") or _thought(message.get("content"))
    known = read_ending(choice.get("finish_reason"))
    ending: Ending = known or "complete"
    if refusal or ending == "refused":
        ending, explanation = "refused", (refusal or text.strip())[:300]
    elif ending == "filtered":
        results = [choice, *dicts(body.get("prompt_filter_results"))]
        explanation = ", ".join(next(filter(None, map(filtered_categories, results)), ()))
    elif known is None and unfinished(text):
        raise error_meanings.broke_off(payload, call=call)
    usage = body.get("usage")
    return Reply(
        text=text,
        ending=ending,
        usage=Usage(
            read_count(usage, "prompt_tokens"),
            read_count(usage, "completion_tokens"),
            read_count(usage, "prompt_tokens_details", "cached_tokens"),
            read_count(usage, "completion_tokens_details", "reasoning_tokens"),
        ),
        served_model=read_word(body, "model"),
        request_id=request_id(payload, body),
        explanation=explanation,
        thinking=thinking,
    )


def _handed_over(message: dict[str, Any], *, offered: bool) -> tuple[str, str]:
    """The record of a model that called a tool; what to say of it if none was offered."""
    calls = message.get("tool_calls")
    calls = [calls] if isinstance(calls, dict) else dicts(calls)
    inner = [each.get("function") or each.get("custom") or each for each in calls]
    for each in dicts([*inner, message.get("function_call")]):
        handed = each.get("arguments", each.get("input"))
        if handed is not None or each.get("name"):
            return read_call(each.get("name"), "" if handed is None else handed, offered=offered)
    return "", ""


def _thought(content: Any) -> str:
    kinds = (str(part.get("type")) for part in dicts(content))
    return next(filter(_THOUGHT.search, kinds), "")


def _join(events: list[dict[str, Any]], done: bool) -> dict[str, Any]:
    """The reply of which the events of a stream are the pieces; of several choices the first.

    One that ends before its server says so has no choices, and so breaks off.
    """
    whole, choice = dict[str, Any](), dict[str, Any]()
    message, tools = Pieces(), dict[Any, Pieces]()
    for event in events:
        whole |= {name: value for name, value in event.items() if value}
        choices = event.get("choices")
        for each in [choices] if isinstance(choices, dict) else dicts(choices):
            if each.get("index", 0) != choice.get("index", each.get("index", 0)):
                continue
            choice |= {name: value for name, value in each.items() if value is not None}
            if isinstance(each.get("message"), dict):
                message, tools = Pieces(), {}
            _add(message, tools, each.get("delta") or each.get("message"), each.get("text"))
    if not any("choices" in event for event in events):
        return whole
    whole["object"] = "chat.completion"
    error = {"error": whole.pop("error")} if choice and "error" in whole else {}
    if choice and not (done or error or choice.get("finish_reason")):
        return {name: whole[name] for name in ("id", "object") if name in whole}
    calls = [{"function": each.whole()} for each in tools.values()]
    answer = {**message.whole(), **({"tool_calls": calls} if calls else {})}
    # An error after the first words is one of the model that was answering.
    return {**whole, "choices": [{**choice, "message": answer, **error}] if choice else []}


def _add(message: Pieces, tools: dict[Any, Pieces], delta: Any, text: Any) -> None:
    """Take one piece of a message, and those of the tools that it calls."""
    piece = dict(delta) if isinstance(delta, dict) else {"content": text}
    content, refusal = read_content(piece.get("content"))
    thought = {"thinking": "…"} if _thought(piece.get("content")) else {}
    refusal = piece.get("refusal") or refusal
    message.add({**piece, **thought, "content": content, "refusal": refusal})
    for place, each in enumerate(dicts(piece.get("tool_calls"))):
        if isinstance(each.get("function"), dict):
            index = each.get("index") if isinstance(each.get("index"), int) else place
            tools.setdefault(index, Pieces()).add(each["function"])


def count_call(target: Target) -> Call | None:
    """None: no free call of this format proves more than the list of models."""
    return None


def models_call(target: Target) -> Call:
    """The free GET that lists models and so proves the key, if the server guards the list."""
    models_url = target.options.get("models_url")
    if models_url:
        return build_call(replace(target, query={}), "GET", models_url)
    if path := target.options.get("models_path"):
        parts = urlsplit(target.url)._replace(path=path)
        return build_call(replace(target, query={}), "GET", parts.geturl())
    return build_call(target, "GET", f"{target.url}/models")


def listed_models(
    payload: HTTPResponse, call: Call | None = None
) -> tuple[list[ListedModel], Call | None]:
    """The models in one page of the list, and the call for the next page (here always None)."""
    body = read_body(payload)
    rows, id_name = body, "id"
    if isinstance(body, dict):
        rows = body.get("data", body.get("models"))
        if rows is None and "endpoints" in body:
            rows, id_name = body["endpoints"], "name"
    if not isinstance(rows, list) or read_path(body, "error"):
        raise explain(payload, call=call)
    # The window is in a field of its own with vLLM and sglang, routers, LM Studio, llama.cpp.
    names = ("max_model_len", "context_length", "max_context_length")
    fields = [(name,) for name in names] + [("meta", name) for name in ("n_ctx", "n_ctx_train")]
    models = []
    for row in rows:
        if name := read_word(row, id_name):
            windows = (read_count(row, *keys) for keys in fields)
            ends = row.get("shutdown_date") or read_path(row, "deprecation", "inference")
            if isinstance(ends, int | float) and not isinstance(ends, bool) and ends > 0:
                # A number can be beyond any day.
                with suppress(ValueError, OverflowError, OSError):
                    ends = datetime.fromtimestamp(ends, UTC).date().isoformat()
            models.append(ListedModel(name, read_day(ends), next(filter(None, windows), None)))
    return models, None


# -- What OpenAI's strict mode takes of JSON Schema, the safest form for other servers as well.
#
# Source: the provider's guide to structured outputs, November 2026.

SUBSET = SchemaSubset(
    name="OpenAI",
    keywords=frozenset({
        "description", "const", "pattern", "format", "minimum", "maximum", "exclusiveMinimum",
        "exclusiveMaximum", "multipleOf", "minItems", "maxItems",
    }),
    formats=frozenset(
        ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"]
    ),
    all_required=True,
    closed=True,
    root_object=True,
    distinct_first_keys=True,
    max_depth=10,
    max_properties=5000,
    max_enum_values=1000,
    large_enum=250,
    max_large_enum_chars=15_000,
    max_chars=120_000,
)  # fmt: skip


# -- Errors: what a server of the OpenAI format sends instead of an answer.

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
    r"|(?:deployment|endpoint) .{0,80}?does not exist|unknown model|invalid model"
    r"|model_not_supported|unable to access model|not a valid model"
    r"|no endpoints found for",
    re.I | re.S,
)
_ROUTED_NOWHERE = re.compile(
    "handle the requested parameters|endpoints.{0,40}requested param", re.I
)
_NO_DEPLOYMENT = re.compile(r"DeploymentNotFound|deployment .{0,80}?does not exist", re.I | re.S)
_REGION = re.compile(
    r"\b(?:not|n['o]t)\b.{0,40}\b(?:in|for) (?:the |this |your )?(?:[\w-]+ )?"
    r"(?P<region>region|location)\b",
    re.I,
)
_ON_HOLD = re.compile(
    r"account_deactivated|(?:account|organization)\b.{0,80}\b(?:deactivated|suspended|on hold)",
    re.I | re.S,
)
_FIREWALL = re.compile(r"virtual network|firewall|public access is disabled|private endpoint", re.I)
_PARAMETERS = (
    "tool_choice", "temperature", "reasoning_effort", "max_completion_tokens", "max_tokens",
    "store", "stream_options",
)  # fmt: skip
_NOT_TAKEN = re.compile(
    r"unsupported|not supported|does not support|unrecognized|unknown|not permitted|extra"
    r"|deprecated|only the default|unexpected",
    re.I,
)
_OUT_OF_ROOM = re.compile(r"could not finish the message because max_tokens", re.I)
_OUTPUT_LIMIT = Meaning(
    Truncated,
    "The answer reached the output limit before its end.",
    "Raise the limit or lower the thinking level.",
)
_DEACTIVATED = Meaning(
    Forbidden,
    "The account of {account} is deactivated or on hold.",
    "Log in to the provider's console: it says why, and what the account needs.",
    lambda response: response.body.code or FailureCode.DEACTIVATED,
)
_WALLED_OFF = Meaning(
    Forbidden,
    "The resource of {account} takes no calls from this network.",
    "Ask its owner to let this network through the resource's firewall, or connect by VPN.",
    FailureCode.FIREWALL,
)
_NO_ACCESS = Meaning(
    Forbidden,
    "The key is valid but has no access to {the_model}.",
    "Ask the owner of the account for access, or take another model.",
    FailureCode.NO_ACCESS,
)
_NOT_IN_REGION = Meaning(
    UnknownModel,
    "{who} does not offer {the_model} in this {region}.",
    "Take another {region}, or a model that this one has.",
    FailureCode.REGION,
)
_NONE_TAKES_ALL = Meaning(
    BadRequest,
    "{who} has no provider for {the_model} that takes all that was asked.",
    "A test of the connection finds the form that is taken; another pinned provider may take more.",
    FailureCode.RESPONSE_FORMAT,
    quote=True,
)
_NOT_THERE = Meaning(
    UnknownModel,
    "The pinned provider does not offer {the_model} by {who}.",
    "Pin another provider, or none: the page of the model names those that offer it.",
    FailureCode.UPSTREAM,
)
_NOT_PULLED = replace(error_meanings.NO_MODEL, hint="Run: `ollama pull {model}`")
_ABOUT_CONTENT = {200, 400, 422}
_NOT_FOUND = {*_ABOUT_CONTENT, 404}
_FORM_STATUSES = {*_NOT_FOUND, 501}


def _endpoint_step(response: ErrorResponse) -> str:
    if "/openai/" in response.url:
        return error_meanings.PASTE_TARGET_URI
    right = "/v1/" in response.url
    return error_meanings.OPEN_IN_BROWSER if right else "Check that the endpoint ends in /v1."


def _says_why(body: ErrorBody) -> bool:
    """Whether a body tells of an error: a type alone is that of another API's answer."""
    return bool(body.message or body.code or body.inner or body.param or body.type == "error")


_VERSION = re.compile("api-version|API version")
_VERSION_STEP = "Paste the target URI again: its api-version is not known there."
_WRONG_FORMAT = error_meanings.wrong_format("OpenAI", _endpoint_step)

_TABLE = ErrorTable(_WRONG_FORMAT, (
    ErrorRule(error_meanings.NO_CREDIT, {402}),
    ErrorRule(error_meanings.NO_CREDIT, {400, 403, 429}, words=_QUOTA),
    *error_table.AMAZON,
    *error_table.LIMITED,
    error_table.STREAMED,
    ErrorRule(_DEACTIVATED, {401, 403}, words=_ON_HOLD),
    ErrorRule(_WALLED_OFF, {401, 403}, message=_FIREWALL),
    *sign_in_errors.SIGN_IN,
    ErrorRule(error_meanings.KEY_REFUSED, {401}),
    ErrorRule(error_meanings.KEY_REFUSED, {400, 403}, words=_BAD_KEY),
    ErrorRule(error_meanings.FILTERED, {*_ABOUT_CONTENT, 403}, words=_FILTER),
    ErrorRule(_OUTPUT_LIMIT, message=_OUT_OF_ROOM),
    ErrorRule(error_meanings.TOO_LONG, {413}),
    ErrorRule(error_meanings.TOO_LONG, range(500), words=_LENGTH),
    ErrorRule(_NONE_TAKES_ALL, _NOT_FOUND, message=_ROUTED_NOWHERE),
    ErrorRule(_NOT_THERE, _NOT_FOUND, message=re.compile("no allowed providers", re.I)),
    ErrorRule(error_meanings.SCHEMA_REFUSED, _FORM_STATUSES, message=_BAD_SCHEMA),
    ErrorRule(error_meanings.FORM_REFUSED, _FORM_STATUSES, words=_FORM),
    *error_table.parameter_rules(_PARAMETERS, _ABOUT_CONTENT, _NOT_TAKEN),
    ErrorRule(_NO_ACCESS, {403}, words=_NO_MODEL),
    ErrorRule(error_meanings.NO_DEPLOYMENT, _NOT_FOUND, words=_NO_DEPLOYMENT),
    ErrorRule(_NOT_IN_REGION, _NOT_FOUND, words=_NO_MODEL, message=_REGION),
    ErrorRule(_NOT_PULLED, _NOT_FOUND, words=_NO_MODEL, message=re.compile("try pulling")),
    ErrorRule(error_meanings.NO_MODEL, _NOT_FOUND, words=_NO_MODEL),
    *error_table.FAILED,
    *error_table.FORBIDDEN,
    ErrorRule(_WRONG_FORMAT, {404, 405}),
    # A message about a thing that is gone is about the model, and not about the address.
    ErrorRule(_WRONG_FORMAT, {410}, when=lambda response: not response.body.message),
    # JSON that is neither an answer nor an error: another program's.
    ErrorRule(_WRONG_FORMAT, {200}, when=lambda response: not _says_why(response.body)),
    ErrorRule(replace(error_meanings.BAD_REQUEST, hint=_VERSION_STEP), message=_VERSION),
))  # fmt: skip
"""What a code says counts before what a status says."""

explain = _TABLE.explain
