"""Opening a store: recovery, another passphrase, another identity, idle time, runs."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import DamagedStore, FieldError, StoreError, StoreLocked, WrongPassphrase
from llmwidgets.secret import Secret
from llmwidgets.store import age, auto_lock, identity_sources, state, trust
from llmwidgets.store import file as store_file
from llmwidgets.store.age import Identity
from llmwidgets.store.state import state_of
from llmwidgets.store.store import Store
from tests.stores import in_another_process

OLD, NEW = "a made-up passphrase", "another made-up one"
KEY = "sk-made-up-0123456789abcdef"


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    identity_sources.forget_identity()
    yield
    identity_sources.forget_identity()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.create(path=tmp_path / "store", passphrase=OLD)
    made.save(Connection("openai", api_key=KEY))
    return made


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that shows what the test wrote last, in hours."""
    shown = [0.0]
    monkeypatch.setattr(auto_lock, "clock", lambda: shown[-1] * 3600)
    return shown


# The recovery identity


def test_a_recovery_identity_is_given_once(store: Store) -> None:
    recovery = store.take_recovery()
    assert recovery is not None
    assert recovery.reveal().startswith("AGE-SECRET-KEY-1")
    assert store.take_recovery() is None
    assert [each.name for each in store.members] == ["owner", "recovery"]


def test_no_recovery_for_a_store_of_a_key_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever keeps the key file keeps the copy of it; nothing is made that nobody reads."""
    monkeypatch.setenv(identity_sources.KEY, Identity.generate().secret.reveal())
    made = Store.create(path=tmp_path / "keyed")
    assert made.take_recovery() is None
    assert [each.name for each in made.members] == ["owner"]


def test_a_forgotten_passphrase_is_replaced_by_the_recovery_identity(store: Store) -> None:
    """It opens the store, a new passphrase is set, the old one opens nothing, nothing is lost."""
    recovery = store.take_recovery()
    assert recovery is not None
    other = in_another_process(store)
    other.unlock(identity=recovery)
    assert other.unlocked_by == "identity"
    assert other["openai"].tail == "cdef"
    other.save(Connection("anthropic", api_key="sk-ant-made-up-0123456789"))
    other.change_passphrase(new=NEW)
    third = in_another_process(store)
    with pytest.raises(WrongPassphrase):
        third.unlock(OLD)
    third.unlock(NEW)
    assert len(third) == 2
    again = in_another_process(store)
    again.unlock(identity=recovery)
    assert len(again) == 2


def test_recovery_works_on_a_computer_that_knows_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recovery = store.take_recovery()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    other = in_another_process(store)
    other.unlock(identity=recovery)
    assert other["openai"].tail == "cdef"


def test_an_identity_is_given_as_text_as_reference_or_by_another_store(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recovery = store.take_recovery()
    assert recovery is not None
    file = tmp_path / "key.txt"
    file.write_text(f"# created by age-keygen\n{recovery.reveal()}\n")
    monkeypatch.setenv("MADE_UP_IDENTITY", recovery.reveal())
    for given in (recovery.reveal(), f"file:{file}", "env:MADE_UP_IDENTITY"):
        other = in_another_process(store)
        other.unlock(identity=given)
        assert len(other) == 1
        third = in_another_process(store)
        third.unlock(identity=other)
        assert len(third) == 1
    with pytest.raises(FieldError, match="no line starts with"):
        in_another_process(store).unlock(identity=f"file:{tmp_path / 'none'}")
    with pytest.raises(FieldError, match="not an age identity"):
        in_another_process(store).unlock(identity="made-up-nonsense")
    with pytest.raises(StoreLocked, match="does not open with this identity"):
        in_another_process(store).unlock(identity=Identity.generate().secret)
    with pytest.raises(StoreLocked):
        in_another_process(store).unlock(identity=in_another_process(store))


# Another passphrase


def test_the_old_passphrase_is_verified_first(store: Store) -> None:
    file = store.path / "identity.age"  # type: ignore[operator]
    before = file.read_bytes()
    for old, new, error in [
        ("wrong made-up one", NEW, WrongPassphrase), (OLD, "short", FieldError),
        (None, NEW, FieldError),
    ]:  # fmt: skip
        with pytest.raises(error):
            store.change_passphrase(old, new)
        assert file.read_bytes() == before


def test_after_a_change_the_old_passphrase_opens_nothing_that_is_left(store: Store) -> None:
    """No backup of identity.age stays that it would open; the connections are not rewritten.

    Nor what a killed process left a moment ago, which the same passphrase would open.
    """
    before = (store.path / "connections.age").read_bytes()  # type: ignore[operator]
    left = store.path / ".identity.age.0a1b2c3d.tmp"  # type: ignore[operator]
    left.write_bytes((store.path / "identity.age").read_bytes())  # type: ignore[operator]
    store.change_passphrase(OLD, NEW)
    assert (store.path / "connections.age").read_bytes() == before  # type: ignore[operator]
    assert not list(store.path.glob("identity.age.bak*"))  # type: ignore[union-attr]
    assert not left.exists()
    other = in_another_process(store)
    with pytest.raises(WrongPassphrase):
        other.unlock(OLD)
    other.unlock(NEW)
    assert len(other) == 1


def test_a_new_file_that_does_not_open_takes_no_place(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new identity.age is opened before it replaces the old one."""
    seal = age.wrap_identity
    monkeypatch.setattr(
        age, "wrap_identity", lambda _identity, word: seal(Identity.generate(), word)
    )
    with pytest.raises(StoreError, match="did not open again"):
        store.change_passphrase(OLD, NEW)
    in_another_process(store).unlock(OLD)


