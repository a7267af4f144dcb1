"""Truth that grows in the comparison panel: taken, typed, emptied, undone, exported."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from llmwidgets import Comparison
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.errors import FieldError
from llmwidgets.schemas import Leaf
from llmwidgets.widgets.comparison.labels import parse_edit

SCHEMA = {
    "type": "object",
    "title": "Claim",
    "properties": {
        "amount": {"type": ["number", "null"]},
        "cause": {"enum": ["water", "fire"]},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"total": {"type": "number"}}},
        },
    },
}
TEXTS = [{"id": "one", "text": "4180 for water"}, {"id": "two", "text": "fire, 90 and 10"}]
SAID = {
    "A": [{"amount": 4180, "cause": "water"}, {"amount": 100, "lines": [{"total": 90}]}],
    "B": [{"amount": 4810, "cause": "water"}, {"amount": 100, "lines": [{"total": 91}]}],
}
TRUTH = {"one": {"amount": 4810, "cause": "water"}, "two": {"amount": 120, "cause": "fire"}}


def made(truth: Any = TRUTH) -> Comparison:
    return Comparison.from_outputs(SCHEMA, TEXTS, SAID, truth=truth)


@pytest.fixture
def page(wire) -> Any:
    """A page that shows the grid of two claims."""
    joined = wire(made().explore())
    joined.send("grid.lay", only="all")
    return joined


def last(page: Any, kind: str) -> dict[str, Any]:
    return next(each for each in reversed(page.messages) if each["type"] == kind)


def row(block: dict[str, Any], path: str) -> dict[str, Any]:
    return next(each for each in block["rows"] if each["p"] == path)


def shares(page: Any) -> dict[str, float]:
    page.send("scores.show")
    groups = last(page, "scores")["groups"]
    return {each["label"]: float(each["right"]) / 100 for group in groups for each in group["rows"]}


def test_a_columns_value_becomes_truth_and_everything_follows(page) -> None:
    """The row, the counts, the scores and `.comparison` say it at once; nothing is called."""
    assert shares(page) == {"A": 0.25, "B": 0.5}
    page.send("labels.set", index=0, path="amount", column=0)
    block = last(page, "changed")["blocks"][0][1]
    assert [cell[0] for cell in row(block, "amount")["c"]] == ["agree", "differ"]
    assert row(block, "amount")["t"] == ["4180", "value", "taken from A", "4810"]
    assert page.state["result"]["labels"] == 1
    assert shares(page) == {"A": 0.5, "B": 0.25}
    assert page.widget.comparison.texts[0].truth == {"amount": 4180, "cause": "water"}
    assert TRUTH["one"]["amount"] == 4810


def test_labels_made_after_the_values_were_seen_are_reported_apart(page) -> None:
    """Beside the scores stands how many there are, and the shares by the truth as it was given."""
    page.send("labels.set", index=0, path="amount", column=0)
    page.send("scores.show")
    said = last(page, "scores")["beside"][0]
    assert said == (
        "1 label was made after the models' values were seen. "
        "By the truth as it was given: A 25.0, B 50.0."
    )


def test_undo_takes_the_newest_label_back(page) -> None:
    """Two labels, two steps back, and the truth is the given one; a third step does nothing."""
    page.send("labels.set", index=0, path="amount", column=0)
    page.send("labels.set", index=0, path="cause", value="fire")
    assert page.widget.comparison.texts[0].truth["cause"] == "fire"
    page.send("labels.undo")
    assert page.widget.comparison.texts[0].truth == {"amount": 4180, "cause": "water"}
    page.send("labels.undo")
    page.send("labels.undo")
    assert page.widget.comparison.texts[0].truth == TRUTH["one"]
    assert page.state["result"]["undo"] == ""


def test_what_is_typed_is_read_by_the_fields_type(page) -> None:
    """A number is a number; what is none of the allowed values is refused and nothing changes."""
    page.send("labels.set", index=0, path="amount", value="12.5")
    assert page.widget.comparison.texts[0].truth["amount"] == 12.5
    page.send("labels.set", index=0, path="cause", value="theft")
    assert page.state["error"]["hint"] == "They are water, fire."
    assert page.widget.comparison.texts[0].truth["cause"] == "water"
    page.send("labels.set", index=0, path="amount", none=True)
    assert page.widget.comparison.texts[0].truth["amount"] is None


def test_a_list_without_truth_is_taken_whole(page) -> None:
    """A lone item would make the others invented; so the column's list is taken, then corrected."""
    page.send("labels.set", index=1, path="lines[0].total", none=True)
    assert "column first" in page.state["error"]["hint"]
    page.send("labels.set", index=1, path="lines[0].total", column=0)
    assert page.widget.comparison.texts[1].truth["lines"] == [{"total": 90}]
    page.send("labels.set", index=1, path="lines[0].total", value="91")
    assert page.widget.comparison.texts[1].truth["lines"] == [{"total": 91}]


