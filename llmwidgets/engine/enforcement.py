"""Enforcement: whether a reply shows that the server does not hold to the schema it was sent.

And how the row of such a reply says so.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

from llmwidgets.dialects.types import BEST, Mode, Reply, Request
from llmwidgets.engine.journal.row import Row
from llmwidgets.errors import FieldError, InvalidJSON
from llmwidgets.schemas import Compiled, parse_json
from llmwidgets.schemas.validation import validator_of

UNHELD = (
    "The server does not enforce this schema, whatever it does with others, so the schema"
    " was put into the prompt as well."
)
BROKE = "The reply did not keep to the schema that was sent: the server does not enforce it."
OTHERS_BROKE = "Asked as if the server enforced the schema; other replies showed that it does not."

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


def relied_on(sent_as: Request) -> bool:
    """Whether the question relied on the schema being enforced."""
    return BEST[sent_as.form] is Mode.SCHEMA and not sent_as.schema_in_prompt


def unheld_row(row: Row, note: str) -> Row:
    """The row of a reply that was asked for under a schema that turned out not to be enforced."""
    notes = tuple(each for each in row.notes if each != UNHELD)
    return replace(row, mode=Mode.JSON, schema_shown=False, notes=(*notes, note), id=0)
