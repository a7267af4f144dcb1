"""Google's credentials: what a JSON is, whether it can be exchanged, and what is wrong with it.

Nothing here raises with a part of the credentials in a frame: what is wrong comes back as a
value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from llmwidgets.errors import FieldError
from llmwidgets.providers.urls import is_this_computer
from llmwidgets.providers.vertex_ai import SCOPE, TOKEN_HOST, TOKEN_URL
from llmwidgets.secret import Secret

_NEEDED = {
    "service_account": ("client_email", "private_key", "token_uri"),
    "authorized_user": ("client_id", "client_secret", "refresh_token"),
}
_ELSEWHERE = frozenset(
    {"external_account", "external_account_authorized_user", "impersonated_service_account"}
)
_NEW_KEY = (
    "In the Google Cloud console open the service account, then Keys → Add key → JSON, and paste"
    " the whole file."
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why credentials cannot be used, and the next step; it contains no part of them."""

    sentence: str
    hint: str = _NEW_KEY


@dataclass(frozen=True, slots=True)
class Account:
    """Credentials that can be exchanged. `google` is google-auth's own object."""

    google: Any
    token_uri: str
    quota_project: str
    kind: str

    def __repr__(self) -> str:
        return f"Account({self.kind})"


def account_of(secret: Secret) -> Account | Problem:
    """Whose credentials these are, or what is wrong with them; nothing is sent.

    The form shows it as soon as a file arrives.
    """
    try:
        info = _info(secret.reveal())
    except FieldError as error:
        return Problem(error.message, error.hint)
    if isinstance(info, Problem):
        return info
    token_uri = str(info.get("token_uri") or TOKEN_URL)
    return _content_problem(info) or _address_problem(token_uri) or _build(info, token_uri)


def _info(text: str) -> dict[str, Any] | Problem:
    if not text.lstrip().startswith("{"):
        if re.search(r"[/\\]|\.json$", text) and len(text.split()) == 1 and len(text) < 500:
            return Problem(
                "The credentials are the path of a file, not its content.",
                "Choose the file, paste its content, or write file: before the path.",
            )
        return Problem("The credentials are not JSON: the key file starts with {.")
    try:
        info = json.loads(text)
    except (ValueError, RecursionError):
        return Problem("The credentials are JSON with a fault: they were not copied whole.")
    return info if isinstance(info, dict) else Problem("The credentials are not a JSON object.")


def _content_problem(info: Mapping[str, Any]) -> Problem | None:
    kind = info.get("type")
    if kind in _NEEDED:
        needed = _NEEDED[kind]
        lacking = [name for name in needed if not (isinstance(info.get(name), str) and info[name])]
        if not lacking:
            return None
        return Problem(f"The credentials lack {' and '.join(lacking)}: the file is not whole.")
    if kind in _ELSEWHERE:
        return Problem(
            f"Credentials of the type {kind} get their tokens from another service, which is not"
            " asked from here."
        )
    if {"installed", "web"} & set(info):
        return Problem("This is the file of an OAuth client, not the key of a service account.")
    named = f"the type {kind}" if isinstance(kind, str) and kind.isidentifier() else "no known type"
    return Problem(f"The credentials have {named}; the key of a service account is wanted.")


def _address_problem(token_uri: str) -> Problem | None:
    try:
        parts = urlsplit(token_uri)
        # `https://oauth2.googleapis.com@elsewhere.example/` leads elsewhere.
        host = "" if "@" in parts.netloc else (parts.hostname or "").lower()
        scheme = parts.scheme
    except ValueError:
        host = scheme = ""
    if TOKEN_HOST.fullmatch(host) is not None and scheme == "https":
        return None
    if is_this_computer(host) and scheme in {"http", "https"}:
        return None
    return Problem(
        f"The credentials ask for their tokens at {host or 'an address that cannot be read'}, which"
        " is not Google's: nothing was sent there.",
        f"The token_uri of a key file is {TOKEN_URL}. {_NEW_KEY}",
    )


def _build(info: dict[str, Any], token_uri: str) -> Account | Problem:
    from google.oauth2 import credentials, service_account

    quota, kind = info.get("quota_project_id"), info["type"]
    # Neither of the two has type hints.
    service: Any = service_account.Credentials.from_service_account_info
    user: Any = credentials.Credentials
    try:
        if kind == "service_account":
            # In a key that went through a shell or a string, line ends are doubled.
            fixed = {**info, "private_key": info["private_key"].replace("\\n", "\n")}
            google = service(fixed, scopes=[SCOPE])
        else:
            named = {name: info[name] for name in _NEEDED[kind]}
            google = user(None, token_uri=token_uri, **named)
    except Exception:  # noqa: BLE001 - whatever it says may contain a part of the key
        return Problem("The private key of the credentials is damaged: it cannot be read.")
    return Account(google, token_uri, quota if isinstance(quota, str) else "", kind)
