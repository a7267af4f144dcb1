"""Values from notebooks and tables (pandas, numpy, pydantic …) as plain JSON."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from llmwidgets.errors import FieldError
from llmwidgets.schemas.canonical import item_path, property_path
from llmwidgets.secret import Secret

_EXACT = 2**53

_PLAIN_TYPES = frozenset({str, int, bool, type(None)})
"""What is JSON as it is, and never an empty cell: most of what tables have."""


def to_jsonable(value: Any, *, keep_blanks: bool = False) -> Any:
    """The value as JSON; a key whose cell is blank (NaN, NaT, NA) is left out as not labelled.

    `keep_blanks` leaves such cells as they are. FieldError for a value that contains itself.
    """
    try:
        return _to_jsonable(value, keep_blanks=keep_blanks)
    except RecursionError:
        raise too_deep() from None


def too_deep() -> FieldError:
    """The error for a value whose end is not found."""
    message = "A value is nested too deeply to be read, or it contains itself."
    return FieldError(message, "Give a value as JSON has them, with fewer levels.")


def _to_jsonable(value: Any, *, keep_blanks: bool = False) -> Any:
    if type(value) in _PLAIN_TYPES:
        return value
    if type(value) is float and value == value:
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if type(value) is dict:
        # Most of what a record has is JSON as it is.
        return {
            key if type(key) is str else str(key):
                each if type(each) in _PLAIN_TYPES else _to_jsonable(each, keep_blanks=keep_blanks)
            for key, each in value.items()
            if type(each) in _PLAIN_TYPES or keep_blanks or not is_empty_cell(each)
        }  # fmt: skip
    if isinstance(value, Enum):
        return _to_jsonable(value.value)
    if value is None or isinstance(value, bool):
        return value
    if keep_blanks and is_empty_cell(value):
        return value
    # What only derives from these, as numpy's do, is not JSON for its validator.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT else float(value)
    if type(value) is not dict and isinstance(value, BaseModel):
        return _to_jsonable(_as_json(value))
    if type(value) is not dict and _is_dataclass(value):
        return _to_jsonable(dataclasses.asdict(value))  # type: ignore[arg-type]
    if isinstance(value, Mapping) or _is_row(value):
        return {
            str(key): _to_jsonable(each, keep_blanks=keep_blanks)
            for key, each in value.items()
            if keep_blanks or not is_empty_cell(each)
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [
            None if is_empty_cell(each) and not keep_blanks
            else _to_jsonable(each, keep_blanks=keep_blanks)
            for each in value
        ]  # fmt: skip
    return _scalar(value)


Scalar = str | int | float | bool

_PLAIN = (str, int, float, Decimal, date, time, timedelta, Enum, UUID, bytes, bytearray, memoryview)
_LONGEST = 500


def to_scalar(value: Any) -> Scalar | None:
    """The value of a cell as one text, number or bool; None if it is empty or anything else.

    Lists, dicts, objects, secrets, what is not finite and texts of over 500 characters are not
    one value by which texts could be told apart.
    """
    if type(value) is str:
        plain = whole_text(value).strip()
        return plain if 0 < len(plain) <= _LONGEST else None
    if is_nothing(value):
        return None
    # The scalars of numpy and pandas: an Interval, a Period, a Timestamp.
    of_table = type(value).__module__.partition(".")[0] in ("numpy", "pandas")
    if not isinstance(value, _PLAIN) and not of_table:
        return None
    try:
        plain = to_jsonable(value)
    except FieldError:
        return None
    if isinstance(plain, str):
        plain = whole_text(plain).strip()
        return plain if 0 < len(plain) <= _LONGEST else None
    if isinstance(plain, float) and not math.isfinite(plain):
        return None
    return plain if isinstance(plain, int | float) else None


def find_repeated(names: Iterable[str]) -> list[str]:
    """The names that appear more than once."""
    return [name for name, times in Counter(names).items() if times > 1]


def _is_row(value: Any) -> bool:
    """Whether this is a row of a DataFrame: a Series whose index names its values."""
    is_series = hasattr(value, "items") and hasattr(value, "index") and hasattr(value, "name")
    return is_series and all(isinstance(each, str) for each in value.index)


def name_of(key: Any) -> str:
    """A key of an index or a cell with an id as a name; 1.0, a number beside blanks, is 1."""
    if is_bytes(key):
        return decode_text(key, "an id")
    whole = isinstance(key, float) and key.is_integer()
    return whole_text(str(int(key)) if whole else str(key))


def whole_text(text: str) -> str:
    """The text as tables and files take it: half a character (`\\ud800`) is written out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


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
    if type(value) is dict:
        for name, each in value.items():
            if type(each) not in _PLAIN_TYPES and type(each) is not float:
                yield from find_secrets(each, property_path(path, str(name)))
    elif isinstance(value, Secret) or hasattr(type(value), "get_secret_value"):
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
    if type(value) in _PLAIN_TYPES or isinstance(value, str | int | Mapping | list | tuple):
        return False
    if type(value) is float:
        return value != value
    if type(value).__name__ in ("NaTType", "NAType"):
        return True
    if isinstance(value, Decimal):
        return value.is_nan()
    is_scalar = isinstance(value, float) or getattr(value, "ndim", None) == 0
    return is_scalar and bool(value != value)


def is_blank(value: Any) -> bool:
    """Whether a label is an empty text or an empty cell."""
    return is_empty_cell(value) or (isinstance(value, str) and not value.strip())


def is_nothing(value: Any) -> bool:
    """Whether a cell of a table is null, or blank."""
    return value is None or is_blank(value)


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
    if is_bytes(value):
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


def is_bytes(value: Any) -> bool:
    """Whether this is a text that was not decoded."""
    return isinstance(value, bytes | bytearray | memoryview)


def decode_text(value: Any, name: str = "a value") -> str:
    """Bytes as the UTF-8 text they are; FieldError, about `name`, if they are not."""
    try:
        return bytes(value).decode("utf-8-sig")
    except UnicodeDecodeError:
        hint = 'Decode the bytes first, such as value.decode("cp1252").'
        raise FieldError({name: "is not UTF-8 text."}, hint) from None
