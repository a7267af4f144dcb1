"""Which values to look at first: what speaks against each value, its doubt, and their order."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import nan
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING, is_same_scalar
from llmwidgets.analysis.same_values import group_values
from llmwidgets.analysis.statistics.doubt import (
    FEWEST,
    FEWEST_GROUPS,
    GROUNDINGS,
    Doubts,
    Found,
    Signals,
    doubts_of,
)
from llmwidgets.comparison.core import ResultData, measure_once
from llmwidgets.comparison.measures.groundings import (
    COPIED,
    WORDS,
    ground_value,
    read_groundings,
)
from llmwidgets.comparison.measures.kept_scores import VariantValue
from llmwidgets.comparison.measures.stability import merge_repeats
from llmwidgets.comparison.measures.text_result import (
    FieldResult,
    TextGrounding,
    TextResult,
    comparator_of,
    ground_text,
    read_text_results,
)
from llmwidgets.errors import FieldError
from llmwidgets.formatting import count

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.analysis.comparators import FieldComparator

_ITEM = re.compile(r"\[\d+\]")
LABELS = 20
"""How many labels the notes say what they find of."""


class ReviewRow(NamedTuple):
    """One field of one text: the doubt of each variant's value, None if it has none, and a label.

    With too few labels doubts are None throughout, and the order is all there is. A row has all
    repeats: `repeat` is 0.
    """

    text: int
    repeat: int
    path: str
    doubts: tuple[float | None, ...]
    labelled: bool


# -- What speaks against each value, in one pass over all texts.


@dataclass(slots=True)
class _Columns:
    """The signals while they are read: some of each row, which is one field, others of each value.

    A code is given to each new place and field; `sizes` has the number of values of each row.
    """

    groups: dict[str, int] = field(default_factory=dict)
    places: dict[tuple[int, str], int] = field(default_factory=dict)
    fields: dict[tuple[Any, str], int] = field(default_factory=dict)
    rows: list[tuple[int, str]] = field(default_factory=list)
    sizes: array[int] = field(default_factory=lambda: array("q"))
    of_rows: dict[str, array[int]] = field(
        default_factory=lambda: {name: array("q") for name in ("text", "place", "field")}
    )
    of_values: dict[str, array[int]] = field(
        default_factory=lambda: {
            name: array("b" if name != "variant" else "i")
            for name in ("variant", "grounding", "right")
        }
    )
    repeat: array[int] = field(default_factory=lambda: array("i"))
    shares: dict[str, array[float]] = field(
        default_factory=lambda: {name: array("d") for name in ("disagreement", "instability")}
    )

    def signals(self) -> Signals:
        """Everything by value."""
        import numpy as np

        sizes = np.array(self.sizes, np.int64)
        rows: dict[str, Any] = {
            name: np.repeat(np.array(each), sizes) for name, each in self.of_rows.items()
        }
        values: dict[str, Any] = {
            name: np.array(each, np.int64) for name, each in self.of_values.items()
        }
        shares: dict[str, Any] = {name: np.array(each) for name, each in self.shares.items()}
        return Signals(
            groups=[*self.groups], row=np.repeat(np.arange(len(sizes)), sizes),
            **rows, **values, **shares,
        )  # fmt: skip


@dataclass(frozen=True)
class Reviewed:
    """Every value with its doubt; `rows` has the text and the path of each row of the signals."""

    doubts: Doubts
    rows: Sequence[tuple[int, str]]
    repeat: array[int]

    @property
    def known(self) -> bool:
        """Whether anything is known of any value: without it there is nothing to rank by."""
        import numpy as np

        signals = self.doubts.signals
        shares = signals.disagreement, signals.instability
        told = any(not np.isnan(each).all() for each in shares) or signals.grounding.any()
        return bool(len(signals)) and (self.doubts.calibrated or bool(told))


@measure_once
def read_doubts(results: ResultData) -> Reviewed:
    """The doubt of every value, from one pass over all texts."""
    return _read_doubts(results, lambda _: None)


def follow_doubts(results: ResultData, seen: Callable[[int], None]) -> Reviewed:
    """The same; `seen` is told how many texts were read, and other measures need not wait."""
    if read_doubts not in results._measured:
        read = _read_doubts(results, seen)
        results._measured.setdefault(read_doubts, read)
    return read_doubts(results)


def _read_doubts(results: ResultData, seen: Callable[[int], None]) -> Reviewed:
    columns = _Columns()
    for at, text in enumerate(results.texts):
        seen(at)
        group = f"group {text.group}" if text.group else f"text {text.id}"
        of = columns.groups.setdefault(group, len(columns.groups)), text.schema
        comparing = comparator_of(text.schema, results.scoring)
        answers = read_text_results(results, at)
        found = _Found(results, answers)
        for each in _read_rows(results, answers):
            _add_row(columns, at, each, comparing, found, of)
    return Reviewed(doubts_of(columns.signals()), columns.rows, columns.repeat)


def read_fields(results: ResultData, text: int) -> Iterator[FieldResult]:
    """The fields of one text, also those without a label that only one variant answered."""
    return _read_rows(results, read_text_results(results, text))


def _read_rows(results: ResultData, answers: Sequence[TextResult]) -> Iterator[FieldResult]:
    """The same; there is nothing to doubt where nobody gives any value."""
    rows = merge_repeats(results, answers).values
    for row in rows:
        if any(each[1] is not NOTHING and each[0] != "failed" for each in row.values):
            yield row
    alone = all(sum(each.state != "failed" for each in row.values) == 1 for row in rows)
    if not alone or all(row.truth is NOTHING for row in rows):
        return
    known = {row.path for row in rows}
    for result in answers:
        for at, score in enumerate(result.scores):
            for cell in score.cells:
                if cell.right is None and cell.path not in known:
                    known.add(cell.path)
                    given = [VariantValue("failed") for _ in result.scores]
                    given[at] = VariantValue("agree", cell.value)
                    if cell.value is not NOTHING:
                        yield FieldResult(cell.path, NOTHING, tuple(given))


class _Found:
    """How the values of one text are in it, as all views know it."""

    def __init__(self, results: ResultData, answers: Sequence[TextResult]) -> None:
        self._results, self._text = results, answers[0].text
        self._known = [
            [
                {cell[0]: (cell[2], code) for cell, code in zip(score.cells, codes, strict=True)}
                for score, codes in zip(
                    each.scores, read_groundings(results, each).codes, strict=True
                )
            ]
            for each in answers
        ]

    @cached_property
    def _grounds(self) -> TextGrounding:
        return ground_text(self._results, self._text)

    def code(self, row: FieldResult, pattern: str, variant: int) -> int:
        """How a variant's value is in the text, as a place in GROUNDINGS."""
        own = row.values[variant]
        value, code = self._known[own.first if own.groups else 0][variant].get(
            row.path, (NOTHING, 0)
        )
        # Without a label, the items of lists are in the order of another record.
        if value is not own.value and not is_same_scalar(value, own.value):
            code, _ = ground_value(self._grounds, own.value, pattern, variant)
        return _GROUNDING_OF[code]


