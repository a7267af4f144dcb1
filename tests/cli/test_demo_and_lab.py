"""llmwidgets demo runs without a key and leaves nothing at home; lab finds its notebook."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import llmwidgets
from llmwidgets.cli import NOTEBOOK, find_notebook, main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def test_the_demo_shows_the_whole_job_and_keeps_only_the_page(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "llmwidgets", "demo"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for part in (
        "rule-based", "no LLM", "cost unknown", "Side by side", "Scoreboard", "A demo-careful",
        "unknown", "make lab", "build/demo.html",
    ):  # fmt: skip
        assert part in done.stdout
    page = (folder / "build" / "demo.html").read_text("utf-8")
    assert "demo-careful" in page
    assert "http" not in page
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written == [folder / "build" / "demo.html"]


def test_the_version_is_told(capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.strip() == f"llmwidgets {llmwidgets.__version__}"


COMMANDS = ("demo", "lab", "compare", "connections", "doctor", "scan", "journal")


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)], ids=["all", *COMMANDS])
def test_every_command_explains_itself(capsys, words: list[str]) -> None:
    """--help of each command names its options, each with a sentence."""
    with pytest.raises(SystemExit) as caught:
        main([*words, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(" ".join(["usage: llmwidgets", *words]))
    assert all(name in out for name in (() if words else COMMANDS))
    assert "None" not in out


def test_the_repositorys_notebook_is_opened_where_there_is_one(folder: Path) -> None:
    assert find_notebook(folder) == ROOT / "notebooks" / NOTEBOOK


def test_an_installed_wheel_copies_its_notebook_once(folder: Path, tmp_path, monkeypatch) -> None:
    package = tmp_path / "site-packages" / "llmwidgets"
    (package / "notebooks").mkdir(parents=True)
    (package / "notebooks" / NOTEBOOK).write_text("{}")
    monkeypatch.setattr(llmwidgets, "__file__", str(package / "__init__.py"))
    copy = find_notebook(folder)
    assert copy == folder / NOTEBOOK
    copy.write_text("my own words")
    assert find_notebook(folder).read_text() == "my own words"


def test_without_jupyterlab_it_says_what_to_install(folder: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(
        "llmwidgets.cli.find_spec",
        lambda name: None if name == "jupyterlab" else find_spec(name),
    )
    assert main(["lab"]) == 2
    line = capsys.readouterr().err
    assert "pip install jupyterlab" in line
    assert line.count("\n") == 1


@pytest.mark.skipif(find_spec("jupyterlab") is None, reason="JupyterLab is not installed")
def test_what_stands_after_the_dashes_goes_to_jupyterlab(folder: Path, capfd) -> None:
    assert main(["lab", "--", "--version"]) == 0
    assert capfd.readouterr().out.strip()[0].isdigit()
