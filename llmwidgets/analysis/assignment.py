"""Assignment: the cheapest way to pair two lists, exactly (the Hungarian method)."""

from __future__ import annotations

from collections.abc import Sequence


def assign(cost: Sequence[Sequence[int]]) -> list[int]:
    """For each row of a square table of whole costs, the column it is paired with.

    The sum of the costs is the smallest possible. Takes O(n³) steps, n² of them in Python.

    >>> assign([[4, 1], [2, 9]])
    [1, 0]
    """
    size = len(cost)
    if size <= 1:
        return [0] * size
    import numpy as np

    table = np.array(cost, dtype=np.int64)
    far = np.int64(np.iinfo(np.int64).max // 4)
    rows, columns = np.zeros(size + 1, np.int64), np.zeros(size + 1, np.int64)
    taken, way = np.zeros(size + 1, np.int64), np.zeros(size + 1, np.int64)
    for row in range(1, size + 1):
        taken[0] = row
        column = 0
        least = np.full(size + 1, far)
        used = np.zeros(size + 1, bool)
        while taken[column] != 0:
            used[column] = True
            here = taken[column]
            reduced = table[here - 1] - rows[here] - columns[1:]
            better = ~used[1:] & (reduced < least[1:])
            least[1:][better] = reduced[better]
            way[1:][better] = column
            following = int(np.argmin(np.where(used, far, least)[1:])) + 1
            step = least[following]
            rows[taken[used]] += step
            columns[used] -= step
            least[~used] -= step
            column = following
        while column:
            taken[column] = taken[way[column]]
            column = int(way[column])
    return [int(each) for each in np.argsort(taken[1:])]
