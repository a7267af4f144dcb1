"""A link that somebody planted in place of a file of ours changes no other file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import llmwidgets as lw
from llmwidgets.engine.journal import Journal, Row
from llmwidgets.secret import Secret
from llmwidgets.store.age import Identity

PASSPHRASE = "made-up crane violet anchor"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


class Victim:
    """A file of the user's that is none of ours, and how it was."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        path.write_bytes(content)
        path.chmod(0o644)
        self.before = self._now()

    def _now(self) -> tuple[bytes, int, int]:
        status = self.path.stat()
        return self.path.read_bytes(), stat.S_IMODE(status.st_mode), status.st_ino

    def is_as_it_was(self) -> bool:
        return self._now() == self.before


CONTENTS = {
    "words": b"alias ll='ls -l'\n",
    "nothing": b"",
    "SQLite": b"SQLite format 3\0" + bytes(84),
}


@pytest.fixture(params=CONTENTS.values(), ids=CONTENTS)
def victim(request: pytest.FixtureRequest, tmp_path: Path) -> Victim:
    return Victim(tmp_path / "victim", request.param)


def using(folder: Path) -> None:
    """Everything that is done with a store, whatever of it is refused."""
    store = lw.Store(path=folder)
    for use in (
        lambda: store.unlock(PASSPHRASE),
        lambda: list(store),
        lambda: store.save(lw.Connection("openai", api_key="env:NONE")),
        lambda: store.save(lw.Connection("openai", api_key="env:NONE"), replace=True),
        lambda: store.change_passphrase(PASSPHRASE, f"{PASSPHRASE} too"),
        lambda: store.new_identity(f"{PASSPHRASE} too"),
        lambda: store.restore(passphrase=Secret(PASSPHRASE)),
    ):
        with suppress(lw.errors.LLMWidgetsError):
            use()


NAMES = ("connections.age", "identity.age", ".lock", ".lock.taken", "connections.age.bak1",
         "connections.age.bak2", "identity.age.bak1")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_link_in_a_store_that_is_there(tmp_path: Path, victim: Victim, name: str) -> None:
    folder = tmp_path / "store"
    lw.Store.create(path=folder, passphrase=PASSPHRASE).lock()
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(victim.path)
    using(folder)
    assert victim.is_as_it_was()


@pytest.mark.parametrize("name", NAMES)
def test_a_link_in_place_of_a_file_of_a_new_store(
    tmp_path: Path, victim: Victim, name: str
) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / name).symlink_to(victim.path)
    with suppress(lw.errors.LLMWidgetsError):
        lw.Store.create(path=folder, passphrase=PASSPHRASE)
    using(folder)
    assert victim.is_as_it_was()


def test_a_link_in_place_of_the_lock_is_told(tmp_path: Path, victim: Victim) -> None:
    """Whatever the lock's own package does with it."""
    store = lw.Store.create(path=tmp_path / "store", passphrase=PASSPHRASE)
    (tmp_path / "store" / ".lock").unlink()
    (tmp_path / "store" / ".lock").symlink_to(victim.path)
    with pytest.raises(lw.errors.StoreError, match="is a link"):
        store.save(lw.Connection("openai", api_key="env:NONE"))
    assert victim.is_as_it_was()


def test_a_link_in_place_of_a_new_identity_after_a_recovery(tmp_path: Path, victim: Victim) -> None:
    """The recovery identity opens the store, and identity.age is not read before it is written."""
    folder = tmp_path / "store"
    store = lw.Store.create(path=folder, passphrase=PASSPHRASE)
    recovery = store.take_recovery()
    store.lock()
    (folder / "identity.age").unlink()
    (folder / "identity.age").symlink_to(victim.path)
    store.unlock(identity=recovery)
    with pytest.raises(lw.errors.StoreError, match="is a link"):
        store.new_identity(PASSPHRASE)
    assert victim.is_as_it_was()


