"""Simulated scores for the calibration: kinds of data, models alike and not.

Scores are arrays of shape (data sets, variants, texts): the share right of each text, 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmwidgets.analysis.statistics.intervals import LEVEL, if_lost, tails, upper_bounds

Scores = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, Sequence[float], int], Scores]

FIELDS = 10


def even(
    rng: np.random.Generator,
    sets: int,
    accuracies: Sequence[float],
    texts: int,
    fields: int = FIELDS,
) -> Scores:
    """Ten fields a text, each right or wrong by itself."""
    right = np.array(accuracies)[None, :, None]
    return rng.binomial(fields, right, (sets, len(accuracies), texts)) / fields


def one_field(
    rng: np.random.Generator, sets: int, accuracies: Sequence[float], texts: int
) -> Scores:
    """One field a text: right or wrong."""
    return even(rng, sets, accuracies, texts, fields=1)


def shared(rng: np.random.Generator, sets: int, accuracies: Sequence[float], texts: int) -> Scores:
    """Ten fields; hard texts are hard for every model, a few are nearly all wrong."""
    hardness = rng.beta(8 * 0.07, 8 * 0.93, (sets, 1, texts)) / 0.07
    wrong = hardness * (1 - np.array(accuracies)[None, :, None])
    return rng.binomial(FIELDS, np.clip(1 - wrong, 0, 1)) / FIELDS


def correlated(
    rng: np.random.Generator, sets: int, accuracies: Sequence[float], texts: int
) -> Scores:
    """Ten fields of a text that tend to be right or wrong together (correlation 0.3)."""
    size = (1 - 0.3) / 0.3
    right = np.broadcast_to(np.array(accuracies)[None, :, None], (sets, len(accuracies), texts))
    return rng.binomial(FIELDS, rng.beta(size * right, size * (1 - right))) / FIELDS


def heavy(rng: np.random.Generator, sets: int, accuracies: Sequence[float], texts: int) -> Scores:
    """Most texts nearly all right, some nearly all wrong."""
    often = (0.985 - np.array(accuracies)) / (0.985 - 0.2)
    bad = rng.random((sets, len(accuracies), texts)) < often[None, :, None]
    return rng.binomial(FIELDS, np.where(bad, 0.2, 0.985)) / FIELDS


def lists(rng: np.random.Generator, sets: int, accuracies: Sequence[float], texts: int) -> Scores:
    """Lists of very unequal length, from 1 field to 80."""
    fields = 1 + np.clip(rng.pareto(1.2, (sets, 1, texts)) * 3, 0, 79).astype(int)
    fields = np.broadcast_to(fields, (sets, len(accuracies), texts))
    return rng.binomial(fields, np.array(accuracies)[None, :, None]) / fields


@dataclass(frozen=True)
class Kind:
    """A kind of data: how scores are drawn, how accurate each variant is, what each loses.

    `gap` is how much worse the second is.
    """

    name: str
    draw: Draw
    accuracies: tuple[float, float] = (0.9, 0.9)
    losses: tuple[float, float] = (0.0, 0.0)

    @property
    def means(self) -> tuple[float, float]:
        """The true accuracy of the first and the second, losses counted as wrong."""
        pairs = zip(self.accuracies, self.losses, strict=True)
        first, second = (accuracy * (1 - loss) for accuracy, loss in pairs)
        return first, second

    @property
    def gap(self) -> float:
        return self.means[0] - self.means[1]

    def scores(self, rng: np.random.Generator, sets: int, variants: int, texts: int) -> Scores:
        """Draw data sets in which the second comes last, all others are like the first."""
        (first, second), (lost, lost_too) = self.accuracies, self.losses
        drawn = self.draw(rng, sets, [first] * (variants - 1) + [second], texts)
        rate = np.array([lost] * (variants - 1) + [lost_too])[None, :, None]
        return np.where(rng.random(drawn.shape) < rate, 0.0, drawn)


ALIKE = (
    Kind("ten fields, 90 %", even),
    Kind("ten fields, 95 %", even, (0.95, 0.95)),
    Kind("ten fields, hard texts", shared, (0.93, 0.93)),
    Kind("one field", one_field),
    Kind("correlated fields", correlated),
    Kind("heavy tails", heavy),
    Kind("unequal lists", lists),
    Kind("both lose 3 %", even, (0.93, 0.93), (0.03, 0.03)),
    Kind("both lose 5 %, near perfect", even, (0.995, 0.995), (0.05, 0.05)),
    Kind("both lose 10 %", even, (0.97, 0.97), (0.1, 0.1)),
    Kind("steady, other loses 5 %", even, (0.9, 0.9 / 0.95), (0.0, 0.05)),
    Kind("steady, other loses 10 %", even, (0.88, 0.88 / 0.9), (0.0, 0.1)),
)
"""The means are equal. In the first three, ten fields are right or wrong largely by themselves."""

INDEPENDENT = tuple(kind.name for kind in ALIKE[:3])
LOSSLESS = tuple(kind.name for kind in ALIKE[:7])

WORSE_10 = (
    Kind("ten fields, 10 worse", even, (0.9, 0.8)),
    Kind("one field, 10 worse", one_field, (0.9, 0.8)),
    Kind("correlated, 10 worse", correlated, (0.9, 0.8)),
    Kind("heavy tails, 10 worse", heavy, (0.95, 0.85)),
    Kind("unequal lists, 10 worse", lists, (0.9, 0.8)),
    Kind("loses 10 % of replies", even, (0.95, 0.95 * 0.85 / 0.9 / 0.95), (0.0, 0.1)),
)
WORSE_20 = (
    Kind("ten fields, 20 worse", even, (0.9, 0.7)),
    Kind("one field, 20 worse", one_field, (0.9, 0.7)),
    Kind("correlated, 20 worse", correlated, (0.9, 0.7)),
    Kind("heavy tails, 20 worse", heavy, (0.95, 0.75)),
    Kind("unequal lists, 20 worse", lists, (0.9, 0.7)),
    Kind("loses 20 % of replies", even, (0.95, 0.95 * 0.75 / 0.8 / 0.95), (0.0, 0.2)),
)
SMALL_GAPS = (
    Kind("loses 3 % of replies", even, (0.95, 0.95), (0.0, 0.03)),
    Kind("loses 5 % of replies", even, (0.95, 0.95), (0.0, 0.05)),
    Kind("near perfect, loses 3 %", even, (0.995, 0.995), (0.0, 0.03)),
    Kind("near perfect, loses 4 %", even, (0.995, 0.995), (0.0, 0.04)),
    Kind("near perfect, loses 5 %", even, (0.995, 0.995), (0.0, 0.05)),
)
PLANTED = (
    Kind("ten fields, 4 better than all others", even, (0.93, 0.89)),
    Kind("ten fields, 8 better than all others", even, (0.9, 0.82)),
    Kind("correlated fields, 8 better than all others", correlated, (0.9, 0.82)),
    Kind("one field, 10 better than all others", one_field, (0.9, 0.8)),
    Kind("unequal lists, 6 better than all others", lists, (0.94, 0.88)),
)


@dataclass(frozen=True)
class Many:
    """What the verdict finds in each of many data sets; arrays of shape (data sets, …).

    `worse_by[:, i]` bounds how much worse i is than any other; `tail[:, i, j]` is the level at
    which i is shown to be better than j.
    """

    means: Scores
    worse_by: Scores
    tail: Scores

    @classmethod
    def of(cls, scores: Scores, level: float = LEVEL) -> Many:
        """All variants of each data set against each other."""
        sets, variants, _ = scores.shape
        worse, tail = np.full((sets, variants), -np.inf), np.zeros((sets, variants, variants))
        for one in range(variants):
            for other in range(variants):
                if one != other:
                    gaps = scores[:, other] - scores[:, one]
                    bound = upper_bounds(gaps, if_lost(scores[:, other]), level)
                    worse[:, one] = np.maximum(worse[:, one], bound)
                    tail[:, one, other] = tails(gaps, if_lost(scores[:, other]))
        return cls(scores.mean(axis=-1), worse, tail)

    def better(self, level: float = LEVEL) -> Any:
        """Where the one that leads is shown to be better than all others."""
        leads = self.means.argmax(axis=1)
        return self.tail[np.arange(len(leads)), leads].max(axis=1) <= level / 2

    def told_apart(self, level: float = LEVEL) -> Any:
        """Where any two are told apart, corrected for all pairs."""
        variants = self.means.shape[1]
        pairs = [(a, b) for a in range(variants) for b in range(a + 1, variants)]
        least = np.minimum.reduce(
            [np.minimum(self.tail[:, a, b], self.tail[:, b, a]) for a, b in pairs]
        )
        return self.better(level) | (2 * least * len(pairs) <= level)


def better_of_two(scores: Scores, level: float) -> Any:
    """Where the better of two is shown to be it: `Many.better` in a quarter of the time."""
    swapped = scores[:, 0].sum(axis=1) < scores[:, 1].sum(axis=1)
    leads = np.where(swapped[:, None], scores[:, 1], scores[:, 0])
    other = np.where(swapped[:, None], scores[:, 0], scores[:, 1])
    return tails(other - leads, if_lost(other)) <= level / 2


def compared_by_api(scores: Scores) -> Any:
    """The scores of one data set as outputs of models, compared through the public API."""
    import llmwidgets

    counts = [_fields(scores[:, text]) for text in range(scores.shape[-1])]
    texts = [
        {
            "text": "", "id": str(at), "truth": {f"f{n}": "yes" for n in range(count)},
            "schema": {
                "type": "object",
                "properties": {f"f{n}": {"type": "string"} for n in range(count)},
            },
        }
        for at, count in enumerate(counts)
    ]  # fmt: skip
    outputs = {
        chr(65 + at): [
            {f"f{n}": "yes" if n < round(share * count) else "no" for n in range(count)}
            for share, count in zip(shares, counts, strict=True)
        ]
        for at, shares in enumerate(scores)
    }
    return llmwidgets.Comparison.from_outputs(None, texts, outputs)


def _fields(shares: Scores) -> int:
    """The fewest fields a text that give these shares right."""
    fits = (n for n in range(1, 200) if np.allclose(shares * n, np.round(shares * n), atol=1e-9))
    return next(fits)
