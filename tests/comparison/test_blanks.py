"""Blank labels: not labelled and said so, or, when asked, the label that there is no value."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from pydantic import BaseModel

from llmwidgets import Comparison, ComparisonPanel, compare, load
from llmwidgets.demo import invoices
from llmwidgets.errors import FieldError


class Address(BaseModel):
    """A made-up address."""

    city: str | None = None


class Letter(BaseModel):
    """A made-up letter."""

    sender: str | None = None
    total: float | None = None
    place: Address | None = None


TEXTS = [{"id": "a", "text": "x"}, {"id": "b", "text": "y"}, {"id": "c", "text": "z"}]
SAID = {"A": [{"sender": "Ada", "total": 1}, {"sender": "Bo"}, {"total": 3}]}
JSON = [{"sender": "", "total": 1.0}, {"sender": "Bo", "place": {"city": " "}}, None]
NAN = [{"sender": float("nan"), "total": 1.0}, {"sender": "Bo", "place": {"city": ""}}, None]
TABLE = pd.DataFrame(
    {"sender": ["", "Bo", None], "total": [1.0, 2.0, None], "place.city": ["Bonn", None, ""]}
)
BY_ID = TABLE.assign(id=["a", "b", "c"])[["id", "sender", "total", "place.city"]]
SHAPES = {
    "list": JSON,
    "nan": NAN,
    "dict": dict(zip("abc", JSON, strict=True)),
    "text": [json.dumps(each) if each else None for each in JSON],
    "iterator": "iterator",
    "records": [
        Letter(sender="", total=1),
        Letter(sender="Bo", place=Address(city=" ")),
        None,
    ],
}


def made(truth, **more) -> Comparison:
    given = iter(JSON) if isinstance(truth, str) else truth
    return Comparison.from_outputs(Letter, TEXTS, SAID, truth=given, **more)


def labelled(comparison: Comparison) -> list[tuple[str, str, object]]:
    frame = comparison.to_frame()
    frame = frame[frame.right.notna()]
    return [
        (row.text_id, row.field, row.right)
        for row in frame.itertuples()
        if row.truth is None or row.truth is pd.NA or row.truth != row.truth
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_blank_is_not_labelled_and_that_is_said(shape):
    comparison = made(SHAPES[shape])
    assert labelled(comparison) == []
    said = "2 labels are blank and not scored; "
    assert said in repr(comparison)
    assert said in comparison.verdict().sentence
    assert any(said in note for note in comparison.scoreboard().attrs["notes"])


@pytest.mark.parametrize("shape", SHAPES)
def test_asked_for_a_blank_says_that_there_is_no_value(shape):
    comparison = made(SHAPES[shape], blank="null")
    found = labelled(comparison)
    assert ("a", "sender", False) in found
    assert any(text == "b" and field.startswith("place") for text, field, _ in found)
    assert "blank" not in repr(comparison)
    assert comparison.scoreboard().invented[0] == 1


@pytest.mark.parametrize("table", [TABLE, BY_ID], ids=["by place", "by id"])
def test_a_table_has_blank_cells(table):
    plainly = made(table)
    assert labelled(plainly) == []
    # The third row has no label at all: nobody has labelled it yet, and nothing in it is counted.
    assert "2 labels are blank and not scored; " in repr(plainly)
    asked = made(table, blank="null")
    assert {text for text, *_ in labelled(asked)} == {"a", "b", "c"}
    assert "blank" not in repr(asked)


def test_the_truth_of_the_rows_themselves_counts_too():
    texts = [{**text, "truth": truth} for text, truth in zip(TEXTS, JSON, strict=True)]
    plainly = Comparison.from_outputs(Letter, texts, SAID)
    assert "2 labels are blank" in repr(plainly)
    asked = Comparison.from_outputs(Letter, texts, SAID, blank="null")
    assert ("a", "sender", False) in labelled(asked)


def test_a_text_whose_whole_truth_is_missing_stays_unlabelled():
    assert made(JSON, blank="null").scoreboard().scored[0] == 2


def test_a_blank_item_of_a_list_is_left_out():
    schema = {
        "type": "object",
        "properties": {"names": {"type": "array", "items": {"type": "string"}}},
    }
    comparison = Comparison.from_outputs(
        schema,
        ["x"],
        {"A": [{"names": ["Ada"]}]},
        truth=[{"names": ["Ada", "", " "]}],
        blank="null",
    )
    assert comparison.scoreboard().accuracy[0] == 1


def test_one_blank_is_one_label():
    assert "1 label is blank and not scored" in repr(
        made([{"sender": "", "total": 1.0}, None, None])
    )


ONE_FIELD = {"type": "object", "properties": {"sender": {"type": ["string", "null"]}}}
ONE_COLUMN = {
    "table": pd.DataFrame({"sender": ["Ada", "", None]}),
    "records": [{"sender": "Ada"}, {"sender": ""}, {"sender": " "}],
}


@pytest.mark.parametrize("shape", ONE_COLUMN)
@pytest.mark.parametrize("start", [0, 1], ids=["scored", "unscored"])
def test_a_text_of_which_all_is_blank_is_said_too(shape, start):
    """Also where nothing is left to be scored: a model that invents a value there is not seen."""
    truth, texts = ONE_COLUMN[shape][start:], TEXTS[start:]
    outputs = {"A": [{"sender": "Ada"}] * len(texts)}
    said = "2 texts have only a blank label: not scored; "
    if shape == "table":
        truth = truth.reset_index(drop=True)
    plainly = Comparison.from_outputs(ONE_FIELD, texts, outputs, truth=truth)
    verdict = plainly.verdict()
    assert verdict.sentence.startswith(f"{verdict.headline} {said}")
    assert said in repr(plainly)
    asked = Comparison.from_outputs(ONE_FIELD, texts, outputs, truth=truth, blank="null")
    assert asked.scoreboard().invented[0] == 2
    assert "blank" not in repr(asked)


def test_a_label_that_is_made_is_blank_no_longer():
    comparison = Comparison.from_outputs(
        ONE_FIELD, TEXTS, {"A": [{"sender": "Ada"}] * 3}, truth=ONE_COLUMN["table"]
    )
    comparison = comparison.correct("b", "sender", "Bo")
    assert "1 text has only a blank label" in repr(comparison)
    assert "blank" not in repr(comparison.correct("c", "sender", None))


def test_the_columns_of_another_type_of_document_are_not_blank():
    other = {"type": "object", "properties": {"total": {"type": ["number", "null"]}}}
    texts = [
        {**text, "schema": schema}
        for text, schema in zip(TEXTS, [ONE_FIELD, other, ONE_FIELD], strict=True)
    ]
    truth = pd.DataFrame({"sender": ["Ada", None, ""], "total": [None, 1.0, None]})
    said = {"A": [{"sender": "Ada"}, {"total": 1.0}, {"sender": "Bo"}]}
    plainly = Comparison.from_outputs(None, texts, said, truth=truth)
    assert "1 text has only a blank label: not scored" in repr(plainly)
    assert "labels are blank" not in repr(plainly)
    asked = Comparison.from_outputs(None, texts, said, truth=truth, blank="null")
    assert asked.scoreboard().accuracy[0] == pytest.approx(2 / 3)


def test_without_blanks_nothing_is_said():
    assert "blank" not in repr(made([{"sender": "Ada"}, None, None]))


def test_saved_and_loaded_it_says_the_same(tmp_path):
    comparison = made(TABLE)
    assert repr(load(comparison.save(tmp_path / "saved.json"))) == repr(comparison)


@pytest.mark.parametrize("blank", ["", "Null", "none", True, 0, ["null"]])
def test_another_word_is_refused(blank):
    with pytest.raises(FieldError, match='blank: must be "null"'):
        made(JSON, blank=blank)


def test_a_run_and_the_panel_take_it(demo):
    text = invoices.texts[0]
    name = next(iter(invoices.truth[text["id"]]))
    truth = [{**invoices.truth[text["id"]], name: ""}]
    result = compare(
        invoices.Schema, [text], "demo-careful", truth=truth, journal=False, progress=False
    )
    assert "1 label is blank" in repr(result)
    panel = ComparisonPanel(invoices.Schema, [text], truth, blank="null")
    assert panel.controllers["setup"].setup.documents[0].truth[name] is None
    assert 'blank="null"' in panel.code()
    panel.close()
