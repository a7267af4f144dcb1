"""Anthropic: one key, a whitelist of Claude models."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from llmwidgets.dialects import anthropic_messages
from llmwidgets.dialects.messages import AuthHeader, Target
from llmwidgets.providers.address import read_address
from llmwidgets.providers.base import Fields, Link, ModelFacts, Provider
from llmwidgets.secret import Secret

_SOURCE = "anthropic 2.12.0, pydantic-ai 2.68.0, litellm 1.109.1; read 2026-11-23"
_LEVELS = ("low", "medium", "high", "xhigh", "max")
_OFF = ("none", *_LEVELS)
_ALWAYS = "Always thinks."


def _facts(
    id_: str, efforts: tuple[str, ...], limit: int = 1_000_000, out: int = 128_000, **rest: Any
) -> ModelFacts:
    return ModelFacts(
        id_, efforts=efforts, input_limit=limit, output_limit=out, source=_SOURCE, **rest
    )


MODELS: tuple[ModelFacts, ...] = (
    _facts("claude-haiku-5-5", _OFF, note="5 times the price above 100,000 tokens of prompt."),
    _facts("claude-sonnet-5-5", _OFF, note="Off is spelled between_tools."),
    _facts("claude-opus-5-5", _LEVELS, note=_ALWAYS),
    _facts("claude-fable-5-2", _LEVELS, note=_ALWAYS),
    _facts("claude-fable-5-1", _LEVELS, note=_ALWAYS),
    _facts("claude-opus-5", _OFF),
    _facts("claude-sonnet-5", _OFF),
    _facts("claude-opus-4-8", _OFF),
    _facts("claude-opus-4-7", _OFF),
    _facts("claude-opus-4-6", _OFF),
    _facts("claude-opus-4-5", _OFF, 200_000, 64_000),
    _facts("claude-sonnet-4-6", _OFF),
    _facts(
        "claude-sonnet-4-5", ("none",), 200_000, 64_000,
        status="ending", ends=date(2026, 11, 30), successor="claude-sonnet-5-5",
    ),
    _facts("claude-haiku-4-5", ("none",), 200_000, 64_000),
)  # fmt: skip
"""The shipped whitelist; the live list (`/v1/models`) says what a key may use."""

RETIRED = {
    "claude-3-5-haiku-latest": "claude-haiku-5-5",
    "claude-3-7-sonnet-latest": "claude-sonnet-5-5",
    "claude-3-5-sonnet-latest": "claude-sonnet-5-5",
}


def _base(value: str) -> str:
    return read_address(value).url.removesuffix("/messages").removesuffix("/v1")


class AnthropicFields(Fields):
    """What the form of Anthropic asks."""

    api_key: Annotated[
        Secret,
        Field(
            title="API key",
            description="From the API keys page of the Claude Console; shown there only once.",
            examples=["sk-ant-api03-…"],
        ),
    ]
    base_url: Annotated[
        str | None,
        AfterValidator(lambda value: _base(value) if value else None),
        Field(
            title="Base URL",
            description="Only for a company gateway, without /v1 at its end.",
            examples=["https://llm-gateway.acme.example/anthropic"],
            json_schema_extra={"advanced": True},
        ),
    ] = None


def _target(fields: Fields, model: str) -> Target:
    assert isinstance(fields, AnthropicFields)
    return Target(
        url=f"{fields.base_url or 'https://api.anthropic.com'}/v1",
        model=model,
        auth=(AuthHeader("x-api-key", fields.api_key),),
        headers={"anthropic-version": "2026-10-21"},
    )


def _warn(field: str, value: str) -> str | None:
    if field != "api_key" or value.startswith("sk-ant-api"):
        return None
    if value.startswith("sk-ant-admin"):
        return "A key that starts with sk-ant-admin manages an organization and runs no model."
    if value.startswith("sk-ant-oat"):
        return "What starts with sk-ant-oat is a login token, no API key: make a key."
    return "Anthropic's keys start with sk-ant-api; this one does not."


ANTHROPIC = Provider(
    kind="anthropic",
    title="Anthropic",
    fields=AnthropicFields,
    links=(
        Link("Make an account", "https://platform.claude.com"),
        Link("Get a key", "https://platform.claude.com/settings/keys"),
        Link("Add credit", "https://platform.claude.com/settings/billing"),
    ),
    steps=(
        "Log in to the Claude Console; a Claude subscription does not include the API.",
        "Add credit under Settings → Billing: without it every call is refused.",
        "Under Settings → API keys choose Create key and copy it: it is shown only once.",
    ),
    dialect=anthropic_messages,
    target=_target,
    models=MODELS,
    retired=RETIRED,
    single=True,
    warn=_warn,
    environment={"api_key": "ANTHROPIC_API_KEY"},
    price_provider="anthropic",
)
