"""Anthropic's Messages format: Anthropic itself, and Claude in Azure AI Foundry.

What differs between models are options of the target, not branches on their names:

- `thinking_off`: how no thinking is spelled: `disabled` or `between_tools`.
- `thinking_on`: `adaptive`, where a level is an effort, or `budget`, where it is tokens.
- `effort`: a model with `budget` takes the level as effort as well.
- `forced_tool`: the model lets itself be made to call a tool.

No sampling parameter is ever sent: version 2026-10-21 of the format has none.
"""

from __future__ import annotations

import json
import re
from typing import Any

from llmwidgets.dialects.anthropic_errors import (
    RULES,
    explain,
    form_refused,
    nothing_answers,
    parameter_refused,
)
from llmwidgets.dialects.anthropic_subset import SUBSET
from llmwidgets.dialects.error_body import read_body, request_id
from llmwidgets.dialects.prompt import TOOL, system_text, turns
from llmwidgets.dialects.reading import count, word
from llmwidgets.dialects.requests import call_for, next_page
from llmwidgets.dialects.types import (
    Call,
    Ending,
    Form,
    ListedModel,
    Payload,
    Reply,
    Request,
    Target,
    Usage,
)
from llmwidgets.dialects.upstream import broke_off, ended_failed, told, unfinished
from llmwidgets.errors import BadRequest
from llmwidgets.schemas import Compiled

NAME = "anthropic_messages"
VERSION = "2026-10-21"
SAMPLING = False
LADDER = (Form.JSON_SCHEMA, Form.TOOL, Form.TEXT)
"""The forms a server of this format is asked for, strictest first."""

_BUDGETS = {"low": 2_048, "medium": 10_000, "high": 16_384}
_ENDINGS: dict[str, Ending] = {
    "refusal": "refused",
    "max_tokens": "truncated",
    "model_context_window_exceeded": "truncated",
    "pause_turn": "truncated",
}
_CUT = {
    "model_context_window_exceeded": "The text and the answer together fill the model's window.",
    "pause_turn": "The model paused in the middle of its answer.",
}


def form_for(form: Form, schema: Compiled) -> Form:
    """The form in which this schema travels: a tool where it is beyond what a grammar takes."""
    return Form.TOOL if form is Form.JSON_SCHEMA and schema.excess else form


def encode(request: Request, target: Target) -> Call:
    """The request as one POST to the target's messages route."""
    instructions = system_text(request)
    body: dict[str, Any] = {
        "model": target.model,
        "max_tokens": request.max_output_tokens,
        **({"system": instructions} if instructions else {}),
        "messages": [{"role": who, "content": said} for who, said in turns(request)],
    }
    config = _think(body, request, target)
    if request.form is Form.JSON_SCHEMA:
        config["format"] = {"type": "json_schema", "schema": request.schema.schema}
    elif request.form is Form.TOOL:
        body |= _tool(request, target, budgeted="budget_tokens" in body.get("thinking", {}))
    elif request.form is not Form.TEXT:
        raise BadRequest(
            f"Anthropic's format has no {request.form}.",
            "Test the connection anew: it finds the form that the model takes.",
            label=target.label,
            model=target.model,
            code="response_format",
        )
    if config:
        body["output_config"] = config
    return call_for(target, "POST", f"{target.url}/messages", body)


def _think(body: dict[str, Any], request: Request, target: Target) -> dict[str, Any]:
    """Spell the thinking level into the body; what belongs into `output_config` is returned."""
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
    tool = {
        "name": TOOL,
        "description": "Record the extraction",
        "input_schema": request.schema.schema,
    }
    choice = {"type": "tool", "name": TOOL} if forced else {"type": "auto"}
    return {"tools": [tool], "tool_choice": choice}


