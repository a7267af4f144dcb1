"""Who offers a model at a server that hands its calls on: listed on a click, without a key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import expect

from llmwidgets import ConnectionForm, Store
from llmwidgets.providers.presets import PRESETS
from tests.jupyterlab import becomes
from tests.servers import ModelServer, Seen, serving_models

MODEL = "meta-llama/llama-3.3-70b-instruct"
KEY = "sk-or-made-up-canary-0004711-3fQz"
SCHEMA = ["max_tokens", "response_format", "structured_outputs"]
PLAIN = ["max_tokens", "response_format"]
NINE = [
    {"tag": tag, "provider_name": tag.title(), "supported_parameters": parameters}
    for tag, parameters in [
        ("novita", PLAIN), ("fireworks", SCHEMA), ("deepinfra/turbo", PLAIN), ("together", SCHEMA),
        ("groq", PLAIN), ("lambda", PLAIN), ("nebius", SCHEMA), ("kluster", PLAIN), ("inet", []),
    ]
]  # fmt: skip


@dataclass
class Router(ModelServer):
    """A server in OpenRouter's format; `status` and `body` are what its list answers."""

    status: int = 200
    body: Any = field(default_factory=lambda: {"data": {"id": MODEL, "endpoints": NINE}})

    def answer(self, seen: Seen) -> tuple[Any, ...]:
        if seen.method == "GET" and seen.path.endswith("/endpoints"):
            return self.status, self.body
        return super().answer(seen)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in PRESETS:
        if each.variable:
            monkeypatch.delenv(each.variable, raising=False)


@pytest.fixture
def router() -> Any:
    with serving_models(kind=Router, models=(MODEL,)) as server:
        yield server


def form(wire: Any, url: str, **values: str) -> Any:
    page = wire(ConnectionForm("custom", Store.in_memory()))
    given = {"name": MODEL, "base_url": f"{url}/api/v1", **values}
    page.submit("form.preset", title="OpenRouter", values=given)
    return page


def test_the_providers_of_a_model_are_listed_on_a_click(wire: Any, router: Any) -> None:
    """Those that take a schema come first and are named; nothing is asked before, and no key."""
    page = form(wire, router.url)
    page.type_secret("api_key", KEY, form=page.form["key"])
    pinned = page.field("routed_to")
    assert (pinned["lists"], pinned["choices"]) == ("List providers", [])
    assert router.seen == []
    page.submit("form.upstreams", values={})
    pinned = page.field("routed_to")
    assert pinned["choices"][:3] == ["fireworks", "together", "nebius"]
    assert len(pinned["choices"]) == 9
    assert pinned["help"] == (
        f"The only one asked. 3 of the 9 that offer {MODEL} take a schema: "
        "fireworks, together and nebius."
    )
    (seen,) = router.seen
    assert (seen.method, seen.path) == ("GET", f"/api/v1/models/{MODEL}/endpoints")
    assert "authorization" not in seen.headers
    assert not [each for each in seen.headers.values() if KEY in each]
    page.submit("form.edit", values={"name": "qwen/qwen3"})
    assert page.field("routed_to")["choices"] == []
    assert "are tried in turn" in page.field("routed_to")["help"]
    page.submit("form.edit", values={"name": MODEL, "routed_to": "together"})
    assert page.field("routed_to")["choices"][0] == "fireworks"
    assert page.field("routed_to")["value"] == "together"


