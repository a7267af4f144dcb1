"""What is in the body and headers of an error response, whichever server wrote it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from llmwidgets.dialects.types import Call, HTTPResponse
from llmwidgets.secret import redact

_ID_HEADERS = ("x-request-id", "apim-request-id", "x-ms-request-id", "request-id")
_INPUT = re.compile(r"['\"]?input(?:_value)?['\"]?\s*[=:]\s*('[^']*'|\"[^\"]*\"|[^,}\]]*)", re.I)
_LONG_QUOTE = re.compile(r"(['\"`])(?:(?!\1).){60,}\1", re.S)
_QUOTE = re.compile(r"(['\"`])((?:(?!\1).){3,})\1", re.S)
_STATUS = {
    "invalid_request_error": 400, "context_length_exceeded": 400, "content_filter": 400,
    "authentication_error": 401, "invalid_api_key": 401, "billing_error": 402,
    "permission_error": 403, "not_found_error": 404, "model_not_found": 404,
    "rate_limit_error": 429, "rate_limit_exceeded": 429, "ratelimitreached": 429,
    "too_many_requests": 429, "insufficient_quota": 429,
    "api_error": 500, "server_error": 500, "unavailable_error": 503, "timeout_error": 504,
    "overloaded_error": 529,
    "invalid_argument": 400, "failed_precondition": 400, "unauthenticated": 401,
    "permission_denied": 403, "not_found": 404, "resource_exhausted": 429, "internal": 500,
    "unavailable": 503, "deadline_exceeded": 504,
}  # fmt: skip
"""What the vendors' own words mean if they come under the status of a success."""
_READ = 2000
_LONGEST = 300
_ECHO = 24


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The words of an error response. `status` is one written in the body; `page`: it is not JSON.

    `reason` is the most exact word for what happened, from the details. `whole` is the object that
    held the message, as it came, and `details` a part of it: waits and links are read out of them.
    """

    message: str = ""
    code: str = ""
    type: str = ""
    param: str = ""
    inner: str = ""
    reason: str = ""
    categories: tuple[str, ...] = ()
    status: int | None = None
    page: bool = False
    details: Any = field(default=None, repr=False)
    whole: Any = field(default=None, repr=False)


def parse_body(payload: HTTPResponse) -> Any:
    """The JSON of a payload, or None if it is not JSON."""
    try:
        return json.loads(payload.body)
    except (ValueError, RecursionError):
        return None


def parse_error_body(payload: HTTPResponse) -> ErrorBody:
    """The words of an error, from every shape in use, code and message apart."""
    body = parse_body(payload)
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        text = payload.body[:_READ].decode("utf-8", "replace").strip()
        page = text.startswith("<") or "html" in payload.headers.get("content-type", "")
        return ErrorBody(message="" if page else text, page=page or (payload.status == 200))
    error = body.get("error")
    source = error if isinstance(error, dict) else body
    inner = source.get("innererror")
    inner = inner if isinstance(inner, dict) else {}
    code = source.get("code", source.get("statusCode"))
    return ErrorBody(
        message=_message(source, error, body)[:_READ],
        code="" if code is None or isinstance(code, bool) else redact(str(code)[:80]),
        type=_word(source.get("type")) or _word(source.get("status")),
        param=_word(source.get("param")),
        inner=_word(inner.get("code")),
        reason=_reason(source.get("details")),
        categories=filtered_categories(inner)[:5],
        status=_status_in(code, source) if payload.status == 200 else None,
        details=source.get("details"),
        whole=source,
    )


def _status_in(code: Any, source: dict[str, Any]) -> int | None:
    """The status that an error means by its own code, type or status; None if by none."""
    for word in (code, source.get("type"), source.get("status")):
        if isinstance(word, bool) or not isinstance(word, str | int):
            continue
        if re.fullmatch(r"[45][0-9]{2}", str(word)[:4]):
            return int(word)
        if (known := _STATUS.get(str(word)[:80].lower())) is not None:
            return known
    return None


def tells_error(payload: HTTPResponse) -> bool:
    """Whether a payload is an error by its status, or by its body whatever the status."""
    body = parse_body(payload)
    body = body[0] if isinstance(body, list) and body else body
    inside = isinstance(body, dict) and (bool(body.get("error")) or body.get("type") == "error")
    return payload.status >= 400 or inside


def _message(source: dict[str, Any], error: Any, body: dict[str, Any]) -> str:
    places = (source.get("message"), error, body.get("error_description"), body.get("detail"))
    for message in places:
        if isinstance(message, str) and message.strip():
            return message.strip()
        if isinstance(message, list):
            return "; ".join(_detail(each) for each in message[:3])
    return ""


def _detail(each: Any) -> str:
    # FastAPI's rows also contain the `input`, which can be the document.
    if not isinstance(each, dict):
        return ""
    place = each.get("loc")
    where = ".".join(str(part) for part in place) if isinstance(place, list) else ""
    return f"{where} {_word(each.get('msg'), 120)}".strip()


def _word(value: Any, longest: int = 80) -> str:
    return value[:longest] if isinstance(value, str) else ""


def _reason(details: Any) -> str:
    """Anthropic's `error_code`, or the reason in Google's ErrorInfo."""
    if isinstance(details, dict):
        return _word(details.get("error_code"))
    reasons = (_word(row.get("reason")) for row in rows_of(details, "ErrorInfo"))
    return next(filter(None, reasons), "")


def rows_of(details: Any, kind: str) -> list[dict[str, Any]]:
    """The rows of one kind among the details that Google sends: `ErrorInfo`, `Help`, …"""
    kind = f"google.rpc.{kind}"
    return [row for row in dicts(details) if str(row.get("@type", "")).endswith(kind)]


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; nothing if it is not one."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def filtered_categories(source: dict[str, Any]) -> tuple[str, ...]:
    """The categories of Azure's content filter that stopped a text, by their names."""
    verdicts = source.get("content_filter_results") or source.get("content_filter_result")
    hit = verdicts.items() if isinstance(verdicts, dict) else ()
    return tuple(
        _word(name) for name, each in hit if isinstance(each, dict) and each.get("filtered")
    )


