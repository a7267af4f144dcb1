"""The how-to of a comparison runs, and names every public method; the pages on files run too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmwidgets.comparison import Comparison
from llmwidgets.comparison.files.names import TABLES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "comparison.md").read_text("utf-8")
FILES = (ROOT / "docs" / "files.md").read_text("utf-8")
OTHER_TOOLS = (ROOT / "docs" / "other_tools.md").read_text("utf-8")

HELD = "made_at|label_log|looks|columns|scoring|notes"
"""What a comparison has, beside what it can do."""

BELOW = {"extraction", "row"}
"""What the core has for this package's own views and for writers of exports."""


def test_the_page_runs_as_it_is(tmp_path, monkeypatch, demo) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, names)
    files = {path.suffix for path in tmp_path.iterdir() if path.is_file()}
    assert files == {".json", ".html", ".csv", ".jsonl"}


@pytest.mark.parametrize("page", [FILES, OTHER_TOOLS], ids=["files", "other tools"])
def test_the_pages_on_files_run_as_they_are(tmp_path, monkeypatch, demo, page) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, names)


def test_the_page_on_files_names_every_kind_that_is_read() -> None:
    rows = re.findall(r"^\| (.+?) \|", FILES, re.MULTILINE)
    assert set(re.findall(r"`(\.\w+)`", "".join(rows))) == {*TABLES, ".txt", ".md", ".pdf"}


def test_every_public_method_is_on_a_page_for_users() -> None:
    known = {*re.findall(r"\.(\w+)", PAGE), "to_parquet", "to_excel"}
    methods = {
        name for name in dir(Comparison) if not name.startswith("_") and not re.match(HELD, name)
    }
    assert methods - known - BELOW == set()
