"""Rows of lists in every table, rules of lists in every way in, and what a mean does not tell."""

from __future__ import annotations

import math

import pytest
from pydantic import BaseModel

import llmwidgets as lw
from llmwidgets.comparison import Comparison
from llmwidgets.comparison.measures.aggregate import aggregate
from llmwidgets.comparison.measures.scores import find_pooled, find_sparse
from llmwidgets.comparison.measures.text_result import read_text_result
from llmwidgets.errors import FieldError


class Line(BaseModel):
    sku: str | None = None
    name: str | None = None
    total: float | None = None


class Bill(BaseModel):
    number: str | None = None
    lines: list[Line] = []
    tags: list[str] = []


TRUTH = [
    {"number": "1", "tags": ["x-ray"],
     "lines": [{"sku": "AB-10", "name": "Steel bolt", "total": 3},
               {"sku": "QX-77", "name": "Wall clock", "total": 25.5}]},
    {"number": "2", "tags": [], "lines": [{"sku": "LM-31", "name": "Garden hose", "total": 19}]},
]  # fmt: skip
SAID = [
    {"number": "1", "tags": ["x-ray", "paid"],
     "lines": [{"sku": "QX-77", "name": "Wall clock", "total": 25.5},
               {"sku": "ZZ-99", "name": "Office chair", "total": 80}]},
    {"number": "2", "tags": [], "lines": [{"sku": "LM-31", "name": "Garden hose", "total": 20}]},
]  # fmt: skip


@pytest.fixture
def result() -> Comparison:
    return Comparison.from_outputs(Bill, ["a", "b"], {"A": SAID, "B": TRUTH}, TRUTH)


def test_rows_are_counted_in_the_scoreboard_by_field_and_by_text(result: Comparison) -> None:
    board = result.scoreboard().set_index("variant")
    assert board.loc["A", ["rows_invented", "rows_missed"]].tolist() == [2, 1]
    assert board.loc["A", "rows_right"] == 2 / 4
    assert board.loc["B", "rows_right"] == 1
    fields = result.by_field().set_index(["field", "variant"])
    columns = ["rows", "rows_right", "rows_invented", "rows_missed"]
    assert fields.loc[("lines[]", "A"), columns].tolist() == [3, 1, 1, 1]
    assert fields.loc[("tags[]", "A"), columns].tolist() == [1, 1, 1, 0]
    assert fields.loc[("number", "A"), columns].tolist() == [0, 0, 0, 0]
    texts = result.by_text().set_index(["variant", "text_id"])
    assert texts.groupby("variant")[columns].sum().loc["A"].tolist() == [4, 2, 2, 1]


def test_where_truth_has_no_list_the_share_of_rows_is_unknown() -> None:
    bare = Comparison.from_outputs(Bill, ["a"], {"A": [{"number": "1"}]}, [{"number": "1"}])
    row = bare.scoreboard().iloc[0]
    assert math.isnan(row.rows_right)
    assert (row.rows_invented, row.rows_missed) == (0, 0)


def test_a_text_taken_back_takes_its_rows_along(result: Comparison) -> None:
    tally = aggregate(result).stats[0].copy(["a", "b"])
    before = dict(tally.lists)
    second = read_text_result(result, 1, 0)
    tally.unscore("b", second.scores[:1])
    assert tally.rows == 3
    tally.score(second.document, second.extractions[0], second.scores[0])
    assert tally.lists == before == dict(aggregate(result).stats[0].lists)


def test_a_failed_reply_misses_every_row() -> None:
    failed = Comparison.from_outputs(Bill, ["a", "b"], {"A": ["no record", SAID[1]]}, TRUTH)
    row = failed.scoreboard().iloc[0]
    assert (row.rows_missed, row.rows_invented) == (3, 0)


