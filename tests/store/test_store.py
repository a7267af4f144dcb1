"""The store: what it keeps and refuses, for whom, and that nothing is ever lost or plain."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmwidgets.connections.connection import Connection
from llmwidgets.connections.discovery import environment_connections
from llmwidgets.errors import (
    AlreadyConnected,
    DamagedStore,
    FieldError,
    NewerStore,
    PolicyError,
    StoreError,
    StoreLocked,
    UnknownConnection,
    WrongPassphrase,
)
from llmwidgets.secret import Secret
from llmwidgets.store import age as sealing
from llmwidgets.store import document, identity_sources, repository
from llmwidgets.store.age import Identity
from llmwidgets.store.document import (
    Recipient,
    StoreDocument,
    UnreadableConnection,
    connection_from_json,
)
from llmwidgets.store.state import state_of
from llmwidgets.store.store import Store
from tests.stores import SHIPPED_WORK_FACTOR, in_another_process

CANARY = "sk-made-up-canary-5b1e0f7a9c"
PASSPHRASE = "a made-up passphrase 42"
IDENTITY = Identity.generate()
SEALED = "connections.age"


def openai(key: str = CANARY, **fields: Any) -> Connection:
    return Connection("openai", api_key=key, **fields)


def custom(label: str = "laptop") -> Connection:
    return Connection("custom", name="llama3.2", endpoint="http://localhost:1/v1", label=label)


def labels(store: Store) -> list[str]:
    return [connection.label for connection in store]


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """Each test starts without an identity."""
    identity_sources.forget_identity()
    yield
    identity_sources.forget_identity()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An unlocked store on disk, made by the variable: it spares the passphrase's cost."""
    monkeypatch.setenv(identity_sources.KEY, IDENTITY.secret.reveal())
    return Store.create(path=tmp_path / "store")


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue("disk") if request.param == "disk" else Store.in_memory()


def elsewhere(store: Store) -> Store:
    """The same folder as another process sees it that has opened it too."""
    return in_another_process(store, unlocked=True)


def sealed_file(store: Store) -> Path:
    assert store.path is not None
    return store.path / SEALED


def opened_json(store: Store) -> dict[str, Any]:
    plain = sealing.decrypt(sealed_file(store).read_bytes(), [IDENTITY])
    return json.loads(bytes(plain))


# What it keeps


def test_save_list_get_delete(store: Store) -> None:
    store.save(openai())
    store.save(custom())
    assert labels(store) == ["openai", "laptop"]
    assert store["openai"].secret_fields["api_key"].reveal() == CANARY
    assert store["openai"].origin == "store"
    assert store["openai"].saved_at is not None
    assert "laptop" in store
    assert len(store) == 2
    del store["laptop"]
    assert labels(store) == ["openai"]
    assert "laptop" not in store


def test_another_process_sees_what_was_saved(disk: Store) -> None:
    other = elsewhere(disk)
    disk.save(openai(headers={"X-Team": "made-up-team-token"}))
    assert labels(other) == ["openai"]
    assert other["openai"].fields.headers["X-Team"].reveal() == "made-up-team-token"
    other.save(custom())
    assert labels(disk) == ["openai", "laptop"]


def test_a_single_kind_exists_once(store: Store) -> None:
    """A second OpenAI is AlreadyConnected under any label; replace=True puts it in its place."""
    store.save(openai())
    store.save(custom())
    for second in (openai("sk-made-up-another-00009999"), openai(label="work")):
        with pytest.raises(AlreadyConnected, match="OpenAI is connected already, as openai"):
            store.save(second)
    store.save(openai("sk-made-up-another-00009999", label="work"), replace=True)
    assert labels(store) == ["work", "laptop"]
    assert store["work"].tail == "9999"


def test_other_kinds_exist_once_a_label(store: Store) -> None:
    store.save(custom())
    store.save(custom("office"))
    with pytest.raises(AlreadyConnected, match="laptop"):
        store.save(custom())
    store.save(custom(), replace=True)
    assert labels(store) == ["laptop", "office"]


