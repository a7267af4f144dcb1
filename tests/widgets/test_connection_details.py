"""What stands around the fields: what is called, whose credentials, presets, rules, requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from llmwidgets import PROVIDERS, ConnectionForm, ConnectionPanel
from llmwidgets.connections import catalog
from llmwidgets.connections.connection import Connection
from llmwidgets.engine import capability
from llmwidgets.providers.presets import PRESETS
from llmwidgets.store.store import Store
from llmwidgets.widgets.connection.form_draft import FormDraft
from tests.servers import ModelServer, serving_models

CANARY = "sk-made-up-canary-0004711-3fQz"
R, S = "https://r.openai.azure.com", "https://r.services.ai.azure.com"
CHAT = "/chat/completions"


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Live lists and probes of another test's server are not known."""
    yield
    catalog.forget_models()
    capability.forget_capabilities()


@pytest.fixture(scope="module")
def key_pem() -> str:
    """A private key that belongs to nobody."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """A server of the OpenAI format with three models."""
    with serving_models(models=("m", "embed-1", "n")) as running:
        yield running


# -- addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pasted", "flavour", "called"),
    [
        (f"{R}/", "v1", f"{R}/openai/v1{CHAT}"),
        ("https://r.cognitiveservices.azure.com/", "v1",
         f"https://r.cognitiveservices.azure.com/openai/v1{CHAT}"),
        (f"{R}/openai/deployments/d{CHAT}?api-version=2025-01-01-preview", "by deployment",
         f"{R}/openai/deployments/d{CHAT}?api-version=2025-01-01-preview"),
        (f"{R}/openai/deployments/d", "by deployment",
         f"{R}/openai/deployments/d{CHAT}?api-version=2024-10-21"),
        (f"{R}/openai/v1/responses", "v1", f"{R}/openai/v1{CHAT}"),
        (f"{R}/openai/responses?api-version=2025-04-01-preview", "v1", f"{R}/openai/v1{CHAT}"),
        (f"{S}/models", "Foundry models", f"{S}/models{CHAT}?api-version=2024-05-01-preview"),
        (f"{S}/openai/v1", "v1", f"{S}/openai/v1{CHAT}"),
        (f"{S}/api/projects/P/openai/v1{CHAT}", "v1", f"{S}/api/projects/P/openai/v1{CHAT}"),
        (f"{S}/api/projects/P", "v1", f"{S}/openai/v1{CHAT}"),
        (f"{S}/anthropic", "Claude", f"{S}/anthropic/v1/messages"),
        ("https://n.eastus2.models.ai.azure.com", "serverless",
         f"https://n.eastus2.models.ai.azure.com/v1{CHAT}"),
        (f"https://n.eastus2.inference.ml.azure.com/v1{CHAT}", "serverless",
         f"https://n.eastus2.inference.ml.azure.com/v1{CHAT}"),
        ("https://r.openai.azure.us/openai/v1", "v1", f"https://r.openai.azure.us/openai/v1{CHAT}"),
    ],
)  # fmt: skip
def test_what_is_called_is_told_before_saving(wire, pasted: str, flavour: str, called: str) -> None:
    """Every form of the portal: host, what kind of address it is, the URL of the call."""
    page = wire(ConnectionForm("azure_ai_foundry", Store.in_memory()))
    page.submit("form.edit", values={"model": "d", "endpoint": pasted})
    address = page.form["address"]
    parts = dict(map(tuple, address["parts"]))
    assert parts["host"] in pasted
    assert flavour in parts["format"]
    assert address["calls"] == called
    assert page.form["problem"] == ""


def test_a_name_that_differs_is_named_and_the_responses_route_too(wire) -> None:
    """The address says one deployment, the form another; Responses is not what is called."""
    page = wire(ConnectionForm("azure_openai", Store.in_memory()))
    page.submit(
        "form.edit", values={"deployment": "luna", "endpoint": f"{R}/openai/deployments/sol"}
    )
    assert "names the deployment sol, the form luna" in page.form["notes"][0]
    page.submit("form.edit", values={"deployment": "luna", "endpoint": f"{R}/openai/v1/responses"})
    assert "Responses" in page.form["notes"][0]


def test_an_address_that_cannot_be_used_is_told_at_once(wire) -> None:
    """Managed compute: the sentence stands at the endpoint when it is left; nothing is called."""
    page = wire(ConnectionForm("azure_ai_foundry", Store.in_memory()))
    page.submit("form.edit", values={"endpoint": "https://n.eastus2.inference.ml.azure.com/score"})
    assert "managed compute" in page.field("endpoint")["error"]
    assert page.field("api_key")["error"] == page.field("model")["error"] == ""
    page.submit("form.edit", values={"endpoint": f"{S}/models"})
    assert page.field("endpoint")["error"] == ""


def test_an_endpoint_without_v1_is_warned_of(wire) -> None:
    """It may be right, so it is a warning and no error."""
    page = wire(ConnectionForm("custom", Store.in_memory()))
    page.submit("form.edit", values={"name": "m", "endpoint": "http://localhost:11434"})
    assert [each for each in page.form["warnings"] if "/v1" in each]
    page.submit("form.edit", values={"name": "m", "endpoint": "http://localhost:11434/v1"})
    assert page.form["warnings"] == []


def test_a_ca_bundle_that_is_not_there_is_warned_of(wire) -> None:
    """The path is looked at when the field is left."""
    page = wire(ConnectionForm("openai", Store.in_memory()))
    page.submit("form.edit", values={"ca_bundle": "/nowhere/ca.pem"})
    assert "no file /nowhere/ca.pem" in page.form["warnings"][0]


# -- keys and credentials --------------------------------------------------------------------------


def test_an_old_google_key_is_warned_of_and_sent(wire) -> None:
    """AIza keys still work: the warning stands there, and no yes is asked for."""
    with serving_models(models=("gemini-3.8-flash",)) as server:
        page = wire(ConnectionForm("gemini", Store.in_memory()))
        page.type_secret("api_key", "AIzaSyMadeUpKey00004711", form=page.form["key"])
        page.submit(values={"base_url": server.url}, intent="save")
    assert page.form["doubts"] == []
    assert page.form["said"] == "Saved."
    assert [each for each in page.form["warnings"] if "AIza" in each]


def test_a_foreign_key_is_told_as_soon_as_it_arrives(wire) -> None:
    """Before any test: whose key it seems to be, and where one click takes it."""
    page = wire(ConnectionForm("openai", Store.in_memory()))
    page.type_secret("api_key", "sk-ant-made-up-00001111", form=page.form["key"])
    assert "sk-ant-" in page.form["doubts"][0]
    assert page.form["owners"] == [{"kind": "anthropic", "title": "Anthropic"}]
    page.submit("form.clear", field="api_key")
    assert page.form["doubts"] == []
    page.type_secret("api_key", CANARY, form=page.form["key"])
    assert page.form["doubts"] == []


def account(key_pem: str, **change: Any) -> str:
    info = {
        "type": "service_account", "project_id": "acme-claims", "private_key": key_pem,
        "client_email": "reader@acme-claims.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }  # fmt: skip
    return json.dumps({**info, **change})


def test_good_credentials_tell_whose_they_are(wire, key_pem: str) -> None:
    """E-mail and project are shown once the file arrived; nothing of the key is."""
    page = wire(ConnectionForm("vertex_ai", Store.in_memory()))
    page.type_secret("credentials", account(key_pem), form=page.form["key"])
    assert page.field("credentials")["facts"] == [
        ["service account", "reader@acme-claims.iam.gserviceaccount.com"],
        ["project", "acme-claims"],
    ]
    assert page.field("credentials")["error"] == ""
    told = json.dumps(page.messages)
    assert key_pem.splitlines()[1] not in told
    assert "PRIVATE KEY" not in told


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "external_account"}, "get their tokens from another service"),
        ({"client_email": ""}, "lack client_email"),
        (
            {"private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"},
            "damaged",
        ),
        ({"token_uri": "https://tokens.example/x"}, "not Google's"),
    ],
)
def test_bad_credentials_are_told_at_the_field(wire, key_pem: str, change: Any, said: str) -> None:
    """Type, fields, address, key: the sentence is there at once, and a test sends nothing."""
    page = wire(ConnectionForm("vertex_ai", Store.in_memory()))
    page.type_secret("credentials", account(key_pem, **change), form=page.form["key"])
    assert said in page.field("credentials")["error"]
    page.submit(values={}, intent="save")
    assert said in page.field("credentials")["error"]
    assert page.form["report"] is None
    page.submit("form.clear", field="credentials")
    assert page.field("credentials")["error"] == ""


def test_locations_are_offered_global_first(wire) -> None:
    """The list is offered beside free typing."""
    page = wire(ConnectionForm("vertex_ai", Store.in_memory()))
    assert page.field("location")["choices"][:3] == ["global", "eu", "us"]
    assert page.field("project")["choices"] == []


# -- presets ---------------------------------------------------------------------------------------


def test_a_preset_fills_the_endpoint_and_its_steps(wire) -> None:
    """Endpoint, placeholders and steps change; an address that was typed stays."""
    page = wire(ConnectionForm("custom", Store.in_memory()))
    assert [each["title"] for each in page.form["presets"]] == [each.title for each in PRESETS]
    page.submit("form.preset", title="Ollama", values={})
    assert page.field("endpoint")["value"] == "http://localhost:11434/v1"
    assert page.field("api_key")["placeholder"] == "ollama"
    assert "ollama run" in page.form["steps"][0]
    page.submit("form.preset", title="vLLM", values={"endpoint": "http://localhost:11434/v1"})
    assert page.field("endpoint")["value"] == "http://localhost:8000/v1"
    page.submit("form.preset", title="sglang", values={"endpoint": "http://gpu-7:9000/v1"})
    assert page.field("endpoint")["value"] == "http://gpu-7:9000/v1"
    page.submit("form.preset", title="sglang", values={})
    assert [each for each in page.form["presets"] if each["on"]] == []


def test_other_kinds_have_no_presets(wire) -> None:
    """Only Custom has them, and only before it is connected."""
    page = wire(ConnectionForm("azure_openai", Store.in_memory()))
    assert page.form["presets"] == []


# -- what a server lists ---------------------------------------------------------------------------


def test_further_models_of_a_server_are_added_by_ticks(wire, server: ModelServer) -> None:
    """The other models are offered; the ticked ones are saved with the same key, and not called."""
    store = Store.in_memory()
    page = wire(ConnectionForm("custom", store))
    page.type_secret("api_key", CANARY, form=page.form["key"])
    page.submit(values={"name": "m", "endpoint": f"{server.url}/v1"}, intent="save")
    assert page.form["listed"] == ["embed-1", "n"]
    before = len(server.seen)
    page.submit("form.add_listed", models=["n", "not-listed"])
    assert [each.label for each in store] == ["m", "n"]
    assert store["n"].secret_fields["api_key"].reveal() == CANARY
    assert store["n"].checked_at is None
    assert page.form["listed"] == ["embed-1"]
    assert page.form["added"].startswith("1 model is connected, untested")
    assert len(server.seen) == before


def test_a_model_that_is_not_listed_is_warned_of(wire, server: ModelServer) -> None:
    """It answers all the same, so it is connected, and the list's word stands there."""
    page = wire(ConnectionForm("custom", Store.in_memory()))
    page.submit(values={"name": "other", "endpoint": f"{server.url}/v1"}, intent="save")
    assert page.form["report"]["ok"] is True
    assert [each for each in page.form["report"]["notes"] if "does not list other" in each]
    page.submit(values={"name": "m", "endpoint": f"{server.url}/v1"}, intent="save")
    assert page.form["report"]["notes"] == []


