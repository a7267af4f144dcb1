"""Against an earlier comparison: what flipped, and what changed beside the model, in sentences."""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel

from llmwidgets.comparison import Comparison


class Bill(BaseModel):
    name: str | None = None


class Longer(BaseModel):
    name: str | None = None
    total: float | None = None


def made(said: str = "Ada", label: str = "A", schema=Bill, text: str = "Of Ada.") -> Comparison:
    texts = [{"id": "one", "text": text}]
    return Comparison.from_outputs(schema, texts, {label: [{"name": said}]}, [{"name": "Ada"}])


def test_nothing_changed_is_no_sentence_and_no_row() -> None:
    frame = made().against(made())
    assert frame.empty
    assert frame.attrs["changed"] == []


def test_what_flipped_stands_in_a_row_before_and_now() -> None:
    (row,) = made("Ada").against(made("Eve")).to_dict("records")
    assert (row["value_before"], row["value_now"]) == ("Eve", "Ada")
    assert (row["right_before"], row["right_now"]) == (False, True)


def test_another_model_in_the_same_place_is_compared_and_said() -> None:
    frame = made("Ada", "new").against(made("Eve", "old"))
    assert frame.variant.tolist() == ["new"]
    assert frame.attrs["changed"] == ["new takes the place of old."]


def test_everything_beside_the_model_is_said() -> None:
    before = made()
    after = replace(
        made(schema=Longer, text="Of Ada, 5.").correct("one", "name", "Eve"),
        scoring={"name": "exact"},
    )
    settings = replace(after.variants[0], effort="high", instructions="Be short.", temperature=1)
    after = replace(after, variants=(settings,))
    assert after.changes_since(before) == (
        "Texts with other words: 1 (one).",
        "Texts with another schema: 1 (one).",
        "Texts with other truth: 1 (one).",
        "Scoring: the default rules, now own rules for name (exact).",
        "A: other instructions.",
        "A: thinking unset, now high.",
        "A: temperature unset, now 1.",
    )


def test_added_and_lost_texts_and_variants_are_named() -> None:
    one = made()
    two = Comparison.from_outputs(
        Bill,
        [{"id": "two", "text": "x"}],
        {"A": [{"name": "x"}], "B": [{"name": "x"}]},
    )
    assert two.changes_since(one) == (
        "New: B.",
        "Texts added: 1 (two).",
        "Texts left out: 1 (one).",
    )
    assert two.against(one).empty
