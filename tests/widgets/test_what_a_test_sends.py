"""The form says what a test sends where, before and after it; a foreign key needs a yes."""

from __future__ import annotations

import socket

import pytest

import llmwidgets as lw
from llmwidgets import PROVIDERS, ConnectionForm
from llmwidgets.connections import Connection
from llmwidgets.engine import event_loop
from llmwidgets.engine.network.sign_in import tokens
from llmwidgets.engine.probe import MOST_QUESTIONS, questions_of
from llmwidgets.store.store import Store
from tests.kinds import KINDS, connected, filled_in
from tests.servers import serving_models

FOREIGN = "sk-ant-api03-" + "0b" * 20


@pytest.fixture
def server():
    listed = tuple(connected(kind, "http://127.0.0.1:1").models[0] for kind in KINDS)
    with serving_models(models=listed) as running:
        yield running
    tokens.forget_tokens()
    event_loop.stop_engine()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("openai", "Sends one short question and your key to api.openai.com."),
        ("anthropic", "Sends one short question and your key to api.anthropic.com."),
        ("vertex_ai", "Signs in at oauth2.googleapis.com. Sends one word to aiplatform.googleapis"),
        ("azure_openai", "Sends one short question and your key to the server."),
        ("azure_ai_foundry", "Sends 1 to 3 short questions and your key to the server."),
        ("custom", "Sends 1 to 4 short questions to the server."),
    ],
)
def test_an_untouched_form_says_what_its_test_sends(wire, kind, said) -> None:
    assert wire(ConnectionForm(kind, Store.in_memory())).form["costs"].startswith(said)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_before_is_what_the_server_sees(wire, server, kind) -> None:
    """With the fields filled in the host is named; the number is that of the requests."""
    given = filled_in(kind, server.url)
    page = wire(ConnectionForm(kind, Store.in_memory()))
    secrets = {name: given.pop(name) for name in PROVIDERS[kind].secret_fields if name in given}
    for name, secret in secrets.items():
        page.type_secret(name, secret, form=page.form["key"])
    page.send("form.edit", form=page.form["key"], values=given)
    host = server.url.partition("://")[2]
    costs = page.form["costs"]
    assert host in costs
    connection = Connection(kind, **given, **secrets)
    most = questions_of(connection, connection.models[0])
    assert ("short question" in costs) == (most > 0)
    assert ("your key" in costs) == (most > 0)
    assert (f"{MOST_QUESTIONS} questions at most" in costs) == (most > 0)
    page.submit(values=given, intent="session")
    report = page.form["report"]
    asked = [
        each
        for each in server.seen
        if each.method == "POST" and "countTokens" not in each.path and each.path != "/token"
    ]
    assert len(asked) <= most
    assert (f"{len(asked)} question" if asked else "No question was asked") in report["text"]
    assert host in report["text"]


def test_a_sign_in_without_a_key_names_who_gives_the_token(wire) -> None:
    page = wire(ConnectionForm("vertex_ai", Store.in_memory()))
    page.send("form.edit", form=page.form["key"], values={"sign_in": "machine"})
    assert page.form["costs"].startswith(
        "Signs in at 169.254.169.254. Sends one word to aiplatform"
    )
    account = "reader@acme-claims-123456.iam.gserviceaccount.com"
    page.send("form.edit", form=page.form["key"], values={"impersonate": account})
    assert "169.254.169.254 and iamcredentials.googleapis.com" in page.form["costs"]


def test_the_estimate_names_who_gives_tokens_apart_from_where_texts_go() -> None:
    machine = Connection("vertex_ai", sign_in="machine", project="acme-claims-123456")
    found = lw.estimate(
        [{"name": "total", "type": "number"}], ["Total 1"], [(machine, "gemini-3.8-flash")]
    )
    assert found.hosts == ("aiplatform.googleapis.com",)
    assert found.token_hosts == ("169.254.169.254",)
    said = repr(found)
    assert "The texts go to aiplatform.googleapis.com, and to no other host." in said
    assert "Sign-in tokens come from 169.254.169.254; no text goes there." in said


def test_a_foreign_key_goes_only_after_a_yes_and_then_with_its_address(wire, monkeypatch) -> None:
    """The yes is kept as the base URL, by which runs send the key as well."""
    asked: list[str] = []

    def resolve(host, *_rest, **_more):
        asked.append(str(host))
        raise socket.gaierror(-2, "no such host")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    store = Store.in_memory()
    page = wire(ConnectionForm("openai", store))
    page.type_secret("api_key", FOREIGN, form=page.form["key"])
    page.submit(values={}, intent="save")
    assert page.form["doubts"]
    assert asked == []
    page.submit(values={}, intent="save", certain=True)
    assert "api.openai.com" in asked
    assert page.field("base_url")["value"] == "https://api.openai.com/v1"
    assert "Cannot resolve api.openai.com" in page.form["report"]["title"]
    page.send("form.keep", form=page.form["key"])
    page.settle()
    (kept,) = store
    assert kept.fields.base_url == "https://api.openai.com/v1"
