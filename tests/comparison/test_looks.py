"""Looks: who looks at the truth again with more labels or texts is told, and the bounds allow."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from pydantic import BaseModel

from llmwidgets import Comparison, Connection, compare, load
from llmwidgets.comparison.core import ResultIndex
from llmwidgets.engine.event_loop import run_blocking
from tests.engine.conftest import serving


class Letter(BaseModel):
    """A made-up letter with one field."""

    total: int | None = None


COUNT = 40
TEXTS = [{"id": f"t{n}", "text": f"Letter number {n}."} for n in range(COUNT)]
TRUTH = [{"total": 1}] * COUNT


@pytest.fixture(scope="module")
def models():
    """Two models behind one server on loopback: one is right, one wrong in every other text."""

    async def behave(seen, wire):
        if seen.line.startswith("GET"):
            wire.answer({"data": [{"id": "a"}, {"id": "b"}, {"id": "c"}]})
        elif seen.json["model"] == "b" and "number 1" in json.dumps(seen.json):
            wire.chat({"total": 2})
        else:
            wire.chat({"total": 1})

    with serving(behave) as end:
        yield [Connection("custom", name=name, endpoint=end.url, label=name) for name in "abc"]


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal.sqlite"


def ask(models, count, journal, labelled=None, **more) -> Comparison:
    truth = [*TRUTH[: count if labelled is None else labelled]]
    truth += [None] * (count - len(truth))
    more = {"journal": journal, "progress": False, **more}
    return compare(Letter, TEXTS[:count], models, truth=truth, **more)


def elsewhere(labelled: int) -> Comparison:
    outputs = {"A": [{"total": 1}] * COUNT, "B": [{"total": n % 2} for n in range(COUNT)]}
    truth = TRUTH[:labelled] + [None] * (COUNT - labelled)
    return Comparison.from_outputs(Letter, TEXTS, outputs, truth=truth)


def label(comparison: Comparison, first: int, last: int) -> Comparison:
    for n in range(first, last):
        comparison = comparison.correct(f"t{n}", "total", 1)
    return comparison


# -- one comparison and what comes from it ---------------------------------------------------------


def test_one_look_is_one():
    comparison = elsewhere(12)
    assert [comparison.verdict().looks for _ in range(3)] == [(12,)] * 3


def test_labels_that_were_made_after_a_look_make_another():
    first = elsewhere(12)
    first.verdict()
    second = label(first, 12, 20)
    assert second.verdict().looks == (12, 20)
    third = label(second, 20, 30)
    assert third.verdict().looks == (12, 20, 30)
    assert "Looked at 3 times" in repr(third)
    assert first.verdict().looks == (12,)


def test_only_what_was_shown_is_a_look():
    first = elsewhere(12)
    first.scoreboard(), first.to_frame(), first.by_field()
    second = label(first, 12, 20)
    assert second.verdict().looks == (20,)


@pytest.mark.parametrize("show", [repr, Comparison._repr_html_, Comparison.verdict])
def test_every_way_of_showing_it_counts(show):
    first = elsewhere(12)
    show(first)
    assert label(first, 12, 20).verdict().looks == (12, 20)


def test_other_rules_on_the_same_data_are_no_new_look():
    first = elsewhere(12)
    first.verdict()
    assert first.rescore({"total": "number:1"}).verdict().looks == (12,)
    assert first.as_given().verdict().looks == (12,)


def test_too_few_texts_give_no_verdict_and_no_look():
    first = elsewhere(9)
    assert first.verdict().looks == ()
    assert label(first, 9, 20).verdict().looks == (20,)


def test_while_replies_are_still_coming_nothing_is_counted():
    """A run that is watched would be looked at with every reply, and its end is what counts."""
    whole = elsewhere(12)
    rows = ResultIndex(2, COUNT, 1)
    for place in list(rows.cells())[:-1]:
        rows.put(place, whole.rows.id(place))
    growing = replace(whole, rows=rows)
    assert growing.verdict().looks == (12,)
    assert label(growing, 12, 20).verdict().looks == (20,)
    assert whole.verdict().looks == (12,)


def test_a_saved_comparison_keeps_its_looks(tmp_path):
    first = elsewhere(12)
    first.verdict()
    again = load(label(first, 12, 20).save(tmp_path / "saved.json"))
    assert again.verdict().looks == (12, 20)
    saved = json.loads((tmp_path / "saved.json").read_text())
    del saved["looks"]
    (tmp_path / "old.json").write_text(json.dumps(saved))
    assert load(tmp_path / "old.json").verdict().looks == (20,)


# -- across runs, through the journal --------------------------------------------------------------


def test_more_texts_of_the_same_run_make_another_look(models, journal):
    assert ask(models[:2], 12, journal).verdict().looks == (12,)
    assert ask(models[:2], 20, journal).verdict().looks == (12, 20)
    assert ask(models[:2], 40, journal).verdict().looks == (12, 20, 40)
    assert ask(models[:2], 20, journal).verdict().looks == (12, 20)


def test_more_labels_of_the_same_texts_make_another_look(models, journal):
    ask(models[:2], 30, journal, labelled=12).verdict()
    assert ask(models[:2], 30, journal, labelled=24).verdict().looks == (12, 24)


def test_one_model_more_or_less_does_not_hide_a_look(models, journal):
    ask(models, 12, journal).verdict()
    assert ask(models[:2], 20, journal).verdict().looks == (12, 20)
    assert ask(models, 30, journal).verdict().looks == (12, 20, 30)


def test_other_models_and_other_texts_are_not_the_same_data(models, journal):
    ask(models[:2], 12, journal).verdict()
    assert ask(models[1:], 20, journal).verdict().looks == (20,)
    others = [{"id": f"o{n}", "text": f"Another letter, {n}."} for n in range(20)]
    result = compare(Letter, others, models[:2], truth=TRUTH[:20], journal=journal, progress=False)
    assert result.verdict().looks == (20,)


def test_a_rerun_of_the_same_texts_is_no_new_look(models, journal):
    first = ask(models[:2], 12, journal)
    first.verdict()
    assert first.rerun(progress=False).verdict().looks == (12,)
    assert ask(models[:2], 12, journal, reuse=False).verdict().looks == (12,)


def test_a_rerun_knows_the_looks_before_it_also_with_another_journal(models, journal):
    first = ask(models[:2], 20, journal, labelled=12)
    first.verdict()
    again = label(first, 12, 20).rerun(progress=False, journal=False)
    assert again.verdict().looks == (12, 20)
    others = label(first, 12, 20).rerun(models[1:], progress=False, journal=False)
    assert others.verdict().looks == (20,)


def test_a_run_that_was_not_looked_at_leaves_nothing(models, journal):
    ask(models[:2], 12, journal).scoreboard()
    assert ask(models[:2], 20, journal).verdict().looks == (20,)


def test_replies_in_memory_are_counted_within_the_comparison_alone(models):
    first = ask(models[:2], 20, False, labelled=12)
    first.verdict()
    assert label(first, 12, 20).rerun(progress=False).verdict().looks == (12, 20)
    assert ask(models[:2], 20, False).verdict().looks == (20,)


def test_the_journal_keeps_no_text_and_no_value(models, journal):
    ask(models[:2], 12, journal).verdict()
    with closing(sqlite3.connect(journal)) as database, database:
        rows = database.execute("SELECT * FROM look").fetchall()
    database.close()
    assert len(rows) == 1
    assert "Letter" not in str(rows)
    assert "total" not in str(rows)


def test_a_journal_that_was_made_before_still_opens_and_counts(models, journal):
    ask(models[:2], 12, journal)
    database = sqlite3.connect(journal)
    database.execute("DROP TABLE look")
    database.close()
    assert ask(models[:2], 12, journal).verdict().looks == (12,)
    assert ask(models[:2], 20, journal).verdict().looks == (12, 20)


@pytest.mark.parametrize(
    "harm",
    ["DROP TABLE look", "UPDATE look SET keys = 'no JSON'", "UPDATE look SET keys = '[[1]]'"],
)
def test_a_table_in_trouble_loses_nothing_but_the_count(models, journal, harm):
    result = ask(models[:2], 12, journal)
    result.verdict()
    database = sqlite3.connect(journal)
    database.execute(harm)
    database.commit()
    again = label(result, 0, 1)
    assert again.verdict().looks == (12,)
    assert result.scoreboard().accuracy.tolist() == again.scoreboard().accuracy.tolist()
    database.close()
    assert ask(models[:2], 20, journal).verdict().looks in ((20,), (12, 20))


# -- the panel -------------------------------------------------------------------------------------


def test_the_panels_growing_labels_are_looks():
    first = elsewhere(12)
    panel = first.explore()
    run_blocking(panel.controllers["scores"].act_show({}))
    second = label(first, 12, 20)
    panel.controllers["run"].show(second)
    run_blocking(panel.controllers["scores"].act_show({}))
    assert second.verdict().looks == (12, 20)
    panel.close()
