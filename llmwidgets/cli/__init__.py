"""The commands: llmwidgets demo, lab, compare, connections, doctor, scan and journal."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from enum import IntEnum
from importlib import import_module
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NoReturn,
    get_args,
    get_origin,
    get_type_hints,
)

import llmwidgets
from llmwidgets.errors import FieldError, LLMWidgetsError
from llmwidgets.formatting import escape_controls, parse_number, parse_whole
from llmwidgets.secret import redact

if TYPE_CHECKING:
    from rich.console import Console


class Exit(IntEnum):
    """How a command ends."""

    FINE = 0
    PROBLEM = 1
    """A bar was not met, a connection does not work, or something was found."""
    MISTAKE = 2
    """The user's own mistake, or a file that cannot be read."""
    INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its `Exit`.

    What a user can fix is reported in one line on stderr, never as a traceback.
    """
    # A file's name may have letters that the terminal's encoding lacks.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        name, options = _read_arguments(arguments)
        module = import_module(f".{_COMMANDS[name].module}", __name__)
        return int(getattr(module, f"run_{name}")(options))
    except LLMWidgetsError as error:
        report(str(error))
        return Exit.MISTAKE
    except KeyboardInterrupt:
        report("Interrupted.")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`); nobody is left to read more.
        sys.stderr.close()
        return Exit.FINE


def report(message: str) -> None:
    """Write one line on stderr."""
    sys.stderr.write(f"llmwidgets: {escape_controls(' '.join(message.split()))}\n")


def print_text(console: Console, text: str, style: str = "") -> None:
    """Print words from anywhere, their control characters spelled out."""
    from rich.text import Text

    console.print(Text(escape_controls(text), style=style))


# -- What can be written after `llmwidgets`: a class of options for each command, and one table.


def _between(number: Callable[[str], float], least: float, most: float) -> dict[str, Any]:
    def read(text: str) -> float:
        try:
            value = number(text)
        except ValueError:
            message = f"{text} is not a number"
            raise argparse.ArgumentTypeError(message) from None
        if not least <= value <= most:
            message = f"{text} is not between {least:g} and {most:g}"
            raise argparse.ArgumentTypeError(message)
        return value

    return {"type": read}


_MARGIN = {**_between(parse_number, 0.001, 1), "metavar": "SHARE"}
_SHARE = {**_between(parse_number, 0, 1), "metavar": "SHARE"}
_MONEY = {**_between(parse_number, 0, 1e9), "metavar": "USD"}
_COUNT = {**_between(parse_whole, 1, 100_000), "metavar": "N"}
_TWO = {**_between(parse_whole, 1, 1e15), "nargs": 2, "metavar": "RUN"}
_NAME = {"metavar": "NAME"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """Each field is an option of its name: type, help and perhaps more arguments for argparse."""

    schema: Annotated[str, "a JSON Schema (.json), or file.py:Class, module:Class"]
    texts: Annotated[Path, "a table with text (and id), .txt, .pdf, or a folder"]
    models: Annotated[list[str], 'references, or "demo"', {"metavar": "MODEL"}]
    truth: Annotated[str | None, "a key of the texts, or a file: .json by id, a table"] = None
    group: Annotated[str | None, "a key of the texts: those that belong together", _NAME] = None
    blank: Annotated[
        Literal["null"] | None, "a blank label says: no value", {"choices": ["null"]}
    ] = None
    by: Annotated[str | None, "a key of the texts: the scoreboard for each value", _NAME] = None
    instructions: Annotated[Path | None, "a text that replaces the default one"] = None
    html: Annotated[Path | None, "write a self-contained page"] = None
    jsonl: Annotated[Path | None, "write one extraction per line"] = None
    values: Annotated[bool, "show extracted values and truth in the page"] = False
    organization: Annotated[str | None, "whose store; default: default", _NAME] = None
    repeats: Annotated[int, "how often to ask each text; default: 1", _COUNT] = 1
    min_accuracy: Annotated[float | None, "0 to 1, for every variant", _SHARE] = None
    min_valid: Annotated[float | None, "0 to 1, for every variant", _SHARE] = None
    not_worse_than: Annotated[Path | None, "an earlier run, of --save or save()"] = None
    margin: Annotated[float | None, "a loss under this is allowed; default: 0.05", _MARGIN] = None
    junit: Annotated[Path | None, "write which bars were met, as JUnit XML"] = None
    save: Annotated[Path | None, "write the whole comparison, for a later run or load()"] = None
    budget: Annotated[float | None, "most US dollars for new calls", _MONEY] = None
    journal: Annotated[str | None, 'where replies are kept; "none" keeps them in memory'] = None
    concurrency: Annotated[int | None, "most calls at a time for each connection", _COUNT] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """Which store is meant: one of the two, or the default one."""

    store: Annotated[Path | None, "the store in this folder", {"metavar": "FOLDER"}] = None
    organization: Annotated[str | None, "whose store; default: default", _NAME] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsOptions(StoreOptions):
    """`llmwidgets connections`, or `llmwidgets connections check LABEL`."""

    action: Annotated[str | None, "test a connection", {"nargs": "?", "choices": ["check"]}] = None
    label: Annotated[str | None, "which connection", {"nargs": "?", "metavar": "LABEL"}] = None
    json: Annotated[bool, "for programs"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions(StoreOptions):
    """`llmwidgets doctor`."""

    json: Annotated[bool, "for programs"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions(StoreOptions):
    """`llmwidgets scan PATH …`."""

    paths: Annotated[list[Path], "files and folders", {"metavar": "PATH"}]
    clean: Annotated[bool, "offer to clean notebooks and history"] = False
    yes: Annotated[bool, "with --clean: do not ask"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalOptions:
    """`llmwidgets journal`."""

    journal: Annotated[Path | None, "another journal"] = None
    compare: Annotated[list[int] | None, "two runs by their numbers", _TWO] = None
    clear_before: Annotated[str | None, "delete older rows: 2026-11-30", {"metavar": "DATE"}] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """`llmwidgets demo`, which takes no options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabOptions:
    """`llmwidgets lab -- WORD …`."""

    more: Annotated[list[str], "after --: passed on to JupyterLab", {"nargs": argparse.REMAINDER}]


