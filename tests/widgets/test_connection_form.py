"""ConnectionForm: made from the provider's fields, tests on the run's own path, keeps secrets."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets
import pytest

from llmwidgets import PROVIDERS, ConnectionForm
from llmwidgets.dialects.types import Enforcement
from llmwidgets.errors import FieldError
from llmwidgets.formatting import format_day
from llmwidgets.providers.model_facts import FACTS_OF
from llmwidgets.secret import Secret
from llmwidgets.store.store import Store
from tests.servers import ModelServer, Seen, serving_models

CANARY = "sk-made-up-canary-0004711-3fQz"


def custom(wire, demo_address: str, store: Store | None = None, **values: str):
    """A Custom form filled in for the demo server, and its page."""
    form = ConnectionForm("custom", store or Store.in_memory())
    page = wire(form)
    filled = {"name": "demo-careful", "endpoint": demo_address, **values}
    page.submit(values=filled, intent="save")
    return form, page


@pytest.mark.parametrize("kind", list(PROVIDERS))
def test_every_kind_has_a_form_made_from_its_fields(kind: str, wire) -> None:
    """Label, help, placeholder, required or optional: as the provider's fields say, in order."""
    page = wire(ConnectionForm(kind, Store.in_memory()))
    model = dict(PROVIDERS[kind].fields.model_fields)
    model.pop("sign_in", None)  # a choice beside the fields
    drawn = {
        each["name"]: each for group in page.form["groups"] for each in group["fields"]
    }  # fmt: skip
    assert set(drawn) == set(model)
    for name, info in model.items():
        assert drawn[name]["label"] == info.title
        assert drawn[name]["help"] == info.description
        assert drawn[name]["optional"] == (not info.is_required())
        is_secret = info.annotation in (Secret, Secret | None)
        assert (drawn[name]["type"] == "secret") == is_secret
    assert page.form["steps"] == list(PROVIDERS[kind].steps)
    assert [each["url"] for each in page.form["links"]] == [
        link.url for link in PROVIDERS[kind].links
    ]


def test_a_form_says_of_which_day_its_facts_are(wire) -> None:
    for kind in PROVIDERS:
        page = wire(ConnectionForm(kind, Store.in_memory()))
        assert page.form["facts_of"] == f"Facts of {format_day(FACTS_OF)}."


def test_required_fields_stand_before_folded_ones(wire) -> None:
    """Needed first, then optional, then advanced; the folds are named by what is in them."""
    page = wire(ConnectionForm("openai", Store.in_memory()))
    parts = [(group["name"], group["title"]) for group in page.form["groups"]]
    assert parts == [
        ("main", ""),
        ("optional", "Organization and project"),
        ("advanced", "Base URL, extra headers, CA bundle"),
    ]


def test_the_kind_s_own_fields_come_first(wire) -> None:
    """Custom's auth token stands before what every kind can have."""
    page = wire(ConnectionForm("custom", Store.in_memory()))
    assert page.form["groups"][1]["title"] == "Auth token, base URL, extra headers"


def test_an_unknown_kind_is_a_sentence() -> None:
    """A kind that does not exist names those that do."""
    with pytest.raises(FieldError, match="no kind of connection 'opanai'") as caught:
        ConnectionForm("opanai", Store.in_memory())
    assert "azure_ai_foundry" in caught.value.hint


def test_empty_required_fields_are_told_at_each_field(wire) -> None:
    """Test with nothing filled in: a sentence at each required field, nothing is called."""
    page = wire(ConnectionForm("azure_openai", Store.in_memory()))
    page.submit(values={}, intent="save")
    assert page.field("deployment")["error"] == "Deployment is needed."
    assert page.field("endpoint")["error"].startswith("Endpoint is needed.")
    assert page.field("api_key")["error"].startswith("API key is needed.")
    assert page.form["report"] is None
    assert page.form["busy"] == ""


def test_a_good_connection_is_tested_and_saved(wire, demo_address: str) -> None:
    """Test and save on the demo server: checked, saved, and the form says both."""
    store = Store.in_memory()
    form, page = custom(wire, demo_address, store)
    assert page.state["error"] is None
    assert page.form["report"]["ok"] is True
    assert page.form["said"] == "Saved."
    assert [each.label for each in store] == ["demo-careful"]
    assert form.connection is store["demo-careful"]
    assert form.connection.checked_at is not None


def test_what_the_probe_saw_is_a_table(wire, demo_address: str) -> None:
    """A Custom server is probed; each form of the request has a row, one of them is used."""
    _form, page = custom(wire, demo_address)
    tried = page.form["mode"]["tried"]
    assert tried
    assert [row["used"] for row in tried].count(True) == 1


