"""llmwidgets journal: where replies are kept, which runs there were, and two of them compared."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmwidgets.cli import Exit
from llmwidgets.cli.arguments import JournalOptions
from llmwidgets.cli.tables import changes_table
from llmwidgets.comparison.history import best_words, compare_records, cost_words, texts_words
from llmwidgets.engine import journal_file
from llmwidgets.engine.journal_file import (
    BUSY_SECONDS,
    CREATE_FACTS,
    DELETE_BEFORE,
    DELETE_UNUSED_FACTS,
    reason,
)
from llmwidgets.engine.journal_runs import RunRecord, read_runs, trim_runs
from llmwidgets.errors import FieldError, LLMWidgetsError
from llmwidgets.formatting import count, escape_controls, file_size, join_truncated


def run_journal(options: JournalOptions) -> Exit:
    """Show where the journal is and what it contains, or delete what is older than a day."""
    path, notice = journal_file.journal_location(options.journal)
    if notice:
        sys.stdout.write(f"{notice}\n")
    if path is None:
        return Exit.FINE
    if not path.is_file():
        if options.journal is not None:
            raise FieldError({"journal": f"There is no file {path}."}, "Check the path.")
        sys.stdout.write(f"{path}\nThere is no journal yet.\n")
        return Exit.FINE
    if options.clear_before is not None:
        _clear(path, _read_day(options.clear_before))
    with _open_database(path) as database:
        runs = read_runs(_query(database))
    if options.compare:
        _compare(runs, options.compare)
        return Exit.FINE
    _describe(path)
    if runs:
        _list_runs(runs)
    return Exit.FINE


def _list_runs(runs: Sequence[RunRecord]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Run", justify="right")
    table.add_column("Date", no_wrap=True)
    for head in ("Schema", "Texts", "Models", "Most fields right"):
        table.add_column(head, overflow="fold")
    table.add_column("Calls", justify="right")
    table.add_column("Cost paid", justify="right")
    for run in runs:
        labels = join_truncated((each.label for each in run.facts.variants), 3)
        day = f"{run.when.astimezone():%Y-%m-%d\n%H:%M}"
        cells = (str(run.id), day, run.facts.schema, texts_words(run), labels, best_words(run))
        cost = " ".join(cost_words(run)).strip()
        table.add_row(*map(_text, (*cells, f"{run.facts.calls:,}", cost)))
    console = Console(highlight=False)
    console.print(table)
    console.print(Text("Two of them beside each other: llmwidgets journal --compare RUN RUN"))


def _compare(runs: Sequence[RunRecord], wanted: Sequence[int]) -> None:
    """Two runs beside each other, the later one against the earlier one."""
    by_id = {run.id: run for run in runs}
    if unknown := [str(each) for each in wanted if each not in by_id]:
        known = join_truncated(map(str, by_id), 12) or "none"
        raise FieldError(
            {"--compare": f"There is no run {join_truncated(unknown)}."}, f"The runs are {known}."
        )
    before, now = sorted((by_id[each] for each in wanted), key=lambda run: (run.at, run.id))
    changes_table(Console(highlight=False), compare_records(now, before))


def _text(words: str) -> Text:
    return Text(escape_controls(words))


def _query(database: sqlite3.Connection) -> Any:
    """Asks the file; a journal of an older version has no runs."""

    def ask(statement: str, *values: object) -> list[Any]:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'run'").fetchone():
            return []
        return database.execute(statement, values).fetchall()

    return ask


def _describe(path: Path) -> None:
    with _open_database(path) as database:
        rows, first, last = database.execute(
            "SELECT count(*), min(day), max(day) FROM (SELECT CASE WHEN typeof(at) = 'real'"
            " AND at BETWEEN 0 AND 1e11 THEN at END AS day FROM extraction)"
        ).fetchone()
    files = [path.with_name(path.name + ending) for ending in ("", "-wal", "-shm")]
    size = sum(each.stat().st_size for each in files if each.exists())
    sys.stdout.write(f"{path}\n{file_size(size)}, {count(rows, 'row')}{_span(first, last)}.\n")
    sys.stdout.write("It contains replies, usage and hashes of requests; no text and no key.\n")


def _clear(path: Path, day: datetime) -> None:
    with _open_database(path) as database:
        database.execute("PRAGMA secure_delete = ON")
        with database:
            deleted = database.execute(DELETE_BEFORE, (day.timestamp(),))
            database.execute(CREATE_FACTS)
            database.execute(DELETE_UNUSED_FACTS)
            runs = trim_runs(_query(database), day.timestamp())
        database.execute("VACUUM")
        # Rows that were written lately are in the log next to the file too.
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    gone = count(deleted.rowcount, "row") + (f" and {count(runs, 'run')}" if runs else "")
    sys.stdout.write(f"Deleted {gone} from before {day:%Y-%m-%d}.\n")


@contextmanager
def _open_database(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
            yield database
        return
    except sqlite3.Error as error:
        why, step = reason(error, path)
    raise LLMWidgetsError(f"journal: {why}.", f"{step} and try again.")


def _read_day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").astimezone()
    except ValueError:
        raise FieldError(
            {"--clear-before": f"{text} is not a date."}, "Write it as 2026-11-30."
        ) from None


def _span(first: float | None, last: float | None) -> str:
    if first is None or last is None:
        return ""
    days = [f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d}" for at in (first, last)]
    return f", from {days[0]} to {days[1]}" if days[0] != days[1] else f", all of {days[0]}"
