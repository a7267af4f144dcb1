"""What can be written after `llmwidgets`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from llmwidgets import __version__
from llmwidgets.errors import FieldError

_Number = TypeVar("_Number", int, float)


class _Parser(argparse.ArgumentParser):
    """Says a mistake in one line, as the rest of the command does."""

    def error(self, message: str) -> NoReturn:
        raise FieldError(f"{message[:1].upper()}{message[1:]}.", f"See {self.prog} --help.")


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command and its options; FieldError for a mistake."""
    parser = _Parser(
        prog="llmwidgets",
        description="Which model extracts my fields best from my texts, and what does it cost?",
    )
    parser.add_argument("--version", action="version", version=f"llmwidgets {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="demo | lab | compare")
    commands.add_parser("demo", help="compare the demo's models on sample invoices, no key needed")
    lab = commands.add_parser("lab", help="open the notebook in JupyterLab")
    lab.add_argument("more", nargs=argparse.REMAINDER, help="after --: passed on to JupyterLab")
    _add_compare(
        commands.add_parser("compare", help="compare models on your own texts", epilog=_ENDS)
    )
    return parser.parse_args(arguments)


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
