"""Significance: what the texts show about variants, against the best of them.

A variant is *as good* if it is shown to be at most `matters` worse than every other, and
*better* if it is shown to be better than every other. Such claims about all others at once need no
correction for how many there are (Berger's intersection-union test; comparison with the best, after
Hsu), so adding a poorer column changes neither. The table of pairs is corrected by Holm, except for
the pairs of a variant that is better than all others. Every bound comes from `intervals`, so that
words and intervals agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import TYPE_CHECKING

from llmwidgets.analysis.statistics.intervals import (
    FEWEST_TEXTS,
    LEVEL,
    Spread,
    can_show,
    grouped,
    if_lost,
    loss_interval,
    mean_intervals,
    precompute_margins,
    tails,
    texts_needed,
    texts_to_equal,
    upper_bounds,
)
from llmwidgets.analysis.statistics.verdict import (
    MATTERS,
    Outcome,
    Pair,
    Shown,
    Standing,
    Verdict,
    find_pair,
)
from llmwidgets.analysis.statistics.verdict_sentences import put_in_words

if TYPE_CHECKING:
    from llmwidgets.analysis.statistics.intervals import Numbers

_LOOK = 1.1
_Two = tuple[int, int]
"""The places of two columns."""


@dataclass(frozen=True, slots=True)
class Scores:
    """A variant with its accuracy (0 to 1) on each text, repeats averaged within the text.

    `lost` are the texts whose reply the model lost (refused, filtered, truncated, invalid): they
    are 0 in `scores`. `unanswered` are labelled texts that were asked about without an answer, by
    no fault of the model; they are not in `scores`. `cost_per_1000` is in US dollars, None if it
    is unknown.
    """

    label: str
    scores: Mapping[str, float]
    cost_per_1000: float | None = None
    lost: frozenset[str] = frozenset()
    unanswered: frozenset[str] = frozenset()


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


def counted_looks(looks: Iterable[int]) -> tuple[int, ...]:
    """The looks that count: from 10 texts on, each at a tenth more texts than the one before.

    >>> counted_looks([5, 30, 31, 60])
    (30, 60)
    """
    counted: list[int] = []
    for texts in sorted(looks):
        if texts >= FEWEST_TEXTS and (not counted or texts >= _LOOK * counted[-1]):
            counted.append(texts)
    return tuple(counted)


def level_after(looks: Iterable[int]) -> float:
    """The share of misses of every "95 %" if the truth was looked at this often."""
    return LEVEL / max(1, len(counted_looks(looks)))


def compare_variants(
    columns: Sequence[Scores],
    *,
    groups: Mapping[str, str] | None = None,
    looks: Iterable[int] = (),
    repeats: int = 1,
) -> Tested:
    """Test every variant against every other.

    `groups` says which texts belong together (text → group): the errors of a group count as
    one. `looks` are the numbers of texts at which the truth was looked at, this look included: the
    level of every bound is divided by how many count.
    """
    # By text, so that the same scores in another order give the very same figures.
    columns = [replace(each, scores=dict(sorted(each.scores.items()))) for each in columns]
    scored, rest = _split_scored(columns)
    level = level_after(looks)
    others = [each for each in rest if each.scores]
    columns = [*scored, *others]
    ways = list(permutations(range(len(columns)), 2))
    contests = _contests(columns, ways, groups, level)
    order, apart = _ranked(scored, contests)
    kept, left_out = [scored[at] for at in order], [*rest, *(scored[at] for at in apart)]
    ordered = [*kept, *(scored[at] for at in apart), *others]
    places = [*order, *apart, *range(len(scored), len(ordered))]
    contests = {
        (a, b): contests[places[a], places[b]] for a, b in permutations(range(len(ordered)), 2)
    }
    shared = [contests[0, each] for each in range(1, len(kept))]
    better = bool(shared) and all(each.tail <= level / 2 for each in shared)
    alone = len(kept[0].scores) if kept else 0
    return Tested(
        standings=_standings(kept, contests, groups, level),
        texts=min((each.texts for each in shared), default=alone),
        units=min((len(each.values) for each in shared), default=alone),
        table=_table(
            [each.label for each in ordered],
            list(combinations(range(len(ordered)), 2)),
            contests,
            level,
            better,
        ),
        better=better,
        left_out=tuple((each.label, len(each.scores)) for each in left_out),
        looks=counted_looks(looks),
        level=level,
        grouped=groups is not None,
        repeats=repeats,
    )


# -- one against another ---------------------------------------------------------------------------


@dataclass(slots=True)
class _Contest:
    """How much worse one variant is than another, text by text; what it did not answer is wrong.

    `scores` are those of the other. `texts` are those both answered, `difference` the mean on them.
    `bound` is the one-sided upper bound of the mean of all `values`; `tail` the level at which that
    bound is 0: the one-sided p of the claim that the variant is the better one.
    """

    values: Sequence[float]
    scores: Sequence[float]
    texts: int
    difference: float
    bound: float = 1.0
    tail: float = 0.5

    @property
    def enough(self) -> bool:
        return self.texts >= FEWEST_TEXTS and len(self.values) >= FEWEST_TEXTS


def _contests(
    columns: Sequence[Scores],
    ways: Iterable[_Two],
    groups: Mapping[str, str] | None,
    level: float,
) -> dict[_Two, _Contest]:
    """One column against another one, by their places, for each of these ways."""
    contests = {(one, other): _contest(columns[one], columns[other], groups) for one, other in ways}
    enough = [way for way, each in contests.items() if each.enough]
    for ways, values, worst in _batches(contests, enough):
        bounds, levels = upper_bounds(values, worst, level), tails(values, worst)
        for way, bound, tail in zip(ways, bounds, levels, strict=True):
            contests[way].bound, contests[way].tail = float(bound), float(tail)
    return contests


def _contest(one: Scores, other: Scores, groups: Mapping[str, str] | None) -> _Contest:
    texts = [text for text in other.scores if text in one.scores or text in one.unanswered]
    values = [other.scores[text] - one.scores.get(text, 0.0) for text in texts]
    both = [value for text, value in zip(texts, values, strict=True) if text in one.scores]
    names = None if groups is None else [groups.get(text, text) for text in texts]
    return _Contest(
        grouped(values, names),
        grouped([other.scores[text] for text in texts], names),
        len(both),
        _mean(both) if both else 0.0,
    )


def _batches(
    contests: Mapping[_Two, _Contest], ways: Iterable[_Two]
) -> Iterator[tuple[list[_Two], list[Sequence[float]], Numbers]]:
    """Contests on equally many values, which are bounded in one go: their values, and the worst."""
    sizes: dict[int, list[_Two]] = {}
    for way in ways:
        sizes.setdefault(len(contests[way].values), []).append(way)
    for same_size in sizes.values():
        batch = [contests[way] for way in same_size]
        yield same_size, [each.values for each in batch], if_lost([each.scores for each in batch])


def _table(
    labels: Sequence[str],
    couples: Sequence[_Two],
    contests: Mapping[_Two, _Contest],
    level: float,
    better: bool = False,
) -> tuple[Pair, ...]:
    """Each couple in its order; those of a leader that is better than all need no correction."""
    ps = {
        (a, b): min(1.0, 2 * min(contests[a, b].tail, contests[b, a].tail))
        for a, b in couples
        if contests[a, b].enough and contests[b, a].enough
    }
    corrected = {each: p for each, p in ps.items() if better and 0 in each}
    levels = dict.fromkeys(corrected, level)
    rest = sorted((each for each in ps if each not in corrected), key=lambda each: ps[each])
    corrected |= dict(zip(rest, holm([ps[each] for each in rest]), strict=True))
    at, is_open = level, False
    for rank, each in enumerate(rest):
        # From the first pair that is not told apart on, all pairs share its level.
        at = at if is_open else level / (len(rest) - rank)
        is_open = is_open or ps[each] > at
        levels[each] = at
    intervals = _intervals(contests, levels)
    pairs = []
    for a, b in couples:
        contest = contests[a, b]
        pair = Pair(labels[a], labels[b], contest.texts, 0.0 - contest.difference)
        if (a, b) in ps:
            apart = ps[a, b] <= levels[a, b]
            ahead = a if contest.tail <= contests[b, a].tail else b
            low, high = intervals[a, b]
            pair = replace(
                pair, low=low, high=high, p=ps[a, b], p_holm=corrected[a, b], told_apart=apart,
                level=levels[a, b], spread=Spread.of(contest.values, if_lost(contest.scores)),
                verdict=f"{labels[ahead]} is better" if apart else "not told apart",
            )  # fmt: skip
        elif not pair.texts:
            pair = replace(pair, verdict="no text both answered")
        pairs.append(pair)
    return tuple(pairs)


def _intervals(
    contests: Mapping[_Two, _Contest], levels: Mapping[_Two, float]
) -> dict[_Two, tuple[float, float]]:
    """The two-sided interval of each pair's difference, at its own level."""
    level_of = {way: level / 2 for (a, b), level in levels.items() for way in ((a, b), (b, a))}
    ends: dict[_Two, float] = {}
    for ways, values, worst in _batches(contests, level_of):
        bounds = upper_bounds(values, worst, [level_of[way] for way in ways])
        ends |= dict(zip(ways, map(float, bounds), strict=True))
    return {(a, b): (-ends[a, b], ends[b, a]) for a, b in levels}


