"""Free calls: the list of models, and the count of tokens, that prove a key without a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.error_body import tells_error
from llmwidgets.dialects.types import ListedModel
from llmwidgets.engine.network import egress

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy


SECONDS = 20.0
_MOST_PAGES = 20


async def list_models(connection: Connection, model: str, *, policy: Policy) -> list[ListedModel]:
    """Every page of the server's list; raises what the calls raise."""
    dialect = connection.dialect
    call, found = dialect.models_call(connection.target(model)), list[ListedModel]()
    # A resource whose deployments the references name has no model of its own to permit.
    named = None if connection.any_model else model
    for _ in range(_MOST_PAGES):
        payload = await egress.send(connection, named, call, policy=policy, total=SECONDS)
        if payload.status >= 400:
            raise dialect.explain(payload, call=call)
        page, call = dialect.listed_models(payload, call)
        found += page
        if call is None:
            break
    return found


async def count_tokens(connection: Connection, model: str, *, policy: Policy) -> None:
    """Ask how many tokens a word has, where that is free; raises what the call raises."""
    dialect = connection.dialect
    call = dialect.count_call(connection.target(model))
    if call is None:
        return
    payload = await egress.send(connection, model, call, policy=policy, total=SECONDS)
    if tells_error(payload):
        raise dialect.explain(payload, call=call)
