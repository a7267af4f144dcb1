"""The connection panel alone in a page: what a narrow one shows, and what it looks like."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

import llmwidgets
from llmwidgets import PROVIDERS, ConnectionPanel, Store

pytestmark = pytest.mark.browser

NARROW = 640
OUTSIDE = """root => [...root.querySelectorAll("*")].filter((each) => {
  const box = each.getBoundingClientRect();
  return box.width && box.right > root.getBoundingClientRect().right + 1
    && !each.closest(".spoken, .wire");
}).map((each) => `${each.className} ${each.textContent.slice(0, 40)}`)"""


def test_a_narrow_page_cuts_nothing_off(joined) -> None:
    """Every kind's form, with its presets and its guide, stands inside a panel of 640 pixels."""
    page = joined(ConnectionPanel(Store.in_memory()))
    page.page.set_viewport_size({"width": NARROW + 16, "height": 1200})
    panel = page.page.locator(".lw")
    for kind in sorted(PROVIDERS, key=lambda kind: kind == "custom"):
        page.page.evaluate(
            "kind => lwModel.send({ type: 'connections.select', kind, label: '' })", kind
        )
        page.deliver()
        assert page.widget.state()["form"]["kind"] == kind
        assert panel.evaluate(OUTSIDE) == []
        assert panel.evaluate("each => each.scrollWidth <= each.clientWidth")
    guide = page.page.locator(".guide li", has_text="in a terminal")
    assert guide.locator("code").all_inner_texts() == [
        "ollama run llama3.2", "http://localhost:11434/v1"
    ]  # fmt: skip
    assert "llama3.2, endpoint http://localhost:11434/v1, API" in guide.inner_text()
    presets = page.page.get_by_role("region", name="Start from a preset")
    expect(presets.get_by_role("heading", name="Start from a preset")).to_be_visible()


def test_the_demo_has_a_heading_below_ones_own(joined) -> None:
    """Its connections, whenever they came, stand behind what the user connected."""
    store = Store.in_memory()
    page = joined(ConnectionPanel(store))
    page.page.evaluate("lwModel.send({ type: 'connections.demo' })")
    page.deliver()
    store.save(llmwidgets.Connection("custom", name="own", endpoint="http://127.0.0.1:9/v1"))
    page.deliver()
    rows = page.page.get_by_role("navigation").locator("li.demo, .kind.sub .name")
    said = rows.all_inner_texts()
    assert said[:2] == ["own", "Demo: rules on this computer, no LLM"]
    assert all(each.startswith("demo-") for each in said[2:]), said


def test_a_store_is_made_and_opened_in_plain_sight(joined, tmp_path: Path) -> None:
    """What seals it is linked, Create is grey till it can be pressed, Unlock beside its field."""
    page = joined(ConnectionPanel(Store("acme", path=tmp_path / "acme")))
    page.page.evaluate("lwModel.send({ type: 'store.screen', screen: 'create' })")
    page.deliver()
    panel = page.page.locator(".lw")
    age = panel.locator("header").get_by_role("link", name="age")
    expect(age).to_have_attribute("href", "https://age-encryption.org")
    create = panel.get_by_role("button", name="Create store")
    expect(create).to_have_attribute("aria-disabled", "true")
    look = "each => ['color', 'backgroundColor'].map((name) => getComputedStyle(each)[name])"
    grey = create.evaluate(look)
    create.evaluate("each => each.removeAttribute('aria-disabled')")
    assert not {*grey} & {*create.evaluate(look)}

    Store.create("acme", passphrase="made up words of a test", path=tmp_path / "acme").lock()
    page.deliver()
    field = panel.get_by_label("Passphrase", exact=True).bounding_box()
    unlock = panel.get_by_role("button", name="Unlock").bounding_box()
    assert field["y"] + field["height"] / 2 == pytest.approx(
        unlock["y"] + unlock["height"] / 2, abs=2
    )
