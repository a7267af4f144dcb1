"""The page of CONTRIBUTING on adding a comparator does what it says, on a copy of the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import llmwidgets as lw
from tests.trees import ROOT, copy_tree

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Add a comparator\n")[2]
FUNCTION, RULE, ENTRY = re.findall(r"```python\n(.*?)```", PAGE.partition("\n## ")[0], re.DOTALL)

USED = """
import llmwidgets as lw
for rule, share in (("surname", 1), ("exact", 0)):
    found = lw.Comparison.from_outputs(
        [{"name": "customer"}], ["x"], {"A": [{"customer": "A. Lovelace"}]},
        [{"customer": "Ada Lovelace"}], scoring={"customer": rule},
    )
    assert found.scoreboard().accuracy[0] == share
try:
    found.rescore({"customer": "nonsense"})
except lw.errors.FieldError as error:
    assert "surname" in str(error)
"""


def test_a_function_in_scoring() -> None:
    exec(FUNCTION, {"lw": lw})


def test_a_rule_by_name(tmp_path) -> None:
    copy_tree(tmp_path, "llmwidgets")
    path = tmp_path / "llmwidgets" / "analysis" / "comparators.py"
    before, registry, after = path.read_text("utf-8").partition("_RULES: dict")
    opened, brace, rest = after.partition("{\n")
    path.write_text(f"{before}{RULE}\n\n{registry}{opened}{brace}{ENTRY}{rest}", "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", USED], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
