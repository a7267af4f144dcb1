"""The median of figures that keep coming, in time and memory that do not grow with them."""

from __future__ import annotations

from collections import Counter


class RunningMedian:
    """The median to three digits; None without any figure.

    >>> times = RunningMedian()
    >>> for each in (0.5, 12.3456, 1.0): times.add(each)
    >>> times.median
    1.0
    """

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = Counter[float]()

    def add(self, figure: float) -> None:
        # A sorted list would move half of itself for each of a million figures.
        self._counts[float(f"{figure:.3g}")] += 1

    @property
    def median(self) -> float | None:
        """The figure in the middle; the greater one of two."""
        left = self._counts.total() // 2
        for figure in sorted(self._counts):
            left -= self._counts[figure]
            if left < 0:
                return figure
        return None
