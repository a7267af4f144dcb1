"""What is given for each text: the texts with their ids and groups, and values in their order."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from itertools import chain
from os import PathLike
from typing import TYPE_CHECKING, Any

from llmwidgets.comparison.files import read_document, read_paths, read_texts
from llmwidgets.comparison.files.hugging_face import read_data_set
from llmwidgets.comparison.files.names import names_file
from llmwidgets.comparison.files.tables import match_names, missing_text
from llmwidgets.comparison.records import is_dask_frame, rows_of
from llmwidgets.comparison.values import (
    Scalar,
    decode_text,
    find_repeated,
    is_bytes,
    is_empty_cell,
    is_nothing,
    name_of,
    to_jsonable,
    to_scalar,
    whole_text,
)
from llmwidgets.engine.request_builder import NO_METADATA
from llmwidgets.errors import FieldError
from llmwidgets.formatting import count, join_truncated, with_article

if TYPE_CHECKING:
    from llmwidgets.engine.request_builder import Document

_PDF_NAME = re.compile(r"[^\n]{1,1000}\.pdf\s*", re.IGNORECASE)
_LONG_ID = 100
"""A longer name in a pair is the text, and the other its label."""
_PDF_HINT = "Give its file as a Path: Path(…). The extra llmwidgets[pdf], pypdfium2, reads it."


@dataclass(frozen=True, slots=True)
class TextSource:
    """One text as the user gave it; what its row does not have is None.

    `row` is what the index of pandas calls it; `note` says what was assumed when its file was read.
    `metadata` has its further columns or keys (see `_read_metadata`).
    """

    id: str
    text: str
    truth: Any = None
    schema: Any = None
    group: Any = None
    row: str | None = None
    note: str = ""
    metadata: Mapping[str, Scalar] = field(default_factory=lambda: NO_METADATA)


def read_sources(
    texts: Any, *, allow_empty: bool = False, group: str | None = None, truth: str | None = None
) -> tuple[TextSource, ...]:
    """The texts with their ids; FieldError names each misfit.

    Where none is given, the ids are the index of a Series or DataFrame, which is what pandas knows
    the rows by, unless it only counts them or repeats itself; else text-01, text-02 and so on.
    A path, alone or in a list, is read; so is a string that is the name of a table. Empty texts
    are refused unless `allow_empty` (outputs that were made elsewhere). `group` is the column or
    key that says which texts belong together, `truth` the one with the truth of each.
    """
    if isinstance(texts, tuple) and texts and isinstance(texts[0], TextSource):
        return texts  # read before, as a panel does
    texts = read_data_set(texts, "texts")
    rows = _rows(texts, group)
    if not rows:
        raise FieldError({"texts": "is empty."}, "Give at least one text.")
    truth = _kept_name(truth, rows)
    for argument, name in (("group", group), ("truth", truth)):
        if name is not None:
            _refuse_unknown(argument, name, rows, texts)
    problems: dict[str, str] = {}
    sources = []
    likely = ""
    for row, (default, known) in zip(rows, _name_rows(texts, len(rows)), strict=True):
        source, problem = _source(row, default, group, truth)
        if known is not None:
            source = replace(source, row=known)
        if not problem and not source.text.strip() and not allow_empty:
            problem = "is empty."
        if problem:
            problems[source.id] = problem
            if problem.startswith("has no key"):
                likely = likely or missing_text([row])[1]
        sources.append(source)
    if problems:
        raise _misfits(problems, likely)
    if twice := find_repeated(source.id for source in sources):
        raise FieldError(
            {"texts": f"these ids appear more than once: {join_truncated(twice)}."},
            "Give every text an id of its own, or leave the ids out.",
        )
    return tuple(sources)


def _name_rows(texts: Any, number: int) -> list[tuple[str, str | None]]:
    """For each row the id it has if it names none, and what the index of pandas calls it."""
    width = max(2, len(str(number)))
    counted = [f"text-{at:0{width}}" for at in range(1, number + 1)]
    index, names = pandas_index(texts), row_names(texts) or []
    # An entry that is a folder is several texts, which the index does not name.
    if len(names) != number:
        return [(each, None) for each in counted]
    ids = not only_counts(index) and (index.name == "id" or not find_repeated(names))
    return list(zip(names if ids else counted, names, strict=True))


def names_of(sources: Sequence[TextSource]) -> TextNames:
    """What these texts are known by."""
    rows = [source.row for source in sources if source.row is not None]
    return TextNames([source.id for source in sources], rows or None)


def file_notes(texts: Iterable[Document]) -> tuple[str, ...]:
    """What was assumed when the files of these texts and of their truth were read."""
    return tuple(dict.fromkeys(note for text in texts for note in text.notes))


def _kept_name(name: str | None, rows: Sequence[Any]) -> str | None:
    """The name of a column as the rows have it: those of a file know Truth as truth."""
    if name is None or any(isinstance(row, Mapping) and name in row for row in rows):
        return name
    return next(iter(match_names([name])[0].values()), name)


def _refuse_unknown(argument: str, name: str, rows: Sequence[Any], texts: Any) -> None:
    """FieldError, with the nearest name, for a column that no row has."""
    mappings = [row for row in rows if isinstance(row, Mapping)]
    if any(name in row for row in mappings):
        return
    names = [str(each) for each in getattr(texts, "columns", dict.fromkeys(chain(*mappings)))]
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    known = f"Name one of {join_truncated(names)}, or give" if names else "Give"
    raise FieldError(
        {argument: f"the texts have no column or key {name}.{hint}"},
        f"{known} a list as long as the texts{'' if names else ','} or a dict by id.",
    )


def _rows(texts: Any, group: str | None) -> list[Any]:
    if names_file(texts, "texts"):
        return list(read_texts(texts))
    if isinstance(texts, str) or is_bytes(texts):
        return [texts]
    if is_dask_frame(texts):
        raise FieldError(
            {"texts": "is a Dask DataFrame, whose rows are read where a cluster asks."},
            "Give cluster=, a dask.distributed.Client (docs/scale.md), or texts.compute() of what "
            "fits into memory.",
        )
    if hasattr(texts, "to_dict") and hasattr(texts, "columns"):
        return _rows_of_frame(texts, group)
    if isinstance(texts, Mapping):
        if "text" in match_names(texts)[0].values():
            return [texts]
        return [{"id": key, "text": text} for key, text in texts.items()]
    if isinstance(texts, Iterable):
        return read_paths(texts)
    raise FieldError(
        {"texts": f"is {with_article(type(texts).__name__)}, not texts."},
        "Give a list of strings, a pandas Series, or a DataFrame with a column text.",
    )


def _rows_of_frame(frame: Any, group: str | None) -> list[Any]:
    found, unclear = match_names(frame.columns)
    likely = ""
    if not unclear and "text" not in found.values():
        unclear, likely = missing_text(frame.head(20).to_dict("records"))
    if twice := find_repeated(name for name in frame.columns if name in found):
        unclear = f"has the column {join_truncated(twice)} twice."
    if unclear:
        hint = f'.rename(columns={{{likely}: "text"}}).' if likely else "."
        raise FieldError(
            {"texts": f"the DataFrame {unclear}"},
            f"Rename the column with the documents: texts{hint}",
        )
    # Of further columns with one name, the first: they are metadata, or the group.
    return rows_of(frame.loc[:, ~frame.columns.map(str).duplicated()])


@lru_cache(maxsize=64)
def _match_names(names: tuple[Any, ...]) -> tuple[Mapping[Any, str], str]:
    """Rows of a table are all named alike."""
    return match_names(names)


def _source(row: Any, default: str, group: str | None, label: str | None) -> tuple[TextSource, str]:
    """The row as a source, and what is wrong with it."""
    if isinstance(row, tuple) and len(row) == 2:
        if not _is_named_text(*row):
            return TextSource(default, ""), "is a pair, but not of (id, text)."
        row = {"id": row[0], "text": row[1]}
    if not isinstance(row, Mapping):
        row = {"text": row}
    found, unclear = _match_names(tuple(row))
    named = {key: row[name] for name, key in found.items()}
    name = named.get("id")
    name = default if name is None or is_empty_cell(name) else name_of(name)
    if unclear or "text" not in named:
        return TextSource(name, ""), unclear or missing_text([row], "key")[0]
    text, schema = named["text"], named.get("schema")
    truth = named.get("truth") if label is None else row.get(label)
    if isinstance(text, PathLike):
        text = read_document(text)
    if is_bytes(text) and not _is_pdf(text):
        text = decode_text(text, name)
    source = TextSource(
        name,
        text if isinstance(text, str) else "",
        None if is_empty_cell(truth) else truth,
        None if is_empty_cell(schema) else schema,
        None if group is None else row.get(group),
        note=getattr(row, "note", ""),
        metadata=_read_metadata(row, {*found, group, label}),
    )
    if _is_pdf(text):
        return source, "is a PDF, not a text."
    if isinstance(text, str) or text is None or is_empty_cell(text):
        return source, ""
    return source, f"is {with_article(type(text).__name__)}, not a text."


def _is_named_text(name: Any, text: Any) -> bool:
    """Whether a pair is an id and its text, and not a text and its label."""
    if not isinstance(name, str | int) or not isinstance(text, str | PathLike):
        return False
    name, length = str(name), len(text) if isinstance(text, str) else _LONG_ID
    return len(name) <= _LONG_ID and "\n" not in name and (" " not in name or len(name) <= length)


def _read_metadata(row: Mapping[Any, Any], taken: Container[Any]) -> Mapping[str, Scalar]:
    """What else the row has of one value each: by these columns or keys texts are told apart.

    A name that is one of the schema's too is kept like any other: the value is that of the row.
    """
    kept = {
        whole_text(str(name)).strip(): value
        for name, cell in row.items()
        if name not in taken and (value := to_scalar(cell)) is not None
    }
    kept.pop("", None)
    return kept or NO_METADATA


def _is_pdf(text: Any) -> bool:
    if is_bytes(text):
        return bytes(text[:1024]).lstrip()[:4] == b"%PDF"
    return isinstance(text, str) and (
        text.lstrip()[:4] == "%PDF" or bool(_PDF_NAME.fullmatch(text))
    )


def _misfits(problems: Mapping[str, str], likely: str) -> FieldError:
    shown = dict(list(problems.items())[:5])
    more = len(problems) - len(shown)
    hint = f"{count(more, 'more text has', 'more texts have')} a problem. " if more else ""
    if likely:
        hint += f'Rename the key: texts = [{{**row, "text": row[{likely}]}} for row in texts].'
    elif any("PDF" in problem for problem in problems.values()):
        hint += _PDF_HINT
    elif any("a pair" in problem for problem in problems.values()):
        hint += "A pair is (id, text). Truth goes into truth=, a list as long as the texts."
    elif "is empty." in problems.values():
        hint += "Leave empty texts out, or give their text."
    else:
        hint += "Each text is a string, a pair (id, text), or a dict with the key text."
    return FieldError(shown, hint)


def spread_evenly(count: int, most: int) -> list[int]:
    """At most `most` positions of `count`, evenly spread, counted from 0.

    >>> spread_evenly(10, 4)
    [0, 2, 5, 7]
    """
    return list(range(count)) if count <= most else [at * count // most for at in range(most)]


# -- What is given for each text: a list as long as the texts, or a dict by id.


def read_groups(group: Any, sources: Sequence[TextSource]) -> tuple[str, ...]:
    """The group of each text; FieldError names what is wrong.

    `group` is the name of a column or key, whose values the sources have, a list, or a dict by
    id. Numbers are compared as numbers: 7 and 7.0 are one group.
    """
    if isinstance(group, bytes) or not isinstance(group, Iterable):
        raise FieldError(
            {"group": f"is of type {type(group).__name__}, which names no groups."},
            "Give the name of a column, a list as long as the texts, or a dict by id.",
        )
    names = names_of(sources)
    ids = names.ids
    own = [source.group for source in sources] if isinstance(group, str) else group
    hint = "Give one for each text, or a dict by id; the keys of a dict are the ids of the texts."
    groups = [to_jsonable(each) for each in align(own, names, "group", ("entry", "entries"), hint)]
    bare = [name for name, each in zip(ids, groups, strict=True) if is_nothing(each)]
    if bare:
        missing = (
            f"is missing for {len(bare):,} of {count(len(ids), 'text')}: {join_truncated(bare)}."
        )
        raise FieldError(
            {"group": missing},
            "Give every text a group; a text that belongs to no other has one of its own.",
        )
    odd = [name for name, each in zip(ids, groups, strict=True) if isinstance(each, dict | list)]
    if odd:
        raise FieldError(
            {"group": f"is a list or a dict for {join_truncated(odd)}."},
            "A group is a name or a number.",
        )
    return tuple(whole_text(str(each)).strip() for each in groups)


def align(
    values: Any,
    names: TextNames,
    name: str,
    noun: tuple[str, ...],
    hint: str,
    index: Any = None,
) -> list[Any]:
    """Values in the order of the texts; None for a text without one.

    A dict is read by id. What has an index of pandas follows the index, where that names ids or
    rows of the texts; all else is read by position. FieldError, about `name`, for another length,
    for unknown ids, and for what has no order.
    """
    if isinstance(values, str | bytes | set | frozenset) or not isinstance(values, Iterable):
        raise FieldError({name: f"is {with_article(type(values).__name__)}."}, hint)
    if isinstance(values, Mapping):
        named = {name_of(key): value for key, value in values.items()}
        if twice := find_repeated(map(name_of, values)):
            raise FieldError({name: f"has the id {join_truncated(twice)} more than once."}, hint)
        known = set(names.ids)
        if unknown := [key for key in named if key not in known]:
            raise FieldError({name: f"no text has the id {join_truncated(unknown)}."}, hint)
        return [named.get(key) for key in names.ids]
    listed, index = list(values), pandas_index(values) if index is None else index
    if index is not None and (order := _order_by_index(index, names, name)) is not None:
        named = dict(zip(map(name_of, index), listed, strict=True))
        return [named.get(key) for key in order]
    if len(listed) != len(names.ids):
        has, texts = count(len(listed), *noun), count(len(names.ids), "text")
        raise FieldError({name: f"has {has} for {texts}."}, hint)
    return listed


@dataclass(frozen=True, slots=True)
class TextNames:
    """What texts are known by: their ids and, where they come from pandas, its names of rows."""

    ids: Sequence[str]
    rows: Sequence[str] | None = None


def pandas_index(values: Any) -> Any:
    """The index of a Series or DataFrame; None for anything else."""
    index = getattr(values, "index", None)
    return None if callable(index) or isinstance(values, Mapping) else index


def row_names(values: Any) -> list[str] | None:
    """The index of a Series or DataFrame as names; None for anything else."""
    index = pandas_index(values)
    return None if index is None else list(map(name_of, index))


def only_counts(index: Any) -> bool:
    """Whether an index names nothing and only counts its rows from 0."""
    return index.name is None and list(index) == list(range(len(index)))


def _order_by_index(index: Any, texts: TextNames, name: str) -> Sequence[str] | None:
    """The names by which an index is followed; None where it is read by position."""
    names, ids, rows = list(map(name_of, index)), texts.ids, texts.rows
    unique = len(set(names)) == len(names)
    by_id = unique and set(names) <= set(ids)
    by_row = rows is not None and unique and set(names) <= set(rows)
    if by_id and index.name is not None:
        return ids
    if names == rows:
        return None
    if only_counts(index):
        return rows if rows is not None and sorted(rows) == sorted(names) else None
    if by_id and (not by_row or ids == rows):
        return ids
    if by_row and not by_id:
        return rows
    raise FieldError(
        {name: f"the index is {join_truncated(names)}, and the texts are {join_truncated(ids)}."},
        "Nothing is paired by position where an index names something else: let the index have the "
        "ids of the texts, or take it off, .reset_index(drop=True).",
    )
