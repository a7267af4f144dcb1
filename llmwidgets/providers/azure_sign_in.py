"""Sign-in with Microsoft Entra ID: what a form asks for it, and which token a host of Azure takes.

Each of Azure's clouds has a sign-in service and names of its own for what a token gives access to.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from llmwidgets.dialects.sign_in_errors import NEW_ROLE, OPENAI_ROLE, OTHER_ROLE
from llmwidgets.dialects.types import AuthHeader, Exchange
from llmwidgets.providers.base import Fields, Link, SignIn, spelled
from llmwidgets.providers.urls import host_of
from llmwidgets.secret import Secret

AUTHORITIES = {
    "com": "login.microsoftonline.com",
    "us": "login.microsoftonline.us",
    "cn": "login.chinacloudapi.cn",
}
"""The host of the sign-in service, by the end of the hosts of its cloud."""

READY_TOKEN = "AZURE_OPENAI_AD_TOKEN"
"""The variable with a token that somebody else fetched."""

_CLOUD = re.compile(r"\.azure(?:-api)?\.(us|cn)$")
_PROJECT = re.compile(r"/api/projects/", re.I)
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


Tenant = Annotated[
    str | None,
    spelled(
        rf"{_ID}|(?:[a-z0-9][a-z0-9-]{{0,62}}\.)+[a-z][a-z0-9-]+",
        "is not a tenant: write its id or a domain, such as acme.example.",
        lower=True,
    ),
    Field(
        title="Tenant",
        description="An id or a domain. Default: the one you are signed in to.",
        examples=["acme.example"],
    ),
]
ClientId = Annotated[
    str | None,
    spelled(
        _ID,
        "is not a client id: it is written as 00000000-0000-0000-0000-000000000000.",
        lower=True,
    ),
    Field(
        title="Client id",
        description="Of a managed identity, on a server in Azure. Default: none.",
        examples=["00000000-0000-0000-0000-000000000000"],
    ),
]

_STEPS = (
    f"Ask an owner of the resource for the role {OPENAI_ROLE} (for Claude and other models of"
    f" Foundry: {OTHER_ROLE}). {NEW_ROLE}",
    "Where the kernel runs, install azure-identity (in a cell: `%pip install azure-identity`) and"
    " sign in: `az login`. A server in Azure signs in by its managed identity.",
    "In the Foundry portal open the deployment, then Details: copy the Target URI into Endpoint.",
)


_LINKS = (
    Link("Open the deployment", "https://ai.azure.com"),
    Link("Give the role", "https://learn.microsoft.com/azure/role-based-access-control"),
    Link("Install Azure CLI", "https://learn.microsoft.com/cli/azure/install-azure-cli"),
)


def entra_sign_in(form: type[Fields]) -> SignIn:
    """The way to sign in with Microsoft Entra ID, by this form."""
    return SignIn("entra", "Microsoft Entra ID", form, _STEPS, links=_LINKS)


def entra_auth(endpoint: str, *, tenant: str | None, client_id: str | None) -> AuthHeader:
    """The header with a token of Entra ID in place of a key, as the endpoint's own host takes it.

    The endpoint of a project takes another kind of token first; each host is asked with the other
    kind once if it refuses the first.
    """
    cloud = match[1] if (match := _CLOUD.search(host_of(endpoint))) else "com"
    scopes = [f"https://{name}.azure.{cloud}/.default" for name in ("cognitiveservices", "ai")]
    if _PROJECT.search(urlsplit(endpoint).path):
        scopes.reverse()
    authority = "" if cloud == "com" else AUTHORITIES[cloud]
    exchange = Exchange(
        "entra", scopes[0], second_scope=scopes[1], hosts=(AUTHORITIES[cloud],)
    ).given(tenant=tenant, client_id=client_id, authority=authority)
    return AuthHeader.bearer(Secret(""), exchange)
