"""Replies that are lost, answers that never came, calls that took too long: each a figure."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from llmwidgets import Comparison, Connection, Variant, compare, load
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.errors import FieldError

LOSSES = ["lost", "unanswered", "timed_out"]


class Letter(BaseModel):
    """A made-up letter with one field."""

    total: int


GOOD = {"total": 1}


def letters(*ways: str) -> list[dict]:
    return [{"id": f"{n}", "text": f"<<{way}>> number {n}"} for n, way in enumerate(ways)]


def far(far_end):
    """A server that treats each text in the way that its first word says."""
    tried: dict[str, int] = {}

    async def behave(seen, wire):
        if seen.line.startswith("GET"):
            wire.answer({"data": [{"id": "m"}]})
            return
        said = json.dumps(seen.json)
        way = said.partition("<<")[2].partition(">>")[0]
        tried[said] = tried.get(said, 0) + 1
        if way == "refused":
            message = {"role": "assistant", "content": None, "refusal": "I will not."}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            wire.answer({"id": "r", "choices": [choice], "usage": {"completion_tokens": 2}})
        elif way == "filtered":
            wire.chat("", finish="content_filter")
        elif way == "truncated":
            wire.chat('{"total": ', finish="length")
        elif way == "prose":
            wire.chat("The total is one.")
        elif way == "invalid":
            wire.chat({"total": "many"})
        elif way.isdigit():
            wire.answer({"error": {"message": "no"}}, int(way))
        elif way == "late" and tried[said] == 1:
            wire.answer({"error": {"message": "no"}}, 504)
        else:
            wire.chat(GOOD)

    return Connection(
        "custom", name="m", endpoint=far_end(behave).url, price={"input": 1, "output": 1}
    )


def asked(connection, texts, **more) -> Comparison:
    more = {"journal": False, "progress": False, **more}
    return compare(Letter, texts, connection, truth=[GOOD] * len(texts), **more)


def row(comparison: Comparison) -> pd.Series:
    return comparison.scoreboard().iloc[0]


def test_a_models_own_failure_without_a_usable_record_is_lost(far_end):
    texts = letters(*["fine"] * 6, "refused", "filtered", "truncated", "prose", "invalid")
    board = row(asked(far(far_end), texts))
    assert (board.scored, board.lost, board.unanswered) == (11, 4, 0)
    assert board.accuracy == pytest.approx(6 / 11)
    assert board.answered_accuracy == pytest.approx(6 / 7)
    # Clopper and Pearson for 4 of 11, as R's binom.test gives it.
    assert board.loss_low == pytest.approx(0.1092634, abs=1e-4)
    assert board.loss_high == pytest.approx(0.6920953, abs=1e-4)
    assert board.accuracy_if_wrong == pytest.approx(board.accuracy)


def test_a_call_without_an_answer_is_unanswered_and_bounded(far_end):
    board = row(asked(far(far_end), letters(*["fine"] * 6, "504", "500", "400")))
    assert (board.scored, board.lost, board.unanswered) == (6, 0, 3)
    assert board.accuracy == board.answered_accuracy == 1
    assert board.accuracy_if_wrong == pytest.approx(6 / 9)


def test_texts_that_were_never_asked_are_neither(far_end):
    """One call at a time: what the budget or a refused key left over was never put."""
    board = row(asked(far(far_end), letters(*["fine"] * 9), budget=0.0))
    assert (board.OverBudget, board.lost, board.unanswered) == (9, 0, 0)
    refused = row(asked(far(far_end), letters(*["401"] * 9), concurrency=1))
    assert refused.Unauthorized == 9
    assert 0 < refused.unanswered < 9


def test_calls_that_timed_out_are_counted_also_those_that_were_answered_later(far_end):
    comparison = asked(far(far_end), letters("fine", "late", "504", "408", "500"))
    board = row(comparison)
    assert board.timed_out >= 4
    by_text = {each.text_id: each.timed_out for each in comparison}
    assert (by_text["0"], by_text["1"], by_text["4"]) == (0, 1, 0)
    assert min(by_text["2"], by_text["3"]) >= 1
    assert f"{board.timed_out} timed out, in no p50 and p95" in repr(comparison)
    assert comparison._repr_html_().count(f"{board.timed_out} timed out") == 1


def test_an_unlabelled_text_is_in_none_of_these_figures(far_end):
    texts = letters("fine", "refused", "504")
    result = compare(Letter, texts, far(far_end), journal=False, progress=False)
    assert list(row(result)[LOSSES[:2]]) == [0, 0]
    assert row(result)[["loss_low", "loss_high", "answered_accuracy"]].isna().all()


def test_losses_follow_the_labels(far_end):
    texts = letters("fine", "refused", "504")
    bare = compare(Letter, texts, far(far_end), journal=False, progress=False)
    labelled = bare
    for text in texts:
        labelled = labelled.correct(text["id"], "total", 1)
        labelled.scoreboard()
    assert list(row(labelled)[LOSSES[:2]]) == [1, 1]
    assert list(row(labelled.as_given())[LOSSES[:2]]) == [0, 0]


def test_a_repeat_that_was_lost_or_silent_counts_its_text_once(far_end):
    board = row(asked(far(far_end), letters("fine", "refused", "504"), repeats=3))
    assert (board.lost, board.unanswered, board.scored) == (1, 1, 2)


def test_a_saved_comparison_keeps_the_figures(far_end, tmp_path):
    texts = letters(*["fine"] * 3, "refused", "504", "late")
    connection, journal = far(far_end), tmp_path / "journal.sqlite"
    asked(connection, texts[:3], journal=journal)
    second = asked(connection, texts, journal=journal)
    again = load(second.save(tmp_path / "saved.json"))
    pd.testing.assert_frame_equal(again.scoreboard(), second.scoreboard())


# -- outputs made elsewhere ------------------------------------------------------------------------


def outputs(**more) -> Comparison:
    texts = [{"id": str(n), "text": ""} for n in range(4)]
    return Comparison.from_outputs(
        Letter, texts, {"A": [GOOD, GOOD, None, {"total": 2}]}, truth=[GOOD] * 4, **more
    )


def test_without_a_word_an_output_of_none_is_unanswered():
    board = row(outputs())
    assert (board.scored, board.lost, board.unanswered, board.Stopped) == (3, 0, 1, 1)
    assert board.accuracy == pytest.approx(2 / 3)
    assert board.accuracy_if_wrong == pytest.approx(2 / 4)
    pd.testing.assert_frame_equal(
        outputs().scoreboard(), outputs(missing="unanswered").scoreboard()
    )


def test_missing_wrong_counts_it_as_a_loss():
    board = row(outputs(missing="wrong"))
    assert (board.scored, board.lost, board.unanswered, board.InvalidJSON) == (4, 1, 0, 1)
    assert board.accuracy == pytest.approx(2 / 4)
    assert board.answered_accuracy == pytest.approx(2 / 3)


@pytest.mark.parametrize("missing", ["wrong", "unanswered"])
def test_saved_outputs_keep_what_none_means(missing, tmp_path):
    first = outputs(missing=missing)
    again = load(first.save(tmp_path / "saved.json"))
    pd.testing.assert_frame_equal(again.scoreboard(), first.scoreboard())
    assert ('missing="wrong"' in again.code()) == (missing == "wrong")
    rules = again.rescore({"total": "number:5"}).scoreboard().iloc[0]
    assert (rules.lost, rules.unanswered) == (row(first).lost, row(first).unanswered)


@pytest.mark.parametrize("missing", ["Wrong", "", None, 0, [], "skip"])
def test_another_word_for_missing_is_refused(missing):
    with pytest.raises(FieldError, match="missing: must be one of unanswered, wrong"):
        outputs(missing=missing)


def test_a_comparison_that_was_saved_before_still_says_who_did_not_answer(tmp_path):
    path = outputs().save(tmp_path / "saved.json")
    saved = json.loads(path.read_text())
    for each in saved["rows"]:
        each.pop("code", None)
    path.write_text(json.dumps(saved))
    assert row(load(path)).unanswered == 1


ENDINGS = [GOOD, {"total": 2}, None, "", "no JSON", {"total": "many"}, {}]


@given(
    st.lists(st.tuples(st.sampled_from(ENDINGS), st.booleans()), min_size=1, max_size=9),
    st.sampled_from(["wrong", "unanswered"]),
)
@settings(max_examples=40)
def test_every_labelled_text_is_scored_or_unanswered_whatever_came(endings, missing):
    """Also where labels are made afterwards: sums that were kept are those of a fresh reading."""
    texts = [{"id": str(n), "text": ""} for n in range(len(endings))]
    said = {"A": [output for output, _ in endings]}
    truth = [GOOD if labelled else None for _, labelled in endings]
    comparison = Comparison.from_outputs(Letter, texts, said, truth=truth, missing=missing)
    for at, (_, labelled) in enumerate(endings):
        board = row(comparison)
        assert board.scored + board.unanswered == sum(
            not isinstance(text.truth, type(NOTHING)) for text in comparison.texts
        )
        assert 0 <= board.lost <= board.scored
        if board.scored:
            assert board.loss_low <= board.lost / board.scored <= board.loss_high
            assert board.accuracy_if_wrong <= board.accuracy
        if board.scored > board.lost:
            assert board.answered_accuracy >= board.accuracy
        if not labelled:
            comparison = comparison.correct(str(at), "total", 1)
    fresh = replace(comparison)
    pd.testing.assert_frame_equal(comparison.scoreboard(), fresh.scoreboard())


# -- what was paid now -----------------------------------------------------------------------------


def test_what_was_there_already_costs_nothing_now(far_end, tmp_path):
    """100 tokens in and 10 out at 1 US$ for a million: 0.00011 US$ a call."""
    connection, journal = far(far_end), tmp_path / "journal.sqlite"
    texts = letters(*["fine"] * 10)
    boards = [row(asked(connection, texts[:count], journal=journal)) for count in (6, 10, 10)]
    assert [each.cost for each in boards] == pytest.approx([0.00066, 0.0011, 0.0011])
    assert [each.paid_now for each in boards] == pytest.approx([0.00066, 0.00044, 0])
    assert boards[1].cost_per_1000 == pytest.approx(0.11)


def test_the_views_say_how_many_texts_cost_nothing(far_end, tmp_path):
    connection, journal = far(far_end), tmp_path / "journal.sqlite"
    texts = letters(*["fine"] * 10)
    asked(connection, texts[:1], journal=journal)
    one = asked(connection, texts[:3], journal=journal)
    assert "1 text was already answered and cost nothing now, paid before on" in repr(one)
    two = Connection("custom", name="n", endpoint=connection.fields.endpoint, label="n")
    some = asked([connection, two], texts[:3], journal=journal)
    assert "3 of 6 replies were already answered and cost nothing now" in repr(some)
    again = asked([connection, two], texts[:3], journal=journal)
    for shown in (repr(again), again._repr_html_()):
        assert "3 texts were already answered and cost nothing now" in shown


def test_an_unknown_price_is_unknown_now_too_unless_nothing_was_asked(far_end, tmp_path):
    connection = Connection("custom", name="n", endpoint=far(far_end).fields.endpoint)
    journal, texts = tmp_path / "journal.sqlite", letters(*["fine"] * 3)
    first, second = (row(asked(connection, texts, journal=journal)) for _ in range(2))
    assert pd.isna(first.paid_now)
    assert second.paid_now == 0
    assert pd.isna(second.cost)


def test_an_own_price_for_input_from_a_cache_lowers_the_cost(far_end):
    async def behave(seen, wire):
        if seen.line.startswith("GET"):
            wire.answer({"data": [{"id": "m"}]})
        else:
            wire.chat(GOOD, prompt_tokens_details={"cached_tokens": 80})

    url = far_end(behave).url
    costs = []
    for price in ({"input": 1, "output": 1}, {"input": 1, "output": 1, "cached": 0.1}):
        connection = Connection("custom", name="m", endpoint=url, price=price)
        told = Variant((Connection("custom", name="m", endpoint=url), "m"), price=price)
        costs.append([row(asked(each, letters("fine"))).cost for each in (connection, told)])
    assert costs[0] == pytest.approx([110e-6] * 2)
    assert costs[1] == pytest.approx([(20 + 8 + 10) * 1e-6] * 2)
