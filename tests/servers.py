"""A model server on loopback that speaks all three dialects, and misbehaves on demand."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

OPENAI, ANTHROPIC, GEMINI, TOKEN = "openai", "anthropic", "gemini", "token"

FAULTS: dict[str, tuple[int, dict[str, Any]]] = {
    OPENAI: {
        "key": (401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}),
        "schema": (400, {"error": {"message": "response_format is not supported", "code": None}}),
        "limit": (429, {"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}),
        "money": (429, {"error": {"message": "Quota", "code": "insufficient_quota"}}),
        "overload": (503, {"error": {"message": "Overloaded"}}),
        "model": (404, {"error": {"message": "The model `m` does not exist",
                                  "code": "model_not_found"}}),
        "body": (200, {"error": {"message": "Overloaded", "code": 503}}),
    },
    ANTHROPIC: {
        "key": (401, {"type": "error", "error": {"type": "authentication_error",
                                                 "message": "invalid x-api-key"}}),
        "schema": (400, {"type": "error", "error": {"type": "invalid_request_error",
                                                    "message": "output_config.format: no"}}),
        "limit": (429, {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}),
        "money": (400, {"type": "error", "error": {
            "type": "invalid_request_error", "message": "Your credit balance is too low"}}),
        "overload": (529, {"type": "error", "error": {"type": "overloaded_error",
                                                      "message": "Overloaded"}}),
        "model": (404, {"type": "error", "error": {"type": "not_found_error",
                                                   "message": "model: m"}}),
        "body": (200, {"type": "error", "error": {"type": "overloaded_error",
                                                  "message": "Overloaded"}}),
    },
    GEMINI: {
        "key": (400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "API key "
                "not valid.", "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
                                           "reason": "API_KEY_INVALID"}]}}),
        "schema": (400, {"error": {"code": 400, "status": "INVALID_ARGUMENT",
                                   "message": "The schema has too many states"}}),
        "limit": (429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow"}}),
        "money": (429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "quota",
                  "details": [{"@type": "type.googleapis.com/google.rpc.QuotaFailure",
                               "violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}]}}),
        "overload": (503, {"error": {"code": 503, "status": "UNAVAILABLE", "message": "busy"}}),
        "model": (404, {"error": {"code": 404, "status": "NOT_FOUND",
                                  "message": "models/m is not found for API version v1"}}),
        "body": (200, {"error": {"code": 503, "status": "UNAVAILABLE", "message": "busy"}}),
    },
}  # fmt: skip
"""How each dialect says the same fault; `money` is an account without credit or quota."""


@dataclass
class Seen:
    """One request as it reached the server."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class ModelServer:
    """Where the server is, what it answers, how it behaves, and what it saw.

    `fault` is a word of FAULTS, or `redirect`, `fence`, `truncate`, `continue`, `ignore`, `refuse`.
    `faulty` limits it to requests whose body holds this text.
    """

    url: str
    record: Any = field(default_factory=lambda: {"name": "Bolt", "total": 12.5})
    models: tuple[str, ...] = ("m",)
    fault: str = ""
    faulty: str = ""
    redirect_to: str = ""
    token_seconds: int = 3599
    seen: list[Seen] = field(default_factory=list, repr=False)

    def asked(self, dialect: str) -> list[Seen]:
        """The requests that reached one dialect's route for questions."""
        return [each for each in self.seen if each.method == "POST" and spoken(each) == dialect]

    def answer(self, seen: Seen) -> tuple[int, Any]:
        """Status and body for a request."""
        dialect = spoken(seen)
        if dialect == TOKEN:
            return 200, {"access_token": f"ya29.made-up-{len(self.seen)}", "token_type": "Bearer",
                         "expires_in": self.token_seconds}  # fmt: skip
        hit = self.faulty in json.dumps(seen.body)
        if hit and self.fault in FAULTS[dialect] and (self.fault != "schema" or schema_of(seen)):
            return FAULTS[dialect][self.fault]
        if seen.method == "GET":
            return 200, _listing(dialect, self.models, seen)
        if seen.path.endswith(":countTokens"):
            return 200, {"totalTokens": 1}
        return 200, _reply(dialect, self._said(seen, self.fault if hit else ""), seen,
                           self.fault if hit else "")  # fmt: skip

    def _said(self, seen: Seen, fault: str) -> Any:
        schema = schema_of(seen)
        if fault == "ignore" or schema is None:
            return {"weather": "fine"}
        values = {name: _only(each) for name, each in schema.get("properties", {}).items()}
        return values if values and None not in values.values() else self.record


def spoken(seen: Seen) -> str:
    """The dialect of a request, by its path and headers."""
    if seen.path == "/token":
        return TOKEN
    if seen.path.endswith("/messages") or "anthropic-version" in seen.headers:
        return ANTHROPIC
    if re.search(r":(generateContent|countTokens)$", seen.path):
        return GEMINI
    return GEMINI if "x-goog-api-key" in seen.headers or "pageSize" in seen.query else OPENAI


