"""A key or passphrase typed into a cell is answered by a note, in a real kernel, that cleans it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat

from llmwidgets.cli import main

ROOT = Path(__file__).parents[2]
KEY = "made-up-7Q2vXw9KpLr4"
PASSPHRASE = "made-up crane violet"
CHANGED = "made-up river anchor"
HEADER = "made-up-9KpLr4TzB8nC"
LOGIN = json.dumps({
    "type": "authorized_user", "client_id": "made-up", "quota_project_id": "acme-1",
    "client_secret": "GOCSPX-7Q2vXw9KpLr4TzB8nC1dE5fG6h",
    "refresh_token": "1//0gMadeUp7Q2vXw9KpLr4TzB8nC1dE5fG6hJ7kLmN",
})  # fmt: skip
TYPED = (KEY, PASSPHRASE, CHANGED, HEADER, "GOCSPX-7Q2vXw", "1//0gMadeUp")

RUN = """
import sys, nbformat, nbclient
path, history = sys.argv[1:]
book = nbformat.read(path, as_version=4)
client = nbclient.NotebookClient(book, allow_errors=True, kernel_name="python3")
client.extra_arguments = ["--HistoryManager.enabled=True", f"--HistoryManager.hist_file={history}"]
client.execute()
nbformat.write(book, path)
"""  # fmt: skip

CUSTOM = '"custom", name="m", endpoint="http://localhost:1/v1"'
CELLS = {
    "start": "import os, llmwidgets as lw",
    "typed": f'c = lw.Connection({CUSTOM}, api_key="{KEY}")',
    "again": f"c = lw.Connection({CUSTOM}, api_key='{KEY}')",
    "reference": 'lw.Connection("openai", api_key="env:OPENAI_API_KEY")',
    "variable": 'lw.Connection("openai", api_key=os.environ["HANDED_IN"])',
    "short": f'lw.Connection({CUSTOM}, api_key="ollama")',
    "store": f'store = lw.Store.create("acme", passphrase="{PASSPHRASE}")',
    "header": f'lw.Connection({CUSTOM}, headers={{"X-Team": "{HEADER}"}})',
    "changed": f'store.change_passphrase("{PASSPHRASE}", "{CHANGED}")',
    "back": f"store.change_passphrase('{CHANGED}', '{PASSPHRASE}')",
    "login": f"lw.Connection('vertex_ai', credentials='''{LOGIN}''')",
    "unlock": f"store.lock(); store.unlock('{PASSPHRASE}')",
    "failing": 'lw.Connection("openai", api_kei="made-up-other-5Hd8sYq3")',
}  # fmt: skip


def test_a_literal_is_answered_by_the_command_that_cleans_it(tmp_path: Path, monkeypatch) -> None:
    notebook, history = tmp_path / "work.ipynb", tmp_path / "history.sqlite"
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS.values()]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(notebook), str(history)], cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "JPY_SESSION_NAME": str(notebook),
             "HANDED_IN": "made-up-handed-in-0001", "OPENAI_API_KEY": "made-up-environment-1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    book = json.loads(notebook.read_text())
    said = {
        name: "".join(
            "".join(each["text"])
            for each in cell["outputs"]
            if each["output_type"] == "stream" and each["name"] == "stderr"
        )
        for name, cell in zip(CELLS, book["cells"], strict=True)
    }
    assert {name for name, text in said.items() if text} == {
        "typed", "store", "failing", "header", "changed", "login"
    }  # fmt: skip
    command = f"    llmwidgets scan --clean {notebook} {history}\n"
    assert said["typed"].startswith("llmwidgets: The api_key is written in a cell")
    assert said["store"].startswith("llmwidgets: The passphrase is written in a cell")
    assert 'headers={"X-Team": "env:NAME"}' in said["header"]
    for text in filter(None, said.values()):
        assert text.endswith(command)
        assert [word for word in TYPED if word in text] == []
    for path in (notebook, history):
        held = path.read_bytes()
        assert [word for word in TYPED if word.encode() not in held] == [], "the control: typed"
    # The command does what the note says.
    assert main([*command.split()[1:], "--yes"]) == 1
    for path in (notebook, history):
        assert [word for word in TYPED if word.encode() in path.read_bytes()] == []
    assert main(command.split()[1:]) == 0
    json.loads(notebook.read_text())
