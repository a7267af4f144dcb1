"""Azure AI Foundry: one connection for each model of the catalogue that was deployed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, Field

from llmwidgets.dialects import anthropic, openai
from llmwidgets.dialects.types import Dialect, Target
from llmwidgets.providers import azure_openai, azure_sign_in
from llmwidgets.providers.anthropic import PROVIDER as ANTHROPIC
from llmwidgets.providers.anthropic import messages_target
from llmwidgets.providers.azure_endpoint import checked_endpoint, read_endpoint
from llmwidgets.providers.base import (
    SDK,
    Advice,
    Ended,
    Environment,
    Fields,
    Link,
    Part,
    Portal,
    Provider,
    Step,
    Way,
    sign_in_field,
)
from llmwidgets.secret import Secret

_read = partial(checked_endpoint, claude=True)


class _ModelFields(azure_openai.AzureFields):
    model: str = Field(
        title="Model",
        description="The name of the deployed model, as its Details page shows it.",
        examples=["mistral-large-3"],
    )
    endpoint: Annotated[str, AfterValidator(_read)] = Field(
        title="Endpoint",
        description="The target URI, under Details → Endpoint, in any form shown there.",
        examples=["https://acme.services.ai.azure.com/models/chat/completions?api-version=…"],
    )
    read_url = _read


class FoundryFields(_ModelFields):
    """The fields of Azure AI Foundry's form."""

    api_key: Secret = Field(
        title="API key",
        description="The key next to the target URI.",
        examples=["32 or 84 characters"],
    )


class FoundryEntraFields(_ModelFields):
    """The fields of Azure AI Foundry's form where Entra ID signs in."""

    sign_in: Way = sign_in_field("entra")
    tenant: azure_sign_in.Tenant = None
    client_id: azure_sign_in.ClientId = None


def _target(fields: Fields, model: str) -> Target:
    assert isinstance(fields, azure_openai.AzureFields)
    endpoint = read_endpoint(fields.pasted)
    if endpoint.flavour == "anthropic":
        auth = fields.auth("x-api-key", *endpoint.key_headers)
        return messages_target(endpoint.url, model, auth, slash=endpoint.slash)
    return azure_openai.make_target(fields, model, both_headers=True)


def _speaks(fields: Fields | None, _model: str) -> Dialect | None:
    if not isinstance(fields, azure_openai.AzureFields):
        return None
    return anthropic if read_endpoint(fields.pasted).flavour == "anthropic" else None


def _sdk(fields: Fields, target: Target) -> SDK:
    if _speaks(fields, target.model) is None:
        sdk = azure_openai.make_sdk(fields, target)
        if sdk.client == "AzureOpenAI":
            return sdk
        variables = {**sdk.variables, "AZURE_AI_API_BASE": target.url}
        return replace(sdk, keys=(*sdk.keys, "AZURE_AI_API_KEY"), variables=variables)
    url = target.url.removesuffix("/v1") + "/"
    return SDK(
        module="anthropic",
        client="AnthropicFoundry",
        arguments={"base_url": url},
        keys=("ANTHROPIC_FOUNDRY_API_KEY",),
        variables={"ANTHROPIC_FOUNDRY_BASE_URL": url},
        token_argument="azure_ad_token_provider",
    )


def _ended(model: str) -> Ended | None:
    # A Claude model ends when it ends at its maker.
    successor = ANTHROPIC.successor(model)
    gone = azure_openai.find_end(model)
    return gone or (Ended(None, successor, ANTHROPIC.title) if successor else None)


_PORTAL = Portal(
    "azure_ai_foundry",
    "Azure AI Foundry: a deployed model, Details, Endpoint",
    "ai.azure.com",
    (
        Step("In the model catalogue choose a chat model and deploy it; then open it."),
        Step("Go to Details."),
        Step("Copy the model's name.", "model"),
        Step("Under Endpoint copy the whole Target URI.", "endpoint"),
        Step("Copy the Key next to it.", "api_key"),
    ),
    (
        Part("heading", "mistral-large-3"),
        Part("tabs", "Details||", "Details", step=2),
        Part("value", "Name", "mistral-large-3", step=3),
        Part("heading", "Endpoint"),
        Part("value", "Target URI", "https://acme.services.ai.azure.com/…", step=4),
        Part("value", "Key", "••••••••••••••••••••", step=5),
    ),
    menu=("Model catalogue", "", "Deployments", ""),
    at="Model catalogue",
    menu_step=1,
)

PROVIDER = Provider(
    kind="azure_ai_foundry",
    title="Azure AI Foundry",
    fields=FoundryFields,
    links=(
        Link("Make an account", "https://azure.microsoft.com/free"),
        Link("Open the model catalogue", "https://ai.azure.com/explore/models"),
        Link("Get the endpoint and the key", "https://ai.azure.com"),
    ),
    steps=(
        "In the Azure AI Foundry portal open the model catalogue and choose a chat model.",
        "Deploy it (Use this model → Deploy) and wait until its state is Succeeded.",
        "Open the deployment, then Details → Endpoint: copy the Target URI into Endpoint, the "
        "Key into API key, and the model's name into Model.",
        "One connection serves one model: add another connection for another model.",
    ),
    portals=(_PORTAL,),
    dialect=openai,
    target=_target,
    sdk=_sdk,
    sign_ins=(azure_sign_in.entra_sign_in(FoundryEntraFields),),
    model_field="model",
    deployments=True,
    probes=True,
    key_hint="a deployment in Foundry has keys of its own",
    environment=Environment(
        others=(
            "AZURE_AI_API_KEY",
            "AZURE_AI_API_BASE",
            "ANTHROPIC_FOUNDRY_API_KEY",
            "ANTHROPIC_FOUNDRY_BASE_URL",
            "ANTHROPIC_FOUNDRY_RESOURCE",
            *azure_openai.VARIABLES,
        )
    ),
    vendor="Azure",
    find_facts=azure_openai.find_facts,
    ended=_ended,
    unknown_model=Advice(
        "The server and the key are right, but no model {model} is deployed there.",
        "Give the name that the deployment's Details show (in the Foundry portal, ai.azure.com, "
        "under Deployments), or deploy the model first. One made within the last 5 minutes needs "
        "another moment.",
    ),
    price_provider="azure",
    lists=False,
    speaks=_speaks,
)
