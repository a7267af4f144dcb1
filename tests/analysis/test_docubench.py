"""DocuBench's own rules bring out its published scores; arrays may stand in any order."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmwidgets as lw
from benchmarks.docubench import PUBLISHED, compared
from benchmarks.docubench import docubench as rules
from llmwidgets.comparison import Comparison
from llmwidgets.comparison.measures.text_result import read_text_result
from llmwidgets.errors import FieldError

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "docubench.py"
LINES = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "lines": {"type": "array", "items": {"type": "object"}},
        "seller": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.fixture(scope="module")
def docubench(shared_data) -> Comparison:
    """50 documents × 3 models, each document with its own schema."""
    return compared(shared_data / "docubench")


def test_the_published_scores_come_out_to_two_decimals(docubench: Comparison) -> None:
    board = docubench.scoreboard().set_index("variant")
    assert list(board.scored) == [50, 50, 50]
    assert {name: round(100 * board.accuracy[name], 2) for name in PUBLISHED} == PUBLISHED


@pytest.fixture(scope="module")
def default(docubench: Comparison) -> Comparison:
    """The same outputs by the default rules, scored once for these tests."""
    return docubench.rescore(None)


def test_rescoring_goes_to_the_default_rules_and_back(
    docubench: Comparison, default: Comparison
) -> None:
    board, other = docubench.scoreboard().accuracy, default.scoreboard().accuracy
    assert all(one != two for one, two in zip(board, other, strict=True))
    again = read_text_result(default.rescore(rules), 3, 0)
    assert again.scores == read_text_result(docubench, 3, 0).scores


def test_under_the_default_rules_what_separates_follows_from_the_test(
    default: Comparison,
) -> None:
    table = default.verdict().table
    assert len(table) == 3
    assert all(pair.texts == 50 and 0 < pair.p <= pair.p_holm <= 1 for pair in table)
    for pair in table:
        assert pair.low < pair.difference < pair.high
        assert pair.told_apart == (pair.p_holm <= 0.05)


def test_arrays_of_real_outputs_may_stand_in_any_order(default: Comparison) -> None:
    label = default.labels[2]
    shuffled = {label: [_shuffled(each.data) for each in default if each.variant == label]}
    texts = [{"id": each.id, "text": "", "schema": each.schema.json} for each in default.texts]
    truth = {each.id: each.truth for each in default.texts}
    other = Comparison.from_outputs(None, texts, shuffled, truth)
    expected = default.scoreboard().accuracy[2]
    assert other.scoreboard().accuracy[0] == pytest.approx(expected)


def _shuffled(data):
    if isinstance(data, dict):
        return {name: _shuffled(each) for name, each in data.items()}
    if isinstance(data, list):
        mixed = [_shuffled(each) for each in data]
        random.Random(7).shuffle(mixed)
        return mixed
    return data


ROW = st.fixed_dictionaries({"item": st.integers(0, 3), "price": st.integers(0, 3)})


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, max_size=5), st.permutations(range(5)))
def test_a_record_against_itself_is_right_in_any_order(rows, order) -> None:
    mixed = [rows[at] for at in order if at < len(rows)]
    assert rules({"lines": mixed}, {"lines": rows}, LINES) == pytest.approx(1)


@pytest.mark.parametrize(
    ("value", "truth", "share"),
    [
        ({"name": "A b-C"}, {"name": "abc"}, 1),
        ({"name": None}, {"name": ""}, 1),
        ({"name": "x"}, {"name": None}, 0),
        ({"lines": []}, {"lines": [{"n": 1}]}, 0),
        ({"lines": [{"n": 1}, {"n": 2}]}, {"lines": [{"n": 1.0000001}]}, 0.5),
        ({"name": "x", "seller": {"city": "Ulm"}}, {"name": "x", "seller": {"city": "Köln"}}, 0.5),
        ({"lines": [{"n": 1, "m": 2}], "name": 5}, {"lines": [{"n": 1, "m": 3}], "name": 5}, 2 / 3),
    ],
)  # fmt: skip
def test_the_rules_hold_case_by_case(value, truth, share: float) -> None:
    assert rules(value, truth, LINES) == pytest.approx(share)


def test_the_benchmark_is_skipped_with_a_reason_without_its_data(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "nowhere"], capture_output=True, text=True, check=True
    )
    assert "skipped" in done.stdout
    assert "nowhere does not hold its data" in done.stdout


@pytest.mark.parametrize("named", ["docubench", "stickler"])
def test_a_set_of_rules_is_not_known_by_name(named: str) -> None:
    with pytest.raises(FieldError, match=f"must be rules by field or a function, not '{named}'"):
        Comparison.from_outputs(LINES, ["a"], {"A": [{}]}, scoring=named)


def test_a_comparison_saved_with_the_rules_by_name_says_what_to_do(tmp_path) -> None:
    """Once the package held these rules; what was saved then is read, with a sentence."""
    made = Comparison.from_outputs(LINES, ["a"], {"A": [{"name": "x"}]}, [{"name": "x"}])
    made.save(tmp_path / "now.json")
    saved = json.loads((tmp_path / "now.json").read_text("utf-8"))
    saved["scoring"] = "docubench"
    (tmp_path / "before.json").write_text(json.dumps(saved), "utf-8")
    loaded = lw.load(tmp_path / "before.json")
    assert loaded.scoreboard().accuracy[0] == 1
    said = 'call comparison.rescore({**comparison.scoring, "": docubench})'
    assert said in repr(loaded).replace("\n", " ")
    again = loaded.rescore({**loaded.scoring, "": rules})
    assert said not in repr(again).replace("\n", " ")
    assert again.scoreboard().accuracy[0] == 1
