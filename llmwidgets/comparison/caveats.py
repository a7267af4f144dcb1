"""Caveats: what a mean share of fields right does not tell by itself, as data and in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from llmwidgets import formatting
from llmwidgets.analysis.comparators import RECORD
from llmwidgets.analysis.leaves import NOTHING, is_empty
from llmwidgets.analysis.scoring import failed_score
from llmwidgets.analysis.verdict import MATTERS
from llmwidgets.comparison.texts import spread

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison


SPARSE = 0.5
"""Under this share of labelled fields with a value, what is right is mostly nothing said."""

_MOST_TEXTS = 200
_MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class Sparse:
    """How many of the labelled fields of a text hold a value, on average; `fields` is of how many.

    `precision`, `recall` and `f1` of the values, one for each variant, tell more than the accuracy.
    """

    filled: float
    fields: float
    precision: tuple[float | None, ...]
    recall: tuple[float | None, ...]
    f1: tuple[float | None, ...]

    @property
    def sentence(self) -> str:
        """What a reader of the accuracies has to know."""
        filled, fields = formatting.average(self.filled), formatting.average(self.fields)
        return (
            f"{filled} of {fields} fields hold a value on average, so most of what is right is a "
            "field rightly left empty: precision, recall and F1 count only the fields with a value."
        )


@dataclass(frozen=True, slots=True)
class Pooled:
    """Each variant's share right on the average text, and of the fields of all texts together."""

    labels: tuple[str, ...]
    by_text: tuple[float, ...]
    by_field: tuple[float, ...]

    @property
    def reversed(self) -> bool:
        """Whether two variants are in another order by fields than by texts."""
        pairs = combinations(zip(self.by_text, self.by_field, strict=True), 2)
        return any((one[0] - two[0]) * (one[1] - two[1]) < 0 for one, two in pairs)

    @property
    def apart(self) -> float:
        """The largest distance between the two figures of a variant."""
        both = zip(self.by_text, self.by_field, strict=True)
        return max((abs(text - field) for text, field in both), default=0.0)

    @property
    def sentence(self) -> str:
        """Both figures of each variant."""
        said = [
            f"{label} {formatting.percent(text)} and {formatting.percent(field)}"
            for label, text, field in zip(self.labels, self.by_text, self.by_field, strict=True)
        ]
        more = f" and {len(said) - _MOST_NAMED} more" if len(said) > _MOST_NAMED else ""
        order = " The two figures rank the variants differently." if self.reversed else ""
        return (
            "% of fields right on the average text, and of the fields of all texts together, where "
            f"long texts count for more: {', '.join(said[:_MOST_NAMED])}{more}.{order}"
        )


def sparse(comparison: Comparison) -> Sparse | None:
    """How few labelled fields hold a value; None where half of them do, or nothing is scored."""
    labelled = [text for text in comparison.texts if text.truth is not NOTHING]
    tallies = comparison.reading.tallies
    if not labelled or not any(tally.scores for tally in tallies):
        return None
    looked_at = [labelled[at] for at in spread(len(labelled), _MOST_TEXTS)]
    cells = [cell for text in looked_at for cell in failed_score(text.schema, text.truth).cells]
    filled = sum(not is_empty(cell.truth) for cell in cells)
    if not cells or filled >= SPARSE * len(cells):
        return None
    whole = [tally.counts.total for tally in tallies]
    return Sparse(
        filled / len(looked_at),
        len(cells) / len(looked_at),
        tuple(each.precision for each in whole),
        tuple(each.recall for each in whole),
        tuple(each.f1 for each in whole),
    )


def pooled(comparison: Comparison) -> Pooled | None:
    """By texts and by fields, where the two orders differ or a figure by what matters usually.

    None where a function scores whole records: then no accuracy is a share of fields.
    """
    if callable((comparison.scoring or {}).get(RECORD)):
        return None
    known = [
        (label, accuracy, share)
        for label, tally in zip(comparison.labels, comparison.reading.tallies, strict=True)
        if (accuracy := tally.accuracy) is not None
        and (share := tally.counts.total.accuracy) is not None
    ]
    found = Pooled(*(tuple(each) for each in zip(*known, strict=True))) if known else None
    return found if found and (found.reversed or found.apart > MATTERS) else None


def sentences(comparison: Comparison) -> tuple[str, ...]:
    """What applies, in sentences."""
    found: Sequence[Sparse | Pooled | None] = (sparse(comparison), pooled(comparison))
    return tuple(each.sentence for each in found if each is not None)
