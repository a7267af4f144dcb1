"""The OpenAI chat format: OpenAI, Azure OpenAI, Azure AI Foundry and every Custom server.

What differs between servers are options of the target, not branches on their names:

- `token_parameter`: `max_completion_tokens`, or `max_tokens` where a server knows no other.
- `system_role`: `developer` or `system`.
- `store`: send `"store": false`, so that the provider keeps neither text nor answer.
- `effort`: the server knows `reasoning_effort`.
- `object_schema`: the server takes a schema beside `{"type": "json_object"}`.
- `route`: what is added to the URL; `models_url`: where models are listed, else beside the route.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from llmwidgets.dialects.error_body import read_body, request_id
from llmwidgets.dialects.openai_errors import (
    RULES,
    explain,
    form_refused,
    nothing_answers,
    parameter_refused,
)
from llmwidgets.dialects.openai_subset import SUBSET
from llmwidgets.dialects.prompt import system_text, turns
from llmwidgets.dialects.reading import count, word
from llmwidgets.dialects.requests import call_for
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

NAME = "openai_chat"
SAMPLING = True
LADDER = (Form.JSON_SCHEMA, Form.JSON_OBJECT_SCHEMA, Form.JSON_OBJECT, Form.TEXT)
"""The forms a server of this format is asked for, strictest first."""

_ENDINGS: dict[str, Ending] = {
    "length": "truncated",
    "content_filter": "filtered",
    # What Mistral, and gateways that hand on the words of Claude and Gemini, call a cut answer.
    "model_length": "truncated",
    "max_tokens": "truncated",
}
_WHOLE = frozenset(
    {"stop", "tool_calls", "function_call", "eos", "eos_token", "stop_sequence", "end_turn"}
)
"""Endings by the model's own will; any other word says nothing of an answer that is cut."""


def form_for(form: Form, schema: Compiled) -> Form:
    """The form in which this schema travels: JSON alone where it is beyond what can be enforced."""
    return Form.JSON_OBJECT if form is Form.JSON_SCHEMA and schema.excess else form


def encode(request: Request, target: Target) -> Call:
    """The request as one POST to the target's chat route."""
    options = target.options
    role = options.get("system_role", "system")
    instructions = system_text(request)
    messages = [{"role": role, "content": instructions}] if instructions else []
    messages += [{"role": who, "content": said} for who, said in turns(request)]
    body: dict[str, Any] = {"model": target.model, "messages": messages}
    body |= _response_format(request, target)
    body[options.get("token_parameter", "max_tokens")] = request.max_output_tokens
    if request.effort_sent is not None and options.get("effort"):
        body["reasoning_effort"] = request.effort_sent
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if options.get("store"):
        body["store"] = False
    return call_for(target, "POST", target.url + options.get("route", "/chat/completions"), body)


def _response_format(request: Request, target: Target) -> dict[str, Any]:
    schema = request.schema.schema
    if request.form is Form.JSON_SCHEMA:
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", str(schema.get("title") or "")).strip("_")[:64]
        strict = {"name": name or "extraction", "strict": True, "schema": schema}
        return {"response_format": {"type": "json_schema", "json_schema": strict}}
    if request.form is Form.JSON_OBJECT_SCHEMA:
        if not target.options.get("object_schema"):
            raise BadRequest(
                f"{target.label or 'This connection'} takes no schema beside json_object.",
                "This form is for Custom servers only.",
                label=target.label,
                model=target.model,
                code="response_format",
            )
        return {"response_format": {"type": "json_object", "schema": schema}}
    if request.form is Form.JSON_OBJECT:
        return {"response_format": {"type": "json_object"}}
    return {}


def decode(payload: Payload, *, call: Call | None = None) -> Reply:
    """What the model said; CallError where the answer is not of the OpenAI chat format.

    A failure behind the server is raised as what it is, whatever text came with it.
    """
    body = read_body(payload)
    if not isinstance(body, dict) or body.get("error"):
        raise explain(payload, call=call)
    choices, of_chat = body.get("choices"), _is_chat(body)
    if not isinstance(choices, list) and not of_chat:
        raise explain(payload, call=call)
    if not choices and body.get("prompt_filter_results"):
        return _reply(payload, body, {"finish_reason": "content_filter"}, {}, call)
    choice = choices[0] if isinstance(choices, list) and choices else None
    choice = choice if isinstance(choice, dict) else {}
    message = choice.get("message")
    error = choice.get("error") or (isinstance(message, dict) and message.get("error")) or None
    if error or ended_failed(choice.get("finish_reason")):
        raise told(payload, error, RULES, call=call)
    if not isinstance(message, dict):
        raise (broke_off if of_chat else nothing_answers)(payload, call=call)
    return _reply(payload, body, choice, message, call)


