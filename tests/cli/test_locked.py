"""A locked store in the shell: asked for at a terminal, said elsewhere, never taken as empty."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import llmwidgets as lw
from llmwidgets.cli import main
from llmwidgets.demo import stop_demo
from llmwidgets.engine import event_loop
from llmwidgets.store.age import Identity
from tests.servers import serving_models
from tests.stores import in_another_process
from tests.terminals import at_terminal, only_with_terminals

KEY = "made-up-Canary7Q2vXw9KpLr4TzB8n"
PASSPHRASE = "made-up crane violet"
SCHEMA = '{"type": "object", "properties": {"number": {"type": ["string", "null"]}}}'
COMPARE = ("compare", "--schema", "schema.json", "--texts", "letter.txt", "--journal", "none")


@pytest.fixture(autouse=True)
def engine():
    yield
    stop_demo()
    event_loop.stop_engine()


@pytest.fixture
def shut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> lw.Store:
    """The default store, with one connection in it, as another process finds it: locked."""
    monkeypatch.chdir(tmp_path)
    Path("schema.json").write_text(SCHEMA)
    Path("letter.txt").write_text("Invoice number: A-17")
    store = lw.Store.create(passphrase=PASSPHRASE)
    store.save(lw.Connection("custom", name="m", endpoint="http://127.0.0.1:9/v1", api_key=KEY))
    store.lock()
    return store


NEED_THE_STORE = {
    "list": ["connections"],
    "check all": ["connections", "check"],
    "check": ["connections", "check", "m"],
    "remove": ["connections", "remove", "m", "--yes"],
    "rename": ["connections", "rename", "m", "n"],
    "add": ["connections", "add", "openai", "--api-key", "env:KEY", "--no-test"],
    "compare": [*COMPARE, "--models", "m"],
    "compare in the store named": [*COMPARE, "--models", "demo", "--organization", "default"],
}


@pytest.mark.parametrize("name", NEED_THE_STORE)
@pytest.mark.parametrize("somebody", [False, True], ids=["no terminal", "--no-input"])
def test_where_nobody_can_be_asked_it_says_locked_and_what_opens_it(
    shut, name: str, somebody: bool, capsys, monkeypatch
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda _: pytest.fail("it asked"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: somebody, raising=False)
    words = NEED_THE_STORE[name]
    assert main([*words, *(["--no-input"] if somebody else [])]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    for part in (
        "locked", "terminal", "LLMWIDGETS_STORE_KEY_FILE", "LLMWIDGETS_STORE_KEY ", "remember",
    ):  # fmt: skip
        assert part in said
    assert "othing is connected" not in said


@pytest.mark.parametrize("words", [["connections"], ["connections", "check", "m"]])
def test_programs_read_it_as_json(shut, words: list[str], capsys) -> None:
    assert main([*words, "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["error"] == "StoreLocked"
    assert "is locked" in told["message"]
    assert "LLMWIDGETS_STORE_KEY_FILE" in told["hint"]


def test_what_needs_no_store_is_not_in_its_way(shut, capsys, monkeypatch) -> None:
    """Connections of the environment, the demo, a server by its address: nobody is asked."""
    monkeypatch.setattr("getpass.getpass", lambda _: pytest.fail("it asked"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    with serving_models(record={"number": "A-17"}) as server:
        monkeypatch.setenv("OPENAI_API_KEY", f"sk-{KEY}")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        assert main([*COMPARE, "--models", "demo-careful", "openai/gpt-6-luna"]) == 0
        assert main([*COMPARE, "--endpoint", f"{server.url}/v1", "--name", "m"]) == 0
    assert " openai/gpt-6-luna " in capsys.readouterr().out
    assert main(["connections", "--no-input"]) == 2
    told = capsys.readouterr()
    assert "openai" in told.out, "what needs no store is listed all the same"
    assert "is locked" in told.err


def test_the_key_file_opens_it_without_a_word(tmp_path, monkeypatch, capsys) -> None:
    store = lw.Store.create(passphrase=PASSPHRASE)
    recovery = store.take_recovery()
    store.save(lw.Connection("custom", name="m", endpoint="http://127.0.0.1:9/v1"))
    store.lock()
    store.state.restart()
    file = tmp_path / "identity.txt"
    file.write_text(recovery.reveal())
    file.chmod(0o600)
    monkeypatch.setenv("LLMWIDGETS_STORE_KEY_FILE", str(file))
    assert main(["connections", "--json"]) == 0
    assert [row["label"] for row in json.loads(capsys.readouterr().out)] == ["m"]


def test_a_store_of_a_key_file_is_asked_no_passphrase(tmp_path, monkeypatch, capsys) -> None:
    """It has none; and a key file of another store is told as that."""
    monkeypatch.setattr("getpass.getpass", lambda _: pytest.fail("it asked"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    files = [tmp_path / "one.txt", tmp_path / "other.txt"]
    for file in files:
        file.write_text(Identity.generate().secret.reveal())
        file.chmod(0o600)
    monkeypatch.setenv("LLMWIDGETS_STORE_KEY_FILE", str(files[0]))
    lw.Store.create().state.restart()
    monkeypatch.setenv("LLMWIDGETS_STORE_KEY_FILE", str(files[1]))
    assert main(["connections"]) == 2
    assert "does not open with the identity in LLMWIDGETS_STORE_KEY_FILE" in capsys.readouterr().err
    monkeypatch.delenv("LLMWIDGETS_STORE_KEY_FILE")
    assert main(["connections"]) == 2
    assert "No passphrase opens it: set LLMWIDGETS_STORE_KEY_FILE" in capsys.readouterr().err


def test_two_stores_cannot_be_named_at_once(capsys) -> None:
    assert main(["connections", "--store", "a", "check", "--organization", "b"]) == 2
    assert "--organization" in capsys.readouterr().err


# -- At a terminal.

AWAY = f"\r{' ' * len('Unlocking…')}\r"
"""What takes the words away that stood there while it took long."""


@only_with_terminals
def test_at_a_terminal_it_asks_once_and_says_what_was_wrong(shut) -> None:
    with at_terminal("connections", "--json") as terminal:
        terminal.answer("is locked. Passphrase: ", "made-up wrong words")
        terminal.wait_for(f"Unlocking…{AWAY}llmwidgets: ")
        terminal.wait_for("2 tries left.")
        terminal.answer("Passphrase: ", PASSPHRASE)
        terminal.wait_for(f"Unlocking…{AWAY}[")
        assert terminal.end() == 0
    assert terminal.shown.count("Passphrase: ") == 2
    assert '"label": "m"' in terminal.shown
    for hidden in (KEY, PASSPHRASE, "made-up wrong words"):
        assert hidden not in terminal.shown


@only_with_terminals
def test_after_three_tries_it_ends(shut) -> None:
    with at_terminal("connections") as terminal:
        for _ in range(3):
            terminal.answer("Passphrase: ", "made-up wrong words")
        assert terminal.end() == 2
    assert terminal.shown.count("Passphrase: ") == 3
    assert "made-up wrong" not in terminal.shown
    assert "Traceback" not in terminal.shown


@only_with_terminals
def test_a_comparison_at_a_terminal_opens_the_store_and_removes_what_was_said_yes_to(shut) -> None:
    with serving_models(record={"number": "A-17"}) as server:
        store = in_another_process(shut)
        store.unlock(PASSPHRASE)
        fields = {"name": "m", "endpoint": f"{server.url}/v1", "api_key": KEY}
        store.save(lw.Connection("custom", **fields), replace=True)
        with at_terminal(*COMPARE, "--models", "m") as terminal:
            terminal.answer("Passphrase: ", PASSPHRASE)
            assert terminal.end() == 0
        assert "1 of 1 reply is a valid record" in " ".join(terminal.shown.split())
        assert server.seen[-1].headers["authorization"] == f"Bearer {KEY}"
        assert KEY not in terminal.shown
    with at_terminal("connections", "remove", "m") as terminal:
        terminal.answer("Passphrase: ", PASSPHRASE)
        terminal.answer("Delete it? [y/N]", "y")
        assert terminal.end() == 0
    assert len(store) == 0
    store.restore()
    assert [each.label for each in store] == ["m"], "as the command says"


def test_a_damaged_store_is_told_the_command_that_goes_back_and_it_does(
    shut, capsys, monkeypatch
) -> None:
    shut.unlock(PASSPHRASE)
    shut.save(lw.Connection("openai", api_key="env:OPENAI_API_KEY"))
    shut.lock()
    (shut.path / "connections.age").write_bytes(b"age-encryption.org/v1\n broken")
    assert main(["connections", "restore"]) == 2
    assert "LLMWIDGETS_STORE_KEY_FILE" in capsys.readouterr().err, "it is locked"
    typed = iter([PASSPHRASE, "made-up wrong words", PASSPHRASE])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _: next(typed))
    assert main(["connections"]) == 2
    said = capsys.readouterr().err
    assert "llmwidgets connections restore goes back to it" in said
    assert "store.restore" not in said
    assert main(["connections", "restore"]) == 0
    told = capsys.readouterr()
    assert "Back to connections.age.bak" in told.out
    assert "2 tries left" in told.err
    assert main(["connections", "--json"]) == 0
    assert [row["label"] for row in json.loads(capsys.readouterr().out)] == ["m"]


def test_a_store_whose_file_is_gone_is_restored_too(
    shut, tmp_path: Path, capsys, monkeypatch
) -> None:
    shut.unlock(PASSPHRASE)
    shut.rename("m", "n")
    (shut.path / "connections.age").unlink()
    assert main(["doctor"]) == 1
    assert "llmwidgets connections restore goes back to it" in capsys.readouterr().out
    assert main(["connections", "restore"]) == 0
    assert main(["connections"]) == 0
    assert " m " in capsys.readouterr().out


def test_restoring_where_there_is_nothing_says_so(tmp_path: Path, capsys) -> None:
    folder = str(tmp_path / "none")
    assert main(["connections", "restore", "--store", folder]) == 2
    assert "does not exist yet" in capsys.readouterr().err


def test_what_only_python_can_do_says_which_store_is_meant(shut, capsys) -> None:
    """Where the hint is a call of the store, a shell has no name `store` yet."""
    shut.unlock(PASSPHRASE)
    shut.save(lw.Connection("openai", api_key="env:OPENAI_API_KEY"))
    words = ["--models", "openai/no-such-model", "--organization", "default"]
    assert main([*COMPARE, *words]) == 2
    said = capsys.readouterr().err
    assert 'store.allow("openai", "no-such-model")' in said
    assert 'In Python, store is lw.Store("default").' in said