@pytest.mark.parametrize(
    ("endpoints", "said"),
    [
        ([], f"Nobody offers {MODEL}."),
        (NINE[:1], f"The only one asked. 0 of the 1 that offer {MODEL} take a schema."),
        (NINE[1:2], f"1 of the 1 that offer {MODEL} takes a schema: fireworks."),
        (NINE[1:2] * 2, f"1 of the 1 that offer {MODEL} takes a schema: fireworks."),
        ([{"tag": "a", "supported_parameters": None}, 7, {"tag": ""}, {}], "0 of the 1"),
        ([{"tag": f"p{n}", "supported_parameters": SCHEMA} for n in range(8)],
         "8 of the 8 that offer meta-llama/llama-3.3-70b-instruct take a schema: p0, p1, p2, p3, "
         "p4 and others."),
    ],
)  # fmt: skip
def test_whatever_is_listed_is_said(
    wire: Any, router: Any, endpoints: list[Any], said: str
) -> None:
    router.body = {"data": {"endpoints": endpoints}}
    page = form(wire, router.url)
    page.submit("form.upstreams", values={})
    assert said in page.field("routed_to")["help"]


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, {"error": {"message": "Model not found", "code": 404}}), (401, {"error": "no"}),
     (200, {"data": []}), (200, ["x"]), (200, b"<html>"), (500, {"error": {"message": "x"}})],
)  # fmt: skip
def test_a_list_that_does_not_come_is_told_and_loses_nothing(
    wire: Any, router: Any, status: int, body: Any
) -> None:
    router.status, router.body = status, body
    page = form(wire, router.url)
    page.submit("form.upstreams", values={"routed_to": "together"})
    pinned = page.field("routed_to")
    assert pinned["help"].startswith(f"The providers of {MODEL} could not be listed. ")
    assert (pinned["choices"], pinned["value"]) == ([], "together")
    assert page.form["busy"] == ""
    assert page.state["error"] is None


@pytest.mark.parametrize(
    "values", [{"name": ""}, {"endpoint": "https://api.groq.com/openai/v1"}, {"endpoint": ""}]
)
def test_nothing_is_asked_of_a_form_that_cannot_say_whom(
    wire: Any, router: Any, values: dict[str, str]
) -> None:
    page = form(wire, router.url)
    page.submit("form.upstreams", values=values)
    assert router.seen == []
    assert page.state["error"] is None


def test_a_rule_forbids_the_list_as_well(
    wire: Any, router: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    rules = tmp_path / "policy.toml"
    rules.write_text('[hosts]\ndeny = ["127.0.0.1"]\n')
    monkeypatch.setenv("LLMWIDGETS_POLICY", str(rules))
    page = form(wire, router.url)
    page.submit("form.upstreams", values={})
    assert router.seen == []
    assert "not allowed by" in page.field("routed_to")["help"]


@pytest.mark.browser
def test_a_provider_is_listed_and_pinned_by_the_keyboard(lab: Any, page: Any, router: Any) -> None:
    cell = "import llmwidgets as lw\nlw.ConnectionForm('custom', lw.Store.in_memory())"
    lab.notebook("upstreams.ipynb", [cell])
    panel = page.open("upstreams.ipynb").run_all().output()
    panel.get_by_role("option", name="OpenRouter").click()
    expect(panel.get_by_role("button", name="List providers")).to_have_count(0)
    name = panel.get_by_label("Name", exact=True)
    name.fill(MODEL)
    panel.locator("summary").filter(has_text="advanced").click()
    panel.get_by_label("Base URL").fill(f"{router.url}/api/v1")
    pinned, keyboard = panel.get_by_label("Pinned provider"), page.browser_page.keyboard
    pinned.focus()
    expect(panel.get_by_role("button", name="List providers")).to_be_visible()
    keyboard.press("Tab")
    expect(panel.get_by_role("button", name="List providers")).to_be_focused()
    keyboard.press("Enter")
    panel.get_by_text("3 of the 9 that offer").wait_for()
    expect(pinned).to_have_accessible_description(
        f"The only one asked. 3 of the 9 that offer {MODEL} "
        "take a schema: fireworks, together and nebius."
    )
    expect(panel.locator("datalist option")).to_have_count(9)
    expect(panel.get_by_role("button", name="List providers")).to_be_focused()
    for width in (1000, 640, 480):
        page.widen(width)
        becomes(panel, "each => each.scrollWidth <= each.clientWidth")
