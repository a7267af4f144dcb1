"""Connections found in policy files and environment variables: read-only, no store needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from llmwidgets.connections.connection import Connection
from llmwidgets.connections.policies.policy_layers import machine_rules
from llmwidgets.errors import FieldError
from llmwidgets.secret import Secret

_BESIDE: dict[str, dict[str, str]] = {
    "openai": {
        "base_url": "OPENAI_BASE_URL",
        "organization": "OPENAI_ORG_ID",
        "project": "OPENAI_PROJECT_ID",
    },
    "anthropic": {"base_url": "ANTHROPIC_BASE_URL"},
    "azure_openai": {"endpoint": "AZURE_OPENAI_ENDPOINT", "deployment": "AZURE_OPENAI_DEPLOYMENT"},
}
"""Plain fields, by the names that the vendors' own clients read: a key set up for a gateway
must not travel to the vendor's host."""

_KEYS = (
    ("openai", "OPENAI_API_KEY"),
    ("gemini", "GEMINI_API_KEY"),
    ("gemini", "GOOGLE_API_KEY"),
    ("anthropic", "ANTHROPIC_API_KEY"),
    ("azure_openai", "AZURE_OPENAI_API_KEY"),
)


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
    found: dict[str, Connection] = {}
    for kind, name in _KEYS:
        if kind not in found and not _is_empty(name):
            _add(found, kind, api_key=Secret(f"env:{name}"))
    credentials = _value("GOOGLE_APPLICATION_CREDENTIALS")
    if credentials and Path(credentials).expanduser().is_file():
        _add(found, "vertex_ai", credentials=Secret(f"file:{credentials}"))
    return list(found.values())


def _add(found: dict[str, Connection], kind: str, **fields: Any) -> None:
    beside = {field: _value(name) for field, name in _BESIDE.get(kind, {}).items()}
    try:
        found[kind] = _connection(kind, {**beside, **fields}).with_origin("environment")
    except FieldError:
        return


def _connection(kind: str, fields: dict[str, Any]) -> Connection:
    if kind != "azure_openai" or fields["deployment"]:
        return Connection(kind, **fields)
    try:
        return Connection(kind, **fields)
    except FieldError as error:
        if set(error.problems) != {"deployment"}:
            raise
    # The variables name a resource and no deployment: the reference names it then.
    return Connection(kind, label=kind, **{**fields, "deployment": "*"}).with_any_model()


def empty_variable(kind: str) -> str:
    """The variable that would connect this kind and is set, but holds nothing; else empty."""
    named = (name for each, name in _KEYS if each == kind and name in os.environ)
    return next(filter(_is_empty, named), "")


def _is_empty(name: str) -> bool:
    return not _value(name).strip("\"'\ufeff\u200b \t")


def _value(name: str) -> str:
    return os.environ.get(name, "").strip()
