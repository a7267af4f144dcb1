"""Transport: the only socket, and the only opener of the secrets in a call's headers.

The sockets are aiohttp's, under httpx's requests and replies, in a session of ours: no limit of
its own, no cookies, nothing read from the environment, no redirect followed. An error leaves
this file as a fresh CallError, raised outside every `except`, so that no frame and no context
that ever held a header leaves with it.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import json
import os
import ssl
import time
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp
import httpx
import truststore
from httpx_aiohttp import AiohttpTransport

from llmwidgets import __version__
from llmwidgets.dialects.types import Call, HTTPResponse
from llmwidgets.engine import event_loop
from llmwidgets.engine.defaults import CONNECT_SECONDS, REPLY_BYTES, STALL_SECONDS, TOTAL_SECONDS
from llmwidgets.engine.network import echoes
from llmwidgets.engine.network.retry import network_error
from llmwidgets.errors import CallError, FailureCode, FieldError, Unauthorized
from llmwidgets.providers.urls import is_this_computer, port_of
from llmwidgets.secret import Secret

_LARGE = 1 << 18
_OWN_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "gzip, deflate",
    "user-agent": f"llmwidgets/{__version__}",
}


async def send_call(
    call: Call,
    *,
    connect: float = CONNECT_SECONDS,
    total: float = TOTAL_SECONDS,
    stall: float = STALL_SECONDS,
) -> HTTPResponse:
    """Send the call and read the whole reply, whatever its status; seconds for all limits.

    Raises Unreachable, with a `code` of its own for each way of failing, and Unauthorized where
    the key cannot be looked up or sent. Runs on the engine's loop.
    """
    outcome = await _attempt(call, connect, total, stall)
    # A Verbose traceback prints this frame's locals, and the call's body contains the document.
    del call
    if isinstance(outcome, HTTPResponse):
        return outcome
    if isinstance(outcome, CallError):
        raise outcome
    raise asyncio.CancelledError


async def _attempt(
    call: Call, connect: float, total: float, stall: float
) -> HTTPResponse | CallError | None:
    """The response, the error, or None if the task was cancelled."""
    code, proxy = _refusal(call), None
    if code is not None:
        return network_error(code, call)
    try:
        proxy = proxy_for(call.url)
        if proxy and not proxy.usable:
            raise _Ended(FailureCode.PROXY_KIND)
        async with asyncio.timeout(total):
            return await _exchange(call, proxy, connect, stall)
    except asyncio.CancelledError:
        return None
    except FieldError as error:
        return Unauthorized(
            error.message,
            error.hint,
            label=call.label,
            model=call.model,
            code=FailureCode.KEY_MISSING,
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, it may contain a header
        code = _code(error, proxied=proxy is not None)
    named = urlsplit(proxy.url).netloc if proxy else ""
    return network_error(code, call, proxy=named, connect=connect, total=total, stall=stall)


def _refusal(call: Call) -> FailureCode | None:
    """Why this address is not called at all."""
    try:
        parts = urlsplit(call.url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return FailureCode.ADDRESS
    if parts.scheme not in {"http", "https"} or not host:
        return FailureCode.ADDRESS
    if parts.scheme == "http" and not call.allow_plain_http and not is_this_computer(host):
        return FailureCode.PLAIN_HTTP
    return None


class _Ended(Exception):
    """The exchange ended in a way that has its own code."""

    def __init__(self, code: FailureCode) -> None:
        self.code = code


async def _exchange(call: Call, proxy: Proxy | None, connect: float, stall: float) -> HTTPResponse:
    transport = _door().transport(call.ca_bundle, proxy)
    echoes.watch(each.secret for each in call.auth)
    body = None if call.body is None else _encode(call.body)
    limits = {"connect": connect, "pool": connect, "read": None, "write": None}
    begun = time.perf_counter()
    response = await transport.handle_async_request(
        httpx.Request(
            call.method,
            _url(call.url),
            headers={
                **_OWN_HEADERS,
                **({} if body is None else {"content-type": "application/json"}),
                **call.headers,
                **(_proxy_auth(proxy) if proxy and call.url.startswith("http:") else {}),
                **{each.name: each.template.format(each.secret.reveal()) for each in call.auth},
            },
            content=body,
            extensions={"timeout": limits},
        )
    )
    first_byte = time.perf_counter() - begun
    try:
        if 300 <= response.status_code < 400:
            raise _Ended(FailureCode.REDIRECT)
        if response.status_code == 407:
            raise _Ended(FailureCode.PROXY_REFUSED)
        received = await _read(response, stall)
    finally:
        await response.aclose()
    seconds = time.perf_counter() - begun
    # An exchange of credentials brings a token, perhaps the one that is in use already.
    if not isinstance(call.body, Secret) or response.status_code >= 400:
        masked = echoes.masked
        received = (
            await asyncio.to_thread(masked, received)
            if len(received) > _LARGE
            else masked(received)
        )
    headers = echoes.masked_headers(response.headers)
    return HTTPResponse(response.status_code, headers, received, seconds, first_byte)


_url = lru_cache(maxsize=256)(httpx.URL)


def _encode(body: Any) -> bytes:
    if isinstance(body, Secret):
        return body.reveal().encode()
    # A text read from a broken file can contain half a character, which no server takes.
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


async def _read(response: httpx.Response, stall: float) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async with aclosing(cast("AsyncGenerator[bytes]", response.aiter_bytes())) as stream:
        while True:
            try:
                async with asyncio.timeout(stall):
                    piece = await anext(stream, None)
            except TimeoutError:
                raise _Ended(FailureCode.STALLED) from None
            if piece is None:
                return b"".join(pieces)
            size += len(piece)
            if size > REPLY_BYTES:
                raise _Ended(FailureCode.TOO_BIG)
            pieces.append(piece)


def _code(error: BaseException, *, proxied: bool) -> FailureCode:
    """The code of an error, by what aiohttp reported; httpx's own classes mix things up."""
    if isinstance(error, _Ended):
        return error.code
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
        return FailureCode.TOO_SLOW
    if isinstance(error, (UnicodeError, ValueError)) and not isinstance(error, httpx.HTTPError):
        return (
            FailureCode.ADDRESS if isinstance(error, aiohttp.InvalidURL) else FailureCode.KEY_SHAPE
        )
    if isinstance(error, httpx.DecodingError):
        return FailureCode.CUT_SHORT
    cause = error.__cause__ if isinstance(error, httpx.HTTPError) else error
    for kind, code in _CODES:
        if isinstance(cause, kind):
            return code
    if isinstance(cause, aiohttp.ClientConnectorError):
        return _connecting_code(cause, proxied=proxied)
    return FailureCode.HUNG_UP if isinstance(cause, OSError) else FailureCode.NETWORK


