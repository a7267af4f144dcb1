"""The gate of the store: unlock, lock, create at the first save; a callback never waits."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from llmwidgets import ConnectionForm, ConnectionPanel
from llmwidgets.connections.connection import Connection
from llmwidgets.store.state import Status, state_of
from llmwidgets.store.store import Store
from tests.servers import ModelServer, Seen, serving_models

CANARY = "sk-made-up-canary-0004711-3fQz"
PASSPHRASE = "copper lantern orbit mellow"


@pytest.fixture(scope="module")
def sealed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store on disk with one connection, made once: sealing takes its time on purpose."""
    folder = tmp_path_factory.mktemp("made") / "store"
    store = Store.create("acme", passphrase=PASSPHRASE, path=folder)
    store.save(Connection("openai", api_key=CANARY))
    return folder


@pytest.fixture
def folder(sealed_folder: Path, tmp_path: Path) -> Path:
    """A fresh copy of the sealed store: locked, for nothing in this process has opened it."""
    copy = tmp_path / "store"
    copy.mkdir(mode=0o700)
    for each in sealed_folder.iterdir():
        if each.suffix == ".age":
            (copy / each.name).write_bytes(each.read_bytes())
            (copy / each.name).chmod(0o600)
    return copy


def kind(page, name: str) -> dict:
    return next(each for each in page.state["kinds"] if each["kind"] == name)


def test_a_locked_store_asks_for_the_passphrase(wire, folder: Path) -> None:
    """Locked: the gate is there and no connection is known; the right words open it."""
    page = wire(ConnectionPanel(Store("acme", path=folder)))
    assert page.state["store"]["gate"] == "unlock"
    assert page.state["connected"] == 0
    page.type_secret("passphrase", PASSPHRASE)
    page.send("store.unlock")
    assert page.state["store"]["gate"] == ""
    assert page.state["store"]["by"] == "passphrase"
    assert kind(page, "openai")["label"] == "openai"
    assert PASSPHRASE not in json.dumps(page.messages)


def test_a_wrong_passphrase_is_a_sentence(wire, folder: Path) -> None:
    """The store stays locked, the field is told, and an empty one is told too."""
    page = wire(ConnectionPanel(Store("acme", path=folder)))
    page.type_secret("passphrase", "not the words of this store")
    page.send("store.unlock")
    assert page.state["store"]["locked"] is True
    assert "passphrase" in page.state["store"]["said"]["sentence"].lower()
    page.send("store.unlock")
    assert page.state["store"]["said"]["sentence"] == "The passphrase is empty."


def test_lock_forgets_and_shows_the_gate(wire, folder: Path) -> None:
    """Lock: every connection of the store leaves the page."""
    store = Store("acme", path=folder)
    store.unlock(PASSPHRASE)
    page = wire(ConnectionPanel(store))
    assert page.state["connected"] == 1
    page.send("store.lock")
    assert store.locked
    assert page.state["store"]["gate"] == "unlock"
    assert page.state["connected"] == 0


def test_a_locked_store_leaves_the_session_usable(wire, folder: Path) -> None:
    """Go on without the store: the demo works, and saving asks for the passphrase."""
    page = wire(ConnectionPanel(Store("acme", path=folder)))
    page.send("connections.demo")
    assert page.state["store"]["gate"] == ""
    assert page.state["connected"] >= 3
    page.submit(values={}, intent="save")
    assert page.state["store"]["gate"] == "unlock"


def test_the_first_save_makes_the_store(wire, tmp_path: Path, demo_address: str) -> None:
    """No store yet: after the test the gate asks for a passphrase, makes it, and saves."""
    store = Store("acme", path=tmp_path / "store")
    page = wire(ConnectionPanel(store))
    page.send("connections.select", kind="custom", label="")
    page.type_secret("api_key", CANARY, form=page.form["key"])
    page.submit(values={"name": "demo-careful", "endpoint": demo_address}, intent="save")
    assert page.state["store"]["gate"] == "create"
    assert not store.exists
    page.type_secret("passphrase", "short")
    page.send("store.create", own=True, kept=True)
    assert page.state["store"]["said"]["sentence"].startswith("The passphrase has fewer than")
    page.type_secret("passphrase", PASSPHRASE)
    page.send("store.create", own=True, kept=True)
    assert page.form["said"] == "Saved."
    assert [each.label for each in store] == ["demo-careful"]
    written = b"".join(each.read_bytes() for each in (tmp_path / "store").iterdir())
    assert CANARY.encode() not in written
    assert PASSPHRASE.encode() not in written


