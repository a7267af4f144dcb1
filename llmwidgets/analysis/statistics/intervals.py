"""Intervals: the bounds of means and of rates, and how large a difference some texts can show.

Every interval and every test of the verdict comes from here. A mean of shares is bounded by a
Dirichlet-weighted mean with part of a worst text added: each text gets a random weight
(Rubin's Bayesian bootstrap, 1981), and so does part of one more text, as bad as a text can be: that
is what ten equal texts cannot exclude. With a whole such text the bound is Gaffke's (2004), which
for texts that are only right or wrong is Clopper and Pearson's exact one; `pseudo_mass` is less,
as much as `benchmarks/calibration.py` shows to cover 95 % where people work. The tail of the
weighted mean comes from Lugannani and Rice's saddlepoint approximation in Barndorff-Nielsen's form,
not by drawing, so equal scores always give equal bounds.

To "show" a difference is what the verdict does: one variant is better than all the others. Four
times in five is the chance of that if the difference is there and equally large to each of them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

_NORMAL = NormalDist()
_CLOSE, _ROOT, _TINY = 1e-12, 1e-11, 1e-30
_STEPS = 22
_NEAREST, _FARTHEST = -34.0, 16.0
"""The range searched for the saddlepoint: the logarithm of its distance to the worst text."""


def pseudo_mass(texts: int) -> float:
    """How much of a worst text is added: about half, a little more if texts are few."""
    return 0.435 + 1.5 / max(1, texts)


def upper_bounds(values: Any, worst: Any, level: Any) -> Numbers:
    """The bound that the true mean stays below with 1 - `level`, for each row of `values`.

    `values` has shape (…, texts). `worst`, of shape (…, any number), are values that the worst text
    can have, equally likely. `level` is the share of misses (0 to 0.5), a number or of shape (…).

    >>> bound = upper_bounds([[0.0] * 60], [[1.0]], 0.05)   # sixty texts without a loss
    >>> round(float(bound[0]), 3)
    0.031
    """
    import numpy as np

    sample = _Sample(values, worst)
    wanted = np.vectorize(lambda each: _NORMAL.inv_cdf(1 - each))(level)
    bound = sample.tail(sample.root(lambda distance: sample.tail(distance)[1] - wanted))[0]
    return np.asarray(np.where(sample.flat, sample.top, bound))


def if_lost(others: Any) -> Numbers:
    """What a text that is lost is worse by: all that another gets on one of these texts.

    At least a quarter, since a model that was never right yet may be on the next text.
    """
    import numpy as np

    return np.asarray(np.maximum(np.asarray(others, float), 0.25))


def tails(values: Any, worst: Any) -> Numbers:
    """The level (0 to 0.5) at which the upper bound of each row is 0; 0.5 if it is above."""
    import numpy as np

    sample = _Sample(values, worst)
    mean, deviate = sample.tail(sample.root(lambda distance: sample.tail(distance)[0]))
    level = np.vectorize(lambda each: 1 - _NORMAL.cdf(each))(deviate)
    reached = (sample.top >= 0) & (mean <= 1e-9) & ~sample.flat
    beyond = np.where(sample.top < 0, 0.0, 0.5)
    return np.asarray(np.where(reached, np.minimum(level, 0.5), beyond))


def mean_intervals(scores: Any, level: float = 0.05) -> tuple[Numbers, Numbers]:
    """Two-sided intervals of the mean of shares (0 to 1), for each row; shape (…, texts)."""
    import numpy as np

    rows = np.asarray(scores, float)
    worst = np.ones((*rows.shape[:-1], 1))
    return 1 - upper_bounds(1 - rows, worst, level / 2), upper_bounds(rows, worst, level / 2)


def loss_interval(lost: int, of: int, level: float = 0.05) -> tuple[float, float]:
    """The exact two-sided interval of a rate, by Clopper and Pearson (1934).

    >>> low, high = loss_interval(1, 60)
    >>> round(low, 4), round(high, 4)
    (0.0004, 0.0894)
    """
    if not of:
        return 0.0, 1.0
    low = 0.0 if not lost else 1 - _rate(of - lost, of, level / 2)
    return low, 1.0 if lost == of else _rate(lost, of, level / 2)


def _rate(lost: int, of: int, level: float) -> float:
    """The rate at which at most `lost` losses happen in a share `level` of cases."""
    if not lost:
        return float(1 - level ** (1 / of))
    low, high = lost / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        at_most = incomplete_beta(of - lost, lost + 1, 1 - middle)
        low, high = (middle, high) if at_most > level else (low, middle)
    return (low + high) / 2


def grouped(values: Sequence[float], groups: Sequence[str] | None) -> list[float]:
    """One value per group, with the mean of all texts: a large group moves it more.

    The linearised ratio of clustered samples (as in Miller's "Adding error bars to evals").
    """
    if groups is None or not values:
        return list(values)
    sums: dict[str, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        sums.setdefault(group, []).append(value)
    mean = math.fsum(values) / len(values)
    size = len(values) / len(sums)
    return [
        mean + len(each) / size * (math.fsum(each) / len(each) - mean) for each in sums.values()
    ]


class _Sample:
    """Rows of values with their worst texts, and how far each is `below` the largest, `top`.

    A row is `flat` if all are equal.
    """

    def __init__(self, values: Any, worst: Any) -> None:
        import numpy as np

        values, worst = np.asarray(values, float), np.asarray(worst, float)
        texts, bad = values.shape[-1], worst.shape[-1]
        everything = np.concatenate([values, worst], axis=-1)
        self.weights = np.repeat([1.0, pseudo_mass(texts) / bad], [texts, bad])
        self.total = texts + pseudo_mass(texts)
        self.top = everything.max(axis=-1)
        # Of large values, as those of large groups are, a distance added first would be lost.
        self.below = self.top[..., None] - everything
        self.flat = self.below.max(axis=-1) < _CLOSE

    def root(self, difference: Callable[[Numbers], Numbers]) -> Numbers:
        """Where a difference that falls with the distance is 0, by the Illinois method.

        A row that is there stays as it is, so that no row depends on what it is computed with.
        """
        import numpy as np

        near, far = np.full(self.top.shape, _NEAREST), np.full(self.top.shape, _FARTHEST)
        above, below = difference(near), difference(far)
        side, at = np.zeros(self.top.shape), np.where(above > 0, far, near)
        open_ = (above > 0) & (below < 0) & ~self.flat
        for _ in range(_STEPS):
            if not open_.any():
                break
            gap = np.where(open_, below - above, -1.0)
            at = np.where(open_, far - below * (far - near) / gap, at)
            height = difference(at)
            open_ &= np.abs(height) > _ROOT
            up = height > 0
            # An end that stays twice in a row is drawn halfway in.
            above = np.where(up, height, np.where(side < 0, above / 2, above))
            below = np.where(up, np.where(side > 0, below / 2, below), height)
            near, far, side = np.where(up, at, near), np.where(up, far, at), np.where(up, 1, -1)
        return at

    def tail(self, distance: Numbers) -> tuple[Numbers, Numbers]:
        """The mean that belongs to a saddlepoint, and the normal deviate of its tail.

        The weights are gamma variables; that their weighted mean is under q is the same as that the
        sum of weight × (value - q) is under 0. With y = η - value, where η = `top` +
        exp(`distance`), the saddlepoint for q is t = mean(1/y), and q = η - 1/t.
        """
        import numpy as np

        beyond = np.exp(distance)
        gaps = beyond[..., None] + self.below
        t = (self.weights / gaps).sum(axis=-1) / self.total
        gaps *= t[..., None]
        logs = (self.weights * np.log(gaps)).sum(axis=-1)
        spread = (self.weights * (1 / gaps - 1) ** 2).sum(axis=-1)
        w = np.sqrt(np.maximum(2 * logs, _TINY))
        u = np.sqrt(np.maximum(spread, _TINY))
        return self.top + (beyond - 1 / t), np.where(w < 1e-4, 0.0, w + np.log(u / w) / w)


# -- Student's t, by the continued fraction of the incomplete beta ---------------------------------

_FRACTION_TINY = 1e-300
_FRACTION_CLOSE = 1e-15


def cumulative(t: float, freedom: float) -> float:
    """The probability that Student's t with `freedom` degrees of freedom is at most `t`."""
    tail = 0.5 * incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))
    return 1 - tail if t > 0 else tail


