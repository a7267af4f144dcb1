"""Repeats: how far a variant says the same again, and saved replicates as they are given."""

from __future__ import annotations

import json
import math
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.comparison.measures.kept_scores import VariantValue
from llmwidgets.comparison.measures.stability import ALL_FIELDS, read_repeated
from llmwidgets.errors import FieldError

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": ["string", "null"]},
        "amount": {"type": ["number", "null"]},
        "day": {"type": ["string", "null"], "format": "date"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"item": {"type": "string"}, "cost": {"type": "number"}},
            },
        },
    },
}
FLOOR, ROOF = {"item": "floor", "cost": 10}, {"item": "roof", "cost": 20}
ADA = {"name": "Ada Köln", "amount": 1250, "day": "2026-08-03", "lines": [FLOOR, ROOF]}


def asked(*repeats: Any, truth: Any = None, **more: Any) -> lw.Comparison:
    """One text, one variant, with these answers."""
    outputs = {"A": [[each] for each in repeats]}
    labels = None if truth is None else [truth]
    return lw.Comparison.from_outputs(SCHEMA, ["x"], outputs, labels, repeats=len(repeats), **more)


def figures(comparison: lw.Comparison, field: str, variant: str = "A") -> tuple[float, float]:
    frame = comparison.stability()
    (row,) = frame[(frame.field == field) & (frame.variant == variant)].itertuples()
    return row.stability, row.all_same


def test_the_share_of_pairs_that_say_the_same_by_hand() -> None:
    other = {**ADA, "name": "Eve", "amount": 1250.0}
    missing = {**ADA, "name": None, "lines": [ROOF, {**FLOOR, "cost": 11}]}
    runs = [
        [ADA, ADA],
        [{**ADA, "name": "ada koln", "amount": "1,250.00"}, ADA],
        [other, ADA],
        [missing, None],
    ]
    frame = lw.Comparison.from_outputs(SCHEMA, ["x", "y"], {"A": runs}, repeats=4).stability()
    assert list(frame.columns) == ["field", "variant", "texts", "repeats", "stability", "all_same"]
    # Six pairs in the first text and three in the second, of which a repeat brought no record.
    expected = {
        "name": (1 + 3) / 9,
        "amount": 1,
        "day": 1,
        "lines[].item": 1,
        "lines[].cost": (3 + 6 + 3 + 3) / 18,
    }
    by_field = frame.set_index("field")
    for name, share in expected.items():
        assert by_field.stability[name] == pytest.approx(share), name
        assert by_field.all_same[name] == (1 if share == 1 else 0.5)
    assert by_field.stability[ALL_FIELDS] == pytest.approx((4 + 9 + 9 + 18 + 15) / 63)
    assert by_field.all_same[ALL_FIELDS] == 0.5
    assert set(frame.texts) == {2}
    assert set(frame.repeats) == {4}
    assert frame.attrs["notes"] == ["A: 1 of 8 repeats brought no record and is in no pair."]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Ada", "ADA", True), ("Ada", "Eve", False), (None, "", True), (None, "N/A", False),
        ("3 August 2026", "2026-08-03", True), ("1.25", "125", False),
        (True, 1, False), (1, 1.0, True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("truth", [None, {"name": "Ada"}, {"name": None}])
def test_what_is_the_same_is_said_by_the_rules_of_scoring(
    one: Any, other: Any, same: bool, truth: Any
) -> None:
    """With truth and without: whether a value is right does not make it stable."""
    comparison = asked({"name": one}, {"name": other}, truth=truth)
    assert figures(comparison, "name") == (same, same)


def test_the_users_rules_say_what_is_the_same() -> None:
    close = ({"amount": 100}, {"amount": 100.5})
    assert figures(asked(*close), "amount")[0] == 0
    assert figures(asked(*close, scoring={"amount": "number:1"}), "amount")[0] == 1
    one_way = {"name": lambda value, truth: str(truth) in str(value)}
    for pair in permutations(({"name": "Kiel"}, {"name": "Kiel, DE"})):
        assert figures(asked(*pair, scoring=one_way), "name")[0] == 0


def test_rows_of_lists_are_paired_whatever_their_order() -> None:
    three = [FLOOR, ROOF, {"item": "door", "cost": 5}]
    for order in permutations(three):
        assert figures(asked({"lines": three}, {"lines": list(order)}), "lines[].cost")[0] == 1
    # The door, in one of three answers: neither of the two others has it.
    comparison = asked({"lines": three}, {"lines": three[:2]}, {"lines": three[1::-1]})
    assert figures(comparison, "lines[].item") == (pytest.approx((3 + 3 + 1) / 9), 0)


VALUES = st.sampled_from(["Ada", "ada", "Eve", "1.25", "125", None, "N/A", ""])
RECORDS = st.fixed_dictionaries(
    {"name": VALUES, "lines": st.lists(st.sampled_from([FLOOR, ROOF]), max_size=3)}
)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.lists(RECORDS, min_size=2, max_size=4))
def test_the_order_of_the_repeats_does_not_matter(data: Any, records: list[Any]) -> None:
    turned = data.draw(st.permutations(records))
    for truth in (None, {"name": "Ada", "lines": [FLOOR]}):
        one, other = (asked(*each, truth=truth).stability() for each in (records, turned))
        pd.testing.assert_frame_equal(one, other)
        assert one.stability.dropna().between(0, 1).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(VALUES, min_size=2, max_size=4))
