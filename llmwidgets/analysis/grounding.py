"""Grounding: where in a text a value stands, as it is or written in another way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
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

_SHORTEST_FUZZY, _OVERLAPS = 5, 8
_LOOKED_THROUGH = 10_000_000_000
"""So many characters of a text, over all values, are looked through: some seconds."""

_FUZZY_AT_ONCE, _FUZZY = 100_000_000, 300_000_000
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
    nowhere. `not applicable`: null, yes or no, allowed values that a text need not spell out, and
    what is too long, or one of too many values, to be looked for in a long text.
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
    _left: dict[str, float] = field(
        default_factory=lambda: {"exact": _LOOKED_THROUGH, "fuzzy": _FUZZY}, repr=False
    )

    def takes(self, kind: str, work: float) -> bool:
        """Whether so much more work may go into this text; what it takes is kept in mind."""
        self._left[kind] -= work
        return self._left[kind] >= 0

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
    def by_number(self) -> dict[Decimal, list[tuple[int, int, str]]]:
        """Where each number stands, and with which unit."""
        found: dict[Decimal, list[tuple[int, int, str]]] = {}
        for start, end, number in self.numbers:
            places = found.setdefault(number.value, [])
            if all(unit != number.unit for *_, unit in places):
                places.append((start, end, number.unit))
        return found

    @cached_property
    def by_day(self) -> dict[datetime, tuple[int, int]]:
        """Where each day that a date may mean stands first."""
        found: dict[datetime, tuple[int, int]] = {}
        for start, end, days in self.dates:
            for day in days:
                found.setdefault(day, (start, end))
        return found

    @cached_property
    def by_clock(self) -> dict[time, tuple[int, int]]:
        """Where each time of day stands first."""
        found: dict[time, tuple[int, int]] = {}
        for start, end in _spans(self.text, _TIMES):
            clock = clock_in(self.text[start:end])
            if clock is not None:
                found.setdefault(clock, (start, end))
        return found

    @cached_property
    def by_day_of_year(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Where each month and day stands first that has no year."""
        found: dict[tuple[int, int], tuple[int, int]] = {}
        for start, end in _spans(self.text, _DAYS):
            passage = self.text[start:end].strip()
            mark = "" if passage.endswith(".") else "/" if "/" in passage else " "
            # A leap year has every day.
            for day in days_in(f"{passage}{mark}2024"):
                found.setdefault((day.month, day.day), (start, end))
        return found

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
    if not source.takes("exact", len(source.text)):
        return _NOT_APPLICABLE
    found = _exact(value, source) or _other_writing(value, source)
    if found:
        return found
    if leaf is not None and leaf.type in {"enum", "boolean"}:
        return _NOT_APPLICABLE
    return _fuzzy(value, source) if isinstance(value, str) else _ABSENT


def _exact(value: str | int | float, source: Source) -> Grounding | None:
    wanted = value.strip() if isinstance(value, str) else repr(value)
    return _whole_words(source.text, wanted)


def _whole_words(text: str, wanted: str) -> Grounding | None:
    """The first place where `wanted` stands and is no part of a longer word or number."""
    for start in _places(text, wanted):
        end = start + len(wanted)
        if not (_joined(text, start) or _joined(text, end)):
            return Grounding("exact", start, end)
    return None


def _places(text: str, wanted: str) -> Iterator[int]:
    """Where `wanted` stands; of many places that overlap only the first and the last ones."""
    start, over = text.find(wanted), 0
    while start >= 0:
        yield start
        following = text.find(wanted, start + 1)
        step = following - start
        over = over + 1 if 0 < step < len(wanted) else 0
        if over == _OVERLAPS:
            # The same few letters again and again: one place in the middle is like another.
            end = following + _same(text, start, following)
            following = text.find(wanted, max(following, end - len(wanted) - step))
            over = 0
        start = following


def _same(text: str, one: int, other: int) -> int:
    """How many characters from two places on are the same."""
    low, high = 0, len(text) - other
    while low < high:
        middle = (low + high + 1) // 2
        same = text[one + low : one + middle] == text[other + low : other + middle]
        low, high = (middle, high) if same else (low, middle - 1)
    return low


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
        for start, end, unit in source.by_number.get(reading.number.value, ()):
            if len({reading.number.unit, unit} - {""}) < 2:
                return Grounding("normalised", start, end)
        return None
    if isinstance(value, str) and (days := days_in(value)):
        whole = [source.by_day[day] for day in days if day in source.by_day]
        return Grounding("normalised", *min(whole)) if whole else _without_year(days, source)
    if isinstance(value, str) and (clock := clock_in(value)):
        place = source.by_clock.get(clock)
        return Grounding("normalised", *place) if place else None
    return _normalised(reading.text, source)


def _without_year(days: list[datetime], source: Source) -> Grounding | None:
    """A day and month without a year: normalised where the year stands elsewhere, else fuzzy."""
    found = [
        (source.by_day_of_year[day.month, day.day], day.year)
        for day in days
        if (day.month, day.day) in source.by_day_of_year
    ]
    if not found:
        return None
    place, year = min(found)
    known = _whole_words(source.text, str(year))
    return Grounding("normalised" if known else "fuzzy", *place)


def _spans(text: str, *patterns: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    for pattern in patterns:
        for found in pattern.finditer(text):
            start = found.start() + len(found.group()) - len(found.group().lstrip())
            yield start, found.end()


def _normalised(wanted: str, source: Source) -> Grounding | None:
    flat, offsets = source.plain
    for at in _places(flat, wanted) if wanted else ():
        start, end = offsets[at], offsets[at + len(wanted) - 1] + 1
        if not (_joined(source.text, start) or _joined(source.text, end)):
            return Grounding("normalised", start, end)
    return None


def _fuzzy(value: str, source: Source) -> Grounding:
    from rapidfuzz import fuzz

    flat, offsets = source.plain
    wanted = plain(value)
    if len(wanted) < _SHORTEST_FUZZY or len(flat) < len(wanted):
        return _ABSENT
    # Measured: up to some hundred characters a passage costs the same, then its length cubed.
    work = len(flat) * (1 + (len(wanted) / 330) ** 3)
    if work > _FUZZY_AT_ONCE or not source.takes("fuzzy", work):
        return _NOT_APPLICABLE
    near = fuzz.partial_ratio_alignment(wanted, flat, score_cutoff=FUZZY_FROM)
    if near is None or near.dest_end <= near.dest_start:
        return _ABSENT
    start, end = _widened(source.text, offsets[near.dest_start], offsets[near.dest_end - 1] + 1)
    passage = source.text[start:end]
    alike = fuzz.ratio(wanted, plain(passage)) >= FUZZY_FROM
    same_digits = digits(passage) == digits(value)
    return Grounding("fuzzy", start, end) if alike and same_digits else _ABSENT


def _widened(text: str, start: int, end: int) -> tuple[int, int]:
    """The span made whole at both ends, so that it cuts no word and no number."""
    while start > 0 and _joined(text, start):
        start -= 1
    while end < len(text) and _joined(text, end):
        end += 1
    return start, end
