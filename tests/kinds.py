"""A filled-in form of every kind, made from what its provider says: none is written down here."""

from __future__ import annotations

import json
from typing import Any

from llmwidgets.connections import Connection
from llmwidgets.dialects import openai_chat
from llmwidgets.providers import PROVIDERS
from tests.google_keys import a_service_account

KINDS = tuple(PROVIDERS)
MADE_UP = "made-up-0004711-3fQz"


def made_up_key(kind: str) -> str:
    """A key as this kind's own begin."""
    prefixes = [each for each in PROVIDERS[kind].key_prefixes if not each.problem]
    return f"{prefixes[0].start if prefixes else ''}{MADE_UP}"


def filled_in(
    kind: str, url: str = "https://r.example", key: str = "", token_url: str = ""
) -> dict[str, Any]:
    """What is typed into the form of a kind, for a server at `url` and a key."""
    provider = PROVIDERS[kind]
    fields = provider.fields.model_fields
    given: dict[str, Any] = {name: fields[name].examples[0] for name in provider.required}
    if "endpoint" in given:
        given["endpoint"] = f"{url}/openai/v1"
    else:
        given["base_url"] = f"{url}/v1" if provider.dialect is openai_chat else url
    if provider.environment.file:
        key = json.dumps(a_service_account(f"{token_url or url}/token"))
    return {**given, provider.key_field: key or made_up_key(kind)}


def a_connection(kind: str, url: str = "https://r.example", **more: Any) -> Connection:
    """A connection of a kind to a server at `url`."""
    return Connection(kind, **filled_in(kind, url, **more))