def test_replacing_never_takes_two_connections_away(store: Store) -> None:
    store.save(openai())
    store.save(custom("work"))
    with pytest.raises(AlreadyConnected, match="label of another"):
        store.save(openai(label="work"), replace=True)
    assert labels(store) == ["openai", "work"]


def test_rename_moves_the_rules_and_not_the_model(store: Store) -> None:
    store.save(custom())
    store.save(openai())
    store.allow("openai", "gpt-made-up")
    store.rename("openai", " work ")
    store.rename("laptop", "office")
    assert labels(store) == ["office", "work"]
    assert store["office"].models == ("llama3.2",)
    store.policy.permit(store["work"], "gpt-made-up")
    with pytest.raises(AlreadyConnected):
        store.rename("work", "office")
    with pytest.raises(FieldError):
        store.rename("work", "  ")
    with pytest.raises(UnknownConnection):
        store.rename("nobody", "x")


def test_an_unknown_label_names_the_nearest(store: Store) -> None:
    store.save(openai())
    for use in (lambda: store["opnai"], lambda: store.allow("opnai", "m")):
        with pytest.raises(UnknownConnection) as caught:
            use()
        assert "openai" in caught.value.hint
    with pytest.raises(UnknownConnection):
        del store["opnai"]


def test_rules_of_the_organization(store: Store) -> None:
    """An addition is allowed, a denial is refused, and the last word counts."""
    store.save(openai())
    model = "gpt-made-up"
    with pytest.raises(PolicyError):
        store.policy.permit(store["openai"], model)
    store.allow("openai", model)
    store.policy.permit(store["openai"], model)
    store.deny("openai", model)
    with pytest.raises(PolicyError):
        store.policy.permit(store["openai"], model)
    store.allow("openai", model)
    store.policy.permit(store["openai"], model)


def test_rules_are_sealed_with_the_connections(disk: Store) -> None:
    disk.save(openai())
    disk.allow("openai", "gpt-made-up")
    disk.deny("openai", "gpt-other")
    assert opened_json(disk)["allowed"] == [["openai", "gpt-made-up"]]
    assert elsewhere(disk).policy.denials == (("openai", "gpt-other"),)


