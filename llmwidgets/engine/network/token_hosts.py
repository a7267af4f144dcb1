"""Who is asked for a token before a connection's own host is called, by its way to sign in."""

from __future__ import annotations

from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.types import Exchange

_IMPERSONATION = "iamcredentials.googleapis.com"
_HOSTS: dict[str, tuple[str, ...]] = {
    "google": ("oauth2.googleapis.com",),
    "google_machine": ("169.254.169.254",),
    "google_file": ("oauth2.googleapis.com",),
    "entra": ("login.microsoftonline.com",),
}
"""By the source of an exchange: the services that it asks as a rule."""


def token_hosts(connection: Connection) -> tuple[str, ...]:
    """The hosts that give the connection its token; none for one that sends its own key."""
    auth = connection.target(next(iter(connection.models), "*")).auth
    exchanges = (each.exchange for each in auth if each.exchange is not None)
    return tuple(dict.fromkeys(host for each in exchanges for host in _hosts_of(each)))


def _hosts_of(exchange: Exchange) -> tuple[str, ...]:
    own = exchange.option("authority")
    hosts = (own,) if own else _HOSTS[exchange.source]
    return (*hosts, _IMPERSONATION) if exchange.option("impersonate") else hosts
