"""Reading: one pass over a comparison's extractions, summed up as numbers, no object kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmwidgets.comparison.by_field import Counts
from llmwidgets.comparison.differences import Difference, differences_of
from llmwidgets.comparison.marks import mark
from llmwidgets.comparison.rows import Place
from llmwidgets.errors import FAILURES, ReplyError

if TYPE_CHECKING:
    from datetime import datetime

    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.engine.extraction import Extraction

FIRST = 60
"""So many differences are kept for the static views; the rest is read again when asked for."""


@dataclass(slots=True)
class Tally:
    """What one variant's extractions add up to. `scores` has the shares right of each text."""

    statuses: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    scores: dict[str, list[float]] = field(default_factory=dict)
    perfect: dict[str, list[bool]] = field(default_factory=dict)
    invented: int = 0
    missed: int = 0
    counts: Counts = field(default_factory=Counts)
    seconds: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: float | None = 0.0
    answered: int = 0
    reused: int = 0
    paid_before: datetime | None = None

    def add(self, extraction: Extraction) -> None:
        """Count one extraction's status, time, tokens and cost."""
        self.statuses[extraction.status] += 1
        if extraction.paid_before is not None:
            self.reused += 1
            self.paid_before = max(
                self.paid_before or extraction.paid_before, extraction.paid_before
            )
        if not _answered(extraction.status):
            return
        self.answered += 1
        if extraction.mode is not None:
            self.modes[str(extraction.mode)] += 1
        if extraction.seconds is not None:
            self.seconds.append(extraction.seconds)
        if extraction.waiting_seconds is not None:
            self.waiting.append(extraction.waiting_seconds)
        usage = extraction.usage
        self.input_tokens = _plus(self.input_tokens, usage.input_tokens)
        self.output_tokens = _plus(self.output_tokens, usage.output_tokens)
        self.reasoning_tokens = _plus(self.reasoning_tokens, usage.reasoning_tokens)
        known = self.cost is not None and extraction.cost is not None
        self.cost = self.cost + extraction.cost if known else None  # type: ignore[operator]

    @property
    def total_cost(self) -> float | None:
        """US dollars for every reply; None where one reply's cost is unknown or none came."""
        return self.cost if self.answered else None

    @property
    def cost_per_1000(self) -> float | None:
        """US dollars for 1,000 replies, None where unknown."""
        cost = self.total_cost
        return None if cost is None else cost / self.answered * 1000

    @property
    def mean_scores(self) -> dict[str, float]:
        """The share right of each scored text, its repeats averaged."""
        return {name: sum(shares) / len(shares) for name, shares in self.scores.items()}


@dataclass(frozen=True, slots=True)
class Reading:
    """The tallies of all variants, how many rows differ, and the first of them."""

    tallies: tuple[Tally, ...]
    differing: int
    first: tuple[Difference, ...]


def read(comparison: Comparison) -> Reading:
    """Go through every extraction once, text by text."""
    tallies = tuple(Tally() for _ in comparison.variants)
    differing = 0
    first: list[Difference] = []
    for at, text in enumerate(comparison.texts):
        for repeat in range(comparison.repeats):
            extractions, marks = [], []
            for variant, tally in enumerate(tallies):
                extraction = comparison.extraction(Place(variant, at, repeat))
                marked = mark(extraction, text, comparison.scoring)
                tally.add(extraction)
                tally.invented += marked.invented
                tally.missed += marked.missed
                tally.counts.add(marked.cells)
                if marked.accuracy is not None:
                    tally.scores.setdefault(text.id, []).append(marked.accuracy)
                    tally.perfect.setdefault(text.id, []).append(marked.perfect)
                extractions.append(extraction)
                marks.append(marked)
            found = differences_of(text, repeat, extractions, marks, comparison.scoring)
            differing += len(found)
            first += found[: max(0, FIRST - len(first))]
    return Reading(tallies, differing, tuple(first))


def _answered(status: str) -> bool:
    failure = FAILURES.get(status)
    return failure is None or issubclass(failure, ReplyError)


def _plus(total: int | None, more: int | None) -> int | None:
    return total if more is None else (total or 0) + more
