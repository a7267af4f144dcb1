"""Compiling: a canonical schema cut to a dialect's subset."""

from __future__ import annotations

from llmwidgets.schemas.canonical import Canonical
from llmwidgets.schemas.shape import Wrapped
from llmwidgets.schemas.subset import Compiled, Subset


def compile_schema(schema: Canonical, subset: Subset) -> Compiled:
    """The schema to send, what it lost, and the way back."""
    root = schema.resolve(schema.root)
    sent = {**root, **({"$defs": schema.defs} if schema.defs else {})}
    if root.get("type") == "object":
        return Compiled(sent)
    wrapped = {
        "type": "object",
        "properties": {"value": root},
        "required": ["value"],
        "additionalProperties": False,
    }
    return Compiled(wrapped, wrapped=True, shape=Wrapped("value", None))
