"""What a manager reads: every outcome word for word, and nothing that cannot be meant."""

from __future__ import annotations

import re

import pytest
from IPython.core.formatters import DisplayFormatter

from llmwidgets.analysis.verdict_words import expected_sentence
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
        (5, 2, "5 texts can show no difference: a verdict asks for 10 or more"),
        (12, 3, "12 labelled texts and 3 variants can show a difference of about"),
        (500, 2, "500 labelled texts and 2 variants can show a difference of about"),
    ],
)
def test_before_a_run_it_is_said_what_the_texts_can_show(labelled, variants, said):
    sentence = expected_sentence(labelled, variants)
    assert sentence.startswith(said)
    assert ("would show 5" in sentence) == (0 < labelled < 100 and variants > 1)


def test_more_variants_need_more_texts():
    shows = [
        float(re.search(r"about ([\d.]+) in 100", expected_sentence(30, variants)).group(1))
        for variants in (2, 5, 8)
    ]
    assert shows == sorted(shows)
    assert shows[0] < shows[-1]
