"""A key in a real kernel: history, %store, outputs, widget state, HTML by nbconvert and by Voila.

The cells connect with a key that was never typed, look at it in every way, and crash. Beside it a
bare text goes the same way, which has to be found wherever the key is looked for.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from llmwidgets.keyscan.search import find_leaks
from llmwidgets.known_keys import known_key
from llmwidgets.secret import Secret
from tests.jupyterlab import free_port
from tests.trees import read_files

pytestmark = pytest.mark.timeout(240)

ROOT = Path(__file__).parents[2]
KEY = "made-up-Canary/7Q2vXw9KpLr4TzB8n"
CONTROL = "made-up-Control/5Hd8sYq3MfWj6Nc2k"
TYPED = "made-up-Typed/8Nc2k6MfWj5Hd3sYqR"
"""A control of its own: what is typed is in the source and the history alone."""

CELLS = [
    """
import os, copy, pathlib, ipywidgets, logging, pydantic
from IPython.display import display
import llmwidgets as lw
logging.basicConfig(filename="debug.log", level=1)
here = pathlib.Path("handed-in")
connection = lw.Connection("custom", name="m", endpoint="http://127.0.0.1:9/v1", label="box",
                           api_key=(here / "key").read_text())
control = (here / "control").read_text()
logging.debug(control)
""",
    "connection",
    "control",
    "[connection, connection.fields, connection.target('m'), copy.deepcopy(connection).fields]",
    "%whos",
    "%store connection",
    "%store control",
    "store = lw.Store.create('acme', passphrase=(here / 'passphrase').read_text())\n"
    "store.save(connection)\nlist(store)",
    "panel = lw.ConnectionPanel(store)\npanel",
    "ipywidgets.Password(value=control)",
    "lw.check(connection)",
    "lw.compare({'title': 'A', 'type': 'object', 'properties': {'a': {'type': 'string'}}}, ['t'],\n"
    "           [connection], journal='journal.sqlite', progress=False)",
    *(
        f"%xmode {mode}\nlw.Connection('openai', api_key=[(here / 'key').read_text()])"
        for mode in ("Plain", "Context", "Verbose", "Minimal")
    ),
    "%xmode Verbose\ncopy.copy(connection).with_label(1 / 0)",
    "pydantic.create_model('F', key=(int, ...))(key=control)",
    f"'{TYPED}' == 1",
    "button = ipywidgets.Button()\nbutton.on_click(lambda _: int(control))\nbutton.click()",
    "button = ipywidgets.Button()\nbutton.on_click(lambda _: [connection, store, 1 / 0])\n"
    "button.click()",
]

RUN = """
import sys, nbformat, nbclient
book = nbformat.read("work.ipynb", as_version=4)
client = nbclient.NotebookClient(book, allow_errors=True, kernel_name="python3")
client.extra_arguments = ["--HistoryManager.enabled=True",
                          "--HistoryManager.hist_file=history.sqlite"]
