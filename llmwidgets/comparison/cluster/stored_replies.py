"""The replies of a run on a cluster, read from their parts when they are looked at."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from llmwidgets.comparison.cluster.folder import RunFolder
from llmwidgets.comparison.cluster.parts import part_name, read_part
from llmwidgets.engine.journal import Journal, Row

_SHIFT = 1 << 20
"""Ids of rows are those of their part times this, and their number in it from 1."""
_IN_MEMORY = 1 << 60


class StoredReplies(Journal):
    """A journal whose rows are those of parts; what is put besides stays in memory.

    `names` are those under which the variants of the run have their replies.
    """

    def __init__(self, folder: RunFolder, names: Sequence[str], chunks: int) -> None:
        super().__init__(False)
        self._folder, self._names, self._chunks = folder, tuple(names), chunks
        self._part = lru_cache(maxsize=16)(self._read_part)

    def row_id(self, variant: int, chunk: int, number: int) -> int:
        """The id of a row: the number counts from 0 within its part."""
        return (variant * self._chunks + chunk + 1) * _SHIFT + number + 1

    def put(self, row: Row) -> int:
        """Keep a row in memory."""
        return _IN_MEMORY + super().put(row)

    def get(self, id: int) -> Row:  # noqa: A002
        """The row of this id; KeyError if there is none."""
        if id >= _IN_MEMORY:
            return replace(super().get(id - _IN_MEMORY), id=id)
        part, number = divmod(id, _SHIFT)
        rows = self._part(*divmod(part - 1, self._chunks))
        if not 0 < number <= len(rows):
            raise KeyError(id)
        return replace(rows[number - 1], id=id)

    def get_all(self, ids: Sequence[int]) -> list[Row]:
        """The rows of these ids."""
        return list(map(self.get, ids))

    def looks(self, ids: Collection[int]) -> set[int]:
        """None that are known: the looks of this process are with its results."""
        return set()

    def query(self, statement: str, *values: object) -> list[Any]:
        """Nothing: there is no table beside the rows."""
        return []

    def _read_part(self, variant: int, chunk: int) -> list[Row]:
        data = self._folder.read(part_name(self._names[variant], chunk))
        return [] if data is None else read_part(data)
