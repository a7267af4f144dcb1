"""Doubts: values that look wrong and may be right. A key of another provider waits for a yes."""

from __future__ import annotations

from llmwidgets.connections.connection import Connection
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import Provider
from llmwidgets.secret import Secret, redact
from llmwidgets.widgets.forms.address_view import notes_of
from llmwidgets.widgets.forms.form_fields import secret_names

STAND_IN = "not-typed-yet-0000"
"""What stands for a secret while a form is being filled in; no warning about it counts."""

_OWN = {"openai": "sk-admin-", "gemini": "AIza", "anthropic": "sk-ant-"}
"""Keys of the provider itself that are warned of: they are told, and nobody has to say yes."""


def doubts_of(connection: Connection) -> list[str]:
    """What is said of secrets that seem to be of another kind; nothing is sent before a yes."""
    own = _OWN.get(connection.kind)
    secrets = connection.secret_fields.values()
    if own and any(secret.begins(own) for secret in secrets):
        return []
    return _of_secrets(connection)


def owners_of(doubts: list[str], provider: Provider) -> list[dict[str, str]]:
    """Kinds whose key this seems to be, for one click that takes it there."""
    words = " ".join(doubts)
    return [
        {"kind": kind, "title": other.title}
        for kind, other in PROVIDERS.items()
        if other.single and other is not provider and f"of {other.title}" in words
    ]


def warnings_of(preview: Connection | None, real: Connection | None) -> list[str]:
    """What is to be known of the form as it stands, and of the secrets that are there.

    `preview` has stand-ins for secrets, `real` the secrets themselves.
    """
    said = [] if preview is None else _of_plain(preview)
    said += [] if real is None else _of_secrets(real)
    return list(dict.fromkeys(said))


def _of_secrets(connection: Connection) -> list[str]:
    plain = {*_plain(connection), *notes_of(connection)}
    said = [redact(each) for each in connection.warnings]
    return [each for each in said if each not in plain and "CA bundle" not in each]


def _of_plain(preview: Connection) -> list[str]:
    provider = preview.provider
    about = {provider.warn(name, STAND_IN) for name in secret_names(provider)}
    notes = set(notes_of(preview))
    return [
        redact(each) for each in preview.warnings if each not in about and redact(each) not in notes
    ]


def _plain(connection: Connection) -> list[str]:
    said = [
        connection.provider.warn(name, value)
        for name, value in connection.plain_fields.items()
        if isinstance(value, str)
    ]
    return [redact(each) for each in said if each]


def stand_ins(provider: Provider) -> dict[str, Secret]:
    """A stand-in for each secret field."""
    return {name: Secret(STAND_IN) for name in secret_names(provider)}