_GROUNDING_OF = tuple(
    GROUNDINGS.index("copied" if copied else word) if word in GROUNDINGS else 0
    for word, copied in zip(WORDS, COPIED, strict=True)
)


def _add_row(
    columns: _Columns, at: int, row: FieldResult, comparing: FieldComparator, found: _Found,
    of: tuple[int, Any],
) -> None:  # fmt: skip
    """The values of one field."""
    answered = [n for n, each in enumerate(row.values) if each[0] != "failed"]
    given = [row.values[n] for n in answered]
    group, schema = of
    pattern = row.pattern
    item = _ITEM.search(row.path) if "[" in row.path else None
    place = (at, row.path[: item.end()] if item else "")
    columns.sizes.append(len(answered))
    columns.of_rows["text"].append(group)
    columns.of_rows["place"].append(columns.places.setdefault(place, len(columns.places)))
    columns.of_rows["field"].append(
        columns.fields.setdefault((schema, pattern), len(columns.fields))
    )
    columns.rows.append((at, row.path))
    own = columns.of_values
    own["variant"].extend(answered)
    own["grounding"].extend([found.code(row, pattern, n) for n in answered])
    if row.truth is NOTHING:
        own["right"].extend([-1] * len(given))
    else:
        own["right"].extend([each[0] == "agree" for each in given])
    repeats = [_among_repeats(each) for each in given]
    columns.repeat.extend([repeat for repeat, _ in repeats])
    columns.shares["instability"].extend([unsteady for _, unsteady in repeats])
    columns.shares["disagreement"].extend(
        _disagreement([each[1] for each in given], pattern, comparing)
    )


def _disagreement(values: list[Any], pattern: str, comparing: FieldComparator) -> Sequence[float]:
    """For each value the share of the others that say something else; NaN without others."""
    first, others = values[0], len(values) - 1
    if not others:
        return (nan,)
    if all(each is first or (type(each) is type(first) and each == first) for each in values):
        return (0.0,) * len(values)
    sizes = {at: len(group) for group in group_values(values, pattern, comparing) for at in group}
    return [(others + 1 - sizes[at]) / others for at in range(len(values))]


