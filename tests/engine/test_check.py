"""A check says what is right, what is not, and the change that mends it."""

from __future__ import annotations

import pytest

import llmwidgets as lw
from llmwidgets.connections import Connection, Policy, environment_connections
from llmwidgets.dialects.types import Enforcement, ResponseFormat
from llmwidgets.engine import event_loop
from llmwidgets.engine.check import CheckReport, Usual, apply_fix, check, discover
from llmwidgets.engine.troubleshooting import SYMPTOMS, diagnose
from llmwidgets.errors import (
    FieldError,
    QuotaExhausted,
    RateLimited,
    Unauthorized,
    UnknownConnection,
    UnknownModel,
    Unreachable,
)
from tests.servers import serving_models

CANARY = "canary-key-7c1f0e9d55aa"
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}


def custom(url: str, name: str = "m", **more) -> Connection:
    return Connection("custom", name=name, endpoint=url, **more)


def listing(*ids: str, status: int = 200, chat: int = 200):
    """A server that lists these models and answers chats with a status."""

    async def behave(seen, wire):
        if seen.line.startswith("GET"):
            wire.answer({"object": "list", "data": [{"id": each} for each in ids]}, status)
        elif chat != 200:
            wire.answer({"error": {"message": "no", "code": "x"}}, chat)
        else:
            wire.chat("OK")

    return behave


def test_a_custom_server_is_probed_by_the_runs_own_path(far_end, model):
    report = check(custom(far_end(model).url, api_key=CANARY))
    assert report.ok
    assert bool(report) is True
    assert report.sentence == "The server answers and accepts the key."
    assert (report.mode, report.capability.form) == (Enforcement.SCHEMA, ResponseFormat.JSON_SCHEMA)
    assert report.models == ("m",)
    assert report.seconds > 0
    assert CANARY not in repr(report)


def test_each_check_probes_anew(far_end, model):
    """A server can be changed between two checks."""
    connection = custom(far_end(model).url)
    assert check(connection).mode is Enforcement.SCHEMA
    model.enforces = set()
    assert check(connection).mode is Enforcement.JSON


def test_openai_counts_what_the_key_may_use(far_end):
    end = far_end(listing("gpt-6-luna", "gpt-6-sol", "other"))
    report = check(Connection("openai", api_key=CANARY, base_url=end.url))
    allowed = len(Policy().allowed(Connection("openai", api_key=CANARY)))
    assert report.sentence == f"Key accepted. 2 of {allowed} whitelisted models can be used."
    assert set(report.models) == {"gpt-6-luna", "gpt-6-sol"}
    assert [each.line.split()[0] for each in end.seen] == ["GET", "POST"]
    # An account without credit lists its models too.
    assert end.seen[1].json["model"] == "gpt-6-luna"
    assert end.seen[1].json["max_completion_tokens"] == 16


def test_an_addition_of_the_organization_counts(far_end):
    end = far_end(listing("own-model"))
    policy = Policy(additions=[("openai", "own-model")])
    report = check(Connection("openai", api_key=CANARY, base_url=end.url), policy=policy)
    assert report.models == ("own-model",)


def test_a_key_that_may_not_list_is_tried_with_a_small_question(far_end):
    end = far_end(listing(status=403))
    report = check(Connection("openai", api_key=CANARY, base_url=end.url))
    assert report.ok
    assert "may not list" in report.sentence
    sent = end.seen[-1].json
    assert sent["max_completion_tokens"] == 16


def test_a_key_that_can_use_nothing_is_no_success(far_end):
    end = far_end(listing("something-else"))
    report = check(Connection("openai", api_key=CANARY, base_url=end.url))
    assert not report.ok
    assert "none of" in report.sentence


def test_a_custom_server_without_a_list_is_fine(far_end, model):
    async def no_list(seen, wire):
        if seen.line.startswith("GET"):
            wire.answer({"detail": "Not Found"}, 404)
        else:
            await model(seen, wire)

    assert check(custom(far_end(no_list).url)).ok


