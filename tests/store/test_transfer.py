"""Carrying connections elsewhere: one sealed file, looked at before anything is taken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import (
    AlreadyConnected,
    DamagedStore,
    FieldError,
    StoreError,
    StoreLocked,
    UnknownConnection,
    WrongPassphrase,
)
from llmwidgets.secret import Secret
from llmwidgets.store import age, document, identity_sources
from llmwidgets.store.age import Identity
from llmwidgets.store.state import state_of
from llmwidgets.store.store import Store

PASSPHRASE = "a made-up passphrase"
KEY = "sk-made-up-0123456789abcdef"


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    identity_sources.forget_identity()
    yield
    identity_sources.forget_identity()


@pytest.fixture(params=["disk", "memory"])
def laptop(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "disk":
        store = Store.create(path=tmp_path / "laptop", passphrase=PASSPHRASE)
    else:
        store = Store.in_memory()
    store.save(Connection("openai", api_key=KEY))
    store.save(Connection("anthropic", api_key="env:MADE_UP_ANTHROPIC"))
    store.save(custom("local"))
    return store


def custom(label: str, port: int = 1) -> Connection:
    return Connection("custom", name="m", endpoint=f"http://localhost:{port}/v1", label=label)


def test_there_and_back_by_passphrase(laptop: Store, tmp_path: Path) -> None:
    """0600, sealed, a reference stays one, and the other store takes what is new to it."""
    file = tmp_path / "to the hub.age"
    laptop.export(file, passphrase=PASSPHRASE)
    assert file.stat().st_mode & 0o777 == 0o600
    assert KEY.encode() not in file.read_bytes()
    hub = Store.in_memory()
    hub.save(custom("local", port=2))
    seen = hub.preview(file, passphrase=Secret(PASSPHRASE))
    assert [(each.label, each.host, each.tail, each.state) for each in seen.offers] == [
        ("openai", "api.openai.com", "cdef", "new"),
        ("anthropic", "api.anthropic.com", "", "new"),
        ("local", "localhost:1", "", "same label"),
    ]
    assert KEY not in repr(seen)
    assert seen.caution == ""
    assert len(hub) == 1
    assert hub.take(seen) == ("openai", "anthropic")
    assert hub["openai"].secret_fields["api_key"].reveal() == KEY
    assert hub["anthropic"].secret_fields["api_key"].reference == "env:MADE_UP_ANTHROPIC"
    assert hub["local"].host == "localhost:2"


def test_there_and_back_by_recipient(laptop: Store, tmp_path: Path) -> None:
    """For the hub's own public name; who made such a file is not proven, and that is said."""
    hub = Store.create(path=tmp_path / "hub", passphrase=PASSPHRASE)
    laptop.export(tmp_path / "f", recipient=hub.recipient)
    seen = hub.preview(tmp_path / "f")
    assert "Whoever knows your recipient" in seen.caution
    assert hub.take(seen, ["openai"]) == ("openai",)
    assert len(hub) == 1
    with pytest.raises(StoreLocked):
        laptop.preview(tmp_path / "f")
    by_hand = Store.in_memory().preview(
        tmp_path / "f",
        identity=state_of(hub.path).source.identity.secret,  # type: ignore[union-attr]
    )
    assert len(by_hand.offers) == 3


def test_all_or_nothing(laptop: Store, tmp_path: Path) -> None:
    """A place that is taken stops everything, unless replacing is asked for."""
    laptop.export(tmp_path / "f", passphrase=PASSPHRASE)
    hub = Store.in_memory()
    hub.save(Connection("openai", api_key="sk-made-up-another-00009999", label="work"))
    seen = hub.preview(tmp_path / "f", passphrase=PASSPHRASE)
    assert seen.offers[0].state == "same kind"
    with pytest.raises(AlreadyConnected):
        hub.take(seen, ["local", "openai"])
    with pytest.raises(UnknownConnection, match="opnai"):
        hub.take(seen, ["local", "opnai"])
    assert [each.label for each in hub] == ["work"]
    assert hub.take(seen, replace=True) == ("openai", "anthropic", "local")
    assert {each.label for each in hub} == {"openai", "anthropic", "local"}


