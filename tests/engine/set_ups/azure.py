"""Set-ups of Azure OpenAI and Azure AI Foundry."""

# ruff: noqa: E501 - recorded words stay as they came

from __future__ import annotations

from tests.engine.set_ups.set_up import (
    AZURE_LIST,
    CHAT,
    DATED,
    NO_DEPLOYMENT,
    NOT_FOUND_PAGE,
    WRONG_AZURE,
    SetUp,
    azure,
    foundry,
)

AZURE = (
    SetUp(
        "the model's name typed as deployment, the address names the right one", "azure_openai",
        azure(DATED + "2025-01-01-preview", deployment="gpt-6-luna"),
        (AZURE_LIST, ("deployments/luna", 200, CHAT), ("", 404, NO_DEPLOYMENT)),
        "UnknownModel", ("deployment", "luna", "gpt-6-luna"), ("deployment",),
        {"deployment": "luna"},
    ),
    SetUp(
        "a deployment that does not exist", "azure_openai", azure("{url}/openai/v1"),
        (AZURE_LIST, ("", 404, NO_DEPLOYMENT)),
        "UnknownModel", ("no deployment called luna",), ("deployment's name", "5 minutes"),
    ),
    SetUp(
        "keys turned off on the resource", "azure_openai", azure("{url}/openai/v1"),
        (("", 403, {"error": {"code": "AuthenticationTypeDisabled",
                              "message": "Key based authentication is disabled for this resource."}}),),
        "Forbidden", ("keys", "turned off"), ("local authentication", "Microsoft Entra ID"),
    ),
    SetUp(
        "keys turned off, said as PermissionDenied", "azure_ai_foundry",
        foundry("{url}/models/chat/completions?api-version=2024-05-01-preview"),
        (("", 401, {"error": {"code": "PermissionDenied",
                              "message": "Key based authentication is not permitted for this "
                              "resource"}}),),
        "Unauthorized", ("keys", "turned off"), ("local authentication", "Microsoft Entra ID"),
    ),
    SetUp(
        "the key of another resource", "azure_openai", azure("{url}/openai/v1"),
        (("", 401, WRONG_AZURE),), "Unauthorized", ("not accepted",), ("another resource",),
    ),
    SetUp(
        "an api-version that does not exist", "azure_openai", azure(DATED + "2026-99-01"),
        (AZURE_LIST, ("2026-99-01", 400, {"error": {"code": "BadRequest",
                                                    "message": "API version not supported"}}),
         ("", 200, CHAT)),
        "BadRequest", ("2026-99-01",), ("endpoint",), {"endpoint": DATED + "2024-10-21"},
    ),
    SetUp(
        "an api-version that answers 404", "azure_openai", azure(DATED + "2026-99-01"),
        (AZURE_LIST, ("2026-99-01", 404, {"error": {"code": "404",
                                                    "message": "Resource not found"}}),
         ("", 200, CHAT)),
        "Unreachable", ("2026-99-01",), ("endpoint",), {"endpoint": DATED + "2024-10-21"},
    ),
    SetUp(
        "a page of the portal", "azure_openai", azure("https://portal.azure.com/#home"),
        expected="FieldError", says=("portal",), hints=(),
    ),
    SetUp(
        "Claude's address under Azure OpenAI", "azure_openai",
        azure("https://acme.services.ai.azure.com/anthropic/v1/messages"),
        expected="FieldError", says=("Claude", "Azure AI Foundry"), hints=(),
    ),
    SetUp(
        "Foundry: a model that is not deployed", "azure_ai_foundry",
        foundry("{url}/models/chat/completions?api-version=2024-05-01-preview"),
        (("GET", 404, {"error": {"code": "404", "message": "Resource not found"}}),
         ("", 400, {"error": {"code": "unknown_model", "message": "Unknown model: mistral-large-3",
                              "details": "Unknown model: mistral-large-3"}})),
        "UnknownModel", ("mistral-large-3",), ("deploy",),
    ),
    SetUp(
        "Foundry: a serverless host with another path", "azure_ai_foundry",
        foundry("https://acme.eastus2.models.ai.azure.com/score"),
        expected="FieldError", says=("score", "chat"), hints=(),
    ),
    SetUp(
        "Foundry: managed compute", "azure_ai_foundry",
        foundry("https://acme.eastus2.inference.ml.azure.com/score"),
        expected="FieldError", says=("managed compute",), hints=(),
    ),
    SetUp(
        "Foundry: a serverless path where nothing answers", "azure_ai_foundry",
        foundry("{url}/gone/v1"), (("", 404, NOT_FOUND_PAGE),),
        "Unreachable", ("nothing",), ("target URI",),
    ),
    SetUp(
        "a firewall of the resource", "azure_openai", azure("{url}/openai/v1"),
        (("", 403, {"error": {"code": "403", "message": "Access denied due to Virtual Network/"
                              "Firewall rules."}}),),
        "Forbidden", ("network",), ("firewall",),
    ),
)  # fmt: skip
