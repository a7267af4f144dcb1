"""The sums of one variant: statuses, scores by text, counts by field, times, tokens, dollars."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from copy import copy
from dataclasses import dataclass, field, fields, replace
from operator import add, iadd, ior
from typing import TYPE_CHECKING, Any, NamedTuple

from llmwidgets.analysis.leaves import is_empty
from llmwidgets.analysis.scoring import Cell, Rows, TextScore, WithRows
from llmwidgets.comparison.core import Rules
from llmwidgets.comparison.measures.kept_scores import Facts, Outcome
from llmwidgets.comparison.measures.text_result import has_data, is_labelled
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

    def add(self, kind: CellKind, times: int) -> None:
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


class CellKind(NamedTuple):
    """What is counted of a labelled cell; most cells are of one kind."""

    right: bool = True
    given: bool = True
    wanted: bool = True
    in_words: bool = False
    part: float = 0.0


_SAME = CellKind()
"""A value that is the truth itself."""


def _kind_of(cell: Cell) -> CellKind:
    in_words = cell.state == "null in words"
    given = not (in_words or cell.state == "missing" or is_empty(cell.value))
    return CellKind(bool(cell.right), given, not is_empty(cell.truth), in_words, cell.part)


def _kinds_of(score: TextScore) -> list[tuple[str, CellKind]]:
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

    `cost` is of all replies, `paid_now` what this run paid: replies of earlier runs cost nothing;
    both are added up exactly, so that no order of the replies changes a digit.
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
    _to_count: Counter[tuple[str, CellKind]] = field(default_factory=Counter, compare=False)
    seconds: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    timed_out: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    _cost: int | None = 0
    _paid_now: int | None = 0
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
        cost = None if extraction.cost is None else int(extraction.cost * _EXACT)
        self._cost = _sum(self._cost, cost)
        if extraction.paid_before is None:
            self._paid_now = _sum(self._paid_now, cost)

    def extend(self, more: VariantStats) -> None:
        """Add the sums of further texts, which come after these."""
        for each in fields(self):
            joined = _JOINED[each.name](getattr(self, each.name), getattr(more, each.name))
            setattr(self, each.name, joined)

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
    def cost(self) -> float | None:
        """US dollars for all replies, None where one is unknown."""
        return None if self._cost is None else self._cost / _EXACT

    @property
    def paid_now(self) -> float | None:
        """US dollars for the replies of this run, None where one is unknown."""
        return None if self._paid_now is None else self._paid_now / _EXACT

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


def _sum(total: int | None, more: int | None) -> int | None:
    """Unknown as soon as one part is."""
    return None if total is None or more is None else total + more


def _answered(status: str) -> bool:
    failure = FAILURES.get(status)
    return failure is None or issubclass(failure, ReplyError)


def _plus(total: int | None, more: int | None) -> int | None:
    return total if more is None else (total or 0) + more


def _join_counters(total: Counter[Any], more: Counter[Any]) -> Counter[Any]:
    total.update(more)
    return total


def _join_counts(
    total: dict[str, FieldCount], more: dict[str, FieldCount]
) -> dict[str, FieldCount]:
    for name, count in more.items():
        own = total.setdefault(name, FieldCount())
        for each in fields(FieldCount):
            setattr(own, each.name, getattr(own, each.name) + getattr(count, each.name))
    return total


def _join_lists(total: dict[str, Rows], more: dict[str, Rows]) -> dict[str, Rows]:
    return total | {name: total.get(name, Rows()).plus(rows) for name, rows in more.items()}


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)


_EXACT = 1 << 128
"""Dollars are added up as whole numbers of this part of one."""

_JOINED: dict[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(("statuses", "modes", "_to_count"), _join_counters),
    **dict.fromkeys(("scores", "perfect", "notes", "lost", "silent"), ior),
    **dict.fromkeys(("seconds", "waiting"), iadd),
    **dict.fromkeys(("invented", "missed", "nulls_in_words", "timed_out"), add),
    **dict.fromkeys(("answered", "reused"), add),
    **dict.fromkeys(("input_tokens", "output_tokens", "reasoning_tokens"), _plus),
    **dict.fromkeys(("_cost", "_paid_now"), _sum),
    "lists": _join_lists, "_counts": _join_counts, "paid_before": _later,
}  # fmt: skip
"""How the sums of further texts are added, for every field of VariantStats."""
