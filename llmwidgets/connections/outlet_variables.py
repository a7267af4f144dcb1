"""What the vendors' clients call a connection's plain fields, in arguments and in variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmwidgets.providers.azure import read_endpoint
from llmwidgets.providers.urls import read_address

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection

_OPENAI = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
_GOOGLE = (
    "GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL",
    "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION",
    "GOOGLE_GENAI_USE_VERTEXAI",
)  # fmt: skip
_AZURE = (
    "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_DEPLOYMENT",
    "AZURE_OPENAI_AD_TOKEN", "OPENAI_API_VERSION",
)  # fmt: skip

OWNED: Mapping[str, tuple[str, ...]] = {
    "openai": _OPENAI,
    "custom": _OPENAI,
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"),
    "gemini": _GOOGLE,
    "vertex_ai": _GOOGLE,
    "azure_openai": (*_AZURE, *_OPENAI),
    "azure_ai_foundry": (
        "AZURE_AI_API_KEY", "AZURE_AI_API_BASE", "ANTHROPIC_FOUNDRY_API_KEY",
        "ANTHROPIC_FOUNDRY_BASE_URL", "ANTHROPIC_FOUNDRY_RESOURCE", *_OPENAI,
    ),
}  # fmt: skip
"""The variables of each kind: set, or taken away, while its environment is in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """Which client serves a connection, and the plain arguments that it takes."""

    package: str
    client: str
    base_url: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    api_version: str = ""
    deployment: str = ""
    project: str = ""
    location: str = ""
    key_variables: tuple[str, ...] = ()


def plain_of(connection: Connection) -> Plain:
    """What the vendor's client is told of the connection beside its secrets."""
    target = connection.target(next(iter(connection.models), "any"))
    fields = connection.fields
    if connection.kind == "anthropic":
        return Plain(
            package="anthropic", client="Anthropic", base_url=target.url.removesuffix("/v1"),
            key_variables=("ANTHROPIC_API_KEY",),
        )  # fmt: skip
    if connection.kind == "gemini":
        return Plain(
            package="google.genai", client="Gemini", base_url=fields.base_url,
            key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        )  # fmt: skip
    if connection.kind == "vertex_ai":
        places = target.url.split("/projects/")[-1].split("/")
        return Plain(
            package="google.genai", client="Vertex AI", base_url=fields.base_url,
            project=places[0], location=places[2],
        )  # fmt: skip
    if connection.kind in {"azure_openai", "azure_ai_foundry"}:
        return _azure(connection, target.url, dict(target.query))
    return Plain(
        package="openai", client="OpenAI", base_url=target.url, query=dict(target.query),
        key_variables=("OPENAI_API_KEY",),
    )  # fmt: skip


def _azure(connection: Connection, url: str, query: Mapping[str, str]) -> Plain:
    found = read_endpoint(connection.fields.base_url or str(connection.plain_fields["endpoint"]))
    foundry = connection.kind == "azure_ai_foundry"
    if found.flavour == "anthropic":
        return Plain(
            package="anthropic", client="Anthropic", base_url=url.removesuffix("/v1") + "/",
            key_variables=("ANTHROPIC_FOUNDRY_API_KEY",),
        )  # fmt: skip
    if found.flavour == "dated":
        return Plain(
            package="openai", client="AzureOpenAI", base_url=read_address(url).origin,
            api_version=found.api_version or "", deployment=next(iter(connection.models), ""),
            key_variables=("AZURE_OPENAI_API_KEY",),
        )  # fmt: skip
    key = ("AZURE_AI_API_KEY",) if foundry else ("AZURE_OPENAI_API_KEY",)
    return Plain(
        package="openai", client="OpenAI", base_url=url, query=query,
        key_variables=("OPENAI_API_KEY", *key),
    )  # fmt: skip


def plain_variables(connection: Connection, plain: Plain) -> dict[str, str]:
    """The variables that hold no secret."""
    fields, kind = connection.fields, connection.kind
    base = plain.base_url or ""
    if plain.client == "AzureOpenAI":
        told = {
            "AZURE_OPENAI_ENDPOINT": base,
            "OPENAI_API_VERSION": plain.api_version,
            "AZURE_OPENAI_DEPLOYMENT": plain.deployment,
        }
    elif plain.client == "Vertex AI":
        told = {
            "GOOGLE_CLOUD_PROJECT": plain.project.removesuffix("-"),
            "GOOGLE_CLOUD_LOCATION": plain.location,
            "GOOGLE_GENAI_USE_VERTEXAI": "true",
            "GOOGLE_VERTEX_BASE_URL": base,
        }
    elif plain.client == "Gemini":
        told = {"GOOGLE_GEMINI_BASE_URL": base, "GOOGLE_GENAI_USE_VERTEXAI": "false"}
    elif plain.client == "Anthropic":
        name = "ANTHROPIC_BASE_URL" if kind == "anthropic" else "ANTHROPIC_FOUNDRY_BASE_URL"
        told = {name: base}
    else:
        own = {"azure_openai": "AZURE_OPENAI_ENDPOINT", "azure_ai_foundry": "AZURE_AI_API_BASE"}
        origin = read_address(base).origin if kind == "azure_openai" else base
        told = {
            "OPENAI_BASE_URL": base,
            "OPENAI_ORG_ID": getattr(fields, "organization", None) or "",
            "OPENAI_PROJECT_ID": getattr(fields, "project", None) or "",
            **({own[kind]: origin} if kind in own else {}),
        }
    return {name: value for name, value in told.items() if value}
