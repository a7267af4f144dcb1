"""References: how a connection and its model are written as one text."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import FieldError, UnknownConnection
from llmwidgets.secret import refuse_key


def resolve(reference: str, connections: Iterable[Connection]) -> tuple[Connection, str]:
    """The connection and model id a reference means.

    One equal to a label is that connection; else the longest label followed by `/` is the
    connection and all the rest, slashes and colons included, the model id. UnknownConnection
    names the nearest; FieldError where a connection of several models is named alone.
    """
    refuse_key("models", reference)
    known = list(connections)
    for connection in known:
        if connection.label == reference:
            return connection, _only_model(connection)
    heads = [each for each in known if reference.startswith(f"{each.label}/")]
    if not heads:
        raise _unknown(reference, known)
    connection = max(heads, key=lambda each: len(each.label))
    model = reference[len(connection.label) + 1 :]
    if not model.strip():
        raise FieldError(f"{reference} names no model.", _how_to_write(connection))
    return connection, model


def _only_model(connection: Connection) -> str:
    if len(connection.models) == 1:
        return connection.models[0]
    count = len(connection.models) or "any"
    raise FieldError(
        f"{connection.label} gives access to {count} models: name one.", _how_to_write(connection)
    )


def _how_to_write(connection: Connection) -> str:
    example = next(iter(connection.models), "name-of-the-deployment")
    return f'Write it as "{connection.label}/{example}".'


def _unknown(reference: str, known: list[Connection]) -> UnknownConnection:
    if not known:
        return UnknownConnection(
            f"There is no connection for {reference}.",
            'Connect one in ConnectionPanel(), or use models="demo".',
        )
    whole = [f"{each.label}/{model}" for each in known for model in each.models]
    ends = [written for written in whole if written.endswith(f"/{reference}")]
    labels = [each.label for each in known]
    close = ends or difflib.get_close_matches(reference, [*labels, *whole], n=1, cutoff=0.5)
    nearest = f" The nearest is {close[0]}." if close else ""
    return UnknownConnection(
        f"There is no connection for {reference}.{nearest}",
        f"Connected are {', '.join(dict.fromkeys(labels))}.",
    )
