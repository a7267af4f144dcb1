"""The end and the age of a key in form and list: told where the user is, sent nowhere."""

from __future__ import annotations

import json
from datetime import date, datetime

import pytest

from llmwidgets import ConnectionForm, ConnectionPanel
from llmwidgets.connections import catalog
from llmwidgets.connections.connection import Connection, replace_parts
from llmwidgets.store.store import Store
from llmwidgets.widgets.connection import form_view
from tests.kinds import signed_key

CANARY = "made-up-canary-0004711-3fQz"
TODAY = date(2026, 12, 2)
ACCOUNT = json.dumps({"type": "service_account", "project_id": "p-1", "private_key": CANARY})


@pytest.fixture(autouse=True)
def on_this_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is 2 December 2026."""
    for module in (catalog, form_view):
        monkeypatch.setattr(module, "local_today", lambda: TODAY)


def kind(page, name: str) -> dict:
    return next(each for each in page.state["kinds"] if each["kind"] == name)


def test_the_day_is_an_advanced_date(wire) -> None:
    page = wire(ConnectionForm("openai", Store.in_memory()))
    field = page.field("expires")
    assert (field["type"], field["label"], field["optional"]) == ("date", "Key ends on", True)
    assert field in page.form["groups"][-1]["fields"]
    assert page.form["groups"][-1]["name"] == "advanced"
    assert field["value"] is None
    assert page.form["key_notes"] == []


def test_a_typed_day_is_told_of_at_once_and_saved(wire, demo_address: str) -> None:
    store = Store.in_memory()
    page = wire(ConnectionForm("custom", store))
    values = {"name": "demo-quick", "endpoint": demo_address, "expires": "2026-12-11"}
    page.submit("form.edit", values=values)
    (note,) = page.form["key_notes"]
    assert note["said"] == "The key ends 11 Dec 2026, in 9 days."
    page.submit(values=values, intent="save")
    assert page.form["report"]["ok"] is True
    assert store["demo-quick"].fields.expires == date(2026, 12, 11)
    assert page.field("expires")["value"] == "2026-12-11"
    assert page.form["key_notes"] == [note]
    json.dumps(page.state)
    page.submit("form.edit", values={"expires": ""})
    assert page.form["key_notes"] == []


def test_what_is_no_day_is_told_at_the_field(wire, demo_address: str) -> None:
    page = wire(ConnectionForm("custom", Store.in_memory()))
    page.submit(values={"name": "m", "endpoint": demo_address, "expires": "soon"}, intent="save")
    assert page.field("expires")["error"] == "Key ends on must be a day, written as 2026-12-11."
    assert page.form["groups"][-1]["open"] is True


@pytest.mark.parametrize(
    ("expires", "icon", "fact"),
    [
        ("2026-12-17", "none", "not tested"),
        ("2026-12-11", "warn", "ends in 9 days"),
        ("2026-12-01", "warn", "ended 1 Dec 2026"),
    ],
)
def test_the_list_of_kinds_tells_it(wire, expires: str, icon: str, fact: str) -> None:
    store = Store.in_memory()
    store.save(Connection("openai", api_key=CANARY, expires=expires))
    store.save(Connection("custom", name="m", endpoint="http://localhost:1/v1", expires=expires))
    page = wire(ConnectionPanel(store))
    assert (kind(page, "openai")["icon"], kind(page, "openai")["fact"]) == (icon, fact)
    row = kind(page, "custom")["rows"][0]
    assert (row["icon"], row["fact"]) == (icon, fact)


def test_the_age_of_a_service_account_s_key(wire) -> None:
    """Old while the stored one is meant; a new file that was received is not."""
    store = Store.in_memory()
    since = datetime(2026, 8, 4, 12).astimezone()
    account = Connection("vertex_ai", credentials=ACCOUNT)
    store.save(replace_parts(account, keyed_at=since))
    page = wire(ConnectionPanel(store))
    (note,) = page.form["key_notes"]
    assert "120 days old" in note["said"]
    assert "Service accounts" in note["fix"]
    assert kind(page, "vertex_ai")["fact"] == "120 days old"
    page.type_secret("credentials", ACCOUNT, form=page.form["key"])
    assert page.form["key_notes"] == []
    page.submit("form.clear", field="credentials")
    assert page.form["key_notes"] == [note]


def test_a_short_term_key_is_told_by_itself_in_form_and_list(wire) -> None:
    """No day is typed or saved: the key says when it ends, and whose region it is of."""
    key = signed_key("20261202T080000Z", 3_600, region="us-west-2")
    store = Store.in_memory()
    store.save(Connection("bedrock", api_key=key, region="eu-west-1"))
    page = wire(ConnectionPanel(store))
    assert kind(page, "bedrock")["fact"] == "ends today"
    page.submit("form.open", label="bedrock")
    (note,) = page.form["key_notes"]
    assert note["said"] == "The key ends 2 Dec 2026, today."
    said = " ".join(page.form["warnings"])
    assert "is a short-term key: it end" in said
    assert "2 Dec 2026 at 09:00 UTC" in said
    assert "was made for us-west-2 and is accepted there alone" in said
    assert page.field("expires")["value"] is None
    assert key[20:] not in json.dumps(page.state)
    page.submit("form.edit", values={"expires": "2027-03-01"})
    assert page.form["key_notes"] == []
