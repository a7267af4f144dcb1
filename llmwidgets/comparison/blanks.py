"""Blanks: labels that are empty. They say nothing, or with blank="null" that there is no value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from llmwidgets.comparison.jsonable import is_empty_cell, plain
from llmwidgets.comparison.texts import Source
from llmwidgets.errors import FieldError
from llmwidgets.formatting import count

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
    return is_empty_cell(value) or (isinstance(value, str) and not value.strip())


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


def _filled(row: Any) -> Any:
    """The record with nulls; one that is JSON text, as a table may hold it, is read first."""
    record = _record(row)
    return _with_nulls(record) if isinstance(record, dict | list) else row


def _with_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: None if is_blank(each) else _with_nulls(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_nulls(each) for each in value if not is_blank(each)]
    return value


def _blanks(row: Any) -> int:
    record = _record(row)
    if not isinstance(record, dict | list):
        return 0
    found = [is_blank(each) for each in _leaves(record)]
    return 0 if all(found) else sum(found)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _leaves(each)
    else:
        yield value


def _record(row: Any) -> Any:
    """The row as a dict or a list, whatever it came as; anything else where it is neither."""
    if isinstance(row, str):
        try:
            return json.loads(row) if row.lstrip()[:1] in ("{", "[") else row
        except (ValueError, RecursionError):
            return row
    return _plain(row)


def _plain(value: Any) -> Any:
    """Like `plain`, but blank cells stay."""
    if is_empty_cell(value):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return plain(value)
