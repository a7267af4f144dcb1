"""Anthropic's Messages format: Anthropic itself, Claude in Azure AI Foundry and Amazon Bedrock.

What differs between models are options of the target, not branches on their names:

- `thinking_off`: how no thinking is spelled: `disabled` or `between_tools`.
- `thinking_on`: `adaptive`, if a level is an effort, or `budget`, if it is tokens.
- `effort`: a model with `budget` takes the level as effort as well.
- `forced_tool`: the model lets itself be made to call a tool.
- `stream`: the server answers only what is to be streamed.
- `models_url`: where models are listed, else next to the route.

No sampling parameter is ever sent: version 2026-10-21 of the format has none.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from llmwidgets.dialects import error_meanings, error_table, sign_in_errors
from llmwidgets.dialects.answer import separate_thinking
from llmwidgets.dialects.error_body import (
    dicts,
    ended_in_failure,
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
    name_ending,
    read_call,
    read_content,
    read_ending,
)
from llmwidgets.dialects.requests import (
    TOOL,
    build_call,
    next_page,
    no_such_form,
    system_text,
    turns,
)
from llmwidgets.dialects.response_body import Pieces, join_stream, read_body
from llmwidgets.dialects.types import (
    Call,
    HTTPResponse,
    ListedModel,
    Reply,
    Request,
    ResponseFormat,
    Target,
    Usage,
)
from llmwidgets.errors import FailureCode, Forbidden
from llmwidgets.schemas import Compiled, SchemaSubset

NAME = "anthropic_messages"
VERSION = "2026-10-21"
SAMPLING = False
LADDER = (ResponseFormat.JSON_SCHEMA, ResponseFormat.TOOL, ResponseFormat.TEXT)
"""The forms a server of this format is asked for, strictest first."""

_BUDGETS = {"low": 2_048, "medium": 10_000, "high": 16_384}
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_CUT = {
    "model_context_window_exceeded": "The text and the answer together fill the model's window.",
    "pause_turn": "The model paused in the middle of its answer.",
}


def form_for(form: ResponseFormat, schema: Compiled) -> ResponseFormat:
    """The form in which this schema is sent: a tool if it is beyond what a grammar takes."""
    return ResponseFormat.TOOL if form is ResponseFormat.JSON_SCHEMA and schema.excess else form


def encode(request: Request, target: Target) -> Call:
    """The request as one POST to the target's messages route."""
    instructions = system_text(request)
    body: dict[str, Any] = {
        "model": target.model,
        "max_tokens": request.max_output_tokens,
        **({"system": instructions} if instructions else {}),
        "messages": [{"role": who, "content": text} for who, text in turns(request)],
    }
    config = _think(body, request, target)
    if request.form is ResponseFormat.JSON_SCHEMA:
        config["format"] = {"type": "json_schema", "schema": request.schema.schema}
    elif request.form is ResponseFormat.TOOL:
        body |= _tool(request, target, budgeted="budget_tokens" in body.get("thinking", {}))
    elif request.form is not ResponseFormat.TEXT:
        raise no_such_form(target, f"Anthropic's format has no {request.form}.")
    if config:
        body["output_config"] = config
    if target.options.get("stream"):
        body["stream"] = True
    return build_call(target, "POST", f"{target.url}/messages", body)


def _think(body: dict[str, Any], request: Request, target: Target) -> dict[str, Any]:
    """Spell the thinking level into the body; what belongs in `output_config` is returned."""
    level, options = request.effort_sent, target.options
    if level is None:
        return {}
    if level == "none":
        body["thinking"] = {"type": options.get("thinking_off", "disabled")}
        return {}
    if options.get("thinking_on") != "budget":
        body["thinking"] = {"type": "adaptive"}
        return {"effort": level}
    budget = max(1024, min(_BUDGETS.get(level, 10_000), request.max_output_tokens - 1024))
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}
    body["max_tokens"] = max(request.max_output_tokens, budget + 1)
    return {"effort": level} if options.get("effort") else {}


def _tool(request: Request, target: Target, *, budgeted: bool) -> dict[str, Any]:
    # A model that thinks by budget, or that is not known to take it, cannot be forced.
    forced = target.options.get("forced_tool") and not budgeted
    schema = request.schema.schema
    tool = {"name": TOOL, "description": "Record the extraction", "input_schema": schema}
    choice = {"type": "tool", "name": TOOL} if forced else {"type": "auto"}
    return {"tools": [tool], "tool_choice": choice}