def test_a_reference_is_kept_as_a_reference(disk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP_KEY", CANARY)
    disk.save(openai("env:MADE_UP_KEY"))
    assert CANARY not in json.dumps(opened_json(disk))
    other = elsewhere(disk)
    assert other["openai"].secret_fields["api_key"].reference == "env:MADE_UP_KEY"
    assert other["openai"].tail == CANARY[-4:]


def test_observers_hear_every_change_until_they_leave(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []

    def broken() -> None:
        raise RuntimeError

    store.observe(broken)
    leave = store.observe(lambda: heard.append(len(heard)))
    store.save(openai())
    store.allow("openai", "m")
    store.add_for_session(custom())
    store.rename("laptop", "office")
    del store["office"]
    assert heard == [0, 1, 2, 3, 4]
    assert "observer" in caplog.text
    leave()
    leave()
    store.deny("openai", "m")
    assert len(heard) == 5


def test_threads_lose_nothing(store: Store) -> None:
    def save(number: int) -> None:
        for turn in range(10):
            store.save(custom(f"{number} {turn}"))

    threads = [threading.Thread(target=save, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store) == 40


def test_a_store_in_memory_touches_no_disk(tmp_path: Path) -> None:
    store = Store.in_memory()
    before = sorted(tmp_path.rglob("*"))
    store.save(openai())
    store.lock()
    store.unlock("whatever it may be")
    assert labels(store) == ["openai"]
    assert (store.path, store.locked, store.exists, store.read_only) == (None, False, True, False)
    assert "memory only" in store.notice
    assert sorted(tmp_path.rglob("*")) == before
    assert labels(Store.in_memory()) == []


def test_a_store_in_memory_needs_no_cipher() -> None:
    """What seals and locks files is loaded by the first store on disk, not by the name Store."""
    code = (
        "import sys; from llmwidgets.store.store import Store; Store.in_memory();"
        "sys.exit(any(name in sys.modules for name in ('cryptography', 'filelock')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


# For this session


def test_a_session_connection_needs_no_store(tmp_path: Path) -> None:
    store = Store(path=tmp_path / "none")
    store.add_for_session(openai())
    assert labels(Store(path=tmp_path / "none")) == ["openai"]
    assert store["openai"].origin == "session"
    assert not (tmp_path / "none").exists()
    store.rename("openai", "work")
    assert labels(store) == ["work"]
    del store["work"]
    assert labels(store) == []


def test_a_session_connection_works_while_locked(disk: Store) -> None:
    disk.save(openai())
    disk.lock()
    disk.add_for_session(custom())
    assert disk["laptop"].origin == "session"
    assert "laptop" in disk
    assert [each.label for each in disk.for_session] == ["laptop"]
    with pytest.raises(StoreLocked):
        list(disk)


def test_a_session_connection_stands_before_a_saved_one(store: Store) -> None:
    store.save(openai())
    store.save(custom())
    store.add_for_session(openai("sk-made-up-session-00007777"))
    assert labels(store) == ["laptop", "openai"]
    assert store["openai"].tail == "7777"
    del store["openai"]
    assert store["openai"].tail == CANARY[-4:]
    store.add_for_session(custom())
    store.save(custom(), replace=True)
    assert store.for_session == []


def test_connections_of_the_environment_are_read_only(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    (found,) = environment_connections()
    for use in (lambda: store.rename("openai", "work"), lambda: store.__delitem__("openai")):
        with pytest.raises(StoreError, match="comes from the environment"):
            use()
    with pytest.raises(StoreError, match="comes from the environment"):
        store.save(found)
    store.allow("openai", "gpt-made-up")
    store.policy.permit(found, "gpt-made-up")


# Where it lies, and whether it is there


def test_the_default_folder_and_its_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """config/llmwidgets/organization, 0700, files 0600, whatever the umask."""
    before = os.umask(0)
    try:
        monkeypatch.setenv(identity_sources.KEY, IDENTITY.secret.reveal())
        store = Store.create("Acme Research")
        store.save(openai())
        store.save(custom())
    finally:
        os.umask(before)
    assert store.path == Path(os.environ["XDG_CONFIG_HOME"]) / "llmwidgets" / "Acme Research"
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in store.path.iterdir()} == {0o600}
    assert store.organization == "Acme Research"
    assert store.policy.organization == "Acme Research"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", "/etc", ".hidden", "end.", " a", "a\n", "x" * 65]
)
def test_organizations_are_names_and_no_paths(name: str) -> None:
    with pytest.raises(FieldError, match="organization"):
        Store(name)


@pytest.mark.parametrize("name", ["acme", "Acme 2", "a.b-c_d", "Müller", "x" * 64])
def test_names_of_organizations(name: str) -> None:
    assert not Store(name).exists


def test_a_store_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    absent = Store("acme")
    uses = [
        lambda: absent.save(openai()),
        lambda: absent.unlock(PASSPHRASE),
        lambda: absent.unlock(),
    ]
    for use in uses:
        with pytest.raises(StoreError, match="does not exist yet") as caught:
            use()
        assert 'lw.Store.create("acme")' in caught.value.hint
    assert labels(absent) == []
    assert (absent.exists, absent.locked, bool(absent)) == (False, False, True)
    assert f'path="{tmp_path / "x"}"' in repr(Store(path=tmp_path / "x"))


def test_create_never_takes_the_place_of_a_store(disk: Store) -> None:
    disk.save(openai())
    before = sealed_file(disk).read_bytes()
    with pytest.raises(StoreError, match="exists already"):
        Store.create(path=disk.path, passphrase=PASSPHRASE)
    sealed_file(disk).unlink()
    with pytest.raises(DamagedStore, match="missing") as caught:
        Store.create(path=disk.path, passphrase=PASSPHRASE)
    assert "connections.age.bak1" in caught.value.hint
    assert before != sealed_file(disk).with_name("connections.age.bak1").read_bytes()


def test_a_read_only_folder_makes_a_read_only_store(
    disk: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.save(openai())
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    assert disk.read_only
    assert "read-only" in disk.notice
    with pytest.raises(StoreError, match="read-only"):
        disk.save(custom())
    disk.add_for_session(custom())
    assert labels(disk) == ["openai", "laptop"]


# Sealed


def test_nothing_on_the_disk_is_plain(disk: Store) -> None:
    """Key, label and endpoint stand in no file of the folder; inside the sealed JSON they do."""
    disk.save(openai())
    disk.save(custom("made-up-label"))
    assert disk.path is not None
    on_disk = b"".join(path.read_bytes() for path in disk.path.iterdir())
    words = [CANARY, "made-up-label", "llama3.2", IDENTITY.secret.reveal(), IDENTITY.recipient]
    assert [word for word in words if word.encode() in on_disk] == []
    inside = json.dumps(opened_json(disk))
    assert [word for word in words if word not in inside] == [IDENTITY.secret.reveal()]


@pytest.mark.skipif(shutil.which("age") is None, reason="the age tool is not installed")
def test_the_age_tool_opens_it_with_the_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`age -d -i identity.age connections.age` asks for the passphrase and prints the JSON."""
    import fcntl
    import termios

    monkeypatch.setattr(sealing, "WORK_FACTOR", 17)
    store = Store.create(path=tmp_path / "s", passphrase=PASSPHRASE)
    store.save(openai())
    ours, theirs = os.openpty()
    age = subprocess.Popen(
        ["age", "-d", "-i", "identity.age", SEALED],
        cwd=store.path, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, close_fds=True,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while b"passphrase" not in said.lower() and select.select([ours], [], [], 20)[0]:
        said += os.read(ours, 1024)
    os.write(ours, PASSPHRASE.encode() + b"\n")
    printed, _ = age.communicate(timeout=60)
    os.close(ours)
    assert age.returncode == 0
    assert json.loads(printed)["connections"][0]["fields"]["api_key"] == {"secret value": CANARY}


def test_every_flipped_bit_and_every_truncation_is_damage(disk: Store) -> None:
    """None is accepted, always DamagedStore, the file is kept as it is, the backup is offered."""
    disk.save(custom())
    del disk["laptop"]
    file = sealed_file(disk)
    good = file.read_bytes()

    def flipped(bit: int) -> bytes:
        place = bit // 8
        return good[:place] + bytes([good[place] ^ 1 << bit % 8]) + good[place + 1 :]

    bits, lengths = range(len(good) * 8), range(len(good))
    for bad in [*map(flipped, bits), *(good[:length] for length in lengths), good + b"\n"]:
        with pytest.raises(DamagedStore):
            repository.open_document(state_of(disk.path), bad, IDENTITY)
    for bad in [
        *map(flipped, bits[::233]),
        *(good[:length] for length in lengths[::31]),
        good + good,
    ]:
        file.write_bytes(bad)
        with pytest.raises(DamagedStore) as caught:
            list(disk)
        assert "connections.age.bak1" in caught.value.hint
        assert file.read_bytes() == bad
    with pytest.raises(DamagedStore):
        disk.save(openai())
    assert file.read_bytes() == good + good
    file.write_bytes(good)
    assert labels(disk) == []
    disk.restore()
    assert labels(disk) == ["laptop"]


@pytest.mark.parametrize("backed_up", [True, False])
def test_a_process_that_finds_it_damaged_says_so(disk: Store, backed_up: bool) -> None:
    """Every byte of the header, by one that has opened nothing: never as if the key were wrong."""
    if backed_up:
        disk.save(custom())
    file = sealed_file(disk)
    good = file.read_bytes()
    for place in range(good.index(b"---") + 50):
        file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        other = in_another_process(disk)
        with pytest.raises(DamagedStore) as caught:
            list(other)
        assert ("connections.age.bak1" in caught.value.hint) is backed_up
    file.write_bytes(good)
    assert len(elsewhere(disk)) == backed_up


def forged(store: Store, contents: StoreDocument, writer: Identity) -> None:
    plain = document.serialize_document(contents, writer)
    sealed_file(store).write_bytes(sealing.encrypt(plain, [IDENTITY.recipient]))


def test_a_file_that_another_wrote_is_refused(disk: Store) -> None:
    """Who has the recipient can seal, but not sign: a forged endpoint never gets a key."""
    disk.save(openai())
    contents = state_of(disk.path).document
    assert contents is not None
    forged(disk, contents, Identity.generate())
    with pytest.raises(DamagedStore, match="not written by a holder"):
        list(disk)
    forged(disk, contents, IDENTITY)
    assert labels(disk) == ["openai"]


def test_a_newer_store_is_read_only(disk: Store) -> None:
    disk.save(openai())
    contents = state_of(disk.path).document
    assert contents is not None
    forged(disk, replace(contents, schema=document.SCHEMA + 1), IDENTITY)
    before = sealed_file(disk).read_bytes()
    assert labels(disk) == ["openai"]
    assert disk.read_only
    assert "newer" in disk.notice
    with pytest.raises(NewerStore, match="newer"):
        disk.save(custom())
    assert sealed_file(disk).read_bytes() == before
    forged(disk, replace(contents, schema=document.SCHEMA + 1), Identity.generate())
    with pytest.raises(NewerStore, match="not known here"):
        list(disk)


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema": "2"}, {"schema": None}, {"schema": 2.5}, {"schema": True}, {"revision": "x"},
        {"connections": (7,)}, {"connections": ("a",)},
        {"connections": ({"label": 5, "kind": "a"},)}, {"connections": ({"label": "a"},)},
    ],
    ids=str,
)  # fmt: skip
def test_what_no_version_writes_is_damage(disk: Store, wrong: dict[str, Any]) -> None:
    """Sealed and signed by a member's own program, perhaps: a sentence, not a crash."""
    contents = state_of(disk.path).document
    assert contents is not None
    odd = wrong.get("connections", ())
    wrong |= {"connections": [UnreadableConnection("a", "a", each) for each in odd]} if odd else {}
    forged(disk, replace(contents, **wrong), IDENTITY)
    for use in (lambda: list(elsewhere(disk)), lambda: disk.save(custom())):
        with pytest.raises(DamagedStore):
            use()


def test_a_connection_of_another_version_is_kept(disk: Store) -> None:
    """What this version cannot read stays through every save of something else."""
    strange = {"kind": "made_up_kind", "label": "strange", "fields": {"api_key": Secret(CANARY)}}
    owner = Recipient("owner", IDENTITY.recipient)
    forged(
        disk,
        StoreDocument(recipients=(owner,), connections=(connection_from_json(strange),)),
        IDENTITY,
    )
    assert labels(disk) == []
    assert "strange" in disk.notice
    disk.save(custom())
    assert opened_json(disk)["connections"][0]["fields"]["api_key"] == {"secret value": CANARY}
    with pytest.raises(StoreError, match="another version"):
        disk["strange"]
    assert labels(disk) == ["laptop"]


def test_files_that_do_not_belong_together_are_said(tmp_path: Path, disk: Store) -> None:
    other = Store.create(path=tmp_path / "other", passphrase=PASSPHRASE)
    other.lock()
    assert disk.path is not None
    shutil.copy(tmp_path / "other" / "identity.age", disk.path)
    disk.lock()
    with pytest.raises(DamagedStore, match=r"not sealed to the identity in identity\.age"):
        disk.unlock(PASSPHRASE)


def test_a_passphrase_costs_what_age_files_should_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N = 2^17 stands in identity.age unless a test makes it cheap."""
    monkeypatch.setattr(sealing, "WORK_FACTOR", SHIPPED_WORK_FACTOR)
    Store.create(path=tmp_path / "s", passphrase=PASSPHRASE)
    line = (tmp_path / "s" / "identity.age").read_bytes().splitlines()[1]
    assert line.startswith(b"-> scrypt ")
    assert line.endswith(b" 17")


def test_a_damaged_identity_is_told_from_a_wrong_passphrase(tmp_path: Path) -> None:
    store = Store.create(path=tmp_path / "s", passphrase=PASSPHRASE)
    store.lock()
    file = tmp_path / "s" / "identity.age"
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(DamagedStore, match=r"identity\.age"):
        store.unlock(PASSPHRASE)
    file.write_bytes(good)
    with pytest.raises(WrongPassphrase):
        store.unlock(PASSPHRASE + "x")


FROZEN = sorted((Path(__file__).parent / "frozen").glob("schema-*.json"))


def test_every_schema_has_a_frozen_store() -> None:
    assert [path.stem for path in FROZEN] == [f"schema-{n + 1}" for n in range(document.SCHEMA)]


@pytest.mark.parametrize("path", FROZEN, ids=lambda path: path.stem)
def test_a_released_schema_opens_for_ever(tmp_path: Path, path: Path) -> None:
    """Files as they were written at their release: read, changed, and the old kept as backup."""
    frozen = json.loads(path.read_text())
    for name, data in frozen["files"].items():
        (tmp_path / name).write_bytes(base64.b64decode(data))
    before = (tmp_path / SEALED).read_bytes()
    store = Store(path=tmp_path)
    store.unlock(frozen["passphrase"])
    assert labels(store) == ["openai", "laptop"]
    assert store["openai"].secret_fields["api_key"].reveal() == "sk-made-up-frozen-0001"
    store.policy.permit(store["openai"], "gpt-made-up")
    assert (tmp_path / SEALED).read_bytes() == before
    store.save(custom("new"))
    assert len(elsewhere(store)) == 3
    assert state_of(store.path).document.schema == document.SCHEMA  # type: ignore[union-attr]
    assert (tmp_path / f"{SEALED}.bak1").read_bytes() == before


# Never shown


def told(use: Callable[[], object], expected: type[StoreError]) -> str:
    """IPython's Verbose traceback of a failing call, with all that hangs on the error."""
    from IPython.core.ultratb import VerboseTB

    with pytest.raises(expected) as caught:
        use()
    error, frames = caught.value, caught.tb
    while frames.tb_next is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next  # the test's own frames hold what they look for
    text = VerboseTB(theme_name="nocolor").text(type(error), error, frames)
    hanging = error.__context__
    while hanging is not None:
        text += repr(vars(hanging)) + repr(hanging.args)
        hanging = hanging.__context__
    return text


def kept_by_passphrase(folder: Path) -> Store:
    store = Store.create(path=folder, passphrase=Secret(PASSPHRASE))
    store.save(openai())
    return store


def cut_short(store: Store) -> None:
    data = sealed_file(store).read_bytes()
    sealed_file(store).write_bytes(data[:-1])


def sealed_by(store: Store, plain: bytes) -> None:
    identity = state_of(store.path).source.identity  # type: ignore[union-attr]
    sealed = sealing.encrypt(memoryview(plain), [identity.recipient])
    sealed_file(store).write_bytes(sealed)


def test_no_traceback_shows_key_identity_or_passphrase(tmp_path: Path) -> None:
    """Locked, wrong passphrase, cut file, opened text that is no JSON: the canary 0 times."""
    store = kept_by_passphrase(tmp_path / "s")
    identity = state_of(store.path).source.identity  # type: ignore[union-attr]
    seen = [told(lambda: store.save(openai()), AlreadyConnected)]
    sealed_by(store, b'{"auth": "' + CANARY.encode() * 9)
    seen.append(told(lambda: list(store), DamagedStore))
    cut_short(store)
    seen.append(told(lambda: list(store), DamagedStore))
    seen.append(told(lambda: store.save(custom()), DamagedStore))
    store.lock()
    seen.append(told(lambda: list(store), StoreLocked))
    seen.append(told(lambda: store.unlock("a wrong made-up one"), WrongPassphrase))
    seen.append(told(lambda: store.unlock(Secret(PASSPHRASE)), DamagedStore))
    secrets = [CANARY, PASSPHRASE, identity.secret.reveal()[20:60]]
    assert [word for word in secrets for text in seen if word in text] == []
    assert all("repository.py" in text for text in seen)


def test_the_search_finds_what_a_careless_store_would_show() -> None:
    """The control: a JSON error and a local of the frame show the key to the same search."""

    def careless() -> None:
        plain = '{"api_key": "' + CANARY
        try:
            json.loads(plain)
        except ValueError:
            message = "The store is damaged."
            raise DamagedStore(message)  # noqa: B904

    assert told(careless, DamagedStore).count(CANARY) >= 2


# Never lost


def torture(folder: Path, *words: str, wrapper: tuple[str, ...] = ()) -> dict[str, int]:
    script = str(Path(__file__).with_name("store_torture.py"))
    done = subprocess.run(
        [*wrapper, sys.executable, script, str(folder), *words],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    return json.loads(done.stdout)


def test_no_kill_loses_an_acknowledged_save(tmp_path: Path) -> None:
    """Forty kills in the midst of saving: all acknowledged saves are there, every file opens."""
    ours = torture(tmp_path / "ours", "kills", "40")
    assert ours.pop("acknowledged") >= 40
    assert ours == {"kills": 40, "lost": 0, "unreadable": 0}


def test_kills_do_break_a_plain_write(tmp_path: Path) -> None:
    """The control: the same forty kills leave a plainly written file unreadable."""
    assert torture(tmp_path / "plain", "plain", "40")["unreadable"] > 0


def test_racing_processes_lose_nothing(tmp_path: Path) -> None:
    assert torture(tmp_path / "ours", "races", "4", "50") == {"updates": 200, "lost": 0}


def test_races_do_lose_without_the_lock(tmp_path: Path) -> None:
    assert torture(tmp_path / "control", "unlocked", "4", "50")["lost"] > 0


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """Forty saves on 64 kB: those that do not fit are refused, the others stay, nothing is left."""
    check_mounts()
    ours = torture(tmp_path / "disk", "full", "40", wrapper=("unshare", "-rm"))
    assert ours.pop("refused") > 0
    assert ours == {"saves": 40, "lost": 0, "unreadable": 0, "left": 0}


def test_a_read_only_disk_makes_a_read_only_store(tmp_path: Path) -> None:
    """Mounted read-only, as a team's share: it opens and lists, and a save says what to do."""
    check_mounts()
    code = """
import os, subprocess, sys
from tests.store.store_torture import Store, StoreError, custom, made, opened
folder = made(__import__("pathlib").Path(sys.argv[1]))
opened(folder).save(custom("there"))
subprocess.run(["mount", "--bind", folder, folder], check=True)
subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
from llmwidgets.store.state import _states
_states.clear()
store = opened(folder)
print([each.label for each in store], store.read_only, "is read-only" in store.notice)
for change in (lambda: store.save(custom("b")), lambda: store.restore()):
    try:
        change()
    except StoreError as error:
        print(bool(error.hint), "ead-only" in error.message)
store.add_for_session(custom("b"))
print([each.label for each in store])
"""
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", code, str(tmp_path / "store")],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "['there'] True True", "True True", "True True", "['there', 'b']"
    ], done.stderr  # fmt: skip


def check_mounts() -> None:
    """Skip where this user may mount nothing."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed, so no file system can be mounted")
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this user or container may not mount a file system")


def test_open_and_save_are_quick(disk: Store) -> None:
    """A hundred connections: the best of some tries, with room for a slow machine."""
    for number in range(100):
        with suppress(AlreadyConnected):
            disk.save(custom(f"number {number}"))

    def best(use: Callable[[], object]) -> float:
        spent = []
        for _ in range(10):
            start = time.process_time()
            use()
            spent.append(time.process_time() - start)
        return min(spent)

    assert best(lambda: disk["number 7"]) < 0.01
    assert best(lambda: disk.save(custom("number 7"), replace=True)) < 0.1
