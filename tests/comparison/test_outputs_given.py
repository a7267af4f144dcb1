"""Outputs made elsewhere, as tables, bytes and what is none: read by rows, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest

import llmwidgets as lw
from llmwidgets.errors import FieldError


class Policy(pydantic.BaseModel):
    number: str | None = None


class Claim(pydantic.BaseModel):
    s: str | None
    n: float | None = None
    count: int = 0
    policy: Policy = Policy()
    tags: list[str] = []


TEXTS = ["x", "y", "z"]
FRAME = pd.DataFrame({
    "s": ["A", None, np.nan], "n": [1, 2.5, np.nan], "count": [1, np.nan, 3],
    "policy.number": [12, "b", None], "tags": ['["a"]', "[]", "[]"],
})  # fmt: skip


def outputs(given: Any, texts: Any = TEXTS, truth: Any = None) -> lw.Comparison:
    return lw.Comparison.from_outputs(Claim, texts, {"M": given}, truth=truth)


def test_a_frame_is_one_record_for_each_row() -> None:
    result = outputs(FRAME)
    assert [each.status for each in result] == ["ok"] * 3
    assert [each.data for each in result] == [
        {"s": "A", "n": 1, "count": 1, "policy": {"number": "12"}, "tags": ["a"]},
        {"s": None, "n": 2.5, "policy": {"number": "b"}, "tags": []},
        {"s": None, "n": None, "count": 3, "policy": {"number": None}, "tags": []},
    ]


@pytest.mark.parametrize("columns", [["s", "n"], ["s"], ["s", "n", "count"]])
def test_the_number_of_columns_is_not_the_number_of_outputs(columns: list[str]) -> None:
    assert [each.status for each in outputs(FRAME[columns])] == ["ok"] * 3


def test_a_frame_with_ids_is_read_by_id() -> None:
    texts = {"a": "x", "b": "y", "c": "z"}
    result = outputs(pd.DataFrame({"id": ["c", "a"], "s": ["C", "A"]}), texts)
    assert [each.data and each.data["s"] for each in result] == ["A", None, "C"]
    assert [each.status for each in result] == ["ok", "Stopped", "ok"]


@pytest.mark.parametrize("names", [("ID", "Text"), (" Id ", "text"), ("id", " TEXT")])
def test_the_ids_of_a_frame_are_found_as_those_of_texts(names: tuple[str, str]) -> None:
    """In outputs and in truth alike."""
    one, other = names
    frame = pd.DataFrame({one: [3.0, 1.0, 2.0], other: ["z", "x", "y"], "s": ["C", "A", "B"]})
    for texts in (frame[[one, other]].sort_values(one), {"1": "x", 2: "y", 3.0: "z"}):
        result = outputs(frame, texts, frame)
        assert [each.data and each.data["s"] for each in result] == ["A", "B", "C"]
        assert result.scoreboard().accuracy[0] == 1


def test_a_column_named_like_a_field_is_the_field() -> None:
    """But for `id`, if what it has are the ids of the texts."""
    rows = [{"name": name} for name in ("id", "text", "s")]
    frame = pd.DataFrame({"id": ["7", "7"], "text": ["a", "b"], "s": ["A", "B"]})
    result = lw.Comparison.from_outputs(rows, ["x", "y"], {"M": frame}, truth=frame)
    records = frame.to_dict("records")
    assert [each.data for each in result] == [text.truth for text in result.texts] == records
    turned = frame.assign(id=["y", "x"])
    result = lw.Comparison.from_outputs(rows, {"x": "1", "y": "2"}, {"M": turned}, truth=turned)
    assert [each.data["s"] for each in result] == ["B", "A"]
    assert [text.truth for text in result.texts] == [
        {"text": "b", "s": "B"},
        {"text": "a", "s": "A"},
    ]


def test_ids_are_one_name_however_they_are_written() -> None:
    texts = pd.DataFrame({"id": [b"1", b"2"], "text": [b"x", "y"]})
    for given in ({1: {"s": "A"}, 2.0: {"s": "B"}}, {"1": {"s": "A"}, np.int64(2): {"s": "B"}}):
        result = outputs(given, texts, given)
        assert [text.id for text in result.texts] == ["1", "2"]
        assert result.scoreboard().accuracy[0] == 1
    with pytest.raises(FieldError, match="has the id 1 more than once"):
        outputs({1: {"s": "A"}, "1": {"s": "B"}}, texts)


REFUSED: dict[str, tuple[Any, str]] = {
    "another column": (FRAME.assign(note=""), "note: the schema has no field"),
    "a misspelled column": (pd.DataFrame({"S": TEXTS}), "the nearest is s"),
    "a column twice": (pd.DataFrame([["a", "b"]] * 3, columns=["s", "s"]), "two columns"),
    "an id twice": (pd.DataFrame({"id": ["x"] * 3, "s": TEXTS}), "more than once"),
    "too few rows": (FRAME[:2], "has 2 outputs for 3 texts"),
    "one row": (FRAME[:1], "has 1 output for 3 texts"),
    "a text": ("abc", "is a str"),
    "bytes": (b"abc", "is a bytes"),
    "nothing": (None, "is a NoneType"),
    "a number": (3, "is an int"),
    "a set": ({"a", "b", "c"}, "is a set"),
}


@pytest.mark.parametrize(("given", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_outputs_is_refused(given: Any, said: str) -> None:
    with pytest.raises(FieldError) as caught:
        outputs(given)
    assert said in caught.value.message


def test_a_frame_in_place_of_the_dict_is_refused() -> None:
    with pytest.raises(FieldError, match="not a dict of outputs by label"):
        lw.Comparison.from_outputs(Claim, TEXTS, FRAME)


@pytest.mark.parametrize(
    "given",
    [
        b'{"s": "\xc3\xa9"}',
        bytearray(b'\xef\xbb\xbf{"s": "\xc3\xa9"}'),
        memoryview(b'{"s": "\xc3\xa9"}'),
    ],
)
def test_bytes_are_read_as_utf8(given: Any) -> None:
    result = outputs([given], [given], truth=[given])
    assert [text.text for text in result.texts] == [bytes(given).decode("utf-8-sig")]
    assert [each.data for each in result] == [{"s": "é"}]
    assert result.scoreboard().accuracy[0] == 1


def test_bytes_of_another_encoding_name_the_output() -> None:
    with pytest.raises(FieldError) as caught:
        outputs([b'{"s": "\xe9"}'], ["x"])
    assert "output of M for text-01: is not UTF-8 text" in caught.value.message


def test_an_empty_cell_of_a_series_is_no_output() -> None:
    result = outputs(pd.Series(['{"s": "A"}', np.nan, None]))
    assert [each.status for each in result] == ["ok", "Stopped", "Stopped"]
