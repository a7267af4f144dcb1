"""Doubt: which values to look at first, and how likely each is wrong.

Without labels the values are ranked by `WEIGHTS`, a fixed sum. With enough labels the same sum is
the start of a logistic regression: its weights are drawn towards `WEIGHTS` as long as few labels
say otherwise, each field has a level of its own and each variant a weight of its own for its
disagreement, both drawn towards 0. A text counts for at most `CAP` values, since the values of
one text go wrong together. Nothing is drawn at random: equal labels always give equal doubts.

The labels of a text, or of its group, never move its own doubts: labelled texts are dealt into
`FOLDS` parts, and the doubts of each part are learned from the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from llmwidgets.analysis.statistics.intervals import loss_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

GROUNDINGS = ("", "exact", "normalised", "fuzzy", "absent", "copied")
"""How a value is in its text; "" where there is nothing to look for, or in."""

WEIGHTS = {
    "disagreement": 4.0, "field": 2.0, "around": 1.0, "instability": 3.0,
    "exact": -1.0, "normalised": -0.5, "fuzzy": 0.5, "absent": 1.0, "copied": 1.5,
}  # fmt: skip
"""What each signal (0 to 1) adds to the log odds of being wrong, as long as no label is known.

`field` and `around` are how far other values are disagreed on: of the same field in other places,
and of the same row of a list, or of the text outside its lists.
"""

_START = -3.0
FEWEST = 10
FEWEST_GROUPS = 5
"""As many wrong and as many right labelled values are needed to learn, from as many texts."""

FOLDS = 5
CAP = 30.0
_MOST_LEARNED = 20_000
_PULL, _PULL_OF_GROUPS = 2.0, 4.0
_PSEUDO = 2.0
_NEXT = 0.9
_STEPS, _CLOSE, _ROUNDING = 50, 1e-5, 1e-12
_DIGITS = 9


@dataclass(frozen=True)
class Signals:
    """What is known of each value without its truth, an entry of each array for each value.

    `groups` are names of texts that belong together, `text` says which of them a value is of. A
    `row` is one field of one text with the values of all variants, `place` the row of a list (or
    the text outside lists) that it is in. Shares that are unknown are NaN; `right` is 1, 0, or -1
    where there is no label.
    """

    groups: Sequence[str]
    text: Ints
    row: Ints
    place: Ints
    field: Ints
    variant: Ints
    disagreement: Floats
    instability: Floats
    grounding: Ints
    right: Ints

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def labelled(self) -> Flags:
        return self.right >= 0

    @cached_property
    def wrong(self) -> Floats:
        """1 where the value is wrong, as a number."""
        import numpy as np

        return np.asarray(self.right == 0, float)

    @cached_property
    def table(self) -> Floats:
        """One row per value, one column per weight."""
        import numpy as np

        own = _known(self.disagreement)
        # Asked of one variant alone, values can only disagree with their repeats.
        moved = own if not np.isnan(self.disagreement).all() else _known(self.instability)
        columns = [own, _others(moved, self.field, self.row), _others(moved, self.place, self.row)]
        columns.append(_known(self.instability))
        columns += [self.grounding == kind for kind in range(1, len(GROUNDINGS))]
        return np.column_stack(columns).astype(float).reshape(len(self), len(WEIGHTS))


def _known(shares: Floats) -> Floats:
    """Where a share is unknown, the mean of the known ones: it then moves nothing."""
    import numpy as np

    unknown = np.isnan(shares)
    mean = 0.0 if unknown.all() else float(np.mean(np.sort(shares[~unknown])))
    return np.where(unknown, mean, shares)


def _others(shares: Floats, kind: Ints, row: Ints) -> Floats:
    """The mean share of all other rows of the same kind, drawn a little towards the whole mean."""
    import numpy as np

    if not len(shares):
        return shares
    sums = np.bincount(kind, shares)[kind] - np.bincount(row, shares)[row]
    counts = np.bincount(kind)[kind] - np.bincount(row)[row]
    return np.asarray((sums + _PSEUDO * shares.mean()) / (counts + _PSEUDO))


# -- what is learned -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """The log odds of being wrong: a start, a weight for each signal, what fields and variants add.

    `fields` have a level each, `variants` a weight each for their own disagreement: where all
    agree, all are right or all are wrong, whoever they are.
    """

    start: float
    weights: Floats
    fields: Floats
    variants: Floats

    def log_odds(self, signals: Signals) -> Floats:
        import numpy as np

        table = signals.table
        # A value is never less in doubt because others disagree with it.
        own = np.maximum(self.weights[0] + self.variants[signals.variant], 0.0)
        rest = self.start + table[:, 1:] @ self.weights[1:] + self.fields[signals.field]
        return np.asarray(own * table[:, 0] + rest)

    def doubts(self, signals: Signals) -> Floats:
        """The chance of being wrong, rounded so that the order of texts leaves no trace."""
        import numpy as np

        return np.asarray(np.round(_chance(self.log_odds(signals)), _DIGITS))


def _chance(log_odds: Floats) -> Floats:
    import numpy as np

    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -9.0, 9.0))))


def fixed_model(signals: Signals) -> Model:
    """The ranks without labels: `WEIGHTS` as they are. Its chances are for ordering alone."""
    import numpy as np

    fields, variants = (_size(each) for each in (signals.field, signals.variant))
    weights = np.array(list(WEIGHTS.values()))
    return Model(_START, weights, np.zeros(fields), np.zeros(variants))


def _size(codes: Ints) -> int:
    return int(codes.max()) + 1 if len(codes) else 0


def learn(signals: Signals, at: Flags) -> Model:
    """The model that the labels of these values lead to, by penalised maximum likelihood."""
    import numpy as np

    first = fixed_model(signals)
    if not at.any():
        return first
    table, wrong = signals.table[at], signals.wrong[at]
    field, variant = signals.field[at], signals.variant[at]
    counted = np.minimum(1.0, CAP / np.bincount(signals.text[at])[signals.text[at]])
    rows = np.column_stack([np.ones(len(wrong)), table])
    prior = np.concatenate([[0.0], first.weights])
    pull = np.concatenate([[1e-3], np.full(table.shape[1], _PULL)])
    weights, fields, variants = prior.copy(), first.fields.copy(), first.variants.copy()
    for _ in range(_STEPS):
        offset = fields[field] + variants[variant] * table[:, 0]
        step = _newton(rows, wrong, counted, weights, offset, prior, pull)
        weights = weights + step
        # Instability (and disagreement) never speaks for a value.
        weights[[1, 4]] = np.maximum(weights[[1, 4]], 0.0)
        base = rows @ weights
        moved = _move(fields, field, 1.0, base + offset, wrong, counted)
        offset = fields[field] + variants[variant] * table[:, 0]
        moved += _move(variants, variant, table[:, 0], base + offset, wrong, counted)
        if max(np.abs(step).max(), moved) < _CLOSE:
            break
    return Model(float(weights[0]), weights[1:], fields, variants)


def _newton(
    rows: Floats, wrong: Floats, counted: Floats, weights: Floats, offset: Floats, prior: Floats,
    pull: Floats,
) -> Floats:  # fmt: skip
    """One step of Newton's method, halved until it does not make things worse."""
    import numpy as np

    against = 1 - 2 * wrong

    def loss(at: Floats, log_odds: Floats) -> float:
        missed = counted @ np.log1p(np.exp(np.clip(against * log_odds, -9.0, 9.0)))
        return float(0.5 * pull @ (at - prior) ** 2 + missed)

    log_odds = rows @ weights + offset
    chance = _chance(log_odds)
    slope = rows.T @ (counted * (wrong - chance)) - pull * (weights - prior)
    bend = (rows * (counted * chance * (1 - chance))[:, None]).T @ rows + np.diag(pull)
    step, now = np.linalg.solve(bend, slope), loss(weights, log_odds)
    # Of what is gained less than this, rounding alone would tell whether it is a gain.
    for _ in range(20 if slope @ step > _ROUNDING * now else 0):
        if loss(weights + step, rows @ (weights + step) + offset) <= now:
            break
        step = step / 2
    return np.asarray(step)


