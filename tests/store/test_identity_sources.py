"""Unlocking: which source gives the identity, what is refused, and that nothing ever asks."""

from __future__ import annotations

import builtins
import getpass
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import FieldError, StoreError, StoreLocked, WrongPassphrase
from llmwidgets.secret import Secret
from llmwidgets.store import identity_sources
from llmwidgets.store.age import Identity
from llmwidgets.store.state import Status, state_of
from llmwidgets.store.store import Store

PASSPHRASE = "a made-up passphrase"
IDENTITY = Identity.generate()


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test starts without an identity; any question at a prompt fails it."""

    def asked(*_words: object) -> str:
        message = "something asked at a prompt"
        raise AssertionError(message)

    monkeypatch.setattr(builtins, "input", asked)
    monkeypatch.setattr(getpass, "getpass", asked)
    identity_sources.forget_identity()
    yield
    identity_sources.forget_identity()


@pytest.fixture
def keyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a store made by the variable, locked again."""
    monkeypatch.setenv(identity_sources.KEY, IDENTITY.secret.reveal())
    store = Store.create(path=tmp_path / "keyed")
    store.save(Connection("custom", name="m", endpoint="http://localhost:1/v1"))
    store.lock()
    state_of(store.path).status = Status.LOCKED
    return tmp_path / "keyed"


