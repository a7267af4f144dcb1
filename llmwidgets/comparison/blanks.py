"""Blanks: labels that are empty. They say nothing, or with blank="null" that there is no value."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from llmwidgets.comparison.plain import blank as is_no_cell
from llmwidgets.comparison.plain import plain
from llmwidgets.comparison.texts import Source
from llmwidgets.errors import FieldError
from llmwidgets.report.figures import count

if TYPE_CHECKING:
    from llmwidgets.engine.plan import Text

Blank = Literal["null"] | None
"""What a blank label means: None, nothing at all; "null", that the text holds no value."""


def read_blank(blank: object) -> bool:
    """Whether a blank label is the label null; FieldError for another word."""
    if blank is None or blank == "null":
        return blank == "null"
    raise FieldError(
        {"blank": 'must be "null" or left out.'},
        'blank="null" reads a blank label as: the text holds no value. Without it a blank is not '
        "labelled.",
    )


def is_blank(value: Any) -> bool:
    """Whether a label is an empty text or an empty cell."""
    return is_no_cell(value) or (isinstance(value, str) and not value.strip())


def with_nulls(truth: Any, sources: Sequence[Source]) -> tuple[Any, Sequence[Source]]:
    """The truth, or the sources that have it, with null for each blank inside a record.

    A table is left to whoever reads its columns; a text whose whole truth is blank has none.
    """
    if truth is None:
        return None, [replace(each, truth=_filled(each.truth)) for each in sources]
    if hasattr(truth, "columns"):
        return truth, sources
    if isinstance(truth, Mapping):
        return {key: _filled(row) for key, row in truth.items()}, sources
    return [_filled(row) for row in truth], sources


def count_blanks(truth: Any, sources: Sequence[Source]) -> list[int]:
    """How many labels of each text are blank, beside others that are not."""
    if truth is None:
        return [_blanks(each.truth) for each in sources]
    if not hasattr(truth, "columns"):
        if isinstance(truth, Mapping):
            named = {str(key): row for key, row in truth.items()}
            return [_blanks(named.get(each.id)) for each in sources]
        return [_blanks(row) for row in truth]
    fields = [name for name in truth.columns if str(name) not in ("id", "text")]
    # A cell of a table that holds None is empty as well.
    cells = [
        {name: "" if row[name] is None else row[name] for name in fields}
        for row in truth.to_dict("records")
    ]
    if "id" not in truth.columns:
        return [_blanks(row) for row in cells]
    by_id = dict(zip(map(str, truth["id"]), cells, strict=True))
    return [_blanks(by_id.get(each.id)) for each in sources]


def blank_note(texts: Sequence[Text]) -> tuple[str, ...]:
    """A sentence on the labels that are blank and not scored, with what would score them."""
    found = sum(text.blanks for text in texts)
    if not found:
        return ()
    verb = "is" if found == 1 else "are"
    return (
        f'{count(found, "label")} {verb} blank and not scored; blank="null" reads a blank as '
        "“the text holds no value”.",
    )


def _filled(value: Any) -> Any:
    record = _read(value)
    if isinstance(record, dict):
        return {key: None if is_blank(each) else _filled(each) for key, each in record.items()}
    if isinstance(record, list):
        return [_filled(each) for each in record if not is_blank(each)]
    return value


def _blanks(value: Any) -> int:
    blank, filled = _counts(value)
    return blank if filled else 0


def _counts(value: Any) -> tuple[int, int]:
    record = _read(value)
    if isinstance(record, dict | list):
        inside = [
            _counts(each) for each in (record.values() if isinstance(record, dict) else record)
        ]
        return sum(each[0] for each in inside), sum(each[1] for each in inside)
    return (1, 0) if is_blank(value) else (0, 1)


def _read(value: Any) -> Any:
    """The value as a dict or a list, where it is one; a table may hold it as JSON text."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value if value is None or isinstance(value, str | bool | int | float) else plain(value)