def test_for_a_session_they_are_added_for_the_session(wire, server: ModelServer) -> None:
    """What is beside a connection of this session lasts as long."""
    store = Store.in_memory()
    page = wire(ConnectionForm("custom", store))
    page.submit(values={"name": "m", "endpoint": f"{server.url}/v1"}, intent="session")
    page.submit("form.add_listed", models=["n", "embed-1"])
    assert [each.origin for each in store] == ["session"] * 3


def test_a_label_that_is_taken_gets_the_host(wire, server: ModelServer) -> None:
    """A model of the same name at another server keeps its label."""
    store = Store.in_memory()
    store.save(Connection("custom", name="n", endpoint="http://localhost:1/v1"))
    page = wire(ConnectionForm("custom", store))
    page.submit(values={"name": "m", "endpoint": f"{server.url}/v1"}, intent="save")
    page.submit("form.add_listed", models=["n"])
    host = server.url.partition("://")[2]
    assert [each.label for each in store] == ["n", "m", f"n ({host})"]


# -- the requests of a check -----------------------------------------------------------------------


def test_requests_are_shown_with_secrets_cut(wire, server: ModelServer) -> None:
    """The last request is the one that reached the server; the key is in none, $KEY in curl."""
    page = wire(ConnectionForm("custom", Store.in_memory()))
    page.type_secret("api_key", CANARY, form=page.form["key"])
    page.type_secret("headers", CANARY, form=page.form["key"], header="X-Team")
    page.submit(values={"name": "m", "endpoint": f"{server.url}/v1"}, intent="save")
    shown = page.form["requests"]["shown"]
    assert [each["line"] for each in shown] == [
        f"{seen.method} {server.url}{seen.path}" for seen in server.seen
    ]
    assert json.loads(shown[-1]["text"].partition("\n\n")[2]) == server.seen[-1].body
    assert "Authorization: Bearer ••••" in shown[-1]["text"]
    assert '"${KEY}"' in shown[-1]["curl"]
    assert "${KEY_2}" in shown[-1]["curl"]
    assert CANARY not in json.dumps(shown)


