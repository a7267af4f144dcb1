"""Which proxy a call takes: read from the environment, never for loopback."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from llmwidgets.secret import Secret


@dataclass(frozen=True, slots=True)
class Proxy:
    """A forward proxy; its URL never holds the user or the password."""

    url: str
    user: str = ""
    password: Secret | None = None

    @property
    def usable(self) -> bool:
        """Whether the transport speaks this kind of proxy (SOCKS it does not)."""
        return self.url.startswith(("http://", "https://"))


def proxy_for(url: str) -> Proxy | None:
    """The proxy for this address by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, or None."""
    asked = urlsplit(url)
    host = asked.hostname or ""
    if is_loopback(host):
        return None
    found = _variable(f"{asked.scheme}_proxy") or _variable("all_proxy")
    if not found or _excepted(host, port_of(asked)):
        return None
    return _read(found if "://" in found else f"http://{found}")


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether the host is this computer by its name or address alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def port_of(parts: SplitResult) -> int:
    """The port of an address, the scheme's own where none is written."""
    return parts.port or (443 if parts.scheme == "https" else 80)


def _variable(name: str) -> str:
    return (os.environ.get(name) or os.environ.get(name.upper()) or "").strip()


def _read(text: str) -> Proxy:
    parts = urlsplit(text)
    place = parts.netloc.rpartition("@")[2]
    return Proxy(
        urlunsplit((parts.scheme, place, "", "", "")),
        unquote(parts.username or ""),
        Secret(unquote(parts.password)) if parts.password else None,
    )


def _excepted(host: str, port: int) -> bool:
    entries = [entry.strip().lower() for entry in _variable("no_proxy").split(",")]
    return any(_matches(entry, host.lower(), port) for entry in entries if entry)


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry or entry.count(":") > 1:
        return _in_network(entry, host)
    name, _, wanted_port = entry.partition(":")
    if wanted_port and wanted_port != str(port):
        return False
    name = name.removeprefix("*").removeprefix(".")
    return host == name or host.endswith(f".{name}")


def _in_network(entry: str, host: str) -> bool:
    try:
        network = ipaddress.ip_network(entry.strip("[]"), strict=False)
        return ipaddress.ip_address(host.strip("[]")) in network
    except ValueError:
        return False
