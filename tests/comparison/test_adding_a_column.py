"""The page of CONTRIBUTING on a column of the scoreboard does what it says, on a copy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PAGE = PAGE.partition("## Add a column to the scoreboard\n")[2].partition("\n## ")[0]
FIELD, VALUE, COLUMN = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
EDITS = (
    ("report/scoreboard.py", "    # What the views show besides.\n", FIELD),
    ("comparison/scores.py", "        letter=formatting.variant_letter(at),\n", VALUE),
    ("report/scoreboard.py", "        Column(_times, page=", COLUMN),
)

USED = """
import llmwidgets as lw
found = lw.Comparison.from_outputs(
    [{"name": "customer"}], ["x"], {"A": [{"customer": "Ada"}]}, [{"customer": "Ada"}]
)
board = found.scoreboard()
assert list(board.columns)[-1] == "reused" and board.reused[0] == 0 and board.reused.dtype == int
assert "Paid before" in found._repr_html_() and "paid before" in repr(found)
"""


def test_a_column_is_a_field_its_value_and_an_entry(tmp_path) -> None:
    package = tmp_path / "llmwidgets"
    shutil.copytree(
        ROOT / "llmwidgets", package, ignore=shutil.ignore_patterns("__pycache__", "node_modules")
    )
    for name, before, addition in EDITS:
        text = (package / name).read_text("utf-8")
        assert text.count(before) == 1
        (package / name).write_text(text.replace(before, addition + before), "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", USED], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
