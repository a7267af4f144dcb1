"""The scoreboard in a real JupyterLab: whatever it has to show, it is read without scrolling."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from llmwidgets.widgets.comparison.scores.kinds_view import AT_ONCE
from tests.jupyterlab import becomes
from tests.outcomes import ERRORS, OUTCOMES, WIDE
from tests.pictures import REPEATED

pytestmark = pytest.mark.browser

_HELD = """each => [...each.querySelectorAll(".lw-scroll")].every(
    (part) => part.scrollWidth <= part.clientWidth)"""
_WHOLE = """each => [...each.querySelectorAll(".lw-scores .m, .lw-byfield button.lw-share")].every(
    (part) => part.scrollWidth <= part.clientWidth && part.scrollHeight <= part.clientHeight + 1)"""
_LINES = """each => { const details = each.querySelector(".lw-details");
    const line = parseFloat(getComputedStyle(details).lineHeight);
    return Math.round(details.clientHeight / line) <= %s; }"""


BOARDS = {**OUTCOMES, **WIDE, "repeated": REPEATED}


@pytest.mark.parametrize("code", BOARDS.values(), ids=BOARDS)
def test_a_scoreboard_fits_and_cuts_nothing_off(lab, page, code: str) -> None:
    """In three lines above and within the panel's width, also narrow; names stand in full."""
    lab.notebook("scoreboard.ipynb", [code])
    page.open("scoreboard.ipynb").run_all()
    panel = page.output()
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_role("heading", name="By field").wait_for()
    panel.locator(".lw-foot").wait_for()
    for width, lines in ((1000, 3), (640, 5)):
        page.widen(width)
        becomes(panel, _HELD)
        becomes(panel, _WHOLE)
        becomes(panel, _LINES % lines)


def test_sparse_truth_leads_with_the_fields_that_hold_a_value(lab, page) -> None:
    """Precision, recall and F1 first; what decides nothing opens behind a link at any width."""
    lab.notebook("sparse.ipynb", [WIDE["sparse"]])
    page.open("sparse.ipynb").run_all()
    panel = page.output()
    panel.get_by_role("tab", name="Scoreboard").click()
    heads = panel.locator(".lw-scores thead th:visible")
    expect(heads.nth(1)).to_contain_text("Precision")
    expect(heads.nth(2)).to_contain_text("Recall")
    expect(heads.nth(3)).to_contain_text("F1")
    panel.get_by_text("precision, recall and F1 count only the fields with a value").wait_for()
    valid = panel.get_by_role("columnheader", name="Valid")
    expect(valid).to_be_hidden()
    # Nothing was called: there are no seconds and no tokens to show.
    panel.get_by_role("button", name="Show 2 more columns").press("Enter")
    expect(valid).to_be_visible()
    # Nothing was called: no reply was timed, and no token counted.
    expect(panel.get_by_role("columnheader", name="Tokens in / out")).to_have_count(0)
    expect(panel.get_by_role("columnheader", name="p50 / p95, s")).to_have_count(0)


def test_a_count_of_a_kind_opens_its_values_and_leads_to_a_row(lab, page) -> None:
    """By the keyboard alone: into the counts, open, more, close, and on to the grid's cell."""
    lab.notebook("kinds.ipynb", [ERRORS])
    page.open("kinds.ipynb").run_all()
    panel = page.output()
    panel.get_by_role("tab", name="Scoreboard").click()
    table = panel.get_by_role("grid", name="Kinds of error by model")
    table.wait_for()
    row = re.compile("^Open the row")
    first = table.get_by_role("button").first
    first.focus()
    first.press("End")
    most = table.get_by_role("button", name=re.compile("^cut, all models"))
    expect(most).to_be_focused()
    most.press("Enter")
    more = panel.get_by_role("button", name=re.compile(r"^\d+ more$"))
    for shown in (AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE):
        expect(panel.get_by_role("button", name=row)).to_have_count(shown)
        more.press("Enter")
    expect(more).to_have_count(0)
    most.press("Escape")
    expect(panel.get_by_role("button", name=row)).to_have_count(0)
    most.press("ArrowDown")
    most.press("ArrowUp")
    unit = table.get_by_role("button", name=re.compile("^unit, llama3.2"))
    unit.press("Enter")
    expect(unit).to_have_attribute("aria-expanded", "true")
    expect(panel.locator(".lw-behind mark").first).to_be_visible()
    way = panel.get_by_role("button", name=row).last
    text, field = re.search(": (.*), (.*)", way.get_attribute("aria-label")).groups()
    way.press("Escape")
    expect(unit).to_be_focused()
    unit.press("Enter")
    panel.get_by_role("button", name=row).last.press("Enter")
    grid = panel.get_by_role("grid")
    expect(grid).to_be_focused()
    expect(panel.get_by_role("searchbox")).to_have_value(f'"{text}"')
    cell = panel.locator(".lw-c.on, .lw-c[aria-selected=true]").first
    expect(cell).to_have_attribute("aria-label", re.compile(f"^{field}, llama3.2"))
    for width in (1000, 640):
        page.widen(width)
        panel.get_by_role("tab", name="Scoreboard").click()
        becomes(
            panel,
            """each => [...each.querySelectorAll(".lw-kinds .lw-scroll")].every(
            (part) => part.scrollWidth <= part.clientWidth)""",
        )


def test_one_slice_is_chosen_by_keyboard_seen_in_the_grid_and_left_again(lab, page) -> None:
    """By a column of the texts; the choice holds in every view."""
    lab.notebook("slices.ipynb", [OUTCOMES["as-good"]])
    page.open("slices.ipynb").run_all()
    panel = page.output()
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_label("By this column").select_option("insurer")
    nordwind = panel.get_by_role("button", name="Nordwind")
    nordwind.press("Enter")
    expect(nordwind).to_have_attribute("aria-pressed", "true")
    expect(nordwind).to_be_focused()
    expect(panel.get_by_label("Show these texts")).to_have_value("0")
    panel.get_by_text("chosen by insurer").wait_for()
    for width in (1000, 640):
        page.widen(width)
        becomes(panel, _HELD)
    page.widen(1000)
    panel.get_by_role("tab", name="Charts").click()
    expect(panel.get_by_role("img", name="Zephyr, 4 texts: too few to tell")).to_be_visible()
    panel.get_by_role("tab", name="Differences").click()
    chip = panel.get_by_role("button", name=re.compile("insurer: Nordwind"))
    expect(panel.locator(".lw-seen")).to_contain_text("of 2")
    panel.get_by_role("button", name="rows disagree").click()
    expect(panel.locator(".lw-seen")).to_contain_text("of 28")
    chip.press("Enter")
    expect(chip).to_have_count(0)
    expect(panel.locator(".lw-seen")).to_contain_text("of 60")


def test_the_static_output_keeps_labels_left_and_figures_right(lab, page) -> None:
    """JupyterLab sets the cells of every output to the right; the style of the output wins."""
    lab.notebook("static.ipynb", [OUTCOMES["as-good"].removesuffix(".explore()")])
    page.open("static.ipynb").run_all()
    shown = page.browser_page.locator(".jp-OutputArea .lw-static")
    for cell, side in (("td:first-child", "left"), ("td.lw-m", "left"), ("td.lw-r", "right")):
        expect(shown.locator(cell).first).to_have_css("text-align", side)
