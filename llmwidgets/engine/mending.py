"""Mending: whether a proposed change of a field makes the connection work, found by trying it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llmwidgets.connections.connection import Connection
from llmwidgets.engine import capability
from llmwidgets.engine.checks import local_servers
from llmwidgets.engine.diagnosis import keyless, mended
from llmwidgets.engine.free_calls import count_tokens, list_models
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.retry import Pace
from llmwidgets.errors import LLMWidgetsError, Unauthorized

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy


_ADDRESSES = frozenset({"endpoint", "base_url"})


async def mends(
    connection: Connection, fix: Mapping[str, str], model: str, *, policy: Policy
) -> bool:
    """Whether the connection works with the fix; a key is never taken to another address."""
    moved = False
    try:
        other = mended(connection, fix)
        moved = bool(_ADDRESSES & set(fix)) and other.address != connection.address
        await _try(keyless(other) if moved else other, fix, model, policy)
    except Unauthorized:
        # A server that asks for the key is one: the address is right.
        return moved
    except LLMWidgetsError:
        return False
    return True


async def _try(other: Connection, fix: Mapping[str, str], model: str, policy: Policy) -> None:
    named = next(iter(other.models), model) if other.provider.model_field else model
    if other.provider.self_hosted:
        # A name comes from the server's own list; only an address has to be looked at.
        if _ADDRESSES & set(fix):
            await list_models(other, named, policy=policy)
    elif other.provider.single:
        await count_tokens(other, named, policy=policy)
    else:
        once = Pace(1, 1)
        once.patient = False
        await capability.greet(other, named, policy=policy, pace=once)


async def nearby(connection: Connection, model: str, error: LLMWidgetsError) -> tuple[str, ...]:
    """Model servers on this computer that list the model, where nothing listens as typed."""
    here = connection.provider.self_hosted and egress.local(connection)
    if not here or getattr(error, "code", "") != "refused":
        return ()
    found = await local_servers.discover(local_servers.USUAL)
    return tuple(each.endpoint for each in found if model in each.models)
