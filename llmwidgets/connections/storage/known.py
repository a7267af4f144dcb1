"""What this computer remembers of stores: the highest revision seen, the members, the choices.

It holds no secret. It lies in the user's state folder and not beside the store, so that who can
put an old file back cannot put the memory back with it; where it cannot be written, nothing is
remembered and nothing fails.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

AUTO_LOCK = 60
"""Idle minutes after which a store that a passphrase opened locks itself."""


@dataclass(frozen=True, slots=True)
class KnownStore:
    """The highest revision seen, the number of its list of members, and who may write."""

    revision: int = 0
    roster: int = 0
    writers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownFolder:
    """Which store lay in a folder, where its identity is remembered, and when it locks itself.

    `trusted` are writers the user named, until a file of theirs was read.
    """

    store_id: str = ""
    trusted: tuple[str, ...] = ()
    remembered: tuple[str, ...] = ()
    auto_lock: int = AUTO_LOCK


def store(store_id: str) -> KnownStore:
    """What is remembered of a store, by its id."""
    said = _read(f"store {store_id}")
    return KnownStore(**_fitting(KnownStore, said))


def folder(path: Path) -> KnownFolder:
    """What is remembered of a folder."""
    said = _read(f"folder {path}")
    return KnownFolder(**_fitting(KnownFolder, said))


def remember_store(store_id: str, now: KnownStore) -> None:
    """Keep what is known of a store."""
    _write(f"store {store_id}", asdict(now))


def remember_folder(path: Path, now: KnownFolder) -> None:
    """Keep what is known of a folder."""
    _write(f"folder {path}", asdict(now))


def place() -> Path:
    """The folder of this memory."""
    return Path(_place())


def _place() -> str:
    import platformdirs

    return os.path.join(platformdirs.user_state_dir("llmwidgets", False), "stores")


def _file(what: str) -> str:
    # A text, since each opening of a store looks here twice and a Path costs as much as the read.
    return os.path.join(_place(), f"{hashlib.sha256(os.fsencode(what)).hexdigest()[:32]}.json")


def _read(what: str) -> dict[str, Any]:
    try:
        with open(_file(what), "rb", buffering=0) as opened:
            said = json.loads(opened.read())
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _fitting(kind: type, said: dict[str, Any]) -> dict[str, Any]:
    """The remembered values whose type is that of the default; a list stands for a tuple."""
    there = {
        name: tuple(value) if isinstance(value, list) else value for name, value in said.items()
    }
    return {
        each.name: there[each.name]
        for each in fields(kind)
        if type(there.get(each.name)) is type(each.default)
    }


def _write(what: str, said: dict[str, Any]) -> None:
    file = Path(_file(what))
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
    # Not brought to the disk: a memory lost with the power only warns less, and a save stays quick.
    with suppress(OSError):
        try:
            _put(temporary, said)
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)


def _put(temporary: Path, said: dict[str, Any]) -> None:
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileNotFoundError:
        temporary.parent.mkdir(0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(json.dumps(said))  # `dump` writes each comma by itself