@dataclass(frozen=True, slots=True)
class _Command:
    """`run_` and the command's name runs it, in this module or in one of this package."""

    module: str
    options: type
    help: str
    ends: str | None = None
    positional: tuple[str, ...] = ()


_COMMANDS = {
    "demo": _Command(
        "compare", DemoOptions, "compare the demo's models on sample invoices, no key"
    ),
    "lab": _Command("", LabOptions, "open the notebook in JupyterLab", positional=("more",)),
    "compare": _Command(
        "compare", CompareOptions, "compare models on your own texts",
        "Ends with 0 when finished, 1 when a bar (--min-accuracy, --min-valid, --budget, "
        "--not-worse-than) is not met or a model answered nothing at all, 2 for a mistake, "
        "reported in one line, and 130 when interrupted.",
    ),
    "connections": _Command(
        "connections", ConnectionsOptions, "list connections without their secrets, or test one",
        "check LABEL sends the connection's own host its key and short questions: one, or up to 16 "
        "where only answers show what a server enforces. It says afterwards what was sent, and to "
        "whom. Ends with 0 when the connection works, 1 when it does not, 2 for a mistake.",
        positional=("action", "label"),
    ),
    "doctor": _Command(
        "keys", DoctorOptions, "check the health of the store",
        "Ends with 0 when all is well, 1 when there is something to fix, 2 for a mistake.",
    ),
    "scan": _Command(
        "keys", ScanOptions, "search files for keys",
        "Looks for the keys of the store (raw, base64, URL-encoded) and for everything shaped like "
        "a key. Ends with 0 when there is none, 1 when one is found, 2 for a mistake or a file "
        "that cannot be read.", positional=("paths",),
    ),
    "journal": _Command("journal", JournalOptions, "show where replies are kept, and earlier runs"),
}  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """Reports a mistake in one line, as every command does."""

    def error(self, message: str) -> NoReturn:
        # It repeats what was typed, which is a key if words were pasted in a wrong order.
        shown = redact(message)
        raise FieldError(f"{shown[:1].upper()}{shown[1:]}.", f"See {self.prog} --help.")


