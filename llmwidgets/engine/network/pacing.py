"""How many calls of a connection run at once, how fast they begin, and when one is tried again."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeVar

from llmwidgets.engine.network.retry import (
    AWAY_SECONDS,
    AWAY_TRIES,
    LONGEST_WAIT_SECONDS,
    Attempts,
    Outage,
)
from llmwidgets.errors import CallError, RateLimited

T = TypeVar("T")

CONCURRENCY_MOST = 512
_ROUNDS_UNDER_CEILING = 4
_ROUNDS_AT_REST = 8


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as the engine sees it: seconds now, a wait, a number from 0 to 1 for jitter."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    # Not the generator that a user seeds, and whose numbers are counted on.
    jitter: Callable[[], float] = random.Random().random


class PauseReason(Enum):
    """Why the calls of a connection wait."""

    LIMIT = "limit"
    OUTAGE = "outage"


class Pause(NamedTuple):
    """A wait that is under way, and its whole seconds left."""

    reason: PauseReason
    seconds: int


class Pace:
    """How many calls of one connection run at once: more while throughput grows, fewer on 429.

    After each change it lets the calls of before run out, measures one round, and compares. A
    limit makes every call wait, not only the one that was refused.
    """

    def __init__(
        self, start: int, most: int = CONCURRENCY_MOST, clock: Clock | None = None
    ) -> None:
        self.clock = clock or Clock()
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
    def pause(self) -> Pause | None:
        """What all calls wait for now."""
        now = self.clock.now()
        if self.outage.since is not None:
            return Pause(PauseReason.OUTAGE, max(1, round(self.outage.seconds_left(now))))
        wait = self.paused_until - now
        return Pause(PauseReason.LIMIT, max(1, round(wait))) if wait > 0 else None

    async def retry_until_answered(
        self, once: Callable[[], Awaitable[T]], tried: Attempts | None = None
    ) -> T:
        """Do `once` when its turn comes, again if that can help; others go on during its waits.

        Unsent calls are tried again, and those of a server that answered before for as long as it
        is waited for; one that was perhaps answered, at most once; a wait that the server asks for
        is kept. Raises the last CallError.
        """
        tried = tried or Attempts()
        while True:
            sent = await self._enter()
            try:
                if self.outage.given_up is not None:
                    raise self.outage.given_up.with_traceback(None)
                tried.tries += 1
                try:
                    result = await once()
                except CallError as error:
                    failure = error
                    tried.timed_out += error.timed_out
                    wait = self.failed(error, sent, tried)
                else:
                    self.answered(sent)
                    return result
            finally:
                self.running -= 1
                if self.outage.looker is sent:
                    self.outage.looker = None
                self._wake()
            if wait is None:
                raise failure
            await self.clock.sleep(wait)

    async def _enter(self) -> Sent:
        """Wait for a turn, then for the end of a pause; the call may run from now on."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._wake()
        try:
            await turn
            while True:
                opens_at = self.paused_until
                if self.outage.since is not None:
                    opens_at = max(opens_at, self.outage.next_look)
                now = self.clock.now()
                wait = (opens_at if now < opens_at else self.limiter.opens_at) - now
                if wait <= 0:
                    break
                await self.clock.sleep(wait)
            self.running += 1
            sent = self.limiter.sent(now)
            if self.outage.since is not None:
                self.outage.looker = sent
            return sent
        finally:
            # Whoever is cancelled before a turn has none to give back.
            if turn.done() and not turn.cancelled():
                self._gate_taken = False
                self._wake()

    def _wake(self) -> None:
        """Let the next one to the gate, in the order in which they came; the others wait."""
        full = self.running >= self.limit or self.outage.looker is not None
        while self._waiting and not (self._gate_taken or full):
            turn = self._waiting.popleft()
            if not turn.done():
                self._gate_taken = True
                turn.set_result(None)

    def failed(self, failure: CallError, sent: Sent, tried: Attempts) -> float | None:
        """Seconds until the next try of a call that failed so, or None if there is none."""
        now = self.clock.now()
        tried.perhaps_answered += failure.perhaps_answered
        if tried.failing_since is None:
            tried.failing_since = now
        if self.outage.unsent(failure, sent.at, now):
            return self._wait_for_server(tried, now)
        tried.unsent_since = None
        silent = self.outage.silent_behind(failure, tried.failing_since)
        wait = tried.next_wait(
            failure,
            self.clock.jitter(),
            most=AWAY_TRIES if silent else None,
            # If calls are refused by chance, an early try is as likely to pass as a late one.
            growing=not (isinstance(failure, RateLimited) and self.limiter.chance),
        )
        if isinstance(failure, RateLimited):
            known = self.limiter.rate is not None
            begins = self.limiter.refused(sent, now) and not known
            if self.limiter.blocked:
                self.limited(min(wait or 0.0, LONGEST_WAIT_SECONDS), fewer=begins)
            elif begins:
                self._cut()
            self._uncut()
        return wait

    def _wait_for_server(self, tried: Attempts, now: float) -> float | None:
        if tried.unsent_since is None:
            tried.unsent_since = now
        over = now - tried.unsent_since >= AWAY_SECONDS
        if over or self.outage.given_up is not None:
            return None
        if self.outage.since is not None:
            return 0.0
        return 0.5 * (0.75 + 0.5 * self.clock.jitter())

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
        # If refusals come by chance, calls were not refused for their number at once.
        if self.limiter.by_chance and self._ceiling is not None:
            self.limit, self._limit_before = max(self.limit, self._limit_before), 0
            self._ceiling = None
            self._settle(self.limit)
            self._wake()

    def answered(self, sent: Sent) -> None:
        """A call came through: count it, and at the end of a round compare."""
        self.outage.answered(self.clock.now())
        self.limiter.answered(sent, self.clock.now())
        if self._ceiling is not None:
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


