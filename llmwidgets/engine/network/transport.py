"""Transport: the only socket, and the only opener of the secrets in a call's headers.

The sockets are aiohttp's, under httpx's requests and replies, in a session of ours: no limit of
its own, no cookies, nothing read from the environment, no redirect followed. An error leaves
this file as a fresh CallError, raised outside every `except`, so that no frame and no context
that ever held a header leaves with it. A key that a server sends back is masked before anything
reads the reply.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import ssl
import threading
import time
from base64 import b64encode
from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, cast
from weakref import WeakKeyDictionary

import aiohttp
import httpx
import truststore
from httpx_aiohttp import AiohttpTransport

from llmwidgets import __version__
from llmwidgets.dialects.error_body import redirect_target
from llmwidgets.dialects.requests import spell_body
from llmwidgets.dialects.response_body import to_utf8
from llmwidgets.dialects.types import Call, HTTPResponse
from llmwidgets.engine import event_loop
from llmwidgets.engine.network.compression import unpack
from llmwidgets.engine.network.proxies import Proxy, proxy_for
from llmwidgets.engine.network.retry import (
    CONNECT_SECONDS,
    STALL_SECONDS,
    TOTAL_SECONDS,
    Ended,
    network_error,
)
from llmwidgets.engine.network.tally import count_sent
from llmwidgets.errors import CallError, FailureCode, FieldError, Unauthorized
from llmwidgets.known_keys import find_all, known_key, secret_values
from llmwidgets.providers.urls import METADATA_HOST, is_this_computer, origin_of
from llmwidgets.secret import Secret

_REPLY_BYTES = 16 * 1024 * 1024
LARGE = 1 << 18
"""Bytes of a reply from which on it is read on another thread, so that no other call waits."""
_HEADER_BYTES, _HEADERS = 1 << 16, 1000
"""The longest header and the most of them: aiohttp's own limits, 8 kB and 128, are passed by
gateways that put what their policies found, or whole cookies, into headers."""
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
    count_sent(call, outcome)
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
    words: dict[str, Any] = {"connect": connect, "total": total, "stall": stall}
    try:
        proxy = proxy_for(call.url)
        if proxy and not proxy.usable:
            raise Ended(FailureCode.PROXY_KIND)
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
        words |= error.words if isinstance(error, Ended) else {}
    if proxy:
        words |= {"proxy": proxy.place, "variable": proxy.variable}
    return network_error(code, call, **words)


def _refusal(call: Call) -> FailureCode | None:
    """Why this address is not called at all."""
    address = origin_of(call.url)
    if address is None or address.scheme not in {"http", "https"} or not address.host:
        return FailureCode.ADDRESS
    plain = address.scheme == "http" and not call.allow_plain_http
    if not plain or is_this_computer(address.host):
        return None
    bare = address.host == METADATA_HOST and _has_no_secret(call)
    return None if bare else FailureCode.PLAIN_HTTP


def _has_no_secret(call: Call) -> bool:
    """Whether it sends nothing that anybody else may not read: what a metadata server is asked."""
    return call.method == "GET" and call.body is None and not call.auth


async def _exchange(call: Call, proxy: Proxy | None, connect: float, stall: float) -> HTTPResponse:
    transport = _transport(call.ca_bundle, proxy)
    watch_secrets(each.secret for each in call.auth)
    body = call.spelled
    if body is None and call.body is not None:
        body = _encode(call.body)
    limits = {"connect": connect, "pool": connect, "read": None, "write": None}
    begun = time.perf_counter()
    response = await transport.handle_async_request(_request(call, proxy, body, limits))
    first_byte = time.perf_counter() - begun
    try:
        if 300 <= response.status_code < 400:
            location = _mask_headers(response.headers).get("location", "")
            raise Ended(FailureCode.REDIRECT, target=redirect_target(location, call))
        if response.status_code == 407:
            raise Ended(FailureCode.PROXY_REFUSED)
        received = await _read(response, stall)
        received = unpack(received, response.headers.get("content-encoding", ""), _REPLY_BYTES)
    finally:
        await response.aclose()
    seconds = time.perf_counter() - begun
    # Before keys are looked for: one in UTF-16 has other bytes.
    received = to_utf8(received, response.headers.get("content-type", ""))
    if not call.brings_token or response.status_code >= 400:
        large = len(received) > LARGE
        received = (
            await asyncio.to_thread(mask_secrets, received) if large else mask_secrets(received)
        )
    headers = _mask_headers(response.headers)
    return HTTPResponse(response.status_code, headers, received, seconds, first_byte, call.account)


def _request(
    call: Call, proxy: Proxy | None, body: bytes | None, limits: dict[str, float | None]
) -> httpx.Request:
    """The request; what it needs besides these headers (host, length) aiohttp adds."""
    plain = _plain_headers(tuple(call.headers.items()), body is not None)
    request = httpx.Request(
        call.method,
        _url(call.url),
        headers={
            **plain,
            **(_proxy_auth(proxy) if proxy and call.url.startswith("http:") else {}),
            **{each.name: each.template.format(each.secret.reveal()) for each in call.auth},
        },
        stream=httpx.ByteStream(body or b""),
        extensions={"timeout": limits},
    )
    # Known, it is not looked for in every header again.
    request.headers.encoding = "ascii"
    request.read()
    return request


@lru_cache(maxsize=256)
def _plain_headers(given: tuple[tuple[str, str], ...], has_body: bool) -> httpx.Headers:
    """The headers without a secret, which many calls have in common; copied, never changed."""
    content = {"content-type": "application/json"} if has_body else {}
    return httpx.Headers({**_OWN_HEADERS, **content, **dict(given)}, encoding="ascii")


_url = lru_cache(maxsize=256)(httpx.URL)

_LAST_EVENTS, _CLOSES_IN = 256, 0.5
"""The bytes in which the last event of a stream is looked for, and the seconds in which the server
may close it then; what comes later, or breaks off, takes nothing from the reply."""
_SAID_ALL = re.compile(rb"[\r\n]data: ?(?:\[DONE\]|\{\"type\": ?\"message_stop\"\s*\})\s*[\r\n]")


def _encode(body: Any) -> bytes:
    return body.reveal().encode() if isinstance(body, Secret) else spell_body(body)


async def _read(response: httpx.Response, stall: float) -> bytes:
    pieces: list[bytes] = []
    size, now, said, closes_by = 0, asyncio.get_running_loop().time, b"", 0.0
    ends = now() + stall
    stream = cast("AsyncGenerator[bytes]", aiter(cast("httpx.AsyncByteStream", response.stream)))
    try:
        async with aclosing(stream), asyncio.timeout_at(ends) as limit:
            async for piece in stream:
                said = (said + piece)[-_LAST_EVENTS:]
                if not closes_by and _SAID_ALL.search(said):
                    closes_by = now() + _CLOSES_IN
                size += len(piece)
                if size > _REPLY_BYTES:
                    raise Ended(FailureCode.TOO_BIG)
                pieces.append(piece)
                # To set a timer anew takes longer than to look at a piece.
                later = closes_by or now() + stall
                if later < ends or later - ends > stall / 100:
                    ends = later
                    limit.reschedule(ends)
    except (TimeoutError, httpx.TransportError) as error:
        if not closes_by:
            if isinstance(error, TimeoutError):
                raise Ended(FailureCode.STALLED) from None
            raise
    return b"".join(pieces)


def _code(error: BaseException, *, proxied: bool) -> FailureCode:
    """The code of an error, by what aiohttp reported; httpx's own classes mix things up."""
    if isinstance(error, Ended):
        return error.code
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
        return FailureCode.TOO_SLOW
    if isinstance(error, (UnicodeError, ValueError)) and not isinstance(error, httpx.HTTPError):
        return (
            FailureCode.ADDRESS if isinstance(error, aiohttp.InvalidURL) else FailureCode.KEY_SHAPE
        )
    cause = error.__cause__ if isinstance(error, httpx.HTTPError) else error
    # The name of the host is looked up by the proxy: what fails before it answers is the proxy.
    if proxied and isinstance(cause, _CONNECTING):
        return FailureCode.PROXY_UNREACHABLE
    if isinstance(cause, aiohttp.ClientResponseError) and cause.message.startswith(_TOO_LONG):
        return FailureCode.LONG_HEADER
    for kind, code in _CODES:
        if isinstance(cause, kind):
            return code
    if isinstance(cause, aiohttp.ClientConnectorError):
        if cause.os_error.errno != errno.ECONNREFUSED:
            return FailureCode.UNREACHABLE
        return FailureCode.PROXY_UNREACHABLE if proxied else FailureCode.REFUSED
    return FailureCode.HUNG_UP if isinstance(cause, OSError) else FailureCode.NETWORK


