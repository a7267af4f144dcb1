"""The comparison panel in a real JupyterLab: worked by mouse and keyboard, saved and reopened."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.jupyterlab import becomes
from tests.outcomes import OUTCOMES

pytestmark = pytest.mark.browser

DEMO = """import llmwidgets as lw
from llmwidgets.demo import invoices
texts = invoices.texts[:8]
truth = {text["id"]: invoices.truth[text["id"]] for text in texts}
panel = lw.ComparisonPanel(
    invoices.Schema, texts, truth=truth, models="demo", store=lw.Store.in_memory()
)
panel"""
SCORED = """import llmwidgets as lw
names = [f"Ada {number}" for number in range(40)]
truth = [{"name": name, "age": 30 + at, "city": "Ulm"} for at, name in enumerate(names)]
wrong = [{**each, "name": "Bob" if at % 2 else each["name"]} for at, each in enumerate(truth)]
near = [{**each, "age": 1 if at in (3, 30) else each["age"]} for at, each in enumerate(truth)]
schema = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"},
    "city": {"type": "string"}}}
texts = [f"{name} of Ulm is {30 + at}." for at, name in enumerate(names)]
lw.Comparison.from_outputs(schema, texts, {"A": truth, "B": wrong, "C": near}, truth).explore()"""
BY_HAND = """from llmwidgets.widgets.comparison import grid
grid.FIRST_SECONDS = 3600.0  # the kernel reads no more than the first texts by itself
"""
MARKERS = ("Larkfield Joinery", "LJ-20417", "Oak reception desk")
MANY = """import llmwidgets as lw
texts = [f"The name is Ada {number}." for number in range(2000)]
schema = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
right = [{"name": f"Ada {number}"} for number in range(2000)]
made = lw.Comparison.from_outputs(
    schema, texts, {"A": right, "B": [{"name": "Bob", "age": 1}] * 2000}, truth=right
)
made.explore()"""


def opened(lab: Any, page: Any, name: str, cell: str) -> Any:
    lab.notebook(name, [cell])
    page.open(name).run_all()
    panel = page.output()
    panel.locator("header").first.wait_for()
    return panel


def run(panel: Any) -> None:
    panel.get_by_role("button", name="Run 32 calls").click()
    panel.get_by_role("grid").wait_for()


def test_a_comparison_is_run_read_saved_and_reopened(lab, page) -> None:
    """Tick, run, read; the saved notebook holds the verdict and no text, and shows it alone."""
    panel = opened(lab, page, "run.ipynb", DEMO)
    panel.get_by_text("and to no other host").wait_for()
    run(panel)
    panel.get_by_text("druckerei-de").first.wait_for()
    # The pressed button is gone; the focus went on to what leads on, not to the notebook.
    becomes(panel, "each => each.contains(document.activeElement)")
    for tab, words in [
        ("Text", "solid line: agrees with the truth"),
        ("Scoreboard", "In pairs"),
        ("Charts", "Quality against cost"),
        ("Request", "Secrets are cut."),
    ]:
        panel.get_by_role("tab", name=tab).click()
        panel.get_by_text(words).first.wait_for()
    page.static("Not enough texts to tell")
    expect(page.browser_page.locator(".llmwidgets-static").first).to_be_hidden()
    notebook = page.save()
    outputs = notebook["cells"][0]["outputs"]
    assert [sorted(each["data"]) for each in outputs] == [
        ["application/vnd.jupyter.widget-view+json", "text/plain"], ["text/html"]
    ]  # fmt: skip
    static = "".join(outputs[1]["data"]["text/html"])
    assert "Not enough texts to tell" in static
    assert len(static.encode()) < 60_000
    kept = json.dumps(notebook["metadata"])
    assert '"widgets"' in kept
    assert len(kept) < 70_000
    for marker in MARKERS:
        assert marker not in json.dumps(notebook)
        told = [each.encode() if isinstance(each, str) else each for each in page.frames]
        assert any(marker.encode() in each for each in told)
    page.open("run.ipynb")
    alone = page.browser_page.locator(".llmwidgets-static")
    alone.wait_for()
    expect(alone).to_contain_text("Not enough texts to tell")


def active(grid: Any, words: str) -> None:
    """Wait until the active cell is the one whose name begins with these words."""
    becomes(
        grid,
        "each => { const it = document.getElementById(each.getAttribute('aria-activedescendant'));"
        f" return (it?.getAttribute('aria-label') || it?.textContent || '').startsWith("
        f"{json.dumps(words)}); }}",
    )


def test_scores_looked_at_early_say_when_all_is_read(lab, page) -> None:
    """The scoreboard clicked while texts are still read: the sentence about that goes away."""
    panel = opened(lab, page, "early.ipynb", f"{BY_HAND}{SCORED}")
    panel.get_by_text("10 of 40 texts read.").wait_for()
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_role("cell", name="100.0", exact=True).first.wait_for()
    expect(panel.get_by_text("texts read.")).to_have_count(0)


def test_the_grid_is_worked_by_keyboard(lab, page) -> None:
    """One tab stop, arrows, Enter opens, Escape closes and stays; `/` searches; states are said."""
    panel = opened(lab, page, "keys.ipynb", DEMO)
    run(panel)
    grid, keyboard = panel.get_by_role("grid"), page.browser_page.keyboard
    panel.get_by_text("druckerei-de").first.wait_for()
    expect(panel.locator(".lw-grid [tabindex='0']")).to_have_count(0)
    panel.get_by_role("searchbox", name="Search values").fill("druckerei-de")
    expect(panel.locator(".lw-block .lw-group")).to_have_count(1)
    grid.focus()
    active(grid, "number, demo-careful: R-2025/0318, agrees, truth R-2025/0318")
    keyboard.press("ArrowRight")
    active(grid, "number, demo-quick: 29999, differs, truth R-2025/0318")
    keyboard.press("Enter")
    panel.get_by_text("found word for word").first.wait_for()
    expect(panel.locator(".lw-detail mark")).to_have_text("29999")
    keyboard.press("Escape")
    panel.locator(".lw-detail").wait_for(state="detached")
    active(grid, "number, demo-quick: 29999, differs, truth R-2025/0318")
    keyboard.press("Home")
    active(grid, "number")
    keyboard.press("Control+End")
    grid.locator(".on").wait_for()
    keyboard.press("PageUp")
    keyboard.press("Control+Home")
    active(grid, "Text druckerei-de, 12 of 16 fields disagree")
    keyboard.press("Enter")
    panel.get_by_role("tab", name="Text", selected=True).wait_for()
    panel.locator(".lw-doc").wait_for()
    panel.locator(".lw-doc").focus()
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    expect(panel.locator(".lw-field.on")).to_have_count(1)
    keyboard.press("ArrowRight")
    panel.get_by_role("status").filter(has_text="traiteur-fr").wait_for()
    keyboard.press("Escape")
    panel.get_by_role("grid").wait_for()
    keyboard.press("/")
    expect(panel.get_by_role("searchbox", name="Search values")).to_be_focused()
    expect(page.browser_page.locator(".jp-Notebook.jp-mod-editMode")).to_have_count(0)


def test_filters_narrow_and_the_empty_grid_leads_on(lab, page) -> None:
    """A search without a hit says so and can be cleared; a chip shows its state only."""
    panel = opened(lab, page, "filters.ipynb", DEMO)
    run(panel)
    search = panel.get_by_role("searchbox", name="Search values")
    search.fill("no such value")
    panel.get_by_text("No row matches the search").wait_for()
    panel.get_by_role("button", name="Clear search").click()
    panel.get_by_text("druckerei-de").first.wait_for()
    panel.get_by_role("button", name="invented").click()
    other = ".lw-block .lw-grow:has(.lw-c):not(:has(.lw-c.invented))"
    panel.locator(other).first.wait_for(state="detached")
    expect(panel.locator(".lw-c.invented")).to_have_count(4)


def test_thousands_of_texts_draw_only_what_is_in_sight(lab, page) -> None:
    """2,000 texts: the page holds a few hundred nodes, the end is a key away, order holds."""
    panel = opened(lab, page, "many.ipynb", MANY)
    grid = panel.get_by_role("grid")
    grid.wait_for()
    panel.get_by_text("of 2000 texts are read").wait_for(state="detached")
    panel.get_by_text("of 2000 with a disagreement").wait_for()
    becomes(panel, "each => each.querySelectorAll('*').length < 3000")
    becomes(grid, "each => each.scrollHeight > 2000 * 60")
    grid.focus()
    page.browser_page.keyboard.press("Control+End")
    panel.get_by_text("text-2000", exact=True).wait_for()
    becomes(
        grid,
        "each => [...each.querySelectorAll('.lw-block')].every((it, n, all) =>"
        " !all[n + 1] || it.offsetTop + it.offsetHeight === all[n + 1].offsetTop)",
    )


def test_a_report_and_a_table_come_as_files(lab, page) -> None:
    """CSV at once; HTML asks whether values go in."""
    panel = opened(lab, page, "files.ipynb", DEMO)
    run(panel)
    with page.browser_page.expect_download() as table:
        panel.get_by_role("button", name="CSV").click()
    assert table.value.suggested_filename == "comparison.csv"
    panel.get_by_role("button", name="HTML").click()
    with page.browser_page.expect_download() as report:
        panel.get_by_role("button", name="Without values").click()
    content = report.value.path().read_text()
    assert "Not enough texts to tell" in content
    assert MARKERS[1] not in content


def test_models_are_connected_inside_the_panel(lab, page) -> None:
    """Nothing connected: the connection panel opens inside, and what it connects can be ticked."""
    cell = DEMO.replace('models="demo", ', "")
    panel = opened(lab, page, "connect.ipynb", cell)
    panel = page.browser_page.locator(".lw-comparison").last
    panel.get_by_role("button", name="Open connections").click()
    inside = panel.locator(".lw-embed .lw")
    inside.get_by_role("button", name="Use the demo server, no key needed").click()
    panel.get_by_role("checkbox", name="demo-careful").check()
    panel.get_by_role("button", name="Done").click()
    panel.get_by_role("button", name="Run 8 calls").wait_for()


def test_a_panel_looks_the_same_beside_others(lab, page) -> None:
    """Each panel brings a style sheet: one that is drawn later changes nothing of those before."""
    look = """panel => [...panel.querySelectorAll('*')].map((each) => {
        const { display, padding, font, width } = getComputedStyle(each);
        return [each.nodeName, each.className, display, padding, font, width].join(' ');
    })"""
    panel = opened(lab, page, "alone.ipynb", DEMO)
    panel.get_by_text("and to no other host").wait_for()
    alone = panel.evaluate(look)
    lab.notebook("beside.ipynb", [DEMO, "lw.ConnectionPanel(lw.Store.in_memory())"])
    page.open("beside.ipynb").run_all()
    page.output(1).locator("header").first.wait_for()
    page.output(0).get_by_text("and to no other host").wait_for()
    same = f"each => JSON.stringify(({look})(each)) === JSON.stringify({json.dumps(alone)})"
    becomes(page.output(0), same)


def test_in_a_narrow_cell_the_columns_stack_and_agreement_is_a_sign(lab, page) -> None:
    """At 640 pixels nothing is cut off: setup in one column, agreeing cells show only `=`."""
    panel = opened(lab, page, "narrow.ipynb", DEMO)
    panel.get_by_text("and to no other host").wait_for()
    page.widen(640)
    becomes(
        panel,
        "each => new Set([...each.querySelectorAll('.lw-setup h3')]"
        ".map((it) => it.getBoundingClientRect().left)).size === 1",
    )
    run(panel)
    panel.locator(".lw-c.agree").first.wait_for()
    expect(panel.locator(".lw-c.agree .lw-v").first).to_have_css("font-size", "0px")
    becomes(panel, "each => each.scrollWidth === each.clientWidth")


def test_what_matters_is_typed_and_the_sentences_follow(lab, page) -> None:
    """A number beside the verdict; what is no number is said; the focus stays in the field."""
    panel = opened(lab, page, "matters.ipynb", SCORED)
    panel.get_by_role("tab", name="Scoreboard").click()
    field = panel.get_by_label("A difference matters from, fields in 100")
    field.wait_for()
    field.fill("0.5")
    field.press("Enter")
    panel.get_by_text("would show a difference of 0.5 in 100, four times in five").wait_for()
    panel.get_by_text("too few texts to tell within 0.5").wait_for()
    expect(field).to_be_focused()
    field.fill("0")
    field.press("Enter")
    panel.get_by_role("alert").get_by_text("not a number from 0.1 to 50").wait_for()
    field.fill("30")
    field.press("Enter")
    panel.get_by_text("within 30 of the best").wait_for()
    expect(panel.get_by_text("too few texts to tell")).to_have_count(0)


def test_a_verdict_is_read_and_acted_on_by_keyboard(lab, page) -> None:
    """Not enough texts: the step that leads on shows the texts without truth, ready to label."""
    panel = opened(lab, page, "outcome.ipynb", OUTCOMES["not-enough"])
    keyboard = page.browser_page.keyboard
    panel.get_by_role("tab", name="Scoreboard").focus()
    keyboard.press("Enter")
    expect(panel.locator(".lw-verdict")).to_have_text(
        "Not enough texts to tell: gemini-3.8-flash leads."
    )
    expect(panel.locator(".lw-rec")).to_have_count(0)
    more = panel.get_by_role("button", name="Label more texts")
    for _ in range(10):
        if more.evaluate("each => each === each.getRootNode().activeElement"):
            break
        keyboard.press("Tab")
    expect(more).to_be_focused()
    keyboard.press("Enter")
    grid = panel.get_by_role("grid", name="Differences")
    expect(grid).to_be_focused()
    panel.get_by_text("of 48 without truth").wait_for()
    first = panel.locator(".lw-block .lw-group").first
    expect(first).to_contain_text(re.compile(r"claim-(1[3-9]|[2-6]\d)"))
    pressed = panel.get_by_role("button", name="48 texts without truth")
    expect(pressed).to_have_attribute("aria-pressed", "true")
    keyboard.press("ArrowRight")
    keyboard.press("1")
    panel.get_by_text("1 label made here").wait_for()
    panel.get_by_role("button", name="47 texts without truth").wait_for()


def test_a_narrow_scoreboard_folds_what_decides_nothing(lab, page) -> None:
    """At 640 pixels nothing is cut off; the other columns stand behind a link."""
    panel = opened(lab, page, "outcome-narrow.ipynb", OUTCOMES["as-good"])
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_text("% not in the text").wait_for()
    page.widen(640)
    valid = panel.get_by_role("columnheader", name="Valid")
    expect(valid).to_be_hidden()
    becomes(panel, "each => { const s = each.querySelector('.lw-scroll'); "
        "return s.scrollWidth <= s.clientWidth; }")  # fmt: skip
    panel.get_by_role("button", name="Show 4 more columns").press("Enter")
    expect(valid).to_be_visible()
    best = panel.locator("tr.best")
    expect(best).to_have_count(1)
    expect(best).to_contain_text("gpt-6-luna")
    expect(best).to_contain_text("recommended")
    page.widen(1000)
    expect(valid).to_be_visible()


def test_fields_by_model_are_sorted_and_lead_to_their_rows_by_keyboard(lab, page) -> None:
    """One tab stop; arrows move; Enter on a head sorts, on a cell opens its rows in the grid."""
    panel = opened(lab, page, "fields.ipynb", SCORED)
    keyboard = page.browser_page.keyboard
    panel.get_by_role("tab", name="Charts").click()
    table = panel.get_by_role("grid", name="% right by field and model")
    table.wait_for()
    expect(table.locator("button[tabindex='0']")).to_have_count(1)
    names, focused = expect(table.locator("tbody th")), expect(panel.locator(":focus"))
    names.to_have_text(["name", "age", "city"])
    table.locator("button[tabindex='0']").focus()
    focused.to_have_attribute("aria-label", "name: show its rows")
    keyboard.press("ArrowUp")
    focused.to_have_attribute("aria-label", "Field, sort")
    keyboard.press("Enter")
    names.to_have_text(["age", "city", "name"])
    head = table.get_by_role("columnheader").first
    expect(head).to_have_attribute("aria-sort", "ascending")
    keyboard.press("Enter")
    names.to_have_text(["name", "city", "age"])
    keyboard.press("End")
    focused.to_have_attribute("aria-label", "B, sort")
    keyboard.press("Enter")
    names.to_have_text(["name", "age", "city"])
    keyboard.press("ArrowDown")
    focused.to_have_attribute("aria-label", "name, B: % right, 50.0, of 40 counted. Show its rows")
    panel.get_by_label("Measure").select_option("recall")
    panel.get_by_role("grid", name="Recall, % by field and model").wait_for()
    panel.get_by_role("button", name="name, B: Recall").focus()
    keyboard.press("Enter")
    grid = panel.get_by_role("grid", name="Differences")
    panel.get_by_text("of 20 with a disagreement").wait_for()
    expect(panel.get_by_label("Field", exact=True)).to_have_value("name")
    expect(grid).to_be_focused()
    active(grid, "name, B: Bob, differs, not in the text, truth Ada")
    panel.get_by_role("tab", name="Charts").click()
    panel.get_by_role("button", name="city, A: Recall").click()
    panel.get_by_text("of 40").first.wait_for()
    expect(panel.locator(".lw-c.differ")).to_have_count(0)


def test_the_detail_of_a_cell_at_the_lower_edge_comes_into_sight(lab, page) -> None:
    """Enter on the last row that is seen: what opens below it is seen too."""
    panel = opened(lab, page, "low.ipynb", DEMO)
    run(panel)
    grid = panel.get_by_role("grid")
    grid.get_by_text("druckerei-de").wait_for()
    grid.focus()
    for _ in range(19):
        page.browser_page.keyboard.press("ArrowDown")
    page.browser_page.keyboard.press("Enter")
    panel.locator(".lw-detail").get_by_role("button", name="Show in text").wait_for()
    becomes(
        grid,
        "each => each.querySelector('.lw-detail').getBoundingClientRect().bottom"
        " <= each.getBoundingClientRect().bottom + 1",
    )
