"""Earlier runs in the comparison panel: the list, two compared, what flipped on demand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from llmwidgets import ComparisonPanel, Store, Variant, compare
from llmwidgets.demo import invoices, stop_demo
from tests.samples import TEXTS as EIGHT

TEXTS = [
    {"id": f"{copy}-{text['id']}", "text": f"{text['text']}\n({copy})"}
    for copy in range(3)
    for text in EIGHT
]
TRUTH = {text["id"]: invoices.truth[text["id"].split("-", 1)[1]] for text in TEXTS}


@pytest.fixture(scope="module", autouse=True)
def demo():
    yield
    stop_demo()


def ask(model: str, texts: Any = TEXTS, truth: bool = True) -> Any:
    """A run in the usual journal, which lies in a folder of the test's own."""
    labels = {text["id"]: TRUTH[text["id"]] for text in texts} if truth else None
    return compare(
        invoices.Schema, texts, Variant(model, label="luna"), truth=labels, progress=False
    )


@pytest.fixture
def two() -> Any:
    """Two runs, the second worse and shown."""
    ask("demo-careful").verdict()
    result = ask("demo-hasty")
    result.verdict()
    return result


def flips(page: Any) -> dict[str, Any]:
    return next(each for each in reversed(page.messages) if each["type"] == "flips")


def test_two_runs_are_reached_and_compared_in_three_clicks(wire, two) -> None:
    page = wire(two.explore())
    assert page.state["runs"] == "Earlier runs"
    page.send("runs.open")
    state = page.state["earlier"]
    assert (page.state["screen"], page.state["back"]) == ("runs", "Back to the result")
    assert state["said"] == "2 runs of Invoice in this journal"
    assert [(each["ticked"], each["shown"]) for each in state["rows"]] == [
        (True, True), (True, False),
    ]  # fmt: skip
    assert "both have 24 texts and 1 model in common." in state["pair"]
    page.send("runs.compare")
    compared = page.state["earlier"]["compared"]
    assert "luna got" in compared["headline"]
    assert "fields in 100 worse" in compared["headline"]
    assert "luna: model demo-careful, now demo-hasty." in compared["details"]
    (row,) = compared["rows"]
    assert row["certain"]
    assert row["interval"][0] < row["interval"][1] < row["interval"][2] < 0
    number = int(row["to_wrong"]) + int(row["to_right"])
    assert row["show"] == f"Show the {number}"
    page.send("runs.flips", variant=0)
    shown = flips(page)
    assert len(shown["rows"]) == min(50, number)
    assert {each["right"] for each in shown["rows"]} >= {False}
    page.send("runs.back")
    assert page.state["screen"] == "results"


def test_values_come_by_message_and_only_when_they_are_asked_for(wire, two) -> None:
    page = wire(two.explore())
    page.send("runs.open")
    page.send("runs.compare")
    states = json.dumps([each for each in page.messages if each["type"] == "state"])
    page.send("runs.flips", variant=0)
    values = {each[name] for each in flips(page)["rows"] for name in ("truth", "before", "now")}
    long = {each for each in values if len(each) > 4 and each != "no value"}
    assert long
    assert not any(each in states for each in long)
    assert "earlier" not in json.dumps(page.widget.get_state(), default=str)


def test_labels_made_on_the_screen_count_for_both_runs(wire, two) -> None:
    page = wire(two.explore())
    before = page.widget.comparison.correct(TEXTS[0]["id"], "number", "another")
    page.widget._run.show(before)
    page.send("runs.open")
    page.send("runs.compare")
    assert page.state["earlier"]["rows"][0]["shown"]
    (change,) = page.widget._runs._found.verdict.changes
    plain = two.against(ask("demo-careful")).verdict.changes[0]
    assert change.before == pytest.approx(plain.before - 1 / 24 / 16, abs=0.01)
    assert change.before < plain.before