def _among_repeats(value: VariantValue) -> tuple[int, float]:
    """The first repeat that says this, and the share of the others that say something else."""
    if not value.given:
        return 0, nan
    others = sum(map(len, value.groups)) - 1
    same = len(value.groups[0]) - 1
    return value.first, (others - same) / others if others else nan


# -- In which order to look.


@dataclass(frozen=True)
class ReviewOrder(Sequence[ReviewRow]):
    """The rows in the order to look at them; each is made when it is asked for."""

    reviewed: Reviewed
    variants: int

    @cached_property
    def labelled(self) -> Any:
        """Whether a row has a label, by the number of the row."""
        import numpy as np

        signals = self.reviewed.doubts.signals
        labelled = np.zeros(len(self.reviewed.rows), bool)
        labelled[signals.row[signals.labelled]] = True
        return labelled

    @cached_property
    def _order(self) -> Any:
        import numpy as np

        return np.lexsort((-self.reviewed.doubts.rows, self.labelled))

    def __len__(self) -> int:
        return len(self.reviewed.rows)

    @overload
    def __getitem__(self, at: int) -> ReviewRow: ...
    @overload
    def __getitem__(self, at: slice) -> list[ReviewRow]: ...
    def __getitem__(self, at: int | slice) -> ReviewRow | list[ReviewRow]:
        if isinstance(at, slice):
            return [self._row(each) for each in self._order[at].tolist()]
        return self._row(int(self._order[at]))

    def within(self, texts: Iterable[int] | None, most: int) -> tuple[list[ReviewRow], int]:
        """The first rows, of these texts or of all, and how many there are."""
        if texts is None:
            return self[:most], len(self)
        wanted, rows = set(texts), self.reviewed.rows
        places = [each for each in self._order.tolist() if rows[each][0] in wanted]
        return [self._row(each) for each in places[:most]], len(places)

    def _row(self, row: int) -> ReviewRow:
        import numpy as np

        doubts = self.reviewed.doubts
        # The values of one row are next to each other, and rows are numbered as they were read.
        start, end = np.searchsorted(doubts.signals.row, (row, row + 1)).tolist()
        shares: list[float | None] = [None] * self.variants
        for at in range(start, end) if doubts.calibrated else ():
            shares[doubts.signals.variant[at]] = float(doubts.doubts[at])
        text, path = self.reviewed.rows[row]
        return ReviewRow(text, 0, path, tuple(shares), bool(self.labelled[row]))


def review_rows(results: ResultData) -> ReviewOrder:
    """Each field of each text: what has no label first, and the most wrong values expected first.

    Fields of equal doubt are in the order of the texts.
    """
    return ReviewOrder(read_doubts(results), len(results.variants))


_COLUMNS = (
    "text_id", "repeat", "field", "variant", "value", "doubt", "rank", "disagreement",
    "instability", "grounded", "right",
)  # fmt: skip


def review_frame(results: ResultData, most: int | None = None) -> pd.DataFrame:
    """One row per value, those to look at first on top: without a label, and the most doubtful.

    `doubt` is the chance (0–1) that the value is wrong, learned from the labels of other texts; it
    is NaN where there are too few, and the values are only ranked then, by a fixed sum of the same
    signals. `disagreement` is the share of the other variants that answered and say something
    else, by the field's rules of scoring; `instability` the same of the variant's own repeats;
    `grounded` how the value is in its text (`copied`: in an example alone). NaN and "" are unknown.
    A variant asked several times has its most frequent value, with the first repeat that has it.
    `right` is None where there is no label. `most` keeps that many rows.

    `.attrs["calibrated"]` says whether `doubt` is known, `["learned_from"]` from how many texts
    and cells, `["notes"]` in sentences what the order finds, and `["found"]` how many wrong values
    the first 20 labelled fields hold, in this order (`review`), in any (`random`), and by
    `disagreement` alone.
    """
    import numpy as np
    import pandas as pd

    most = _read_most(most)
    read = read_doubts(results)
    doubts, signals = read.doubts, read.doubts.signals
    order = np.lexsort((-doubts.doubts, signals.labelled))[:most]
    values, labels = _values_of(results, read, order.tolist()), results.labels
    frame = pd.DataFrame(
        {
            "text_id": [results.texts[read.rows[row][0]].id for row in signals.row[order].tolist()],
            "repeat": np.array(read.repeat, np.int64)[order],
            "field": [read.rows[row][1] for row in signals.row[order].tolist()],
            "variant": [labels[at] for at in signals.variant[order].tolist()],
            "value": pd.Series(values, dtype=object),
            "doubt": doubts.doubts[order] if doubts.calibrated else np.full(len(order), nan),
            "rank": np.arange(1, len(order) + 1),
            "disagreement": signals.disagreement[order],
            "instability": signals.instability[order],
            "grounded": [GROUNDINGS[kind] for kind in signals.grounding[order].tolist()],
            "right": pd.Series([_RIGHT[at] for at in signals.right[order].tolist()], dtype=object),
        },
        columns=pd.Index(_COLUMNS),
    )
    frame.attrs["calibrated"] = doubts.calibrated
    frame.attrs["learned_from"] = {"texts": doubts.texts, "cells": doubts.values}
    frame.attrs["found"] = _found(doubts)
    frame.attrs["notes"] = list(doubt_notes(results))
    return frame


