"""Every claim of a verdict is true of its figures, whatever the columns are."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.analysis.statistics.significance import Scores, compare_variants
from llmwidgets.analysis.statistics.verdict import Outcome, Pair, Shown, Standing, Verdict

NUMBER = r"([\d,]+(?:\.\d+)?)"
COSTS = (None, 0.0, 1.0, 1.0, 2.0, 5.0, 1e-9, 1e7)


class Drawn:
    """Columns of any kind: lost, unanswered, never asked about, in groups, looked at before."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.texts = [f"t{at}" for at in range(rng.choice([1, 9, 10, 12, 20, 30, 60]))]
        self.fields = rng.choice([1, 3, 10])
        self.base = rng.choice([0.5, 0.8, 0.9, 0.97, 1.0])
        self.columns = [self.column(f"v{at}") for at in range(rng.choice([1, 2, 2, 3, 4, 6]))]
        self.matters = rng.choice([0.01, 0.05, 0.1, 0.3])
        names = [str(rng.randrange(rng.choice([1, 5, 12, 40]))) for _ in self.texts]
        self.groups = dict(zip(self.texts, names, strict=True)) if rng.random() < 0.25 else None
        self.looks = rng.choice([(), (len(self.texts),), (10, 20, len(self.texts))])

    def column(self, label: str) -> Scores:
        rng = self.rng
        drop, lose = rng.choice([0, 0, 0.02, 0.1, 0.4]), rng.choice([0, 0, 0.03, 0.1, 0.5])
        silent, never = rng.choice([0, 0, 0.03, 0.5]), rng.choice([0, 0, 0.1, 0.5])
        scores, lost, unanswered = {}, set(), set()
        for text in self.texts:
            if rng.random() < never:
                continue
            if rng.random() < silent:
                unanswered.add(text)
            elif rng.random() < lose:
                lost.add(text)
                scores[text] = 0.0
            else:
                right = sum(rng.random() < self.base - drop for _ in range(self.fields))
                scores[text] = right / self.fields
        return Scores(label, scores, rng.choice(COSTS), frozenset(lost), frozenset(unanswered))

    def verdict(self, columns: Iterable[Scores] | None = None) -> Verdict:
        tested = compare_variants(
            [*(columns or self.columns)], groups=self.groups, looks=self.looks
        )
        return tested.conclude(self.matters)

    def shuffled(self) -> list[Scores]:
        def mixed(column: Scores) -> Scores:
            scores = self.rng.sample([*column.scores.items()], len(column.scores))
            cost, lost, unanswered = column.cost_per_1000, column.lost, column.unanswered
            return Scores(column.label, dict(scores), cost, lost, unanswered)

        return [mixed(each) for each in self.rng.sample(self.columns, len(self.columns))]


drawn = st.integers(0, 10**9).map(Drawn)


def number(said: str) -> float:
    return float(said.replace(",", ""))


def hundredths(share: float | None) -> float:
    return float(f"{100 * (share or 0):.1f}")


def pair_of(verdict: Verdict, one: str, other: str) -> Pair:
    return next(each for each in verdict.table if {each.a, each.b} == {one, other})


def known_cheaper(one: Standing, other: Standing) -> bool:
    costs = one.cost_per_1000, other.cost_per_1000
    return None not in costs and costs[0] < costs[1]


@given(drawn)
@settings(max_examples=60, deadline=None)
def test_every_number_of_a_sentence_is_that_of_the_standings(data):
    verdict = data.verdict()
    said, by_label = verdict.sentence, {each.label: each for each in verdict.standings}
    assert not re.search(r"\b(nan|None|inf)\b|at (most|least) (0(\.0)?|-)\s|  ", said)
    assert not re.search(r"(?<![.\d,])1 (fields|texts|replies|groups|variants)\b", said)
    for label, lost, of, most in re.findall(
        rf"(\w+) lost {NUMBER} repl\w+ of {NUMBER}, counted as wrong \(at most {NUMBER} %", said
    ):
        each = by_label[label]
        figures = (each.lost, each.scored, hundredths(each.loss_high))
        assert (number(lost), number(of), number(most)) == figures
    for label, silent, of in re.findall(rf"(\w+) has no answer to {NUMBER} of {NUMBER} text", said):
        each = by_label[label]
        assert (number(silent), number(of)) == (each.unanswered, each.scored + each.unanswered)
    for label, least in re.findall(rf"(\w+) \(by at least {NUMBER} in 100\)", said):
        assert number(least) == hundredths(by_label[label].at_least)
    claim = r"On ([\d,]+) texts? it is at most ([\d.]+) fields in 100 worse than (\w+)"
    for texts, most, than in re.findall(claim, said):
        chosen = by_label[verdict.recommended]
        assert number(most) == max(0.1, hundredths(chosen.worse_by))
        assert chosen.worse_by < verdict.matters
        if than in by_label:
            assert number(texts) == pair_of(verdict, verdict.recommended, than).texts
    claim = (
        rf"On {NUMBER} texts? it reads at least {NUMBER} fields in 100 more right than .*?(v\d) "
    )
    for texts, least, than in re.findall(claim, said):
        pair = pair_of(verdict, verdict.leader, than)
        low = pair.low if pair.a == verdict.leader else -pair.high
        assert (number(texts), number(least)) == (pair.texts, hundredths(low))


