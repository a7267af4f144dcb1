"""What both Azure kinds share: the target URI, the SDK, Azure's own days and limits of models."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal
from urllib.parse import quote, unquote

from pydantic import model_validator

from llmwidgets.dialects.types import AuthHeader, Target
from llmwidgets.providers.anthropic import PROVIDER as ANTHROPIC
from llmwidgets.providers.base import OPENAI_VARIABLES, SDK, Ended, Fields, ModelFacts, openai_sdk
from llmwidgets.providers.openai import PROVIDER as OPENAI
from llmwidgets.providers.urls import Address, read_address
from llmwidgets.secret import Secret

Flavour = Literal["v1", "dated", "models", "serverless", "anthropic"]

VARIABLES = (
    "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_DEPLOYMENT",
    "AZURE_OPENAI_AD_TOKEN", "OPENAI_API_VERSION", *OPENAI_VARIABLES,
)  # fmt: skip
"""What OpenAI's Azure client reads, and its client for everything else."""

DATED_VERSION = "2024-10-21"
MODELS_VERSION = "2024-05-01-preview"
_FLAVOURS: dict[Flavour, str] = {
    "v1": "Azure OpenAI v1, without API version",
    "dated": "Azure OpenAI by deployment",
    "models": "Foundry models, the model named in the call",
    "serverless": "serverless, one model for each host",
    "anthropic": "Claude in Anthropic's format",
}
_CLOUD = r"azure\.(?:com|us|cn)"
_DEPLOYMENT = re.compile(r"^(.*?/openai)/deployments/([^/]+)(/.*)?$", re.I)
_V1 = re.compile(r"^(.*?/openai/v1)(/.*)?$", re.I)
_CLAUDE = re.compile(r"^(.*?/anthropic)(?:/v1(?:/messages|/models)?)?$", re.I)
_PORTALS = re.compile(rf"^(?:portal|ai|oai)\.{_CLOUD}$|^ml\.{_CLOUD}$", re.I)


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
    _refuse_others(address)
    version = address.query.get("api-version")
    if match := _CLAUDE.match(address.path):
        return AzureEndpoint("anthropic", f"{address.origin}{match[1]}/v1", address.host)
    if match := _DEPLOYMENT.match(address.path):
        return _dated(address, match[1], unquote(match[2]), match[3] or "", version)
    if match := _V1.match(address.path):
        _only_chat(match[2] or "", "/responses", "/models")
        return _v1(address, match[1])
    path = address.path.lower()
    if path.startswith("/models") and path.removeprefix("/models")[:1] in {"", "/"}:
        _only_chat(address.path[len("/models") :])
        return _models(address, version)
    if match := re.match(r"^(.*?)/v1(/.*)?$", address.path, re.I):
        _only_chat(match[2] or "", "/models")
        return _serverless(address, match[1])
    if re.search(rf"\.models\.ai\.{_CLOUD}(?::|$)", address.host):
        _only_chat(address.path)
        return _serverless(address, "")
    project = re.fullmatch(r"/api/projects/[^/]+", address.path, re.I)
    if path in {"", "/openai"} or project or path == "/openai/responses":
        return _v1(address, "/openai/v1")
    message = (
        "is not a target URI in any known form. In the portal open the deployment, then Details, "
        "and copy the Target URI."
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
            "is the address of managed compute, which has its own format. Only an address that "
            "ends in /v1/chat/completions can be used there: see Details of the deployment."
        )
    if message:
        raise ValueError(message)


