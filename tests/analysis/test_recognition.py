"""Which row of a list answers which row of truth, and which is another one altogether."""

from __future__ import annotations

import json
import random
import time
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmwidgets.analysis.comparators import read_scoring
from llmwidgets.analysis.pairing import Items
from llmwidgets.analysis.scoring import TextScore, score
from llmwidgets.errors import FieldError
from llmwidgets.schemas import read_schema

SCHEMA = read_schema(
    [{"name": "lines[].sku"}, {"name": "lines[].name"}, {"name": "lines[].total", "type": "number"},
     {"name": "lines[].day", "type": "date"}, {"name": "tags", "list": True}, {"name": "number"}]
)  # fmt: skip


def rows_of(found: TextScore) -> tuple[int, int, int, int]:
    return found.rows, found.rows_right, found.rows_missed, found.rows_invented


def against(value: list, truth: list, **scoring: str) -> TextScore:
    return score(None, {"l": value}, {"l": truth}, scoring=scoring or None)


GOODS = [
    {"name": f"{what} M{at}", "quantity": 1, "unit": "pcs", "price": 9.5, "vat": 19}
    for at, what in enumerate(("bolt", "nut", "washer", "valve", "lamp", "filter", "hinge",
                               "pump", "relay", "hose"))
]  # fmt: skip
OTHERS = [
    {**each, "name": name}
    for each, name in zip(GOODS, ("Desk with drawers", "Office chair", "Bookcase, oak", "Carpet",
                                  "Curtain rail", "Floor mat", "Coat stand", "Waste basket",
                                  "Mirror, round", "Wall clock"), strict=True)
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_invented_rows_earn_nothing_though_most_of_their_fields_are_the_same(size):
    found = against(OTHERS[:size], GOODS[:size])
    assert (found.accuracy, *rows_of(found)) == (0, size, 0, size, size)
    assert (found.invented, found.missed) == (5 * size, 5 * size)


@pytest.mark.parametrize("wrong", [{"total": 99.5}, {"total": None}, {"total": "none"}, {}])
@pytest.mark.parametrize(
    "names",
    [{"name": "Steel bolt"}, {"sku": "AB-1234"}, {"description": "Sheet metal, cut to size"},
     {"name": "Steel bolt", "sku": "AB-1234"}, {"number": 10451}, {"day": "2024-03-01"}],
    ids=str,
)  # fmt: skip
def test_a_row_known_by_its_name_keeps_credit_for_it(names, wrong):
    """Also among others, in any order, and in rows of two fields."""
    truth = [{**names, "total": 120.5}, {**dict.fromkeys(names, "Other thing 7"), "total": 7}]
    value = [truth[1], {**names, **wrong}]
    found = against(value, truth)
    assert rows_of(found) == (2, 1, 0, 0)
    assert found.right == 1 + 2 * len(names)


@pytest.mark.parametrize("slip", ["AB-1243", "AB-1235", "AB-123"])
def test_a_slip_in_a_code_is_recognised_where_other_fields_agree(slip):
    truth = [{"sku": "AB-1234", "quantity": 4, "day": "2024-03-05"},
             {"sku": "QX-9900", "quantity": 4, "day": "2024-06-17"}]  # fmt: skip
    found = against([truth[1], {**truth[0], "sku": slip}], truth)
    assert (found.right, found.labelled, found.rows_missed) == (5, 6, 0)


def test_another_code_of_the_list_is_not_a_slip():
    truth = [{"sku": f"AB-123{at}", "price": 9.5} for at in range(4)]
    found = against([{"sku": "AB-1230", "price": 9.5}, {"sku": "AB-1239", "price": 1}], truth)
    assert (found.rows_right, found.rows_missed, found.rows_invented) == (1, 3, 1)


def test_a_text_that_is_nearly_right_is_a_row_of_its_own_kind():
    found = against(["Jon Smith", "Rome"], ["John Smith", "Paris"])
    assert rows_of(found) == (2, 0, 1, 1)
    assert {cell.state for cell in found.cells} == {"differ", "missing", "invented"}


def test_rows_without_a_name_are_recognised_by_most_of_what_they_say():
    truth = [{"value": 13.5 + at, "unit": "g/dl", "low": 12.5 + at / 4, "high": 17.25 + at}
             for at in range(4)]  # fmt: skip
    value = [{**each, "value": 99.75} for each in reversed(truth)]
    assert (against(value, truth).right, against(value, truth).rows_missed) == (12, 0)
    foreign = [{"value": 140.2 + at, "unit": "g/dl", "low": 135.4 - at, "high": 145.8 + at}
               for at in range(4)]  # fmt: skip
    assert against(foreign, truth).right == 0


def test_lists_in_lists_are_recognised_by_their_own_name_first():
    truth = [{"order": f"PO-{at}17", "lines": [{"name": f"thing {at}", "total": at}]}
             for at in range(3)]  # fmt: skip
    value = [{**each, "lines": [{"name": "something else", "total": 77}]} for each in truth]
    found = against(value, truth)
    assert found.lists["l[]"].missed == 0
    assert (found.lists["l[].lines[]"].missed, found.lists["l[].lines[]"].invented) == (3, 3)


def test_a_missed_row_has_nothing_right_not_even_where_truth_is_null():
    truth = [{"name": "Steel bolt", "note": None, "tags": []}]
    for value in ([], None, [{"name": "Wall clock", "note": None}]):
        found = score(None, {"l": value}, {"l": truth})
        assert found.right == 0
        assert (found.missed, found.rows_missed) == (1, 1)
    assert against([{"name": "Steel bolt", "note": None}], truth).perfect


small = st.integers(0, 3) | st.sampled_from(["a", "Steel bolt", "x y", None, "AB-12"])
some_rows = st.lists(
    small | st.dictionaries(st.sampled_from(["name", "total", "kind"]), small, max_size=3),
    max_size=5,
)
LISTED = st.sampled_from([None, {"l[]": "match:0.7"}, {"l[]": "key:name"}])


@given(some_rows, some_rows, st.integers(0, 999), LISTED)
@example([0, 0, {"name": 0}], [{"name": 0}, {"name": 0, "total": 0}], 0, None)
@settings(max_examples=300, deadline=None)
def test_the_order_of_rows_changes_no_sum(value, truth, seed, scoring):
    def sums(one: list, other: list) -> tuple:
        found = score(None, {"l": one}, {"l": other}, scoring=scoring)
        return found.labelled, found.right, found.invented, found.missed, rows_of(found)

    generator = random.Random(seed)
    mixed = [generator.sample(each, len(each)) for each in (value, truth)]
    assert sums(*mixed) == sums(value, truth)


@given(some_rows, some_rows, LISTED)
@settings(max_examples=200, deadline=None)
def test_an_empty_list_is_not_scored_below_one_without_a_row_of_truth(value, truth, scoring):
    found = score(None, {"l": value}, {"l": truth}, scoring=scoring)
    empty = score(None, {"l": []}, {"l": truth}, scoring=scoring)
    if found.rows and found.rows_missed == found.rows:
        assert (found.accuracy or 0) <= (empty.accuracy or 0)
    assert found.rows_right + found.rows_missed <= found.rows
    assert found.right + found.invented + found.missed <= found.labelled


@given(some_rows)
@settings(max_examples=100, deadline=None)
def test_truth_itself_has_every_row_right(truth):
    found = against(truth, truth)
    assert found.right == found.labelled
    assert (found.rows_right, found.rows_missed, found.rows_invented) == (found.rows, 0, 0)


def test_a_key_decides_alone_whatever_else_is_right():
    truth = {"lines": [{"sku": "A1", "name": "Bolt", "total": 1}, {"sku": "B2", "name": "Nut"}]}
    value = {"lines": [{"sku": "B3", "name": "Nut"}, {"sku": "a-1", "name": "Lamp", "total": 7}]}
    found = score(SCHEMA, value, truth, scoring={"lines[]": "key:sku"})
    assert rows_of(found) == (2, 0, 1, 1)
    assert {cell.path: cell.state for cell in found.cells if cell.right} == {
        "lines[0].sku": "agree"
    }


def test_a_key_of_more_fields_and_one_that_truth_leaves_out():
    truth = {"lines": [{"sku": "A1", "day": "2024-03-01", "total": 1},
                       {"sku": "A1", "day": "2024-04-01", "total": 2},
                       {"sku": None, "name": "Delivery by courier", "total": 5}]}  # fmt: skip
    value = {"lines": [{"sku": "A1", "day": "01.04.2024", "total": 3},
                       {"sku": "A1", "day": "2024-05-01", "total": 1},
                       {"name": "Delivery by courier", "total": 6}]}  # fmt: skip
    found = score(SCHEMA, value, truth, scoring={"lines[]": "key:sku,day"})
    assert rows_of(found) == (3, 0, 1, 1)


def test_a_threshold_is_of_the_fields_that_truth_fills():
    truth = {"lines": [{"sku": "A1", "name": "Bolt", "total": 1, "day": None}]}
    value = {"lines": [{"sku": "A1", "name": "Bolt", "total": 9, "day": None}]}
    for share, missed in ((0.6, 0), (0.66, 0), (0.67, 1), (1, 1)):
        found = score(SCHEMA, value, truth, scoring={"lines[]": f"match:{share}"})
        assert found.rows_missed == missed


@pytest.mark.parametrize(
    ("scoring", "said"),
    [
        ({"lines[]": "key:sk"}, "Its rows have no field 'sk' to be a key. Nearest is sku"),
        ({"lines[]": "key:sku,nam"}, "Nearest is name"),
        ({"line[]": "key:sku"}, "Nearest is lines[]"),
        ({"lines[]": "match:7"}, "not a rule of a list"),
        ({"lines[]": "key:"}, "not a rule of a list"),
        ({"lines[]": "exact"}, "not a rule of a list"),
        ({"number": "key:sku"}, "a rule of a list; number is not one"),
        ({"tags[]": "key:name"}, "have no field 'name'"),
    ],
)
def test_a_wrong_rule_of_a_list_is_a_field_error(scoring, said):
    with pytest.raises(FieldError) as caught:
        read_scoring(scoring, SCHEMA)
    assert said in caught.value.message


def test_a_list_of_plain_values_takes_a_threshold():
    found = score(SCHEMA, {"tags": ["Pariss"]}, {"tags": ["Paris"]}, scoring={"tags[]": "match:1"})
    assert rows_of(found) == (1, 0, 1, 1)


def test_many_rows_keep_to_their_key():
    truth = [{"sku": f"S{at}", "kind": "goods", "total": at} for at in range(1_500)]
    value = [{"sku": f"S{at}", "kind": "goods", "total": at + 1} for at in range(1_500)]
    random.Random(4).shuffle(value)
    found = score(None, {"l": value}, {"l": truth}, scoring={"l[]": "key:sku"})
    assert (found.rows_missed, found.right) == (0, 3_000)


def test_foreign_rows_that_share_common_values_take_no_longer():
    """CPU time, and generous: 20 × 400 rows are asked for within 0.3 s."""

    def rows(count: int, names: str) -> list[dict]:
        return [{"name": f"{names} {at}", "kind": "goods", "unit": "pcs", "vat": 19,
                 "quantity": at % 5, "note": None} for at in range(count)]  # fmt: skip

    truth, value = rows(20, "Bolt"), rows(400, "Carpet, woven")
    against(value[:3], truth[:3])
    started = time.process_time()
    found = against(value, truth)
    assert time.process_time() - started < 0.6
    assert rows_of(found) == (20, 0, 20, 400)


def test_claims_of_other_people_are_not_recognised(shared_data):
    """The lists of one claim against those of the next, and each claim against itself."""
    lines = (shared_data / "insurance-claims" / "claims.jsonl").read_text("utf-8").splitlines()
    lists = [
        {name: each for name, each in json.loads(line)["truth"].items() if isinstance(each, list)}
        for line in lines
    ]
    schema = read_schema(json.loads((shared_data / "insurance-claims" / "schema.json").read_text()))
    foreign = [score(schema, one, other) for one, other in pairwise(lists)]
    assert sum(each.right for each in foreign) <= 0.02 * sum(each.labelled for each in foreign)
    assert all(score(schema, each, each).right == score(schema, each, each).labelled
               for each in lists)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "amount"),
    [
        ("hedge trimming, six hours", 228),
        ("one hedge trimming", 228),
        ("Hedge-trimming (6 h)", 228),
        ("hedge trimming, six hours at 38 = 228", 228),
    ],
)
def test_a_row_said_in_more_words_is_recognised(said: str, amount: float):
    """The description says more and the quantity is wrong: the amount keeps its credit."""
    truth = {"lines": [{"description": "hedge trimming", "quantity": 6, "amount": 228},
                       {"description": "apple tree", "quantity": 1, "amount": 64.5}]}  # fmt: skip
    other = {"description": "two apple trees", "quantity": 1, "amount": 64.5}
    value = {"lines": [{"description": said, "quantity": 38, "amount": amount}, other]}
    found = score(None, value, truth)
    assert (found.rows_missed, found.rows_invented) == (0, 0)
    assert found.right == 3


def test_a_short_word_inside_another_is_no_row():
    truth = {"lines": [{"description": "ham", "amount": 3.1}]}
    value = {"lines": [{"description": "hammer drill", "amount": 129.0}]}
    assert score(None, value, truth).rows_missed == 1


def test_what_a_value_weighs_depends_on_no_value_that_was_weighed_before():
    values = ["Haemoglobin", "X", 5, 5.0, 1, True, "1", None, "2024-03-01"]

    def items() -> Items:
        rows = [{"a": each} for each in ["X", "X", 5, *values]]
        none = lambda *_: []  # noqa: E731
        return Items(rows, [], "l[]", None, frozenset(), lambda row: [("l[].a", row["a"])],
                     none, none)  # fmt: skip

    one = items()
    weights = [one._weight_of("l[].a", each) for each in values]
    assert weights == [items()._weight_of("l[].a", each) for each in values]
    assert weights[0] > weights[1]
    assert weights[4] != weights[5]