def _move(
    effects: Floats, code: Ints, by: Floats | float, log_odds: Floats, wrong: Floats,
    counted: Floats,
) -> float:  # fmt: skip
    """Move the effect of each field or variant a step, in place; how far the farthest moved."""
    import numpy as np

    chance, size = _chance(log_odds), len(effects)
    slope = np.bincount(code, counted * (wrong - chance) * by, size) - _PULL_OF_GROUPS * effects
    bend = np.bincount(code, counted * chance * (1 - chance) * by * by, size) + _PULL_OF_GROUPS
    step = np.clip(slope / bend, -1.0, 1.0)
    effects += step
    return float(np.abs(step).max(initial=0.0))


# -- the doubts of all values ----------------------------------------------------------------------


class Found(NamedTuple):
    """What labelling a number of fields finds: `fields` with a wrong value, and wrong `values`."""

    fields: float
    values: float


@dataclass(frozen=True)
class Bin:
    """Values of about the same doubt: its mean, the share that is wrong, its bounds, how many."""

    doubt: float
    wrong: float
    low: float
    high: float
    values: int


@dataclass(frozen=True)
class Doubts:
    """The doubt of each value, 0 to 1, each excluded.

    Where too few labels are known `calibrated` is False: then they only rank. `texts` and `values`
    are what was learned from; `wrong` and `right` count the labelled values.
    """

    signals: Signals
    doubts: Floats
    calibrated: bool
    texts: int
    values: int

    @property
    def wrong(self) -> int:
        return int((self.signals.right == 0).sum())

    @property
    def right(self) -> int:
        return int((self.signals.right == 1).sum())

    @cached_property
    def rows(self) -> Floats:
        """How much there is to find in each row: the number of wrong values that is expected.

        Each further row of one place counts for a tenth less: who has looked at a row of a list
        that was lined up badly learns little from its other fields.
        """
        import numpy as np

        row, size = self.signals.row, _size(self.signals.row)
        expected = np.round(np.bincount(row, self.doubts, size), _DIGITS)
        place = np.zeros(size, np.int64)
        place[row] = self.signals.place
        order = np.lexsort((-expected, place))
        firsts = np.searchsorted(place[order], place[order])
        before = np.zeros(size)
        before[order] = np.arange(size) - firsts
        return np.asarray(np.round(expected * _NEXT**before, _DIGITS))

    def auc(self, scores: Floats | None = None) -> float | None:
        """The chance that a wrong value has more doubt than a right one; None without either.

        With `scores`, that of other scores in place of the doubts.
        """
        at = self.signals.labelled
        return area((self.doubts if scores is None else scores)[at], self.signals.wrong[at])

    def auc_of_disagreement(self) -> float | None:
        """The same of the disagreement alone."""
        return self.auc(_known(self.signals.disagreement))

    def reliability(self) -> list[Bin]:
        """Labelled values by tenths of their doubt, with exact 95 % bounds of the share wrong.

        The bounds take each value for one chance; values of one text go wrong together, so where
        few texts are labelled the truth lies outside more often.
        """
        at = self.signals.labelled
        doubts, wrong = self.doubts[at], self.signals.wrong[at]
        tenth = (doubts * 10).astype(int)
        bins = []
        for each in range(10):
            inside = tenth == each
            if count := int(inside.sum()):
                lost = int(wrong[inside].sum())
                low, high = loss_interval(lost, count)
                bins.append(Bin(float(doubts[inside].mean()), lost / count, low, high, count))
        return bins

    def found(self, labels: int) -> dict[str, Found]:
        """What the first `labels` labelled rows hold: by doubt, by disagreement alone, at random.

        Rows that tie share what they hold.
        """
        import numpy as np

        at, row = self.signals.labelled, self.signals.row
        size = _size(row)
        values: Floats = np.asarray(np.bincount(row[at], self.signals.wrong[at], size), float)
        there = np.bincount(row[at], minlength=size) > 0
        disagreed = np.bincount(row, _known(self.signals.disagreement), size)
        alone: Floats = np.asarray(np.round(disagreed, _DIGITS), float)
        return {
            name: _found(scores[there], values[there], labels)
            for name, scores in (
                ("doubt", self.rows), ("disagreement", alone), ("random", np.zeros(size)),
            )
        }  # fmt: skip


