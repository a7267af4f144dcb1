"""Known facts: what is known of a connection's models now, and by whose word.

The provider's live list takes precedence over what policy files tell, these over the store, and
that over the shipped table. `layers` None are the policy files of this machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from llmwidgets.connections.live_list import facts_now
from llmwidgets.providers.base import PRICES
from llmwidgets.providers.overrides import NOTHING, with_told

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.connections.policy_file import Rules
    from llmwidgets.providers.base import ModelFacts


def facts_of(
    connection: Connection, model: str, layers: Iterable[Rules] | None = None
) -> ModelFacts | None:
    """What is known of a model; None where nothing is. A snapshot has the facts of its alias."""
    kind, names = connection.kind, (connection.provider.alias(model), model)
    told = [connection.told.get(name, NOTHING) for name in names]
    for rules in reversed(tuple(_followed(layers))):
        told += [rules.told(kind, name) for name in names]
    shipped = connection.provider.facts(model)
    return facts_now(connection, model, with_told(kind, model, shipped, *told))


def own_price(connection: Connection, model: str) -> Mapping[str, float] | None:
    """US dollars for a million tokens by the connection itself or by its organization."""
    facts = facts_of(connection, model)
    if connection.fields.price or facts is None or facts.own_price is None:
        return connection.fields.price
    return dict(zip(PRICES, facts.own_price, strict=False))


def whitelist(connection: Connection, layers: Iterable[Rules] | None = None) -> tuple[str, ...]:
    """The shipped models of a single kind, and those that policy files tell facts of."""
    shipped = (facts.id for facts in connection.provider.models)
    told = (model for rules in _followed(layers) for model in rules.told_of(connection.kind))
    return tuple(dict.fromkeys((*shipped, *told)))


def _followed(layers: Iterable[Rules] | None) -> Iterable[Rules]:
    if layers is not None:
        return layers
    from llmwidgets.connections.policies.policy_layers import machine_rules

    return machine_rules()
