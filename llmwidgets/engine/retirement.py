"""Retirement: whether a model is past its end today for a connection, and by whose days."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from llmwidgets.connections import live_list
from llmwidgets.connections.connection import Connection
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import Ended, Provider


@dataclass(frozen=True, slots=True)
class Retirement:
    """Who retired a model, since when where a source names the day, and what to use instead."""

    whose: str
    ended: Ended

    @property
    def on(self) -> str:
        """The day as it stands in a sentence; empty where no source names it."""
        return f" on {self.ended.since:%Y-%m-%d}" if self.ended.since else ""


def retirement(connection: Connection, model: str) -> Retirement | None:
    """The retirement of a model by the days that hold for this connection.

    None while it lives there, and where nothing is known: a server that lacks a model has not
    retired it.
    """
    provider, own = connection.provider, live_list.ended(connection, model)
    if own is not None:
        return Retirement(provider.vendor or provider.title, own)
    if connection.facts(model) is not None:
        return None
    gone = provider.ended(model)
    if gone is not None:
        return Retirement(gone.whose, gone)
    maker = _maker(connection)
    if maker is None:
        return None
    found = live_list.ended_at(maker, model)
    return Retirement(maker.title, found) if found else None


def _maker(connection: Connection) -> Provider | None:
    """The provider whose own address a server of the user's has, also through a gateway."""
    if not connection.provider.self_hosted:
        return None
    endpoint = str(getattr(connection.fields, "endpoint", "") or "")
    host = urlsplit(endpoint).hostname or ""
    known = (each for each in PROVIDERS.values() if each.host)
    return next((each for each in known if f".{host}".endswith(f".{each.host}")), None)
