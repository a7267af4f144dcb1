"""Bounds of a mean of shares by a Dirichlet-weighted mean with part of a worst text added.

Every interval and every test of the verdict comes from here. Each text gets a random weight
(Rubin's Bayesian bootstrap, 1981), and so does part of one more text, as bad as a text can be: that
is what ten equal texts cannot exclude. With a whole such text the bound is Gaffke's (2004), which
for texts that are only right or wrong is Clopper and Pearson's exact one; `pseudo_mass` is less,
as much as `benchmarks/calibration.py` shows to cover 95 % where people work. The tail of the
weighted mean comes from Lugannani and Rice's saddlepoint approximation in Barndorff-Nielsen's form,
not by drawing, so equal scores always give equal bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

_NORMAL = NormalDist()
_CLOSE, _TINY = 1e-12, 1e-30
_STEPS = 22
_NEAREST, _FARTHEST = -34.0, 16.0
"""Where the saddlepoint is looked for: the logarithm of its distance to the worst text."""


def pseudo_mass(texts: int) -> float:
    """How much of a worst text is added: about half, a little more where texts are few."""
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


def tails(values: Any, worst: Any, at: float = 0.0) -> Numbers:
    """The level (0 to 0.5) at which the upper bound of each row is `at`; 0.5 where it is above."""
    import numpy as np

    sample = _Sample(values, worst)
    distance = sample.root(lambda distance: sample.tail(distance)[0] - at)
    mean, deviate = sample.tail(distance)
    level = np.vectorize(lambda each: 1 - _NORMAL.cdf(each))(deviate)
    reached = (sample.top >= at) & (mean <= at + 1e-9) & ~sample.flat
    beyond = np.where(sample.top < at, 0.0, 0.5)
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
    from llmwidgets.analysis.student import incomplete_beta

    low, high = lost / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        at_most = incomplete_beta(of - lost, lost + 1, 1 - middle)
        low, high = (middle, high) if at_most > level else (low, middle)
    return (low + high) / 2


def grouped(values: Sequence[float], groups: Sequence[str] | None) -> list[float]:
    """One value a group, with the mean of all texts: a large group moves it more.

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
    """Rows of values with their worst texts; `top` is the largest, `flat` where all are one."""

    def __init__(self, values: Any, worst: Any) -> None:
        import numpy as np

        self.values, self.worst = np.asarray(values, float), np.asarray(worst, float)
        self.top = np.maximum(self.values.max(axis=-1), self.worst.max(axis=-1))
        low = np.minimum(self.values.min(axis=-1), self.worst.min(axis=-1))
        self.flat = self.top - low < _CLOSE
        self.mass = pseudo_mass(self.values.shape[-1])

    def root(self, difference: Callable[[Numbers], Numbers]) -> Numbers:
        """Where a difference that falls with the distance is 0, by the Illinois method."""
        import numpy as np

        near, far = np.full(self.top.shape, _NEAREST), np.full(self.top.shape, _FARTHEST)
        above, below = difference(near), difference(far)
        side = np.zeros(self.top.shape)
        at = far
        for _ in range(_STEPS):
            gap = np.where(below == above, -1.0, below - above)
            at = np.clip(far - below * (far - near) / gap, near, far)
            found = difference(at)
            up = found > 0
            # An end that stays twice in a row is drawn halfway in.
            above = np.where(up, found, np.where(side < 0, above / 2, above))
            below = np.where(up, np.where(side > 0, below / 2, below), found)
            near, far, side = np.where(up, at, near), np.where(up, far, at), np.where(up, 1, -1)
        return at

    def tail(self, distance: Numbers) -> tuple[Numbers, Numbers]:
        """The mean that belongs to a saddlepoint, and the normal deviate of its tail.

        The weights are gamma variables; that their weighted mean is under q is the same as that the
        sum of weight × (value - q) is under 0. With y = η - value, where η = `top` +
        exp(`distance`), the saddlepoint for q is t = mean(1/y), and q = η - 1/t.
        """
        import numpy as np

        share = self.mass / self.worst.shape[-1]
        total = self.values.shape[-1] + self.mass
        eta = self.top + np.exp(distance)
        gaps, others = eta[..., None] - self.values, eta[..., None] - self.worst
        t = ((1 / gaps).sum(axis=-1) + share * (1 / others).sum(axis=-1)) / total
        gaps, others = gaps * t[..., None], others * t[..., None]
        logs = np.log(gaps).sum(axis=-1) + share * np.log(others).sum(axis=-1)
        spread = ((1 / gaps - 1) ** 2).sum(axis=-1) + share * ((1 / others - 1) ** 2).sum(axis=-1)
        w = np.sqrt(np.maximum(2 * logs, _TINY))
        u = np.sqrt(np.maximum(spread, _TINY))
        return eta - 1 / t, np.where(w < 1e-4, 0.0, w + np.log(u / w) / w)
