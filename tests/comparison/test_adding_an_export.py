"""The page of CONTRIBUTING on adding an export does what it says, on a copy of the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.trees import ROOT, copy_tree

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Add an export\n")[2]
ENTRY, FUNCTION = re.findall(r"```python\n(.*?)```", PAGE.partition("\n## ")[0], re.DOTALL)

USED = r"""
import llmwidgets as lw
found = lw.Comparison.from_outputs(
    [{"name": "customer"}], ["x"], {"A": [{"customer": "Ada | Co"}]}, [{"customer": "Ada"}]
)
path = found.export("result.md", table="fields")
assert "| A | text-01 | 0 | customer | Ada \\| Co | Ada | False | ok |" in path.read_text("utf-8")
assert found.export("by_field.txt", table="by_field", format="md").read_text("utf-8")
try:
    found.export("result.doc")
except lw.errors.FieldError as error:
    assert "md" in str(error)
"""


def test_an_export_is_one_entry(tmp_path) -> None:
    copy_tree(tmp_path, "llmwidgets")
    path = tmp_path / "llmwidgets" / "comparison" / "serialization.py"
    before, registry, after = path.read_text("utf-8").partition("WRITERS: dict")
    opened, brace, rest = after.partition("{\n")
    path.write_text(f"{before}{FUNCTION}\n\n{registry}{opened}{brace}{ENTRY}{rest}", "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", USED], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
