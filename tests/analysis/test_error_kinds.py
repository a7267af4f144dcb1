"""Kinds of error: judged examples, the order of the kinds, and that no value takes long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.analysis.error_kinds import ERROR_KINDS, RecordTruth, kind_of_error
from llmwidgets.analysis.grounding import ground
from llmwidgets.analysis.scoring import Cell, score
from llmwidgets.comparison.measures.kind_words import KIND_WORDS
from llmwidgets.schemas import read_schema
from tests.analysis.error_examples import DOCUMENT, EXAMPLES, Example, table, written

_FIELDS: dict[str, dict[str, Any]] = {
    "enum": {"enum": ["car", "bike", "motor bike"]}, "side": {"enum": ["credit", "debit"]},
    "date": {"type": "string", "format": "date"}, "time": {"type": "string", "format": "time"},
    "datetime": {"type": "string", "format": "date-time"},
}  # fmt: skip


def cells_of(example: Example, truth: Any, value: Any) -> tuple[tuple[Cell, ...], Cell, Any]:
    """The scored cells of a record with further fields, the wrong one, and its leaf."""
    x = _FIELDS.get(example.field, {"type": [example.field, "null"]})
    row = {"type": "object", "properties": {"n": {"type": "string"}, "x": x}}
    lines = {"type": "array", "items": row}
    schema = read_schema({"type": "object", "properties": {"lines": lines, "also": {}}})

    def record(own: Any) -> dict[str, Any]:
        rows = [own, *example.column]
        named = [{"n": f"the row called {at}", "x": each} for at, each in enumerate(rows)]
        return {"lines": named, "also": example.also}

    cells = score(schema, record(value), record(truth)).cells
    (wrong,) = [each for each in cells if each.right is False]
    leaves = {leaf.path: leaf for leaf in schema.leaves}
    return cells, wrong, leaves[wrong.pattern]


@pytest.mark.parametrize(
    ("example", "truth", "value"),
    [(each, *pair) for each in EXAMPLES for pair in each.pairs],
)
def test_a_judged_example_is_of_its_kind(example: Example, truth: Any, value: Any) -> None:
    cells, wrong, leaf = cells_of(example, truth, value)

    def in_text(value: Any, pattern: str) -> bool:
        return ground(value, example.text, leaf).kind in {"exact", "normalised"}

    record = RecordTruth(cells, in_text if example.text else None)
    assert kind_of_error(wrong, record, leaf) == example.kind


def test_the_table_of_the_documentation_is_current() -> None:
    """`python -m tests.analysis.error_examples` has been run after the last change."""
    text = DOCUMENT.read_text("utf-8")
    assert written(text) == text
    assert table() in text


def test_every_kind_has_an_example_and_words() -> None:
    """`failed` alone has none: it is no pair of values."""
    assert {each.kind for each in EXAMPLES} == set(ERROR_KINDS) - {"failed"}
    assert tuple(KIND_WORDS) == ERROR_KINDS


def kind_of(truth: Any, value: Any) -> str:
    cell = Cell("x", "x", value, truth, "differ", False)
    return kind_of_error(cell, RecordTruth([cell]))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.from_regex(r"[-(+]?[0-9.,' ]{1,12}[eE%]?[0-9]{0,3} ?(kg|°F|€|CR|h)?", fullmatch=True)
    | st.dates().map(str),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)  # fmt: skip


@given(truth=_VALUES, value=_VALUES)
def test_whatever_the_values_are_there_is_a_kind(truth: Any, value: Any) -> None:
    assert kind_of(truth, value) in ERROR_KINDS


_HOSTILE = (
    "1,",
    "-",
    "(",
    "0 ",
    "a",
    "ab ",
    ". ",
    "ー",
    "º",
    "é",
    "12 kg ",
    "2025-01-02 ",
    "@",
    "x.y",
)


@pytest.mark.parametrize("piece", _HOSTILE)
def test_no_value_takes_long(piece: str) -> None:
    """Twice the length takes about twice the time; three times is what noise may add."""

    def seconds(length: int) -> float:
        one, other = piece * (length // len(piece)), "z" + piece * (length // len(piece) - 1)
        times = []
        for _ in range(3):
            start = time.process_time()
            kind_of(one, other), kind_of(other, one)
            times.append(time.process_time() - start)
        return min(times)

    seconds(1_000)
    assert seconds(19_000) < 6 * seconds(9_500) + 0.02


def test_a_record_of_many_rows_is_read_once() -> None:
    """Each further wrong cell of a text costs a look-up, not a pass over the record."""

    class Counted(list[Cell]):
        passes = 0

        def __iter__(self) -> Iterator[Cell]:
            Counted.passes += 1
            return super().__iter__()

    cells = Counted(
        Cell(f"rows[{at}].x", "rows[].x", f"value {at + 1}", f"value {at}", "differ", False)
        for at in range(500)
    )
    record = RecordTruth(cells)
    kinds = {kind_of_error(cell, record) for cell in list.__iter__(cells)}
    assert kinds == {"other row", "other"}  # the last one has no next row
    assert Counted.passes == 1
