"""The truth of each text: a list, a dict by id or a DataFrame with a column for each leaf."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.jsonable import find_secrets, is_empty_cell, is_record, to_jsonable
from llmwidgets.comparison.texts import TextSource, join_truncated
from llmwidgets.errors import FieldError
from llmwidgets.formatting import count
from llmwidgets.schemas.canonical import display_path, item_path, property_path

if TYPE_CHECKING:
    from llmwidgets.engine.request_builder import Document
    from llmwidgets.schemas import Leaf, Schema


_SHOWN = 5


def read_truth(
    truth: Any, sources: Sequence[TextSource], schemas: Sequence[Schema], *, nulls: bool = False
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
        given = [NOTHING if each.truth is None else to_jsonable(each.truth) for each in sources]
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


def given_as_records(truth: Any, sources: Sequence[TextSource]) -> list[bool]:
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
        f"truth of {source.id}, {display_path(path)}": f"is a secret ({kind})."
        for source, row in zip(sources, rows, strict=False)
        for path, kind in find_secrets(row)
    }
    if problems:
        raise FieldError(
            dict(list(problems.items())[:_SHOWN]),
            "Truth is shown and saved, so leave this field out of it: give the other fields as a "
            "dict.",
        )
    return [is_record(row) for row in rows]


def _by_place(rows: list[Any], sources: Sequence[TextSource]) -> list[Any]:
    if len(rows) != len(sources):
        raise FieldError(
            {"truth": f"has {len(rows)} rows for {len(sources)} texts."},
            "Give one for each text, None where a text has no truth, or a dict by id.",
        )
    return [NOTHING if row is None or is_empty_cell(row) else to_jsonable(row) for row in rows]


def _by_id(
    truth: Mapping[Any, Any], sources: Sequence[TextSource], schemas: Sequence[Schema]
) -> list[Any]:
    named = {str(key): value for key, value in truth.items()}
    ids = {source.id for source in sources}
    unknown = [name for name in named if name not in ids]
    if unknown:
        fields = {step for leaf in schemas[0].leaves for step in parts(leaf.path)[:1]}
        hint = "The keys of a truth dict are the ids of the texts."
        if fields.issuperset(unknown):
            hint = "This looks like one record: put it in a list, truth=[…], one for each text."
        raise FieldError({"truth": f"no text has the id {join_truncated(unknown)}."}, hint)
    rows = [named.get(source.id) for source in sources]
    return [NOTHING if row is None or is_empty_cell(row) else to_jsonable(row) for row in rows]


def _by_frame(
    frame: Any, sources: Sequence[TextSource], schemas: Sequence[Schema], nulls: bool
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
            {"truth": f"these ids stand more than once: {join_truncated(twice)}."},
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
        inside[last] = None if empty else _read_cell(to_jsonable(cell), leaf)
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


def _judge(given: Sequence[Any], sources: Sequence[TextSource], schemas: Sequence[Schema]) -> None:
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
    said = [(problem.path, _sentence(problem.rule)) for problem in found]
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


# -- Blanks: labels that are empty. They say nothing, or with blank="null" that there is no value.

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


def with_nulls(truth: Any, sources: Sequence[TextSource]) -> tuple[Any, Sequence[TextSource]]:
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


def count_blanks(truth: Any, sources: Sequence[TextSource]) -> list[int]:
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


def blank_note(texts: Sequence[Document]) -> tuple[str, ...]:
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
    return to_jsonable(value)


# -- The fields of a schema by name: which keys a truth or a column of it may have.

ITEM = "[]"
_ANY = "*"
_PART = re.compile(r'\[("(?:[^"\\]|\\.)*")\]|(\[\])|([^.\[]+)')

Tree = dict[str, "Tree"]
"""The names of a schema, nested; "[]" leads into a list, "*" means any name."""


def parts(path: str) -> tuple[str, ...]:
    """The steps of a place: names, and "[]" for each list.

    >>> parts('lines[].unit["a.b"]')
    ('lines', '[]', 'unit', 'a.b')
    """
    return tuple(
        json.loads(quoted) if quoted else brackets or name
        for quoted, brackets, name in _PART.findall(path)
    )


def tree_of(paths: Iterable[str]) -> Tree:
    """The places as nested names."""
    tree: Tree = {}
    for path in paths:
        inside = tree
        for part in parts(path):
            inside = inside.setdefault(part, {})
    return tree


def columns_of(paths: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The column names a table of truth may have, each with its steps: up to the first list."""
    columns: dict[str, tuple[str, ...]] = {}
    for path in paths:
        steps = parts(path)
        steps = steps[: steps.index(ITEM)] if ITEM in steps else steps
        if steps:
            columns.setdefault(".".join(steps), steps)
            columns.setdefault(path.split(ITEM)[0], steps)
    return columns


def unknown_keys(value: Any, tree: Tree, path: str = "") -> Iterator[tuple[str, str]]:
    """The keys of a record that the schema does not name, each with its sentence."""
    if isinstance(value, list):
        for each in value:
            yield from unknown_keys(each, tree.get(ITEM, {}), item_path(path))
    if not isinstance(value, dict) or _ANY in tree:
        return
    names = [name for name in tree if name != ITEM]
    for key, inside in value.items():
        if not names:
            continue
        if key in tree:
            yield from unknown_keys(inside, tree[key], property_path(path, key))
        else:
            yield property_path(path, key), no_such_field(key, names)


def no_such_field(name: str, known: Iterable[str]) -> str:
    """The sentence for a name that the schema does not have, with the nearest it has."""
    near = get_close_matches(name, sorted(known), 1)
    nearest = f"; the nearest is {near[0]}" if near else ""
    return f"the schema has no field of this name{nearest}."
