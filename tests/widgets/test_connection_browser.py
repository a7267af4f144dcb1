"""The connection panel in a real JupyterLab: what is typed, where it goes, how it is reached."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from llmwidgets.formatting import format_day
from tests.forms import make_store
from tests.jupyterlab import becomes
from tests.servers import ModelServer, serving_models
from tests.trees import read_files

pytestmark = pytest.mark.browser

CANARY = "sk-proj-made-up-canary-0004711-3fQz"
PASSPHRASE = "copper lantern orbit mellow"
MODELS = ("gpt-6-luna", "gpt-6-sol", "gpt-5")
PANEL = "import llmwidgets as lw\nlw.ConnectionPanel(lw.Store.in_memory())"


@pytest.fixture
def openai() -> Iterator[ModelServer]:
    """A server that answers as OpenAI does."""
    with serving_models(models=MODELS) as server:
        yield server


def frames_with(page: Any, text: str) -> int:
    """How many websocket frames hold the text in clear."""
    needle = text.encode()
    told = [each.encode() if isinstance(each, str) else each for each in page.frames]
    return sum(needle in each for each in told)


def open_kind(panel: Any, name: str) -> None:
    panel.get_by_role("button", name=name).first.click()
    panel.get_by_role("heading", name=name, exact=True).wait_for()


def test_a_typed_key_is_in_the_store_and_nowhere_else(lab, page, openai: ModelServer) -> None:
    """Typed, sealed, tested, saved: the input is empty at once; file and wire never hold it."""
    lab.notebook("key.ipynb", ["import llmwidgets as lw\nlw.ConnectionPanel()"])
    page.open("key.ipynb").run_all()
    panel = page.output()
    open_kind(panel, "OpenAI")
    panel.get_by_text("Base URL, extra headers").click()
    panel.get_by_label("Base URL").fill(f"{openai.url}/v1")

    field = panel.get_by_label("API key")
    field.press_sequentially(CANARY)
    field.evaluate(
        "each => { window.lwLeft = null; each.addEventListener('change',"
        " () => { window.lwLeft = each.value; }); }"
    )
    field.press("Tab")
    becomes(field, "each => window.lwLeft === ''")
    panel.get_by_text("Received, ends in 3fQz, not saved yet").wait_for()
    panel.get_by_role("button", name="Test and save").click()

    make_store(panel, PASSPHRASE)
    panel.get_by_text("Stored, ends in 3fQz").wait_for()
    panel.get_by_text("3 of 24 whitelisted models can be used.").wait_for()
    assert {each.headers["authorization"] for each in openai.seen} == {f"Bearer {CANARY}"}

    notebook = json.dumps(page.save())
    assert "ConnectionPanel(default" in notebook
    assert "application/vnd.jupyter.widget-state+json" in notebook
    written = [content for _, content in read_files(lab.home)]
    for secret in (CANARY, PASSPHRASE):
        assert secret not in notebook
        assert frames_with(page, secret) == 0
        assert not [each for each in written if secret.encode() in each]
    assert (lab.home / "config/llmwidgets/default/connections.age").stat().st_mode & 0o777 == 0o600


def test_the_day_a_key_ends_is_picked_and_told(lab, page, openai: ModelServer) -> None:
    """The browser's own date field: the note stands above the form, the list tells it too."""
    lab.notebook("ends.ipynb", [PANEL])
    page.open("ends.ipynb").run_all()
    panel = page.output()
    open_kind(panel, "OpenAI")
    panel.get_by_text("Base URL, extra headers").click()
    panel.get_by_label("Base URL").fill(f"{openai.url}/v1")
    panel.get_by_label("API key").fill(CANARY)
    ends = datetime.now().astimezone().date() + timedelta(days=9)
    panel.get_by_label("Key ends on").fill(ends.isoformat())
    panel.get_by_label("Key ends on").press("Tab")
    panel.get_by_text(f"The key ends {format_day(ends)}, in 9 days.").wait_for()
    panel.get_by_role("button", name="Test and save").click()
    panel.get_by_text("Saved.").wait_for()
    chosen = panel.locator("nav button[aria-current]")
    expect(chosen).to_contain_text("ends in 9 days")
    becomes(chosen.locator(".name"), "each => each.scrollWidth <= each.clientWidth")
    expect(panel.get_by_label("Key ends on")).to_have_value(ends.isoformat())
    assert not [each for each in openai.seen if ends.isoformat() in str(each)]


def test_the_search_finds_a_bare_password_field(lab, page) -> None:
    """The same search over ipywidgets.Password finds the key: an empty result means something."""
    lab.notebook("bare.ipynb", ["import ipywidgets\nipywidgets.Password(description='bare')"])
    page.open("bare.ipynb").run_all()
    field = page.browser_page.get_by_role("textbox", name="bare")
    field.fill(CANARY)
    field.press("Tab")
    assert CANARY in json.dumps(page.save())
    assert frames_with(page, CANARY) > 0


