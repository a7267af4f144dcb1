"""Learned: what a server told of itself in its replies, kept for the rest of the process."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from llmwidgets.connections.catalog import facts_of
from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.error_rules import TokenLimits
from llmwidgets.dialects.types import ListedModel
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import ModelFacts


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What is known of the model behind a name that tells nothing: a deployment's, a server's.

    `served` is the id that it answers by, `spelled` the same as the server writes it (with its
    maker in front, say), `facts` what is known of that id. Limits are in tokens: `window` for
    question and answer together, `output_limit` for one answer. `answered` says that it has
    answered at all.
    """

    served: str = ""
    spelled: str = ""
    facts: ModelFacts | None = None
    window: int | None = None
    output_limit: int | None = None
    answered: bool = False


NOTHING = ServerFacts()

ServerKey = tuple[str, str, str]
"""What a model is told apart by: the kind of connection, the address of its calls, its name."""

_seen: dict[ServerKey, ServerFacts] = {}
_places: WeakKeyDictionary[Connection, dict[str, ServerKey]] = WeakKeyDictionary()


def server_key(connection: Connection, model: str) -> ServerKey:
    """The key under which this process keeps what it finds out of a model."""
    # A connection never changes, and every text asks several times.
    known = _places.setdefault(connection, {})
    if model not in known:
        known[model] = connection.kind, connection.target(model).url, model
    return known[model]


def facts_of_server(connection: Connection, model: str) -> ServerFacts:
    """What this process learned of a model of a connection."""
    return _seen.get(server_key(connection, model), NOTHING)


def forget_facts() -> None:
    """Forget everything that was learned."""
    _seen.clear()


def learn_from_reply(connection: Connection, model: str, served: str | None) -> None:
    """Keep the id by which a reply names its model."""
    if connection.provider.model_field is None:
        return
    known = facts_of_server(connection, model)
    if not known.answered or (served and served != known.spelled):
        told = recall_facts(connection, served or "")
        _seen[server_key(connection, model)] = replace(
            known, served=told.served, spelled=told.spelled, facts=told.facts, answered=True
        )


def learn_from_list(connection: Connection, model: str, listed: Iterable[ListedModel]) -> None:
    """Keep the window that a server's list of models tells of this one, or of its only one."""
    models = list(listed)
    named = [each for each in models if each.id == model] or (models if len(models) == 1 else [])
    window = next((each.input_limit for each in named if each.input_limit), None)
    if window is not None:
        _seen[server_key(connection, model)] = replace(
            facts_of_server(connection, model), window=window
        )


def learn_from_refusal(connection: Connection, model: str, limits: TokenLimits) -> None:
    """Keep the window or the output limit that a refusal tells."""
    known = facts_of_server(connection, model)
    _seen[server_key(connection, model)] = replace(
        known,
        window=limits.window or known.window,
        output_limit=limits.output or known.output_limit,
    )


def recall_facts(connection: Connection, served: str) -> ServerFacts:
    """What follows from the id of a served model alone."""
    facts = _facts(connection, served) if served else None
    # Of what a server says only an id that is known is kept in a row.
    return ServerFacts(served=facts.id if facts else served, spelled=served, facts=facts)


def _facts(connection: Connection, served: str) -> ModelFacts | None:
    """The facts of a vendor's model by the id in a reply; none is guessed."""
    bare = served.rpartition("/")[2]
    if connection.provider.deployments:
        return facts_of(connection, bare)
    for provider in PROVIDERS.values():
        facts = provider.facts(bare)
        if facts is not None:
            # Behind a gateway the levels are spelled by the gateway's own format.
            same = provider.dialect is connection.dialect
            levels = facts.efforts if same else tuple(map(str.lower, facts.efforts))
            return replace(facts, efforts=levels, options=facts.options if same else {})
    return None