# -- one against itself in an earlier run --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunTest:
    """One variant now and in an earlier run, on the texts of both.

    The difference of `pair` is now minus before, corrected by Holm for all variants that are
    compared with their earlier run. `worse_by` is the one-sided bound of how much worse it is now,
    as low as `at_best` if no text at all differed; both are None if the texts are too few. `units`
    is how many observations the texts make: groups, if they belong together; where they are too
    few, of those with an answer in both runs.
    """

    pair: Pair
    units: int = 0
    worse_by: float | None = None
    at_best: float | None = None


def compare_runs(
    columns: Sequence[tuple[Scores, Scores]],
    *,
    groups: Mapping[str, str] | None = None,
    looks: Iterable[int] = (),
) -> tuple[RunTest, ...]:
    """Test each variant (now, before) against itself, by the bounds of the verdict.

    That none of them is worse by more than some margin is a claim on all of them at once, so
    `worse_by` needs no correction for how many there are.
    """
    level = level_after(looks)
    both = [
        replace(each, scores=dict(sorted(each.scores.items()))) for two in columns for each in two
    ]
    couples = [(at, at + 1) for at in range(0, len(both), 2)]
    ways = [way for one, other in couples for way in ((one, other), (other, one))]
    contests = _contests(both, ways, groups, level)
    pairs = _table([each.label for each in both], couples, contests, level)
    tests = []
    for pair, way in zip(pairs, couples, strict=True):
        contest = contests[way]
        if not contest.enough:
            shared = both[way[0]].scores.keys() & both[way[1]].scores.keys()
            tests.append(RunTest(pair, len({(groups or {}).get(each, each) for each in shared})))
            continue
        units = len(contest.values)
        best = upper_bounds([[0.0] * units], if_lost([contest.scores]), level)
        tests.append(RunTest(pair, units, contest.bound, float(best[0])))
    return tuple(tests)


