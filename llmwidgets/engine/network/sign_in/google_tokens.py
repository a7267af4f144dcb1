"""Google's access tokens in place of credentials, by google-auth over our own transport.

Only the token service that the credentials name is asked, and only if it is Google's own, or on
this computer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from llmwidgets.dialects.types import AuthHeader, Call
from llmwidgets.engine.network.sign_in.google_credentials import Account, Problem, account_of
from llmwidgets.engine.network.sign_in.google_federation import SubjectTokenError, split_headers
from llmwidgets.engine.network.sign_in.google_impersonation import act_as, pay_by
from llmwidgets.engine.network.sign_in.tokens import (
    Token,
    TokenRequest,
    quote_service,
    read_claims,
)
from llmwidgets.errors import BadRequest, CallError, FailureCode, LLMWidgetsError, Unauthorized
from llmwidgets.providers.urls import host_of
from llmwidgets.secret import Secret


def fetch_by_json(request: TokenRequest) -> Token | CallError:
    """The token that a JSON of credentials is exchanged for."""
    from google.auth.exceptions import GoogleAuthError

    call, option = request.call, request.exchange.option
    account = account_of(request.secret, option("impersonate"), option("way") or "key")
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
        pays = pay_by(account.quota_project)
        email = account.email or _email_of(account.google)
        token = Token(Secret(account.google.token, literal=True), lasts, pays, email)
        return act_as(token, account.steps, request)
    except LLMWidgetsError:
        raise
    except SubjectTokenError as error:
        problem = error.problem
        return request.error(Unauthorized, problem.sentence, problem.hint, "credentials")
    except GoogleAuthError as error:
        return _explain(error, account, request)
    except Exception:  # noqa: BLE001 - it may contain the credentials
        return _not_google(account, request)


def _email_of(google: Any) -> str:
    """Who logged in, by the ID token that comes with a login's token; empty if none does."""
    email = read_claims(Secret(str(getattr(google, "id_token", None) or ""))).get("email")
    known = isinstance(email, str) and re.fullmatch(r"[^\s@]{1,64}@[^\s@]{1,190}", email)
    return str(email) if known else ""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What google-auth reads of an HTTP reply."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def _request(account: Account, request: TokenRequest) -> Callable[..., _Answer]:
    """What google-auth sends its requests by: to the token service, and what federation names."""

    def send(
        url: str, method: str = "GET", body: Any = None, headers: Any = None, **_rest: Any
    ) -> _Answer:
        given = {name: each for name, each in (headers or {}).items() if name not in _METRICS}
        plain, closed = split_headers(given)
        auth = tuple(AuthHeader(name, each) for name, each in closed.items())
        if (method, url) == ("POST", account.token_uri):
            call = Call("POST", url, auth, plain | _FORM, Secret(body.decode(), literal=True))
        elif (method, url) == ("GET", account.source_url):
            call = Call("GET", url, auth, plain)
        else:
            raise _not_google(account, request)
        response = request.send(call)
        if response.status >= 500 and method == "POST":
            raise _own_error(account, request)
        return _Answer(response.status, response.headers, response.body)

    return send


_METRICS = frozenset({"x-goog-api-client", "Content-Type", "content-type"})
"""What google-auth sends of itself, which is nobody's business, and what is set here."""
_FORM = {"content-type": "application/x-www-form-urlencoded"}

_REFUSALS: tuple[tuple[str, str, str], ...] = (
    (r"attribute condition", "The identity pool does not let this identity in.",
     "Ask whoever keeps the pool about its attribute condition."),
    (r"invalid_target|pool or provider", "Google knows no such identity pool or provider, or it is"
     " turned off.", "Check the audience in the file, and the pool in the Google Cloud console."),
    (r"ID Token.*(?:audience|issuer)|(?:audience|issuer).*ID Token", "The identity pool expects the"
     " token of another audience or issuer.",
     "Ask for the token with the audience that the pool's provider names."),
    (r"ID Token.*(?:stale|expired)|token.*is expired", "The other service's token has ended.",
     "Renew the file with the token, then ask again."),
    (r"signature", "Google does not accept the signature of these credentials.",
     "The key was deleted, or belongs to another account: make a new one and paste the file."),
    (r"account not found|deleted", "Google knows no such account: it was deleted or renamed.",
     "Make a service account and a key for it, and paste the file."),
    (r"iat|\bexp\b|time ?frame|short-lived", "By Google's time this computer's clock is wrong.",
     "Set the clock of the computer where the kernel runs, then ask again."),
    (r"expired or revoked|rapt|reauth", "The login behind these credentials has ended.",
     "Log in again (`gcloud auth application-default login`), or use a service account's key."),
    (r"invalid_client|unauthorized_client|deleted_client",
     "Google does not know the client of these credentials.", "Log in again, and paste the file."),
    (r"invalid_scope|access_denied|disabled", "Google gives no token for these credentials.",
     "Ask the owner of the Google Cloud project whether the account is turned off."),
)  # fmt: skip


def _explain(error: Any, account: Account, request: TokenRequest) -> CallError:
    """The failure that a refusal of the token service means."""
    body: Any = error.args[1] if len(error.args) > 1 else None
    if error.retryable:
        return _own_error(account, request)
    if isinstance(body, str):
        # What the service of federation says is not read yet.
        with suppress(ValueError, RecursionError):
            body = json.loads(body)
    if not isinstance(body, dict) or "error" not in body:
        return _not_google(account, request)
    code, words = body["error"], body.get("error_description", "")
    if isinstance(body["error"], dict):  # as most of Google's services spell an error
        code, words = (body["error"].get(name) for name in ("status", "message"))
    words = f"{code}: {words}"
    for pattern, sentence, hint in _REFUSALS:
        if re.search(pattern, words, re.I):
            return request.error(Unauthorized, sentence, hint, str(code)[:40])
    sentence = f"Google did not accept the credentials. It says: {quote_service(words)}"
    return request.error(Unauthorized, sentence, "", "credentials")


def _own_error(account: Account, request: TokenRequest) -> CallError:
    return request.busy(f"Google's token service at {host_of(account.token_uri)}")


def _not_google(account: Account, request: TokenRequest) -> CallError:
    return request.not_the_service(host_of(account.token_uri), "Google's token service")