def test_a_locked_store_takes_a_new_passphrase_with_the_old(store: Store) -> None:
    store.lock()
    store.change_passphrase(OLD, Secret(NEW))
    assert store.locked
    store.unlock(NEW)


def test_a_store_in_memory_has_no_passphrase() -> None:
    store = Store.in_memory()
    uses = [
        lambda: store.change_passphrase(OLD, NEW), lambda: store.new_identity(OLD),
        lambda: store.remember("keyring"), lambda: store.restore(),
        lambda: store.invite(Identity.generate().recipient, "Ann"), lambda: store.remove("Ann"),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(StoreError, match="in memory"):
            use()
    assert (store.members, store.backups(), store.remembered) == ((), (), ())


# Another identity


def test_a_new_identity_shuts_out_the_old(store: Store) -> None:
    """The old identity opens neither file nor backup; passphrase and recovery go on."""
    old = state_of(store.path).source.identity  # type: ignore[union-attr]
    recovery = store.take_recovery()
    store.new_identity(OLD)
    assert store.unlocked_by == "passphrase"
    assert not store.backups()
    with pytest.raises(StoreLocked):
        in_another_process(store).unlock(identity=old.secret)
    for way in ({"passphrase": OLD}, {"identity": recovery}):
        other = in_another_process(store)
        other.unlock(**way)  # type: ignore[arg-type]
        assert other["openai"].tail == "cdef"
        assert [each.name for each in other.members] == ["owner", "recovery"]


def test_a_new_identity_needs_the_passphrase_and_keeps_backups_on_request(store: Store) -> None:
    before = store.recipient
    with pytest.raises(WrongPassphrase):
        store.new_identity("wrong made-up one")
    assert store.recipient == before
    store.new_identity(OLD, purge_backups=False)
    assert store.recipient != before
    assert len(store.backups()) == 3


def test_a_process_with_the_old_identity_is_told_to_unlock_again(store: Store) -> None:
    """It saves nothing with it, says what may have happened, and goes on with the passphrase."""
    elsewhere = in_another_process(store)
    elsewhere.unlock(OLD)
    elsewhere.new_identity(OLD)
    before = (store.path / "connections.age").read_bytes()  # type: ignore[operator]
    for use in (lambda: list(store), lambda: store.save(Connection("gemini", api_key="made-up-1"))):
        with pytest.raises(DamagedStore, match="another identity: then unlock it again") as caught:
            use()
        assert type(caught.value) is DamagedStore
    assert (store.path / "connections.age").read_bytes() == before  # type: ignore[operator]
    store.unlock(OLD)
    assert len(store) == 1


@pytest.mark.parametrize("memory", ["kept", "lost"])
@pytest.mark.parametrize("step", range(3))
def test_a_crash_at_any_step_leaves_a_pair_that_opens(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: int, memory: str
) -> None:
    """The store is sealed to both identities while identity.age changes over."""

    class Crash(BaseException):
        pass

    put, steps = store_file.StoreFile.replace, []

    def crash(self: store_file.StoreFile, data: bytes) -> None:
        if len(steps) == step:
            raise Crash
        steps.append(self.path.name)
        put(self, data)

    with monkeypatch.context() as patched:
        patched.setattr(store_file.StoreFile, "replace", crash)
        with pytest.raises(Crash):
            store.new_identity(OLD)
    if memory == "lost":
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    other = in_another_process(store)
    other.unlock(OLD)
    assert other["openai"].tail == "cdef"
    other.new_identity(OLD)
    assert [each.name for each in other.members].count("recovery") == 1


# Idle time


def test_what_a_passphrase_opened_locks_after_an_idle_hour(
    store: Store, hours: list[float]
) -> None:
    store.lock()
    store.unlock(OLD)
    told: list[bool] = []
    store.observe(lambda: told.append(store.locked))
    hours.append(0.99)
    auto_lock.lock_idle()
    assert not store.locked
    assert len(store) == 1
    hours.append(1.98)  # used at 0.99
    auto_lock.lock_idle()
    assert not store.locked
    hours.append(2.0)
    auto_lock.lock_idle()
    assert store.locked
    assert told[-1:] == [True]
    with pytest.raises(StoreLocked, match="idle for 60 minutes"):
        list(store)
    store.unlock(OLD)
    assert len(store) == 1


def test_it_locks_at_the_next_use_if_nothing_looked_before(
    store: Store, hours: list[float]
) -> None:
    store.unlock(OLD)
    hours.append(1.1)
    with pytest.raises(StoreLocked):
        store["openai"]


@pytest.mark.parametrize(("minutes", "locked"), [(15, True), (60, False), (0, False)])
def test_the_idle_time_is_chosen_for_this_computer(
    store: Store, hours: list[float], minutes: int, locked: bool
) -> None:
    store.auto_lock = minutes
    assert in_another_process(store).auto_lock == minutes
    store.unlock(OLD)
    hours.append(0.5)
    auto_lock.lock_idle()
    assert store.locked is locked


def test_other_idle_times_are_refused(store: Store) -> None:
    assert store.auto_lock == 60
    with pytest.raises(FieldError, match="auto_lock"):
        store.auto_lock = 5


def test_a_run_keeps_the_store_open(store: Store, hours: list[float]) -> None:
    """Its own hold and that of any run; the idle time starts at their end."""
    for hold in (auto_lock.hold_open(), auto_lock.hold_open()):
        store.unlock(OLD)
        with hold:
            hours.append(hours[-1] + 5)
            auto_lock.lock_idle()
            assert not store.locked
        hours.append(hours[-1] + 0.9)
        auto_lock.lock_idle()
        assert not store.locked
        hours.append(hours[-1] + 0.2)
        auto_lock.lock_idle()
        assert store.locked


def test_a_key_file_never_locks_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: list[float]
) -> None:
    monkeypatch.setenv(identity_sources.KEY, Identity.generate().secret.reveal())
    made = Store.create(path=tmp_path / "keyed")
    hours.append(100)
    auto_lock.lock_idle()
    assert not made.locked
    assert len(made) == 0


