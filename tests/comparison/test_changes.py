"""Did it get worse? `against(earlier).verdict`: by the truth of now, on the texts of both."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest

from llmwidgets import Comparison, load
from llmwidgets.comparison.measures.changes import match_texts
from llmwidgets.errors import FieldError

FIELDS = ("name", "total", "day")
SCHEMA = {
    "title": "Claim",
    "type": "object",
    "properties": {name: {"type": "string"} for name in FIELDS},
}
COUNT = 60
TRUTH = [{name: f"{name} {at}" for name in FIELDS} for at in range(COUNT)]
TEXTS = [{"id": f"t{at}", "text": f"Text {at}"} for at in range(COUNT)]


def wrong(count: int, field: str = "total", start: int = 0) -> list[dict]:
    return [
        {**each, field: "wrong"} if start <= at < start + count else each
        for at, each in enumerate(TRUTH)
    ]


def made(outputs, truth=TRUTH, texts=TEXTS, day: int = 28, **more) -> Comparison:
    outputs = outputs if isinstance(outputs, dict) else {"A": outputs}
    result = Comparison.from_outputs(SCHEMA, texts, outputs, truth, **more)
    return replace(result, made_at=datetime(2026, 11, day, 12, tzinfo=UTC))


def test_a_loss_is_said_with_its_interval_and_what_flipped() -> None:
    before, now = made({"A": TRUTH, "B": wrong(5)}, day=21), made({"A": wrong(40), "B": wrong(6)})
    verdict = now.against(before).verdict
    assert verdict.headline.startswith("Since 21 November A got 22.2 fields in 100 worse (")
    assert verdict.headline.endswith("): 40 fields flipped to wrong, 0 to right.")
    assert "The other cannot be told apart from before." in verdict.sentence
    assert "180 fields of 60 texts in both runs; same instructions" in verdict.sentence
    table = verdict.table.set_index("variant")
    assert table.outcome.tolist() == ["worse", "not worse by more than the margin"]
    assert table.loc["A", ["before", "now"]].tolist() == pytest.approx([1.0, 1 - 40 / 180])
    assert table.loc["B", ["to_wrong", "to_right"]].tolist() == [1, 0]
    assert table.loc["A", "low"] < table.loc["A", "change"] < table.loc["A", "high"] < 0


def test_it_is_still_the_frame_that_it_was() -> None:
    flips = made(wrong(2)).against(made(TRUTH))
    assert isinstance(flips, pd.DataFrame)
    assert len(flips) == 2
    for plain in (pickle.loads(pickle.dumps(flips)), copy.deepcopy(flips), flips.copy()):
        pd.testing.assert_frame_equal(pd.DataFrame(flips), pd.DataFrame(plain))
        assert plain.attrs["changed"] == []
    assert flips[flips.variant == "A"].shape == flips.shape
    assert made(TRUTH).against(made(TRUTH)).empty


def test_both_sides_are_scored_by_the_truth_of_now() -> None:
    """A label that was wrong then is wrong for nobody now; what is said is that truth moved."""
    old_truth = [{**each, "total": "old"} for each in TRUTH]
    verdict = made(TRUTH).against(made(TRUTH, truth=old_truth)).verdict
    assert [(each.before, each.now) for each in verdict.changes] == [(1.0, 1.0)]
    assert "Both runs are scored by the truth and the rules of now." in verdict.sentence
    assert "Texts with other truth: 60" in verdict.sentence
    unlabelled = made(TRUTH).against(made(wrong(30), truth=None)).verdict
    assert "got 16.7 fields in 100 better" in unlabelled.headline


def test_both_sides_are_scored_by_the_rules_of_now() -> None:
    lenient = {"total": lambda _value, _truth: True}
    now, before = made(TRUTH, scoring=lenient), made(wrong(40))
    (change,) = now.against(before).verdict.changes
    assert (change.before, change.now, change.to_right) == (1.0, 1.0, 0)


def test_texts_with_other_words_and_texts_of_one_side_are_left_out() -> None:
    others = [{**each, "text": "Another one"} if at < 20 else each for at, each in enumerate(TEXTS)]
    verdict = made(wrong(20), texts=others).against(made(TRUTH)).verdict
    assert [(each.texts, each.to_wrong) for each in verdict.changes] == [(40, 0)]
    fewer = made(TRUTH[:30], TRUTH[:30], TEXTS[:30]).against(made(TRUTH)).verdict
    assert [each.texts for each in fewer.changes] == [30]


def test_texts_that_only_changed_their_ids_are_known_by_their_words() -> None:
    shifted = ["First", *(each["text"] for each in TEXTS)]
    first = dict.fromkeys(FIELDS, "")
    now = made([first, *wrong(30)], [first, *TRUTH], shifted)
    flips = now.against(made(TRUTH))
    (change,) = flips.verdict.changes
    assert (change.texts, change.to_wrong) == (60, 30)
    assert flips.text_id.tolist() == [f"text-{at:02}" for at in range(2, 32)]
    added, renamed = flips.attrs["changed"]
    assert added == "Texts added: 1 (text-01)."
    assert renamed.startswith("Texts with another id: 60 (text-02, text-03")


def _runs(wrongs: list[int]) -> Comparison:
    """A run with as many repeats, each with so many wrong values."""
    outputs = [wrong(each) for each in wrongs]
    return made({"A": outputs if len(outputs) > 1 else outputs[0]}, repeats=len(outputs))


@pytest.mark.parametrize("texts", ["same", "renamed", "turned", "others", "shifted"])
@pytest.mark.parametrize("repeats", [(1, 1), (1, 2), (3, 1), (2, 2)])
def test_the_frame_has_what_the_verdict_counts(texts: str, repeats: tuple[int, int]) -> None:
    now, before = (_runs([3 * at + n for at in range(count)]) for n, count in enumerate(repeats))
    words = {
        "same": lambda at, each: each,
        "renamed": lambda at, each: replace(each, id=f"new {at}"),
        "turned": lambda at, each: replace(each, id=f"t{COUNT - 1 - at}"),
        "others": lambda at, each: replace(each, text="Another") if at % 2 else each,
        "shifted": lambda at, each: replace(each, id=f"t{at + 1}"),
    }[texts]
    now = replace(now, texts=tuple(words(at, each) for at, each in enumerate(now.texts)))
    flips = now.against(before)
    (change,) = flips.verdict.changes
    assert len(flips) == change.to_wrong + change.to_right > 0
    assert set(flips.right_now) | set(flips.right_before) <= {True, False}


@pytest.mark.parametrize("margin", [0, -0.1, 1.5, float("nan"), "5 %", None, True])
def test_a_margin_that_is_not_a_share_is_refused(margin: object) -> None:
    verdict = made(wrong(2)).against(made(TRUTH)).verdict
    with pytest.raises(FieldError, match="margin: must be a number over 0"):
        verdict.at(margin)


@pytest.mark.parametrize(
    ("now", "before", "pairs"),
    [
        ([("a", "x"), ("b", "y")], [("a", "x"), ("b", "y")], [(0, 0), (1, 1)]),
        ([("a", "x"), ("b", "y")], [("b", "x"), ("a", "y")], [(0, 0), (1, 1)]),
        ([("a", "x"), ("b", "x")], [("c", "x")], []),
        ([("a", "")], [("a", "x")], [(0, 0)]),
        ([("a", "")], [("b", "")], []),
        ([("a", "x"), ("b", "y")], [("a", "y")], [(1, 0)]),
        ([], [("a", "x")], []),
    ],
)
def test_which_texts_are_the_same(now, before, pairs) -> None:
    assert match_texts(now, before) == pairs


def test_losses_and_missing_answers_are_figures_of_their_own() -> None:
    outputs = ["not JSON"] * 4 + TRUTH[4:50] + [None] * 10
    (change,) = made(outputs).against(made(["{", *TRUTH[1:]])).verdict.changes
    assert (change.lost_before, change.lost_now) == (1, 4)
    assert (change.unanswered_before, change.unanswered_now) == (0, 10)
    sentence = made(outputs).against(made(TRUTH)).verdict.sentence
    assert "A lost 4 replies (0 before) of 50, counted as wrong." in sentence
    assert "A has no answer to 10 texts (0 before)." in sentence


def test_an_invented_row_is_a_flip_and_one_that_went_away_too() -> None:
    schema = {
        "type": "object",
        "properties": {
            "lines": {
                "type": "array",
                "items": {"type": "object", "properties": {"sku": {"type": "string"}}},
            }
        },
    }
    truth = [{"lines": [{"sku": "a"}]}] * 12
    more = [{"lines": [{"sku": "a"}, {"sku": "zzz"}]}] * 12
    texts = [f"Text {at}" for at in range(12)]

    def of(outputs):
        return Comparison.from_outputs(schema, texts, {"A": outputs}, truth)

    (worse,) = of(more).against(of(truth)).verdict.changes
    (better,) = of(truth).against(of(more)).verdict.changes
    assert (worse.to_wrong, worse.to_right) == (12, 0)
    assert (better.to_wrong, better.to_right) == (0, 12)


def test_a_function_of_whole_records_counts_texts() -> None:
    def share(value, truth):
        return 1.0 if value == truth else 0.5

    verdict = made(wrong(40), scoring=share).against(made(TRUTH)).verdict
    assert "40 texts got worse, 0 better." in verdict.headline


def test_groups_count_once() -> None:
    groups = [f"g{at % 6}" for at in range(COUNT)]
    verdict = made(wrong(40), group=groups).against(made(TRUTH)).verdict
    assert "6 groups with truth are in both runs, and at least 10 are needed" in verdict.headline
    assert "has 6 groups" in verdict.fails()["A"]


def test_without_truth_it_says_what_changed_among_the_values() -> None:
    verdict = made(wrong(7), truth=None).against(made(TRUTH, truth=None)).verdict
    assert "nothing is scored" in verdict.headline
    assert "A gives another value in 7 of 180 fields" in verdict.headline
    assert verdict.table.outcome.tolist() == ["not scored"]
    assert "give truth" in verdict.fails()["A"]


@pytest.mark.parametrize("group", [None, [f"g{at // 2}" for at in range(COUNT)]])
@pytest.mark.parametrize("answered", [0, 1, 6])
@pytest.mark.parametrize("turned", [False, True])
def test_texts_without_an_answer_are_not_texts_without_truth(
    group: list[str] | None, answered: int, turned: bool
) -> None:
    runs = made(TRUTH[:answered] + [None] * (COUNT - answered), group=group), made(TRUTH)
    now, before = reversed(runs) if turned else runs
    verdict = now.against(before).verdict
    (change,) = verdict.changes
    assert change.units == (answered if now.texts[0].group == "" else (answered + 1) // 2)
    assert "with truth and an answer" in verdict.headline
    assert f"A has no answer to {0 if turned else COUNT - answered} texts" in verdict.details
    assert bool(verdict.fails()) == (not turned or not answered)
    for reason in verdict.fails().values():
        assert "with truth and an answer" in reason


def test_nothing_in_common_is_said_and_does_not_pass() -> None:
    other = [{"id": "x", "text": "Other"}]
    verdict = made(TRUTH[:1], TRUTH[:1], other).against(made(TRUTH)).verdict
    assert "no text is in both runs" in verdict.headline
    assert verdict.fails() == {"A": "A is not scored: no text is in both runs with the same words"}
    nobody = made({"A": TRUTH, "B": TRUTH}).against(made({"X": TRUTH, "Y": TRUTH, "Z": TRUTH}))
    assert "no variant" in nobody.verdict.headline


def test_another_model_in_the_same_place_is_compared_and_said() -> None:
    sentence = made({"new": TRUTH}).against(made({"old": TRUTH})).verdict.sentence
    assert "new takes the place of old." in sentence
    assert "same instructions" not in sentence


def test_a_saved_run_gives_the_same_verdict(tmp_path) -> None:
    before, now = made(TRUTH), made(wrong(40))
    loaded = load(before.save(tmp_path / "before.json"))
    assert now.against(loaded).verdict.sentence == now.against(before).verdict.sentence
    assert (
        load(now.save(tmp_path / "now.json"))
        .against(loaded)
        .verdict.table.equals(now.against(before).verdict.table)
    )


def test_no_value_and_no_text_is_in_the_verdict() -> None:
    verdict = made(wrong(40)).against(made(TRUTH)).verdict
    shown = f"{verdict!r}{verdict._repr_html_()}{verdict.table.to_dict()}{verdict.fails()}"
    assert not any(word in shown for word in ("total 1", "wrong 1", "Text 1"))


def test_what_is_said_of_several_variants_is_said_once() -> None:
    """And a change of nothing is 0, not -0."""
    few = {"texts": TEXTS[:8], "truth": TRUTH[:8]}
    before = made(dict.fromkeys("ABC", TRUTH[:8]), **few)
    verdict = before.against(before).verdict
    assert verdict.details.count("nothing got worse") == 1
    assert "A, B and C: nothing got worse on these texts, but 8 texts" in verdict.details
    assert {str(each.change) for each in verdict.changes} == {"0.0"}
    alone = made(dict.fromkeys("ABC", TRUTH), truth=None)
    assert alone.against(alone).verdict.headline.endswith(
        "is in both runs: every value is as before."
    )