def schema_of(seen: Seen) -> dict[str, Any] | None:
    """The JSON Schema that a request asks to be enforced, in any dialect."""
    body = seen.body if isinstance(seen.body, dict) else {}
    form = body.get("response_format", {})
    sent = form.get("json_schema", form).get("schema")
    sent = sent or body.get("output_config", {}).get("format", {}).get("schema")
    tools = body.get("tools") or [{}]
    sent = sent or body.get("generationConfig", {}).get("responseJsonSchema")
    found: dict[str, Any] | None = sent or tools[0].get("input_schema")
    return found


def _only(schema: dict[str, Any]) -> Any:
    values = schema.get("enum") or [schema.get("const")]
    return values[0] if len(values) == 1 else None


def _listing(dialect: str, models: tuple[str, ...], seen: Seen) -> dict[str, Any]:
    if dialect == GEMINI:
        able = {"supportedGenerationMethods": ["generateContent"], "inputTokenLimit": 1000}
        return {"models": [{"name": f"models/{each}", **able} for each in models]}
    if dialect == ANTHROPIC:
        # Two pages, as a long list has them.
        first = "after_id" not in seen.query
        part = models[:1] if first else models[1:]
        rows = [{"id": each, "type": "model", "lifecycle": "active"} for each in part]
        return {"data": rows, "has_more": first and len(models) > 1, "last_id": models[0]}
    return {"object": "list", "data": [{"id": each, "object": "model"} for each in models]}


def _reply(dialect: str, said: Any, seen: Seen, fault: str) -> dict[str, Any]:
    text = json.dumps(said)
    text = f"```json\n{text}\n```" if fault == "fence" else text
    cut = fault == "truncate"
    text = text[: len(text) // 2] if cut else text
    refused = fault == "refuse"
    in_path = re.search(r"/models/([^/:]+):", seen.path)
    model = in_path[1] if in_path else seen.body.get("model", "m")
    if dialect == OPENAI:
        message = {
            "role": "assistant",
            "content": None if refused else text,
            "refusal": "I will not." if refused else None,
        }
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [
                {"index": 0, "finish_reason": "length" if cut else "stop", "message": message}
            ],
            "usage": {"prompt_tokens": 90, "completion_tokens": 9, "total_tokens": 99},
        }
    if dialect == ANTHROPIC:
        block = {"type": "text", "text": text}
        if seen.body.get("tools") and not cut:
            block = {"type": "tool_use", "id": "toolu_1", "name": "record", "input": said}
        stop = "max_tokens" if cut else "refusal" if refused else "end_turn"
        thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [] if refused else [thought, block],
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {"input_tokens": 90, "output_tokens": 9},
        }
    if refused:
        return {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}}
    parts = [{"text": "Hm.", "thought": True}, {"text": text}]
    finish = {"truncate": "MAX_TOKENS", "continue": "CONTINUATION"}.get(fault, "STOP")
    return {
        "candidates": [
            {
                "content": {"role": "model", "parts": parts},
                "finishReason": finish,
            }
        ],
        "usageMetadata": {"promptTokenCount": 90, "candidatesTokenCount": 9},
        "modelVersion": model,
        "responseId": "r-1",
    }


class Handler(BaseHTTPRequestHandler):
    """A far end that keeps its connections open and says nothing of its own.

    Head and body leave together: apart, the second waits 40 ms for a sign that the first is there.
    """

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def reply(self, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
        """Answer with JSON, or with a body as it is."""
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        told = {"content-type": "application/json", **(headers or {})}
        for name, value in {**told, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: Any) -> None:
        """Say nothing: the tests look at what the server saw."""


@contextmanager
def holding_port() -> Iterator[int]:
    """A port of loopback at which nobody listens; held, so that no other program takes it.

    Whoever knows its number can listen there all the same, and stop, and listen again.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[ThreadingHTTPServer]:
    """A server on a free port of loopback, until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


class _Handler(Handler):
    def do_GET(self) -> None:
        self._handle(None)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            self._handle(json.loads(raw))
        except ValueError:
            self._handle(dict(parse_qsl(raw.decode())))

    def _handle(self, body: Any) -> None:
        server: ModelServer = self.server.state  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
        server.seen.append(seen)
        if server.fault == "redirect":
            self.reply(307, b"", {"location": server.redirect_to + self.path})
            return
        self.reply(*server.answer(seen))


@contextmanager
def serving_models(kind: type[ModelServer] = ModelServer, **settings: Any) -> Iterator[ModelServer]:
    """A model server on a free port of loopback, until the block ends."""
    with listening(_Handler) as http:
        state = kind(f"http://127.0.0.1:{http.server_address[1]}", **settings)
        http.state = state  # type: ignore[attr-defined]
        yield state
