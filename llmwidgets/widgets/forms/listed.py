"""Listed: models that a server lists beside the one that is connected."""

from __future__ import annotations

from collections.abc import Sequence

from llmwidgets.connections import live_list
from llmwidgets.connections.connection import Connection


def unconnected(connection: Connection, known: Sequence[Connection]) -> list[str]:
    """The models that its server listed and that no connection at the same address names."""
    if connection.provider.single:
        return []
    there = {
        model
        for each in (*known, connection)
        if each.kind == connection.kind and each.address == connection.address
        for model in each.models
    }
    return [model for model in live_list.listed(connection) if model not in there]


def beside(
    connection: Connection, models: Sequence[str], known: Sequence[Connection]
) -> list[Connection]:
    """A connection for each of these models, filled in as the given one, none of them tested."""
    own = connection.provider.model_field or ""
    kept = connection.plain_fields.items()
    plain = {name: value for name, value in kept if name not in {own, "price"}}
    shared = {**plain, **connection.secret_fields, "headers": dict(connection.fields.headers)}
    taken = {each.label for each in known}
    return [
        Connection(
            connection.kind,
            label=f"{model} ({connection.host})" if model in taken else model,
            **{**shared, own: model},
        )
        for model in models
    ]
