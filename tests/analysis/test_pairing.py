"""Lists of any size: paired exactly where that is possible, within bounds, and said where not.

The bounds are of CPU time and memory, and generous: what they replace took minutes and gigabytes.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from itertools import permutations
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.analysis.alignment import (
    MOST_WORK,
    PER_LISTS,
    Alignment,
    align,
    fits,
    shared_room,
    work,
)
from llmwidgets.analysis.comparators import comparator_for, read_rule
from llmwidgets.analysis.pairing import assign
from llmwidgets.analysis.scoring import TextScore, score

MOST_SECONDS, MOST_OF_A_LOOP = 6.0, 1.2


def rows(count: int, tag: str = "", fields: int = 6) -> list[dict]:
    """Items as of an invoice, each told from the others by some of its fields."""
    return [
        {
            "name": f"{tag}item {at}", "quantity": at % 7, "total": f"{tag}{at}.50",
            "day": f"2024-03-{at % 28 + 1:02}", "note": f"{tag}note {at % 50}", "kind": "goods",
            **{f"more {n}": f"{tag}{at * n}" for n in range(fields - 6)},
        }
        for at in range(count)
    ]  # fmt: skip


def shuffled(items: list, seed: int = 1) -> list:
    """The same items in another order."""
    return random.Random(seed).sample(items, len(items))


def timed(value: object, truth: object, most: float = MOST_SECONDS, **scoring: str) -> TextScore:
    """The score, made within the bound."""
    started = time.process_time()
    found = score(None, {"l": value}, {"l": truth}, scoring=scoring or None)
    assert time.process_time() - started < most
    return found


@pytest.mark.parametrize(("count", "fields"), [(1_000, 6), (1_500, 10)])
def test_a_model_that_loops_is_scored_in_seconds(count, fields):
    found = timed(rows(count, "other ", fields), rows(10, "", fields), MOST_OF_A_LOOP)
    assert (found.labelled, found.invented) == (fields * (count + 10), fields * count)
    assert (found.right, found.missed) == (0, fields * 10)
    assert not found.notes
    looped = timed(rows(10, "", fields) * (count // 10), rows(10, "", fields), MOST_OF_A_LOOP)
    assert looped.right == 10 * fields
    missed = timed(rows(10, "", fields), rows(count, "other ", fields), 2 * MOST_OF_A_LOOP)
    assert (missed.missed, missed.invented) == (fields * count, fields * 10)


def test_a_model_that_loops_takes_little_memory():
    """In a process of its own, so that nothing else counts."""
    code = (
        "import resource, tests.analysis.test_pairing as t\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "t.timed(t.rows(4_000, 'z'), t.rows(10))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    scale = 1 if sys.platform == "darwin" else 1024
    assert int(said.stdout) * scale < 200 * 2**20


def test_a_short_list_against_one_of_hundreds():
    started = time.process_time()
    found = score(None, {"l": rows(400, "other ")}, {"l": rows(20, "mine ")})
    assert time.process_time() - started < 1
    assert (found.labelled, found.rows_missed, found.rows_invented) == (2_520, 20, 400)


def test_lists_of_lists():
    truth = [[f"a{i}.{j}" for j in range(10)] for i in range(10)]
    value = [[f"b{i}.{j}" for j in range(50)] for i in range(50)]
    value[40][20:30] = shuffled(truth[3])
    found = timed(value, truth, MOST_SECONDS / 2)
    assert (found.right, found.labelled, found.notes) == (10, 2_590, ())


def test_many_rows_in_another_order_are_all_right():
    truth = rows(2_000)
    found = timed(shuffled(truth), truth)
    assert found.perfect
    assert not found.notes


@pytest.mark.parametrize("seed", range(3))
def test_many_rows_written_in_another_way_are_all_right(seed):
    """Case, number and date writing, and keys that truth does not label, hide no right row."""
    truth = rows(2_000)
    value = [
        {**each, "name": each["name"].upper(), "total": float(each["total"]), "extra": at % 3}
        for at, each in enumerate(truth)
    ]
    found = timed(shuffled(value, seed), truth)
    assert found.perfect
    assert not found.notes


def test_rows_labelled_in_part_find_their_row():
    truth = [
        {"name": each["name"], "total": each["total"]} if at % 2 else each
        for at, each in enumerate(rows(2_000))
    ]
    assert timed(shuffled(rows(2_000)), truth).perfect


def test_a_right_row_is_kept_where_the_bound_is_met():
    """Every second row is another one but for a common value; the others stay right."""
    truth = rows(2_000)
    value = [
        each if at % 2 else {"name": f"other {at}", "kind": "goods"}
        for at, each in enumerate(truth)
    ]
    found = timed(shuffled(value), truth)
    assert (found.right, found.rows_missed, found.rows_invented) == (1_000 * 6, 1_000, 1_000)
    (note,) = found.notes
    assert "l: too many rows to pair (1,000 of truth with 1,000)" in note


def test_rows_that_share_what_tells_them_apart_are_paired_by_it():
    truth = rows(2_000)
    value = [{**each, "note": "another", "quantity": -1} for each in truth]
    found = timed(shuffled(value), truth)
    assert found.right == 2_000 * 4
    assert found.notes


def test_rows_that_share_one_value():
    truth = [{"kind": "A" if at % 2 else "B", "name": f"t{at}"} for at in range(2_000)]
    value = [{"kind": "A" if at % 2 else "B", "name": f"v{at}"} for at in range(2_000)]
    found = timed(shuffled(value), truth)
    assert found.right < 500
    assert found.rows_right == 0
    assert found.notes


@pytest.mark.parametrize(
    ("truth", "value", "right"),
    [
        (list(range(20_000)), list(range(20_000))[::-1], 20_000),
        (list(range(10_000)), [f"x{at}" for at in range(10_000)], 0),
        ([1] * 20_000, [1] * 20_000, 20_000),
        ([1] * 10_000, [2] * 10_000, 0),
        ([{}] * 2_000, [{}] * 3_000, 0),
        ([{"a": None}] * 500, [{"a": {f"k{at}": 1 for at in range(100)}}] * 500, 0),
        ([{f"a{i}.{k}": 1 for k in range(50)} for i in range(300)],
         [{f"b{i}.{k}": 1 for k in range(50)} for i in range(300)], 0),
        ([[i * 100 + k for k in range(100)] for i in range(120)],
         [[-i * 100 - k - 1 for k in range(100)] for i in range(120)], 0),
    ],
    ids=["order", "other", "equal", "one", "empty", "invented", "keys", "nested"],
)  # fmt: skip
def test_lists_of_any_shape_stay_within_the_bound(truth, value, right):
    assert timed(value, truth).right == right


def test_a_wide_record_stays_within_the_bound():
    wide = {f"k{at}": at for at in range(50_000)}
    started = time.process_time()
    assert score(None, dict(reversed(wide.items())), wide).perfect
    assert time.process_time() - started < MOST_SECONDS


def test_a_deep_record_stays_within_the_bound():
    """Neither the pairs at each depth nor looking whether they are one doubles the work."""
    one: object = ["a", "b"]
    other: object = ["b", "c"]
    for at in range(60):
        one, other = [one, f"row {at}", 1], [other, f"row {at}", 2]
    assert timed(other, one).right >= 60


def words(count: int, seed: int) -> list[str]:
    """Made-up words."""
    generator = random.Random(seed)
    return ["".join(generator.choices("abcdefghijklmnopqrst", k=6)) for _ in range(count)]


def test_similarity_of_long_texts():
    """A megabyte each: alike is found in spite of changes, moved parts, and what was put in."""
    said = words(140_000, 1)
    text = " ".join(said)
    changed = " ".join(f"x{each}" if at % 50 == 0 else each for at, each in enumerate(said))
    longer = " ".join(said[:1_000] + words(4_000, 2) + said[1_000:])
    for value in (text.upper(), changed, longer):
        assert timed(value, text, l="similar:0.9").right == 1
    assert timed(" ".join(said[:70_000]), text, l="similar:0.9").notes == ()
    other = timed(" ".join(words(140_000, 3)), text, l="similar:0.9")
    assert other.right == 0
    assert other.notes == () or "too much text" in other.notes[0]


def test_similarity_in_lists_of_texts():
    truth = [" ".join(words(150, at)) for at in range(150)]
    value = [each.replace("a", "o") for each in truth]
    assert timed(shuffled(value), truth, **{"l[]": "similar:0.8"}).right == 150


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(st.integers(-(10**30), 10**30), min_size=width, max_size=width),
            min_size=1, max_size=4,
        )
    )
)  # fmt: skip
@settings(max_examples=80)
def test_the_assignment_of_a_rectangle_is_the_cheapest_of_all(cost):
    paired = assign(cost)
    few = min(len(cost), len(cost[0]))
    assert len(paired) == len(set(paired.values())) == few
    if len(cost) <= len(cost[0]):
        ways = permutations(range(len(cost[0])), few)
        best = min(sum(cost[i][j] for i, j in enumerate(way)) for way in ways)
    else:
        ways = permutations(range(len(cost)), few)
        best = min(sum(cost[i][j] for j, i in enumerate(way)) for way in ways)
    assert sum(cost[i][j] for i, j in paired.items()) == best


def test_what_is_counted_for_a_pair_is_what_its_rows_say():
    truth = {"a": [{"x": 1, "y": None}, {"x": 2}], "b": None, "c": [], "d": " ", "e": {"f": "q"},
             "id": "record 12"}  # fmt: skip
    value = {"a": [{"x": 2, "z": 3}, {"x": 9}, "more"], "b": [1], "c": None, "e": "q",
             "id": "record 12"}  # fmt: skip
    both = score(None, [value, value], [truth, truth])
    one = score(None, value, truth)
    assert both.right == 2 * one.right
    assert both.labelled == 2 * one.labelled


def test_room_is_shared_out_so_that_small_lists_stay_exact():
    many, few = list(range(3_000)), [1, 2, 3]
    rooms = shared_room({"many": many, "few": few}, {"many": many, "few": few}, 1_000)
    assert rooms == {"few": 9 + PER_LISTS, "many": 991 - PER_LISTS}


def test_many_short_lists_are_work_however_few_their_leaves():
    """So 10 rows with lists of their own stay within seconds against 4,000 as well."""
    flat = [{"a": 1, "b": 2}]
    nested = [{"a": 1, "b": [2]}]
    assert work(nested * 10, nested * 4_000) > 5 * work(flat * 10, flat * 4_000)
    assert not fits(
        dict(enumerate([{name: [1, 2] for name in "abcd"}] * 10)),
        dict(enumerate([{name: [3, 4] for name in "abcd"}] * 4_000)),
        MOST_WORK,
    )


def test_a_note_reaches_whoever_aligns():
    notes: list[str] = []
    align(None, {"l": [f"x{at}" for at in range(500)]}, {"l": list(range(500))},
          lambda *_: False, notes)  # fmt: skip
    assert len(notes) == 1


def test_rows_in_their_order_are_not_held_against_every_other():
    """Truth out of a table has 18 where a reply says 18.0, so such rows are not the same bytes."""
    compared = []

    def same(pattern: str, truth: object, value: object) -> bool:
        compared.append(pattern)
        return comparator_for(None, {}).same(pattern, truth, value)

    truth = [{"name": f"item {at}", "amount": at} for at in range(15)]
    paired = align(None, [{**each, "amount": float(each["amount"])} for each in truth], truth, same)
    assert [row.value for row in paired[1::2]] == list(range(15))
    assert len(compared) == len(truth)


WRITTEN = st.sampled_from([1, 1.0, True, 18, 18.0, "18", "x", "X ", "", "N/A", None, 2.5])
ITEM = WRITTEN | st.dictionaries(st.sampled_from("abc"), WRITTEN | st.lists(WRITTEN, max_size=2))
RULES = st.sampled_from([{}, {"l[]": "key:a"}, {"l[]": "match:0.7"}, {"l[].a": "exact"}])


@settings(max_examples=100)
@given(st.lists(ITEM, max_size=4), st.lists(st.tuples(ITEM, st.booleans()), max_size=4), RULES)
def test_rows_right_in_their_order_count_as_if_all_pairs_were_tried(truth, others, scoring):
    value = [other if new else own for own, (other, new) in zip(truth, others, strict=False)]
    value = [dict(reversed(each.items())) if isinstance(each, dict) else each for each in value]
    found = score(None, {"l": value}, {"l": truth}, scoring=scoring)
    with patch.object(Alignment, "_are_right_in_order", lambda *_: False):
        tried = score(None, {"l": value}, {"l": truth}, scoring=scoring)
    states = [
        [(cell.path, cell.truth, cell.state) for cell in each.cells] for each in (found, tried)
    ]
    assert states[0] == states[1]
    assert (found.labelled, found.right, found.lists) == (tried.labelled, tried.right, tried.lists)


@given(st.integers(-(10**20), 10**20), st.sampled_from(["number", "number:0.5", "number:1%"]))
def test_a_whole_number_is_the_same_as_a_float(whole, rule):
    """Also where a float is not written with all its digits, which makes it another number."""
    comparing = comparator_for(None, {"n": read_rule("n", rule, None)})
    as_text = comparing.same("n", str(whole), repr(float(whole)))
    if float(whole) == whole:
        assert comparing.same("n", whole, float(whole)) == as_text
