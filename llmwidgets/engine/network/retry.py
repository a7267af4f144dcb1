"""Pacing: how many calls a connection takes at once, and when a call is tried again."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from llmwidgets.engine import defaults
from llmwidgets.engine.network.errors import HOPELESS, PASSING
from llmwidgets.engine.network.rate_limit import Limiter, Sent
from llmwidgets.errors import CallError, FailureCode, Overloaded, RateLimited, Unreachable

T = TypeVar("T")


AWAY = "the server does not answer"
_ROUNDS_UNDER_CEILING = 4
_ROUNDS_AT_REST = 8


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as the engine sees it: seconds now, a wait, a number from 0 to 1 for jitter."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random


class Pace:
    """How many calls of one connection run at once: more while throughput grows, fewer on 429.

    After each change it lets the calls of before run out, measures one round, and compares. A
    limit makes every call wait, not only the one that was told. With `patient` off, nothing is
    tried again: a check says at once what it sees.
    """

    def __init__(
        self, start: int, most: int = defaults.CONCURRENCY_MOST, clock: Clock | None = None
    ) -> None:
        self.clock = clock or Clock()
        self.patient = True
        self.limit = max(1, min(start, most))
        self.most = max(1, most)
        self.running = 0
        self.paused_until = 0.0
        self.limiter, self.outage = Limiter(), Outage()
        self._gate_taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._limit_before = 0
        self._ceiling: int | None = None
        self._best = 0.0
        self._before: int | None = None
        self._rest = 0
        self._to_settle = 0
        self._round_begun: float | None = None
        self._round = 0

    @property
    def state(self) -> str:
        """What the connection is doing, in words."""
        now = self.clock.now()
        if self.outage.since is not None:
            left = max(1, round(self.outage.left(now)))
            return f"{AWAY}; trying again, {left} s left"
        wait = self.paused_until - now
        if wait > 0:
            return f"waiting for the limit, next in {max(1, round(wait))} s"
        return f"{self.limit} at a time"

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Sent]:
        """One of the calls that may run now; waits for its turn, and for a pause to end."""
        sent = await self._enter()
        try:
            yield sent
        finally:
            self.running -= 1
            self.outage.end(sent)
            self._wake()

    async def _enter(self) -> Sent:
        # One call stands at the gate; the others wait behind it, in the order in which they came.
        if self._gate_taken or self._full:
            await self._turn()
        self._gate_taken = True
        try:
            while (wait := self._opens_at() - self.clock.now()) > 0:
                await self.clock.sleep(wait)
            self.running += 1
            sent = self.limiter.sent(self.clock.now())
            self.outage.begin(sent)
            return sent
        finally:
            self._gate_taken = False
            self._wake()

    @property
    def _full(self) -> bool:
        return self.running >= self.limit or self.outage.looking

    def _opens_at(self) -> float:
        now = self.clock.now()
        pause = max(self.paused_until, self.outage.opens_at(now))
        return pause if now < pause else self.limiter.opens_at(now)

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._gate_taken = False
                self._wake()
            raise

    def _wake(self) -> None:
        """Let the next one to the gate, which is kept for it from now on."""
        if self._gate_taken or self._full:
            return
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                self._gate_taken = True
                turn.set_result(None)
                return

    def failed(self, failure: CallError, sent: Sent, tried: Attempts) -> float | None:
        """Seconds until the next try of a call that failed so, or None where there is none."""
        now = self.clock.now()
        tried.perhaps_answered += failure.perhaps_answered
        if tried.failing_since is None:
            tried.failing_since = now
        if self.patient and self.outage.unsent(failure, sent.at, now):
            return self._wait_for_server(tried, now)
        tried.unsent_since = None
        silent = self.outage.silent_behind(failure, tried.failing_since)
        budget = defaults.AWAY_TRIES if silent else None
        # Where a call is refused by chance, the next try is as likely to pass early as late.
        growing = not (isinstance(failure, RateLimited) and self.limiter.chance)
        wait = _wait(failure, tried, self.clock, budget, growing) if self.patient else None
        if isinstance(failure, RateLimited):
            self.refused(sent, min(wait or 0.0, defaults.LONGEST_WAIT_SECONDS))
        return wait

    def _wait_for_server(self, tried: Attempts, now: float) -> float | None:
        if tried.unsent_since is None:
            tried.unsent_since = now
        over = now - tried.unsent_since >= defaults.AWAY_SECONDS
        if over or self.outage.given_up is not None:
            return None
        if self.outage.since is not None:
            return 0.0
        return 0.5 * (0.75 + 0.5 * self.clock.jitter())

    def refused(self, sent: Sent, wait: float) -> None:
        """The server refused the call; `wait` is what it asks for."""
        known = self.limiter.rate is not None
        begins = self.limiter.refused(sent, self.clock.now()) and not known
        if self.limiter.blocked:
            self.limited(wait, fewer=begins)
        elif begins:
            self._cut()
        self._uncut()

    def limited(self, wait: float, *, fewer: bool = True) -> None:
        """The server asked for a pause: all wait, and afterwards `fewer` run at once."""
        now = self.clock.now()
        # The calls sent before the first refusal are refused too; they are one event.
        if fewer and now >= self.paused_until:
            self._cut()
        self.paused_until = max(self.paused_until, now + wait)

    def _cut(self) -> None:
        self._limit_before = max(self.limit, self._limit_before)
        self._ceiling, self._rest = self.limit, _ROUNDS_UNDER_CEILING
        self.limit = max(1, self.limit * 3 // 5)
        self._before = None
        self._settle(self.limit * 2)

    def _uncut(self) -> None:
        # Where refusals come by chance, it was not for the number at once that calls were refused.
        if self.limiter.by_chance and self._ceiling is not None:
            self.limit, self._limit_before = max(self.limit, self._limit_before), 0
            self._ceiling = None
            self._settle(self.limit)
            self._wake()

    def answered(self, sent: Sent) -> None:
        """A call came through: count it, and at the end of a round compare."""
        self.outage.answered(self.clock.now())
        self.limiter.answered(sent, self.clock.now())
        self._uncut()
        if self.limit >= self.most and self._before is None:
            return
        if self._to_settle:
            self._to_settle -= 1
            return
        now = self.clock.now()
        if self._round_begun is None:
            self._round_begun = now
            return
        self._round += 1
        if self._round >= max(4, self.limit) and now > self._round_begun:
            self._compare(self._round / (now - self._round_begun))

    def _compare(self, throughput: float) -> None:
        if self._ceiling is not None:
            self._recover(self._ceiling)
        elif self._rest:
            self._rest -= 1
            self._settle(0)
        elif throughput > self._best * 1.1:
            self._best = throughput
            self._grow(self.limit * 2)
        else:
            # More at once brought nothing: the server works them off one after the other.
            self.limit, self._before = self._before or self.limit, None
            self._rest = _ROUNDS_AT_REST
            self._settle(self.limit)

    def _recover(self, ceiling: int) -> None:
        # Back up quickly to just under what was refused; then, after some quiet rounds, one more:
        # a refusal can also have been an accident of a burst.
        wanted = self.limit + max(1, self.limit // 8)
        if wanted < ceiling:
            self._grow(wanted)
        elif self._rest:
            self._rest -= 1
            self._settle(0)
        else:
            self._ceiling = self.most + 1
            self._grow(self.limit + 1)

    def _grow(self, wanted: int) -> None:
        full = self.running >= self.limit - (self.limiter.rate is None)
        self._settle(self.limit)
        if not full:
            return
        self._before, self.limit = self.limit, min(self.most, wanted)
        self._wake()

    def _settle(self, calls: int) -> None:
        self._to_settle, self._round, self._round_begun = calls, 0, None


_BUDGETS = {
    "perhaps answered": defaults.PERHAPS_ANSWERED_TRIES,
    "limited": defaults.RATE_LIMIT_TRIES,
    "overloaded": defaults.OVERLOADED_TRIES,
    "unsent": defaults.UNSENT_TRIES,
}
"""How often a call may fail in each way; each way has its own count, so that no order matters."""


@dataclass(slots=True)
class Attempts:
    """How often a call was sent, how it failed, and how often it was perhaps paid in vain."""

    tries: int = 0
    perhaps_answered: int = 0
    timed_out: int = 0
    waited: float = 0.0
    failed: Counter[str] = field(default_factory=Counter)
    failing_since: float | None = None
    unsent_since: float | None = None


async def retry_until_answered(pace: Pace, once: Callable[[], Awaitable[T]], tried: Attempts) -> T:
    """Do `once` in a slot of the pace, again where that can help; the slot is free during waits.

    Unsent calls are tried again, and those of a server that answered before for as long as it is
    waited for; one that was perhaps answered, at most once; a wait that the server asks for is
    kept. Raises the last CallError.
    """
    while True:
        failure: CallError | None = None
        async with pace.slot() as sent:
            if pace.outage.given_up is not None:
                raise pace.outage.given_up.with_traceback(None)
            tried.tries += 1
            try:
                result = await once()
            except CallError as error:
                failure = error
                tried.timed_out += error.timed_out
            else:
                pace.answered(sent)
                return result
            wait = pace.failed(failure, sent, tried)
        if wait is None:
            raise failure
        tried.waited += wait
        await pace.clock.sleep(wait)


def _wait(
    failure: CallError,
    tried: Attempts,
    clock: Clock,
    budget: int | None = None,
    growing: bool = True,
) -> float | None:
    """Seconds until the next try, or None where there is none."""
    way = _way(failure)
    tried.failed[way] += 1
    times, asked = tried.failed[way], failure.retry_after
    if times >= (budget or _BUDGETS.get(way, 1)) or (asked or 0.0) > defaults.LONGEST_WAIT_SECONDS:
        return None
    backoff = min(8.0, 0.5 * 2.0 ** (times - 1 if growing else 0)) * (0.75 + 0.5 * clock.jitter())
    if asked is None or not asked > 0:
        return backoff
    # A little later than asked: clocks differ, and too early counts as one more refusal.
    return max(asked + 0.05 + 0.1 * clock.jitter(), backoff)


def _way(failure: CallError) -> str:
    """The way in which a call failed, as far as another try can help; else empty."""
    if failure.code == FailureCode.NO_RETRY:
        return ""
    # A web page in place of the model's answer is a wrong address; it has a status.
    away = isinstance(failure, Unreachable) and not failure.status
    if away and failure.code in HOPELESS:
        return ""
    if failure.perhaps_answered and (away or isinstance(failure, Overloaded)):
        return "perhaps answered"
    if isinstance(failure, RateLimited):
        return "limited"
    if isinstance(failure, Overloaded):
        return "overloaded"
    return "unsent" if away else ""


# -- Outage: a server that answered before and cannot be reached now, and who may look for it.

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
