"""Capability: what a model really enforces of a schema, found out by a probe once per process."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING

from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.types import BEST, Capability, Enforcement, ResponseFormat
from llmwidgets.engine import server_facts
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.retry import Pace
from llmwidgets.engine.probing import ACCEPTED, Prober
from llmwidgets.engine.server_facts import ServerKey, server_key
from llmwidgets.errors import Failure, LLMWidgetsError, ReplyError
from llmwidgets.schemas import Schema

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy


_COLD_AFTER_SECONDS = 240.0
"""Ollama puts a model away that was not asked for five minutes."""

_capabilities: dict[ServerKey, Capability] = {}
_answered: dict[ServerKey, float] = {}
_unheld: dict[ServerKey, set[str]] = {}
"""The digests of schemas that a model was seen not to be held to, by connection and model."""
_under_way: dict[ServerKey, asyncio.Lock] = {}


def known_capability(connection: Connection, model: str) -> Capability | None:
    """What is known without a call: from the model's facts, the store, or an earlier probe."""
    return _capabilities.get(server_key(connection, model)) or connection.capability(model)


def learn_capability(connection: Connection, model: str, capability: Capability) -> None:
    """Keep what a call taught, for the rest of the process."""
    _capabilities[server_key(connection, model)] = capability


def mark_unheld(connection: Connection, model: str, schema: Schema) -> None:
    """Keep that a reply did not keep to this schema, which was sent to be enforced."""
    _unheld.setdefault(server_key(connection, model), set()).add(schema.digest)


def unheld(connection: Connection, model: str, schema: Schema) -> bool:
    """Whether the server was seen not to enforce this schema, whatever it does with others."""
    return schema.digest in _unheld.get(server_key(connection, model), ())


def forget_capabilities() -> None:
    """Forget every probe: the next run asks anew."""
    _capabilities.clear()
    _answered.clear()
    _unheld.clear()
    _under_way.clear()
    server_facts.forget_facts()


async def find_capability(
    connection: Connection, model: str, *, policy: Policy, pace: Pace
) -> Capability:
    """What the model enforces; probed where nothing is known, once even for many who ask.

    Where the probe's replies tell nothing, the `doubt` says so, and nothing is kept. Raises what
    the calls raise: a server that is overloaded has told nothing either.
    """
    key = server_key(connection, model)
    async with _under_way.setdefault(key, asyncio.Lock()):
        found = known_capability(connection, model)
        if found is not None:
            return found
        prober = Prober(connection, model, policy=policy, pace=pace)
        try:
            return conclude_capability(connection, model, await prober.climb())
        except ReplyError as failure:
            return _unproven(prober, failure)


def _unproven(prober: Prober, why: Failure) -> Capability:
    """How to ask while it is not known what is enforced: nothing is taken to be."""
    taken = [form for form, said, _ in prober.tried if said == ACCEPTED]
    form = next(iter(taken), ResponseFormat.TEXT)
    mode = Enforcement.JSON if BEST[form] is Enforcement.SCHEMA else BEST[form]
    doubt = f"What {prober.model} enforces could not be determined. {why.message}"
    return Capability(form, mode, tuple(prober.tried), doubt)


def conclude_capability(connection: Connection, model: str, found: Capability) -> Capability:
    """Keep what a probe saw; what was learnt of single schemas before is forgotten."""
    key = server_key(connection, model)
    _capabilities[key], _answered[key] = found, time.monotonic()
    _unheld.pop(key, None)
    return found


async def greet_server(connection: Connection, model: str, *, policy: Policy, pace: Pace) -> None:
    """The smallest question: the model answers it, whatever it says; else CallError.

    InvalidJSON or Refused where it answers without a word.
    """
    await Prober(connection, model, policy=policy, pace=pace).greet()


async def warm_up(connection: Connection, model: str, *, policy: Policy) -> None:
    """Have a server on this computer load its model, so that no text's time holds the loading.

    A probe has done so; where it is long ago, or what the server enforces was known without one,
    the smallest question is asked. What it raises the first text raises too, and tells.
    """
    if not connection.provider.self_hosted or not egress.is_local(connection):
        return
    key = server_key(connection, model)
    async with _under_way.setdefault(key, asyncio.Lock()):
        cold = time.monotonic() - _answered.get(key, -math.inf) > _COLD_AFTER_SECONDS
        _answered[key] = time.monotonic()
        if cold:
            once = Pace(1, 1)
            once.patient = False
            with contextlib.suppress(LLMWidgetsError):
                await greet_server(connection, model, policy=policy, pace=once)
            _answered[key] = time.monotonic()
