"""What a check says that it sends is what a server sees: questions, hosts, and no foreign key."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.connections import Connection, Policy, environment_connections
from llmwidgets.connections.foreign_keys import base_url_of_vendor, foreign_key_error
from llmwidgets.dialects.types import forms_asked
from llmwidgets.engine import capability, event_loop
from llmwidgets.engine.check import CheckReport, check_connection
from llmwidgets.engine.network.sign_in import tokens
from llmwidgets.engine.probe import MOST_QUESTIONS, proof_of, questions_of
from llmwidgets.providers import PROVIDERS, owner_of_whole_key
from tests import kinds
from tests.engine import scripts
from tests.engine.conftest import serving
from tests.engine.scripts import Script, Waits, hang_up, obey, refuse, say
from tests.engine.test_shared_calls import until
from tests.servers import FAULTS, OPENAI, ModelServer, Seen, serving_models

CLAUDE = "claude in foundry"
KINDS = [*PROVIDERS, CLAUDE]
OUTCOMES = ["", *FAULTS[OPENAI], "redirect", "fence", "truncate", "continue", "ignore", "refuse"]


def connected(kind: str, url: str) -> Connection:
    if kind == CLAUDE:
        given = {"model": "our-claude", "endpoint": f"{url}/anthropic"}
        return Connection("azure_ai_foundry", api_key=kinds.KEY, **given)
    return kinds.connected(kind, url)


LISTED = tuple(connected(kind, "http://127.0.0.1:1").models[0] for kind in KINDS)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving_models(models=LISTED) as running:
        yield running
    tokens.forget_tokens()
    event_loop.stop_engine()


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    capability.forget_capabilities()
    yield
    capability.forget_capabilities()


def looked_at(connection: Connection) -> CheckReport:
    checking = check_connection(connection, policy=Policy(), clock=Waits().clock)
    return event_loop.run_blocking(checking)


def is_question(seen: Seen) -> bool:
    return seen.method == "POST" and seen.path != "/token" and not seen.path.endswith("countTokens")


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("kind", KINDS)
def test_as_many_questions_are_said_as_a_server_counts(server, kind, outcome):
    server.fault, server.redirect_to = outcome, "https://elsewhere.example"
    connection = connected(kind, server.url)
    expected = questions_of(connection, connection.models[0])
    report = looked_at(connection)
    counted = sum(map(is_question, server.seen))
    assert report.asked == counted <= MOST_QUESTIONS
    assert report.hosts == ((connection.host,) if server.seen else ())
    if outcome in {"", "ignore", "fence"}:  # each question is answered
        assert counted <= expected
        assert (counted == 0) == (expected == 0)
        usages = 99 * counted
        assert report.tokens == usages
    assert f"{counted} question" in report.sent or (not counted and "No question" in report.sent)
    assert report.sent in repr(report)
    assert "(0 tokens" not in report.sent


@pytest.mark.parametrize("kind", ["openai", "custom"])
def test_a_host_that_the_sentence_names_is_not_named_again(server, kind):
    server.fault = "key"
    report = looked_at(connected(kind, server.url))
    assert report.hosts[0] in report.sentence
    assert repr(report).count(server.url.partition("://")[2]) == 1
    assert replace(report, sentence="No.").sent.endswith(f"sent to {report.hosts[0]}.")


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_not_there_was_sent_nothing(kind):
    report = lw.check(connected(kind, "http://127.0.0.1:9"))
    assert (report.asked, report.hosts, report.sent) == (0, (), "Nothing was sent.")


ACTS = {
    "obey": obey,
    "empty": say(""),
    "cut": say('{"a', "length"),
    "prose": say("Sunny."),
    "any json": say('{"weather": "fine"}'),
    "400": refuse(400),
    "401": refuse(401),
    "404": refuse(404),
    "429": refuse(429),
    "500": refuse(500),
    "503": refuse(503),
    "hang up": hang_up,
}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(sorted(ACTS)), min_size=1, max_size=24))
@example(["empty", "503", "cut", "500"])  # 18 questions if nothing stopped them
def test_no_server_is_asked_more_than_is_said_before(names):
    capability.forget_capabilities()
    script = Script(*(ACTS[name] for name in names))
    with serving(script) as end:
        report = scripts.checked(end)
    assert report.asked == len(script.bodies) <= MOST_QUESTIONS


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_asks_for_each_form_that_is_announced(server, kind):
    """The sentence before a test is worked out from what the probe goes by."""
    connection = connected(kind, server.url)
    model = connection.models[0]
    if proof_of(connection, model) != "probe":
        assert questions_of(connection, model) <= 1
        return
    server.fault = "schema"  # each form but the last is refused
    server.record = {"weather": "fine"}
    assert looked_at(connection).asked <= questions_of(connection, model)
    assert questions_of(connection, model) == len(
        forms_asked(connection.dialect, connection.target(model))
    )


def test_the_host_that_gives_a_token_is_named_and_is_no_question(server):
    with serving_models() as giver:
        fields = kinds.fields_of("vertex_ai", server.url, token_url=giver.url)
        report = lw.check(Connection("vertex_ai", **fields))
    assert report.ok, report
    assert len(giver.seen) == 1
    assert set(report.hosts) == {each.url.partition("://")[2] for each in (server, giver)}
    assert (report.asked, report.cost) == (0, 0)


def test_a_price_of_the_connection_is_what_a_test_cost(server):
    fields = kinds.fields_of("custom", server.url)
    report = lw.check(Connection("custom", **fields, price={"input": 1, "output": 10}))
    assert (report.asked, report.tokens) == (1, 99)
    assert report.cost == pytest.approx((90 + 9 * 10) / 1e6)
    assert "1 question (99 tokens, cost $0.00018)" in report.sent


@dataclass
class Patient(ModelServer):
    """It answers the first question once every check has asked for its list."""

    listed: int = 8

    def answer(self, seen: Seen) -> tuple[int, Any]:
        if is_question(seen):
            until(lambda: sum(each.method == "GET" for each in [*self.seen]) >= self.listed)
        return super().answer(seen)


@pytest.fixture
def patient() -> Iterator[ModelServer]:
    with serving_models(kind=Patient, models=LISTED) as running:
        yield running


def test_many_checks_at_once_make_one_probe(patient):
    server = patient
    connections = [connected("custom", server.url) for _ in range(8)]

    async def at_once() -> list[CheckReport]:
        return await asyncio.gather(
            *(check_connection(each, policy=Policy()) for each in connections)
        )

    reports = event_loop.run_blocking(at_once())
    assert all(reports)
    assert {each.mode for each in reports} == {"schema enforced"}
    assert sum(each.asked for each in reports) == sum(map(is_question, server.seen)) == 1
    assert lw.check(connections[0])
    assert sum(map(is_question, server.seen)) == 2, "a later check asks anew"


def test_checks_at_once_with_other_keys_are_told_apart(server):
    connections = [kinds.connected("custom", server.url, key=f"made-up-key-{n}") for n in (1, 2)]

    async def at_once() -> list[CheckReport]:
        return await asyncio.gather(
            *(check_connection(each, policy=Policy()) for each in connections)
        )

    assert [each.asked for each in event_loop.run_blocking(at_once())] == [1, 1]


# -- A key that is surely another vendor's.

WHOLE = {
    "OpenAI": "sk-proj-" + "0a" * 20,
    "Anthropic": "sk-ant-api03-" + "0b" * 20,
    "Gemini": "AQ." + "0c" * 20,
    "Groq": "gsk_" + "0d" * 20,
    "Hugging Face": "hf_" + "0e" * 18,
    "OpenRouter": "sk-or-v1-" + "0f" * 32,
    "Together AI": "tgp_v1_" + "0a" * 20,
    "Databricks": "dapi" + "0b" * 16,
    "Amazon Bedrock": "ABSK" + "A0" * 40,
}
"""Made up, each as long as a whole key of its vendor."""
UNSURE = ["sk-" + "0a" * 24, "sk-ant", "0a" * 16, "eyJ" + "0a" * 20, "sk-lm-0a0b0c", "gsk_short"]
AT_VENDORS = [
    ("openai", {}, "OpenAI"),
    ("gemini", {}, "Gemini"),
    ("anthropic", {}, "Anthropic"),
    (
        "azure_openai",
        {"deployment": "d", "endpoint": "https://acme.openai.azure.com/openai/v1"},
        "",
    ),
    ("azure_ai_foundry", {"model": "m", "endpoint": "https://a.services.ai.azure.com/models"}, ""),
    ("custom", {"name": "m", "endpoint": "https://api.openai.com/v1"}, "OpenAI"),
    ("custom", {"name": "m", "endpoint": "https://api.anthropic.com/v1"}, "Anthropic"),
    ("custom", {"name": "m", "endpoint": "https://router.huggingface.co/v1"}, "Hugging Face"),
    ("bedrock", {"region": "eu-west-1"}, "Amazon Bedrock"),
    ("custom", {"name": "m", "endpoint": "https://api.deepseek.com"}, ""),
    ("custom", {"name": "m", "endpoint": "https://api.together.ai/v1"}, "Together AI"),
    ("custom", {"name": "m", "endpoint": "https://adb-1.2.azuredatabricks.net"}, "Databricks"),
    ("custom", {"name": "m", "endpoint": "https://dbc-1.cloud.databricks.com"}, "Databricks"),
    ("custom", {"name": "m", "endpoint": "https://acme.databricks.azure.us"}, "Databricks"),
    ("custom", {"name": "m", "endpoint": "https://acme.snowflakecomputing.com"}, ""),
    ("custom", {"name": "m", "endpoint": "https://acme.snowflakecomputing.cn"}, ""),
]


def with_key(kind: str, key: str, **fields: Any) -> Connection:
    return Connection(kind, **{PROVIDERS[kind].key_field: key}, **fields)


@pytest.mark.parametrize(("kind", "fields", "vendor"), AT_VENDORS)
@pytest.mark.parametrize("owner", WHOLE)
def test_a_foreign_key_is_told_and_the_way_on_works(kind, fields, vendor, owner):
    connection = with_key(kind, WHOLE[owner], **fields)
    error = foreign_key_error(connection)
    assert (error is None) == (owner == vendor)
    if error is None:
        return
    assert WHOLE[owner] not in str(error)
    url = base_url_of_vendor(connection)
    assert f'base_url="{url}"' in error.hint
    anyway = with_key(kind, WHOLE[owner], **fields, base_url=url)
    assert foreign_key_error(anyway) is None
    model = connection.models[0]
    one, other = connection.target(model), anyway.target(model)
    parts = ("url", "headers", "query", "options")
    assert [getattr(one, part) for part in parts] == [getattr(other, part) for part in parts]


PLACES = {
    "token": lambda key: {"auth_token": key},
    "token with a scheme": lambda key: {"auth_token": f"Bearer {key}"},
    "token beside a key": lambda key: {"auth_token": key, "api_key": "made-up-key-0001"},
    "header": lambda key: {"headers": {"x-extra": key}},
    "header with a scheme": lambda key: {"headers": {"x-extra": f"Bearer {key}"}},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("owner", WHOLE)
@pytest.mark.parametrize(
    ("fields", "vendor"), [(fields, v) for kind, fields, v in AT_VENDORS if kind == "custom"]
)
def test_every_place_of_a_secret_is_looked_at(fields, vendor, owner, place):
    connection = Connection("custom", **fields, **PLACES[place](WHOLE[owner]))
    error = foreign_key_error(connection)
    assert (error is None) == (owner == vendor)
    if error is not None:
        assert place.split()[0] in error.message
        assert WHOLE[owner] not in str(error)
        named = Connection("custom", **fields, **PLACES[place](WHOLE[owner]),
                           base_url=base_url_of_vendor(connection))  # fmt: skip
        assert foreign_key_error(named) is None


@pytest.mark.parametrize("place", ["key", *PLACES])
def test_a_reference_is_looked_at_anew_at_each_call(monkeypatch, place):
    fields = PLACES.get(place, lambda key: {"api_key": key})("env:MADE_UP_PLACE")
    connection = Connection("custom", name="m", endpoint="https://api.groq.com", **fields)
    for owner in ("Groq", "OpenAI", "Groq", "Anthropic"):
        monkeypatch.setenv("MADE_UP_PLACE", WHOLE[owner])
        if "scheme" not in place:
            assert (foreign_key_error(connection) is None) == (owner == "Groq")


KEYED = [each for each in PROVIDERS.values() if each.environment.keys]


@pytest.mark.parametrize("name", [*(each.kind for each in KEYED), "groq", "databricks"])
def test_the_way_on_of_a_variable_s_key_works(monkeypatch, name):
    """By a variable where the kind has one for the address, else by a connection of one's own."""
    for each in KEYED:
        for variable in each.environment.names:
            monkeypatch.delenv(variable, raising=False)
    provider = PROVIDERS.get(name)
    variable = provider.environment.keys[0] if provider else f"{name.upper()}_API_KEY"
    variable = "DATABRICKS_TOKEN" if name == "databricks" else variable
    monkeypatch.setenv(variable, WHOLE["Hugging Face"])
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://acme.openai.azure.com")
    monkeypatch.setenv("DATABRICKS_HOST", "https://adb-1.2.azuredatabricks.net")
    (connection,) = [each for each in environment_connections() if each.label == name]
    hint = foreign_key_error(connection).hint
    if said := re.search(r"set ([A-Z_]+) to (https:\S+)\.", hint):
        monkeypatch.setenv(said[1], said[2])
        (connection,) = [each for each in environment_connections() if each.label == name]
    else:
        assert "a connection of your own" in hint
        url = re.search(r'base_url="([^"]+)"', hint)[1]
        fields = {**connection.plain_fields, "base_url": url, **connection.secret_fields}
        connection = Connection(connection.kind, **fields)
    assert foreign_key_error(connection) is None


