"""Slices in the panel: scores, charts and grid of some texts alone; the choice stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmwidgets import Comparison

SCHEMA = {"type": "object", "properties": {"total": {"type": ["number", "null"]}}}
VENDORS = ["QQACME", "QQACME", "QQNORDA", None]
ROWS = [
    {"id": f"t{n}", "text": f"Bill {n}", "vendor": VENDORS[n % 4], "url": f"https://a.example/{n}",
     "country": "PT", "price": n}
    for n in range(48)
]  # fmt: skip
TRUTH = [{"total": n} for n in range(48)]
WRONG = [{"total": n + (n % 4 == 2)} for n in range(48)]
"""Wrong in every text of NORDA, and nowhere else."""


def made(rows: Any = ROWS, truth: Any = TRUTH, **more: Any) -> Comparison:
    count = len(rows)
    outputs = {"good": TRUTH[:count], "wrong": WRONG[:count]}
    return Comparison.from_outputs(
        SCHEMA, rows, outputs, None if truth is None else truth[:count], **more
    )


@pytest.fixture
def page(wire) -> Any:
    return wire(made().explore())


def choose(page: Any, by: str, at: int = -1) -> dict[str, Any]:
    page.send("scores.slice", by=by, at=at)
    return next(each for each in reversed(page.messages) if each["type"] == "scores")


def test_columns_that_put_texts_together_are_offered(page) -> None:
    """Not one with a value for each text, nor one with the same for all."""
    scores = page.ask("scores")
    assert [name for name, _ in scores["slicing"]["columns"]] == ["vendor", "price"]
    assert scores["slices"] is None
    assert scores["slicing"]["all"] == "All 48 texts"


def test_texts_without_metadata_offer_nothing(wire) -> None:
    page = wire(made([each["text"] for each in ROWS]).explore())
    assert page.ask("scores")["slicing"]["columns"] == []


def test_slices_have_the_figures_of_the_scoreboard(page) -> None:
    slices = choose(page, "vendor")["slices"]
    assert [row["name"] for row in slices["rows"]] == ["QQACME", "QQNORDA", "(none)"]
    assert [row["said"] for row in slices["rows"]] == ["24 texts", "12 texts", "12 texts"]
    frame = page.widget.comparison.scoreboard(by="vendor").set_index(["vendor", "variant"])
    for row in slices["rows"]:
        for name, cell in zip(("good", "wrong"), row["cells"], strict=True):
            known = frame.loc[(row["name"], name)]
            assert cell["right"] == f"{100 * known.accuracy:.1f}"
            assert cell["interval"][2] == round(100 * known.accuracy_high, 1)
    assert [cell["behind"] for cell in slices["rows"][1]["cells"]] == ["best", "−100.0"]
    assert "among 3 slices, some differences come by chance" in slices["said"]


def test_one_slice_narrows_the_verdict_the_fields_and_the_grid(page) -> None:
    scores = choose(page, "vendor", 1)
    assert "12 texts" in scores["details"]
    assert scores["fields"]["rows"][0]["cells"][1]["right"] == [0.0, 12]
    assert scores["slicing"]["only"] == 1
    grid = page.ask("grid", only="all", turn="1")
    assert (grid["texts"], grid["slice"]) == (12, "vendor: QQNORDA")
    counts = page.state["result"]["counts"]
    assert (counts["rows"], counts["disagree"]) == (12, 12)
    scores = choose(page, "vendor", 0)
    assert page.ask("grid", only="all", turn="2")["texts"] == 24
    assert page.ask("grid", turn="3")["empty"]["sentence"].startswith("All models agree on all 24")
    page.send("scores.slice", at=-1)
    assert page.ask("grid", only="all", turn="4")["texts"] == 48
    assert page.ask("scores")["slicing"]["by"] == "vendor"


def test_what_is_not_in_the_text_is_counted_for_the_slice(wire) -> None:
    page = wire(made().explore())
    whole = page.ask("grounding")["rows"]["A"]["title"]
    choose(page, "vendor", 1)
    part = next(each for each in reversed(page.messages) if each["type"] == "grounding")
    assert (whole, part["rows"]["A"]["title"]) != (whole, whole)
    assert "of 12 values" in part["rows"]["A"]["title"]


def test_the_choice_stays_with_labels_and_a_page_drawn_anew(page) -> None:
    choose(page, "vendor", 1)
    page.send("labels.set", index=2, path="total", value="7")
    scores = page.ask("scores")
    assert (scores["slicing"]["by"], scores["slicing"]["only"]) == ("vendor", 1)
    page.send("hello")
    first = next(each for each in reversed(page.messages) if each["type"] == "grid")
    assert (first["slice"], first["texts"]) == ("vendor: QQNORDA", 12)


def test_another_comparison_keeps_the_choice_where_it_has_it(wire) -> None:
    panel = made().explore()
    page = wire(panel)
    choose(page, "vendor", 1)
    panel._run.show(made(ROWS[:20]))
    assert page.ask("scores")["slicing"]["only"] == 1
    panel._run.show(made([{**each, "vendor": "other"} for each in ROWS]))
    assert page.ask("scores")["slicing"]["only"] == -1
    panel._run.show(made([each["text"] for each in ROWS]))
    assert page.ask("scores")["slicing"]["by"] == ""


@pytest.mark.parametrize(
    "content",
    [{"by": "no such"}, {"by": 7}, {"by": "vendor", "at": 99}, {"by": "vendor", "at": "x"}, {}],
)
def test_an_odd_choice_is_all_texts(page, content: dict[str, Any]) -> None:
    choose(page, "vendor", 1)
    page.send("scores.slice", **content)
    assert page.ask("scores")["slicing"]["only"] == -1
    assert page.ask("grid", only="all", turn="x")["texts"] == 48


def test_few_texts_say_so_and_nothing_is_best_there(wire) -> None:
    page = wire(made(ROWS[:20]).explore())
    slices = choose(page, "vendor")["slices"]
    few = slices["rows"][1]
    assert (few["few"], few["said"]) == (True, "5 texts: too few to tell")
    assert {cell["behind"] for cell in few["cells"]} == {""}
    scores = choose(page, "vendor", 1)
    assert scores["outcome"] == "not_enough_texts"
    assert not any(row["words"]["recommended"] for each in scores["groups"] for row in each["rows"])


def test_without_truth_slices_say_how_far_models_agree(wire) -> None:
    page = wire(made(truth=None).explore())
    slices = choose(page, "vendor")["slices"]
    assert slices["measure"] == "% the same as the others"
    assert [row["cells"][0]["right"] for row in slices["rows"]] == ["100.0", "0.0", "100.0"]


def test_no_value_of_the_metadata_is_in_the_widget_state_or_the_static_output(page) -> None:
    """What slices are called goes by the messages that were asked for alone."""
    choose(page, "vendor", 1)
    page.send("grid.lay", turn="1")
    page.settle()
    states = [each for each in page.messages if each["type"] == "state"]
    assert "QQ" not in json.dumps(states)
    assert "QQ" not in json.dumps(page.widget.get_state(), default=str)
    assert "QQ" not in page.widget.static_html()
    assert "QQ" not in json.dumps(page.widget._repr_mimebundle_(), default=str)
    page.send("result.html", values=False)
    sent = next(buffers for data, buffers in reversed(page.raw) if buffers)
    assert b"QQ" not in bytes(sent[0])


def test_looking_at_slices_is_no_look_at_the_whole(wire) -> None:
    rows, labelled = ROWS, [*TRUTH[:20], *[None] * 28]
    comparison = made(rows, labelled)
    page = wire(comparison.explore())
    page.ask("scores")
    for at in range(3):
        choose(page, "vendor", at)
    choose(page, "price", 1)
    assert page.widget.comparison.looks == {20}


def test_names_that_act_are_spelled_out_and_still_work(wire) -> None:
    name = "QQ\u202eMCA"
    rows = [{**each, "ven\u202edor": name if n % 2 else "b"} for n, each in enumerate(ROWS)]
    page = wire(made(rows).explore())
    scores = choose(page, "ven\u202edor", 1)
    assert scores["slicing"]["only"] == 1
    assert "\u202e" not in json.dumps(scores["slices"], ensure_ascii=False)
    assert page.ask("grid", only="all", turn="1")["texts"] == 24


def test_the_samples_can_be_sliced_by_their_language(wire) -> None:
    import llmwidgets as lw
    from llmwidgets.demo import emails, invoices, jobs

    for task in (invoices, emails, jobs):
        panel = lw.ComparisonPanel(task.Schema, task.texts, truth=task.truth)
        assert all(text.metadata["language"] for text in panel._setup.documents)
        panel.close()
    result = Comparison.from_outputs(
        invoices.Schema, invoices.texts, {"A": invoices.truth}, invoices.truth
    )
    assert list(result.scoreboard(by="language").language) == [
        "English", "German", "French", "Spanish", "Arabic", "Dutch", "Italian", "Japanese"
    ]  # fmt: skip
