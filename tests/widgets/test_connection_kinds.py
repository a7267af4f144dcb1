"""Every kind's form in a real JupyterLab: filled in, tested on the wire, saved, shown."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from llmwidgets import PROVIDERS
from tests.forms import FORMS, Filled, credentials, fill, open_kind, send_and_save
from tests.jupyterlab import becomes
from tests.kinds import DIALECTS
from tests.servers import serving_models

pytestmark = pytest.mark.browser

PANEL = "import llmwidgets as lw\nstore = lw.Store.in_memory()\nlw.ConnectionPanel(store)"


def line_of(panel: Any, form: Filled) -> Any:
    """The line of the connection in the list of kinds, with what is spoken of its icon."""
    provider = PROVIDERS[form.kind]
    name = provider.title if provider.single else next(iter(form.plain.values()))
    return panel.locator("nav").get_by_role("button", name=name).first


def test_every_form_is_filled_tested_saved_and_shown(lab, page) -> None:
    """Every kind against a server that speaks its dialect: each ends with a tick."""
    lab.notebook("kinds.ipynb", [PANEL])
    page.open("kinds.ipynb").run_all()
    panel = page.output()
    for form in FORMS:
        with serving_models(models=form.models) as server:
            open_kind(panel, form.kind)
            fill(panel, form, server.url)
            send_and_save(panel, form)
            dialect = DIALECTS[PROVIDERS[form.kind].dialect]
            assert server.asked(dialect) or form.models
            expect(panel.get_by_role("button", name="Test again")).to_be_visible()
            expect(line_of(panel, form)).to_contain_text("works")
        assert len({each.headers.get("host") for each in server.seen}) == 1
    expect(panel.locator("nav .i.ok")).to_have_count(len(FORMS))
    saved = json.dumps(page.save())
    for form in FORMS:
        assert not form.secret[1] or form.secret[1] not in saved


def test_a_file_is_dropped_and_told(lab, page, tmp_path) -> None:
    """A dropped key file is read in the kernel: whose it is stands there, or what is wrong."""
    lab.notebook("dropped.ipynb", [PANEL])
    page.open("dropped.ipynb").run_all()
    panel = page.output()
    open_kind(panel, "vertex_ai")
    drop = """(zone, content) => {
      const data = new DataTransfer();
      data.items.add(new File([content], "account.json", { type: "application/json" }));
      const told = { dataTransfer: data, bubbles: true, cancelable: true };
      zone.dispatchEvent(new DragEvent("drop", told));
    }"""
    panel.locator(".dropzone").evaluate(drop, credentials("https://oauth2.googleapis.com"))
    panel.get_by_text("reader@acme-claims.iam.gserviceaccount.com").wait_for()
    panel.get_by_role("button", name="Clear").click()
    other = json.dumps({"type": "external_account", "audience": "made-up"})
    (tmp_path / "other.json").write_text(other)
    panel.locator("input[type=file]").set_input_files(tmp_path / "other.json")
    panel.get_by_role("alert").filter(has_text="from another service").wait_for()
    expect(panel.get_by_label("Location")).to_have_attribute("list", re.compile("."))


def test_a_wrong_address_is_mended_in_one_click(lab, page, demo_address: str) -> None:
    """The fix is shown as old and new, applied and tested; the request can be copied as curl."""
    context = page.browser_page.context
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    lab.notebook("mended.ipynb", [PANEL])
    page.open("mended.ipynb").run_all()
    panel = page.output()
    open_kind(panel, "custom")
    panel.get_by_role("option", name="Ollama").click()
    panel.get_by_text("OLLAMA_CONTEXT_LENGTH").wait_for()
    endpoint = panel.get_by_label("Endpoint", exact=True)
    expect(endpoint).to_have_value("http://localhost:11434/v1")
    panel.get_by_label("Name", exact=True).fill("demo-careful")
    endpoint.fill(demo_address.removesuffix("/v1"))
    panel.get_by_role("button", name="Test and save").click()
    panel.locator(".swap").get_by_text(demo_address, exact=True).wait_for()
    panel.get_by_role("button", name="Apply fix and test").click()
    panel.get_by_text("Schema enforced").first.wait_for()
    expect(endpoint).to_have_value(demo_address)
    panel.get_by_role("checkbox", name="demo-quick").uncheck()
    panel.get_by_role("button", name=re.compile(r"Add \d models?")).click()
    panel.get_by_text("connected, untested").wait_for()
    expect(panel.get_by_role("checkbox")).to_have_count(1)
    panel.locator("summary").filter(has_text="secrets cut").click()
    panel.get_by_role("button", name="Copy as curl").last.click()
    panel.get_by_text("Copied. $KEY stands for the key.").wait_for()
    begins = json.dumps(f"curl --request POST {demo_address}/chat/completions")
    becomes(panel, f"async () => (await navigator.clipboard.readText()).startsWith({begins})")


def test_a_notebook_without_a_kernel_still_tells(lab, page) -> None:
    """Hidden while the panel is alive; alone, the list of connections stands there, no secret."""
    save = "store.save(lw.Connection('openai', api_key='env:MADE_UP_KEY'))"
    lab.notebook(
        "alone.ipynb", [PANEL.replace("lw.ConnectionPanel", f"{save}\nlw.ConnectionPanel")]
    )
    page.open("alone.ipynb").run_all()
    page.output().get_by_role("heading", name="OpenAI", exact=True).wait_for()
    beside = page.browser_page.locator(".llmwidgets-static")
    expect(beside).to_have_count(1)
    expect(beside).to_be_hidden()
    outputs = page.save()["cells"][0]["outputs"]
    assert [sorted(each["data"]) for each in outputs] == [
        ["application/vnd.jupyter.widget-view+json", "text/plain"], ["text/html"]
    ]  # fmt: skip
    assert "openai: OpenAI, api.openai.com" in "".join(outputs[1]["data"]["text/html"])
    page.end_kernels()
    page.open("alone.ipynb")
    page.browser_page.get_by_text("Waiting for the kernel.").wait_for()
    expect(beside).to_be_visible()
    expect(beside).to_contain_text("openai: OpenAI, api.openai.com")
