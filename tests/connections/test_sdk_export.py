"""The two named exits: a vendor's client that calls the right host, and the process's variables."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator

import pytest

import llmwidgets as lw
from llmwidgets.errors import LLMWidgetsError
from tests.google_keys import a_service_account
from tests.servers import ModelServer, serving_models

KEY = "made-up-key-7Q2vXw9KpLr4"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving_models(record={"name": "Bolt"}) as running:
        yield running


def asks(client, model: str = "m"):
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Bolt"}]
    )


def connected(kind: str, server: ModelServer) -> lw.Connection:
    url = server.url
    given = {
        "openai": {"api_key": KEY, "base_url": f"{url}/v1", "organization": "org-1"},
        "custom": {"name": "m", "endpoint": f"{url}/v1", "api_key": KEY},
        "anthropic": {"api_key": KEY, "base_url": url},
        "gemini": {"api_key": KEY, "base_url": url},
        "azure_openai": {
            "endpoint": f"{url}/openai/deployments/d/chat/completions?api-version=2024-10-21",
            "api_key": KEY,
        },
        "azure_ai_foundry": {"model": "m", "endpoint": f"{url}/anthropic", "api_key": KEY},
        "bedrock": {"region": "us-east-1", "base_url": url, "api_key": KEY},
    }  # fmt: skip
    return lw.Connection(kind, headers={"X-Team": "made-up-team"}, **given[kind])


def call(kind: str, client) -> None:
    if kind in {"anthropic", "azure_ai_foundry", "bedrock"}:
        client.messages.create(
            model="claude-haiku-5-5", max_tokens=9, messages=[{"role": "user", "content": "Bolt"}]
        )
    elif kind == "gemini":
        client.models.generate_content(model="gemini-3.8-flash", contents="Bolt")
    else:
        asks(client, "d" if kind == "azure_openai" else "m")
    client.close()


@pytest.mark.parametrize(
    "kind",
    ["openai", "custom", "anthropic", "gemini", "azure_openai", "azure_ai_foundry", "bedrock"],
)
def test_the_clients_call_where_the_connection_leads(server, kind, monkeypatch) -> None:
    """The key, the extra header and the address are the connection's, whatever variables say."""
    for name in lw.PROVIDERS[kind].environment.names:
        monkeypatch.setenv(name, "http://127.0.0.1:9/elsewhere")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    call(kind, connected(kind, server).client())
    seen = server.seen[-1]
    assert KEY in " ".join(seen.headers.values())
    assert "elsewhere" not in " ".join(seen.headers.values())
    assert seen.headers["x-team"] == "made-up-team"
    if kind == "openai":
        assert seen.headers["openai-organization"] == "org-1"


def test_vertex_ai_gets_its_own_token(server) -> None:
    info = a_service_account(f"{server.url}/token")
    connection = lw.Connection("vertex_ai", credentials=json.dumps(info), base_url=server.url)
    call("gemini", connection.client())
    assert server.seen[-1].headers["authorization"].startswith("Bearer ya29.made-up")
    assert "/projects/acme-1/locations/global/" in server.seen[-1].path


def test_a_foundry_model_in_openai_format(server) -> None:
    endpoint = f"{server.url}/models/chat/completions?api-version=2024-05-01-preview"
    connection = lw.Connection("azure_ai_foundry", model="m", endpoint=endpoint, api_key=KEY)
    call("custom", connection.client())
    seen = server.seen[-1]
    assert seen.path == "/models/chat/completions"
    assert seen.query == {"api-version": "2024-05-01-preview"}
    assert seen.headers["api-key"] == KEY


@pytest.mark.parametrize(
    ("kind", "package"),
    [("openai", "openai"), ("anthropic", "anthropic"), ("gemini", "google-genai")],
)  # fmt: skip
def test_a_missing_package_is_named_with_its_command(kind, package, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, package.replace("google-", "google."), None)
    with pytest.raises(LLMWidgetsError, match=f"pip install {package}") as caught:
        lw.Connection(kind, api_key=KEY).client()
    assert caught.value.__context__ is None


