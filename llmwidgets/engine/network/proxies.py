"""Which proxy a call takes: read from the environment, never for loopback or the metadata host."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from llmwidgets.providers.urls import METADATA_HOST, is_this_computer, origin_of, read_host
from llmwidgets.secret import Secret


@dataclass(frozen=True, slots=True)
class Proxy:
    """A forward proxy, and the variable that names it; the URL never contains the user or password.

    The URL is empty if the variable's value cannot be read as one.
    """

    url: str
    variable: str
    user: str = ""
    password: Secret | None = None

    @property
    def usable(self) -> bool:
        """Whether the transport speaks this kind of proxy (SOCKS it does not)."""
        return self.url.startswith(("http://", "https://"))

    @property
    def place(self) -> str:
        """Host and port, as a message names them."""
        return urlsplit(self.url).netloc or f"of {self.variable}"


def proxy_for(url: str) -> Proxy | None:
    """The proxy for this address by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, or None."""
    target = origin_of(url)
    if target is None or is_this_computer(target.host) or target.host == METADATA_HOST:
        return None
    if _excepted(target.host, target.port):
        return None
    for variable in (f"{target.scheme}_proxy", "all_proxy"):
        name, value = _variable(variable)
        if value:
            return _read_proxy(name, value)
    return None


def _read_proxy(variable: str, value: str) -> Proxy:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = read_host(parts.hostname or ""), parts.port
        # The rest of a password with a # or / in it; what comes before is not the host.
        if "@" in parts.path + parts.query + parts.fragment:
            return Proxy("", variable)
    except ValueError:
        return Proxy("", variable)
    netloc = f"[{host}]" if ":" in host else host
    return Proxy(
        f"{parts.scheme}://{netloc}{f':{port}' if port else ''}",
        variable,
        unquote(parts.username or ""),
        Secret(unquote(parts.password), literal=True) if parts.password else None,
    )


def _variable(name: str) -> tuple[str, str]:
    """The variable's name, as it is set, and its value: small letters first."""
    named = next((each for each in (name, name.upper()) if os.environ.get(each)), name.upper())
    return named, os.environ.get(named, "").strip()


def _excepted(host: str, port: int) -> bool:
    entries = [entry.strip() for entry in _variable("no_proxy")[1].split(",")]
    return any(_matches(entry, host, port) for entry in entries if entry)


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return _in_network(entry, host)
    bare = entry.count(":") > 1 and not entry.startswith("[")
    try:
        parts = urlsplit(f"//[{entry}]" if bare else f"//{entry}")
        name = read_host((parts.hostname or "").removeprefix("*").removeprefix("."))
        wanted_port = parts.port
    except ValueError:
        return False
    return wanted_port in {None, port} and (host == name or host.endswith(f".{name}"))


def _in_network(entry: str, host: str) -> bool:
    try:
        network = ipaddress.ip_network(entry.strip("[]"), strict=False)
        return ipaddress.ip_address(host.strip("[]")) in network
    except ValueError:
        return False
