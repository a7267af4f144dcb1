"""Retirement: whether a model is past its end today for a connection, and by whose days."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from llmwidgets.connections import live_list
from llmwidgets.connections.connection import Connection
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.azure_models import GONE
from llmwidgets.providers.base import Kind, Provider
from llmwidgets.providers.deprecation import Ended

_MAKERS: dict[str, Kind] = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gemini",
}
"""Hosts where a Custom connection reaches a provider whose days are known."""


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
    own = live_list.ended(connection, model)
    if own is not None:
        return Retirement(_title(connection), own)
    if connection.facts(model) is not None:
        return None
    if connection.kind.startswith("azure"):
        return _on_azure(connection, model)
    maker = _maker(connection)
    if maker is None:
        return None
    found = live_list.ended_at(maker, model)
    return Retirement(maker.title, found) if found else None


def _title(connection: Connection) -> str:
    return "Azure" if connection.kind.startswith("azure") else connection.provider.title


def _on_azure(connection: Connection, model: str) -> Retirement | None:
    named = PROVIDERS["openai"].alias(model)
    if named in GONE:
        successor = PROVIDERS["openai"].successor(model) or ""
        return Retirement("Azure", Ended(GONE[named], successor))
    claude = PROVIDERS["anthropic"].successor(model)
    # Claude ends in Foundry when it ends at its maker.
    if claude is None or connection.kind != "azure_ai_foundry":
        return None
    return Retirement(PROVIDERS["anthropic"].title, Ended(None, claude))


def _maker(connection: Connection) -> Provider | None:
    """The provider whose own address a Custom connection has, also through a gateway."""
    endpoint = str(getattr(connection.fields, "endpoint", "") or "")
    host = urlsplit(endpoint).hostname or ""
    kinds = (kind for name, kind in _MAKERS.items() if host == name or host.endswith(f".{name}"))
    kind = next(kinds, None)
    return PROVIDERS[kind] if kind else None