def test_it_is_the_share_of_pairs_by_brute_force(values: list[Any]) -> None:
    """Each pair asked by itself as a comparison of two repeats."""
    pairs = list(combinations(values, 2))
    same = sum(figures(asked({"name": a}, {"name": b}), "name")[0] for a, b in pairs)
    share, all_same = figures(asked(*({"name": each} for each in values)), "name")
    assert share == pytest.approx(same / len(pairs))
    assert all_same == (same == len(pairs))


@settings(max_examples=20, deadline=None)
@given(RECORDS, st.integers(2, 5))
def test_who_always_says_the_same_is_stable(record: dict[str, Any], repeats: int) -> None:
    for truth in (None, {"name": "Ada", "lines": [ROOF]}):
        frame = asked(*[record] * repeats, truth=truth).stability()
        assert set(frame.stability) == set(frame.all_same) == {1.0}


def test_one_repeat_has_no_stability_and_says_so() -> None:
    comparison = lw.Comparison.from_outputs(SCHEMA, ["x"], {"A": [ADA]})
    frame = comparison.stability()
    assert frame.empty
    assert list(frame.columns)[:2] == ["field", "variant"]
    assert frame.attrs["notes"] == ["Each text was asked once: give repeats=3 or more."]
    assert math.isnan(comparison.scoreboard().stability[0])
    assert "Stability" not in repr(comparison)


def test_a_variant_without_two_records_has_no_figure() -> None:
    comparison = asked(ADA, None, None)
    (row,) = comparison.stability().itertuples()
    assert (row.field, row.texts) == (ALL_FIELDS, 0)
    assert math.isnan(row.stability)
    assert math.isnan(row.all_same)


def test_the_stability_is_in_the_scoreboard_the_text_and_the_page(tmp_path: Path) -> None:
    comparison = asked(ADA, ADA, {**ADA, "name": "Eve"}, truth=ADA)
    share = comparison.scoreboard().stability[0]
    assert share == pytest.approx((1 + 6 * 3) / 21)
    said = "Stability, the % of pairs of repeats that say the same: A 90.5."
    assert said in repr(comparison)
    assert said in comparison._repr_html_()
    comparison.to_csv(tmp_path / "stability.csv", "stability")
    assert len(pd.read_csv(tmp_path / "stability.csv")) == 6
    comparison.save(tmp_path / "saved.json")
    again = lw.load(tmp_path / "saved.json")
    pd.testing.assert_frame_equal(again.stability(), comparison.stability())
    assert "repeats=3" in comparison.code()


# -- The value that most repeats have.