# -- one by itself ---------------------------------------------------------------------------------


def _split_scored(columns: Sequence[Scores]) -> tuple[list[Scores], list[Scores]]:
    """The columns that can be compared, and the others.

    One column without scores, or with too few when others have enough, must not cost the rest
    their verdict.
    """
    enough = any(len(each.scores) >= FEWEST_TEXTS for each in columns)
    least = FEWEST_TEXTS if enough else 1
    kept = [each for each in columns if len(each.scores) >= least]
    return kept, [each for each in columns if len(each.scores) < least]


def _ranked(
    columns: Sequence[Scores], contests: Mapping[_Two, _Contest]
) -> tuple[list[int], list[int]]:
    """The places of the columns, best first, and of those that share too little with the best.

    By how much worse each is seen to be than any other on the texts of both: a column that was
    asked only about easy texts does not lead by them. A column that cannot be compared with the
    best must not cost the rest their verdict.
    """
    places = range(len(columns))

    def rank(at: int) -> tuple[float, float, float, str]:
        column = columns[at]
        met = [contests[at, other] for other in places if other != at]
        seen = [_mean(each.values) for each in met if each.enough]
        # Rounded, so that equal ones stay equal whatever their texts are.
        worse_by = round(max(seen, default=math.inf), 12)
        cost = math.inf if column.cost_per_1000 is None else column.cost_per_1000
        return worse_by, -_if_wrong(column), cost, column.label

    order = sorted(places, key=rank)
    met = [at for at in order[1:] if contests[order[0], at].enough]
    if not met:
        return order, []
    return [order[0], *met], [at for at in order[1:] if at not in met]


