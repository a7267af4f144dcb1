"""The page's sources with what package-lock.json names, for the tests that build them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "llmwidgets" / "widgets" / "javascript"
HOME = os.environ.get("HOME", "")
"""Of the user, for npm's cache; each test has a home of its own."""


def run_in(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": HOME},
    )


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with the packages that the lock file names."""
    if shutil.which("npm") is None:
        assert os.environ.get("CI") != "true", "npm is not installed"
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("widgets") / "javascript"
    shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns("node_modules", "build"))
    done = run_in(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    if done.returncode != 0 and os.environ.get("CI") != "true":
        pytest.skip(f"npm ci failed: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    return folder
