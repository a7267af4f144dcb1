"""Agreement: how far variants say the same; it needs no truth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.leaves import NOTHING, is_empty
from llmwidgets.comparison.marks import against, has_data
from llmwidgets.comparison.scored import Place
from llmwidgets.comparison.texts import spread

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.analysis.scoring import Cell
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.marks import Rules
    from llmwidgets.engine.plan import Text


_MOST_TEXTS, _MOST_PAIRS = 500, 3_000


@dataclass(slots=True)
class Shared:
    """The cells that two variants were compared in, by field: those that say the same, and all.

    Each cell counts twice: once with either record in the place of truth.
    """

    same: Counter[str] = field(default_factory=Counter)
    of: Counter[str] = field(default_factory=Counter)

    def add(self, more: Shared) -> None:
        """Count what was found in one text."""
        self.same.update(more.same)
        self.of.update(more.of)

    def share(self, name: str | None = None) -> tuple[float, int] | None:
        """The share that is the same, 0–1, and of how many cells; None where there is none."""
        same, of = (each.total() if name is None else each[name] for each in (self.same, self.of))
        return (same / of, (of + 1) // 2) if of else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Each two variants, counted from 0, with what they share in a number of texts."""

    variants: int
    pairs: dict[tuple[int, int], Shared]
    texts: int

    @property
    def fields(self) -> list[str]:
        """The schema's paths that were compared."""
        return list(dict.fromkeys(name for each in self.pairs.values() for name in each.of))

    def between(self, a: int, b: int) -> Shared:
        """What two variants share."""
        return self.pairs[min(a, b), max(a, b)]

    def with_others(self, variant: int) -> Shared:
        """What one variant shares with all others together."""
        whole = Shared()
        for other in range(self.variants):
            if other != variant:
                whole.add(self.between(variant, other))
        return whole


def agreement_of(comparison: Comparison, texts: Sequence[int] | None = None) -> Agreement:
    """Compare every two variants in these texts, all of them by default, by the same rules."""
    count = len(comparison.variants)
    pairs = {pair: Shared() for pair in combinations(range(count), 2)}
    texts = range(len(comparison.texts)) if texts is None else texts
    for at in texts:
        for repeat in range(comparison.repeats):
            places = [Place(variant, at, repeat) for variant in range(count)]
            found = [comparison.extraction(place) for place in places]
            data = {n: each.data for n, each in enumerate(found) if has_data(each)}
            for pair, shared in _in_text(comparison.texts[at], data, comparison.scoring):
                pairs[pair].add(shared)
    return Agreement(count, pairs, len(texts))


def at_a_glance(comparison: Comparison) -> Agreement:
    """The agreement in so few texts, evenly spread, that it is there at once."""
    variants = len(comparison.variants)
    pairs = max(1, variants * (variants - 1) // 2)
    most = max(10, min(_MOST_TEXTS, _MOST_PAIRS // pairs))
    return agreement_of(comparison, spread(len(comparison.texts), most))


def agreement_frame(comparison: Comparison, field: str | None = None) -> pd.DataFrame:
    """How far each two variants say the same: shares 0–1 of the cells both answered.

    One variant's record stands in for the truth, and the other's is compared by the same rules;
    the share is the mean of both directions. `field` keeps one field.
    """
    import pandas as pd

    labels, agreement = comparison.labels, agreement_of(comparison)
    table = [[1.0 if a == b else float("nan") for b in labels] for a in labels]
    for (a, b), shared in agreement.pairs.items():
        found = shared.share(field)
        if found is not None:
            table[a][b] = table[b][a] = found[0]
    return pd.DataFrame(table, index=pd.Index(labels), columns=pd.Index(labels))


def _in_text(
    text: Text, data: dict[int, Any], scoring: Rules
) -> Iterator[tuple[tuple[int, int], Shared]]:
    """Each two variants that answered; records that are alike are compared once for all."""
    written = {at: json.dumps(each, sort_keys=True) for at, each in data.items()}
    known: dict[tuple[str, str], Shared] = {}
    for a, b in combinations(data, 2):
        first, second = sorted((written[a], written[b]))
        if (first, second) not in known:
            shared = known[first, second] = Shared()
            for one, other in ((data[a], data[b]), (data[b], data[a])):
                _compare(shared, text, one, other, scoring, alike=first == second)
        yield (a, b), known[first, second]


def _compare(
    shared: Shared, text: Text, one: Any, other: Any, scoring: Rules, *, alike: bool
) -> None:
    for cell in against(text.schema, other, one, scoring).cells:
        if not _both_silent(cell):
            shared.same[cell.pattern] += alike or bool(cell.right)
            shared.of[cell.pattern] += 1


def _both_silent(cell: Cell) -> bool:
    """Nothing said on either side, an open key on one: no answer to agree on."""
    return (cell.value is NOTHING and is_empty(cell.truth)) or (
        cell.truth is NOTHING and is_empty(cell.value)
    )
