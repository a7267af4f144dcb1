"""What the page shows of slices: by which column, which of them alone, and each with figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypedDict

from llmwidgets import formatting
from llmwidgets.analysis.statistics.intervals import FEWEST_TEXTS
from llmwidgets.comparison.measures.aggregate import sampled_agreement
from llmwidgets.comparison.measures.scores import score_rows
from llmwidgets.comparison.measures.slices import (
    Slice,
    chance_note,
    column_names,
    fold_slices,
    read_parts,
    scored_texts,
    slice_texts,
)
from llmwidgets.formatting import count, escape_controls, shorten
from llmwidgets.widgets.panel import Content

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison

_LONGEST = 60
_BEST = "best"


class _SliceCell(TypedDict):
    """One variant in one slice; `behind` is how far the best one seen there is ahead."""

    right: str
    interval: list[float | None] | None
    range: str
    behind: str


class _SliceRow(TypedDict):
    """One slice with a cell for each variant; `few` where its texts are too few to tell."""

    name: str
    said: str
    few: bool
    cells: list[_SliceCell]


class SlicesState(TypedDict):
    """Every slice by the chosen column; `measure` is what the cells say, in percent."""

    by: str
    measure: str
    scale: list[int]
    step: int
    rows: list[_SliceRow]
    said: str


class SlicingState(TypedDict):
    """What can be chosen: columns by name and words, slices in words; `only` -1 is all texts."""

    columns: list[list[str]]
    by: str
    all: str
    slices: list[str]
    only: int


NOT_SLICED: SlicingState = {"columns": [], "by": "", "all": "", "slices": [], "only": -1}
"""Where nothing can be chosen, as in a view of one comparison alone."""


class SliceChoice:
    """By which column of the texts the scores are shown, and of which slice alone.

    The choice is kept here, so that labels and a page that is drawn anew leave it as it is. What
    slices are called are values of the user's: they reach the page by messages alone.
    """

    def __init__(self) -> None:
        self.by = self.name = ""
        self._columns: list[str] | None = None
        self._slices: tuple[Slice, ...] = ()
        self._parts: tuple[Comparison, list[tuple[Slice, Comparison]]] | None = None

    def begin(self, comparison: Comparison) -> None:
        """Another comparison: the choice stays where its texts have the same column and slice."""
        self._columns, self._slices, self._parts = None, (), None
        self._put(comparison, self.by, self.name)

    def take(self, comparison: Comparison, content: Content) -> None:
        """The choice out of a message of the page; anything odd chooses all texts."""
        by, at = str(content.get("by", self.by)), content.get("at")
        self._put(comparison, by, "")
        if isinstance(at, int) and 0 <= at < len(self._slices):
            self.name = self._slices[at].name

    def _put(self, comparison: Comparison, by: str, name: str) -> None:
        known = bool(by) and by in column_names(comparison.texts)
        if not known or by != self.by or not self._slices:
            self._slices = fold_slices(slice_texts(comparison, by)) if known else ()
            self._parts = None
        self.by = by if known else ""
        self.name = name if any(each.name == name for each in self._slices) else ""

    @property
    def chosen(self) -> Slice | None:
        """The slice that is shown alone."""
        return next((each for each in self._slices if self.name == each.name), None)

    @property
    def words(self) -> str:
        """The chosen slice in words; empty where all texts are shown."""
        return f"{_words(self.by)}: {_words(self.name)}" if self.name else ""

    def parts(self, comparison: Comparison) -> list[tuple[Slice, Comparison]]:
        """Every slice as a comparison, made once for the comparison that is shown."""
        if self._parts is None or self._parts[0] is not comparison:
            parts = list(read_parts(comparison, self._slices, self.by))
            self._parts = comparison, parts
        return self._parts[1]

    def selected(self, comparison: Comparison) -> Comparison:
        """The comparison of the chosen texts: all of them where none were chosen."""
        if not self.name:
            return comparison
        alone = (part for each, part in self.parts(comparison) if each.name == self.name)
        return next(alone, comparison)

    def offered(self, comparison: Comparison) -> list[str]:
        """The columns that put several texts together, and not all of them."""
        if self._columns is None:
            self._columns = [
                name
                for name in column_names(comparison.texts)
                if 1 < len(slice_texts(comparison, name)) < len(comparison.texts)
            ]
        return self._columns

    def slicing(self, comparison: Comparison) -> SlicingState:
        """What can be chosen, and what is."""
        names = [each.name for each in self._slices]
        return {
            "columns": [[name, _words(name)] for name in self.offered(comparison)],
            "by": self.by,
            "all": f"All {count(len(comparison.texts), 'text')}",
            "slices": [
                f"{_words(each.name)} ({count(len(each.texts), 'text')})" for each in self._slices
            ],
            "only": names.index(self.name) if self.name else -1,
        }

    def view(self, comparison: Comparison, letters: Sequence[str]) -> SlicesState | None:
        """The figures of each slice, variants in this order; None where no column is chosen."""
        if not self.by:
            return None
        parts = self.parts(comparison)
        scored = any(row.accuracy is not None for _, part in parts for row in score_rows(part))
        rows = [_row(each, part, letters, scored=scored) for each, part in parts]
        low, high, step = round_scale(list(_ends(rows)))
        for row in rows:
            for cell in row["cells"]:
                if cell["interval"] is not None and cell["interval"][0] is not None:
                    cell["interval"][0] = max(low, cell["interval"][0])
        return {
            "by": _words(self.by),
            "measure": "% right" if scored else "% the same as the others",
            "scale": [low, high],
            "step": step,
            "rows": rows,
            "said": chance_note(len(parts)),
        }


def round_scale(ends: Sequence[float]) -> tuple[int, int, int]:
    """Round ends around these, in percent, and the step between lines."""
    if not ends:
        return 0, 100, 25
    low = min(math.floor(min(ends) / 10) * 10, 90)
    step = 5 if low >= 80 else 10 if low >= 40 else 20
    return low - (100 - low) % step, 100, step


def _words(name: str) -> str:
    return escape_controls(shorten(name, _LONGEST))


def _ends(rows: Sequence[_SliceRow]) -> Iterator[float]:
    """What the scale must hold: every value, and the intervals that are narrow enough to tell."""
    for row in rows:
        for cell in row["cells"]:
            if cell["interval"] is not None:
                low, value, _ = cell["interval"]
                yield from (end for end in (value, None if row["few"] else low) if end is not None)


def _row(each: Slice, part: Comparison, letters: Sequence[str], *, scored: bool) -> _SliceRow:
    figures = {row.letter: row for row in score_rows(part)}
    shares = {name: row.accuracy for name, row in figures.items()}
    if not scored and len(figures) > 1:
        agreed = sampled_agreement(part)
        own = [agreed.with_others(at).share() for at in range(len(figures))]
        shares = {
            name: share[0] if share else None for name, share in zip(figures, own, strict=True)
        }
    texts = scored_texts(part) if scored else len(part.texts)
    few = texts < FEWEST_TEXTS
    known = [share for share in shares.values() if share is not None]
    best = max(known, default=math.nan) if scored and not few and len(known) > 1 else None
    cells: list[_SliceCell] = []
    for letter in letters:
        row, share = figures[letter], shares[letter]
        low, high = row.accuracy_low, row.accuracy_high
        ends = [formatting.percentage(end) for end in (low, share, high)]
        behind = "" if best is None or share is None else _BEST
        if behind and best is not None and share is not None and share < best:
            behind = formatting.signed_points(100 * (share - best))
        cells.append(
            {
                "right": formatting.percent(share),
                "interval": None if share is None else ends,
                "range": formatting.interval(low, high),
                "behind": behind,
            }
        )
    said = count(texts, "text")
    if texts < len(part.texts):
        said = f"{texts:,} of {count(len(part.texts), 'text')} scored"
    return {
        "name": _words(each.name),
        "said": f"{said}: too few to tell" if few else said,
        "few": few,
        "cells": cells,
    }
