"""What a response says, whichever server wrote it: an error, token limits, its own end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote, urljoin, urlsplit

from llmwidgets.dialects.response_body import load_json, read_body
from llmwidgets.dialects.types import Call, HTTPResponse
from llmwidgets.secret import redact

_ID_HEADERS = (
    "x-request-id", "apim-request-id", "x-ms-request-id", "request-id", "x-amzn-requestid",
)  # fmt: skip
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
_SUCCESS = range(200, 300)
_MISFIT = re.compile(
    r"'loc': \('body', (?P<place>[^)]{1,200})\),"
    r" 'msg': (?P<quote>['\"])(?P<said>.{1,300}?)(?P=quote)[,}]"
    r"|^(?P<where>[\w.]{1,200})\n  (?P<why>.{1,300}?) \[type=\w+, input_value=",
    re.M,
)
"""A row of what pydantic has against a request, in the words of llama-cpp-python's server."""
_READ = 2000
"""Characters of a message that are read."""
_LONGEST = 300
_ECHO = 24


Damage = Literal["", "empty", "cut", "nested", "damaged"]
"""What is wrong with a body that was to be JSON; empty if nothing is."""


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The words of an error response. `status` is one written in the body; `page`: it is not JSON.

    `damage` is what is wrong with a body that was to be JSON. `reason` is the most exact word for
    what happened, from the details, `upstream` the provider that a router asked. `whole` is the
    object that held the message, as it came, and `details` a part of it: waits and links are read
    out of them.
    """

    message: str = ""
    code: str = ""
    type: str = ""
    param: str = ""
    inner: str = ""
    reason: str = ""
    upstream: str = ""
    categories: tuple[str, ...] = ()
    status: int | None = None
    page: bool = False
    damage: Damage = ""
    details: Any = field(default=None, repr=False)
    whole: Any = field(default=None, repr=False)


def _error_among(body: Any) -> Any:
    """What tells of an error: the body, or of a list the first entry that does."""
    if not isinstance(body, list) or not body:
        return body
    return next((each for each in body if _has_error(each)), body[0])


def _has_error(body: Any) -> bool:
    return isinstance(body, dict) and (bool(body.get("error")) or body.get("type") == "error")


def parse_error_body(payload: HTTPResponse) -> ErrorBody:
    """The words of an error, from every shape in use, code and message apart."""
    body = _error_among(read_body(payload))
    if not isinstance(body, dict):
        text = payload.body[:_READ].decode("utf-8", "replace").strip()
        page = text.startswith("<") or "html" in payload.headers.get("content-type", "")
        return ErrorBody(
            message="" if page else text,
            page=page or payload.status in _SUCCESS,
            damage=_find_damage(payload) if payload.status in _SUCCESS else "",
        )
    error = body.get("error")
    source = error if isinstance(error, dict) else body
    inner = read_path(source, "innererror")
    code = source.get("code", source.get("statusCode"))
    parts = (_message(source, error, body), _behind(source))
    message, status = ": ".join(filter(None, parts))[:_READ], None
    if payload.status in _SUCCESS:
        status = _status_in(code, source)
    elif payload.status == 500 and (misfits := list(_MISFIT.finditer(message))):
        # The request is at fault, and not the server: others answer 422 to it.
        message, status = "; ".join(_misfit(each) for each in misfits[:3]), 422
    return ErrorBody(
        message=message,
        code="" if code is None or isinstance(code, bool) else redact(str(code)[:80]),
        type=_named_type(payload, body) or _word(source.get("type")) or _word(source.get("status")),
        param=_word(source.get("param")),
        inner=_word(read_path(inner, "code")),
        reason=_reason(source.get("details")),
        upstream=_UPSTREAM.sub("", _word(read_path(source, "metadata", "provider_name"), 40)),
        categories=filtered_categories(inner)[:5],
        status=status,
        details=source.get("details"),
        whole=source,
    )


def _named_type(payload: HTTPResponse, body: dict[str, Any]) -> str:
    """The class of an error as AWS names it: `AccessDeniedException`; else empty."""
    named = payload.headers.get("x-amzn-errortype") or _word(body.get("__type"))
    return named.rpartition("#")[2].partition(":")[0].strip()[:80]


def _find_damage(payload: HTTPResponse) -> Damage:
    """What is wrong with a body that is not read; empty if it was never meant to be JSON."""
    text = payload.body.decode("utf-8", "replace").strip()
    if not text:
        return "empty"
    if not text.startswith(("{", "[")):
        return ""
    try:
        load_json(text)
    except RecursionError:
        return "nested"
    except ValueError:
        return "cut" if unfinished(text) else "damaged"
    return ""


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
    return payload.status >= 400 or _has_error(_error_among(read_body(payload)))


def _message(source: dict[str, Any], error: Any, body: dict[str, Any]) -> str:
    places = (
        source.get("message"),
        source.get("Message"),
        error,
        body.get("error_description"),
        body.get("detail"),
    )
    for message in places:
        if isinstance(message, str) and message.strip():
            return message.strip()
        if isinstance(message, list):
            return "; ".join(_detail(each) for each in message[:3])
    return ""


def _detail(each: Any) -> str:
    # FastAPI's rows also contain the `input`, which can be the document.
    place = read_path(each, "loc")
    where = ".".join(str(part) for part in place) if isinstance(place, list) else ""
    return f"{where} {_word(read_path(each, 'msg'), 120)}".strip()


_UPSTREAM = re.compile(r"[^\w .+-]")


def _behind(source: dict[str, Any]) -> str:
    """What the provider behind a router said: the router hands it on as it came."""
    raw = read_path(source, "metadata", "raw")
    body = raw
    if isinstance(raw, str):
        with suppress(ValueError, RecursionError):
            body = load_json(raw)
    if not isinstance(body, dict):
        return "" if not isinstance(raw, str) or raw.lstrip().startswith("<") else raw.strip()
    error = body.get("error")
    return _message(error if isinstance(error, dict) else body, error, body)


def _misfit(row: re.Match[str]) -> str:
    # Without the `input`, as in `_detail`.
    place = row["where"] or ".".join(re.findall(r"\w+", row["place"]))
    return f"{place} {row['why'] or row['said']}"


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


def filtered_categories(source: Any) -> tuple[str, ...]:
    """The categories of Azure's content filter that stopped a text, by their names."""
    names = ("content_filter_results", "content_filter_result")
    verdicts = next(filter(None, (read_path(source, name) for name in names)), None)
    hit = verdicts.items() if isinstance(verdicts, dict) else ()
    return tuple(_word(name) for name, verdict in hit if read_path(verdict, "filtered"))


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


