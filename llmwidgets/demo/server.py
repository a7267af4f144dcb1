"""A keyless server in OpenAI's format on a free loopback port, answered by rules.

with DemoServer() as server:
    server.url                      # "http://127.0.0.1:PORT/v1"
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

from llmwidgets.demo.completions import Answer, complete, failure
from llmwidgets.demo.models import MODELS

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