client.execute()
nbformat.write(book, "work.ipynb")
from nbconvert import HTMLExporter
open("export.html", "w").write(HTMLExporter().from_filename("work.ipynb")[0])
"""


@dataclass(frozen=True)
class Left:
    """The folder that a session left, and how its notebook ended."""

    folder: Path
    book: dict


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    folder = tmp_path_factory.mktemp("canary")
    (folder / "handed-in").mkdir()
    for name, word in (("key", KEY), ("control", CONTROL), ("passphrase", "made-up crane violet")):
        (folder / "handed-in" / name).write_text(word)
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "work.ipynb")
    run(folder, RUN)
    return Left(folder, json.loads((folder / "work.ipynb").read_text()))


def run(folder: Path, code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False,
        timeout=150, env=surroundings(folder),
    )  # fmt: skip
    (folder / "printed.log").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr[-3000:]


def surroundings(folder: Path) -> dict[str, str]:
    names = ("CONFIG_HOME", "CACHE_HOME", "DATA_HOME", "RUNTIME_DIR")
    return {
        "PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT),
        "IPYTHONDIR": str(folder / "ipython"),
        **{f"XDG_{name}": str(folder / "xdg") for name in names},
    }  # fmt: skip


def hits(word: str, folder: Path) -> set[str]:
    """The files that hold the word, raw, in base64 or as in a URL."""
    known = known_key("k", Secret(word))
    return {
        path.relative_to(folder).as_posix()
        for path, content in read_files(folder)
        if any(each.kind.startswith("k") for each in find_leaks(content, known))
    } - {"handed-in/key", "handed-in/control"}


def test_voila_shows_no_key(left: Left, tmp_path: Path) -> None:
    """Its server runs the same cells for a visitor: neither the page nor its log holds the key."""
    folder = tmp_path / "voila"
    folder.mkdir()
    # It ends at the first error, so the crash comes last.
    cells = [nbformat.v4.new_code_cell(CELLS[at]) for at in (0, 1, 2, 9, 16)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "page.ipynb")
    shutil.copytree(left.folder / "handed-in", folder / "handed-in")
    port = free_port()
    command = [
        sys.executable, "-m", "voila", "page.ipynb", "--no-browser", f"--port={port}", "--debug",
        "--Voila.ip=127.0.0.1", "--show_tracebacks=True",
    ]  # fmt: skip
    with (folder / "voila.log").open("wb") as log, subprocess.Popen(
        command, cwd=folder, stdout=log, stderr=log, env=surroundings(folder)
    ) as server:  # fmt: skip
        try:
            (folder / "page.html").write_bytes(visited(server, f"http://127.0.0.1:{port}/"))
        finally:
            server.terminate()
    page = (folder / "page.html").read_text()
    assert "key ends in zB8n" in page
    assert "ZeroDivisionError" in page
    found = hits(CONTROL, folder)
    assert "page.html" in found
    assert hits(KEY, folder) == set()


def visited(server: subprocess.Popen[bytes], address: str) -> bytes:
    """The page, once the server answers."""
    ends = time.monotonic() + 90
    while time.monotonic() < ends and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=90) as page:
                return page.read()
        except (OSError, urllib.error.URLError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(0.2)
    pytest.fail("Voila did not answer")


def outputs(left: Left, number: int) -> str:
    return json.dumps(left.book["cells"][number]["outputs"])


def test_the_cells_did_what_they_are_for(left: Left) -> None:
    """Each surface was really there: values shown, refusals raised, modes set, a crash printed."""
    said = [outputs(left, number) for number in range(len(CELLS))]
    assert "key ends in zB8n" in said[1]
    assert "box" in said[7]
    assert "application/vnd.jupyter.widget-view+json" in said[8]
    assert "cannot be pickled" in said[5]
    assert "Unreachable" in said[11] or "unreachable" in said[11]
    for mode in range(12, 16):
        assert "is not a text" in said[mode]
    assert "ZeroDivisionError" in said[16]
    assert "ZeroDivisionError" in said[20]
    assert "widgets" in left.book["metadata"]


def test_no_file_of_the_session_holds_the_key(left: Left) -> None:
    """Notebook, widget state, history, %store, profile, debug log, journal, export, store."""
    there = {path.name for path in left.folder.rglob("*") if path.is_file()}
    assert {
        "history.sqlite",
        "debug.log",
        "export.html",
        "journal.sqlite",
        "connections.age",
    } <= there
    assert hits(KEY, left.folder) == set()
    assert hits("made-up crane violet", left.folder) == {"handed-in/passphrase"}


def test_the_bare_text_is_found_in_them(left: Left) -> None:
    """The controls: each surface holds what is put there bare."""
    found = hits(CONTROL, left.folder)
    assert {"work.ipynb", "export.html", "debug.log"} <= found
    assert any("autorestore" in name for name in found), found
    assert hits(TYPED, left.folder) >= {"work.ipynb", "history.sqlite"}
    state = json.dumps(left.book["metadata"]["widgets"])
    assert CONTROL in state
    for number in (2, 4, 17, 19):
        assert CONTROL in outputs(left, number), CELLS[number]
