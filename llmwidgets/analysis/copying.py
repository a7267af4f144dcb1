"""Copying: whether a value was taken from an example instead of from the text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from llmwidgets.analysis.alignment import leaves_of
from llmwidgets.analysis.grounding import Source, ground
from llmwidgets.analysis.normalize import plain, says_nothing
from llmwidgets.schemas import Leaf

_WRITTEN = ("exact", "normalised")


@dataclass(frozen=True, slots=True)
class Copying:
    """The examples that were shown: their texts, and the values of their records."""

    sources: tuple[Source, ...] = ()
    values: frozenset[str] = frozenset()

    @classmethod
    def of(cls, examples: Iterable[tuple[str, Any]]) -> Copying:
        """Read (text, record) pairs once for all values that are looked for in them."""
        shown = list(examples)
        return cls(
            tuple(Source(text) for text, _ in shown if text),
            frozenset(
                plain(str(value))
                for _, record in shown
                for _, _, value in leaves_of(None, record)
                if _can_be_copied(value)
            ),
        )

    def is_copied(self, value: Any, text: Source, leaf: Leaf | None = None) -> bool:
        """Whether a value stands in an example and not in the text.

        >>> copying = Copying.of([("Bill of Ada for 12 euro", {"name": "Ada"})])
        >>> copying.is_copied("Ada", Source("Bill of Bob for 9 euro"))
        True
        """
        if not (self.sources or self.values) or not _can_be_copied(value) or not text.text:
            return False
        if ground(value, text, leaf).kind != "absent":
            return False
        if plain(str(value)) in self.values:
            return True
        return any(ground(value, source, leaf).kind in _WRITTEN for source in self.sources)


def _can_be_copied(value: Any) -> bool:
    readable = isinstance(value, str | int | float) and not isinstance(value, bool)
    return readable and not says_nothing(value)
