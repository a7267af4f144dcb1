"""Custom: any server that speaks the OpenAI format; one connection for each model."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from llmwidgets.dialects import openai
from llmwidgets.dialects.types import AuthHeader, Target
from llmwidgets.providers.base import EndpointFields, Fields, Link, Provider
from llmwidgets.providers.presets import (
    ELSEWHERE,
    OUTSIDE,
    PRESETS,
    complete_endpoint,
    hands_on,
    preset_at,
    wire_options,
)
from llmwidgets.providers.urls import cut_route, read_address, trim_route
from llmwidgets.secret import Secret

_ROUTES = ("/chat/completions", "/completions", "/responses", "/models")


def _address(value: str) -> str:
    address = read_address(value)
    query = "&".join(f"{name}={value}" for name, value in address.query.items())
    return trim_route(address, *_ROUTES) + (f"?{query}" if query else "")


def _endpoint(value: str) -> str:
    return _address(complete_endpoint(value))


class CustomFields(EndpointFields):
    """The fields of Custom's form."""

    name: str = Field(
        title="Name",
        description="The model's name exactly as the server calls it: it is sent as it is.",
        examples=["llama3.2"],
    )
    endpoint: Annotated[str, AfterValidator(_endpoint)] = Field(
        title="Endpoint",
        description="The server's address in OpenAI format; it ends in /v1.",
        examples=["http://localhost:11434/v1"],
    )
    api_key: Secret | None = Field(
        default=None,
        title="API key",
        description="Tied to an account. Ollama takes any word, for example ollama.",
        examples=["ollama"],
    )
    auth_token: Secret | None = Field(
        default=None,
        title="Auth token",
        description="Gives access at the server level. With a scheme (Basic …, Bearer …) it is "
        "sent as typed, without one as Bearer.",
        json_schema_extra={"advanced": True},
    )
    token_as_typed: bool = Field(
        default=False,
        title="Send the token exactly as typed",
        description="For a server that needs a bare token, without the word Bearer.",
        json_schema_extra={"advanced": True},
    )
    routed_to: str | None = Field(
        default=None,
        title="Pinned provider",
        description="OpenRouter only: the provider that answers, the same for every text; several, "
        "separated by commas, are tried in turn.",
        examples=["fireworks"],
        json_schema_extra={"advanced": True, "preset": "openrouter"},
    )
    read_url = _address

    @field_validator("routed_to")
    @classmethod
    def _read_routed_to(cls, value: str | None, info: ValidationInfo) -> str | None:
        names = [re.sub(r"\s+", "-", each.strip().lower()) for each in (value or "").split(",")]
        if "endpoint" in info.data and not hands_on(info.data["endpoint"]):
            message = "is for OpenRouter only: leave it empty."
            raise ValueError(message)
        if not all(map(_UPSTREAM, names)):
            message = "is not a provider's short name, such as fireworks or deepinfra/turbo."
            raise ValueError(message)
        return ",".join(names)


_UPSTREAM = re.compile(r"[a-z0-9][a-z0-9._/-]*", re.ASCII).fullmatch


def _target(fields: Fields, model: str) -> Target:
    assert isinstance(fields, CustomFields)
    address = read_address(fields.base_url or fields.endpoint)
    url, slash = cut_route(address, *_ROUTES)
    key, token, preset = fields.api_key, fields.auth_token, preset_at(fields.endpoint)
    pinned = tuple((fields.routed_to or "").split(",")) if fields.routed_to else ()
    auth = [AuthHeader.bearer(key)] if key else []
    if token:
        template = "{}" if fields.token_as_typed or token.has_scheme else "Bearer {}"
        auth = [AuthHeader("Authorization", token, template)]
        auth += [AuthHeader(name, key) for name in ("x-api-key", "api-key") if key]
    return Target(
        url=url,
        model=model,
        auth=tuple(auth),
        query=address.query,
        options={
            "token_parameter": "max_tokens",
            "system_role": "system",
            "store": False,
            "effort": True,
            "object_schema": True,
            "slash": slash,
            **(wire_options(preset, pinned) if preset else {}),
        },
    )


def _warn(field: str, value: str) -> str | None:
    if field not in {"endpoint", "base_url"}:
        return None
    url = cut_route(read_address(value), *_ROUTES)[0]
    own = preset_at(value) is not None and url == complete_endpoint(read_address(value).origin)
    if own or url.endswith("/v1"):
        return None
    return "The endpoint of a server in OpenAI format ends in /v1; this one does not."


PROVIDER = Provider(
    kind="custom",
    title="Custom",
    fields=CustomFields,
    links=(
        Link("Install Ollama", "https://ollama.com/download"),
        Link("Get a Hugging Face token", "https://huggingface.co/settings/tokens"),
        Link("Serve with vLLM", "https://docs.vllm.ai"),
    ),
    steps=(
        "The server speaks the OpenAI format (Ollama, vLLM, sglang, llama.cpp, LM Studio, "
        "Hugging Face, Together, a company gateway) and takes response_format "
        '`{"type": "json_object", "schema": …}`. Servers that ignore the schema work too: the '
        "test finds out what yours enforces, and every reply is checked.",
        "Ollama: run `ollama run llama3.2` in a terminal. Name llama3.2, endpoint "
        "http://localhost:11434/v1, API key ollama.",
        ELSEWHERE,
        "Hugging Face: name deepseek-ai/DeepSeek-R1:together, endpoint "
        "https://router.huggingface.co/v1, API key: a Hugging Face token (hf_…) with the "
        "permission Make calls to Inference Providers. The endpoint that Label Studio shows, "
        "https://router.huggingface.co/together/v1, is Together's alone: it takes the name "
        "without `:together`.",
        "The API key is tied to an account; the auth token gives access at the server level. "
        "Both are optional.",
    ),
    portals=(OUTSIDE,),
    dialect=openai,
    target=_target,
    model_field="name",
    self_hosted=True,
    probes=True,
    key_hint="the API key field needs a key",
    warn=_warn,
    presets=PRESETS,
)
