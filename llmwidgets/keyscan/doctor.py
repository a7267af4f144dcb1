"""Doctor: what is right with a store, its files and surroundings, as values without a secret."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from llmwidgets.connections.catalog import SOON_DAYS, key_notes, local_today
from llmwidgets.connections.connection import Connection
from llmwidgets.connections.policy_file import machine_rules
from llmwidgets.errors import DamagedStore, StoreError
from llmwidgets.formatting import count
from llmwidgets.keyscan.search import FoundLeak, search_files
from llmwidgets.known_keys import KnownKey
from llmwidgets.store import age, identity_sources
from llmwidgets.store.state import CONNECTIONS, IDENTITY
from llmwidgets.store.store import Store

Level = Literal["fine", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: how it is, in a sentence, and what to do if it is not well."""

    subject: str
    level: Level
    said: str
    fix: str = ""


_SYNCED = re.compile(
    r"^(?:dropbox.*|onedrive.*|google ?drive.*|my drive|mobile documents|nextcloud|owncloud"
    r"|syncthing|box sync|pcloud ?drive)$",
    re.I,
)
_COPY = re.compile(
    r"^(?:connections|identity)(?: ?\(\d+\)| ?\(.*conflict.*\)|\.sync-conflict-.*|-[\w-]+"
    r"|_conf(?:lict)?.*| copy.*)\.age$",
    re.I,
)


def examine_files(store: Store) -> list[Finding]:
    """How the store's folder and files are; nothing is opened or fixed."""
    folder = store.path
    if folder is None:
        return [Finding("store", "note", "It lives in memory and ends with the process.")]
    if not store.exists:
        said = f"There is no store in {folder} yet; it is made at the first Save."
        findings = [Finding("store", "note", said)]
        for backup in sorted(folder.glob(f"{CONNECTIONS}.bak*"))[:1]:
            said = f"connections.age is missing, and {backup.name} is there."
            fix = "store.restore() goes back to it."
            findings.append(Finding("backups", "problem", said, fix))
        return findings
    examinations = (
        _examine_modes, _examine_owners, _examine_passphrase, _examine_leftovers,
        _examine_sync, _examine_copies, _examine_git,
    )  # fmt: skip
    findings = [Finding("store", "fine", f"It is in {folder}.")]
    return findings + [finding for examine in examinations for finding in examine(folder)]


def examine_key(store: Store) -> Finding:
    """What opens the store, and why; only the surroundings are tried, nothing asks."""
    if not store.exists or store.path is None:
        return Finding("key", "note", "There is no store to open.")
    try:
        locked, by = store.locked, store.unlocked_by
        held = 0 if locked else len(store)
    except StoreError as error:
        return Finding("key", "problem", error.message, error.hint)
    if not locked:
        said = f"Opened by {by}; {count(held, 'connection')}. {store.notice}"
        return Finding("key", "fine", said.rstrip())
    try:
        identity = identity_sources.find_headless_identity()
    except StoreError as error:
        return Finding("key", "problem", error.message, error.hint)
    if identity is not None:
        said = f"{identity.by} contains an identity that does not open this store."
        return Finding("key", "problem", said, "Name the identity that belongs to it.")
    wrapped = (store.path / IDENTITY).exists()
    needed = "the passphrase" if wrapped else "the identity, of which no file is here"
    said = (
        f"Locked: neither {identity_sources.KEY_FILE} nor {identity_sources.KEY} is set "
        f"and nothing that is remembered here opens it, so it takes {needed}. {store.notice}"
    )
    return Finding("key", "note", said.rstrip())


def examine_ends(
    saved: Sequence[Connection] | None, provided: Iterable[Connection] = ()
) -> Iterator[Finding]:
    """Which keys end, have ended or are old: a finding for each, or one if none does.

    None means a store that nothing here opens. `provided` are those of variables and policy files:
    a short-term key is often in a variable.
    """
    on = local_today()
    if saved is None:
        yield Finding("key's end", "note", "Not known: no store is open here.")
    known = [*provided, *(saved or ())]
    notes = [(each.label, note) for each in known for note in key_notes(each, on)]
    for label, note in notes:
        level: Level = "problem" if note.ended else "note"
        yield Finding("key's end", level, f"{label}: {note.said}", note.fix)
    if saved and not notes:
        yield Finding("key's end", "fine", f"No key is saved that ends within {SOON_DAYS} days.")


