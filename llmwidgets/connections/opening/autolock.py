"""Auto-lock: a store that a passphrase opened forgets its identity after an idle hour.

A run takes a hold, so that nothing locks while it goes on. Time asleep counts as idle time.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

MINUTES = (0, 15, 60)
"""What can be chosen; 0 is never."""

_LOOK_SECONDS = 20.0


class Lockable(Protocol):
    """What locks itself when it was idle."""

    def lock_if_idle(self, now: float) -> None:
        """Lock, if nothing used it for its own time."""


def clock() -> float:
    """Seconds that go on while the computer sleeps, where the system counts them."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


_watched: weakref.WeakSet[Lockable] = weakref.WeakSet()
_guard = threading.Lock()
_watcher: threading.Thread | None = None
_holds = 0


@contextmanager
def held() -> Iterator[None]:
    """Keep every store of this process open while a run goes on."""
    global _holds
    with _guard:
        _holds += 1
    try:
        yield
    finally:
        with _guard:
            _holds = max(0, _holds - 1)
            there = list(_watched)
        for each in there:
            touch(each)


def is_held() -> bool:
    """Whether a run goes on."""
    return _holds > 0


def touch(used: object) -> None:
    """Start the idle time of a store anew."""
    used.used = clock()  # type: ignore[attr-defined]


def watch(store: Lockable) -> None:
    """Look at this store from time to time until the process ends."""
    global _watcher
    with _guard:
        _watched.add(store)
        if _watcher is None:
            _watcher = threading.Thread(target=_look_on, name="llmwidgets auto-lock", daemon=True)
            _watcher.start()


def sweep() -> None:
    """Lock every watched store that is idle for too long."""
    with _guard:
        there = list(_watched)
    for store in there:
        store.lock_if_idle(clock())


def start_anew() -> None:
    """After a fork: no watcher, no run of the parent's."""
    global _guard, _watcher, _holds
    _guard, _watcher, _holds = threading.Lock(), None, 0
    _watched.clear()


def _look_on() -> None:
    pause = threading.Event()
    while not pause.wait(_LOOK_SECONDS):
        sweep()
