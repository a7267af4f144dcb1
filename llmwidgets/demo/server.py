"""A keyless server in OpenAI's format on a free loopback port, answered by rules.

with DemoServer() as server:
    server.url                      # "http://127.0.0.1:PORT/v1"
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

from llmwidgets.demo.conform import Disobeyed
from llmwidgets.demo.models import MODELS, DemoReply, RuleModel, read_prompt

_LARGEST_BODY = 16_000_000
_LONGEST_DOCUMENT = 40_000
_CHARACTERS_PER_TOKEN = 4
_NOTE = "llmwidgets rule-based demo, no LLM"


class RequestError(Exception):
    """A request that is refused: the HTTP status, and an error in OpenAI's shape."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        kind = "server_error" if status >= 500 else "invalid_request_error"
        error = {"message": message, "type": kind, "param": param, "code": code}
        self.body: dict[str, Any] = {"error": error}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "llmwidgets-demo"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one packet

    def do_GET(self) -> None:
        try:
            self._reply(200, describe_models(self._path))
        except RequestError as error:
            self._reply(error.status, error.body)

    def do_POST(self) -> None:
        try:
            body = self._read_body()
            if self._path != "/v1/chat/completions":
                raise _wrong_path("POST", self._path)
            self._reply(200, complete(body))
        except RequestError as error:
            self._reply(error.status, error.body)

    @property
    def _path(self) -> str:
        return urlsplit(self.path).path.rstrip("/")

    def _read_body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.close_connection = True
            raise RequestError(411, "The request needs a Content-Length header.")
        if int(length) > _LARGEST_BODY:
            self.close_connection = True
            raise RequestError(413, f"The request is larger than {_LARGEST_BODY} bytes.")
        return self.rfile.read(int(length))

    def _reply(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("x-request-id", f"demo-{uuid4().hex}")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Errors of HTTP itself (an unknown method, a broken head) in OpenAI's shape too."""
        self.close_connection = True
        status = 405 if code == HTTPStatus.NOT_IMPLEMENTED else code
        error = RequestError(status, message or explain or HTTPStatus(code).phrase)
        self._reply(status, error.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing is logged: request lines are not the reader's business."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        self._threads_of: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        with self._lock:
            self._threads_of[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._threads_of.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is not worth a word."""

    def hang_up(self) -> None:
        with self._lock:
            threads = dict(self._threads_of)
        for connection in threads:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads.values():
            thread.join(timeout=5)


class DemoServer:
    """The demo server, serving from its creation until `close()`."""

    def __init__(self) -> None:
        self._server = _Server()
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="llmwidgets-demo",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Stop the server, its connections and its threads."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up()

    def abandon(self) -> None:
        """Give up the inherited socket in a forked child, which lacks the serving thread."""
        self._server.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def describe_models(path: str) -> dict[str, Any]:
    """The answer to GET /v1/models and to GET /v1/models/NAME."""
    models = {
        name: {"id": name, "object": "model", "created": 0, "owned_by": _NOTE} for name in MODELS
    }
    if path == "/v1/models":
        return {"object": "list", "data": list(models.values())}
    if not path.startswith("/v1/models/"):
        raise _wrong_path("GET", path)
    name = path.removeprefix("/v1/models/")
    if name not in models:
        raise _unknown_model(name)
    return models[name]


def _wrong_path(method: str, path: str) -> RequestError:
    return RequestError(
        404,
        f"Nothing answers {method} {path or '/'}; the demo server has GET /v1/models and "
        "POST /v1/chat/completions.",
        code="unknown_url",
    )


def _unknown_model(name: str) -> RequestError:
    return RequestError(
        404,
        f"The demo server does not have a model {name[:80]!r}; it has {', '.join(MODELS)}.",
        param="model",
        code="model_not_found",
    )


# -- One chat completion: the request's body in, OpenAI's reply out.


def complete(body: bytes) -> dict[str, Any]:
    """Answer the body of POST /v1/chat/completions; raises RequestError."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError(
            400, "The request body is not valid JSON.", code="invalid_json"
        ) from None
    if not isinstance(request, dict):
        raise RequestError(400, "The request body is not a JSON object.")
    model = MODELS.get(str(request.get("model")))
    if model is None:
        raise _unknown_model(str(request.get("model")))
    _check(request)
    return _answer(model, request)


def _check(request: Mapping[str, Any]) -> None:
    messages = request.get("messages")
    listed = messages if isinstance(messages, list) else []
    limits = ("max_completion_tokens", "max_tokens")
    checks = [
        ("messages", bool(listed), "`messages` must be a list with at least one message."),
        ("messages", all(isinstance(each, dict) and "role" in each for each in listed),
         "Each of `messages` must be an object with a role."),
        ("stream", not request.get("stream"), "The demo server does not stream."),
        ("n", request.get("n") in (None, 1), "The demo server gives one choice; leave `n` out."),
        *((name, type(request.get(name)) in (int, type(None)), f"`{name}` must be an integer.")
          for name in limits),
    ]  # fmt: skip
    for name, passed, message in checks:
        if not passed:
            raise RequestError(400, message, param=name)


def _read_format(response_format: Any) -> tuple[str, Any]:
    """The type of `response_format` and the schema in it, if there is one."""
    if response_format is None:
        return "text", None
    wanted = response_format if isinstance(response_format, dict) else {}
    match wanted.get("type"):
        case "text":
            return "text", None
        case "json_object":
            return "json_object", wanted.get("schema")
        case "json_schema":
            inner = wanted.get("json_schema")
            schema = (inner if isinstance(inner, dict) else wanted).get("schema")
            if isinstance(schema, dict | bool):
                return "json_schema", schema
            problem = "of type json_schema needs json_schema.schema, an object."
        case _:
            problem = "must have the type text, json_object or json_schema."
    raise RequestError(400, f"`response_format` {problem}", param="response_format")


def _answer(model: RuleModel, request: Mapping[str, Any]) -> dict[str, Any]:
    started = time.monotonic()
    response_format, schema = _read_format(request.get("response_format"))
    prompt = read_prompt(request["messages"])
    length = len(prompt.document)
    if length > _LONGEST_DOCUMENT:
        raise RequestError(
            400,
            f"The demo reads documents of up to {_LONGEST_DOCUMENT} characters; "
            f"this one has {length}.",
            param="messages",
            code="context_length_exceeded",
        )
    try:
        reply = model.answer(prompt, response_format, schema)
    except Disobeyed as error:
        raise RequestError(
            400, str(error), param="response_format", code="unsupported_schema"
        ) from None
    limit = request.get("max_completion_tokens", request.get("max_tokens"))
    if limit is not None and _count_tokens(reply.text) > limit:
        text = reply.text[: max(0, limit) * _CHARACTERS_PER_TOKEN]
        reply = replace(reply, text=text, finish="length")
    time.sleep(max(0.0, model.seconds(length) - (time.monotonic() - started)))
    return _completion(model.name, request["messages"], reply)


def _completion(model: str, messages: list[Any], reply: DemoReply) -> dict[str, Any]:
    sent = _count_tokens(json.dumps(messages, ensure_ascii=False))
    received = _count_tokens(reply.text)
    message = {
        "role": "assistant",
        "content": None if reply.refusal else reply.text,
        "refusal": reply.refusal,
    }
    choice = {"index": 0, "message": message, "finish_reason": reply.finish, "logprobs": None}
    return {
        "id": f"chatcmpl-demo-{uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": _NOTE.removeprefix("llmwidgets "),
        "choices": [choice],
        "usage": {
            "prompt_tokens": sent,
            "completion_tokens": received,
            "total_tokens": sent + received,
            "estimated": f"{_CHARACTERS_PER_TOKEN} characters per token",
        },
    }


def _count_tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS_PER_TOKEN)
