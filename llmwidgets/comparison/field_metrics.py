"""By field: precision, recall, F1 and accuracy of each field, over all texts or of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from llmwidgets.analysis.leaves import is_empty
from llmwidgets.analysis.scoring import Rows
from llmwidgets.comparison.answers import answers_of

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.analysis.scoring import Cell
    from llmwidgets.comparison.aggregate import Tally
    from llmwidgets.comparison.comparison import Comparison


FIGURES = (
    "labelled", "right", "accuracy", "precision", "recall", "f1", "invented", "missed",
    "nulls_in_words",
)  # fmt: skip
ROWS = ("rows", "rows_right", "rows_invented", "rows_missed")
"""Of the rows of a list: those of truth in all, wholly right, invented, and without an answer."""

_SHARES = ("accuracy", "precision", "recall", "f1")


@dataclass(slots=True)
class Count:
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

    def add(self, cell: Cell, times: int = 1) -> None:
        """Count one cell; one that truth does not label is left out. `times` -1 takes it back."""
        if cell.right is None:
            return
        if cell.right and type(cell.truth) is str and cell.truth:
            self.labelled += times
            self.right += times
            self.given += times
            self.wanted += times
            self.found += times
            return
        wanted, in_words = not is_empty(cell.truth), cell.state == "null in words"
        given = not (in_words or cell.state == "missing" or is_empty(cell.value))
        self.labelled += times
        self.right += times * cell.right
        self.given += times * given
        self.wanted += times * wanted
        self.found += times * (cell.right and given and wanted)
        self.invented += times * (given and not wanted)
        self.missed += times * (wanted and not given)
        self.nulls_in_words += times * in_words
        self.part += times * cell.part

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


@dataclass(slots=True)
class Counts:
    """The counts of every field of one variant, by the schema's path."""

    fields: dict[str, Count] = field(default_factory=dict)

    def add(self, cells: Iterable[Cell], times: int = 1) -> None:
        """Count the cells of one text; `times` -1 takes them back."""
        for cell in cells:
            if cell.right is None:
                continue
            count = self.fields.setdefault(cell.pattern, Count())
            count.add(cell, times)
            if not count.labelled:
                del self.fields[cell.pattern]

    def copy(self) -> Counts:
        """The same counts, to go on from."""
        return Counts({name: replace(count) for name, count in self.fields.items()})

    @property
    def total(self) -> Count:
        """The cells of all fields together."""
        names = [each.name for each in fields(Count)]
        return Count(
            **{name: sum(getattr(each, name) for each in self.fields.values()) for name in names}
        )


def field_frame(comparison: Comparison) -> pd.DataFrame:
    """One row per field and variant, in the order of the schema; shares are 0–1, NaN is unknown.

    A list has its rows counted beside its pattern (`lines[]`).
    """
    import pandas as pd

    tallies = comparison.reading.tallies
    names = dict.fromkeys(
        [leaf.path for text in comparison.texts for leaf in text.schema.leaves]
        + [name for tally in tallies for name in (*tally.counts.fields, *tally.lists)]
    )
    rows = [
        (name, label, *_figures(tally.counts.fields.get(name, Count())), *_rows(tally, name))
        for name in names
        for label, tally in zip(comparison.labels, tallies, strict=True)
        if name in tally.counts.fields or name in tally.lists
    ]
    frame = pd.DataFrame(rows, columns=pd.Index(("field", "variant", *FIGURES, *ROWS)))
    return frame.astype(dict.fromkeys(_SHARES, float))


def text_frame(comparison: Comparison) -> pd.DataFrame:
    """One row per scored extraction, variant by variant; shares are 0–1, NaN is unknown.

    Where a function scores the whole record, `accuracy` is the share that it gives.
    """
    import pandas as pd

    found: list[list[tuple[object, ...]]] = [[] for _ in comparison.variants]
    for answers in answers_of(comparison):
        for rows, label, marked in zip(found, comparison.labels, answers.marks, strict=True):
            if marked.accuracy is None:
                continue
            counts = Counts()
            counts.add(marked.cells)
            row = dict(zip(FIGURES, _figures(counts.total), strict=True))
            row["accuracy"] = marked.accuracy
            of_lists = [getattr(marked, name) for name in ROWS]
            rows.append((label, answers.document.id, answers.repeat, *row.values(), *of_lists))
    frame = pd.DataFrame(
        [row for rows in found for row in rows],
        columns=pd.Index(("variant", "text_id", "repeat", *FIGURES, *ROWS)),
    )
    return frame.astype(dict.fromkeys(_SHARES, float))


def _rows(tally: Tally, name: str) -> tuple[int, ...]:
    rows = tally.lists.get(name, Rows())
    return rows.total, rows.right, rows.invented, rows.missed


def _figures(count: Count) -> tuple[object, ...]:
    return tuple(getattr(count, name) for name in FIGURES)
