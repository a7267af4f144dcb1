"""Replies on disk: a log while a chunk is asked, a Parquet part once it is done."""

from __future__ import annotations

import io
import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from operator import attrgetter
from typing import Any

from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.dialects.types import Enforcement, ResponseFormat, Usage
from llmwidgets.engine.journal_rows import Row, current_status, is_sound
from llmwidgets.errors import FailureCode, InternalError, LLMWidgetsError

REPLIES = "replies"
"""The folder of the data set, with a folder for each variant."""
LOGS = "journal"

_TOKENS = tuple(each.name for each in fields(Usage))
_PLAIN = tuple(each.name for each in fields(Row) if each.name not in ("id", "usage"))
_NAMES = (*_PLAIN, *_TOKENS)
_values_of = attrgetter(*_PLAIN, *(f"usage.{name}" for name in _TOKENS))
_DEFAULTS = {each.name: None if each.default is MISSING else each.default for each in fields(Row)}
_UNSAID = tuple(_DEFAULTS.get(name) for name in _NAMES)
_FIGURES = ("seconds", "waiting_seconds", "cost")
_COUNTS = ("tries", "timed_out")
_LARGEST = 1e11
_MOST_BYTES, _MOST_BYTES_A_ROW = 64_000_000, 1_000_000
"""Of a part that is unpacked; models answer less, and whoever else wrote it anything."""


def part_name(variant: str, chunk: int) -> str:
    """The name of the part with a chunk's replies; a variant is called by its name."""
    return f"{REPLIES}/variant={variant}/part-{chunk:05}.parquet"


def find_variants(folder: RunFolder) -> set[str]:
    """The names of the variants that have replies or logs in a folder."""
    places = [*folder.names(REPLIES), *folder.names(LOGS)]
    return {each.split("/")[1].removeprefix("variant=") for each in places if "variant=" in each}


def log_folder(variant: str, chunk: int) -> str:
    """The folder of a chunk's logs, one for each attempt."""
    return f"{LOGS}/variant={variant}/part-{chunk:05}"


# -- A log: an entry is a line with a checksum and the values of a row that are not the usual ones,
# as JSON. It begins with the end of a line, so that it can be read behind one that was cut.


def pack_log_entry(row: Row) -> bytes:
    """A row as a log has it."""
    said = {
        name: value
        for name, value, usual in zip(_NAMES, _values_of(row), _UNSAID, strict=True)
        if value != usual
    }
    data = _encode(said).encode()
    return b"\n%08x %s\n" % (zlib.crc32(data), data)


_encode = json.JSONEncoder(check_circular=False).encode


def read_log(data: bytes) -> Iterator[Row]:
    """The rows of a log; an entry that was cut or broken is left out."""
    for line in data.split(b"\n"):
        check, entry = line[:8], line[9:]
        if line and check == b"%08x" % zlib.crc32(entry):
            try:
                yield _read_values(json.loads(entry))
            except _UNREADABLE:
                continue


# -- A part: a column for each value. What a column cannot hold (half of a pair of surrogates, a
# number of more than 64 bits) is in the column `exact`, and in its own one as far as it can be.


def pack_part(rows: Sequence[Row], ids: Sequence[str], repeats: int) -> bytes:
    """A Parquet file with a row for each text and repeat, in their order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {
        "text_id": [_fit_text(each) for each in ids for _ in range(repeats)],
        "repeat": list(range(repeats)) * len(ids),
    }
    columns |= {name: [getattr(row, name) for row in rows] for name in _PLAIN}
    columns |= {name: [getattr(row.usage, name) for row in rows] for name in _TOKENS}
    for name in ("form", "mode"):
        columns[name] = [each and each.value for each in columns[name]]
    for name in ("notes", "dropped"):
        columns[name] = [list(each) for each in columns[name]]
    columns["exact"] = [None] * len(rows)
    try:
        table = pa.table(columns, schema=_schema())
    except (pa.ArrowException, UnicodeError, OverflowError, TypeError):
        table = pa.table(_fit(columns, len(rows)), schema=_schema())
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def read_part(data: bytes, name: str = "a part") -> list[Row]:
    """The rows of a part; InternalError for a file that cannot be read as one.

    A row that somebody's hand has broken is the row of such a failure, so that the others can be
    looked at.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(data))
        names = [each for each in (*_NAMES, "exact") if each in table.column_names]
        listed = [table.column(each).to_pylist() for each in names]
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise _broken_part(name, type(error).__name__) from None
    if not {"key", "status"} <= set(names):
        raise _broken_part(name, "it has other columns")
    rows = zip(*listed, strict=True)
    return [_read_row(dict(zip(names, each, strict=True)), name) for each in rows]


