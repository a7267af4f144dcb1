"""The rows the grid shows: every field of every text with the state of each variant's cell."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.alignment import NOTHING
from llmwidgets.comparison.differences import Said, fields_of
from llmwidgets.comparison.marks import has_data, mark
from llmwidgets.comparison.rows import Place
from llmwidgets.widgets.grid_cells import LOUD, shown

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.engine.extraction import Extraction

WHOLE = "all fields"
"""The name of the one row that carries a failure where no field disagrees."""

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
    """What the index keeps of a field: enough to filter and sort, no value but for search."""

    path: str
    pattern: str
    states: tuple[str, ...]
    words: str

    @property
    def disagreeing(self) -> int:
        """How many variants say something else."""
        return sum(state in LOUD for state in self.states)


@dataclass(frozen=True, slots=True)
class Unit:
    """One text (and repeat) with its fields and the variants that failed there."""

    text: int
    repeat: int
    fields: tuple[Known, ...]
    failed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """What the page wants to see. `only` is "disagree" or "all"."""

    only: str = "disagree"
    states: tuple[str, ...] = ()
    field: str = ""
    query: str = ""

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Filter:
        """The filter out of a message of the page."""
        return cls(
            only="all" if content.get("only") == "all" else "disagree",
            states=tuple(str(each) for each in content.get("states") or ()),
            field=str(content.get("field") or ""),
            query=str(content.get("query") or "").strip().casefold(),
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """One text of a layout: the rows that stand open and those that are folded."""

    unit: int
    loud: tuple[str, ...]
    quiet: tuple[str, ...]


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
    Values are read again from the comparison when a row comes into sight.
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.units: list[Unit] = []
        self.total = len(comparison.texts) * comparison.repeats

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
            self.units.append(_unit(self.comparison, place.text, place.repeat))
            if time.monotonic() >= until:
                return

    def counts(self) -> dict[str, int]:
        """Rows, rows that disagree, and cells by state."""
        units = list(self.units)
        fields = [field for unit in units for field in unit.fields]
        cells = Counter(state for field in fields for state in field.states)
        bare = sum(len(unit.failed) for unit in units if not unit.fields)
        return {
            "rows": len(fields),
            "disagree": sum(field.disagreeing > 0 for field in fields),
            **{state: cells[state] for state in ("agree", "differ", "missing", "invented")},
            "failed": cells["failed"] + bare,
        }

    def patterns(self) -> list[str]:
        """The schema paths that have rows, in their order."""
        units = list(self.units)
        return list(dict.fromkeys(field.pattern for unit in units for field in unit.fields))

    def layout(self, wanted: Filter) -> list[Shown]:
        """The texts to show; those with most disagreement first, else in their own order."""
        units = list(self.units)
        shown = [each for at, unit in enumerate(units) if (each := _shown(at, unit, wanted))]
        if wanted.only == "disagree":
            shown.sort(key=lambda each: _rank(units[each.unit]))
        return shown

    def matching_elsewhere(self, wanted: Filter) -> int:
        """How many rows the search finds in fields other than the chosen one."""
        return sum(
            wanted.query in field.words and field.pattern != wanted.field
            for unit in list(self.units)
            for field in unit.fields
        )


def _unit(comparison: Comparison, text: int, repeat: int) -> Unit:
    fields = fields_in(comparison, text, repeat)
    failed = tuple(
        at
        for at in range(len(comparison.variants))
        if _is_failed(comparison.status(Place(at, text, repeat)), fields, at)
    )
    known = tuple(
        Known(each.path, each.pattern, tuple(said.state for said in each.said), _words(each))
        for each in fields
    )
    return Unit(text, repeat, known, failed)


def _is_failed(status: str, fields: Sequence[Field], at: int) -> bool:
    if not fields:
        return status != "ok"
    return fields[0].said[at].state == "failed"


def _words(field: Field) -> str:
    values = {shown(each.value) for each in field.said} | {shown(field.truth)}
    return "\n".join(values).casefold()


def _shown(at: int, unit: Unit, wanted: Filter) -> Shown | None:
    fields = [field for field in unit.fields if not wanted.field or field.pattern == wanted.field]
    if wanted.query:
        fields = [field for field in fields if wanted.query in field.words]
        if wanted.states:
            fields = [field for field in fields if _has(field, wanted.states)]
        return Shown(at, tuple(field.path for field in fields), ()) if fields else None
    if wanted.only == "all" and not wanted.states:
        rows = tuple(field.path for field in fields) or ((WHOLE,) if unit.failed else ())
        return Shown(at, rows, ()) if rows else None
    states = wanted.states or tuple(LOUD)
    loud = sorted(
        (field for field in fields if _has(field, set(states) - {"failed"})),
        key=lambda field: -field.disagreeing,
    )
    failed = bool(unit.failed) and not wanted.field and (not wanted.states or "failed" in states)
    if not loud and not failed:
        return None
    rows = tuple(field.path for field in loud) or (WHOLE,)
    return Shown(at, rows, tuple(field.path for field in fields if field.path not in rows))


def _has(field: Known, states: Sequence[str] | set[str]) -> bool:
    return any(state in states for state in field.states)


def _rank(unit: Unit) -> tuple[int, int]:
    return -sum(field.disagreeing > 0 for field in unit.fields), -len(unit.failed)
