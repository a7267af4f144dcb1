"""Presets in Custom's form and among what was found: what they fill in, and what they leave."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets import PROVIDERS, Connection, ConnectionForm, ConnectionPanel
from llmwidgets.providers.presets import PRESETS
from llmwidgets.store.store import Store
from llmwidgets.widgets.connection.preset_view import PresetChoice
from tests.servers import serving_models

CANARY = "sk-made-up-canary-0004711-3fQz"
GROQ_KEY = "gsk_made-up-canary-0004711-3fQz"
CUSTOM = PROVIDERS["custom"]
TITLES = [each.title for each in PRESETS]


def custom(wire: Any, store: Store | None = None) -> Any:
    return wire(ConnectionForm("custom", store or Store.in_memory()))


def choose(page: Any, title: str, **values: str) -> None:
    """Click the row of a preset, with what is typed in the form."""
    page.submit("form.preset", title=title, values=values)


def on(page: Any) -> list[str]:
    return [each["title"] for each in page.form["presets"] if each["on"]]


def parts(page: Any) -> dict[str, str]:
    """The part of the form that each field is in."""
    return {
        field["name"]: group["name"] for group in page.form["groups"] for field in group["fields"]
    }


# -- choosing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS, ids=lambda each: each.slug)
def test_each_preset_fills_the_form_and_can_be_taken_out(wire, preset) -> None:
    """Endpoint, placeholders, steps, where the key is; no error before anything was typed."""
    page = custom(wire)
    usual = page.form["steps"]
    choose(page, preset.title)
    assert on(page) == [preset.title]
    assert page.field("endpoint")["value"] == preset.endpoint
    assert page.field("name")["placeholder"] == preset.name
    assert page.field("api_key")["placeholder"] == preset.key
    assert page.field("api_key")["optional"] == (not preset.variable)
    assert page.form["steps"] == list(preset.steps)
    assert all(preset.title in link["text"] for link in page.form["links"])
    said = page.form["preset"]
    assert said["sent"] == preset.sent
    assert (said["own"], said["key_page"], said["variable"]) == (
        True, preset.key_page, preset.variable,
    )  # fmt: skip
    assert [field["error"] for group in page.form["groups"] for field in group["fields"]] == [
        ""
    ] * len(parts(page))
    choose(page, preset.title, endpoint=preset.endpoint)
    assert on(page) == []
    assert page.field("endpoint")["value"] == ""
    assert (page.form["preset"], page.form["steps"]) == (None, usual)


def test_any_preset_takes_the_place_of_any_other() -> None:
    for one, other in product(PRESETS, repeat=2):
        choice, values = PresetChoice(CUSTOM), dict[str, Any]()
        choice.choose(values, one.title)
        choice.choose(values, other.title)
        assert values["endpoint"] == ("" if one is other else other.endpoint)
        assert choice.current(values) is (None if one is other else other)


ADDRESSES = st.one_of(
    st.text(min_size=1, max_size=30).filter(str.strip),
    st.from_regex(r"https?://[a-z]{1,9}(\.example)?(:[0-9]{4})?/v[12]", fullmatch=True),
    st.sampled_from([
        "http://localhost:11434/v1/x", "http://localhost:8001/v1", "http://gpu-7:9000/v1",
        "https://api.groq.com.example/openai/v1", "https://router.huggingface.co/together/v1",
        "https://eu.api.mistral.ai/v1", "http://api.mistral.ai/v1",
        "https://a/b.snowflakecomputing.com/api/v2/cortex/v1", "localhost:11434/v1",
    ]),
)  # fmt: skip


@given(typed=ADDRESSES, titles=st.lists(st.sampled_from(TITLES), min_size=1, max_size=4))
def test_what_was_typed_is_never_overwritten(typed: str, titles: list[str]) -> None:
    """Whichever presets are chosen, in whatever order; until the preset's own is asked for."""
    choice, values = PresetChoice(CUSTOM), dict[str, Any](endpoint=typed, name="m")
    for title in titles:
        assert choice.choose(values, title)
        assert values == {"endpoint": typed, "name": "m"}
    choice.choose(values, titles[0], replace=True)
    own = next(each for each in PRESETS if each.title == titles[0])
    assert values["endpoint"] == own.endpoint


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        (" http://localhost:11434/v1/ ", "Ollama"),
        ("https://API.groq.com/openai/v1/chat/completions", "Groq"),
        ("https://api.deepseek.com/chat/completions", "DeepSeek"),
        ("https://acme-prod.snowflakecomputing.com/api/v2/cortex/v1", "Snowflake"),
        ("https://adb-1.2.azuredatabricks.net/serving-endpoints", "Databricks"),
        ("https://router.huggingface.co/together/v1", "Hugging Face"),
        ("https://api.together.ai/v1", "Together"),
    ],
)
def test_an_address_that_is_pasted_turns_its_preset_on(wire, typed: str, title: str) -> None:
    """Also without a click: steps, placeholders, where the key is found."""
    page = custom(wire)
    page.submit("form.edit", values={"endpoint": typed})
    assert on(page) == [title]
    assert page.form["preset"]["own"]
    page.submit("form.edit", values={"endpoint": "https://llm.acme.example/v1"})
    assert on(page) == []