def decode(payload: Payload, *, call: Call | None = None) -> Reply:
    """What the model said; CallError where the answer is not of the Messages format.

    A failure behind the server is raised as what it is, whatever text came with it.
    """
    body = read_body(payload)
    if not isinstance(body, dict):
        raise explain(payload, call=call)
    if body.get("type") == "error" or body.get("error"):
        raise told(payload, body.get("error"), RULES, call=call)
    blocks, message = body.get("content"), body.get("type") == "message"
    if not isinstance(blocks, list) or "stop_reason" not in body:
        raise (broke_off if message else nothing_answers)(payload, call=call)
    stop = str(body.get("stop_reason"))
    if ended_failed(stop):
        raise told(payload, None, RULES, call=call)
    ending: Ending = _ENDINGS.get(stop, "complete")
    text = _spoken([each for each in blocks if isinstance(each, dict)])
    if body.get("stop_reason") is None and unfinished(text):
        raise broke_off(payload, call=call)
    return Reply(
        text=text,
        ending=ending,
        usage=_usage(body.get("usage")),
        served_model=word(body.get("model")),
        request_id=request_id(payload, body),
        explanation=_refusal(body.get("stop_details")) if ending == "refused" else
        _CUT.get(stop, ""),
    )  # fmt: skip


def _spoken(blocks: list[dict[str, Any]]) -> str:
    for block in blocks:
        if block.get("type") == "tool_use" and "input" in block:
            return json.dumps(block["input"], ensure_ascii=False)
    return "".join(str(each.get("text") or "") for each in blocks if each.get("type") == "text")


def _refusal(details: Any) -> str:
    said = details if isinstance(details, dict) else {}
    category, why = word(said.get("category")), word(said.get("explanation"))
    return (f"{why} ({category})" if why and category else why or category or "")[:300]


def _usage(said: Any) -> Usage:
    if not isinstance(said, dict):
        return Usage()
    fresh, cached = count(said.get("input_tokens")), count(said.get("cache_read_input_tokens"))
    written = count(said.get("cache_creation_input_tokens"))
    details = said.get("output_tokens_details")
    thought = details.get("thinking_tokens") if isinstance(details, dict) else None
    return Usage(
        # What was read from or written into the cache is not in `input_tokens`.
        input_tokens=None if fresh is None else fresh + (cached or 0) + (written or 0),
        output_tokens=count(said.get("output_tokens")),
        cached_tokens=cached,
        reasoning_tokens=count(thought),
    )


def count_call(target: Target) -> Call | None:
    """None: no free call of this format proves more than the list of models."""
    return None


def models_call(target: Target) -> Call:
    """The free GET that proves the key and lists the models it may use, with their limits."""
    return call_for(target, "GET", f"{target.url}/models", limit="1000")


def listed_models(
    payload: Payload, call: Call | None = None
) -> tuple[list[ListedModel], Call | None]:
    """The models in one page of the list, and the call for the next page, made from this one."""
    body = read_body(payload)
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise explain(payload, call=call) if _failed(body) else nothing_answers(payload, call=call)
    last = word(body.get("last_id")) if body.get("has_more") is True else None
    found = [_listed(row) for row in rows if isinstance(row, dict) and word(row.get("id"))]
    return found, next_page(call, after_id=last)


def _failed(body: Any) -> bool:
    return isinstance(body, dict) and bool(body.get("error"))


def _listed(row: dict[str, Any]) -> ListedModel:
    ends = re.match(r"\d{4}-\d{2}-\d{2}", word(row.get("retires_at")) or "")
    return ListedModel(
        row["id"],
        ends.group() if ends else None,
        count(row.get("max_input_tokens")),
        count(row.get("max_tokens")),
        word(row.get("lifecycle")) or "",
        _FORMS.get(_supports(row, "structured_outputs")),
        _supports(row, "thinking"),
    )


_FORMS: dict[bool | None, Form] = {True: Form.JSON_SCHEMA, False: Form.TOOL}


def _supports(row: dict[str, Any], ability: str) -> bool | None:
    """What the list says of an ability of a model; None where it does not say."""
    said: Any = row.get("capabilities")
    for key in (ability, "supported"):
        said = said.get(key) if isinstance(said, dict) else None
    return said if isinstance(said, bool) else None


__all__ = [
    "LADDER",
    "NAME",
    "SAMPLING",
    "SUBSET",
    "VERSION",
    "count_call",
    "decode",
    "encode",
    "explain",
    "form_for",
    "form_refused",
    "listed_models",
    "models_call",
    "parameter_refused",
]
