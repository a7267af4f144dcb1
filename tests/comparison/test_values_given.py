"""Truth and outputs in the values of Python, numpy and pandas, in every shape."""

from __future__ import annotations

import datetime as dt
import enum
import os
import pathlib
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest

import llmwidgets as lw
from llmwidgets.comparison.values import is_empty_cell, to_jsonable
from llmwidgets.errors import FieldError


class Size(enum.Enum):
    LARGE = "large"


class Weight(float, enum.Enum):
    HALF = 0.5


JSON: list[tuple[Any, Any]] = [
    (np.datetime64("2024-01-05"), "2024-01-05"),
    (np.datetime64("2024-01-05T10:00"), "2024-01-05T10:00:00"),
    (np.datetime64("2024-01-05T10:00:00", "ns"), "2024-01-05T10:00:00"),
    (np.datetime64("2024-01-05T00:00:00", "ns"), "2024-01-05"),
    (np.array(["2024-01-05"], "datetime64[ns]"), ["2024-01-05"]),
    (pd.Timestamp("2024-01-05 10:00"), "2024-01-05T10:00:00"),
    (pd.Timestamp("2024-01-05"), "2024-01-05"),
    (np.timedelta64(125, "m"), "PT2H5M"),
    (np.timedelta64(7500 * 10**9, "ns"), "PT2H5M"),
    (pd.Timedelta("2h 5min"), "PT2H5M"),
    (dt.timedelta(minutes=125), "PT2H5M"),
    (Decimal("1.10"), 1.1),
    (np.float32(12.3), 12.3),
    (np.array([1.5, 2], "float32"), [1.5, 2]),
    (np.int64(3), 3),
    (np.bool_(True), True),
    (np.array(3), 3),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (pathlib.PurePosixPath("a/b"), "a/b"),
    (Size.LARGE, "large"),
    (Weight.HALF, 0.5),
    (b"caf\xc3\xa9", "café"),
    (bytearray(b"\xef\xbb\xbfa"), "a"),
    (memoryview(b"a"), "a"),
    (np.str_("a"), "a"),
    (np.float64(1.5), 1.5),
    (type("Count", (int,), {})(3), 3),
    (pd.Series([1, 2]), [1, 2]),
    (pd.Series(["x", "y"], index=[3, 7]), ["x", "y"]),
    (pd.Series({"a": np.float64(1.5), "b": "x"}), {"a": 1.5, "b": "x"}),
]


@pytest.mark.parametrize(
    ("value", "plain"),
    JSON,
    ids=[f"{type(each).__name__} {each}"[:60].partition(" at 0x")[0] for each, _ in JSON],
)
def test_a_value_is_json_in_every_shape(value: Any, plain: Any) -> None:
    assert to_jsonable(value) == plain
    # Of the plain type itself, since no validator of JSON takes another.
    assert type(to_jsonable(value)) is type(plain)
    assert to_jsonable({"a": [value], "b": {"c": value}}) == {"a": [plain], "b": {"c": plain}}


@pytest.mark.parametrize(
    "value",
    [np.datetime64("NaT"), np.timedelta64("NaT", "ns"), np.float32("nan"), pd.NaT, pd.NA,
     float("nan"), Decimal("NaN"), Decimal("sNaN")],
    ids=repr,
)  # fmt: skip
def test_an_empty_cell_is_not_a_value(value: Any) -> None:
    assert is_empty_cell(value)
    assert to_jsonable({"a": value, "b": 1}) == {"b": 1}


def test_bytes_that_are_not_text_are_refused() -> None:
    with pytest.raises(FieldError, match="not UTF-8 text"):
        to_jsonable({"a": b"caf\xe9"})


class Visit(pydantic.BaseModel):
    at: dt.datetime | None = None
    day: dt.date | None = None
    opens: dt.time | None = None
    took: dt.timedelta | None = None
    price: Decimal | None = None
    key: uuid.UUID | None = None
    path: pathlib.PurePosixPath | None = None
    size: Size | None = None
    seats: int | None = None
    weight: float | None = None


VALUES = {
    "at": pd.Timestamp("2024-01-05 10:00"), "day": np.datetime64("2024-01-05"),
    "opens": dt.time(10, 30), "took": pd.Timedelta("2h 5min"), "price": Decimal("1.10"),
    "key": uuid.UUID(int=7), "path": pathlib.PurePosixPath("a/b"), "size": Size.LARGE,
    "seats": np.int64(3), "weight": np.float32(12.3),
}  # fmt: skip
RECORD = Visit.model_validate(
    {**VALUES, "day": dt.date(2024, 1, 5), "took": dt.timedelta(minutes=125), "weight": 12.3}
)
SHAPES: dict[str, Any] = {
    "a list": [VALUES],
    "a dict": {"text-01": VALUES},
    "a frame": pd.DataFrame([VALUES]),
    "a series": pd.Series([VALUES]),
    "a row of a frame": [pd.DataFrame([VALUES]).iloc[0]],
    "a record": [RECORD],
}