@contextmanager
def answering(answer: Callable[[Seen], tuple[int, Any] | None]) -> Iterator[str]:
    """A model server on loopback that does this where it is not None; its endpoint."""

    class Told(ModelServer):
        def answer(self, seen: Seen) -> tuple[int, Any]:
            told = answer(seen) if seen.method == "POST" else None
            return told if told is not None else super().answer(seen)

    with serving_models(kind=Told) as server:
        yield f"{server.url}/v1"


def filled_in(wire, store: Store, endpoint: str):
    """The page of a Custom form that was filled in and tested."""
    page = wire(ConnectionForm("custom", store))
    page.submit(values={"name": "m", "endpoint": endpoint}, intent="save")
    return page


def test_a_server_that_loads_its_model_is_saved_as_what_it_is(wire) -> None:
    """One 503, waited out with words; the saved connection is schema enforced."""
    left = [503]
    busy = (503, {"error": {"message": "Loading model"}})
    store = Store.in_memory()
    with answering(lambda _seen: busy if left and left.pop() else None) as endpoint:
        page = filled_in(wire, store, endpoint)
    assert page.form["said"] == "Saved."
    assert store["m"].capability("m").mode is Enforcement.SCHEMA
    states = [each["form"]["busy"] for each in page.messages if each["type"] == "state"]
    assert any("asking again in" in said for said in states)


def test_what_could_not_be_determined_is_not_saved(wire) -> None:
    """The model answers, every reply is cut: saved and told, with no mode of its own."""
    store, cut = Store.in_memory(), {"finish_reason": "length", "message": {"content": "Well, the"}}
    with answering(lambda _seen: (200, {"choices": [cut]})) as endpoint:
        page = filled_in(wire, store, endpoint)
    assert page.form["report"]["ok"] is True
    told = page.form["report"]
    assert "could not be determined" in f"{told['title']} {told['text']}"
    assert told["hint"]
    assert page.form["mode"]["sentence"].startswith("Not determined")
    kept = store["m"]
    assert kept.capability("m") is None
    assert not kept.capabilities


def test_a_server_without_a_word_is_not_saved(wire) -> None:
    """Every reply is empty: the test fails, and Save anyway is offered."""
    store = Store.in_memory()
    silent = {"finish_reason": "stop", "message": {"content": "", "reasoning_content": "Hm."}}
    with answering(lambda _seen: (200, {"choices": [silent]})) as endpoint:
        page = filled_in(wire, store, endpoint)
    assert page.form["report"]["ok"] is False
    assert page.form["report"]["hint"]
    assert page.form["may_keep"] is True
    assert len(store) == 0


def test_use_for_this_session_writes_nothing(wire, demo_address: str, tmp_path) -> None:
    """The store on disk need not exist; the connection is there, and no file is."""
    store = Store(path=tmp_path / "store")
    form = ConnectionForm("custom", store)
    page = wire(form)
    page.submit(values={"name": "demo-quick", "endpoint": demo_address}, intent="session")
    assert page.form["said"] == "Ready for this session."
    assert [each.origin for each in store.for_session] == ["session"]
    assert not (tmp_path / "store").exists()


def test_a_dead_endpoint_is_a_callout_and_nothing_is_saved(wire) -> None:
    """A server that is not there: sentence, next step, Save anyway is offered; nothing kept."""
    store = Store.in_memory()
    page = wire(ConnectionForm("custom", store))
    page.submit(values={"name": "llama3.2", "endpoint": "http://127.0.0.1:9/v1"}, intent="save")
    report = page.form["report"]
    assert report["ok"] is False
    assert report["title"]
    assert report["hint"]
    assert page.form["may_keep"] is True
    assert len(store) == 0


def test_save_anyway_keeps_a_connection_that_failed(wire) -> None:
    """The user may save what could not be tested; it is called untested."""
    store = Store.in_memory()
    page = wire(ConnectionForm("custom", store))
    page.submit(values={"name": "llama3.2", "endpoint": "http://127.0.0.1:9/v1"}, intent="save")
    page.submit("form.keep")
    assert page.form["said"] == "Saved untested."
    assert page.form["report"]["ok"] is False
    assert store["llama3.2"].checked_at is None


def test_a_failed_test_never_replaces_a_working_connection(wire, demo_address: str) -> None:
    """After a good save, a bad endpoint fails, Save anyway is not offered and does nothing."""
    store = Store.in_memory()
    _form, page = custom(wire, demo_address, store)
    page.submit(values={"name": "demo-careful", "endpoint": "http://127.0.0.1:9/v1"})
    assert page.form["report"]["ok"] is False
    assert page.form["may_keep"] is False
    page.submit("form.keep")
    assert store["demo-careful"].fields.endpoint == demo_address


