"""llmwidgets doctor, connections and journal: what they tell, how they end, and no secret in it."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import stat
import subprocess
import time
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.cli import main
from llmwidgets.engine import event_loop
from llmwidgets.engine.journal import Journal, Row
from llmwidgets.engine.journal_file import default_journal_path
from llmwidgets.keyscan import doctor
from llmwidgets.keyscan.doctor import Finding, examine_clock, histories
from llmwidgets.secret import Secret
from llmwidgets.store import age, state
from llmwidgets.store.age import Identity
from tests.kinds import signed_key
from tests.servers import ModelServer, Seen, serving_models
from tests.stores import SHIPPED_WORK_FACTOR

KEY = "made-up-Canary7Q2vXw9KpLr4TzB8n"
PASSPHRASE = "made-up crane violet"


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    file = tmp_path / "key.txt"
    file.write_text(Identity.generate().secret.reveal())
    file.chmod(0o600)
    monkeypatch.setenv("LLMWIDGETS_STORE_KEY_FILE", str(file))
    return file


@pytest.fixture
def store(tmp_path: Path, identity: Path) -> lw.Store:
    made = lw.Store.create(path=tmp_path / "store")
    made.save(lw.Connection("custom", name="m", endpoint="https://a.example/v1", api_key=KEY))
    return made


def findings(store: lw.Store, capsys) -> tuple[int, dict[str, dict[str, str]]]:
    """The status, and by subject what was found last."""
    capsys.readouterr()
    status = main(["doctor", "--store", str(store.path), "--json"])
    told = capsys.readouterr()
    assert KEY not in told.out + told.err
    return status, {each["subject"]: each for each in json.loads(told.out)}


def test_all_is_well_with_a_new_store(store, capsys) -> None:
    assert main(["doctor", "--store", str(store.path)]) == 0
    told = capsys.readouterr()
    assert (told.out.splitlines()[-1], told.err) == ("Nothing to fix.", "")
    for part in ("Files 0600, folder 0700", "are yours", "Opened by LLMWIDGETS_STORE_KEY_FILE",
                 "1 connection", "No policy file", "journal"):  # fmt: skip
        assert part in told.out
    assert KEY not in told.out


def test_where_there_is_no_store_all_is_well(tmp_path, identity, capsys) -> None:
    status, said = findings(lw.Store(path=tmp_path / "none"), capsys)
    assert status == 0
    assert "made at the first Save" in said["store"]["said"]
    assert main(["doctor"]) == 0


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_modes_are_told_and_not_mended(store, capsys) -> None:
    file = store.path / "connections.age"
    file.chmod(0o640)
    store.path.chmod(0o770)
    assert main(["doctor", "--store", str(store.path)]) == 1
    out = capsys.readouterr().out
    assert f"chmod 600 {file}" in out
    assert f"chmod 700 {store.path}" in out
    assert out.splitlines()[-1] == "To fix: 2."


@pytest.mark.skipif(os.name == "nt", reason="owners are POSIX's")
def test_files_of_another_user_are_told(store, monkeypatch, capsys) -> None:
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    status, said = findings(store, capsys)
    assert (status, said["owner"]["level"]) == (1, "problem")
    assert f"belongs to another user (number {me})" in said["owner"]["said"]


def test_a_passphrase_too_cheap_to_guess_at_and_one_too_dear(store, capsys, monkeypatch) -> None:
    monkeypatch.setattr(age, "WORK_FACTOR", SHIPPED_WORK_FACTOR)
    plain = memoryview(b"AGE-SECRET-KEY-1")
    path = store.path / "identity.age"
    for factor, level in ((10, "problem"), (17, "fine")):
        path.write_bytes(age.encrypt_passphrase(plain, Secret(PASSPHRASE), work_factor=factor))
        path.chmod(0o600)
        said = findings(store, capsys)[1]["passphrase"]
        assert (said["level"], f"2^{factor}" in said["said"]) == (level, True)
    path.write_bytes(path.read_bytes().replace(b" 17\n", b" 22\n"))
    assert "not opened here" in findings(store, capsys)[1]["passphrase"]["said"]


def test_a_locked_store_says_what_it_takes_and_asks_nobody(tmp_path, monkeypatch, capsys) -> None:
    lw.Store.create(path=tmp_path / "shut", passphrase=PASSPHRASE).lock()
    shut = lw.Store(path=tmp_path / "shut")
    monkeypatch.setattr("getpass.getpass", lambda _: pytest.fail("it asked"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    status, said = findings(shut, capsys)
    assert status == 0
    assert said["key"]["level"] == "note"
    assert "it takes the passphrase" in said["key"]["said"]


def test_a_key_file_that_cannot_be_trusted(store, identity, capsys) -> None:
    store.lock()
    identity.chmod(0o644)
    state._states.clear()
    status, said = findings(lw.Store(path=store.path), capsys)
    assert (status, said["key"]["level"]) == (1, "problem")
    assert "others can reach it" in said["key"]["said"]


def test_a_damaged_store_is_a_finding(store, capsys) -> None:
    path = store.path / "connections.age"
    path.write_bytes(path.read_bytes()[:-3])
    status, said = findings(store, capsys)
    assert (status, said["key"]["level"]) == (1, "problem")


def test_leftovers_copies_and_sync_folders(tmp_path, identity, capsys) -> None:
    store = lw.Store.create(path=tmp_path / "Dropbox" / "keys")
    for name in ("connections (1).age", "connections (Anna's conflicted copy 2026-11-02).age",
                 "connections.sync-conflict-20261102-101010-ABC.age"):  # fmt: skip
        (store.path / name).write_bytes(b"x")
        status, said = findings(store, capsys)
        assert name in said["conflict copies"]["said"]
        (store.path / name).unlink()
    left = store.path / ".connections.age.0a1b.tmp"
    left.write_bytes(b"x")
    os.utime(left, (time.time() - 900,) * 2)
    status, said = findings(store, capsys)
    assert "conflict copies" not in said
    assert "1 temporary file" in said["leftovers"]["said"]
    assert (status, said["sync folder"]["level"]) == (1, "problem")
    assert "Dropbox" in said["sync folder"]["said"]


def test_a_store_in_git(tmp_path, identity, capsys) -> None:
    root = tmp_path / "repository"
    store = lw.Store.create(path=root / "keys")
    git = ["git", "-C", str(root), "-c", "user.name=n", "-c", "user.email=e@a.example"]
    subprocess.run([*git, "init", "-q"], check=True)
    status, said = findings(store, capsys)
    assert (status, said["version control"]["level"]) == (0, "note")
    subprocess.run([*git, "add", "keys"], check=True)
    status, said = findings(store, capsys)
    assert (status, said["version control"]["level"]) == (1, "problem")


def test_keys_in_ipythons_history(store, tmp_path, capsys) -> None:
    """By shape, and the store's own when it is open; told with the command that cleans."""
    path = tmp_path / "ipython" / "profile_default" / "history.sqlite"
    path.parent.mkdir(parents=True)
    database = sqlite3.connect(path)
    with database:
        database.execute("CREATE TABLE history (source text, source_raw text)")
    assert findings(store, capsys)[0] == 0
    with database:
        database.execute("INSERT INTO history VALUES (?, '')", (f"k = '{KEY}'",))
    database.close()
    status, said = findings(store, capsys)
    fix = f"llmwidgets scan --store {store.path} --clean {path}"
    assert (status, said["history"]["fix"]) == (1, fix)
    assert "api_key of m" in said["history"]["said"]
    # The command does what the finding says, for a key of no known shape.
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE output_history (output text)")
    database.close()
    assert main([*shlex.split(fix)[1:], "--yes"]) == 1
    assert findings(store, capsys)[0] == 0


