"""A journal in trouble: rows stay readable, are put down when the disk works, and it is said."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmwidgets.engine import journal as journals
from llmwidgets.engine import journal_file
from llmwidgets.engine.journal import Journal, Row
from llmwidgets.errors import Unreachable

resource = pytest.importorskip("resource", reason="this system has no limits on files")


def row(at: int) -> Row:
    return Row(key=f"key {at}", status="ok", at=1000.0 + at, reply=f'{{"n": {at}}}')


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process's hand on the file: a second connection of SQLite's."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def no_space(path: Path) -> Iterator[None]:
    """No file of this process may grow beyond what the journal's are now."""
    beside = [path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")]
    most = max((each.stat().st_size for each in beside if each.exists()), default=0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def once(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """A trouble that is over as soon as it has happened."""

    @contextmanager
    def happens(path: Path) -> Iterator[None]:
        change(path)
        yield

    return happens


def unlinked(*ends: str) -> Callable[[Path], None]:
    def unlink(path: Path) -> None:
        for end in ends:
            path.with_name(path.name + end).unlink(missing_ok=True)

    return unlink


def another(path: Path) -> None:
    journal = Journal(path.with_name("earlier.sqlite"))
    journal.put(Row(key="somebody else's", status="ok", reply="{}"))
    journal.close()
    unlinked("-wal", "-shm")(path)
    path.with_name("earlier.sqlite").replace(path)


def overwritten(path: Path, words: Callable[[int], bytes]) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(words(path.stat().st_size))


@contextmanager
def folder_is_a_file(path: Path) -> Iterator[None]:
    shutil.rmtree(path.parent)
    path.parent.write_text("not a folder")
    yield
    path.parent.unlink()


LASTING = {"locked": locked, "no space": no_space, "the folder is a file": folder_is_a_file}
OVER = {
    "deleted": once(unlinked("")),
    "deleted with its log": once(unlinked("", "-wal", "-shm")),
    "its log deleted": once(unlinked("-wal")),
    "its shared memory deleted": once(unlinked("-shm")),
    "its log and shared memory deleted": once(unlinked("-wal", "-shm")),
    "folder deleted": once(lambda path: shutil.rmtree(path.parent)),
    "replaced": once(another),
    "emptied": once(lambda path: os.truncate(path, 0)),
    "cut": once(lambda path: os.truncate(path, path.stat().st_size // 2)),
    "overwritten": once(lambda path: path.write_bytes(os.urandom(path.stat().st_size))),
    "overwritten by more": once(lambda path: path.write_bytes(b"no database" * 100_000)),
    "overwritten, its log read in": once(lambda path: overwritten(path, os.urandom)),
    "zeros, its log read in": once(lambda path: overwritten(path, bytes)),
    "emptied, its log read in": once(lambda path: overwritten(path, lambda _: b"")),
}
TROUBLES = {**LASTING, **OVER}


@pytest.fixture(autouse=True)
def tries_at_once(monkeypatch):
    """The waits between two looks and two tries, and for a lock, are left out."""
    monkeypatch.setattr(journals, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(journals, "_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(journals, "BUSY_SECONDS", 0.02)
    monkeypatch.setattr(journal_file, "BUSY_SECONDS", 0.02)
    monkeypatch.setattr(journals, "RETRY_BUSY_SECONDS", 0.01)


def readable(journal: Journal, ids: dict[int, int]) -> None:
    for at, number in ids.items():
        found = journal.get(at)
        assert (found.status, found.reply, found.id) == ("ok", f'{{"n": {number}}}', at)


def on_disk(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {key for (key,) in other.execute("SELECT key FROM extraction")}


@pytest.mark.parametrize("name", TROUBLES)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_from_any_row_to_any_row_nothing_is_lost(name, data):
    """Each row can be read and found at any time, and is on disk once the trouble is over."""
    last = data.draw(st.integers(1, 40))
    begins = data.draw(st.integers(0, last))
    ends = data.draw(st.integers(begins, last))
    before = data.draw(st.integers(0, 3))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "folder" / "j.sqlite"
        earlier = Journal(path)
        for number in range(before):
            earlier.put(row(number))
        journal = Journal(path)
        earlier.close()
        ids = {journal.find(f"key {number}").id: number for number in range(before)}

        def put(first: int, behind: int) -> None:
            for number in range(first, behind):
                ids[journal.put(row(before + number))] = before + number
                assert journal.find(f"key {before + number}").reply == f'{{"n": {before + number}}}'
            readable(journal, ids)

        put(0, begins)
        with TROUBLES[name](path):
            put(begins, ends)
            journal.settle()
            readable(journal, ids)
            if name in LASTING and begins < ends:
                assert "journal: " in journal.trouble[0]
        put(ends, last)
        journal.settle()
        readable(journal, ids)
        assert journal.trouble == ("", "")
        assert {f"key {number}" for number in ids.values()} <= on_disk(path)
        assert len(set(ids)) == last + before
        journal.close()
        again = Journal(path)
        assert all(again.find(f"key {number}") for number in ids.values())
        again.close()


@pytest.mark.parametrize("name", OVER)
def test_the_rows_are_counted_whatever_became_of_the_file(name, tmp_path):
    path = tmp_path / "folder" / "j.sqlite"
    journal = Journal(path)
    for number in range(20):
        journal.put(row(number))
    with TROUBLES[name](path):
        assert len(journal) == 20
    journal.settle()
    assert len(journal) == 20 + (name == "replaced")
    journal.close()


WORDS = {
    "locked": "is locked by another process",
    "no space": "j.sqlite (a quota or a limit is reached). 10 replies",
    "deleted": "was deleted while it was in use; it was made again",
    "folder deleted": "was deleted while it was in use; it was made again",
    "its log deleted": "was deleted while it was in use; it was made again",
    "replaced": "was replaced while it was in use; it was made again",
    "emptied": "was damaged while it was in use, and kept as",
    "overwritten, its log read in": "was damaged while it was in use, and kept as",
}


@pytest.mark.parametrize("name", WORDS)
def test_the_notice_says_what_happened_where_and_what_to_do(name, tmp_path):
    path = tmp_path / "folder" / "j.sqlite"
    journal = Journal(path)
    ids = {journal.put(row(number)): number for number in range(10)}
    with TROUBLES[name](path):
        ids |= {journal.put(row(number)): number for number in range(10, 20)}
        journal.settle()
        assert journal.notice.startswith("journal: ")
        assert str(path) in journal.notice
        assert WORDS[name] in journal.notice
        if name in LASTING:
            assert "10 replies are kept in memory" in journal.notice
            assert "run again" in journal.notice
            assert journal.trouble[1]
    journal.settle()
    assert "in memory," not in journal.notice
    if name in LASTING:
        assert "every reply is on disk now (10 were in memory)" in journal.notice
    journal.begin()
    assert journal.notice == ""
    readable(journal, ids)
    journal.close()


def test_a_lock_holds_nobody_up_for_long(tmp_path, monkeypatch):
    """One short wait, then memory: the engine's loop goes on (this is about wall time)."""
    monkeypatch.undo()
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    with locked(path):
        begun = os.times().elapsed
        for number in range(2000):
            journal.put(row(number))
        assert os.times().elapsed - begun < 5
        assert journal.get(-2000).reply == '{"n": 1999}'
    journal.settle()
    assert len(on_disk(path)) == 2000
    journal.close()


def test_a_file_that_is_locked_before_it_is_opened_gets_its_rows_later(tmp_path, monkeypatch):
    monkeypatch.setattr(journals, "_OPEN_SECONDS", 0.05)
    path = tmp_path / "j.sqlite"
    with locked(path):
        journal = Journal(path)
        assert journal.path is None
        assert f"journal: {path} is locked by another process" in journal.notice
        ids = {journal.put(row(number)): number for number in range(10)}
        readable(journal, ids)
    journal.settle()
    assert journal.path == path
    assert len(on_disk(path)) == 10
    readable(journal, ids)
    journal.close()


def test_the_next_journal_of_the_file_puts_down_what_waits(tmp_path):
    """Running a cell again makes a new journal; what the first one could not write is not asked."""
    path = tmp_path / "j.sqlite"
    first = Journal(path)
    with locked(path):
        first.put(row(1))
        second = Journal(path)
        assert second.find("key 1").reply == '{"n": 1}'
        assert "locked" in second.notice
        first.close()
        del first
    second.settle()
    assert on_disk(path) == {"key 1"}
    second.close()


def test_what_waits_outlives_the_journal_it_was_given_to(tmp_path):
    path, of_others = tmp_path / "j.sqlite", set(journal_file._unwritten)
    first = Journal(path)
    with locked(path):
        first.put(row(1))
        first.close()
        del first
    second = Journal(path)
    assert second.find("key 1").reply == '{"n": 1}'
    second.settle()
    assert on_disk(path) == {"key 1"}
    second.close()
    assert journal_file._unwritten <= of_others


def test_two_journals_of_a_deleted_file_write_each_row_once(tmp_path):
    path = tmp_path / "j.sqlite"
    one, two = Journal(path), Journal(path)
    ids = {one.put(row(1)): 1}
    others = {two.put(row(2)): 2}
    path.unlink()
    for number in range(3, 10, 2):
        ids[one.put(row(number))] = number
        others[two.put(row(number + 1))] = number + 1
    one.settle()
    two.settle()
    readable(one, ids)
    readable(two, others)
    with closing(sqlite3.connect(path)) as other:
        keys = [key for (key,) in other.execute("SELECT key FROM extraction ORDER BY key")]
    assert sorted(keys) == sorted({f"key {number}" for number in (*ids.values(), *others.values())})
    one.close()
    two.close()


def test_a_deleted_journal_brings_back_this_sessions_rows_alone(tmp_path):
    """What somebody deletes stays deleted, but for the replies that are being looked at."""
    path = tmp_path / "j.sqlite"
    earlier = Journal(path)
    for number in range(5):
        earlier.put(row(number))
    earlier.close()
    journal = Journal(path)
    journal.find("key 2")
    path.unlink()
    journal.put(row(9))
    journal.settle()
    assert on_disk(path) == {"key 2", "key 9"}
    journal.close()


def test_looking_at_a_comparison_makes_no_deleted_journal_again(tmp_path):
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    at = journal.put(row(1))
    journal.settle()
    path.unlink()
    assert journal.get(at).reply == '{"n": 1}'
    assert not path.exists()
    journal.close()


def test_a_long_session_is_saved_from_a_deleted_file(tmp_path, monkeypatch):
    """Also the rows of which no copy is kept in memory: the open file still has them."""
    monkeypatch.setattr(journals, "_KEPT_BYTES", 5_000)
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    ids = {journal.put(row(number)): number for number in range(500)}
    assert len(journal._kept) < 20
    path.unlink()
    ids[journal.put(row(500))] = 500
    readable(journal, ids)
    assert len(on_disk(path)) == 501
    journal.close()


def test_what_damage_took_is_counted_and_told(tmp_path, monkeypatch):
    """Of a session longer than what memory keeps, rows can be lost: not silently."""
    monkeypatch.setattr(journals, "_KEPT_BYTES", 5_000)
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    ids = [journal.put(row(number)) for number in range(3000)]
    overwritten(path, bytes)
    ids += [journal.put(row(number)) for number in range(3000, 3010)]
    journal.settle()
    statuses = [journal.get(at).status for at in ids]
    lost = statuses.count("InternalError")
    assert statuses.count("ok") == len(ids) - lost
    assert statuses[-1] == "ok"
    assert lost > 0
    assert f"except {lost:,} that could not be read" in journal.notice
    assert len(on_disk(path)) == len(ids) - lost
    journal.close()


def test_a_row_that_cannot_be_read_any_more_is_told_as_that(tmp_path):
    """Somebody's hand in the file, or a cleared journal: a row, not a traceback."""
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    journal.put(row(1))
    journal.close()
    journal = Journal(path)
    at = journal.find("key 1").id
    journal._kept.clear()
    for change in ("UPDATE extraction SET facts = 'broken'", "DELETE FROM extraction"):
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute(change)
        found = journal.get(at)
        assert (found.status, found.code, found.id) == ("InternalError", "journal", at)
        assert str(path) in found.message
        assert journal.find("key 1") is None
        assert not found.answered
    with pytest.raises(KeyError):
        journal.get(77)
    journal.close()


def test_a_reply_that_cannot_be_decoded_is_not_repeated_in_the_notice(tmp_path):
    path = tmp_path / "j.sqlite"
    Journal(path).put(Row(key="k", status="ok", reply='{"name": "Ada"}'))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE extraction SET reply = CAST(reply || x'ff' AS TEXT)")
    journal = Journal(path)
    assert journal.find("k") is None
    assert f"{path} cannot be used" in journal.notice
    assert "Ada" not in journal.notice
    journal.close()


def test_half_a_pair_of_surrogates_in_a_reply_is_put_down(tmp_path):
    """A server may send one; SQLite has no bytes for it."""
    for journal in (Journal(False), Journal(tmp_path / "j.sqlite")):
        at = journal.put(Row(key="k", status="ok", reply='{"a": "\ud800 é"}'))
        assert journal.get(at).reply == '{"a": "? é"}'
        assert journal.find("k").id == at
        journal.close()


def test_a_damaged_file_in_a_folder_without_rights_means_memory(tmp_path):
    """It cannot be set aside, because its folder is where a file has to be."""
    path = tmp_path / "j.sqlite"
    path.write_bytes(b"no database" * 1000)
    blocked = "import sys; from pathlib import Path\n" + (
        "from llmwidgets.engine.journal import Journal, Row\n"
        "import subprocess\n"
        "place = Path(sys.argv[1])\n"
        "subprocess.run(['mount', '--bind', place, place], check=True)\n"
        "subprocess.run(['mount', '-o', 'remount,ro,bind', place], check=True)\n"
        "journal = Journal(place / 'j.sqlite')\n"
        "at = journal.put(Row(key='k', status='ok', reply='{}'))\n"
        "journal.settle()\n"
        "print(journal.path, journal.get(at).reply, 'read-only' in journal.notice)\n"
    )
    assert mounted(blocked, str(tmp_path)) == "None {} True"


def test_a_read_only_disk_is_read_and_not_asked_again(tmp_path):
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    journal.put(row(1))
    journal.close()
    code = (
        "import subprocess, sys; from pathlib import Path\n"
        "from llmwidgets.engine.journal import Journal, Row\n"
        "place = Path(sys.argv[1])\n"
        "subprocess.run(['mount', '--bind', place, place], check=True)\n"
        "subprocess.run(['mount', '-o', 'remount,ro,bind', place], check=True)\n"
        "journal = Journal(place / 'j.sqlite')\n"
        "journal.put(Row(key='new', status='ok', reply='{}'))\n"
        "print(journal.find('key 1').reply, journal.find('new').reply, len(journal))\n"
        "print(journal.notice)\n"
        "subprocess.run(['mount', '-o', 'remount,rw,bind', place], check=True)\n"
        "journal.settle()\n"
        "print(journal.trouble, journal.find('new').id)\n"
    )
    first, notice, last = mounted(code, str(tmp_path)).splitlines()
    assert first == '{"n": 1} {} 2'
    assert notice.startswith(f"journal: {path} is read-only. 1 reply is kept in memory")
    assert last == "('', '') 2"
    assert on_disk(path) == {"key 1", "new"}


def test_a_full_disk_of_its_own(tmp_path):
    """On 300 kB: what does not fit waits, can be found, and is put down when there is room."""
    code = """
import subprocess, sys
from pathlib import Path
from llmwidgets.engine.journal import Journal, Row
place = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", place], check=True)
path, ballast = place / "j.sqlite", place / "ballast"
ballast.write_bytes(b"x" * 100_000)
journal = Journal(path)
ids = [journal.put(Row(key=str(at), status="ok", reply=str(at).zfill(500))) for at in range(60)]
journal.settle()
print(journal.notice)
print(all(journal.get(each).reply == str(at).zfill(500) for at, each in enumerate(ids)))
again = Journal(path)
print(sum(again.find(str(at)) is not None for at in range(60)))
ballast.unlink()
journal.settle()
print(journal.trouble[0], len(journal), len(Journal(path)))
"""
    notice, read, found, last = mounted(code, str(tmp_path)).splitlines()
    assert notice.startswith(f"journal: no space left on {tmp_path / 'j.sqlite'}. ")
    assert "Free space and run again" in notice
    assert (read, found, last) == ("True", "60", " 60 60")


def test_a_disk_that_is_full_before_the_journal_is_opened(tmp_path):
    """There is no room for what SQLite shares, so the file is read, and new rows wait."""
    code = """
import subprocess, sys
from pathlib import Path
from llmwidgets.engine.journal import Journal, Row
place = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", place], check=True)
path, ballast = place / "j.sqlite", place / "ballast"
journal = Journal(path)
journal.put(Row(key="old", status="ok", reply="{}"))
journal.close()
with ballast.open("wb", buffering=0) as file:
    try:
        while True:
            file.write(b"x" * 1000)
    except OSError:
        pass
journal = Journal(path)
print(journal.path, journal.find("old").reply)
journal.put(Row(key="new", status="ok", reply="{}"))
print(journal.notice)
ballast.unlink()
journal.settle()
print(journal.path == path, journal.trouble[0], Journal(path).find("new").reply)
other = Journal(place / "other.sqlite")
"""
    first, notice, last = mounted(code, str(tmp_path)).splitlines()
    assert first == "None {}"
    assert notice.startswith(f"journal: no space left on {tmp_path / 'j.sqlite'}. 1 reply is kept")
    assert last == "True  {}"


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
    return done.stdout.rstrip("\n")


def test_a_failure_waits_as_well(tmp_path):
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    with locked(path):
        at = journal.put(Row.of_failure("k", Unreachable("gone")))
        assert journal.find("k") is None
        assert journal.get(at).failure().message == "gone"
    journal.settle()
    assert on_disk(path) == {"k"}
    journal.close()