def test_sleep_counts_as_idle() -> None:
    """Where the system has a clock that goes on while the computer sleeps, it is the one used."""
    import time

    if not hasattr(time, "CLOCK_BOOTTIME"):
        pytest.skip("this system has no clock that counts sleep")
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= auto_lock.clock() <= time.clock_gettime(time.CLOCK_BOOTTIME)


# An older file put back


def older_copy(store: Store) -> Path:
    copy = store.path.with_name("older")  # type: ignore[union-attr]
    shutil.copy(store.path / "connections.age", copy)  # type: ignore[operator]
    store.save(Connection("anthropic", api_key="sk-ant-made-up-0123456789"))
    return copy


def test_an_older_file_is_told_and_not_written(store: Store) -> None:
    """It is read, with a notice; nothing is saved in it until the user says so."""
    shutil.copy(older_copy(store), store.path / "connections.age")  # type: ignore[operator]
    for each in (store, in_another_process(store)):
        each.unlock(OLD)
        assert len(each) == 1
        assert "older than this computer saw it" in each.notice
        with pytest.raises(StoreError, match="older than this computer") as caught:
            each.allow("openai", "gpt-made-up")
        assert "accept_rollback" in caught.value.hint
    store.accept_rollback()
    assert store.notice == ""
    store.allow("openai", "gpt-made-up")
    other = in_another_process(store)
    other.unlock(OLD)
    assert other.notice == ""


