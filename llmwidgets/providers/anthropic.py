"""Anthropic: one key, a whitelist of Claude models."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Any

from pydantic import Field

from llmwidgets.dialects import anthropic
from llmwidgets.dialects.types import AuthHeader, Target
from llmwidgets.providers.base import (
    SDK,
    Advice,
    Environment,
    Fields,
    KeyPrefix,
    Link,
    ModelFacts,
    Part,
    Portal,
    Provider,
    Step,
    base_url_field,
)
from llmwidgets.providers.urls import cut_route, read_address, trim_route
from llmwidgets.secret import Secret

_SOURCE = "anthropic 2.14.0, pydantic-ai 2.68.0, litellm 1.110.2; read 2026-11-28"
_TO_HIGH = ("low", "medium", "high")
_TO_MAX = (*_TO_HIGH, "max")
_TO_XHIGH = (*_TO_HIGH, "xhigh", "max")
_ADAPTIVE: dict[str, Any] = {"thinking_on": "adaptive", "forced_tool": True}
_BETWEEN: dict[str, Any] = {"thinking_on": "adaptive", "thinking_off": "between_tools"}
_NEVER_FORCED: dict[str, Any] = {"thinking_on": "adaptive"}
_BUDGET: dict[str, Any] = {"thinking_on": "budget", "forced_tool": True}

_facts = partial(ModelFacts, input_limit=1_000_000, output_limit=128_000, source=_SOURCE)
_can_be_off = partial(_facts, efforts=("none", *_TO_XHIGH), options=_ADAPTIVE)
_always_thinks = partial(_facts, efforts=_TO_XHIGH, options=_NEVER_FORCED, note="Always thinks.")
_small = partial(
    _facts, efforts=("none", *_TO_HIGH), options=_BUDGET, input_limit=200_000, output_limit=64_000
)

MODELS: tuple[ModelFacts, ...] = (
    _can_be_off("claude-haiku-5-5", note="5 times the price above 100,000 tokens of prompt."),
    _can_be_off("claude-sonnet-5-5", options=_BETWEEN),
    _always_thinks("claude-opus-5-5"),
    _always_thinks("claude-fable-5-2"),
    _always_thinks("claude-fable-5-1"),
    _always_thinks("claude-fable-5", options=_ADAPTIVE),
    _can_be_off("claude-opus-5"),
    _can_be_off("claude-sonnet-5"),
    _can_be_off("claude-opus-4-8"),
    _can_be_off("claude-opus-4-7"),
    _can_be_off("claude-opus-4-6", efforts=("none", *_TO_MAX)),
    _small(
        "claude-opus-4-5", options={**_BUDGET, "effort": True},
        status="ending", ends=date(2027, 1, 22), successor="claude-opus-5-5",
    ),
    _can_be_off("claude-sonnet-4-6", efforts=("none", *_TO_MAX)),
    _small(
        "claude-sonnet-4-5",
        status="ending", ends=date(2026, 11, 30), successor="claude-sonnet-5-5",
    ),
    _small("claude-haiku-4-5"),
)  # fmt: skip
"""The shipped whitelist; the live list (`/v1/models`) shows what a key may use."""

RETIRED = {
    "claude-3-5-haiku-latest": "claude-haiku-5-5",
    "claude-3-7-sonnet-latest": "claude-sonnet-5-5",
    "claude-3-5-sonnet-latest": "claude-sonnet-5-5",
    "claude-3-opus-20240229": "claude-opus-5-5",
    "claude-3-5-haiku-20241022": "claude-haiku-5-5",
    "claude-3-7-sonnet-20250219": "claude-sonnet-5-5",
    "claude-sonnet-4-0": "claude-sonnet-5-5",
    "claude-sonnet-4-20250514": "claude-sonnet-5-5",
    "claude-opus-4-0": "claude-opus-5-5",
    "claude-opus-4-20250514": "claude-opus-5-5",
}


_HOST = "api.anthropic.com"


_ROUTES = ("/v1/messages", "/messages", "/v1")


def _base(value: str) -> str:
    address = read_address(value)
    # A slash behind /v1 alone is not one of a route.
    return trim_route(address, *_ROUTES[:2]).removesuffix("/v1")


class AnthropicFields(Fields):
    """The fields of Anthropic's form."""

    api_key: Secret = Field(
        title="API key",
        description="From the API keys page of the Claude Console; shown there only once.",
        examples=["sk-ant-api03-…"],
    )
    read_url = _base
    base_url: str | None = base_url_field(
        "Only for a company gateway, without /v1 at its end.",
        "https://llm-gateway.acme.example/anthropic",
    )


