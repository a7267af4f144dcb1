"""What pandas calls the rows is followed, or refused; never paired by position where it differs."""

from __future__ import annotations

from collections import deque
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.errors import FieldError

SCHEMA = [{"name": "s"}]
LETTERS = ["A", "B", "C"]
FULL = pd.DataFrame({"id": ["a", "b", "c"], "text": LETTERS, "s": LETTERS})
BY_ID = pd.DataFrame({"s": ["C", "A", "B"]}, index=pd.Index(["c", "a", "b"], name="id"))
SERIES = pd.Series({"c": {"s": "C"}, "a": {"s": "A"}, "b": {"s": "B"}})
SHUFFLED = FULL.iloc[[1, 0, 2]]
PART = pd.DataFrame({"text": list("ABCDEFGHIJ"), "s": list("ABCDEFGHIJ")}).loc[[3, 7, 9]]
TWICE = pd.concat([FULL, FULL])
MULTIPLE = FULL.set_index(pd.MultiIndex.from_tuples([("x", 1), ("x", 2), ("y", 1)]))


def compared(texts: Any, truth: Any = None, outputs: Any = None, **more: Any) -> lw.Comparison:
    """Outputs that say each text, which is right where truth is paired rightly."""
    if outputs is None:
        column = texts["text"] if isinstance(texts, pd.DataFrame) else texts
        outputs = [{"s": text} for text in column]
    return lw.Comparison.from_outputs(SCHEMA, texts, {"M": outputs}, truth=truth, **more)


FOLLOWED: dict[str, tuple[Any, Any]] = {
    "an index of ids": (FULL[["id", "text"]], BY_ID),
    "an index of ids without a name": (FULL[["id", "text"]], BY_ID.rename_axis(None)),
    "a series by id": (FULL[["id", "text"]], SERIES),
    "a part of the ids": (FULL[["id", "text"]], BY_ID.loc[["c", "b"]]),
    "ids in both": (FULL.set_index("id")[["text"]], BY_ID),
    "numbers and texts": (FULL.assign(id=[7, 8, 9])[["id", "text"]],
                          pd.DataFrame({"s": ["C", "A", "B"]}, index=["9", "7", "8"])),
    "numbers next to blanks": (FULL.assign(id=[7.0, 8.0, 9.0])[["id", "text"]],
                               pd.DataFrame({"s": ["C", "A", "B"]}, index=[9, 7, 8])),
    "shuffled texts": (SHUFFLED["text"], FULL[["s"]]),
    "shuffled texts with ids": (SHUFFLED[["id", "text"]], FULL[["s"]]),
    "both shuffled": (SHUFFLED[["id", "text"]], SHUFFLED[["s"]]),
    "shuffled truth": (FULL[["id", "text"]], SHUFFLED[["s"]]),
    "a part of a table": (PART[["text"]], PART[["s"]]),
    "a part, counted anew": (PART[["text"]], PART[["s"]].reset_index(drop=True)),
    "a part and a list": (PART["text"], [{"s": each} for each in PART["s"]]),
    "the same index twice": (TWICE[["text"]], TWICE[["s"]]),
    "an index of pairs": (MULTIPLE[["text"]], MULTIPLE.iloc[::-1][["s"]]),
}  # fmt: skip
REFUSED: dict[str, tuple[Any, Any]] = {
    "texts without an index": (list(PART["text"]), PART[["s"]]),
    "a shuffled index, texts as a list": (list(SHUFFLED["text"]), SHUFFLED[["s"]]),
    "another id": (FULL[["id", "text"]], BY_ID.rename(index={"a": "z"})),
    "an id twice": (FULL[["id", "text"]], BY_ID.rename(index={"a": "c"})),
    "the same index twice, texts as a list": (list(TWICE["text"]), TWICE[["s"]]),
}


@pytest.mark.parametrize(("texts", "truth"), FOLLOWED.values(), ids=FOLLOWED.keys())
def test_truth_follows_the_index(texts: Any, truth: Any) -> None:
    assert compared(texts, truth).scoreboard().accuracy[0] == 1


