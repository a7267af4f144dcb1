"""Assignment: the cheapest way to pair two lists, exactly."""

from __future__ import annotations

from collections.abc import Sequence


def assign(cost: Sequence[Sequence[int]]) -> list[int]:
    """For each row of a square table of whole costs, the column it is paired with.

    The sum of the costs is the smallest possible, also for costs beyond 64 bits.

    >>> assign([[4, 1], [2, 9]])
    [1, 0]
    """
    size = len(cost)
    if size <= 1:
        return [0] * size
    from munkres import linear_sum_assignment  # 0.1 s to load, and most records hold no lists

    return [int(column) for column in linear_sum_assignment(cost)[1]]
