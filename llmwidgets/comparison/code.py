"""Copy as code: Python that runs the same comparison, with no secret and no text in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from llmwidgets.comparison.saved import reference
from llmwidgets.engine.defaults import DEFAULT_INSTRUCTIONS, EFFORT

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.variant import Variant


def code_of(comparison: Comparison) -> str:
    """The call of `compare` that asks the same; names stand for texts, truth and examples.

    The schema stands in it where all texts share one, so that the code needs no class.
    """
    schemas = {text.schema.digest: text.schema for text in comparison.texts}
    shared = next(iter(schemas.values())) if len(schemas) == 1 else None
    lines = ["import json", "", "import llmwidgets as lw", ""]
    if shared is not None:
        lines += [f"schema = json.loads({_spelled(json.dumps(shared.json))})", ""]
    keywords = [("truth", "truth")]
    if comparison.repeats > 1:
        keywords.append(("repeats", str(comparison.repeats)))
    if comparison.scoring is not None:
        keywords.append(("scoring", _literal(comparison.scoring)))
    lines += [
        "result = lw.compare(",
        f"    {'schema' if shared is not None else 'None'},",
        "    texts,",
        "    [",
        *(f"        {_variant(variant)}," for variant in comparison.variants),
        "    ],",
        *(f"    {name}={value}," for name, value in keywords),
        ")",
    ]
    return "\n".join(lines) + "\n"


def _variant(variant: Variant) -> str:
    said: dict[str, Any] = {
        "label": variant.label,
        "instructions": variant.instructions,
        "effort": variant.effort,
        "temperature": variant.temperature,
        "max_output_tokens": variant.max_output_tokens,
        "price": variant.price,
    }
    model = reference(variant)
    usual = {"label": model, "instructions": DEFAULT_INSTRUCTIONS, "effort": EFFORT}
    own = [
        f"{name}={_literal(value)}"
        for name, value in said.items()
        if value is not None and value != usual.get(name)
    ]
    if variant.examples:
        own.append("examples=examples")
    return f"lw.Variant({', '.join([_spelled(model), *own])})" if own else _spelled(model)


def _literal(value: Any) -> str:
    return _spelled(value) if isinstance(value, str) else repr(value)


def _spelled(value: str) -> str:
    """The text as Python writes it, in ASCII: no character of it can end the literal."""
    return json.dumps(value)
