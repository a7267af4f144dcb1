"""Clocks for the engine that wait for no real second."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

from llmwidgets.engine.network.pacing import Clock


def hurry(before: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)) -> Clock:
    """A clock on which a wait is over as soon as `before` is: at once, unless told otherwise."""
    skipped = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal skipped
        await before()
        skipped += seconds

    return Clock(lambda: time.monotonic() + skipped, sleep, lambda: 0.5)


def busy_seconds(seconds: float) -> float:
    """What is over in so many seconds may take so many here, with all that runs beside it."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return seconds * max(1.0, load / (os.cpu_count() or 1))
