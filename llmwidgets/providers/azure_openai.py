"""Azure OpenAI: one connection for each deployment; and what Azure AI Foundry shares with it.

Both kinds ask for a target URI (`azure_endpoint.py` reads it), and Azure has days and limits of its
own for models.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, Field, model_validator

from llmwidgets.dialects import openai
from llmwidgets.dialects.error_meanings import NO_DEPLOYMENT
from llmwidgets.dialects.types import AuthHeader, Target
from llmwidgets.providers import azure_sign_in
from llmwidgets.providers.anthropic import PROVIDER as ANTHROPIC
from llmwidgets.providers.azure_endpoint import Flavour, checked_endpoint, read_endpoint
from llmwidgets.providers.base import (
    OPENAI_VARIABLES,
    SDK,
    Advice,
    Ended,
    EndpointFields,
    Environment,
    Fields,
    Link,
    ModelFacts,
    Part,
    Portal,
    Provider,
    SignInFields,
    Step,
    Way,
    openai_sdk,
    sign_in_field,
)
from llmwidgets.providers.openai import PROVIDER as OPENAI
from llmwidgets.providers.urls import read_address
from llmwidgets.secret import Secret

VARIABLES = (
    "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_DEPLOYMENT",
    azure_sign_in.READY_TOKEN, "OPENAI_API_VERSION", *OPENAI_VARIABLES,
)  # fmt: skip
"""What OpenAI's Azure client reads, and its client for everything else."""

_FLAVOURS: dict[Flavour, str] = {
    "v1": "Azure OpenAI v1, without API version",
    "dated": "Azure OpenAI by deployment",
    "models": "Foundry models, the model named in the call",
    "serverless": "serverless, one model for each host",
    "anthropic": "Claude in Anthropic's format",
}


class AzureFields(EndpointFields, SignInFields):
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

    def auth(self, *headers: str) -> tuple[AuthHeader, ...]:
        """The key in each of these headers, or a token of Entra ID in its place."""
        if self.way == "entra":
            asked = {name: getattr(self, name, None) for name in ("tenant", "client_id")}
            # A gateway in front of the endpoint passes the token on.
            return (azure_sign_in.entra_auth(str(getattr(self, "endpoint", "")), **asked),)
        key = getattr(self, "api_key", Secret(""))
        return tuple(
            AuthHeader.bearer(key) if name == "Authorization" else AuthHeader(name, key)
            for name in headers
        )

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


def make_target(fields: Fields, model: str, *, both_headers: bool = False) -> Target:
    """Where the deployment answers; `both_headers` sends the key as Bearer as well."""
    assert isinstance(fields, AzureFields)
    endpoint = read_endpoint(fields.pasted)
    url = endpoint.url
    if endpoint.flavour == "dated":
        url = f"{url.rpartition('/deployments')[0]}/deployments/{quote(model, safe='')}"
    own = endpoint.flavour in {"v1", "dated"}
    bearer = ("Authorization",) if both_headers or not own else ()
    return Target(
        url=url,
        model=model,
        auth=fields.auth(*endpoint.key_headers, *bearer),
        query={"api-version": endpoint.api_version} if endpoint.api_version else {},
        options={
            "token_parameter": "max_completion_tokens" if own else "max_tokens",
            "system_role": "system",
            "store": endpoint.flavour == "v1" and not both_headers,
            "effort": True,
            "models_url": endpoint.models_url,
            "slash": endpoint.slash,
        },
    )


