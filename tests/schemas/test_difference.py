"""The difference of two schemas: what is said otherwise of each place, and nothing left unsaid."""

from __future__ import annotations

import json
from copy import deepcopy
from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from llmwidgets.dialects import anthropic, gemini, openai
from llmwidgets.errors import FieldError
from llmwidgets.schemas import Schema, choose_schema, read_schema
from llmwidgets.schemas.difference import FIELD, ORDER, SPELLING, find_changes, read_facts


class Cause(Enum):
    """Why it came to harm."""

    WATER = "water"
    FIRE = "fire"


class Party(BaseModel):
    name: str = Field(description="As it is written.")
    city: str | None = None


class Claim(BaseModel):
    """One claim."""

    total: float | None = Field(default=None, description="In euros.", ge=0)
    kind: Literal["a", "b"] = "a"
    cause: Cause | None = Field(default=None, description="The first cause.")
    tags: list[str] = Field(default=[], description="All tags.")
    buyer: Party
    seller: Party | None = None
    lines: list[Party] = []


CLAIM = read_schema(Claim)
FLAT: dict[str, Any] = {
    "type": "object",
    "title": "Bill",
    "required": ["total"],
    "properties": {
        "total": {"type": "number", "description": "In euros.", "minimum": 0},
        "day": {"type": "string", "format": "date"},
        "kind": {"enum": ["a", "b"]},
        "buyer": {"type": "object", "properties": {"name": {"type": "string"}}},
    },
}


def edited(change: Any, schema: dict[str, Any] = FLAT) -> Schema:
    whole = deepcopy(schema)
    change(whole["properties"], whole)
    return read_schema(whole)


def put(path: str, **keywords: Any) -> Any:
    return lambda fields, _whole: fields[path].update(keywords)


@pytest.mark.parametrize(
    ("change", "path", "aspect", "old", "new"),
    [
        (put("total", description="Net."), "total", "description", "In euros.", "Net."),
        (put("day", description="Due."), "day", "description", None, "Due."),
        (put("total", title="Sum"), "total", "title", None, "Sum"),
        (put("total", type="string"), "total", "type", ["number"], ["string"]),
        (put("total", type=["number", "null"]), "total", "type", ["number"], ["null", "number"]),
        (put("day", format="date-time"), "day", "format", "date", "date-time"),
        (put("kind", enum=["b", "a"]), "kind", "enum", ["a", "b"], ["b", "a"]),
        (put("kind", enum=["A", "b"]), "kind", "enum", ["a", "b"], ["A", "b"]),
        (put("total", minimum=1), "total", "minimum", 0, 1),
        (put("total", maximum=9), "total", "maximum", None, 9),
        (put("day", examples=["2026-01-02"]), "day", "examples", None, ["2026-01-02"]),
        (put("day", default="x"), "day", "default", None, "x"),
        (put("buyer", description="Who pays."), "buyer", "description", None, "Who pays."),
        (lambda _, whole: whole.update(title="B"), "", "title", "Bill", "B"),
        (lambda _, whole: whole.update(description="x"), "", "description", None, "x"),
        (lambda _, whole: whole["required"].append("day"), "day", "required", False, True),
        (lambda _, whole: whole.pop("required"), "total", "required", True, False),
        (lambda fields, _: fields.pop("day"), "day", FIELD, True, False),
        (
            lambda fields, _: fields.update(total=fields.pop("total")),
            "",
            ORDER,
            ["total", "day", "kind", "buyer"],
            ["day", "kind", "buyer", "total"],
        ),
        (
            lambda _, whole: whole.update(additionalProperties=False),
            "",
            "additionalProperties",
            None,
            False,
        ),
    ],
)
def test_each_aspect_is_found_and_no_other(change, path, aspect, old, new) -> None:
    (found,) = find_changes(read_schema(FLAT), edited(change))
    assert (found.path, found.aspect, found.old, found.new) == (path, aspect, old, new)
    assert found.name == (f"{path}.{aspect}" if path else aspect)
    (back,) = find_changes(edited(change), read_schema(FLAT))
    assert (back.old, back.new) == (new, old)