def test_a_proposed_fix_is_applied_and_tested(wire, demo_address: str) -> None:
    """An endpoint without /v1: old → new is shown and marked; Apply fix and test saves."""
    store = Store.in_memory()
    page = wire(ConnectionForm("custom", store))
    short = demo_address.removesuffix("/v1")
    page.submit(values={"name": "demo-careful", "endpoint": short}, intent="save")
    assert page.form["report"]["fix"] == [
        {"label": "Endpoint", "old": short, "new": demo_address}
    ]  # fmt: skip
    assert page.field("endpoint")["error"] == f"The check proposes {demo_address}."
    before = page.form["rev"]
    page.submit("form.fix")
    assert page.form["said"] == "Saved."
    assert page.form["rev"] != before
    assert page.field("endpoint")["value"] == demo_address
    assert store["demo-careful"].fields.endpoint == demo_address


def test_a_pasted_target_uri_is_read(wire) -> None:
    """Azure: host, deployment and version stand below the endpoint, the key's host at the key."""
    page = wire(ConnectionForm("azure_openai", Store.in_memory()))
    uri = "https://acme.openai.azure.com/openai/deployments/luna/chat/completions?api-version=2025-01-01"
    page.submit("form.edit", values={"deployment": "", "endpoint": uri})
    assert page.form["address"]["parts"] == [
        ["host", "acme.openai.azure.com"],
        ["deployment", "luna"],
        ["API version", "2025-01-01"],
        ["format", "Azure OpenAI by deployment"],
    ]
    assert page.form["address"]["calls"] == uri
    assert page.form["host"] == "acme.openai.azure.com"


def test_a_received_key_is_told_by_its_tail_and_can_be_cleared(wire) -> None:
    """Received, ends in 3fQz; Clear empties the field again."""
    page = wire(ConnectionForm("openai", Store.in_memory()))
    page.type_secret("api_key", CANARY, form=page.form["key"])
    assert page.field("api_key")["secret"]["state"] == "received"
    assert page.field("api_key")["secret"]["tail"] == "3fQz"
    page.submit("form.clear", field="api_key")
    assert page.field("api_key")["secret"] == {"state": "empty"}


def test_no_trait_no_message_no_log_holds_the_key(wire, caplog, demo_address: str) -> None:
    """The whole life of a key: typed, tested, saved, shown. It is in nothing that leaves."""
    caplog.set_level(logging.DEBUG)
    form = ConnectionForm("custom", Store.in_memory())
    page = wire(form)
    page.type_secret("api_key", CANARY, form=page.form["key"])
    page.type_secret("headers", CANARY, form=page.form["key"], header="X-Team")
    page.submit(values={"name": "demo-careful", "endpoint": demo_address}, intent="save")
    assert page.form["said"] == "Saved."
    told = [json.dumps(page.raw, default=bytes.hex), json.dumps(form.get_state()), repr(form),
            json.dumps(form._repr_mimebundle_()), caplog.text, repr(vars(form))]  # fmt: skip
    assert not [each for each in told if CANARY in each]
    assert form.connection is not None
    assert form.connection.secret_fields["api_key"].reveal() == CANARY
    assert form.connection.fields.headers["X-Team"].reveal() == CANARY


@pytest.mark.parametrize(
    ("line", "cut"),
    [
        ("Bearer {}", True), ("Authorization: Bearer {}", True), ("x-api-key: {}", True),
        ('export ANTHROPIC_API_KEY="{}"', True), ('"api_key": "{}",', True), ("{};", True),
        ("{}\u200b\n", False), (' "{}" ', False),
    ],
)  # fmt: skip
def test_of_a_pasted_line_the_form_takes_the_key_and_says_so(wire, line, cut) -> None:
    """Not where blanks and quotes alone were cut, as of every secret."""
    page = wire(ConnectionForm("anthropic", Store.in_memory()))
    key = "sk-ant-api03-made-up-00001111"
    page.type_secret("api_key", line.replace("{}", key), form=page.form["key"])
    said = "API key: only the key was taken from the line that was pasted."
    assert [each for each in page.form["warnings"] if "was pasted" in each] == [said] * cut
    assert page.field("api_key")["secret"]["tail"] == "1111"
    assert page.form["doubts"] == []
    assert key not in json.dumps(page.messages)