def shown(comparison: lw.Comparison, path: str) -> VariantValue:
    (field,) = (each for each in read_repeated(comparison, 0).values if each.path == path)
    (value,) = field.values
    assert value.given
    return value


def test_the_most_frequent_value_is_shown_the_first_of_several() -> None:
    names = ["Eve", "Ada", "ADA", None]
    value = shown(asked(*({"name": each} for each in names), truth={"name": "Ada"}), "name")
    assert (value.value, value.state, value.groups) == ("Ada", "agree", ((1, 2), (0,), (3,)))
    assert [each.state for each in value.given] == ["differ", "agree", "agree", "missing"]
    tied = shown(asked({"name": "Eve"}, {"name": "Ada"}, truth={"name": "Ada"}), "name")
    assert (tied.value, tied.state, tied.first, tied.unstable) == ("Eve", "differ", 0, True)


def test_a_failed_repeat_is_not_a_value() -> None:
    value = shown(asked({"name": "Ada"}, None, "no JSON", {"name": "Ada"}), "name")
    assert value.groups == ((0, 3),)
    assert not value.unstable
    assert [each.failure for each in value.given] == ["", "Stopped", "InvalidJSON", ""]


def test_without_truth_variants_agree_by_what_each_says_most_often() -> None:
    """Two of three variants say Ada most often, though most of all answers are something else."""
    said = {"A": ["Ada", "Ada", "x"], "B": ["Ada", "y", "Ada"], "C": ["z", "z", "z"]}
    outputs = {name: [[{"name": each}] for each in all_] for name, all_ in said.items()}
    comparison = lw.Comparison.from_outputs(SCHEMA, ["x"], outputs, repeats=3)
    (field,) = read_repeated(comparison, 0).values
    assert [each.state for each in field.values] == ["agree", "agree", "differ"]


# -- Saved replicates.

TEXTS = {"a": "x", "b": "y"}
RUNS = [[{"name": f"{text}{run}"} for text in "ab"] for run in range(3)]


def names_of(given: Any, texts: Any = TEXTS, repeats: int = 3) -> list[list[Any]]:
    comparison = lw.Comparison.from_outputs(SCHEMA, texts, {"M": given}, repeats=repeats)
    assert comparison.repeats == repeats
    read = [each.data and each.data["name"] for each in comparison]
    return [read[at : at + repeats] for at in range(0, len(read), repeats)]


