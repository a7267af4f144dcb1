"""A difference is said to be one only where the texts show it, and the words are plain."""

from __future__ import annotations

import random
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.analysis.assignment import assign
from llmwidgets.analysis.significance import (
    Column,
    decide,
    holm,
    in_pairs,
    mean_interval,
    paired_interval,
    sign_flip_p,
    texts_needed,
)
from llmwidgets.analysis.student import cumulative, quantile
from llmwidgets.analysis.verdict_words import needed_sentence


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


def test_the_interval_of_a_mean_is_by_t_and_clipped():
    low, high = mean_interval([0.5, 0.7, 0.6, 0.8])
    assert (low, high) == (pytest.approx(0.4445739), pytest.approx(0.8554261))
    assert mean_interval([0.8, 1.0])[1] == 1.0


def test_texts_all_alike_do_not_make_an_interval_of_nothing():
    low, high = mean_interval([1.0] * 20)
    assert (low, high) == (pytest.approx(0.8316, abs=1e-4), 1.0)
    assert mean_interval([0.0] * 20) == (0.0, pytest.approx(0.1684, abs=1e-4))
    assert mean_interval([0.7]) == (0.0, 1.0)
    assert mean_interval([]) == (0.0, 1.0)


def test_the_paired_interval_is_that_of_the_textbook():
    low, high = paired_interval([0.1, 0.2, 0.0, 0.1])
    assert (low, high) == (pytest.approx(-0.0299228), pytest.approx(0.2299228))


def test_the_sign_flip_test_counts_every_flip_of_few_texts():
    assert sign_flip_p([0.1] * 5) == 2 / 32
    assert sign_flip_p([0.1, 0.1, -0.1, 0.0]) == 1.0
    assert sign_flip_p([0.3, 0.1]) == 0.5
    assert sign_flip_p([0.0] * 30) == 1.0
    assert sign_flip_p([]) == 1.0


def test_many_texts_are_flipped_by_chance_the_same_each_time():
    generator = random.Random(2)
    differences = [generator.gauss(0.02, 0.1) for _ in range(60)]
    assert sign_flip_p(differences) == sign_flip_p(differences)
    assert sign_flip_p(differences) == pytest.approx(sign_flip_p([-d for d in differences]))
    assert sign_flip_p([d + 1 for d in differences]) < 0.001


def test_holm_corrects_for_all_pairs():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_texts_needed_follow_from_the_spread():
    spread = [0.1, -0.1] * 50
    assert texts_needed(spread, 0.02) == pytest.approx(198, abs=3)
    assert texts_needed([0.0] * 20, 0.02) == 10


def column(label: str, scores: list[float], cost: float | None = None) -> Column:
    return Column(label, {f"t{i}": each for i, each in enumerate(scores)}, cost)


def around(mean: float, seed: int, count: int = 60) -> list[float]:
    generator = random.Random(seed)
    return [min(1.0, max(0.0, generator.gauss(mean, 0.08))) for _ in range(count)]


def wobbled(base: list[float]) -> list[float]:
    """Scores that differ text by text, by as much up as down."""
    return [each + (0.1 if index % 2 else -0.1) for index, each in enumerate(base)]


def test_under_ten_texts_there_is_no_verdict():
    verdict = decide([column("Luna", [1.0] * 9), column("Haiku", [0.0] * 9)])
    assert verdict.recommended is None
    assert verdict.sentence == (
        "No verdict: only 9 texts are labelled and answered by both variants, and under 10 a "
        "difference can be chance. Label more texts."
    )
    assert verdict.table[0].verdict == "too few texts"
    assert verdict.not_told_apart == (("Luna", "Haiku"),)


def test_two_variants_told_apart():
    base = around(0.9, 1)
    better = [min(1.0, each + 0.03 + 0.001 * (i % 7)) for i, each in enumerate(base)]
    verdict = decide([column("Haiku", base, 0.41), column("Luna", better, 2.0)])
    assert verdict.recommended == "Luna"
    assert verdict.not_told_apart == ()
    assert verdict.sentence.startswith("On 60 labelled texts Luna got 9")
    assert "Luna is better by " in verdict.sentence
    assert verdict.sentence.endswith(" in 100 (95 %).")


