"""One chat completion: the request's body in, OpenAI's reply or error out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from llmwidgets.demo.models import MODELS, Said
from llmwidgets.demo.prompt import read_prompt
from llmwidgets.demo.shapes import Disobeyed

FINGERPRINT = "rule-based demo, no LLM"
LONGEST = 40_000
"""Characters of the longest document that the models read."""
_LETTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status with its JSON body."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What `response_format` asks for; `sent` is None where no schema came with it."""

    form: str
    sent: Any = None


def failure(
    status: int, message: str, *, param: str | None = None, code: str | None = None
) -> Answer:
    """An error in OpenAI's shape."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": param, "code": code}
    return Answer(status, {"error": error})


def complete(request: Any) -> Answer:
    """Answer a body of POST /v1/chat/completions."""
    if not isinstance(request, dict):
        return failure(400, "The request body is not a JSON object.")
    model = MODELS.get(str(request.get("model")))
    if model is None:
        return failure(
            404,
            f"The demo server has no model {str(request.get('model'))[:80]!r}; "
            f"it has {', '.join(MODELS)}.",
            param="model",
            code="model_not_found",
        )
    refusal = _unreadable(request)
    if refusal is not None:
        return refusal
    wanted = _wanted(request.get("response_format"))
    if isinstance(wanted, Answer):
        return wanted
    messages = request["messages"]
    prompt = read_prompt(messages)
    if len(prompt.document) > LONGEST:
        return failure(
            400,
            f"The demo reads documents of up to {LONGEST} characters; "
            f"this one has {len(prompt.document)}.",
            param="messages",
            code="context_length_exceeded",
        )
    started = time.monotonic()
    try:
        said = model.say(prompt, form=wanted.form, sent=wanted.sent)
    except Disobeyed as error:
        return failure(400, str(error), param="response_format", code="unsupported_schema")
    time.sleep(max(0.0, model.seconds(prompt) - (time.monotonic() - started)))
    return _completion(model.name, said, messages, _limit(request))


def _unreadable(request: Mapping[str, Any]) -> Answer | None:
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        return failure(400, "`messages` must be a list with one message or more.", param="messages")
    if not all(isinstance(message, dict) and "role" in message for message in messages):
        return failure(400, "Each of `messages` must be an object with a role.", param="messages")
    if request.get("stream"):
        return failure(400, "The demo server does not stream.", param="stream")
    if request.get("n") not in (None, 1):
        return failure(400, "The demo server gives one choice; leave `n` out.", param="n")
    for name in ("max_completion_tokens", "max_tokens"):
        limit = request.get(name)
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
            return failure(400, f"`{name}` must be an integer.", param=name)
    return None


def _wanted(asked: Any) -> _Wanted | Answer:
    if asked is None:
        return _Wanted("text")
    form = asked.get("type") if isinstance(asked, dict) else None
    if form == "text":
        return _Wanted("text")
    if form == "json_object":
        return _Wanted("json_object", asked.get("schema"))
    if form == "json_schema":
        inner = asked.get("json_schema")
        schema = inner.get("schema") if isinstance(inner, dict) else asked.get("schema")
        if isinstance(schema, dict | bool):
            return _Wanted("json_schema", schema)
        return failure(
            400,
            "`response_format` of type json_schema needs json_schema.schema, an object.",
            param="response_format",
        )
    return failure(
        400,
        "`response_format` must have the type text, json_object or json_schema.",
        param="response_format",
    )


def _limit(request: Mapping[str, Any]) -> int | None:
    limit = request.get("max_completion_tokens", request.get("max_tokens"))
    return limit if isinstance(limit, int) else None


def _tokens(text: str) -> int:
    return -(-len(text) // _LETTERS_PER_TOKEN)


def _completion(name: str, said: Said, messages: list[Any], limit: int | None) -> Answer:
    text, finish = said.text, said.finish
    if limit is not None and _tokens(text) > limit:
        text, finish = text[: max(0, limit) * _LETTERS_PER_TOKEN], "length"
    asked, answered = _tokens(json.dumps(messages, ensure_ascii=False)), _tokens(text)
    message = {"role": "assistant", "content": None if said.refusal else text}
    body = {
        "id": f"chatcmpl-demo-{uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": name,
        "system_fingerprint": FINGERPRINT,
        "choices": [
            {
                "index": 0,
                "message": {**message, "refusal": said.refusal},
                "finish_reason": finish,
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "total_tokens": asked + answered,
            "estimated": f"{_LETTERS_PER_TOKEN} characters a token",
        },
    }
    return Answer(200, body)