def test_a_foreign_key_is_not_sent_before_a_yes(wire) -> None:
    """An Anthropic key in OpenAI's form: no call, a sentence, and the way to its own form."""
    page = wire(ConnectionForm("openai", Store.in_memory()))
    page.type_secret("api_key", "sk-ant-made-up-00001111", form=page.form["key"])
    page.submit(values={}, intent="save")
    assert "sk-ant-" in page.form["doubts"][0]
    assert page.form["owners"] == [{"kind": "anthropic", "title": "Anthropic"}]
    assert page.form["report"] is None


def test_a_message_for_another_form_is_dropped(wire) -> None:
    """A late message of a form that is no longer open changes nothing."""
    store = Store.in_memory()
    page = wire(ConnectionForm("custom", store))
    page.send(
        "form.test", form="custom/other", values={"name": "x", "endpoint": "http://127.0.0.1:9"}
    )
    page.type_secret("api_key", CANARY, form="custom/other")
    assert page.field("api_key")["secret"] == {"state": "empty"}
    assert len(store) == 0


@pytest.mark.parametrize(
    "message",
    [
        None,
        7,
        {},
        {"type": 3},
        {"type": "nothing"},
        {"type": "form.nothing"},
        {"type": "no.test"},
        {"type": "form."},
        {"type": "form.test"},
        {"type": "form.secret"},
    ],
)
def test_a_strange_message_breaks_nothing(message: object, wire) -> None:
    """Whatever the page sends, the widget lives on and no traceback is raised."""
    form = ConnectionForm("openai", Store.in_memory())
    page = wire(form)
    form._arrive(form, message, [])
    page.settle()
    page.send("hello")
    assert page.form["kind"] == "openai"


def test_an_unexpected_error_ends_in_the_widget_redacted(wire, monkeypatch) -> None:
    """A defect shows as a sentence; a secret in its words is masked."""
    form = ConnectionForm("openai", Store.in_memory())
    page = wire(form)
    kept = Secret(CANARY)

    def broken(*_: object) -> None:
        raise RuntimeError(f"failed with {CANARY}")

    monkeypatch.setattr(form.controllers["form"].draft, "receive", broken)
    page.type_secret("api_key", "another-made-up-key-0001", form=page.form["key"])
    assert "RuntimeError" in page.state["error"]["sentence"]
    assert CANARY not in page.state["error"]["hint"]
    assert form.last_error is not None
    assert kept.tail == "3fQz"


def test_the_form_takes_its_place_in_a_box(wire) -> None:
    """It is a DOMWidget like any other."""
    form = ConnectionForm("openai", Store.in_memory())
    wire(form)
    assert ipywidgets.VBox([form]).children == (form,)


def test_the_saved_output_reads_without_a_kernel(wire, demo_address: str) -> None:
    """Text and HTML beside the widget: the same sentence, no address of an object, no tail."""
    form, page = custom(wire, demo_address)
    page.type_secret("api_key", CANARY, form=page.form["key"])
    data, _metadata = form._repr_mimebundle_()
    assert repr(form).startswith("ConnectionForm(Custom: demo-careful at 127.0.0.1")
    assert "0x" not in repr(form)
    assert data["text/plain"] == repr(form)
    assert "demo-careful" in data["text/html"]
    assert "3fQz" not in data["text/html"] + data["text/plain"]


def test_the_traits_hold_no_data(wire, demo_address: str) -> None:
    """Filled or empty, the synced state is the same size: a saved notebook does not grow."""
    form = ConnectionForm("custom", Store.in_memory())
    page = wire(form)
    before = {name: value for name, value in form.get_state().items() if name != "layout"}
    page.submit(values={"name": "demo-careful", "endpoint": demo_address}, intent="save")
    after = {name: value for name, value in form.get_state().items() if name != "layout"}
    assert before == after


def test_a_single_kind_opens_on_the_store_s_connection(wire) -> None:
    """ConnectionForm("openai") over a store that has OpenAI edits that one."""
    from llmwidgets.connections.connection import Connection

    store = Store.in_memory()
    store.save(Connection("openai", api_key=CANARY, organization="org-acme"))
    page = wire(ConnectionForm("openai", store))
    assert page.form["origin"] == "store"
    assert page.field("organization")["value"] == "org-acme"
    assert page.field("api_key")["secret"]["state"] == "stored"
    assert CANARY not in json.dumps(page.messages)


def test_a_form_is_not_pickled_with_a_key(wire) -> None:
    """What holds a Secret cannot be pickled, so neither can the draft of a form."""
    form = ConnectionForm("openai", Store.in_memory())
    page = wire(form)
    page.type_secret("api_key", CANARY, form=page.form["key"])
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(form.controllers["form"].draft.secrets)
