"""Power: how large a difference some texts can show, and how many texts show one that matters.

"Show" is what the verdict does: that one variant is better than all the others. Four times in five
is the chance of that where the difference is really there and equally large to each of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist

from llmwidgets.analysis.statistics import upper_bounds

FEWEST_TEXTS = 10
"""Under this number of scored texts nothing is said about which is better."""

LEVEL = 0.05
"""The share of misses that every "95 %" allows."""

USUAL_DEVIATION = 0.15
"""The standard deviation of a difference that is assumed before anything is known: the median of
the three pairs of real models on the 50 documents of DocuBench (0.09, 0.15 and 0.19)."""

_MOST_TEXTS = 100_000
_LARGEST_SAMPLE = 400
_COUNTS = (10, 17, 30, 60, 130, 400)
_NORMAL = NormalDist()
_CHANCE = 0.8


@dataclass(frozen=True, slots=True)
class Spread:
    """How the differences of two variants vary from text to text: their shape around 0.

    `worst` has the differences on texts that one of them loses. `known` has the margins that were
    worked out already, by level (see `know`).
    """

    shape: tuple[float, ...]
    worst: tuple[float, ...] = (1.0,)
    known: dict[float, list[float]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, differences: Sequence[float], worst: Iterable[float]) -> Spread:
        """The shape of observed differences, 0 to 1 each; in a sample where they are very many."""
        mean = math.fsum(differences) / len(differences)
        ordered = _some(sorted(each - mean for each in differences))
        return cls(tuple(_centred(ordered)), tuple(_some(sorted(map(float, worst)))))

    @classmethod
    @lru_cache(maxsize=64)
    def usual(cls, deviation: float = USUAL_DEVIATION) -> Spread:
        """A normal shape of this standard deviation."""
        count = 40
        drawn = [_NORMAL.inv_cdf((at + 0.5) / count) for at in range(count)]
        scale = deviation / math.sqrt(math.fsum(each * each for each in drawn) / (count - 1))
        return cls(tuple(each * scale for each in drawn))

    @property
    def deviation(self) -> float:
        """The standard deviation of a difference."""
        count = len(self.shape)
        return math.sqrt(math.fsum(each * each for each in self.shape) / max(1, count - 1))

    def margin(self, texts: int, level: float) -> float:
        """How far the one-sided bound at this level lies from the mean of `texts` texts."""
        if level not in self.known:
            know([(self, level)])
        counts, margins = _COUNTS, self.known[level]
        at = max(counts[0], min(texts, counts[-1]))
        upper = next(i for i, count in enumerate(counts) if count >= at)
        lower = max(0, upper - 1)
        if upper == lower or texts >= counts[-1]:
            # Beyond, the part of a worst text fades with 1/n and the rest with its root.
            normal = -_NORMAL.inv_cdf(level) * self.deviation
            rest = (margins[upper] - normal / math.sqrt(counts[upper])) * counts[upper]
            return normal / math.sqrt(texts) + rest / texts
        part = math.log(texts / counts[lower]) / math.log(counts[upper] / counts[lower])
        return math.exp((1 - part) * math.log(margins[lower]) + part * math.log(margins[upper]))


def know(spreads: Iterable[tuple[Spread, float]]) -> None:
    """Work out the margins of many spreads at their levels in one go: one by one is far slower.

    They are worked out at some numbers of texts, between which they are near to a straight line of
    logs.
    """
    alike: dict[int, list[tuple[Spread, float]]] = {}
    for spread, level in spreads:
        if level not in spread.known:
            alike.setdefault(len(spread.worst), []).append((spread, level))
    for batch in alike.values():
        worst, levels = [spread.worst for spread, _ in batch], [level for _, level in batch]
        columns = []
        for count in _COUNTS:
            values = [_centred(_sampled(each.shape, count)) for each, _ in batch]
            columns.append(upper_bounds(values, worst, levels))
        for (spread, level), margins in zip(batch, zip(*columns, strict=True), strict=True):
            spread.known[level] = [float(each) for each in margins]


def can_show(spread: Spread, texts: int, variants: int = 2, level: float = LEVEL) -> float:
    """The smallest difference, 0 to 1, that `texts` texts show four times in five.

    `level` is that of the two-sided interval.
    """
    chance = deviate(variants) * spread.deviation / math.sqrt(texts)
    return min(1.0, spread.margin(texts, level / 2) + chance)


def texts_needed(
    spread: Spread, matters: float, variants: int = 2, level: float = LEVEL
) -> int | None:
    """How many texts show a difference of `matters` four times in five; None where none do."""
    return _fewest(lambda texts: can_show(spread, texts, variants, level), matters)


def texts_to_equal(spread: Spread, matters: float, level: float = LEVEL) -> int | None:
    """How many texts show of an equal variant, four times in five, that it is as good.

    That is, at most `matters` worse by the one-sided bound at `level`; None where none do.
    """
    return _fewest(lambda texts: _as_good_by(spread, texts, level), matters)


def _as_good_by(spread: Spread, texts: int, level: float) -> float:
    return spread.margin(texts, level) + deviate(2) * spread.deviation / math.sqrt(texts)


def _fewest(least: Callable[[int], float], matters: float) -> int | None:
    """The fewest texts at which `least`, which falls with them, is at most `matters`."""
    if not 0 < matters <= 1:
        return None
    low, high = FEWEST_TEXTS - 1, FEWEST_TEXTS
    while least(high) > matters:
        if high >= _MOST_TEXTS:
            return None
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if least(middle) > matters else (low, middle)
    return high


@lru_cache(maxsize=64)
def deviate(variants: int, chance: float = _CHANCE) -> float:
    """By how many standard errors all differences to the best are seen with this chance.

    For variants of equal spread, whose differences to the best share the best's own chance:
    correlated by a half.

    >>> round(deviate(2), 3), round(deviate(8), 3)
    (0.842, 1.678)
    """
    low, high = -4.0, 6.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _all_seen(middle, variants - 1) < chance else (low, middle)
    return high


def _all_seen(deviate: float, others: int) -> float:
    """The chance that `others` equally correlated normal variables all stay under `deviate`."""
    steps = [-6 + 0.05 * at for at in range(241)]
    return 0.05 * math.fsum(
        _NORMAL.pdf(z) * _NORMAL.cdf(math.sqrt(2) * deviate - z) ** others for z in steps
    )


def _sampled(ordered: Sequence[float], count: int) -> list[float]:
    """`count` values spread evenly over the ordered ones."""
    size = len(ordered)
    return [ordered[min(size - 1, int((at + 0.5) * size / count))] for at in range(count)]


def _some(ordered: Sequence[float]) -> list[float]:
    return _sampled(ordered, min(len(ordered), _LARGEST_SAMPLE))


def _centred(values: Sequence[float]) -> list[float]:
    mean = math.fsum(values) / len(values)
    return [each - mean for each in values]