@pytest.mark.parametrize("preset", PRESETS, ids=lambda each: each.slug)
def test_what_a_preset_changes_in_a_call_is_said(preset) -> None:
    """A sentence where the wire differs from that of any other server, and none elsewhere."""
    plain = {name for name in preset.options if name != "models_path"}
    assert bool(preset.sent) == bool(plain)
    assert preset.sent == "" or preset.sent.endswith(".")
    assert all(name in preset.sent for name in preset.options.get("body", {}).get("provider", {}))


def test_custom_says_what_can_be_connected(wire) -> None:
    about = custom(wire).form["about"]
    assert about == "any server that speaks the OpenAI format; one connection per model"
    azure = wire(ConnectionForm("azure_openai", Store.in_memory())).form["about"]
    assert azure == "one connection per deployment"


def test_a_chosen_server_at_an_address_of_ones_own(wire) -> None:
    """The steps are that server's; what is typed stays, and its own is one click away."""
    page = custom(wire)
    choose(page, "sglang", endpoint="http://gpu-7:9000/v1")
    assert on(page) == ["sglang"]
    assert page.form["preset"]["own"] is False
    assert page.field("endpoint")["value"] == "http://gpu-7:9000/v1"
    values = {"endpoint": "http://gpu-7:9000/v1"}
    page.submit("form.preset", title="sglang", replace=True, values=values)
    assert page.field("endpoint")["value"] == "http://localhost:30000/v1"
    assert page.form["preset"]["own"] is True


def test_a_preset_that_does_not_exist_changes_nothing(wire) -> None:
    page = custom(wire)
    rev = page.form["rev"]
    for title in ("GitHub Models", "", None, 7, ["Groq"]):
        page.submit("form.preset", title=title, values={})
        assert (on(page), page.form["rev"]) == ([], rev)


def test_what_is_typed_beside_the_endpoint_stays(wire) -> None:
    """Name, key, label and header are the person's: no preset takes or fills them."""
    page = custom(wire)
    page.type_secret("api_key", CANARY, form=page.form["key"])
    for title in ("OpenRouter", "Snowflake", "Ollama", "Ollama"):
        choose(page, title, name="mine", label="my-own")
        assert page.field("name")["value"] == "mine"
        assert page.form["typed_label"] == "my-own"
        assert page.field("api_key")["secret"]["state"] == "received"


@pytest.mark.parametrize("title", [each.title for each in PRESETS if each.extra])
def test_what_an_address_leaves_open_is_asked_for_where_it_is(wire, title: str) -> None:
    """First as a help, and as an error once it is tested; nothing is sent."""
    preset = next(each for each in PRESETS if each.title == title)
    page = custom(wire)
    choose(page, title)
    [(name, fill)] = preset.extra.items()
    assert (page.form["preset"]["hole"], page.form["preset"]["fill"]) == (f"{{{name}}}", fill)
    page.type_secret("api_key", CANARY, form=page.form["key"])
    page.submit(values={"name": "m", "endpoint": preset.endpoint}, intent="save")
    assert f"{{{name}}}" in page.field("endpoint")["error"]
    assert page.form["requests"]["shown"] == []
    filled = preset.endpoint.replace(f"{{{name}}}", "adb-1.azuredatabricks.net")
    page.submit("form.edit", values={"endpoint": filled})
    assert page.field("endpoint")["error"] == page.form["preset"]["hole"] == ""


# -- the key, and the provider behind OpenRouter ---------------------------------------------------


@pytest.mark.parametrize("preset", [e for e in PRESETS if e.variable], ids=lambda each: each.slug)
def test_a_vendor_is_not_asked_without_a_key(wire, preset) -> None:
    """The field says so, and nothing is sent."""
    page = custom(wire)
    endpoint = preset.endpoint.replace("{account}", "acme").replace(
        "{workspace}", "adb-1.azuredatabricks.net"
    )
    page.submit(values={"name": "m", "endpoint": endpoint}, intent="save")
    assert page.field("api_key")["error"] == "API key is needed."
    assert page.form["requests"]["shown"] == []


@pytest.mark.parametrize("preset", PRESETS, ids=lambda each: each.slug)
def test_a_field_of_one_preset_is_beside_the_others_while_that_is_on(wire, preset) -> None:
    page = custom(wire)
    assert parts(page)["routed_to"] == "advanced"
    choose(page, preset.title)
    asked = "main" if preset.title == "OpenRouter" else "advanced"
    assert parts(page)["routed_to"] == asked
    assert [parts(page)[name] for name in ("name", "endpoint", "api_key")] == ["main"] * 3


