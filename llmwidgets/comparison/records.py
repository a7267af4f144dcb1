"""Tables and annotations with a value for each field, read as records."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.grounding import SourceText, ground
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.parsing import number_in, read_days
from llmwidgets.comparison.files import rows_by_id
from llmwidgets.comparison.files.label_studio import Annotation, Result
from llmwidgets.comparison.files.tables import KEYS, match_names
from llmwidgets.comparison.values import (
    find_repeated,
    is_empty_cell,
    is_nothing,
    is_record,
    name_of,
    to_jsonable,
)
from llmwidgets.errors import FieldError
from llmwidgets.formatting import count, join_listed, join_truncated
from llmwidgets.schemas.canonical import find_meant, pattern_of

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.comparison.texts import TextSource
    from llmwidgets.schemas import Leaf, Schema

_SHOWN = 5

Table = Sequence[tuple[str, tuple[str, ...], "Leaf | None"]]
"""The columns of a DataFrame that are fields: the name, its steps, and the leaf if it is one."""


def is_frame(value: Any) -> bool:
    return hasattr(value, "to_dict") and hasattr(value, "columns")


def is_dask_frame(value: Any) -> bool:
    """Whether this is a DataFrame of Dask, of which no row is here."""
    module = type(value).__module__.partition(".")[0]
    return module in ("dask", "dask_expr") and hasattr(value, "columns")


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """The rows of a DataFrame, each by the names of the columns."""
    frame = frame.rename(columns=str)
    for name, kind in frame.dtypes.items():
        if str(kind).lower() in ("float16", "float32"):
            # pandas would make 12.300000190734863 of 12.3.
            cells = [to_jsonable(cell, keep_blanks=True) for cell in frame[name].to_numpy()]
            frame = frame.assign(**{name: cells})
    rows: list[dict[str, Any]] = frame.to_dict("records")
    return rows


# -- Columns that people have: one alone, and numbers with decimal commas.

_COMMA = re.compile(r"-?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?")
_DECIMAL = re.compile(r".*\..*,.*|-?0*,.*|.*,(?!\d{3}\Z).*")
"""A comma that cannot group thousands: behind a point, or not before three digits."""


def read_truth_columns(truth: Any, schemas: Iterable[Schema]) -> Any:
    """Truth in columns as a DataFrame of numbers as JSON has them; anything else as it is.

    A Series of values, not of records, is the column of the field that it is named like. Decimal
    commas are read in a column of numbers that is written so throughout; a note says so.
    """
    leaves = [leaf for schema in schemas for leaf in schema.leaves]
    if not any(leaf.path == "" for leaf in leaves) and _is_column(truth, leaves):
        truth = truth.to_frame()
    if not is_frame(truth) or truth.columns.has_duplicates:
        return truth
    numbers = {leaf.path for leaf in leaves if leaf.type in ("number", "integer")}
    read = {
        name: cells
        for name in truth.columns
        if str(name) in numbers and (cells := with_points(list(truth[name])))
    }
    if not read:
        return truth
    note = f"Decimal commas were read in the truth of {join_listed([*map(str, read)])}."
    truth = truth.copy()
    for name, cells in read.items():
        truth[name] = cells
    truth.attrs["assumed"] = (*truth.attrs.get("assumed", ()), note)
    return truth


def label_column(name: str, cells: Iterable[Any], schemas: Iterable[Schema]) -> Any:
    """A column of the texts as truth: records, or the values of the field it is named like.

    Where the schemas have one field alone, its values may be in a column of any name.
    """
    import pandas as pd

    cells = [None if is_nothing(each) else each for each in cells]
    column = pd.Series(cells, name=name, dtype=object)
    leaves = [leaf for schema in schemas for leaf in schema.leaves]
    fields = columns_of(leaf.path for leaf in leaves)
    if name not in fields and len(fields) == 1 and _is_column(column, leaves):
        column = column.rename(next(iter(fields)))
    return column


def truth_of_rows(
    rows: Sequence[Mapping[str, Any]], fields: Mapping[str, str], assumed: Sequence[str]
) -> pd.DataFrame | None:
    """Some columns of rows of texts, each as the truth of a field; None if there are none.

    A note names those of which nobody said that they are.
    """
    import pandas as pd

    if not fields:
        return None
    cells = [{field: row.get(name) for name, field in fields.items()} for row in rows]
    frame = pd.DataFrame(cells, columns=[*fields.values()], dtype=object)
    said = "The column {} was read as truth: it is named like a field."
    if len(assumed) > 1:
        said = "The columns {} were read as truth: they are named like fields."
    if assumed:
        frame.attrs["assumed"] = (said.format(join_listed(assumed)),)
    return frame


def only_fields(given: Any, schemas: Sequence[Schema]) -> Any:
    """Of what is given as texts and as truth, the columns or keys that are named like a field.

    A note says which were not, since one may be misspelled. FieldError if none is.
    """
    known = columns_of(leaf.path for schema in schemas for leaf in schema.leaves)
    if not is_frame(given):
        return _only_keys(given, {steps[0] for steps in known.values()})
    columns = {each: key for each, key in match_names(given.columns)[0].items() if key != "schema"}
    fields = [each for each in given.columns if str(each) in known and each not in columns]
    others = [each for each in given.columns if each not in fields and each not in columns]
    if "truth" in columns.values():
        return None
    if not fields:
        raise FieldError(
            {"truth": f"has no field among its columns, {join_truncated(map(str, others))}."},
            f"The fields are {join_truncated(known)}. Rename the columns, or leave truth out.",
        )
    ids = [each for each, key in columns.items() if key == "id"]
    truth = given[[*ids, *fields]].copy()
    if others:
        note = f"Read as truth: {join_listed([*map(str, fields)])}. Not named like a field: "
        left = [each for each in known if each not in fields]
        named = (f"{each}{_nearest(str(each), left)}" for each in others)
        truth.attrs["assumed"] = (f"{note}{join_truncated(named)}.",)
    return truth


def _nearest(column: str, fields: Sequence[str]) -> str:
    """The field that a column may be meant for: one of the two is misspelled, perhaps."""
    close = find_meant(column, fields)
    return f" (the nearest field is {close[0]})" if close else ""


def _only_keys(rows: Any, fields: Container[str]) -> Any:
    def only(row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        return row.get("truth", {key: each for key, each in row.items() if key in fields}) or None

    if isinstance(rows, dict):
        return {key: only(row) for key, row in rows.items()}
    return [only(row) for row in rows] if isinstance(rows, list) else rows


def _is_column(truth: Any, leaves: Iterable[Leaf]) -> bool:
    name = getattr(truth, "name", None)
    if not isinstance(name, str) or name in KEYS or not hasattr(truth, "to_frame"):
        return False
    whole = dict if name in columns_of(leaf.path for leaf in leaves) else dict | list
    cells = [parse_cell(each) if isinstance(each, str) else each for each in truth]
    return not any(isinstance(each, whole) or is_record(each) for each in cells)


def with_points(cells: list[Any]) -> list[Any]:
    """The cells with 1234.50 for 1.234,50; empty where a comma may group thousands."""
    said = [each.strip() for each in cells if isinstance(each, str)]
    said = [each for each in said if each not in ("", "null")]
    if not all(map(_COMMA.fullmatch, said)) or not any(map(_DECIMAL.fullmatch, said)):
        return []
    return [
        each.strip().replace(".", "").replace(",", ".") if isinstance(each, str) else each
        for each in cells
    ]


# -- The rows of a table as records.
def split_ids(
    frame: Any, schemas: Iterable[Schema], texts: Iterable[str], name: str
) -> tuple[Any, list[str] | None]:
    """The columns of a DataFrame without those of ids and texts, and the ids if it has them.

    A column that is named like a field is one, but for `id` if all it has are ids of the texts.
    """
    if twice := find_repeated(map(str, frame.columns)):
        raise FieldError(dict.fromkeys(twice, "is the name of two columns."), "Rename one of them.")
    fields = columns_of(leaf.path for schema in schemas for leaf in schema.leaves)
    if "id" in fields and "id" in frame.columns and set(map(name_of, frame["id"])) <= set(texts):
        del fields["id"]
    found, unclear = match_names(each for each in frame.columns if each not in fields)
    if unclear:
        raise FieldError({name: f"the DataFrame {unclear}"}, "Rename the others.")
    apart = {key: each for each, key in found.items() if key in ("id", "text")}
    ids = list(map(name_of, frame[apart["id"]])) if "id" in apart else None
    if twice := find_repeated(ids or ()):
        raise FieldError(
            {name: f"these ids appear more than once: {join_truncated(twice)}."},
            f"Keep one row of {name} for each id.",
        )
    return frame.drop(columns=list(apart.values())), ids


def read_columns(frame: Any, schemas: Iterable[Schema], name: str, more: str) -> Table:
    """What the columns are in the schemas; FieldError for one that they do not have."""
    leaves = {leaf.path: leaf for schema in schemas for leaf in schema.leaves}
    known = columns_of(leaves)
    columns = list(map(str, frame.columns))
    problems = {each: no_such_field(each, known) for each in columns if each not in known}
    if problems:
        raise FieldError(
            dict(list(problems.items())[:_SHOWN]),
            f"A column of {name} is named like a field, policy.number for a field inside "
            f"another.{more}",
        )
    return [(each, known[each], leaves.get(each)) for each in columns]


def read_records(frame: Any, schemas: Iterable[Schema], texts: Iterable[str], name: str) -> Any:
    """The rows of a DataFrame as records, by id if it has a column of ids.

    An empty cell is null where the field may be, else the field is left out.
    """
    more = ' A column of records as JSON is given by itself: {"A": frame["…"]}.'
    frame, ids = split_ids(frame, schemas, texts, name)
    table = read_columns(frame, schemas, name, more)
    records: list[Any] = []
    for row in rows_of(frame):
        record: dict[str, Any] = {}
        for column, steps, leaf in table:
            cell = row[column]
            if cell is not None and not is_empty_cell(cell):
                put_at(record, steps, read_cell(to_jsonable(cell), leaf))
            elif leaf is None or leaf.nullable:
                put_at(record, steps, None)
        records.append(record)
    return records if ids is None else dict(zip(ids, records, strict=True))


def follow_ids(
    rows: Any, schemas: Iterable[Schema], texts: Iterable[str], key: str, name: str
) -> Any:
    """Dicts in a row by id, if they name texts by a key `id` that is not a field; else as given.

    The record is under `key`, or is the row without its id, as in a file.
    """
    if isinstance(rows, Iterator):
        rows = list(rows)
    fields = columns_of(leaf.path for schema in schemas for leaf in schema.leaves)
    if not isinstance(rows, Iterable) or isinstance(rows, Mapping) or "id" in fields:
        return rows
    dicts = [row for row in rows if isinstance(row, dict)]
    ids = {name_of(row[each]) for row in dicts for each, key in match_names(row)[0].items()
           if key == "id"}  # fmt: skip
    if not dicts or ids.isdisjoint(texts):
        return rows
    return rows_by_id(list(rows), "" if key in fields else key, name)


def put_at(record: dict[str, Any], steps: Sequence[str], value: Any) -> None:
    """Put a value into a record, and the objects around it where there are none yet."""
    *parents, last = steps
    for parent in parents:
        record = record.setdefault(parent, {})
    record[last] = value


def read_cell(cell: Any, leaf: Leaf | None) -> Any:
    """A cell of a table as the leaf's type: tables know only text and floats."""
    if leaf is None:
        return parse_cell(cell) if isinstance(cell, str) else cell
    if isinstance(cell, str) and cell.strip() == "null" and leaf.nullable:
        return None
    if leaf.type in ("number", "integer", "boolean") and isinstance(cell, str):
        return parse_cell(cell.strip().lower() if leaf.type == "boolean" else cell.strip())
    if leaf.type == "string" and isinstance(cell, int | float) and not isinstance(cell, bool):
        return str(cell)
    return cell


