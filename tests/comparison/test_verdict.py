"""What `verdict()` takes and says at the edges: odd labels, prices, truth and margins."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

from llmwidgets import Comparison, load
from llmwidgets.errors import FieldError

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
COUNT = 30
TEXTS = [f"Text {n}." for n in range(COUNT)]
TRUTH = [{"a": n, "b": n} for n in range(COUNT)]
HALF = [{"a": n, "b": -1} for n in range(COUNT)]


def made(outputs, truth=TRUTH, **more) -> Comparison:
    return Comparison.from_outputs(SCHEMA, TEXTS, outputs, truth, **more)


@pytest.mark.parametrize(
    "matters", [0, -0.05, 1.01, 5, float("nan"), float("inf"), "0.05", None, True, [0.05], 1j]
)
@pytest.mark.parametrize("truth", [TRUTH, None])
def test_what_matters_is_a_share(matters, truth):
    with pytest.raises(FieldError, match=r"matters: must be a number over 0 and at most 1"):
        made({"A": TRUTH, "B": HALF}, truth).verdict(matters)


@pytest.mark.parametrize("matters", [1, 0.05, np.float32(0.05), Fraction(1, 20)])
def test_a_share_may_be_any_number(matters):
    assert made({"A": TRUTH, "B": HALF}).verdict(matters).leader == "A"


def test_labels_that_read_alike_do_not_swallow_each_other():
    with pytest.raises(FieldError, match="the label 1 more than once"):
        made({1: TRUTH, "1": HALF})


@pytest.mark.parametrize("empty", [{}, {"a": float("nan"), "b": float("nan")}])
def test_truth_that_labels_no_field_is_none(empty):
    """Every text was answered; nothing may say that it was not."""
    said = made({"A": TRUTH, "B": HALF}, [empty] * COUNT).verdict().sentence
    assert said.endswith("Without truth nothing says which of them is right.")
    assert "answered" not in said


def test_the_texts_of_a_verdict_are_those_that_all_answered():
    """More may be labelled: what one variant did not answer compares nothing."""
    assert made({"A": TRUTH, "B": HALF[:20] + [None] * (COUNT - 20)}).verdict().texts == 20


def test_labelled_texts_without_an_answer_are_named():
    said = made({"A": [None] * COUNT}).verdict().sentence
    assert said.endswith("no labelled text was answered, so nothing is scored.")


def test_groups_without_a_text_in_common_are_compared_with_nothing():
    first, last = TRUTH[:15] + [None] * 15, [None] * 15 + HALF[15:]
    verdict = made({"A": first, "B": last}, group=[n // 2 for n in range(COUNT)]).verdict()
    assert verdict.recommended is None
    assert "No text is labelled and answered by both" in verdict.sentence


def test_one_group_is_one():
    said = made({"A": TRUTH, "B": HALF}, group=["one"] * COUNT).verdict().sentence
    assert "The 30 texts, in 1 group, are labelled" in said
    assert "The texts make 1 group;" in said


def priced(tmp_path, costs) -> Comparison:
    """As saved by a run with these costs of a reply: A and C are right, B now and then wrong."""
    poor = [{**record, "a": -1 if at % 3 == 0 else record["a"]} for at, record in enumerate(TRUTH)]
    outputs = dict(zip("ABC", (TRUTH, poor, TRUTH), strict=True))
    path = made({label: outputs[label] for label in "ABC"[: len(costs)]}).save(tmp_path / "c.json")
    saved = json.loads(path.read_text("utf-8"))
    for at, row in enumerate(saved["rows"]):
        row["cost"] = costs[at // COUNT]
    path.write_text(json.dumps(saved), "utf-8")
    return load(path)


@pytest.mark.parametrize("cost", [-1, float("nan"), float("inf"), "much", [1]])
def test_a_saved_cost_that_is_none_is_damage(tmp_path, cost):
    with pytest.raises(FieldError, match="damaged"):
        priced(tmp_path, [cost, 1])


@pytest.mark.parametrize("costs", [(0, 0, 0), (1, 0, None), (0, 5, 0), (None, None, 0), (2, 1, 2)])
def test_every_price_is_compared_with_every_other(tmp_path, costs):
    """What is free is cheaper than what is not, and what is unknown is neither."""
    verdict = priced(tmp_path, costs).verdict(0.1)
    price = {each.label: each.cost_per_1000 for each in verdict.standings}
    best = price[verdict.leader]
    free = [label for label, cost in price.items() if cost is not None and best and cost < best]
    assert verdict.recommended == verdict.leader
    assert ("cheaper is worse" in verdict.headline) == bool(free)
    unknown = [label for label, cost in price.items() if cost is None and label != "B"]
    assert all(label in verdict.sentence for label in unknown)
    if None in price.values():
        assert "unknown" in verdict.sentence
        assert "all that is cheaper" not in verdict.sentence
