"""Tokens: what is exchanged for a token that ends, kept until shortly before its end.

One mechanism for every way to sign in: a token is shared by all connections that would ask for the
same one, is asked for once however many calls wait for it, and once more after a refusal. It is in
no repr, log or file. Where it comes from, the sources below tell.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from llmwidgets.dialects.types import AuthHeader, Call, Exchange, HTTPResponse
from llmwidgets.errors import CallError, FieldError
from llmwidgets.secret import Secret

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.connections.policy import Policy

_SECONDS = 20.0
_EARLY_SECONDS = 300.0
_MOST_KEPT = 64

_SOURCES = {
    "google": "google_tokens:fetch_by_json",
}
"""By the source that an exchange names: a module of this folder, and its function, which asks for a
token on a thread of its own and gives a Token, or the CallError that says why there is none."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token: how many seconds it lasts, the headers that go with it, and whose it is."""

    secret: Secret
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)
    account: str = ""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a source is asked: the exchange, what is exchanged, and the call that waits for it."""

    exchange: Exchange
    secret: Secret
    call: Call
    policy: Policy
    loop: asyncio.AbstractEventLoop

    def send(self, call: Call, seconds: float = _SECONDS) -> HTTPResponse:
        """Send a call of the exchange by our own transport; raises what that raises."""
        from llmwidgets.engine.network import transport

        call = replace(
            call,
            ca_bundle=self.call.ca_bundle,
            label=self.call.label,
            model=self.call.model,
        )
        sending = transport.send_call(call, total=seconds)
        return asyncio.run_coroutine_threadsafe(sending, self.loop).result()

    def error(self, kind: type[CallError], sentence: str, hint: str, code: str) -> CallError:
        """Why there is no token, for the call that waits for it."""
        return kind(sentence, hint, label=self.call.label, model=self.call.model, code=code)


Source = Callable[[TokenRequest], Token | CallError]


@dataclass(frozen=True, slots=True)
class _Kept:
    token: Token
    renew_at: float


_kept: dict[str, _Kept] = {}
_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = WeakKeyDictionary()


async def exchange_credentials(call: Call, policy: Policy) -> Call:
    """The call with a token in place of what it exchanges for one; others come back as they are.

    Raises Unauthorized if what is exchanged cannot be used or is not accepted, and what the
    transport raises.
    """
    header = _header(call)
    if header is None:
        return call
    token = await _token(header, call, policy)
    if isinstance(token, CallError):
        # A Verbose traceback prints this frame's locals, and the call's body contains the document.
        del call
        raise token
    auth = tuple(
        AuthHeader(each.name, token.secret, each.template) if each is header else each
        for each in call.auth
    )
    return replace(call, auth=auth, headers={**call.headers, **token.headers})


def token_refused(call: Call, sent: Call) -> bool:
    """Whether the call may be repeated with another token than the refused one that it was sent by.

    False for a call that carries a key of its own: there is no other. The refused token is
    forgotten, unless a call that was refused earlier has had it replaced already.
    """
    header = _header(call)
    if header is None:
        return False
    digest = _digest(header) or ""
    known = _kept.get(digest)
    if known is not None and any(each.secret is known.token.secret for each in sent.auth):
        del _kept[digest]
    return True


def forget_tokens() -> None:
    """Forget every token: the next calls ask for new ones."""
    _kept.clear()


def known_account(connection: Connection) -> str:
    """Whose token calls of this connection carry: `ada@acme.example by Azure CLI`.

    Empty until one was fetched, and if the token does not say.
    """
    target = connection.target(next(iter(connection.models), "*"))
    header = next((each for each in target.auth if each.exchange is not None), None)
    known = _kept.get(_digest(header) or "") if header is not None else None
    return known.token.account if known is not None else ""


def _header(call: Call) -> AuthHeader | None:
    return next((each for each in call.auth if each.exchange is not None), None)


def _digest(header: AuthHeader) -> str | None:
    """What a token is kept by: the exchange and its secret; None if that is out of reach."""
    digest = hashlib.sha256(repr(header.exchange).encode())
    try:
        digest.update(header.secret.reveal().encode("utf-8", "replace"))
    except FieldError:
        return None
    return digest.hexdigest()


async def _token(header: AuthHeader, call: Call, policy: Policy) -> Token | CallError:
    digest = _digest(header)
    loop = asyncio.get_running_loop()
    locks = _locks.setdefault(loop, {})
    async with locks.setdefault(digest or "", asyncio.Lock()):
        known = _kept.get(digest or "")
        if known is not None and time.time() < known.renew_at:
            return known.token
        assert header.exchange is not None
        request = TokenRequest(header.exchange, header.secret, call, policy, loop)
        token = await asyncio.to_thread(_fetch, request)
        if isinstance(token, Token) and digest is not None:
            while len(_kept) >= _MOST_KEPT:
                _kept.pop(next(iter(_kept)))
            early = min(_EARLY_SECONDS, token.seconds / 4)
            _kept[digest] = _Kept(token, time.time() + token.seconds - early)
        return token


def _fetch(request: TokenRequest) -> Token | CallError:
    """On a thread of its own: reading a key takes time, and a source waits for its answer."""
    name, _, function = _SOURCES[request.exchange.source].partition(":")
    source: Source = getattr(import_module(f"llmwidgets.engine.network.{name}"), function)
    answer = source(request)
    if isinstance(answer, CallError):
        # A token that was perhaps given costs nothing, and can be asked for again.
        answer.perhaps_answered = False
        # The frames it came through contain what is exchanged.
        answer.__context__ = None
        return answer.with_traceback(None)
    return answer
