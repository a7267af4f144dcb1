"""Single values out of a reply: a word, a number of tokens, or None where there is none."""

from __future__ import annotations

from typing import Any


def count(value: Any) -> int | None:
    """A number of tokens."""
    right = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if right else None


def word(value: Any) -> str | None:
    """A text that is not empty."""
    return value if isinstance(value, str) and value else None
