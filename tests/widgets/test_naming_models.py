"""A connection that serves any model: the panel asks for one by name, and ticks it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from llmwidgets import ComparisonPanel, Connection, Store
from llmwidgets.demo import invoices
from llmwidgets.providers.presets import PRESETS
from tests.jupyterlab import becomes
from tests.widgets.test_panels_access import Audit

KEY = "gsk_made-up-named-0004711-9aLm"
VARIABLES = {
    "groq": {"GROQ_API_KEY": KEY},
    "openrouter": {"OPENROUTER_API_KEY": "made-up-0001"},
    "databricks": {
        "DATABRICKS_TOKEN": "made-up-0001",
        "DATABRICKS_HOST": "https://adb-1.2.azuredatabricks.net",
    },
    "azure_openai": {
        "AZURE_OPENAI_API_KEY": "made-up-0001",
        "AZURE_OPENAI_ENDPOINT": "https://acme.openai.azure.com",
    },
    "entra": {
        "AZURE_OPENAI_AD_TOKEN": "made-up-0001",
        "AZURE_OPENAI_ENDPOINT": "https://acme.openai.azure.com",
    },
}
SAID = {
    "groq": ("Groq", "model", "GROQ_API_KEY"),
    "openrouter": ("OpenRouter", "model", "OPENROUTER_API_KEY"),
    "databricks": ("Databricks", "model", "DATABRICKS_TOKEN"),
    "azure_openai": ("Azure OpenAI", "deployment", "AZURE_OPENAI_API_KEY"),
    "entra": ("Azure OpenAI", "deployment", "AZURE_OPENAI_AD_TOKEN"),
}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {name for named in VARIABLES.values() for name in named}
    for name in names | {each.variable for each in PRESETS if each.variable}:
        monkeypatch.delenv(name, raising=False)


def panel(**more: Any) -> ComparisonPanel:
    return ComparisonPanel(invoices.Schema, invoices.texts[:2], store=Store.in_memory(), **more)


def setup(page: Any) -> Any:
    return page.state["setup"]


def rows(page: Any) -> list[tuple[str, str, bool]]:
    found = [row for group in setup(page)["groups"] for row in group["rows"]]
    return [(row["ref"], row["id"], row["ticked"]) for row in found]


@pytest.mark.parametrize("named", VARIABLES)
def test_a_variable_that_serves_any_model_is_offered_to_name_one(
    wire: Any, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """It was not in the picker at all: with one key in the environment, nothing could be ticked."""
    for name, value in VARIABLES[named].items():
        monkeypatch.setenv(name, value)
    page, (title, asks, variable) = wire(panel()), SAID[named]
    label = "azure_openai" if named == "entra" else named
    assert setup(page)["empty"] is None
    assert setup(page)["ticked"] == "name a model below"
    (group,) = setup(page)["groups"]
    assert (group["title"], group["rows"]) == (title, [])
    (ask,) = group["asks"]
    assert (ask["label"], ask["asks"], ask["source"]) == (label, asks, variable)
    assert ask["example"]
    page.send("setup.name_model", label=label, model="  maker/some-model:tag ")
    ref = f"{label}/maker/some-model:tag"
    assert rows(page) == [(ref, ref, True)]
    assert setup(page)["ticked"] == "1 ticked of 1"
    assert setup(page)["run"] == "Run 2 calls"
    host = "acme.openai.azure.com" if title == "Azure OpenAI" else ""
    assert f"The texts go to {host}" in " ".join(setup(page)["estimate"]["lines"])
    assert "made-up" not in str(page.messages)


def test_what_was_named_stays_in_the_list_and_leaves_by_its_tick(
    wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unticked it is still there to be ticked; named twice it is one column."""
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    page = wire(panel())
    for model in ("qwen3", "gpt-oss-120b", "qwen3"):
        page.send("setup.name_model", label="groq", model=model)
    assert [row[0] for row in rows(page)] == ["groq/qwen3", "groq/gpt-oss-120b"]
    page.send("setup.tick", ref="groq/qwen3", on=False)
    assert rows(page)[0] == ("groq/qwen3", "groq/qwen3", False)
    page.send("setup.tick", ref="groq/qwen3", on=True)
    assert all(ticked for _, _, ticked in rows(page))
    page.send("setup.tick_all", label="groq", on=False)
    assert not any(ticked for _, _, ticked in rows(page))
    page.send("setup.tick_all", label="groq", on=True)
    assert all(ticked for _, _, ticked in rows(page))
    page.send("setup.duplicate", ref="groq/qwen3")
    assert "3 columns" in setup(page)["ticked"]
    page.send("result.code")
    assert '"groq/qwen3"' in str(page.messages[-1])