def request_id(payload: HTTPResponse, body: Any) -> str | None:
    """The id that the provider's support asks for: from a header, else the body's own."""
    for name in _ID_HEADERS:
        if payload.headers.get(name):
            return payload.headers[name]
    names = ("id", "request_id", "responseId") if isinstance(body, dict) else ()
    return next((body[name] for name in names if isinstance(body.get(name), str)), None)


def quoted(message: str, call: Call | None) -> str:
    """The server's own words, short, keys masked; empty if they repeat the document."""
    plain = " ".join(redact(message).split())[: 2 * _LONGEST]
    documents = list(_documents(call)) if call is not None else []
    if any(_repeats(plain, text) for text in documents):
        return ""

    def masked(quote: re.Match[str]) -> str:
        return "“…”" if any(quote[2] in text for text in documents) else quote[0]

    bare = _QUOTE.sub(masked, _LONG_QUOTE.sub("“…”", _INPUT.sub("input …", plain)))
    return bare if len(bare) <= _LONGEST else f"{bare[: _LONGEST - 1]}…"


def _documents(call: Call) -> Iterator[str]:
    body = call.body if isinstance(call.body, dict) else {}
    for turn in body.get("messages") or body.get("contents") or []:
        if turn.get("role") in {"user", "assistant", "model"}:
            parts = turn.get("parts") or [{"text": turn.get("content")}]
            text = "".join(part["text"] for part in parts if isinstance(part.get("text"), str))
            text = text.removeprefix("<document>").removesuffix("</document>")
            yield " ".join(text.split())


def _repeats(plain: str, text: str) -> bool:
    size = min(_ECHO, len(text))
    if size < 8:
        return False
    return any(plain[i : i + size] in text for i in range(len(plain) - size + 1))


# -- Single values out of a reply: a word, a number of tokens, a day; None if it is missing.


def read_count(value: Any) -> int | None:
    """A number of tokens."""
    right = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if right else None


def read_word(value: Any) -> str | None:
    """A text that is not empty."""
    return value if isinstance(value, str) and value else None


def read_day(value: Any) -> str | None:
    """The day that an ISO date or moment begins with."""
    match = re.match(r"\d{4}-\d{2}-\d{2}", value) if isinstance(value, str) else None
    return match.group() if match else None
