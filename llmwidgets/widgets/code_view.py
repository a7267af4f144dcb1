"""The chosen comparison as code that runs the same, with no secret in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from llmwidgets.engine.defaults import DEFAULT_INSTRUCTIONS
from llmwidgets.widgets.comparison_setup import Setup
from llmwidgets.widgets.model_picker import Pick


def code_of(setup: Setup) -> str:
    """The call of `compare` for what is chosen; names stand for schema, texts and truth."""
    options = setup.options
    schema = setup.schema_given
    name = schema.__name__ if isinstance(schema, type) else "schema"
    if schema is None:
        name = "None"
    keywords: list[tuple[str, str]] = [("models", _models(setup.picks.listed))]
    if setup.truth_given is not None:
        keywords.append(("truth", "truth"))
    if options.crossed:
        keywords.append(("instructions", repr(dict(options.crossed))))
    elif options.instructions != DEFAULT_INSTRUCTIONS:
        keywords.append(("instructions", _spelled(options.instructions)))
    if options.repeats > 1:
        keywords.append(("repeats", str(options.repeats)))
    if options.concurrency:
        keywords.append(("concurrency", str(options.concurrency)))
    if options.budget is not None:
        keywords.append(("budget", f"{options.budget:g}"))
    lines = [f"    {key}={value}," for key, value in keywords]
    return "\n".join(
        [
            "import llmwidgets as lw",
            "",
            "result = lw.compare(",
            f"    {name},",
            "    texts,",
            *lines,
            ")",
        ]
    )


def _models(picks: Iterable[Pick]) -> str:
    listed = [_model(pick) for pick in picks]
    if len(listed) < 4 and sum(len(each) for each in listed) < 60:
        return f"[{', '.join(listed)}]"
    return "\n".join(["[", *(f"        {each}," for each in listed), "    ]"])


def _model(pick: Pick) -> str:
    variant = pick.variant
    said: dict[str, Any] = {
        "label": pick.label if pick.label != pick.ref else None,
        "instructions": variant.instructions,
        "effort": variant.effort,
        "temperature": variant.temperature,
        "max_output_tokens": variant.max_output_tokens,
        "price": variant.price,
    }
    own = [f"{key}={_spelled(value)}" for key, value in said.items() if value is not None]
    if isinstance(variant.examples, int):
        own.append(f"examples={variant.examples}")
    elif variant.examples:
        own.append("examples=examples")
    ref = _spelled(pick.ref)
    return f"lw.Variant({', '.join([ref, *own])})" if own else ref


def _spelled(value: Any) -> str:
    """The value as Python writes it, texts in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
