"""One pass over all extractions, summed up as numbers: per field, per variant, and overall."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from llmwidgets.analysis.leaves import is_empty
from llmwidgets.analysis.rules import RECORD
from llmwidgets.analysis.scoring import Cell, Rows, TextScore, WithRows
from llmwidgets.comparison.core import ResultData, Results, Rules, measure_once
from llmwidgets.comparison.measures.agreement import Found, PairCounter
from llmwidgets.comparison.measures.kept_scores import Facts, Outcome, kept_scores
from llmwidgets.comparison.measures.text_result import (
    Difference,
    TextResult,
    has_data,
    is_labelled,
    read_all_results,
    read_text_result,
    read_text_results,
)
from llmwidgets.comparison.texts import spread_evenly
from llmwidgets.comparison.truth import Correction, truth_before
from llmwidgets.errors import FAILURES, ReplyError

if TYPE_CHECKING:
    from datetime import datetime

    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.request_builder import Document


@dataclass(slots=True)
class FieldCount:
    """The cells of one field: labelled and right; values given, values wanted, values right.

    Precision is found / given, recall found / wanted: a null that is rightly null counts for the
    accuracy alone. Words for nothing ("N/A") are not given. `part` is what the user's own functions
    count of values that are not right: it is in the accuracy, and nowhere else.
    """

    labelled: int = 0
    right: int = 0
    given: int = 0
    wanted: int = 0
    found: int = 0
    invented: int = 0
    missed: int = 0
    nulls_in_words: int = 0
    part: float = 0.0

    def add(self, kind: _Kind, times: int) -> None:
        """Count cells of one kind, as often as there are; negative `times` take them back."""
        self.labelled += times
        self.right += times * kind.right
        self.given += times * kind.given
        self.wanted += times * kind.wanted
        self.found += times * (kind.right and kind.given and kind.wanted)
        self.invented += times * (kind.given and not kind.wanted)
        self.missed += times * (kind.wanted and not kind.given)
        self.nulls_in_words += times * kind.in_words
        self.part += times * kind.part

    @property
    def accuracy(self) -> float | None:
        return (self.right + self.part) / self.labelled if self.labelled else None

    @property
    def precision(self) -> float | None:
        return self.found / self.given if self.given else None

    @property
    def recall(self) -> float | None:
        return self.found / self.wanted if self.wanted else None

    @property
    def f1(self) -> float | None:
        both = self.given + self.wanted
        return 2 * self.found / both if both else None


class _Kind(NamedTuple):
    """What is counted of a labelled cell; most cells are of one kind."""

    right: bool = True
    given: bool = True
    wanted: bool = True
    in_words: bool = False
    part: float = 0.0


_SAME = _Kind()
"""A value that is the truth itself."""


def _kind_of(cell: Cell) -> _Kind:
    in_words = cell.state == "null in words"
    given = not (in_words or cell.state == "missing" or is_empty(cell.value))
    return _Kind(bool(cell.right), given, not is_empty(cell.truth), in_words, cell.part)


def _kinds_of(score: TextScore) -> list[tuple[str, _Kind]]:
    """The pattern and the kind of each cell that truth labels."""
    return [
        # Most cells are the truth itself.
        (cell[1], _SAME if cell[5] and cell[2] is cell[3] is not None else _kind_of(cell))
        for cell in score.cells
        if cell[5] is not None
    ]


def count_cells(score: TextScore) -> FieldCount:
    """The cells of one text, all fields together."""
    count = FieldCount()
    for kind, times in Counter([kind for _, kind in _kinds_of(score)]).items():
        count.add(kind, times)
    return count


_BY_TEXT = ("scores", "perfect")


@dataclass(slots=True)
class VariantStats(WithRows):
    """The sums of one variant. `scores` has the shares right of each text, one for each repeat.

    `cost` is of all replies, `paid_now` what this run paid: replies of earlier runs cost nothing.
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
    _counts: dict[str, FieldCount] = field(default_factory=dict)
    _to_count: Counter[tuple[str, _Kind]] = field(default_factory=Counter, compare=False)
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

    def add(self, extraction: Extraction | Facts) -> None:
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

    def score(
        self, document: Document, extraction: Extraction | Outcome, score: TextScore,
        scoring: Rules = None,
    ) -> None:  # fmt: skip
        """Count how one extraction was scored, by these rules."""
        name = document.id
        self._count(score, 1)
        if score.notes:
            self.notes[name] = tuple(dict.fromkeys((*self.notes.get(name, ()), *score.notes)))
        if score.accuracy is not None:
            # New lists: a copy of these sums keeps its own.
            self.scores[name] = [*self.scores.get(name, ()), score.accuracy]
            self.perfect[name] = [*self.perfect.get(name, ()), score.perfect]
            if not has_data(extraction):
                self.lost.add(name)
        elif extraction.asked and not has_data(extraction) and is_labelled(document, scoring):
            self.silent.add(name)

    def unscore(self, text_id: str, scores: Iterable[TextScore]) -> None:
        """Take back how a text's extractions, all its repeats, were scored."""
        for score in scores:
            self._count(score, -1)
        for kept in (self.notes, self.scores, self.perfect):
            kept.pop(text_id, None)
        self.lost.discard(text_id)
        self.silent.discard(text_id)

    def _count(self, score: TextScore, times: int) -> None:
        self.invented += times * score.invented
        self.missed += times * score.missed
        self.nulls_in_words += times * score.nulls_in_words
        for name, rows in score.lists.items():
            total = self.lists.get(name, Rows()).plus(rows, times)
            self.lists[name] = total
            if total == Rows():
                del self.lists[name]
        if times > 0:
            self._to_count.update(_kinds_of(score))
        else:
            self._to_count.subtract(_kinds_of(score))

    @property
    def counts(self) -> dict[str, FieldCount]:
        """The cells of each field, by the schema's path."""
        # What was counted by kinds, which is quick, is added up once somebody looks.
        for (name, kind), times in self._to_count.items():
            self._counts.setdefault(name, FieldCount()).add(kind, times)
        if self._to_count:
            self._to_count.clear()
            for name in [name for name, count in self._counts.items() if not count.labelled]:
                del self._counts[name]
        return self._counts

    def copy(self, order: Iterable[str]) -> VariantStats:
        """The same sums, to go on from; scores in this order of texts."""
        copies = {each.name: copy(getattr(self, each.name)) for each in fields(self)}
        names = [name for name in order if name in self.scores]
        copies |= {name: {text: copies[name][text] for text in names} for name in _BY_TEXT}
        copies["_counts"] = {name: replace(count) for name, count in self.counts.items()}
        return VariantStats(**copies | {"_to_count": Counter()})

    @property
    def total(self) -> FieldCount:
        """The cells of all fields together."""
        names = [each.name for each in fields(FieldCount)]
        counts = self.counts.values()
        return FieldCount(**{name: sum(getattr(each, name) for each in counts) for name in names})

    @property
    def cost_per_1000(self) -> float | None:
        """US dollars for 1,000 replies, None where unknown."""
        return None if not self.answered or self.cost is None else self.cost / self.answered * 1000

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
    """Have these sums as those of the results, unless it has some already: no text is read."""
    with results._measuring:
        if aggregate not in results._measured:
            results._measured[aggregate] = sums()


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
