"""The lease: a file that the driver renews while it lives, and workers look at while they ask."""

from __future__ import annotations

import secrets
import threading
import time

from llmwidgets.comparison.cluster.folder import RunFolder

_STOP = b"stop"
RENEW_SECONDS = 2.0
LEASE_SECONDS = 15.0
"""A driver that has not renewed its lease for so long is taken for dead."""


class LeaseKeeper:
    """Renews the lease on a thread of its own until it is closed or stopped."""

    def __init__(self, folder: RunFolder) -> None:
        self.name = f"lease/{secrets.token_hex(8)}"
        self._folder, self._turn, self._over = folder, 0, threading.Event()
        self._renew()
        self._thread = threading.Thread(target=self._keep, name="llmwidgets-lease", daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        while not self._over.wait(RENEW_SECONDS):
            self._renew()

    def _renew(self) -> None:
        self._turn += 1
        self._folder.write(self.name, str(self._turn).encode())

    def stop(self) -> None:
        """Tell every worker to stop."""
        self._over.set()
        self._thread.join()
        self._folder.write(self.name, _STOP)

    def close(self) -> None:
        """Renew it no more, and take it away: what still runs stops."""
        self.stop()


class LeaseReader:
    """Whether a worker is to go on: looked at by its own clock, so that clocks may differ."""

    LOOK_SECONDS = 0.5

    def __init__(self, folder: RunFolder, name: str) -> None:
        self._folder, self._name = folder, name
        self._last, self._changed = b"", time.monotonic()

    def over(self) -> bool:
        """Whether the driver said stop, or has not renewed the lease for too long."""
        now = time.monotonic()
        found = self._folder.read(self._name)
        if found == _STOP:
            return True
        if found and found != self._last:
            self._last, self._changed = found, now
        return now - self._changed > LEASE_SECONDS
