"""A run as it is waited for, watched and stopped, wherever its calls are made."""

from __future__ import annotations

import threading

from llmwidgets.engine.event_loop import StuckWait
from llmwidgets.engine.runs.progress import VariantProgress


class BackgroundRun:
    """A run that goes on while others wait for it; `error` is what ended it early.

    >>> run.start(); run.wait(); run.progress[0].done   # doctest: +SKIP
    """

    def __init__(self) -> None:
        self.begun = self.stopped = False
        self.error: BaseException | None = None
        self._finished = threading.Event()

    @property
    def finished(self) -> bool:
        """Whether every extraction has ended."""
        return self._finished.is_set()

    @property
    def progress(self) -> tuple[VariantProgress, ...]:
        """How far each variant is; safe from any thread."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin and return."""
        raise NotImplementedError

    def stop(self) -> None:
        """Cancel the calls under way; what is open ends as Stopped. Returns at once."""
        raise NotImplementedError

    def end(self, patience: float) -> bool:
        """Stop, and wait at most `patience` seconds for the end. Whether the run is over."""
        self.stop()
        return self._finished.wait(patience)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; whatever ends the wait stops the run. Whether the run is over."""
        try:
            StuckWait().refuse(begun=True)
            # A wait without an end cannot be interrupted on Windows.
            while timeout is None and not self._finished.wait(0.5):
                pass
            return self._finished.wait(timeout)
        except BaseException:
            self.stop()
            raise
