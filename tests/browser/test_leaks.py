"""A key typed into the form, and the words of a text, are nowhere but where they belong.

One session of a user in a real JupyterLab with the loudest settings: widget state saved into the
notebook, the kernel at debug. A key is typed into the OpenAI form and saved in a store, the demo is
connected, a comparison is run by the panel and by the function, the notebook is saved. Then every
file that anything wrote is searched. A bare `ipywidgets.Password` goes the same way, so that the
search is known to find what is there.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
import pytest
from playwright.sync_api import expect

from tests.forms import proposed_words
from tests.jupyterlab import Lab, LabPage, becomes, listen, start_lab
from tests.trees import read_files

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

KEY = "sk-made-up-Canary7Q2vXw9KpLr4TzB8n"
CONTROL = "made-up-Control5Hd8sYq3MfWj6Nc"
MARKER = "The heron of Quillonby counted exactly seventeen lanterns"

CELLS = [
    "import json, pathlib\nimport ipywidgets\nimport llmwidgets as lw\nlw.ConnectionPanel()",
    "ipywidgets.Password(description='Control')",
    """
from llmwidgets.demo import invoices
texts = json.loads(pathlib.Path("texts.json").read_text())
lw.start_demo()
panel = lw.ComparisonPanel(invoices.Schema, texts, models="demo")
panel
""",
    "result = lw.compare(invoices.Schema, texts, models='demo')\nresult",
    "result.scoreboard().shape",
]


@dataclass
class Session:
    """What one session of the user left behind."""

    lab: Lab
    notebook: dict[str, Any]
    words: str
    recovery: str
    sent: list[str | bytes]
    frames: list[str | bytes]


def _loud_kernel(home: Path) -> None:
    folder = home / "jupyter-data" / "kernels" / "loud"
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--debug"]
    (folder / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "loud", "language": "python"})
    )


def _write_notebook(lab: Lab) -> None:
    path = lab.notebook("session.ipynb", CELLS)
    notebook = json.loads(path.read_text())
    notebook["metadata"]["kernelspec"]["name"] = "loud"
    path.write_text(json.dumps(notebook))
    texts = [f"Invoice INV-{n} of Sample Ltd. {MARKER}. Total: {n}0.00 EUR" for n in range(1, 4)]
    (lab.root / "texts.json").write_text(json.dumps(texts))


def _save_a_key(page: LabPage) -> tuple[str, str]:
    panel = page.output(0)
    panel.get_by_role("button", name=re.compile("^OpenAI")).first.click()
    panel.get_by_text("Base URL, extra headers").click()
    demo = "http://127.0.0.1:9/v1"  # nothing listens: the test fails, and the key is saved anyway
    panel.get_by_label("Base URL").fill(demo)
    key = panel.get_by_label("API key")
    key.press_sequentially(KEY)
    expect(key).to_have_value(KEY)
    panel.get_by_role("button", name="Test and save").click()
    panel.get_by_role("button", name="Save anyway").click()
    panel.get_by_text("of 2,048, 66 bits").wait_for()
    words = proposed_words(panel)
    panel.get_by_label("Type the six words once").press_sequentially(words)
    panel.get_by_role("button", name="Show").click()
    recovery = panel.get_by_text(re.compile("^AGE-SECRET-KEY-1[0-9A-Z]{58}$")).inner_text()
    panel.get_by_label("I keep it somewhere other than this computer").check()
    panel.get_by_role("button", name="Create store and save").click()
    panel.get_by_text(re.compile("Stored, ends in")).wait_for()
    for each in (KEY, words, recovery):
        becomes(panel, f"() => !document.documentElement.outerHTML.includes({json.dumps(each)})")
    return words, recovery


def _run(page: LabPage) -> None:
    panel = page.output(1)
    panel.get_by_role("button", name=re.compile(r"^Run \d+ calls")).click()
    panel.get_by_role("tab", name="Scoreboard").wait_for()
    page.static("replies are valid records")


@pytest.fixture(scope="module")
def session(tmp_path_factory, chromium: str, browser: Any) -> Session:
    home = tmp_path_factory.mktemp("leaks")
    _loud_kernel(home)
    lab = start_lab(home, chromium)
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    page = LabPage(lab, context.new_page())
    listen(page)
    try:
        _write_notebook(lab)
        page.open("session.ipynb").run_all()
        words, recovery = _save_a_key(page)
        page.browser_page.get_by_label("Control").press_sequentially(CONTROL)
        _run(page)
        notebook = page.save()
        left = Session(lab, notebook, words, recovery, list(page.sent), list(page.frames))
    finally:
        context.close()
        lab.stop()
    assert not page.troubles
    return left


def _spellings(word: str) -> list[bytes]:
    raw = word.encode()
    inner = base64.b64encode(raw)[4:-4]  # whatever stands before and after it
    return [raw, inner, quote(word).encode(), word[:24].encode()]


def hits(word: str, folder: Path) -> list[str]:
    """The files below a folder that hold the word raw, in base64, or as in a URL."""
    spellings = _spellings(word)
    return sorted(
        path.relative_to(folder).as_posix()
        for path, content in read_files(folder)
        if any(each in content for each in spellings)
    )


def test_the_session_left_what_is_searched(session: Session) -> None:
    """The notebook, its widget state, history, logs, journal and store are all there."""
    home = session.lab.home
    left = {path.name for path in home.rglob("*") if path.is_file()}
    assert {"session.ipynb", "history.sqlite", "connections.age", "identity.age"} <= left
    assert any(name.startswith("journal") for name in left), left
    assert "application/vnd.jupyter.widget-state+json" in session.notebook["metadata"]["widgets"]
    log = session.lab.log.read_text(errors="replace")
    assert "comm_msg" in log, "the kernel is not at debug"


def test_the_search_finds_a_bare_password(session: Session) -> None:
    """The control: what ipywidgets.Password was told stands in the notebook and in the log."""
    found = hits(CONTROL, session.lab.home)
    assert "notebooks/session.ipynb" in found
    assert "server.log" in found


def test_the_key_is_in_no_file(session: Session) -> None:
    assert hits(KEY, session.lab.home) == []


def test_the_passphrase_is_in_no_file(session: Session) -> None:
    """Six words that the kernel proposed, shown in the page and typed back."""
    assert len(session.words.split()) == 6
    assert hits(session.words, session.lab.home) == []


def test_the_recovery_identity_is_in_no_file(session: Session) -> None:
    """It was shown in the page once, and is left to the user alone."""
    assert hits(session.recovery, session.lab.home) == []


def test_secrets_cross_the_page_sealed(session: Session) -> None:
    """On a secure page no websocket frame holds one: typed there, or made here and shown there."""
    for frame in session.frames:
        raw = frame.encode() if isinstance(frame, str) else frame
        for word in (KEY, session.words, session.recovery):
            assert not any(each in raw for each in _spellings(word)[:2])


def test_a_text_is_only_in_its_own_file(session: Session) -> None:
    """No saved notebook, state, history, log or journal holds a word of the texts."""
    assert hits(MARKER, session.lab.home) == ["notebooks/texts.json"]


def test_exports_hold_neither(session: Session, tmp_path: Path) -> None:
    """The HTML export, and an executed notebook with its widget state, are as clean."""
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter

    saved = session.lab.root / "session.ipynb"
    body, _ = HTMLExporter().from_filename(str(saved))
    (tmp_path / "export.html").write_text(body)
    notebook = nbformat.read(saved, as_version=4)
    notebook.metadata["kernelspec"]["name"] = "python3"
    NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(session.lab.root)}}
    ).execute()
    assert notebook.metadata["widgets"]
    nbformat.write(notebook, tmp_path / "executed.ipynb")
    assert hits(KEY, tmp_path) == []
    assert hits(MARKER, tmp_path) == []
    assert "export.html" in hits(CONTROL, tmp_path)


def test_a_reopened_notebook_shows_the_result_without_a_kernel(
    session: Session, lab: Lab, fresh_page: LabPage
) -> None:
    """Trusted, with no kernel: scores and marks are readable where the widget cannot show.

    In a page of its own: JupyterLab asks a moment later for another kernel.
    """
    from nbformat.sign import NotebookNotary

    notebook = nbformat.from_dict(session.notebook)
    notebook.metadata["kernelspec"]["name"] = "no-such-kernel"
    path = lab.root / "reopened.ipynb"
    nbformat.write(notebook, path)
    notary = NotebookNotary(data_dir=str(lab.home / "jupyter-data"))
    notary.sign(notebook)
    notary.store.close()
    browser = fresh_page.browser_page
    browser.goto(f"{lab.url}/lab/tree/{path.name}?token={lab.token}&reset")
    shown = browser.locator(".jp-OutputArea")
    shown.get_by_text("demo-careful").first.wait_for()
    of_the_panel, of_the_function = shown.nth(2), shown.nth(3)
    for output in (of_the_panel, of_the_function):
        expect(output.get_by_role("columnheader", name="Valid")).to_be_visible()
        expect(output.get_by_role("cell", name="A demo-careful")).to_be_visible()
