"""Gemini: one key of Google AI Studio, a whitelist of models."""

from __future__ import annotations

import re
from datetime import date
from functools import partial
from typing import Any

from pydantic import Field

from llmwidgets.dialects import gemini
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
from llmwidgets.providers.urls import read_address
from llmwidgets.secret import Secret

_SOURCE = "pydantic-ai 2.68.0, genai-prices 0.2.3, litellm 1.110.2; read 2026-11-28"
_PAGES = "google-genai 3.6.1 and pages of others, November 2026; read 2026-11-28"
_LOW = ("LOW", "MEDIUM", "HIGH")
_MINIMAL = ("MINIMAL", *_LOW)
_XHIGH = (*_LOW, "XHIGH")
_LEVEL: dict[str, Any] = {"levels": True}
_OFF = {"none": 0, "low": 2048, "medium": 8192, "high": 24_576}
_LEAST = {"minimal": 128, "low": 2048, "medium": 8192, "high": 24_576}

_facts = partial(
    ModelFacts, input_limit=1_048_576, output_limit=65_536, options=_LEVEL, source=_SOURCE
)
_ending = partial(_facts, status="ending")

_DECEMBER, _LITE = date(2026, 12, 1), "gemini-3.5-flash-lite"

MODELS: tuple[ModelFacts, ...] = (
    _facts("gemini-3.8-flash", efforts=_LOW, note="The price doubles on 1 Jan 2027."),
    _facts("gemini-3.5-flash-lite", efforts=_MINIMAL),
    _facts(
        "gemini-4-argon", efforts=_LOW, output_limit=1_048_576,
        note="The price doubles on 1 Dec 2026.",
    ),
    _facts(
        "gemini-4-hydrogen", efforts=_XHIGH, output_limit=1_048_576, prices=((None, 1.5, 7.5),),
        source="google-genai 3.6.1, litellm 1.110.2; read 2026-11-28",
    ),
    ModelFacts(
        "gemini-4-carbon", efforts=_LOW, options=_LEVEL, source=f"pydantic-ai 2.68.0, {_PAGES}",
        prices=((None, 2, 10), (_DECEMBER, 4, 20)),
        note="The price doubles on 1 Dec 2026; no source has its limits yet.",
    ),
    ModelFacts(
        "gemini-4-neon", efforts=_XHIGH, options=_LEVEL, source=_PAGES,
        prices=((None, 3, 15),), note="Newest; no source has its limits yet.",
    ),
    _facts("gemini-3.7-flash", efforts=_LOW, note="The price doubles on 1 Jan 2027."),
    _facts("gemini-3.6-flash", efforts=_MINIMAL),
    _facts("gemini-3.5-flash", efforts=_MINIMAL, sampling=True),
    _facts("gemini-3.1-pro-preview", efforts=_LOW, sampling=True, status="preview"),
    _ending(
        "gemini-3.1-flash-lite", efforts=_MINIMAL, sampling=True,
        ends=date(2027, 5, 7), successor=_LITE,
    ),
    _facts("gemini-3-flash-preview", efforts=_MINIMAL, sampling=True, status="preview"),
    _facts(
        "gemini-2.5-flash-lite", efforts=tuple(_OFF), options={"budgets": _OFF}, sampling=True
    ),
    _ending(
        "gemini-2.5-pro", efforts=tuple(_LEAST), options={"budgets": _LEAST}, sampling=True,
        ends=_DECEMBER, successor="gemini-3.8-flash",
    ),
    _ending(
        "gemini-2.5-flash", efforts=tuple(_OFF), options={"budgets": _OFF}, sampling=True,
        ends=_DECEMBER, successor=_LITE,
    ),
)  # fmt: skip
"""The shipped whitelist; after their day other models answer silently for the 2.5 ids."""

RETIRED = {
    "gemini-2.5-pro-preview-03-25": "gemini-3.8-flash",
    "gemini-2.0-flash": "gemini-3.5-flash-lite",
    "gemini-2.0-flash-lite": "gemini-3.1-flash-lite",
    "gemini-1.5-flash": "gemini-3.5-flash-lite",
    "gemini-1.5-flash-8b": "gemini-3.5-flash-lite",
    "gemini-1.5-pro": "gemini-3.8-flash",
}


_HOST = "generativelanguage.googleapis.com"


