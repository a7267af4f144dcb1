"""Runs in a journal: one record each, small, without a text; two of them compared later."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from llmwidgets import Comparison, compare, extract
from llmwidgets.comparison import history
from llmwidgets.comparison.core import CellKey
from llmwidgets.comparison.variants import Variant
from llmwidgets.demo import invoices, stop_demo
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.journal_runs import RunRecord, read_runs
from tests.samples import TEXTS as EIGHT

COPIES = 4
TEXTS = [
    {"id": f"{copy}-{text['id']}", "text": f"{text['text']}\n({copy})"}
    for copy in range(COPIES)
    for text in EIGHT
]
TRUTH = {text["id"]: invoices.truth[text["id"].split("-", 1)[1]] for text in TEXTS}


@pytest.fixture(scope="module", autouse=True)
def demo():
    yield
    stop_demo()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


def ask(path, model="demo-careful", texts=TEXTS, truth=True, **more) -> Comparison:
    labels = {text["id"]: TRUTH[text["id"]] for text in texts} if truth else None
    variant = Variant(model, label="luna", instructions=more.pop("instructions", None))
    return compare(
        invoices.Schema, texts, variant, truth=labels, journal=path, progress=False, **more
    )


def runs_of(path) -> list[RunRecord]:
    return read_runs(Journal(path).query)


def test_each_run_leaves_one_record(path) -> None:
    ask(path).verdict()
    ask(path, "demo-hasty", TEXTS[:12], truth=False)
    new, old = runs_of(path)
    assert (old.facts.schema, old.facts.texts, old.labelled) == ("Invoice", 32, 32)
    assert [each.label for each in old.facts.variants] == ["luna"]
    assert (old.facts.calls, old.facts.reused, old.facts.unpriced) == (32, 0, True)
    assert old.best is not None
    assert old.best[0] == "luna"
    assert history.texts_words(old) == "32, all with truth"
    assert history.texts_words(new) == "12, no truth"
    assert (history.best_words(new), history.cost_words(new)) == ("unknown", ("unknown", ""))


def test_a_run_that_reused_everything_is_one_that_paid_nothing(path) -> None:
    ask(path)
    ask(path)
    new, old = runs_of(path)
    assert (new.facts.calls, new.facts.reused, new.facts.unpriced) == (0, 32, False)
    assert history.cost_words(new) == ("$0", "")
    assert list(new.rows()) == list(old.rows())


def test_a_single_call_is_no_comparison(path) -> None:
    extract(invoices.Schema, TEXTS[0], "demo-careful", journal=path)
    ask(path, texts=TEXTS[:1])
    assert runs_of(path) == []


def test_neither_text_nor_truth_nor_instructions_are_in_a_record(path) -> None:
    ask(path, instructions="Extract with MARKED words.").verdict()
    with closing(sqlite3.connect(path)) as database, database:
        rows = database.execute("SELECT * FROM run").fetchall()
    ((*facts,),) = rows
    whole = "".join(repr(each) for each in facts)
    assert "MARKED" not in whole
    for text in TEXTS:
        assert text["id"] not in whole
        assert not any(str(value) in whole for value in TRUTH[text["id"]].values() if value)


@pytest.mark.parametrize("repeats", [1, 3])
def test_a_record_is_small(path, repeats) -> None:
    """At most 20 bytes for each call, of texts that compress to nothing."""
    many = [{"id": f"id-{at}", "text": f"Invoice {at}"} for at in range(120)]
    compare(
        invoices.Schema, many, "demo-careful", journal=path, progress=False, repeats=repeats,
        truth={each["id"]: {"number": each["id"]} for each in many},
    ).verdict()  # fmt: skip
    (record,) = runs_of(path)
    assert len(record.packed) + len(record.packed_scores) <= 20 * 120 * repeats
    assert len(json.dumps(record.facts.schema)) < 100


def test_scores_are_noted_when_they_are_first_made_and_follow_the_labels(path) -> None:
    result = ask(path, texts=TEXTS[:12])
    assert runs_of(path)[0].best is None
    result.scoreboard()
    first = runs_of(path)[0]
    assert first.best is not None
    again = result.correct(TEXTS[0]["id"], "number", "another")
    again.verdict()
    assert runs_of(path)[0].best != first.best


def test_other_rules_and_an_older_truth_do_not_move_what_was_noted(path) -> None:
    result = ask(path, texts=TEXTS[:12])
    result.verdict()
    known = runs_of(path)[0].best
    result.rescore({"number": lambda _value, _truth: False}).verdict()
    assert runs_of(path)[0].best == known
    labelled = ask(path, texts=TEXTS[:12], truth=False).correct(TEXTS[0]["id"], "number", "x")
    labelled.verdict()
    newest = runs_of(path)[0]
    assert newest.labelled == 1
    labelled.as_given().verdict()
    assert runs_of(path)[0].scored == newest.scored


def test_two_runs_are_compared_by_the_shares_they_had(path) -> None:
    ask(path, texts=TEXTS[:24]).verdict()
    ask(path, "demo-hasty").verdict()
    new, old = runs_of(path)
    verdict = history.compare_records(new, old)
    (change,) = verdict.changes
    assert change.texts == 24
    assert "luna got" in verdict.headline
    assert "worse" in verdict.headline
    assert "luna: model demo-careful, now demo-hasty." in verdict.sentence
    direct = ask(path, "demo-hasty").against(ask(path, texts=TEXTS[:24])).verdict.changes[0]
    assert change.change == pytest.approx(direct.change, abs=1e-3)
    assert (change.low, change.high) == pytest.approx((direct.low, direct.high), abs=1e-3)


def test_a_run_that_was_never_scored_is_said(path) -> None:
    ask(path, truth=False)
    ask(path).verdict()
    verdict = history.compare_records(*runs_of(path))
    assert "one of the two runs was not scored" in verdict.headline


def test_groups_and_lost_replies_are_kept(path) -> None:
    group = [text["id"].split("-", 1)[1] for text in TEXTS]
    ask(path, "demo-flaky", group=group).verdict()
    ask(path, "demo-careful", group=group).verdict()
    verdict = history.compare_records(*runs_of(path))
    assert verdict.grouped
    assert verdict.changes[0].units == len(EIGHT)
    assert verdict.changes[0].lost_before > 0


def test_the_replies_of_a_record_are_scored_by_the_truth_at_hand(path) -> None:
    first = ask(path, truth=False)
    (record,) = runs_of(path)
    now = ask(path, "demo-hasty")
    again = history.results_of_record(record, now.journal, now.texts, None)
    assert [again.extraction(cell).data for cell in again.rows.cells()] == [
        each.data for each in first
    ]
    verdict = history.compare_with_earlier(now, again).verdict
    assert verdict.changes[0].before == pytest.approx(ask(path).scoreboard().accuracy[0])


def test_what_was_asked_otherwise_is_known_by_hashes(path) -> None:
    ask(path)
    ask(path, instructions="Be short.")
    new, old = map(history.Asked.of_record, runs_of(path))
    assert history.changes_between(new, old) == ("luna: other instructions.",)
    assert history.changes_between(new, new) == ()
    assert history.Asked.of_results(ask(path)) == old


def test_rows_that_are_gone_were_not_asked(path) -> None:
    result = ask(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM extraction WHERE id = 1")
    (record,) = runs_of(path)
    again = history.results_of_record(record, Journal(path), result.texts, None)
    statuses = [again.row(CellKey(0, at, 0)).status for at in range(len(TEXTS))]
    assert statuses.count("Stopped") == 1


def test_a_journal_in_memory_has_its_runs_too() -> None:
    journal = Journal(False)
    plan_of = {"journal": journal, "progress": False}
    from llmwidgets.comparison import runs

    documents = runs.read_documents(invoices.Schema, TEXTS[:12], TRUTH and None)
    planned = runs.build_plan(documents, "demo-careful")
    runs.run_plan(Comparison, planned, None, runs.RunOptions(**plan_of))
    assert len(read_runs(journal.query)) == 1


def test_a_disk_that_takes_nothing_costs_the_record_alone(path, monkeypatch) -> None:
    result = ask(path)
    journal = result.journal
    journal._file.connection.execute("PRAGMA query_only = ON")  # type: ignore[union-attr]
    result.verdict()
    assert journal.query("INSERT INTO run (at, token, facts, cells) VALUES (1, '', '', '')") == []
    assert runs_of(path)[0].best is None


@pytest.mark.parametrize(
    "change",
    [
        "facts = '{'", "facts = '[]'", "facts = '{}'", "cells = x'00'", "cells = ''", "at = 'x'",
        "at = 1e300", "scored = '{}'", "scored = '[1]'", "scores = x'1234'", "token = NULL",
        "facts = replace(facts, '\"texts\": 12', '\"texts\": 13')",
        "facts = replace(facts, '\"texts\": 12', '\"texts\": \"12\"')",
        "facts = replace(facts, '\"repeats\": 1', '\"repeats\": 1000000000')",
        "facts = replace(facts, '\"label\": \"luna\"', '\"label\": 5')",
    ],
)  # fmt: skip
def test_a_record_broken_by_hand_is_left_out(path, change) -> None:
    ask(path, texts=TEXTS[:12]).verdict()
    ask(path, "demo-hasty", texts=TEXTS[:12]).verdict()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        try:
            database.execute(f"UPDATE run SET {change} WHERE id = 1")
        except sqlite3.IntegrityError:
            return
    assert [each.id for each in runs_of(path)] == [2]