def decode(payload: HTTPResponse, *, call: Call | None = None) -> Reply:
    """The reply of the model; CallError if the answer is not of the Messages format.

    A failure behind the server is raised as what it is, whatever text came with it.
    """
    payload, body = join_stream(payload, _join)
    if not isinstance(body, dict):
        raise explain(payload, call=call)
    if body.get("type") == "error" or body.get("error"):
        raise _TABLE.explain_upstream(payload, body.get("error"), call=call)
    blocks, is_message = body.get("content"), body.get("type") == "message"
    if isinstance(blocks, str | dict):
        blocks = [{"type": "text", "text": read_content(blocks)[0]}]
    if not isinstance(blocks, list) or "stop_reason" not in body:
        raise (error_meanings.broke_off if is_message else _TABLE.nothing_answers)(
            payload, call=call
        )
    stop = body["stop_reason"]
    if ended_in_failure(stop):
        raise _TABLE.explain_upstream(payload, None, call=call)
    (said, unasked), known = _spoken(dicts(blocks)), read_ending(stop)
    text, thinking = separate_thinking(said)
    if not text.strip() and not thinking:
        kinds = (str(block.get("type")) for block in dicts(blocks))
        thinking = next((kind for kind in kinds if kind in _THOUGHTS), "")
    if stop is None and unfinished(text):
        raise error_meanings.broke_off(payload, call=call)
    unasked = unasked or ("" if text.strip() else name_ending(stop))
    return Reply(
        text=text,
        ending=known or "complete",
        usage=_usage(body.get("usage")),
        served_model=read_word(body, "model"),
        request_id=request_id(payload, body),
        explanation=_refusal(body) if known == "refused" else _CUT.get(str(stop).lower(), unasked),
        thinking=thinking,
    )


def _spoken(blocks: list[dict[str, Any]]) -> tuple[str, str]:
    """The record handed to our tool; else what was said, or handed to a tool nobody offered."""
    handed = [each for each in blocks if each.get("type") == "tool_use" and "input" in each]
    ours = [each for each in handed if each.get("name") == TOOL]
    said = "".join(str(each.get("text") or "") for each in blocks if each.get("type") == "text")
    for each in ours or ([] if may_be_record(said) else handed):
        return read_call(each.get("name"), each["input"], offered=bool(ours))
    return said, ""


def _join(events: list[dict[str, Any]], _done: bool) -> dict[str, Any]:
    """The message of which the events of a stream are the pieces; without its content if cut."""
    whole, ended = dict[str, Any](), False
    blocks: dict[Any, Pieces] = {}
    for event in events:
        kind, inner = event.get("type"), event.get("delta")
        inner = inner if isinstance(inner, dict) else {}
        if event.get("error") or kind == "message":
            return {**whole, **event}
        if kind == "message_start" and isinstance(event.get("message"), dict):
            whole |= event["message"]
        elif kind in ("content_block_start", "content_block_delta"):
            block = blocks.setdefault(str(event.get("index")), Pieces())
            begun = event.get("content_block")
            block.add(begun if isinstance(begun, dict) else {**inner, "type": None})
        elif kind == "message_delta":
            known = (read_path(each, "usage") or {} for each in (whole, event))
            counts = (each for each in known if isinstance(each, dict))
            whole |= {**inner, "usage": {n: v for each in counts for n, v in each.items()}}
        ended = ended or kind == "message_stop" or bool(whole.get("stop_reason"))
    if not whole and not blocks:
        return events[-1]
    said = [_with_input(each.whole()) for each in blocks.values()]
    return {"type": "message", "stop_reason": None, **whole, "content": said if ended else None}


def _with_input(block: dict[str, Any]) -> dict[str, Any]:
    """A block of a stream, where the input of a tool comes as text."""
    spelled = block.get("partial_json")
    block = block if "type" in block else {"type": "text", **block}
    return {**block, "input": spelled} if spelled else block


def _refusal(body: dict[str, Any]) -> str:
    category = read_word(body, "stop_details", "category")
    why = read_word(body, "stop_details", "explanation")
    return (f"{why} ({category})" if why and category else why or category or "")[:300]


def _usage(usage: Any) -> Usage:
    fresh, cached = read_count(usage, "input_tokens"), read_count(usage, "cache_read_input_tokens")
    written = read_count(usage, "cache_creation_input_tokens")
    return Usage(
        # What was read from or written into the cache is not in `input_tokens`.
        input_tokens=None if fresh is None else fresh + (cached or 0) + (written or 0),
        output_tokens=read_count(usage, "output_tokens"),
        cached_tokens=cached,
        reasoning_tokens=read_count(usage, "output_tokens_details", "thinking_tokens"),
    )


def count_call(target: Target) -> Call | None:
    """None: no free call of this format proves more than the list of models."""
    return None


def models_call(target: Target) -> Call:
    """The free GET that proves the key and lists the models it may use, with their limits."""
    models_url = target.options.get("models_url")
    if models_url:
        return build_call(target, "GET", models_url)
    return build_call(target, "GET", f"{target.url}/models", limit="1000")


