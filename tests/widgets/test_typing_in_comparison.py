"""The comparison panel in a real page: setup, grid and scores while rows and states arrive."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from llmwidgets import Comparison, ComparisonPanel
from llmwidgets.connections.connection import Connection
from llmwidgets.store.store import Store
from llmwidgets.widgets.comparison import grid as grid_module

pytestmark = pytest.mark.browser

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
}
NAMES = [f"Ada {number}" for number in range(40)]
TEXTS = [f"{name} is {30 + at}." for at, name in enumerate(NAMES)]
TRUTH = [{"name": name, "age": 30 + at} for at, name in enumerate(NAMES)]
SAID = {"A": TRUTH, "B": [{**each, "name": "Bob"} for each in TRUTH]}
ACTIVE = """() => { const at = document.activeElement;
  return [at.value ?? at.nodeName, at.selectionStart ?? null]; }"""


def made(truth: Any = TRUTH) -> Comparison:
    return Comparison.from_outputs(SCHEMA, TEXTS, SAID, truth)


def setup(joined: Any) -> tuple[Any, Store]:
    """A panel before the run, on one connection of a store."""
    store = Store.in_memory()
    store.save(Connection("custom", name="quick", endpoint="http://localhost:1/v1"))
    return joined(ComparisonPanel(SCHEMA, TEXTS, models=["quick"], store=store)), store


def type_half(page: Any, field: Any, text: str) -> None:
    field.focus()
    page.page.keyboard.press("ControlOrMeta+a")
    page.page.keyboard.type(text)
    field.evaluate(
        "each => each.setSelectionRange && each.type !== 'number' && each.setSelectionRange(1, 1)"
    )
    page.deliver()
    page.listen()


def assert_kept(page: Any, text: str) -> None:
    page.deliver()
    assert page.page.evaluate(ACTIVE)[0] == text
    assert page.heard == []


def test_a_tick_is_not_taken_back_by_a_state_from_before_it(joined) -> None:
    """It stands until its own answer comes, which decides."""
    page, store = setup(joined)
    box = page.page.get_by_role("checkbox", name="quick")
    store.save(Connection("custom", name="slow", endpoint="http://localhost:2/v1"))
    box.uncheck()
    page.arrive()
    expect(page.page.get_by_role("checkbox", name="slow")).to_be_visible()
    expect(box).not_to_be_checked()
    page.deliver()
    expect(box).not_to_be_checked()
    elsewhere = "lwModel.under_way.push([{ type: 'setup.tick', ref: 'quick', on: true }, []])"
    page.page.evaluate(elsewhere)
    page.deliver()
    expect(box).to_be_checked()


@pytest.mark.parametrize(
    ("label", "text", "kind"),
    [
        ("Stop before, in US dollars", "1.", "budget"),
        ("Search models", "qui", "models"),
        ("Instructions", "Read the", "options"),
        ("Repeats", "2", "options"),
    ],
)
def test_the_setup_is_filled_in_while_connections_come_and_go(joined, label, text, kind) -> None:
    """Each field of the setup, half typed: a model more, a model less, none left, new options."""
    page, store = setup(joined)
    page.page.get_by_text("Instructions, repeats, parallel calls").click()
    type_half(page, page.page.get_by_label(label).first, text)
    store.save(Connection("custom", name="slow", endpoint="http://localhost:2/v1"))
    assert_kept(page, text)
    del store["slow"]
    assert_kept(page, text)
    page.widget.instructions = "Set by another cell."
    page.widget.budget = 7
    assert_kept(page, text)
    if label != "Search models":  # without a model there is no list to search
        page.widget.models = None
        del store["quick"]
        assert_kept(page, text)
    assert page.sent(kind) == []


def test_rows_are_written_without_losing_the_caret(joined) -> None:
    """The schema editor checks while one types: states that are late change nothing."""
    page = joined(ComparisonPanel(store=Store.in_memory()))
    page.page.get_by_role("button", name="Write the fields").click()
    page.deliver()
    field = page.page.get_by_label("Name of row 1")
    field.focus()
    page.page.keyboard.type("amount")
    field.evaluate("each => each.setSelectionRange(2, 2)")
    page.page.keyboard.type("x")
    page.deliver()
    assert page.page.evaluate(ACTIVE) == ["amxount", 3]


@pytest.fixture
def read_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel reads the first texts, and no others by itself."""
    monkeypatch.setattr(grid_module, "FIRST_SECONDS", 3600.0)


@pytest.mark.usefixtures("read_by_hand")
def test_scores_asked_for_while_texts_are_read_say_so_no_longer(joined) -> None:
    """The scoreboard reads the rest itself; the sentence about what is read goes away."""
    page = joined(made().explore(), settled=False)
    expect(page.page.get_by_text("10 of 40 texts read.")).to_be_visible()
    page.page.get_by_role("tab", name="Scoreboard").click()
    page.deliver(settled=False)
    expect(page.page.get_by_role("cell", name="100.0", exact=True).first).to_be_visible()
    expect(page.page.get_by_text("texts read.")).to_have_count(0)