def messages_target(
    url: str, model: str, auth: tuple[AuthHeader, ...], *, slash: bool = False
) -> Target:
    """Where a Claude model answers: at Anthropic, or at another server of its format."""
    version = {"anthropic-version": anthropic.VERSION}
    return Target(url=url, model=model, auth=auth, headers=version, options={"slash": slash})


def _target(fields: Fields, model: str) -> Target:
    assert isinstance(fields, AnthropicFields)
    base, slash = cut_route(read_address(fields.base_url or f"https://{_HOST}"), *_ROUTES)
    auth = AuthHeader("x-api-key", fields.api_key)
    # A login token is accepted as Bearer only; a key either way, and a gateway may read this one.
    if fields.api_key.begins("sk-ant-oat"):
        auth = AuthHeader.bearer(fields.api_key)
    return messages_target(f"{base}/v1", model, (auth,), slash=slash)


def _sdk(_fields: Fields, target: Target) -> SDK:
    base = target.url.removesuffix("/v1")
    return SDK(
        module="anthropic",
        client="Anthropic",
        arguments={"base_url": base},
        sends_auth=True,
        variables={"ANTHROPIC_BASE_URL": base},
    )


_PORTAL = Portal(
    "anthropic",
    "Anthropic: where the API key is made in the Claude Console",
    "platform.claude.com/settings/keys",
    (
        Step("Under Settings open API keys."),
        Step("Choose Create key."),
        Step("Copy the key at once: it is shown only this one time.", "api_key"),
    ),
    (
        Part("heading", "API keys"),
        Part("button", "Create key", step=2),
        Part("row", ""),
        Part("row", ""),
        Part("value", "Your key", "sk-ant-api03-…", step=3),
    ),
    menu=("Settings", "", "API keys", "Billing", "Workspaces"),
    at="API keys",
    menu_step=1,
)

PROVIDER = Provider(
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
    portals=(_PORTAL,),
    dialect=anthropic,
    target=_target,
    sdk=_sdk,
    models=MODELS,
    retired=RETIRED,
    single=True,
    key_prefixes=(
        KeyPrefix("sk-ant-api"),
        KeyPrefix(
            "sk-ant-admin",
            problem="A key that starts with sk-ant-admin manages an organization and cannot run "
            "models.",
            step="Paste an Anthropic key that can run models.",
            manages=True,
        ),
        KeyPrefix(
            "sk-ant-oat",
            problem="What starts with sk-ant-oat is a login token: it ends within hours. Make a "
            "key.",
        ),
        KeyPrefix(
            "sk-ant-",
            shape=r"[a-z0-9]+-[A-Za-z0-9_-]{20,300}",
            problem="Anthropic's keys start with sk-ant-api; this one does not.",
        ),
    ),
    keys_start_with="sk-ant-api",
    key_hint="Anthropic's start with sk-ant-api",
    environment=Environment(
        keys=("ANTHROPIC_API_KEY",),
        beside={"base_url": "ANTHROPIC_BASE_URL"},
        others=("ANTHROPIC_AUTH_TOKEN",),
    ),
    llm_names=("anthropic", "claude"),
    host=_HOST,
    no_access=Advice(
        "The key is right, but has no access to {model}.{ending}",
        "Ask the owner of the organization: a workspace can limit its models (Claude Console → "
        "Settings → Workspaces).",
    ),
    price_provider="anthropic",
    snapshots="%Y%m%d",
)