def test_a_check_that_failed_shows_its_request(wire) -> None:
    """It is there where it is needed most."""
    with serving_models(fault="key") as server:
        page = wire(ConnectionForm("custom", Store.in_memory()))
        page.submit(values={"name": "m", "endpoint": f"{server.url}/v1"}, intent="save")
    assert page.form["report"]["ok"] is False
    assert page.form["requests"]["shown"]
    assert page.form["mode"] is None


# -- rules -----------------------------------------------------------------------------------------


def openai_panel(wire, store: Store, *models: str) -> Any:
    page = wire(ConnectionPanel(store))
    with serving_models(models=models) as server:
        page.send("connections.select", kind="openai", label="")
        page.type_secret("api_key", CANARY, form=page.form["key"])
        page.submit(values={"base_url": f"{server.url}/v1"}, intent="save")
    return page


def test_a_denied_model_is_shown_and_can_be_allowed(wire) -> None:
    """The row says whose rule it is; Allow lifts it, and the model is callable."""
    store = Store.in_memory()
    store.save(Connection("openai", api_key=CANARY))
    store.deny("openai", "gpt-6-sol")
    page = wire(ConnectionPanel(store))
    row = next(each for each in page.form["rows"] if each["model"] == "gpt-6-sol")
    assert "not allowed by" in row["note"]
    assert row["allow"] is True
    page.submit("form.allow", model="gpt-6-sol")
    row = next(each for each in page.form["rows"] if each["model"] == "gpt-6-sol")
    assert row["note"] != "not allowed by this store"
    assert "gpt-6-sol" in store.policy.allowed(store["openai"])


