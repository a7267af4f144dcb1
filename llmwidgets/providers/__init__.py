"""What can be connected: seven kinds, each one file of data."""

from __future__ import annotations

from llmwidgets.providers.anthropic import ANTHROPIC
from llmwidgets.providers.azure_ai_foundry import AZURE_AI_FOUNDRY
from llmwidgets.providers.azure_openai import AZURE_OPENAI
from llmwidgets.providers.base import Kind, Provider
from llmwidgets.providers.custom import CUSTOM
from llmwidgets.providers.gemini import GEMINI
from llmwidgets.providers.openai import OPENAI
from llmwidgets.providers.vertex_ai import VERTEX_AI

PROVIDERS: dict[Kind, Provider] = {
    provider.kind: provider
    for provider in (
        OPENAI, GEMINI, VERTEX_AI, ANTHROPIC, AZURE_OPENAI, AZURE_AI_FOUNDRY, CUSTOM,
    )
}  # fmt: skip
"""Every kind of connection, in the order of the panel."""

__all__ = ["PROVIDERS"]
