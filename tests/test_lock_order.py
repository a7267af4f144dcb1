"""The watch over locks sees both orders, whether or not threads met."""

from __future__ import annotations

import threading

import pytest

from tests.lock_order import LockOrder, WatchedLock


@pytest.fixture
def order() -> LockOrder:
    return LockOrder()


def lock(order: LockOrder, name: str) -> WatchedLock:
    return WatchedLock(threading.RLock(), name, order)


def test_two_orders_are_an_inversion_and_one_is_none(order: LockOrder) -> None:
    first, second, third = (lock(order, each) for each in "abc")
    with first, second, third:
        pass
    with second, third:
        pass
    assert order.inversions == []
    with third, first:
        pass
    (told,) = order.inversions
    assert told.startswith("c, then a:")
    assert "a, then c:" in told


def test_an_order_by_way_of_a_third_is_one_too(order: LockOrder) -> None:
    first, second, third = (lock(order, each) for each in "abc")
    for pair in ((first, second), (second, third), (third, first)):
        with pair[0], pair[1]:
            pass
    (told,) = order.inversions
    assert all(step in told for step in ("c, then a:", "a, then b:", "b, then c:"))


def test_a_lock_that_is_held_or_only_tried_waits_for_nobody(order: LockOrder) -> None:
    first, second = lock(order, "a"), lock(order, "b")
    with first, second, first:
        pass
    with second:
        assert first.acquire(blocking=False)
        first.release()
    assert order.inversions == []


def test_another_thread_may_give_it_back(order: LockOrder) -> None:
    handed, other = WatchedLock(threading.Lock(), "a", order), lock(order, "b")
    handed.acquire()
    ending = threading.Thread(target=handed.release)
    ending.start()
    ending.join()
    assert order.held == []
    with other:
        assert handed.acquire()
    assert order.inversions == []
