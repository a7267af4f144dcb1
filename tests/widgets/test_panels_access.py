"""Both panels under axe-core, in JupyterLab's light and dark: no violation on any screen."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import pytest

from tests.forms import proposed_words
from tests.jupyterlab import DARK, LIGHT, PATIENCE_MS, WrittenDown
from tests.outcomes import EARLIER, ERRORS, OUTCOMES

pytestmark = pytest.mark.browser

COMPARISON = """import llmwidgets as lw
from llmwidgets.demo import invoices
texts = invoices.texts[:8]
truth = {text["id"]: invoices.truth[text["id"]] for text in texts}
panel = lw.ComparisonPanel(
    invoices.Schema, texts, truth=truth, models="demo", store=lw.Store.in_memory()
)
panel"""
CONNECTIONS = """import llmwidgets as lw
lw.ConnectionPanel(lw.Store.in_memory())"""
DECIDED = """import llmwidgets as lw
from dataclasses import replace
truth = [{"name": f"Ada {number}", "age": number} for number in range(20)]
wrong = [{"name": "Eve", "age": each["age"]} for each in truth]
schema = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
texts = [f"{each['name']} is {each['age']}." for each in truth]
made = lw.Comparison.from_outputs(schema, texts, {"A": truth, "B": wrong}, TRUTH)
shots = lw.Variant("x", examples=[("Eve is 5.", {"name": "Eve"})]).examples
replace(made, variants=tuple(replace(each, examples=shots) for each in made.variants)).explore()"""
# axe passes over what is hidden: where it found fewer rules to try than any screen has, the panel
# was not laid out yet, and it looks again. A theme is put on piece by piece, too: what counts is
# a violation that stays.
RULES_AT_LEAST = 6
OF_COLOUR = ["color-contrast", "link-in-text-block"]
"""What can differ between themes: the markup is the same in both, and is judged once."""
AUDIT = """async (root, [least, runOnly, patience]) => {
  const options = { resultTypes: ["violations"], preload: false };
  if (runOnly) options.runOnly = runOnly;
  const end = performance.now() + patience;
  let found;
  do {
    await new Promise(requestAnimationFrame);
    root.scrollIntoView({ block: "nearest" });
    found = await axe.run(root, options);
  } while ((found.passes.length < least || found.violations.length) && performance.now() < end);
  return [found.passes.length, found.violations.map((each) =>
    `${each.id}: ${each.nodes.map((it) => `${it.target} ${it.failureSummary}`).join(" | ")}`)];
}"""


class Audit:
    """axe-core in the page of a panel; what it finds is kept by screen."""

    def __init__(self, page: Any, panel: Any) -> None:
        self.page, self.panel = page, panel
        self.found: dict[str, list[str]] = {}
        self.themes = [LIGHT, DARK]
        script = resources.files("axe_playwright_python") / "axe.min.js"
        page.browser_page.evaluate(script.read_text("utf-8"))
        # JupyterLab's body hides what overflows it and has no height: axe would take all text
        # for hidden, and judge no contrast.
        page.browser_page.evaluate("document.body.style.height = '100vh'")

    def screen(self, name: str, *, narrow: bool = False) -> None:
        """Look at what is shown now, in both themes, in that first which is there.

        A `narrow` one has the colours of the wide one before it: it is looked at once.
        """
        themes = self.themes[-1:]
        if not narrow:
            self.themes.reverse()
            themes = self.themes
        looks = ((RULES_AT_LEAST, None), (1, OF_COLOUR))
        for theme, (least, rules) in zip(themes, looks, strict=False):
            self.page.theme(theme)
            # Where something was found, the test fails, and nothing more is waited for.
            patience = 0 if self.found else PATIENCE_MS
            passed, violations = self.panel.evaluate(AUDIT, [least, rules, patience])
            assert passed >= least
            if violations:
                self.found[f"{name}, {theme}"] = violations


def opened(lab: Any, page: Any, name: str, cell: str) -> Any:
    lab.notebook(name, [cell])
    page.open(name).run_all()
    panel = page.output()
    panel.locator("header").first.wait_for()
    return panel


def test_every_screen_of_the_comparison_panel_is_accessible(lab, page) -> None:
    """Choices, grid with an open cell and a label, text, scoreboard, charts, request."""
    panel = opened(lab, page, "access.ipynb", COMPARISON)
    panel.get_by_text("and to no other host").wait_for()
    audit = Audit(page, panel)
    panel.get_by_role("button", name="Duplicate column").first.click()
    panel.get_by_text("Instructions, repeats").click()
    audit.screen("choices")
    panel.get_by_role("button", name="Edit a copy").click()
    panel.get_by_text("must invent").wait_for()
    audit.screen("fields")
    panel.get_by_role("button", name="Cancel").click()
    panel.get_by_role("button", name="Remove column").click()
    panel.get_by_role("button", name="Run 32 calls").click()
    grid = panel.get_by_role("grid")
    grid.wait_for()
    panel.get_by_text("druckerei-de").first.wait_for()
    grid.focus()
    keyboard = page.browser_page.keyboard
    keyboard.press("ArrowRight")
    keyboard.press("2")
    keyboard.press("Enter")
    panel.get_by_text("found word for word").first.wait_for()
    panel.get_by_text("1 label made here").wait_for()
    audit.screen("grid")
    for tab, words in [
        ("Text", "solid line: agrees with the truth"),
        ("Scoreboard", "In pairs"),
        ("Charts", "Quality against cost"),
        ("Request", "Secrets are cut."),
    ]:
        panel.get_by_role("tab", name=tab).click()
        panel.get_by_text(words).first.wait_for()
        audit.screen(tab)
    assert audit.found == {}


def test_the_screens_of_the_store_are_accessible(lab, page) -> None:
    """Made with the words proposed, kept, locked, opened after a wrong try."""
    cell = "import llmwidgets as lw\nlw.ConnectionPanel(lw.Store('access'))"
    panel = opened(lab, page, "access-store.ipynb", cell)
    audit = Audit(page, panel)
    panel.get_by_role("button", name="Create the store").click()
    words = proposed_words(panel)
    audit.screen("create")
    panel.get_by_label("Type the six words once").fill(words)
    panel.get_by_role("button", name="Show").click()
    panel.get_by_label("I keep it somewhere other than this computer").check()
    audit.screen("create, ready")
    panel.get_by_role("button", name="Create store").click()
    panel.get_by_role("button", name="Store…").click()
    panel.get_by_role("heading", name="Members").wait_for()
    panel.get_by_role("button", name="Remove recovery").click()
    audit.screen("settings")
    panel.get_by_role("button", name="Lock", exact=True).click()
    panel.get_by_text("Forgotten it?").wait_for()
    panel.get_by_label("Passphrase").fill("another one altogether")
    shown = WrittenDown(panel)
    panel.get_by_role("button", name="Unlock").click()
    shown.has("You can try again in")
    audit.screen("wrong passphrase")
    panel.get_by_role("button", name="Use the recovery identity").click()
    audit.screen("recovery identity")
    assert audit.found == {}


@pytest.mark.parametrize(
    ("truth", "words"), [("truth", "A difference matters"), ("None", "% the same as the others")]
)
def test_a_verdict_and_agreement_are_accessible(lab, page, truth: str, words: str) -> None:
    """What matters, copied values, fields by model; without truth how far models agree."""
    panel = opened(lab, page, f"access-{truth}.ipynb", DECIDED.replace("TRUTH", truth))
    audit = Audit(page, panel)
    panel.get_by_text("copied from example").first.wait_for()
    audit.screen("grid")
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_text(words).first.wait_for()
    panel.get_by_text("% not in the text").wait_for()
    audit.screen("scoreboard")
    panel.get_by_role("tab", name="Charts").click()
    panel.get_by_text("Fields by model").wait_for()
    audit.screen("charts")
    assert audit.found == {}


def test_kinds_of_error_are_accessible(lab, page) -> None:
    """The counts with what opens behind one, by field, and narrow."""
    panel = opened(lab, page, "access-kinds.ipynb", ERRORS)
    audit = Audit(page, panel)
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_role("button", name=re.compile("^other row, llama3.2")).click()
    panel.get_by_role("button", name=re.compile("^Open the row")).first.wait_for()
    audit.screen("by kind")
    page.widen(640)
    audit.screen("narrow", narrow=True)
    panel.get_by_label("Kinds of error by").last.select_option(label="By field, D llama3.2")
    panel.get_by_role("grid", name=re.compile("^Kinds of error by field")).wait_for()
    audit.screen("by field, narrow", narrow=True)
    assert audit.found == {}


def test_earlier_runs_are_accessible(lab, page) -> None:
    """The list, by keyboard alone; two of them compared; what flipped."""
    panel = opened(lab, page, "access-runs.ipynb", EARLIER)
    audit = Audit(page, panel)
    panel.get_by_role("grid").wait_for()
    press = page.browser_page.keyboard.press
    panel.get_by_role("button", name="Earlier runs").focus()
    press("Enter")
    compare = panel.get_by_role("button", name="Compare these two")
    compare.wait_for()
    audit.screen("runs")
    tick = panel.get_by_role("checkbox").nth(2)
    tick.focus()
    press("Space")
    panel.get_by_text("12 texts and 1 model in common.").wait_for()
    press("Space")
    panel.get_by_role("checkbox").nth(0).focus()
    press("Space")
    panel.get_by_text("48 texts and 3 models in common.").wait_for()
    compare.focus()
    press("Enter")
    panel.get_by_role("columnheader", name="To wrong").wait_for()
    audit.screen("compared")
    panel.get_by_role("button", name=re.compile("^Show the")).first.focus()
    press("Enter")
    panel.get_by_role("button", name="Hide").wait_for()
    audit.screen("flips")
    assert audit.found == {}


@pytest.mark.parametrize("name", OUTCOMES)
def test_each_outcome_of_a_verdict_is_accessible(lab, page, name: str) -> None:
    """Scoreboard and charts, wide, and narrow with all columns."""
    panel = opened(lab, page, f"access-{name}.ipynb", OUTCOMES[name])
    audit = Audit(page, panel)
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_text("% not in the text").wait_for()
    panel.get_by_label("By this column").select_option("insurer")
    panel.get_by_role("heading", name="By insurer").wait_for()
    audit.screen("scoreboard")
    page.widen(640)
    panel.get_by_role("button", name="Show 4 more columns").click()
    panel.get_by_role("button", name="Hide 4 columns").wait_for()
    audit.screen("narrow", narrow=True)
    panel.get_by_role("tab", name="Charts").click()
    panel.get_by_text("Fields by model").wait_for()
    audit.screen("charts")
    assert audit.found == {}


def test_the_connection_panel_is_accessible(lab, page) -> None:
    """The list of kinds, an open form, and by keyboard the picture of where its key is found."""
    panel = opened(lab, page, "access-connections.ipynb", CONNECTIONS)
    audit = Audit(page, panel)
    audit.screen("kinds")
    panel.get_by_role("button", name="OpenAI").first.click()
    panel.get_by_label("API key").first.wait_for()
    audit.screen("form")
    panel.locator("summary").get_by_text("Show where this is").locator("..").focus()
    page.browser_page.keyboard.press("Enter")
    panel.get_by_role("img", name="OpenAI: where the API key is made. 1.").wait_for()
    audit.screen("picture")
    assert audit.found == {}