def _if_wrong(column: Scores) -> float:
    """The accuracy with what was not answered counted as wrong."""
    return math.fsum(column.scores.values()) / (len(column.scores) + len(column.unanswered))


def standing(
    column: Scores, groups: Mapping[str, str] | None = None, level: float = LEVEL
) -> Standing:
    """A variant by itself; one with scores.

    >>> column = Scores("A", {f"text-{at}": 0.8 + at % 3 / 10 for at in range(30)})
    >>> found = standing(column)
    >>> round(found.accuracy, 2), round(found.low, 2), round(found.high, 2)
    (0.9, 0.82, 0.93)
    """
    scores = list(column.scores.values())
    names = None if groups is None else [groups.get(text, text) for text in column.scores]
    values = grouped(scores, names)
    low, high = 0.0, 1.0
    if len(values) > 1:
        lows, highs = mean_intervals([values], level)
        low, high = max(0.0, float(lows[0])), min(1.0, float(highs[0]))
    came = [score for text, score in column.scores.items() if text not in column.lost]
    loss_low, loss_high = loss_interval(len(column.lost), len(scores), level)
    return Standing(
        label=column.label,
        accuracy=_mean(scores),
        low=low,
        high=high,
        scored=len(scores),
        answered_accuracy=_mean(came) if came else None,
        lost=len(column.lost),
        loss_low=loss_low,
        loss_high=loss_high,
        unanswered=len(column.unanswered),
        accuracy_if_wrong=_if_wrong(column),
        cost_per_1000=column.cost_per_1000,
    )


def _standings(
    columns: Sequence[Scores],
    contests: Mapping[_Two, _Contest],
    groups: Mapping[str, str] | None,
    level: float,
) -> tuple[Standing, ...]:
    """The variants by themselves, on the texts of all, and against the best of the others."""
    common = set.intersection(*(set(each.scores) for each in columns)) if columns else set[str]()
    standings = []
    for at, column in enumerate(columns):
        bounds = [contests[at, other].bound for other in range(len(columns)) if other != at]
        shared = [column.scores[text] for text in common]
        accuracy = _mean(shared) if 0 < len(common) < len(column.scores) else None
        alone = standing(column, groups, level)
        worse_by = max(bounds, default=None)
        standings.append(replace(alone, common_accuracy=accuracy, worse_by=worse_by))
    return tuple(standings)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


