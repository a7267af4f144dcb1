"""Presets in the real JupyterLab: the list, its search and keys, what is chosen, what is found."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.forms import open_kind
from tests.jupyterlab import becomes
from tests.servers import serving_models
from tests.widgets.test_panels_access import Audit

pytestmark = pytest.mark.browser

FORM = "import llmwidgets as lw\nlw.ConnectionForm('custom', lw.Store.in_memory())"
PANEL = "import llmwidgets as lw\nlw.ConnectionPanel(lw.Store.in_memory())"
KEY = "gsk_made-up-canary-0004711-3fQz"
FIRST = ["Ollama", "Groq", "Mistral", "OpenRouter", "DeepSeek", "Fireworks", "Snowflake"]


def opened(lab: Any, page: Any, name: str, cell: str = FORM) -> Any:
    lab.notebook(name, [cell])
    panel = page.open(name).run_all().output()
    panel.locator("header, .cols").first.wait_for()
    return panel


def search(panel: Any) -> Any:
    return panel.get_by_role("combobox", name="Search 17 presets")


def chosen(panel: Any) -> Any:
    return panel.locator("[role=option][aria-selected=true]")


def test_the_most_used_come_first_and_all_can_be_shown(lab, page) -> None:
    """Seven rows, the names of the others, and each row with icon, words and trap."""
    panel = opened(lab, page, "rows.ipynb")
    expect(panel.get_by_role("option").locator(".b")).to_have_text(FIRST)
    groq = panel.get_by_role("option", name="Groq")
    expect(groq).to_contain_text("https://api.groq.com/openai/v1")
    expect(groq).to_contain_text("known to enforce: schema, newer models")
    expect(groq).to_contain_text("Older models: JSON only")
    expect(groq.locator(".i.warn")).to_have_count(1)
    more = panel.get_by_role("button", name="Show 10 more")
    expect(panel.get_by_text("vLLM, llama.cpp, sglang, LiteLLM, xAI, Together")).to_be_visible()
    more.click()
    expect(panel.get_by_role("option")).to_have_count(17)
    panel.get_by_role("option", name="LM Studio").click()
    panel.get_by_text("from LM Studio").wait_for()
    panel.get_by_role("button", name=re.compile(r"^Show \d+ fewer$")).click()
    expect(panel.get_by_role("option")).to_have_count(8)
    expect(chosen(panel)).to_contain_text("LM Studio")


def test_a_preset_is_found_and_chosen_by_the_keyboard(lab, page) -> None:
    """ "/" leads to the search, words narrow it, arrows and Enter choose, Escape clears."""
    panel, keyboard = opened(lab, page, "keys.ipynb"), page.browser_page.keyboard
    panel.get_by_role("button", name="Test and save").focus()
    sent = len(page.sent)
    keyboard.press("/")
    expect(search(panel)).to_be_focused()
    expect(search(panel)).to_have_value("")
    keyboard.type("schema")
    expect(search(panel)).to_have_attribute("aria-activedescendant", re.compile("Ollama$"))
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    keyboard.press("ArrowUp")
    active = search(panel).get_attribute("aria-activedescendant")
    expect(panel.locator(f"#{active}")).to_contain_text("Groq")
    keyboard.press("Escape")
    expect(search(panel)).to_have_value("")
    expect(search(panel)).to_be_focused()
    expect(panel.get_by_role("option")).to_have_count(7)
    assert not [each for each in page.sent[sent:] if "form." in str(each)], "no round trip"
    keyboard.type("cerebras")
    keyboard.press("Enter")
    panel.get_by_text("from Cerebras").wait_for()
    expect(panel.get_by_label("Endpoint", exact=True)).to_have_value("https://api.cerebras.ai/v1")
    expect(search(panel)).to_have_value("")
    expect(search(panel)).to_be_focused()
    expect(chosen(panel)).to_contain_text("Cerebras")
    keyboard.type("nothing of that name")
    expect(panel.get_by_text("No preset is called that.")).to_be_visible()
    keyboard.press("Enter")
    keyboard.press("Escape")
    for _ in range(9):
        keyboard.press("ArrowDown")
    expect(panel.get_by_role("option")).to_have_count(17)
    keyboard.press("Escape")
    keyboard.press("Escape")
    expect(search(panel)).not_to_be_focused()


def test_a_slash_in_an_address_is_typed(lab, page) -> None:
    panel = opened(lab, page, "slash.ipynb")
    endpoint = panel.get_by_label("Endpoint", exact=True)
    endpoint.press_sequentially("http://gpu-7:9000/v1")
    expect(endpoint).to_have_value("http://gpu-7:9000/v1")
    expect(endpoint).to_be_focused()


def test_choosing_fills_the_form_and_again_takes_it_out(lab, page) -> None:
    """What was typed stays; the preset's own address is one click away."""
    panel = opened(lab, page, "choosing.ipynb")
    endpoint, name = (
        panel.get_by_label("Endpoint", exact=True),
        panel.get_by_label("Name", exact=True),
    )
    name.fill("mine")
    panel.get_by_role("option", name="OpenRouter").click()
    expect(endpoint).to_have_value("https://openrouter.ai/api/v1")
    expect(endpoint).to_have_accessible_description(re.compile("^from OpenRouter"))
    expect(name).to_have_value("mine")
    expect(panel.get_by_label("API key")).to_have_attribute("placeholder", "sk-or-…")
    expect(panel.get_by_text("Found at")).to_contain_text("or in OPENROUTER_API_KEY")
    expect(panel.get_by_role("link", name="openrouter.ai/settings/keys")).to_be_visible()
    expect(panel.get_by_label("Pinned provider")).to_be_visible()
    panel.get_by_role("option", name="OpenRouter").click()
    expect(endpoint).to_have_value("")
    expect(chosen(panel)).to_have_count(0)
    expect(panel.get_by_label("Pinned provider")).to_be_hidden()
    endpoint.fill("http://gpu-7:9000/v1")
    panel.get_by_role("option", name="Ollama").click()
    expect(panel.get_by_text("What you typed stays.")).to_be_visible()
    expect(endpoint).to_have_value("http://gpu-7:9000/v1")
    panel.get_by_role("button", name="Use it").click()
    expect(endpoint).to_have_value("http://localhost:11434/v1")
    expect(endpoint).to_be_focused()


