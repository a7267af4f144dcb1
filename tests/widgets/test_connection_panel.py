"""ConnectionPanel: every kind with its state, one form, the gate of the store, what was found."""

from __future__ import annotations

import json
from pathlib import Path

import ipywidgets
import pytest

from llmwidgets import PROVIDERS, ConnectionForm, ConnectionPanel
from llmwidgets.connections.connection import Connection
from llmwidgets.engine import check
from llmwidgets.store.store import Store
from tests.kinds import KINDS, filled_in

CANARY = "sk-made-up-canary-0004711-3fQz"


def kind(page, name: str) -> dict:
    return next(each for each in page.state["kinds"] if each["kind"] == name)


def test_all_kinds_are_listed_in_order(wire) -> None:
    """Single kinds are one line each, the others a line with count; nothing is set up."""
    page = wire(ConnectionPanel(Store.in_memory()))
    assert [each["kind"] for each in page.state["kinds"]] == list(PROVIDERS)
    for each in page.state["kinds"]:
        assert each["single"] is PROVIDERS[each["kind"]].single
        assert each["icon"] == "none" if each["single"] else each["count"] == 0
    assert page.state["form"] is None
    assert page.state["connected"] == 0


def test_a_connection_shows_with_its_state(wire) -> None:
    """Tested: tick and models; not tested: ring; another connection of a kind: a line below it."""
    store = Store.in_memory()
    store.save(Connection("openai", api_key=CANARY))
    store.save(Connection("custom", name="llama3.2", endpoint="http://localhost:11434/v1"))
    page = wire(ConnectionPanel(store))
    assert kind(page, "openai")["fact"] == "not tested"
    assert kind(page, "custom")["count"] == 1
    assert kind(page, "custom")["rows"][0]["name"] == "llama3.2"
    assert page.form["kind"] == "openai"
    assert page.form["rows"][0]["reply"] == "schema enforced"
    assert page.form["reference"].startswith("openai/")


def test_choosing_a_kind_opens_its_form(wire) -> None:
    """A click on Vertex AI: its form, its secret field takes a file."""
    page = wire(ConnectionPanel(Store.in_memory()))
    page.send("connections.select", kind="vertex_ai", label="")
    assert page.form["kind"] == "vertex_ai"
    assert page.field("credentials")["multiline"] is True
    assert kind(page, "vertex_ai")["selected"] is True


def test_a_new_connection_of_a_kind_with_many_stands_below_it(wire) -> None:
    """+ adds a line New connection, not saved."""
    page = wire(ConnectionPanel(Store.in_memory()))
    page.send("connections.select", kind="azure_openai", label="")
    row = kind(page, "azure_openai")["rows"][0]
    assert (row["name"], row["fact"], row["selected"]) == ("New connection", "not saved", True)


def test_an_unknown_kind_is_ignored(wire) -> None:
    """A strange message opens nothing."""
    page = wire(ConnectionPanel(Store.in_memory()))
    page.send("connections.select", kind="smtp", label="")
    assert page.state["form"] is None


def test_what_another_cell_saves_appears(wire) -> None:
    """The panel follows the store: saved, renamed and deleted from code."""
    store = Store.in_memory()
    page = wire(ConnectionPanel(store))
    store.save(Connection("openai", api_key=CANARY))
    page.settle()
    assert kind(page, "openai")["label"] == "openai"
    del store["openai"]
    page.settle()
    assert kind(page, "openai")["label"] == ""
    assert page.state["form"] is None


def test_a_closed_panel_no_longer_listens() -> None:
    """After close() the store has forgotten the panel."""
    store = Store.in_memory()
    panel = ConnectionPanel(store)
    panel.close()
    store.save(Connection("openai", api_key=CANARY))
    assert not panel.page.under_way


def test_the_demo_is_one_click_and_no_key(wire, tmp_path: Path) -> None:
    """The demo's models are connected for this session, without any store."""
    page = wire(ConnectionPanel(Store(path=tmp_path / "none")))
    page.send("connections.demo")
    rows = kind(page, "custom")["rows"]
    assert [row["fact"] for row in rows] == ["demo"] * len(rows)
    assert len(rows) >= 3
    assert page.form["origin"] == "demo"
    page.send("connections.demo")
    assert kind(page, "custom")["count"] == len(rows)
    assert not (tmp_path / "none").exists()


def test_remove_and_rename(wire, demo_address: str) -> None:
    """A connection takes another label, its model's name stays; then it goes."""
    store = Store.in_memory()
    store.save(Connection("custom", name="demo-quick", endpoint=demo_address))
    page = wire(ConnectionPanel(store))
    page.submit("connections.rename", label="the quick one")
    assert page.form["label"] == "the quick one"
    assert store["the quick one"].models == ("demo-quick",)
    page.submit("connections.remove")
    assert len(store) == 0
    assert page.state["form"] is None


