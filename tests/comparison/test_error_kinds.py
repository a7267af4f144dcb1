"""Wrong values by kind: each is counted once, by variant and field, and listed with its place."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.analysis.error_kinds import ERROR_KINDS
from llmwidgets.comparison.measures.error_kinds import find_errors

SCHEMA = {
    "type": "object",
    "properties": {
        "who": {"type": ["string", "null"]},
        "total": {"type": ["number", "null"]},
        "kind": {"enum": ["bill", "order"]},
        "lines": {"type": "array", "items": {"type": "object", "properties": {
            "what": {"type": "string"}, "cost": {"type": "number"}}}},
    },
}  # fmt: skip
TEXTS = [
    {"id": "one", "text": "Petra Brandt for Jonas Brandt, 18.2 thousand."},
    {"id": "two", "text": "Nothing."},
    {"id": "three", "text": "Not labelled."},
]
LINES = [{"what": "a first line", "cost": 12.5}, {"what": "a second line", "cost": 7.25}]
TRUTH = [
    {"who": "Jonas Brandt", "total": 18200, "kind": "bill", "lines": LINES},
    {"who": None, "total": 5, "kind": "bill"},
    None,
]
SWAPPED = [{**LINES[0], "cost": 7.25}, LINES[1]]
OUTPUTS: dict[str, list[Any]] = {
    "A": [
        {"who": "Petra Brandt", "total": 18.2, "kind": "Bill", "lines": SWAPPED},
        {"who": "Ada", "total": -5, "kind": "order"},
        {"who": "not labelled", "total": 1, "kind": "bill"},
    ],
    "B": [
        {"who": "Brandt", "total": None, "kind": "bill", "lines": LINES},
        "I cannot read this.",
        None,
    ],
}


@pytest.fixture(scope="module")
def result() -> lw.Comparison:
    return lw.Comparison.from_outputs(SCHEMA, TEXTS, OUTPUTS, TRUTH)


def test_errors_lists_every_wrong_value(result: lw.Comparison) -> None:
    frame = result.errors()
    assert list(frame) == ["variant", "text_id", "repeat", "field", "kind", "value", "truth"]
    said = [tuple(row) for row in frame.drop(columns=["repeat", "truth"]).itertuples(index=False)]
    assert said == [
        ("A", "one", "who", "other entity", "Petra Brandt"),
        ("A", "one", "total", "unit", 18.2),
        ("A", "one", "kind", "format", "Bill"),
        ("A", "one", "lines[0].cost", "other row", 7.25),
        ("A", "two", "who", "invented", "Ada"),
        ("A", "two", "total", "sign", -5),
        ("A", "two", "kind", "other choice", "order"),
        ("B", "one", "who", "cut", "Brandt"),
        ("B", "one", "total", "missed", None),
        ("B", "two", "who", "failed", None),
        ("B", "two", "total", "failed", None),
        ("B", "two", "kind", "failed", None),
    ]
    assert frame.truth[0] == "Jonas Brandt"


def test_error_kinds_counts_by_variant_and_in_all(result: lw.Comparison) -> None:
    """Every kind has its row, in the order in which they are tried."""
    frame = result.error_kinds()
    assert list(frame) == ["kind", "A", "B", "all"]
    assert tuple(frame.kind) == ERROR_KINDS
    counts = frame.set_index("kind")
    assert counts.loc["failed"].to_dict() == {"A": 0, "B": 3, "all": 3}
    assert counts.loc["unit", "A"] == counts.loc["sign", "all"] == 1
    assert (frame["all"] == frame.A + frame.B).all()


def test_error_kinds_by_field_has_what_occurs(result: lw.Comparison) -> None:
    frame = result.error_kinds(by="field")
    assert list(frame.field.unique()) == ["who", "total", "kind", "lines[].cost"]
    assert frame["all"].sum() == len(result.errors()) == 12
    assert (frame["all"] > 0).all()
    with pytest.raises(lw.errors.FieldError, match='give "field"'):
        result.error_kinds(by="variant")


def test_the_list_is_a_table_of_export(result: lw.Comparison, tmp_path) -> None:
    path = result.export(tmp_path / "errors.csv", table="errors")
    assert pd.read_csv(path).kind.tolist() == result.errors().kind.tolist()


def test_a_label_moves_the_kinds(result: lw.Comparison) -> None:
    """What is right by the new truth is not listed any more, and the old result keeps its list."""
    right = result.correct("one", "total", 18.2)
    assert "unit" not in set(right.errors().kind)
    assert len(find_errors(result)) == 12


def test_rules_of_scoring_decide_what_is_wrong(result: lw.Comparison) -> None:
    lenient = result.rescore({"total": "number:20000"})
    assert "unit" not in set(lenient.errors().kind)
    strict = lw.Comparison.from_outputs(
        [{"name": "x"}], ["a"], {"A": [{"x": "MAIN St. 1"}]}, [{"x": "Main St 1"}],
        scoring={"x": "exact"},
    )  # fmt: skip
    assert strict.errors().kind.tolist() == ["format"]


def test_nothing_wrong_and_nothing_labelled_are_empty_tables() -> None:
    """With the same columns, so that code that reads them goes on."""
    fields = [{"name": "x"}]
    for truth in (None, [{"x": "a"}]):
        made = lw.Comparison.from_outputs(fields, ["a"], {"A": [{"x": "a"}]}, truth)
        assert list(made.errors()) == [
            "variant", "text_id", "repeat", "field", "kind", "value", "truth"
        ]  # fmt: skip
        assert made.errors().empty
        assert made.error_kinds()["all"].sum() == 0
        assert made.error_kinds("field").empty
        for frame in (made.errors(), made.error_kinds(), made.error_kinds("field")):
            assert bool(frame.attrs["notes"]) == (truth is None)


_TEXTS = st.sampled_from([None, "", "Kiel", "KIEL", "Kiel Hafen", "N/A", "12", "-12", "1200"])
_RECORDS = st.fixed_dictionaries(
    {}, optional={"a": _TEXTS, "b": _TEXTS, "c": st.lists(_TEXTS, max_size=3)}
)


@given(
    truth=st.lists(_RECORDS, min_size=2, max_size=2),
    outputs=st.lists(_RECORDS | st.just("none"), min_size=2, max_size=2),
)
def test_each_wrong_value_is_counted_once(truth: list[Any], outputs: list[Any]) -> None:
    """What is labelled and not right, as `by_field` counts it, is what the kinds add up to."""
    names = {"a": {}, "b": {}, "c": {"type": "array", "items": {}}}
    schema = {"type": "object", "properties": names}
    made = lw.Comparison.from_outputs(schema, ["Kiel 12", ""], {"A": outputs}, truth)
    counts = made.by_field()
    wrong = counts.labelled.sum() - counts.right.sum()
    assert made.error_kinds()["all"].sum() == wrong == len(made.errors())
    assert made.error_kinds("field")["all"].sum() == wrong
