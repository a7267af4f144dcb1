"""How a target URI of Azure is read: its format, its base, its deployment and API version.

The portal shows a deployment's address in several forms; each names the same place to call. A
gateway, such as Azure API Management, has the same routes below a path of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from llmwidgets.providers.urls import cut_route, read_address

Flavour = Literal["v1", "dated", "models", "serverless", "anthropic"]

DATED_VERSION = "2024-10-21"
MODELS_VERSION = "2024-05-01-preview"

_CLOUD = r"azure\.(?:com|us|cn)"
_CLAUDE = re.compile(r"^(.*?/anthropic)(?:/v1(?:/messages|/models)?)?$", re.I)
_DEPLOYMENT = re.compile(r"^(.*?)/deployments/([^/]+)(/.*)?$", re.I)
_V1 = re.compile(r"^(.*?/openai/v1)(/.*)?$", re.I)
_MODELS = re.compile(r"^(.*?)/models(/.*)?$", re.I)
_SERVERLESS = re.compile(r"^(.*?/v1)(/.*)?$", re.I)
_SERVERLESS_HOST = re.compile(rf"\.models\.ai\.{_CLOUD}(?::|$)")
_RESOURCE = re.compile(r"^(?:/openai(?:/responses)?|/api/projects/[^/]+)?$", re.I)
AZURE_HOST = re.compile(rf"(?:^|\.){_CLOUD}(?::|$)")
_ROUTES = ("/chat/completions", "/responses", "/messages")
_API_MANAGEMENT = re.compile(r"\.azure-api\.(?:net|us|cn)(?::|$)")
_COMPUTE_HOST = re.compile(rf"\.inference\.ml\.{_CLOUD}(?::|$)")
_PORTALS = re.compile(rf"^(?:portal|ai|oai)\.{_CLOUD}$|^ml\.{_CLOUD}$", re.I)

_PORTAL = (
    "is a page of the portal. Open the deployment there, then Details, and copy the target URI."
)
_COMPUTE = (
    "is the address of managed compute, which has its own format. Only an address that ends in "
    "/v1/chat/completions can be used there: see Details of the deployment."
)
_NO_TARGET_URI = (
    "is not a target URI in any known form. In the portal open the deployment, then Details, and "
    "copy the target URI."
)


@dataclass(frozen=True, slots=True)
class AzureEndpoint:
    """What a target URI names. `url` is the base to which the route is added.

    `slash` is whether the route ends in one, as it was typed.
    """

    flavour: Flavour
    url: str
    host: str
    deployment: str | None = None
    api_version: str | None = None
    models_url: str | None = None
    slash: bool = False

    @property
    def key_headers(self) -> tuple[str, ...]:
        """The headers that take the key: API Management reads a name of its own by default."""
        managed = _API_MANAGEMENT.search(self.host)
        return ("api-key", "Ocp-Apim-Subscription-Key") if managed else ("api-key",)


def read_endpoint(value: str) -> AzureEndpoint:
    """The target URI in parts; ValueError with reason and next step if it is something else.

    >>> read_endpoint("https://acme.openai.azure.com/").url
    'https://acme.openai.azure.com/openai/v1'
    """
    address = read_address(value)
    if _PORTALS.match(address.host):
        raise ValueError(_PORTAL)
    if _COMPUTE_HOST.search(address.host) and "/v1" not in address.path.lower():
        raise ValueError(_COMPUTE)
    origin, path = address.origin, address.path
    version = next((v for name, v in address.query.items() if name.lower() == "api-version"), None)
    own = AZURE_HOST.search(address.host) is not None
    slash = address.slash and path.endswith(_ROUTES)
    make = partial(AzureEndpoint, host=address.host, slash=slash)
    flavour: Flavour = "v1"
    url = f"{origin}/openai/v1"
    if match := _CLAUDE.match(path):
        return make("anthropic", f"{origin}{match[1]}/v1")
    if (match := _DEPLOYMENT.match(path)) and (not own or match[1].lower().endswith("/openai")):
        _only_chat(match[3])
        return _dated(make, origin + match[1], unquote(match[2]), version)
    if match := _V1.match(path):
        _only_chat(match[2], "/responses", "/models")
        url = origin + match[1]
    elif (match := _MODELS.match(path)) and not (own and match[1]):
        _only_chat(match[2])
        base, version = origin + match[1], version or MODELS_VERSION
        models_url = f"{base}/openai/v1/models"
        return make("models", f"{base}/models", api_version=version, models_url=models_url)
    elif match := _SERVERLESS.match(path):
        _only_chat(match[2], "/models")
        flavour, url = "serverless", origin + match[1]
    elif _SERVERLESS_HOST.search(address.host):
        _only_chat(path)
        flavour, url = "serverless", f"{origin}/v1"
    elif own and not _RESOURCE.match(path):
        raise ValueError(_NO_TARGET_URI)
    elif not own:
        base, _ = cut_route(address, *_ROUTES)
        if base != address.url:
            return make("v1", base, api_version=version, models_url=f"{base}/models")
        base = base if base.lower().endswith("/openai") else f"{base}/openai"
        if version:
            return _dated(make, base, None, version)
        url = f"{base}/v1"
    return make(flavour, url, models_url=f"{url}/models")


def _dated(
    make: Callable[..., AzureEndpoint], base: str, deployment: str | None, version: str | None
) -> AzureEndpoint:
    """An endpoint by deployment; which one, the form says if the address does not."""
    named = f"/{quote(deployment, safe='')}" if deployment else ""
    return make(
        "dated",
        f"{base}/deployments{named}",
        deployment=deployment,
        api_version=version or DATED_VERSION,
        models_url=f"{base}/models?api-version={DATED_VERSION}",
    )


def _only_chat(route: str | None, *others: str) -> None:
    if not route or route in {"/chat/completions", *others}:
        return
    message = (
        f"is the address of {route.lstrip('/')[:40]}, not of chat completions. Take the target "
        "URI of a chat model's deployment."
    )
    raise ValueError(message)


def checked_endpoint(value: str, *, claude: bool = False) -> str:
    """The target URI as pasted, without blanks, its host in its one spelling.

    ValueError unless it is that of a chat. `claude` allows Anthropic's format as well.
    """
    text = value.strip().strip("\"'<>").strip()
    address, typed = read_address(text), urlsplit(text)
    if read_endpoint(text).flavour == "anthropic" and not claude:
        message = (
            "leads to Claude in Anthropic's format, and Azure OpenAI speaks the OpenAI format. "
            "Connect it as Azure AI Foundry."
        )
        raise ValueError(message)
    return f"{address.origin}{typed.path}{typed.query and f'?{typed.query}'}"
