"""Outage: a server that answered before and cannot be reached now, and who may look for it."""

from __future__ import annotations

from llmwidgets.engine import defaults
from llmwidgets.engine.network.errors import PASSING
from llmwidgets.errors import CallError, Overloaded, Unreachable

_UNSENT_BY_GATEWAY = frozenset({502, 503, 521, 522, 523, 530})
_IN_A_ROW = 3
_FIRST_LOOK_SECONDS = 0.5
_LONGEST_LOOK_SECONDS = 5.0


class Outage:
    """Whether the server of a connection is away.

    It is once several calls in a row could not be sent after one was answered. From then on one
    call at a time looks for it, until the server is back or the patience is over.
    """

    def __init__(self) -> None:
        self.since: float | None = None
        self._looker: object = None
        self.given_up: CallError | None = None
        self._answered_at: float | None = None
        self._in_a_row = 0
        self._looks = 0
        self._next_look = 0.0

    def left(self, now: float) -> float:
        """Seconds for which the server is still waited for."""
        return 0.0 if self.since is None else self.since + defaults.AWAY_SECONDS - now

    def opens_at(self, now: float) -> float:
        """When the next call may begin."""
        return now if self.since is None else self._next_look

    @property
    def looking(self) -> bool:
        """Whether a call is out that looks for the server."""
        return self._looker is not None

    def begin(self, call: object) -> None:
        """A call begins; while the server is away it is the one that looks for it."""
        if self.since is not None:
            self._looker = call

    def end(self, call: object) -> None:
        """A call has ended, in whatever way."""
        if self._looker is call:
            self._looker = None

    def answered(self, now: float) -> None:
        """A call was answered."""
        self._answered_at = now
        self.reached()

    def reached(self) -> None:
        """The server is there, whatever it said."""
        self.since, self._in_a_row, self._looks = None, 0, 0

    def unsent(self, failure: CallError, sent: float, now: float) -> bool:
        """Count a call that failed; whether it is one that the server never saw, after others.

        Where it waits for the server, no try of its own is used up.
        """
        if not _may_pass(failure):
            self.reached()
            return False
        if self._answered_at is None:
            return False
        if sent < self._answered_at:
            return True
        self._in_a_row += 1
        if self.since is None and self._in_a_row >= _IN_A_ROW:
            self.since = now
        if self.since is not None:
            pause = min(_LONGEST_LOOK_SECONDS, _FIRST_LOOK_SECONDS * 2**self._looks)
            self._looks += self.looking
            self._next_look = now + pause
            if self.left(now) <= 0:
                self.given_up, self.since = failure, None
        return True

    def told(self, error: Exception) -> str:
        """What is said beside the error that ended the waiting; else nothing."""
        if self.given_up is None or error is not self.given_up:
            return ""
        return (
            f" It answered before, and then could not be reached for {defaults.AWAY_SECONDS:g} s."
        )

    def silent_behind(self, failure: CallError, since: float) -> bool:
        """Whether a gateway says that its server is away, and nothing was answered since then."""
        gateway = isinstance(failure, Overloaded) and failure.status in _UNSENT_BY_GATEWAY
        return gateway and self._answered_at is not None and self._answered_at < since


def _may_pass(failure: CallError) -> bool:
    unsent = isinstance(failure, Unreachable) and not failure.perhaps_answered
    return unsent and not failure.status and failure.code in PASSING
