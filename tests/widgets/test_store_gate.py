"""What stands before a store: words to keep, a recovery identity, a wait after a wrong try."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmwidgets import ConnectionForm, ConnectionPanel
from llmwidgets.connections.connection import Connection
from llmwidgets.store import auto_lock, identity_sources
from llmwidgets.store.store import Store
from llmwidgets.widgets.connection import store_gate

CANARY = "sk-made-up-canary-0004711-3fQz"
PASSPHRASE = "copper lantern orbit mellow"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store on disk with one connection, unlocked by its passphrase."""
    made = Store.create("acme", passphrase=PASSPHRASE, path=tmp_path / "store")
    made.save(Connection("openai", api_key=CANARY))
    return made


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The gate's clock; the test moves it."""
    now = [1000.0]
    monkeypatch.setattr(store_gate, "clock", lambda: now[0])
    return now


def gate(page) -> dict:
    return page.state["store"]


# -- making ----------------------------------------------------------------------------------------


def test_a_store_is_made_with_the_words_shown_and_opens_with_the_identity_kept(
    wire, tmp_path: Path
) -> None:
    """The six words are typed once, the identity is kept; each of them opens the store."""
    store = Store("acme", path=tmp_path / "store")
    page = wire(ConnectionPanel(store))
    page.send("store.screen", screen="create")
    words, recovery = page.see("words"), page.see("recovery")
    assert len(words.split()) == 6
    assert recovery.startswith("AGE-SECRET-KEY-1")
    page.type_secret("passphrase", words)
    page.send("store.create", kept=True)
    assert gate(page)["gate"] == ""
    assert store.unlocked_by == "passphrase"
    assert [each.name for each in store.members] == ["owner", "recovery"]
    assert store.take_recovery() is None, "it was shown before; nothing is left to take"
    for opening in ({"passphrase": words}, {"identity": recovery}):
        store.lock()
        store.unlock(**opening)
        assert not store.locked


def test_words_and_identity_cross_sealed_and_stand_in_no_state(wire, tmp_path: Path) -> None:
    """No message and no trait holds them; a plain-text control would be found."""
    page = wire(ConnectionPanel(Store("acme", path=tmp_path / "store")))
    page.send("store.screen", screen="create")
    words, recovery = page.see("words"), page.see("recovery")
    crossed = json.dumps(page.messages) + repr(
        [bytes(each) for _, buffers in page.raw for each in buffers]
    )
    state = json.dumps(page.widget.get_state(), default=repr)
    for secret in (words, recovery):
        assert secret not in crossed
        assert secret not in state
    page.send("store.show", what="words", view="view-2", spki="")
    [plain] = page.raw[-1][1]
    assert bytes(plain).decode() == words, "the control: a page that cannot seal gets it as it is"


@pytest.mark.parametrize(
    ("typed", "content", "said"),
    [
        ("{words} more", {"kept": True}, "These are not the six words shown."),
        ("{words}", {"kept": False}, "The recovery identity is not kept yet."),
        (
            "short",
            {"kept": True, "own": True},
            "The passphrase has fewer than 12 characters, or is not a text.",
        ),
        (PASSPHRASE, {"own": True}, "The recovery identity is not kept yet."),
    ],
)
def test_no_store_is_made_before_both_are_kept(wire, tmp_path: Path, typed, content, said) -> None:
    """Each missing part is named, and nothing is on the disk."""
    page = wire(ConnectionPanel(Store("acme", path=tmp_path / "store")))
    page.send("store.screen", screen="create")
    page.type_secret("passphrase", typed.replace("{words}", page.see("words")))
    page.send("store.create", **content)
    assert gate(page)["said"]["sentence"] == said
    assert gate(page)["gate"] == "create"
    assert not (tmp_path / "store").exists()


