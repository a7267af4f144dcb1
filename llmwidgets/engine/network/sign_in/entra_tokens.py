"""Microsoft Entra ID's tokens, by azure-identity over our own transport.

Its credentials are handed a transport of ours, so that no socket but ours is opened, and only the
sign-in service of one cloud, this machine and its metadata address are asked. Those that open
sockets of their own are left out of the chain; the command-line tools (az, azd and PowerShell) run
as programs of their own, and only if the policy permits the sign-in service.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlencode, urlsplit

from llmwidgets.dialects.types import AuthHeader, Call, HTTPResponse
from llmwidgets.engine.network.sign_in.tokens import (
    Token,
    TokenRequest,
    is_busy,
    quote_service,
    read_claims,
)
from llmwidgets.errors import CallError, FailureCode, PolicyError, Unauthorized
from llmwidgets.providers.azure_sign_in import AUTHORITIES, READY_TOKEN
from llmwidgets.providers.urls import METADATA_HOST, is_this_computer
from llmwidgets.secret import Secret, redact

_AUTHORITY = "AZURE_AUTHORITY_HOST"
_KNOWN = frozenset({*AUTHORITIES.values(), "login.partner.microsoftonline.cn"})
_SECONDS, _METADATA_SECONDS, _TOOL_SECONDS = 20.0, 2.0, 20
_READY_SECONDS = 600.0
_SIGN_IN = "Where the kernel runs, sign in: {login}. Then test again."


def fetch_by_chain(request: TokenRequest) -> Token | CallError:
    """The token of the first of Azure's credentials that has one."""
    authority = _find_authority(request)
    if isinstance(authority, CallError):
        return authority
    # Asked before anything runs: the command-line tools ask this host by themselves.
    request.permit(urlsplit(f"//{authority}").hostname or "")
    if os.environ.get(READY_TOKEN):
        return _take_ready(request, Secret(os.environ[READY_TOKEN], literal=True))
    try:
        import azure.identity  # noqa: F401
    except ImportError:
        return request.error(
            Unauthorized,
            "The package azure-identity, by which Microsoft Entra ID signs in, is not installed.",
            "In a cell, `%pip install azure-identity` puts it where the kernel runs; then test"
            " again. The extra llmwidgets[entra] has it too.",
            FailureCode.NO_SIGN_IN,
        )
    wire = _Wire(request, authority)
    try:
        with _quiet():
            chain = _make_chain(request, wire, authority)
            tenant = request.exchange.option("tenant") or None
            secret, seconds = _close(chain.get_token(request.exchange.scope, tenant_id=tenant))
    except Exception as error:  # noqa: BLE001 - what it refers to can contain a secret
        words = str(error)
    else:
        return Token(secret, seconds, account=_account(secret), via=_used(chain))
    return _explain(words, wire, request)


def _find_authority(request: TokenRequest) -> str | CallError:
    """The host of the sign-in service: one of Microsoft's, or on this computer."""
    named = os.environ.get(_AUTHORITY, "").strip()
    if not named:
        return request.exchange.option("authority") or AUTHORITIES["com"]
    with suppress(ValueError):
        parts = urlsplit(named if "://" in named else f"https://{named}")
        own = is_this_computer(parts.hostname or "") and "@" not in parts.netloc
        if parts.scheme == "https" and (own or parts.netloc.lower() in _KNOWN):
            return parts.netloc.lower()
    return request.error(
        Unauthorized,
        f"{_AUTHORITY} names {redact(named)[:80]}, which is not a sign-in service of Microsoft:"
        " nothing was sent there.",
        f"Remove the variable, or set it to {AUTHORITIES['com']}.",
        FailureCode.NO_SIGN_IN,
    )


def _take_ready(request: TokenRequest, secret: Secret) -> Token | CallError:
    """The token that somebody else fetched, if it has not ended."""
    ends = read_claims(secret).get("exp")
    seconds = ends - time.time() if isinstance(ends, int | float) else _READY_SECONDS
    if seconds > 0:
        return Token(secret, seconds, account=_account(secret), via=READY_TOKEN)
    return request.error(
        Unauthorized,
        f"The token in {READY_TOKEN} has ended.",
        "Put a new one there, or remove the variable: then the account signs in by itself.",
        FailureCode.NO_SIGN_IN,
    )


