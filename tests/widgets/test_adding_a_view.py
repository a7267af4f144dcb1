"""What CONTRIBUTING says of adding a view, done on a copy of the tree: two files and a line."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.node import run_in
from tests.pages import DRAW, KERNEL
from tests.trees import ROOT, copy_tree
from tests.type_checks import check_types, checks_types

LOOKS = """
import llmwidgets as lw
from tests.widgets.conftest import Wire

outputs = {"A": [{"who": "Ada"}] * 2}
result = lw.Comparison.from_outputs([{"name": "who"}], ["Ada", "Grace"], outputs)
page = Wire(result.explore())
page.send("hello")
assert page.state["result"]["views"][-1] == "lengths", page.state
page.send("lengths.show")
answer = next(each for each in page.messages if each["type"] == "lengths")
assert list(answer["lengths"].values()) == [3, 5], answer
"""


@pytest.fixture(scope="module")
def copy(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree with the view that CONTRIBUTING shows, built."""
    root = tmp_path_factory.mktemp("tree")
    widgets = root / "llmwidgets" / "widgets"
    copy_tree(root, "llmwidgets", "tests", "pyproject.toml", without=("javascript",))
    shutil.copytree(sources, widgets / "javascript", symlinks=True)
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Add a view")[2]
    blocks = re.findall(r"```(?:python|tsx)\n(.*?)```", page, re.DOTALL)
    controller, component, line = blocks[:3]
    (widgets / "comparison" / "lengths.py").write_text(controller, "utf-8")
    tabs = widgets / "javascript" / "src" / "comparison" / "tabs"
    (tabs / "lengths.tsx").write_text(component, "utf-8")
    registry = widgets / "comparison" / "results.py"
    text = registry.read_text("utf-8")
    last = '    "request": "",\n'
    assert text.count(last) == 1
    registry.write_text(text.replace(last, last + line), "utf-8")
    done = run_in(widgets / "javascript", "npm", "run", "build")
    assert done.returncode == 0, done.stderr
    return root


def run(copy: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command], cwd=copy, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(copy)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_the_new_view_answers(copy: Path) -> None:
    """Its tab is the last one, and its question has an answer."""
    run(copy, "-c", LOOKS)


@checks_types
def test_the_new_view_is_typed_and_linted(copy: Path) -> None:
    """The kernel's half and the page's half pass what the others pass."""
    check_types(copy)
    run(copy, "-m", "ruff", "check", "llmwidgets/widgets")
    run(copy, "-m", "ruff", "format", "--check", "llmwidgets/widgets")
    for task in ("types", "lint"):
        done = run_in(copy / "llmwidgets" / "widgets" / "javascript", "npm", "run", task)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.browser
def test_the_new_view_is_drawn(copy: Path, blank: Any) -> None:
    """Its tab asks for it, and shows what the kernel answers."""
    static = copy / "llmwidgets" / "widgets" / "static"
    result = {
        "edition": 1, "revision": 0, "views": ["text", "lengths"], "variants": [], "truth": False,
        "texts": 0, "unlabelled": 0, "read": 0, "live": False, "counts": {}, "fields": [],
        "labels": 0, "undo": "", "facts": [], "notes": [], "resume": "",
    }  # fmt: skip
    state = {"type": "state", "error": None, "screen": "results", "again": "", "result": result}
    answer = {"type": "lengths", "edition": 1, "lengths": {"a.txt": 3}}

    def hear(message: dict[str, Any], *files: str) -> None:
        raw = [base64.b64encode((static / name).read_bytes()).decode() for name in files]
        blank.evaluate("([message, raw]) => lwFromKernel(message, raw)", [message, raw])

    blank.add_script_tag(content=KERNEL)
    blank.evaluate(DRAW, (static / "loader.js").read_text("utf-8"))
    hear({"type": "module"}, "comparison_panel.js", "comparison_panel.css")
    hear(state)
    blank.get_by_role("tab", name="Lengths").click()
    part = ["comparison_panel.views.js", "comparison_panel.views.css"]
    hear({"type": "module", "part": "views"}, *part)
    hear(answer)
    assert "lengths.show" in blank.evaluate("lwModel.sent.map((each) => each.type)")
    expect(blank.get_by_text("a.txt: 3 characters")).to_be_visible()
