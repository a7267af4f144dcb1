"""Anthropic's Messages format: what it takes of JSON Schema; calls are refused with a sentence."""

from __future__ import annotations

from llmwidgets.dialects.messages import Call, Request, Target
from llmwidgets.errors import BadRequest
from llmwidgets.schemas import Subset

NAME = "anthropic_messages"

SUBSET = Subset(
    name="Anthropic",
    keywords=frozenset(["title", "description", "const", "format", "minItems"]),
    formats=frozenset(
        [
            "date-time",
            "time",
            "date",
            "duration",
            "email",
            "hostname",
            "uri",
            "ipv4",
            "ipv6",
            "uuid",
        ]
    ),
    closed=True,
    root_object=True,
    recursion=False,
    min_items_up_to=1,
)  # fmt: skip
"""What `output_config.format` takes; optional properties stay optional, recursion is refused."""


def encode(request: Request, target: Target) -> Call:
    """Raises BadRequest: this format is not spoken."""
    raise _not_spoken(target)


def models_call(target: Target) -> Call:
    """Raises BadRequest: this format is not spoken."""
    raise _not_spoken(target)


def _not_spoken(target: Target) -> BadRequest:
    return BadRequest(
        "Anthropic connections are not spoken to by this version.",
        "They can be saved; OpenAI, Azure OpenAI, Azure AI Foundry and Custom connections run.",
        label=target.label,
        model=target.model,
    )
