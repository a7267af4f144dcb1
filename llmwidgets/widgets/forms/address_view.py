"""What a pasted address says, before anything is sent: where it leads and what will be called."""

from __future__ import annotations

from typing import Any

from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.calling import with_query
from llmwidgets.providers.azure import AzureFields, read_endpoint
from llmwidgets.secret import redact

_FLAVOURS = {
    "v1": "Azure OpenAI v1, without API version",
    "dated": "Azure OpenAI by deployment",
    "models": "Foundry models, the model named in the call",
    "serverless": "serverless, one model for each host",
    "anthropic": "Claude in Anthropic's format",
}
_ROUTES = {"anthropic_messages": "/messages", "openai_chat": "/chat/completions"}


def address_view(connection: Connection | None, typed: str) -> dict[str, Any] | None:
    """The address in parts and the URL that is called; None while nothing readable is typed."""
    if connection is None or not typed or "endpoint" not in type(connection.fields).model_fields:
        return None
    target = connection.target(next(iter(connection.models), "*"))
    route = _ROUTES.get(str(connection.dialect.NAME), "")
    return {
        "parts": _parts(connection),
        "calls": redact(with_query(target.url + route, dict(target.query))),
    }


def notes_of(connection: Connection | None) -> list[str]:
    """Sentences about what the address says and the form does not, or otherwise."""
    notes = getattr(connection.fields, "notes", None) if connection else None
    return [redact(said) for said in notes()] if notes else []


def _parts(connection: Connection) -> list[list[str]]:
    fields = connection.fields
    if not isinstance(fields, AzureFields):
        return []
    found = read_endpoint(fields.pasted)
    said = [["host", found.host]]
    said += [["deployment", found.deployment]] if found.deployment else []
    said += [["API version", found.api_version]] if found.api_version else []
    return [*said, ["format", _FLAVOURS[found.flavour]]]