def test_a_label_has_a_list_of_runs_each_given_in_any_way(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    rows = [{"id": "b", "name": "b2"}, {"id": "a", "name": "a2"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    table = pd.DataFrame({"id": ["b", "a"], "name": ["b1", "a1"]})
    expected = [["a0", "a1", "a2"], ["b0", "b1", "b2"]]
    assert names_of(RUNS) == expected
    assert names_of(tuple(RUNS)) == names_of(iter(RUNS)) == expected
    for file in (path, str(path)):
        assert names_of([dict(zip("ab", RUNS[0], strict=True)), table, file]) == expected
    assert names_of([[json.dumps(each) for each in run] for run in RUNS]) == expected


def test_each_text_can_have_a_list_of_its_outputs() -> None:
    by_text = [list(each) for each in zip(*RUNS, strict=True)]
    expected = [["a0", "a1", "a2"], ["b0", "b1", "b2"]]
    assert names_of(by_text) == expected
    assert names_of({"b": by_text[1], "a": by_text[0]}) == expected
    assert names_of(pd.Series(by_text, index=["a", "b"])) == expected
    assert names_of({"b": by_text[1]}) == [[None] * 3, expected[1]]
    assert names_of([[*by_text[0][:2], None], None]) == [["a0", "a1", None], [None] * 3]


def test_runs_without_repeats_are_refused_with_the_option_that_reads_them() -> None:
    with pytest.raises(FieldError, match="If these are runs, say repeats=3"):
        lw.Comparison.from_outputs(SCHEMA, ["a", "b"], {"M": [[{}, {}]] * 3})
    with pytest.raises(FieldError) as refused:
        lw.Comparison.from_outputs(SCHEMA, ["a", "b"], {"M": [{}, {"name": "x"}, {"name": "y"}]})
    assert "repeats" not in str(refused.value)


def test_what_can_be_either_is_read_as_runs() -> None:
    square = [[{"name": f"{row}{column}"} for column in "xy"] for row in "ab"]
    by_text = {"a": square[0], "b": square[1]}
    for outputs in (square, pd.Series(square), np.array(square, dtype=object), tuple(square)):
        assert names_of(outputs, repeats=2) == [["ax", "bx"], ["ay", "by"]]
        result = lw.Comparison.from_outputs(SCHEMA, TEXTS, {"M": outputs}, repeats=2)
        assert "The outputs of M were read as 2 runs of all texts" in result.notes[1]
    for outputs in (by_text, pd.Series(by_text), pd.Series(by_text)[["b", "a"]]):
        assert names_of(outputs, repeats=2) == [["ax", "ay"], ["bx", "by"]]
        result = lw.Comparison.from_outputs(SCHEMA, TEXTS, {"M": outputs}, repeats=2)
        assert len(result.notes) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (RUNS[:2], "outputs of M: has 2 runs, and repeats=3."),
        ([*RUNS, RUNS[0]], "outputs of M: has 4 runs, and repeats=3."),
        ([], "outputs of M: has 0 runs, and repeats=3."),
        (RUNS[0], "outputs of M: has 2 entries, which are not 3 runs."),
        ([RUNS[0], None, RUNS[1]], "outputs of M: has 3 entries, which are not 3 runs."),
        ([[*RUNS[0], {}], *RUNS[1:]], "outputs of M, run 1: has 3 outputs for 2 texts."),
        ([RUNS[0], {"c": {}, "a": {}}, RUNS[1]], "outputs of M, run 2: no text has the id c."),
        (pd.DataFrame(RUNS[0]), "outputs of M: is a DataFrame, and repeats=3."),
        ({"a": {"name": "a0"}}, "is a dict, and does not have a list of 3 outputs for each text."),
        ({"a": [{}, {}]}, "is a dict, and does not have a list of 3 outputs for each text."),
        ("a0", "outputs of M: is a str, and repeats=3."), (None, "is a NoneType, and repeats=3."),
        (["a.csv", "b.csv", "c.csv"], "outputs of M, run 1: is a str, and there is no file a.csv."),
        (pd.Series([{}, {}], index=["a", "b"]), "is a Series, and does not have a list of 3"),
    ],
)  # fmt: skip
def test_what_is_not_that_many_runs_is_refused_by_name(given: Any, said: str) -> None:
    with pytest.raises(FieldError) as caught:
        lw.Comparison.from_outputs(SCHEMA, TEXTS, {"M": given}, repeats=3)
    assert said in str(caught.value)


@pytest.mark.parametrize("repeats", [0, -1, 1.5, "3", None, True])
def test_repeats_are_a_whole_number(repeats: Any) -> None:
    with pytest.raises(FieldError, match="repeats: must be a whole number, 1 or more"):
        lw.Comparison.from_outputs(SCHEMA, TEXTS, {"M": RUNS}, repeats=repeats)


def test_a_number_of_repeats_can_come_out_of_a_table(tmp_path: Path) -> None:
    number = pd.Series([3]).iloc[0]
    result = lw.Comparison.from_outputs(SCHEMA, TEXTS, {"M": RUNS}, repeats=number)
    assert lw.load(result.save(tmp_path / "saved.json")).stability().equals(result.stability())


def test_missing_applies_to_each_output() -> None:
    outputs = {"M": [[ADA], [None], [ADA]]}
    scored = {
        missing: lw.Comparison.from_outputs(
            SCHEMA, ["x"], outputs, [ADA], missing=missing, repeats=3
        ).scoreboard().accuracy[0]
        for missing in ("unanswered", "wrong")
    }  # fmt: skip
    assert scored == {"unanswered": 1, "wrong": pytest.approx(2 / 3)}
