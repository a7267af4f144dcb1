"""The vendors' own clients and ours send the same to one server for the same task."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

import llmwidgets as lw
from llmwidgets.engine import event_loop
from llmwidgets.engine.network.sign_in import tokens
from tests.google_keys import a_service_account
from tests.servers import ModelServer, Seen, serving_models


class Bill(BaseModel):
    """A bill."""

    name: str
    total: float
    note: str | None = None


TEXT = "Bolt bills 12.50 EUR."


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving_models(record={"name": "Bolt", "total": 12.5, "note": None}) as running:
        yield running
    event_loop.stop_engine()
    tokens.forget_tokens()


def ours(server: ModelServer, connection: lw.Connection, model: str) -> Seen:
    """What the engine sends when it is asked for a bill; the answer has to be right."""
    extraction = lw.extract(Bill, TEXT, lw.Variant((connection, model), max_output_tokens=99))
    assert extraction.record == Bill(name="Bolt", total=12.5)
    return server.seen[-1]


def test_openai(server):
    """No difference in the call; in the schema, titles and the spelling of a union with null."""
    import openai

    base, key = f"{server.url}/v1", "sk-proj-made-up-0001"
    sent = ours(server, lw.Connection("openai", api_key=key, base_url=base), "gpt-6-luna")
    with openai.OpenAI(api_key=key, base_url=base, max_retries=0) as client:
        client.chat.completions.create(**sent.body)
        theirs = server.seen[-1]
        client.chat.completions.parse(**{**sent.body, "response_format": Bill})
    same(sent, theirs, "authorization")
    schema = server.seen[-1].body["response_format"]["json_schema"]
    assert schema["strict"] is sent.body["response_format"]["json_schema"]["strict"] is True
    mine = sent.body["response_format"]["json_schema"]["schema"]
    # The name of a class is no part of what is enforced; `anyOf` with null is a list of types.
    assert plain(schema["schema"]) == plain(mine)


def test_azure_openai(server):
    """The dated form: the same body, and the deployment in the address."""
    import openai

    key = "0123456789abcdef0123456789abcdef"
    endpoint = f"{server.url}/openai/deployments/d/chat/completions?api-version=2025-01-01-preview"
    connection = lw.Connection("azure_openai", endpoint=endpoint, api_key=key)
    sent = ours(server, connection, "d")
    with openai.AzureOpenAI(
        api_key=key, azure_endpoint=server.url, api_version="2025-01-01-preview", max_retries=0
    ) as client:
        client.chat.completions.create(**sent.body)
    theirs = server.seen[-1]
    same(sent, theirs, "api-key")


def test_anthropic(server):
    """Differences: the client sends the key as Bearer, we as x-api-key, which gateways read too."""
    import anthropic

    key = "sk-ant-api03-made-up-0001"
    connection = lw.Connection("anthropic", api_key=key, base_url=server.url)
    sent = ours(server, connection, "claude-haiku-5-5")
    with anthropic.Anthropic(api_key=key, base_url=server.url, max_retries=0) as client:
        client.messages.create(**sent.body)
        theirs = server.seen[-1]
        body = copy.deepcopy(sent.body)
        body.pop("output_config")
        client.messages.parse(**body, output_format=Bill)
    same(sent, theirs, "anthropic-version")
    assert theirs.headers["authorization"] == f"Bearer {sent.headers['x-api-key']}"
    assert "authorization" not in sent.headers
    schema = server.seen[-1].body["output_config"]["format"]["schema"]
    # The default is told in the description by the client, and by the instructions by us.
    assert plain(schema) == plain(sent.body["output_config"]["format"]["schema"])


def test_claude_in_foundry(server):
    """Both send the key in both headers."""
    import anthropic

    key, model = "0123456789abcdef0123456789abcdef", "claude-haiku-5-5"
    endpoint = f"{server.url}/anthropic"
    connection = lw.Connection("azure_ai_foundry", model=model, endpoint=endpoint, api_key=key)
    sent = ours(server, connection, model)
    with anthropic.AnthropicFoundry(
        api_key=key, base_url=f"{server.url}/anthropic/", max_retries=0
    ) as client:
        client.messages.create(**sent.body)
    theirs = server.seen[-1]
    same(sent, theirs, "anthropic-version", "api-key")
    assert sent.headers["x-api-key"] == key


def test_claude_in_bedrock(server):
    """No difference in the call: the address, the Bearer key, the version, the body."""
    import anthropic

    key, model, base = "ABSKmade-up-0001", "anthropic.claude-haiku-5-5", f"{server.url}/anthropic"
    connection = lw.Connection("bedrock", api_key=key, region="us-east-1", base_url=base)
    sent = ours(server, connection, model)
    with anthropic.AnthropicBedrockMantle(
        api_key=key, aws_region="us-east-1", base_url=base, max_retries=0
    ) as client:
        client.messages.create(**sent.body)
    theirs = server.seen[-1]
    same(sent, theirs, "anthropic-version", "authorization")
    assert sent.path == "/anthropic/v1/messages"
    assert sent.headers["authorization"] == f"Bearer {key}"


def test_chat_completions_in_bedrock(server):
    """No difference in the call of OpenAI's own client for Bedrock, at the same base."""
    import openai

    key, model = "ABSKmade-up-0001", "openai.gpt-oss-safeguard-20b"
    connection = lw.Connection("bedrock", api_key=key, region="us-east-1", base_url=server.url)
    sent = ours(server, connection, model)
    with openai.BedrockOpenAI(
        api_key=key, aws_region="us-east-1", base_url=f"{server.url}/v1", max_retries=0
    ) as client:
        client.chat.completions.create(**sent.body)
    theirs = server.seen[-1]
    same(sent, theirs, "authorization")
    assert sent.path == "/v1/chat/completions"


