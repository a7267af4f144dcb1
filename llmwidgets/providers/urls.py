"""What a pasted endpoint or base URL says, before anything is sent to it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, urlsplit

_KEYS_IN_QUERY = frozenset({
    "key", "api_key", "api-key", "apikey", "subscription-key", "access_token", "token", "sig",
    "signature", "code",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Address:
    """A web address in parts; `host` includes the port if there is one.

    `origin` is scheme, host and port: what a key is bound to. `url` is the address without query.
    """

    origin: str
    host: str
    path: str
    query: dict[str, str]
    url: str


@lru_cache(maxsize=256)
def read_address(value: str) -> Address:
    """The address in parts; ValueError with a sentence if it is not one, or contains a secret.

    >>> read_address(" https://llm.acme.example/v1/ ").url
    'https://llm.acme.example/v1'
    """
    text = value.strip().strip("\"'<>").strip()
    scheme, separator, _ = text.partition("://")
    parts: SplitResult | None = None
    with contextlib.suppress(ValueError):
        split = urlsplit(text)
        parts, port = split, split.port
    query = dict(parse_qsl(parts.query, keep_blank_values=True)) if parts else {}
    if not separator or scheme.lower() not in {"http", "https"}:
        message = "is not a web address: it must start with https:// (or http:// on this computer)."
    elif text.split() != [text]:
        message = "contains blanks: copy the address alone."
    elif parts is None:
        message = "is not a web address: the host or the port cannot be read."
    elif parts.username is not None or parts.password is not None:
        message = "contains a user name or password: remove it and use the key or token field."
    elif not parts.hostname:
        message = "has no host: write it as https://host/path."
    elif any(name.lower() in _KEYS_IN_QUERY for name in query):
        message = "contains a key after the question mark: remove it and use the key field."
    else:
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        if port not in {None, 80 if parts.scheme == "http" else 443}:
            host = f"{host}:{port}"
        origin, path = f"{parts.scheme}://{host}", parts.path.rstrip("/")
        return Address(origin, host, path, query, origin + path)
    raise ValueError(message)


def is_loopback(host: str) -> bool:
    """Whether the host (with or without a port) is this computer, by the names that stand for it.

    >>> is_loopback("127.0.0.1:8000"), is_loopback("127.0.0.1.example.com")
    (True, False)
    """
    name = (urlsplit(f"//{host}").hostname or "").lower()
    return name.endswith(".localhost") or is_this_computer(name)


@lru_cache(maxsize=256)
def is_this_computer(name: str) -> bool:
    """Whether a host without a port is this computer, with no name server in between."""
    if name == "localhost":
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def port_of(parts: SplitResult) -> int:
    """The port of an address, the scheme's own if none is written."""
    return parts.port or (443 if parts.scheme == "https" else 80)
