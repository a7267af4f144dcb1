"""Every kind of connection, from the check to the scoreboard, against a server that misbehaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat
from llmwidgets.engine import capability, event_loop
from llmwidgets.engine.extraction import Extraction
from llmwidgets.engine.network.sign_in import tokens
from llmwidgets.providers import PROVIDERS
from tests import kinds
from tests.servers import GEMINI, ModelServer, serving_models

SCHEMA = {
    "title": "Bill",
    "type": "object",
    "properties": {"name": {"type": "string"}, "total": {"type": "number"}},
    "required": ["name", "total"],
}
TEXTS = ["Bolt bills 12.50 EUR.", "Nut bills 12.50 EUR.", "Bolt bills 12.50 USD."]
TRUTH = [{"name": "Bolt", "total": 12.5}, {"name": "Nut", "total": 12.5}, {"total": 12.5}]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving_models(models=LISTED) as running:
        yield running
    tokens.forget_tokens()
    event_loop.stop_engine()


CLAUDE = "claude in foundry"
KINDS = [*PROVIDERS, CLAUDE]


def connected(kind: str, url: str) -> tuple[lw.Connection, str]:
    """A connection of a kind to the server, or Claude in Foundry; with its first model."""
    if kind == CLAUDE:
        given = {"model": "claude-sonnet-5-5", "endpoint": f"{url}/anthropic"}
        connection = lw.Connection("azure_ai_foundry", api_key=kinds.KEY, **given)
    else:
        connection = kinds.connected(kind, url)
    return connection, connection.models[0]


LISTED = tuple(dict.fromkeys(connected(kind, "http://127.0.0.1:1")[1] for kind in KINDS))


def extracted(server: ModelServer, kind: str, text: str = TEXTS[0], **more: Any) -> Extraction:
    connection, model = connected(kind, server.url)
    return lw.extract(SCHEMA, text, lw.Variant((connection, model), **more))


@pytest.mark.parametrize("kind", KINDS)
def test_a_check_finds_the_model_and_the_mode(server, kind):
    connection, model = connected(kind, server.url)
    report = lw.check(connection)
    assert report.ok, report
    assert model in report.models
    assert report.mode == "schema enforced"


def test_all_kinds_stand_in_one_comparison(server):
    models = [lw.Variant(connected(kind, server.url), label=kind) for kind in KINDS]
    result = lw.compare(SCHEMA, TEXTS, models, truth=TRUTH, journal=False, progress=False)
    board = result.scoreboard().set_index("variant")
    assert list(board.index) == KINDS
    # One of the five labelled fields is wrong in every column: the second text's name.
    assert board.accuracy.tolist() == pytest.approx([(1 + 0.5 + 1) / 3] * len(KINDS))
    assert set(board["mode"]) == {"schema enforced"}
    assert (board.input_tokens == 3 * 90).all()
    assert (board.output_tokens == 3 * 9).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("key", "Unauthorized"),
        ("money", "QuotaExhausted"),
        ("model", "UnknownModel"),
        ("refuse", "Refused"),
        ("truncate", "Truncated"),
        ("ignore", "InvalidRecord"),
        ("fence", "ok"),
    ],
)
def test_each_fault_has_the_same_class_in_every_dialect(server, kind, fault, status):
    connection, model = connected(kind, server.url)
    known = Capability(ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)
    capability.record_of(connection, model).capability = known
    server.fault = fault
    extraction = extracted(server, kind)
    filtered = fault == "refuse" and kinds.spoken_by(connection) == GEMINI
    assert extraction.status == ("Filtered" if filtered else status)
    if fault == "fence":
        assert extraction.data == {"name": "Bolt", "total": 12.5}
    else:
        assert extraction.failure is not None
        assert extraction.failure.message.endswith((".", "…"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_schema_is_asked_for_in_a_looser_form_and_said_so(server, kind):
    """Nothing is called schema enforced that is not."""
    connection, model = connected(kind, server.url)
    known = Capability(ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)
    capability.record_of(connection, model).capability = known
    server.fault = "schema"
    extraction = extracted(server, kind)
    assert extraction.mode != "schema enforced"
    assert extraction.status in {"ok", "InvalidRecord"}
    assert "total" in json.dumps(extraction.request["body"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_key_fails_the_check_with_a_sentence(server, kind):
    server.fault = "key"
    report = lw.check(connected(kind, server.url)[0])
    assert not report.ok
    assert "accepted" in report.sentence
    assert report.hint


@pytest.mark.parametrize("kind", ["anthropic", CLAUDE])
def test_a_schema_beyond_anthropics_limits_travels_as_a_tool_without_enforcement(server, kind):
    several = {f"f{i}": {"type": ["string", "number"]} for i in range(17)}
    schema = {"type": "object", "properties": several, "required": list(several)}
    server.record = dict.fromkeys(several, "x")
    connection, model = connected(kind, server.url)
    extraction = lw.extract(schema, TEXTS[0], (connection, model))
    assert extraction.ok, extraction.failure
    assert extraction.mode == "JSON only"
    assert extraction.request["body"]["tools"][0]["name"] == "record"
    assert extraction.data == server.record


@pytest.mark.parametrize(
    ("fault", "mode", "forms"),
    [
        ("", "schema enforced", ["json_schema"]),
        ("ignore", "JSON only", ["json_schema", "tool"]),
        ("schema", "text only", ["json_schema", "tool", "text"]),
    ],
)
def test_claude_under_a_name_of_its_own_is_probed_in_its_own_forms(server, fault, mode, forms):
    """A deployment whose name tells nothing: what it enforces is seen, not assumed."""
    server.fault = fault
    endpoint = f"{server.url}/anthropic"
    given = {"model": "our-claude", "endpoint": endpoint, "api_key": kinds.KEY}
    report = lw.check(lw.Connection("azure_ai_foundry", **given))
    assert report.ok, report
    assert report.mode == mode
    assert report.capability is not None
    assert [form.value for form, _, _ in report.capability.tried] == forms


def test_an_answer_that_would_go_on_in_another_call_is_truncated_and_says_so(server):
    server.fault = "continue"
    extraction = extracted(server, "gemini")
    assert extraction.status == "Truncated"
    assert extraction.failure is not None
    assert "offers to go on in another" in extraction.failure.message


@pytest.mark.parametrize("kind", ["anthropic", "gemini", "vertex_ai"])
@pytest.mark.parametrize("effort", ["least", "vendor", "low", "high"])
def test_the_thinking_asked_for_is_in_the_request(server, kind, effort):
    body = extracted(server, kind, effort=effort).request["body"]
    if kind == "anthropic":
        levels = {"least": ("disabled", None), "vendor": (None, None)}
        said = (body.get("thinking", {}).get("type"), body["output_config"].get("effort"))
        assert said == levels.get(effort, ("adaptive", effort))
        assert body["max_tokens"] == 4112 + (16_000 if effort != "least" else 0)
        return
    config = body["generationConfig"].get("thinkingConfig")
    wanted = {"least": "LOW", "vendor": None, "low": "LOW", "high": "HIGH"}[effort]
    assert config == ({"thinkingLevel": wanted} if wanted else None)


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_stands_in_the_request_that_is_shown(server, kind):
    connection, _ = connected(kind, server.url)
    shown = json.dumps(extracted(server, kind).request)
    for secret in connection.secret_fields.values():
        assert secret.tail not in shown
    assert "ya29" not in shown
    assert "••••" in json.dumps(json.loads(shown), ensure_ascii=False)
