"""The grid of the comparison panel in a page: folds, details, tabs and the way back."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from llmwidgets import Comparison, ComparisonPanel

pytestmark = pytest.mark.browser

FIELDS = [f"field_{n}" for n in range(6)]
SCHEMA = {"type": "object", "properties": {name: {"type": "string"} for name in FIELDS}}
TRUTH = [{name: f"{name} of {at}" for name in FIELDS} for at in range(40)]
SAID = {"A": TRUTH, "B": [{**each, "field_1": "wrong", "field_3": "off"} for each in TRUTH]}
TEXTS = [", ".join(each.values()) for each in TRUTH]
SHOWN = """each => { const box = each.getBoundingClientRect();
  const grid = each.closest(".lw-grid").getBoundingClientRect();
  return box.top >= grid.top && box.bottom <= grid.bottom; }"""


@pytest.fixture
def page(joined: Any) -> Any:
    """The grid of 40 texts, in each of which two of six fields differ."""
    joined_page = joined(ComparisonPanel._on(Comparison.from_outputs(SCHEMA, TEXTS, SAID, TRUTH)))
    expect(joined_page.page.locator(".lw-c.differ").first).to_be_visible()
    joined_page.deliver()
    return joined_page


def active(page: Any) -> Any:
    return page.page.locator(".lw-grid .on")


def test_a_fold_opens_and_closes_by_click_and_by_key(page) -> None:
    """What agrees comes below what differs, and goes again."""
    first = page.page.locator(".lw-block").first
    rows, fold = first.locator("[role=rowheader]"), first.locator(".lw-fold [role=gridcell]")
    expect(rows).to_have_text(["field_1", "field_3"])
    fold.click()
    expect(rows).to_have_text(["field_1", "field_3", "field_0", "field_2", "field_4", "field_5"])
    expect(fold).to_have_attribute("aria-expanded", "true")
    expect(first.locator(".lw-detail")).to_have_count(0)
    fold.click()
    expect(rows).to_have_count(2)
    page.page.keyboard.press("Enter")
    expect(rows).to_have_count(6)


def test_a_second_click_on_a_cell_shuts_its_detail(page) -> None:
    """The focus stays on the grid, and the cell is the active one."""
    cell = page.page.locator(".lw-c.differ").nth(1)
    cell.click()
    page.deliver()
    detail = page.page.locator(".lw-detail")
    expect(detail.get_by_role("button", name="Take B")).to_be_visible()
    expect(active(page)).to_have_attribute("id", cell.get_attribute("id") or "")
    cell.click()
    expect(detail).to_have_count(0)
    expect(page.page.get_by_role("grid", name="Differences")).to_be_focused()


def test_the_way_back_from_a_text_leads_to_its_row(page) -> None:
    """Another field picked there is the active cell here, in sight, and the grid has the focus."""
    page.page.get_by_role("grid", name="Differences").focus()
    for _ in range(5):
        page.page.keyboard.press("PageDown")
        page.deliver()
    active(page).locator("xpath=ancestor::*[@role='rowgroup']").locator(".lw-c.differ").last.click()
    page.deliver()
    spoken = active(page).get_attribute("aria-label") or ""
    page.page.get_by_role("button", name="Show in text").click()
    page.deliver()
    page.page.get_by_role("region", name="Text").focus()
    page.page.keyboard.press("ArrowDown")
    page.page.keyboard.press("ArrowUp")
    page.page.keyboard.press("Escape")
    page.deliver()
    expect(page.page.get_by_role("grid", name="Differences")).to_be_focused()
    expect(active(page)).to_have_attribute("aria-label", spoken)
    assert page.page.wait_for_function(f"({SHOWN})(document.querySelector('.lw-grid .on'))")


def test_another_tab_leaves_the_grid_where_it_was(page) -> None:
    """Scrolled, one text unfolded: both are so again, and nothing is asked for anew."""
    page.page.locator(".lw-fold [role=gridcell]").first.click()
    page.page.evaluate("document.querySelector('.lw-grid').scrollTop = 900")
    page.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => done()))")
    page.deliver()
    page.listen()
    page.page.get_by_role("tab", name="Scoreboard").click()
    page.deliver()
    page.page.get_by_role("tab", name="Differences").click()
    page.deliver()
    page.page.wait_for_function("document.querySelector('.lw-grid').scrollTop === 900")
    assert page.sent("grid.lay") == []
    page.page.evaluate("document.querySelector('.lw-grid').scrollTop = 0")
    expect(page.page.locator(".lw-block").first.locator("[role=rowheader]")).to_have_count(6)


def test_a_label_is_taken_and_undone_by_key(page) -> None:
    """2 takes B's value as truth, Ctrl+Z gives it back; the cell stays active."""
    page.page.get_by_role("grid", name="Differences").focus()
    page.page.keyboard.press("2")
    page.deliver()
    expect(page.page.get_by_text("label made here")).to_be_visible()
    expect(page.page.locator(".lw-t").nth(1)).to_contain_text("wrong")
    page.page.keyboard.press("Control+z")
    page.deliver()
    expect(page.page.get_by_text("label made here")).to_have_count(0)
    expect(page.page.locator(".lw-t").nth(1)).to_contain_text("field_1 of")


def test_a_filter_that_fits_nothing_leads_on(page) -> None:
    """The search is emptied by Escape or by the way on; the rows are there again."""
    page.page.get_by_role("grid", name="Differences").focus()
    page.page.keyboard.press("/")
    page.page.keyboard.type("nowhere")
    page.page.wait_for_function("lwModel.sent.some((each) => each.query === 'nowhere')")
    page.deliver()
    page.page.get_by_role("button", name="Clear search").click()
    page.deliver()
    expect(page.page.get_by_role("searchbox")).to_have_value("")
    expect(page.page.locator(".lw-c.differ").first).to_be_visible()
