"""Every kind of connection to one server, filled in as the kind's own fields and examples say."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlsplit

from llmwidgets import PROVIDERS, Connection
from llmwidgets.dialects import anthropic, gemini, openai
from llmwidgets.secret import Secret
from tests.google_keys import a_service_account
from tests.servers import ANTHROPIC, GEMINI, OPENAI

KEY = "0123456789abcdef0123456789abcdef"
KINDS = tuple(PROVIDERS)
MADE_UP = "made-up-0004711-3fQz"
DIALECTS = {openai: OPENAI, anthropic: ANTHROPIC, gemini: GEMINI}


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
        given["base_url"] = f"{url}/v1" if provider.dialect is openai else url
    if provider.environment.file:
        key = json.dumps(a_service_account(f"{token_url or url}/token"))
    return {**given, provider.key_field: key or made_up_key(kind)}


def a_connection(kind: str, url: str = "https://r.example", **more: Any) -> Connection:
    """A connection of a kind to a server at `url`."""
    return Connection(kind, **filled_in(kind, url, **more))


def signed_key(
    made: str = "20261128T101500Z", seconds: object = 43_200, region: str = "us-east-1"
) -> str:
    """A short-term key of Amazon Bedrock as AWS makes it: a signed address; it opens nothing."""
    address = (
        "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential=MADEUP0004711%2F20261128%2F{region}%2Fbedrock%2Faws4_request"
        f"&X-Amz-Date={made}&X-Amz-Expires={seconds}&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=made-up-signature-0004711&Version=1"
    )
    return "bedrock-api-key-" + base64.b64encode(address.encode()).decode()
