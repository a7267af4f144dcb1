"""How a target URI of Azure is read: its format, its base, its deployment and API version.

The portal shows a deployment's address in several forms; each names the same place to call.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Literal
from urllib.parse import quote, unquote

from llmwidgets.providers.urls import read_address

Flavour = Literal["v1", "dated", "models", "serverless", "anthropic"]

DATED_VERSION = "2024-10-21"
MODELS_VERSION = "2024-05-01-preview"

_CLOUD = r"azure\.(?:com|us|cn)"
_CLAUDE = re.compile(r"^(.*?/anthropic)(?:/v1(?:/messages|/models)?)?$", re.I)
_DEPLOYMENT = re.compile(r"^(.*?/openai)/deployments/([^/]+)(/.*)?$", re.I)
_V1 = re.compile(r"^(.*?/openai/v1)(/.*)?$", re.I)
_MODELS = re.compile(r"^/models(/.*)?$", re.I)
_SERVERLESS = re.compile(r"^(.*?/v1)(/.*)?$", re.I)
_SERVERLESS_HOST = re.compile(rf"\.models\.ai\.{_CLOUD}(?::|$)")
_RESOURCE = re.compile(r"^(?:/openai(?:/responses)?|/api/projects/[^/]+)?$", re.I)
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
    """What a target URI names. `url` is the base to which the route is added."""

    flavour: Flavour
    url: str
    host: str
    deployment: str | None = None
    api_version: str | None = None
    models_url: str | None = None


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
    origin, path, version = address.origin, address.path, address.query.get("api-version")
    make = partial(AzureEndpoint, host=address.host)
    flavour: Flavour = "v1"
    url = f"{origin}/openai/v1"
    if match := _CLAUDE.match(path):
        return make("anthropic", f"{origin}{match[1]}/v1")
    if match := _DEPLOYMENT.match(path):
        _only_chat(match[3])
        base, deployment = origin + match[1], unquote(match[2])
        return make(
            "dated",
            f"{base}/deployments/{quote(deployment, safe='')}",
            deployment=deployment,
            api_version=version or DATED_VERSION,
            models_url=f"{base}/models?api-version={DATED_VERSION}",
        )
    if match := _V1.match(path):
        _only_chat(match[2], "/responses", "/models")
        url = origin + match[1]
    elif match := _MODELS.match(path):
        _only_chat(match[1])
        models_url, version = f"{origin}/openai/v1/models", version or MODELS_VERSION
        return make("models", f"{origin}/models", api_version=version, models_url=models_url)
    elif match := _SERVERLESS.match(path):
        _only_chat(match[2], "/models")
        flavour, url = "serverless", origin + match[1]
    elif _SERVERLESS_HOST.search(address.host):
        _only_chat(path)
        flavour, url = "serverless", f"{origin}/v1"
    elif not _RESOURCE.match(path):
        raise ValueError(_NO_TARGET_URI)
    return make(flavour, url, models_url=f"{url}/models")


def _only_chat(route: str | None, *others: str) -> None:
    if not route or route in {"/chat/completions", *others}:
        return
    message = (
        f"is the address of {route.lstrip('/')[:40]}, not of chat completions. Take the target "
        "URI of a chat model's deployment."
    )
    raise ValueError(message)


def checked_endpoint(value: str, *, claude: bool = False) -> str:
    """The target URI as pasted, without blanks; ValueError unless it is that of a chat.

    `claude` allows Anthropic's format as well.
    """
    text = value.strip().strip("\"'<>").strip()
    if read_endpoint(text).flavour == "anthropic" and not claude:
        message = (
            "leads to Claude in Anthropic's format, and Azure OpenAI speaks the OpenAI format. "
            "Connect it as Azure AI Foundry."
        )
        raise ValueError(message)
    return text
