"""Forms without a key in a real JupyterLab: chosen, filled in, tested, saved; no token anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.forms import open_kind
from tests.jupyterlab import becomes
from tests.servers import serving_models
from tests.sign_ins import (
    ENTRA_TOKEN,
    SIGN_INS,
    TOKENS,
    Cloud,
    SignedIn,
    cell,
    fill_in,
    write_files,
)
from tests.trees import read_files
from tests.widgets.test_panels_access import Audit

pytestmark = pytest.mark.browser

PANEL = "store = lw.Store.in_memory()\nlw.ConnectionPanel(store)"
FORM = "form = lw.ConnectionForm({kind!r}, lw.Store.in_memory(), sign_in={way!r})\nform"
AZURE = SIGN_INS["azure-openai"]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud on loopback, and in `tmp_path` what lies on the kernel's machine."""
    with serving_models(kind=Cloud) as server:
        write_files(tmp_path, server.url)
        yield server


def opened(lab: Any, page: Any, name: str, code: str) -> Any:
    lab.notebook(f"{name}.ipynb", [code])
    return page.open(f"{name}.ipynb").run_all().output()


def save(panel: Any, form: SignedIn) -> None:
    panel.get_by_role("button", name="Test and save").click()
    panel.get_by_text("Saved.").wait_for()
    panel.get_by_text(form.said).first.wait_for()


def spelled(token: str) -> list[bytes]:
    return [token.encode(), quote(token).encode()]


def leaks(lab: Any, page: Any) -> list[str]:
    """Where a token is that must be nowhere: files of the lab, frames of the page, its markup."""
    needles = [each for token in TOKENS for each in spelled(token)]
    found = [
        path.name
        for path, content in read_files(lab.home)
        if any(each in content for each in needles)
    ]
    for frame in page.frames:
        raw = frame.encode() if isinstance(frame, str) else frame
        found += ["a frame"] if any(each in raw for each in needles) else []
    markup = page.browser_page.content().encode()
    return found + (["the page"] if any(each in markup for each in needles) else [])


@pytest.mark.parametrize("name", SIGN_INS)
def test_a_form_without_a_key_is_chosen_tested_and_saved(
    name: str, lab, page, cloud: Cloud, tmp_path: Path
) -> None:
    """By keyboard from the way of the key; who signed in is told, and no token is anywhere."""
    form = SIGN_INS[name]
    panel = opened(lab, page, f"sign-in-{name}", cell(tmp_path, cloud.url, PANEL))
    open_kind(panel, form.kind)
    audit = Audit(page, panel)
    radios = panel.get_by_role("radiogroup", name="Sign in with").get_by_role("radio")
    chosen = panel.get_by_role("radio", name=form.way_title)
    radios.first.focus()
    while chosen.get_attribute("aria-checked") != "true":
        page.browser_page.keyboard.press("ArrowRight")
        expect(panel.locator("[role=radio]:focus")).to_have_attribute("aria-checked", "true")
    panel.get_by_text("found when tested").wait_for()
    expect(panel.locator("[data-secret]")).to_have_count(0)
    fill_in(panel, form, cloud.url, tmp_path)
    audit.screen("filled")
    save(panel, form)
    shown = panel.locator(".field", has_text="What it will use").get_by_role("status")
    whose = f"Signed in as {form.account}" if form.account else "json, which does not say whose"
    expect(shown).to_contain_text(whose)
    audit.screen("saved")
    if form.named:
        row = panel.locator("nav").get_by_role("button", name=form.named)
        expect(row).to_contain_text("Entra ID")
    assert cloud.refused == []
    notebook = json.dumps(page.save())
    assert "application/vnd.jupyter.widget-state+json" in notebook
    assert leaks(lab, page) == []
    assert audit.found == {}


def test_the_search_finds_a_token_that_was_shown(lab, page, cloud: Cloud, tmp_path: Path) -> None:
    """An empty result means something."""
    opened_at = "os.environ['AZURE_OPENAI_AD_TOKEN']"
    lab.notebook("sign-in-shown.ipynb", [cell(tmp_path, cloud.url, opened_at)])
    page.open("sign-in-shown.ipynb").run_all()
    shown = page.browser_page.locator(".jp-OutputArea-output").first
    expect(shown).to_contain_text(ENTRA_TOKEN)
    page.save()
    assert {"sign-in-shown.ipynb", "a frame", "the page"} <= set(leaks(lab, page))
    for path in lab.root.rglob("sign-in-shown*.ipynb"):  # its checkpoint as well
        path.unlink()


