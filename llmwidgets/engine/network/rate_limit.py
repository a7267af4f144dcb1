"""Limiter: whether refusals come from our own rate, and the rate that stays just under them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

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


class Limiter:
    """What the refusals of one connection tell, by an experiment.

    While few of the last calls were refused, nothing is slowed: only the refused calls wait. When
    more are, calls begin more slowly for a while. If fewer are refused then, the server limits the
    rate, and `rate` is kept just under what it takes; if the share of refusals stays, they come
    by chance, and slowing would only cost time. Either is examined again when refusals grow.

    Calls are looked at in the order in which they were sent. A refusal comes sooner than an
    answer, so a call that is out for longer than refusals take counts as let in.
    """

    def __init__(self) -> None:
        self.rate: float | None = None
        self.chance = 0.0
        self._out: deque[Sent] = deque()
        self._last: deque[Sent] = deque(maxlen=_LAST)
        self._taken: deque[Sent] = deque(maxlen=_LAST)
        self._refusal_takes = 0.0
        self._trial: _Trial | None = None
        self._since_examined = 0
        self._since: float | None = None
        self._examined = False
        self._let_in = 0
        self._window_from = self._changed_at = -math.inf
        self._opens_at = -math.inf
        self._quiet = 0
        self._seeking = False
        self._found = 0.0

    @property
    def by_chance(self) -> bool:
        """Whether calls are refused however slowly they come."""
        return self.chance > 0 and self.rate is None

    @property
    def blocked(self) -> bool:
        """Whether the server lets nothing in at all for now."""
        newest = list(self._last)[-_BLOCKED_AFTER:]
        return len(newest) == _BLOCKED_AFTER and all(call.refused for call in newest)

    def opens_at(self, now: float) -> float:
        """When the next call may begin."""
        if self.rate is None or self._opens_at <= now:
            return now
        return self._opens_at

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
            call.hurried = self._opens_at > now - late
            self._opens_at = max(self._opens_at, now - late) + 1 / self.rate
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
        # What was sent before the last change tells nothing about it.
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
        self._window_from = self._changed_at = self._opens_at = now
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
        """True once it stays, False once it falls, None while it cannot be told."""
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
