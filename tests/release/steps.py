"""What the steps of `make release-check` share: commands, copies of the tree, environments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Failed(Exception):
    """A step found something wrong; the message says what."""


def run(
    command: Sequence[str],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    both: bool = False,
) -> str:
    """What a command prints; Failed with its last lines where its status is not 0."""
    done = subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = "\n".join([*done.stdout.splitlines()[-30:], *done.stderr.splitlines()[-30:]])
        raise Failed(f"status {done.returncode} of {' '.join(command[:6])}\n{said}")
    return done.stdout + done.stderr if both else done.stdout


def copy_tracked(to: Path, *paths: str) -> None:
    """Copy what git knows of the tree, as it is now, into a new folder."""
    for name in run(["git", "ls-files", "-z", *paths]).split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


@dataclass(frozen=True)
class Environment:
    """A virtual environment of its own."""

    folder: Path

    @classmethod
    def make(cls, python: str, folder: Path) -> Environment:
        """A new one in place of what was there."""
        shutil.rmtree(folder, ignore_errors=True)
        run([python, "-m", "venv", str(folder)])
        return cls(folder)

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    def pip(self, *words: str) -> None:
        """Install into it."""
        run([self.python, "-m", "pip", "install", "--quiet", *words])


def find_pythons() -> dict[str, str]:
    """The interpreters at hand by their minor version, from the oldest that is supported."""
    found = {}
    for minor in range(11, 20):
        name = f"python3.{minor}"
        kept = Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python")
        for path in filter(None, [shutil.which(name), *map(str, kept)]):
            tried = subprocess.run([path, "-c", ""], capture_output=True, check=False)
            if tried.returncode == 0:
                found.setdefault(f"3.{minor}", path)
    found.setdefault(f"3.{sys.version_info.minor}", sys.executable)
    return dict(sorted(found.items(), key=lambda each: int(each[0].partition(".")[2])))


def find_python(version: str) -> str:
    """The interpreter of a minor version such as 3.12."""
    if version not in (pythons := find_pythons()):
        raise Failed(f"no Python {version} at hand, only {', '.join(pythons)}")
    return pythons[version]


def clean_surroundings(home: Path) -> dict[str, str]:
    """No folder, key or package of the user's for what is tried."""
    home.mkdir(parents=True, exist_ok=True)
    kept = ("PATH", "LANG", "TZ", "CI")
    return {"HOME": str(home), **{name: os.environ[name] for name in kept if name in os.environ}}
