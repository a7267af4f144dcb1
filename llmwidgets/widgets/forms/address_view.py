"""What a pasted address says, before anything is sent: where it leads and what will be called."""

from __future__ import annotations

from typing import Any

from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.calling import with_query
from llmwidgets.secret import redact

_ROUTES = {"anthropic_messages": "/messages", "openai_chat": "/chat/completions"}


def address_view(connection: Connection | None, typed: str) -> dict[str, Any] | None:
    """The address in parts and the URL that is called; None while nothing readable is typed."""
    if connection is None or not typed or "endpoint" not in type(connection.fields).model_fields:
        return None
    target = connection.target(next(iter(connection.models), "*"))
    route = _ROUTES.get(str(connection.dialect.NAME), "")
    return {
        "parts": [list(part) for part in connection.fields.address_parts()],
        "calls": redact(with_query(target.url + route, dict(target.query))),
    }


def notes_of(connection: Connection | None) -> list[str]:
    """Sentences about what the address says and the form does not, or otherwise."""
    return [redact(said) for said in connection.fields.notes()] if connection else []