def test_a_link_to_a_folder_in_place_of_the_store(tmp_path: Path) -> None:
    """An empty folder of somebody's keeps its mode."""
    other = tmp_path / "other"
    other.mkdir(0o755)
    (tmp_path / "store").symlink_to(other)
    with suppress(lw.errors.LLMWidgetsError):
        lw.Store.create(path=tmp_path / "store", passphrase=PASSPHRASE)
    assert stat.S_IMODE(other.stat().st_mode) == 0o755


def test_a_store_that_lies_behind_links_of_the_users_works(tmp_path: Path) -> None:
    """Files that a tool keeps elsewhere, as for settings: they are replaced where they are."""
    folder, kept = tmp_path / "store", tmp_path / "kept"
    lw.Store.create(path=folder, passphrase=PASSPHRASE).lock()
    kept.mkdir(0o700)
    for name in ("connections.age", "identity.age"):
        (folder / name).rename(kept / name)
        (folder / name).symlink_to(kept / name)
    store = lw.Store(path=folder)
    store.unlock(PASSPHRASE)
    store.save(lw.Connection("openai", api_key="env:NONE"))
    store.change_passphrase(PASSPHRASE, f"{PASSPHRASE} too")
    assert [each.label for each in lw.Store(path=folder)] == ["openai"]
    assert (folder / "connections.age").is_symlink()


@pytest.mark.parametrize("name", ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm",
                                  "journal.sqlite-journal"])  # fmt: skip
@pytest.mark.parametrize("there", [False, True])
def test_a_link_in_place_of_a_journals_file(
    tmp_path: Path, victim: Victim, name: str, there: bool
) -> None:
    """Rows are kept in memory, and that is said."""
    path = tmp_path / "journal.sqlite"
    if there:
        Journal(path).close()
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).symlink_to(victim.path)
    journal = Journal(path)
    journal.put(Row(key="a", status="ok", reply="{}"))
    assert "is a link" in journal.notice
    journal.close()
    assert victim.is_as_it_was()


def test_a_link_to_nothing_makes_no_file_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").symlink_to(tmp_path / "elsewhere")
    Journal(tmp_path / "journal.sqlite").close()
    for name in ("connections.age", "identity.age"):
        (tmp_path / f"store of {name}").mkdir()
        (tmp_path / f"store of {name}" / name).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(lw.errors.StoreError, match="is a link"):
            lw.Store.create(path=tmp_path / f"store of {name}", passphrase=PASSPHRASE)
    assert not (tmp_path / "elsewhere").exists()


def result() -> lw.Comparison:
    return lw.Comparison.from_outputs(SCHEMA, ["t"], {"A": [{"a": "x"}]})


EXPORTS: dict[str, Callable[[Path], object]] = {
    "save": lambda path: result().save(path),
    "to_html": lambda path: result().to_html(path),
    "to_csv": lambda path: result().to_csv(path),
    "to_jsonl": lambda path: result().to_jsonl(path),
    "to_label_studio": lambda path: result().to_label_studio(path),
    "to_parquet": lambda path: result().to_parquet(path),
}


@pytest.mark.parametrize("write", EXPORTS.values(), ids=EXPORTS)
def test_a_link_in_place_of_an_export(
    tmp_path: Path, victim: Victim, write: Callable[[Path], object]
) -> None:
    """Also of the name under which it is written first, as far as it could be foreseen."""
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "out").symlink_to(victim.path)
    (folder / f".out.{os.getpid()}.part").symlink_to(victim.path)
    with suppress(lw.errors.FieldError):  # a package that is not installed
        write(folder / "out")
        assert not (folder / "out").is_symlink()
    assert victim.is_as_it_was()
    assert {each.name for each in folder.iterdir()} <= {"out", f".out.{os.getpid()}.part"}


def test_a_link_in_place_of_exported_connections(tmp_path: Path, victim: Victim) -> None:
    store = lw.Store.create(path=tmp_path / "store", passphrase=PASSPHRASE)
    (tmp_path / "out.age").symlink_to(victim.path)
    with pytest.raises(lw.errors.StoreError, match="there already"):
        store.export(tmp_path / "out.age", recipient=Identity.generate().recipient)
    assert victim.is_as_it_was()