def test_what_cannot_be_opened_says_why(laptop: Store, tmp_path: Path) -> None:
    file = tmp_path / "f"
    laptop.export(file, passphrase=PASSPHRASE)
    good = file.read_bytes()
    with pytest.raises(WrongPassphrase):
        laptop.preview(file, passphrase="wrong made-up one")
    with pytest.raises(StoreLocked, match="opens with a passphrase"):
        laptop.preview(file)
    file.write_bytes(good[:-1])
    with pytest.raises(DamagedStore):
        laptop.preview(file, passphrase=PASSPHRASE)
    file.write_bytes(age.encrypt_passphrase(memoryview(b"{}"), Secret(PASSPHRASE)))
    with pytest.raises(DamagedStore, match="no exported connections"):
        laptop.preview(file, passphrase=PASSPHRASE)
    file.write_bytes(b"plain")
    with pytest.raises(DamagedStore):
        laptop.preview(file)
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(FieldError, match="cannot be read"):
            laptop.preview(place)


@pytest.mark.parametrize(
    "data",
    [b"", b"a thesis", b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n", None],
    ids=["empty", "text", "armored", "not for us"],
)
def test_every_refusal_names_the_file_and_the_next_step(
    laptop: Store, tmp_path: Path, data: bytes | None
) -> None:
    other = age.encrypt(memoryview(b"{}"), [Identity.generate().recipient])
    (tmp_path / "f").write_bytes(other if data is None else data)
    with pytest.raises(StoreError, match=str(tmp_path / "f")) as caught:
        laptop.preview(tmp_path / "f")
    assert caught.value.hint


@pytest.mark.parametrize(
    "connections",
    ["abc", 7, [7], ["a"], [{}], [{"label": 5, "kind": "openai"}], [{"label": "a", "kind": []}]],
)
def test_what_a_stranger_made_up_is_refused_in_words(
    laptop: Store, tmp_path: Path, connections: object
) -> None:
    """Whoever knows the recipient can seal anything to it."""
    told = {"format": document.FORMAT, "schema": document.SCHEMA, "store_id": "a", "rev": 1,
            "recipients": [], "allowed": [], "denied": [], "connections": connections}  # fmt: skip
    us = Identity.generate()
    sealed = age.encrypt(memoryview(json.dumps(told).encode()), [us.recipient])
    (tmp_path / "f").write_bytes(sealed)
    with pytest.raises(DamagedStore, match="no exported connections"):
        laptop.preview(tmp_path / "f", identity=us.secret)


def test_an_export_that_finds_the_disk_full_leaves_nothing(
    laptop: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a file would say at the next try that it is there already."""
    recipient = Identity.generate().recipient

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="no space left"):
            laptop.export(tmp_path / "f", recipient=recipient)
    assert not (tmp_path / "f").exists()
    laptop.export(tmp_path / "f", recipient=recipient)


def test_what_cannot_be_exported_says_why(laptop: Store, tmp_path: Path) -> None:
    recipient = Identity.generate().recipient
    there = tmp_path / "there"
    there.write_text("a thesis")
    wrong = [
        ({}, FieldError, "exactly one"),
        ({"passphrase": PASSPHRASE, "recipient": recipient}, FieldError, "exactly one"),
        ({"passphrase": "short"}, FieldError, "12 characters"),
        ({"recipient": "age1nonsense"}, FieldError, "recipient"),
        ({"recipient": recipient}, StoreError, "there already"),
    ]
    for words, error, said in wrong:
        with pytest.raises(error, match=said):
            laptop.export(there, **words)  # type: ignore[arg-type]
    assert there.read_text() == "a thesis"
    with pytest.raises(StoreError, match="no such file"):
        laptop.export(tmp_path / "none" / "f", passphrase=PASSPHRASE)


def test_the_members_and_rules_stay_at_home(laptop: Store, tmp_path: Path) -> None:
    """An exported file names nobody else who can open the store."""
    hub = Identity.generate()
    laptop.export(tmp_path / "f", recipient=hub.recipient)
    inside = json.loads(bytes(age.decrypt((tmp_path / "f").read_bytes(), [hub])))
    assert [each["recipient"] for each in inside["recipients"]] == [hub.recipient]
    assert inside["vouchers"] == []


@pytest.mark.skipif(shutil.which("age") is None, reason="the age tool is not installed")
def test_the_age_tool_opens_an_export(laptop: Store, tmp_path: Path) -> None:
    hub, key = Identity.generate(), tmp_path / "key"
    key.touch(0o600)
    key.write_text(hub.secret.reveal() + "\n")
    laptop.export(tmp_path / "f", recipient=hub.recipient)
    done = subprocess.run(
        ["age", "-d", "-i", str(key), str(tmp_path / "f")], capture_output=True, check=True
    )
    assert json.loads(done.stdout)["connections"][0]["label"] == "openai"
    assert os.path.getsize(tmp_path / "f") < 8000