def _read_arguments(arguments: Sequence[str] | None) -> tuple[str, Any]:
    """The command's name and its options; FieldError for a mistake."""
    parser = _Parser(
        prog="llmwidgets",
        description="Which model extracts my fields best from my texts, and what does it cost?",
    )
    parser.add_argument(
        "--version", action="version", version=f"llmwidgets {llmwidgets.__version__}"
    )
    parsers = parser.add_subparsers(dest="command", required=True, metavar=" | ".join(_COMMANDS))
    for name, command in _COMMANDS.items():
        _add_options(parsers.add_parser(name, help=command.help, epilog=command.ends), command)
    values = vars(parser.parse_args(arguments))
    name = values.pop("command")
    return name, _COMMANDS[name].options(**values)


def _add_options(parser: argparse.ArgumentParser, command: _Command) -> None:
    names_a_store = issubclass(command.options, StoreOptions)
    group = parser.add_mutually_exclusive_group() if names_a_store else parser
    hints = get_type_hints(command.options, include_extras=True)
    for option in fields(command.options):
        kind, help_text, *more = get_args(hints[option.name])
        words: dict[str, Any] = {"help": help_text}
        if kind is bool:
            words["action"] = "store_true"
        elif Path in (kind, *get_args(kind)):
            words |= {"type": Path, "metavar": "FILE"}
        if get_origin(kind) is list:
            words["nargs"] = "+"
        words |= more[0] if more else {}
        if option.name in command.positional:
            parser.add_argument(option.name, **words)
            continue
        required = option.default is MISSING
        words |= {"required": True} if required else {"default": option.default}
        target = group if option.name in ("store", "organization") else parser
        target.add_argument(f"--{option.name.replace('_', '-')}", **words)


# -- llmwidgets lab: the notebook, opened in JupyterLab.

NOTEBOOK = "01_connect_and_compare.ipynb"


def run_lab(options: LabOptions) -> int:
    """Open the notebook in JupyterLab with the words after --, and return its exit status."""
    if find_spec("jupyterlab") is None:
        raise LLMWidgetsError(
            "JupyterLab is not installed.", "Install it with: pip install jupyterlab."
        )
    extra = options.more[1:] if options.more[:1] == ["--"] else options.more
    command = [sys.executable, "-m", "jupyterlab", str(find_notebook(Path.cwd())), *extra]
    with subprocess.Popen(command) as server:
        while True:
            try:
                return server.wait()
            except KeyboardInterrupt:
                # JupyterLab got the same Ctrl-C, and asks its user whether to stop.
                continue


def find_notebook(folder: Path) -> Path:
    """The repository's notebook, or a copy of the packaged one in `folder`, made once."""
    package = Path(llmwidgets.__file__).parent
    repository = package.parent / "notebooks" / NOTEBOOK
    if repository.is_file() and (package.parent / "pyproject.toml").is_file():
        return repository
    copy = folder / NOTEBOOK
    if copy.exists():
        return copy
    packaged = package / "notebooks" / NOTEBOOK
    if not packaged.is_file():
        raise LLMWidgetsError(
            "The notebook is not in this installation.", "Install llmwidgets from its wheel."
        )
    try:
        shutil.copyfile(packaged, copy)
    except OSError as error:
        raise LLMWidgetsError(
            f"The notebook cannot be copied into {folder}: {error.strerror}.",
            "Change to a folder that you may write to.",
        ) from None
    return copy
