"""What the panel says before a run: which differences so many labelled texts can show."""

from __future__ import annotations

import pytest

from llmwidgets import ComparisonPanel, Store
from llmwidgets.analysis.statistics.verdict_sentences import expected_sentence

NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.fixture
def store() -> Store:
    return Store.in_memory()


def test_the_panel_says_before_a_run_what_it_can_show(wire, store) -> None:
    """Live with what is ticked, what is labelled and what matters; nothing without a pair."""
    names = [f"Ada {number}" for number in range(60)]
    truth = {f"text-{number + 1:02}": {"name": name} for number, name in enumerate(names[:12])}
    page = wire(ComparisonPanel(NAME, names, truth=truth, models="demo", store=store))

    def said() -> str:
        return page.state["setup"]["expected"]

    assert said() == expected_sentence(12, 4)
    rows = [row for group in page.state["setup"]["groups"] for row in group["rows"]]
    page.send("setup.tick", ref=rows[0]["ref"], on=False)
    assert said() == expected_sentence(12, 3)
    page.send("scores.matters", points="2")
    assert said() == expected_sentence(12, 3, 0.02)
    assert page.state["setup"]["matters"] == "2"
    page.send("scores.matters", points="5")
    page.widget.truth = {**truth, "text-13": {"name": names[12]}}
    page.send("hello")
    assert said() == expected_sentence(13, 3)
    page.widget.truth = None
    page.send("hello")
    assert (said(), page.state["setup"]["matters"]) == ("", "")
    page.widget.truth = truth
    for row in rows[1:3]:
        page.send("setup.tick", ref=row["ref"], on=False)
    assert said() == ""


def test_what_was_said_before_the_run_stands_beside_its_result(wire, store) -> None:
    """Of the texts that were asked: five of a trial, then all of them."""
    names = [f"Ada {number}" for number in range(12)]
    truth = [{"name": name} for name in names]
    page = wire(ComparisonPanel(NAME, names, truth=truth, models="demo", store=store))
    page.send("run.start", trial=True)
    scores = page.ask("scores")
    assert (scores["outcome"], scores["foretold"]) == (
        "not_enough_texts", expected_sentence(5, 4)
    )  # fmt: skip
    page.send("run.again")
    page.send("run.start")
    assert page.ask("scores")["foretold"].startswith("12 labelled texts and 4 variants can show")
    page.widget.texts = names[:11]
    page.send("hello")
    assert page.widget.controllers["scores"].result.foretold == ""
