"""llmwidgets demo runs without a key and leaves nothing at home; lab finds its notebook."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

import llmwidgets
from llmwidgets.cli import main
from llmwidgets.cli.lab import NOTEBOOK, find_notebook
from tests.terminals import at_terminal, only_with_terminals

ROOT = Path(__file__).parents[2]
START = f"--LabApp.default_url=/lab/tree/{NOTEBOOK}"


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
    (package / "notebooks" / "pictures").mkdir(parents=True)
    (package / "notebooks" / NOTEBOOK).write_text("{}")
    (package / "notebooks" / "pictures" / "panel.png").write_bytes(b"made up")
    monkeypatch.setattr(llmwidgets, "__file__", str(package / "__init__.py"))
    copy = find_notebook(folder)
    assert copy == folder / "llmwidgets-notebooks" / NOTEBOOK
    assert (copy.parent / "pictures" / "panel.png").read_bytes() == b"made up"
    copy.write_text("my own words")
    assert find_notebook(folder).read_text() == "my own words"


def test_without_jupyterlab_it_says_what_to_install(folder: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(
        "llmwidgets.cli.lab.find_spec",
        lambda name: None if name == "jupyterlab" else find_spec(name),
    )
    assert main(["lab"]) == 2
    line = capsys.readouterr().err
    assert "pip install jupyterlab" in line
    assert line.count("\n") == 1


STAND_IN = """
import json, os, signal, subprocess, sys, threading
from pathlib import Path

place = Path(os.environ["JUPYTER_RUNTIME_DIR"])
(place / "words").write_text(json.dumps(sys.argv[2:]))
if "--version" in sys.argv or "ENDS_AT_ONCE" in os.environ:
    sys.exit(7)
kernel = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: (kernel.kill(), ended.set()))
signal.signal(signal.SIGINT, lambda *_: print("Shut down this Jupyter server (y/[n])?"))
(place / f"jpserver-{os.getpid()}.json").write_text(json.dumps({"port": 4321}))
ended.wait()
"""
"""What JupyterLab does with signals, a port and a kernel, without its seconds."""


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """The variables by which a command finds the stand-in."""
    (tmp_path / "jupyterlab").mkdir()
    (tmp_path / "jupyterlab" / "__init__.py").write_text("")
    (tmp_path / "jupyterlab" / "__main__.py").write_text(STAND_IN)
    return {"JUPYTER_RUNTIME_DIR": str(tmp_path), "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}


@only_with_terminals
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_jupyterlab_ends_with_the_command_whatever_ends_it(tmp_path, places, name: str) -> None:
    with at_terminal("lab", "--port", "4320", "--no-browser", "--", "--x", **places) as terminal:
        terminal.wait_for("JupyterLab listens on port 4321; 4320 was taken.")
        (server,) = (int(each.stem.rpartition("-")[2]) for each in tmp_path.glob("jpserver-*"))
        if name == "SIGINT":
            terminal.press("\x03")
        else:
            terminal.process.send_signal(getattr(signal, name))
        assert terminal.end() == 128 + getattr(signal, name)
    assert "Shut down" not in terminal.shown
    assert "Traceback" not in terminal.shown
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
    words = json.loads((tmp_path / "words").read_text())
    assert words == [START, "--port=4320", "--no-browser", "--x"]


def test_its_own_end_is_that_of_the_command(folder, tmp_path, places, monkeypatch, capfd) -> None:
    for variable, value in places.items():
        monkeypatch.setenv(variable, value)
    assert main(["lab", "--", "--version"]) == 7
    assert json.loads((tmp_path / "words").read_text()) == [START, "--version"]
    assert "listens" not in capfd.readouterr().err


@pytest.mark.parametrize(("more", "told"), [([], True), (["--allow-root"], False)])
def test_root_is_told_how_to_allow_it(
    folder, places, monkeypatch, capfd, more: list[str], told: bool
) -> None:
    """The stand-in ends before it listens, as JupyterLab does for root."""
    for variable, value in places.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert main(["lab", "--", "--version", *more]) == 7
    asked = f"{sys.executable} -m llmwidgets lab -- --version --allow-root"
    assert (asked in capfd.readouterr().err) is told


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_without_words_of_its_own_root_is_allowed_on_this_machine_alone(
    folder, tmp_path, places, monkeypatch, capfd, user: int, allowed: bool
) -> None:
    for variable, value in (*places.items(), ("ENDS_AT_ONCE", "1")):
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    assert main(["lab", "--no-browser"]) == 7
    words = json.loads((tmp_path / "words").read_text())
    more = ["--allow-root", "--ServerApp.ip=127.0.0.1"] if allowed else []
    assert words == [START, "--no-browser", *more]
    assert ("listens to this machine alone" in capfd.readouterr().err) is allowed


@only_with_terminals
@pytest.mark.skipif(find_spec("jupyterlab") is None, reason="JupyterLab is not installed")
def test_the_real_one_says_its_port_and_leaves_no_kernel(tmp_path: Path) -> None:
    """On a port that is taken, with a kernel that runs: nothing is left after a SIGTERM."""
    places = {"JUPYTER_RUNTIME_DIR": str(tmp_path / "run"), "JUPYTER_TOKEN": "made-up-token"}
    with socket.create_server(("127.0.0.1", 0)) as held:
        wished = held.getsockname()[1]
        words = ("lab", "--port", str(wished), "--no-browser", "--", "--allow-root")
        with at_terminal(*words, **places) as terminal:
            terminal.wait_for(f"; {wished} was taken.")
            (port,) = re.findall(r"listens on port (\d+);", terminal.shown)
            asked = urllib.request.Request(
                f"http://127.0.0.1:{port}/api/kernels", b"{}",
                {"Authorization": "token made-up-token", "Content-Type": "application/json"},
            )  # fmt: skip
            with urllib.request.urlopen(asked) as reply:
                kernel = json.load(reply)["id"]
            terminal.process.terminate()
            assert terminal.end() == 128 + signal.SIGTERM
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert kernel not in running.stdout