def _make_chain(request: TokenRequest, wire: _Wire, authority: str) -> Any:
    from azure.identity import (
        ChainedTokenCredential,
        DefaultAzureCredential,
        ManagedIdentityCredential,
    )

    shared: dict[str, Any] = {"transport": wire, "retry_total": 0}
    # In Service Fabric the managed identity opens a socket of its own, whatever it is handed.
    no_machine = bool(os.environ.get("IDENTITY_SERVER_THUMBPRINT"))
    client_id = request.exchange.option("client_id")
    if client_id and not no_machine:
        return ChainedTokenCredential(ManagedIdentityCredential(client_id=client_id, **shared))
    return DefaultAzureCredential(
        authority=f"https://{authority}",
        disable_instance_discovery=True,
        additionally_allowed_tenants=["*"],
        process_timeout=_TOOL_SECONDS,
        exclude_managed_identity_credential=no_machine or None,
        # These open sockets of their own, or a browser.
        exclude_shared_token_cache_credential=True,
        exclude_visual_studio_code_credential=True,
        exclude_interactive_browser_credential=True,
        exclude_broker_credential=True,
        **shared,
    )


def _close(token: Any) -> tuple[Secret, float]:
    return Secret(token.token, literal=True), token.expires_on - time.time()


_TOOLS = {
    "AzureCliCredential": "Azure CLI",
    "AzureDeveloperCliCredential": "Azure Developer CLI",
    "AzurePowerShellCredential": "Azure PowerShell",
    "EnvironmentCredential": "environment variables",
    "ManagedIdentityCredential": "managed identity",
    "WorkloadIdentityCredential": "workload identity",
}


def _used(chain: Any) -> str:
    """What signed in, in words."""
    return _TOOLS.get(type(getattr(chain, "_successful_credential", None)).__name__, "")


def _account(secret: Secret) -> str:
    """Whose token it is: the user's name, else the id of the application."""
    claims = read_claims(secret)
    names = (claims.get(name) for name in ("upn", "preferred_username", "unique_name", "appid"))
    return next((name for name in names if isinstance(name, str) and name), "")[:254]


# -- The wire: azure-core's transport over our own.

_SECRET_HEADERS = frozenset({"authorization", "secret", "x-identity-header"})
_SECRET_FIELDS = ("client_secret", "client_assertion", "password", "refresh_token")
_DROPPED = frozenset({"content-length", "accept-encoding"})


class _Wire:
    """What azure-identity sends its requests by. It keeps what went wrong, for the sentence."""

    def __init__(self, request: TokenRequest, authority: str) -> None:
        self.request, self.authority = request, authority
        self.failure: CallError | None = None
        self.denied: PolicyError | None = None
        self.foreign, self.busy, self.words = "", "", ""
        self.secrets: list[Secret] = []

    def __enter__(self) -> _Wire:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def open(self) -> None:
        """Nothing to open: the engine's own session is used."""

    def close(self) -> None:
        """Nothing to close."""

    def sleep(self, duration: float) -> None:
        """Not asked for: a failed request is sent again by the rules of the run."""
        raise NotImplementedError(duration)

    def send(self, asked: Any, **_options: Any) -> _Answer:
        """Send a request of azure-core's, if its host is one that may be asked."""
        place = urlsplit(asked.url)
        self._permit(place.scheme, place.netloc.lower(), place.hostname or "")
        named = ((name.lower(), value) for name, value in asked.headers.items())
        headers = {name: value for name, value in named if name not in _DROPPED}
        secret = [name for name in headers if name in _SECRET_HEADERS]
        self._watch(asked.content)
        call = Call(
            asked.method,
            asked.url,
            auth=tuple(
                AuthHeader(name, Secret(headers.pop(name), literal=True)) for name in secret
            ),
            headers=headers,
            body=_form(asked.content) if asked.method == "POST" else None,
        )
        near = place.hostname == METADATA_HOST
        try:
            response = self.request.send(call, _METADATA_SECONDS if near else _SECONDS)
        except CallError as error:
            if place.netloc.lower() == self.authority:
                self.failure = error
            raise
        if is_busy(response):
            self.busy = place.netloc
        elif response.status >= 400:
            self.words = response.body[:4000].decode("utf-8", "replace")
        return _Answer(asked, response)

    def _watch(self, form: Any) -> None:
        """Have what is exchanged masked in every reply, should a refusal repeat it."""
        from llmwidgets.engine.network import transport

        known = form if isinstance(form, Mapping) else {}
        self.secrets += [
            Secret(known[name], literal=True) for name in _SECRET_FIELDS if known.get(name)
        ]
        transport.watch_secrets(self.secrets)

    def _permit(self, scheme: str, place: str, host: str) -> None:
        """Raise unless it is the sign-in service, this machine or its metadata address."""
        if is_this_computer(host) or (scheme == "https" and place == self.authority):
            return
        if place != METADATA_HOST:
            self.foreign = place
            message = "Not a host that may be asked."
            raise PermissionError(message)
        try:
            self.request.permit(host)
        except PolicyError as error:
            self.denied = error
            raise


