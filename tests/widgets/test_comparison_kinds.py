"""Kinds of error in the panel, without a browser: counts, the values behind them, and labels."""

from __future__ import annotations

import json
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.widgets.comparison.scores.kinds_view import AT_ONCE

SCHEMA = {
    "type": "object",
    "properties": {
        "who": {"type": ["string", "null"]},
        "total": {"type": "number"},
        "lines": {"type": "array", "items": {"type": "object", "properties": {
            "cost": {"type": "number"}}}},
    },
}  # fmt: skip
COUNT = AT_ONCE + 10
TEXTS = [{"id": f"t{n}", "text": f"Ada pays {n + 101}.5 thousand euro."} for n in range(COUNT)]
TRUTH = [{"who": None, "total": (n + 101) * 1000 + 500, "lines": []} for n in range(COUNT)]
GOOD = [dict(each) for each in TRUTH]
BAD = [{"who": "Secretname", "total": n + 101.5, "lines": [{"cost": 3}]} for n in range(COUNT)]


@pytest.fixture
def page(wire) -> Any:
    outputs = {"good": GOOD, "bad": [*BAD[:-1], "no reply"]}
    return wire(lw.Comparison.from_outputs(SCHEMA, TEXTS, outputs, TRUTH).explore())


def test_the_counts_come_when_they_are_asked_for(page) -> None:
    """The most frequent kind first; nothing is counted before, and no value is in the answer."""
    comparison = page.widget.comparison
    assert not any("find_errors" in str(each) for each in comparison._measured)
    kinds = page.ask("kinds")
    assert [(each["name"], each["counts"]) for each in kinds["kinds"]] == [
        ("invented", [0, 2 * COUNT - 2]), ("unit", [0, COUNT - 1]), ("failed", [0, 3]),
    ]  # fmt: skip
    assert [each["path"] for each in kinds["fields"]] == [
        "who", "total", "lines[].cost", "lines",
    ]  # fmt: skip
    assert kinds["fields"][0]["counts"] == [[0, COUNT - 1], [0, 0], [0, 1]]
    assert kinds["said"].startswith(f"wrong values on the {COUNT} texts with truth")
    assert kinds["foot"] == "Each wrong value is counted once, by the first kind that fits."
    assert "Secretname" not in json.dumps([kinds, page.state])


def test_a_run_without_a_failure_says_so(wire) -> None:
    page = wire(lw.Comparison.from_outputs(SCHEMA, TEXTS, {"A": GOOD}, TRUTH).explore())
    kinds = page.ask("kinds")
    assert (kinds["kinds"], kinds["foot"]) == ([], "No reply failed in this run.")


def test_a_count_opens_its_values(page) -> None:
    """With the truth, the passage, and enough to find the row in the grid."""
    rows = page.ask("kind_rows", kind="unit", column=1)
    assert (rows["total"], len(rows["rows"])) == (COUNT - 1, AT_ONCE)
    first = rows["rows"][0]
    assert (first["id"], first["path"], first["truth"], first["value"]) == (
        "t0", "total", "101500", "101.5",
    )  # fmt: skip
    assert first["quote"]["mark"].startswith("101.5")
    assert page.ask("kind_rows", kind="unit", column=0)["total"] == 0
    more = page.ask("kind_rows", kind="unit", column=-1, most=2 * AT_ONCE)
    assert len(more["rows"]) == COUNT - 1


def test_a_count_of_one_field_opens_that_field_alone(page) -> None:
    rows = page.ask("kind_rows", kind="invented", column=-1, field="lines[].cost")
    assert {each["pattern"] for each in rows["rows"]} == {"lines[].cost"}
    assert rows["rows"][0]["truth"] in ("not labelled", "none")


def test_a_lost_reply_is_told_as_such(page) -> None:
    rows = page.ask("kind_rows", kind="failed", column=-1)
    assert {each["value"] for each in rows["rows"]} == {"no usable reply"}
    assert {each["text"] for each in rows["rows"]} == {f"t{COUNT - 1}"}


@pytest.mark.parametrize(
    "content",
    [{}, {"kind": 5}, {"kind": "unit", "column": 99}, {"kind": "unit", "most": "x"},
     {"kind": "unit", "column": True, "field": {"a": 1}, "most": -5}],
)  # fmt: skip
def test_whatever_the_page_asks_there_is_an_answer(page, content: dict[str, Any]) -> None:
    assert page.ask("kind_rows", **content)["rows"] is not None


def test_the_name_of_a_text_in_quotes_finds_that_text_alone(page) -> None:
    """t1 is in the names of ten others; what leads to a row leads to its text."""
    page.ask("kinds")
    laid = page.ask("grid", turn="1", only="all", query='"t1"')
    assert [each["id"] for each in laid["blocks"]] == ["t1"]
    assert page.ask("grid", turn="2", only="all", query="t1")["texts"] > 1


def test_a_label_leads_to_other_counts(page) -> None:
    before = page.ask("kinds")["kinds"][1]
    assert before["name"] == "unit"
    page.send("labels.set", index=0, path="total", text="101.5")
    after = next(each for each in page.ask("kinds")["kinds"] if each["name"] == "unit")
    assert after["counts"][1] == before["counts"][1] - 1


def test_a_slice_alone_has_the_counts_and_the_values_of_its_own_texts(wire) -> None:
    """As everything else in the scoreboard; with all texts again, those of all."""
    texts = [{**each, "vendor": "north" if n % 3 else "south"} for n, each in enumerate(TEXTS)]
    made = lw.Comparison.from_outputs(SCHEMA, texts, {"good": GOOD, "bad": BAD}, TRUTH)
    page, alone = wire(made.explore()), made.where(vendor="south")
    page.send("scores.slice", by="vendor", at=1)
    kinds, wanted = page.ask("kinds"), alone.error_kinds().set_index("kind")
    assert {each["name"]: each["counts"][1] for each in kinds["kinds"]} == {
        kind: number for kind, number in wanted.bad.items() if number
    }
    assert kinds["said"].startswith(f"wrong values on the {len(alone.texts)} texts")
    rows = page.ask("kind_rows", kind="unit", column=1, most=COUNT)
    assert [each["text"] for each in rows["rows"]] == [each.id for each in alone.texts]
    page.send("scores.slice", at=-1)
    assert page.ask("kind_rows", kind="unit", column=1)["total"] == COUNT
