"""Gemini's content format: what it takes of JSON Schema; calls are refused with a sentence."""

from __future__ import annotations

from llmwidgets.dialects.gemini_subset import SUBSET
from llmwidgets.dialects.messages import Call, Request, Target
from llmwidgets.errors import BadRequest

__all__ = ["NAME", "SUBSET", "encode", "models_call"]

NAME = "gemini_content"


def encode(request: Request, target: Target) -> Call:
    """Raises BadRequest: this format is not spoken."""
    raise _not_spoken(target)


def models_call(target: Target) -> Call:
    """Raises BadRequest: this format is not spoken."""
    raise _not_spoken(target)


def _not_spoken(target: Target) -> BadRequest:
    return BadRequest(
        "Gemini and Vertex AI connections are not spoken to by this version.",
        "They can be saved; OpenAI, Azure OpenAI, Azure AI Foundry and Custom connections run.",
        label=target.label,
        model=target.model,
    )