def doubts_of(signals: Signals) -> Doubts:
    """A doubt for each value: learned where enough labels are known, else by the fixed sum."""
    import numpy as np

    at = _learned_from(signals)
    groups = np.unique(signals.text[at])
    wrong = int(signals.wrong[at].sum())
    if min(wrong, int(at.sum()) - wrong) < FEWEST or len(groups) < FEWEST_GROUPS:
        return Doubts(signals, fixed_model(signals).doubts(signals), False, 0, 0)
    doubts = learn(signals, at).doubts(signals)
    for part in _parts(signals, groups):
        inside = np.isin(signals.text, part)
        own = learn(signals, at & ~inside).doubts(signals)
        doubts = np.where(inside, own, doubts)
    return Doubts(signals, doubts, True, len(groups), int(at.sum()))


def _learned_from(signals: Signals) -> Flags:
    """The labelled values, or those of a number of texts where there are very many."""
    import numpy as np

    at = signals.labelled
    if at.sum() <= _MOST_LEARNED:
        return at
    counts = np.bincount(signals.text[at], minlength=len(signals.groups))
    order = _dealt(signals, np.flatnonzero(counts))
    enough = int(np.searchsorted(np.cumsum(counts[order]), _MOST_LEARNED)) + 1
    return np.asarray(at & np.isin(signals.text, order[: max(enough, FEWEST_GROUPS)]))


