"""Listed: models that a Custom server lists beside the one that is connected."""

from __future__ import annotations

from collections.abc import Sequence

from llmwidgets.connections import live_list
from llmwidgets.connections.connection import Connection


def unconnected(connection: Connection, known: Sequence[Connection]) -> list[str]:
    """The models that its server listed and that no connection at the same address names."""
    if connection.kind != "custom":
        return []
    there = {
        model
        for each in (*known, connection)
        if each.kind == "custom" and each.address == connection.address
        for model in each.models
    }
    return [model for model in live_list.listed(connection) if model not in there]


def beside(
    connection: Connection, models: Sequence[str], known: Sequence[Connection]
) -> list[Connection]:
    """A connection for each of these models, filled in as the given one, none of them tested."""
    plain = {
        name: value
        for name, value in connection.plain_fields.items()
        if name not in {"name", "price"}
    }
    shared = {**plain, **connection.secret_fields, "headers": dict(connection.fields.headers)}
    taken = {each.label for each in known}
    return [
        Connection(
            "custom",
            label=f"{model} ({connection.host})" if model in taken else model,
            name=model,
            **shared,
        )
        for model in models
    ]
