"""The journal of one chunk on a worker: what earlier attempts answered, and a log of this one."""

from __future__ import annotations

import hashlib
import re
import secrets
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

from llmwidgets.comparison.cluster.replies.folder import Log, RunFolder
from llmwidgets.comparison.cluster.replies.parts import (
    LOGS,
    log_folder,
    pack_log_entry,
    pack_part,
    part_name,
    read_log,
    read_part,
    read_text_ids,
)
from llmwidgets.engine.journal_rows import Row
from llmwidgets.errors import FieldError, InternalError, Stopped


class PaidTwice(NamedTuple):
    """Answers that were paid for besides those that count, and what they cost in US dollars."""

    rows: int = 0
    dollars: float = 0.0


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """What a folder has of a chunk of one variant: its part, and the logs of its attempts.

    `logs` has the rows of each log, the earliest first; in an object store one is several files.
    """

    part: tuple[Row, ...] | None
    logs: dict[str, list[Row]]
    files: dict[str, list[str]]

    @property
    def rows(self) -> list[Row]:
        """All rows in the order in which they count: those of the part first."""
        return [*(self.part or ()), *sorted(chain(*self.logs.values()), key=lambda row: row.at)]


def read_chunk(folder: RunFolder, variant: str, chunk: int, *, besides: str = "") -> StoredChunk:
    """What the folder has of a chunk by now, `besides` one attempt; InternalError if broken."""
    files: dict[str, list[str]] = {}
    for name in folder.names(log_folder(variant, chunk)):
        attempt, _, kind = name.rpartition("/")[2].partition(".")
        if kind.startswith("log") and attempt != besides:
            files.setdefault(attempt, []).append(name)
    logs = {
        attempt: [row for name in names for row in read_log(folder.read(name) or b"")]
        for attempt, names in files.items()
    }
    # After the logs: one that is removed meanwhile has its answers in the part.
    return StoredChunk(_read_whole_part(folder, part_name(variant, chunk)), logs, files)


def _read_whole_part(folder: RunFolder, name: str) -> tuple[Row, ...] | None:
    data = folder.read(name)
    while data is not None:
        try:
            return tuple(read_part(data, name))
        except InternalError:
            # An object that is replaced while it is read can come as a piece of the new one.
            again = folder.read(name)
            if again == data:
                raise
            data = again
    return None