_CONNECTING = (aiohttp.ClientConnectorDNSError, aiohttp.ConnectionTimeoutError)
_TOO_LONG = ("Got more than", "Too many headers")
"""Aiohttp has no class of its own for a header that is beyond its limits."""
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


_transports: dict[asyncio.AbstractEventLoop, dict[str | None, AiohttpTransport]] = {}
"""By loop and CA bundle, since each bundle has its TLS context.

Those of a parent process are kept, untouched, for good.
"""


def _transport(ca_bundle: str | None, proxy: Proxy | None) -> AiohttpTransport:
    loop = asyncio.get_running_loop()
    if loop not in _transports:
        _transports[loop] = {}
        event_loop.running_engine().closers.append(partial(_close, loop))
    direct = _transports[loop].get(ca_bundle)
    if direct is None:
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if ca_bundle:
            try:
                context.load_verify_locations(cafile=os.path.expanduser(ca_bundle))
            except OSError:
                raise Ended(FailureCode.CA_BUNDLE) from None
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=context),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
            max_headers=_HEADERS,
        )
        direct = AiohttpTransport(verify=context, client=session, trust_env=False)
        _transports[loop][ca_bundle] = direct
    if proxy is None:
        return direct
    return AiohttpTransport(
        verify=direct.ssl_context,
        client=direct.client,
        # Sent with CONNECT alone, that is for https; a plain call carries its own.
        proxy=httpx.Proxy(proxy.url, headers=_proxy_auth(proxy)),
        trust_env=False,
    )


