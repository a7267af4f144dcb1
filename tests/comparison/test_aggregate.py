"""A comparison is summed up once; a label scores one text again, and the sums are the same."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from llmwidgets.comparison import Comparison
from llmwidgets.comparison.core import CellKey
from llmwidgets.comparison.measures.aggregate import Accumulator, adopt_aggregates, aggregate
from llmwidgets.comparison.measures.text_result import read_text_result


class Bill(BaseModel):
    name: str | None = None
    total: float | None = None
    tags: list[str] = []


RULES = [
    None,
    {"name": "weight:5", "tags[]": "weight:0"},
    {"name": "weight:0", "tags[]": "weight:0"},
    {"total": "number:1% weight:0.1", "tags[]": "weight:3"},
]


def made(seed: int, texts: int = 12) -> Comparison:
    """Three variants on a few texts: right, wrong, silent, broken, some without a label."""
    generator = random.Random(seed)

    def said() -> object:
        record = {
            "name": generator.choice(["Ada", "Bob", None]),
            "total": generator.choice([1, 2.5, None]),
            "tags": generator.sample(["a", "b", "c"], generator.randrange(3)),
        }
        return generator.choice([record, record, record, "no JSON", None])

    outputs = {label: [said() for _ in range(texts)] for label in "ABC"}
    truth = {
        f"t{at:02}": {"name": generator.choice(["Ada", None]), "tags": ["a"]}
        for at in range(texts)
        if generator.random() < 0.8
    }
    given = [{"id": f"t{at:02}", "text": "a text"} for at in range(texts)]
    rules = generator.choice(RULES)
    return Comparison.from_outputs(Bill, given, outputs, truth, scoring=rules)


def same(one: Comparison, other: Comparison) -> None:
    """The sums of both are equal, order of the scores included."""
    a, b = aggregate(one), aggregate(other)
    assert [list(each.scores.items()) for each in a.stats] == [
        list(each.scores.items()) for each in b.stats
    ]
    assert a.stats == b.stats
    assert a.rows == b.rows


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_labels_change_the_sums_as_reading_everything_anew_would(seed: int) -> None:
    generator = random.Random(seed)
    comparison = made(seed)
    before = aggregate(comparison)
    first = (before.differing, [dict(each.scores) for each in before.stats])
    for _ in range(4):
        text = f"t{generator.randrange(12):02}"
        field, value = generator.choice([("name", "Bob"), ("total", 2.5), ("name", None)])
        comparison = comparison.correct(text, field, value)
        same(comparison, replace(comparison))
    same(comparison.as_given(), replace(comparison.as_given()))
    assert first == (before.differing, [dict(each.scores) for each in before.stats])


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_replies_that_come_in_any_order_give_the_same_sums(seed: int) -> None:
    generator = random.Random(seed)
    comparison = made(seed)
    sums, places = Accumulator(comparison), [(at, v) for at in range(12) for v in range(3)]
    generator.shuffle(places)
    there: dict[int, set[int]] = {}
    for text, variant in places:
        there.setdefault(text, set()).add(variant)
        sums.add(read_text_result(comparison, text, 0), [each in there[text] for each in range(3)])
    found = replace(comparison)
    adopt_aggregates(found, sums.aggregates)
    for own, fresh in zip(aggregate(found).stats, aggregate(comparison).stats, strict=True):
        assert list(own.scores.items()) == list(fresh.scores.items())
        assert (own.statuses, own.counts, own.missed) == (
            fresh.statuses,
            fresh.counts,
            fresh.missed,
        )
    assert aggregate(found).rows == aggregate(comparison).rows


def test_what_was_not_asked_yet_is_stopped_in_the_sums() -> None:
    comparison = made(3)
    sums = Accumulator(comparison)
    sums.add(read_text_result(comparison, 0, 0), [True, False, False])
    statuses = [each.statuses["Stopped"] for each in sums.aggregates().stats]
    assert statuses[1:] == [12, 12]
    assert all(sum(each.statuses.values()) == 12 for each in sums.aggregates().stats)


@pytest.mark.parametrize("labels", [0, 45])
def test_shown_rows_never_skip_a_text(labels: int) -> None:
    texts = [{"id": f"t{at:03}", "text": "x"} for at in range(90)]
    outputs = {"A": [{"name": "Bob"}] * 90, "B": [{"name": "Bob"}] * 90}
    comparison = Comparison.from_outputs(
        Bill, texts, outputs, {each["id"]: {"name": "Ada"} for each in texts}
    )
    assert aggregate(comparison).differing == 90
    for at in range(labels):
        comparison = comparison.correct(f"t{at:03}", "name", "Bob")
    assert aggregate(comparison).differing == 90 - labels
    page = comparison._repr_html_()
    shown = [f"t{at:03}" for at in range(90) if f">t{at:03}<" in page]
    assert shown == [f"t{at:03}" for at in range(labels, labels + 20)]


def test_a_label_reads_one_text_again_and_no_other() -> None:
    """Reading everything anew at each label would make a grid of thousands of texts slow."""
    comparison = made(5)
    read: list[CellKey] = []

    def counted(row, place):
        read.append(place)
        return comparison.read(row, place)

    watched = replace(comparison, read=counted)
    assert aggregate(watched).differing >= 0
    read.clear()
    corrected = watched.correct("t03", "total", 2.5)
    assert aggregate(corrected).differing >= 0
    assert {place.text for place in read} == {3}


def test_two_threads_read_everything_once() -> None:
    """A panel asks for the scores on one thread while another shows the same result."""
    comparison = made(7)
    read: Counter[CellKey] = Counter()
    together = threading.Barrier(4)

    def counted(row, place):
        read[place] += 1
        return comparison.read(row, place)

    watched = replace(comparison, read=counted)

    def look() -> None:
        together.wait()
        watched.scoreboard()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert set(read.values()) == {1}
