"""What a pasted Azure target URI says: flavour, deployment, version; shared by both Azure kinds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, unquote

from pydantic import model_validator

from llmwidgets.dialects.messages import AuthHeader, Target
from llmwidgets.providers.base import Fields
from llmwidgets.providers.urls import Address, read_address
from llmwidgets.secret import Secret

Flavour = Literal["v1", "dated", "models", "serverless", "anthropic"]

DATED_VERSION = "2024-10-21"
MODELS_VERSION = "2024-05-01-preview"
_CLOUD = r"azure\.(?:com|us|cn)"
_DEPLOYMENT = re.compile(r"^(.*?/openai)/deployments/([^/]+)(/.*)?$", re.I)
_V1 = re.compile(r"^(.*?/openai/v1)(/.*)?$", re.I)
_CLAUDE = re.compile(r"^(.*?/anthropic)(?:/v1(?:/messages|/models)?)?$", re.I)
_PORTALS = re.compile(rf"^(?:portal|ai|oai)\.{_CLOUD}$|^ml\.{_CLOUD}$", re.I)


@dataclass(frozen=True, slots=True)
class AzureEndpoint:
    """Where a target URI leads. `url` is the base to which the route is added."""

    flavour: Flavour
    url: str
    host: str
    deployment: str | None = None
    api_version: str | None = None
    models_url: str | None = None


def read_endpoint(value: str) -> AzureEndpoint:
    """The target URI in parts; ValueError with reason and next step where it leads elsewhere.

    >>> read_endpoint("https://acme.openai.azure.com/").url
    'https://acme.openai.azure.com/openai/v1'
    """
    address = read_address(value)
    _refuse_others(address)
    version = address.query.get("api-version")
    if found := _CLAUDE.match(address.path):
        return AzureEndpoint("anthropic", f"{address.origin}{found[1]}/v1", address.host)
    if found := _DEPLOYMENT.match(address.path):
        return _dated(address, found[1], unquote(found[2]), found[3] or "", version)
    if found := _V1.match(address.path):
        _only_chat(found[2] or "", "/responses", "/models")
        return _v1(address, found[1])
    path = address.path.lower()
    if path.startswith("/models") and path.removeprefix("/models")[:1] in {"", "/"}:
        _only_chat(address.path[len("/models") :])
        return _models(address, version)
    if found := re.match(r"^(.*?)/v1(/.*)?$", address.path, re.I):
        _only_chat(found[2] or "", "/models")
        return _serverless(address, found[1])
    if re.search(rf"\.models\.ai\.{_CLOUD}(?::|$)", address.host):
        _only_chat(address.path)
        return _serverless(address, "")
    project = re.fullmatch(r"/api/projects/[^/]+", address.path, re.I)
    if path in {"", "/openai"} or project or path == "/openai/responses":
        return _v1(address, "/openai/v1")
    message = (
        "is in no form of a target URI. In the portal open the deployment, then Details, and copy "
        "the Target URI."
    )
    raise ValueError(message)


def _refuse_others(address: Address) -> None:
    path = address.path.lower()
    message = ""
    if _PORTALS.match(address.host):
        message = (
            "is a page of the portal. Open the deployment there, then Details, and copy the "
            "Target URI."
        )
    elif re.search(rf"\.inference\.ml\.{_CLOUD}(?::|$)", address.host) and "/v1" not in path:
        message = (
            "leads to managed compute, which answers in its own format. Only an address that "
            "ends in /v1/chat/completions can be used there: see Details of the deployment."
        )
    if message:
        raise ValueError(message)


def _only_chat(route: str, *others: str) -> None:
    if route in {"", "/chat/completions", *others}:
        return
    message = (
        f"leads to {route.lstrip('/')[:40]}, not to chat completions. Take the target URI of a "
        "chat model's deployment."
    )
    raise ValueError(message)


def _dated(
    address: Address, base: str, deployment: str, route: str, version: str | None
) -> AzureEndpoint:
    _only_chat(route)
    return AzureEndpoint(
        flavour="dated",
        url=f"{address.origin}{base}/deployments/{quote(deployment, safe='')}",
        host=address.host,
        deployment=deployment,
        api_version=version or DATED_VERSION,
        models_url=f"{address.origin}{base}/models?api-version={DATED_VERSION}",
    )


def _v1(address: Address, path: str) -> AzureEndpoint:
    url = address.origin + path
    return AzureEndpoint("v1", url, address.host, models_url=f"{url}/models")


def _models(address: Address, version: str | None) -> AzureEndpoint:
    return AzureEndpoint(
        flavour="models",
        url=f"{address.origin}/models",
        host=address.host,
        api_version=version or MODELS_VERSION,
        models_url=f"{address.origin}/openai/v1/models",
    )


def _serverless(address: Address, base: str) -> AzureEndpoint:
    url = f"{address.origin}{base}/v1"
    return AzureEndpoint("serverless", url, address.host, models_url=f"{url}/models")


def checked_endpoint(value: str, *, claude: bool = False) -> str:
    """The target URI as pasted, blanks cut, once it is known to lead to a chat.

    `claude` lets it lead to Anthropic's format as well.
    """
    text = value.strip().strip("\"'<>").strip()
    if read_endpoint(text).flavour == "anthropic" and not claude:
        message = (
            "leads to Claude in Anthropic's format, and Azure OpenAI speaks the OpenAI format. "
            "Connect it as Azure AI Foundry."
        )
        raise ValueError(message)
    return text


class AzureFields(Fields):
    """What both Azure kinds share: the name can stand in the target URI."""

    @model_validator(mode="before")
    @classmethod
    def _name_from_endpoint(cls, data: Any) -> Any:
        name = next(iter(set(cls.model_fields) & {"deployment", "model"}))
        if (
            not isinstance(data, dict)
            or data.get(name)
            or not isinstance(data.get("endpoint"), str)
        ):
            return data
        try:
            found = read_endpoint(data["endpoint"]).deployment
        except ValueError:
            return data
        return {**data, name: found} if found else data

    @property
    def pasted(self) -> str:
        """The address that counts: the base URL of a gateway, else the endpoint."""
        return self.base_url or str(getattr(self, "endpoint", ""))

    @property
    def named(self) -> str:
        """The deployment or model as the form names it."""
        return str(getattr(self, "deployment", getattr(self, "model", "")))

    def notes(self) -> list[str]:
        """Sentences about what was read from the target URI and differs from the form."""
        found = read_endpoint(self.pasted)
        said = []
        if found.deployment and self.named not in {found.deployment, "*"}:
            said.append(
                f"The address names the deployment {found.deployment}, the form {self.named}: the "
                "form counts. Correct the name if the address is right."
            )
        if "/responses" in self.pasted:
            said.append("The address leads to Responses: chat completions of its host is called.")
        return said


def azure_target(fields: Fields, model: str, key: Secret, *, both_headers: bool) -> Target:
    """Where the deployment answers; `both_headers` sends the key as Bearer as well."""
    assert isinstance(fields, AzureFields)
    found = read_endpoint(fields.pasted)
    url = found.url
    if found.deployment:
        url = f"{url.rpartition('/')[0]}/{quote(model, safe='')}"
    own = found.flavour in {"v1", "dated"}
    auth: tuple[AuthHeader, ...] = (AuthHeader("api-key", key),)
    if both_headers or not own:
        auth += (AuthHeader("Authorization", key, "Bearer {}"),)
    return Target(
        url=url,
        model=model,
        auth=auth,
        query={"api-version": found.api_version} if found.api_version else {},
        options={
            "token_parameter": "max_completion_tokens" if own else "max_tokens",
            "system_role": "system",
            "store": found.flavour == "v1" and not both_headers,
            "effort": True,
            "models_url": found.models_url,
        },
    )