def quantile(probability: float, freedom: float) -> float:
    """The t that Student's t stays below with this probability (0 to 1, both excluded).

    >>> round(quantile(0.975, 9), 3)
    2.262
    """
    if probability < 0.5:
        return -quantile(1 - probability, freedom)
    low, high = 0.0, 1.0
    while cumulative(high, freedom) < probability:
        low, high = high, high * 2
    for _ in range(200):
        middle = (low + high) / 2
        is_below = cumulative(middle, freedom) < probability
        low, high = (middle, high) if is_below else (low, middle)
        if high - low <= 1e-13 * high:
            break
    return (low + high) / 2


def incomplete_beta(a: float, b: float, x: float) -> float:
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1 / _away(1 + even * d), _away(1 + even / c)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1 / _away(1 + odd * d), _away(1 + odd / c)
        value *= d * c
        if abs(d * c - 1) < _FRACTION_CLOSE:
            break
    return value


def _away(number: float) -> float:
    """The number, kept away from 0."""
    return number if abs(number) > _FRACTION_TINY else _FRACTION_TINY


# -- how large a difference some texts show, and how many show one that matters --------------------

FEWEST_TEXTS = 10
"""With fewer scored texts than this, the verdict does not say which is better."""

LEVEL = 0.05
"""The share of misses that every "95 %" allows."""

