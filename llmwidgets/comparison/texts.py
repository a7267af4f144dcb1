"""What notebooks give: texts with ids and groups, and any value (pandas, pydantic …) as JSON."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from itertools import chain
from os import PathLike
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from llmwidgets.errors import FieldError
from llmwidgets.formatting import count, with_article
from llmwidgets.schemas.canonical import item_path, property_path
from llmwidgets.secret import Secret

_KEYS = ("text", "id", "truth", "schema")
_PDF_NAME = re.compile(r"[^\n]{1,1000}\.pdf\s*", re.IGNORECASE)
PDF_HINT = (
    "Turn it into text first: from pypdf import PdfReader; "
    'text = "\\n".join(page.extract_text() for page in PdfReader(path).pages)'
)


@dataclass(frozen=True, slots=True)
class TextSource:
    """One text as the user gave it; what its row does not have is None.

    `row` is what the index of pandas calls it.
    """

    id: str
    text: str
    truth: Any = None
    schema: Any = None
    group: Any = None
    row: str | None = None


def read_sources(
    texts: Any, *, allow_empty: bool = False, group: str | None = None
) -> tuple[TextSource, ...]:
    """The texts with their ids; FieldError names each misfit.

    Where none is given, the ids are the index of a Series or DataFrame, which is what pandas knows
    the rows by, unless it only counts them or repeats itself; else text-01, text-02 and so on.
    Empty texts are refused unless `allow_empty` (outputs that were made elsewhere). `group` is
    the column or key that says which texts belong together.
    """
    rows = _rows(texts, group)
    if not rows:
        raise FieldError({"texts": "is empty."}, "Give at least one text.")
    if group is not None:
        _refuse_unknown(group, rows, texts)
    width = max(2, len(str(len(rows))))
    row_of: Sequence[str | None] = row_names(texts) or [None] * len(rows)
    names = _ids_of_index(texts)
    problems: dict[str, str] = {}
    sources = []
    for at, row in enumerate(rows, 1):
        default = names[at - 1] if names else f"text-{at:0{width}}"
        source, problem = _source(row, default, group)
        source = replace(source, row=row_of[at - 1])
        if not problem and not source.text.strip() and not allow_empty:
            problem = "is empty."
        if problem:
            problems[source.id] = problem
        sources.append(source)
    if problems:
        raise _misfits(problems)
    if twice := find_repeated(source.id for source in sources):
        raise FieldError(
            {"texts": f"these ids appear more than once: {join_truncated(twice)}."},
            "Give every text an id of its own, or leave the ids out.",
        )
    return tuple(sources)


def _ids_of_index(texts: Any) -> list[str] | None:
    """The index of the texts, if it can serve as their ids."""
    index = pandas_index(texts)
    if index is None or only_counts(index):
        return None
    names = row_names(texts) or []
    return names if index.name == "id" or not find_repeated(names) else None


def names_of(sources: Sequence[TextSource]) -> TextNames:
    """What these texts are known by."""
    rows = [source.row for source in sources if source.row is not None]
    return TextNames([source.id for source in sources], rows or None)


def find_repeated(names: Iterable[str]) -> list[str]:
    """The names that appear more than once."""
    return [name for name, times in Counter(names).items() if times > 1]


def join_truncated(names: Iterable[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    listed = [str(name) for name in names]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _refuse_unknown(group: str, rows: Sequence[Any], texts: Any) -> None:
    """FieldError, with the nearest name, for a column of groups that no row has."""
    mappings = [row for row in rows if isinstance(row, Mapping)]
    if any(group in row for row in mappings):
        return
    names = [str(name) for name in getattr(texts, "columns", dict.fromkeys(chain(*mappings)))]
    near = get_close_matches(group, names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    known = f"Name one of {join_truncated(names)}, or give" if names else "Give"
    raise FieldError(
        {"group": f"the texts have no column or key {group}.{hint}"},
        f"{known} a list as long as the texts{'' if names else ','} or a dict by id.",
    )


def _rows(texts: Any, group: str | None) -> list[Any]:
    if isinstance(texts, str | bytes | PathLike):
        return [texts]
    if hasattr(texts, "to_dict") and hasattr(texts, "columns"):
        if "text" not in texts.columns:
            raise FieldError(
                {"texts": "the DataFrame has no column text."},
                'Rename the column with the documents: frame.rename(columns={"…": "text"}).',
            )
        wanted = dict.fromkeys((*_KEYS, *([group] if group is not None else [])))
        kept = [key for key in wanted if key in texts.columns]
        return list(texts[kept].to_dict("records"))
    if isinstance(texts, Mapping):
        if "text" in texts:
            return [texts]
        return [{"id": key, "text": text} for key, text in texts.items()]
    if isinstance(texts, Iterable):
        return list(texts)
    raise FieldError(
        {"texts": f"is {with_article(type(texts).__name__)}, not texts."},
        "Give a list of strings, a pandas Series, or a DataFrame with a column text.",
    )


def _source(row: Any, default: str, group: str | None) -> tuple[TextSource, str]:
    """The row as a source, and what is wrong with it."""
    if not isinstance(row, Mapping):
        row = {"text": row}
    name = row.get("id")
    name = default if name is None or is_empty_cell(name) else name_of(name)
    if "text" not in row:
        return TextSource(name, ""), "has no key text."
    text, truth, schema = row["text"], row.get("truth"), row.get("schema")
    source = TextSource(
        name,
        text if isinstance(text, str) else "",
        None if is_empty_cell(truth) else truth,
        None if is_empty_cell(schema) else schema,
        None if group is None else row.get(group),
    )
    if _is_pdf(text):
        return source, "is a PDF, not a text."
    if isinstance(text, str) or text is None or is_empty_cell(text):
        return source, ""
    if isinstance(text, PathLike):
        return source, "is a path, not a text; read it with .read_text()."
    return source, f"is {with_article(type(text).__name__)}, not a text."


def _is_pdf(text: Any) -> bool:
    if isinstance(text, PathLike):
        return str(text).lower().endswith(".pdf")
    if isinstance(text, bytes):
        return text.lstrip()[:4] == b"%PDF"
    return isinstance(text, str) and (
        text.lstrip()[:4] == "%PDF" or bool(_PDF_NAME.fullmatch(text))
    )


def _misfits(problems: Mapping[str, str]) -> FieldError:
    shown = dict(list(problems.items())[:5])
    more = len(problems) - len(shown)
    hint = f"{count(more, 'more text has', 'more texts have')} a problem. " if more else ""
    if any("PDF" in problem for problem in problems.values()):
        hint += PDF_HINT
    elif "is empty." in problems.values():
        hint += "Leave empty texts out, or give their text."
    else:
        hint += "Each text is a string, or a dict with the key text."
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
    bare = [name for name, each in zip(ids, groups, strict=True) if each is None or is_blank(each)]
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
    return tuple(str(each).strip() for each in groups)


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
        named = {str(key): value for key, value in values.items()}
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


def name_of(key: Any) -> str:
    """A key of an index or a cell with an id as a name; 1.0, a number beside blanks, is 1."""
    return str(int(key)) if isinstance(key, float) and key.is_integer() else str(key)


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


# -- Values from notebooks as plain JSON.

_EXACT = 2**53


def to_jsonable(value: Any, *, keep_blanks: bool = False) -> Any:
    """The value as JSON; a key whose cell is blank (NaN, NaT, NA) is left out as not labelled.

    `keep_blanks` leaves such cells as they are.
    """
    if isinstance(value, Enum):
        return to_jsonable(value.value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if keep_blanks and is_empty_cell(value):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, BaseModel):
        return to_jsonable(_as_json(value))
    if _is_dataclass(value):
        return to_jsonable(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {
            str(key): to_jsonable(each, keep_blanks=keep_blanks)
            for key, each in value.items()
            if keep_blanks or not is_empty_cell(each)
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [
            None if is_empty_cell(each) and not keep_blanks
            else to_jsonable(each, keep_blanks=keep_blanks)
            for each in value
        ]  # fmt: skip
    return _scalar(value)


def is_record(value: Any) -> bool:
    """Whether a value is an object of the user's own class, or a list with such in it."""
    if isinstance(value, list | tuple):
        return any(map(is_record, value))
    return isinstance(value, BaseModel) or _is_dataclass(value)


