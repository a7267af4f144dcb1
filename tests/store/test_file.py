"""The file of a store: modes, order on the disk, locks, backups, links, and what a crash leaves."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmwidgets.errors import StoreError
from llmwidgets.store import file as store_file
from llmwidgets.store.file import StoreFile, make_folder


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
    """Content to the disk, a second name for the old, the rename, then the folder to the disk."""
    file, steps = replaced(StoreFile(tmp_path / "f"), b"1"), []
    fsync, rename, link = os.fsync, os.replace, os.link

    def recorded_link(source: Path, goal: Path) -> None:
        steps.append(f"link {Path(source).name} to {Path(goal).name}")
        link(source, goal)

    def recorded_fsync(descriptor: int) -> None:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        steps.append("fsync folder" if folder else "fsync file")
        fsync(descriptor)

    def recorded_rename(source: Path, goal: Path) -> None:
        steps.append(f"rename to {Path(goal).name}")
        rename(source, goal)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_rename)
    monkeypatch.setattr(os, "link", recorded_link)
    replaced(file, b"2")
    assert steps == ["fsync file", "link f to f.bak1", "rename to f", "fsync folder"]


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


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_network_file_system_without_locks_gets_another_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """The second kind of lock keeps two writers apart too, and is free again after them."""
    import fcntl

    def refuse(*_arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(store_file, "_PATIENCE", 0.05)
    file = replaced(StoreFile(tmp_path / "f"), b"1", b"2")
    assert file.read() == b"2"
    with file.locked(), pytest.raises(StoreError, match="too long"), StoreFile(file.path).locked():
        pass
    assert replaced(file, b"3").read() == b"3"


def test_a_file_mounted_by_itself_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no rename is taken (EBUSY) the same file is filled, its backup being whole before."""
    file = replaced(StoreFile(tmp_path / "f"), b"first", b"the second, longer")
    number = (tmp_path / "f").stat().st_ino
    rename = os.replace

    def busy(source: Path, goal: Path) -> None:
        if Path(goal).name == "f":
            raise OSError(errno.EBUSY, "Device or resource busy")
        rename(source, goal)

    monkeypatch.setattr(os, "replace", busy)
    replaced(file, b"third")
    assert file.read() == b"third"
    assert (tmp_path / "f").stat().st_ino == number
    assert [path.read_bytes() for path in file.backups()] == [b"the second, longer", b"first"]
    assert not list(tmp_path.glob(".f.*"))


def test_a_mounted_file_on_a_full_disk_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = replaced(StoreFile(tmp_path / "f"), b"1", b"2")
    fill, tried = store_file._fill, []

    def full_once(target: Path, data: bytes) -> None:
        tried.append(data)
        fill(target, data[:1] if len(tried) == 1 else data)
        if len(tried) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_file, "_change_over", lambda *_: False)
    monkeypatch.setattr(store_file, "_fill", full_once)
    with pytest.raises(StoreError, match="no space left"):
        replaced(file, b"3 does not fit")
    assert file.read() == b"2"


def mounted(code: str, *words: str) -> str:
    """Run Python as the one user of mounts that end with it; skip where none can be made."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed, so no file system can be mounted")
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this user or container may not mount a file system")
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", code, *words],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_real_bind_mount(tmp_path: Path) -> None:
    """A single file bound into a container: a save goes into it, and the mount stays."""
    code = """
import subprocess, sys
from pathlib import Path
from llmwidgets.store.file import StoreFile
outside, inside = Path(sys.argv[1]) / "outside", Path(sys.argv[1]) / "box" / "f"
inside.parent.mkdir()
outside.write_bytes(b"old")
outside.chmod(0o600)
inside.touch()
subprocess.run(["mount", "--bind", outside, inside], check=True)
file = StoreFile(inside)
for data in (b"new", b"newer"):
    with file.locked():
        file.replace(data)
print(outside.read_bytes() == b"newer", [each.read_bytes() for each in file.backups()])
"""
    assert mounted(code, str(tmp_path)) == "True [b'new', b'old']"


def test_a_full_disk_of_its_own(tmp_path: Path) -> None:
    """On 64 kB of disk, saves of 20 kB are refused, the last good one stays, nothing is left."""
    code = """
import subprocess, sys
from pathlib import Path
from llmwidgets.store.file import StoreFile
from llmwidgets.errors import StoreError
place = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=True)
file, good, refused = StoreFile(place / "f"), b"", 0
for number in range(40):
    data = bytes([number]) * 20_000
    try:
        with file.locked():
            file.replace(data)
        good = data
    except StoreError as error:
        refused += "no space left" in str(error)
    assert file.read() == good
print(refused > 30, list(place.glob(".f.*")))
"""
    assert mounted(code, str(tmp_path)) == "True []"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_order_of_system_calls(tmp_path: Path) -> None:
    """Seen by the kernel: lock, new file 0600, fsync, rename, fsync of the folder, unlock."""
    code = """
import sys
from pathlib import Path
from llmwidgets.store.file import StoreFile
file = StoreFile(Path(sys.argv[1]))
with file.locked():
    file.replace(b"1")
"""
    log = tmp_path / "log"
    calls = "trace=openat,fsync,rename,renameat,renameat2,flock"
    done = subprocess.run(
        ["strace", "-f", "-e", calls, "-o", str(log), sys.executable, "-c", code,
         str(tmp_path / "f")],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    if done.returncode and "ptrace" in done.stderr:
        pytest.skip("this container lets no process be traced")
    text = log.read_text()
    marks = [
        r"flock\(\d+, LOCK_EX", r"\.tmp\", O_WRONLY\|O_CREAT\|O_EXCL\|O_NOFOLLOW.*0600",
        r"fsync\(", r"rename.*\.tmp\".*/f\"", r"fsync\(", r"flock\(\d+, LOCK_UN",
    ]  # fmt: skip
    place = 0
    for mark in marks:
        found = re.compile(mark).search(text, place)
        assert found, f"{mark} does not come next"
        place = found.end()


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
from llmwidgets.store.file import writable
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
