"""Enforcement: whether a reply shows that the server does not hold to the schema it was sent."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from llmwidgets.dialects.messages import Reply
from llmwidgets.errors import FieldError, InvalidJSON
from llmwidgets.schemas import Compiled, parse_json
from llmwidgets.schemas.validation import validator_of

_BEGUN = ("{", "[", '"', "`")


class Enforcement:
    """Judges replies by the schema as it was sent, not by the user's own, which can be stricter.

    A reply that was cut, refused or empty shows nothing, and neither does a format, which JSON
    Schema lets a reader take for a remark.
    """

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled

    def broken_by(self, reply: Reply, limit: int) -> bool:
        """Whether the whole reply is something that an enforced schema cannot bring."""
        used, text = reply.usage.output_tokens, reply.text.strip()
        if not text or reply.ending != "complete" or (used is not None and used >= limit):
            return False
        try:
            data = parse_json(text)
        except InvalidJSON:
            # What begins as JSON and ends early may have been cut without a word.
            return not text.startswith(_BEGUN)
        try:
            return self._validator is not None and not self._validator.is_valid(data)
        except (ValueError, TypeError, OverflowError, RecursionError):
            return False

    @cached_property
    def _validator(self) -> Any:
        try:
            return validator_of(self._compiled.schema, formats=False)
        except FieldError:
            # A pattern in a spelling that only the provider reads.
            return None
