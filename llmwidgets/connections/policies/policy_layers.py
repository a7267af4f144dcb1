"""Policy layers: the policy files of this machine and kernel, in the order they count."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

from llmwidgets.connections.policies.policy_file import read_policy_file
from llmwidgets.connections.policy_file import Rules

VARIABLE = "LLMWIDGETS_POLICY"
NAME = "policy.toml"


def policy_files() -> tuple[Path, ...]:
    """The files that are followed: the system's, the environment's, the one that is named.

    The first two count where they are there; the one that LLMWIDGETS_POLICY names has to be.
    """
    import platformdirs

    usual = (
        Path(platformdirs.site_config_dir("llmwidgets", False)) / NAME,
        Path(sys.prefix) / "etc" / "llmwidgets" / NAME,
    )
    named = os.environ.get(VARIABLE, "").strip()
    # A file that cannot even be looked at is followed, and found unreadable: it may hold denials.
    there = tuple(path for path in usual if _mark(path) != _ABSENT)
    return there + ((Path(named).expanduser(),) if named else ())


def machine_rules() -> tuple[Rules, ...]:
    """The rules of every policy file, first the one that no other can widen.

    A file is read again when it changes; one that cannot be understood denies everything.
    """
    return tuple(_read(path, _mark(path)) for path in policy_files())


_ABSENT = ("absent",)
_Mark = tuple[object, ...]


def _mark(path: Path) -> _Mark:
    try:
        seen = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return _ABSENT
    except OSError as error:
        return ("closed", error.errno)
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


@lru_cache(maxsize=16)
def _read(path: Path, mark: _Mark) -> Rules:
    return read_policy_file(path)
