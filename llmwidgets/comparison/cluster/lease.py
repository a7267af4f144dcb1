"""The lease: a file that the driver renews while it lives, and workers look at while they ask."""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import suppress

from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.errors import LLMWidgetsError

_STOP = b"stop"
RENEW_SECONDS = 2.0
LEASE_SECONDS = 15.0
"""A driver that has not renewed its lease for so long is taken for dead."""
LOOK_SECONDS = 0.5


class LeaseKeeper:
    """Renews the lease on a thread of its own until it is stopped."""

    def __init__(self, folder: RunFolder) -> None:
        self.name = f"lease/{secrets.token_hex(8)}"
        self._folder, self._turn, self._over = folder, 0, threading.Event()
        self._renew()
        self._thread = threading.Thread(target=self._keep, name="llmwidgets-lease", daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        while not self._over.wait(RENEW_SECONDS):
            # A folder that cannot be written to for a moment is tried again.
            with suppress(OSError, LLMWidgetsError):
                self._renew()

    def _renew(self) -> None:
        self._turn += 1
        self._folder.write(self.name, str(self._turn).encode())

    def stop(self) -> None:
        """Tell every worker to stop."""
        self._over.set()
        self._thread.join()
        # Who cannot be told stops by itself, since nothing is renewed any more.
        with suppress(OSError, LLMWidgetsError):
            self._folder.write(self.name, _STOP)


class LeaseReader:
    """Whether a worker is to go on: looked at by its own clock, so that clocks may differ.

    It is kept from chunk to chunk: if nothing was renewed between two of them, the second one asks
    nothing.
    """

    def __init__(self, folder: RunFolder, name: str, seconds: float = LEASE_SECONDS) -> None:
        self._folder, self._name, self._seconds = folder, name, seconds
        self._last, self._changed = b"", time.monotonic()

    def over(self) -> bool:
        """Whether the driver said stop, or has not renewed the lease for too long."""
        now, found = time.monotonic(), None
        with suppress(OSError, LLMWidgetsError):
            found = self._folder.read(self._name)
        if found == _STOP:
            return True
        if found and found != self._last:
            self._last, self._changed = found, now
        return now - self._changed > self._seconds
