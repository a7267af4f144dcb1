"""Google's content format: the Gemini API and Vertex AI.

What differs between models and between the two are options of the target:

- `levels`: the model takes its thinking level as a word, as one without `budgets` does.
- `budgets`: the levels that it takes as a number of tokens, each with that number.
- `models_url`: where models are listed, else beside them; `page_size`: how many at once.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from llmwidgets.dialects.error_body import read_body, request_id
from llmwidgets.dialects.gemini_errors import (
    explain,
    form_refused,
    nothing_answers,
    parameter_refused,
)
from llmwidgets.dialects.gemini_subset import SUBSET
from llmwidgets.dialects.prompt import system_text, turns
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
from llmwidgets.dialects.upstream import broke_off, unfinished
from llmwidgets.errors import BadRequest
from llmwidgets.schemas import Compiled

NAME = "gemini_content"
SAMPLING = True
LADDER = (Form.JSON_SCHEMA, Form.JSON_OBJECT, Form.TEXT)
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


def form_for(form: Form, schema: Compiled) -> Form:
    """The form in which this schema travels: JSON alone where it is beyond what can be enforced."""
    return Form.JSON_OBJECT if form is Form.JSON_SCHEMA and schema.excess else form


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
    return call_for(target, "POST", f"{_model_url(target)}:generateContent", body)


def _contents(request: Request) -> list[dict[str, Any]]:
    spoken = {"user": "user", "assistant": "model"}
    return [{"role": spoken[who], "parts": [{"text": said}]} for who, said in turns(request)]


def _format(request: Request, target: Target) -> dict[str, Any]:
    if request.form is Form.JSON_SCHEMA:
        schema = request.schema.schema
        return {"responseMimeType": "application/json", "responseJsonSchema": schema}
    if request.form is Form.JSON_OBJECT:
        return {"responseMimeType": "application/json"}
    if request.form is Form.TEXT:
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


def decode(payload: Payload, *, call: Call | None = None) -> Reply:
    """What the model said; CallError where the answer is not of Google's content format.

    A failure behind the server is raised as what it is, whatever text came with it.
    """
    body = read_body(payload)
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
        served_model=word(body.get("modelVersion")),
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
        return "filtered", word(said) or ""
    reason = word(candidate.get("finishReason")) or ""
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
    spoken, thought = count(said.get("candidatesTokenCount")), count(said.get("thoughtsTokenCount"))
    # A reply that was all thinking has no count of candidates.
    whole = None if spoken is None and thought is None else (spoken or 0) + (thought or 0)
    return Usage(
        input_tokens=count(said.get("promptTokenCount")),
        output_tokens=whole,
        cached_tokens=count(said.get("cachedContentTokenCount")),
        reasoning_tokens=thought,
    )


def count_call(target: Target) -> Call | None:
    """The free POST that counts the tokens of a word: it proves key, model and right to it."""
    body = {"contents": [{"role": "user", "parts": [{"text": "OK"}]}]}
    return call_for(target, "POST", f"{_model_url(target)}:countTokens", body)


def models_call(target: Target) -> Call:
    """The free GET that lists models; at Vertex AI those that there are, not those one may call."""
    url = target.options.get("models_url") or f"{target.url}/models"
    page = target.options.get("page_size", _PAGE)
    return call_for(target, "GET", url, pageSize=str(page))


def listed_models(
    payload: Payload, call: Call | None = None
) -> tuple[list[ListedModel], Call | None]:
    """The models in one page that answer texts, and the call for the next page."""
    body = read_body(payload)
    if not isinstance(body, dict) or body.get("error"):
        raise explain(payload, call=call)
    rows = body.get("models", body.get("publisherModels", [] if not body else None))
    if not isinstance(rows, list):
        raise nothing_answers(payload, call=call)
    found = [_listed(row) for row in rows if isinstance(row, dict) and _answers(row)]
    return found, next_page(call, pageToken=word(body.get("nextPageToken")))


def _answers(row: dict[str, Any]) -> bool:
    methods = row.get("supportedGenerationMethods")
    able = not isinstance(methods, list) or "generateContent" in methods
    return able and word(row.get("name")) is not None


def _listed(row: dict[str, Any]) -> ListedModel:
    status = row.get("modelStatus")
    ends = status.get("retirementTime") if isinstance(status, dict) else None
    found = re.match(r"\d{4}-\d{2}-\d{2}", word(ends) or "")
    return ListedModel(
        row["name"].rpartition("/")[2],
        found.group() if found else None,
        count(row.get("inputTokenLimit")),
        count(row.get("outputTokenLimit")),
        thinks=row.get("thinking") if isinstance(row.get("thinking"), bool) else None,
    )


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
