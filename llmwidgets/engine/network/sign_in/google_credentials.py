"""Google's credentials: what a JSON is, whether it can be exchanged, and what is wrong with it.

Nothing here raises with a part of the credentials in a frame: what is wrong comes back as a
value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from llmwidgets.engine.network.sign_in import google_federation
from llmwidgets.engine.network.sign_in.google_federation import Problem
from llmwidgets.engine.network.sign_in.google_impersonation import (
    IAM_SCOPE,
    SERVICE,
    Impersonation,
    read_impersonation,
)
from llmwidgets.errors import FieldError
from llmwidgets.providers.urls import host_of, is_this_computer
from llmwidgets.providers.vertex_ai import SCOPE, STS_URL, TOKEN_HOST, TOKEN_URL
from llmwidgets.secret import Secret

__all__ = ["Account", "Problem", "account_of"]

_NEEDED = {
    "service_account": ("client_email", "private_key", "token_uri"),
    "authorized_user": ("client_id", "client_secret", "refresh_token"),
    "impersonated_service_account": ("service_account_impersonation_url",),
}
_FEDERATION = "external_account"
_LATER = frozenset({"external_account_authorized_user", "gdch_service_account"})
_STS_HOST = re.compile(re.escape(host_of(STS_URL)))
_NEW_KEY = (
    "In the Google Cloud console open the service account, then Keys → Add key → JSON, and paste"
    " the whole file."
)
_HINTS = {
    "key": _NEW_KEY,
    "gcloud": "Log in on the machine where the kernel runs:"
    " `gcloud auth application-default login`.",
    "federation": "Check the path in Credentials file, or make the file again: gcloud iam"
    " workload-identity-pools create-cred-config.",
}
"""The next step by how the connection signs in, where a problem has none of its own."""


@dataclass(frozen=True, slots=True)
class Account:
    """Credentials that can be exchanged. `google` is google-auth's own object.

    `email` is whose they are, if that is known; `steps` are the accounts that it then acts as, one
    after the other. `source_url` is where the token of another service is asked for.
    """

    google: Any
    token_uri: str
    quota_project: str
    kind: str
    email: str = ""
    steps: tuple[Impersonation, ...] = ()
    source_url: str = ""

    def __repr__(self) -> str:
        return f"Account({self.kind})"


def account_of(secret: Secret, impersonate: str = "", way: str = "key") -> Account | Problem:
    """Whose credentials these are, or what is wrong with them; nothing is sent.

    The form shows it as soon as a file arrives. `impersonate` is the service account to act as.
    """
    from_file = (secret.reference or "").startswith("file:")
    try:
        info = _info(secret.reveal())
    except FieldError as error:
        return Problem(error.message, error.hint if way == "key" else _HINTS[way])
    steps = (Impersonation.of(impersonate),) if impersonate else ()
    found = info if isinstance(info, Problem) else _read(info, steps, from_file=from_file)
    if isinstance(found, Problem) and not found.hint:
        return replace(found, hint=_HINTS[way])
    return found


def _read(
    info: dict[str, Any], steps: tuple[Impersonation, ...], *, from_file: bool
) -> Account | Problem:
    """The account of a JSON object, which then acts as those of `steps`."""
    problem = _content_problem(info)
    if problem is None and info["type"] == _FEDERATION:
        problem = google_federation.find_problem(info, from_file=from_file)
    if problem is not None:
        return problem
    if info.get("service_account_impersonation_url") is not None:
        options = info.get("service_account_impersonation")
        first = read_impersonation(
            info["service_account_impersonation_url"],
            info.get("delegates"),
            options.get("token_lifetime_seconds") if isinstance(options, dict) else None,
        )
        if first is None:
            return Problem(
                "The credentials ask for the token of a service account at an address that is not"
                " Google's: nothing was sent there.",
                f"Their service_account_impersonation_url begins with {SERVICE}/.",
            )
        if info["type"] != _FEDERATION:
            first = replace(first, quota_project=_text(info, "quota_project_id"))
        steps = (first, *steps)
    if info["type"] == "impersonated_service_account":
        source = info.get("source_credentials")
        if not isinstance(source, dict) or source.get("type") not in _SOURCES:
            return Problem(
                "The credentials act as a service account by others that are not used here.",
                "Their source_credentials must be a service account's key or a login.",
            )
        return _read(source, steps, from_file=from_file)
    federated = info["type"] == _FEDERATION
    named = info.get("token_url" if federated else "token_uri")
    token_uri = str(named or (STS_URL if federated else TOKEN_URL))
    hosts = _STS_HOST if federated else TOKEN_HOST
    return _address_problem(token_uri, hosts) or _build(info, token_uri, steps)


_SOURCES = ("service_account", "authorized_user")
"""The credentials by which others may act as an account."""


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
    kind = _text(info, "type")
    if not re.fullmatch("[!-~]*", _text(info, "quota_project_id")):
        return Problem("The quota_project_id of the credentials is not a project ID.")
    if kind in _NEEDED:
        needed = _NEEDED[kind]
        lacking = [name for name in needed if not (isinstance(info.get(name), str) and info[name])]
        if not lacking:
            return None
        return Problem(f"The credentials lack {' and '.join(lacking)}: the file is not whole.")
    if kind == _FEDERATION:
        return None
    if kind in _LATER:
        return Problem(
            f"Credentials of the type {kind} get their tokens from another service, which is not"
            " asked from here yet."
        )
    if {"installed", "web"} & set(info):
        return Problem("This is the file of an OAuth client, not the key of a service account.")
    named = f"the type {kind}" if kind.isidentifier() else "no known type"
    return Problem(f"The credentials have {named}; the key of a service account is wanted.")


def _address_problem(token_uri: str, hosts: re.Pattern[str]) -> Problem | None:
    try:
        parts = urlsplit(token_uri)
        # `https://oauth2.googleapis.com@elsewhere.example/` leads elsewhere.
        host = "" if "@" in parts.netloc else (parts.hostname or "").lower()
        scheme = parts.scheme
    except ValueError:
        host = scheme = ""
    if hosts.fullmatch(host) is not None and scheme == "https":
        return None
    if is_this_computer(host) and scheme in {"http", "https"}:
        return None
    return Problem(
        f"The credentials ask for their tokens at {host or 'an address that cannot be read'}, which"
        " is not Google's: nothing was sent there.",
        f"Tokens come from {STS_URL}: make the file again with gcloud."
        if hosts is _STS_HOST
        else f"The token_uri of a key file is {TOKEN_URL}. {_NEW_KEY}",
    )


def _build(
    info: dict[str, Any], token_uri: str, steps: tuple[Impersonation, ...]
) -> Account | Problem:
    from google.oauth2 import credentials, service_account

    kind = info["type"]
    scope, source_url = IAM_SCOPE if steps else SCOPE, ""
    # Neither of the two has type hints.
    service: Any = service_account.Credentials.from_service_account_info
    user: Any = credentials.Credentials
    try:
        if kind == "service_account":
            # In a key that went through a shell or a string, line ends are doubled.
            fixed = {**info, "private_key": info["private_key"].replace("\\n", "\n")}
            google = service(fixed, scopes=[scope])
        elif kind == _FEDERATION:
            google = google_federation.make_credentials(info, token_uri, scope)
            source_url = info["credential_source"].get("url") or ""
        else:
            named = {name: info[name] for name in _NEEDED[kind]}
            google = user(None, token_uri=token_uri, **named)
    except Exception:  # noqa: BLE001 - whatever it says may contain a part of the key
        return Problem("The private key of the credentials is damaged: it cannot be read.")
    return Account(
        google,
        token_uri,
        _text(info, "quota_project_id"),
        kind,
        _text(info, "client_email" if kind == "service_account" else "account"),
        steps,
        source_url,
    )


def _text(info: Mapping[str, Any], name: str) -> str:
    return info[name] if isinstance(info.get(name), str) else ""
