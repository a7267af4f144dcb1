"""A comparison in a real kernel: a bar while it runs, the result after it, no value in the file.

And the page that nbconvert makes of it, with both panels, without a kernel and without a script.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter

CELLS = [
    "import llmwidgets as lw\nfrom llmwidgets.demo import invoices",
    "result = lw.compare(invoices.Schema, invoices.texts, 'demo', truth=invoices.truth, "
    "journal=False)\nresult",
    "lw.compare(invoices.Schema, invoices.texts, 'demo-carefull')",
    "lw.ConnectionPanel(lw.Store.in_memory())",
    "result.explore()",
]

RUN = """
import json, sys, nbformat, nbclient
cells = [nbformat.v4.new_code_cell(each) for each in json.loads(sys.argv[1])]
book = nbformat.v4.new_notebook(cells=cells)
nbclient.NotebookClient(book, allow_errors=True, kernel_name="python3").execute()
print("BOOK" + nbformat.writes(book))
"""


@pytest.fixture(scope="module")
def book() -> nbformat.NotebookNode:
    """The notebook as it is saved after a run."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(CELLS)], capture_output=True, text=True,
        check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return nbformat.reads(done.stdout.split("BOOK", 1)[1], as_version=4)


def test_a_saved_notebook_holds_the_result_and_no_value(book) -> None:
    run, mistake = book["cells"][1]["outputs"], book["cells"][2]["outputs"]
    bars = [each for each in run if each["output_type"] == "display_data"]
    assert ["".join(page) for each in bars for page in each["data"].values()] == ["", ""]
    shown = next(each["data"] for each in run if each["output_type"] == "execute_result")
    assert "".join(shown["text/html"]).startswith('<div class="lw-static">')
    assert "demo-careful" in "".join(shown["text/plain"])
    from llmwidgets.demo import invoices

    for truth in invoices.truth.values():
        assert str(truth["number"]) not in json.dumps(run)
    (error,) = mistake
    assert error["ename"] == "UnknownConnection"
    assert error["traceback"] == [
        "UnknownConnection: There is no connection for demo-carefull. The nearest is demo-careful.",
        "Connected are demo-careful, demo-quick, demo-hasty, demo-flaky.",
    ]


def test_nbconvert_shows_both_panels_as_still_pages(book) -> None:
    """What a reader sees who runs no script: what stands for each panel, and the verdict."""
    page, _resources = HTMLExporter().from_notebook_node(book)
    seen = re.sub(r"(?s)<(script|style).*?</\1>", "", page)
    panels = seen.split('<div class="llmwidgets-static">')[1:]
    assert len(panels) == 2
    assert all("Run this cell to open the panel." in each for each in panels)
    assert seen.count("demo-careful is better than") == 1
