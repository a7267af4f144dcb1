"""llmwidgets connections check: do they work, and what would fix them."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmwidgets.cli import Exit, report
from llmwidgets.cli.arguments import CheckOptions
from llmwidgets.cli.connections import known_connections
from llmwidgets.cli.field_options import option_of
from llmwidgets.cli.store_access import (
    find_open_policy,
    find_store,
    shell_words,
    unlock,
    unlock_for,
)
from llmwidgets.connections import Connection, Policy
from llmwidgets.connections.connection import naming_model
from llmwidgets.errors import FieldError
from llmwidgets.formatting import escape_controls
from llmwidgets.providers.base import Provider
from llmwidgets.secret import redact
from llmwidgets.store.store import Store

if TYPE_CHECKING:
    from llmwidgets.engine.check import CheckReport


def run_check(options: CheckOptions) -> Exit:
    """Test the connections of these labels, or all; a PROBLEM if one does not work."""
    store = find_store(options)
    if options.labels:
        unlock_for(options.labels, store, options)
    else:
        unlock(store, options)
    chosen = _choose(options.labels, store)
    checked = ((each, _check(each, store, alone=len(chosen) == 1)) for each in chosen)
    found = [
        (each, replace(result, hint=shell_words(result.hint, options))) for each, result in checked
    ]
    if options.json:
        rows = [_describe_check(*each) for each in found]
        said = rows[0] if len(options.labels) == 1 else rows
        sys.stdout.write(json.dumps(said, indent=2) + "\n")
    else:
        for connection, result in found:
            lines = [*report_lines(result, connection.provider, connection)]
            # A command ends its line, so that it can be copied.
            told = ("\n  " if result.fix or result.command else " ").join(lines)
            sys.stdout.write(f"{connection.label}: {told}\n")
    return Exit.FINE if all(result.ok for _, result in found) else Exit.PROBLEM


def _choose(labels: Sequence[str], store: Store) -> list[Connection]:
    """The connections of these labels, or all; UnknownConnection, FieldError if there are none."""
    from llmwidgets.comparison.variants import ConnectionResolver

    by_label = {connection.label: connection for connection in known_connections(store)}
    if not by_label and not labels:
        raise FieldError({"LABEL": "Nothing is connected."}, "See llmwidgets connections add.")
    chosen = []
    for label in dict.fromkeys(labels or by_label):
        connection = by_label.get(label)
        if connection is None:
            # Of a store that is locked, it says so.
            connection, model = ConnectionResolver(store).resolve(label)
            if connection.provider.single:
                # The check is of the whole connection, and says nothing of a model that it cannot
                # call.
                (find_open_policy(store) or Policy()).permit(connection, model)
            connection = naming_model(connection, model)
        chosen.append(connection)
    return chosen


def _check(connection: Connection, store: Store, *, alone: bool) -> CheckReport:
    from llmwidgets.engine.check import check

    name = "" if alone else f"{connection.label}: "
    policy = find_open_policy(store)
    return check(connection, policy=policy, tell=lambda step: report(f"{name}{step}…"))


def _describe_check(connection: Connection, result: CheckReport) -> dict[str, Any]:
    return {
        "label": connection.label,
        "ok": result.ok,
        "sentence": result.sentence,
        "hint": result.hint,
        "fix": dict(result.fix or {}),
        "mode": result.mode.value if result.mode else None,
        "asked": result.asked,
        "tokens": result.tokens,
        "cost": result.cost,
        "hosts": result.hosts,
    }


def report_lines(
    found: CheckReport, provider: Provider, saved: Connection | None = None
) -> Iterator[str]:
    """A check in lines: what was found, what to do, the fix as options, what was sent.

    Of a connection that is saved, the fix is a command.
    """
    fix = found.fix or {}
    options = " ".join(
        f"{option_of(provider, name)} {shlex.quote(str(value))}" for name, value in fix.items()
    )
    if saved is not None and saved.origin == "store":
        label = shlex.quote(saved.label)
        add = f"llmwidgets connections add {provider.kind} --label {label} --replace"
        options = f"{add} {options}"
    fixed = f"This fixes it: {options}" if fix else ""
    mode = f"Replies: {found.mode.value}." if found.mode else ""
    said = (found.sentence, mode, found.hint, fixed, found.command, found.sent)
    yield from (escape_controls(redact(each)) for each in said if each)
