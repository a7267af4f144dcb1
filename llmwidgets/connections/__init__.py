"""Connections: named, filled-in fields; whose models may be called; where they are found."""

from __future__ import annotations

from llmwidgets.connections.connection import Connection, resolve
from llmwidgets.connections.discovery import (
    KeyCandidate,
    environment_connections,
    find_keys_of_other_tools,
)
from llmwidgets.connections.policy import Policy

__all__ = [
    "Connection",
    "KeyCandidate",
    "Policy",
    "environment_connections",
    "find_keys_of_other_tools",
    "resolve",
]
