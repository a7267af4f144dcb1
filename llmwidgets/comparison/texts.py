"""What notebooks give: texts with ids and groups, and any value (pandas, pydantic …) as JSON."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from itertools import chain
from os import PathLike
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from llmwidgets.comparison.files import names_file, read_document, read_paths, read_texts
from llmwidgets.comparison.tables import match_names, missing_text
from llmwidgets.errors import FieldError
from llmwidgets.formatting import join_truncated, with_article
from llmwidgets.schemas.canonical import item_path, property_path
from llmwidgets.secret import Secret

if TYPE_CHECKING:
    from llmwidgets.engine.request_builder import Document

_PDF_NAME = re.compile(r"[^\n]{1,1000}\.pdf\s*", re.IGNORECASE)
_PDF_HINT = (
    "Give its file as a Path: Path(…). What reads it is an extra, by pypdfium2: "
    'pip install "llmwidgets[pdf]".'
)


@dataclass(frozen=True, slots=True)
class TextSource:
    """One text as the user gave it; what its row does not have is None.

    `note` says what was assumed when its file was read.
    """

    id: str
    text: str
    truth: Any = None
    schema: Any = None
    group: Any = None
    note: str = ""


def read_sources(
    texts: Any, *, allow_empty: bool = False, group: str | None = None
) -> tuple[TextSource, ...]:
    """The texts with their ids ("text-01"… where none is given); FieldError names each misfit.

    A path, alone or in a list, is read; so is a string that is the name of a table. Empty texts
    are refused unless `allow_empty` (outputs that were made elsewhere). `group` is the column or
    key that says which texts belong together.
    """
    if isinstance(texts, tuple) and texts and isinstance(texts[0], TextSource):
        return texts  # read before, as a panel does
    rows = _rows(texts, group)
    if not rows:
        raise FieldError({"texts": "is empty."}, "Give at least one text.")
    if group is not None:
        _refuse_unknown(group, rows, texts)
    width = max(2, len(str(len(rows))))
    problems: dict[str, str] = {}
    sources = []
    likely = ""
    for at, row in enumerate(rows, 1):
        default = f"text-{at:0{width}}"
        source, problem = _source(row, default, group)
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


def file_notes(texts: Iterable[Document]) -> tuple[str, ...]:
    """What was assumed when the files of these texts and of their truth were read."""
    return tuple(dict.fromkeys(note for text in texts for note in text.notes))


def find_repeated(names: Iterable[str]) -> list[str]:
    """The names that appear more than once."""
    return [name for name, times in Counter(names).items() if times > 1]


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
    if names_file(texts, "texts"):
        return list(read_texts(texts))
    if isinstance(texts, str | bytes):
        return [texts]
    if hasattr(texts, "to_dict") and hasattr(texts, "columns"):
        return _rows_of_frame(texts, group)
    if isinstance(texts, Mapping):
        if "text" in texts:
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
    wanted = dict.fromkeys((*found, *([group] if group is not None else [])))
    kept = [name for name in wanted if name in frame.columns]
    return list(frame[kept].to_dict("records"))


def _source(row: Any, default: str, group: str | None) -> tuple[TextSource, str]:
    """The row as a source, and what is wrong with it."""
    if not isinstance(row, Mapping):
        row = {"text": row}
    found, unclear = match_names(row)
    named = {key: row[name] for name, key in found.items()}
    name = named.get("id")
    name = default if name is None or is_empty_cell(name) else str(name)
    if unclear or "text" not in named:
        return TextSource(name, ""), unclear or missing_text([row], "key")[0]
    text, truth, schema = named["text"], named.get("truth"), named.get("schema")
    if isinstance(text, PathLike):
        text = read_document(text)
    source = TextSource(
        name,
        text if isinstance(text, str) else "",
        None if is_empty_cell(truth) else truth,
        None if is_empty_cell(schema) else schema,
        None if group is None else row.get(group),
        getattr(row, "note", ""),
    )
    if _is_pdf(text):
        return source, "is a PDF, not a text."
    if isinstance(text, str) or text is None or is_empty_cell(text):
        return source, ""
    return source, f"is {with_article(type(text).__name__)}, not a text."


def _is_pdf(text: Any) -> bool:
    if isinstance(text, bytes):
        return text.lstrip()[:4] == b"%PDF"
    return isinstance(text, str) and (
        text.lstrip()[:4] == "%PDF" or bool(_PDF_NAME.fullmatch(text))
    )


def _misfits(problems: Mapping[str, str], likely: str) -> FieldError:
    shown = dict(list(problems.items())[:5])
    more = len(problems) - len(shown)
    hint = f"{more} more texts have a problem. " if more else ""
    if likely:
        hint += f'Rename the key: texts = [{{**row, "text": row[{likely}]}} for row in texts].'
    elif any("PDF" in problem for problem in problems.values()):
        hint += _PDF_HINT
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
    ids = [source.id for source in sources]
    own = [source.group for source in sources] if isinstance(group, str) else group
    hint = "Give one for each text, or a dict by id; the keys of a dict are the ids of the texts."
    groups = [to_jsonable(each) for each in align(own, ids, "group", "entries", hint)]
    bare = [name for name, each in zip(ids, groups, strict=True) if each is None or is_blank(each)]
    if bare:
        missing = f"is missing for {len(bare):,} of {len(ids):,} texts: {join_truncated(bare)}."
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


def align(values: Iterable[Any], ids: Sequence[str], name: str, noun: str, hint: str) -> list[Any]:
    """Values in the order of the texts, from a list or a dict by id; None for an id without one.

    FieldError for a list of another length and for unknown ids, about `name`.
    """
    if isinstance(values, Mapping):
        named = {str(key): value for key, value in values.items()}
        known = set(ids)
        if unknown := [key for key in named if key not in known]:
            raise FieldError({name: f"no text has the id {join_truncated(unknown)}."}, hint)
        return [named.get(key) for key in ids]
    listed = list(values)
    if len(listed) != len(ids):
        raise FieldError({name: f"has {len(listed):,} {noun} for {len(ids):,} texts."}, hint)
    return listed


# -- Values from notebooks as plain JSON.

_EXACT = 2**53


def to_jsonable(value: Any, *, keep_blanks: bool = False) -> Any:
    """The value as JSON; a key whose cell is blank (NaN, NaT, NA) is left out as not labelled.

    `keep_blanks` leaves such cells as they are.
    """
    if value is None or isinstance(value, str | bool | int):
        return value.value if isinstance(value, Enum) else value
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
    return isinstance(value, float | Decimal) and value != value


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
    if isinstance(value, Enum):
        return to_jsonable(value.value)
    if hasattr(value, "tolist"):
        return to_jsonable(value.tolist())
    return str(value)
