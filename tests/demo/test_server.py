"""The demo server speaks OpenAI's format over real sockets, and ends cleanly."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from openai import OpenAI

from llmwidgets.demo import DEMO_MODELS, emails, invoices, jobs
from llmwidgets.demo.models import MODELS
from llmwidgets.demo.server import DemoServer
from llmwidgets.schemas import read_schema
from tests.clocks import busy_seconds

SCHEMA = invoices.Schema.model_json_schema()
PROBE = {
    "type": "object",
    "properties": {"zq_marker": {"type": "string", "enum": ["violet-otter-41"]}},
    "required": ["zq_marker"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with DemoServer() as server:
        yield server


@pytest.fixture
def client(server: DemoServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.url, api_key="unused", max_retries=0) as client:
        yield client


def _post(server: DemoServer, body: Any, path: str = "/v1/chat/completions") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", path, raw, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def _ask(model: str, text: str, **more: Any) -> dict[str, Any]:
    said = f"<document>\n{text}\n</document>"
    return {"model": model, "messages": [{"role": "user", "content": said}], **more}


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    named = {"name": "record", "strict": True, "schema": schema}
    return {"type": "json_schema", "json_schema": named}


def _content(answer: Any) -> str:
    return str(answer["choices"][0]["message"]["content"])


def test_openai_client_lists_the_models(client: OpenAI) -> None:
    """The official client reads the list, and every model says that it is no LLM."""
    models = list(client.models.list())
    assert tuple(model.id for model in models) == DEMO_MODELS == tuple(MODELS)
    assert {model.owned_by for model in models} == {"llmwidgets rule-based demo, no LLM"}


@pytest.mark.parametrize("model", [name for name in DEMO_MODELS if not MODELS[name].fails])
def test_openai_client_reads_a_record(client: OpenAI, model: str) -> None:
    """The official client parses a completion whose record obeys the schema."""
    raw = client.chat.completions.with_raw_response.create(
        **_ask(model, invoices.texts[0]["text"], response_format=_strict(SCHEMA))
    )
    answer = raw.parse()
    assert raw.headers["x-request-id"].startswith("demo-")
    assert answer.model == model
    assert answer.system_fingerprint == "rule-based demo, no LLM"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.choices[0].finish_reason == "stop"
    record = json.loads(answer.choices[0].message.content or "")
    assert read_schema(invoices.Schema).problems(record) == []


@pytest.mark.parametrize("model", DEMO_MODELS)
@pytest.mark.parametrize(
    "form", [_strict(PROBE), {"type": "json_object", "schema": PROBE}], ids=["strict", "object"]
)
def test_a_single_value_enum_is_filled(server: DemoServer, model: str, form: Any) -> None:
    """A capability probe sees the schema enforced in both forms, by every model."""
    status, answer = _post(server, _ask(model, "Reply with JSON.", response_format=form))
    assert status == 200
    assert json.loads(_content(answer)) == {"zq_marker": "violet-otter-41"}


def test_json_object_without_schema_enforces_nothing(server: DemoServer) -> None:
    """Plain json_object is JSON, and without a schema in the prompt no field of one."""
    body = _ask("demo-careful", "Reply with JSON.", response_format={"type": "json_object"})
    _, answer = _post(server, body)
    assert list(json.loads(_content(answer))) == ["note"]


@pytest.mark.parametrize("form", [{"type": "json_object"}, {"type": "text"}, None])
def test_a_schema_in_the_prompt_guides(server: DemoServer, form: Any) -> None:
    """With the schema in the system message the record follows it in every lesser form."""
    body = _ask("demo-careful", invoices.texts[0]["text"], response_format=form)
    words = f"Extract the fields of this JSON Schema:\n{json.dumps(SCHEMA)}\nNull where absent."
    body["messages"].insert(0, {"role": "system", "content": words})
    _, answer = _post(server, body)
    assert json.loads(_content(answer))["number"] == "LJ-20417"


def test_without_any_schema_it_says_what_it_is(server: DemoServer) -> None:
    """A chat without a schema is answered by a sentence that names the demo for what it is."""
    _, answer = _post(server, _ask("demo-quick", "Tell me a story."))
    assert "rule-based demo and no LLM" in _content(answer)


def test_output_limit_cuts_the_answer(server: DemoServer) -> None:
    """A reply longer than max_completion_tokens ends early with the reason length."""
    body = _ask("demo-careful", invoices.texts[0]["text"], response_format=_strict(SCHEMA))
    _, answer = _post(server, {**body, "max_completion_tokens": 10})
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 10


def test_a_long_document_is_too_long(server: DemoServer) -> None:
    """A document over the limit is refused by OpenAI's code for it, not read in part."""
    status, answer = _post(server, _ask("demo-quick", "word " * 9000))
    assert status == 400
    assert answer["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize("piece", ["1 ", "Aa ", "1,", "a: ", '"', "- 1 x 2\n", "1 May 2025 ", "{"])
def test_no_document_takes_long(server: DemoServer, piece: str) -> None:
    """The longest documents of the most awkward make are answered within seconds."""
    text = piece * (40_000 // len(piece) - 1)
    form = _strict(jobs.Schema.model_json_schema())
    started = time.monotonic()
    status, _ = _post(server, _ask("demo-careful", text, response_format=form))
    assert status == 200
    assert time.monotonic() - started < busy_seconds(10.0)


def test_flaky_fails_by_class_and_always_alike(server: DemoServer) -> None:
    """demo-flaky refuses, breaks off or chats on some of the samples, the same ones each time."""

    def kinds() -> list[str]:
        said = []
        for task in (invoices, emails, jobs):
            form = _strict(task.Schema.model_json_schema())
            for text in task.texts:
                _, answer = _post(server, _ask("demo-flaky", text["text"], response_format=form))
                said.append(_kind(answer["choices"][0]))
        return said

    first = kinds()
    assert kinds() == first
    counted = Counter(first)
    assert counted["ok"] >= 16
    assert {"refused", "truncated", "prose"} <= counted.keys()


def _kind(choice: dict[str, Any]) -> str:
    if choice["message"]["refusal"]:
        return "refused"
    if choice["finish_reason"] == "length":
        return "truncated"
    try:
        json.loads(choice["message"]["content"])
    except ValueError:
        return "prose"
    return "ok"


def test_openai_client_raises_its_own_errors(client: OpenAI, server: DemoServer) -> None:
    """Unknown models and wrong paths are the client's NotFoundError, in OpenAI's shape."""
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(**_ask("gpt-nowhere", "Hi"))
    assert unknown.value.code == "model_not_found"
    assert unknown.value.param == "model"
    with (
        OpenAI(base_url=server.url[:-3], api_key="unused", max_retries=0) as lost,
        pytest.raises(openai.NotFoundError, match="POST /v1/chat/completions"),
    ):
        lost.chat.completions.create(**_ask("demo-quick", "Hi"))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{not json", None),
        (b"[1]", None),
        ({"model": "demo-quick"}, "messages"),
        ({"model": "demo-quick", "messages": ["hi"]}, "messages"),
        (_ask("demo-quick", "Hi", stream=True), "stream"),
        (_ask("demo-quick", "Hi", n=2), "n"),
        (_ask("demo-quick", "Hi", max_tokens="9"), "max_tokens"),
        (_ask("demo-quick", "Hi", response_format={"type": "yaml"}), "response_format"),
        (_ask("demo-quick", "Hi", response_format={"type": "json_schema"}), "response_format"),
        (_ask("demo-quick", "Hi", response_format=_strict({"type": 7})), "response_format"),
        (_ask("demo-quick", "Hi", response_format=_strict({"not": {}})), "response_format"),
    ],
)
def test_a_bad_request_is_400(server: DemoServer, body: Any, param: str | None) -> None:
    """What the server cannot answer is a 400 whose error names the parameter."""
    status, answer = _post(server, body)
    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error"
    assert answer["error"]["param"] == param
    assert answer["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models/demo-quick", 200),
        ("GET", "/v1/models/none", 404),
        ("GET", "/", 404),
        ("DELETE", "/v1/models", 405),
        ("POST", "/v1/chat/completions", 411),
    ],
)
def test_other_requests(server: DemoServer, method: str, path: str, status: int) -> None:
    """Every other method or path is answered in JSON with a fitting status."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.putrequest(method, path)
        connection.endheaders()
        answer = connection.getresponse()
        body = json.loads(answer.read())
    finally:
        connection.close()
    assert answer.status == status
    assert ("error" in body) == (status != 200)


def test_a_connection_is_kept_alive(server: DemoServer) -> None:
    """Two requests travel over one connection, an error between them included."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        for path, status in (("/v1/models", 200), ("/nothing", 404), ("/v1/models", 200)):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
            held = connection.sock
            assert held is not None
        assert answer.getheader("Connection") is None
    finally:
        connection.close()


def test_a_hundred_requests_at_once(server: DemoServer) -> None:
    """A hundred connections at the same moment are all answered."""
    barrier = threading.Barrier(100)

    def one(number: int) -> int:
        barrier.wait(timeout=20)
        return _post(server, _ask("demo-hasty", f"Text {number}"))[0]

    with ThreadPoolExecutor(100) as pool:
        assert list(pool.map(one, range(100))) == [200] * 100


def test_close_ends_connections_and_threads() -> None:
    """After close no thread of the server lives, though a client still held its connection."""
    before = set(threading.enumerate())
    server = DemoServer()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/v1/models")
    connection.getresponse().read()
    server.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        _post(server, {})
    connection.close()
