"""Whole folders: a copy of the repository, in which a test adds something, and what one holds."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def copy_tree(root: Path, *names: str, without: tuple[str, ...] = ("node_modules",)) -> None:
    """Copy these folders and files of the repository into `root`.

    With the compiled code, which holds for each file that is not changed: Python compares the size
    and time of its source. What another process is writing just now (`a.pyc.123`) is left out.
    """
    ignored = shutil.ignore_patterns("*.pyc.*", *without)
    for name in names:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=ignored)
        else:
            shutil.copy2(ROOT / name, root / name)


def read_files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """All files below a folder, also while a server or a kernel works in it.

    A journal of SQLite or the address of a kernel may be gone before it is read.
    """
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                yield path, path.read_bytes()