def test_truth_can_begin_from_nothing(wire) -> None:
    """Without any truth the first label brings the column and a score."""
    page = wire(made(truth=None).explore())
    page.send("grid.lay", only="all")
    assert page.state["result"]["truth"] is False
    page.send("labels.set", index=0, path="amount", column=0)
    assert page.state["result"]["truth"] is True
    assert shares(page) == {"A": 1.0, "B": 0.0}


def test_probable_wrong_labels_can_be_filtered(page) -> None:
    """Models that agree with each other and not with the truth have a count and a filter."""
    assert page.state["result"]["counts"]["against"] == 2
    page.send("grid.lay", states=["against"])
    (block,) = last(page, "grid")["blocks"]
    assert block["id"] == "two"
    assert [each["p"] for each in block["rows"] if not each["q"]] == ["amount", "cause"]
    page.send("grid.lay", states=["among"])
    shown = {block["id"]: block["rows"] for block in last(page, "grid")["blocks"]}
    open_rows = {name: [row["p"] for row in rows if not row["q"]] for name, rows in shown.items()}
    assert open_rows == {"one": ["amount"], "two": ["lines[0].total", "lines[1].total"]}


def test_one_text_is_found_by_its_id(page) -> None:
    """The search takes ids too: every row of that text, and only those."""
    page.send("grid.lay", query="two")
    assert [each["id"] for each in last(page, "grid")["blocks"]] == ["two"]
    page.send("grid.lay", only="disagree", sort="given")
    assert [each["id"] for each in last(page, "grid")["blocks"]] == ["one", "two"]


def test_corrections_are_exported_with_the_old_value(page) -> None:
    """CSV that no spreadsheet runs, and one JSON object a line."""
    page.send("labels.set", index=0, path="amount", column=0)
    page.send("labels.export", format="csv")
    words = page.raw[-1][1][0].decode("utf-8-sig")
    (found,) = csv.DictReader(io.StringIO(words))
    assert (found["text_id"], found["field"]) == ("one", "amount")
    assert (found["old"], found["new"], found["by"]) == ("4810", "4180", "A")
    page.send("labels.export", format="jsonl")
    assert json.loads(page.raw[-1][1][0])["old"] == 4810


def test_a_new_result_on_the_same_texts_keeps_the_labels(page) -> None:
    """What was corrected is corrected in the next run's result too."""
    page.send("labels.set", index=0, path="amount", column=0)
    page.widget.controllers["run"].show(made())
    assert page.widget.comparison.texts[0].truth["amount"] == 4180
    page.send("labels.undo")
    assert page.widget.comparison.texts[0].truth["amount"] == 4810


def test_a_typed_word_that_is_no_number_is_refused() -> None:
    """The sentence names the field and shows how a number is typed, not what was typed."""
    leaf = Leaf("total", "number", True, True, "", None, None)
    with pytest.raises(FieldError) as raised:
        parse_edit("about a lot", leaf)
    assert "a lot" not in str(raised.value)
    assert parse_edit("", leaf) is NOTHING
