"""Binder without Binder: the environment of `binder/`, its size, its notebooks and first panel."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from tests.jupyterlab import READY, KeptBrowser, LabPage, find_chromium, listen, start_lab
from tests.release.lock import ROOT, read_python
from tests.release.steps import Environment, Failed, copy_tracked, find_python, run

MOST_MEGABYTES = 1000
MOST_SECONDS = 60.0
"""From a started server to the first panel, on one core."""

PUBLIC = {"BINDER_SERVICE_HOST": "127.0.0.1", "BINDER_REPO_URL": "https://example.org/binder"}
FIRST = "01_connect_and_compare.ipynb"
_LOOPBACK = """import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    fcntl.ioctl(one, 0x8914, struct.pack("16sH22x", b"lo", 0x41))  # SIOCSIFFLAGS: up, running
os.execv(sys.argv[1], sys.argv[1:])"""
"""Brings up the loopback of a network of its own, and becomes the command."""


def build_environment(folder: Path) -> str:
    """As repo2docker does: the locked packages, then postBuild in a copy of the repository."""
    shutil.rmtree(folder, ignore_errors=True)
    copy_tracked(folder / "repository")
    environment = Environment.make(find_python(read_python()), folder / "environment")
    environment.pip("--no-cache-dir", "-r", str(ROOT / "binder" / "requirements.txt"))
    run(
        ["bash", "binder/postBuild"],
        cwd=folder / "repository",
        env={**os.environ, "PATH": f"{environment.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"},
    )
    megabytes = measure_size(environment.folder)
    if megabytes > MOST_MEGABYTES:
        raise Failed(f"{megabytes} MB, at most {MOST_MEGABYTES}")
    return f"{megabytes} MB with Python {read_python()} and pip"


def measure_size(environment: Path) -> int:
    """Megabytes on the disk, with the Python that the environment only points to."""
    prefix = run([str(environment / "bin" / "python"), "-c", "import sys; print(sys.base_prefix)"])
    folders = (environment, Path(prefix.strip()) / "lib" / f"python{read_python()}")
    files = [each for folder in folders for each in folder.rglob("*") if each.is_file()]
    return round(sum(each.lstat().st_size for each in files if not each.is_symlink()) / 1e6)


def run_notebooks(folder: Path) -> str:
    """Every notebook, in a kernel that reaches loopback alone."""
    python = str(folder / "environment" / "bin" / "python")
    notebooks = sorted((folder / "repository" / "notebooks").glob("*.ipynb"))
    home = folder / "home"
    home.mkdir(exist_ok=True)
    for each in notebooks:
        run(
            [
                "unshare", "--map-root-user", "--net", python, "-c", _LOOPBACK, python,
                "-m", "nbconvert", "--to", "notebook", "--execute", "--output-dir", str(home),
                "--ExecutePreprocessor.timeout=300", str(each),
            ],
            cwd=each.parent,
            env={"PATH": os.environ["PATH"], "HOME": str(home), **PUBLIC},
        )  # fmt: skip
    return f"{len(notebooks)} notebooks, loopback alone"


def time_first_panel(folder: Path) -> str:
    """The first notebook in JupyterLab: warned of, quick on one core, back after a cull."""
    home = folder / "lab"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(folder / "repository" / "notebooks", home / "notebooks")
    python = str(folder / "environment" / "bin" / "python")
    chromium = find_chromium()
    lab = start_lab(home, chromium, ("taskset", "--cpu-list", "0", python), PUBLIC)
    ours, browser = os.sched_getaffinity(0), KeptBrowser()
    os.sched_setaffinity(0, ours - {0} or ours)
    try:
        opened = LabPage(lab, browser.start(chromium).new_context().new_page(), FIRST)
        listen(opened)
        seconds = _open_first(opened)
        memory = _measure_memory(lab.process.pid)
        _come_back(opened)
    finally:
        browser.end()
        lab.stop()
        os.sched_setaffinity(0, ours)
    if seconds > MOST_SECONDS:
        raise Failed(f"{seconds:.0f} s to the first panel, at most {MOST_SECONDS:.0f}")
    return f"first panel after {seconds:.1f} s; {memory} MB of memory; back after a cull"


def _open_first(opened: LabPage) -> float:
    page, lab = opened.browser_page, opened.lab
    began = time.monotonic()
    page.goto(f"{lab.url}/lab/tree/{FIRST}?token={lab.token}")
    page.wait_for_function(READY)
    opened.command("notebook:run-all-cells")
    page.locator(".jp-OutputArea .lw header").first.wait_for()
    seconds = time.monotonic() - began
    page.get_by_text("a real key is better not typed here").first.wait_for()
    page.wait_for_function(READY)
    return seconds


def _come_back(opened: LabPage) -> None:
    """End the kernel as an idle one is ended, and reload: *Run All* brings back every screen."""
    page = opened.browser_page
    before = page.locator(".jp-OutputArea .lw").count()
    opened.end_kernels()
    page.reload()
    page.wait_for_function(READY)
    opened.command("notebook:clear-all-cell-outputs")
    opened.run_all()
    shown = ".jp-OutputArea .lw:not([aria-busy='true'])"
    page.wait_for_function(
        "([shown, before]) => document.querySelectorAll(shown).length === before",
        arg=[shown, before],
    )
    if not before:
        raise Failed("no panel was shown")


def _measure_memory(pid: int) -> int:
    """Megabytes of a process and all it started, what they share counted once."""
    kilobytes = 0
    for each in [pid, *_descendants(pid)]:
        lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        kilobytes += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return round(kilobytes / 1000)


def _descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *_descendants(child)]
    return found


def check_dockerfile(folder: Path) -> str:
    """What repo2docker would build: our Python, our lock, our postBuild."""
    words = ["repo2docker", "--no-build", "--debug", str(folder / "repository")]
    log = run([sys.executable, "-m", *words], both=True)
    wanted = (f"python={read_python()}", "binder/requirements.txt", "binder/postBuild")
    if missing := [each for each in wanted if each not in log]:
        raise Failed(f"its Dockerfile has no {', '.join(missing)}")
    return "the Dockerfile has our Python, lock and postBuild"


def steps(folder: Path) -> list[tuple[str, Any]]:
    """Each by its name, in this order."""
    return [
        ("Binder: environment", lambda: build_environment(folder)),
        ("Binder: notebooks", lambda: run_notebooks(folder)),
        ("Binder: first panel", lambda: time_first_panel(folder)),
        ("Binder: repo2docker", lambda: check_dockerfile(folder)),
    ]
