"""Connections found in policy files and environment variables: read-only, no store needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from llmwidgets.connections.connection import Connection
from llmwidgets.connections.policy_file import machine_rules
from llmwidgets.errors import FieldError
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import Provider
from llmwidgets.secret import Secret


def environment_connections() -> list[Connection]:
    """What policy files provide, then what variables connect: one of each kind.

    Those of variables are labelled by the kind or the deployment; a variable that is empty or
    unusable gives nothing. Values are looked up again at each use. Policy files may forbid
    variables (`environment = false`).
    """
    layers = machine_rules()
    provided: dict[str, Connection] = {}
    for connection in (each for rules in layers for each in rules.connections):
        provided.setdefault(connection.label, connection)
    found = _of_variables() if all(rules.environment for rules in layers) else []
    return [*provided.values(), *(each for each in found if each.label not in provided)]


def _of_variables() -> list[Connection]:
    found = (_of_provider(provider) for provider in PROVIDERS.values())
    return [each.with_origin("environment") for each in found if each is not None]


def _of_provider(provider: Provider) -> Connection | None:
    """The connection that the variables of a kind make; None where they are empty or unusable."""
    named = provider.environment
    key = next((f"env:{name}" for name in named.keys if not _is_empty(name)), "")
    file = _value(named.file) if named.file else ""
    if file and Path(file).expanduser().is_file():
        key = f"file:{file}"
    beside = {field: _value(name) for field, name in named.beside.items()}
    try:
        return _connection(provider, {**beside, provider.key_field: Secret(key)}) if key else None
    except FieldError:
        return None


def _connection(provider: Provider, fields: dict[str, Any]) -> Connection:
    kind, own = provider.kind, provider.model_field
    try:
        return Connection(kind, **fields)
    except FieldError as error:
        if own is None or set(error.problems) != {own} or fields.get(own):
            raise
    # The variables name a server and no model: the reference names it then.
    return Connection(kind, label=kind, **{**fields, own: "*"}).with_any_model()


def empty_variable(kind: str) -> str:
    """The variable that would connect this kind and is set, but holds nothing; else empty."""
    provider = PROVIDERS.get(kind)
    named = (name for name in provider.environment.keys if name in os.environ) if provider else ()
    return next(filter(_is_empty, named), "")


def _is_empty(name: str) -> bool:
    return not _value(name).strip("\"'\ufeff\u200b \t")


def _value(name: str) -> str:
    return os.environ.get(name, "").strip()
