"""Tokens: what is exchanged for a token that ends, kept until shortly before its end.

One mechanism for every way to sign in: a token is shared by all connections that would ask for the
same one, is asked for once however many calls wait for it, and once more after a refusal. It is in
no repr, log or file. Where it comes from, the sources below tell.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import copy_context
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from llmwidgets.dialects.types import AuthHeader, Call, Exchange, HTTPResponse
from llmwidgets.errors import (
    CallError,
    FailureCode,
    FieldError,
    LLMWidgetsError,
    Overloaded,
    PolicyError,
    Unreachable,
)
from llmwidgets.providers.urls import host_of
from llmwidgets.secret import Secret, redact

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.connections.policy import Policy

_SECONDS = 20.0
_EARLY_SECONDS = 300.0
_LONGEST_SECONDS = 86_400.0
_MOST_KEPT = 1_000
_AWAY = frozenset({429, 500, 502, 503, 504})
"""By which a token service says that it cannot answer now: it is asked once more."""
_PAUSE_SECONDS = 1.0
_READ = 10_000

_SOURCES = {
    "entra": "entra_tokens:fetch_by_chain",
    "google": "google_tokens:fetch_by_json",
    "google_machine": "google_machine:fetch_from_machine",
}
"""By the source that an exchange names: a module of this folder, and its function, which asks for a
token on a thread of its own and gives a Token, or the error that says why there is none."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token: how many seconds it lasts, the headers that go with it, and whose it is.

    `account` is empty if that is not known or is not a name, and `via` names what signed in: Azure
    CLI, say. `project` takes the place of `-` in a call's address. ValueError for what cannot be a
    token; one that says that it lasts longer than a day is asked for again after one.
    """

    secret: Secret
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)
    account: str = ""
    via: str = ""
    project: str = ""

    def __post_init__(self) -> None:
        if not _SENDABLE.fullmatch(self.secret.reveal()):
            message = "Not a token that a header can contain."
            raise ValueError(message)
        if not _NAME.fullmatch(self.account):
            object.__setattr__(self, "account", "")
        # In this order, what is not a number is 0.
        object.__setattr__(self, "seconds", min(max(0.0, self.seconds), _LONGEST_SECONDS))


_SENDABLE = re.compile(r"[!-~]{1,65536}")
_NAME = re.compile(r"[^\W_][\w.@#+'-]{0,253}")
"""An account's: it is shown, and stands in a command for whoever can give it a role."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a source is asked: the exchange, what is exchanged, and the call that waits for it.

    `hosts` are those that the policy was asked about on the way.
    """

    exchange: Exchange
    secret: Secret
    call: Call
    policy: Policy
    loop: asyncio.AbstractEventLoop
    hosts: set[str] = field(default_factory=set)

    def permit(self, host: str) -> None:
        """Raise PolicyError if the policy forbids this host."""
        self.policy.permit_host(host)
        self.hosts.add(host)

    def send(self, call: Call, seconds: float = _SECONDS) -> HTTPResponse:
        """Send a call of the exchange by our own transport, if the policy allows its host.

        A service that cannot answer now is asked once more. Raises PolicyError, and what the
        transport raises.
        """
        self.permit(host_of(call.url))
        call = replace(
            call,
            ca_bundle=self.call.ca_bundle,
            label=self.call.label,
            model=self.call.model,
            brings_token=True,
        )
        return asyncio.run_coroutine_threadsafe(_send(call, seconds), self.loop).result()

    def error(self, kind: type[CallError], sentence: str, hint: str, code: str) -> CallError:
        """Why there is no token, for the call that waits for it."""
        return kind(sentence, hint, label=self.call.label, model=self.call.model, code=code)

    def busy(self, who: str) -> CallError:
        """That who was asked for the token cannot answer now."""
        sentence = f"{who} has an error of its own."
        return self.error(Overloaded, sentence, "Try again in a minute.", FailureCode.TOKEN)

    def not_the_service(self, host: str, service: str) -> CallError:
        """That something else answers in place of the service that gives tokens."""
        sentence = f"What answers at {host} is not {service}."
        hint = "A proxy or firewall may be in between: ask the administrator of the network."
        return self.error(Unreachable, sentence, hint, FailureCode.TOKEN_SERVICE)


def is_busy(response: HTTPResponse) -> bool:
    """Whether who was asked has an error of its own."""
    return response.status == 429 or response.status >= 500


def read_claims(secret: Secret) -> Mapping[str, Any]:
    """What a token says about itself, which nothing here relies on; empty if it is not a JWT."""
    try:
        claims = json.loads(urlsafe_b64decode(secret.reveal().split(".")[1] + "=="))
    except (IndexError, ValueError, FieldError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def quote_service(words: str) -> str:
    """What a service says, short and without what looks like a key."""
    return " ".join(redact(words).split())[:200]


Source = Callable[[TokenRequest], Token | LLMWidgetsError]


async def _send(call: Call, seconds: float) -> HTTPResponse:
    from llmwidgets.engine.network import transport

    response = await transport.send_call(call, total=seconds)
    if response.status in _AWAY:
        await asyncio.sleep(_PAUSE_SECONDS)
        response = await transport.send_call(call, total=seconds)
    return response


@dataclass(frozen=True, slots=True)
class _Kept:
    token: Token
    renew_at: float
    hosts: Iterable[str]


_kept: dict[str, _Kept] = {}
_Fetch = asyncio.Task[Token | LLMWidgetsError]
_Place = tuple[object, ...]
_under_way: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Place, _Fetch]] = WeakKeyDictionary()
"""What is being fetched: whoever needs the same token meanwhile waits for the same answer, if the
policies let both ask the same hosts."""
_by_second: set[tuple[str, Exchange]] = set()
"""Hosts that refused the first scope of an exchange: they are asked with the second."""
_AUDIENCE = re.compile(rb"audience", re.I)


async def exchange_credentials(call: Call, policy: Policy) -> Call:
    """The call with a token in place of what it exchanges for one; others come back as they are.

    Raises Unauthorized if what is exchanged cannot be used or is not accepted, PolicyError if its
    service may not be asked, and what the transport raises.
    """
    header = _header(call.auth)
    if header is None:
        return call
    in_force = _in_force(header, call.url)
    token = await _token(in_force, call, policy)
    if isinstance(token, CallError) and token.code == FailureCode.NO_AUDIENCE:
        _try_other_scope(header, call, in_force)
        token = await _token(_in_force(header, call.url), call, policy)
    if isinstance(token, LLMWidgetsError):
        # Others that waited raise it too, each with a traceback and a name of its own.
        error = copy(token)
        if isinstance(error, CallError):
            error.label, error.model = call.label, call.model
        # A Verbose traceback prints this frame's locals, and the call's body contains the document.
        del call
        raise error
    auth = tuple(
        AuthHeader(each.name, token.secret, each.template) if each is header else each
        for each in call.auth
    )
    url = call.url
    if token.project:
        url = url.replace("/projects/-/", f"/projects/{token.project}/", 1)
    headers = {**call.headers, **token.headers}
    return replace(call, url=url, auth=auth, headers=headers, account=token.account)


def token_refused(call: Call, sent: Call, response: HTTPResponse | None = None) -> bool:
    """Whether the call may be repeated with another token than the refused one that it was sent by.

    False for a call that carries a key of its own: there is no other. The refused token is
    forgotten, unless a call that was refused earlier has had it replaced already. If the response
    names the audience, the next token is for the second scope.
    """
    header = _header(call.auth)
    if header is None:
        return False
    in_force = _in_force(header, call.url)
    digest = _digest(in_force) or ""
    known = _kept.get(digest)
    if known is not None and any(each.secret is known.token.secret for each in sent.auth):
        del _kept[digest]
        if response is not None and _AUDIENCE.search(response.body[:_READ]):
            _try_other_scope(header, call, in_force)
    return True


def known_account(connection: Connection) -> str:
    """Whose token the connection signs in with: `ada@acme.example by Azure CLI`.

    Empty until one was fetched, and if the token does not say.
    """
    target = connection.first_target
    header = _header(target.auth)
    kept = _kept.get(_digest(_in_force(header, target.url)) or "") if header else None
    if kept is None or not kept.token.account:
        return ""
    via = kept.token.via
    return f"{kept.token.account} by {via}" if via else kept.token.account


def forget_token(connection: Connection) -> None:
    """Forget the token of a connection, should somebody else sign in where it comes from."""
    target = connection.first_target
    if (header := _header(target.auth)) is not None:
        _kept.pop(_digest(_in_force(header, target.url)) or "", None)


def forget_tokens() -> None:
    """Forget every token: the next calls ask for new ones."""
    _kept.clear()
    _by_second.clear()


def _header(auth: Iterable[AuthHeader]) -> AuthHeader | None:
    return next((each for each in auth if each.exchange is not None), None)


def _in_force(header: AuthHeader, url: str) -> AuthHeader:
    """The header with the one scope that this host is asked with."""
    exchange = header.exchange
    assert exchange is not None
    second = (host_of(url), exchange) in _by_second
    scope = exchange.second_scope if second else exchange.scope
    return replace(header, exchange=replace(exchange, scope=scope, second_scope=""))


def _try_other_scope(header: AuthHeader, call: Call, refused: AuthHeader) -> None:
    exchange = header.exchange
    assert exchange is not None
    assert refused.exchange is not None
    if not exchange.second_scope:
        return
    while len(_by_second) >= _MOST_KEPT:
        _by_second.pop()
    place = (host_of(call.url), exchange)
    (_by_second.add if refused.exchange.scope == exchange.scope else _by_second.discard)(place)


_STEERING = ("AZURE_", "IDENTITY_", "MSI_", "GCE_METADATA_")
"""How the variables begin by which the clouds' own clients say who signs in, and where."""


