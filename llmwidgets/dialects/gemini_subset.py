"""What Gemini's `responseJsonSchema` takes of JSON Schema; optional properties stay optional.

Properties are answered in the order they are sent in, so `propertyOrdering` is left out.
Source: the provider's SDK, November 2026.
"""

from __future__ import annotations

from llmwidgets.schemas import Subset

SUBSET = Subset(
    name="Gemini",
    keywords=frozenset({
        "description", "format", "minItems", "maxItems", "minimum", "maximum", "prefixItems",
    }),
    # Of formats the documents name these three; any other may be answered with a bare 400.
    formats=frozenset({"date-time", "time", "date"}),
    root_object=True,
    required_cycles=False,
    enum_types=frozenset({"string", "number", "integer"}),
)  # fmt: skip
