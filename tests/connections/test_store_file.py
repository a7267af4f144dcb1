"""The file of a store: modes, order on the disk, locks, backups, links, and what a crash leaves."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmwidgets.connections import store_file
from llmwidgets.connections.store_file import StoreFile, make_folder
from llmwidgets.errors import StoreError


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=["umask 000", "umask 022", "umask 777"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def replaced(file: StoreFile, *contents: bytes) -> StoreFile:
    for data in contents:
        with file.locked():
            file.replace(data)
    return file


@pytest.mark.usefixtures("umask")
def test_modes_whatever_the_umask(tmp_path: Path) -> None:
    """0700 for every folder made on the way, 0600 for file, backup and lock."""
    folder = tmp_path / "a" / "b"
    make_folder(folder)
    replaced(StoreFile(folder / "f"), b"1", b"2")
    assert [mode(folder), mode(folder.parent)] == [0o700, 0o700]
    assert {mode(path) for path in folder.iterdir()} == {0o600}
    assert {path.name for path in folder.iterdir()} == {"f", "f.bak1", ".lock"}


def test_an_empty_folder_is_closed_and_a_used_one_is_left(tmp_path: Path) -> None:
    empty, used = tmp_path / "empty", tmp_path / "used"
    for folder in (empty, used):
        folder.mkdir()
        folder.chmod(0o755)
    (used / "thesis.txt").touch()
    make_folder(empty)
    make_folder(used)
    assert (mode(empty), mode(used)) == (0o700, 0o755)


def test_a_mode_that_lets_others_in_is_mended_on_reading(tmp_path: Path) -> None:
    file = replaced(StoreFile(tmp_path / "f"), b"1")
    (tmp_path / "f").chmod(0o644)
    assert file.read() == b"1"
    assert mode(tmp_path / "f") == 0o600


def test_three_backups_newest_first(tmp_path: Path) -> None:
    file = replaced(StoreFile(tmp_path / "f"), b"1", b"2", b"3", b"4", b"5")
    assert file.read() == b"5"
    assert [path.read_bytes() for path in file.backups()] == [b"4", b"3", b"2"]


def test_backups_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system that has none, a copy with the same mode takes their place."""

    def refuse(*_paths: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    file = replaced(StoreFile(tmp_path / "f"), b"1", b"2", b"3")
    assert [path.read_bytes() for path in file.backups()] == [b"2", b"1"]
    assert {mode(path) for path in file.backups()} == {0o600}


def test_a_symlink_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "config").mkdir()
    link, target = tmp_path / "config" / "f", tmp_path / "dotfiles" / "real"
    link.symlink_to(target)
    replaced(StoreFile(link), b"1", b"2")
    assert link.is_symlink()
    assert target.read_bytes() == b"2"
    assert {path.name for path in (tmp_path / "config").iterdir()} == {"f"}


def test_leftovers_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    """An old half-written file goes at the next save; a fresh one and other files stay."""
    old, fresh, other = tmp_path / ".f.1.tmp", tmp_path / ".f.2.tmp", tmp_path / "g.tmp"
    for path in (old, fresh, other):
        path.touch()
    os.utime(old, (time.time() - 3600, time.time() - 3600))
    replaced(StoreFile(tmp_path / "f"), b"1")
    assert (old.exists(), fresh.exists(), other.exists()) == (False, True, True)


def test_a_full_disk_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = replaced(StoreFile(tmp_path / "f"), b"1", b"2")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="no space left"):
        replaced(file, b"3")
    assert file.read() == b"2"
    assert [path.read_bytes() for path in file.backups()] == [b"1"]
    assert not list(tmp_path.glob(".f.*"))


def test_the_order_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content to the disk, then the rename, then the folder to the disk."""
    file, steps = replaced(StoreFile(tmp_path / "f"), b"1"), []
    fsync, rename = os.fsync, os.replace

    def recorded_fsync(descriptor: int) -> None:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        steps.append("fsync folder" if folder else "fsync file")
        fsync(descriptor)

    def recorded_rename(source: Path, goal: Path) -> None:
        steps.append(f"rename to {Path(goal).name}")
        rename(source, goal)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_rename)
    replaced(file, b"2")
    assert steps == ["fsync file", "rename to f", "fsync folder"]


def test_a_taken_lock_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_file, "_PATIENCE", 0.05)
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with StoreFile(tmp_path / "f").locked():
            inside.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert inside.wait(10)
        with pytest.raises(StoreError, match="too long"), StoreFile(tmp_path / "f").locked():
            pass
    finally:
        leave.set()
        holder.join()
    with StoreFile(tmp_path / "f").locked():
        assert (tmp_path / ".lock").exists()


def test_a_file_system_without_flock_gets_another_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import filelock

    class NoFlock(filelock.FileLock):  # type: ignore[misc,valid-type]
        def _acquire(self) -> None:
            raise NotImplementedError

    monkeypatch.setattr(filelock, "FileLock", NoFlock)
    file = replaced(StoreFile(tmp_path / "f"), b"1", b"2")
    assert file.read() == b"2"


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("folder", "pipe", "none"):
        with pytest.raises(StoreError, match="cannot be read"):
            StoreFile(tmp_path / name).read()
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be made"):
        make_folder(tmp_path / "file" / "store")


def test_a_read_only_folder_is_seen() -> None:
    """Told without writing to it, by a user to whom modes apply."""
    code = """
import os, sys, tempfile
from pathlib import Path
from llmwidgets.connections.store_file import writable
top = Path(tempfile.mkdtemp())
shut = top / "shut"
shut.mkdir(0o500)
if not os.getuid():
    for folder in (top, shut):
        os.chown(folder, 65534, 65534)
    os.setreuid(65534, 65534)
told = [writable(shut), writable(shut / "deeper"), writable(top), writable(top / "deeper")]
shut.rmdir()
top.rmdir()
sys.exit(0 if told == [False, False, True, True] else 1)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
