"""Progress: how far each column of a run is, in numbers and words."""

from __future__ import annotations

from array import array
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from llmwidgets.engine.journal.row import Row


class Place(NamedTuple):
    """One extraction of a run: column, text and repeat, each counted from 0."""

    column: int
    text: int
    repeat: int


@dataclass(frozen=True, slots=True)
class ColumnProgress:
    """One column at one moment. Costs in US dollars, None where a price is unknown.

    `failures` counts by class; `reused` of `done` were paid before; `state` is said in words.
    """

    label: str
    total: int
    done: int
    failures: dict[str, int]
    reused: int
    median_seconds: float | None
    cost: float | None
    paid_before: float
    state: str
    finished: bool


@dataclass(frozen=True, slots=True)
class News:
    """What an observer hears: every column, the places that ended since, whether all is over."""

    progress: tuple[ColumnProgress, ...]
    ended: tuple[Place, ...]
    finished: bool


Observer = Callable[[News], None]
"""Called on the engine's thread, about 20 times a second; must return soon."""


@dataclass(slots=True)
class Tally:
    """The running count of one column."""

    label: str
    total: int
    done: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    reused: int = 0
    cost: float = 0.0
    unpriced: bool = False
    paid_before: float = 0.0
    state: str = "waiting for its turn"
    finished: bool = False
    seconds: array[float] = field(default_factory=lambda: array("d"))

    def count(self, row: Row, *, reused: bool) -> None:
        """Count one extraction that ended so."""
        self.done += 1
        if row.status != "ok":
            self.failures[row.status] = self.failures.get(row.status, 0) + 1
        if row.answered and row.seconds is not None:
            insort(self.seconds, row.seconds)
        if reused:
            self.reused += 1
            self.paid_before += row.cost or 0.0
        elif row.cost is not None:
            self.cost += row.cost
        elif row.answered:
            self.unpriced = True

    def now(self, state: str) -> ColumnProgress:
        """The count as a value."""
        middle = len(self.seconds) // 2
        return ColumnProgress(
            label=self.label,
            total=self.total,
            done=self.done,
            failures=dict(self.failures),
            reused=self.reused,
            median_seconds=self.seconds[middle] if self.seconds else None,
            cost=None if self.unpriced else self.cost,
            paid_before=self.paid_before,
            state=state,
            finished=self.finished,
        )
