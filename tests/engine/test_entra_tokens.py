"""Entra ID's tokens: where they come from, what is sent for them, and what is said without one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets import Connection, errors
from llmwidgets.connections import Policy
from llmwidgets.connections.discovery import environment_connections
from llmwidgets.connections.policy_file import Patterns, Rules
from llmwidgets.dialects import openai
from llmwidgets.dialects.types import AuthHeader, Call
from llmwidgets.engine import event_loop
from llmwidgets.engine.check import apply_fix
from llmwidgets.engine.network import proxies, transport
from llmwidgets.engine.network.sign_in import tokens
from llmwidgets.errors import FieldError, PolicyError
from llmwidgets.providers.urls import METADATA_HOST
from llmwidgets.secret import Secret
from tests.engine.conftest import FarEnd, Seen, serving
from tests.entra import (
    CLIENT,
    SECRET,
    TENANT,
    WHO,
    Certified,
    Entra,
    a_token,
    a_tool,
    number_of,
    take_away,
)

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
COGNITIVE, AI = "https://cognitiveservices.azure.com", "https://ai.azure.com"


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return Certified(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return take_away(monkeypatch, tmp_path)


@pytest.fixture
def entra(certified: Certified, tools: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Entra]:
    there = Entra()
    with serving(there.sign_in, certified.context) as signs_in, serving(there.serve) as resource:
        there.signs_in, there.resource = signs_in, resource
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", there.authority)
        yield there
        event_loop.stop_engine()
    tokens.forget_tokens()


def connected(entra: Entra, certified: Certified, **fields: Any) -> Connection:
    assert entra.resource is not None
    url = entra.resource.url.removesuffix("/v1")
    kind = fields.pop("kind", "azure_openai")
    name = "deployment" if kind == "azure_openai" else "model"
    given = {"endpoint": f"{url}/openai/v1", name: "luna", "ca_bundle": certified.file, **fields}
    return Connection(kind, sign_in="entra", label="mine", **given)


def a_call(connection: Connection) -> Call:
    return openai.models_call(connection.target("luna"))


def exchanged(connection: Connection, policy: Policy | None = None) -> Call:
    asked = tokens.exchange_credentials(a_call(connection), policy or Policy())
    return event_loop.run_blocking(asked)


def refusal(connection: Connection) -> errors.CallError:
    with pytest.raises(errors.CallError) as caught:
        exchanged(connection)
    return caught.value


def bearer(call: Call) -> str:
    """The token a call is sent with, which has no other key beside it."""
    (header,) = call.auth
    assert (header.name, header.template, header.exchange) == ("Authorization", "Bearer {}", None)
    return header.secret.reveal()


def by_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_CLIENT_SECRET": SECRET,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


def by_file(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    file = folder / "federated"
    file.write_text("federated-token-made-up-0001")
    for name, value in {
        "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT,
        "AZURE_FEDERATED_TOKEN_FILE": str(file),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return file


@pytest.fixture
def machine(entra: Entra, monkeypatch: pytest.MonkeyPatch) -> Iterator[FarEnd]:
    """The metadata service, on loopback by the variable that its own client knows."""
    with serving(entra.sign_in) as end:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", end.url.removesuffix("/v1"))
        yield end


# -- Judged by azure-identity's own credentials, over its own transport.


def same(mine: Seen, theirs: Seen, *apart: str) -> None:
    """Line, body and headers are equal, but for numbers of the request and who asks."""
    own = {"x-ms-client-request-id", "user-agent", "host", "content-length", "connection",
           "x-client-current-telemetry", "client-request-id", "accept", "accept-encoding",
           "x-client-last-telemetry", "x-ms-lib-capability", *apart}  # fmt: skip
    assert mine.line == theirs.line
    if theirs.body:
        assert parse_qsl(mine.body.decode()) == parse_qsl(theirs.body.decode())
    kept = [
        {name: value for name, value in each.headers.items() if name not in own}
        for each in (mine, theirs)
    ]
    assert kept[0] == kept[1]


def test_a_client_secret(entra, certified, monkeypatch):
    from azure.identity import ClientSecretCredential

    by_secret(monkeypatch)
    token = bearer(exchanged(connected(entra, certified)))
    (mine,) = entra.exchanges
    with ClientSecretCredential(
        TENANT, CLIENT, SECRET, authority=entra.authority, disable_instance_discovery=True,
        connection_verify=certified.file,
    ) as theirs:  # fmt: skip
        assert theirs.get_token(f"{COGNITIVE}/.default").token.count(".") == token.count(".")
    same(mine, entra.exchanges[-1])
    body = dict(parse_qsl(mine.body.decode()))
    assert mine.line.startswith(f"POST /{TENANT}/oauth2/v2.0/token ")
    assert (body["grant_type"], body["client_id"], body["client_secret"], body["scope"]) == (
        "client_credentials", CLIENT, SECRET, f"{COGNITIVE}/.default",
    )  # fmt: skip


def test_a_federated_token_file(entra, certified, monkeypatch, tmp_path):
    from azure.identity import WorkloadIdentityCredential

    by_file(monkeypatch, tmp_path)
    exchanged(connected(entra, certified))
    (mine,) = entra.exchanges
    with WorkloadIdentityCredential(
        disable_instance_discovery=True, connection_verify=certified.file
    ) as theirs:
        theirs.get_token(f"{COGNITIVE}/.default")
    same(mine, entra.exchanges[-1])
    body = dict(parse_qsl(mine.body.decode()))
    assert body["client_assertion"] == "federated-token-made-up-0001"
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert body["client_assertion_type"] == kind


@pytest.mark.parametrize("client", [None, CLIENT])
def test_the_metadata_service_of_a_machine(entra, certified, machine, client):
    from azure.identity import ManagedIdentityCredential

    found = exchanged(connected(entra, certified, client_id=client))
    mine = machine.seen[-1]
    with ManagedIdentityCredential(client_id=client) as theirs:
        theirs.get_token(f"{COGNITIVE}/.default")
    same(mine, machine.seen[-1])
    query = dict(parse_qsl(urlsplit(mine.line.split(" ")[1]).query))
    assert query == {"api-version": "2018-02-01", "resource": COGNITIVE,
                     **({"client_id": client} if client else {})}  # fmt: skip
    assert (mine.headers["metadata"], mine.body) == ("true", b"")
    assert found.account == WHO


def test_the_identity_service_of_app_service(entra, certified, machine, monkeypatch):
    from azure.identity import ManagedIdentityCredential

    monkeypatch.setenv("IDENTITY_ENDPOINT", machine.url.replace("/v1", "/msi/token"))
    monkeypatch.setenv("IDENTITY_HEADER", "identity-header-made-up-0001")
    exchanged(connected(entra, certified))
    mine = machine.seen[-1]
    with ManagedIdentityCredential() as theirs:
        theirs.get_token(f"{COGNITIVE}/.default")
    same(mine, machine.seen[-1])
    assert mine.headers["x-identity-header"] == "identity-header-made-up-0001"
    assert mine.line.startswith("GET /msi/token?api-version=2019-08-01&resource=")


def test_a_metadata_service_that_repeats_its_token_is_believed(entra, certified, machine):
    """The token in use stands in the next reply, and is not masked there."""
    entra.claims = {"exp": 1}
    connection = connected(entra, certified)
    call, policy = a_call(connection), Policy()
    first = exchanged(connection)
    event_loop.run_blocking(transport.send_call(first))
    assert tokens.token_refused(call, first)
    entra.asked.clear()
    again = event_loop.run_blocking(tokens.exchange_credentials(call, policy))
    assert bearer(again) == bearer(first)


def by_tool(tools: Path, token: str, seconds: int = 3600) -> Path:
    said = json.dumps({"accessToken": token, "expires_on": int(time.time()) + seconds})
    return a_tool(tools, f"echo '{said}'")


@pytest.mark.parametrize("tenant", [None, "acme.example"])
def test_the_azure_cli(entra, certified, tools, tenant):
    notes = by_tool(tools, a_token(7))
    found = exchanged(connected(entra, certified, tenant=tenant))
    assert number_of(bearer(found)) == 7
    asked = f"account get-access-token --output json --resource {COGNITIVE}"
    assert notes.read_text().split("\n")[0] == asked + (f" --tenant {tenant}" if tenant else "")
    assert entra.exchanges == []


def test_a_ready_token_is_used_as_it_is(entra, certified, tools, monkeypatch):
    notes = by_tool(tools, a_token(7))
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", a_token(9))
    assert number_of(bearer(exchanged(connected(entra, certified)))) == 9
    assert (notes.exists(), entra.exchanges) == (False, [])
    tokens.forget_tokens()
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "opaque-token-made-up-0003")
    assert number_of(bearer(exchanged(connected(entra, certified)))) == 3
    tokens.forget_tokens()
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", a_token(9, exp=int(time.time()) - 5))
    said = refusal(connected(entra, certified))
    assert "AZURE_OPENAI_AD_TOKEN has ended" in said.message


@pytest.mark.parametrize("key", ["", "0123456789abcdef0123456789abcdef"])
@pytest.mark.parametrize("deployment", ["luna", ""])
def test_a_ready_token_of_the_environment_connects(entra, tools, monkeypatch, key, deployment):
    """Where there is a key as well, that connects, as it always did."""
    assert entra.resource is not None
    for name, value in {
        "AZURE_OPENAI_AD_TOKEN": a_token(9), "AZURE_OPENAI_API_KEY": key,
        "AZURE_OPENAI_ENDPOINT": entra.resource.url.removesuffix("/v1"),
        "AZURE_OPENAI_DEPLOYMENT": deployment,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    (found,) = environment_connections()
    assert (found.fields.way, found.read_only) == ("key" if key else "entra", True)
    reference = "luna" if deployment else "azure_openai/luna"
    answer = lw.extract(SCHEMA, "Bill", reference, journal=False)
    assert answer.status == "ok", answer.failure
    assert entra.used[-1] == (0 if key else 9)


@pytest.mark.parametrize(
    ("setting", "used"),
    [("", "secret"), ("prod", "secret"), ("dev", "az"), ("AzureCliCredential", "az"),
     ("EnvironmentCredential", "secret")],
)  # fmt: skip
def test_the_variable_that_narrows_the_chain(entra, certified, tools, monkeypatch, setting, used):
    notes = by_tool(tools, a_token(7))
    by_secret(monkeypatch)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", setting)
    exchanged(connected(entra, certified))
    assert (notes.exists(), len(entra.exchanges)) == (used == "az", used == "secret")


# -- Which token a host takes.

PROJECT = "https://acme.services.ai.azure.com/api/projects/claims"


@pytest.mark.parametrize(
    ("endpoint", "scopes", "authority"),
    [
        ("https://acme.openai.azure.com", (COGNITIVE, AI), ""),
        ("https://acme.cognitiveservices.azure.com/openai/v1", (COGNITIVE, AI), ""),
        ("https://acme.services.ai.azure.com/models", (COGNITIVE, AI), ""),
        ("https://acme.services.ai.azure.com/openai/v1", (COGNITIVE, AI), ""),
        ("https://acme.services.ai.azure.com/anthropic", (COGNITIVE, AI), ""),
        (PROJECT, (AI, COGNITIVE), ""),
        (f"{PROJECT}/openai/v1", (AI, COGNITIVE), ""),
        ("https://acme.openai.azure.us", ("https://cognitiveservices.azure.us",
         "https://ai.azure.us"), "login.microsoftonline.us"),
        ("https://acme.openai.azure.cn", ("https://cognitiveservices.azure.cn",
         "https://ai.azure.cn"), "login.chinacloudapi.cn"),
        ("https://ACME.OpenAI.Azure.US", ("https://cognitiveservices.azure.us",
         "https://ai.azure.us"), "login.microsoftonline.us"),
        ("https://gateway.acme.example/llm", (COGNITIVE, AI), ""),
        ("https://azure.us.acme.example/llm", (COGNITIVE, AI), ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("gateway", [None, "https://gateway.acme.example"])
def test_the_scope_and_the_service_by_the_host(endpoint, scopes, authority, gateway):
    connection = Connection(
        "azure_ai_foundry", sign_in="entra", model="m", endpoint=endpoint, base_url=gateway
    )
    (header,) = connection.target("m").auth
    exchange = header.exchange
    assert exchange is not None
    assert (exchange.scope, exchange.second_scope) == tuple(f"{each}/.default" for each in scopes)
    assert exchange.option("authority") == authority


@pytest.mark.parametrize("takes", [COGNITIVE, AI])
def test_the_other_scope_is_tried_once_and_remembered(entra, certified, monkeypatch, takes):
    by_secret(monkeypatch)
    entra.takes = f"{takes}/.default"
    connection = connected(entra, certified)
    for _ in range(3):
        found = lw.extract(SCHEMA, "Bill", connection, journal=False)
        assert found.status == "ok", found.failure
    wanted = [COGNITIVE] if takes == COGNITIVE else [COGNITIVE, AI]
    assert entra.asked == [f"{each}/.default" for each in wanted]
    assert entra.used.count(1) == (len(entra.used) if takes == COGNITIVE else 1)


def test_neither_scope_ends_in_a_sentence_without_a_loop(entra, certified, monkeypatch):
    by_secret(monkeypatch)
    entra.takes = "https://elsewhere.example/.default"
    found = lw.extract(SCHEMA, "Bill", connected(entra, certified), journal=False)
    assert (found.status, found.failure.code) == ("Unauthorized", "audience")
    assert "takes no token of" in found.failure.message
    assert len(entra.asked) <= len(entra.used) <= 4
    report = lw.check(connected(entra, certified))
    assert (report.ok, report.status) == (False, "Unauthorized")
    assert "key" not in report.sentence


def test_a_scope_that_the_tenant_has_not_is_no_end_either(entra, certified, monkeypatch):
    by_secret(monkeypatch)
    entra.replies = [(400, aadsts(500011, "The resource principal named x was not found"))]
    assert number_of(bearer(exchanged(connected(entra, certified)))) == 1
    assert entra.asked == [f"{AI}/.default"]


def test_a_hundred_calls_share_one_change_of_scope(entra, certified, monkeypatch):
    by_secret(monkeypatch)
    entra.takes = f"{AI}/.default"
    found = compared(entra, certified, 100, concurrency=100)
    assert {each.status for each in found} == {"ok"}
    assert entra.asked == [f"{COGNITIVE}/.default", f"{AI}/.default"]


# -- One refresh for all.


def compared(entra: Entra, certified: Certified, texts: int, **more: Any) -> lw.Comparison:
    return lw.compare(
        SCHEMA,
        [f"Bill {number} of 12.50 EUR." for number in range(texts)],
        [connected(entra, certified)],
        journal=False,
        progress=False,
        **more,
    )


@pytest.mark.parametrize("status", [503, 500, 429])
def test_a_sign_in_service_in_trouble_is_asked_again(entra, certified, monkeypatch, status):
    by_secret(monkeypatch)
    entra.replies = [(status, {"error": "temporarily_unavailable"})]
    found = compared(entra, certified, 3, concurrency=1)
    assert {each.status for each in found} == {"ok"}
    assert len(entra.asked) == 1


def test_a_sign_in_service_in_lasting_trouble_is_named(entra, certified, monkeypatch):
    by_secret(monkeypatch)
    entra.replies = [(503, {})] * 50
    assert isinstance(error := refusal(connected(entra, certified)), errors.Overloaded)
    assert "127.0.0.1" in error.message
    # Beyond that it is the run that waits and tries again, not azure-identity.
    assert len(entra.exchanges) == 2


def test_no_sign_in_service_at_all(entra, certified, monkeypatch):
    by_secret(monkeypatch)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://127.0.0.1:9")
    assert isinstance(error := refusal(connected(entra, certified)), errors.Unreachable)
    assert "127.0.0.1:9" in error.message


# -- What is said without a token.


def aadsts(number: int, words: str) -> dict[str, Any]:
    return {
        "error": "invalid_request",
        "error_description": f"AADSTS{number}: {words}. Trace ID: abc Correlation ID: def",
        "error_codes": [number],
    }


REFUSALS = (
    (90002, "Tenant 'x' not found", ("no tenant", TENANT), "tenant"),
    (900023, "Specified tenant identifier is not valid", ("no tenant",), "tenant"),
    (700082, "The refresh token has expired", ("login", "ended"), "az login"),
    (50173, "The provided grant has expired due to it being revoked", ("ended",), "az login"),
    (70043, "The refresh token has expired due to sign-in frequency", ("ended",), "az login"),
    (50076, "you must use multi-factor authentication", ("prove",), "az login"),
    (7000215, "Invalid client secret provided", ("secret",), "AZURE_CLIENT_SECRET"),
    (7000222, "The provided client secret keys are expired", ("secret",), "AZURE_CLIENT_SECRET"),
    (700016, "Application was not found in the directory", ("application",), "AZURE_CLIENT_ID"),
    (70021, "No matching federated identity record found", ("token file",), "federated"),
    (700213, "No matching federated identity record found", ("token file",), "federated"),
    (50020, "User account does not exist in tenant", ("account",), "az login"),
    (123456, f"Something new happened with {SECRET}", ("It says: AADSTS123456",), "az login"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("number", "words", "says", "hint"), REFUSALS, ids=lambda each: str(each)[:20]
)
@pytest.mark.parametrize("way", ["secret", "az"])
def test_a_refusal_by_its_number(
    entra, certified, monkeypatch, tools, number, words, says, hint, way
):
    if way == "secret":
        by_secret(monkeypatch)
        entra.replies = [(400, aadsts(number, words))] * 2
    else:
        monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
        a_tool(tools, f'echo "ERROR: AADSTS{number}: {words}. Trace ID: abc" >&2; exit 1')
    error = refusal(connected(entra, certified))
    assert isinstance(error, errors.Unauthorized)
    assert all(each in error.message for each in says), error
    assert hint in error.hint
    assert "Trace ID" not in str(error)
    if way == "secret":
        assert SECRET not in f"{error} {error!r} {error.hint}"


@pytest.mark.parametrize(
    ("body", "says", "hint"),
    [
        (
            "echo \"Please run 'az login' to setup account.\" >&2; exit 1",
            "not signed in",
            "az login --tenant acme.example",
        ),
        ("echo oops >&2; exit 2", "gave no token", "get-access-token"),
        ("echo not json", "gave no token", "get-access-token"),
    ],
)
def test_a_tool_without_a_token(entra, certified, tools, body, says, hint):
    a_tool(tools, body)
    error = refusal(connected(entra, certified, tenant="acme.example"))
    assert says in error.message
    assert hint in error.hint


def test_no_credential_at_all(entra, certified, recwarn, caplog):
    error = refusal(connected(entra, certified))
    assert isinstance(error, errors.Unauthorized)
    assert error.code == "no sign-in"
    assert "No sign-in to Microsoft Entra ID was found" in error.message
    assert "az login" in error.hint
    # The chain's own warning is not printed below the cell.
    assert [each.message for each in caplog.records if each.levelname == "WARNING"] == []


def test_no_machine_for_a_client_id(entra, certified, tools):
    notes = by_tool(tools, a_token(7))
    error = refusal(connected(entra, certified, client_id=CLIENT))
    assert CLIENT in error.message
    assert not notes.exists()


def test_a_managed_identity_that_was_not_given(entra, certified, machine):
    entra.replies = [(400, {"error": "invalid_request",
                            "error_description": "Identity not found"})] * 3  # fmt: skip
    error = refusal(connected(entra, certified, client_id=CLIENT))
    assert (f"no managed identity {CLIENT}" in error.message) is True


@pytest.mark.parametrize(
    "tenant", ["acme", "http://acme.example", "acme.example/x", "a b", "..", "x" * 36, "a.b?c=d",
               "../common", "acme..example", "ａcme.example"],
)  # fmt: skip
def test_a_tenant_that_is_none_is_refused_before_anything(entra, certified, tools, tenant):
    notes = by_tool(tools, a_token(7))
    with pytest.raises(FieldError, match="is not a tenant"):
        connected(entra, certified, tenant=tenant)
    assert (notes.exists(), entra.exchanges) == (False, [])


@pytest.mark.parametrize("setting", ["nothing-known", "VisualStudioCodeCredential"])
def test_a_chain_of_nothing(entra, certified, monkeypatch, setting):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", setting)
    assert "AZURE_TOKEN_CREDENTIALS" in refusal(connected(entra, certified)).message


def test_variables_that_are_wrong(entra, certified, monkeypatch, tmp_path):
    file = by_file(monkeypatch, tmp_path)
    file.unlink()
    assert "AZURE_FEDERATED_TOKEN_FILE" in refusal(connected(entra, certified)).hint
    by_secret(monkeypatch)
    monkeypatch.setenv("AZURE_TENANT_ID", "not a tenant")
    assert "AZURE_TENANT_ID" in refusal(connected(entra, certified)).message


def test_without_the_package(entra, certified, monkeypatch):
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    error = refusal(connected(entra, certified))
    assert "azure-identity" in error.message
    assert "pip install azure-identity" in error.hint
    with pytest.raises(errors.LLMWidgetsError, match="azure-identity"):
        connected(entra, certified).client()


# -- Where it may ask.


def closed_to(host: str) -> Policy:
    rules = Rules(path=Path("policy.toml"), hosts=Patterns(None, (host,)))
    return Policy(layers=(rules,))


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [("https://acme.openai.azure.com", "login.microsoftonline.com"),
     ("https://acme.openai.azure.us", "login.microsoftonline.us")],
)  # fmt: skip
def test_the_policy_is_asked_before_anything_runs(tools, monkeypatch, endpoint, host):
    notes = by_tool(tools, a_token(7))
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", a_token(9))
    connection = Connection("azure_openai", sign_in="entra", deployment="luna", endpoint=endpoint)
    with pytest.raises(PolicyError, match=host):
        exchanged(connection, closed_to(host))
    assert not notes.exists()


@pytest.mark.parametrize(
    "named",
    ["https://login.acme.example", "http://127.0.0.1:1", "login.microsoftonline.com.evil.example",
     "https://login.microsoftonline.com@evil.example", "http://login.microsoftonline.com",
     "https://127.0.0.1@evil.example"],
)  # fmt: skip
def test_a_foreign_sign_in_service_is_never_asked(entra, certified, monkeypatch, named):
    by_secret(monkeypatch)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", named)
    error = refusal(connected(entra, certified))
    assert "AZURE_AUTHORITY_HOST" in error.message
    assert "nothing was sent" in error.message


def test_a_secret_goes_to_the_sign_in_service_alone(entra, certified, monkeypatch):
    """Also where the service's own description of itself names another place."""
    by_secret(monkeypatch)
    with serving(entra.sign_in) as stranger:
        entra.token_endpoint = "https://evil.example/token"
        assert "evil.example" in refusal(connected(entra, certified)).message
        assert stranger.seen == []
    assert entra.exchanges == []


