"""Scoreboard and charts without a browser: what matters, fields by model, agreement, grounding."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets import Comparison, Variant, formatting
from llmwidgets.analysis.statistics.significance import Scores, compare_variants
from llmwidgets.analysis.statistics.verdict import Shown
from llmwidgets.analysis.statistics.verdict_sentences import brief, expected_sentence
from llmwidgets.comparison import summary
from llmwidgets.comparison.measures.variant_stats import VariantStats
from llmwidgets.formatting import margin

SCHEMA = {
    "type": "object",
    "title": "Bill",
    "properties": {
        "name": {"type": ["string", "null"]},
        "total": {"type": ["number", "null"]},
        "kind": {"enum": ["bill", "order"]},
    },
}
TRUTH = [{"name": f"Ada {n}", "total": 100 + n, "kind": "bill"} for n in range(40)]
TEXTS = [f"The bill of Ada {n} over {100 + n} euro." for n in range(40)]
GOOD = [dict(each) for each in TRUTH]
WRONG = [
    {**each, "total": 999 if n % 5 == 0 else each["total"], "name": None if n % 8 == 0 else "Eve"}
    for n, each in enumerate(TRUTH)
]
NEAR = [{**each, "total": 1 if n in (3, 30) else each["total"]} for n, each in enumerate(TRUTH)]
EXAMPLE = ("The order of Eve Marlowe over 5 euro.", {"name": "Eve", "total": 5})


def made(truth: Any = TRUTH, **outputs: Any) -> Comparison:
    given = outputs or {"good": GOOD, "wrong": WRONG, "near": NEAR}
    return Comparison.from_outputs(SCHEMA, TEXTS, given, truth)


def taught(comparison: Comparison) -> Comparison:
    """The same, as if the second variant had been shown an example."""
    first, second, *rest = comparison.variants
    shown = replace(second, examples=Variant("x", examples=[EXAMPLE]).examples)
    return replace(comparison, variants=(first, shown, *rest))


@pytest.fixture
def page(wire) -> Any:
    return wire(made().explore())


@pytest.mark.parametrize("outputs", [{"good": GOOD}, {"good": GOOD, "wrong": WRONG}])
def test_labels_that_are_blank_are_said_right_behind_the_headline(wire, outputs: Any) -> None:
    """Once each, for the panel as for the sentence: what is not scored can decide who leads."""
    blank = made([{**each, "name": ""} for each in TRUTH], **outputs)
    said = "40 labels are blank and not scored"
    scores = wire(blank.explore()).ask("scores")
    verdict = blank.verdict()
    assert scores["details"].startswith(said)
    assert verdict.sentence.startswith(f"{verdict.headline} {said}")
    assert repr(blank).count(said) == verdict.sentence.count(said) == 1


# -- fields by model -------------------------------------------------------------------------------


def test_the_table_of_fields_says_what_by_field_says(page) -> None:
    """Every figure with its n, in the order of the scoreboard, hardest field first."""
    scores = page.ask("scores")
    frame = page.widget.comparison.by_field().set_index(["field", "variant"])
    assert [name for name, _ in scores["fields"]["measures"]] == [
        "right", "precision", "recall", "f1", "invented", "missed", "nulls_in_words"
    ]  # fmt: skip
    labels = dict(zip("ABC", page.widget.comparison.labels, strict=True))
    assert [labels[each] for each in scores["order"]] == ["good", "near", "wrong"]
    rows = {row["path"]: row["cells"] for row in scores["fields"]["rows"]}
    assert list(rows) == ["name", "total", "kind"]
    for path, cells in rows.items():
        for letter, cell in zip(scores["order"], cells, strict=True):
            counted = frame.loc[(path, labels[letter])]
            assert cell["right"] == [pytest.approx(100 * counted.accuracy), counted.labelled]
            for name in ("precision", "recall", "f1"):
                assert cell[name][0] == pytest.approx(100 * counted[name])
    assert rows["name"][2]["missed"] == [12.5, 40]
    assert rows["name"][2]["precision"][1] == 35
    # The truth always has a name, so nothing can be invented: no figure, not 0.
    assert rows["name"][2]["invented"] == [None, 0]


def test_a_field_that_one_model_never_answered_has_no_figure_there(wire) -> None:
    outputs = {"good": GOOD, "gone": [None] * 40}
    page = wire(made(**outputs).explore())
    cells = {row["path"]: row["cells"] for row in page.ask("scores")["fields"]["rows"]}["name"]
    assert cells[1] is None


def test_what_is_left_out_says_why(wire) -> None:
    """Nothing scored, or too few: a group each, with its reason."""
    outputs = {
        "whole": GOOD, "half": [*NEAR[:20], *[None] * 20], "few": [*WRONG[:5], *[None] * 35],
        "gone": [None] * 40,
    }  # fmt: skip
    groups = wire(made(**outputs).explore()).ask("scores")["groups"]
    left = {
        row["label"]: group["title"] + group["more"]
        for group in groups if group["title"] == "Left out" for row in group["rows"]
    }  # fmt: skip
    assert left == {
        "few": "Left out: too few texts could be scored",
        "gone": "Left out: none of the texts could be scored",
    }


@pytest.mark.parametrize(
    ("scored", "reason"),
    [
        (0, "none of the texts could be scored"),
        (9, "too few texts could be scored"),
        (10, "too few of their texts can be compared"),
    ],
)
def test_a_variant_beside_the_verdict_says_how_little_was_scored(scored: int, reason: str) -> None:
    verdict = made(good=GOOD, near=NEAR).verdict()
    tally = VariantStats(scores={str(n): [1.0] for n in range(scored)})
    said = summary.word_standing(verdict, "other", tally)
    assert said.group == f"Left out: {reason}"
    assert said.rank > max(
        summary.word_standing(verdict, each, tally).rank for each in ("good", "near")
    )


# -- what matters ----------------------------------------------------------------------------------


def test_what_matters_changes_groups_band_words_and_the_static_output(wire) -> None:
    """A margin as good as none leaves the second open; a wide one takes it among the good ones."""
    page = wire(made(good=GOOD, near=NEAR).explore())
    first = page.ask("scores")
    assert (first["matters"], first["outcome"]) == ("5", "as_good_and_cheaper")
    verdict = page.widget.comparison.verdict(0.005)
    page.send("scores.matters", points="0.5")
    second = newest(page)
    assert second["matters"] == "0.5"
    assert (second["headline"], second["details"]) == (verdict.headline, brief(verdict))
    assert second["outcome"] == "not_enough_texts"
    assert [group["title"] + group["more"] for group in second["groups"]] == [
        "Leads, not shown to be better", "Not shown either way: too few texts to tell within 0.5"
    ]  # fmt: skip
    more = verdict.texts_needed - verdict.texts
    assert second["more"].startswith(f"{more:,} more labelled texts would show a difference of 0.5")
    assert f"about {verdict.texts_needed:,} would show 0.5" in verdict.details
    assert second["band"] == [99.5, 100]
    assert second["pairs"][0]["needed"] == f"needs {verdict.table[0].texts_needed:,} texts"
    assert verdict.headline in page.widget._repr_mimebundle_()[0]["text/html"]
    assert second["groups"][0]["rows"][0]["right"] == first["groups"][0]["rows"][0]["right"]
    page.send("scores.matters", points="20")
    last = newest(page)
    assert (last["more"], last["band"]) == ("", [80, 100])
    assert [row["words"]["bound"] for group in last["groups"] for row in group["rows"]] == [
        "the best", "within 20"
    ]  # fmt: skip


def newest(page: Any) -> dict[str, Any]:
    return next(each for each in reversed(page.messages) if each["type"] == "scores")


@pytest.mark.parametrize("points", ["", "much", "0", "-2", "nan", "51", None])
def test_what_is_no_difference_is_said_and_changes_nothing(page, points: Any) -> None:
    before = page.ask("scores")["headline"]
    page.send("scores.matters", points=points)
    assert "not a number from 0.1 to 50" in page.state["error"]["sentence"]
    assert page.ask("scores")["headline"] == before


def test_under_ten_texts_nothing_is_asked_about_what_matters(wire) -> None:
    """What they can show is said all the same, and no bound is made up."""
    few = Comparison.from_outputs(SCHEMA, TEXTS[:9], {"A": GOOD[:9], "B": WRONG[:9]}, TRUTH[:9])
    scores = wire(few.explore()).ask("scores")
    assert (scores["matters"], scores["outcome"]) == ("", "not_enough_texts")
    assert scores["more"] == expected_sentence(9, 2)
    assert [each["interval"] for each in scores["pairs"]] == [None]
    words = [row["words"] for group in scores["groups"] for row in group["rows"]]
    bounds = [(each["worse"], each["bound"]) for each in words]
    assert bounds == [("–", "the leader"), ("unknown", "too few texts")]


def test_what_matters_is_in_the_report_and_in_the_code_too(page) -> None:
    page.send("scores.matters", points="7,5")
    page.send("result.html", values=False)
    report = next(each for each in reversed(page.raw) if each[1])[1][0].decode()
    verdict = page.widget.comparison.verdict(0.075)
    assert verdict.headline in report
    assert verdict.details in report
    page.send("result.code")
    assert "print(result.verdict(matters=0.075))" in page.messages[-1]["text"]
    page.send("scores.matters", points="5")
    page.send("result.code")
    assert "matters" not in page.messages[-1]["text"]


# -- the three outcomes ----------------------------------------------------------------------------


def columns_of(scores: dict[str, Any]) -> dict[str, list[tuple[str, str, str, bool]]]:
    """What is said of each variant, by group."""
    return {
        group["title"] + group["more"]: [
            (row["label"], *map(row["words"].get, ("worse", "bound", "recommended")))
            for row in group["rows"]
        ]
        for group in scores["groups"]
    }


def test_who_is_better_stands_alone_with_the_interval_of_each_pair(wire) -> None:
    page = wire(made(good=GOOD, wrong=WRONG).explore())
    scores = page.ask("scores")
    (pair,) = page.widget.comparison.verdict().table
    low, high = formatting.percent(pair.low), formatting.percent(pair.high)
    assert scores["worse"] == "Worse than the best by, 95 % interval"
    assert columns_of(scores) == {
        "Better than all others": [("good", "–", "the best", True)],
        "Shown to be worse than the best": [
            ("wrong", formatting.percent(pair.difference), f"{low}–{high}", False)
        ],
    }


def test_not_enough_texts_names_a_leader_and_recommends_none(wire) -> None:
    twelve = {"good": GOOD[:12], "near": NEAR[:12]}
    few = Comparison.from_outputs(SCHEMA, TEXTS[:12], twelve, TRUTH[:12])
    scores = wire(few.explore()).ask("scores")
    second = few.verdict().standings[1]
    assert scores["worse"] == "Worse than the leader by at most"
    assert columns_of(scores) == {
        "Leads, not shown to be better": [("good", "–", "the leader", False)],
        "Not shown either way: too few texts to tell within 5": [
            ("near", formatting.percent(second.worse_by), "more than 5", False)
        ],
    }
    assert "more labelled texts would show a difference of 5 in 100" in scores["more"]
    assert scores["unlabelled"] == 0


def test_of_equals_none_is_called_the_leader(wire) -> None:
    same = Comparison.from_outputs(
        SCHEMA, TEXTS[:12], {"good": GOOD[:12], "same": GOOD[:12]}, TRUTH[:12]
    )
    scores = wire(same.explore()).ask("scores")
    assert "good and same are equal so far" in scores["headline"]
    assert not re.search(r"\bleads?\b|\bleader\b", json.dumps(scores), re.IGNORECASE)


def test_texts_without_truth_can_be_labelled_and_are_found_in_the_grid(wire) -> None:
    truth = [*TRUTH[:12], *[None] * 28]
    page = wire(made(truth=truth, good=GOOD, near=NEAR).explore())
    assert page.ask("scores")["unlabelled"] == 28
    assert page.state["result"]["unlabelled"] == 28
    grid = page.ask("grid", only="unlabelled")
    assert grid["texts"] == 28
    assert {block["index"] for block in grid["blocks"]} <= set(range(12, 40))
    page.send("labels.set", index=12, path="total", column=0)
    assert page.state["result"]["unlabelled"] == 27
    assert page.ask("grid", only="unlabelled")["texts"] == 27


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from([0.0, 0.5, 0.9, 1.0]), min_size=12, max_size=12),
            st.sampled_from([None, 0.0, 0.2, 3.0]),
        ),
        min_size=2,
        max_size=5,
    ),
    st.sampled_from([0.01, 0.05, 0.2]),
)
def test_no_bound_is_ever_0_and_words_never_deny_the_group(scores: Any, matters: float) -> None:
    """Whatever the scores are: groups, bounds and recommendation say the same."""
    columns = [
        Scores(f"v{at}", {f"t{n}": share for n, share in enumerate(shares)}, price)
        for at, (shares, price) in enumerate(scores)
    ]
    verdict = compare_variants(columns).conclude(matters)
    told = {
        each.label: summary.word_standing(verdict, each.label, VariantStats())
        for each in verdict.standings
    }
    assert [label for label, each in told.items() if each.recommended] == (
        [verdict.recommended] if verdict.recommended else []
    )
    for each in verdict.standings:
        said = told[each.label]
        assert "at most 0.0 %" not in said.loses
        assert said.worse != "0.0" or verdict.outcome == "better"
        within = said.bound == f"within {margin(matters)}"
        if each is not verdict.standings[0] and verdict.outcome != "better":
            assert within == (each.shown is Shown.AS_GOOD)
        assert each.low < each.high
    ranks = [each.rank for each in told.values()]
    assert len(set(ranks)) == len(ranks)


def test_no_answer_is_told_with_the_accuracy_that_it_leaves_open() -> None:
    scores = {f"t{n}": 1.0 for n in range(40)}
    half = dict(list(scores.items())[:20])
    lost = frozenset(["t0"])
    verdict = compare_variants(
        [
            Scores("whole", scores | {"t0": 0.0}, lost=lost),
            Scores("half", half, unanswered=frozenset(scores) - frozenset(half)),
        ]
    ).conclude()
    whole = summary.word_standing(
        verdict, "whole", VariantStats(statuses=Counter({"ok": 39, "Truncated": 1}))
    )
    assert whole.loses.startswith("1 of 40, at most 13.2 %")
    assert (whole.lost, whole.failed, whole.came) == ("1 truncated", "", "100.0")
    tally = VariantStats(statuses=Counter({"ok": 20, "Unreachable": 20}))
    gone = summary.word_standing(verdict, "half", tally)
    assert gone.unanswered == "no answer to 20 of 40; 50.0 % right with these wrong"
    assert (gone.lost, gone.failed) == ("", "20 unreachable")
    # Replies lost on texts without truth are not those that the share of losses counts.
    more = VariantStats(statuses=Counter({"ok": 30, "Truncated": 5}))
    assert summary.word_standing(verdict, "whole", more).lost == ""
    assert summary.word_standing(verdict, "whole", more).failed == "5 truncated"


def test_rows_of_lists_are_told_and_few_values_lead_with_precision_and_recall(wire) -> None:
    item = {"type": "object", "properties": {"sku": {"type": ["string", "null"]}}}
    names = [f"f{n}" for n in range(8)]
    schema = {"type": "object", "properties": {
        **{name: {"type": ["string", "null"]} for name in names},
        "lines": {"type": "array", "items": item},
    }}  # fmt: skip
    empty = dict.fromkeys(names)
    truth = [{**empty, "lines": [{"sku": f"A{n}"}, {"sku": f"B{n}"}]} for n in range(12)]
    some = [{**empty, "lines": [{"sku": f"A{n}"}]} for n in range(12)]
    outputs = {"all": truth, "some": some}
    compared = Comparison.from_outputs(schema, TEXTS[:12], outputs, truth)
    page = wire(compared.explore())
    groups = page.ask("scores")["groups"]
    rows = {row["label"]: row for group in groups for row in group["rows"]}
    told = [rows[label]["words"] for label in ("all", "some")]
    assert [each["rows"] for each in told] == ["24 of 24", "12 of 24"]
    assert [each["other_rows"] for each in told] == ["", "12 missed"]
    assert rows["some"]["leading"] == ["100.0", "50.0", "66.7"]
    assert "12 of 24 (12 missed)" in compared._repr_html_()


# -- agreement -------------------------------------------------------------------------------------


def test_without_truth_the_scoreboard_shows_agreement(wire) -> None:
    """Who agrees most with the others stands first; the pairs are those of agreement()."""
    page = wire(made(truth=None).explore())
    scores = page.ask("scores")
    assert (scores["scored"], scores["agreed"], scores["pairs"]) == (False, True, [])
    table = page.widget.comparison.agreement()
    rows = [row for group in scores["groups"] for row in group["rows"]]
    assert rows[-1]["label"] == "wrong"
    assert all(row["right"] == "–" for row in rows)
    shared = {each["a"] + each["b"]: each["share"] for each in scores["shared"]}
    assert shared["AB"] == f"{100 * table.loc['good', 'wrong']:.1f}"
    assert shared["AC"] == f"{100 * table.loc['good', 'near']:.1f}"
    assert list(shared)[-1] == "AC"
    assert scores["fields"]["measures"] == [["agree", "% the same as the others"]]
    fields = {row["path"]: row["cells"] for row in scores["fields"]["rows"]}
    assert fields["kind"][0]["agree"][0] == 100
    assert fields["kind"][0]["agree"][1] == 80
    assert "models can agree and be wrong" in scores["foot"][0]


def test_one_model_without_truth_has_nothing_to_agree_with(wire) -> None:
    scores = wire(made(truth=None, good=GOOD).explore()).ask("scores")
    assert (scores["scored"], scores["agreed"], scores["shared"]) == (False, False, [])
    assert scores["fields"]["rows"] == []


def test_a_first_label_turns_agreement_into_what_is_right(wire) -> None:
    page = wire(made(truth=None).explore())
    assert page.ask("scores")["agreed"] is True
    page.send("labels.set", index=0, path="total", column=0)
    assert page.ask("scores")["agreed"] is False


# -- what stands in no text ------------------------------------------------------------------------


def test_the_rates_are_those_of_grounding(wire) -> None:
    """Not in the text, and copied from an example among them, a variant each."""
    page = wire(taught(made()).explore())
    said = page.ask("grounding")
    frame = page.widget.comparison.grounding().set_index("variant")
    for letter, label in zip("ABC", page.widget.comparison.labels, strict=True):
        assert said["rows"][letter]["absent"] == f"{100 * frame.absent_rate[label]:.1f}"
        assert said["rows"][letter]["copied"] == f"{100 * frame.copied_rate[label]:.1f} copied"
    assert frame.copied["wrong"] == 35
    assert frame.copied["good"] == 0
    assert [said["rows"][each]["loud"] for each in "ABC"] == [False, True, False]
    assert said["said"] == ""


def test_without_examples_nothing_is_said_of_copies(page) -> None:
    said = page.ask("grounding")
    assert {row["copied"] for row in said["rows"].values()} == {""}


def test_where_no_text_was_given_there_is_no_rate(wire) -> None:
    texts = [{"id": str(n), "text": ""} for n in range(3)]
    bare = Comparison.from_outputs(SCHEMA, texts, {"A": GOOD[:3]}, TRUTH[:3])
    assert wire(bare.explore()).ask("grounding")["any"] is False


def test_a_label_does_not_look_for_every_value_again(page, monkeypatch) -> None:
    from llmwidgets.widgets.comparison import results as result_panel

    first = page.ask("grounding")
    monkeypatch.setattr(result_panel, "grounding_view", None)
    page.send("labels.set", index=0, path="total", column=1)
    assert page.ask("grounding")["rows"] == first["rows"]


# -- how far the doubt of values can be relied on --------------------------------------------------


def test_the_curve_is_that_of_the_doubts(wire) -> None:
    page = wire(made().explore())
    said = page.ask("doubt")
    frame = page.widget.comparison.review()
    assert sum(each["values"] for each in said["bins"]) == len(frame)
    for each in said["bins"]:
        assert 0 <= each["low"] <= each["wrong"] <= each["high"] <= 100
        inside = frame[(frame.doubt * 10).astype(int) == int(each["said"] / 10)]
        assert each["said"] == pytest.approx(100 * inside.doubt.mean())
        assert each["wrong"] == pytest.approx(100 * (inside.right == False).mean())  # noqa: E712
    assert "ranks above a right one" in said["figure"]
    assert ", by disagreement alone in " in said["figure"]
    assert [said["basis"], said["found"]] == frame.attrs["notes"][:2]


@pytest.mark.parametrize("labelled", [0, 3])
def test_with_too_few_labels_a_sentence_is_in_the_place_of_the_curve(wire, labelled) -> None:
    ids = [each.id for each in made().texts]
    truth = dict(zip(ids[:labelled], TRUTH, strict=False))
    said = wire(made(truth=truth or None).explore()).ask("doubt")
    assert said["bins"] == []
    assert said["basis"].startswith("Ranks only: ")


def test_the_doubt_follows_a_label(wire) -> None:
    page = wire(made().explore())
    before = page.ask("doubt")
    page.send("labels.set", index=0, path="total", column=1)
    assert page.ask("doubt") != before


def test_a_copied_value_is_flagged_in_cell_detail_and_text(wire) -> None:
    page = wire(taught(made()).explore())
    grid = page.ask("grid", only="disagree", field="name", chars=20)
    cells = [row["c"] for block in grid["blocks"] for row in block["rows"] if row["p"] == "name"]
    assert {tuple(cell[1] for cell in row) for row in cells if row[1][1] == "Eve"} <= {
        (f"Ada {n}", "Eve", f"Ada {n}") for n in range(40)
    }
    flags = {row[1][1]: row[1][2] for row in cells}
    assert flags["Eve"] == 2
    assert {row[0][2] for row in cells} == {0}
    detail = page.ask("detail", index=1, path="name", column=1)
    assert detail["absent"].startswith("Eve is not in the text. It is in an example")
    assert "copied from an example" in str(detail["facts"])
    groups = {each["path"]: each["groups"] for each in page.ask("text", index=1)["fields"]}
    assert [(group["letters"], group["flag"]) for group in groups["name"]] == [
        ("TAC", ""), ("B", "copied from an example")
    ]  # fmt: skip


def test_a_value_that_is_right_and_in_no_text_is_flagged_beside_its_state(wire) -> None:
    """Not in the text is a fact beside the state: a cell that agrees can have it too."""
    truth = [{"name": "Ada", "total": 7, "kind": "order"}]
    outputs = {"A": [dict(truth[0])], "B": [{**truth[0], "name": "Bob"}]}
    page = wire(Comparison.from_outputs(SCHEMA, ["Ada pays."], outputs, truth).explore())
    (block,) = page.ask("grid", only="all", chars=20)["blocks"]
    rows = {row["p"]: row["c"] for row in block["rows"]}
    assert rows["total"] == [["agree", "7", 1], ["agree", "7", 1]]
    assert [cell[2] for cell in rows["name"]] == [0, 1]
    # One of few allowed values need not stand in the text word for word.
    assert [cell[2] for cell in rows["kind"]] == [0, 0]


def test_words_for_nothing_are_a_cell_of_their_own(wire) -> None:
    """Counted beside the other states, said in words, and not marked as missing from the text."""
    truth = [{**TRUTH[0], "name": None}, *TRUTH[1:]]
    said = [{**GOOD[0], "name": "N/A"}, {**GOOD[1], "name": "not mentioned"}, *GOOD[2:]]
    page = wire(made(truth, one=said).explore())
    counts = page.state["result"]["counts"]
    assert (counts["null in words"], counts["invented"], counts["missing"]) == (1, 0, 1)
    got = page.ask("grid", states=["null in words", "missing"])
    rows = [row for block in got["blocks"] for row in block["rows"] if row["p"] == "name"]
    assert [row["c"][0] for row in rows] == [
        ["null in words", "N/A", 0], ["missing", "not mentioned", 0]
    ]  # fmt: skip
