"""Live lists: what providers said of their models in this process; it goes before the tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from llmwidgets.dialects.types import Form, ListedModel
from llmwidgets.providers.base import Ended, ModelFacts, Provider
from llmwidgets.providers.deprecation import as_of, ending, merged, today
from llmwidgets.providers.deprecation import ended as ended_by

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection


_Key = tuple[str, str, str]
_lists: dict[_Key, dict[str, ListedModel]] = {}


def remember(connection: Connection, listed: Iterable[ListedModel]) -> None:
    """Keep a live list for the rest of the process.

    Lists that do not hold what the key may call (a region's or a publisher's catalogue) are not
    kept.
    """
    if connection.provider.lists:
        _lists[_key(connection)] = {each.id: each for each in listed}


def forget() -> None:
    """Forget every list: the tables alone count again."""
    _lists.clear()


def listed(connection: Connection) -> tuple[str, ...]:
    """The models that the connection's server listed in this process; empty where it did not."""
    return tuple(_list_of(connection))


def facts_now(connection: Connection, model: str, shipped: ModelFacts | None) -> ModelFacts | None:
    """The facts of a model today: the table's, with the live list's word where there is one."""
    listed = _list_of(connection).get(model)
    if listed is not None:
        return merged(shipped, listed, today())
    return as_of(shipped, today()) if shipped is not None else None


def ended(connection: Connection, model: str) -> Ended | None:
    """That a model is past its end for this connection today; None while it lives or is unknown."""
    return ended_by(connection.facts(model), connection.provider.successor(model))


def ended_at(provider: Provider, model: str) -> Ended | None:
    """The same by a provider's own tables alone, for a server that is reached in another way."""
    shipped = provider.facts(model)
    facts = as_of(shipped, today()) if shipped is not None else None
    return ended_by(facts, provider.successor(model))


def end_note(connection: Connection, model: str) -> str:
    """A sentence where the model has ended or ends soon; empty otherwise."""
    facts = connection.facts(model)
    return ending(facts, today()) if facts is not None else ""


def form_told(connection: Connection, model: str) -> Form | None:
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
