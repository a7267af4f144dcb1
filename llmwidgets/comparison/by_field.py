"""By field: precision, recall, F1 and accuracy of each field, and how far variants agree."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.alignment import NOTHING, is_empty
from llmwidgets.comparison.marks import against, has_data
from llmwidgets.comparison.rows import Place

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.analysis.scoring import Cell
    from llmwidgets.comparison.comparison import Comparison

FIELDS = (
    "field", "variant", "labelled", "right", "accuracy", "precision", "recall", "f1", "invented",
    "missed",
)  # fmt: skip


@dataclass(slots=True)
class Count:
    """The cells of one field: labelled and right; values given, values wanted, values right.

    Precision is found / given, recall found / wanted: a null that is rightly null counts for the
    accuracy alone.
    """

    labelled: int = 0
    right: int = 0
    given: int = 0
    wanted: int = 0
    found: int = 0
    invented: int = 0
    missed: int = 0

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
        given, wanted = not is_empty(cell.value), not is_empty(cell.truth)
        self.labelled += times
        self.right += times * cell.right
        self.given += times * given
        self.wanted += times * wanted
        self.found += times * (cell.right and given and wanted)
        self.invented += times * (given and not wanted)
        self.missed += times * (wanted and not given)

    @property
    def accuracy(self) -> float | None:
        return self.right / self.labelled if self.labelled else None

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
    """A row a field and variant, in the order of the schema; shares are 0–1, NaN is unknown."""
    import pandas as pd

    tallies = comparison.reading.tallies
    names = dict.fromkeys(
        [leaf.path for text in comparison.texts for leaf in text.schema.leaves]
        + [name for tally in tallies for name in tally.counts.fields]
    )
    rows = [
        (
            name, label, count.labelled, count.right, count.accuracy, count.precision,
            count.recall, count.f1, count.invented, count.missed,
        )
        for name in names
        for label, tally in zip(comparison.labels, tallies, strict=True)
        if (count := tally.counts.fields.get(name)) is not None
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=pd.Index(FIELDS))
    shares = ["accuracy", "precision", "recall", "f1"]
    return frame.astype(dict.fromkeys(shares, float))


def agreement_frame(comparison: Comparison, field: str | None = None) -> pd.DataFrame:
    """How far each two variants say the same: shares 0–1 of the cells both answered.

    Needs no truth: one variant's record stands in for it, and the other's is compared by the
    same rules. The share is the mean of both directions. `field` keeps one field.
    """
    import pandas as pd

    labels = comparison.labels
    table = [[1.0 if a == b else float("nan") for b in labels] for a in labels]
    sums = {pair: [0, 0] for pair in combinations(range(len(labels)), 2)}
    for at, text in enumerate(comparison.texts):
        for repeat in range(comparison.repeats):
            places = [Place(variant, at, repeat) for variant in range(len(labels))]
            found = [comparison.extraction(place) for place in places]
            for (a, b), counted in sums.items():
                if not (has_data(found[a]) and has_data(found[b])):
                    continue
                same = _same(found[a].data, found[b].data)
                for one, other in ((a, b), (b, a)):
                    scored = against(
                        text.schema, found[other].data, found[one].data, comparison.scoring
                    )
                    for cell in scored.cells:
                        if field in (None, cell.pattern) and not _both_silent(cell):
                            counted[0] += same or bool(cell.right)
                            counted[1] += 1
    for (a, b), (right, of) in sums.items():
        if of:
            table[a][b] = table[b][a] = right / of
    return pd.DataFrame(table, index=pd.Index(labels), columns=pd.Index(labels))


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _both_silent(cell: Cell) -> bool:
    """Nothing said on either side, an open key on one: no answer to agree on."""
    return (cell.value is NOTHING and is_empty(cell.truth)) or (
        cell.truth is NOTHING and is_empty(cell.value)
    )
