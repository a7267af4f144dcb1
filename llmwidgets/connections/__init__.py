"""Connections: named, filled-in fields; whose models may be called; where they are kept."""

from __future__ import annotations

from llmwidgets.connections.connection import Connection

__all__ = ["Connection"]