def test_a_missing_role_is_told_with_its_command(lab, page, cloud: Cloud, tmp_path: Path) -> None:
    """Who needs which role where, the command for who can give it, and three ways on."""
    page.browser_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    cloud.role = False
    code = cell(tmp_path, cloud.url, FORM.format(kind=AZURE.kind, way=AZURE.way))
    panel = opened(lab, page, "sign-in-role", code)
    expect(panel.get_by_role("radio", name="Microsoft Entra ID")).to_be_checked()
    fill_in(panel, AZURE, cloud.url, tmp_path)
    audit = Audit(page, panel)
    panel.get_by_role("button", name="Test and save").click()
    heading = panel.get_by_role("heading", name="No role: ")
    expect(heading).to_contain_text("needs Cognitive Services OpenAI User on resource")
    panel.get_by_text("401 PermissionDenied").wait_for()
    panel.get_by_role("button", name="Copy the command for the owner").click()
    panel.get_by_text("Copied.").wait_for()
    begins = "async () => (await navigator.clipboard.readText()).startsWith('az role assignment')"
    becomes(panel, begins)
    audit.screen("no role")
    cloud.role = True
    panel.get_by_role("button", name="Test again").click()
    panel.get_by_text("Saved.").wait_for()
    assert audit.found == {}
    assert leaks(lab, page) == []


def test_a_form_whose_test_failed_is_saved_untested_or_goes_back_to_the_key(
    lab, page, cloud: Cloud, tmp_path: Path
) -> None:
    cloud.role = False
    code = cell(tmp_path, cloud.url, FORM.format(kind=AZURE.kind, way=AZURE.way))
    panel = opened(lab, page, "sign-in-untested", code)
    fill_in(panel, AZURE, cloud.url, tmp_path)
    panel.get_by_role("button", name="Test and save").click()
    back = panel.get_by_role("button", name="Use an API key")
    back.click()
    expect(panel.get_by_role("radio", name="API key")).to_be_checked()
    expect(panel.get_by_label("Deployment")).to_have_value("claims-luna")
    panel.get_by_label("API key").wait_for()
    panel.get_by_role("radio", name="Microsoft Entra ID").click()
    panel.get_by_role("button", name="Test and save").click()
    panel.get_by_role("button", name="Save untested").click()
    panel.get_by_text("Saved untested.").wait_for()


def test_a_resource_without_keys_offers_entra_id(lab, page, cloud: Cloud, tmp_path: Path) -> None:
    """A key typed where keys are turned off: one click signs in without, and the key is gone."""
    panel = opened(lab, page, "sign-in-keys-off", cell(tmp_path, cloud.url, PANEL))
    open_kind(panel, AZURE.kind)
    fill_in(panel, AZURE, cloud.url, tmp_path)
    key = panel.get_by_label("API key")
    key.fill("0123456789abcdef0123456789aba91c")
    key.blur()
    panel.get_by_role("button", name="Test and save").click()
    panel.get_by_role("button", name="Sign in with Microsoft Entra ID").click()
    panel.get_by_text("Saved.").wait_for()
    expect(panel.get_by_role("radio", name="Microsoft Entra ID")).to_be_checked()
    panel.get_by_role("radio", name="API key").click()
    expect(panel.get_by_label("API key")).to_have_value("")
    expect(panel.get_by_text("Stored, ends in")).to_have_count(0)


def test_what_was_typed_stays_when_the_way_changes(lab, page, cloud: Cloud, tmp_path: Path) -> None:
    """Also what is in hand, a received key, and the choice itself while older states arrive."""
    panel = opened(lab, page, "sign-in-typed", cell(tmp_path, cloud.url, PANEL))
    open_kind(panel, AZURE.kind)
    key = panel.get_by_label("API key")
    key.fill("0123456789abcdef0123456789aba91c")
    key.blur()
    panel.get_by_text("Received, ends in a91c, not saved yet").wait_for()
    panel.get_by_label("Deployment").press_sequentially("claims")
    panel.get_by_role("radio", name="Microsoft Entra ID").click()
    panel.get_by_text("API key: not used to sign in like this").wait_for()
    expect(panel.get_by_label("Deployment")).to_have_value("claims")
    panel.get_by_label("Tenant").fill("acme.example")
    panel.get_by_role("radio", name="API key").click()
    panel.get_by_text("Received, ends in a91c, not saved yet").wait_for()
    panel.get_by_role("radio", name="Microsoft Entra ID").click()
    expect(panel.get_by_label("Tenant")).to_have_value("acme.example")
    expect(panel.get_by_label("Deployment")).to_have_value("claims")


def test_two_panels_choose_apart(lab, page, cloud: Cloud, tmp_path: Path) -> None:
    """The same form twice in one page: one's choice is not the other's."""
    code = "from IPython.display import display\nforms = [lw.ConnectionForm('azure_openai', "
    code += "lw.Store.in_memory()) for _ in range(2)]\ndisplay(*forms)"
    opened(lab, page, "sign-in-two", cell(tmp_path, cloud.url, code))
    one, other = page.output(0), page.output(1)
    one.get_by_role("radio", name="Microsoft Entra ID").click()
    one.get_by_text("found when tested").wait_for()
    other.get_by_role("radio", name="Microsoft Entra ID").click()
    other.get_by_text("found when tested").wait_for()
    one.get_by_role("radio", name="API key").click()
    one.get_by_label("API key").wait_for()
    expect(other.get_by_role("radio", name="Microsoft Entra ID")).to_be_checked()
