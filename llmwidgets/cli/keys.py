"""llmwidgets scan: are keys in these notebooks, exports, histories or logs?"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmwidgets import cli
from llmwidgets.connections import Connection, environment_connections
from llmwidgets.errors import FieldError, StoreError
from llmwidgets.keyscan.clean import can_clean, clean
from llmwidgets.keyscan.files import Found, Unread, files_below, search
from llmwidgets.known_keys import KnownKey, known_keys
from llmwidgets.store.store import Store

CLEAN, FOUND = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The command's options, as they were written."""

    paths: list[Path]
    store: Path | None = None
    organization: str | None = None
    clean: bool = False
    yes: bool = False


def scan(asked: Asked) -> int:
    """Tell every key in the files; the exit status: 0 none, 1 found, 2 not all could be read."""
    _check(asked.paths)
    known = known_keys(connections_at_hand(store_named(asked.store, asked.organization)))
    found: list[Found] = []
    unread = False
    for path in dict.fromkeys(file for each in asked.paths for file in files_below(each)):
        for each in [path] if isinstance(path, Unread) else search(path, known):
            if isinstance(each, Unread):
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


def _advise(found: Sequence[Found]) -> None:
    files = len({each.path for each in found})
    cli.say(
        f"{_number(len(found), 'key')} in {_number(files, 'file')}. Revoke at its provider each "
        "key that others may have seen: backups and version control keep what a file once held."
    )


def _clean(asked: Asked, found: Iterable[Found], known: Sequence[KnownKey]) -> None:
    paths = [path for path in dict.fromkeys(each.path for each in found) if can_clean(path)]
    if paths and not asked.clean:
        cli.say("--clean takes them out of notebooks and of IPython's history.")
    for path in paths if asked.clean else []:
        if asked.yes or _agreed(path):
            cli.say(f"Cleaned {path}. {clean(path, known)}")


def _agreed(path: Path) -> bool:
    if not sys.stdin.isatty():
        cli.say(f"{path} is not cleaned: nobody can be asked here; --yes cleans without asking.")
        return False
    sys.stderr.write(f"Clean {path}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
