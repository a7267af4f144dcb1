"""Everything that builds environments, for a release: `make release-check` runs it.

Each step by its name, a table of all at the end, and a status that is not 0 where one failed. It
needs a package index, Linux and Chromium, so it is no part of the tests. All is under `build/`.
`python -m tests.release.check wheel` runs the steps whose name has a word of these in it.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.release import binder
from tests.release.steps import (
    ROOT,
    Environment,
    Failed,
    clean_surroundings,
    copy_tracked,
    find_pythons,
    run,
)

BUILD = ROOT / "build" / "release"
DISTRIBUTIONS = BUILD / "dist"
AWAY_FROM_THE_TREE = (
    "analysis", "cli", "connections", "demo", "dialects", "providers", "report", "schemas", "store",
)  # fmt: skip
"""The folders of tests that an installed package is tried with: unit, store and CLI."""

NEEDS_THE_TREE = (
    "--ignore-glob=*/test_adding_*.py", "--ignore-glob=*/test_new_*.py",
    "--deselect=tests/cli/test_demo_and_lab.py"
    "::test_the_repositorys_notebook_is_opened_where_there_is_one",
    "--deselect=tests/store/test_steps.py"
    "::test_a_store_is_one_thin_class_whose_names_are_told",
)  # fmt: skip
"""What changes a copy of the package's sources, or reads them where the repository has them."""

Step = tuple[str, Callable[[], str]]


def build_distributions() -> str:
    """The sdist, a wheel from it, and a wheel from the tree, which holds the same."""
    shutil.rmtree(BUILD, ignore_errors=True)
    run([sys.executable, "-m", "build", "--outdir", str(DISTRIBUTIONS)])
    run([sys.executable, "-m", "build", "--wheel", "--outdir", str(BUILD / "direct")])
    one, other = (_contents(find_wheel(folder)) for folder in (DISTRIBUTIONS, BUILD / "direct"))
    if differing := sorted(name for name in one.keys() | other if one.get(name) != other.get(name)):
        raise Failed(f"the sdist's wheel is another: {', '.join(differing[:5])}")
    return f"{len(one)} files, {find_wheel(DISTRIBUTIONS).stat().st_size / 1e6:.1f} MB"


def find_wheel(folder: Path = DISTRIBUTIONS) -> Path:
    """The one wheel of a folder."""
    return next(folder.glob("*.whl"))


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def check_distributions() -> str:
    """What PyPI would say, and what is usually wrong with a wheel."""
    built = [str(each) for each in sorted(DISTRIBUTIONS.iterdir())]
    run([sys.executable, "-m", "twine", "check", "--strict", *built])
    run([str(Path(sys.executable).parent / "check-wheel-contents"), str(find_wheel())])
    return "twine and check-wheel-contents find nothing"


def try_wheel(version: str, python: str) -> str:
    """As somebody would who has the wheel alone: install, import, the demo in an empty folder."""
    folder = BUILD / version
    environment = Environment.make(python, folder / "environment")
    environment.pip(f"{find_wheel()}[lab]")
    home = folder / "home"
    shown = clean_surroundings(home)
    code = "import llmwidgets as lw; print(lw.__file__, lw.__version__)"
    where = run([environment.python, "-c", code], cwd=home, env=shown)
    if str(environment.folder) not in where:
        raise Failed(f"the package that was imported is another: {where}")
    command = str(environment.folder / "bin" / "llmwidgets")
    run([command, "--version"], cwd=home, env=shown)
    run([command, "demo"], cwd=home, env=shown)
    return where.split()[1]


def run_wheel_tests(version: str) -> str:
    """The unit, store and command-line tests over the installed wheel, from a copy of them."""
    folder = BUILD / version
    environment, copy = Environment(folder / "environment"), folder / "copy"
    environment.pip(f"{find_wheel()}[test]")
    shutil.rmtree(copy, ignore_errors=True)
    copy_tracked(copy, "tests", "benchmarks", "notebooks", "docs", "*.md", "pyproject.toml")
    folders = [f"tests/{each}" for each in AWAY_FROM_THE_TREE]
    said = run(
        [environment.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not browser",
         "--numprocesses", "2", "--dist", "loadfile", *NEEDS_THE_TREE, *folders],
        cwd=copy,
        env=clean_surroundings(folder / "home"),
    )  # fmt: skip
    return said.strip().splitlines()[-1]


def run_notebooks() -> str:
    """All notebooks by nbval, away from the repository and from the user's own files."""
    folder = BUILD / "nbval"
    shutil.rmtree(folder, ignore_errors=True)
    copy_tracked(folder, "notebooks")
    said = run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax",
         "--nbval-current-env", "--nbval-cell-timeout", "120", "-c", os.devnull,
         "--rootdir", str(folder), str(folder / "notebooks")],
        cwd=folder,
        env=clean_surroundings(folder / "home"),
    )  # fmt: skip
    return said.strip().splitlines()[-1]


def build_documents() -> str:
    """The pages, without a warning."""
    run(["make", "docs"])
    return "no warning"


def list_steps() -> list[Step]:
    """All steps in their order; the oldest and the newest Python at hand each have theirs."""
    pythons = find_pythons()
    steps: list[Step] = [
        ("wheel and sdist: build", build_distributions),
        ("wheel and sdist: check", check_distributions),
    ]
    for version in dict.fromkeys((min(pythons, key=_minor), max(pythons, key=_minor))):
        python = pythons[version]
        steps += [
            (f"Python {version}: wheel", lambda v=version, p=python: try_wheel(v, p)),
            (f"Python {version}: wheel tests", lambda v=version: run_wheel_tests(v)),
        ]
    steps += [("notebooks by nbval", run_notebooks), ("documents", build_documents)]
    return [*steps, *binder.steps(ROOT / "build" / "binder")]


def _minor(version: str) -> int:
    return int(version.partition(".")[2])


def main(words: list[str]) -> int:
    """Run the steps that were asked for, all by default; 1 where one failed."""
    rows: list[tuple[str, float, str]] = []
    failed = False
    for name, step in list_steps():
        if words and not any(word in name for word in words):
            continue
        print(f"{name} …", flush=True)  # noqa: T201
        began = time.monotonic()
        try:
            found = step()
        except Exception as error:  # noqa: BLE001 - the next step is to be seen as well
            failed, found = True, "FAILED: " + str(error).partition("\n")[0]
            print("".join(traceback.format_exception(error)), flush=True)  # noqa: T201
        rows.append((name, time.monotonic() - began, found))
    print("\n| step | seconds | result |\n|---|---:|---|")  # noqa: T201
    for name, seconds, found in rows:
        print(f"| {name} | {seconds:.0f} | {found} |")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
