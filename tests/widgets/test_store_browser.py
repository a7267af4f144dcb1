"""The store in a real JupyterLab: made, locked, opened again, by hand and by keyboard alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.forms import proposed_words
from tests.jupyterlab import WrittenDown

pytestmark = pytest.mark.browser


def opened(lab: Any, page: Any, organization: str) -> Any:
    cell = f"import llmwidgets as lw\nlw.ConnectionPanel(lw.Store({organization!r}))"
    lab.notebook(f"{organization}.ipynb", [cell])
    page.open(f"{organization}.ipynb").run_all()
    panel = page.output()
    panel.get_by_role("heading", name="Connections").wait_for()
    return panel


def test_a_store_is_made_kept_and_opened_again(lab, page, tmp_path: Path) -> None:
    """Words typed, recovery page saved; a wrong passphrase waits; the page's identity opens."""
    panel = opened(lab, page, "browser-acme")
    panel.get_by_role("button", name="Create the store").click()
    words = proposed_words(panel)
    create = panel.get_by_role("button", name="Create store")
    panel.get_by_text("Missing: the six words and the tick in step 2.").wait_for()
    field = panel.get_by_label("Type the six words once")
    field.fill(" ".join(words.split()[:5]))
    panel.get_by_text("So that you know you have them: 5 of 6.").wait_for()
    panel.get_by_text("Missing: the last word and the tick in step 2.").wait_for()
    field.fill(words)
    with page.browser_page.expect_download() as waiting:
        panel.get_by_role("button", name="Save recovery page").click()
    saved = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(saved)
    assert saved.name == "recovery-browser-acme.html"
    recovery = saved.read_text().split("<pre>")[1].split("</pre>")[0]
    expect(create).to_have_attribute("aria-disabled", "true")
    panel.get_by_label("I keep it somewhere other than this computer").check()
    create.click()
    panel.get_by_text("Unlocked by passphrase · locks after 60 min idle").wait_for()

    panel.get_by_role("button", name="Lock", exact=True).click()
    passphrase = panel.get_by_label("Passphrase")
    passphrase.fill("not the words of this store")
    shown = WrittenDown(panel)
    passphrase.press("Enter")
    shown.has("You can try again in")
    expect(passphrase).to_have_value("")
    panel.get_by_role("button", name="Use the recovery identity").click()
    panel.locator("button:not([aria-disabled])", has_text="Unlock").wait_for()
    panel.get_by_label("Recovery identity").fill(recovery)
    panel.get_by_role("button", name="Unlock").click()
    panel.get_by_text("choose a new passphrase now").wait_for()
    panel.get_by_label("New passphrase").fill("ravo kimu teda solu bipo nafe")
    panel.get_by_label("The same again").fill("ravo kimu teda solu bipo nafo")
    panel.get_by_role("button", name="Change passphrase").click()
    panel.get_by_text("The two are not the same.").wait_for()
    panel.get_by_label("New passphrase").fill("ravo kimu teda solu bipo nafe")
    panel.get_by_label("The same again").fill("ravo kimu teda solu bipo nafe")
    panel.get_by_role("button", name="Change passphrase").click()
    panel.get_by_text("The passphrase is changed").wait_for()
    assert not page.troubles


def test_another_organization_is_opened_by_keyboard(lab, page) -> None:
    """The menu in the header, a new name, and back, without a mouse."""
    panel = opened(lab, page, "browser-hub")
    menu = panel.get_by_label("Organization", exact=True)
    menu.focus()
    menu.select_option(label="New organization…")
    keyboard = page.browser_page.keyboard
    panel.locator("input:focus").wait_for()
    keyboard.type("browser-second")
    keyboard.press("Enter")
    expect(menu).to_have_value("browser-second")
    panel.get_by_role("button", name="Create the store").click()
    panel.get_by_role("heading", name="Create the store for browser-second").wait_for()
