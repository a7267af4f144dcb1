"""The commands: llmwidgets demo, lab, compare, connections, doctor, scan and journal."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from llmwidgets.cli.parser import read_arguments
from llmwidgets.errors import LLMWidgetsError
from llmwidgets.visible import escape_controls

INTERRUPTED = 130
MISTAKE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. 0 finished, 1 a bar not met, 2 a mistake of the user's, 130 interrupted.

    Of doctor and scan 1 says that something was found.

    What a user can mend is said in one line on stderr, never as a traceback.
    """
    _write_any_name()
    try:
        return _run(read_arguments(arguments))
    except LLMWidgetsError as error:
        say(str(error))
        return MISTAKE
    except KeyboardInterrupt:
        say("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`); there is nobody left to tell.
        sys.stderr.close()
        return 0


def say(message: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"llmwidgets: {escape_controls(' '.join(message.split()))}\n")


def _write_any_name() -> None:
    """Let a file's name be told that the terminal's encoding has no letters for."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


_COMMANDS = {
    "compare": ("compare", "CompareOptions"),
    "connections": ("connections", "ConnectionsOptions"),
    "doctor": ("keys", "DoctorOptions"),
    "journal": ("connections", "JournalOptions"),
    "scan": ("keys", "ScanOptions"),
}
"""The module of each command and the class of its options; its function is `run_` and its name."""


def _run(arguments: Namespace) -> int:
    given = vars(arguments)
    command = given.pop("command")
    if command not in _COMMANDS:
        from llmwidgets.cli.start import run_demo, run_lab

        return run_demo() if command == "demo" else run_lab(given["more"])
    home, options = _COMMANDS[command]
    module = import_module(f"llmwidgets.cli.{home}")
    return int(getattr(module, f"run_{command}")(getattr(module, options)(**given)))
