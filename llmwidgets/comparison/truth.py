"""The truth of each text: a list, a dict by id or a DataFrame with a column for each leaf."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.blanks import is_blank, with_nulls
from llmwidgets.comparison.fields import columns_of, no_such_field, parts, tree_of, unknown_keys
from llmwidgets.comparison.jsonable import is_empty_cell, is_record, plain, secrets_in
from llmwidgets.comparison.texts import Source, few
from llmwidgets.errors import FieldError
from llmwidgets.schemas.paths import shown

if TYPE_CHECKING:
    from llmwidgets.schemas import Leaf, Schema


_SHOWN = 5


def read_truth(
    truth: Any, sources: Sequence[Source], schemas: Sequence[Schema], *, nulls: bool = False
) -> tuple[Any, ...]:
    """The truth of each text as JSON; NOTHING where a text is not labelled.

    Without `truth` the rows' own `truth` holds. An absent key, a blank cell and a text of its
    own that is None are not labelled; null inside a record is the label null, and so is a blank
    one with `nulls`. FieldError names row, field and why a truth does not fit the schema, never
    the value.
    """
    if nulls:
        truth, sources = with_nulls(truth, sources)
    if truth is None:
        given = [NOTHING if each.truth is None else plain(each.truth) for each in sources]
    elif hasattr(truth, "to_dict") and hasattr(truth, "columns"):
        given = _by_frame(truth, sources, schemas, nulls)
    elif isinstance(truth, Mapping):
        given = _by_id(truth, sources, schemas)
    elif isinstance(truth, str | bytes) or not isinstance(truth, Iterable):
        raise FieldError(
            {"truth": f"is a {type(truth).__name__}."},
            "Give a list as long as the texts, a dict by id, or a DataFrame with a column for each "
            "field.",
        )
    else:
        given = _by_place(list(truth), sources)
    read = [
        _from_text(value, schema) for value, schema in zip(given, schemas, strict=True)
    ]  # fmt: skip
    _judge(read, sources, schemas)
    return tuple(read)


def given_as_records(truth: Any, sources: Sequence[Source]) -> list[bool]:
    """Which texts' truth is an object of the user's own class; FieldError where it holds a secret.

    Such truth is compared with what the class reads the reply as.
    """
    if truth is None:
        rows = [each.truth for each in sources]
    elif hasattr(truth, "to_dict") and hasattr(truth, "columns"):
        return [False] * len(sources)
    elif isinstance(truth, Mapping):
        named = {str(key): value for key, value in truth.items()}
        rows = [named.get(source.id) for source in sources]
    else:
        rows = list(truth)
    problems = {
        f"truth of {source.id}, {shown(path)}": f"is a secret ({kind})."
        for source, row in zip(sources, rows, strict=False)
        for path, kind in secrets_in(row)
    }
    if problems:
        raise FieldError(
            dict(list(problems.items())[:_SHOWN]),
            "Truth is shown and saved, so leave this field out of it: give the other fields as a "
            "dict.",
        )
    return [is_record(row) for row in rows]


def _by_place(rows: list[Any], sources: Sequence[Source]) -> list[Any]:
    if len(rows) != len(sources):
        raise FieldError(
            {"truth": f"has {len(rows)} rows for {len(sources)} texts."},
            "Give one for each text, None where a text has no truth, or a dict by id.",
        )
    return [NOTHING if row is None or is_empty_cell(row) else plain(row) for row in rows]


def _by_id(
    truth: Mapping[Any, Any], sources: Sequence[Source], schemas: Sequence[Schema]
) -> list[Any]:
    named = {str(key): value for key, value in truth.items()}
    ids = {source.id for source in sources}
    unknown = [name for name in named if name not in ids]
    if unknown:
        fields = {step for leaf in schemas[0].leaves for step in parts(leaf.path)[:1]}
        hint = "The keys of a truth dict are the ids of the texts."
        if fields.issuperset(unknown):
            hint = "This looks like one record: put it in a list, truth=[…], one for each text."
        raise FieldError({"truth": f"no text has the id {few(unknown)}."}, hint)
    rows = [named.get(source.id) for source in sources]
    return [NOTHING if row is None or is_empty_cell(row) else plain(row) for row in rows]


def _by_frame(
    frame: Any, sources: Sequence[Source], schemas: Sequence[Schema], nulls: bool
) -> list[Any]:
    leaves = {leaf.path: leaf for schema in schemas for leaf in schema.leaves}
    known = columns_of(leaves)
    named = [str(name) for name in frame.columns if str(name) not in ("id", "text")]
    problems = {name: no_such_field(name, known) for name in named if name not in known}
    if problems:
        raise FieldError(
            dict(list(problems.items())[:_SHOWN]),
            "A column of truth is named like a field, policy.number for a field inside another.",
        )
    table = [(name, known[name], leaves.get(name)) for name in named]
    rows = frame.to_dict("records")
    records = [_nest(row, table, nulls) for row in rows]
    if "id" not in frame.columns:
        return _by_place(records, sources)
    ids = [str(row["id"]) for row in rows]
    twice = [name for name in dict.fromkeys(ids) if ids.count(name) > 1]
    if twice:
        raise FieldError(
            {"truth": f"these ids stand more than once: {few(twice)}."},
            "Keep one row of truth for each id.",
        )
    return _by_id(dict(zip(ids, records, strict=True)), sources, schemas)


_Table = Sequence[tuple[str, tuple[str, ...], "Leaf | None"]]


def _nest(row: Mapping[Any, Any], table: _Table, nulls: bool) -> Any:
    record: dict[str, Any] = {}
    for name, (*parents, last), leaf in table:
        cell = row[name]
        empty = cell is None or is_blank(cell)
        if empty and not nulls:
            continue
        inside = record
        for parent in parents:
            inside = inside.setdefault(parent, {})
        inside[last] = None if empty else _read_cell(plain(cell), leaf)
    return record or None


def _read_cell(cell: Any, leaf: Leaf | None) -> Any:
    """A cell of a table as the leaf's type: tables know only text and floats."""
    if leaf is None:
        return _json_or(cell) if isinstance(cell, str) else cell
    if isinstance(cell, str) and cell.strip() == "null" and leaf.nullable:
        return None
    if leaf.type in ("number", "integer", "boolean") and isinstance(cell, str):
        return _json_or(cell.strip().lower() if leaf.type == "boolean" else cell.strip())
    if leaf.type == "string" and isinstance(cell, int | float) and not isinstance(cell, bool):
        return str(cell)
    return cell


