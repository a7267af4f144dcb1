"""By field: precision, recall, F1 and accuracy of each field, over all texts or of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from llmwidgets.analysis.grounding import Grounding, SourceText, ground
from llmwidgets.analysis.leaves import NOTHING, is_empty, says_no_value
from llmwidgets.analysis.scoring import Rows
from llmwidgets.comparison.differences import read_all_results, read_text_results

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.analysis.grounding import ExampleLeakage
    from llmwidgets.analysis.scoring import Cell
    from llmwidgets.comparison.aggregate import VariantStats
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.engine.request_builder import Document


FIGURES = (
    "labelled", "right", "accuracy", "precision", "recall", "f1", "invented", "missed",
    "nulls_in_words",
)  # fmt: skip
ROWS = ("rows", "rows_right", "rows_invented", "rows_missed")
"""Of the rows of a list: those of truth in all, wholly right, invented, and without an answer."""

_SHARES = ("accuracy", "precision", "recall", "f1")


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
class FieldCounts:
    """The counts of every field of one variant, by the schema's path."""

    fields: dict[str, FieldCount] = field(default_factory=dict)

    def add(self, cells: Iterable[Cell], times: int = 1) -> None:
        """Count the cells of one text; `times` -1 takes them back."""
        for cell in cells:
            if cell.right is None:
                continue
            count = self.fields.setdefault(cell.pattern, FieldCount())
            count.add(cell, times)
            if not count.labelled:
                del self.fields[cell.pattern]

    def copy(self) -> FieldCounts:
        """The same counts, to go on from."""
        return FieldCounts({name: replace(count) for name, count in self.fields.items()})

    @property
    def total(self) -> FieldCount:
        """The cells of all fields together."""
        names = [each.name for each in fields(FieldCount)]
        return FieldCount(
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
        (name, label, *_figures(tally.counts.fields.get(name, FieldCount())), *_rows(tally, name))
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
    for answers in read_all_results(comparison):
        for rows, label, marked in zip(found, comparison.labels, answers.marks, strict=True):
            if marked.accuracy is None:
                continue
            counts = FieldCounts()
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


def _rows(tally: VariantStats, name: str) -> tuple[int, ...]:
    rows = tally.lists.get(name, Rows())
    return rows.total, rows.right, rows.invented, rows.missed


def _figures(count: FieldCount) -> tuple[object, ...]:
    return tuple(getattr(count, name) for name in FIGURES)


# -- Grounded: which values of the variants stand in their text, and which were copied or made up.

Flag = Literal["", "absent", "copied"]
FLAGS: tuple[Flag, ...] = ("", "absent", "copied")
FLAG_WORDS: dict[Flag, str] = {
    "": "", "absent": "not in the text", "copied": "copied from an example"
}  # fmt: skip
"""A fact beside a value's state: it stands nowhere in the text, or in an example alone."""
KINDS = ("exact", "normalised", "fuzzy", "absent")


class TextGrounding:
    """One text in which values are looked for; each is looked for once, whoever gave it."""

    def __init__(self, text: Document, copying: Sequence[ExampleLeakage] = ()) -> None:
        self._source = SourceText(text.text)
        self._leaves = {leaf.path: leaf for leaf in text.schema.leaves}
        self._copying = copying
        self._found: dict[tuple[type, Any, str], Grounding] = {}

    def locate(self, value: Any, pattern: str) -> Grounding | None:
        """Where a field's value stands; None where there is nothing to look for, or in."""
        unreadable = value is None or value is NOTHING or isinstance(value, list | dict)
        # Words for nothing are not a value that the text could hold.
        if unreadable or says_no_value(value) or not self._source.text:
            return None
        key = (type(value), value, pattern)
        if key not in self._found:
            self._found[key] = ground(value, self._source, self._leaves.get(pattern))
        return self._found[key]

    def flag(self, value: Any, pattern: str, variant: int) -> Flag:
        """Whether the value stands nowhere in the text, or in this variant's examples alone."""
        found = self.locate(value, pattern)
        if found is None or found.kind != "absent":
            return ""
        own = self._copying[variant] if variant < len(self._copying) else None
        leaf = self._leaves.get(pattern)
        return "copied" if own and own.is_copied(value, self._source, leaf) else "absent"


@dataclass(slots=True)
class GroundingCount:
    """One variant's values by where they stand; `copied` ones are among the absent."""

    exact: int = 0
    normalised: int = 0
    fuzzy: int = 0
    absent: int = 0
    copied: int = 0

    @property
    def values(self) -> int:
        """How many values were looked for."""
        return self.exact + self.normalised + self.fuzzy + self.absent

    def add(self, kind: str, flag: Flag) -> None:
        """Count one value that was looked for."""
        setattr(self, kind, getattr(self, kind) + 1)
        self.copied += flag == "copied"


def count_grounding(
    comparison: Comparison, texts: Sequence[int] | None = None
) -> list[GroundingCount]:
    """A count a variant over these texts, all of them by default."""
    counts = [GroundingCount() for _ in comparison.variants]
    for at in range(len(comparison.texts)) if texts is None else texts:
        grounds = TextGrounding(comparison.texts[at], comparison.copyings)
        for answers in read_text_results(comparison, at):
            for variant, marked in enumerate(answers.marks):
                for cell in marked.cells:
                    found = grounds.locate(cell.value, cell.pattern)
                    if found is not None and found.kind in KINDS:
                        flag = grounds.flag(cell.value, cell.pattern, variant)
                        counts[variant].add(found.kind, flag)
    return counts


def grounding_frame(comparison: Comparison) -> pd.DataFrame:
    """One row per variant: values by where they are found; rates are shares of those looked for."""
    import pandas as pd

    rows = []
    for label, count in zip(comparison.labels, count_grounding(comparison), strict=True):
        kinds = [getattr(count, kind) for kind in KINDS]
        of = count.values or float("nan")
        rows.append(
            (label, count.values, *kinds, count.copied, count.absent / of, count.copied / of)
        )
    names = ["variant", "values", *KINDS, "copied", "absent_rate", "copied_rate"]
    return pd.DataFrame(rows, columns=pd.Index(names))
