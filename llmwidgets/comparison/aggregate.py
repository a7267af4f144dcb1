"""Tally: what one variant's extractions add up to, as numbers; no object is kept."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from llmwidgets.analysis.scoring import Rows, WithRows
from llmwidgets.comparison.differences import (
    Difference,
    TextResult,
    read_all_results,
    read_text_results,
)
from llmwidgets.comparison.field_metrics import FieldCounts
from llmwidgets.errors import FAILURES, ReplyError

if TYPE_CHECKING:
    from datetime import datetime

    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.scored import ScoredExtraction
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.request_builder import Document


@dataclass(slots=True)
class VariantStats(WithRows):
    """The sums of one variant. `scores` has the shares right of each text, one for each repeat.

    `lists` has the rows of each list, by pattern; `notes`, for each text that was not compared in
    full, why. `lost` are the labelled texts of which a reply left no usable record; `silent` those
    to which a call brought no answer.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    scores: dict[str, list[float]] = field(default_factory=dict)
    perfect: dict[str, list[bool]] = field(default_factory=dict)
    invented: int = 0
    missed: int = 0
    nulls_in_words: int = 0
    lists: dict[str, Rows] = field(default_factory=dict)
    counts: FieldCounts = field(default_factory=FieldCounts)
    seconds: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    timed_out: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: float | None = 0.0
    paid_now: float | None = 0.0
    answered: int = 0
    reused: int = 0
    paid_before: datetime | None = None

    def add(self, extraction: Extraction) -> None:
        """Count one extraction's status, time, tokens and cost."""
        self.statuses[extraction.status] += 1
        self.timed_out += extraction.timed_out
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
        self.cost = _sum(self.cost, extraction.cost)
        if extraction.paid_before is None:
            self.paid_now = _sum(self.paid_now, extraction.cost)

    def score(self, text_id: str, marked: ScoredExtraction) -> None:
        """Count how one extraction was scored."""
        self._count(marked, 1)
        if marked.notes:
            self.notes[text_id] = tuple(
                dict.fromkeys((*self.notes.get(text_id, ()), *marked.notes))
            )
        if marked.lost:
            self.lost.add(text_id)
        if marked.unanswered:
            self.silent.add(text_id)
        if marked.accuracy is not None:
            # New lists: a copy of this tally keeps its own.
            self.scores[text_id] = [*self.scores.get(text_id, ()), marked.accuracy]
            self.perfect[text_id] = [*self.perfect.get(text_id, ()), marked.perfect]

    def unscore(self, text_id: str, marks: Iterable[ScoredExtraction]) -> None:
        """Take back how a text's extractions, all its repeats, were scored."""
        for marked in marks:
            self._count(marked, -1)
        self.notes.pop(text_id, None)
        self.scores.pop(text_id, None)
        self.perfect.pop(text_id, None)
        self.lost.discard(text_id)
        self.silent.discard(text_id)

    def _count(self, marked: ScoredExtraction, times: int) -> None:
        self.invented += times * marked.invented
        self.missed += times * marked.missed
        self.nulls_in_words += times * marked.nulls_in_words
        for name, rows in marked.lists.items():
            found = self.lists.get(name, Rows()).plus(rows, times)
            self.lists[name] = found
            if found == Rows():
                del self.lists[name]
        self.counts.add(marked.cells, times)

    def copy(self, order: Iterable[str]) -> VariantStats:
        """The same sums, to go on from; scores in this order of texts."""
        names = [name for name in order if name in self.scores]
        return replace(
            self,
            statuses=Counter(self.statuses),
            modes=Counter(self.modes),
            scores={name: self.scores[name] for name in names},
            perfect={name: self.perfect[name] for name in names},
            lists=dict(self.lists),
            counts=self.counts.copy(),
            seconds=list(self.seconds),
            waiting=list(self.waiting),
            notes=dict(self.notes),
            lost=set(self.lost),
            silent=set(self.silent),
        )

    @property
    def total_cost(self) -> float | None:
        """US dollars for every reply; None where one reply's cost is unknown or none came."""
        return self.cost if self.answered else None

    @property
    def total_paid_now(self) -> float | None:
        """US dollars that this run paid: replies of earlier runs cost nothing now."""
        return self.paid_now if self.answered else None

    @property
    def cost_per_1000(self) -> float | None:
        """US dollars for 1,000 replies, None where unknown."""
        cost = self.total_cost
        return None if cost is None else cost / self.answered * 1000

    @property
    def mean_scores(self) -> dict[str, float]:
        """The share right of each scored text, its repeats averaged."""
        return {name: sum(shares) / len(shares) for name, shares in self.scores.items()}

    @property
    def accuracy(self) -> float | None:
        """The mean over scored texts of the share of labelled fields right; None without any."""
        return _mean(self.mean_scores.values())

    @property
    def perfect_share(self) -> float | None:
        """The share of scored texts with all fields right; None without any."""
        return _mean([sum(each) / len(each) for each in self.perfect.values()])

    @property
    def unanswered(self) -> frozenset[str]:
        """The labelled texts that were asked, and to which no answer came."""
        return frozenset(self.silent - self.scores.keys())


def _mean(shares: Collection[float]) -> float | None:
    return math.fsum(shares) / len(shares) if shares else None


def _sum(total: float | None, more: float | None) -> float | None:
    """Unknown as soon as one part is."""
    return None if total is None or more is None else total + more


