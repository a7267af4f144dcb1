"""Azure OpenAI: one connection for each deployment."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, Field

from llmwidgets.dialects import openai
from llmwidgets.dialects.types import Target
from llmwidgets.providers import azure
from llmwidgets.providers.base import SDK, Advice, Environment, Fields, Link, Provider
from llmwidgets.providers.urls import read_address
from llmwidgets.secret import Secret


class AzureOpenAIFields(azure.AzureFields):
    """The fields of Azure OpenAI's form."""

    deployment: str = Field(
        title="Deployment",
        description="The deployment's own name; by default it is the model's name.",
        examples=["gpt-6-luna"],
    )
    endpoint: Annotated[str, AfterValidator(azure.checked_endpoint)] = Field(
        title="Endpoint",
        description="Paste the target URI in any form the portal shows.",
        examples=["https://acme.openai.azure.com/openai/deployments/gpt-6-luna/chat/…"],
    )
    api_key: Secret = Field(
        title="API key",
        description="Key 1 or key 2 of the resource that holds the deployment.",
        examples=["32 or 84 characters"],
    )
    read_url = azure.checked_endpoint
    base_url: str | None = Field(
        default=None,
        title="Base URL",
        description="Only for a gateway in front of the resource: calls go there instead.",
        json_schema_extra={"advanced": True},
    )


def _target(fields: Fields, model: str) -> Target:
    assert isinstance(fields, AzureOpenAIFields)
    return azure.make_target(fields, model, fields.api_key, both_headers=False)


def _sdk(fields: Fields, target: Target) -> SDK:
    sdk = azure.make_sdk(fields, target)
    origin = {"AZURE_OPENAI_ENDPOINT": read_address(target.url).origin}
    return replace(sdk, variables={**sdk.variables, **origin})


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
    dialect=openai,
    target=_target,
    sdk=_sdk,
    model_field="deployment",
    deployments=True,
    key_hint="an Azure resource has keys of its own",
    environment=Environment(
        keys=("AZURE_OPENAI_API_KEY",),
        beside={"endpoint": "AZURE_OPENAI_ENDPOINT", "deployment": "AZURE_OPENAI_DEPLOYMENT"},
        others=azure.VARIABLES,
    ),
    vendor="Azure",
    find_facts=azure.find_facts,
    ended=azure.find_end,
    unknown_model=Advice(
        "There is no deployment called {model} on this resource.",
        "Azure expects the deployment's name, not the model's: look it up in the Foundry portal "
        "(ai.azure.com) under Deployments. One made within the last 5 minutes needs another "
        "moment.",
    ),
    price_provider="azure",
    lists=False,
)
