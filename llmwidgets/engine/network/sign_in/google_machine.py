"""Google's tokens of the machine that the kernel runs on, from its metadata server.

One fixed address is asked, over http, without a proxy, a redirect or a secret. GCE_METADATA_HOST,
which leads Google's own clients elsewhere, may only name this computer (an emulator) or that same
address.
"""

from __future__ import annotations

import json
import os
from urllib.parse import urlencode

from llmwidgets.dialects.types import Call, HTTPResponse
from llmwidgets.engine.network.sign_in.google_impersonation import IAM_SCOPE, Impersonation, act_as
from llmwidgets.engine.network.sign_in.tokens import Token, TokenRequest, is_busy
from llmwidgets.errors import CallError, FailureCode, Unauthorized, Unreachable
from llmwidgets.providers.urls import METADATA_HOST, host_of, is_this_computer
from llmwidgets.providers.vertex_ai import PROJECT
from llmwidgets.secret import Secret, mask_if_key

_VARIABLE = "GCE_METADATA_HOST"
_NAMES = frozenset({METADATA_HOST, "metadata.google.internal"})
_ACCOUNT = "instance/service-accounts/default/"
_SECONDS = 3.0
_FLAVOR = {"Metadata-Flavor": "Google"}
_ELSEWHERE = (
    "Sign in in another way: gcloud's login, workload identity federation, or JSON credentials."
)


def fetch_from_machine(request: TokenRequest) -> Token | CallError:
    """The token of the machine's own account, or of the account that it is to act as."""
    root = _root()
    if not root:
        sentence = (
            f"{_VARIABLE} names {mask_if_key(os.environ.get(_VARIABLE, ''))}, which is neither this"
            f" computer nor {METADATA_HOST}: nothing was asked."
        )
        hint = f"Unset {_VARIABLE} before Jupyter starts."
        return request.error(Unauthorized, sentence, hint, FailureCode.TOKEN_SERVICE)
    email = request.exchange.option("impersonate")
    scopes = urlencode({"scopes": IAM_SCOPE if email else request.exchange.scope})
    try:
        response = _get(f"{root}{_ACCOUNT}token?{scopes}", request)
    except Unreachable as error:
        return _absent(error, root, request)
    token = _read(response, root, request)
    if isinstance(token, CallError):
        return token
    return act_as(token, [Impersonation.of(email)] if email else [], request)


def _root() -> str:
    """Where the metadata is; empty if the variable leads elsewhere."""
    named = os.environ.get(_VARIABLE, "").strip() or METADATA_HOST
    host = host_of(f"//{named}")
    if not is_this_computer(host) and host not in _NAMES:
        return ""
    place = METADATA_HOST if host in _NAMES else named
    return f"http://{place}/computeMetadata/v1/"


def _get(url: str, request: TokenRequest) -> HTTPResponse:
    return request.send(Call("GET", url, headers=_FLAVOR), _SECONDS)


def _read(response: HTTPResponse, root: str, request: TokenRequest) -> Token | CallError:
    if response.headers.get("metadata-flavor") != _FLAVOR["Metadata-Flavor"]:
        sentence = f"What answers at {host_of(root)} is not Google's metadata server."
        return request.error(
            Unauthorized,
            f"This machine is not one of Google Cloud's. {sentence}",
            _ELSEWHERE,
            FailureCode.TOKEN_SERVICE,
        )
    if response.status == 404:
        sentence = "This machine has no service account."
        hint = f"Give it one with the role Vertex AI User, and the scope cloud-platform. {_OR}"
        return request.error(Unauthorized, sentence, hint, "credentials")
    if is_busy(response):
        return request.busy("The metadata server of this machine")
    try:
        # The reply has no name here: a frame's locals appear in tracebacks.
        secret = Secret(json.loads(response.body)["access_token"], literal=True)
        seconds = float(json.loads(response.body)["expires_in"])
    except (ValueError, KeyError, TypeError):
        sentence = "The metadata server of this machine gave no token."
        return request.error(Unauthorized, sentence, _ELSEWHERE, "credentials")
    return _describe(Token(secret, seconds), root, request)


_OR = f"Or {_ELSEWHERE[0].lower()}{_ELSEWHERE[1:]}"


def _describe(token: Token, root: str, request: TokenRequest) -> Token | CallError:
    """The token, with its account, and the machine's project if the form names none."""
    try:
        response = _get(f"{root}{_ACCOUNT}?recursive=true", request)
        account = str(json.loads(response.body)["email"]) if response.status == 200 else ""
    except (CallError, ValueError, KeyError, TypeError):
        account = ""
    project = ""
    if request.exchange.option("project"):
        response = _get(f"{root}project/project-id", request)
        project = response.body.decode("ascii", "replace").strip()
        if response.status != 200 or not PROJECT.fullmatch(project):
            sentence = "The metadata server of this machine names no project."
            hint = "Fill in the project ID of this connection."
            return request.error(Unauthorized, sentence, hint, FailureCode.PROJECT)
    return Token(token.secret, token.seconds, account=account, project=project)


def _absent(error: Unreachable, root: str, request: TokenRequest) -> CallError:
    """Nothing answers: this machine has no account of Google's. Asking again cannot change it."""
    if error.code == FailureCode.CA_BUNDLE:
        return error
    sentence = (
        "This machine has no account of Google's to sign in with: no metadata server answers at"
        f" {host_of(root)}."
    )
    hint = f"Run the notebook on Google Cloud (Workbench, Colab Enterprise, GKE). {_OR}"
    return request.error(Unauthorized, sentence, hint, FailureCode.TOKEN_SERVICE)
