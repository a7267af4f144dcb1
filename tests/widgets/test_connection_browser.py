"""The connection panel in a real JupyterLab: what is typed, where it goes, how it looks."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


def test_the_panel_shows_in_jupyterlab(lab, page) -> None:
    """The three-cell start: the panel stands there with all seven kinds."""
    lab.notebook("kinds.ipynb", ["import llmwidgets as lw\nlw.ConnectionPanel()"])
    page.open("kinds.ipynb").run_all()
    page.output().get_by_role("button", name="OpenAI, not set up").wait_for()
    page.browser_page.screenshot(path="/tmp/shot.png")
