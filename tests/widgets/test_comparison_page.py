"""The grid of the comparison panel in a page: folds, details, tabs and the way back."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from llmwidgets import Comparison, ComparisonPanel, Store
from llmwidgets.demo import invoices
from tests.jupyterlab import POLL_MS
from tests.pages import clipped

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


def test_what_failed_is_asked_again_from_the_grid(joined) -> None:
    """By the step in the cell, and by the one in its detail."""
    outputs = {"A": [SAID["B"][0]], "B": [None]}
    nobody = Comparison.from_outputs(SCHEMA, TEXTS[:1], outputs, TRUTH[:1])
    page = joined(ComparisonPanel._on(nobody))
    again = page.page.get_by_role("grid").get_by_role("button", name="Ask again")
    again.first.click()
    assert len(page.sent("run.resume")) == 1
    page.deliver()
    page.page.get_by_role("gridcell", name="B: failed").click()
    page.deliver()
    again.last.click()
    assert len(page.sent("run.resume")) == 2


# ---- parts of the panel's code that come when they are needed ------------------------------------

RUNNING = {
    "status": "Stopped", "said": "478 of 1,280 replies kept · 0:04 · 32 paid before · cost unknown",
    "stop": "", "stopping": False, "again": "Start over", "resume": "Resume 802 calls",
    "show": "Show the 478", "note": None, "foot": "", "differences": "", "columns": [],
}  # fmt: skip
FIELDS_SCREEN = {"edition": 1, "types": [], "rows": [], "said": "1", "wrong": "", "warning": ""}


def show(page: Any, screen: str, **state: Any) -> None:
    """Let a state arrive that answers the newest act in the page."""
    message = {"type": "state", "error": None, "screen": screen, **state}
    act = "lwModel.sent.findLast(each => each.act)?.act"
    page.page.evaluate(f"message => {{ lwFromKernel({{ ...message, act: {act} }}, []) }}", message)


def parts(page: Any) -> list[str]:
    """The parts of the code that the page has asked for; one that is long in coming, again."""
    return list(dict.fromkeys(each["part"] for each in page.sent("module")))


def test_a_view_that_is_not_here_yet_says_so_and_may_be_left(page) -> None:
    """Its part is asked for once; who went back to the grid stays there when it comes."""
    page.page.get_by_role("tab", name="Scoreboard").click()
    expect(page.page.get_by_text("Opening the view.")).to_be_visible()
    page.page.get_by_role("tab", name="Charts").click()
    page.page.get_by_role("tab", name="Differences").click()
    page.deliver()
    expect(page.page.get_by_role("grid", name="Differences")).to_be_visible()
    page.page.get_by_role("tab", name="Scoreboard").click()
    page.deliver()
    expect(page.page.locator(".lw-verdict")).to_have_css("font-size", "16px")
    assert parts(page) == ["", "views"]


def test_a_screen_stays_until_the_part_of_the_next_one_is_here(page) -> None:
    """Then the focus leads on, as behind any answer."""
    page.page.get_by_role("button", name="CSV").click()
    page.deliver()
    show(page, "fields", fields=FIELDS_SCREEN)
    expect(page.page.get_by_role("grid", name="Differences")).to_be_visible()
    page.deliver()
    expect(page.page.get_by_role("button", name="Use these fields")).to_be_focused()
    assert parts(page) == ["", "run"]


def test_a_newer_state_does_not_wait_for_the_part_of_an_older_one(page) -> None:
    """What was to be shown meanwhile is not shown any more when its part comes."""
    show(page, "fields", fields=FIELDS_SCREEN)
    page.widget.page.push()
    page.deliver()
    assert parts(page) == ["", "run"]
    expect(page.page.get_by_role("grid", name="Differences")).to_be_visible()
    expect(page.page.get_by_role("heading", name="Fields")).to_have_count(0)


def test_a_part_that_no_kernel_sends_leaves_what_is_shown(page) -> None:
    """The comm ended with its kernel: the page says so, and shows what it has."""
    page.page.evaluate("() => { lwModel.send = () => { throw new Error('closed'); }; }")
    page.page.get_by_role("tab", name="Scoreboard").click()
    expect(page.page.get_by_role("alert")).to_contain_text("The kernel has ended.")
    expect(page.page.locator("header")).to_have_attribute("inert", "")
    expect(page.page.locator(".lw-grid")).to_be_visible()


@pytest.mark.parametrize("status", ["Running", "Stopped"])
def test_the_facts_of_a_run_have_room_where_the_page_is_narrow(page, status) -> None:
    """The steps take a line of their own where both do not fit; nothing stands outside."""
    stop = {"stop": "Stop", "again": "", "resume": "", "show": ""} if status == "Running" else {}
    page.page.set_viewport_size({"width": 656, "height": 900})
    show(page, "running", running={**RUNNING, "status": status, **stop})
    page.deliver()
    facts = page.page.get_by_role("status").filter(has_text="478 of")
    lines = facts.evaluate("each => each.getBoundingClientRect().height / 16")
    assert lines <= 2
    ends = "all => all.map((each) => each.getBoundingClientRect().right)"
    assert max(page.page.locator("header .btn").evaluate_all(ends)) <= 640
    assert clipped(page.page) == []


@pytest.mark.parametrize("width", [620, 800, 880, 1000])
def test_the_step_of_a_part_stands_at_the_right_of_its_title(joined, width) -> None:
    """What there is to know between them takes another line before the step does."""
    page = joined(ComparisonPanel(SCHEMA, TEXTS, truth=TRUTH, store=Store.in_memory()))
    page.page.set_viewport_size({"width": width, "height": 900})
    heads = page.page.locator(".lw-setup .row:has(> h3):has(> .btn)")
    expect(heads).to_have_count(2)
    apart = """all => all.map((each) => {
      const [head, title, step] = [each, each.querySelector("h3"), each.querySelector(".btn")]
        .map((one) => one.getBoundingClientRect());
      return Math.max(head.right - step.right,
        (step.top + step.bottom - title.top - title.bottom) / 2);
    })"""
    assert max(heads.evaluate_all(apart)) <= 9


def test_a_locked_store_is_a_note_over_a_panel_that_works(joined: Any) -> None:
    """Nothing is wrong: no alert, no colour of a failure, and the models of code can be run."""
    Store.create(passphrase="made up words of a test").lock()
    page = joined(ComparisonPanel(SCHEMA, TEXTS[:2], models="demo"))
    note = page.page.get_by_role("note").filter(has_text="The store is locked")
    expect(note.get_by_role("button", name="Open connections")).to_be_visible()
    expect(page.page.locator("[role=alert]:not(:empty)")).to_have_count(0)
    expect(page.page.locator(".tone-fail")).to_have_count(0)
    expect(page.page.get_by_role("button", name="Run 8 calls")).to_be_enabled()


_HELD = """() => {
  const edge = document.querySelector(".lw").getBoundingClientRect().right;
  const out = [...document.querySelectorAll(".lw :is(button, a, input, select, textarea)")]
    .filter((each) => each.offsetWidth && !each.closest(".lw-scroll, .lw-grid"))
    .filter((each) => each.getBoundingClientRect().right > edge);
  const scrolled = [...document.querySelectorAll(".lw-scroll:has(.lw-scores, .lw-pairs)")]
    .filter((each) => each.scrollWidth > each.clientWidth);
  return !out.length && !scrolled.length;
}"""
"""No control stands out of the panel, and no column of the scoreboard is behind a scrollbar."""
WIDTHS = (480, 640, 770, 780, 800, 833, 900, 960, 1400)


@pytest.fixture
def ran(joined: Any) -> Any:
    """The result of a run of the demo's models, with all that a header can have."""
    panel = ComparisonPanel(
        invoices.Schema, invoices.texts, truth=invoices.truth, models="demo",
        store=Store.in_memory(),
    )  # fmt: skip
    joined_page = joined(panel)
    joined_page.page.get_by_role("button", name="Run ").click()
    joined_page.deliver()
    expect(joined_page.page.get_by_role("button", name="Start over")).to_be_attached()
    return joined_page