def test_two_ticks_are_kept_and_a_third_takes_the_place_of_the_older(wire, two) -> None:
    ask("demo-quick", TEXTS[:12])
    page = wire(two.explore())
    page.send("runs.open")
    rows = page.state["earlier"]["rows"]
    newest, shown, first = (each["id"] for each in rows)
    assert [each["ticked"] for each in rows] == [False, True, True]
    page.send("runs.tick", run=newest)
    assert [each["ticked"] for each in page.state["earlier"]["rows"]] == [True, False, True]
    page.send("runs.tick", run=newest)
    assert not page.state["earlier"]["ready"]
    page.send("runs.compare")
    assert page.state["earlier"]["compared"] is None
    for odd in (10**9, "x", None, shown):
        page.send("runs.tick", run=odd)
    assert [each["ticked"] for each in page.state["earlier"]["rows"]] == [False, True, True]
    assert first


def test_before_a_run_two_earlier_ones_are_compared_by_the_truth_at_hand(wire, two) -> None:
    panel = ComparisonPanel(
        invoices.Schema, TEXTS, truth=TRUTH, models="demo", store=Store.in_memory()
    )
    page = wire(panel)
    assert page.state["runs"] == "Earlier runs"
    page.send("runs.open")
    assert page.state["back"] == "Back to the choices"
    page.send("runs.compare")
    (row,) = page.state["earlier"]["compared"]["rows"]
    assert row["certain"]
    page.send("runs.back")
    assert page.state["screen"] == "setup"


def test_runs_of_other_fields_are_not_listed(wire, two) -> None:
    schema = {"title": "Letter", "type": "object", "properties": {"name": {"type": "string"}}}
    panel = ComparisonPanel(schema, ["A letter of Ada."], store=Store.in_memory())
    page = wire(panel)
    page.send("runs.open")
    state = page.state["earlier"]
    assert state["rows"] == []
    assert "no earlier run of Letter" in state["empty"]["sentence"]


def test_without_a_journal_nothing_leads_there(wire) -> None:
    panel = ComparisonPanel(invoices.Schema, TEXTS, store=Store.in_memory())
    assert wire(panel).state["runs"] == ""


@pytest.mark.parametrize("binder", [False, True])
def test_a_run_of_the_panel_leaves_a_record_however_it_was_watched(
    wire, monkeypatch, binder
) -> None:
    """On Binder the journal is in memory, and one for all runs of a panel."""
    if binder:
        monkeypatch.setenv("BINDER_SERVICE_HOST", "1")
    panel = ComparisonPanel(
        invoices.Schema, TEXTS[:6], truth=TRUTH and None, models="demo", store=Store.in_memory()
    )
    page = wire(panel)
    for _ in range(2):
        page.send("run.start")
        page.settle()
        assert panel.comparison is not None
        page.send("run.again")
    page.send("run.back")
    page.send("runs.open")
    rows = page.state["earlier"]["rows"]
    assert [each["calls"] for each in rows] == ["0", "24"]
    assert rows[0]["shown"]


@pytest.mark.browser
def test_the_runs_are_ticked_and_compared_in_a_page(joined, two) -> None:
    page = joined(two.explore())
    page.page.get_by_role("button", name="Earlier runs").click()
    page.deliver()
    ticks = page.page.get_by_role("checkbox")
    expect(ticks).to_have_count(2)
    ticks.first.uncheck()
    page.deliver()
    compare_them = page.page.get_by_role("button", name="Compare these two")
    expect(compare_them).to_have_attribute("aria-disabled", "true")
    ticks.first.check()
    page.deliver()
    compare_them.click()
    page.deliver()
    expect(page.page.get_by_text("fields in 100 worse")).to_be_visible()
    page.page.get_by_role("button", name="Show the").click()
    page.deliver()
    expect(page.page.get_by_text("≠ wrong").first).to_be_visible()
    page.page.get_by_role("button", name="Hide").click()
    expect(page.page.get_by_text("≠ wrong")).to_have_count(0)
    page.page.get_by_role("button", name="Back to the result").click()
    page.deliver()
    expect(page.page.get_by_role("grid")).to_be_visible()
    expect(page.page.get_by_role("button", name="Earlier runs")).to_be_focused()