def test_a_command_to_run_takes_a_folder_with_blanks(tmp_path, identity, capsys) -> None:
    """Each `chmod`, copied into a shell as it stands, mends what it is told for."""
    store = lw.Store.create(path=tmp_path / "my store's $HOME")
    for file in (store.path, store.path / "connections.age"):
        file.chmod(0o777)
    store.lock()
    told = findings(store, capsys)[1]
    subprocess.run(told["modes"]["fix"], shell=True, check=True)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o700


def test_what_is_told_holds_no_secret_whatever_is_wrong(
    tmp_path, identity, monkeypatch, capsys
) -> None:
    """Keys in variables, key file, history, a broken policy, a damaged store: the same subjects."""
    store = lw.Store.create(path=tmp_path / "store")
    store.save(lw.Connection("openai", api_key=KEY, headers={"X-Team": f"{KEY}-header"}))
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}-environment")
    monkeypatch.setenv("LLMWIDGETS_POLICY", str(tmp_path / "policy.toml"))
    before = [each["subject"] for each in all_of(store, capsys)]
    (tmp_path / "policy.toml").write_text(f'api_key = "{KEY}"\n')
    (store.path / "connections.age").write_bytes(b"")
    (store.path / "identity.age").write_text(KEY)
    identity.write_text(f"AGE-SECRET-KEY-1{KEY}")
    state._states.clear()
    again = all_of(lw.Store(path=store.path), capsys)
    assert [each["subject"] for each in again] == before
    assert {"key", "policy", "passphrase"} <= {
        each["subject"] for each in again if each["level"] == "problem"
    }
    assert all(sorted(each) == ["fix", "level", "said", "subject"] for each in again)
    assert again == all_of(lw.Store(path=store.path), capsys), "told twice, it is the same"