USUAL_DEVIATION = 0.15
"""The standard deviation of a difference that is assumed before anything is known: the median of
the three pairs of real models on the 50 documents of DocuBench (0.09, 0.15 and 0.19)."""

_MOST_TEXTS = 100_000
_LARGEST_SAMPLE = 400
_COUNTS = (10, 17, 30, 60, 130, 400)
_CHANCE = 0.8


@dataclass(frozen=True, slots=True)
class Spread:
    """How the differences of two variants vary from text to text: their shape around 0.

    `worst` has the differences on texts that one of them loses. `known` has the margins
    computed so far, by level (see `precompute_margins`).
    """

    shape: tuple[float, ...]
    worst: tuple[float, ...] = (1.0,)
    known: dict[float, list[float]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, differences: Sequence[float], worst: Iterable[float]) -> Spread:
        """The shape of observed differences, 0 to 1 each; of a sample if they are very many."""
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
            precompute_margins([(self, level)])
        counts, margins = _COUNTS, self.known[level]
        upper = min(bisect_left(counts, texts), len(counts) - 1)
        lower = max(0, upper - 1)
        if upper == lower or texts >= counts[-1]:
            # Beyond, the part of a worst text fades with 1/n and the rest with its root.
            normal = -_NORMAL.inv_cdf(level) * self.deviation
            rest = (margins[upper] - normal / math.sqrt(counts[upper])) * counts[upper]
            return normal / math.sqrt(texts) + rest / texts
        part = math.log(texts / counts[lower]) / math.log(counts[upper] / counts[lower])
        return math.exp((1 - part) * math.log(margins[lower]) + part * math.log(margins[upper]))


def precompute_margins(spreads: Iterable[tuple[Spread, float]]) -> None:
    """Compute the margins of many spreads at their levels in one go: one by one is far slower.

    They are computed at some numbers of texts, between which their logs are nearly on a straight
    line.
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
    return min(1.0, _seen_by(spread, texts, variants, level / 2))


def _seen_by(spread: Spread, texts: int, variants: int, level: float) -> float:
    """The difference that a one-sided bound at this level shows four times in five."""
    chance = deviate(variants) * spread.deviation / math.sqrt(texts)
    return spread.margin(texts, level) + chance


def texts_needed(
    spread: Spread, matters: float, variants: int = 2, level: float = LEVEL
) -> int | None:
    """How many texts show a difference of `matters` four times in five; None if no number does."""
    return _fewest(lambda texts: can_show(spread, texts, variants, level), matters)


def texts_to_equal(spread: Spread, matters: float, level: float = LEVEL) -> int | None:
    """How many texts show of an equal variant, four times in five, that it is as good.

    That is, at most `matters` worse by the one-sided bound at `level`; None if no number does.
    """
    return _fewest(lambda texts: _seen_by(spread, texts, 2, level), matters)


def _fewest(least: Callable[[int], float], matters: float) -> int | None:
    """The smallest number of texts at which `least`, which falls with it, is at most `matters`."""
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
def deviate(variants: int) -> float:
    """By how many standard errors all differences to the best are seen four times in five.

    For variants of equal spread, whose differences to the best share the best's own chance:
    correlated by a half.

    >>> round(deviate(2), 3), round(deviate(8), 3)
    (0.842, 1.655)
    """
    low, high = -4.0, 6.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _all_seen(middle, variants - 1) < _CHANCE else (low, middle)
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
