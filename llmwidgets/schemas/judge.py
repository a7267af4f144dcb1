"""Judge: whether a value satisfies one part of a schema, made when it is first asked."""

from __future__ import annotations

from typing import Any

from llmwidgets.schemas.canonical import Canonical, Node
from llmwidgets.schemas.validation import validator_of


class Judge:
    """Tells whether a value satisfies a canonical schema; its validator is made on first use."""

    def __init__(self, schema: Canonical, node: Node) -> None:
        self._schema = schema
        self._node = node
        self._validator: Any = None

    def __call__(self, data: Any) -> bool:
        if self._validator is None:
            self._validator = validator_of(self._schema.alone(self._node))
        try:
            return bool(self._validator.is_valid(data))
        except (ValueError, TypeError, OverflowError):
            return False
