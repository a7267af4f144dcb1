"""Pacing: more at once while it helps, fewer when refused, tried again only where it may help."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.engine.network import retry
from llmwidgets.engine.network.pacing import Clock, Pace, PauseReason
from llmwidgets.engine.network.retry import Attempts
from llmwidgets.errors import (
    BadRequest,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Unauthorized,
    Unreachable,
)


class Hours:
    """A clock that jumps to the next alarm whenever nobody has anything to do."""

    def __init__(self) -> None:
        self.at, self._alarms, self._count = 0.0, [], 0
        self.waits: list[float] = []

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.at, self.sleep, lambda: 0.5)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        alarm = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._alarms, (self.at + seconds, self._count, alarm))
        await alarm

    async def run(self, work):
        task = asyncio.ensure_future(work)
        while not task.done():
            for _ in range(20):
                await asyncio.sleep(0)
            if self._alarms and not task.done():
                self.at, _, alarm = heapq.heappop(self._alarms)
                if not alarm.done():
                    alarm.set_result(None)
        return await task


def failing_then(*failures):
    """An `once` that fails so, call by call, and then gives "reply"."""
    left = list(failures)

    async def once() -> str:
        if left:
            raise left.pop(0)
        return "reply"

    return once


def persisted(*failures):
    hours, tried = Hours(), Attempts()
    pace = Pace(8, clock=hours.clock)
    return (
        asyncio.run(hours.run(pace.retry_until_answered(failing_then(*failures), tried))),
        tried,
        hours,
    )


def test_an_unsent_call_is_tried_again():
    reply, tried, _ = persisted(Unreachable("no", code="refused"), Unreachable("no", code="dns"))
    assert (reply, tried.tries, tried.perhaps_answered) == ("reply", 3, 0)


def test_a_call_that_was_perhaps_answered_is_tried_again_once_and_counted():
    lost = Unreachable("no", code="hung_up", perhaps_answered=True)
    reply, tried, _ = persisted(lost)
    assert (reply, tried.tries, tried.perhaps_answered) == ("reply", 2, 1)
    with pytest.raises(Unreachable):
        persisted(lost, lost)


def test_a_perhaps_answered_call_is_counted_among_other_failures():
    gone = Overloaded("504", perhaps_answered=True)
    with pytest.raises(Overloaded) as caught:
        persisted(gone, RateLimited("wait", retry_after=1), gone)
    assert caught.value is gone


@pytest.mark.parametrize(
    "failure",
    [
        QuotaExhausted("no credit"),
        Unauthorized("key"),
        BadRequest("body"),
        Unreachable("certificate", code="tls"),
        Unreachable("a web page", status=404),
        RateLimited("no", code="x-should-retry: false"),
        RateLimited("tomorrow", retry_after=86_400),
    ],
)
def test_what_another_try_cannot_mend_is_tried_once(failure):
    with pytest.raises(type(failure)) as caught:
        persisted(failure)
    assert caught.value is failure


def test_the_wait_a_server_asks_for_is_kept():
    _, _, hours = persisted(RateLimited("wait", retry_after=37.0))
    assert 37.0 < hours.at < 38.0


def test_without_a_hint_waits_grow():
    _, _, hours = persisted(*[Overloaded("busy")] * 4)
    assert hours.waits == [0.5, 1.0, 2.0, 4.0]


def test_a_limit_that_stays_ends_as_rate_limited_after_eight_tries():
    with pytest.raises(RateLimited):
        persisted(*[RateLimited("wait", retry_after=1)] * 8)
    assert persisted(*[RateLimited("wait", retry_after=1)] * 7)[1].tries == 8


@pytest.mark.parametrize("asked", [0, -1.0, 0.001, float("nan"), None])
@pytest.mark.parametrize("kind", [RateLimited, Overloaded])
def test_a_wait_too_short_to_help_does_not_use_up_the_tries(kind, asked):
    _, _, hours = persisted(*[kind("busy", retry_after=asked)] * 4)
    assert hours.waits == [0.5, 1.0, 2.0, 4.0]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=7))
def test_neither_the_wait_asked_for_nor_the_back_off_is_cut(asked):
    _, _, hours = persisted(*[RateLimited("wait", retry_after=each) for each in asked])
    least = [max(each, min(8.0, 0.5 * 2**times)) for times, each in enumerate(asked)]
    assert hours.at >= sum(least)


_WAYS = {
    "limited": (RateLimited("wait", retry_after=1), retry.RATE_LIMIT_TRIES),
    "overloaded": (Overloaded("busy"), retry.OVERLOADED_TRIES),
    "unsent": (Unreachable("no", code="refused"), retry.UNSENT_TRIES),
    "perhaps": (
        Unreachable("no", code="hung_up", perhaps_answered=True),
        retry.PERHAPS_ANSWERED_TRIES,
    ),
}


@given(st.lists(st.sampled_from([*_WAYS, "limited", "limited", "overloaded"]), max_size=14))
def test_each_way_of_failing_has_its_own_tries_in_whatever_order(ways):
    lost = any(ways.count(way) >= tries for way, (_, tries) in _WAYS.items())
    failures = [_WAYS[way][0] for way in ways]
    if lost:
        with pytest.raises((RateLimited, Overloaded, Unreachable)):
            persisted(*failures)
    else:
        assert persisted(*failures)[1].tries == len(ways) + 1


def test_the_slot_is_free_while_a_call_waits():
    """With one call at a time, a second one runs during the first one's wait."""
    hours = Hours()
    pace, order = Pace(1, 1, hours.clock), []

    async def busy() -> str:
        order.append("busy")
        if order.count("busy") == 1:
            raise Overloaded("busy", retry_after=5)
        return "late"

    async def quick() -> str:
        order.append("quick")
        return "soon"

    async def both():
        return await asyncio.gather(
            pace.retry_until_answered(busy, Attempts()),
            pace.retry_until_answered(quick, Attempts()),
        )

    assert asyncio.run(hours.run(both())) == ["late", "soon"]
    assert order == ["busy", "quick", "busy"]