def _is_chat(body: dict[str, Any]) -> bool:
    """Whether a body is of the format, also where its choices are missing."""
    beside = {"id", "object", "created", "model", "usage"} & set(body)
    named = "choices" in body and (body["choices"] is None or bool(beside))
    return named or body.get("object") == "chat.completion"


def _reply(
    payload: Payload,
    body: dict[str, Any],
    choice: dict[str, Any],
    message: dict[str, Any],
    call: Call | None,
) -> Reply:
    refusal, text = message.get("refusal"), _spoken(message.get("content"))
    reason = str(choice.get("finish_reason")).lower()
    ending: Ending = _ENDINGS.get(reason, "complete")
    if isinstance(refusal, str) and refusal.strip():
        ending = "refused"
    elif reason not in _WHOLE and reason not in _ENDINGS and unfinished(text):
        raise broke_off(payload, call=call)
    return Reply(
        text=text,
        ending=ending,
        usage=_usage(body.get("usage")),
        served_model=word(body.get("model")),
        request_id=request_id(payload, body),
        explanation=_explanation(ending, refusal, choice, body),
    )


def _explanation(ending: Ending, refusal: Any, choice: dict[str, Any], body: Any) -> str:
    if ending == "refused":
        return str(refusal).strip()[:300]
    if ending != "filtered":
        return ""
    found = choice.get("content_filter_results") or {}
    for each in body.get("prompt_filter_results") or []:
        found = found or (each.get("content_filter_results") if isinstance(each, dict) else {})
    hit = [
        name
        for name, verdict in (found.items() if isinstance(found, dict) else ())
        if isinstance(verdict, dict) and verdict.get("filtered")
    ]
    return ", ".join(hit)


def _spoken(content: Any) -> str:
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") == "text"]
        content = "".join(str(part.get("text") or "") for part in parts)
    return _without_thinking(content) if isinstance(content, str) else ""


def _without_thinking(text: str) -> str:
    bare = text.lstrip()
    if bare.startswith("<think>"):
        return bare.partition("</think>")[2].lstrip()
    # Chat templates that open the block themselves leave only its end in the answer.
    if "</think>" in bare and not bare.startswith(("{", "[")):
        return bare.rpartition("</think>")[2].lstrip()
    return text


def _usage(said: Any) -> Usage:
    if not isinstance(said, dict):
        return Usage()
    prompt, completion = said.get("prompt_tokens_details"), said.get("completion_tokens_details")
    cached = prompt.get("cached_tokens") if isinstance(prompt, dict) else None
    thought = completion.get("reasoning_tokens") if isinstance(completion, dict) else None
    return Usage(
        input_tokens=count(said.get("prompt_tokens")),
        output_tokens=count(said.get("completion_tokens")),
        cached_tokens=count(cached),
        reasoning_tokens=count(thought),
    )


def count_call(target: Target) -> Call | None:
    """None: no free call of this format proves more than the list of models."""
    return None


def models_call(target: Target) -> Call:
    """The free GET that lists models and so proves the key, where the server guards the list."""
    elsewhere = target.options.get("models_url")
    if elsewhere:
        return call_for(replace(target, query={}), "GET", elsewhere)
    return call_for(target, "GET", f"{target.url}/models")


def listed_models(
    payload: Payload, call: Call | None = None
) -> tuple[list[ListedModel], Call | None]:
    """The models in one page of the list, and the call for the next page (here always None)."""
    body = read_body(payload)
    rows = body.get("data", body.get("models")) if isinstance(body, dict) else body
    if not isinstance(rows, list) or (isinstance(body, dict) and body.get("error")):
        raise explain(payload, call=call)
    return [_listed(row) for row in rows if isinstance(row, dict) and word(row.get("id"))], None


def _listed(row: dict[str, Any]) -> ListedModel:
    deprecation = row.get("deprecation")
    ends = deprecation.get("inference") if isinstance(deprecation, dict) else None
    return ListedModel(row["id"], _day(row.get("shutdown_date") or ends), _window(row))


def _window(row: dict[str, Any]) -> int | None:
    """The window of a listed model: vLLM and sglang, routers, LM Studio, llama.cpp."""
    meta = row.get("meta")
    said = [row.get(name) for name in ("max_model_len", "context_length", "max_context_length")]
    said += [meta.get(name) for name in ("n_ctx", "n_ctx_train")] if isinstance(meta, dict) else []
    return next((known for known in map(count, said) if known), None)


def _day(value: Any) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return datetime.fromtimestamp(value, UTC).date().isoformat()
    found = re.match(r"\d{4}-\d{2}-\d{2}", value) if isinstance(value, str) else None
    return found.group() if found else None


__all__ = [
    "LADDER",
    "NAME",
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
    "parameter_refused",
]
