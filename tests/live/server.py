"""llama-cpp-python's server with the tiny model, as a process of its own on loopback."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PYTHON = "LLMWIDGETS_LIVE_PYTHON"
"""The variable that names the server's interpreter; `make live-local` sets it."""

NAME = "tiny"
_STARTS_WITHIN = 120.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class RealServer:
    """A server that runs: where it listens, its process, and where it writes what it says."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def busy_seconds(self) -> float:
        """The processor time that the server has taken until now."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def wait_until_busy(self, seconds: float = 0.3) -> None:
        """Wait until the server has worked for so long from now on: it is in mid-answer."""
        until = self.busy_seconds() + seconds
        _wait(lambda: self.busy_seconds() >= until, "The server does nothing.")

    def wait_until_idle(self) -> None:
        """Wait until the server no longer works."""
        seen = [self.busy_seconds()]

        def idle() -> bool:
            seen.append(self.busy_seconds())
            return len(seen) > _STILL and seen[-1] == seen[-_STILL]

        _wait(idle, "The server goes on working.")


_STILL = 10
"""Looks in a row at which the processor time is the same."""


def _wait(condition: Callable[[], bool], complaint: str, within: float = 60.0) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, complaint
        time.sleep(0.05)


def make_model(python: str, path: Path) -> Path:
    """Write the tiny model, in the server's environment."""
    script = Path(__file__).parent / "tiny_model.py"
    subprocess.run([python, str(script), str(path)], check=True, timeout=120)
    return path


@contextmanager
def running(python: str, model: Path, *arguments: str) -> Iterator[RealServer]:
    """The server, from its first answer until the block ends."""
    log = model.with_suffix(".log")
    command = [python, "-m", "llama_cpp.server", "--model", str(model), "--model_alias", NAME]
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", "0", "--n_threads", "1", *arguments],
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        yield RealServer(_port(process, log), process, log)
    finally:
        process.kill()
        process.wait()


_LISTENS = re.compile(r"running on http://127\.0\.0\.1:(\d+)")


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port that the server took, once it says that it listens there."""

    def listens() -> bool:
        assert process.poll() is None, f"The server ended: {log.read_text()[-2000:]}"
        return _LISTENS.search(log.read_text(errors="replace")) is not None

    _wait(listens, "The server does not start.", _STARTS_WITHIN)
    found = _LISTENS.search(log.read_text(errors="replace"))
    assert found is not None
    return int(found[1])