def is_of_size(data: bytes, rows: int) -> bool:
    """Whether a file says that it has this number of rows, and unpacks to what fits.

    True for what cannot be read at all: whoever reads it hears why.
    """
    import pyarrow.parquet as pq

    try:
        about = pq.read_metadata(io.BytesIO(data))
        groups = (about.row_group(at) for at in range(about.num_row_groups))
        size = sum(each.total_byte_size for each in groups)
    except Exception:  # noqa: BLE001 - what reads files raises anything for a damaged one
        return True
    return bool(about.num_rows == rows and 0 <= size <= _MOST_BYTES + rows * _MOST_BYTES_A_ROW)


def read_text_ids(data: bytes) -> tuple[list[str], int]:
    """The ids of a part's texts, and how often each was asked."""
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data), columns=["text_id", "repeat"])
    ids, places = (each.to_pylist() for each in table.columns)
    repeats = max(places, default=0) + 1
    return ids[::repeats], repeats


def _read_row(values: dict[str, Any], name: str) -> Row:
    try:
        exact = values.pop("exact", None)
        return _read_values(values if exact is None else values | json.loads(exact))
    except _UNREADABLE:
        return Row.of_failure("", _broken_part(name, "a row is not sound"))


def _broken_part(name: str, why: str) -> InternalError:
    return InternalError(
        f"The run's folder no longer has this reply: {name} is broken ({why}).",
        "Run the comparison again with the same journal= to ask for what is missing.",
        code=FailureCode.JOURNAL.value,
    )


def as_lost(error: LLMWidgetsError, name: str) -> InternalError:
    """The failure of a reply whose part cannot be read for this reason."""
    return error if isinstance(error, InternalError) else _broken_part(name, error.message)


def lost_row(name: str) -> Row:
    """The row of a reply whose part has gone."""
    return Row.of_failure("", _broken_part(name, "it is not there"))


_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)


def _read_values(values: Mapping[str, Any]) -> Row:
    """The row of these values; one of _UNREADABLE if they are not those of a row.

    A figure that cannot be right (below 0, far too large) is as good as unknown.
    """
    plain = {name: values[name] for name in _PLAIN if name in values}
    for name, kind in (("form", ResponseFormat), ("mode", Enforcement)):
        plain[name] = None if plain.get(name) is None else kind(plain[name])
    for name in ("notes", "dropped"):
        plain[name] = tuple(plain.get(name, ()))
    for name in _FIGURES:
        plain[name] = _figure(plain.get(name))
    for name in (*_COUNTS, "at"):
        plain[name] = _figure(plain.get(name)) or 0
    plain["status"] = current_status(plain["status"], plain.get("code", ""))
    usage = Usage(**{name: _figure(values.get(name)) for name in _TOKENS})
    row = Row(usage=usage, **plain)
    if not (is_sound(row) and isinstance(row.key, str)):
        raise ValueError
    return row


def _figure(value: Any) -> Any:
    return None if value is None or not 0 <= value < _LARGEST else value


def _fit(columns: Mapping[str, list[Any]], size: int) -> dict[str, list[Any]]:
    fitting, exact = dict(columns), [dict[str, Any]() for _ in range(size)]
    kinds = _schema()
    for name in _NAMES:
        fit = _fitted_by(str(kinds.field(name).type))
        fitting[name] = [fit(each) for each in columns[name]]
        for at, (value, fitted) in enumerate(zip(columns[name], fitting[name], strict=True)):
            # What is no number is equal to nothing, and is as it was.
            if value != fitted and value == value:
                exact[at][name] = value
    fitting["exact"] = [json.dumps(each) if each else None for each in exact]
    return fitting


def _fitted_by(kind: str) -> Callable[[Any], Any]:
    known: dict[str, Callable[[Any], Any]] = {
        "string": _fit_text, "int64": _fit_whole, "double": _fit_number,
    }  # fmt: skip
    return known.get(kind) or (_fit_texts if kind.startswith("list") else lambda value: value)


def _fit_text(text: str | None) -> str | None:
    return text if text is None or text.isascii() else text.encode("utf-8", "replace").decode()


def _fit_texts(texts: Iterable[str]) -> list[str | None]:
    return [_fit_text(each) for each in texts]


def _fit_whole(number: int | None) -> int | None:
    return number if number is not None and -(2**63) <= number < 2**63 else None


def _fit_number(number: float | None) -> float | None:
    try:
        return None if number is None else float(number)
    except OverflowError:
        return math.inf


def _schema() -> Any:
    import pyarrow as pa

    texts, numbers = pa.string(), pa.float64()
    kinds: dict[str, Any] = {
        "text_id": texts, "repeat": pa.int32(), "at": numbers, "seconds": numbers,
        "waiting_seconds": numbers, "cost": numbers, "schema_shown": pa.bool_(),
        "perhaps_answered": pa.bool_(), "notes": pa.list_(texts), "dropped": pa.list_(texts),
    }  # fmt: skip
    whole = ("tries", "timed_out", "output_limit", "http_status", *_TOKENS)
    kinds |= dict.fromkeys(whole, pa.int64())
    names = ("text_id", "repeat", *_NAMES, "exact")
    return pa.schema([(name, kinds.get(name, texts)) for name in names])
