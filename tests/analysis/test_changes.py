"""One variant against itself in an earlier run: what is claimed, and how often it is not so."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from llmwidgets.analysis.statistics.changes import (
    ChangeOutcome,
    ChangeVerdict,
    VariantChange,
    name_days,
)
from llmwidgets.analysis.statistics.significance import Scores, compare_runs

SETS = 150


def named(scores, label="A", **more) -> Scores:
    return Scores(label, {f"text-{at}": share for at, share in enumerate(scores)}, **more)


def drawn(rng: random.Random, texts: int, right: float, fields: int = 8) -> list[float]:
    return [sum(rng.random() < right for _ in range(fields)) / fields for _ in range(texts)]


def verdict_of(
    *columns: tuple[Scores, Scores], margin: float = 0.05, flips: int = 1, **more
) -> ChangeVerdict:
    changes = tuple(
        VariantChange(
            label=now.label,
            texts=len(now.scores.keys() & before.scores.keys()),
            before=0.9,
            now=0.9,
            to_wrong=flips,
        )
        for now, before in columns
    )
    when = datetime(2026, 11, 21, tzinfo=UTC)
    return ChangeVerdict(
        since=when, until=when, changes=changes, texts=1, tests=compare_runs(columns, **more)
    ).at(margin)


def test_an_equal_model_is_seldom_said_to_be_worse_or_better() -> None:
    rng = random.Random(4)
    told = 0
    for _ in range(SETS):
        now, before = (named(drawn(rng, 30, 0.9)) for _ in range(2))
        told += compare_runs([(now, before)])[0].pair.told_apart
    assert told <= 0.08 * SETS


@pytest.mark.parametrize("gap", [0.06, 0.12])
def test_a_model_that_is_worse_than_the_margin_seldom_passes(gap) -> None:
    rng = random.Random(5)
    passed = 0
    for _ in range(SETS):
        before, now = named(drawn(rng, 60, 0.95)), named(drawn(rng, 60, 0.95 - gap))
        passed += (compare_runs([(now, before)])[0].worse_by or 1.0) < 0.05
    assert passed <= 0.1 * SETS


def test_ten_variants_that_did_not_change_are_seldom_called_changed() -> None:
    """Holm: the more variants are looked at, the more it takes for each."""
    rng, told = random.Random(6), 0
    for _ in range(40):
        columns = [
            (named(drawn(rng, 20, 0.8), f"{at}"), named(drawn(rng, 20, 0.8), f"{at}"))
            for at in range(10)
        ]
        told += any(each.pair.told_apart for each in compare_runs(columns))
    assert told <= 4


def test_the_interval_excludes_zero_where_and_only_where_a_claim_is_made() -> None:
    rng = random.Random(7)
    for gap in (0.0, 0.05, 0.1, 0.2, 0.3) * 8:
        before, now = named(drawn(rng, 25, 0.9)), named(drawn(rng, 25, 0.9 - gap))
        (test,) = compare_runs([(now, before)])
        assert test.pair.told_apart == (test.pair.low > 0 or test.pair.high < 0)


@pytest.mark.parametrize(("texts", "least"), [(10, 0.21), (40, 0.05), (60, 0.035), (100, 0.02)])
def test_equal_answers_pass_a_margin_that_the_number_of_texts_can_show(texts, least) -> None:
    same = named([1.0] * texts)
    (test,) = compare_runs([(same, same)])
    assert test.worse_by == test.at_best
    assert verdict_of((same, same), margin=least).fails() == {}
    (reason,) = verdict_of((same, same), margin=least / 2).fails("--margin ").values()
    assert f"{texts} texts can show" in reason
    assert "give --margin 0." in reason


@pytest.mark.parametrize("texts", [3, 9, 10, 40])
def test_where_nothing_got_worse_it_passes_and_says_how_little_that_shows(texts) -> None:
    same = named([1.0] * texts)
    passed = verdict_of((same, same), margin=0.001, flips=0)
    assert passed.fails() == {}
    assert f"nothing got worse on these texts, but {texts} texts" in passed.details
    assert verdict_of((same, same), margin=0.001, flips=1).fails()
    shown = verdict_of((same, same), margin=0.5, flips=0).details
    assert ("nothing got worse" in shown) == (texts < 10)


def test_the_margin_that_is_proposed_passes() -> None:
    same = named([0.9] * 37)
    (reason,) = verdict_of((same, same), margin=0.01).fails("").values()
    margin = float(reason.split("give ")[1].split()[0])
    assert verdict_of((same, same), margin=margin).fails() == {}


def test_one_text_more_cannot_hide_in_a_group() -> None:
    """Forty copies of four texts are four observations, too few to tell."""
    worse, better = named([0.0] * 40), named([1.0] * 40)
    groups = {f"text-{at}": f"group-{at % 4}" for at in range(40)}
    (test,) = compare_runs([(worse, better)], groups=groups)
    assert (test.units, test.worse_by) == (4, None)
    assert compare_runs([(worse, better)])[0].pair.told_apart


def test_what_got_no_answer_counts_against_a_claim_that_nothing_is_worse() -> None:
    same, some = named([1.0] * 60), named([1.0] * 50)
    silent = named([1.0] * 50, unanswered=frozenset(f"text-{at}" for at in range(50, 60)))
    assert (compare_runs([(some, same)])[0].worse_by or 1.0) < 0.05
    assert (compare_runs([(silent, same)])[0].worse_by or 0.0) > 0.05


def test_looks_make_every_bound_wider() -> None:
    same = named([1.0] * 60)
    once, often = (compare_runs([(same, same)], looks=looks)[0] for looks in ((), (10, 30, 60)))
    assert (often.worse_by or 0.0) > (once.worse_by or 1.0)


def test_the_outcomes_and_their_words() -> None:
    good, bad = named([1.0] * 60), named([0.7] * 60)
    for now, before, outcome, words in (
        (bad, good, ChangeOutcome.WORSE, "got 30.0 fields in 100 worse"),
        (good, bad, ChangeOutcome.BETTER, "got 30.0 fields in 100 better"),
        (good, good, ChangeOutcome.NOT_WORSE, "cannot be told apart from before"),
    ):
        verdict = verdict_of((now, before))
        assert [each.outcome for each in verdict.changes] == [outcome]
        assert words in verdict.headline
    assert verdict_of((good, good), margin=0.01).changes[0].outcome == ChangeOutcome.NOT_TOLD_APART
    few = verdict_of((named([1.0] * 9), named([1.0] * 9)))
    assert few.changes[0].outcome == ChangeOutcome.TOO_FEW
    assert "9 texts with truth are in both runs, and at least 10 are needed" in few.headline


@pytest.mark.parametrize(
    ("since", "until", "names"),
    [
        ("2025-11-21T09:30", "2025-11-28T10:00", ("21 November 2025", "28 November 2025")),
        (
            "2025-11-21T09:30", "2025-11-21T10:00",
            ("21 November 2025 at 09:30", "21 November 2025 at 10:00"),
        ),
        (
            "2025-11-21T09:30:01", "2025-11-21T09:30:09",
            ("21 November 2025 at 09:30:01", "21 November 2025 at 09:30:09"),
        ),
    ],
)  # fmt: skip
def test_two_runs_never_have_the_same_name(since, until, names) -> None:
    moments = (datetime.fromisoformat(each).astimezone() for each in (since, until))
    assert name_days(*moments) == names