_CODES: tuple[tuple[type[BaseException], FailureCode], ...] = (
    (aiohttp.ClientProxyConnectionError, FailureCode.PROXY_UNREACHABLE),
    (aiohttp.ClientHttpProxyError, FailureCode.PROXY_REFUSED),
    (aiohttp.ConnectionTimeoutError, FailureCode.CONNECT_TIMEOUT),
    (aiohttp.ClientConnectorCertificateError, FailureCode.TLS),
    (aiohttp.ClientConnectorSSLError, FailureCode.TLS_SPOKEN),
    (aiohttp.ClientConnectorDNSError, FailureCode.DNS),
    (aiohttp.InvalidURL, FailureCode.ADDRESS),
    (aiohttp.ServerDisconnectedError, FailureCode.HUNG_UP),
    (aiohttp.ClientPayloadError, FailureCode.CUT_SHORT),
    (aiohttp.ClientResponseError, FailureCode.NOT_HTTP),
    (aiohttp.SocketTimeoutError, FailureCode.STALLED),
    (ssl.SSLError, FailureCode.TLS_SPOKEN),
)


def _connecting_code(error: aiohttp.ClientConnectorError, *, proxied: bool) -> FailureCode:
    if error.os_error.errno == errno.ECONNREFUSED:
        return FailureCode.PROXY_UNREACHABLE if proxied else FailureCode.REFUSED
    return FailureCode.UNREACHABLE


class _Door:
    """The sessions of one event loop: one for each CA bundle, since each has its TLS context."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._transports: dict[str | None, AiohttpTransport] = {}

    def transport(self, ca_bundle: str | None, proxy: Proxy | None) -> AiohttpTransport:
        direct = self._transports.get(ca_bundle)
        if direct is None:
            context = _tls(ca_bundle)
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=context),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
            direct = AiohttpTransport(verify=context, client=session, trust_env=False)
            self._transports[ca_bundle] = direct
        if proxy is None:
            return direct
        return AiohttpTransport(
            verify=direct.ssl_context,
            client=direct.client,
            # Sent with CONNECT alone, that is for https; a plain call carries its own.
            proxy=httpx.Proxy(proxy.url, headers=_proxy_auth(proxy)),
            trust_env=False,
        )

    async def close(self) -> None:
        transports, self._transports = self._transports, {}
        for transport in transports.values():
            await transport.aclose()


def _tls(ca_bundle: str | None) -> ssl.SSLContext:
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_bundle:
        try:
            context.load_verify_locations(cafile=str(Path(ca_bundle).expanduser()))
        except OSError:
            raise _Ended(FailureCode.CA_BUNDLE) from None
    return context


def _proxy_auth(proxy: Proxy) -> dict[str, str]:
    if proxy.password is None:
        return {}
    return {
        "proxy-authorization": "Basic "
        + b64encode(f"{proxy.user}:{proxy.password.reveal()}".encode()).decode()
    }


_doors: list[_Door] = []


def _door() -> _Door:
    # Doors of ended loops are closed; that of a parent process is kept, untouched, for good.
    running = asyncio.get_running_loop()
    if not _doors or _doors[-1].loop is not running:
        door = _Door()
        _doors.append(door)
        event_loop.close_at_stop(door.close)
    return _doors[-1]


# -- Which proxy a call takes: read from the environment, never for loopback.


@dataclass(frozen=True, slots=True)
class Proxy:
    """A forward proxy; its URL never contains the user or the password."""

    url: str
    user: str = ""
    password: Secret | None = None

    @property
    def usable(self) -> bool:
        """Whether the transport speaks this kind of proxy (SOCKS it does not)."""
        return self.url.startswith(("http://", "https://"))


def proxy_for(url: str) -> Proxy | None:
    """The proxy for this address by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, or None."""
    target = urlsplit(url)
    host = target.hostname or ""
    if is_this_computer(host):
        return None
    value = _variable(f"{target.scheme}_proxy") or _variable("all_proxy")
    if not value or _excepted(host, port_of(target)):
        return None
    parts = urlsplit(value if "://" in value else f"http://{value}")
    return Proxy(
        urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", "")),
        unquote(parts.username or ""),
        Secret(unquote(parts.password)) if parts.password else None,
    )


def _variable(name: str) -> str:
    return (os.environ.get(name) or os.environ.get(name.upper()) or "").strip()


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
