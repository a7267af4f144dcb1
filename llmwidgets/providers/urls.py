"""What a pasted endpoint or base URL says, before anything is sent to it."""

from __future__ import annotations

import contextlib
import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

METADATA_HOST = "169.254.169.254"
"""Where a machine of a cloud learns whose it is: asked over http, without a secret."""

_KEYS_IN_QUERY = frozenset({
    "key", "api_key", "api-key", "apikey", "subscription-key", "access_token", "token", "sig",
    "signature", "code",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Address:
    """A web address in parts; `host` includes the port if there is one.

    `origin` is scheme, host and port: what a key is bound to. `url` is the address without query
    and without a slash at its end; `slash` is whether one was typed there.
    """

    origin: str
    host: str
    path: str
    query: dict[str, str]
    url: str
    slash: bool


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
        # One that a store kept from before is shown as it is, and never called.
        host = host_of(text) or parts.hostname
        host = f"[{host}]" if ":" in host else host
        if port not in {None, 80 if parts.scheme == "http" else 443}:
            host = f"{host}:{port}"
        origin, path = f"{parts.scheme}://{host}", parts.path.rstrip("/")
        return Address(origin, host, path, query, origin + path, path != parts.path)
    raise ValueError(message)


def cut_route(address: Address, *routes: str) -> tuple[str, bool]:
    """The address without the route of a call, and whether the server's routes end in a slash.

    They do if the route was typed with one.
    """
    for route in routes:
        if address.path.lower().endswith(route):
            return address.url[: -len(route)], address.slash
    return address.url, False


def trim_route(address: Address, *routes: str) -> str:
    """What is kept of a pasted address: the part before the route; all of it if a slash counts."""
    url, slash = cut_route(address, *routes)
    return f"{address.url}/" if slash else url


_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}")
_IPV4 = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
"""Names whose last part is a number: every resolver reads them as an address, or not at all."""


@lru_cache(maxsize=256)
def read_host(name: str) -> str:
    """A host in the one spelling that is called, compared and shown; ValueError if it has none.

    A name is in punycode without a dot at its end, an address dotted or compressed.

    >>> read_host("BÜCHER.example"), read_host("0x7f.1"), read_host("::ffff:7f00:1")
    ('xn--bcher-kva.example', '127.0.0.1', '127.0.0.1')
    """
    if ":" in name:
        return _read_ipv6(name)
    host = to_punycode(unquote(name)).removesuffix(".")
    if not _NAME.fullmatch(host):
        message = "is not the name of a host."
        raise ValueError(message)
    if not _IPV4.fullmatch(host):
        return host
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        message = "is not the address of a host."
        raise ValueError(message) from None


def _read_ipv6(name: str) -> str:
    text, percent, zone = name.strip("[]").partition("%")
    address = IPv6Address(text)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    # In a web address the sign before the zone is itself escaped.
    zone = zone.removeprefix("25") or zone
    if percent and not re.fullmatch(r"[\w.~-]+", zone, re.ASCII):
        message = "has no zone that can be read."
        raise ValueError(message)
    return str(address) + percent + zone


def to_punycode(name: str) -> str:
    """A name as the name servers know it; ValueError if one of its parts cannot be spelled so."""
    if name.isascii():
        return name.lower()
    import idna

    mapped = idna.uts46_remap(name.lower(), std3_rules=False, transitional=False)
    labels = mapped.split(".")
    return ".".join(each if each.isascii() else idna.alabel(each).decode() for each in labels)


def host_of(url: str) -> str:
    """The host that an address leads to, without the port; empty if it cannot be read."""
    try:
        return read_host(urlsplit(url).hostname or "")
    except ValueError:
        return ""


class Origin(NamedTuple):
    """Scheme, host (empty if it cannot be read) and port of an address that is called."""

    scheme: str
    host: str
    port: int


@lru_cache(maxsize=256)
def origin_of(url: str) -> Origin | None:
    """Where an address leads to; None if it cannot be read. Every text of a run has the same."""
    try:
        parts = urlsplit(url)
        return Origin(parts.scheme, host_of(url), port_of(parts))
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether the host (with or without a port) is this computer, by the names that stand for it.

    >>> is_loopback("127.0.0.1:8000"), is_loopback("127.0.0.1.example.com")
    (True, False)
    """
    name = host_of(f"//{host}")
    return name.endswith(".localhost") or is_this_computer(name)


@lru_cache(maxsize=256)
def is_this_computer(name: str) -> bool:
    """Whether a host without a port is this computer, with no name server in between."""
    if name == "localhost":
        return True
    try:
        return ip_address(read_host(name)).is_loopback
    except ValueError:
        return False


def port_of(parts: SplitResult) -> int:
    """The port of an address, the scheme's own if none is written."""
    return parts.port or (443 if parts.scheme == "https" else 80)