def test_the_addresses_of_bedrock_are_those_of_its_vendors_clients():
    """Without a base URL, by the region alone."""
    import anthropic

    for region in ("us-east-1", "eu-central-1", "us-gov-west-1", "ap-southeast-3"):
        connection = lw.Connection("bedrock", api_key="ABSKmade-up-0001", region=region)
        with anthropic.AnthropicBedrockMantle(api_key="k", aws_region=region) as client:
            theirs = str(client.base_url).rstrip("/")
        assert connection.target("anthropic.claude-haiku-5-5").url == f"{theirs}/v1"
        assert connection.client().aws_region == region
        assert str(connection.client().base_url).rstrip("/") == theirs
        chat = connection.client("openai.gpt-oss-safeguard-20b")
        assert str(chat.base_url) == f"{theirs.removesuffix('/anthropic')}/v1/"


def test_gemini(server):
    """Differences: the client gives the system instruction the role `user`, which has no use, and
    writes `thinking_level`: Google's servers read the name of a field in both cases."""
    from google import genai

    key = "AQ.made-up-key-0001"
    connection = lw.Connection("gemini", api_key=key, base_url=server.url)
    sent = ours(server, connection, "gemini-3.8-flash")
    client = genai.Client(api_key=key, http_options={"base_url": server.url})
    theirs = generated(server, client, sent)
    same(sent, theirs, "x-goog-api-key")
    assert "authorization" not in {*sent.headers, *theirs.headers}


def test_vertex_ai(server):
    """The same body by another address, with a token of the same token service."""
    from google import genai
    from google.oauth2 import service_account

    info = a_service_account(f"{server.url}/token")
    connection = lw.Connection("vertex_ai", credentials=json.dumps(info), base_url=server.url)
    sent = ours(server, connection, "gemini-3.8-flash")
    (asked,) = server.asked("token")
    scope = ["https://www.googleapis.com/auth/cloud-platform"]
    client = genai.Client(
        vertexai=True, project="acme-1", location="global",
        credentials=service_account.Credentials.from_service_account_info(info, scopes=scope),
        http_options={"base_url": server.url},
    )  # fmt: skip
    theirs = generated(server, client, sent)
    same(sent, theirs)
    for seen in (sent, theirs):
        assert seen.headers["authorization"].startswith("Bearer ya29.made-up")
    again = server.asked("token")[-1]
    assert set(asked.body) == set(again.body) == {"grant_type", "assertion"}
    assert asked.body["grant_type"] == again.body["grant_type"]
    # Google's client tells its versions to the token service; ours tells nothing of the kind.
    assert "x-goog-api-client" not in asked.headers


def generated(server: ModelServer, client: Any, sent: Seen) -> Seen:
    """What Google's client sends for the same contents and settings."""
    from google.genai import types

    settings = copy.deepcopy(sent.body["generationConfig"])
    thinking = types.ThinkingConfig.model_validate(settings.pop("thinkingConfig"))
    client.models.generate_content(
        model="gemini-3.8-flash",
        contents=[types.Content.model_validate(each) for each in sent.body["contents"]],
        config=types.GenerateContentConfig(
            system_instruction=sent.body["systemInstruction"]["parts"][0]["text"],
            thinking_config=thinking,
            response_mime_type=settings.pop("responseMimeType"),
            response_json_schema=settings.pop("responseJsonSchema"),
            max_output_tokens=settings.pop("maxOutputTokens"),
        ),
    )
    client.close()
    assert settings == {}
    theirs = server.seen[-1]
    assert theirs.body["systemInstruction"].pop("role") == "user"
    level = theirs.body["generationConfig"].pop("thinkingConfig")["thinking_level"]
    theirs.body["generationConfig"]["thinkingConfig"] = {"thinkingLevel": level}
    return theirs


def same(mine: Seen, theirs: Seen, *headers: str) -> None:
    """Method, address, body and these headers are equal, and no header tells who asks."""
    assert (mine.method, mine.path, mine.query) == (theirs.method, theirs.path, theirs.query)
    assert mine.body == theirs.body
    for name in (*headers, "content-type"):
        assert mine.headers[name] == theirs.headers[name]
    assert not any(name.startswith(("x-stainless", "x-goog-api-client")) for name in mine.headers)


def plain(schema: Any) -> Any:
    """A schema without titles, defaults and order, a union with null as a list of types."""
    if isinstance(schema, list):
        return [plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: plain(value) for key, value in schema.items() if key not in {"title", "default"}}
    if kept.get("description") == "{default: None}":
        del kept["description"]
    union = kept.pop("anyOf", None)
    if union is not None:
        kept["type"] = [each["type"] for each in union]
    if isinstance(kept.get("required"), list):
        kept["required"] = sorted(kept["required"])
    return kept
