"""Texts come in many shapes; what does not fit is said with the next step, before any call."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets import Comparison, load
from llmwidgets.comparison.texts import read_sources
from llmwidgets.comparison.values import to_jsonable
from llmwidgets.errors import FieldError


@pytest.mark.parametrize(
    "texts",
    [
        ["one", "two"],
        ("one", "two"),
        pd.Series(["one", "two"]),
        pd.DataFrame({"text": ["one", "two"], "other": [1, 2]}),
        [{"text": "one"}, {"text": "two"}],
        (text for text in ["one", "two"]),
    ],
    ids=["list", "tuple", "Series", "DataFrame", "dicts", "generator"],
)
def test_every_shape_gives_the_same_texts(texts) -> None:
    read = read_sources(texts)
    assert [(each.id, each.text) for each in read] == [("text-01", "one"), ("text-02", "two")]


def test_ids_are_kept_and_numbers_become_text() -> None:
    frame = pd.DataFrame({"id": [7, 8], "text": ["one", "two"]})
    assert [each.id for each in read_sources(frame)] == ["7", "8"]
    assert [each.id for each in read_sources({"a": "one", "b": "two"})] == ["a", "b"]
    assert [each.id for each in read_sources([{"id": None, "text": "x"}])] == ["text-01"]


HALF = "é\ud800"
"""What a broken file, or the name of one, can contain: no table and no file takes it."""


@pytest.mark.parametrize("place", ["id", "column", "cell", "group", "label"])
def test_half_a_character_in_a_name_is_written_out(tmp_path, place: str) -> None:
    row = {"id": "t", "text": f"Text {HALF}", "vendor": "v"}
    row |= {"id": {"id": HALF}, "column": {HALF: "v"}, "cell": {"vendor": HALF}}.get(place, {})
    truth, label = {row["id"]: {"a": HALF}}, HALF if place == "label" else "A"
    group = [HALF] if place == "group" else None
    result = Comparison.from_outputs(
        [{"name": "a"}], [row], {label: [{"a": "x"}], "B": [{"a": HALF}]}, truth, group=group
    )
    wrong = f"{result.texts[0].id}{result.labels}{result.texts[0].group}{result.metadata()}"
    assert "\ud800" not in wrong
    by = "é\\ud800" if place == "column" else "group" if group else "vendor"
    frames = [getattr(result, name)() for name in (
        "to_frame", "scoreboard", "by_field", "by_text", "differences", "agreement", "grounding",
        "stability", "errors", "error_kinds", "review", "corrections",
    )]  # fmt: skip
    frames += [result.scoreboard(by=by), result.by_field(by=by), result.records("B")]
    assert all(isinstance(each, pd.DataFrame) for each in frames)
    flips = load(result.save(tmp_path / "saved.json")).against(result)
    assert flips.empty
    assert len(flips.verdict.table) == 2


@given(st.integers(1, 1200))
def test_default_ids_are_unique_and_sort_as_the_texts_stand(count: int) -> None:
    ids = [each.id for each in read_sources(["x"] * count)]
    assert ids == sorted(set(ids))
    assert len(ids) == count


def test_truth_and_schema_of_a_row_are_kept() -> None:
    (read,) = read_sources(
        [{"id": "a", "text": "x", "truth": {"n": 1}, "schema": {"type": "object"}}]
    )
    assert read.truth == {"n": 1}
    assert read.schema == {"type": "object"}
    frame = pd.DataFrame({"text": ["x", "y"], "truth": [{"n": 1}, float("nan")]})
    assert [each.truth for each in read_sources(frame)] == [{"n": 1}, None]


BAD = {
    "no text": ([], "at least one"),
    "empty": (["fine", ""], "Leave empty texts out"),
    "blanks": (["fine", " \n "], "Leave empty texts out"),
    "NaN": (pd.Series(["fine", float("nan")]), "Leave empty texts out"),
    "None": (["fine", None], "Leave empty texts out"),
    "a number": (["fine", 7], "Each text is a string"),
    "no key text": ([{"id": "a"}], "Each text is a string"),
    "no column": (pd.DataFrame({"body": ["x"]}), "Rename the column"),
    "a pdf path": (["claims/letter 7.pdf"], "pypdf"),
    "a Path to nothing": ([Path("paper.PDF")], "Check the path"),
    "a pdf's bytes": ([b"%PDF-1.7 ..."], "pypdf"),
    "a pdf's text": (["%PDF-1.7\n1 0 obj"], "pypdf"),
    "duplicate ids": ([{"id": "a", "text": "x"}, {"id": "a", "text": "y"}], "id of its own"),
    "no texts at all": (7, "list of strings"),
}


@pytest.mark.parametrize(("texts", "step"), BAD.values(), ids=BAD.keys())
def test_a_misfit_is_said_with_the_next_step(texts, step: str) -> None:
    with pytest.raises(FieldError) as caught:
        read_sources(texts)
    assert step in caught.value.hint
    assert "letter" not in str(caught.value)


def test_a_text_that_ends_in_pdf_is_no_path() -> None:
    """Only a single line that is nothing but a name is taken for a path."""
    text = "Dear Sir,\nthe estimate is attached as estimate.pdf"
    assert read_sources([text])[0].text == text


def test_a_misfit_names_the_text_by_its_id() -> None:
    with pytest.raises(FieldError) as caught:
        read_sources([{"id": "claim-07", "text": ""}, {"id": "claim-08", "text": "x"}])
    assert list(caught.value.problems) == ["claim-07"]


def test_outputs_made_elsewhere_need_no_text() -> None:
    assert read_sources([{"id": "a", "text": ""}], allow_empty=True)[0].text == ""


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (pd.NaT, "NaT"),
        (pd.NA, "<NA>"),
        (pd.Timestamp("2026-11-23"), "2026-11-23"),
        (pd.Timestamp("2026-11-23", tz="UTC"), "2026-11-23T00:00:00+00:00"),
        (pd.Timestamp("2026-11-23T10:00"), "2026-11-23T10:00:00"),
        (dt.datetime(2026, 11, 23), "2026-11-23T00:00:00"),
        (np.datetime64("NaT"), None),
        (np.int64(3), 3),
        (pd.Timedelta(seconds=90), "PT1M30S"),
    ],
)
def test_a_value_of_any_library_becomes_json(value, told) -> None:
    assert to_jsonable(value) == told