def test_without_https_the_form_says_so(lab, fresh_page, openai: ModelServer) -> None:
    """No crypto.subtle: a visible note, the key travels in a buffer, and the form works."""
    page = fresh_page
    page.browser_page.add_init_script(
        "Object.defineProperty(globalThis.crypto, 'subtle', { value: undefined });"
    )
    lab.notebook("plain.ipynb", [PANEL])
    page.open("plain.ipynb").run_all()
    panel = page.output()
    open_kind(panel, "OpenAI")
    panel.get_by_text("the key crosses the network as typed.").wait_for()
    panel.get_by_label("API key").fill(CANARY)
    panel.get_by_label("API key").press("Tab")
    panel.get_by_text("Received, ends in 3fQz, not saved yet").wait_for()
    assert CANARY not in json.dumps(page.save())


def test_the_panel_is_worked_by_keyboard(lab, page, openai: ModelServer) -> None:
    """One tab stop and arrows in the list, Enter tests, the focus stays, Lab's keys sleep."""
    lab.notebook("keys.ipynb", [PANEL])
    page.open("keys.ipynb").run_all()
    panel, keyboard = page.output(), page.browser_page.keyboard
    stops = panel.locator("nav button[tabindex='0']")
    expect(stops).to_have_count(1)
    stops.focus()
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    expect(panel.locator("nav button:focus")).to_have_text(re.compile("^Vertex AI"))
    keyboard.press("Home")
    keyboard.press("Enter")
    field = panel.get_by_label("API key")
    field.wait_for()
    panel.get_by_text("Base URL, extra headers").click()
    panel.get_by_label("Base URL").fill(f"{openai.url}/v1")
    field.fill(CANARY)
    field.press("Enter")
    panel.get_by_text("Saved.").wait_for()
    expect(panel.locator("button:focus")).to_have_text("Test again")
    keyboard.press("b")
    keyboard.press("d")
    keyboard.press("d")
    expect(page.browser_page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(1)
    panel.get_by_role("button", name="Remove").click()
    panel.get_by_text("openai is removed.").wait_for()
    panel.locator("button:focus", has_text="Undo").wait_for()
    keyboard.press("Enter")
    panel.get_by_text("Stored, ends in 3fQz").wait_for()
    expect(panel.get_by_role("button", name="Put openai back")).to_have_count(0)


def test_a_credentials_file_is_chosen_or_pasted(lab, page, tmp_path) -> None:
    """Vertex AI: the file's lines arrive sealed; a paste of many lines empties the field."""
    content = json.dumps({"type": "service_account", "private_key": f"line\n{CANARY}\n"}, indent=1)
    (tmp_path / "account.json").write_text(content)
    lab.notebook("file.ipynb", [PANEL])
    page.open("file.ipynb").run_all()
    panel = page.output()
    open_kind(panel, "Vertex AI")
    panel.locator("input[type=file]").set_input_files(tmp_path / "account.json")
    panel.get_by_text("Received, not saved yet").wait_for()
    panel.get_by_role("button", name="Clear").click()
    field = panel.get_by_role("textbox", name="JSON credentials")
    field.fill(content)
    field.blur()
    panel.get_by_text("Received, not saved yet").wait_for()
    assert frames_with(page, CANARY) == 0


def test_a_stored_key_is_replaced_or_kept(lab, page) -> None:
    """Replace key opens an empty field; Escape goes back to the old one, a new one is received."""
    make = "import llmwidgets as lw\nstore = lw.Store.in_memory()\n"
    save = "store.save(lw.Connection('openai', api_key='sk-made-up-older-0000-81fc'))\n"
    lab.notebook("replace.ipynb", [f"{make}{save}lw.ConnectionPanel(store)"])
    page.open("replace.ipynb").run_all()
    panel, keyboard = page.output(), page.browser_page.keyboard
    replace = panel.get_by_role("button", name="Replace key")
    replace.click()
    expect(panel.get_by_label("API key")).to_be_focused()
    expect(panel.get_by_label("API key")).to_have_value("")
    keyboard.press("Escape")
    panel.get_by_text("Stored, ends in 81fc").wait_for()
    replace.click()
    expect(panel.get_by_label("API key")).to_be_focused()
    panel.get_by_label("API key").press_sequentially(CANARY)
    keyboard.press("Tab")
    panel.get_by_text("Received, ends in 3fQz, not saved yet").wait_for()
    panel.get_by_role("button", name="Clear").click()
    panel.get_by_text("Stored, ends in 81fc").wait_for()


def test_escape_gives_the_keys_back(lab, page) -> None:
    """Esc with nothing open: the notebook is in command mode again, b adds a cell."""
    lab.notebook("escape.ipynb", [PANEL])
    page.open("escape.ipynb").run_all()
    open_kind(page.output(), "OpenAI")
    page.output().get_by_label("API key").focus()
    page.browser_page.keyboard.press("Escape")
    page.browser_page.keyboard.press("b")
    page.browser_page.locator(".jp-Notebook .jp-CodeCell").nth(1).wait_for()


def test_a_reload_brings_the_form_back_and_no_key(lab, fresh_page) -> None:
    """The kernel lives on: after a reload the form is open, the typed half of a key is gone."""
    lab.notebook("reload.ipynb", [PANEL])
    fresh_page.open("reload.ipynb").run_all()
    open_kind(fresh_page.output(), "OpenAI")
    fresh_page.output().get_by_label("API key").press_sequentially("sk-half")
    fresh_page.save()
    fresh_page.browser_page.reload()
    fresh_page.output().get_by_role("heading", name="OpenAI", exact=True).wait_for()
    expect(fresh_page.output().get_by_label("API key")).to_have_value("")


def test_typing_survives_what_happens_elsewhere(lab, page) -> None:
    """A change of the store from another cell redraws the panel, not the field being typed in.

    Added, then deleted: the list, the band with Undo and the footer change around the field.
    """
    lab.notebook(
        "typing.ipynb",
        ["import llmwidgets as lw\nstore = lw.Store.in_memory()\nlw.ConnectionPanel(store)"],
    )
    page.open("typing.ipynb").run_all()
    panel = page.output()
    open_kind(panel, "OpenAI")
    panel.get_by_text("Organization and project").click()
    panel.get_by_label("Organization").press_sequentially("org-half")
    panel.get_by_label("API key").press_sequentially("sk-half")
    page.execute(
        "store.add_for_session(lw.Connection('custom', name='m', endpoint='http://localhost:1/v1'))"
    )
    panel.get_by_text("not tested").wait_for()
    expect(panel.get_by_label("Organization")).to_have_value("org-half")
    expect(panel.get_by_label("API key")).to_have_value("sk-half")
    expect(panel.get_by_label("API key")).to_be_focused()
    page.browser_page.keyboard.press("ArrowLeft")
    sent = len(page.sent)
    page.execute("del store['m']")
    panel.get_by_text("m is removed.").wait_for()
    expect(panel.get_by_label("API key")).to_be_focused()
    page.browser_page.keyboard.type("-")
    expect(panel.get_by_label("API key")).to_have_value("sk-hal-f")
    typed = [str(each) for each in page.sent[sent:]]
    assert not [each for each in typed if '"secret"' in each]


def test_every_control_has_a_name_and_text_has_contrast(lab, page) -> None:
    """In light and dark, every button and field can be named, and all text reads at 4.5:1."""
    lab.notebook("names.ipynb", [PANEL])
    page.open("names.ipynb").run_all()
    panel = page.output()
    for kind in ("Vertex AI", "Azure OpenAI", "Custom"):
        panel.get_by_role("button", name=kind).first.click()
        panel.get_by_role("heading", name=kind, exact=True).wait_for()
        for summary in panel.locator("summary").all():
            summary.click()
        becomes(
            panel,
            "each => [...each.querySelectorAll('button, input:not([type=file]), textarea')]"
            ".every(one => one.getAttribute('aria-label') || one.textContent.trim()"
            " || one.labels?.length)",
        )
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.theme(theme)
        becomes(panel, f"each => !({_LOW_CONTRAST})(each).length")


def test_the_panel_fits_a_narrow_cell(lab, page) -> None:
    """At 640 pixels the kinds stand above the form, and nothing is cut off at the side."""
    lab.notebook("narrow.ipynb", [PANEL])
    page.open("narrow.ipynb").run_all()
    panel = page.output()
    open_kind(panel, "Azure OpenAI")
    page.widen(640)
    becomes(
        panel,
        "each => each.querySelector('nav').getBoundingClientRect().bottom"
        " <= each.querySelector('.body').getBoundingClientRect().top + 1",
    )
    becomes(panel, "each => each.scrollWidth <= each.clientWidth")


_LOW_CONTRAST = """panel => {
  const numbers = (colour) => colour.startsWith('color(srgb')
    ? colour.match(/[\\d.]+/g).slice(0, 4).map((n, i) => i < 3 ? n * 255 : +n)
    : colour.match(/[\\d.]+/g).map(Number);
  const over = (top, under) => { const a = top[3] ?? 1;
    return [0, 1, 2].map((i) => top[i] * a + under[i] * (1 - a)); };
  const light = (rgb) => rgb.map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => { const stack = [];
    for (let at = node; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      stack.push(colour);
      if ((colour[3] ?? 1) === 1) break;
    }
    return stack.reduceRight((under, top) => over(top, under), [255, 255, 255]); };
  const low = [];
  for (const node of panel.querySelectorAll('*')) {
    const said = [...node.childNodes].some((each) => each.nodeType === 3 && each.data.trim());
    if (!said || node.closest('.spoken') || !node.offsetWidth) continue;
    const under = ground(node);
    const [a, b] = [light(over(numbers(getComputedStyle(node).color), under)), light(under)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${node.textContent.slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return low;
}"""


def test_a_long_word_in_an_error_stays_inside_the_panel(lab, page) -> None:
    """An address, a path or a key has no space to break at."""
    lab.notebook("word.ipynb", [f"{PANEL.replace('lw.Conn', 'panel = lw.Conn')}\npanel"])
    panel = page.open("word.ipynb").run_all().output()
    panel.locator("header").wait_for()
    page.execute("panel.page.show_error(ValueError('x' * 500))")
    alert = panel.get_by_role("alert")
    alert.get_by_text("x" * 500).wait_for()
    becomes(alert, "each => each.scrollWidth <= each.clientWidth")
