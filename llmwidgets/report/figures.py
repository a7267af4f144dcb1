"""Figures as a reader sees them: shares, intervals, seconds, money, letters, failure words."""

from __future__ import annotations

import re

UNKNOWN = "unknown"
_JOINERS = "\u200c\u200d"
"""Unseen, and a part of spelling in Persian, in the scripts of India and in pictures."""


def percent(share: float | None) -> str:
    """A share 0–1 as a percentage with one decimal; a dash where nothing was scored."""
    return "–" if share is None else f"{share * 100:.1f}"


def interval(low: float | None, high: float | None) -> str:
    """An interval of shares, in percent."""
    return "–" if low is None or high is None else f"{percent(low)}–{percent(high)}"


def seconds(value: float | None) -> str:
    """Seconds with as many digits as matter."""
    if value is None:
        return UNKNOWN
    return f"{value:.2f}" if value < 1 else f"{value:.1f}"


def money(value: float | None) -> str:
    """US dollars without the sign; unknown is said, never 0."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "0"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def thousands(number: int | None) -> str:
    """A count of tokens: 812, 20.4k, unknown."""
    if number is None:
        return UNKNOWN
    return f"{number:,}" if number < 10_000 else f"{number / 1000:.1f}k"


def letter(at: int) -> str:
    """A, B … Z, AA, AB: the same letter for a variant in every view and export."""
    name = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def words(failure: str) -> str:
    """A failure's class as words: InvalidRecord → invalid record, InvalidJSON → invalid JSON."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+", failure)
    return " ".join(part if part.isupper() and len(part) > 1 else part.lower() for part in parts)


def failures(counts: tuple[tuple[str, int], ...]) -> str:
    """The failures that happened, with their counts; none is said."""
    return ", ".join(f"{count} {words(name)}" for name, count in counts if count) or "none"


def shorten(text: str, most: int) -> str:
    """The text on one line, cut to `most` characters; unseen characters (an escape) are marked."""
    line = " ".join(text.split())
    line = "".join(
        each if each.isprintable() or each in _JOINERS else "\ufffd" for each in line[: most + 1]
    )
    return line if len(line) <= most else line[: most - 1] + "…"
