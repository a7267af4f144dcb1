"""DocuBench's own rules bring out its published scores; arrays may stand in any order."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.analysis.docubench import docubench_share
from llmwidgets.comparison import Comparison
from llmwidgets.comparison.rows import Place
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


@pytest.fixture(scope="module")
def default(docubench: Comparison) -> Comparison:
    """The same outputs by the default rules, scored once for these tests."""
    return docubench.rescore(None)


def test_rescoring_goes_to_the_default_rules_and_back(
    docubench: Comparison, default: Comparison
) -> None:
    board, other = docubench.scoreboard().accuracy, default.scoreboard().accuracy
    assert all(one != two for one, two in zip(board, other, strict=True))
    place = Place(2, 3, 0)
    assert default.rescore("docubench").mark(place) == docubench.mark(place)


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