@pytest.mark.parametrize(("texts", "given"), FOLLOWED.values(), ids=FOLLOWED.keys())
def test_outputs_follow_the_index(texts: Any, given: Any) -> None:
    column = texts["text"] if isinstance(texts, pd.DataFrame) else texts
    truth = [{"s": text} for text in column]
    result = compared(texts, truth, outputs=given)
    assert result.scoreboard().accuracy[0] == 1


@pytest.mark.parametrize(("texts", "truth"), REFUSED.values(), ids=REFUSED.keys())
def test_what_names_something_else_is_refused_with_both_lists(texts: Any, truth: Any) -> None:
    for argument in ({"truth": truth}, {"outputs": truth}, {"group": truth["s"]}):
        with pytest.raises(FieldError) as caught:
            compared(texts, **argument)
        message = caught.value.message
        assert f"the index is {truth.index[0]}" in message
        assert "the texts are" in message
        assert "reset_index" in caught.value.hint


def test_groups_follow_the_index() -> None:
    groups = pd.Series({"c": "x", "a": "y", "b": "x"})
    texts = compared(FULL[["id", "text"]], group=groups).texts
    assert [text.group for text in texts] == ["y", "x", "x"]


@pytest.mark.parametrize(
    ("texts", "ids"),
    [
        (FULL["text"], ["text-01", "text-02", "text-03"]),
        (PART["text"], ["3", "7", "9"]),
        (FULL.set_index("id")["text"], ["a", "b", "c"]),
        (TWICE["text"], [f"text-0{n}" for n in range(1, 7)]),
        (SHUFFLED[["id", "text"]], ["b", "a", "c"]),
    ],
)
def test_the_ids_of_texts_without_ids_are_their_index(texts: Any, ids: list[str]) -> None:
    assert [text.id for text in compared(texts).texts] == ids


@given(st.permutations(range(6)), st.permutations(range(6)))
@settings(max_examples=60, deadline=None)
def test_no_order_of_rows_pairs_another_text(texts: list[int], truth: list[int]) -> None:
    whole = pd.DataFrame({"text": list("ABCDEF"), "s": list("ABCDEF")})
    shuffled = whole.iloc[texts]
    try:
        result = compared(shuffled[["text"]], whole.iloc[truth][["s"]])
    except FieldError:
        return
    assert result.scoreboard().accuracy[0] == 1


@pytest.mark.parametrize("key", ["id", "ID", " Id "])
@pytest.mark.parametrize("kind", [list, tuple, iter, pd.Series, deque])
def test_rows_in_a_list_follow_the_ids_that_they_say(key, kind) -> None:
    rows = [{key: name, "s": letter} for name, letter in zip("cab", "CAB", strict=True)]
    texts = FULL[["id", "text"]]
    for made in (compared(texts, truth=kind(rows)), compared(texts, FULL[["s"]], kind(rows))):
        assert made.scoreboard().accuracy[0] == 1
        assert [each.status for each in made] == ["ok"] * 3


def test_rows_that_say_an_id_twice_or_an_unknown_one_are_refused() -> None:
    texts = FULL[["id", "text"]]
    for names in ("caa", "caz"):
        rows = [{"id": name, "s": "A"} for name in names]
        for argument in ("truth", "outputs"):
            with pytest.raises(FieldError, match=r"more than once|no text has the id z"):
                compared(texts, **{argument: rows})


def test_an_id_that_is_a_field_or_of_something_else_is_a_value() -> None:
    texts = FULL[["id", "text"]]
    schema = [{"name": "s"}, {"name": "id"}]
    rows = [{"id": name, "s": letter} for name, letter in zip("cab", LETTERS, strict=True)]
    made = lw.Comparison.from_outputs(schema, texts, {"M": rows}, truth=rows)
    assert [each.data for each in made] == rows
    opened = {"type": "object", "properties": {"s": {"type": "string"}}}
    others = [{"id": "call-1", "s": letter} for letter in LETTERS]
    made = lw.Comparison.from_outputs(opened, texts, {"M": others})
    assert [each.data for each in made] == others
