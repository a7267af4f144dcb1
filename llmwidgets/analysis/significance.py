"""Significance: whether one variant is better than another on the texts both answered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import Any

from llmwidgets.analysis.student import quantile
from llmwidgets.analysis.verdict_words import Standing, joined, left_out_sentence, sentence_for

FEWEST_TEXTS = 10
"""Under this number of scored texts nothing is said about which is better."""
LEVEL = 0.05
_EXACT_UP_TO = 14
_FLIPS = 20_000
_SEED = 20_261_123
_CLOSE = 1e-12
_ROUNDING = 1e-5
_PARTS = 4
_BLOCK = 256
_POWER = (1.959963985 + 0.841621234) ** 2
"""Square of the normal quantiles at 97.5 % and 80 %: seen four times in five at the 5 % level."""


@dataclass(frozen=True, slots=True)
class Column:
    """A variant with its accuracy (0 to 1) on each text, repeats averaged within the text.

    `cost_per_1000` is in US dollars for 1,000 texts, None where the price is unknown.
    """

    label: str
    scores: Mapping[str, float]
    cost_per_1000: float | None = None
    lost: frozenset[str] = frozenset()
    unanswered: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two variants compared on the texts both answered.

    `difference` is a minus b, `low` to `high` its 95 % interval by the paired t, `p` from the
    paired sign-flip permutation test, `p_holm` corrected for all pairs shown. `texts_needed` is
    how many texts would show a difference of `matters` four times in five; it follows from
    `deviation`, the standard deviation of the differences, None for fewer than two texts.
    """

    a: str
    b: str
    texts: int
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    verdict: str
    texts_needed: int | None = None
    deviation: float | None = None

    @property
    def told_apart(self) -> bool:
        return self.texts >= FEWEST_TEXTS and self.p_holm <= LEVEL


@dataclass(frozen=True, slots=True)
class Verdict:
    """What can be said of all variants together.

    `not_told_apart` are groups of labels of which no two differ for sure; `recommended` is the
    cheapest of those not told apart from the best, None where nothing can be said.
    """

    sentence: str
    not_told_apart: tuple[tuple[str, ...], ...]
    recommended: str | None
    table: tuple[Pair, ...]