def all_of(store: lw.Store, capsys) -> list[dict[str, str]]:
    """Every finding but the time of day, of which none holds the key."""
    capsys.readouterr()
    assert main(["doctor", "--store", str(store.path), "--json"]) in {0, 1}
    told = capsys.readouterr()
    assert KEY not in told.out + told.err
    return [each for each in json.loads(told.out) if each["subject"] != "clock"]


def test_policies_and_the_journals_mode(store, tmp_path, monkeypatch, capsys) -> None:
    policy = tmp_path / "policy.toml"
    monkeypatch.setenv("LLMWIDGETS_POLICY", str(policy))
    policy.write_text("max_budget = 3.0\n")
    assert findings(store, capsys)[1]["policy"]["said"] == f"{policy} is in force."
    policy.write_text("max_budged = 3.0\n")
    assert findings(store, capsys)[1]["policy"]["level"] == "problem"
    policy.write_text("")
    Journal().put(Row(key="a", status="ok"))
    assert findings(store, capsys)[0] == 0
    default_journal_path().chmod(0o644)
    status, said = findings(store, capsys)
    assert (status, said["journal"]["fix"]) == (1, f"chmod 600 {default_journal_path()}")


def test_a_wrong_clock(store) -> None:
    now = time.time()
    assert examine_clock(store.path).level == "fine"
    assert examine_clock(store.path, lambda: now - 86_400 * 2000).level == "problem"
    found = examine_clock(store.path, lambda: now - 4000)
    assert isinstance(found, Finding)
    assert (found.level, "but the store was written" in found.said) == (
        ("problem", True) if now - 4000 > datetime(2026, 11, 1).timestamp() else ("problem", False)
    )


