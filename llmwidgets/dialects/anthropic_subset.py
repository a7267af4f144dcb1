"""What Anthropic's `output_config.format` takes of JSON Schema; optional properties stay optional.

A schema beyond its limits has an excess, and travels as a tool without `strict`.
Source: the provider's SDK, November 2026.
"""

from __future__ import annotations

from llmwidgets.schemas import Subset

SUBSET = Subset(
    name="Anthropic",
    keywords=frozenset({"description", "const", "format", "minItems"}),
    formats=frozenset({
        "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6",
        "uuid",
    }),
    closed=True,
    root_object=True,
    recursion=False,
    enum_with_type=False,
    min_items_up_to=1,
    max_optional=24,
    max_unions=16,
)  # fmt: skip
