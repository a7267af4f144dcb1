"""The commands: llmwidgets demo, lab, compare, show, connections, doctor, scan and journal."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import IntEnum
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from llmwidgets.errors import LLMWidgetsError, UnknownConnection
from llmwidgets.formatting import escape_controls

if TYPE_CHECKING:
    from rich.console import Console


class Exit(IntEnum):
    """How a command ends."""

    FINE = 0
    PROBLEM = 1
    """A bar was not met, a connection does not work, or something was found."""
    MISTAKE = 2
    """The user's own mistake, a file that cannot be read, or a store that stays locked."""
    INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its `Exit`.

    What a user can fix is reported in one line on stderr, never as a traceback; with `--json` it is
    on stdout as well, as JSON.
    """
    # A file's name may have letters that the terminal's encoding lacks.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options: Any = None
    try:
        command, options = import_module(".parser", __name__).read_arguments(arguments)
        run = getattr(import_module(f".{command.module}", __name__), command.function)
        return int(run(options))
    except LLMWidgetsError as error:
        _report_error(error, options, as_json=getattr(options, "json", False))
        return Exit.MISTAKE
    except KeyboardInterrupt:
        report("Interrupted.")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`); nobody is left to read more.
        sys.stderr.close()
        return Exit.FINE


_CONNECT = (
    "In a shell: llmwidgets connections lists them, and llmwidgets connections add KIND adds one."
)


def _report_error(error: LLMWidgetsError, options: Any, *, as_json: bool) -> None:
    hint = error.hint
    if hasattr(options, "store"):
        hint = import_module(".store_access", __name__).shell_words(hint, options)
    if isinstance(error, UnknownConnection):
        hint = f"{hint} {_CONNECT}".strip()
    if as_json:
        said = {"error": type(error).__name__, "message": error.message, "hint": hint}
        sys.stdout.write(json.dumps(said, indent=2) + "\n")
    report(f"{error.message} {hint}")


def report(message: str) -> None:
    """Write one line on stderr."""
    sys.stderr.write(f"llmwidgets: {escape_controls(' '.join(message.split()))}\n")


def print_text(console: Console, text: str, style: str = "") -> None:
    """Print words from anywhere, their control characters spelled out."""
    from rich.text import Text

    console.print(Text(escape_controls(text), style=style))
