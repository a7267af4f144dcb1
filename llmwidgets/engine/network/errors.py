"""The words for every way in which a call does not come through, by its code."""

from __future__ import annotations

from urllib.parse import urlsplit

from llmwidgets.dialects.types import Call
from llmwidgets.engine.network.proxies import Proxy, is_loopback, port_of
from llmwidgets.errors import CallError, FailureCode, Unauthorized, Unreachable

# code: (sentence, next step, whether the server may have read the whole request)
_WORDS: dict[str, tuple[str, str, bool]] = {
    FailureCode.REFUSED: (
        "Nothing is listening at {place}.",
        "Check the address and the port, and that the server is started.",
        False,
    ),
    "refused_here": (
        "Nothing is listening at {place}.",
        "Is the server started? When the kernel runs in a container or on another computer,"
        " localhost is that computer: give the server's outside address.",
        False,
    ),
    FailureCode.DNS: (
        "The name {host} leads to no address.",
        "Check how the host is spelled, and that this computer is online.",
        False,
    ),
    FailureCode.UNREACHABLE: (
        "There is no way from here to {place}.",
        "Check the network, a VPN or a firewall, and whether a proxy is needed (HTTPS_PROXY).",
        False,
    ),
    FailureCode.CONNECT_TIMEOUT: (
        "{place} did not take the connection in {connect:g} s.",
        "Check the address, a firewall, and whether a proxy is needed (HTTPS_PROXY).",
        False,
    ),
    FailureCode.TLS: (
        "The certificate of {host} is not trusted here.",
        "Behind a company's proxy, name its certificate file in the field CA bundle.",
        False,
    ),
    FailureCode.TLS_SPOKEN: (
        "{place} does not speak https the way it should.",
        "Check the port, and whether the server expects http:// instead of https://.",
        False,
    ),
    FailureCode.HUNG_UP: (
        "{host} hung up without a reply after it was sent the request.",
        "Ask again; if it stays, look into the server's own log.",
        True,
    ),
    FailureCode.CUT_SHORT: (
        "{host} broke the connection in the middle of its reply.",
        "Ask again; if it stays, a proxy or gateway on the way may cut long replies.",
        True,
    ),
    FailureCode.TOO_SLOW: (
        "{host} did not finish its reply in {total:g} s.",
        "Ask again later, ask fewer texts at a time, or take a faster model.",
        True,
    ),
    FailureCode.STALLED: (
        "{host} began its reply and then fell silent for {stall:g} s.",
        "Ask again; if it stays, look into the server's own log.",
        True,
    ),
    FailureCode.TOO_BIG: (
        "The reply of {host} is larger than 16 MB.",
        "Check that the address is that of a model server.",
        True,
    ),
    FailureCode.NOT_HTTP: (
        "What answers at {place} does not speak HTTP.",
        "Check the port of the address.",
        True,
    ),
    FailureCode.REDIRECT: (
        "{host} sends the call on to another address; keys and texts are not sent there.",
        "Enter the final address as the endpoint.",
        False,
    ),
    FailureCode.PROXY_UNREACHABLE: (
        "The proxy {proxy} does not answer.",
        "Check HTTPS_PROXY, or name {host} in NO_PROXY if it is reached without one.",
        False,
    ),
    FailureCode.PROXY_REFUSED: (
        "The proxy {proxy} refuses to lead to {host}.",
        "Check the user and the password in HTTPS_PROXY, or ask who runs the proxy.",
        False,
    ),
    FailureCode.PROXY_KIND: (
        "The proxy {proxy} is of a kind that is not supported.",
        "Give an http:// proxy in HTTPS_PROXY, or name {host} in NO_PROXY.",
        False,
    ),
    FailureCode.PLAIN_HTTP: (
        "{place} is plain http: the key and the texts would cross the network unencrypted.",
        "Use https://, or turn on Allow plain http for this connection.",
        False,
    ),
    FailureCode.ADDRESS: (
        "The endpoint is no address that can be called.",
        "An address looks like https://host/v1.",
        False,
    ),
    FailureCode.CA_BUNDLE: (
        "The CA bundle of this connection cannot be read.",
        "Give the path of a PEM file.",
        False,
    ),
    FailureCode.NETWORK: (
        "The call to {host} failed on the way.",
        "Ask again.",
        True,
    ),
}  # fmt: skip

_KEY_WORDS: dict[str, tuple[str, str]] = {
    FailureCode.KEY_SHAPE: (
        "The key has characters that cannot be sent in a header.",
        "Copy the key again, without line ends or typographic characters.",
    ),
}

HOPELESS = frozenset({
    FailureCode.TLS, FailureCode.TLS_SPOKEN, FailureCode.REDIRECT, FailureCode.PROXY_REFUSED,
    FailureCode.PROXY_KIND, FailureCode.PLAIN_HTTP, FailureCode.ADDRESS, FailureCode.CA_BUNDLE,
    FailureCode.TOO_BIG,
})  # fmt: skip
"""Codes that asking again cannot change."""

PASSING = frozenset({
    FailureCode.REFUSED, FailureCode.DNS, FailureCode.UNREACHABLE, FailureCode.CONNECT_TIMEOUT,
    FailureCode.TLS, FailureCode.TLS_SPOKEN, FailureCode.PROXY_UNREACHABLE,
    FailureCode.PROXY_REFUSED,
})  # fmt: skip
"""Codes of calls that were never sent, for reasons that can pass where calls came through before:
a restart, a network that is down, the page of a network that asks for a login."""


def network_error(
    code: str,
    call: Call,
    *,
    proxy: Proxy | None = None,
    connect: float = 0.0,
    total: float = 0.0,
    stall: float = 0.0,
) -> CallError:
    """The Unreachable of this code, in words that name the host and hold nothing of the call."""
    host, place = _places(call.url)
    if code in _KEY_WORDS:
        said, hint = _KEY_WORDS[code]
        return Unauthorized(said, hint, label=call.label, model=call.model, code=code)
    words = "refused_here" if code == FailureCode.REFUSED and is_loopback(host) else code
    said, hint, perhaps_answered = _WORDS[words]
    facts = {
        "host": host,
        "place": place,
        "proxy": urlsplit(proxy.url).netloc if proxy else "",
        "connect": connect,
        "total": total,
        "stall": stall,
    }
    return Unreachable(
        said.format(**facts),
        hint.format(**facts),
        label=call.label,
        model=call.model,
        code=code,
        perhaps_answered=perhaps_answered,
    )


def _places(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        host = parts.hostname or "the address"
        return host, f"{parts.scheme}://{host}:{port_of(parts)}"
    except ValueError:
        return "the address", "the address"
