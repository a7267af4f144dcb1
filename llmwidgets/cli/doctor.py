"""llmwidgets doctor: is everything about the store as it should be?

It mends nothing by itself; a store that it can open closes its own files to others, told before.
"""

from __future__ import annotations

import json
import shlex
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from llmwidgets.connections import Connection, environment_connections
from llmwidgets.connections.inspection.surroundings import (
    examine_clock,
    examine_history,
    examine_keyring,
    examine_policies,
)
from llmwidgets.engine import places
from llmwidgets.engine.journal.file import reason
from llmwidgets.errors import StoreError
from llmwidgets.keyscan.doctor import Finding, examine_ends, examine_files, examine_key
from llmwidgets.known_keys import known_keys
from llmwidgets.store.store import Store
from llmwidgets.visible import visible

FINE, FINDINGS = 0, 1

_MARKS = {"fine": ("ok", "green"), "note": ("note", "cyan"), "problem": ("mend", "bold red")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The command's options, as they were written."""

    store: Path | None = None
    organization: str | None = None
    json: bool = False


def doctor(asked: Asked) -> int:
    """Tell what is well and what is not; 0 fine, 1 something to mend."""
    store = Store(path=asked.store) if asked.store else Store(asked.organization or "default")
    findings = list(findings_of(store, _words(asked)))
    if asked.json:
        sys.stdout.write(json.dumps([asdict(each) for each in findings], indent=2) + "\n")
    else:
        _show(findings)
    return FINDINGS if any(each.level == "problem" for each in findings) else FINE


def findings_of(store: Store, words: str = "") -> Iterator[Finding]:
    """Everything that is looked at, in the order it is told; `words` name the store to commands."""
    yield from examine_files(store)
    yield from _network(store)
    yield examine_key(store)
    yield from examine_ends(_saved(store))
    yield examine_keyring()
    yield from examine_history(known_keys(_connections(store)), words)
    yield from examine_policies()
    yield examine_clock(store.path)
    yield _journal()


def _words(asked: Asked) -> str:
    named = (("--store", asked.store), ("--organization", asked.organization))
    return "".join(f"{option} {shlex.quote(str(value))} " for option, value in named if value)


def _connections(store: Store) -> list[Connection]:
    return [*environment_connections(), *(_saved(store) or [])]


def _saved(store: Store) -> list[Connection] | None:
    """The connections of the store; None where nothing here opens it."""
    try:
        return list(store) if store.exists and not store.locked else None
    except StoreError:  # told by the finding about the key
        return None


def _network(store: Store) -> Iterator[Finding]:
    if store.path is not None and places.on_network(store.path):
        said = "The folder is on a network file system: locks hold only where its server has them."
        yield Finding("network", "note", said, "Name a local folder if saves from two hosts meet.")


def _journal() -> Finding:
    path, notice = places.journal_place(None)
    if path is None:
        return Finding("journal", "note", notice)
    said = notice or f"It is in {path}."
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return Finding("journal", "fine", f"It will be {path}; there is none yet.")
    except OSError as error:
        why, step = reason(error, path)
        return Finding("journal", "problem", f"{why}; replies would be in memory.", f"{step}.")
    if mode & 0o077:
        return Finding(
            "journal", "problem", f"{said} Others can reach it (mode {mode:04o}).",
            f"chmod 600 {shlex.quote(str(path))}",
        )  # fmt: skip
    return Finding("journal", "fine", said)


def _show(findings: list[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for each in findings:
        mark, style = _MARKS[each.level]
        console.print(
            Text(f"{mark:<5}", style=style) + Text(visible(f"{each.subject}: {each.said}"))
        )
        if each.fix:
            console.print(Text(visible(f"      {each.fix}"), style="dim"))
    count = sum(each.level == "problem" for each in findings)
    last = "Nothing to mend." if not count else f"To mend: {count}."
    console.print(Text(last, style="bold"))