def _quote(path: Path) -> str:
    return shlex.quote(str(path))


def _list_files(folder: Path) -> list[Path]:
    kept = [folder / CONNECTIONS, folder / IDENTITY, *sorted(folder.glob("*.age.bak*"))]
    return [path for path in kept if path.exists()]


def _mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _examine_modes(folder: Path) -> Iterator[Finding]:
    if os.name == "nt":
        yield Finding("modes", "note", "On Windows the profile's access list protects the files.")
        return
    open_files = [path for path in _list_files(folder) if _mode_of(path) & 0o077]
    for path in open_files:
        said = f"{path.name} can be reached by others (mode {_mode_of(path):04o})."
        yield Finding("modes", "problem", said, f"chmod 600 {_quote(path)}")
    mode = _mode_of(folder)
    if mode & 0o022:
        said = f"Others can write into the folder (mode {mode:04o})."
        yield Finding("modes", "problem", said, f"chmod 700 {_quote(folder)}")
    elif not open_files:
        yield Finding("modes", "fine", f"Files 0600, folder {mode:04o}.")


def _examine_owners(folder: Path) -> Iterator[Finding]:
    if not hasattr(os, "getuid"):
        return
    owners = {path: path.stat().st_uid for path in (folder, *_list_files(folder))}
    for path, owner in owners.items():
        if owner != os.getuid():
            said = f"{path.name} belongs to another user (number {owner})."
            yield Finding("owner", "problem", said, f"chown {os.getuid()} {_quote(path)}")
    if set(owners.values()) == {os.getuid()}:
        yield Finding("owner", "fine", "Folder and files are yours.")


def _examine_passphrase(folder: Path) -> Iterator[Finding]:
    path = folder / IDENTITY
    if not path.exists():
        yield Finding("passphrase", "note", "No identity.age: no passphrase opens this store.")
        return
    try:
        header = age.read_header(path.read_bytes())
    except (OSError, DamagedStore):
        said = "identity.age cannot be read as an age file."
        yield Finding("passphrase", "problem", said, "Put back a copy of identity.age.")
        return
    arguments = header.stanzas[0].arguments
    factor = int(arguments[1]) if len(arguments) == 2 and arguments[1].isdigit() else 0
    said = f"Trying one passphrase costs scrypt with N = 2^{factor}"
    if factor < age.WORK_FACTOR:
        fix = "Change the passphrase, which seals it again."
        yield Finding("passphrase", "problem", f"{said}: too cheap to guess at.", fix)
    elif factor > age.LARGEST_WORK_FACTOR:
        fix = f"Seal it again with age, at 2^{age.LARGEST_WORK_FACTOR} or less."
        yield Finding("passphrase", "problem", f"{said}: it is not opened here.", fix)
    else:
        yield Finding("passphrase", "fine", f"{said}, {2**factor // 1024} MB of memory.")


def _examine_leftovers(folder: Path) -> Iterator[Finding]:
    left = [path for path in folder.glob(".*.tmp") if time.time() - path.stat().st_mtime > 60]
    if left:
        files = count(len(left), "temporary file")
        them = "it" if len(left) == 1 else "them"
        said = f"{files} of a broken-off save; the next save removes {them}."
        yield Finding("leftovers", "note", said)
    else:
        yield Finding("leftovers", "fine", "No half-written files.")


def _examine_sync(folder: Path) -> Iterator[Finding]:
    real = Path(os.path.realpath(folder))
    parts = [part for part in (*folder.parts, *real.parts) if _SYNCED.match(part)]
    marked = any((path / ".stfolder").exists() for path in (real, *real.parents))
    if parts or marked:
        said = f"The folder is kept by a sync service ({parts[0] if parts else 'Syncthing'})."
        fix = "Move it to a local folder; two computers that save at once make conflict copies."
        yield Finding("sync folder", "problem", said, fix)
    else:
        yield Finding("sync folder", "fine", "Not in a folder of a known sync service.")