def test_variants_not_told_apart_recommend_the_cheapest():
    verdict = decide(
        [column("Luna", around(0.93, 1), 2.0), column("Haiku", wobbled(around(0.93, 1)), 0.41)]
    )
    assert verdict.recommended == "Haiku"
    assert (
        "cannot be told apart on 60 texts; cheapest is Haiku, $0.41 for 1,000" in verdict.sentence
    )
    assert "wins" not in verdict.sentence
    assert "four times in five" in verdict.sentence
    assert verdict.table[0].verdict == "cannot be told apart"


def test_a_difference_that_is_sure_but_small_is_said_not_to_matter() -> None:
    base = around(0.9, 1)
    better = [min(1.0, each + 0.004 + 0.0001 * (i % 7)) for i, each in enumerate(base)]
    columns = [column("Haiku", base, 0.41), column("Luna", better, 2.0)]
    small = decide(columns, matters=0.02).sentence
    assert small.endswith("That is less than the 2 in 100 that matter here.")
    assert "matter" not in decide(columns, matters=0.001).sentence


def test_variants_that_lie_close_together_are_said_to_be_as_good_as_each_other() -> None:
    base = around(0.9, 1)
    close = [each + (0.002 if index % 2 else -0.002) for index, each in enumerate(base)]
    columns = [column("A", base), column("B", close)]
    said = decide(columns, matters=0.02).sentence
    assert "cannot be told apart" in said
    assert said.endswith("Between the two lies less than the 2 in 100 that matter.")
    assert "four times in five" in decide(columns, matters=0.0001).sentence


def test_what_matters_is_concluded_without_testing_again() -> None:
    columns = [column("A", around(0.93, 1)), column("B", wobbled(around(0.93, 1)))]
    once = in_pairs(columns)
    for matters in (0.005, 0.02, 0.1):
        assert once.conclude(matters) == decide(columns, matters)
    needed = [once.conclude(matters).table[0].texts_needed for matters in (0.005, 0.02, 0.1)]
    assert needed == sorted(needed, reverse=True)
    ps = {once.conclude(matters).table[0].p for matters in (0.005, 0.1)}
    assert len(ps) == 1


def test_more_texts_are_asked_for_only_where_pairs_are_not_told_apart() -> None:
    base = around(0.93, 1)
    columns = [column("A", base), column("B", wobbled(base)), column("C", [0.1] * 60)]
    table = in_pairs(columns).conclude(0.02).table
    (open_pair,) = [each for each in table if not each.told_apart]
    assert open_pair.texts_needed
    assert needed_sentence(table, 60) == (
        f"About {open_pair.texts_needed - 60:,} more labelled texts would show it four times in "
        "five."
    )
    assert needed_sentence(table, 5000).startswith("The 5,000 labelled texts are enough")
    assert needed_sentence([each for each in table if each.told_apart], 60) == ""


def test_an_unknown_price_is_never_the_cheapest():
    columns = [column("A", around(0.93, 1), None), column("B", wobbled(around(0.93, 1)), 5.0)]
    verdict = decide(columns)
    assert verdict.recommended == "B"
    assert "of those with a known price is B, $5.00" in verdict.sentence
    unpriced = decide([column("A", around(0.93, 1)), column("B", wobbled(around(0.93, 1)))])
    assert "prices are unknown" in unpriced.sentence
    assert "$" not in unpriced.sentence


def test_a_free_model_costs_nothing():
    columns = [column("A", around(0.93, 1), 0.0), column("B", wobbled(around(0.93, 1)), 5.0)]
    assert decide(columns).recommended == "A"


def test_the_best_of_several_is_said_to_look_a_little_too_good():
    verdict = decide(
        [column(label, around(mean, 3)) for label, mean in (("A", 0.6), ("B", 0.9), ("C", 0.7))]
    )
    assert verdict.recommended == "B"
    assert "As the best of 3, its figure is likely a little too good" in verdict.sentence


def test_only_the_texts_both_answered_are_compared():
    a = Column("A", {f"t{i}": 0.5 for i in range(30)})
    b = Column("B", {f"t{i}": 0.5 for i in range(18, 60)})
    assert decide([a, b]).table[0].texts == 12
    nothing = decide([a, Column("B", {f"x{i}": 1.0 for i in range(12)})])
    assert nothing.table[0].texts == 0
    assert "no texts" in nothing.sentence


def test_one_variant_and_none():
    assert decide([column("Luna", [0.9] * 12)]).sentence == (
        "On 12 labelled texts Luna got 90 of 100 fields right."
    )
    assert decide([]).recommended is None


def accuracies(generator: random.Random, texts: int, share: float) -> list[float]:
    return [sum(generator.random() < share for _ in range(8)) / 8 for _ in range(texts)]


