"""The rows the grid shows: every field of every text with the state of each variant's cell."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.answers import LOUD, Answers, Field, answers_to
from llmwidgets.comparison.reading import Reading, Sums
from llmwidgets.comparison.scored import Place
from llmwidgets.widgets.results.grid_cells import shown
from llmwidgets.widgets.results.grid_filter import AGAINST, AMONG, WHOLE, Filter, Shown, lay_out

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison


_KEPT = 200


@dataclass(frozen=True, slots=True)
class Known:
    """What the index keeps of a field: enough to filter and sort, no value but for search.

    `among` is "among" where models differ, "against" where all that answered say the same and
    the truth says something else, "" else.
    """

    path: str
    pattern: str
    states: tuple[str, ...]
    words: str
    among: str = ""

    @property
    def disagreeing(self) -> int:
        """How many variants say something else."""
        return sum(state in LOUD for state in self.states)


@dataclass(frozen=True, slots=True)
class Unit:
    """One text (and repeat) with its fields and the variants that failed there.

    `waiting` are those that have not been asked yet, while a run goes on.
    """

    text: int
    repeat: int
    fields: tuple[Known, ...]
    failed: tuple[int, ...]
    waiting: tuple[int, ...] = ()


class GridIndex:
    """The fields of a whole comparison by state: what is counted, filtered and laid out.

    `grow` reads texts until its time is up, so that the first rows show while the rest is read;
    what it reads is summed up too, so that no text is scored a second time for the scoreboard.
    `changes` counts what was read. Values are read again from the comparison when a row comes into
    sight. `labels` says where a truth that was made while reading came from, by text and path.
    """

    def __init__(self, comparison: Comparison, *, live: bool = False) -> None:
        self.comparison = comparison
        self.units: list[Unit] = []
        self.total = len(comparison.texts) * comparison.repeats
        self._names = [text.id.casefold() for text in comparison.texts]
        self._sums: Counter[str] = Counter()
        self.labels: dict[tuple[int, str], str] = {}
        self._patterns: dict[str, None] = {}
        self._kept: dict[int, Answers] = {}
        self._scored = Sums(comparison)
        self._growing = threading.RLock()
        self.live = live
        self.changes = 0

    @property
    def whole(self) -> bool:
        """Whether every text has been read."""
        return len(self.units) == self.total

    def place(self, at: int) -> Place:
        """The text and repeat of a unit, read already or not."""
        text, repeat = divmod(at, self.comparison.repeats)
        return Place(0, text, repeat)

    def first(self, count: int) -> None:
        """Have so many texts read, or all there are."""
        while len(self.units) < min(count, self.total):
            self.grow(0)

    def grow(self, seconds: float = math.inf) -> None:
        """Read on, at least one text, for about so many seconds."""
        until = time.monotonic() + seconds
        while True:
            with self._growing:
                if self.whole:
                    return
                place = self.place(len(self.units))
                unit = self._unit(place.text, place.repeat)
                self._sums.update(_sums(unit))
                self.units.append(unit)
                self.changes += 1
            if time.monotonic() >= until:
                return

    def reading(self) -> Reading:
        """The sums over every text; what is not read yet is read first."""
        self.grow()
        with self._growing:
            return self._scored.reading()

    def fields(self, text: int, repeat: int) -> tuple[Field, ...]:
        """Every field of one text; the last few texts are remembered."""
        return self._answers(text, repeat).values

    def _answers(self, text: int, repeat: int) -> Answers:
        at = text * self.comparison.repeats + repeat
        kept = self._kept.get(at)
        if kept is None:
            kept = answers_to(self.comparison, text, repeat)
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[at] = kept
        return kept

    def _unit(self, text: int, repeat: int) -> Unit:
        # Looked up before the replies are read: one that comes meanwhile is counted next time.
        asked = self._asked(text, repeat)
        if self.live:
            self._kept.pop(text * self.comparison.repeats + repeat, None)
        answers = self._answers(text, repeat)
        self._scored.add(answers, asked)
        unit = _unit(answers)
        self._patterns.update(dict.fromkeys(field.pattern for field in unit.fields))
        failed = tuple(at for at in unit.failed if asked[at])
        return replace(
            unit, failed=failed, waiting=tuple(at for at in unit.failed if not asked[at])
        )

    def _asked(self, text: int, repeat: int) -> list[bool]:
        rows, variants = self.comparison.rows, range(len(self.comparison.variants))
        return [not self.live or bool(rows.id(Place(at, text, repeat))) for at in variants]

    @property
    def answered(self) -> int:
        """How many texts have something to show; all that were read unless a run goes on."""
        if not self.live:
            return len(self.units)
        return self._sums["answered"]

    def again(self, comparison: Comparison, texts: Iterable[int]) -> list[int]:
        """Take a comparison in that differs in these texts only; the units read anew."""
        repeats = comparison.repeats
        with self._growing:
            before, self.comparison = self.comparison, comparison
            read = []
            for text in texts:
                units = range(text * repeats, (text + 1) * repeats)
                for at in units:
                    self._kept.pop(at, None)
                units = range(units.start, min(units.stop, len(self.units)))
                if before.texts[text] is not comparison.texts[text] and units:
                    self._score_again(before, text, units)
                for at in units:
                    fresh = self._unit(*divmod(at, repeats))
                    self._sums.subtract(_sums(self.units[at]))
                    self._sums.update(_sums(fresh))
                    self.units[at] = fresh
                    self.changes += 1
                    read.append(at)
            return read

    def _score_again(self, before: Comparison, text: int, units: range) -> None:
        old, new = (
            [answers_to(each, text, at % each.repeats) for at in units]
            for each in (before, self.comparison)
        )
        self._scored.score_again(old, new)

    def counts(self) -> dict[str, int]:
        """Rows, rows that disagree, rows by what models say among themselves, cells by state."""
        states = ("agree", "differ", "missing", "invented", "null in words", "failed")
        return {name: self._sums[name] for name in (*states, "rows", "disagree", AMONG, AGAINST)}

    def patterns(self) -> list[str]:
        """The schema paths that have rows, in the order they were met."""
        return list(self._patterns)

    @property
    def unlabelled(self) -> int:
        """How many texts have no truth yet."""
        return sum(text.truth is NOTHING for text in self.comparison.texts)

    def layout(self, wanted: Filter) -> list[Shown]:
        """The texts to show; those with most disagreement first, else in their own order."""
        bare = [text.truth is NOTHING for text in self.comparison.texts]
        return lay_out(list(self.units), self._names, wanted, bare)

    def matching_elsewhere(self, wanted: Filter) -> int:
        """How many rows the search finds in fields other than the chosen one."""
        return sum(
            wanted.query in field.words and field.pattern != wanted.field
            for unit in list(self.units)
            for field in unit.fields
        )


def _unit(answers: Answers) -> Unit:
    fields = answers.values
    failed = tuple(
        at
        for at, extraction in enumerate(answers.extractions)
        if (fields[0].said[at].state == "failed" if fields else extraction.status != "ok")
    )
    known = tuple(
        Known(
            each.path,
            each.pattern,
            tuple(said.state for said in each.said),
            _words(each),
            _among(each),
        )
        for each in fields
    )
    return Unit(answers.text, answers.repeat, known, failed)


def _sums(unit: Unit) -> Counter[str]:
    sums = Counter(state for field in unit.fields for state in field.states)
    sums.update(field.among for field in unit.fields if field.among)
    sums["rows"] += len(unit.fields)
    sums["disagree"] += sum(field.disagreeing > 0 for field in unit.fields)
    sums["failed"] -= len(unit.waiting) * len(unit.fields)
    sums["failed"] += 0 if unit.fields else len(unit.failed)
    sums["answered"] += bool(unit.fields or unit.failed)
    return sums


def _among(field: Field) -> str:
    answered = [said for said in field.said if said.state != "failed"]
    if all(said.state == "agree" for said in answered):
        return ""
    alike = len({shown(said.value).strip().casefold() for said in answered}) == 1
    if not alike:
        return AMONG
    return AGAINST if len(answered) > 1 and field.truth is not NOTHING else ""


def _words(field: Field) -> str:
    values = {shown(each.value) for each in field.said} | {shown(field.truth)}
    return "\n".join(values).casefold()


__all__ = [
    "Filter",
    "GridIndex",
    "Known",
    "Shown",
    "Unit",
    "WHOLE",
]
