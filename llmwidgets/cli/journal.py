"""llmwidgets journal: where replies are kept, how many, and how to let old ones go."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from llmwidgets.engine import places
from llmwidgets.engine.journal.file import BUSY_SECONDS, reason
from llmwidgets.errors import FieldError, LLMWidgetsError

FINISHED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The command's options, as they were written."""

    journal: Path | None = None
    clear_before: str | None = None


def journal(asked: Asked) -> int:
    """Tell where the journal is and what it holds, or clear what is older than a day."""
    path, notice = places.journal_place(asked.journal)
    if notice:
        sys.stdout.write(f"{notice}\n")
    if path is None:
        return FINISHED
    if not path.is_file():
        if asked.journal is not None:
            raise FieldError({"journal": f"There is no file {path}."}, "Check the path.")
        sys.stdout.write(f"{path}\nThere is no journal yet.\n")
        return FINISHED
    if asked.clear_before is not None:
        _clear(path, _day(asked.clear_before))
    _tell(path)
    return FINISHED


def _tell(path: Path) -> None:
    with _opened(path) as database:
        count, first, last = database.execute(
            "SELECT count(*), min(at), max(at) FROM extraction"
        ).fetchone()
    beside = [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))]
    size = sum(each.stat().st_size for each in beside if each.exists())
    sys.stdout.write(f"{path}\n{_size(size)}, {_rows(count)}{_span(first, last)}.\n")
    sys.stdout.write("It holds replies, usage and hashes of requests; no text and no key.\n")


def _clear(path: Path, day: datetime) -> None:
    with _opened(path) as database:
        database.execute("PRAGMA secure_delete = ON")
        with database:
            count = database.execute(
                "DELETE FROM extraction WHERE at < ?", (day.timestamp(),)
            ).rowcount
        database.execute("VACUUM")
        # Rows that were written lately stand in the log beside the file too.
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sys.stdout.write(f"Cleared {_rows(count)} from before {day:%Y-%m-%d}.\n")


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
            yield database
        return
    except sqlite3.Error as error:
        why, step = reason(error, path)
    raise LLMWidgetsError(f"journal: {why}.", f"{step} and try again.")


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").astimezone()
    except ValueError:
        raise FieldError(
            {"--clear-before": f"{text} is no day."}, "Write it as 2026-11-30."
        ) from None


def _span(first: float | None, last: float | None) -> str:
    if first is None or last is None:
        return ""
    days = [f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d}" for at in (first, last)]
    return f", from {days[0]} to {days[1]}" if days[0] != days[1] else f", all of {days[0]}"


def _rows(count: float) -> str:
    return f"{count:,.0f} row" if count == 1 else f"{count:,.0f} rows"


def _size(size: float) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"
