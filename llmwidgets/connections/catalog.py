"""Known facts: what is known of a connection's models now, and by whose word.

The provider's live list takes precedence over what policy files tell, these over the store, and
that over the shipped table. `layers` None are the policy files of this machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from llmwidgets.dialects.types import ListedModel, ResponseFormat
from llmwidgets.providers.base import PRICES, Ended, ModelFacts, Provider
from llmwidgets.providers.deprecation import as_of, ending, merged, today
from llmwidgets.providers.deprecation import ended as ended_by
from llmwidgets.providers.overrides import NOTHING, with_told

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.connections.policy_file import Rules


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
    from llmwidgets.connections.policy_file import machine_rules

    return machine_rules()


# -- Live lists: what providers said of their models in this process; it goes before the tables.

_Key = tuple[str, str, str]
_lists: dict[_Key, dict[str, ListedModel]] = {}


def remember_models(connection: Connection, listed: Iterable[ListedModel]) -> None:
    """Keep a live list for the rest of the process.

    Lists that do not hold what the key may call (a region's or a publisher's catalogue) are not
    kept.
    """
    if connection.provider.lists:
        _lists[_key(connection)] = {each.id: each for each in listed}


def forget_models() -> None:
    """Forget every list: the tables alone count again."""
    _lists.clear()


def listed_models(connection: Connection) -> tuple[str, ...]:
    """The models that the connection's server listed in this process; empty where it did not."""
    return tuple(_list_of(connection))


def facts_now(connection: Connection, model: str, shipped: ModelFacts | None) -> ModelFacts | None:
    """The facts of a model today: the table's, with the live list's word where there is one."""
    listed = _list_of(connection).get(model)
    if listed is not None:
        return merged(shipped, listed, today())
    return as_of(shipped, today()) if shipped is not None else None


def has_ended(connection: Connection, model: str) -> Ended | None:
    """That a model is past its end for this connection today; None while it lives or is unknown."""
    return ended_by(connection.facts(model), connection.provider.successor(model))


def ended_on(provider: Provider, model: str) -> Ended | None:
    """The same by a provider's own tables alone, for a server that is reached in another way."""
    shipped = provider.facts(model)
    facts = as_of(shipped, today()) if shipped is not None else None
    return ended_by(facts, provider.successor(model))


def end_note(connection: Connection, model: str) -> str:
    """A sentence where the model has ended or ends soon; empty otherwise."""
    facts = connection.facts(model)
    return ending(facts, today()) if facts is not None else ""


def form_told(connection: Connection, model: str) -> ResponseFormat | None:
    """The strictest form that the live list says the model takes; None where it does not say."""
    listed = _list_of(connection).get(model)
    return listed.form if listed is not None else None


def model_notes(connection: Connection, model: str) -> tuple[str, ...]:
    """What a user should know before the model is called: its end, and that a list lacks it."""
    said = (end_note(connection, model), unlisted_note(connection, model))
    return tuple(sentence for sentence in said if sentence)


def unlisted_note(connection: Connection, model: str) -> str:
    """A sentence where the server's live list lacks the model; empty otherwise."""
    live = _list_of(connection)
    lacks = bool(live) and model not in live
    return f"{connection.host} does not list {model}: it may refuse the calls." if lacks else ""


def _list_of(connection: Connection) -> dict[str, ListedModel]:
    return _lists.get(_key(connection), {}) if _lists else {}


def _key(connection: Connection) -> _Key:
    return connection.kind, connection.label, connection.address