def test_the_caret_is_where_an_address_is_open(lab, page) -> None:
    """What is typed next takes the place of {account}."""
    panel, keyboard = opened(lab, page, "open.ipynb"), page.browser_page.keyboard
    panel.get_by_role("option", name="Snowflake").click()
    expect(panel.get_by_text("Replace {account} with the identifier")).to_be_visible()
    endpoint = panel.get_by_label("Endpoint", exact=True)
    expect(endpoint).to_be_focused()
    becomes(
        endpoint,
        "each => each.value.slice(each.selectionStart, each.selectionEnd) === '{account}'",
    )
    keyboard.type("acme-prod")
    keyboard.press("Tab")
    filled = "https://acme-prod.snowflakecomputing.com/api/v2/cortex/v1"
    expect(endpoint).to_have_value(filled)
    expect(panel.get_by_text(f"{filled}/chat/completions")).to_be_visible()
    expect(panel.get_by_text("from Snowflake")).to_be_visible()


def test_a_preset_is_filled_tested_and_saved(lab, page) -> None:
    """Behind a gateway on loopback: the key leaves the page sealed, and is in no frame."""
    panel = opened(lab, page, "saved.ipynb", PANEL)
    open_kind(panel, "custom")
    panel.get_by_role("option", name="Groq").click()
    panel.get_by_text("from Groq").wait_for()
    panel.get_by_label("Name", exact=True).fill("llama-3.3-70b-versatile")
    panel.get_by_label("API key").fill(KEY)
    with serving_models(models=("llama-3.3-70b-versatile",)) as server:
        panel.locator("summary").filter(has_text="advanced").click()
        panel.get_by_label("Base URL").fill(f"{server.url}/v1")
        panel.get_by_role("button", name="Test and save").click()
        panel.get_by_text("Saved.").wait_for()
        assert {each.headers.get("authorization") for each in server.seen} == {f"Bearer {KEY}"}
    expect(panel.get_by_role("listbox")).to_have_count(0)
    expect(panel.get_by_role("heading", name="llama-3.3-70b-versatile")).to_be_visible()
    assert not [each for each in (*page.frames, *page.sent) if KEY in str(each)]
    page.save()
    assert KEY not in (lab.root / "saved.ipynb").read_text()


def test_a_key_of_the_environment_takes_a_model_that_is_typed(lab, page) -> None:
    """Found by the preset's name: the form opens with it, tested where a model was named."""
    set_up = f"import os\nos.environ.update(GROQ_API_KEY={KEY!r}, HTTPS_PROXY='http://127.0.0.1:9')"
    panel = opened(lab, page, "found.ipynb", f"{set_up}\n{PANEL}")
    row = panel.get_by_role("listitem").filter(has_text="GROQ_API_KEY")
    expect(row).to_contain_text("read-only as groq/MODEL: its model follows the slash")
    model = row.get_by_label("The model for Groq")
    model.fill("qwen/qwen3-32b")
    model.press("Enter")
    panel.get_by_text("Looked up at each use").wait_for()
    expect(panel.get_by_label("Name", exact=True)).to_have_value("qwen/qwen3-32b")
    panel.locator(".callout.fail").first.wait_for()
    expect(chosen(panel)).to_contain_text("Groq")
    expect(row).to_be_visible()
    values = [each for each in (*page.frames, *page.sent) if KEY in str(each)]
    assert [each for each in values if "os.environ.update" not in str(each)] == []


def test_the_list_is_accessible_and_fits_narrow_cells(lab, page) -> None:
    """In both themes, wide, with an active row, narrow: no violation, nothing clipped."""
    set_up = f"import os\nos.environ['GROQ_API_KEY'] = {KEY!r}"
    panel = opened(lab, page, "access-presets.ipynb", f"{set_up}\n{PANEL}")
    open_kind(panel, "custom")
    audit = Audit(page, panel)
    panel.get_by_role("option", name="OpenRouter").click()
    panel.get_by_text("from OpenRouter").wait_for()
    audit.screen("chosen")
    search(panel).fill("schema")
    search(panel).press("ArrowDown")
    audit.screen("search")
    search(panel).fill("no such thing")
    audit.screen("no hit")
    search(panel).press("Escape")
    panel.get_by_role("button", name="Show 10 more").click()
    for width in (1400, 1000, 640, 480):
        page.widen(width)
        becomes(panel, "each => each.scrollWidth <= each.clientWidth")
        becomes(
            panel,
            "each => [...each.querySelectorAll('[role=option], [role=option] *')].every((one) =>"
            " one.matches('.spoken, wbr') || one.scrollWidth <= one.clientWidth + 1"
            " || getComputedStyle(one).display === 'inline')",
        )
        if width == 640:
            becomes(
                panel,
                "each => [...each.querySelectorAll('[role=option]')]"
                ".every((one) => one.offsetHeight <= 48)",
            )
            audit.screen("narrow", narrow=True)
    assert audit.found == {}