def test_no_control_stands_out_of_its_panel_at_any_width(ran) -> None:
    """What does not fit is shortened, folded or on a line of its own, in every view."""
    views = ["Differences", "Text", "Scoreboard", "Charts", "Request", "Earlier runs", "Start over"]
    for view in views:
        ran.page.set_viewport_size({"width": 1416, "height": 900})
        role = "tab" if view in views[:5] else "button"
        if view == "Start over":
            ran.page.get_by_role("button", name="Back to the result").click()
            ran.deliver()
        ran.page.get_by_role(role, name=view).click()
        ran.deliver()
        for width in WIDTHS:
            ran.page.set_viewport_size({"width": width + 16, "height": 900})
            ran.deliver()
            ran.page.wait_for_function(_HELD, polling=POLL_MS)
            assert clipped(ran.page) == [], (view, width)


def test_a_header_of_longer_words_takes_a_second_line(ran) -> None:
    """Another font or language: what is right of a tab goes below it, and not out of the panel."""
    ran.page.add_style_tag(content=".lw > header * { letter-spacing: 3px }")
    for width in WIDTHS:
        ran.page.set_viewport_size({"width": width + 16, "height": 900})
        ran.deliver()
        ran.page.wait_for_function(_HELD, polling=POLL_MS)
        assert clipped(ran.page) == [], width


def test_code_is_shown_whole_and_goes_with_its_view(ran) -> None:
    """Also where the view behind it is short; another tab or screen does not keep it."""
    header, code = ran.page.locator(".lw > header"), ran.page.get_by_role("dialog")
    for role, away in (("tab", "Charts"), ("button", "Earlier runs")):
        ran.page.get_by_role("button", name="Copy as code").click()
        ran.deliver()
        expect(code).to_be_visible()
        # As on a screen that has little to show.
        ran.page.add_style_tag(content=".lw-tab > * { display: none !important }")
        panel, sheet, head = (
            each.bounding_box() for each in (ran.page.locator(".lw"), code, header)
        )
        assert sheet["y"] >= head["y"] + head["height"] - 1
        assert sheet["y"] + sheet["height"] < panel["y"] + panel["height"]
        ran.page.get_by_role(role, name=away).click()
        ran.deliver()
        expect(code).to_have_count(0)
    assert ran.page.locator(".lw").evaluate("each => each.style.minHeight") == ""