def test_rules_of_lists_are_taken_rescored_saved_and_named_in_changes(result, tmp_path) -> None:
    keyed = result.rescore({"lines[]": "key:sku", "number": "exact"})
    assert keyed.scoring == {"lines[]": "key:sku", "number": "exact"}
    keyed.save(tmp_path / "kept.json")
    loaded = lw.load(tmp_path / "kept.json")
    assert loaded.scoring == keyed.scoring
    assert loaded.scoreboard().equals(keyed.scoreboard())
    strict = result.rescore({"lines[]": "match:1"})
    assert strict.scoreboard().rows_missed[0] == keyed.scoreboard().rows_missed[0] + 1
    with pytest.raises(FieldError) as caught:
        result.rescore({"lines[]": "key:skuu"})
    assert "Nearest is sku" in caught.value.message


def test_a_rule_holds_for_the_texts_whose_schema_has_its_fields() -> None:
    class Other(BaseModel):
        lines: list[dict[str, str]] = []

    texts = [{"text": "a", "schema": Bill}, {"text": "b", "schema": Other}]
    truth = [TRUTH[0], {"lines": [{"what": "thing"}]}]
    made = Comparison.from_outputs(
        None, texts, {"A": truth}, truth, scoring={"lines[]": "key:sku"}
    )  # fmt: skip
    assert made.scoreboard().accuracy[0] == 1


WIDE = {"type": "object", "properties": {f"f{at}": {"type": ["string", "null"]}
                                         for at in range(56)}}  # fmt: skip
EMPTY = {f"f{at}": None for at in range(56)}


def test_sparse_truth_is_said_and_leads_the_summary() -> None:
    truth = [{**EMPTY, "f1": "x", "f2": "y", f"f{at + 3}": "z"} for at in range(4)]
    said = {"silent": [EMPTY] * 4, "right": truth}
    made = Comparison.from_outputs(WIDE, list("abcd"), said, truth)
    found = find_sparse(made)
    assert find_sparse(made) is found, "computed once for all views"
    assert found is not None
    assert (found.filled, found.fields) == (3, 56)
    (note,) = made.scoreboard().attrs["notes"]
    assert note.startswith("3 of 56 fields have a value on average")
    for shown, first, then in (
        (repr(made), "precision", "% right"),
        (made._repr_html_(), "Precision, %", "% of fields right"),
    ):
        assert note in shown
        assert shown.index(first) < shown.index(then)
    board = made.scoreboard().set_index("variant")
    assert board.loc["silent", "accuracy"] > 0.9
    assert [*board.recall, *board.f1] == [0, 1, 0, 1]


def test_truth_with_values_is_not_called_sparse(result: Comparison) -> None:
    assert find_sparse(result) is None
    assert find_sparse(Comparison.from_outputs(WIDE, ["a"], {"A": [EMPTY]})) is None
    assert "precision" not in repr(result).lower()


def test_texts_and_fields_that_tell_different_things_are_both_said() -> None:
    """A is better on the short texts, B on the one long text."""
    long = {"tags": [f"tag {at}" for at in range(40)]}
    truth = [{"number": "1"}, {"number": "2"}, long]
    a = [{"number": "1"}, {"number": "2"}, {"tags": []}]
    b = [{"number": "1"}, {"number": "9"}, long]
    c = [{"number": "8"}, {"number": "9"}, long]
    made = Comparison.from_outputs(Bill, list("xyz"), {"A": a, "B": b, "C": c}, truth)
    found = find_pooled(made)
    assert found is not None
    assert found.reversed
    board = made.scoreboard().set_index("variant")
    assert board.accuracy["A"] > board.accuracy["C"]
    assert board.pooled["A"] < board.pooled["C"]
    (note,) = made.scoreboard().attrs["notes"]
    assert "on the average text" in note
    assert f"A {100 * board.accuracy['A']:.1f} and {100 * board.pooled['A']:.1f}" in note
    assert note in repr(made)


def test_texts_of_like_length_need_no_second_figure() -> None:
    truth = [{"number": str(at)} for at in range(4)]
    made = Comparison.from_outputs(Bill, list("wxyz"), {"A": truth, "B": truth[::-1]}, truth)
    assert find_pooled(made) is None
    assert made.scoreboard().attrs["notes"] == []
