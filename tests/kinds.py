"""Every kind of connection to one server, filled in as the kind's own fields and examples say."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from llmwidgets import PROVIDERS, Connection
from llmwidgets.dialects import anthropic_messages, gemini_content, openai_chat
from llmwidgets.secret import Secret
from tests.google_keys import a_service_account
from tests.servers import ANTHROPIC, GEMINI, OPENAI

KEY = "0123456789abcdef0123456789abcdef"
DIALECTS = {openai_chat: OPENAI, anthropic_messages: ANTHROPIC, gemini_content: GEMINI}


def address_field(kind: str) -> str:
    """The field that leads to the server: the endpoint, or the base URL where none is asked for."""
    return "endpoint" if "endpoint" in PROVIDERS[kind].fields.model_fields else "base_url"


def fields_of(kind: str, url: str, key: str = KEY, token_url: str = "") -> dict[str, Any]:
    """What a user would fill in to reach the server at `url`: what is required, and every key."""
    filled: dict[str, Any] = {}
    for name, field in PROVIDERS[kind].fields.model_fields.items():
        example = (field.examples or [""])[0]
        if name == address_field(kind):
            path = urlsplit(example).path.partition("/chat/")[0]
            filled[name] = url + path
        elif example.startswith("{"):
            filled[name] = json.dumps(a_service_account(f"{token_url or url}/token"))
        elif field.annotation in (Secret, Secret | None):
            filled[name] = key
        elif field.is_required():
            filled[name] = example
    return filled


def connected(kind: str, url: str, key: str = KEY, token_url: str = "") -> Connection:
    """A connection of this kind to the server at `url`."""
    return Connection(kind, **fields_of(kind, url, key, token_url))


def spoken_by(connection: Connection) -> str:
    """The dialect in which the server hears from a connection."""
    return DIALECTS[connection.dialect]