def test_a_missing_v1_is_found_and_the_fix_was_tried(far_end, model):
    async def behave(seen, wire):
        if "/v1/" in seen.line:
            await model(seen, wire)
        else:
            wire.answer(b"<html>Not Found</html>", 404, "content-type: text/html\r\n")

    end = far_end(behave)
    report = check(custom(end.url.removesuffix("/v1")))
    assert not report.ok
    assert "ends in /v1" in report.sentence
    assert report.fix == {"endpoint": end.url}
    assert check(apply_fix(custom(end.url.removesuffix("/v1")), report.fix)).ok


def test_a_fix_that_does_not_help_is_not_offered(far_end):
    async def nothing(seen, wire):
        wire.answer(b"<html>Not Found</html>", 404)

    assert check(custom(far_end(nothing).url.removesuffix("/v1"))).fix is None


def test_the_native_address_of_ollama_is_mended(far_end, model):
    async def behave(seen, wire):
        if "/v1/" in seen.line:
            await model(seen, wire)
        else:
            wire.answer(b"404 page not found", 404)

    end = far_end(behave)
    assert check(custom(end.url.replace("/v1", "/api"))).fix == {"endpoint": end.url}


def test_a_web_page_where_a_model_should_be(far_end):
    async def page(seen, wire):
        wire.answer(b"<!doctype html><title>Sign in</title>", 200)

    report = check(custom(far_end(page).url))
    assert not report.ok
    assert "not a model server in OpenAI format" in report.sentence


@pytest.mark.parametrize("path", ["/v1", ""])
def test_a_web_page_reads_in_a_run_as_in_the_check(far_end, path):
    async def page(seen, wire):
        wire.answer(b"<!doctype html><title>Sign in</title>", 200)

    walled = custom(far_end(page).url.removesuffix("/v1") + path)
    report = check(walled)
    failure = lw.extract(SCHEMA, "text", walled, journal=False).failure
    several = lw.compare(SCHEMA, ["one", "two"], walled, journal=False, progress=False)
    for each in (failure, *(extraction.failure for extraction in several)):
        assert isinstance(each, Unreachable)
        assert each.message.startswith(report.sentence)
        assert each.hint == report.hint
        assert ("browser" in each.hint) is bool(path)


