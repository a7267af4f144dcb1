"""Replies on disk: a log while a chunk is asked, a Parquet part once it is done."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

from llmwidgets.comparison.cluster.folder import RunFolder
from llmwidgets.dialects.types import Enforcement, ResponseFormat, Usage
from llmwidgets.engine.journal_rows import Packed, Row, pack_output, read_row

_HEAD = struct.Struct("<II")
_TOKENS = tuple(each.name for each in fields(Usage))
_PLAIN = tuple(each.name for each in fields(Row) if each.name not in ("id", "usage"))


REPLIES = "replies"
"""The folder of the data set, with a folder for each variant."""
LOGS = "journal"


def part_name(variant: str, chunk: int) -> str:
    """The name of the part with a chunk's replies; a variant is called by its name."""
    return f"{REPLIES}/variant={variant}/part-{chunk:05}.parquet"


def find_variants(folder: RunFolder) -> set[str]:
    """The names of the variants that have replies or logs in a folder."""
    places = [*folder.names(REPLIES), *folder.names(LOGS)]
    return {each.rpartition("/variant=")[2] for each in places if "/variant=" in each}


def log_folder(variant: str, chunk: int) -> str:
    """The folder of a chunk's logs, one for each attempt."""
    return f"{LOGS}/variant={variant}/part-{chunk:05}"


def pack_log_entry(row: Row) -> bytes:
    """A row as a log has it: its length, a checksum, and the packed row."""
    key, *rest, facts, words = pack_output(row)
    plain = [key.hex() if isinstance(key, bytes) else key, *rest,
             facts.hex() if isinstance(facts, bytes) else [facts], words]  # fmt: skip
    data = json.dumps(plain).encode()
    return _HEAD.pack(len(data), zlib.crc32(data)) + data


def read_log(data: bytes) -> Iterator[Row]:
    """The rows of a log, up to the first that a writer's end cut short."""
    at = 0
    while at + _HEAD.size <= len(data):
        size, check = _HEAD.unpack_from(data, at)
        entry = data[at + _HEAD.size : at + _HEAD.size + size]
        if len(entry) < size or zlib.crc32(entry) != check:
            return
        at += _HEAD.size + size
        key, *rest, facts, words = json.loads(entry)
        facts = bytes.fromhex(facts) if isinstance(facts, str) else facts[0]
        row = read_row(0, (key, *rest, facts, words))
        if row is not None:
            yield row


def pack_part(rows: Sequence[Row], ids: Sequence[str], repeats: int) -> bytes:
    """A Parquet file with a row for each text and repeat, in their order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {
        "text_id": [each for each in ids for _ in range(repeats)],
        "repeat": list(range(repeats)) * len(ids),
    }
    columns |= {name: [getattr(row, name) for row in rows] for name in _PLAIN}
    columns |= {name: [getattr(row.usage, name) for row in rows] for name in _TOKENS}
    for name in ("form", "mode"):
        columns[name] = [each and each.value for each in columns[name]]
    for name in ("notes", "dropped"):
        columns[name] = [list(each) for each in columns[name]]
    table = pa.table(columns, schema=_schema())
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def read_part(data: bytes) -> list[Row]:
    """The rows of a part."""
    import pyarrow.parquet as pq

    listed = pq.read_table(io.BytesIO(data)).to_pylist()
    return [_row(each) for each in listed]


def _row(columns: dict[str, Any]) -> Row:
    usage = Usage(**{name: columns[name] for name in _TOKENS})
    plain = {name: columns[name] for name in _PLAIN}
    plain["form"] = plain["form"] and ResponseFormat(plain["form"])
    plain["mode"] = plain["mode"] and Enforcement(plain["mode"])
    plain["notes"], plain["dropped"] = tuple(plain["notes"]), tuple(plain["dropped"])
    return Row(usage=usage, **plain)


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
    names = ("text_id", "repeat", *_PLAIN, *_TOKENS)
    return pa.schema([(name, kinds.get(name, texts)) for name in names])


def count_answered(rows: Iterable[Row]) -> int:
    """How many of the rows a model answered."""
    return sum(row.answered for row in rows)


__all__ = ["Packed", "count_answered", "log_folder", "pack_log_entry", "pack_part", "part_name",
           "read_log", "read_part"]  # fmt: skip