def parse_cell(cell: str) -> Any:
    """A cell as the JSON that it is, else as its text."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell


# -- Annotations of Label Studio: which field a result is of, and its value by the schema.

_BOOLEANS = {"yes": True, "true": True, "no": False, "false": False}


def read_annotated(
    sources: tuple[TextSource, ...], truth: Any, schemas: Sequence[Schema], blank: str | None
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
        # As a blank cell of a table is: no label, which a note counts, or null.
        for name in filter(annotation.names.__contains__, columns):
            if self._nulls or name in leaves:
                put_at(record, columns[name], None if self._nulls else math.nan)
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
            leaf = leaves[pattern_of(each.place)]
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


def _order(result: Result) -> list[tuple[int, str]]:
    """Rows in their order: an item beyond the end of its list is added to it."""
    steps = parse_path(result.place)
    return [(each, "") if isinstance(each, int) else (0, each) for each in steps]


def _is_place(place: str, leaves: Mapping[str, Leaf]) -> bool:
    """Whether a path is one of a field, as what llmwidgets wrote has it."""
    return pattern_of(place) in leaves and place != ""


def _placed(result: Result, leaf: Leaf) -> Any:
    """The value of a span that llmwidgets wrote, unless somebody has moved the span since."""
    words = " ".join(str(each) for each in result.values)
    if ground(result.value, SourceText(words), leaf).kind in ("exact", "normalised", "fuzzy"):
        return result.value
    return _as_leaf(words, leaf)


# -- The names of fields: columns and paths.

ITEM = "[]"
_STEP = re.compile(r'\[(\d*)\]|\[("(?:[^"\\]|\\.)*")\]|([^.\[\]]+)')


def parse_path(path: str) -> tuple[str | int, ...]:
    """The steps of a path: names, numbers inside lists, and "[]" for every item of one.

    >>> parse_path('lines[].unit["a.b"]'), parse_path("lines[0].total")
    (('lines', '[]', 'unit', 'a.b'), ('lines', 0, 'total'))
    """
    return tuple(
        name or (json.loads(quoted) if quoted else int(number) if number else ITEM)
        for number, quoted, name in _STEP.findall(path)
    )


def columns_of(paths: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The column names a table of truth may have, each with its steps: up to the first list."""
    columns: dict[str, tuple[str, ...]] = {}
    for path in paths:
        steps = tuple(map(str, parse_path(path)))
        steps = steps[: steps.index(ITEM)] if ITEM in steps else steps
        if steps:
            columns.setdefault(".".join(steps), steps)
            columns.setdefault(path.split(ITEM)[0], steps)
    return columns


def no_such_field(name: str, known: Iterable[str]) -> str:
    """The sentence for a name that the schema does not have, with the nearest it has."""
    near = find_meant(name, sorted(known))
    nearest = f"; the nearest is {near[0]}" if near else ""
    return f"the schema has no field of this name{nearest}."


def empty_for(step: str | int) -> Any:
    """What a step leads into: an object by a name, a list by a number."""
    return {} if isinstance(step, str) else []


def put_at_path(parent: Any, steps: Sequence[str | int], value: Any) -> None:
    """Set one value in this truth itself; see `set_at_path`."""
    step, *rest = steps
    if not isinstance(parent, type(empty_for(step))):
        return
    known = step in parent if isinstance(step, str) else step < len(parent)
    if rest:
        child = parent[step] if known else None
        empty = empty_for(rest[0])
        if not isinstance(child, type(empty)):
            child = empty
        put_at_path(child, rest, value)
        value = child
    elif value is NOTHING or (value is None and isinstance(step, int)):
        if known:
            del parent[step]
        return
    if known or isinstance(step, str):
        parent[step] = value
    else:
        parent.append(value)
