"""DocuBench's own rules bring out its published scores; arrays may stand in any order."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.analysis.docubench import docubench_share
from llmwidgets.comparison import Comparison
from llmwidgets.errors import FieldError

PUBLISHED = {"gemini": 95.80, "gpt": 93.54, "claude": 90.33}
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
    folder = shared_data / "docubench"

    def read(part: str, name: str):
        return json.loads((folder / part / f"{name}.json").read_text("utf-8"))

    ids = sorted(path.stem for path in (folder / "schemas").glob("*.json"))
    texts = [{"id": name, "text": "", "schema": read("schemas", name)} for name in ids]
    outputs = {
        model: [read(f"results/{model}", name)["data"] for name in ids] for model in PUBLISHED
    }
    truth = {name: read("labels", name) for name in ids}
    return Comparison.from_outputs(None, texts, outputs, truth, scoring="docubench")


def test_the_published_scores_come_out_to_two_decimals(docubench: Comparison) -> None:
    board = docubench.scoreboard().set_index("variant")
    assert list(board.scored) == [50, 50, 50]
    assert {name: round(100 * board.accuracy[name], 2) for name in PUBLISHED} == PUBLISHED


def test_rescoring_goes_to_the_default_rules_and_back(docubench: Comparison) -> None:
    default = docubench.rescore(None)
    assert default.scoreboard().accuracy[0] != docubench.scoreboard().accuracy[0]
    again = default.rescore("docubench")
    assert list(again.scoreboard().accuracy) == list(docubench.scoreboard().accuracy)


def test_under_the_default_rules_what_separates_follows_from_the_test(
    docubench: Comparison,
) -> None:
    table = docubench.rescore(None).verdict().table
    assert len(table) == 3
    assert all(pair.texts == 50 and 0 < pair.p <= pair.p_holm <= 1 for pair in table)
    for pair in table:
        assert pair.low < pair.difference < pair.high
        assert pair.told_apart == (pair.p_holm <= 0.05)


def test_arrays_of_real_outputs_may_stand_in_any_order(docubench: Comparison) -> None:
    shuffled = {
        label: [_shuffled(each.data) for each in docubench if each.variant == label]
        for label in docubench.labels
    }
    texts = [{"id": each.id, "text": "", "schema": each.schema.json} for each in docubench.texts]
    truth = {each.id: each.truth for each in docubench.texts}
    other = Comparison.from_outputs(None, texts, shuffled, truth)
    expected = docubench.rescore(None).scoreboard().accuracy
    assert list(other.scoreboard().accuracy) == pytest.approx(list(expected))


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
    assert docubench_share(LINES, {"lines": mixed}, {"lines": rows}) == pytest.approx(1)


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
    assert docubench_share(LINES, value, truth) == pytest.approx(share)


def test_a_set_of_rules_that_is_not_known_is_named() -> None:
    with pytest.raises(FieldError, match="docubench"):
        Comparison.from_outputs(LINES, ["a"], {"A": [{}]}, scoring="stickler")
