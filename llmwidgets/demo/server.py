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
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

from llmwidgets.demo.conform import Disobeyed
from llmwidgets.demo.models import MODELS, DemoReply, read_prompt

_LARGEST_BODY = 16_000_000
NOTE = "llmwidgets rule-based demo, no LLM"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "llmwidgets-demo"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one packet

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.rstrip("/")
        if path == "/v1/models":
            self._reply(Answer(200, {"object": "list", "data": [_listed(name) for name in MODELS]}))
        elif path.startswith("/v1/models/"):
            self._reply(_one_model(path.removeprefix("/v1/models/")))
        else:
            self._reply(_wrong_path(path, "GET"))

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            return
        path = urlsplit(self.path).path.rstrip("/")
        if path != "/v1/chat/completions":
            self._reply(_wrong_path(path, "POST"))
            return
        try:
            request = json.loads(body)
        except (ValueError, RecursionError):
            self._reply(failure(400, "The request body is not valid JSON.", code="invalid_json"))
            return
        self._reply(complete(request))

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.close_connection = True
            self._reply(failure(411, "The request needs a Content-Length header."))
            return None
        if int(length) > _LARGEST_BODY:
            self.close_connection = True
            self._reply(failure(413, f"The request is larger than {_LARGEST_BODY} bytes."))
            return None
        return self.rfile.read(int(length))

    def _reply(self, answer: Answer) -> None:
        body = json.dumps(answer.body, ensure_ascii=False).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-request-id", f"demo-{uuid4().hex}")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Errors of HTTP itself (an unknown method, a broken head) in OpenAI's shape too."""
        self.close_connection = True
        status = 405 if code == HTTPStatus.NOT_IMPLEMENTED else code
        self._reply(failure(status, message or explain or HTTPStatus(code).phrase))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing is logged: request lines are not the reader's business."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        self._open: dict[socket.socket, threading.Thread] = {}
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        with self._guard:
            self._open[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""

    def hang_up(self) -> None:
        with self._guard:
            held = dict(self._open)
        for connection in held:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in held.values():
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
        """End the server, its connections and its threads."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up()

    def abandon(self) -> None:
        """Give up the inherited socket in a forked child, where the serving thread is not."""
        self._server.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _listed(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": NOTE}


def _one_model(name: str) -> Answer:
    if name in MODELS:
        return Answer(200, _listed(name))
    return failure(
        404, f"The demo server has no model {name!r}.", param="model", code="model_not_found"
    )


def _wrong_path(path: str, method: str) -> Answer:
    return failure(
        404,
        f"Nothing answers {method} {path or '/'}; the demo server has GET /v1/models and "
        "POST /v1/chat/completions.",
        code="unknown_url",
    )


# -- One chat completion: the request's body in, OpenAI's reply or error out.

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


def _completion(name: str, said: DemoReply, messages: list[Any], limit: int | None) -> Answer:
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