@pytest.mark.parametrize(
    ("label", "model"),
    [("groq", "  "), ("openrouter", "qwen3"), ("openai", "gpt-6-luna"), ("", "qwen3")],
)
def test_nothing_and_an_unknown_connection_add_nothing(
    wire: Any, monkeypatch: pytest.MonkeyPatch, label: str, model: str
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    page = wire(panel())
    page.send("setup.name_model", label=label, model=model)
    assert rows(page) == []
    assert page.widget.last_error is None


def test_a_key_in_place_of_a_name_is_refused_and_not_repeated(
    wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    page = wire(panel())
    page.send("setup.name_model", label="groq", model=KEY)
    assert rows(page) == []
    assert KEY not in str(page.messages)
    assert "looks like a key" in str(page.widget.last_error)


def test_a_refusal_of_the_organization_is_told_where_it_is_named(
    wire: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    rules = tmp_path / "policy.toml"
    rules.write_text('[hosts]\ndeny = ["api.groq.com"]\n')
    monkeypatch.setenv("LLMWIDGETS_POLICY", str(rules))
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    page = wire(panel())
    page.send("setup.name_model", label="groq", model="qwen3")
    assert rows(page) == []
    (problem,) = setup(page)["problems"]
    assert "api.groq.com" in problem["sentence"]
    page.send("setup.name_model", label="groq", model="")
    assert setup(page)["problems"] == []


def test_one_that_code_named_is_told_by_its_whole_reference(
    wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two models of one variable were two rows of one name."""
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    page = wire(panel(models=["groq/qwen3", "groq/gpt-oss-120b"]))
    names = [(row[0], row[1]) for row in rows(page)]
    assert names == [("groq/qwen3",) * 2, ("groq/gpt-oss-120b",) * 2]


def test_it_stands_apart_from_saved_connections_of_its_kind(
    wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    store = Store.in_memory()
    store.save(Connection("custom", name="llama3.2", endpoint="http://localhost:11434/v1"))
    page = wire(ComparisonPanel(invoices.Schema, invoices.texts, store=store, models="demo"))
    groups = setup(page)["groups"]
    assert [(each["label"], each["title"]) for each in groups] == [
        ("custom", "Custom"), ("groq", "Groq"),
    ]  # fmt: skip
    page.send("setup.tick_all", label="custom", on=False)
    page.send("setup.name_model", label="groq", model="qwen3")
    assert [ref for ref, _, ticked in rows(page) if ticked] == ["groq/qwen3"]


@pytest.mark.browser
def test_a_model_is_named_by_the_keyboard_and_asked(lab: Any, page: Any) -> None:
    """One variable and nothing else: name a model, and the run is one button away."""
    cell = (
        f"import os\nos.environ['GROQ_API_KEY'] = {KEY!r}\nimport llmwidgets as lw\n"
        "from llmwidgets.demo import invoices\n"
        "lw.ComparisonPanel(invoices.Schema, invoices.texts, store=lw.Store.in_memory())"
    )
    lab.notebook("name-model.ipynb", [cell])
    shown = page.open("name-model.ipynb").run_all().output()
    field, keyboard = (
        shown.get_by_label("The model for Groq", exact=True),
        page.browser_page.keyboard,
    )
    field.focus()
    keyboard.type("qwen3")
    keyboard.press("Home")
    keyboard.press("ArrowDown")
    expect(field).to_be_focused()
    keyboard.press("Enter")
    expect(shown.get_by_role("checkbox", name="groq/qwen3")).to_be_checked()
    expect(field).to_be_focused()
    expect(field).to_have_value("")
    keyboard.type("gpt-oss-120b")
    keyboard.press("Tab")
    expect(shown.get_by_role("button", name="Add the model for Groq")).to_be_focused()
    keyboard.press("Enter")
    expect(shown.get_by_role("checkbox", name="groq/gpt-oss-120b")).to_be_checked()
    expect(shown.get_by_role("button", name="Run 32 calls")).to_be_enabled()
    shown.get_by_label("Search models").fill("oss")
    expect(shown.get_by_role("checkbox", name="groq/qwen3")).to_have_count(0)
    expect(field).to_have_count(0)
    shown.get_by_label("Search models").fill("groq")
    expect(field).to_be_visible()
    audit = Audit(page, shown)
    audit.screen("a model is named")
    page.widen(640)
    audit.screen("narrow")
    becomes(shown, "each => each.scrollWidth <= each.clientWidth")
    assert audit.found == {}
