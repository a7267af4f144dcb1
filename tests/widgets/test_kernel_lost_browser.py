"""What both panels say once their kernel is gone or out of reach, in a real JupyterLab."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.jupyterlab import CutConnection, LabPage, becomes, listen

pytestmark = pytest.mark.browser

PASSPHRASE = "copper orbit quiz harbor velvet maple"
KEY = "sk-proj-made-up-0004711-3fQz"
STORE = """import llmwidgets as lw
store = lw.Store("acme", path=FOLDER)
if store.exists:
    store.unlock(PASSPHRASE)
else:
    store = lw.Store.create("acme", path=FOLDER, passphrase=PASSPHRASE)
    store.save(lw.Connection("openai", api_key="sk-proj-made-up-0000-81fc"))
lw.ConnectionPanel(store)"""
COMPARISON = """schema = {"type": "object", "properties": {"total": {"type": "number"}}}
outputs = {"A": [{"total": 5}, {"total": 8}]}
truth = [{"total": 5}, {"total": 7}]
lw.Comparison.from_outputs(schema, ["total 5", "total 7"], outputs, truth).explore()"""
MEMORY = "import llmwidgets as lw\nlw.ConnectionPanel(lw.Store.in_memory())"


@pytest.fixture
def other_tab(lab: Any, browser: Any) -> Iterator[LabPage]:
    """A second tab of the browser, with nothing open."""
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    tab = LabPage(lab, context.new_page())
    listen(tab)
    yield tab
    context.close()
    assert not tab.troubles, tab.troubles


def lost(page: LabPage) -> list[Any]:
    """The panels of a page, each of which says that its kernel is gone, and does nothing."""
    panels = [page.output(number) for number in range(2)]
    for panel in panels:
        expect(panel.get_by_role("alert").filter(has_text="Run this cell again")).to_be_visible()
        becomes(panel, "each => each.querySelectorAll(':scope > :not([inert])').length === 1")
        expect(panel).not_to_contain_text("nlocked")
    return panels


def test_a_restart_is_said_in_every_tab_and_run_all_brings_all_back(
    lab, page, other_tab, tmp_path: Path
) -> None:
    """A key that was being typed is taken off the page, and that is said; none was sent."""
    places = {"FOLDER": repr(str(tmp_path / "acme")), "PASSPHRASE": repr(PASSPHRASE)}
    cell = re.sub("FOLDER|PASSPHRASE", lambda found: places[found[0]], STORE)
    lab.notebook("restart.ipynb", [cell, COMPARISON])
    page.open("restart.ipynb").run_all()
    connections = page.output(0)
    connections.get_by_text("Unlocked by passphrase").wait_for()
    page.save()
    other_tab.open("restart.ipynb")
    other_tab.output(0).get_by_text("Unlocked by passphrase").wait_for()
    expect(other_tab.output(1).get_by_role("grid", name="Differences")).to_be_visible()
    connections.get_by_role("button", name="Anthropic").click()
    field = connections.get_by_label("API key")
    field.press_sequentially(KEY)

    page.restart_kernel()
    for tab in (page, other_tab):
        first, second = lost(tab)
        expect(first.get_by_role("alert")).to_contain_text("saved connections are safe")
        expect(second.get_by_role("alert")).to_contain_text("not paid for twice")
    expect(connections.get_by_role("alert")).to_contain_text("its field is emptied")
    expect(connections.locator("[data-secret]")).to_have_value("")

    page.run_all()
    connections.get_by_text("Unlocked by passphrase").wait_for()
    expect(connections.get_by_role("button", name="OpenAI").first).to_be_visible()
    expect(page.output(1).get_by_role("grid", name="Differences")).to_be_visible()
    expect(page.browser_page.locator(".lw-loss")).to_have_count(0)


def test_a_server_that_is_away_is_said_and_what_is_typed_stays(lab, fresh_page) -> None:
    """It goes on where it was, by itself; a kernel that is shut down does not."""
    page = fresh_page
    connection = CutConnection(page)
    lab.notebook("away.ipynb", [MEMORY])
    page.open("away.ipynb").run_all()
    panel = page.output()
    panel.get_by_role("button", name="OpenAI").first.click()
    field = panel.get_by_label("API key")
    field.press_sequentially(KEY)
    connection.cut()
    expect(panel.get_by_role("alert")).to_contain_text("The server does not answer.")
    expect(panel.locator("[data-secret]")).to_have_value(KEY)
    connection.mend()
    expect(panel.locator(".lw-loss")).to_have_count(0)
    expect(field).to_be_focused()
    field.press_sequentially("0")
    field.press("Tab")
    panel.get_by_text("Received, ends in fQz0, not saved yet").wait_for()

    page.browser_page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"
    )
    expect(panel.get_by_role("alert")).to_contain_text("The kernel has ended.")
    expect(panel.get_by_role("alert")).to_contain_text("in memory alone")