def test_a_client_that_fails_shows_no_key(monkeypatch) -> None:
    import openai

    def broken(**given):
        raise RuntimeError(given["api_key"])

    monkeypatch.setattr(openai, "OpenAI", broken)
    with pytest.raises(LLMWidgetsError, match=r"client openai\.OpenAI of .*RuntimeError") as caught:
        lw.Connection("openai", api_key=KEY).client()
    assert caught.value.__context__ is None
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "kind", ["openai", "custom", "azure_openai", "anthropic", "gemini", "bedrock"]
)
def test_inside_the_environment_a_plain_client_works(server, kind, monkeypatch) -> None:
    """As other code makes it, without an argument; afterwards all is as it was before."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/elsewhere")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "before")
    before = dict(os.environ)
    with connected(kind, server).environment():
        call(kind, plain_client(kind))
    assert KEY in " ".join(server.seen[-1].headers.values())
    assert dict(os.environ) == before


def plain_client(kind: str):
    import anthropic
    import openai
    from google import genai

    made = {
        "openai": openai.OpenAI, "custom": openai.OpenAI, "azure_openai": openai.AzureOpenAI,
        "anthropic": anthropic.Anthropic, "gemini": genai.Client,
        "bedrock": anthropic.AnthropicBedrockMantle,
    }  # fmt: skip
    return made[kind]()


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs Linux")
def test_googles_credentials_are_a_file_in_memory_alone(tmp_path) -> None:
    """google-auth reads them by the path of the variable, and no file is left or made."""
    import google.auth

    info = a_service_account("http://127.0.0.1:9/token")
    connection = lw.Connection("vertex_ai", credentials=json.dumps(info), location="eu")
    with connection.environment():
        credentials, project = google.auth.default()
        path = os.environ["GOOGLE_APPLICATION_CREDENTIALS"]
        assert os.environ["GOOGLE_CLOUD_LOCATION"] == "eu"
        assert os.path.realpath(path).startswith("/memfd:")
    assert (credentials.service_account_email, project) == (info["client_email"], "acme-1")
    assert not os.path.exists(path)
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_a_file_reference_is_pointed_to(tmp_path) -> None:
    file = tmp_path / "sa.json"
    file.write_text(json.dumps(a_service_account("http://127.0.0.1:9/token")))
    with lw.Connection("vertex_ai", credentials=f"file:{file}").environment():
        assert os.environ["GOOGLE_APPLICATION_CREDENTIALS"] == str(file)


def test_one_environment_at_a_time_also_across_threads(server) -> None:
    connection = connected("openai", server)
    refused: list[str] = []

    def second() -> None:
        try:
            with connected("custom", server).environment():
                refused.append("entered")
        except LLMWidgetsError as error:
            refused.append(error.message)

    with connection.environment():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        assert os.environ["OPENAI_API_KEY"] == KEY
    assert refused == ["The environment of another connection is in force in this process."]
    with connected("custom", server).environment():
        assert os.environ["OPENAI_API_KEY"] == KEY


def test_an_error_inside_restores_what_was_before(server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "before")
    before = dict(os.environ)
    with pytest.raises(ZeroDivisionError), connected("openai", server).environment():
        1 / 0  # noqa: B018
    assert dict(os.environ) == before
    lost = lw.Connection("openai", api_key="env:NO_SUCH_VARIABLE_HERE")
    with pytest.raises(LLMWidgetsError, match="is not set"), lost.environment():
        pass
    assert dict(os.environ) == before


def test_a_reference_to_its_own_variable_still_leads_to_the_key(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with lw.Connection("openai", api_key="env:OPENAI_API_KEY").environment():
        assert os.environ["OPENAI_API_KEY"] == KEY
