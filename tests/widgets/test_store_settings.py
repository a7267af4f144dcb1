"""The screen on which a store is kept: passphrase, members, backups, copies, organizations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmwidgets import ConnectionPanel
from llmwidgets.connections.connection import Connection
from llmwidgets.store.store import Store
from tests.servers import serving_models

CANARY = "sk-made-up-canary-0004711-3fQz"
PASSPHRASE = "copper lantern orbit mellow"
OTHER = "ravo kimu teda solu bipo nafe"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store on disk with one connection, unlocked by its passphrase."""
    made = Store.create("acme", passphrase=PASSPHRASE, path=tmp_path / "store")
    made.save(Connection("openai", api_key=CANARY))
    return made


@pytest.fixture
def page(wire, store: Store):
    """The panel over that store, on the screen of the store."""
    joined = wire(ConnectionPanel(store))
    joined.send("settings.open")
    return joined


def settings(page) -> dict:
    return page.state["store"]["settings"]


def told(page, part: str) -> dict:
    return settings(page)["told"][part]


def test_the_passphrase_is_changed_in_place(page, store: Store) -> None:
    """The old one is asked, a wrong one is told, the new one opens from then on."""
    assert settings(page)["opening"]["needs_old"]
    page.type_secret("old", "not the words of this store")
    page.type_secret("new", OTHER)
    page.send("settings.change_passphrase")
    assert told(page, "passphrase")["state"] == "fail"
    page.type_secret("old", PASSPHRASE)
    page.type_secret("new", "short")
    page.send("settings.change_passphrase")
    assert "fewer than 12" in told(page, "passphrase")["sentence"]
    page.type_secret("old", PASSPHRASE)
    page.type_secret("new", OTHER)
    page.send("settings.change_passphrase")
    assert told(page, "passphrase")["state"] == "ok"
    page.send("store.lock")
    page.type_secret("passphrase", OTHER)
    page.send("store.unlock")
    assert not store.locked


def test_a_member_is_invited_and_removed(page, store: Store) -> None:
    """The lines to send hold no secret; who is removed has seen keys, which are named."""
    from llmwidgets.store.age import Identity

    mara = Identity.generate()
    page.send("settings.invite", name="Mara", recipient="age1nonsense")
    assert told(page, "members")["state"] == "fail"
    page.send("settings.invite", name="Mara", recipient=mara.recipient)
    assert told(page, "members")["sentence"].startswith("Mara can open the store.")
    assert "team.trust(" in settings(page)["invitation"]
    assert [each["name"] for each in settings(page)["members"]] == ["owner", "recovery", "Mara"]
    assert [each["fixed"] for each in settings(page)["members"]] == [True, False, False]
    page.send("settings.remove_member", name="Mara")
    assert "revoke the old ones: openai" in told(page, "members")["sentence"].replace("\n", " ")
    assert "Mara" not in [each.name for each in store.members]


def test_a_backup_is_gone_back_to(page, store: Store) -> None:
    """Each backup with date and count; going back is a new revision."""
    store.save(Connection("anthropic", api_key=CANARY))
    page.send("settings.open")
    [newest, *_] = settings(page)["backups"]
    assert newest["connections"] == 1
    page.send("settings.restore", backup=newest["name"])
    assert told(page, "backups")["state"] == "ok"
    assert [each.label for each in store] == ["openai"]
    page.send("settings.restore", backup="connections.age.bak9")
    assert told(page, "backups")["state"] == "fail"


def test_connections_are_carried_to_another_store(page, wire, tmp_path: Path) -> None:
    """Exported to a passphrase, looked at elsewhere, taken by tick; the key never crosses."""
    file = tmp_path / "to-go.age"
    page.send("settings.export", path="")
    assert told(page, "export")["sentence"] == "Name the file to write."
    page.type_secret("export", OTHER)
    page.send("settings.export", path=str(file))
    assert told(page, "export")["state"] == "ok"
    assert CANARY.encode() not in file.read_bytes()

    there = Store.create("hub", passphrase=PASSPHRASE, path=tmp_path / "hub")
    other = wire(ConnectionPanel(there))
    other.send("settings.open")
    other.send("settings.preview", path="~nobody-0/to-go.age")
    assert "~nobody-0/to-go.age does not name a file" in told(other, "import")["sentence"]
    other.send("settings.preview", path=str(file))
    assert told(other, "import")["sentence"].endswith("opens with a passphrase.")
    other.type_secret("import", OTHER)
    other.send("settings.preview", path=str(file))
    [row] = settings(other)["preview"]["rows"]
    assert (row["label"], row["tail"], row["new"]) == ("openai", "3fQz", True)
    other.type_secret("import", OTHER)
    other.send("settings.preview", [file.read_bytes()], path="chosen.age")
    assert settings(other)["preview"]["rows"] == [row]
    other.send("settings.preview", [b"no export"], path="chosen.age")
    assert told(other, "import")["sentence"].startswith("chosen.age does not open.")
    other.type_secret("import", OTHER)
    other.send("settings.preview", path=str(file))
    other.send("settings.take", labels=[])
    assert told(other, "import")["state"] == "fail"
    other.send("settings.take", labels=["openai"])
    assert told(other, "import")["sentence"] == "Saved, untested: openai."
    assert [each.label for each in there] == ["openai"]
    assert CANARY not in json.dumps(page.messages + other.messages)


