"""A class of the user's reads dates, times and addresses by its own rules, not by a format's."""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
import json
import uuid
from typing import Annotated, Any, TypedDict

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.dialects import openai
from llmwidgets.errors import InvalidRecord
from llmwidgets.schemas import read_schema

NAIVE, ZONED = "2024-01-05T10:00:00", "2024-01-05T10:00:00Z"


class _Early:
    """A check of the user's own; its name in a test's id has no address in it."""

    def __call__(self, at: dt.datetime) -> dt.datetime:
        return at if at.year < 2030 else 1 / 0  # type: ignore[return-value]

    def __repr__(self) -> str:
        return "early"


Early = Annotated[dt.datetime, pydantic.AfterValidator(_Early())]


def judged(kind: Any, value: Any) -> bool:
    """Whether a record with this one field is valid."""
    record = pydantic.create_model("R", x=(kind, ...))
    try:
        read_schema(record).judge({"x": value})
    except InvalidRecord:
        return False
    return True


TAKEN: list[tuple[Any, Any]] = [
    (dt.datetime, NAIVE), (dt.datetime, ZONED), (dt.datetime, "2024-01-05 10:00"),
    (dt.datetime | None, NAIVE), (list[dt.datetime], [NAIVE, ZONED]), (Early, NAIVE),
    (dict[str, dt.datetime], {"a": NAIVE}), (dt.time, "10:30"), (dt.time, "10:30:00Z"),
    (pydantic.NaiveDatetime, NAIVE), (pydantic.AwareDatetime, ZONED),
    (pydantic.PastDatetime, NAIVE), (dt.date, "2024-01-05"), (dt.timedelta, "PT125M"),
    (dt.timedelta, "2 days 03:00:00"), (uuid.UUID, "550e8400e29b41d4a716446655440000"),
    (pydantic.HttpUrl, "https://exämple.org"), (ipaddress.IPv4Address, "10.0.0.1"),
    (Annotated[dt.datetime, pydantic.Field(strict=True)], NAIVE),
]  # fmt: skip
REFUSED: list[tuple[Any, Any]] = [
    (dt.datetime, "soon"), (dt.time, "half past ten"), (pydantic.NaiveDatetime, ZONED),
    (pydantic.AwareDatetime, NAIVE), (Early, "2031-01-01T00:00:00"), (dt.date, NAIVE),
    (uuid.UUID, "550e"), (pydantic.HttpUrl, "example"), (ipaddress.IPv4Address, "10.0.0"),
    (Annotated[str, pydantic.Field(json_schema_extra={"format": "email"})], "nobody"),
    (Annotated[str | None, pydantic.Field(json_schema_extra={"format": "date-time"})], NAIVE),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), TAKEN, ids=str)
def test_what_the_class_takes_is_valid(kind: Any, value: Any) -> None:
    record = pydantic.create_model("R", x=(kind, ...))
    record.model_validate_json(json.dumps({"x": value}))
    assert judged(kind, value)
    assert read_schema(record).problems({"x": value}) == []
    assert read_schema(record).judge_partial({"x": value}) == []


@pytest.mark.parametrize(("kind", "value"), REFUSED, ids=str)
def test_what_the_class_refuses_is_not(kind: Any, value: Any) -> None:
    assert not judged(kind, value)


@given(st.datetimes(min_value=dt.datetime(1900, 1, 1)))
def test_any_datetime_is_valid_for_its_class(at: dt.datetime) -> None:
    assert judged(dt.datetime, at.isoformat())
    assert judged(dt.time, at.time().isoformat())


class Row(TypedDict):
    at: dt.datetime


@dataclasses.dataclass
class Card:
    at: dt.datetime


@pytest.mark.parametrize("source", [Row, Card, list[Card], dict[str, Row]])
def test_every_python_type_reads_for_itself(source: Any) -> None:
    record: Any = {"at": NAIVE}
    if source == list[Card]:
        record = [record]
    elif source == dict[str, Row]:
        record = {"any": record}
    assert read_schema(source).judge(record) is not None


def test_a_json_schema_and_field_rows_ask_for_the_zone() -> None:
    for source in (
        {"properties": {"x": {"type": "string", "format": "date-time"}}},
        [{"name": "x", "type": "datetime"}],
    ):
        schema = read_schema(source)
        assert [str(each) for each in schema.problems({"x": NAIVE})] == [
            "x is not in the format date-time"
        ]
        assert schema.problems({"x": ZONED}) == []


@pytest.mark.parametrize("text", [NAIVE, "2024-01-05 10:00", "2024-01-05", ZONED])
def test_a_label_need_not_name_its_zone(text: str) -> None:
    schema = read_schema([{"name": "x", "type": "datetime"}, {"name": "t", "type": "time"}])
    assert schema.judge_partial({"x": text, "t": "10:30"}) == []
    assert [each.path for each in schema.judge_partial({"x": "soon", "t": "10"})] == ["x", "t"]


def test_a_label_that_the_class_refuses_is_refused_by_its_format() -> None:
    record = pydantic.create_model("R", at=(pydantic.AwareDatetime, ...), n=(int, ...))
    schema = read_schema(record)
    assert [str(each) for each in schema.judge_partial({"at": NAIVE})] == [
        "at is not in the format date-time"
    ]
    # What is absent is not labelled, so the class's own "missing" does not count.
    assert schema.judge_partial({"at": ZONED}) == []


def test_what_is_sent_and_the_digest_keep_the_format() -> None:
    record = pydantic.create_model("R", at=(dt.datetime, ...))
    schema = read_schema(record)
    assert schema.json == pydantic.TypeAdapter(record).json_schema()
    assert schema.compile(openai.SUBSET).schema["properties"]["at"]["format"] == "date-time"
    assert schema.leaves[0].type == "datetime"


def test_no_server_is_asked_for_a_zone_that_the_class_refuses() -> None:
    record = pydantic.create_model("R", at=(pydantic.NaiveDatetime, ...))
    sent = read_schema(record).compile(openai.SUBSET).schema["properties"]["at"]
    assert "format" not in sent
    assert "without a zone" in sent["description"]


def test_null_for_an_absent_field_goes_next_to_a_datetime_without_a_zone() -> None:
    """A provider that requires every property sends null; the class has a default instead."""
    record = pydantic.create_model("R", at=(dt.datetime, ...), note=(str, "none"))
    schema = read_schema(record)
    restored = schema.compile(openai.SUBSET).restore({"at": NAIVE, "note": None})
    assert restored == {"at": NAIVE}
    assert schema.judge(restored).note == "none"