def _form(content: Any) -> Secret:
    if isinstance(content, bytes):
        return Secret(content.decode(), literal=True)
    if isinstance(content, str):
        return Secret(content, literal=True)
    return Secret(urlencode(content or {}, doseq=True), literal=True)


class _Answer:
    """What azure-core and msal read of a reply."""

    def __init__(self, request: Any, response: HTTPResponse) -> None:
        from azure.core.utils import case_insensitive_dict

        self.request, self.status_code, self._body = request, response.status, response.body
        self.headers = case_insensitive_dict(response.headers)
        self.reason = ""

    @property
    def content_type(self) -> str | None:
        kind: str | None = self.headers.get("content-type")
        return kind

    @property
    def content(self) -> bytes:
        return self._body

    def body(self) -> bytes:
        return self._body

    def read(self) -> bytes:
        return self._body

    def text(self, encoding: str | None = None) -> str:
        return self._body.decode(encoding or "utf-8-sig", "replace")

    def json(self) -> Any:
        return json.loads(self._body)


# -- The log: the chain warns of what a sentence of ours tells.

_asking: set[int] = set()
_LOGGER = logging.getLogger("azure.identity._credentials.chained")


def _is_other(record: logging.LogRecord) -> bool:
    return record.levelno != logging.WARNING or record.thread not in _asking


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the chain's own warning out of the notebook while this thread asks."""
    _LOGGER.addFilter(_is_other)  # adds it once
    _asking.add(threading.get_ident())
    try:
        yield
    finally:
        _asking.discard(threading.get_ident())


# -- What went wrong.

_TENANT = "Correct the tenant: the Azure portal shows its id and domains under Entra ID."
_ENDED = "The login of the account has ended."
_CODES: tuple[tuple[str, str, str, str], ...] = (
    ("90002|900023|90013|50059|700057", FailureCode.TENANT,
     "There is no tenant{named}.", _TENANT),
    ("500011|500341|50000[12]|650052|650057", FailureCode.NO_AUDIENCE,
     "The tenant{named} gives no tokens for {scope}.",
     "Check the cloud and the tenant of the endpoint's resource."),
    ("700082|50173|70043|700084|70008|50132|50133|50089|160021", FailureCode.NO_SIGN_IN,
     _ENDED, _SIGN_IN),
    (r"5007[6-9]|50158|53\d{3}|50005|50097", FailureCode.NO_SIGN_IN,
     "The tenant{named} asks the account to prove who it is again.", _SIGN_IN),
    ("7000215|7000222|700027", FailureCode.NO_SIGN_IN,
     "The secret or certificate of the application is wrong or has ended.",
     "Put a new one into AZURE_CLIENT_SECRET (or AZURE_CLIENT_CERTIFICATE_PATH)."),
    ("700016|70001|7000112|7000229", FailureCode.NO_SIGN_IN,
     "The tenant{named} has no application of the id in AZURE_CLIENT_ID.",
     "Check AZURE_CLIENT_ID and the tenant."),
    (r"7002\d{1,2}|70021|700024|700211|700213", FailureCode.NO_SIGN_IN,
     "The tenant{named} does not accept the token file of this workload.",
     "Check the federated credential of the application: its issuer, subject and audience."),
    ("50020|50034|50057|90072|50105", FailureCode.NO_SIGN_IN,
     "The account is not known, or not allowed to sign in, in the tenant{named}.",
     "Fill in another tenant, or sign in with another account: {login}."),
)  # fmt: skip
"""By the numbers of Microsoft's sign-in errors (AADSTS…)."""

