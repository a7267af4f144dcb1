"""The order in which the package takes its locks: two that are taken both ways can wait for ever.

Whether they do is luck, and a test would rarely see it; that both orders occur, it sees each time.
Locks are told apart by the line that makes them, so one is not compared with another of its line.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

_new_lock, _new_rlock = threading.Lock, threading.RLock
_FRAMES = 8


class LockOrder:
    """Which locks are taken while another is held; `inversions` has the pairs taken both ways."""

    def __init__(self) -> None:
        self.inversions: list[str] = []
        self._inner: dict[str, dict[str, str]] = {}
        self._guard = _new_lock()
        self._threads = threading.local()

    @property
    def held(self) -> list[WatchedLock]:
        """The locks that this thread holds, in the order it took them."""
        return self._threads.__dict__.setdefault("held", [])

    def follow(self, outer: str, inner: str) -> None:
        """Note that a thread waited for a lock while it held another."""
        if inner == outer or inner in self._inner.get(outer, ()):
            return
        with self._guard:
            frames = traceback.format_stack(sys._getframe(2), limit=_FRAMES)
            self._inner.setdefault(outer, {})[inner] = "".join(frames)
            if way := self._way(inner, outer):
                steps = [(outer, inner), *way]
                told = (f"{a}, then {b}:\n{self._inner[a][b]}" for a, b in steps)
                self.inversions.append("\n".join(told))

    def _way(self, first: str, last: str) -> list[tuple[str, str]]:
        """The steps by which one lock leads to another; none if it does not."""
        ways: dict[str, list[tuple[str, str]]] = {first: []}
        for at in (found := [first]):
            for inner in self._inner.get(at, ()):
                if inner not in ways:
                    ways[inner] = [*ways[at], (at, inner)]
                    found.append(inner)
        return ways.get(last, [])


class WatchedLock:
    """A lock that tells the order by which it is taken."""

    def __init__(self, lock: Any, name: str, order: LockOrder) -> None:
        self._lock, self._name, self._order = lock, name, order
        self._holder: list[WatchedLock] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        held = self._order.held
        # Who holds it already, or only tries, waits for nobody.
        if blocking and self not in held:
            for each in held:
                self._order.follow(each._name, self._name)
        if taken := self._lock.acquire(blocking, timeout):
            self._holder = held
            held.append(self)
        return taken

    def release(self) -> None:
        # By another thread than took it, perhaps.
        holder = self._holder
        self._lock.release()
        if self in holder:
            holder.remove(self)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lock, name)


def watch_locks(package: str) -> LockOrder:
    """Watch every lock that a module of the package makes from now on."""
    order = LockOrder()

    def watched(new: Callable[[], Any]) -> Callable[[], Any]:
        def make() -> Any:
            maker = sys._getframe(1)
            module = maker.f_globals.get("__name__", "")
            if module.partition(".")[0] != package:
                return new()
            return WatchedLock(
                new(), f"{module}, {maker.f_code.co_qualname}:{maker.f_lineno}", order
            )

        return make

    threading.Lock, threading.RLock = watched(_new_lock), watched(_new_rlock)  # type: ignore[misc,assignment]
    return order
