"""Metrics that need no truth: how far variants agree, and which values are in their text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from llmwidgets.analysis.grounding import ExampleLeakage, Grounding, SourceText, ground
from llmwidgets.analysis.leaves import NOTHING, is_empty, says_no_value
from llmwidgets.comparison.core import CellKey, ResultData, Rules
from llmwidgets.comparison.text_result import has_data, read_text_results, score_against
from llmwidgets.comparison.texts import spread_evenly
from llmwidgets.dialects.types import Example

if TYPE_CHECKING:
    from llmwidgets.analysis.scoring import Cell
    from llmwidgets.engine.request_builder import Document


_MOST_TEXTS, _MOST_PAIRS = 500, 3_000


@dataclass(slots=True)
class SharedCells:
    """The cells that two variants were compared in, by field: those that say the same, and all.

    Each cell counts twice: once with either record in the place of truth.
    """

    same: Counter[str] = field(default_factory=Counter)
    of: Counter[str] = field(default_factory=Counter)

    def add(self, more: SharedCells) -> None:
        """Count what was found in one text."""
        self.same.update(more.same)
        self.of.update(more.of)

    def share(self, name: str | None = None) -> tuple[float, int] | None:
        """The share that is the same, 0–1, and of how many cells; None if there are none."""
        same, of = (each.total() if name is None else each[name] for each in (self.same, self.of))
        return (same / of, (of + 1) // 2) if of else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Each two variants, counted from 0, with what they share in a number of texts."""

    variants: int
    pairs: dict[tuple[int, int], SharedCells]
    texts: int

    @property
    def fields(self) -> list[str]:
        """The schema's paths that were compared."""
        return list(dict.fromkeys(name for each in self.pairs.values() for name in each.of))

    def between(self, a: int, b: int) -> SharedCells:
        """What two variants share."""
        return self.pairs[min(a, b), max(a, b)]

    def with_others(self, variant: int) -> SharedCells:
        """What one variant shares with all others together."""
        whole = SharedCells()
        for other in range(self.variants):
            if other != variant:
                whole.add(self.between(variant, other))
        return whole


def measure_agreement(results: ResultData, texts: Sequence[int] | None = None) -> Agreement:
    """Compare every two variants in these texts, all of them by default, by the same rules."""
    count = len(results.variants)
    pairs = {pair: SharedCells() for pair in combinations(range(count), 2)}
    texts = range(len(results.texts)) if texts is None else texts
    for at in texts:
        for repeat in range(results.repeats):
            places = [CellKey(variant, at, repeat) for variant in range(count)]
            extractions = [results.extraction(place) for place in places]
            data = {n: each.data for n, each in enumerate(extractions) if has_data(each)}
            for pair, shared in _in_text(results.texts[at], data, results.scoring):
                pairs[pair].add(shared)
    return Agreement(count, pairs, len(texts))


def sampled_agreement(results: ResultData) -> Agreement:
    """The agreement in a few texts, evenly spread, so that it is there at once."""
    variants = len(results.variants)
    pairs = max(1, variants * (variants - 1) // 2)
    most = max(10, min(_MOST_TEXTS, _MOST_PAIRS // pairs))
    return measure_agreement(results, spread_evenly(len(results.texts), most))


def _in_text(
    text: Document, data: dict[int, Any], scoring: Rules
) -> Iterator[tuple[tuple[int, int], SharedCells]]:
    """Each two variants that answered; records that are alike are compared once for all."""
    written = {at: json.dumps(each, sort_keys=True) for at, each in data.items()}
    known: dict[tuple[str, str], SharedCells] = {}
    for a, b in combinations(data, 2):
        first, second = sorted((written[a], written[b]))
        if (first, second) not in known:
            shared = known[first, second] = SharedCells()
            for one, other in ((data[a], data[b]), (data[b], data[a])):
                _compare(shared, text, one, other, scoring, alike=first == second)
        yield (a, b), known[first, second]


def _compare(
    shared: SharedCells, text: Document, one: Any, other: Any, scoring: Rules, *, alike: bool
) -> None:
    for cell in score_against(text.schema, other, one, scoring).cells:
        if not _both_silent(cell):
            shared.same[cell.pattern] += alike or bool(cell.right)
            shared.of[cell.pattern] += 1


def _both_silent(cell: Cell) -> bool:
    """Nothing on either side, an open key on one: no answer to agree on."""
    return (cell.value is NOTHING and is_empty(cell.truth)) or (
        cell.truth is NOTHING and is_empty(cell.value)
    )


# -- Grounding: which values are in their text, and which were copied or made up.

Flag = Literal["", "absent", "copied"]
FLAGS: tuple[Flag, ...] = ("", "absent", "copied")
FLAG_WORDS: dict[Flag, str] = {
    "": "", "absent": "not in the text", "copied": "copied from an example"
}  # fmt: skip
"""A fact besides a value's state: it is nowhere in the text, or in an example alone."""
KINDS = ("exact", "normalised", "fuzzy", "absent")


class TextGrounding:
    """One text in which values are looked for; each is looked for once, whoever gave it."""

    def __init__(self, text: Document, copying: Sequence[ExampleLeakage] = ()) -> None:
        self._source = SourceText(text.text)
        self._leaves = {leaf.path: leaf for leaf in text.schema.leaves}
        self._copying = copying
        self._found: dict[tuple[type, Any, str], Grounding] = {}

    def locate(self, value: Any, pattern: str) -> Grounding | None:
        """Where a field's value is; None if there is nothing to look for, or in."""
        unreadable = value is None or value is NOTHING or isinstance(value, list | dict)
        # Words for nothing are not a value that the text could hold.
        if unreadable or says_no_value(value) or not self._source.text:
            return None
        key = (type(value), value, pattern)
        if key not in self._found:
            self._found[key] = ground(value, self._source, self._leaves.get(pattern))
        return self._found[key]

    def flag(self, value: Any, pattern: str, variant: int) -> Flag:
        """Whether the value is nowhere in the text, or in this variant's examples alone."""
        grounding = self.locate(value, pattern)
        if grounding is None or grounding.kind != "absent":
            return ""
        own = self._copying[variant] if variant < len(self._copying) else None
        leaf = self._leaves.get(pattern)
        return "copied" if own and own.is_copied(value, self._source, leaf) else "absent"


@dataclass(slots=True)
class GroundingCount:
    """One variant's values by how they are in the text; `copied` ones are among the absent."""

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


def read_leakage(results: ResultData) -> tuple[ExampleLeakage, ...]:
    """For each variant: tells whether a value was copied from the examples it was shown."""
    shown = [each.examples if isinstance(each.examples, tuple) else () for each in results.variants]
    return tuple(
        ExampleLeakage.of((each.text, each.record) for each in shots if isinstance(each, Example))
        for shots in shown
    )


def ground_text(results: ResultData, text: int) -> TextGrounding:
    """One text, in which the values of all variants can be looked for."""
    return TextGrounding(results.texts[text], results.cached(read_leakage))


def count_grounding(
    results: ResultData, texts: Sequence[int] | None = None
) -> list[GroundingCount]:
    """One count per variant over these texts, all of them by default."""
    counts = [GroundingCount() for _ in results.variants]
    for at in range(len(results.texts)) if texts is None else texts:
        grounds = ground_text(results, at)
        for result in read_text_results(results, at):
            for variant, score in enumerate(result.scores):
                for cell in score.cells:
                    grounding = grounds.locate(cell.value, cell.pattern)
                    if grounding is not None and grounding.kind in KINDS:
                        flag = grounds.flag(cell.value, cell.pattern, variant)
                        counts[variant].add(grounding.kind, flag)
    return counts
