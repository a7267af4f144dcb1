"""Reading: one pass over a comparison's extractions, summed up as numbers, no object kept."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmwidgets.comparison.aggregate import Tally
from llmwidgets.comparison.answers import Answers, answers_in, answers_of
from llmwidgets.comparison.differences import Difference

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.engine.plan import Text


FIRST = 60
"""So many differences are kept for the static views; the rest is read again when asked for."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The tallies of all variants, how many rows differ, and the first of them."""

    tallies: tuple[Tally, ...]
    differing: int
    first: tuple[Difference, ...]

    def after(self, before: Comparison, now: Comparison) -> Reading:
        """The reading of a comparison that differs from `before` in the truth of some texts.

        Only those texts are scored again.
        """
        pairs = zip(before.texts, now.texts, strict=True)
        changed = [at for at, (old, new) in enumerate(pairs) if old is not new]
        sums = Sums(now, self)
        differing, fresh = self.differing, list[Difference]()
        for at in changed:
            old, new = answers_in(before, at), answers_in(now, at)
            sums.score_again(old, new)
            found = [each for answers in new for each in answers.differences]
            differing += len(found) - sum(len(answers.differences) for answers in old)
            fresh += found
        names = {now.texts[at].id for at in changed}
        first = [each for each in self.first if each.text_id not in names] + fresh
        return Reading(sums.tallies(), differing, self._in_order(first, now.texts))

    def _in_order(
        self, found: Sequence[Difference], texts: Sequence[Text]
    ) -> tuple[Difference, ...]:
        """Text by text, as far as every row is known: those behind the last one are not."""
        order = {text.id: at for at, text in enumerate(texts)}
        last = len(order)
        if self.differing > len(self.first):
            last = order[self.first[-1].text_id] if self.first else -1
        known = [each for each in found if order[each.text_id] <= last]
        known.sort(key=lambda each: (order[each.text_id], each.repeat))
        return tuple(known[:FIRST])


class Sums:
    """The sums of a reading while it is made, text by text in any order.

    A variant that was not asked about a text yet is counted once its reply is there. With
    `start`, every text is counted already.
    """

    def __init__(self, comparison: Comparison, start: Reading | None = None) -> None:
        self._order = [text.id for text in comparison.texts]
        self._repeats = comparison.repeats
        units, variants = len(self._order) * self._repeats, range(len(comparison.variants))
        tallies = start.tallies if start is not None else [Tally() for _ in variants]
        self._tallies = [each.copy(each.scores) for each in tallies]
        self._counted = [bytearray([start is not None]) * units for _ in variants]
        self._differing = array("I", bytes(4 * units))
        self._first: dict[int, list[Difference]] = {}
        self._bound = units

    def add(self, answers: Answers, asked: Iterable[bool] = ()) -> None:
        """Count what was not counted yet; `asked` says which variants have been, all without it."""
        at = self._at(answers)
        there = list(asked) or [True] * len(self._tallies)
        for variant, tally in enumerate(self._tallies):
            if there[variant] and not self._counted[variant][at]:
                self._counted[variant][at] = 1
                tally.add(answers.extractions[variant])
                tally.score(answers.document.id, answers.marks[variant])
        self._note(at, answers.differences)

    def score_again(self, before: Sequence[Answers], now: Sequence[Answers]) -> None:
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

    def _at(self, answers: Answers) -> int:
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

    def tallies(self) -> tuple[Tally, ...]:
        """Copies of the tallies as they are now, texts in their own order."""
        return tuple(each.copy(self._order) for each in self._tallies)

    def reading(self) -> Reading:
        """What was counted so far; what was not asked counts as stopped."""
        tallies = self.tallies()
        for tally, counted in zip(tallies, self._counted, strict=True):
            if waits := len(counted) - sum(counted):
                tally.statuses["Stopped"] += waits
        first = [each for at in sorted(self._first) for each in self._first[at]]
        return Reading(tallies, sum(self._differing), tuple(first[:FIRST]))


def read(comparison: Comparison) -> Reading:
    """Go through every extraction once, text by text."""
    sums = Sums(comparison)
    for answers in answers_of(comparison):
        sums.add(answers)
    return sums.reading()
