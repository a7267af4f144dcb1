"""A connection that signs in with Entra ID, judged by the vendors' own clients."""

from __future__ import annotations

import json
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import llmwidgets as lw
from llmwidgets import errors
from llmwidgets.engine import event_loop
from llmwidgets.engine.network.sign_in import tokens
from tests.engine.conftest import serving
from tests.entra import CLIENT, Entra, a_token, a_tool, number_of, take_away
from tests.servers import ModelServer, Seen, serving_models


class Bill(BaseModel):
    """A bill."""

    name: str
    total: float


TEXT = "Bolt bills 12.50 EUR."
KINDS: dict[str, tuple[str, str, str]] = {
    "azure, dated": (
        "azure_openai", "/openai/deployments/d/chat/completions?api-version=2025-01-01-preview", "d"
    ),
    "azure, v1": ("azure_openai", "/openai/v1", "d"),
    "foundry, models": ("azure_ai_foundry", "/models/chat/completions", "mistral-large-3"),
    "foundry, v1": ("azure_ai_foundry", "/openai/v1", "DeepSeek-V3.2"),
    "foundry, claude": ("azure_ai_foundry", "/anthropic", "claude-haiku-5-5"),
}  # fmt: skip


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModelServer]:
    """A server, and an account that the command line is signed in to."""
    tools = take_away(monkeypatch, tmp_path)
    said = json.dumps({"accessToken": a_token(5), "expires_on": int(time.time()) + 3600})
    a_tool(tools, f"echo '{said}'")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    with serving_models(record={"name": "Bolt", "total": 12.5}) as running:
        yield running
    event_loop.stop_engine()
    tokens.forget_tokens()


def connected(server: ModelServer, kind: str, **more: Any) -> lw.Connection:
    name, route, model = KINDS[kind]
    field = "deployment" if name == "azure_openai" else "model"
    return lw.Connection(
        name, sign_in="entra", label="m", endpoint=f"{server.url}{route}", **{field: model}, **more
    )


def judged(mine: Seen, theirs: Seen) -> None:
    assert (mine.method, mine.path, mine.query) == (theirs.method, theirs.path, theirs.query)
    assert mine.body == theirs.body
    for seen in (mine, theirs):
        assert number_of(seen.headers["authorization"].removeprefix("Bearer ")) == 5
        assert not {"api-key", "x-api-key", "ocp-apim-subscription-key"} & set(seen.headers)


def asked_by(client: Any, body: dict[str, Any]) -> None:
    """Ask by the vendor's client what the engine asked."""
    with client:
        asks = client.messages if hasattr(client, "messages") else client.chat.completions
        asks.create(**body)


@pytest.mark.parametrize("kind", KINDS)
def test_the_call_is_that_of_the_vendors_client(server, kind):
    import anthropic
    import openai

    connection = connected(server, kind)
    assert lw.extract(Bill, TEXT, connection, journal=False).status == "ok"
    mine = server.seen[-1]
    token, url = a_token(5), server.url
    made: dict[str, Any] = {
        "azure, dated": lambda: openai.AzureOpenAI(
            azure_ad_token_provider=lambda: token, azure_endpoint=url,
            api_version="2025-01-01-preview", max_retries=0,
        ),
        "foundry, claude": lambda: anthropic.AnthropicFoundry(
            azure_ad_token_provider=lambda: token, base_url=f"{url}/anthropic/", max_retries=0
        ),
        "foundry, models": lambda: openai.OpenAI(
            api_key=lambda: token, base_url=f"{url}/models", max_retries=0,
            default_query={"api-version": "2024-05-01-preview"},
        ),
    }  # fmt: skip
    usual = lambda: openai.OpenAI(  # noqa: E731
        api_key=lambda: token, base_url=f"{url}/openai/v1", max_retries=0
    )
    asked_by(made.get(kind, usual)(), mine.body)
    judged(mine, server.seen[-1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tenant", [None, "acme.example"])
def test_the_exit_gives_a_client_that_signs_in(server, kind, tenant, monkeypatch):
    """Also where a key of another resource stands in the environment."""
    for name in ("AZURE_OPENAI_API_KEY", "ANTHROPIC_FOUNDRY_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "made-up-key-of-another-0001")
    connection = connected(server, kind, tenant=tenant)
    lw.extract(Bill, TEXT, connection, journal=False)
    mine = server.seen[-1]
    asked_by(connection.client(), mine.body)
    judged(mine, server.seen[-1])


def test_the_exit_signs_in_as_the_machine(server, monkeypatch):
    there = Entra()
    monkeypatch.delenv("AZURE_TOKEN_CREDENTIALS")
    with serving(there.sign_in) as end:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", end.url.removesuffix("/v1"))
        client = connected(server, "azure, v1", client_id=CLIENT).client()
        asked_by(client, {"model": "d", "messages": [{"role": "user", "content": "hello"}]})
        assert f"client_id={CLIENT}" in end.seen[-1].line
    assert number_of(server.seen[-1].headers["authorization"]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_variable_cannot_hold_a_sign_in(server, kind):
    with (
        pytest.raises(errors.LLMWidgetsError, match="no key to put into an environment variable"),
        connected(server, kind).environment(),
    ):
        pass


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "more", [{}, {"tenant": "acme.example"}, {"client_id": CLIENT}], ids=["", "tenant", "client"]
)
def test_the_code_of_its_own_signs_in_too(server, kind, more, monkeypatch):
    there = Entra()
    with serving(there.sign_in) as end:
        if "client_id" in more:
            monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", end.url.removesuffix("/v1"))
        connection = connected(server, kind, **more)
        variant = lw.Variant((connection, KINDS[kind][2]), label="A")
        result = lw.compare(Bill, [TEXT], [variant], journal=False, progress=False)
        mine = server.seen[-1]
        code = result.code("A", plain=True)
        assert len(code.splitlines()) <= 40
        assert "signature" not in code
        assert ("DefaultAzureCredential" in code) == ("client_id" not in more)
        module = types.ModuleType("pasted")
        monkeypatch.setitem(sys.modules, "pasted", module)
        exec(compile(code, "pasted", "exec"), module.__dict__)
        with module.client:
            assert module.extract(TEXT).total == 12.5
    assert (mine.path, mine.query, mine.body) == (
        server.seen[-1].path, server.seen[-1].query, server.seen[-1].body,
    )  # fmt: skip
    assert "authorization" in server.seen[-1].headers
    assert "api-key" not in server.seen[-1].headers


@pytest.mark.parametrize("kind", KINDS)
def test_a_check_speaks_of_the_sign_in(server, kind):
    report = lw.check(connected(server, kind))
    assert report.ok, report
    assert "key" not in report.sentence.lower()
    assert dict(report.details)["Signed in as"].endswith("by Azure CLI")


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_connection_signs_in_as_it_did(server, kind):
    store = lw.Store.in_memory()
    store.save(connected(server, kind, tenant="acme.example"))
    kept = store["m"]
    assert (kept.fields.way, kept.fields.tenant, kept.secret_fields) == (
        "entra", "acme.example", {},
    )  # fmt: skip
    assert lw.extract(Bill, TEXT, kept, journal=False).status == "ok"