@given(drawn)
@settings(max_examples=60, deadline=None)
def test_outcome_leader_and_recommended_agree(data):
    verdict = data.verdict()
    if not verdict.standings:
        assert (verdict.leader, verdict.recommended) == (None, None)
        return
    best, *others = verdict.standings
    by_label = {each.label: each for each in verdict.standings}
    assert verdict.leader == best.label
    assert verdict.leader in verdict.sentence
    assert (verdict.recommended is None) == (verdict.outcome in (None, Outcome.NOT_ENOUGH_TEXTS))
    if verdict.recommended is not None:
        chosen = by_label[verdict.recommended]
        good = [each for each in verdict.standings if each.shown in (Shown.BEST, Shown.AS_GOOD)]
        assert chosen in good
        assert chosen is best or known_cheaper(chosen, best)
        assert not any(known_cheaper(each, chosen) for each in good)
    for each in verdict.standings:
        assert each.low - 1e-9 <= each.accuracy <= each.high + 1e-9
        if each.shown is Shown.WORSE:
            assert each.at_least > 0
        elif each.shown is Shown.AS_GOOD:
            assert each.worse_by < verdict.matters
    cheaper = [each for each in others if known_cheaper(each, best)]
    if "the cheapest" in verdict.headline or "none is cheaper" in verdict.headline:
        assert not cheaper
        assert all(each.cost_per_1000 is not None for each in others)
    if "all that is cheaper is worse" in verdict.headline:
        assert all(each.shown is Shown.WORSE for each in cheaper)
        assert all(each.shown is Shown.WORSE for each in others if each.cost_per_1000 is None)
    if "nothing cheaper is shown" in verdict.headline:
        assert cheaper
        assert not any(each.shown is Shown.AS_GOOD for each in cheaper)


@given(drawn)
@settings(max_examples=60, deadline=None)
def test_groups_of_labels_and_pairs_agree(data):
    verdict = data.verdict()
    for pair in verdict.table:
        assert pair.told_apart == (pair.low > 0 or pair.high < 0)
        assert pair.p_holm >= pair.p
        if pair.told_apart:
            assert pair.verdict == f"{pair.a if pair.low > 0 else pair.b} is better"
    apart = {frozenset((each.a, each.b)) for each in verdict.table if each.told_apart}
    for group in verdict.not_told_apart:
        assert not any(pair <= set(group) for pair in apart)


@given(drawn)
@settings(max_examples=60, deadline=None)
def test_the_order_of_columns_and_texts_changes_nothing(data):
    one, other = data.verdict(), data.verdict(data.shuffled())
    assert one.standings == other.standings
    # Those that are left out, and losses of equal number, stand as the columns do.
    assert sorted(re.findall(r"\w+", one.headline)) == sorted(re.findall(r"\w+", other.headline))
    if "left out" not in one.sentence:
        assert one.headline == other.headline
        assert sorted(one.sentence.split()) == sorted(other.sentence.split())


@given(drawn, st.sampled_from(COSTS))
@settings(max_examples=60, deadline=None)
def test_a_column_that_is_poorer_everywhere_takes_no_claim_away(data, cost):
    """All others beside it were asked about every text, as in a run that was not stopped."""
    whole = [each for each in data.columns if len(each.scores) == len(data.texts)]
    if len(whole) < 2:
        return
    least = {text: min(each.scores[text] for each in whole) for text in data.texts}
    poorer = Scores("poor", {text: 0.9 * share for text, share in least.items()}, cost)
    before, after = data.verdict(whole), data.verdict([*whole, poorer])
    by_label = {each.label: each for each in after.standings}
    assert after.leader == before.leader or by_label["poor"].accuracy == 0
    if before.outcome is not after.outcome or before.recommended != after.recommended:
        # Only where the new one is itself shown to be as good, and cheaper.
        assert after.recommended == "poor" or by_label["poor"].accuracy == 0
        assert by_label["poor"].worse_by < data.matters


# -- columns that were not asked about the same texts ----------------------------------------------


def column(label: str, share: float, texts: Iterable[int], cost: float | None = None) -> Scores:
    return Scores(label, {f"t{at}": share for at in texts}, cost)


def test_a_column_that_was_asked_only_about_easy_texts_does_not_lead():
    """On the 20 easy texts the whole column is the better one."""
    whole = Scores("whole", {f"t{at}": 1.0 if at < 20 else 0.5 for at in range(60)})
    verdict = compare_variants([column("early", 0.9, range(20)), whole]).conclude()
    assert verdict.leader == "whole"
    assert verdict.recommended in ("whole", None)


@pytest.mark.parametrize(
    ("texts", "groups"),
    [(range(55, 75), None), (range(12), {f"t{at}": f"g{at // 3}" for at in range(60)})],
    ids=["other texts", "few groups"],
)
def test_a_column_that_cannot_be_compared_takes_no_claim_away(texts, groups):
    two = [column("A", 0.95, range(60), 2.0), column("B", 0.5, range(60), 1.0)]
    before = compare_variants(two, groups=groups).conclude()
    after = compare_variants([*two, column("C", 0.4, texts)], groups=groups).conclude()
    assert before.outcome is after.outcome is Outcome.BETTER
    assert after.headline == before.headline
    assert "C is left out: too few of its texts can be compared." in after.sentence


def test_a_claim_on_two_says_how_many_texts_these_share():
    """A third shares fewer texts with the best than the one that is spoken of."""
    rest = column("C", 0.1, range(15))
    said = compare_variants(
        [column("A", 0.9, range(60)), column("B", 0.5, range(60)), rest]
    ).conclude()
    assert "On 60 texts it reads at least" in said.details