def test_a_label_that_is_taken_is_a_sentence(wire, demo_address: str) -> None:
    """Renaming onto another label changes nothing and says why."""
    store = Store.in_memory()
    for name in ("demo-quick", "demo-hasty"):
        store.save(Connection("custom", name=name, endpoint=demo_address))
    page = wire(ConnectionPanel(store))
    page.submit("connections.rename", label="demo-hasty")
    assert "demo-hasty" in page.state["error"]["sentence"]
    assert page.state["error"]["hint"]
    assert {each.label for each in store} == {"demo-quick", "demo-hasty"}


def test_a_foreign_key_moves_to_its_kind(wire) -> None:
    """Use it for Anthropic: the key is there and no longer in OpenAI's form."""
    page = wire(ConnectionPanel(Store.in_memory()))
    page.send("connections.select", kind="openai", label="")
    page.type_secret("api_key", "sk-ant-made-up-00001111", form=page.form["key"])
    page.submit(values={}, intent="save")
    assert page.form["doubts"]
    page.submit("connections.move", kind="anthropic")
    assert page.form["kind"] == "anthropic"
    assert page.field("api_key")["secret"]["state"] == "received"
    page.send("connections.select", kind="openai", label="")
    assert page.field("api_key")["secret"]["state"] == "empty"


OWNERS = [kind for kind in KINDS if PROVIDERS[kind].key_prefixes]
assert {"openai", "gemini", "vertex_ai", "anthropic"} <= {*OWNERS}
PAIRS = [
    (form, owner)
    for form in KINDS
    for owner in OWNERS
    if form != owner and not PROVIDERS[form].self_hosted
]


@pytest.mark.parametrize(("form", "owner"), PAIRS)
def test_each_key_can_be_taken_from_every_form_to_its_own(wire, form, owner) -> None:
    """Typed into an empty form of another kind, it is told whose it is, and moves on a click."""
    page = wire(ConnectionPanel(Store.in_memory()))
    page.send("connections.select", kind=form, label="")
    key = filled_in(owner)[PROVIDERS[owner].key_field]
    page.type_secret(PROVIDERS[form].key_field, key, form=page.form["key"])
    assert page.form["owners"] == [{"kind": owner, "title": PROVIDERS[owner].title}]
    (said,) = page.form["doubts"]
    assert "•" not in said
    assert key not in json.dumps(page.messages)
    page.submit("connections.move", kind=owner)
    assert page.form["kind"] == owner
    assert page.field(PROVIDERS[owner].key_field)["secret"]["state"] == "received"
    assert page.form["doubts"] == page.form["owners"] == []


@pytest.mark.parametrize("kind", OWNERS)
def test_each_key_is_at_home_in_its_own_form(wire, kind) -> None:
    """Also one that this provider is ending: that is told, and nobody has to say yes."""
    for prefix in PROVIDERS[kind].key_prefixes:
        page = wire(ConnectionForm(kind, Store.in_memory()))
        key = filled_in(kind)[PROVIDERS[kind].key_field]
        if not key.startswith("{"):
            key = f"{prefix.start}made-up-00001111"
        page.type_secret(PROVIDERS[kind].key_field, key, form=page.form["key"])
        assert page.form["doubts"] == page.form["owners"] == []


def test_keys_of_the_environment_are_offered(wire, monkeypatch) -> None:
    """OPENAI_API_KEY is found by name; its value is in no message."""
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    page = wire(ConnectionPanel(Store.in_memory()))
    assert [(each["title"], each["source"]) for each in page.state["found"]] == [
        ("OpenAI", "OPENAI_API_KEY")
    ]
    assert CANARY not in json.dumps(page.messages)


def test_adding_a_found_key_keeps_the_reference(wire, monkeypatch, demo_address: str) -> None:
    """One click tests it and saves env:OPENAI_API_KEY, not the value."""
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("OPENAI_BASE_URL", demo_address)
    store = Store.in_memory()
    page = wire(ConnectionPanel(store))
    page.send("found.add", label=page.state["found"][0]["label"])
    assert page.form["kind"] == "openai"
    assert page.field("api_key")["secret"]["reference"] == "env:OPENAI_API_KEY"
    assert page.form["report"] is not None


