"""Copies and pickles of what is public: they work, or say in a sentence what to do; never a key."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import pytest
from pydantic import BaseModel

import llmwidgets as lw
from llmwidgets.demo import invoices, stop_demo
from llmwidgets.schemas import read_schema
from llmwidgets.secret import Secret

CANARY = "made-up-Canary7Q2vXw9KpLr4TzB8n"
PASSPHRASE = "made-up crane violet"
ROWS = [{"name": "total", "type": "number"}]
TEXTS = [{"id": "one", "text": "Total: 12.5"}]


class Bill(BaseModel):
    """Its records are told apart from plain JSON."""

    total: float | None


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One of each that a user gets hold of, with a key wherever one can be."""
    folder = tmp_path_factory.mktemp("store")
    connection = lw.Connection(
        "custom", name="m", endpoint="http://127.0.0.1:9/v1", api_key=CANARY,
        headers={"X-Team": CANARY},
    )  # fmt: skip
    store = lw.Store.create(path=folder / "s", passphrase=PASSPHRASE)
    store.save(connection)
    memory = lw.Store.in_memory()
    memory.save(connection)
    result = lw.compare(Bill, TEXTS, "demo-careful", truth=[{"total": 12.5}], journal=False,
                        progress=False)  # fmt: skip
    yield {
        "store": store, "store in memory": memory, "state of a store": store.state,
        "connection": connection,
        "referring connection": lw.Connection("openai", api_key="env:KEY"),
        "secret": Secret(CANARY), "variant": lw.Variant("openai/gpt-6-luna", effort="low"),
        "variant of a connection": lw.Variant(connection), "policy": store.policy,
        "comparison": result, "extraction": next(iter(result)), "verdict": result.verdict(),
        "table": result.to_frame(), "changes": result.against(result),
        "schema": read_schema(Bill), "schema of rows": read_schema(ROWS),
        "estimate": lw.estimate(Bill, TEXTS, "demo-careful"), "task": invoices,
        "provider": lw.PROVIDERS["openai"], "preview": _export(store, folder),
        "backups": store.backups(), "members": store.members,
        "connection form": lw.ConnectionForm("openai", store),
        "connection panel": lw.ConnectionPanel(store),
        "comparison panel": lw.ComparisonPanel(Bill, TEXTS), "explored": result.explore(),
        **{f"lw.{name}": getattr(lw, name) for name in dir(lw)},
    }  # fmt: skip
    stop_demo()


def _export(store: lw.Store, folder: Path) -> Any:
    store.export(folder / "out.age", passphrase=PASSPHRASE)
    return store.preview(folder / "out.age", passphrase=PASSPHRASE)


WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": lambda value: copy.deepcopy({"it": value})["it"],
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "cloudpickle": lambda value: cloudpickle.loads(cloudpickle.dumps(value)),
}
NO_PICKLE = {
    "store": "lw.Store(organization)", "store in memory": "lw.Store(organization)",
    "state of a store": "lw.Store(organization)", "connection": "by its label",
    "referring connection": "by its label", "variant of a connection": "by its label",
    "secret": "in a store", "comparison": "result.save(path)", "provider": "lw.PROVIDERS[kind]",
    "lw.PROVIDERS": "lw.PROVIDERS[kind]", "preview": "by its label",
}  # fmt: skip
NEVER = {
    "connection form": "lw.ConnectionForm(…)", "connection panel": "lw.ConnectionPanel(…)",
    "comparison panel": "lw.ComparisonPanel(…)", "explored": "lw.ComparisonPanel(…)",
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_each_copy_works_or_says_what_to_do(things: dict[str, Any], way: str) -> None:
    refuses = NEVER if way in ("copy", "deepcopy") else {**NEVER, **NO_PICKLE}
    for name, thing in things.items():
        if isinstance(thing, ModuleType) and name == "lw.errors":
            continue  # a module of Python's, as any other
        step = refuses.get(name)
        if step is None:
            again = WAYS[way](thing)
            assert isinstance(thing, type(again)), name  # of changes it is the plain table
            continue
        with pytest.raises(TypeError) as caught:
            WAYS[way](thing)
        said = str(caught.value)
        assert said.startswith("A "), (name, said)
        assert "cannot be" in said, (name, said)
        assert step in said, (name, said)
        assert said.endswith("."), (name, said)
        assert CANARY not in said


def test_no_pickle_has_a_key(things: dict[str, Any]) -> None:
    for name, thing in things.items():
        for dumps in (pickle.dumps, cloudpickle.dumps):
            try:
                data = dumps(thing)
            except TypeError:
                continue
            assert CANARY.encode() not in data, name
            assert PASSPHRASE.encode() not in data, name


def test_what_is_joined_to_this_process_is_copied_as_itself(things: dict[str, Any]) -> None:
    for name in ("store", "store in memory", "connection", "secret", "comparison", "provider"):
        assert copy.copy(things[name]) is copy.deepcopy(things[name]) is things[name]
    assert copy.deepcopy(lw.PROVIDERS) == lw.PROVIDERS


@pytest.mark.parametrize("name", ["schema", "schema of rows"])
@pytest.mark.parametrize("way", ["deepcopy", "pickle", "cloudpickle"])
def test_a_schema_of_a_pickle_judges_as_it_did(things, name: str, way: str) -> None:
    schema = things[name]
    again = WAYS[way](schema)
    assert again == schema
    assert (again.name, again.leaves, again.judged) == (schema.name, schema.leaves, schema.judged)
    assert type(again.judge({"total": 1.5})) is type(schema.judge({"total": 1.5}))
    assert again.problems({"total": []}) == schema.problems({"total": []}) != []


@pytest.mark.parametrize("way", WAYS)
def test_an_extraction_of_a_pickle_is_the_same(things, way: str) -> None:
    """With its record of the user's class, and the request as it was sent."""
    extraction = things["extraction"]
    again = WAYS[way](extraction)
    assert again == extraction
    assert isinstance(again.record, Bill)
    assert again.request == extraction.request != {}


def test_a_task_is_the_same_module(things) -> None:
    assert pickle.loads(pickle.dumps(invoices)) is invoices


def test_every_public_class_is_looked_at(things: dict[str, Any]) -> None:
    looked_at = tuple({type(thing) for thing in things.values()})
    for kind in filter(inspect.isclass, (getattr(lw, name) for name in dir(lw))):
        assert any(issubclass(each, kind) for each in looked_at), kind
