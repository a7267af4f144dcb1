"""Mypy over the tree, or over a copy of it with something added, of which only that is new."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[1]
CACHE = ".mypy_cache"

checks_types = pytest.mark.timeout(900)
"""On a busy machine mypy takes minutes, and whoever comes second waits for the first one."""


def check_types(root: Path = ROOT) -> None:
    """Every file of the package is well typed; AssertionError with what mypy says.

    What it found about the tree itself is handed to a copy: those files are read once.
    """
    with FileLock(ROOT / f"{CACHE}.lock"):
        if root == ROOT or not (ROOT / CACHE).is_dir():
            done = _run(ROOT)
        if root != ROOT:
            shutil.copytree(ROOT / CACHE, root / CACHE)
    if root != ROOT:
        done = _run(root)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def _run(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mypy"], cwd=root, capture_output=True, text=True, check=False
    )
