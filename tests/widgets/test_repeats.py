"""Texts asked several times, in the comparison panel: one row a text, the others behind it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llmwidgets import Comparison
from llmwidgets.comparison.core import CellKey, ResultIndex
from llmwidgets.widgets.comparison.grid_model import Filter, GridIndex
from llmwidgets.widgets.comparison.grid_rows import Metrics, block_of

SCHEMA = {
    "type": "object",
    "title": "Claim",
    "properties": {
        "day": {"type": ["string", "null"], "format": "date"},
        "amount": {"type": ["number", "null"]},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"total": {"type": "number"}}},
        },
    },
}
TEXTS = [
    {"id": "one", "text": "On 3 August 2026, 4180"},
    {"id": "two", "text": "Some day, 90 and 10"},
]
RIGHT = {"day": "2026-08-03", "amount": 4180, "lines": []}
LATE = {**RIGHT, "day": "2026-03-08"}
LIST = {"day": None, "amount": 100, "lines": [{"total": 90}, {"total": 10}]}
TURNED = {**LIST, "lines": [{"total": 10}, {"total": 91}]}
RUNS = {
    "A": [[RIGHT, LIST], [RIGHT, LIST], [LATE, TURNED]],
    "B": [[LATE, LIST], [LATE, None], ["no JSON", LIST]],
}
TRUTH = {"one": RIGHT}
STATES = ("agree", "differ", "missing", "invented", "null in words", "failed")


def made(runs: Any = RUNS, truth: Any = TRUTH) -> Comparison:
    return Comparison.from_outputs(SCHEMA, TEXTS, runs, truth=truth, repeats=3)


@pytest.fixture
def page(wire) -> Any:
    joined = wire(made().explore())
    joined.send("grid.lay", only="all")
    return joined


def last(page: Any, kind: str) -> dict[str, Any]:
    return next(each for each in reversed(page.messages) if each["type"] == kind)


def rows_of(block: Any) -> dict[str, Any]:
    return {each["p"]: each for each in block["rows"]}


def test_a_text_is_one_row_for_each_field_with_its_most_frequent_value(page) -> None:
    blocks = last(page, "grid")["blocks"]
    assert [each["id"] for each in blocks] == ["one", "two"]
    one, two = map(rows_of, blocks)
    assert one["day"]["c"] == [
        ["agree", "2026-08-03", 0, {"of": "2 of 3", "failed": "", "others": ["differ"]}],
        ["differ", "2026-03-08", 1, {"of": "2 of 3", "failed": "1 failed", "others": []}],
    ]
    assert one["amount"]["c"][0][3] == {"of": "3 of 3", "failed": "", "others": []}
    # The list of the third repeat has another order, and one other value.
    assert [two[f"lines[{at}].total"]["c"][0][3]["of"] for at in (0, 1)] == ["2 of 3", "3 of 3"]
    assert two["amount"]["c"][1][3] == {"of": "2 of 2", "failed": "", "others": []} | {
        "of": "2 of 3", "failed": "1 failed"
    }  # fmt: skip
    state = page.state["result"]
    assert (state["texts"], state["repeats"], state["read"]) == (2, 3, 2)
    assert blocks[0]["said"] == "1 of 3 fields disagrees, 1 unstable"


def test_a_row_counts_once_however_often_its_text_was_asked() -> None:
    index = GridIndex(made())
    index.grow()
    counts = index.counts()
    # One text with three fields, and one with two and three rows of a list.
    assert counts["rows"] == 8
    assert counts["disagree"] == 1
    assert counts["unstable"] == 3
    # A cell counts by its most frequent value, and as failed where a repeat failed.
    assert counts["differ"] == 1
    assert counts["failed"] == 8
    assert (counts["agree"], counts["missing"]) == (15, 0)


def test_the_filter_unstable_shows_what_repeats_differ_in() -> None:
    index = GridIndex(made())
    index.grow()
    unstable = index.layout(Filter(states=("unstable",), sort="given"))
    assert [(each.unit, each.loud) for each in unstable] == [
        (0, ("day",)), (1, ("lines[0].total", "lines[2].total"))
    ]  # fmt: skip
    assert [each.loud for each in index.layout(Filter())] == [("day",)]
    failed = index.layout(Filter(states=("failed",), sort="given"))
    assert [len(each.loud) for each in failed] == [3, 5]
    # A value that one repeat alone has is found.
    assert [each.loud for each in index.layout(Filter(query="91"))] == [("lines[2].total",)]
    same = GridIndex(made({"A": [[RIGHT, LIST]] * 3}))
    same.grow()
    assert same.counts()["unstable"] == 0
    assert same.layout(Filter(states=("unstable",))) == []


def test_a_folded_field_that_is_unstable_is_not_said_to_agree(wire) -> None:
    """The amount differs from the truth; the day is right most often, and folded away."""
    calm = {"A": [[RIGHT, LIST]] * 3}
    unstable = {"A": [[RIGHT, LIST], [RIGHT, LIST], [LATE, LIST]]}
    truth = {"one": {**RIGHT, "amount": 1}}
    folds = []
    for runs in (calm, unstable):
        (block,) = wire(made(runs, truth).explore()).ask("grid", only="disagree")["blocks"]
        assert [each["p"] for each in block["rows"] if not each["q"]] == ["amount"]
        folds.append(block["fold"])
    assert folds == ["2 fields agree in the one model", "2 more fields"]


def test_where_all_agree_most_often_the_empty_grid_leads_to_the_unstable(wire) -> None:
    page = wire(made({"A": [[RIGHT, LIST], [RIGHT, LIST], [LATE, LIST]]}).explore())
    empty = page.ask("grid", only="disagree")["empty"]
    assert (empty["good"], empty["hint"]) == (False, "In 1 row the repeats of a model differ.")
    (block,) = page.ask("grid", **empty["ways"][0]["filter"])["blocks"]
    assert [each["p"] for each in block["rows"] if not each["q"]] == ["day"]


def test_a_cell_opens_with_every_value_and_the_reply_of_each_repeat(page) -> None:
    detail = page.ask("detail", index=0, path="day", column=0)
    assert detail["repeat"] == 0
    assert detail["groups"] == [
        {"times": "2 ×", "text": "2026-08-03", "state": "agree", "repeats": [0, 1]},
        {"times": "1 ×", "text": "2026-03-08", "state": "differ", "repeats": [2]},
    ]
    assert "2026-08-03" in detail["reply"]
    other = page.ask("detail", index=0, path="day", column=0, repeat=2)
    assert "2026-03-08" in other["reply"]
    assert (other["repeat"], other["groups"]) == (2, detail["groups"])
    failed = page.ask("detail", index=0, path="day", column=1, repeat=2)
    assert failed["groups"][1] == {
        "times": "1 ×", "text": "invalid JSON", "state": "failed", "repeats": [2]
    }  # fmt: skip
    assert failed["failure"]["sentence"].startswith("Invalid JSON")
    whole = page.ask("detail", index=0, path="day", column=-1)
    assert [fact[2]["said"] for fact in whole["facts"][1:]] == [
        "2 of 3, found, written another way", "2 of 3, not in the text"
    ]  # fmt: skip


def test_a_text_and_a_request_are_read_by_repeat(page) -> None:
    values = {
        repeat: page.ask("text", index=0, repeat=repeat)["fields"][0]["groups"]
        for repeat in range(3)
    }
    assert [[each["letters"] for each in groups] for groups in values.values()] == [
        ["TA", "B"], ["TA", "B"], ["T", "A"]
    ]  # fmt: skip
    assert page.ask("text", index=0)["repeat"] == 0
    replies = [
        page.ask("request", index=1, column=0, repeat=repeat)["reply"] for repeat in range(3)
    ]
    assert ["91" in each for each in replies] == [False, False, True]
    for odd in (3, -1, "2", None, 0.5):
        assert page.ask("request", index=1, column=0, repeat=odd)["repeat"] == 0


def test_a_label_is_the_most_frequent_value_or_that_of_the_repeat_looked_at(page) -> None:
    page.send("labels.set", index=0, path="day", column=1)
    assert page.widget.comparison.texts[0].truth["day"] == "2026-03-08"
    row = rows_of(last(page, "changed")["blocks"][0][1])["day"]
    assert [(cell[0], cell[3]["others"]) for cell in row["c"]] == [
        ("differ", ["agree"]), ("agree", [])
    ]  # fmt: skip
    page.send("labels.set", index=0, path="day", column=1, repeat=2)
    assert page.widget.comparison.texts[0].truth["day"] == "2026-03-08"
    page.send("labels.set", index=0, path="day", column=0)
    assert page.widget.comparison.texts[0].truth["day"] == "2026-08-03"
    # A list without truth is taken whole, from the repeat looked at.
    page.send("labels.set", index=1, path="lines[0].total", column=0, repeat=2)
    assert page.widget.comparison.texts[1].truth == {"lines": TURNED["lines"]}


def test_scores_stay_over_all_repeats(page) -> None:
    (right, *_), result = page.ask("scores")["groups"][0]["rows"], made()
    page.ask("scores")
    index = GridIndex(made())
    summed = index.reading()
    assert summed.stats[0].scores == {"one": [1.0, 1.0, pytest.approx(2 / 3)]}
    assert right["right"] == f"{100 * result.scoreboard().accuracy[0]:.1f}"
    stability = page.ask("scores")["stability"]
    first = stability["rows"][0]
    assert first["path"] == "lines[].total"
    assert first["cells"][0]["stability"] == [pytest.approx(100 * 5 / 9), 1]
    (day,) = (each for each in stability["rows"] if each["path"] == "day")
    # One of three pairs of the first text says the same, all three of the second.
    assert [each["stability"] for each in day["cells"]] == [
        [pytest.approx(100 * 4 / 6), 2], [100.0, 2]
    ]  # fmt: skip


def test_one_repeat_shows_nothing_of_repeats(wire) -> None:
    single = {name: runs[0] for name, runs in RUNS.items()}
    page = wire(Comparison.from_outputs(SCHEMA, TEXTS, single, truth=TRUTH).explore())
    (block, *_) = page.ask("grid", only="all")["blocks"]
    assert all(len(cell) == 3 for row in block["rows"] for cell in row["c"])
    assert page.ask("detail", index=0, path="day", column=0)["groups"] == []
    assert page.ask("scores")["stability"]["rows"] == []


def test_a_variant_without_any_record_is_one_failed_cell() -> None:
    runs = {"A": RUNS["A"], "B": [[None, LIST], ["no JSON", LIST], [None, LIST]]}
    index = GridIndex(made(runs))
    index.grow()
    assert (index.units[0].failed, index.units[0].partly) == ((1,), ())
    shown = index.layout(Filter(only="all"))[0]
    failed = block_of(index, shown, Metrics())["failed"]
    assert failed is not None
    assert failed[1]["name"] == "Stopped, invalid JSON"
    assert failed[1]["said"].startswith("In all 3 repeats; the first: There is no output")


def test_while_a_run_goes_on_repeats_to_come_are_waited_for() -> None:
    """Nothing asked, then two of three, then all: the row says how many there are so far."""
    whole = made({"A": RUNS["A"], "B": [[RIGHT, LIST]] * 3})
    rows = ResultIndex(2, 2, 3)
    index = GridIndex(replace(whole, rows=rows), live=True)
    index.grow()
    assert index.units[0].waiting == (0, 1)
    assert index.counts()["failed"] == 0

    def answer(variant: int, *repeats: int) -> list[Any]:
        for repeat in repeats:
            key = CellKey(variant, 0, repeat)
            rows.put(key, whole.rows.id(key))
        index.again(replace(index.comparison), [0])
        (shown,) = [each for each in index.layout(Filter(only="all")) if each.unit == 0]
        return rows_of(block_of(index, shown, Metrics()))["day"]["c"]

    first, second = answer(0, 0, 2)
    assert first[3] == {"of": "1 of 2 so far", "failed": "", "others": ["differ"]}
    assert second[0] == "waiting"
    assert index.units[0].to_come == (1, 3)
    first, second = answer(1, 0)
    assert second[3]["of"] == "1 of 1 so far"
    assert index.counts()["failed"] == 0
    first, _ = answer(0, 1)
    assert first[3]["of"] == "2 of 3"
    answer(1, 1, 2)
    assert index.units[0].to_come == ()
