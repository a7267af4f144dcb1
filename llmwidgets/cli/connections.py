"""llmwidgets connections: what is connected, without the secrets; a check of one of them."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmwidgets.cli import ConnectionsOptions, Exit, print_text, report
from llmwidgets.cli.keys import list_connections, open_store
from llmwidgets.connections import Connection, Policy
from llmwidgets.connections.catalog import key_notes, local_today
from llmwidgets.connections.connection import naming_model
from llmwidgets.errors import FieldError
from llmwidgets.formatting import format_days_since
from llmwidgets.store.store import Store


def run_connections(options: ConnectionsOptions) -> Exit:
    """List the connections, or check the one named."""
    store = open_store(options.store, options.organization)
    connections = list_connections(store, "Its connections are not listed.")
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


def _check(options: ConnectionsOptions, connections: list[Connection], store: Store) -> Exit:
    from llmwidgets.comparison.variants import ConnectionResolver
    from llmwidgets.engine.check import check

    by_label = {connection.label: connection for connection in connections}
    if not options.label:
        labels = ", ".join(by_label) or "none: nothing is connected"
        raise FieldError({"LABEL": "Which connection is to be checked?"}, f"One of {labels}.")
    connection = by_label.get(options.label)
    policy = store.policy if store.exists and not store.locked else None
    if connection is None:
        # Of a store that is locked, it says so.
        connection, model = ConnectionResolver(store).resolve(options.label)
        if connection.provider.single:
            # The check is of the whole connection, and says nothing of a model that it cannot call.
            (policy or Policy()).permit(connection, model)
        connection = naming_model(connection, model)
    result = check(connection, policy=policy, tell=lambda step: report(f"{step}…"))
    if options.json:
        fields = {
            "label": connection.label,
            "ok": result.ok,
            "sentence": result.sentence,
            "hint": result.hint,
            "mode": result.mode.value if result.mode else None,
            "asked": result.asked,
            "tokens": result.tokens,
            "cost": result.cost,
            "hosts": result.hosts,
        }
        sys.stdout.write(json.dumps(fields, indent=2) + "\n")
    else:
        said = " ".join(filter(None, (result.sentence, result.hint, result.sent)))
        sys.stdout.write(f"{connection.label}: {said}\n")
    return Exit.FINE if result.ok else Exit.PROBLEM


def _format_time(when: datetime | None) -> str | None:
    return when.isoformat(timespec="seconds") if when else None


def _format_age(moment: str | None) -> str:
    if not moment:
        return "never"
    return format_days_since(datetime.fromisoformat(moment), datetime.now(UTC))
