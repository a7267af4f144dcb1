"""Annotations of Label Studio as truth: which field a result is of, and its value by the schema."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.grounding import SourceText, ground
from llmwidgets.analysis.parsing import number_in, read_days
from llmwidgets.comparison.files.label_studio import Annotation, Result
from llmwidgets.comparison.records import (
    ITEM,
    columns_of,
    no_such_field,
    parse_path,
    put_at,
    read_cell,
)
from llmwidgets.comparison.truth import Blank, put_at_path
from llmwidgets.comparison.values import to_jsonable
from llmwidgets.errors import FieldError
from llmwidgets.formatting import count

if TYPE_CHECKING:
    from llmwidgets.comparison.texts import TextSource
    from llmwidgets.schemas import Leaf, Schema

_SHOWN = 5
_BOOLEANS = {"yes": True, "true": True, "no": False, "false": False}


def read_annotated(
    sources: tuple[TextSource, ...], truth: Any, schemas: Sequence[Schema], blank: Blank
) -> tuple[tuple[TextSource, ...], Any]:
    """The sources and the truth with a record in place of each annotation.

    FieldError names the task and the field of what the schema has no place for. With
    `blank="null"` a control that others were annotated with, and this text was not, says that the
    text has no value.
    """
    reading = _Reading(blank == "null")
    if truth is None and any(isinstance(each.truth, Annotation) for each in sources):
        sources = tuple(
            replace(each, truth=reading.read(each.truth, schema))
            for each, schema in zip(sources, schemas, strict=True)
        )
    if isinstance(truth, Mapping) and any(isinstance(each, Annotation) for each in truth.values()):
        own = {each.id: schema for each, schema in zip(sources, schemas, strict=True)}
        truth = {key: reading.read(each, own.get(key, schemas[0])) for key, each in truth.items()}
    reading.refuse()
    return sources, truth


class _Reading:
    """Annotations read by the schemas of their texts; what does not fit is said at the end."""

    def __init__(self, nulls: bool) -> None:
        self._nulls = nulls
        self._problems: dict[str, str] = {}

    def refuse(self) -> None:
        """FieldError for what was found that fits nowhere."""
        if not self._problems:
            return
        shown = dict(list(self._problems.items())[:_SHOWN])
        more = len(self._problems) - len(shown)
        rest = f"{count(more, 'more result does', 'more results do')} not fit. " if more else ""
        raise FieldError(
            shown,
            f"{rest}In Label Studio a control, or a label of a span, is named like a field, "
            "policy.number for a field inside another. Or give the truth as a table.",
        )

    def read(self, annotation: Any, schema: Schema) -> Any:
        if not isinstance(annotation, Annotation):
            return annotation
        leaves = {leaf.path: leaf for leaf in schema.leaves}
        columns = columns_of(leaves)
        record: dict[str, Any] = {}
        if self._nulls:
            for name in filter(annotation.names.__contains__, columns):
                put_at(record, columns[name], None)
        values: dict[str, list[tuple[str, Any]]] = {}
        placed = []
        for each in annotation.results:
            if each.place and _is_place(each.place, leaves):
                placed.append(each)
                continue
            name = each.name.removesuffix(ITEM)
            if name in columns:
                said = [(each.kind, value) for value in each.values]
                values.setdefault(name, []).extend(said)
            elif name in leaves:
                self._refuse(annotation, name, "is of a row of a list, and of which is not said.")
            elif annotation.meant:
                self._refuse(annotation, each.name, no_such_field(each.name, columns))
        for name, said in values.items():
            self._put(annotation, record, columns[name], name, said, leaves)
        for each in sorted(placed, key=_order):
            leaf = leaves[_pattern(each.place)]
            put_at_path(record, parse_path(each.place), _placed(each, leaf))
        return record or None

    def _put(
        self, annotation: Annotation, record: dict[str, Any], steps: Sequence[str], name: str,
        said: Sequence[tuple[str, Any]], leaves: Mapping[str, Leaf],
    ) -> None:  # fmt: skip
        item = leaves.get(name + ITEM)
        if item is not None:
            put_at(record, steps, [self._value(annotation, name, *each, item) for each in said])
            return
        leaf = leaves.get(name)
        read = [self._value(annotation, name, *each, leaf) for each in said]
        distinct = list({json.dumps(each): each for each in read}.values())
        if len(distinct) > 1:
            values = count(len(distinct), "value")
            self._refuse(annotation, name, f"has {values}, and the field takes one.")
        elif distinct:
            put_at(record, steps, distinct[0])

    def _value(self, annotation: Annotation, name: str, kind: str, value: Any, leaf: Any) -> Any:
        if kind == "taxonomy" and isinstance(value, list):
            value = value[-1] if value else ""
        if not isinstance(value, str) or leaf is None:
            return read_cell(value, leaf)
        if leaf.type == "date" and (days := {each.day for each in read_days(value)}):
            if len(days) > 1:
                self._refuse(annotation, name, "can be read as several days; write YYYY-MM-DD.")
            return min(days).isoformat()
        return _as_leaf(value, leaf)

    def _refuse(self, annotation: Annotation, name: str, problem: str) -> None:
        self._problems.setdefault(f"task {annotation.task}, {name}", problem)


def _as_leaf(value: str, leaf: Leaf) -> Any:
    """What an annotator wrote, chose or marked as the leaf's type, where it can be read so."""
    word = value.strip()
    if leaf.type in ("number", "integer") and (number := number_in(word)):
        return to_jsonable(number.value)
    if leaf.type == "boolean" and word.casefold() in _BOOLEANS:
        return _BOOLEANS[word.casefold()]
    if leaf.values is not None and word not in leaf.values:
        alike = [each for each in leaf.values if str(each).casefold() == word.casefold()]
        return alike[0] if len(alike) == 1 else read_cell(value, leaf)
    return read_cell(word if leaf.values else value, leaf)


_NUMBERED = re.compile(r"\[\d+\]")


def _pattern(place: str) -> str:
    return _NUMBERED.sub(ITEM, place)


def _order(result: Result) -> list[tuple[int, str]]:
    """Rows in their order: an item beyond the end of its list is added to it."""
    steps = parse_path(result.place)
    return [(each, "") if isinstance(each, int) else (0, each) for each in steps]


def _is_place(place: str, leaves: Mapping[str, Leaf]) -> bool:
    """Whether a path is one of a field, as what llmwidgets wrote has it."""
    return _pattern(place) in leaves and place != ""


def _placed(result: Result, leaf: Leaf) -> Any:
    """The value of a span that llmwidgets wrote, unless somebody has moved the span since."""
    words = " ".join(str(each) for each in result.values)
    if ground(result.value, SourceText(words), leaf).kind in ("exact", "normalised", "fuzzy"):
        return result.value
    return _as_leaf(words, leaf)
