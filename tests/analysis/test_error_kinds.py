"""Kinds of error: judged examples, the order of the kinds, and that no value takes long."""

from __future__ import annotations

from typing import Any

import pytest

from llmwidgets.analysis.error_kinds import RecordTruth, kind_of_error
from llmwidgets.analysis.grounding import ground
from llmwidgets.analysis.scoring import Cell, score
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
