"""llmwidgets scan: are keys in these notebooks, exports, histories or logs?"""

from __future__ import annotations

import json
import shlex
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from llmwidgets import cli
from llmwidgets.connections import Connection, environment_connections
from llmwidgets.engine.journal import file
from llmwidgets.engine.journal.file import reason
from llmwidgets.errors import FieldError, StoreError
from llmwidgets.keyscan.clean import can_clean, clean_file
from llmwidgets.keyscan.doctor import (
    Finding,
    examine_clock,
    examine_ends,
    examine_files,
    examine_history,
    examine_key,
    examine_keyring,
    examine_policies,
)
from llmwidgets.keyscan.files import FoundLeak, UnreadFile, files_below, search_files
from llmwidgets.known_keys import KnownKey, known_keys
from llmwidgets.store.store import Store
from llmwidgets.visible import escape_controls

CLEAN, FOUND = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """The command's options, as they were written."""

    paths: list[Path]
    store: Path | None = None
    organization: str | None = None
    clean: bool = False
    yes: bool = False


def run_scan(asked: ScanOptions) -> int:
    """Tell every key in the files; the exit status: 0 none, 1 found, 2 not all could be read."""
    _check(asked.paths)
    known = _known_keys(connections_at_hand(store_named(asked.store, asked.organization)))
    found: list[FoundLeak] = []
    unread = False
    for path in dict.fromkeys(path for each in asked.paths for path in files_below(each)):
        for each in [path] if isinstance(path, UnreadFile) else search_files(path, known):
            if isinstance(each, UnreadFile):
                cli.say(f"{each.path} was not searched: {each.reason}.")
                unread = True
            else:
                found.append(each)
                sys.stdout.write(f"{each}\n")
    sys.stdout.flush()
    if found:
        _advise(found)
        _clean(asked, found, known)
        return FOUND
    return cli.MISTAKE if unread else CLEAN


def store_named(folder: Path | None, organization: str | None) -> Store:
    """The store that --store or --organization names, else the default one; FieldError."""
    store = Store(path=folder) if folder else Store(organization or "default")
    if (folder or organization) and not store.exists:
        where = str(folder or organization)
        field = "store" if folder else "organization"
        raise FieldError(
            {field: f"{where} has no store on this computer."},
            "Name the folder that holds connections.age, or an organization.",
        )
    return store


def connections_at_hand(store: Store) -> list[Connection]:
    """The connections of the environment, and the store's where the surroundings unlock it."""
    given = environment_connections()
    if not store.exists:
        return given
    try:
        return [*given, *store]
    except StoreError as error:
        cli.say(f"{error.message} Its own keys are not searched, only words shaped like a key.")
        return given


def _check(paths: Sequence[Path]) -> None:
    for path in paths:
        if not path.exists() and not path.is_symlink():
            raise FieldError({"PATH": f"There is no file or folder {path}."}, "Check the path.")


def _advise(found: Sequence[FoundLeak]) -> None:
    files = len({each.path for each in found})
    cli.say(
        f"{_number(len(found), 'key')} in {_number(files, 'file')}. Revoke at its provider each "
        "key that others may have seen: backups and version control keep what a file once held."
    )


def _clean(asked: ScanOptions, found: Iterable[FoundLeak], known: Sequence[KnownKey]) -> None:
    paths = [path for path in dict.fromkeys(each.path for each in found) if can_clean(path)]
    if paths and not asked.clean:
        cli.say("--clean takes them out of notebooks and of IPython's history.")
    for path in paths if asked.clean else []:
        if asked.yes or _agreed(path):
            cli.say(f"Cleaned {path}. {clean_file(path, known)}")


def _agreed(path: Path) -> bool:
    if not sys.stdin.isatty():
        cli.say(f"{path} is not cleaned: nobody can be asked here; --yes cleans without asking.")
        return False
    sys.stderr.write(f"Clean {path}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


# -- llmwidgets doctor: is everything about the store as it should be?
#
# It mends nothing by itself; a store that it can open closes its own files to others, told before.

FINE, FINDINGS = 0, 1

_MARKS = {"fine": ("ok", "green"), "note": ("note", "cyan"), "problem": ("mend", "bold red")}


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions:
    """The command's options, as they were written."""

    store: Path | None = None
    organization: str | None = None
    json: bool = False


def run_doctor(asked: DoctorOptions) -> int:
    """Tell what is well and what is not; 0 fine, 1 something to mend."""
    store = Store(path=asked.store) if asked.store else Store(asked.organization or "default")
    findings = list(find_everything(store, _words(asked)))
    if asked.json:
        sys.stdout.write(json.dumps([asdict(each) for each in findings], indent=2) + "\n")
    else:
        _show(findings)
    return FINDINGS if any(each.level == "problem" for each in findings) else FINE


def find_everything(store: Store, words: str = "") -> Iterator[Finding]:
    """Everything that is looked at, in the order it is told; `words` name the store to commands."""
    yield from examine_files(store)
    yield from _network(store)
    yield examine_key(store)
    yield from examine_ends(_saved(store))
    yield examine_keyring()
    yield from examine_history(_known_keys(_connections(store)), words)
    yield from examine_policies()
    yield examine_clock(store.path)
    yield _journal()


def _words(asked: DoctorOptions) -> str:
    named = (("--store", asked.store), ("--organization", asked.organization))
    return "".join(f"{option} {shlex.quote(str(value))} " for option, value in named if value)


def _known_keys(connections: Iterable[Connection]) -> tuple[KnownKey, ...]:
    return known_keys(secret for each in connections for secret in each.secrets)


def _connections(store: Store) -> list[Connection]:
    return [*environment_connections(), *(_saved(store) or [])]


def _saved(store: Store) -> list[Connection] | None:
    """The connections of the store; None where nothing here opens it."""
    try:
        return list(store) if store.exists and not store.locked else None
    except StoreError:  # told by the finding about the key
        return None


def _network(store: Store) -> Iterator[Finding]:
    if store.path is not None and file.is_on_network(store.path):
        said = "The folder is on a network file system: locks hold only where its server has them."
        yield Finding("network", "note", said, "Name a local folder if saves from two hosts meet.")


def _journal() -> Finding:
    path, notice = file.journal_location(None)
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
            Text(f"{mark:<5}", style=style) + Text(escape_controls(f"{each.subject}: {each.said}"))
        )
        if each.fix:
            console.print(Text(escape_controls(f"      {each.fix}"), style="dim"))
    count = sum(each.level == "problem" for each in findings)
    last = "Nothing to mend." if not count else f"To mend: {count}."
    console.print(Text(last, style="bold"))