def test_a_machine_whose_identity_service_is_elsewhere(entra, certified, monkeypatch):
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://evil.example/token")
    monkeypatch.setenv("IDENTITY_HEADER", "identity-header-made-up-0001")
    assert "evil.example" in refusal(connected(entra, certified)).message


def test_service_fabric_opens_no_socket_of_its_own(entra, certified, monkeypatch, tools):
    by_tool(tools, a_token(7))
    monkeypatch.setenv("IDENTITY_ENDPOINT", "https://127.0.0.1:9/token")
    monkeypatch.setenv("IDENTITY_HEADER", "identity-header-made-up-0001")
    monkeypatch.setenv("IDENTITY_SERVER_THUMBPRINT", "00")
    assert number_of(bearer(exchanged(connected(entra, certified)))) == 7


def test_no_library_but_ours_opens_a_socket(entra, certified, monkeypatch, machine, tools):
    import requests

    def refuse(*_args: object, **_words: object) -> None:
        raise AssertionError("requests was used")

    monkeypatch.setattr(requests.Session, "send", refuse)
    monkeypatch.setattr(requests.Session, "request", refuse)
    exchanged(connected(entra, certified))
    by_secret(monkeypatch)
    tokens.forget_tokens()
    exchanged(connected(entra, certified))


def test_the_metadata_address_has_no_proxy_and_gets_no_secret(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    url = f"http://{METADATA_HOST}/metadata/identity/oauth2/token"
    assert proxies.proxy_for(url) is None
    for call in (
        Call("GET", url, auth=(AuthHeader("Authorization", Secret("made-up-key-0001")),)),
        Call("POST", url, body=Secret("secret=made-up-0001")),
        Call("GET", url.replace("254/", "253/")),
        Call("GET", url.replace(METADATA_HOST, f"{METADATA_HOST}.evil.example")),
    ):
        with pytest.raises(errors.CallError) as caught:
            event_loop.run_blocking(transport.send_call(call))
        assert caught.value.code == "plain_http"


# -- Roles, and resources without keys.

ACTION = "Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action"
LACKS = (
    401,
    {
        "error": {
            "code": "PermissionDenied",
            "message": (
                "The principal `aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee` lacks the required data"
                f" action `{ACTION}`"
                " to perform `POST /openai/deployments/{deployment-id}/chat/completions` operation."
            ),
        }
    },
)
NO_ACCESS = (
    401,
    {
        "error": {
            "code": "PermissionDenied",
            "message": "Principal does not have access to API/Operation.",
        }
    },
)


@pytest.mark.parametrize(
    ("kind", "route", "refused", "role"),
    [
        ("azure_openai", "/openai/v1", LACKS, "Cognitive Services OpenAI User"),
        ("azure_openai", "/openai/v1", NO_ACCESS, "Cognitive Services OpenAI User"),
        ("azure_openai", "/openai/v1", (403, LACKS[1]), "Cognitive Services OpenAI User"),
        ("azure_ai_foundry", "/models", LACKS, "Cognitive Services User"),
        ("azure_ai_foundry", "/anthropic", NO_ACCESS, "Cognitive Services User"),
        ("azure_ai_foundry", "/anthropic", LACKS, "Cognitive Services User"),
    ],
)
def test_a_role_that_is_missing(entra, certified, monkeypatch, kind, route, refused, role):
    by_secret(monkeypatch)
    entra.bad, entra.refusal = set(range(99)), refused
    assert entra.resource is not None
    url = entra.resource.url.replace("/v1", route)
    connection = connected(entra, certified, kind=kind, endpoint=url)
    report = lw.check(connection)
    assert not report.ok
    host = f"127.0.0.1:{entra.resource.port}"
    assert f"No role: {WHO} needs {role} on resource {host}." in report.sentence
    assert "five minutes" in report.hint
    assert report.command.startswith(
        f'az role assignment create --role "{role}" --assignee "{WHO}"'
    )
    assert ("Signed in as", f"{WHO} by environment variables") in report.details
    assert report.code == f"{refused[0]} PermissionDenied"
    found = lw.extract(SCHEMA, "Bill", connection, journal=False)
    assert found.status == "Forbidden"
    # A refused sign-in is repeated once at most.
    assert len(entra.asked) <= len(entra.used)


def test_the_resource_is_named_by_its_name(entra, certified):
    from llmwidgets.dialects.types import HTTPResponse

    body = json.dumps(NO_ACCESS[1]).encode()
    reply = HTTPResponse(401, {}, body, 0.1, account=WHO)
    call = Call("POST", "https://acme.openai.azure.com/openai/v1/chat/completions")
    error = openai.explain(reply, call=call)
    assert "on resource acme." in error.message
    assert "name=='acme'" in error.command


@given(st.text(max_size=40))
def test_an_account_breaks_out_of_no_command(account):
    from llmwidgets.dialects.types import HTTPResponse

    reply = HTTPResponse(401, {}, json.dumps(NO_ACCESS[1]).encode(), 0.1, account=account)
    call = Call("POST", "https://acme.openai.azure.com/openai/v1/chat/completions")
    command = openai.explain(reply, call=call).command
    named = command.split('--assignee "')[1].split('" --scope')[0]
    assert named == "ACCOUNT" or named == account
    assert not set(named) & set('"`$\\\n;')


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("route", ["/openai/v1", "/models", "/anthropic"])
@pytest.mark.parametrize("signed_in", [True, False])
def test_a_resource_without_keys_offers_the_sign_in(entra, tools, status, route, signed_in):
    said = {"code": "AuthenticationTypeDisabled",
            "message": "Key based authentication is disabled for this resource."}  # fmt: skip
    entra.bad, entra.refusal = {0}, (status, {"error": said})
    notes = None
    if signed_in:
        entra.asked.append("by the command line")
        notes = by_tool(tools, a_token(1))
    assert entra.resource is not None
    connection = Connection(
        "azure_ai_foundry", model="claude-haiku-5-5",
        endpoint=entra.resource.url.replace("/v1", route),
        api_key="0123456789abcdef0123456789abcdef",
    )  # fmt: skip
    report = lw.check(connection)
    assert not report.ok
    assert "keys turned off" in report.sentence
    assert "Microsoft Entra ID" in report.hint
    assert 'sign_in="entra"' in report.hint
    # Nobody chose to sign in: it is offered, and nothing was run or sent for it.
    assert (report.fix, report.sign_in) == (None, "entra")
    assert entra.exchanges == []
    assert notes is None or not notes.exists()
    other = apply_fix(connection, {"sign_in": "entra"})
    assert (other.fields.way, other.secret_fields, other.host) == ("entra", {}, connection.host)
    assert lw.check(other).ok is signed_in


def test_a_resource_of_another_tenant(entra, certified, monkeypatch):
    by_secret(monkeypatch)
    entra.bad = set(range(99))
    words = "Tenant provided in token does not match resource token"
    entra.refusal = (400, {"error": {"code": "Tenant", "message": words}})
    found = lw.extract(SCHEMA, "Bill", connected(entra, certified), journal=False)
    assert found.status == "Unauthorized"
    assert "another tenant" in found.failure.message
    assert "az login --tenant" in found.failure.hint


# -- Whose it is, and what never shows.


@pytest.mark.parametrize(
    ("claims", "account"),
    [({}, WHO), ({"upn": None, "preferred_username": "a@b.example"}, "a@b.example"),
     ({"upn": 5, "appid": CLIENT}, CLIENT), ({"upn": ""}, "")],
)  # fmt: skip
def test_the_account_is_read_from_the_token(entra, certified, monkeypatch, claims, account):
    by_secret(monkeypatch)
    entra.claims = claims
    assert exchanged(connected(entra, certified)).account == account


def with_locals(connection: Connection) -> str:
    """The traceback of a sign-in that fails, with every local."""
    try:
        exchanged(connection)
    except errors.CallError as error:
        lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
        return "".join([*lines, repr(error), error.hint])
    raise AssertionError


def test_nothing_shows_a_token_or_a_secret(entra, certified, monkeypatch, caplog, tmp_path):
    caplog.set_level("DEBUG")
    by_secret(monkeypatch)
    connection = connected(entra, certified)
    ok = compared(entra, certified, 2, concurrency=1)
    token = bearer(exchanged(connection))
    said = [
        *map(
            repr,
            (connection, connection.fields, tokens._kept, tokens.known_account(connection)),
        )
    ]
    said += [lw.check(connection).__repr__(), ok.to_frame().to_csv()]
    ok.to_html(tmp_path / "page.html", values=True)
    said.append((tmp_path / "page.html").read_text())
    entra.bad, entra.refusal = set(range(99)), (401, {"error": {"message": "no", "code": "401"}})
    bad = lw.extract(SCHEMA, "Bill", connection, journal=False)
    said.append(f"{bad} {bad.failure!r} {bad.failure} {bad.notes} {bad.request}")
    tokens.forget_tokens()
    entra.replies = [(400, aadsts(1, f"What you sent was {SECRET}"))]
    said.append(with_locals(connection))
    whole = "\n".join([*said, caplog.text])
    assert "made-up-signature" not in whole
    assert token not in whole
    assert SECRET not in whole


@pytest.mark.parametrize(
    "code",
    ["import llmwidgets, sys",
     "import llmwidgets as lw, sys; lw.PROVIDERS; lw.Connection('azure_openai', sign_in='entra',"
     " deployment='d', endpoint='https://a.openai.azure.com').target('d')"],
)  # fmt: skip
def test_azure_is_imported_on_use_alone(code):
    names = "[n for n in sys.modules if n.startswith(('azure', 'msal'))]"
    found = subprocess.run(
        [sys.executable, "-c", f"{code}; print({names})"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == "[]"


# -- Tokens and variables that are none, and who signs in next.


@pytest.mark.parametrize("named", ["file:{folder}/planted", "env:PLANTED"])
@pytest.mark.parametrize("way", ["ready", "az"])
def test_a_token_names_no_file_or_variable_to_be_sent(
    entra, certified, tools, tmp_path, monkeypatch, named, way
):
    (tmp_path / "planted").write_text("Canary-of-a-file-7Q2v")
    monkeypatch.setenv("PLANTED", "Canary-of-a-file-7Q2v")
    token = named.format(folder=tmp_path)
    if way == "az":
        by_tool(tools, token)
    else:
        monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", token)
    assert bearer(exchanged(connected(entra, certified))) == token


@pytest.mark.parametrize("token", [" ", "a\nb", "a b", "t\u00f8ken", "a\udc80b", "x" * 70_000])
@pytest.mark.parametrize("way", ["ready", "az"])
def test_what_is_no_token_is_sent_nowhere(entra, certified, tools, monkeypatch, token, way):
    if way == "az":
        by_tool(tools, token)
    else:
        monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", token)
    found = lw.extract(SCHEMA, "Bill", connected(entra, certified), journal=False)
    assert found.status in {"Unauthorized", "Unreachable"}
    assert "token" in found.failure.message
    assert entra.used == []


@pytest.mark.parametrize(
    "ends", [10**400, 1e308, float("inf"), float("nan"), True, "soon", None, [], -5], ids=repr
)
def test_how_long_a_ready_token_is_kept_is_bounded(entra, certified, monkeypatch, ends):
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", a_token(9, exp=ends))
    try:
        exchanged(connected(entra, certified))
    except errors.CallError as error:
        assert "token" in error.message.lower()  # noqa: PT017
    assert all(kept.renew_at <= time.time() + 86_400 for kept in tokens._kept.values())


@pytest.mark.parametrize(
    "named", ["https://[::1", "[", "https://[bad]:1", "//", ":", "https://127.0.0.1:port",
              "https://login.microsoftonline.com.", "https://127.1", "https://[::1%25eth0]",
              "https://login.microsoftonline.com\u3002", "https://\ud800"],
)  # fmt: skip
def test_a_variable_of_the_sign_in_service_in_no_spelling_ends_otherwise(
    entra, certified, monkeypatch, named
):
    by_secret(monkeypatch)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", named.encode("utf-8", "replace").decode())
    error = refusal(connected(entra, certified))
    assert "What answered" not in error.message
    assert error.hint


def test_another_account_of_the_variables_has_a_token_of_its_own(
    entra, certified, monkeypatch, tools
):
    by_tool(tools, a_token(7))
    connection = connected(entra, certified)
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", a_token(9))
    assert number_of(bearer(exchanged(connection))) == 9
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", a_token(8))
    assert number_of(bearer(exchanged(connection))) == 8
    monkeypatch.delenv("AZURE_OPENAI_AD_TOKEN")
    assert number_of(bearer(exchanged(connection))) == 7
    by_secret(monkeypatch)
    assert number_of(bearer(exchanged(connection))) == 1
    monkeypatch.setenv("AZURE_CLIENT_ID", TENANT)
    assert number_of(bearer(exchanged(connection))) == 2
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    assert number_of(bearer(exchanged(connection))) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_failed_test_asks_whoever_signs_in_next(entra, certified, tools, status):
    entra.asked += ["by az"] * 2
    entra.bad, entra.refusal = {1}, (status, LACKS[1])
    by_tool(tools, a_token(1, upn="ann@acme.example"))
    connection = connected(entra, certified)
    assert "ann@acme.example" in lw.check(connection).sentence
    by_tool(tools, a_token(2, upn="bob@acme.example"))
    report = lw.check(connection)
    assert (report.ok, dict(report.details)["Signed in as"]) == (
        True, "bob@acme.example by Azure CLI",
    )  # fmt: skip
