"""The journal of one chunk on a worker: what earlier attempts answered, and a log of this one."""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Sequence
from dataclasses import replace

from llmwidgets.comparison.cluster.folder import Log, RunFolder
from llmwidgets.comparison.cluster.parts import (
    log_folder,
    pack_log_entry,
    pack_part,
    part_name,
    read_log,
    read_part,
)
from llmwidgets.engine.journal_rows import Row


class PartJournal:
    """A journal for `Run` whose rows are in the run's folder before they count.

    Each attempt has a log of its own: two can run at once and neither harms the other. The first
    one to end writes the part.
    """

    on_disk = True
    notice = ""
    trouble = ("", "")

    def __init__(self, folder: RunFolder, variant: int, chunk: int) -> None:
        self._folder, self._variant, self._chunk = folder, variant, chunk
        self._rows: list[Row] = []
        self._by_key: dict[str, int] = {}
        self._log: Log | None = None
        self.logs = tuple(folder.names(log_folder(variant, chunk)))
        """The logs of earlier attempts."""
        part = folder.read(part_name(variant, chunk))
        self.had_part = part is not None
        before = read_part(part) if part is not None else []
        for name in self.logs:
            before += read_log(folder.read(name) or b"")
        for row in before:
            self._remember(row)

    def begin(self) -> None:
        """A run begins."""

    def settle(self) -> None:
        """A run ends: every row is in the log already."""

    def put(self, row: Row) -> int:
        """Append the row to the log; its id."""
        if self._log is None:
            name = f"{log_folder(self._variant, self._chunk)}/{secrets.token_hex(8)}.log"
            self._log = self._folder.open_log(name)
        self._log.append(pack_log_entry(row))
        return self._remember(row)

    def get(self, id: int) -> Row:  # noqa: A002
        """The row of this id; KeyError if there is none."""
        if not 0 < id <= len(self._rows):
            raise KeyError(id)
        return self._rows[id - 1]

    def find(self, key: str) -> Row | None:
        """The first answer to this question, or None: who answered first has it."""
        at = self._by_key.get(key)
        return None if at is None else self.get(at)

    def paid_since(self, moment: float) -> float:
        """The US dollars that replies from this moment on have cost; by the worker's own clock."""
        return sum(row.cost or 0.0 for row in self._rows if row.at >= moment)

    def finish(self, ids: array[int], text_ids: Sequence[str], repeats: int) -> bool:
        """Write the part with these rows; whether this attempt was the first to."""
        rows = [self.get(each) for each in ids]
        data, name = pack_part(rows, text_ids, repeats), part_name(self._variant, self._chunk)
        if self.had_part:
            self._folder.write(name, data)
            first = True
        else:
            first = self._folder.write_new(name, data)
        if self._log is not None:
            self._log.close()
        return first

    def _remember(self, row: Row) -> int:
        self._rows.append(replace(row, id=len(self._rows) + 1))
        if row.answered and row.key:
            self._by_key.setdefault(row.key, len(self._rows))
        return len(self._rows)
