"""Google's access tokens in place of credentials, by google-auth over our own transport.

Only the token service that the credentials name is asked, and only if it is Google's own, or on
this computer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from llmwidgets.dialects.types import Call
from llmwidgets.engine.network.google_credentials import Account, Problem, account_of
from llmwidgets.engine.network.tokens import Token, TokenRequest
from llmwidgets.errors import (
    BadRequest,
    CallError,
    FailureCode,
    Overloaded,
    Unauthorized,
    Unreachable,
)
from llmwidgets.secret import Secret, redact


def fetch_by_json(request: TokenRequest) -> Token | CallError:
    """The token that a JSON of credentials is exchanged for."""
    from google.auth.exceptions import RefreshError

    call = request.call
    account = account_of(request.secret)
    if isinstance(account, Problem):
        return request.error(Unauthorized, account.sentence, account.hint, "credentials")
    if "/projects/-/" in call.url:
        sentence = "The credentials name no project."
        hint = "Fill in the project ID of this connection."
        return request.error(BadRequest, sentence, hint, FailureCode.PROJECT)
    try:
        account.google.refresh(_request(account, request))
        ends = account.google.expiry
        lasts = (ends.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds() if ends else 600.0
        spent = {"x-goog-user-project": account.quota_project} if account.quota_project else {}
        return Token(Secret(account.google.token), lasts, spent)
    except CallError as error:
        return error
    except RefreshError as error:
        return _explain(error, account, request)
    except Exception:  # noqa: BLE001 - it may contain the credentials
        return _not_google(account, request)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What google-auth reads of an HTTP reply."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def _request(account: Account, request: TokenRequest) -> Callable[..., _Answer]:
    """What google-auth sends its one request by."""

    def send(url: str, method: str = "GET", body: Any = None, **_rest: Any) -> _Answer:
        if url != account.token_uri or method != "POST":
            raise _not_google(account, request)
        form = {"content-type": "application/x-www-form-urlencoded"}
        response = request.send(Call("POST", url, headers=form, body=Secret(body.decode())))
        return _Answer(response.status, response.headers, response.body)

    return send


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


def _explain(error: Any, account: Account, request: TokenRequest) -> CallError:
    """The failure that a refusal of the token service means."""
    body = error.args[1] if len(error.args) > 1 else None
    host = urlsplit(account.token_uri).hostname
    if error.retryable:
        sentence = f"Google's token service at {host} has an error of its own."
        return request.error(Overloaded, sentence, "Try again in a minute.", FailureCode.TOKEN)
    if not isinstance(body, dict) or "error" not in body:
        return _not_google(account, request)
    words = f"{body.get('error')}: {body.get('error_description', '')}"
    for pattern, sentence, hint in _REFUSALS:
        if re.search(pattern, words, re.I):
            return request.error(Unauthorized, sentence, hint, str(body.get("error"))[:40])
    quote = " ".join(redact(words).split())[:200]
    sentence = f"Google did not accept the credentials. It says: {quote}"
    return request.error(Unauthorized, sentence, "", "credentials")


def _not_google(account: Account, request: TokenRequest) -> CallError:
    host = urlsplit(account.token_uri).hostname
    sentence = f"What answers at {host} is not Google's token service."
    hint = "A proxy or firewall may be in between: ask the administrator of the network."
    return request.error(Unreachable, sentence, hint, FailureCode.TOKEN_SERVICE)