def test_a_pause_holds_every_call_and_is_told():
    hours = Hours()
    pace = Pace(8, clock=hours.clock)
    pace.limited(12.0)
    assert pace.pause == (PauseReason.LIMIT, 12)

    async def one() -> float:
        return hours.at

    assert asyncio.run(hours.run(pace.retry_until_answered(one, Attempts()))) == 12.0
    assert (pace.pause, pace.limit) == (None, 4)


def simulate(answer, texts: int, start: int, most: int = 512):
    """Ask `texts` in a simulated hour; `answer(hours, running)` is the server."""
    hours = Hours()
    pace = Pace(start, most, hours.clock)
    peak = 0

    async def once() -> str:
        nonlocal peak
        peak = max(peak, pace.running)
        return await answer(hours, pace.running)

    async def everything():
        await asyncio.gather(*[pace.retry_until_answered(once, Attempts()) for _ in range(texts)])

    asyncio.run(hours.run(everything()))
    return pace, hours, peak


def test_the_number_at_once_grows_while_the_server_keeps_up():
    async def answer(hours, running):
        await hours.sleep(1.0)
        return "reply"

    _, hours, peak = simulate(answer, 1500, 8)
    assert peak >= 128
    assert hours.at < 40


def test_a_server_that_works_one_after_the_other_is_not_crowded():
    """Its throughput stays the same, so the number at once stays where it is."""
    free_at = 0.0

    async def answer(hours, running):
        nonlocal free_at
        free_at = max(free_at, hours.at) + 1.0
        await hours.sleep(free_at - hours.at)
        return "reply"

    pace, _, peak = simulate(answer, 100, 1)
    assert peak <= 2
    assert pace.limit == 1


def test_fewer_at_once_after_a_refusal():
    """A server that takes 10 at once refuses few calls after the first refusal."""
    refused = inside = 0

    async def answer(hours, running):
        nonlocal refused, inside
        if inside == 10:
            refused += 1
            await hours.sleep(0.05)
            raise RateLimited("too many", retry_after=1.0)
        inside += 1
        await hours.sleep(1.0)
        inside -= 1
        return "reply"

    pace, hours, _ = simulate(answer, 400, 8)
    assert pace.limit <= 11
    assert refused <= 20
    assert hours.at < 400 / 10 * 1.6


def test_a_limit_of_calls_a_second_is_found_with_few_refusals():
    """200 calls a second, in bursts of 20: under 5 % refused, within three times the ideal."""
    chance, tokens, last, refused = random.Random(4), 20.0, 0.0, 0

    async def answer(hours, running):
        nonlocal tokens, last, refused
        tokens, last = min(20.0, tokens + (hours.at - last) * 200), hours.at
        if tokens < 1:
            refused += 1
            raise RateLimited("too many", retry_after=0.5)
        tokens -= 1
        await hours.sleep(0.5 * (0.7 + 0.6 * chance.random()))
        return "reply"

    _, hours, _ = simulate(answer, 2000, 8)
    assert refused < 100
    assert hours.at < 30


