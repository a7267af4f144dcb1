"""Connections: named, filled-in fields; whose models may be called; where they are found."""

from __future__ import annotations

from llmwidgets.connections.connection import Connection, resolve
from llmwidgets.connections.discovery import (
    KeyCandidate,
    environment_connections,
    find_keys_of_other_tools,
)
from llmwidgets.connections.policy import Policy

found_elsewhere = find_keys_of_other_tools
"""What 0.1.0 called it, and its documentation showed."""

__all__ = [
    "Connection",
    "KeyCandidate",
    "Policy",
    "environment_connections",
    "find_keys_of_other_tools",
    "found_elsewhere",
    "resolve",
]
