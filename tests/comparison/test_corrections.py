"""Truth grows after the run: scores follow, what stood there before is kept."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison import Comparison, load
from llmwidgets.errors import FieldError


class Line(BaseModel):
    name: str
    total: float | None = None


class Letter(BaseModel):
    sender: str | None = None
    amount: float | None = None
    lines: list[Line] = []


def made() -> Comparison:
    right = {"sender": "Ada", "amount": 5, "lines": [{"name": "paint", "total": 2}]}
    return Comparison.from_outputs(
        Letter,
        [{"id": "a", "text": "Ada owes 5 for paint, 2."}, {"id": "b", "text": "Bob."}],
        {"A": [right, {"sender": "Bob"}], "B": [right, {"sender": "Eve"}]},
        truth={"a": {"sender": "Eda", "amount": 5}},
    )


def accuracy(result: Comparison) -> list[float]:
    return list(result.scoreboard().accuracy)


def test_scores_follow_a_correction_at_once_and_the_old_value_is_kept() -> None:
    before = made()
    after = before.correct("a", "sender", "Ada", by="Grace")
    assert accuracy(before) == [0.5, 0.5]
    assert accuracy(after) == [1, 1]
    (row,) = after.corrections().to_dict("records")
    assert (row["old"], row["new"], row["by"], row["seen"]) == ("Eda", "Ada", "Grace", True)
    assert before.corrections().empty
    assert accuracy(after.as_given()) == accuracy(before)


def test_a_first_label_makes_a_text_scored_and_taking_it_back_leaves_it_unscored() -> None:
    labelled = made().correct("b", "sender", "Bob", seen=False)
    assert list(labelled.scoreboard().scored) == [2, 2]
    assert labelled.corrections().labelled_before.tolist() == [False]
    assert labelled.as_given().texts[1].truth is NOTHING
    assert labelled.correct("b", "sender", NOTHING).texts[1].truth == {}


def test_none_says_that_the_text_holds_no_value() -> None:
    result = made().correct("b", "sender", None)
    assert result.to_frame().query("text_id == 'b' and field == 'sender'").right.tolist() == [
        False,
        False,
    ]
    assert result.scoreboard().invented.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("amount", Decimal("12.50"), 12.5),
        ("amount", np.int64(7), 7),
        ("amount", np.float32(12.3), 12.3),
        ("sender", date(2026, 11, 28), "2026-11-28"),
        ("sender", pd.Timestamp("2026-11-28"), "2026-11-28"),
        ("sender", np.str_("Ada"), "Ada"),
        ("lines", (Line(name="paint"),), [{"name": "paint"}]),
        ("lines", pd.Series([{"name": "paint"}]), [{"name": "paint"}]),
        ("lines[0]", Line(name="ink", total=2), {"name": "ink", "total": 2}),
        ("sender", pd.NA, NOTHING),
        ("sender", None, None),
    ],
)
def test_a_label_of_any_type_is_kept_as_json(tmp_path, field: str, value, kept) -> None:
    before = made().correct("a", "lines", [{"name": "paint"}])
    result = before.correct("a", field, value)
    assert result.label_log[-1].new == kept
    assert type(result.label_log[-1].new) is type(kept)
    again = load(result.save(tmp_path / "saved.json"))
    assert again.label_log == result.label_log
    assert accuracy(again) == accuracy(result)
    assert again.as_given().texts == load(made().save(tmp_path / "given.json")).texts


@pytest.mark.parametrize(
    ("by", "kept"), [("Ada", "Ada"), (None, ""), (pd.NA, ""), (7, "7"), (np.str_("Ada"), "Ada")]
)
def test_whoever_made_a_label_it_can_be_saved(tmp_path, by, kept: str) -> None:
    result = made().correct("a", "amount", 7, by=by, seen=np.bool_(False))
    (label,) = load(result.save(tmp_path / "saved.json")).label_log
    assert (label.by, label.seen) == (kept, False)
    assert label == result.label_log[0]


def test_a_text_is_named_by_its_number_as_a_table_has_it() -> None:
    texts = pd.DataFrame({"id": [1, 2], "text": ["Ada", "Bob"]})
    result = Comparison.from_outputs(Letter, texts, {"A": [{"sender": "Ada"}, {}]})
    for name in (1, np.int64(1), 1.0, "1"):
        corrected = result.correct(name, "sender", "Ada")
        assert corrected.label_log[0].text_id == "1"
        assert corrected.scoreboard().accuracy.tolist() == [1]


def test_a_list_is_labelled_whole_before_its_items_are_corrected() -> None:
    with pytest.raises(FieldError, match=r"the list lines has no truth yet"):
        made().correct("a", "lines[0].total", 2)
    result = made().correct("a", "lines", [{"name": "paint", "total": 3}])
    result = result.correct("a", "lines[0].total", 2)
    assert result.texts[0].truth["lines"] == [{"name": "paint", "total": 2}]
    assert result.as_given().texts[0].truth == made().texts[0].truth


@pytest.mark.parametrize(
    ("text_id", "field", "value", "named"),
    [
        ("z", "sender", "x", "no text z"),
        ("a", "sendr", "x", "sender"),
        ("a", "amount", "much-secret", "amount"),
    ],
)
def test_what_does_not_fit_is_named_without_its_value(text_id, field, value, named) -> None:
    with pytest.raises(FieldError, match=named) as caught:
        made().correct(text_id, field, value)
    assert "much-secret" not in str(caught.value)


def test_corrections_survive_saving(tmp_path) -> None:
    result = made().correct("a", "sender", "Ada", by="Grace").correct("b", "amount", None)
    again = load(result.save(tmp_path / "saved.json"))
    assert again.corrections().equals(result.corrections())
    assert accuracy(again) == accuracy(result)
    assert accuracy(again.as_given()) == accuracy(made())
    assert [text.truth for text in again.as_given().texts] == [text.truth for text in made().texts]


def test_models_that_agree_against_the_truth_are_listed() -> None:
    (row,) = made().doubtful_labels().to_dict("records")
    assert (row["text_id"], row["field"], row["truth"], row["value"]) == (
        "a",
        "sender",
        "Eda",
        "Ada",
    )
    assert (row["variants"], row["answered"]) == (2, 2)
    assert made().correct("a", "sender", "Ada").doubtful_labels().empty


def test_labels_made_after_seeing_the_values_are_reported_apart() -> None:
    said = repr(made().correct("a", "sender", "Ada"))
    assert "1 label was made after the models' values were seen." in said
    assert "By the truth as it was given: A 50.0, B 50.0." in said
    assert "were seen" not in repr(made().correct("a", "sender", "Ada", seen=False))


def test_corrections_are_a_table_to_export(tmp_path) -> None:
    result = made().correct("a", "sender", "=1+1", by="@Grace")
    rows = result.to_csv(tmp_path / "made.csv", "corrections").read_text("utf-8").splitlines()
    assert rows[1].startswith("a,sender,Eda,'=1+1,True,'@Grace,True,")
    assert '"new": "=1+1"' in result.to_jsonl(tmp_path / "m.jsonl", "corrections").read_text()
