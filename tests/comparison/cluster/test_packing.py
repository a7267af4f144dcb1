"""What holds a key is not packed for the workers, and what it was is said by its name."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pydantic
import pytest

import llmwidgets as lw
from llmwidgets.comparison.cluster.spec import (
    RunSpec,
    SchemaNumbers,
    describe_policy,
    describe_variant,
    pack,
    pack_run,
)
from llmwidgets.connections import Policy
from llmwidgets.dialects.types import Example
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant
from llmwidgets.engine.run import Run
from llmwidgets.errors import FieldError
from llmwidgets.schemas import read_schema
from llmwidgets.secret import Secret
from llmwidgets.store.age import Identity

KEY = "made-up-key-0001-3fQz7Lm2"
SCHEMA = [{"name": "customer"}]


def connected() -> lw.Connection:
    return lw.Connection("custom", name="m", endpoint="http://127.0.0.1:9/v1", api_key=KEY)


def planned(column: ResolvedVariant | None = None) -> Plan:
    column = column or ResolvedVariant("A", connected(), "m")
    return Plan((column,), (Document("1", "text", read_schema(SCHEMA), None),))


def running() -> Run:
    return Run(planned(), journal=Journal(False), policy=Policy())


def stored() -> lw.Store:
    store = lw.Store.in_memory()
    store.save(connected())
    return store


def a_closure() -> Callable[[Any, Any], bool]:
    client = connected()
    return lambda value, truth: bool(client) and value == truth


def a_scorer() -> Callable[[Any, Any], bool]:
    holder = SimpleNamespace(rules={"by": [Secret(KEY)]})

    def same_surname(value: Any, truth: Any) -> bool:
        return bool(holder.rules) and value == truth

    return same_surname


class Scorer:
    """A scorer as a class that keeps a key."""

    def __init__(self) -> None:
        self.secret, self.lock = Secret(KEY), threading.Lock()

    def __call__(self, value: Any, truth: Any) -> bool:
        return bool(value == truth)


HOLDERS: dict[str, tuple[Callable[[], Any], str]] = {
    "secret": (lambda: Secret(KEY), "a Secret cannot be sent to the workers."),
    "connection": (connected, "a Connection cannot be sent to the workers."),
    "store": (stored, "a Store cannot be sent to the workers."),
    "variant": (lambda: planned().columns[0], "a Connection cannot be sent to the workers."),
    "plan": (planned, "a Connection cannot be sent to the workers."),
    "run": (running, "cannot be sent to the workers."),
    "identity": (Identity.generate, "a Secret cannot be sent to the workers."),
    "closure": (
        a_closure, "the function <lambda> cannot be sent to the workers: its client is a "
        "Connection."),
    "scoring": (
        lambda: {"customer": a_scorer()}, "the function same_surname cannot be sent to the "
        "workers: its by is a Secret."),
    "method": (
        lambda: Scorer().__call__, "the function __call__ cannot be sent to the workers: its "
        "secret is a Secret."),
    "object": (Scorer, "an object of the class Scorer cannot be sent to the workers: its secret "
                       "is a Secret."),
}  # fmt: skip


@pytest.mark.parametrize("name", HOLDERS)
def test_what_holds_a_key_is_never_packed(name: str) -> None:
    make, said = HOLDERS[name]
    value = make()

    for dumps in (cloudpickle.dumps, pickle.dumps):
        with pytest.raises(Exception, match=r".") as refused:
            dumps(value)
        assert KEY not in repr(refused.value)
    with pytest.raises(FieldError) as told:
        pack(value)

    assert said in told.value.problems["cluster"]
    assert KEY not in str(told.value)
    assert 'os.environ["NAME"]' in told.value.hint
    assert told.value.__cause__ is None


def test_a_value_of_a_foreign_error_is_not_repeated() -> None:
    class Bill:
        def __reduce__(self) -> Any:
            raise ValueError(KEY)

    with pytest.raises(FieldError) as told:
        pack({"customer": Bill()})

    assert told.value.problems["cluster"] == (
        "an object of the class Bill cannot be sent to the workers."
    )


def test_a_loop_of_objects_ends() -> None:
    holder = SimpleNamespace(lock=threading.Lock())
    holder.itself = holder

    with pytest.raises(FieldError, match="cannot be sent"):
        pack(lambda: holder)


def spec_of(plan: Plan, scoring: Any = None) -> RunSpec:
    schemas = SchemaNumbers()
    schemas.number(plan.texts[0].schema)
    variants = tuple(describe_variant(each, "a-1a2b3c4d", schemas) for each in plan.columns)
    return RunSpec(variants, schemas.specs, 1, scoring, describe_policy(Policy()))


def by_reference(**settings: Any) -> Plan:
    connection = lw.Connection("custom", name="m", endpoint="http://127.0.0.1:9/v1",
                               api_key="env:MADE_UP_KEY")  # fmt: skip
    return planned(ResolvedVariant("A", connection, "m", **settings))


SHAPED = "sk-proj-made-up-0123456789abcdef0123456789abcdef0123"


def shaped_scorer() -> Callable[[Any, Any], bool]:
    key = SHAPED
    assert chr(len(key)).isalnum()  # which a pickle writes right in front of it
    return lambda value, truth: bool(key) and value == truth


def known_scorer() -> Callable[[Any, Any], bool]:
    settings = {"key": KEY}
    return lambda value, truth: bool(settings) and value == truth


def byte_scorer() -> Callable[[Any, Any], bool]:
    key = bytearray(KEY.encode())
    return lambda value, truth: bool(key) and value == truth


def described() -> Plan:
    fields = [{"name": "customer", "description": f"as {SHAPED}"}]
    text = Document("1", "text", read_schema(fields), None)
    return Plan(by_reference().columns, (text,))


WRITTEN: dict[str, tuple[Callable[[], Plan], Callable[[], Any], str]] = {
    "scoring by its shape": (by_reference, shaped_scorer, "scoring"),
    "scoring by its value": (by_reference, known_scorer, "scoring"),
    "scoring by its bytes": (by_reference, byte_scorer, "scoring"),
    "instructions": (
        lambda: by_reference(instructions=f"Use {KEY}."), str, "instructions of A"),
    "examples": (
        lambda: by_reference(examples=(Example(f"Use {KEY}.", {}),)), str, "examples of A"),
    "schema": (described, str, "schema"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_a_key_that_is_written_in_what_travels_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MADE_UP_KEY", KEY)
    make, scorer, place = WRITTEN[name]
    plan = make()

    with pytest.raises(FieldError) as told:
        pack_run(spec_of(plan, {"customer": scorer()}), plan)

    assert list(told.value.problems) == [place]
    assert not {KEY, SHAPED} & set(str(told.value).split())


def test_an_example_can_be_about_keys() -> None:
    plan = by_reference(examples=(Example(f"The key {SHAPED} was withdrawn.", {}),))

    assert SHAPED.encode() in pack_run(spec_of(plan), plan)


def test_what_has_no_key_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP_KEY", KEY)
    plan = by_reference(instructions="Use what the document says.")

    packed = pack_run(spec_of(plan, {"customer": lambda value, truth: value == truth}), plan)

    assert KEY.encode() not in packed
    assert b"env:MADE_UP_KEY" in packed


def test_what_stands_around_a_model_is_not_packed() -> None:
    """pydantic keeps the local variables of the function that a model is defined in."""
    a_text, a_key, client = "the words of a made-up claim", KEY, threading.Lock()
    assert a_text
    assert a_key
    assert client

    class Item(pydantic.BaseModel):
        name: str

    class Claim(pydantic.BaseModel):
        number: str | None
        items: list[Item]

    packed = pack(Claim)

    assert a_text.encode() not in packed
    assert a_key.encode() not in packed
    rebuilt = pickle.loads(packed)
    found = rebuilt.model_validate({"number": "7", "items": [{"name": "door"}]})
    assert found.model_dump() == {"number": "7", "items": [{"name": "door"}]}
    assert rebuilt.model_json_schema() == Claim.model_json_schema()
