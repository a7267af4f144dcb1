"""The rows of one turn of the loop, committed together before anybody hears of one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from llmwidgets.engine.journal import Row


class RowSink(Protocol):
    """What takes rows: a journal."""

    def put_all(self, rows: Sequence[Row]) -> list[int]:
        """Write the rows; they are committed, or in memory, when this returns. Their ids."""


class TurnCommits:
    """Collects the rows that end in one turn of the loop, and puts them down before the next.

    A commit takes as long as ten rows do. The loop never sleeps on a row: what is collected is
    put down before it looks for news from the network.
    """

    def __init__(self, journal: RowSink) -> None:
        self._journal = journal
        self._rows: list[tuple[Row, asyncio.Future[int]]] = []

    async def put(self, row: Row) -> int:
        """The row's id, once it is committed; raises what the journal raises."""
        loop = asyncio.get_running_loop()
        if not self._rows:
            loop.call_soon(self.flush)
        committed: asyncio.Future[int] = loop.create_future()
        self._rows.append((row, committed))
        return await committed

    def flush(self) -> None:
        """Commit what was collected; also the rows of those who have been cancelled meanwhile."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        try:
            ids = self._journal.put_all([row for row, _ in rows])
        except Exception as error:  # noqa: BLE001 - raised by each of those who wait
            for _, committed in rows:
                if not committed.done():
                    committed.set_exception(error)
            return
        for id_, (_, committed) in zip(ids, rows, strict=True):
            if not committed.done():
                committed.set_result(id_)