def test_back_to_the_form_keeps_what_was_typed(wire, tmp_path: Path, demo_address: str) -> None:
    """Leaving the gate saves nothing and loses nothing."""
    store = Store("acme", path=tmp_path / "store")
    page = wire(ConnectionPanel(store))
    page.send("connections.select", kind="custom", label="")
    page.submit(values={"name": "demo-careful", "endpoint": demo_address}, intent="save")
    page.send("store.screen", screen="")
    assert page.field("name")["value"] == "demo-careful"
    assert page.form["origin"] == ""
    assert not store.exists


def test_a_key_file_opens_the_store_unasked(wire, tmp_path: Path, monkeypatch) -> None:
    """With LLMWIDGETS_STORE_KEY_FILE nobody is asked: the panel opens unlocked."""
    from llmwidgets.store.age import Identity

    key = tmp_path / "key"
    key.touch(0o600)
    key.write_text(Identity.generate().secret.reveal() + "\n")
    monkeypatch.setenv("LLMWIDGETS_STORE_KEY_FILE", str(key))
    store = Store.create("acme", path=tmp_path / "store")
    state_of(store.path).lock(Status.LOCKED)
    page = wire(ConnectionPanel(store))
    assert page.state["store"]["gate"] == ""
    assert page.state["store"]["by"] == "LLMWIDGETS_STORE_KEY_FILE"


def test_memory_and_binder_are_said(wire, monkeypatch) -> None:
    """A store in memory says so; on Binder a warning against real keys stands above."""
    monkeypatch.setenv("BINDER_SERVICE_HOST", "127.0.0.1")
    page = wire(ConnectionPanel(Store.in_memory()))
    [binder] = page.state["store"]["notices"]
    assert "a real key is better not typed here" in binder
    monkeypatch.delenv("BINDER_SERVICE_HOST")
    page.send("hello")
    [memory] = page.state["store"]["notices"]
    assert "memory only" in memory


def test_a_form_over_a_locked_store_asks_first(wire, folder: Path) -> None:
    """ConnectionForm too: after the passphrase it is about the store's own connection."""
    page = wire(ConnectionForm("openai", Store("acme", path=folder)))
    assert page.state["store"]["gate"] == "unlock"
    page.type_secret("passphrase", PASSPHRASE)
    page.send("store.unlock")
    assert page.form["origin"] == "store"


def test_a_callback_only_submits(wire, folder: Path, monkeypatch) -> None:
    """A slow unlock does not hold the thread that the click came on."""
    store = Store("acme", path=folder)
    panel = ConnectionPanel(store)
    page = wire(panel)
    page.type_secret("passphrase", PASSPHRASE)
    go_on, threads = threading.Event(), []

    def slow(_passphrase: object) -> None:
        threads.append(threading.current_thread())
        go_on.wait(10)

    monkeypatch.setattr(store, "unlock", slow)
    panel._arrive(panel, {"type": "store.unlock"}, [])
    assert panel.page.under_way
    go_on.set()
    page.settle()
    assert threads[0] is not threading.main_thread()


class _Locking(ModelServer):
    """A server in whose check the store locks itself."""

    lock = staticmethod(lambda: None)

    def answer(self, seen: Seen) -> tuple[int, Any]:
        self.lock()
        return super().answer(seen)


@pytest.mark.parametrize("when", ["before the test", "while it is tested", "never"])
def test_a_lock_takes_no_stored_key_from_a_form_in_hand(wire, folder: Path, when: str) -> None:
    """Nothing is asked without the key, nor saved over it: the gate comes first."""
    store = Store("acme", path=folder)
    store.unlock(PASSPHRASE)
    with serving_models(_Locking) as server:
        store.save(Connection("custom", name="m", endpoint=server.url, api_key=CANARY))
        page = wire(ConnectionPanel(store))
        page.send("connections.select", kind="custom", label="m")
        page.send("form.typing", form=page.form["key"])
        if when == "before the test":
            store.lock()
            page.settle()
        elif when == "while it is tested":
            server.lock = store.lock  # type: ignore[method-assign]
        page.submit(values={"name": "m", "endpoint": f"{server.url}/v1"}, intent="save")
        server.lock = lambda: None  # type: ignore[method-assign]
        if when != "never":
            assert page.state["store"]["gate"] == "unlock"
            page.type_secret("passphrase", PASSPHRASE)
            page.send("store.unlock")
        assert page.form["said"] == "Saved."
        kept = store["m"]
        assert kept.plain_fields["endpoint"] == f"{server.url}/v1"
        assert kept.secret_fields["api_key"].reveal() == CANARY
        assert {each.headers.get("authorization") for each in server.seen} == {f"Bearer {CANARY}"}
