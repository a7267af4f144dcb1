"""Answers: what every variant said to one text, scored once for whoever looks at it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.differences import Difference, Said, differences_of, fields_of
from llmwidgets.comparison.marks import Mark, has_data, mark
from llmwidgets.comparison.scored import Place

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.plan import Text


LOUD = frozenset({"differ", "missing", "invented", "null in words"})
"""The states of a cell that says something else than the truth, or than the other variants."""

_INDEX = re.compile(r"\[\d+\]")


def pattern_of(path: str) -> str:
    """The schema's path of a place in a record: `lines[].total` for `lines[2].total`."""
    return _INDEX.sub("[]", path)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of one text: what the truth says and what each variant says.

    `truth` is NOTHING where it is not labelled.
    """

    path: str
    truth: Any
    said: tuple[Said, ...]

    @property
    def pattern(self) -> str:
        """The schema's path."""
        return pattern_of(self.path)

    @property
    def disagreeing(self) -> int:
        """How many variants say something else."""
        return sum(each.state in LOUD for each in self.said)


@dataclass(frozen=True, slots=True)
class Answers:
    """One text (and repeat): an extraction and a mark a variant, and the fields they fill."""

    text: int
    repeat: int
    document: Text
    extractions: tuple[Extraction, ...]
    marks: tuple[Mark, ...]
    fields: tuple[Field, ...]

    @property
    def differences(self) -> list[Difference]:
        """The fields where variants disagree or differ from the truth, and own failures."""
        found = [(each.path, each.truth, each.said) for each in self.fields]
        return differences_of(self.document.id, self.repeat, self.extractions, found)

    @property
    def values(self) -> tuple[Field, ...]:
        """The fields; what one variant says stands alone where there is nothing to compare with."""
        if self.fields or not any(has_data(each) for each in self.extractions):
            return self.fields
        return _alone(self.extractions, [marked.cells for marked in self.marks])


def answers_to(comparison: Comparison, text: int, repeat: int) -> Answers:
    """Read and score what every variant answered to one text."""
    document, scoring = comparison.texts[text], comparison.scoring
    extractions = tuple(
        comparison.extraction(Place(variant, text, repeat))
        for variant in range(len(comparison.variants))
    )
    marks = tuple(mark(each, document, scoring) for each in extractions)
    fields = tuple(Field(*each) for each in fields_of(document, extractions, marks, scoring))
    return Answers(text, repeat, document, extractions, marks, fields)


def answers_in(comparison: Comparison, text: int) -> list[Answers]:
    """The answers to one text, one a repeat."""
    return [answers_to(comparison, text, repeat) for repeat in range(comparison.repeats)]


def answers_of(comparison: Comparison) -> Iterator[Answers]:
    """The answers to every text in its order, its repeats one after the other."""
    for at in range(len(comparison.texts)):
        yield from answers_in(comparison, at)


def _alone(extractions: Sequence[Extraction], cells: Sequence[Sequence[Any]]) -> tuple[Field, ...]:
    paths = dict.fromkeys(cell.path for each in cells for cell in each)
    values = [{cell.path: cell.value for cell in each} for each in cells]
    said = {
        path: tuple(
            Said("agree", values[at].get(path, NOTHING)) if has_data(each) else Said("failed")
            for at, each in enumerate(extractions)
        )
        for path in paths
    }
    return tuple(Field(path, NOTHING, said[path]) for path in paths)
