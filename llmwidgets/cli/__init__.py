"""The commands: llmwidgets demo, lab and compare."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from llmwidgets.cli.arguments import read_arguments
from llmwidgets.errors import LLMWidgetsError

INTERRUPTED = 130
MISTAKE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. 0 finished, 1 a bar not met, 2 a mistake of the user's, 130 interrupted.

    What a user can mend is said in one line on stderr, never as a traceback.
    """
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
    sys.stderr.write(f"llmwidgets: {' '.join(message.split())}\n")


def _run(arguments: object) -> int:
    command = getattr(arguments, "command", "")
    if command == "demo":
        from llmwidgets.cli.demo import demo

        return demo()
    if command == "lab":
        from llmwidgets.cli.lab import lab

        return lab(getattr(arguments, "more", []))
    from llmwidgets.cli.compare import Asked, compare

    return compare(Asked(**{k: v for k, v in vars(arguments).items() if k != "command"}))