def test_a_preset_is_tested_and_saved_behind_a_gateway(wire) -> None:
    """As filled in: address, pinned provider and key; saved it is custom, and its rows are gone."""
    store = Store.in_memory()
    page = custom(wire, store)
    choose(page, "OpenRouter")
    page.type_secret("api_key", CANARY, form=page.form["key"])
    with serving_models(models=("meta-llama/llama-3.3-70b-instruct",)) as server:
        values = {
            "name": "meta-llama/llama-3.3-70b-instruct",
            "endpoint": "https://openrouter.ai/api/v1",
            "base_url": f"{server.url}/v1",
            "routed_to": "fireworks",
        }
        page.submit(values=values, intent="save")
        asked = [each.body for each in server.seen if each.path.endswith("/chat/completions")]
    assert asked
    assert all(each["provider"]["order"] == ["fireworks"] for each in asked)
    [kept] = store
    assert (kept.kind, kept.label) == ("custom", "meta-llama/llama-3.3-70b-instruct")
    assert page.form["presets"] == []
    assert page.form["preset"]["title"] == "OpenRouter"
    assert parts(page)["routed_to"] == "main"


# -- found on this computer ------------------------------------------------------------------------


def found(page: Any) -> dict[str, Any]:
    return {each["label"]: each for each in page.state["found"]}


@pytest.mark.parametrize("preset", [e for e in PRESETS if e.variable], ids=lambda each: each.slug)
def test_a_variable_of_a_preset_is_offered_by_its_name(wire, monkeypatch, preset) -> None:
    """With the model asked for; the value of the variable is in no message."""
    monkeypatch.setenv(preset.variable, CANARY)
    if preset.place_variable:
        monkeypatch.setenv(preset.place_variable, "adb-1.azuredatabricks.net")
    page = wire(ConnectionPanel(Store.in_memory()))
    assert found(page)[preset.slug] == {
        "label": preset.slug, "title": preset.title, "source": preset.variable,
        "where": "in the environment", "asks": "model", "example": preset.name,
    }  # fmt: skip
    assert CANARY not in str(page.messages)


def test_what_serves_every_model_stays_offered(wire, monkeypatch) -> None:
    """A server of one's own, or one model of the same vendor, does not hide the others."""
    monkeypatch.setenv("GROQ_API_KEY", CANARY)
    store = Store.in_memory()
    store.save(Connection("custom", name="m", endpoint="http://localhost:1/v1"))
    store.save(Connection("custom", name="n", endpoint="https://api.groq.com/openai/v1"))
    assert list(found(wire(ConnectionPanel(store)))) == ["groq"]


def test_a_model_that_is_typed_there_is_tested(wire, monkeypatch) -> None:
    """The reference goes into the form, not the value; no call leaves this computer here."""
    monkeypatch.setenv("GROQ_API_KEY", GROQ_KEY)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    page = wire(ConnectionPanel(Store.in_memory()))
    page.send("found.add", label="groq", model="")
    assert (page.form["report"], page.field("name")["value"]) == (None, None)
    assert on(page) == ["Groq"]
    page.send("found.add", label="groq", model="  qwen/qwen3-32b ")
    assert page.field("name")["value"] == "qwen/qwen3-32b"
    assert page.field("endpoint")["value"] == "https://api.groq.com/openai/v1"
    assert page.field("api_key")["secret"]["reference"] == "env:GROQ_API_KEY"
    assert page.form["report"]["ok"] is False
    assert GROQ_KEY not in str(page.messages)


def test_a_deployment_that_is_typed_there_is_tested_and_saved(wire, monkeypatch) -> None:
    """The same of a resource of Azure's: it is saved as a connection of that one deployment."""
    store = Store.in_memory()
    with serving_models(models=("claims-luna",)) as server:
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", "0" * 32)
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url)
        page = wire(ConnectionPanel(store))
        row = found(page)["azure_openai"]
        assert (row["title"], row["asks"]) == ("Azure OpenAI", "deployment")
        page.send("found.add", label="azure_openai", model="claims-luna")
    assert page.form["report"]["ok"]
    [kept] = store
    assert (kept.kind, kept.models) == ("azure_openai", ("claims-luna",))


@pytest.mark.parametrize("begun", ["auth_token", "api_key", "header"])
def test_what_was_begun_in_the_form_goes_nowhere_else(wire, monkeypatch, begun: str) -> None:
    """A token typed for a server of one's own is not sent to the vendor that was found."""
    monkeypatch.setenv("GROQ_API_KEY", CANARY)
    page = wire(ConnectionPanel(Store.in_memory()))
    page.send("connections.select", kind="custom", label="")
    more = {"header": "X-Team"} if begun == "header" else {}
    field = "headers" if begun == "header" else begun
    page.type_secret(field, "made-up-begun-0004711", form=page.form["key"], **more)
    page.submit("form.edit", values={"base_url": "https://gateway.acme.example/v1"})
    choose(page, "Ollama")
    rev = page.form["rev"]
    page.send("found.add", label="groq", model="")
    assert page.form["rev"] != rev, "the page takes the new values"
    assert page.field("base_url")["value"] is None
    assert page.field("auth_token")["secret"]["state"] == "empty"
    assert page.field("headers")["rows"] == []
    assert page.field("api_key")["secret"]["reference"] == "env:GROQ_API_KEY"