def key_file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.touch(0o600)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_variable_opens_and_is_removed(keyed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read once, so that no child process inherits it."""
    monkeypatch.setenv(identity_sources.KEY, IDENTITY.secret.reveal())
    store = Store(path=keyed)
    assert [each.label for each in store] == ["m"]
    assert store.unlocked_by == identity_sources.KEY
    assert identity_sources.KEY not in os.environ


def test_the_key_file_comes_before_the_variable(
    keyed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"# created by age-keygen\n{IDENTITY.secret.reveal()}\n"
    monkeypatch.setenv(identity_sources.KEY_FILE, str(key_file(tmp_path / "key", text)))
    monkeypatch.setenv(identity_sources.KEY, IDENTITY.secret.reveal())
    store = Store(path=keyed)
    store.unlock()
    assert store.unlocked_by == identity_sources.KEY_FILE
    assert identity_sources.KEY in os.environ


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o700])
def test_a_key_file_that_others_reach_is_refused(
    keyed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    file = key_file(tmp_path / "key", IDENTITY.secret.reveal(), mode)
    monkeypatch.setenv(identity_sources.KEY_FILE, str(file))
    with pytest.raises(StoreError, match=f"mode {mode:04o}"):
        Store(path=keyed).unlock()


def test_a_mounted_secret_is_taken_when_that_is_said(
    keyed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker and Kubernetes mount it as root's, 0444: refused with the word that lets it in."""
    if os.getuid() != 0:
        pytest.skip("only root can make a file of root's")
    file = key_file(tmp_path / "key", IDENTITY.secret.reveal(), 0o444)
    monkeypatch.setenv(identity_sources.KEY_FILE, str(file))
    with pytest.raises(StoreError, match="mode 0444") as refused:
        Store(path=keyed).unlock()
    assert f"{identity_sources.MOUNTED}=1" in refused.value.hint
    monkeypatch.setenv(identity_sources.MOUNTED, "1")
    file.chmod(0o446)
    with pytest.raises(StoreError, match="mode 0446"):
        Store(path=keyed).unlock()
    os.chown(file, 65534, 65534)
    file.chmod(0o444)
    with pytest.raises(StoreError, match="another user"):
        Store(path=keyed).unlock()
    os.chown(file, 0, 0)
    store = Store(path=keyed)
    store.unlock()
    assert store.unlocked_by == identity_sources.KEY_FILE


def test_a_key_file_of_another_user_is_refused(
    keyed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a file to another user")
    file = key_file(tmp_path / "key", IDENTITY.secret.reveal())
    os.chown(file, 65534, 65534)
    monkeypatch.setenv(identity_sources.KEY_FILE, str(file))
    with pytest.raises(StoreError, match="belongs to another user"):
        Store(path=keyed).unlock()


def test_what_is_no_key_file_is_refused(
    keyed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder, a pipe, a missing file, a text without and with two identities."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    two = IDENTITY.secret.reveal() + "\n" + Identity.generate().secret.reveal()
    places = [
        (tmp_path, "not a regular file"),
        (tmp_path / "pipe", "not a regular file"),
        (tmp_path / "none", "no such file"),
        (key_file(tmp_path / "text", "made-up"), "contains no line"),
        (key_file(tmp_path / "two", two), "contains no line"),
    ]
    for place, said in places:
        monkeypatch.setenv(identity_sources.KEY_FILE, str(place))
        with pytest.raises(StoreError, match=said):
            Store(path=keyed).unlock()


def test_a_store_that_the_surroundings_open_is_not_locked(
    keyed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no panel asks for a passphrase that nobody needs; a useless key leaves it locked."""
    store = Store(path=keyed)
    assert store.locked
    wrong = key_file(tmp_path / "wrong", Identity.generate().secret.reveal())
    monkeypatch.setenv(identity_sources.KEY_FILE, str(wrong))
    assert store.locked
    right = key_file(tmp_path / "right", IDENTITY.secret.reveal())
    monkeypatch.setenv(identity_sources.KEY_FILE, str(right))
    assert not store.locked
    assert store.unlocked_by == identity_sources.KEY_FILE


def test_a_variable_without_an_identity_is_said(
    keyed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(identity_sources.KEY, "made-up-nonsense-0001")
    with pytest.raises(StoreError, match="contains no age identity") as caught:
        Store(path=keyed).unlock()
    assert "nonsense" not in str(caught.value)
    assert identity_sources.KEY not in os.environ


def test_an_identity_of_another_store_is_said(keyed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(identity_sources.KEY, Identity.generate().secret.reveal())
    with pytest.raises(
        StoreLocked, match="does not open with the identity in LLMWIDGETS_STORE_KEY"
    ):
        list(Store(path=keyed))


def test_nothing_to_unlock_with_names_the_ways_out(keyed: Path) -> None:
    identity_sources.forget_identity()
    store = Store(path=keyed)
    for use in (store.unlock, lambda: list(store), lambda: store["m"], lambda: "m" in store):
        with pytest.raises(StoreLocked) as caught:
            use()
        for remedy in (
            "ConnectionPanel",
            "store.unlock(",
            identity_sources.KEY_FILE,
            identity_sources.KEY,
        ):
            assert remedy in caught.value.hint


def test_a_store_without_a_passphrase_says_so(keyed: Path) -> None:
    with pytest.raises(StoreLocked, match=r"no identity\.age"):
        Store(path=keyed).unlock(PASSPHRASE)


def test_create_without_a_passphrase_never_asks(tmp_path: Path) -> None:
    with pytest.raises(StoreLocked, match="needs a passphrase") as caught:
        Store.create(path=tmp_path / "s")
    assert "ConnectionPanel" in caught.value.hint
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("short", ["", "eleven char", Secret("short")])
def test_a_short_passphrase_is_a_field_error(tmp_path: Path, short: str | Secret) -> None:
    with pytest.raises(FieldError, match="12 characters"):
        Store.create(path=tmp_path / "s", passphrase=short)
    assert not (tmp_path / "s").exists()


def test_passphrase_shared_by_all_stores_of_the_process(tmp_path: Path) -> None:
    """One unlock counts for every Store of the folder, one lock closes them all."""
    folder = tmp_path / "s"
    first = Store.create(path=folder, passphrase=PASSPHRASE)
    first.save(Connection("openai", api_key="sk-made-up-0123456789abcdef"))
    (tmp_path / "link").symlink_to(folder)
    second = Store(path=tmp_path / "link")
    assert (first.locked, second.locked, second.unlocked_by) == (False, False, "passphrase")
    second.lock()
    assert first.locked
    with pytest.raises(WrongPassphrase):
        first.unlock("another made-up one")
    assert first.locked
    first.unlock(Secret(PASSPHRASE))
    assert second["openai"].tail == "cdef"


def test_locked_by_hand_stays_locked(
    keyed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key file does not open by itself what the user has just locked; `unlock` does."""
    file = key_file(tmp_path / "key", IDENTITY.secret.reveal())
    monkeypatch.setenv(identity_sources.KEY_FILE, str(file))
    store = Store(path=keyed)
    assert len(store) == 1
    store.lock()
    with pytest.raises(StoreLocked):
        list(store)
    store.unlock()
    assert len(store) == 1


def test_lock_forgets_the_identity_of_the_variable(
    keyed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(identity_sources.KEY, IDENTITY.secret.reveal())
    store = Store(path=keyed)
    store.unlock()
    store.lock()
    with pytest.raises(StoreLocked):
        store.unlock()


def test_a_fork_forgets_the_identity(keyed: Path) -> None:
    """The child of a fork is locked, while the parent stays open."""
    code = """
import os, sys
from llmwidgets.store.store import Store
from llmwidgets.errors import StoreLocked
store = Store(path=sys.argv[1])
store.unlock()
child = os.fork()
if not child:
    try:
        list(store)
    except StoreLocked:
        os._exit(7 if store.locked else 1)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert len(store) == 1
"""
    subprocess.run(
        [sys.executable, "-c", code, str(keyed)],
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, identity_sources.KEY: IDENTITY.secret.reveal()},
    )
