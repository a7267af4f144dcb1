"""Remembered identities: until this server stops, and in the system keyring; never elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import FieldError, StoreError, StoreLocked
from llmwidgets.secret import Secret
from llmwidgets.store import identity_sources
from llmwidgets.store.age import Identity
from llmwidgets.store.state import state_of
from llmwidgets.store.store import Store
from tests.stores import in_another_process

PASSPHRASE = "a made-up passphrase"
OTHER = "another made-up one"


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    identity_sources.forget_identity()
    yield
    identity_sources.forget_identity()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.create(path=tmp_path / "store", passphrase=PASSPHRASE)
    made.save(Connection("openai", api_key="sk-made-up-0123456789abcdef"))
    return made


# Until this server stops


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A Jupyter server, which is this process, and a folder that counts as memory."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("this system has no /proc, so nothing can be bound to a server")
    memory = tmp_path / "memory"
    memory.mkdir(0o700)
    monkeypatch.setenv("JPY_PARENT_PID", str(os.getpid()))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(memory))
    monkeypatch.setattr(identity_sources, "_in_memory", lambda folder: folder == memory)
    return memory / "llmwidgets"


def test_until_this_server_stops(store: Store, server: Path) -> None:
    """Another kernel of the server needs no passphrase; the file is 0600 in a folder 0700."""
    store.remember("server")
    (file,) = server.iterdir()
    assert [each.stat().st_mode & 0o777 for each in (server, file)] == [0o700, 0o600]
    other = in_another_process(store)
    assert not other.locked
    assert other.unlocked_by == "this server"
    assert other["openai"].tail == "cdef"
    assert other.remembered == ("server",)
    other.forget("server")
    assert list(server.iterdir()) == []
    assert in_another_process(store).locked


def test_another_server_does_not_get_it(
    store: Store, server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that has got the same number: the start of the process counts; then it is gone."""
    store.remember("server")
    now = identity_sources._server()
    assert now is not None
    monkeypatch.setattr(identity_sources, "_server", lambda: now + "1")
    other = in_another_process(store)
    assert other.locked
    with pytest.raises(StoreLocked):
        list(other)
    assert list(server.iterdir()) == []


def test_without_a_server_or_memory_it_is_refused(
    store: Store, server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written to a disk in clear, and nothing else is used in its place."""
    monkeypatch.setattr(identity_sources, "_in_memory", lambda _folder: False)
    with pytest.raises(StoreError, match="no folder in memory"):
        store.remember("server")
    monkeypatch.delenv("JPY_PARENT_PID")
    with pytest.raises(StoreError, match="No Jupyter server"):
        store.remember("server")
    assert store.remembered == ()
    assert not server.exists()


@pytest.mark.parametrize("wrong", ["mode", "link", "text", "other identity"])
def test_a_file_that_is_not_as_it_was_written_is_not_used(
    store: Store, server: Path, tmp_path: Path, wrong: str
) -> None:
    store.remember("server")
    (file,) = server.iterdir()
    if wrong == "mode":
        file.chmod(0o644)
    elif wrong == "link":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    elif wrong == "text":
        file.write_text("nonsense\n")
    else:
        identity_sources.remember_on_server(store.path, Identity.generate())  # type: ignore[arg-type]
    other = in_another_process(store)
    assert other.locked
    other.unlock(PASSPHRASE)
    assert other.unlocked_by == "passphrase"


def test_real_memory_is_told_from_a_disk(tmp_path: Path) -> None:
    mounts = Path("/proc/self/mountinfo")
    if not mounts.exists() or " /dev/shm " not in mounts.read_text():
        pytest.skip("this system has no /dev/shm")
    assert identity_sources._in_memory(Path("/dev/shm"))
    assert not identity_sources._in_memory(Path("/proc"))
    assert not identity_sources._in_memory(tmp_path / "none")


def test_locking_by_hand_holds_until_it_is_unlocked(store: Store, server: Path) -> None:
    store.remember("server")
    store.lock()
    assert store.locked
    store.unlock()
    assert store.unlocked_by == "this server"


def test_a_new_identity_is_remembered_in_place_of_the_old(store: Store, server: Path) -> None:
    store.remember("server")
    store.new_identity(PASSPHRASE)
    other = in_another_process(store)
    assert len(other) == 1
    assert other.unlocked_by == "this server"


# The system keyring


class Safe:
    """A keyring that keeps what it is given, as the real ones do."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def set_password(self, service: str, user: str, text: str) -> None:
        self.kept[service, user] = text

    def get_password(self, service: str, user: str) -> str | None:
        return self.kept.get((service, user))

    def delete_password(self, service: str, user: str) -> None:
        if (service, user) not in self.kept:
            raise type("PasswordDeleteError", (Exception,), {})
        del self.kept[service, user]


def named(kind: type, module: str) -> type:
    return type(kind.__name__, (kind,), {"__module__": f"keyring.backends.{module}"})


@pytest.fixture
def safe(monkeypatch: pytest.MonkeyPatch) -> Safe:
    """The keyring of this computer, of a kind that is allowed."""
    return chosen(monkeypatch, named(Safe, "SecretService")())


def chosen(monkeypatch: pytest.MonkeyPatch, back_end: Safe) -> Safe:
    module = types.ModuleType("keyring")
    module.get_keyring = lambda: back_end  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)
    return back_end


