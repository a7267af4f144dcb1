"""One pass over all extractions, summed up as numbers: per field, per variant, and overall."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING

from llmwidgets.analysis.rules import RECORD
from llmwidgets.comparison.core import ResultData, Results, measure_once
from llmwidgets.comparison.measures.agreement import Found, PairCounter
from llmwidgets.comparison.measures.kept_scores import kept_scores
from llmwidgets.comparison.measures.text_result import (
    Difference,
    TextResult,
    read_all_results,
    read_text_result,
    read_text_results,
)
from llmwidgets.comparison.measures.variant_stats import VariantStats
from llmwidgets.comparison.texts import spread_evenly
from llmwidgets.comparison.truth import Correction, truth_before

if TYPE_CHECKING:
    from llmwidgets.engine.request_builder import Document


_KEPT = 20
"""The number of texts whose differences are kept, so that views need not read them again."""


@dataclass(frozen=True, slots=True)
class Aggregates:
    """The sums of all variants, how many rows differ in each text and repeat, and the first."""

    stats: tuple[VariantStats, ...]
    rows: array[int]
    kept: dict[int, list[Difference]]

    @property
    def differing(self) -> int:
        return sum(self.rows)

    @property
    def scored(self) -> bool:
        return any(stats.scores for stats in self.stats)

    def after(self, before: ResultData, now: ResultData) -> Aggregates:
        """The sums of results that differ from `before` in the truth of some texts.

        Only those texts are scored again.
        """
        sums = Accumulator(now, self)
        for at, (old, new) in enumerate(zip(before.texts, now.texts, strict=True)):
            if old is not new:
                sums.score_again(read_text_results(before, at), read_text_results(now, at))
        return sums.aggregates()


class Accumulator:
    """The sums while they are made, text by text in any order.

    A variant that was not asked about a text yet is counted once its reply is there. With
    `start`, every text is counted already.
    """

    def __init__(self, results: ResultData, start: Aggregates | None = None) -> None:
        self._order = [text.id for text in results.texts]
        self._repeats, self._scoring = results.repeats, results.scoring
        units, variants = len(self._order) * self._repeats, range(len(results.variants))
        columns = start.stats if start is not None else [VariantStats() for _ in variants]
        self._stats = [each.copy(each.scores) for each in columns]
        self._counted = [bytearray([start is not None]) * units for _ in variants]
        self._rows = array("I", start.rows if start is not None else bytes(4 * units))
        self._kept = dict(start.kept) if start is not None else {}

    def add(self, result: TextResult, asked: Iterable[bool] = (), text: int | None = None) -> None:
        """Count what was not counted yet; `asked` says which variants have been, all without it.

        `text` is its place among the texts that are summed up, where it was read by another.
        """
        at = self._at(result, text)
        known = list(asked) or [True] * len(self._stats)
        facts = result.facts
        for variant, stats in enumerate(self._stats):
            if known[variant] and not self._counted[variant][at]:
                self._counted[variant][at] = 1
                stats.add(facts[variant])
                outcome, score = result.outcomes[variant], result.scores[variant]
                stats.score(result.document, outcome, score, self._scoring)
        self._note(result, at)

    def score_again(self, before: Sequence[TextResult], now: Sequence[TextResult]) -> None:
        """Count one text, all its repeats, by its new truth instead of its old one."""
        for variant, stats in enumerate(self._stats):
            counted = [bool(self._counted[variant][self._at(each)]) for each in before]
            old = [each for each, known in zip(before, counted, strict=True) if known]
            new = [each for each, known in zip(now, counted, strict=True) if known]
            stats.unscore(before[0].document.id, (each.scores[variant] for each in old))
            for each in new:
                outcome, score = each.outcomes[variant], each.scores[variant]
                stats.score(each.document, outcome, score, self._scoring)
        for each in now:
            self._note(each, self._at(each))

    def _at(self, result: TextResult, text: int | None = None) -> int:
        return (result.text if text is None else text) * self._repeats + result.repeat

    def _note(self, result: TextResult, at: int) -> None:
        rows = result.differences
        self._rows[at] = len(rows)
        self._kept.pop(at, None)
        if rows:
            self._kept[at] = rows
        if len(self._kept) > _KEPT:
            del self._kept[max(self._kept)]

    @property
    def running(self) -> Aggregates:
        """What was counted so far, not copied; without differences."""
        return Aggregates(tuple(self._stats), self._rows, {})

    def aggregates(self, units: int | None = None) -> Aggregates:
        """Copies of what was counted so far, texts in order; what was not asked is stopped.

        `units` is how many texts (and repeats) were read where it is not all of them.
        """
        columns = tuple(each.copy(self._order) for each in self._stats)
        for stats, counted in zip(columns, self._counted, strict=True):
            if waits := counted[:units].count(0):
                stats.statuses["Stopped"] += waits
        return Aggregates(columns, self._rows[:units], dict(self._kept))


@measure_once
def aggregate(results: ResultData) -> Aggregates:
    """Go through every extraction once, text by text."""
    sums = Accumulator(results)
    for result in read_all_results(results):
        sums.add(result)
    return sums.aggregates()


def read_differences(results: ResultData) -> Iterator[Difference]:
    """Each field where variants disagree or differ from the truth, text by text."""
    sums: Aggregates | None = results._measured.get(aggregate)
    for at in range(len(results.texts) * results.repeats):
        if sums is not None and (at in sums.kept or not sums.rows[at]):
            yield from sums.kept.get(at, ())
        else:
            yield from read_text_result(results, *divmod(at, results.repeats)).differences


def adopt_aggregates(results: ResultData, sums: Callable[[], Aggregates]) -> None:
    """Have these sums as those of the results, unless it has some already: no text is read.

    They are made before anything is locked: who counts them may have a lock of its own.
    """
    if aggregate not in results._measured:
        results._measured.setdefault(aggregate, sums())


def relabel(
    results: Results, texts: tuple[Document, ...], label_log: tuple[Correction, ...]
) -> Results:
    """The same replies by other truth; what was scored already is scored again where it moved."""
    changed = replace(results, texts=texts, label_log=label_log)
    if kept_scores in results._measured:
        moved = [at for at, (old, new) in enumerate(zip(results.texts, texts, strict=True))
                 if old is not new]  # fmt: skip
        repeats = range(results.repeats)
        units = [at * len(repeats) + repeat for at in moved for repeat in repeats]
        changed._measured[kept_scores] = kept_scores(results).without(units)
    if aggregate in results._measured:
        adopt_aggregates(changed, lambda: aggregate(results).after(results, changed))
    return changed


@measure_once
def as_given(results: Results) -> Results:
    """The same replies by the truth as it was given, without labels made after the run."""
    return relabel(results, truth_before(results.texts, results.label_log), ())


# -- Metrics that need no truth: how far variants agree.

_MOST_TEXTS, _MOST_PAIRS = 500, 3_000


@dataclass(slots=True)
class SharedCells:
    """The cells that two variants were compared in, by field: those that say the same, and all.

    Each cell counts twice: once with either record in the place of truth.
    """

    same: Counter[str] = field(default_factory=Counter)
    of: Counter[str] = field(default_factory=Counter)

    def add(self, more: SharedCells) -> None:
        self.same.update(more.same)
        self.of.update(more.of)

    def count(self, found: Found) -> None:
        for name, (same, of) in found.items():
            self.same[name] += same
            self.of[name] += of

    def share(self, name: str | None = None) -> tuple[float, int] | None:
        """The share that is the same, 0–1, and of how many cells; None if there are none."""
        same, of = (each.total() if name is None else each[name] for each in (self.same, self.of))
        return (same / of, (of + 1) // 2) if of else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Each two variants, counted from 0, with what they share in a number of texts."""

    variants: int
    pairs: dict[tuple[int, int], SharedCells]
    texts: int

    @property
    def fields(self) -> list[str]:
        """The schema's paths that were compared."""
        return list(dict.fromkeys(name for each in self.pairs.values() for name in each.of))

    def between(self, a: int, b: int) -> SharedCells:
        """What two variants share."""
        return self.pairs[min(a, b), max(a, b)]

    def with_others(self, variant: int) -> SharedCells:
        """What one variant shares with all others together."""
        whole = SharedCells()
        for other in range(self.variants):
            if other != variant:
                whole.add(self.between(variant, other))
        return whole