def redirect_target(location: str, call: Call | None) -> str:
    """Where a redirect leads, without what could be a secret or a text; empty if that is unclear.

    A host in other letters than these could look like another one.
    """
    try:
        parts = urlsplit(urljoin(call.url if call else "", location))
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not host or not host.isascii():
        return ""
    path = quoted(unquote(parts.path), call)
    netloc = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{netloc}{f':{port}' if port else ''}{path}"


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


# -- Single values out of a reply, by the keys that lead to them; None if one is missing.

_MOST_TOKENS = 10**12


def read_path(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def read_count(value: Any, *keys: str) -> int | None:
    """A number of tokens; None for what cannot be one."""
    value = read_path(value, *keys)
    right = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS
    return value if right else None


def read_word(value: Any, *keys: str) -> str | None:
    """A text that is not empty."""
    value = read_path(value, *keys)
    return value if isinstance(value, str) and value else None


def read_day(value: Any, *keys: str) -> str | None:
    """The day that an ISO date or moment begins with."""
    match = re.match(r"\d{4}-\d{2}-\d{2}", read_word(value, *keys) or "")
    return match.group() if match else None


# -- Whole or cut: how an answer ended, by the server's word for it or by its look.

_FENCE = re.compile(r"```\w*\s*")
_FAILED = re.compile(
    r"error|fail|abort|cancel|time_?out|insufficient_system_resource", re.IGNORECASE
)
"""Endings of a model that failed: OpenRouter and Mistral, vLLM and sglang, Zhipu, DeepSeek."""


def ended_in_failure(reason: Any) -> bool:
    """Whether the word for how an answer ended means that the model failed.

    >>> ended_in_failure("network_error"), ended_in_failure("stop"), ended_in_failure(None)
    (True, False, False)
    """
    return isinstance(reason, str) and _FAILED.search(reason) is not None


def unfinished(text: str) -> bool:
    """Whether an answer that nothing calls ended is cut: it is empty, or JSON without its end.

    Other words can be all that was meant to be said.

    >>> unfinished('{"total": 12'), unfinished('{"total": 12}'), unfinished("OK")
    (True, False, False)
    """
    fence = _FENCE.match(bare := text.strip())
    bare = bare[fence.end() :].removesuffix("```").rstrip() if fence else bare
    if not bare.startswith(("{", "[")):
        return not bare
    try:
        json.loads(bare)
    except json.JSONDecodeError as error:
        ended = bare.endswith("}" if bare[0] == "{" else "]")
        cut = not ended or error.pos >= len(bare) or error.msg.startswith("Unterminated string")
        return cut and error.msg != "Extra data"
    except (ValueError, RecursionError):
        return False
    return False


# -- Token limits: how much room is left, as far as a server's refusal names it.


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """The numbers of tokens that a refusal names; None for those it does not.

    `window` is for question and answer together, `prompt` what the question takes of it,
    `requested` both with the answer asked for, `output` the most that one answer can have.
    """

    window: int | None = None
    prompt: int | None = None
    requested: int | None = None
    output: int | None = None

    def room(self, asked: int) -> int | None:
        """The most that an answer can ask for, after `asked` was refused; None if unknown."""
        prompt = self.prompt
        if prompt is None and self.requested is not None and self.requested > asked:
            prompt = self.requested - asked
        rooms = [self.output] if self.output is not None else []
        if self.window is not None and prompt is not None:
            rooms.append(self.window - prompt)
        return min(rooms, default=None)


_N = r"`?(?P<{}>\d[\d,]{{0,11}})`?"
_NAME = r"[`']?max[_ ](?:completion_|output_|new_)?tokens[`']?"
_WINDOW, _PROMPT, _OUTPUT = (_N.format(each) for each in ("window", "prompt", "output"))
_SUMS = (
    rf"context limit: {_PROMPT} \+ [\d,]+ > {_WINDOW}",
    rf"`?max_new_tokens`? must be <= {_WINDOW}\. Given: {_PROMPT} `inputs`",
)
"""Limits of question and answer together: what they name, other phrases would misread."""
_PHRASES = (
    rf"maximum context length (?:is|of) {_WINDOW}",
    rf"context (?:window|length|size|limit)(?: is| of|:)? {_WINDOW}",
    rf"max_model_len(?:gth)?(?: is| of|[=:])? ?{_WINDOW}",
    rf"{_PROMPT} (?:tokens )?(?:in|from) (?:the|your) (?:input )?(?:messages|prompt|input)",
    r"(?:prompt|request|input|messages) (?:contains?|has|have|resulted in)(?: at least)? "
    + _PROMPT,
    rf"requested (?:a total of )?{_N.format('requested')} tokens",
    rf"supports at most {_OUTPUT} (?:completion|output) tokens",
    rf"max_tokens: [\d,]+ > {_OUTPUT}, which is the maximum",
    rf"range of {_NAME} (?:is|should be) \[\d+, ?{_OUTPUT}\]",
    rf"{_NAME} must be (?:less than or equal to|at most|<=) {_OUTPUT}",
    rf"{_NAME}.{{0,80}}? expected a value <= {_OUTPUT}",
    rf"maximum tokens you requested exceeds the model limit of {_OUTPUT}",
    rf"supported range is from \d+ \(inclusive\) to {_N.format('above_output')} \(exclusive\)",
)
"""How known servers word their limits; the first phrase counts for each number."""


def read_limits(message: str) -> TokenLimits | None:
    """The limits in a server's words, by the phrases of known servers; None if it names none.

    >>> read_limits("This model's maximum context length is 8192 tokens. However, you requested "
    ...     "20500 tokens (404 in the messages, 20096 in the completion).").room(20096)
    7788
    """
    words = " ".join(message[:_READ].split())
    matches = _search(_SUMS, words) or _search(_PHRASES, words)
    numbers: dict[str, int] = {}
    for match in reversed(matches):
        numbers |= {name: int(text.replace(",", "")) for name, text in match.groupdict().items()}
    if "above_output" in numbers:
        numbers["output"] = numbers.pop("above_output") - 1
    return TokenLimits(**numbers) if {"window", "output"} & numbers.keys() else None


def _search(phrases: tuple[str, ...], words: str) -> list[re.Match[str]]:
    return [match for each in phrases if (match := re.search(each, words, re.I))]
