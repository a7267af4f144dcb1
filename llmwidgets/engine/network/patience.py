"""Patience: how long a check waits for a server that is busy, starting or gone for a moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from llmwidgets.engine.network.pacing import Clock
from llmwidgets.errors import CallError, FailureCode, Overloaded, RateLimited, Unreachable

T = TypeVar("T")

ProgressCallback = Callable[[str], None]
"""Hears in a few words what a check is waiting for."""

WAIT_SECONDS = 20.0
"""All the waits of one check together: someone is watching it."""

_LONGEST_STEP = 6.0
_SHORT_TRIES = 3
_BROKEN_OFF = frozenset({
    FailureCode.REFUSED, FailureCode.CONNECT_TIMEOUT, FailureCode.HUNG_UP, FailureCode.CUT_SHORT,
    FailureCode.NETWORK,
})  # fmt: skip


@dataclass(slots=True)
class Patience:
    """The waits of one check, limited in all; `tell` hears each before it begins.

    An overloaded server is waited for from the start, since one that loads its model says the
    same. A limit and a broken connection are waited out only after something has answered: at
    first they are what the check is to report.
    """

    host: str
    clock: Clock
    tell: ProgressCallback | None
    left: float = WAIT_SECONDS
    _answered: bool = False

    async def through(self, once: Callable[[], Awaitable[T]]) -> T:
        """Do `once`, again after a wait if that can help; raises its last CallError."""
        failed: list[CallError] = []
        while True:
            try:
                result = await once()
            except CallError as error:
                failed.append(error)
            else:
                self._answered = True
                return result
            wait = self._wait(failed)
            if wait is None:
                raise failed[-1]
            self.left -= wait
            if self.tell is not None:
                why = self._describe(failed[-1])
                self.tell(f"{why}; asking again in {max(1, round(wait))} s")
            await self.clock.sleep(wait)

    def _describe(self, error: CallError) -> str:
        if isinstance(error, RateLimited):
            return f"{self.host} accepts no more requests for now"
        if isinstance(error, Unreachable):
            return f"{self.host} broke off"
        return f"{self.host} is overloaded or still starting ({error.status})"

    def _wait(self, failed: list[CallError]) -> float | None:
        """Seconds until the next try, or None if there is none."""
        error, times = failed[-1], len(failed)
        if not self._worth_waiting(error):
            return None
        few = failed_itself(error) or isinstance(error, RateLimited)
        if few and error.retry_after is None and times >= _SHORT_TRIES:
            return None
        if error.perhaps_answered and sum(each.perhaps_answered for each in failed) > 1:
            return None
        step = min(_LONGEST_STEP, 0.5 * 2 ** (times - 1)) * (0.75 + 0.5 * self.clock.jitter())
        wait = max(step, error.retry_after or 0.0)
        return wait if wait <= self.left else None

    def _worth_waiting(self, error: CallError) -> bool:
        if error.code == FailureCode.NO_RETRY:
            return False
        if isinstance(error, Overloaded):
            return True
        if isinstance(error, RateLimited):
            return self._answered or error.retry_after is not None
        return isinstance(error, Unreachable) and self._answered and error.code in _BROKEN_OFF


def failed_itself(error: CallError) -> bool:
    """Whether the server failed on this very request (500, 501), and not for lack of room or time.

    Some servers answer so to a form that they do not know, so that only a comparison shows it.
    """
    seen = {error.status, error.code} & {500, 501, "500", "501"}
    return isinstance(error, Overloaded) and bool(seen)
