"""A key sent to one host is seen by no other: servers that record their headers say so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

import llmwidgets as lw
from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat
from llmwidgets.engine import capability, event_loop
from llmwidgets.engine.extraction import Extraction
from llmwidgets.engine.network.sign_in import tokens
from tests.google_keys import a_private_key, a_service_account
from tests.kinds import fields_of
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
    tokens.forget_tokens()
    event_loop.stop_engine()


KINDS = list(lw.PROVIDERS)


def connected(kind: str, url: str, token_url: str = "") -> lw.Connection:
    """Every key of the connection is the canary, also in a header of its own."""
    fields = fields_of(kind, url, CANARY, token_url)
    return lw.Connection(kind, **fields, headers={"x-extra": CANARY})


def ask(connection: lw.Connection) -> Extraction:
    model = connection.models[0]
    known = Capability(ResponseFormat.TEXT, Enforcement.TEXT)
    capability.record_of(connection, model).capability = known
    return lw.extract(SCHEMA, TEXT, (connection, model))


@pytest.mark.parametrize("kind", KINDS)
def test_no_redirect_is_followed(two, kind):
    """Neither key nor text reaches the place that the server points to."""
    own, other = two
    own.fault, own.redirect_to = "redirect", other.url
    connection = connected(kind, own.url)
    assert not lw.check(connection).ok
    extraction = ask(connection)
    assert extraction.status in {"Unreachable", "Unauthorized"}
    assert own.seen
    assert other.seen == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reaches_its_own_host_alone(two, kind):
    own, other = two
    extraction = lw.extract(SCHEMA, TEXT, (c := connected(kind, own.url), c.models[0]))
    assert extraction.status == "ok", extraction.failure
    assert extraction.data == {"name": "Bolt", "total": 12.5}
    assert other.seen == []


def test_a_changed_endpoint_takes_nothing_of_the_old_one_along(two):
    """A copy of the connection for another server is another connection, with its own key."""
    own, other = two
    first = connected("custom", own.url)
    lw.check(first)
    second = lw.Connection("custom", name="m", endpoint=f"{other.url}/v1", api_key="another-key-1")
    lw.check(second)
    assert own.seen
    assert other.seen
    for seen in other.seen:
        assert CANARY not in json.dumps(seen.headers)


def test_a_call_to_another_host_is_stopped_at_the_gate(two):
    from dataclasses import replace

    from llmwidgets.connections import Policy
    from llmwidgets.dialects import openai as openai_chat
    from llmwidgets.engine.network import egress as gate
    from llmwidgets.errors import PolicyError

    own, other = two
    connection = connected("openai", own.url)
    call = replace(
        openai_chat.models_call(connection.target("gpt-6-luna")), url=f"{other.url}/v1/models"
    )
    with pytest.raises(PolicyError, match="bound to"):
        event_loop.run_blocking(gate.send_guarded(connection, "gpt-6-luna", call, policy=Policy()))
    assert own.seen == other.seen == []


def test_the_token_service_sees_the_signed_request_alone_and_the_api_the_token_alone(two):
    """Neither the private key nor the text goes to the token service, nor the key to the API."""
    own, tokens_at = two
    connection = connected("vertex_ai", own.url, tokens_at.url)
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