def test_keys_that_end_are_told(store, capsys, monkeypatch) -> None:
    """A key that ends soon is a note; one that has ended is to be mended."""
    today = date(2026, 11, 23)  # of which no midnight makes another day
    monkeypatch.setattr(doctor, "local_today", lambda: today)
    soon, gone = today + timedelta(days=9), today - timedelta(days=1)
    assert findings(store, capsys)[1]["key's end"]["level"] == "fine"
    store.save(lw.Connection("openai", api_key=KEY, expires=soon))
    status, said = findings(store, capsys)
    assert (status, said["key's end"]["level"]) == (0, "note")
    assert said["key's end"]["said"].startswith("openai: The key ends ")
    assert said["key's end"]["said"].endswith(", in 9 days.")
    store.save(lw.Connection("anthropic", api_key=KEY, expires=gone))
    status, said = findings(store, capsys)
    assert (status, said["key's end"]["level"]) == (1, "problem")
    assert "make a new key at https://" in said["key's end"]["fix"]
    assert main(["connections", "--store", str(store.path), "--json"]) == 0
    rows = {row["label"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["openai"]["key_ends"], rows["m"]["key_ends"]) == (soon.isoformat(), None)
    assert rows["m"]["key_notes"] == []
    assert main(["connections", "--store", str(store.path)]) == 0
    told = capsys.readouterr().out
    assert "anthropic: The key ended on" in told
    assert KEY not in told


def test_a_locked_store_tells_of_no_key(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shut = lw.Store.create(path=tmp_path / "shut", passphrase=PASSPHRASE)
    shut.save(lw.Connection("openai", api_key=KEY, expires="2020-01-01"))
    shut.lock()
    told = findings(shut, capsys)[1]["key's end"]
    assert told["said"] == "Not known: no store is open here."
    assert told["level"] == "note"


@pytest.mark.parametrize("made", ["20200101T000000Z", "99981231T000000Z"])
def test_a_short_term_key_of_a_variable_is_told_also_beside_a_locked_store(
    tmp_path, capsys, monkeypatch, made
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", signed_key(made, 43_200))
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    shut = lw.Store.create(path=tmp_path / "shut", passphrase=PASSPHRASE)
    shut.lock()
    status, told = findings(shut, capsys)
    ended = made.startswith("2020")
    assert ("bedrock: The key ended on" in told["key's end"]["said"]) is ended
    assert (told["key's end"]["level"] == "problem") is ended
    assert status == ended


def test_the_history_of_an_unknown_user_is_not_there(monkeypatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", "~nobody-0/ipython")
    assert histories() == []


def test_misuse_ends_with_2(capsys) -> None:
    assert main(["doctor", "--nonsense"]) == 2
    assert main(["connections", "check"]) == 2
    assert main(["journal", "--clear-before", "soon"]) == 0
    assert main(["journal", "--journal", "absent.sqlite"]) == 2


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["--organization", "nix"], 'Store.create("nix").'),
        (["--store", "elsewhere"], 'Store.create(path="{}/elsewhere").'),
    ],
)
def test_a_store_that_is_not_there_is_said_with_the_call_that_makes_it(
    words: list[str], call: str, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["connections", *words]) == 2
    assert call.format(tmp_path) in capsys.readouterr().err


def test_connections_are_listed_without_secrets(store, monkeypatch, capsys) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-made-up-0001-7Q2v")
    assert main(["connections", "--store", str(store.path), "--json"]) == 0
    told = capsys.readouterr().out
    rows = {row["label"]: row for row in json.loads(told)}
    assert rows["m"]["host"] == "a.example"
    assert rows["m"]["key_ends_in"] == KEY[-4:]
    assert rows["openai"]["origin"] == "environment"
    assert main(["connections", "--store", str(store.path)]) == 0
    told += capsys.readouterr().out
    assert "today" in told
    assert KEY not in told
    assert "sk-proj" not in told


def test_a_connection_is_checked_by_its_label(store, capsys) -> None:
    with serving_models(record={}) as server:
        store.save(lw.Connection("custom", name="m", label="here", endpoint=f"{server.url}/v1"))
        assert main(["connections", "check", "here", "--store", str(store.path)]) == 0
        assert capsys.readouterr().out.startswith("here: ")
    store.save(lw.Connection("custom", name="m", label="gone", endpoint="http://127.0.0.1:9/v1"))
    arguments = ["connections", "check", "gone", "--store", str(store.path), "--json"]
    assert main(arguments) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False
    assert main(["connections", "check", "elsewhere", "--store", str(store.path)]) == 2
    event_loop.stop_engine()


def test_a_check_tells_its_waits_and_what_it_could_not_determine(store, capsys) -> None:
    class BusyAtFirst(ModelServer):
        def answer(self, seen: Seen) -> tuple[int, Any]:
            self.fault = "overload" if len(self.seen) < 4 else "truncate"
            return super().answer(seen)

    with serving_models(BusyAtFirst) as server:
        store.save(lw.Connection("custom", name="m", label="busy", endpoint=f"{server.url}/v1"))
        asked = ["connections", "check", "busy", "--store", str(store.path), "--json"]
        assert main(asked) == 0
    told = capsys.readouterr()
    assert "asking again in" in told.err
    assert json.loads(told.out)["mode"] is None
    assert "could not be determined" in json.loads(told.out)["sentence"]
    event_loop.stop_engine()


def test_a_journal_that_another_process_holds_is_told_as_that(capsys) -> None:
    journal = Journal()
    journal.put(Row(key="k", status="ok", at=1.0))
    with closing(sqlite3.connect(default_journal_path(), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert main(["journal", "--clear-before", "2026-11-20"]) == 2
        said = capsys.readouterr().err
    assert f"journal: {default_journal_path()} is locked by another process." in said
    assert "End the process that uses it and try again." in said
    journal.close()


def test_a_journal_in_a_place_that_is_no_folder_is_a_finding(capsys) -> None:
    default_journal_path().parent.parent.mkdir(parents=True, exist_ok=True)
    default_journal_path().parent.write_text("")
    assert main(["journal"]) == 0
    assert main(["doctor"]) == 1
    assert "(Not a directory); replies would be in memory." in capsys.readouterr().out


def test_the_journal_is_told_and_cleared(capsys) -> None:
    assert main(["journal"]) == 0
    assert "There is no journal yet" in capsys.readouterr().out
    journal = Journal()
    for day in (1, 2, 20):
        at = datetime(2026, 11, day, 12).timestamp()
        journal.put(Row(key=str(day), status="ok", at=at, reply=f'"reply of day {day}"'))
    assert main(["journal"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{default_journal_path()}\n")
    assert "3 rows, from 2026-11-01 to 2026-11-20." in told
    assert main(["journal", "--clear-before", "2026-11-20"]) == 0
    assert "Deleted 2 rows from before 2026-11-20." in capsys.readouterr().out
    assert journal.get(3).key == "20"
    held = b"".join(each.read_bytes() for each in default_journal_path().parent.iterdir())
    assert b"reply of day 20" in held
    assert b'reply of day 1"' not in held
    journal.close()