@pytest.mark.parametrize("key", UNSURE)
@pytest.mark.parametrize(("kind", "fields", "_vendor"), AT_VENDORS)
def test_a_key_that_several_could_have_made_is_sent(kind, fields, _vendor, key):
    assert owner_of_whole_key(key) == ""
    assert foreign_key_error(with_key(kind, key, **fields)) is None


@pytest.mark.parametrize("kind", [kind for kind in PROVIDERS if kind != "vertex_ai"])
@pytest.mark.parametrize("owner", WHOLE)
def test_a_gateway_and_a_server_of_ones_own_take_any_key(server, kind, owner):
    fields = kinds.fields_of(kind, server.url, key=WHOLE[owner])
    assert lw.check(Connection(kind, **fields))
    assert server.seen


@pytest.fixture
def no_network(monkeypatch) -> list[str]:
    """The far end of the wire: whatever is called beyond this computer is noted, and not there."""
    import socket

    called: list[str] = []

    def resolve(host, *rest, **more):
        called.append(str(host))
        raise socket.gaierror(-2, "no such host")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return called


@pytest.mark.parametrize(("kind", "fields", "vendor"), AT_VENDORS)
def test_nothing_is_sent_with_a_foreign_key_by_check_extract_and_compare(
    no_network, kind, fields, vendor
):
    owner = next(owner for owner in WHOLE if owner != vendor)
    connection = with_key(kind, WHOLE[owner], **fields)
    pair = connection, connection.models[0]
    report = lw.check(connection)
    assert (report.ok, report.status, report.sent) == (False, "Unauthorized", "Nothing was sent.")
    assert owner in report.sentence
    assert "base_url=" in report.hint
    extraction = lw.extract([{"name": "total", "type": "number"}], "Total 1", pair)
    assert (extraction.status, extraction.failure.code) == ("Unauthorized", "other_vendor")
    texts = [f"Total {n}" for n in range(5)]
    result = lw.compare(
        [{"name": "total", "type": "number"}], texts, [pair], journal=False, progress=False
    )
    assert {each.status for each in result} == {"Unauthorized"}
    assert len(list(result)) == 5
    assert owner in next(iter(result)).failure.message
    assert no_network == []


def test_a_key_of_the_environment_is_told_with_the_variable(no_network, monkeypatch):
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", WHOLE["Anthropic"])
    from llmwidgets.connections import environment_connections

    [connection] = [each for each in environment_connections() if each.kind == "openai"]
    report = lw.check(connection)
    assert "set OPENAI_BASE_URL to https://api.openai.com/v1" in report.hint
    assert no_network == []
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.openai.com/v1")
    [connection] = [each for each in environment_connections() if each.kind == "openai"]
    assert foreign_key_error(connection) is None


def test_no_key_of_a_kind_is_foreign_at_home():
    for kind, provider in PROVIDERS.items():
        for prefix in provider.key_prefixes:
            key = json.dumps({}) if prefix.start == "{" else prefix.start + "0a" * 20
            fields = next((fields for of, fields, _ in AT_VENDORS if of == kind), {})
            fields = fields or {name: kinds.fields_of(kind, "")[name] for name in provider.required}
            assert foreign_key_error(with_key(kind, key, **fields)) is None, (kind, prefix.start)
