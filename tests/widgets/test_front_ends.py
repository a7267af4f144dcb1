"""Front ends beside JupyterLab, in a real Chromium: Notebook 7, Voila and marimo.

The servers start side by side, and each is waited for where it is asked. What nbconvert shows is in
`tests/comparison/test_notebook.py`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.jupyterlab import (
    JUPYTER,
    READY,
    WINDOW,
    Lab,
    LabPage,
    await_answer,
    becomes,
    launch,
    listen,
)

pytestmark = pytest.mark.browser

CELLS = [
    "import llmwidgets as lw\nfrom llmwidgets.demo import invoices\n"
    "lw.ConnectionPanel(lw.Store.in_memory())",
    "lw.ComparisonPanel(invoices.Schema, invoices.texts, truth=invoices.truth, models='demo',"
    " store=lw.Store.in_memory())",
]
MARIMO = """import marimo
app = marimo.App()

@app.cell
def _():
    import marimo as mo
    import llmwidgets as lw
    from llmwidgets.demo import invoices
    return invoices, lw, mo

@app.cell
def _(lw, mo):
    mo.ui.anywidget(lw.ConnectionPanel(lw.Store.in_memory()))
    return

@app.cell
def _(invoices, lw):
    lw.ComparisonPanel(
        invoices.Schema, invoices.texts, truth=invoices.truth, models="demo",
        store=lw.Store.in_memory(),
    )
    return
"""
COMMANDS = {
    "notebook": ["notebook", *JUPYTER],
    "voila": ["voila", "panels.ipynb", "--no-browser", "--Voila.ip=127.0.0.1", "--port={port}"],
    "marimo": [
        "marimo", "run", "panels.py", "--headless", "--host=127.0.0.1", "--port={port}",
        "--no-token",
    ],
}  # fmt: skip
ANSWERS = {
    "notebook": "/api/status?token={token}", "voila": "/voila/static/voila.js", "marimo": "/health",
}  # fmt: skip
"""What a server is asked until it answers: no page of it, which would run the notebook."""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[dict[str, Lab]]:
    """The server of each front end, started beside the others and not waited for."""
    running = {}
    for name, command in COMMANDS.items():
        home = tmp_path_factory.mktemp(name)
        folder = home / "notebooks"
        folder.mkdir()
        write_notebook(folder / "panels.ipynb")
        (folder / "panels.py").write_text(MARIMO)
        running[name] = launch(home, chromium, command)
    yield running
    for each in running.values():
        each.process.terminate()
    for each in running.values():
        try:
            each.process.wait(20)
        except subprocess.TimeoutExpired:
            each.process.kill()
            each.process.wait()


@pytest.fixture
def visit(started: dict[str, Lab], browser: Any) -> Iterator[Callable[[str, str], LabPage]]:
    """`visit("voila", "/")`: a page of a front end, whose server answers by then."""
    pages = []

    def visited(name: str, path: str) -> LabPage:
        server = started[name]
        await_answer(server, ANSWERS[name])
        opened = LabPage(server, browser.new_context(viewport=WINDOW).new_page(), "panels.ipynb")
        pages.append(opened)
        listen(opened)
        opened.browser_page.goto(server.url + path.format(token=server.token))
        return opened

    yield visited
    for each in pages:
        each.browser_page.context.close()


def write_notebook(path: Path) -> None:
    cells = [nbformat.v4.new_code_cell(each, id=f"cell-{at}") for at, each in enumerate(CELLS)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(book, path)


def open_form(page: Page) -> None:
    """The connection panel answers: a kind is opened, and its form has a field for the key."""
    page.get_by_role("button", name="OpenAI").first.click()
    page.get_by_label("API key").first.wait_for()


def run_demo(page: Page) -> Any:
    """Press *Run* by the keyboard, and wait for a value of the grid."""
    page.get_by_role("button", name="Run 64 calls").press("Enter")
    page.get_by_text("druckerei-de").first.wait_for()
    return page.get_by_role("grid")


def test_notebook_7_runs_the_demo_by_keyboard(visit) -> None:
    """The panel keeps its keys: `d d`, which deletes a cell in Notebook, deletes none."""
    opened = visit("notebook", "/notebooks/panels.ipynb?token={token}")
    page = opened.browser_page
    page.wait_for_function(READY)
    opened.run_all()
    open_form(page)
    grid = run_demo(page)
    opened.static("demo-careful is better than")  # all is read, and no row moves any more
    grid.focus()
    for key in ("ArrowDown", "ArrowRight", "d", "d", "Enter"):
        page.keyboard.press(key)
    page.locator(".lw-detail").wait_for()
    page.keyboard.press("Escape")
    page.locator(".lw-detail").wait_for(state="detached")
    becomes(grid, "each => each === document.activeElement")
    expect(page.locator(".jp-OutputArea .lw")).to_have_count(2)
    assert not opened.troubles, opened.troubles


def test_voila_shows_both_panels(visit) -> None:
    page = visit("voila", "/").browser_page
    open_form(page)
    run_demo(page)


def test_marimo_shows_both_panels(visit) -> None:
    """The one in `mo.ui.anywidget`, the other bare."""
    page = visit("marimo", "/").browser_page
    open_form(page)
    run_demo(page)