def listed_models(
    payload: HTTPResponse, call: Call | None = None
) -> tuple[list[ListedModel], Call | None]:
    """The models in one page of the list, and the call for the next page, made from this one."""
    body = read_body(payload)
    rows = read_path(body, "data")
    if not isinstance(rows, list):
        explained = explain if read_path(body, "error") else _TABLE.nothing_answers
        raise explained(payload, call=call)
    last = read_word(body, "last_id") if body.get("has_more") is True else None
    return [_listed(row) for row in rows if read_word(row, "id")], next_page(call, after_id=last)


def _listed(row: dict[str, Any]) -> ListedModel:
    structured, thinks = (
        read_path(row, "capabilities", ability, "supported")
        for ability in ("structured_outputs", "thinking")
    )
    form = ResponseFormat.JSON_SCHEMA if structured is True else None
    return ListedModel(
        row["id"],
        read_day(row, "retires_at"),
        read_count(row, "max_input_tokens"),
        read_count(row, "max_tokens"),
        read_word(row, "lifecycle") or "",
        ResponseFormat.TOOL if structured is False else form,
        thinks if isinstance(thinks, bool) else None,
    )


# -- What `output_config.format` takes of JSON Schema; optional properties stay optional.
#
# A schema beyond its limits has an excess, and is sent as a tool without `strict`.
# Source: the provider's SDK, November 2026.

SUBSET = SchemaSubset(
    name="Anthropic",
    keywords=frozenset({"description", "const", "format", "minItems"}),
    formats=frozenset({
        "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6",
        "uuid",
    }),
    closed=True,
    root_object=True,
    recursion=False,
    enum_with_type=False,
    min_items_up_to=1,
    max_optional=24,
    max_unions=16,
)  # fmt: skip


# -- Errors: what a server of Anthropic's format sends instead of an answer.
#
# Codes count before types, types before words; Anthropic asks not to rely on its words, and some
# things (no credit left, a text too long) are in them alone.

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
_DEPLOYMENT = re.compile("deployment", re.I)
_MODEL = re.compile("model", re.I)
_SPENT_UP = replace(
    error_meanings.NO_CREDIT,
    hint="Add credit, or raise the spend limit, in the Claude Console under Billing.",
    code=lambda response: response.body.reason or response.body.type,
)
_ON_HOLD = Meaning(
    Forbidden,
    "The organization of this key is on hold.",
    "The Claude Console says why, and how to appeal.",
    FailureCode.ON_HOLD,
    quote=True,
)
_NO_FORMAT = replace(
    error_meanings.FORM_REFUSED,
    sentence="{who} does not take output_config.format.",
    hint="The schema can go into a tool instead.",
)

_HEADER_DROPPED = replace(
    error_meanings.BAD_REQUEST, hint="A gateway on the way drops the header anthropic-version."
)


def _endpoint_step(response: ErrorResponse) -> str:
    azure = "/anthropic/" in response.url
    return error_meanings.PASTE_TARGET_URI if azure else error_meanings.BARE_BASE_URL


def _not_found(response: ErrorResponse) -> bool:
    return response.status == 404 or response.body.type == "not_found_error"


_WRONG_FORMAT = error_meanings.wrong_format("Anthropic", _endpoint_step)

_TABLE = ErrorTable(_WRONG_FORMAT, (
    ErrorRule(_SPENT_UP, {402}),
    ErrorRule(_SPENT_UP, reasons=_SPENT),
    ErrorRule(_SPENT_UP, types={"billing_error"}),
    ErrorRule(_SPENT_UP, {400, 403, 429}, message=_NO_CREDIT),
    ErrorRule(_ON_HOLD, reasons={"organization_on_hold"}),
    *error_table.AMAZON,
    *error_table.LIMITED,
    error_table.STREAMED,
    *sign_in_errors.SIGN_IN,
    ErrorRule(error_meanings.KEY_REFUSED, {401}),
    ErrorRule(error_meanings.KEY_REFUSED, types={"authentication_error"}),
    ErrorRule(error_meanings.FILTERED, {400}, message=_POLICY),
    ErrorRule(error_meanings.TOO_LONG, {413}),
    ErrorRule(error_meanings.TOO_LONG, range(500), reasons={"request_too_large"}),
    ErrorRule(error_meanings.TOO_LONG, range(500), words=_LONG),
    ErrorRule(error_meanings.SCHEMA_REFUSED, {400}, message=_SCHEMA),
    ErrorRule(_NO_FORMAT, {400}, message=_FORM),
    *error_table.parameter_rules(_PARAMETERS, {400}, _NOT_TAKEN),
    ErrorRule(error_meanings.NO_DEPLOYMENT, words=_DEPLOYMENT, when=_not_found),
    ErrorRule(error_meanings.NO_MODEL, message=_MODEL, when=_not_found),
    ErrorRule(_WRONG_FORMAT, when=_not_found),
    *error_table.FAILED,
    *error_table.FORBIDDEN,
    ErrorRule(_HEADER_DROPPED, message=re.compile("anthropic-version")),
))  # fmt: skip
"""Codes count before types, types before words."""

explain = _TABLE.explain
