"""Precision, recall, F1 and accuracy by field; agreement where there is no truth; copied values."""

from __future__ import annotations

import math

import pytest
from pydantic import BaseModel

from llmwidgets.comparison import Comparison
from llmwidgets.comparison.measures.aggregate import measure_agreement
from llmwidgets.comparison.variants import Variant


class Bill(BaseModel):
    name: str | None = None
    total: float | None = None
    tags: list[str] = []


TRUTH = [{"name": "Ada", "total": 1}, {"name": "Bob", "total": None}, {"name": None, "total": 3}]
SAID = [{"name": "Ada", "total": 2}, {"name": None, "total": None}, {"name": "Eve", "total": 3}]


@pytest.fixture
def result() -> Comparison:
    return Comparison.from_outputs(Bill, ["a", "b", "c"], {"A": SAID, "B": TRUTH}, TRUTH)


def test_every_figure_of_a_field_is_counted_by_hand(result: Comparison) -> None:
    rows = result.by_field().set_index(["field", "variant"])
    name, total = rows.loc[("name", "A")], rows.loc[("total", "A")]
    assert (name.labelled, name.right, name.invented, name.missed) == (3, 1, 1, 1)
    # Two given, two wanted, one of them right.
    assert (name.precision, name.recall, name.f1) == (0.5, 0.5, 0.5)
    assert total.accuracy == pytest.approx(2 / 3)
    assert (total.precision, total.recall) == (0.5, 0.5)
    assert rows.loc[("name", "B")].f1 == rows.loc[("total", "B")].accuracy == 1


def test_the_fields_add_up_to_the_cells_of_the_frame(result: Comparison) -> None:
    frame = result.to_frame()
    by_field = result.by_field()
    assert by_field.labelled.sum() == frame.right.notna().sum()
    assert by_field.right.sum() == (frame.right == True).sum()  # noqa: E712


def test_agreement_needs_no_truth_and_is_the_same_both_ways() -> None:
    other = [{"name": "ADA", "total": 2}, {"name": "Bob"}, {"name": "Eve", "tags": ["x"]}]
    bare = Comparison.from_outputs(Bill, ["a", "b", "c"], {"A": SAID, "B": other, "C": SAID})
    table = bare.agreement()
    assert table.loc["A", "B"] == table.loc["B", "A"]
    assert table.loc["A", "C"] == table.loc["A", "A"] == 1
    assert 0 < table.loc["A", "B"] < 1
    # Ada is Ada in other case, Eve is Eve; a null against Bob is the only name not shared.
    assert bare.agreement("name").loc["A", "B"] == pytest.approx(2 / 3)


def test_variants_that_never_both_answer_have_no_agreement() -> None:
    bare = Comparison.from_outputs(Bill, ["a", "b"], {"A": [SAID[0], None], "B": [None, SAID[0]]})
    assert math.isnan(bare.agreement().loc["A", "B"])


def test_rescoring_calls_nothing_and_changes_the_field_it_names(result: Comparison) -> None:
    lenient = result.rescore({"total": "number:1"})
    rows = lenient.by_field().set_index(["field", "variant"])
    assert rows.loc[("total", "A")].accuracy == 1
    assert result.by_field().set_index(["field", "variant"]).loc[("total", "A")].accuracy < 1


def test_a_value_of_an_example_that_is_not_in_the_text_is_flagged_copied() -> None:
    from dataclasses import replace

    texts = ["A bill of Bob, 7 euro.", "A bill of Ada, 9 euro."]
    said = [{"name": "Ada", "total": 7}, {"name": "Ada", "total": 8}]
    plain = Comparison.from_outputs(Bill, texts, {"A": said})
    shown = replace(
        plain,
        variants=(
            Variant("A", label="A", examples=[("A bill of ADA, 12 euro.", {"name": "Ada"})]),
        ),
    )
    flagged = shown.to_frame().query("copied == True")
    assert flagged[["text_id", "field", "value"]].values.tolist() == [["text-01", "name", "Ada"]]
    assert not (plain.to_frame().copied == True).any()  # noqa: E712
    board = shown.grounding().iloc[0]
    assert (board["values"], board.absent, board.copied) == (4, 2, 1)
    assert board.absent_rate == 0.5


def test_every_figure_of_a_text_is_counted_by_hand(result: Comparison) -> None:
    rows = result.by_text().set_index(["variant", "text_id"])
    first, third = rows.loc[("A", "text-01")], rows.loc[("A", "text-03")]
    # Ada is right, the total is wrong; the third text has a name too many.
    assert (first.labelled, first.right, first.accuracy) == (2, 1, 0.5)
    assert (first.precision, first.recall, first.f1) == (0.5, 0.5, 0.5)
    assert (third.invented, third.precision, third.recall) == (1, 0.5, 1)
    assert list(rows.loc["B"].accuracy) == [1, 1, 1]
    board = result.scoreboard().set_index("variant")
    assert board.accuracy["A"] == pytest.approx(rows.loc["A"].accuracy.mean())


def test_the_figures_of_a_variant_are_those_of_all_its_fields(result: Comparison) -> None:
    row = result.scoreboard().set_index("variant").loc["A"]
    # Of four values given and four wanted, two are right.
    assert (row.precision, row.recall, row.f1) == (0.5, 0.5, 0.5)
    assert result.scoreboard().set_index("variant").f1["B"] == 1


def test_a_text_without_a_label_has_no_row_by_text() -> None:
    bare = Comparison.from_outputs(Bill, ["a", "b"], {"A": SAID[:2]}, [TRUTH[0], {}])
    assert list(bare.by_text().text_id) == ["text-01"]


def test_agreement_of_one_variant_with_all_others_is_that_of_its_pairs() -> None:
    other = [{"name": "ADA", "total": 2}, {"name": "Bob"}, {"name": "Eve", "tags": ["x"]}]
    bare = Comparison.from_outputs(Bill, ["a", "b", "c"], {"A": SAID, "B": other, "C": SAID})
    table, agreement = bare.agreement(), measure_agreement(bare)
    found = agreement.between(1, 0).share()
    assert found is not None
    assert found[0] == table.loc["A", "B"]
    whole, pairs = agreement.with_others(1), [agreement.between(1, at) for at in (0, 2)]
    assert whole.of.total() == sum(each.of.total() for each in pairs)
    assert whole.share("name") == (pytest.approx(2 / 3), 6)
    assert measure_agreement(bare, [0]).between(0, 1).share() == (1, 2)
