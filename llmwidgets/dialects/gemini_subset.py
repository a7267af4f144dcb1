"""What Gemini's `responseJsonSchema` takes of JSON Schema; optional properties stay optional.

Source: the provider's SDK, November 2026.
"""

from __future__ import annotations

from llmwidgets.schemas import Subset

SUBSET = Subset(
    name="Gemini",
    keywords=frozenset({
        "description", "format", "minItems", "maxItems", "minimum", "maximum", "prefixItems",
    }),
    formats=frozenset({"date-time", "time", "date"}),
    root_object=True,
    required_cycles=False,
    enum_types=frozenset({"string", "number", "integer"}),
)  # fmt: skip
