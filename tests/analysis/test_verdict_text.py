"""What a manager reads: every outcome word for word, and nothing that cannot be meant."""

from __future__ import annotations

import re

import pytest
from IPython.core.formatters import DisplayFormatter

from llmwidgets.analysis.statistics.verdict_sentences import brief, expected_sentence
from tests.analysis.verdict_scenarios import SCENARIOS, Scenario, column, shares


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_a_verdict_reads_as_it_should(scenario: Scenario):
    assert scenario.tested().conclude(scenario.matters).sentence == scenario.said


def test_there_are_scenarios_enough():
    assert len(SCENARIOS) >= 25
    assert {each.tested().conclude(each.matters).outcome for each in SCENARIOS} > {None}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_no_sentence_says_more_than_can_be_known(scenario: Scenario):
    said = scenario.said
    assert "at most 0 " not in said
    assert "at least 0 " not in said
    assert not re.search(r"(?<![.\d])1 (fields|texts|replies|groups|variants)\b", said)
    assert not re.search(r"\b(nan|None|inf)\b", said)
    assert said == " ".join(said.split())
    assert said.endswith(".")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_the_sentence_names_the_leader_and_the_recommended(scenario: Scenario):
    verdict = scenario.tested().conclude(scenario.matters)
    for label in (verdict.leader, verdict.recommended):
        assert label is None or label in verdict.sentence


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_beside_the_table_the_details_are_brief_and_name_every_loss_that_decides(scenario):
    verdict = scenario.tested().conclude(scenario.matters)
    said = brief(verdict)
    assert len(said) <= max(len(verdict.details), 1)
    for each in verdict.standings:
        if each.label in (verdict.leader, verdict.recommended):
            lost = f"{each.lost} of {each.scored}" if verdict.outcome else f"{each.lost} repl"
            assert not each.lost or lost in said
            assert ("has no answer" in said) or not each.unanswered


def test_however_many_lose_replies_the_details_stay_a_few_lines():
    lossy = [column(f"model-{n}", shares(n, 0.9, 60), n + 1.0, lost=n) for n in range(9)]
    verdict = Scenario("", lambda: lossy, "").tested().conclude()
    said = brief(verdict)
    assert len(said) < 420 < len(verdict.details)
    assert said.count("counted as wrong") == 1
    assert " 5 more variants some, counted as wrong" in said.replace(" and", "")


def test_a_verdict_shows_as_sentences_in_a_notebook_and_a_terminal():
    verdict = SCENARIOS[5].tested().conclude()
    formats, _ = DisplayFormatter().format(verdict)
    assert formats["text/plain"] == verdict.sentence
    assert verdict.headline in formats["text/html"]


def test_labels_are_data_in_a_notebook():
    hostile = "<img src=x onerror=alert(1)>"
    scenario = Scenario(
        "", lambda: [column(hostile, shares(1, 0.9, 20)), column("B", shares(2, 0.9, 20))], ""
    )
    formats, _ = DisplayFormatter().format(scenario.tested().conclude())
    assert hostile not in formats["text/html"]


@pytest.mark.parametrize(
    ("labelled", "variants", "said"),
    [
        (0, 3, ""),
        (40, 1, ""),
        (5, 2, "5 texts cannot show a difference: a verdict asks for 10 or more"),
        (12, 3, "12 labelled texts and 3 variants can show a difference of about"),
        (500, 2, "500 labelled texts and 2 variants can show a difference of about"),
    ],
)
def test_before_a_run_it_is_said_what_the_texts_can_show(labelled, variants, said):
    sentence = expected_sentence(labelled, variants)
    assert sentence.startswith(said)
    told = re.search(r"would show (one of )?5( in 100)?\.", sentence) is not None
    assert told == (0 < labelled < 100 and variants > 1)


def test_more_variants_need_more_texts():
    shows = [
        float(re.search(r"about ([\d.]+) in 100", expected_sentence(30, variants)).group(1))
        for variants in (2, 5, 8)
    ]
    assert shows == sorted(shows)
    assert shows[0] < shows[-1]
