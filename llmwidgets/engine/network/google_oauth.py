"""Google's access tokens in place of credentials, by google-auth over our own transport.

A token is kept until shortly before it ends and is shared by every connection of the same
credentials. Only the token service that the credentials name is asked, and only if it is
Google's own, or on this computer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from llmwidgets.dialects.types import AuthHeader, Call, HTTPResponse
from llmwidgets.errors import (
    BadRequest,
    CallError,
    FailureCode,
    FieldError,
    Overloaded,
    Unauthorized,
    Unreachable,
)
from llmwidgets.providers.urls import is_this_computer
from llmwidgets.providers.vertex_ai import SCOPE, TOKEN_HOST, TOKEN_URL
from llmwidgets.secret import Secret, redact

_SECONDS = 20.0
_EARLY_SECONDS = 300.0
_MOST_KEPT = 64


@dataclass(frozen=True, slots=True)
class _Token:
    secret: Secret
    renew_at: float
    quota_project: str


_kept: dict[str, _Token] = {}
_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = WeakKeyDictionary()


async def exchange_credentials(call: Call) -> Call:
    """The call with a token in place of the credentials that it carries; others come back as is.

    Raises Unauthorized if the credentials cannot be used or are not accepted, and what the
    transport raises.
    """
    header = _header(call)
    if header is None:
        return call
    token = await _token(header.secret, call)
    if isinstance(token, CallError):
        # A Verbose traceback prints this frame's locals, and the call's body contains the document.
        del call
        raise token
    spent = {"x-goog-user-project": token.quota_project} if token.quota_project else {}
    auth = tuple(
        AuthHeader(each.name, token.secret, each.template) if each is header else each
        for each in call.auth
    )
    return replace(call, auth=auth, headers={**call.headers, **spent})


def token_refused(call: Call, sent: Call) -> bool:
    """Whether the call may be repeated with another token than the refused one that it was sent by.

    False for a call that carries a key of its own: there is no other. The refused token is
    forgotten, unless a call that was refused earlier has had it replaced already.
    """
    header = _header(call)
    if header is None:
        return False
    digest = _digest(header.secret) or ""
    known = _kept.get(digest)
    if known is not None and any(each.secret is known.secret for each in sent.auth):
        del _kept[digest]
    return True


def forget_tokens() -> None:
    """Forget every token: the next calls ask for new ones."""
    _kept.clear()


def _header(call: Call) -> AuthHeader | None:
    return next((each for each in call.auth if each.exchange is not None), None)


def _digest(secret: Secret) -> str | None:
    try:
        return hashlib.sha256(secret.reveal().encode("utf-8", "replace")).hexdigest()
    except FieldError:
        return None


async def _token(secret: Secret, call: Call) -> _Token | CallError:
    digest = _digest(secret)
    locks = _locks.setdefault(asyncio.get_running_loop(), {})
    async with locks.setdefault(digest or "", asyncio.Lock()):
        known = _kept.get(digest or "")
        if known is not None and time.time() < known.renew_at:
            return known
        token = await asyncio.to_thread(_fetch, secret, call, asyncio.get_running_loop())
        if isinstance(token, _Token) and digest is not None:
            while len(_kept) >= _MOST_KEPT:
                _kept.pop(next(iter(_kept)))
            _kept[digest] = token
        return token


def _fetch(secret: Secret, call: Call, loop: asyncio.AbstractEventLoop) -> _Token | CallError:
    """On a thread of its own: reading a key takes time, and google-auth waits for its answer."""
    from google.auth.exceptions import RefreshError

    account = account_of(secret)
    if isinstance(account, Problem):
        return _error(Unauthorized, call, account.sentence, account.hint, "credentials")
    if "/projects/-/" in call.url:
        sentence = "The credentials name no project."
        hint = "Fill in the project ID of this connection."
        return _error(BadRequest, call, sentence, hint, FailureCode.PROJECT)
    try:
        account.google.refresh(_request(account, call, loop))
        ends = account.google.expiry
        lasts = (ends.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds() if ends else 600.0
        renew_at = time.time() + lasts - min(_EARLY_SECONDS, lasts / 4)
        return _Token(Secret(account.google.token), renew_at, account.quota_project)
    except CallError as error:
        failure = error
    except RefreshError as error:
        return _explain(error, account, call)
    except Exception:  # noqa: BLE001 - it may contain the credentials
        return _not_google(account, call)
    # A token that was perhaps given costs nothing, and can be asked for again.
    failure.perhaps_answered = False
    # The frames it came through contain the signed request.
    failure.__context__ = None
    return failure.with_traceback(None)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What google-auth reads of an HTTP reply."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def _request(
    account: Account, call: Call, loop: asyncio.AbstractEventLoop
) -> Callable[..., _Answer]:
    """What google-auth sends its one request by."""
    from llmwidgets.engine.network import transport

    def request(url: str, method: str = "GET", body: Any = None, **_rest: Any) -> _Answer:
        if url != account.token_uri or method != "POST":
            raise _not_google(account, call)
        asked = Call(
            "POST",
            url,
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=Secret(body.decode()),
            ca_bundle=call.ca_bundle,
            label=call.label,
            model=call.model,
        )
        sending = transport.send_call(asked, total=_SECONDS)
        response: HTTPResponse = asyncio.run_coroutine_threadsafe(sending, loop).result()
        return _Answer(response.status, response.headers, response.body)

    return request


_REFUSALS: tuple[tuple[str, str, str], ...] = (
    (r"signature", "Google does not accept the signature of these credentials.",
     "The key was deleted, or belongs to another account: make a new one and paste the file."),
    (r"account not found|deleted", "Google knows no such account: it was deleted or renamed.",
     "Make a service account and a key for it, and paste the file."),
    (r"iat|\bexp\b|time ?frame|short-lived", "Google finds the clock of this computer wrong.",
     "Set the clock of the computer where the kernel runs, then ask again."),
    (r"expired or revoked|rapt|reauth", "The login behind these credentials has ended.",
     "Log in again (gcloud auth application-default login), or use a service account's key."),
    (r"invalid_client|unauthorized_client|deleted_client",
     "Google does not know the client of these credentials.", "Log in again, and paste the file."),
    (r"invalid_scope|access_denied|disabled", "Google gives these credentials no token.",
     "Ask the owner of the Google Cloud project whether the account is turned off."),
)  # fmt: skip


def _explain(error: Any, account: Account, call: Call) -> CallError:
    """The failure that a refusal of the token service means."""
    body = error.args[1] if len(error.args) > 1 else None
    host = urlsplit(account.token_uri).hostname
    if error.retryable:
        sentence = f"Google's token service at {host} has an error of its own."
        return _error(Overloaded, call, sentence, "Try again in a minute.", FailureCode.TOKEN)
    if not isinstance(body, dict) or "error" not in body:
        return _not_google(account, call)
    words = f"{body.get('error')}: {body.get('error_description', '')}"
    for pattern, sentence, hint in _REFUSALS:
        if re.search(pattern, words, re.I):
            return _error(Unauthorized, call, sentence, hint, str(body.get("error"))[:40])
    quote = " ".join(redact(words).split())[:200]
    sentence = f"Google did not accept the credentials. It says: {quote}"
    return _error(Unauthorized, call, sentence, "", "credentials")


def _not_google(account: Account, call: Call) -> CallError:
    host = urlsplit(account.token_uri).hostname
    sentence = f"What answers at {host} is not Google's token service."
    hint = "A proxy or firewall may be in between: ask the administrator of the network."
    return _error(Unreachable, call, sentence, hint, FailureCode.TOKEN_SERVICE)


def _error(kind: type[CallError], call: Call, sentence: str, hint: str, code: str) -> CallError:
    return kind(sentence, hint, label=call.label, model=call.model, code=code)


# -- Google's credentials: what a pasted JSON is, whether it can be used, and what is wrong with it.
#
# Nothing here raises with a part of the credentials in a frame: what is wrong comes back as a
# value.

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
