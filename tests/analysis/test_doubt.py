"""Doubts: fixed ranks without labels, and chances that hold once labels are there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.analysis.statistics.doubt import (
    FEWEST,
    FEWEST_GROUPS,
    GROUNDINGS,
    Signals,
    area,
    doubts_of,
    fixed_model,
)

VARIANTS, FIELDS = 3, 4


def drawn(seed: int, texts: int = 12, labelled: float = 1.0, wrong: float = 0.3) -> Signals:
    """Signals of any kind, and labels that have nothing to do with them."""
    rng = np.random.default_rng(seed)
    size = texts * FIELDS * VARIANTS
    row = np.repeat(np.arange(texts * FIELDS), VARIANTS)
    right = (rng.random(size) >= wrong).astype(int)
    unlabelled = rng.random(texts) >= labelled
    text = np.repeat(np.arange(texts), FIELDS * VARIANTS)
    return Signals(
        groups=[f"t{at}" for at in range(texts)],
        text=text,
        row=row,
        place=text.copy(),
        field=np.tile(np.repeat(np.arange(FIELDS), VARIANTS), texts),
        variant=np.tile(np.arange(VARIANTS), texts * FIELDS),
        disagreement=rng.choice([0.0, 0.5, 1.0, np.nan], size),
        instability=rng.choice([0.0, 0.25, 0.5, np.nan], size),
        grounding=rng.integers(0, len(GROUNDINGS), size),
        right=np.where(unlabelled[text], -1, right),
    )


def known(seed: int, texts: int, shift: float = 0.0) -> tuple[Signals, np.ndarray]:
    """Signals whose chance of being wrong is known: 3 % where all agree, up to 73 %."""
    signals = drawn(seed, texts)
    share = np.random.default_rng([seed, 1]).choice([0.0, 0.0, 0.0, 0.5, 1.0], len(signals))
    log_odds = -3.5 + shift + 4.5 * share
    chance = 1 / (1 + np.exp(-log_odds))
    wrong = np.random.default_rng([seed, 2]).random(len(signals)) < chance
    zero = np.zeros(len(signals), int)
    return replace(
        signals, disagreement=share, instability=np.full(len(share), np.nan), grounding=zero,
        right=1 - wrong.astype(int),
    ), chance  # fmt: skip


@given(
    st.integers(0, 10**9), st.sampled_from([0.0, 0.4, 1.0]), st.sampled_from([0.0, 0.02, 0.5, 1.0])
)
@settings(max_examples=40, deadline=None)
def test_a_doubt_is_never_certain(seed, labelled, wrong):
    doubts = doubts_of(drawn(seed, labelled=labelled, wrong=wrong))
    assert ((doubts.doubts > 0) & (doubts.doubts < 1)).all()
    assert np.isfinite(doubts.rows).all()


@given(st.integers(0, 10**9), st.data())
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("learned", [False, True])
def test_more_disagreement_or_instability_is_never_less_doubt(learned, seed, data):
    signals = drawn(seed, labelled=float(learned), wrong=0.4)
    at = data.draw(st.integers(0, len(signals) - 1))
    name = data.draw(st.sampled_from(["disagreement", "instability"]))
    shares = getattr(signals, name).copy()
    low, high = sorted(data.draw(st.lists(st.floats(0, 1), min_size=2, max_size=2)))
    values = []
    for share in (low, high):
        shares[at] = share
        moved = replace(signals, **{name: shares.copy()})
        model = fixed_model(moved) if not learned else _model(signals)
        values.append(model.doubts(moved)[at])
    assert values[0] <= values[1]


def _model(signals: Signals):
    from llmwidgets.analysis.statistics.doubt import learn

    return learn(signals, signals.labelled)


@given(st.integers(0, 10**9), st.sampled_from([0.0, 0.6, 1.0]))
@settings(max_examples=40, deadline=None)
def test_the_order_of_texts_and_variants_changes_no_doubt(seed, labelled):
    signals = drawn(seed, labelled=labelled)
    rng = np.random.default_rng([seed, 9])
    texts = rng.permutation(len(signals.groups))
    variants = rng.permutation(VARIANTS)
    places = np.lexsort((variants[signals.variant], signals.row, texts[signals.text]))
    moved = {
        name: each[places]
        for name, each in signals.__dict__.items()
        if isinstance(each, np.ndarray) and len(each) == len(signals) and name in _CODES
    }
    moved["text"], moved["place"] = texts[moved["text"]], texts[moved["place"]]
    moved["variant"] = variants[moved["variant"]]
    moved["row"] = np.unique(moved["row"], return_inverse=True)[1]
    groups = [signals.groups[at] for at in np.argsort(texts)]
    other = doubts_of(replace(signals, groups=groups, **moved))
    assert other.doubts == pytest.approx(doubts_of(signals).doubts[places], abs=1e-6)


_CODES = (
    "text", "row", "place", "field", "variant", "disagreement", "instability", "grounding", "right",
)  # fmt: skip


@given(st.integers(0, 10**9), st.integers(0, 11))
@settings(max_examples=30, deadline=None)
def test_the_labels_of_a_text_never_move_its_own_doubts(seed, text):
    signals = drawn(seed, wrong=0.5)
    own = signals.text == text
    other = replace(signals, right=np.where(own, 1 - signals.right, signals.right))
    one, two = doubts_of(signals), doubts_of(other)
    assert one.calibrated
    assert two.calibrated
    assert (one.doubts[own] == two.doubts[own]).all()
    assert not (one.doubts[~own] == two.doubts[~own]).all()


def test_texts_of_one_group_do_not_teach_each_other():
    """Two texts under one name are one group: neither moves the other."""
    signals = drawn(5, wrong=0.5)
    text = np.where(signals.text == 1, 0, signals.text)
    signals = replace(signals, text=text)
    other = replace(signals, right=np.where(text == 0, 1 - signals.right, signals.right))
    own = text == 0
    assert (doubts_of(signals).doubts[own] == doubts_of(other).doubts[own]).all()


@pytest.mark.parametrize(
    ("wrong", "right", "texts", "enough"),
    [
        (FEWEST, FEWEST, FEWEST_GROUPS, True),
        (FEWEST - 1, 50, FEWEST_GROUPS, False),
        (50, FEWEST - 1, FEWEST_GROUPS, False),
        (FEWEST, FEWEST, FEWEST_GROUPS - 1, False),
        (0, 0, 0, False),
    ],
)
def test_chances_are_learned_from_enough_labels_alone(wrong, right, texts, enough):
    signals = drawn(3)
    labels = np.full(len(signals), -1)
    taken = [at for n in range(FIELDS * VARIANTS) for at in
             (text * FIELDS * VARIANTS + n for text in range(texts))]  # fmt: skip
    labels[taken[:wrong]] = 0
    labels[taken[wrong : wrong + right]] = 1
    doubts = doubts_of(replace(signals, right=labels))
    assert doubts.calibrated is enough
    assert bool(doubts.values) is enough


@pytest.mark.parametrize("shift", [-0.5, 0.0, 1.0])
def test_what_is_said_comes_true_on_simulated_labels(shift):
    """The mean of each tenth, cross-fitted, lies within its bounds in at least nine tenths."""
    inside = bins = 0
    for seed in range(5):
        signals, chance = known(seed, 120, shift)
        doubts = doubts_of(signals)
        assert doubts.calibrated
        assert np.abs(doubts.doubts - chance).mean() < 0.05
        for each in doubts.reliability():
            bins += 1
            inside += each.low - 0.01 <= each.doubt <= each.high + 0.01
    assert inside >= 0.9 * bins


def test_the_variant_that_is_wrong_where_two_disagree_is_doubted_more():
    signals, _ = known(1, 60)
    two = signals.variant < 2
    kept = {name: getattr(signals, name)[two] for name in _CODES}
    split = np.random.default_rng(4).random(60 * FIELDS) < 0.4
    kept["disagreement"] = np.repeat(split, 2).astype(float)
    kept["right"] = 1 - (kept["disagreement"] * (kept["variant"] == 1)).astype(int)
    kept["row"] = np.repeat(np.arange(60 * FIELDS), 2)
    doubts = doubts_of(replace(signals, **kept))
    apart = kept["disagreement"] == 1
    by = [doubts.doubts[apart & (kept["variant"] == each)].mean() for each in (0, 1)]
    assert by[0] < 0.25
    assert by[1] > 0.75
    assert max(doubts.doubts[~apart]) < 0.1


def test_equal_labels_always_give_equal_doubts():
    assert (doubts_of(drawn(8)).doubts == doubts_of(drawn(8)).doubts).all()


def test_the_fixed_sum_by_hand():
    """One text, one field, two variants: 4 × 1 + 2 × 0.5 + 1 × 0.5 - 1 where it is exact."""
    signals = Signals(
        groups=["t"], text=np.zeros(4, int), row=np.array([0, 0, 1, 1]), place=np.zeros(4, int),
        field=np.zeros(4, int), variant=np.array([0, 1, 0, 1]),
        disagreement=np.array([1.0, 1.0, 0.0, 0.0]), instability=np.full(4, np.nan),
        grounding=np.array([1, 4, 0, 0]), right=np.full(4, -1),
    )  # fmt: skip
    odds = fixed_model(signals).log_odds(signals)
    # Around the first row: two values of 0, drawn towards the mean 0.5 by two.
    assert odds[:2] == pytest.approx([-3 + 4 + 3 * 0.25 - 1, -3 + 4 + 3 * 0.25 + 1])
    assert odds[2:] == pytest.approx([-3 + 3 * 0.75] * 2)
    doubts = doubts_of(signals)
    assert not doubts.calibrated
    # The second row of the same place counts for a tenth less.
    assert doubts.rows[1] == pytest.approx(0.9 * 2 / (1 + np.exp(0.75)), abs=1e-6)


def test_what_labels_find_is_an_expectation_over_ties():
    signals = replace(drawn(2, texts=3), disagreement=np.zeros(36), right=np.zeros(36, int))
    found = doubts_of(signals).found(4)
    assert found["random"] == found["disagreement"] == (4.0, 12.0)


def test_area_by_hand():
    assert area(np.array([0.1, 0.2, 0.9]), np.array([0.0, 1.0, 1.0])) == 1.0
    assert area(np.zeros(4), np.array([0.0, 1.0, 1.0, 0.0])) == 0.5
    assert area(np.zeros(2), np.zeros(2)) is None


def test_without_any_value_nothing_fails():
    empty = replace(drawn(1), groups=[], **{name: getattr(drawn(1), name)[:0] for name in _CODES})
    doubts = doubts_of(empty)
    assert (len(doubts.doubts), doubts.reliability(), doubts.auc()) == (0, [], None)
    assert doubts.found(20)["random"] == (0.0, 0.0)