@pytest.mark.parametrize("outputs", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("truth", SHAPES.values(), ids=SHAPES.keys())
def test_each_shape_is_truth_and_output(outputs: Any, truth: Any) -> None:
    result = lw.Comparison.from_outputs(Visit, ["text"], {"A": outputs}, truth=truth)
    frame = result.to_frame()
    assert set(frame.status) == {"ok"}
    assert dict(zip(frame.field, frame.right, strict=True)) == dict.fromkeys(VALUES, True)


def test_a_table_of_dates_is_truth_for_field_rows() -> None:
    rows = [{"name": "at", "type": "datetime"}, {"name": "opens", "type": "time"}]
    truth = pd.DataFrame({"at": [VALUES["at"]], "opens": [dt.time(10, 30)]})
    reply = {"at": "2024-01-05T10:00:00Z", "opens": "10:30:00Z"}
    result = lw.Comparison.from_outputs(rows, ["text"], {"A": [reply]}, truth=truth)
    assert list(result.to_frame().right) == [True, True]


@pytest.mark.parametrize("said", ["PT2H5M", "PT125M", "02:05:00", "P0DT2H5M0S"])
def test_a_length_of_time_is_right_in_any_units(said: str) -> None:
    truth = [{"took": dt.timedelta(minutes=125)}]
    result = lw.Comparison.from_outputs(Visit, ["text"], {"A": [{"took": said}]}, truth=truth)
    assert list(result.to_frame().right) == [True]


def test_it_is_valid_after_saving(tmp_path: pathlib.Path) -> None:
    reply = {"at": "2024-01-05T10:00:00", "opens": "10:30"}
    result = lw.Comparison.from_outputs(Visit, ["text"], {"A": [reply]}, truth=[reply])
    for _ in range(2):
        result = lw.load(result.save(tmp_path / "saved.json"))
        assert [each.status for each in result] == ["ok"]
        assert result.scoreboard().accuracy[0] == 1


def test_a_correction_need_not_name_its_zone() -> None:
    result = lw.Comparison.from_outputs(Visit, ["text"], {"A": [{"at": "2024-01-05T10:00:00"}]})
    assert result.correct("text-01", "at", "2024-01-05T10:00").scoreboard().accuracy[0] == 1
    with pytest.raises(FieldError, match="format date-time, such as"):
        result.correct("text-01", "at", "soon")


def test_a_file_whose_name_is_not_utf_8_is_named_in_every_view(tmp_path):
    folder = tmp_path / "letters"
    folder.mkdir()
    for name in (b"caf\xe9.txt", b"caf\xe8.txt"):
        try:
            pathlib.Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text(
                "Ada pays 3.", "utf-8"
            )
        except OSError:
            pytest.skip("this file system has no such names")
    texts = [{"text": each, "file": each.name} for each in sorted(folder.iterdir())]
    schema = [{"name": "name", "type": "string"}]
    for given in (folder, texts):
        made = lw.compare(schema, given, "demo-careful", journal=False, progress=False)
        assert len(made.records("demo-careful")) == len(made.review()) == 2
        made.scoreboard(by="file") if given is texts else None
        for table in ("fields", "review", "metadata"):
            made.export(tmp_path / "table.csv", table)
        made.save(tmp_path / "saved.json")
        saved = lw.load(tmp_path / "saved.json")
        assert [each.id for each in saved.texts] == [each.id for each in made.texts]
        if given is folder:
            assert {each.id for each in made.texts} == {"caf\\udce9", "caf\\udce8"}


def test_a_value_that_contains_itself_is_told() -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    around: list[Any] = []
    around.append(around)
    deep: Any = "x"
    for _ in range(3000):
        deep = {"name": deep}
    for given in (around, deep):
        for how in (
            {"truth": [{"name": given}]}, {"group": [given]}, {"outputs": {"A": [{"name": given}]}},
            {"truth": pd.DataFrame({"name": pd.Series([given], dtype=object)})},
        ):  # fmt: skip
            with pytest.raises(FieldError, match="contains itself"):
                lw.Comparison.from_outputs(schema, ["a"], **{"outputs": {"A": [None]}, **how})
    with pytest.raises(FieldError):
        lw.Comparison.from_outputs(schema, around, {"A": [None]})