def _answered(status: str) -> bool:
    failure = FAILURES.get(status)
    return failure is None or issubclass(failure, ReplyError)


def _plus(total: int | None, more: int | None) -> int | None:
    return total if more is None else (total or 0) + more


# -- Reading: one pass over a comparison's extractions, summed up as numbers, no object kept.

FIRST = 60
"""So many differences are kept for the static views; the rest is read again when asked for."""


@dataclass(frozen=True, slots=True)
class Aggregates:
    """The tallies of all variants, how many rows differ, and the first of them."""

    tallies: tuple[VariantStats, ...]
    differing: int
    first: tuple[Difference, ...]

    def after(self, before: Comparison, now: Comparison) -> Aggregates:
        """The reading of a comparison that differs from `before` in the truth of some texts.

        Only those texts are scored again.
        """
        pairs = zip(before.texts, now.texts, strict=True)
        changed = [at for at, (old, new) in enumerate(pairs) if old is not new]
        sums = Accumulator(now, self)
        differing, fresh = self.differing, list[Difference]()
        for at in changed:
            old, new = read_text_results(before, at), read_text_results(now, at)
            sums.score_again(old, new)
            found = [each for answers in new for each in answers.differences]
            differing += len(found) - sum(len(answers.differences) for answers in old)
            fresh += found
        names = {now.texts[at].id for at in changed}
        first = [each for each in self.first if each.text_id not in names] + fresh
        return Aggregates(sums.tallies(), differing, self._in_order(first, now.texts))

    def _in_order(
        self, found: Sequence[Difference], texts: Sequence[Document]
    ) -> tuple[Difference, ...]:
        """Text by text, as far as every row is known: those behind the last one are not."""
        order = {text.id: at for at, text in enumerate(texts)}
        last = len(order)
        if self.differing > len(self.first):
            last = order[self.first[-1].text_id] if self.first else -1
        known = [each for each in found if order[each.text_id] <= last]
        known.sort(key=lambda each: (order[each.text_id], each.repeat))
        return tuple(known[:FIRST])


class Accumulator:
    """The sums of a reading while it is made, text by text in any order.

    A variant that was not asked about a text yet is counted once its reply is there. With
    `start`, every text is counted already.
    """

    def __init__(self, comparison: Comparison, start: Aggregates | None = None) -> None:
        self._order = [text.id for text in comparison.texts]
        self._repeats = comparison.repeats
        units, variants = len(self._order) * self._repeats, range(len(comparison.variants))
        tallies = start.tallies if start is not None else [VariantStats() for _ in variants]
        self._tallies = [each.copy(each.scores) for each in tallies]
        self._counted = [bytearray([start is not None]) * units for _ in variants]
        self._differing = array("I", bytes(4 * units))
        self._first: dict[int, list[Difference]] = {}
        self._bound = units

    def add(self, answers: TextResult, asked: Iterable[bool] = ()) -> None:
        """Count what was not counted yet; `asked` says which variants have been, all without it."""
        at = self._at(answers)
        there = list(asked) or [True] * len(self._tallies)
        for variant, tally in enumerate(self._tallies):
            if there[variant] and not self._counted[variant][at]:
                self._counted[variant][at] = 1
                tally.add(answers.extractions[variant])
                tally.score(answers.document.id, answers.marks[variant])
        self._note(at, answers.differences)

    def score_again(self, before: Sequence[TextResult], now: Sequence[TextResult]) -> None:
        """Count one text, all its repeats, by its new truth instead of its old one."""
        name = before[0].document.id
        for variant, tally in enumerate(self._tallies):
            counted = self._counted[variant]
            there = [bool(counted[self._at(each)]) for each in before]
            tally.unscore(
                name, (each.marks[variant] for each, had in zip(before, there, strict=True) if had)
            )
            for each, had in zip(now, there, strict=True):
                if had:
                    tally.score(name, each.marks[variant])
        for each in now:
            self._note(self._at(each), each.differences)

    def _at(self, answers: TextResult) -> int:
        return answers.text * self._repeats + answers.repeat

    def _note(self, at: int, found: list[Difference]) -> None:
        self._differing[at] = len(found)
        self._first.pop(at, None)
        if not found or at >= self._bound:
            return
        self._first[at] = found[:FIRST]
        if len(self._first) > FIRST:
            # Each text in it has a row, so the last one holds none of the first rows.
            self._bound = max(self._first)
            del self._first[self._bound]

    def tallies(self) -> tuple[VariantStats, ...]:
        """Copies of the tallies as they are now, texts in their own order."""
        return tuple(each.copy(self._order) for each in self._tallies)

    def reading(self) -> Aggregates:
        """What was counted so far; what was not asked counts as stopped."""
        tallies = self.tallies()
        for tally, counted in zip(tallies, self._counted, strict=True):
            if waits := len(counted) - sum(counted):
                tally.statuses["Stopped"] += waits
        first = [each for at in sorted(self._first) for each in self._first[at]]
        return Aggregates(tallies, sum(self._differing), tuple(first[:FIRST]))


def aggregate(comparison: Comparison) -> Aggregates:
    """Go through every extraction once, text by text."""
    sums = Accumulator(comparison)
    for answers in read_all_results(comparison):
        sums.add(answers)
    return sums.reading()