@pytest.mark.usefixtures("read_by_hand")
def test_rows_that_nobody_asked_for_take_nobody_away(joined) -> None:
    """All is read, and a key is pressed before the new rows come: they are offered by a button."""
    page = joined(made().explore(), settled=False)
    active = page.page.locator(".lw-grid .on")
    expect(active).to_have_attribute("data-at", "0 1 2")
    index = page.widget.controllers["grid"].result.index
    while not index.whole:
        index.grow(1.0)
    page.widget.page.push()
    page.arrive()
    page.page.wait_for_function("lwModel.under_way.some(([each]) => each.type === 'grid.lay')")
    page.page.get_by_role("grid", name="Differences").focus()
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("Enter")
    page.deliver(settled=False)
    expect(active).to_have_attribute("data-at", "0 1 3")
    expect(page.page.locator(".lw-detail").get_by_role("button", name="Take B")).to_be_visible()
    page.page.get_by_role("button", name="Show them, most disagreement first").click()
    page.deliver(settled=False)
    expect(page.page.get_by_text("All texts are read now.")).to_have_count(0)
    expect(active).to_have_attribute("data-at", "0 1 2")


def test_keys_behind_the_first_label_hold_while_its_column_comes(joined) -> None:
    """Who labels and goes on is where they went, and not back at what they labelled."""
    page = grid(joined, None)
    page.page.keyboard.press("1")
    page.page.keyboard.press("ArrowRight")
    active = page.page.locator(".lw-grid .on")
    expect(active).to_have_attribute("data-at", "0 1 3")
    page.deliver()
    expect(page.page.get_by_role("columnheader", name="Truth")).to_be_visible()
    expect(active).to_have_attribute("data-at", "0 1 3")


def grid(joined: Any, truth: Any = TRUTH) -> Any:
    page = joined(made(truth).explore())
    page.page.get_by_role("grid", name="Differences").focus()
    expect(page.page.locator(".lw-c.differ").first).to_be_visible()
    return page


def arrive(page: Any) -> None:
    """Rows of the first texts arrive anew, as in a run."""
    grid = page.widget.controllers["grid"]
    grid.send_changed(grid.result.index.again(grid.result.comparison, range(5)))
    page.deliver()


def test_a_truth_half_typed_stays_while_rows_arrive(joined) -> None:
    """T, then rows of this very text: the field, its caret and the focus stay; Enter labels."""
    page = grid(joined)
    page.page.keyboard.press("t")
    field = page.page.get_by_role("textbox", name="Truth of name")
    type_half(page, field, "Adalbert")
    arrive(page)
    assert page.page.evaluate(ACTIVE) == ["Adalbert", 1]
    assert page.heard == []
    page.page.evaluate("document.querySelector('.lw-grid').scrollTop = 1500")
    assert_kept(page, "Adalbert")
    page.page.keyboard.press("Enter")
    page.deliver()
    [sent] = page.sent("labels.set")
    assert (sent["index"], sent["path"], sent["value"]) == (0, "name", "Adalbert")
    expect(field).to_have_count(0)


def test_the_first_truth_is_typed_whole_before_its_column_comes(joined) -> None:
    """Without a truth the grid is laid out anew: not while the first one is being typed."""
    page = grid(joined, None)
    page.page.keyboard.press("t")
    type_half(page, page.page.get_by_role("textbox", name="Truth of name"), "Ada")
    assert_kept(page, "Ada")
    page.page.keyboard.press("Enter")
    page.deliver()
    [sent] = page.sent("labels.set")
    assert (sent["index"], sent["path"], sent["value"]) == (0, "name", "Ada")
    expect(page.page.get_by_role("columnheader", name="Truth")).to_be_visible()


def test_an_open_detail_stays_as_it_is_read(joined) -> None:
    """The focus on a button of the detail, a fold open in it: rows that arrive leave both."""
    page = grid(joined)
    page.page.keyboard.press("Enter")
    page.deliver()
    detail = page.page.locator(".lw-detail")
    fold = detail.locator("details").first
    fold.locator("summary").click()
    detail.get_by_role("button", name="Show in text").focus()
    page.deliver()
    page.listen()
    arrive(page)
    expect(detail.get_by_role("button", name="Show in text")).to_be_focused()
    assert page.heard == []
    expect(fold).to_have_attribute("open", "")


def test_a_layout_that_only_fits_better_closes_nothing(joined) -> None:
    """A cell opened while the first, guessed layout is replaced by one of the page's own width."""
    page = grid(joined)
    page.page.locator(".lw-c.differ").nth(2).click()
    page.page.evaluate("document.querySelector('.lw-grid').scrollTop = 40")
    page.deliver()
    detail = page.page.locator(".lw-detail")
    expect(detail.get_by_role("button", name="Show in text")).to_be_visible()
    spoken = detail.locator("h3").first.text_content()
    page.listen()
    page.page.set_viewport_size({"width": 640, "height": 900})
    page.page.wait_for_function("lwModel.sent.some((each) => each.type === 'grid.lay')")
    page.deliver()
    expect(detail.locator("h3").first).to_have_text(spoken or "")
    expect(page.page.get_by_role("columnheader", name="Field")).to_be_visible()
