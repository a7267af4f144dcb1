"""The scoreboard and the verdict: one figure of each kind, from one place."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from llmwidgets import Comparison
from llmwidgets.comparison import summary


class Letter(BaseModel):
    """A made-up letter with one field."""

    total: int | None = None


COUNT = 24
SHARED = (
    "accuracy", "scored", "lost", "loss_low", "loss_high", "answered_accuracy", "unanswered",
    "accuracy_if_wrong",
)  # fmt: skip
ANSWERS = st.lists(st.sampled_from(["right", "wrong", "lost", "no answer"]), min_size=COUNT,
                   max_size=COUNT)  # fmt: skip
OUTPUT = {"right": {"total": 1}, "wrong": {"total": 2}, "lost": "no JSON", "no answer": None}


def made(answers: list[list[str]], labelled: int, group: list[int] | None = None) -> Comparison:
    outputs = {f"v{at}": [OUTPUT[each] for each in row] for at, row in enumerate(answers)}
    truth = [{"total": 1}] * labelled + [None] * (COUNT - labelled)
    return Comparison.from_outputs(Letter, ["x"] * COUNT, outputs, truth=truth, group=group)


def label_all(comparison: Comparison, labelled: int) -> Comparison:
    for text in comparison.texts[labelled:]:
        comparison = comparison.correct(text.id, "total", 1)
    return comparison


def assert_one_figure(comparison: Comparison, board: pd.DataFrame) -> None:
    """Every figure that the verdict names of a variant is that of its row."""
    drawn = {row.variant: row for row in summary.summarize(comparison).rows}
    rows = board.set_index("variant")
    for each in comparison.verdict().standings:
        row = rows.loc[each.label]
        assert [row[name] for name in SHARED] == [getattr(each, name) for name in SHARED]
        bounds = (drawn[each.label].accuracy_low, drawn[each.label].accuracy_high)
        if pd.isna(row.accuracy_low):
            assert (each.low, each.high) == (0, 1)
            assert bounds == (None, None)
        else:
            assert (row.accuracy_low, row.accuracy_high) == (each.low, each.high) == bounds


@given(
    st.lists(ANSWERS, min_size=1, max_size=3),
    st.integers(2, COUNT),
    st.sampled_from([None, 2, 4]),
    st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_the_scoreboard_the_page_and_the_verdict_say_one_figure(
    answers: list[list[str]], labelled: int, size: int | None, board_first: bool
) -> None:
    """With groups, losses, no answers and several looks, whatever is read first."""
    group = None if size is None else [at // size for at in range(COUNT)]
    first = made(answers, labelled, group)
    first.verdict()
    comparison = label_all(first, labelled)
    if not board_first:
        comparison.verdict()
    assert_one_figure(comparison, comparison.scoreboard())


def test_groups_and_looks_widen_the_intervals_of_the_scoreboard_too() -> None:
    rows = [(["right"] * 3 + ["wrong"] + ["lost"] * 4) * 3]
    alone, together = made(rows, COUNT), made(rows, COUNT, [at // 4 for at in range(COUNT)])
    first = made(rows, 12)
    first.verdict()
    again = label_all(first, 12)
    widths = [
        float(board.accuracy_high - board.accuracy_low)
        for board in (each.scoreboard().iloc[0] for each in (alone, together, again))
    ]
    assert widths[0] < widths[1]
    assert widths[0] < widths[2]
    assert again.scoreboard().iloc[0].loss_high > alone.scoreboard().iloc[0].loss_high


def test_without_anything_scored_there_are_no_figures() -> None:
    board = made([["no answer"] * COUNT, ["right"] * COUNT], COUNT).scoreboard().iloc[0]
    unknown = ["accuracy", "accuracy_low", "loss_low", "loss_high", "answered_accuracy", "perfect"]
    assert board[unknown].isna().all()
    assert (board.lost, board.unanswered, board.accuracy_if_wrong) == (0, COUNT, 0)
    bare = made([["right"] * COUNT], 0).scoreboard().iloc[0]
    assert bare[["accuracy", "accuracy_if_wrong"]].isna().all()


@pytest.mark.parametrize("scored", [1, 2])
def test_one_text_has_no_interval(scored: int) -> None:
    board = made([["right"] * COUNT], scored).scoreboard().iloc[0]
    assert bool(pd.isna(board.accuracy_low)) == (scored == 1)