def _json_or(cell: str) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def _from_text(value: Any, schema: Schema) -> Any:
    """A record that is still JSON text, as a column of a table may hold it."""
    if isinstance(value, str) and not any(leaf.path == "" for leaf in schema.leaves):
        return _json_or(value)
    return value


def _judge(given: Sequence[Any], sources: Sequence[Source], schemas: Sequence[Schema]) -> None:
    problems: dict[str, str] = {}
    for value, source, schema in zip(given, sources, schemas, strict=True):
        if value is NOTHING:
            continue
        for path, said in _misfits(value, schema):
            problems[f"truth of {source.id}" + (f", {path}" if path else "")] = said
    if problems:
        more = len(problems) - _SHOWN
        raise FieldError(
            dict(list(problems.items())[:_SHOWN]),
            (f"{more} more places do not fit. " if more > 0 else "")
            + "Correct the truth, or the schema where the truth is right.",
        )


def _misfits(value: Any, schema: Schema) -> list[tuple[str, str]]:
    found = schema.judge_partial(_without_nulls(value))
    said = [(problem.path, _sentence(problem.said)) for problem in found]
    if said or _is_open(schema.json):
        return said
    return list(unknown_keys(value, tree_of(leaf.path for leaf in schema.leaves)))


def _without_nulls(value: Any) -> Any:
    """Null says that the text holds no value: a label for any field, nullable or not."""
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return value


def _is_open(schema: Any) -> bool:
    """Whether some object of the schema takes keys that it does not name."""
    if isinstance(schema, list):
        return any(_is_open(each) for each in schema)
    if not isinstance(schema, dict):
        return False
    if schema.get("additionalProperties") or schema.get("patternProperties"):
        return True
    return any(_is_open(each) for each in schema.values())


def _sentence(said: str) -> str:
    return said if said.endswith(".") else f"{said}."
