"""llmwidgets connections: what is connected, without the secrets; a check of one of them."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmwidgets.cli import ConnectionsOptions, Exit, JournalOptions, print_text, report
from llmwidgets.cli.keys import list_connections, open_store
from llmwidgets.connections import Connection, resolve
from llmwidgets.connections.catalog import key_notes, local_today
from llmwidgets.engine import journal_file
from llmwidgets.engine.journal_file import (
    BUSY_SECONDS,
    CREATE_FACTS,
    DELETE_BEFORE,
    DELETE_UNUSED_FACTS,
    reason,
)
from llmwidgets.errors import FieldError, LLMWidgetsError
from llmwidgets.formatting import count, file_size, format_days_since
from llmwidgets.store.store import Store


def run_connections(options: ConnectionsOptions) -> Exit:
    """List the connections, or check the one named."""
    store = open_store(options.store, options.organization)
    connections = list_connections(store)
    if options.action == "check":
        return _check(options, connections, store)
    rows = [describe_connection(connection) for connection in connections]
    if options.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    elif rows:
        _print_table(rows)
    else:
        report("Nothing is connected. Connect a model in ConnectionPanel(), or try models=demo.")
    return Exit.FINE


def describe_connection(connection: Connection) -> dict[str, Any]:
    """What may be shown of a connection: everything but its secrets."""
    expires = connection.fields.expires
    return {
        "label": connection.label,
        "kind": connection.kind,
        "host": connection.host,
        "key_ends_in": connection.tail,
        "origin": connection.origin,
        "models": len(connection.models),
        "saved_at": _format_time(connection.saved_at),
        "checked_at": _format_time(connection.checked_at),
        "key_ends": expires.isoformat() if expires else None,
        "key_notes": [f"{note.said} {note.fix}" for note in key_notes(connection, local_today())],
        "warnings": connection.warnings,
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("Label", "Kind", "Host", "Key", "From", "Saved", "Checked"):
        table.add_column(name, overflow="fold")
    for row in rows:
        key = f"…{row['key_ends_in']}" if row["key_ends_in"] else ""
        ages = (_format_age(row["saved_at"]), _format_age(row["checked_at"]))
        cells = (row["label"], row["kind"], row["host"], key, row["origin"], *ages)
        table.add_row(*map(Text, cells))
    console = Console(highlight=False)
    console.print(table)
    for row in rows:
        for note in (*row["key_notes"], *row["warnings"]):
            print_text(console, f"{row['label']}: {note}")


def _check(options: ConnectionsOptions, connections: list[Connection], store: Store) -> Exit:
    from llmwidgets.engine.check import check

    by_label = {connection.label: connection for connection in connections}
    if not options.label:
        labels = ", ".join(by_label) or "none: nothing is connected"
        raise FieldError({"LABEL": "Which connection is to be checked?"}, f"One of {labels}.")
    connection = by_label.get(options.label) or resolve(options.label, connections)[0]
    policy = store.policy if store.exists and not store.locked else None
    result = check(connection, policy=policy, tell=lambda step: report(f"{step}…"))
    if options.json:
        fields = {
            "label": connection.label,
            "ok": result.ok,
            "sentence": result.sentence,
            "hint": result.hint,
            "mode": result.mode.value if result.mode else None,
        }
        sys.stdout.write(json.dumps(fields, indent=2) + "\n")
    else:
        sys.stdout.write(f"{connection.label}: {result.sentence} {result.hint}".rstrip() + "\n")
    return Exit.FINE if result.ok else Exit.PROBLEM


def _format_time(when: datetime | None) -> str | None:
    return when.isoformat(timespec="seconds") if when else None


def _format_age(moment: str | None) -> str:
    if not moment:
        return "never"
    return format_days_since(datetime.fromisoformat(moment), datetime.now(UTC))


# -- llmwidgets journal: where replies are kept, how many, and how to delete old ones.


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
    _describe(path)
    return Exit.FINE


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
        database.execute("VACUUM")
        # Rows that were written lately are in the log next to the file too.
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sys.stdout.write(f"Deleted {count(deleted.rowcount, 'row')} from before {day:%Y-%m-%d}.\n")


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