def test_retired_models_are_told_with_what_replaces_them(wire) -> None:
    """At the end of the table, off, and without a way to allow them by a click."""
    store = Store.in_memory()
    store.save(Connection("openai", api_key=CANARY))
    page = wire(ConnectionPanel(store))
    gone = [row for row in page.form["rows"] if row["note"].startswith("retired")]
    assert {row["model"] for row in gone} >= set(PROVIDERS["openai"].retired)
    assert {row["allow"] for row in gone} == {False}
    assert all(row["off"] for row in gone)
    assert page.form["rows"][-1] in gone


def test_models_beside_the_whitelist_can_be_allowed(wire) -> None:
    """What the key lists and the whitelist does not hold is offered, one by one."""
    store = Store.in_memory()
    page = openai_panel(wire, store, "gpt-6-luna", "gpt-9-nova")
    assert page.form["off_whitelist"] == ["gpt-9-nova"]
    page.submit("form.allow", model="gpt-9-nova")
    assert page.form["off_whitelist"] == []
    assert "gpt-9-nova" in store.policy.allowed(store["openai"])


def test_a_denied_connection_offers_to_allow_it(wire, server: ModelServer) -> None:
    """A Custom model the organization denied: the test sends nothing, one click lifts the rule."""
    store = Store.in_memory()
    store.save(Connection("custom", name="m", endpoint=f"{server.url}/v1"))
    store.deny("m", "m")
    page = wire(ConnectionPanel(store))
    page.submit(values=None, intent="save")
    assert page.form["report"]["ok"] is False
    assert page.form["refused"]["allow"] is True
    assert server.seen == []
    page.submit("form.allow", model="m")
    assert page.form["report"]["ok"] is True


PROVIDED = """
[hosts]
deny = ["api.openai.com"]

[connections.gateway]
kind = "custom"
name = "m"
endpoint = "{url}/v1"
api_key = "env:GATEWAY_KEY"
"""