# -- what follows, once it is decided what matters -------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tested:
    """All variants tested, best first; what is concluded depends on what matters.

    `texts` are those that the best and each other answered, `units` how many groups they make, if
    texts belong together; `better` is whether the first is better than all others, `weighted`
    whether fields count by weight.
    """

    standings: tuple[Standing, ...]
    texts: int
    units: int
    table: tuple[Pair, ...]
    better: bool
    left_out: tuple[tuple[str, int], ...] = ()
    looks: tuple[int, ...] = ()
    level: float = LEVEL
    grouped: bool = False
    repeats: int = 1
    weighted: bool = False

    def conclude(self, matters: float = MATTERS) -> Verdict:
        """What follows; `matters` is the smallest difference in accuracy that counts, 0 to 1."""
        standings = self._shown(matters)
        chosen = _recommended(standings)
        outcome = None if len(standings) < 2 else Outcome.NOT_ENOUGH_TEXTS
        if chosen is not None:
            better = chosen.shown is Shown.BEST
            outcome = Outcome.BETTER if better else Outcome.AS_GOOD_AND_CHEAPER
        spread, count = self._open(standings)
        verdict = Verdict(
            headline="",
            outcome=outcome,
            leader=standings[0].label if standings else None,
            recommended=chosen.label if chosen is not None else None,
            not_told_apart=self._groups(),
            table=_with_needs(self.table, matters),
            standings=standings,
            matters=matters,
            texts=self.texts,
            groups=self.units if self.grouped else 0,
            texts_to_equal=texts_to_equal(spread, matters, self.level) if spread else None,
            texts_needed=texts_needed(spread, matters, count, self.level) if spread else None,
            can_show=can_show(spread, self.units, count, self.level) if spread else None,
            looks=self.looks,
            weighted=self.weighted,
        )
        return put_in_words(verdict, self.left_out, self.repeats)

    def _shown(self, matters: float) -> tuple[Standing, ...]:
        """The standings with what is shown of each."""
        standings = []
        for each in self.standings:
            best = self.standings[0].label
            pair = find_pair(self.table, best, each.label)
            low = pair.lead_of(best)[0] if pair is not None and pair.told_apart else 0.0
            worse, first = low > 0, each.label == best
            if first and self.better:
                shown = Shown.BEST
            elif each.worse_by is not None and each.worse_by < matters:
                shown = Shown.AS_GOOD
            elif first:
                shown = Shown.LEADS
            else:
                shown = Shown.WORSE if worse else Shown.NOT_SHOWN
            standings.append(replace(each, shown=shown, at_least=low if worse else None))
        return tuple(standings)

    def _open(self, standings: Sequence[Standing]) -> tuple[Spread | None, int]:
        """The widest spread between the best and those that may be as good, and how many they are.

        If all are shown to be worse, the nearest one counts.
        """
        rest = [each for each in standings[1:] if each.shown is not Shown.WORSE] or standings[1:2]
        pairs = [find_pair(self.table, standings[0].label, each.label) for each in rest]
        spreads = [each.spread for each in pairs if each is not None and each.spread is not None]
        if not spreads or self.units < FEWEST_TEXTS:
            return None, 0
        return max(spreads, key=lambda each: each.deviation), len(rest) + 1

    def _groups(self) -> tuple[tuple[str, ...], ...]:
        """Groups of labels, best first, in which no two are told apart, and none inside another."""
        alone = {frozenset((each.a, each.b)) for each in self.table if each.told_apart}
        labels = [each.label for each in self.standings]
        groups: list[tuple[str, ...]] = []
        for index, first in enumerate(labels):
            group = [first]
            for other in labels[index + 1 :]:
                if all(frozenset((each, other)) not in alone for each in group):
                    group.append(other)
            if len(group) > 1 and not any(set(group) <= set(each) for each in groups):
                groups.append(tuple(group))
        return tuple(groups)


def _recommended(standings: Sequence[Standing]) -> Standing | None:
    """The cheapest of those shown to be as good as the best; the best itself at an equal price."""
    # Being as good as one that got nothing right does not recommend a variant.
    if len(standings) < 2 or not standings[0].accuracy:
        return None
    good = [each for each in standings if each.shown in (Shown.BEST, Shown.AS_GOOD)]
    best = standings[0]
    cheaper = [each for each in good if each.is_cheaper(best)]
    if cheaper:
        return min(cheaper, key=lambda each: each.cost_per_1000 or 0.0)
    return best if best in good else None


def _with_needs(table: Sequence[Pair], matters: float) -> tuple[Pair, ...]:
    """The pairs, each with how many texts would tell it apart."""
    precompute_margins((each.spread, each.level / 2) for each in table if each.spread is not None)
    return tuple(
        replace(each, texts_needed=texts_needed(each.spread, matters, 2, each.level))
        if each.spread is not None
        else each
        for each in table
    )
