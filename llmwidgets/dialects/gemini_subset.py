"""What Gemini's `responseJsonSchema` takes of JSON Schema; optional properties stay optional.

Source: the provider's SDK, November 2026.
"""

from __future__ import annotations

from llmwidgets.schemas import Subset

SUBSET = Subset(
    name="Gemini",
    keywords=frozenset({"description", "format", "minItems", "maxItems", "minimum", "maximum"}),
    formats=frozenset({
        "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6",
        "uuid",
    }),
    root_object=True,
)  # fmt: skip