def test_the_system_keyring_opens_the_store(store: Store, safe: Safe) -> None:
    """It holds the identity alone; on request it is forgotten there."""
    assert in_another_process(store).locked
    assert safe.kept == {}
    store.remember("keyring")
    (held,) = safe.kept.values()
    assert len(held) == 74
    other = in_another_process(store)
    assert other["openai"].tail == "cdef"
    assert other.unlocked_by == "system keyring"
    other.forget("keyring")
    assert safe.kept == {}
    assert in_another_process(store).locked
    other.forget("keyring")


def test_nobody_asks_the_keyring_unless_told_to(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opt-in: a store that was not remembered never loads the package."""

    def asked(*_: object) -> None:
        message = "the keyring was asked"
        raise AssertionError(message)

    monkeypatch.setattr(identity_sources, "_back_end", asked)
    assert in_another_process(store).locked


@pytest.mark.parametrize("module", ["fail", "null", "chainer"])
def test_other_back_ends_are_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """None, one that forgets, and a chain whose members may write a plain file."""
    back_end = chosen(monkeypatch, named(Safe, module)())
    with pytest.raises(StoreError, match="No system keyring that encrypts"):
        store.remember("keyring")
    assert back_end.kept == {}
    assert store.remembered == ()


def test_a_chain_gives_its_allowed_member(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, good = named(Safe, "alt.file")(), named(Safe, "macOS")()
    chain = named(Safe, "chainer")()
    chain.backends = [plain, good]
    chosen(monkeypatch, chain)
    store.remember("keyring")
    assert (len(plain.kept), len(good.kept), len(chain.kept)) == (0, 1, 0)
    assert identity_sources.back_end_name() == "the macOS keychain"


def test_what_does_not_come_back_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(Safe):
        def get_password(self, service: str, user: str) -> str | None:
            return None

    chosen(monkeypatch, named(Forgetful, "kwallet")())
    with pytest.raises(StoreError, match="did not come back"):
        store.remember("keyring")
    assert store.remembered == ()


def test_the_package_is_an_extra(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(StoreError, match="not installed") as caught:
        store.remember("keyring")
    assert "pip install keyring" in caught.value.hint


def test_a_silent_keyring_is_told_once_and_the_passphrase_still_opens(
    store: Store, safe: Safe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of its time, no second wait in the session, and never a silent other way."""
    store.remember("keyring")
    release, asked = threading.Event(), []

    def hang(*_: object) -> None:
        asked.append(1)
        release.wait(20)

    monkeypatch.setattr(type(safe), "get_password", hang)
    monkeypatch.setattr(identity_sources, "SECONDS", 0.1)
    other = in_another_process(store)
    try:
        assert other.locked
        assert other.locked
        assert "did not answer" in other.notice
        assert asked == [1]
        other.unlock(PASSPHRASE)
        assert len(other) == 1
    finally:
        release.set()


def test_a_refusing_keyring_shows_nothing_of_what_it_was_given(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its error can repeat the text; only the kind of error is said, and no frame holds it."""
    import traceback

    class Refusing(Safe):
        def set_password(self, service: str, user: str, text: str) -> None:
            raise RuntimeError(f"cannot keep {text}")

    chosen(monkeypatch, named(Refusing, "SecretService")())
    with pytest.raises(StoreError, match="refuses: RuntimeError") as caught:
        store.remember("keyring")
    identity = state_of(store.path).source.identity  # type: ignore[union-attr]
    told = traceback.TracebackException(
        type(caught.value), caught.value, caught.tb, capture_locals=True
    )
    assert identity.recipient in "".join(told.format())  # the search finds what is shown
    assert identity.secret.reveal() not in "".join(told.format())
    assert caught.value.__context__ is None


def test_a_real_keyring_without_a_desktop_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package itself, where no back end is at hand: refused, and nothing asks."""
    real = pytest.importorskip("keyring")
    monkeypatch.setattr(real, "get_keyring", lambda: real.backends.fail.Keyring())
    with pytest.raises(StoreError, match="No system keyring that encrypts"):
        store.remember("keyring")


# The order


def test_the_order_of_the_sources(
    store: Store, server: Path, safe: Safe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given → key file → variable → this process → this server → keyring → passphrase."""
    recovery = store.take_recovery()
    assert recovery is not None
    spelled = state_of(store.path).source.identity.secret  # type: ignore[union-attr]
    store.remember("keyring")
    store.remember("server")
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_text(spelled.reveal())

    def opened(**how: Secret) -> str | None:
        other = in_another_process(store)
        other.unlock(**how)
        return other.unlocked_by

    seen = []
    monkeypatch.setenv(identity_sources.KEY_FILE, str(file))
    monkeypatch.setenv(identity_sources.KEY, spelled.reveal())
    seen.append(opened(identity=recovery))
    seen.append(opened())
    monkeypatch.delenv(identity_sources.KEY_FILE)
    seen.append(opened())
    identity_sources.forget_identity()
    seen.append(store.unlocked_by)
    seen.append(opened())
    store.forget("server")
    seen.append(opened())
    store.forget("keyring")
    seen.append(opened(passphrase=Secret(PASSPHRASE)))
    assert seen == [
        "identity", identity_sources.KEY_FILE, identity_sources.KEY, "passphrase", "this server",
        "system keyring",
        "passphrase",
    ]  # fmt: skip
    with pytest.raises(StoreLocked):
        opened()


def test_only_the_two_places_exist(store: Store) -> None:
    for use in (store.remember, store.forget):
        with pytest.raises(FieldError, match='"keyring" or "server"'):
            use("disk")
