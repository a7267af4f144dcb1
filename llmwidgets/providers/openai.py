"""OpenAI: one key, a whitelist of models."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from pydantic import Field

from llmwidgets.dialects import openai
from llmwidgets.dialects.types import AuthHeader, Target
from llmwidgets.providers.base import (
    Advice,
    Environment,
    Fields,
    KeyPrefix,
    Link,
    ModelFacts,
    Provider,
    openai_sdk,
)
from llmwidgets.providers.urls import read_address
from llmwidgets.secret import Secret

_SOURCE = "openai 3.57.0, pydantic-ai 2.68.0, litellm 1.110.2; read 2026-11-28"
_PAGES = "openai 3.57.0 and pages of others, November 2026; read 2026-11-28"
# `max` exists in the Responses API alone: Chat Completions refuses it for every model.
_KNOWN = ("low", "medium", "high", "xhigh")
_OFF_TO_XHIGH = ("none", *_KNOWN)
_OFF_TO_HIGH = _OFF_TO_XHIGH[:-1]
_MINIMAL = ("minimal", "low", "medium", "high")
_THINKS = "Always thinks."
_COOL = "A temperature is taken only while thinking is off."


def _facts(id_: str, limit: int = 922_000, out: int = 128_000, **rest: Any) -> Any:
    facts = {"source": _SOURCE, **rest}
    return ModelFacts(id_, input_limit=limit, output_limit=out, **facts)


def _ending(id_: str, ends: date, successor: str, *limits: int, **rest: Any) -> Any:
    return _facts(id_, *limits, status="ending", ends=ends, successor=successor, **rest)


_DECEMBER, _JANUARY, _APRIL = date(2026, 12, 11), date(2027, 1, 14), date(2027, 4, 1)
_OFF: dict[str, Any] = {
    "efforts": _OFF_TO_XHIGH, "sampling": True, "sampling_thinking": False, "note": _COOL,
}  # fmt: skip
_FIRST: dict[str, Any] = {**_OFF, "efforts": _OFF_TO_HIGH}
_ALWAYS: dict[str, Any] = {"efforts": _KNOWN, "note": _THINKS}
_NEWEST: dict[str, Any] = {**_ALWAYS, "source": _PAGES}
_NEVER: dict[str, Any] = {"thinking": False, "sampling": True}

MODELS: tuple[ModelFacts, ...] = (
    _facts("gpt-6-luna", **_OFF),
    _facts("gpt-6.1-terra", **_OFF),
    _facts("gpt-6-sol", **_OFF),
    _facts("gpt-6.1-sol", **_ALWAYS),
    _facts("gpt-6.2-sol", prices=((None, 2, 10),), **_NEWEST),
    _facts("gpt-6-astra", **_ALWAYS),
    _facts("gpt-6.2-astra", prices=((None, 8, 40),), **_NEWEST),
    _facts("gpt-5.6-luna", **_OFF),
    _facts("gpt-5.6-terra", **_OFF),
    _facts("gpt-5.6-sol", **_OFF),
    _facts("gpt-5.5", 1_050_000, **_OFF),
    _facts("gpt-5.4", 1_050_000, **_OFF),
    _facts("gpt-5.4-mini", 272_000, **_OFF),
    _ending("gpt-5.4-nano", _APRIL, "gpt-6-luna", 272_000, **_OFF),
    _facts("gpt-5.2", 272_000, **_OFF),
    _ending("gpt-5.1", _APRIL, "gpt-6-sol", 272_000, **_FIRST),
    _ending("gpt-5", _DECEMBER, "gpt-6-sol", 272_000, efforts=_MINIMAL, note=_THINKS),
    _ending("gpt-5-mini", _DECEMBER, "gpt-6.1-terra", 272_000, efforts=_MINIMAL, note=_THINKS),
    _ending("gpt-5-nano", _DECEMBER, "gpt-6-luna", 272_000, efforts=_MINIMAL, note=_THINKS),
    _ending("o3", _DECEMBER, "gpt-6.1-terra", 200_000, 100_000, efforts=_MINIMAL[1:], note=_THINKS),
    _ending("gpt-4.1", _JANUARY, "gpt-6.1-terra", 1_047_576, 32_768, **_NEVER),
    _ending("gpt-4.1-mini", _JANUARY, "gpt-6-luna", 1_047_576, 32_768, **_NEVER),
    _ending("gpt-4o", _JANUARY, "gpt-6.1-terra", 128_000, 16_384, **_NEVER),
    _ending("gpt-4o-mini", _JANUARY, "gpt-6-luna", 128_000, 16_384, **_NEVER),
)
"""The shipped whitelist, current ids first; the live list of a key shows what it may use."""

RETIRED = {
    "gpt-4.5-preview": "gpt-6-sol",
    "gpt-4.1-nano": "gpt-6-luna",
    "gpt-4": "gpt-6-luna",
    "gpt-4-turbo": "gpt-6-luna",
    "o3-mini": "gpt-6.1-terra",
    "o4-mini": "gpt-6.1-terra",
    "o1": "gpt-6.1-terra",
    "o1-mini": "gpt-6.1-terra",
    "o1-preview": "gpt-6.1-terra",
    "gpt-3.5-turbo": "gpt-6-luna",
    "chatgpt-4o-latest": "gpt-6.1-terra",
    # The one snapshot that ended (2026-10-23) while its alias lives.
    "gpt-4o-2024-05-13": "gpt-6.1-terra",
}


_HOST = "api.openai.com"


def _base(value: str) -> str:
    address = read_address(value)
    path = address.path.removesuffix("/chat/completions") or "/v1"
    return address.origin + path


class OpenAIFields(Fields):
    """The fields of OpenAI's form."""

    api_key: Secret = Field(
        title="API key",
        description="From the API keys page of the OpenAI platform; shown there only once.",
        examples=["sk-proj-…"],
    )
    organization: str | None = Field(
        default=None,
        title="Organization",
        description="Only if your account belongs to several: the ID under Settings.",
        examples=["org-…"],
    )
    project: str | None = Field(
        default=None,
        title="Project",
        description="Only for a key that serves several projects: the project's ID.",
        examples=["proj_…"],
    )
    read_url = _base
    base_url: str | None = Field(
        default=None,
        title="Base URL",
        description="Only for a company gateway or a region, with /v1 at its end.",
        examples=["https://eu.api.openai.com/v1"],
        json_schema_extra={"advanced": True},
    )


