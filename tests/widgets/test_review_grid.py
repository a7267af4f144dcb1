"""The grid in the order of review, without a browser: rows, labels that keep the order, counts."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.comparison.measures.doubt import read_doubts, review_rows
from llmwidgets.widgets.comparison.grid_rows import Metrics
from llmwidgets.widgets.comparison.review import AT_ONCE
from tests.comparison.test_review import SCHEMA, TEXTS, TRUTH, compared, outputs


def lay(page: Any, **content: Any) -> dict[str, Any]:
    """Ask for the rows of an order, of a new one without its number."""
    page.send("review.lay", turn="1", **content)
    return last(page, "grid")


def last(page: Any, kind: str) -> dict[str, Any]:
    return next(each for each in reversed(page.messages) if each["type"] == kind)


def places(page: Any, grid: dict[str, Any]) -> list[tuple[int, str]]:
    """The text and path of every row of a layout, all its chunks."""
    page.send("grid.blocks", layout=grid["layout"], **{"from": 0, "count": grid["texts"]})
    rows = last(page, "blocks")["blocks"]
    return [(block["index"], row["p"]) for block in rows for row in block["rows"]]


def block(page: Any, grid: dict[str, Any], at: int) -> dict[str, Any]:
    page.send("grid.blocks", layout=grid["layout"], **{"from": at, "count": 1})
    return last(page, "blocks")["blocks"][0]


def test_nothing_is_ordered_before_somebody_asks(wire) -> None:
    page = wire(compared(labelled=20).explore())
    page.send("grid.lay", turn="1")
    assert read_doubts not in page.widget.comparison._measured
    lay(page)
    assert read_doubts in page.widget.comparison._measured


@pytest.mark.parametrize("labelled", [0, 20, 30])
def test_the_rows_are_those_of_the_review_in_its_order(wire, labelled) -> None:
    comparison = compared(labelled)
    page = wire(comparison.explore())
    wanted = [(each.text, each.path) for each in review_rows(comparison)]
    grid = lay(page)
    assert places(page, grid) == wanted[:AT_ONCE]
    assert grid["lines"] == grid["texts"] == AT_ONCE + 1
    whole = lay(page, order=grid["review"]["order"], most=1000)
    assert places(page, whole) == wanted
    assert whole["texts"] == len(wanted) == 120
    assert whole["review"]["order"] == grid["review"]["order"]
    assert whole["review"]["head"] == "Review: 120 values, the most doubtful first"


def test_a_row_shows_its_text_its_truth_and_the_doubt_of_each_value(wire) -> None:
    comparison = compared(labelled=20)
    grid = lay(wire(comparison.explore()))
    review, first = grid["review"], review_rows(comparison)[0]
    assert review["head"] == "Review: the 20 most doubtful values"
    assert review["found"] == "14 of the first 20 labelled were wrong"
    assert review["random"] == "(3.5 expected at random)"
    assert review["foot"] == ("%: chance that the value is wrong, learned from 20 texts with truth")
    shown = grid["blocks"][0]
    [row] = shown["rows"]
    assert (shown["id"], row["name"]) == (f"t{first.text}", first.path)
    assert row["t"] == ["no truth yet", "blank"]
    assert row["d"]["doubts"] == [round(100 * each) for each in first.doubts]
    assert (row["d"]["text"], row["d"]["rank"], row["d"]["set"]) == (shown["id"], "", "")
    assert [each[0] for each in row["c"]] == ["agree", "agree", "differ"]
    assert row["c"][2][2] == 1  # not in the text
    # A value, a note on it, its doubt.
    assert shown["h"] == row["h"] == Metrics().row(3)


def test_more_rows_are_announced_with_how_much_they_are_in_doubt(wire) -> None:
    page = wire(compared(labelled=20).explore())
    grid = lay(page)
    line = block(page, grid, AT_ONCE)
    rest = review_rows(page.widget.comparison)[AT_ONCE : 2 * AT_ONCE]
    known = [max(1, round(100 * max(filter(None, each.doubts)))) for each in rest]
    assert line["fold"].startswith("The next 20 of 100, ")
    for end in (max(known), min(known)):
        assert f"{end} %" in line["fold"]
    assert (line["rows"], line["index"]) == ([], -1)
    near = lay(page, order=grid["review"]["order"], most=110)
    assert block(page, near, 110)["fold"].startswith("10 more, ")
    assert grid["review"]["next"] == 2 * AT_ONCE


def test_with_too_few_labels_there_are_ranks_and_no_chances(wire) -> None:
    page = wire(compared(labelled=3).explore())
    grid = lay(page)
    rows = [row for each in grid["blocks"] for row in each["rows"]]
    assert [each["d"]["rank"] for each in rows[:3]] == ["rank 1", "rank 2", "rank 3"]
    assert all(each["d"]["doubts"] == [None] * 3 for each in rows)
    assert grid["review"]["found"] == ""
    assert grid["review"]["foot"] == (
        "ranks only: 36 labelled values, 2 wrong; at least 10 wrong and 10 right ones of 5 texts "
        "are needed"
    )
    assert "%" not in block(page, grid, AT_ONCE)["fold"]
    assert "no labelled value" in lay(wire(compared().explore()))["review"]["foot"]


@pytest.mark.parametrize(
    ("made", "value", "words"),
    [
        ({"column": 0}, "121", "set with key 1"),
        ({"column": 2}, "7", "set with key 3"),
        ({"none": True}, "none", "set with key 0"),
        ({"value": "99"}, "99", "typed here"),
    ],
)
def test_a_label_says_what_made_it_and_moves_no_row(wire, made, value, words) -> None:
    page = wire(compared(labelled=20).explore())
    grid = lay(page)
    before = places(page, grid)
    at = before.index((21, "total"))
    page.send("labels.set", index=21, path="total", **made)
    changed = dict(last(page, "changed")["blocks"])
    [row] = changed[at]["rows"]
    assert (row["t"][0], row["d"]["set"]) == (value, words)
    assert page.state["result"]["labels"] == 1
    order = grid["review"]["order"]
    again = lay(page, order=order)
    assert places(page, again) == before
    assert (again["review"]["order"], again["review"]["revision"]) == (order, 0)
    # Its neighbours in the same text came along, and no other row.
    assert {each["index"] for each in changed.values()} == {21}


def test_a_new_order_counts_the_labels_made_meanwhile(wire) -> None:
    page = wire(compared(labelled=20).explore())
    old = lay(page)
    first = places(page, old)[:3]
    for index, path in first:
        page.send("labels.set", index=index, path=path, column=0)
    fresh = lay(page)
    assert fresh["review"]["order"] != old["review"]["order"]
    assert fresh["review"]["revision"] == page.state["result"]["revision"] == 3
    assert not set(first) & set(places(page, fresh))
    assert places(page, fresh) == [
        (each.text, each.path) for each in review_rows(page.widget.comparison)[:AT_ONCE]
    ]
    assert "learned from 23 texts" in fresh["review"]["foot"]
    # Where the page still has the old one, it stays.
    assert places(page, lay(page, order=old["review"]["order"]))[:3] == first


def test_undo_takes_a_label_back_in_its_row(wire) -> None:
    page = wire(compared(labelled=20).explore())
    index, path = places(page, lay(page))[0]
    page.send("labels.set", index=index, path=path, column=0)
    page.send("labels.undo")
    [row] = dict(last(page, "changed")["blocks"])[0]["rows"]
    assert (row["t"], row["d"]["set"]) == (["no truth yet", "blank"], "")


def test_a_list_taken_whole_says_so_in_each_of_its_rows(wire) -> None:
    page = wire(compared().explore())
    grid = lay(page, most=1000)
    rows = places(page, grid)
    page.send("labels.set", index=4, path="lines[0].sku", column=1)
    changed = dict(last(page, "changed")["blocks"])
    for path, words in [("lines[0].sku", "set with key 2"), ("lines[0].price", "set with key 2"),
                        ("name", "")]:  # fmt: skip
        assert changed[rows.index((4, path))]["rows"][0]["d"]["set"] == words


def test_a_row_whose_list_has_other_items_now_stays(wire) -> None:
    """The longer list made the rows; the shorter one is the truth."""
    short = [{**TRUTH[f"t{n}"], "lines": []} for n in range(30)]
    given = {"good": outputs()["good"], "short": short}
    page = wire(lw.Comparison.from_outputs(SCHEMA, TEXTS, given).explore())
    grid = lay(page, most=1000)
    before = places(page, grid)
    page.send("labels.set", index=4, path="lines[0].sku", column=1)
    assert page.widget.comparison.texts[4].truth == {"lines": []}
    at = before.index((4, "lines[0].sku"))
    assert dict(last(page, "changed")["blocks"])[at]["rows"][0]["p"] == "lines[0].sku"
    assert places(page, lay(page, order=grid["review"]["order"], most=1000)) == before
    assert page.state["error"] is None


def test_one_model_is_ranked_by_the_text_alone_and_can_be_labelled(wire) -> None:
    """Also its fields without a label in a text that has some: no other grid shows them."""
    given = {"poor": outputs()["poor"]}
    truth = {"t1": {"name": "Ada 1"}}
    page = wire(lw.Comparison.from_outputs(SCHEMA, TEXTS, given, truth).explore())
    grid = lay(page)
    assert places(page, grid)[0] == (1, "total")
    assert grid["blocks"][0]["rows"][0]["d"]["rank"] == "rank 1"
    page.send("labels.set", index=1, path="total", value="101")
    [row] = dict(last(page, "changed")["blocks"])[0]["rows"]
    assert (row["t"][0], row["c"][0][0]) == ("101", "differ")
    page.send("grid.detail", index=3, path="total", column=0)
    assert last(page, "detail")["facts"][0][:2] == ["A", "7"]


def test_where_nothing_is_known_of_any_value_that_is_said(wire) -> None:
    schema = {"type": "object", "properties": {"paid": {"type": "boolean"}}}
    one = {"A": [{"paid": True}, {"paid": False}]}
    grid = lay(wire(lw.Comparison.from_outputs(schema, ["a", "b"], one).explore()))
    assert (grid["texts"], grid["blocks"]) == (0, [])
    assert grid["empty"]["sentence"] == "These values cannot be ranked"
    assert "asked once" in grid["empty"]["hint"]
    assert grid["empty"]["ways"][0]["filter"] == {"sort": "loud"}
    failed = lw.Comparison.from_outputs(schema, ["a", "b"], {"A": [None, None]})
    assert lay(wire(failed.explore()))["empty"]["sentence"] == "There is no value to review"
    both = {**one, "B": [{"paid": True}, {"paid": True}]}
    grid = lay(wire(lw.Comparison.from_outputs(schema, ["a", "b"], both).explore()))
    assert (grid["empty"], grid["texts"]) == (None, 2)


def test_a_failed_reply_has_its_name_and_no_doubt(wire) -> None:
    broken = [None if n == 21 else each for n, each in enumerate(outputs()["near"])]
    given = outputs(near=broken)
    truth = {f"t{n}": TRUTH[f"t{n}"] for n in range(20)}
    page = wire(lw.Comparison.from_outputs(SCHEMA, TEXTS, given, truth).explore())
    grid = lay(page, most=1000)
    shown = block(page, grid, places(page, grid).index((21, "total")))
    [row] = shown["rows"]
    assert (row["c"][1][0], row["d"]["doubts"][1]) == ("failed", None)
    assert row["c"][1][1]
    assert shown["failed"] is None


def test_with_repeats_a_row_says_how_often_its_value_came(wire) -> None:
    good = outputs()["good"]
    runs = {"poor": [[each, {**each, "total": 7}, each] for each in good], "good": [[each] * 3
            for each in good]}  # fmt: skip
    page = wire(lw.Comparison.from_outputs(SCHEMA, TEXTS, runs, repeats=3).explore())
    row = lay(page)["blocks"][0]["rows"][0]
    assert row["p"] == "total"
    assert [each[3]["of"] for each in row["c"]] == ["2 of 3", "3 of 3"]


def test_one_slice_is_reviewed_alone(wire) -> None:
    texts = [{**each, "vendor": "north" if n % 3 else "south"} for n, each in enumerate(TEXTS)]
    page = wire(lw.Comparison.from_outputs(SCHEMA, texts, outputs()).explore())
    order = lay(page)["review"]["order"]
    page.send("scores.slice", by="vendor", at=1)
    grid = lay(page, order=order, most=1000)
    assert grid["slice"]
    own = {index for index, _ in places(page, grid)}
    assert own in ({n for n in range(30) if n % 3}, {n for n in range(30) if not n % 3})
    wanted = [each for each in review_rows(page.widget.comparison) if each.text in own]
    assert places(page, grid) == [(each.text, each.path) for each in wanted]


def test_a_long_ordering_says_how_far_it_is(wire, monkeypatch) -> None:
    """Who waits longer than a moment sees how many texts were read; then it is said no more."""
    monkeypatch.setattr("llmwidgets.widgets.comparison.review._SAY_EVERY", 0.0)
    page = wire(compared(labelled=20).explore())
    lay(page)
    said = [each["said"] for each in page.messages if each["type"] == "reviewing"]
    assert said[0].startswith("Reading the values: ")
    assert said[0].endswith(" of 30 texts.")
    assert said[-1] == ""


def test_no_value_is_compared_in_the_thread_that_hears_the_page(wire) -> None:
    """It may be that of a running cell: the values are read by the panel's own threads."""
    threads = set()

    def compare(said: Any, right: Any) -> bool:
        threads.add(threading.get_ident())
        return bool(said == right)

    page = wire(compared(labelled=20, scoring={"total": compare}).explore())
    page.settle()
    threads.clear()
    lay(page)
    assert threads
    assert threading.get_ident() not in threads


def test_no_value_of_the_review_is_in_a_saved_notebook(wire) -> None:
    page = wire(compared(labelled=20).explore())
    lay(page)
    assert "Eve" not in str(page.widget.get_state())
    assert "Eve" not in str(page.state)


def test_a_text_that_the_grid_has_not_read_yet_is_labelled_too(wire) -> None:
    """The order has read it: in a large result that is long before the grid comes to it."""
    page = wire(compared(labelled=20).explore())
    page.settle()
    del page.widget._result.index.units[10:]
    rows = places(page, lay(page))
    at = rows.index((21, "total"))
    page.send("labels.set", index=21, path="total", column=0)
    assert dict(last(page, "changed")["blocks"])[at]["rows"][0]["d"]["set"] == "set with key 1"