def test_a_computer_that_knows_nothing_cannot_tell(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The limit that the documentation states: without the memory an old file is a file."""
    shutil.copy(older_copy(store), store.path / "connections.age")  # type: ignore[operator]
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    other = in_another_process(store)
    other.unlock(OLD)
    assert other.notice == ""


def test_the_memory_holds_no_secret_and_no_label(store: Store) -> None:
    texts = [path.read_text() for path in Path(trust.memory_folder()).iterdir()]
    identity = state_of(store.path).source.identity  # type: ignore[union-attr]
    assert len(texts) == 2
    assert any(identity.recipient in text for text in texts)  # the search finds what is there
    secrets = [KEY, OLD, identity.secret.reveal(), "openai"]
    assert [word for word in secrets for text in texts if word in text] == []
    assert {path.stat().st_mode & 0o777 for path in Path(trust.memory_folder()).iterdir()} == {
        0o600
    }


def test_a_memory_that_is_broken_or_cannot_be_written_stops_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for path in Path(trust.memory_folder()).iterdir():
        path.write_text('{"revision": "many", "writers": 7}')
    other = in_another_process(store)
    other.unlock(OLD)
    other.allow("openai", "gpt-made-up")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file" / "below"))
    other.allow("openai", "gpt-other")
    assert len(opened_elsewhere(store)) == 1


def opened_elsewhere(store: Store) -> Store:
    other = in_another_process(store)
    other.unlock(OLD)
    return other


# Backups


def test_backups_are_listed_with_date_and_count(store: Store) -> None:
    store.save(Connection("anthropic", api_key="sk-ant-made-up-0123456789"))
    counts = [each.connections for each in store.backups()]
    assert counts == [1, 0]
    assert "1 connection" in str(store.backups()[0])
    store.lock()
    assert [each.connections for each in store.backups()] == [None, None]


def test_a_restored_backup_is_a_new_revision_and_the_current_is_kept(store: Store) -> None:
    store.save(Connection("anthropic", api_key="sk-ant-made-up-0123456789"))
    revision = state_of(store.path).document.revision  # type: ignore[union-attr]
    done = store.restore()
    assert done.connections == 1
    assert [each.label for each in store] == ["openai"]
    assert state_of(store.path).document.revision == revision + 1  # type: ignore[union-attr]
    assert store.backups()[0].connections == 2
    assert store.notice == ""
    store.restore(store.backups()[0])
    assert len(store) == 2


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_store_is_restored_with_its_passphrase(store: Store, damage: str) -> None:
    """DamagedStore names the way, `restore` goes it, and the damaged file is kept."""
    store.save(Connection("anthropic", api_key="sk-ant-made-up-0123456789"))
    file = store.path / "connections.age"  # type: ignore[operator]
    bad = file.read_bytes()[:-1]
    file.unlink() if damage == "gone" else file.write_bytes(bad)
    other = in_another_process(store)
    with pytest.raises(DamagedStore) as caught:
        other.unlock(OLD)
    assert "store.restore()" in caught.value.hint
    with pytest.raises(StoreLocked):
        other.restore()
    with pytest.raises(WrongPassphrase):
        other.restore(passphrase="wrong made-up one")
    assert other.restore(passphrase=OLD).connections == 1
    assert [each.label for each in other] == ["openai"]
    if damage == "cut":
        assert (store.path / "connections.age.bak1").read_bytes() == bad  # type: ignore[operator]


@pytest.mark.parametrize("name", ["connections.age", "connections.age.bak1"])
def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(store: Store, name: str) -> None:
    store.save(Connection("anthropic", api_key="sk-ant-made-up-0123456789"))
    pipe = store.path / name  # type: ignore[operator]
    pipe.unlink()
    os.mkfifo(pipe, 0o600)
    other, restored = in_another_process(store), list[int | None]()

    def restore() -> None:
        restored.append(other.restore(passphrase=OLD).connections)

    thread = threading.Thread(target=restore, daemon=True)
    thread.start()
    thread.join(30)
    assert restored == [1 if name == "connections.age" else 0]


def test_restoring_brings_no_removed_member_back(store: Store) -> None:
    store.invite(Identity.generate().recipient, "Ann")
    store.save(Connection("anthropic", api_key="sk-ant-made-up-0123456789"))
    store.remove("Ann")
    done = store.restore()
    assert done.connections == 2
    assert [each.name for each in store.members] == ["owner", "recovery"]


def test_a_backup_of_another_identity_is_refused(store: Store) -> None:
    store.new_identity(OLD, purge_backups=False)
    oldest = store.backups()[-1]
    assert oldest.connections is None
    with pytest.raises(StoreError, match="does not open with the store's identity"):
        store.restore(oldest)


def test_organizations_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert state.organizations() == ()
    for name in ("b research", "Acme"):
        Store.create(name, passphrase=OLD)
    (Path(os.environ["XDG_CONFIG_HOME"]) / "llmwidgets" / "empty").mkdir()
    assert state.organizations() == ("Acme", "b research")
