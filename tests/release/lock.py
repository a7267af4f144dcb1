"""Binder's environment, pinned from pyproject.toml: `python -m tests.release.lock` writes it.

`make lock` takes the newest versions that pyproject.toml allows, with the hashes of their files
and no address of an index. It needs a package index, so it is no part of the tests.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "binder" / "requirements.txt"
RUNTIME = ROOT / "binder" / "runtime.txt"
EXTRAS = ("lab", "dask", "excel", "pdf")
"""What the notebooks need, and what reads each kind of file that the panel takes."""

SERVER = "notebook"
"""Binder's image starts it, in a version of its own that another JupyterLab would break."""

_PIN = re.compile(r"^([\w.-]+)==([^\s;\\]+)", re.MULTILINE)


def read_project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def read_python() -> str:
    """The Python that repo2docker takes, such as 3.12."""
    return RUNTIME.read_text("utf-8").strip().removeprefix("python-")


def read_pins(text: str) -> dict[str, str]:
    """The version of each package of a lock, by its canonical name."""
    return {canonicalize_name(name): version for name, version in _PIN.findall(text)}


def requirements(project: dict[str, Any]) -> Iterator[Requirement]:
    """What the locked environment is asked for: the project, its extras, and what builds it."""
    declared = project["project"]
    extras = declared["optional-dependencies"]
    wanted = [*declared["dependencies"], *(each for extra in EXTRAS for each in extras[extra])]
    return map(Requirement, [*wanted, *additions(project)])


def additions(project: dict[str, Any]) -> list[str]:
    """What is locked beside the project's own requirements: what builds it, and the server."""
    tested = project["project"]["optional-dependencies"]["test"]
    server = [each for each in tested if Requirement(each).name == SERVER]
    return [*project["build-system"]["requires"], *server]


def find_misfits(wanted: Iterable[Requirement], pins: dict[str, str]) -> list[str]:
    """Each requirement that a lock lacks, or has in a version that does not satisfy it."""
    found = []
    for each in wanted:
        pinned = pins.get(canonicalize_name(each.name))
        if pinned is None or not each.specifier.contains(pinned, prereleases=True):
            found.append(f"{each}: {pinned or 'not there'}")
    return found


def write_lock() -> int:
    """Have uv solve for Binder's Linux and Python; its status."""
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    added = additions(read_project())
    command = [
        sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "-", *extras,
        "--upgrade", "--generate-hashes", "--no-emit-index-url", "--no-annotate",
        "--python-version", read_python(), "--python-platform", "x86_64-manylinux_2_28",
        "--custom-compile-command", "make lock", "--quiet", "--output-file", str(LOCK),
    ]  # fmt: skip
    return subprocess.run(
        command, cwd=ROOT, input="\n".join(added), text=True, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(write_lock())
