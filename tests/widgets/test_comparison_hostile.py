"""Script injection: a corpus of payloads through every surface of the comparison panel."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.jupyterlab import becomes

pytestmark = pytest.mark.browser

CORPUS = [
    "<img src=x onerror=window.hacked=1>",
    "<svg onload=window.hacked=1>",
    "</textarea></option></style><script>window.hacked=1</script>",
    "\"'><iframe srcdoc='<script>parent.hacked=1</script>'>",
    "javascript:window.hacked=1",
    "<a href=javascript:window.hacked=1>x</a><details open ontoggle=window.hacked=1>",
    "{{constructor.constructor('window.hacked=1')()}}${window.hacked=1}",
    "&lt;script&gt;window.hacked=1&lt;/script&gt;\\u003cscript\\u003e",
    "<math><mi//xlink:href='data:x,<script>window.hacked=1</script>'>",
    "=HYPERLINK(\"javascript:window.hacked=1\")",
]  # fmt: skip
SHOWN = f"""import llmwidgets as lw
corpus = {CORPUS!r}
schema = {{
    "type": "object", "title": corpus[0],
    "properties": {{each: {{"type": "string", "description": each}} for each in corpus}},
}}
texts = [{{"id": each, "text": each + " and " + corpus[0]}} for each in corpus]
right = [{{each: each for each in corpus}} for _ in corpus]
wrong = [{{each: corpus[n] + "!" for each in corpus}} for n in range(len(corpus))]
failed = [corpus[2]] * len(corpus)
made = lw.Comparison.from_outputs(
    schema, texts, {{corpus[0]: right, corpus[1]: wrong, corpus[3]: failed}}, truth=right
)
made.to_html("hostile.html", values=True)
made.explore()"""
CHOSEN = f"""import llmwidgets as lw
corpus = {CORPUS!r}
schema = {{
    "type": "object", "title": corpus[1],
    "properties": {{
        "amount": {{"type": "number", "description": corpus[0]}}, corpus[2]: {{"enum": corpus}}
    }},
}}
connection = lw.Connection(
    "custom", name="m", label="<img src=x onerror=hacked=1>", api_key="k",
    endpoint="http://127.0.0.1:9/v1",
)
lw.ComparisonPanel(
    schema, [{{"id": each, "text": each}} for each in corpus], store=lw.Store.in_memory(),
    models=[lw.Variant(connection, label=corpus[0], instructions=corpus[2]), corpus[4]],
    instructions=corpus[5],
)"""


def opened(lab: Any, page: Any, name: str, cell: str) -> Any:
    lab.notebook(name, [cell])
    page.open(name).run_all()
    panel = page.output()
    panel.locator("header").first.wait_for()
    return panel


def harmless(page: Any, panel: Any) -> None:
    """Nothing ran, and nothing that could run became part of the page."""
    inside = "img, script, iframe, math, style, [onerror], [onload], [ontoggle], [href^=javascript]"
    expect(panel.locator(inside)).to_have_count(0)
    becomes(panel, "() => window.hacked === undefined")


def test_a_hostile_result_is_shown_and_nothing_runs(lab, page) -> None:
    """Names, values, ids, labels, failures: grid, detail, labels, text, scores, request, report."""
    panel = opened(lab, page, "hostile-result.ipynb", SHOWN)
    grid, keyboard = panel.get_by_role("grid"), page.browser_page.keyboard
    grid.wait_for()
    panel.locator(".lw-c.differ").first.click()
    panel.locator(".lw-detail .lw-ev").wait_for()
    harmless(page, panel)
    keyboard.press("Escape")
    keyboard.press("2")
    panel.get_by_text("1 label made here").wait_for()
    keyboard.press("t")
    keyboard.type(CORPUS[0])
    keyboard.press("Enter")
    panel.get_by_text("2 labels made here").wait_for()
    keyboard.press("3")
    panel.get_by_text("no usable reply").first.wait_for()
    harmless(page, panel)
    for tab in ("Text", "Scoreboard", "Charts", "Request"):
        panel.get_by_role("tab", name=tab).click()
        panel.get_by_text("<img src=x onerror").first.wait_for()
        harmless(page, panel)
    panel.get_by_role("tab", name="Charts").click()
    panel.locator(".lw-whole .lw-sort").last.click()
    panel.locator(".lw-whole tbody td .lw-share").last.click()
    panel.get_by_role("grid", name="Differences").wait_for()
    harmless(page, panel)
    static = page.browser_page.locator(".llmwidgets-static")
    expect(static.locator("script, iframe, [onerror], [onload]")).to_have_count(0)
    report = page.browser_page.context.new_page()
    report.set_content((lab.root / "hostile.html").read_text())
    expect(report.locator("body")).to_contain_text("<img src=x onerror")
    becomes(report.locator("body"), "() => window.hacked === undefined")
    report.close()


def test_hostile_choices_are_shown_and_nothing_runs(lab, page) -> None:
    """Instructions, labels, problems, the schema editor, code to copy, error texts."""
    panel = opened(lab, page, "hostile-choices.ipynb", CHOSEN)
    panel.get_by_text("Instructions, repeats").click()
    panel.get_by_text("javascript:window.hacked=1").first.wait_for()
    harmless(page, panel)
    panel.get_by_role("button", name="Copy as code").click()
    panel.get_by_role("button", name="Close").click()
    panel.get_by_role("button", name="Edit a copy").click()
    panel.get_by_text("A name has letters").first.wait_for()
    harmless(page, panel)
    panel.get_by_text("From an example").click()
    panel.get_by_label("Example").fill(CORPUS[2])
    panel.get_by_role("button", name="Make the rows").click()
    panel.get_by_text("is not valid JSON").wait_for()
    panel.get_by_label("Example").fill('{"<img src=x onerror=window.hacked=1>": "<svg onload=1>"}')
    panel.get_by_role("button", name="Make the rows").click()
    panel.get_by_text("1 row to fix").wait_for()
    harmless(page, panel)
