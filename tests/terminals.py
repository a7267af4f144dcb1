"""A terminal of its own for a command: what is typed there, what it shows, how it ends."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SECONDS = 60

only_with_terminals = pytest.mark.skipif(os.name == "nt", reason="there are no pty here")


class Terminal:
    """One command at a terminal; `shown` is everything that stood there up to now."""

    def __init__(
        self, command: list[str], environment: Mapping[str, str], to: Path | None = None
    ) -> None:
        import fcntl
        import pty
        import termios

        self._here, there = pty.openpty()
        self.shown, self._looked_at = "", 0
        with open(to or os.devnull, "wb") as file:
            self.process = subprocess.Popen(
                command, stdin=there, stdout=file if to else there, stderr=there,
                env=dict(environment), start_new_session=True,
                # What asks for a secret opens the terminal that the process has.
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            )  # fmt: skip
        os.close(there)

    def wait_for(self, words: str) -> None:
        """Until the words stand there, after those that were waited for last."""
        until = time.monotonic() + SECONDS
        while (at := self.shown.find(words, self._looked_at)) < 0:
            if not self._read(until - time.monotonic()):
                message = f"{words!r} was never shown, but: {self.shown!r}"
                raise AssertionError(message)
        self._looked_at = at + len(words)

    def answer(self, question: str, typed: str) -> None:
        """Wait for the question, then type this and Enter."""
        self.wait_for(question)
        self.type(typed)

    def type(self, words: str) -> None:
        """Type this and Enter."""
        self.press(f"{words}\n")

    def press(self, keys: str) -> None:
        """Press these keys alone: Ctrl-C is \\x03."""
        os.write(self._here, keys.encode())

    def end(self) -> int:
        """The status that the command ends with."""
        while self._read(SECONDS):
            pass
        return self.process.wait(SECONDS)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._here], [], [], max(0.0, seconds))
        with suppress(OSError):  # the other side is closed
            new = os.read(self._here, 65_536) if ready else b""
            self.shown += new.decode("utf-8", "replace").replace("\r\n", "\n")
            return bool(new)
        return False

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._here)


@contextmanager
def at_terminal(*words: str, to: Path | None = None, **more: str) -> Iterator[Terminal]:
    """`llmwidgets` with these words at a terminal, until the block ends; its output goes `to`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **more}
    terminal = Terminal([sys.executable, "-m", "llmwidgets", *words], environment, to)
    try:
        yield terminal
    finally:
        terminal.close()
