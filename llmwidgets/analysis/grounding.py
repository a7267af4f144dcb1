"""Grounding: where in a text a value stands, as it is or written in another way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib import import_module
from typing import Any, Literal

from llmwidgets.analysis.likeness import digits
from llmwidgets.analysis.readings import (
    Number,
    clock_in,
    days_in,
    number_in,
    plain,
    plain_with_offsets,
    read,
    says_nothing,
)
from llmwidgets.schemas import Leaf

Kind = Literal["exact", "normalised", "fuzzy", "absent", "not applicable"]
FUZZY_FROM = 85.0
"""From this likeness on (0 to 100), a passage counts as the value in other words."""

_SHORTEST_FUZZY = 5
_NUMBERS = re.compile(r"(?<![\w.,])[-+−]?\s?[$€£¥₹]?\s?[-−]?\d(?:[\d.,'’\u00a0\u2009\u202f]*\d)?%?")
_SPACED_NUMBERS = re.compile(r"(?<![\w.,])\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?!\d)")
_MONTH = r"[A-Za-z]{3,9}"
_DATES = re.compile(
    r"\b(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ]\d{1,2}:\d{2}\S*)?"
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.)?[\s-]+(?:of\s+)?{_MONTH}\.?,?[\s-]+\d{{4}}"
    rf"|{_MONTH}\.?\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+\d{{4}})\b"
)
_NAMED = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DAYS = re.compile(
    rf"\b(?:\d{{1,2}}(?:st|nd|rd|th|\.)?[\s-]+(?:of\s+)?{_NAMED}\b"
    rf"|{_NAMED}\.?\s+\d{{1,2}}(?:st|nd|rd|th)?(?![\d:])\b|\d{{1,2}}\.\d{{1,2}}\.(?!\d)"
    r"|(?<![\d/.])\d{1,2}/\d{1,2}(?![\d/.]))"
)
_TIMES = re.compile(r"\b\d{1,2}:\d{2}(?::\d{2})?(?:\s*[AaPp]\.?[Mm]\b\.?)?")


@dataclass(frozen=True, slots=True)
class Grounding:
    """Where a value stands in a text: `text[start:end]`; None where it does not.

    `exact`: to the letter. `normalised`: in other case, spacing, number or date writing.
    `fuzzy`: nearly, with the same digits; a date whose year the text does not say. `absent`:
    nowhere. `not applicable`: null, yes or no, and allowed values that a text need not spell out.
    """

    kind: Kind
    start: int | None = None
    end: int | None = None


_ABSENT = Grounding("absent")
_NOT_APPLICABLE = Grounding("not applicable")


@dataclass(frozen=True)
class Source:
    """A text, read once for all values that are looked for in it."""

    text: str

    @cached_property
    def plain(self) -> tuple[str, list[int]]:
        return plain_with_offsets(self.text)

    @cached_property
    def numbers(self) -> list[tuple[int, int, Number]]:
        """Every number in it, with where it stands."""
        spans = _spans(self.text, _NUMBERS, _SPACED_NUMBERS)
        read_spans = ((start, end, number_in(self.text[start:end])) for start, end in spans)
        return [(start, end, number) for start, end, number in read_spans if number]

    @cached_property
    def dates(self) -> list[tuple[int, int, frozenset[datetime]]]:
        """Every date with a year in it, with where it stands; several days where it is unclear."""
        spans = _spans(self.text, _DATES)
        return [(start, end, frozenset(days_in(self.text[start:end]))) for start, end in spans]


def get_ready() -> None:
    """Load what finds a paraphrase: 30 ms that the first look would take longer."""
    import_module("rapidfuzz.fuzz")


def ground(value: Any, text: str | Source, leaf: Leaf | None = None) -> Grounding:
    """Locate a value in a text.

    >>> ground(1250, "a total of 1,250.00 euro")
    Grounding(kind='normalised', start=11, end=19)
    >>> ground("Ada", "no such name")
    Grounding(kind='absent', start=None, end=None)
    """
    source = Source(text) if isinstance(text, str) else text
    if isinstance(value, bool) or not isinstance(value, str | int | float) or says_nothing(value):
        return _NOT_APPLICABLE
    found = _exact(value, source) or _other_writing(value, source)
    if found:
        return found
    if leaf is not None and leaf.type in {"enum", "boolean"}:
        return _NOT_APPLICABLE
    return (_fuzzy(value, source) if isinstance(value, str) else None) or _ABSENT


def _exact(value: str | int | float, source: Source) -> Grounding | None:
    wanted = value.strip() if isinstance(value, str) else repr(value)
    return _whole_words(source.text, wanted)


def _whole_words(text: str, wanted: str) -> Grounding | None:
    """The first place where `wanted` stands and is no part of a longer word or number."""
    start = text.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        if not (_joined(text, start) or _joined(text, end)):
            return Grounding("exact", start, end)
        start = text.find(wanted, start + 1)
    return None


def _joined(text: str, at: int) -> bool:
    """Whether the characters on both sides of a place belong to one word or number."""
    if at <= 0 or at >= len(text):
        return False
    before, after = text[at - 1], text[at]
    if before.isalnum() and after.isalnum():
        return True
    far = text[at - 2 : at - 1] if at >= 2 else ""
    into = before.isdigit() and after in ".," and text[at + 1 : at + 2].isdigit()
    return into or (before in ".," and far.isdigit() and after.isdigit())


def _other_writing(value: str | int | float, source: Source) -> Grounding | None:
    reading = read(value)
    if reading.number:
        for start, end, number in source.numbers:
            units = {reading.number.unit, number.unit} - {""}
            if number.value == reading.number.value and len(units) < 2:
                return Grounding("normalised", start, end)
        return None
    if isinstance(value, str) and (days := days_in(value)):
        for start, end, there in source.dates:
            if not there.isdisjoint(days):
                return Grounding("normalised", start, end)
        return _without_year(days, source)
    if isinstance(value, str) and (clock := clock_in(value)):
        for start, end in _spans(source.text, _TIMES):
            if clock_in(source.text[start:end]) == clock:
                return Grounding("normalised", start, end)
        return None
    return _normalised(reading.text, source)


def _without_year(days: list[datetime], source: Source) -> Grounding | None:
    """A day and month without a year: normalised where the year stands elsewhere, else fuzzy."""
    for start, end in _spans(source.text, _DAYS):
        passage = source.text[start:end].strip()
        for day in days:
            mark = "" if passage.endswith(".") else "/" if "/" in passage else " "
            if day.date() in {each.date() for each in days_in(f"{passage}{mark}{day.year}")}:
                known = _whole_words(source.text, str(day.year))
                return Grounding("normalised" if known else "fuzzy", start, end)
    return None


def _spans(text: str, *patterns: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    for pattern in patterns:
        for found in pattern.finditer(text):
            start = found.start() + len(found.group()) - len(found.group().lstrip())
            yield start, found.end()


def _normalised(wanted: str, source: Source) -> Grounding | None:
    flat, offsets = source.plain
    at = flat.find(wanted) if wanted else -1
    while at >= 0:
        start, end = offsets[at], offsets[at + len(wanted) - 1] + 1
        if not (_joined(source.text, start) or _joined(source.text, end)):
            return Grounding("normalised", start, end)
        at = flat.find(wanted, at + 1)
    return None


def _fuzzy(value: str, source: Source) -> Grounding | None:
    from rapidfuzz import fuzz

    flat, offsets = source.plain
    wanted = plain(value)
    if len(wanted) < _SHORTEST_FUZZY or len(flat) < len(wanted):
        return None
    near = fuzz.partial_ratio_alignment(wanted, flat, score_cutoff=FUZZY_FROM)
    if near is None or near.dest_end <= near.dest_start:
        return None
    start, end = _widened(source.text, offsets[near.dest_start], offsets[near.dest_end - 1] + 1)
    passage = source.text[start:end]
    alike = fuzz.ratio(wanted, plain(passage)) >= FUZZY_FROM
    return Grounding("fuzzy", start, end) if alike and digits(passage) == digits(value) else None


def _widened(text: str, start: int, end: int) -> tuple[int, int]:
    """The span made whole at both ends, so that it cuts no word and no number."""
    while start > 0 and _joined(text, start):
        start -= 1
    while end < len(text) and _joined(text, end):
        end += 1
    return start, end