def make_sdk(fields: Fields, target: Target) -> SDK:
    """The client of the OpenAI package for a deployment in OpenAI's format."""
    assert isinstance(fields, AzureFields)
    endpoint = read_endpoint(fields.pasted)
    if endpoint.flavour != "dated":
        return openai_sdk(fields, target)
    base = target.url.rpartition("/deployments/")[0]
    deployment = "" if fields.named == "*" else fields.named
    version = endpoint.api_version or ""
    where = {"azure_endpoint": base.removesuffix("/openai"), "azure_deployment": deployment or None}
    # The client adds /openai to an endpoint; below a gateway there may be none.
    if not base.endswith("/openai"):
        where = {"base_url": target.url}
    return SDK(
        client="AzureOpenAI",
        arguments={**where, "api_version": version},
        attributes={"organization": None, "project": None},
        keys=("AZURE_OPENAI_API_KEY",),
        variables={
            "AZURE_OPENAI_ENDPOINT": base.removesuffix("/openai"),
            "OPENAI_API_VERSION": version,
            "AZURE_OPENAI_DEPLOYMENT": deployment,
        },
        token_argument="azure_ad_token_provider",
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
    if facts is not None:
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
    facts, day = ANTHROPIC.facts(model), CLAUDE_ENDS.get(ANTHROPIC.alias(model))
    if facts is None:
        return None
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


class _DeploymentFields(AzureFields):
    deployment: str = Field(
        title="Deployment",
        description="The deployment's own name; by default it is the model's name.",
        examples=["gpt-6-luna"],
    )
    endpoint: Annotated[str, AfterValidator(checked_endpoint)] = Field(
        title="Endpoint",
        description="Paste the target URI in any form the portal shows.",
        examples=["https://acme.openai.azure.com/openai/deployments/gpt-6-luna/chat/…"],
    )
    read_url = checked_endpoint


class AzureOpenAIFields(_DeploymentFields):
    """The fields of Azure OpenAI's form."""

    api_key: Secret = Field(
        title="API key",
        description="Key 1 or key 2 of the resource that the deployment belongs to.",
        examples=["32 or 84 characters"],
    )


class AzureOpenAIEntraFields(_DeploymentFields):
    """The fields of Azure OpenAI's form where Entra ID signs in."""

    sign_in: Way = sign_in_field("entra")
    tenant: azure_sign_in.Tenant = None
    client_id: azure_sign_in.ClientId = None


def _sdk(fields: Fields, target: Target) -> SDK:
    sdk = make_sdk(fields, target)
    origin = {"AZURE_OPENAI_ENDPOINT": read_address(target.url).origin}
    return replace(sdk, variables={**origin, **sdk.variables})


_PORTAL = Portal(
    "azure_openai",
    "Azure OpenAI: resource, deployment, then Details",
    "ai.azure.com",
    (
        Step("In the resource (here acme) open Deployments."),
        Step("Open the deployment: its own name counts.", "deployment"),
        Step("Go to Details."),
        Step("Copy the whole Target URI, in any form.", "endpoint"),
        Step("Copy the Key.", "api_key"),
    ),
    (
        Part("heading", "Deployments"),
        Part("button", "Deploy model"),
        Part("row", "gpt-6-luna", step=2),
        Part("row", ""),
        Part("tabs", "Details||", "Details", step=3),
        Part("value", "Target URI", "https://acme.openai.azure.com/openai/…", step=4),
        Part("value", "Key", "••••••••••••••••••••", step=5),
    ),
    menu=("acme", "", "Deployments", "", ""),
    at="Deployments",
    menu_step=1,
)

PROVIDER = Provider(
    kind="azure_openai",
    title="Azure OpenAI",
    fields=AzureOpenAIFields,
    links=(
        Link("Make an account", "https://azure.microsoft.com/free"),
        Link(
            "Create the resource",
            "https://portal.azure.com/#create/Microsoft.CognitiveServicesOpenAI",
        ),
        Link("Deploy a model and get the key", "https://ai.azure.com"),
    ),
    steps=(
        "In the Azure portal create an Azure OpenAI resource (or take one that exists).",
        "In the Azure AI Foundry portal, on that resource, choose Deployments → Deploy model, "
        "take one chat model and give the deployment a name: by default the model's name, but "
        "it is the deployment's name that counts here.",
        "Open the deployment, then Details: copy the Target URI into Endpoint and the Key into "
        "API key.",
        "One connection serves one deployment: add another connection for another model.",
    ),
    portals=(_PORTAL,),
    dialect=openai,
    target=make_target,
    sdk=_sdk,
    sign_ins=(azure_sign_in.entra_sign_in(AzureOpenAIEntraFields),),
    model_field="deployment",
    deployments=True,
    key_hint="an Azure resource has keys of its own",
    environment=Environment(
        keys=("AZURE_OPENAI_API_KEY",),
        beside={"endpoint": "AZURE_OPENAI_ENDPOINT", "deployment": "AZURE_OPENAI_DEPLOYMENT"},
        others=VARIABLES,
        signs_in={azure_sign_in.READY_TOKEN: "entra"},
    ),
    vendor="Azure",
    find_facts=find_facts,
    ended=find_end,
    unknown_model=Advice(NO_DEPLOYMENT.sentence, str(NO_DEPLOYMENT.hint)),
    price_provider="azure",
    lists=False,
)
