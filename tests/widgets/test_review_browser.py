"""What to label first, in a real JupyterLab: from the scoreboard into the order of review."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.jupyterlab import becomes
from tests.outcomes import OUTCOMES
from tests.widgets.test_panels_access import Audit, opened

pytestmark = pytest.mark.browser


def rows(panel: Any) -> list[str]:
    """The rows in sight, each with its field and its text."""
    return panel.locator(".lw-block .lw-f").all_inner_texts()


def rows_are(panel: Any, condition: str) -> None:
    """Wait until this holds for the rows in sight."""
    read = '[...each.querySelectorAll(".lw-block .lw-f")].map((row) => row.innerText)'
    becomes(panel, f"each => {{ const rows = {read}; return {condition}; }}")


def test_values_are_labelled_by_keys_in_the_order_of_review(lab, page) -> None:
    """Scoreboard, *Choose which first*, three labels, *Order again*: no row moves before that."""
    panel = opened(lab, page, "review.ipynb", OUTCOMES["not-enough"])
    audit = Audit(page, panel)
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_role("button", name="Choose which first").click()
    panel.get_by_text("Review: the 20 most doubtful values").wait_for()
    panel.get_by_text("learned from 12 texts with truth").wait_for()
    grid, keyboard = panel.get_by_role("grid"), page.browser_page.keyboard
    expect(grid).to_be_focused()
    rows_are(panel, "rows.length >= 8")
    first = rows(panel)
    active = panel.locator(".lw-block .lw-c.on")
    again = panel.get_by_role("button", name="Order again")
    expect(again).to_have_attribute("aria-disabled", "true")
    for n, (key, said) in enumerate([("1", "set with key 1"), ("0", "set with key 0")]):
        keyboard.press(key)
        expect(panel.locator(f'[data-block="{n}"] .lw-t')).to_contain_text(said)
        expect(active).to_have_attribute("data-at", f"{n + 1} 0 2")
    keyboard.press("t")
    keyboard.type("typed by hand")
    keyboard.press("Enter")
    third = panel.locator('[data-block="2"] .lw-t')
    expect(third).to_contain_text("typed by hand")
    expect(third).to_contain_text("typed here")
    expect(active).to_have_attribute("data-at", "3 0 2")
    expect(grid).to_be_focused()
    panel.get_by_text("3 labels made here").wait_for()
    rows_are(panel, f"String(rows.slice(0, 8)) === String({json.dumps(first[:8])})")
    audit.screen("review")
    page.widen(640)
    audit.screen("review, narrow", narrow=True)
    page.widen(1000)
    # Read the text, and come back to the same row of the same order.
    grid.press("Enter")
    panel.get_by_role("button", name="Show in text").click()
    panel.locator(".lw-doc").wait_for()
    panel.locator(".lw-doc").focus()
    keyboard.press("Escape")
    expect(active).to_have_attribute("data-at", "3 0 2")
    keyboard.press("Escape")
    rows_are(panel, f"String(rows.slice(0, 8)) === String({json.dumps(first[:8])})")
    again.click()
    panel.get_by_text("learned from 15 texts with truth").wait_for()
    expect(again).to_have_attribute("aria-disabled", "true")
    expect(grid).to_be_focused()
    rows_are(panel, f"!{json.dumps(first[:3])}.some((row) => rows.includes(row))")
    # The line below opens the next rows; the first of them is the active one.
    keyboard.press("Control+End")
    keyboard.press("Enter")
    panel.get_by_text("Review: the 40 most doubtful values").wait_for()
    expect(active).to_have_attribute("data-at", "20 0 2")
    panel.get_by_label("Order").select_option("loud")
    panel.locator(".lw-group").first.wait_for()
    expect(panel.get_by_label("Order")).to_be_focused()
    assert audit.found == {}
