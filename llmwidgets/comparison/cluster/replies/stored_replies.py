"""The replies of a run on a cluster, read from their parts when they are looked at."""

from __future__ import annotations

import io
import json
import secrets
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from typing import Any

from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.replies.parts import (
    as_lost,
    is_of_size,
    lost_row,
    part_name,
    read_part,
)
from llmwidgets.comparison.core import ResultIndex
from llmwidgets.dialects.types import Enforcement
from llmwidgets.engine.extraction import OTHERS_BROKE, unenforced_row
from llmwidgets.engine.journal import Journal, Row
from llmwidgets.engine.journal_rows import pack_key
from llmwidgets.errors import FAILURES, LLMWidgetsError

_SHIFT = 1 << 20
"""Ids of rows are those of their part times this, and their number in it from 1."""
MOST_ROWS = _SHIFT - 1
"""More than these no part has."""
_IN_MEMORY = 1 << 60

_KEPT_BYTES = 64_000_000
_ROW_BYTES = 1_500
"""What a row takes in memory besides its reply, about."""

_LOOKS = "looks"
"""The folder with a file for each look at a verdict, by whatever process."""


class StoredReplies(Journal):
    """A journal whose rows are those of parts; what is put besides stays in memory.

    `names` are those under which the variants of the run have their replies, `sizes` the rows that
    each chunk has; `unenforced` says of a variant and a place among all rows of one, counted from
    0, whether its schema turned out not to be enforced. The chunks are those from `first` on. Safe
    from any thread.
    """

    def __init__(
        self, folder: RunFolder, names: Sequence[str], sizes: Sequence[int],
        unenforced: Callable[[int, int], bool] = lambda _variant, _place: False, first: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(False)
        self.folder, self.names, self.sizes = folder, tuple(names), tuple(sizes)
        self._starts = tuple(accumulate(sizes, initial=0))
        self._unenforced, self._first = unenforced, first
        self._parts: OrderedDict[tuple[int, int], list[Row]] = OrderedDict()
        self._bytes = 0
        self._reading = threading.Lock()
        self._known: dict[str | bytes, int] | None = None

    # -- rows ------------------------------------------------------------------------------------

    def row_id(self, variant: int, chunk: int, number: int) -> int:
        """The id of a row: the number counts from 0 within its part."""
        return (variant * len(self.sizes) + chunk + 1) * _SHIFT + number + 1

    def put_all(self, rows: Sequence[Row]) -> list[int]:
        """Keep rows in memory."""
        return [_IN_MEMORY + each for each in super().put_all(rows)]

    def get(self, id: int) -> Row:  # noqa: A002
        """The row of this id; KeyError if there is none.

        One whose part is gone or damaged is an InternalError, so that the others can be looked at.
        """
        if id >= _IN_MEMORY:
            return replace(super().get(id - _IN_MEMORY), id=id)
        variant, chunk, number = self._find_place(id)
        rows = self._part(variant, chunk)
        # Of a part that cannot be read, every row is the one that says why.
        return rows[number] if number < len(rows) else replace(rows[0], id=id)

    def get_all(self, ids: Sequence[int]) -> list[Row]:
        """The rows of these ids."""
        return list(map(self.get, ids))

    def find(self, key: str) -> Row | None:
        """An answer to this question, or None; the parts are looked through once for all keys."""
        found = super().find(key)
        if found is not None:
            return replace(found, id=_IN_MEMORY + found.id)
        with self._reading:
            if self._known is None:
                self._known = {key: id_ for id_, key in self._answered()}
        known = self._known.get(pack_key(key))
        return None if known is None else self.get(known)

    def query(self, statement: str, *values: object) -> list[Any]:
        """Nothing: there is no table beside the rows."""
        return []

    def reopened(self) -> Journal:
        """This machine's journal, in which the replies of these parts are found as well."""
        return _JournalBeside(self)

    def _find_place(self, id_: int) -> tuple[int, int, int]:
        part, number = divmod(id_, _SHIFT)
        variant, chunk = divmod(part - 1, max(1, len(self.sizes)))
        known = part > 0 and variant < len(self.names) and 0 < number <= self.sizes[chunk]
        if not known:
            raise KeyError(id_)
        return variant, chunk, number - 1

    def _part_name(self, variant: int, chunk: int) -> str:
        return part_name(self.names[variant], self._first + chunk)

    def _part(self, variant: int, chunk: int) -> list[Row]:
        """The rows of a part; the one that says why if it is gone, or not what the run wrote."""
        at = variant, chunk
        with self._reading:
            if at in self._parts:
                self._parts.move_to_end(at)
                return self._parts[at]
        rows = list(self._read_part(variant, chunk))
        with self._reading:
            if at not in self._parts:
                self._parts[at] = rows
                self._bytes += _size_of(rows)
            while self._bytes > _KEPT_BYTES and len(self._parts) > 1:
                self._bytes -= _size_of(self._parts.popitem(last=False)[1])
        return rows

    def _read_part(self, variant: int, chunk: int) -> Iterator[Row]:
        name = self._part_name(variant, chunk)
        try:
            data = self.folder.read(name)
            there = data is not None and is_of_size(data, self.sizes[chunk])
            rows = read_part(data or b"", name) if there else []
        except LLMWidgetsError as error:
            yield Row.of_failure("", as_lost(error, name))
            return
        if len(rows) != self.sizes[chunk]:
            yield lost_row(name)
            return
        for number, row in enumerate(rows):
            place = self._starts[chunk] + number
            if row.mode is Enforcement.SCHEMA and self._unenforced(variant, place):
                row = unenforced_row(row, OTHERS_BROKE)
            yield replace(row, id=self.row_id(variant, chunk, number))

    def _answered(self) -> Iterator[tuple[int, str | bytes]]:
        """The id and the key of every row that a model answered; of each part two columns."""
        import pyarrow.parquet as pq

        for variant in range(len(self.names)):
            for chunk, size in enumerate(self.sizes):
                keys: list[str] = []
                with suppress(Exception):
                    data = self.folder.read(self._part_name(variant, chunk)) or b""
                    if not is_of_size(data, size):
                        continue
                    columns = pq.read_table(io.BytesIO(data), columns=["key", "status"])
                    keys, states = (columns.column(each).to_pylist() for each in (0, 1))
                if len(keys) != size:
                    continue
                for number, (key, status) in enumerate(zip(keys, states, strict=True)):
                    if key and (status == "ok" or getattr(FAILURES.get(status), "scored", False)):
                        yield self.row_id(variant, chunk, number), pack_key(key)

    # -- looks: a file each, since no file of an object store can grow ---------------------------

    def put_look(self, scored: int, keys: Sequence[Sequence[str]]) -> None:
        """Note that a verdict on `scored` texts was looked at, with some rows of each variant.

        If the folder does not take it, the count is lost, nothing else.
        """
        with self._reading:
            rows = {row.key: row.id for part in self._parts.values() for row in part}
        listed = [[self._named(rows[key]) for key in each if key in rows] for each in keys]
        data = json.dumps({"scored": scored, "rows": list(filter(None, listed))}).encode()
        with suppress(LLMWidgetsError):
            self.folder.write_new(f"{_LOOKS}/{secrets.token_hex(8)}.json", data)

    def looks(self, ids: Collection[int]) -> set[int]:
        """On how many texts verdicts were looked at that had these rows in them.

        Two variants of a look are enough, or its only one: they were compared.
        """
        looks = set[int]()
        for name in list(self.folder.names(_LOOKS)):
            # Anybody may have written it.
            with suppress(LLMWidgetsError, ValueError, TypeError, KeyError, RecursionError):
                look = json.loads(self.folder.read(name) or b"")
                here = sum(all(self._id_of(*row) in ids for row in rows) for rows in look["rows"])
                if look["rows"] and here >= min(2, len(look["rows"])):
                    looks.add(int(look["scored"]))
        return looks

    def _named(self, id_: int) -> tuple[str, int, int]:
        variant, chunk, number = self._find_place(id_)
        return self.names[variant], chunk, number

    def _id_of(self, name: str, chunk: int, number: int) -> int:
        """The id of a row in this comparison; 0, which no row has, without its variant."""
        known = name in self.names
        return self.row_id(self.names.index(name), int(chunk), int(number)) if known else 0


def _size_of(rows: Iterable[Row]) -> int:
    return sum(_ROW_BYTES + len(row.reply or "") for row in rows)


class _JournalBeside(Journal):
    """A journal that writes down of itself what it finds in the parts of a run."""

    def __init__(self, before: StoredReplies) -> None:
        super().__init__()
        self._before = before

    def find(self, key: str) -> Row | None:
        """The newest row of this question that the model answered, or None."""
        own = super().find(key)
        found = self._before.find(key) if own is None else None
        # Without an id it is put down here before it counts.
        return own if found is None else replace(found, id=0)


def index_replies(
    replies: StoredReplies, texts: int, repeats: int,
    reused: Mapping[tuple[int, int], bytes], rest: Mapping[tuple[int, int], Row],
) -> ResultIndex:  # fmt: skip
    """The index of a run's rows, by variant and chunk.

    `reused` has a byte for each row of a part, `rest` the row of all questions of a chunk without
    one; what is in neither was not asked.
    """
    ids, again, known = array("q"), bytearray(), dict[int, int]()
    for variant in range(len(replies.names)):
        for chunk, size in enumerate(replies.sizes):
            row, flags = rest.get((variant, chunk)), reused.get((variant, chunk))
            again += bytes(size) if row is not None or flags is None else flags.ljust(size, b"\0")
            if row is not None:
                if id(row) not in known:
                    known[id(row)] = replies.put(row)
                ids.extend(array("q", [known[id(row)]]) * size)
            elif flags is not None:
                first = replies.row_id(variant, chunk, 0)
                ids.extend(range(first, first + size))
            else:
                ids.extend(array("q", bytes(8 * size)))
    return ResultIndex(len(replies.names), texts, repeats, ids, map(bool, again))
