"""llmwidgets scan and doctor: are keys in these files, and is what this computer keeps in order?"""

from __future__ import annotations

import json
import shlex
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.text import Text

from llmwidgets.cli import Exit, print_text, report
from llmwidgets.cli.arguments import DoctorOptions, ScanOptions
from llmwidgets.cli.asking import can_ask, confirm
from llmwidgets.cli.store_access import find_store, name_store, option_words, shell_words
from llmwidgets.connections import Connection, environment_connections
from llmwidgets.engine import journal_file
from llmwidgets.engine.journal_file import reason
from llmwidgets.errors import FieldError, StoreError
from llmwidgets.formatting import count, escape_controls, file_size, join_listed
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
from llmwidgets.keyscan.search import (
    Coverage,
    FoundLeak,
    UnreadFile,
    files_below,
    search_files,
)
from llmwidgets.known_keys import KnownKey, known_keys
from llmwidgets.store.store import Store


def run_scan(options: ScanOptions) -> Exit:
    """Print every key in the files; a MISTAKE if not all of them could be read."""
    for given in options.paths:
        if not given.exists() and not given.is_symlink():
            raise FieldError({"PATH": f"There is no file or folder {given}."}, "Check the path.")
    connections = list_connections(
        find_store(options),
        "Its own keys are not searched, only words shaped like a key.",
    )
    known = known_keys(secret for each in connections for secret in each.secrets)
    leaks: list[FoundLeak] = []
    unread = False
    coverage = Coverage()
    paths = chain.from_iterable(files_below(path, coverage) for path in options.paths)
    for path in dict.fromkeys(paths):
        for leak in [path] if isinstance(path, UnreadFile) else search_files(path, known, coverage):
            if isinstance(leak, UnreadFile):
                report(f"{leak.path} was not searched: {leak.reason}.")
                unread = True
            else:
                leaks.append(leak)
                sys.stdout.write(f"{leak}\n")
    sys.stdout.flush()
    report(_describe(coverage) + ("" if leaks else " No key was found."))
    if not leaks:
        return Exit.MISTAKE if unread else Exit.FINE
    leaky = list(dict.fromkeys(leak.path for leak in leaks))
    report(
        f"{count(len(leaks), 'key')} in {count(len(leaky), 'file')}. Revoke at its provider each "
        "key that others may have seen: backups and version control keep what a file contained."
    )
    _clean(options, [path for path in leaky if can_clean(path)], known)
    return Exit.PROBLEM


def _describe(coverage: Coverage) -> str:
    """What was looked at, and what was not."""
    parts = [count(coverage.databases, "database")] if coverage.databases else []
    if coverage.notebooks:
        cells, outputs = count(coverage.cells, "cell"), count(coverage.outputs, "output")
        parts.insert(0, f"{count(coverage.notebooks, 'notebook')} with {cells} and {outputs}")
    among = f", among them {' and '.join(parts)}" if parts else ""
    said = f"Looked at {count(coverage.files, 'file')} ({file_size(coverage.size)}){among}."
    passed = [count(number, what) for what, number in coverage.passed.items() if number]
    return f"{said} Not looked into: {join_listed(passed)}." if passed else said


def list_connections(store: Store, locked: str) -> list[Connection]:
    """The connections of the environment, and the store's if the surroundings unlock it.

    `locked` is what it means if they do not.
    """
    connections = environment_connections()
    if not store.exists:
        return connections
    try:
        return [*connections, *store]
    except StoreError as error:
        report(f"{error.message} {locked}")
        return connections


def _clean(options: ScanOptions, paths: Sequence[Path], known: Sequence[KnownKey]) -> None:
    if paths and not options.clean:
        report("--clean removes them from notebooks and from IPython's history.")
    for path in paths if options.clean else []:
        if options.yes or _confirm(path, options):
            report(f"Cleaned {path}. {clean_file(path, known)}")


def _confirm(path: Path, options: ScanOptions) -> bool:
    if can_ask(options):
        return confirm(f"Clean {path}?")
    report(f"{path} is not cleaned: nobody can be asked here; --yes cleans without asking.")
    return False


# -- llmwidgets doctor: is everything about the store as it should be?

_MARKS = {"fine": ("ok", "green"), "note": ("note", "cyan"), "problem": ("fix", "bold red")}


def run_doctor(options: DoctorOptions) -> Exit:
    """Print what is well and what is not."""
    words = option_words(options)
    findings = [
        replace(finding, fix=shell_words(finding.fix, options))
        for finding in examine(name_store(options), f"{words} " if words else "")
    ]
    if options.json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2) + "\n")
    else:
        _print_findings(findings)
    problems = any(finding.level == "problem" for finding in findings)
    return Exit.PROBLEM if problems else Exit.FINE


def examine(store: Store, words: str = "") -> Iterator[Finding]:
    """Everything that is looked at, in the order of the report; `words` name the store."""
    yield from examine_files(store)
    yield from _examine_network(store)
    yield examine_key(store)
    # Opening the store closes its files to others, so it comes after the look at the files.
    try:
        saved = list(store) if store.exists and not store.locked else None
    except StoreError:  # reported by the finding about the key
        saved = None
    provided = environment_connections()
    yield from examine_ends(saved, provided)
    yield examine_keyring()
    connections = [*provided, *(saved or [])]
    known = known_keys(secret for each in connections for secret in each.secrets)
    yield from examine_history(known, words)
    yield from examine_policies()
    yield examine_clock(store.path)
    yield _examine_journal()


def _examine_network(store: Store) -> Iterator[Finding]:
    if store.path is not None and journal_file.is_on_network(store.path):
        problem = "The folder is on a network file system: locks work only if its server has them."
        fix = "Name a local folder if two hosts may save at the same time."
        yield Finding("network", "note", problem, fix)


def _examine_journal() -> Finding:
    path, notice = journal_file.journal_location(None)
    if path is None:
        return Finding("journal", "note", notice)
    state = notice or f"It is in {path}."
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return Finding("journal", "fine", f"It will be {path}; there is none yet.")
    except OSError as error:
        why, step = reason(error, path)
        return Finding("journal", "problem", f"{why}; replies would be in memory.", f"{step}.")
    if mode & 0o077:
        state += f" Others can reach it (mode {mode:04o})."
        return Finding("journal", "problem", state, f"chmod 600 {shlex.quote(str(path))}")
    return Finding("journal", "fine", state)


def _print_findings(findings: list[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        mark, style = _MARKS[finding.level]
        sentence = Text(escape_controls(f"{finding.subject}: {finding.said}"))
        console.print(Text(f"{mark:<5}", style=style) + sentence)
        if finding.fix:
            print_text(console, f"      {finding.fix}", "dim")
    problems = sum(finding.level == "problem" for finding in findings)
    print_text(console, f"To fix: {problems}." if problems else "Nothing to fix.", "bold")
