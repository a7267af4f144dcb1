"""The rows the grid shows: every field of every text with the state of each variant's cell."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.alignment import NOTHING
from llmwidgets.comparison.differences import Said, fields_of
from llmwidgets.comparison.marks import has_data, mark
from llmwidgets.comparison.rows import Place
from llmwidgets.widgets.grid_cells import LOUD, shown
from llmwidgets.widgets.grid_filter import AGAINST, AMONG, WHOLE, Filter, Shown, lay_out

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.engine.extraction import Extraction

__all__ = [
    "WHOLE", "Field", "Filter", "GridIndex", "Known", "Shown", "Unit", "extractions_of", "fields_in"
]  # fmt: skip

_KEPT = 200
_INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Field:
    """One row: a field of one text, what the truth says and what each variant says."""

    path: str
    truth: Any
    said: tuple[Said, ...]

    @property
    def pattern(self) -> str:
        """The schema's path: `lines[].total` for `lines[2].total`."""
        return _INDEX.sub("[]", self.path)

    @property
    def disagreeing(self) -> int:
        """How many variants say something else."""
        return sum(each.state in LOUD for each in self.said)


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


def extractions_of(comparison: Comparison, text: int, repeat: int) -> list[Extraction]:
    """What every variant answered to one text."""
    return [
        comparison.extraction(Place(variant, text, repeat))
        for variant in range(len(comparison.variants))
    ]


def fields_in(comparison: Comparison, text: int, repeat: int) -> list[Field]:
    """Every field of one text, in the order of the schema."""
    document = comparison.texts[text]
    extractions = extractions_of(comparison, text, repeat)
    marks = [mark(each, document, comparison.scoring) for each in extractions]
    found = [
        Field(path, truth, said)
        for path, truth, said in fields_of(document, extractions, marks, comparison.scoring)
    ]
    if found or not any(has_data(each) for each in extractions):
        return found
    return _unlabelled(extractions, [marked.cells for marked in marks])


def _unlabelled(extractions: Sequence[Extraction], cells: Sequence[Sequence[Any]]) -> list[Field]:
    """One variant and no truth: nothing to compare with, so its values stand alone."""
    paths = dict.fromkeys(cell.path for each in cells for cell in each)
    values = [{cell.path: cell.value for cell in each} for each in cells]
    said = {
        path: tuple(
            Said("agree", values[at].get(path, NOTHING)) if has_data(each) else Said("failed")
            for at, each in enumerate(extractions)
        )
        for path in paths
    }
    return [Field(path, NOTHING, said[path]) for path in paths]


class GridIndex:
    """The fields of a whole comparison by state: what is counted, filtered and laid out.

    `grow` reads texts until its time is up, so that the first rows show while the rest is read.
    Values are read again from the comparison when a row comes into sight. `labels` says where
    a truth that was made while reading came from, by text and path.
    """

    def __init__(self, comparison: Comparison, *, live: bool = False) -> None:
        self.comparison = comparison
        self.units: list[Unit] = []
        self.total = len(comparison.texts) * comparison.repeats
        self._names = [text.id.casefold() for text in comparison.texts]
        self._sums: Counter[str] = Counter()
        self.labels: dict[tuple[int, str], str] = {}
        self._patterns: dict[str, None] = {}
        self._kept: dict[int, list[Field]] = {}
        self.live = live

    @property
    def whole(self) -> bool:
        """Whether every text has been read."""
        return len(self.units) == self.total

    def place(self, at: int) -> Place:
        """The text and repeat of a unit, read already or not."""
        text, repeat = divmod(at, self.comparison.repeats)
        return Place(0, text, repeat)

    def grow(self, seconds: float = math.inf) -> None:
        """Read on, at least one text, for about so many seconds."""
        until = time.monotonic() + seconds
        while not self.whole:
            place = self.place(len(self.units))
            unit = self._unit(place.text, place.repeat)
            self._sums.update(_sums(unit))
            self.units.append(unit)
            if time.monotonic() >= until:
                return

    def fields(self, text: int, repeat: int) -> list[Field]:
        """Every field of one text; the last few texts are remembered."""
        at, comparison = text * self.comparison.repeats + repeat, self.comparison
        kept = self._kept.get(at)
        if kept is None:
            kept = fields_in(comparison, text, repeat)
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[at] = kept
        return kept

    def _unit(self, text: int, repeat: int) -> Unit:
        unit = _unit(self.comparison, text, repeat, self.fields(text, repeat))
        self._patterns.update(dict.fromkeys(field.pattern for field in unit.fields))
        if not self.live:
            return unit
        rows = self.comparison.rows
        waits = [at for at in unit.failed if not rows.id(Place(at, text, repeat))]
        failed = tuple(at for at in unit.failed if at not in waits)
        return replace(unit, failed=failed, waiting=tuple(waits))

    @property
    def answered(self) -> int:
        """How many texts have something to show; all that were read unless a run goes on."""
        if not self.live:
            return len(self.units)
        return self._sums["answered"]

    def again(self, comparison: Comparison, texts: Iterable[int]) -> list[int]:
        """Take a comparison in that differs in these texts only; the units read anew."""
        self.comparison = comparison
        repeats = comparison.repeats
        changed = [text * repeats + repeat for text in texts for repeat in range(repeats)]
        read = [at for at in changed if at < len(self.units)]
        for at in changed:
            self._kept.pop(at, None)
        for at in read:
            fresh = self._unit(*divmod(at, repeats))
            self._sums.subtract(_sums(self.units[at]))
            self._sums.update(_sums(fresh))
            self.units[at] = fresh
        return read

    def counts(self) -> dict[str, int]:
        """Rows, rows that disagree, rows by what models say among themselves, cells by state."""
        names = ("rows", "disagree", "differ", "missing", "invented", "failed", AMONG, AGAINST)
        return {name: self._sums[name] for name in ("agree", *names)}

    def patterns(self) -> list[str]:
        """The schema paths that have rows, in the order they were met."""
        return list(self._patterns)

    def layout(self, wanted: Filter) -> list[Shown]:
        """The texts to show; those with most disagreement first, else in their own order."""
        return lay_out(list(self.units), self._names, wanted)

    def matching_elsewhere(self, wanted: Filter) -> int:
        """How many rows the search finds in fields other than the chosen one."""
        return sum(
            wanted.query in field.words and field.pattern != wanted.field
            for unit in list(self.units)
            for field in unit.fields
        )


def _unit(comparison: Comparison, text: int, repeat: int, fields: Sequence[Field]) -> Unit:
    failed = tuple(
        at
        for at in range(len(comparison.variants))
        if _is_failed(comparison.status(Place(at, text, repeat)), fields, at)
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
    return Unit(text, repeat, known, failed)


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


def _is_failed(status: str, fields: Sequence[Field], at: int) -> bool:
    if not fields:
        return status != "ok"
    return fields[0].said[at].state == "failed"


def _words(field: Field) -> str:
    values = {shown(each.value) for each in field.said} | {shown(field.truth)}
    return "\n".join(values).casefold()
