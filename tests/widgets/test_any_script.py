"""Texts from right to left, in Chinese, Japanese, Thai, in large letters and in a narrow cell."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import expect

import llmwidgets as lw
from llmwidgets import Comparison, ComparisonPanel
from llmwidgets.demo import invoices, server
from tests.pages import clipped

pytestmark = pytest.mark.browser

VENDOR, WRONG = "شركة النور للتجارة", "شركة النور للتجازة"
SCHEMA = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("vendor", "number", "note")},
}
TRUTH = [
    {"vendor": VENDOR, "number": "INV-2041", "note": "يُدفع خلال 30 يوماً"},
    {
        "vendor": "株式会社さくら商事",
        "number": "第２０２６号",
        "note": "期限は四月三十日です",
    },
    {"vendor": "บริษัท สยามพัฒนา จำกัด", "number": "TH-5519", "note": "กำหนดชำระภายใน 15 วัน"},
]
TEXTS = [
    f"فاتورة INV-2041\nالمورّد: {VENDOR}\nيُدفع خلال 30 يوماً. col a  col b",
    "請求書 第２０２６号\n株式会社さくら商事\n期限は四月三十日です",
    "TH-5519 บริษัท สยามพัฒนา จำกัด\nกำหนดชำระภายใน 15 วัน",
]
SAID = {"A": TRUTH, "B": [{**TRUTH[0], "vendor": WRONG}, {**TRUTH[1], "note": "四月"}, TRUTH[2]]}

TALL = """() => {
  const low = (each) => each.getBoundingClientRect();
  for (const block of document.querySelectorAll(".lw-block")) {
    let end = low(block).top;
    for (const line of block.querySelectorAll(":scope > .lw-grow")) {
      if (Math.abs(low(line).top - end) > 1) return "a gap or an overlap";
      end = low(line).bottom;
      for (const cell of line.querySelectorAll(".lw-cell"))
        if (cell.scrollHeight > cell.clientHeight + 1) return `cut: ${cell.textContent}`;
    }
    if (Math.abs(end - low(block).bottom) > 1) return "the text ends elsewhere";
  }
  return "";
}"""
LARGE = ".lw .lw-grow, .lw .lw-grow * { font-size: 21px !important }"


def shown(joined: Any) -> Any:
    """The grid of three texts, of which two are answered otherwise by B."""
    page = joined(ComparisonPanel._on(Comparison.from_outputs(SCHEMA, TEXTS, SAID, TRUTH)))
    expect(page.page.locator(".lw-c.differ").first).to_be_visible()
    page.deliver()
    return page


def open_tab(page: Any, name: str) -> None:
    page.page.get_by_role("tab", name=name).click()
    page.deliver()


def test_values_stand_by_their_own_direction(joined: Any) -> None:
    """In cells, marks, spoken names, the detail and the text; arrows lead where they point."""
    page = shown(joined)
    value = page.page.locator(".lw-c.differ .lw-v", has_text=WRONG)
    expect(value).to_have_css("direction", "rtl")
    expect(value.locator("ins")).to_have_text("ز")
    number = page.page.locator(".lw-t .lw-v", has_text="INV-2041")
    cell = value.locator("xpath=..")
    assert f"\u2068{WRONG}\u2069, differs" in (cell.get_attribute("aria-label") or "")
    page.page.locator(".lw-fold [role=gridcell]").first.click()
    expect(number).to_have_css("direction", "ltr")
    grid, keyboard = page.page.get_by_role("grid"), page.page.keyboard
    cell.click()
    page.deliver()
    expect(page.page.locator(".lw-quote mark")).to_have_text(VENDOR)
    expect(page.page.locator(".lw-quote")).to_have_css("direction", "rtl")
    keyboard.press("Escape")
    keyboard.press("ArrowLeft")
    left = grid.locator(".on").bounding_box()
    assert left["x"] < cell.bounding_box()["x"]
    open_tab(page, "Text")
    prose = page.page.locator(".lw-prose")
    expect(prose).to_have_css("direction", "rtl")
    expect(prose).to_have_css("unicode-bidi", "plaintext")
    marks = {each.strip() for each in prose.locator(".lw-sp").all_inner_texts()}
    assert marks == {VENDOR, "INV-2041", "يُدفع خلال 30 يوماً"}
    page.page.get_by_role("button", name="Next text").click()
    page.deliver()
    marks = {each.strip() for each in prose.locator(".lw-sp").all_inner_texts()}
    assert marks == {"株式会社さくら商事", "第２０２６号", "期限は", "四月", "三十日です"}


def test_tables_keep_their_columns_where_that_is_wished(joined: Any) -> None:
    """Fixed width is a switch, kept from tab to tab; the letters of columns move nothing."""
    page = shown(joined)
    open_tab(page, "Text")
    prose = page.page.locator(".lw-prose")
    expect(prose).to_have_css("white-space", "pre-wrap")
    page.page.get_by_role("button", name="Fixed width").click()
    expect(prose).to_have_css("white-space", "pre")
    wide = "each => Math.max(...[...each.querySelectorAll('.lw-who')].map((it) => it.offsetWidth))"
    assert prose.evaluate(wide) == 0
    open_tab(page, "Differences")
    open_tab(page, "Text")
    expect(prose).to_have_css("white-space", "pre")
    page.page.get_by_role("button", name="Fixed width", pressed=True).click()
    expect(prose).to_have_css("white-space", "pre-wrap")


def test_rows_are_as_tall_as_what_is_in_them(joined: Any) -> None:
    """Letters of any size: nothing is cut, nothing lies over anything else."""
    page = shown(joined)
    assert page.page.evaluate(TALL) == ""
    usual = page.page.locator(".lw-grow[data-line]").first.bounding_box()["height"]
    page.listen()
    page.page.add_style_tag(content=LARGE)
    page.page.set_viewport_size({"width": 1000, "height": 900})
    page.page.wait_for_function("lwModel.sent.some((each) => each.type === 'grid.lay')")
    page.deliver()
    page.page.wait_for_function(
        f"document.querySelector('.lw-grow[data-line]').clientHeight > {usual * 1.3}"
    )
    page.page.wait_for_function(f"({TALL})() === ''")


def test_a_label_in_place_of_a_truth_says_what_was(joined: Any) -> None:
    """`2` over a given truth: the cell and the bar say what it was, and Undo takes it back."""
    page = shown(joined)
    page.page.locator(".lw-c.differ", has_text=WRONG).click()
    page.page.keyboard.press("2")
    page.deliver()
    truth = page.page.locator(".lw-t", has_text="changed")
    expect(truth).to_contain_text(f"changed, was {VENDOR}")
    bar = page.page.locator(".lw-labels")
    expect(bar.get_by_role("status")).to_contain_text(f"vendor changed, was {VENDOR}")
    bar.get_by_role("button", name="Undo").click()
    page.deliver()
    expect(truth).to_have_count(0)
    expect(bar).to_have_count(0)


def fits(page: Any) -> None:
    """Nothing is clipped at 640 pixels, and nothing at 320."""
    for width in (336, 656):
        page.page.set_viewport_size({"width": width, "height": 900})
        assert clipped(page.page) == []


def test_on_a_small_screen_nothing_is_clipped(joined: Any, monkeypatch) -> None:
    """Before a run, and every view of what it gave, the widest id of a request among it."""
    monkeypatch.setattr(server, "uuid4", lambda: UUID("0" * 32))
    panel = ComparisonPanel(
        invoices.Schema,
        invoices.texts,
        truth=invoices.truth,
        models="demo",
        store=lw.Store.in_memory(),
    )
    page = joined(panel)
    expect(page.page.get_by_text("and to no other host")).to_be_visible()
    fits(page)
    page.page.locator("button", has_text="calls").last.click()
    page.deliver()
    expect(page.page.locator(".lw-c").first).to_be_visible()
    for tab in ("Differences", "Text", "Scoreboard", "Charts", "Request"):
        open_tab(page, tab)
        fits(page)
        if tab == "Charts":
            expect(page.page.get_by_text("No price is known, so there is no cost")).to_be_visible()
    turns = page.page.get_by_role("list", name="Messages").get_by_role("listitem")
    expect(turns).to_contain_text(["system", "user"])
    page.page.get_by_role("button", name="As JSON").click()
    expect(page.page.locator("pre.lw-code").first).to_contain_text('"messages"')
    page.page.get_by_role("button", name="As JSON", pressed=True).click()
    expect(turns.first).to_be_visible()