async def _close(loop: asyncio.AbstractEventLoop) -> None:
    for transport in _transports.pop(loop, {}).values():
        await transport.aclose()


def _proxy_auth(proxy: Proxy) -> dict[str, str]:
    if proxy.password is None:
        return {}
    return {
        "proxy-authorization": "Basic "
        + b64encode(f"{proxy.user}:{proxy.password.reveal()}".encode()).decode()
    }


# -- A key that a server sends back is masked, so that none of a run comes back in a model's name,
# an id, a header, an error's words or the answer itself. Looked for are the keys that were sent and
# those of every connection of a run: as they are, in Base64, escaped as JSON or HTML, URL-encoded,
# and at least half of one.

_MASK = "••••".encode()
_KEY_LENGTH = 16
"""A key without a digit is looked for from this length on: shorter ones are words."""

_HALF = 12
_OF_MANY = 40
"""The other lines of a private key are looked for from this length on."""


@dataclass(frozen=True, slots=True, eq=False)
class _Key:
    """What is looked for, in views, whose repr shows an address alone."""

    raw: memoryview
    coded: tuple[memoryview, ...]
    halves: tuple[memoryview, ...]
    """One of these is in every text that contains at least half of the key unescaped."""

    @classmethod
    def of(cls, raw: memoryview, coded: tuple[memoryview, ...] = ()) -> _Key:
        begun = tuple(word[: _half(word)] for word in (raw, *coded))
        return cls(raw, coded, (*begun, raw[-_half(raw) :]))


_watched: WeakKeyDictionary[Secret, list[_Key]] = WeakKeyDictionary()
_states: WeakKeyDictionary[Secret, int] = WeakKeyDictionary()
"""The fingerprints of those that are watched."""
_turn = threading.Lock()


def watch_secrets(secrets: Iterable[Secret]) -> None:
    """Mask these in every reply from now on, as long as they live."""
    global _changes
    for secret in secrets:
        known = _watched.get(secret)
        # A reference can resolve to another value by now.
        if known is None or (secret.reference and _states.get(secret) != secret.fingerprint):
            state, keys = secret.fingerprint, list(_spellings(secret))
            with _turn:
                _watched[secret], _states[secret] = keys, state
                _changes += 1


_searched: tuple[tuple[int, int], list[_Key], list[memoryview]] = ((0, 0), [], [])
"""What is looked for now: every key and every half, and for which keys they were listed."""
_changes = 0


def _list_keys() -> tuple[list[_Key], list[memoryview]]:
    """All keys that are watched, and their halves; listed anew where a key came or went."""
    global _searched
    with _turn:
        now = _changes, len(_watched)
        if _searched[0] != now:
            keys = [each for known in _watched.values() for each in known]
            halves = [half for key in keys for half in key.halves]
            _searched = now, keys, halves
        return _searched[1:]


def mask_secrets(data: bytes) -> bytes:
    """The bytes of a reply, with every watched key masked."""
    keys, halves = _list_keys()
    if not _has_escapes(data):
        for half in halves:
            if data.find(half) >= 0:
                break
        else:
            return data
    kept: list[bytes] = []
    at = 0
    for start, end in sorted(_spans(data, keys)):
        if start > at or not kept:
            kept += [data[at:start], _MASK]
        at = max(at, end)
    return b"".join([*kept, data[at:]]) if kept else data


