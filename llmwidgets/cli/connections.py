"""llmwidgets connections: what is connected, without the secrets; a check of one of them."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmwidgets import cli
from llmwidgets.cli.keys import connections_at_hand, store_named
from llmwidgets.connections import Connection, resolve
from llmwidgets.connections.catalog import key_notes, local_today
from llmwidgets.engine.journal import file
from llmwidgets.engine.journal.file import BUSY_SECONDS, reason
from llmwidgets.errors import FieldError, LLMWidgetsError
from llmwidgets.store.store import Store
from llmwidgets.visible import escape_controls

FINISHED, FAILED = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsOptions:
    """The command's options, as they were written."""

    action: str | None = None
    label: str | None = None
    store: Path | None = None
    organization: str | None = None
    json: bool = False


def run_connections(asked: ConnectionsOptions) -> int:
    """List the connections, or check the one named; the exit status."""
    store = store_named(asked.store, asked.organization)
    listed = connections_at_hand(store)
    if asked.action == "check":
        if not asked.label:
            raise FieldError(
                {"LABEL": "Which connection is to be checked?"}, f"One of {_labels(listed)}."
            )
        return _check(asked.label, listed, store, as_json=asked.json)
    rows = [connection_row(each) for each in listed]
    if asked.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    elif rows:
        _show(rows)
    else:
        cli.say("Nothing is connected. Connect a model in ConnectionPanel(), or try models=demo.")
    return FINISHED


def connection_row(connection: Connection) -> dict[str, Any]:
    """What may be told of a connection: everything but its secrets."""
    ends = connection.fields.expires
    return {
        "label": connection.label,
        "kind": connection.kind,
        "host": connection.host,
        "key_ends_in": connection.tail,
        "origin": connection.origin,
        "models": len(connection.models),
        "saved_at": _moment(connection.saved_at),
        "checked_at": _moment(connection.checked_at),
        "key_ends": ends.isoformat() if ends else None,
        "key_notes": [f"{note.said} {note.fix}" for note in key_notes(connection, local_today())],
        "warnings": connection.warnings,
    }


def _labels(listed: list[Connection]) -> str:
    return ", ".join(each.label for each in listed) or "none: nothing is connected"


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("Label", "Kind", "Host", "Key", "From", "Saved", "Checked"):
        table.add_column(name, overflow="fold")
    for each in rows:
        ends = f"…{each['key_ends_in']}" if each["key_ends_in"] else ""
        days = (_age(each["saved_at"]), _age(each["checked_at"]))
        cells = (each["label"], each["kind"], each["host"], ends, each["origin"], *days)
        table.add_row(*map(Text, cells))
    console = Console(highlight=False)
    console.print(table)
    for each in rows:
        for said in (*each["key_notes"], *each["warnings"]):
            console.print(Text(escape_controls(f"{each['label']}: {said}")))


def _check(label: str, listed: list[Connection], store: Store, *, as_json: bool) -> int:
    from llmwidgets.engine.checks.check import check

    named = [each for each in listed if each.label == label]
    connection = named[0] if named else resolve(label, listed)[0]
    policy = store.policy if store.exists and not store.locked else None
    report = check(connection, policy=policy, tell=lambda said: cli.say(f"{said}…"))
    if as_json:
        told = {"label": connection.label, "ok": report.ok, "sentence": report.sentence}
        mode = report.mode.value if report.mode else None
        told |= {"hint": report.hint, "mode": mode}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    else:
        sys.stdout.write(f"{connection.label}: {report.sentence} {report.hint}".rstrip() + "\n")
    return FINISHED if report.ok else FAILED


def _moment(when: datetime | None) -> str | None:
    return when.isoformat(timespec="seconds") if when else None


def _age(moment: str | None) -> str:
    if not moment:
        return "never"
    days = (datetime.now(UTC) - datetime.fromisoformat(moment)).days
    return "today" if days < 1 else f"{days} days ago" if days > 1 else "yesterday"


# -- llmwidgets journal: where replies are kept, how many, and how to let old ones go.

FINISHED_of_journal = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalOptions:
    """The command's options, as they were written."""

    journal: Path | None = None
    clear_before: str | None = None


def run_journal(asked: JournalOptions) -> int:
    """Tell where the journal is and what it holds, or clear what is older than a day."""
    path, notice = file.journal_location(asked.journal)
    if notice:
        sys.stdout.write(f"{notice}\n")
    if path is None:
        return FINISHED_of_journal
    if not path.is_file():
        if asked.journal is not None:
            raise FieldError({"journal": f"There is no file {path}."}, "Check the path.")
        sys.stdout.write(f"{path}\nThere is no journal yet.\n")
        return FINISHED_of_journal
    if asked.clear_before is not None:
        _clear(path, _day(asked.clear_before))
    _tell(path)
    return FINISHED_of_journal


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