def simulate_workers(answer, texts: int, at_once: int):
    """As a run does it: a worker keeps its text while that waits."""
    hours = Hours()
    # Without jitter the calls of one wave of refusals would come back as one wave.
    clock = Clock(lambda: hours.at, hours.sleep, random.Random(3).random)
    pace, left = Pace(at_once, at_once, clock), iter(range(texts))

    async def work() -> None:
        for _ in left:
            await pace.retry_until_answered(lambda: answer(hours, pace.running), Attempts())

    async def everything() -> None:
        await asyncio.gather(*[work() for _ in range(at_once)])

    asyncio.run(hours.run(everything()))
    return pace, hours


class Limited:
    """A server in a simulated hour; `takes` says whether it lets a call in now."""

    def __init__(self, takes, seconds: float, refuses_after: float, asks: float | None) -> None:
        self.takes, self.seconds, self.refuses_after, self.asks = (
            takes, seconds, refuses_after, asks,
        )  # fmt: skip
        self.refused = self.asked = 0

    async def __call__(self, hours, running):
        self.asked += 1
        if not self.takes(hours.at):
            self.refused += 1
            await hours.sleep(self.refuses_after)
            raise RateLimited("too many", retry_after=self.asks)
        await hours.sleep(self.seconds)
        return "reply"


def bucket(rate: float, burst: float):
    tokens, last = burst, 0.0

    def takes(now: float) -> bool:
        nonlocal tokens, last
        tokens, last = min(burst, tokens + (now - last) * rate), now
        if tokens < 1:
            return False
        tokens -= 1
        return True

    return takes


def windows(most: int, seconds: float):
    window, inside = -1, 0

    def takes(now: float) -> bool:
        nonlocal window, inside
        inside = inside + 1 if int(now // seconds) == window else 1
        window = int(now // seconds)
        return inside <= most

    return takes


def by_chance(share: float, seed: int):
    chance = random.Random(seed)
    return lambda now: chance.random() >= share


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("share", "seconds", "refuses_after", "most"),
    [(0.02, 0.2, 0.0, 8), (0.02, 0.2, 0.2, 8), (0.2, 0.05, 0.0, 20), (0.2, 0.05, 0.05, 20)],
)
def test_where_refusals_are_chance_only_the_refused_calls_wait(
    share, seconds, refuses_after, most, seed
):
    server = Limited(by_chance(share, seed), seconds, refuses_after, 1.0)
    _, hours = simulate_workers(server, 2000, 100)
    assert hours.at < most


@pytest.mark.parametrize("asks", [1.0, None])
@pytest.mark.parametrize(
    ("seconds", "refuses_after"),
    [(0.02, 0.002), (0.02, 0.02), (0.05, 0.002), (0.05, 0.05), (0.2, 0.002)],
)
def test_a_limiter_is_kept_busy_and_refuses_few(seconds, refuses_after, asks):
    """3,000 calls, 200 a second, 200 in store: 14 s at best."""
    server = Limited(bucket(200, 200), seconds, refuses_after, asks)
    _, hours = simulate_workers(server, 3000, 100)
    assert hours.at < 14 / 0.9
    assert server.refused / server.asked < 0.08


@pytest.mark.parametrize("asks", [1.0, None])
def test_a_limiter_of_windows_is_neither_hammered_nor_left_idle(asks):
    server = Limited(windows(100, 2.0), 0.05, 0.005, asks)
    _, hours = simulate_workers(server, 1500, 100)
    assert hours.at < 28 * 1.6
    assert server.refused / server.asked < 0.2


def test_a_limiter_is_found_after_refusals_by_chance():
    """A server that refuses by chance at first and then limits is slowed down for."""
    early, late = by_chance(0.2, 5), bucket(50, 10)
    server = Limited(lambda now: early(now) if now < 5 else late(now), 0.05, 0.01, 1.0)
    _, hours = simulate_workers(server, 2500, 100)
    assert server.refused / server.asked < 0.35
    assert hours.at < 60


def test_a_number_given_is_never_passed():
    async def answer(hours, running):
        await hours.sleep(1.0)
        return "reply"

    _, hours, peak = simulate(answer, 60, 3, most=3)
    assert peak == 3
    assert hours.at == 20.0


def test_a_cancelled_call_leaves_its_turn_to_the_next():
    async def scene() -> str:
        pace = Pace(1, 1)
        entered = asyncio.Event()

        async def hold() -> str:
            entered.set()
            await asyncio.sleep(30)
            return "held"

        async def quick() -> str:
            return "through"

        def start(once: Callable[[], Awaitable[str]]) -> asyncio.Future[str]:
            return asyncio.ensure_future(pace.retry_until_answered(once, Attempts()))

        holder = start(hold)
        await entered.wait()
        waiting, last = start(quick), start(quick)
        await asyncio.sleep(0)
        waiting.cancel()
        holder.cancel()
        return await asyncio.wait_for(last, 5)

    assert asyncio.run(scene()) == "through"
