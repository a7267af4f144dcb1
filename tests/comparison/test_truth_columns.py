"""Columns of labels as people have them: one alone, decimal commas, those beside the texts."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given as for_any
from hypothesis import strategies as st

from llmwidgets.comparison.files import read_uploads
from llmwidgets.comparison.runs import read_documents
from llmwidgets.comparison.texts import file_notes
from llmwidgets.errors import FieldError
from llmwidgets.schemas import read_schema
from llmwidgets.widgets.comparison.table_columns import TableColumns

NUMBER = {"type": ["number", "null"]}
SCHEMA = {
    "type": "object",
    "properties": {
        "Betrag": NUMBER,
        "Anzahl": {"type": ["integer", "null"]},
        "Nummer": {"type": ["string", "null"]},
        "Marken": {"type": "array", "items": {"type": "string"}},
        "Vertrag": {"type": "object", "properties": {"Summe": NUMBER}},
    },
}
COMMAS = "Decimal commas were read in the truth of Betrag."


def read(truth: Any, schema: Any = SCHEMA) -> tuple[list[Any], tuple[str, ...]]:
    documents = read_documents(schema, [f"Text {at}" for at in range(len(truth))], truth)
    return [each.truth for each in documents], file_notes(documents)


def column(*cells: Any, name: str = "Betrag") -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(cells, dtype=object)})


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (("1234,50", "89,90"), (1234.5, 89.9)),
        (("1.234,50", "1.250"), (1234.5, 1250)),
        (("1.234.567,5", "-0,25"), (1234567.5, -0.25)),
        (("0,125", "7"), (0.125, 7)),
        (("1.000,000", " 12,5 "), (1000, 12.5)),
        ((12.5, "1,5"), (12.5, 1.5)),
        (("1,5", "null"), (1.5, None)),
    ],
)
def test_decimal_commas_are_read_and_said(cells, values) -> None:
    """A column that is written so throughout; what a workbook has as a number stays."""
    records, notes = read(column(*cells))
    assert [record["Betrag"] for record in records] == list(values)
    assert notes == (COMMAS,)


@pytest.mark.parametrize(
    "cells",
    [("1,234", "2,500"), ("1234.50", "89,90"), ("89,90 EUR", "1"), ("1.23,4", "1"), ("1,2,3", "1")],
    ids=["thousands as well", "both ways", "more than a number", "odd groups", "two commas"],
)
def test_what_may_be_another_number_is_not_guessed(cells) -> None:
    with pytest.raises(FieldError, match="Betrag: must be"):
        read(column(*cells))


def test_only_columns_of_numbers_are_read_so() -> None:
    """A text stays, whole numbers and numbers inside an object are read; blanks are none."""
    records, notes = read(
        pd.DataFrame(
            {"Nummer": ["1,5", "2,5"], "Vertrag.Summe": ["1,5", ""], "Anzahl": ["1.000,0", "3"]}
        )
    )
    assert records == [
        {"Nummer": "1,5", "Vertrag": {"Summe": 1.5}, "Anzahl": 1000},
        {"Nummer": "2,5", "Anzahl": 3},
    ]
    assert notes == ("Decimal commas were read in the truth of Vertrag.Summe and Anzahl.",)


def _german(value: Decimal) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


@for_any(st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=5))
def test_every_amount_of_a_german_table_is_read_as_it_is_meant(values) -> None:
    records, _ = read(column(*map(_german, values)))
    assert [record["Betrag"] for record in records] == [float(value) for value in values]


@for_any(st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=5))
def test_numbers_as_json_has_them_stay_what_they_are(values) -> None:
    records, notes = read(column(*map(str, values)))
    assert [record["Betrag"] for record in records] == [float(value) for value in values]
    assert notes == ()


@pytest.mark.parametrize(
    ("labels", "record"),
    [
        (pd.Series([1.5], name="Betrag"), {"Betrag": 1.5}),
        (pd.Series(["1,5"], name="Betrag"), {"Betrag": 1.5}),
        (pd.Series([7], name="Nummer"), {"Nummer": "7"}),
        (pd.Series(["1"], name="Vertrag.Summe"), {"Vertrag": {"Summe": 1}}),
        (pd.Series([["a", "b"]], name="Marken"), {"Marken": ["a", "b"]}),
        (pd.Series(['{"Betrag": 2}'], name="Betrag"), {"Betrag": 2}),
        (pd.Series([{"Betrag": 2}], name="truth"), {"Betrag": 2}),
    ],
)
def test_a_series_of_values_is_the_column_of_its_field(labels, record) -> None:
    assert read(labels)[0] == [record]


def test_a_series_of_values_follows_its_index() -> None:
    texts = pd.Series(["One", "Two"], index=["b", "a"])
    labels = pd.Series([1, 2], index=["a", "b"], name="Betrag")
    documents = read_documents(SCHEMA, texts, labels)
    assert [each.truth for each in documents] == [{"Betrag": 2}, {"Betrag": 1}]


def test_a_series_that_is_named_like_no_field_names_the_nearest() -> None:
    with pytest.raises(FieldError) as raised:
        read(pd.Series([1.5], name="betrag"))
    assert raised.value.problems == {
        "betrag": "the schema has no field of this name; the nearest is Betrag."
    }
    scores = read(pd.Series([1.5], name="Wert"), {"type": "number"})
    assert scores[0] == [1.5]


def test_columns_beside_the_texts_are_truth_where_they_are_named_like_a_field() -> None:
    """A note says which; without one there is no truth."""
    schema = read_schema(SCHEMA)
    rows = read_uploads([("a.csv", b"id;text;Betrag;Ort\n1;One;2,5;Ulm\n"), ("b.txt", b"Two")])
    documents = read_documents(schema, rows, TableColumns(rows).truth(schema))
    assert documents[0].truth == {"Betrag": 2.5}
    assert file_notes(documents) == (
        "The column Betrag was read as truth: it is named like a field.",
        COMMAS,
    )
    bare = TableColumns(read_uploads([("a.csv", b"id,text,Ort\n1,One,Ulm\n")]))
    assert bare.truth(schema) is None
    rows = read_uploads([("a.csv", b"text,Betrag,Nummer\nOne,1,2\n")])
    two = TableColumns(rows).truth(schema)
    assert re.match("The columns Betrag and Nummer were read", two.attrs["assumed"][0])
