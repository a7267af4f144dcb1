"""Azure AI Foundry: one connection for each model of the catalogue that was deployed."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated

from pydantic import AfterValidator, Field

from llmwidgets.dialects import anthropic_messages, openai_chat
from llmwidgets.dialects.messages import AuthHeader, Target
from llmwidgets.providers.anthropic import messages_target
from llmwidgets.providers.azure import (
    AzureFields,
    azure_target,
    checked_endpoint,
    read_endpoint,
)
from llmwidgets.providers.base import Fields, Link, Provider
from llmwidgets.providers.key_shapes import foreign
from llmwidgets.secret import Secret


class FoundryFields(AzureFields):
    """What the form of Azure AI Foundry asks."""

    model: Annotated[
        str,
        Field(
            title="Model",
            description="The name of the deployed model, as its Details page shows it.",
            examples=["mistral-large-3"],
        ),
    ]
    endpoint: Annotated[
        str,
        AfterValidator(lambda value: checked_endpoint(value, claude=True)),
        Field(
            title="Endpoint",
            description="The target URI, under Details → Endpoint, in any form shown there.",
            examples=["https://acme.services.ai.azure.com/models/chat/completions?api-version=…"],
        ),
    ]
    api_key: Annotated[
        Secret,
        Field(
            title="API key",
            description="The key that stands beside the target URI.",
            examples=["32 or 84 characters"],
        ),
    ]
    base_url: Annotated[
        str | None,
        AfterValidator(lambda value: checked_endpoint(value, claude=True) if value else None),
        Field(
            title="Base URL",
            description="Only for a gateway in front of the endpoint: calls go there instead.",
            json_schema_extra={"advanced": True},
        ),
    ] = None


def _target(fields: Fields, model: str) -> Target:
    assert isinstance(fields, FoundryFields)
    found = read_endpoint(fields.pasted)
    if found.flavour == "anthropic":
        key = fields.api_key
        both = (AuthHeader("x-api-key", key), AuthHeader("api-key", key))
        return messages_target(found.url, model, both)
    return azure_target(fields, model, fields.api_key, both_headers=True)


def _speaks(fields: Fields) -> ModuleType | None:
    assert isinstance(fields, FoundryFields)
    claude = read_endpoint(fields.pasted).flavour == "anthropic"
    return anthropic_messages if claude else None


def _warn(field: str, value: str) -> str | None:
    wanted = "a deployment in Foundry has keys of its own"
    return foreign(value, own=(), wanted=wanted) if field == "api_key" else None


AZURE_AI_FOUNDRY = Provider(
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
    dialect=openai_chat,
    target=_target,
    model_field="model",
    warn=_warn,
    price_provider="azure",
    lists=False,
    speaks=_speaks,
)
