"""Auto-lock: a store that a passphrase opened is locked again when nothing used it for a while.

How long is chosen for each folder on this computer. Time asleep counts as idle time. A run holds
all stores open until it finishes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from llmwidgets.errors import FieldError
from llmwidgets.store import trust

CHOICES = (0, 15, 60)
"""The idle minutes that can be chosen; 0 is never."""

_SHORTEST = min(filter(None, CHOICES))
_LOOK_SECONDS = 20.0

_guard = threading.Lock()
_running: set[IdleTimer] = set()
_watcher: threading.Thread | None = None
_holds = 0


class IdleTimer:
    """When the store in a folder was `used` last; calls `lock` if that is too many minutes ago."""

    def __init__(self, folder: Path | None, lock: Callable[[int], object]) -> None:
        self._folder, self._lock = folder, lock
        self.used = clock()

    def start(self) -> None:
        """Watch a store that a passphrase opened just now."""
        self.used = clock()
        if self._folder is not None:
            _running.add(self)
            _start_watcher()

    def stop(self) -> None:
        """Watch no more: the store is locked, or something else opened it."""
        _running.discard(self)

    def check(self) -> None:
        """Lock the store if nothing used it for the chosen time; never in a run."""
        idle = (clock() - self.used) / 60
        if self not in _running or _holds or idle < _SHORTEST:
            return
        minutes = idle_minutes(self._folder)
        if minutes and idle >= minutes:
            self._lock(minutes)


def idle_minutes(folder: Path | None) -> int:
    """The idle minutes chosen for a folder's store; 0 is never, as in memory."""
    return trust.recall_folder(folder).auto_lock if folder else 0


def choose_idle_minutes(folder: Path, minutes: int) -> None:
    """Remember another choice for a folder's store; FieldError if it is not one of CHOICES."""
    if minutes not in CHOICES:
        raise FieldError({"auto_lock": "must be 0 (never), 15 or 60 idle minutes."})
    trust.remember_folder(folder, auto_lock=int(minutes))


def clock() -> float:
    """Seconds that go on while the computer sleeps, if the system counts them."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


@contextmanager
def hold_open() -> Iterator[None]:
    """Keep every store of this process open while a run goes on."""
    global _holds
    with _guard:
        _holds += 1
    try:
        yield
    finally:
        with _guard:
            for timer in list(_running):
                timer.used = clock()
            _holds = max(0, _holds - 1)


def lock_idle() -> None:
    """Lock every store that is idle for too long."""
    for timer in list(_running):
        timer.check()


def _start_watcher() -> None:
    def look() -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            lock_idle()

    global _watcher
    with _guard:
        if _watcher is None:
            _watcher = threading.Thread(target=look, name="llmwidgets auto-lock", daemon=True)
            _watcher.start()


def _after_fork() -> None:
    global _guard, _watcher, _holds
    _guard, _watcher, _holds = threading.Lock(), None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
