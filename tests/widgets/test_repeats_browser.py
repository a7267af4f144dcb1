"""Texts asked several times, in a real JupyterLab: the values behind a cell, repeat by repeat."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.widgets.test_panels_access import Audit, opened

pytestmark = pytest.mark.browser

CLAIMS = """import llmwidgets as lw
days = ["2026-08-03", "2026-08-04", "2026-08-05"]
schema = {"type": "object", "title": "Claim", "properties": {
    "day": {"type": "string", "format": "date"}, "reporter": {"type": "string"}}}
texts = [{"id": f"claim-{n}", "text": f"Jonas Brandt, on {day}."} for n, day in enumerate(days)]
right = [{"day": day, "reporter": "Jonas Brandt"} for day in days]
turned = [{**right[0], "day": "2026-03-08"}, *right[1:]]
lw.Comparison.from_outputs(schema, texts, {
    "luna": [right, right, turned, right, right],
    "llama": [turned, turned, right, turned, [None, *right[1:]]],
}, truth=right, repeats=5).explore()"""


def cell(panel: Any, name: str) -> Any:
    return panel.get_by_role("gridcell", name=name)


def test_the_values_behind_a_cell_are_opened_by_repeat(lab, page) -> None:
    """From the chip of what is unstable to the text and the request of the repeat that differs."""
    panel = opened(lab, page, "repeats.ipynb", CLAIMS)
    audit = Audit(page, panel)
    cell(panel, "day, llama: 2026-03-08, differs").wait_for()
    chip = panel.get_by_role("button", name="unstable 1")
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    luna = cell(panel, "day, luna: 2026-08-03, agrees, in 4 of 5 repeats, others: differs")
    expect(luna).to_contain_text("4 of 5")
    llama = cell(panel, "in 3 of 5 repeats, others: agrees, 1 failed")
    expect(llama).to_contain_text("3 of 5=1 failed")
    luna.click()
    groups = panel.locator(".lw-groups tr")
    expect(groups).to_have_count(2)
    expect(groups.nth(0)).to_contain_text("4 ×2026-08-03")
    third = groups.nth(1).get_by_role("button", name="Repeat 3")
    third.click()
    expect(third).to_have_attribute("aria-pressed", "true")
    panel.get_by_text("2026-03-08 is not in the text.").wait_for()
    audit.screen("grid")
    panel.get_by_role("button", name="Show in text").click()
    repeats = panel.get_by_role("group", name="Repeat", exact=True).get_by_role("button")
    expect(repeats.nth(2)).to_have_attribute("aria-pressed", "true")
    day = panel.get_by_role("option", name="day")
    expect(day).to_contain_text("2026-03-08")
    panel.locator(".lw-doc").focus()
    page.browser_page.keyboard.press("1")
    expect(repeats.nth(0)).to_have_attribute("aria-pressed", "true")
    expect(day).to_contain_text("2026-03-08")  # of llama alone now
    expect(day.locator(".lw-k")).to_have_text(["TA", "B"])
    page.browser_page.keyboard.press("ArrowRight")
    panel.get_by_role("status").get_by_text("claim-1").wait_for()
    audit.screen("text")
    page.browser_page.keyboard.press("Escape")
    panel.get_by_role("button", name="Show request").click()
    expect(panel.locator(".lw-code")).to_contain_text("2026-03-08")
    panel.get_by_role("button", name="4", exact=True).click()
    expect(panel.locator(".lw-code")).to_contain_text("2026-08-03")
    audit.screen("request")
    assert audit.found == {}


def test_stability_by_field_leads_to_the_unstable_rows(lab, page) -> None:
    panel = opened(lab, page, "stability.ipynb", CLAIMS)
    cell(panel, "day, llama: 2026-03-08, differs").wait_for()
    audit = Audit(page, panel)
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_text("Stability, the % of pairs of repeats that say the same").wait_for()
    panel.get_by_role("tab", name="Charts").click()
    table = panel.get_by_role("grid", name="% of pairs of repeats that say the same")
    expect(table.get_by_role("row").nth(1)).to_contain_text("day")
    audit.screen("charts")
    table.get_by_role("button", name="day, luna", exact=False).click()
    cell(panel, "day, luna: 2026-08-03, agrees").wait_for()
    expect(panel.get_by_role("button", name="unstable 1")).to_have_attribute("aria-pressed", "true")
    expect(panel.locator(".lw-c")).to_have_count(2)
    panel.get_by_role("grid").focus()
    # A key takes what most repeats say.
    page.browser_page.keyboard.press("2")
    panel.get_by_text("1 label made here").wait_for()
    cell(panel, "2026-03-08, agrees, not in the text, in 3 of 5 repeats").wait_for()
    assert audit.found == {}
