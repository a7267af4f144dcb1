"""The page of CONTRIBUTING on a column of the scoreboard does what it says, on a copy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.trees import ROOT, copy_tree

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PAGE = PAGE.partition("## Add a column to the scoreboard\n")[2].partition("\n## ")[0]
ADDITIONS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
CONTRACT = "tests/comparison/test_comparison.py"
STATS = "llmwidgets/comparison/measures/variant_stats.py"
PLACES = (
    (STATS, "    timed_out: int = 0\n"),
    (STATS, "        self.timed_out += extraction.timed_out\n"),
    (STATS, '    "lists": _join_lists,'),
    ("llmwidgets/report/scoreboard.py", "\n    def by_column("),
    ("llmwidgets/comparison/measures/scores.py", "        letter=formatting.variant_letter(at),\n"),
    (CONTRACT, "    ]  # fmt: skip\n\n\ndef test_what_is_right_wrong_invented_and_missed"),
    ("llmwidgets/report/scoreboard.py", "        Column(_times, page="),
    ("llmwidgets/report/scoreboard.py", "        row.late and f"),
)
"""What each addition of the page stands before."""

USED = """
from dataclasses import replace
import llmwidgets as lw
from llmwidgets.comparison.measures.variant_stats import VariantStats
from llmwidgets.comparison.summary import summarize
from llmwidgets.report.scoreboard import render_text
found = lw.Comparison.from_outputs(
    [{"name": "customer"}], ["x"], {"A": [{"customer": "Ada"}]}, [{"customer": "Ada"}]
)
stats = VariantStats()
stats.add(replace(next(iter(found)), tries=3))
assert stats.retries == 2
board = found.scoreboard()
assert list(board.columns)[-1] == "retries"
assert board.retries[0] == 0 and board.retries.dtype == int
assert "Tried again" in found._repr_html_() and "tried again" not in repr(found)
shown = summarize(found)
again = replace(shown, rows=tuple(replace(row, retries=2) for row in shown.rows))
assert "2 tried again" in render_text(again)
"""
HELD = (
    f"{CONTRACT}::test_the_scoreboard_has_the_columns_of_the_contract_in_order",
    "tests/comparison/test_frozen.py",
    "tests/report",
)
"""The tests that a new column must not break."""


def run(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_column_is_what_the_page_says(tmp_path) -> None:
    """And the tests that hold the columns, what was saved and the widths pass with it."""
    copy_tree(tmp_path, "llmwidgets", "tests", "pyproject.toml")
    for (name, before), addition in zip(PLACES, ADDITIONS, strict=True):
        path = tmp_path / name
        text = path.read_text("utf-8")
        assert text.count(before) == 1, (name, before)
        path.write_text(text.replace(before, addition + before), "utf-8")
    run(tmp_path, "-c", USED)
    run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", *HELD)
    run(tmp_path, "-m", "ruff", "check", "--no-cache", "llmwidgets/comparison", "llmwidgets/report")