class PartJournal:
    """A journal for `Run` whose rows are in the run's folder before they count.

    Each attempt has a log of its own: two can run at once and neither harms the other. Who ends
    first writes the part; who ends later adds what the part has no answer for. A row that the
    folder does not take stays in memory, `trouble` says why, and the run is better stopped.
    FieldError if the folder cannot be written, before anything is asked.

    Memory holds the rows of this chunk. `attempt` is the name of its log.

    >>> PartJournal(RunFolder("/tmp/run-17"), "luna-1a2b3c4d", 17)   # doctest: +SKIP
    """

    on_disk = True
    notice = ""

    def __init__(self, folder: RunFolder, variant: str, chunk: int) -> None:
        self._folder, self._variant, self._chunk = folder, variant, chunk
        self.attempt = secrets.token_hex(8)
        self.trouble = ("", "")
        self.on_trouble: Callable[[], None] | None = None
        """Called at each row that the folder does not take: a run that goes on pays and loses."""
        self.paid_twice = PaidTwice()
        self._rows: list[Row] = []
        self._by_key: dict[str, int] = {}
        self._log: Log | None = None
        self._unwritten = b""
        try:
            before = read_chunk(folder, variant, chunk)
        except InternalError:
            self._set_aside_part()
            before = read_chunk(folder, variant, chunk)
        self.had_part = before.part is not None
        self.logs = tuple(before.files)
        """The earlier attempts that left a log."""
        for row in before.rows:
            self._remember(row)
        self._before = {_call_of(row) for row in self._rows}
        if before.part is None or not all(row.answered for row in before.part):
            self._log = self._open_log(self.attempt)

    def begin(self) -> None:
        """A run begins."""

    def settle(self) -> None:
        """A run ends: every row is in the log already."""

    def put(self, row: Row) -> int:
        """Append the row to the log; its id."""
        return self.put_all([row])[0]

    def put_all(self, rows: Sequence[Row]) -> list[int]:
        """Append the rows to the log, all at once; their ids."""
        entry = self._unwritten + b"".join(map(pack_log_entry, rows))
        try:
            if self._log is None:
                self._log = self._open_log(self.attempt)
            self._log.append(entry)
        except FieldError as error:
            self._unwritten, self.trouble = entry, (error.message, error.hint)
            if self.on_trouble is not None:
                self.on_trouble()
        else:
            self._unwritten, self.trouble = b"", ("", "")
        return list(map(self._remember, rows))

    def get(self, id: int) -> Row:  # noqa: A002
        """The row of this id; KeyError if there is none."""
        if not 0 < id <= len(self._rows):
            raise KeyError(id)
        return replace(self._rows[id - 1], id=id)

    def find(self, key: str) -> Row | None:
        """The first answer to this question, or None: who answered first has it."""
        at = self._by_key.get(key)
        return None if at is None else self.get(at)

    def paid_since(self, moment: float) -> float:
        """The US dollars that replies from this moment on have cost; by the worker's own clock."""
        return sum(row.cost or 0.0 for row in self._rows if row.at >= moment)

    def __del__(self) -> None:
        # A run that broke off: its log is whole, and nothing waits for its thread any more.
        if getattr(self, "_log", None) is not None:
            self._close_log()

    def finish(self, ids: array[int], text_ids: Sequence[str], repeats: int) -> bool:
        """Write the part with these rows; whether it has these and no other ones.

        Where another attempt has answered a question meanwhile, and its part is there, its answer
        stays, and `paid_twice` is what this one paid for the same. FieldError if the folder does
        not take the part; the log is left then.
        """
        own = [self._rows[each - 1] for each in ids]
        self._close_log()
        name = part_name(self._variant, self._chunk)
        while True:
            now = read_chunk(self._folder, self._variant, self._chunk, besides=self.attempt)
            merged = _merge(own, now, self._before)
            if now.part is not None and _same(merged, now.part):
                break
            self._keep_what_a_part_loses(now.part or (), merged)
            data = pack_part(merged, text_ids, repeats)
            if now.part is not None:
                self._folder.write(name, data, lasting=True)
                break
            if self._folder.write_new(name, data):
                break
        self._remove_log_if_alone(merged)
        # An answer that was there before this attempt began was not paid for by it.
        self.paid_twice = _add_up(
            mine
            for mine, theirs in zip(own, merged, strict=True)
            if mine.answered
            and _call_of(mine) != _call_of(theirs)
            and _call_of(mine) not in self._before
        )
        return all(mine is theirs for mine, theirs in zip(own, merged, strict=True))

    def _remember(self, row: Row) -> int:
        self._rows.append(row)
        if row.answered and row.key:
            self._by_key.setdefault(row.key, len(self._rows))
        return len(self._rows)

    def _open_log(self, attempt: str) -> Log:
        return self._folder.open_log(f"{log_folder(self._variant, self._chunk)}/{attempt}.log")

    def _close_log(self) -> None:
        """Close the log; what it does not take is in the part, if that can be written."""
        log, self._log = self._log, None
        try:
            if log is not None:
                if self._unwritten:
                    log.append(self._unwritten)
                log.close()
        except FieldError as error:
            self.trouble = error.message, error.hint

    def _set_aside_part(self) -> None:
        """Keep the bytes of a broken part beside the logs, so that another can be written."""
        name = part_name(self._variant, self._chunk)
        data = self._folder.read(name) or b""
        kept = f"broken-{hashlib.sha256(data).hexdigest()[:16]}.parquet"
        folder = log_folder(self._variant, self._chunk)
        self._folder.write(f"{folder}/{kept}", data, lasting=True)
        self._folder.remove(name)

    def _keep_what_a_part_loses(self, part: Iterable[Row], merged: Iterable[Row]) -> None:
        """Log the answers to other questions (another form) that the part has until now."""
        kept = {row.key for row in merged if row.answered}
        lost = [row for row in part if row.answered and row.key not in kept]
        if lost:
            log = self._open_log(secrets.token_hex(8))
            for row in lost:
                log.append(pack_log_entry(row))
            log.close()

    def _remove_log_if_alone(self, merged: Sequence[Row]) -> None:
        """Remove the log once the part has all of it, unless another attempt has one as well.

        Another attempt that looked for the part before it was there had closed its log by then.
        """
        names = self._folder.names(log_folder(self._variant, self._chunk))
        logs = [name for name in names if ".log" in name]
        mine = [name for name in logs if f"/{self.attempt}.log" in name]
        if mine == logs and _covered(self._rows, merged):
            for name in mine:
                self._folder.remove(name)