def test_a_wrong_key_of_another_provider_is_named(far_end):
    async def refuse(seen, wire):
        wire.answer({"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, 401)

    key = "sk-ant-api03-" + "x" * 30
    report = check(Connection("openai", api_key=key, base_url=far_end(refuse).url))
    assert not report.ok
    assert "Anthropic" in report.sentence
    assert report.code == "401 invalid_api_key"
    assert key not in repr(report)


def test_a_server_that_asks_for_a_key_where_none_is_given(far_end):
    async def refuse(seen, wire):
        wire.answer({"error": "Unauthorized"}, 401)

    report = check(custom(far_end(refuse).url))
    assert report.sentence == "The server asks for a key, and none is given."


def test_a_refused_key_that_has_ended_is_told_so(far_end):
    """The provider decides: a key that still works passes, whatever day was saved with it."""

    async def refuse(seen, wire):
        wire.answer({"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, 401)

    url = far_end(refuse).url
    report = check(custom(url, api_key=CANARY, expires="2026-11-01"))
    assert report.sentence.endswith("It ended on 1 Nov 2026, by the day saved with it.")
    assert report.hint == "Make a new key and save it with its own day."
    assert report.status == "Unauthorized"
    assert "ended" not in check(custom(url, api_key=CANARY, expires="9999-12-31")).sentence
    assert "none is given" in check(custom(url, expires="2026-11-01")).sentence
    assert check(custom(far_end(listing("m")).url, api_key=CANARY, expires="2026-11-01")).ok


def test_an_unknown_model_names_the_nearest(far_end):
    async def behave(seen, wire):
        if seen.line.startswith("GET"):
            wire.answer({"data": [{"id": "llama3.2:3b"}]})
        else:
            told = 'model "llama3.1:3b" not found, try pulling it first'
            wire.answer({"error": {"message": told, "type": "not_found_error"}}, 404)

    report = check(custom(far_end(behave).url, "llama3.1:3b"))
    assert report.fix == {"name": "llama3.2:3b"}
    assert "ollama pull llama3.1:3b" in report.hint


def test_nobody_listens_says_what_to_start(closed_port):
    report = check(custom(f"http://127.0.0.1:{closed_port}/v1"))
    assert not report.ok
    assert "Nothing is listening" in report.sentence
    assert report.code == "refused"
    assert report.seconds < 3


def test_anthropic_is_checked_by_its_own_list_over_all_pages(far_end):
    async def pages(seen, wire):
        if seen.line.startswith("POST"):
            words = {"content": [{"type": "text", "text": "OK"}], "stop_reason": "end_turn"}
            wire.answer({"type": "message", "input_tokens": 3, **words})
            return
        last = "after_id" in seen.line
        ids = ["claude-haiku-4-5"] if last else ["claude-sonnet-5-5"]
        rows = [{"id": each, "type": "model"} for each in ids]
        wire.answer({"data": rows, "has_more": not last, "last_id": ids[-1]})

    end = far_end(pages)
    base = end.url.removesuffix("/v1")
    report = check(Connection("anthropic", api_key="sk-ant-api03-made-up-0001", base_url=base))
    assert set(report.models) == {"claude-haiku-4-5", "claude-sonnet-5-5"}
    assert [each.line.split()[0] for each in end.seen].count("GET") == 2


def test_a_denied_model_is_not_checked(far_end, model):
    end = far_end(model)
    report = check(custom(end.url), policy=Policy(denials=[("m", "m")]))
    assert not report.ok
    assert not end.seen


def test_a_limit_is_told_at_once(far_end):
    """A check does not wait for a limit."""
    report = check(custom(far_end(listing(status=429, chat=429)).url))
    assert not report.ok
    assert "limit" in report.sentence
    assert report.seconds < 3


AZURE = Connection(
    "azure_openai",
    deployment="gpt-6-luna",
    api_key="x" * 32,
    endpoint="https://acme-claims.openai.azure.com/openai/deployments/claims-luna/chat/completions"
    "?api-version=2025-01-01-preview",
)


def test_the_deployment_in_a_pasted_address_is_proposed():
    error = UnknownModel("no", "later", status=404, code="DeploymentNotFound")
    told = diagnose(error, AZURE, model="gpt-6-luna")
    assert told.fix == {"deployment": "claims-luna"}
    assert told.sentence.startswith("The server and the key are right; the deployment name is not.")
    assert told.code == "404 DeploymentNotFound"
    assert apply_fix(AZURE, told.fix).models == ("claims-luna",)


def test_mending_keeps_the_key_and_the_label():
    other = apply_fix(AZURE, {"deployment": "claims-luna"})
    assert other.label == AZURE.label
    assert other.secret_fields["api_key"] is AZURE.secret_fields["api_key"]


OLLAMA = Connection("custom", name="llama3.2", endpoint="http://localhost:11434/v1")
STUDIO = Connection("custom", name="m", endpoint="http://localhost:1234/v1")
OPENAI = Connection("openai", api_key="sk-proj-made-up-key-for-tests")


@pytest.mark.parametrize(
    ("error", "connection", "words"),
    [
        (Unreachable("r", "h", code="refused"), OLLAMA, "Ollama is not running"),
        (Unreachable("r", "h", code="refused"), STUDIO, "LM Studio"),
        (Unreachable("r", "h", code="dns"), AZURE, "no Azure resource"),
        (
            QuotaExhausted("There is no credit left."),
            OPENAI,
            "The key is right. There is no credit",
        ),
        (RateLimited("q"), OPENAI, "limit of requests"),
        (UnknownModel("q", code="x"), OLLAMA, "q"),
        (Unauthorized("own words"), OPENAI, "own words"),
    ],
)
def test_a_symptom_has_its_sentence(error, connection, words):
    assert words in diagnose(error, connection).sentence


def test_a_retired_model_names_its_successor():
    told = diagnose(UnknownModel("gone"), OPENAI, model="gpt-4-turbo")
    assert "retired gpt-4-turbo" in told.sentence
    assert "gpt-6-luna" in told.hint


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_a_sentence_of_the_table_is_plain(symptom):
    assert symptom.sentence.endswith((".", "}"))
    assert symptom.hint
    said = f"{symptom.sentence} {symptom.hint}".lower()
    assert not {"please", "oops", "!", " we "} & set(said.split())


def test_a_local_server_is_found_with_its_models(far_end, model, closed_port):
    end = far_end(model)
    usual = (Usual("Ollama", end.port, "ollama"), Usual("vLLM", closed_port))
    found = event_loop.run_blocking(discover(usual))
    assert [(each.title, each.models, each.key) for each in found] == [("Ollama", ("m",), "ollama")]
    assert found[0].endpoint == f"http://localhost:{end.port}/v1"
    assert "authorization" not in end.seen[0].headers


def test_something_else_on_a_usual_port_is_no_model_server(far_end):
    async def page(seen, wire):
        wire.answer(b"<html>Jenkins</html>", 200)

    assert event_loop.run_blocking(discover((Usual("vLLM", far_end(page).port),))) == []


def test_a_report_shows_as_sentences(far_end):
    url = far_end(listing(*(f"gpt-6-{n}" for n in ("luna", "terra", "sol")))).url
    report = check(Connection("openai", api_key=CANARY, base_url=url))
    assert repr(report).startswith(report.sentence)
    assert "CheckReport(" not in repr(report)
    assert report.models[0] in repr(report)
    page = report._repr_html_()
    assert page.startswith('<div class="lw-static"><style>')
    assert CANARY not in repr(report) + page


def test_what_a_server_says_is_escaped_in_a_notebook():
    told = CheckReport(False, "The server says <script>alert(1)</script>\x1b[31m.", "Look <there>.")
    assert "<script>" not in told._repr_html_()
    assert "&lt;script&gt;" in told._repr_html_()
    assert "\x1b" not in repr(told) + told._repr_html_()


def test_a_connection_of_the_environment_is_named_by_its_label(monkeypatch):
    with serving_models() as server:
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        assert check("openai").hosts
        assert server.seen
    with pytest.raises(UnknownConnection):
        check("opnai")


@pytest.mark.parametrize("given", [None, 3])
def test_what_is_not_a_connection_is_refused_in_a_sentence(given):
    with pytest.raises(FieldError, match="is not a connection"):
        check(given)


VARIABLES = ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_DEPLOYMENT")


def resource(url: str, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """A resource of the environment, whose deployments the references name."""
    for name, value in zip(VARIABLES, (CANARY, f"{url}/openai/v1", ""), strict=True):
        monkeypatch.setenv(name, value)
    return next(each for each in environment_connections() if each.kind == "azure_openai")


def test_a_resource_without_a_deployment_is_proved_by_its_list(far_end, monkeypatch):
    end = far_end(listing("gpt-6-luna"))
    report = check(resource(end.url.removesuffix("/v1"), monkeypatch))
    assert report.ok, report
    assert report.sentence == "Key accepted. Each reference names its deployment."
    assert (report.asked, [each.line.split()[0] for each in end.seen]) == (0, ["GET"])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 501])
def test_a_resource_that_refuses_its_list_is_not_said_to_accept_the_key(
    far_end, monkeypatch, status
):
    end = far_end(listing(status=status))
    report = check(resource(end.url.removesuffix("/v1"), monkeypatch))
    assert report.ok == (status != 401)
    assert "Key accepted" not in report.sentence
