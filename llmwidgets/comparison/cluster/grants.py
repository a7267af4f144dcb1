"""What each task of a run on a cluster may use: its part of the calls at once and of the budget."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from llmwidgets.comparison.cluster.sent.failure_words import FailureWords
from llmwidgets.dialects.types import Capability
from llmwidgets.engine.network.pacing import CONCURRENCY_MOST

RESERVED = 1.5
"""How much of its estimate is set aside for a chunk; what it does not use it gives back."""


class Grant(NamedTuple):
    """What one task may use, and what is known of its variant.

    `lease` is the file by which the driver says that the task may go on; if it is not renewed for
    `lease_seconds`, the driver is dead. `concurrency` is the most calls at once, of which `first`
    begin. `budget` is what the user set for the whole run, in US dollars, and `reserve` this task's
    part. Rows from `begun` on are of this run, those from `since` on are paid from the reserve.
    With a `failure` nothing is asked, and what no earlier attempt answered ends in it.
    """

    lease: str
    lease_seconds: float = 15.0
    attempt: int = 0
    concurrency: int | None = None
    first: int | None = None
    budget: float | None = None
    reserve: float | None = None
    begun: float = 0.0
    since: float = 0.0
    capability: Capability | None = None
    unenforced: tuple[str, ...] = ()
    failure: FailureWords | None = None


class CallShare(NamedTuple):
    """The calls at once of one task: how many it begins with, and the most."""

    first: int
    most: int


class SharedConcurrency:
    """The calls at once of each connection, parted among its tasks that are under way.

    With a limit their sum is never above it, whatever workers come and go: a task that would find
    nothing left has to wait. Without one the engine's own start and ceiling are parted.

    >>> shares = SharedConcurrency(10)
    >>> [shares.acquire("a", task, at_once=4, left=9, usual=8).most for task in range(4)]
    [3, 3, 2, 2]
    >>> shares.acquire("a", 4, at_once=8, left=5, usual=8) is None
    True
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._open: defaultdict[object, dict[int, int]] = defaultdict(dict)

    def acquire(
        self, connection: object, task: int, *, at_once: int, left: int, usual: int
    ) -> CallShare | None:
        """A task's part if `at_once` tasks of its connection can run, and `left` are to begin.

        `usual` is how many calls the engine begins with. None if nothing is left for now.
        """
        under_way = self._open[connection]
        if self._limit is None:
            parts = max(1, at_once)
            under_way[task] = max(1, CONCURRENCY_MOST // parts)
            return CallShare(max(1, usual // parts), under_way[task])
        free = self._limit - sum(under_way.values())
        if free < 1:
            return None
        others = max(1, min(at_once, len(under_way) + left) - len(under_way))
        under_way[task] = most = math.ceil(free / others)
        return CallShare(most, most)

    def release(self, connection: object, task: int) -> None:
        """A task has ended."""
        self._open[connection].pop(task, None)


@dataclass(slots=True)
class SharedBudget:
    """A run's budget in US dollars, divided among tasks: spent and reserved never exceed it.

    >>> budget = SharedBudget(1.0)
    >>> budget.reserve(1, 0.7), budget.reserve(2, 0.7)
    (0.7, None)
    >>> budget.release(1, 0.5); budget.reserve(2, 0.7)
    0.5
    """

    limit: float | None = None
    spent: float = 0.0
    _open: dict[int, float] = field(default_factory=dict)

    @property
    def free(self) -> float:
        """What is neither spent nor set aside; endless without a limit."""
        if self.limit is None:
            return math.inf
        return max(0.0, self.limit - self.spent - sum(self._open.values()))

    def reserve(self, task: int, wanted: float, above: float = -1.0) -> float | None:
        """Set aside what a task wants, or all that is left if no other task can return anything.

        None if there is not more than `above`, or others have to return something first.
        """
        reserve = wanted if wanted <= self.free else self.free
        if (reserve < wanted and any(self._open.values())) or reserve <= above:
            return None
        self._open[task] = reserve
        return reserve

    def exhausted(self, above: float) -> bool:
        """Whether no more than so much is left, and no other task can return anything."""
        return not any(self._open.values()) and self.free <= above

    def release(self, task: int, spent: float) -> None:
        """A task has ended, and spent so much of what was set aside for it."""
        self._open.pop(task, None)
        self.spent += spent