def test_a_found_resource_without_a_deployment_asks_for_it(wire, monkeypatch) -> None:
    """Azure's variables name no deployment: the form opens with the rest filled in."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://acme.openai.azure.com")
    page = wire(ConnectionPanel(Store.in_memory()))
    page.send("found.add", label=page.state["found"][0]["label"])
    assert page.form["kind"] == "azure_openai"
    assert page.field("endpoint")["value"] == "https://acme.openai.azure.com"
    assert page.field("deployment")["value"] is None
    assert page.field("api_key")["secret"]["reference"] == "env:AZURE_OPENAI_API_KEY"
    assert page.form["report"] is None


def test_a_preset_s_variable_is_offered_by_its_own_name(wire, monkeypatch) -> None:
    """No Custom connection hides it: it serves every model, and one more can be named."""
    monkeypatch.setenv("GROQ_API_KEY", CANARY)
    store = Store.in_memory()
    store.save(Connection("custom", name="m", endpoint="http://127.0.0.1:9/v1"))
    page = wire(ConnectionPanel(store))
    (found,) = page.state["found"]
    assert (found["title"], found["label"], found["source"]) == ("Groq", "groq", "GROQ_API_KEY")
    page.send("found.add", label="groq")
    assert page.form["kind"] == "custom"
    assert page.field("endpoint")["value"] == "https://api.groq.com/openai/v1"
    assert page.field("name")["value"] is None
    assert page.field("api_key")["secret"]["reference"] == "env:GROQ_API_KEY"
    assert page.form["report"] is None
    store.save(Connection("custom", name="l", endpoint="api.groq.com", api_key="env:GROQ_API_KEY"))
    assert [each["label"] for each in wire(ConnectionPanel(store)).state["found"]] == ["groq"]


def test_local_servers_are_looked_for_on_a_click_only(wire, monkeypatch, demo_address: str) -> None:
    """Nothing is asked before the click; then a server is offered with its models, and added."""
    asked: list[int] = []
    port = int(demo_address.rsplit(":", 1)[1].split("/")[0])

    async def discover() -> list[check.LocalServer]:
        asked.append(1)
        found = await real((check.Usual("Ollama", port, "ollama"),))
        return [check.LocalServer("Ollama", each.endpoint, each.models[:2], "ollama")
                for each in found]  # fmt: skip

    real = check.discover
    monkeypatch.setattr(check, "discover", discover)
    store = Store.in_memory()
    page = wire(ConnectionPanel(store))
    assert not asked
    assert page.state["local"] == []
    page.send("found.discover")
    assert page.state["local"][0]["models"] == ["demo-careful", "demo-quick"]
    page.send("found.add_local", endpoint=page.state["local"][0]["endpoint"])
    assert [each.label for each in store] == ["demo-careful", "demo-quick"]
    assert page.state["local"] == []


# -- being a widget --------------------------------------------------------------------------------


def test_many_changes_are_one_push(wire) -> None:
    """Changes in a burst reach the page together, not one by one."""
    store = Store.in_memory()
    page = wire(ConnectionPanel(store))
    before = len(page.messages)
    for number in range(20):
        store.add_for_session(
            Connection("custom", name=f"m{number}", endpoint="http://localhost:1/v1")
        )
    page.settle()
    assert page.state["connected"] == 20
    assert len(page.messages) - before <= 3


def test_two_panels_show_the_same_store(wire, demo_address: str) -> None:
    """What one panel saves, the other shows."""
    store = Store.in_memory()
    one, other = wire(ConnectionPanel(store)), wire(ConnectionPanel(store))
    one.send("connections.select", kind="custom", label="")
    one.submit(values={"name": "demo-careful", "endpoint": demo_address}, intent="save")
    other.settle()
    assert kind(other, "custom")["count"] == 1


def test_the_panel_reads_without_a_kernel(wire) -> None:
    """Text and HTML list the connections, without key, tail or address of an object."""
    store = Store.in_memory()
    store.save(Connection("openai", api_key=CANARY))
    store.save(
        Connection("custom", name="<b>x</b>", endpoint="http://localhost:1/v1", label="<b>x</b>")
    )
    panel = ConnectionPanel(store)
    wire(panel)
    data, _metadata = panel._repr_mimebundle_()
    assert repr(panel) == "ConnectionPanel(memory, 2 connections)"
    assert "openai: OpenAI, api.openai.com" in data["text/plain"]
    assert "&lt;b&gt;x&lt;/b&gt;" in data["text/html"]
    assert "<b>x" not in data["text/html"]
    assert "3fQz" not in data["text/plain"] + data["text/html"]


def test_the_panel_takes_its_place_in_a_box(wire) -> None:
    """It is a DOMWidget like any other."""
    panel = ConnectionPanel(Store.in_memory())
    wire(panel)
    box = ipywidgets.HBox([panel])
    assert box.children == (panel,)
    box.close()


def test_importing_the_packages_loads_no_widget() -> None:
    """The names are there; anywidget is loaded with the first of them that is used."""
    import subprocess
    import sys

    code = (
        "import sys, llmwidgets as w, llmwidgets.widgets; assert 'ConnectionPanel' in dir(w); "
        "assert 'anywidget' not in sys.modules and 'cryptography' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