def _only_chat(route: str, *others: str) -> None:
    if route in {"", "/chat/completions", *others}:
        return
    message = (
        f"is the address of {route.lstrip('/')[:40]}, not of chat completions. Take the target "
        "URI of a chat model's deployment."
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


class AzureFields(Fields):
    """The fields that both Azure kinds share: the name can be in the target URI."""

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
            deployment = read_endpoint(data["endpoint"]).deployment
        except ValueError:
            return data
        return {**data, name: deployment} if deployment else data

    @property
    def pasted(self) -> str:
        """The address that counts: the base URL of a gateway, else the endpoint."""
        return self.base_url or str(getattr(self, "endpoint", ""))

    @property
    def named(self) -> str:
        """The deployment or model as the form names it."""
        return str(getattr(self, "deployment", getattr(self, "model", "")))

    def notes(self) -> list[str]:
        """A sentence for each part of the target URI that differs from the form."""
        endpoint = read_endpoint(self.pasted)
        warnings = []
        if endpoint.deployment and self.named not in {endpoint.deployment, "*"}:
            warnings.append(
                f"The address names the deployment {endpoint.deployment}, the form {self.named}: "
                "the form counts. Correct the name if the address is right."
            )
        if "/responses" in self.pasted:
            warnings.append(
                "The address is that of Responses: chat completions on its host is called instead."
            )
        return warnings

    def address_parts(self) -> list[tuple[str, str]]:
        """Host, deployment, version and format of the pasted address."""
        endpoint = read_endpoint(self.pasted)
        named = {"deployment": endpoint.deployment, "API version": endpoint.api_version}
        parts = [(name, value) for name, value in named.items() if value]
        return [("host", endpoint.host), *parts, ("format", _FLAVOURS[endpoint.flavour])]


def make_target(fields: Fields, model: str, key: Secret, *, both_headers: bool) -> Target:
    """Where the deployment answers; `both_headers` sends the key as Bearer as well."""
    assert isinstance(fields, AzureFields)
    endpoint = read_endpoint(fields.pasted)
    url = endpoint.url
    if endpoint.deployment:
        url = f"{url.rpartition('/')[0]}/{quote(model, safe='')}"
    own = endpoint.flavour in {"v1", "dated"}
    auth: tuple[AuthHeader, ...] = (AuthHeader("api-key", key),)
    if both_headers or not own:
        auth += (AuthHeader("Authorization", key, "Bearer {}"),)
    return Target(
        url=url,
        model=model,
        auth=auth,
        query={"api-version": endpoint.api_version} if endpoint.api_version else {},
        options={
            "token_parameter": "max_completion_tokens" if own else "max_tokens",
            "system_role": "system",
            "store": endpoint.flavour == "v1" and not both_headers,
            "effort": True,
            "models_url": endpoint.models_url,
        },
    )


def make_sdk(fields: Fields, target: Target) -> SDK:
    """The client of the OpenAI package for a deployment in OpenAI's format."""
    assert isinstance(fields, AzureFields)
    endpoint = read_endpoint(fields.pasted)
    if endpoint.flavour != "dated":
        return openai_sdk(fields, target)
    origin = read_address(target.url).origin
    deployment = "" if fields.named == "*" else fields.named
    version = endpoint.api_version or ""
    return SDK(
        client="AzureOpenAI",
        arguments={
            "azure_endpoint": origin,
            "azure_deployment": deployment or None,
            "api_version": version,
        },
        attributes={"organization": None, "project": None},
        keys=("AZURE_OPENAI_API_KEY",),
        variables={
            "AZURE_OPENAI_ENDPOINT": origin,
            "OPENAI_API_VERSION": version,
            "AZURE_OPENAI_DEPLOYMENT": deployment,
        },
    )


_SOURCE = "litellm 1.110.2 (azure/*, azure_ai/*); read 2026-11-28"

ENDS: dict[str, date] = {
    "gpt-4o": date(2027, 4, 14),
    "gpt-4o-mini": date(2027, 4, 14),
    "gpt-4.1": date(2027, 4, 14),
    "gpt-4.1-mini": date(2027, 4, 14),
    "gpt-5": date(2027, 2, 9),
    "gpt-5-mini": date(2027, 7, 13),
    "gpt-5-nano": date(2027, 2, 9),
    "gpt-5.1": date(2027, 7, 13),
    "gpt-5.2": date(2027, 6, 8),
    "gpt-5.4": date(2027, 9, 2),
    "gpt-5.4-mini": date(2027, 9, 21),
    "gpt-5.4-nano": date(2027, 9, 21),
    "gpt-5.5": date(2027, 10, 26),
    "gpt-5.6-luna": date(2028, 1, 11),
    "gpt-5.6-terra": date(2028, 1, 11),
    "gpt-5.6-sol": date(2028, 1, 11),
    "gpt-6-astra": date(2028, 1, 11),
    "gpt-6-luna": date(2028, 3, 11),
    "gpt-6-sol": date(2028, 3, 11),
    "gpt-6.1-sol": date(2028, 3, 11),
    "o3": date(2026, 11, 19),
}
"""By the model's id; no source names a day for the ids that are missing here."""

CLAUDE_ENDS: dict[str, date] = {
    "claude-haiku-4-5": date(2026, 11, 15),
    "claude-opus-4-5": date(2026, 11, 24),
    "claude-sonnet-4-5": date(2026, 11, 30),
    "claude-opus-4-6": date(2027, 2, 2),
    "claude-sonnet-4-6": date(2027, 2, 10),
    "claude-opus-4-7": date(2027, 4, 6),
    "claude-sonnet-5": date(2027, 6, 30),
    "claude-opus-5": date(2027, 7, 8),
    "claude-opus-4-8": date(2027, 9, 1),
    "claude-opus-5-5": date(2027, 9, 18),
    "claude-sonnet-5-5": date(2027, 9, 29),
    "claude-haiku-5-5": date(2027, 9, 29),
    "claude-fable-5": date(2027, 12, 5),
    "claude-fable-5-1": date(2027, 12, 5),
}
"""What litellm has for Claude in Foundry. Anthropic's page says that its own days apply there, so
neither is taken as the end if they differ: the model is *ending*, and its note names both."""

INPUT_LIMITS = {"gpt-5.4": 922_000, "gpt-5.5": 922_000}
"""Where Azure takes shorter texts than OpenAI."""

NOT_OFF = frozenset({"gpt-6.1-terra"})
"""Models whose level `none` Azure refuses, by litellm alone; OpenAI accepts it."""


GONE: dict[str, date | None] = {
    "o1": date(2026, 11, 19),
    "o3-mini": date(2026, 11, 19),
    "o4-mini": date(2026, 11, 19),
    "gpt-4": None,
    "gpt-4-turbo": None,
}
"""What Azure no longer serves; OpenAI's other retired ids can live on here."""


def find_facts(model: str) -> ModelFacts | None:
    """What is known of a deployment with the name of an OpenAI or Anthropic model.

    The end is Azure's own.
    """
    facts = OPENAI.facts(model)
    if facts is None:
        return _claude(model)
    alias = OPENAI.alias(model)
    ends = ENDS.get(alias)
    kept = tuple(level for level in facts.efforts if level != "none" or alias not in NOT_OFF)
    return replace(
        facts,
        efforts=kept,
        input_limit=INPUT_LIMITS.get(alias, facts.input_limit),
        status="ending" if ends else "active",
        ends=ends,
        successor=facts.successor if ends else None,
        note="" if kept != facts.efforts else facts.note,
        source=f"{facts.source}; {_SOURCE}",
        prices=(),
    )


def _claude(model: str) -> ModelFacts | None:
    facts = ANTHROPIC.facts(model)
    if facts is None:
        return None
    day = CLAUDE_ENDS.get(ANTHROPIC.alias(model))
    if day is None:
        return replace(facts, note=f"{facts.note} No source lists it for Foundry.".strip())
    if day == facts.ends:
        return facts
    own = f"on {facts.ends:%Y-%m-%d}" if facts.ends else "on no day yet"
    return replace(
        facts,
        status="ending",
        ends=None,
        note=f"Ends in Foundry on {day:%Y-%m-%d} by litellm, {own} by Anthropic.",
        source=f"{facts.source}; {_SOURCE}",
    )


def find_end(model: str) -> Ended | None:
    """That Azure no longer serves an OpenAI model, if that is known."""
    named = OPENAI.alias(model)
    if named not in GONE:
        return None
    return Ended(GONE[named], OPENAI.successor(model) or "", "Azure")


def find_end_of_claude(model: str) -> Ended | None:
    """That a Claude model has ended in Foundry: it ends when it ends at its maker."""
    successor = ANTHROPIC.successor(model)
    return None if successor is None else Ended(None, successor, ANTHROPIC.title)
