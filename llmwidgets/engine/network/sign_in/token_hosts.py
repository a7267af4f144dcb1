"""Who is asked for a token before a connection's own host is called, by its way to sign in."""

from __future__ import annotations

from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.types import Exchange

_IMPERSONATION = "iamcredentials.googleapis.com"
_HOSTS = {
    "google": "oauth2.googleapis.com",
    "google_machine": "169.254.169.254",
    "federation": "sts.googleapis.com",
    "entra": "login.microsoftonline.com",
}
"""By the source of an exchange, or its way to sign in: the service that it asks as a rule."""


def token_hosts(connection: Connection) -> tuple[str, ...]:
    """The hosts that give the connection its token; none for one that sends its own key."""
    auth = connection.target(next(iter(connection.models), "*")).auth
    exchanges = (each.exchange for each in auth if each.exchange is not None)
    return tuple(dict.fromkeys(host for each in exchanges for host in _hosts_of(each) if host))


def _hosts_of(exchange: Exchange) -> tuple[str, ...]:
    usual = _HOSTS.get(exchange.option("way")) or _HOSTS.get(exchange.source, "")
    account = _IMPERSONATION if exchange.option("impersonate") else ""
    return exchange.option("authority") or usual, account