@pytest.fixture
def policy_file(tmp_path: Path, monkeypatch, server: ModelServer) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(PROVIDED.replace("{url}", server.url))
    monkeypatch.setenv("LLMWIDGETS_POLICY", str(path))
    monkeypatch.setenv("GATEWAY_KEY", CANARY)
    return path


def test_a_provided_connection_is_read_only(wire, policy_file: Path) -> None:
    """It is listed, says whose it is, can be tested, and nothing of it can be changed."""
    store = Store.in_memory()
    page = wire(ConnectionPanel(store))
    rows = next(each for each in page.state["kinds"] if each["kind"] == "custom")["rows"]
    assert [(row["name"], row["fact"]) for row in rows] == [("gateway", "provided")]
    page.send("connections.select", kind="custom", label="gateway")
    assert page.form["read_only"] is True
    assert page.form["keeper"] == f"the file {policy_file}"
    page.submit("form.edit", values={"endpoint": "http://elsewhere.example/v1"})
    page.type_secret("api_key", "sk-another-key-000000", form=page.form["key"])
    assert page.field("endpoint")["value"].endswith("/v1")
    assert page.field("api_key")["secret"]["reference"] == "env:GATEWAY_KEY"
    page.submit(values={"endpoint": "http://elsewhere.example/v1"}, intent="save")
    assert page.form["report"]["ok"] is True
    assert len(store) == 0
    page.submit("connections.remove")
    page.submit("connections.rename", label="mine")
    assert page.form["label"] == "gateway"
    assert page.state["found"] == []


def test_an_administrator_s_rule_cannot_be_lifted_here(wire, policy_file: Path) -> None:
    """A host the file denies: the sentence names the file, and no button allows it."""
    store = Store.in_memory()
    store.save(Connection("openai", api_key=CANARY))
    page = wire(ConnectionPanel(store))
    page.send("connections.select", kind="openai", label="openai")
    assert {row["allow"] for row in page.form["rows"]} == {False}
    page.submit(values={}, intent="save")
    assert page.form["report"]["ok"] is False
    assert str(policy_file) in page.form["report"]["title"] + page.form["report"]["text"]
    assert page.form["refused"]["allow"] is False


# -- without a kernel ------------------------------------------------------------------------------


def test_the_html_output_follows_the_panel(wire, monkeypatch) -> None:
    """A second output, HTML alone, is brought up to date with what is connected; no secret."""
    from llmwidgets.widgets import panel as static_output

    told: list[tuple[dict[str, Any], dict[str, Any]]] = []
    monkeypatch.setattr(
        static_output, "_publish", lambda data, **options: told.append((data, options))
    )
    store = Store.in_memory()
    panel = ConnectionPanel(store)
    page = wire(panel)
    panel._ipython_display_()
    widget, beside = (data for data, _ in told)
    assert "text/html" not in widget
    assert list(beside) == ["text/html"]
    assert "<b>Connections:</b> memory, no connection." in beside["text/html"]
    store.save(Connection("openai", api_key=CANARY))
    page.settle()
    data, options = told[-1]
    assert options["update"] is True
    assert "openai: OpenAI, api.openai.com" in data["text/html"]
    assert "3fQz" not in json.dumps([data for data, _ in told])


# -- the table of models ---------------------------------------------------------------------------


def test_a_look_up_that_a_test_overtook_is_not_shown() -> None:
    """A click on the connection, and one on its test at once: the table is that of the test."""

    async def overtaken(url: str, when: str) -> FormDraft:
        made = Connection("openai", api_key=CANARY, base_url=f"{url}/v1")
        draft, looks = FormDraft("openai", made), []

        def look(step: str) -> None:
            if step == when:
                looks.append(asyncio.create_task(draft.look_up(None)))

        look("before")
        testing = asyncio.create_task(draft.check(made, None, look))
        look("while")
        await asyncio.gather(*looks)
        await testing
        look("after")
        await draft.look_up(None)
        await asyncio.gather(*looks)
        return draft

    with serving_models(models=("gpt-6-luna", "gpt-9-nova")) as server:
        for when in ("before", "while", "after"):
            draft = asyncio.run(overtaken(server.url, when))
            rows = draft.rows or []
            assert [each["model"] for each in rows if not each["off"]] == ["gpt-6-luna"], when
            assert draft.off_whitelist == ["gpt-9-nova"], when