def _digest(header: AuthHeader) -> str | None:
    """What a token is kept by: the exchange, its secret, and the variables that steer the sign-in.

    None if the secret is out of reach.
    """
    digest = hashlib.sha256(repr(header.exchange).encode())
    for name in sorted(name for name in os.environ if name.startswith(_STEERING)):
        digest.update(f"\n{name}={os.environ.get(name)}\n".encode("utf-8", "surrogateescape"))
    try:
        digest.update(header.secret.reveal().encode("utf-8", "replace"))
    except FieldError:
        return None
    return digest.hexdigest()


async def _token(header: AuthHeader, call: Call, policy: Policy) -> Token | LLMWidgetsError:
    digest = _digest(header) or ""
    known = _kept.get(digest)
    if known is not None and time.time() < known.renew_at:
        return _denial(policy, known.hosts) or known.token
    loop = asyncio.get_running_loop()
    fetches = _under_way.setdefault(loop, {})
    place = (digest, *((rules.hosts, rules.damage) for rules in policy.layers))
    task = fetches.get(place) if digest else None
    if task is None:
        assert header.exchange is not None
        request = TokenRequest(header.exchange, header.secret, call, policy, loop)
        task = fetches[place] = loop.create_task(_fetch_and_keep(request, digest))
        task.add_done_callback(partial(_forget_task, fetches, place))
    # One call that is stopped does not take the token away from the others.
    return await asyncio.shield(task)


