"""Review: which values to look at first, of a comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import doubt as benchmark
from llmwidgets.analysis.statistics.doubt import area
from llmwidgets.comparison import Comparison
from llmwidgets.comparison.measures.doubt import read_doubts, review_rows
from llmwidgets.errors import FieldError

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": ["string", "null"]},
        "total": {"type": ["number", "null"]},
        "lines": {"type": "array", "items": {"type": "object", "properties": {
            "sku": {"type": "string"}, "price": {"type": "number"}}}},
    },
}  # fmt: skip
TEXTS = [{"id": f"t{n}", "text": f"Ada {n} owes {100 + n} euro: A{n} for {n}."} for n in range(30)]
TRUTH = {
    f"t{n}": {"name": f"Ada {n}", "total": 100 + n, "lines": [{"sku": f"A{n}", "price": n}]}
    for n in range(30)
}


def outputs(**changed: Any) -> dict[str, list[Any]]:
    """Three variants: the third is wrong in every other total, the second in some names."""
    good = [TRUTH[f"t{n}"] for n in range(30)]
    near = [{**each, "name": "Eve" if n % 5 == 0 else each["name"]} for n, each in enumerate(good)]
    poor = [{**each, "total": 7 if n % 2 else each["total"]} for n, each in enumerate(good)]
    return {"good": good, "near": near, "poor": poor, **changed}


def compared(labelled: int = 0, **more: Any) -> Comparison:
    truth = {f"t{n}": TRUTH[f"t{n}"] for n in range(labelled)} or None
    return Comparison.from_outputs(SCHEMA, TEXTS, outputs(), truth, **more)


def test_without_labels_the_values_are_ranked_and_no_chance_is_said():
    frame = compared().review()
    assert list(frame.columns) == [
        "text_id", "repeat", "field", "variant", "value", "doubt", "rank", "disagreement",
        "instability", "grounded", "right",
    ]  # fmt: skip
    assert frame.doubt.isna().all()
    assert frame.instability.isna().all()
    assert list(frame["rank"]) == list(range(1, len(frame) + 1))
    assert set(frame.right) == {None}
    assert frame.attrs["calibrated"] is False
    assert frame.attrs["learned_from"] == {"texts": 0, "cells": 0}
    assert frame.attrs["notes"][0].startswith("Ranks only: no value is labelled. To learn")
    first = frame.iloc[0]
    assert (first.variant, first.disagreement, first.grounded) == ("poor", 1.0, "absent")
    wrong = {("poor", "total", f"t{n}") for n in range(1, 30, 2)}
    wrong |= {("near", "name", f"t{n}") for n in range(0, 30, 5)}
    top = frame.head(len(wrong))
    assert set(zip(top.variant, top.field, top.text_id, strict=True)) == wrong


def test_with_labels_the_doubt_is_a_chance_and_the_unlabelled_come_first():
    result = compared(labelled=20)
    frame = result.review()
    assert frame.attrs["calibrated"]
    assert frame.attrs["learned_from"] == {"texts": 20, "cells": 240}
    assert frame.doubt.between(0, 1, inclusive="neither").all()
    labelled = frame.right.notna()
    assert list(labelled) == sorted(labelled)
    for part in (frame[~labelled], frame[labelled]):
        assert part.doubt.is_monotonic_decreasing
    top = frame[~labelled].head(5)
    assert set(top.variant) == {"poor"}
    assert (top.doubt > 0.6).all()
    found = frame.attrs["found"]
    assert found["review"] == found["disagreement"] == 14
    assert (found["labels"], found["of"]) == (20, 14)
    assert found["random"] == pytest.approx(20 * 14 / 80)
    assert (
        "14 of the first 20 labelled fields had a wrong value (3.5 expected at random"
        in (frame.attrs["notes"][1])
    )


def test_most_keeps_the_first_rows_and_anything_else_is_refused():
    result = compared(labelled=20)
    assert result.review(7).equals(result.review().head(7))
    assert result.review(np.int64(7)).equals(result.review().head(7))
    assert result.review(0).empty
    for wrong in (-1, "ten", 2.5, True):
        with pytest.raises(FieldError, match="most"):
            result.review(wrong)


def test_rows_for_the_grid_come_in_the_order_of_what_is_expected_to_be_wrong():
    result = compared(labelled=20)
    rows = review_rows(result)
    assert len(rows) == len(TEXTS) * 4
    assert [each.labelled for each in rows] == [False] * 40 + [True] * 80
    assert all(len(each.doubts) == 3 for each in rows)
    assert {(each.path, each.text) for each in rows[:7]} == {
        *(("total", n) for n in (21, 23, 25, 27, 29)), ("name", 20), ("name", 25)
    }  # fmt: skip
    assert all(each.doubts == (None, None, None) for each in review_rows(compared()))


def test_permuted_texts_and_variants_keep_their_doubts():
    result = compared(labelled=20)
    order = [*reversed(range(30))]
    moved = Comparison.from_outputs(
        SCHEMA,
        [TEXTS[at] for at in order],
        {name: [outputs()[name][at] for at in order] for name in ("poor", "good", "near")},
        {f"t{n}": TRUTH[f"t{n}"] for n in range(20)},
    )
    key = ["text_id", "field", "variant"]
    one, two = (each.review().set_index(key).doubt.sort_index() for each in (result, moved))
    assert one.index.equals(two.index)
    assert one.to_numpy() == pytest.approx(two.to_numpy(), abs=1e-6)


def test_a_label_changes_no_doubt_of_its_own_text():
    result = compared(labelled=20)
    other = result.correct("t3", "total", 5)
    key = ["text_id", "field", "variant"]
    one, two = (each.review().set_index(key).doubt.sort_index() for each in (result, other))
    assert (one["t3"] == two["t3"]).all()
    assert not (one["t4"] == two["t4"]).all()


@pytest.mark.parametrize("scoring", [None, {"total": "number:1000"}])
def test_disagreement_follows_the_rules_of_scoring(scoring):
    frame = compared(scoring=scoring).review()
    totals = frame[(frame.field == "total") & (frame.text_id == "t1")].set_index("variant")
    assert totals.disagreement["poor"] == (0.0 if scoring else 1.0)
    assert totals.disagreement["good"] == (0.0 if scoring else 0.5)


def test_spellings_of_one_value_do_not_disagree():
    same = [{**TRUTH[f"t{n}"], "name": f"ADA  {n}", "total": f"{100 + n}.00"} for n in range(30)]
    result = Comparison.from_outputs(SCHEMA, TEXTS, {"good": outputs()["good"], "same": same})
    assert (result.review().disagreement == 0).all()


def test_one_variant_alone_is_ranked_by_grounding_and_what_it_repeats():
    poor = outputs()["poor"]
    frame = Comparison.from_outputs(SCHEMA, TEXTS, {"poor": poor}).review()
    assert frame.disagreement.isna().all()
    # One of them is 7 by chance, where the text says 7.
    assert set(frame.head(14).value) == {7}
    assert any("one variant" in note for note in frame.attrs["notes"])
    repeated = [[each, {**each, "total": 1 + n}, each] for n, each in enumerate(poor)]
    given = Comparison.from_outputs(SCHEMA, TEXTS, {"poor": repeated}, repeats=3).review()
    totals = given[given.field == "total"]
    assert totals.instability.to_numpy() == pytest.approx(0.5)
    assert given[given.field == "name"].instability.eq(0).all()
    assert set(given.head(30).field) == {"total"}


@pytest.mark.parametrize("others", [{}, {"lost": [None] * 30}])
def test_a_field_without_a_label_that_one_variant_answered_is_offered_too(others):
    given = {"poor": outputs()["poor"], **others}
    frame = Comparison.from_outputs(SCHEMA, TEXTS, given, {"t1": {"name": "Ada 1"}}).review()
    own = frame[frame.text_id == "t1"].set_index("field")
    assert set(own.index) == {"name", "total", "lines[0].sku", "lines[0].price"}
    assert own.right["name"] is True
    assert own.right["total"] is None
    assert own.value["total"] == 7


def test_what_failed_or_was_never_given_has_no_doubt():
    broken = [None if n == 3 else "no JSON" if n == 4 else each
              for n, each in enumerate(outputs()["near"])]  # fmt: skip
    schema = {
        **SCHEMA,
        "properties": {**SCHEMA["properties"], "extra": {"type": ["string", "null"]}},
    }
    truth = {"t5": {**TRUTH["t5"], "extra": "nobody gives it"}}
    frame = Comparison.from_outputs(schema, TEXTS, outputs(near=broken), truth).review()
    assert not ((frame.variant == "near") & frame.text_id.isin(["t3", "t4"])).any()
    others = frame[(frame.text_id == "t3") & (frame.field == "total")].set_index("variant")
    assert others.disagreement["good"] == 1.0
    assert "extra" not in set(frame.field)


def test_the_examples_are_where_a_copied_value_comes_from():
    from dataclasses import replace

    from llmwidgets import Variant

    result = compared()
    first, second, third = result.variants
    shown = Variant("x", examples=[("Eve owes 5 euro.", {"name": "Eve"})]).examples
    frame = replace(result, variants=(first, replace(second, examples=shown), third)).review()
    copied = frame[frame.grounded == "copied"]
    assert (set(copied.variant), set(copied.value)) == ({"near"}, {"Eve"})


def test_a_saved_comparison_has_the_same_doubts(tmp_path):
    import llmwidgets as lw

    result = compared(labelled=20)
    result.save(tmp_path / "kept.json")
    assert lw.load(tmp_path / "kept.json").review().doubt.equals(result.review().doubt)


# -- real data -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["docubench", "claims"])
def test_on_real_data_the_doubt_finds_more_than_disagreement_alone(shared_data, kind):
    folders = {"docubench": "docubench", "claims": "insurance-claims"}
    data = getattr(benchmark, kind)(shared_data / folders[kind])
    truth, names = benchmark.HiddenTruth(data), sorted(data.truth)
    for labelled in ([], names[::5]):
        seen = benchmark.measure(data, truth, labelled)
        assert seen.doubt > seen.disagreement + 0.03
        assert seen.found > 3 * seen.found_at_random or kind == "claims"
        assert seen.found > seen.found_at_random
        if labelled:
            assert seen.calibrated
            assert seen.missed < seen.missed_by_rate


def test_doubts_are_those_of_the_signals():
    doubts = read_doubts(compared(labelled=20)).doubts
    at = doubts.signals.labelled
    assert doubts.auc() == area(doubts.doubts[at], doubts.signals.wrong[at])
    assert np.isclose(sum(each.values for each in doubts.reliability()), at.sum())
