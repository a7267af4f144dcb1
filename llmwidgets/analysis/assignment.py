"""Assignment: the cheapest way to pair two lists, exactly."""

from __future__ import annotations

from collections.abc import Sequence


def assign(cost: Sequence[Sequence[int]]) -> dict[int, int]:
    """For each row of a table of whole costs, the column it is paired with.

    The sum of the costs is the smallest possible, also for costs beyond 64 bits. Where rows and
    columns differ in number, the rest of the longer side is paired with nothing.

    >>> assign([[4, 1, 7], [2, 9, 8]])
    {0: 1, 1: 0}
    """
    if len(cost) == 1:
        return {0: min(range(len(cost[0])), key=cost[0].__getitem__)}
    from munkres import linear_sum_assignment  # 0.04 s to load, and most records hold no lists

    rows, columns = linear_sum_assignment(cost)
    return {int(row): int(column) for row, column in zip(rows, columns, strict=True)}
