"""A better reply is never scored below a worse one, and the rows of lists add up."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.analysis.scoring import TextScore, score

NAMES = (
    "Steel bolt", "Wall clock", "Garden hose", "Office chair", "Nut M4", "Nut M5", "Haemoglobin",
    "Anna Smith", "Bob Smith", "AB-1234", "AB-1235",
)  # fmt: skip
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "name": st.sampled_from(NAMES),
    "count": st.integers(1, 3),
    "price": st.sampled_from([1, 9.5, 120.75, 33.25, 4.2]),
    "day": st.integers(1, 6).map("2024-03-{:02}".format),
    "unit": st.sampled_from(["pcs", "kg", None]),
}
ROWS = st.lists(st.fixed_dictionaries(SCALARS), min_size=1, max_size=4)
NESTED = st.lists(
    st.fixed_dictionaries(
        {
            "order": st.sampled_from(["PO-117", "PO-217", "PO-118"]),
            "lines": st.lists(
                st.fixed_dictionaries({"name": SCALARS["name"], "price": SCALARS["price"]}),
                min_size=1,
                max_size=3,
            ),
        }
    ),
    min_size=1,
    max_size=3,
)
RULES = st.sampled_from([None, {"l[]": "key:name"}, {"l[]": "match:0.5"}, {"l[]": "match:0.7"}])


@st.composite
def replies(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    """Rows of truth, and a reply with some wrong, left out, invented or said twice."""
    truth = draw(ROWS)
    kept = [each for each in truth if draw(st.integers(0, 9))]
    value = []
    for row in kept:
        other = draw(st.fixed_dictionaries(SCALARS))
        wrong = draw(st.sets(st.sampled_from(sorted(SCALARS)), max_size=4))
        value.append(
            {**row, **{name: draw(st.sampled_from([other[name], None])) for name in wrong}}
        )
    value += draw(st.lists(st.fixed_dictionaries(SCALARS), max_size=2))
    value += draw(st.lists(st.sampled_from(value), max_size=1)) if value else []
    return truth, draw(st.permutations(value))


def marked(value: list[Any]) -> list[Any]:
    """Each row with its place in a field that truth does not label, which tells it again."""
    return [{**row, "at": f"row {at}"} for at, row in enumerate(value)]


def partners(found: TextScore) -> dict[int, int]:
    """Which row of the reply stands at each place of the cells."""
    marks = {cell.path: cell.value for cell in found.cells if cell.path.endswith("].at")}
    return {int(path[2:-4]): int(mark.removeprefix("row ")) for path, mark in marks.items()}


def against(value: list[Any], truth: list[Any], rule: dict[str, str] | None) -> TextScore:
    return score(None, {"l": marked(value)}, {"l": truth}, scoring=rule)


@given(replies(), RULES)
@settings(max_examples=400, deadline=None)
def test_a_wrong_value_turned_right_costs_nothing(pair, rule):
    truth, value = pair
    before = against(value, truth, rule)
    for at, j in partners(before).items():
        for name in SCALARS if at < len(truth) else ():
            better = [copy.deepcopy(row) for row in value]
            better[j][name] = truth[at][name]
            after = against(better, truth, rule)
            assert after.right >= before.right
            assert (after.accuracy or 0) >= (before.accuracy or 0)


@given(replies(), RULES)
@settings(max_examples=400, deadline=None)
def test_an_invented_row_left_out_costs_nothing(pair, rule):
    truth, value = pair
    before = against(value, truth, rule)
    for at, j in partners(before).items():
        if at >= len(truth):
            after = against(value[:j] + value[j + 1 :], truth, rule)
            assert (after.right, after.rows_missed) == (before.right, before.rows_missed)
            assert after.rows_invented == before.rows_invented - 1
            assert (after.accuracy or 0) >= (before.accuracy or 0)


@given(replies(), RULES)
@settings(max_examples=400, deadline=None)
def test_a_missed_row_given_costs_nothing(pair, rule):
    truth, value = pair
    before = against(value, truth, rule)
    for at in set(range(len(truth))) - set(partners(before)):
        after = against([*value, truth[at]], truth, rule)
        assert after.right > before.right
        assert (after.accuracy or 0) >= (before.accuracy or 0)


@given(NESTED, NESTED)
@settings(max_examples=300, deadline=None)
def test_a_row_of_truth_in_place_of_an_invented_one_costs_nothing(truth, value):
    before = score(None, {"l": value}, {"l": truth})
    for at in range(len(value)):
        for row in truth:
            if before.lists["l[]"].missed == len(truth):
                after = score(None, {"l": [*value[:at], row, *value[at + 1 :]]}, {"l": truth})
                assert (after.accuracy or 0) >= (before.accuracy or 0)


SCHEMA = {
    "type": "object",
    "properties": {
        "l": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": ["string", "null"]},
                    "count": {"type": ["integer", "null"]},
                    "price": {"type": ["number", "null"]},
                    "day": {"type": ["string", "null"], "format": "date"},
                    "unit": {"type": ["string", "null"]},
                },
            },
        }
    },
}


@given(replies(), RULES)
@settings(max_examples=60, deadline=None)
def test_rows_add_up_for_whoever_asks(pair, rule):
    truth, value = pair
    value = [row for row in value if any(each is not None for each in row.values())]
    result = lw.Comparison.from_outputs(
        SCHEMA, ["a text"], {"A": [{"l": value}]}, [{"l": truth}], scoring=rule
    )
    text = result.by_text().iloc[0]
    assert text.rows == len(truth)
    assert text.rows_right + text.rows_missed <= text.rows
    assert len(value) == text.rows - text.rows_missed + text.rows_invented
    frame = result.to_frame()
    invented = frame[frame.field.str.extract(r"\[(\d+)\]")[0].astype(int) >= len(truth)]
    assert invented.field.str.extract(r"\[(\d+)\]")[0].nunique() == text.rows_invented
    assert not invented.right.any()


@pytest.mark.parametrize("rule", [None, {"l[]": "match:0.7"}])
@pytest.mark.parametrize("value", [[], None, ["Other"], ["Other", "Things", "Here"]])
def test_lists_of_scalars_without_a_right_one_earn_nothing(value, rule):
    found = score(None, {"l": value}, {"l": ["Steel bolt", "Wall clock"]}, scoring=rule)
    assert (found.right, found.rows_missed, found.rows_invented) == (0, 2, len(value or []))
