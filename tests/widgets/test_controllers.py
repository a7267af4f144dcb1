"""Widgets by composition: small classes, short chains, and each message goes to one controller."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import ipywidgets
import pytest

import llmwidgets as lw
from llmwidgets.widgets import panel
from tests.widgets.conftest import Wire

WIDGETS = Path(panel.__file__).parent
MOST_METHODS, LONGEST_CHAIN = 30, 2


def classes() -> Iterator[ast.ClassDef]:
    for path in WIDGETS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield node


def sent() -> set[str]:
    """Every message that the page, or a button that the kernel describes, names in full."""
    page = [each.read_text("utf-8") for each in (WIDGETS / "javascript" / "src").rglob("*.ts*")]
    kernel = [each.read_text("utf-8") for each in WIDGETS.rglob("*.py")]
    names = {name for text in page for name in re.findall(r'"([a-z]+\.[a-z_]+)"', text)}
    names.discard("huggingface.co")  # a host whose keys have a page of their own
    names |= {name for text in kernel for name in re.findall(r'"type": "([a-z]+\.[a-z_]+)"', text)}
    return names | {"scores.show"}  # what a view asks by unless another name is given


def answered_by(widget: panel.Panel) -> set[str]:
    """Every message that a controller of this panel answers."""
    return {
        f"{prefix}.{name.removeprefix('act_')}"
        for prefix, controller in widget.controllers.items()
        for name in dir(controller)
        if name.startswith("act_")
    }


def answered() -> set[str]:
    """Every message that a controller of some panel answers."""
    store = lw.Store.in_memory()
    panels = [lw.ConnectionPanel(store), lw.ConnectionForm("openai", store), lw.ComparisonPanel()]
    names = {name for each in panels for name in answered_by(each)}
    for each in panels:
        each.close()
    return names


def test_no_class_is_large() -> None:
    counts = {
        each.name: sum(
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in each.body
        )
        for each in classes()
    }
    assert {name: count for name, count in counts.items() if count > MOST_METHODS} == {}


def test_no_chain_is_long() -> None:
    """Of our own classes; what a view's state is made of counts too."""
    bases = {each.name: [ast.unparse(base) for base in each.bases] for each in classes()}

    def length(name: str) -> int:
        return 1 + max((length(base) for base in bases[name] if base in bases), default=0)

    assert [name for name in bases if length(name) > LONGEST_CHAIN] == []


def test_each_message_has_a_controller_and_each_controller_is_asked() -> None:
    """What the page sends is answered, and nothing is answered that nobody sends."""
    messages, answers = sent(), answered()
    assert messages - answers == set()
    assert answers - messages == set()


@pytest.mark.parametrize("kind", ["store", "store.", "store.__init__", "nobody.unlock", "unlock"])
def test_a_message_for_nobody_is_dropped(kind: str, wire) -> None:
    page = wire(lw.ConnectionPanel(lw.Store.in_memory()))
    before = len(page.messages)
    page.send(kind)
    assert len(page.messages) == before


@pytest.mark.parametrize("name", ["ComparisonPanel", "ConnectionForm", "ConnectionPanel"])
def test_a_page_that_asks_while_the_panel_is_made_is_answered(name: str, monkeypatch) -> None:
    """JupyterLab hands messages over while a cell runs: the first question has an answer."""
    heard: list[dict] = []
    opened = ipywidgets.Widget.open

    def ask(widget: ipywidgets.Widget) -> None:
        opened(widget)
        if isinstance(widget, panel.Panel):
            page = Wire(widget)
            page.send("module")
            page.send("hello")
            heard.extend(page.messages)

    monkeypatch.setattr(ipywidgets.Widget, "open", ask)
    given = ["openai"] if name == "ConnectionForm" else []
    widget = getattr(lw, name)(*given, store=lw.Store.in_memory())
    widget.close()
    assert {"module", "state"} <= {each["type"] for each in heard}
    assert widget.last_error is None


WRONG = (
    None,
    True,
    7,
    -1,
    10**12,
    1.5,
    float("nan"),
    "x",
    "9" * 5000,
    "\ud800",
    [],
    [[1]],
    {"a": {}},
)
TYPED = (
    "row", "column", "layout", "from", "count", "metrics", "states", "names", "values", "models",
    "kind", "label", "model", "ref", "key", "path", "number", "matters", "repeats", "concurrency",
    "budget", "text", "title", "what", "name", "endpoint", "value", "on", "format", "turn",
)  # fmt: skip
NOT_SENT = {"setup.demo", "connections.demo", "found.discover", "found.look_elsewhere", "form.test"}
"""What asks this computer or a server."""


@pytest.mark.parametrize("given", WRONG, ids=lambda given: repr(given)[:12])
def test_a_message_of_wrong_types_is_no_failure_of_ours(given: object, wire) -> None:
    """Nothing a page sends ends as an unexpected error, and no number makes us count for long."""
    store = lw.Store.in_memory()
    store.add_for_session(lw.Connection("openai", api_key="sk-made-up-0004711-3fQz"))
    made = lw.Comparison.from_outputs(
        {"type": "object", "properties": {"a": {"type": "string"}}}, ["b"], {"A": [{"a": "c"}]}
    )
    panels = [lw.ConnectionPanel(store), lw.ConnectionForm("openai", store), made.explore()]
    for each in panels:
        page = wire(each)
        for kind in sorted(answered_by(each) - NOT_SENT):
            form = {"form": page.form["key"]} if page.state.get("form") else {}
            content = {**dict.fromkeys(TYPED, given), "index": 0, **form}
            page.send(kind, **content)
            assert "unexpected" not in (each.last_error or ""), (kind, each.last_error)