def _dealt(signals: Signals, groups: Ints) -> Ints:
    """Groups in an order that depends on nothing but their names."""
    import numpy as np

    def key(at: int) -> bytes:
        return hashlib.sha256(signals.groups[at].encode("utf-8", "surrogatepass")).digest()

    return np.array(sorted((int(each) for each in groups), key=key), int)


def _parts(signals: Signals, groups: Ints) -> Iterator[Ints]:
    order = _dealt(signals, groups)
    for fold in range(min(FOLDS, len(order))):
        yield order[fold::FOLDS]


# -- how well scores find what is wrong ------------------------------------------------------------


def area(scores: Floats, wrong: Floats) -> float | None:
    """The area under the ROC curve, ties counted half; None if all or none are wrong.

    >>> import numpy as np
    >>> area(np.array([0.1, 0.4, 0.4, 0.9]), np.array([0, 0, 1, 1]))
    0.875
    """
    import numpy as np

    count = float(wrong.sum())
    rest = len(wrong) - count
    if not count or not rest:
        return None
    _, inverse, ties = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[inverse]
    return float((ranks[wrong > 0].sum() - count * (count + 1) / 2) / (count * rest))


def _found(scores: Floats, values: Floats, labels: int) -> Found:
    """The expectation over the orders of ties, of the first `labels` by score."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    scores, values = scores[order], values[order]
    ends = [*np.flatnonzero(np.diff(scores)) + 1, len(scores)]
    fields = found = 0.0
    start = 0
    for end in ends:
        taken = min(end, labels) - start
        if taken <= 0:
            break
        tied = values[start:end]
        fields += taken * float((tied > 0).mean())
        found += taken * float(tied.mean())
        start = end
    return Found(fields, found)
