"""What the table of fields by variants shows, as JSON for the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmwidgets.comparison.agreement import Agreement
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.field_metrics import Count


MEASURES = (
    ("right", "% right"),
    ("precision", "Precision, %"),
    ("recall", "Recall, %"),
    ("f1", "F1, %"),
    ("invented", "Invented, %"),
    ("missed", "Missed, %"),
    ("nulls_in_words", "Null in words, %"),
)
"""What a cell can say; `invented` and `nulls_in_words` of the places where the truth has nothing,
`missed` of those where it has a value."""
AGREE = (("agree", "% the same as the others"),)

Figure = tuple[float | None, int]
"""A share in percent, None where there is nothing to divide by, and of how many it is."""


def field_view(comparison: Comparison, order: Sequence[int], *, scored: bool) -> dict[str, Any]:
    """A row a field, a cell a variant in this order; the first measure's hardest field first."""
    measures = MEASURES if scored else AGREE if len(order) > 1 else ()
    found = _scored(comparison, order) if scored else _agreeing(comparison.agreeing, order)
    first = measures[0][0] if measures else ""
    rows = [_row(name, cells, first) for name, cells in found if measures]
    return {
        "measures": [list(each) for each in measures],
        "rows": sorted(
            (row for row in rows if row["least"] is not None),
            key=lambda row: (row["least"], row["mean"]),
        ),
    }


def _row(path: str, cells: list[dict[str, Figure] | None], first: str) -> dict[str, Any]:
    shares = [each[first][0] for each in cells if each is not None]
    known = [share for share in shares if share is not None]
    return {
        "path": path,
        "name": path or "value",
        "cells": [each and {name: list(figure) for name, figure in each.items()} for each in cells],
        "least": min(known, default=None),
        "mean": sum(known) / len(known) if known else None,
    }


def _scored(
    comparison: Comparison, order: Sequence[int]
) -> list[tuple[str, list[dict[str, Figure] | None]]]:
    tallies = [comparison.reading.tallies[at] for at in order]
    names = dict.fromkeys(name for tally in tallies for name in tally.counts.fields)
    found = []
    for name in names:
        counts = [tally.counts.fields.get(name) for tally in tallies]
        found.append((name, [_figures(each) if each else None for each in counts]))
    return found


def _figures(count: Count) -> dict[str, Figure]:
    empty = count.labelled - count.wanted
    return {
        "right": _share(count.right + count.part, count.labelled),
        "precision": _share(count.found, count.given),
        "recall": _share(count.found, count.wanted),
        "f1": _share(2 * count.found, count.given + count.wanted, count.labelled),
        "invented": _share(count.invented, empty),
        "missed": _share(count.missed, count.wanted),
        "nulls_in_words": _share(count.nulls_in_words, empty),
    }


def _share(part: float, whole: int, of: int | None = None) -> Figure:
    return (100 * part / whole if whole else None), whole if of is None else of


def _agreeing(
    agreement: Agreement, order: Sequence[int]
) -> list[tuple[str, list[dict[str, Figure] | None]]]:
    shared = [agreement.with_others(at) for at in order]
    return [
        (
            name,
            [
                {"agree": (100 * found[0], found[1])} if (found := each.share(name)) else None
                for each in shared
            ],
        )
        for name in agreement.fields
    ]