@pytest.mark.parametrize(
    ("variants", "texts", "share", "seeds"),
    [(2, 10, 0.8, 250), (2, 12, 0.98, 250), (2, 40, 0.93, 120), (8, 12, 0.8, 60)],
)
def test_equal_variants_are_rarely_called_different(variants, texts, share, seeds):
    """After correction, at most 6.5 % of comparisons of equal variants name any difference."""
    wrong = 0
    for seed in range(seeds):
        generator = random.Random(seed)
        columns = [
            column(f"v{each}", accuracies(generator, texts, share)) for each in range(variants)
        ]
        wrong += any(pair.told_apart for pair in decide(columns).table)
    assert wrong <= 0.065 * seeds


def test_a_planted_difference_is_found_as_often_as_promised():
    """With the number of texts it asks for, a difference is seen about four times in five."""
    found = 0
    for seed in range(100):
        generator = random.Random(seed)
        base = [generator.gauss(0, 0.1) for _ in range(50)]
        needed = texts_needed(base, 0.04)
        assert needed is not None
        sample = [generator.gauss(0.04, 0.1) for _ in range(50)]
        found += sign_flip_p(sample) <= 0.05
    assert 70 <= found <= 92


@given(st.lists(st.lists(st.integers(-50, 50), min_size=5, max_size=5), min_size=5, max_size=5))
@settings(max_examples=60, deadline=None)
def test_the_assignment_is_the_cheapest_of_all(cost):
    paired = assign(cost)
    assert sorted(paired) == sorted(paired.values()) == list(range(5))
    best = min(sum(cost[i][j] for i, j in enumerate(order)) for order in permutations(range(5)))
    assert sum(cost[i][j] for i, j in paired.items()) == best


@pytest.mark.parametrize(("texts", "variants"), [(10, 2), (20, 4), (50, 2)])
def test_equal_models_are_rarely_called_different(texts: int, variants: int) -> None:
    """The short form of benchmarks/calibration.py: 200 seeds, at most 5 % and chance."""
    alarms = 0
    for seed in range(200):
        generator = np.random.default_rng((seed, texts, variants))
        hard = generator.beta(8, 1, texts)
        columns = [
            Column(str(at), dict(enumerate(map(float, generator.binomial(10, hard) / 10))))
            for at in range(variants)
        ]
        alarms += any(pair.told_apart for pair in decide(columns).table)
    # 200 runs at 5 % give at most 20 alarms in 99.8 of 100 such tests.
    assert alarms <= 20


def test_a_planted_effect_is_found_four_times_in_five() -> None:
    def pair(seed: int, texts: int) -> list[Column]:
        generator = np.random.default_rng((seed, 5))
        return [
            Column(str(at), dict(enumerate(map(float, generator.binomial(10, right, texts) / 10))))
            for at, right in enumerate((0.93, 0.89))
        ]

    a, b = pair(-1 % 2**32, 2000)
    needed = texts_needed([a.scores[each] - b.scores[each] for each in a.scores], 0.04)
    assert needed is not None
    shown = sum(decide(pair(seed, needed)).table[0].told_apart for seed in range(200))
    assert 0.71 <= shown / 200 <= 0.89


def test_a_variant_that_was_never_scored_does_not_take_the_verdict_from_the_rest() -> None:
    good = {str(at): 1.0 for at in range(20)}
    bad = {str(at): 0.5 for at in range(20)}
    verdict = decide([Column("A", good), Column("dead", {}), Column("B", bad)])
    assert verdict.sentence.startswith("On 20 labelled texts A got 100 of 100 fields right")
    assert verdict.sentence.endswith("dead is left out: none of the texts could be scored.")
    assert [(pair.a, pair.b) for pair in verdict.table] == [("A", "B")]
    few = decide([Column("A", good), Column("B", bad), Column("late", {"1": 1.0, "2": 1.0})])
    assert few.sentence.endswith("late (2) is left out: too few texts could be scored.")
    assert few.recommended == "A"


def test_the_sums_do_not_depend_on_the_size_of_blocks() -> None:
    generator = np.random.default_rng(3)
    differences = list(generator.normal(0.03, 0.2, 600))
    p = sign_flip_p(differences)
    signs = 1 - 2 * generator.integers(0, 2, (20_000, 600))
    straight = (np.abs(signs @ np.array(differences)) >= abs(sum(differences))).mean()
    assert p == pytest.approx(straight, abs=0.02)
    assert sign_flip_p(differences) == p