def _denial(policy: Policy, hosts: Iterable[str]) -> PolicyError | None:
    """Why a policy does not allow a token that was had from these hosts for another one."""
    try:
        for host in hosts:
            policy.permit_host(host)
    except PolicyError as error:
        return error.with_traceback(None)
    return None


def _forget_task(fetches: dict[_Place, _Fetch], place: _Place, task: _Fetch) -> None:
    if fetches.get(place) is task:
        del fetches[place]


async def _fetch_and_keep(request: TokenRequest, digest: str) -> Token | LLMWidgetsError:
    answered: asyncio.Future[Token | LLMWidgetsError] = request.loop.create_future()
    # A thread of a pool would hold up the end of the kernel, and the replies that wait for one.
    work = partial(copy_context().run, _answer, request, answered)
    threading.Thread(target=work, name="llmwidgets sign-in", daemon=True).start()
    token = await answered
    header = AuthHeader("", request.secret, exchange=request.exchange)
    # A file with credentials can have become another's meanwhile.
    if isinstance(token, Token) and digest and digest == _digest(header):
        while len(_kept) >= _MOST_KEPT:
            _kept.pop(next(iter(_kept)))
        early = min(_EARLY_SECONDS, token.seconds / 4)
        renew_at = time.time() + token.seconds - early
        _kept[digest] = _Kept(token, renew_at, tuple(request.hosts))
    return token


def _answer(request: TokenRequest, answered: asyncio.Future[Token | LLMWidgetsError]) -> None:
    token = _fetch(request)
    # Nobody waits any more where the loop has ended.
    with suppress(RuntimeError):
        request.loop.call_soon_threadsafe(
            lambda: None if answered.done() else answered.set_result(token)
        )


def _fetch(request: TokenRequest) -> Token | LLMWidgetsError:
    """On a thread of its own: reading a key takes time, and a source waits for its answer."""
    name, _, function = _SOURCES[request.exchange.source].partition(":")
    source: Source = getattr(import_module(f"llmwidgets.engine.network.sign_in.{name}"), function)
    try:
        answer = source(request)
    except LLMWidgetsError as error:
        answer = error
    except BaseException as error:  # noqa: BLE001 - its frames may contain what is exchanged
        name = type(error).__name__
        sentence = f"What answered the sign-in gave no token that can be used ({name})."
        hint = "A proxy or firewall may be in between: ask the administrator of the network."
        answer = request.error(Unreachable, sentence, hint, FailureCode.TOKEN_SERVICE)
    if isinstance(answer, LLMWidgetsError):
        # A token that was perhaps given costs nothing, and can be asked for again.
        if isinstance(answer, CallError):
            answer.perhaps_answered = False
        # The frames it came through contain what is exchanged.
        answer.__context__ = answer.__cause__ = None
        return answer.with_traceback(None)
    return answer