def test_null_is_a_type_however_it_is_written() -> None:
    listed = edited(put("day", type=["string", "null"]))
    union = edited(
        lambda fields, _: fields.update(
            day={"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}
        )
    )
    assert [each.aspect for each in find_changes(listed, union)] == [SPELLING]
    assert find_changes(union, union) == ()


def test_what_is_around_is_said_once_for_all_that_is_inside() -> None:
    without = edited(lambda fields, _: fields.pop("buyer"))
    assert [each.name for each in find_changes(read_schema(FLAT), without)] == ["buyer.field"]


def test_every_place_can_be_described_and_nothing_else_moves() -> None:
    usual = read_facts(CLAIM)
    assert usual[""]["description"] == "One claim."
    assert usual["cause"]["description"] == "The first cause."
    for path in usual:
        changed = CLAIM.described({path: "Other words."})
        names = [each.name for each in find_changes(CLAIM, changed)]
        shared = {"buyer", "seller", "lines[]"}
        inside = next((each for each in shared if path.startswith(f"{each}.")), None)
        # What is described in one definition is described there for all that use it.
        paths = {f"{each}{path.removeprefix(inside)}" for each in shared} if inside else {path}
        assert {*names} == {f"{each}.description".removeprefix(".") for each in paths}
        assert read_facts(changed)[path]["description"] == "Other words."
        assert changed.paths == CLAIM.paths
        described = {leaf.path: leaf.description for leaf in changed.leaves}
        assert path not in described or described[path] == "Other words."
        record = {"buyer": {"name": "Ada"}, "total": 1}
        assert type(changed.judge(record)) is Claim


def test_an_empty_description_takes_it_away() -> None:
    bare = CLAIM.described({"total": " "})
    assert [each.name for each in find_changes(CLAIM, bare)] == ["total.description"]
    assert find_changes(CLAIM, bare.described({"total": "In euros."}))[1:] == ()


def test_a_path_that_there_is_not_is_said_with_the_nearest() -> None:
    with pytest.raises(FieldError, match=r"lines\.city: is not a field") as caught:
        CLAIM.described({"total": "x", "lines.city": "y"})
    assert "lines[].city" in caught.value.hint


def test_a_format_that_a_class_reads_is_still_read_by_it() -> None:
    import datetime as dt

    class Event(BaseModel):
        at: dt.datetime

    own = read_schema(Event).described({"at": "When."})
    assert own.judge({"at": "2026-11-28T09:30:00"}).at == dt.datetime(2026, 11, 28, 9, 30)


def test_real_schemas_are_sent_the_same_when_nothing_is_described(shared_data) -> None:
    """A round through `described` changes no byte of what is sent, and no field."""
    files = sorted((shared_data / "json-schemas").glob("*/*.json"))[::10]
    assert len(files) > 55
    for file in files:
        try:
            schema = read_schema(file)
        except FieldError:  # it refers to another file
            continue
        again = schema.described({})
        for dialect in (openai, anthropic, gemini):
            sent, twice = schema.compile(dialect.SUBSET), again.compile(dialect.SUBSET)
            assert json.dumps(twice.schema) == json.dumps(sent.schema), (file.name, dialect)
        assert {each.aspect for each in find_changes(schema, again)} <= {SPELLING}
        assert again.paths == schema.paths


def test_a_schema_with_other_fields_leaves_a_text_its_own() -> None:
    same, other = CLAIM.described({"total": "x"}), read_schema(FLAT)
    assert choose_schema(None, CLAIM) is CLAIM
    assert choose_schema(same, CLAIM) is same
    assert choose_schema(other, CLAIM) is CLAIM


def test_a_class_read_twice_is_one_schema() -> None:
    assert read_schema(Claim) == read_schema(Claim)
    assert hash(read_schema(Claim)) == hash(read_schema(Claim))
    assert read_schema(Claim) != read_schema(CLAIM.json)


def test_a_keyword_of_another_tool_is_no_order_of_fields() -> None:
    numbered = edited(put("day", order=3))
    assert [each.aspect for each in find_changes(read_schema(FLAT), numbered)] == [SPELLING]
