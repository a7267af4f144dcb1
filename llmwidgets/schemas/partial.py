"""Partial: the schema without its rules of presence, for truth that labels only some fields."""

from __future__ import annotations

from typing import Any

from llmwidgets.schemas.canonical import Canonical, Node
from llmwidgets.schemas.references import LISTS, MAPS, SINGLES

_PRESENCE = frozenset({
    "required", "dependentRequired", "dependentSchemas", "minProperties", "not", "if", "then",
    "else",
})  # fmt: skip


def without_presence(schema: Canonical) -> Node:
    """The schema with no property required, at any depth.

    `oneOf` becomes `anyOf`, since branches told apart by what is present no longer are.
    """
    fewer: Node = _without(schema.alone(schema.root))
    return fewer


def _without(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    fewer: Node = {}
    for key, value in node.items():
        if key in _PRESENCE:
            continue
        if key in MAPS:
            fewer[key] = {name: _without(each) for name, each in value.items()}
        elif key == "oneOf" and "anyOf" not in node:
            fewer["anyOf"] = [_without(each) for each in value]
        elif key in LISTS:
            fewer[key] = [_without(each) for each in value]
        elif key in SINGLES:
            fewer[key] = _without(value)
        else:
            fewer[key] = value
    return fewer