def mean_interval(scores: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of a mean of shares, 0 to 1, by Student's t.

    Where every text has the same share, the spread is unknown: at 0 or 1 the exact binomial
    bound is given, and for fewer than two texts the interval is everything.

    >>> low, high = mean_interval([0.8, 0.9, 1.0])
    >>> round(low, 3), round(high, 3)
    (0.652, 1.0)
    """
    count = len(scores)
    if count < 2:
        return 0.0, 1.0
    mean, spread = _mean_and_error(scores)
    if spread == 0 and mean in (0.0, 1.0):
        bound = (LEVEL / 2) ** (1 / count)
        return (bound, 1.0) if mean else (0.0, 1 - bound)
    half = quantile(1 - LEVEL / 2, count - 1) * spread
    return max(0.0, mean - half), min(1.0, mean + half)


def loss_bounds(lost: int, of: int) -> tuple[float, float]:
    """The exact 95 % interval (Clopper and Pearson) of a share of losses."""

    def tail(share: float, least: int) -> float:
        return math.fsum(
            math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(least, of + 1)
        )

    def solve(least: int, wanted: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if tail(middle, least) < wanted else (low, middle)
        return low

    if not of:
        return 0.0, 1.0
    low = solve(lost, LEVEL / 2) if lost else 0.0
    return low, solve(lost + 1, 1 - LEVEL / 2) if lost < of else 1.0


def paired_interval(differences: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of a mean difference, by the paired t; ±1 for fewer than two texts."""
    if len(differences) < 2:
        return -1.0, 1.0
    mean, spread = _mean_and_error(differences)
    half = quantile(1 - LEVEL / 2, len(differences) - 1) * spread
    return max(-1.0, mean - half), min(1.0, mean + half)


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p of the paired sign-flip permutation test on the mean difference.

    Exact up to 14 texts, beyond by 20,000 flips with a fixed seed. Texts without a difference
    change nothing. Sums that are equal but for rounding count as reached.
    """
    return sign_flip_ps([differences])[0]


def sign_flip_ps(table: Sequence[Sequence[float]]) -> list[float]:
    """The p of `sign_flip_p` for each row of differences on the same texts, all in one go."""
    import numpy as np

    rows = np.array(table, np.float32).reshape(len(table), -1)
    rows[np.abs(rows) <= _CLOSE] = 0
    seen = np.abs(rows.sum(axis=1)) - _ROUNDING * np.abs(rows).sum(axis=1)
    moved = (rows != 0).sum(axis=1)
    many = moved > _EXACT_UP_TO
    reached = np.zeros(len(rows), np.int64)
    for part in range(_PARTS if many.any() else 0):
        sums = _sums(rows[many], part)
        reached[many] += (np.abs(sums) >= seen[many, None]).sum(axis=1)
    ps = (reached + 1) / (_FLIPS + 1)
    for at in np.flatnonzero(~many):
        few = rows[at][rows[at] != 0]
        ps[at] = (np.abs(few @ _every_flip(len(few))) >= seen[at]).mean() if len(few) else 1.0
    return [float(p) for p in ps]


def _sums(rows: Any, part: int) -> Any:
    """The sums under the flips of one part, in blocks of texts so that memory stays small."""
    used = rows[:, (rows != 0).any(axis=0)]
    blocks = range(0, used.shape[1], _BLOCK)
    return sum(
        used[:, start : start + _BLOCK] @ _flips(part, start // _BLOCK)[: used.shape[1] - start]
        for start in blocks
    )


@lru_cache(maxsize=_EXACT_UP_TO)
def _every_flip(count: int) -> Any:
    import numpy as np

    return (1 - 2 * (np.arange(2**count) >> np.arange(count)[:, None] & 1)).astype(np.float32)


@lru_cache(maxsize=8)
def _flips(part: int, block: int) -> Any:
    """Signs of one block of texts, drawn alike in every process."""
    import numpy as np

    generator = np.random.default_rng((_SEED, part, block))
    bits = np.unpackbits(np.frombuffer(generator.bytes(_BLOCK * _FLIPS // _PARTS // 8), np.uint8))
    return 1 - 2 * bits.reshape(_BLOCK, -1).astype(np.float32)


def holm(ps: Sequence[float]) -> list[float]:
    """Each p corrected for all of them by Holm's step-down method.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected = [1.0] * len(ps)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda each: ps[each])):
        highest = max(highest, min(1.0, ps[index] * (len(ps) - rank)))
        corrected[index] = highest
    return corrected


def texts_needed(differences: Sequence[float], matters: float) -> int | None:
    """How many texts show a mean difference of `matters` four times in five; None if unknown."""
    return _needed(_deviation(differences), matters)


def _deviation(differences: Sequence[float]) -> float | None:
    if len(differences) < 2:
        return None
    return _mean_and_error(differences)[1] * math.sqrt(len(differences))


def _needed(deviation: float | None, matters: float) -> int | None:
    if deviation is None or matters <= 0:
        return None
    # Half the square of 1.96 (Guenther): what Student's t asks for beyond the normal distribution.
    return max(FEWEST_TEXTS, math.ceil(_POWER * (deviation / matters) ** 2 + 1.92))


@dataclass(frozen=True, slots=True)
class Tested:
    """All variants tested in pairs, best first; what is concluded depends on what matters."""

    standings: tuple[Standing, ...]
    texts: int
    table: tuple[Pair, ...]
    left_out: str = ""

    def conclude(self, matters: float = 0.02) -> Verdict:
        """What follows, in one sentence; see `decide`."""
        table = tuple(
            replace(each, texts_needed=_needed(each.deviation, matters)) for each in self.table
        )
        alone = {(each.a, each.b) for each in table if each.told_apart}
        alone |= {(b, a) for a, b in alone}
        standings = self.standings
        groups = _groups([each.label for each in standings], alone)
        tied: list[Standing] = []
        chosen = None
        if standings and self.texts >= FEWEST_TEXTS:
            best = standings[0]
            tied = [each for each in standings if (best.label, each.label) not in alone]
            priced = [each for each in tied if each.cost_per_1000 is not None]
            chosen = min(
                priced, key=lambda each: (each.cost_per_1000 or 0.0, -each.accuracy), default=best
            )
        said = sentence_for(standings, tied, table, self.texts, chosen, FEWEST_TEXTS, matters)
        recommended = chosen.label if chosen is not None else None
        return Verdict(joined(said, self.left_out), groups, recommended, table)


def decide(columns: Sequence[Column], matters: float = 0.02) -> Verdict:
    """Compare all variants in pairs and say in one sentence what follows.

    `matters` is the smallest difference in accuracy that counts (0.02: 2 fields in 100).
    """
    return in_pairs(columns).conclude(matters)


def in_pairs(
    columns: Sequence[Column],
    *,
    groups: Mapping[str, str] | None = None,
    looks: Sequence[int] = (),
    repeats: int = 1,
) -> Tested:
    """Test all variants in pairs, on the texts that each two answered."""
    known = [each for each in columns if each.scores] or columns
    columns, left_out = _scored(columns)
    common = [text for text in _texts(columns) if all(text in each.scores for each in columns)]
    standings = [
        Standing(
            each.label,
            sum(each.scores[text] for text in common) / len(common) if common else 0.0,
            each.cost_per_1000,
        )
        for each in columns
    ]
    standings.sort(key=lambda each: -each.accuracy)
    by_label = {each.label: each for each in columns}
    ordered = [by_label[each.label] for each in standings]
    table = _table([*ordered, *(each for each in known if each not in columns)])
    return Tested(tuple(standings), len(common), table, left_out)


def _scored(columns: Sequence[Column]) -> tuple[list[Column], str]:
    """The columns that can be compared, and a sentence on those that cannot.

    One column without scores, or with too few where others have enough, must not take the
    verdict from the rest.
    """
    enough = any(len(each.scores) >= FEWEST_TEXTS for each in columns)
    least = FEWEST_TEXTS if enough else 1
    kept = [each for each in columns if len(each.scores) >= least]
    out = [(each.label, len(each.scores)) for each in columns if len(each.scores) < least]
    return (kept, left_out_sentence(out)) if kept else (list(columns), "")


def _texts(columns: Sequence[Column]) -> list[str]:
    return list(columns[0].scores) if columns else []


def _table(columns: Sequence[Column]) -> tuple[Pair, ...]:
    texts = list(dict.fromkeys(text for each in columns for text in each.scores))
    couples = list(combinations(columns, 2))
    moves = [[_move(a, b, text) for text in texts] for a, b in couples]
    ps = sign_flip_ps([[each or 0.0 for each in row] for row in moves]) if couples else []
    pairs = [
        _pair(a, b, [each for each in row if each is not None], p)
        for (a, b), row, p in zip(couples, moves, ps, strict=True)
    ]
    tested = [index for index, each in enumerate(pairs) if each.texts >= FEWEST_TEXTS]
    corrected = holm([pairs[index].p for index in tested])
    for index, p in zip(tested, corrected, strict=True):
        pairs[index] = _judged(replace(pairs[index], p_holm=p))
    return tuple(pairs)


def _move(a: Column, b: Column, text: str) -> float | None:
    """By how much a is better than b on a text; None where one did not answer it."""
    one, other = a.scores.get(text), b.scores.get(text)
    return None if one is None or other is None else one - other


def _pair(a: Column, b: Column, differences: Sequence[float], p: float) -> Pair:
    count = len(differences)
    if not count:
        return Pair(a.label, b.label, 0, 0.0, -1.0, 1.0, 1.0, 1.0, "no text both answered")
    low, high = paired_interval(differences)
    return Pair(
        a.label,
        b.label,
        count,
        sum(differences) / count,
        low,
        high,
        p,
        1.0,
        "too few texts",
        deviation=_deviation(differences),
    )


def _judged(pair: Pair) -> Pair:
    if not pair.told_apart:
        return replace(pair, verdict="cannot be told apart")
    better = pair.a if pair.difference > 0 else pair.b
    return replace(pair, verdict=f"{better} is better")


def _groups(labels: Sequence[str], alone: set[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    """Groups of labels, best first, in which no two are told apart; none inside another."""
    groups: list[tuple[str, ...]] = []
    for index, first in enumerate(labels):
        group = [first]
        for other in labels[index + 1 :]:
            if all((each, other) not in alone for each in group):
                group.append(other)
        if len(group) > 1 and not any(set(group) <= set(each) for each in groups):
            groups.append(tuple(group))
    return tuple(groups)


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error; an error that is only rounding counts as none."""
    count = len(values)
    mean = math.fsum(values) / count
    variance = math.fsum((each - mean) ** 2 for each in values) / (count - 1)
    return mean, math.sqrt(variance / count) if variance > _CLOSE**2 else 0.0