def mask_text(text: str, errors: str = "surrogatepass") -> str:
    """The same for a text; one without a key is the text itself."""
    if not text:
        return text
    raw = text.encode("utf-8", errors)
    masked = mask_secrets(raw)
    return text if masked is raw else masked.decode("utf-8", errors)


def _mask_headers(headers: Mapping[str, str]) -> dict[str, str]:
    plain = dict(headers.items())
    # One search for all of them: nearly always there is nothing to mask.
    whole = "\n".join(plain.values()).encode("utf-8", "surrogateescape")
    if mask_secrets(whole) is whole:
        return plain
    return {name: mask_text(value, "surrogateescape") for name, value in plain.items()}


def _is_recognizable(letters: bytes) -> bool:
    """Whether it is a key, and not a word or number of any answer (`ollama`, a year)."""
    digits = any(each in b"0123456789" for each in letters)
    return not letters.isdigit() and (digits or len(letters) >= _KEY_LENGTH)


def _spellings(secret: Secret) -> Iterator[_Key]:
    for known in known_key("", secret):
        raw = known.spellings[0][1]
        if _is_recognizable(bytes(raw)):
            coded = tuple(each for kind, each in known.spellings if kind == "base64")
            yield _Key.of(raw, coded)
    with suppress(FieldError):
        for value in secret_values(secret):
            lines = bytes(value).splitlines()
            yield from (_Key.of(memoryview(line)) for line in lines[1:] if len(line) >= _OF_MANY)


def _spans(data: bytes, keys: list[_Key]) -> Iterator[tuple[int, int]]:
    for key in keys:
        yield from _pieces(data, key.raw)
        for each in key.coded:
            yield from _beginnings(data, each)
    if keys and _has_escapes(data):
        unfolded = _Unfolded(data)
        for key in keys:
            for start, end in _pieces(unfolded.plain, key.raw):
                yield unfolded.span(start, end)


def _pieces(data: bytes, word: memoryview) -> Iterator[tuple[int, int]]:
    """Where at least half of the word is: its first half with all that follows, or its last."""
    yield from _beginnings(data, word)
    size = _half(word)
    for at in find_all(data, bytes(word[-size:])):
        begin, more = at, len(word) - size
        while more and begin and data[begin - 1 : begin] == word[more - 1 : more]:
            begin, more = begin - 1, more - 1
        yield begin, at + size


def _half(word: memoryview) -> int:
    return min(len(word), max(_HALF, (len(word) + 1) // 2))


def _beginnings(data: bytes, word: memoryview) -> Iterator[tuple[int, int]]:
    size = _half(word)
    for at in find_all(data, bytes(word[:size])):
        more = size
        while more < len(word) and data[at + more : at + more + 1] == word[more : more + 1]:
            more += 1
        yield at, at + more


_ESCAPED = re.compile(
    rb"\\{1,7}(?:u00(?P<json>[2-7][0-9a-fA-F])|(?P<slash>/))|%(?P<url>[2-7][0-9a-fA-F])"
    rb"|&#(?:x(?P<hex>[2-7][0-9a-fA-F])|(?P<html>\d{2,3}));"
)


def _has_escapes(data: bytes) -> bool:
    # Most texts have none of what is in every escape, which is seen at once.
    some = b"\\u00" in data or b"\\/" in data or b"%" in data or b"&#" in data
    return some and bool(_ESCAPED.search(data))


class _Unfolded:
    """Bytes with every escaped letter in its place, and where each of them stood before."""

    def __init__(self, data: bytes) -> None:
        kept: list[bytes] = []
        self._at: list[int] = []  # in `plain`, the place of each letter that was escaped
        self._spans: list[tuple[int, int]] = []
        end = length = 0
        for match in _ESCAPED.finditer(data):
            kept += [data[end : match.start()], _letter(match)]
            length += match.start() - end
            end = match.end()
            self._at.append(length)
            self._spans.append(match.span())
            length += 1
        self.plain = b"".join([*kept, data[end:]])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a piece of `plain` stood."""
        return self._letter(start)[0], self._letter(end - 1)[1]

    def _letter(self, offset: int) -> tuple[int, int]:
        last = bisect_right(self._at, offset) - 1
        if last < 0:
            return offset, offset + 1
        behind = offset - self._at[last]
        start, end = self._spans[last]
        return (end + behind - 1, end + behind) if behind else (start, end)


def _letter(match: re.Match[bytes]) -> bytes:
    if match["slash"]:
        return b"/"
    if match["html"]:
        return bytes([min(int(match["html"]), 127)])
    return bytes([int(match["json"] or match["url"] or match["hex"], 16)])
