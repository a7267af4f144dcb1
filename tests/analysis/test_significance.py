"""What is said of variants is what their texts show, whatever stands beside them."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.analysis.pairing import assign
from llmwidgets.analysis.statistics.intervals import (
    Spread,
    cumulative,
    grouped,
    loss_interval,
    mean_intervals,
    precompute_margins,
    quantile,
    tails,
    upper_bounds,
)
from llmwidgets.analysis.statistics.significance import (
    Scores,
    compare_variants,
    counted_looks,
    holm,
    standing,
)
from llmwidgets.analysis.statistics.verdict import MATTERS, Outcome, Shown, Verdict


@pytest.mark.parametrize(
    ("probability", "freedom", "t"),
    [
        (0.975, 1, 12.7062047), (0.975, 2, 4.30265273), (0.975, 9, 2.26215716),
        (0.975, 29, 2.04522964), (0.975, 100, 1.98397152), (0.975, 10_000, 1.96020124),
        (0.95, 5, 2.01504837), (0.995, 14, 2.97684273), (0.9, 3, 1.63774436),
    ],
)  # fmt: skip
def test_quantiles_of_t_are_those_of_the_tables(probability, freedom, t):
    assert quantile(probability, freedom) == pytest.approx(t, rel=1e-7)
    assert quantile(1 - probability, freedom) == pytest.approx(-t, rel=1e-7)


@given(st.floats(0.501, 0.9999), st.integers(1, 5000))
@settings(max_examples=80, deadline=None)
def test_the_quantile_inverts_the_distribution(probability, freedom):
    assert cumulative(quantile(probability, freedom), freedom) == pytest.approx(probability)


def decide(columns: list[Scores], matters: float = MATTERS) -> Verdict:
    return compare_variants(columns).conclude(matters)


# -- the bound -------------------------------------------------------------------------------------

shares = st.integers(0, 10).map(lambda tenths: tenths / 10)


def interval(scores: list[float]) -> tuple[float, float]:
    found = standing(column("A", scores))
    return found.low, found.high


@pytest.mark.parametrize(
    ("lost", "of", "low", "high"),
    [(0, 60, 0, 0.059629), (1, 60, 0.000422, 0.089399), (5, 60, 0.027613, 0.183858),
     (60, 60, 0.940371, 1), (3, 10, 0.066740, 0.652453), (0, 12, 0, 0.264648)],
)  # fmt: skip
def test_a_rate_of_losses_has_the_exact_interval_of_clopper_and_pearson(lost, of, low, high):
    assert loss_interval(lost, of) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_without_texts_a_rate_may_be_anything():
    assert loss_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    "values", [[0.0] * 15 + [0.2] * 5, [-0.1, 0.1] * 10, [0.0] * 18 + [1.0, 1.0], [0.3] * 12]
)
def test_the_bound_is_the_quantile_of_the_weighted_mean(values):
    """Against 300,000 draws of the weights that the saddlepoint stands for."""
    from llmwidgets.analysis.statistics.intervals import pseudo_mass

    generator = np.random.default_rng(1)
    weights = generator.gamma(1.0, size=(300_000, len(values)))
    worst = generator.gamma(pseudo_mass(len(values)), size=300_000)
    means = (weights @ np.array(values) + worst * 0.9) / (weights.sum(axis=1) + worst)
    for level in (0.05, 0.025):
        (bound,) = upper_bounds([values], [[0.9]], level)
        assert bound == pytest.approx(np.quantile(means, 1 - level), abs=0.004)


@given(st.lists(shares, min_size=2, max_size=80))
@settings(max_examples=150, deadline=None)
def test_an_interval_holds_the_mean_and_is_never_of_no_width(scores):
    low, high = interval(scores)
    mean = math.fsum(scores) / len(scores)
    assert 0 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= 1
    assert high - low > 0.1 / len(scores)


@given(st.lists(shares, min_size=10, max_size=40), st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_order_of_texts_changes_nothing(scores, random):
    turned = random.sample(scores, len(scores))
    assert interval(turned) == pytest.approx(interval(scores), abs=1e-9)


@pytest.mark.parametrize("times", [1e-3, 30.0, 1e4])
def test_a_bound_grows_as_its_values_do(times):
    """Those of a large group are far above 1."""
    values, worst = np.array([[0.1, 0.9, 0.5] * 5, [-0.3, 0.0, 1.0] * 5]), np.array([[1.0], [1.0]])
    expected = times * upper_bounds(values, worst, 0.05)
    assert upper_bounds(times * values, times * worst, 0.05) == pytest.approx(expected)
    lower = values - 0.9
    assert tails(times * lower, times * worst) == pytest.approx(tails(lower, worst), abs=1e-9)


@given(st.lists(st.integers(-10, 10), min_size=10, max_size=40), st.floats(0.002, 0.4))
@settings(max_examples=100, deadline=None)
def test_the_tail_is_the_level_whose_bound_is_zero(tenths, level):
    values = [each / 10 for each in tenths]
    (tail,) = tails([values], [[1.0]])
    (bound,) = upper_bounds([values], [[1.0]], level)
    if abs(bound) > 1e-6 and tail < 0.45:
        assert (bound < 0) == (tail < level)


def test_a_stricter_level_and_fewer_texts_give_a_wider_interval():
    scores = [0.9, 1.0, 0.8, 0.9, 1.0] * 4
    wide, narrow = mean_intervals([scores], 0.01), mean_intervals([scores], 0.05)
    assert wide[0] < narrow[0]
    assert narrow[1] < wide[1]
    assert interval(scores[:10])[0] < interval(scores)[0]
    assert interval([0.7]) == (0.0, 1.0)


# -- the verdict -----------------------------------------------------------------------------------


def column(label: str, scores: list[float], cost: float | None = None, **more) -> Scores:
    return Scores(label, {f"t{i}": float(each) for i, each in enumerate(scores)}, cost, **more)


def drawn(seed: int, accuracy: float, texts: int, fields: int = 10) -> list[float]:
    generator = np.random.default_rng(seed)
    return [float(each) for each in generator.binomial(fields, accuracy, texts) / fields]


def shown(verdict: Verdict) -> dict[str, Shown]:
    return {each.label: each.shown for each in verdict.standings}


def test_holm_corrects_for_all_pairs():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_under_ten_texts_there_is_no_verdict():
    verdict = decide([column("Luna", [1.0] * 9, 9.0), column("Haiku", [0.0] * 9, 1.0)])
    assert verdict.outcome is Outcome.NOT_ENOUGH_TEXTS
    assert verdict.recommended is None
    assert verdict.leader == "Luna"
    assert verdict.table[0].verdict == "too few texts"
    assert verdict.not_told_apart == (("Luna", "Haiku"),)


def test_the_three_outcomes():
    good, poor = drawn(1, 0.97, 60), drawn(2, 0.8, 60)
    better = decide([column("A", good, 5.0), column("B", poor, 1.0)])
    assert (better.outcome, better.recommended) == (Outcome.BETTER, "A")
    assert shown(better) == {"A": Shown.BEST, "B": Shown.WORSE}
    equal = decide([column("A", good, 5.0), column("B", drawn(3, 0.97, 60), 1.0)])
    assert (equal.outcome, equal.recommended) == (Outcome.AS_GOOD_AND_CHEAPER, "B")
    few = decide([column("A", good[:12], 5.0), column("B", poor[:12], 1.0)])
    assert (few.outcome, few.recommended) == (Outcome.NOT_ENOUGH_TEXTS, None)
    assert few.leader == "A"


def test_absence_of_evidence_recommends_nothing():
    """Ten texts and eight variants: no difference can be shown, and the worst is the cheapest."""
    columns = [column(f"v{at}", drawn(at, 0.9, 10), 10.0 - at) for at in range(7)]
    verdict = decide([*columns, column("worst", [0.0] * 3 + [0.7] * 7, 0.1)])
    assert verdict.recommended != "worst"


def test_ten_equal_perfect_texts_do_not_show_that_nothing_is_ever_lost():
    verdict = decide([column("A", [1.0] * 10, 5.0), column("B", [1.0] * 10, 1.0)])
    assert verdict.recommended is None
    (pair,) = verdict.table
    assert pair.low < -0.1
    assert pair.high > 0.1
    assert all(each.worse_by > 0.1 for each in verdict.standings)


def test_sixty_equal_texts_do():
    verdict = decide([column("A", [1.0] * 60, 5.0), column("B", [1.0] * 60, 1.0)])
    assert verdict.recommended == "B"


@pytest.mark.parametrize("matters", [0.01, 0.02, 0.05, 0.2])
def test_what_matters_is_concluded_without_testing_again(matters):
    columns = [column("A", drawn(1, 0.95, 60), 5.0), column("B", drawn(2, 0.95, 60), 1.0)]
    once = compare_variants(columns)
    verdict = once.conclude(matters)
    assert verdict == decide(columns, matters)
    cheap = next(each for each in verdict.standings if each.label == "B")
    assert (verdict.recommended == "B") == (cheap.worse_by < matters)


def test_a_larger_margin_needs_fewer_texts():
    once = compare_variants([column("A", drawn(1, 0.93, 60)), column("B", drawn(2, 0.93, 60))])
    needed = [once.conclude(matters).texts_needed for matters in (0.01, 0.02, 0.05, 0.1)]
    assert needed == sorted(needed, reverse=True)
    assert needed[0] > needed[-1]


tables = st.integers(10, 40).flatmap(
    lambda texts: st.lists(st.lists(shares, min_size=texts, max_size=texts), min_size=2, max_size=4)
)


def columns_of(table: list[list[float]], costs: list[float]) -> list[Scores]:
    return [column(f"v{at}", row, costs[at]) for at, row in enumerate(table)]


@given(tables)
@settings(max_examples=40, deadline=None)
def test_words_and_intervals_agree(table):
    """A pair is told apart where its interval excludes 0, and nowhere else."""
    verdict = decide(columns_of(table, [4.0, 3.0, 2.0, 1.0]))
    for pair in verdict.table:
        assert pair.told_apart == (pair.low > 0 or pair.high < 0)
        assert pair.low - 1e-9 <= pair.difference <= pair.high + 1e-9
        assert pair.high - pair.low > 0.01
        if pair.told_apart:
            better = pair.a if pair.difference > 0 else pair.b
            assert pair.verdict == f"{better} is better"
    if verdict.outcome is Outcome.BETTER:
        assert verdict.recommended == verdict.leader
        assert all(pair.told_apart for pair in verdict.table if verdict.leader in (pair.a, pair.b))
    assert (verdict.recommended is None) == (verdict.outcome is Outcome.NOT_ENOUGH_TEXTS)


@given(tables, st.data())
@settings(max_examples=30, deadline=None)
def test_a_poorer_column_does_not_change_the_headline(table, data):
    before = decide(columns_of(table, [4.0, 3.0, 2.0, 1.0]))
    least = [min(row[at] for row in table) for at in range(len(table[0]))]
    more = [
        column(f"poor{at}", [max(0.0, share - drop / 10) for share in least], 9.0)
        for at, drop in enumerate(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    ]
    after = decide([*columns_of(table, [4.0, 3.0, 2.0, 1.0]), *more])
    assert after.outcome == before.outcome
    assert after.recommended == before.recommended
    assert after.leader == before.leader


@given(tables)
@settings(max_examples=20, deadline=None)
def test_the_order_of_columns_changes_nothing(table):
    columns = columns_of(table, [4.0, 3.0, 2.0, 1.0])
    one, other = decide(columns), decide(columns[::-1])
    assert (one.outcome, one.recommended) == (other.outcome, other.recommended)


@given(tables)
@settings(max_examples=40, deadline=None)
def test_a_tie_never_falls_to_the_cheaper(table):
    """Who is recommended at a lower price than the best is shown to be as good."""
    verdict = decide(columns_of(table, [4.0, 3.0, 2.0, 1.0]))
    by_label = {each.label: each for each in verdict.standings}
    if verdict.recommended is not None:
        assert by_label[verdict.recommended].worse_by < 0.05


def test_a_clear_winner_stays_one_beside_poorer_columns():
    winner = column("A", [1.0] * 12, 3.0)
    second = [0.8, 0.7, 0.9, 0.8, 0.8, 0.6, 0.9, 0.8, 0.8, 0.8, 0.7, 0.87]
    poorer = [column(f"p{at}", [s - 0.1 * at for s in second], 1.0) for at in range(1, 5)]
    alone = decide([winner, column("B", second, 2.0)])
    beside = decide([winner, column("B", second, 2.0), *poorer])
    assert alone.outcome is beside.outcome is Outcome.BETTER
    assert beside.recommended == "A"


def test_a_model_that_is_known_to_be_free_is_the_cheapest():
    columns = [column("A", drawn(1, 0.97, 80), 5.0), column("B", drawn(2, 0.97, 80), 0.0)]
    assert decide(columns).recommended == "B"


def test_an_unknown_price_is_never_the_cheapest():
    columns = [column("A", drawn(1, 0.97, 80), 5.0), column("B", drawn(3, 0.97, 80), None)]
    verdict = decide(columns)
    assert verdict.recommended == verdict.leader
    assert "unknown" in verdict.sentence


def test_nobody_who_got_nothing_right_is_recommended():
    verdict = decide([column("A", [0.0] * 80, 2.0), column("B", [0.0] * 80, 1.0, lost=frozenset())])
    assert verdict.recommended is None
    assert verdict.headline == "No variant got a field right."


def test_equal_prices_recommend_the_leader():
    columns = [column("A", drawn(1, 0.98, 90), 2.0), column("B", drawn(3, 0.97, 90), 2.0)]
    verdict = decide(columns)
    assert verdict.recommended == verdict.leader


# -- what was not answered, what was lost ----------------------------------------------------------


def test_only_the_texts_both_answered_are_compared():
    a = Scores("A", {f"t{i}": 0.5 for i in range(30)})
    b = Scores("B", {f"t{i}": 0.5 for i in range(18, 60)})
    assert decide([a, b]).table[0].texts == 12
    nothing = decide([a, Scores("B", {f"x{i}": 1.0 for i in range(12)})])
    assert nothing.table[0].texts == 0
    assert nothing.recommended is None


def test_a_model_that_answers_only_the_easy_texts_is_not_recommended():
    """A reads 75 of 100 fields of all 40 texts; B all of the 20 easy ones, and no other."""
    a = Scores("A", {f"t{i}": 1.0 if i < 20 else 0.5 for i in range(40)}, 5.0)
    hard = frozenset(f"t{i}" for i in range(20, 40))
    b = Scores("B", {f"t{i}": 1.0 for i in range(20)}, 1.0, unanswered=hard)
    verdict = decide([a, b])
    assert verdict.leader == "A"
    assert verdict.recommended != "B"
    (standing,) = (each for each in verdict.standings if each.label == "B")
    assert (standing.accuracy, standing.accuracy_if_wrong) == (1.0, 0.5)
    assert "B has no answer to 20 of 40 texts" in verdict.sentence


def test_texts_that_were_never_asked_count_for_nobody():
    a = column("A", drawn(1, 0.95, 60), 5.0)
    b = Scores("B", dict(list(column("B", drawn(2, 0.95, 60)).scores.items())[:30]), 1.0)
    verdict = decide([a, b])
    assert verdict.table[0].texts == 30
    assert "no answer" not in verdict.sentence


def test_losses_stand_beside_the_accuracy_of_the_replies_that_came():
    scores = [0.0] * 3 + drawn(1, 0.97, 57)
    lost = frozenset({"t0", "t1", "t2"})
    verdict = decide([column("A", drawn(2, 0.97, 60), 5.0), column("B", scores, 1.0, lost=lost)])
    (standing,) = (each for each in verdict.standings if each.label == "B")
    assert standing.lost == 3
    assert standing.answered_accuracy == pytest.approx(sum(scores) / 57)
    assert standing.loss_high == pytest.approx(0.13915, abs=1e-4)
    assert verdict.recommended != "B"


def test_a_variant_that_was_never_scored_does_not_take_the_verdict_from_the_rest():
    good, bad = column("A", [1.0] * 20, 2.0), column("B", [0.5] * 20, 1.0)
    verdict = decide([good, Scores("dead", {}), bad])
    assert verdict.recommended == "A"
    assert verdict.sentence.count("dead is left out: none of the texts could be scored.") == 1
    assert [(pair.a, pair.b) for pair in verdict.table] == [("A", "B")]
    few = decide([good, bad, Scores("late", {"t1": 1.0, "t2": 1.0})])
    assert "late (2) is left out: too few texts could be scored." in few.sentence
    assert few.recommended == "A"


# -- looks and groups ------------------------------------------------------------------------------


def test_a_look_counts_where_the_texts_grew_by_a_tenth():
    assert counted_looks([]) == ()
    assert counted_looks([9, 10, 10, 11, 12]) == (10, 11)
    assert counted_looks([30, 31, 32, 33, 60]) == (30, 33, 60)
    assert len(counted_looks(range(10, 101))) == 21


def test_every_look_more_asks_for_more():
    columns = [column("A", drawn(1, 0.95, 60)), column("B", drawn(2, 0.85, 60))]
    once, often = (
        compare_variants(columns, looks=[60]),
        compare_variants(columns, looks=[20, 40, 60]),
    )
    assert often.level == pytest.approx(once.level / 3)
    assert often.table[0].low < once.table[0].low
    assert often.conclude().looks == (20, 40, 60)
    assert "Looked at 3 times, at 20, 40 and 60 texts" in often.conclude().sentence


def test_copies_of_one_text_count_once():
    """Twenty copies of one text beside nine others are ten groups."""
    scores_a = [1.0] * 20 + drawn(1, 0.9, 9)
    scores_b = [0.8] * 20 + drawn(2, 0.9, 9)
    columns = [column("A", scores_a, 2.0), column("B", scores_b, 1.0)]
    groups = {f"t{i}": "copy" if i < 20 else f"t{i}" for i in range(29)}
    alone, together = (
        compare_variants(columns).conclude(),
        compare_variants(columns, groups=groups).conclude(),
    )
    (one,), (other,) = alone.table, together.table
    assert one.difference == pytest.approx(other.difference)
    assert one.told_apart
    assert not other.told_apart
    assert "The texts make 10 groups" in together.sentence
    few = compare_variants(columns, groups=dict.fromkeys(groups, "one")).conclude()
    assert few.recommended is None


@given(tables)
@settings(max_examples=20, deadline=None)
def test_many_spreads_at_once_have_the_margins_of_each_alone(table):
    rows = [[*row, 1.0] for row in table]
    worst = [[0.25, *row][: 3 + at % 2] for at, row in enumerate(rows)]
    together, alone = ([*map(Spread.of, rows, worst)] for _ in range(2))
    levels = [0.025 / (1 + at) for at in range(len(rows))]
    precompute_margins(zip(together, levels, strict=True))
    for spread, other, level in zip(together, alone, levels, strict=True):
        assert list(spread.known) == [level]
        for texts in (10, 14, 60, 1000):
            assert spread.margin(texts, level) == pytest.approx(other.margin(texts, level))


@given(st.lists(st.tuples(shares, st.integers(0, 5)), min_size=3, max_size=40))
@settings(max_examples=80, deadline=None)
def test_groups_keep_the_mean_of_the_texts(pairs):
    values, names = [value for value, _ in pairs], [str(name) for _, name in pairs]
    made = grouped(values, names)
    assert len(made) == len(set(names))
    assert math.fsum(made) / len(made) == pytest.approx(math.fsum(values) / len(values))


@given(st.lists(st.lists(st.integers(-50, 50), min_size=5, max_size=5), min_size=5, max_size=5))
@settings(max_examples=60, deadline=None)
def test_the_assignment_is_the_cheapest_of_all(cost):
    paired = assign(cost)
    assert sorted(paired) == sorted(paired.values()) == list(range(5))
    best = min(sum(cost[i][j] for i, j in enumerate(order)) for order in permutations(range(5)))
    assert sum(cost[i][j] for i, j in paired.items()) == best


# -- the short form of benchmarks/calibration.py ---------------------------------------------------


@pytest.mark.parametrize(("texts", "variants"), [(10, 2), (20, 4), (50, 2)])
def test_equal_models_are_rarely_called_different(texts: int, variants: int):
    """200 seeds, at most 5 % and chance: 200 runs give at most 20 alarms in 99.8 of 100 tests."""
    alarms = 0
    for seed in range(200):
        generator = np.random.default_rng((seed, texts, variants))
        hard = generator.beta(8, 1, texts)
        columns = [
            column(str(at), list(generator.binomial(10, hard) / 10)) for at in range(variants)
        ]
        alarms += any(pair.told_apart for pair in compare_variants(columns).table)
    assert alarms <= 20


def test_a_planted_effect_is_found_four_times_in_five():
    pilot = decide([column("A", drawn(1, 0.93, 400)), column("B", drawn(2, 0.89, 400))], 0.04)
    needed = pilot.table[0].texts_needed
    assert needed is not None
    found = 0
    for at in range(150):
        better, worse = drawn(3 + at, 0.93, needed), drawn(9_000 + at, 0.89, needed)
        found += compare_variants([column("A", better), column("B", worse)]).table[0].told_apart
    assert 0.69 <= found / 150 <= 0.9