def count_paid_twice(folder: RunFolder, variants: Iterable[str]) -> PaidTwice:
    """What was paid twice in chunks that several attempts asked; afterwards their logs are gone.

    For the driver, once no attempt runs any more. An answer that a part lacks and a log has is
    put into the part. What was asked and killed before its answer came is not known to anybody
    here. LLMWidgetsError if the folder cannot be read or written.
    """
    total = PaidTwice()
    for variant in variants:
        start = f"{LOGS}/variant={variant}"
        logs = (re.search(r"/part-(\d+)/[^/]*\.log", each) for each in folder.names(start))
        for chunk in sorted({int(each[1]) for each in logs if each}):
            more = _settle_chunk(folder, variant, chunk)
            total = PaidTwice(total.rows + more.rows, total.dollars + more.dollars)
    return total


def _settle_chunk(folder: RunFolder, variant: str, chunk: int) -> PaidTwice:
    try:
        now = read_chunk(folder, variant, chunk)
    except InternalError:
        return PaidTwice()
    first: dict[str, Row] = {}
    calls: dict[_Call, Row] = {}
    for row in now.rows:
        if row.answered and row.key:
            first.setdefault(row.key, row)
            calls.setdefault(_call_of(row), row)
    twice = _add_up(row for call, row in calls.items() if call != _call_of(first[row.key]))
    part = now.part or ()
    merged = [row if row.answered or row.key not in first else first[row.key] for row in part]
    if not _same(merged, part):
        name = part_name(variant, chunk)
        ids, repeats = read_text_ids(folder.read(name) or b"")
        folder.write(name, pack_part(merged, ids, repeats), lasting=True)
    for attempt, rows in now.logs.items():
        if _covered(rows, merged):
            for each in now.files[attempt]:
                folder.remove(each)
    return twice


_Call = tuple[str, float, float | None]


def _call_of(row: Row) -> _Call:
    """What tells one call from another that asked the same; a new judgement leaves it as it is."""
    return row.key, row.at, row.seconds


def _merge(own: Sequence[Row], now: StoredChunk, before: set[_Call]) -> list[Row]:
    """The rows of a part: what others have answered and published, then this attempt's own."""
    published = {row.key: row for row in now.part or () if row.answered and row.key}
    logged = {row.key: row for row in reversed(now.rows) if row.answered and row.key}
    merged = []
    for at, mine in enumerate(own):
        theirs = published.get(mine.key)
        if mine.answered:
            other = theirs is not None and _call_of(theirs) != _call_of(mine)
            merged.append(theirs if other and theirs is not None else mine)
            continue
        theirs = theirs or logged.get(mine.key)
        if theirs is None and not mine.key and now.part is not None and at < len(now.part):
            # Not asked here, and so without a key: answered elsewhere while this attempt ran, or
            # known by the driver to have failed when this one was only told to stop.
            place, stopped = now.part[at], mine.status == Stopped.__name__
            since = _call_of(place) not in before and (place.answered or stopped)
            theirs = place if since else None
        merged.append(theirs or mine)
    return merged


def _covered(rows: Iterable[Row], part: Iterable[Row]) -> bool:
    answered = {row.key for row in part if row.answered}
    return all(row.key in answered for row in rows if row.answered)


def _same(rows: Sequence[Row], part: Sequence[Row]) -> bool:
    return [replace(row, id=0) for row in rows] == [replace(row, id=0) for row in part]


def _add_up(rows: Iterable[Row]) -> PaidTwice:
    listed = list(rows)
    return PaidTwice(len(listed), sum(row.cost or 0.0 for row in listed))