def test_a_new_identity_names_the_keys_to_revoke(page, store: Store) -> None:
    """The old identity opens the store no more, and the backups it opened are gone."""
    before = store.recipient
    page.type_secret("identity", PASSPHRASE)
    page.send("settings.new_identity")
    assert told(page, "identity")["sentence"].endswith("replace here: openai.")
    assert store.recipient != before
    assert store.backups() == ()


def test_the_idle_minutes_are_chosen(page, store: Store) -> None:
    """15, 60 or never; anything else is told."""
    page.send("settings.auto_lock", minutes=15)
    assert store.auto_lock == 15
    assert page.state["store"]["locks_after"] == 15
    page.send("settings.auto_lock", minutes=7)
    assert told(page, "opening")["state"] == "fail"
    assert store.auto_lock == 15


def test_a_place_that_cannot_remember_says_why(page) -> None:
    """No Jupyter server runs this process, so nothing is remembered, and that is said."""
    page.send("settings.remember", place="server", on=True)
    assert "No Jupyter server" in told(page, "opening")["sentence"]


def test_locking_leaves_the_screen_and_knows_nothing_more(page) -> None:
    """Members and backups leave the page with the lock."""
    page.send("store.lock")
    assert page.state["store"]["gate"] == "unlock"
    assert settings(page) is None
    page.send("settings.open")
    assert settings(page) is None


def test_an_organization_is_chosen_in_the_header(wire) -> None:
    """Each has a store of its own; forms and connections of the one before are gone."""
    acme = Store.create("acme", passphrase=PASSPHRASE)
    acme.save(Connection("openai", api_key=CANARY))
    page = wire(ConnectionPanel(acme))
    assert page.state["store"]["organizations"] == ["acme"]
    page.send("store.organization", name="hub / unfit")
    assert "is not a name of an organization" in page.widget.last_error
    page.send("store.organization", name="hub")
    assert page.state["store"]["organization"] == "hub"
    assert page.state["store"]["exists"] is False
    assert page.state["connected"] == 0
    assert page.widget.store.organization == "hub"
    page.send("store.organization", name="acme")
    assert page.state["connected"] == 1
    acme.lock()
    page.send("hello")
    page.send("store.organization", name="hub")
    page.send("store.organization", name="acme")
    assert page.state["store"]["gate"] == "unlock"


def test_a_store_elsewhere_offers_no_other_organization(page) -> None:
    """A panel that was given a folder stays on it."""
    assert page.state["store"]["organizations"] == []


def test_what_was_removed_comes_back_as_and_where_it_was(wire, store: Store) -> None:
    """Undo: place, key, age and last check are those from before; locking ends it."""
    store.save(Connection("anthropic", api_key=CANARY))
    before = [(each.label, each.saved_at, each.tail) for each in store]
    page = wire(ConnectionPanel(store))
    page.send("connections.select", kind="openai", label="openai")
    page.submit("connections.remove")
    assert page.state["deleted"] == "openai"
    page.send("connections.undelete")
    assert page.state["deleted"] == ""
    assert page.form["label"] == "openai"
    assert [(each.label, each.saved_at, each.tail) for each in store] == before
    page.submit("connections.remove")
    page.send("store.lock")
    store.unlock(PASSPHRASE)
    page.send("connections.undelete")
    assert "Nothing was deleted" in page.widget.last_error
    assert [each.label for each in store] == ["anthropic"]


def test_undo_never_takes_a_place_that_is_taken(wire, store: Store) -> None:
    """A connection saved meanwhile stays; the removed one is not lost by the try."""
    from llmwidgets.errors import AlreadyConnected

    del store["openai"]
    store.save(Connection("openai", api_key="sk-made-up-second-0004711-81fc"))
    with pytest.raises(AlreadyConnected):
        store.undelete()
    assert store["openai"].tail == "81fc"
    assert store.state.deleted_label == "openai"


def test_keys_of_other_tools_are_offered_on_a_click(wire, tmp_path, monkeypatch) -> None:
    """Nothing is read before; then each is named with its place, never with its value."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f'OPENAI_API_KEY="{CANARY}"\n')
    page = wire(ConnectionPanel(Store.in_memory()))
    assert page.state["elsewhere"] is None
    page.send("found.look_elsewhere")
    [row] = page.state["elsewhere"]
    assert (row["title"], row["tail"], row["reference"]) == ("OpenAI", "3fQz", "")
    assert row["where"].startswith("OPENAI_API_KEY in ")
    assert CANARY not in json.dumps(page.messages)


def test_a_sealed_copy_says_what_still_holds_the_key(wire, tmp_path, monkeypatch) -> None:
    """After the copy: which file still holds the key in clear."""
    monkeypatch.chdir(tmp_path)
    with serving_models(models=("gpt-6-luna",)) as server:
        lines = f"OPENAI_API_KEY={CANARY}\nOPENAI_BASE_URL={server.url}/v1\n"
        (tmp_path / ".env").write_text(lines)
        page = wire(ConnectionPanel(Store.in_memory()))
        page.send("found.look_elsewhere")
        page.send("found.add_elsewhere", number=0, reference=False)
    assert page.form["report"]["ok"]
    assert "still contains the key in clear" in page.form["added"]
    assert page.widget.store["openai"].tail == "3fQz"
