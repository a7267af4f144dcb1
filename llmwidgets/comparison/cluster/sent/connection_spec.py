"""A connection as the workers of a run find it: by its label or its references, never by a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from llmwidgets.comparison.variants import ConnectionResolver
from llmwidgets.connections.connection import Connection, replace_parts, variables_of
from llmwidgets.dialects.types import Capability
from llmwidgets.engine.request_builder import ResolvedVariant
from llmwidgets.errors import FieldError, UnknownConnection
from llmwidgets.providers.base import ModelFacts
from llmwidgets.providers.model_facts import DeclaredFacts
from llmwidgets.store.state import find_home
from llmwidgets.store.store import Store


class StorePlace(NamedTuple):
    """What leads to a store on another machine: its organization, or a path of its own."""

    organization: str
    path: str | None = None


class ModelKnowledge(NamedTuple):
    """What the driver knows of a connection's model, so that every worker asks and counts alike."""

    declared: Mapping[str, DeclaredFacts]
    capability: Capability | None
    facts: ModelFacts | None
    own_price: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """A connection as another machine finds it: by its label, or by fields without a secret.

    `url` is where the model answers; what a worker finds by the label has to have the same.
    `variables` are those that the driver's connection came from, for a sentence.
    """

    kind: str
    label: str
    origin: str
    url: str
    known: ModelKnowledge
    store: StorePlace | None = None
    fields: Mapping[str, Any] | None = None
    variables: str = ""


def describe_connection(column: ResolvedVariant) -> ConnectionSpec:
    """How a worker finds the connection of a variant; FieldError for a key that is only here.

    What consists of references is made again from its fields. Else it is what the worker finds by
    the label: in its copy of the store that it is from, in its environment or its policy files.
    """
    connection, place, fields = column.connection, None, None
    if connection.origin in {"given", "session", "store"}:
        fields = _fields_of(connection)
        home = find_home(connection) if fields is None else None
        if home is not None and home.folder is not None:
            known = home.in_default_folder
            place = StorePlace(home.folder.name, None if known else str(home.folder))
        if fields is None and place is None:
            raise _only_here(connection)
    known_model = ModelKnowledge(
        connection.declared, connection.capability(column.model), column.facts, column.own_price
    )
    return ConnectionSpec(
        connection.kind, connection.label, connection.origin, column.target.url, known_model,
        place, fields, variables_of(connection) if connection.origin == "environment" else "",
    )  # fmt: skip


def _fields_of(connection: Connection) -> dict[str, Any] | None:
    """The fields with the references that their secrets are; None where one is a key itself."""
    secret = {name: each.reference for name, each in connection.secret_fields.items()}
    headers = {name: each.reference for name, each in connection.fields.headers.items()}
    if None in (*secret.values(), *headers.values()):
        return None
    return {**connection.plain_fields, **secret, **({"headers": headers} if headers else {})}


def _only_here(connection: Connection) -> FieldError:
    typed = [name for _, name, secret in connection.secrets if secret.reference is None]
    fields = {
        f"{name} of {connection.label}": "is a key that is only here, and a key is never sent."
        for name in typed
    }
    first = typed[0]
    header = first.removeprefix("header ")
    line = f'headers={{"{header}": "env:NAME"}}' if header != first else f'{first}="env:NAME"'
    return FieldError(
        fields,
        f'Say where the workers find it: lw.Connection("{connection.kind}", {line}, …) for a '
        'variable of theirs, "file:PATH" for a file, or a store on disk that they can open as well '
        "(docs/cluster_security.md).",
    )


def connect(spec: ConnectionSpec, model: str) -> Connection:
    """The connection as this machine has it; LLMWidgetsError where it has none, or another."""
    if spec.fields is not None:
        connection = Connection(spec.kind, label=spec.label, **spec.fields)
    else:
        connection = _find(spec, model)
    known = spec.known.capability
    return replace_parts(
        connection,
        declared=spec.known.declared,
        capabilities={} if known is None else {model: known},
    )


def _find(spec: ConnectionSpec, model: str) -> Connection:
    if spec.origin == "demo":
        from llmwidgets.demo import start_demo

        return next(each for each in start_demo() if each.label == spec.label)
    place = spec.store
    store = None if place is None else Store(place.organization, path=place.path)
    try:
        connection, _ = ConnectionResolver(store).resolve(f"{spec.label}/{model}")
    except UnknownConnection as error:
        if not spec.variables:
            raise
        message = f"{spec.label} is not connected here: {spec.variables} is not set."
        raise UnknownConnection(message, error.hint) from None
    found = connection.kind, connection.target(model).url
    if found != (spec.kind, spec.url):
        raise FieldError(
            {spec.label: f"is {connection.kind} at {found[1]} here, but {spec.kind} at {spec.url} "
                         "where the run was started."},
            "Connect the same in both places, or give one of them another label.",
        )  # fmt: skip
    named = connection.models if connection.provider.model_field is not None else ()
    if named and model not in named:
        raise FieldError(
            {spec.label: f"serves {named[0]} here, but {model} where the run was started."},
            "Connect the same in both places, or give one of them another label.",
        )
    return connection


def pin_knowledge(column: ResolvedVariant, known: ModelKnowledge) -> ResolvedVariant:
    """The variant with what the driver knows of its model: asked and counted alike everywhere."""
    options = {**column.target.options, **(known.facts.options if known.facts else {})}
    pinned = {
        "facts": known.facts,
        "own_price": known.own_price,
        "target": replace(column.target, options=options),
    }
    for name, value in pinned.items():
        object.__setattr__(column, name, value)
    return column
