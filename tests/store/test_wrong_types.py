"""A value of a wrong type, or a path that cannot be one, is refused in a sentence everywhere."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets import ConnectionForm
from llmwidgets.errors import FieldError, LLMWidgetsError, StoreError
from llmwidgets.store.store import Store

PASSPHRASE = "made-up words for a test"
WRONG = [5, 1.5, None, True, b"made-up", [], ["m"], {}, object()]
NO_PATHS = ["~nobody-here/x", "a\0b"]
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    store = Store.create(path=tmp_path / "store", passphrase=PASSPHRASE)
    store.save(lw.Connection("custom", name="m", endpoint="http://127.0.0.1:9/v1"))
    return store


CALLS: dict[str, Callable[[Store, Any], object]] = {
    "organization": lambda _, wrong: Store(wrong),
    "organization beside a path": lambda _, wrong: Store(wrong, path="elsewhere"),
    "path": lambda _, wrong: Store(path=wrong),
    "create": lambda _, wrong: Store.create(wrong, passphrase=PASSPHRASE),
    "create: path": lambda _, wrong: Store.create(path=wrong, passphrase="short"),
    "create: passphrase": lambda _, wrong: Store.create("new", passphrase=wrong),
    "observe": lambda store, wrong: store.observe(wrong),
    "__getitem__": lambda store, wrong: store[wrong],
    "__contains__": lambda store, wrong: wrong in store,
    "__delitem__": lambda store, wrong: store.__delitem__(wrong),
    "save": lambda store, wrong: store.save(wrong),
    "add_for_session": lambda store, wrong: store.add_for_session(wrong),
    "informed": lambda store, wrong: store.informed(wrong),
    "rename": lambda store, wrong: store.rename(wrong, "new"),
    "rename: new": lambda store, wrong: store.rename("m", wrong),
    "allow": lambda store, wrong: store.allow(wrong, "m2"),
    "allow: model": lambda store, wrong: store.allow("m", wrong),
    "deny": lambda store, wrong: store.deny(wrong, "m2"),
    "deny: model": lambda store, wrong: store.deny("m", wrong),
    "unlock": lambda store, wrong: store.unlock(wrong),
    "unlock: identity": lambda store, wrong: store.unlock(identity=wrong),
    "remember": lambda store, wrong: store.remember(wrong),
    "forget": lambda store, wrong: store.forget(wrong),
    "change_passphrase": lambda store, wrong: store.change_passphrase(wrong, PASSPHRASE),
    "change_passphrase: new": lambda store, wrong: store.change_passphrase(PASSPHRASE, wrong),
    "new_identity": lambda store, wrong: store.new_identity(wrong),
    "invite": lambda store, wrong: store.invite(wrong, "Ann"),
    "invite: name": lambda store, wrong: store.invite("age1madeup", wrong),
    "remove": lambda store, wrong: store.remove(wrong),
    "trust": lambda store, wrong: store.trust(wrong),
    "restore": lambda store, wrong: store.restore(wrong),
    "export": lambda store, wrong: store.export(wrong, passphrase=PASSPHRASE),
    "export: recipient": lambda store, wrong: store.export("out.age", recipient=wrong),
    "preview": lambda store, wrong: store.preview(wrong),
    "take": lambda store, wrong: store.take(wrong),
}
TAKES_PATH = {"path", "create: path", "export", "preview"}
TAKES_NONE = {
    "path", "create: path", "create: passphrase", "unlock", "unlock: identity", "rename: new",
    "change_passphrase", "change_passphrase: new", "restore", "export: recipient",
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_every_method_names_what_is_wrong(store: Store, name: str) -> None:
    for wrong in [*WRONG, *(NO_PATHS if name in TAKES_PATH else [])]:
        if name == "__contains__":
            assert not CALLS[name](store, wrong)
        elif wrong is not None or name not in TAKES_NONE:
            with pytest.raises(LLMWidgetsError) as caught:
                CALLS[name](store, wrong)
            assert "object at 0x" not in str(caught.value)
    assert [connection.label for connection in store] == ["m"]


def test_no_method_that_takes_something_is_left_out() -> None:
    methods = {
        name
        for name, method in vars(Store).items()
        if inspect.isfunction(method) and len(inspect.signature(method).parameters) > 1
    }
    private = {name for name in methods if name.startswith("_") and not name.endswith("__")}
    tried = {name.partition(":")[0] for name in CALLS}
    called_by_python = {"__init__", "__copy__", "__deepcopy__", "__reduce_ex__"}
    assert methods - private - called_by_python <= tried


def test_a_wrong_recovery_identity_is_not_replaced_in_silence(tmp_path: Path) -> None:
    for wrong in (5, "", b"AGE-SECRET-KEY-1"):
        with pytest.raises(FieldError, match="not an age identity"):
            Store.create(path=tmp_path, passphrase=PASSPHRASE, recovery=wrong)  # type: ignore[arg-type]
    assert not Store(path=tmp_path).exists


@pytest.mark.parametrize("wrong", [5, "default", b"x", ["x"], {}, object()])
def test_what_is_not_a_store_is_refused_wherever_one_is_named(wrong: Any) -> None:
    mine = lw.Connection("custom", name="m", endpoint="http://127.0.0.1:9/v1")
    calls: list[Callable[[], object]] = [
        lambda: lw.compare(SCHEMA, ["text"], [mine], store=wrong, progress=False),
        lambda: lw.estimate(SCHEMA, ["text"], [mine], store=wrong),
        lambda: lw.extract(SCHEMA, "text", mine, store=wrong),
        lambda: lw.ConnectionPanel(wrong),
        lambda: lw.ComparisonPanel(store=wrong),
        lambda: ConnectionForm("openai", wrong),
    ]
    for call in calls:
        with pytest.raises(
            FieldError, match=r"store: must be a store, such as lw\.Store"
        ) as caught:
            call()
        assert list(caught.value.problems) == ["store"]


@pytest.mark.parametrize("use", [Store.unlock, lambda store: store.recipient, Store.restore])
def test_a_store_that_is_not_made_yet_tells_how_to_make_it(use: Callable[[Store], object]) -> None:
    with pytest.raises(StoreError) as caught:
        use(Store("nix"))
    assert 'lw.Store.create("nix")' in caught.value.hint
