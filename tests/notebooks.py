"""The tutorial notebooks, run and saved with their outputs: `python -m tests.notebooks [FILES]`.

Each runs from top to bottom in a real kernel, in a folder and with a home of its own, and reaches
loopback alone. What it shows is written back, so that it can be read where no kernel is; an output
that differs from the saved one in `VARYING` alone is left as it was, so that a second run changes
nothing. `tests/project/test_documents.py` runs them once more, and compares.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CELL_SECONDS = 120

_YEAR = r"20(?:2[6-9]|[3-9]\d)"
_MONTH = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
VARYING = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"\b\d+\.\d\d / \d+\.\d\d(?: s)?\b", "TIMES"),
        # Tokens: whether a flaky model's schema stands in a prompt depends on what came before.
        (r"\b\d{1,3}(?:,\d{3})* / \d{1,3}(?:,\d{3})*\b", "TOKENS"),
        (r"\d[\d.,]*\s?(?:ms|s|sec|seconds?|min|minutes?|h|hours?)\b", "TIME"),
        (rf"\b{_YEAR}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)?)?", "DAY"),
        (rf"\b\d\d? (?:{_MONTH})[a-z]* {_YEAR}\b", "DAY"),
        (r"\b\d\d:\d\d(?::\d\d)?\b", "TIME"),
        (r"(127\.0\.0\.1|localhost):\d+", r"\1:PORT"),
        (r"(?:/private)?(?:/var/folders|/tmp)/[^\s\"'<>)]+", "FOLDER"),
        (r"\b0x[0-9a-f]{6,}", "ADDRESS"),
    )
)  # fmt: skip
"""What differs from run to run, and the word that stands for it when two outputs are compared.

Days before 2026 are those of the sample texts, and are compared.
"""

_KEPT_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# A page without the kernel has no widget to draw: it would show "model not found" in its place.
_LIVE = "application/vnd.jupyter.widget-view+json"
_STATIC = "llmwidgets-static"
# What a library logs depends on how busy the machine is: a worker that ends slowly, say.
_LOGGED = re.compile(r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ - [\w.]+ - [A-Z]+ - .*\n?)+")
_LOOPBACK_ALONE = '''"""Refuses every host but loopback, in the kernel and in what it starts."""
import sys


def _refuse(event, args):
    host = None
    if event == "socket.connect" and isinstance(args[1], tuple):
        host = args[1][0]
    elif event == "socket.getaddrinfo":
        host = args[0]
    if isinstance(host, bytes):
        host = host.decode()
    if host and not host.startswith("127.") and host not in ("localhost", "::1", "0.0.0.0"):
        raise OSError(f"A notebook tried to reach {host}; it runs without a network.")


sys.addaudithook(_refuse)
'''


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a fresh run, cleaned for keeping; a failing cell raises."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        client = NotebookClient(
            notebook, timeout=CELL_SECONDS, record_timing=False, coalesce_streams=True,
            kernel_name="python3", store_widget_state=False,
            resources={"metadata": {"path": str(folder)}},
        )  # fmt: skip
        client.execute(env=_surroundings(folder / "home"))
    return clean(notebook)


def _surroundings(home: Path) -> dict[str, str]:
    """The environment of a user who has just installed the project: no key, no store, no proxy."""
    home.mkdir()
    (home / "sitecustomize.py").write_text(_LOOPBACK_ALONE)
    kept = {
        name: os.environ[name]
        for name in ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")
        if name in os.environ
    }
    folders = {f"XDG_{each}_HOME": str(home / each.lower()) for each in ("CONFIG", "CACHE", "DATA")}
    return {
        **kept, **folders, "HOME": str(home), "USERPROFILE": str(home), "XDG_STATE_HOME": str(home),
        "XDG_RUNTIME_DIR": str(home), "XDG_CONFIG_DIRS": str(home / "etc"),
        "IPYTHONDIR": str(home / "ipython"), "PYTHONPATH": f"{home}{os.pathsep}{ROOT}",
    }  # fmt: skip


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without what a reader without its kernel cannot use."""
    notebook.metadata = nbformat.from_dict(_KEPT_METADATA)
    count = 0
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            pages = [each.get("data", {}).get("text/html", "") for each in cell.outputs]
            still = any(_STATIC in page for page in pages)
            kept = (_keep(each, count, still=still) for each in cell.outputs)
            cell.outputs = [each for each in kept if each]
    return notebook


def _keep(
    output: nbformat.NotebookNode, count: int, *, still: bool
) -> nbformat.NotebookNode | None:
    """The output as it is saved; None if nothing is left of it.

    `still`: the cell has a static output, which says what the widget's own words say.
    """
    if output.output_type == "stream" and _LOGGED.fullmatch(output.text):
        return None
    if "data" in output:
        live = _LIVE in output.data
        left = {kind: data for kind, data in output.data.items() if kind != _LIVE}
        if not any(left.values()) or (live and still and left.keys() == {"text/plain"}):
            return None
        output.data = nbformat.from_dict(left)
    if output.output_type == "execute_result":
        output.execution_count = count
    return output


def compared(outputs: Iterable[Mapping[str, Any]]) -> list[Any]:
    """The outputs of a cell as they are compared: what varies is a word."""
    return [_masked(each) for each in outputs]


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _masked(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(each) for each in value]
    if isinstance(value, str):
        for pattern, word in VARYING:
            value = pattern.sub(word, value)
    return value


def keep_unchanged(notebook: nbformat.NotebookNode, saved: nbformat.NotebookNode) -> None:
    """Give each cell its saved outputs where a run showed the same but for what varies."""
    before = {cell.id: cell for cell in saved.cells if cell.cell_type == "code"}
    for cell in notebook.cells:
        old = before.get(cell.id)
        if cell.cell_type == "code" and old and compared(old.outputs) == compared(cell.outputs):
            cell.outputs = clean_counts(old.outputs, cell.execution_count)


def clean_counts(outputs: list[Any], count: int) -> list[Any]:
    """The outputs, numbered as their cell."""
    for each in outputs:
        if each.output_type == "execute_result":
            each.execution_count = count
    return outputs


def write(path: Path) -> bool:
    """Run a notebook and save it; whether that changed the file."""
    before = path.read_text("utf-8")
    notebook = execute(path)
    keep_unchanged(notebook, clean(nbformat.reads(before, as_version=4)))
    nbformat.validate(notebook)
    after = nbformat.writes(notebook) + "\n"
    path.write_text(after, "utf-8")
    return after != before


def main(names: list[str]) -> None:
    """Run the notebooks named, or all of them, and say which are new."""
    for path in [Path(name) for name in names] or NOTEBOOKS:
        print(f"{path.name}: {'written' if write(path) else 'as it was'}")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
