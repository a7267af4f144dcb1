"""The one way out: every call of every path passes the policy and the host check here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from llmwidgets.connections.connection import Connection
from llmwidgets.connections.foreign_keys import foreign_key_error
from llmwidgets.dialects.error_body import tells_error
from llmwidgets.dialects.types import (
    Call,
    HTTPResponse,
    ListedModel,
    Reply,
    Request,
    Target,
)
from llmwidgets.engine.network.retry import CONNECT_SECONDS, TOTAL_SECONDS
from llmwidgets.engine.network.tally import count_usage, refuse_excess
from llmwidgets.errors import CallError, Failure, PolicyError
from llmwidgets.providers.urls import Origin, host_of, is_this_computer, origin_of

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy


PATIENT_SECONDS = 600.0
"""The whole time a call may take with thinking on, on loopback and for Custom."""

CONCURRENCY_LOOPBACK = 1
CONCURRENCY_CUSTOM = 4
CONCURRENCY = 8

_watched: ContextVar[list[Call] | None] = ContextVar("_watched", default=None)


@contextmanager
def watch_calls() -> Iterator[list[Call]]:
    """The calls that go out while the block runs, in this task and those it starts; closed."""
    calls: list[Call] = []
    token = _watched.set(calls)
    try:
        yield calls
    finally:
        _watched.reset(token)


async def send_guarded(
    connection: Connection,
    model: str | None,
    call: Call,
    *,
    policy: Policy,
    connect: float = CONNECT_SECONDS,
    total: float = TOTAL_SECONDS,
) -> HTTPResponse:
    """Send a call of this connection, if its model is allowed and its host is the key's own.

    A call that names no model gives None: then the connection alone has to be allowed. One whose
    token is refused is sent once more, with another token; a second refusal is the answer.
    Before anything is sent raises PolicyError, or Unauthorized for a key that is surely another
    vendor's; else what the transport raises.
    """
    from llmwidgets.engine.network import transport
    from llmwidgets.engine.network.sign_in import tokens

    policy.permit(connection, model)
    if origin_of(call.url) != _bound(connection):
        raise PolicyError(
            f"The key of {connection.label} is bound to {connection.host}; it was not sent to"
            f" {host_of(call.url)}.",
            "Make a connection of its own for the other host.",
            rule="A key travels only to its own host.",
        )
    if (foreign := foreign_key_error(connection, model or "", _bound(connection).host)) is not None:
        raise foreign
    # What is exchanged for a token goes to its service alone, and the transport does not see it.
    exchanged = [each.secret for each in call.auth if each.exchange]
    if exchanged:
        transport.watch_secrets(exchanged)
    for tries_left in (1, 0) if exchanged else (0,):
        if (calls := _watched.get()) is not None:
            calls.append(call)
        sent = await tokens.exchange_credentials(call, policy) if exchanged else call
        response = await transport.send_call(sent, connect=connect, total=total)
        refused = tries_left and response.status == 401
        if not (refused and tokens.token_refused(call, sent, response)):
            break
    return response


@contextmanager
def named(connection: Connection, model: str, kind: type[Failure] = CallError) -> Iterator[None]:
    """Every failure of this kind that leaves the block names connection, model and host."""
    try:
        yield
    except kind as error:
        error.name_call(connection.label, model, connection.host)
        raise


async def ask_model(
    connection: Connection,
    request: Request,
    target: Target,
    *,
    policy: Policy,
    thinking: bool,
    call: Call | None = None,
) -> tuple[HTTPResponse, Reply]:
    """Put one question to a model and read its reply; raises what the call raises.

    `call` is the request as its format spells it, where that is known already.
    """
    from llmwidgets.engine.network.transport import LARGE, mask_text

    refuse_excess(request.model)
    with named(connection, request.model):
        dialect = connection.dialect_for(request.model)
        if call is None:
            call = replace(dialect.encode(request, target), question=True)
        total = total_seconds(connection, thinking=thinking)
        response = await send_guarded(connection, request.model, call, policy=policy, total=total)
        if response.status >= 400:
            raise dialect.explain(response, call=call)
        read = partial(dialect.decode, response, call=call)
        reply = await asyncio.to_thread(read) if len(response.body) > LARGE else read()
        count_usage(request.model, reply.usage)
    # A key can be whole only here, where the pieces of a stream are one text.
    text, explanation = mask_text(reply.text), mask_text(reply.explanation)
    if text is not reply.text or explanation is not reply.explanation:
        reply = replace(reply, text=text, explanation=explanation)
    return response, reply


def total_seconds(connection: Connection, *, thinking: bool) -> float:
    """The whole time a call may take: longer with thinking, on loopback and for Custom."""
    patient = thinking or connection.provider.self_hosted or is_local(connection)
    return PATIENT_SECONDS if patient else TOTAL_SECONDS


def first_concurrency(connection: Connection) -> int:
    """How many calls of this connection begin at once."""
    if is_local(connection):
        return CONCURRENCY_LOOPBACK
    return CONCURRENCY_CUSTOM if connection.provider.self_hosted else CONCURRENCY


def is_local(connection: Connection) -> bool:
    """Whether the connection's server is on this computer."""
    return is_this_computer(_bound(connection).host)


_bounds: WeakKeyDictionary[Connection, Origin] = WeakKeyDictionary()


def _bound(connection: Connection) -> Origin:
    # A connection never changes, and works its address out anew at each look.
    bound = _bounds.get(connection)
    if bound is None:
        # One that cannot be read is no call's.
        bound = origin_of(connection.address) or Origin("", "", 0)
        _bounds[connection] = bound
    return bound


# -- Calls that cost nothing, and prove a key without a question.

SECONDS = 20.0
_MOST_PAGES = 20


async def list_models(connection: Connection, model: str, *, policy: Policy) -> list[ListedModel]:
    """Every page of the server's list; raises what the calls raise."""
    dialect, models = connection.dialect_for(model), list[ListedModel]()
    call = dialect.models_call(connection.target(model))
    # A resource whose deployments the references name has no model of its own to permit.
    asked = None if connection.any_model else model
    with named(connection, model):
        for _ in range(_MOST_PAGES):
            response = await send_guarded(connection, asked, call, policy=policy, total=SECONDS)
            if response.status >= 400:
                raise dialect.explain(response, call=call)
            page, following = dialect.listed_models(response, call)
            models += page
            if following is None:
                break
            call = following
    return models


async def count_tokens(connection: Connection, model: str, *, policy: Policy) -> None:
    """Ask how many tokens a word has, where that is free; raises what the call raises."""
    dialect = connection.dialect_for(model)
    call = dialect.count_call(connection.target(model))
    if call is None:
        return
    with named(connection, model):
        response = await send_guarded(connection, model, call, policy=policy, total=SECONDS)
        if tells_error(response):
            raise dialect.explain(response, call=call)
