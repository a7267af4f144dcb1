"""llmwidgets connections: what is connected, without the secrets; remove or rename it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmwidgets.cli import Exit, print_text, report
from llmwidgets.cli.arguments import (
    ConnectionsOptions,
    RemoveOptions,
    RenameOptions,
    RestoreOptions,
)
from llmwidgets.cli.asking import can_ask, confirm
from llmwidgets.cli.store_access import (
    find_store,
    name_store,
    shell_words,
    unlock,
    with_passphrase,
)
from llmwidgets.connections import Connection, environment_connections
from llmwidgets.connections.catalog import key_notes, local_today
from llmwidgets.errors import FieldError, StoreLocked
from llmwidgets.formatting import escape_controls, format_days_since
from llmwidgets.store.store import Store


def run_connections(options: ConnectionsOptions) -> Exit:
    """List the connections; those of a store that stays locked are not, and that is a mistake."""
    store, locked = find_store(options), None
    try:
        unlock(store, options)
    except StoreLocked as error:
        if options.json:
            raise
        locked = error
    rows = [describe_connection(connection) for connection in known_connections(store)]
    if options.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    elif rows:
        _print_table(rows)
    if locked is not None:
        raise locked
    if not rows and not options.json:
        report(_NOTHING)
    return Exit.FINE


_NOTHING = (
    "Nothing is connected. Connect a model: llmwidgets connections add KIND, or in "
    "ConnectionPanel(); or try --models demo."
)


def known_connections(store: Store) -> list[Connection]:
    """The connections of the environment, then the store's if it is open."""
    closed = store.exists and store.locked
    return [*environment_connections(), *(store.for_session if closed else store)]


def describe_connection(connection: Connection) -> dict[str, Any]:
    """What may be shown of a connection: everything but its secrets."""
    expires = connection.fields.key_ends
    return {
        "label": connection.label,
        "kind": connection.kind,
        "host": connection.host,
        "key_ends_in": connection.tail,
        "sign_in": connection.signed_in_by,
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
        key = f"…{row['key_ends_in']}" if row["key_ends_in"] else row["sign_in"]
        ages = (_format_age(row["saved_at"]), _format_age(row["checked_at"]))
        cells = (row["label"], row["kind"], row["host"], key, row["origin"], *ages)
        table.add_row(*map(Text, cells))
    console = Console(highlight=False)
    console.print(table)
    for row in rows:
        for note in (*row["key_notes"], *row["warnings"]):
            print_text(console, f"{row['label']}: {note}")


def run_remove(options: RemoveOptions) -> Exit:
    """Delete a connection from the store, after a yes."""
    store = find_store(options)
    unlock(store, options)
    if options.label in store and not options.yes:
        if not can_ask(options):
            raise FieldError(
                {options.label: "is not deleted: nobody can be asked here."}, "Give --yes too."
            )
        if not confirm(f"{store.state.name} has {options.label}. Delete it?"):
            report(f"{options.label} stays.")
            return Exit.PROBLEM
    del store[options.label]
    back = shell_words("store.restore() goes back to it.", options)
    sys.stdout.write(
        f"Deleted {escape_controls(options.label)}. The store as it was is its newest backup: "
        f"{back}\n"
    )
    return Exit.FINE


def run_restore(options: RestoreOptions) -> Exit:
    """Go back to the newest backup that opens; what is there now becomes a backup."""
    # Not `find_store`, which refuses a store whose file was lost.
    store = name_store(options)
    backup = with_passphrase(store, options, lambda typed: store.restore(passphrase=typed))
    sys.stdout.write(
        escape_controls(f"Back to {backup}. What was there is a backup now, and kept.") + "\n"
    )
    return Exit.FINE


def run_rename(options: RenameOptions) -> Exit:
    """Give a connection another label; the model it sends stays as it is."""
    store = find_store(options)
    unlock(store, options)
    store.rename(options.label, options.new)
    sys.stdout.write(escape_controls(f"{options.label} is called {options.new} now.") + "\n")
    return Exit.FINE


def _format_time(when: datetime | None) -> str | None:
    return when.isoformat(timespec="seconds") if when else None


def _format_age(moment: str | None) -> str:
    if not moment:
        return "never"
    return format_days_since(datetime.fromisoformat(moment), datetime.now(UTC))
