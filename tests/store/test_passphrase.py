"""The passphrase is asked for where somebody can answer, and nowhere else."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from llmwidgets import Store
from llmwidgets.errors import FieldError, StoreLocked, WrongPassphrase
from llmwidgets.store import identity_sources

TYPED = "made-up crane violet anchor"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A terminal whose user types what the list holds."""
    answers: list[str] = []
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(identity_sources.getpass, "getpass", lambda _prompt: answers.pop(0))
    return answers


def test_a_terminal_is_asked_twice_for_a_new_store_and_once_to_unlock(
    tmp_path: Path, typing: list[str]
) -> None:
    typing.extend([TYPED, TYPED])
    store = Store.create(path=tmp_path / "store")
    assert not store.locked
    store.lock()
    typing.append(TYPED)
    store.unlock()
    assert store.unlocked_by == "passphrase"
    assert typing == []


@pytest.mark.parametrize("second", ["made-up crane violet anchor!", ""])
def test_two_that_differ_make_no_store(tmp_path: Path, typing: list[str], second: str) -> None:
    typing.extend([TYPED, second])
    with pytest.raises(Exception, match="not typed the same twice"):
        Store.create(path=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_nobody_is_asked_where_nobody_sits(tmp_path: Path, monkeypatch) -> None:
    """Without a terminal the remedies are said at once."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("typed by a pipe\n"))
    with pytest.raises(StoreLocked, match="LLMWIDGETS_STORE_KEY_FILE"):
        Store.create(path=tmp_path / "store")


CELL = "import llmwidgets as lw\nstore = lw.Store.create(path={path!r})\nprint(store.unlocked_by)"


def test_a_notebook_asks_in_its_secret_field(tmp_path: Path) -> None:
    """A real kernel asks for a password; its messages back hold nothing of it."""
    manager, client = start_new_kernel(kernel_name="python3")
    heard: list[object] = []
    asked = []

    def answer(message: dict) -> None:
        asked.append(message["content"])
        client.input(TYPED)

    try:
        reply = client.execute_interactive(
            CELL.format(path=str(tmp_path / "store")),
            allow_stdin=True,
            stdin_hook=answer,
            output_hook=heard.append,
            timeout=60,
        )
        silent = client.execute_interactive(
            CELL.format(path=str(tmp_path / "other")), allow_stdin=False,
            output_hook=heard.append, timeout=60,
        )  # fmt: skip
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
    assert reply["content"]["status"] == "ok"
    assert [each["password"] for each in asked] == [True, True]
    assert TYPED not in repr(heard)
    assert (tmp_path / "store" / "identity.age").is_file()
    assert silent["content"]["ename"] == "StoreLocked"


def test_a_letter_that_came_broken_is_said_and_not_shown(tmp_path: Path) -> None:
    """As a terminal that is not set to UTF-8 gives it; to unlock with it is just wrong."""
    broken = "made-up cr\udce4ne violet"
    with pytest.raises(FieldError, match="did not arrive whole") as caught:
        Store.create(path=tmp_path / "s", passphrase=broken)
    assert "violet" not in f"{caught.value} {caught.value.args}"
    store = Store.create(path=tmp_path / "s", passphrase="made-up crane violet")
    store.lock()
    with pytest.raises(WrongPassphrase):
        store.unlock(broken)
