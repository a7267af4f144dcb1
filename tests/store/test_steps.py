"""Opening a connection takes few steps: functions of the package, counted and not timed."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

import llmwidgets
from llmwidgets.connections.connection import Connection
from llmwidgets.providers import PROVIDERS
from llmwidgets.store.store import Store
from tests.kinds import connected

PASSPHRASE = "a made-up passphrase 42"
PACKAGE = str(Path(llmwidgets.__file__).parent)
MOST = 25


def entered(use: Callable[[], object]) -> list[str]:
    """Each function of the package that was entered, once per call, by file and name."""
    names: list[str] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE):
            names.append(f"{code.co_filename.removeprefix(PACKAGE)}:{code.co_qualname}")

    sys.setprofile(note)
    try:
        use()
    finally:
        sys.setprofile(None)
    return names


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(path=tmp_path / "store", passphrase=PASSPHRASE)


@pytest.mark.parametrize("kind", list(PROVIDERS))
def test_a_connection_is_opened_in_few_steps(store: Store, kind: str) -> None:
    """From the sealed file as well as after it was saved, and again."""
    connection = connected(kind, "http://127.0.0.1:1")
    store.save(connection)
    assert len(set(entered(lambda: store[connection.label]))) <= MOST
    store.lock()
    store.unlock(PASSPHRASE)
    assert len(set(entered(lambda: store[connection.label]))) <= MOST
    assert len(set(entered(lambda: store[connection.label]))) <= 10


def test_nothing_is_built_twice(store: Store) -> None:
    """One of many is parsed and made once, and the others are left as they are."""
    for number in range(5):
        store.save(Connection("custom", name=f"m{number}", endpoint="http://127.0.0.1:1/v1"))
    store.lock()
    store.unlock(PASSPHRASE)
    first = entered(lambda: store["m3"])
    assert sum("connection_from_json" in name for name in first if "<" not in name) == 1
    assert store["m3"] is store["m3"]
    assert not [name for name in entered(lambda: store["m3"]) if "from_json" in name]


def test_a_store_is_one_thin_class_whose_names_are_told() -> None:
    """No part of it is inherited, and each public name is used in a page, a notebook or the CLI.

    `informed` is what comparisons and panels ask for connections of the environment.
    """
    assert Store.__mro__ == (Store, object)
    root = Path(llmwidgets.__file__).parents[1]
    pages = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("notebooks/*.ipynb")]
    text = "".join(path.read_text("utf-8") for path in (*pages, *root.glob("llmwidgets/cli/*.py")))
    names = {name for name in vars(Store) if not name.startswith("_")} - {"informed"}
    assert {name for name in names if not re.search(rf"\b[Ss]tore\.{name}\b", text)} == set()
