"""What OpenAI's strict mode takes of JSON Schema: the safest common form for other servers as well.

Source: the provider's guide to structured outputs, November 2026.
"""

from __future__ import annotations

from llmwidgets.schemas import Subset

SUBSET = Subset(
    name="OpenAI",
    keywords=frozenset({
        "description", "const", "pattern", "format", "minimum", "maximum", "exclusiveMinimum",
        "exclusiveMaximum", "multipleOf", "minItems", "maxItems",
    }),
    formats=frozenset(
        ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"]
    ),
    all_required=True,
    closed=True,
    root_object=True,
    distinct_first_keys=True,
    max_depth=10,
    max_properties=5000,
    max_enum_values=1000,
    large_enum=250,
    max_large_enum_chars=15_000,
    max_chars=120_000,
)  # fmt: skip