_VERSIONED = re.compile(
    r"(?P<base>.+?)/(?P<version>v1(?:(?:alpha|beta)\d*)?)(?P<route>/(?:models|projects|openai)(?:/.*)?)?",
    re.I,
)


def read_base(value: str) -> str:
    """The base URL as typed, with its version if it has one, without the route of a call."""
    url = read_address(value).url
    match = _VERSIONED.fullmatch(url)
    return url.removesuffix(match["route"] or "") if match else url


def without_version(value: str) -> str:
    """The base URL without the version, where the kind has only one."""
    return split_version(read_base(value))[0]


def split_version(base_url: str | None) -> tuple[str, str]:
    """The base URL, and the version of the API at its end; both can be empty.

    >>> split_version("https://gw.acme.example/v1beta")
    ('https://gw.acme.example', 'v1beta')
    """
    match = _VERSIONED.fullmatch(base_url or "")
    return (match["base"], match["version"]) if match else (base_url or "", "")


class GeminiFields(Fields):
    """The fields of Gemini's form."""

    api_key: Secret = Field(
        title="API key",
        description="From Google AI Studio; new keys start with AQ.",
        examples=["AQ.…"],
    )
    read_url = read_base
    base_url: str | None = base_url_field(
        "Only for a company gateway; without a version at its end, v1 is used.",
        "https://llm-gateway.acme.example/gemini",
    )


def _target(fields: Fields, model: str) -> Target:
    assert isinstance(fields, GeminiFields)
    base, version = split_version(fields.base_url)
    return Target(
        url=f"{base or f'https://{_HOST}'}/{version or 'v1'}",
        model=model,
        auth=(AuthHeader("x-goog-api-key", fields.api_key),),
    )


VARIABLES = (
    "GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL",
    "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION",
    "GOOGLE_GENAI_USE_VERTEXAI",
)  # fmt: skip
"""What Google's SDK reads, for the Gemini API and for Vertex AI."""


def _sdk(fields: Fields, _target: Target) -> SDK:
    base, version = split_version(fields.base_url)
    return SDK(
        module="google.genai",
        client="Client",
        arguments={"vertexai": False, "base_url": base, "api_version": version},
        variables={
            "GOOGLE_GEMINI_BASE_URL": base,
            "GOOGLE_GENAI_USE_VERTEXAI": "false",
        },
    )


_PORTAL = Portal(
    "gemini",
    "Gemini: where the API key is made in Google AI Studio",
    "aistudio.google.com/apikey",
    (
        Step("Choose Get API key."),
        Step("Choose Create API key."),
        Step("Copy the key; it starts with AQ.", "api_key"),
    ),
    (
        Part("heading", "API keys"),
        Part("button", "Create API key", step=2),
        Part("row", ""),
        Part("value", "API key", "AQ.…", step=3),
    ),
    menu=("", "", "", "Get API key"),
    at="Get API key",
    menu_step=1,
)

PROVIDER = Provider(
    kind="gemini",
    title="Gemini",
    fields=GeminiFields,
    links=(
        Link("Open Google AI Studio", "https://aistudio.google.com"),
        Link("Get a key", "https://aistudio.google.com/apikey"),
    ),
    steps=(
        "Log in to Google AI Studio with a Google account.",
        "Choose Get API key → Create API key and copy it; it starts with AQ.",
        "Without billing the free tier applies: few calls a day, and Google may read the texts.",
    ),
    portals=(_PORTAL,),
    dialect=gemini,
    target=_target,
    sdk=_sdk,
    models=MODELS,
    retired=RETIRED,
    single=True,
    key_prefixes=(
        KeyPrefix("AQ.", shape=r"[A-Za-z0-9_-]{30,300}", issuer="Google"),
        KeyPrefix(
            "AIza",
            shape=r"[A-Za-z0-9_-]{35}",
            issuer="Google",
            problem="Google is ending AIza keys.",
            step="Make a new key in Google AI Studio (it starts with AQ.) and paste it.",
        ),
    ),
    key_hint="Gemini needs a key from Google AI Studio (AQ.…)",
    environment=Environment(keys=VARIABLES[:2], others=VARIABLES),
    llm_names=("gemini",),
    host=_HOST,
    no_access=Advice(
        "The key is right, but Google does not offer {model} to it.{ending}",
        "A model that is new or near its end is not offered to every key, nor in version v1 of "
        "the API: take another one that the key lists.",
    ),
    price_provider="google",
)