def measure_agreement(results: ResultData, texts: Sequence[int] | None = None) -> Agreement:
    """Compare every two variants in these texts, all of them by default, by the same rules."""
    count, rules = len(results.variants), results.scoring or {}
    if callable(rules.get(RECORD)):
        # A function that scores whole records has no say between variants, and is not called.
        fields = {name: how for name, how in rules.items() if name != RECORD}
        results = replace(results, scoring=fields or None)
    pairs = {pair: SharedCells() for pair in combinations(range(count), 2)}
    counter = PairCounter(count, results.scoring)
    read = read_all_results(results) if texts is None else (
        each for at in texts for each in read_text_results(results, at)
    )  # fmt: skip
    for result in read:
        for pair, found in counter.add(result):
            pairs[pair].count(found)
        if counter.full:
            for pair, found in counter.pairs():
                pairs[pair].count(found)
    for pair, found in counter.pairs():
        pairs[pair].count(found)
    return Agreement(count, pairs, len(results.texts) if texts is None else len(texts))


@measure_once
def sampled_agreement(results: ResultData) -> Agreement:
    """The agreement in a few texts, evenly spread, so that it is there at once."""
    variants = len(results.variants)
    pairs = max(1, variants * (variants - 1) // 2)
    most = max(10, min(_MOST_TEXTS, _MOST_PAIRS // pairs))
    return measure_agreement(results, spread_evenly(len(results.texts), most))
