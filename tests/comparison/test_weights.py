"""Weights of fields in a comparison: figures, verdict, notes, code, files and changes."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llmwidgets as lw
from llmwidgets.analysis.comparators import read_scoring
from llmwidgets.analysis.rules import LostFunction
from llmwidgets.analysis.statistics.verdict_sentences import brief
from llmwidgets.comparison import Comparison
from llmwidgets.comparison.measures.aggregate import aggregate
from llmwidgets.errors import FieldError
from llmwidgets.widgets.comparison.scores.score_view import score_view

SCHEMA = [{"name": "total", "type": "number"}, {"name": "vendor"}, {"name": "policy.kind"},
          {"name": "lines[].sku"}]  # fmt: skip
TRUTH = {"total": 100.0, "vendor": "ACME", "policy": {"kind": "k"}, "lines": [{"sku": "s"}]}
WRONG = {**TRUTH, "total": 100.9}
SAID = "Fields count by weight: total 5, vendor 0, others 1."
DOCUMENT = Path(__file__).parents[2] / "docs" / "scoring.md"


def near(value: float, truth: float) -> Any:
    return np.bool_(abs(value - truth) < 1)


def within(most: float, value: float, truth: float) -> bool:
    return abs(value - truth) < most


class Near:
    """A function with a state, which has an equality and so no hash."""

    def __init__(self, most: float) -> None:
        self.most = most

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Near) and self.most == other.most

    def __call__(self, value: float, truth: float) -> bool:
        return abs(value - truth) < self.most


def made(scoring: Any = None, texts: int = 40, **more: Any) -> Comparison:
    """B is right; A has the total of every text wrong."""
    outputs = {"A": [WRONG] * texts, "B": [TRUTH] * texts}
    names = [{"id": f"t{at}", "text": "x", "vendor": "ab"[at % 2]} for at in range(texts)]
    return Comparison.from_outputs(SCHEMA, names, outputs, [TRUTH] * texts, scoring, **more)


def flat(text: str) -> str:
    return " ".join(text.split())


def accuracy(comparison: Comparison) -> float:
    return float(comparison.scoreboard().accuracy.iloc[0])


@pytest.mark.parametrize(
    ("scoring", "share", "perfect"),
    [
        (None, 3 / 4, 0),
        ({"total": "weight:5", "vendor": "weight:0"}, 2 / 7, 0),
        ({"total": "weight:0"}, 1, 1),
        ({"total": "number:1% weight:5"}, 1, 1),
        ({"policy": "weight:3", "lines[]": "key:sku weight:2"}, 6 / 7, 0),
        ({"total": {"rule": near, "weight": 5}, "vendor": "weight:2"}, 1, 1),
        ({"total": {"rule": Near(1), "weight": 5}}, 1, 1),
        ({"total": {"rule": partial(within, 0.5), "weight": 5}}, 3 / 8, 0),
        ({"total": {"rule": lambda value, truth: 0.6, "weight": 5}}, 6 / 8, 0),
    ],
)
def test_every_share_of_a_run_is_by_weight_in_every_way_in(scoring, share, perfect) -> None:
    direct = made(scoring)
    ways = [direct, made().rescore(scoring), direct.rescore(direct.scoring)]
    ways.append(made({"vendor": "exact"}).rescore(scoring))
    for result in ways:
        row = result.scoreboard().iloc[0]
        assert row[["accuracy", "pooled", "perfect"]].tolist() == pytest.approx(
            [share, share, perfect]
        )
        assert result.by_text().accuracy[:40].tolist() == pytest.approx([share] * 40)
        by_slice = result.scoreboard(by="vendor").query("variant == 'A'")
        assert by_slice.accuracy.tolist() == pytest.approx([share, share])
        assert result.scoring == direct.scoring


def test_the_figures_of_a_field_stay_its_own_and_its_weight_stands_beside_them() -> None:
    weighed = made({"total": "weight:5", "policy": "weight:2", "lines[]": "weight:0.5"})
    own, usual = weighed.by_field(), made().by_field()
    assert own.drop(columns="weight").equals(usual)
    assert "weight" not in usual
    weights = dict(zip(own.field, own.weight, strict=True))
    assert weights == {
        "total": 5, "vendor": 1, "policy.kind": 2, "lines[].sku": 0.5, "lines[]": 0.5
    }  # fmt: skip
    assert "weight" in weighed.by_field(by="vendor")
    for name in ("precision", "recall", "f1", "invented", "missed", "rows_right"):
        assert weighed.scoreboard()[name].tolist() == made().scoreboard()[name].tolist()
    assert weighed.agreement().equals(made().agreement())
    assert weighed.differences().equals(made().differences())


def test_every_view_says_the_weights_and_no_sentence_calls_them_fields(tmp_path) -> None:
    result = made({"total": "weight:5", "vendor": "weight:0"})
    assert SAID in result.scoreboard().attrs["notes"]
    assert SAID in result.scoreboard(by="vendor").attrs["notes"]
    assert SAID in flat(repr(result))
    assert SAID in result._repr_html_()
    assert SAID in result.to_html(tmp_path / "page.html").read_text("utf-8")
    assert SAID in score_view(result)["beside"]
    verdict = result.verdict()
    assert "of 100 (weighted) more right than A" in verdict.sentence
    assert "of 100 (weighted)" in brief(verdict)
    for said in (verdict.sentence, repr(result), made({"total": "weight:5"}, 9).verdict().sentence):
        assert "fields in 100" not in said
    assert "fields in 100 more right" in made().verdict().sentence
    alone = Comparison.from_outputs(
        SCHEMA, ["x"] * 40, {"A": [WRONG] * 40}, [TRUTH] * 40, {"total": "weight:5"}
    )
    assert alone.verdict().headline.startswith("A got 37.5 of 100 (weighted) right on 40 texts (")
    worse = result.against(made()).verdict.sentence
    assert "fields in 100" not in worse


def test_getting_worse_is_told_by_weight() -> None:
    before, now = (
        Comparison.from_outputs(SCHEMA, [f"{at}" for at in range(80)], {"A": said}, [TRUTH] * 80,
                                {"total": "weight:5"})
        for said in ([TRUTH] * 80, [WRONG] * 80)
    )  # fmt: skip
    verdict = now.against(before).verdict
    assert "A got 62.5 of 100 (weighted) worse" in verdict.sentence
    assert "80 fields flipped to wrong" in verdict.sentence
    assert "fields in 100" not in verdict.sentence + str(verdict.fails())


@pytest.mark.parametrize(
    "scoring", [dict.fromkeys(("total", "vendor", "policy", "lines[]"), "weight:3"),
                {"total": "weight:1"}, {"total": "number weight:1"}],
)  # fmt: skip
def test_weights_that_are_all_the_same_say_nothing(scoring) -> None:
    result = made(scoring)
    assert result.scoreboard().drop(columns=[]).equals(made().scoreboard())
    assert "weight" not in repr(result)
    assert result.verdict().sentence == made().verdict().sentence


def test_many_weights_are_a_short_sentence() -> None:
    names = [f"f{at}" for at in range(30)]
    result = Comparison.from_outputs(
        [{"name": name} for name in names], ["x"], {"A": [dict.fromkeys(names, "x")]},
        [dict.fromkeys(names, "x")], {name: f"weight:{at}" for at, name in enumerate(names)},
    )  # fmt: skip
    (said,) = [each for each in result.scoreboard().attrs["notes"] if "weight" in each]
    assert said.endswith("f7 7 and 22 more.")


def test_a_text_with_no_field_that_counts_is_not_scored() -> None:
    texts = ["x", "y", "z"]
    truth = [TRUTH, {"vendor": "ACME"}, {"vendor": "ACME"}]
    said = {"A": [TRUTH, {"vendor": "ACME"}, None], "B": [TRUTH, "no JSON", {"vendor": "Else"}]}
    result = Comparison.from_outputs(SCHEMA, texts, said, truth, {"vendor": "weight:0"})
    without = Comparison.from_outputs(SCHEMA, texts, said, [TRUTH, None, None])
    names = ["accuracy", "accuracy_low", "scored", "lost", "unanswered", "accuracy_if_wrong",
             "perfect", "pooled"]  # fmt: skip
    assert result.scoreboard()[names].equals(without.scoreboard()[names])
    assert result.scoreboard().scored.tolist() == [1, 1]


def test_a_label_moves_the_sums_as_scoring_anew_does() -> None:
    result = made({"total": {"rule": near, "weight": 5}, "lines[]": "weight:2"}, 6)
    aggregate(result)
    for field, value in (("total", 7), ("vendor", None), ("lines[0].sku", "t")):
        result = result.correct("t1", field, value)
    anew = result.rescore(result.scoring)
    assert result.scoreboard().equals(anew.scoreboard())
    assert accuracy(result) < accuracy(made(result.scoring, 6))


RULES: list[tuple[dict[str, Any], str]] = [
    ({"total": "number:1% weight:5"}, '{"total": "number:1% weight:5"}'),
    ({"total": {"rule": "number:0.50", "weight": 2.5}}, '{"total": "number:0.5 weight:2.5"}'),
    ({"total": {"weight": 3}}, '{"total": "weight:3"}'),
    ({"lines[]": {"rule": "key:sku", "weight": 2}}, '{"lines[]": "key:sku weight:2"}'),
    ({"total": {"rule": near, "weight": 5}}, '{"total": {"rule": near, "weight": 5}}'),
    ({"total": {"rule": Near(1), "weight": 0}}, '{"total": {"rule": Near, "weight": 0}}'),
    ({"total": {"rule": near}}, '{"total": near}'),
    ({"total": read_scoring({"total": {"rule": near, "weight": 5}}, None)["total"]},
     '{"total": {"rule": near, "weight": 5}}'),
    ({"total": {"rule": lambda value, truth: True, "weight": 5}},
     '{"total": {"rule": compare_total, "weight": 5}}'),
    ({"total": "number:1234567.89"}, '{"total": "number:1234567.89"}'),
]  # fmt: skip


@pytest.mark.parametrize(("scoring", "written"), RULES)
def test_code_and_files_keep_rule_and_weight(scoring, written: str, tmp_path) -> None:
    result = made(scoring, 3)
    assert f"    scoring={written},\n" in result.code()
    compile(result.code(), "copied", "exec")
    result.save(tmp_path / "kept.json")
    loaded = lw.load(tmp_path / "kept.json")
    assert loaded.code() == result.code()
    assert loaded.by_field().columns.tolist() == result.by_field().columns.tolist()
    function = next(iter(scoring.values()))
    if "{" not in written[1:] and "near" not in written:
        assert loaded.scoring == result.scoring
        assert loaded.scoreboard().equals(result.scoreboard())
        assert loaded.changes_since(result) == ()
    elif isinstance(function, dict):
        again = loaded.rescore({"total": function})
        assert again.scoreboard().equals(result.scoreboard())
        assert again.changes_since(result) == ()


def test_a_lost_function_keeps_its_weight_and_says_how_to_give_it_again(tmp_path) -> None:
    result = made({"total": {"rule": near, "weight": 5}}, 3)
    result.save(tmp_path / "kept.json")
    saved = json.loads((tmp_path / "kept.json").read_text("utf-8"))
    assert saved["scoring"] == {"total": {"function": "near", "weight": 5}}
    loaded = lw.load(tmp_path / "kept.json")
    assert loaded.scoring == {"total": {"rule": LostFunction("near"), "weight": 5}}
    assert accuracy(loaded) == accuracy(made({"total": "weight:5"}, 3)) == pytest.approx(3 / 8)
    said = 'comparison.rescore({**comparison.scoring, "total": {"rule": near, "weight": 5}}).'
    assert said in flat(repr(loaded))
    again = loaded.rescore({**loaded.scoring, "total": {"rule": near, "weight": 5}})
    assert accuracy(again) == 1
    loaded.save(tmp_path / "twice.json")
    assert lw.load(tmp_path / "twice.json").scoring == loaded.scoring
    for wrong in ({"function": "near", "weight": -1}, {"function": "near", "weight": "x"}):
        (tmp_path / "bad.json").write_text(json.dumps({**saved, "scoring": {"total": wrong}}))
        with pytest.raises(FieldError, match="damaged"):
            lw.load(tmp_path / "bad.json")


def test_changes_and_notes_name_rule_and_weight() -> None:
    now, before = made({"total": {"rule": near, "weight": 5}}), made({"total": "number weight:2"})
    assert now.changes_since(before) == (
        "Scoring: own rules for total (number weight:2), now own rules for total (near, weight:5).",
    )
    assert "Scored by custom functions: total by near." in flat(repr(now))


def test_a_weight_of_one_of_several_schemas_is_known() -> None:
    texts = [{"text": "a", "schema": [{"name": "x"}, {"name": "y"}]},
             {"text": "b", "schema": [{"name": "p.q"}, {"name": "p.r"}]}]  # fmt: skip
    truth = [{"x": "1", "y": "2"}, {"p": {"q": "1", "r": "2"}}]
    said = {"A": [{"x": "1", "y": "0"}, {"p": {"q": "1", "r": "0"}}]}
    result = Comparison.from_outputs(None, texts, said, truth, {"x": "weight:3", "p.r": "weight:3"})
    assert result.by_text().accuracy.tolist() == [0.75, 0.25]
    assert result.scoreboard().pooled[0] == 0.5
    # What counts in one kind of text may count nothing in the other.
    half = result.rescore({"p": "weight:0"})
    assert half.scoreboard().scored[0] == 1
    with pytest.raises(FieldError, match="Every field has the weight 0"):
        result.rescore({"p": "weight:0", "x": "weight:0", "y": "weight:0"})
    with pytest.raises(FieldError, match="Give one of the two"):
        result.rescore({"p": "weight:2", "": near})


def test_the_page_on_weights_does_what_it_says() -> None:
    page = DOCUMENT.read_text("utf-8").partition("\n## Weights\n")[2].partition("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(code, {"lw": lw})


def test_a_function_decides_what_is_the_same_with_a_weight_as_without() -> None:
    """Also of two values that are equal, and of a text without truth."""

    def never(value: Any, truth: Any) -> bool:
        return False

    for truth in ([TRUTH] * 4, None):
        said = {"A": [TRUTH] * 4, "B": [WRONG] * 4, "C": [TRUTH] * 4}
        with_weight, without = (
            Comparison.from_outputs(SCHEMA, ["x"] * 4, said, truth, {"vendor": rule})
            for rule in ({"rule": never, "weight": 5}, never)
        )
        assert with_weight.agreement().equals(without.agreement())
        assert with_weight.agreement("vendor").loc["A", "B"] == 0
        assert with_weight.differences().equals(without.differences())
