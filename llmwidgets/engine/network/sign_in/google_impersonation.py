"""Acting as a service account of Google's: a token of one account is exchanged for another's.

Only Google's own service is asked, or one on this computer: iamcredentials.googleapis.com.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from llmwidgets.dialects.types import AuthHeader, Call, HTTPResponse
from llmwidgets.engine.network.sign_in.tokens import (
    Token,
    TokenRequest,
    is_busy,
    quote_service,
)
from llmwidgets.errors import CallError, FailureCode, Forbidden, Unauthorized
from llmwidgets.providers.urls import host_of, is_this_computer
from llmwidgets.providers.vertex_ai import IAM_HOST, SCOPE
from llmwidgets.secret import Secret

SERVICE = f"https://{IAM_HOST}"
IAM_SCOPE = "https://www.googleapis.com/auth/iam"
"""What a token is asked for that is only exchanged for one of another account."""
_URL = re.compile(
    r"/v1/projects/-/serviceAccounts/(?P<email>[A-Za-z0-9._-]{1,100}@[A-Za-z0-9.:-]{3,200})"
    r":generateAccessToken"
)


@dataclass(frozen=True, slots=True)
class Impersonation:
    """A service account to act as: where its token is asked for, by way of whom, and for how long.

    `delegates` are the accounts in between, each of which may act as the next one. `quota_project`
    pays for calls with that token; None leaves who pays as it was.
    """

    url: str
    delegates: tuple[str, ...] | None = None
    seconds: int = 3600
    quota_project: str | None = None

    @property
    def email(self) -> str:
        """The account's name."""
        match = _URL.fullmatch(urlsplit(self.url).path)
        return match["email"] if match else ""

    @classmethod
    def of(cls, email: str) -> Impersonation:
        """That of this account, at Google's own service."""
        return cls(f"{SERVICE}/v1/projects/-/serviceAccounts/{email}:generateAccessToken")


def read_impersonation(
    url: object, delegates: object = None, seconds: object = None
) -> Impersonation | None:
    """What a file of credentials says about it; None if its address is not Google's service."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        here = is_this_computer(parts.hostname or "") and parts.scheme in {"http", "https"}
    except ValueError:
        return None
    origin = f"{parts.scheme}://{parts.netloc}"
    if not (here or origin.lower() == SERVICE) or "@" in parts.netloc or parts.query:
        return None
    lasts = seconds if isinstance(seconds, int) and 600 <= seconds <= 43200 else 3600
    names = tuple(map(str, delegates)) if isinstance(delegates, list) else None
    made = Impersonation(url, names, lasts)
    return made if made.email else None


def act_as(
    token: Token, steps: Sequence[Impersonation], request: TokenRequest
) -> Token | CallError:
    """The token of the last of these accounts; without any, the token that is there."""
    for at, step in enumerate(steps):
        scope = SCOPE if at == len(steps) - 1 else IAM_SCOPE
        following = _exchange(token, step, scope, request)
        if isinstance(following, CallError):
            return following
        token = following
    return token


def _exchange(
    token: Token, step: Impersonation, scope: str, request: TokenRequest
) -> Token | CallError:
    body: dict[str, Any] = {
        "delegates": step.delegates,
        "scope": [scope],
        "lifetime": f"{step.seconds}s",
    }
    bearer = AuthHeader.bearer(token.secret)
    response = request.send(Call("POST", step.url, (bearer,), headers=token.headers, body=body))
    if response.status != 200:
        return _explain(response, token, step, request)
    try:
        # What the reply contains has no name here: a frame's locals appear in tracebacks.
        ends = datetime.fromisoformat(json.loads(response.body)["expireTime"])
        secret = Secret(json.loads(response.body)["accessToken"], literal=True)
    except (ValueError, KeyError, TypeError):
        return _not_google(step, request)
    lasts = (ends.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    pays = token.headers if step.quota_project is None else pay_by(step.quota_project)
    return Token(secret, lasts, pays, step.email)


def pay_by(project: str) -> dict[str, str]:
    """The header that names the project which pays for a call; none for an empty one."""
    return {"x-goog-user-project": project} if project else {}


def _explain(
    response: HTTPResponse, token: Token, step: Impersonation, request: TokenRequest
) -> CallError:
    """Why the one account may not act as the other."""
    whose, email = token.account or "The account that signs in", step.email
    try:
        error = json.loads(response.body)["error"]
        words, status = str(error["message"]), response.status
    except (ValueError, KeyError, TypeError):
        words, status = "", response.status if response.status in {429, 500, 502, 503, 504} else 0
    if status == 403 and re.search(r"has not been used|is disabled|SERVICE_DISABLED", words):
        sentence = "The IAM Service Account Credentials API is turned off in the project."
        hint = f"Turn it on: gcloud services enable {IAM_HOST}."
        return request.error(Forbidden, sentence, hint, FailureCode.SWITCHED_OFF)
    if status == 403:
        sentence = f"{whose} may not act as {email}."
        hint = (
            f"Give {token.account or 'the account that signs in'} the role Service Account Token"
            f" Creator on {email}: IAM & Admin → Service accounts → the account → Permissions. A"
            " new role can take some minutes to work."
        )
        return request.error(Forbidden, sentence, hint, "iam.serviceAccounts.getAccessToken")
    if status == 404:
        sentence = f"Google knows no service account {email}."
        hint = "Check how the account to act as is written, and that it was not deleted."
        return request.error(Unauthorized, sentence, hint, "credentials")
    if status == 401:
        sentence = f"Google did not accept the sign-in by which {email} was asked for."
        return request.error(Unauthorized, sentence, "Sign in again.", "credentials")
    if is_busy(response):
        return request.busy(host_of(step.url))
    if not words:
        return _not_google(step, request)
    sentence = f"Google gives no token of {email}. It says: {quote_service(words)}"
    return request.error(Unauthorized, sentence, "", "credentials")


def _not_google(step: Impersonation, request: TokenRequest) -> CallError:
    return request.not_the_service(host_of(step.url), "Google's service for tokens of accounts")