def _is_dataclass(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _as_json(record: BaseModel) -> Any:
    """A record as its class writes it, but equal Decimals as one number: 1E+3 and 1000."""
    dumps = (record.model_dump(mode=mode, by_alias=True, exclude_unset=True)
             for mode in ("json", "python"))  # fmt: skip
    return _with_numbers(*dumps)


def _with_numbers(written: Any, value: Any) -> Any:
    if isinstance(written, str) and isinstance(value, Decimal) and value.is_finite():
        whole = value == value.to_integral_value() and abs(value) < _EXACT
        exact = int(value) if whole else float(value)
        return exact if Decimal(repr(exact)) == value else f"{value.normalize():f}"
    sized = isinstance(value, dict | list | tuple | set | frozenset)
    if not sized or not isinstance(written, dict | list) or len(written) != len(value):
        return written
    if isinstance(written, dict):
        inner = value.values() if isinstance(value, dict) else ()
        pairs = zip(written.items(), inner, strict=False)
        return written | {name: _with_numbers(each, other) for (name, each), other in pairs}
    return [_with_numbers(each, other) for each, other in zip(written, value, strict=True)]


def find_secrets(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Where a record contains a secret, and of which class; the secret itself is not looked at."""
    if isinstance(value, Secret) or hasattr(type(value), "get_secret_value"):
        yield path, type(value).__name__
    elif isinstance(value, BaseModel) or _is_dataclass(value):
        own = isinstance(value, BaseModel)
        names = value.model_fields_set if own else [each.name for each in dataclasses.fields(value)]
        for name in names:
            yield from find_secrets(getattr(value, name, None), property_path(path, name))
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from find_secrets(each, property_path(path, str(name)))
    elif isinstance(value, list | tuple | set | frozenset):
        for at, each in enumerate(value):
            yield from find_secrets(each, item_path(path, at))


def is_empty_cell(value: Any) -> bool:
    """Whether a cell is empty: NaN, NaT or NA. None is a value: a labelled null."""
    if value is None or isinstance(value, str | bool | int | Mapping | list | tuple):
        return False
    if type(value).__name__ in ("NaTType", "NAType"):
        return True
    is_scalar = isinstance(value, float | Decimal) or getattr(value, "ndim", None) == 0
    return is_scalar and bool(value != value)


def is_blank(value: Any) -> bool:
    """Whether a label is an empty text or an empty cell."""
    return is_empty_cell(value) or (isinstance(value, str) and not value.strip())


def _scalar(value: Any) -> Any:
    is_pandas = type(value).__name__ == "Timestamp"
    if is_pandas and value.tzinfo is None and value.time() == time():
        # pandas turns a column of dates into midnight timestamps.
        return value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return to_jsonable_python(value)
    if isinstance(value, Decimal):
        return to_jsonable(float(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return decode_text(value)
    if hasattr(value, "tolist"):
        return to_jsonable(_from_numpy(value))
    return str(value)


def _from_numpy(value: Any) -> Any:
    """The value of an array or a scalar of numpy or pandas in Python's own types."""
    if getattr(value, "ndim", 0):
        return list(value)
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind in "mM" and kind:
        # Units below these come as whole numbers, larger ones of a date as another type.
        moment = value.astype(f"{kind}8[us]").item()
        midnight = isinstance(moment, datetime) and moment.time() == time()
        return moment.date() if midnight else moment
    # Half the digits of a Python float: 12.3 stays 12.3.
    return float(str(value)) if kind == "f" else value.tolist()


def decode_text(value: Any, name: str = "a value") -> str:
    """Bytes as the UTF-8 text they are; FieldError, about `name`, if they are not."""
    try:
        return bytes(value).decode("utf-8-sig")
    except UnicodeDecodeError:
        hint = 'Decode the bytes first, such as value.decode("cp1252").'
        raise FieldError({name: "is not UTF-8 text."}, hint) from None
