"""Truth given as records: replies are compared as what the user's own class reads them as."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import ipaddress
import pathlib
import uuid
from typing import Annotated, Any

import pydantic
import pytest

import llmwidgets as lw


class Colour(enum.Enum):
    RED = "red"


def upper(value: str) -> str:
    return value.upper()


Loud = Annotated[str, pydantic.AfterValidator(upper)]
EQUAL: list[tuple[str, Any, Any, Any]] = [
    ("url", pydantic.HttpUrl, "https://example.org", "https://example.org/"),
    ("url with a capital", pydantic.AnyUrl, "HTTPS://Example.org/a", "https://example.org/a"),
    ("duration", datetime.timedelta, "PT125M", "PT2H5M"),
    ("IPv6", ipaddress.IPv6Address, "2001:0db8:0:0:0:0:0:1", "2001:db8::1"),
    ("network", ipaddress.IPv4Network, "10.0.0.0/255.0.0.0", "10.0.0.0/8"),
    ("Decimal", decimal.Decimal, "1000", 1000),
    ("Decimal of many digits", decimal.Decimal, "1234567890.12345678901", "1234567890.12345678901"),
    ("UUID", uuid.UUID, "550E8400-E29B-41D4-A716-446655440000",
     "550e8400-e29b-41d4-a716-446655440000"),
    ("path", pathlib.PurePosixPath, "a//b/./c", "a/b/c"),
    ("enum", Colour, "red", "red"),
    ("validator", Loud, "abc", "ABC"),
    ("list", list[Loud], ["a", "b"], ["B", "A"]),
    ("datetime", datetime.datetime, "2025-03-04T10:30:00+01:00", "2025-03-04T09:30:00Z"),
]  # fmt: skip
NAMES = [name for name, *_ in EQUAL]


def scored(schema: Any, reply: Any, truth: Any) -> lw.Comparison:
    return lw.Comparison.from_outputs(schema, ["text"], {"A": [reply]}, truth=[truth])


@pytest.mark.parametrize(("kind", "reply", "truth"), [each[1:] for each in EQUAL], ids=NAMES)
def test_equal_records_are_right(kind: Any, reply: Any, truth: Any) -> None:
    record = pydantic.create_model("Record", t=(kind, ...))
    result = scored(record, {"t": reply}, record(t=truth))
    assert list(result.to_frame().right) == [True] * len(result.to_frame())
    assert result.scoreboard().accuracy[0] == 1.0


def test_decimals_of_another_exponent_are_one_number() -> None:
    record = pydantic.create_model("Record", t=(decimal.Decimal, ...))
    for truth, reply in (("1E+3", 1000), ("1.50", 1.5), ("0.10", "0.1")):
        assert scored(record, {"t": reply}, record(t=truth)).to_frame().right[0]
    assert not scored(record, {"t": 1001}, record(t="1E+3")).to_frame().right[0]


class Inner(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(populate_by_name=True)
    site: pydantic.HttpUrl = pydantic.Field(alias="webSite")


class Outer(pydantic.BaseModel):
    inner: Inner
    many: list[Inner]
    note: str | None = None


def test_nested_records_lists_and_aliases() -> None:
    truth = Outer.model_validate(
        {"inner": {"webSite": "https://a.b"}, "many": [{"webSite": "https://c.d"}]}
    )
    reply = {"inner": {"webSite": "https://a.b"}, "many": [{"webSite": "https://c.d/"}]}
    frame = scored(Outer, reply, truth).to_frame()
    assert list(frame.field) == ["inner.webSite", "many[0].webSite"]
    assert list(frame.right) == [True, True]


@dataclasses.dataclass
class Card:
    name: str
    took: datetime.timedelta


def test_a_dataclass_is_a_record_too() -> None:
    truth = Card("Ada", datetime.timedelta(minutes=125))
    record = pydantic.TypeAdapter(Card).validate_python({"name": "Ada", "took": "PT125M"})
    assert record == truth
    assert list(scored(Card, {"name": "ada", "took": "PT125M"}, truth).to_frame().right) == [
        True, True,
    ]  # fmt: skip


def test_a_reply_that_the_class_refuses_is_compared_as_json() -> None:
    record = pydantic.create_model("Record", t=(datetime.timedelta, ...), name=(str, ...))
    truth = record(t="PT2H5M", name="Ada")
    frame = scored(record, {"t": 5, "name": "Ada", "x": 1}, truth).to_frame()
    right = dict(zip(frame.field, frame.right, strict=True))
    assert right["name"] is True
    refused = scored(record, {"t": "two hours", "name": "Ada"}, truth).to_frame()
    assert list(refused.status) == ["InvalidRecord"] * 2
    assert dict(zip(refused.field, refused.right, strict=True)) == {"t": False, "name": True}


def test_truth_given_as_json_is_compared_with_the_json() -> None:
    record = pydantic.create_model("Record", t=(Loud, ...))
    result = scored(record, {"t": "abc"}, {"t": "abc"})
    assert list(result.to_frame().value) == ["abc"]


def test_it_is_the_same_after_saving(tmp_path: pathlib.Path) -> None:
    record = pydantic.create_model("Record", t=(datetime.timedelta, ...))
    result = scored(record, {"t": "PT125M"}, record(t="PT2H5M"))
    loaded = lw.load(result.save(tmp_path / "saved.json"))
    assert loaded.scoreboard().accuracy[0] == result.scoreboard().accuracy[0] == 1.0
    assert next(iter(loaded)).data == {"t": "PT125M"}


class Login(pydantic.BaseModel):
    user: str
    password: pydantic.SecretStr


@pytest.mark.parametrize(
    ("schema", "truth", "place"),
    [
        (Login, [Login(user="ada", password="sk-test-000")], "password"),
        (Login, {"text-01": Login(user="ada", password="sk-test-000")}, "password"),
        (list[Login], [[Login(user="ada", password="sk-test-000")]], "[0].password"),
    ],
)
def test_truth_with_a_secret_is_refused(schema: Any, truth: Any, place: str) -> None:
    reply = {"user": "ada", "password": "sk-test-000"}
    with pytest.raises(lw.errors.FieldError) as caught:
        lw.Comparison.from_outputs(schema, ["text"], {"A": [reply]}, truth=truth)
    assert place in str(caught.value)
    assert "SecretStr" in str(caught.value)
    assert "sk-test-000" not in str(caught.value)