_WORDS: tuple[tuple[str, str, str], ...] = (
    ("Invalid value for AZURE_TOKEN_CREDENTIALS|at least one credential is required",
     "AZURE_TOKEN_CREDENTIALS names no credential that can be used here.",
     "Set it to dev, prod or AzureCliCredential, or remove it."),
    ("Invalid tenant ID", "The variable AZURE_TENANT_ID contains no tenant.", _TENANT),
    ("az login", "The Azure CLI is not signed in.", _SIGN_IN),
    ("AzureCliCredential: (?!Azure CLI not found)",
     "The Azure CLI gave no token.",
     "Where the kernel runs, try: az account get-access-token. It says why."),
    (r"\[Errno \d+\]",
     "The token file of this workload cannot be read.",
     "AZURE_FEDERATED_TOKEN_FILE names it: check the path and the rights."),
    ("No identity has been assigned|Identity not found",
     "This machine has no managed identity{client}.",
     "Give it one in the Azure portal under Identity, or correct the client id."),
)  # fmt: skip
_NOTHING = (
    "No sign-in to Microsoft Entra ID was found: neither variables, nor a managed identity of this"
    " machine, nor a command-line tool that is signed in."
)
_NO_IDENTITY = "No managed identity{client} was found: this machine is not a server in Azure."


def _explain(words: str, wire: _Wire, request: TokenRequest) -> CallError:
    """Why the chain has no token, likeliest first; no word of the token's own."""
    words = f"{wire.words} {words}"
    option = request.exchange.option
    tenant, client = option("tenant") or os.environ.get("AZURE_TENANT_ID", ""), option("client_id")
    named = {
        "named": f" {redact(tenant)[:80]}" if tenant else "",
        "client": f" {client}" if client else "",
        "login": f"az login --tenant {tenant}" if option("tenant") else "az login",
        "scope": request.exchange.scope.removesuffix("/.default"),
    }

    def error(sentence: str, hint: str, code: str = FailureCode.NO_SIGN_IN) -> CallError:
        said = sentence.format(**named)
        return request.error(Unauthorized, said, hint.format(**named), code)

    if wire.foreign:
        sentence = "The sign-in asked for the host {host}, which is not the one it is for: nothing"
        named["host"] = redact(wire.foreign)[:80]
        return error(f"{sentence} was sent there.", f"Check {_AUTHORITY} and its like.")
    if wire.failure is not None:
        return wire.failure
    if wire.busy:
        return request.busy(f"The sign-in service at {wire.busy}")
    if number := re.search(r"AADSTS(\d+)", words):
        for numbers, code, sentence, hint in _CODES:
            if re.fullmatch(numbers, number[1]):
                return error(sentence, hint, code)
        named["quote"] = _quote(words[number.start() :])
        return error("Microsoft Entra ID did not sign the account in. It says: {quote}", _SIGN_IN)
    for pattern, sentence, hint in _WORDS:
        if re.search(pattern, words):
            return error(sentence, hint)
    named["denied"] = f" {wire.denied.message}" if wire.denied else ""
    sentence = _NO_IDENTITY if client else _NOTHING
    hint = "Leave the client id empty to sign in as yourself." if client else _SIGN_IN
    return error(f"{sentence}{{denied}}", hint)


def _quote(words: str) -> str:
    """The first sentence of what the service says, without what identifies the request."""
    first = re.split(r"\s*(?:Trace ID|Correlation ID|\\r|\\n|\n|\")", words, maxsplit=1)[0]
    return quote_service(first)