def _examine_copies(folder: Path) -> Iterator[Finding]:
    for path in filter(lambda path: _COPY.match(path.name), sorted(folder.glob("*.age"))):
        fix = "Open it as a store of its own, save what it has more, then delete it."
        said = f"{path.name} looks like a conflict copy."
        yield Finding("conflict copies", "problem", said, fix)


def _examine_git(folder: Path) -> Iterator[Finding]:
    real = Path(os.path.realpath(folder))
    root = next((path for path in (real, *real.parents) if (path / ".git").exists()), None)
    if root is None:
        yield Finding("version control", "fine", "Not in a git repository.")
        return
    said = f"The store is in the git repository {root}"
    fix = f"git -C {_quote(root)} rm -r --cached {_quote(real)}, and add it to .gitignore."
    command = ["git", "-C", str(real), "ls-files", "--", "."]
    tracked: list[str] = []
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        tracked = done.stdout.split()
    if any(name.endswith((".age", ".bak1", ".bak2", ".bak3")) for name in tracked):
        more = " and tracked: its history keeps every old version, also for a lost passphrase."
        yield Finding("version control", "problem", said + more, fix)
    else:
        fix = "Add the folder to .gitignore, or move the store."
        yield Finding("version control", "note", f"{said}, not tracked yet.", fix)


_OLDEST = datetime(2026, 11, 1, tzinfo=UTC).timestamp()


def histories() -> list[Path]:
    """IPython's history files of this user, one a profile."""
    folder = Path(os.path.expanduser(os.environ.get("IPYTHONDIR") or "~/.ipython"))
    return sorted(folder.glob("profile_*/history.sqlite"))


def examine_history(known: Sequence[KnownKey], store: str) -> Iterator[Finding]:
    """Keys in IPython's histories: by shape, and the known ones of the store.

    `store` are the words of a command that name it: only with its keys all of them are cut.
    """
    for path in histories():
        leaks = [leak for leak in search_files(path, known) if isinstance(leak, FoundLeak)]
        if leaks:
            ends = ", ".join(dict.fromkeys(f"{leak.kind} ({leak.tail})" for leak in leaks[:5]))
            said = f"{path} contains a key {count(len(leaks), 'time')}: {ends}."
            fix = f"llmwidgets scan {store}--clean {_quote(path)}"
            yield Finding("history", "problem", said, fix)
        else:
            yield Finding("history", "fine", f"No key found in {path}.")
    if not histories():
        yield Finding("history", "fine", "IPython keeps no history here.")


def examine_policies() -> Iterator[Finding]:
    """The policy files that are followed, and those that cannot be."""
    layers = machine_rules()
    for rules in layers:
        if rules.damage:
            yield Finding("policy", "problem", *rules.damage)
        else:
            yield Finding("policy", "fine", f"{rules.path} is in force.")
    if not layers:
        yield Finding("policy", "fine", "No policy file is in force.")


def examine_clock(folder: Path | None, now: Callable[[], float] = time.time) -> Finding:
    """Whether this computer's clock can be right: TLS and tokens are refused where it is not."""
    fix = "Set the clock: certificates and Google's tokens are refused by a wrong one."
    if now() < _OLDEST:
        return Finding("clock", "problem", f"It says {_day(now())}, which is past.", fix)
    files = folder.glob("*.age*") if folder is not None and folder.is_dir() else iter(())
    newest = max((path.stat().st_mtime for path in files), default=0.0)
    if newest > now() + 300:
        said = f"It says {_day(now())}, but the store was written on {_day(newest)}."
        return Finding("clock", "problem", said, fix)
    return Finding("clock", "fine", f"It says {_day(now())}.")


def examine_keyring() -> Finding:
    """The system keyring that would be used, or why not; it is waited for three seconds."""
    try:
        return Finding("keyring", "fine", f"{identity_sources.back_end_name()} can be used.")
    except StoreError as error:
        return Finding("keyring", "fine", f"None is used. {error.message}")


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment).astimezone():%Y-%m-%d %H:%M %Z}"
