"""OpenAI: one key, a whitelist of models."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial

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
    Part,
    Portal,
    Provider,
    Step,
    base_url_field,
    openai_sdk,
)
from llmwidgets.providers.urls import cut_route, read_address, trim_route
from llmwidgets.secret import Secret

_SOURCE = "openai 3.57.0, pydantic-ai 2.68.0, litellm 1.110.2; read 2026-11-28"
_PAGES = "openai 3.57.0 and pages of others, November 2026; read 2026-11-28"
# `max` exists in the Responses API alone: Chat Completions refuses it for every model.
_KNOWN = ("low", "medium", "high", "xhigh")
_DECEMBER, _JANUARY, _APRIL = date(2026, 12, 11), date(2027, 1, 14), date(2027, 4, 1)

_facts = partial(ModelFacts, input_limit=922_000, output_limit=128_000, source=_SOURCE)
_can_be_off = partial(
    _facts,
    efforts=("none", *_KNOWN),
    sampling=True,
    sampling_thinking=False,
    note="A temperature is taken only while thinking is off.",
)
_ends_in_april = partial(_can_be_off, input_limit=272_000, status="ending", ends=_APRIL)
_always_thinks = partial(_facts, efforts=_KNOWN, note="Always thinks.")
_ends_in_december = partial(
    _always_thinks, input_limit=272_000, efforts=("minimal", *_KNOWN[:3]),
    status="ending", ends=_DECEMBER,
)  # fmt: skip
_never_thinks = partial(
    _facts, thinking=False, sampling=True, status="ending", ends=_JANUARY, input_limit=1_047_576,
    output_limit=32_768,
)  # fmt: skip
_gpt_4o = partial(_never_thinks, input_limit=128_000, output_limit=16_384)

MODELS: tuple[ModelFacts, ...] = (
    _can_be_off("gpt-6-luna"),
    _can_be_off("gpt-6.1-terra"),
    _can_be_off("gpt-6-sol"),
    _always_thinks("gpt-6.1-sol"),
    _always_thinks("gpt-6.2-sol", prices=((None, 2, 10),), source=_PAGES),
    _always_thinks("gpt-6-astra"),
    _always_thinks("gpt-6.2-astra", prices=((None, 8, 40),), source=_PAGES),
    _can_be_off("gpt-5.6-luna"),
    _can_be_off("gpt-5.6-terra"),
    _can_be_off("gpt-5.6-sol"),
    _can_be_off("gpt-5.5", input_limit=1_050_000),
    _can_be_off("gpt-5.4", input_limit=1_050_000),
    _can_be_off("gpt-5.4-mini", input_limit=272_000),
    _ends_in_april("gpt-5.4-nano", successor="gpt-6-luna"),
    _can_be_off("gpt-5.2", input_limit=272_000),
    _ends_in_april("gpt-5.1", efforts=("none", *_KNOWN[:3]), successor="gpt-6-sol"),
    _ends_in_december("gpt-5", successor="gpt-6-sol"),
    _ends_in_december("gpt-5-mini", successor="gpt-6.1-terra"),
    _ends_in_december("gpt-5-nano", successor="gpt-6-luna"),
    _ends_in_december(
        "o3", input_limit=200_000, output_limit=100_000, efforts=_KNOWN[:3],
        successor="gpt-6.1-terra",
    ),
    _never_thinks("gpt-4.1", successor="gpt-6.1-terra"),
    _never_thinks("gpt-4.1-mini", successor="gpt-6-luna"),
    _gpt_4o("gpt-4o", successor="gpt-6.1-terra"),
    _gpt_4o("gpt-4o-mini", successor="gpt-6-luna"),
)  # fmt: skip
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


_HOST, _ROUTE = "api.openai.com", "/chat/completions"


def _base(value: str) -> str:
    url = trim_route(read_address(value), _ROUTE)
    return f"{url}/v1" if read_address(url).path == "" else url


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
    base_url: str | None = base_url_field(
        "Only for a company gateway or a region, with /v1 at its end.",
        "https://eu.api.openai.com/v1",
    )


def _target(fields: Fields, model: str) -> Target:
    assert isinstance(fields, OpenAIFields)
    named = {"OpenAI-Organization": fields.organization, "OpenAI-Project": fields.project}
    url, slash = cut_route(read_address(fields.base_url or f"https://{_HOST}/v1"), _ROUTE)
    return Target(
        url=url,
        model=model,
        auth=(AuthHeader.bearer(fields.api_key),),
        headers={name: value for name, value in named.items() if value},
        options={
            "token_parameter": "max_completion_tokens",
            "system_role": "developer",
            "store": True,
            "effort": True,
            "slash": slash,
        },
    )


_PORTAL = Portal(
    "openai",
    "OpenAI: where the API key is made",
    "platform.openai.com/api-keys",
    (
        Step("Open API keys."),
        Step("Choose Create new secret key."),
        Step("Copy the key at once: it is shown only this one time.", "api_key"),
    ),
    (
        Part("heading", "API keys"),
        Part("button", "Create new secret key", step=2),
        Part("row", ""),
        Part("row", ""),
        Part("value", "New key", "sk-proj-…", step=3),
    ),
    menu=("", "", "API keys", "", ""),
    at="API keys",
    menu_step=1,
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
    portals=(_PORTAL,),
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
