"""The journal: on disk before it is shown, never damaged, never a text or a key."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.cli import main
from llmwidgets.dialects.types import Enforcement, ResponseFormat, Usage
from llmwidgets.engine import journal_file
from llmwidgets.engine.journal import Journal, Row, open_for_call
from llmwidgets.errors import FAILURES, CallError, FieldError, Truncated, Unreachable
from tests.old_journals import write_as_before

FULL = Row(
    key="k",
    status="ok",
    at=1_700_000_000.5,
    reply='{"a": 1}',
    usage=Usage(100, 20, 10, 5),
    seconds=1.25,
    cost=0.0003,
    form=ResponseFormat.JSON_SCHEMA,
    mode=Enforcement.SCHEMA,
    served_model="m-1",
    request_id="r",
    tries=2,
    notes=("a note",),
    dropped=("temperature",),
)


@pytest.fixture(params=["file", "memory"])
def journal(request, tmp_path):
    return Journal(tmp_path / "j.sqlite" if request.param == "file" else False)


def test_a_row_comes_back_as_it_was_put_down(journal):
    row_id = journal.put(FULL)
    assert journal.get(row_id) == replace(FULL, id=row_id)


@given(
    st.sampled_from(["ok", *FAILURES]),
    st.text(),
    st.one_of(st.none(), st.integers(0, 10**9)),
    st.one_of(st.none(), st.floats(0, 1e6)),
)
def test_any_row_comes_back(status, words, tokens, cost):
    words = words.encode("utf-8", "replace").decode()
    row = Row(key="k", status=status, reply=words, message=words, usage=Usage(tokens), cost=cost)
    journal = Journal(False)
    row_id = journal.put(row)
    assert journal.get(row_id) == replace(row, id=row_id)
    journal.close()


@pytest.mark.parametrize("kind", FAILURES.values())
def test_a_failure_comes_back_with_its_class_and_words(kind):
    facts = {"label": "l", "model": "m", "status": 503, "code": "c", "perhaps_answered": True}
    failure = kind("What.", "Next.", **(facts if issubclass(kind, CallError) else {}))
    back = Row.of_failure("k", failure).failure()
    assert type(back) is kind
    assert vars(back) == vars(failure)


def test_only_answered_rows_are_found_and_the_newest_first(journal):
    journal.put(replace(FULL, reply="old"))
    newest = journal.put(replace(FULL, reply="new"))
    journal.put(Row.of_failure("k", Unreachable("gone")))
    assert journal.find("k").id == newest
    assert journal.find("other") is None


def test_a_scored_failure_is_an_answer_and_a_failure_of_the_way_is_none(journal):
    journal.put(Row.of_failure("cut", Truncated("cut")))
    journal.put(Row.of_failure("gone", Unreachable("gone")))
    assert journal.find("cut").status == "Truncated"
    assert journal.find("gone") is None


def test_a_row_of_another_version_is_read_as_far_as_it_is_known(tmp_path):
    journal = Journal(tmp_path / "j.sqlite")
    row_id = journal.put(FULL)
    with closing(sqlite3.connect(tmp_path / "j.sqlite")) as other, other:
        write_as_before(other, journal.get(row_id))
        other.execute(
            "UPDATE extraction SET facts = json_remove(json_set(facts, '$.later', 1), '$.tries')"
        )
    other.close()
    assert journal.get(row_id) == replace(FULL, id=row_id, tries=0)


def test_an_empty_journal_is_not_taken_for_none(journal):
    assert (len(journal), bool(journal)) == (0, True)


def test_an_unknown_id_is_a_key_error(journal):
    with pytest.raises(KeyError):
        journal.get(7)


def test_the_file_is_its_owners_alone(tmp_path):
    journal = Journal(tmp_path / "deep" / "j.sqlite")
    journal.put(FULL)
    for path in (tmp_path / "deep").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_row_is_committed_before_put_returns(tmp_path):
    """Another process, or this one after a kill, reads it at once."""
    path = tmp_path / "j.sqlite"
    code = (
        "import os, sys; from llmwidgets.engine.journal import Journal, Row\n"
        "Journal(sys.argv[1]).put(Row(key='k', status='ok', reply='kept'))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert Journal(path).find("k").reply == "kept"


def test_a_damaged_file_is_kept_and_a_new_one_begun(tmp_path):
    path = tmp_path / "j.sqlite"
    path.write_bytes(b"no database, but somebody's bytes" * 100)
    journal = Journal(path)
    journal.put(FULL)
    kept = [
        each for each in tmp_path.iterdir() if "damaged" in each.name and "wal" not in each.name
    ]
    assert [each.read_bytes()[:11] for each in kept] == [b"no database"]
    assert kept[0].name in journal.notice
    assert Journal(path).find("k").reply == FULL.reply


def test_each_damaged_file_is_kept(tmp_path):
    """Also those of one second."""
    path = tmp_path / "j.sqlite"
    for number in range(3):
        path.write_bytes(f"no database {number} ".encode() * 100)
        Journal(path).close()
    kept = [each.read_bytes()[:13] for each in tmp_path.glob("*damaged*")]
    assert sorted(kept) == [b"no database 0", b"no database 1", b"no database 2"]


@pytest.mark.parametrize("name", ["claims.jsonl", "notes.txt", "table.csv", "noname", "a.tar.gz"])
@pytest.mark.parametrize("data", [b"xy", b'{"text": "a"}\n' * 900, b"\x1f\x8b\0\0" * 300])
def test_a_file_that_is_no_journal_is_refused_and_stays(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(FieldError, match=f"{name} is a file of another kind, and was left"):
        Journal(path)
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == [name]
    assert path.read_bytes() == data


def test_a_database_of_another_program_gets_no_table_of_ours(tmp_path):
    path = tmp_path / "photos.sqlite"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE photo (id INTEGER PRIMARY KEY)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(FieldError, match=r"photos\.sqlite is a file of another kind"):
        Journal(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["photos.sqlite"]


FACTS = '{"usage": {}, "form": null, "mode": null, "notes": [], "dropped": [], %s}'
EDITS = {
    "at": ["'yesterday'", "1e300", "-1", "x'00'"],
    "status": ["7", "'fine'", "x'00ff'"],
    "reply": ["x'ff'"],
    "facts": [
        "5", "'[]'", "'{}'", "'{'", "'{\"usage\": 5}'",
        *(f"'{FACTS % each}'" for each in (
            '"seconds": "a"', '"seconds": -1', '"cost": []', '"cost": NaN', '"label": 5',
            '"message": null', '"tries": 1.5', '"http_status": "x"', '"form": 0', '"mode": "x"',
            '"notes": [5]', '"dropped": "abc"', '"perhaps_answered": null', '"served_model": 1',
            '"usage": {"input_tokens": "x"}', '"usage": {"input_tokens": -1}',
            '"usage": {"input_tokens": 1' + "0" * 400 + "}", '"usage": {"other": 1}',
        )),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value"), [(name, each) for name, values in EDITS.items() for each in values]
)
def test_a_row_of_another_hand_is_told_and_asked_again(tmp_path, capsys, column, value):
    """Whatever a cell has become: no look at it raises, and the command counts on."""
    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    at = journal.put(Row(key="k", status="ok", reply="{}"))
    journal.close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(f"UPDATE extraction SET {column} = {value}")
        other.execute("INSERT INTO look (scored, keys) VALUES (5, 5)")
    other.close()
    journal = Journal(path)
    row = journal.get(at)
    assert row.when
    assert row.status == "InternalError"
    assert "no longer has this reply" in row.message
    assert journal.find("k") is None
    assert journal.looks([at]) == set()
    journal.close()
    assert main(["journal", "--journal", str(path)]) == 0
    assert "1 row" in capsys.readouterr().out


def test_a_journal_that_another_process_is_just_making_is_one(tmp_path):
    """Its tables come one by one, and who opens it in between sees the first of them alone."""
    Journal(tmp_path / "whole.sqlite").put(FULL)
    with closing(sqlite3.connect(tmp_path / "whole.sqlite")) as whole:
        made = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
        statements = [sql for (sql,) in whole.execute(made)]
    for done in range(len(statements) + 1):
        path = tmp_path / f"{done}.sqlite"
        with closing(sqlite3.connect(path)) as begun:
            for each in statements[:done]:
                begun.execute(each)
        journal = Journal(path)
        assert journal.get(journal.put(FULL)).reply == FULL.reply
        assert (journal.path, journal.notice) == (path, "")


def test_somebody_elses_database_is_kept_and_not_written_to(tmp_path):
    path = tmp_path / "j.sqlite"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE extraction (id INTEGER PRIMARY KEY, mine TEXT)")
    other.close()
    journal = Journal(path)
    assert journal.notice
    assert journal.find("k") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_means_memory(tmp_path):
    tmp_path.chmod(0o500)
    journal = Journal(tmp_path / "j.sqlite")
    assert journal.path is None
    assert "memory" in journal.notice


def test_a_path_that_cannot_be_a_file_means_memory(tmp_path):
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "file" / "j.sqlite")
    assert journal.path is None
    assert "memory" in journal.notice
    assert journal.get(journal.put(FULL)).reply == FULL.reply


def test_by_default_it_lies_in_the_users_cache(tmp_path, monkeypatch):
    assert Journal().path == journal_file.default_journal_path()
    assert str(tmp_path) in str(journal_file.default_journal_path())
    assert Journal().notice == ""


def test_on_binder_it_is_in_memory(monkeypatch):
    monkeypatch.setenv("BINDER_SERVICE_HOST", "10.0.0.1")
    journal = Journal()
    assert journal.path is None
    assert "Binder" in journal.notice


def test_a_network_file_system_is_told_from_the_mounts(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda1 / ext4 rw 0 0\n"
        "server:/people /people nfs4 rw 0 0\n"
        "/dev/sdb /people/me/fast xfs rw 0 0\n"
    )
    assert journal_file.is_on_network(Path("/people/me/.cache/x"), mounts)
    assert not journal_file.is_on_network(Path("/people/me/fast/x"), mounts)
    assert not journal_file.is_on_network(Path("/opt/x"), mounts)
    assert not journal_file.is_on_network(Path("/opt/x"), tmp_path / "no mounts")


def test_on_a_network_file_system_it_moves_to_local_space(monkeypatch, tmp_path):
    monkeypatch.setattr(journal_file, "is_on_network", lambda path: True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    journal = Journal()
    assert tmp_path in journal.path.parents
    assert "network file system" in journal.notice


def test_a_folder_somebody_else_prepared_is_not_used(monkeypatch, tmp_path):
    monkeypatch.setattr(journal_file, "is_on_network", lambda path: True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    trap = tmp_path / f"llmwidgets-{os.getuid()}"
    trap.symlink_to(tmp_path / "elsewhere")
    assert trap not in Journal().path.parents


def test_threads_may_write_at_once(journal):
    threads = [
        threading.Thread(target=lambda: [journal.put(FULL) for _ in range(50)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal) == 400


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_opens_the_file_anew(tmp_path):
    code = (
        "import os, sys; from llmwidgets.engine.journal import Journal, Row\n"
        "journal = Journal(sys.argv[1]); journal.put(Row(key='parent', status='ok'))\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    journal.put(Row(key='child', status='ok')); os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert journal.find('child') and len(journal) == 2\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "j")], check=True, timeout=30)


def test_a_loop_of_calls_opens_its_file_once_and_again_where_it_is_another(tmp_path):
    path, other = tmp_path / "journal.sqlite", tmp_path / "other.sqlite"
    first = open_for_call(path)
    first.put(FULL)
    assert open_for_call(str(path)) is first
    assert open_for_call(other) is not first
    again = open_for_call(path)
    assert again is not first
    assert again.find(FULL.key).reply == FULL.reply
    del first
    for each in tmp_path.glob("journal.sqlite*"):
        each.unlink()
    new = open_for_call(path)
    assert new is not again
    assert new.find(FULL.key) is None
    assert new.notice == ""
    assert open_for_call(False) is not open_for_call(False)
