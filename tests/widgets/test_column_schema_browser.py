"""A better description in a real JupyterLab: a column duplicated, described, run, and compared."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.widgets.test_panels_access import Audit

pytestmark = pytest.mark.browser

CELL = """import llmwidgets as lw
from llmwidgets.demo import invoices
panel = lw.ComparisonPanel(
    invoices.Schema, invoices.texts, truth=invoices.truth, models=["demo-careful"],
    store=lw.Store.in_memory(),
)
panel"""


def test_a_description_is_edited_run_and_seen_beside_the_other(lab, page) -> None:
    """Duplicate column → Schema → a description → run → Scoreboard and Request say what differs."""
    lab.notebook("described.ipynb", [CELL])
    page.open("described.ipynb").run_all()
    panel = page.output()
    panel.get_by_role("button", name="Duplicate column").first.click()
    panel.get_by_text("the comparison's").click()
    total = panel.get_by_role("textbox", name="Description of total in column B")
    expect(total).to_have_value("Total amount to pay, with tax")
    total.fill("Net amount of the invoice, without tax")
    total.press("Tab")
    panel.get_by_text("Comparison: Total amount to pay, with tax").wait_for()
    expect(panel.get_by_text("schema: 1 description differs").first).to_be_visible()
    number = panel.get_by_role("textbox", name="Description of number in column B")
    number.fill("Number of the order")
    number.press("Tab")
    expect(panel.get_by_text("schema: 2 descriptions differ").first).to_be_visible()
    audit = Audit(page, panel)
    audit.screen("described")
    panel.get_by_role("button", name="Reset to the comparison's").click()
    expect(total).to_have_value("Total amount to pay, with tax")
    total.fill("Net amount of the invoice, without tax")
    panel.get_by_role("button", name="Run 32 calls").click()
    panel.get_by_role("grid").wait_for()
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_text("schema: 1 description differs").wait_for()
    panel.get_by_role("tab", name="Request").click()
    panel.get_by_text("beside another column's").click()
    diff = panel.locator(".lw-asked .lw-diff")
    expect(diff.locator("del").first).to_have_text("Total")
    expect(diff.locator("ins").first).to_have_text("Net")
    expect(diff).to_contain_text("tax")
    expect(panel.get_by_text("total: description")).to_be_visible()
    panel.get_by_text("same instructions and text; the schemas differ").wait_for()
    audit.screen("request")
    assert audit.found == {}
