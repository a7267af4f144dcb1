"""llmwidgets demo: the whole job without a key, in the terminal."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.text import Text

import llmwidgets
from llmwidgets.cli import tables
from llmwidgets.comparison import compare
from llmwidgets.demo import invoices, stop_demo
from llmwidgets.errors import LLMWidgetsError

PAGE = Path("build") / "demo.html"


def run_demo() -> int:
    """Compare the demo's models on the sample invoices; nothing is kept but the page."""
    console = Console(highlight=False)
    console.print(
        Text("llmwidgets demo: rule-based models on this computer, no LLM, cost unknown.\n")
    )
    result = compare(
        invoices.Schema, invoices.texts, models="demo", truth=invoices.truth, journal=False
    )
    tables.side_by_side_table(console, result, 0)
    console.print()
    tables.scoreboard_table(console, result)
    page = result.to_html(PAGE, values=True)
    stop_demo()
    console.print(Text(f"\nAll {len(result.differences())} rows that differ, as a page: {page}"))
    console.print(Text("The same by clicking: make lab, or llmwidgets lab"))
    return 0


# -- llmwidgets lab: the notebook, opened in JupyterLab.

NOTEBOOK = "01_connect_and_compare.ipynb"


def run_lab(more: Sequence[str]) -> int:
    """Open the notebook; what stands after -- goes to JupyterLab. Its exit status."""
    if find_spec("jupyterlab") is None:
        raise LLMWidgetsError(
            "JupyterLab is not installed.", "Install it with: pip install jupyterlab."
        )
    extra = list(more[1:]) if more[:1] == ["--"] else list(more)
    command = [sys.executable, "-m", "jupyterlab", str(find_notebook(Path.cwd())), *extra]
    with subprocess.Popen(command) as server:
        while True:
            try:
                return server.wait()
            except KeyboardInterrupt:
                # JupyterLab got the same Ctrl-C, and asks its user whether to end.
                continue


def find_notebook(folder: Path) -> Path:
    """The repository's notebook, or a copy of the packaged one in `folder`, made once."""
    package = Path(llmwidgets.__file__).parent
    repository = package.parent / "notebooks" / NOTEBOOK
    if repository.is_file() and (package.parent / "pyproject.toml").is_file():
        return repository
    copy = folder / NOTEBOOK
    if copy.exists():
        return copy
    packaged = package / "notebooks" / NOTEBOOK
    if not packaged.is_file():
        raise LLMWidgetsError(
            "The notebook is not in this installation.", "Install llmwidgets from its wheel."
        )
    try:
        shutil.copyfile(packaged, copy)
    except OSError as error:
        raise LLMWidgetsError(
            f"The notebook cannot be copied into {folder}: {error.strerror}.",
            "Go to a folder that may be written.",
        ) from None
    return copy
