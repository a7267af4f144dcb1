"""llmwidgets connections: what is connected, without the secrets; a check of one of them."""

from __future__ import annotations

import json
import sys
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
from llmwidgets.connections.key_expiry import key_notes, today
from llmwidgets.errors import FieldError
from llmwidgets.store.store import Store
from llmwidgets.visible import visible

FINISHED, FAILED = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The command's options, as they were written."""

    action: str | None = None
    label: str | None = None
    store: Path | None = None
    organization: str | None = None
    json: bool = False


def connections(asked: Asked) -> int:
    """List the connections, or check the one named; the exit status."""
    store = store_named(asked.store, asked.organization)
    listed = connections_at_hand(store)
    if asked.action == "check":
        if not asked.label:
            raise FieldError(
                {"LABEL": "Which connection is to be checked?"}, f"One of {_labels(listed)}."
            )
        return _check(asked.label, listed, store, as_json=asked.json)
    rows = [row(each) for each in listed]
    if asked.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    elif rows:
        _show(rows)
    else:
        cli.say("Nothing is connected. Connect a model in ConnectionPanel(), or try models=demo.")
    return FINISHED


def row(connection: Connection) -> dict[str, Any]:
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
        "key_notes": [f"{note.said} {note.fix}" for note in key_notes(connection, today())],
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
            console.print(Text(visible(f"{each['label']}: {said}")))


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