def _read_most(most: object) -> int | None:
    if most is None:
        return None
    if isinstance(most, bool) or not isinstance(most, Integral) or most < 0:
        raise FieldError({"most": "must be a number of rows, or None for all."}, "Try most=20.")
    return int(most)


_RIGHT = {-1: None, 0: False, 1: True}


def _values_of(results: ResultData, read: Reviewed, order: Sequence[int]) -> list[Any]:
    """The values at these places, each text read once."""
    import numpy as np

    texts = np.array([text for text, _ in read.rows], np.int64)[read.doubts.signals.row]
    values: dict[int, Any] = {}
    for text in np.unique(texts[order]).tolist() if len(order) else ():
        rows = _read_rows(results, read_text_results(results, text))
        given = [each[1] for row in rows for each in row.values if each[0] != "failed"]
        values |= enumerate(given, int(np.searchsorted(texts, text)))
    return [None if values[at] is NOTHING else values[at] for at in order]


def _found(doubts: Doubts) -> dict[str, float]:
    found = doubts.found(LABELS)
    return {
        "labels": LABELS,
        "review": found["doubt"].values,
        "random": found["random"].values,
        "disagreement": found["disagreement"].values,
        "of": doubts.wrong,
    }


# -- What is known of the doubts, in sentences.


def doubt_notes(results: ResultData) -> tuple[str, ...]:
    """What the doubts rest on, what is missing to learn them, and what their order finds."""
    doubts = read_doubts(results).doubts
    return tuple(filter(None, (doubt_basis(results), found_sentence(doubts), *_unknown(results))))


def doubt_basis(results: ResultData) -> str:
    """Where the doubts come from, or what is missing."""
    doubts = read_doubts(results).doubts
    if doubts.calibrated:
        return (
            "The doubt is the chance that a value is wrong, learned from "
            f"{count(doubts.values, 'labelled value')} of {count(doubts.texts, 'text')}; that of a "
            "labelled text is learned from the others."
        )
    labelled = doubts.wrong + doubts.right
    have = f"{count(labelled, 'labelled value')}, {doubts.wrong:,} of them wrong"
    return (
        f"Ranks only: {have if labelled else 'no value is labelled'}. To learn how likely a value "
        f"is wrong takes at least {FEWEST} wrong and {FEWEST} right ones, from at least "
        f"{count(FEWEST_GROUPS, 'text')}."
    )


def find_by_label(doubts: Doubts) -> dict[str, Found] | None:
    """What the first `LABELS` labelled fields hold; None where hardly more are labelled."""
    signals = doubts.signals
    rows = len(set(signals.row[signals.labelled].tolist()))
    return doubts.found(LABELS) if rows > LABELS and doubts.wrong else None


def found_sentence(doubts: Doubts) -> str:
    """What the first labels find, beside chance; "" where hardly more fields are labelled."""
    found = find_by_label(doubts)
    if found is None:
        return ""
    figures = {name: [formatting.average(each) for each in two] for name, two in found.items()}
    by, random, alone = (figures[name] for name in ("doubt", "random", "disagreement"))
    return (
        f"{by[0]} of the first {LABELS} labelled fields had a wrong value ({random[0]} expected at "
        f"random, {alone[0]} by disagreement alone). They have {by[1]} of "
        f"{count(doubts.wrong, 'wrong value')} ({random[1]} at random, {alone[1]} by disagreement "
        "alone)."
    )


def _unknown(results: ResultData) -> Iterator[str]:
    if len(results.variants) == 1:
        yield "There is one variant, so nothing can disagree with its values."
    if results.repeats == 1:
        yield "Each text was asked once, so nothing is known of how steady a value is."
