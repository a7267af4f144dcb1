"""A schema that is read again costs little, and is never that of something else."""

from __future__ import annotations

import gc
import json
import weakref
from dataclasses import make_dataclass
from enum import Enum
from typing import Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, create_model

from llmwidgets.schemas import read_schema
from llmwidgets.schemas.loaders import load_schema
from llmwidgets.schemas.schema import Schema


@pytest.fixture(scope="module", autouse=True)
def only_what_is_made_here() -> None:
    """What other tests left behind is not looked through by each collection."""
    gc.collect()
    gc.freeze()


ROWS = [{"name": "total", "type": "number"}]


def model(doc: str = "What was bought.", **more: Any) -> type[BaseModel]:
    """A class of the same name and place each time, as from a cell that is run again."""
    line = type("Line", (BaseModel,), {"__annotations__": {"name": str}, "__doc__": doc, **more})
    return create_model("Invoice", total=(float, Field(description="all of it")), line=(line, ...))


def typed(words: str) -> Any:
    return TypedDict("Typed", {"total": float, words: str})


def chosen(word: str) -> Any:
    return create_model("Chosen", kind=(Enum("Kind", {"a": "a", word: word}), ...))


@pytest.mark.parametrize(
    "source",
    [model(), typed("b"), make_dataclass("Data", [("total", float)]), list[model()], chosen("b"),
     ROWS, {"type": "object", "properties": {"a": {}}}, '{"type": "object", "properties": {}}'],
)  # fmt: skip
def test_what_is_read_again_is_the_same_and_its_own(source: Any) -> None:
    fresh = Schema(load_schema(source))
    for _ in range(2):
        again = read_schema(source)
        assert (again.json, again.name, again.judged) == (fresh.json, fresh.name, fresh.judged)
        assert (again.leaves, again.digest) == (fresh.leaves, fresh.digest)
        assert type(again._adapter) is type(fresh._adapter)


@pytest.mark.parametrize(
    "make",
    [
        model,
        lambda word: model("x", model_config=ConfigDict(json_schema_extra={"examples": [word]})),
        lambda word: model(
            "x", model_config=ConfigDict(json_schema_extra=lambda node: node.update(title=word))
        ),
        lambda word: create_model("Invoice", a=(str, Field(description=word))),
        lambda word: create_model("Invoice", a=(str, Field(json_schema_extra={"title": word}))),
        lambda word: create_model(
            "Invoice", a=(str, Field(json_schema_extra=lambda node: node.update(title=word)))
        ),
        lambda word: create_model("Invoice", **{word: (str, ...)}),
        typed,
        chosen,
        lambda word: [{"name": "a", "description": word}],
    ],
)
def test_what_was_written_anew_is_read_anew(make: Any) -> None:
    """Many times, so that a class also comes to lie where one that is gone was."""
    for number in range(40):
        word = f"word{number}"
        assert word in json.dumps(read_schema(make(word)).json)
        gc.collect() if number % 10 == 0 else None


def test_a_class_that_is_built_again_is_read_again() -> None:
    class Invoice(BaseModel):
        total: float = Field(description="before")

    assert "before" in json.dumps(read_schema(Invoice).json)
    Invoice.model_fields["total"].description = "after"
    Invoice.model_rebuild(force=True)
    assert "after" in json.dumps(read_schema(Invoice).json)
    Invoice.__doc__ = "A bill."
    assert read_schema(Invoice).json["description"] == "A bill."


def test_a_schema_that_makes_itself_is_made_each_time() -> None:
    words = ["first"]

    class Invoice(BaseModel):
        total: float

        @classmethod
        def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> Any:
            return {**handler(core), "description": words[0]}

    assert read_schema(Invoice).json["description"] == "first"
    words[0] = "second"
    assert read_schema(Invoice).json["description"] == "second"


def test_records_are_of_the_class_that_was_given() -> None:
    """Also where another class has the same name and the same fields."""
    one, other = model(), model()
    data = {"total": 1.0, "line": {"name": "a"}}
    assert type(read_schema(one).judge(data)) is one
    assert type(read_schema(other).judge(data)) is other
    assert type(read_schema(one).judge(data)) is one
    assert read_schema(one) != read_schema(other)


def test_no_class_is_kept_alive() -> None:
    gone = weakref.ref(made := model())
    read_schema(made).judge({"total": 1.0, "line": {"name": "a"}})
    del made
    gc.collect()
    assert gone() is None


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=2, max_size=5))
def test_a_dict_or_list_that_is_changed_is_read_anew(names: list[str]) -> None:
    source: dict[str, Any] = {"type": "object", "properties": {}}
    rows: list[dict[str, str]] = []
    for name in names:
        source["properties"] = {name: {"type": "string"}}
        assert [leaf.path for leaf in read_schema(source).leaves] == [name]
        rows[:] = [{"name": name}]
        assert [leaf.path for leaf in read_schema(rows).leaves] == [name]


def test_writing_into_a_schema_changes_no_other() -> None:
    read_schema(ROWS).json["properties"]["other"] = {"type": "string"}
    assert [leaf.path for leaf in read_schema(ROWS).leaves] == ["total"]
    read_schema(ROWS).judged["properties"]["third"] = {"type": "string"}
    assert list(read_schema(ROWS).judged["properties"]) == ["total"]
