"""What can be connected: seven kinds, each one file of data."""

from __future__ import annotations

from llmwidgets.providers.base import Kind, Provider
from llmwidgets.providers.custom import CUSTOM
from llmwidgets.providers.openai import OPENAI

PROVIDERS: dict[Kind, Provider] = {
    provider.kind: provider
    for provider in (
        OPENAI,
        CUSTOM,
    )
}
"""Every kind of connection, in the order of the panel."""

__all__ = ["PROVIDERS"]