def test_other_words_take_the_place_of_the_first(wire, tmp_path: Path) -> None:
    """Old words are refused, the identity stays the one that may be printed already."""
    page = wire(ConnectionPanel(Store("acme", path=tmp_path / "store")))
    page.send("store.screen", screen="create")
    before, recovery, count = page.see("words"), page.see("recovery"), gate(page)["making"]["count"]
    page.send("store.words")
    assert gate(page)["making"]["count"] == count + 1
    assert page.see("words") != before
    assert page.see("recovery") == recovery
    page.type_secret("passphrase", before)
    page.send("store.create", kept=True)
    assert gate(page)["said"]["sentence"] == "These are not the six words shown."


def test_leaving_the_screen_drops_what_was_shown(wire, tmp_path: Path) -> None:
    """Back: nothing can be shown any more; the next time it is another identity."""
    page = wire(ConnectionPanel(Store("acme", path=tmp_path / "store")))
    page.send("store.screen", screen="create")
    first = page.see("recovery")
    page.send("store.screen", screen="")
    sent = len(page.raw)
    page.send("store.show", what="recovery", view="view-1", spki="")
    assert not [data for data, _ in page.raw[sent:] if data["content"]["type"] == "shown"]
    page.send("store.screen", screen="create")
    assert page.see("recovery") != first


# -- unlocking -------------------------------------------------------------------------------------


def test_a_wrong_passphrase_waits_longer_each_time(wire, store: Store, time: list[float]) -> None:
    """2 s, 4 s, … up to 30 s; while it waits not even the right one is tried; then it is."""
    store.lock()
    page = wire(ConnectionPanel(store))
    for seconds in (2, 4, 8, 16, 30, 30):
        page.type_secret("passphrase", "not the words of this store")
        page.send("store.unlock")
        assert gate(page)["wait"] == seconds
        page.type_secret("passphrase", PASSPHRASE)
        page.send("store.unlock")
        assert store.locked
        time[0] += seconds
    page.type_secret("passphrase", PASSPHRASE)
    page.send("store.unlock")
    assert not store.locked
    assert gate(page)["wait"] == 0


def test_the_recovery_identity_opens_and_a_new_passphrase_is_asked_for(wire, tmp_path) -> None:
    """Forgotten passphrase: the identity opens, the next screen takes another passphrase."""
    store = Store.create("acme", passphrase=PASSPHRASE, path=tmp_path / "store")
    recovery = store.take_recovery()
    store.lock()
    page = wire(ConnectionPanel(store))
    page.type_secret("recovery", recovery.reveal())
    page.send("store.unlock", by="recovery")
    assert gate(page)["gate"] == "store"
    assert "choose a new passphrase" in gate(page)["settings"]["told"]["passphrase"]["sentence"]
    assert gate(page)["settings"]["opening"]["needs_old"] is False
    page.type_secret("new", "ravo kimu teda solu bipo nafe")
    page.send("settings.change_passphrase")
    assert gate(page)["settings"]["told"]["passphrase"]["state"] == "ok"
    store.lock()
    store.unlock("ravo kimu teda solu bipo nafe")
    assert not store.locked


def test_a_store_locked_or_opened_elsewhere_shows_in_every_panel(wire, store: Store) -> None:
    """Locked in code, a panel asks for the passphrase; once another opened it, it asks no more."""
    page = wire(ConnectionPanel(store))
    store.lock()
    page.settle()
    assert (gate(page)["gate"], gate(page)["locked"]) == ("unlock", True)
    store.unlock(PASSPHRASE)
    page.settle()
    assert (gate(page)["gate"], gate(page)["locked"]) == ("", False)
    assert page.form["key"] == "openai/openai"


def test_a_store_made_elsewhere_is_not_made_again(wire, tmp_path: Path) -> None:
    """The screen that makes it ends when another panel, or code, made it."""
    page = wire(ConnectionPanel(Store("acme", path=tmp_path / "store")))
    page.send("store.screen", screen="create")
    Store.create("acme", passphrase=PASSPHRASE, path=tmp_path / "store")
    page.settle()
    assert (gate(page)["gate"], gate(page)["exists"], gate(page)["making"]) == ("", True, None)


