"""What can be written after `llmwidgets`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from llmwidgets import __version__
from llmwidgets.errors import FieldError
from llmwidgets.secret import redact

_Number = TypeVar("_Number", int, float)


class _Parser(argparse.ArgumentParser):
    """Says a mistake in one line, as the rest of the command does."""

    def error(self, message: str) -> NoReturn:
        # It repeats what was typed, which is a key where words were pasted in a wrong order.
        told = redact(message)
        raise FieldError(f"{told[:1].upper()}{told[1:]}.", f"See {self.prog} --help.")


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command and its options; FieldError for a mistake."""
    parser = _Parser(
        prog="llmwidgets",
        description="Which model extracts my fields best from my texts, and what does it cost?",
    )
    parser.add_argument("--version", action="version", version=f"llmwidgets {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar=_COMMANDS)
    commands.add_parser("demo", help="compare the demo's models on sample invoices, no key needed")
    lab = commands.add_parser("lab", help="open the notebook in JupyterLab")
    lab.add_argument("more", nargs=argparse.REMAINDER, help="after --: passed on to JupyterLab")
    _add_compare(
        commands.add_parser("compare", help="compare models on your own texts", epilog=_ENDS)
    )
    _add_guard(commands)
    return parser.parse_args(arguments)


_COMMANDS = "demo | lab | compare | connections | doctor | scan | journal"
_ENDS = (
    "Ends with 0 when finished, 1 when a bar (--min-accuracy, --min-valid, --budget) is not met, "
    "2 for a mistake, said in one line, and 130 when interrupted."
)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--schema", required=True, help="a JSON Schema (.json), or file.py:Class, module:Class")
    add("--texts", required=True, type=Path, help=".jsonl or .csv with text (and id), .txt, folder")
    add("--models", required=True, nargs="+", metavar="MODEL", help='references, or "demo"')
    add("--truth", help="a key of the texts, or a file: .json by id, .jsonl, .csv")
    add("--instructions", type=Path, metavar="FILE", help="a text that replaces the default one")
    add("--html", type=Path, metavar="FILE", help="write a self-contained page")
    add("--jsonl", type=Path, metavar="FILE", help="write one extraction a line")
    add("--values", action="store_true", help="show extracted values and truth in the page")
    add("--organization", metavar="NAME", help="whose store; default: default")
    add("--repeats", type=_whole, default=1, help="ask each text so often")
    add("--min-accuracy", type=_share, metavar="SHARE", help="0 to 1, for every variant")
    add("--min-valid", type=_share, metavar="SHARE", help="0 to 1, for every variant")
    add("--budget", type=_money, metavar="USD", help="most US dollars for new calls")
    add("--journal", metavar="FILE", help='where replies are kept; "none" keeps them in memory')
    add("--concurrency", type=_whole, help="most calls at a time for each connection")


def _add_guard(commands: Any) -> None:
    listed = commands.add_parser("connections", help="what is connected, without the secrets")
    listed.add_argument("action", nargs="?", choices=["check"], help="check LABEL: does it work")
    listed.add_argument("label", nargs="?", metavar="LABEL")
    _add_store(listed)
    listed.add_argument("--json", action="store_true", help="for programs")
    doctor = commands.add_parser(
        "doctor", help="is everything about the store as it should be",
        epilog="Ends with 0 when all is well, 1 when there is something to mend, 2 for a mistake.",
    )  # fmt: skip
    _add_store(doctor)
    doctor.add_argument("--json", action="store_true", help="for programs")
    scan = commands.add_parser("scan", help="are keys in these files", epilog=_SCAN_ENDS)
    scan.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files and folders")
    _add_store(scan)
    scan.add_argument("--clean", action="store_true", help="offer to clean notebooks and history")
    scan.add_argument("--yes", action="store_true", help="with --clean: do not ask")
    journal = commands.add_parser("journal", help="where replies are kept, and how many")
    journal.add_argument("--journal", type=Path, metavar="FILE", help="another journal")
    journal.add_argument("--clear-before", metavar="DATE", help="let older rows go: 2026-11-30")


_SCAN_ENDS = (
    "Looks for the keys of the store (raw, base64, URL-encoded) and for everything shaped like a "
    "key. Ends with 0 when there is none, 1 when one is found, 2 for a mistake or an unread file."
)


def _add_store(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--store", type=Path, metavar="FOLDER", help="the store in this folder")
    which.add_argument("--organization", metavar="NAME", help="whose store; default: default")


def _share(text: str) -> float:
    return _between(text, float, 0, 1)


def _money(text: str) -> float:
    return _between(text, float, 0, 1e9)


def _whole(text: str) -> int:
    return _between(text, int, 1, 100_000)


def _between(text: str, kind: Callable[[str], _Number], least: int, most: float) -> _Number:
    try:
        value = kind(text)
    except ValueError:
        message = f"{text} is no number"
        raise argparse.ArgumentTypeError(message) from None
    if not least <= value <= most:
        message = f"{text} is not between {least} and {most:g}"
        raise argparse.ArgumentTypeError(message)
    return value