# -- The experiment that finds a server's own rate limit.

_LAST = 100
_FEW, _TOLERATED = 4, 0.06
_BLOCKED_AFTER = 7
_SLIGHTLY, _SLOWED, _SLOWEST = 0.6, 0.75, 0.25
_MUST_PASS = 5
_MOST_CHANCE = 0.5
_SURE, _LONGEST_TRIAL = 3.5, 60
_EXAMINED_AGAIN = 500
_DOWN, _FALLEN = 0.95, 0.7
_FASTEST_UP = 0.05
_REFUSED_SHARE = 0.025
_QUIET = 30
_FASTEST = 10_000.0
_LATE_SECONDS = 0.02


@dataclass(slots=True, eq=False)
class Sent:
    """A call that began at this time: whether it was refused, and whether its fate is known.

    `hurried` says that it would have begun earlier but for the rate.
    """

    at: float
    refused: bool = False
    over: bool = False
    hurried: bool = False


@dataclass(slots=True)
class Limiter:
    """What the refusals of one connection mean, found by an experiment.

    While few of the last calls were refused, nothing is slowed: only the refused calls wait. When
    more are, calls begin more slowly for a while. If fewer are refused then, the server limits the
    rate, and `rate` is kept just under what it takes; if the share of refusals stays, they come
    by chance, and slowing would only cost time. Either is examined again when refusals grow.

    Calls are looked at in the order in which they were sent. A refusal comes sooner than an
    answer, so a call that is out for longer than refusals take counts as let in.
    """

    rate: float | None = None
    chance: float = 0.0
    opens_at: float = -math.inf
    """When the next call may begin."""
    _out: deque[Sent] = field(default_factory=deque)
    _last: deque[Sent] = field(default_factory=lambda: deque(maxlen=_LAST))
    _taken: deque[Sent] = field(default_factory=lambda: deque(maxlen=_LAST))
    _refusal_takes: float = 0.0
    _trial: _Trial | None = None
    _since_examined: int = 0
    _since: float | None = None
    _examined: bool = False
    _let_in: int = 0
    _window_from: float = -math.inf
    _changed_at: float = -math.inf
    _quiet: int = 0
    _seeking: bool = False
    _found: float = 0.0

    @property
    def by_chance(self) -> bool:
        """Whether calls are refused however slowly they come."""
        return self.chance > 0 and self.rate is None

    @property
    def blocked(self) -> bool:
        """Whether the server lets nothing in at all for now."""
        newest = list(self._last)[-_BLOCKED_AFTER:]
        return len(newest) == _BLOCKED_AFTER and all(call.refused for call in newest)

    def sent(self, now: float) -> Sent:
        """A call begins."""
        self._look(now)
        call = Sent(now)
        if self._since is None:
            self._since = now
        self._let_in += 1
        self._out.append(call)
        if self.rate is not None:
            # Timers are late by some milliseconds: what was missed is made up for.
            late = max(_LATE_SECONDS, 1 / self.rate)
            call.hurried = self.opens_at > now - late
            self.opens_at = max(self.opens_at, now - late) + 1 / self.rate
        return call

    def answered(self, call: Sent, now: float) -> None:
        """The server let the call in."""
        call.over = True
        self._look(now)
        if self.rate is None or self._trial or call.at < self._changed_at or not call.hurried:
            return
        # Slowly at first, so that few calls find the limit; ever faster while none does.
        self._quiet += 1
        if self._seeking:
            self.rate = min(_FASTEST, self.rate * (1 + _FASTEST_UP))
            return
        share = self.chance + _REFUSED_SHARE
        step = (1 - _DOWN) * share / (1 - share) * max(1.0, self._quiet / _QUIET)
        self.rate = min(_FASTEST, self.rate * (1 + min(_FASTEST_UP, step)))

    def refused(self, call: Sent, now: float) -> bool:
        """The server refused the call; whether an experiment begins."""
        late = call.over
        call.refused = call.over = True
        self._refusal_takes = max(now - call.at, 0.9 * self._refusal_takes)
        if self._since is not None and call.at >= self._since:
            self._let_in -= 1
        self._look(now)
        if self._trial is not None:
            if late and call.at >= self._window_from:
                self._weigh(self._trial, call, now)
            return False
        # What was sent before the last change says nothing about it.
        if self.rate is not None and call.at >= self._changed_at and self._unexpected():
            self._quiet, self._changed_at, self._seeking = 0, now, False
            self.rate *= _DOWN
        if not self._too_many():
            return False
        self._begin(now)
        return True

    def _look(self, now: float) -> None:
        """Take the calls whose fate is known by now, oldest first."""
        while self._out and (self._out[0].over or now - self._out[0].at >= self._refusal_takes):
            call = self._out.popleft()
            call.over = True
            if call.at < self._window_from:
                if self._trial is not None:
                    self._trial.calls.append(call)
                    self._slow(self._trial)
                continue
            self._last.append(call)
            if not call.refused:
                self._taken.append(call)
            self._since_examined += 1
            if len(self._last) == _LAST and self.chance:
                self.chance += min(0.0, _share(self._last) - self.chance) / _LAST
            if self._trial is not None:
                self._weigh(self._trial, call, now)

    def _too_many(self) -> bool:
        if self.by_chance and self._since_examined > _EXAMINED_AGAIN:
            return True
        if self.rate is not None and self.rate < _FALLEN * self._found:
            return True
        expected = len(self._last) * self.chance
        spread = 2 * math.sqrt(expected * (1 - self.chance))
        tolerated = max(_FEW, _TOLERATED * len(self._last))
        return sum(call.refused for call in self._last) > tolerated + expected + spread

    def _unexpected(self) -> bool:
        """Whether more of the last calls were refused than are by chance."""
        refused, expected = sum(call.refused for call in self._last), self.chance * len(self._last)
        return refused > expected + math.sqrt(expected)

    def _begin(self, now: float) -> None:
        """Begin the experiment, at a rate that a limiter with these refusals would take."""
        calls = list(self._last)
        calls = calls[next((at for at, call in enumerate(calls) if call.refused), 0) :]
        # Between two moments at which a limiter is empty it lets in what it is refilled with;
        # before the first one also what it had in store, which is not known.
        average = _per_second(max(1, self._let_in), now - (self._since or 0.0))
        refilled = average if self._examined else math.inf
        taken = [call for call in self._taken if not call.refused]
        lately = _per_second(len(taken), now - taken[0].at) if taken else 1.0
        # Calls come in waves, and a wave alone is faster than the server is for long.
        speed = min(lately, average)
        least = speed * (_SLIGHTLY if self.chance else _SLOWEST)
        if self._trial is not None and self.rate is not None:
            least = self.rate / 2
        self._trial = _Trial(calls, refilled, speed, least)
        self._slow(self._trial)
        self._since_examined = 0
        self._examined, self._since, self._let_in = True, now, 0
        self._window_from = self._changed_at = self.opens_at = now
        self._last.clear()

    def _slow(self, trial: _Trial) -> None:
        wanted = trial.refilled * _DOWN
        if trial.refilled == math.inf:
            wanted = trial.speed * min(_SLOWED, 1 - trial.share)
        self.rate = max(wanted, trial.least)

    def _weigh(self, trial: _Trial, call: Sent, now: float) -> None:
        by_chance = trial.seen(refused=call.refused)
        if by_chance is None:
            return
        assert self.rate is not None
        if by_chance and trial.seen_calls - trial.refused < _MUST_PASS:
            # Nothing passes for now, however slowly: a window of the limiter is used up.
            return
        if by_chance and (trial.refilled == math.inf or trial.share > _MOST_CHANCE):
            self._begin(now)
            return
        self._trial, self._quiet = None, 0
        if by_chance:
            self.chance, self.rate = trial.share, None
            self.opens_at = -math.inf
        else:
            self._seeking = trial.refilled == math.inf
            after = min(trial.refilled, trial.speed * (1 - trial.share)) * _DOWN
            self.rate = self._found = max(self.rate, after)
            self.chance = min(self.chance, trial.refused / trial.seen_calls)


@dataclass(slots=True)
class _Trial:
    """Whether the share of refusals stays although fewer calls begin, or falls to a quarter.

    `calls` are those from the first refusal before the experiment on. A second, the server took
    `speed` calls lately and `refilled` calls since the last experiment.
    """

    calls: list[Sent]
    refilled: float
    speed: float
    least: float
    evidence: float = 0.0
    seen_calls: int = 0
    refused: int = 0

    @property
    def share(self) -> float:
        """The share of refusals before; those that came since then are in it."""
        return min(0.9, max(_TOLERATED, _share(self.calls[1:])))

    def seen(self, *, refused: bool) -> bool | None:
        """True once it stays, False once it falls, None while it is not clear."""
        self.seen_calls += 1
        self.refused += refused
        share = self.share
        fallen = share / 4
        self.evidence += math.log(share / fallen if refused else (1 - share) / (1 - fallen))
        if abs(self.evidence) < _SURE and self.seen_calls < _LONGEST_TRIAL:
            return None
        return self.evidence > 0


def _share(calls: Collection[Sent]) -> float:
    return sum(call.refused for call in calls) / max(1, len(calls))


def _per_second(count: int, seconds: float) -> float:
    return count / max(seconds, 0.001)