def test_who_went_on_without_the_store_is_not_asked_again(wire, store: Store) -> None:
    """Until it was open and is locked once more."""
    store.lock()
    page = wire(ConnectionPanel(store))
    for kind in ("store.screen", "hello"):
        page.send(kind, screen="")
        assert (gate(page)["gate"], page.state["form"]) == ("", None)
    store.unlock(PASSPHRASE)
    store.lock()
    page.settle()
    assert gate(page)["gate"] == "unlock"


def test_what_is_no_identity_is_said_in_place(wire, store: Store) -> None:
    """A passphrase in the field of the identity, and another store's identity."""
    store.lock()
    page = wire(ConnectionForm("openai", store))
    page.type_secret("recovery", "no identity at all")
    page.send("store.unlock", by="recovery")
    assert gate(page)["said"]["sentence"] == "This is not an age identity."
    page.type_secret("recovery", identity_sources.propose_recovery().reveal())
    page.send("store.unlock", by="recovery")
    assert "does not open with this identity" in gate(page)["said"]["sentence"]
    page.send("store.unlock", by="recovery")
    assert gate(page)["said"]["sentence"] == "The recovery identity is empty."
    assert store.locked


def test_a_damaged_file_offers_its_backup(wire, store: Store) -> None:
    """The damaged file is told, kept, and one click goes back to what was saved before."""
    store.save(Connection("anthropic", api_key=CANARY))
    file = store.path / "connections.age"
    store.lock()
    file.write_bytes(file.read_bytes()[:-7])
    page = wire(ConnectionPanel(store))
    page.type_secret("passphrase", PASSPHRASE)
    page.send("store.unlock")
    assert "is kept as it is" in gate(page)["said"]["sentence"]
    assert gate(page)["backup"]
    page.send("store.rescue")
    assert gate(page)["gate"] == ""
    assert [each.label for each in store] == ["openai"]


def test_remember_is_done_where_it_was_ticked(wire, store: Store, monkeypatch) -> None:
    """The tick at the gate remembers; trouble with it is told and the store is open."""
    store.lock()
    asked: list[str] = []
    monkeypatch.setattr(Store, "can_remember", ("server",))
    monkeypatch.setattr(store, "remember", asked.append)
    page = wire(ConnectionPanel(store))
    assert [each["place"] for each in gate(page)["offered"]] == ["server"]
    page.type_secret("passphrase", PASSPHRASE)
    page.send("store.unlock", remember="server")
    assert asked == ["server"]


def test_a_place_that_fails_leaves_the_store_open_and_is_told(wire, store: Store, monkeypatch):
    """No Jupyter server runs this process: the passphrase opened the store all the same."""
    store.lock()
    monkeypatch.setattr(Store, "can_remember", ("server",))
    page = wire(ConnectionPanel(store))
    page.type_secret("passphrase", PASSPHRASE)
    page.send("store.unlock", remember="server")
    assert not store.locked
    assert "No Jupyter server runs this process" in page.widget.last_error


def test_a_store_that_locked_itself_says_why(wire, store: Store, monkeypatch) -> None:
    """After an idle hour the panel stands locked, with the reason, and the way back in."""
    page = wire(ConnectionPanel(store))
    hour = auto_lock.clock() + 61 * 60
    monkeypatch.setattr(auto_lock, "clock", lambda: hour)
    auto_lock.lock_idle()
    page.send("hello")
    assert gate(page)["locked"]
    assert gate(page)["why"] == "it was idle for 60 minutes"
    assert page.state["connected"] == 0
    page.send("store.screen", screen="unlock")
    page.type_secret("passphrase", PASSPHRASE)
    page.send("store.unlock")
    assert gate(page)["why"] == ""
    assert page.state["connected"] == 1


def test_the_header_tells_when_it_locks_itself(wire, store: Store) -> None:
    """60 idle minutes after a passphrase; never for what an identity opened."""
    page = wire(ConnectionPanel(store))
    assert gate(page)["locks_after"] == 60
    assert gate(page)["changed"]
    recovery = store.take_recovery()
    store.lock()
    store.unlock(identity=recovery)
    page.send("hello")
    assert gate(page)["locks_after"] == 0
