"""What tasks may use, and what is added up of them: rules that hold whatever comes and goes."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.comparison.cluster.chunk_progress import (
    ChunkProgress,
    ChunkSummary,
    ColumnProgress,
)
from llmwidgets.comparison.cluster.grants import SharedBudget, SharedConcurrency
from llmwidgets.comparison.cluster.lease import LeaseKeeper, LeaseReader
from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.runs import texts_a_chunk
from llmwidgets.comparison.cluster.worker import WorkerPace
from llmwidgets.engine.network.pacing import CONCURRENCY_MOST, Clock
from llmwidgets.engine.network.retry import Attempts
from llmwidgets.engine.run import VariantState
from tests.engine.test_pacing import Hours, Limited, bucket

# -- Calls at once.

STEPS = st.lists(st.tuples(st.sampled_from(["begin", "end"]), st.integers(1, 40)), max_size=40)


@given(limit=st.integers(1, 50), steps=STEPS)
def test_the_sum_of_what_is_given_is_never_above_the_limit(limit, steps) -> None:
    shares, open_, tasks = SharedConcurrency(limit), dict[int, int](), iter(range(1000))
    for step, slots in steps:
        if step == "end" and open_:
            task = next(iter(open_))
            shares.release("a", task)
            del open_[task]
        elif step == "begin":
            task = next(tasks)
            share = shares.acquire("a", task, at_once=slots, left=9, usual=8)
            assert share is not None or open_, "where nothing is open, something can begin"
            if share is not None:
                open_[task] = share.most
                assert 1 <= share.first <= share.most
        assert sum(open_.values()) <= limit


@given(limit=st.integers(1, 50), slots=st.integers(1, 12), left=st.integers(1, 12))
def test_as_many_tasks_as_can_run_use_the_whole_limit(limit, slots, left) -> None:
    shares = SharedConcurrency(limit)
    given_ = [
        shares.acquire("a", task, at_once=slots, left=left - task, usual=8)
        for task in range(min(slots, left))
    ]

    assert sum(each.most for each in given_ if each) == limit
    assert shares.acquire("b", 99, at_once=slots, left=1, usual=8), "another connection has its own"


@given(slots=st.integers(1, 2000), usual=st.integers(1, 8))
def test_without_a_limit_start_and_ceiling_of_the_engine_are_parted(slots, usual) -> None:
    share = SharedConcurrency(None).acquire("a", 0, at_once=slots, left=1, usual=usual)

    assert share is not None
    assert share.most == max(1, CONCURRENCY_MOST // slots)
    assert share.first == max(1, usual // slots)


# -- Money.


@given(
    limit=st.floats(0.0, 100.0),
    steps=st.lists(st.tuples(st.floats(0.0, 50.0), st.floats(0.0, 1.0)), max_size=30),
)
def test_what_is_spent_and_set_aside_is_never_above_the_budget(limit, steps) -> None:
    budget, open_ = SharedBudget(limit), dict[int, float]()
    for task, (wanted, used) in enumerate(steps):
        reserve = budget.reserve(task, wanted)
        if reserve is not None:
            open_[task] = reserve
        assert reserve is not None or any(open_.values()), "the last money is not held back"
        if len(open_) > 2 or reserve is None:
            done, had = open_.popitem()
            budget.release(done, had * used)
        assert budget.spent + sum(open_.values()) <= limit + 1e-9


def test_a_task_that_ran_out_gets_more_or_nothing() -> None:
    budget = SharedBudget(1.0)
    budget.reserve(1, 0.4)
    budget.release(1, 0.3)

    assert budget.reserve(2, 0.5, above=0.1) == 0.5
    budget.release(2, 0.65)
    assert not budget.exhausted(0.04)
    assert budget.exhausted(0.05 + 1e-9)
    assert budget.reserve(3, 0.5, above=0.06) is None


# -- Chunks.


@given(st.integers(1, 10**6), st.integers(1, 20), st.integers(0, 1000))
def test_chunks_are_small_enough_for_every_slot_and_no_longer_than_two_minutes(
    many, repeats, slots
) -> None:
    size = texts_a_chunk(many, repeats, slots)

    assert 1 <= size <= max(1, 500 // repeats)
    assert size <= -(-many // max(1, slots))


# -- Progress.


def news(chunk: int, done: int, *, attempt: int = 1, **more) -> ChunkProgress:
    more = {"state": VariantState.ASKING, "cost": 0.0} | more
    return ChunkProgress(0, chunk, attempt, done, **more)


def test_news_of_an_ended_chunk_or_another_attempt_are_left() -> None:
    column = ColumnProgress("a", 20, 2)
    column.begin(0, 0, 1)
    column.begin(0, 1, 2)
    column.hear(news(0, 4))
    column.hear(news(1, 9, attempt=1))
    column.end(ChunkSummary(news(0, 10)))
    column.hear(news(0, 7))

    assert column.progress().done == 10
    column.hear(news(1, 3, attempt=2))
    assert column.progress().done == 13


def test_a_chunk_that_is_asked_again_keeps_what_it_paid_and_goes_not_back() -> None:
    column = ColumnProgress("a", 10, 1)
    column.begin(0, 0, 1)
    column.hear(news(0, 6, cost=0.6))
    assert column.progress().done == 6
    column.put_back(0, ChunkSummary(news(0, 10, cost=0.6)))
    column.begin(0, 0, 2)

    assert column.progress().done == 6
    assert column.progress().cost == pytest.approx(0.6)
    column.end(ChunkSummary(news(0, 10, attempt=2, cost=1.0)))
    assert column.progress().done == 10
    assert column.progress().cost == pytest.approx(1.0)
    assert column.progress().state is VariantState.DONE


def test_the_longest_wait_is_shown_where_all_chunks_wait() -> None:
    column = ColumnProgress("a", 40, 3)
    for chunk in range(3):
        column.begin(0, chunk, 1)
    limited = VariantState.LIMITED
    column.hear(news(0, 1, state=limited, seconds_left=4, at_once=2))
    column.hear(news(1, 1, state=limited, seconds_left=9, at_once=3))

    shown = column.progress()
    assert (shown.state, shown.seconds_left, shown.at_once) == (limited, 9, 5)
    column.hear(news(2, 1, median_seconds=1.0))
    assert column.progress().state is VariantState.ASKING
    assert column.progress().seconds_left == 0


def test_an_unknown_cost_stays_unknown() -> None:
    column = ColumnProgress("a", 4, 2)
    column.begin(0, 0, 1)
    column.hear(news(0, 1, cost=None))

    assert column.progress().cost is None


def test_the_median_is_that_of_all_answers() -> None:
    column = ColumnProgress("a", 100, 3)
    for chunk, (seconds, done) in enumerate([(9.0, 10), (1.0, 50), (2.0, 40)]):
        column.begin(0, chunk, 1)
        column.end(ChunkSummary(news(chunk, done, median_seconds=seconds)))

    assert column.progress().median_seconds == 1.0


# -- The lease.


def test_a_lease_ends_by_a_word_or_because_nobody_renews_it(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path))
    keeper = LeaseKeeper(folder)
    reader = LeaseReader(folder, keeper.name, 30.0)
    assert not reader.over()
    keeper.stop()

    assert reader.over()
    assert "llmwidgets-lease" not in {each.name for each in threading.enumerate()}


def test_a_driver_that_died_between_two_chunks_is_seen_at_once(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path))
    folder.write("lease/a", b"1")
    reader = LeaseReader(folder, "lease/a", 0.05)
    assert not reader.over()
    time.sleep(0.06)

    assert reader.over()
    folder.write("lease/a", b"2")
    assert not reader.over(), "it was only slow"


def test_a_folder_that_is_never_seen_is_no_lease(tmp_path: Path) -> None:
    reader = LeaseReader(RunFolder(str(tmp_path / "elsewhere")), "lease/a", 0.02)
    time.sleep(0.03)

    assert reader.over()


# -- The pace of a worker beside others.


def test_workers_begin_one_after_the_other_when_a_pause_is_over() -> None:
    ends = []
    for jitter in (0.0, 0.5, 1.0):
        pace = WorkerPace(4, 8, Clock(now=lambda: 100.0, jitter=lambda at=jitter: at))
        pace.limited(20.0)
        ends.append(pace.paused_until)

    assert ends == [120.0, 122.5, 125.0]


@pytest.mark.parametrize("seed", range(5))
def test_two_workers_find_the_rate_that_a_server_takes_of_both(seed: int) -> None:
    """By a clock on which no machine is busy: few calls are refused once the rate is known."""
    hours, refused = Hours(), list[bool]()
    let_in = bucket(250.0, 10.0)

    def takes(now: float) -> bool:
        refused.append(not let_in(now))
        return not refused[-1]

    server = Limited(takes, 0.02, 0.001, None)

    def worker(number: int) -> list[Any]:
        clock = Clock(lambda: hours.at, hours.sleep, random.Random(f"{seed} {number}").random)
        pace, left = WorkerPace(16, 32, clock), iter(range(800))

        async def work() -> None:
            for _ in left:
                await pace.retry_until_answered(lambda: server(hours, pace.running), Attempts())

        return [work() for _ in range(32)]

    async def everything() -> None:
        await asyncio.gather(*worker(0), *worker(1))

    asyncio.run(hours.run(everything()))
    later = refused[len(refused) // 2 :]
    assert any(refused), "the limit was met"
    assert sum(later) / len(later) <= 0.05


def test_a_pace_at_its_most_follows_it_and_a_cut_one_stays_cut() -> None:
    pace = WorkerPace(4, 4)
    pace.change_most(10)
    assert (pace.limit, pace.most) == (10, 10)
    pace.limit = 3
    pace.change_most(20)
    assert pace.limit == 3
    pace.change_most(2)
    assert pace.limit == 2
