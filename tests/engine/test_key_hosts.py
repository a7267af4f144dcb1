"""A key sent to one host is seen by no other: servers that record their headers say so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

import llmwidgets as lw
from llmwidgets.engine import capability, loop, tokens
from llmwidgets.engine.extraction import Extraction
from tests.google_keys import a_private_key, a_service_account
from tests.kinds import KINDS, a_connection, filled_in
from tests.servers import ModelServer, serving_models

CANARY = "canary-key-7c1f0e9d55aa"
TEXT = "Bolt bills 12.50 EUR, says the canary document."
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "total": {"type": "number"}},
    "required": ["name", "total"],
}


@pytest.fixture
def two() -> Iterator[tuple[ModelServer, ModelServer]]:
    """The key's own server, and another one."""
    with ExitStack() as stack:
        yield stack.enter_context(serving_models()), stack.enter_context(serving_models())
    tokens.forget()
    loop.stop()


def connections(url: str, token_url: str) -> dict[str, lw.Connection]:
    made = {kind: a_connection(kind, url, key=CANARY, token_url=token_url) for kind in KINDS}
    given = filled_in("custom", url, CANARY)
    made["custom"] = lw.Connection(
        "custom", **given, auth_token=CANARY[::-1], headers={"x-extra": CANARY}
    )
    return made


def ask(connection: lw.Connection) -> Extraction:
    model = connection.models[0]
    capability.learn(connection, model, capability.Capability(capability.Form.TEXT,
                                                              capability.Mode.TEXT))  # fmt: skip
    return lw.extract(SCHEMA, TEXT, (connection, model))


@pytest.mark.parametrize("kind", KINDS)
def test_no_redirect_is_followed(two, kind):
    """Neither key nor text reaches the place that the server points to."""
    own, other = two
    own.fault, own.redirect_to = "redirect", other.url
    connection = connections(own.url, own.url)[kind]
    assert not lw.check(connection).ok
    extraction = ask(connection)
    assert extraction.status in {"Unreachable", "Unauthorized"}
    assert own.seen
    assert other.seen == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reaches_its_own_host_alone(two, kind):
    own, other = two
    extraction = lw.extract(SCHEMA, TEXT, (c := connections(own.url, own.url)[kind], c.models[0]))
    assert extraction.status == "ok", extraction.failure
    assert extraction.data == {"name": "Bolt", "total": 12.5}
    assert other.seen == []


def test_a_changed_endpoint_takes_nothing_of_the_old_one_along(two):
    """A copy of the connection for another server is another connection, with its own key."""
    own, other = two
    first = connections(own.url, own.url)["custom"]
    lw.check(first)
    second = lw.Connection("custom", name="m", endpoint=f"{other.url}/v1", api_key="another-key-1")
    lw.check(second)
    assert own.seen
    assert other.seen
    for seen in other.seen:
        assert CANARY not in json.dumps(seen.headers)
        assert CANARY[::-1] not in json.dumps(seen.headers)


def test_a_call_to_another_host_is_stopped_at_the_gate(two):
    from dataclasses import replace

    from llmwidgets.connections import Policy
    from llmwidgets.dialects import openai_chat
    from llmwidgets.engine import gate
    from llmwidgets.errors import PolicyError

    own, other = two
    connection = connections(own.url, own.url)["openai"]
    call = replace(
        openai_chat.models_call(connection.target("gpt-6-luna")), url=f"{other.url}/v1/models"
    )
    with pytest.raises(PolicyError, match="bound to"):
        loop.run(gate.send(connection, "gpt-6-luna", call, policy=Policy()))
    assert own.seen == other.seen == []


def test_the_token_service_sees_the_signed_request_alone_and_the_api_the_token_alone(two):
    """Neither the private key nor the text goes to the token service, nor the key to the API."""
    own, tokens_at = two
    connection = connections(own.url, tokens_at.url)["vertex_ai"]
    lw.extract(SCHEMA, TEXT, (connection, "gemini-3.8-flash"))
    assert [each.path for each in tokens_at.seen] == ["/token"]
    told = json.dumps(tokens_at.seen[0].body) + json.dumps(tokens_at.seen[0].headers)
    assert "Bolt" not in told
    assert "ya29" not in told
    secret = a_private_key().splitlines()[3]
    for seen in (*own.seen, *tokens_at.seen):
        assert secret not in json.dumps(seen.headers) + json.dumps(seen.body)
    assert {each.headers["authorization"] for each in own.seen} == {"Bearer ya29.made-up-1"}


def test_credentials_that_name_a_stranger_for_their_tokens_send_nothing(two):
    own, _ = two
    account = a_service_account("https://tokens.elsewhere.example/token")
    connection = lw.Connection("vertex_ai", credentials=json.dumps(account), base_url=own.url)
    report = lw.check(connection)
    assert "tokens.elsewhere.example, which is not Google's" in report.sentence
    assert own.seen == []
