"""Foreign keys: one vendor's key at another vendor's own address is stopped before it is sent."""

from __future__ import annotations

from contextlib import suppress
from weakref import WeakKeyDictionary

from llmwidgets.connections.connection import Connection, key_owner
from llmwidgets.errors import FailureCode, Unauthorized
from llmwidgets.formatting import with_article
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.azure_endpoint import AZURE_HOST
from llmwidgets.providers.urls import host_of, is_this_computer

_fine: WeakKeyDictionary[Connection, tuple[int, ...] | None] = WeakKeyDictionary()
"""Connections that were looked at, with the fingerprints of their keys: every call asks.

None if they never change; what a reference leads to can be another key by the next call.
"""
_vendors: WeakKeyDictionary[Connection, tuple[str, ...]] = WeakKeyDictionary()
"""Who takes keys at their addresses; those whose key is looked up at each use are asked again."""


def foreign_key_error(
    connection: Connection, model: str = "", host: str = ""
) -> Unauthorized | None:
    """Why nothing is sent: a key, token or header is surely another vendor's key; mostly None.

    With a base URL nobody can tell, since a gateway may take any key; nor at a server of one's own.
    `host` is that of the connection's address, where it is known already.
    """
    seen = _fine.get(connection, ())
    if seen is None or (seen and seen == _fingerprints(connection)):
        return None
    if connection not in _vendors:
        _vendors[connection] = _vendors_at(connection, host or host_of(connection.address))
    vendors, secrets = _vendors[connection], connection.secrets
    if vendors:
        for _, name, secret in secrets:
            owner = key_owner(secret)
            if owner and owner not in vendors:
                return _foreign(connection, model, name, owner, vendors[0])
    referred = any(secret.reference for _, _, secret in secrets)
    _fine[connection] = _fingerprints(connection) if referred else None
    return None


def _fingerprints(connection: Connection) -> tuple[int, ...]:
    return tuple([secret.fingerprint for _, _, secret in connection.secrets])


def _foreign(
    connection: Connection, model: str, name: str, owner: str, vendor: str
) -> Unauthorized:
    key = name == connection.provider.key_field
    what = "key" if key else name.replace("_", " ")
    instead = "Leave it out" if what.startswith("header ") else f"Give a key of {vendor}"
    return Unauthorized(
        f"The {what} of {connection.label} has the form of {with_article(owner)} key, so it was "
        f"not sent to {connection.host}.",
        f"{instead}. To send this one all the same, {_insist(connection)}.",
        label=connection.label,
        model=model,
        code=FailureCode.OTHER_VENDOR,
    )


def base_url_of_vendor(connection: Connection) -> str:
    """The base URL that leads where the connection leads without one."""
    fields, target = connection.fields, connection.first_target
    for url in (connection.address, str(getattr(fields, "endpoint", "")), target.url):
        with suppress(ValueError):
            named = type(fields).model_validate({**dict(fields), "base_url": url})
            if connection.provider.target(named, target.model).url == target.url:
                return named.base_url or url
    return target.url


def _insist(connection: Connection) -> str:
    url = base_url_of_vendor(connection)
    variable = connection.provider.environment.beside.get("base_url")
    if connection.origin == "environment" and variable:
        return f"set {variable} to {url}"
    if connection.origin == "environment":
        return f'save a connection of your own with base_url="{url}"'
    return f'give the connection base_url="{url}"'


def _vendors_at(connection: Connection, host: str) -> tuple[str, ...]:
    """Who takes keys at the address, its vendor first; none where that is not known."""
    provider = connection.provider
    if connection.fields.base_url or provider.environment.file:
        return ()  # what is wrong with a credentials file is reported where it is read
    if is_this_computer(host):
        return ()
    if "endpoint" not in type(connection.fields).model_fields:
        return _names(provider.kind)
    if preset := connection.preset:
        return tuple(filter(None, (preset.title, preset.issuer)))
    if AZURE_HOST.search(host):
        return (provider.title if provider.deployments else "Azure",)
    for each in PROVIDERS.values():
        if each.host and f".{host}".endswith(f".{each.host}"):
            return _names(each.kind)
    return ()


def _names(kind: str) -> tuple[str, ...]:
    """What the vendor of a kind is called, as the owner of a key."""
    provider = PROVIDERS[kind]
    issuers = (each.issuer for each in provider.key_prefixes if each.issuer)
    return (provider.title, *dict.fromkeys(issuers))
