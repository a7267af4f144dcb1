"""What a run asks: columns (who, and how) times texts (what), times repeats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.types import Effort, Example
from llmwidgets.engine.defaults import DEFAULT_INSTRUCTIONS
from llmwidgets.schemas import Schema


@dataclass(frozen=True, slots=True)
class Text:
    """One document with the schema of its record; `truth` is NOTHING where it has no label.

    With `by_record`, truth came as a record of the user's class, and replies are compared as such.
    Texts of the same `group` belong together (pages of one document, mails of one sender); empty
    where nothing was said about that. `blanks` labels of its truth are empty and not scored.
    """

    id: str
    text: str
    schema: Schema
    truth: Any
    by_record: bool = False
    group: str = ""
    blanks: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """One variant, resolved: a model of a connection and the way it is asked.

    `price` is in US dollars for a million tokens, {"input": …, "output": …}; None looks it up.
    """

    label: str
    connection: Connection
    model: str
    instructions: str = DEFAULT_INSTRUCTIONS
    examples: tuple[Example, ...] = ()
    effort: Effort = "least"
    temperature: float | None = None
    max_output_tokens: int | None = None
    price: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Every column is asked every text, `repeats` times."""

    columns: tuple[Column, ...]
    texts: tuple[Text, ...]
    repeats: int = 1

    @property
    def asked(self) -> int:
        """How many extractions each column ends with."""
        return len(self.texts) * self.repeats