def _target(fields: Fields, model: str) -> Target:
    assert isinstance(fields, OpenAIFields)
    named = {"OpenAI-Organization": fields.organization, "OpenAI-Project": fields.project}
    return Target(
        url=fields.base_url or f"https://{_HOST}/v1",
        model=model,
        auth=(AuthHeader("Authorization", fields.api_key, "Bearer {}"),),
        headers={name: value for name, value in named.items() if value},
        options={
            "token_parameter": "max_completion_tokens",
            "system_role": "developer",
            "store": True,
            "effort": True,
        },
    )


PROVIDER = Provider(
    kind="openai",
    title="OpenAI",
    fields=OpenAIFields,
    links=(
        Link("Make an account", "https://platform.openai.com/signup"),
        Link("Get a key", "https://platform.openai.com/api-keys"),
        Link("Add credit", "https://platform.openai.com/settings/organization/billing"),
    ),
    steps=(
        "Log in to the OpenAI platform; a ChatGPT subscription does not include the API.",
        "Add credit under Settings → Billing: without it every call is refused.",
        "Under API keys choose Create new secret key and copy it: it is shown only once.",
        "Paste it here. A restricted key needs the permission Model capabilities: Request.",
    ),
    dialect=openai,
    target=_target,
    sdk=lambda fields, target: replace(openai_sdk(fields, target), sends_auth=False),
    models=MODELS,
    retired=RETIRED,
    single=True,
    key_prefixes=(
        KeyPrefix("sk-", shape=r"(?:proj|svcacct|None)-[A-Za-z0-9_-]{20,300}"),
        KeyPrefix(
            "sk-admin-",
            shape=r"[A-Za-z0-9_-]{20,300}",
            problem="A key that starts with sk-admin- manages an organization and cannot run "
            "models.",
            step="Paste an OpenAI key that can run models.",
            manages=True,
        ),
    ),
    keys_start_with="sk-",
    key_hint="OpenAI's start with sk-",
    environment=Environment(
        keys=("OPENAI_API_KEY",),
        beside={
            "base_url": "OPENAI_BASE_URL",
            "organization": "OPENAI_ORG_ID",
            "project": "OPENAI_PROJECT_ID",
        },
    ),
    llm_names=("openai",),
    host=_HOST,
    no_access=Advice(
        "The key is right, but has no access to {model}.{ending}",
        "Ask the owner of the organization: a project can limit its models (Settings → Project → "
        "Limits), and some models require a verified organization.",
    ),
    price_provider="openai",
    snapshots="%Y-%m-%d",
)
